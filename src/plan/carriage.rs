//! What each container can carry. What it cannot is left out before anything else is planned, so
//! that no manifest names it and no segment holds it.
//!
//! Fragments take every codec that is read. Transport streams take H.264, and sound other than what
//! ADTS or SAMPLE-AES have no word for; Apple's players want HEVC in fragments ("HLS Authoring
//! Specification" 1.5).
//!
//! What only a way of encrypting has no word for is not in the report of ingest, which knows no
//! configuration; endpoints of assets show it.

use std::sync::Arc;

use crate::model::codec::CodecConfig;
use crate::model::ingest::LeftOut;
use crate::model::policy::Container;
use crate::model::presentation::{Medium, Presentation, Stream, Track};
use crate::model::protection::ProtectionScheme;

/// A presentation without what cannot be carried, and what that is.
pub(super) fn carried(
    presentation: Arc<Presentation>,
    container: Container,
    scheme: Option<ProtectionScheme>,
) -> (Arc<Presentation>, Vec<LeftOut>) {
    let left_out: Vec<(usize, Medium, LeftOut)> = presentation
        .streams
        .iter()
        .enumerate()
        .flat_map(|(index, stream)| {
            let of = move |medium| {
                let (codec, reason) = uncarried(stream, medium, container, scheme)?;
                let what = codec.name().to_owned();
                Some((index, medium, LeftOut { stream: stream.uri.clone(), what, reason }))
            };
            [Medium::Video, Medium::Audio].into_iter().filter_map(of)
        })
        .collect();
    if left_out.is_empty() {
        return (presentation, Vec::new());
    }
    let mut rest = Presentation::clone(&presentation);
    for (index, medium, _) in &left_out {
        let Some(stream) = rest.streams.get_mut(*index) else { continue };
        for period in &mut stream.periods {
            // Sound alone is no substitute for its pictures.
            if *medium == Medium::Video {
                period.video = None;
            }
            period.audio = None;
        }
        stream.audio_identity = None;
    }
    (Arc::new(rest), left_out.into_iter().map(|(.., left_out)| left_out).collect())
}

/// The first codec of a stream that cannot be carried, and why.
fn uncarried(
    stream: &Stream,
    medium: Medium,
    container: Container,
    scheme: Option<ProtectionScheme>,
) -> Option<(&CodecConfig, String)> {
    let tracks = stream.periods.iter().filter_map(|period| match medium {
        Medium::Video => period.video.as_ref(),
        Medium::Audio => period.audio.as_ref(),
    });
    tracks.map(|track: &Track| &track.codec).find_map(|codec| {
        let reason = reason_against(codec, container, scheme)?;
        Some((codec, reason.to_owned()))
    })
}

/// Why a container cannot carry a codec; `None` where it can.
const fn reason_against(
    codec: &CodecConfig,
    container: Container,
    scheme: Option<ProtectionScheme>,
) -> Option<&'static str> {
    if matches!(container, Container::Cmaf) {
        return None;
    }
    match codec {
        CodecConfig::Hevc(_) => {
            Some("players take HEVC in fragmented MP4 only; use HLS_CMAF or DASH")
        }
        CodecConfig::Aac(aac) if aac.object_type == 0 || aac.object_type > 4 => {
            Some("ADTS has no word for its object type; use HLS_CMAF or DASH")
        }
        CodecConfig::MpegAudio(_) if matches!(scheme, Some(ProtectionScheme::HlsSampleAes)) => {
            Some("SAMPLE-AES has no word for it; use AES_128, HLS_CMAF or DASH")
        }
        _ => None,
    }
}
