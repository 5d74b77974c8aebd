//! The answer to a key request: the same document, with what it named filled in.
//!
//! | asked for | filled with |
//! |---|---|
//! | `ContentKey` | `Data/pskc:Secret`; `explicitIV` for `cbcs` and `cbc1` |
//! | `PSSH` | a whole box |
//! | `ContentProtectionData` | `cenc:pssh`, and `mspr:pro` for PlayReady; `dashif:Laurl` for Clear Key |
//! | `HLSSignalingData` | the tag's line |
//! | `SmoothStreamingProtectionHeaderData`, `speke:ProtectionHeader` | the PlayReady object |
//! | `URIExtXKey`, `speke:KeyFormat`, `speke:KeyFormatVersions` | those attributes of `EXT-X-KEY` |
//!
//! All of it is base64. What a system does not have is taken out of the document, as SPEKE 1.0 lets
//! a provider do and as AWS's suite tolerates for SPEKE 2.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::delivery::Delivery;
use super::document::{CPIX, DS, ENC, Element, PSKC, Prefixes, SPEKE};
use super::fault::Fault;
use super::refusal::Refusal;
use super::request::{KeyRequest, RequestedKey};
use super::{KeyEncryption, Seed};
use crate::keys::signalling::own_signalling;
use crate::model::encryption::SpekeVersion;
use crate::model::protection::{
    ContentKey, DrmSystem, HlsKey, KeyId, ProtectionScheme, SystemSignalling,
};

/// What answers are made of, beside the request.
pub(super) struct Provider<'a> {
    /// Where keys come from.
    pub(super) seed: &'a Seed,
    /// What URLs of keys and licences begin with, without a slash at the end.
    pub(super) base_url: &'a str,
    /// Whether keys leave encrypted.
    pub(super) encryption: KeyEncryption,
    /// What goes wrong.
    pub(super) faults: &'a [Fault],
}

