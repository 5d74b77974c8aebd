//! Packaging groups: the drawer that assets and the configurations they are offered in share.

use time::OffsetDateTime;

use crate::model::policy::Name;

/// A packaging group as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Unique in the whole origin.
    pub name: Name,
    /// Free text of the operator.
    pub description: String,
    /// When it was created.
    pub created_at: OffsetDateTime,
    /// When it was last changed.
    pub updated_at: OffsetDateTime,
}

/// A packaging group to create.
#[derive(Clone, Debug)]
pub struct NewGroup {
    /// Its name.
    pub name: Name,
    /// Free text of the operator.
    pub description: String,
}

/// What of a group to change; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct GroupPatch {
    /// The new description.
    pub description: Option<String>,
}
