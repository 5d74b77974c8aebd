use super::*;
use crate::model::caption::{Caption, CaptionService};
use crate::model::codec::{AacConfig, AacExtension, AvcConfig, CodecConfig, PictureFormat};
use crate::model::description::Description;
use crate::model::groups::{Groups, Outline, Sums};
use crate::model::marker::Marker;
use crate::model::presentation::{
    Group, Medium, SoundRole, SourcePosition, StillPicture, StreamRole, SubsampleCounts,
};
use crate::model::sample::RandomAccess;
use crate::model::session::{
    Session, SessionContent, SessionData, SessionFormat, StartPoint, VariantWords,
};
use crate::model::text::{Cue, TextHeader, TextStream};
use crate::model::ttml::{TtmlBody, TtmlHead, TtmlPart, TtmlStart, TtmlText};
use crate::model::wall_clock::{Anchor, WallClock};
use proptest::prelude::*;
use std::borrow::Cow;

fn group() -> impl Strategy<Value = Group> {
    let position =
        (0_u32..100, 0_u64..1 << 39).prop_map(|(object, offset)| SourcePosition { object, offset });
    let numbers = (any::<u8>(), -1_000_000_i64..1 << 40, 0_u32..1 << 20);
    let counts = (any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>());
    let optional = proptest::option::of(0_u32..1 << 20);
    let still = (position.clone(), any::<u8>(), 0_u32..u32::MAX, any::<(u32, u32, u16)>());
    let still = still.prop_map(|(end, last, bytes, (cenc, cbcs, most))| StillPicture {
        end,
        last,
        bytes,
        subsamples: SubsampleCounts { cenc, cbcs, most },
    });
    let pictures = (optional.clone(), optional, proptest::option::of(still));
    (position.clone(), position, numbers, counts, pictures).prop_map(
        |(start, end, (skip, time, decode_delay), counts, pictures)| Group {
            pes_left: pictures.0,
            start,
            end,
            skip,
            time: Ticks(time),
            decode_delay,
            samples: counts.0,
            payload_bytes: counts.1,
            uniform_duration: pictures.1,
            ts_payload_packets: counts.2,
            ts_clock_packets: counts.3,
            subsamples: SubsampleCounts { cenc: counts.1, cbcs: counts.3, most: 77 },
            lead: i64::from(counts.2) - (1 << 31),
            access: match counts.0 % 3 {
                0 => RandomAccess::None,
                _ => RandomAccess::Recovery,
            },
            left_out: counts.0 & 0xF,
            undecodable: counts.1 >> 1,
            still: pictures.2,
        },
    )
}

