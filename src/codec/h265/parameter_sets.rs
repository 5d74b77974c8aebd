//! What the syntax of slice headers depends on in sequence and picture parameter sets
//! (ISO/IEC 23008-2:2020 7.3.2.2, 7.3.2.3).
//!
//! Reading stops where nothing more is needed: inside the VUI of a sequence parameter set, and
//! behind the range extension of a picture parameter set. Sets of the screen content profiles are
//! refused, because their slices have fields more, some of which depend on the order of pictures.

use super::reference_set::ReferenceSet;
use crate::codec::ConfigError;
use crate::codec::bits::BitReader;
use crate::codec::h264::{read_aspect_ratio, read_colour};
use crate::model::codec::{Colour, PictureFormat};

/// Fields of a sequence parameter set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sequence {
    /// `separate_colour_plane_flag`.
    pub separate_planes: bool,
    /// `ChromaArrayType` is not 0.
    pub has_chroma: bool,
    /// Bits of `slice_segment_address`.
    pub address_bits: u32,
    /// Bits of `slice_pic_order_cnt_lsb`.
    pub order_bits: u32,
    /// Short-term reference picture sets to choose from.
    pub reference_sets: Vec<ReferenceSet>,
    /// Long-term reference pictures to choose from, and whether the current picture may be predicted
    /// from them; `None` where there are no long-term reference pictures at all.
    pub long_term: Option<Vec<bool>>,
    /// `sps_temporal_mvp_enabled_flag`.
    pub temporal_prediction: bool,
    /// `sample_adaptive_offset_enabled_flag`.
    pub sample_adaptive_offset: bool,
    /// Profile, tier and level.
    pub profile: Profile,
    /// Temporal layers, at least 1.
    pub temporal_layers: u8,
    /// `sps_temporal_id_nesting_flag`.
    pub temporal_id_nested: bool,
    /// `min_spatial_segmentation_idc`; 0 where it is not said, or stands behind HRD parameters.
    pub min_spatial_segmentation: u16,
    /// What the pictures look like.
    pub format: PictureFormat,
}

/// `profile_tier_level` without its sub-layers (7.3.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Profile {
    /// `general_profile_space`.
    pub space: u8,
    /// `general_tier_flag`.
    pub high_tier: bool,
    /// `general_profile_idc`.
    pub idc: u8,
    /// `general_profile_compatibility_flag`, the first in the highest bit.
    pub compatibility: u32,
    /// The six bytes behind.
    pub constraints: [u8; 6],
    /// `general_level_idc`.
    pub level_idc: u8,
}

/// Fields of a picture parameter set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    /// The sequence parameter set that it goes with.
    pub sequence_id: u32,
    /// `dependent_slice_segments_enabled_flag`.
    pub dependent_segments: bool,
    /// `output_flag_present_flag`.
    pub has_output_flag: bool,
    /// `num_extra_slice_header_bits`.
    pub extra_bits: u32,
    /// `cabac_init_present_flag`.
    pub has_cabac_init: bool,
    /// `num_ref_idx_l0_default_active_minus1` and that of list 1.
    pub reference_defaults: [u32; 2],
    /// `pps_slice_chroma_qp_offsets_present_flag`.
    pub has_chroma_qp_offsets: bool,
    /// `weighted_pred_flag`.
    pub weighted_pred: bool,
    /// `weighted_bipred_flag`.
    pub weighted_bipred: bool,
    /// Tiles, or rows of coding tree blocks, can be entered each for itself.
    pub has_entry_points: bool,
    /// `pps_loop_filter_across_slices_enabled_flag`.
    pub filters_across_slices: bool,
    /// `deblocking_filter_override_enabled_flag`.
    pub may_override_deblocking: bool,
    /// `pps_deblocking_filter_disabled_flag`.
    pub deblocking_disabled: bool,
    /// `lists_modification_present_flag`.
    pub has_list_modification: bool,
    /// `slice_segment_header_extension_present_flag`.
    pub has_header_extension: bool,
    /// `chroma_qp_offset_list_enabled_flag`.
    pub has_chroma_qp_lists: bool,
}

