//! `/v1/packaging-groups`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{JsonBody, present};
use super::path::Segments;
use super::query::{ListParameters, Listing, NoQuery, PageBody, Parameters};
use super::{ControlState, check, path};
use crate::catalog::timestamp;
use crate::catalog::{Group, GroupPatch, NewGroup};
use crate::error::Result;

/// A packaging group.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PackagingGroup)]
pub(super) struct GroupBody {
    /// Unique in the whole origin.
    name: String,
    /// Free text.
    description: String,
    /// When it was created.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    updated_at: String,
}

impl From<Group> for GroupBody {
    fn from(group: Group) -> Self {
        Self {
            name: group.name.to_string(),
            description: group.description,
            created_at: timestamp::to_text(group.created_at),
            updated_at: timestamp::to_text(group.updated_at),
        }
    }
}

/// A packaging group to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct CreateGroup {
    /// Unique in the whole origin.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,128}$")]
    name: String,
    /// Free text.
    #[schema(max_length = 1024)]
    description: Option<String>,
}

/// What of a group to change; absent fields stay as they are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct PatchGroup {
    /// Free text; null empties it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 1024)]
    description: Option<Option<String>>,
}

/// Creates a packaging group.
#[utoipa::path(
    operation_id = "createPackagingGroup",
    post, path = "/v1/packaging-groups", tag = "packaging groups",
    request_body = CreateGroup,
    responses(
        (status = 201, description = "Created", body = GroupBody),
        (status = 409, description = "`already_exists`"),
    )
)]
pub(super) async fn create(
    State(state): State<Arc<ControlState>>,
    _: NoQuery,
    JsonBody(body): JsonBody<CreateGroup>,
) -> Result<Response> {
    let new = NewGroup {
        name: check::name("name", &body.name)?,
        description: check::description("description", body.description.unwrap_or_default())?,
    };
    let group = state.catalog.create_group(new).await?;
    let location = format!("/v1/packaging-groups/{}", group.name);
    let body = Json(GroupBody::from(group));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], body).into_response())
}

/// Lists packaging groups.
#[utoipa::path(
    operation_id = "listPackagingGroups",
    get, path = "/v1/packaging-groups", tag = "packaging groups",
    params(ListParameters),
    responses((status = 200, description = "A page of them", body = PageBody<GroupBody>))
)]
pub(super) async fn list(
    State(state): State<Arc<ControlState>>,
    RawQuery(query): RawQuery,
) -> Result<Json<PageBody<GroupBody>>> {
    let parameters = Parameters::parse(query.as_deref(), &Listing::PARAMETERS)?;
    let listing = Listing::parse(&parameters, "groups", &[])?;
    let mut page = state.catalog.groups(&listing.page).await?;
    let items = std::mem::take(&mut page.items).into_iter().map(GroupBody::from).collect();
    listing.body(&page, items).map(Json)
}

/// Shows a packaging group.
#[utoipa::path(
    operation_id = "getPackagingGroup",
    get, path = "/v1/packaging-groups/{group}", tag = "packaging groups",
    params(("group" = String, Path, description = "Name of the group")),
    responses((status = 200, description = "The group", body = GroupBody))
)]
pub(super) async fn show(
    State(state): State<Arc<ControlState>>,
    Segments(group): Segments<String>,
    _: NoQuery,
) -> Result<Json<GroupBody>> {
    let group = state.catalog.group(&path::name(GROUP, &group)?).await?;
    Ok(Json(group.into()))
}

/// Changes a packaging group.
#[utoipa::path(
    operation_id = "updatePackagingGroup",
    patch, path = "/v1/packaging-groups/{group}", tag = "packaging groups",
    params(("group" = String, Path, description = "Name of the group")),
    request_body = PatchGroup,
    responses((status = 200, description = "The changed group", body = GroupBody))
)]
pub(super) async fn patch(
    State(state): State<Arc<ControlState>>,
    Segments(group): Segments<String>,
    _: NoQuery,
    JsonBody(body): JsonBody<PatchGroup>,
) -> Result<Json<GroupBody>> {
    let name = path::name(GROUP, &group)?;
    let description = body
        .description
        .map(|text| check::description("description", text.unwrap_or_default()))
        .transpose()?;
    let group = state.catalog.update_group(&name, GroupPatch { description }).await?;
    Ok(Json(group.into()))
}

/// Deletes a packaging group that holds neither configurations nor assets.
#[utoipa::path(
    operation_id = "deletePackagingGroup",
    delete, path = "/v1/packaging-groups/{group}", tag = "packaging groups",
    params(("group" = String, Path, description = "Name of the group")),
    responses(
        (status = 204, description = "Deleted"),
        (status = 409, description = "`failed_precondition`: it is not empty"),
    )
)]
pub(super) async fn delete(
    State(state): State<Arc<ControlState>>,
    Segments(group): Segments<String>,
    _: NoQuery,
) -> Result<StatusCode> {
    state.catalog.delete_group(&path::name(GROUP, &group)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The noun of refusals.
pub(super) const GROUP: &str = "packaging group";
