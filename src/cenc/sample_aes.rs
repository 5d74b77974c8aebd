//! Samples of transport streams by Apple's SAMPLE-AES ("MPEG-2 Stream Encryption Format for HTTP
//! Live Streaming"): AES-128 in CBC mode over parts of NAL units and audio frames.
//!
//! ```text
//! NAL unit of type 1 or 5, longer than 48 bytes, emulation prevention included:
//!   32 clear │ 16 encrypted │ 144 clear │ 16 encrypted │ 144 clear │ … │ 1 to 160 clear
//! audio frame:
//!   16 clear │ 16 encrypted │ 16 encrypted │ … │ 0 to 15 clear
//! ```
//!
//! The chain begins anew with each NAL unit and each frame, and runs over their encrypted blocks
//! alone. A NAL unit is encrypted as it stands in the stream, and what comes out gets a second
//! layer of emulation prevention, because ciphertext may look like a start code; so pictures grow
//! by a few bytes that cannot be known before they are encrypted. Players take that layer off,
//! decrypt, and hand on the NAL unit with the layer that it always had.
//!
//! This is not `cbcs` (ISO/IEC 23001-7): that begins behind the slice header, encrypts a block even
//! if nothing follows it, and escapes once. HEVC has no such form.

use std::fmt;
use std::ops::Range;

use aes::Aes128Enc;
use aes::cipher::KeyInit;
use memchr::memmem;

use super::chains::{self, Chain};
use crate::codec::h264::nal_type;
use crate::model::sample::Sample;

/// AES has blocks of this size.
const BLOCK_BYTES: usize = 16;
/// NAL units up to this length stay clear.
const CLEAR_NAL_BYTES: usize = 48;
/// The start of a NAL unit that stays clear.
const NAL_LEADER_BYTES: usize = 32;
/// A block of a NAL unit that is encrypted, and the stretch behind it that is not.
const NAL_PATTERN_BYTES: usize = BLOCK_BYTES + 144;
/// The start of an audio frame that stays clear, behind the header of ADTS if it has one.
const FRAME_LEADER_BYTES: usize = 16;
const LENGTH_BYTES: usize = 4;

/// Encrypts samples with one key and one IV.
pub struct SampleAesCipher {
    cipher: Aes128Enc,
    iv: [u8; 16],
}

impl SampleAesCipher {
    /// A cipher with this content key, whose chains begin with `iv`.
    pub fn new(key: &[u8; 16], iv: &[u8; 16]) -> Self {
        Self { cipher: Aes128Enc::new(&(*key).into()), iv: *iv }
    }

    /// Encrypts samples of H.264 where they lie, in order, in `payload`: NAL units behind lengths of
    /// four bytes. Slices are encrypted and escaped once more, and all that lies behind what grows
    /// moves. From a length on that leads out of its sample, the sample stays as it is.
    pub fn encrypt_pictures(&self, payload: &mut Vec<u8>, samples: &mut [Sample]) {
        let slices: Vec<_> =
            samples.iter().flat_map(|sample| encrypted_nals(payload, sample)).collect();
        let chains = slices.iter().map(|slice| Chain {
            // At least one clear byte follows each block.
            range: slice.start + NAL_LEADER_BYTES..slice.end.saturating_sub(1),
            stride: NAL_PATTERN_BYTES,
        });
        chains::encrypt(&self.cipher, &self.iv, payload, chains);
        escape(payload, &slices, samples);
    }

    /// Encrypts frames of sound where they lie in `payload`. A frame of AAC is what follows its ADTS
    /// header and CRC. A frame of AC-3 or E-AC-3 is a syncframe, its header included (ETSI
    /// TS 102 366 4.1 and E.1.2); an access unit of E-AC-3 may hold several.
    pub fn encrypt_frames(&self, payload: &mut [u8], frames: impl Iterator<Item = Range<usize>>) {
        let chains = frames.map(|frame| Chain {
            range: frame.start.saturating_add(FRAME_LEADER_BYTES)..frame.end,
            stride: BLOCK_BYTES,
        });
        chains::encrypt(&self.cipher, &self.iv, payload, chains);
    }
}

/// Neither key nor IV.
impl fmt::Debug for SampleAesCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SampleAesCipher").finish_non_exhaustive()
    }
}

/// Where the NAL units of a sample lie that are to be encrypted.
fn encrypted_nals(payload: &[u8], sample: &Sample) -> impl Iterator<Item = Range<usize>> {
    let end = sample.offset + sample.size as usize;
    let mut rest = payload.get(sample.offset..end).unwrap_or_default();
    let nals = std::iter::from_fn(move || {
        let (nal, behind) = split_nal(rest)?;
        rest = behind;
        let end = end - behind.len();
        Some((nal, end - nal.len()..end))
    });
    nals.filter(|(nal, _)| is_encrypted(nal)).map(|(_, place)| place)
}

