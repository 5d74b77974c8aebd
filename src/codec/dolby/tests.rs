//! Frames made by hand here; streams of real encoders stand in `sound::media`.

use crate::codec::Damage;
use crate::codec::bits::BitWriter;
use crate::codec::sound::Framer;
use crate::model::codec::{Ac3Config, CodecConfig, Eac3Config, Eac3Substream, StreamSyntax};

fn scan(stream: &[u8]) -> Framer {
    let mut framer = Framer::new(StreamSyntax::Dolby, Vec::new()).unwrap();
    framer.push(stream, 0);
    framer.finish();
    framer
}

fn sizes(framer: &Framer) -> Vec<usize> {
    framer.units().iter().map(|unit| unit.size).collect()
}

/// A frame of AC-3 with that `frmsizecod`, 3/2 channels and low frequencies.
pub(crate) fn ac3(fscod: u32, size_code: u32, bytes: usize) -> Vec<u8> {
    let mut bits = BitWriter::default();
    bits.put(0x0B77, 16).put(0, 16).put(fscod, 2).put(size_code, 6);
    bits.put(8, 5).put(0, 3).put(7, 3).put(0, 4).put(1, 1);
    let mut frame = bits.into_bytes();
    frame.resize(bytes, 0x55);
    frame
}

/// A frame of E-AC-3.
#[derive(Clone, Copy)]
pub(crate) struct Eac3 {
    pub stream_type: u32,
    pub substream: u32,
    pub blocks_code: u32,
    pub acmod: u32,
    pub lfe: u32,
    pub channel_map: Option<u32>,
    pub convsync: u32,
    pub complexity: Option<u32>,
    pub bytes: usize,
}

pub(crate) const SURROUND: Eac3 = Eac3 {
    stream_type: 0,
    substream: 0,
    blocks_code: 3,
    acmod: 7,
    lfe: 1,
    channel_map: None,
    convsync: 0,
    complexity: None,
    bytes: 64,
};
pub(crate) const BACK: Eac3 =
    Eac3 { stream_type: 1, acmod: 2, lfe: 0, channel_map: Some(0x0200), bytes: 32, ..SURROUND };

impl Eac3 {
    pub fn frame(self) -> Vec<u8> {
        let mut bits = BitWriter::default();
        bits.put(0x0B77, 16).put(self.stream_type, 2).put(self.substream, 3);
        bits.put(self.bytes as u32 / 2 - 1, 11).put(0, 2).put(self.blocks_code, 2);
        bits.put(self.acmod, 3).put(self.lfe, 1).put(16, 5).put(31, 5).put(0, 1);
        if self.stream_type == 1 {
            bits.put(u32::from(self.channel_map.is_some()), 1);
            self.channel_map.map(|map| bits.put(map, 16).len());
        }
        bits.put(1, 1); // mixmdate, with everything in it
        if self.acmod > 2 {
            bits.put(1, 2);
            if self.acmod & 1 == 1 {
                bits.put(0o44, 6);
            }
            if self.acmod & 4 != 0 {
                bits.put(0o44, 6);
            }
        }
        if self.lfe == 1 {
            bits.put(0b1_01010, 6);
        }
        if self.stream_type == 0 {
            bits.put(0b1_010101, 7).put(0b1_010101, 7).put(3, 2).put(1, 5).put(0xABCDEF, 24);
            if self.acmod < 2 {
                bits.put(1, 1).put(0x2AAA, 14);
            }
            bits.put(1, 1);
            match self.blocks_code {
                0 => bits.put(21, 5),
                code => {
                    for _ in 0..[1, 2, 3, 6][code as usize] {
                        bits.put(0b1_10101, 6);
                    }
                    &mut bits
                }
            };
        }
        bits.put(1, 1).put(2, 3).put(3, 2); // infomdate
        if self.acmod == 2 {
            bits.put(0, 4);
        }
        if self.acmod >= 6 {
            bits.put(0, 2);
        }
        bits.put(1, 1).put(0xA5, 8).put(0, 1);
        if self.stream_type == 0 && self.blocks_code != 3 {
            bits.put(self.convsync, 1);
        }
        match self.complexity {
            Some(complexity) => bits.put(1, 1).put(1, 6).put(1, 8).put(complexity, 8),
            None => bits.put(0, 1),
        };
        let mut frame = bits.into_bytes();
        assert!(frame.len() <= self.bytes);
        frame.resize(self.bytes, 0xAA);
        frame
    }
}

