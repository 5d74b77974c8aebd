use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::model::codec::{AvcConfig, CodecConfig, PictureFormat, StreamSyntax};
use crate::model::list::List;
use crate::model::policy::{Configuration, Name, OnSourceError, SegmentDuration, StreamSelection};
use crate::model::presentation::{Group, Period, Stream, StreamPeriod, StreamRole, Track};
use crate::model::text::TextHeader;
use crate::model::ttml::{TtmlBody, TtmlPart, TtmlStart, TtmlText};
use crate::plan::Target;

const SECOND: i64 = 90_000;

/// Pictures with a random access point each second, in periods of so many seconds; the first starts
/// 21 ms behind the sound.
fn presentation(periods: &[i64], cues: Vec<Cue>) -> Arc<Presentation> {
    let mut start = 1_920;
    let mut bounds = Vec::new();
    let mut stream_periods = Vec::new();
    for seconds in periods {
        let end = start + seconds * SECOND;
        let groups = (0..*seconds).map(|second| Group {
            time: Ticks(start + second * SECOND),
            samples: 25,
            payload_bytes: 1_000,
            uniform_duration: Some(3_600),
            ts_payload_packets: 30,
            ..Group::default()
        });
        stream_periods.push(StreamPeriod {
            video: Some(Track {
                pid: 256,
                syntax: StreamSyntax::H264,
                codec: CodecConfig::Avc(AvcConfig {
                    profile_idc: 100,
                    constraints: 0,
                    level_idc: 30,
                    picture: PictureFormat { width: 640, height: 360, ..PictureFormat::default() },
                    sequence_parameter_sets: vec![vec![0x67, 1]],
                    picture_parameter_sets: vec![vec![0x68]],
                }),
                timescale: Timescale::MPEG,
                sample_duration: 3_600,
                clock_offset: Ticks::ZERO,
                transport_delay: 0,
                groups: groups.collect(),
                end: Ticks(end),
            }),
            audio: None,
        });
        bounds.push(Period { start: Ticks(start), duration: Ticks(end - start) });
        start = end;
    }
    let text = |name: &str, is_default| TextStream {
        uri: format!("{name}.m3u8"),
        description: Description {
            name: "English".to_owned(),
            language: Some("en".to_owned()),
            is_default,
            ..Description::default()
        },
        stable_id: None,
        header: TextHeader { lines: Vec::new(), blocks: vec!["STYLE\n::cue {}".to_owned()] },
        cues: cues.clone(),
        ttml: None,
    };
    Arc::new(Presentation {
        periods: bounds,
        streams: vec![Stream {
            uri: "v.m3u8".to_owned(),
            role: StreamRole::variant(),
            declared_bandwidth: 1,
            objects: List::default(),
            source_identity: [0; 16],
            audio_identity: None,
            captions: Default::default(),
            metadata: Vec::new(),
            periods: stream_periods,
        }],
        texts: vec![text("one", true), text("two", true)],
        ..Presentation::default()
    })
}

fn packaging(
    presentation: &Arc<Presentation>,
    package_type: PackageType,
    dash_subtitles: DashSubtitles,
) -> Packaging {
    let configuration = Configuration {
        name: Name::default_manifest(),
        package_type,
        segment_duration: SegmentDuration::new(4).unwrap(),
        manifest_name: Name::default_manifest(),
        stream_selection: StreamSelection::default(),
        filter: None,
        encryption: None,
        on_source_error: OnSourceError::default(),
        audio_layout: Default::default(),
        dash_subtitles,
        program_date_time: Default::default(),
        mpd: Default::default(),
        trick_play: Default::default(),
    };
    Packaging::new(presentation.clone(), "1", &configuration, None).unwrap()
}

const ID: RenditionId = RenditionId { kind: RenditionKind::Text, stream: 0 };

fn cue(start: i64, end: i64, payload: &str) -> Cue {
    Cue { start: Ticks(start), end: Ticks(end), payload: payload.to_owned(), ..Cue::default() }
}

fn plans(packaging: &Packaging, form: TextForm) -> Vec<TextPlan> {
    let periods = 0..packaging.manifest().periods.len();
    let segments = periods.flat_map(|period| {
        let rendition = packaging.manifest().rendition(ID, period).unwrap();
        let times: Vec<Ticks> = rendition.segments.iter().map(|segment| segment.time).collect();
        times.into_iter().map(move |time| (period, time))
    });
    segments.map(|(period, time)| packaging.text(ID, period, time, form).unwrap()).collect()
}

#[test]
fn text_is_cut_where_pictures_are() {
    let presentation = presentation(&[10, 7], Vec::new());
    let packaging = packaging(&presentation, PackageType::HlsCmaf, DashSubtitles::Wvtt);
    let video = RenditionId { kind: RenditionKind::Video, stream: 0 };
    for period in 0..2 {
        let segments = |id| packaging.manifest().rendition(id, period).unwrap().segments.clone();
        let times = |id| segments(id).iter().map(|s| (s.time, s.duration)).collect::<Vec<_>>();
        assert_eq!(times(ID), times(video));
    }
}

