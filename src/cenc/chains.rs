//! Many chains of AES-CBC at a time (NIST SP 800-38A 6.2).
//!
//! ```text
//! chain a   IV ► block ► block ► block ► …
//! chain b   IV ► block ► block ► …            a step takes one block of each
//! chain c   IV ► block ► block ► block ► …
//! ```
//!
//! Within a chain each block waits for the one before, and a processor that could encrypt several
//! blocks in that time idles. Ranges that begin with the IV anew (subsamples of `cbcs`, NAL units
//! and frames of SAMPLE-AES) wait for nothing, so some of them advance together. What comes out is
//! the same as one by one.
//!
//! Does not decide which ranges, and does not pad.

use std::ops::Range;

use aes::Aes128Enc;
use aes::cipher::array::Array;
use aes::cipher::consts::U16;
use aes::cipher::{
    BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser,
};

use super::key_stream::add;

/// AES has blocks of this size.
const BLOCK_BYTES: usize = 16;
/// Chains that advance together: by measurement, more than eight are not faster, and with fewer the
/// processor waits.
const LANES: usize = 8;

/// One chain: the first block of each `stride` bytes of a range, as far as whole blocks reach.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    /// Where in the buffer; what lies behind its end is left out.
    pub(super) range: Range<usize>,
    /// Bytes from the start of one block to that of the next, at least a block.
    pub(super) stride: usize,
}

/// Encrypts chains that share no bytes, each beginning with `iv`.
pub(super) fn encrypt(
    cipher: &Aes128Enc,
    iv: &[u8; BLOCK_BYTES],
    buffer: &mut [u8],
    chains: impl Iterator<Item = Chain>,
) {
    cipher.encrypt_with_backend(Lanes { iv: *iv, buffer, chains });
}

/// All chains are one call of the cipher, so that its key schedule is loaded once.
struct Lanes<'a, I> {
    iv: [u8; BLOCK_BYTES],
    buffer: &'a mut [u8],
    chains: I,
}

/// A chain under way.
#[derive(Clone, Copy, Default)]
struct Lane {
    /// Where the next block lies.
    at: usize,
    stride: usize,
    /// Blocks to come.
    left: usize,
    /// The block before, encrypted, or the IV.
    previous: [u8; BLOCK_BYTES],
}

impl Lane {
    /// `None` for a chain without blocks.
    fn new(chain: &Chain, iv: [u8; BLOCK_BYTES], buffer_bytes: usize) -> Option<Self> {
        let Chain { range, stride } = chain;
        let bytes = range.end.min(buffer_bytes).checked_sub(range.start)?;
        let behind_first = bytes.checked_sub(BLOCK_BYTES)?;
        let left = behind_first.checked_div(*stride)? + 1;
        Some(Self { at: range.start, stride: *stride, left, previous: iv })
    }
}

impl<I> BlockSizeUser for Lanes<'_, I> {
    type BlockSize = U16;
}

impl<I: Iterator<Item = Chain>> BlockCipherEncClosure for Lanes<'_, I> {
    // Where it is not inlined, each block is a call.
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let Self { iv, buffer, chains } = self;
        let bytes = buffer.len();
        let mut waiting = chains.filter_map(|chain| Lane::new(&chain, iv, bytes)).fuse();
        // All idle at first; the busy ones come before the others.
        let mut lanes = [Lane::default(); LANES];
        let mut busy = LANES;
        loop {
            let mut index = 0;
            while let Some(lane) = lanes.get_mut(..busy).and_then(|busy| busy.get_mut(index)) {
                if lane.left > 0 {
                    index += 1;
                } else if let Some(next) = waiting.next() {
                    *lane = next;
                } else {
                    busy -= 1;
                    lanes.swap(index, busy);
                }
            }
            let running = lanes.get_mut(..busy).unwrap_or_default();
            let Some(steps) = running.iter().map(|lane| lane.left).min() else { break };
            for _ in 0..steps {
                for lane in running.iter_mut() {
                    let block = buffer.get_mut(lane.at..).and_then(<[u8]>::first_chunk_mut);
                    // All blocks lie within the buffer, by `left`.
                    let Some(block) = block else { continue };
                    let mut mixed = Array::from(lane.previous);
                    add(&mut mixed, block);
                    backend.encrypt_block((&mut mixed).into());
                    *block = mixed.into();
                    lane.previous = *block;
                    lane.at += lane.stride;
                }
            }
            for lane in running {
                lane.left -= steps;
            }
        }
    }
}
