//! Secrets on their way in: sealed, kept, or refused, and never shown.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::keys::{Vault, VaultError};
use crate::model::encryption::ProtectedText;

/// What answers show in place of a secret. In a PUT it keeps the one that is stored.
pub(super) const HIDDEN: &str = "***";

/// Text that may be a secret. `Debug` does not show it.
#[derive(Clone)]
pub(super) struct SecretText(Zeroizing<String>);

impl SecretText {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    pub(super) fn hidden() -> Self {
        Self::new(HIDDEN)
    }

    /// A stored secret as answers show it: references as they are.
    pub(super) fn shown(stored: &ProtectedText) -> Self {
        match stored {
            ProtectedText::Sealed(_) => Self::hidden(),
            ProtectedText::Reference(reference) => Self::new(reference.as_str()),
        }
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    pub(super) fn is_hidden(&self) -> bool {
        self.expose() == HIDDEN
    }

    /// Names the secret instead of being it.
    pub(super) fn is_reference(&self) -> bool {
        ["env:", "file:"].iter().any(|start| self.expose().starts_with(start))
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// What the catalog may store of `given`. `kept` is the secret in its place that is stored already;
/// `check` looks at text that is the secret itself and says what is wrong with it, without quoting.
pub(super) fn protect(
    vault: &Vault,
    field: &str,
    given: &SecretText,
    kept: Option<&ProtectedText>,
    check: impl FnOnce(&str) -> Result<(), String>,
) -> Result<ProtectedText> {
    if given.is_hidden() {
        let kept = kept.ok_or_else(|| nothing_kept(field))?;
        if matches!(kept, ProtectedText::Sealed(_)) {
            vault.open(kept).map_err(|error| unsealable(field, error))?;
        }
        return Ok(kept.clone());
    }
    if !given.is_reference() {
        check(given.expose()).map_err(|wrong| Error::invalid(field, format!("{field} {wrong}")))?;
        // Sealed again it would look changed, and a PUT that repeats itself changes nothing.
        if let Some(kept @ ProtectedText::Sealed(_)) = kept
            && vault.open(kept).is_ok_and(|stored| stored.as_str() == given.expose())
        {
            return Ok(kept.clone());
        }
    }
    vault.seal(given.expose()).map_err(|error| unsealable(field, error))
}

/// What the vault refuses is the request's to mend, but for the cipher.
pub(super) fn unsealable(field: &str, error: VaultError) -> Error {
    match error {
        VaultError::Sealing => Error::internal(format!("{field} was not sealed")).caused_by(error),
        error => Error::invalid(field, format!("{field}: {error}")),
    }
}

fn nothing_kept(field: &str) -> Error {
    let message = format!(
        "{field}: {HIDDEN} stands for a stored secret, and none is stored here; write the secret \
         itself. Only a PUT keeps secrets: of a key server if its scheme, host and port stay the \
         same, of a static key if its keyId does"
    );
    Error::invalid(field, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show() {
        let secret = SecretText::new("hush");
        assert_eq!(format!("{secret:?}"), "SecretText(…)");
        let sealed = ProtectedText::Sealed("aHVzaA==".to_owned());
        assert_eq!(SecretText::shown(&sealed).expose(), HIDDEN);
        let reference = ProtectedText::Reference("file:a".to_owned());
        assert_eq!(SecretText::shown(&reference).expose(), "file:a");
    }
}
