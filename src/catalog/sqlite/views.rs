//! Asset views in SQL, and the end of what is retired.

use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, SqlitePool};
use time::OffsetDateTime;

use super::row::{self, column};
use super::{assets, database};
use crate::catalog::asset::AssetVersion;
use crate::catalog::configuration::settings_from_text;
use crate::catalog::timestamp;
use crate::catalog::view::{AssetView, ConfigurationView, RetiredContentId};
use crate::error::Result;
use crate::model::policy::Name;

/// Replaced content IDs that a view has: each multiplies the keys that a URL may be made with.
const MAX_CONTENT_IDS: u32 = 4;

/// Everything that a view is made of, in one statement: each one is an errand to the thread of its
/// connection, which takes longer than the reading.
const SELECT: &str = "
    SELECT 'asset' AS part, name, NULL AS revision, NULL AS retired_at, group_name, source, path,
           content_id, status, failure, NULL AS version, NULL AS index_key, NULL AS settings
    FROM asset WHERE name = ?1
    UNION ALL
    SELECT 'version', NULL, NULL, retired_at, NULL, NULL, NULL,
           NULL, NULL, NULL, version, index_key, NULL
    FROM asset_version WHERE asset = ?1 AND (retired_at IS NULL OR retired_at > ?2)
    UNION ALL
    SELECT * FROM (
        SELECT 'content_id', NULL, NULL, retired_at, NULL, NULL, NULL,
               content_id, NULL, NULL, NULL, NULL, NULL
        FROM retired_content_id WHERE asset = ?1 AND retired_at > ?2
        ORDER BY retired_at DESC, content_id LIMIT ?3
    )
    UNION ALL
    SELECT 'configuration', configuration.name, revision, NULL, NULL, NULL, NULL,
           NULL, NULL, NULL, NULL, NULL, settings
    FROM asset JOIN configuration USING (group_name) WHERE asset.name = ?1
    UNION ALL
    SELECT 'configuration', retired.name, retired.revision, retired.retired_at, NULL, NULL, NULL,
           NULL, NULL, NULL, NULL, NULL, retired.settings
    FROM asset JOIN configuration USING (group_name)
    JOIN retired_configuration AS retired ON retired.name = configuration.name
    WHERE asset.name = ?1 AND retired.retired_at > ?2
    ORDER BY name, revision DESC, retired_at DESC NULLS FIRST, version, content_id";

pub(super) async fn one(
    readers: &SqlitePool,
    name: &Name,
    retired_since: OffsetDateTime,
) -> Result<Option<AssetView>> {
    let rows = rows(readers, name.as_str(), retired_since).await?;
    let of = |part| {
        let is_of = move |row: &&SqliteRow| column::<&str>(row, "part").is_ok_and(|p| p == part);
        rows.iter().filter(is_of)
    };
    let Some(asset) = of("asset").next() else { return Ok(None) };
    Ok(Some(AssetView {
        name: name.clone(),
        status: assets::status(asset)?,
        group: row::name(asset, "group_name")?,
        source: column(asset, "source")?,
        path: column(asset, "path")?,
        content_id: assets::content_id(asset)?,
        retired_content_ids: of("content_id").map(content_id).collect::<Result<_>>()?,
        failure: row::optional_json(asset, "failure")?,
        versions: of("version").map(version).collect::<Result<_>>()?,
        configurations: of("configuration").map(configuration).collect::<Result<_>>()?,
    }))
}

/// Lets a connection read the schema and prepare the statement, so that the first asset that
/// somebody plays does not wait for that.
pub(super) async fn prepare(readers: &SqlitePool) -> Result<()> {
    // A name that no asset has.
    rows(readers, "", OffsetDateTime::UNIX_EPOCH).await.map(drop)
}

async fn rows(
    readers: &SqlitePool,
    name: &str,
    retired_since: OffsetDateTime,
) -> Result<Vec<SqliteRow>> {
    sqlx::query(SELECT)
        .bind(name)
        .bind(timestamp::to_text(retired_since))
        .bind(MAX_CONTENT_IDS)
        .fetch_all(readers)
        .await
        .map_err(database)
}

fn version(row: &SqliteRow) -> Result<AssetVersion> {
    Ok(AssetVersion {
        version: column(row, "version")?,
        index_key: column(row, "index_key")?,
        retired_at: row::optional_time(row, "retired_at")?,
    })
}

fn content_id(row: &SqliteRow) -> Result<RetiredContentId> {
    let content_id = assets::content_id(row)?.ok_or_else(|| row::damaged("content_id"))?;
    Ok(RetiredContentId { content_id, retired_at: row::time(row, "retired_at")? })
}

fn configuration(row: &SqliteRow) -> Result<ConfigurationView> {
    let configuration = settings_from_text(row::name(row, "name")?, column(row, "settings")?)?;
    Ok(ConfigurationView {
        configuration: Arc::new(configuration),
        retired_at: row::optional_time(row, "retired_at")?,
    })
}

pub(super) async fn purge(
    connection: &mut SqliteConnection,
    retired_until: OffsetDateTime,
) -> Result<()> {
    let retired_until = timestamp::to_text(retired_until);
    for statement in [
        "DELETE FROM retired_configuration WHERE retired_at <= ?",
        "DELETE FROM asset_version WHERE retired_at <= ?",
        "DELETE FROM retired_content_id WHERE retired_at <= ?",
    ] {
        sqlx::query(statement)
            .bind(&retired_until)
            .execute(&mut *connection)
            .await
            .map_err(database)?;
    }
    Ok(())
}
