//! A key request, read as strictly as a provider may read it.
//!
//! | SPEKE | `X-Speke-Version` | content ID | `CPIX@version` | scheme |
//! |---|---|---|---|---|
//! | 1.0 | absent or `1.0` | `CPIX@id` | – | not said |
//! | 2.0 | `2.0` | `CPIX@contentId` | `2.3` | `ContentKey@commonEncryptionScheme` |
//! | 2.1 | `2.1` | `CPIX@contentId` | `2.4` | the same; names of HLS methods too |
//!
//! The AWS pages on SPEKE 1 and 2 are the standard. One thing is wider than theirs: a plain key
//! may be for `cbcs` too, because `SAMPLE-AES` with a plain key exists and has no other name.
//!
//! What SPEKE 1.0 does not say is guessed: the scheme is `cbcs` where FairPlay is asked or an IV is
//! given, which counter mode has no use for, and `cenc` otherwise.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::contract;
use super::document::{CPIX, DS, Element};
use super::refusal::Refusal;
use crate::model::encryption::SpekeVersion;
use crate::model::protection::{DrmSystem, KeyId, ProtectionScheme};

/// More keys than any contract has.
const MAX_KEYS: usize = 64;
/// More text than a content ID may have.
const MAX_CONTENT_ID: usize = 1024;

/// A request that can be answered.
pub(super) struct KeyRequest {
    /// The dialect.
    pub(super) version: SpekeVersion,
    /// Whose keys.
    pub(super) content_id: String,
    /// What they encrypt, and how.
    pub(super) scheme: ProtectionScheme,
    /// Which keys, in the order of the document.
    pub(super) keys: Vec<RequestedKey>,
    /// What is to be told to whom, in the order of the document.
    pub(super) systems: Vec<(KeyId, DrmSystem)>,
    /// The certificate (DER) to encrypt keys with.
    pub(super) recipient: Option<Vec<u8>>,
    /// The document.
    pub(super) document: Element,
}

/// A key that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestedKey {
    /// Its ID.
    pub(super) id: KeyId,
    /// The IV that the encryptor wishes.
    pub(super) iv: Option<[u8; 16]>,
}

/// Reads the version header.
pub(super) fn speke_version(header: Option<&str>) -> Result<SpekeVersion, Refusal> {
    match header.map(str::trim) {
        None | Some("1.0") => Ok(SpekeVersion::V1),
        Some("2.0") => Ok(SpekeVersion::V2),
        Some("2.1") => Ok(SpekeVersion::V2_1),
        Some(_) => Err(Refusal::SpekeVersion),
    }
}

impl KeyRequest {
    /// Reads and checks a document.
    pub(super) fn read(version: SpekeVersion, text: &str) -> Result<Self, Refusal> {
        let document = Element::parse(text)?;
        if !document.is(CPIX, "CPIX") {
            return Err(Refusal::NotCpix);
        }
        let content_id = content_id(version, &document)?;
        let key_elements = list(&document, "ContentKeyList", "ContentKey")?
            .ok_or(Refusal::Missing("CPIX/ContentKeyList/ContentKey"))?;
        let keys = read_keys(&key_elements)?;
        let ids: Vec<KeyId> = keys.iter().map(|key| key.id).collect();
        let said_scheme = match version {
            SpekeVersion::V1 => None,
            _ => Some(read_scheme(version, &key_elements, &ids)?),
        };
        let systems = read_systems(version, &document, &ids)?;
        let scheme = match said_scheme {
            Some(Said::Scheme(scheme)) => {
                let misfit = systems.iter().find(|(_, system)| !compatible(scheme, *system));
                if let Some(&(_, system)) = misfit {
                    return Err(Refusal::SchemeForSystem(system));
                }
                scheme
            }
            // Nobody has a use for it, so the first system is as wrong as any.
            Some(Said::Cens) => {
                let first = systems.first().map_or(DrmSystem::Widevine, |&(_, system)| system);
                return Err(Refusal::SchemeForSystem(first));
            }
            None => guess_scheme(&keys, &systems),
        };
        match version {
            SpekeVersion::V1 => contract::check_period_rules(&document, &ids)?,
            _ => contract::check(&document, &ids)?,
        }
        let recipient = read_recipient(&document)?;
        Ok(Self { version, content_id, scheme, keys, systems, recipient, document })
    }
}

