//! How the OpenAPI document describes what ingest tells.
//!
//! The values are written by the serde forms of `model::ingest`; these types only describe them,
//! and a test compares the two.

#![expect(dead_code, reason = "these types are described, never built")]

use serde::Serialize;
use utoipa::ToSchema;

/// Why the last ingest failed.
#[derive(Serialize, ToSchema)]
#[schema(as = IngestFailure)]
pub(super) struct FailureSchema {
    /// What kind of failure.
    code: FailureCodeSchema,
    /// Plain words that name the file and what to do.
    detail: String,
}

/// Stable words for what can go wrong in ingest.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = IngestFailureCode)]
pub(super) enum FailureCodeSchema {
    SourceNotFound,
    SourceForbidden,
    SourceUnavailable,
    NotAPlaylist,
    NotAMasterPlaylist,
    NoVariants,
    NotVod,
    OutsideSource,
    UnsupportedContainer,
    UnsupportedCodec,
    NoKeyframes,
    CorruptSegment,
    LimitExceeded,
}

/// How far an ingest is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = IngestProgress)]
pub(super) struct ProgressSchema {
    /// Source segments read.
    segments_done: u64,
    /// Source segments in all media playlists; 0 until they are read.
    segments_total: u64,
    /// Bytes read from the source.
    bytes_read: u64,
}

/// What the last successful ingest measured and what it warns of.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = IngestReport)]
pub(super) struct ReportSchema {
    /// Duration of the presentation.
    duration_milliseconds: i64,
    /// Stretches between discontinuities.
    periods: u32,
    /// Bytes that the stored index takes.
    index_bytes: u64,
    /// One entry for each stream of the master playlist, in its order.
    streams: Vec<StreamReportSchema>,
    /// Audio renditions that players are offered, after identical ones were joined.
    audio_renditions: u32,
    /// What an operator should look at; the asset plays all the same.
    warnings: Vec<WarningSchema>,
}

/// What was measured of one stream of the master playlist.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StreamReport)]
pub(super) struct StreamReportSchema {
    /// URI of the media playlist as the master playlist writes it.
    uri: String,
    /// Source segments.
    segments: u64,
    /// Bytes of all source segments.
    bytes: u64,
    /// `BANDWIDTH` that the master playlist declares, bits per second.
    declared_bandwidth: u64,
    /// Highest bit rate of any source segment, bits per second.
    measured_peak_bandwidth: u64,
    /// Bit rate over the whole stream, bits per second.
    measured_average_bandwidth: u64,
    /// RFC 6381 codec strings found in the media, video first.
    codecs: Vec<String>,
    /// Coded picture size for display, `WIDTHxHEIGHT`.
    #[schema(required = true)]
    resolution: Option<String>,
    /// Frames per second as decimal text.
    #[schema(required = true)]
    frame_rate: Option<String>,
    /// Random access points.
    keyframes: u64,
    /// Longest distance between two random access points.
    longest_keyframe_distance_milliseconds: i64,
}

/// Something that an operator should know about.
#[derive(Serialize, ToSchema)]
#[schema(as = IngestWarning)]
pub(super) struct WarningSchema {
    /// A stable word for programs.
    #[schema(example = "bandwidth_differs")]
    code: String,
    /// Plain words: what, where, what to do.
    detail: String,
}
