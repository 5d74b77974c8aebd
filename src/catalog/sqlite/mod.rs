//! The catalog in SQLite, which is compiled in.
//!
//! One connection writes and a few read: SQLite has one writer at a time anyway, and a queue in
//! front of it is fairer than its lock. In WAL mode readers neither wait for the writer nor see
//! half of a transaction. Commits are synchronous, so what was answered survives a power cut.
//!
//! One process per database: [`CatalogStore::recover_jobs`] takes every running job for one that a
//! killed process left.

mod assets;
mod configurations;
mod groups;
mod jobs;
mod row;
mod views;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, SqliteTransaction};
use time::OffsetDateTime;

use super::asset::{Asset, AssetFilter, AssetPatch, NewAsset};
use super::configuration::{ConfigurationRecord, NewConfiguration};
use super::group::{Group, GroupPatch, NewGroup};
use super::job::{IngestJob, Ingested, JobStanding};
use super::page::{Order, OrderBy, Page, PageRequest};
use super::store::CatalogStore;
use super::timestamp;
use super::view::AssetView;
use crate::error::{Error, Kind, Result};
use crate::model::ingest::{IngestFailure, Progress};
use crate::model::policy::{Configuration, Name};

/// A catalog store in one SQLite database.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Opens the database file, creating it and bringing its schema up to date where needed.
    pub async fn open(path: &Path) -> Result<Self> {
        let options = connect_options()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let opened = async {
            let writer = pool_options(1).connect_with(options.clone()).await?;
            MIGRATIONS.run(&writer).await?;
            let readers = pool_options(READERS).connect_with(options.read_only(true)).await?;
            Ok(Self { writer, readers })
        };
        let store = opened.await.map_err(|error: sqlx::Error| {
            Error::new(
                Kind::Unavailable,
                format!("the catalog database {} cannot be opened", path.display()),
            )
            .caused_by(error)
        })?;
        views::prepare(&store.readers).await?;
        Ok(store)
    }

    /// An empty database that lives as long as the store.
    pub async fn in_memory() -> Result<Self> {
        let opened = async {
            // Every connection would have a database of its own, so there is one, kept for ever.
            let pool = pool_options(1)
                .min_connections(1)
                .connect_with(connect_options().in_memory(true))
                .await?;
            MIGRATIONS.run(&pool).await?;
            Ok(Self { writer: pool.clone(), readers: pool })
        };
        opened.await.map_err(|error: sqlx::Error| database(error))
    }

    /// Closes the connections, after which the database is one file without a journal beside it.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// A transaction that writes. It takes the lock at once: one that reads first and is then
    /// refused the lock could not be repeated by SQLite itself.
    async fn write(&self) -> Result<SqliteTransaction<'static>> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(database)
    }

    /// A transaction that reads one consistent state.
    async fn read(&self) -> Result<SqliteTransaction<'static>> {
        self.readers.begin().await.map_err(database)
    }
}

#[async_trait]
impl CatalogStore for SqliteStore {
    async fn ping(&self) -> Result<()> {
        let mut read = self.read().await?;
        sqlx::query("SELECT count(*) FROM packaging_group WHERE name = ''")
            .execute(&mut *read)
            .await
            .map_err(database)?;
        Ok(())
    }

    async fn create_group(&self, new: NewGroup, now: OffsetDateTime) -> Result<Group> {
        let mut write = self.write().await?;
        let group = groups::create(&mut write, new, now).await?;
        commit(write, group).await
    }

    async fn group(&self, name: &Name) -> Result<Group> {
        groups::one(&mut *self.read().await?, name).await
    }

    async fn groups(&self, page: &PageRequest) -> Result<Page<Group>> {
        groups::page(&mut *self.read().await?, page).await
    }

    async fn update_group(
        &self,
        name: &Name,
        patch: GroupPatch,
        now: OffsetDateTime,
    ) -> Result<Group> {
        let mut write = self.write().await?;
        let group = groups::update(&mut write, name, patch, now).await?;
        commit(write, group).await
    }

