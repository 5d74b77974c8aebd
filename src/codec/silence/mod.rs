//! Frames of silence: what stands in for sound that cannot be read.
//!
//! A frame decodes to nothing but zeros, with the channels and the sampling frequency of the track,
//! and needs no frame before or after it:
//!
//! - AAC (ISO/IEC 14496-3:2019 4.4.2): the elements that the channel configuration stands for,
//!   none of which codes a spectral band. High-efficiency extensions are left out; decoders that
//!   know of them stretch the silence of the core.
//! - MPEG audio (ISO/IEC 11172-3 2.4.1.6 and 2.4.1.7, ISO/IEC 13818-3): layer II allocates no bits
//!   to any subband, layer III gives none to any granule.
//! - AC-3 and E-AC-3: see `dolby`.
//!
//! E-AC-3 with dependent or several independent substreams, and AAC whose channels a program
//! config element lists, have no such frame here: whoever asks has to do without the sound.

mod dolby;
#[cfg(test)]
mod tests;

use crate::model::codec::{AacConfig, CodecConfig, MpegAudioConfig};

/// A frame of silence in the form in which fragments store frames of this codec; `None` for
/// pictures and where no such frame is known.
pub fn silent_frame(codec: &CodecConfig) -> Option<Vec<u8>> {
    match codec {
        CodecConfig::Aac(config) => aac_block(config),
        CodecConfig::MpegAudio(config) => mpeg_frame(config),
        CodecConfig::Ac3(config) => dolby::ac3_frame(config),
        CodecConfig::Eac3(config) => dolby::eac3_frame(config),
        CodecConfig::Avc(_) | CodecConfig::Hevc(_) => None,
    }
}

/// Writes bits, most significant first.
#[derive(Debug, Default)]
struct Bits {
    bytes: Vec<u8>,
    length: usize,
}

impl Bits {
    /// The lowest `count` bits of `value`.
    fn put(&mut self, value: u32, count: u32) {
        for bit in (0..count).rev() {
            if self.length.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> bit & 1) as u8) << (7 - self.length % 8);
            }
            self.length += 1;
        }
    }
}

/// Syntactic elements of a `raw_data_block` (table 4.85).
#[derive(Clone, Copy)]
enum Element {
    Single,
    Pair,
    LowFrequency,
}

/// `raw_data_block` (tables 4.3 to 4.6 and 4.44 to 4.50).
fn aac_block(config: &AacConfig) -> Option<Vec<u8>> {
    use Element::{LowFrequency, Pair, Single};
    // Table 1.19.
    let elements: &[Element] = match config.channel_configuration {
        1 => &[Single],
        2 => &[Pair],
        3 => &[Single, Pair],
        4 => &[Single, Pair, Single],
        5 => &[Single, Pair, Pair],
        6 => &[Single, Pair, Pair, LowFrequency],
        7 => &[Single, Pair, Pair, Pair, LowFrequency],
        _ => return None,
    };
    let mut bits = Bits::default();
    let mut tags = [0, 0, 0];
    for &element in elements {
        let (id, [single, pair, low]) = match element {
            Single => (0, [1, 0, 0]),
            Pair => (1, [0, 1, 0]),
            LowFrequency => (3, [0, 0, 1]),
        };
        let [singles, pairs, lows] = tags;
        let tag = singles * single + pairs * pair + lows * low;
        tags = [singles + single, pairs + pair, lows + low];
        bits.put(id, 3); // id_syn_ele
        bits.put(tag, 4); // element_instance_tag
        if let Pair = element {
            bits.put(1, 1); // common_window
            put_ics_info(&mut bits);
            bits.put(0, 2); // ms_mask_present
            put_channel(&mut bits, false);
            put_channel(&mut bits, false);
        } else {
            put_channel(&mut bits, true);
        }
    }
    bits.put(7, 3); // ID_END
    Some(bits.bytes)
}

/// `ics_info` of a long window without any scale factor band.
fn put_ics_info(bits: &mut Bits) {
    bits.put(0, 1); // ics_reserved_bit
    bits.put(0, 2); // window_sequence: ONLY_LONG_SEQUENCE
    bits.put(0, 1); // window_shape
    bits.put(0, 6); // max_sfb: neither sections nor scale factors nor spectral data follow
    bits.put(0, 1); // predictor_data_present
}

/// `individual_channel_stream`.
fn put_channel(bits: &mut Bits, with_info: bool) {
    bits.put(0, 8); // global_gain
    if with_info {
        put_ics_info(bits);
    }
    bits.put(0, 3); // pulse_data_present, tns_data_present, gain_control_data_present
}

/// A header (ISO/IEC 11172-3 2.4.1.3) and zeros: no allocation in layer II, no side information
/// but zeros in layer III.
fn mpeg_frame(config: &MpegAudioConfig) -> Option<Vec<u8>> {
    let version = match (config.is_mpeg1, config.sampling_frequency) {
        (true, _) => 0b11,
        (false, 16_000..) => 0b10,
        (false, _) => 0b00, // the extension to the lowest frequencies that everyone knows
    };
    let frequency = match config.sampling_frequency {
        44_100 | 22_050 | 11_025 => 0,
        48_000 | 24_000 | 12_000 => 1,
        32_000 | 16_000 | 8_000 => 2,
        _ => return None,
    };
    // Bit rates that all modes may have, as index and bit/s, and bytes × hertz of a frame per bit/s.
    let (layer, (index, rate), factor) = match (config.layer, config.is_mpeg1) {
        (2, true) => (0b10, (4, 64_000), 144),
        (2, false) => (0b10, (4, 32_000), 144),
        (3, true) => (0b01, (1, 32_000), 144),
        (3, false) => (0b01, (1, 8_000), 72),
        _ => return None,
    };
    let mut bits = Bits::default();
    bits.put(0x7FF, 11); // syncword
    bits.put(version, 2);
    bits.put(layer, 2);
    bits.put(1, 1); // protection_bit: no CRC
    bits.put(index, 4);
    bits.put(frequency, 2);
    bits.put(0, 2); // padding_bit, private_bit
    bits.put(if config.channels == 1 { 0b11 } else { 0b00 }, 2); // mode
    bits.put(0, 6); // mode_extension, copyright, original, emphasis
    let mut frame = bits.bytes;
    frame.resize((factor * rate / config.sampling_frequency) as usize, 0);
    Some(frame)
}
