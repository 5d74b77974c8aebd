//! Columns to checked values.
//!
//! What does not pass its check was not written by this program: an internal error that names the
//! column.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Type};
use time::OffsetDateTime;

use super::database;
use crate::catalog::timestamp;
use crate::error::{Error, Result};
use crate::model::policy::Name;

/// A column as it is.
pub(super) fn column<'r, T>(row: &'r SqliteRow, name: &str) -> Result<T>
where
    T: sqlx::Decode<'r, Sqlite> + Type<Sqlite>,
{
    row.try_get(name).map_err(database)
}

/// A column with a name.
pub(super) fn name(row: &SqliteRow, column_name: &str) -> Result<Name> {
    Name::new(column::<String>(row, column_name)?).map_err(|_| damaged(column_name))
}

/// A column with a time.
pub(super) fn time(row: &SqliteRow, column_name: &str) -> Result<OffsetDateTime> {
    timestamp::from_text(column(row, column_name)?).ok_or_else(|| damaged(column_name))
}

/// A column with a time or NULL.
pub(super) fn optional_time(row: &SqliteRow, column_name: &str) -> Result<Option<OffsetDateTime>> {
    column::<Option<&str>>(row, column_name)?
        .map(|text| timestamp::from_text(text).ok_or_else(|| damaged(column_name)))
        .transpose()
}

/// A column with JSON or NULL.
pub(super) fn optional_json<T: DeserializeOwned>(
    row: &SqliteRow,
    column_name: &str,
) -> Result<Option<T>> {
    column::<Option<&str>>(row, column_name)?
        .map(|text| {
            serde_json::from_str(text).map_err(|error| damaged(column_name).caused_by(error))
        })
        .transpose()
}

/// A value as JSON for a column.
pub(super) fn json_text<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::internal("a catalog value was not written").caused_by(error))
}

/// A count of a column that is never negative.
pub(super) fn count(row: &SqliteRow, column_name: &str) -> Result<u64> {
    u64::try_from(column::<i64>(row, column_name)?).map_err(|_| damaged(column_name))
}

pub(super) fn damaged(column_name: &str) -> Error {
    Error::internal(format!("the catalog column {column_name} holds a damaged value"))
}
