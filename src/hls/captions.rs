//! Captions in master playlists (RFC 8216 4.3.4.1, 4.3.4.2): they are in the pictures and have no
//! playlist of their own.

use std::fmt::Write as _;

use super::write::write_description;
use crate::model::caption::{Caption, CaptionService, OfferedCaptions};
use crate::model::description::Description;
use crate::model::manifest::Manifest;

/// The group that all services are in.
const GROUP: &str = "cc";

/// The captions of the variants that a manifest has: a selection may have left others out.
pub(super) fn of(manifest: &Manifest) -> OfferedCaptions {
    let streams: Vec<usize> = manifest.offers.iter().map(|offer| offer.main.stream).collect();
    let captions = &manifest.captions;
    let services = captions.of_streams(&streams).cloned().collect();
    OfferedCaptions { services, by_stream: captions.by_stream.clone() }
}

/// The `EXT-X-MEDIA` of each service.
pub(super) fn write_renditions(out: &mut String, captions: &OfferedCaptions) {
    for (index, caption) in captions.services.iter().enumerate() {
        let _ = write!(out, "#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"{GROUP}\"");
        let earlier = captions.services.get(..index).unwrap_or_default();
        write_description(out, &described(caption, earlier));
        let _ = writeln!(out, ",INSTREAM-ID=\"{}\"", caption.service);
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

/// What people are told: the channel where nothing else is known, and beside a name that another
/// service has, because names in a group differ (RFC 8216 4.3.4.1.1).
fn described(caption: &Caption, earlier: &[Caption]) -> Description {
    let Some(words) = &caption.description else {
        return Description {
            name: caption.service.to_string(),
            is_autoselected: true,
            ..Description::default()
        };
    };
    let mut others = earlier.iter().filter_map(|other| other.description.as_ref());
    let name = match others.any(|other| other.name == words.name) {
        true => format!("{} ({})", words.name, caption.service),
        false => words.name.clone(),
    };
    Description { name, ..words.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_has_a_rendition_and_variants_name_their_group() {
        let english = Description {
            language: Some("en".to_owned()),
            name: "English".to_owned(),
            is_default: true,
            is_autoselected: true,
            characteristics: vec!["public.easy-to-read".to_owned()],
            ..Description::default()
        };
        let again = Description { is_default: false, ..english.clone() };
        let caption = |service, description| Caption { service, description };
        let captions = OfferedCaptions {
            services: vec![
                caption(CaptionService::Cea608(1), Some(english)),
                caption(CaptionService::Cea608(3), None),
                caption(CaptionService::Cea708(1), Some(again)),
            ],
            by_stream: vec![vec![CaptionService::Cea608(1)], Vec::new()],
        };
        let mut out = String::new();
        write_renditions(&mut out, &captions);
        let head = "#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"cc\",NAME=";
        let easy = "CHARACTERISTICS=\"public.easy-to-read\"";
        let expected = [
            format!(
                "{head}\"English\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,{easy},\
                 INSTREAM-ID=\"CC1\"\n"
            ),
            format!("{head}\"CC3\",DEFAULT=NO,AUTOSELECT=YES,INSTREAM-ID=\"CC3\"\n"),
            format!(
                "{head}\"English (SERVICE1)\",LANGUAGE=\"en\",DEFAULT=NO,AUTOSELECT=YES,{easy},\
                 INSTREAM-ID=\"SERVICE1\"\n"
            ),
        ];
        assert_eq!(out, expected.concat());
        assert_eq!(attribute(&captions, 0), ",CLOSED-CAPTIONS=\"cc\"");
        assert_eq!(attribute(&captions, 1), "");
        assert_eq!(attribute(&OfferedCaptions::default(), 0), ",CLOSED-CAPTIONS=NONE");
        assert!(need_services(&captions) && !need_services(&OfferedCaptions::default()));
    }
}
