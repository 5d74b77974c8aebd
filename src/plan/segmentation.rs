//! Where output segments begin, whatever the source's segments are.
//!
//! A segment begins at the keyframe nearest to each multiple of the wished-for duration, counted
//! from the start of the period; of two that are equally near, at the earlier. Boundaries are taken
//! from the keyframes that all selected streams share. Where these would make less than half as
//! many segments as each stream could have alone, every stream keeps its own, and manifests do not
//! call them aligned. A last segment of less than a quarter of the duration joins its neighbour.
//!
//! A segment begins, too, where a marker says that the program is left or goes on, if a keyframe is
//! there, within half a picture. Multiples are counted anew from there, and a short rest before it
//! joins its neighbour like a last segment.
//!
//! Audio is cut where the pictures of its stream are, at the nearest whole frame.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::model::marker::Marker;
use crate::model::policy::SegmentDuration;
use crate::model::presentation::{Medium, Presentation, Track};
use crate::time::{Ticks, Timescale};

/// Keyframes this close together count as shared: clocks are rounded to a millisecond or so.
const SHARED_TOLERANCE: i64 = 90;

/// Boundaries of all streams in all periods.
#[derive(Clone, Debug)]
pub(super) struct Segmentation {
    presentation: Arc<Presentation>,
    selected: Vec<usize>,
    duration: SegmentDuration,
    periods: Vec<PeriodSegmentation>,
}

/// Boundaries in one period.
#[derive(Clone, Debug)]
pub(super) struct PeriodSegmentation {
    /// Whether they are the same in all selected streams.
    pub aligned: bool,
    /// What they were computed from, for the fingerprint: one list where aligned, else one for
    /// each selected stream.
    pub basis: Vec<Vec<Ticks>>,
    /// By stream of the presentation: where segments but the first begin, 90 kHz; found when first
    /// wanted.
    cuts: Vec<OnceLock<Vec<Ticks>>>,
}

impl Segmentation {
    pub fn new(
        presentation: Arc<Presentation>,
        selected: Vec<usize>,
        duration: SegmentDuration,
    ) -> Self {
        let periods = 0..presentation.periods.len();
        let mut segmentation = Self { presentation, selected, duration, periods: Vec::new() };
        segmentation.periods = periods.map(|period| segmentation.period(period)).collect();
        segmentation
    }

    pub fn periods(&self) -> &[PeriodSegmentation] {
        &self.periods
    }

    /// How many segments a stream has in a period, about.
    pub fn segments_about(&self, period: usize) -> usize {
        let basis = self.periods.get(period).map(|period| &period.basis);
        basis.into_iter().flatten().map(|cuts| cuts.len() + 1).max().unwrap_or(1)
    }

    /// The groups of a track that each segment of its stream takes; ranges may be empty.
    pub fn group_ranges(&self, track: &Track, period: usize, stream: usize) -> Vec<Range<usize>> {
        let cuts = self.cuts(period, stream);
        let mut ranges = Vec::with_capacity(cuts.len() + 1);
        let mut start = 0;
        for cut in cuts {
            let end = walk(track.groups.times(), start, is_before(track, *cut));
            ranges.push(start..end);
            start = end;
        }
        ranges.push(start..track.groups.len());
        ranges
    }

    /// The groups of a track in one segment of its stream.
    pub fn group_range(
        &self,
        track: &Track,
        period: usize,
        stream: usize,
        segment: usize,
    ) -> Range<usize> {
        let cuts = self.cuts(period, stream);
        let start = match segment.checked_sub(1) {
            None => 0,
            Some(before) => first_group_behind(track, cuts.get(before).copied()),
        };
        start..first_group_behind(track, cuts.get(segment).copied())
    }

    /// The segment of its stream that a group of a track falls into.
    pub fn segment_of(&self, track: &Track, period: usize, stream: usize, group: usize) -> usize {
        let cuts = self.cuts(period, stream);
        cuts.partition_point(|cut| first_group_behind(track, Some(*cut)) <= group)
    }

    fn cuts(&self, period: usize, stream: usize) -> &[Ticks] {
        let Some(PeriodSegmentation { aligned, basis, cuts }) = self.periods.get(period) else {
            return &[];
        };
        let find = || {
            let times = random_access_times(&self.presentation, period, stream);
            match basis.first().filter(|_| *aligned) {
                Some(shared) => own_times(shared, &times),
                None => self.grid(period).map_or_else(Vec::new, |grid| grid.cuts(&times)),
            }
        };
        cuts.get(stream).map_or(&[], |cuts| cuts.get_or_init(find))
    }
}

