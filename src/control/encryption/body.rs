//! Encryption settings as JSON (INTERFACE section 5), of requests and answers alike: what a GET
//! shows, a PUT takes.
//!
//! The fields are read as they come; what they may be and what goes together is checked beside.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use super::secret::SecretText;

/// How media is encrypted, and where keys come from: `keyServer` or `staticKeys`.
///
/// In answers `***` stands for each secret, and the URL of the key server is cut after the host. A
/// PUT that repeats what was shown keeps the secret that is stored. `url` and each secret may be a
/// reference instead, `env:NAME` or `file:NAME`, which is shown.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "an object")]
#[schema(as = Encryption)]
pub(in crate::control) struct EncryptionBody {
    /// Who hands out keys to players, by the IDs of DRM systems. DASH: Widevine, PlayReady;
    /// HLS_CMAF: these and FairPlay; HLS: FairPlay or a plain key. ClearKey goes with all.
    #[schema(min_items = 1, example = json!(["edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"]))]
    pub(super) system_ids: Vec<String>,
    /// The SPEKE server that keys come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_server: Option<KeyServerBody>,
    /// Keys that stand here, instead of a key server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1)]
    pub(super) static_keys: Option<Vec<StaticKeyBody>>,
    /// DASH (`cenc` if absent) and HLS_CMAF (`cbcs` if absent).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<EncryptionSchemeSchema>)]
    pub(super) scheme: Option<String>,
    /// HLS: `SAMPLE_AES` if absent with FairPlay, `AES_128` with a plain key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<EncryptionMethodSchema>)]
    pub(super) method: Option<String>,
    /// The IV of everything, unless keys bring their own. Not with `cenc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9A-Fa-f]{32}$")]
    pub(super) constant_initialization_vector: Option<String>,
    /// So many segments at the start of each rendition stay clear; of one that is not there from
    /// the start of the title, none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1000, default = 0)]
    pub(super) clear_lead_segments: Option<i64>,
    /// Where players find licences, by system ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    pub(super) license_urls: Option<Pairs<String>>,
}

/// A SPEKE key server and how to ask it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "an object")]
#[schema(as = KeyServer)]
pub(in crate::control) struct KeyServerBody {
    /// Where it is. Headers may follow the URL: `https://example.com/encryption -H "{key:value}"`.
    #[schema(value_type = String, example = "https://keys.example.com/speke/{token}?tenant=1")]
    pub(super) url: SecretText,
    /// Sent with each request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    pub(super) headers: Option<Pairs<SecretText>>,
    /// Its dialect; 2.0 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<SpekeVersionSchema>)]
    pub(super) speke_version: Option<String>,
    /// How keys of video are spread over resolutions; SHARED if absent, and then both are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<VideoPresetSchema>)]
    pub(super) video_preset: Option<String>,
    /// How keys of audio are spread over channel counts; SHARED if absent, and then both are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<AudioPresetSchema>)]
    pub(super) audio_preset: Option<String>,
    /// HTTP basic authentication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) basic_auth: Option<BasicAuthBody>,
    /// `Authorization: Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) bearer_token: Option<SecretText>,
    /// What we show it in TLS: a chain of certificates, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) client_certificate: Option<SecretText>,
    /// The private key of `clientCertificate`, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) client_key: Option<SecretText>,
    /// Certificates that are trusted beside the usual ones, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) trusted_certificates: Option<SecretText>,
    /// With what it encrypts the content keys of its answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_key_encryption: Option<ContentKeyEncryptionBody>,
}

/// HTTP basic authentication.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "an object")]
#[schema(as = BasicAuth)]
pub(in crate::control) struct BasicAuthBody {
    /// The user name, which is shown.
    pub(super) username: String,
    /// The password.
    #[schema(value_type = String)]
    pub(super) password: SecretText,
}

/// A certificate whose public key encrypts content keys on their way, and the private key to it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "an object")]
#[schema(as = ContentKeyEncryption)]
pub(in crate::control) struct ContentKeyEncryptionBody {
    /// PEM.
    #[schema(value_type = String)]
    pub(super) certificate: SecretText,
    /// PEM, PKCS #8.
    #[schema(value_type = String)]
    pub(super) private_key: SecretText,
}

