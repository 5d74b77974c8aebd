//! Whether AAC frames carry spectral band replication (ISO/IEC 14496-3:2019 4.4.2.7 and 4.5.2.8),
//! seen from the end of the frame.
//!
//! Headers of ADTS know nothing of it: the data stand in a `fill_element` behind the channels, and
//! only decoding leads there from the front. From behind, the element must fit exactly:
//!
//! ```text
//! channels │ 110 │ count [│ esc_count] │ 1101 or 1110 … count bytes │ [110 │ count │ fill] │ 111 │ 0…
//!            ID_FIL                      extension_type                                      ID_END
//! ```
//!
//! Bits of coded sound look like that in about one frame of fifty; frames of HE-AAC nearly always
//! do. So the share over many frames tells. With a channel for low frequencies the frame ends in
//! that channel, and nothing can be told.
//!
//! Parametric stereo stands at the end of the replication data, and is told the same way: data
//! without it look as if they had it in about one frame of four.
//!
//! Shares are no proof. A stream that names its extensions is to be believed before them.

use std::ops::Range;

use crate::model::codec::AacConfig;

/// What the frames of a configuration say of an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// They carry it.
    Present,
    /// They do not.
    Absent,
    /// Too few frames, or nothing that can be told from them.
    Unsure,
}

/// Frames that were looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::codec) struct Evidence {
    /// Frames that came, looked at or not.
    seen: u64,
    frames: u64,
    /// With what looks like replication data.
    replicated: u64,
    /// Of these, with what looks like parametric stereo.
    stereo: u64,
}

/// Fewer frames than these tell nothing.
const FEWEST_FRAMES: u64 = 8;
const FEWEST_STEREO_FRAMES: u64 = 32;
/// Behind these frames, a minute and more, a share of all of them is looked at.
const ALL_OF_FIRST: u64 = 4096;
const ONE_IN: u64 = 16;
/// Counts of bytes from this one on are escaped.
const FEWEST_ESCAPED: usize = 15;
/// The largest count, 14 + 255; an element of none fills up seven bits.
const MOST_BYTES: usize = 269;
/// How escaped counts are written, the largest first.
const ESCAPES: [u8; MOST_BYTES + 1 - FEWEST_ESCAPED] = {
    let mut escapes = [0; MOST_BYTES + 1 - FEWEST_ESCAPED];
    let mut place = 0;
    while place < escapes.len() {
        escapes[place] = (escapes.len() - place) as u8;
        place += 1;
    }
    escapes
};
/// Elements that only fill up, behind the replication data.
const MOST_FILLING: u32 = 2;
/// `extension_type` of replication data, without and with CRC.
const SBR_TYPES: [u32; 2] = [0b1101, 0b1110];
/// `bs_extension_id` of parametric stereo.
const PS_ID: u32 = 2;

impl Evidence {
    /// Looks at a frame.
    pub fn observe(&mut self, payload: &[u8]) {
        self.seen += 1;
        if self.seen > ALL_OF_FIRST && !self.seen.is_multiple_of(ONE_IN) {
            return;
        }
        self.frames += 1;
        if let Some(data) = replication_data(payload) {
            self.replicated += 1;
            self.stereo += u64::from(ends_with_stereo(payload, &data));
        }
    }

    /// Whether the frames so far carry spectral band replication.
    pub fn replication(&self, config: &AacConfig) -> Presence {
        if self.frames < FEWEST_FRAMES {
            Presence::Unsure
        } else if self.replicated * 4 >= self.frames * 3 {
            Presence::Present
        } else if self.replicated * 4 <= self.frames && config.channel_configuration < 6 {
            Presence::Absent
        } else {
            Presence::Unsure
        }
    }

    /// Whether they carry parametric stereo, which only one channel with replication can.
    pub fn parametric_stereo(&self, config: &AacConfig) -> Presence {
        match self.replication(config) {
            Presence::Present if config.channel_configuration == 1 => {}
            Presence::Unsure => return Presence::Unsure,
            _ => return Presence::Absent,
        }
        if self.replicated < FEWEST_STEREO_FRAMES {
            Presence::Unsure
        } else if self.stereo * 20 >= self.replicated * 19 {
            Presence::Present
        } else if self.stereo * 5 <= self.replicated * 3 {
            Presence::Absent
        } else {
            Presence::Unsure
        }
    }
}

/// The bits of the replication data that the frame can end with, but for filling.
fn replication_data(payload: &[u8]) -> Option<Range<usize>> {
    // byte_alignment
    (0..8).find_map(|padding| {
        let end = (payload.len() * 8).checked_sub(padding + 3)?;
        let is_end = field(payload, end, 3 + padding as u32)? == 0b111 << padding;
        if is_end { data_before(payload, end, MOST_FILLING) } else { None }
    })
}

