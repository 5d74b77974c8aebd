//! Transport packets (ISO/IEC 13818-1:2023 2.4.3.2 to 2.4.3.5).

/// Bytes of a packet.
pub const PACKET_BYTES: usize = 188;
/// The first byte of every packet.
pub const SYNC_BYTE: u8 = 0x47;

/// A packet's header, and its payload where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Packet identifier, 13 bits.
    pub pid: u16,
    /// A PES packet or table section begins in the payload.
    pub payload_unit_start: bool,
    /// `transport_error_indicator`.
    pub transport_error: bool,
    /// The payload is scrambled.
    pub scrambled: bool,
    /// `discontinuity_indicator` of the adaptation field.
    pub discontinuity: bool,
    /// Counts the packets with payload of a PID, modulo 16.
    pub continuity_counter: u8,
    /// `program_clock_reference_base` of the adaptation field: 90 kHz, 33 bits.
    pub clock_reference: Option<u64>,
    /// What follows the adaptation field; `None` where the header says there is nothing.
    pub payload: Option<&'a [u8]>,
}

/// Bytes of a packet that is nothing but a header of four bytes and payload.
pub const PLAIN_PAYLOAD_BYTES: usize = PACKET_BYTES - 4;
/// Every packet is given to one reader or another, so what concerns none is told by one comparison.
const SYNC_AND_PID: u32 = 0xFF1F_FF00;
/// All but `transport_priority`.
const ALL_BUT_PRIORITY: u32 = !0x0020_0000;

fn header(packet: &[u8; PACKET_BYTES]) -> u32 {
    let &[b0, b1, b2, b3, ..] = packet;
    u32::from_be_bytes([b0, b1, b2, b3])
}

/// The payload of a packet that has no adaptation field.
pub fn plain_payload(packet: &[u8; PACKET_BYTES]) -> &[u8; PLAIN_PAYLOAD_BYTES] {
    let [_, _, _, _, payload @ ..] = packet;
    payload
}

/// How many packets at the start are in sync and of other PIDs.
pub fn other_packets(packets: &[[u8; PACKET_BYTES]], pid: u16) -> usize {
    let own = u32::from(pid) << 8;
    let is_other = |packet: &&[u8; PACKET_BYTES]| {
        let difference = (header(packet) ^ u32::from(SYNC_BYTE) << 24) & SYNC_AND_PID;
        difference >> 24 == 0 && difference != own
    };
    packets.iter().take_while(is_other).count()
}

/// How many packets at the start are of a PID, follow each other from a continuity counter on, and
/// hold nothing but payload that goes on: no start of a PES packet, no adaptation field, no error,
/// no scrambling.
pub fn plain_packets(packets: &[[u8; PACKET_BYTES]], pid: u16, counter: u8) -> usize {
    let plain = u32::from(SYNC_BYTE) << 24 | u32::from(pid) << 8 | 0x10;
    let mut counter = u32::from(counter);
    let is_plain = |packet: &&[u8; PACKET_BYTES]| {
        let expected = plain | counter & 0x0F;
        counter += 1;
        header(packet) & ALL_BUT_PRIORITY == expected
    };
    packets.iter().take_while(is_plain).count()
}

/// Why 188 bytes are no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// The first byte is not the sync byte.
    #[error("begins with {actual:#04x} and not with the sync byte")]
    NoSync {
        /// The first byte.
        actual: u8,
    },
    /// The adaptation field is longer than the packet.
    #[error("adaptation field of {length} bytes does not fit")]
    AdaptationField {
        /// `adaptation_field_length`.
        length: u8,
    },
}

