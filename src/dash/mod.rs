//! A resolved manifest → MPD (ISO/IEC 23009-1:2022, DASH-IF IOP 4.3, ISO/IEC 23000-19:2024).
//!
//! Static presentations with `SegmentTemplate` and `SegmentTimeline`; `$Time$` is the decoding time
//! that the segment's `tfdt` holds. Times of all periods lie on one timeline, so each template has
//! a `presentationTimeOffset`, and periods whose codecs agree are signalled as continuous
//! (ISO/IEC 23009-1:2022 5.3.2.4).
//!
//! XML is quick-xml's work. Decides nothing.

mod attribute;
mod captions;
mod events;
mod protection;
mod purpose;
mod template;
mod text;

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, Event};

use self::attribute::{SharedAttributes, with_largest_picture};
use self::events::write_events;
use self::protection::{NAMESPACES, is_protected, write_protection};
use self::purpose::write_purpose;
use self::template::{Addressing, same_timeline, write_template};
use self::text::write_text_set;
use crate::model::codec::{CodecConfig, Eac3Config, VideoRange};
use crate::model::manifest::{
    AdaptationSet, Manifest, ManifestPeriod, ManifestRendition, RenditionKind,
};
use crate::model::mpd::MpdProfile;
use crate::model::timed_metadata::{ID3_SCHEME, ID3_VALUE};
use crate::time::{Ticks, Timescale};

/// SCTE 214-1 2022 6.4: what `SUPPLEMENTAL-CODECS` is in HLS.
const SCTE_NAMESPACE: &str = "urn:scte:dash:scte214-extensions";
/// ETSI TS 103 285 4.1.
const DVB_PROFILE: &str = "urn:dvb:dash:profile:dvb-dash:2014";
const NAMESPACE: &str = "urn:mpeg:dash:schema:mpd:2011";
const PROFILES: &str = "urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019";
/// ETSI TS 102 366 V1.4.1 I.1.2.1.
const DOLBY_CHANNEL_SCHEME: &str = "tag:dolby.com,2014:dash:audio_channel_configuration:2011";
const CHANNEL_SCHEME: &str = "urn:mpeg:mpegB:cicp:ChannelConfiguration";
const CONTINUITY_SCHEME: &str = "urn:mpeg:dash:period-continuity:2015";
const SWITCHING_SCHEME: &str = "urn:mpeg:dash:adaptation-set-switching:2016";
/// DASH-IF IOP 4.3, 3.2.9.
const TRICK_SCHEME: &str = "http://dashif.org/guidelines/trickmode";

/// The MPD.
pub fn mpd(manifest: &Manifest) -> io::Result<String> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 1);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let duration = iso_duration(manifest.duration);
    let mut element = writer.create_element("MPD").with_attribute(("xmlns", NAMESPACE));
    if is_protected(manifest) {
        element = element.with_attributes(NAMESPACES);
    }
    if !manifest.session.supplemental.is_empty() {
        element = element.with_attribute(("xmlns:scte214", SCTE_NAMESPACE));
    }
    element
        .with_attribute(("profiles", profiles(manifest.mpd.profile).as_str()))
        .with_attribute(("type", "static"))
        .with_attribute(("mediaPresentationDuration", duration.as_str()))
        .with_attribute(("maxSegmentDuration", iso_duration(manifest.longest_segment).as_str()))
        .with_attribute(("minBufferTime", iso_duration(min_buffer_time(manifest)).as_str()))
        .write_inner_content(|writer| {
            for (index, period) in manifest.periods.iter().enumerate() {
                write_period(writer, index, period, manifest)?;
            }
            Ok(())
        })?;
    let mut bytes = writer.into_inner();
    bytes.push(b'\n');
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// What the MPD says that it keeps to.
fn profiles(profile: MpdProfile) -> String {
    match profile {
        MpdProfile::Cmaf => PROFILES.to_owned(),
        MpdProfile::DvbDash => format!("{PROFILES},{DVB_PROFILE}"),
    }
}

fn min_buffer_time(manifest: &Manifest) -> Ticks {
    let stated = manifest.mpd.min_buffer_seconds;
    stated.map_or(manifest.longest_segment, |seconds| {
        Ticks(i64::from(seconds) * i64::from(Timescale::MPEG.hertz()))
    })
}

