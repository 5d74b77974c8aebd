//! Text and keys that never show in logs, and the references by which settings name them.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// A secret. `Debug` does not show it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that sends or compares it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Follows `env:NAME` and `file:/path`; anything else is the secret itself. The error says
    /// what is missing and never what was found.
    pub(super) fn from_reference(
        text: &str,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, String> {
        let secret = if let Some(name) = text.strip_prefix("env:") {
            environment
                .get(name)
                .cloned()
                .ok_or_else(|| format!("the environment variable {name} is not set; set it"))?
        } else if let Some(path) = text.strip_prefix("file:") {
            let text = std::fs::read_to_string(path).map_err(|error| {
                format!("the file {path} cannot be read ({error}); create it or name another")
            })?;
            // Editors and `echo` end a file with a newline that is no part of the secret.
            text.trim_end_matches(['\r', '\n']).to_owned()
        } else {
            text.to_owned()
        };
        if secret.is_empty() {
            return Err("the secret is empty; set it or remove the setting".to_owned());
        }
        Ok(Self(secret))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The origin's own key, under which it stores what must not be read: AES-256. `Debug` does not
/// show it, and it is overwritten when it is dropped.
#[derive(Clone)]
pub struct SealingKey(Zeroizing<[u8; 32]>);

impl SealingKey {
    /// Wraps a key.
    pub fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    /// Reads 64 hexadecimal digits, or base64 of 32 bytes.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let mut key = Zeroizing::new([0; 32]);
        if text.len() == 64 {
            hex::decode_to_slice(text, key.as_mut_slice()).ok()?;
        } else {
            let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
            *key = bytes.as_slice().try_into().ok()?;
        }
        Some(Self(key))
    }

    /// The key, for the cipher.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(…)")
    }
}
