//! What manifests and `pssh` boxes tell players about keys, against what the key set says.
//!
//! | told by | compared with |
//! |---|---|
//! | `default_KID`, `KEYID`, key IDs in `pssh` and PlayReady objects | the key of the track |
//! | `value`, `METHOD`, `protection_scheme`, `ALGID` | the scheme of the key set |
//! | `pssh`, PlayReady object, wherever they stand | the bytes in the key set |
//!
//! The key set is the one measure for all places, so places that agree with it agree with each
//! other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::finding::{Findings, What};
use super::mpd::{AdaptationSet, ContentProtection};
use super::playlist::KeyLine;
use crate::keys::playready::{PlayReadyHeader, algorithm};
use crate::keys::pssh::{PsshBox, system};
use crate::keys::widevine::{WidevineData, protection_scheme};
use crate::model::protection::{
    DrmSystem, HlsKey, KeyId, KeySet, ProtectionScheme, RuleKey, SystemSignalling,
};

/// `ContentProtection` that names the scheme and the key.
const COMMON_SCHEME: &str = "urn:mpeg:dash:mp4protection:2011";
const PLAYREADY_FORMAT: &str = "com.microsoft.playready";
const CLEAR_KEY_FORMAT: &str = "org.w3.clearkey";
const FAIRPLAY_FORMAT: &str = "com.apple.streamingkeydelivery";
const UUID: &str = "urn:uuid:";

/// Judges what is said of one key.
pub(super) struct Signals<'a> {
    /// All keys.
    pub keys: &'a KeySet,
    /// The key that it should be about.
    pub key: &'a RuleKey,
}

