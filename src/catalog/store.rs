//! What the catalog needs of a database.
//!
//! A store is told the time and never reads a clock; each method is one transaction. It answers
//! [`Kind::NotFound`], [`Kind::AlreadyExists`] and [`Kind::FailedPrecondition`] with the sentences
//! at the foot of this file, so that operators read the same of every store, and
//! [`Kind::Unavailable`] where trying again may help.

use std::fmt;

use async_trait::async_trait;
use time::OffsetDateTime;

use super::asset::{Asset, AssetFilter, AssetPatch, NewAsset};
use super::configuration::{ConfigurationRecord, NewConfiguration};
use super::group::{Group, GroupPatch, NewGroup};
use super::job::{IngestJob, Ingested, JobStanding};
use super::page::{Page, PageRequest};
use super::view::AssetView;
use crate::error::{Error, Kind, Result};
use crate::model::ingest::{IngestFailure, Progress};
use crate::model::policy::{Configuration, Name};

/// Groups, configurations, assets and ingest jobs in a database.
#[async_trait]
pub trait CatalogStore: fmt::Debug + Send + Sync + 'static {
    /// Whether the database answers.
    async fn ping(&self) -> Result<()>;

    /// Creates a group.
    async fn create_group(&self, new: NewGroup, now: OffsetDateTime) -> Result<Group>;
    /// One group.
    async fn group(&self, name: &Name) -> Result<Group>;
    /// A page of all groups.
    async fn groups(&self, page: &PageRequest) -> Result<Page<Group>>;
    /// Changes a group.
    async fn update_group(
        &self,
        name: &Name,
        patch: GroupPatch,
        now: OffsetDateTime,
    ) -> Result<Group>;
    /// Deletes a group that holds neither configurations nor assets.
    async fn delete_group(&self, name: &Name) -> Result<()>;

    /// Creates a configuration. One that encrypts needs content IDs: of every asset of the group.
    async fn create_configuration(
        &self,
        new: NewConfiguration,
        now: OffsetDateTime,
    ) -> Result<ConfigurationRecord>;
    /// One configuration of a group.
    async fn configuration(&self, group: &Name, name: &Name) -> Result<ConfigurationRecord>;
    /// A page of the configurations of a group.
    async fn configurations(
        &self,
        group: &Name,
        page: &PageRequest,
    ) -> Result<Page<ConfigurationRecord>>;
    /// Replaces a configuration; one that encrypts needs content IDs as in
    /// [`CatalogStore::create_configuration`]. The settings that were in force are kept as retired at `now`,
    /// unless the new ones are equal. With `from`, only that configuration is replaced: nothing
    /// that came between is lost.
    async fn replace_configuration(
        &self,
        new: NewConfiguration,
        from: Option<Configuration>,
        now: OffsetDateTime,
    ) -> Result<ConfigurationRecord>;
    /// Deletes a configuration and its history.
    async fn delete_configuration(&self, group: &Name, name: &Name) -> Result<()>;

    /// Creates assets and queues their ingest; the results stand in the order of `new`, and one
    /// that fails leaves the others alone. In a group that holds a configuration that encrypts, an
    /// asset needs a content ID.
    async fn create_assets(
        &self,
        new: Vec<NewAsset>,
        now: OffsetDateTime,
    ) -> Result<Vec<Result<Asset>>>;
    /// Fails as creating this asset would, and creates nothing.
    async fn check_asset(&self, new: &NewAsset) -> Result<()>;
    /// One asset.
    async fn asset(&self, name: &Name) -> Result<Asset>;
    /// A page of the assets that pass a filter.
    async fn assets(&self, filter: &AssetFilter, page: &PageRequest) -> Result<Page<Asset>>;
    /// Changes an asset. In a group that holds a configuration that encrypts, it keeps a content
    /// ID.
    async fn update_asset(
        &self,
        name: &Name,
        patch: AssetPatch,
        now: OffsetDateTime,
    ) -> Result<Asset>;
    /// Deletes an asset, its versions and its job.
    async fn delete_asset(&self, name: &Name) -> Result<()>;
    /// Queues an ingest of an asset, superseding one that is queued or runs.
    async fn reingest(&self, name: &Name, now: OffsetDateTime) -> Result<Asset>;

    /// What playback needs of an asset, without what was retired at `retired_since` or before.
    async fn asset_view(
        &self,
        name: &Name,
        retired_since: OffsetDateTime,
    ) -> Result<Option<AssetView>>;
    /// Deletes versions and settings that were retired at `retired_until` or before.
    async fn purge_retired(&self, retired_until: OffsetDateTime) -> Result<()>;

    /// Hands the oldest queued job to a worker.
    async fn claim_job(&self, worker: &str) -> Result<Option<IngestJob>>;
    /// Puts the jobs of a killed process back into the queue and counts them. To be called before
    /// any worker of this process runs.
    async fn recover_jobs(&self) -> Result<u64>;
    /// Puts a claimed job back into the queue.
    async fn release_job(&self, job: &IngestJob) -> Result<JobStanding>;
    /// Shows how far a claimed job is.
    async fn report_progress(&self, job: &IngestJob, progress: Progress) -> Result<JobStanding>;
    /// Ends a claimed job: its version becomes the current one and the one before is retired.
    async fn complete_job(
        &self,
        job: &IngestJob,
        ingested: Ingested,
        now: OffsetDateTime,
    ) -> Result<JobStanding>;
    /// Ends a claimed job in failure. An asset that has a version stays playable.
    async fn fail_job(
        &self,
        job: &IngestJob,
        failure: IngestFailure,
        now: OffsetDateTime,
    ) -> Result<JobStanding>;
}