#[test]
fn frames_of_ac3_are_as_long_as_table_4_13_says() {
    for (fscod, size_code, bytes) in
        [(0, 0, 128), (0, 37, 2560), (1, 0, 138), (1, 1, 140), (1, 28, 1670), (2, 20, 1152)]
    {
        let framer = scan(&ac3(fscod, size_code, bytes).repeat(3));
        assert_eq!(sizes(&framer), [bytes; 3], "{fscod} {size_code}");
        assert_eq!(framer.damage(), Damage::default());
    }
}

#[test]
fn odd_and_even_frames_of_44100_hz_have_one_configuration() {
    let stream = [ac3(1, 28, 1670), ac3(1, 29, 1672), ac3(1, 28, 1670)].concat();
    let framer = scan(&stream);
    assert_eq!(sizes(&framer), [1670, 1672, 1670]);
    assert_eq!(framer.configs().len(), 1);
}

#[test]
fn dependent_and_further_substreams_belong_to_the_unit() {
    let further = Eac3 { substream: 1, acmod: 2, lfe: 0, ..SURROUND };
    let unit = [SURROUND.frame(), BACK.frame(), further.frame()].concat();
    // It begins inside a unit.
    let stream = [BACK.frame(), further.frame(), unit.repeat(3)].concat();
    let framer = scan(&stream);
    assert_eq!(sizes(&framer), [160; 3]);
    assert_eq!(framer.damage(), Damage { stray_bytes: 96, broken_units: 0, ..Damage::default() });
    let [CodecConfig::Eac3(config)] = framer.configs() else { panic!("{:?}", framer.configs()) };
    let first = Eac3Substream {
        fscod: 0,
        bsid: 16,
        bsmod: 2,
        acmod: 7,
        lfe: true,
        dependents: 1,
        locations: 0b10,
    };
    let second =
        Eac3Substream { acmod: 2, lfe: false, dependents: 0, locations: 0, ..first.clone() };
    assert_eq!(config.substreams, [first, second]);
    assert_eq!((config.channels(), config.data_rate), (8, 40));
}

#[test]
fn places_of_the_channel_map_are_moved_to_those_of_the_box() {
    // Lrs/Rrs, Cs and LFE2; Lc/Rc and Cvh.
    for (map, locations) in [(0x0302, 0b1_0000_0110), (0x0408, 0b1000_0001), (0xF801, 0)] {
        let unit = [SURROUND.frame(), Eac3 { channel_map: Some(map), ..BACK }.frame()].concat();
        let framer = scan(&unit.repeat(2));
        let CodecConfig::Eac3(config) = &framer.configs()[0] else { panic!() };
        assert_eq!(config.substreams[0].locations, locations, "{map:#06x}");
    }
}

#[test]
fn six_blocks_make_a_unit() {
    for (code, count) in [(0, 6), (1, 3), (2, 2)] {
        let short = Eac3 { blocks_code: code, ..SURROUND };
        let group = |count| {
            let rest = [short.frame(), BACK.frame()].concat().repeat(count);
            let mut group = Eac3 { convsync: 1, ..short }.frame();
            group.extend_from_slice(&rest[short.bytes..]);
            group
        };
        // It begins inside a unit; its second frame is the first seen.
        let stream = [&group(count)[96..], &group(count), &group(count)].concat();
        let framer = scan(&stream);
        assert_eq!(sizes(&framer), [96 * count; 2], "{count} frames");
        assert_eq!(framer.damage().broken_units, 0);
        // No frame says that it is the first.
        let framer = scan(&[short.frame(), BACK.frame()].concat().repeat(2 * count));
        assert_eq!(sizes(&framer), [96 * count; 2]);
    }
}

