//! What can go wrong with a source, told without credentials and query strings.

use std::time::Duration;

use crate::error::{Error, Kind};
use crate::model::ingest::{FailureCode, IngestFailure};

/// Why a source gave no bytes. `path` is relative to the root and has no query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// There is no such object.
    #[error("{path}: not found{}", note(.detail))]
    NotFound {
        /// Which object.
        path: String,
        /// What is known beyond that; may be empty.
        detail: String,
    },
    /// The storage, or our own egress rule, refuses.
    #[error("{path}: refused{}", note(.detail))]
    Forbidden {
        /// Which object.
        path: String,
        /// Who refuses, and why.
        detail: String,
    },
    /// The storage failed or could not be reached.
    #[error("{path}: the source failed{}", note(.detail))]
    Unavailable {
        /// Which object.
        path: String,
        /// What happened.
        detail: String,
    },
    /// The storage was silent or slow for too long.
    #[error("{path}: no answer within {} s", .after.as_secs_f64())]
    Timeout {
        /// Which object.
        path: String,
        /// How long was waited.
        after: Duration,
    },
    /// The address leads out of the root.
    #[error("{path}: outside the source{}", note(.detail))]
    OutsideSource {
        /// The address as written, without query.
        path: String,
        /// What about it.
        detail: String,
    },
    /// The object is shorter than the range that was asked for.
    #[error("{path}: ends before byte {wanted}{}", .size.map(|s| format!(", it has {s} bytes")).unwrap_or_default())]
    Truncated {
        /// Which object.
        path: String,
        /// End of the range that was asked for.
        wanted: u64,
        /// What the object has, where that is known.
        size: Option<u64>,
    },
    /// The object cannot be decrypted, or its key is none.
    #[error("{path}: cannot be decrypted ({detail})")]
    Undecryptable {
        /// Which object.
        path: String,
        /// What is wrong.
        detail: String,
    },
    /// The object, or the range, is larger than a limit.
    #[error("{path}: larger than the limit of {limit} bytes")]
    TooLarge {
        /// Which object.
        path: String,
        /// The limit.
        limit: u64,
    },
}

fn note(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(" ({detail})") }
}

impl SourceError {
    /// The word for metrics.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not_found",
            Self::Forbidden { .. } => "forbidden",
            Self::Unavailable { .. } => "unavailable",
            Self::Timeout { .. } => "timeout",
            Self::OutsideSource { .. } => "outside_source",
            Self::Truncated { .. } => "truncated",
            Self::Undecryptable { .. } => "undecryptable",
            Self::TooLarge { .. } => "too_large",
        }
    }

    /// How ingest reports it: the code, and a sentence that names the file and what to do.
    pub fn to_ingest_failure(&self) -> IngestFailure {
        let (code, advice) = match self {
            Self::NotFound { .. } => (
                FailureCode::SourceNotFound,
                "check that the path is right and that the upload is complete, then ingest again",
            ),
            Self::Forbidden { .. } => (
                FailureCode::SourceForbidden,
                "give the source's credentials the right to read it, then ingest again",
            ),
            Self::Unavailable { .. } | Self::Timeout { .. } => (
                FailureCode::SourceUnavailable,
                "check that the storage runs and can be reached from here, then ingest again",
            ),
            Self::OutsideSource { .. } => (
                FailureCode::OutsideSource,
                "move it below the source's root, or configure a source that contains it",
            ),
            Self::Truncated { .. } => {
                (FailureCode::CorruptSegment, "upload the whole file again, then ingest again")
            }
            Self::Undecryptable { .. } => (
                FailureCode::CorruptSegment,
                "check that EXT-X-KEY names the key and the IV that the segment was encrypted with \
                 and that both files were uploaded whole, then ingest again",
            ),
            Self::TooLarge { .. } => (
                FailureCode::LimitExceeded,
                "check that it is the right file, or raise the limit in the settings",
            ),
        };
        IngestFailure::new(code, format!("{self}; {advice}"))
    }
}

impl From<SourceError> for Error {
    fn from(error: SourceError) -> Self {
        let kind = match &error {
            SourceError::NotFound { .. }
            | SourceError::Forbidden { .. }
            | SourceError::Unavailable { .. }
            | SourceError::Truncated { .. }
            | SourceError::Undecryptable { .. }
            | SourceError::TooLarge { .. } => Kind::SourceFailed,
            SourceError::Timeout { .. } => Kind::SourceTimeout,
            SourceError::OutsideSource { .. } => Kind::InvalidArgument,
        };
        Self::new(kind, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ingest_failure_names_the_file_and_what_to_do() {
        let error = SourceError::NotFound { path: "bbb/3.ts".into(), detail: String::new() };
        let failure = error.to_ingest_failure();
        assert_eq!(failure.code, FailureCode::SourceNotFound);
        assert!(failure.detail.starts_with("bbb/3.ts: not found; check "), "{}", failure.detail);
    }

    #[test]
    fn playback_tells_a_slow_source_from_a_broken_one() {
        let path = || "a.ts".to_owned();
        let kind = |error: SourceError| Error::from(error).kind();
        let timeout = SourceError::Timeout { path: path(), after: Duration::from_secs(1) };
        assert_eq!(kind(timeout).http_status(), 504);
        let truncated = SourceError::Truncated { path: path(), wanted: 9, size: Some(3) };
        assert_eq!(truncated.to_string(), "a.ts: ends before byte 9, it has 3 bytes");
        assert_eq!(kind(truncated).http_status(), 502);
        let outside = SourceError::OutsideSource { path: path(), detail: String::new() };
        assert_eq!(kind(outside), Kind::InvalidArgument);
    }
}
