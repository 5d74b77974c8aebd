//! `AudioSpecificConfig` (ISO/IEC 14496-3:2019 1.6.2.1), as LATM carries it.
//!
//! Read for AAC with frames of 1024 samples. The sampling frequency and channels are those of the
//! core; replication and parametric stereo are told by the object type, or by what stands behind
//! where the length of the whole is known. All else is refused by name.

use super::{FREQUENCIES, program_config};
use crate::codec::ConfigError;
use crate::codec::bits::BitReader;
use crate::model::codec::{AacConfig, AacExtension};

/// Object types (table 1.17).
const SBR: u32 = 5;
const PS: u32 = 29;

/// Reads the configuration; `length` is its bits where known, so that what stands behind the
/// configuration of the core can be told from what is no part of it.
pub(in crate::codec) fn read(
    bits: &mut BitReader<'_>,
    length: Option<usize>,
) -> Result<AacConfig, ConfigError> {
    let start = bits.bits_read();
    let mut object_type = read_object_type(bits)?;
    let (frequency_index, sampling_frequency) = read_frequency(bits)?;
    let mut channel_configuration = bits.bits(4, "channelConfiguration")? as u8;
    let mut extension = AacExtension::None;
    if object_type == SBR || object_type == PS {
        extension = if object_type == PS { AacExtension::SbrPs } else { AacExtension::Sbr };
        read_frequency(bits)?;
        object_type = read_object_type(bits)?;
    }
    if !(1..=4).contains(&object_type) {
        return Err(ConfigError::Unsupported { feature: object_type_name(object_type) });
    }
    // GASpecificConfig (4.4.1)
    if bits.flag("frameLengthFlag")? {
        return Err(ConfigError::Unsupported { feature: "AAC with frames of 960 samples" });
    }
    if bits.flag("dependsOnCoreCoder")? {
        bits.bits(14, "coreCoderDelay")?;
    }
    bits.flag("extensionFlag")?;
    if channel_configuration == 0 {
        channel_configuration = program_config::read(bits, start)?;
    }
    if channel_configuration > 7 {
        return Err(ConfigError::Unsupported { feature: "an AAC channelConfiguration above 7" });
    }
    if extension == AacExtension::None
        && let Some(length) = length
    {
        extension = read_extension(bits, start + length)?;
    }
    Ok(AacConfig {
        object_type: object_type as u8,
        sampling_frequency,
        frequency_index,
        channel_configuration,
        extension,
    })
}

fn read_object_type(bits: &mut BitReader<'_>) -> Result<u32, ConfigError> {
    match bits.bits(5, "audioObjectType")? {
        31 => Ok(32 + bits.bits(6, "audioObjectTypeExt")?),
        object_type => Ok(object_type),
    }
}

/// A sampling frequency and its index.
fn read_frequency(bits: &mut BitReader<'_>) -> Result<(u8, u32), ConfigError> {
    const FIELD: &str = "samplingFrequencyIndex";
    let index = bits.bits(4, FIELD)?;
    if index == 15 {
        let frequency = bits.bits(24, "samplingFrequency")?;
        let index = FREQUENCIES
            .iter()
            .position(|&known| known == frequency)
            .ok_or(ConfigError::Unsupported { feature: "AAC of an unusual sampling frequency" })?;
        return Ok((index as u8, frequency));
    }
    let frequency = FREQUENCIES.get(index as usize);
    let frequency = *frequency.ok_or(ConfigError::Forbidden { field: FIELD, value: index })?;
    Ok((index as u8, frequency))
}

/// What stands behind the configuration of the core, up to `end`: `sbrPresentFlag` and
/// `psPresentFlag`.
fn read_extension(bits: &mut BitReader<'_>, end: usize) -> Result<AacExtension, ConfigError> {
    let left = |bits: &BitReader<'_>| end.saturating_sub(bits.bits_read());
    if left(bits) < 16
        || bits.bits(11, "syncExtensionType")? != 0x2B7
        || read_object_type(bits)? != SBR
        || !bits.flag("sbrPresentFlag")?
    {
        return Ok(AacExtension::None);
    }
    read_frequency(bits)?;
    let has_stereo = left(bits) >= 12
        && bits.bits(11, "syncExtensionType")? == 0x548
        && bits.flag("psPresentFlag")?;
    Ok(if has_stereo { AacExtension::SbrPs } else { AacExtension::Sbr })
}

const fn object_type_name(object_type: u32) -> &'static str {
    match object_type {
        6 | 20 => "AAC scalable",
        17 | 19 | 23 => "error resilient AAC",
        39 => "AAC-ELD",
        42 => "USAC (xHE-AAC)",
        _ => "an MPEG-4 audio object type other than AAC",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::bits::BitWriter;

    fn read_all(bytes: &[u8]) -> Result<AacConfig, ConfigError> {
        read(&mut BitReader::new(bytes), Some(bytes.len() * 8))
    }

    fn shown(bytes: &[u8]) -> (u8, u32, u8, AacExtension) {
        let config = read_all(bytes).unwrap();
        let AacConfig { object_type, sampling_frequency, channel_configuration, extension, .. } =
            config;
        (object_type, sampling_frequency, channel_configuration, extension)
    }

    #[test]
    fn all_ways_to_signal_extensions_are_read() {
        // LC 44.1 kHz stereo, as ffmpeg writes it with an extension that says "none".
        assert_eq!(shown(&[0x12, 0x10, 0x56, 0xE5, 0x00]), (2, 44_100, 2, AacExtension::None));
        // HE-AAC by object type, as fdk-aac writes it: 5, 24 kHz, stereo, 48 kHz, 2.
        assert_eq!(shown(&[0x2B, 0x11, 0x88, 0x00]), (2, 24_000, 2, AacExtension::Sbr));
        // HE-AAC v2 by object type: 29, 22.05 kHz, mono, 44.1 kHz, 2.
        assert_eq!(shown(&[0xEB, 0x8A, 0x08, 0x00]), (2, 22_050, 1, AacExtension::SbrPs));
        // HE-AAC and v2 behind the core's configuration.
        assert_eq!(shown(&[0x13, 0x10, 0x56, 0xE5, 0x98]), (2, 24_000, 2, AacExtension::Sbr));
        let v2 = [0x13, 0x08, 0x56, 0xE5, 0x9D, 0x48, 0x80];
        assert_eq!(shown(&v2), (2, 24_000, 1, AacExtension::SbrPs));
        // The same, with a length that leaves it out.
        let core = read(&mut BitReader::new(&v2), Some(16)).unwrap();
        assert_eq!(core.extension, AacExtension::None);
    }

    #[test]
    fn a_stated_frequency_and_channels_by_element_are_read() {
        let mut bits = BitWriter::default();
        bits.put(2, 5).put(15, 4).put(48_000, 24).put(0, 4).put(0, 3);
        program_config::tests::write(&mut bits, [&[0, 1], &[1], &[]]);
        assert_eq!(shown(&bits.into_bytes()), (2, 48_000, 6, AacExtension::None));
    }

    #[test]
    fn what_is_not_read_is_refused_by_name() {
        let refusal = |bytes: &[u8]| read_all(bytes).unwrap_err().to_string();
        assert!(refusal(&[0x12, 0x14]).contains("960"));
        // xHE-AAC: 31 + 10
        assert!(refusal(&[0xF9, 0x46, 0x40, 0, 0]).contains("USAC"));
        assert!(refusal(&[0x12, 0x60]).contains("above 7"));
        assert!(refusal(&[0x12]).contains("ends inside"));
    }
}
