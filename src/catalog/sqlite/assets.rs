//! Assets in SQL.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, SqliteConnection};
use time::OffsetDateTime;

use super::row::{self, column};
use super::{configurations, database, group_exists, jobs, push_page};
use crate::catalog::asset::{Asset, AssetFilter, AssetPatch, AssetStatus, NewAsset};
use crate::catalog::page::{Cursor, Page, PageRequest};
use crate::catalog::{store, timestamp};
use crate::error::{Kind, Result};
use crate::model::ingest::Progress;
use crate::model::policy::{ContentId, Name};

pub(super) async fn create(
    connection: &mut SqliteConnection,
    new: NewAsset,
    now: OffsetDateTime,
) -> Result<Asset> {
    check_group(&mut *connection, &new).await?;
    let done = sqlx::query(
        "INSERT INTO asset
             (name, group_name, source, path, content_id, description, status, created_at,
              updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8) ON CONFLICT (name) DO NOTHING",
    )
    .bind(new.name.as_str())
    .bind(new.group.as_str())
    .bind(&new.source)
    .bind(&new.path)
    .bind(new.content_id.as_ref().map(ContentId::as_str))
    .bind(&new.description)
    .bind(AssetStatus::Queuing.as_str())
    .bind(timestamp::to_text(now))
    .execute(&mut *connection)
    .await
    .map_err(database)?;
    if done.rows_affected() == 0 {
        return Err(store::asset_exists(&new.name));
    }
    jobs::queue(connection, &new.name).await?;
    Ok(Asset {
        name: new.name,
        group: new.group,
        source: new.source,
        path: new.path,
        content_id: new.content_id,
        description: new.description,
        status: AssetStatus::Queuing,
        failure: None,
        progress: Some(Progress::default()),
        report: None,
        created_at: now,
        updated_at: now,
        playable_at: None,
    })
}

