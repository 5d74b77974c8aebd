//! How long a slice header is (ISO/IEC 14496-10:2022 7.3.3).
//!
//! Encryption leaves slice headers clear, and players that look into the slice themselves must find
//! the same end of it as we do. Nothing tells the length; the header has to be read field by field,
//! and which fields there are depends on the picture parameter set that the slice names and on the
//! sequence parameter set that this one names:
//!
//! ```text
//! header │ first_mb … frame_num … │ lists │ weights │ marking │ … deblocking │ slice data
//!      1 │ SPS: widths, order, fields │ PPS: weights, CABAC, deblocking, slice groups
//!        └──────────────── header_bytes ─────────────────────────────────────┘
//! ```
//!
//! Does not keep what the fields say. Partitions B and C (NAL unit types 3 and 4) do not name their
//! picture parameter set and cannot be measured; slices of scalable and multiview streams (types 20
//! and 21) are not read.

use std::collections::BTreeMap;

use super::nal_type;
use super::parameter_sets::{Sps, at_most};
use crate::codec::ConfigError;
use crate::codec::bits::BitReader;

/// Measures slice headers; holds the fields of parameter sets, by ID, that their syntax depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SliceHeaders {
    sequence: BTreeMap<u32, SequenceFields>,
    picture: BTreeMap<u32, PictureFields>,
}

/// What slice headers depend on in a sequence parameter set (7.3.2.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SequenceFields {
    /// `separate_colour_plane_flag`.
    pub separate_planes: bool,
    /// `ChromaArrayType` is not 0.
    pub has_chroma: bool,
    /// Bits of `frame_num`.
    pub frame_num_bits: u32,
    /// How pictures tell their order.
    pub order: PictureOrder,
    /// `frame_mbs_only_flag`.
    pub frames_only: bool,
    /// `PicSizeInMapUnits`.
    pub map_units: u32,
}

/// What slices say about the order of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PictureOrder {
    /// `pic_order_cnt_lsb` in so many bits (type 0).
    Lsb { bits: u32 },
    /// `delta_pic_order_cnt` (type 1).
    Delta,
    /// Nothing (type 2, or type 1 where all deltas are 0).
    Implied,
}

/// What slice headers depend on in a picture parameter set (7.3.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PictureFields {
    sequence_id: u32,
    is_cabac: bool,
    /// `bottom_field_pic_order_in_frame_present_flag`.
    has_bottom_order: bool,
    /// `SliceGroupChangeRate` of slice groups that grow from picture to picture.
    change_rate: Option<u32>,
    /// `num_ref_idx_l0_default_active_minus1` and that of list 1.
    reference_defaults: [u32; 2],
    weighted_pred: bool,
    weighted_bipred_idc: u32,
    has_deblocking: bool,
    has_redundant_count: bool,
}

/// What kind of macroblocks a slice has (table 7-6).
#[derive(Clone, Copy, PartialEq, Eq)]
enum SliceType {
    P,
    B,
    I,
    SwitchingP,
    SwitchingI,
}

