//! Content keys, what they protect, and what players are told about them.
//!
//! ```text
//! KeySet ─ RuleKey ┬ KeyRule            which tracks: ALL, or SD, HD, STEREO_AUDIO …
//!                  ├ ContentKey         key ID, secret, constant IV
//!                  └ SystemSignalling   for each DRM system: pssh, PlayReady object, EXT-X-KEY …
//! ```
//!
//! The `keys` room makes these, `plan` decides which track gets which, `cenc` and the muxers use
//! them. Nothing here encrypts, parses or asks anybody.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::presentation::Medium;

/// A key ID (KID): 16 bytes, big-endian wherever a standard does not say otherwise.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 16]);

impl KeyId {
    /// Reads 32 hexadecimal digits, with or without the dashes of a UUID.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = match text.len() {
            32 => text.to_owned(),
            36 => {
                let dashes = [8, 13, 18, 23];
                let at_dashes = dashes.iter().all(|&at| text.as_bytes().get(at) == Some(&b'-'));
                at_dashes.then(|| text.replace('-', ""))?
            }
            _ => return None,
        };
        let mut bytes = [0; 16];
        hex::decode_to_slice(digits, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// 32 lower-case hexadecimal digits.
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }
}

/// Lower case with dashes, as in `cenc:default_KID`.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for KeyId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a key ID"))
    }
}

/// A content key. `Debug` shows the ID alone; the secret is overwritten when the last owner drops
/// it.
#[derive(Clone)]
pub struct ContentKey {
    /// Its ID.
    pub id: KeyId,
    secret: Zeroizing<[u8; 16]>,
    /// The IV of everything that it protects, where the scheme wants a constant one. Public: it
    /// stands in `tenc` and in playlists.
    pub iv: Option<[u8; 16]>,
}

impl ContentKey {
    /// Wraps a secret.
    pub fn new(id: KeyId, secret: Zeroizing<[u8; 16]>, iv: Option<[u8; 16]>) -> Self {
        Self { id, secret, iv }
    }

    /// The AES-128 key, for ciphers and one-way check values.
    pub fn expose(&self) -> &[u8; 16] {
        &self.secret
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// How media is encrypted. A closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProtectionScheme {
    /// AES-CTR over subsamples (ISO/IEC 23001-7 10.1).
    Cenc,
    /// AES-CBC, one block of ten of video, constant IV (ISO/IEC 23001-7 10.4).
    Cbcs,
    /// Whole transport stream segments with AES-CBC and padding (RFC 8216 4.3.2.4).
    HlsAes128,
    /// Parts of samples in transport streams (Apple, HLS Sample Encryption).
    HlsSampleAes,
}

impl ProtectionScheme {
    /// The scheme type of `schm` and of MPDs; transport streams have none.
    pub const fn four_cc(self) -> Option<&'static str> {
        match self {
            Self::Cenc => Some("cenc"),
            Self::Cbcs => Some("cbcs"),
            Self::HlsAes128 | Self::HlsSampleAes => None,
        }
    }

    /// What key servers are told (`commonEncryptionScheme` of SPEKE 2).
    pub const fn common_encryption_scheme(self) -> &'static str {
        match self {
            Self::Cenc => "cenc",
            Self::Cbcs | Self::HlsSampleAes => "cbcs",
            Self::HlsAes128 => "cbc1",
        }
    }

    /// `METHOD` of `EXT-X-KEY`.
    pub const fn hls_method(self) -> &'static str {
        match self {
            Self::Cenc => "SAMPLE-AES-CTR",
            Self::Cbcs | Self::HlsSampleAes => "SAMPLE-AES",
            Self::HlsAes128 => "AES-128",
        }
    }
}

/// Who hands keys to players.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrmSystem {
    /// Google Widevine.
    Widevine,
    /// Microsoft PlayReady.
    PlayReady,
    /// Apple FairPlay Streaming.
    FairPlay,
    /// W3C Clear Key, for tests.
    ClearKey,
    /// A key that players fetch from a URL (`KEYFORMAT="identity"`).
    PlainKey,
}

impl DrmSystem {
    /// System IDs of [`DrmSystem::PlainKey`] in SPEKE 1.0 and 2.x.
    pub const PLAIN_KEY_SYSTEM_IDS: [&'static str; 2] =
        ["81376844-f976-481e-a84e-cc25d39b0b33", "3ea8778f-7742-4bf9-b18b-e834b2acbd47"];

    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Widevine, Self::PlayReady, Self::FairPlay, Self::ClearKey, Self::PlainKey];

