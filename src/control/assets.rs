//! `/v1/assets`.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::body::{JsonBody, NoBody, from_value, present};
use super::endpoints::{AssetStatusSchema, EndpointBody, endpoints};
use super::path::Segments;
use super::problem::{ProblemBody, RequestId};
use super::query::{ListParameters, Listing, NoQuery, PageBody, Parameters};
use super::report::{FailureSchema, ProgressSchema, ReportSchema};
use super::{ControlState, check, path};
use crate::catalog::timestamp;
use crate::catalog::{Asset, AssetFilter, AssetPatch, AssetStatus, NewAsset};
use crate::error::{Error, Kind, Result};
use crate::model::ingest::{IngestFailure, Progress, Report};
use crate::model::policy::Name;

/// An asset.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Asset)]
pub(super) struct AssetBody {
    /// Unique in the whole origin; part of the playback URL.
    name: String,
    /// The group whose configurations it is offered in.
    packaging_group: String,
    /// The configured source that `path` is in.
    source: String,
    /// The master playlist.
    path: String,
    /// What key servers know the title by.
    #[schema(required = true)]
    content_id: Option<String>,
    /// Free text.
    description: String,
    /// How it stands.
    #[schema(value_type = AssetStatusSchema)]
    status: &'static str,
    /// Why the last ingest failed, also of an asset whose version before still plays.
    #[schema(value_type = Option<FailureSchema>, required = true)]
    failure: Option<IngestFailure>,
    /// How far the ingest is that is queued or runs.
    #[schema(value_type = Option<ProgressSchema>, required = true)]
    progress: Option<Progress>,
    /// One for each configuration of the group, by name; none in a dry run.
    egress_endpoints: Vec<EndpointBody>,
    /// What the last successful ingest measured.
    #[schema(value_type = Option<ReportSchema>, required = true)]
    report: Option<Report>,
    /// When it was created.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed or its last ingest ended.
    #[schema(format = DateTime)]
    updated_at: String,
    /// When the version that plays became playable.
    #[schema(format = DateTime, required = true)]
    playable_at: Option<String>,
}

impl AssetBody {
    async fn new(state: Arc<ControlState>, asset: Asset) -> Result<Self> {
        let egress_endpoints = endpoints(&state, &asset.name).await?;
        Ok(Self::with_endpoints(asset, egress_endpoints))
    }

    fn with_endpoints(asset: Asset, egress_endpoints: Vec<EndpointBody>) -> Self {
        Self {
            name: asset.name.to_string(),
            packaging_group: asset.group.to_string(),
            source: asset.source,
            path: asset.path,
            content_id: asset.content_id.map(|id| id.to_string()),
            description: asset.description,
            status: asset.status.as_str(),
            failure: asset.failure,
            progress: asset.progress,
            egress_endpoints,
            report: asset.report,
            created_at: timestamp::to_text(asset.created_at),
            updated_at: timestamp::to_text(asset.updated_at),
            playable_at: asset.playable_at.map(timestamp::to_text),
        }
    }
}

/// An asset to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct CreateAsset {
    /// Unique in the whole origin; part of the playback URL.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,128}$")]
    name: String,
    /// The group whose configurations it is offered in.
    packaging_group: String,
    /// The configured source that `path` is in.
    #[schema(default = "default")]
    source: Option<String>,
    /// The HLS master playlist in the source.
    #[schema(min_length = 1, max_length = 1024, example = "bbb/master.m3u8")]
    path: String,
    /// What key servers know the title by. Required where a configuration of the group encrypts.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,256}$")]
    content_id: Option<String>,
    /// Free text.
    #[schema(max_length = 1024)]
    description: Option<String>,
}

impl CreateAsset {
    fn checked(self, state: &ControlState) -> Result<NewAsset> {
        let source = self.source.unwrap_or_else(|| DEFAULT_SOURCE.to_owned());
        if !state.sources.contains(&source) {
            let message = format!("source {source:?} is not configured");
            return Err(Error::invalid("source", message));
        }
        Ok(NewAsset {
            name: check::name("name", &self.name)?,
            group: check::name("packagingGroup", &self.packaging_group)?,
            source,
            path: check::source_path("path", self.path)?,
            content_id: self
                .content_id
                .map(|text| check::content_id("contentId", &text))
                .transpose()?,
            description: check::description("description", self.description.unwrap_or_default())?,
        })
    }
}

