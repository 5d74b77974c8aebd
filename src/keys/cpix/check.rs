//! What a key server says for one system about one key: read, and checked against what was asked.
//!
//! A wrong box makes players ask for a licence that does not open the content, which they report,
//! if at all, as a failure of their own. So everything that names a key or a scheme must name ours.

use super::answer::base64;
use super::error::SystemFault;
use super::markup::Markup;
use super::namespace::{CENC, CPIX, PLAYREADY, SPEKE};
use super::xml::{Element, XmlError};
use crate::keys::hls_line::{KeyLine, parse_lines};
use crate::keys::playready::{self, PlayReadyHeader};
use crate::keys::pssh::{PsshBox, system};
use crate::keys::signalling::{FAIRPLAY_KEY_FORMAT, IDENTITY_KEY_FORMAT, quotable};
use crate::keys::widevine::{self, WidevineData};
use crate::model::protection::{DrmSystem, HlsKey, KeyId, ProtectionScheme, SystemSignalling};

/// A system's entry, checked.
pub struct Checked {
    /// What it says; gaps are left.
    pub signalling: SystemSignalling,
    /// The IVs in its playlist lines.
    pub ivs: Vec<[u8; 16]>,
}

/// Reads a `DRMSystem` element.
pub fn read_system(
    element: &Element,
    drm: DrmSystem,
    key_id: KeyId,
    scheme: ProtectionScheme,
) -> Result<Checked, SystemFault> {
    let expected = Expected { drm, key_id, scheme };
    let pssh_text = element.child(CPIX, "PSSH").and_then(Element::text);
    let data = protection_data(element)?;
    if let (Some(one), Some(other)) = (pssh_text, data.pssh.as_deref())
        && !same_text(one, other)
    {
        return Err(SystemFault::PsshDiffers);
    }
    let pssh = match (pssh_text, data.pssh.as_deref()) {
        (Some(text), _) => Some(expected.read_pssh("PSSH", text)?),
        (None, Some(text)) => Some(expected.read_pssh(PROTECTION_DATA, text)?),
        (None, None) => None,
    };
    // They are copied into the MPD with all that is in them.
    data.boxes.iter().try_for_each(|text| expected.read_pssh(PROTECTION_DATA, text).map(|_| ()))?;
    data.objects
        .iter()
        .try_for_each(|text| expected.read_object(PROTECTION_DATA, text).map(|_| ()))?;
    let playready_object = match (drm, named_object(element), &data.object) {
        (DrmSystem::PlayReady, Some((name, text)), _) => Some(expected.read_object(name, text)?),
        (DrmSystem::PlayReady, None, Some(text)) => {
            Some(expected.read_object(PROTECTION_DATA, text)?)
        }
        _ => None,
    };
    let lines = hls_lines(element, &expected)?;
    let ivs = lines.media.iter().chain(&lines.session).filter_map(|line| line.iv).collect();
    let keys = |lines: Vec<KeyLine>| lines.into_iter().map(|line| line.key).collect::<Vec<_>>();
    let mut hls_media = keys(lines.media);
    if hls_media.is_empty() {
        hls_media.extend(speke_1_key(element, drm)?);
    }
    let signalling = SystemSignalling {
        system: drm,
        pssh,
        playready_object,
        content_protection: data.children,
        hls_media,
        hls_session: keys(lines.session),
        license_url: None,
    };
    Ok(Checked { signalling, ivs })
}

/// What everything must agree with.
struct Expected {
    drm: DrmSystem,
    key_id: KeyId,
    scheme: ProtectionScheme,
}

impl Expected {
    fn read_pssh(&self, element: &'static str, text: &str) -> Result<Vec<u8>, SystemFault> {
        let bytes = base64(text).ok_or(SystemFault::NotBase64 { element })?;
        let boxes = PsshBox::parse(&bytes).map_err(SystemFault::Pssh)?;
        let own = KeyId::parse(self.drm.system_id());
        let others = boxes.iter().any(|one| Some(KeyId(one.system_id)) != own);
        if boxes.is_empty() || others {
            return Err(SystemFault::OtherSystem);
        }
        boxes.iter().try_for_each(|one| self.check_box(element, one))?;
        // Written anew: a box may say that it reaches to the end of the file, which is true where
        // it stands alone, and in an initialization segment would swallow what follows.
        Ok(boxes.iter().flat_map(PsshBox::to_bytes).collect())
    }

    fn check_box(&self, element: &'static str, one: &PsshBox) -> Result<(), SystemFault> {
        if !one.key_ids.is_empty() && !one.key_ids.contains(&self.key_id) {
            return Err(SystemFault::OtherKey { element });
        }
        match one.system_id {
            system::WIDEVINE => {
                let data = WidevineData::parse(&one.data).map_err(SystemFault::Widevine)?;
                // Without any key ID the box leaves the choice to the licence server.
                if !data.key_ids.is_empty() && !data.key_ids.contains(&self.key_id) {
                    return Err(SystemFault::OtherKey { element });
                }
                let says = data.protection_scheme;
                if says.is_some() && says != widevine::protection_scheme(self.scheme) {
                    return Err(SystemFault::OtherScheme { element });
                }
                Ok(())
            }
            system::PLAYREADY => self.check_object(element, &one.data),
            _ => Ok(()),
        }
    }

