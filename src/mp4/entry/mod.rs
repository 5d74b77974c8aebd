//! Sample entries: what a track says of its codec (ISO/IEC 14496-12:2022 8.5.2, 12.1.3, 12.2.3).
//!
//! ```text
//! avc1 hvc1   size, avcC or hvcC, colr, mdcv, clli, pasp         picture
//! mp4a        channels, esds                                     sound
//! ac-3 ec-3   channels, dac3 or dec3                             sound
//! ```
//!
//! `fiel` is not written: it is QuickTime's, and would have to know which field comes first of every
//! picture of the track, where decoders read it in each.

mod picture;
mod sound;

use super::init::InitError;
use crate::model::codec::CodecConfig;

/// The whole sample entry, as clear samples have it.
pub(super) fn sample_entry(codec: &CodecConfig) -> Result<Vec<u8>, InitError> {
    let mut out = Vec::new();
    match codec {
        CodecConfig::Avc(avc) => picture::write_avc(&mut out, avc)?,
        CodecConfig::Hevc(hevc) => picture::write_hevc(&mut out, hevc)?,
        CodecConfig::Aac(aac) => sound::write_aac(&mut out, aac)?,
        CodecConfig::Ac3(ac3) => sound::write_ac3(&mut out, ac3)?,
        CodecConfig::Eac3(eac3) => sound::write_eac3(&mut out, eac3)?,
        CodecConfig::MpegAudio(mpeg) => sound::write_mpeg_audio(&mut out, mpeg)?,
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