impl Sequence {
    /// Reads a NAL unit, header included: the ID, and the fields.
    pub fn parse(nal: &[u8]) -> Result<(u32, Self), ConfigError> {
        let mut bits = BitReader::escaped(nal);
        skip_nal_header(&mut bits)?;
        bits.bits(4, "sps_video_parameter_set_id")?;
        let last_sub_layer = bits.bits(3, "sps_max_sub_layers_minus1")?;
        let temporal_id_nested = bits.flag("sps_temporal_id_nesting_flag")?;
        let profile = read_profile(&mut bits, last_sub_layer)?;
        let field = "sps_seq_parameter_set_id";
        let id = at_most(bits.unsigned(field)?, 15, field)?;
        let field = "chroma_format_idc";
        let chroma_format_idc = at_most(bits.unsigned(field)?, 3, field)?;
        let separate_planes = chroma_format_idc == 3 && bits.flag("separate_colour_plane_flag")?;
        let width = bits.unsigned("pic_width_in_luma_samples")?;
        let height = bits.unsigned("pic_height_in_luma_samples")?;
        let mut window = [0; 4];
        if bits.flag("conformance_window_flag")? {
            for offset in &mut window {
                *offset = bits.unsigned("conf_win_offset")?;
            }
        }
        let field = "bit_depth_luma_minus8";
        let bit_depth_luma = 8 + at_most(bits.unsigned(field)?, 8, field)? as u8;
        let field = "bit_depth_chroma_minus8";
        let bit_depth_chroma = 8 + at_most(bits.unsigned(field)?, 8, field)? as u8;
        let field = "log2_max_pic_order_cnt_lsb_minus4";
        let order_bits = 4 + at_most(bits.unsigned(field)?, 12, field)?;
        let is_per_sub_layer = bits.flag("sps_sub_layer_ordering_info_present_flag")?;
        for _ in if is_per_sub_layer { 0 } else { last_sub_layer }..=last_sub_layer {
            bits.unsigned("sps_max_dec_pic_buffering_minus1")?;
            bits.unsigned("sps_max_num_reorder_pics")?;
            bits.unsigned("sps_max_latency_increase_plus1")?;
        }
        let field = "log2_min_luma_coding_block_size_minus3";
        let minimum = 3 + at_most(bits.unsigned(field)?, 3, field)?;
        let field = "log2_diff_max_min_luma_coding_block_size";
        let block_bits = minimum + at_most(bits.unsigned(field)?, 3, field)?;
        bits.unsigned("log2_min_luma_transform_block_size_minus2")?;
        bits.unsigned("log2_diff_max_min_luma_transform_block_size")?;
        bits.unsigned("max_transform_hierarchy_depth_inter")?;
        bits.unsigned("max_transform_hierarchy_depth_intra")?;
        if bits.flag("scaling_list_enabled_flag")?
            && bits.flag("sps_scaling_list_data_present_flag")?
        {
            skip_scaling_lists(&mut bits)?;
        }
        bits.flag("amp_enabled_flag")?;
        let sample_adaptive_offset = bits.flag("sample_adaptive_offset_enabled_flag")?;
        if bits.flag("pcm_enabled_flag")? {
            bits.bits(8, "pcm_sample_bit_depth")?;
            bits.unsigned("log2_min_pcm_luma_coding_block_size_minus3")?;
            bits.unsigned("log2_diff_max_min_pcm_luma_coding_block_size")?;
            bits.flag("pcm_loop_filter_disabled_flag")?;
        }
        let field = "num_short_term_ref_pic_sets";
        let count = at_most(bits.unsigned(field)?, 64, field)?;
        let mut reference_sets = Vec::new();
        for _ in 0..count {
            reference_sets.push(ReferenceSet::read(&mut bits, &reference_sets, false)?);
        }
        let long_term = if bits.flag("long_term_ref_pics_present_flag")? {
            let field = "num_long_term_ref_pics_sps";
            let count = at_most(bits.unsigned(field)?, 32, field)?;
            let mut pictures = Vec::new();
            for _ in 0..count {
                bits.bits(order_bits, "lt_ref_pic_poc_lsb_sps")?;
                pictures.push(bits.flag("used_by_curr_pic_lt_sps_flag")?);
            }
            Some(pictures)
        } else {
            None
        };
        let temporal_prediction = bits.flag("sps_temporal_mvp_enabled_flag")?;
        bits.flag("strong_intra_smoothing_enabled_flag")?;
        // What comes now is for show; where it is broken, the pictures can be decoded all the same.
        let shown = if bits.flag("vui_parameters_present_flag").unwrap_or(false) {
            Usability::read(&mut bits).unwrap_or_default()
        } else {
            Usability::default()
        };
        let [left, right, top, bottom] = window;
        let unit_x = if matches!(chroma_format_idc, 1 | 2) { 2 } else { 1 };
        let unit_y = if chroma_format_idc == 1 { 2 } else { 1 };
        let format = PictureFormat {
            width: cropped(width, left, right, unit_x)?,
            height: cropped(height, top, bottom, unit_y)?,
            sample_aspect_ratio: shown.sample_aspect_ratio,
            chroma_format_idc: chroma_format_idc as u8,
            bit_depth_luma,
            bit_depth_chroma,
            colour: shown.colour,
            interlaced: shown.is_field_sequence,
            ..PictureFormat::default()
        };
        let blocks = |side: u32| u64::from(side).div_ceil(1 << block_bits);
        let fields = Self {
            separate_planes,
            has_chroma: chroma_format_idc != 0 && !separate_planes,
            address_bits: bits_for(blocks(width) * blocks(height)),
            order_bits,
            reference_sets,
            long_term,
            temporal_prediction,
            sample_adaptive_offset,
            profile,
            temporal_layers: last_sub_layer as u8 + 1,
            temporal_id_nested,
            min_spatial_segmentation: shown.min_spatial_segmentation,
            format,
        };
        Ok((id, fields))
    }
}