    fn read_object(&self, element: &'static str, text: &str) -> Result<Vec<u8>, SystemFault> {
        let object = base64(text).ok_or(SystemFault::NotBase64 { element })?;
        self.check_object(element, &object)?;
        Ok(object.to_vec())
    }

    fn check_object(&self, element: &'static str, object: &[u8]) -> Result<(), SystemFault> {
        let header = PlayReadyHeader::parse(object)
            .map_err(|error| SystemFault::PlayReady { element, error })?;
        if !header.key_ids.contains(&self.key_id) {
            return Err(SystemFault::OtherKey { element });
        }
        let own = playready::algorithm(self.scheme);
        if header.algorithms.iter().any(|found| Some(found.as_str()) != own) {
            return Err(SystemFault::OtherScheme { element });
        }
        Ok(())
    }

    fn check_line(&self, line: &KeyLine) -> Result<(), SystemFault> {
        let expected = self.scheme.hls_method();
        // Another name of the same method that players know.
        let synonym = self.scheme == ProtectionScheme::Cenc && line.method == "SAMPLE-AES-CENC";
        if line.method != expected && !synonym {
            return Err(SystemFault::Method { expected });
        }
        let is_bare = line.key.key_format.as_deref() == Some(IDENTITY_KEY_FORMAT);
        if is_bare && self.drm != DrmSystem::PlainKey {
            return Err(SystemFault::BareKey);
        }
        let key_id = line.key.others.iter().find(|(name, _)| name == "KEYID");
        let says_other = key_id.is_some_and(|(_, value)| {
            let digits = value.trim_matches('"').trim_start_matches("0x");
            KeyId::parse(digits.trim_start_matches("0X")) != Some(self.key_id)
        });
        if says_other {
            return Err(SystemFault::OtherKey { element: SIGNALING_DATA });
        }
        self.check_data(&line.key.uri)
    }

    /// What a `data:` URI holds, if it is what we know of the system. Players of HLS go by it and
    /// see no other box.
    fn check_data(&self, uri: &str) -> Result<(), SystemFault> {
        let data = uri.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
        let Some(bytes) = data.and_then(|(_, data)| base64(data)) else { return Ok(()) };
        if let Ok(boxes) = PsshBox::parse(&bytes) {
            return boxes.iter().try_for_each(|one| self.check_box(SIGNALING_DATA, one));
        }
        match (self.drm, PlayReadyHeader::parse(&bytes)) {
            (DrmSystem::PlayReady, Ok(_)) => self.check_object(SIGNALING_DATA, &bytes),
            _ => Ok(()),
        }
    }
}

const PROTECTION_DATA: &str = "ContentProtectionData";
const SIGNALING_DATA: &str = "HLSSignalingData";

/// The PlayReady object under the names that the two dialects have for it.
fn named_object(element: &Element) -> Option<(&'static str, &str)> {
    let names = [(CPIX, "SmoothStreamingProtectionHeaderData"), (SPEKE, "ProtectionHeader")];
    names.into_iter().find_map(|(namespace, name)| {
        Some((name, element.child(namespace, name).and_then(Element::text)?))
    })
}

/// What `ContentProtectionData` holds.
#[derive(Default)]
struct ProtectionData {
    /// The elements as written, if they can stand alone in an MPD.
    children: Option<String>,
    /// Text of `cenc:pssh`.
    pssh: Option<String>,
    /// Text of `mspr:pro`.
    object: Option<String>,
    /// Text of each `cenc:pssh`, however deep.
    boxes: Vec<String>,
    /// Text of each `mspr:pro`, however deep.
    objects: Vec<String>,
}

/// The data is a row of elements, not a document: a root is put around it for reading.
fn protection_data(element: &Element) -> Result<ProtectionData, SystemFault> {
    let name = PROTECTION_DATA;
    let Some(text) = element.child(CPIX, name).and_then(Element::text) else {
        return Ok(ProtectionData::default());
    };
    let not_base64 = SystemFault::NotBase64 { element: name };
    let decoded = if text.starts_with('<') {
        text.to_owned()
    } else {
        let bytes = base64(text).ok_or(not_base64)?;
        std::str::from_utf8(&bytes).map_err(|_| not_base64)?.to_owned()
    };
    let row = without_declaration(&decoded);
    let root = match Element::parse(&format!("<row>{row}</row>")) {
        Ok(root) => root,
        // Somebody counts on prefixes that the MPD declares; ours need not be theirs.
        Err(XmlError::UnknownPrefix) => return Ok(ProtectionData::default()),
        Err(_) => return Err(SystemFault::MalformedContentProtection),
    };
    let found = |namespace, name| {
        let element: Option<&Element> = root.child(namespace, name);
        element.and_then(Element::text).map(str::to_owned)
    };
    let everywhere = |namespace, name| {
        let mut found = Vec::new();
        root.find_all(namespace, name, &mut found);
        found.into_iter().filter_map(Element::text).map(str::to_owned).collect()
    };
    let elements = root.elements();
    let stands_alone = match Markup::of(row) {
        Markup::StandsAlone => root.text().is_none() && !elements.is_empty(),
        Markup::NotForManifests => false,
        Markup::Malformed => return Err(SystemFault::MalformedContentProtection),
    };
    Ok(ProtectionData {
        pssh: found(CENC, "pssh"),
        object: found(PLAYREADY, "pro"),
        boxes: everywhere(CENC, "pssh"),
        objects: everywhere(PLAYREADY, "pro"),
        children: stands_alone.then(|| row.to_owned()),
    })
}

