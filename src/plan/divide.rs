//! Periods without gaps, from periods whose renditions have some.
//!
//! In the restricted timing model of DASH-IF (section 9) a representation covers all of its period;
//! where it has nothing, it is absent, and that takes a period of its own. A period is divided where
//! a gap or silence begins or ends in any rendition. Media segments lie as they lay: one that
//! reaches over a boundary is referenced on both sides, and clients show of it what is inside
//! (12.1 there). Sound is cut at the whole frame nearest to where pictures are; a boundary of sound
//! within a tenth of a second beside one of pictures means that one, because a period that begins
//! behind a key frame would begin without pictures.
//!
//! A period without any pictures, or without any sound, would follow from this, but players do not
//! get over it: with a period without pictures Shaka Player 5.2 shows none at all, and dash.js 5.2
//! stands still in it or before it. They do skip what is missing at the start of a period. So where
//! no rendition has pictures, or none has sound, the next period begins there, and its segments when
//! both are back. Where nothing follows, the presentation ends earlier.
//!
//! Sets keep their places, so that they keep their `@id`.
//!
//! Trick play divides nothing. A rendition of it is where the pictures are that it is taken from,
//! and has then all that the period shows.

use std::sync::Arc;

use super::trick;
use crate::model::manifest::{
    AdaptationSet, Healing, ManifestPeriod, ManifestRendition, ManifestSegment, RenditionId,
    RenditionKind,
};
use crate::time::{Ticks, Timescale};

/// Boundaries closer than this are one: 90 kHz.
const TOLERANCE: i64 = 9_000;

/// The periods of a manifest, divided. `origin` is the time on the segments' timeline at which the
/// first period starts, [`Timescale::MPEG`] ticks.
pub(super) fn divided(periods: &[ManifestPeriod], origin: Ticks) -> Vec<ManifestPeriod> {
    let mut out: Vec<ManifestPeriod> = Vec::new();
    // Where pictures or sound ran out, while they are.
    let mut empty_from = None;
    for period in periods {
        let start = origin.plus(period.start);
        let bounds = bounds(period, start, start.plus(period.duration));
        let count = bounds.len().saturating_sub(1);
        for (index, pair) in bounds.windows(2).enumerate() {
            let &[from, to] = pair else { continue };
            let starts = empty_from.unwrap_or(from);
            let (is_first, is_last) = (index == 0, index + 1 == count);
            let window = Window { starts, from, to, is_first, is_last };
            let mut sets: Vec<AdaptationSet> =
                period.sets.iter().map(|set| window.set(set)).collect();
            trick::keep_beside_pictures(&mut sets);
            if has(&period.sets) != has(&sets) {
                empty_from = Some(starts);
                continue;
            }
            // What follows such a stretch goes on from nothing.
            let is_seamless = empty_from.take().is_none();
            let before = out.last().map(|before| &before.sets);
            for (place, set) in sets.iter_mut().enumerate() {
                // Within a period of the source nothing changes; at its start that is known.
                let may_continue = is_seamless && (index > 0 || set.continues);
                let other = before.and_then(|before| before.get(place));
                set.continues = may_continue
                    && !set.renditions.is_empty()
                    && other.is_some_and(|other| ids(other).eq(ids(set)));
            }
            let is_there: Vec<bool> = sets.iter().map(|set| !set.renditions.is_empty()).collect();
            for set in &mut sets {
                set.switchable_with.retain(|place| is_there.get(*place) == Some(&true));
            }
            let start = starts.minus(origin);
            out.push(ManifestPeriod { start, duration: to.minus(starts), sets });
        }
    }
    out
}

fn ids(set: &AdaptationSet) -> impl Iterator<Item = RenditionId> {
    set.renditions.iter().map(|rendition| rendition.id)
}

