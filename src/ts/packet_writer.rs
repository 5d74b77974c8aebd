//! The packets of one PID (ISO/IEC 13818-1:2023 2.4.3.2 to 2.4.3.5): headers, continuity counters,
//! adaptation fields with clock references and stuffing.
//!
//! ```text
//! header │ adaptation field: length, flags, clock reference, stuffing │ a piece of a PES packet
//! ```
//!
//! Knows nothing of what the payload means.

use super::packet::SYNC_BYTE;
use crate::model::sample::transport;
use crate::time::Ticks;

/// Timestamps wrap at 33 bits.
const CLOCK_MASK: i64 = (1 << 33) - 1;

/// A time on the output's 33-bit clock.
pub(super) fn clock(time: Ticks) -> u64 {
    (time.plus(Ticks(transport::TIMELINE_START)).0 & CLOCK_MASK) as u64
}

/// An adaptation field with a clock reference.
#[derive(Clone, Copy)]
pub(super) struct ClockField {
    /// Its time on the timeline of the presentation.
    pub reference: Ticks,
    /// The packet begins a random access point.
    pub random_access: bool,
}

impl ClockField {
    /// `adaptation_field_length` to the end of the clock reference, with room for `stuffing`.
    fn bytes(self, stuffing: usize) -> [u8; transport::CLOCK_FIELD_BYTES as usize] {
        let base = clock(self.reference);
        let flags = 0x10 | if self.random_access { 0x40 } else { 0 };
        [
            (7 + stuffing) as u8,
            flags,
            (base >> 25) as u8,
            (base >> 17) as u8,
            (base >> 9) as u8,
            (base >> 1) as u8,
            (base << 7) as u8 | 0x7E, // last bit of the base, reserved bits, extension 0
            0,
        ]
    }
}

/// Writes the packets of one PID.
pub(super) struct PacketWriter {
    /// The PID.
    pub pid: u16,
    /// Packets with payload before the next one.
    pub counter: u64,
}

const PACKET_BYTES: usize = transport::PACKET_BYTES as usize;
const PAYLOAD_BYTES: usize = transport::PAYLOAD_BYTES as usize;

impl PacketWriter {
    fn header(&self, start: bool, field: bool, payload: bool) -> [u8; 4] {
        let [high, low] = self.pid.to_be_bytes();
        let start = if start { 0x40 } else { 0 };
        let control = if field { 0x20 } else { 0 } | if payload { 0x10 } else { 0 };
        [SYNC_BYTE, start | high, low, control | (self.counter & 0x0F) as u8]
    }

    /// Writes one PES packet, given in pieces, and stuffs its last packet. Where it is to take at
    /// least so many packets and needs fewer, all of them are stuffed alike, but the first piece
    /// stays whole in the first packet, and each of the others holds a byte at least: more packets
    /// than that allows cannot be had.
    pub fn write(
        &mut self,
        out: &mut Vec<u8>,
        field: Option<ClockField>,
        pieces: &[&[u8]],
        at_least: usize,
    ) {
        let mut left: usize = pieces.iter().map(|piece| piece.len()).sum();
        let head = pieces.first().map_or(0, |piece| piece.len());
        let field_bytes = field.map_or(0, |_| transport::CLOCK_FIELD_BYTES);
        let needed = transport::packets(left as u64, field_bytes) as usize;
        let mut packets_left = at_least.min(1 + left - head);
        let is_spread = packets_left > needed;
        let mut pieces = pieces.iter().copied();
        let mut piece: &[u8] = &[];
        let mut field = field;
        let mut start = true;
        while left > 0 {
            if !start && !is_spread {
                let (whole, rest) = piece.as_chunks::<PAYLOAD_BYTES>();
                if !whole.is_empty() {
                    self.write_whole(out, whole);
                    left -= piece.len() - rest.len();
                    piece = rest;
                    continue;
                }
            }
            let clock = field.take();
            let clock_bytes = clock.map_or(0, |_| transport::CLOCK_FIELD_BYTES as usize);
            let room = PAYLOAD_BYTES - clock_bytes;
            let share = match (is_spread, start) {
                (false, _) => left,
                (true, true) => left.div_ceil(packets_left).max(head),
                (true, false) => left.div_ceil(packets_left),
            };
            let take = share.min(room);
            let stuffing = PAYLOAD_BYTES - clock_bytes - take;
            let has_field = clock.is_some() || stuffing > 0;
            out.extend_from_slice(&self.header(start, has_field, true));
            self.counter += 1;
            match clock {
                Some(clock) => {
                    out.extend_from_slice(&clock.bytes(stuffing));
                    out.resize(out.len() + stuffing, 0xFF);
                }
                None => write_stuffing_field(out, stuffing),
            }
            let mut room = take;
            while room > 0 {
                if piece.is_empty() {
                    let Some(next) = pieces.next() else { break };
                    piece = next;
                    continue;
                }
                let (now, later) = piece.split_at(room.min(piece.len()));
                out.extend_from_slice(now);
                room -= now.len();
                piece = later;
            }
            left -= take;
            packets_left = packets_left.saturating_sub(1);
            start = false;
        }
    }

    /// Writes packets that are full, as most are: what they hold lies in one piece.
    fn write_whole(&mut self, out: &mut Vec<u8>, payloads: &[[u8; PAYLOAD_BYTES]]) {
        out.reserve(payloads.len() * PACKET_BYTES);
        for payload in payloads {
            out.extend_from_slice(&self.header(false, false, true));
            // What is known and short to the compiler takes no call.
            let (first, second) = payload.split_at(PAYLOAD_BYTES / 2);
            out.extend_from_slice(first);
            out.extend_from_slice(second);
            self.counter += 1;
        }
    }

    /// Writes a packet that holds nothing but a clock reference. The counter stands still (2.4.3.3),
    /// at the value of the last packet with payload.
    pub fn write_clock(&self, out: &mut Vec<u8>, reference: Ticks) {
        let last = Self { pid: self.pid, counter: self.counter.wrapping_sub(1) };
        let stuffing = PAYLOAD_BYTES - transport::CLOCK_FIELD_BYTES as usize;
        out.extend_from_slice(&last.header(false, true, false));
        out.extend_from_slice(&ClockField { reference, random_access: false }.bytes(stuffing));
        out.resize(out.len() + stuffing, 0xFF);
    }
}

/// An adaptation field of exactly `bytes`, possibly none.
fn write_stuffing_field(out: &mut Vec<u8>, bytes: usize) {
    let Some(length) = bytes.checked_sub(1) else { return };
    out.push(length as u8);
    if let Some(stuffing) = length.checked_sub(1) {
        out.push(0);
        out.resize(out.len() + stuffing, 0xFF);
    }
}

/// Writes a table section into one packet of its own.
pub(super) fn write_table(out: &mut Vec<u8>, pid: u16, counter: u64, section: &[u8]) {
    let packet = PacketWriter { pid, counter };
    let end = out.len() + PACKET_BYTES;
    out.extend_from_slice(&packet.header(true, false, true));
    out.push(0); // pointer_field
    out.extend_from_slice(section);
    out.resize(end, 0xFF);
}
