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

use crate::error::Result;
use crate::model::encryption::Encryption;
use crate::model::policy::{ContentId, PackageType};
use crate::model::protection::KeySet;
use std::sync::Arc;
/// stub
pub struct Keys;
impl Keys {
    /// stub
    pub async fn key_set(
        &self,
        _: &ContentId,
        _: PackageType,
        _: &Encryption,
    ) -> Result<Arc<KeySet>> {
        todo!()
    }
    /// stub
    pub async fn known_key_sets(
        &self,
        _: &ContentId,
        _: PackageType,
        _: &Encryption,
    ) -> Vec<Arc<KeySet>> {
        Vec::new()
    }
}
