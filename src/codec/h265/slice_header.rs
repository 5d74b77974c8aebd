//! How long a slice segment header is (ISO/IEC 23008-2:2020 7.3.6.1).
//!
//! As in H.264, the header has to be read field by field to find its end. It is padded to whole
//! bytes by `byte_alignment()`, so no byte belongs to it only in part.
//!
//! Does not keep what the fields say. Slices of higher layers (multiview, scalable) and of the screen
//! content profiles are not read; nor are NAL unit types that are still reserved.

use std::collections::BTreeMap;

use super::nal_type;
use super::parameter_sets::{Picture, Sequence, at_most, bits_for, read_last_reference};
use super::reference_set::ReferenceSet;
use crate::codec::ConfigError;
use crate::codec::bits::BitReader;

/// Measures slice segment headers; holds the fields of parameter sets, by ID, that their syntax
/// depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SliceHeaders {
    sequence: BTreeMap<u32, Sequence>,
    picture: BTreeMap<u32, Picture>,
}

/// What kind of blocks a slice has (table 7-7).
#[derive(Clone, Copy, PartialEq, Eq)]
enum SliceType {
    B,
    P,
    I,
}

/// What slices say about their place among pictures, where it matters for what follows.
#[derive(Clone, Copy, Default)]
struct References {
    /// `NumPicTotalCurr`.
    total: u32,
    /// `slice_temporal_mvp_enabled_flag`.
    temporal_prediction: bool,
}

impl SliceHeaders {
    /// Reads sequence and picture parameter sets, NAL headers included, in any order. Those that
    /// cannot be read are left out, and so is every other kind of NAL unit.
    pub fn new<'a>(sets: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut headers = Self::default();
        for nal in sets {
            match nal.first().map(|header| header >> 1 & 0x3F) {
                Some(nal_type::SPS) => headers.add_sequence(nal),
                Some(nal_type::PPS) => headers.add_picture(nal),
                _ => {}
            }
        }
        headers
    }

    /// Takes a sequence parameter set, NAL header included, in place of one with the same ID. One
    /// that cannot be read changes nothing.
    pub fn add_sequence(&mut self, nal: &[u8]) {
        if let Ok((id, fields)) = Sequence::parse(nal) {
            self.sequence.insert(id, fields);
        }
    }

    /// Takes a picture parameter set, NAL header included, in place of one with the same ID. One
    /// that cannot be read changes nothing.
    pub fn add_picture(&mut self, nal: &[u8]) {
        if let Ok((id, fields)) = Picture::parse(nal) {
            self.picture.insert(id, fields);
        }
    }

    /// Bytes from the start of a slice segment's NAL unit to the first byte behind its header. NAL
    /// header and emulation prevention count.
    ///
    /// Fails where the NAL unit is no slice segment of the lowest layer, ends inside of its header,
    /// breaks the syntax, or names parameter sets that are not here.
    pub fn header_bytes(&self, nal: &[u8]) -> Result<usize, ConfigError> {
        let mut bits = BitReader::escaped(nal);
        bits.flag("forbidden_zero_bit")?;
        let kind = bits.bits(6, "nal_unit_type")?;
        let layer = bits.bits(6, "nuh_layer_id")?;
        bits.bits(3, "nuh_temporal_id_plus1")?;
        if !matches!(kind, 0..=9 | 16..=21) {
            return Err(ConfigError::Unsupported { feature: "a NAL unit without slice header" });
        }
        if layer > 0 {
            return Err(ConfigError::Unsupported { feature: "several layers" });
        }
        let is_first = bits.flag("first_slice_segment_in_pic_flag")?;
        if kind >= 16 {
            bits.flag("no_output_of_prior_pics_flag")?;
        }
        let id = bits.unsigned("slice_pic_parameter_set_id")?;
        let set = "picture parameter set";
        let picture = self.picture.get(&id).ok_or(ConfigError::Unknown { set, id })?;
        let id = picture.sequence_id;
        let set = "sequence parameter set";
        let sequence = self.sequence.get(&id).ok_or(ConfigError::Unknown { set, id })?;
        let mut is_dependent = false;
        if !is_first {
            is_dependent =
                picture.dependent_segments && bits.flag("dependent_slice_segment_flag")?;
            bits.bits(sequence.address_bits, "slice_segment_address")?;
        }
        if !is_dependent {
            let is_idr = matches!(kind, 19 | 20);
            skip_independent(&mut bits, sequence, picture, is_idr)?;
        }
        if picture.has_entry_points {
            skip_entry_points(&mut bits)?;
        }
        if picture.has_header_extension {
            let field = "slice_segment_header_extension_length";
            for _ in 0..at_most(bits.unsigned(field)?, 256, field)? {
                bits.bits(8, "slice_segment_header_extension_data_byte")?;
            }
        }
        let field = "alignment_bit_equal_to_one";
        if !bits.flag(field)? {
            return Err(ConfigError::Forbidden { field, value: 0 });
        }
        while !bits.is_aligned() {
            let field = "alignment_bit_equal_to_zero";
            if bits.flag(field)? {
                return Err(ConfigError::Forbidden { field, value: 1 });
            }
        }
        Ok(bits.bytes_begun())
    }
}