    /// The system ID; that of SPEKE 2 for plain keys.
    pub const fn system_id(self) -> &'static str {
        match self {
            Self::Widevine => "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed",
            Self::PlayReady => "9a04f079-9840-4286-ab92-e65be0885f95",
            Self::FairPlay => "94ce86fb-07ff-4f43-adb8-93d2fa968ca2",
            Self::ClearKey => "e2719d58-a985-b3c9-781a-b030af78d30e",
            Self::PlainKey => Self::PLAIN_KEY_SYSTEM_IDS[1],
        }
    }

    /// The system with this ID, in any case.
    pub fn from_system_id(id: &str) -> Option<Self> {
        let plain = Self::PLAIN_KEY_SYSTEM_IDS.iter().any(|plain| id.eq_ignore_ascii_case(plain));
        let named =
            Self::ALL.into_iter().find(|system| id.eq_ignore_ascii_case(system.system_id()));
        if plain { Some(Self::PlainKey) } else { named }
    }

    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Widevine => "Widevine",
            Self::PlayReady => "PlayReady",
            Self::FairPlay => "FairPlay",
            Self::ClearKey => "ClearKey",
            Self::PlainKey => "plain HLS key",
        }
    }
}

/// The kinds of track that a key may be for (SPEKE 2, `intendedTrackType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TrackType {
    /// Everything.
    #[serde(rename = "ALL")]
    All,
    /// All video.
    #[serde(rename = "VIDEO")]
    Video,
    /// Up to 1024×576.
    #[serde(rename = "SD")]
    Sd,
    /// SD and HD1 together.
    #[serde(rename = "SD+HD1")]
    SdHd1,
    /// Above SD.
    #[serde(rename = "HD")]
    Hd,
    /// Above SD up to 1280×720.
    #[serde(rename = "HD1")]
    Hd1,
    /// Above HD1 up to 1920×1080.
    #[serde(rename = "HD2")]
    Hd2,
    /// Above 1920×1080.
    #[serde(rename = "UHD")]
    Uhd,
    /// Above 1920×1080 up to 4096×2160.
    #[serde(rename = "UHD1")]
    Uhd1,
    /// Above 4096×2160.
    #[serde(rename = "UHD2")]
    Uhd2,
    /// All audio.
    #[serde(rename = "AUDIO")]
    Audio,
    /// Up to two channels.
    #[serde(rename = "STEREO_AUDIO")]
    StereoAudio,
    /// Three channels and more.
    #[serde(rename = "MULTICHANNEL_AUDIO")]
    MultichannelAudio,
    /// Three to six channels.
    #[serde(rename = "MULTICHANNEL_AUDIO_3_6")]
    MultichannelAudio3To6,
    /// Seven channels and more.
    #[serde(rename = "MULTICHANNEL_AUDIO_7")]
    MultichannelAudio7,
}

impl TrackType {
    /// All of them.
    pub const ALL_TYPES: [Self; 15] = [
        Self::All,
        Self::Video,
        Self::Sd,
        Self::SdHd1,
        Self::Hd,
        Self::Hd1,
        Self::Hd2,
        Self::Uhd,
        Self::Uhd1,
        Self::Uhd2,
        Self::Audio,
        Self::StereoAudio,
        Self::MultichannelAudio,
        Self::MultichannelAudio3To6,
        Self::MultichannelAudio7,
    ];

