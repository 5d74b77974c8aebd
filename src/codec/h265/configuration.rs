//! Parameter sets of HEVC → [`HevcConfig`] (ISO/IEC 14496-15:2022 8.3.3).

use std::collections::BTreeMap;

use super::parameter_sets::{Picture, Sequence};
use super::{SliceHeaders, nal_type};
use crate::codec::ConfigError;
use crate::codec::byte_stream::Change;
use crate::model::codec::HevcConfig;

/// Parameter sets by ID, as they were last seen in the stream.
#[derive(Clone, Debug, Default)]
pub struct ParameterSets {
    video: BTreeMap<u32, Vec<u8>>,
    sequence: BTreeMap<u32, Vec<u8>>,
    picture: BTreeMap<u32, Vec<u8>>,
    slice_headers: SliceHeaders,
    temporal_layers: u8,
}

/// Which set a NAL unit holds.
enum Kind {
    Video,
    Sequence,
    Picture,
}

impl ParameterSets {
    /// What a set would change.
    pub fn change(&self, nal: &[u8]) -> Result<Change, ConfigError> {
        let known = self.video.values().chain(self.sequence.values()).chain(self.picture.values());
        if known.into_iter().any(|known| known == nal) {
            return Ok(Change::None);
        }
        let (kind, id) = identify(nal)?;
        let is_there = match kind {
            Kind::Video => self.video.contains_key(&id),
            Kind::Sequence => self.sequence.contains_key(&id),
            Kind::Picture => self.picture.contains_key(&id),
        };
        Ok(if is_there { Change::Replaced } else { Change::Added })
    }

    /// Takes a set in place of one with the same ID; one that cannot be read changes nothing.
    pub fn add(&mut self, nal: &[u8]) {
        let Ok((kind, id)) = identify(nal) else { return };
        match kind {
            Kind::Video => {
                self.video.insert(id, nal.to_vec());
            }
            Kind::Sequence => {
                self.sequence.insert(id, nal.to_vec());
                self.slice_headers.add_sequence(nal);
                if let Ok((_, sequence)) = Sequence::parse(nal) {
                    self.temporal_layers = self.temporal_layers.max(sequence.temporal_layers);
                }
            }
            Kind::Picture => {
                self.picture.insert(id, nal.to_vec());
                self.slice_headers.add_picture(nal);
            }
        }
    }

    /// What measures slice headers under the sets as they were last seen.
    pub const fn slice_headers(&self) -> &SliceHeaders {
        &self.slice_headers
    }

    /// Temporal layers of the stream; 0 before its sequence parameter set.
    pub const fn temporal_layers(&self) -> u8 {
        self.temporal_layers
    }

    /// What a decoder needs.
    pub fn config(&self) -> Result<HevcConfig, ConfigError> {
        let missing = |field| ConfigError::Truncated { field };
        let first = self.sequence.values().next();
        let first = first.ok_or(missing("sequence parameter set"))?;
        self.video.values().next().ok_or(missing("video parameter set"))?;
        self.picture.values().next().ok_or(missing("picture parameter set"))?;
        let (_, sequence) = Sequence::parse(first)?;
        let profile = sequence.profile;
        Ok(HevcConfig {
            profile_space: profile.space,
            high_tier: profile.high_tier,
            profile_idc: profile.idc,
            compatibility: profile.compatibility,
            constraints: profile.constraints,
            level_idc: profile.level_idc,
            min_spatial_segmentation: sequence.min_spatial_segmentation,
            temporal_layers: sequence.temporal_layers,
            temporal_id_nested: sequence.temporal_id_nested,
            picture: sequence.format,
            video_parameter_sets: self.video.values().cloned().collect(),
            sequence_parameter_sets: self.sequence.values().cloned().collect(),
            picture_parameter_sets: self.picture.values().cloned().collect(),
        })
    }
}

fn identify(nal: &[u8]) -> Result<(Kind, u32), ConfigError> {
    match nal.first().map(|first| first >> 1 & 0x3F) {
        Some(nal_type::VPS) => {
            let field = "vps_video_parameter_set_id";
            let byte = nal.get(2).ok_or(ConfigError::Truncated { field })?;
            Ok((Kind::Video, u32::from(byte >> 4)))
        }
        Some(nal_type::SPS) => Sequence::parse(nal).map(|(id, _)| (Kind::Sequence, id)),
        _ => Picture::parse(nal).map(|(id, _)| (Kind::Picture, id)),
    }
}
