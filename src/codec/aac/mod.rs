//! AAC: framing in ADTS, the configurations of MPEG-4, and what its frames carry unsaid.
//!
//! Does not decode: of a frame only its first and last elements are looked at.

pub(super) mod adts;
mod program_config;
pub mod replication;
pub(super) mod specific_config;

pub use adts::adts_header;

use super::sound;
use super::{AccessUnit, Damage, Timestamps};
use crate::model::codec::{AacConfig, CodecConfig};

/// Hertz by `sampling_frequency_index` (ISO/IEC 14496-3:2019 table 1.18).
const FREQUENCIES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];
/// The framer of ADTS alone, for callers that know of nothing else.
pub struct Framer(sound::Framer);

impl Framer {
    /// A framer that appends to `buffer`.
    pub fn new(buffer: Vec<u8>) -> Self {
        Self(sound::Framer::adts(buffer))
    }

    /// See [`sound::Framer::begin_packet`].
    pub fn begin_packet(&mut self, timestamps: Option<Timestamps>) {
        self.0.begin_packet(timestamps);
    }

    /// See [`sound::Framer::push`].
    pub fn push(&mut self, chunk: &[u8], tag: u128) {
        self.0.push(chunk, tag);
    }

    /// See [`sound::Framer::finish`].
    pub fn finish(&mut self) {
        self.0.finish();
    }

    /// See [`sound::Framer::units`].
    pub fn units(&self) -> &[AccessUnit] {
        self.0.units()
    }

    /// See [`sound::Framer::into_parts`].
    pub fn into_parts(self) -> (Vec<u8>, Vec<AccessUnit>) {
        self.0.into_parts()
    }

    /// See [`sound::Framer::drain`].
    pub fn drain(&mut self, take: impl FnMut(&AccessUnit, &[u8])) {
        self.0.drain(take);
    }

    /// The configuration of the first frame.
    pub fn config(&self) -> Option<&AacConfig> {
        match self.0.configs().first() {
            Some(CodecConfig::Aac(config)) => Some(config),
            _ => None,
        }
    }

    /// Configurations after the first.
    pub fn config_changes(&self) -> u64 {
        self.0.configs().len().saturating_sub(1) as u64
    }

    /// See [`sound::Framer::damage`].
    pub fn damage(&self) -> Damage {
        self.0.damage()
    }
}