impl Picture {
    /// Reads a NAL unit, header included: the ID, and the fields.
    pub fn parse(nal: &[u8]) -> Result<(u32, Self), ConfigError> {
        let mut bits = BitReader::escaped(nal);
        skip_nal_header(&mut bits)?;
        let field = "pps_pic_parameter_set_id";
        let id = at_most(bits.unsigned(field)?, 63, field)?;
        let field = "pps_seq_parameter_set_id";
        let sequence_id = at_most(bits.unsigned(field)?, 15, field)?;
        let dependent_segments = bits.flag("dependent_slice_segments_enabled_flag")?;
        let has_output_flag = bits.flag("output_flag_present_flag")?;
        let extra_bits = bits.bits(3, "num_extra_slice_header_bits")?;
        bits.flag("sign_data_hiding_enabled_flag")?;
        let has_cabac_init = bits.flag("cabac_init_present_flag")?;
        let mut reference_defaults = [0; 2];
        for default in &mut reference_defaults {
            *default = read_last_reference(&mut bits)?;
        }
        bits.signed("init_qp_minus26")?;
        bits.flag("constrained_intra_pred_flag")?;
        let may_skip_transform = bits.flag("transform_skip_enabled_flag")?;
        if bits.flag("cu_qp_delta_enabled_flag")? {
            bits.unsigned("diff_cu_qp_delta_depth")?;
        }
        bits.signed("pps_cb_qp_offset")?;
        bits.signed("pps_cr_qp_offset")?;
        let has_chroma_qp_offsets = bits.flag("pps_slice_chroma_qp_offsets_present_flag")?;
        let weighted_pred = bits.flag("weighted_pred_flag")?;
        let weighted_bipred = bits.flag("weighted_bipred_flag")?;
        bits.flag("transquant_bypass_enabled_flag")?;
        let has_tiles = bits.flag("tiles_enabled_flag")?;
        let has_rows = bits.flag("entropy_coding_sync_enabled_flag")?;
        if has_tiles {
            skip_tiles(&mut bits)?;
        }
        let filters_across_slices = bits.flag("pps_loop_filter_across_slices_enabled_flag")?;
        let (mut may_override_deblocking, mut deblocking_disabled) = (false, false);
        if bits.flag("deblocking_filter_control_present_flag")? {
            may_override_deblocking = bits.flag("deblocking_filter_override_enabled_flag")?;
            deblocking_disabled = bits.flag("pps_deblocking_filter_disabled_flag")?;
            if !deblocking_disabled {
                bits.signed("pps_beta_offset_div2")?;
                bits.signed("pps_tc_offset_div2")?;
            }
        }
        if bits.flag("pps_scaling_list_data_present_flag")? {
            skip_scaling_lists(&mut bits)?;
        }
        let has_list_modification = bits.flag("lists_modification_present_flag")?;
        bits.unsigned("log2_parallel_merge_level_minus2")?;
        let has_header_extension = bits.flag("slice_segment_header_extension_present_flag")?;
        let has_chroma_qp_lists = bits.flag("pps_extension_present_flag")?
            && read_extension(&mut bits, may_skip_transform)?;
        let fields = Self {
            sequence_id,
            dependent_segments,
            has_output_flag,
            extra_bits,
            has_cabac_init,
            reference_defaults,
            has_chroma_qp_offsets,
            weighted_pred,
            weighted_bipred,
            has_entry_points: has_tiles || has_rows,
            filters_across_slices,
            may_override_deblocking,
            deblocking_disabled,
            has_list_modification,
            has_header_extension,
            has_chroma_qp_lists,
        };
        Ok((id, fields))
    }
}