impl<'a> Packet<'a> {
    /// Reads a packet.
    pub fn parse(bytes: &'a [u8; PACKET_BYTES]) -> Result<Self, PacketError> {
        let [sync, b1, b2, b3, rest @ ..] = bytes;
        if *sync != SYNC_BYTE {
            return Err(PacketError::NoSync { actual: *sync });
        }
        let has_adaptation_field = b3 & 0x20 != 0;
        let has_payload = b3 & 0x10 != 0;
        let mut behind = &rest[..];
        let mut discontinuity = false;
        let mut clock_reference = None;
        if has_adaptation_field {
            let [length, field @ ..] = rest;
            let error = PacketError::AdaptationField { length: *length };
            let (field, payload) = field.split_at_checked(usize::from(*length)).ok_or(error)?;
            discontinuity = field.first().is_some_and(|flags| flags & 0x80 != 0);
            clock_reference = read_clock_reference(field);
            behind = payload;
        }
        Ok(Self {
            pid: u16::from(b1 & 0x1F) << 8 | u16::from(*b2),
            payload_unit_start: b1 & 0x40 != 0,
            transport_error: b1 & 0x80 != 0,
            scrambled: b3 & 0xC0 != 0,
            discontinuity,
            continuity_counter: b3 & 0x0F,
            clock_reference,
            payload: has_payload.then_some(behind),
        })
    }
}

/// `program_clock_reference_base` of an adaptation field behind its length (2.4.3.5).
fn read_clock_reference(field: &[u8]) -> Option<u64> {
    let &[flags, b0, b1, b2, b3, b4] = field.first_chunk::<6>()?;
    let base = u64::from(u32::from_be_bytes([b0, b1, b2, b3])) << 1 | u64::from(b4 >> 7);
    (flags & 0x10 != 0).then_some(base)
}

/// The distances from one packet to the next that occur: plain, with a time code of four bytes in
/// front (M2TS), with sixteen bytes of parity behind (DVB).
pub const PACKET_DISTANCES: [u8; 3] = [188, 192, 204];

/// The distance of packets in an object that begins with these bytes; `None` where there is no
/// transport stream in them.
pub fn packet_distance(start: &[u8]) -> Option<u8> {
    /// So many sync bytes in a row are no accident.
    const ENOUGH: usize = 5;
    /// A stream that does not begin by then is none.
    const SEARCHED: usize = 64 * 1024;
    let candidates = memchr::memchr_iter(SYNC_BYTE, start.get(..SEARCHED).unwrap_or(start));
    let mut best: Option<(usize, u8)> = None;
    for at in candidates {
        for distance in PACKET_DISTANCES {
            let behind = start.get(at..).unwrap_or_default();
            let places = behind.iter().step_by(usize::from(distance)).take(ENOUGH);
            let run = places.take_while(|&&byte| byte == SYNC_BYTE).count();
            let whole = behind.len() >= PACKET_BYTES;
            if run >= ENOUGH {
                return Some(distance);
            }
            // A short object: all that is there has to fit.
            let fits = whole && run * usize::from(distance) + PACKET_BYTES > behind.len();
            if fits && best.is_none_or(|(most, _)| run > most) {
                best = Some((run, distance));
            }
        }
    }
    best.filter(|(run, _)| *run >= 2 || start.len() < 2 * PACKET_BYTES).map(|(_, d)| d)
}

/// Takes packets.
pub trait TakePackets {
    /// Takes as many packets as it can at once, the first of which begins at an offset of its object;
    /// returns how many of them are done with. The next one is given to [`TakePackets::take`].
    fn take_run(&mut self, offset: u64, packets: &[[u8; PACKET_BYTES]]) -> usize;
    /// Takes a packet, which begins at an offset of its object.
    fn take(&mut self, offset: u64, packet: &[u8; PACKET_BYTES]);
}

/// Cuts the bytes of an object into packets, whatever the chunks they come in, and finds the next
/// packet where sync was lost.
///
/// A packet behind lost sync is believed if another follows it or the object ends with it. Which
/// packets are found depends on the bytes alone and not on how they are cut into chunks, so reading
/// that begins with any packet finds the same ones behind it.
#[derive(Debug)]
pub struct PacketReader {
    carry: Vec<u8>,
    /// Where the next byte that is pushed lies in its object.
    offset: u64,
    skipped_bytes: u64,
    /// Sync is lost and not found again.
    is_lost: bool,
    /// Bytes from one packet to the next.
    distance: usize,
    /// Bytes between two packets that are still to come.
    between: usize,
}

/// Reads packets without anything between them.
impl Default for PacketReader {
    fn default() -> Self {
        Self {
            carry: Vec::new(),
            offset: 0,
            skipped_bytes: 0,
            is_lost: false,
            distance: PACKET_BYTES,
            between: 0,
        }
    }
}

