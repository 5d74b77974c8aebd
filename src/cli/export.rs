//! `packorigin export`: the URLs of one configuration as files, byte for byte.
//!
//! ```text
//! DIR/{configuration}/{manifest}.m3u8 | .mpd
//! DIR/p.{fingerprint}/{rendition}.m3u8
//! DIR/s.{fingerprint}/{rendition}/{period}/…
//! ```
//!
//! so that the relative URIs hold in the folder as they do below the asset's URL.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::choice::choose;
use super::progress;
use crate::app::Parts;
use crate::catalog::AssetView;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::model::manifest::{NUMBER_PREFIX, RenditionKind};
use crate::model::policy::PackageType;
use crate::package;
use crate::plan::{INIT_NAME, Packaging, Target};
use crate::playback::{Playback, entry_manifest, media_playlist};

/// Writes the packaged presentation to `folder`.
pub(super) async fn export(
    config: Config,
    asset: &str,
    configuration: &str,
    folder: &Path,
) -> Result<()> {
    let (telemetry, metrics) = super::telemetry(&config)?;
    let parts = Parts::open(&config, &metrics).await?;
    let (view, chosen) = choose(&parts, asset, configuration).await?;
    let plan = parts.playback.library.current(&view, &chosen).await?;
    let packaging = plan.packaging();

    let file = format!(
        "{}/{}.{}",
        chosen.name,
        chosen.manifest_name,
        chosen.package_type.manifest_extension()
    );
    write(folder.join(file), &entry_manifest(packaging)?.bytes)?;
    if packaging.package_type() != PackageType::Dash {
        for rendition in packaging.manifest().renditions() {
            let file = format!("{}/{rendition}.m3u8", packaging.playlists());
            let playlist = media_playlist(packaging, rendition);
            let playlist =
                playlist.ok_or_else(|| Error::internal("a rendition has no playlist"))?;
            write(folder.join(file), &playlist.bytes)?;
        }
    }
    if packaging.package_type() != PackageType::Dash {
        for (number, name) in packaging.session_data_names() {
            let missing = || Error::internal("the plan lists what it does not have");
            let (bytes, _) = packaging.session_data(number).ok_or_else(missing)?;
            write(folder.join(format!("{}/{name}", packaging.playlists())), bytes)?;
        }
    }
    let targets = packaging.targets();
    let bar = progress::bar(targets.len() as u64, "export");
    for target in targets {
        export_target(&parts.playback, &view, packaging, target, folder).await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    telemetry.shutdown().await;
    Ok(())
}

async fn export_target(
    playback: &Playback,
    view: &AssetView,
    packaging: &Arc<Packaging>,
    target: Target,
    folder: &Path,
) -> Result<()> {
    let missing = || Error::internal("the plan lists what it does not have");
    let segments = packaging.segments();
    let (file, bytes) = match target {
        Target::Init { rendition, period } if rendition.kind == RenditionKind::Text => {
            let text = packaging.text_init(rendition, period).ok_or_else(missing)?;
            let file = format!("{segments}/{rendition}/{period}/{INIT_NAME}");
            (file.clone(), package::text_init(text, &file)?.bytes)
        }
        Target::Text { rendition, period, time, form } => {
            let plan = packaging.text(rendition, period, time, form).ok_or_else(missing)?;
            (plan.key(), package::text(&plan)?.bytes)
        }
        Target::PeriodText { rendition, period, format } => {
            let plan = packaging.whole_text(rendition, period, format).ok_or_else(missing)?;
            (plan.key(), package::text(&plan)?.bytes)
        }
        Target::Init { rendition, period } => {
            let (track, protection) = packaging.init(rendition, period).ok_or_else(missing)?;
            let file = format!("{segments}/{rendition}/{period}/{INIT_NAME}");
            (file.clone(), package::init(track, protection.as_deref(), &file)?.bytes)
        }
        Target::Numbered { rendition, period, number } => {
            let time = packaging.numbered(rendition, period, number).ok_or_else(missing)?;
            let plan = packaging.segment(rendition, period, time).ok_or_else(missing)?;
            let file = format!("{segments}/{rendition}/{period}/{NUMBER_PREFIX}{number}.m4s");
            let source = playback.source_reader(view)?;
            (file, package::segment(&source, plan).await?.bytes)
        }
        Target::Segment { rendition, period, time } => {
            let plan = packaging.segment(rendition, period, time).ok_or_else(missing)?;
            let entry = packaging.manifest().rendition(rendition, period).ok_or_else(missing)?;
            let file = format!("{segments}/{rendition}/{period}/{}.{}", time.0, entry.extension);
            // Not through the segment cache: nothing is asked for twice.
            let source = playback.source_reader(view)?;
            (file, package::segment(&source, plan).await?.bytes)
        }
        Target::Entry
        | Target::Media(_)
        | Target::Clip { .. }
        | Target::SessionData { .. }
        | Target::Silence { .. } => {
            return Err(missing());
        }
    };
    write(folder.join(file), &bytes)
}

/// Nobody else needs the thread in the meantime.
fn write(path: PathBuf, bytes: &[u8]) -> Result<()> {
    let written = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    written.and_then(|()| std::fs::write(&path, bytes)).map_err(|error| {
        Error::internal(format!("{} cannot be written", path.display())).caused_by(error)
    })
}
