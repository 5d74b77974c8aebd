//! Keys out of a text: the same text gives the same keys, on any day and any machine.
//!
//! ```text
//! key = first 16 bytes of HMAC-SHA-256(seed, "key" ‖ key ID)        FIPS 198-1
//! iv  = first 16 bytes of HMAC-SHA-256(seed, "iv"  ‖ key ID)
//! ```
//!
//! The content ID does not enter: who asks for a licence or for a plain key names the key ID and
//! nothing else. So two contents that use one key ID share its key.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::model::protection::{ContentKey, KeyId};

/// What all keys are derived from.
#[derive(Clone)]
pub struct Seed(Zeroizing<Vec<u8>>);

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed")
    }
}

impl Seed {
    /// The seed of key servers that were given none. It is no secret: anybody can derive its keys.
    pub const DEFAULT: &'static str = "packorigin";

    /// Takes any text.
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.as_bytes().to_vec()))
    }

    /// The key with this ID, with the IV that goes with it.
    pub fn key(&self, id: KeyId) -> ContentKey {
        ContentKey::new(id, Zeroizing::new(self.derive(b"key", id)), Some(self.derive(b"iv", id)))
    }

    /// A key that has this ID and does not fit, to see what players do.
    pub(super) fn wrong_key(&self, id: KeyId) -> ContentKey {
        let secret = Zeroizing::new(self.derive(b"wrong key", id));
        ContentKey::new(id, secret, Some(self.derive(b"iv", id)))
    }

    fn derive(&self, label: &[u8], id: KeyId) -> [u8; 16] {
        let mut out = [0; 16];
        // HMAC takes keys of any length.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) {
            mac.update(label);
            mac.update(&id.0);
            for (to, from) in out.iter_mut().zip(mac.finalize().into_bytes()) {
                *to = from;
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: KeyId = KeyId(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128.to_be_bytes());

    #[test]
    fn keys_are_known_beforehand() {
        // printf 'key\x01\x23…' | openssl dgst -sha256 -hmac packorigin
        let key = Seed::new("packorigin").key(ID);
        assert_eq!(hex::encode(key.expose()), "4d92e34486928c6cb00d49e4abe37b24");
        assert_eq!(hex::encode(key.iv.unwrap()), "9930c960b358eef5de5295ab80fc43c9");
    }

    #[test]
    fn seeds_and_ids_make_different_keys() {
        let other = KeyId([7; 16]);
        let seed = Seed::new("a");
        let keys = [
            *seed.key(ID).expose(),
            *seed.key(other).expose(),
            *seed.wrong_key(ID).expose(),
            seed.key(ID).iv.unwrap(),
            *Seed::new("b").key(ID).expose(),
        ];
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key), "{index}");
        }
    }
}
