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
//! A slice whose header cannot be measured stays clear as a whole. Its parameter sets are missing or
//! broken, so that no player can show it, or it uses syntax that the measuring rooms do not read and
//! that this origin does not offer. Guessing instead would encrypt what a player has to read, which
//! breaks good pictures behind it too. Entries always add up to the size of the sample, whatever its
//! bytes are.
//!
//! Samples of audio have no subsamples; see [`super::cipher`].

use std::borrow::Cow;

use crate::codec::{h264, h265};
use crate::model::protection::ProtectionScheme;
use crate::model::sample::Subsample;

/// What tells slices from other NAL units, and where their headers end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SliceSyntax<'a> {
    /// H.264.
    Avc(Cow<'a, h264::SliceHeaders>),
    /// H.265.
    Hevc(Cow<'a, h265::SliceHeaders>),
}

/// Bytes of the length before each NAL unit.
const LENGTH_BYTES: usize = 4;
/// AES has blocks of this size.
const BLOCK_BYTES: usize = 16;

impl SliceSyntax<'_> {
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
    syntax: &SliceSyntax<'_>,
    out: &mut Vec<Subsample>,
) {
    divide(scheme, sample, syntax, |entry| out.push(entry));
}

/// How many entries [`subsamples`] appends for `cenc` and for `cbcs`; slice headers are measured
/// once for both.
pub fn counts(sample: &[u8], syntax: &SliceSyntax<'_>) -> (u32, u32) {
    let (mut cenc, mut cbcs) = (0, 0);
    let (mut cenc_runs, mut cbcs_runs) = (Runs::default(), Runs::default());
    for (end, nal) in nal_units(sample) {
        let payload = payload_bytes(nal, syntax);
        cenc_runs.end(end, protected_bytes(ProtectionScheme::Cenc, payload), |_| cenc += 1);
        cbcs_runs.end(end, protected_bytes(ProtectionScheme::Cbcs, payload), |_| cbcs += 1);
    }
    cenc_runs.finish(sample, |_| cenc += 1);
    cbcs_runs.finish(sample, |_| cbcs += 1);
    (cenc, cbcs)
}

fn divide(
    scheme: ProtectionScheme,
    sample: &[u8],
    syntax: &SliceSyntax<'_>,
    mut emit: impl FnMut(Subsample),
) {
    let mut runs = Runs::default();
    for (end, nal) in nal_units(sample) {
        runs.end(end, protected_bytes(scheme, payload_bytes(nal, syntax)), &mut emit);
    }
    runs.finish(sample, emit);
}

/// The NAL units of a sample, each behind where it ends in it.
fn nal_units(sample: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (length, rest) = sample.get(at..)?.split_first_chunk::<LENGTH_BYTES>()?;
        let nal = rest.get(..u32::from_be_bytes(*length) as usize)?;
        at += LENGTH_BYTES + nal.len();
        Some((at, nal))
    })
}

/// How many bytes at the end of a NAL unit are slice data.
fn payload_bytes(nal: &[u8], syntax: &SliceSyntax<'_>) -> usize {
    nal.len().saturating_sub(syntax.header_bytes(nal).unwrap_or(nal.len()))
}

/// How many of them are protected.
const fn protected_bytes(scheme: ProtectionScheme, payload: usize) -> usize {
    match scheme {
        ProtectionScheme::Cenc => payload - payload % BLOCK_BYTES,
        ProtectionScheme::Cbcs => payload,
        ProtectionScheme::HlsAes128 | ProtectionScheme::HlsSampleAes => 0,
    }
}

/// Puts clear runs together that no protected range parts.
#[derive(Default)]
struct Runs {
    /// Where the clear run before the next protected range begins.
    clear_from: usize,
}

impl Runs {
    /// A NAL unit ends at `end`, and with it so many protected bytes.
    fn end(&mut self, end: usize, protected: usize, mut emit: impl FnMut(Subsample)) {
        if protected > 0 {
            emit_run(end - protected - self.clear_from, protected as u32, &mut emit);
            self.clear_from = end;
        }
    }

    fn finish(self, sample: &[u8], mut emit: impl FnMut(Subsample)) {
        if self.clear_from < sample.len() {
            emit_run(sample.len() - self.clear_from, 0, &mut emit);
        }
    }
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

