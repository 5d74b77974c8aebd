//! What ingest tells the operator: failure codes, progress and the report (INTERFACE.md section 3).

use serde::{Deserialize, Serialize};

/// Why an asset could not be ingested. The codes are part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// The playlist or a segment does not exist.
    SourceNotFound,
    /// The storage refused us.
    SourceForbidden,
    /// The storage did not answer, or answered with an error of its own.
    SourceUnavailable,
    /// The file is no M3U8 playlist.
    NotAPlaylist,
    /// The playlist is a media playlist, not a master playlist.
    NotAMasterPlaylist,
    /// The master playlist lists nothing to play.
    NoVariants,
    /// A media playlist has no `EXT-X-ENDLIST`.
    NotVod,
    /// A URI leads outside the configured source root.
    OutsideSource,
    /// A segment is no MPEG-TS, or a shape of it that is not read.
    UnsupportedContainer,
    /// Nothing is left to play once the codecs that are not read are left out.
    UnsupportedCodec,
    /// A video stream has no random access point.
    NoKeyframes,
    /// A segment is damaged beyond use.
    CorruptSegment,
    /// The source is larger than a configured limit.
    LimitExceeded,
}

impl FailureCode {
    /// The code as the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SourceNotFound => "source_not_found",
            Self::SourceForbidden => "source_forbidden",
            Self::SourceUnavailable => "source_unavailable",
            Self::NotAPlaylist => "not_a_playlist",
            Self::NotAMasterPlaylist => "not_a_master_playlist",
            Self::NoVariants => "no_variants",
            Self::NotVod => "not_vod",
            Self::OutsideSource => "outside_source",
            Self::UnsupportedContainer => "unsupported_container",
            Self::UnsupportedCodec => "unsupported_codec",
            Self::NoKeyframes => "no_keyframes",
            Self::CorruptSegment => "corrupt_segment",
            Self::LimitExceeded => "limit_exceeded",
        }
    }

    /// Whether trying again later may help without anyone changing the source.
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::SourceUnavailable)
    }
}

/// A failed ingest: the code, and a sentence that names the file and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}: {detail}", code.as_str())]
pub struct IngestFailure {
    /// What kind of failure.
    pub code: FailureCode,
    /// Plain words, naming the file and, for playlists, the line.
    pub detail: String,
}

impl IngestFailure {
    /// A failure with its sentence.
    pub fn new(code: FailureCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

/// How far a running ingest has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Source segments read.
    pub segments_done: u64,
    /// Source segments in all media playlists.
    pub segments_total: u64,
    /// Bytes read from the source.
    pub bytes_read: u64,
}

/// What ingest measured and what it warns of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Duration of the presentation in milliseconds, rounded to the nearest.
    pub duration_milliseconds: i64,
    /// Stretches between discontinuities.
    pub periods: u32,
    /// Bytes that the stored index takes.
    pub index_bytes: u64,
    /// One entry for each stream of the master playlist, in its order.
    pub streams: Vec<StreamReport>,
    /// Audio renditions that players are offered, after identical ones were joined.
    pub audio_renditions: u32,
    /// What an operator should look at; the asset plays all the same.
    pub warnings: Vec<Warning>,
}

/// What was measured of one stream of the master playlist.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamReport {
    /// URI of the media playlist as the master playlist writes it.
    pub uri: String,
    /// Source segments.
    pub segments: u64,
    /// Bytes of all source segments.
    pub bytes: u64,
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
    /// Random access points.
    pub keyframes: u64,
    /// Longest distance between two random access points, milliseconds.
    pub longest_keyframe_distance_milliseconds: i64,
}

/// Something that an operator should know about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Stable word for programs, such as `bandwidth_differs`.
    pub code: String,
    /// Plain words: what, where, what to do.
    pub detail: String,
}

impl Warning {
    /// A warning with its sentence.
    pub fn new(code: &str, detail: impl Into<String>) -> Self {
        Self { code: code.to_owned(), detail: detail.into() }
    }
}

#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingCode {
    PacketsOf192Bytes,
    PacketsOf204Bytes,
    SyncLost,
    PacketTruncated,
    BytesTrailing,
    TrackMissingInSegments,
    TablesLate,
    PacketsUnreadable,
    PacketsMarkedDamaged,
    PacketsScrambled,
    PacketsLost,
    ClockReferenceWrong,
    ClockReferenceMissing,
    ClockReferenceElsewhere,
    DataUnannounced,
    TrackMoves,
    UnitsBroken,
    HeadersBroken,
}
