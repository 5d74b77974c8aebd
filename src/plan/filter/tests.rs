//! Filters on a made-up manifest: pictures of two sizes and codecs, sound in three codecs.

use super::apply::{filtered, is_language_in};
use super::parse;
use crate::model::codec::{
    AacConfig, AacExtension, Ac3Config, AvcConfig, CodecConfig, PictureFormat,
};
use crate::model::description::Description;
use crate::model::manifest::{
    AdaptationSet, AudioGroup, AudioMember, Healing, Manifest, ManifestPeriod, ManifestRendition,
    ManifestSegment, Offer, RenditionId, RenditionKind,
};
use crate::model::policy::Container;
use crate::model::presentation::Medium;
use crate::time::{Ticks, Timescale};

const SECOND: i64 = 90_000;

fn avc(height: u32) -> CodecConfig {
    CodecConfig::Avc(AvcConfig {
        profile_idc: 66,
        constraints: 0,
        level_idc: 30,
        picture: PictureFormat { width: height * 16 / 9, height, ..PictureFormat::default() },
        sequence_parameter_sets: Vec::new(),
        picture_parameter_sets: Vec::new(),
    })
}

fn aac(extension: AacExtension) -> CodecConfig {
    CodecConfig::Aac(AacConfig {
        object_type: 2,
        sampling_frequency: 24_000,
        frequency_index: 6,
        channel_configuration: 2,
        extension,
    })
}

/// 5.1 channels at 48 kHz.
fn ac3() -> CodecConfig {
    let (fscod, bsid, bsmod, acmod, lfe, bit_rate_code) = (0, 8, 0, 7, true, 10);
    CodecConfig::Ac3(Ac3Config { fscod, bsid, bsmod, acmod, lfe, bit_rate_code })
}

fn id(name: &str) -> RenditionId {
    RenditionId::parse(name).unwrap()
}

/// A rendition of one segment of ten seconds, `kilobits` a second.
fn rendition(name: &str, codecs: Vec<CodecConfig>, kilobits: u64) -> ManifestRendition {
    let has_pictures = codecs.iter().any(|codec| codec.medium() == Medium::Video);
    let (time, duration, bytes) = (Ticks::ZERO, Ticks(10 * SECOND), kilobits * 1_250);
    let segment = ManifestSegment { time, duration, bytes, healing: Healing::None };
    ManifestRendition {
        segments_before: 0,
        constant_duration: None,
        has_tags: false,
        id: id(name),
        description: None,
        codecs,
        frame_rate: has_pictures.then_some((30_000, 1_001)),
        max_playout_rate: None,
        peak_bandwidth: kilobits * 1_000,
        average_bandwidth: kilobits * 1_000,
        timescale: Timescale::MPEG,
        presentation_time_offset: Ticks::ZERO,
        directory: format!("../s/{name}/0"),
        init: None,
        extension: "m4s",
        segments: [segment].into(),
        protection: None,
        text: None,
        access_type: 1,
    }
}

fn set(kind: RenditionKind, renditions: Vec<ManifestRendition>) -> AdaptationSet {
    let (aligned, continues) = (true, false);
    AdaptationSet {
        kind,
        aligned,
        continues,
        renditions,
        switchable_with: Vec::new(),
        trick_of: None,
        is_hidden: false,
        number: 1,
    }
}

/// Sound of a language; without a rendition where it is inside of what is shown.
fn member(rendition: Option<&str>, language: Option<&str>) -> AudioMember {
    let description =
        Description { language: language.map(str::to_owned), ..Description::default() };
    AudioMember { rendition: rendition.map(id), description: description.into(), channels: None }
}