/// Where the parts of a period begin, and where the last ends.
fn bounds(period: &ManifestPeriod, start: Ticks, end: Ticks) -> Vec<Ticks> {
    let mut bounds = vec![start, end];
    let is_sound = |set: &&AdaptationSet| set.kind == RenditionKind::Audio;
    let is_beside =
        |set: &&AdaptationSet| matches!(set.kind, RenditionKind::Trick | RenditionKind::Text);
    let pictures = || period.sets.iter().filter(|set| !is_sound(set) && !is_beside(set));
    let cuts: Vec<Ticks> = pictures()
        .flat_map(|set| &set.renditions)
        .flat_map(|rendition| {
            let times = rendition.segments.iter().map(|segment| segment.time);
            times.map(|time| time.rescale(rendition.timescale, Timescale::MPEG))
        })
        .collect();
    let is_near = |a: Ticks, b: Ticks| a.minus(b).0.abs() <= TOLERANCE;
    for set in pictures().chain(period.sets.iter().filter(is_sound)) {
        for rendition in &set.renditions {
            for run in rendition.segments.chunk_by(|a, b| a.healing == b.healing) {
                let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
                if first.healing == Healing::None {
                    continue;
                }
                for time in [first.time, last.time.plus(last.duration)] {
                    let time = time.rescale(rendition.timescale, Timescale::MPEG);
                    let near = cuts.iter().copied().filter(|cut| is_near(*cut, time));
                    let time = near.min_by_key(|cut| cut.minus(time).0.abs()).unwrap_or(time);
                    let is_new = bounds.iter().all(|bound| !is_near(*bound, time));
                    if is_new && time > start && time < end {
                        bounds.push(time);
                    }
                }
            }
        }
    }
    bounds.sort_unstable();
    bounds
}

/// Whether there are renditions with pictures, and with sound alone.
fn has(sets: &[AdaptationSet]) -> [bool; 2] {
    [false, true].map(|is_sound| {
        sets.iter()
            .filter(|set| !matches!(set.kind, RenditionKind::Trick | RenditionKind::Text))
            .any(|set| (set.kind == RenditionKind::Audio) == is_sound && !set.renditions.is_empty())
    })
}

/// A part of a period.
struct Window {
    /// Where it begins as players are told.
    starts: Ticks,
    from: Ticks,
    to: Ticks,
    is_first: bool,
    is_last: bool,
}

impl Window {
    fn set(&self, set: &AdaptationSet) -> AdaptationSet {
        let renditions = set.renditions.iter().filter_map(|rendition| self.rendition(rendition));
        AdaptationSet { renditions: renditions.collect(), ..set.clone() }
    }

    /// What is left of a rendition; nothing where it has a gap.
    fn rendition(&self, rendition: &ManifestRendition) -> Option<ManifestRendition> {
        let segments = rendition.segments.iter().copied();
        let mut segments: Vec<ManifestSegment> =
            segments.filter(|segment| self.holds(segment, rendition.timescale)).collect();
        if rendition.id.kind == RenditionKind::Trick {
            segments.retain(|segment| segment.healing != Healing::Gap);
        }
        let has = |wanted: Healing| segments.iter().any(|segment| segment.healing == wanted);
        if segments.is_empty() || has(Healing::Gap) {
            return None;
        }
        if has(Healing::Silence) {
            // One template names them all; see the margin in `holds`.
            segments.iter_mut().for_each(|segment| segment.healing = Healing::Silence);
        }
        let first = segments.first().map(|segment| segment.time);
        let before = rendition.segments.iter().take_while(|segment| Some(segment.time) != first);
        Some(ManifestRendition {
            segments_before: rendition.segments_before + before.count(),
            constant_duration: None,
            presentation_time_offset: self.starts.rescale(Timescale::MPEG, rendition.timescale),
            segments: Arc::from(segments),
            ..rendition.clone()
        })
    }

