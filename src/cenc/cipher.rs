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
//! Both work in place and on one sample at a time. An empty list of subsamples means a sample of
//! audio: all of it under `cenc`, all whole blocks under `cbcs`. (A sample of video always has
//! entries, if only for its clear bytes.) Entries that reach beyond the sample are cut off there.
//!
//! The key schedule is made once for each cipher, and is overwritten when the cipher is dropped.
//! Does not decide which bytes, and knows nothing of other samples; does not pad.

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

use crate::model::sample::Subsample;

/// AES has blocks of this size.
const BLOCK_BYTES: usize = 16;
/// The pattern of `cbcs` for video: one block of ten, 1:9 (10.4.2).
const PATTERN_BYTES: usize = 10 * BLOCK_BYTES;

/// AES-CTR as `cenc` uses it.
pub struct CencCipher {
    /// For all that begins with a whole block: several blocks at a time.
    ///
    /// `None` only if the library refuses a key, which for 16 bytes it does not.
    wide: Option<EncryptingKey>,
    block: Aes128,
}

impl CencCipher {
    /// Expands a key.
    pub fn new(key: &[u8; 16]) -> Self {
        let wide = UnboundCipherKey::new(&AES_128, key).and_then(EncryptingKey::ctr).ok();
        Self { wide, block: Aes128::new(&Array::from(*key)) }
    }

    /// Encrypts the protected bytes of a sample, or all of it if `subsamples` is empty. Doing it
    /// twice gives the sample back.
    ///
    /// The key stream counts protected bytes only and goes on from range to range, in the middle of
    /// a block if need be (9.5.2.4).
    pub fn encrypt(&self, iv: [u8; 8], sample: &mut [u8], subsamples: &[Subsample]) {
        if subsamples.is_empty() {
            self.apply(iv, 0, sample);
            return;
        }
        let mut position = 0;
        for_each_protected(sample, subsamples, |range| {
            self.apply(iv, position, range);
            position += range.len();
        });
    }

    /// Adds the key stream from byte `position` on.
    fn apply(&self, iv: [u8; 8], position: usize, range: &mut [u8]) {
        let missing = position.next_multiple_of(BLOCK_BYTES) - position;
        let (head, rest) = range.split_at_mut(missing.min(range.len()));
        self.add_blockwise(iv, position, head);
        if rest.is_empty() {
            return;
        }
        let position = position + missing;
        let counter = FixedLength::from(counter_block(iv, position));
        let context = EncryptionContext::Iv128(counter);
        let done =
            self.wide.as_ref().is_some_and(|key| key.less_safe_encrypt(rest, context).is_ok());
        if !done {
            // The library's signature allows for failure; leaving media clear is no answer to it.
            self.add_blockwise(iv, position, rest);
        }
    }

    /// The same, block by block and from any position.
    fn add_blockwise(&self, iv: [u8; 8], mut position: usize, mut range: &mut [u8]) {
        while !range.is_empty() {
            let mut key_stream = Array::from(counter_block(iv, position));
            self.block.encrypt_block(&mut key_stream);
            let used = position % BLOCK_BYTES;
            let (now, later) = range.split_at_mut((BLOCK_BYTES - used).min(range.len()));
            for (byte, key) in now.iter_mut().zip(key_stream.iter().skip(used)) {
                *byte ^= key;
            }
            position += now.len();
            range = later;
        }
    }
}

/// The counter of the block that holds byte `position` of the key stream.
fn counter_block(iv: [u8; 8], position: usize) -> [u8; 16] {
    let [mut high, low] = [u64::from_be_bytes(iv), (position / BLOCK_BYTES) as u64].map(u128::from);
    high <<= 64;
    (high | low).to_be_bytes()
}

/// AES-CBC as `cbcs` uses it.
pub struct CbcsCipher {
    block: Aes128,
    iv: [u8; 16],
}

impl CbcsCipher {
    /// Expands a key; the IV is the constant one of the track.
    pub fn new(key: &[u8; 16], iv: [u8; 16]) -> Self {
        Self { block: Aes128::new(&Array::from(*key)), iv }
    }

    /// Encrypts the protected ranges of a sample of video in the pattern 1:9, or, if `subsamples` is
    /// empty, all whole blocks of a sample of audio.
    ///
    /// The IV stands before each range anew. The last block of a range is encrypted if it is whole
    /// and its turn has come; what is less than a block stays clear (9.6.1).
    pub fn encrypt(&self, sample: &mut [u8], subsamples: &[Subsample]) {
        if subsamples.is_empty() {
            self.encrypt_pattern(sample, BLOCK_BYTES);
            return;
        }
        for_each_protected(sample, subsamples, |range| self.encrypt_pattern(range, PATTERN_BYTES));
    }

    /// Encrypts the first block of each `stride` bytes as one chain.
    fn encrypt_pattern(&self, range: &mut [u8], stride: usize) {
        let mut chain = self.iv;
        for stretch in range.chunks_mut(stride) {
            let Some(block) = stretch.first_chunk_mut::<BLOCK_BYTES>() else { break };
            for (byte, before) in block.iter_mut().zip(chain) {
                *byte ^= before;
            }
            self.block.encrypt_block(block.into());
            chain = *block;
        }
    }
}

/// Visits the protected ranges of a sample, none of them empty.
fn for_each_protected(
    sample: &mut [u8],
    subsamples: &[Subsample],
    mut visit: impl FnMut(&mut [u8]),
) {
    let mut rest = sample;
    for subsample in subsamples {
        let clear = usize::from(subsample.clear).min(rest.len());
        let (_, behind) = rest.split_at_mut(clear);
        let protected = (subsample.protected as usize).min(behind.len());
        let (range, behind) = behind.split_at_mut(protected);
        if !range.is_empty() {
            visit(range);
        }
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes::cipher::BlockCipherDecrypt;
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
        CencCipher::new(&KEY).encrypt(iv, &mut sample, &list(entries));
        sample
    }

    fn cbcs(mut sample: Vec<u8>, entries: &[(u16, u32)]) -> Vec<u8> {
        CbcsCipher::new(&KEY, CONSTANT).encrypt(&mut sample, &list(entries));
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

    #[test]
    fn the_counter_block_is_the_iv_and_the_number_of_the_block() {
        assert_eq!(hex::encode(counter_block(COUNTED, 0x1230)), "a1a2a3a4a5a6a7a80000000000000123");
        assert_eq!(
            counter_block([0xFF; 8], 15),
            *b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\0\0\0\0\0\0\0"
        );
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
        fn many_blocks_at_a_time_are_the_same_as_one_by_one(
            sample in proptest::collection::vec(any::<u8>(), 0..900),
            entries in proptest::collection::vec((0_u16..80, 0_u32..400), 0..6),
            iv: [u8; 8],
        ) {
            let cipher = CencCipher::new(&KEY);
            prop_assert!(cipher.wide.is_some());
            let slow = CencCipher { wide: None, block: Aes128::new(&Array::from(KEY)) };
            let (mut one, mut other) = (sample.clone(), sample);
            cipher.encrypt(iv, &mut one, &list(&entries));
            slow.encrypt(iv, &mut other, &list(&entries));
            prop_assert_eq!(one, other);
        }
    }
}