#[test]
fn the_map_names_the_start_of_each_period_on_the_clock_of_the_container() {
    let presentation = presentation(&[10, 7], Vec::new());
    let maps = |package_type| -> BTreeSet<(usize, i64, u64)> {
        let packaging = packaging(&presentation, package_type, DashSubtitles::Wvtt);
        let plans = plans(&packaging, TextForm::Files).into_iter();
        plans
            .map(|plan| (plan.period, plan.map.unwrap().local.0, plan.map.unwrap().clock))
            .collect()
    };
    // The second period starts at 10.0213 s, in whole milliseconds 10.021 s.
    let later = 10_021 * 90;
    let of_cmaf = BTreeSet::from([(0, 0, 0), (1, later, later as u64)]);
    let of_ts = BTreeSet::from([(0, 0, 900_000), (1, later, later as u64 + 900_000)]);
    assert_eq!(maps(PackageType::HlsCmaf), of_cmaf);
    assert_eq!(maps(PackageType::Hls), of_ts);
}

#[test]
fn each_form_has_its_own_names_and_no_other() {
    let presentation = presentation(&[10, 7], vec![cue(0, 90, "a")]);
    let hls = packaging(&presentation, PackageType::HlsCmaf, DashSubtitles::Wvtt);
    let dash = packaging(&presentation, PackageType::Dash, DashSubtitles::Wvtt);
    let beside = packaging(&presentation, PackageType::Dash, DashSubtitles::Sidecar);
    let first = Ticks(1_920);
    let has = |packaging: &Packaging, form| packaging.text(ID, 0, first, form).is_some();
    let forms = [TextForm::Files, TextForm::Fragments, TextForm::Whole];
    assert_eq!(forms.map(|form| has(&hls, form)), [true, false, false]);
    assert_eq!(forms.map(|form| has(&dash, form)), [false, true, false]);
    assert_eq!(forms.map(|form| has(&beside, form)), [false, false, true]);
    assert!(dash.text_init(ID, 1).is_some() && hls.text_init(ID, 1).is_none());
    assert!(hls.text(ID, 0, Ticks(1_921), TextForm::Files).is_none());
    let whole = beside.whole_text(ID, 1, TextFormat::WebVtt).unwrap();
    assert!(whole.key().ends_with("/text-1/1/period.vtt"), "{}", whole.key());
    assert_eq!((whole.origin(), whole.map), (whole.time, None));
    let count = |packaging: &Packaging, is_meant: fn(&Target) -> bool| {
        packaging.targets().iter().filter(|target| is_meant(target)).count()
    };
    // Two texts, each with three and two segments, or one file for each of two periods.
    assert_eq!(count(&dash, |target| matches!(target, Target::Text { .. })), 10);
    assert_eq!(count(&beside, |target| matches!(target, Target::PeriodText { .. })), 4);
    // What decides the bytes decides the names, and nothing else does.
    assert_eq!(hls.segments(), dash.segments());
    assert_ne!(dash.playlists(), beside.playlists());
}