    /// Whether enough of a segment lies inside that it is meant to be there.
    fn holds(&self, segment: &ManifestSegment, timescale: Timescale) -> bool {
        let start = segment.time.rescale(timescale, Timescale::MPEG);
        let end = segment.time.plus(segment.duration).rescale(timescale, Timescale::MPEG);
        let from = if self.is_first { start } else { start.max(self.from) };
        let to = if self.is_last { end } else { end.min(self.to) };
        let inside = to.minus(from).0;
        inside > TOLERANCE || inside * 2 >= end.minus(start).0.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: i64 = 90_000;

    /// Segments of six seconds from 0 on; a letter for each: `.` whole, `g` gap, `s` silent.
    fn rendition(kind: RenditionKind, stream: usize, healing: &str) -> ManifestRendition {
        // Sound is cut beside the pictures, at whole frames.
        let late = if kind == RenditionKind::Audio { 500 } else { 0 };
        let segments = healing.chars().zip(0_i64..).map(|(letter, index)| ManifestSegment {
            time: Ticks(index * 6 * SECOND + late),
            duration: Ticks(6 * SECOND),
            bytes: 1,
            healing: match letter {
                'g' => Healing::Gap,
                's' => Healing::Silence,
                _ => Healing::None,
            },
        });
        ManifestRendition {
            segments_before: 0,
            constant_duration: None,
            description: None,
            text: None,
            access_type: 1,
            id: RenditionId { kind, stream },
            codecs: Vec::new(),
            frame_rate: None,
            max_playout_rate: None,
            peak_bandwidth: 1,
            average_bandwidth: 1,
            timescale: Timescale::MPEG,
            presentation_time_offset: Ticks::ZERO,
            directory: format!("../s/{stream}/0"),
            init: Some("init.mp4"),
            extension: "m4s",
            segments: segments.collect(),
            protection: None,
            has_tags: false,
        }
    }

    fn set(kind: RenditionKind, healing: &[&str]) -> AdaptationSet {
        let renditions = healing.iter().enumerate();
        AdaptationSet {
            kind,
            aligned: true,
            continues: false,
            renditions: renditions
                .map(|(index, letters)| rendition(kind, index, letters))
                .collect(),
            switchable_with: Vec::new(),
            trick_of: None,
            is_hidden: false,
            number: 1,
        }
    }

    fn period(video: &[&str], audio: &str) -> ManifestPeriod {
        ManifestPeriod {
            start: Ticks::ZERO,
            duration: Ticks(video[0].len() as i64 * 6 * SECOND),
            sets: vec![set(RenditionKind::Video, video), set(RenditionKind::Audio, &[audio])],
        }
    }

    /// Start in seconds, video renditions, and the audio's healing, or its absence.
    fn shown(periods: &[ManifestPeriod]) -> Vec<(i64, Vec<usize>, Option<Healing>)> {
        let show = |period: &ManifestPeriod| {
            let [video, audio] = period.sets.as_slice() else { panic!("sets keep their places") };
            let audio = audio.renditions.first().map(|audio| audio.segments[0].healing);
            (period.start.0 / SECOND, ids(video).map(|id| id.stream).collect(), audio)
        };
        periods.iter().map(show).collect()
    }

    #[test]
    fn nothing_missing_divides_nothing() {
        let periods = [period(&["....", "...."], "....")];
        assert_eq!(divided(&periods, Ticks::ZERO), periods);
    }

    #[test]
    fn a_rendition_with_a_gap_is_absent_for_so_long() {
        let periods = divided(&[period(&["..g.", "...."], "..s.")], Ticks::ZERO);
        let (sound, silence) = (Some(Healing::None), Some(Healing::Silence));
        let expected = [(0, vec![0, 1], sound), (12, vec![1], silence), (18, vec![0, 1], sound)];
        assert_eq!(shown(&periods), expected);
        let offset = |index: usize| periods[index].sets[1].renditions[0].presentation_time_offset;
        assert_eq!((offset(1), offset(2)), (Ticks(12 * SECOND), Ticks(18 * SECOND)));
        // Sound goes on over both boundaries; the set of pictures is another one in between.
        let continues: Vec<_> =
            periods.iter().map(|p| [p.sets[0].continues, p.sets[1].continues]).collect();
        assert_eq!(continues, [[false, false], [false, true], [false, true]]);
    }

    /// An I-frame can be there though the segment that it is taken from is not.
    #[test]
    fn trick_play_is_where_its_pictures_are() {
        let mut one = period(&["..g.", "...."], "....");
        let trick = set(RenditionKind::Trick, &["....", "...g"]);
        one.sets.push(AdaptationSet { trick_of: Some(0), ..trick });
        let periods = divided(&[one], Ticks::ZERO);
        let shown: Vec<Vec<(usize, usize)>> = periods
            .iter()
            .map(|period| {
                let renditions = period.sets[2].renditions.iter();
                renditions.map(|r| (r.id.stream, r.segments.len())).collect()
            })
            .collect();
        assert_eq!(shown, [vec![(0, 2), (1, 2)], vec![(1, 1)], vec![(0, 1)]]);
    }

    #[test]
    fn a_period_of_silence_begins_with_pictures() {
        let periods = divided(&[period(&["...."], ".s..")], Ticks::ZERO);
        let starts: Vec<i64> = periods.iter().map(|period| period.start.0).collect();
        assert_eq!(starts, [0, 6 * SECOND, 12 * SECOND]);
        assert!(periods[1].sets.iter().all(|set| set.continues));
    }

    #[test]
    fn a_set_of_which_nothing_is_left_keeps_its_place() {
        let mut one = period(&["g...", "...."], "....");
        let second = one.sets[0].renditions.pop().unwrap();
        let other = AdaptationSet { renditions: vec![second], ..one.sets[0].clone() };
        one.sets.insert(1, AdaptationSet { switchable_with: vec![0], ..other });
        let periods = divided(&[one], Ticks::ZERO);
        let counts = |index: usize| -> Vec<usize> {
            periods[index].sets.iter().map(|set| set.renditions.len()).collect()
        };
        assert_eq!([counts(0), counts(1)], [[0, 1, 1], [1, 1, 1]]);
        // Nobody switches to a set that is not shown.
        let links = |index: usize| periods[index].sets[1].switchable_with.clone();
        assert_eq!([links(0), links(1)], [vec![], vec![0]]);
    }

    #[test]
    fn without_any_pictures_the_next_period_begins_early() {
        let one = period(&[".g..", ".gg."], "....");
        let periods = divided(&[one], Ticks::ZERO);
        let sound = Some(Healing::None);
        let expected = [(0, vec![0, 1], sound), (6, vec![0], sound), (18, vec![0, 1], sound)];
        assert_eq!(shown(&periods), expected);
        for set in &periods[1].sets {
            let rendition = &set.renditions[0];
            let first = &rendition.segments[0];
            assert_eq!(rendition.presentation_time_offset, Ticks(6 * SECOND));
            assert_eq!(first.time.0 / SECOND, 12);
            assert!(!set.continues);
        }
        assert_eq!(periods[1].duration, Ticks(12 * SECOND));
        // Over the border of a period of the source, too.
        let mut second = period(&["g."], "..");
        second.start = Ticks(12 * SECOND);
        for rendition in second.sets.iter_mut().flat_map(|set| &mut set.renditions) {
            let later = |segment: &ManifestSegment| ManifestSegment {
                time: segment.time.plus(Ticks(12 * SECOND)),
                ..*segment
            };
            rendition.segments = rendition.segments.iter().map(later).collect();
        }
        let periods = divided(&[period(&[".g"], ".."), second], Ticks::ZERO);
        assert_eq!(shown(&periods), [(0, vec![0], sound), (6, vec![0], sound)]);
        assert_eq!(periods[1].duration, Ticks(18 * SECOND));
    }

    #[test]
    fn without_pictures_at_its_end_a_presentation_ends_earlier() {
        let periods = divided(&[period(&["..gg"], "....")], Ticks::ZERO);
        assert_eq!(shown(&periods), [(0, vec![0], Some(Healing::None))]);
        assert_eq!(periods[0].duration, Ticks(12 * SECOND));
        assert_eq!(divided(&[period(&["gggg"], "gggg")], Ticks::ZERO), []);
    }

    #[test]
    fn a_segment_over_a_boundary_is_on_both_sides() {
        let mut one = period(&["..g.", "...."], "....");
        // Cut in the middle between the pictures' segments.
        let shift = |segment: &ManifestSegment| ManifestSegment {
            time: segment.time.plus(Ticks(3 * SECOND)),
            ..*segment
        };
        let audio = &mut one.sets[1].renditions[0];
        audio.segments = audio.segments.iter().map(shift).collect();
        let periods = divided(&[one], Ticks::ZERO);
        let times = |index: usize| -> Vec<i64> {
            let segments = &periods[index].sets[1].renditions[0].segments;
            segments.iter().map(|segment| segment.time.0 / SECOND).collect()
        };
        assert_eq!([times(0), times(1), times(2)], [vec![3, 9], vec![9, 15], vec![15, 21]]);
    }

    proptest! {
        #[test]
        fn time_is_kept_and_nothing_whole_is_lost(
            letters in proptest::collection::vec("[.g]{9}", 1..4),
            audio in prop_oneof!["[.g]{9}", "[.s]{9}"],
        ) {
            let video: Vec<&str> = letters.iter().map(String::as_str).collect();
            let whole = period(&video, &audio);
            let periods = divided(std::slice::from_ref(&whole), Ticks::ZERO);
            let mut end = Ticks::ZERO;
            for period in &periods {
                prop_assert_eq!(period.start, end);
                prop_assert!(period.duration > Ticks::ZERO);
                end = end.plus(period.duration);
            }
            // Nothing is shown while pictures or sound are missing.
            let is_shown = |at: usize| {
                audio.as_bytes()[at] != b'g' && letters.iter().any(|l| l.as_bytes()[at] == b'.')
            };
            let shown = (0..9).rev().find(|at| is_shown(*at)).map_or(0, |at| at as i64 + 1);
            prop_assert_eq!(end, Ticks(shown * 6 * SECOND));
            for (place, set) in whole.sets.iter().enumerate() {
                for rendition in &set.renditions {
                    let expected: Vec<_> = rendition.segments.iter().copied()
                        .filter(|segment| segment.healing != Healing::Gap)
                        .filter(|segment| is_shown((segment.time.0 / (6 * SECOND)) as usize))
                        .collect();
                    let found: Vec<_> = periods.iter()
                        .flat_map(|period| &period.sets[place].renditions)
                        .filter(|other| other.id == rendition.id)
                        .flat_map(|other| other.segments.iter().copied())
                        .collect();
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }
}
