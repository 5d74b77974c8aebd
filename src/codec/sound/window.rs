//! The bytes of an elementary stream that are not decided yet, and what is known of their places.
//!
//! Framers of sound look ahead: a frame is believed once what follows it is seen. The window keeps
//! the bytes until then, with the tags of the chunks and the timestamps of the PES packets that
//! they came in.

use std::collections::VecDeque;

use crate::codec::Timestamps;

/// A passed prefix of this size is worth moving the rest for.
const RELEASE_BYTES: usize = 16 * 1024;

/// See the module documentation.
#[derive(Debug, Default)]
pub(super) struct Window {
    bytes: Vec<u8>,
    /// Bytes at the front that are passed.
    passed: usize,
    /// Where in the stream the first byte that is not passed stands.
    position: u64,
    /// Where chunks begin in the stream, with their tags; the first holds `position`.
    chunks: VecDeque<(u64, u128)>,
    /// Where PES packets with timestamps begin.
    packets: VecDeque<(u64, Timestamps)>,
}

/// What a reader of syntax sees: all bytes from the place that it has to decide on.
#[derive(Clone, Copy, Debug)]
pub(in crate::codec) struct View<'a> {
    /// The bytes that are there.
    pub bytes: &'a [u8],
    /// No more will come.
    pub ends: bool,
    /// The bytes before were a frame, or playing begins here.
    pub in_sync: bool,
    position: u64,
    packets: &'a VecDeque<(u64, Timestamps)>,
}

impl View<'_> {
    /// Whether a PES packet with timestamps begins that many bytes further.
    pub fn packet_begins_at(&self, offset: usize) -> bool {
        let at = self.position + offset as u64;
        self.packets.iter().any(|&(position, _)| position == at)
    }

    /// How many bytes further the next PES packet with timestamps begins.
    pub fn next_packet(&self) -> Option<usize> {
        let next = self.packets.iter().find(|&&(position, _)| position > self.position);
        next.map(|&(position, _)| (position - self.position) as usize)
    }

    /// Whether something should begin here: behind a frame, at the start of the stream, or where a
    /// PES packet with timestamps begins.
    pub fn is_border(&self) -> bool {
        self.in_sync || self.position == 0 || self.packet_begins_at(0)
    }
}

impl Window {
    /// A PES packet begins behind the bytes that were pushed.
    pub fn begin_packet(&mut self, timestamps: Timestamps) {
        let at = self.position + self.len() as u64;
        if self.packets.back().is_some_and(|&(position, _)| position == at) {
            self.packets.pop_back();
        }
        self.packets.push_back((at, timestamps));
    }

    /// Appends a chunk.
    pub fn push(&mut self, chunk: &[u8], tag: u128) {
        if chunk.is_empty() {
            return;
        }
        self.chunks.push_back((self.position + self.len() as u64, tag));
        self.bytes.extend_from_slice(chunk);
        self.forget_passed();
    }

    /// Bytes that are not passed.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.passed
    }

    /// What a reader sees.
    pub fn view(&self, ends: bool, in_sync: bool) -> View<'_> {
        View {
            bytes: self.bytes.get(self.passed..).unwrap_or_default(),
            ends,
            in_sync,
            position: self.position,
            packets: &self.packets,
        }
    }

    /// The tag of the chunk that the next byte is in, and how many of its bytes precede it.
    pub fn origin(&self) -> (u128, u8) {
        self.chunks.front().map_or((0, 0), |&(position, tag)| {
            (tag, u8::try_from(self.position - position).unwrap_or(u8::MAX))
        })
    }

    /// The timestamps that go to what begins here: the last before it that are not taken.
    pub fn take_timestamps(&mut self) -> Option<Timestamps> {
        let mut taken = None;
        while let Some(&(position, timestamps)) = self.packets.front()
            && position <= self.position
        {
            taken = Some(timestamps);
            self.packets.pop_front();
        }
        taken
    }

    /// Passes that many bytes, or what is there.
    pub fn pass(&mut self, bytes: usize) -> usize {
        let count = bytes.min(self.len());
        self.passed += count;
        self.position += count as u64;
        while self.chunks.get(1).is_some_and(|&(position, _)| position <= self.position) {
            self.chunks.pop_front();
        }
        while self.packets.get(1).is_some_and(|&(position, _)| position <= self.position) {
            self.packets.pop_front();
        }
        count
    }

    fn forget_passed(&mut self) {
        if self.passed >= RELEASE_BYTES.max(self.bytes.len() / 2) {
            self.bytes.drain(..self.passed);
            self.passed = 0;
        }
    }
}
