//! What a manifest shows when some of its source objects are missing.
//!
//! A segment that needs bytes that are not there becomes a gap; sound in CMAF becomes silence, where
//! its codec has a silent frame. Silence is clear: with `cenc` its own bytes under the sample's IV
//! would tell the key stream of the sound that belongs there. So in an encrypted rendition sound is
//! silent only if its init segment describes clear samples too, and is a gap otherwise.
//!
//! Names and bytes of segments do not change: the plan of a segment does not know of this. Playlists
//! show gaps and silence where they are (RFC 8216bis 4.4.4.7), and pictures of trick play that are
//! missing are gaps of their own; in MPDs no representation may have a
//! gap (DASH-IF restricted timing model 9), so `divide` makes periods without them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::divide::divided;
use super::segment::media_of;
use super::{Packaging, SegmentPlan, trick};
use crate::codec::silence::silent_frame;
use crate::model::manifest::{
    Healing, Manifest, ManifestRendition, ManifestSegment, RenditionId, RenditionKind,
};
use crate::model::policy::{Container, PackageType};
use crate::model::presentation::{Medium, SourcePosition, Track, spans_between};
use crate::time::Ticks;

/// The source objects of a presentation that are missing, or shorter than they were at ingest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MissingObjects(BTreeMap<(usize, u32), u64>);

impl MissingObjects {
    /// Notes that an object of a stream has so many of its bytes only.
    pub fn insert(&mut self, stream: usize, object: u32, available: u64) {
        self.0.insert((stream, object), available);
    }

    /// Whether everything is there.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Stream, object and available bytes of each, in order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, u32, u64)> {
        self.0.iter().map(|(&(stream, object), &available)| (stream, object, available))
    }

    /// Whether some bytes of a range of an object are not there.
    fn lacks(&self, stream: usize, object: u32, bytes: &Range<u64>) -> bool {
        self.0.get(&(stream, object)).is_some_and(|available| bytes.end > *available)
    }
}

/// A manifest that knows what is missing.
#[derive(Clone, Debug)]
pub struct Healed {
    /// What to show.
    pub manifest: Manifest,
    /// Segments that are gaps.
    pub gaps: u64,
    /// Segments that are silent.
    pub silent: u64,
    /// Whether any segment of the leading renditions is left.
    pub is_playable: bool,
}

/// A segment of silence.
#[derive(Clone, Debug)]
pub struct SilencePlan {
    /// The segment that it stands in for, clear, and with the size of the silent one.
    pub segment: SegmentPlan,
    /// What each of its samples holds.
    pub frame: Vec<u8>,
}

impl SilencePlan {
    /// Names it in caches and as entity tag.
    pub fn key(&self) -> String {
        format!("{}/silence", self.segment.key())
    }
}

impl Packaging {
    /// The manifest with what is missing left out or replaced.
    pub fn healed(&self, missing: &MissingObjects) -> Healed {
        let mut manifest = self.manifest().clone();
        let (mut gaps, mut silent, mut is_playable) = (0, 0, false);
        let has_video = manifest.periods.iter().flat_map(|period| &period.sets);
        let is_picture = |kind| matches!(kind, RenditionKind::Video | RenditionKind::Muxed);
        let has_video = has_video.clone().any(|set| is_picture(set.kind));
        for (index, period) in manifest.periods.iter_mut().enumerate() {
            for rendition in period.sets.iter_mut().flat_map(|set| &mut set.renditions) {
                rendition.segments = self.with_healing(rendition, index, missing);
                // What is missing of trick play is missing of its pictures, too.
                if rendition.id.kind == RenditionKind::Trick {
                    continue;
                }
                let count = |wanted| {
                    rendition.segments.iter().filter(|segment| segment.healing == wanted).count()
                };
                gaps += count(Healing::Gap) as u64;
                silent += count(Healing::Silence) as u64;
                let kind = rendition.id.kind;
                let leads = is_picture(kind) || !has_video && kind == RenditionKind::Audio;
                is_playable |= leads && count(Healing::None) > 0;
            }
        }
        if self.package_type == PackageType::Dash {
            let start = self.presentation.periods.first().map_or(Ticks::ZERO, |p| p.start);
            manifest.periods = divided(&manifest.periods, start);
            let last = manifest.periods.last();
            manifest.duration = last.map_or(Ticks::ZERO, |last| last.start.plus(last.duration));
        }
        Healed { manifest, gaps, silent, is_playable }
    }

