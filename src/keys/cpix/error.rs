//! What is wrong with a key server's answer, in words for the people who run that server.
//!
//! Key IDs and names of elements are shown; texts of the document, keys and IVs never are.

use super::key_wrap::KeyWrapError;
use crate::keys::hls_line::KeyLineError;
use crate::keys::playready::PlayReadyError;
use crate::keys::pssh::PsshError;
use crate::keys::signalling::SignallingError;
use crate::keys::widevine::WidevineError;
use crate::model::protection::{DrmSystem, KeyId, TrackType};

/// Why an answer cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// The document as a whole.
    #[error("the key server's answer {0}")]
    Document(DocumentFault),
    /// What it says of one key.
    #[error("the key server's answer for key {key_id}: {fault}")]
    Key {
        /// The key.
        key_id: KeyId,
        /// What is wrong.
        fault: KeyFault,
    },
    /// What one DRM system says of one key.
    #[error("the key server's answer for key {key_id} of {}: {fault}", .system.name())]
    System {
        /// The key.
        key_id: KeyId,
        /// The system.
        system: DrmSystem,
        /// What is wrong.
        fault: SystemFault,
    },
}

/// Faults of the document as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentFault {
    /// Not UTF-8, not well-formed, or with a DTD.
    #[error("is not well-formed XML in UTF-8 without a DTD")]
    NotXml,
    /// Another root element.
    #[error("is not a CPIX document; the root must be CPIX of urn:dashif:org:cpix")]
    NotCpix,
    /// Far more elements than keys could need.
    #[error("is nested too deeply or has too many elements")]
    TooLarge,
    /// For something else.
    #[error("is for another content ID than was asked for")]
    OtherContentId,
    /// An element without a readable `kid`.
    #[error("has a {element} whose kid is not a UUID")]
    MalformedKeyId {
        /// The element.
        element: &'static str,
    },
    /// No keys at all.
    #[error("has no ContentKey; each requested key must come back with its value")]
    NoKeys,
}

/// Faults of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// It was asked for and did not come back.
    #[error(
        "there is no ContentKey for it; the server must answer every kid of the request, or name \
         its own kid in the usage rule for {}", .track_type.as_str()
    )]
    Missing {
        /// What it is for.
        track_type: TrackType,
    },
    /// Two elements for one ID.
    #[error("there are two ContentKey elements for it")]
    Repeated,
    /// One key for what should be two.
    #[error("it is the answer to two requested keys; each needs its own kid")]
    Shared,
    /// An element names a key that is not in the list.
    #[error(
        "{element} names it and no ContentKey does; a server that chooses kids itself must use \
         them in ContentKey, DRMSystem and ContentKeyUsageRule alike"
    )]
    Stray {
        /// The element.
        element: &'static str,
    },
    /// The rule of its track type names another key.
    #[error(
        "it was requested for {}, but the usage rule gives these tracks to key {other}; usage \
         rules must come back unchanged", .track_type.as_str()
    )]
    ChangedRule {
        /// What it is for.
        track_type: TrackType,
        /// Who has the tracks now.
        other: KeyId,
    },
    /// Neither in the clear nor encrypted.
    #[error("its ContentKey has neither PlainValue nor EncryptedValue")]
    NoValue,
    /// In the clear though we sent a certificate.
    #[error(
        "it came in the clear although the request had a certificate for encrypting it; switch on \
         content key encryption at the server, or take keyEncryption out of the configuration"
    )]
    NotEncrypted,
    /// Encrypted though we sent no certificate.
    #[error("it came encrypted, but the configuration has no private key (keyEncryption)")]
    NoPrivateKey,
    /// A part of the encryption is missing or not base64.
    #[error("it came encrypted, but {element} is missing or not base64")]
    EncryptionPart {
        /// The element.
        element: &'static str,
    },
    /// Another algorithm than SPEKE has.
    #[error(
        "it came encrypted with an algorithm that {element} names and SPEKE does not have; use \
         RSA-OAEP-MGF1P, AES-256-CBC and HMAC-SHA512"
    )]
    Algorithm {
        /// The element.
        element: &'static str,
    },
    /// It cannot be decrypted.
    #[error(transparent)]
    Unwrap(KeyWrapError),
    /// The value is not base64.
    #[error("its PlainValue is not base64")]
    NotBase64,
    /// The value is not an AES-128 key.
    #[error("it has {bytes} bytes; content keys have 16")]
    Length {
        /// Its size.
        bytes: usize,
    },
    /// The IV is not one.
    #[error("its explicitIV is not the base64 form of 16 bytes")]
    MalformedIv,
    /// The key would be public.
    #[error(
        "its IV equals the key; IVs are published in segments and playlists, so this would give \
         the key away: derive IVs from something else"
    )]
    IvIsKey,
    /// The key is public.
    #[error(
        "it is also the kid or the IV of key {by}; these are published in segments and playlists, \
         so this would give it away: make keys of random bytes, and IVs apart from them"
    )]
    Exposed {
        /// The key whose ID or IV it is.
        by: KeyId,
    },
    /// We asked for another one.
    #[error("its commonEncryptionScheme is not the requested one; servers must not change it")]
    ChangedScheme,
}

