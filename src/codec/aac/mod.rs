//! AAC: framing in ADTS, the configurations of MPEG-4, and what its frames carry unsaid.
//!
//! Does not decode: of a frame only its first and last elements are looked at.

pub(super) mod adts;
mod program_config;
pub mod replication;
pub(super) mod specific_config;

pub use adts::adts_header;

/// Hertz by `sampling_frequency_index` (ISO/IEC 14496-3:2019 table 1.18).
const FREQUENCIES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];
