//! Sections of one PID whose tables are private (ISO/IEC 13818-1:2023 2.4.4.11), such as SCTE-35.
//!
//! Unlike those of PAT and PMT these may be up to 4096 bytes long, several may begin in a packet, and
//! one may end in the packet in which the next begins. A section of which a packet is missing is
//! left out. Checksums are for whoever knows what the sections hold.

use super::packet::{Continuity, Packet};

/// Private sections are at most this long behind the length field (2.4.4.11).
const MAX_SECTION_BYTES: usize = 4093;
/// Bytes behind the last section of a packet (2.4.4.1).
const STUFFING: u8 = 0xFF;

/// Puts the sections of one PID together.
#[derive(Debug, Default)]
pub struct Sections {
    /// What there is of a section that goes on.
    open: Option<Vec<u8>>,
    continuity: Continuity,
    /// Sections that are left out because packets of them are missing, or their length is none.
    pub lost: u64,
}

impl Sections {
    /// The sections that end in a packet of the PID, each from `table_id` to its last byte.
    pub fn push(&mut self, packet: &Packet<'_>) -> Vec<Vec<u8>> {
        let mut sections = Vec::new();
        let errors = self.continuity.errors;
        if !self.continuity.admits(packet) {
            return sections;
        }
        if self.continuity.errors > errors && self.open.take().is_some() {
            self.lost += 1;
        }
        let Some(payload) = packet.payload else { return sections };
        if !packet.payload_unit_start {
            self.go_on(payload, &mut sections);
            return sections;
        }
        let Some((&pointer, behind)) = payload.split_first() else { return sections };
        let Some((tail, mut rest)) = behind.split_at_checked(usize::from(pointer)) else {
            self.lost += 1;
            self.open = None;
            return sections;
        };
        self.go_on(tail, &mut sections);
        if self.open.take().is_some() {
            self.lost += 1;
        }
        while rest.first().is_some_and(|&table_id| table_id != STUFFING) {
            let Some(bytes) = section_bytes(rest) else {
                self.open = Some(rest.to_vec());
                return sections;
            };
            if bytes > 3 + MAX_SECTION_BYTES {
                self.lost += 1;
                return sections;
            }
            let Some((section, behind)) = rest.split_at_checked(bytes) else {
                self.open = Some(rest.to_vec());
                return sections;
            };
            sections.push(section.to_vec());
            rest = behind;
        }
        sections
    }

    /// Another source segment begins: counters may start anywhere, and so may sections.
    pub fn begin_object(&mut self) {
        self.continuity.reset();
    }

    /// More bytes of the section that is open.
    fn go_on(&mut self, bytes: &[u8], sections: &mut Vec<Vec<u8>>) {
        let Some(mut open) = self.open.take() else { return };
        open.extend_from_slice(bytes);
        match section_bytes(&open) {
            Some(length) if length > 3 + MAX_SECTION_BYTES => self.lost += 1,
            // What follows in this packet is stuffing: another section would have a pointer.
            Some(length) if length <= open.len() => {
                open.truncate(length);
                sections.push(open);
            }
            _ => self.open = Some(open),
        }
    }
}

/// How long the section is that begins here, if that can be seen.
fn section_bytes(start: &[u8]) -> Option<usize> {
    let &[_, high, low] = start.first_chunk::<3>()?;
    Some(3 + (usize::from(high & 0x0F) << 8 | usize::from(low)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn section(id: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![0xFC, 0x30 | (length >> 8) as u8, length as u8];
        bytes.resize(3 + length, id);
        bytes
    }

    /// Payloads with and without pointer, 184 bytes each, that hold sections one after another.
    fn packed(sections: &[Vec<u8>]) -> Vec<(bool, Vec<u8>)> {
        let all = sections.concat();
        let mut starts = vec![0];
        for section in sections {
            starts.push(starts.last().unwrap() + section.len());
        }
        let (mut at, mut out) = (0, Vec::new());
        while at < all.len() {
            // A pointer is there where a section begins in the packet.
            let next = starts.iter().find(|start| **start >= at && **start < all.len());
            let pointer = next.map(|next| next - at).filter(|pointer| *pointer <= 183);
            let room = if pointer.is_some() { 183 } else { 184 };
            let end = (at + room).min(all.len());
            let mut payload: Vec<u8> = pointer.map(|p| p as u8).into_iter().collect();
            payload.extend_from_slice(&all[at..end]);
            payload.resize(184, STUFFING);
            out.push((pointer.is_some(), payload));
            at = end;
        }
        out
    }

    fn read(payloads: &[(bool, Vec<u8>)], lost: Option<usize>) -> (Vec<Vec<u8>>, u64) {
        let mut reader = Sections::default();
        let mut out = Vec::new();
        for (index, (start, payload)) in payloads.iter().enumerate() {
            if lost == Some(index) {
                continue;
            }
            out.extend(reader.push(&Packet {
                pid: 7,
                payload_unit_start: *start,
                transport_error: false,
                scrambled: false,
                discontinuity: false,
                continuity_counter: (index % 16) as u8,
                clock_reference: None,
                payload: Some(payload),
            }));
        }
        (out, reader.lost)
    }

    proptest! {
        #[test]
        fn sections_are_whole_however_they_lie(
            lengths in proptest::collection::vec(0_usize..MAX_SECTION_BYTES, 1..12),
        ) {
            let sections: Vec<Vec<u8>> =
                lengths.iter().zip(1..).map(|(length, id)| section(id, *length)).collect();
            // Too long to be printed.
            prop_assert!(read(&packed(&sections), None) == (sections, 0));
        }

        #[test]
        fn of_what_lacks_a_packet_nothing_is_handed_out(
            lengths in proptest::collection::vec(1_usize..600, 2..9),
            lost in 0_usize..20,
        ) {
            let sections: Vec<Vec<u8>> =
                lengths.iter().zip(1..).map(|(length, id)| section(id, *length)).collect();
            let (found, _) = read(&packed(&sections), Some(lost));
            prop_assert!(found.iter().all(|section| sections.contains(section)));
        }

        #[test]
        fn any_bytes_are_taken(
            payloads in proptest::collection::vec(
                (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..184)), 0..20),
        ) {
            read(&payloads, None);
        }
    }
}
