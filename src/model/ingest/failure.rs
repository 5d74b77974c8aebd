//! Why an ingest failed: the codes of INTERFACE.md section 3, and what to do about each.

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

/// Why an asset could not be ingested. The codes are part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
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

    /// What the operator should do, one sentence.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::SourceNotFound => {
                "Check the path, letter case and percent-encoding included, and that the upload is \
                 complete."
            }
            Self::SourceForbidden => {
                "Give the credentials of the source the right to read and list the files."
            }
            Self::SourceUnavailable => {
                "Look at the storage, at name resolution and at egress.allow_hosts, then ingest again."
            }
            Self::NotAPlaylist => {
                "Fetch the file yourself: often it is the web page of a login or of an error."
            }
            Self::NotAMasterPlaylist => {
                "Give the master playlist, or write one that names this media playlist."
            }
            Self::NoVariants => "Add an EXT-X-STREAM-INF for each media playlist.",
            Self::NotVod => {
                "Ingest it when the recording has ended, or add EXT-X-ENDLIST if it has."
            }
            Self::OutsideSource => {
                "Move the files below the root of the source, or configure a source that holds both."
            }
            Self::UnsupportedContainer => {
                "Store it as clear MPEG-TS with one program, then ingest again."
            }
            Self::UnsupportedCodec => {
                "Transcode to a codec that is read: docs/findings.md lists them."
            }
            Self::NoKeyframes => {
                "Encode with a random access point every two seconds or so, then ingest again."
            }
            Self::CorruptSegment => {
                "Upload the files again or repair the playlist, then ingest again."
            }
            Self::LimitExceeded => {
                "Check that it is the right file; if it is, raise the limit that the detail names."
            }
        }
    }

    /// All codes.
    pub const ALL: [Self; 13] = [
        Self::SourceNotFound,
        Self::SourceForbidden,
        Self::SourceUnavailable,
        Self::NotAPlaylist,
        Self::NotAMasterPlaylist,
        Self::NoVariants,
        Self::NotVod,
        Self::OutsideSource,
        Self::UnsupportedContainer,
        Self::UnsupportedCodec,
        Self::NoKeyframes,
        Self::CorruptSegment,
        Self::LimitExceeded,
    ];

    /// Whether trying again later may help without anyone changing the source.
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::SourceUnavailable)
    }
}

/// A failed ingest: the code, and a sentence that names the file and what to do.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, thiserror::Error)]
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

impl Serialize for IngestFailure {
    /// With the remedy of the code, which is not stored, so that it is the one of the program that
    /// tells it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_struct("IngestFailure", 3)?;
        body.serialize_field("code", &self.code)?;
        body.serialize_field("detail", &self.detail)?;
        body.serialize_field("remedy", self.code.remedy())?;
        body.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_to_do_and_reads_back() {
        let failure = IngestFailure::new(FailureCode::NotVod, "a.m3u8: …");
        let value = serde_json::to_value(&failure).unwrap();
        assert_eq!(value["remedy"], FailureCode::NotVod.remedy());
        assert_eq!(serde_json::from_value::<IngestFailure>(value).unwrap(), failure);
    }

    #[test]
    fn names_are_those_that_serde_writes() {
        for code in FailureCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