    /// The name in CPIX documents and settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "ALL",
            Self::Video => "VIDEO",
            Self::Sd => "SD",
            Self::SdHd1 => "SD+HD1",
            Self::Hd => "HD",
            Self::Hd1 => "HD1",
            Self::Hd2 => "HD2",
            Self::Uhd => "UHD",
            Self::Uhd1 => "UHD1",
            Self::Uhd2 => "UHD2",
            Self::Audio => "AUDIO",
            Self::StereoAudio => "STEREO_AUDIO",
            Self::MultichannelAudio => "MULTICHANNEL_AUDIO",
            Self::MultichannelAudio3To6 => "MULTICHANNEL_AUDIO_3_6",
            Self::MultichannelAudio7 => "MULTICHANNEL_AUDIO_7",
        }
    }

    /// Reads what [`TrackType::as_str`] gives.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL_TYPES.into_iter().find(|track_type| track_type.as_str() == text)
    }

    /// Pictures or sound; `None` is both.
    pub const fn medium(self) -> Option<Medium> {
        match self {
            Self::All => None,
            Self::Video
            | Self::Sd
            | Self::SdHd1
            | Self::Hd
            | Self::Hd1
            | Self::Hd2
            | Self::Uhd
            | Self::Uhd1
            | Self::Uhd2 => Some(Medium::Video),
            Self::Audio
            | Self::StereoAudio
            | Self::MultichannelAudio
            | Self::MultichannelAudio3To6
            | Self::MultichannelAudio7 => Some(Medium::Audio),
        }
    }

    /// The fewest pixels or channels that it is for.
    pub const fn minimum(self) -> u64 {
        match self {
            Self::Hd | Self::Hd1 => 1024 * 576 + 1,
            Self::Hd2 => 1280 * 720 + 1,
            Self::Uhd | Self::Uhd1 => 1920 * 1080 + 1,
            Self::Uhd2 => 4096 * 2160 + 1,
            Self::MultichannelAudio | Self::MultichannelAudio3To6 => 3,
            Self::MultichannelAudio7 => 7,
            _ => 0,
        }
    }
}

/// Which tracks a key is for: those of the type's medium from `minimum` to `maximum` pixels or
/// channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyRule {
    /// The type.
    pub track_type: TrackType,
    /// Where the rule of the next larger type begins, less one.
    pub maximum: Option<u64>,
}

impl KeyRule {
    /// Rules for these types, each bounded by the next larger of its medium.
    pub fn of(types: &[TrackType]) -> Vec<Self> {
        let rule = |&track_type: &TrackType| {
            let larger = types.iter().filter(|other| {
                other.medium() == track_type.medium() && other.minimum() > track_type.minimum()
            });
            let maximum = larger.map(|other| other.minimum() - 1).min();
            Self { track_type, maximum }
        };
        types.iter().map(rule).collect()
    }

    /// Whether it covers a track of `medium` with that many pixels (width × height) or channels.
    pub fn covers(self, medium: Medium, size: u64) -> bool {
        self.track_type.medium().is_none_or(|own| own == medium)
            && size >= self.track_type.minimum()
            && self.maximum.is_none_or(|maximum| size <= maximum)
    }
}

/// An `EXT-X-KEY` or `EXT-X-SESSION-KEY` without the tag's name and without `METHOD` and `IV`,
/// which the scheme decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HlsKey {
    /// `URI`.
    pub uri: String,
    /// `KEYFORMAT`; absent is `identity`.
    pub key_format: Option<String>,
    /// `KEYFORMATVERSIONS`.
    pub key_format_versions: Option<String>,
    /// All other attributes as written, value with its quotes: `KEYID`, `0x…`.
    pub others: Vec<(String, String)>,
}

/// What players are told about one key by one system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemSignalling {
    /// Which system.
    pub system: DrmSystem,
    /// A whole `pssh` box, for init segments and MPDs.
    pub pssh: Option<Vec<u8>>,
    /// The PlayReady object.
    pub playready_object: Option<Vec<u8>>,
    /// Children of the `ContentProtection` element as the key server wrote them, each with its own
    /// namespace declarations.
    pub content_protection: Option<String>,
    /// For media playlists.
    pub hls_media: Vec<HlsKey>,
    /// For master playlists.
    pub hls_session: Vec<HlsKey>,
    /// Where licences are, if the configuration says.
    pub license_url: Option<String>,
}

impl SystemSignalling {
    /// A system of which nothing is said yet.
    pub const fn of(system: DrmSystem) -> Self {
        Self {
            system,
            pssh: None,
            playready_object: None,
            content_protection: None,
            hls_media: Vec::new(),
            hls_session: Vec::new(),
            license_url: None,
        }
    }
}

/// A key, the tracks that it is for, and what is said about it.
#[derive(Clone, Debug)]
pub struct RuleKey {
    /// Which tracks.
    pub rule: KeyRule,
    /// The key.
    pub key: Arc<ContentKey>,
    /// One entry for each system of the configuration, in its order.
    pub signalling: Arc<[SystemSignalling]>,
}

