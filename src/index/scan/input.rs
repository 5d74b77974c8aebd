//! The transport side of a track: packets of one PID → elementary stream bytes that know where in
//! the source they are.

use crate::model::presentation::SourcePosition;
use crate::ts::packet::{Continuity, PACKET_BYTES, Packet};
use crate::ts::pes::{PesPart, PesReader};

/// A packet's place as one number.
pub(super) fn place(object: u32, offset: u64) -> u64 {
    u64::from(object) << 40 | offset & ((1 << 40) - 1)
}

/// What framers hand back with what begins in a packet: its place, and what [`PesReader::left`]
/// says before it.
pub(super) fn tag(place: u64, pes_left: Option<usize>) -> u128 {
    let left = pes_left.and_then(|left| u64::try_from(left).ok()).map_or(0, |left| left + 1);
    u128::from(left) << 64 | u128::from(place)
}

/// The two sides of [`tag`].
pub(super) fn from_tag(tag: u128) -> (u64, Option<u32>) {
    let left = ((tag >> 64) as u64).checked_sub(1);
    (tag as u64, left.and_then(|left| u32::try_from(left).ok()))
}

/// The position behind [`place`].
pub(in crate::index) fn position(place: u64) -> SourcePosition {
    SourcePosition { object: (place >> 40) as u32, offset: place & ((1 << 40) - 1) }
}

/// Behind the last packet before something that begins `skip` bytes into the packet at `place`.
pub(in crate::index) fn end_before(place: u64, skip: u8) -> SourcePosition {
    let position = position(place);
    let inside = if skip > 0 { PACKET_BYTES as u64 } else { 0 };
    SourcePosition { offset: position.offset + inside, ..position }
}

/// Follows one PID.
pub(super) struct TrackInput {
    pub pid: u16,
    pub pes: PesReader,
    pub continuity: Continuity,
    /// The packet in which the current PES packet begins.
    packet_start: u64,
}

impl TrackInput {
    pub fn new(pid: u16) -> Self {
        Self { pid, pes: PesReader::waiting(), continuity: Continuity::default(), packet_start: 0 }
    }

    /// The elementary stream bytes of a packet, and the tag under which they are found again.
    pub fn part<'a>(&mut self, packet: &Packet<'a>, place: u64) -> Option<(PesPart<'a>, u128)> {
        if !self.continuity.admits(packet) {
            return None;
        }
        if packet.payload_unit_start {
            self.packet_start = place;
        }
        let left = self.pes.left();
        let part = self.pes.push(packet)?;
        // Where a header runs over two packets, reading must begin with the first of them.
        let tag = match part.begins {
            Some(_) => tag(self.packet_start, None),
            None => tag(place, left),
        };
        Some((part, tag))
    }
}
