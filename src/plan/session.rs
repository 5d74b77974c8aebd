//! What of the words of the source's master playlist a manifest repeats.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Fingerprint, Packaging};
use crate::model::codec::{CodecConfig, VideoRange};
use crate::model::manifest::{Manifest, RenditionId, RenditionKind};
use crate::model::presentation::{Medium, Presentation};
use crate::model::session::{
    OfferedContent, OfferedData, OfferedSession, SESSION_DATA_PREFIX, SessionContent,
    SessionFormat, SupplementalCodec,
};

/// What is repeated for the renditions of a manifest.
pub(super) fn offered(
    presentation: &Presentation,
    manifest: &Manifest,
    playlists: &Fingerprint,
) -> OfferedSession {
    let mut offered = OfferedSession {
        start: presentation.session.start,
        data: data(presentation, playlists).into(),
        ..OfferedSession::default()
    };
    let role = |id: RenditionId| presentation.streams.get(id.stream).map(|stream| &stream.role);
    let mut variants = BTreeMap::new();
    let mut scores = BTreeMap::new();
    let mut supplemental = BTreeMap::new();
    for offer in &manifest.offers {
        let id = offer.main;
        let Some(words) = role(id).map(|role| &role.words) else { continue };
        variants.extend(words.stable_id.iter().map(|stable| (id, stable.clone())));
        scores
            .extend(words.scores.iter().map(|(group, score)| ((id, group.clone()), score.clone())));
        let codec = supplemental_codec(presentation, id.stream);
        supplemental.extend(codec.map(|codec| (id.stream, codec)));
    }
    // Where variants have scores, I-frames have them, too: that of their pictures.
    for offer in &manifest.trick_offers {
        let score = role(offer.main).and_then(|role| role.words.scores.first());
        scores.extend(score.map(|(_, score)| ((offer.main, None), score.clone())));
    }
    let mut renditions = BTreeMap::new();
    for id in manifest.renditions() {
        let stable = match id.kind {
            RenditionKind::Audio => {
                role(id).and_then(|role| role.sound.as_ref()?.stable_id.clone())
            }
            RenditionKind::Text => {
                presentation.texts.get(id.stream).and_then(|text| text.stable_id.clone())
            }
            RenditionKind::Video | RenditionKind::Muxed | RenditionKind::Trick => None,
        };
        renditions.extend(stable.map(|stable| (id, stable)));
    }
    offered.stable_variants = Arc::new(variants);
    offered.stable_renditions = Arc::new(renditions);
    offered.scores = Arc::new(scores);
    offered.supplemental = Arc::new(supplemental);
    offered
}

fn data(presentation: &Presentation, playlists: &Fingerprint) -> Vec<OfferedData> {
    let data = presentation.session.data.iter().enumerate();
    data.map(|(index, data)| OfferedData {
        id: data.id.clone(),
        language: data.language.clone(),
        content: match &data.content {
            SessionContent::Value(value) => OfferedContent::Value(value.clone()),
            SessionContent::Url(url, format) => OfferedContent::Uri(url.clone(), *format),
            SessionContent::File(_, format) => {
                let name = session_data_name(index, *format);
                OfferedContent::Uri(format!("../{playlists}/{name}"), *format)
            }
        },
    })
    .collect()
}

/// The name of a file of session data by its place.
fn session_data_name(index: usize, format: SessionFormat) -> String {
    format!("{SESSION_DATA_PREFIX}{}.{}", index + 1, format.extension())
}

/// The Dolby Vision of pictures that are HEVC to everybody else (profile 8), where the source says
/// so and the pictures have the colours that its brand promises to the others ("Dolby Vision
/// Streams Within the HTTP Live Streaming Format", table 3). Whether they carry its metadata is not
/// looked at.
fn supplemental_codec(presentation: &Presentation, stream: usize) -> Option<SupplementalCodec> {
    let declared = presentation.streams.get(stream)?.role.words.supplemental_codecs.as_deref()?;
    let periods = 0..presentation.periods.len();
    let mut tracks = periods.filter_map(|period| presentation.track(stream, period, Medium::Video));
    let first = match &tracks.next()?.codec {
        CodecConfig::Hevc(hevc) => hevc.picture.video_range(),
        _ => return None,
    };
    let is_same = |codec: &CodecConfig| matches!(codec, CodecConfig::Hevc(hevc) if hevc.picture.video_range() == first);
    if !tracks.all(|track| is_same(&track.codec)) {
        return None;
    }
    let promised = match first {
        VideoRange::Sdr => "db2g",
        VideoRange::Pq => "db1p",
        VideoRange::Hlg => "db4h",
    };
    declared.split(',').find_map(|format| {
        let (codec, brands) = format.trim().split_once('/')?;
        let level = codec.strip_prefix("dvh1.08.")?;
        let is_level = level.len() == 2 && level.bytes().all(|digit| digit.is_ascii_digit());
        let brand = brands.split('/').find(|brand| *brand == promised)?;
        let (codec, brand) = (codec.to_owned(), brand.to_owned());
        is_level.then_some(SupplementalCodec { codec, brand })
    })
}

impl Packaging {
    /// A file of session data by its number, from 1: its bytes and what they are.
    pub fn session_data(&self, number: usize) -> Option<(&[u8], SessionFormat)> {
        let data = self.presentation.session.data.get(number.checked_sub(1)?)?;
        match &data.content {
            SessionContent::File(bytes, format) => Some((bytes, *format)),
            SessionContent::Value(_) | SessionContent::Url(..) => None,
        }
    }

    /// The names of all files of session data and their numbers.
    pub fn session_data_names(&self) -> Vec<(usize, String)> {
        let data = self.presentation.session.data.iter().enumerate();
        let files = data.filter_map(|(index, data)| match &data.content {
            SessionContent::File(_, format) => Some((index + 1, session_data_name(index, *format))),
            SessionContent::Value(_) | SessionContent::Url(..) => None,
        });
        files.collect()
    }
}