/// Assets to create in one group.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct CreateBatch {
    /// The group of all of them.
    packaging_group: String,
    /// The assets. Each is read by itself, so that one that is wrong spoils no other.
    #[schema(value_type = Vec<BatchItem>, max_items = 1000)]
    assets: Vec<serde_json::Value>,
}

/// An asset of a batch.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct BatchItem {
    /// Unique in the whole origin; part of the playback URL.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,128}$")]
    name: String,
    /// The configured source that `path` is in.
    #[schema(default = "default")]
    source: Option<String>,
    /// The HLS master playlist in the source.
    #[schema(min_length = 1, max_length = 1024)]
    path: String,
    /// What key servers know the title by. Required where a configuration of the group encrypts.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,256}$")]
    content_id: Option<String>,
    /// Free text.
    #[schema(max_length = 1024)]
    description: Option<String>,
}

/// What became of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BatchResults {
    /// One for each asset, in the order of the request.
    results: Vec<BatchResult>,
}

/// What became of one asset of a batch: `asset` or `problem`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BatchResult {
    /// The name that the request gives; null if it gives none.
    #[schema(required = true)]
    name: Option<String>,
    /// The asset that was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    asset: Option<AssetBody>,
    /// Why none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    problem: Option<ProblemBody>,
}

/// What of an asset to change; absent fields stay as they are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct PatchAsset {
    /// Free text; null empties it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 1024)]
    description: Option<Option<String>>,
    /// What key servers know the title by; null takes it away, unless a configuration of the group
    /// encrypts.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9_-]{1,256}$")]
    content_id: Option<Option<String>>,
}

/// Creates an asset; its ingest runs in the background.
///
/// With `dryRun=true` nothing is created: the source is read at once, and the answer is the asset
/// as it would be shown when its ingest has ended, `PLAYABLE` with a `report` or `FAILED` with a
/// `failure`. It has no endpoints, and its times are that of the answer. The reading ends when the
/// client hangs up.
#[utoipa::path(
    operation_id = "createAsset",
    post, path = "/v1/assets", tag = "assets",
    params(("dryRun" = Option<bool>, Query, description = "Only tell what ingest would say")),
    request_body = CreateAsset,
    responses(
        (status = 200, description = "What ingest would say; nothing was created",
            body = AssetBody),
        (status = 202, description = "Created; ingest is queued", body = AssetBody),
        (status = 404, description = "`not_found`: there is no such group"),
        (status = 409, description = "`already_exists`; `failed_precondition`: no content ID, though \
            a configuration of the group encrypts, or dry runs are switched off"),
        (status = 413, description = "`too_large`: a body of more than 4 MiB, or a dry run that \
            takes too long"),
        (status = 429, description = "`rate_limited`: as many dry runs as are allowed are under way"),
    )
)]
pub(super) async fn create(
    State(state): State<Arc<ControlState>>,
    RawQuery(query): RawQuery,
    JsonBody(body): JsonBody<CreateAsset>,
) -> Result<Response> {
    let parameters = Parameters::parse(query.as_deref(), &[DRY_RUN])?;
    let is_dry_run = match parameters.text(DRY_RUN) {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Error::invalid(DRY_RUN, format!("{DRY_RUN} must be true or false"))),
    };
    let new = body.checked(&state)?;
    if is_dry_run {
        return Ok(Json(dry_run(&state, new).await?).into_response());
    }
    let asset = state.catalog.create_asset(new).await?;
    accepted(state, asset).await
}

/// The asset as it would be shown when its ingest has ended.
async fn dry_run(state: &ControlState, new: NewAsset) -> Result<AssetBody> {
    state.catalog.check_asset(&new).await?;
    let result = state.dry_run.run(new.source.clone(), new.path.clone()).await?;
    let now = OffsetDateTime::now_utc();
    let (status, report, failure) = match result {
        Ok(report) => (AssetStatus::Playable, Some(report), None),
        Err(failure) => (AssetStatus::Failed, None, Some(failure)),
    };
    let asset = Asset {
        name: new.name,
        group: new.group,
        source: new.source,
        path: new.path,
        content_id: new.content_id,
        description: new.description,
        status,
        failure,
        progress: None,
        report,
        created_at: now,
        updated_at: now,
        // Nothing can be played.
        playable_at: None,
    };
    Ok(AssetBody::with_endpoints(asset, Vec::new()))
}

