use super::*;
use crate::codec::h264::Framer;
use proptest::prelude::*;

const LONG: &[u8] = &[0, 0, 0, 1];
const SHORT: &[u8] = &[0, 0, 1];

fn idr(fill: u8, length: usize) -> Vec<u8> {
    // first_mb_in_slice 0 and slice_type 7: bits 1, 0001000.
    let mut nal = vec![0x65, 0b1000_1000, 0x80];
    nal.resize(length.max(3), fill);
    nal
}

fn p_slice(fill: u8, length: usize) -> Vec<u8> {
    // first_mb_in_slice 0 and slice_type 5: bits 1, 00110.
    let mut nal = vec![0x01, 0b1001_1000];
    nal.resize(length.max(2), fill);
    nal
}

fn stamps(at: u64) -> Timestamps {
    Timestamps { presentation: at, decode: at }
}

fn framed(nals: &[&[u8]]) -> Vec<u8> {
    nals.iter().flat_map(|nal| [&(nal.len() as u32).to_be_bytes()[..], nal].concat()).collect()
}

#[test]
fn start_codes_become_lengths_and_what_mp4_does_not_store_goes() {
    let key = idr(0xAA, 300);
    let second = p_slice(0xBB, 40);
    let sei = [0x06, 0x05, 0x01, 0x80];
    let first_packet = [
        LONG,
        &[0x09, 0xF0],
        LONG,
        &[0x67, 1, 2, 3],
        SHORT,
        &[0x68, 0xEB],
        SHORT,
        &sei,
        SHORT,
        &key,
    ]
    .concat();
    let second_packet =
        [LONG, &[0x09, 0xF0], SHORT, &second, &[0, 0, 0], SHORT, &[0x0C, 0xFF, 0x80]].concat();
    let mut framer = Framer::new(b"head".to_vec());
    framer.begin_packet(Some(stamps(9)));
    framer.push(&first_packet, 1);
    framer.begin_packet(Some(stamps(12)));
    framer.push(&second_packet, 2);
    framer.finish();
    let (buffer, units) = framer.into_parts();
    assert_eq!(buffer, [b"head", &framed(&[&sei, &key])[..], &framed(&[&second])].concat());
    let times: Vec<_> = units.iter().map(|unit| unit.timestamps).collect();
    assert_eq!(times, [Some(stamps(9)), Some(stamps(12))]);
    assert!(units[0].dependency.sync && units[0].dependency.independent);
    assert!(!units[1].dependency.sync && !units[1].dependency.independent);
    assert!(units[1].dependency.disposable && !units[0].dependency.disposable);
    // The packet begins with a start code of four bytes.
    assert_eq!((units[1].tag, units[1].skip), (2, 0));
}

#[test]
fn an_access_unit_in_the_middle_of_a_packet_knows_where_it_begins() {
    let key = idr(0xAA, 20);
    let second = p_slice(0xBB, 20);
    let mut framer = Framer::new(Vec::new());
    framer.begin_packet(Some(stamps(1)));
    framer.push(&[SHORT, &key].concat(), 7);
    framer.push(&[&[0xAA; 5], SHORT, &second].concat(), 8);
    framer.finish();
    let unit = framer.units()[1];
    assert_eq!((unit.tag, unit.skip, unit.timestamps), (8, 5, None));
}

#[test]
fn a_slice_of_which_only_the_header_byte_is_there_is_none() {
    // Where a part of a stream is cut out, what comes behind it may begin like this.
    let key = idr(0xAA, 20);
    let mut framer = Framer::new(Vec::new());
    framer.push(&[SHORT, &key, SHORT, &[0x65]].concat(), 0);
    framer.finish();
    let (buffer, units) = framer.into_parts();
    assert_eq!((buffer, units.len()), (framed(&[&key]), 1));
}

#[test]
fn several_slices_make_one_picture() {
    let mut later_slice = idr(0xCC, 20);
    later_slice[1] = 0b0100_0100; // first_mb_in_slice 1
    let mut framer = Framer::new(Vec::new());
    framer.begin_packet(None);
    framer.push(&[SHORT, &idr(0xAA, 20), SHORT, &later_slice, SHORT, &p_slice(1, 9)].concat(), 0);
    framer.finish();
    assert_eq!(framer.units().len(), 2);
}

