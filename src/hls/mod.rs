//! HTTP Live Streaming playlists (RFC 8216): the source's are read, ours are printed.
//!
//! Reading keeps what ingest needs and names the line that is wrong. Printing turns a resolved
//! [`crate::model::manifest::Manifest`] into text and decides nothing.

mod captions;
pub mod date;
mod dates;
mod key;
mod markers;
pub mod read;
mod session;
mod trick;
pub mod write;
