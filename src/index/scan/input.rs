//! The transport side of a track: packets of one PID → elementary stream bytes that know where in
//! the source they are.

use crate::model::presentation::SourcePosition;
use crate::ts::packet::{Continuity, PACKET_BYTES, PLAIN_PAYLOAD_BYTES, Packet, SYNC_BYTE};
use crate::ts::pes::{PesPart, PesReader};

/// A packet's place as one number.
pub(super) fn place(object: u32, offset: u64) -> u64 {
    u64::from(object) << 40 | offset & ((1 << 40) - 1)
}

/// Where something begins in the source. As a number it goes through framers as their tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::index) struct Origin {
    /// The packet that reading must begin with: the one in which the PES packet begins, where its
    /// header ends in the packet with the bytes.
    place: u64,
    detail: OriginDetail,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum OriginDetail {
    /// No more is known.
    #[default]
    Bare,
    /// No packet of the same PID is before it in its source segment.
    First,
    /// In the middle of a PES packet, of which so much payload is left.
    Inside { pes_left: u32 },
    /// Behind a header that runs over several packets; the last of them is here.
    Behind { header_end: u64 },
}

/// Marks [`OriginDetail::Behind`] in a tag. Places have no such bit: that would be the segment
/// 2^23.
const IS_BEHIND: u64 = 1 << 63;
/// Is [`OriginDetail::First`] in a tag, where [`IS_BEHIND`] is not.
const IS_FIRST: u64 = 1 << 62;

impl Origin {
    /// In the packet at `place`, where [`PesReader::left`] says `pes_left` before it.
    pub(super) fn inside(place: u64, pes_left: Option<usize>) -> Self {
        let left = pes_left.and_then(|left| u32::try_from(left).ok());
        let detail = left.map_or(OriginDetail::Bare, |pes_left| OriginDetail::Inside { pes_left });
        Self { place, detail }
    }

    /// Behind a header that begins in the packet at `place` and ends in the one at `header_end`;
    /// whether that is the first packet of its PID in its source segment.
    fn behind(place: u64, header_end: u64, is_first: bool) -> Self {
        let detail = match (header_end == place, is_first) {
            (true, true) => OriginDetail::First,
            (true, false) => OriginDetail::Bare,
            (false, _) => OriginDetail::Behind { header_end },
        };
        Self { place, detail }
    }

    pub(super) fn to_tag(self) -> u128 {
        let high = match self.detail {
            OriginDetail::Bare => 0,
            OriginDetail::First => IS_FIRST,
            OriginDetail::Inside { pes_left } => u64::from(pes_left) + 1,
            OriginDetail::Behind { header_end } => header_end | IS_BEHIND,
        };
        u128::from(high) << 64 | u128::from(self.place)
    }

    /// The other side of [`Origin::to_tag`].
    pub fn from_tag(tag: u128) -> Self {
        let high = (tag >> 64) as u64;
        let detail = match high {
            0 => OriginDetail::Bare,
            IS_FIRST => OriginDetail::First,
            high if high & IS_BEHIND != 0 => OriginDetail::Behind { header_end: high & !IS_BEHIND },
            high => OriginDetail::Inside { pes_left: (high - 1) as u32 },
        };
        Self { place: tag as u64, detail }
    }

    /// Where reading must begin.
    pub fn start(self) -> SourcePosition {
        position(self.place)
    }

    /// Payload that is to come of the PES packet that it begins in the middle of, if it says.
    pub fn pes_left(self) -> Option<u32> {
        match self.detail {
            OriginDetail::Inside { pes_left } => Some(pes_left),
            OriginDetail::Bare | OriginDetail::First | OriginDetail::Behind { .. } => None,
        }
    }

    /// Behind the last packet with bytes of what precedes it: `skip` bytes in its own packet do.
    pub fn end_before(self, skip: u8) -> SourcePosition {
        if skip == 0 {
            // The segment has nothing of it, so it need not be read.
            let is_first = self.detail == OriginDetail::First;
            let start = self.start();
            return SourcePosition { offset: if is_first { 0 } else { start.offset }, ..start };
        }
        let last = match self.detail {
            OriginDetail::Behind { header_end } => header_end,
            OriginDetail::Bare | OriginDetail::First | OriginDetail::Inside { .. } => self.place,
        };
        let last = position(last);
        SourcePosition { offset: last.offset + PACKET_BYTES as u64, ..last }
    }
}

/// The position behind [`place`].
pub(in crate::index) fn position(place: u64) -> SourcePosition {
    SourcePosition { object: (place >> 40) as u32, offset: place & ((1 << 40) - 1) }
}

