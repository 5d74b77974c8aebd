//! Asking a key server: SPEKE 1.0, 2.0 and 2.1 on CPIX 2.0, 2.3 and 2.4 documents.
//!
//! ```text
//! KeyRequest ─ request_document → POST … 200 → read_response → KeySet
//!                                                ├ xml        elements by namespace
//!                                                ├ answer     what the document says
//!                                                ├ key_wrap   content keys that came encrypted
//!                                                └ check      what must fit, for each system
//! ```
//!
//! HTTP is not done here. Not done at all: key periods (there is no live), XML signatures, HDCP and
//! robustness levels.

mod answer;
mod certificate;
mod check;
pub mod error;
pub mod key_wrap;
mod markup;
mod request;
mod response;
mod xml;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

pub use certificate::{certificate_from_pem, subject_public_key_info};
pub use error::ResponseError;
pub use request::request_document;
pub use response::read_response;

use crate::model::encryption::SpekeVersion;
use crate::model::policy::ContentId;
use crate::model::protection::{DrmSystem, KeyId, KeyRule, ProtectionScheme, TrackType};

/// What a key server is asked for.
#[derive(Clone, Debug)]
pub struct KeyRequest {
    /// What the server knows the content by.
    pub content_id: ContentId,
    /// How keys will be used.
    pub scheme: ProtectionScheme,
    /// The dialect.
    pub version: SpekeVersion,
    /// Who will hand keys to players, in the order wanted back.
    pub systems: Vec<DrmSystem>,
    /// The keys; exactly one in SPEKE 1.0, which cannot say which tracks a key is for.
    pub keys: Vec<RequestedKey>,
    /// X.509 certificate (DER) for which the server shall encrypt the keys.
    pub recipient_certificate: Option<Vec<u8>>,
    /// Whether lines for playlists are wanted; DASH has no use for them.
    pub wants_hls: bool,
    /// Where players of a system find licences. Not sent; goes into the answer.
    pub license_urls: BTreeMap<DrmSystem, String>,
}

/// One key of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestedKey {
    /// Which tracks.
    pub rule: KeyRule,
    /// The ID that the server should use, as [`key_id`] makes it.
    pub id: KeyId,
    /// The IV that the server should use, as [`derived_iv`] makes it; none for `cenc`, whose IVs
    /// belong to samples.
    pub iv: Option<[u8; 16]>,
}

/// Who can come by a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Players to which a DRM system gives a licence.
    Licensed,
    /// Whoever knows a URL: plain HLS keys, and Clear Key by itself.
    Anyone,
}

impl Audience {
    /// The audience of keys that these systems hand out. Clear Key beside a DRM system is there for
    /// tests of the very same media.
    pub fn of(systems: &[DrmSystem]) -> Self {
        let is_open = |system| matches!(system, &DrmSystem::PlainKey | &DrmSystem::ClearKey);
        if systems.iter().all(is_open) { Self::Anyone } else { Self::Licensed }
    }
}

/// The ID of the key for one kind of track of a title: the same for the same question, so that
/// servers which remember IDs give the same key again.
///
/// The scheme is part of the question. DASH-IF (Guidelines, security part) wants different keys
/// where content is there in `cenc` and in `cbcs`: content under one key ID must be the same bytes
/// everywhere, and SPEKE forbids a server to have two schemes under one ID.
///
/// So is the audience: a key that anybody may fetch by its URL must not open what DRM protects.
///
/// The form is a UUID of version 8 (RFC 9562 5.8), free for such use.
pub fn key_id(
    content_id: &ContentId,
    track_type: TrackType,
    scheme: ProtectionScheme,
    audience: Audience,
) -> KeyId {
    let hash = Sha256::new()
        .chain_update(KEY_ID_LABEL)
        // Neither content IDs nor names of track types have zero bytes: no two questions collide.
        .chain_update(content_id.as_str())
        .chain_update([0])
        .chain_update(track_type.as_str())
        .chain_update([0])
        .chain_update(scheme.common_encryption_scheme())
        .chain_update(match audience {
            Audience::Licensed => &b""[..],
            Audience::Anyone => b"\0plain",
        })
        .finalize();
    let mut id = first_half(&hash.into());
    id[6] = id[6] & 0x0F | 0x80;
    id[8] = id[8] & 0x3F | 0x80;
    KeyId(id)
}

/// The constant IV that goes with a key. Public like the key ID, and never equal to a key but by
/// the chance of 128 bits.
pub fn derived_iv(key_id: KeyId) -> [u8; 16] {
    first_half(&Sha256::new().chain_update(IV_LABEL).chain_update(key_id.0).finalize().into())
}

const KEY_ID_LABEL: &[u8] = b"packorigin key id\0";
const IV_LABEL: &[u8] = b"packorigin constant iv\0";

fn first_half(hash: &[u8; 32]) -> [u8; 16] {
    std::array::from_fn(|index| hash[index])
}

/// Namespaces of the documents.
mod namespace {
    pub const CPIX: &str = "urn:dashif:org:cpix";
    pub const PSKC: &str = "urn:ietf:params:xml:ns:keyprov:pskc";
    pub const SPEKE: &str = "urn:aws:amazon:com:speke";
    pub const XMLDSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
    pub const XMLENC: &str = "http://www.w3.org/2001/04/xmlenc#";
    pub const CENC: &str = "urn:mpeg:cenc:2013";
    pub const PLAYREADY: &str = "urn:microsoft:playready";
    pub const MPD: &str = "urn:mpeg:dash:schema:mpd:2011";
    pub const XLINK: &str = "http://www.w3.org/1999/xlink";
}

#[cfg(test)]
mod tests;
