//! A part of a title: its manifest from one moment to another, over the very same segments.
//!
//! A clip is cut where all renditions with pictures begin a segment (those with sound where there
//! are none), so that players can switch in it as in the whole; sound is cut beside it, at the whole
//! frame nearest to the pictures, as everywhere.
//!
//! - **Inwards**, the default: what is shown lies within what was asked for. Every player shows
//!   exactly the same, as long as it plays from start to end.
//! - **Exactly** (`precise`): cut outwards, and what was asked for is signalled. Playlists name the
//!   point to start at (`EXT-X-START` with `PRECISE=YES`, RFC 8216 4.3.5.2) and have no word for
//!   where to stop, so they run on to the end of the last segment. An MPD's period begins and ends
//!   at the exact points: segments that reach over them are listed whole, and clients show of them
//!   what is inside the period (ISO/IEC 23009-1:2022 7.2.1, by way of `presentationTimeOffset`).
//!
//! Media sequence numbers are those of the whole, because they are the IVs of AES-128.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::remeasure::{longest_segment, measure_rendition, offer_what_is_left};
use super::{Packaging, TextForm, trick};
use crate::model::manifest::{
    AdaptationSet, Clip, Manifest, ManifestPeriod, ManifestRendition, RenditionId, RenditionKind,
    RenditionProtection,
};
use crate::model::policy::Container;
use crate::model::session::StartPoint;
use crate::time::{Ticks, Timescale};

/// Times this close together are the same: callers get them from manifests, which round.
const TOLERANCE: i64 = 90;

/// What is to be shown of a title, [`Timescale::MPEG`] ticks from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClipRequest {
    /// Where it begins; the start of the title if absent.
    pub start: Option<Ticks>,
    /// Where it ends; the end of the title if absent.
    pub end: Option<Ticks>,
    /// Whether these points are signalled exactly; else the clip is cut inwards to segments.
    pub precise: bool,
}

/// Why there is no such clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClipError {
    /// It would begin or end where there is nothing any more.
    #[error("lies beyond the end; the title lasts {} s", .0.seconds(Timescale::MPEG, 3))]
    BeyondEnd(Ticks),
    /// It ends before it begins.
    #[error("must be before end")]
    Backwards,
    /// Nothing whole lies inside.
    #[error(
        "leaves no whole segment before end; widen the clip, or ask for the exact points with \
         precise=true"
    )]
    NoSegment,
}

impl ClipError {
    /// The parameter that is to blame, where only one of both can be.
    pub const fn field(self, request: &ClipRequest) -> &'static str {
        match (self, request.start) {
            (Self::BeyondEnd(duration), Some(start)) if start.0 < duration.0 => "end",
            (Self::BeyondEnd(_), None) => "end",
            _ => "start",
        }
    }
}

/// Where a clip is cut, [`Timescale::MPEG`] ticks from the start of the title.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cut {
    /// The start of the first segment of pictures.
    pub from: Ticks,
    /// The end of the last.
    pub to: Ticks,
    /// Where exactly the clip begins and ends, if that was asked for: from the one to the other
    /// inside what is cut.
    pub exact: Option<(Ticks, Ticks)>,
}

impl Cut {
    /// A cut at segments.
    pub const fn at(from: Ticks, to: Ticks) -> Self {
        Self { from, to, exact: None }
    }

    /// The folder of its media playlists below those of the whole.
    pub fn folder(&self) -> String {
        format!("clip-{}-{}", self.from.0, self.to.0)
    }
}

