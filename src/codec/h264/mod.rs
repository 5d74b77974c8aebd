//! H.264 in byte stream format (ISO/IEC 14496-10:2022 Annex B).

mod parameter_sets;
mod slice_header;
mod syntax;

pub use parameter_sets::ParameterSets;
pub(super) use parameter_sets::{read_aspect_ratio, read_colour};
pub use slice_header::SliceHeaders;
pub use syntax::Syntax;

/// Turns the payload of PES packets into samples.
pub type Framer = super::byte_stream::Framer<Syntax>;

/// The NAL unit types that framing tells apart (ISO/IEC 14496-10:2022 table 7-1).
pub mod nal_type {
    /// Coded slice of a picture that is no IDR picture.
    pub const SLICE: u8 = 1;
    /// First part of a coded slice in three parts: the slice header and what is in all macroblocks.
    pub const PARTITION_A: u8 = 2;
    /// Coded slice of an IDR picture.
    pub const IDR: u8 = 5;
    /// Supplemental enhancement information.
    pub const SEI: u8 = 6;
    /// Sequence parameter set.
    pub const SPS: u8 = 7;
    /// Picture parameter set.
    pub const PPS: u8 = 8;
    /// Access unit delimiter.
    pub const DELIMITER: u8 = 9;
    /// End of sequence.
    pub const END_OF_SEQUENCE: u8 = 10;
    /// End of stream.
    pub const END_OF_STREAM: u8 = 11;
    /// Filler data.
    pub const FILLER: u8 = 12;
}
