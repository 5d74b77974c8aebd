//! AES in counter mode (NIST SP 800-38A 6.5) as `cenc` counts (ISO/IEC 23001-7:2023 9.3, 9.5.2.4).
//!
//! ```text
//! counter blocks   IV│0   IV│1   IV│2   …            as many as the processor takes at once
//!                   ▼      ▼      ▼    AES
//! key stream      ────────────────────────────
//! sample       │clear│ + + + + + + │clear│ + + + +   ranges use it up, one behind the other
//! ```
//!
//! The part of the key stream that a range leaves over is the start of the next range's, so where
//! ranges end makes no difference. Does not decide which bytes.

use std::ops::Range;

use aes::Aes128Enc;
use aes::cipher::array::Array;
use aes::cipher::consts::U16;
use aes::cipher::typenum::Unsigned;
use aes::cipher::{
    BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, ParBlocks,
};

/// AES has blocks of this size.
const BLOCK_BYTES: usize = 16;

/// Adds a key stream of its own to the ranges of each sample, in their order. What lies behind the
/// end of the buffer is left out.
pub(super) fn encrypt<R: Iterator<Item = Range<usize>>>(
    cipher: &Aes128Enc,
    buffer: &mut [u8],
    samples: impl Iterator<Item = ([u8; 8], R)>,
) {
    cipher.encrypt_with_backend(KeyStreams { buffer, samples });
}

/// Adds `key` to `data` as far as both reach; in words, because compilers do not join bytes here.
#[inline(always)]
pub(super) fn add(data: &mut [u8], key: &[u8]) {
    let (words, rest) = data.as_chunks_mut::<8>();
    let (key_words, _) = key.as_chunks::<8>();
    for (word, key) in words.iter_mut().zip(key_words) {
        *word = (u64::from_ne_bytes(*word) ^ u64::from_ne_bytes(*key)).to_ne_bytes();
    }
    let key_rest = key.get(8 * words.len()..).unwrap_or_default();
    for (byte, key) in rest.iter_mut().zip(key_rest) {
        *byte ^= key;
    }
}

/// All samples are one call of the cipher, so that its key schedule is loaded once.
struct KeyStreams<'a, I> {
    buffer: &'a mut [u8],
    samples: I,
}

impl<I> BlockSizeUser for KeyStreams<'_, I> {
    type BlockSize = U16;
}

impl<I, R> BlockCipherEncClosure for KeyStreams<'_, I>
where
    I: Iterator<Item = ([u8; 8], R)>,
    R: Iterator<Item = Range<usize>>,
{
    // Where it is not inlined, the processor's wide instructions are calls.
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let whole = BLOCK_BYTES * B::ParBlocksSize::USIZE;
        let mut blocks = ParBlocks::<B>::default();
        for (iv, ranges) in self.samples {
            // The block that comes behind those that are made, and bytes of these that are used up.
            let (mut number, mut used) = (0, whole);
            for range in ranges {
                let end = range.end.min(self.buffer.len());
                let mut rest = self.buffer.get_mut(range.start..end).unwrap_or_default();
                while !rest.is_empty() {
                    if used == whole {
                        count(iv, number, Array::slice_as_flattened_mut(blocks.as_mut_slice()));
                        backend.encrypt_par_blocks((&mut blocks).into());
                        number += B::ParBlocksSize::U64;
                        used = 0;
                    }
                    let key = Array::slice_as_flattened(blocks.as_slice());
                    let key = key.get(used..).unwrap_or_default();
                    let (now, later) = rest.split_at_mut(key.len().min(rest.len()));
                    match (now.get_mut(..whole), key.get(..whole)) {
                        // The usual case, of a length that is known beforehand.
                        (Some(now), Some(key)) => add(now, key),
                        _ => add(now, key),
                    }
                    used += now.len();
                    rest = later;
                }
            }
        }
    }
}

/// Writes the counter blocks from `number` on.
#[inline(always)]
fn count(iv: [u8; 8], number: u64, blocks: &mut [u8]) {
    let (halves, _) = blocks.as_chunks_mut::<8>();
    let (pairs, _) = halves.as_chunks_mut::<2>();
    for (number, [high, low]) in (number..).zip(pairs) {
        *high = iv;
        *low = number.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_block_is_the_iv_and_the_number_of_the_block() {
        let mut blocks = [0; 48];
        count(*b"\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8", 0x122, &mut blocks);
        let expected = "a1a2a3a4a5a6a7a80000000000000122a1a2a3a4a5a6a7a80000000000000123\
                        a1a2a3a4a5a6a7a80000000000000124";
        assert_eq!(hex::encode(blocks), expected);
    }

    #[test]
    fn what_is_added_ends_with_the_shorter() {
        for (data, key) in [(0, 5), (7, 7), (8, 20), (17, 17), (20, 30)] {
            let mut bytes = vec![0xF0; data];
            add(&mut bytes, &vec![0x0F; key]);
            assert_eq!(bytes, vec![0xFF; data], "{data} {key}");
        }
    }
}
