//! Clips of made-up manifests: segments of six seconds, sound cut half a frame beside the pictures.

use proptest::prelude::*;

use super::*;
use crate::model::manifest::{AudioGroup, AudioMember, Healing, ManifestSegment, Offer};
use crate::model::protection::{KeyId, ProtectionScheme};

const SECOND: i64 = 90_000;
/// Sound is counted in another unit than pictures.
const HERTZ: i64 = 48_000;
const ORIGIN: i64 = 1_234;

/// Which segments begin where, in 90 kHz ticks from the title's start; the last is the end.
fn rendition(name: &str, period: usize, starts: &[i64]) -> ManifestRendition {
    let id = RenditionId::parse(name).unwrap();
    let is_sound = id.kind == RenditionKind::Audio;
    let timescale = if is_sound { Timescale::new(HERTZ as u32).unwrap() } else { Timescale::MPEG };
    let last = starts.len() - 1;
    let place = |(index, start): (usize, &i64)| {
        let time = Ticks(ORIGIN + start).rescale(Timescale::MPEG, timescale);
        // Frames of 1024 samples from a start of their own, cut at the nearest.
        let frame = (time.0 - 300 + 512).div_euclid(1_024) * 1_024 + 300;
        if is_sound && index != 0 && index != last { Ticks(frame) } else { time }
    };
    let times: Vec<Ticks> = starts.iter().enumerate().map(place).collect();
    let segment = |(index, pair): (usize, &[Ticks])| ManifestSegment {
        time: pair[0],
        duration: pair[1].minus(pair[0]),
        bytes: 1_000 * (index as u64 + 1),
        healing: Healing::None,
    };
    ManifestRendition {
        segments_before: 0,
        constant_duration: None,
        has_tags: false,
        id,
        description: None,
        codecs: Vec::new(),
        frame_rate: None,
        max_playout_rate: None,
        peak_bandwidth: 0,
        average_bandwidth: 0,
        timescale,
        presentation_time_offset: Ticks(ORIGIN + starts[0]).rescale(Timescale::MPEG, timescale),
        directory: format!("../s/{name}/{period}"),
        init: None,
        extension: "m4s",
        segments: times.windows(2).enumerate().map(segment).collect(),
        protection: None,
        text: None,
        access_type: 1,
    }
}

fn period(index: usize, starts: &[i64]) -> ManifestPeriod {
    let set = |kind, continues, names: &[&str]| AdaptationSet {
        kind,
        aligned: true,
        continues,
        renditions: names.iter().map(|name| rendition(name, index, starts)).collect(),
        switchable_with: Vec::new(),
        trick_of: None,
        is_hidden: false,
        number: 1,
    };
    let (start, end) = (starts[0], starts[starts.len() - 1]);
    ManifestPeriod {
        start: Ticks(start),
        duration: Ticks(end - start),
        sets: vec![
            set(RenditionKind::Video, index > 0, &["video-1", "video-2"]),
            set(RenditionKind::Audio, index > 0, &["audio-1"]),
        ],
    }
}

/// Periods by their boundaries in ticks.
fn title(periods: &[Vec<i64>]) -> Manifest {
    let periods: Vec<_> = periods.iter().enumerate().map(|(i, starts)| period(i, starts)).collect();
    let last = periods.last().unwrap();
    let offer = Offer {
        main: RenditionId::parse("video-1").unwrap(),
        audio: Some(0),
        codecs: Vec::new(),
        peak_bandwidth: 0,
        average_bandwidth: 0,
    };
    Manifest {
        mpd: Default::default(),
        markers: Default::default(),
        dates: None,
        origin: Ticks::ZERO,
        texts: Vec::new(),
        session: Default::default(),
        captions: Default::default(),
        duration: last.start.plus(last.duration),
        longest_segment: Ticks(6 * SECOND),
        periods,
        offers: vec![offer],
        trick_offers: Vec::new(),
        audio_groups: vec![AudioGroup {
            id: "sound".to_owned(),
            source: String::new(),
            members: vec![AudioMember {
                rendition: RenditionId::parse("audio-1"),
                description: Arc::default(),
                channels: None,
            }],
        }],
        playlist_directory: "../p".to_owned(),
        clip: None,
    }
}

/// Two periods: six and three segments, the last of each shorter.
fn two_periods() -> Manifest {
    let seconds = |times: &[i64]| times.iter().map(|time| time * SECOND).collect();
    title(&[seconds(&[0, 6, 12, 18, 24, 30, 34]), seconds(&[34, 40, 46, 50])])
}

fn seconds(start: Option<i64>, end: Option<i64>, precise: bool) -> ClipRequest {
    let ticks = |seconds: Option<i64>| seconds.map(|seconds| Ticks(seconds * SECOND));
    ClipRequest { start: ticks(start), end: ticks(end), precise }
}

