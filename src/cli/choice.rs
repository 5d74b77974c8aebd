//! The asset and the configuration that a command names.

use std::sync::Arc;

use crate::app::Parts;
use crate::catalog::AssetView;
use crate::error::{Error, Result};
use crate::model::policy::{Configuration, Name};

/// Finds both; says which of them there is not.
pub(super) async fn choose(
    parts: &Parts,
    asset: &str,
    configuration: &str,
) -> Result<(Arc<AssetView>, Arc<Configuration>)> {
    let name = |field: &str, text: &str| {
        Name::new(text).map_err(|error| Error::invalid(field, format!("{text:?} {error}")))
    };
    let asset = name("asset", asset)?;
    let configuration = name("configuration", configuration)?;
    let view = parts.catalog.asset_view(&asset).await?;
    let view = view.ok_or_else(|| Error::not_found(format!("there is no asset {asset}")))?;
    let chosen = view.current_configurations().find(|known| known.name == configuration).cloned();
    let chosen = chosen.ok_or_else(|| {
        let group = &view.group;
        Error::not_found(format!("packaging group {group} has no configuration {configuration}"))
    })?;
    Ok((view, chosen))
}
