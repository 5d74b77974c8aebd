//! Captions in master playlists (RFC 8216 4.3.4.1, 4.3.4.2): they are in the pictures and have no
//! playlist of their own.

use std::fmt::Write as _;

use super::write::quoted;
use crate::model::caption::{Caption, CaptionService, OfferedCaptions};

/// The group that all services are in.
const GROUP: &str = "cc";

/// The `EXT-X-MEDIA` of each service.
pub(super) fn write_renditions(out: &mut String, captions: &OfferedCaptions) {
    for (index, caption) in captions.services.iter().enumerate() {
        let name = unique_name(&captions.services, index);
        let _ = write!(
            out,
            "#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"{GROUP}\",NAME=\"{}\"",
            quoted(&name)
        );
        if let Some(language) = &caption.language {
            let _ = write!(out, ",LANGUAGE=\"{}\"", quoted(language));
        }
        // What is the default must be one that may be selected (RFC 8216 4.3.4.1).
        let is_auto_select = caption.is_default || caption.is_auto_select;
        let _ = write!(
            out,
            ",DEFAULT={},AUTOSELECT={},INSTREAM-ID=\"{}\"",
            yes_or_no(caption.is_default),
            yes_or_no(is_auto_select),
            caption.service
        );
        if let Some(characteristics) = &caption.characteristics {
            let _ = write!(out, ",CHARACTERISTICS=\"{}\"", quoted(characteristics));
        }
        out.push('\n');
    }
}

/// The attribute of a variant whose pictures are those of `stream`. `NONE` has to be said of all
/// variants or of none, so one without captions beside others with some says nothing.
pub(super) fn attribute(captions: &OfferedCaptions, stream: usize) -> String {
    if captions.services.is_empty() {
        return ",CLOSED-CAPTIONS=NONE".to_owned();
    }
    if captions.has(stream) { format!(",CLOSED-CAPTIONS=\"{GROUP}\"") } else { String::new() }
}

/// Whether the version of the protocol must be 7 or more (RFC 8216 7): for services of CTA-708.
pub(super) fn need_services(captions: &OfferedCaptions) -> bool {
    captions.services.iter().any(|caption| matches!(caption.service, CaptionService::Cea708(_)))
}

/// The name for people, or the channel's; names in a group differ (RFC 8216 4.3.4.1.1).
fn unique_name(services: &[Caption], index: usize) -> String {
    let Some(caption) = services.get(index) else { return String::new() };
    let channel = caption.service.to_string();
    let Some(name) = &caption.name else { return channel };
    let is_taken = services.iter().take(index).any(|other| other.name.as_ref() == Some(name));
    if is_taken { format!("{name} ({channel})") } else { name.clone() }
}

const fn yes_or_no(value: bool) -> &'static str {
    if value { "YES" } else { "NO" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_has_a_rendition_and_variants_name_their_group() {
        let english = Caption {
            language: Some("en".to_owned()),
            name: Some("English".to_owned()),
            is_default: true,
            characteristics: Some("public.accessibility.transcribes-spoken-dialog".to_owned()),
            ..Caption::unnamed(CaptionService::Cea608(1))
        };
        let again =
            Caption { service: CaptionService::Cea708(1), is_default: false, ..english.clone() };
        let captions = OfferedCaptions {
            services: vec![english, Caption::unnamed(CaptionService::Cea608(3)), again],
            by_stream: vec![vec![CaptionService::Cea608(1)], Vec::new()],
        };
        let mut out = String::new();
        write_renditions(&mut out, &captions);
        let head = "#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"cc\",NAME=";
        let spoken = "CHARACTERISTICS=\"public.accessibility.transcribes-spoken-dialog\"";
        let expected = [
            format!(
                "{head}\"English\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,INSTREAM-ID=\"CC1\",{spoken}\n"
            ),
            format!("{head}\"CC3\",DEFAULT=NO,AUTOSELECT=YES,INSTREAM-ID=\"CC3\"\n"),
            format!(
                "{head}\"English (SERVICE1)\",LANGUAGE=\"en\",DEFAULT=NO,AUTOSELECT=YES,INSTREAM-ID=\"SERVICE1\",{spoken}\n"
            ),
        ];
        assert_eq!(out, expected.concat());
        assert_eq!(attribute(&captions, 0), ",CLOSED-CAPTIONS=\"cc\"");
        assert_eq!(attribute(&captions, 1), "");
        assert_eq!(attribute(&OfferedCaptions::default(), 0), ",CLOSED-CAPTIONS=NONE");
        assert!(need_services(&captions) && !need_services(&OfferedCaptions::default()));
    }
}