fn manifest(
    sets: Vec<AdaptationSet>,
    offers: &[(&str, Option<usize>)],
    groups: Vec<Vec<AudioMember>>,
) -> Manifest {
    let offer = |&(main, audio): &(&str, Option<usize>)| Offer {
        main: id(main),
        audio,
        codecs: Vec::new(),
        peak_bandwidth: 0,
        average_bandwidth: 0,
    };
    let group = |(index, members): (usize, Vec<AudioMember>)| AudioGroup {
        id: format!("group {index}"),
        source: String::new(),
        members,
    };
    Manifest {
        mpd: Default::default(),
        markers: Default::default(),
        dates: None,
        origin: Ticks::ZERO,
        texts: Vec::new(),
        session: Default::default(),
        captions: Default::default(),
        duration: Ticks(10 * SECOND),
        longest_segment: Ticks(10 * SECOND),
        periods: vec![ManifestPeriod { start: Ticks::ZERO, duration: Ticks(10 * SECOND), sets }],
        offers: offers.iter().map(offer).collect(),
        trick_offers: Vec::new(),
        audio_groups: groups.into_iter().enumerate().map(group).collect(),
        playlist_directory: "../p".to_owned(),
        clip: None,
    }
}

/// Pictures and sound in renditions of their own.
fn separate() -> Manifest {
    let video =
        vec![rendition("video-1", vec![avc(720)], 900), rendition("video-2", vec![avc(360)], 300)];
    let mut lost = set(RenditionKind::Audio, vec![rendition("audio-2", vec![ac3()], 192)]);
    lost.switchable_with = vec![1];
    let sets = vec![
        set(RenditionKind::Video, video),
        set(RenditionKind::Audio, vec![rendition("audio-1", vec![aac(AacExtension::Sbr)], 64)]),
        lost,
    ];
    let groups = vec![vec![member(Some("audio-1"), None)], vec![member(Some("audio-2"), None)]];
    manifest(sets, &[("video-1", Some(0)), ("video-2", Some(1))], groups)
}

/// Both in one stream.
fn muxed() -> Manifest {
    let renditions = vec![
        rendition("av-1", vec![avc(720), aac(AacExtension::None)], 1_000),
        rendition("av-2", vec![avc(360), ac3()], 500),
        rendition("av-3", vec![avc(240)], 200),
    ];
    let offers = [("av-1", None), ("av-2", None), ("av-3", None)];
    manifest(vec![set(RenditionKind::Muxed, renditions)], &offers, Vec::new())
}

fn apply(manifest: &Manifest, filter: &str) -> Option<Manifest> {
    let rate = |id: RenditionId, _, medium| match medium {
        Medium::Video => Some([936_000, 308_000, 200_000][id.stream]),
        _ => Some(64_000 + 128_000 * id.stream as u64),
    };
    filtered(manifest, &parse(filter).unwrap(), Container::Cmaf, &rate)
}

/// `video-1+audio-1/inside`: what is shown, and what people can choose to hear with it.
fn heard(manifest: &Manifest, offer: &Offer) -> String {
    let Some(place) = offer.audio else { return offer.main.to_string() };
    let name = |member: &AudioMember| {
        member.rendition.map_or("inside".to_owned(), |rendition| rendition.to_string())
    };
    let names: Vec<String> = manifest.audio_groups[place].members.iter().map(name).collect();
    format!("{}+{}", offer.main, names.join("/"))
}

/// What is left, set by set.
fn left(manifest: &Manifest, filter: &str) -> String {
    let Some(left) = apply(manifest, filter) else { return "nothing".to_owned() };
    let [period] = left.periods.as_slice() else { panic!("periods stay") };
    let names = |set: &AdaptationSet| {
        let names = set.renditions.iter().map(|rendition| rendition.id.to_string());
        names.collect::<Vec<_>>().join(",")
    };
    period.sets.iter().map(names).collect::<Vec<_>>().join(" | ")
}

