//! `program_config_element` (ISO/IEC 14496-3:2019 4.4.1.1): the channels of a stream whose
//! `channelConfiguration` is 0.
//!
//! Only element orders that have a `channelConfiguration` of their own are taken: a frame of such a
//! stream is decoded alike under that number, and there is no need to keep the element. Encoders
//! write the element for 5.1 with side instead of back channels; the elements are the same ones.

use crate::codec::ConfigError;
use crate::codec::bits::BitReader;

/// `id_syn_ele` of the element in a `raw_data_block`.
pub(super) const ELEMENT_ID: u32 = 5;

/// Front elements and those behind, in order, pairs as `true`; low-frequency elements; and the
/// `channelConfiguration` (ISO/IEC 14496-3:2019 table 1.19).
const LAYOUTS: [(&[bool], &[bool], u32, u8); 7] = [
    (&[false], &[], 0, 1),
    (&[true], &[], 0, 2),
    (&[false, true], &[], 0, 3),
    (&[false, true], &[false], 0, 4),
    (&[false, true], &[true], 0, 5),
    (&[false, true], &[true], 1, 6),
    (&[false, true, true], &[true], 1, 7),
];

/// Reads the element; returns the `channelConfiguration` that has its elements. `start` is the bit
/// that alignment counts from.
pub(super) fn read(bits: &mut BitReader<'_>, start: usize) -> Result<u8, ConfigError> {
    const FIELD: &str = "program_config_element";
    // element_instance_tag, object_type, sampling_frequency_index
    bits.bits(4 + 2 + 4, FIELD)?;
    let front_count = bits.bits(4, "num_front_channel_elements")?;
    let side_count = bits.bits(4, "num_side_channel_elements")?;
    let back_count = bits.bits(4, "num_back_channel_elements")?;
    let low_count = bits.bits(2, "num_lfe_channel_elements")?;
    let data_count = bits.bits(3, "num_assoc_data_elements")?;
    let coupling_count = bits.bits(4, "num_valid_cc_elements")?;
    for (bits_of_it, field) in
        [(4, "mono_mixdown"), (4, "stereo_mixdown"), (2 + 1, "matrix_mixdown")]
    {
        if bits.flag(field)? {
            bits.bits(bits_of_it, field)?;
        }
    }
    let mut elements = |count: u32| -> Result<Vec<bool>, ConfigError> {
        (0..count)
            .map(|_| {
                let is_pair = bits.flag(FIELD)?;
                bits.bits(4, FIELD)?;
                Ok(is_pair)
            })
            .collect()
    };
    let front = elements(front_count)?;
    let behind = elements(side_count + back_count)?;
    bits.bits(4 * low_count, FIELD)?;
    bits.bits(4 * data_count, FIELD)?;
    for _ in 0..coupling_count {
        bits.bits(5, FIELD)?;
    }
    bits.bits((start.wrapping_sub(bits.bits_read()) % 8) as u32, "byte_alignment")?;
    for _ in 0..bits.bits(8, "comment_field_bytes")? {
        bits.bits(8, "comment_field_data")?;
    }
    LAYOUTS
        .iter()
        .find(|layout| {
            coupling_count == 0 && (layout.0, layout.1, layout.2) == (&front, &behind, low_count)
        })
        .map(|layout| layout.3)
        .ok_or(ConfigError::Unsupported {
            feature: "an AAC channel layout that no channelConfiguration from 1 to 7 has",
        })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::codec::bits::BitWriter;

    /// An element with these front, side and back elements, pairs as 1, and one for low frequencies.
    pub(in crate::codec::aac) fn write(bits: &mut BitWriter, layout: [&[u32]; 3]) {
        bits.put(0, 4).put(1, 2).put(3, 4);
        for elements in layout {
            bits.put(elements.len() as u32, 4);
        }
        bits.put(1, 2).put(0, 3).put(0, 4).put(0, 3);
        for (tag, &is_pair) in layout.iter().copied().flatten().enumerate() {
            bits.put(is_pair, 1).put(tag as u32, 4);
        }
        bits.put(0, 4).align().put(2, 8).put(0x6869, 16);
    }

    fn channel_configuration(layout: [&[u32]; 3]) -> Result<u8, ConfigError> {
        let mut bits = BitWriter::default();
        write(&mut bits, layout);
        bits.put(0xA5, 8);
        let bytes = bits.into_bytes();
        let mut bits = BitReader::new(&bytes);
        let read = read(&mut bits, 0)?;
        assert_eq!(bits.bits(8, "behind"), Ok(0xA5));
        Ok(read)
    }

    #[test]
    fn surround_at_the_side_or_in_the_back_is_configuration_6() {
        assert_eq!(channel_configuration([&[0, 1], &[1], &[]]), Ok(6));
        assert_eq!(channel_configuration([&[0, 1], &[], &[1]]), Ok(6));
        assert_eq!(channel_configuration([&[0, 1, 1], &[], &[1]]), Ok(7));
    }

    #[test]
    fn other_layouts_are_refused_by_name() {
        for layout in [[&[1][..], &[1], &[]], [&[0, 1], &[1], &[1]], [&[1, 0], &[], &[1]]] {
            let refusal = channel_configuration(layout).unwrap_err();
            assert!(matches!(refusal, ConfigError::Unsupported { .. }), "{refusal}");
        }
    }
}
