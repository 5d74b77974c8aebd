//! Assets: one title each, where its source lies, and how its ingest stands.

use time::OffsetDateTime;

use crate::model::ingest::{IngestFailure, Progress, Report};
use crate::model::policy::{ContentId, Name};

/// How an asset stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AssetStatus {
    /// Its first ingest waits for a worker.
    Queuing,
    /// Its first ingest runs.
    Ingesting,
    /// A version of it can be played; a re-ingest may be queued, running or have failed.
    Playable,
    /// Its ingest failed and there is no version to play.
    Failed,
}

impl AssetStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Queuing, Self::Ingesting, Self::Playable, Self::Failed];

    /// The status as the API and the stores write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queuing => "QUEUING",
            Self::Ingesting => "INGESTING",
            Self::Playable => "PLAYABLE",
            Self::Failed => "FAILED",
        }
    }

    /// Reads what [`Self::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// An asset as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// Unique in the whole origin.
    pub name: Name,
    /// The group whose configurations it is offered in.
    pub group: Name,
    /// The configured source that `path` is in.
    pub source: String,
    /// The master playlist.
    pub path: String,
    /// What key servers know the title by.
    pub content_id: Option<ContentId>,
    /// Free text of the operator.
    pub description: String,
    /// How it stands.
    pub status: AssetStatus,
    /// Why the last ingest failed; of a playable asset, why its last re-ingest did.
    pub failure: Option<IngestFailure>,
    /// How far the ingest is; `Some` while one is queued or runs.
    pub progress: Option<Progress>,
    /// What the last successful ingest measured.
    pub report: Option<Report>,
    /// When it was created.
    pub created_at: OffsetDateTime,
    /// When an operator last changed it, or its last ingest ended.
    pub updated_at: OffsetDateTime,
    /// When the version that plays became playable.
    pub playable_at: Option<OffsetDateTime>,
}

/// An asset to create.
#[derive(Clone, Debug)]
pub struct NewAsset {
    /// Its name.
    pub name: Name,
    /// Its group, which must exist.
    pub group: Name,
    /// The configured source.
    pub source: String,
    /// The master playlist.
    pub path: String,
    /// What key servers know the title by.
    pub content_id: Option<ContentId>,
    /// Free text of the operator.
    pub description: String,
}

/// What of an asset to change; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct AssetPatch {
    /// The new description.
    pub description: Option<String>,
    /// The new content ID; `Some(None)` takes it away.
    pub content_id: Option<Option<ContentId>>,
}

/// Which assets a list shows; every condition that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct AssetFilter {
    /// In this group.
    pub group: Option<Name>,
    /// In the group that this configuration belongs to.
    pub configuration: Option<Name>,
    /// With this status.
    pub status: Option<AssetStatus>,
    /// With a name that begins so, letter case included.
    pub prefix: Option<String>,
}

/// One ingested version of an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetVersion {
    /// The hexadecimal id of the index.
    pub version: String,
    /// Where the index store keeps it.
    pub index_key: String,
    /// When a later version took its place; `None` for the current one.
    pub retired_at: Option<OffsetDateTime>,
}
