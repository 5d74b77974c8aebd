//! Ingest jobs: what a worker gets, and what it hands back.

use crate::model::ingest::Report;
use crate::model::policy::Name;

/// One ingest to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestJob {
    /// The asset.
    pub asset: Name,
    /// The configured source.
    pub source: String,
    /// The master playlist in it.
    pub path: String,
    /// Never given twice. A later job for the same asset has a higher one.
    pub generation: i64,
}

/// A finished ingest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingested {
    /// The hexadecimal id of the index.
    pub version: String,
    /// Where the index store keeps it.
    pub index_key: String,
    /// What was measured.
    pub report: Report,
}

/// Whether a job may still write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum JobStanding {
    /// The job was current and the write happened.
    Current,
    /// The asset was deleted or ingest was asked for again: nothing was written.
    Superseded,
}