fn out_of(manifest: &Manifest, cut: &Cut) -> Manifest {
    cut_out(manifest, cut, Ticks(ORIGIN), Container::Cmaf)
}

/// Times in whole seconds where the segments of a rendition begin, by period.
fn kept(manifest: &Manifest, name: &str) -> Vec<Vec<i64>> {
    let id = RenditionId::parse(name).unwrap();
    let count = manifest.periods.len();
    let renditions = (0..count).map(|period| manifest.rendition(id, period).unwrap());
    renditions
        .map(|rendition| {
            let hertz = i64::from(rendition.timescale.hertz());
            rendition.segments.iter().map(|segment| (segment.time.0 + hertz / 2) / hertz).collect()
        })
        .collect()
}

#[test]
fn inwards_is_the_default_and_outwards_is_exact() {
    let whole = two_periods();
    for (start, end, precise, wanted) in [
        (None, None, false, (0, 50)),
        (Some(6), Some(12), false, (6, 12)),
        (Some(5), Some(13), false, (6, 12)),
        (Some(7), None, false, (12, 50)),
        (None, Some(33), false, (0, 30)),
        (Some(31), Some(41), false, (34, 40)),
        (Some(5), Some(13), true, (0, 18)),
        (Some(6), Some(12), true, (6, 12)),
        (Some(7), Some(8), true, (6, 12)),
        (Some(31), Some(41), true, (30, 46)),
        (Some(49), None, true, (46, 50)),
    ] {
        let cut = cut(&whole, &seconds(start, end, precise)).unwrap();
        assert_eq!((cut.from.0 / SECOND, cut.to.0 / SECOND), wanted, "{start:?} {end:?}");
        assert_eq!(cut.exact.is_some(), precise);
    }
}

#[test]
fn what_manifests_round_is_the_boundary() {
    let whole = two_periods();
    let near = |start, end| ClipRequest {
        start: Some(Ticks(start)),
        end: Some(Ticks(end)),
        precise: false,
    };
    let wanted = Cut::at(Ticks(6 * SECOND), Ticks(50 * SECOND));
    assert_eq!(cut(&whole, &near(6 * SECOND + 90, 50 * SECOND + 90)), Ok(wanted));
    let next = cut(&whole, &near(6 * SECOND + 91, 50 * SECOND)).unwrap();
    assert_eq!(next.from, Ticks(12 * SECOND));
}

#[test]
fn impossible_clips_are_refused() {
    let whole = two_periods();
    let beyond = ClipError::BeyondEnd(Ticks(50 * SECOND));
    for (start, end, wanted, field) in [
        (Some(50), None, beyond, "start"),
        (Some(60), Some(70), beyond, "start"),
        (Some(6), Some(51), beyond, "end"),
        (None, Some(51), beyond, "end"),
        (Some(12), Some(12), ClipError::Backwards, "start"),
        (Some(12), Some(6), ClipError::Backwards, "start"),
        (None, Some(0), ClipError::Backwards, "start"),
        (Some(7), Some(11), ClipError::NoSegment, "start"),
        (Some(7), Some(17), ClipError::NoSegment, "start"),
    ] {
        let request = seconds(start, end, false);
        let error = cut(&whole, &request).unwrap_err();
        assert_eq!((error, error.field(&request)), (wanted, field), "{start:?} {end:?}");
    }
}

#[test]
fn all_tracks_are_cut_at_the_pictures() {
    let clip = out_of(&two_periods(), &Cut::at(Ticks(12 * SECOND), Ticks(40 * SECOND)));
    for name in ["video-1", "video-2", "audio-1"] {
        assert_eq!(kept(&clip, name), [vec![12, 18, 24, 30], vec![34]], "{name}");
    }
    let shape: Vec<_> = clip.periods.iter().map(|p| (p.start.0, p.duration.0)).collect();
    assert_eq!(shape, [(0, 22 * SECOND), (22 * SECOND, 6 * SECOND)]);
    assert_eq!(clip.duration, Ticks(28 * SECOND));
    // The first set has nothing to go on from; the second goes on as it did.
    let continues: Vec<_> = clip.periods.iter().map(|period| period.sets[0].continues).collect();
    assert_eq!(continues, [false, true]);
    let first = &clip.periods[0].sets[0].renditions[0];
    assert_eq!(first.presentation_time_offset, Ticks(ORIGIN + 12 * SECOND));
    let numbers = &clip.clip.as_ref().unwrap().first_numbers;
    assert!(numbers.values().all(|number| *number == 2), "{numbers:?}");
    // Measured again: 3 to 6 kB in six, six, six and four seconds, 1 kB in six more.
    let offer = &clip.offers[0];
    assert!(offer.average_bandwidth.abs_diff(2 * 19_000 * 8 / 28) < 9, "{offer:?}");
}

