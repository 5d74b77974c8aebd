//! What framing has to know of H.264 (ISO/IEC 14496-10:2022 7.3.1, 7.4.1.2).

use super::{ParameterSets, SliceHeaders, nal_type};
use crate::codec::ConfigError;
use crate::codec::byte_stream::{Change, Field, Role, Slice};
use crate::codec::message::Messages;
use crate::model::codec::CodecConfig;

/// The syntax of H.264, with the parameter sets of a stream.
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

impl crate::codec::byte_stream::Syntax for Syntax {
    const HEADER_BYTES: usize = 2;

    fn role(header: &[u8]) -> Role {
        let kind = header.first().map_or(0, |first| first & 0x1F);
        match kind {
            nal_type::SLICE | nal_type::PARTITION_A | nal_type::IDR => {
                // The first bit is set where first_mb_in_slice is 0.
                Role::Slice { is_first: header.get(1).is_some_and(|byte| byte & 0x80 != 0) }
            }
            nal_type::SEI => Role::Message,
            nal_type::SPS | nal_type::PPS => Role::ParameterSet,
            nal_type::DELIMITER => Role::Delimiter,
            nal_type::END_OF_SEQUENCE | nal_type::END_OF_STREAM | nal_type::FILLER => Role::Filler,
            14..=18 => Role::Lead,
            _ => Role::Trail,
        }
    }

    fn slice(&self, nal: &[u8]) -> Slice {
        let header = nal.first().copied().unwrap_or_default();
        let is_idr = header & 0x1F == nal_type::IDR;
        let start = self.sets.slice_headers().picture_start(nal);
        Slice {
            resets: is_idr,
            is_intra: super::slice_header::is_intra_slice(nal),
            is_reference: header & 0x60 != 0,
            skipped_at_access: false,
            order: start.and_then(|start| start.order),
            field: start.and_then(|start| {
                let is_bottom = start.is_bottom_field?;
                Some(Field { frame_number: start.frame_number, is_bottom, is_idr })
            }),
        }
    }

    fn change(&self, nal: &[u8]) -> Result<Change, ConfigError> {
        self.sets.change(nal)
    }

    fn add_set(&mut self, nal: &[u8]) {
        self.sets.add(nal);
    }

    fn message(&mut self, nal: &[u8]) -> Option<u32> {
        self.messages.read(nal.get(1..)?, false)
    }

    fn config(&self) -> Result<CodecConfig, ConfigError> {
        let mut config = self.sets.config()?;
        config.picture.colour = self.messages.colour(config.picture.colour);
        config.picture.display = self.messages.display();
        Ok(CodecConfig::Avc(config))
    }
}