impl SliceHeaders {
    /// Reads sequence and picture parameter sets, NAL headers included, in any order. Those that
    /// cannot be read are left out, and so is every other kind of NAL unit.
    pub fn new<'a>(sets: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut headers = Self::default();
        for nal in sets {
            match nal.first().map(|header| header & 0x1F) {
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
        if let Ok(sps) = Sps::parse(nal) {
            self.sequence.insert(sps.id, sps.slices);
        }
    }

    /// Takes a picture parameter set, NAL header included, in place of one with the same ID. One
    /// that cannot be read changes nothing.
    pub fn add_picture(&mut self, nal: &[u8]) {
        if let Ok((id, fields)) = PictureFields::parse(nal) {
            self.picture.insert(id, fields);
        }
    }

    /// Bytes from the start of a slice NAL unit to the first byte behind its slice header. NAL
    /// header and emulation prevention count, and so does a byte that belongs only in part to the
    /// slice header.
    ///
    /// Fails where the NAL unit is none that begins with a slice header, ends inside of it, breaks
    /// the syntax, or names parameter sets that are not here.
    pub fn header_bytes(&self, nal: &[u8]) -> Result<usize, ConfigError> {
        let mut bits = BitReader::escaped(nal);
        bits.flag("forbidden_zero_bit")?;
        let is_reference = bits.bits(2, "nal_ref_idc")? != 0;
        let kind = bits.bits(5, "nal_unit_type")?;
        let is_idr = kind == u32::from(nal_type::IDR);
        let begins_with_header = is_idr
            || kind == u32::from(nal_type::SLICE)
            || kind == u32::from(nal_type::PARTITION_A);
        if !begins_with_header {
            return Err(ConfigError::Unsupported { feature: "a NAL unit without slice header" });
        }
        bits.unsigned("first_mb_in_slice")?;
        let slice_type = SliceType::read(&mut bits)?;
        let id = bits.unsigned("pic_parameter_set_id")?;
        let set = "picture parameter set";
        let picture = self.picture.get(&id).ok_or(ConfigError::Unknown { set, id })?;
        let id = picture.sequence_id;
        let set = "sequence parameter set";
        let sequence = self.sequence.get(&id).ok_or(ConfigError::Unknown { set, id })?;

        if sequence.separate_planes {
            bits.bits(2, "colour_plane_id")?;
        }
        bits.bits(sequence.frame_num_bits, "frame_num")?;
        let is_field = !sequence.frames_only && bits.flag("field_pic_flag")?;
        if is_field {
            bits.flag("bottom_field_flag")?;
        }
        if is_idr {
            bits.unsigned("idr_pic_id")?;
        }
        skip_order(&mut bits, sequence.order, picture.has_bottom_order && !is_field)?;
        if picture.has_redundant_count {
            bits.unsigned("redundant_pic_cnt")?;
        }
        skip_prediction(&mut bits, slice_type, picture, sequence.has_chroma)?;
        if is_reference {
            skip_marking(&mut bits, is_idr)?;
        }
        if picture.is_cabac && slice_type.lists() > 0 {
            bits.unsigned("cabac_init_idc")?;
        }
        bits.signed("slice_qp_delta")?;
        if slice_type == SliceType::SwitchingP {
            bits.flag("sp_for_switch_flag")?;
        }
        if matches!(slice_type, SliceType::SwitchingP | SliceType::SwitchingI) {
            bits.signed("slice_qs_delta")?;
        }
        if picture.has_deblocking && bits.unsigned("disable_deblocking_filter_idc")? != 1 {
            bits.signed("slice_alpha_c0_offset_div2")?;
            bits.signed("slice_beta_offset_div2")?;
        }
        if let Some(rate) = picture.change_rate {
            bits.bits(change_cycle_bits(sequence.map_units, rate), "slice_group_change_cycle")?;
        }
        Ok(bits.bytes_begun())
    }
}

/// What a slice says about its picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PictureStart {
    /// `frame_num`.
    pub frame_number: u32,
    /// `bottom_field_flag` of a field; `None` for frames.
    pub is_bottom_field: Option<bool>,
    /// `pic_order_cnt_lsb`, and how many bits it has.
    pub order: Option<(u32, u32)>,
}

impl SliceHeaders {
    /// Reads a slice's header up to the picture order; `None` where it cannot be read.
    pub(super) fn picture_start(&self, nal: &[u8]) -> Option<PictureStart> {
        let mut bits = BitReader::escaped(nal);
        let header = bits.bits(8, "NAL header").ok()?;
        let is_idr = header & 0x1F == u32::from(nal_type::IDR);
        bits.unsigned("first_mb_in_slice").ok()?;
        bits.unsigned("slice_type").ok()?;
        let picture = self.picture.get(&bits.unsigned("pic_parameter_set_id").ok()?)?;
        let sequence = self.sequence.get(&picture.sequence_id)?;
        if sequence.separate_planes {
            bits.bits(2, "colour_plane_id").ok()?;
        }
        let frame_number = bits.bits(sequence.frame_num_bits, "frame_num").ok()?;
        let is_field = !sequence.frames_only && bits.flag("field_pic_flag").ok()?;
        let is_bottom_field =
            if is_field { Some(bits.flag("bottom_field_flag").ok()?) } else { None };
        if is_idr {
            bits.unsigned("idr_pic_id").ok()?;
        }
        let order = match sequence.order {
            PictureOrder::Lsb { bits: width } => {
                Some((bits.bits(width, "pic_order_cnt_lsb").ok()?, width))
            }
            PictureOrder::Delta | PictureOrder::Implied => None,
        };
        Some(PictureStart { frame_number, is_bottom_field, order })
    }
}

