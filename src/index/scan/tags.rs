//! ID3 tags of one PID: PES packets → tags with the times and places that they have in the source.
//!
//! A PES packet counts as a whole: it begins with a tag and may hold several. What has no time, is no
//! tag, is not there in full or is too large is refused and counted.

use super::input::TrackInput;
use crate::codec::Timestamps;
use crate::model::timed_metadata::MAX_TAG_BYTES;
use crate::ts::packet::Packet;

/// The tags of a PES packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::index) struct RawTag {
    /// The packet in which it begins, as [`super::input::place`] writes it.
    pub place: u64,
    /// PTS, 33 bits.
    pub time: u64,
    pub payload: Vec<u8>,
}

/// A PES packet that is being read.
struct Open {
    place: u64,
    timestamps: Option<Timestamps>,
    payload: Vec<u8>,
}

/// What came of a PES packet.
pub(super) enum Tag {
    Whole(RawTag),
    /// Refused; its place.
    Refused(u64),
}

/// Follows one PID with ID3 tags.
pub(super) struct TagTrack {
    pub input: TrackInput,
    open: Option<Open>,
    /// The packet in which the last PES packet begins.
    start: u64,
}

impl TagTrack {
    pub fn new(pid: u16) -> Self {
        Self { input: TrackInput::new(pid), open: None, start: 0 }
    }

    /// Takes a packet; hands out the PES packet that ends with it or ended before it. There may be
    /// both.
    pub fn push(&mut self, packet: &Packet<'_>, place: u64) -> Vec<Tag> {
        let mut tags = Vec::new();
        let was_whole = self.is_whole();
        if packet.payload_unit_start {
            self.start = place;
        }
        let Some((part, _)) = self.input.part(packet, place) else { return tags };
        if let Some(timestamps) = part.begins {
            tags.extend(self.close(was_whole));
            self.open = Some(Open { place: self.start, timestamps, payload: Vec::new() });
        }
        if let Some(open) = &mut self.open
            && open.payload.len() <= MAX_TAG_BYTES
        {
            open.payload.extend_from_slice(part.payload);
        }
        if self.input.pes.left() == Some(0) {
            tags.extend(self.close(true));
        }
        tags
    }

    /// Nothing more comes.
    pub fn finish(mut self) -> Option<Tag> {
        let is_whole = self.is_whole();
        self.close(is_whole)
    }

    fn is_whole(&self) -> bool {
        matches!(self.input.pes.left(), None | Some(0))
    }

    fn close(&mut self, is_whole: bool) -> Option<Tag> {
        let Open { place, timestamps, payload } = self.open.take()?;
        let is_tag = first_tag_bytes(&payload).is_some_and(|bytes| bytes <= payload.len());
        Some(match timestamps {
            Some(at) if is_whole && is_tag && payload.len() <= MAX_TAG_BYTES => {
                Tag::Whole(RawTag { place, time: at.presentation, payload })
            }
            _ => Tag::Refused(place),
        })
    }
}

/// Bytes of the tag at the start (ID3v2.4 3.1): ten of the header, its size of four times seven bits,
/// and a footer where a flag says so.
fn first_tag_bytes(payload: &[u8]) -> Option<usize> {
    let [b'I', b'D', b'3', _, _, flags, size @ ..] = payload.first_chunk::<10>()? else {
        return None;
    };
    let size = size.iter().fold(0, |size, byte| size << 7 | usize::from(byte & 0x7F));
    Some(10 + size + if flags & 0x10 != 0 { 10 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ts::pes::write_timestamp;

    fn tag(bytes: usize) -> Vec<u8> {
        let mut tag = b"ID3\x04\0\0".to_vec();
        let size = bytes - 10;
        tag.extend([21, 14, 7, 0].map(|shift| (size >> shift & 0x7F) as u8));
        tag.resize(bytes, b'x');
        tag
    }

    fn pes(payload: &[u8], time: Option<u64>, is_bounded: bool) -> Vec<u8> {
        let mut bytes = vec![0, 0, 1, 0xBD];
        let fields = if time.is_some() { 5 } else { 0 };
        let length = if is_bounded { (3 + fields + payload.len()) as u16 } else { 0 };
        bytes.extend(length.to_be_bytes());
        bytes.extend([0x84, if time.is_some() { 0x80 } else { 0 }, fields as u8]);
        if let Some(time) = time {
            write_timestamp(&mut bytes, 2, time);
        }
        bytes.extend_from_slice(payload);
        bytes
    }

    /// Pushes PES packets in pieces of so many bytes; the tags as time and size, refused ones as 0.
    fn read(packets: &[Vec<u8>], piece: usize) -> Vec<(u64, usize)> {
        let mut track = TagTrack::new(7);
        let mut tags = Vec::new();
        let mut counter = 0;
        for (number, bytes) in packets.iter().enumerate() {
            for (index, payload) in bytes.chunks(piece).enumerate() {
                counter = (counter + 1) % 16;
                let packet = Packet {
                    pid: 7,
                    payload_unit_start: index == 0,
                    transport_error: false,
                    scrambled: false,
                    discontinuity: false,
                    continuity_counter: counter,
                    clock_reference: None,
                    payload: Some(payload),
                };
                tags.extend(track.push(&packet, number as u64));
            }
        }
        tags.extend(track.finish());
        let told = tags.into_iter().map(|tag| match tag {
            Tag::Whole(tag) => {
                assert_eq!(packets[tag.place as usize][9 + 5..], tag.payload);
                (tag.time, tag.payload.len())
            }
            Tag::Refused(_) => (0, 0),
        });
        told.collect()
    }

    #[test]
    fn tags_are_read_whole_however_they_are_cut() {
        for piece in [20, 100, 184] {
            let bounded = [pes(&tag(50), Some(5), true), pes(&tag(500), Some(9), true)];
            assert_eq!(read(&bounded, piece), [(5, 50), (9, 500)]);
            let unbounded = [pes(&tag(50), Some(5), false), pes(&tag(500), Some(9), false)];
            assert_eq!(read(&unbounded, piece), [(5, 50), (9, 500)]);
            let two = [[tag(30), tag(40)].concat()].map(|both| pes(&both, Some(5), true));
            assert_eq!(read(&two, piece), [(5, 70)]);
        }
    }

    #[test]
    fn what_is_no_whole_tag_with_a_time_is_refused() {
        let refused = |packet: Vec<u8>| {
            let tags = read(&[packet, pes(&tag(50), Some(5), true)], 184);
            assert_eq!(tags, [(0, 0), (5, 50)]);
        };
        refused(pes(&tag(50), None, true));
        refused(pes(b"{\"no\": \"tag\"}", Some(3), true));
        refused(pes(&tag(50)[..40], Some(3), true));
        refused(pes(&tag(50), Some(3), true)[..40].to_vec());
        refused(pes(&tag(MAX_TAG_BYTES + 1), Some(3), false));
        let largest = [pes(&tag(MAX_TAG_BYTES), Some(3), true)];
        assert_eq!(read(&largest, 184), [(3, MAX_TAG_BYTES)]);
    }
}
