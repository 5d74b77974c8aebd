//! Asset views in SQL, and the end of what is retired.

use std::sync::Arc;

use sqlx::SqliteConnection;
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

pub(super) async fn one(
    connection: &mut SqliteConnection,
    name: &Name,
    retired_since: OffsetDateTime,
) -> Result<Option<AssetView>> {
    let asset = sqlx::query(
        "SELECT group_name, source, path, content_id, status, failure FROM asset WHERE name = ?",
    )
    .bind(name.as_str())
    .fetch_optional(&mut *connection)
    .await
    .map_err(database)?;
    let Some(asset) = asset else { return Ok(None) };
    let group = row::name(&asset, "group_name")?;
    Ok(Some(AssetView {
        name: name.clone(),
        status: assets::status(&asset)?,
        source: column(&asset, "source")?,
        path: column(&asset, "path")?,
        content_id: assets::content_id(&asset)?,
        retired_content_ids: content_ids(&mut *connection, name, retired_since).await?,
        failure: row::optional_json(&asset, "failure")?,
        versions: versions(&mut *connection, name, retired_since).await?,
        configurations: configurations(connection, &group, retired_since).await?,
        group,
    }))
}

async fn versions(
    connection: &mut SqliteConnection,
    asset: &Name,
    retired_since: OffsetDateTime,
) -> Result<Vec<AssetVersion>> {
    let rows = sqlx::query(
        "SELECT version, index_key, retired_at FROM asset_version
         WHERE asset = ?1 AND (retired_at IS NULL OR retired_at > ?2)
         ORDER BY retired_at DESC NULLS FIRST, version",
    )
    .bind(asset.as_str())
    .bind(timestamp::to_text(retired_since))
    .fetch_all(connection)
    .await
    .map_err(database)?;
    rows.iter()
        .map(|row| {
            Ok(AssetVersion {
                version: column(row, "version")?,
                index_key: column(row, "index_key")?,
                retired_at: row::optional_time(row, "retired_at")?,
            })
        })
        .collect()
}

async fn content_ids(
    connection: &mut SqliteConnection,
    asset: &Name,
    retired_since: OffsetDateTime,
) -> Result<Vec<RetiredContentId>> {
    let rows = sqlx::query(
        "SELECT content_id, retired_at FROM retired_content_id
         WHERE asset = ?1 AND retired_at > ?2
         ORDER BY retired_at DESC, content_id LIMIT ?3",
    )
    .bind(asset.as_str())
    .bind(timestamp::to_text(retired_since))
    .bind(MAX_CONTENT_IDS)
    .fetch_all(connection)
    .await
    .map_err(database)?;
    let mut retired = Vec::with_capacity(rows.len());
    for row in &rows {
        let (id, at) = (assets::content_id(row)?, row::optional_time(row, "retired_at")?);
        retired.extend(
            id.zip(at).map(|(content_id, retired_at)| RetiredContentId { content_id, retired_at }),
        );
    }
    Ok(retired)
}

async fn configurations(
    connection: &mut SqliteConnection,
    group: &Name,
    retired_since: OffsetDateTime,
) -> Result<Vec<ConfigurationView>> {
    let rows = sqlx::query(
        "SELECT name, settings, revision, NULL AS retired_at
         FROM configuration WHERE group_name = ?1
         UNION ALL
         SELECT name, retired.settings, retired.revision, retired.retired_at
         FROM configuration JOIN retired_configuration AS retired USING (name)
         WHERE group_name = ?1 AND retired.retired_at > ?2
         ORDER BY name, revision DESC",
    )
    .bind(group.as_str())
    .bind(timestamp::to_text(retired_since))
    .fetch_all(connection)
    .await
    .map_err(database)?;
    rows.iter()
        .map(|row| {
            let configuration =
                settings_from_text(row::name(row, "name")?, column(row, "settings")?)?;
            Ok(ConfigurationView {
                configuration: Arc::new(configuration),
                retired_at: row::optional_time(row, "retired_at")?,
            })
        })
        .collect()
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