/// Where a clip of a manifest is to be cut.
pub fn cut(manifest: &Manifest, request: &ClipRequest) -> Result<Cut, ClipError> {
    let beyond = |time: &Ticks| time.0 > manifest.duration.0.saturating_add(TOLERANCE);
    let start = request.start.unwrap_or_default();
    let end = request.end.unwrap_or(manifest.duration);
    if [request.start, request.end].iter().flatten().any(beyond) || start >= manifest.duration {
        return Err(ClipError::BeyondEnd(manifest.duration));
    }
    if start >= end {
        return Err(ClipError::Backwards);
    }
    let bounds = bounds(manifest);
    let mut cuts = bounds.iter().copied();
    let near = Ticks(TOLERANCE);
    let (from, to) = if request.precise {
        let to = cuts.clone().find(|cut| cut.plus(near) >= end);
        (cuts.rfind(|cut| *cut <= start.plus(near)), to)
    } else {
        let to = cuts.clone().rfind(|cut| *cut <= end.plus(near));
        (cuts.find(|cut| cut.plus(near) >= start), to)
    };
    let (Some(from), Some(to)) = (from, to) else { return Err(ClipError::NoSegment) };
    if from >= to {
        return Err(ClipError::NoSegment);
    }
    let exact = request.precise.then_some((start.max(from), end.min(to)));
    Ok(Cut { from, to, exact })
}

/// Whether some rendition begins or ends a segment there.
fn is_bound(manifest: &Manifest, time: Ticks) -> bool {
    let has_pictures = has_pictures(manifest);
    manifest.periods.iter().any(|period| {
        leads(period, has_pictures).any(|lead| own_bounds(period, lead).contains(&time))
    })
}

/// Where a clip may begin or end: where all leading renditions have a boundary, in order.
fn bounds(manifest: &Manifest) -> Vec<Ticks> {
    let has_pictures = has_pictures(manifest);
    let mut bounds = Vec::new();
    for period in &manifest.periods {
        let mut lists = leads(period, has_pictures).map(|lead| own_bounds(period, lead));
        let Some(mut shared) = lists.next() else { continue };
        for list in lists {
            shared.retain(|time| {
                let near = list.partition_point(|other| other.plus(Ticks(TOLERANCE)) < *time);
                list.get(near).is_some_and(|other| other.minus(*time).0 <= TOLERANCE)
            });
        }
        bounds.extend(shared);
    }
    bounds.dedup();
    bounds
}

fn has_pictures(manifest: &Manifest) -> bool {
    manifest.periods.iter().any(|period| leads(period, true).next().is_some())
}

/// The renditions of a period whose boundaries count: those with pictures, or all.
fn leads(period: &ManifestPeriod, with_pictures: bool) -> impl Iterator<Item = &ManifestRendition> {
    let sets = period.sets.iter().filter(move |set| match set.kind {
        RenditionKind::Video | RenditionKind::Muxed => true,
        RenditionKind::Audio => !with_pictures,
        RenditionKind::Trick | RenditionKind::Text => false,
    });
    sets.flat_map(|set| &set.renditions)
}

/// Start and end of the period, and where segments of the rendition begin in between.
fn own_bounds(period: &ManifestPeriod, rendition: &ManifestRendition) -> Vec<Ticks> {
    let (start, end) = (period.start, period.start.plus(period.duration));
    let segments = rendition.segments.iter().skip(1);
    let inner = segments.map(|segment| shown_at(period, rendition, segment.time));
    let inner = inner.filter(|time| *time > start && *time < end);
    [start].into_iter().chain(inner).chain([end]).collect()
}

/// When something on the segments' timeline is shown, from the start of the title.
fn shown_at(period: &ManifestPeriod, rendition: &ManifestRendition, time: Ticks) -> Ticks {
    let into_period = time.minus(rendition.presentation_time_offset);
    into_period.rescale(rendition.timescale, Timescale::MPEG).plus(period.start)
}

impl Packaging {
    /// The entry manifest of a clip.
    pub fn clipped(&self, manifest: &Manifest, cut: &Cut) -> Manifest {
        let container = self.package_type.container();
        let mut clipped = match self.text_form {
            TextForm::Whole => {
                cut_out(&without_late_texts(manifest, cut), cut, self.origin(), container)
            }
            TextForm::Files | TextForm::Fragments => {
                cut_out(manifest, cut, self.origin(), container)
            }
        };
        clipped.playlist_directory = format!("{}/{}", manifest.playlist_directory, cut.folder());
        clipped
    }

