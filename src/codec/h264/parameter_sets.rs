//! Sequence and picture parameter sets → [`AvcConfig`] (ISO/IEC 14496-10:2022 7.3.2.1, Annex E).
//!
//! Only what manifests and init segments show is read: profile, size, aspect ratio; and what the
//! syntax of slice headers depends on.

use std::collections::BTreeMap;

use super::nal_type;
use super::slice_header::{PictureOrder, SequenceFields, SliceHeaders};
use crate::codec::ConfigError;
use crate::codec::bits::{BitReader, unescape};
use crate::codec::byte_stream::Change;
use crate::model::codec::{AvcConfig, Colour, PictureFormat};

/// Parameter sets by ID, as they were last seen in the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterSets {
    sequence: BTreeMap<u32, Vec<u8>>,
    picture: BTreeMap<u32, Vec<u8>>,
    slice_headers: SliceHeaders,
}

impl ParameterSets {
    /// What a set would change.
    pub fn change(&self, nal: &[u8]) -> Result<Change, ConfigError> {
        let mut known = self.sequence.values().chain(self.picture.values());
        if known.any(|known| known == nal) {
            return Ok(Change::None);
        }
        let (is_sequence, id) = identify(nal)?;
        let sets = if is_sequence { &self.sequence } else { &self.picture };
        Ok(if sets.contains_key(&id) { Change::Replaced } else { Change::Added })
    }

    /// Takes a set, NAL header included, in place of one with the same ID; one that cannot be read
    /// changes nothing.
    pub fn add(&mut self, nal: &[u8]) {
        match identify(nal) {
            Ok((true, id)) => {
                self.sequence.insert(id, nal.to_vec());
                self.slice_headers.add_sequence(nal);
            }
            Ok((false, id)) => {
                self.picture.insert(id, nal.to_vec());
                self.slice_headers.add_picture(nal);
            }
            Err(_) => {}
        }
    }

    /// What measures slice headers under the sets as they were last seen. A slice is measured before
    /// the next set is added.
    pub fn slice_headers(&self) -> &SliceHeaders {
        &self.slice_headers
    }

    /// What a decoder needs.
    pub fn config(&self) -> Result<AvcConfig, ConfigError> {
        let first = self.sequence.values().next();
        let first = first.ok_or(ConfigError::Truncated { field: "sequence parameter set" })?;
        if self.picture.is_empty() {
            return Err(ConfigError::Truncated { field: "picture parameter set" });
        }
        let sps = Sps::parse(first)?;
        Ok(AvcConfig {
            profile_idc: sps.profile_idc,
            constraints: sps.constraints,
            level_idc: sps.level_idc,
            picture: PictureFormat {
                width: sps.width,
                height: sps.height,
                sample_aspect_ratio: sps.sample_aspect_ratio,
                chroma_format_idc: sps.chroma_format_idc,
                bit_depth_luma: sps.bit_depth_luma,
                bit_depth_chroma: sps.bit_depth_chroma,
                colour: sps.colour,
                interlaced: !sps.slices.frames_only,
                ..PictureFormat::default()
            },
            sequence_parameter_sets: self.sequence.values().cloned().collect(),
            picture_parameter_sets: self.picture.values().cloned().collect(),
        })
    }
}

/// Whether a NAL unit holds a sequence parameter set, and no picture parameter set; and its ID.
fn identify(nal: &[u8]) -> Result<(bool, u32), ConfigError> {
    let start = nal.get(1..nal.len().min(16)).unwrap_or_default();
    let rbsp = unescape(start);
    if nal.first().map(|header| header & 0x1F) == Some(nal_type::SPS) {
        let field = "seq_parameter_set_id";
        let mut bits = BitReader::new(rbsp.get(3..).unwrap_or_default());
        return Ok((true, at_most(bits.unsigned(field)?, 31, field)?));
    }
    let field = "pic_parameter_set_id";
    Ok((false, at_most(BitReader::new(&rbsp).unsigned(field)?, 255, field)?))
}

/// The fields of a sequence parameter set that we use.
pub(super) struct Sps {
    pub(super) id: u32,
    pub(super) slices: SequenceFields,
    profile_idc: u8,
    constraints: u8,
    level_idc: u8,
    chroma_format_idc: u8,
    bit_depth_luma: u8,
    bit_depth_chroma: u8,
    width: u32,
    height: u32,
    sample_aspect_ratio: (u16, u16),
    colour: Option<Colour>,
}