impl PacketReader {
    /// A reader whose first byte lies at `offset` of its object.
    pub fn at(offset: u64) -> Self {
        Self { offset, ..Self::default() }
    }

    /// Goes on at `offset` of another object, whose packets follow each other at `distance` (one of
    /// [`PACKET_DISTANCES`]).
    pub fn begin_object(&mut self, offset: u64, distance: u8) {
        self.carry.clear();
        self.offset = offset;
        self.is_lost = false;
        self.distance = usize::from(distance).max(PACKET_BYTES);
        // Time codes stand in front of packets.
        self.between = if offset == 0 && distance == 192 { 4 } else { 0 };
    }

    /// The same as [`PacketReader::push`] for who can take many packets at once.
    pub fn push_runs(&mut self, chunk: &[u8], to: &mut impl TakePackets) {
        let mut rest = chunk;
        while !rest.is_empty() {
            if self.is_at_packet() {
                let (packets, _) = rest.as_chunks::<PACKET_BYTES>();
                let passed = to.take_run(self.offset, packets) * PACKET_BYTES;
                self.offset += passed as u64;
                rest = rest.get(passed..).unwrap_or_default();
            }
            let (next, behind) = rest.split_at(self.to_next_packet().min(rest.len()));
            self.push(next, |offset, packet| to.take(offset, packet));
            rest = behind;
        }
    }

    /// Whether the next byte that is pushed begins a packet, and further packets follow without
    /// anything between them: then they may be taken out of the chunk itself.
    fn is_at_packet(&self) -> bool {
        self.distance == PACKET_BYTES && self.carry.is_empty() && !self.is_lost
    }

    /// How many bytes of a chunk to push before asking [`PacketReader::is_at_packet`] again.
    fn to_next_packet(&self) -> usize {
        /// While sync is searched for, or where packets lie apart.
        const MANY: usize = 64 * PACKET_BYTES;
        match self.is_lost || self.distance != PACKET_BYTES {
            true => MANY,
            false => PACKET_BYTES.saturating_sub(self.carry.len()).max(1),
        }
    }

    /// What is left of the object behind its last packet.
    pub fn rest(&self) -> &[u8] {
        &self.carry
    }

    /// Bytes that were skipped to find sync again.
    pub fn skipped_bytes(&self) -> u64 {
        self.skipped_bytes
    }

    /// Calls `take` with each packet and where it begins in its object.
    pub fn push(&mut self, chunk: &[u8], mut take: impl FnMut(u64, &[u8; PACKET_BYTES])) {
        let mut rest = chunk;
        while !self.carry.is_empty() {
            let wanted = if self.is_lost { self.distance + 1 } else { PACKET_BYTES };
            let missing = wanted.saturating_sub(self.carry.len());
            let (part, behind) = rest.split_at(missing.min(rest.len()));
            self.carry.extend_from_slice(part);
            self.offset += part.len() as u64;
            rest = behind;
            if self.carry.len() < wanted {
                return;
            }
            let mut carry = std::mem::take(&mut self.carry);
            let begin = self.offset - carry.len() as u64;
            let mut used = self.step(&carry, begin, &mut take).unwrap_or(0);
            let between = self.between.min(carry.len() - used);
            self.between -= between;
            used += between;
            carry.drain(..used);
            self.carry = carry;
        }
        loop {
            let between = self.between.min(rest.len());
            self.between -= between;
            self.offset += between as u64;
            rest = rest.get(between..).unwrap_or_default();
            let Some(used) = self.step(rest, self.offset, &mut take) else { break };
            self.offset += used as u64;
            rest = rest.get(used..).unwrap_or_default();
        }
        self.carry.extend_from_slice(rest);
        self.offset += rest.len() as u64;
    }

    /// The object ends: the last packet behind lost sync has no other behind it.
    pub fn finish_object(&mut self, mut take: impl FnMut(u64, &[u8; PACKET_BYTES])) {
        let length = self.carry.len();
        let Some(packet) = self.carry.first_chunk::<PACKET_BYTES>() else { return };
        if packet[0] == SYNC_BYTE && (length == PACKET_BYTES || length == self.distance) {
            take(self.offset - length as u64, packet);
            self.carry.clear();
        }
    }

