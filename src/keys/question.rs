//! What is asked of a key provider, and what decides that two questions are the same.
//!
//! The answer to a question depends on its content ID, on the encryption settings and on whether
//! playlist lines are wanted, and on nothing else. Secrets are part of it as they are stored:
//! settings that were written again are another question, though their secrets may be the same.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::cpix::{RequestedKey, derived_iv, key_id};
use crate::error::{Error, Result};
use crate::model::encryption::{Encryption, KeyProvider, SpekeVersion};
use crate::model::policy::{ContentId, PackageType};
use crate::model::protection::{DrmSystem, KeyId, KeyRule, ProtectionScheme, TrackType};

/// Part of every question: raised when answers that are stored are to be asked for again.
const FORMAT: u8 = 1;

/// The SHA-256 of a question's text.
pub(super) type QuestionId = [u8; 32];

/// A question that stands on its own, for a task that asks it.
pub(super) struct Question {
    /// What the provider knows the content by.
    pub(super) content_id: ContentId,
    /// All settings; the number of clear segments does not matter.
    pub(super) encryption: Encryption,
    /// Whether lines for playlists are wanted.
    pub(super) wants_hls: bool,
    /// The identity.
    pub(super) id: QuestionId,
    /// What the identity is made of.
    pub(super) text: Vec<u8>,
}

/// The fields that decide an answer, borrowed: this is on the way of each segment.
#[derive(Serialize)]
struct Text<'a> {
    format: u8,
    content_id: &'a ContentId,
    wants_hls: bool,
    scheme: ProtectionScheme,
    systems: &'a [DrmSystem],
    keys: &'a KeyProvider,
    constant_iv: Option<[u8; 16]>,
    license_urls: &'a std::collections::BTreeMap<DrmSystem, String>,
}

/// The text of a question.
pub(super) fn text(
    content_id: &ContentId,
    package_type: PackageType,
    encryption: &Encryption,
) -> Result<Vec<u8>> {
    let text = Text {
        format: FORMAT,
        content_id,
        wants_hls: wants_hls(package_type),
        scheme: encryption.scheme,
        systems: &encryption.systems,
        keys: &encryption.keys,
        constant_iv: encryption.constant_iv,
        license_urls: &encryption.license_urls,
    };
    serde_json::to_vec(&text)
        .map_err(|error| Error::internal("encryption settings have no text form").caused_by(error))
}

/// The identity of a question with this text.
pub(super) fn id(text: &[u8]) -> QuestionId {
    Sha256::digest(text).into()
}

impl Question {
    /// The question with this text.
    pub(super) fn new(
        content_id: &ContentId,
        package_type: PackageType,
        encryption: &Encryption,
        text: Vec<u8>,
    ) -> Self {
        Self {
            content_id: content_id.clone(),
            encryption: encryption.clone(),
            wants_hls: wants_hls(package_type),
            id: id(&text),
            text,
        }
    }
}

fn wants_hls(package_type: PackageType) -> bool {
    match package_type {
        PackageType::Hls | PackageType::HlsCmaf => true,
        PackageType::Dash => false,
    }
}

/// The keys to ask a server for: IDs follow from the content, so that each node and each restart
/// asks for the same ones.
pub(super) fn requested_keys(
    content_id: &ContentId,
    version: SpekeVersion,
    track_types: &[TrackType],
    encryption: &Encryption,
) -> Vec<RequestedKey> {
    // SPEKE 1.0 cannot say which tracks a key is for.
    let types: &[TrackType] = match (version, track_types) {
        (SpekeVersion::V1, _) | (_, []) => &[TrackType::All],
        (_, types) => types,
    };
    let keys = KeyRule::of(types).into_iter().map(|rule| {
        let id = key_id(content_id, rule.track_type, encryption.scheme);
        RequestedKey { rule, id, iv: constant_iv(encryption, None, id) }
    });
    keys.collect()
}

/// The constant IV of a key: `own` if the key has one, else that of the settings, else one that
/// follows from its ID where the scheme cannot do without.
pub(super) fn constant_iv(
    encryption: &Encryption,
    own: Option<[u8; 16]>,
    id: KeyId,
) -> Option<[u8; 16]> {
    let chosen = own.or(encryption.constant_iv);
    match encryption.scheme {
        // Its IVs belong to samples.
        ProtectionScheme::Cenc => None,
        ProtectionScheme::Cbcs => Some(chosen.unwrap_or_else(|| derived_iv(id))),
        // FairPlay hands the IV out with the key, so there is one for all.
        ProtectionScheme::HlsSampleAes if encryption.systems.contains(&DrmSystem::FairPlay) => {
            Some(chosen.unwrap_or_else(|| derived_iv(id)))
        }
        // Without one, the IV is the segment's number (RFC 8216 5.2).
        ProtectionScheme::HlsSampleAes | ProtectionScheme::HlsAes128 => chosen,
    }
}