/// Follows one PID.
pub(super) struct TrackInput {
    pub pid: u16,
    pub pes: PesReader,
    pub continuity: Continuity,
    /// The packet in which the current PES packet begins.
    packet_start: u64,
    /// The source segment of the last packet with payload.
    last_object: Option<u32>,
}

/// Packets of one PID that follow each other and hold nothing but payload.
pub(super) struct Run {
    pub packets: usize,
    /// Of the first packet.
    pub tag: u128,
    /// From one packet's tag to the next one's, modulo 2^128.
    pub tag_step: u128,
}

impl TrackInput {
    pub fn new(pid: u16) -> Self {
        Self {
            pid,
            pes: PesReader::waiting(),
            continuity: Continuity::default(),
            packet_start: 0,
            last_object: None,
        }
    }

    /// The same as [`TrackInput::part`] for nearly all packets: of this PID, with nothing but payload,
    /// in order, and in the middle of a PES packet. `None` for others, which change nothing here.
    pub fn ordinary<'a>(
        &mut self,
        bytes: &'a [u8; PACKET_BYTES],
        place: u64,
    ) -> Option<(&'a [u8], u128)> {
        let [sync, high, low, flags, payload @ ..] = bytes;
        let [pid_high, pid_low] = self.pid.to_be_bytes();
        // No transport error, no start, no scrambling, no adaptation field.
        let is_plain = (*sync, *high, *low) == (SYNC_BYTE, pid_high, pid_low)
            && flags & 0xF0 == 0x10
            && self.pes.is_inside_payload()
            && self.continuity.goes_on(flags & 0x0F);
        if !is_plain {
            return None;
        }
        let left = self.pes.left();
        let payload = self.pes.go_on(payload)?;
        Some((payload, Origin::inside(place, left).to_tag()))
    }

    /// The same for as many packets at the start as are ordinary; the first is at `place`, the others
    /// behind it.
    pub fn run(&mut self, packets: &[[u8; PACKET_BYTES]], place: u64) -> Run {
        let left = self.pes.left();
        let packets = self.pes.go_on_plain(packets, self.pid, &mut self.continuity);
        // Each is farther on in the source, and has less of the PES packet to come.
        let spent = left.map_or(0, |_| u128::from(PLAIN_PAYLOAD_BYTES as u64) << 64);
        let tag_step = u128::from(PACKET_BYTES as u64).wrapping_sub(spent);
        Run { packets, tag: Origin::inside(place, left).to_tag(), tag_step }
    }

    /// The elementary stream bytes of a packet, and the tag under which they are found again.
    pub fn part<'a>(&mut self, packet: &Packet<'a>, place: u64) -> Option<(PesPart<'a>, u128)> {
        if !self.continuity.admits(packet) {
            return None;
        }
        if packet.payload_unit_start {
            self.packet_start = place;
        }
        let object = position(place).object;
        let is_first = packet.payload.is_some() && self.last_object.replace(object) != Some(object);
        let left = self.pes.left();
        let part = self.pes.push(packet)?;
        let origin = match part.begins {
            Some(_) => Origin::behind(self.packet_start, place, is_first),
            None => Origin::inside(place, left),
        };
        Some((part, origin.to_tag()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A packet with stuffing in front of its payload.
    fn packet(start: bool, counter: u8, payload: &[u8]) -> [u8; PACKET_BYTES] {
        let mut bytes = [0xFF; PACKET_BYTES];
        let stuffing = PACKET_BYTES - 4 - payload.len();
        let flag = if start { 0x40 } else { 0 };
        bytes[..6].copy_from_slice(&[0x47, flag, 0x20, 0x30 | counter, stuffing as u8 - 1, 0]);
        bytes[4 + stuffing..].copy_from_slice(payload);
        bytes
    }

    /// The packet with the end of the header also holds the end of what was before.
    #[test]
    fn headers_in_two_packets_are_read_with_both() {
        let header = [0, 0, 1, 0xC0, 0, 0, 0x80, 0x80, 5, 0x21, 0, 1, 0, 1];
        let first = packet(true, 0, &header[..10]);
        let second = packet(false, 1, &[&header[10..], &[7; 40]].concat());
        let third = packet(false, 2, &[7; 40]);
        let mut input = TrackInput::new(0x20);
        let mut push = |bytes: &[u8; PACKET_BYTES], number: u64| {
            let packet = Packet::parse(bytes).unwrap();
            // Packets of other tracks lie between, and a border of segments.
            let (part, tag) = input.part(&packet, place(number as u32, 1_880 * number))?;
            Some((part.payload.len(), Origin::from_tag(tag)))
        };
        assert_eq!(push(&first, 1), None);
        let at = |object, offset| SourcePosition { object, offset };
        let (bytes, origin) = push(&second, 2).unwrap();
        assert_eq!((bytes, origin.start(), origin.pes_left()), (40, at(1, 1_880), None));
        assert_eq!(origin.end_before(0), at(1, 1_880));
        assert_eq!(origin.end_before(9), at(2, 3_760 + 188));
        let (bytes, origin) = push(&third, 3).unwrap();
        assert_eq!((bytes, origin.start()), (40, at(3, 5_640)));
        assert_eq!(origin.end_before(9), at(3, 5_640 + 188));
        let inside = Origin::inside(place(3, 5), Some(77));
        assert_eq!(Origin::from_tag(inside.to_tag()).pes_left(), Some(77));
    }

    /// A packet of one of two PIDs, with whatever makes it less than ordinary.
    fn any_packet() -> impl Strategy<Value = [u8; PACKET_BYTES]> {
        let rare = |one_in: u32| (0..one_in).prop_map(|choice| choice == 0);
        let header = (rare(8), rare(12), rare(12), rare(9), rare(6));
        let fill = prop_oneof![Just(0_u8), any::<u8>()];
        (header, 0_u8..200, 0_u16..400, fill, 0_u8..3).prop_map(
            |(
                (starts, has_error, is_scrambled, has_field, is_other),
                field,
                length,
                fill,
                flags,
            )| {
                let mut bytes = [fill; PACKET_BYTES];
                let start = if starts { 0x40 } else { 0 } | if has_error { 0x80 } else { 0 };
                let control = if is_scrambled { 0x80 } else { 0 };
                let field_flag = [0x10, 0x30, 0x20][if has_field { usize::from(flags) } else { 0 }];
                bytes[..4].copy_from_slice(&[0x47, start, 0x20, control | field_flag]);
                bytes[2] |= u8::from(is_other);
                let payload = if field_flag & 0x20 == 0 {
                    4
                } else {
                    bytes[4] = field;
                    bytes[5] = if fill & 1 == 1 { 0x80 } else { 0 };
                    5 + usize::from(field)
                };
                if starts && payload + 9 < PACKET_BYTES {
                    let [high, low] = length.to_be_bytes();
                    bytes[payload..payload + 9]
                        .copy_from_slice(&[0, 0, 1, 0xE0, high, low, 0x80, 0, 0]);
                }
                bytes
            },
        )
    }

    proptest! {
        /// The short ways for ordinary packets change nothing.
        #[test]
        fn the_short_ways_lead_to_the_same(
            packets in proptest::collection::vec((any_packet(), 0_u8..10), 1..60),
            runs in any::<bool>(),
        ) {
            let (mut short, mut long) = (TrackInput::new(0x20), TrackInput::new(0x20));
            let mut counter = 0;
            let number = |(mut bytes, step): ([u8; PACKET_BYTES], u8)| {
                // Mostly in order; some are repeated, some are lost.
                counter = (counter + match step { 0 => 0, 1 => 2, _ => 1 }) & 0x0F;
                bytes[3] |= counter;
                bytes
            };
            let packets: Vec<_> = packets.into_iter().map(number).collect();
            let at = |index: usize| place(3, index as u64 * 188);
            let slow = |input: &mut TrackInput, index: usize| {
                let packet = Packet::parse(&packets[index]).ok()?;
                let is_read = !packet.transport_error && !packet.scrambled;
                let is_own = is_read && packet.pid == input.pid;
                is_own.then(|| input.part(&packet, at(index))).flatten()
            };
            let counts = |input: &TrackInput| {
                (input.continuity.errors, input.continuity.repeats, input.pes.broken_headers)
            };
            let mut index = 0;
            while index < packets.len() {
                let mut found = Vec::new();
                if runs {
                    let run = short.run(&packets[index..], at(index));
                    for (number, packet) in packets[index..][..run.packets].iter().enumerate() {
                        let tag = run.tag.wrapping_add(run.tag_step.wrapping_mul(number as u128));
                        found.push(Some((PesPart { begins: None, payload: &packet[4..] }, tag)));
                    }
                }
                if found.is_empty() {
                    found.push(match short.ordinary(&packets[index], at(index)) {
                        Some((payload, tag)) => Some((PesPart { begins: None, payload }, tag)),
                        None => slow(&mut short, index),
                    });
                }
                for found in found {
                    prop_assert_eq!(found, slow(&mut long, index));
                    index += 1;
                }
                prop_assert_eq!(counts(&short), counts(&long));
            }
        }
    }
}