    /// What media playlists of a clip show: as [`Packaging::clipped`], for a place one folder below
    /// those of the whole. `None` where no clip is cut like that.
    pub fn clipped_for_playlists(&self, manifest: &Manifest, cut: &Cut) -> Option<Manifest> {
        if cut.from >= cut.to || ![cut.from, cut.to].iter().all(|time| is_bound(manifest, *time)) {
            return None;
        }
        let mut clipped = cut_out(manifest, cut, self.origin(), self.package_type.container());
        let sets = clipped.periods.iter_mut().flat_map(|period| &mut period.sets);
        for rendition in sets.flat_map(|set| &mut set.renditions) {
            rendition.directory.insert_str(0, "../");
        }
        Some(clipped)
    }

    /// When the title starts on the segments' timeline, [`Timescale::MPEG`] ticks.
    fn origin(&self) -> Ticks {
        self.presentation.periods.first().map_or(Ticks::ZERO, |first| first.start)
    }
}

/// A manifest without text files that count from the start of a period which a cut takes away.
fn without_late_texts(manifest: &Manifest, cut: &Cut) -> Manifest {
    let (from, _) = cut.exact.unwrap_or((cut.from, cut.to));
    let mut left = manifest.clone();
    for period in left.periods.iter_mut().filter(|period| period.start < from) {
        let texts = period.sets.iter_mut().filter(|set| set.kind == RenditionKind::Text);
        texts.for_each(|set| set.renditions.clear());
    }
    left
}

/// The part of a manifest. `origin` is the time on the segments' timeline at which the title starts,
/// [`Timescale::MPEG`] ticks.
fn cut_out(manifest: &Manifest, cut: &Cut, origin: Ticks, container: Container) -> Manifest {
    let (shown_from, shown_to) = cut.exact.unwrap_or((cut.from, cut.to));
    let mut first_numbers = BTreeMap::new();
    let mut periods: Vec<ManifestPeriod> = Vec::new();
    for (index, period) in manifest.periods.iter().enumerate() {
        let end = period.start.plus(period.duration);
        let (from, to) = (period.start.max(cut.from), end.min(cut.to));
        let (starts, ends) = (period.start.max(shown_from), end.min(shown_to));
        if from >= to || starts >= ends {
            continue;
        }
        let window = Window {
            from: (from > period.start).then_some(from),
            to: (to < end).then_some(to),
            offset: origin.plus(starts),
        };
        if periods.is_empty() {
            first_numbers = numbers_at(manifest, index, &window);
        }
        let mut sets: Vec<AdaptationSet> = Vec::with_capacity(period.sets.len());
        for set in &period.sets {
            let renditions: Vec<ManifestRendition> = set
                .renditions
                .iter()
                .filter_map(|rendition| window.rendition(period, rendition))
                .collect();
            let before = periods.last().and_then(|before| before.sets.get(sets.len()));
            let continues = set.continues
                && before.is_some_and(|before| ids(&before.renditions).eq(ids(&renditions)));
            sets.push(AdaptationSet { continues, renditions, ..set.clone() });
        }
        trick::keep_beside_pictures(&mut sets);
        let is_there: Vec<bool> = sets.iter().map(|set| !set.renditions.is_empty()).collect();
        for set in &mut sets {
            set.switchable_with.retain(|place| is_there.get(*place) == Some(&true));
        }
        let start = starts.minus(shown_from);
        periods.push(ManifestPeriod { start, duration: ends.minus(starts), sets });
    }
    let mut session = manifest.session.clone();
    session.start = start_point(manifest, cut);
    let (first, end) = (origin.plus(shown_from), origin.plus(shown_to));
    let markers = manifest.markers.iter().filter(|marker| marker.overlaps(first, end));
    let mut clipped = Manifest {
        duration: shown_to.minus(shown_from),
        markers: markers.cloned().collect(),
        origin: origin.plus(shown_from),
        longest_segment: longest_segment(&periods),
        periods,
        session,
        clip: Some(Arc::new(Clip { first_numbers })),
        ..manifest.clone()
    };
    offer_what_is_left(&mut clipped, container, |_| true);
    clipped
}

