//! H.265 (ISO/IEC 23008-2:2020): as much of it as encryption must know.
//!
//! ```text
//! parameter sets ─ sequence  ─┐
//!                  picture   ─┼─ slice_header: where the slice header ends
//! reference_set (in both)    ─┘
//! ```
//!
//! There is no framer here yet, and nothing reads what manifests and init segments show.

mod parameter_sets;
mod reference_set;
mod slice_header;

pub use slice_header::SliceHeaders;

/// The NAL unit types that are told apart (ISO/IEC 23008-2:2020 table 7-1).
pub mod nal_type {
    /// The first type that is no slice segment: below it are all slices, also those of kinds that
    /// are still reserved.
    pub const FIRST_NON_VCL: u8 = 32;
    /// Sequence parameter set.
    pub const SPS: u8 = 33;
    /// Picture parameter set.
    pub const PPS: u8 = 34;
}