fn write_period(
    writer: &mut Writer<Vec<u8>>,
    index: usize,
    period: &ManifestPeriod,
    manifest: &Manifest,
) -> io::Result<()> {
    writer
        .create_element("Period")
        .with_attribute(("id", index.to_string().as_str()))
        .with_attribute(("start", iso_duration(period.start).as_str()))
        .with_attribute(("duration", iso_duration(period.duration).as_str()))
        .write_inner_content(|writer| {
            write_events(writer, manifest, index)?;
            let is_shown = |set: &&AdaptationSet| !set.is_hidden && !set.renditions.is_empty();
            for set in period.sets.iter().filter(is_shown) {
                write_set(writer, index, period, set, manifest)?;
            }
            Ok(())
        })?;
    Ok(())
}

fn write_set(
    writer: &mut Writer<Vec<u8>>,
    index: usize,
    period: &ManifestPeriod,
    set: &AdaptationSet,
    manifest: &Manifest,
) -> io::Result<()> {
    let (content_type, mime_type) = match set.kind {
        RenditionKind::Text => return write_text_set(writer, index, set),
        RenditionKind::Audio => ("audio", "audio/mp4"),
        RenditionKind::Video | RenditionKind::Muxed | RenditionKind::Trick => {
            ("video", "video/mp4")
        }
    };
    let access_type =
        set.renditions.iter().map(|rendition| rendition.access_type).max().unwrap_or(1);
    let mut element = writer
        .create_element("AdaptationSet")
        .with_attribute(("id", set.number.to_string().as_str()))
        .with_attribute(("contentType", content_type))
        .with_attribute(("mimeType", mime_type))
        .with_attribute(("startWithSAP", access_type.to_string().as_str()));
    if set.aligned {
        element = element.with_attribute(("segmentAlignment", "true"));
    }
    let description = set.renditions.first().and_then(|first| first.description.as_deref());
    if set.kind == RenditionKind::Audio {
        let language = description.and_then(|words| words.language.as_deref());
        element = element.with_attribute(("lang", language.unwrap_or("und")));
    } else {
        element = with_largest_picture(element, set);
    }
    let common = SharedAttributes::of(set, manifest);
    for (name, value) in common.of_set() {
        element = element.with_attribute((*name, value.as_str()));
    }
    // One template serves the set where all renditions have the same segments.
    let shared = set
        .renditions
        .first()
        .filter(|first| set.renditions.iter().all(|other| same_timeline(first, other)));
    let protection = set.renditions.first().and_then(|first| first.protection.as_deref());
    let addressing = Addressing::of(set, manifest.mpd.addressing);
    element.write_inner_content(|writer| {
        if let Some(protection) = protection {
            write_protection(writer, protection)?;
        }
        let number = |place: &usize| period.sets.get(*place).map(|set| set.number.to_string());
        if let Some(id) = set.trick_of.and_then(|main| number(&main)) {
            write_descriptor(writer, "EssentialProperty", TRICK_SCHEME, &id)?;
        }
        if !set.switchable_with.is_empty() {
            let ids = set.switchable_with.iter().filter_map(number);
            let ids = ids.collect::<Vec<_>>().join(",");
            write_descriptor(writer, "SupplementalProperty", SWITCHING_SCHEME, &ids)?;
        }
        if set.continues && index > 0 {
            write_descriptor(
                writer,
                "SupplementalProperty",
                CONTINUITY_SCHEME,
                &(index - 1).to_string(),
            )?;
        }
        if set.renditions.iter().any(|rendition| rendition.has_tags) {
            write_descriptor(writer, "InbandEventStream", ID3_SCHEME, ID3_VALUE)?;
        }
        if set.trick_of.is_none() {
            for (scheme, value) in captions::of_set(&manifest.captions, set) {
                write_descriptor(writer, "Accessibility", scheme, &value)?;
            }
            write_purpose(writer, description)?;
        }
        if let Some(first) = shared {
            write_template(writer, first, addressing)?;
        }
        for rendition in &set.renditions {
            let addressing = shared.is_none().then_some(addressing);
            write_representation(writer, rendition, &common, addressing)?;
        }
        Ok(())
    })?;
    Ok(())
}