#[test]
fn periods_outside_are_dropped_and_playlists_count_on() {
    let clip = out_of(&two_periods(), &Cut::at(Ticks(40 * SECOND), Ticks(46 * SECOND)));
    assert_eq!(clip.periods.len(), 1);
    assert_eq!(kept(&clip, "video-1"), [[40]]);
    assert_eq!(clip.periods[0].sets[0].renditions[0].directory, "../s/video-1/1");
    assert!(clip.periods[0].sets.iter().all(|set| !set.continues));
    let numbers = &clip.clip.as_ref().unwrap().first_numbers;
    assert!(numbers.values().all(|number| *number == 7), "{numbers:?}");
}

#[test]
fn exact_points_are_told_beside_whole_segments() {
    let whole = two_periods();
    let cut = cut(&whole, &seconds(Some(7), Some(45), true)).unwrap();
    let clip = out_of(&whole, &cut);
    assert_eq!(kept(&clip, "video-1"), [vec![6, 12, 18, 24, 30], vec![34, 40]]);
    let shape: Vec<_> = clip.periods.iter().map(|p| (p.start.0, p.duration.0)).collect();
    assert_eq!(shape, [(0, 27 * SECOND), (27 * SECOND, 11 * SECOND)]);
    assert_eq!(clip.duration, Ticks(38 * SECOND));
    let sound = &clip.periods[0].sets[1].renditions[0];
    let offset = Ticks(ORIGIN + 7 * SECOND).rescale(Timescale::MPEG, sound.timescale);
    assert_eq!(sound.presentation_time_offset, offset);
    assert_eq!(clip.session.start, Some(StartPoint { offset: Ticks(SECOND), precise: true }));
    // At a boundary nothing needs to be said.
    let cut = super::cut(&whole, &seconds(Some(6), Some(45), true)).unwrap();
    assert_eq!(out_of(&whole, &cut).session.start, None);
}

#[test]
fn keys_stay_with_their_segments() {
    let mut whole = two_periods();
    let protection = |clear_segments| RenditionProtection {
        scheme: ProtectionScheme::HlsSampleAes,
        key_id: KeyId([1; 16]),
        constant_iv: None,
        shows_iv: true,
        signalling: Arc::from([]),
        clear_segments,
        has_clear_entry: true,
        first_number: 0,
        iv_space: 0,
    };
    let rendition = &mut whole.periods[0].sets[0].renditions[0];
    rendition.protection = Some(Arc::new(protection(3)));
    let clip = out_of(&whole, &Cut::at(Ticks(12 * SECOND), Ticks(34 * SECOND)));
    let kept = clip.periods[0].sets[0].renditions[0].protection.clone().unwrap();
    assert_eq!((kept.clear_segments, kept.first_number), (1, 2));
    assert_eq!(kept.iv_of(1), protection(3).iv_of(3));
}

#[test]
fn renditions_with_their_own_boundaries_are_cut_where_they_meet() {
    let mut whole = two_periods();
    // The second rendition has segments of nine seconds in the first period.
    let nine: Vec<i64> = [0, 9, 18, 27, 34].iter().map(|time| time * SECOND).collect();
    whole.periods[0].sets[0].renditions[1] = rendition("video-2", 0, &nine);
    let found = cut(&whole, &seconds(Some(6), Some(45), false)).unwrap();
    assert_eq!(found, Cut::at(Ticks(18 * SECOND), Ticks(40 * SECOND)));
    assert_eq!(kept(&out_of(&whole, &found), "video-2"), [vec![18, 27], vec![34]]);
    // Somebody to whom a filter left one of them may cut at its own.
    for (time, wanted) in [(6, true), (9, true), (18, true), (7, false), (34, true), (50, true)] {
        assert_eq!(is_bound(&whole, Ticks(time * SECOND)), wanted, "{time}");
    }
}

#[test]
fn sound_alone_is_cut_at_its_own_segments() {
    let mut whole = two_periods();
    whole.periods.iter_mut().for_each(|period| period.sets[0].renditions.clear());
    let found = cut(&whole, &seconds(Some(5), Some(40), false)).unwrap();
    // A whole frame before 40 s or behind.
    assert_eq!(found.from.minus(Ticks(6 * SECOND)).0.abs() / SECOND, 0);
    assert_eq!(kept(&out_of(&whole, &found), "audio-1"), [vec![6, 12, 18, 24, 30], vec![34]]);
}