/// Where players are to begin: at the exact start of the clip, or where the source says, if the clip
/// begins with the title and has that.
fn start_point(manifest: &Manifest, cut: &Cut) -> Option<StartPoint> {
    let (start, end) = cut.exact.unwrap_or((cut.from, cut.to));
    let inside = start.minus(cut.from);
    if inside.0 > TOLERANCE {
        return Some(StartPoint { offset: inside, precise: true });
    }
    let declared = manifest.session.start.filter(|_| start.0 <= TOLERANCE)?;
    let offset = match declared.offset {
        before_end if before_end < Ticks::ZERO => {
            manifest.duration.plus(before_end).max(Ticks::ZERO)
        }
        offset => offset,
    };
    (offset < end).then_some(StartPoint { offset, ..declared })
}

fn ids(renditions: &[ManifestRendition]) -> impl Iterator<Item = RenditionId> {
    renditions.iter().map(|rendition| rendition.id)
}

/// For each rendition how many entries its playlist has before what a window shows of a period.
fn numbers_at(manifest: &Manifest, index: usize, window: &Window) -> BTreeMap<RenditionId, u64> {
    let mut numbers = BTreeMap::new();
    let sets = manifest.periods.iter().flat_map(|period| &period.sets);
    for id in sets.flat_map(|set| ids(&set.renditions)) {
        numbers.entry(id).or_insert_with(|| {
            let before = manifest.periods.iter().take(index);
            // A playlist has one entry for a period that the rendition is not in.
            let entries = before.map(|period| period.segments_of(id).unwrap_or(1));
            let period = manifest.periods.get(index);
            let own = period.zip(manifest.rendition(id, index));
            let cut_off = own.map_or(0, |(period, own)| window.kept(period, own).start);
            (entries.sum::<usize>() + cut_off) as u64
        });
    }
    numbers
}

/// What a clip has of a period.
struct Window {
    /// Where segments are cut off before, if they are.
    from: Option<Ticks>,
    /// Where segments are cut off behind, if they are.
    to: Option<Ticks>,
    /// Where what is shown begins, on the segments' timeline, [`Timescale::MPEG`] ticks.
    offset: Ticks,
}

impl Window {
    /// Which segments of a rendition belong to it: those whose middle does, because sound is cut
    /// beside the pictures.
    fn kept(&self, period: &ManifestPeriod, rendition: &ManifestRendition) -> Range<usize> {
        let twice_middle = |index: usize| {
            let segment = rendition.segments.get(index)?;
            let start = shown_at(period, rendition, segment.time);
            let end = shown_at(period, rendition, segment.time.plus(segment.duration));
            Some(start.plus(end))
        };
        let count = rendition.segments.len();
        // Text of a whole period goes with any part of it.
        if count == 1 && rendition.id.kind == RenditionKind::Text {
            return 0..1;
        }
        let behind = |bound: Ticks| {
            let is_before = |index: &usize| {
                twice_middle(*index).is_some_and(|middle| middle < bound.plus(bound))
            };
            (0..count).take_while(is_before).count()
        };
        let first = self.from.map_or(0, behind);
        first..self.to.map_or(count, behind).max(first)
    }

    fn rendition(
        &self,
        period: &ManifestPeriod,
        rendition: &ManifestRendition,
    ) -> Option<ManifestRendition> {
        let kept = self.kept(period, rendition);
        let segments = rendition.segments.get(kept.clone()).filter(|kept| !kept.is_empty())?;
        let protection = rendition.protection.as_ref().map(|protection| {
            if kept.start == 0 {
                return protection.clone();
            }
            Arc::new(RenditionProtection {
                clear_segments: protection.clear_segments.saturating_sub(kept.start),
                first_number: protection.first_number + kept.start as u64,
                ..RenditionProtection::clone(protection)
            })
        });
        let mut left = ManifestRendition {
            presentation_time_offset: self.offset.rescale(Timescale::MPEG, rendition.timescale),
            segments_before: rendition.segments_before + kept.start,
            constant_duration: None,
            segments: Arc::from(segments),
            protection,
            ..rendition.clone()
        };
        measure_rendition(&mut left);
        Some(left)
    }
}

#[cfg(test)]
mod tests;
