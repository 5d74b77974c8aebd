//! What framing has to know of HEVC (ISO/IEC 23008-2:2020 7.3.1.2, 7.4.2.4.4).

use super::configuration::ParameterSets;
use super::{SliceHeaders, nal_type};
use crate::codec::ConfigError;
use crate::codec::byte_stream::{Change, Role, Slice};
use crate::codec::message::Messages;
use crate::model::codec::CodecConfig;

/// The syntax of HEVC, with the parameter sets of a stream.
#[derive(Clone, Debug, Default)]
pub struct Syntax {
    sets: ParameterSets,
    messages: Messages,
}

impl Syntax {
    /// What measures slice headers under the sets so far.
    pub(in crate::codec) fn slice_headers(&self) -> &SliceHeaders {
        self.sets.slice_headers()
    }
}

/// The first NAL unit type of pictures that decoding can begin with, and the last.
const IRAP: std::ops::RangeInclusive<u8> = 16..=21;
/// Skipped leading pictures, RASL_N and RASL_R.
const RASL: std::ops::RangeInclusive<u8> = 8..=9;

impl crate::codec::byte_stream::Syntax for Syntax {
    const HEADER_BYTES: usize = 3;

    fn role(header: &[u8]) -> Role {
        let &[first, second, ..] = header else { return Role::Filler };
        let kind = first >> 1 & 0x3F;
        if (first & 1) << 5 | second >> 3 != 0 {
            return Role::OtherLayer;
        }
        match kind {
            0..=9 | 16..=21 => {
                Role::Slice { is_first: header.get(2).is_some_and(|byte| byte & 0x80 != 0) }
            }
            nal_type::VPS | nal_type::SPS | nal_type::PPS => Role::ParameterSet,
            nal_type::DELIMITER => Role::Delimiter,
            // Reserved kinds of slices, end markers, filler data.
            ..nal_type::FIRST_NON_VCL | 36..=38 => Role::Filler,
            nal_type::PREFIX_SEI => Role::Message,
            41..=44 | 48..=55 => Role::Lead,
            _ => Role::Trail,
        }
    }

    fn slice(&self, nal: &[u8]) -> Slice {
        let kind = nal.first().map_or(0, |first| first >> 1 & 0x3F);
        let start = self.sets.slice_headers().picture_start(nal);
        let resets = IRAP.contains(&kind);
        // Even types below 16 are not referred to by pictures of their own temporal layer.
        let is_referred = kind >= 16 || kind % 2 == 1 || self.sets.temporal_layers() > 1;
        Slice {
            resets,
            is_intra: resets || start.is_some_and(|start| start.is_intra),
            is_reference: is_referred,
            skipped_at_access: RASL.contains(&kind),
            // Leading pictures do not count for the order of others (8.3.1).
            order: start.and_then(|start| start.order),
            field: None,
        }
    }

    fn change(&self, nal: &[u8]) -> Result<Change, ConfigError> {
        self.sets.change(nal)
    }

    fn add_set(&mut self, nal: &[u8]) {
        self.sets.add(nal);
    }

    fn message(&mut self, nal: &[u8]) -> Option<u32> {
        self.messages.read(nal.get(2..)?, true)
    }

    fn config(&self) -> Result<CodecConfig, ConfigError> {
        let mut config = self.sets.config()?;
        config.picture.colour = self.messages.colour(config.picture.colour);
        config.picture.display = self.messages.display();
        Ok(CodecConfig::Hevc(config))
    }
}