    async fn delete_group(&self, name: &Name) -> Result<()> {
        let mut write = self.write().await?;
        groups::delete(&mut write, name).await?;
        commit(write, ()).await
    }

    async fn create_configuration(
        &self,
        new: NewConfiguration,
        now: OffsetDateTime,
    ) -> Result<ConfigurationRecord> {
        let mut write = self.write().await?;
        let record = configurations::create(&mut write, new, now).await?;
        commit(write, record).await
    }

    async fn configuration(&self, group: &Name, name: &Name) -> Result<ConfigurationRecord> {
        configurations::one(&mut *self.read().await?, group, name).await
    }

    async fn configurations(
        &self,
        group: &Name,
        page: &PageRequest,
    ) -> Result<Page<ConfigurationRecord>> {
        configurations::page(&mut *self.read().await?, group, page).await
    }

    async fn replace_configuration(
        &self,
        new: NewConfiguration,
        from: Option<Configuration>,
        now: OffsetDateTime,
    ) -> Result<ConfigurationRecord> {
        let mut write = self.write().await?;
        let record = configurations::replace(&mut write, new, from, now).await?;
        commit(write, record).await
    }

    async fn delete_configuration(&self, group: &Name, name: &Name) -> Result<()> {
        let mut write = self.write().await?;
        configurations::delete(&mut write, group, name).await?;
        commit(write, ()).await
    }

    async fn create_assets(
        &self,
        new: Vec<NewAsset>,
        now: OffsetDateTime,
    ) -> Result<Vec<Result<Asset>>> {
        let mut write = self.write().await?;
        let mut results = Vec::with_capacity(new.len());
        for asset in new {
            match assets::create(&mut write, asset, now).await {
                // What is wrong with the database is wrong with all of them.
                Err(error) if matches!(error.kind(), Kind::Internal | Kind::Unavailable) => {
                    return Err(error);
                }
                result => results.push(result),
            }
        }
        commit(write, results).await
    }

    async fn check_asset(&self, new: &NewAsset) -> Result<()> {
        assets::check(&mut *self.read().await?, new).await
    }

    async fn asset(&self, name: &Name) -> Result<Asset> {
        assets::one(&mut *self.read().await?, name).await
    }

    async fn assets(&self, filter: &AssetFilter, page: &PageRequest) -> Result<Page<Asset>> {
        assets::page(&mut *self.read().await?, filter, page).await
    }

    async fn update_asset(
        &self,
        name: &Name,
        patch: AssetPatch,
        now: OffsetDateTime,
    ) -> Result<Asset> {
        let mut write = self.write().await?;
        let asset = assets::update(&mut write, name, patch, now).await?;
        commit(write, asset).await
    }

    async fn delete_asset(&self, name: &Name) -> Result<()> {
        let mut write = self.write().await?;
        assets::delete(&mut write, name).await?;
        commit(write, ()).await
    }

    async fn reingest(&self, name: &Name, now: OffsetDateTime) -> Result<Asset> {
        let mut write = self.write().await?;
        jobs::requeue(&mut write, name, now).await?;
        let asset = assets::one(&mut write, name).await?;
        commit(write, asset).await
    }

    async fn asset_view(
        &self,
        name: &Name,
        retired_since: OffsetDateTime,
    ) -> Result<Option<AssetView>> {
        views::one(&self.readers, name, retired_since).await
    }

    async fn purge_retired(&self, retired_until: OffsetDateTime) -> Result<()> {
        let mut write = self.write().await?;
        views::purge(&mut write, retired_until).await?;
        commit(write, ()).await
    }

    async fn claim_job(&self, worker: &str) -> Result<Option<IngestJob>> {
        let mut write = self.write().await?;
        let job = jobs::claim(&mut write, worker).await?;
        commit(write, job).await
    }

    async fn recover_jobs(&self) -> Result<u64> {
        let mut write = self.write().await?;
        let count = jobs::recover(&mut write).await?;
        commit(write, count).await
    }

