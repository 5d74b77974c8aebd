//! A plan with the manifests that say what it says, each printed and compressed once.
//!
//! They belong to the plan and go with it: the plan's weight in its cache counts them beforehand.
//! What is shown of a plan but is not the whole of it (selections, clips, a source with holes) is not
//! kept here.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use super::coding::{self, Text};
use crate::error::{Error, Result};
use crate::model::manifest::{Manifest, RenditionId};
use crate::model::policy::PackageType;
use crate::package::Rendered;
use crate::plan::Packaging;
use crate::{dash, hls};

const PLAYLIST_TYPE: &str = "application/vnd.apple.mpegurl";
const MPD_TYPE: &str = "application/dash+xml";

/// A plan and its manifests.
pub struct Plan {
    packaging: Arc<Packaging>,
    entry: OnceLock<Arc<Text>>,
    playlists: RwLock<HashMap<RenditionId, Arc<Text>>>,
}

impl Plan {
    /// A plan of which nothing is printed yet.
    pub fn new(packaging: Packaging) -> Self {
        Self {
            packaging: Arc::new(packaging),
            entry: OnceLock::new(),
            playlists: RwLock::default(),
        }
    }

    /// The plan itself.
    pub fn packaging(&self) -> &Arc<Packaging> {
        &self.packaging
    }

    /// The entry manifest.
    pub(super) fn entry(&self) -> Result<Arc<Text>> {
        if let Some(text) = self.entry.get() {
            return Ok(text.clone());
        }
        let text = Arc::new(Text::new(entry_manifest(&self.packaging)?)?);
        Ok(self.entry.get_or_init(|| text).clone())
    }

    /// The media playlist of a rendition; `None` where the plan has no such rendition.
    pub(super) fn playlist(&self, rendition: RenditionId) -> Result<Option<Arc<Text>>> {
        let known = self.playlists.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = known.get(&rendition) {
            return Ok(Some(text.clone()));
        }
        drop(known);
        let Some(text) = media_playlist_of(self.packaging.manifest(), rendition) else {
            return Ok(None);
        };
        let text = Arc::new(Text::new(text)?);
        let mut known = self.playlists.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Some(known.entry(rendition).or_insert(text).clone()))
    }
}

/// Prints the entry manifest.
pub(crate) fn entry_manifest(packaging: &Packaging) -> Result<Rendered> {
    entry_manifest_of(packaging.package_type(), packaging.manifest())
}

/// Prints the entry manifest of what is shown.
pub(super) fn entry_manifest_of(package_type: PackageType, shown: &Manifest) -> Result<Rendered> {
    let (text, content_type) = match package_type {
        PackageType::Hls | PackageType::HlsCmaf => {
            (hls::write::master_playlist(shown), PLAYLIST_TYPE)
        }
        PackageType::Dash => {
            let mpd = dash::mpd(shown);
            let cannot = |error| Error::internal("the MPD cannot be written").caused_by(error);
            (mpd.map_err(cannot)?, MPD_TYPE)
        }
    };
    Ok(manifest(text, content_type))
}

/// Prints a media playlist; `None` where there is no such rendition.
pub(crate) fn media_playlist(packaging: &Packaging, rendition: RenditionId) -> Option<Rendered> {
    media_playlist_of(packaging.manifest(), rendition)
}

/// Prints a media playlist of what is shown; `None` where there is no such rendition.
pub(super) fn media_playlist_of(shown: &Manifest, rendition: RenditionId) -> Option<Rendered> {
    let text = hls::write::media_playlist(shown, rendition)?;
    Some(manifest(text, PLAYLIST_TYPE))
}

/// A manifest; its identity is its text.
fn manifest(text: String, content_type: &'static str) -> Rendered {
    let etag = coding::validator(text.as_bytes());
    Rendered { bytes: text.into(), content_type, etag }
}