fn without_declaration(text: &str) -> &str {
    let text = text.trim_start_matches('\u{FEFF}').trim();
    let behind = text.strip_prefix("<?xml ").and_then(|rest| rest.split_once("?>"));
    behind.map_or(text, |(_, rest)| rest.trim_start())
}

fn same_text(one: &str, other: &str) -> bool {
    let visible = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    visible(one) == visible(other)
}

#[derive(Default)]
struct HlsLines {
    media: Vec<KeyLine>,
    session: Vec<KeyLine>,
}

fn hls_lines(element: &Element, expected: &Expected) -> Result<HlsLines, SystemFault> {
    let name = SIGNALING_DATA;
    let not_base64 = SystemFault::NotBase64 { element: name };
    let mut lines = HlsLines::default();
    for data in element.all(CPIX, name) {
        let Some(text) = data.text() else { continue };
        let found = if text.starts_with('#') {
            parse_lines(text)
        } else {
            let bytes = base64(text).ok_or(not_base64)?;
            parse_lines(std::str::from_utf8(&bytes).map_err(|_| not_base64)?)
        };
        let found = found.map_err(SystemFault::Line)?;
        found.iter().try_for_each(|line| expected.check_line(line))?;
        // CPIX 2.4 renamed `master`; servers of SPEKE 2.1 may say either.
        let playlist = data.attribute("playlist").unwrap_or("media");
        let master = ["master", "multiVariant"].iter().any(|n| playlist.eq_ignore_ascii_case(n));
        let list = if master { &mut lines.session } else { &mut lines.media };
        list.extend(found);
    }
    let formats = |lines: &[KeyLine]| -> Vec<_> {
        let of =
            |line: &KeyLine| (line.key.key_format.clone(), line.key.key_format_versions.clone());
        let mut formats: Vec<_> = lines.iter().map(of).collect();
        formats.sort();
        formats
    };
    let both = !lines.media.is_empty() && !lines.session.is_empty();
    if both && formats(&lines.media) != formats(&lines.session) {
        return Err(SystemFault::LinesDisagree);
    }
    Ok(lines)
}

/// The three elements that SPEKE 1.0 has instead of lines.
fn speke_1_key(element: &Element, drm: DrmSystem) -> Result<Option<HlsKey>, SystemFault> {
    let text = |namespace, name| element.child(namespace, name).and_then(Element::text);
    let name = "URIExtXKey";
    let Some(uri) = text(CPIX, name) else { return Ok(None) };
    // A colon is in every URI and never in base64.
    let uri = if uri.contains(':') { Some(uri.to_owned()) } else { base64_text(uri) };
    let uri = uri.filter(|uri| !uri.is_empty());
    let uri = uri.ok_or(SystemFault::NotBase64 { element: name })?;
    let usual = match drm {
        DrmSystem::FairPlay => Some(FAIRPLAY_KEY_FORMAT),
        DrmSystem::PlainKey => Some(IDENTITY_KEY_FORMAT),
        _ => None,
    };
    let format = text(SPEKE, "KeyFormat").map(key_format);
    let versions = text(SPEKE, "KeyFormatVersions").map(key_format_versions);
    let Some(key_format) = format.or_else(|| usual.map(str::to_owned)) else { return Ok(None) };
    let versions = versions.unwrap_or_else(|| "1".to_owned());
    for (element, value) in
        [(name, &uri), ("KeyFormat", &key_format), ("KeyFormatVersions", &versions)]
    {
        if !quotable(value) {
            return Err(SystemFault::Unquotable { element });
        }
    }
    Ok(Some(HlsKey {
        uri,
        key_format: Some(key_format),
        key_format_versions: Some(versions),
        others: Vec::new(),
    }))
}

/// Base64 of the name, or the name itself: `identity` could be either by its letters, names with
/// dots or colons could not.
fn key_format(text: &str) -> String {
    let plain = text == IDENTITY_KEY_FORMAT || text.contains(['.', ':']);
    if plain { text.to_owned() } else { base64_text(text).unwrap_or_else(|| text.to_owned()) }
}

/// Base64 of `1`, `1/2` …, or just that.
fn key_format_versions(text: &str) -> String {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'/');
    if plain { text.to_owned() } else { base64_text(text).unwrap_or_else(|| text.to_owned()) }
}

fn base64_text(text: &str) -> Option<String> {
    let bytes = base64(text)?;
    Some(std::str::from_utf8(&bytes).ok()?.trim().to_owned())
}
