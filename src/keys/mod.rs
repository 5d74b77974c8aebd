//! stub
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