/// Bits that tell `count` things apart: Ceil(Log2(count)).
pub(super) fn bits_for(count: u64) -> u32 {
    count.checked_sub(1).map_or(0, |last| u64::BITS - last.leading_zeros())
}

pub(super) fn at_most(value: u32, limit: u32, field: &'static str) -> Result<u32, ConfigError> {
    if value > limit { Err(ConfigError::Forbidden { field, value }) } else { Ok(value) }
}

/// `num_ref_idx_…_active_minus1`: the last index into a list (7.4.7.1).
pub(super) fn read_last_reference(bits: &mut BitReader<'_>) -> Result<u32, ConfigError> {
    let field = "num_ref_idx_active_minus1";
    at_most(bits.unsigned(field)?, 14, field)
}

/// Parameter sets of higher layers have another syntax, and IDs of their own.
fn skip_nal_header(bits: &mut BitReader<'_>) -> Result<(), ConfigError> {
    bits.bits(7, "nal_unit_type")?;
    let layer = bits.bits(6, "nuh_layer_id")?;
    bits.bits(3, "nuh_temporal_id_plus1")?;
    if layer > 0 { Err(ConfigError::Unsupported { feature: "several layers" }) } else { Ok(()) }
}

/// `profile_tier_level` (7.3.3).
fn read_profile(bits: &mut BitReader<'_>, last_sub_layer: u32) -> Result<Profile, ConfigError> {
    /// Screen content coding, and that with high throughput (A.3.7, A.3.8).
    const SCREEN_CONTENT: [u8; 2] = [9, 11];
    let mut profile = Profile {
        space: bits.bits(2, "general_profile_space")? as u8,
        high_tier: bits.flag("general_tier_flag")?,
        idc: bits.bits(5, "general_profile_idc")? as u8,
        compatibility: bits.bits(32, "general_profile_compatibility_flag")?,
        ..Profile::default()
    };
    if SCREEN_CONTENT.contains(&profile.idc) {
        return Err(ConfigError::Unsupported { feature: "screen content coding" });
    }
    for byte in &mut profile.constraints {
        *byte = bits.bits(8, "general_constraint_flags")? as u8;
    }
    profile.level_idc = bits.bits(8, "general_level_idc")? as u8;
    let mut present = [(false, false); 8];
    for layer in present.iter_mut().take(last_sub_layer as usize) {
        let profile = bits.flag("sub_layer_profile_present_flag")?;
        *layer = (profile, bits.flag("sub_layer_level_present_flag")?);
    }
    if last_sub_layer > 0 {
        bits.bits(2 * (8 - last_sub_layer), "reserved_zero_2bits")?;
    }
    for (profile, level) in present {
        skip(bits, if profile { 88 } else { 0 }, "sub_layer_profile")?;
        skip(bits, if level { 8 } else { 0 }, "sub_layer_level_idc")?;
    }
    Ok(profile)
}

/// A side of the picture without what the conformance window cuts off.
fn cropped(side: u32, before: u32, behind: u32, unit: u32) -> Result<u32, ConfigError> {
    let cut = (u64::from(before) + u64::from(behind)) * u64::from(unit);
    match u64::from(side).checked_sub(cut) {
        Some(rest) if rest > 0 => Ok(rest as u32),
        _ => Err(ConfigError::Forbidden { field: "conf_win_offset", value: behind }),
    }
}

/// What the video usability information shows (E.2.1).
struct Usability {
    sample_aspect_ratio: (u16, u16),
    colour: Option<Colour>,
    is_field_sequence: bool,
    min_spatial_segmentation: u16,
}

/// Nothing is said.
impl Default for Usability {
    fn default() -> Self {
        Self {
            sample_aspect_ratio: (1, 1),
            colour: None,
            is_field_sequence: false,
            min_spatial_segmentation: 0,
        }
    }
}

