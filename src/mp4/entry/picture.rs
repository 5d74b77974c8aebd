//! `avc1` and `hvc1` (ISO/IEC 14496-15:2022 5.4.2, 8.4.1): parameter sets stand in the entry alone.

use mp4_atom::{Avcc, AvccExt, Encode, HvcCArray, Hvcc, Pasp, Visual};

use super::super::init::InitError;
use super::super::write_box;
use crate::model::codec::{AvcConfig, Colour, HevcConfig, PictureFormat};

/// Profiles whose `avcC` says more about chroma (ISO/IEC 14496-15:2022 5.3.3.1.2).
const EXTENDED_AVCC_PROFILES: [u8; 4] = [100, 110, 122, 144];
/// `numOfSequenceParameterSets` of `avcC` has five bits, `numOfPictureParameterSets` eight.
const AVCC_COUNTS: [usize; 2] = [31, 255];

/// `NAL_unit_type` of the arrays of `hvcC` (ISO/IEC 23008-2:2020 table 7-1).
mod nal_type {
    pub const VIDEO_PARAMETER_SET: u8 = 32;
    pub const SEQUENCE_PARAMETER_SET: u8 = 33;
    pub const PICTURE_PARAMETER_SET: u8 = 34;
}

pub(super) fn write_avc(out: &mut Vec<u8>, avc: &AvcConfig) -> Result<(), InitError> {
    let [sequence, picture] = [&avc.sequence_parameter_sets, &avc.picture_parameter_sets];
    for (sets, most) in [sequence, picture].into_iter().zip(AVCC_COUNTS) {
        check_sets(sets, most)?;
    }
    let ext = EXTENDED_AVCC_PROFILES.contains(&avc.profile_idc).then(|| AvccExt {
        chroma_format: avc.picture.chroma_format_idc,
        bit_depth_luma: avc.picture.bit_depth_luma,
        bit_depth_chroma: avc.picture.bit_depth_chroma,
        sequence_parameter_sets_ext: Vec::new(),
    });
    let configuration = Avcc {
        configuration_version: 1,
        avc_profile_indication: avc.profile_idc,
        profile_compatibility: avc.constraints,
        avc_level_indication: avc.level_idc,
        length_size: 4,
        sequence_parameter_sets: sequence.clone(),
        picture_parameter_sets: picture.clone(),
        ext,
    };
    write_entry(out, b"avc1", &avc.picture, |out| configuration.encode(out))
}

pub(super) fn write_hevc(out: &mut Vec<u8>, hevc: &HevcConfig) -> Result<(), InitError> {
    let arrays = [
        (nal_type::VIDEO_PARAMETER_SET, &hevc.video_parameter_sets),
        (nal_type::SEQUENCE_PARAMETER_SET, &hevc.sequence_parameter_sets),
        (nal_type::PICTURE_PARAMETER_SET, &hevc.picture_parameter_sets),
    ];
    for (_, sets) in arrays {
        check_sets(sets, usize::from(u16::MAX))?;
    }
    let arrays = arrays.into_iter().filter(|(_, sets)| !sets.is_empty());
    let configuration = Hvcc {
        general_profile_space: hevc.profile_space,
        general_tier_flag: hevc.high_tier,
        general_profile_idc: hevc.profile_idc,
        general_profile_compatibility_flags: hevc.compatibility.to_be_bytes(),
        general_constraint_indicator_flags: hevc.constraints,
        general_level_idc: hevc.level_idc,
        min_spatial_segmentation_idc: hevc.min_spatial_segmentation,
        // 0: slices, tiles and wavefronts may be mixed, or nobody knows.
        parallelism_type: 0,
        chroma_format_idc: hevc.picture.chroma_format_idc,
        bit_depth_luma_minus8: hevc.picture.bit_depth_luma.saturating_sub(8),
        bit_depth_chroma_minus8: hevc.picture.bit_depth_chroma.saturating_sub(8),
        // 0: not said.
        avg_frame_rate: 0,
        constant_frame_rate: 0,
        num_temporal_layers: hevc.temporal_layers,
        temporal_id_nested: hevc.temporal_id_nested,
        length_size_minus_one: 3,
        arrays: arrays
            .map(|(nal_unit_type, sets)| HvcCArray {
                // None of the kind is in the samples, which is what hvc1 means.
                completeness: true,
                nal_unit_type,
                nalus: sets.clone(),
            })
            .collect(),
        ..Hvcc::new()
    };
    write_entry(out, b"hvc1", &hevc.picture, |out| configuration.encode(out))
}

/// Lengths have 16 bits.
fn check_sets(sets: &[Vec<u8>], most: usize) -> Result<(), InitError> {
    let fit = sets.len() <= most && sets.iter().all(|set| set.len() <= usize::from(u16::MAX));
    if fit { Ok(()) } else { Err(InitError::ParameterSets) }
}

fn write_entry(
    out: &mut Vec<u8>,
    kind: &[u8; 4],
    picture: &PictureFormat,
    configuration: impl FnOnce(&mut Vec<u8>) -> mp4_atom::Result<()>,
) -> Result<(), InitError> {
    let (h_spacing, v_spacing) = picture.sample_aspect_ratio;
    let visual = Visual {
        data_reference_index: 1,
        width: clamp(picture.width),
        height: clamp(picture.height),
        depth: 24,
        ..Visual::default()
    };
    let mut result = Ok(());
    write_box(out, kind, |out| {
        result = visual.encode(out).and_then(|()| configuration(out));
        if let Some(colour) = &picture.colour {
            write_colour(out, colour);
        }
        if let Some(mastering) = &picture.display.mastering {
            write_box(out, b"mdcv", |out| out.extend_from_slice(mastering));
        }
        if let Some(light_level) = &picture.display.light_level {
            write_box(out, b"clli", |out| out.extend_from_slice(light_level));
        }
        let pasp = Pasp { h_spacing: u32::from(h_spacing), v_spacing: u32::from(v_spacing) };
        if result.is_ok() {
            result = pasp.encode(out);
        }
    });
    Ok(result?)
}

/// `colr` with `nclx` (ISO/IEC 14496-12:2022 12.1.5).
fn write_colour(out: &mut Vec<u8>, colour: &Colour) {
    write_box(out, b"colr", |out| {
        out.extend_from_slice(b"nclx");
        for code in [colour.primaries, colour.transfer, colour.matrix] {
            out.extend_from_slice(&u16::from(code).to_be_bytes());
        }
        out.push(if colour.full_range { 0x80 } else { 0 });
    });
}

fn clamp(side: u32) -> u16 {
    u16::try_from(side).unwrap_or(u16::MAX)
}
