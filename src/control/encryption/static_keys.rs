//! Keys that stand in the configuration.

use zeroize::Zeroizing;

use super::body::StaticKeyBody;
use super::secret::{protect, unsealable};
use super::systems::{MAX_URL, is_web_url};
use super::{Use, read_bytes};
use crate::error::{Error, Result};
use crate::keys::{Vault, VaultError};
use crate::model::encryption::{ProtectedText, StaticKey};
use crate::model::policy::PackageType;
use crate::model::presentation::Medium;
use crate::model::protection::{DrmSystem, KeyId, ProtectionScheme, TrackType};

/// Checks and seals keys. `stored` are those that they replace.
pub(super) fn checked(
    bodies: Vec<StaticKeyBody>,
    purpose: &Use<'_>,
    vault: &Vault,
    stored: &[StaticKey],
) -> Result<Vec<StaticKey>> {
    let mut keys = Vec::with_capacity(bodies.len());
    let mut secrets: Vec<Option<Zeroizing<[u8; 16]>>> = Vec::with_capacity(bodies.len());
    for (index, body) in bodies.into_iter().enumerate() {
        let (key, secret) = checked_key(index, body, purpose, vault, stored)?;
        // Per-sample IVs are unique under one key because one key ID has them all.
        if secret.is_some() && secrets.contains(&secret) {
            return Err(refused(index, "key", "is the key of another keyId too; make a new one"));
        }
        if keys.iter().any(|other: &StaticKey| other.key_id == key.key_id) {
            return Err(refused(index, "keyId", "is there twice; each key has an ID of its own"));
        }
        secrets.push(secret);
        keys.push(key);
    }
    check_exposed(&keys, &secrets)?;
    let types: Vec<TrackType> = keys.iter().map(|key| key.track_type).collect();
    check_types(&types, purpose.package_type)?;
    Ok(keys)
}

/// One key, and its secret if that is here to be looked at.
fn checked_key(
    index: usize,
    body: StaticKeyBody,
    purpose: &Use<'_>,
    vault: &Vault,
    stored: &[StaticKey],
) -> Result<(StaticKey, Option<Zeroizing<[u8; 16]>>)> {
    let track_type = TrackType::parse(&body.track_type).ok_or_else(|| {
        let known = TrackType::ALL_TYPES.map(TrackType::as_str).join(", ");
        refused(index, "trackType", &format!("must be one of {known}"))
    })?;
    let key_id = KeyId::parse(&body.key_id).ok_or_else(|| {
        refused(index, "keyId", "must be a UUID, such as 01234567-89ab-cdef-0123-456789abcdef")
    })?;
    let kept = stored.iter().find(|stored| stored.key_id == key_id).map(|stored| &stored.key);
    let key = protect(vault, &field(index, "key"), &body.key, kept, |text| {
        read_secret(text).map(|_| ()).ok_or_else(|| {
            "must be 32 hexadecimal digits, or a reference env:NAME or file:NAME".to_owned()
        })
    })?;
    let secret = open(vault, &key).map_err(|error| unsealable(&field(index, "key"), error))?;
    let iv = body.iv.as_deref().map(|text| read_bytes(&field(index, "iv"), text)).transpose()?;
    check_iv(index, iv, secret.as_deref(), purpose)?;
    check_uri(index, body.uri.as_deref(), purpose.systems)?;
    Ok((StaticKey { track_type, key_id, key, iv, uri: body.uri }, secret))
}

/// The secret of a sealed key; references are followed when the key is used.
fn open(vault: &Vault, key: &ProtectedText) -> Result<Option<Zeroizing<[u8; 16]>>, VaultError> {
    match key {
        ProtectedText::Reference(_) => Ok(None),
        ProtectedText::Sealed(_) => Ok(read_secret(&vault.open(key)?)),
    }
}

fn read_secret(text: &str) -> Option<Zeroizing<[u8; 16]>> {
    let mut bytes = Zeroizing::new([0; 16]);
    hex::decode_to_slice(text, bytes.as_mut_slice()).ok()?;
    Some(bytes)
}

/// An IV is public, and it has a place only where there is one for everything.
fn check_iv(
    index: usize,
    iv: Option<[u8; 16]>,
    secret: Option<&[u8; 16]>,
    purpose: &Use<'_>,
) -> Result<()> {
    if iv.is_some() && purpose.scheme == ProtectionScheme::Cenc {
        let wrong = "does not go with cenc, where each sample has an IV of its own; leave it out";
        return Err(refused(index, "iv", wrong));
    }
    if iv.is_some() && purpose.constant_iv.is_some() {
        let wrong = "and constantInitializationVector say the same; leave one out";
        return Err(refused(index, "iv", wrong));
    }
    if iv.as_ref().or(purpose.constant_iv.as_ref()).zip(secret).is_some_and(|(iv, key)| iv == key) {
        let wrong = "is also the IV, which everybody can read; make a new key, or leave the IV out";
        return Err(refused(index, if iv.is_some() { "iv" } else { "key" }, wrong));
    }
    Ok(())
}

