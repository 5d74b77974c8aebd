//! The document that asks for keys (SPEKE 1.0 and 2.x, encryptor's side).
//!
//! Empty elements name what the server shall fill in. Boxes are asked for where media is ISO BMFF,
//! playlist lines where playlists are written; a system of which nothing is wanted is not named,
//! and Clear Key never: it is for tests and made here.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::{KeyRequest, RequestedKey, namespace};
use crate::model::encryption::SpekeVersion;
use crate::model::presentation::Medium;
use crate::model::protection::{DrmSystem, KeyRule};

/// The request as text.
pub fn request_document(request: &KeyRequest) -> String {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    // A vector takes every byte, and all that is written is text: neither can fail.
    let _ = write_document(&mut writer, request);
    let mut text = String::from_utf8(writer.into_inner()).unwrap_or_default();
    text.push('\n');
    text
}

type Xml = Writer<Vec<u8>>;

fn write_document(xml: &mut Xml, request: &KeyRequest) -> io::Result<()> {
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let content_id = request.content_id.as_str();
    let mut attributes = match request.version {
        SpekeVersion::V1 => vec![("id", content_id)],
        SpekeVersion::V2 => vec![("contentId", content_id), ("version", "2.3")],
        SpekeVersion::V2_1 => vec![("contentId", content_id), ("version", "2.4")],
    };
    attributes.extend([("xmlns:cpix", namespace::CPIX), ("xmlns:pskc", namespace::PSKC)]);
    if request.version == SpekeVersion::V1 {
        attributes.push(("xmlns:speke", namespace::SPEKE));
    }
    if request.recipient_certificate.is_some() {
        attributes.extend([("xmlns:ds", namespace::XMLDSIG), ("xmlns:enc", namespace::XMLENC)]);
    }
    xml.create_element("cpix:CPIX").with_attributes(attributes).write_inner_content(|xml| {
        if let Some(certificate) = &request.recipient_certificate {
            write_recipient(xml, certificate)?;
        }
        xml.create_element("cpix:ContentKeyList").write_inner_content(|xml| {
            request.keys.iter().try_for_each(|key| write_key(xml, request, key))
        })?;
        write_systems(xml, request)?;
        if request.version == SpekeVersion::V1 {
            return Ok(());
        }
        xml.create_element("cpix:ContentKeyUsageRuleList").write_inner_content(|xml| {
            request.keys.iter().try_for_each(|key| write_rule(xml, key))
        })?;
        Ok(())
    })?;
    Ok(())
}

fn write_recipient(xml: &mut Xml, certificate: &[u8]) -> io::Result<()> {
    let path = [
        "cpix:DeliveryDataList",
        "cpix:DeliveryData",
        "cpix:DeliveryKey",
        "ds:X509Data",
        "ds:X509Certificate",
    ];
    let text = STANDARD.encode(certificate);
    write_nested(xml, &path, &text)
}

fn write_nested(xml: &mut Xml, path: &[&str], text: &str) -> io::Result<()> {
    match path {
        [] => Ok(()),
        [name] => {
            xml.create_element(*name).write_text_content(BytesText::new(text))?;
            Ok(())
        }
        [name, inner @ ..] => {
            xml.create_element(*name).write_inner_content(|xml| write_nested(xml, inner, text))?;
            Ok(())
        }
    }
}

fn write_key(xml: &mut Xml, request: &KeyRequest, key: &RequestedKey) -> io::Result<()> {
    let id = key.id.to_string();
    let mut element = xml.create_element("cpix:ContentKey").with_attribute(("kid", id.as_str()));
    if request.version != SpekeVersion::V1 {
        let scheme = request.scheme.common_encryption_scheme();
        element = element.with_attribute(("commonEncryptionScheme", scheme));
    }
    if let Some(iv) = key.iv {
        element = element.with_attribute(("explicitIV", STANDARD.encode(iv).as_str()));
    }
    element.write_empty()?;
    Ok(())
}