fn content_id(version: SpekeVersion, document: &Element) -> Result<String, Refusal> {
    let (attribute, name, cpix_version) = match version {
        SpekeVersion::V1 => ("id", "CPIX@id", None),
        SpekeVersion::V2 => ("contentId", "CPIX@contentId", Some("2.3")),
        SpekeVersion::V2_1 => ("contentId", "CPIX@contentId", Some("2.4")),
    };
    let content_id = document.attribute(attribute).map(str::trim).filter(|id| !id.is_empty());
    let content_id = content_id.ok_or(Refusal::Missing(name))?;
    if content_id.len() > MAX_CONTENT_ID {
        return Err(Refusal::value(name, format!("longer than {MAX_CONTENT_ID} bytes")));
    }
    if let Some(expected) = cpix_version {
        let given = document.attribute("version").ok_or(Refusal::Missing("CPIX@version"))?;
        if given != expected {
            return Err(Refusal::CpixVersion);
        }
    }
    Ok(content_id.to_owned())
}

/// The members of a list, `None` where the list is absent or empty.
pub(super) fn list<'a>(
    document: &'a Element,
    list: &'static str,
    member: &'static str,
) -> Result<Option<Vec<&'a Element>>, Refusal> {
    if document.all(CPIX, list).nth(1).is_some() {
        return Err(Refusal::value(list, "stands there twice"));
    }
    let members: Vec<&Element> = match document.child(CPIX, list) {
        Some(list) => list.all(CPIX, member).collect(),
        None => Vec::new(),
    };
    Ok((!members.is_empty()).then_some(members))
}

/// A `kid` attribute, which CPIX wants as a UUID with dashes.
pub(super) fn key_id(element: &Element, place: &'static str) -> Result<KeyId, Refusal> {
    let text = element.attribute("kid").ok_or(Refusal::Missing(place))?;
    let id = if text.len() == 36 { KeyId::parse(text) } else { None };
    id.ok_or_else(|| Refusal::value(place, "this is no UUID such as 01234567-89ab-cdef-…"))
}

fn read_keys(elements: &[&Element]) -> Result<Vec<RequestedKey>, Refusal> {
    if elements.len() > MAX_KEYS {
        return Err(Refusal::value("ContentKeyList", format!("more than {MAX_KEYS} keys")));
    }
    let mut seen = BTreeSet::new();
    let mut keys = Vec::new();
    for element in elements {
        let id = key_id(element, "ContentKey@kid")?;
        if !seen.insert(id) {
            return Err(Refusal::value("ContentKey@kid", format!("{id} stands there twice")));
        }
        let iv = element.attribute("explicitIV").map(read_iv).transpose()?;
        keys.push(RequestedKey { id, iv });
    }
    Ok(keys)
}

fn read_iv(text: &str) -> Result<[u8; 16], Refusal> {
    let bytes = STANDARD.decode(text.trim()).ok();
    bytes
        .and_then(|bytes| <[u8; 16]>::try_from(bytes).ok())
        .ok_or_else(|| Refusal::value("ContentKey@explicitIV", "this is no base64 of 16 bytes"))
}

/// What `commonEncryptionScheme` says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Scheme(ProtectionScheme),
    /// A scheme of the standard that no system takes.
    Cens,
}

fn read_scheme(
    version: SpekeVersion,
    elements: &[&Element],
    ids: &[KeyId],
) -> Result<Said, Refusal> {
    let mut all = Vec::new();
    for (element, &id) in elements.iter().zip(ids) {
        let text = element.attribute("commonEncryptionScheme").filter(|text| !text.is_empty());
        let text = text.ok_or(Refusal::MissingScheme(id))?;
        let is_newer = version == SpekeVersion::V2_1;
        all.push(match text {
            "cenc" => Said::Scheme(ProtectionScheme::Cenc),
            "cbcs" => Said::Scheme(ProtectionScheme::Cbcs),
            "cbc1" => Said::Scheme(ProtectionScheme::HlsAes128),
            "cens" => Said::Cens,
            "AES-128" if is_newer => Said::Scheme(ProtectionScheme::HlsAes128),
            "SAMPLE-AES" if is_newer => Said::Scheme(ProtectionScheme::HlsSampleAes),
            "SAMPLE-AES-CTR" if is_newer => Said::Scheme(ProtectionScheme::Cenc),
            _ => return Err(Refusal::SchemeCombination),
        });
    }
    let first = all.first().copied().ok_or(Refusal::SchemeCombination)?;
    let is_mixed = all.iter().any(|&other| other != first);
    if is_mixed { Err(Refusal::SchemeCombination) } else { Ok(first) }
}

