//! Lists in pages: order, position, and the opaque token between two pages.
//!
//! Paging is by key: a page goes on after the last item of the page before, so items that come or
//! go meanwhile neither repeat nor hide others. A token belongs to one list with one ordering and
//! one set of filters, and is refused with any other.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::timestamp;
use crate::error::{Error, Result};
use crate::model::policy::Name;

/// Items of a page for which none is asked.
pub const DEFAULT_PAGE_SIZE: u32 = 50;
/// Most items of a page.
pub const MAX_PAGE_SIZE: u32 = 1000;

/// What a list is ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OrderBy {
    /// Time of creation; the name where two are equal.
    #[default]
    CreatedAt,
    /// Name, in the order of its bytes.
    Name,
}

impl OrderBy {
    /// The value of `orderBy`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreatedAt => "createdAt",
            Self::Name => "name",
        }
    }
}

/// The direction of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Oldest or lowest first.
    #[default]
    Ascending,
    /// Newest or highest first.
    Descending,
}

impl Order {
    /// The value of `order`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ascending => "asc",
            Self::Descending => "desc",
        }
    }
}

/// Which page of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// At most so many items.
    pub size: u32,
    /// What the list is ordered by.
    pub order_by: OrderBy,
    /// In which direction.
    pub order: Order,
    /// The item that the page before ended with.
    pub after: Option<Cursor>,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self {
            size: DEFAULT_PAGE_SIZE,
            order_by: OrderBy::default(),
            order: Order::default(),
            after: None,
        }
    }
}

/// Where in a list an item stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// When the item was created.
    pub created_at: OffsetDateTime,
    /// The item's name.
    pub name: Name,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in order.
    pub items: Vec<T>,
    /// Where the next page goes on; `None` at the end.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// The page out of up to `size + 1` items: one more than fits tells that there is a next page.
    pub(super) fn from_surplus(
        mut items: Vec<T>,
        size: u32,
        cursor: impl Fn(&T) -> Cursor,
    ) -> Self {
        let size = size as usize;
        let more = items.len() > size;
        items.truncate(size);
        let next = if more { items.last().map(cursor) } else { None };
        Self { items, next }
    }
}

/// What a page token belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageScope(String);

impl PageScope {
    /// The scope of the list called `list`, in an ordering, with filters as name and value.
    pub fn new(list: &str, order_by: OrderBy, order: Order, filters: &[(&str, &str)]) -> Self {
        let mut hash = Sha256::new();
        let parts = [list, order_by.as_str(), order.as_str()]
            .into_iter()
            .chain(filters.iter().flat_map(|(name, value)| [*name, *value]));
        for part in parts {
            // The length keeps ("ab", "c") and ("a", "bc") apart.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        // Eight bytes tell lists apart; this guards against mistakes, not against forgery, and a
        // forged token can do no more than an honest one: name a place in the list.
        Self(hex::encode(&hash.finalize()[..8]))
    }

    /// The token for the page after `cursor`.
    pub fn token(&self, cursor: &Cursor) -> Result<String> {
        let content = TokenContent {
            scope: self.0.clone(),
            created_at: timestamp::to_text(cursor.created_at),
            name: cursor.name.clone(),
        };
        let text = serde_json::to_vec(&content)
            .map_err(|error| Error::internal("a page token was not written").caused_by(error))?;
        Ok(hex::encode(text))
    }

    /// Reads a token of this scope.
    pub fn cursor(&self, token: &str) -> Result<Cursor> {
        let refused = |why: &str| Error::invalid("pageToken", format!("pageToken {why}"));
        let content: TokenContent = hex::decode(token)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .ok_or_else(|| refused("is not one that a list answered"))?;
        if content.scope != self.0 {
            return Err(refused(
                "belongs to a list with another ordering or other filters; leave it out to start \
                 again, or repeat the parameters of the first page",
            ));
        }
        let created_at = timestamp::from_text(&content.created_at)
            .ok_or_else(|| refused("is not one that a list answered"))?;
        Ok(Cursor { created_at, name: content.name })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenContent {
    #[serde(rename = "s")]
    scope: String,
    #[serde(rename = "t")]
    created_at: String,
    #[serde(rename = "n")]
    name: Name,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn cursor() -> Cursor {
        Cursor {
            created_at: timestamp::from_text("2026-09-21T14:13:20.000123Z").unwrap(),
            name: Name::new("bbb").unwrap(),
        }
    }

    fn scope(filters: &[(&str, &str)]) -> PageScope {
        PageScope::new("assets", OrderBy::Name, Order::Ascending, filters)
    }

    #[test]
    fn a_token_reads_back_in_its_own_scope_only() {
        let token = scope(&[]).token(&cursor()).unwrap();
        assert_eq!(scope(&[]).cursor(&token).unwrap(), cursor());
        let others = [
            PageScope::new("groups", OrderBy::Name, Order::Ascending, &[]),
            PageScope::new("assets", OrderBy::CreatedAt, Order::Ascending, &[]),
            PageScope::new("assets", OrderBy::Name, Order::Descending, &[]),
            scope(&[("status", "FAILED")]),
        ];
        for other in others {
            let error = other.cursor(&token).unwrap_err();
            assert_eq!(error.field(), Some("pageToken"));
        }
        assert_ne!(scope(&[("ab", "c")]), scope(&[("a", "bc")]));
    }

    #[test]
    fn garbage_is_refused() {
        let good = scope(&[]).token(&cursor()).unwrap();
        let forged = |from: &str, to: &str| {
            let text = String::from_utf8(hex::decode(&good).unwrap()).unwrap();
            assert!(text.contains(from));
            hex::encode(text.replace(from, to))
        };
        let garbage = [
            String::new(),
            "zz".to_owned(),
            "00".to_owned(),
            good[1..].to_owned(),
            forged("bbb", "b'b"),
            forged("2026", "soon"),
        ];
        for token in garbage {
            let error = scope(&[]).cursor(&token).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidArgument, "{token}");
            assert_eq!(error.field(), Some("pageToken"));
        }
    }

    #[test]
    fn only_a_surplus_item_makes_a_next_page() {
        let page = Page::from_surplus(vec![1, 2, 3], 3, |_| cursor());
        assert_eq!((page.items.len(), page.next), (3, None));
        let page = Page::from_surplus(vec![1, 2, 3, 4], 3, |_| cursor());
        assert_eq!((page.items.len(), page.next), (3, Some(cursor())));
    }
}