#[test]
fn units_are_forgotten_with_their_bytes_but_not_the_open_one() {
    let mut framer = Framer::new(Vec::new());
    let large = idr(0xAA, 1 << 20);
    let mut sizes = Vec::new();
    for packet in 0..5 {
        framer.begin_packet(Some(stamps(packet)));
        framer.push(&[LONG, &large].concat(), u128::from(packet));
        sizes.extend(framer.units().iter().map(|unit| unit.size));
        framer.release(framer.units().len());
    }
    framer.finish();
    sizes.extend(framer.units().iter().map(|unit| unit.size));
    assert_eq!(sizes, [large.len() + 4; 5]);
    assert!(framer.buffer.len() < 3 << 20);
}

/// The obvious way: find all start codes in the whole stream, then cut.
fn naive(stream: &[u8]) -> Vec<u8> {
    let mut starts = Vec::new();
    for at in 0..stream.len().saturating_sub(2) {
        if stream[at..at + 3] == [0, 0, 1] {
            starts.push(at);
        }
    }
    let mut out = Vec::new();
    for (index, &start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(stream.len());
        let nal = &stream[(start + 3).min(end)..end];
        let length = nal.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
        let nal = &nal[..length];
        let Some(header) = nal.first() else { continue };
        if !matches!(header & 0x1F, 7..=12) {
            out.extend_from_slice(&(nal.len() as u32).to_be_bytes());
            out.extend_from_slice(nal);
        }
    }
    out
}

fn nal_units() -> impl Strategy<Value = Vec<u8>> {
    let nal = (
        1_u8..13,
        0_u8..4,
        proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(3), any::<u8>()], 0..60),
    )
        .prop_map(|(kind, reference, body)| {
            // Escape as an encoder does, so that no start code stands inside.
            let mut nal = vec![reference << 5 | kind];
            let mut zeros = 0;
            for byte in body {
                if zeros >= 2 && byte <= 3 {
                    nal.push(3);
                    zeros = 0;
                }
                zeros = if byte == 0 { zeros + 1 } else { 0 };
                nal.push(byte);
            }
            nal.push(0x80);
            nal
        });
    proptest::collection::vec((nal, any::<bool>(), 0_usize..3), 0..12).prop_map(|nals| {
        let mut stream = Vec::new();
        let slice = (idr(9, 9), true, 0);
        for (nal, long, zeros) in nals.into_iter().chain([slice]) {
            stream.extend_from_slice(if long { LONG } else { SHORT });
            stream.extend_from_slice(&nal);
            stream.resize(stream.len() + zeros, 0);
        }
        stream
    })
}

proptest! {
    #[test]
    fn any_chunking_gives_what_the_naive_way_gives(
        stream in nal_units(),
        cuts in proptest::collection::vec(1_usize..50, 1..40),
    ) {
        let mut framer = Framer::new(Vec::new());
        let mut rest = &stream[..];
        for cut in cuts.iter().cycle() {
            let (chunk, behind) = rest.split_at((*cut).min(rest.len()));
            framer.push(chunk, 0);
            rest = behind;
            if rest.is_empty() { break; }
        }
        framer.finish();
        let (buffer, units) = framer.into_parts();
        prop_assert_eq!(&buffer, &naive(&stream));
        let total: usize = units.iter().map(|unit| unit.size).sum();
        prop_assert_eq!(total, buffer.len());
    }

    /// Pieces together know where pictures begin as each does by itself.
    #[test]
    fn pieces_together_are_what_each_is(
        streams in proptest::collection::vec(nal_units(), 1..4),
        run in 1_usize..9,
        step in prop_oneof![Just(188), Just(188_u128.wrapping_sub(184 << 64))],
    ) {
        let stream = streams.concat();
        let (pieces, rest) = stream.as_chunks::<7>();
        let first = 1000_u128 << 64;
        let tag = |index: usize| step.wrapping_mul(index as u128).wrapping_add(first);
        let (mut single, mut many) = (Framer::new(Vec::new()), Framer::new(Vec::new()));
        for (index, piece) in pieces.iter().enumerate() {
            single.push(piece, tag(index));
        }
        for (index, run_of) in pieces.chunks(run).enumerate() {
            many.push_pieces(run_of.iter(), tag(index * run), step);
        }
        for framer in [&mut single, &mut many] {
            framer.push(rest, 7);
            framer.finish();
        }
        prop_assert_eq!(single.units(), many.units());
    }
}