/// Replication data that end at a bit, or before so many elements that fill up to it.
fn data_before(payload: &[u8], end: usize, filling: u32) -> Option<Range<usize>> {
    possible_counts(payload, end).find_map(|count| {
        let start = end.checked_sub(8 * count)?;
        let (header_bits, header) = match count {
            ..15 => (7, 0b110 << 4 | count as u32),
            _ => (15, 0b110_1111 << 8 | (count - 14) as u32),
        };
        let header_start = start.checked_sub(header_bits)?;
        if field(payload, header_start, header_bits as u32)? != header {
            return None;
        }
        let is_filling = count == 0 || matches!(field(payload, start, 4), Some(0 | 1));
        match field(payload, start, 4) {
            Some(kind) if count > 0 && SBR_TYPES.contains(&kind) => Some(start + 4..end),
            _ if is_filling && filling > 0 => data_before(payload, header_start, filling - 1),
            _ => None,
        }
    })
}

/// The counts of bytes with which an element can end at a bit, as far as the byte in front of so many
/// tells, in ascending order: frames are many, and most counts fail here.
fn possible_counts(payload: &[u8], end: usize) -> impl Iterator<Item = usize> {
    let (last, shift) = (end / 8, end % 8);
    // Of each escaped count that has room, the largest first: 0 where its byte is in front.
    let mut differences = [0_u8; ESCAPES.len()];
    let (from, to) = (last.saturating_sub(MOST_BYTES + 1), last.saturating_sub(FEWEST_ESCAPED));
    let high = payload.get(from..to).unwrap_or_default();
    let low = payload.get(from + 1..to + 1).unwrap_or_default();
    let escapes = ESCAPES.get(ESCAPES.len() - high.len().min(ESCAPES.len())..).unwrap_or_default();
    // Slices alone, so that many are compared at once.
    for (((difference, &high), &low), escape) in
        differences.iter_mut().zip(high).zip(low).zip(escapes)
    {
        *difference = (u16::from_be_bytes([high, low]) << shift >> 8) as u8 ^ escape;
    }
    let known = high.len().min(low.len());
    let most = FEWEST_ESCAPED + known.saturating_sub(1);
    let places = std::iter::successors(
        memchr::memrchr(0, differences.get(..known).unwrap_or_default()),
        move |&before| memchr::memrchr(0, differences.get(..before)?),
    );
    (0..FEWEST_ESCAPED).chain(places.map(move |place| most - place))
}

/// Whether replication data can end with an extension that holds parametric stereo: flag, size in
/// bytes, `bs_extension_id` first in them, and up to seven bits to the end of the byte.
fn ends_with_stereo(payload: &[u8], data: &Range<usize>) -> bool {
    let ends_with = |padding: usize| {
        let end = data.end.checked_sub(padding)?;
        (field(payload, end, padding as u32)? == 0).then_some(end)
    };
    (0..8).filter_map(ends_with).any(|end| {
        // 15 and more are escaped, up to 15 + 255.
        (1..=270_usize).any(|size| {
            let (header_bits, header) = match size {
                ..15 => (5, 1 << 4 | size as u32),
                _ => (13, 0b1_1111 << 8 | (size - 15) as u32),
            };
            let Some(first) = end.checked_sub(8 * size) else { return false };
            let Some(start) = first.checked_sub(header_bits) else { return false };
            start >= data.start
                && field(payload, start, header_bits as u32) == Some(header)
                && field(payload, first, 2) == Some(PS_ID)
        })
    })
}

