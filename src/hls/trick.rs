//! What playlists say of trick play: `EXT-X-I-FRAME-STREAM-INF` (RFC 8216 4.3.4.3) and
//! `EXT-X-I-FRAMES-ONLY` (4.3.3.6).
//!
//! Each I-frame is a whole resource. Transport streams begin with their own PAT and PMT, which are
//! their Media Initialization Section, so they need no `EXT-X-MAP`; fragments have one.

use std::fmt::Write as _;

use super::session;
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
        session::write_score(out, manifest, offer);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hls::write::{master_playlist, media_playlist};
    use crate::model::codec::{AvcConfig, PictureFormat};
    use crate::model::manifest::{
        AdaptationSet, Healing, ManifestPeriod, ManifestRendition, ManifestSegment, Offer,
    };
    use crate::time::{Ticks, Timescale};

    const ID: RenditionId = RenditionId { kind: RenditionKind::Trick, stream: 2 };

    /// A gap of a second, then a picture for two.
    fn manifest(init: Option<&'static str>) -> Manifest {
        let segment = |time, duration, healing| ManifestSegment {
            time: Ticks(time),
            duration: Ticks(duration),
            bytes: 1,
            healing,
        };
        let codec = AvcConfig {
            profile_idc: 100,
            constraints: 0,
            level_idc: 30,
            picture: PictureFormat { width: 640, height: 360, ..PictureFormat::default() },
            sequence_parameter_sets: Vec::new(),
            picture_parameter_sets: Vec::new(),
        };
        let rendition = ManifestRendition {
            segments_before: 0,
            constant_duration: None,
            has_tags: false,
            id: ID,
            description: None,
            codecs: vec![CodecConfig::Avc(codec)],
            frame_rate: Some((1, 2)),
            max_playout_rate: Some(50),
            peak_bandwidth: 9,
            average_bandwidth: 8,
            timescale: Timescale::MPEG,
            presentation_time_offset: Ticks::ZERO,
            directory: "../s.1/trick-3/0".to_owned(),
            init,
            extension: "m4s",
            segments: [segment(0, 90_000, Healing::Gap), segment(90_000, 180_000, Healing::None)]
                .into(),
            protection: None,
            text: None,
            access_type: 1,
        };
        let set = AdaptationSet {
            kind: RenditionKind::Trick,
            aligned: true,
            continues: false,
            renditions: vec![rendition],
            switchable_with: Vec::new(),
            trick_of: Some(0),
            is_hidden: false,
            number: 1,
        };
        let duration = Ticks(270_000);
        let offer = Offer {
            main: ID,
            audio: None,
            codecs: vec!["avc1.64001e".to_owned()],
            peak_bandwidth: 9,
            average_bandwidth: 8,
        };
        Manifest {
            mpd: Default::default(),
            markers: Default::default(),
            dates: None,
            origin: Ticks::ZERO,
            captions: Default::default(),
            texts: Vec::new(),
            session: Default::default(),
            duration,
            longest_segment: duration,
            periods: vec![ManifestPeriod { start: Ticks::ZERO, duration, sets: vec![set] }],
            offers: Vec::new(),
            trick_offers: vec![offer],
            audio_groups: Vec::new(),
            clip: None,
            playlist_directory: "../p.2".to_owned(),
        }
    }

    #[test]
    fn the_master_playlist_names_pictures_alone() {
        let line = "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=9,AVERAGE-BANDWIDTH=8,\
            CODECS=\"avc1.64001e\",RESOLUTION=640x360,VIDEO-RANGE=SDR,URI=\"../p.2/trick-3.m3u8\"\n";
        assert!(master_playlist(&manifest(None)).ends_with(line));
        let hidden = Manifest { trick_offers: Vec::new(), ..manifest(None) };
        assert!(!master_playlist(&hidden).contains("I-FRAME"));
    }

    #[test]
    fn each_i_frame_is_a_whole_resource() {
        let playlist = media_playlist(&manifest(None), ID).unwrap();
        let expected = "#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-TARGETDURATION:2\n\
            #EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-I-FRAMES-ONLY\n\
            #EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-GAP\n#EXTINF:1.000000,\n\
            ../s.1/trick-3/0/0.m4s\n#EXTINF:2.000000,\n../s.1/trick-3/0/90000.m4s\n\
            #EXT-X-ENDLIST\n";
        assert_eq!(playlist, expected);
        let playlist = media_playlist(&manifest(Some("init.mp4")), ID).unwrap();
        assert!(playlist.contains("\n#EXT-X-MAP:URI=\"../s.1/trick-3/0/init.mp4\"\n"));
    }
}