    /// Takes a packet or skips bytes at the start of `bytes`, which begin at `offset`; returns how
    /// many bytes are done with, or `None` where more are needed first.
    fn step(
        &mut self,
        bytes: &[u8],
        offset: u64,
        take: &mut impl FnMut(u64, &[u8; PACKET_BYTES]),
    ) -> Option<usize> {
        if self.is_lost {
            let skip = match memchr::memchr(SYNC_BYTE, bytes) {
                Some(0) if *bytes.get(self.distance)? == SYNC_BYTE => {
                    self.is_lost = false;
                    0
                }
                Some(0) => 1,
                Some(at) => at,
                None if bytes.is_empty() => return None,
                None => bytes.len(),
            };
            self.skipped_bytes += skip as u64;
            return Some(skip);
        }
        let packet = bytes.first_chunk::<PACKET_BYTES>()?;
        if packet[0] == SYNC_BYTE {
            take(offset, packet);
            self.between = self.distance - PACKET_BYTES;
            return Some(PACKET_BYTES);
        }
        self.is_lost = true;
        Some(0)
    }
}

/// Finds packets that repeat the one before, and counts those that are missing (2.4.3.3).
#[derive(Clone, Copy, Debug, Default)]
pub struct Continuity {
    last: Option<u8>,
    /// Times that packets were missing.
    pub errors: u64,
    /// Packets that repeat the one before.
    pub repeats: u64,
}

impl Continuity {
    /// Whether the packet is to be read: false for a duplicate.
    pub fn admits(&mut self, packet: &Packet<'_>) -> bool {
        let counter = packet.continuity_counter;
        let expected = self.expected();
        if packet.payload.is_none() {
            return true;
        }
        if self.last == Some(counter) && !packet.discontinuity {
            self.repeats += 1;
            return false;
        }
        if expected.is_some_and(|expected| expected != counter) && !packet.discontinuity {
            self.errors += 1;
        }
        self.last = Some(counter);
        true
    }

    /// The counter of a packet with payload that follows; `None` where any may.
    pub fn expected(&self) -> Option<u8> {
        self.last.map(|last| (last + 1) & 0x0F)
    }

    /// So many packets were read that follow each other.
    pub fn pass(&mut self, packets: usize) {
        self.last = self.last.map(|last| last.wrapping_add(packets as u8) & 0x0F);
    }

    /// Whether a packet with payload and this counter is the next in order, and so is to be read;
    /// where it is not, nothing is noted, and [`Continuity::admits`] knows why.
    pub fn goes_on(&mut self, counter: u8) -> bool {
        let is_next = self.last.is_some_and(|last| (last + 1) & 0x0F == counter);
        if is_next {
            self.last = Some(counter);
        }
        is_next
    }