impl Usability {
    fn read(bits: &mut BitReader<'_>) -> Result<Self, ConfigError> {
        let mut shown = Self {
            sample_aspect_ratio: read_aspect_ratio(bits)?,
            colour: read_colour(bits)?,
            ..Self::default()
        };
        // What is broken behind here spoils nothing that was read.
        let _ = shown.read_rest(bits);
        Ok(shown)
    }

    fn read_rest(&mut self, bits: &mut BitReader<'_>) -> Result<(), ConfigError> {
        if bits.flag("chroma_loc_info_present_flag")? {
            bits.unsigned("chroma_sample_loc_type_top_field")?;
            bits.unsigned("chroma_sample_loc_type_bottom_field")?;
        }
        bits.flag("neutral_chroma_indication_flag")?;
        self.is_field_sequence = bits.flag("field_seq_flag")?;
        bits.flag("frame_field_info_present_flag")?;
        if bits.flag("default_display_window_flag")? {
            for _ in 0..4 {
                bits.unsigned("def_disp_win_offset")?;
            }
        }
        if bits.flag("vui_timing_info_present_flag")? {
            bits.bits(32, "vui_num_units_in_tick")?;
            bits.bits(32, "vui_time_scale")?;
            if bits.flag("vui_poc_proportional_to_timing_flag")? {
                bits.unsigned("vui_num_ticks_poc_diff_one_minus1")?;
            }
            // HRD parameters are not read, nor what stands behind them.
            if bits.flag("vui_hrd_parameters_present_flag")? {
                return Ok(());
            }
        }
        if bits.flag("bitstream_restriction_flag")? {
            bits.bits(3, "tiles_fixed_structure_flag")?;
            let field = "min_spatial_segmentation_idc";
            self.min_spatial_segmentation = at_most(bits.unsigned(field)?, 4095, field)? as u16;
        }
        Ok(())
    }
}

fn skip(bits: &mut BitReader<'_>, count: u32, field: &'static str) -> Result<(), ConfigError> {
    for _ in 0..count {
        bits.flag(field)?;
    }
    Ok(())
}

/// `scaling_list_data` (7.3.4).
fn skip_scaling_lists(bits: &mut BitReader<'_>) -> Result<(), ConfigError> {
    for size in 0..4 {
        let matrices = if size == 3 { 2 } else { 6 };
        for _ in 0..matrices {
            if !bits.flag("scaling_list_pred_mode_flag")? {
                bits.unsigned("scaling_list_pred_matrix_id_delta")?;
                continue;
            }
            if size > 1 {
                bits.signed("scaling_list_dc_coef_minus8")?;
            }
            for _ in 0..if size == 0 { 16 } else { 64 } {
                bits.signed("scaling_list_delta_coef")?;
            }
        }
    }
    Ok(())
}

fn skip_tiles(bits: &mut BitReader<'_>) -> Result<(), ConfigError> {
    let columns = bits.unsigned("num_tile_columns_minus1")?;
    let rows = bits.unsigned("num_tile_rows_minus1")?;
    if !bits.flag("uniform_spacing_flag")? {
        for _ in 0..columns {
            bits.unsigned("column_width_minus1")?;
        }
        for _ in 0..rows {
            bits.unsigned("row_height_minus1")?;
        }
    }
    bits.flag("loop_filter_across_tiles_enabled_flag")?;
    Ok(())
}

/// The extensions of a picture parameter set; gives `chroma_qp_offset_list_enabled_flag`. Those for
/// several layers and for depth change nothing in slices of the lowest layer.
fn read_extension(bits: &mut BitReader<'_>, may_skip_transform: bool) -> Result<bool, ConfigError> {
    let has_range = bits.flag("pps_range_extension_flag")?;
    bits.flag("pps_multilayer_extension_flag")?;
    bits.flag("pps_3d_extension_flag")?;
    let has_screen_content = bits.flag("pps_scc_extension_flag")?;
    bits.bits(4, "pps_extension_4bits")?;
    if has_screen_content {
        return Err(ConfigError::Unsupported { feature: "screen content coding" });
    }
    if !has_range {
        return Ok(false);
    }
    if may_skip_transform {
        bits.unsigned("log2_max_transform_skip_block_size_minus2")?;
    }
    bits.flag("cross_component_prediction_enabled_flag")?;
    bits.flag("chroma_qp_offset_list_enabled_flag")
}
