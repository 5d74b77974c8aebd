//! The queue of ingest jobs in SQL.
//!
//! A job may write while its row is there and RUNNING; deleting the asset or queueing a new ingest
//! removes the row, and the generation of a removed row is never given again.

use sqlx::SqliteConnection;
use time::OffsetDateTime;

use super::database;
use super::row::{self, column};
use crate::catalog::job::{IngestJob, Ingested, JobStanding};
use crate::catalog::{store, timestamp};
use crate::error::Result;
use crate::model::ingest::{IngestFailure, Progress};
use crate::model::policy::Name;

/// Adds the job of an asset that has none.
pub(super) async fn queue(connection: &mut SqliteConnection, asset: &Name) -> Result<()> {
    sqlx::query("INSERT INTO ingest_job (asset, state) VALUES (?, 'QUEUED')")
        .bind(asset.as_str())
        .execute(connection)
        .await
        .map_err(database)?;
    Ok(())
}

/// Gives an asset a new job in place of the one that it may have.
pub(super) async fn requeue(
    connection: &mut SqliteConnection,
    asset: &Name,
    now: OffsetDateTime,
) -> Result<()> {
    let done = sqlx::query(
        "UPDATE asset
         SET failure = NULL, updated_at = ?2,
             status = CASE status WHEN 'PLAYABLE' THEN 'PLAYABLE' ELSE 'QUEUING' END
         WHERE name = ?1",
    )
    .bind(asset.as_str())
    .bind(timestamp::to_text(now))
    .execute(&mut *connection)
    .await
    .map_err(database)?;
    if done.rows_affected() == 0 {
        return Err(store::no_asset(asset));
    }
    sqlx::query("DELETE FROM ingest_job WHERE asset = ?")
        .bind(asset.as_str())
        .execute(&mut *connection)
        .await
        .map_err(database)?;
    queue(connection, asset).await
}

pub(super) async fn claim(
    connection: &mut SqliteConnection,
    worker: &str,
) -> Result<Option<IngestJob>> {
    let claimed = sqlx::query(
        "UPDATE ingest_job SET state = 'RUNNING', worker = ?
         WHERE generation = (SELECT generation FROM ingest_job WHERE state = 'QUEUED'
                             ORDER BY generation LIMIT 1)
         RETURNING generation, asset",
    )
    .bind(worker)
    .fetch_optional(&mut *connection)
    .await
    .map_err(database)?;
    let Some(claimed) = claimed else { return Ok(None) };
    let asset = row::name(&claimed, "asset")?;
    let place = sqlx::query(
        "UPDATE asset SET status = CASE status WHEN 'PLAYABLE' THEN 'PLAYABLE' ELSE 'INGESTING' END
         WHERE name = ? RETURNING source, path",
    )
    .bind(asset.as_str())
    .fetch_one(connection)
    .await
    .map_err(database)?;
    Ok(Some(IngestJob {
        asset,
        source: column(&place, "source")?,
        path: column(&place, "path")?,
        generation: column(&claimed, "generation")?,
    }))
}

pub(super) async fn recover(connection: &mut SqliteConnection) -> Result<u64> {
    sqlx::query(
        "UPDATE asset SET status = 'QUEUING'
         WHERE status = 'INGESTING'
           AND name IN (SELECT asset FROM ingest_job WHERE state = 'RUNNING')",
    )
    .execute(&mut *connection)
    .await
    .map_err(database)?;
    let done = sqlx::query(
        "UPDATE ingest_job
         SET state = 'QUEUED', worker = NULL, segments_done = 0, segments_total = 0, bytes_read = 0
         WHERE state = 'RUNNING'",
    )
    .execute(connection)
    .await
    .map_err(database)?;
    Ok(done.rows_affected())
}

