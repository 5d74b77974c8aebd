//! What the source's master playlist says of a title as a whole, and what it says of its streams
//! that no measuring shows. HLS players are told it again; in MPDs it has no place but for
//! [`SupplementalCodec`].

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::manifest::RenditionId;
use crate::time::Ticks;

/// Of a title as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Where players are to begin.
    pub start: Option<StartPoint>,
    /// In the order of the source; no two with the same name and language.
    pub data: Vec<SessionData>,
}

/// `EXT-X-START` (RFC 8216 4.3.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartPoint {
    /// From the start of the title, or from its end where negative,
    /// [`Timescale::MPEG`](crate::time::Timescale::MPEG) ticks.
    pub offset: Ticks,
    /// Whether what comes before it in its segment is not to be shown.
    pub precise: bool,
}

/// `EXT-X-SESSION-DATA` (RFC 8216 4.3.4.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionData {
    /// `DATA-ID`.
    pub id: String,
    /// `LANGUAGE`, BCP 47.
    pub language: Option<String>,
    /// What it says.
    pub content: SessionContent,
}

/// What session data say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionContent {
    /// `VALUE`.
    Value(String),
    /// A file on a server that players reach by themselves.
    Url(String, SessionFormat),
    /// A file of the source, whole.
    File(Vec<u8>, SessionFormat),
}

/// `FORMAT` of a file (draft-pantos-hls-rfc8216bis 4.4.6.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SessionFormat {
    /// RFC 8259.
    #[default]
    Json,
    /// Anything else.
    Raw,
}

impl SessionFormat {
    /// The extension of the file in our URLs.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Raw => "bin",
        }
    }

    /// The media type of the file.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Raw => "application/octet-stream",
        }
    }
}

/// What a master playlist says of a variant that cannot be measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariantWords {
    /// `STABLE-VARIANT-ID`: of the pictures, whatever is heard with them.
    pub stable_id: Option<String>,
    /// `SCORE` by the group of sound that it is listed with: a positive decimal number as written.
    pub scores: Vec<(Option<String>, String)>,
    /// `SUPPLEMENTAL-CODECS`, as written.
    pub supplemental_codecs: Option<String>,
}

/// What decoders that know more may make of pictures that others can decode, too: one of the
/// formats of `SUPPLEMENTAL-CODECS` (draft-pantos-hls-rfc8216bis 4.4.6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupplementalCodec {
    /// RFC 6381.
    pub codec: String,
    /// The brand that says which pictures everybody else sees.
    pub brand: String,
}

/// What of all this a manifest offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfferedSession {
    /// Where players are to begin.
    pub start: Option<StartPoint>,
    /// `EXT-X-SESSION-DATA`.
    pub data: Arc<[OfferedData]>,
    /// `STABLE-VARIANT-ID`, by what is shown.
    pub stable_variants: Arc<BTreeMap<RenditionId, String>>,
    /// `STABLE-RENDITION-ID`, by what is heard or read.
    pub stable_renditions: Arc<BTreeMap<RenditionId, String>>,
    /// `SCORE`, by what is shown and the source's group of what is heard with it.
    pub scores: Arc<BTreeMap<(RenditionId, Option<String>), String>>,
    /// By the stream that has the pictures.
    pub supplemental: Arc<BTreeMap<usize, SupplementalCodec>>,
}

/// Session data with their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedData {
    /// `DATA-ID`.
    pub id: String,
    /// `LANGUAGE`.
    pub language: Option<String>,
    /// What it says, or where that is.
    pub content: OfferedContent,
}

/// What session data say, or where that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OfferedContent {
    /// `VALUE`.
    Value(String),
    /// `URI`, from the entry manifest, and `FORMAT`.
    Uri(String, SessionFormat),
}

/// Files of session data are called this and their number, from 1, below the playlists.
pub const SESSION_DATA_PREFIX: &str = "session-data-";
