//! What master playlists say of a title as a whole: `EXT-X-START` (RFC 8216 4.3.5.2) and
//! `EXT-X-SESSION-DATA` (4.3.4.4); and what they repeat of the source's words about variants and
//! renditions (draft-pantos-hls-rfc8216bis 4.4.6.1 and 4.4.6.2).

use std::fmt::Write as _;

use super::write::quoted;
use crate::model::manifest::{Manifest, Offer, RenditionId};
use crate::model::session::{OfferedContent, SessionFormat};
use crate::time::Timescale;

/// Where players are to begin.
pub(super) fn write_start(out: &mut String, manifest: &Manifest) {
    let Some(start) = manifest.session.start else { return };
    let offset = start.offset.seconds(Timescale::MPEG, 6);
    let precise = if start.precise { ",PRECISE=YES" } else { "" };
    let _ = writeln!(out, "#EXT-X-START:TIME-OFFSET={offset}{precise}");
}

/// A line for each name and language.
pub(super) fn write_data(out: &mut String, manifest: &Manifest) {
    for data in &*manifest.session.data {
        let _ = write!(out, "#EXT-X-SESSION-DATA:DATA-ID={}", quoted(&data.id));
        match &data.content {
            OfferedContent::Value(value) => {
                let _ = write!(out, ",VALUE={}", quoted(value));
            }
            OfferedContent::Uri(uri, format) => {
                let _ = write!(out, ",URI={}", quoted(uri));
                // JSON is what is meant without a word.
                if *format == SessionFormat::Raw {
                    out.push_str(",FORMAT=RAW");
                }
            }
        }
        if let Some(language) = &data.language {
            let _ = write!(out, ",LANGUAGE={}", quoted(language));
        }
        out.push('\n');
    }
}

/// What the source says of a variant.
pub(super) fn write_variant_words(out: &mut String, manifest: &Manifest, offer: &Offer) {
    let session = &manifest.session;
    if let Some(codec) = session.supplemental.get(&offer.main.stream) {
        let _ = write!(out, ",SUPPLEMENTAL-CODECS=\"{}/{}\"", codec.codec, codec.brand);
    }
    write_score(out, manifest, offer);
    if let Some(stable) = session.stable_variants.get(&offer.main) {
        let _ = write!(out, ",STABLE-VARIANT-ID={}", quoted(stable));
    }
}

/// How the source ranks a variant.
pub(super) fn write_score(out: &mut String, manifest: &Manifest, offer: &Offer) {
    let scores = &manifest.session.scores;
    let group = offer.audio.and_then(|place| manifest.audio_groups.get(place));
    let listed = group.map(|group| group.source.clone());
    // Sound that the source has inside the stream is in no group of its.
    let score = scores.get(&(offer.main, listed));
    if let Some(score) = score.or_else(|| scores.get(&(offer.main, None))) {
        let _ = write!(out, ",SCORE={score}");
    }
}

/// What the source says of sound or text with a playlist of its own.
pub(super) fn write_rendition_words(out: &mut String, manifest: &Manifest, id: RenditionId) {
    if let Some(stable) = manifest.session.stable_renditions.get(&id) {
        let _ = write!(out, ",STABLE-RENDITION-ID={}", quoted(stable));
    }
}
