//! What ingest measured, as plain data for the API and `packorigin inspect`.

use serde::{Deserialize, Serialize};

use super::Finding;
use crate::model::policy::PackageType;

/// What ingest measured and what it found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Report {
    /// Duration of the presentation in milliseconds, rounded to the nearest.
    pub duration_milliseconds: i64,
    /// Stretches in which neither clocks nor decoders are reset.
    pub periods: u32,
    /// Bytes that the stored index takes.
    pub index_bytes: u64,
    /// One entry for each stream of the master playlist, in its order.
    pub streams: Vec<StreamReport>,
    /// Audio renditions that players are offered, after identical ones were joined.
    pub audio_renditions: u32,
    /// Whether players can switch between the streams anywhere.
    pub alignment: AlignmentReport,
    /// The periods, and why each begins.
    pub period_list: Vec<PeriodReport>,
    /// What each package type offers.
    pub packages: Vec<PackageReport>,
    /// What an operator should look at, the gravest first; the asset plays all the same.
    pub findings: Vec<Finding>,
}

/// What was measured of one stream of the master playlist.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StreamReport {
    /// URI of the media playlist as the master playlist writes it.
    pub uri: String,
    /// Source segments.
    pub segments: u64,
    /// Bytes of all source segments.
    pub bytes: u64,
    /// From the first picture to the last, milliseconds.
    pub duration_milliseconds: i64,
    /// `BANDWIDTH` that the master playlist declares, bits per second.
    pub declared_bandwidth: u64,
    /// Highest bit rate of any source segment, bits per second.
    pub measured_peak_bandwidth: u64,
    /// Bit rate over the whole stream, bits per second.
    pub measured_average_bandwidth: u64,
    /// RFC 6381 codec strings found in the media, video first.
    pub codecs: Vec<String>,
    /// Coded picture size for display, `WIDTHxHEIGHT`.
    pub resolution: Option<String>,
    /// Frames per second as decimal text.
    pub frame_rate: Option<String>,
    /// Frames may consist of two fields.
    pub interlaced: bool,
    /// `SDR`, `HLG` or `PQ`.
    pub video_range: Option<String>,
    /// There is metadata for displays of high dynamic range.
    pub hdr_metadata: bool,
    /// Pictures that are offered.
    pub pictures: u64,
    /// Frames of sound that are offered.
    pub audio_frames: u64,
    /// Random access points.
    pub keyframes: u64,
    /// Longest distance between two random access points, milliseconds.
    pub longest_keyframe_distance_milliseconds: i64,
    /// Random access points in detail.
    pub keyframe_distances: KeyframeReport,
    /// The sound.
    pub audio: Option<AudioReport>,
    /// When sound begins, counted from the first picture.
    pub audio_offset_start_milliseconds: Option<i64>,
    /// When sound ends, counted from the end of the last picture.
    pub audio_offset_end_milliseconds: Option<i64>,
}

/// Random access points of a stream, and how far apart they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyframeReport {
    /// All of them.
    pub count: u64,
    /// IDR pictures and others that reset the decoder.
    pub instant: u64,
    /// Intra pictures that a recovery point announces.
    pub recovery: u64,
    /// Recovery points after which it takes some pictures until all is right.
    pub gradual: u64,
    /// The shortest distance.
    pub shortest_milliseconds: i64,
    /// The average distance.
    pub average_milliseconds: i64,
    /// The longest distance.
    pub longest_milliseconds: i64,
}

/// The sound of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AudioReport {
    /// Its name, such as `HE-AAC`.
    pub codec: String,
    /// Hertz of what is heard.
    pub sampling_frequency: u32,
    /// Loudspeaker channels.
    pub channels: u8,
    /// The channels in words, such as `5.1` or `16/JOC`.
    pub layout: String,
}

/// Whether keyframes of all streams are at the same times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlignmentReport {
    /// All that could be shared is.
    pub aligned: bool,
    /// Keyframes that all streams have.
    pub shared_keyframes: u64,
    /// Keyframes of the stream that has the fewest.
    pub fewest_keyframes: u64,
}

/// A period of the presentation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeriodReport {
    /// When its first picture is shown.
    pub start_milliseconds: i64,
    /// How long it is.
    pub duration_milliseconds: i64,
    /// What it begins with, in words.
    pub begins_with: String,
}

/// What a package type makes of the presentation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageReport {
    /// The package type.
    pub package_type: PackageType,
    /// What players are offered, in words.
    pub offered: Vec<String>,
    /// What they are not.
    pub left_out: Vec<LeftOut>,
}

/// Something that a package type does not offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftOut {
    /// URI of the stream's media playlist.
    pub stream: String,
    /// What, such as `video (HEVC)`.
    pub what: String,
    /// Why.
    pub reason: String,
}
