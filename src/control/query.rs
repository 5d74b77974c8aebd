//! Query parameters: known ones only, each once.

use std::collections::BTreeMap;

use axum::extract::FromRequestParts;
use http::request;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::catalog::{
    DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, Order, OrderBy, Page, PageRequest, PageScope,
};
use crate::error::{Error, Result};

/// For calls that take no parameters.
pub(super) struct NoQuery;

impl<S: Send + Sync> FromRequestParts<S> for NoQuery {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut request::Parts, _: &S) -> Result<Self> {
        Parameters::parse(parts.uri.query(), &[]).map(|_| Self)
    }
}

/// The parameters of a call, by name.
#[derive(Debug)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Reads a query that may have the parameters `known`.
    pub(super) fn parse(query: Option<&str>, known: &[&str]) -> Result<Self> {
        let mut parameters = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&&*name) {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let message = format!("there is no parameter {name}; this call takes {known}");
                return Err(Error::invalid(&name, message));
            }
            if parameters.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(Error::invalid(&name, format!("{name} is given more than once")));
            }
        }
        Ok(Self(parameters))
    }

    /// One parameter.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// How a list is cut into pages.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters; Listing reads them")]
pub(super) struct ListParameters {
    /// Most items of the answer.
    #[param(rename = "pageSize", minimum = 1, maximum = 1000, default = 50)]
    page_size: Option<u32>,
    /// The `nextPageToken` of the page before, with the same other parameters.
    #[param(rename = "pageToken")]
    page_token: Option<String>,
    /// What the list is ordered by.
    #[param(rename = "orderBy", inline)]
    order_by: Option<OrderBySchema>,
    /// The direction.
    #[param(inline)]
    order: Option<OrderSchema>,
}

#[derive(ToSchema)]
#[schema(rename_all = "camelCase", default = "createdAt")]
#[expect(dead_code, reason = "describes a parameter; Listing reads it")]
enum OrderBySchema {
    CreatedAt,
    Name,
}

#[derive(ToSchema)]
#[schema(rename_all = "camelCase", default = "asc")]
#[expect(dead_code, reason = "describes a parameter; Listing reads it")]
enum OrderSchema {
    Asc,
    Desc,
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageBody<T> {
    /// The items, in order.
    items: Vec<T>,
    /// Gets the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_page_token: Option<String>,
}

/// The paging of one list call.
#[derive(Debug)]
pub(super) struct Listing {
    /// Which page.
    pub(super) page: PageRequest,
    scope: PageScope,
}

impl Listing {
    /// The parameters that every list takes.
    pub(super) const PARAMETERS: [&str; 4] = ["pageSize", "pageToken", "orderBy", "order"];

    /// Reads the paging of the list called `list`, which the parameters `filters` may narrow.
    pub(super) fn parse(parameters: &Parameters, list: &str, filters: &[&str]) -> Result<Self> {
        let size = match parameters.text("pageSize") {
            None => DEFAULT_PAGE_SIZE,
            Some(text) => text
                .parse()
                .ok()
                .filter(|size| (1..=MAX_PAGE_SIZE).contains(size))
                .ok_or_else(|| {
                    let message = format!("pageSize must be a number from 1 to {MAX_PAGE_SIZE}");
                    Error::invalid("pageSize", message)
                })?,
        };
        let order_by = match parameters.text("orderBy") {
            None => OrderBy::default(),
            Some("createdAt") => OrderBy::CreatedAt,
            Some("name") => OrderBy::Name,
            Some(_) => return Err(Error::invalid("orderBy", "orderBy must be createdAt or name")),
        };
        let order = match parameters.text("order") {
            None => Order::default(),
            Some("asc") => Order::Ascending,
            Some("desc") => Order::Descending,
            Some(_) => return Err(Error::invalid("order", "order must be asc or desc")),
        };
        let filters: Vec<_> =
            filters.iter().filter_map(|name| Some((*name, parameters.text(name)?))).collect();
        let scope = PageScope::new(list, order_by, order, &filters);
        let after = parameters.text("pageToken").map(|token| scope.cursor(token)).transpose()?;
        Ok(Self { page: PageRequest { size, order_by, order, after }, scope })
    }

    /// The answer with a page's items, which were made out of `page` in its order.
    pub(super) fn body<S, T>(&self, page: &Page<S>, items: Vec<T>) -> Result<PageBody<T>> {
        let next_page_token = page.next.as_ref().map(|next| self.scope.token(next)).transpose()?;
        Ok(PageBody { items, next_page_token })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_known_and_single() {
        let parse = |query| Parameters::parse(query, &["prefix", "order"]);
        let parameters = parse(Some("prefix=a%25_&order=asc")).unwrap();
        assert_eq!(parameters.text("prefix"), Some("a%_"));
        for (query, field) in [("prefx=a", "prefx"), ("order=asc&order=asc", "order"), ("=1", "")] {
            assert_eq!(parse(Some(query)).unwrap_err().field(), Some(field), "{query}");
        }
        assert!(Parameters::parse(None, &[]).is_ok());
        assert!(Parameters::parse(Some(""), &[]).is_ok());
    }

    #[test]
    fn paging_is_checked() {
        let parse = |query| {
            let parameters = Parameters::parse(Some(query), &Listing::PARAMETERS).unwrap();
            Listing::parse(&parameters, "groups", &[])
        };
        assert_eq!(parse("").unwrap().page, PageRequest::default());
        assert_eq!(parse("pageSize=1000").unwrap().page.size, 1000);
        for (query, field) in [
            ("pageSize=0", "pageSize"),
            ("pageSize=1001", "pageSize"),
            ("pageSize=-1", "pageSize"),
            ("pageSize=ten", "pageSize"),
            ("pageSize=", "pageSize"),
            ("orderBy=updatedAt", "orderBy"),
            ("order=up", "order"),
            ("pageToken=x", "pageToken"),
            ("pageToken=", "pageToken"),
        ] {
            assert_eq!(parse(query).unwrap_err().field(), Some(field), "{query}");
        }
    }
}
