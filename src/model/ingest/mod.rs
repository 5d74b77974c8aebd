//! What ingest tells the operator: failure codes, progress and the report (INTERFACE.md section 3).

mod finding;
mod report;

use serde::{Deserialize, Serialize};

pub use self::finding::{Finding, FindingCode, Findings, Place, Severity};
pub use self::report::{
    AlignmentReport, AudioReport, KeyframeReport, LeftOut, PackageReport, PeriodReport, Report,
    StreamReport,
};

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
