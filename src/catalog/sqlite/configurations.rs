//! Configurations and their history in SQL.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, SqliteConnection};
use time::OffsetDateTime;

use super::row::{self, column};
use super::{assets, database, group_exists, push_page};
use crate::catalog::configuration::{
    ConfigurationRecord, NewConfiguration, settings_from_text, settings_to_text,
};
use crate::catalog::page::{Cursor, Page, PageRequest};
use crate::catalog::{store, timestamp};
use crate::error::Result;
use crate::model::policy::{Configuration, Name};

pub(super) async fn create(
    connection: &mut SqliteConnection,
    new: NewConfiguration,
    now: OffsetDateTime,
) -> Result<ConfigurationRecord> {
    if !group_exists(&mut *connection, &new.group).await? {
        return Err(store::no_group(&new.group));
    }
    check_content_ids(&mut *connection, &new).await?;
    let done = sqlx::query(
        "INSERT INTO configuration
             (name, group_name, description, settings, encrypted, revision, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?6) ON CONFLICT (name) DO NOTHING",
    )
    .bind(new.configuration.name.as_str())
    .bind(new.group.as_str())
    .bind(&new.description)
    .bind(settings_to_text(&new.configuration)?)
    .bind(new.configuration.encryption.is_some())
    .bind(timestamp::to_text(now))
    .execute(connection)
    .await
    .map_err(database)?;
    if done.rows_affected() == 0 {
        return Err(store::configuration_exists(&new.configuration.name));
    }
    Ok(ConfigurationRecord {
        group: new.group,
        configuration: new.configuration,
        description: new.description,
        revision: 1,
        created_at: now,
        updated_at: now,
    })
}

pub(super) async fn one(
    connection: &mut SqliteConnection,
    group: &Name,
    name: &Name,
) -> Result<ConfigurationRecord> {
    let row = sqlx::query("SELECT * FROM configuration WHERE name = ? AND group_name = ?")
        .bind(name.as_str())
        .bind(group.as_str())
        .fetch_optional(&mut *connection)
        .await
        .map_err(database)?;
    match row {
        Some(row) => from_row(&row),
        None if group_exists(connection, group).await? => Err(store::no_configuration(group, name)),
        None => Err(store::no_group(group)),
    }
}

pub(super) async fn page(
    connection: &mut SqliteConnection,
    group: &Name,
    page: &PageRequest,
) -> Result<Page<ConfigurationRecord>> {
    if !group_exists(&mut *connection, group).await? {
        return Err(store::no_group(group));
    }
    let mut query = QueryBuilder::new("SELECT * FROM configuration WHERE group_name = ");
    query.push_bind(group.as_str().to_owned());
    push_page(&mut query, page);
    let rows = query.build().fetch_all(connection).await.map_err(database)?;
    let items = rows.iter().map(from_row).collect::<Result<Vec<_>>>()?;
    Ok(Page::from_surplus(items, page.size, |record| Cursor {
        created_at: record.created_at,
        name: record.configuration.name.clone(),
    }))
}

pub(super) async fn replace(
    connection: &mut SqliteConnection,
    new: NewConfiguration,
    from: Option<Configuration>,
    now: OffsetDateTime,
) -> Result<ConfigurationRecord> {
    let old = one(&mut *connection, &new.group, &new.configuration.name).await?;
    if from.is_some_and(|from| from != old.configuration) {
        return Err(store::configuration_changed(&new.configuration.name));
    }
    check_content_ids(&mut *connection, &new).await?;
    let mut revision = old.revision;
    if old.configuration != new.configuration {
        revision += 1;
        sqlx::query(
            "INSERT INTO retired_configuration (name, revision, settings, retired_at)
             SELECT name, revision, settings, ?2 FROM configuration WHERE name = ?1",
        )
        .bind(new.configuration.name.as_str())
        .bind(timestamp::to_text(now))
        .execute(&mut *connection)
        .await
        .map_err(database)?;
    }
    sqlx::query(
        "UPDATE configuration
         SET description = ?2, settings = ?3, encrypted = ?4, revision = ?5, updated_at = ?6
         WHERE name = ?1",
    )
    .bind(new.configuration.name.as_str())
    .bind(&new.description)
    .bind(settings_to_text(&new.configuration)?)
    .bind(new.configuration.encryption.is_some())
    .bind(revision)
    .bind(timestamp::to_text(now))
    .execute(connection)
    .await
    .map_err(database)?;
    Ok(ConfigurationRecord {
        configuration: new.configuration,
        description: new.description,
        revision,
        updated_at: now,
        ..old
    })
}

pub(super) async fn delete(
    connection: &mut SqliteConnection,
    group: &Name,
    name: &Name,
) -> Result<()> {
    one(&mut *connection, group, name).await?;
    // The history goes with it: ON DELETE CASCADE.
    sqlx::query("DELETE FROM configuration WHERE name = ?")
        .bind(name.as_str())
        .execute(connection)
        .await
        .map_err(database)?;
    Ok(())
}

/// The first by name of the configurations of a group that encrypt.
pub(super) async fn first_encrypted(
    connection: &mut SqliteConnection,
    group: &Name,
) -> Result<Option<Name>> {
    sqlx::query(
        "SELECT name FROM configuration WHERE group_name = ? AND encrypted ORDER BY name LIMIT 1",
    )
    .bind(group.as_str())
    .fetch_optional(connection)
    .await
    .map_err(database)?
    .map(|row| row::name(&row, "name"))
    .transpose()
}

/// Refuses a configuration that encrypts beside assets for which no key can be had.
async fn check_content_ids(
    connection: &mut SqliteConnection,
    new: &NewConfiguration,
) -> Result<()> {
    if new.configuration.encryption.is_none() {
        return Ok(());
    }
    match assets::without_content_id(connection, &new.group).await? {
        None => Ok(()),
        Some((asset, count)) => {
            let configuration = &new.configuration.name;
            Err(store::content_ids_missing(configuration, &new.group, &asset, count))
        }
    }
}

fn from_row(row: &SqliteRow) -> Result<ConfigurationRecord> {
    Ok(ConfigurationRecord {
        group: row::name(row, "group_name")?,
        configuration: settings_from_text(row::name(row, "name")?, column(row, "settings")?)?,
        description: column(row, "description")?,
        revision: column(row, "revision")?,
        created_at: row::time(row, "created_at")?,
        updated_at: row::time(row, "updated_at")?,
    })
}