/// What a slice says about its picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PictureStart {
    /// It is an I slice.
    pub is_intra: bool,
    /// `slice_pic_order_cnt_lsb`, which is 0 in IDR pictures, and how many bits it has.
    pub order: Option<(u32, u32)>,
}

impl SliceHeaders {
    /// Reads the header of a picture's slice up to the picture order; `None` where it cannot be
    /// read, and for dependent slice segments.
    pub(super) fn picture_start(&self, nal: &[u8]) -> Option<PictureStart> {
        let mut bits = BitReader::escaped(nal);
        let kind = bits.bits(16, "NAL header").ok()? >> 9 & 0x3F;
        let is_first = bits.flag("first_slice_segment_in_pic_flag").ok()?;
        if kind >= 16 {
            bits.flag("no_output_of_prior_pics_flag").ok()?;
        }
        let picture = self.picture.get(&bits.unsigned("slice_pic_parameter_set_id").ok()?)?;
        let sequence = self.sequence.get(&picture.sequence_id)?;
        if !is_first {
            if picture.dependent_segments && bits.flag("dependent_slice_segment_flag").ok()? {
                return None;
            }
            bits.bits(sequence.address_bits, "slice_segment_address").ok()?;
        }
        bits.bits(picture.extra_bits, "slice_reserved_flag").ok()?;
        let is_intra = bits.unsigned("slice_type").ok()? == 2;
        if picture.has_output_flag {
            bits.flag("pic_output_flag").ok()?;
        }
        if sequence.separate_planes {
            bits.bits(2, "colour_plane_id").ok()?;
        }
        let width = sequence.order_bits;
        let low = match kind {
            // IDR pictures say nothing and mean 0.
            19 | 20 => 0,
            _ => bits.bits(width, "slice_pic_order_cnt_lsb").ok()?,
        };
        Some(PictureStart { is_intra, order: Some((low, width)) })
    }
}

/// The fields that a dependent slice segment takes over from the one before.
fn skip_independent(
    bits: &mut BitReader<'_>,
    sequence: &Sequence,
    picture: &Picture,
    is_idr: bool,
) -> Result<(), ConfigError> {
    bits.bits(picture.extra_bits, "slice_reserved_flag")?;
    let field = "slice_type";
    let slice_type = match bits.unsigned(field)? {
        0 => SliceType::B,
        1 => SliceType::P,
        2 => SliceType::I,
        value => return Err(ConfigError::Forbidden { field, value }),
    };
    if picture.has_output_flag {
        bits.flag("pic_output_flag")?;
    }
    if sequence.separate_planes {
        bits.bits(2, "colour_plane_id")?;
    }
    let references = if is_idr { References::default() } else { read_references(bits, sequence)? };
    let mut is_filtered = false;
    if sequence.sample_adaptive_offset {
        is_filtered = bits.flag("slice_sao_luma_flag")?;
        is_filtered |= sequence.has_chroma && bits.flag("slice_sao_chroma_flag")?;
    }
    if slice_type != SliceType::I {
        skip_prediction(bits, sequence, picture, slice_type, references)?;
    }
    bits.signed("slice_qp_delta")?;
    if picture.has_chroma_qp_offsets {
        bits.signed("slice_cb_qp_offset")?;
        bits.signed("slice_cr_qp_offset")?;
    }
    if picture.has_chroma_qp_lists {
        bits.flag("cu_chroma_qp_offset_enabled_flag")?;
    }
    let mut deblocking_disabled = picture.deblocking_disabled;
    if picture.may_override_deblocking && bits.flag("deblocking_filter_override_flag")? {
        deblocking_disabled = bits.flag("slice_deblocking_filter_disabled_flag")?;
        if !deblocking_disabled {
            bits.signed("slice_beta_offset_div2")?;
            bits.signed("slice_tc_offset_div2")?;
        }
    }
    is_filtered |= !deblocking_disabled;
    if picture.filters_across_slices && is_filtered {
        bits.flag("slice_loop_filter_across_slices_enabled_flag")?;
    }
    Ok(())
}