/// Sample aspect ratios by `aspect_ratio_idc` (table E-1); 0 is unspecified.
const ASPECT_RATIOS: [(u16, u16); 17] = [
    (1, 1),
    (1, 1),
    (12, 11),
    (10, 11),
    (16, 11),
    (40, 33),
    (24, 11),
    (20, 11),
    (32, 11),
    (80, 33),
    (18, 11),
    (15, 11),
    (64, 33),
    (160, 99),
    (4, 3),
    (3, 2),
    (2, 1),
];

/// Profiles whose parameter sets say more about chroma (7.3.2.1.1).
const CHROMA_PROFILES: [u8; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// The largest picture side that is believed: eight times level 6.2's usual 8192, and small enough
/// that no product of two sides overflows.
const MAX_SIDE: u32 = 65_535;

impl Sps {
    pub(super) fn parse(nal: &[u8]) -> Result<Self, ConfigError> {
        let rbsp = unescape(nal.get(1..).unwrap_or_default());
        let mut bits = BitReader::new(&rbsp);
        let profile_idc = bits.bits(8, "profile_idc")? as u8;
        let constraints = bits.bits(8, "constraint_set_flags")? as u8;
        let level_idc = bits.bits(8, "level_idc")? as u8;
        let id = at_most(bits.unsigned("seq_parameter_set_id")?, 31, "seq_parameter_set_id")?;
        let (mut chroma_format_idc, mut bit_depth_luma, mut bit_depth_chroma) = (1, 8, 8);
        let mut separate_planes = false;
        if CHROMA_PROFILES.contains(&profile_idc) {
            chroma_format_idc =
                at_most(bits.unsigned("chroma_format_idc")?, 3, "chroma_format_idc")?;
            if chroma_format_idc == 3 {
                separate_planes = bits.flag("separate_colour_plane_flag")?;
            }
            let field = "bit_depth_luma_minus8";
            bit_depth_luma = 8 + at_most(bits.unsigned(field)?, 6, field)?;
            let field = "bit_depth_chroma_minus8";
            bit_depth_chroma = 8 + at_most(bits.unsigned(field)?, 6, field)?;
            bits.flag("qpprime_y_zero_transform_bypass_flag")?;
            if bits.flag("seq_scaling_matrix_present_flag")? {
                let lists = if chroma_format_idc == 3 { 12 } else { 8 };
                for list in 0..lists {
                    if bits.flag("seq_scaling_list_present_flag")? {
                        skip_scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                    }
                }
            }
        }
        let field = "log2_max_frame_num_minus4";
        let frame_num_bits = 4 + at_most(bits.unsigned(field)?, 12, field)?;
        let order = match bits.unsigned("pic_order_cnt_type")? {
            0 => {
                let field = "log2_max_pic_order_cnt_lsb_minus4";
                PictureOrder::Lsb { bits: 4 + at_most(bits.unsigned(field)?, 12, field)? }
            }
            1 => {
                let always_zero = bits.flag("delta_pic_order_always_zero_flag")?;
                bits.signed("offset_for_non_ref_pic")?;
                bits.signed("offset_for_top_to_bottom_field")?;
                let field = "num_ref_frames_in_pic_order_cnt_cycle";
                for _ in 0..at_most(bits.unsigned(field)?, 255, field)? {
                    bits.signed("offset_for_ref_frame")?;
                }
                if always_zero { PictureOrder::Implied } else { PictureOrder::Delta }
            }
            2 => PictureOrder::Implied,
            value => return Err(ConfigError::Forbidden { field: "pic_order_cnt_type", value }),
        };
        bits.unsigned("max_num_ref_frames")?;
        bits.flag("gaps_in_frame_num_value_allowed_flag")?;
        let limit = MAX_SIDE / 16;
        let field = "pic_width_in_mbs_minus1";
        let width_mbs = 1 + at_most(bits.unsigned(field)?, limit, field)?;
        let field = "pic_height_in_map_units_minus1";
        let height_units = 1 + at_most(bits.unsigned(field)?, limit, field)?;
        let frames_only = bits.flag("frame_mbs_only_flag")?;
        if !frames_only {
            bits.flag("mb_adaptive_frame_field_flag")?;
        }
        bits.flag("direct_8x8_inference_flag")?;
        let field_factor = if frames_only { 1 } else { 2 };
        let (mut width, mut height) = (width_mbs * 16, height_units * 16 * field_factor);
        if bits.flag("frame_cropping_flag")? {
            // Crop units of 7.4.2.1.1, by ChromaArrayType.
            let chroma = if separate_planes { 0 } else { chroma_format_idc };
            let unit_x = if matches!(chroma, 1 | 2) { 2 } else { 1 };
            let unit_y = if chroma == 1 { 2 } else { 1 } * field_factor;
            let left = bits.unsigned("frame_crop_left_offset")?;
            let right = bits.unsigned("frame_crop_right_offset")?;
            let top = bits.unsigned("frame_crop_top_offset")?;
            let bottom = bits.unsigned("frame_crop_bottom_offset")?;
            width = crop(width, left, right, unit_x, "frame_crop_right_offset")?;
            height = crop(height, top, bottom, unit_y, "frame_crop_bottom_offset")?;
        }
        let (sample_aspect_ratio, colour) = if bits.flag("vui_parameters_present_flag")? {
            // What is broken behind here spoils no picture.
            (read_aspect_ratio(&mut bits)?, read_colour(&mut bits).unwrap_or_default())
        } else {
            ((1, 1), None)
        };
        Ok(Self {
            id,
            slices: SequenceFields {
                separate_planes,
                has_chroma: chroma_format_idc != 0 && !separate_planes,
                frame_num_bits,
                order,
                frames_only,
                map_units: width_mbs * height_units,
            },
            profile_idc,
            constraints,
            level_idc,
            chroma_format_idc: chroma_format_idc as u8,
            bit_depth_luma: bit_depth_luma as u8,
            bit_depth_chroma: bit_depth_chroma as u8,
            width,
            height,
            sample_aspect_ratio,
            colour,
        })
    }
}

pub(super) fn at_most(value: u32, limit: u32, field: &'static str) -> Result<u32, ConfigError> {
    if value > limit { Err(ConfigError::Forbidden { field, value }) } else { Ok(value) }
}

fn crop(
    side: u32,
    before: u32,
    behind: u32,
    unit: u32,
    field: &'static str,
) -> Result<u32, ConfigError> {
    let cut = (u64::from(before) + u64::from(behind)) * u64::from(unit);
    match u64::from(side).checked_sub(cut) {
        Some(rest) if rest > 0 => Ok(rest as u32),
        _ => Err(ConfigError::Forbidden { field, value: behind }),
    }
}

fn skip_scaling_list(bits: &mut BitReader<'_>, size: u32) -> Result<(), ConfigError> {
    let (mut last, mut next) = (8_i32, 8_i32);
    for _ in 0..size {
        if next != 0 {
            next = (last + bits.signed("delta_scale")?).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Ok(())
}

/// The first fields of the VUI (E.1.1).
pub(in crate::codec) fn read_aspect_ratio(
    bits: &mut BitReader<'_>,
) -> Result<(u16, u16), ConfigError> {
    const EXTENDED: u32 = 255;
    if !bits.flag("aspect_ratio_info_present_flag")? {
        return Ok((1, 1));
    }
    let ratio = match bits.bits(8, "aspect_ratio_idc")? {
        EXTENDED => (bits.bits(16, "sar_width")? as u16, bits.bits(16, "sar_height")? as u16),
        known => ASPECT_RATIOS.get(known as usize).copied().unwrap_or((1, 1)),
    };
    // A side of 0 means unspecified (E.2.1).
    Ok(if ratio.0 == 0 || ratio.1 == 0 { (1, 1) } else { ratio })
}

/// The fields of the VUI behind the aspect ratio, up to the colour description (E.1.1; the same in
/// HEVC).
pub(in crate::codec) fn read_colour(
    bits: &mut BitReader<'_>,
) -> Result<Option<Colour>, ConfigError> {
    if bits.flag("overscan_info_present_flag")? {
        bits.flag("overscan_appropriate_flag")?;
    }
    if !bits.flag("video_signal_type_present_flag")? {
        return Ok(None);
    }
    bits.bits(3, "video_format")?;
    let full_range = bits.flag("video_full_range_flag")?;
    if !bits.flag("colour_description_present_flag")? {
        return Ok(None);
    }
    Ok(Some(Colour {
        primaries: bits.bits(8, "colour_primaries")? as u8,
        transfer: bits.bits(8, "transfer_characteristics")? as u8,
        matrix: bits.bits(8, "matrix_coefficients")? as u8,
        full_range,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes bits field by field.
    #[derive(Default)]
    struct BitWriter {
        bytes: Vec<u8>,
        used: usize,
    }

    impl BitWriter {
        fn bits(&mut self, value: u32, count: usize) -> &mut Self {
            for bit in (0..count).rev() {
                if self.used.is_multiple_of(8) {
                    self.bytes.push(0);
                }
                let last = self.bytes.last_mut().unwrap();
                *last |= ((value >> bit & 1) as u8) << (7 - self.used % 8);
                self.used += 1;
            }
            self
        }

        fn ue(&mut self, value: u32) -> &mut Self {
            let length = (value + 1).ilog2() as usize;
            self.bits(0, length).bits(value + 1, length + 1)
        }
    }

    fn high_profile_sps(crop_bottom: u32, aspect_ratio_idc: u32) -> Vec<u8> {
        let mut w = BitWriter::default();
        w.bits(0x67, 8); // NAL header
        w.bits(100, 8).bits(0, 8).bits(30, 8); // profile_idc, constraint flags, level_idc
        w.ue(0); // seq_parameter_set_id
        w.ue(1).ue(0).ue(0).bits(0, 1).bits(0, 1); // chroma, depths, bypass, no scaling matrix
        w.ue(0).ue(0).ue(2); // log2_max_frame_num, pic_order_cnt_type, log2_max_poc_lsb
        w.ue(4).bits(0, 1); // max_num_ref_frames, gaps
        w.ue(39).ue(22); // 640 × 368
        w.bits(1, 1).bits(1, 1); // frame_mbs_only_flag, direct_8x8_inference_flag
        w.bits(1, 1).ue(0).ue(0).ue(0).ue(crop_bottom); // cropping
        w.bits(1, 1).bits(1, 1).bits(aspect_ratio_idc, 8); // VUI with aspect ratio
        w.bits(1, 1); // stop bit, early: what follows is not read
        w.bytes
    }

    #[test]
    fn a_high_profile_set_is_read_with_cropping_and_aspect_ratio() {
        let mut sets = ParameterSets::default();
        sets.add(&high_profile_sps(4, 14));
        sets.add(&[0x68, 0xEB]);
        let config = sets.config().unwrap();
        assert_eq!((config.picture.width, config.picture.height), (640, 360));
        assert_eq!(config.picture.sample_aspect_ratio, (4, 3));
        assert_eq!((config.profile_idc, config.level_idc), (100, 30));
    }

    #[test]
    fn cropping_the_whole_picture_away_is_refused() {
        let mut sets = ParameterSets::default();
        sets.add(&high_profile_sps(184, 1));
        sets.add(&[0x68, 0xEB]);
        assert_eq!(
            sets.config(),
            Err(ConfigError::Forbidden { field: "frame_crop_bottom_offset", value: 184 })
        );
    }

    #[test]
    fn only_new_content_under_a_known_id_counts_as_replaced() {
        let mut sets = ParameterSets::default();
        assert_eq!(sets.change(&high_profile_sps(4, 1)), Ok(Change::Added));
        sets.add(&high_profile_sps(4, 1));
        assert_eq!(sets.change(&high_profile_sps(4, 1)), Ok(Change::None));
        assert_eq!(sets.change(&high_profile_sps(0, 1)), Ok(Change::Replaced));
    }

    #[test]
    fn slice_headers_know_the_sets_as_they_were_last_seen() {
        let first = high_profile_sps(4, 1);
        let pps = [0x68, 0xEB, 0xE3, 0xCB, 0x22, 0xC0];
        let mut sets = ParameterSets::default();
        assert_eq!(sets.slice_headers(), &SliceHeaders::default());
        sets.add(&first);
        sets.add(&pps);
        let headers = SliceHeaders::new([&first[..], &pps].into_iter());
        assert_eq!(sets.slice_headers(), &headers);
        let mut second = first.clone();
        second[1] = 77; // Main profile: the bits behind the ID mean something else.
        sets.add(&second);
        assert_eq!(sets.slice_headers(), &SliceHeaders::new([&second[..], &pps].into_iter()));
        assert_ne!(sets.slice_headers(), &headers);
        assert_ne!(
            headers,
            SliceHeaders::new([&first[..]].into_iter()),
            "the picture parameter set is read"
        );
    }

    #[test]
    fn every_truncation_is_an_error_or_a_smaller_set_but_never_a_panic() {
        let whole = high_profile_sps(4, 255);
        for length in 0..whole.len() {
            let mut sets = ParameterSets::default();
            sets.add(&whole[..length]);
            let _ = sets.config();
        }
    }
}
