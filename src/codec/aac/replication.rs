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
//! Parametric stereo is not looked for: that takes the decoding of the replication data.

use crate::model::codec::AacConfig;

/// What the frames of a configuration say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replication {
    /// They carry spectral band replication.
    Present,
    /// They do not.
    Absent,
    /// Too few frames, or nothing that can be told from them.
    Unsure,
}

/// Frames that were looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::codec) struct Evidence {
    frames: u64,
    alike: u64,
}

/// Fewer frames than these tell nothing.
const FEWEST_FRAMES: u64 = 8;
/// `extension_type` of replication data, without and with CRC.
const SBR_TYPES: [u32; 2] = [0b1101, 0b1110];

impl Evidence {
    /// Looks at a frame.
    pub fn observe(&mut self, payload: &[u8]) {
        self.frames += 1;
        self.alike += u64::from(ends_with_replication(payload));
    }

    /// What the frames so far say.
    pub fn judge(&self, config: &AacConfig) -> Replication {
        if self.frames < FEWEST_FRAMES {
            Replication::Unsure
        } else if self.alike * 4 >= self.frames * 3 {
            Replication::Present
        } else if self.alike * 4 <= self.frames && config.channel_configuration < 6 {
            Replication::Absent
        } else {
            Replication::Unsure
        }
    }
}

/// Whether the frame can end with a fill element that holds replication data, and perhaps one more.
fn ends_with_replication(payload: &[u8]) -> bool {
    // byte_alignment
    (0..8).any(|padding| {
        let Some(end) = (payload.len() * 8).checked_sub(padding + 3) else { return false };
        field(payload, end, 3 + padding as u32) == Some(0b111 << padding)
            && has_fill_before(payload, end, 1)
    })
}

/// Whether replication data end at a bit, or, that often, filling behind them.
fn has_fill_before(payload: &[u8], end: usize, filling: u32) -> bool {
    // 15 and more are escaped; count_max is 14 + 255.
    (1..=269_usize).any(|count| {
        let Some(start) = end.checked_sub(8 * count) else { return false };
        let (header_bits, header) = match count {
            ..15 => (7, 0b110 << 4 | count as u32),
            _ => (15, 0b110_1111 << 8 | (count - 14) as u32),
        };
        let Some(header_start) = start.checked_sub(header_bits) else { return false };
        if field(payload, header_start, header_bits as u32) != Some(header) {
            return false;
        }
        match field(payload, start, 4) {
            Some(kind) if SBR_TYPES.contains(&kind) => true,
            Some(0 | 1) if filling > 0 => has_fill_before(payload, header_start, filling - 1),
            _ => false,
        }
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
    use crate::model::codec::AacExtension;

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

    fn judge(frames: impl Iterator<Item = Vec<u8>>) -> Replication {
        let mut evidence = Evidence::default();
        frames.for_each(|frame| evidence.observe(&frame));
        evidence.judge(&CONFIG)
    }

    #[test]
    fn replication_data_are_seen_at_any_size() {
        for (count, filling) in [(1, 0), (14, 0), (15, 0), (40, 0), (269, 0), (40, 9)] {
            let frames = (0..20).map(|seed| frame(seed, count, filling));
            assert_eq!(judge(frames), Replication::Present, "{count} bytes, {filling} filling");
        }
    }

    #[test]
    fn plain_frames_are_seen_as_plain() {
        assert_eq!(judge((0..200).map(|seed| frame(seed, 0, 0))), Replication::Absent);
        assert_eq!(judge((0..200).map(|seed| frame(seed, 0, 5))), Replication::Absent);
        assert_eq!(judge((0..4).map(|seed| frame(seed, 0, 0))), Replication::Unsure);
    }
}