    async fn release_job(&self, job: &IngestJob) -> Result<JobStanding> {
        let mut write = self.write().await?;
        let standing = jobs::release(&mut write, job).await?;
        commit(write, standing).await
    }

    async fn report_progress(&self, job: &IngestJob, progress: Progress) -> Result<JobStanding> {
        let mut write = self.write().await?;
        let standing = jobs::report(&mut write, job, progress).await?;
        commit(write, standing).await
    }

    async fn complete_job(
        &self,
        job: &IngestJob,
        ingested: Ingested,
        now: OffsetDateTime,
    ) -> Result<JobStanding> {
        let mut write = self.write().await?;
        let standing = jobs::complete(&mut write, job, ingested, now).await?;
        commit(write, standing).await
    }

    async fn fail_job(
        &self,
        job: &IngestJob,
        failure: IngestFailure,
        now: OffsetDateTime,
    ) -> Result<JobStanding> {
        let mut write = self.write().await?;
        let standing = jobs::fail(&mut write, job, failure, now).await?;
        commit(write, standing).await
    }
}

async fn commit<T>(write: SqliteTransaction<'_>, result: T) -> Result<T> {
    write.commit().await.map_err(database)?;
    Ok(result)
}

/// An error of the database as one of ours.
fn database(error: sqlx::Error) -> Error {
    let busy = match &error {
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => true,
        // Extended result codes carry the primary one in their low byte.
        sqlx::Error::Database(error) => error
            .code()
            .and_then(|code| code.parse::<u32>().ok())
            .is_some_and(|code| [SQLITE_BUSY, SQLITE_LOCKED].contains(&(code & 0xff))),
        _ => false,
    };
    let kind = if busy { Kind::Unavailable } else { Kind::Internal };
    Error::new(kind, "the catalog database failed").caused_by(error)
}

fn connect_options() -> SqliteConnectOptions {
    SqliteConnectOptions::new().foreign_keys(true).busy_timeout(BUSY_TIMEOUT)
}

fn pool_options(connections: u32) -> SqlitePoolOptions {
    // A connection is no more than memory and an open file. It knows the schema and its statements,
    // which another would have to learn, and does not break.
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// Adds the place, order and size of a page to a query that ends in a condition. One item more
/// than the page holds is asked for: it tells that there is a next page.
fn push_page(query: &mut QueryBuilder<Sqlite>, page: &PageRequest) {
    let (beyond, direction) = match page.order {
        Order::Ascending => (" > ", "ASC"),
        Order::Descending => (" < ", "DESC"),
    };
    match (page.order_by, &page.after) {
        (_, None) => {}
        (OrderBy::CreatedAt, Some(cursor)) => {
            query.push(" AND (created_at, name)").push(beyond).push("(");
            query.push_bind(timestamp::to_text(cursor.created_at)).push(", ");
            query.push_bind(cursor.name.as_str().to_owned()).push(")");
        }
        (OrderBy::Name, Some(cursor)) => {
            query.push(" AND name").push(beyond);
            query.push_bind(cursor.name.as_str().to_owned());
        }
    }
    query.push(" ORDER BY ");
    if page.order_by == OrderBy::CreatedAt {
        query.push("created_at ").push(direction).push(", ");
    }
    query.push("name ").push(direction).push(" LIMIT ").push_bind(i64::from(page.size) + 1);
}

/// Whether there is a row of this name.
async fn group_exists(connection: &mut SqliteConnection, name: &Name) -> Result<bool> {
    sqlx::query("SELECT 1 FROM packaging_group WHERE name = ?")
        .bind(name.as_str())
        .fetch_optional(connection)
        .await
        .map(|row| row.is_some())
        .map_err(database)
}

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("src/catalog/migrations");

/// Views are read on a miss only, and lists by operators.
const READERS: u32 = 4;
/// For another process that looks into the database, such as a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Beyond this a caller is better served with an honest 503.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
