//! Content keys and what is said about them.
//!
//! ```text
//! cpix       request document → (key server) → response document → KeySet
//! signalling what a key server did not say, or nobody was asked for
//!   ├ pssh ─ widevine, playready   payloads of protection system boxes
//!   └ hls_line                     EXT-X-KEY lines that key servers send
//! ```

pub mod cpix;
pub mod hls_line;
pub mod playready;
pub mod pssh;
pub mod signalling;
pub mod widevine;