fn presentation(groups: Vec<Group>) -> Presentation {
    let avc = AvcConfig {
        profile_idc: 100,
        constraints: 1,
        level_idc: 30,
        picture: PictureFormat {
            width: 640,
            height: 360,
            sample_aspect_ratio: (1, 1),
            ..PictureFormat::default()
        },
        sequence_parameter_sets: vec![vec![0x67, 1]],
        picture_parameter_sets: vec![vec![0x68], vec![]],
    };
    let aac = AacConfig {
        object_type: 2,
        sampling_frequency: 24_000,
        frequency_index: 6,
        channel_configuration: 2,
        extension: AacExtension::Sbr,
    };
    let track = |codec, hertz| Track {
        pid: 257,
        syntax: StreamSyntax::Latm,
        codec,
        timescale: Timescale::new(hertz).unwrap(),
        sample_duration: 3_003,
        clock_offset: Ticks(-5),
        transport_delay: 6,
        groups: groups.clone().into(),
        end: Ticks(1 << 41),
    };
    Presentation {
        periods: vec![Period { start: Ticks(7), duration: Ticks(1 << 40) }],
        session: Session {
            start: Some(StartPoint { offset: Ticks(-90_000), precise: true }),
            data: vec![SessionData {
                id: "com.example".to_owned(),
                language: Some("de".to_owned()),
                content: SessionContent::File(b"{}".to_vec(), SessionFormat::Raw),
            }],
        },
        markers: vec![Marker {
            id: "ä".to_owned(),
            time: Ticks(-7),
            duration: Some(Ticks(1 << 40)),
            out: Some(vec![0xFC]),
            attributes: vec![("X-A".to_owned(), "\"b\"".to_owned())],
            ..Marker::default()
        }],
        wall_clock: WallClock::new(vec![Anchor { time: Ticks(-3), unix_milliseconds: -1 }]),
        texts: vec![TextStream {
            uri: "t.m3u8".to_owned(),
            description: Description { is_forced: true, ..Description::default() },
            stable_id: Some("text+1".to_owned()),
            header: TextHeader {
                lines: vec!["Kind: captions".to_owned()],
                blocks: vec!["STYLE\n::cue {}".to_owned()],
            },
            cues: vec![Cue {
                start: Ticks(-3),
                end: Ticks(1 << 40),
                id: "1".to_owned(),
                settings: "line:0".to_owned(),
                payload: "ü\n2".to_owned(),
            }],
            ttml: Some(TtmlText {
                root: " xml:lang=\"en\"".to_owned(),
                heads: vec![TtmlHead::default()],
                bodies: vec![TtmlBody {
                    head: 0,
                    attributes: String::new(),
                    parts: vec![
                        TtmlPart::Start(TtmlStart {
                            tag: "p".to_owned(),
                            length: 1,
                            begin: Ticks(-3),
                            end: Some(Ticks(1 << 40)),
                            is_timed: true,
                        }),
                        TtmlPart::Text("ü".to_owned()),
                        TtmlPart::End("p".to_owned()),
                    ],
                }],
            }),
        }],
        streams: vec![Stream {
            uri: "a/b.m3u8".to_owned(),
            role: StreamRole {
                is_variant: true,
                audio_groups: vec!["aac".to_owned()],
                sound: Some(SoundRole {
                    groups: vec!["aac".to_owned(), "b".to_owned()],
                    description: Description {
                        name: "Français".to_owned(),
                        language: Some("fr".to_owned()),
                        ..Description::default()
                    },
                    stable_id: Some("sound".to_owned()),
                    is_inside: true,
                }),
                words: VariantWords::default(),
            },
            declared_bandwidth: 1 << 33,
            objects: [
                None,
                Some(KeyPlace::Stored("a\nb".to_owned())),
                Some(KeyPlace::Url("https://h/k".to_owned())),
            ]
            .map(|key| SourceObject {
                path: "ü.ts".to_owned(),
                start: 9,
                size: 1 << 35,
                packet_bytes: 192,
                encryption: key.map(|key| SourceEncryption { key, iv: [0xF1; 16] }),
            })
            .into_iter()
            .collect(),
            source_identity: [3; 16],
            audio_identity: Some([7; 32]),
            captions: vec![
                Caption { service: CaptionService::Cea608(4), description: None },
                Caption {
                    service: CaptionService::Cea708(63),
                    description: Some(Description::default()),
                },
            ],
            metadata: vec![TimedMetadata { period: 3, time: Ticks(-9), payload: b"ID3".to_vec() }],
            periods: vec![
                StreamPeriod {
                    video: Some(track(CodecConfig::Avc(avc), 90_000)),
                    audio: Some(track(CodecConfig::Aac(aac), 24_000)),
                },
                StreamPeriod::default(),
            ],
        }],
    }
}

/// Up to three blocks of groups.
fn groups() -> impl Strategy<Value = Vec<Group>> {
    proptest::collection::vec(group(), 0..3 * Groups::BLOCK)
}

fn track(presentation: &Presentation) -> &Track {
    presentation.track(0, 0, Medium::Video).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_stored_is_read_back(groups in groups()) {
        let presentation = presentation(groups);
        let (stored, _) = encode(&presentation).unwrap();
        prop_assert_eq!(decode(&stored).unwrap(), presentation);
    }

    /// What is unpacked alone is what all of it has, and so are the sums.
    #[test]
    fn parts_of_groups_are_those_of_all(groups in groups(), from in 0_usize..200, to in 0_usize..200) {
        let (stored, _) = encode(&presentation(groups.clone())).unwrap();
        let found = decode(&stored).unwrap();
        let packed = &track(&found).groups;
        prop_assert_eq!(packed.len(), groups.len());
        prop_assert_eq!(packed.part(from..to), groups.get(from..to).map(Cow::Borrowed));
        let before = &groups[..from.min(groups.len())];
        prop_assert_eq!(packed.before(from), Sums::of(before));
        prop_assert_eq!(packed.sums(), Sums::of(&groups));
        prop_assert_eq!(packed.times(), Outline::of(&groups).times);
        let begins = groups.iter().filter(|group| group.access != RandomAccess::None);
        prop_assert!(packed.random_access_times().eq(begins.map(|group| group.time)));
        // The same when all of it is there.
        let _all: &[Group] = packed;
        prop_assert_eq!(packed.part(from..to), groups.get(from..to).map(Cow::Borrowed));
        prop_assert_eq!(packed.before(from), Sums::of(before));
    }
}