/// Faults of what a system says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SystemFault {
    /// Text that should be base64 is not, or not of text.
    #[error("{element} is not base64 of what belongs there")]
    NotBase64 {
        /// The element.
        element: &'static str,
    },
    /// The box cannot be read.
    #[error("PSSH: {0}")]
    Pssh(PsshError),
    /// The box is another system's.
    #[error("PSSH holds a box of another system")]
    OtherSystem,
    /// The box is for other keys.
    #[error("{element} does not name this key; boxes must be made for the kid of the DRMSystem")]
    OtherKey {
        /// Where.
        element: &'static str,
    },
    /// The box says another scheme.
    #[error(
        "{element} is for another encryption scheme; set the server to the scheme of the \
         configuration (cenc is AESCTR, cbcs is AESCBC)"
    )]
    OtherScheme {
        /// Where.
        element: &'static str,
    },
    /// The data of a Widevine box.
    #[error("PSSH: {0}")]
    Widevine(WidevineError),
    /// A PlayReady object.
    #[error("{element}: {error}")]
    PlayReady {
        /// Where.
        element: &'static str,
        /// What is wrong.
        error: PlayReadyError,
    },
    /// `ContentProtectionData` is not XML elements.
    #[error("ContentProtectionData is not well-formed XML")]
    MalformedContentProtection,
    /// Players of MPD and of init segment would get different boxes.
    #[error("the pssh in ContentProtectionData is not the one in PSSH; they must be the same text")]
    PsshDiffers,
    /// A playlist line.
    #[error("HLSSignalingData {0}")]
    Line(KeyLineError),
    /// `METHOD` is another.
    #[error("HLSSignalingData has another METHOD than the encryption scheme ({expected})")]
    Method {
        /// What it must be.
        expected: &'static str,
    },
    /// A line that tells players to fetch the bare key.
    #[error(
        "HLSSignalingData has KEYFORMAT identity, with which players fetch the key in the clear; \
         the system has a KEYFORMAT of its own"
    )]
    BareKey,
    /// The lines for the two kinds of playlist differ in what they must share.
    #[error(
        "HLSSignalingData for media and for master playlists differ in KEYFORMAT or \
         KEYFORMATVERSIONS"
    )]
    LinesDisagree,
    /// Two IVs for one key.
    #[error("the IV in HLSSignalingData is not the explicitIV of the key")]
    IvDiffers,
    /// A URI that would break the playlist.
    #[error("{element} has quotation marks or control characters")]
    Unquotable {
        /// The element.
        element: &'static str,
    },
    /// What is missing cannot be made here.
    #[error(transparent)]
    Signalling(SignallingError),
}
