//! Laws that hold for every syntax: chunking changes nothing, no bytes make a framer panic, and
//! who begins at a frame finds what one who came by found.

use proptest::prelude::*;

use super::*;
use crate::codec::aac::adts_header;
use crate::codec::dolby::tests::{BACK, Eac3, SURROUND, ac3};
use crate::codec::latm::tests::{MUX, Mux, element};
use crate::codec::mpeg_audio::tests::frame as mpeg_frame;
use crate::model::codec::{AacConfig, AacExtension};

/// A stream, with where PES packets with timestamps begin in it.
#[derive(Clone, Debug)]
struct Stream {
    syntax: StreamSyntax,
    bytes: Vec<u8>,
    packets: Vec<usize>,
}

/// A frame as it was found: payload, first byte in the stream, timestamps, configuration.
type Found = (Vec<u8>, u64, Option<Timestamps>, CodecConfig);

fn stamps(at: usize) -> Timestamps {
    Timestamps { presentation: at as u64, decode: at as u64 }
}

/// Reads a stream from a byte on, cut where PES packets begin and else as `cuts` say.
fn read(framer: &mut Framer, stream: &Stream, from: usize, cuts: &[usize]) -> Vec<Found> {
    let mut found: Vec<(AccessUnit, Vec<u8>)> = Vec::new();
    let mut at = from;
    let mut cuts = cuts.iter().cycle();
    while at < stream.bytes.len() {
        if stream.packets.contains(&at) && at > from {
            framer.begin_packet(Some(stamps(at)));
        }
        let next_packet = stream.packets.iter().find(|&&packet| packet > at);
        let end = (at + cuts.next().unwrap())
            .min(stream.bytes.len())
            .min(*next_packet.unwrap_or(&usize::MAX));
        framer.push(&stream.bytes[at..end], at as u128);
        framer.drain(|unit, bytes| found.push((*unit, bytes.to_vec())));
        at = end;
    }
    framer.finish();
    framer.drain(|unit, bytes| found.push((*unit, bytes.to_vec())));
    found
        .into_iter()
        .map(|(unit, bytes)| {
            let config = framer.configs()[unit.config as usize].clone();
            (bytes, unit.tag as u64 + u64::from(unit.skip), unit.timestamps, config)
        })
        .collect()
}

fn scan(stream: &Stream, cuts: &[usize]) -> (Vec<Found>, Damage, Option<ConfigError>) {
    let mut framer = Framer::new(stream.syntax, Vec::new()).unwrap();
    let found = read(&mut framer, stream, 0, cuts);
    (found, framer.damage(), framer.refusal())
}

/// What payload is filled with: nothing that a header begins with, however it is shifted.
fn fill() -> impl Strategy<Value = u8> {
    prop_oneof![Just(0_u8), Just(1), Just(3), Just(7)]
}

fn adts() -> impl Strategy<Value = Vec<u8>> {
    (0_usize..3, 1_usize..200, fill()).prop_map(|(kind, size, fill)| {
        let (frequency_index, channel_configuration) = [(4, 2), (4, 2), (3, 1)][kind];
        let config = AacConfig {
            object_type: 2,
            sampling_frequency: 0,
            frequency_index,
            channel_configuration,
            extension: AacExtension::None,
        };
        [&adts_header(&config, size as u32)[..], &vec![fill; size]].concat()
    })
}

fn syntax() -> impl Strategy<Value = StreamSyntax> {
    use StreamSyntax::{Adts, Dolby, Latm, MpegAudio};
    prop_oneof![Just(Adts), Just(Dolby), Just(Latm), Just(MpegAudio)]
}

fn latm() -> impl Strategy<Value = Vec<u8>> {
    let mux = prop_oneof![
        3 => Just(None),
        3 => Just(Some(MUX)),
        1 => Just(Some(Mux { frequency_index: 4, has_other_data: true, ..MUX })),
        1 => Just(Some(Mux { version: 1, ..MUX })),
        1 => Just(Some(Mux { sub_frames: 2, ..MUX })),
    ];
    (mux, 1_usize..300, fill()).prop_map(|(mux, size, fill)| element(mux, &vec![fill; size]))
}

fn mpeg_audio() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => Just(mpeg_frame([0xFB, 0x10, 0x40], 104)),
        1 => Just(mpeg_frame([0xFB, 0x12, 0x40], 105)),
        1 => Just(mpeg_frame([0xF3, 0x18, 0xC0], 36)),
        1 => Just(mpeg_frame([0xFD, 0x18, 0xC0], 144)),
    ]
}

fn dolby() -> impl Strategy<Value = Vec<u8>> {
    let usual = SURROUND;
    prop_oneof![
        4 => Just(usual.frame()),
        2 => Just([usual.frame(), BACK.frame()].concat()),
        1 => Just(BACK.frame()),
        1 => Just(ac3(0, 0, 128)),
        2 => (0_u32..3, any::<bool>(), 1_usize..7).prop_map(move |(blocks_code, is_marked, count)| {
            let short = Eac3 { blocks_code, ..usual };
            let first = Eac3 { convsync: u32::from(is_marked), ..short }.frame();
            [first, short.frame().repeat(count - 1)].concat()
        }),
    ]
}

