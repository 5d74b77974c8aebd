//! `packorigin demo`: everything at once, with the bundled sample, on data that goes away.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use include_dir::{Dir, include_dir};

use super::{print_line, progress};
use crate::app::App;
use crate::catalog::{AssetStatus, Catalog, NewAsset, NewConfiguration, NewGroup};
use crate::config::{Config, Overrides};
use crate::error::{Error, Kind, Result};
use crate::model::policy::{Configuration, Name, PackageType, SegmentDuration, StreamSelection};

/// The sample; `testdata/README.md` tells how it was made.
static SAMPLE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/testdata/ladder");

/// How often the demo looks whether ingest is done.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Runs the demo until the first SIGTERM or SIGINT.
pub(super) async fn demo(listen: Option<String>, control_listen: Option<String>) -> Result<()> {
    let folder = tempfile::tempdir().map_err(|error| {
        Error::internal("a temporary directory cannot be created").caused_by(error)
    })?;
    let media = folder.path().join("media");
    unpack(&media.join("sample"))?;
    let overrides = Overrides {
        listen,
        control_listen,
        data_dir: Some(folder.path().join("data")),
        sources: vec![format!("default=file://{}", media.display())],
    };
    // The demo shows itself, not what may be configured on this machine.
    let quiet = [("PACKORIGIN_TELEMETRY_LOG".to_owned(), "warn".to_owned())];
    let config = Config::load(None, quiet, &overrides)?;
    let (telemetry, metrics) = super::telemetry(&config)?;
    let app = App::start(&config, &metrics).await?;
    let endpoints = fill(&app.catalog).await?;
    wait_until_playable(&app.catalog).await?;
    print_line("packorigin demo: open one of these in a player\n")?;
    for configuration in &endpoints {
        print_line(&format!(
            "  {:<9} {}/vod/v1/sample/{}/{}.{}",
            configuration.package_type.as_str(),
            app.base_url,
            configuration.name,
            configuration.manifest_name,
            configuration.package_type.manifest_extension()
        ))?;
    }
    print_line(&format!(
        "\n  control   http://{}/v1/assets/sample\n\nCtrl-C stops it and removes its data.",
        app.control_address
    ))?;
    super::serve::stop_signal().await?;
    app.stop().await;
    telemetry.shutdown().await;
    Ok(())
}

fn unpack(folder: &Path) -> Result<()> {
    let cannot = |error| {
        let message = format!("the sample cannot be unpacked to {}", folder.display());
        Error::internal(message).caused_by(error)
    };
    std::fs::create_dir_all(folder).map_err(cannot)?;
    SAMPLE.extract(folder).map_err(cannot)
}

/// One group with one configuration of each package type, and the sample in it.
async fn fill(catalog: &Arc<Catalog>) -> Result<Vec<Configuration>> {
    let group = name("demo")?;
    let description = "what packorigin demo made".to_owned();
    catalog.create_group(NewGroup { name: group.clone(), description }).await?;
    let mut configurations = Vec::new();
    for (text, package_type) in
        [("hls", PackageType::Hls), ("hls-cmaf", PackageType::HlsCmaf), ("dash", PackageType::Dash)]
    {
        let configuration = Configuration {
            name: name(text)?,
            package_type,
            segment_duration: SegmentDuration::DEFAULT,
            manifest_name: Name::default_manifest(),
            stream_selection: StreamSelection::default(),
            encryption: None,
        };
        configurations.push(configuration.clone());
        let new =
            NewConfiguration { group: group.clone(), description: String::new(), configuration };
        catalog.create_configuration(new).await?;
    }
    let new = NewAsset {
        name: name("sample")?,
        group,
        source: "default".to_owned(),
        path: "sample/master.m3u8".to_owned(),
        content_id: None,
        description: String::new(),
    };
    catalog.create_asset(new).await?;
    Ok(configurations)
}

async fn wait_until_playable(catalog: &Arc<Catalog>) -> Result<()> {
    let bar = progress::bar(0, "ingest");
    let asset_name = name("sample")?;
    loop {
        let asset = catalog.asset(&asset_name).await?;
        if let Some(progress) = asset.progress {
            bar.set_length(progress.segments_total);
            bar.set_position(progress.segments_done);
        }
        match (asset.status, asset.failure) {
            (AssetStatus::Playable, _) => break,
            (AssetStatus::Failed, Some(failure)) => {
                return Err(Error::new(Kind::Internal, format!("the sample: {failure}")));
            }
            _ => tokio::time::sleep(POLL_INTERVAL).await,
        }
    }
    bar.finish_and_clear();
    Ok(())
}

fn name(text: &str) -> Result<Name> {
    Name::new(text).map_err(|error| Error::internal(format!("{text}: {error}")))
}