/// Creates many assets of one group; one that is wrong spoils no other.
#[utoipa::path(
    operation_id = "createAssets",
    post, path = "/v1/assets:batch", tag = "assets",
    request_body = CreateBatch,
    responses(
        (status = 200, description = "What became of each", body = BatchResults),
        (status = 404, description = "`not_found`: there is no such group"),
        (status = 413, description = "`too_large`: more than 1000 assets or 4 MiB"),
    )
)]
pub(super) async fn create_batch(
    State(state): State<Arc<ControlState>>,
    Extension(request_id): Extension<RequestId>,
    _: NoQuery,
    JsonBody(body): JsonBody<CreateBatch>,
) -> Result<Json<BatchResults>> {
    if body.assets.len() > MAX_BATCH {
        let message = format!("assets must be at most {MAX_BATCH}; send the rest in another call");
        return Err(Error::new(Kind::TooLarge, message));
    }
    let group = check::name("packagingGroup", &body.packaging_group)?;
    state.catalog.group(&group).await?;
    let mut results: Vec<(Option<String>, Result<Option<Asset>>)> = Vec::new();
    let mut sound = Vec::new();
    for item in body.assets {
        let name = item.get("name").and_then(|name| name.as_str()).map(str::to_owned);
        let checked = from_value(item).and_then(|item: BatchItem| {
            let BatchItem { name, source, path, content_id, description } = item;
            let packaging_group = group.to_string();
            CreateAsset { name, packaging_group, source, path, content_id, description }
                .checked(&state)
        });
        // The places of the sound ones are filled once the catalog has answered.
        results.push((name, checked.map(|new| sound.push(new)).map(|()| None)));
    }
    let mut created = state.catalog.create_assets(sound).await?.into_iter();
    for (_, result) in results.iter_mut().filter(|(_, result)| result.is_ok()) {
        *result = created
            .next()
            .unwrap_or_else(|| Err(Error::internal("the catalog answered too few results")))
            .map(Some);
    }
    let mut answer = Vec::with_capacity(results.len());
    for (name, result) in results {
        let (asset, problem) = match result {
            Ok(Some(asset)) => (Some(AssetBody::new(Arc::clone(&state), asset).await?), None),
            Ok(None) => (None, None),
            Err(error) => (None, Some(ProblemBody::new(&error, &request_id))),
        };
        answer.push(BatchResult { name, asset, problem });
    }
    Ok(Json(BatchResults { results: answer }))
}

/// Lists assets.
#[utoipa::path(
    operation_id = "listAssets",
    get, path = "/v1/assets", tag = "assets",
    params(
        ListParameters,
        ("packagingGroup" = Option<String>, Query, description = "Those of this group"),
        ("packagingConfiguration" = Option<String>, Query,
            description = "Those of the group that this configuration belongs to"),
        ("status" = Option<AssetStatusSchema>, Query, description = "Those with this status"),
        ("prefix" = Option<String>, Query, description = "Those whose name begins so"),
    ),
    responses((status = 200, description = "A page of them", body = PageBody<AssetBody>))
)]
pub(super) async fn list(
    State(state): State<Arc<ControlState>>,
    RawQuery(query): RawQuery,
) -> Result<Json<PageBody<AssetBody>>> {
    let known = [&Listing::PARAMETERS[..], &FILTERS].concat();
    let parameters = Parameters::parse(query.as_deref(), &known)?;
    let name = |field| parameters.text(field).map(|text| check::name(field, text)).transpose();
    let status = parameters
        .text("status")
        .map(|text| {
            AssetStatus::parse(text).ok_or_else(|| {
                let known = AssetStatus::ALL.map(AssetStatus::as_str).join(", ");
                Error::invalid("status", format!("status must be one of {known}"))
            })
        })
        .transpose()?;
    let filter = AssetFilter {
        group: name("packagingGroup")?,
        configuration: name("packagingConfiguration")?,
        status,
        prefix: parameters.text("prefix").map(str::to_owned),
    };
    let listing = Listing::parse(&parameters, "assets", &FILTERS)?;
    let mut page = state.catalog.assets(&filter, &listing.page).await?;
    let bodies: Vec<_> = std::mem::take(&mut page.items)
        .into_iter()
        .map(|asset| AssetBody::new(Arc::clone(&state), asset))
        .collect();
    let items = stream::iter(bodies).buffered(CONCURRENT_BODIES).try_collect().await?;
    listing.body(&page, items).map(Json)
}

