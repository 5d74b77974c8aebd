//! What playlists say of trick play: `EXT-X-I-FRAME-STREAM-INF` (RFC 8216 4.3.4.3) and
//! `EXT-X-I-FRAMES-ONLY` (4.3.3.6).
//!
//! Each I-frame is a whole resource. Transport streams begin with their own PAT and PMT, which are
//! their Media Initialization Section, so they need no `EXT-X-MAP`; fragments have one.

use std::fmt::Write as _;

use crate::model::codec::CodecConfig;
use crate::model::manifest::{Manifest, RenditionId, RenditionKind};

/// The first version that knows `EXT-X-I-FRAMES-ONLY` (RFC 8216 7).
const LEAST_VERSION: u32 = 4;

/// A line for each I-frame playlist.
pub(super) fn write_variants(out: &mut String, manifest: &Manifest) {
    for offer in &manifest.trick_offers {
        let Some(rendition) = manifest.first_rendition(offer.main) else { continue };
        let _ = write!(
            out,
            "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{}\"",
            offer.peak_bandwidth,
            offer.average_bandwidth,
            offer.codecs.join(",")
        );
        if let Some(picture) = rendition.codecs.first().and_then(CodecConfig::picture) {
            let _ = write!(out, ",RESOLUTION={}x{}", picture.width, picture.height);
            let _ = write!(out, ",VIDEO-RANGE={}", picture.video_range().as_str());
        }
        let _ = writeln!(out, ",URI=\"{}/{}.m3u8\"", manifest.playlist_directory, offer.main);
    }
}

/// The version of a rendition's playlist, where the others have `usual`.
pub(super) fn version(usual: u32, id: RenditionId) -> u32 {
    if id.kind == RenditionKind::Trick { usual.max(LEAST_VERSION) } else { usual }
}

/// What a rendition's playlist says of all its segments.
pub(super) fn playlist_tags(id: RenditionId) -> &'static str {
    if id.kind == RenditionKind::Trick { "#EXT-X-I-FRAMES-ONLY\n" } else { "" }
}
