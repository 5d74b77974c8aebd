//! The plan of one media segment: what to read, what to write, how large it will be.

use std::ops::Range;
use std::sync::Arc;

use super::manifest::{
    encrypted_transport_bytes, fragment_layout, payload_bytes, payload_packets, transport_bytes,
};
use super::protection::SegmentProtection;
use super::{Fingerprint, Packaging, metadata, trick};
use crate::model::manifest::{RenditionId, RenditionKind};
use crate::model::policy::Container;
use crate::model::presentation::{Group, Medium, Presentation, SourceSpan, Track, spans_between};
use crate::model::protection::ProtectionScheme;
use crate::model::sample::FragmentLayout;
use crate::model::timed_metadata::TimedMetadata;
use crate::time::Ticks;

/// Everything about a media segment but its payload. Pure data.
#[derive(Clone, Debug)]
pub struct SegmentPlan {
    /// What it is made from.
    pub presentation: Arc<Presentation>,
    /// The directory that it stands in.
    pub fingerprint: Fingerprint,
    /// Whose segment it is.
    pub rendition: RenditionId,
    /// Index of the period.
    pub period: usize,
    /// The time that names it, in the lead track's timescale.
    pub time: Ticks,
    /// Counts the rendition's segments over all periods, from 1.
    pub number: u64,
    /// How it is wrapped.
    pub container: Container,
    /// Its tracks: the pictures first, if it has some.
    pub parts: Vec<TrackPart>,
    /// For trick play: a track that has its one picture and nothing else.
    pub still: Option<Arc<Track>>,
    /// Its ID3 tags: places among those of the rendition, in order of time.
    pub tags: Range<usize>,
    /// How it is encrypted; `None` where it is clear.
    pub protection: Option<SegmentProtection>,
    /// Exact size; with SAMPLE-AES, which grows where encrypted bytes look like start codes, what
    /// is to be expected.
    pub bytes: u64,
}

/// The tracks that renditions of a kind have, the lead first where it is there.
pub(super) const fn media_of(kind: RenditionKind) -> &'static [Medium] {
    match kind {
        RenditionKind::Video | RenditionKind::Trick => &[Medium::Video],
        RenditionKind::Audio => &[Medium::Audio],
        RenditionKind::Muxed => &[Medium::Video, Medium::Audio],
        RenditionKind::Text => &[],
    }
}

/// What a segment takes of one track.
#[derive(Clone, Debug)]
pub struct TrackPart {
    /// Pictures or sound.
    pub medium: Medium,
    /// Which of the track's groups.
    pub groups: Range<usize>,
    /// The same.
    pub taken: Vec<Group>,
    /// Fields of the fragment that holds them.
    pub layout: FragmentLayout,
    /// Packets with payload that all segments before take of this track in a transport stream.
    pub packets_before: u64,
}

impl SegmentPlan {
    pub(super) fn new(
        packaging: &Packaging,
        rendition: RenditionId,
        period: usize,
        time: Ticks,
    ) -> Option<Self> {
        if rendition.kind == RenditionKind::Trick {
            return trick::segment(packaging, rendition, period, time);
        }
        let presentation = packaging.presentation.clone();
        let container = packaging.package_type.container();
        let listed = packaging.names(rendition, period)?.binary_search(&time).ok()?;
        let encryption = packaging.rendition_protection(rendition, period);
        let stream = rendition.stream;
        let mut tracks = media_of(rendition.kind)
            .iter()
            .filter_map(|&medium| Some((medium, presentation.track(stream, period, medium)?)));
        let (lead_medium, lead) = tracks.next()?;
        let segmentation = &packaging.segmentation;
        // Segments without samples are not listed, so the place in the list may differ.
        let first_group = lead.groups.times().binary_search(&time).ok()?;
        let segment = segmentation.segment_of(lead, period, stream, first_group);
        let part = |medium, track: &Track| {
            let groups = segmentation.group_range(track, period, stream, segment);
            let taken = track.groups.part(groups.clone())?.into_owned();
            let layout = fragment_layout(track, &taken, encryption.as_deref(), listed);
            // Fragments count no packets.
            let packets_before = match container {
                Container::Cmaf => 0,
                Container::MpegTs => {
                    packets_before(&presentation, stream, period, medium, lead_medium, groups.start)
                }
            };
            Some(TrackPart { medium, groups, taken, layout, packets_before })
        };
        let mut parts = vec![part(lead_medium, lead)?];
        for (medium, track) in tracks {
            parts.push(part(medium, track)?);
        }
        let tags = metadata::of_segment(
            metadata::carried(&presentation, rendition),
            period,
            lead,
            &segmentation.group_range(lead, period, stream, segment),
        );
        let segments_before: usize = (0..period)
            .filter_map(|period| packaging.names(rendition, period))
            .map(<[Ticks]>::len)
            .sum();
        let protection = match &encryption {
            Some(entry) if listed >= entry.clear_segments => {
                let protection = packaging.protection.as_ref()?;
                let key = &protection.key_for(lead)?.key;
                let track = (stream, period, lead_medium);
                let numbered = entry.numbered_iv(listed);
                Some(protection.of_segment(key, track, lead, first_group, numbered)?)
            }
            _ => None,
        };
        let mut plan = Self {
            fingerprint: packaging.segments.clone(),
            rendition,
            period,
            time,
            number: (segments_before + listed) as u64 + 1,
            container,
            parts,
            still: None,
            tags,
            protection,
            bytes: 0,
            presentation,
        };
        plan.bytes = plan.planned_bytes();
        Some(plan)
    }