/// The first NAL unit and what lies behind it; `None` where its length leads out of `sample`.
fn split_nal(sample: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, behind) = sample.split_first_chunk::<LENGTH_BYTES>()?;
    behind.split_at_checked(u32::from_be_bytes(*length) as usize)
}

fn is_encrypted(nal: &[u8]) -> bool {
    let is_slice =
        nal.first().is_some_and(|header| matches!(header & 0x1F, nal_type::SLICE | nal_type::IDR));
    is_slice && nal.len() > CLEAR_NAL_BYTES
}

/// Puts emulation prevention into NAL units: `00 00 0x` becomes `00 00 03 0x` for x up to 3
/// (ISO/IEC 14496-10:2022 7.3.1), also where such a byte is there already. `nals` and `samples` are
/// in the order of `payload`; the lengths of both grow with them.
fn escape(payload: &mut Vec<u8>, nals: &[Range<usize>], samples: &mut [Sample]) {
    let zeros = memmem::Finder::new(&[0, 0]);
    let mut places = Vec::new();
    for nal in nals {
        let before = places.len();
        find_escapes(&zeros, payload.get(nal.clone()).unwrap_or_default(), nal.start, &mut places);
        let added = places.len() - before;
        let length = nal.start.checked_sub(LENGTH_BYTES).and_then(|at| payload.get_mut(at..));
        if let Some(length) = length.and_then(<[u8]>::first_chunk_mut).filter(|_| added > 0) {
            *length = ((nal.len() + added) as u32).to_be_bytes();
        }
    }
    if places.is_empty() {
        return;
    }
    for sample in samples {
        let before = |at: usize| places.partition_point(|place| *place < at);
        let end = sample.offset + sample.size as usize;
        let (before_start, before_end) = (before(sample.offset), before(end));
        sample.size += (before_end - before_start) as u32;
        sample.offset += before_start;
    }
    let mut end = payload.len();
    payload.resize(end + places.len(), 0);
    // From the back, so that each byte moves once; `added` bytes go in before what moves.
    for (added, &place) in (1..=places.len()).rev().zip(places.iter().rev()) {
        payload.copy_within(place..end, place + added);
        if let Some(byte) = payload.get_mut(place + added - 1) {
            *byte = 3;
        }
        end = place;
    }
}

