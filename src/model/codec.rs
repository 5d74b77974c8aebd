//! What a decoder must know before the first sample, as a closed set of codecs.
//!
//! The `codec` room reads these out of elementary streams; manifests and init segments are printed
//! from them. Nothing here parses.

use std::fmt::Write as _;

/// The configuration of one track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodecConfig {
    /// H.264.
    Avc(AvcConfig),
    /// AAC.
    Aac(AacConfig),
}

impl CodecConfig {
    /// The RFC 6381 codec string, such as `avc1.64001e` or `mp4a.40.2`.
    pub fn rfc6381(&self) -> String {
        match self {
            Self::Avc(avc) => {
                format!("avc1.{:02x}{:02x}{:02x}", avc.profile_idc, avc.constraints, avc.level_idc)
            }
            Self::Aac(aac) => {
                let mut text = "mp4a.40.".to_owned();
                let _ = write!(text, "{}", aac.signalled_object_type());
                text
            }
        }
    }
}

/// Configuration of an H.264 track (ISO/IEC 14496-10:2022 7.3.2.1, ISO/IEC 14496-15:2022 5.3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvcConfig {
    /// `profile_idc` of the first sequence parameter set.
    pub profile_idc: u8,
    /// The byte of constraint flags that follows it.
    pub constraints: u8,
    /// `level_idc`.
    pub level_idc: u8,
    /// `chroma_format_idc`: 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    pub chroma_format_idc: u8,
    /// Luma bits per sample.
    pub bit_depth_luma: u8,
    /// Chroma bits per sample.
    pub bit_depth_chroma: u8,
    /// Cropped width in samples.
    pub width: u32,
    /// Cropped height in samples.
    pub height: u32,
    /// Sample aspect ratio (width, height); (1, 1) when the stream does not say.
    pub sample_aspect_ratio: (u16, u16),
    /// Sequence parameter sets, NAL header included, in order of their IDs.
    pub sequence_parameter_sets: Vec<Vec<u8>>,
    /// Picture parameter sets, NAL header included, in order of their IDs.
    pub picture_parameter_sets: Vec<Vec<u8>>,
}

impl AvcConfig {
    /// All parameter sets in decoding order.
    pub fn parameter_sets(&self) -> impl Iterator<Item = &[u8]> {
        self.sequence_parameter_sets.iter().chain(&self.picture_parameter_sets).map(Vec::as_slice)
    }
}

/// Configuration of an AAC track (ISO/IEC 14496-3:2019 1.6.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AacConfig {
    /// Audio object type of the core: 2 is LC.
    pub object_type: u8,
    /// Sampling frequency of the core in hertz; also the track's timescale.
    pub sampling_frequency: u32,
    /// `samplingFrequencyIndex` of the ADTS headers.
    pub frequency_index: u8,
    /// `channelConfiguration` (ISO/IEC 14496-3:2019 table 1.19).
    pub channel_configuration: u8,
    /// High-efficiency extensions that the core carries without saying so in its headers.
    pub extension: AacExtension,
}

/// High-efficiency extensions of AAC, signalled implicitly in ADTS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AacExtension {
    /// Plain AAC.
    #[default]
    None,
    /// Spectral band replication (HE-AAC).
    Sbr,
    /// Spectral band replication and parametric stereo (HE-AAC v2).
    SbrPs,
}

impl AacConfig {
    /// PCM samples of the core in one frame.
    pub const FRAME_SAMPLES: u32 = 1024;

    /// The object type that the codec string shows: 2, 5 or 29.
    pub const fn signalled_object_type(&self) -> u8 {
        match self.extension {
            AacExtension::None => self.object_type,
            AacExtension::Sbr => 5,
            AacExtension::SbrPs => 29,
        }
    }

    /// Loudspeaker channels that a decoder puts out.
    pub const fn channels(&self) -> u8 {
        match (self.channel_configuration, self.extension) {
            (1, AacExtension::SbrPs) => 2,
            (7, _) => 8,
            (count, _) => count,
        }
    }

    /// Sampling frequency that a decoder puts out, in hertz.
    pub const fn output_frequency(&self) -> u32 {
        match self.extension {
            AacExtension::None => self.sampling_frequency,
            AacExtension::Sbr | AacExtension::SbrPs => self.sampling_frequency * 2,
        }
    }

    /// The two bytes of `AudioSpecificConfig` with implicit signalling of extensions, which every
    /// decoder accepts (ISO/IEC 14496-3:2019 1.6.5.2).
    pub const fn audio_specific_config(&self) -> [u8; 2] {
        [
            self.object_type << 3 | self.frequency_index >> 1,
            self.frequency_index << 7 | self.channel_configuration << 3,
        ]
    }
}