/// Whether a slice NAL unit holds an I slice (7.3.3, table 7-6).
pub(super) fn is_intra_slice(nal: &[u8]) -> bool {
    let mut bits = BitReader::escaped(nal);
    let kind = bits
        .bits(8, "NAL header")
        .and_then(|_| bits.unsigned("first_mb_in_slice"))
        .and_then(|_| SliceType::read(&mut bits));
    kind.is_ok_and(|kind| kind.lists() == 0)
}

impl SliceType {
    fn read(bits: &mut BitReader<'_>) -> Result<Self, ConfigError> {
        match bits.unsigned("slice_type")? {
            0 | 5 => Ok(Self::P),
            1 | 6 => Ok(Self::B),
            2 | 7 => Ok(Self::I),
            3 | 8 => Ok(Self::SwitchingP),
            4 | 9 => Ok(Self::SwitchingI),
            value => Err(ConfigError::Forbidden { field: "slice_type", value }),
        }
    }

    /// How many lists of reference pictures it uses.
    const fn lists(self) -> usize {
        match self {
            Self::I | Self::SwitchingI => 0,
            Self::P | Self::SwitchingP => 1,
            Self::B => 2,
        }
    }
}

impl PictureFields {
    /// The ID, and the fields; what comes behind them is not read.
    fn parse(nal: &[u8]) -> Result<(u32, Self), ConfigError> {
        let mut bits = BitReader::escaped(nal);
        bits.bits(8, "NAL header")?;
        let field = "pic_parameter_set_id";
        let id = at_most(bits.unsigned(field)?, 255, field)?;
        let field = "seq_parameter_set_id";
        let sequence_id = at_most(bits.unsigned(field)?, 31, field)?;
        let is_cabac = bits.flag("entropy_coding_mode_flag")?;
        let has_bottom_order = bits.flag("bottom_field_pic_order_in_frame_present_flag")?;
        let field = "num_slice_groups_minus1";
        let last_group = at_most(bits.unsigned(field)?, 7, field)?;
        let change_rate = if last_group > 0 { read_groups(&mut bits, last_group)? } else { None };
        let mut reference_defaults = [0; 2];
        for default in &mut reference_defaults {
            *default = read_last_reference(&mut bits)?;
        }
        let weighted_pred = bits.flag("weighted_pred_flag")?;
        let weighted_bipred_idc = bits.bits(2, "weighted_bipred_idc")?;
        bits.signed("pic_init_qp_minus26")?;
        bits.signed("pic_init_qs_minus26")?;
        bits.signed("chroma_qp_index_offset")?;
        let has_deblocking = bits.flag("deblocking_filter_control_present_flag")?;
        bits.flag("constrained_intra_pred_flag")?;
        let has_redundant_count = bits.flag("redundant_pic_cnt_present_flag")?;
        let fields = Self {
            sequence_id,
            is_cabac,
            has_bottom_order,
            change_rate,
            reference_defaults,
            weighted_pred,
            weighted_bipred_idc,
            has_deblocking,
            has_redundant_count,
        };
        Ok((id, fields))
    }
}

/// `num_ref_idx_…_active_minus1`: the last index into a list of at most 32 fields (7.4.3).
fn read_last_reference(bits: &mut BitReader<'_>) -> Result<u32, ConfigError> {
    let field = "num_ref_idx_active_minus1";
    at_most(bits.unsigned(field)?, 31, field)
}

