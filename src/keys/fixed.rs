//! Keys that stand in the configuration.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::question::constant_iv;
use super::signalling::own_signalling;
use super::vault::Vault;
use crate::error::{Blame, Error, Kind, Result};
use crate::model::encryption::{Encryption, StaticKey};
use crate::model::policy::ContentId;
use crate::model::protection::{ContentKey, KeyRule, KeySet, RuleKey, TrackType};

/// Opens the keys and says for each system what its players need. Reads files where keys are
/// references to such.
pub(super) fn key_set(
    vault: &Vault,
    content_id: &ContentId,
    encryption: &Encryption,
    keys: &[StaticKey],
) -> Result<KeySet> {
    let types: Vec<TrackType> = keys.iter().map(|key| key.track_type).collect();
    let keys = keys.iter().zip(KeyRule::of(&types)).map(|(fixed, rule)| {
        let context = |error: Error| error.context(format!("the static key {}", fixed.key_id));
        let key = content_key(vault, encryption, fixed).map_err(context)?;
        let signalling = encryption.systems.iter().map(|&system| {
            let license_url = encryption.license_urls.get(&system).map(String::as_str);
            let uri = fixed.uri.as_deref();
            own_signalling(system, &key, encryption.scheme, content_id.as_str(), uri, license_url)
        });
        let signalling = signalling
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| context(unusable(error.to_string())))?;
        Ok(RuleKey { rule, key: Arc::new(key), signalling: signalling.into() })
    });
    let set = KeySet { scheme: encryption.scheme, keys: keys.collect::<Result<_>>()? };
    match set.exposed() {
        Some((key, by)) => Err(unusable(format!(
            "the static key {key} is also the ID or the IV of key {by}, which everybody can read; \
             make a new key"
        ))),
        None => Ok(set),
    }
}

fn content_key(vault: &Vault, encryption: &Encryption, fixed: &StaticKey) -> Result<ContentKey> {
    let digits = vault.open(&fixed.key)?;
    let mut secret = Zeroizing::new([0; 16]);
    // The decoder's own error would quote a digit.
    hex::decode_to_slice(digits.trim(), secret.as_mut_slice())
        .map_err(|_| unusable("it must be 32 hexadecimal digits; correct it".to_owned()))?;
    let iv = constant_iv(encryption, fixed.iv, fixed.key_id);
    if iv.is_some_and(|iv| iv == *secret) {
        let problem = "its IV equals the key and would give it away; choose another IV";
        return Err(unusable(problem.to_owned()));
    }
    Ok(ContentKey::new(fixed.key_id, secret, iv))
}

fn unusable(message: String) -> Error {
    Error::new(Kind::KeysUnavailable, message).blamed_on(Blame::Us)
}