fn read_systems(
    version: SpekeVersion,
    document: &Element,
    ids: &[KeyId],
) -> Result<Vec<(KeyId, DrmSystem)>, Refusal> {
    let elements = list(document, "DRMSystemList", "DRMSystem")?
        .ok_or(Refusal::Missing("CPIX/DRMSystemList/DRMSystem"))?;
    let mut systems = Vec::new();
    for element in elements {
        let id = key_id(element, "DRMSystem@kid")?;
        if !ids.contains(&id) {
            return Err(Refusal::value("DRMSystem@kid", format!("{id} is in no ContentKey")));
        }
        let text = element.attribute("systemId").ok_or(Refusal::Missing("DRMSystem@systemId"))?;
        let system = DrmSystem::from_system_id(text)
            .filter(|&system| system != DrmSystem::PlainKey || is_plain_key_id(version, text))
            .ok_or_else(|| {
                let version = version.as_str();
                let problem = format!("no system of SPEKE {version} that this server knows");
                Refusal::value("DRMSystem@systemId", problem)
            })?;
        if systems.contains(&(id, system)) {
            let problem = format!("{} stands there twice for {id}", system.name());
            return Err(Refusal::value("DRMSystem", problem));
        }
        systems.push((id, system));
    }
    Ok(systems)
}

/// SPEKE 1.0 and 2 have different IDs for plain keys.
fn is_plain_key_id(version: SpekeVersion, text: &str) -> bool {
    let [first, second] = DrmSystem::PLAIN_KEY_SYSTEM_IDS;
    let expected = if version == SpekeVersion::V1 { first } else { second };
    text.eq_ignore_ascii_case(expected)
}

const fn compatible(scheme: ProtectionScheme, system: DrmSystem) -> bool {
    use ProtectionScheme::{Cbcs, Cenc, HlsAes128, HlsSampleAes};
    match system {
        DrmSystem::Widevine | DrmSystem::PlayReady | DrmSystem::ClearKey => {
            matches!(scheme, Cenc | Cbcs)
        }
        DrmSystem::FairPlay => matches!(scheme, Cbcs | HlsSampleAes),
        DrmSystem::PlainKey => matches!(scheme, HlsAes128 | Cbcs | HlsSampleAes),
    }
}

fn guess_scheme(keys: &[RequestedKey], systems: &[(KeyId, DrmSystem)]) -> ProtectionScheme {
    let has = |wanted| systems.iter().any(|&(_, system)| system == wanted);
    if systems.iter().all(|&(_, system)| system == DrmSystem::PlainKey) {
        ProtectionScheme::HlsAes128
    } else if has(DrmSystem::FairPlay) || keys.iter().any(|key| key.iv.is_some()) {
        ProtectionScheme::Cbcs
    } else {
        ProtectionScheme::Cenc
    }
}

fn read_recipient(document: &Element) -> Result<Option<Vec<u8>>, Refusal> {
    let Some(list) = document.child(CPIX, "DeliveryDataList") else { return Ok(None) };
    let mut all = list.all(CPIX, "DeliveryData");
    let (Some(data), None) = (all.next(), all.next()) else {
        return Err(Refusal::value("DeliveryDataList", "one DeliveryData is wanted"));
    };
    let certificate = data
        .child(CPIX, "DeliveryKey")
        .and_then(|key| key.child(DS, "X509Data"))
        .and_then(|data| data.child(DS, "X509Certificate"))
        .ok_or(Refusal::Missing("DeliveryKey/X509Data/X509Certificate"))?;
    let mut text = certificate.text();
    // Base64 of certificates comes in lines.
    text.retain(|c| !c.is_ascii_whitespace());
    let bytes = STANDARD.decode(text).ok().filter(|bytes| !bytes.is_empty());
    let bad = || Refusal::value("X509Certificate", "this is no base64 of a certificate");
    bytes.ok_or_else(bad).map(Some)
}