/// In whichever part it is, and before anything of it is unpacked.
#[test]
fn damage_is_noticed_when_an_index_is_loaded() {
    let (stored, _) = encode(&presentation(vec![Group::default(); 9])).unwrap();
    for at in 0..stored.len() {
        for bit in 0..8 {
            let mut damaged = stored.clone();
            damaged[at] ^= 1 << bit;
            let error = decode(&damaged).unwrap_err();
            let is_told = match at {
                ..8 => matches!(error, FormatError::Version),
                _ => matches!(error, FormatError::Checksum),
            };
            assert!(is_told, "{error} where byte {at} is damaged");
        }
        assert!(decode(&stored[..at]).is_err(), "cut at {at}");
    }
    let more = [&stored[..], &[0]].concat();
    assert!(matches!(decode(&more), Err(FormatError::Checksum)));
}

/// A writer with a bug: what is in the file is what it wrote.
#[test]
fn parts_that_make_no_sense_are_empty_lists() {
    let (stored, _) = encode(&presentation(vec![Group::default(); 200])).unwrap();
    let mut file = Reader { rest: &stored[8 + CHECKSUM_BYTES..], ..Reader::default() };
    file.string("directory").unwrap();
    let parts = stored.len() - file.rest.len();
    for at in parts..stored.len() {
        let mut wrong = stored.clone();
        wrong[at] ^= 0x55;
        let checksum = XxHash3_128::oneshot(&wrong[8 + CHECKSUM_BYTES..]).to_be_bytes();
        wrong[8..8 + CHECKSUM_BYTES].copy_from_slice(&checksum);
        let presentation = decode(&wrong).unwrap();
        let stream = &presentation.streams[0];
        let _objects = stream.objects.to_vec();
        let track = track(&presentation);
        let _part = track.groups.part(100..120);
        let _before = track.groups.before(100);
        assert!(track.groups.iter().count() <= 200);
    }
}

/// URLs hang on it, so it is the same in whichever layout an index is stored.
#[test]
fn the_identity_of_an_index_does_not_hang_on_its_layout() {
    let (_, hash) = encode(&presentation(vec![Group::default(); 200])).unwrap();
    // What version 7 had.
    let known = "1142d3ea79925ac15f4aa287230eb1d4dc5e91a60b386e6817f33dc9f05cc639";
    assert_eq!(hex::encode(hash), known);
    let (_, other) = encode(&presentation(vec![Group::default(); 201])).unwrap();
    assert_ne!(hash, other);
}

#[test]
fn two_hours_of_two_second_groups_take_little_room() {
    let groups: Vec<Group> = (0..3_600_u32)
        .map(|index| Group {
            start: SourcePosition { object: index / 5, offset: u64::from(index % 5) * 1_253_904 },
            end: SourcePosition { object: index / 5, offset: u64::from(index % 5 + 1) * 1_253_904 },
            time: Ticks(i64::from(index) * 180_000),
            samples: 60,
            payload_bytes: 1_200_000 + index * 7919 % 65_536,
            uniform_duration: Some(3_000),
            ts_payload_packets: 6_600 + index * 31 % 512,
            still: Some(StillPicture {
                end: SourcePosition {
                    object: index / 5,
                    offset: u64::from(index % 5) * 1_253_904
                        + 188 * (80_000 + u64::from(index) * 5147 % 32_768).div_ceil(170),
                },
                last: (index * 71 % 184) as u8,
                bytes: 80_000 + index * 5147 % 32_768,
                subsamples: SubsampleCounts { cenc: 1, cbcs: 1, most: 1 },
            }),
            ..Group::default()
        })
        .collect();
    let presentation = presentation(groups);
    let (stored, _) = encode(&presentation).unwrap();
    assert!(stored.len() < 60_000, "{} bytes for two tracks", stored.len());
    assert_eq!(decode(&stored).unwrap(), presentation);
}
