//! What the operator asks for: packaging configurations and their parts (INTERFACE.md section 3).
//!
//! These are checked values: a [`Name`] is well formed, a [`SegmentDuration`] in range. The JSON
//! forms live in `control`, the SQL forms in `catalog`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::encryption::Encryption;
use super::filter::ManifestFilter;
use super::mpd::MpdOptions;

/// A group, configuration, asset or manifest name: `[A-Za-z0-9_-]{1,128}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(String);

/// A content ID for key servers: `[A-Za-z0-9_-]{1,256}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ContentId(String);

/// A string that is not a well-formed name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {limit} characters of A-Z, a-z, 0-9, _ and -")]
pub struct InvalidName {
    limit: usize,
}

macro_rules! checked_name {
    ($type:ident, $limit:literal) => {
        impl $type {
            /// Checks and wraps `text`.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidName> {
                let text = text.into();
                let well_formed = (1..=$limit).contains(&text.len())
                    && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
                if well_formed { Ok(Self(text)) } else { Err(InvalidName { limit: $limit }) }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::new(text).map_err(serde::de::Error::custom)
            }
        }
    };
}

checked_name!(Name, 128);
checked_name!(ContentId, 256);

impl Name {
    /// The manifest name of a configuration that gives none.
    pub fn default_manifest() -> Self {
        Self("index".to_owned())
    }
}

/// What players get: container and manifest format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PackageType {
    /// MPEG-TS segments with M3U8 playlists.
    #[serde(rename = "HLS")]
    Hls,
    /// CMAF segments with an MPD.
    #[serde(rename = "DASH")]
    Dash,
    /// CMAF segments with M3U8 playlists.
    #[serde(rename = "HLS_CMAF")]
    HlsCmaf,
}

impl PackageType {
    /// The segment container.
    pub const fn container(self) -> Container {
        match self {
            Self::Hls => Container::MpegTs,
            Self::Dash | Self::HlsCmaf => Container::Cmaf,
        }
    }

    /// The extension of the entry manifest.
    pub const fn manifest_extension(self) -> &'static str {
        match self {
            Self::Hls | Self::HlsCmaf => "m3u8",
            Self::Dash => "mpd",
        }
    }

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hls => "HLS",
            Self::Dash => "DASH",
            Self::HlsCmaf => "HLS_CMAF",
        }
    }
}

/// How media is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Container {
    /// ISO/IEC 13818-1 transport stream.
    MpegTs,
    /// ISO/IEC 23000-19 fragments.
    Cmaf,
}

/// The wished-for duration of output segments: 1 to 30 whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentDuration(u8);

impl SegmentDuration {
    /// The default: 6 s.
    pub const DEFAULT: Self = Self(6);

    /// `seconds` if it lies in 1 to 30.
    pub const fn new(seconds: u32) -> Option<Self> {
        if seconds >= 1 && seconds <= 30 { Some(Self(seconds as u8)) } else { None }
    }

    /// Whole seconds.
    pub const fn seconds(self) -> u32 {
        self.0 as u32
    }
}

/// The order of the video renditions in a manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StreamOrder {
    /// As in the source's master playlist.
    #[default]
    Original,
    /// Lowest declared bandwidth first.
    VideoBitrateAscending,
    /// Highest declared bandwidth first.
    VideoBitrateDescending,
}

/// Which streams of the source a manifest offers, and in which order. Bounds are inclusive and are
/// compared with the `BANDWIDTH` that the source's master playlist declares, in bits per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamSelection {
    /// The order.
    pub order: StreamOrder,
    /// The lowest declared bandwidth that is kept.
    pub min_video_bits_per_second: u32,
    /// The highest declared bandwidth that is kept.
    pub max_video_bits_per_second: u32,
}

impl StreamSelection {
    /// The default upper bound, which keeps everything.
    pub const NO_MAXIMUM: u32 = i32::MAX as u32;
}

impl Default for StreamSelection {
    fn default() -> Self {
        Self {
            order: StreamOrder::Original,
            min_video_bits_per_second: 0,
            max_video_bits_per_second: Self::NO_MAXIMUM,
        }
    }
}

/// What players are offered of segments whose source objects are missing or unreadable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnSourceError {
    /// All the same; a request for one fails.
    #[default]
    Fail,
    /// Manifests leave pictures out for so long and put silence in the place of sound.
    Heal,
}

impl OnSourceError {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Heal => "heal",
        }
    }
}

/// Of which streams players are offered I-frames to fast-forward through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TrickPlay {
    /// Of all that have pictures.
    #[default]
    #[serde(rename = "ALL")]
    All,
    /// Of none.
    #[serde(rename = "NONE")]
    None,
    /// Of these, by their places in the source's master playlist, from 0; in order, each once. What
    /// an asset does not have is passed over.
    #[serde(rename = "STREAMS")]
    Streams(Vec<usize>),
}

impl TrickPlay {
    /// Whether the I-frames of a stream are offered.
    pub fn offers(&self, stream: usize) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Streams(streams) => streams.contains(&stream),
        }
    }
}

/// Where HLS players find sound in transport streams. Fragments hold one track each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AudioLayout {
    /// Where the source has it: with the pictures, or in renditions of its own.
    #[default]
    AsSource,
    /// In renditions of its own.
    Separate,
}

/// How DASH players get subtitles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DashSubtitles {
    /// In segments of fragmented MP4 (ISO/IEC 14496-30).
    #[default]
    Wvtt,
    /// As a WebVTT or TTML file beside the segments, one for each period.
    Sidecar,
}

/// Whether media playlists of HLS name dates (`EXT-X-PROGRAM-DATE-TIME`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ProgramDateTime {
    /// No dates, but where something else in a playlist needs them.
    #[default]
    None,
    /// Those of the source's playlists.
    FromSource,
}

/// A packaging configuration: everything about it that decides what players get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Unique in the whole origin; part of the playback URL.
    pub name: Name,
    /// Container and manifest format.
    pub package_type: PackageType,
    /// Wished-for segment duration.
    pub segment_duration: SegmentDuration,
    /// File name of the entry manifest, without extension.
    pub manifest_name: Name,
    /// Which streams, in which order.
    pub stream_selection: StreamSelection,
    /// Which renditions of these; all if absent.
    pub filter: Option<ManifestFilter>,
    /// How media is encrypted; `None` leaves it clear.
    pub encryption: Option<Encryption>,
    /// What becomes of segments that cannot be made.
    pub on_source_error: OnSourceError,
    /// Of which streams I-frames are offered.
    pub trick_play: TrickPlay,
    /// Where sound is, of package types with transport streams.
    pub audio_layout: AudioLayout,
    /// How subtitles are wrapped, of DASH.
    pub dash_subtitles: DashSubtitles,
    /// Whether media playlists name dates, of HLS.
    pub program_date_time: ProgramDateTime,
    /// The form of MPDs.
    pub mpd: MpdOptions,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert!(Name::new("bbb_1-x").is_ok());
        assert!(Name::new("").is_err());
        assert!(Name::new("a.b").is_err());
        assert!(Name::new("ü").is_err());
        assert!(Name::new("a".repeat(128)).is_ok());
        assert!(Name::new("a".repeat(129)).is_err());
        assert!(ContentId::new("a".repeat(256)).is_ok());
    }

    #[test]
    fn segment_durations_are_1_to_30() {
        assert_eq!(SegmentDuration::new(0), None);
        assert_eq!(SegmentDuration::new(31), None);
        assert_eq!(SegmentDuration::new(30).map(SegmentDuration::seconds), Some(30));
    }
}
