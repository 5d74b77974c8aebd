//! HEVC in byte stream format (ISO/IEC 23008-2:2020 Annex B).
//!
//! ```text
//! parameter sets ─ sequence  ─┐
//!                  picture   ─┼─ slice_header: where the slice header ends
//! reference_set (in both)    ─┘
//! ```
//!
//! `syntax` is what framing asks, `configuration` what manifests and init segments show.

mod configuration;
mod parameter_sets;
mod reference_set;
mod slice_header;
mod syntax;

pub use slice_header::SliceHeaders;
pub use syntax::Syntax;

/// Turns the payload of PES packets into samples.
pub type Framer = super::byte_stream::Framer<Syntax>;

/// The NAL unit types that are told apart (ISO/IEC 23008-2:2020 table 7-1).
pub mod nal_type {
    /// The first type that is no slice segment: below it are all slices, also those of kinds that
    /// are still reserved.
    pub const FIRST_NON_VCL: u8 = 32;
    /// Video parameter set.
    pub const VPS: u8 = 32;
    /// Sequence parameter set.
    pub const SPS: u8 = 33;
    /// Picture parameter set.
    pub const PPS: u8 = 34;
    /// Access unit delimiter.
    pub const DELIMITER: u8 = 35;
    /// Supplemental enhancement information before the slices.
    pub const PREFIX_SEI: u8 = 39;
    /// Supplemental enhancement information behind the slices.
    pub const SUFFIX_SEI: u8 = 40;
}