#[test]
fn objects_are_found_behind_all_other_metadata() {
    let framer = scan(&Eac3 { complexity: Some(16), ..SURROUND }.frame().repeat(3));
    let CodecConfig::Eac3(config) = &framer.configs()[0] else { panic!() };
    assert_eq!(config.joc_complexity, Some(16));
    let framer = scan(&SURROUND.frame().repeat(3));
    let CodecConfig::Eac3(config) = &framer.configs()[0] else { panic!() };
    assert_eq!(config.joc_complexity, None);
}

#[test]
fn a_unit_that_lost_a_substream_is_damage_and_two_that_have_none_are_a_change() {
    let whole = [SURROUND.frame(), BACK.frame()].concat();
    let stream = [whole.repeat(2), SURROUND.frame(), whole.repeat(2)].concat();
    let framer = scan(&stream);
    assert_eq!((sizes(&framer), framer.damage().broken_units), (vec![96; 4], 1));
    assert_eq!(framer.configs().len(), 1);

    let stream = [whole.repeat(2), SURROUND.frame().repeat(2), whole.repeat(2)].concat();
    let framer = scan(&stream);
    assert_eq!(sizes(&framer), [96, 96, 64, 64, 96, 96]);
    let numbers: Vec<_> = framer.units().iter().map(|unit| unit.config).collect();
    assert_eq!(numbers, [0, 0, 1, 1, 0, 0]);
}

#[test]
fn a_core_of_ac3_plays_without_what_extends_it() {
    let stream = [ac3(0, 0, 128), BACK.frame()].concat().repeat(3);
    let framer = scan(&stream);
    assert_eq!((sizes(&framer), framer.damage().broken_units), (vec![128; 3], 0));
    assert!(framer.refusal().unwrap().to_string().contains("core of AC-3"));
}

#[test]
fn swapped_bytes_are_refused_by_name() {
    let mut stream = ac3(0, 0, 128).repeat(3);
    stream.chunks_mut(2).for_each(|pair| pair.reverse());
    let framer = scan(&stream);
    assert_eq!(framer.units().len(), 0);
    assert!(framer.refusal().unwrap().to_string().contains("swapped"));
}

#[test]
fn a_cut_frame_costs_itself() {
    let whole = ac3(0, 0, 128);
    let stream = [&whole[..], &whole[..100], &whole, &whole].concat();
    let framer = scan(&stream);
    assert_eq!(sizes(&framer), [128; 3]);
    assert_eq!(framer.damage(), Damage { stray_bytes: 99, broken_units: 1, ..Damage::default() });
}

#[test]
fn boxes_are_laid_out_as_in_annex_f() {
    let config = Ac3Config { fscod: 1, bsid: 8, bsmod: 0, acmod: 7, lfe: true, bit_rate_code: 15 };
    // 01 01000 000 111 1 01111 00000
    assert_eq!(config.specific(), [0x50, 0x3D, 0xE0]);
    let first = Eac3Substream {
        fscod: 0,
        bsid: 16,
        bsmod: 0,
        acmod: 7,
        lfe: true,
        dependents: 1,
        locations: 0b1_0000_0010,
    };
    let config = Eac3Config {
        sampling_frequency: 48_000,
        data_rate: 768,
        substreams: vec![first],
        joc_complexity: Some(16),
    };
    // 0001100000000 000 │ 00 10000 0 │ 0 000 111 1 000 0001 1 0000 0010
    assert_eq!(config.specific(), [0x18, 0x00, 0x20, 0x0F, 0x03, 0x02, 0x01, 0x10]);
}
