//! Encryption settings between their JSON and the checked [`Encryption`] (INTERFACE section 5).
//!
//! ```text
//! EncryptionBody ─ systems ─ scheme ─┬ server       ─┐
//!   (JSON)                           └ static_keys  ─┴ secrets sealed ─▶ Encryption
//!        ▲──────────────── shown: *** for secrets ◀──────────────────────────┘
//! ```
//!
//! What cannot work is refused here, where the operator reads the reason, and not when a player
//! asks. No secret goes further than the vault. Nobody is asked: that a key server is there, knows
//! us and has the keys shows when it is needed.

mod address;
mod body;
mod pem;
mod secret;
mod server;
mod shown;
mod static_keys;
mod systems;

pub(super) use self::body::EncryptionBody;
use super::{ControlState, check};
use crate::error::{Error, Result};
use crate::model::encryption::{Encryption, KeyProvider};
use crate::model::policy::PackageType;
use crate::model::protection::{DrmSystem, ProtectionScheme};

/// Checks settings and seals their secrets. `stored` is what they replace: where `body` repeats
/// what answers show of its secrets, those are kept.
pub(super) fn checked(
    body: EncryptionBody,
    package_type: PackageType,
    state: &ControlState,
    stored: Option<&Encryption>,
) -> Result<Encryption> {
    let systems = systems::read(&body.system_ids)?;
    systems::check_package(package_type, &systems)?;
    let (scheme, method) = (body.scheme.as_deref(), body.method.as_deref());
    let scheme = systems::choose_scheme(package_type, &systems, scheme, method)?;
    let constant_iv = constant_iv(body.constant_initialization_vector.as_deref(), scheme)?;
    let clear_lead_segments = match body.clear_lead_segments {
        None => 0,
        Some(number) => check::number("encryption.clearLeadSegments", number, 0, MAX_CLEAR_LEAD)?,
    };
    let license_urls = match body.license_urls {
        None => Default::default(),
        Some(pairs) => systems::license_urls(pairs, &systems)?,
    };
    let vault = &state.vault;
    let keys = match (body.key_server, body.static_keys) {
        (Some(server), None) => {
            systems::check_asked(&systems)?;
            let stored = match stored.map(|stored| &stored.keys) {
                Some(KeyProvider::Server(stored)) => Some(&**stored),
                _ => None,
            };
            let server = server::checked(server, package_type, vault, &state.egress, stored)?;
            KeyProvider::Server(Box::new(server))
        }
        (None, Some(keys)) => {
            let stored = match stored.map(|stored| &stored.keys) {
                Some(KeyProvider::Static(stored)) => stored.as_slice(),
                _ => &[],
            };
            let purpose = Use { package_type, systems: &systems, scheme, constant_iv };
            KeyProvider::Static(static_keys::checked(keys, &purpose, vault, stored)?)
        }
        (Some(_), Some(_)) => {
            let message = "encryption.staticKeys and keyServer are two sources of keys; leave one \
                           out";
            return Err(Error::invalid("encryption.staticKeys", message));
        }
        (None, None) => {
            let message = "encryption.keyServer is required, unless staticKeys holds the keys";
            return Err(Error::invalid("encryption.keyServer", message));
        }
    };
    Ok(Encryption { scheme, systems, keys, constant_iv, clear_lead_segments, license_urls })
}

/// What keys are for.
struct Use<'a> {
    package_type: PackageType,
    systems: &'a [DrmSystem],
    scheme: ProtectionScheme,
    constant_iv: Option<[u8; 16]>,
}

fn constant_iv(given: Option<&str>, scheme: ProtectionScheme) -> Result<Option<[u8; 16]>> {
    let field = "encryption.constantInitializationVector";
    let Some(text) = given else { return Ok(None) };
    if scheme == ProtectionScheme::Cenc {
        let message = format!(
            "{field} does not go with cenc: in counter mode, samples under one IV can be \
             deciphered without the key; leave it out, or use cbcs"
        );
        return Err(Error::invalid(field, message));
    }
    read_bytes(field, text).map(Some)
}

/// 16 bytes that are no secret.
fn read_bytes(field: &str, text: &str) -> Result<[u8; 16]> {
    let mut bytes = [0; 16];
    match hex::decode_to_slice(text, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(_) => {
            let message = format!("{field} must be 32 hexadecimal digits, without 0x or dashes");
            Err(Error::invalid(field, message))
        }
    }
}

/// Longer than this is the greater part of a film.
const MAX_CLEAR_LEAD: u32 = 1000;
