//! AdaptationSets of text (ISO/IEC 23009-1:2022 5.3.3; DASH-IF IOP 4.3 6.4.4): fragments of a `wvtt`
//! or `stpp` track, or one WebVTT or TTML file for a period, which counts from its start and has no
//! `presentationTimeOffset`.

use std::io;

use quick_xml::Writer;
use quick_xml::events::BytesText;

use super::purpose::ROLE_SCHEME;
use super::template::{Addressing, write_template};
use super::{CONTINUITY_SCHEME, write_descriptor};
use crate::model::description::Description;
use crate::model::manifest::{AdaptationSet, ManifestRendition, PERIOD_TEXT_STEM};
use crate::model::text::TextFormat;

/// What is said, for those who do not hear it.
const TRANSCRIBES: &str = "public.accessibility.transcribes-spoken-dialog";
/// And what else can be heard.
const DESCRIBES_SOUND: &str = "public.accessibility.describes-music-and-sound";
/// Words that are easy to follow.
const EASY_TO_READ: &str = "public.easy-to-read";

/// Writes the set of one text in a period.
pub(super) fn write_text_set(
    writer: &mut Writer<Vec<u8>>,
    period: usize,
    set: &AdaptationSet,
) -> io::Result<()> {
    let Some(rendition) = set.renditions.first() else { return Ok(()) };
    let format = rendition.text.unwrap_or(TextFormat::WebVtt);
    let words = rendition.description.as_deref();
    let language = words.and_then(|words| words.language.as_deref()).unwrap_or("und");
    let id = set.number.to_string();
    let mut element = writer
        .create_element("AdaptationSet")
        .with_attribute(("id", id.as_str()))
        .with_attribute(("contentType", "text"));
    element = match rendition.init {
        Some(_) => element
            .with_attribute(("mimeType", "application/mp4"))
            .with_attribute(("codecs", format.codecs()))
            .with_attribute(("startWithSAP", "1"))
            .with_attribute(("segmentAlignment", "true")),
        None => element.with_attribute(("mimeType", format.file_type())),
    };
    element.with_attribute(("lang", language)).write_inner_content(|writer| {
        if set.continues && period > 0 && rendition.init.is_some() {
            let before = (period - 1).to_string();
            write_descriptor(writer, "SupplementalProperty", CONTINUITY_SCHEME, &before)?;
        }
        if let Some(words) = words {
            let name = BytesText::new(&words.name);
            writer.create_element("Label").write_text_content(name)?;
        }
        for role in roles(words) {
            write_descriptor(writer, "Role", ROLE_SCHEME, role)?;
        }
        if rendition.init.is_some() {
            write_template(writer, rendition, Addressing::Time)?;
        }
        write_representation(writer, rendition)
    })?;
    Ok(())
}

fn write_representation(
    writer: &mut Writer<Vec<u8>>,
    rendition: &ManifestRendition,
) -> io::Result<()> {
    let element = writer
        .create_element("Representation")
        .with_attribute(("id", rendition.id.to_string().as_str()))
        .with_attribute(("bandwidth", rendition.peak_bandwidth.max(1).to_string().as_str()));
    match (rendition.init, rendition.segments.first()) {
        (None, Some(_)) => {
            let url = format!("{}/{PERIOD_TEXT_STEM}.{}", rendition.directory, rendition.extension);
            element.write_inner_content(|writer| {
                writer.create_element("BaseURL").write_text_content(BytesText::new(&url))?;
                Ok(())
            })?;
        }
        _ => {
            element.write_empty()?;
        }
    }
    Ok(())
}

/// `urn:mpeg:dash:role:2011` (ISO/IEC 23009-1:2022 5.8.5.5).
fn roles(words: Option<&Description>) -> Vec<&'static str> {
    let Some(words) = words else { return vec!["subtitle"] };
    let what = if words.is_forced {
        "forced-subtitle"
    } else if words.has(TRANSCRIBES) && words.has(DESCRIBES_SOUND) {
        "caption"
    } else {
        "subtitle"
    };
    let more = [(words.is_default, "main"), (words.has(EASY_TO_READ), "easyreader")];
    let more = more.into_iter().filter(|(is_so, _)| *is_so).map(|(_, role)| role);
    std::iter::once(what).chain(more).collect()
}