    /// Another object begins: counters may start anywhere.
    pub fn reset(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(pid: u16, counter: u8) -> [u8; PACKET_BYTES] {
        let mut bytes = [0xAB; PACKET_BYTES];
        bytes[0] = SYNC_BYTE;
        bytes[1] = (pid >> 8) as u8;
        bytes[2] = pid as u8;
        bytes[3] = 0x10 | counter;
        bytes
    }

    fn offsets(stream: &[u8], cut: usize) -> Vec<u64> {
        let mut reader = PacketReader::at(0);
        let mut found = Vec::new();
        for chunk in stream.chunks(cut) {
            reader.push(chunk, |offset, _| found.push(offset));
        }
        found
    }

    #[test]
    fn packets_are_found_at_any_chunking() {
        let stream = [packet(1, 0), packet(2, 0), packet(3, 0)].concat();
        for cut in 1..stream.len() {
            assert_eq!(offsets(&stream, cut), [0, 188, 376], "cut {cut}");
        }
    }

    #[test]
    fn sync_is_found_again_behind_garbage() {
        let stream = [&packet(1, 0)[..], &[1, 2, 3], &packet(2, 0), &packet(3, 0)].concat();
        for cut in 1..stream.len() {
            assert_eq!(offsets(&stream, cut), [0, 191, 379], "cut {cut}");
        }
    }

    #[test]
    fn packets_at_other_distances_are_found_at_any_chunking() {
        let packets: Vec<[u8; PACKET_BYTES]> = (0..6).map(|pid| packet(pid, 0)).collect();
        let time_coded: Vec<u8> =
            packets.iter().flat_map(|p| [&[SYNC_BYTE, 1, 2, 3][..], p].concat()).collect();
        let protected: Vec<u8> =
            packets.iter().flat_map(|p| [&p[..], &[0x99; 16]].concat()).collect();
        for (stream, distance, first) in [(time_coded, 192, 4), (protected, 204, 0)] {
            assert_eq!(packet_distance(&stream), Some(distance));
            let expected: Vec<u64> =
                (0..6).map(|index| first + index * u64::from(distance)).collect();
            for cut in [1, 3, 187, 188, 191, 192, 203, 204, 205, 500, stream.len()] {
                let mut reader = PacketReader::default();
                reader.begin_object(0, distance);
                let mut found = Vec::new();
                for chunk in stream.chunks(cut) {
                    reader.push(chunk, |offset, _| found.push(offset));
                }
                reader.finish_object(|offset, _| found.push(offset));
                assert_eq!(found, expected, "distance {distance}, cut {cut}");
                assert_eq!(reader.skipped_bytes(), 0);
            }
        }
    }

    #[test]
    fn what_is_no_transport_stream_has_no_distance() {
        assert_eq!(packet_distance(&[SYNC_BYTE; 100]), None);
        assert_eq!(packet_distance(b"<html>GG</html>    ".repeat(36).as_slice()), None);
        assert_eq!(packet_distance(&packet(1, 0)), Some(188));
        assert_eq!(packet_distance(&[packet(1, 0), packet(1, 1)].concat()), Some(188));
    }

    #[test]
    fn how_garbage_is_cut_does_not_matter() {
        // Sync bytes in garbage, some with another one packet later.
        let mut garbage = [0x11; 600];
        for at in [3, 40, 41, 190, 228, 229, 400] {
            garbage[at] = SYNC_BYTE;
        }
        let stream = [&packet(1, 0)[..], &garbage, &packet(2, 0), &packet(3, 0)].concat();
        let found = |cut: usize| {
            let mut reader = PacketReader::at(0);
            let mut found = Vec::new();
            for chunk in stream.chunks(cut) {
                reader.push(chunk, |offset, _| found.push(offset));
            }
            reader.finish_object(|offset, _| found.push(offset));
            (found, reader.rest().len())
        };
        let whole = found(stream.len());
        for cut in 1..stream.len() {
            assert_eq!(found(cut), whole, "cut {cut}");
        }
    }

    #[test]
    fn the_last_packet_of_an_object_needs_no_other_behind_it() {
        let stream = [&packet(1, 0)[..], &[1, 2, 3], &packet(2, 0)].concat();
        let mut reader = PacketReader::at(0);
        let mut found = Vec::new();
        reader.push(&stream, |offset, _| found.push(offset));
        reader.finish_object(|offset, _| found.push(offset));
        assert_eq!((found, reader.rest().len()), (vec![0, 191], 0));
    }

    #[test]
    fn header_fields_and_adaptation_field_are_read() {
        let mut bytes = packet(0x1234 & 0x1FFF, 7);
        bytes[1] |= 0x40;
        bytes[3] = 0x37;
        bytes[4] = 10;
        bytes[5] = 0x80;
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!((packet.pid, packet.continuity_counter), (0x1234, 7));
        assert!(packet.payload_unit_start && packet.discontinuity);
        assert_eq!(packet.payload.map(<[u8]>::len), Some(173));
        bytes[4] = 184;
        assert_eq!(Packet::parse(&bytes), Err(PacketError::AdaptationField { length: 184 }));
    }

    #[test]
    fn duplicates_are_refused_and_losses_counted() {
        let mut continuity = Continuity::default();
        let admitted: Vec<bool> = [0, 1, 1, 2, 4, 5]
            .map(|counter| continuity.admits(&Packet::parse(&packet(9, counter)).unwrap()))
            .to_vec();
        assert_eq!(admitted, [true, true, false, true, true, true]);
        assert_eq!(continuity.errors, 1);
    }
}