/// Appends before which bytes of a NAL unit, which begins at `start`, a 03 must stand, in order.
/// `zeros` finds two zeros.
fn find_escapes(zeros: &memmem::Finder<'_>, nal: &[u8], start: usize, places: &mut Vec<usize>) {
    let mut at = 0;
    while let Some(found) = nal.get(at..).and_then(|rest| zeros.find(rest)) {
        at += found;
        match nal.get(at + 2) {
            Some(0..=3) => {
                places.push(start + at + 2);
                // What stands behind the 03 begins a new run of zeros.
                at += 2;
            }
            Some(_) => at += 3,
            None => break,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::Dependency;
    use crate::time::Ticks;
    use aes::Aes128;
    use aes::cipher::BlockCipherDecrypt;
    use proptest::prelude::*;

    const KEY: [u8; 16] = *b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff";

    fn cipher(iv: &str) -> SampleAesCipher {
        SampleAesCipher::new(&KEY, hex::decode(iv).unwrap().as_chunks().0.first().unwrap())
    }

    fn with_length(nal: &[u8]) -> Vec<u8> {
        [&(nal.len() as u32).to_be_bytes(), nal].concat()
    }

    fn placed(offset: usize, size: usize) -> Sample {
        Sample {
            offset,
            size: size as u32,
            decode_time: Ticks::ZERO,
            duration: 3_600,
            composition_offset: 0,
            transport_decode_time: Ticks::ZERO,
            dependency: Dependency { sync: false, independent: false, disposable: false },
        }
    }

    fn encrypted(cipher: &SampleAesCipher, sample: &[u8]) -> Vec<u8> {
        let mut out = sample.to_vec();
        let mut samples = [placed(0, sample.len())];
        cipher.encrypt_pictures(&mut out, &mut samples);
        assert_eq!((samples[0].offset, samples[0].size as usize), (0, out.len()));
        out
    }

    fn encrypt_frame(cipher: &SampleAesCipher, frame: &mut [u8]) {
        let whole = 0..frame.len();
        cipher.encrypt_frames(frame, std::iter::once(whole));
    }

    /// The bytes of a sample's NAL units.
    fn nals(sample: &[u8]) -> Vec<Vec<u8>> {
        let mut rest = sample;
        let mut nals = Vec::new();
        while let Some((nal, behind)) = split_nal(rest) {
            nals.push(nal.to_vec());
            rest = behind;
        }
        assert_eq!(rest, b"");
        nals
    }

    fn decrypt_blocks(places: &[usize], bytes: &mut [u8]) {
        let cipher = Aes128::new(&KEY.into());
        let mut previous = [0x5A; 16];
        for &place in places {
            let taken: [u8; 16] = bytes[place..place + 16].try_into().unwrap();
            let mut block = taken.into();
            cipher.decrypt_block(&mut block);
            for i in 0..16 {
                bytes[place + i] = block[i] ^ previous[i];
            }
            previous = taken;
        }
    }

    /// What a player does: takes off the outer layer of escaping, decrypts. Byte by byte, by the
    /// words of the rule.
    fn play(nal: &[u8]) -> Vec<u8> {
        if nal.len() <= 48 || ![1, 5].contains(&(nal[0] % 32)) {
            return nal.to_vec();
        }
        let mut plain: Vec<u8> = Vec::new();
        let mut since_removed = 0;
        for &byte in nal {
            if byte == 3 && since_removed >= 2 && plain.ends_with(&[0, 0]) {
                since_removed = 0;
            } else {
                plain.push(byte);
                since_removed += 1;
            }
        }
        let mut places = Vec::new();
        let mut position = 32;
        while plain.len() - position > 16 {
            places.push(position);
            position += 16;
            position += (plain.len() - position).min(144);
        }
        decrypt_blocks(&places, &mut plain);
        plain
    }

    #[test]
    fn a_slice_that_other_packagers_and_players_agree_on() {
        let nal: Vec<u8> =
            std::iter::once(0x65).chain((0..239_u32).map(|i| (7 * i + 3) as u8)).collect();
        let out = encrypted(&cipher("50aa925fc1bc75ff390f57099321dc89"), &with_length(&nal));
        let expected = [
            &[0, 0, 0, 241],
            &nal[..32],
            &hex::decode("ec5ab2fbaf1000000302510ab5756d35b7").unwrap(), // a 03 is in between
            &nal[48..192],
            &hex::decode("76b12b4331d394cf2d7abe2ccccd0f63").unwrap(),
            &nal[208..],
        ];
        assert_eq!(hex::encode(out), hex::encode(expected.concat()));
    }

    #[test]
    fn a_frame_of_50_bytes_keeps_its_ends_clear() {
        let cipher = cipher("101112131415161718191a1b1c1d1e1f");
        let clear: Vec<u8> = (0..50_u32).map(|i| (11 * i + 9) as u8).collect();
        let mut frame = clear;
        encrypt_frame(&cipher, &mut frame);
        assert_eq!(
            hex::encode(&frame),
            "09141f2a35404b56616c77828d98a3ae68bbcaeeaf79fd6e2a39b68c8b7cc20e\
             4bc301efa94cc36cdcef51cd1ecfe5951924"
        );
    }

    #[test]
    fn a_block_is_encrypted_only_if_a_byte_follows_it() {
        let cipher = cipher("5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a");
        for (length, blocks) in
            [(47, 0), (48, 0), (49, 1), (192, 1), (208, 1), (209, 2), (368, 2), (369, 3)]
        {
            // No zeros, so that a place in the clear unit is the same in the encrypted one.
            let nal = vec![0x41; length];
            let out = nals(&encrypted(&cipher, &with_length(&nal))).concat();
            let changed = (0..length.div_ceil(16))
                .filter(|i| nal.chunks(16).nth(*i) != out.chunks(16).nth(*i));
            assert_eq!(changed.count(), blocks, "{length} bytes");
        }
    }

    #[test]
    fn what_is_not_encrypted_is_not_escaped_again() {
        let cipher = cipher("5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a");
        let parameter_set = [&[0x67, 0, 0, 3, 1][..], &[7; 60]].concat();
        let short_slice = [&[0x65, 0, 0, 3, 1][..], &[7; 43]].concat();
        let sample = [with_length(&parameter_set), with_length(&short_slice)].concat();
        assert_eq!(encrypted(&cipher, &sample), sample);
    }

    #[test]
    fn emulation_prevention_that_is_there_is_prevented_too() {
        let nal = [9, 0, 0, 3, 1, 0, 0, 0, 0, 4, 0, 0, 4, 0, 0];
        let mut bytes = with_length(&nal);
        escape(
            &mut bytes,
            std::slice::from_ref(&(4..4 + nal.len())),
            &mut [placed(0, 4 + nal.len())],
        );
        assert_eq!(bytes, with_length(&[9, 0, 0, 3, 3, 1, 0, 0, 3, 0, 0, 4, 0, 0, 4, 0, 0]));
    }

    #[test]
    fn behind_a_broken_length_all_is_copied() {
        let cipher = cipher("5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a");
        for broken in [&[0, 0, 1][..], &[0, 0, 0, 80, 0x65, 1], &[255, 255, 255, 255, 0x65]] {
            let sample = [&with_length(&[0x68, 0x80])[..], broken].concat();
            assert_eq!(encrypted(&cipher, &sample), sample);
        }
    }

    #[test]
    fn secrets_do_not_show() {
        assert_eq!(format!("{:?}", cipher(&"5a".repeat(16))), "SampleAesCipher { .. }");
    }

    /// Bytes among which those that emulation prevention is about are frequent.
    fn byte() -> impl Strategy<Value = u8> {
        prop_oneof![3 => 0_u8..5, 2 => any::<u8>()]
    }

    fn length() -> impl Strategy<Value = usize> {
        let near_period = (1_usize..5, 0_usize..40).prop_map(|(n, by)| 160 * n + 32 + by - 20);
        prop_oneof![47_usize..=66, near_period, 1_usize..1000]
    }

    fn nal() -> impl Strategy<Value = Vec<u8>> {
        let header = prop_oneof![3 => Just(0x65), 3 => Just(0x01), 1 => any::<u8>()];
        (header, length()).prop_flat_map(|(header, length)| {
            let body = proptest::collection::vec(byte(), length - 1);
            body.prop_map(move |body| [vec![header], body].concat())
        })
    }

    proptest! {
        #[test]
        fn a_player_gets_the_slices_back(units in proptest::collection::vec(nal(), 1..6)) {
            let sample: Vec<u8> = units.iter().flat_map(|nal| with_length(nal)).collect();
            let out = encrypted(&cipher(&"5a".repeat(16)), &sample);
            let sent = nals(&out);
            for (sent, clear) in sent.iter().zip(&units) {
                prop_assert_eq!(&play(sent), clear);
                if is_encrypted(clear) {
                    prop_assert!(!sent.windows(3).any(|three| matches!(three, [0, 0, 0..=2])));
                    prop_assert_ne!(sent, clear);
                }
            }
            prop_assert_eq!(sent.len(), units.len());
        }

        /// Neither what lies in other samples nor between them makes a difference.
        #[test]
        fn many_samples_are_encrypted_as_each_alone(
            pictures in proptest::collection::vec(proptest::collection::vec(nal(), 0..3), 0..20),
            gap in 0_usize..5,
        ) {
            let cipher = cipher(&"5a".repeat(16));
            let (mut payload, mut samples, mut alone) = (Vec::new(), Vec::new(), Vec::new());
            for nals in &pictures {
                payload.resize(payload.len() + gap, 0);
                let picture: Vec<u8> = nals.iter().flat_map(|nal| with_length(nal)).collect();
                samples.push(placed(payload.len(), picture.len()));
                payload.extend_from_slice(&picture);
                alone.push(encrypted(&cipher, &picture));
            }
            payload.extend_from_slice(b"behind");
            cipher.encrypt_pictures(&mut payload, &mut samples);
            let mut expected = Vec::new();
            for (sample, alone) in samples.iter().zip(&alone) {
                let place = sample.offset..sample.offset + sample.size as usize;
                prop_assert_eq!(&payload[place], alone);
                expected.resize(expected.len() + gap, 0);
                expected.extend_from_slice(alone);
            }
            expected.extend_from_slice(b"behind");
            prop_assert_eq!(payload, expected);
        }

        #[test]
        fn many_frames_are_encrypted_as_each_alone(
            frames in proptest::collection::vec(
                proptest::collection::vec(any::<u8>(), 0..200), 0..20),
        ) {
            let cipher = cipher(&"5a".repeat(16));
            let (mut payload, mut places, mut alone) = (Vec::new(), Vec::new(), frames.clone());
            for frame in &frames {
                places.push(payload.len()..payload.len() + frame.len());
                payload.extend_from_slice(frame);
            }
            cipher.encrypt_frames(&mut payload, places.into_iter());
            alone.iter_mut().for_each(|frame| encrypt_frame(&cipher, frame));
            prop_assert_eq!(payload, alone.concat());
        }

        #[test]
        fn a_player_gets_the_frames_back(clear in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut frame = clear.clone();
            encrypt_frame(&cipher(&"5a".repeat(16)), &mut frame);
            let blocks = clear.len().saturating_sub(16) / 16;
            let places: Vec<usize> = (1..=blocks).map(|block| block * 16).collect();
            prop_assert!(places.iter().all(|&at| frame[at..at + 16] != clear[at..at + 16]));
            decrypt_blocks(&places, &mut frame);
            prop_assert_eq!(frame, clear);
        }
    }
}
