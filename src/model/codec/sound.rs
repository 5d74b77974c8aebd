//! Configurations of sound codecs: AAC, AC-3, E-AC-3 and MPEG audio.

use serde::{Deserialize, Serialize};

/// Configuration of an AAC track (ISO/IEC 14496-3:2019 1.6.2.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// Configuration of an AC-3 track (ETSI TS 102 366 V1.4.1 4.3, F.4): fields of `syncinfo` and `bsi`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ac3Config {
    /// `fscod`: 0 is 48 kHz, 1 is 44.1 kHz, 2 is 32 kHz.
    pub fscod: u8,
    /// `bsid`, at most 8. 9 and 10 mean half and a quarter of the sampling frequency.
    pub bsid: u8,
    /// `bsmod`: kind of service.
    pub bsmod: u8,
    /// `acmod`: which main channels there are.
    pub acmod: u8,
    /// `lfeon`: there is a channel for low frequencies.
    pub lfe: bool,
    /// `frmsizecod >> 1`: the bit rate.
    pub bit_rate_code: u8,
}

impl Ac3Config {
    /// PCM samples in one frame.
    pub const FRAME_SAMPLES: u32 = 1536;

    /// Hertz.
    pub const fn sampling_frequency(&self) -> u32 {
        let full = dolby_frequency(self.fscod);
        match self.bsid {
            9 => full / 2,
            10 => full / 4,
            _ => full,
        }
    }

    /// Loudspeaker channels.
    pub const fn channels(&self) -> u8 {
        main_channels(self.acmod) + self.lfe as u8
    }
}

/// Configuration of an E-AC-3 track (ETSI TS 102 366 V1.4.1 annexes E and F.6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Eac3Config {
    /// Sampling frequency in hertz, halved rates included.
    pub sampling_frequency: u32,
    /// Bit rate over all substreams in kbit/s, as the first access unit has it.
    pub data_rate: u16,
    /// The independent substreams, at least one.
    pub substreams: Vec<Eac3Substream>,
    /// `complexity_index_type_a` where the stream carries joint object coding (Dolby Atmos;
    /// ETSI TS 103 420 C.3): how many objects, at most.
    pub joc_complexity: Option<u8>,
}

/// An independent substream of E-AC-3 and what depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Eac3Substream {
    /// `fscod`, or 3 for halved rates.
    pub fscod: u8,
    /// `bsid`, 11 to 16.
    pub bsid: u8,
    /// `bsmod`.
    pub bsmod: u8,
    /// `acmod`.
    pub acmod: u8,
    /// `lfeon`.
    pub lfe: bool,
    /// Dependent substreams.
    pub dependents: u8,
    /// `chan_loc` of `dec3` (F.6.2.14): which further places the dependent substreams have.
    pub locations: u16,
}

impl Eac3Config {
    /// PCM samples in one access unit: six blocks, however many frames they come in.
    pub const FRAME_SAMPLES: u32 = 1536;

    /// Loudspeaker channels of the first program, objects aside.
    pub fn channels(&self) -> u8 {
        self.substreams.first().map_or(0, |first| {
            // Pairs by bit of chan_loc from the lowest: Lc/Rc, Lrs/Rrs, Cs, Ts, Lsd/Rsd, Lw/Rw,
            // Lvh/Rvh, Cvh, LFE2.
            const CHANNELS: [u8; 9] = [2, 2, 1, 1, 2, 2, 2, 1, 1];
            let further: u8 = CHANNELS
                .iter()
                .enumerate()
                .filter(|(bit, _)| first.locations >> bit & 1 == 1)
                .map(|(_, channels)| channels)
                .sum();
            main_channels(first.acmod) + u8::from(first.lfe) + further
        })
    }
}

/// Hertz by `fscod`; 48 kHz for the reserved value, which framers refuse.
const fn dolby_frequency(fscod: u8) -> u32 {
    match fscod {
        1 => 44_100,
        2 => 32_000,
        _ => 48_000,
    }
}

/// Main channels by `acmod` (ETSI TS 102 366 table 4.3).
const fn main_channels(acmod: u8) -> u8 {
    match acmod {
        1 => 1,
        0 | 2 => 2,
        3 | 4 => 3,
        5 | 6 => 4,
        _ => 5,
    }
}

/// Configuration of an MPEG audio track (ISO/IEC 11172-3, ISO/IEC 13818-3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MpegAudioConfig {
    /// Layer: 2 or 3.
    pub layer: u8,
    /// ISO/IEC 11172-3 at 32 kHz and more; otherwise ISO/IEC 13818-3 and below.
    pub is_mpeg1: bool,
    /// Hertz.
    pub sampling_frequency: u32,
    /// 1 or 2.
    pub channels: u8,
}

impl MpegAudioConfig {
    /// PCM samples in one frame.
    pub const fn frame_samples(&self) -> u32 {
        if self.layer == 3 && !self.is_mpeg1 { 576 } else { 1152 }
    }

    /// `objectTypeIndication` (mp4ra.org): 0x6B for ISO/IEC 11172-3, 0x69 for ISO/IEC 13818-3.
    pub const fn object_type_indication(&self) -> u8 {
        if self.is_mpeg1 { 0x6B } else { 0x69 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependent_substreams_add_channels() {
        let first = Eac3Substream { acmod: 7, lfe: true, ..Eac3Substream::default() };
        let with = |locations| Eac3Config {
            sampling_frequency: 48_000,
            data_rate: 640,
            substreams: vec![Eac3Substream { locations, dependents: 1, ..first.clone() }],
            joc_complexity: None,
        };
        assert_eq!(with(0).channels(), 6);
        assert_eq!(with(0b10).channels(), 8);
    }
}