/// All systems of the first key, then all of the next.
fn write_systems(xml: &mut Xml, request: &KeyRequest) -> io::Result<()> {
    let wanted: Vec<_> = request
        .systems
        .iter()
        .map(|&system| (system, wanted_elements(request, system)))
        .filter(|(_, elements)| !elements.is_empty())
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    xml.create_element("cpix:DRMSystemList").write_inner_content(|xml| {
        for key in &request.keys {
            for (system, elements) in &wanted {
                xml.create_element("cpix:DRMSystem")
                    .with_attribute(("kid", key.id.to_string().as_str()))
                    .with_attribute(("systemId", system_id(*system, request.version)))
                    .write_inner_content(|xml| {
                        elements.iter().try_for_each(|element| element.write(xml))
                    })?;
            }
        }
        Ok(())
    })?;
    Ok(())
}

/// The system ID in documents of a dialect: plain keys have two.
fn system_id(system: DrmSystem, version: SpekeVersion) -> &'static str {
    match (system, version) {
        (DrmSystem::PlainKey, SpekeVersion::V1) => DrmSystem::PLAIN_KEY_SYSTEM_IDS[0],
        _ => system.system_id(),
    }
}

/// An empty element that the server shall fill.
struct Wanted {
    name: &'static str,
    playlist: Option<&'static str>,
}

impl Wanted {
    const fn named(name: &'static str) -> Self {
        Self { name, playlist: None }
    }

    const fn lines(playlist: &'static str) -> Self {
        Self { name: "cpix:HLSSignalingData", playlist: Some(playlist) }
    }

    fn write(&self, xml: &mut Xml) -> io::Result<()> {
        let mut element = xml.create_element(self.name);
        if let Some(playlist) = self.playlist {
            element = element.with_attribute(("playlist", playlist));
        }
        element.write_empty()?;
        Ok(())
    }
}

fn wanted_elements(request: &KeyRequest, system: DrmSystem) -> Vec<Wanted> {
    let has_boxes = matches!(system, DrmSystem::Widevine | DrmSystem::PlayReady)
        && request.scheme.four_cc().is_some();
    let playready = system == DrmSystem::PlayReady;
    let mut wanted = Vec::new();
    if system == DrmSystem::ClearKey {
        return wanted;
    }
    if has_boxes {
        wanted.push(Wanted::named("cpix:PSSH"));
    }
    if request.version == SpekeVersion::V1 {
        if has_boxes && playready {
            wanted.push(Wanted::named("speke:ProtectionHeader"));
        }
        if request.wants_hls && !has_boxes {
            wanted.push(Wanted::named("cpix:URIExtXKey"));
            wanted.push(Wanted::named("speke:KeyFormat"));
            wanted.push(Wanted::named("speke:KeyFormatVersions"));
        }
        return wanted;
    }
    if has_boxes {
        wanted.push(Wanted::named("cpix:ContentProtectionData"));
    }
    if request.wants_hls {
        wanted.extend([Wanted::lines("media"), Wanted::lines("master")]);
        // Playlists carry the bare object, which this element holds; MPDs get it with the rest of
        // ContentProtectionData.
        if has_boxes && playready {
            wanted.push(Wanted::named("cpix:SmoothStreamingProtectionHeaderData"));
        }
    }
    wanted
}

fn write_rule(xml: &mut Xml, key: &RequestedKey) -> io::Result<()> {
    xml.create_element("cpix:ContentKeyUsageRule")
        .with_attribute(("kid", key.id.to_string().as_str()))
        .with_attribute(("intendedTrackType", key.rule.track_type.as_str()))
        .write_inner_content(|xml| {
            let medium = key.rule.track_type.medium();
            if medium != Some(Medium::Audio) {
                write_filter(xml, "cpix:VideoFilter", ["minPixels", "maxPixels"], key.rule)?;
            }
            if medium != Some(Medium::Video) {
                write_filter(xml, "cpix:AudioFilter", ["minChannels", "maxChannels"], key.rule)?;
            }
            Ok(())
        })?;
    Ok(())
}

fn write_filter(
    xml: &mut Xml,
    name: &'static str,
    [from, to]: [&'static str; 2],
    rule: KeyRule,
) -> io::Result<()> {
    let mut element = xml.create_element(name);
    let minimum = rule.track_type.minimum();
    if minimum > 0 {
        element = element.with_attribute((from, minimum.to_string().as_str()));
    }
    if let Some(maximum) = rule.maximum {
        element = element.with_attribute((to, maximum.to_string().as_str()));
    }
    element.write_empty()?;
    Ok(())
}