/// The map of slice groups; gives the change rate of those that change.
fn read_groups(bits: &mut BitReader<'_>, last_group: u32) -> Result<Option<u32>, ConfigError> {
    let field = "slice_group_map_type";
    match bits.unsigned(field)? {
        0 => {
            for _ in 0..=last_group {
                bits.unsigned("run_length_minus1")?;
            }
        }
        1 => {}
        2 => {
            for _ in 0..last_group {
                bits.unsigned("top_left")?;
                bits.unsigned("bottom_right")?;
            }
        }
        3..=5 => {
            bits.flag("slice_group_change_direction_flag")?;
            let rate = bits.unsigned("slice_group_change_rate_minus1")?;
            return Ok(Some(rate.saturating_add(1)));
        }
        6 => {
            let count = u64::from(bits.unsigned("pic_size_in_map_units_minus1")?) + 1;
            let width = u32::BITS - last_group.leading_zeros();
            // As many as the bits reach for, whatever the count says.
            for _ in 0..count {
                bits.bits(width, "slice_group_id")?;
            }
        }
        value => return Err(ConfigError::Forbidden { field, value }),
    }
    Ok(None)
}

/// Bits of `slice_group_change_cycle`: Ceil(Log2(PicSizeInMapUnits ÷ SliceGroupChangeRate + 1)),
/// where ÷ does not round (7-38).
fn change_cycle_bits(map_units: u32, rate: u32) -> u32 {
    let (units, rate) = (u64::from(map_units), u64::from(rate));
    (0..32).find(|&bits| rate << bits >= units + rate).unwrap_or(32)
}

fn skip_order(
    bits: &mut BitReader<'_>,
    order: PictureOrder,
    has_bottom: bool,
) -> Result<(), ConfigError> {
    match order {
        PictureOrder::Lsb { bits: width } => {
            bits.bits(width, "pic_order_cnt_lsb")?;
            if has_bottom {
                bits.signed("delta_pic_order_cnt_bottom")?;
            }
        }
        PictureOrder::Delta => {
            bits.signed("delta_pic_order_cnt[0]")?;
            if has_bottom {
                bits.signed("delta_pic_order_cnt[1]")?;
            }
        }
        PictureOrder::Implied => {}
    }
    Ok(())
}

/// What slices say about the pictures they are predicted from.
fn skip_prediction(
    bits: &mut BitReader<'_>,
    slice_type: SliceType,
    picture: &PictureFields,
    has_chroma: bool,
) -> Result<(), ConfigError> {
    if slice_type == SliceType::B {
        bits.flag("direct_spatial_mv_pred_flag")?;
    }
    let lists = slice_type.lists();
    let mut last_references = picture.reference_defaults;
    if lists > 0 && bits.flag("num_ref_idx_active_override_flag")? {
        for last in last_references.iter_mut().take(lists) {
            *last = read_last_reference(bits)?;
        }
    }
    for _ in 0..lists {
        skip_list_modification(bits)?;
    }
    let is_weighted = match slice_type {
        SliceType::P | SliceType::SwitchingP => picture.weighted_pred,
        SliceType::B => picture.weighted_bipred_idc == 1,
        SliceType::I | SliceType::SwitchingI => false,
    };
    if is_weighted {
        bits.unsigned("luma_log2_weight_denom")?;
        if has_chroma {
            bits.unsigned("chroma_log2_weight_denom")?;
        }
        for last in last_references.into_iter().take(lists) {
            for _ in 0..=last {
                skip_weights(bits, has_chroma)?;
            }
        }
    }
    Ok(())
}

/// `ref_pic_list_modification` of one list (7.3.3.1).
fn skip_list_modification(bits: &mut BitReader<'_>) -> Result<(), ConfigError> {
    const END: u32 = 3;
    if !bits.flag("ref_pic_list_modification_flag")? {
        return Ok(());
    }
    loop {
        let field = "modification_of_pic_nums_idc";
        match bits.unsigned(field)? {
            0 | 1 => bits.unsigned("abs_diff_pic_num_minus1")?,
            2 => bits.unsigned("long_term_pic_num")?,
            END => return Ok(()),
            value => return Err(ConfigError::Forbidden { field, value }),
        };
    }
}

