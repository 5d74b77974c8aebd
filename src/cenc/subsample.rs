//! Which bytes of a sample are encrypted (ISO/IEC 23001-7:2023 9.5.2, 10.1, 10.4).
//!
//! Samples of video are NAL units behind lengths of four bytes. What a decoder's host has to look at
//! stays clear; of slices, all behind the slice header is encrypted:
//!
//! ```text
//! │length│ SEI │length│ header │ slice header │                 slice data                  │
//! ├─────────────── clear ─────────────────────┼──────────────── protected ──────────────────┤ cbcs
//! ├─────────────── clear ──────────────────────── (0 … 15 more) ──┼─ protected, n × 16 ─────┤ cenc
//! ```
//!
//! The two schemes differ because counters would allow any length, but some decoders rely on whole
//! blocks; and because players that do not look at subsamples at all reckon the start of the pattern
//! of `cbcs` from the slice header themselves.
//!
//! A slice whose header cannot be measured stays clear as a whole: its parameter sets are missing or
//! broken, so no player can show it, while a wrong guess would send players of good slices behind it
//! astray. Entries always add up to the size of the sample, whatever its bytes are.
//!
//! Samples of audio have no subsamples; see [`super::cipher`].

use crate::codec::{h264, h265};
use crate::model::protection::ProtectionScheme;
use crate::model::sample::Subsample;

/// What tells slices from other NAL units, and where their headers end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SliceSyntax {
    /// H.264.
    Avc(h264::SliceHeaders),
    /// H.265.
    Hevc(h265::SliceHeaders),
}

/// Bytes of the length before each NAL unit.
const LENGTH_BYTES: usize = 4;
/// AES has blocks of this size.
const BLOCK_BYTES: usize = 16;

impl SliceSyntax {
    /// Bytes up to the slice data of a NAL unit; `None` where it is to stay clear.
    fn header_bytes(&self, nal: &[u8]) -> Option<usize> {
        let first = *nal.first()?;
        match self {
            Self::Avc(headers) => {
                let is_slice = matches!(first & 0x1F, h264::nal_type::SLICE..=h264::nal_type::IDR);
                is_slice.then(|| headers.header_bytes(nal).ok()).flatten()
            }
            Self::Hevc(headers) => {
                let is_slice = first >> 1 & 0x3F < h265::nal_type::FIRST_NON_VCL;
                is_slice.then(|| headers.header_bytes(nal).ok()).flatten()
            }
        }
    }
}

/// Appends the entries of one sample of video. A clear run is told by several entries where it is
/// too long for one. Where a length leads out of the sample, the rest stays clear; and so does
/// everything under schemes other than `cenc` and `cbcs`.
pub fn subsamples(
    scheme: ProtectionScheme,
    sample: &[u8],
    syntax: &SliceSyntax,
    out: &mut Vec<Subsample>,
) {
    divide(scheme, sample, syntax, |entry| out.push(entry));
}

/// How many entries [`subsamples`] appends.
pub fn count(scheme: ProtectionScheme, sample: &[u8], syntax: &SliceSyntax) -> u32 {
    let mut count = 0;
    divide(scheme, sample, syntax, |_| count += 1);
    count
}

fn divide(
    scheme: ProtectionScheme,
    sample: &[u8],
    syntax: &SliceSyntax,
    mut emit: impl FnMut(Subsample),
) {
    // Where the clear run before the next protected range begins.
    let mut clear_from = 0;
    let mut at = 0;
    while let Some((length, rest)) =
        sample.get(at..).and_then(<[u8]>::split_first_chunk::<LENGTH_BYTES>)
    {
        let length = u32::from_be_bytes(*length);
        let Some(nal) = rest.get(..length as usize) else { break };
        let end = at + LENGTH_BYTES + nal.len();
        let protected = protected_bytes(scheme, nal, syntax);
        if protected > 0 {
            emit_run(end - protected - clear_from, protected as u32, &mut emit);
            clear_from = end;
        }
        at = end;
    }
    if clear_from < sample.len() {
        emit_run(sample.len() - clear_from, 0, &mut emit);
    }
}

/// How many bytes at the end of a NAL unit are protected.
fn protected_bytes(scheme: ProtectionScheme, nal: &[u8], syntax: &SliceSyntax) -> usize {
    let is_rounded = match scheme {
        ProtectionScheme::Cenc => true,
        ProtectionScheme::Cbcs => false,
        ProtectionScheme::HlsAes128 | ProtectionScheme::HlsSampleAes => return 0,
    };
    let header = syntax.header_bytes(nal).unwrap_or(nal.len());
    let payload = nal.len().saturating_sub(header);
    if is_rounded { payload - payload % BLOCK_BYTES } else { payload }
}

/// A clear run and the protected range behind it.
fn emit_run(mut clear: usize, protected: u32, emit: &mut impl FnMut(Subsample)) {
    loop {
        match u16::try_from(clear) {
            Ok(clear) => return emit(Subsample { clear, protected }),
            Err(_) => {
                emit(Subsample { clear: u16::MAX, protected: 0 });
                clear -= usize::from(u16::MAX);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ProtectionScheme::{Cbcs, Cenc};
    use proptest::prelude::*;

    /// Parameter sets of an H.264 stream of x264: High profile, CABAC, 352 × 288.
    const SPS: &[u8] = &hex_literal();
    const PPS: &[u8] = &[0];
}