impl Provider<'_> {
    /// Fills the document.
    pub(super) fn answer(&self, request: KeyRequest) -> Result<String, Refusal> {
        let KeyRequest { version, content_id, scheme, keys, systems, recipient, document } =
            request;
        let mut document = document;
        let recipient = match self.encryption {
            KeyEncryption::WhenAsked => recipient,
            KeyEncryption::Always => Some(recipient.ok_or(Refusal::NoRecipient)?),
            KeyEncryption::Never => None,
        };
        let encrypted = [(CPIX, "cpix"), (PSKC, "pskc"), (DS, "ds"), (ENC, "enc")];
        let wanted = if recipient.is_some() { &encrypted[..] } else { &encrypted[..2] };
        let prefixes = document.declare(wanted);
        let delivery = recipient.map(|recipient| Delivery::to(&recipient)).transpose()?;
        if let (Some(delivery), Some(list)) =
            (&delivery, document.child_mut(CPIX, "DeliveryDataList"))
            && let Some(data) = list.child_mut(CPIX, "DeliveryData")
        {
            delivery.describe(data, &prefixes);
        }

        let with_iv = needs_iv(version, scheme, &systems);
        let keys: Vec<ContentKey> = keys.iter().map(|key| self.key(key, with_iv)).collect();
        if let Some(list) = document.child_mut(CPIX, "ContentKeyList") {
            let elements = list.children_mut().filter(|child| child.is(CPIX, "ContentKey"));
            for (element, key) in elements.zip(&keys) {
                self.fill_key(element, key, delivery.as_ref(), &prefixes)?;
            }
        }
        if let Some(list) = document.child_mut(CPIX, "DRMSystemList") {
            let elements = list.children_mut().filter(|child| child.is(CPIX, "DRMSystem"));
            for (element, &(id, system)) in elements.zip(&systems) {
                let Some(key) = keys.iter().find(|key| key.id == id) else { continue };
                let told = self.tell(system, key, scheme, &content_id)?;
                self.fill_system(element, key, scheme, &told)?;
            }
        }
        if self.faults.contains(&Fault::NoRules) {
            document.retain(|child| !child.is(CPIX, "ContentKeyUsageRuleList"));
        }
        Ok(document.to_document())
    }

    /// The key, with the IV that goes into the answer.
    fn key(&self, requested: &RequestedKey, with_iv: bool) -> ContentKey {
        let own = self.seed.key(requested.id);
        let secret = zeroize::Zeroizing::new(*own.expose());
        let iv = if self.faults.contains(&Fault::IvEqualsKey) {
            Some(*secret)
        } else {
            requested.iv.or(own.iv.filter(|_| with_iv))
        };
        ContentKey::new(requested.id, secret, iv)
    }

    fn fill_key(
        &self,
        element: &mut Element,
        key: &ContentKey,
        delivery: Option<&Delivery>,
        prefixes: &Prefixes,
    ) -> Result<(), Refusal> {
        if let Some(iv) = key.iv {
            element.set_attribute("explicitIV", STANDARD.encode(iv));
        }
        if self.faults.contains(&Fault::WrongKid) {
            let mut other = key.id;
            if let Some(last) = other.0.last_mut() {
                *last ^= 1;
            }
            element.set_attribute("kid", other.to_string());
        }
        if let Some(said) = element.attribute("commonEncryptionScheme")
            && self.faults.contains(&Fault::WrongScheme)
        {
            let other = if said == "cenc" { "cbcs" } else { "cenc" };
            element.set_attribute("commonEncryptionScheme", other.to_owned());
        }
        element.retain(|child| !child.is(CPIX, "Data"));
        if self.faults.contains(&Fault::NoKey) {
            return Ok(());
        }
        let mut secret = Element::new(PSKC, "Secret", prefixes);
        match delivery {
            Some(delivery) => {
                let bad_mac = self.faults.contains(&Fault::BadMac);
                for child in delivery.wrap(key.expose(), bad_mac, prefixes)? {
                    secret.push(child);
                }
            }
            None => {
                let length = if self.faults.contains(&Fault::ShortKey) { 15 } else { 16 };
                let bytes = key.expose().get(..length).unwrap_or_default();
                let value = STANDARD.encode(bytes);
                secret.push(Element::with_text(PSKC, "PlainValue", value, prefixes));
            }
        }
        element.push_front(Element::new(CPIX, "Data", prefixes).containing(secret));
        Ok(())
    }

    fn tell(
        &self,
        system: DrmSystem,
        key: &ContentKey,
        scheme: ProtectionScheme,
        content_id: &str,
    ) -> Result<SystemSignalling, Refusal> {
        let base = self.base_url;
        let uri = (system == DrmSystem::PlainKey).then(|| format!("{base}/keys/{}", key.id));
        let license_url = (system == DrmSystem::ClearKey).then(|| format!("{base}/clearkey"));
        // The content ID becomes the host of a skd URI.
        let content_id = utf8_percent_encode(content_id, &UNRESERVED).to_string();
        let told = own_signalling(
            system,
            key,
            scheme,
            &content_id,
            uri.as_deref(),
            license_url.as_deref(),
        )?;
        Ok(told)
    }

    fn fill_system(
        &self,
        element: &mut Element,
        key: &ContentKey,
        scheme: ProtectionScheme,
        told: &SystemSignalling,
    ) -> Result<(), Refusal> {
        if self.faults.contains(&Fault::EmptySystems) {
            return Ok(());
        }
        for child in element.children_mut() {
            let value = match (child.namespace(), child.local()) {
                (CPIX, "PSSH") => told.pssh.as_deref().map(|pssh| STANDARD.encode(pssh)),
                (CPIX, "ContentProtectionData") => {
                    self.content_protection(told).map(|text| STANDARD.encode(text))
                }
                (CPIX, "HLSSignalingData") => {
                    let (tag, lines) = match child.attribute("playlist") {
                        None | Some("media") => ("EXT-X-KEY", &told.hls_media),
                        Some("master" | "multiVariant") => ("EXT-X-SESSION-KEY", &told.hls_session),
                        Some(_) => {
                            let place = "HLSSignalingData@playlist";
                            return Err(Refusal::value(place, "neither media nor master"));
                        }
                    };
                    let line = |hls_key| hls_line(tag, hls_key, told.system, key, scheme);
                    let lines: Vec<String> = lines.iter().map(line).collect();
                    (!lines.is_empty()).then(|| STANDARD.encode(lines.join("\n")))
                }
                (CPIX, "SmoothStreamingProtectionHeaderData") | (SPEKE, "ProtectionHeader") => {
                    told.playready_object.as_deref().map(|object| STANDARD.encode(object))
                }
                (CPIX, "URIExtXKey") => told.hls_media.first().map(|key| STANDARD.encode(&key.uri)),
                (SPEKE, "KeyFormat") => {
                    let first = told.hls_media.first();
                    first.and_then(|key| key.key_format.as_ref()).map(|text| STANDARD.encode(text))
                }
                (SPEKE, "KeyFormatVersions") => {
                    let first = told.hls_media.first();
                    let versions = first.and_then(|key| key.key_format_versions.as_ref());
                    versions.map(|text| STANDARD.encode(text))
                }
                _ => None,
            };
            child.set_text(value.unwrap_or_default());
        }
        element.retain(|child| !child.text().is_empty());
        Ok(())
    }

    /// What goes into `ContentProtection` of an MPD: elements side by side, no document.
    fn content_protection(&self, told: &SystemSignalling) -> Option<String> {
        let pssh = told.pssh.as_deref().map(|pssh| {
            let mut pssh = pssh.to_vec();
            if let Some(last) = pssh.last_mut().filter(|_| self.faults.contains(&Fault::OtherPssh))
            {
                *last ^= 1;
            }
            let text = STANDARD.encode(pssh);
            format!("<cenc:pssh xmlns:cenc=\"urn:mpeg:cenc:2013\">{text}</cenc:pssh>")
        });
        match told.system {
            DrmSystem::Widevine => pssh,
            DrmSystem::PlayReady => {
                let object = STANDARD.encode(told.playready_object.as_deref()?);
                let pro = "<mspr:pro xmlns:mspr=\"urn:microsoft:playready\">";
                Some(format!("{}{pro}{object}</mspr:pro>", pssh?))
            }
            DrmSystem::ClearKey => {
                let url = told.license_url.as_deref()?;
                let url = quick_xml::escape::escape(url);
                let open = "<dashif:Laurl xmlns:dashif=\"https://dashif.org/CPS\">";
                Some(format!("{open}{url}</dashif:Laurl>"))
            }
            DrmSystem::FairPlay | DrmSystem::PlainKey => None,
        }
    }
}