    /// An H.264 stream of x264, CABAC; its P slices have weights.
    const AVC_SETS: [&str; 2] =
        ["6764000dacd9416096c044000003000400000300c83c50a658", "68e938f2c8b0"];
    /// Slice headers of it: 22 bytes of a P slice, 8 of an IDR slice.
    const P_HEADER: &str = "419a453c2108642604e03ec803fc8010181380fe044f";
    const IDR_HEADER: &str = "65009a8884002bff";
    /// An H.265 stream of x265, and a slice header of 20 bytes.
    const HEVC_SETS: [&str; 2] = [
        "42010101600000030090000003000003003ca00b08048596566924caf0168080000003008000000c84",
        "4401c172b64240",
    ];
    const HEVC_HEADER: &str = "10016513116abfb87c86926e2482626c2884f3e0";

    fn avc() -> SliceSyntax<'static> {
        let sets = AVC_SETS.map(|set| hex::decode(set).unwrap());
        SliceSyntax::Avc(Cow::Owned(h264::SliceHeaders::new(sets.iter().map(Vec::as_slice))))
    }

    fn hevc() -> SliceSyntax<'static> {
        let sets = HEVC_SETS.map(|set| hex::decode(set).unwrap());
        SliceSyntax::Hevc(Cow::Owned(h265::SliceHeaders::new(sets.iter().map(Vec::as_slice))))
    }

    /// A slice: its header, and so many bytes behind it.
    fn slice(header: &str, payload: usize) -> Vec<u8> {
        let mut nal = hex::decode(header).unwrap();
        nal.resize(nal.len() + payload, 0x5A);
        nal
    }

    fn sample(nals: &[&[u8]]) -> Vec<u8> {
        let prefixed = |nal: &&[u8]| [&(nal.len() as u32).to_be_bytes(), *nal].concat();
        nals.iter().flat_map(prefixed).collect()
    }

    /// The entries, after checking what holds for all: the count, and the sum.
    fn entries(
        scheme: ProtectionScheme,
        sample: &[u8],
        syntax: &SliceSyntax<'_>,
    ) -> Vec<(u16, u32)> {
        let mut out = Vec::new();
        subsamples(scheme, sample, syntax, &mut out);
        let (cenc, cbcs) = counts(sample, syntax);
        let counted = if scheme == Cenc { cenc } else { cbcs };
        assert_eq!(counted as usize, out.len());
        let sum: u64 = out.iter().map(|e| u64::from(e.clear) + u64::from(e.protected)).sum();
        assert_eq!(sum, sample.len() as u64);
        out.iter().map(|entry| (entry.clear, entry.protected)).collect()
    }

    #[test]
    fn slices_are_protected_behind_their_headers_and_the_rest_joins_the_clear_run() {
        let sei = [6, 5, 1, 0, 0x80];
        let sample = sample(&[&sei, &slice(IDR_HEADER, 100), &slice(P_HEADER, 35)]);
        // cenc moves 100 mod 16 = 4 and 35 mod 16 = 3 bytes to the clear part.
        assert_eq!(entries(Cbcs, &sample, &avc()), [(4 + 5 + 4 + 8, 100), (4 + 22, 35)]);
        assert_eq!(entries(Cenc, &sample, &avc()), [(4 + 5 + 4 + 8 + 4, 96), (4 + 22 + 3, 32)]);
    }

    #[test]
    fn hevc_has_two_bytes_of_header_and_other_types() {
        let prefix_sei = [39 << 1, 1, 5, 1, 0x80];
        let sample = sample(&[&prefix_sei, &slice(HEVC_HEADER, 33)]);
        assert_eq!(entries(Cbcs, &sample, &hevc()), [(4 + 5 + 4 + 20, 33)]);
        assert_eq!(entries(Cenc, &sample, &hevc()), [(4 + 5 + 4 + 20 + 1, 32)]);
    }

    #[test]
    fn a_slice_without_enough_payload_stays_clear_and_joins_what_follows() {
        let sample = sample(&[&slice(P_HEADER, 0), &slice(P_HEADER, 15), &slice(P_HEADER, 16)]);
        assert_eq!(entries(Cenc, &sample, &avc()), [(26 + 41 + 26, 16)]);
        assert_eq!(entries(Cbcs, &sample, &avc()), [(26 + 26, 15), (26, 16)]);
    }

    #[test]
    fn bytes_behind_the_last_slice_end_in_an_entry_without_protection() {
        let sample = sample(&[&slice(P_HEADER, 16), &[6, 5, 0x80]]);
        for scheme in [Cenc, Cbcs] {
            assert_eq!(entries(scheme, &sample, &avc()), [(26, 16), (7, 0)]);
        }
    }

    #[test]
    fn long_clear_runs_are_split() {
        let sei = |bytes: usize| [&[6][..], &vec![0xAA; bytes - 1]].concat();
        let behind = |bytes| sample(&[&sei(bytes), &slice(P_HEADER, 16)]);
        let first_header = 4 + 4 + 22;
        assert_eq!(entries(Cbcs, &behind(65_535 - first_header), &avc()), [(65_535, 16)]);
        assert_eq!(entries(Cbcs, &behind(65_536 - first_header), &avc()), [(65_535, 0), (1, 16)]);
        let trailing = sample(&[&sei(131_070 - 4)]);
        assert_eq!(entries(Cenc, &trailing, &avc()), [(65_535, 0), (65_535, 0)]);
        let trailing = sample(&[&sei(131_071 - 4)]);
        assert_eq!(entries(Cenc, &trailing, &avc()), [(65_535, 0), (65_535, 0), (1, 0)]);
    }

    #[test]
    fn slices_that_cannot_be_measured_stay_clear() {
        let partition = {
            let mut nal = slice(P_HEADER, 60);
            nal[0] = nal[0] & 0xE0 | 3;
            nal
        };
        let sample = sample(&[&partition, &slice(P_HEADER, 16)]);
        assert_eq!(entries(Cbcs, &sample, &avc()), [(4 + 82 + 26, 16)]);
        let no_sets = SliceSyntax::Avc(Cow::Owned(h264::SliceHeaders::default()));
        assert_eq!(entries(Cbcs, &sample, &no_sets), [(sample.len() as u16, 0)]);
    }

    #[test]
    fn a_length_that_leads_out_of_the_sample_leaves_the_rest_clear() {
        let whole = sample(&[&slice(P_HEADER, 16), &slice(P_HEADER, 16)]);
        assert_eq!(entries(Cbcs, &whole[..whole.len() - 1], &avc()), [(26, 16), (41, 0)]);
        assert_eq!(entries(Cbcs, &whole[..45], &avc()), [(26, 16), (3, 0)]);
        assert_eq!(entries(Cbcs, &[0xFF; 8], &avc()), [(8, 0)]);
        assert_eq!(entries(Cbcs, &[0; 9], &avc()), [(9, 0)]);
        assert_eq!(entries(Cbcs, &[], &avc()), []);
    }

    #[test]
    fn schemes_of_transport_streams_protect_nothing_here() {
        let sample = sample(&[&slice(P_HEADER, 16)]);
        for scheme in [ProtectionScheme::HlsAes128, ProtectionScheme::HlsSampleAes] {
            assert_eq!(entries(scheme, &sample, &avc()), [(42, 0)]);
        }
    }

    fn nal() -> impl Strategy<Value = Vec<u8>> {
        let header = prop_oneof![Just(P_HEADER), Just(IDR_HEADER), Just(HEVC_HEADER)];
        prop_oneof![
            (header, 0_usize..300).prop_map(|(header, payload)| slice(header, payload)),
            proptest::collection::vec(any::<u8>(), 0..300),
            (65_500_usize..65_600).prop_map(|length| vec![6; length]),
        ]
    }

    proptest! {
        #[test]
        fn entries_add_up_whatever_the_bytes_are(
            nals in proptest::collection::vec(nal(), 0..6),
            cut in 0_usize..200,
            is_cbcs: bool,
            is_hevc: bool,
        ) {
            let nals: Vec<_> = nals.iter().map(Vec::as_slice).collect();
            let mut sample = sample(&nals);
            sample.truncate(sample.len().saturating_sub(cut));
            let scheme = if is_cbcs { Cbcs } else { Cenc };
            let syntax = if is_hevc { hevc() } else { avc() };
            for (clear, protected) in entries(scheme, &sample, &syntax) {
                // Each range has at least a length and a header before it.
                prop_assert!(clear > 0);
                prop_assert!(is_cbcs || protected % 16 == 0);
            }
        }
    }
}
