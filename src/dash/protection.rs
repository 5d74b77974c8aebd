//! `ContentProtection` (ISO/IEC 23009-1:2022 5.8.5.2, ISO/IEC 23001-7 11, DASH-IF content
//! protection guidelines).
//!
//! One element says that and how media is encrypted, one for each DRM system says where its
//! licences come from. FairPlay and plain HLS keys have no use in DASH.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_xml::Writer;
use quick_xml::events::{BytesText, Event};

use crate::model::manifest::{Manifest, RenditionProtection};
use crate::model::protection::{DrmSystem, SystemSignalling};

const SCHEME: &str = "urn:mpeg:dash:mp4protection:2011";

/// Prefixes that the elements below use.
pub(super) const NAMESPACES: [(&str, &str); 3] = [
    ("xmlns:cenc", "urn:mpeg:cenc:2013"),
    ("xmlns:mspr", "urn:microsoft:playready"),
    ("xmlns:dashif", "https://dashif.org/CPS"),
];

/// Whether anything in the manifest is encrypted.
pub(super) fn is_protected(manifest: &Manifest) -> bool {
    let mut sets = manifest.periods.iter().flat_map(|period| &period.sets);
    sets.any(|set| set.renditions.iter().any(|rendition| rendition.protection.is_some()))
}

/// The elements of one adaptation set, whose renditions share the key.
pub(super) fn write_protection(
    writer: &mut Writer<Vec<u8>>,
    protection: &RenditionProtection,
) -> io::Result<()> {
    writer
        .create_element("ContentProtection")
        .with_attribute(("schemeIdUri", SCHEME))
        .with_attribute(("value", protection.scheme.four_cc().unwrap_or_default()))
        .with_attribute(("cenc:default_KID", protection.key_id.to_string().as_str()))
        .write_empty()?;
    for system in protection.signalling.iter() {
        write_system(writer, system)?;
    }
    Ok(())
}

fn write_system(writer: &mut Writer<Vec<u8>>, system: &SystemSignalling) -> io::Result<()> {
    let value = match system.system {
        DrmSystem::Widevine => "Widevine",
        DrmSystem::PlayReady => "MSPR 2.0",
        DrmSystem::ClearKey => "ClearKey1.0",
        DrmSystem::FairPlay | DrmSystem::PlainKey => return Ok(()),
    };
    let scheme = format!("urn:uuid:{}", system.system.system_id());
    // The common box of Clear Key belongs into init segments: players make its request from the
    // key ID.
    let pssh = system.pssh.as_ref().filter(|_| system.system != DrmSystem::ClearKey);
    writer
        .create_element("ContentProtection")
        .with_attribute(("schemeIdUri", scheme.as_str()))
        .with_attribute(("value", value))
        .write_inner_content(|writer| {
            match &system.content_protection {
                Some(children) => {
                    writer.write_event(Event::Text(BytesText::from_escaped(children)))?;
                }
                None => {
                    write_bytes(writer, "cenc:pssh", pssh)?;
                    write_bytes(writer, "mspr:pro", system.playready_object.as_ref())?;
                }
            }
            if let Some(url) = &system.license_url {
                let element = writer.create_element("dashif:Laurl");
                element.write_text_content(BytesText::new(url))?;
            }
            Ok(())
        })?;
    Ok(())
}

fn write_bytes(
    writer: &mut Writer<Vec<u8>>,
    element: &str,
    bytes: Option<&Vec<u8>>,
) -> io::Result<()> {
    if let Some(bytes) = bytes {
        let text = STANDARD.encode(bytes);
        writer.create_element(element).write_text_content(BytesText::new(&text))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(system: SystemSignalling) -> String {
        let mut writer = Writer::new(Vec::new());
        write_system(&mut writer, &system).unwrap();
        String::from_utf8(writer.into_inner()).unwrap()
    }

    fn signalling(system: DrmSystem) -> SystemSignalling {
        SystemSignalling {
            system,
            pssh: Some(vec![0, 1, 2]),
            playready_object: None,
            content_protection: None,
            hls_media: Vec::new(),
            hls_session: Vec::new(),
            license_url: None,
        }
    }

    #[test]
    fn what_the_key_server_wrote_stands_as_it_is() {
        let children = "<cenc:pssh xmlns:cenc=\"urn:mpeg:cenc:2013\">AAEC</cenc:pssh>";
        let widevine = SystemSignalling {
            content_protection: Some(children.to_owned()),
            ..signalling(DrmSystem::Widevine)
        };
        assert_eq!(
            written(widevine),
            format!(
                "<ContentProtection schemeIdUri=\"urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed\" \
                 value=\"Widevine\">{children}</ContentProtection>"
            )
        );
    }

    #[test]
    fn licence_urls_are_escaped_and_fairplay_is_left_out() {
        let clear_key = SystemSignalling {
            license_url: Some("https://l.example/?a=1&b=2".to_owned()),
            ..signalling(DrmSystem::ClearKey)
        };
        let text = written(clear_key);
        assert!(text.contains("<dashif:Laurl>https://l.example/?a=1&amp;b=2</dashif:Laurl>"));
        assert!(!text.contains("pssh"));
        assert_eq!(written(signalling(DrmSystem::FairPlay)), "");
    }
}