/// TTML is in fragments wherever there are fragments, and WebVTT where there are none.
#[test]
fn documents_are_wrapped_by_what_can_carry_them() {
    let mut presentation = Arc::unwrap_or_clone(presentation(&[10, 7], vec![cue(0, 90, "a")]));
    let parts = vec![
        TtmlPart::Start(TtmlStart {
            tag: "p".to_owned(),
            length: 0,
            begin: Ticks(5 * SECOND),
            end: Some(Ticks(11 * SECOND)),
            is_timed: true,
        }),
        TtmlPart::End("p".to_owned()),
    ];
    let body = TtmlBody { parts, ..TtmlBody::default() };
    let text = TtmlText { bodies: vec![body], ..TtmlText::default() };
    presentation.texts[0].ttml = Some(text.clone());
    let mixed = Arc::new(presentation.clone());
    presentation.texts[1].ttml = Some(text.clone());
    let presentation = Arc::new(presentation);
    let first = Ticks(1_920);
    for (package_type, subtitles, form, extension) in [
        (PackageType::Hls, DashSubtitles::Wvtt, TextForm::Files, "vtt"),
        (PackageType::HlsCmaf, DashSubtitles::Sidecar, TextForm::Fragments, "m4s"),
        (PackageType::Dash, DashSubtitles::Wvtt, TextForm::Fragments, "m4s"),
        (PackageType::Dash, DashSubtitles::Sidecar, TextForm::Whole, "ttml"),
    ] {
        let packaging = packaging(&presentation, package_type, subtitles);
        let plan = packaging.text(ID, 0, first, form).unwrap();
        assert!(plan.key().ends_with(&format!(".{extension}")), "{}", plan.key());
        let listed = packaging.manifest().rendition(ID, 0).unwrap();
        assert_eq!((listed.extension, listed.init.is_some()), (extension, extension == "m4s"));
        let codecs = &packaging.manifest().offers[0].codecs;
        let is_named = codecs.contains(&"stpp.ttml.im1t".to_owned());
        assert_eq!(is_named, extension == "m4s", "{codecs:?}");
        if form != TextForm::Files {
            let document = ttml::document_bytes(&text, plan.time, plan.end, plan.origin());
            let around = match form {
                TextForm::Fragments => fragment_layout(1).header_bytes(),
                _ => 0,
            };
            assert_eq!(plan.bytes, document + around);
        }
        let other = TextFormat::WebVtt;
        assert!(packaging.whole_text(ID, 0, other).is_none(), "it is no {other:?}");
    }
    // Beside WebVTT it is WebVTT in HLS, and what it is in DASH.
    let has = |package_type, form| {
        let packaging = packaging(&mixed, package_type, DashSubtitles::Wvtt);
        packaging.text(ID, 0, first, form).is_some()
    };
    assert!(has(PackageType::HlsCmaf, TextForm::Files));
    assert!(has(PackageType::Dash, TextForm::Fragments));
    // The paragraph is in the file of both periods, with times that count from the start of each.
    let packaging = packaging(&presentation, PackageType::Dash, DashSubtitles::Sidecar);
    let files = [0, 1].map(|period| {
        let plan = packaging.whole_text(ID, period, TextFormat::Imsc).unwrap();
        let file = ttml::document(&text, plan.time, plan.end, plan.origin());
        let file = String::from_utf8(file).unwrap();
        file.split("<p").nth(1).unwrap().split('/').next().unwrap().to_owned()
    });
    let expected = [
        " begin=\"00:00:04.978667\" end=\"00:00:10.978667\"",
        " begin=\"00:00:00.000\" end=\"00:00:00.978667\"",
    ];
    assert_eq!(files, expected);
}

#[test]
fn names_differ_and_one_at_most_is_the_default() {
    let words = descriptions(&presentation(&[4], Vec::new()));
    let told: Vec<(&str, bool)> =
        words.iter().map(|words| (words.name.as_str(), words.is_default)).collect();
    assert_eq!(told, [("English", true), ("English 2", false)]);
}

proptest! {
    /// The segments together have all cues, each in every segment during which it is shown, and each
    /// is as large as planned.
    #[test]
    fn no_cue_is_lost_and_sizes_are_exact(
        cues in proptest::collection::vec((0_i64..1_600_000, 1_i64..900_000), 0..15),
    ) {
        let mut cues: Vec<Cue> = cues
            .iter()
            .enumerate()
            .map(|(index, (start, length))| cue(*start, start + length, &format!("c{index}")))
            .collect();
        cues.sort_by_key(|cue| cue.start);
        let presentation = presentation(&[10, 7], cues.clone());
        for (package_type, subtitles, form) in [
            (PackageType::Hls, DashSubtitles::Wvtt, TextForm::Files),
            (PackageType::Dash, DashSubtitles::Wvtt, TextForm::Fragments),
            (PackageType::Dash, DashSubtitles::Sidecar, TextForm::Whole),
        ] {
            let packaging = packaging(&presentation, package_type, subtitles);
            let mut seen = BTreeSet::new();
            for plan in plans(&packaging, form) {
                let is_shown = |cue: &&Cue| cue.start < plan.end && cue.end > plan.time;
                let wanted: Vec<&Cue> = cues.iter().filter(is_shown).collect();
                let own: Vec<&Cue> = plan.cues().into_iter().map(|(_, cue)| cue).collect();
                prop_assert_eq!(&own, &wanted);
                seen.extend(own.iter().map(|cue| cue.payload.clone()));
                let bytes = match form {
                    TextForm::Fragments => {
                        let samples = sample::samples(&plan.cues(), plan.time, plan.end);
                        let mut bytes = Vec::new();
                        sample::write(&mut bytes, &plan.cues(), &samples);
                        bytes.len() as u64 + fragment_layout(samples.len()).header_bytes()
                    }
                    _ => {
                        let text = plan.text().unwrap();
                        let own = own.into_iter();
                        webvtt::file(&text.header, plan.map, own, plan.origin()).len() as u64
                    }
                };
                prop_assert_eq!(plan.bytes, bytes);
            }
            let shown = cues.iter().filter(|cue| cue.end.0 > 1_920 && cue.start.0 < 1_920 + 17 * SECOND);
            prop_assert_eq!(seen, shown.map(|cue| cue.payload.clone()).collect());
        }
    }
}
