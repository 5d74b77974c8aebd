//! What manifests call things, and what they repeat of the source's words.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::*;
use crate::model::codec::{
    AvcConfig, CodecConfig, Colour, HevcConfig, MpegAudioConfig, PictureFormat, StreamSyntax,
};
use crate::model::encryption::{Encryption, KeyProvider};
use crate::model::policy::{Name, ProgramDateTime, SegmentDuration, TrickPlay};
use crate::model::presentation::{Group, Period, StreamPeriod, StreamRole};
use crate::model::protection::{
    ContentKey, DrmSystem, KeyId, KeyRule, ProtectionScheme, RuleKey, TrackType,
};
use crate::model::sample::RandomAccess;
use crate::model::session::{SupplementalCodec, VariantWords};
use crate::model::wall_clock::{Anchor, WallClock};
use crate::time::Timescale;

const LENGTH: i64 = 2 * 90_000;

pub(super) fn track(codec: CodecConfig, syntax: StreamSyntax) -> Track {
    Track {
        pid: 0x100,
        syntax,
        codec,
        timescale: Timescale::MPEG,
        sample_duration: 3_600,
        clock_offset: Ticks::ZERO,
        transport_delay: 0,
        end: Ticks(LENGTH),
        groups: vec![Group {
            samples: 50,
            payload_bytes: 100_000,
            uniform_duration: Some(3_600),
            ts_payload_packets: 600,
            access: RandomAccess::Instant,
            ..Group::default()
        }]
        .into(),
    }
}

fn picture(width: u16, transfer: u8) -> PictureFormat {
    PictureFormat {
        width: width.into(),
        height: (width / 16 * 9).into(),
        colour: Some(Colour { primaries: 9, transfer, matrix: 9, full_range: false }),
        ..PictureFormat::default()
    }
}

pub(super) fn avc(width: u16) -> Track {
    let codec = AvcConfig {
        profile_idc: 100,
        constraints: 0,
        level_idc: 30,
        picture: picture(width, 1),
        sequence_parameter_sets: vec![vec![0x67; 20]],
        picture_parameter_sets: vec![vec![0x68; 4]],
    };
    track(CodecConfig::Avc(codec), StreamSyntax::H264)
}

fn hevc(transfer: u8) -> Track {
    let codec = HevcConfig {
        profile_space: 0,
        high_tier: false,
        profile_idc: 2,
        compatibility: 1 << 29,
        constraints: [0x90, 0, 0, 0, 0, 0],
        level_idc: 120,
        min_spatial_segmentation: 0,
        temporal_layers: 1,
        temporal_id_nested: true,
        picture: picture(1_920, transfer),
        video_parameter_sets: vec![vec![0x40, 1]],
        sequence_parameter_sets: vec![vec![0x42, 1]],
        picture_parameter_sets: vec![vec![0x44, 1]],
    };
    track(CodecConfig::Hevc(codec), StreamSyntax::H265)
}

fn title(streams: Vec<(StreamRole, StreamPeriod)>) -> Arc<Presentation> {
    let streams = streams.into_iter().enumerate().map(|(index, (role, period))| Stream {
        uri: format!("{index}.m3u8"),
        role,
        declared_bandwidth: 1 + index as u64,
        periods: vec![period],
        ..Stream::default()
    });
    Arc::new(Presentation {
        periods: vec![Period { start: Ticks::ZERO, duration: Ticks(LENGTH) }],
        streams: streams.collect(),
        ..Presentation::default()
    })
}

fn shown(video: Track) -> (StreamRole, StreamPeriod) {
    (StreamRole::variant(), StreamPeriod { video: Some(video), audio: None })
}

pub(super) fn configuration(package_type: PackageType) -> Configuration {
    Configuration {
        name: Name::new("test").unwrap(),
        package_type,
        segment_duration: SegmentDuration::DEFAULT,
        manifest_name: Name::default_manifest(),
        stream_selection: StreamSelection::default(),
        encryption: None,
        on_source_error: OnSourceError::Fail,
        trick_play: TrickPlay::All,
        dash_subtitles: Default::default(),
        program_date_time: Default::default(),
        mpd: Default::default(),
        filter: None,
        audio_layout: Default::default(),
    }
}

pub(super) fn encrypting(package_type: PackageType, scheme: ProtectionScheme) -> Configuration {
    let encryption = Encryption {
        scheme,
        systems: vec![DrmSystem::PlainKey],
        keys: KeyProvider::Static(Vec::new()),
        constant_iv: None,
        clear_lead_segments: 0,
        license_urls: BTreeMap::new(),
    };
    Configuration { encryption: Some(encryption), ..configuration(package_type) }
}

/// The number of the set of each rendition.
fn numbers(packaging: &Packaging) -> Vec<(String, u32)> {
    let sets = packaging.manifest().periods.iter().flat_map(|period| &period.sets);
    let of_set = sets.flat_map(|set| set.renditions.iter().map(|r| (r.id.to_string(), set.number)));
    let mut numbers: Vec<_> = of_set.collect();
    numbers.sort();
    numbers
}

