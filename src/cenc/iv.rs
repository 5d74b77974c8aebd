//! Which IV a sample is encrypted with under `cenc` (ISO/IEC 23001-7:2023 9.1, 9.3).
//!
//! Under AES-CTR two plaintexts under the same key and counter give away their difference, so no
//! two samples under one key may share an IV. Segments are made alone, twice, on several machines,
//! and nobody keeps a count; the IV is therefore reckoned from what the sample is:
//!
//! ```text
//! base    = first 64 bits of SHA-256(label, presentation version, output format version)
//! ordinal = samples of all earlier tracks + number of the sample in its track, from 0
//! IV      = base + ordinal   modulo 2⁶⁴, big-endian
//! counter block = IV ‖ 64 bits that count the blocks of this sample, from 0
//! ```
//!
//! **Within a presentation no IV repeats.** The caller numbers all samples of all tracks, those of
//! audio too, densely from 0, so two different samples have different ordinals below 2⁶⁴; and adding a
//! constant modulo 2⁶⁴ maps different numbers to different numbers. It does not matter which of the
//! tracks share a key.
//!
//! **A sample that is put out twice has the same IV twice, and that gives nothing away.** A picture of
//! trick play is a segment of its own and part of an ordinary one. Its ordinal counts the samples
//! before it in the track, whichever segment it is put into; its bytes, its subsamples and its key
//! are those of the same track. So both are the same message under the same key stream, and the
//! same ciphertext. Where one of them is clear (a clear lead), the other tells the key stream of
//! this IV, under which nothing else is encrypted.
//!
//! **No counter runs into another's.** Each sample counts in the low 64 bits alone, from 0. A sample
//! has less than 2³² bytes, which is less than 2²⁸ blocks, so the count never carries into the IV, and
//! counter blocks of samples with different IVs differ in their upper half. It also makes no difference
//! whether a decryptor counts in 64 bits or in 128.
//!
//! **Two presentations under one key** (a title ingested anew, or titles that share a content ID) have
//! bases that behave as if drawn at random. Their IVs are two runs of at most N successive numbers each,
//! which overlap if the bases are less than N apart: with a probability of about 2·N / 2⁶⁴. Two hours in
//! ten renditions have N ≈ 2²², so that is 2⁻⁴¹ for a pair of titles.
//!
//! **Why the version of the output format is in the base.** If a later version of this program cuts
//! or writes samples otherwise, the plaintext behind an ordinal is another one. Under the old IV that
//! would be a second message on the same key stream, and whoever has kept the old segment could
//! take the two apart. For the same reason the presentation's part has to change whenever its samples
//! do.
//!
//! `cbcs` needs none of this: its IV is constant and comes with the key.

use sha2::{Digest, Sha256};

/// Sets these hashes apart from others over the same parts.
const LABEL: &[u8] = b"packorigin: IV of cenc";

/// Where the IVs of a presentation begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IvBase(u64);

impl IvBase {
    /// The base for what is told by its parts: the version of the presentation and the version of
    /// the output format. Their boundaries count: `ab`, `c` is other than `a`, `bc`.
    pub fn new(identity: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in [LABEL].iter().chain(identity) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let [a, b, c, d, e, f, g, h, ..] = digest;
        Self(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    /// The IV of a sample. `ordinal` counts all samples of all earlier tracks of the presentation,
    /// and those before it in its own.
    pub const fn iv(self, ordinal: u64) -> [u8; 8] {
        self.0.wrapping_add(ordinal).to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_base_is_the_start_of_the_hash_over_prefixed_parts() {
        // printf '\0\0\0\0\0\0\0\x16packorigin: IV of cenc\0\0\0\0\0\0\0\x02v7\0\0\0\0\0\0\0\x01\x01' |
        // sha256sum
        let base = IvBase::new(&[b"v7", &[1]]);
        assert_eq!(hex::encode(base.iv(0)), "08d65017a5803ec4");
    }

    #[test]
    fn boundaries_and_versions_of_parts_count() {
        let bases = [
            IvBase::new(&[b"ab", b"c"]),
            IvBase::new(&[b"a", b"bc"]),
            IvBase::new(&[b"abc"]),
            IvBase::new(&[b"abc", b""]),
            IvBase::new(&[]),
        ];
        let distinct: HashSet<_> = bases.iter().map(|base| base.0).collect();
        assert_eq!(distinct.len(), bases.len());
    }

    #[test]
    fn the_sum_wraps() {
        let base = IvBase(u64::MAX);
        assert_eq!(base.iv(0), [0xFF; 8]);
        assert_eq!(base.iv(1), [0; 8]);
        assert_eq!(base.iv(0x0102), [0, 0, 0, 0, 0, 0, 1, 1]);
    }

    proptest! {
        #[test]
        fn no_two_samples_of_a_presentation_share_an_iv(
            base in prop_oneof![any::<u64>(), Just(u64::MAX - 10)],
            renditions in proptest::collection::vec(0_u64..200, 1..12),
        ) {
            let base = IvBase(base);
            let mut seen = HashSet::new();
            let mut earlier = 0;
            for samples in renditions {
                for sample in 0..samples {
                    prop_assert!(seen.insert(base.iv(earlier + sample)));
                }
                earlier += samples;
            }
        }

        /// Ordinary segments have all samples, trick play the first of each group.
        #[test]
        fn one_iv_stands_for_one_sample_in_whatever_segment(
            base: u64,
            groups in proptest::collection::vec(1_u64..60, 1..40),
            groups_in_segment in 1_usize..5,
        ) {
            let base = IvBase(base);
            let mut samples_of = std::collections::HashMap::new();
            let mut note = |first: u64, count: u64| {
                for sample in 0..count {
                    // A segment knows its first sample's ordinal and counts on.
                    let known = samples_of.entry(base.iv(first + sample)).or_insert(first + sample);
                    prop_assert_eq!(*known, first + sample);
                }
                Ok(())
            };
            let mut before = 0;
            for segment in groups.chunks(groups_in_segment) {
                note(before, segment.iter().sum())?;
                for samples in segment {
                    note(before, 1)?;
                    before += samples;
                }
            }
            prop_assert_eq!(samples_of.len() as u64, before);
        }

        #[test]
        fn different_ordinals_have_different_ivs(base: u64, one: u64, other: u64) {
            prop_assert_eq!(IvBase(base).iv(one) == IvBase(base).iv(other), one == other);
        }
    }
}
