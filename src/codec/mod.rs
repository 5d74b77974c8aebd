//! Elementary-stream syntax: from the bytes of a track to access units and decoder configurations.
//!
//! Framers take the payload of PES packets in any chunking and put samples, in the form that ISO
//! BMFF stores them, straight into the buffer that will be sent: start codes become lengths and
//! headers of sound disappear on the way, each byte of a picture is copied once. What a framer puts
//! out depends on the bytes alone and not on how they were cut, as long as the first bytes of a
//! chunk do not belong to another PES packet.
//!
//! Nothing here knows of containers, and nothing logs: what was wrong is counted and returned.

pub mod aac;
pub mod bits;
mod byte_stream;
pub mod caption;
pub mod dolby;
pub mod h264;
pub mod h265;
mod latm;
mod message;
mod mpeg_audio;
pub mod packed;
pub mod picture;
pub mod silence;
mod sink;
pub mod sound;
pub mod timing;
pub mod ttml;
pub mod webvtt;

use self::timing::ContinuousTimestamps;
use crate::model::sample::{Dependency, RandomAccess};

/// An access unit or audio frame as a framer found it in its elementary stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessUnit {
    /// Where its payload begins in the framer's buffer.
    pub offset: usize,
    /// Bytes of payload.
    pub size: usize,
    /// Timestamps of the PES packet in which it is the first to begin.
    pub timestamps: Option<Timestamps>,
    /// The tag of the chunk in which it begins.
    pub tag: u128,
    /// Bytes of that chunk that precede it.
    pub skip: u8,
    /// How it depends on others.
    pub dependency: Dependency,
    /// Whether decoding can begin here.
    pub access: RandomAccess,
    /// Which of the framer's decoder configurations it goes with, counted from 0.
    pub config: u32,
    /// The picture order count, from the last picture on that resets it; `None` for sound, and
    /// where it cannot be read.
    pub order: Option<i32>,
    /// A decoder that begins with the random access picture before it leaves it out, because what
    /// it refers to is missing.
    pub skipped_at_access: bool,
}

impl AccessUnit {
    /// Whether a picture is left out where decoding begins with the group's first picture, which
    /// has the timestamps `first`: it is shown before that and refers to what came before.
    pub fn is_left_out(
        &self,
        at: ContinuousTimestamps,
        first: ContinuousTimestamps,
        access: RandomAccess,
    ) -> bool {
        at.presentation < first.presentation
            && (self.skipped_at_access || access == RandomAccess::Recovery)
    }
}

/// PTS and DTS of a PES packet: 90 kHz, 33 bits. DTS equals PTS where the packet has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamps {
    /// When it is shown.
    pub presentation: u64,
    /// When it is decoded.
    pub decode: u64,
}

/// What a framer could not use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Bytes that belong to no access unit.
    pub stray_bytes: u64,
    /// Units with broken syntax.
    pub broken_units: u64,
    /// Units of layers that are not read.
    pub other_layers: u64,
    /// Fields without another to make a frame with.
    pub unpaired_fields: u64,
}

/// Why a decoder configuration could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The bits end inside a field.
    #[error("ends inside {field}")]
    Truncated {
        /// The syntax element.
        field: &'static str,
    },
    /// A syntax element has a value that the standard does not allow.
    #[error("{field} has the forbidden value {value}")]
    Forbidden {
        /// The syntax element.
        field: &'static str,
        /// What it says.
        value: u32,
    },
    /// A slice or set refers to a set that was not seen, or that could not be read.
    #[error("refers to {set} {id}, which is not known")]
    Unknown {
        /// The kind of set.
        set: &'static str,
        /// Its ID.
        id: u32,
    },
    /// The syntax is one that is not read here.
    #[error("uses {feature}, which is not supported")]
    Unsupported {
        /// What is used.
        feature: &'static str,
    },
}
