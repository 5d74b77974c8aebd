//! `SegmentTemplate` and `SegmentTimeline` (ISO/IEC 23009-1:2022 5.3.9.4 and 5.3.9.6): which segments
//! there are, and what they are called.

use std::io;

use quick_xml::Writer;

use crate::model::manifest::{
    AdaptationSet, Healing, ManifestRendition, ManifestSegment, NUMBER_PREFIX, RenditionKind,
    SILENCE_DIRECTORY,
};
use crate::model::mpd::SegmentAddressing;

/// How the segments of one set are addressed: the same way in all of its renditions (DASH-IF IOP
/// part 4 4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Addressing {
    /// By their time.
    Time,
    /// By their number; a timeline has the times.
    Number,
    /// By their number; all last about as long.
    Duration,
}

impl Addressing {
    /// What is wished for, or what comes nearest to it. Trick play and text have no numbers, nor
    /// has silence.
    pub(super) fn of(set: &AdaptationSet, wished: SegmentAddressing) -> Self {
        let segments = || set.renditions.iter().flat_map(|rendition| rendition.segments.iter());
        let is_whole = segments().all(|segment| segment.healing == Healing::None);
        if !matches!(set.kind, RenditionKind::Video | RenditionKind::Audio) || !is_whole {
            return Self::Time;
        }
        let durations = || set.renditions.iter().map(|rendition| rendition.constant_duration);
        match wished {
            SegmentAddressing::TimeWithTimeline => Self::Time,
            SegmentAddressing::NumberWithDuration if durations().all(|d| d.is_some()) => {
                Self::Duration
            }
            SegmentAddressing::NumberWithDuration | SegmentAddressing::NumberWithTimeline => {
                Self::Number
            }
        }
    }
}

/// Whether one template describes both; directories differ by the rendition's ID only.
pub(super) fn same_timeline(a: &ManifestRendition, b: &ManifestRendition) -> bool {
    a.timescale == b.timescale
        && a.presentation_time_offset == b.presentation_time_offset
        && template_directory(a) == template_directory(b)
        && a.segments.len() == b.segments.len()
        && a.segments
            .iter()
            .zip(b.segments.iter())
            .all(|(a, b)| (a.time, a.duration, a.healing) == (b.time, b.duration, b.healing))
}

fn template_directory(rendition: &ManifestRendition) -> String {
    rendition.directory.replacen(&format!("/{}/", rendition.id), "/$RepresentationID$/", 1)
}

/// The template of a rendition, or of all of its set.
pub(super) fn write_template(
    writer: &mut Writer<Vec<u8>>,
    rendition: &ManifestRendition,
    addressing: Addressing,
) -> io::Result<()> {
    let directory = template_directory(rendition);
    // A period has silence of a rendition, or its sound; see `plan::divide`.
    let is_silent = rendition.segments.iter().any(|s| s.healing == Healing::Silence);
    let folder = if is_silent { format!("/{SILENCE_DIRECTORY}") } else { String::new() };
    let name = match addressing {
        Addressing::Time => "$Time$".to_owned(),
        Addressing::Number | Addressing::Duration => format!("{NUMBER_PREFIX}$Number$"),
    };
    let media = format!("{directory}{folder}/{name}.{}", rendition.extension);
    let mut element = writer
        .create_element("SegmentTemplate")
        .with_attribute(("timescale", rendition.timescale.hertz().to_string().as_str()))
        .with_attribute((
            "presentationTimeOffset",
            rendition.presentation_time_offset.0.to_string().as_str(),
        ))
        .with_attribute(("media", media.as_str()));
    if let Some(init) = rendition.init {
        let init = format!("{directory}/{init}");
        element = element.with_attribute(("initialization", init.as_str()));
    }
    if addressing != Addressing::Time {
        let number = (rendition.segments_before + 1).to_string();
        element = element.with_attribute(("startNumber", number.as_str()));
    }
    if let (Addressing::Duration, Some(duration)) = (addressing, rendition.constant_duration) {
        let duration = duration.0.to_string();
        element.with_attribute(("duration", duration.as_str())).write_empty()?;
        return Ok(());
    }
    element.write_inner_content(|writer| {
        writer
            .create_element("SegmentTimeline")
            .write_inner_content(|writer| write_timeline(writer, &rendition.segments))?;
        Ok(())
    })?;
    Ok(())
}

/// `S` elements, none for gaps; runs of equal durations are folded into one.
fn write_timeline(writer: &mut Writer<Vec<u8>>, segments: &[ManifestSegment]) -> io::Result<()> {
    let mut expected = None;
    let there: Vec<ManifestSegment> =
        segments.iter().filter(|segment| segment.healing != Healing::Gap).copied().collect();
    for run in there.chunk_by(|a, b| a.duration == b.duration && a.time.plus(a.duration) == b.time)
    {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        let mut element = writer.create_element("S");
        if expected != Some(first.time) {
            element = element.with_attribute(("t", first.time.0.to_string().as_str()));
        }
        element = element.with_attribute(("d", first.duration.0.to_string().as_str()));
        if run.len() > 1 {
            element = element.with_attribute(("r", (run.len() - 1).to_string().as_str()));
        }
        element.write_empty()?;
        expected = Some(last.time.plus(last.duration));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Ticks;

    #[test]
    fn equal_durations_are_folded_and_gaps_get_a_time() {
        let segment = |time, duration| ManifestSegment {
            time: Ticks(time),
            duration: Ticks(duration),
            bytes: 0,
            healing: Healing::None,
        };
        let mut writer = Writer::new(Vec::new());
        let gap = ManifestSegment { healing: Healing::Gap, ..segment(32, 8) };
        let segments = [segment(5, 10), segment(15, 10), segment(25, 7), gap, segment(40, 7)];
        write_timeline(&mut writer, &segments).unwrap();
        assert_eq!(
            String::from_utf8(writer.into_inner()).unwrap(),
            r#"<S t="5" d="10" r="1"/><S d="7"/><S t="40" d="7"/>"#
        );
    }
}
