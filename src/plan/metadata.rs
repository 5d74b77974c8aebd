//! Which ID3 tags a segment carries, and how much larger it is for them.
//!
//! Tags go with the pictures: into renditions that have some, and into variants of sound
//! alone. Every tag of a period is in exactly one segment of it.

use std::ops::Range;

use crate::model::manifest::{RenditionId, RenditionKind};
use crate::model::policy::Container;
use crate::model::presentation::{Medium, Presentation, Track};
use crate::model::timed_metadata::TimedMetadata;
use crate::time::{Ticks, Timescale};

/// The tags of a rendition's stream, in order; none where another rendition carries them.
pub(super) fn carried(presentation: &Presentation, rendition: RenditionId) -> &[TimedMetadata] {
    let stream = presentation.streams.get(rendition.stream).filter(|stream| {
        let is_sound_alone = stream.role.is_variant && !stream.has(Medium::Video);
        match rendition.kind {
            RenditionKind::Audio => is_sound_alone,
            RenditionKind::Video | RenditionKind::Muxed => true,
            RenditionKind::Trick | RenditionKind::Text => false,
        }
    });
    stream.map_or(&[], |stream| &stream.metadata)
}

/// The places, among `tags`, of those in the segment over some groups of the lead track. What comes
/// before the first group or behind the last goes with that.
pub(super) fn of_segment(
    tags: &[TimedMetadata],
    period: usize,
    lead: &Track,
    groups: &Range<usize>,
) -> Range<usize> {
    let mpeg = |time: Ticks| time.rescale(lead.timescale, Timescale::MPEG);
    let before = |time: Option<Ticks>| {
        tags.partition_point(|tag| {
            let of_tag = tag.period as usize;
            of_tag < period || of_tag == period && time.is_none_or(|time| tag.time < time)
        })
    };
    let group_time = |group: usize| lead.groups.times().get(group).copied().map(mpeg);
    let start = match group_time(groups.start) {
        Some(time) if groups.start > 0 => before(Some(time)),
        _ => tags.partition_point(|tag| (tag.period as usize) < period),
    };
    let end = before(group_time(groups.end));
    start..end.max(start)
}

/// What the tags of a segment add to its bytes.
pub(super) fn bytes(tags: &[TimedMetadata], container: Container) -> u64 {
    let each = tags.iter().map(|tag| match container {
        Container::Cmaf => tag.event_bytes(),
        Container::MpegTs => {
            tag.transport_packets() * crate::model::sample::transport::PACKET_BYTES
        }
    });
    each.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::codec::{CodecConfig, MpegAudioConfig, StreamSyntax};
    use crate::model::presentation::Group;
    use proptest::prelude::*;

    /// A track of sound whose groups begin at these times, 48 kHz.
    fn track(times: &[i64]) -> Track {
        let group = |time: &i64| Group { time: Ticks(*time), ..Group::default() };
        Track {
            pid: 1,
            syntax: StreamSyntax::MpegAudio,
            codec: CodecConfig::MpegAudio(MpegAudioConfig {
                layer: 2,
                is_mpeg1: true,
                sampling_frequency: 48_000,
                channels: 2,
            }),
            timescale: Timescale::new(48_000).unwrap(),
            sample_duration: 1,
            clock_offset: Ticks::ZERO,
            transport_delay: 0,
            groups: times.iter().map(group).collect(),
            end: Ticks(1_000_000),
        }
    }

    proptest! {
        #[test]
        fn each_tag_of_a_period_is_in_one_segment(
            mut times in proptest::collection::vec((0_u32..3, -50_000_i64..2_000_000), 0..40),
            mut groups in proptest::collection::btree_set(0_i64..1_000_000, 1..20),
            every in 1_usize..5,
        ) {
            times.sort_unstable();
            let tags: Vec<TimedMetadata> = times
                .iter()
                .map(|&(period, time)| TimedMetadata { period, time: Ticks(time), payload: Vec::new() })
                .collect();
            groups.insert(0);
            let groups: Vec<i64> = groups.into_iter().collect();
            let lead = track(&groups);
            let starts: Vec<usize> = (0..groups.len()).step_by(every).collect();
            let mut covered = Vec::new();
            for (index, &start) in starts.iter().enumerate() {
                let end = starts.get(index + 1).copied().unwrap_or(groups.len());
                let range = of_segment(&tags, 1, &lead, &(start..end));
                for tag in &tags[range.clone()] {
                    let from = Ticks(groups[start]).rescale(lead.timescale, Timescale::MPEG);
                    prop_assert!(start == 0 || tag.time >= from);
                }
                covered.extend(range);
            }
            let wanted: Vec<usize> =
                (0..tags.len()).filter(|&index| tags[index].period == 1).collect();
            prop_assert_eq!(covered, wanted);
        }
    }
}