fn write_representation(
    writer: &mut Writer<Vec<u8>>,
    rendition: &ManifestRendition,
    common: &SharedAttributes<'_>,
    template: Option<Addressing>,
) -> io::Result<()> {
    let mut element = writer
        .create_element("Representation")
        .with_attribute(("id", rendition.id.to_string().as_str()))
        .with_attribute(("bandwidth", rendition.peak_bandwidth.to_string().as_str()));
    for (name, value) in common.of_rendition(rendition) {
        element = element.with_attribute((name, value.as_str()));
    }
    if let Some(rate) = rendition.max_playout_rate {
        // Every picture stands alone.
        element = element
            .with_attribute(("codingDependency", "false"))
            .with_attribute(("maxPlayoutRate", rate.to_string().as_str()));
    }
    let lead = rendition.codecs.first();
    let properties = properties(lead);
    let channels = lead.and_then(channel_description);
    if channels.is_none() && properties.is_empty() && template.is_none() {
        element.write_empty()?;
        return Ok(());
    }
    element.write_inner_content(|writer| {
        if let Some(channels) = &channels {
            let (scheme, value) = channels;
            write_descriptor(writer, "AudioChannelConfiguration", scheme, value)?;
        }
        for (element, scheme, value) in &properties {
            write_descriptor(writer, element, scheme, value)?;
        }
        if let Some(addressing) = template {
            write_template(writer, rendition, addressing)?;
        }
        Ok(())
    })?;
    Ok(())
}

/// What players must or may know of a codec beside its string: the colours of high dynamic range
/// (DASH-IF IOP part 7 4.3), and objects (ETSI TS 103 420, "tag:dolby.com,2018").
fn properties(codec: Option<&CodecConfig>) -> Vec<(&'static str, &'static str, String)> {
    const ESSENTIAL: &str = "EssentialProperty";
    const SUPPLEMENTAL: &str = "SupplementalProperty";
    let picture = codec.and_then(CodecConfig::picture);
    if let Some((picture, colour)) = picture.and_then(|picture| Some((picture, picture.colour?))) {
        let element = match picture.video_range() {
            VideoRange::Sdr => return Vec::new(),
            VideoRange::Pq => ESSENTIAL,
            // Displays without it show an acceptable picture.
            VideoRange::Hlg => SUPPLEMENTAL,
        };
        return [
            ("urn:mpeg:mpegB:cicp:ColourPrimaries", colour.primaries),
            ("urn:mpeg:mpegB:cicp:TransferCharacteristics", colour.transfer),
            ("urn:mpeg:mpegB:cicp:MatrixCoefficients", colour.matrix),
        ]
        .map(|(scheme, value)| (element, scheme, value.to_string()))
        .to_vec();
    }
    match codec {
        Some(CodecConfig::Eac3(Eac3Config { joc_complexity: Some(complexity), .. })) => vec![
            (SUPPLEMENTAL, "tag:dolby.com,2018:dash:EC3_ExtensionType:2018", "JOC".to_owned()),
            (
                SUPPLEMENTAL,
                "tag:dolby.com,2018:dash:EC3_ExtensionComplexityIndex:2018",
                complexity.to_string(),
            ),
        ],
        _ => Vec::new(),
    }
}

/// Which loudspeakers sound plays on: scheme and value; `None` for pictures.
fn channel_description(codec: &CodecConfig) -> Option<(&'static str, String)> {
    let mask = match codec {
        CodecConfig::Ac3(ac3) => Some(ac3.channel_mask()),
        CodecConfig::Eac3(eac3) => Some(eac3.channel_mask()),
        _ => None,
    };
    if let Some(mask) = mask {
        return Some((DOLBY_CHANNEL_SCHEME, format!("{mask:04X}")));
    }
    let sound = codec.sound()?;
    Some((CHANNEL_SCHEME, channel_configuration(sound.channels).to_string()))
}

/// `ChannelConfiguration` of ISO/IEC 23091-3:2018 table 8 for as many channels.
fn channel_configuration(channels: u8) -> u8 {
    match channels {
        7 => 11,
        8 => 12,
        count => count,
    }
}

fn write_descriptor(
    writer: &mut Writer<Vec<u8>>,
    element: &str,
    scheme: &str,
    value: &str,
) -> io::Result<()> {
    writer
        .create_element(element)
        .with_attribute(("schemeIdUri", scheme))
        .with_attribute(("value", value))
        .write_empty()?;
    Ok(())
}

/// `xs:duration` with nine decimal places, which tells all 90 kHz ticks apart.
fn iso_duration(time: Ticks) -> String {
    let seconds = time.seconds(Timescale::MPEG, 9).to_string();
    let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
    format!("PT{seconds}S")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short_and_exact() {
        assert_eq!(iso_duration(Ticks(540_000)), "PT6S");
        assert_eq!(iso_duration(Ticks(900_000)), "PT10S");
        assert_eq!(iso_duration(Ticks(1)), "PT0.000011111S");
        assert_eq!(iso_duration(Ticks(0)), "PT0S");
    }
}