    fn with_healing(
        &self,
        rendition: &ManifestRendition,
        period: usize,
        missing: &MissingObjects,
    ) -> Arc<[ManifestSegment]> {
        let stream = rendition.id.stream;
        // Text is in the index.
        let is_text = rendition.id.kind == RenditionKind::Text;
        if is_text || missing.iter().all(|(other, ..)| other != stream) {
            return rendition.segments.clone();
        }
        let instead = match self.silent_frame_of(rendition, period) {
            Some(_) => Healing::Silence,
            None => Healing::Gap,
        };
        let id = rendition.id;
        let stills = match id.kind {
            RenditionKind::Trick => self.presentation.track(stream, period, Medium::Video),
            _ => None,
        };
        let stills = stills.map(trick::sources);
        let segments = rendition.segments.iter().map(|segment| {
            let lacks = match &stills {
                Some(stills) => stills
                    .binary_search_by_key(&segment.time, |(time, ..)| *time)
                    .ok()
                    .and_then(|place| stills.get(place))
                    // What is no picture is a gap already.
                    .is_none_or(|&(_, start, end)| self.lacks(stream, start, end, missing)),
                None => self.lacks_source(id, period, segment.time, missing),
            };
            let is_whole = !lacks;
            ManifestSegment { healing: if is_whole { Healing::None } else { instead }, ..*segment }
        });
        segments.collect()
    }

    /// Whether a segment needs bytes that are missing.
    fn lacks_source(
        &self,
        id: RenditionId,
        period: usize,
        time: Ticks,
        missing: &MissingObjects,
    ) -> bool {
        let track = |medium: &Medium| self.presentation.track(id.stream, period, *medium);
        let tracks: Vec<&Track> = media_of(id.kind).iter().filter_map(track).collect();
        let Some(lead) = tracks.first() else { return false };
        let Ok(group) = lead.groups.binary_search_by_key(&time, |group| group.time) else {
            return false;
        };
        let segment = self.segmentation.segment_of(lead, period, id.stream, group);
        tracks.iter().any(|track| {
            let range = self.segmentation.group_range(track, period, id.stream, segment);
            let groups = track.groups.get(range).unwrap_or_default();
            let ends = groups.first().zip(groups.last());
            ends.is_some_and(|(first, last)| self.lacks(id.stream, first.start, last.end, missing))
        })
    }

    /// Whether some bytes between two places of a stream are missing.
    fn lacks(
        &self,
        stream: usize,
        start: SourcePosition,
        end: SourcePosition,
        missing: &MissingObjects,
    ) -> bool {
        let objects = self.presentation.streams.get(stream).map(|stream| &stream.objects);
        spans_between(objects.map_or(&[][..], |objects| objects), start, end)
            .iter()
            .any(|span| missing.lacks(stream, span.object, &span.bytes))
    }

    /// What the samples of silent segments of a rendition hold; `None` where there are none.
    fn silent_frame_of(&self, rendition: &ManifestRendition, period: usize) -> Option<Vec<u8>> {
        let id = rendition.id;
        let is_sound = id.kind == RenditionKind::Audio;
        let may_be_clear =
            rendition.protection.as_ref().is_none_or(|protection| protection.has_clear_entry);
        if !is_sound || !may_be_clear || self.package_type.container() != Container::Cmaf {
            return None;
        }
        silent_frame(&self.presentation.track(id.stream, period, Medium::Audio)?.codec)
    }

    /// The plan of silence as long as a media segment; `None` where no segment has that name, or
    /// none can be silent.
    pub fn silence(
        &self,
        rendition: RenditionId,
        period: usize,
        time: Ticks,
    ) -> Option<SilencePlan> {
        let entry = self.manifest().rendition(rendition, period)?;
        let frame = self.silent_frame_of(entry, period)?;
        let mut segment = self.segment(rendition, period, time)?;
        segment.protection = None;
        let part = segment.parts.first_mut()?;
        part.layout.protection = None;
        part.layout.clear_lead = entry.protection.is_some();
        let payload = u64::from(part.layout.samples) * frame.len() as u64;
        segment.bytes = part.layout.header_bytes() + payload;
        Some(SilencePlan { segment, frame })
    }
}