/// All keys of one content ID under one configuration.
#[derive(Clone, Debug)]
pub struct KeySet {
    /// How they are used.
    pub scheme: ProtectionScheme,
    /// In the order of the rules.
    pub keys: Vec<RuleKey>,
}

impl KeySet {
    /// The key of a track; `None` where it stays clear. Where rules overlap the last one wins
    /// (SPEKE 2, encryption contract).
    pub fn key_for(&self, medium: Medium, size: u64) -> Option<&RuleKey> {
        self.keys.iter().rev().find(|entry| entry.rule.covers(medium, size))
    }

    /// A key that everybody can read, because it is the ID or the constant IV of some key of the
    /// set: those stand in segments and manifests. Given with the one that shows it.
    pub fn exposed(&self) -> Option<(KeyId, KeyId)> {
        let shows = |key: &ContentKey, secret: &[u8; 16]| {
            key.id.0 == *secret || key.iv.as_ref() == Some(secret)
        };
        self.keys.iter().find_map(|entry| {
            let secret = entry.key.expose();
            let shown = self.keys.iter().find(|other| shows(&other.key, secret))?;
            Some((entry.key.id, shown.key.id))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_ids_have_two_spellings() {
        let id = KeyId::parse("01234567-89ab-cdef-0123-456789abcdef").unwrap();
        assert_eq!(KeyId::parse("0123456789ABCDEF0123456789abcdef"), Some(id));
        assert_eq!(id.to_string(), "01234567-89ab-cdef-0123-456789abcdef");
        for bad in
            ["", "01234567-89ab-cdef-0123-456789abcde", "012345678-9ab-cdef-0123-456789abcdef"]
        {
            assert_eq!(KeyId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn ids_and_ivs_of_all_keys_expose_a_key() {
        let set = |keys: [(u8, u8, Option<u8>); 2]| {
            let keys = keys.map(|(id, secret, iv)| {
                let secret = Zeroizing::new([secret; 16]);
                let key = ContentKey::new(KeyId([id; 16]), secret, iv.map(|iv| [iv; 16]));
                let rule = KeyRule { track_type: TrackType::All, maximum: None };
                RuleKey { rule, key: Arc::new(key), signalling: Arc::new([]) }
            });
            KeySet { scheme: ProtectionScheme::Cbcs, keys: keys.into() }
        };
        let [one, two] = [1, 2].map(|id| KeyId([id; 16]));
        for (keys, expected) in [
            ([(1, 3, Some(5)), (2, 4, None)], None),
            ([(1, 3, Some(3)), (2, 4, None)], Some((one, one))),
            ([(1, 3, Some(4)), (2, 4, None)], Some((two, one))),
            ([(1, 2, None), (2, 4, None)], Some((one, two))),
            ([(1, 3, None), (2, 2, None)], Some((two, two))),
        ] {
            assert_eq!(set(keys).exposed(), expected, "{keys:?}");
        }
    }

    #[test]
    fn a_system_id_one_digit_short_names_nothing() {
        for system in DrmSystem::ALL {
            let id = system.system_id();
            assert_eq!(DrmSystem::from_system_id(&id.to_uppercase()), Some(system));
            assert_eq!(DrmSystem::from_system_id(&id[..35]), None);
        }
    }

    #[test]
    fn rules_meet_without_gap() {
        use TrackType::{Audio, Hd1, Hd2, Sd, Uhd};
        let rules = KeyRule::of(&[Sd, Hd1, Hd2, Uhd, Audio]);
        let types = |pixels| -> Vec<_> {
            let covering = rules.iter().filter(|rule| rule.covers(Medium::Video, pixels));
            covering.map(|rule| rule.track_type).collect()
        };
        assert_eq!(types(1024 * 576), [Sd]);
        assert_eq!(types(1024 * 576 + 1), [Hd1]);
        assert_eq!(types(1280 * 720), [Hd1]);
        assert_eq!(types(1920 * 1080), [Hd2]);
        assert_eq!(types(1920 * 1088), [Uhd]);
        assert!(rules.iter().any(|rule| rule.covers(Medium::Audio, 6)));
    }

    #[test]
    fn secrets_do_not_show() {
        let key = ContentKey::new(KeyId([1; 16]), Zeroizing::new([0xAB; 16]), None);
        assert!(!format!("{key:?}").to_lowercase().contains("abab"));
    }
}