/// One reference picture of `pred_weight_table` (7.3.3.2).
fn skip_weights(bits: &mut BitReader<'_>, has_chroma: bool) -> Result<(), ConfigError> {
    if bits.flag("luma_weight_flag")? {
        bits.signed("luma_weight")?;
        bits.signed("luma_offset")?;
    }
    if has_chroma && bits.flag("chroma_weight_flag")? {
        for _ in 0..2 {
            bits.signed("chroma_weight")?;
            bits.signed("chroma_offset")?;
        }
    }
    Ok(())
}

/// `dec_ref_pic_marking` (7.3.3.3).
fn skip_marking(bits: &mut BitReader<'_>, is_idr: bool) -> Result<(), ConfigError> {
    if is_idr {
        bits.flag("no_output_of_prior_pics_flag")?;
        bits.flag("long_term_reference_flag")?;
        return Ok(());
    }
    if !bits.flag("adaptive_ref_pic_marking_mode_flag")? {
        return Ok(());
    }
    loop {
        let field = "memory_management_control_operation";
        match bits.unsigned(field)? {
            0 => return Ok(()),
            1 => bits.unsigned("difference_of_pic_nums_minus1")?,
            2 => bits.unsigned("long_term_pic_num")?,
            3 => {
                bits.unsigned("difference_of_pic_nums_minus1")?;
                bits.unsigned("long_term_frame_idx")?
            }
            4 => bits.unsigned("max_long_term_frame_idx_plus1")?,
            5 => 0,
            6 => bits.unsigned("long_term_frame_idx")?,
            value => return Err(ConfigError::Forbidden { field, value }),
        };
    }
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

    /// x264, 352 × 288: `slices=4:weightp=2:weightb=1:bframes=3:ref=4`. CABAC, weights, B slices.
    const WEIGHTED: Stream = Stream {
        sets: ["6764000dacd9416096c044000003000400000300c83c50a658", "68e938f2c8b0"],
        slices: &[
            (28, "410379a894ba842105a21cf01cc1b80e6019a0398066c073074024ffb6a24a"),
            (25, "410379acd4ba842105b214b05c3e0b80e20b80e305c11009bfa8adbe"),
            (22, "419a453c2108642604e03ec803fc8010181380fe044f5c3d7b"),
            (13, "41009a9b9935082d93298115ffbe47f0"),
            (8, "65009a8884002bfffef673"),
            (8, "410379e636a53dff64137a"),
        ],
    };
    /// x264: `profile=baseline:slices=3:cabac=0:ref=5`.
    const BASELINE: Stream = Stream {
        sets: ["6742c00dd9816096c044000003000400000300c83c50a9a0", "68c960f2c8"],
        slices: &[
            (7, "65010a22102bc98a0002"),
            (7, "4100849a5417f00f8574"),
            (6, "41010a2223f118a000"),
            (4, "4188885ff3c46d"),
            (4, "6588823ffab836"),
        ],
    };
    /// x264: `tff=1:slices=4:bframes=2`. Frames of interlaced video, marking by operations.
    const INTERLACED: Stream = Stream {
        sets: ["67640015acd941612d808800000300080000030190f8a14cb0", "68fba3cb22c0"],
        slices: &[
            (10, "4101366d216d2d9111ffb45881"),
            (8, "6503788820b02bfff6f673"),
            (8, "4105a79857a94f2f4ebdff"),
            (7, "0105a7a077a97fba3a6c"),
            (6, "6588820b02bff6f673"),
        ],
    };
    /// Written bit by bit: fields, redundant pictures, SP and SI slices, long-term references.
    const EXTENDED: Stream = Stream {
        sets: ["6758001e9630a0d84490", "68c8d14035d8"],
        slices: &[
            (13, "4100e4e017e89c72721dccce23030002"),
            (11, "2101b24c9ceed18113310a010003"),
            (11, "610100580257dab24c49f5000003"),
            (10, "0100b5eea3e88a3c134d02014d"),
            (8, "25b80406e0d20c6a024d03"),
            (8, "210188ea20000425000301"),
        ],
    };
    /// Written bit by bit: fields, picture order of type 1, CABAC.
    const ORDER_BY_DELTAS: Stream = Stream {
        sets: ["674d001e9d0e29a099460892", "68e8a40f88"],
        slices: &[
            (11, "01030f5060359be423097f020103"),
            (11, "2102238018020b94ac919f4d004d"),
            (9, "010233c9d002730aff020003"),
            (8, "25b80102701fd04f010202"),
        ],
    };
    /// Written bit by bit: explicit weights of both lists of a B slice.
    const WEIGHTED_TWICE: Stream = Stream {
        sets: ["6758001e950e2918a04cb2", "68dc51053980"],
        slices: &[
            (
                51,
                "01021a8a003320fe0c4812804ac1072020802027812103f00b580f781f005d2034816e06f014b81a\
                 87083901c480d4014609454d0203",
            ),
            (
                46,
                "0104ea00009b8099d8e0f80810fa0cc3220520f020480480040684040811480bd05010348081e05a\
                 019501923f29020301",
            ),
        ],
    };
    const STREAMS: [Stream; 6] =
        [WEIGHTED, BASELINE, INTERLACED, EXTENDED, ORDER_BY_DELTAS, WEIGHTED_TWICE];

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
    fn emulation_prevention_inside_the_header_counts() {
        // An IDR slice of ORDER_BY_DELTAS whose frame_num holds a byte of zeros.
        let headers = headers(&ORDER_BY_DELTAS);
        let plain = [0x25, 0xB8, 0x00, 0x00, 0x01, 0x02, 0x70, 0x1F, 0xD0, 0x4F, 0x01, 0x02, 0x02];
        let escaped = [&plain[..4], &[3], &plain[4..]].concat();
        let expected = headers.header_bytes(&plain).unwrap();
        assert!(expected > 4);
        assert_eq!(headers.header_bytes(&escaped), Ok(expected + 1));
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
        assert_eq!(headers.header_bytes(&slice), Ok(28));
        for kind in [0, 3, 4, 6, 7, 20] {
            let mut other = slice.clone();
            other[0] = 0x40 | kind;
            assert!(matches!(headers.header_bytes(&other), Err(ConfigError::Unsupported { .. })));
        }
    }

    #[test]
    fn a_set_that_comes_later_counts_from_then_on() {
        let mut headers = headers(&BASELINE);
        let slice = hex::decode(WEIGHTED.slices[0].1).unwrap();
        assert_ne!(headers.header_bytes(&slice), Ok(28));
        headers.add_sequence(&hex::decode(WEIGHTED.sets[0]).unwrap());
        headers.add_picture(&hex::decode(WEIGHTED.sets[1]).unwrap());
        assert_eq!(headers.header_bytes(&slice), Ok(28));
        headers.add_picture(&[0x68]);
        assert_eq!(headers.header_bytes(&slice), Ok(28));
    }

    #[test]
    fn the_change_cycle_takes_the_bits_that_its_largest_value_needs() {
        // Ceil(Log2(99 ÷ 1 + 1)), (99 ÷ 99 + 1), (100 ÷ 30 + 1), (90 ÷ 30 + 1).
        for (units, rate, bits) in [(99, 1, 7), (99, 99, 1), (100, 30, 3), (90, 30, 2)] {
            assert_eq!(change_cycle_bits(units, rate), bits, "{units} {rate}");
        }
        assert_eq!(change_cycle_bits(u32::MAX, 1), 32);
        assert_eq!(change_cycle_bits(1, u32::MAX), 1);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_measure_beyond_the_end(
            stream in 0..STREAMS.len(),
            sets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..3),
            mut nal in proptest::collection::vec(any::<u8>(), 0..60),
            kind in 1_u8..6,
        ) {
            let mut headers = headers(&STREAMS[stream]);
            for set in &sets {
                headers.add_sequence(set);
                headers.add_picture(set);
            }
            if let Some(first) = nal.first_mut() {
                *first = *first & 0x60 | kind;
            }
            if let Ok(bytes) = headers.header_bytes(&nal) {
                prop_assert!(bytes <= nal.len());
            }
        }
    }
}
