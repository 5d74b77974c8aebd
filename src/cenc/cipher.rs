//! How bytes are encrypted: AES-128 in the modes of `cenc` and `cbcs`
//! (ISO/IEC 23001-7:2023 9.5, 9.6, 10.1, 10.4).
//!
//! ```text
//! cenc   │clear│ E E E E E E E e │clear│ e E E E e │     one key stream over all protected bytes of
//!                              └── same block ──┘         a sample; blocks may be split
//! cbcs   │clear│ E · · · · · · · · · E · · · · x │        one block of ten; chained through the
//!              IV┘                                        encrypted blocks, IV anew in each range
//! ```
//!
//! Both work in place, on all samples of a buffer in one call: under `cenc` they share the cipher's
//! loaded keys, under `cbcs` the chains of several ranges advance together. An empty list of
//! subsamples means a sample of audio: all of it under `cenc`, all whole blocks under `cbcs`. (A
//! sample of video always has entries, if only for its clear bytes.) Entries that reach beyond the
//! sample are cut off there.
//!
//! The key schedule is made once for each cipher, and is overwritten when the cipher is dropped.
//! Does not decide which bytes; does not pad.

use std::ops::Range;

use aes::Aes128Enc;
use aes::cipher::{Array, KeyInit};

use super::chains::{self, Chain};
use super::key_stream;
use crate::model::sample::Subsample;

/// AES has blocks of this size.
const BLOCK_BYTES: usize = 16;
/// The pattern of `cbcs` for video: one block of ten, 1:9 (10.4.2).
const PATTERN_BYTES: usize = 10 * BLOCK_BYTES;

/// A sample in a buffer, and what of it is protected.
#[derive(Clone, Debug)]
pub struct ProtectedSample<'a> {
    /// Where it lies in the buffer, in bytes.
    pub place: Range<usize>,
    /// Its clear and protected runs, from its first byte on; none for audio.
    pub subsamples: &'a [Subsample],
}

impl<'a> ProtectedSample<'a> {
    /// The protected ranges in the buffer, in order; all of it if it is audio.
    fn ranges(self) -> impl Iterator<Item = Range<usize>> + use<'a> {
        let Self { place: Range { start, end }, subsamples } = self;
        let audio = subsamples.is_empty().then_some(start..end);
        let mut at = start;
        let protected = subsamples.iter().map(move |subsample| {
            let from = at.saturating_add(usize::from(subsample.clear)).min(end);
            at = from.saturating_add(subsample.protected as usize).min(end);
            from..at
        });
        audio.into_iter().chain(protected)
    }
}

/// AES-CTR as `cenc` uses it.
pub struct CencCipher(Aes128Enc);

impl CencCipher {
    /// Expands a key.
    pub fn new(key: &[u8; 16]) -> Self {
        Self(Aes128Enc::new(&Array::from(*key)))
    }

    /// Encrypts the protected bytes of samples, each with the IV that is given with it. Doing it
    /// twice gives the samples back.
    ///
    /// The key stream counts protected bytes only and goes on from range to range, in the middle of
    /// a block if need be (9.5.2.4).
    pub fn encrypt<'a>(
        &self,
        buffer: &mut [u8],
        samples: impl Iterator<Item = ([u8; 8], ProtectedSample<'a>)>,
    ) {
        let ranges = samples.map(|(iv, sample)| (iv, sample.ranges()));
        key_stream::encrypt(&self.0, buffer, ranges);
    }
}

/// AES-CBC as `cbcs` uses it.
pub struct CbcsCipher {
    cipher: Aes128Enc,
    iv: [u8; 16],
}

impl CbcsCipher {
    /// Expands a key; the IV is the constant one of the track.
    pub fn new(key: &[u8; 16], iv: [u8; 16]) -> Self {
        Self { cipher: Aes128Enc::new(&Array::from(*key)), iv }
    }

