//! Configurations of picture codecs: H.264 and HEVC.

use serde::{Deserialize, Serialize};

/// What pictures look like, whatever codec they are in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureFormat {
    /// Cropped width in samples.
    pub width: u32,
    /// Cropped height of a frame in samples.
    pub height: u32,
    /// Sample aspect ratio (width, height); (1, 1) when the stream does not say.
    pub sample_aspect_ratio: (u16, u16),
    /// `chroma_format_idc`: 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    pub chroma_format_idc: u8,
    /// Luma bits per sample.
    pub bit_depth_luma: u8,
    /// Chroma bits per sample.
    pub bit_depth_chroma: u8,
    /// The colour description, if the stream has one.
    pub colour: Option<Colour>,
    /// Frames may consist of two fields.
    pub interlaced: bool,
    /// What high dynamic range displays adapt to.
    pub display: DisplayMetadata,
}

impl Default for PictureFormat {
    /// 8 bits, 4:2:0, square samples, nothing said about colour, no size.
    fn default() -> Self {
        Self {
            width: 0,
            height: 0,
            sample_aspect_ratio: (1, 1),
            chroma_format_idc: 1,
            bit_depth_luma: 8,
            bit_depth_chroma: 8,
            colour: None,
            interlaced: false,
            display: DisplayMetadata::default(),
        }
    }
}

impl PictureFormat {
    /// The dynamic range that the transfer function means.
    pub fn video_range(&self) -> VideoRange {
        match self.colour.map(|colour| colour.transfer) {
            Some(16) => VideoRange::Pq,
            Some(18) => VideoRange::Hlg,
            _ => VideoRange::Sdr,
        }
    }
}

/// Code points of ISO/IEC 23091-2 (CICP), as the video usability information has them. A preferred
/// transfer function that an SEI message names has already taken the place of a backward
/// compatible one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Colour {
    /// `colour_primaries`.
    pub primaries: u8,
    /// `transfer_characteristics`.
    pub transfer: u8,
    /// `matrix_coeffs`.
    pub matrix: u8,
    /// `video_full_range_flag`.
    pub full_range: bool,
}

/// `VIDEO-RANGE` of HLS (RFC 8216bis 4.4.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VideoRange {
    /// Standard dynamic range.
    Sdr,
    /// Hybrid log-gamma (ARIB STD-B67).
    Hlg,
    /// Perceptual quantizer (SMPTE ST 2084): HDR10 and the like.
    Pq,
}

impl VideoRange {
    /// As playlists write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sdr => "SDR",
            Self::Hlg => "HLG",
            Self::Pq => "PQ",
        }
    }
}

/// Payloads of the SEI messages that HDR10 has, as they stand in the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisplayMetadata {
    /// `mastering_display_colour_volume` (137): the same 24 bytes as `mdcv` in ISO BMFF.
    pub mastering: Option<[u8; 24]>,
    /// `content_light_level_info` (144): the same 4 bytes as `clli`.
    pub light_level: Option<[u8; 4]>,
}

/// Configuration of an H.264 track (ISO/IEC 14496-10:2022 7.3.2.1, ISO/IEC 14496-15:2022 5.3.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AvcConfig {
    /// `profile_idc` of the first sequence parameter set.
    pub profile_idc: u8,
    /// The byte of constraint flags that follows it.
    pub constraints: u8,
    /// `level_idc`.
    pub level_idc: u8,
    /// What the pictures look like.
    pub picture: PictureFormat,
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

    /// Bytes of all parameter sets in a byte stream, each behind a start code of four bytes.
    pub fn byte_stream_bytes(&self) -> u64 {
        self.parameter_sets().map(|set| 4 + set.len() as u64).sum()
    }

    /// The RFC 6381 string, such as `avc1.64001e`.
    pub(super) fn rfc6381(&self) -> String {
        format!("avc1.{:02x}{:02x}{:02x}", self.profile_idc, self.constraints, self.level_idc)
    }
}

/// Configuration of an HEVC track (ISO/IEC 23008-2:2020 7.3.3, ISO/IEC 14496-15:2022 8.3.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HevcConfig {
    /// `general_profile_space`, 0 to 3.
    pub profile_space: u8,
    /// `general_tier_flag`: high tier.
    pub high_tier: bool,
    /// `general_profile_idc`.
    pub profile_idc: u8,
    /// `general_profile_compatibility_flag[0..32]`, the first in the highest bit.
    pub compatibility: u32,
    /// The six bytes of constraint flags that follow.
    pub constraints: [u8; 6],
    /// `general_level_idc`: thirty times the level.
    pub level_idc: u8,
    /// `min_spatial_segmentation_idc`, 0 where the stream does not say.
    pub min_spatial_segmentation: u16,
    /// Temporal layers of the stream, at least 1.
    pub temporal_layers: u8,
    /// `sps_temporal_id_nesting_flag`.
    pub temporal_id_nested: bool,
    /// What the pictures look like.
    pub picture: PictureFormat,
    /// Video parameter sets, NAL header included, in order of their IDs.
    pub video_parameter_sets: Vec<Vec<u8>>,
    /// Sequence parameter sets, NAL header included, in order of their IDs.
    pub sequence_parameter_sets: Vec<Vec<u8>>,
    /// Picture parameter sets, NAL header included, in order of their IDs.
    pub picture_parameter_sets: Vec<Vec<u8>>,
}

impl HevcConfig {
    /// All parameter sets in decoding order.
    pub fn parameter_sets(&self) -> impl Iterator<Item = &[u8]> {
        self.video_parameter_sets
            .iter()
            .chain(&self.sequence_parameter_sets)
            .chain(&self.picture_parameter_sets)
            .map(Vec::as_slice)
    }

    /// The RFC 6381 string, such as `hvc1.2.4.L120.B0` (ISO/IEC 14496-15:2022 annex E.3).
    pub(super) fn rfc6381(&self) -> String {
        let space = match self.profile_space {
            1 => "A",
            2 => "B",
            3 => "C",
            _ => "",
        };
        let tier = if self.high_tier { 'H' } else { 'L' };
        let mut text = format!(
            "hvc1.{space}{}.{:X}.{tier}{}",
            self.profile_idc,
            self.compatibility.reverse_bits(),
            self.level_idc
        );
        let used = self.constraints.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        for byte in self.constraints.iter().take(used) {
            text.push_str(&format!(".{byte:X}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hevc_strings_are_those_of_the_standard() {
        // The two examples of ISO/IEC 14496-15 annex E.3, with hvc1 for hev1.
        let main = HevcConfig {
            profile_space: 0,
            high_tier: false,
            profile_idc: 1,
            compatibility: 0x6000_0000,
            constraints: [0xB0, 0, 0, 0, 0, 0],
            level_idc: 93,
            min_spatial_segmentation: 0,
            temporal_layers: 1,
            temporal_id_nested: true,
            picture: PictureFormat::default(),
            video_parameter_sets: Vec::new(),
            sequence_parameter_sets: Vec::new(),
            picture_parameter_sets: Vec::new(),
        };
        assert_eq!(main.rfc6381(), "hvc1.1.6.L93.B0");
        let other = HevcConfig {
            profile_space: 1,
            high_tier: true,
            profile_idc: 4,
            compatibility: 0x0800_0000,
            constraints: [0xB0, 0x23, 0, 0, 0, 0],
            level_idc: 120,
            ..main
        };
        assert_eq!(other.rfc6381(), "hvc1.A4.10.H120.B0.23");
    }
}
