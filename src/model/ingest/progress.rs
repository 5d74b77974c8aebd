//! How far a running ingest has come.

use serde::{Deserialize, Serialize};

/// How far a running ingest has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Source segments read.
    pub segments_done: u64,
    /// Source segments in all media playlists.
    pub segments_total: u64,
    /// Bytes read from the source.
    pub bytes_read: u64,
}