pub(super) async fn release(
    connection: &mut SqliteConnection,
    job: &IngestJob,
) -> Result<JobStanding> {
    let done = sqlx::query(
        "UPDATE ingest_job
         SET state = 'QUEUED', worker = NULL, segments_done = 0, segments_total = 0, bytes_read = 0
         WHERE generation = ? AND state = 'RUNNING'",
    )
    .bind(job.generation)
    .execute(&mut *connection)
    .await
    .map_err(database)?;
    if done.rows_affected() == 0 {
        return Ok(JobStanding::Superseded);
    }
    sqlx::query("UPDATE asset SET status = 'QUEUING' WHERE name = ? AND status = 'INGESTING'")
        .bind(job.asset.as_str())
        .execute(connection)
        .await
        .map_err(database)?;
    Ok(JobStanding::Current)
}

pub(super) async fn report(
    connection: &mut SqliteConnection,
    job: &IngestJob,
    progress: Progress,
) -> Result<JobStanding> {
    // The columns are signed; no source has 2^63 bytes.
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let done = sqlx::query(
        "UPDATE ingest_job SET segments_done = ?2, segments_total = ?3, bytes_read = ?4
         WHERE generation = ?1 AND state = 'RUNNING'",
    )
    .bind(job.generation)
    .bind(signed(progress.segments_done))
    .bind(signed(progress.segments_total))
    .bind(signed(progress.bytes_read))
    .execute(connection)
    .await
    .map_err(database)?;
    Ok(standing(done.rows_affected()))
}

pub(super) async fn complete(
    connection: &mut SqliteConnection,
    job: &IngestJob,
    ingested: Ingested,
    now: OffsetDateTime,
) -> Result<JobStanding> {
    if end(&mut *connection, job).await? == JobStanding::Superseded {
        return Ok(JobStanding::Superseded);
    }
    let now = timestamp::to_text(now);
    sqlx::query(
        "UPDATE asset_version SET retired_at = ?3
         WHERE asset = ?1 AND version <> ?2 AND retired_at IS NULL",
    )
    .bind(job.asset.as_str())
    .bind(&ingested.version)
    .bind(&now)
    .execute(&mut *connection)
    .await
    .map_err(database)?;
    // An unchanged source gives the version that is there, and one that was put back revives a
    // retired one.
    sqlx::query(
        "INSERT INTO asset_version (asset, version, index_key, retired_at)
         VALUES (?1, ?2, ?3, NULL)
         ON CONFLICT (asset, version)
         DO UPDATE SET index_key = excluded.index_key, retired_at = NULL",
    )
    .bind(job.asset.as_str())
    .bind(&ingested.version)
    .bind(&ingested.index_key)
    .execute(&mut *connection)
    .await
    .map_err(database)?;
    sqlx::query(
        "UPDATE asset
         SET status = 'PLAYABLE', failure = NULL, report = ?2, playable_at = ?3, updated_at = ?3
         WHERE name = ?1",
    )
    .bind(job.asset.as_str())
    .bind(row::json_text(&ingested.report)?)
    .bind(&now)
    .execute(connection)
    .await
    .map_err(database)?;
    Ok(JobStanding::Current)
}

pub(super) async fn fail(
    connection: &mut SqliteConnection,
    job: &IngestJob,
    failure: IngestFailure,
    now: OffsetDateTime,
) -> Result<JobStanding> {
    if end(&mut *connection, job).await? == JobStanding::Superseded {
        return Ok(JobStanding::Superseded);
    }
    sqlx::query(
        "UPDATE asset
         SET status = CASE status WHEN 'PLAYABLE' THEN 'PLAYABLE' ELSE 'FAILED' END,
             failure = ?2, updated_at = ?3
         WHERE name = ?1",
    )
    .bind(job.asset.as_str())
    .bind(row::json_text(&failure)?)
    .bind(timestamp::to_text(now))
    .execute(connection)
    .await
    .map_err(database)?;
    Ok(JobStanding::Current)
}

/// Takes a running job off the queue.
async fn end(connection: &mut SqliteConnection, job: &IngestJob) -> Result<JobStanding> {
    let done = sqlx::query("DELETE FROM ingest_job WHERE generation = ? AND state = 'RUNNING'")
        .bind(job.generation)
        .execute(connection)
        .await
        .map_err(database)?;
    Ok(standing(done.rows_affected()))
}

fn standing(rows: u64) -> JobStanding {
    if rows == 0 { JobStanding::Superseded } else { JobStanding::Current }
}