impl Signals<'_> {
    fn scheme(&self) -> ProtectionScheme {
        self.keys.scheme
    }

    fn of(&self, system: DrmSystem) -> Option<&SystemSignalling> {
        self.key.signalling.iter().find(|signalling| signalling.system == system)
    }

    /// The elements of an adaptation set.
    pub fn adaptation_set(&self, place: &str, set: &AdaptationSet, findings: &mut Findings) {
        let common = set.protection.iter().find(|one| one.scheme_id_uri == COMMON_SCHEME);
        match common {
            Some(common) => self.common_element(place, common, findings),
            None => findings.missing(place, What::Scheme, format!("there is no {COMMON_SCHEME}")),
        }
        for element in &set.protection {
            if element.scheme_id_uri == COMMON_SCHEME {
                continue;
            }
            let id = element.scheme_id_uri.strip_prefix(UUID);
            match id.and_then(DrmSystem::from_system_id) {
                Some(system) => self.element(place, system, element, findings),
                None => {
                    let reason = "no system of the configuration has this ID".to_owned();
                    findings.judge(place, What::Uri, &element.scheme_id_uri, Some(reason));
                }
            }
        }
        for signalling in self.key.signalling.iter() {
            let system = signalling.system;
            let is_for_dash = !matches!(system, DrmSystem::FairPlay | DrmSystem::PlainKey);
            let uri = format!("{UUID}{}", system.system_id());
            if is_for_dash && set.protection.iter().all(|one| one.scheme_id_uri != uri) {
                let reason = format!("{} has no ContentProtection", system.name());
                findings.missing(place, What::Uri, reason);
            }
        }
    }

    fn common_element(&self, place: &str, common: &ContentProtection, findings: &mut Findings) {
        let expected = self.scheme().four_cc().unwrap_or("none in MPDs");
        let value = common.value.as_deref().unwrap_or("-");
        findings.compare(place, What::Scheme, value, expected, "the scheme of the keys");
        match &common.default_key_id {
            Some(text) => self.key_id(place, text, KeyId::parse(text), findings),
            None => findings.missing(place, What::KeyId, "there is no default_KID"),
        }
    }

    fn element(
        &self,
        place: &str,
        system: DrmSystem,
        element: &ContentProtection,
        findings: &mut Findings,
    ) {
        let Some(expected) = self.of(system) else {
            let reason = format!("the configuration does not have {}", system.name());
            findings.judge(place, What::Uri, &element.scheme_id_uri, Some(reason));
            return;
        };
        match &element.pssh {
            Some(text) => match STANDARD.decode(text) {
                Ok(bytes) => self.pssh(place, &bytes, Some(system), findings),
                Err(_) => findings.judge(place, What::Pssh, text, Some("is not base64".to_owned())),
            },
            None if expected.pssh.is_some() && system != DrmSystem::ClearKey => {
                let reason = format!("{} has no cenc:pssh", system.name());
                findings.missing(place, What::Pssh, reason);
            }
            None => {}
        }
        if let Some(text) = &element.playready_object {
            self.playready_object(place, text, findings);
        }
        if let Some(url) = &element.license_url {
            let known = expected.license_url.as_deref();
            let reason = (known != Some(url)).then(|| {
                format!("the configuration's license URL is {}", known.unwrap_or("not set"))
            });
            findings.judge(place, What::Uri, url, reason);
        }
    }

    /// A key ID that must be the track's. `id` is what `text` stands for, if it is one.
    pub fn key_id(&self, place: &str, text: &str, id: Option<KeyId>, findings: &mut Findings) {
        let expected = self.key.key.id;
        let reason = match id {
            None => Some("is not a key ID".to_owned()),
            Some(id) if id != expected => {
                let known = self.keys.keys.iter().any(|entry| entry.key.id == id);
                let about = if known { "is another track's" } else { "no such key is known" };
                Some(format!("{about}; the track's key is {expected}"))
            }
            Some(_) => None,
        };
        findings.judge(place, What::KeyId, id.map_or(text.to_owned(), |id| id.to_string()), reason);
    }

    /// Key IDs in a box or object: the track's must be among them, and all must be known.
    fn key_id_list(&self, place: &str, within: &str, ids: &[KeyId], findings: &mut Findings) {
        let expected = self.key.key.id;
        for id in ids {
            let known = self.keys.keys.iter().any(|entry| entry.key.id == *id);
            let reason = (!known).then(|| format!("no such key is known ({within})"));
            findings.judge(place, What::KeyId, id.to_string(), reason);
        }
        // A licence server may know the keys by the content's ID alone.
        if !ids.is_empty() && !ids.contains(&expected) {
            let reason = format!("{within} does not list {expected}, the track's key");
            findings.missing(place, What::KeyId, reason);
        }
    }

    /// A `pssh` box: that of the key set, and what is in it.
    pub fn pssh(&self, place: &str, bytes: &[u8], of: Option<DrmSystem>, findings: &mut Findings) {
        let value = STANDARD.encode(bytes);
        let boxes = match PsshBox::parse(bytes) {
            Ok(boxes) => boxes,
            Err(error) => {
                findings.judge(place, What::Pssh, value, Some(error.to_string()));
                return;
            }
        };
        for one in boxes {
            let id = KeyId(one.system_id).to_string();
            let system = match one.system_id {
                system::COMMON => Some(DrmSystem::ClearKey),
                _ => DrmSystem::from_system_id(&id),
            };
            let wrong_system = of.filter(|of| Some(*of) != system);
            let known = system.and_then(|system| self.of(system)).and_then(|s| s.pssh.as_deref());
            let reason = match (wrong_system, known) {
                (Some(of), _) => Some(format!("is of system {id} and not of {}", of.name())),
                (None, None) => Some(format!("the keys have no box of system {id}")),
                (None, Some(known)) => {
                    let differs = !contains(known, &one.to_bytes());
                    differs.then(|| format!("the keys have {}", STANDARD.encode(known)))
                }
            };
            findings.judge(place, What::Pssh, &value, reason);
            self.key_id_list(place, "the pssh box", &one.key_ids, findings);
            match one.system_id {
                system::WIDEVINE => self.widevine(place, &one.data, findings),
                system::PLAYREADY => self.playready_header(place, &one.data, findings),
                _ => {}
            }
        }
    }

    fn widevine(&self, place: &str, data: &[u8], findings: &mut Findings) {
        let data = match WidevineData::parse(data) {
            Ok(data) => data,
            Err(error) => {
                findings.judge(place, What::Pssh, hex::encode(data), Some(error.to_string()));
                return;
            }
        };
        self.key_id_list(place, "the Widevine pssh box", &data.key_ids, findings);
        // Absent is cenc.
        let scheme = data.protection_scheme.or(protection_scheme(ProtectionScheme::Cenc));
        let text = scheme.map(|code| String::from_utf8_lossy(&code.to_be_bytes()).into_owned());
        let reason = (scheme != protection_scheme(self.scheme())).then(|| {
            "protection_scheme of the Widevine pssh box is not that of the keys".to_owned()
        });
        findings.judge(place, What::Scheme, text.unwrap_or_default(), reason);
    }

    /// A PlayReady object in base64: that of the key set, and what is in it.
    fn playready_object(&self, place: &str, text: &str, findings: &mut Findings) {
        let known = self.of(DrmSystem::PlayReady).and_then(|s| s.playready_object.as_deref());
        let Ok(object) = STANDARD.decode(text) else {
            let reason = "is not base64".to_owned();
            findings.judge(place, What::PlayReadyObject, text, Some(reason));
            return;
        };
        let reason = match known {
            Some(known) if known == object => None,
            Some(known) => Some(format!("the keys have {}", STANDARD.encode(known))),
            None => Some("the keys have no PlayReady object".to_owned()),
        };
        findings.judge(place, What::PlayReadyObject, text, reason);
        self.playready_header(place, &object, findings);
    }

    fn playready_header(&self, place: &str, object: &[u8], findings: &mut Findings) {
        let header = match PlayReadyHeader::parse(object) {
            Ok(header) => header,
            Err(error) => {
                let value = STANDARD.encode(object);
                findings.judge(place, What::PlayReadyObject, value, Some(error.to_string()));
                return;
            }
        };
        self.key_id_list(place, "the PlayReady object", &header.key_ids, findings);
        let expected = algorithm(self.scheme()).unwrap_or("none in transport streams");
        for found in &header.algorithms {
            findings.compare(place, What::Scheme, found, expected, "ALGID of the keys' scheme");
        }
    }

    /// The key lines in force over encrypted segments of a playlist, or session keys of the key.
    pub fn key_line(&self, place: &str, line: &KeyLine, findings: &mut Findings) {
        let method = self.scheme().hls_method();
        findings.compare(place, What::Scheme, &line.method, method, "METHOD of the keys' scheme");
        if let Some(text) = &line.key_id {
            let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
            self.key_id(place, text, digits.and_then(KeyId::parse), findings);
        }
        let Some(uri) = &line.uri else {
            findings.missing(place, What::Uri, format!("{} has no URI", line.key_format));
            return;
        };
        let data = uri.strip_prefix("data:").and_then(|data| data.split_once(";base64,"));
        let text = data.map(|(_, text)| text);
        match (system_of(&line.key_format), text) {
            (Some(DrmSystem::Widevine), Some(text)) => match STANDARD.decode(text) {
                Ok(bytes) => self.pssh(place, &bytes, Some(DrmSystem::Widevine), findings),
                Err(_) => findings.judge(place, What::Pssh, text, Some("is not base64".to_owned())),
            },
            (Some(DrmSystem::PlayReady), Some(text)) => {
                self.playready_object(place, text, findings);
            }
            (Some(DrmSystem::ClearKey), Some(text)) => {
                let id = STANDARD.decode(text).ok().and_then(|id| id.try_into().ok()).map(KeyId);
                self.key_id(place, text, id, findings);
            }
            (None, _) => {
                let reason = format!("no system has KEYFORMAT {:?}", line.key_format);
                findings.judge(place, What::Uri, uri, Some(reason));
            }
            (Some(_), _) => {
                let known = self.lines().any(|known| known.uri == *uri);
                let reason = format!("the keys have no such URI for key {}", self.key.key.id);
                findings.judge(place, What::Uri, uri, (!known).then_some(reason));
            }
        }
    }

    fn lines(&self) -> impl Iterator<Item = &HlsKey> {
        let all = self.key.signalling.iter();
        all.flat_map(|signalling| signalling.hls_media.iter().chain(&signalling.hls_session))
    }

    /// Systems that a playlist should have a line of and has none.
    pub fn absent_lines(&self, place: &str, lines: &[KeyLine], findings: &mut Findings) {
        let expected = self.key.signalling.iter().flat_map(|signalling| &signalling.hls_media);
        for key in expected {
            let format = key.key_format.as_deref().unwrap_or("identity");
            if lines.iter().all(|line| line.key_format != format) {
                let reason = format!("there is no EXT-X-KEY with KEYFORMAT {format:?}");
                findings.missing(place, What::Uri, reason);
            }
        }
    }
}

/// The key that a playlist's lines are about, by a URI that only its signalling has.
pub(super) fn key_of_lines<'a>(keys: &'a KeySet, lines: &[KeyLine]) -> Option<&'a RuleKey> {
    keys.keys.iter().find(|entry| {
        let known = entry.signalling.iter().flat_map(|s| s.hls_media.iter().chain(&s.hls_session));
        let uris = known.map(|key| key.uri.as_str());
        uris.into_iter().any(|uri| lines.iter().any(|line| line.uri.as_deref() == Some(uri)))
    })
}

fn system_of(key_format: &str) -> Option<DrmSystem> {
    match key_format {
        "identity" => Some(DrmSystem::PlainKey),
        FAIRPLAY_FORMAT => Some(DrmSystem::FairPlay),
        PLAYREADY_FORMAT => Some(DrmSystem::PlayReady),
        CLEAR_KEY_FORMAT => Some(DrmSystem::ClearKey),
        other => DrmSystem::from_system_id(other.strip_prefix(UUID)?),
    }
}

/// Whether the boxes in `all` include this one.
fn contains(all: &[u8], one: &[u8]) -> bool {
    all == one || memchr::memmem::find(all, one).is_some()
}