/// Shows an asset.
#[utoipa::path(
    operation_id = "getAsset",
    get, path = "/v1/assets/{asset}", tag = "assets",
    params(("asset" = String, Path, description = "Name of the asset")),
    responses((status = 200, description = "The asset", body = AssetBody))
)]
pub(super) async fn show(
    State(state): State<Arc<ControlState>>,
    Segments(asset): Segments<String>,
    _: NoQuery,
) -> Result<Json<AssetBody>> {
    let asset = state.catalog.asset(&path::name(ASSET, &asset)?).await?;
    AssetBody::new(state, asset).await.map(Json)
}

/// Changes an asset.
#[utoipa::path(
    operation_id = "updateAsset",
    patch, path = "/v1/assets/{asset}", tag = "assets",
    params(("asset" = String, Path, description = "Name of the asset")),
    request_body = PatchAsset,
    responses(
        (status = 200, description = "The changed asset", body = AssetBody),
        (status = 409, description = "`failed_precondition`: no content ID, though a configuration \
            of the group encrypts"),
    )
)]
pub(super) async fn patch(
    State(state): State<Arc<ControlState>>,
    Segments(asset): Segments<String>,
    _: NoQuery,
    JsonBody(body): JsonBody<PatchAsset>,
) -> Result<Json<AssetBody>> {
    let name = path::name(ASSET, &asset)?;
    let description = body
        .description
        .map(|text| check::description("description", text.unwrap_or_default()))
        .transpose()?;
    let content_id = body
        .content_id
        .map(|text| text.map(|text| check::content_id("contentId", &text)).transpose())
        .transpose()?;
    let patch = AssetPatch { description, content_id };
    let asset = state.catalog.update_asset(&name, patch).await?;
    AssetBody::new(state, asset).await.map(Json)
}

/// Deletes an asset; its playback URLs end at once. The source is left alone.
#[utoipa::path(
    operation_id = "deleteAsset",
    delete, path = "/v1/assets/{asset}", tag = "assets",
    params(("asset" = String, Path, description = "Name of the asset")),
    responses((status = 204, description = "Deleted"))
)]
pub(super) async fn delete(
    State(state): State<Arc<ControlState>>,
    Segments(asset): Segments<String>,
    _: NoQuery,
) -> Result<StatusCode> {
    state.catalog.delete_asset(&path::name(ASSET, &asset)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reads the source of an asset again; the old version plays until the new one is ready.
#[utoipa::path(
    operation_id = "reingestAsset",
    post, path = "/v1/assets/{asset}:reingest", tag = "assets",
    params(("asset" = String, Path, description = "Name of the asset")),
    responses((status = 202, description = "Ingest is queued", body = AssetBody))
)]
pub(super) async fn reingest(
    State(state): State<Arc<ControlState>>,
    Segments(segment): Segments<String>,
    _: NoQuery,
    _: NoBody,
) -> Result<Response> {
    // A route cannot have text after a variable, so the action is cut off here.
    let Some((asset, action)) = segment.split_once(':') else {
        let error = Error::new(Kind::MethodNotAllowed, "an asset takes GET, PATCH and DELETE");
        let mut response = error.into_response();
        let allowed = HeaderValue::from_static("GET,HEAD,PATCH,DELETE");
        response.headers_mut().insert(header::ALLOW, allowed);
        return Ok(response);
    };
    let name = path::name(ASSET, asset)?;
    if action != "reingest" {
        let message = format!("an asset has no action {action:?}; there is reingest");
        return Err(Error::not_found(message));
    }
    let asset: Asset = state.catalog.reingest(&name).await?;
    accepted(state, asset).await
}

async fn accepted(state: Arc<ControlState>, asset: Asset) -> Result<Response> {
    let location = location(&asset.name);
    let body = Json(AssetBody::new(state, asset).await?);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], body).into_response())
}

fn location(asset: &Name) -> String {
    format!("/v1/assets/{asset}")
}

const ASSET: &str = "asset";
const DRY_RUN: &str = "dryRun";
const DEFAULT_SOURCE: &str = "default";
const FILTERS: [&str; 4] = ["packagingGroup", "packagingConfiguration", "status", "prefix"];
/// One transaction holds them all, and other writers wait for it.
const MAX_BATCH: usize = 1000;
/// The check of an endpoint may have to load an index.
const CONCURRENT_BODIES: usize = 16;
