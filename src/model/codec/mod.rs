//! What a decoder must know before the first sample, as a closed set of codecs.
//!
//! The `codec` room reads these out of elementary streams; manifests and init segments are printed
//! from them. Nothing here parses.

mod dolby;
mod picture;
mod sound;

pub use picture::{AvcConfig, Colour, DisplayMetadata, HevcConfig, PictureFormat, VideoRange};
pub use sound::{AacConfig, AacExtension, Ac3Config, Eac3Config, Eac3Substream, MpegAudioConfig};

use serde::{Deserialize, Serialize};

use super::policy::Container;
use super::presentation::Medium;

/// The configuration of one track.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CodecConfig {
    /// H.264.
    Avc(AvcConfig),
    /// HEVC.
    Hevc(HevcConfig),
    /// AAC.
    Aac(AacConfig),
    /// AC-3.
    Ac3(Ac3Config),
    /// E-AC-3.
    Eac3(Eac3Config),
    /// MPEG audio of layer II or III.
    MpegAudio(MpegAudioConfig),
}

impl CodecConfig {
    /// Pictures or sound.
    pub const fn medium(&self) -> Medium {
        match self {
            Self::Avc(_) | Self::Hevc(_) => Medium::Video,
            Self::Aac(_) | Self::Ac3(_) | Self::Eac3(_) | Self::MpegAudio(_) => Medium::Audio,
        }
    }

    /// The RFC 6381 codec string, such as `avc1.64001e`, `mp4a.40.2` or `ec-3`.
    pub fn rfc6381(&self) -> String {
        match self {
            Self::Avc(avc) => avc.rfc6381(),
            Self::Hevc(hevc) => hevc.rfc6381(),
            Self::Aac(aac) => format!("mp4a.40.{}", aac.signalled_object_type()),
            Self::Ac3(_) => "ac-3".to_owned(),
            Self::Eac3(_) => "ec-3".to_owned(),
            Self::MpegAudio(mpeg) => format!("mp4a.{:02X}", mpeg.object_type_indication()),
        }
    }

    /// The codec string where the container matters: MPEG audio in transport streams is known by its
    /// audio object type, `mp4a.40.34` for MP3 (Apple, "HLS Authoring Specification"), in fragments
    /// by its sample entry.
    pub fn rfc6381_in(&self, container: Container) -> String {
        match (self, container) {
            (Self::MpegAudio(mpeg), Container::MpegTs) => {
                format!("mp4a.40.{}", if mpeg.layer == 3 { 34 } else { 33 })
            }
            _ => self.rfc6381(),
        }
    }

    /// `CHANNELS` of HLS (RFC 8216bis 4.4.6.1): the channels, or how many objects there are; `None`
    /// for pictures.
    pub fn channels_attribute(&self) -> Option<String> {
        match self {
            Self::Eac3(Eac3Config { joc_complexity: Some(complexity), .. }) => {
                Some(format!("{complexity}/JOC"))
            }
            _ => self.sound().map(|sound| sound.channels.to_string()),
        }
    }

    /// The codec's name for people.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Avc(_) => "H.264",
            Self::Hevc(_) => "HEVC",
            Self::Aac(aac) => match aac.extension {
                AacExtension::None => "AAC",
                AacExtension::Sbr => "HE-AAC",
                AacExtension::SbrPs => "HE-AAC v2",
            },
            Self::Ac3(_) => "AC-3",
            Self::Eac3(eac3) => match eac3.joc_complexity {
                None => "E-AC-3",
                Some(_) => "E-AC-3 with JOC",
            },
            Self::MpegAudio(mpeg) if mpeg.layer == 3 => "MP3",
            Self::MpegAudio(_) => "MPEG audio layer II",
        }
    }

    /// What the pictures look like; `None` for sound.
    pub const fn picture(&self) -> Option<&PictureFormat> {
        match self {
            Self::Avc(avc) => Some(&avc.picture),
            Self::Hevc(hevc) => Some(&hevc.picture),
            _ => None,
        }
    }

    /// What a decoder puts out; `None` for pictures.
    pub fn sound(&self) -> Option<SoundFormat> {
        Some(match self {
            Self::Avc(_) | Self::Hevc(_) => return None,
            Self::Aac(aac) => SoundFormat {
                sampling_frequency: aac.output_frequency(),
                channels: aac.channels(),
                timescale: aac.sampling_frequency,
                frame_samples: AacConfig::FRAME_SAMPLES,
            },
            Self::Ac3(ac3) => SoundFormat {
                sampling_frequency: ac3.sampling_frequency(),
                channels: ac3.channels(),
                timescale: ac3.sampling_frequency(),
                frame_samples: Ac3Config::FRAME_SAMPLES,
            },
            Self::Eac3(eac3) => SoundFormat {
                sampling_frequency: eac3.sampling_frequency,
                channels: eac3.channels(),
                timescale: eac3.sampling_frequency,
                frame_samples: Eac3Config::FRAME_SAMPLES,
            },
            Self::MpegAudio(mpeg) => SoundFormat {
                sampling_frequency: mpeg.sampling_frequency,
                channels: mpeg.channels,
                timescale: mpeg.sampling_frequency,
                frame_samples: mpeg.frame_samples(),
            },
        })
    }
}

/// What a decoder of sound puts out, and the grid that its frames lie on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoundFormat {
    /// Hertz of what is heard.
    pub sampling_frequency: u32,
    /// Loudspeaker channels.
    pub channels: u8,
    /// Hertz of the track's timescale: those of the core where a decoder doubles them.
    pub timescale: u32,
    /// Duration of every frame in ticks of the timescale.
    pub frame_samples: u32,
}

/// How a track is written in the source's elementary stream: which framer reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StreamSyntax {
    /// H.264 byte stream (ISO/IEC 14496-10 annex B).
    H264,
    /// HEVC byte stream (ISO/IEC 23008-2 annex B).
    H265,
    /// AAC in ADTS.
    Adts,
    /// AAC in LATM with the sync layer LOAS (ISO/IEC 14496-3 1.7).
    Latm,
    /// AC-3 or E-AC-3 (ETSI TS 102 366).
    Dolby,
    /// MPEG audio of layer II or III.
    MpegAudio,
}

impl StreamSyntax {
    /// Pictures or sound.
    pub const fn medium(self) -> Medium {
        match self {
            Self::H264 | Self::H265 => Medium::Video,
            Self::Adts | Self::Latm | Self::Dolby | Self::MpegAudio => Medium::Audio,
        }
    }
}