#[test]
fn sets_keep_their_numbers_whatever_is_selected_or_encrypted() {
    let title = title(vec![shown(avc(640)), shown(hevc(1)), shown(avc(1_280)), shown(avc(1_920))]);
    let plan = |configuration: &Configuration, keys| {
        numbers(&Packaging::new(title.clone(), "1", configuration, keys).unwrap())
    };
    let named = |names: &[(&str, u32)]| -> Vec<(String, u32)> {
        names.iter().map(|&(name, number)| (name.to_owned(), number)).collect()
    };
    let all = named(&[("video-1", 1), ("video-2", 2), ("video-3", 1), ("video-4", 1)]);
    let clear = configuration(PackageType::Dash);
    assert_eq!(plan(&clear, None), all);
    let selection = |order, from| Configuration {
        stream_selection: StreamSelection {
            order,
            min_video_bits_per_second: from,
            ..StreamSelection::default()
        },
        ..clear.clone()
    };
    assert_eq!(plan(&selection(StreamOrder::VideoBitrateDescending, 0), None), all);
    // The first stream of the set is not offered and gives it its number all the same.
    assert_eq!(plan(&selection(StreamOrder::Original, 2), None), all[1..]);
    let encrypted = |types: &[TrackType]| {
        let keys = KeyRule::of(types).into_iter().zip(1..).map(|(rule, number)| {
            let key = ContentKey::new(KeyId([number; 16]), Zeroizing::new([2; 16]), None);
            RuleKey { rule, key: Arc::new(key), signalling: Arc::default() }
        });
        let scheme = ProtectionScheme::Cenc;
        let keys = Arc::new(KeySet { scheme, keys: keys.collect() });
        plan(&encrypting(PackageType::Dash, scheme), Some(keys))
    };
    assert_eq!(encrypted(&[TrackType::All]), all);
    // What has a key of its own is a set of its own; the rest keeps its number.
    assert_eq!(
        encrypted(&[TrackType::Sd, TrackType::Hd]),
        named(&[("video-1", 1), ("video-2", 2), ("video-3", 3), ("video-4", 3)])
    );
}

#[test]
fn dolby_vision_is_told_where_the_pictures_are_what_it_says() {
    let offered = |transfer, words: &str, package_type| {
        let (mut role, period) = shown(hevc(transfer));
        role.words =
            VariantWords { supplemental_codecs: Some(words.to_owned()), ..VariantWords::default() };
        let title = title(vec![(role, period), shown(avc(640))]);
        let packaging = Packaging::new(title, "1", &configuration(package_type), None).unwrap();
        packaging.manifest().session.supplemental.get(&0).cloned()
    };
    let vision = |brand: &str| {
        Some(SupplementalCodec { codec: "dvh1.08.07".to_owned(), brand: brand.to_owned() })
    };
    for package_type in [PackageType::Dash, PackageType::HlsCmaf] {
        assert_eq!(offered(18, "dvh1.08.07/db4h", package_type), vision("db4h"));
        assert_eq!(offered(16, "x, dvh1.08.07/cdm4/db1p", package_type), vision("db1p"));
        assert_eq!(offered(1, "dvh1.08.07/db2g", package_type), vision("db2g"));
        for (transfer, words) in [
            (16, "dvh1.08.07/db4h"),
            (18, "dvh1.08.07"),
            (18, "dvh1.05.07/db4h"),
            (18, "dvhe.08.07/db4h"),
            (18, "dvh1.08.7/db4h"),
            (18, "dvh1.08.ab/db4h"),
            (18, "av01.0.08M.10/db4h"),
            (18, ""),
        ] {
            assert_eq!(offered(transfer, words, package_type), None, "{words}");
        }
    }
    // Transport streams carry no HEVC.
    assert_eq!(offered(18, "dvh1.08.07/db4h", PackageType::Hls), None);
}

#[test]
fn what_encryption_has_no_word_for_is_told() {
    let sound = CodecConfig::MpegAudio(MpegAudioConfig {
        layer: 3,
        is_mpeg1: true,
        sampling_frequency: 48_000,
        channels: 2,
    });
    let sound = track(sound, StreamSyntax::MpegAudio);
    let muxed = StreamPeriod { video: Some(avc(640)), audio: Some(sound.clone()) };
    let with_pictures = title(vec![(StreamRole::variant(), muxed)]);
    let alone = StreamPeriod { video: None, audio: Some(sound) };
    let alone = title(vec![(StreamRole::variant(), alone)]);
    let sample_aes = encrypting(PackageType::Hls, ProtectionScheme::HlsSampleAes);
    let told = left_out(&with_pictures, &sample_aes).unwrap();
    assert!(matches!(&told[..], [one] if one.what == "MP3" && one.reason.contains("SAMPLE-AES")));
    assert_eq!(left_out(&alone, &sample_aes).unwrap_err().kind(), Kind::UnsupportedCodec);
    for (package_type, scheme) in [
        (PackageType::Hls, ProtectionScheme::HlsAes128),
        (PackageType::Dash, ProtectionScheme::Cbcs),
    ] {
        assert_eq!(left_out(&with_pictures, &encrypting(package_type, scheme)).unwrap(), []);
    }
    assert_eq!(left_out(&with_pictures, &configuration(PackageType::Hls)).unwrap(), []);
}

#[test]
fn dates_change_playlists_and_no_segment() {
    let whole = title(vec![shown(avc(640))]);
    let dated = Arc::new(Presentation {
        wall_clock: WallClock::new(vec![Anchor { time: Ticks::ZERO, unix_milliseconds: 1 }]),
        ..Presentation::clone(&whole)
    });
    let plain = configuration(PackageType::Hls);
    let wanted = Configuration { program_date_time: ProgramDateTime::FromSource, ..plain.clone() };
    let plan = |title: &Arc<Presentation>, configuration| {
        Packaging::new(title.clone(), "1", configuration, None).unwrap()
    };
    let (with, without) = (plan(&dated, &wanted), plan(&dated, &plain));
    assert!(with.manifest().dates.is_some() && without.manifest().dates.is_none());
    assert_eq!(with.segments(), without.segments());
    assert_ne!(with.playlists(), without.playlists());
    // What the source does not date is not dated.
    assert_eq!(plan(&whole, &wanted).manifest().dates, None);
}