/// The place in the order of pictures, and the pictures that are kept.
fn read_references(
    bits: &mut BitReader<'_>,
    sequence: &Sequence,
) -> Result<References, ConfigError> {
    bits.bits(sequence.order_bits, "slice_pic_order_cnt_lsb")?;
    let sets = &sequence.reference_sets;
    let mut total = if bits.flag("short_term_ref_pic_set_sps_flag")? {
        let field = "short_term_ref_pic_set_idx";
        let value = bits.bits(bits_for(sets.len() as u64), field)?;
        sets.get(value as usize).ok_or(ConfigError::Forbidden { field, value })?.used()
    } else {
        ReferenceSet::read(bits, sets, true)?.used()
    };
    if let Some(known) = &sequence.long_term {
        total += read_long_term(bits, sequence.order_bits, known)?;
    }
    let temporal_prediction =
        sequence.temporal_prediction && bits.flag("slice_temporal_mvp_enabled_flag")?;
    Ok(References { total, temporal_prediction })
}

/// Long-term reference pictures; gives how many of them the current picture may be predicted from.
fn read_long_term(
    bits: &mut BitReader<'_>,
    order_bits: u32,
    known: &[bool],
) -> Result<u32, ConfigError> {
    let listed = if known.is_empty() { 0 } else { bits.unsigned("num_long_term_sps")? };
    let own = bits.unsigned("num_long_term_pics")?;
    let mut used = 0;
    for index in 0..u64::from(listed) + u64::from(own) {
        let is_used = if index < u64::from(listed) {
            let field = "lt_idx_sps";
            let value = bits.bits(bits_for(known.len() as u64), field)?;
            *known.get(value as usize).ok_or(ConfigError::Forbidden { field, value })?
        } else {
            bits.bits(order_bits, "poc_lsb_lt")?;
            bits.flag("used_by_curr_pic_lt_flag")?
        };
        used += u32::from(is_used);
        if bits.flag("delta_poc_msb_present_flag")? {
            bits.unsigned("delta_poc_msb_cycle_lt")?;
        }
    }
    Ok(used)
}

/// What P and B slices say about the pictures they are predicted from.
fn skip_prediction(
    bits: &mut BitReader<'_>,
    sequence: &Sequence,
    picture: &Picture,
    slice_type: SliceType,
    references: References,
) -> Result<(), ConfigError> {
    let is_b = slice_type == SliceType::B;
    let lists = if is_b { 2 } else { 1 };
    let mut last_references = picture.reference_defaults;
    if bits.flag("num_ref_idx_active_override_flag")? {
        for last in last_references.iter_mut().take(lists) {
            *last = read_last_reference(bits)?;
        }
    }
    if picture.has_list_modification && references.total > 1 {
        let width = bits_for(u64::from(references.total));
        for last in last_references.into_iter().take(lists) {
            if bits.flag("ref_pic_list_modification_flag")? {
                for _ in 0..=last {
                    bits.bits(width, "list_entry")?;
                }
            }
        }
    }
    if is_b {
        bits.flag("mvd_l1_zero_flag")?;
    }
    if picture.has_cabac_init {
        bits.flag("cabac_init_flag")?;
    }
    if references.temporal_prediction {
        let is_from_first = !is_b || bits.flag("collocated_from_l0_flag")?;
        let [first, second] = last_references;
        let last = if is_from_first { first } else { second };
        if last > 0 {
            bits.unsigned("collocated_ref_idx")?;
        }
    }
    let is_weighted = if is_b { picture.weighted_bipred } else { picture.weighted_pred };
    if is_weighted {
        bits.unsigned("luma_log2_weight_denom")?;
        if sequence.has_chroma {
            bits.signed("delta_chroma_log2_weight_denom")?;
        }
        for last in last_references.into_iter().take(lists) {
            skip_weights(bits, last, sequence.has_chroma)?;
        }
    }
    bits.unsigned("five_minus_max_num_merge_cand")?;
    Ok(())
}