/// A key that stands in the configuration.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "an object")]
#[schema(as = StaticKey)]
pub(in crate::control) struct StaticKeyBody {
    /// Which tracks.
    #[schema(value_type = TrackTypeSchema)]
    pub(super) track_type: String,
    /// Its ID.
    #[schema(example = "01234567-89ab-cdef-0123-456789abcdef")]
    pub(super) key_id: String,
    /// 32 hexadecimal digits.
    #[schema(value_type = String)]
    pub(super) key: SecretText,
    /// The IV of all that it encrypts; derived if absent. Not with `cenc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9A-Fa-f]{32}$")]
    pub(super) iv: Option<String>,
    /// Where players find it: `skd://…` for FairPlay, the URL of 16 bytes for a plain key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uri: Option<String>,
}

/// The encryption of CMAF segments (ISO/IEC 23001-7).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = EncryptionScheme)]
#[expect(dead_code, reason = "describes EncryptionBody::scheme")]
pub(in crate::control) enum EncryptionSchemeSchema {
    Cenc,
    Cbcs,
}

/// The encryption of transport streams (RFC 8216, 4.3.2.4).
#[derive(Serialize, ToSchema)]
#[schema(as = EncryptionMethod)]
#[expect(dead_code, reason = "describes EncryptionBody::method")]
pub(in crate::control) enum EncryptionMethodSchema {
    #[serde(rename = "AES_128")]
    Aes128,
    #[serde(rename = "SAMPLE_AES")]
    SampleAes,
}

/// The dialects of SPEKE.
#[derive(Serialize, ToSchema)]
#[schema(as = SpekeVersion)]
#[expect(dead_code, reason = "describes KeyServerBody::speke_version")]
pub(in crate::control) enum SpekeVersionSchema {
    #[serde(rename = "1.0")]
    V1,
    #[serde(rename = "2.0")]
    V2,
    #[serde(rename = "2.1")]
    V2_1,
}

/// One key for all, none, or the keys of a preset of SPEKE 2.
#[derive(Serialize, ToSchema)]
#[schema(as = VideoPreset)]
#[expect(dead_code, reason = "describes KeyServerBody::video_preset")]
pub(in crate::control) enum VideoPresetSchema {
    #[serde(rename = "SHARED")]
    Shared,
    #[serde(rename = "UNENCRYPTED")]
    Unencrypted,
    #[serde(rename = "PRESET-VIDEO-1")]
    One,
    #[serde(rename = "PRESET-VIDEO-2")]
    Two,
    #[serde(rename = "PRESET-VIDEO-3")]
    Three,
    #[serde(rename = "PRESET-VIDEO-4")]
    Four,
    #[serde(rename = "PRESET-VIDEO-5")]
    Five,
    #[serde(rename = "PRESET-VIDEO-6")]
    Six,
    #[serde(rename = "PRESET-VIDEO-7")]
    Seven,
    #[serde(rename = "PRESET-VIDEO-8")]
    Eight,
}

/// One key for all, none, or the keys of a preset of SPEKE 2.
#[derive(Serialize, ToSchema)]
#[schema(as = AudioPreset)]
#[expect(dead_code, reason = "describes KeyServerBody::audio_preset")]
pub(in crate::control) enum AudioPresetSchema {
    #[serde(rename = "SHARED")]
    Shared,
    #[serde(rename = "UNENCRYPTED")]
    Unencrypted,
    #[serde(rename = "PRESET-AUDIO-1")]
    One,
    #[serde(rename = "PRESET-AUDIO-2")]
    Two,
    #[serde(rename = "PRESET-AUDIO-3")]
    Three,
}

/// The kinds of track that a key may be for.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = TrackType)]
#[expect(dead_code, reason = "describes model::protection::TrackType")]
pub(in crate::control) enum TrackTypeSchema {
    All,
    Video,
    Sd,
    #[serde(rename = "SD+HD1")]
    SdHd1,
    Hd,
    Hd1,
    Hd2,
    Uhd,
    Uhd1,
    Uhd2,
    Audio,
    StereoAudio,
    MultichannelAudio,
    #[serde(rename = "MULTICHANNEL_AUDIO_3_6")]
    MultichannelAudio3To6,
    #[serde(rename = "MULTICHANNEL_AUDIO_7")]
    MultichannelAudio7,
}

/// A JSON object whose names are data, in its order. Names that are there twice are there twice.
#[derive(Clone, Debug)]
pub(super) struct Pairs<V>(pub(super) Vec<(String, V)>);

impl<V: Serialize> Serialize for Pairs<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Pairs<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor(PhantomData))
    }
}

struct PairsVisitor<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for PairsVisitor<V> {
    type Value = Pairs<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}
