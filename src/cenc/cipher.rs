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