/// Boundaries of one to three periods.
fn periods() -> impl Strategy<Value = Vec<Vec<i64>>> {
    let lengths = proptest::collection::vec(SECOND / 2..8 * SECOND, 1..9);
    proptest::collection::vec(lengths, 1..4).prop_map(|periods| {
        let mut at = 0;
        let mut title = Vec::new();
        for lengths in periods {
            let mut starts = vec![at];
            for length in lengths {
                at += length;
                starts.push(at);
            }
            title.push(starts);
        }
        title
    })
}

/// All segments of all renditions, by name, directory and time.
fn segments(manifest: &Manifest) -> Vec<(String, Ticks, u64)> {
    let sets = manifest.periods.iter().flat_map(|period| &period.sets);
    let mut all: Vec<_> = sets
        .flat_map(|set| &set.renditions)
        .flat_map(|rendition| {
            let directory = &rendition.directory;
            rendition.segments.iter().map(move |s| (directory.clone(), s.time, s.bytes))
        })
        .collect();
    all.sort();
    all
}

proptest! {
    #[test]
    fn clips_side_by_side_are_the_whole(periods in periods(), at in any::<prop::sample::Index>()) {
        let whole = title(&periods);
        let bounds = bounds(&whole);
        let middle = bounds[at.index(bounds.len())];
        let mut parts = Vec::new();
        let mut duration = Ticks::ZERO;
        for (from, to) in [(Ticks::ZERO, middle), (middle, whole.duration)] {
            if from < to {
                let clip = out_of(&whole, &Cut::at(from, to));
                prop_assert!(clip.duration == to.minus(from));
                let sum = clip.periods.iter().map(|period| period.duration.0).sum();
                prop_assert_eq!(clip.duration, Ticks(sum));
                duration = duration.plus(clip.duration);
                parts.extend(segments(&clip));
            }
        }
        parts.sort();
        prop_assert_eq!(parts, segments(&whole));
        prop_assert_eq!(duration, whole.duration);
    }

    #[test]
    fn cuts_are_inside_or_outside_what_is_asked_for(
        periods in periods(),
        start in 0_i64..100 * SECOND,
        length in 1_i64..100 * SECOND,
        precise in any::<bool>(),
    ) {
        let whole = title(&periods);
        let (start, end) = (Ticks(start), Ticks(start + length));
        let request = ClipRequest { start: Some(start), end: Some(end), precise };
        match cut(&whole, &request) {
            Err(ClipError::BeyondEnd(_)) => prop_assert!(end > whole.duration),
            Err(error) => {
                prop_assert_eq!(error, ClipError::NoSegment);
                prop_assert!(!precise || length <= 2 * TOLERANCE);
            }
            Ok(found) => {
                let (slack, bounds) = (Ticks(TOLERANCE), bounds(&whole));
                prop_assert!(bounds.contains(&found.from) && bounds.contains(&found.to));
                if precise {
                    prop_assert!(found.from <= start.plus(slack) && found.to.plus(slack) >= end);
                } else {
                    prop_assert!(found.from.plus(slack) >= start && found.to <= end.plus(slack));
                }
                // All renditions have the same segments by number.
                let clip = out_of(&whole, &found);
                for period in &clip.periods {
                    let renditions = period.sets.iter().flat_map(|set| &set.renditions);
                    let counts: Vec<_> = renditions.map(|r| r.segments.len()).collect();
                    prop_assert!(counts.iter().all(|count| *count == counts[0] && *count > 0));
                }
            }
        }
    }
}

#[test]
fn the_source_says_where_to_begin_if_the_clip_begins_with_the_title() {
    let start = |seconds, precise| StartPoint { offset: Ticks(seconds * SECOND), precise };
    let mut whole = title(&[vec![0, 6 * SECOND, 12 * SECOND]]);
    let of_clip = |whole: &Manifest, from, to, precise| {
        let request = ClipRequest {
            start: Some(Ticks(from * SECOND)),
            end: Some(Ticks(to * SECOND)),
            precise,
        };
        out_of(whole, &cut(whole, &request).unwrap()).session.start
    };
    whole.session.start = Some(start(2, true));
    assert_eq!(of_clip(&whole, 0, 6, false), Some(start(2, true)));
    assert_eq!(of_clip(&whole, 6, 12, false), None);
    // The clip's own start counts.
    assert_eq!(of_clip(&whole, 1, 12, true), Some(start(1, true)));
    // From the end of the title, which may lie behind that of the clip.
    whole.session.start = Some(start(-10, false));
    assert_eq!(of_clip(&whole, 0, 6, false), Some(start(2, false)));
    whole.session.start = Some(start(-3, false));
    assert_eq!(of_clip(&whole, 0, 6, false), None);
}
