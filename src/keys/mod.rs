//! Content keys and what players are told about them.

mod vault;

pub use self::vault::{Vault, VaultError};
