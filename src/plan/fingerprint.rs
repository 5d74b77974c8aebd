//! The part of a URL that changes when, and only when, the bytes below it may.

use std::fmt;

use sha2::{Digest, Sha256};

use super::protection::Protection;
use super::segmentation::Segmentation;
use crate::model::policy::{
    AudioLayout, Configuration, Container, DashSubtitles, OnSourceError, PackageType,
    ProgramDateTime, SegmentDuration,
};
use crate::model::protection::SystemSignalling;

/// Counts changes to what the muxers write: a new number turns all caches over.
pub(super) const SEGMENT_FORMAT_VERSION: u32 = 2;
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
        protection: Option<&Protection>,
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
        if let Some(protection) = protection {
            add_keys(&mut hash, protection);
        }
        Self::finish('s', hash)
    }

    pub(super) fn of_playlists(
        segments: &Self,
        package_type: PackageType,
        protection: Option<&Protection>,
        configuration: &Configuration,
    ) -> Self {
        let mut hash = Sha256::new();
        hash.update(PLAYLIST_FORMAT_VERSION.to_be_bytes());
        hash.update(&segments.0);
        hash.update(package_type.as_str());
        for signalling in
            protection.iter().flat_map(|p| &p.keys().keys).flat_map(|k| &*k.signalling)
        {
            add_signalling(&mut hash, signalling);
        }
        if configuration.on_source_error == OnSourceError::Heal {
            hash.update(b"heal");
        }
        if configuration.audio_layout == AudioLayout::Separate {
            hash.update(b"separate");
        }
        if configuration.dash_subtitles == DashSubtitles::Sidecar {
            hash.update(b"sidecar");
        }
        if configuration.program_date_time == ProgramDateTime::FromSource {
            hash.update(b"dates");
        }
        Self::finish('p', hash)
    }

    fn finish(letter: char, hash: Sha256) -> Self {
        let mut digits = hex::encode(hash.finalize());
        digits.truncate(Self::DIGITS);
        Self(format!("{letter}.{digits}"))
    }
}

/// What encryption changes in segments and init segments. Of keys and IVs goes in a hash that
/// cannot be turned round, so that a key server that changes its mind changes the URLs.
fn add_keys(hash: &mut Sha256, protection: &Protection) {
    hash.update(b"protection");
    hash.update(protection.scheme().hls_method());
    hash.update((protection.clear_lead_segments() as u64).to_be_bytes());
    for entry in &protection.keys().keys {
        add_text(hash, entry.rule.track_type.as_str());
        hash.update(entry.key.id.0);
        let mut check = Sha256::new();
        check.update(b"packorigin key check");
        check.update(entry.key.id.0);
        check.update(entry.key.expose());
        hash.update(check.finalize());
        hash.update([u8::from(entry.key.iv.is_some())]);
        hash.update(entry.key.iv.unwrap_or_default());
        // Systems without a box change no segment, so configurations with and without them share.
        let boxes = entry.signalling.iter().filter_map(|signalling| signalling.pssh.as_deref());
        boxes.for_each(|pssh| add_bytes(hash, pssh));
    }
}

/// What players are told beside that.
fn add_signalling(hash: &mut Sha256, signalling: &SystemSignalling) {
    add_text(hash, signalling.system.system_id());
    add_bytes(hash, signalling.playready_object.as_deref().unwrap_or_default());
    add_text(hash, signalling.content_protection.as_deref().unwrap_or_default());
    add_text(hash, signalling.license_url.as_deref().unwrap_or_default());
    for keys in [&signalling.hls_media, &signalling.hls_session] {
        hash.update((keys.len() as u64).to_be_bytes());
        for key in keys {
            add_text(hash, &key.uri);
            add_text(hash, key.key_format.as_deref().unwrap_or_default());
            add_text(hash, key.key_format_versions.as_deref().unwrap_or_default());
            hash.update((key.others.len() as u64).to_be_bytes());
            for (name, value) in &key.others {
                add_text(hash, name);
                add_text(hash, value);
            }
        }
    }
}

fn add_text(hash: &mut Sha256, text: &str) {
    add_bytes(hash, text.as_bytes());
}

fn add_bytes(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
