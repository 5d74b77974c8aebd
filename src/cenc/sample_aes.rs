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

use aes::Aes128;
use aes::cipher::KeyInit;

use super::aes128::chain;
use crate::codec::h264::nal_type;

/// NAL units up to this length stay clear.
const CLEAR_NAL_BYTES: usize = 48;
/// The start of a NAL unit that stays clear.
const NAL_LEADER_BYTES: usize = 32;
/// A block of a NAL unit that is encrypted, and the stretch behind it that is not.
const NAL_PATTERN_BYTES: usize = 16 + 144;
/// The start of an audio frame that stays clear, behind the header of ADTS if it has one.
const FRAME_LEADER_BYTES: usize = 16;
const LENGTH_BYTES: usize = 4;

/// Encrypts samples with one key and one IV.
pub struct SampleAesCipher {
    cipher: Aes128,
    iv: [u8; 16],
}

impl SampleAesCipher {
    /// A cipher with this content key, whose chains begin with `iv`.
    pub fn new(key: &[u8; 16], iv: &[u8; 16]) -> Self {
        Self { cipher: Aes128::new(&(*key).into()), iv: *iv }
    }

    /// Appends a sample of H.264 to `out`: NAL units with lengths of four bytes in both. Slices are
    /// encrypted and escaped once more, all else is copied. From a length on that leads out of the
    /// sample, everything is copied as it is.
    pub fn encrypt_picture(&self, sample: &[u8], out: &mut Vec<u8>) {
        let mut rest = sample;
        while let Some((nal, behind)) = split_nal(rest) {
            let at = out.len();
            out.extend_from_slice(&(nal.len() as u32).to_be_bytes());
            out.extend_from_slice(nal);
            if is_encrypted(nal) {
                self.encrypt_nal(out, at + LENGTH_BYTES);
                let length = (out.len() - at - LENGTH_BYTES) as u32;
                if let Some(field) = out.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
                    *field = length.to_be_bytes();
                }
            }
            rest = behind;
        }
        out.extend_from_slice(rest);
    }

    /// Encrypts a raw frame of AAC: what follows its ADTS header and CRC.
    pub fn encrypt_aac_frame(&self, raw_frame: &mut [u8]) {
        self.encrypt_frame(raw_frame);
    }

    /// Encrypts a syncframe of AC-3 or E-AC-3, its header included (ETSI TS 102 366 4.1 and E.1.2).
    /// An access unit of E-AC-3 may hold several; each is a frame of its own.
    pub fn encrypt_ac3_frame(&self, syncframe: &mut [u8]) {
        self.encrypt_frame(syncframe);
    }

    fn encrypt_frame(&self, frame: &mut [u8]) {
        let body = frame.get_mut(FRAME_LEADER_BYTES..).unwrap_or_default();
        chain(&self.cipher, &self.iv, body.as_chunks_mut().0.iter_mut());
    }

    /// Encrypts and escapes the NAL unit that stands in `out` from `at` to the end.
    fn encrypt_nal(&self, out: &mut Vec<u8>, at: usize) {
        let body = out.get_mut(at + NAL_LEADER_BYTES..).unwrap_or_default();
        let blocks = body.chunks_mut(NAL_PATTERN_BYTES).filter_map(|stretch| {
            // At least one clear byte follows each block.
            let (block, behind) = stretch.split_first_chunk_mut()?;
            (!behind.is_empty()).then_some(block)
        });
        chain(&self.cipher, &self.iv, blocks);
        escape(out, at);
    }
}

/// Neither key nor IV.
impl fmt::Debug for SampleAesCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SampleAesCipher").finish_non_exhaustive()
    }
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

/// Puts emulation prevention into what stands in `out` from `from` to the end: `00 00 0x` becomes
/// `00 00 03 0x` for x up to 3 (ISO/IEC 14496-10:2022 7.3.1), also where such a byte is there
/// already.
fn escape(out: &mut Vec<u8>, from: usize) {
    let places = escape_places(out.get(from..).unwrap_or_default());
    let mut end = out.len();
    out.resize(end + places.len(), 0);
    // From the back, so that each byte moves once; `added` bytes go in before what moves.
    for (added, place) in (1..=places.len()).rev().zip(places.iter().rev()) {
        let place = from + place;
        out.copy_within(place..end, place + added);
        if let Some(byte) = out.get_mut(place + added - 1) {
            *byte = 3;
        }
        end = place;
    }
}

/// Before which bytes a 03 must stand, in order.
fn escape_places(nal: &[u8]) -> Vec<usize> {
    let mut places = Vec::new();
    let mut at = 0;
    while let Some(found) = nal.get(at..).and_then(|rest| memchr::memchr(0, rest)) {
        at += found;
        match nal.get(at + 1..) {
            Some(&[0, 0..=3, ..]) => {
                places.push(at + 2);
                // What stands behind the 03 begins a new run of zeros.
                at += 2;
            }
            Some(&[0, _, ..]) => at += 3,
            // The zero behind may begin a run only if it is one.
            _ => at += 1,
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes::cipher::BlockCipherDecrypt;
    use proptest::prelude::*;

    const KEY: [u8; 16] = *b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff";

    fn cipher(iv: &str) -> SampleAesCipher {
        SampleAesCipher::new(&KEY, hex::decode(iv).unwrap().as_chunks().0.first().unwrap())
    }

    fn with_length(nal: &[u8]) -> Vec<u8> {
        [&(nal.len() as u32).to_be_bytes(), nal].concat()
    }

    fn encrypted(cipher: &SampleAesCipher, sample: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        cipher.encrypt_picture(sample, &mut out);
        out
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
        let (mut aac, mut ac3) = (clear.clone(), clear);
        cipher.encrypt_aac_frame(&mut aac);
        cipher.encrypt_ac3_frame(&mut ac3);
        assert_eq!(
            hex::encode(&aac),
            "09141f2a35404b56616c77828d98a3ae68bbcaeeaf79fd6e2a39b68c8b7cc20e\
             4bc301efa94cc36cdcef51cd1ecfe5951924"
        );
        assert_eq!(aac, ac3);
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
        let mut bytes = vec![9, 0, 0, 3, 1, 0, 0, 0, 0, 4, 0, 0, 4, 0, 0];
        escape(&mut bytes, 0);
        assert_eq!(bytes, [9, 0, 0, 3, 3, 1, 0, 0, 3, 0, 0, 4, 0, 0, 4, 0, 0]);
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

        #[test]
        fn a_player_gets_the_frames_back(clear in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut frame = clear.clone();
            cipher(&"5a".repeat(16)).encrypt_aac_frame(&mut frame);
            let blocks = clear.len().saturating_sub(16) / 16;
            let places: Vec<usize> = (1..=blocks).map(|block| block * 16).collect();
            prop_assert!(places.iter().all(|&at| frame[at..at + 16] != clear[at..at + 16]));
            decrypt_blocks(&places, &mut frame);
            prop_assert_eq!(frame, clear);
        }
    }
}