/// The first group that begins at a cut or behind, or less than half a sample before it.
fn first_group_behind(track: &Track, cut: Option<Ticks>) -> usize {
    let Some(cut) = cut else { return track.groups.len() };
    track.groups.times().partition_point(is_before(track, cut))
}

/// Whether a time of a track is half a sample or more before a cut.
fn is_before(track: &Track, cut: Ticks) -> impl Fn(&Ticks) -> bool {
    let cut = cut.rescale(Timescale::MPEG, track.timescale);
    let sample = i64::from(track.sample_duration);
    move |time| 2 * time.0 + sample <= 2 * cut.0
}

/// The place of the first time, from one on, that something no longer holds for.
fn walk(times: &[Ticks], from: usize, holds: impl Fn(&Ticks) -> bool) -> usize {
    let rest = times.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|time| holds(time)).count()
}

impl Segmentation {
    /// The boundaries in a period. Only the selected streams are looked at.
    fn period(&self, period: usize) -> PeriodSegmentation {
        let presentation = &*self.presentation;
        let mut cuts = vec![OnceLock::new(); presentation.streams.len()];
        let Some(grid) = self.grid(period) else {
            return PeriodSegmentation { aligned: true, basis: Vec::new(), cuts };
        };
        let leading = leading_streams(presentation, period, &self.selected);
        let times: Vec<Vec<Ticks>> = leading
            .iter()
            .map(|&stream| random_access_times(presentation, period, stream))
            .collect();
        let shared_times = shared_times(&times);
        let shared = grid.cuts(&shared_times);
        let alone = times.iter().map(|times| match times == &shared_times {
            true => shared.clone(),
            false => grid.cuts(times),
        });
        let alone: Vec<Vec<Ticks>> = alone.collect();
        let possible = alone.iter().map(|cuts| cuts.len() + 1).min().unwrap_or(1);
        let aligned = (shared.len() + 1) * 2 >= possible;
        // Streams that have the shared times spell them as they are.
        for ((stream, times), alone) in leading.iter().zip(&times).zip(&alone) {
            if let Some(cuts) = cuts.get_mut(*stream).filter(|_| !aligned || *times == shared_times)
            {
                *cuts = alone.clone().into();
            }
        }
        let basis = if aligned { vec![shared] } else { alone };
        PeriodSegmentation { aligned, basis, cuts }
    }

    /// What the streams are cut by in a period.
    fn grid(&self, period: usize) -> Option<MarkedGrid> {
        let bounds = self.presentation.periods.get(period)?;
        let grid = Grid {
            start: bounds.start,
            end: bounds.start.plus(bounds.duration),
            step: i64::from(self.duration.seconds()) * i64::from(Timescale::MPEG.hertz()),
        };
        let markers = Markers::of(&self.presentation, period, &self.selected);
        Some(MarkedGrid { grid, markers })
    }
}

/// Multiples of the wished-for duration, and markers.
struct MarkedGrid {
    grid: Grid,
    markers: Markers,
}

impl MarkedGrid {
    /// Where segments but the first begin in a stream with these times.
    fn cuts(&self, times: &[Ticks]) -> Vec<Ticks> {
        self.grid.cuts_beside(times, &self.markers.found_in(times))
    }
}

/// The selected streams whose random access points count: those with video, or all if none has.
fn leading_streams(presentation: &Presentation, period: usize, selected: &[usize]) -> Vec<usize> {
    let has_video = |&&stream: &&usize| presentation.track(stream, period, Medium::Video).is_some();
    let with_video: Vec<usize> = selected.iter().filter(has_video).copied().collect();
    if with_video.is_empty() { selected.to_vec() } else { with_video }
}

/// When the groups of a stream begin, 90 kHz: of its video, or of its audio if it has no video.
fn random_access_times(presentation: &Presentation, period: usize, stream: usize) -> Vec<Ticks> {
    let video = presentation.track(stream, period, Medium::Video);
    let track = video.or_else(|| presentation.track(stream, period, Medium::Audio));
    track.map_or_else(Vec::new, |track| {
        let times = track.groups.random_access_times();
        times.map(|time| time.rescale(track.timescale, Timescale::MPEG)).collect()
    })
}

