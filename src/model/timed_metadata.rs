//! ID3 tags with a time (Apple, "Timed Metadata for HTTP Live Streaming"; AOM, "Carriage of ID3 Timed
//! Metadata in CMAF"), and how large they are in what is written.
//!
//! The index holds them whole: they are small, and the size of a segment has to be known before its
//! source is read.

use super::sample::transport;
use crate::time::Ticks;

/// The scheme under which event messages carry ID3 tags.
pub const ID3_SCHEME: &str = "https://aomedia.org/emsg/ID3";
/// The value beside it.
pub const ID3_VALUE: &str = "0";
/// A PES packet has 16 bits for its length, of which its own header takes eight bytes.
pub const MAX_TAG_BYTES: usize = 65_535 - 8;
/// The most that a stream's tags may have together.
pub const MAX_STREAM_BYTES: usize = 4 << 20;

/// The tags of one PES packet of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedMetadata {
    /// Index of the period that it is in.
    pub period: u32,
    /// When it is to be known, 90 kHz, on the timeline of the presentation; inside its period.
    pub time: Ticks,
    /// ID3 tags as they stand in the source; at most [`MAX_TAG_BYTES`].
    pub payload: Vec<u8>,
}

impl TimedMetadata {
    /// Bytes of an event message box (ISO/IEC 23009-1:2022 5.10.3.3, version 1): header, version and
    /// flags, timescale, time, duration, number, two texts that end with a zero, payload.
    pub const fn event_bytes(&self) -> u64 {
        let texts = ID3_SCHEME.len() + 1 + ID3_VALUE.len() + 1;
        8 + 4 + 4 + 8 + 4 + 4 + (texts + self.payload.len()) as u64
    }

    /// Packets of the PES packet that carries it in a transport stream.
    pub const fn transport_packets(&self) -> u64 {
        transport::packets(transport::PES_HEADER_BYTES[0] + self.payload.len() as u64, 0)
    }
}