    /// Encrypts the protected ranges of samples of video in the pattern 1:9, and all whole blocks of
    /// samples of audio. Samples share no bytes.
    ///
    /// The IV stands before each range anew. The last block of a range is encrypted if it is whole
    /// and its turn has come; what is less than a block stays clear (9.6.1).
    pub fn encrypt<'a>(
        &self,
        buffer: &mut [u8],
        samples: impl Iterator<Item = ProtectedSample<'a>>,
    ) {
        let chains = samples.flat_map(|sample| {
            let is_audio = sample.subsamples.is_empty();
            let stride = if is_audio { BLOCK_BYTES } else { PATTERN_BYTES };
            sample.ranges().map(move |range| Chain { range, stride })
        });
        chains::encrypt(&self.cipher, &self.iv, buffer, chains);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes::Aes128;
    use aes::cipher::BlockCipherDecrypt;
    use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
    use aws_lc_rs::iv::FixedLength;
    use proptest::prelude::*;

    const KEY: [u8; 16] = *b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff";
    /// The IV of the vectors for `cenc`, and that for `cbcs`.
    const COUNTED: [u8; 8] = *b"\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8";
    const CONSTANT: [u8; 16] = *b"\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f";

    /// Byte i is 7·i + 3.
    fn plain(length: usize) -> Vec<u8> {
        (0..length).map(|index| (7 * index + 3) as u8).collect()
    }

    fn list(entries: &[(u16, u32)]) -> Vec<Subsample> {
        entries.iter().map(|&(clear, protected)| Subsample { clear, protected }).collect()
    }

    fn cenc(iv: [u8; 8], mut sample: Vec<u8>, entries: &[(u16, u32)]) -> Vec<u8> {
        let subsamples = list(entries);
        let whole = ProtectedSample { place: 0..sample.len(), subsamples: &subsamples };
        CencCipher::new(&KEY).encrypt(&mut sample, [(iv, whole)].into_iter());
        sample
    }

    fn cbcs(mut sample: Vec<u8>, entries: &[(u16, u32)]) -> Vec<u8> {
        let subsamples = list(entries);
        let whole = ProtectedSample { place: 0..sample.len(), subsamples: &subsamples };
        CbcsCipher::new(&KEY, CONSTANT).encrypt(&mut sample, [whole].into_iter());
        sample
    }

    #[test]
    fn the_counter_goes_on_through_subsamples() {
        // 32 protected bytes behind 5 clear ones, 16 behind 3.
        let cipher = cenc(COUNTED, plain(56), &[(5, 32), (3, 16)]);
        assert_eq!(
            hex::encode(cipher),
            "030a11181fbf60110f90d440de3a72e33ec652fff9963ea970dce7c65c6541c940391fa1dd060d143c81fd9a\
             40ef23a1eb4e5a180534079a"
        );
    }

    #[test]
    fn the_counter_goes_on_in_the_middle_of_a_block() {
        // The protected bytes of the vector above, cut elsewhere: the key stream is the same.
        let whole = cenc(COUNTED, vec![0; 48], &[]);
        for cut in 0..=48_u32 {
            let split = cenc(COUNTED, vec![0; 48 + 7], &[(0, cut), (7, 48 - cut)]);
            let at = cut as usize;
            assert_eq!(split[..at], whole[..at], "{cut}");
            assert_eq!(split[at..at + 7], [0; 7], "{cut}");
            assert_eq!(split[at + 7..], whole[at..], "{cut}");
        }
    }

    #[test]
    fn whole_samples_are_encrypted_to_the_last_byte() {
        let first = cenc(COUNTED, plain(20), &[]);
        assert_eq!(hex::encode(first), "9a47342ccdbb3dbd5f55c61deb8d121a73d98c53");
        let next = (u64::from_be_bytes(COUNTED) + 1).to_be_bytes();
        let second = cenc(next, (0..33).map(|index| index * 5 + 1).collect(), &[]);
        assert_eq!(
            hex::encode(second),
            "2822ba4da75bdd30ec39e526d896ccbed97a0a8bba9327d00b9a6c1c919cdf5635"
        );
    }

    #[test]
    fn the_pattern_takes_one_block_of_ten_and_begins_anew_in_each_subsample() {
        let plain = plain(250);
        let cipher = cbcs(plain.clone(), &[(4, 200), (6, 40)]);
        let mut expected = plain;
        for (at, block) in [
            (4, "cbdb61aba60166610646754c7ca43cf7"),
            (164, "a544a03910b2d6a99bfde613e92381e7"),
            (210, "a914057a2d4322ce84395c17ab13ff48"),
        ] {
            hex::decode_to_slice(block, &mut expected[at..at + 16]).unwrap();
        }
        assert_eq!(cipher, expected);
    }

    #[test]
    fn all_whole_blocks_of_audio_are_encrypted() {
        assert_eq!(
            hex::encode(cbcs(plain(37), &[])),
            "d972022b39917037b90c1b405ba04f2d90f3eff7953f913e114afeed5a5fe158e3eaf1f8ff"
        );
        assert_eq!(cbcs(plain(15), &[]), plain(15));
    }

    #[test]
    fn a_last_block_is_encrypted_if_it_is_whole() {
        let encrypted_blocks = |protected: u32| {
            let cipher = cbcs(vec![0; 400], &[(0, protected)]);
            cipher.chunks(16).filter(|block| block != &[0; 16]).count()
        };
        let counts = [15, 16, 17, 160, 175, 176, 335, 336].map(encrypted_blocks);
        assert_eq!(counts, [0, 1, 1, 1, 1, 2, 2, 3]);
    }

    #[test]
    fn entries_beyond_the_sample_are_cut_off() {
        let entries = [(5, u32::MAX), (u16::MAX, u32::MAX), (1, 1)];
        assert_eq!(cenc(COUNTED, plain(56), &entries), cenc(COUNTED, plain(56), &[(5, 51)]));
        assert_eq!(cbcs(plain(56), &entries), cbcs(plain(56), &[(5, 51)]));
        assert_eq!(cenc(COUNTED, plain(9), &[(u16::MAX, 1)]), plain(9));
        assert!(cenc(COUNTED, Vec::new(), &[]).is_empty());
    }

    /// The other way for `cbcs`, written from the standard and not from `encrypt`: by block numbers.
    fn decrypt_cbcs(sample: &mut [u8], entries: &[(u16, u32)]) {
        let cipher = Aes128::new(&Array::from(KEY));
        let is_audio = entries.is_empty();
        let whole = [(0, sample.len() as u32)];
        let mut at = 0;
        for &(clear, protected) in if is_audio { &whole[..] } else { entries } {
            at = (at + clear as usize).min(sample.len());
            let end = (at + protected as usize).min(sample.len());
            let mut before = CONSTANT;
            for number in 0..(end - at) / 16 {
                if !is_audio && number % 10 != 0 {
                    continue;
                }
                let block = &mut sample[at + 16 * number..][..16];
                let encrypted: [u8; 16] = (&*block).try_into().unwrap();
                let mut open = Array::from(encrypted);
                cipher.decrypt_block(&mut open);
                for index in 0..16 {
                    block[index] = open[index] ^ before[index];
                }
                before = encrypted;
            }
            at = end;
        }
    }

    /// Which bytes of a sample are protected.
    fn mask(length: usize, entries: &[(u16, u32)]) -> Vec<bool> {
        if entries.is_empty() {
            return vec![true; length];
        }
        let mut mask = Vec::new();
        for &(clear, protected) in entries {
            mask.resize(mask.len() + clear as usize, false);
            mask.resize(mask.len() + protected as usize, true);
        }
        mask.resize(length, false);
        mask
    }

    proptest! {
        #[test]
        fn decrypting_gives_the_sample_back_and_clear_bytes_stay(
            sample in proptest::collection::vec(any::<u8>(), 0..900),
            entries in proptest::collection::vec((0_u16..80, 0_u32..400), 0..6),
            iv: [u8; 8],
        ) {
            let mask = mask(sample.len(), &entries);
            let clear_bytes = |bytes: &[u8]| -> Vec<u8> {
                bytes.iter().zip(&mask).filter(|(_, protected)| !**protected).map(|(b, _)| *b).collect()
            };

            let encrypted = cenc(iv, sample.clone(), &entries);
            prop_assert_eq!(clear_bytes(&encrypted), clear_bytes(&sample));
            prop_assert_eq!(&cenc(iv, encrypted, &entries), &sample);

            let mut encrypted = cbcs(sample.clone(), &entries);
            prop_assert_eq!(clear_bytes(&encrypted), clear_bytes(&sample));
            decrypt_cbcs(&mut encrypted, &entries);
            prop_assert_eq!(encrypted, sample);
        }

        #[test]
        fn another_library_encrypts_alike(
            samples in proptest::collection::vec(sample(), 0..24),
            gap in 0_usize..5,
            base in prop_oneof![any::<u64>(), Just(u64::MAX - 3)],
            iv: [u8; 16],
        ) {
            let mut buffer = Vec::new();
            let mut placed = Vec::new();
            for (bytes, subsamples) in &samples {
                buffer.resize(buffer.len() + gap, 0xEE);
                let start = buffer.len();
                buffer.extend_from_slice(bytes);
                placed.push(ProtectedSample { place: start..buffer.len(), subsamples });
            }
            let ivs = (0..).map(|number| base.wrapping_add(number).to_be_bytes());

            let mut ours = buffer.clone();
            CencCipher::new(&KEY).encrypt(&mut ours, ivs.clone().zip(placed.iter().cloned()));
            let mut theirs = buffer.clone();
            for (iv, sample) in ivs.zip(&placed) {
                cenc_by_aws_lc(iv, &mut theirs[sample.place.clone()], sample.subsamples);
            }
            prop_assert_eq!(ours, theirs);

            let mut ours = buffer.clone();
            CbcsCipher::new(&KEY, iv).encrypt(&mut ours, placed.iter().cloned());
            let mut theirs = buffer;
            for sample in &placed {
                cbcs_by_aws_lc(&iv, &mut theirs[sample.place.clone()], sample.subsamples);
            }
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn a_count_is_carried_through_its_bytes() {
        // 70,000 blocks: the count goes over 2^8 and 2^16.
        let clear = plain(1_120_007);
        let mut theirs = clear.clone();
        cenc_by_aws_lc([0xFF; 8], &mut theirs, &[]);
        assert!(cenc([0xFF; 8], clear, &[]) == theirs);
    }

    #[test]
    fn samples_beyond_the_buffer_are_cut_off() {
        let mut buffer = plain(100);
        let beyond = [90..130, 100..200, 300..400, usize::MAX - 1..usize::MAX];
        let subsamples = list(&[(2, u32::MAX)]);
        for subsamples in [&[][..], &subsamples] {
            let samples =
                beyond.iter().map(|place| ProtectedSample { place: place.clone(), subsamples });
            CbcsCipher::new(&KEY, CONSTANT).encrypt(&mut buffer, samples.clone());
            assert_eq!(buffer, plain(100));
            CencCipher::new(&KEY).encrypt(&mut buffer, std::iter::repeat(COUNTED).zip(samples));
            assert_eq!(buffer[..90], plain(100)[..90]);
            assert_ne!(buffer, plain(100));
            buffer = plain(100);
        }
    }

    /// Samples that are short, and some of several kilobytes; entries that add up to less or more.
    fn sample() -> impl Strategy<Value = (Vec<u8>, Vec<Subsample>)> {
        let length = prop_oneof![0_usize..700, 0_usize..5_000];
        let entry = (0_u16..80, prop_oneof![0_u32..400, 0_u32..3_000])
            .prop_map(|(clear, protected)| Subsample { clear, protected });
        let bytes = length.prop_flat_map(|length| proptest::collection::vec(any::<u8>(), length));
        (bytes, proptest::collection::vec(entry, 0..6))
    }

    /// Takes the protected bytes out, encrypts them as one message, and puts them back.
    fn cenc_by_aws_lc(iv: [u8; 8], sample: &mut [u8], subsamples: &[Subsample]) {
        let entries: Vec<_> = subsamples.iter().map(|e| (e.clear, e.protected)).collect();
        let mask = mask(sample.len(), &entries);
        let protected = |sample: &[u8]| -> Vec<u8> {
            sample.iter().zip(&mask).filter(|(_, is)| **is).map(|(byte, _)| *byte).collect()
        };
        let mut message = protected(sample);
        let key = UnboundCipherKey::new(&AES_128, &KEY).and_then(EncryptingKey::ctr).unwrap();
        let counter: [u8; 16] = [iv, [0; 8]].concat().try_into().unwrap();
        let context = EncryptionContext::Iv128(FixedLength::from(counter));
        key.less_safe_encrypt(&mut message, context).unwrap();
        let places = sample.iter_mut().zip(&mask).filter(|(_, is)| **is);
        places.zip(message).for_each(|((place, _), byte)| *place = byte);
    }

    /// Takes the blocks of each range out, encrypts them as one message, and puts them back.
    fn cbcs_by_aws_lc(iv: &[u8; 16], sample: &mut [u8], subsamples: &[Subsample]) {
        let length = sample.len();
        let mut encrypt = |places: Vec<usize>| {
            let blocks = places.iter().map(|&at| &sample[at..at + 16]);
            let mut message = blocks.collect::<Vec<_>>().concat();
            let key = UnboundCipherKey::new(&AES_128, &KEY).and_then(EncryptingKey::cbc).unwrap();
            let context = EncryptionContext::Iv128(FixedLength::from(iv));
            key.less_safe_encrypt(&mut message, context).unwrap();
            for (at, block) in places.into_iter().zip(message.chunks(16)) {
                sample[at..at + 16].copy_from_slice(block);
            }
        };
        if subsamples.is_empty() {
            encrypt((0..length / 16).map(|block| 16 * block).collect());
        }
        let mut at = 0;
        for entry in subsamples {
            at = (at + usize::from(entry.clear)).min(length);
            let end = (at + entry.protected as usize).min(length);
            let blocks = (0..(end - at) / 16).filter(|block| block % 10 == 0);
            encrypt(blocks.map(|block| at + 16 * block).collect());
            at = end;
        }
    }
}