#[test]
fn each_property_decides_on_renditions_that_have_it() {
    for (filter, wanted) in [
        ("video_height:0-360", "video-2 | audio-1 | audio-2"),
        ("video_height:361-719,720", "video-1 | audio-1 | audio-2"),
        ("video_height:361-719", " | audio-1 | audio-2"),
        ("video_bitrate:300000", "video-2 | audio-1 | audio-2"),
        ("video_bitrate:300001-2147483647", "video-1 | audio-1 | audio-2"),
        ("video_codec:h264", "video-1,video-2 | audio-1 | audio-2"),
        ("video_codec:h265", " | audio-1 | audio-2"),
        ("video_framerate:29.97", "video-1,video-2 | audio-1 | audio-2"),
        ("video_framerate:29.971-60,24-29.969", " | audio-1 | audio-2"),
        ("video_dynamic_range:sdr", "video-1,video-2 | audio-1 | audio-2"),
        ("video_dynamic_range:hdr10,hlg", " | audio-1 | audio-2"),
        ("audio_codec:aach", "video-1,video-2 | audio-1 | "),
        ("audio_codec:aacl", "video-1,video-2 |  | "),
        ("audio_codec:ac-3,aach", "video-1,video-2 | audio-1 | audio-2"),
        ("audio_channels:6", "video-1,video-2 |  | audio-2"),
        ("audio_sample_rate:48000", "video-1,video-2 | audio-1 | audio-2"),
        ("audio_sample_rate:0-24000", "video-1,video-2 |  | "),
        ("audio_bitrate:0-64000", "video-1,video-2 | audio-1 | "),
        ("audio_language:und,fr", "video-1,video-2 | audio-1 | audio-2"),
        ("audio_language:dahlia", "video-1,video-2 |  | "),
        ("subtitle_language:en", "video-1,video-2 | audio-1 | audio-2"),
        ("trickplay_type:image;trickplay_height:0", "video-1,video-2 | audio-1 | audio-2"),
        ("video_height:720;audio_codec:ac-3", "video-1 |  | audio-2"),
        ("video_height:1;audio_channels:1", "nothing"),
    ] {
        assert_eq!(left(&separate(), filter), wanted, "{filter}");
    }
}

#[test]
fn what_excludes_the_sound_of_a_muxed_stream_excludes_the_stream() {
    for (filter, wanted) in [
        ("audio_codec:aacl", "av-1,av-3"),
        ("audio_channels:6", "av-2,av-3"),
        ("audio_language:fr", "av-3"),
        ("video_height:0-360", "av-2,av-3"),
        ("video_height:0-360;audio_codec:aacl", "av-3"),
        ("video_height:720;audio_codec:ac-3", "nothing"),
        // Of each medium's own bytes.
        ("video_bitrate:936000", "av-1"),
        ("audio_bitrate:0-64000", "av-1,av-3"),
    ] {
        assert_eq!(left(&muxed(), filter), wanted, "{filter}");
    }
}

#[test]
fn offers_are_what_can_still_be_played_together() {
    let shown = |filter: &str| -> Vec<String> {
        let left = apply(&separate(), filter).unwrap();
        let show = |offer: &Offer| {
            let codecs = offer.codecs.join(",");
            format!("{} {codecs} {}", heard(&left, offer), offer.peak_bandwidth)
        };
        left.offers.iter().map(show).collect()
    };
    assert_eq!(shown("video_height:720"), ["video-1+audio-1 avc1.42001e,mp4a.40.5 964000"]);
    let silent = ["video-1+audio-1 avc1.42001e,mp4a.40.5 964000", "video-2 avc1.42001e 300000"];
    assert_eq!(shown("audio_codec:aach"), silent);
    let sound = ["audio-1 mp4a.40.5 64000", "audio-2 ac-3 192000"];
    assert_eq!(shown("video_height:1"), sound);
}

/// English and German apart from the pictures, in two codecs.
fn languages() -> Manifest {
    let mut audio = vec![
        rendition("audio-3", vec![aac(AacExtension::None)], 64),
        rendition("audio-4", vec![aac(AacExtension::None)], 60),
        rendition("audio-5", vec![ac3()], 192),
        rendition("audio-6", vec![ac3()], 192),
    ];
    let members = |names: [&str; 2]| {
        vec![member(Some(names[0]), Some("en-GB")), member(Some(names[1]), Some("de"))]
    };
    let groups = vec![members(["audio-3", "audio-4"]), members(["audio-5", "audio-6"])];
    for (rendition, member) in audio.iter_mut().zip(groups.iter().flatten()) {
        rendition.description = Some(member.description.clone());
    }
    let mut sets = vec![set(RenditionKind::Video, vec![rendition("video-1", vec![avc(720)], 900)])];
    sets.extend(audio.into_iter().map(|one| set(RenditionKind::Audio, vec![one])));
    manifest(sets, &[("video-1", Some(0)), ("video-1", Some(1))], groups)
}