/// IDs and IVs of all keys are public, so no key may be one of them.
fn check_exposed(keys: &[StaticKey], secrets: &[Option<Zeroizing<[u8; 16]>>]) -> Result<()> {
    let shows = |secret: &[u8; 16]| {
        keys.iter().any(|key| key.key_id.0 == *secret || key.iv.as_ref() == Some(secret))
    };
    let exposed = secrets.iter().position(|secret| secret.as_deref().is_some_and(shows));
    exposed.map_or(Ok(()), |index| {
        let wrong = "is also a keyId or an iv here, which everybody can read; make a new key";
        Err(refused(index, "key", wrong))
    })
}

fn check_uri(index: usize, uri: Option<&str>, systems: &[DrmSystem]) -> Result<()> {
    let has = |system| systems.contains(&system);
    let wrong = match uri {
        None if has(DrmSystem::PlainKey) => {
            "is required with a plain key: players must be told where the key is"
        }
        Some(uri) if has(DrmSystem::PlainKey) && !is_web_url(uri) => {
            "must be a URL that begins with https:// or http://, without user name: players fetch \
             the 16 bytes of the key there"
        }
        Some(uri) if has(DrmSystem::FairPlay) && !is_skd(uri) => {
            "must begin with skd:// for FairPlay, and be visible ASCII without quotes"
        }
        Some(_) if !has(DrmSystem::PlainKey) && !has(DrmSystem::FairPlay) => {
            "has no use: only FairPlay and plain keys are found by URI; leave it out"
        }
        _ => return Ok(()),
    };
    Err(refused(index, "uri", wrong))
}

fn is_skd(uri: &str) -> bool {
    let plain = uri.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>".contains(&byte));
    plain && uri.len() <= MAX_URL && uri.strip_prefix("skd://").is_some_and(|id| !id.is_empty())
}

/// What the types of all keys must be together.
fn check_types(types: &[TrackType], package_type: PackageType) -> Result<()> {
    if types.is_empty() {
        return Err(Error::invalid(STATIC_KEYS, format!("{STATIC_KEYS} must hold a key")));
    }
    for (index, &track_type) in types.iter().enumerate() {
        let refused = |wrong: &str| Err(refused(index, "trackType", wrong));
        if package_type == PackageType::Hls && track_type != TrackType::All {
            return refused(
                "must be ALL with HLS: pictures and sound share the transport stream, and it has \
                 one key",
            );
        }
        if track_type == TrackType::All && types.len() > 1 {
            return refused("is ALL, which leaves nothing for other keys; give one key or no ALL");
        }
        let before = types.get(..index).unwrap_or_default();
        if before.contains(&track_type) {
            return refused("is there twice; each type of track has one key");
        }
        let begins_alike = |other: &&TrackType| {
            other.medium() == track_type.medium() && other.minimum() == track_type.minimum()
        };
        if let Some(other) = before.iter().find(begins_alike) {
            return refused(&format!(
                "is for the same tracks as {}; leave one of them out",
                other.as_str()
            ));
        }
    }
    for (medium, small, example) in [
        (Medium::Video, "video of few pixels", "SD or VIDEO"),
        (Medium::Audio, "audio of few channels", "STEREO_AUDIO or AUDIO"),
    ] {
        if leaves_small_clear(types, medium) {
            let message = format!(
                "{STATIC_KEYS}: {small} has no key and would go out in clear; add a key for the \
                 smallest tracks, {example}"
            );
            return Err(Error::invalid(STATIC_KEYS, message));
        }
    }
    Ok(())
}

/// Whether there are keys for a medium but none that begins at the smallest tracks.
fn leaves_small_clear(types: &[TrackType], medium: Medium) -> bool {
    let mut minima = types.iter().filter(|of| of.medium() == Some(medium)).map(|of| of.minimum());
    minima.clone().next().is_some() && minima.all(|minimum| minimum > 0)
}

fn field(index: usize, name: &str) -> String {
    format!("{STATIC_KEYS}[{index}].{name}")
}

fn refused(index: usize, name: &str, wrong: &str) -> Error {
    let field = field(index, name);
    Error::invalid(&field, format!("{field} {wrong}"))
}

const STATIC_KEYS: &str = "encryption.staticKeys";
