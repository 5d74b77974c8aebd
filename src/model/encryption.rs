//! The encryption settings of a packaging configuration (INTERFACE.md section 5).
//!
//! Checked values: systems fit the scheme, key IDs are key IDs. Secrets are here only sealed or by
//! reference; the `keys` room opens them for the moment of a request. The derived `serde` forms are
//! what the catalog stores; the JSON of the API lives in `control`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::protection::{DrmSystem, KeyId, ProtectionScheme, TrackType};

/// How a configuration encrypts, and where its keys come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Encryption {
    /// What is done to the media.
    pub scheme: ProtectionScheme,
    /// Who hands out keys to players: at least one, none twice.
    pub systems: Vec<DrmSystem>,
    /// Where keys come from.
    pub keys: KeyProvider,
    /// The IV of everything, where the scheme allows a constant one.
    pub constant_iv: Option<[u8; 16]>,
    /// So many segments at the start of each rendition stay clear; of one that is not there from
    /// the start of the title, none.
    pub clear_lead_segments: u32,
    /// Where players of a system find licences.
    pub license_urls: BTreeMap<DrmSystem, String>,
}

/// Where keys come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyProvider {
    /// A SPEKE key server.
    Server(Box<KeyServer>),
    /// The configuration itself; one key for each track type.
    Static(Vec<StaticKey>),
}

/// A SPEKE key server and how to ask it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct KeyServer {
    /// Where requests go; may hold a token.
    pub url: ProtectedText,
    /// The URL without what may be secret, for people.
    pub shown_url: String,
    /// Sent with each request, in order.
    pub headers: Vec<(String, ProtectedText)>,
    /// Which dialect it speaks.
    pub version: SpekeVersion,
    /// How keys are spread over tracks; one for all if empty.
    pub track_types: Vec<TrackType>,
    /// User name and password of HTTP basic authentication.
    pub basic: Option<(String, ProtectedText)>,
    /// `Authorization: Bearer`.
    pub bearer_token: Option<ProtectedText>,
    /// Certificate chain and private key that we show, PEM.
    pub client_identity: Option<(ProtectedText, ProtectedText)>,
    /// Certificates that are trusted beside the usual ones, PEM.
    pub trusted_certificates: Option<ProtectedText>,
    /// Certificate (PEM) and private key (PEM, PKCS#8) with which content keys come encrypted.
    pub key_encryption: Option<(ProtectedText, ProtectedText)>,
}

/// A key that stands in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct StaticKey {
    /// Which tracks.
    pub track_type: TrackType,
    /// Its ID.
    pub key_id: KeyId,
    /// 32 hexadecimal digits.
    pub key: ProtectedText,
    /// The constant IV, where the scheme wants one.
    pub iv: Option<[u8; 16]>,
    /// Where HLS players find it: `skd://…` for FairPlay, a URL of 16 raw bytes for plain keys.
    pub uri: Option<String>,
}

/// The dialects of SPEKE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SpekeVersion {
    /// 1.0 on CPIX 2.0: one key.
    #[serde(rename = "1.0")]
    V1,
    /// 2.0 on CPIX 2.3.
    #[default]
    #[serde(rename = "2.0")]
    V2,
    /// 2.1 on CPIX 2.4.
    #[serde(rename = "2.1")]
    V2_1,
}

impl SpekeVersion {
    /// The name in settings and in `X-Speke-Version`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "1.0",
            Self::V2 => "2.0",
            Self::V2_1 => "2.1",
        }
    }
}

/// A secret as settings hold it. `Debug` shows references and nothing else.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProtectedText {
    /// Encrypted under the origin's own key, base64.
    Sealed(String),
    /// `env:NAME` or `file:NAME`, read when it is needed.
    Reference(String),
}

impl fmt::Debug for ProtectedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sealed(_) => f.write_str("Sealed(…)"),
            Self::Reference(reference) => f.debug_tuple("Reference").field(reference).finish(),
        }
    }
}

/// How the keys of video are spread over resolutions (SPEKE 2, encryption contract).
pub const VIDEO_PRESETS: [&[TrackType]; 8] = {
    use TrackType::{Hd, Hd1, Hd2, Sd, SdHd1, Uhd, Uhd1, Uhd2, Video};
    [
        &[Video],
        &[Sd, Hd],
        &[Sd, Hd, Uhd],
        &[Sd, Hd, Uhd1, Uhd2],
        &[Sd, Hd1, Hd2, Uhd1, Uhd2],
        &[Sd, Hd1, Hd2, Uhd],
        &[SdHd1, Hd2, Uhd],
        &[SdHd1, Hd2, Uhd1, Uhd2],
    ]
};

/// How the keys of audio are spread over channel counts.
pub const AUDIO_PRESETS: [&[TrackType]; 3] = {
    use TrackType::{
        Audio, MultichannelAudio, MultichannelAudio3To6, MultichannelAudio7, StereoAudio,
    };
    [
        &[Audio],
        &[StereoAudio, MultichannelAudio],
        &[StereoAudio, MultichannelAudio3To6, MultichannelAudio7],
    ]
};