#[test]
fn languages_and_codecs_choose_among_groups() {
    for (filter, wanted) in [
        ("audio_language:en,de", "video-1+audio-3/audio-4 video-1+audio-5/audio-6"),
        ("audio_language:EN", "video-1+audio-3 video-1+audio-5"),
        ("audio_language:en-gb;audio_codec:ac-3", "video-1+audio-5"),
        ("audio_codec:aacl", "video-1+audio-3/audio-4"),
        // Both groups are gone, and one offer without sound is enough.
        ("audio_language:fr", "video-1"),
        ("video_height:1", "audio-3+audio-3/audio-4 audio-5+audio-5/audio-6"),
        ("video_height:1;audio_language:de", "audio-4 audio-6"),
    ] {
        let left = apply(&languages(), filter).unwrap();
        let offers: Vec<_> = left.offers.iter().map(|offer| heard(&left, offer)).collect();
        assert_eq!(offers.join(" "), wanted, "{filter}");
        let named: Vec<_> = left.offers.iter().filter_map(|offer| offer.audio).collect();
        assert!((0..left.audio_groups.len()).all(|place| named.contains(&place)), "{filter}");
    }
}

#[test]
fn sound_inside_of_a_stream_is_left_unheard_where_there_is_other_sound() {
    let stream = rendition("av-1", vec![avc(720), aac(AacExtension::None)], 1_000);
    let mut other = rendition("audio-3", vec![aac(AacExtension::None)], 64);
    let members = vec![member(None, Some("en")), member(Some("audio-3"), Some("de"))];
    other.description = Some(members[1].description.clone());
    let sets =
        vec![set(RenditionKind::Muxed, vec![stream]), set(RenditionKind::Audio, vec![other])];
    let whole = manifest(sets, &[("av-1", Some(0))], vec![members]);
    for (filter, wanted) in [
        ("audio_language:en,de", "av-1+inside/audio-3"),
        ("audio_language:en", "av-1+inside"),
        ("audio_language:de", "av-1+audio-3"),
        // A player that cannot decode what is inside cannot use the stream.
        ("audio_codec:ac-3;audio_language:de", "nothing"),
        ("audio_language:fr", "nothing"),
    ] {
        let shown = apply(&whole, filter).map_or("nothing".to_owned(), |left| {
            let offers: Vec<_> = left.offers.iter().map(|offer| heard(&left, offer)).collect();
            offers.join(" ")
        });
        assert_eq!(shown, wanted, "{filter}");
    }
}

#[test]
fn nobody_is_sent_to_a_set_that_is_gone() {
    let links =
        |filter| apply(&separate(), filter).unwrap().periods[0].sets[2].switchable_with.clone();
    assert_eq!(links("audio_codec:aach,ac-3"), [1]);
    assert_eq!(links("audio_codec:ac-3"), [0_usize; 0]);
}

#[test]
fn a_rendition_has_to_fit_in_every_period() {
    let mut changing = separate();
    let mut second = changing.periods[0].clone();
    second.sets[0].renditions[1].codecs = vec![avc(480)];
    changing.periods.push(second);
    let left = apply(&changing, "video_height:0-360,720").unwrap();
    for period in &left.periods {
        let names: Vec<_> = period.sets[0].renditions.iter().map(|r| r.id).collect();
        assert_eq!(names, [id("video-1")]);
    }
}

#[test]
fn languages_lie_in_ranges() {
    for (language, range, wanted) in [
        ("en", "en", true),
        ("en-gb", "en", true),
        ("en", "en-gb", false),
        ("eng", "en", false),
        ("und", "en", false),
    ] {
        assert_eq!(is_language_in(language, range), wanted, "{language} {range}");
    }
}
