//! Clear Key licences (W3C Encrypted Media Extensions 9.1.3 and 9.1.4).
//!
//! ```text
//! {"kids":["ASNFZ4mrze8BI0VniavN7w"],"type":"temporary"}
//!   → {"keys":[{"kty":"oct","kid":"ASNFZ4mrze8BI0VniavN7w","k":"…"}],"type":"temporary"}
//! ```
//!
//! Base64url without padding, which Chromium insists on. Everybody gets every key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::Seed;
use crate::model::protection::KeyId;

/// Players ask for the keys of one presentation.
const MAX_KEYS: usize = 64;

/// What a player sends; members that we do not know are left alone, as the standard wants.
#[derive(Deserialize)]
struct LicenceRequest {
    kids: Vec<String>,
    #[serde(default, rename = "type")]
    session: Session,
}

#[derive(Clone, Copy, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Session {
    #[default]
    Temporary,
    PersistentLicense,
}

/// A set of JSON Web Keys (RFC 7517). No `Debug`: it holds keys.
#[derive(Serialize)]
pub(super) struct Licence {
    keys: Vec<JsonWebKey>,
    #[serde(rename = "type")]
    session: Session,
}

#[derive(Serialize)]
struct JsonWebKey {
    kty: &'static str,
    kid: String,
    k: String,
}

/// Why there is no licence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LicenceError {
    /// Not the JSON that is expected.
    #[error("this is no Clear Key licence request: {0}")]
    Json(String),
    /// None or too many.
    #[error("kids must hold 1 to {MAX_KEYS} key IDs")]
    Count,
    /// Not 16 bytes of base64url.
    #[error("kids[{0}] is no base64url (without padding) of 16 bytes")]
    KeyId(usize),
}

/// The licence for a request, and the IDs that it is for.
pub(super) fn licence(
    seed: &Seed,
    body: &[u8],
    wrong: bool,
) -> Result<(Licence, Vec<KeyId>), LicenceError> {
    let request: LicenceRequest =
        serde_json::from_slice(body).map_err(|error| LicenceError::Json(error.to_string()))?;
    if !(1..=MAX_KEYS).contains(&request.kids.len()) {
        return Err(LicenceError::Count);
    }
    let mut ids = Vec::new();
    for (index, text) in request.kids.iter().enumerate() {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let id = bytes.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
        ids.push(KeyId(id.ok_or(LicenceError::KeyId(index))?));
    }
    let web_key = |&id: &KeyId| {
        let key = if wrong { seed.wrong_key(id) } else { seed.key(id) };
        JsonWebKey {
            kty: "oct",
            kid: URL_SAFE_NO_PAD.encode(id.0),
            k: URL_SAFE_NO_PAD.encode(key.expose()),
        }
    };
    let keys = ids.iter().map(web_key).collect();
    Ok((Licence { keys, session: request.session }, ids))
}
