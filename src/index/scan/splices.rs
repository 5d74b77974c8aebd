//! SCTE-35 sections of a stream: packets of their PIDs → sections with the places and times that they
//! have in the source.
//!
//! Signs of life (`splice_null`) are passed over, and a section that repeats the one before it on its
//! PID counts once: encoders send each several times.

use std::collections::BTreeMap;

use super::damage::Damage;
use crate::model::ingest::FindingCode;
use crate::model::marker::{MAX_MARKER_BYTES, MAX_MARKERS};
use crate::ts::packet::Packet;
use crate::ts::sections::Sections;
use crate::ts::splice::{SpliceCommand, SpliceInfo, parse_splice};

/// A section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::index) struct RawSplice {
    /// The packet in which it ends, as [`super::input::place`] writes it.
    pub place: u64,
    /// When that packet came, as the pictures before it tell: 90 kHz, 33 bits.
    pub arrived: Option<u64>,
    /// What it says.
    pub info: SpliceInfo,
    /// The section itself.
    pub section: Vec<u8>,
}

/// Follows the PIDs with such sections.
#[derive(Debug, Default)]
pub(super) struct SpliceTracks {
    tracks: BTreeMap<u16, SpliceTrack>,
    found: Vec<RawSplice>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct SpliceTrack {
    sections: Sections,
    last: Vec<u8>,
}

impl SpliceTracks {
    /// A program map lists the PID.
    pub fn open(&mut self, pid: u16) {
        self.tracks.entry(pid).or_default();
    }

    /// Whether a PID is followed.
    pub fn follows(&self, pid: u16) -> bool {
        self.tracks.contains_key(&pid)
    }

    /// Another source segment begins.
    pub fn begin_object(&mut self) {
        for track in self.tracks.values_mut() {
            track.sections.begin_object();
        }
    }

    /// Another stretch begins: what is said again there is meant again.
    pub fn end_stretch(&mut self) {
        self.tracks.clear();
    }

    /// Takes a packet of a PID that is followed.
    pub fn push(
        &mut self,
        packet: &Packet<'_>,
        place: u64,
        arrived: Option<u64>,
        damage: &mut Damage,
    ) {
        let Some(track) = self.tracks.get_mut(&packet.pid) else { return };
        let lost = track.sections.lost;
        for section in track.sections.push(packet) {
            if section == track.last {
                continue;
            }
            let Ok(info) = parse_splice(&section) else {
                damage.note(FindingCode::MarkersBroken, place);
                continue;
            };
            track.last.clone_from(&section);
            match info.command {
                SpliceCommand::Null => continue,
                SpliceCommand::Encrypted => damage.note(FindingCode::MarkersEncrypted, place),
                _ => {}
            }
            self.bytes = self.bytes.saturating_add(section.len());
            if self.bytes > MAX_MARKER_BYTES || self.found.len() >= MAX_MARKERS {
                damage.note(FindingCode::MarkersBroken, place);
                continue;
            }
            self.found.push(RawSplice { place, arrived, info, section });
        }
        if track.sections.lost > lost {
            damage.note(FindingCode::MarkersBroken, place);
        }
    }

    /// Everything that was found, in order.
    pub fn finish(self) -> Vec<RawSplice> {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ts::splice::write_splice;

    fn push(tracks: &mut SpliceTracks, counter: u8, section: &[u8], damage: &mut Damage) {
        let mut payload = vec![0];
        payload.extend_from_slice(section);
        payload.resize(184, 0xFF);
        let packet = Packet {
            pid: 7,
            payload_unit_start: true,
            transport_error: false,
            scrambled: false,
            discontinuity: false,
            continuity_counter: counter,
            clock_reference: None,
            payload: Some(&payload),
        };
        tracks.push(&packet, u64::from(counter), Some(9), damage);
    }

    #[test]
    fn what_is_repeated_counts_once_and_what_is_broken_is_told() {
        let (mut tracks, mut damage) = (SpliceTracks::default(), Damage::default());
        let (out, back) = (write_splice(1, true, None), write_splice(1, false, None));
        let mut wrong = out.clone();
        wrong[9] ^= 1;
        push(&mut tracks, 0, &out, &mut damage);
        tracks.open(7);
        assert!(tracks.follows(7) && !tracks.follows(8));
        for (counter, section) in [&out, &out, &back, &wrong, &out].into_iter().enumerate() {
            push(&mut tracks, counter as u8, section, &mut damage);
        }
        assert_eq!(damage.entries.get(&FindingCode::MarkersBroken).unwrap().count, 1);
        let found = tracks.finish();
        let sections: Vec<_> = found.iter().map(|one| (one.place, &one.section)).collect();
        assert_eq!(sections, [(0, &out), (2, &back), (4, &out)]);
    }
}
