//! What each package type makes of a title, for the ingest report. Ingest cannot ask: it lies on
//! the floor of `plan`.

use std::sync::Arc;

use crate::error::Result;
use crate::model::ingest::{LeftOut, PackageReport};
use crate::model::manifest::{Manifest, ManifestRendition};
use crate::model::mpd::MpdOptions;
use crate::model::policy::{
    AudioLayout, Configuration, DashSubtitles, Name, OnSourceError, PackageType, SegmentDuration,
    StreamSelection, TrickPlay,
};
use crate::model::presentation::Presentation;
use crate::plan::Packaging;

/// One entry for each package type.
pub(super) fn package_reports(presentation: &Arc<Presentation>) -> Vec<PackageReport> {
    [PackageType::Hls, PackageType::Dash, PackageType::HlsCmaf]
        .into_iter()
        .map(|package_type| report(presentation, package_type))
        .collect()
}

fn report(presentation: &Arc<Presentation>, package_type: PackageType) -> PackageReport {
    match packaging(presentation, package_type) {
        Ok(packaging) => PackageReport {
            package_type,
            offered: offered(packaging.manifest()),
            left_out: packaging.left_out().to_vec(),
        },
        Err(error) => PackageReport {
            package_type,
            offered: Vec::new(),
            left_out: presentation
                .streams
                .iter()
                .map(|stream| LeftOut {
                    stream: stream.uri.clone(),
                    what: "all of it".to_owned(),
                    reason: error.message().to_owned(),
                })
                .collect(),
        },
    }
}

/// With the settings that a configuration has by default, and clear.
fn packaging(presentation: &Arc<Presentation>, package_type: PackageType) -> Result<Packaging> {
    let configuration = Configuration {
        name: Name::default_manifest(),
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
    };
    Packaging::new(presentation.clone(), "", &configuration, None)
}

/// A line for each rendition, in the order of the manifest.
fn offered(manifest: &Manifest) -> Vec<String> {
    let mut seen = Vec::new();
    let sets = manifest.periods.iter().flat_map(|period| &period.sets);
    // Trick play shows nothing else.
    let sets = sets.filter(|set| set.trick_of.is_none());
    sets.flat_map(|set| &set.renditions)
        .filter_map(|rendition| {
            let is_new = !seen.contains(&rendition.id);
            is_new.then(|| {
                seen.push(rendition.id);
                line(rendition)
            })
        })
        .collect()
}

/// `video-1: H.264 1280x720`, `audio-1: AAC 2 channels`.
fn line(rendition: &ManifestRendition) -> String {
    let parts: Vec<String> = rendition
        .codecs
        .iter()
        .map(|codec| match (codec.picture(), codec.sound()) {
            (Some(picture), _) => format!("{} {}x{}", codec.name(), picture.width, picture.height),
            (None, Some(sound)) => format!("{} {} channels", codec.name(), sound.channels),
            (None, None) => codec.name().to_owned(),
        })
        .collect();
    format!("{}: {}", rendition.id, parts.join(" + "))
}