pub(super) fn no_group(name: &Name) -> Error {
    Error::not_found(format!("there is no packaging group {name}"))
}

pub(super) fn no_configuration(group: &Name, name: &Name) -> Error {
    Error::not_found(format!("packaging group {group} has no packaging configuration {name}"))
}

pub(super) fn no_asset(name: &Name) -> Error {
    Error::not_found(format!("there is no asset {name}"))
}

pub(super) fn group_exists(name: &Name) -> Error {
    Error::new(Kind::AlreadyExists, format!("there already is a packaging group {name}"))
}

pub(super) fn configuration_exists(name: &Name) -> Error {
    Error::new(
        Kind::AlreadyExists,
        format!(
            "there already is a packaging configuration {name}; its name is unique across groups"
        ),
    )
}

pub(super) fn configuration_changed(name: &Name) -> Error {
    Error::new(
        Kind::FailedPrecondition,
        format!(
            "packaging configuration {name} was changed by somebody else at the same time; read it \
             again and repeat what is still wanted"
        ),
    )
}

pub(super) fn asset_exists(name: &Name) -> Error {
    Error::new(Kind::AlreadyExists, format!("there already is an asset {name}"))
}

pub(super) fn group_in_use(name: &Name, configurations: i64, assets: i64) -> Error {
    Error::new(
        Kind::FailedPrecondition,
        format!(
            "packaging group {name} still holds {configurations} packaging configurations and \
             {assets} assets; delete them first"
        ),
    )
}

/// An asset without content ID does not fit a configuration of its group.
pub(super) fn content_id_needed(asset: &Name, group: &Name, configuration: &Name) -> Error {
    Error::new(
        Kind::FailedPrecondition,
        format!(
            "asset {asset} needs a contentId: packaging configuration {configuration} of its \
             packaging group {group} encrypts, and keys are made for content IDs; give one"
        ),
    )
}

/// A configuration that encrypts does not fit assets of its group. `count` of them, among which is
/// `asset`.
pub(super) fn content_ids_missing(
    configuration: &Name,
    group: &Name,
    asset: &Name,
    count: i64,
) -> Error {
    let others = match count - 1 {
        ..=0 => String::new(),
        1 => " and 1 more".to_owned(),
        others => format!(" and {others} more"),
    };
    Error::new(
        Kind::FailedPrecondition,
        format!(
            "packaging configuration {configuration} encrypts, and keys are made for content IDs, \
             but packaging group {group} holds asset {asset}{others} without contentId; give each \
             a contentId first"
        ),
    )
}
