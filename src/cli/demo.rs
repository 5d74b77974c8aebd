//! `packorigin demo`: everything at once, with the bundled sample, on data that goes away.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use include_dir::{Dir, include_dir};
use tokio::sync::watch;

use super::demo_drm::DemoKeyServer;
use super::{print_line, progress};
use crate::app::App;
use crate::catalog::{AssetStatus, Catalog, NewAsset, NewConfiguration, NewGroup};
use crate::config::{Config, Overrides};
use crate::error::{Error, Kind, Result};
use crate::keys::Vault;
use crate::model::mpd::MpdOptions;
use crate::model::policy::{
    AudioLayout, Configuration, ContentId, DashSubtitles, Name, OnSourceError, PackageType,
    SegmentDuration, StreamSelection, TrickPlay,
};

/// The sample; `testdata/README.md` tells how it was made.
static SAMPLE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/testdata/ladder");

/// How often the demo looks whether ingest is done.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// What key servers know the sample by.
const CONTENT_ID: &str = "sample";

/// Runs the demo until the first SIGTERM or SIGINT; with `drm`, a key server and encrypted
/// configurations too.
pub(super) async fn demo(
    listen: Option<String>,
    control_listen: Option<String>,
    drm: bool,
) -> Result<()> {
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
    let mut environment = vec![("PACKORIGIN_TELEMETRY_LOG".to_owned(), "warn".to_owned())];
    if drm {
        // The key server is on this machine, where requests may not go unless they are let.
        environment.push(("PACKORIGIN_EGRESS_ALLOW_HOSTS".to_owned(), "127.0.0.1".to_owned()));
    }
    let config = Config::load(None, environment, &overrides)?;
    let (telemetry, metrics) = super::telemetry(&config)?;
    let key_server = if drm { Some(DemoKeyServer::bind().await?) } else { None };
    let app = App::start(&config, &metrics).await?;
    let mut configurations = clear_configurations()?;
    if let Some(key_server) = &key_server {
        let vault = Vault::new(&config.secrets, &config.data_dir)?;
        configurations.extend(key_server.configurations(&vault)?);
    }
    let content_id = content_id()?;
    fill(&app.catalog, &configurations, drm.then(|| content_id.clone())).await?;
    wait_until_playable(&app.catalog).await?;
    print_line("packorigin demo: open one of these in a player\n")?;
    for configuration in &configurations {
        let kind = match &configuration.encryption {
            Some(_) => configuration.name.as_str(),
            None => configuration.package_type.as_str(),
        };
        print_line(&format!("  {kind:<14} {}", stream_url(&app.base_url, configuration)))?;
    }
    print_line(&format!("\n  control        http://{}/v1/assets/sample\n", app.control_address))?;
    let (shutdown, stop) = watch::channel(false);
    let mut serving = None;
    if let Some(key_server) = key_server {
        print_line(&format!("{}\n", key_server.guide(&content_id)))?;
        let base_url = app.base_url.clone();
        serving = Some(tokio::spawn(async move {
            key_server.serve(&base_url, &configurations, stop).await;
        }));
    }
    print_line("Ctrl-C stops it and removes its data.")?;
    super::serve::stop_signal().await?;
    shutdown.send_replace(true);
    app.stop().await;
    if let Some(serving) = serving {
        serving
            .await
            .map_err(|error| Error::internal("the key server ended badly").caused_by(error))?;
    }
    telemetry.shutdown().await;
    Ok(())
}

/// Where players find a configuration of the sample.
pub(super) fn stream_url(base_url: &str, configuration: &Configuration) -> String {
    let Configuration { name, manifest_name, package_type, .. } = configuration;
    let extension = package_type.manifest_extension();
    format!("{base_url}/vod/v1/sample/{name}/{manifest_name}.{extension}")
}

/// A configuration with nothing special about it.
pub(super) fn configuration(text: &str, package_type: PackageType) -> Result<Configuration> {
    Ok(Configuration {
        name: name(text)?,
        package_type,
        segment_duration: SegmentDuration::DEFAULT,
        manifest_name: Name::default_manifest(),
        stream_selection: StreamSelection::default(),
        encryption: None,
        on_source_error: OnSourceError::default(),
        trick_play: TrickPlay::default(),
        filter: None,
        audio_layout: AudioLayout::default(),
        dash_subtitles: DashSubtitles::default(),
        program_date_time: Default::default(),
        mpd: MpdOptions::default(),
    })
}

fn unpack(folder: &Path) -> Result<()> {
    let cannot = |error| {
        let message = format!("the sample cannot be unpacked to {}", folder.display());
        Error::internal(message).caused_by(error)
    };
    std::fs::create_dir_all(folder).map_err(cannot)?;
    SAMPLE.extract(folder).map_err(cannot)
}

/// One configuration of each package type.
fn clear_configurations() -> Result<Vec<Configuration>> {
    [("hls", PackageType::Hls), ("hls-cmaf", PackageType::HlsCmaf), ("dash", PackageType::Dash)]
        .into_iter()
        .map(|(name, package_type)| configuration(name, package_type))
        .collect()
}

/// One group with the configurations, and the sample in it.
async fn fill(
    catalog: &Arc<Catalog>,
    configurations: &[Configuration],
    content_id: Option<ContentId>,
) -> Result<()> {
    let group = name("demo")?;
    let description = "what packorigin demo made".to_owned();
    catalog.create_group(NewGroup { name: group.clone(), description }).await?;
    for configuration in configurations {
        let new = NewConfiguration {
            group: group.clone(),
            description: String::new(),
            configuration: configuration.clone(),
        };
        catalog.create_configuration(new).await?;
    }
    let new = NewAsset {
        name: name("sample")?,
        group,
        source: "default".to_owned(),
        path: "sample/master.m3u8".to_owned(),
        content_id,
        description: String::new(),
    };
    catalog.create_asset(new).await?;
    Ok(())
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

fn content_id() -> Result<ContentId> {
    ContentId::new(CONTENT_ID).map_err(|error| Error::internal(format!("{CONTENT_ID}: {error}")))
}