    /// Names the segment in caches and as entity tag.
    pub fn key(&self) -> String {
        format!("{}/{}/{}/{}", self.fingerprint, self.rendition, self.period, self.time.0)
    }

    /// The type that an HTTP answer declares.
    pub fn content_type(&self) -> &'static str {
        match (self.container, self.rendition.kind) {
            (Container::MpegTs, _) => "video/mp2t",
            (Container::Cmaf, RenditionKind::Audio) => "audio/mp4",
            (Container::Cmaf, _) => "video/mp4",
        }
    }

    /// A part's track.
    pub fn track(&self, part: &TrackPart) -> Option<&Track> {
        let of_period = || self.presentation.track(self.rendition.stream, self.period, part.medium);
        self.still.as_deref().or_else(of_period)
    }

    /// A part's groups.
    pub fn groups<'a>(&self, part: &'a TrackPart) -> &'a [Group] {
        &part.taken
    }

    /// When a part ends: where the next segment's first sample begins.
    pub fn end(&self, part: &TrackPart) -> Ticks {
        let last = part.groups.end.checked_sub(1);
        self.track(part).zip(last).map_or(self.time, |(track, last)| track.group_end(last))
    }

    /// The source bytes that a part lies in.
    pub fn spans(&self, part: &TrackPart) -> Vec<SourceSpan> {
        let groups = self.groups(part);
        let (Some(first), Some(last)) = (groups.first(), groups.last()) else { return Vec::new() };
        let stream = self.presentation.streams.get(self.rendition.stream);
        stream.map_or_else(Vec::new, |stream| spans_between(&stream.objects, first.start, last.end))
    }

    /// The segment's ID3 tags.
    pub fn tags(&self) -> &[TimedMetadata] {
        self.all_tags().get(self.tags.clone()).unwrap_or_default()
    }

    /// The tags of all segments of the rendition.
    pub fn all_tags(&self) -> &[TimedMetadata] {
        metadata::carried(&self.presentation, self.rendition)
    }

    /// Packets that the tags of all segments before take in a transport stream.
    pub fn tag_packets_before(&self) -> u64 {
        let before = self.all_tags().get(..self.tags.start).unwrap_or_default();
        before.iter().map(TimedMetadata::transport_packets).sum()
    }

    fn planned_bytes(&self) -> u64 {
        let tags = metadata::bytes(self.tags(), self.container);
        let mut groups = self.parts.iter().map(|part| self.groups(part));
        let (lead, audio) = (groups.next().unwrap_or_default(), groups.next().unwrap_or_default());
        match (self.container, self.parts.first()) {
            (Container::Cmaf, Some(part)) => {
                part.layout.header_bytes() + tags + payload_bytes(lead)
            }
            _ => {
                let clear = transport_bytes(lead, audio) + tags;
                match &self.protection {
                    Some(SegmentProtection::Aes128 { .. }) => {
                        encrypted_transport_bytes(ProtectionScheme::HlsAes128, clear)
                    }
                    Some(SegmentProtection::SampleAes { .. }) => {
                        encrypted_transport_bytes(ProtectionScheme::HlsSampleAes, clear)
                    }
                    _ => clear,
                }
            }
        }
    }

    /// The size that the segment is sure to have, where that is known before it is made.
    pub fn known_bytes(&self) -> Option<u64> {
        let grows = matches!(self.protection, Some(SegmentProtection::SampleAes { .. }));
        (!grows).then_some(self.bytes)
    }
}

fn packets_before(
    presentation: &Presentation,
    stream: usize,
    period: usize,
    medium: Medium,
    lead: Medium,
    group: usize,
) -> u64 {
    let track = |period| presentation.track(stream, period, medium);
    let earlier: u64 =
        (0..period).filter_map(track).map(|t| payload_packets(t.groups.sums(), medium, lead)).sum();
    earlier + track(period).map_or(0, |t| payload_packets(t.groups.before(group), medium, lead))
}