/// Pieces that are frames, parts of frames, tags and garbage; tame garbage holds nothing that a
/// header begins with.
fn stream(syntax: StreamSyntax, is_tame: bool) -> impl Strategy<Value = Stream> {
    let garbage = if is_tame { (0..8_u8).boxed() } else { any::<u8>().boxed() };
    let frame = match syntax {
        StreamSyntax::Dolby => dolby().boxed(),
        StreamSyntax::Latm => latm().boxed(),
        StreamSyntax::MpegAudio => mpeg_audio().boxed(),
        _ => adts().boxed(),
    };
    let piece = prop_oneof![
        12 => frame.clone(),
        1 => (frame, 0.0..1.0).prop_map(|(frame, part)| {
            frame[..((frame.len() as f64 * part) as usize).max(8).min(frame.len())].to_vec()
        }),
        1 => proptest::collection::vec(garbage, 0..40),
        1 => Just([b"ID3\x04\0\0\0\0\0\x09".as_slice(), &[0; 9]].concat()),
    ];
    (proptest::collection::vec((piece, 1_usize..4), 1..20), any::<u64>()).prop_map(
        move |(pieces, packets)| {
            let (mut bytes, mut starts) = (Vec::new(), Vec::new());
            let pieces = pieces.iter().flat_map(|(piece, times)| vec![piece; *times]);
            for (index, piece) in pieces.enumerate() {
                if packets >> (index % 64) & 1 == 1 {
                    starts.push(bytes.len());
                }
                bytes.extend_from_slice(piece);
            }
            Stream { syntax, bytes, packets: starts }
        },
    )
}

fn any_stream() -> impl Strategy<Value = Stream> {
    syntax().prop_flat_map(|syntax| stream(syntax, false))
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_frames(
        stream in any_stream(),
        cuts in proptest::collection::vec(1_usize..184, 1..20),
    ) {
        prop_assert_eq!(scan(&stream, &cuts), scan(&stream, &[184]));
    }

    #[test]
    fn who_begins_at_a_frame_finds_what_one_who_came_by_found(stream in any_stream()) {
        let (found, ..) = scan(&stream, &[100]);
        for (index, (_, first, _, config)) in found.iter().enumerate() {
            let mut framer = Framer::for_config(stream.syntax, Vec::new(), config).unwrap();
            let mut later = read(&mut framer, &stream, *first as usize, &[70]);
            // The timestamps of the packet that it begins in were not shown.
            if let Some(first) = later.first_mut() {
                first.2 = found[index].2;
            }
            prop_assert_eq!(&later, &found[index..]);
        }
    }

    #[test]
    fn what_comes_behind_a_frame_that_was_believed_does_not_change_it(
        stream in syntax().prop_flat_map(|syntax| stream(syntax, true)),
        share in 0.0..1.0_f64,
    ) {
        // A player is given the bytes up to the next sample only. Where the frame that such a cut
        // ends in is broken, and ends in one byte that a header may begin with, it is believed.
        let (found, ..) = scan(&stream, &[100]);
        let Some((index, _)) = found.iter().enumerate().nth((found.len() as f64 * share) as usize)
        else { return Ok(()) };
        let Some((_, end, ..)) = found.get(index + 1) else { return Ok(()) };
        let mut cut = stream.clone();
        cut.bytes.truncate(*end as usize);
        let mut framer = Framer::for_config(stream.syntax, Vec::new(), &found[0].3).unwrap();
        let shown = read(&mut framer, &cut, found[0].1 as usize, &[184]);
        let frames = |found: &[Found]| -> Vec<_> {
            found.iter().map(|(bytes, first, _, config)| (bytes.clone(), *first, config.clone())).collect()
        };
        // At the end of what it has, it may believe more; configurations end where theirs do.
        let same = found[..=index].iter().take_while(|unit| unit.3 == found[0].3).count();
        prop_assert!(shown.len() >= same);
        prop_assert_eq!(frames(&shown[..same]), frames(&found[..same]));
    }

    #[test]
    fn no_bytes_make_a_framer_panic(
        syntax in syntax(),
        bytes in proptest::collection::vec(prop_oneof![3 => any::<u8>(), 1 => Just(0xFF), 1 => Just(0xF1), 1 => Just(0x0B), 1 => Just(0x77), 1 => Just(0x56), 1 => Just(0xE0)], 0..2_000),
    ) {
        let stream = Stream { syntax, bytes, packets: vec![0, 700] };
        scan(&stream, &[184]);
    }
}

#[test]
fn timestamps_and_tags_go_to_the_first_frame_that_begins_in_the_packet() {
    let config = AacConfig {
        object_type: 2,
        sampling_frequency: 44_100,
        frequency_index: 4,
        channel_configuration: 2,
        extension: AacExtension::None,
    };
    let frame = |size: u32| [&adts_header(&config, size)[..], &vec![7; size as usize]].concat();
    let bytes = [frame(50), frame(60), frame(70)].concat();
    let mut framer = Framer::new(StreamSyntax::Adts, Vec::new()).unwrap();
    framer.begin_packet(Some(stamps(1)));
    framer.push(&bytes[..80], 5);
    framer.begin_packet(Some(stamps(2)));
    framer.push(&bytes[80..], 6);
    framer.finish();
    let units = framer.units();
    let times: Vec<_> = units.iter().map(|unit| unit.timestamps).collect();
    assert_eq!(times, [Some(stamps(1)), None, Some(stamps(2))]);
    let origins: Vec<_> = units.iter().map(|unit| (unit.tag, unit.skip)).collect();
    assert_eq!(origins, [(5, 0), (5, 57), (6, 44)]);
}