/// The times of the first list that all others have, too.
fn shared_times(lists: &[Vec<Ticks>]) -> Vec<Ticks> {
    let Some((first, others)) = lists.split_first() else { return Vec::new() };
    if others.iter().all(|other| other == first) {
        return first.clone();
    }
    let is_shared = |time: &&Ticks| {
        others.iter().all(|other| {
            nearest(other, **time)
                .is_some_and(|near| near.minus(**time).0.abs() <= SHARED_TOLERANCE)
        })
    };
    first.iter().filter(is_shared).copied().collect()
}

/// A stream's own spelling of shared times. Times it lacks are kept, for audio to be cut there.
fn own_times(shared: &[Ticks], own: &[Ticks]) -> Vec<Ticks> {
    let spell = |&time: &Ticks| match nearest(own, time) {
        Some(near) if near.minus(time).0.abs() <= SHARED_TOLERANCE => near,
        _ => time,
    };
    shared.iter().map(spell).collect()
}

/// When segments should begin whatever the wished-for duration.
struct Markers {
    /// In order, 90 kHz.
    times: Vec<Ticks>,
    /// How long pictures last, 90 kHz.
    picture: i64,
}

impl Markers {
    fn of(presentation: &Presentation, period: usize, selected: &[usize]) -> Self {
        let mut times: Vec<Ticks> = presentation
            .markers
            .iter()
            .filter(|m| m.is_break())
            .flat_map(Marker::splices)
            .collect();
        times.sort_unstable();
        times.dedup();
        let tracks = selected.iter().filter_map(|&stream| {
            let video = presentation.track(stream, period, Medium::Video);
            video.or_else(|| presentation.track(stream, period, Medium::Audio))
        });
        let pictures = tracks.map(|track| {
            let duration = Ticks(i64::from(track.sample_duration));
            duration.rescale(track.timescale, Timescale::MPEG).0
        });
        Self { times, picture: pictures.min().unwrap_or_default() }
    }

    /// Those of ordered times that are less than half a picture from a marker.
    fn found_in(&self, times: &[Ticks]) -> Vec<Ticks> {
        let half_a_picture = self.picture.unsigned_abs() / 2;
        let near = self.times.iter().filter_map(|&marker| {
            // Markers may say that they last for millions of years.
            let is_near = |time: &Ticks| time.minus(marker).0.unsigned_abs() <= half_a_picture;
            nearest(times, marker).filter(is_near)
        });
        near.collect()
    }
}

/// The nearest of ordered times; the earlier of two that are equally near.
fn nearest(times: &[Ticks], wanted: Ticks) -> Option<Ticks> {
    nearest_beside(times, times.partition_point(|&time| time < wanted), wanted)
}

/// The same where the place is known of the first that is not before what is wanted.
fn nearest_beside(times: &[Ticks], behind: usize, wanted: Ticks) -> Option<Ticks> {
    let after = times.get(behind).copied();
    let before = behind.checked_sub(1).and_then(|index| times.get(index)).copied();
    match (before, after) {
        (Some(before), Some(after)) => {
            let is_before = wanted.minus(before) <= after.minus(wanted);
            Some(if is_before { before } else { after })
        }
        (before, after) => before.or(after),
    }
}

/// The multiples of the wished-for duration in a period.
struct Grid {
    start: Ticks,
    end: Ticks,
    step: i64,
}

impl Grid {
    /// Where segments but the first begin if some of the times are sure to be taken.
    fn cuts_beside(&self, times: &[Ticks], sure: &[Ticks]) -> Vec<Ticks> {
        let mut cuts: Vec<Ticks> = Vec::new();
        let mut start = self.start;
        let inside = sure.iter().copied().filter(|time| *time > self.start && *time < self.end);
        for end in inside.chain([self.end]) {
            if end <= start {
                continue;
            }
            cuts.extend(Self { start, end, step: self.step }.cuts(times));
            cuts.extend((end < self.end).then_some(end));
            start = end;
        }
        cuts
    }