/// Fails as [`create`] would.
pub(super) async fn check(connection: &mut SqliteConnection, new: &NewAsset) -> Result<()> {
    check_group(&mut *connection, new).await?;
    match one(connection, &new.name).await {
        Ok(_) => Err(store::asset_exists(&new.name)),
        Err(error) if error.kind() == Kind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// The group must exist, and where it encrypts the asset needs a content ID.
async fn check_group(connection: &mut SqliteConnection, new: &NewAsset) -> Result<()> {
    if !group_exists(&mut *connection, &new.group).await? {
        return Err(store::no_group(&new.group));
    }
    match new.content_id {
        Some(_) => Ok(()),
        None => check_unencrypted(connection, &new.group, &new.name).await,
    }
}

pub(super) async fn one(connection: &mut SqliteConnection, name: &Name) -> Result<Asset> {
    let mut query = QueryBuilder::new(SELECT);
    query.push(" WHERE name = ").push_bind(name.as_str().to_owned());
    let row = query
        .build()
        .fetch_optional(connection)
        .await
        .map_err(database)?
        .ok_or_else(|| store::no_asset(name))?;
    from_row(&row)
}

pub(super) async fn page(
    connection: &mut SqliteConnection,
    filter: &AssetFilter,
    page: &PageRequest,
) -> Result<Page<Asset>> {
    let mut query = QueryBuilder::new(SELECT);
    query.push(" WHERE true");
    if let Some(group) = &filter.group {
        query.push(" AND group_name = ").push_bind(group.as_str().to_owned());
    }
    if let Some(configuration) = &filter.configuration {
        query.push(" AND group_name = (SELECT group_name FROM configuration WHERE name = ");
        query.push_bind(configuration.as_str().to_owned()).push(")");
    }
    if let Some(status) = filter.status {
        query.push(" AND status = ").push_bind(status.as_str());
    }
    if let Some(prefix) = filter.prefix.as_deref().filter(|prefix| !prefix.is_empty()) {
        // A range instead of LIKE: it has no wildcards, keeps letter case and uses the index.
        // Every character of a name is below U+007F, so nothing that begins so lies beyond.
        query.push(" AND name >= ").push_bind(prefix.to_owned());
        query.push(" AND name < ").push_bind(format!("{prefix}\u{7f}"));
    }
    push_page(&mut query, page);
    let rows = query.build().fetch_all(connection).await.map_err(database)?;
    let items = rows.iter().map(from_row).collect::<Result<Vec<_>>>()?;
    Ok(Page::from_surplus(items, page.size, |asset| Cursor {
        created_at: asset.created_at,
        name: asset.name.clone(),
    }))
}

pub(super) async fn update(
    connection: &mut SqliteConnection,
    name: &Name,
    patch: AssetPatch,
    now: OffsetDateTime,
) -> Result<Asset> {
    if patch.content_id == Some(None) {
        let group = one(&mut *connection, name).await?.group;
        check_unencrypted(&mut *connection, &group, name).await?;
    }
    if let Some(content_id) = &patch.content_id {
        retire_content_id(&mut *connection, name, content_id.as_ref(), now).await?;
    }
    sqlx::query(
        "UPDATE asset
         SET description = coalesce(?2, description),
             content_id = CASE WHEN ?3 THEN ?4 ELSE content_id END,
             updated_at = ?5
         WHERE name = ?1",
    )
    .bind(name.as_str())
    .bind(patch.description)
    .bind(patch.content_id.is_some())
    .bind(patch.content_id.flatten().map(|id| id.as_str().to_owned()))
    .bind(timestamp::to_text(now))
    .execute(&mut *connection)
    .await
    .map_err(database)?;
    one(connection, name).await
}

/// What players have goes on with the keys of the content ID that they were made with.
async fn retire_content_id(
    connection: &mut SqliteConnection,
    name: &Name,
    successor: Option<&ContentId>,
    now: OffsetDateTime,
) -> Result<()> {
    sqlx::query(
        "INSERT OR REPLACE INTO retired_content_id (asset, content_id, retired_at)
         SELECT name, content_id, ?3 FROM asset
         WHERE name = ?1 AND content_id IS NOT NULL AND content_id IS NOT ?2",
    )
    .bind(name.as_str())
    .bind(successor.map(ContentId::as_str))
    .bind(timestamp::to_text(now))
    .execute(&mut *connection)
    .await
    .map_err(database)?;
    sqlx::query("DELETE FROM retired_content_id WHERE asset = ?1 AND content_id = ?2")
        .bind(name.as_str())
        .bind(successor.map(ContentId::as_str))
        .execute(connection)
        .await
        .map_err(database)?;
    Ok(())
}

pub(super) async fn delete(connection: &mut SqliteConnection, name: &Name) -> Result<()> {
    // Versions and the job go with it: ON DELETE CASCADE.
    let done = sqlx::query("DELETE FROM asset WHERE name = ?")
        .bind(name.as_str())
        .execute(connection)
        .await
        .map_err(database)?;
    if done.rows_affected() == 0 { Err(store::no_asset(name)) } else { Ok(()) }
}

/// The first by name of the assets of a group that have no content ID, and how many there are.
pub(super) async fn without_content_id(
    connection: &mut SqliteConnection,
    group: &Name,
) -> Result<Option<(Name, i64)>> {
    sqlx::query(
        "SELECT min(name) AS name, count(*) AS count FROM asset
         WHERE group_name = ? AND content_id IS NULL HAVING count(*) > 0",
    )
    .bind(group.as_str())
    .fetch_optional(connection)
    .await
    .map_err(database)?
    .map(|row| Ok((row::name(&row, "name")?, column(&row, "count")?)))
    .transpose()
}

/// Refuses an asset without content ID in a group in which keys are needed.
async fn check_unencrypted(
    connection: &mut SqliteConnection,
    group: &Name,
    asset: &Name,
) -> Result<()> {
    match configurations::first_encrypted(connection, group).await? {
        None => Ok(()),
        Some(configuration) => Err(store::content_id_needed(asset, group, &configuration)),
    }
}

fn from_row(row: &SqliteRow) -> Result<Asset> {
    let progress = match column::<Option<i64>>(row, "generation")? {
        None => None,
        Some(_) => Some(Progress {
            segments_done: row::count(row, "segments_done")?,
            segments_total: row::count(row, "segments_total")?,
            bytes_read: row::count(row, "bytes_read")?,
        }),
    };
    Ok(Asset {
        name: row::name(row, "name")?,
        group: row::name(row, "group_name")?,
        source: column(row, "source")?,
        path: column(row, "path")?,
        content_id: content_id(row)?,
        description: column(row, "description")?,
        status: status(row)?,
        failure: row::optional_json(row, "failure")?,
        progress,
        // For people, and made anew by every ingest: one of another version of the program that
        // this one cannot read must not hide the asset.
        report: row::optional_json(row, "report").unwrap_or_default(),
        created_at: row::time(row, "created_at")?,
        updated_at: row::time(row, "updated_at")?,
        playable_at: row::optional_time(row, "playable_at")?,
    })
}

pub(super) fn content_id(row: &SqliteRow) -> Result<Option<ContentId>> {
    column::<Option<String>>(row, "content_id")?
        .map(|text| ContentId::new(text).map_err(|_| row::damaged("content_id")))
        .transpose()
}

pub(super) fn status(row: &SqliteRow) -> Result<AssetStatus> {
    AssetStatus::parse(column(row, "status")?).ok_or_else(|| row::damaged("status"))
}

const SELECT: &str = "SELECT asset.*, generation, segments_done, segments_total, bytes_read
     FROM asset LEFT JOIN ingest_job ON ingest_job.asset = asset.name";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sqlite::SqliteStore;
    use crate::catalog::{CatalogStore, NewGroup};

    #[tokio::test]
    async fn a_report_of_another_version_of_the_program_hides_no_asset() {
        let store = SqliteStore::in_memory().await.unwrap();
        let now = OffsetDateTime::UNIX_EPOCH;
        let name = |text: &str| Name::new(text).unwrap();
        let group = NewGroup { name: name("web"), description: String::new() };
        store.create_group(group, now).await.unwrap();
        let new = NewAsset {
            name: name("bbb"),
            group: name("web"),
            source: "default".to_owned(),
            path: "a".to_owned(),
            content_id: None,
            description: String::new(),
        };
        store.create_assets(vec![new], now).await.unwrap().remove(0).unwrap();
        let stored = async |report: &str| {
            sqlx::query("UPDATE asset SET report = ?1")
                .bind(report.to_owned())
                .execute(&store.writer)
                .await
                .unwrap();
            store.asset(&name("bbb")).await.unwrap().report
        };
        let known = stored(r#"{"durationMilliseconds": 7, "noSuchField": 1}"#).await;
        assert_eq!(known.unwrap().duration_milliseconds, 7);
        // Periods were counted once, where now each has an entry.
        assert_eq!(stored(r#"{"durationMilliseconds": 7, "periods": 2}"#).await, None);
    }
}
