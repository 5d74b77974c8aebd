//! Egress endpoints: under which URL each configuration of its group offers an asset, or why not.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::Serialize;
use utoipa::ToSchema;

use super::ControlState;
use super::configurations::PackageTypeSchema;
use super::report::LeftOutSchema;
use crate::catalog::{AssetStatus, AssetView};
use crate::error::Result;
use crate::model::ingest::LeftOut;
use crate::model::policy::{Configuration, Name, PackageType};

/// Why a playable asset cannot be played through one configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointFailure {
    /// A stable word, such as `no_streams`.
    pub code: &'static str,
    /// Plain words.
    pub detail: String,
}

/// What a configuration makes of a playable asset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointOffer {
    /// Why it cannot be played; `None` if it can.
    pub failure: Option<EndpointFailure>,
    /// What of it cannot be played, though the rest can.
    pub left_out: Vec<LeftOut>,
}

/// Tells whether a playable asset can be played through a configuration, and all of it. Asked
/// for each endpoint that is shown, so it should be cheap.
#[derive(Clone)]
pub struct EndpointCheck(Arc<CheckFunction>);

type CheckFunction =
    dyn Fn(Arc<AssetView>, Arc<Configuration>) -> BoxFuture<'static, EndpointOffer> + Send + Sync;

impl EndpointCheck {
    /// A check by a function.
    pub fn new<F>(check: F) -> Self
    where
        F: Fn(Arc<AssetView>, Arc<Configuration>) -> BoxFuture<'static, EndpointOffer>
            + Send
            + Sync
            + 'static,
    {
        Self(Arc::new(check))
    }
}

impl fmt::Debug for EndpointCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EndpointCheck")
    }
}

/// An asset as one packaging configuration offers it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EgressEndpoint)]
pub(super) struct EndpointBody {
    /// The configuration.
    packaging_configuration: String,
    /// What players get.
    #[schema(value_type = PackageTypeSchema)]
    package_type: PackageType,
    /// As the asset's; `FAILED` also where this configuration alone cannot offer it.
    #[schema(value_type = AssetStatusSchema)]
    status: &'static str,
    /// The entry manifest; absent until it is playable.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "uri")]
    url: Option<String>,
    /// Why this configuration alone cannot offer it; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    failure: Option<EndpointFailureBody>,
    /// What this configuration leaves out, because its package type or its way of encrypting cannot
    /// carry it; absent where that is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Option<Vec<LeftOutSchema>>, nullable = false)]
    left_out: Vec<LeftOut>,
}

/// Why a configuration cannot offer an asset.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EndpointFailure)]
pub(super) struct EndpointFailureBody {
    /// A stable word.
    #[schema(example = "no_streams")]
    code: &'static str,
    /// Plain words.
    detail: String,
}

/// How an asset or endpoint stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = AssetStatus)]
#[expect(dead_code, reason = "describes catalog::AssetStatus")]
pub(super) enum AssetStatusSchema {
    Queuing,
    Ingesting,
    Playable,
    Failed,
}

/// The endpoints of an asset, by the name of their configuration; none if it is deleted meanwhile.
pub(super) async fn endpoints(state: &ControlState, asset: &Name) -> Result<Vec<EndpointBody>> {
    let Some(view) = state.catalog.asset_view(asset).await? else { return Ok(Vec::new()) };
    let mut endpoints = Vec::new();
    for configuration in view.current_configurations() {
        let EndpointOffer { failure, left_out } = match view.status {
            AssetStatus::Playable => {
                (state.endpoint_check.0)(Arc::clone(&view), Arc::clone(configuration)).await
            }
            AssetStatus::Queuing | AssetStatus::Ingesting | AssetStatus::Failed => {
                EndpointOffer::default()
            }
        };
        let status = if failure.is_some() { AssetStatus::Failed } else { view.status };
        endpoints.push(EndpointBody {
            packaging_configuration: configuration.name.to_string(),
            package_type: configuration.package_type,
            status: status.as_str(),
            url: (status == AssetStatus::Playable)
                .then(|| playback_url(&state.public_base_url, asset, configuration)),
            failure: failure
                .map(|failure| EndpointFailureBody { code: failure.code, detail: failure.detail }),
            left_out,
        });
    }
    Ok(endpoints)
}

/// The entry manifest (INTERFACE.md section 4). Names need no percent-encoding.
fn playback_url(base: &str, asset: &Name, configuration: &Configuration) -> String {
    format!(
        "{}/vod/v1/{asset}/{}/{}.{}",
        base.trim_end_matches('/'),
        configuration.name,
        configuration.manifest_name,
        configuration.package_type.manifest_extension(),
    )
}