/// One list of `pred_weight_table` (7.3.6.3). A reference picture of the same layer always has other
/// order than the current one, so all have their flags.
fn skip_weights(bits: &mut BitReader<'_>, last: u32, has_chroma: bool) -> Result<(), ConfigError> {
    let luma = bits.bits(last + 1, "luma_weight_flag")?;
    let chroma = if has_chroma { bits.bits(last + 1, "chroma_weight_flag")? } else { 0 };
    for index in (0..=last).rev() {
        if luma >> index & 1 == 1 {
            bits.signed("delta_luma_weight")?;
            bits.signed("luma_offset")?;
        }
        if chroma >> index & 1 == 1 {
            for _ in 0..2 {
                bits.signed("delta_chroma_weight")?;
                bits.signed("delta_chroma_offset")?;
            }
        }
    }
    Ok(())
}

fn skip_entry_points(bits: &mut BitReader<'_>) -> Result<(), ConfigError> {
    let count = bits.unsigned("num_entry_point_offsets")?;
    if count > 0 {
        let field = "offset_len_minus1";
        let width = 1 + at_most(bits.unsigned(field)?, 31, field)?;
        // As many as the bits reach for, whatever the count says.
        for _ in 0..count {
            bits.bits(width, "entry_point_offset_minus1")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Parameter sets, and slices with the bytes that their headers take, as ffmpeg's
    /// `trace_headers` measures them. Each slice ends a few bytes behind its header.
    struct Stream {
        sets: [&'static str; 2],
        slices: &'static [(usize, &'static str)],
    }

    /// x265, 352 × 288: `slices=4:weightp=1:weightb=1:bframes=4`. Weights, entry points of rows.
    const WEIGHTED: Stream = Stream {
        sets: [
            "42010101600000030090000003000003003ca00b08048596566924caf0168080000003008000000c84",
            "4401c172b64240",
        ],
        slices: &[
            (23, "00016503117ffb865207822042810b8444021821b0a254c8459c"),
            (23, "0201650e112a92bee194828e1485389204613b09213948f6695e"),
            (22, "0001e0622fff70ca40f04408502170888043043614c0fe0e57"),
            (20, "10016513116abfb87c86926e2482626c2884f3e0fac1cf"),
            (19, "0201648104affb9b203e0420fa0fac721308809cc2b6"),
        ],
    };
    /// x265: `no-sao=1:no-deblock=1:bframes=0:ref=4`. The last is an IDR picture.
    const PLAIN: Stream = Stream {
        sets: [
            "42010101600000030090000003000003003ca00b080485965a4a4c2f016808000003000800000300c840",
            "4401c073c1d240",
        ],
        slices: &[
            (20, "0201d068bffc920e122a173d056168af3bda83ba2684e7"),
            (16, "0201d011ff520e127a0e19a04ea15a782684d2"),
            (14, "0201d0097883849a26d971c5585a2282bc"),
            (10, "2801ac7092532aaaaac0071fff"),
        ],
    };
    /// Written bit by bit: dependent segments, long-term references, chosen lists, extensions of
    /// headers, entry points, sets of reference pictures by difference.
    const LISTS: Stream = Stream {
        sets: [
            "4201030408000003000003000003000003005d0000b0068201a166841c20f54901895d84ba36431f\
             24f13a17e420",
            "4401c4b1b443c644f8e8",
        ],
        slices: &[
            (35, "000168590024c2517a6691690422880800004cab74640000030000030000030000200803014d"),
            (33, "2601e33a28d0800000030000030006b4f79e8800008038000299807735ce56d216ffff02"),
            (19, "2a01a3af8c88ae8d9d158c0000030020003574ff02ff"),
            (18, "02014260c36c868b7968445410e44c6ed8f0034d03"),
            (18, "100148a9004b61a09c9af426dd46b0299178020301"),
            (8, "0201c6ccc5368bc00101ff"),
        ],
    };
    /// Written bit by bit: three sub-layers, scaling lists, offsets of chroma, no order of lists.
    const LAYERED: Stream = Stream {
        sets: [
            "4201030408000003000003000003000003005d8000040800000300000300000300000300b006c201\
             71626107083a52242eea56b496a4a1efa1a2",
            "4401e4219443e4934e80",
        ],
        slices: &[
            (25, "000146119ea31436174b85102516c380000003000003000018030102"),
            (20, "1001c60016dabea705db888b61743c2a18d54630ff014d"),
            (15, "2801e3128b4130000050000003010800004d"),
            (15, "2a01773902e545994ec3c7800000c002004d"),
            (15, "0201ca7894e997bdfb6a65c698945f01ff02"),
        ],
    };
    const STREAMS: [Stream; 4] = [WEIGHTED, PLAIN, LISTS, LAYERED];

    fn headers(stream: &Stream) -> SliceHeaders {
        let sets = stream.sets.map(|set| hex::decode(set).unwrap());
        SliceHeaders::new(sets.iter().map(Vec::as_slice))
    }

    #[test]
    fn headers_are_as_long_as_ffmpeg_finds_them() {
        for stream in &STREAMS {
            let headers = headers(stream);
            for &(expected, slice) in stream.slices {
                let nal = hex::decode(slice).unwrap();
                assert_eq!(headers.header_bytes(&nal), Ok(expected), "{slice}");
            }
        }
    }

    #[test]
    fn a_header_that_is_cut_is_not_measured() {
        for stream in &STREAMS {
            let headers = headers(stream);
            for &(expected, slice) in stream.slices {
                let nal = hex::decode(slice).unwrap();
                for end in 0..expected {
                    let measured = headers.header_bytes(&nal[..end]);
                    assert!(
                        matches!(measured, Err(ConfigError::Truncated { .. })),
                        "{slice} {end}"
                    );
                }
                assert_eq!(headers.header_bytes(&nal[..expected]), Ok(expected));
            }
        }
    }

    #[test]
    fn a_header_without_its_alignment_is_refused() {
        let headers = headers(&PLAIN);
        let mut nal = hex::decode(PLAIN.slices[3].1).unwrap();
        // The last byte of this header: a field, the alignment bit, padding.
        assert_eq!(nal[9], 0b1100_0000);
        nal[9] |= 1;
        assert!(headers.header_bytes(&nal).is_err());
    }

    #[test]
    fn unknown_sets_and_other_units_are_told_apart() {
        let mut headers = SliceHeaders::default();
        let slice = hex::decode(WEIGHTED.slices[0].1).unwrap();
        let unknown = |set| Err(ConfigError::Unknown { set, id: 0 });
        assert_eq!(headers.header_bytes(&slice), unknown("picture parameter set"));
        headers.add_picture(&hex::decode(WEIGHTED.sets[1]).unwrap());
        assert_eq!(headers.header_bytes(&slice), unknown("sequence parameter set"));
        headers.add_sequence(&hex::decode(WEIGHTED.sets[0]).unwrap());
        assert_eq!(headers.header_bytes(&slice), Ok(23));
        for kind in [10, 15, 22, 31, 32, 39] {
            let mut other = slice.clone();
            other[0] = kind << 1;
            let measured = headers.header_bytes(&other);
            assert!(matches!(measured, Err(ConfigError::Unsupported { .. })), "{kind}");
        }
        let mut higher_layer = slice;
        higher_layer[1] |= 8;
        assert_eq!(
            headers.header_bytes(&higher_layer),
            Err(ConfigError::Unsupported { feature: "several layers" })
        );
    }

    #[test]
    fn sets_of_higher_layers_and_of_screen_content_are_left_out() {
        let mut layered = hex::decode(WEIGHTED.sets[0]).unwrap();
        layered[1] |= 8;
        let mut screen = hex::decode(WEIGHTED.sets[0]).unwrap();
        screen[3] = 9;
        let sets = SliceHeaders::new([&layered[..], &screen].into_iter());
        assert_eq!(sets, SliceHeaders::default());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_measure_beyond_the_end(
            stream in 0..STREAMS.len(),
            sets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..3),
            mut nal in proptest::collection::vec(any::<u8>(), 2..60),
            kind in 0_u8..22,
        ) {
            let mut headers = headers(&STREAMS[stream]);
            for set in &sets {
                headers.add_sequence(&[&[0x42, 1][..], set].concat());
                headers.add_picture(&[&[0x44, 1][..], set].concat());
            }
            nal[0] = kind << 1;
            nal[1] = 1;
            if let Ok(bytes) = headers.header_bytes(&nal) {
                prop_assert!(bytes <= nal.len());
            }
        }
    }
}