/// RFC 3986 2.3, which also keeps quotation marks out of playlists.
const UNRESERVED: percent_encoding::AsciiSet =
    NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Counter mode has no use for a constant IV. SPEKE 1.0 does not say the mode; there, FairPlay and
/// plain keys have one.
fn needs_iv(
    version: SpekeVersion,
    scheme: ProtectionScheme,
    systems: &[(KeyId, DrmSystem)],
) -> bool {
    let is_hls = |&(_, system): &(KeyId, DrmSystem)| {
        matches!(system, DrmSystem::FairPlay | DrmSystem::PlainKey)
    };
    match version {
        SpekeVersion::V1 => systems.iter().any(is_hls),
        _ => scheme != ProtectionScheme::Cenc,
    }
}

/// `EXT-X-KEY` or `EXT-X-SESSION-KEY`. Plain keys come with their IV, since nothing else would tell
/// it; FairPlay has it in the licence, and CMAF in `tenc`.
fn hls_line(
    tag: &str,
    hls_key: &HlsKey,
    system: DrmSystem,
    key: &ContentKey,
    scheme: ProtectionScheme,
) -> String {
    let mut line = format!("#{tag}:METHOD={},URI=\"{}\"", scheme.hls_method(), hls_key.uri);
    if let Some(iv) = key.iv.filter(|_| system == DrmSystem::PlainKey) {
        line.push_str(&format!(",IV=0x{}", hex::encode(iv)));
    }
    if let Some(format) = &hls_key.key_format {
        line.push_str(&format!(",KEYFORMAT=\"{format}\""));
    }
    if let Some(versions) = &hls_key.key_format_versions {
        line.push_str(&format!(",KEYFORMATVERSIONS=\"{versions}\""));
    }
    for (name, value) in &hls_key.others {
        line.push_str(&format!(",{name}={value}"));
    }
    line
}