    /// Where segments but the first begin.
    fn cuts(&self, times: &[Ticks]) -> Vec<Ticks> {
        let mut cuts: Vec<Ticks> = Vec::new();
        let mut wanted = self.start.plus(Ticks(self.step));
        // Neither goes back, so the times are walked through once.
        let mut behind = times.partition_point(|&time| time < self.start);
        let mut next = behind;
        while wanted < self.end {
            let last = cuts.last().copied().unwrap_or(self.start);
            behind = walk(times, behind, |time| *time < wanted);
            if let Some(near) = nearest_beside(times, behind, wanted)
                && near > last
                && near < self.end
            {
                cuts.push(near);
            }
            let last = cuts.last().copied().unwrap_or(self.start);
            next = walk(times, next, |time| *time <= last);
            let Some(following) = self.first_wish_behind(times, next, last) else { break };
            wanted = wanted.plus(Ticks(self.step)).max(following);
        }
        if let Some(last) = cuts.last()
            && self.end.minus(*last).0 * 4 < self.step
        {
            cuts.pop();
        }
        cuts
    }

    /// A multiple that is not behind the first one which leads to a keyframe behind `last`, which is
    /// at `next`; gaps in the source are not walked through step by step.
    fn first_wish_behind(&self, times: &[Ticks], next: usize, last: Ticks) -> Option<Ticks> {
        let after = times.get(next)?;
        let before = next.checked_sub(1).and_then(|index| times.get(index)).unwrap_or(&last);
        let halfway = before.0.midpoint(after.0);
        Some(self.start.plus(Ticks((halfway - self.start.0).div_euclid(self.step) * self.step)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: i64 = 90_000;

    fn seconds(times: &[i64]) -> Vec<Ticks> {
        times.iter().map(|time| Ticks(time * SECOND)).collect()
    }

    fn grid(end: i64, step: i64) -> Grid {
        Grid { start: Ticks(0), end: Ticks(end * SECOND), step: step * SECOND }
    }

    #[test]
    fn boundaries_are_the_keyframes_nearest_to_multiples() {
        let every_two: Vec<i64> = (0..18).map(|n| n * 2).collect();
        assert_eq!(grid(36, 6).cuts(&seconds(&every_two)), seconds(&[6, 12, 18, 24, 30]));
        let every_four: Vec<i64> = (0..9).map(|n| n * 4).collect();
        // 6 lies between 4 and 8, 18 between 16 and 20: the earlier wins.
        assert_eq!(grid(36, 6).cuts(&seconds(&every_four)), seconds(&[4, 12, 16, 24, 28]));
        // Longer groups than the wished-for duration: each keyframe once.
        assert_eq!(grid(40, 2).cuts(&seconds(&[0, 10, 20, 30])), seconds(&[10, 20, 30]));
    }

    #[test]
    fn a_short_rest_joins_its_neighbour() {
        assert_eq!(grid(13, 6).cuts(&seconds(&[0, 6, 12])), seconds(&[6]));
        assert_eq!(grid(14, 6).cuts(&seconds(&[0, 6, 12])), seconds(&[6, 12]));
    }

    #[test]
    fn rounding_of_clocks_does_not_hide_shared_keyframes() {
        let first = [Ticks(0), Ticks(180_180), Ticks(360_360)];
        let second = [Ticks(0), Ticks(180_182), Ticks(370_000)];
        assert_eq!(shared_times(&[first.to_vec(), second.to_vec()]), [Ticks(0), Ticks(180_180)]);
        assert_eq!(own_times(&[Ticks(180_180)], &second), [Ticks(180_182)]);
    }

    #[test]
    fn markers_begin_segments_where_keyframes_are() {
        let every_two: Vec<i64> = (0..18).map(|n| n * 2).collect();
        let markers =
            Markers { times: vec![Ticks(8 * SECOND + 1_800), Ticks(15 * SECOND)], picture: 3_600 };
        let times = seconds(&every_two);
        let sure = markers.found_in(&times);
        assert_eq!(sure, seconds(&[8]));
        assert_eq!(grid(36, 6).cuts_beside(&times, &sure), seconds(&[6, 8, 14, 20, 26, 32]));
        let endless = Markers { times: vec![Ticks(i64::MIN), Ticks(i64::MAX)], picture: 3_600 };
        assert_eq!(endless.found_in(&times), []);
        let sure = seconds(&[0, 1, 7, 36]);
        assert_eq!(grid(36, 6).cuts_beside(&seconds(&[0, 1, 7, 8]), &sure), seconds(&[1, 7, 8]));
    }

    /// [`Grid::cuts`] as its module describes it, multiple by multiple.
    fn cuts_step_by_step(grid: &Grid, times: &[Ticks]) -> Vec<Ticks> {
        let mut cuts = vec![grid.start];
        let mut wanted = grid.start.plus(Ticks(grid.step));
        while wanted < grid.end {
            let near = nearest(times, wanted).filter(|near| *near < grid.end);
            cuts.extend(near.filter(|near| cuts.last().is_none_or(|last| near > last)));
            wanted = wanted.plus(Ticks(grid.step));
        }
        if cuts.len() > 1 && cuts.last().is_some_and(|last| grid.end.minus(*last).0 * 4 < grid.step)
        {
            cuts.pop();
        }
        cuts.split_off(1)
    }

    #[test]
    fn gaps_of_years_are_not_walked_through() {
        let year = 365 * 86_400 * SECOND;
        let times: Vec<Ticks> = (0..1_000).map(|index| Ticks(index * year)).collect();
        let end = Ticks(1_000 * year);
        let cuts = Grid { start: Ticks(0), end, step: SECOND }.cuts(&times);
        assert_eq!(cuts, times[1..]);
    }

    /// 0 and so many times behind it, each less than so many seconds behind the one before.
    fn times(apart: i64, others: Range<usize>) -> impl Strategy<Value = Vec<Ticks>> {
        proptest::collection::vec(1..apart * SECOND, others).prop_map(|gaps| {
            let mut times = vec![Ticks(0)];
            for gap in gaps {
                times.push(times.last().unwrap().plus(Ticks(gap)));
            }
            times
        })
    }

    proptest! {
        #[test]
        fn leaps_miss_nothing(
            times in times(40, 0..60),
            (start, first) in (-9 * SECOND..9 * SECOND, -9 * SECOND..9 * SECOND),
            (length, step) in (0_i64..900, 1_i64..30),
        ) {
            let times: Vec<Ticks> = times.iter().map(|time| time.plus(Ticks(first))).collect();
            let end = Ticks(start + length * SECOND);
            let grid = Grid { start: Ticks(start), end, step: step * SECOND };
            prop_assert_eq!(grid.cuts(&times), cuts_step_by_step(&grid, &times));
        }

        /// Streams whose times are the shared ones are not cut on their own.
        #[test]
        fn shared_cuts_are_spelled_by_those_who_have_their_times_as_they_are(
            times in times(20, 1..60),
            sure in proptest::collection::btree_set(0_usize..60, 0..8),
            step in 1_i64..30,
        ) {
            let sure: Vec<Ticks> = sure.iter().filter_map(|&at| times.get(at).copied()).collect();
            let cuts = grid(600, step).cuts_beside(&times, &sure);
            prop_assert_eq!(own_times(&cuts, &times), cuts);
            prop_assert_eq!(shared_times(&[times.clone(), times.clone(), times.clone()]), times);
        }

        #[test]
        fn markers_are_cuts_and_the_others_still_grow(
            times in times(20, 1..60),
            sure in proptest::collection::btree_set(0_usize..60, 0..8),
            step in 1_i64..30,
        ) {
            let end = times.last().unwrap().plus(Ticks(SECOND));
            let sure: Vec<Ticks> = sure.iter().filter_map(|at| times.get(*at)).copied().collect();
            let grid = Grid { start: Ticks(0), end, step: step * SECOND };
            let cuts = grid.cuts_beside(&times, &sure);
            prop_assert!(cuts.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(cuts.iter().all(|cut| times.binary_search(cut).is_ok()));
            prop_assert!(sure.iter().skip_while(|t| t.0 == 0).all(|t| cuts.contains(t)));
            prop_assert_eq!(grid.cuts_beside(&times, &[]), grid.cuts(&times));
        }

        #[test]
        fn cuts_grow_and_are_keyframes(
            times in times(20, 1..100),
            step in 1_i64..30,
        ) {
            let end = times.last().unwrap().plus(Ticks(SECOND));
            let cuts = Grid { start: Ticks(0), end, step: step * SECOND }.cuts(&times);
            prop_assert!(cuts.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(cuts.iter().all(|cut| times.binary_search(cut).is_ok()));
            prop_assert!(cuts.iter().all(|cut| *cut > Ticks(0) && *cut < end));
        }
    }
}
