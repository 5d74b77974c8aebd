//! Groups in SQL.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, SqliteConnection};
use time::OffsetDateTime;

use super::row::{self, column};
use super::{database, push_page};
use crate::catalog::group::{Group, GroupPatch, NewGroup};
use crate::catalog::page::{Cursor, Page, PageRequest};
use crate::catalog::{store, timestamp};
use crate::error::Result;
use crate::model::policy::Name;

pub(super) async fn create(
    connection: &mut SqliteConnection,
    new: NewGroup,
    now: OffsetDateTime,
) -> Result<Group> {
    let done = sqlx::query(
        "INSERT INTO packaging_group (name, description, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?3) ON CONFLICT (name) DO NOTHING",
    )
    .bind(new.name.as_str())
    .bind(&new.description)
    .bind(timestamp::to_text(now))
    .execute(connection)
    .await
    .map_err(database)?;
    if done.rows_affected() == 0 {
        return Err(store::group_exists(&new.name));
    }
    Ok(Group { name: new.name, description: new.description, created_at: now, updated_at: now })
}

pub(super) async fn one(connection: &mut SqliteConnection, name: &Name) -> Result<Group> {
    let row = sqlx::query("SELECT * FROM packaging_group WHERE name = ?")
        .bind(name.as_str())
        .fetch_optional(connection)
        .await
        .map_err(database)?
        .ok_or_else(|| store::no_group(name))?;
    from_row(&row)
}

pub(super) async fn page(
    connection: &mut SqliteConnection,
    page: &PageRequest,
) -> Result<Page<Group>> {
    let mut query = QueryBuilder::new("SELECT * FROM packaging_group WHERE true");
    push_page(&mut query, page);
    let rows = query.build().fetch_all(connection).await.map_err(database)?;
    let items = rows.iter().map(from_row).collect::<Result<Vec<_>>>()?;
    Ok(Page::from_surplus(items, page.size, |group| Cursor {
        created_at: group.created_at,
        name: group.name.clone(),
    }))
}

pub(super) async fn update(
    connection: &mut SqliteConnection,
    name: &Name,
    patch: GroupPatch,
    now: OffsetDateTime,
) -> Result<Group> {
    sqlx::query(
        "UPDATE packaging_group SET description = coalesce(?2, description), updated_at = ?3
         WHERE name = ?1",
    )
    .bind(name.as_str())
    .bind(patch.description)
    .bind(timestamp::to_text(now))
    .execute(&mut *connection)
    .await
    .map_err(database)?;
    one(connection, name).await
}

pub(super) async fn delete(connection: &mut SqliteConnection, name: &Name) -> Result<()> {
    one(&mut *connection, name).await?;
    let row = sqlx::query(
        "SELECT (SELECT count(*) FROM configuration WHERE group_name = ?1) AS configurations,
                (SELECT count(*) FROM asset WHERE group_name = ?1) AS assets",
    )
    .bind(name.as_str())
    .fetch_one(&mut *connection)
    .await
    .map_err(database)?;
    let (configurations, assets) =
        (column::<i64>(&row, "configurations")?, column::<i64>(&row, "assets")?);
    if configurations > 0 || assets > 0 {
        return Err(store::group_in_use(name, configurations, assets));
    }
    sqlx::query("DELETE FROM packaging_group WHERE name = ?")
        .bind(name.as_str())
        .execute(connection)
        .await
        .map_err(database)?;
    Ok(())
}

fn from_row(row: &SqliteRow) -> Result<Group> {
    Ok(Group {
        name: row::name(row, "name")?,
        description: column(row, "description")?,
        created_at: row::time(row, "created_at")?,
        updated_at: row::time(row, "updated_at")?,
    })
}
