//! The part of a URL that changes when, and only when, the bytes below it may.

use std::fmt;

use sha2::{Digest, Sha256};

use super::segmentation::Segmentation;
use crate::model::policy::{Container, PackageType, SegmentDuration};

/// Counts changes to what the muxers write: a new number turns all caches over.
const SEGMENT_FORMAT_VERSION: u32 = 1;
/// Counts changes to what media playlists say.
const PLAYLIST_FORMAT_VERSION: u32 = 1;

/// 128 bits of SHA-256 over everything that decides the bytes, in hexadecimal, behind a letter and
/// a dot: `s.` for segments, `p.` for playlists. Configuration names have no dot, so the two cannot
/// be confused in a URL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(String);

impl Fingerprint {
    const DIGITS: usize = 32;

    /// Reads what [`Fingerprint::as_str`] gives.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("s.").or_else(|| text.strip_prefix("p."))?;
        let well_formed = digits.len() == Self::DIGITS
            && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        well_formed.then(|| Self(text.to_owned()))
    }

    /// The text in URLs.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names segments; else it names playlists.
    pub fn is_of_segments(&self) -> bool {
        self.0.starts_with('s')
    }

    pub(super) fn of_segments(
        version: &str,
        container: Container,
        duration: SegmentDuration,
        segmentation: &Segmentation,
    ) -> Self {
        let mut hash = Sha256::new();
        hash.update(SEGMENT_FORMAT_VERSION.to_be_bytes());
        hash.update((version.len() as u64).to_be_bytes());
        hash.update(version);
        hash.update([match container {
            Container::MpegTs => 0,
            Container::Cmaf => 1,
        }]);
        hash.update(duration.seconds().to_be_bytes());
        for period in segmentation.periods() {
            hash.update((period.basis.len() as u64).to_be_bytes());
            for cuts in &period.basis {
                hash.update((cuts.len() as u64).to_be_bytes());
                for cut in cuts {
                    hash.update(cut.0.to_be_bytes());
                }
            }
        }
        Self::finish('s', hash)
    }

    pub(super) fn of_playlists(segments: &Self, package_type: PackageType) -> Self {
        let mut hash = Sha256::new();
        hash.update(PLAYLIST_FORMAT_VERSION.to_be_bytes());
        hash.update(&segments.0);
        hash.update(package_type.as_str());
        Self::finish('p', hash)
    }

    fn finish(letter: char, hash: Sha256) -> Self {
        let mut digits = hex::encode(hash.finalize());
        digits.truncate(Self::DIGITS);
        Self(format!("{letter}.{digits}"))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