/// Up to 16 bits from a bit on.
fn field(payload: &[u8], first: usize, count: u32) -> Option<u32> {
    let window: [u8; 3] = match payload.get(first / 8..)? {
        [a, b, c, ..] => [*a, *b, *c],
        [a, b] => [*a, *b, 0],
        [a] => [*a, 0, 0],
        [] => return None,
    };
    let value = u32::from_be_bytes([0, window[0], window[1], window[2]]);
    let shift = 24_u32.checked_sub((first % 8) as u32 + count)?;
    Some(value >> shift & ((1 << count) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::bits::BitWriter;
    use crate::codec::sound::Framer;
    use crate::model::codec::{AacExtension, CodecConfig, StreamSyntax};

    const CONFIG: AacConfig = AacConfig {
        object_type: 2,
        sampling_frequency: 24_000,
        frequency_index: 6,
        channel_configuration: 2,
        extension: AacExtension::None,
    };

    /// Channel bits that mean nothing, then replication data of that many bytes, then filling.
    fn frame(seed: u32, count: u32, filling: u32) -> Vec<u8> {
        let mut bits = BitWriter::default();
        let mut state = seed;
        let mut noise = |bits: &mut BitWriter, count: u32| {
            for _ in 0..count {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                bits.put(state >> 31, 1);
            }
        };
        noise(&mut bits, 900 + seed % 17);
        if count > 0 {
            bits.put(0b110, 3);
            if count < 15 {
                bits.put(count, 4)
            } else {
                bits.put(15, 4).put(count - 14, 8)
            };
            bits.put(0b1101, 4);
            noise(&mut bits, 8 * count - 4);
        }
        if filling > 0 {
            bits.put(0b110, 3).put(filling, 4);
            for _ in 0..filling {
                bits.put(0, 8);
            }
        }
        bits.put(0b111, 3).align();
        bits.into_bytes()
    }

    fn judge(frames: impl Iterator<Item = Vec<u8>>) -> Presence {
        let mut evidence = Evidence::default();
        frames.for_each(|frame| evidence.observe(&frame));
        evidence.replication(&CONFIG)
    }

    #[test]
    fn replication_data_are_seen_at_any_size() {
        for (count, filling) in [(1, 0), (14, 0), (15, 0), (40, 0), (269, 0), (40, 9)] {
            let frames = (0..20).map(|seed| frame(seed, count, filling));
            assert_eq!(judge(frames), Presence::Present, "{count} bytes, {filling} filling");
        }
    }

    #[test]
    fn plain_frames_are_seen_as_plain() {
        assert_eq!(judge((0..200).map(|seed| frame(seed, 0, 0))), Presence::Absent);
        assert_eq!(judge((0..200).map(|seed| frame(seed, 0, 5))), Presence::Absent);
        assert_eq!(judge((0..4).map(|seed| frame(seed, 0, 0))), Presence::Unsure);
    }

    #[test]
    fn what_comes_behind_the_first_frames_still_counts() {
        let (plain, replicated) = (frame(1, 0, 0), frame(1, 40, 0));
        let mut evidence = Evidence::default();
        (0..ALL_OF_FIRST).for_each(|_| evidence.observe(&plain));
        assert_eq!(evidence.replication(&CONFIG), Presence::Absent);
        // As many more as make three quarters of those that are looked at.
        (0..3 * ALL_OF_FIRST * ONE_IN).for_each(|_| evidence.observe(&replicated));
        assert_eq!(evidence.replication(&CONFIG), Presence::Present);
    }

    /// The obvious way.
    fn naive_data_before(payload: &[u8], end: usize, filling: u32) -> Option<Range<usize>> {
        (0..=269_usize).find_map(|count| {
            let start = end.checked_sub(8 * count)?;
            let (header_bits, header) = match count {
                ..15 => (7, 0b110 << 4 | count as u32),
                _ => (15, 0b110_1111 << 8 | (count - 14) as u32),
            };
            let header_start = start.checked_sub(header_bits)?;
            if field(payload, header_start, header_bits as u32)? != header {
                return None;
            }
            match field(payload, start, 4) {
                Some(kind) if count > 0 && SBR_TYPES.contains(&kind) => Some(start + 4..end),
                kind if (count == 0 || matches!(kind, Some(0 | 1))) && filling > 0 => {
                    naive_data_before(payload, header_start, filling - 1)
                }
                _ => None,
            }
        })
    }

    #[test]
    fn no_count_is_passed_over() {
        let mut found = 0;
        for seed in 0..6_000_u32 {
            let count = [0, 1, 14, 15, 16, 40, 200, 268, 269][seed as usize % 9];
            let mut payload = frame(seed, count, seed % 3);
            // Short ones, too, and elements that are cut off in front.
            payload.drain(..(seed as usize * 7) % payload.len());
            for padding in 3..11 {
                let Some(end) = (payload.len() * 8).checked_sub(padding) else { continue };
                let data = data_before(&payload, end, MOST_FILLING);
                assert_eq!(data, naive_data_before(&payload, end, MOST_FILLING), "{seed} {end}");
                found += usize::from(data.is_some());
            }
        }
        assert!(found > 1_000, "{found}");
    }

    #[test]
    fn extensions_of_a_real_encoder_are_told_apart() {
        use Presence::{Absent, Present};
        let told = |syntax, stream: &[u8]| {
            let mut framer = Framer::new(syntax, Vec::new()).unwrap();
            framer.push(stream, 0);
            framer.finish();
            let CodecConfig::Aac(config) = &framer.configs()[0] else { panic!() };
            (config.extension, framer.replication(0), framer.parametric_stereo(0))
        };
        let v1 = include_bytes!("../../../testdata/quirks/he-aac.aac");
        assert_eq!(told(StreamSyntax::Adts, v1), (AacExtension::None, Present, Absent));
        let v2 = include_bytes!("../../../testdata/quirks/he-aac-v2.aac");
        assert_eq!(told(StreamSyntax::Adts, v2), (AacExtension::None, Present, Present));
        let latm = include_bytes!("../../../testdata/quirks/he-aac-v2.loas");
        assert_eq!(told(StreamSyntax::Latm, latm), (AacExtension::SbrPs, Present, Present));
    }
}
