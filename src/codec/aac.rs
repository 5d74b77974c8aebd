//! AAC in ADTS (ISO/IEC 13818-7:2006 6.2, ISO/IEC 14496-3:2019 1.A.3) → raw frames.
//!
//! Headers are dropped on the way. Frames may be cut anywhere; after damage the framer looks for
//! the next header that agrees with the ones before. Several raw data blocks in one ADTS frame are
//! counted as broken: no encoder for transport streams writes them.

use super::{AccessUnit, ConfigError, Damage, Timestamps};
use crate::model::codec::{AacConfig, AacExtension};
use crate::model::sample::{Dependency, RandomAccess};

/// Hertz by `sampling_frequency_index` (ISO/IEC 14496-3:2019 table 1.18).
const FREQUENCIES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

/// Bytes of an ADTS header without CRC.
const HEADER_BYTES: usize = 7;

/// The fields of an ADTS header that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    has_crc: bool,
    object_type: u8,
    frequency_index: u8,
    channel_configuration: u8,
    frame_bytes: usize,
    raw_data_blocks: u8,
}

impl Header {
    fn parse(bytes: [u8; HEADER_BYTES]) -> Result<Self, ConfigError> {
        let [b0, b1, b2, b3, b4, b5, b6] = bytes;
        // syncword, and layer which is always 0
        if b0 != 0xFF || b1 & 0xF6 != 0xF0 {
            return Err(ConfigError::Forbidden { field: "syncword", value: u32::from(b1) });
        }
        let frequency_index = b2 >> 2 & 0xF;
        if usize::from(frequency_index) >= FREQUENCIES.len() {
            let value = u32::from(frequency_index);
            return Err(ConfigError::Forbidden { field: "sampling_frequency_index", value });
        }
        let has_crc = b1 & 1 == 0;
        let frame_bytes = usize::from(b3 & 3) << 11 | usize::from(b4) << 3 | usize::from(b5) >> 5;
        let header = Self {
            has_crc,
            object_type: (b2 >> 6) + 1,
            frequency_index,
            channel_configuration: (b2 & 1) << 2 | b3 >> 6,
            frame_bytes,
            raw_data_blocks: b6 & 3,
        };
        if frame_bytes <= header.bytes() {
            let value = frame_bytes as u32;
            return Err(ConfigError::Forbidden { field: "aac_frame_length", value });
        }
        Ok(header)
    }

    fn bytes(self) -> usize {
        if self.has_crc { HEADER_BYTES + 2 } else { HEADER_BYTES }
    }

    fn config(self) -> AacConfig {
        let index = usize::from(self.frequency_index);
        AacConfig {
            object_type: self.object_type,
            sampling_frequency: FREQUENCIES.get(index).copied().unwrap_or(48_000),
            frequency_index: self.frequency_index,
            channel_configuration: self.channel_configuration,
            extension: AacExtension::None,
        }
    }
}

/// The header that an ADTS frame of `payload_bytes` has: no CRC, one raw data block, buffer
/// fullness "variable rate".
pub fn adts_header(config: &AacConfig, payload_bytes: u32) -> [u8; HEADER_BYTES] {
    let length = payload_bytes + HEADER_BYTES as u32;
    [
        0xFF,
        0xF1,
        config.object_type.wrapping_sub(1) << 6
            | config.frequency_index << 2
            | config.channel_configuration >> 2,
        config.channel_configuration << 6 | (length >> 11 & 3) as u8,
        (length >> 3) as u8,
        (length << 5) as u8 | 0x1F,
        0xFC,
    ]
}

/// Turns the payload of PES packets into raw frames. See the module documentation.
pub struct Framer {
    buffer: Vec<u8>,
    base: usize,
    header: [u8; HEADER_BYTES],
    header_filled: usize,
    /// Where each byte of the header that is being collected was.
    origins: [(u128, u8); HEADER_BYTES],
    state: State,
    pending: Option<Timestamps>,
    frame_timestamps: Option<Timestamps>,
    units: Vec<AccessUnit>,
    config: Option<AacConfig>,
    config_changes: u64,
    in_sync: bool,
    damage: Damage,
}

/// What the next byte is.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Part of a header, or something before one.
    Header,
    /// Part of the CRC.
    Crc { left: usize, payload: usize },
    /// Part of the frame.
    Payload { left: usize, size: usize },
}

/// A processed prefix of this size is worth forgetting.
const RELEASE_BYTES: usize = 1 << 18;

impl Framer {
    /// A framer that appends to `buffer`.
    pub fn new(buffer: Vec<u8>) -> Self {
        let base = buffer.len();
        Self {
            buffer,
            base,
            header: [0; HEADER_BYTES],
            header_filled: 0,
            origins: [(0, 0); HEADER_BYTES],
            state: State::Header,
            pending: None,
            frame_timestamps: None,
            units: Vec::new(),
            config: None,
            config_changes: 0,
            in_sync: false,
            damage: Damage::default(),
        }
    }

    /// A PES packet begins; its timestamps belong to the first frame that begins in it.
    pub fn begin_packet(&mut self, timestamps: Option<Timestamps>) {
        if timestamps.is_some() {
            self.pending = timestamps;
        }
    }

    /// Payload of the current PES packet. The tag comes back with the frames that begin in the
    /// chunk.
    pub fn push(&mut self, chunk: &[u8], tag: u128) {
        let mut rest = chunk;
        while let Some(&byte) = rest.first() {
            match self.state {
                State::Header => {
                    if self.header_filled == 0 {
                        self.frame_timestamps = self.pending.take();
                    }
                    let skip = u8::try_from(chunk.len() - rest.len()).unwrap_or(u8::MAX);
                    self.push_header_byte(byte, (tag, skip));
                    rest = rest.get(1..).unwrap_or_default();
                }
                State::Crc { left, payload } => {
                    rest = rest.get(1..).unwrap_or_default();
                    self.state = match left {
                        0 | 1 => State::Payload { left: payload, size: payload },
                        _ => State::Crc { left: left - 1, payload },
                    };
                }
                State::Payload { left, size } => {
                    let (part, behind) = rest.split_at(left.min(rest.len()));
                    self.buffer.extend_from_slice(part);
                    rest = behind;
                    if part.len() == left {
                        self.complete_frame(size);
                    } else {
                        self.state = State::Payload { left: left - part.len(), size };
                    }
                }
            }
        }
    }

    /// The stream ends here; a frame that is not complete is dropped.
    pub fn finish(&mut self) {
        if let State::Payload { left, size } = self.state {
            self.buffer.truncate(self.buffer.len() - (size - left));
            self.damage.broken_units += 1;
        }
        self.state = State::Header;
        self.header_filled = 0;
        self.pending = None;
        self.in_sync = false;
    }

    /// The complete frames so far.
    pub fn units(&self) -> &[AccessUnit] {
        &self.units
    }

    /// The buffer with all frames, and where they are in it.
    pub fn into_parts(self) -> (Vec<u8>, Vec<AccessUnit>) {
        (self.buffer, self.units)
    }

    /// Calls `take` for each complete frame with its bytes, then forgets them.
    pub fn drain(&mut self, mut take: impl FnMut(&AccessUnit, &[u8])) {
        for unit in self.units.drain(..) {
            take(&unit, self.buffer.get(unit.offset..unit.offset + unit.size).unwrap_or_default());
        }
        if matches!(self.state, State::Header) && self.buffer.len() - self.base >= RELEASE_BYTES {
            self.buffer.truncate(self.base);
        }
    }

    /// The configuration of the first frame.
    pub fn config(&self) -> Option<&AacConfig> {
        self.config.as_ref()
    }

    /// Frames whose header says something else than the first one's.
    pub fn config_changes(&self) -> u64 {
        self.config_changes
    }

    /// What could not be used.
    pub fn damage(&self) -> Damage {
        self.damage
    }

    fn push_header_byte(&mut self, byte: u8, origin: (u128, u8)) {
        if let Some(slot) = self.header.get_mut(self.header_filled) {
            *slot = byte;
        }
        if let Some(slot) = self.origins.get_mut(self.header_filled) {
            *slot = origin;
        }
        self.header_filled += 1;
        if self.header_filled < HEADER_BYTES {
            return;
        }
        match Header::parse(self.header) {
            Ok(header) if self.is_expected(header) => self.begin_frame(header),
            _ => self.resync(),
        }
    }

    /// Out of sync, only a header like the first is believed: twelve bits of sync word are easily
    /// found in coded audio.
    fn is_expected(&self, header: Header) -> bool {
        self.in_sync || self.config.as_ref().is_none_or(|config| *config == header.config())
    }

    fn begin_frame(&mut self, header: Header) {
        self.header_filled = 0;
        self.in_sync = true;
        let config = header.config();
        match &self.config {
            None => self.config = Some(config),
            Some(first) => self.config_changes += u64::from(*first != config),
        }
        self.damage.broken_units += u64::from(header.raw_data_blocks != 0);
        let payload = header.frame_bytes - header.bytes();
        self.state = if header.has_crc {
            State::Crc { left: 2, payload }
        } else {
            State::Payload { left: payload, size: payload }
        };
    }

    /// Drops the first collected byte, and all up to the next that may begin a header.
    fn resync(&mut self) {
        self.in_sync = false;
        let next = self.header.iter().skip(1).position(|&byte| byte == 0xFF);
        let drop = next.map_or(HEADER_BYTES, |position| position + 1);
        self.damage.stray_bytes += drop as u64;
        self.header.copy_within(drop.., 0);
        self.origins.copy_within(drop.., 0);
        self.header_filled = HEADER_BYTES - drop;
        if self.frame_timestamps.is_none() || self.header_filled == 0 {
            self.pending = self.frame_timestamps.take().or(self.pending);
        }
    }

    fn complete_frame(&mut self, size: usize) {
        self.units.push(AccessUnit {
            offset: self.buffer.len() - size,
            size,
            timestamps: self.frame_timestamps.take(),
            tag: self.origins[0].0,
            skip: self.origins[0].1,
            dependency: Dependency::AUDIO,
            access: RandomAccess::Instant,
            config: 0,
            order: None,
            skipped_at_access: false,
        });
        self.state = State::Header;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn config() -> AacConfig {
        AacConfig {
            object_type: 2,
            sampling_frequency: 44_100,
            frequency_index: 4,
            channel_configuration: 2,
            extension: AacExtension::None,
        }
    }

    fn frames(sizes: &[u32]) -> (Vec<u8>, Vec<u8>) {
        let mut stream = Vec::new();
        let mut payloads = Vec::new();
        for (index, &size) in sizes.iter().enumerate() {
            stream.extend_from_slice(&adts_header(&config(), size));
            let payload = vec![index as u8; size as usize];
            stream.extend_from_slice(&payload);
            payloads.extend_from_slice(&payload);
        }
        (stream, payloads)
    }

    #[test]
    fn headers_are_read_back_as_written() {
        let header = Header::parse(adts_header(&config(), 371)).unwrap();
        assert_eq!(header.config(), config());
        assert_eq!(header.frame_bytes, 378);
        assert!(!header.has_crc);
    }

    #[test]
    fn audio_specific_config_of_lc_44100_stereo_is_12_10() {
        assert_eq!(config().audio_specific_config(), [0x12, 0x10]);
    }

    #[test]
    fn a_crc_is_dropped() {
        let mut stream = adts_header(&config(), 12).to_vec();
        stream[1] &= 0xFE; // protection_absent = 0: two bytes of the frame are CRC
        stream.extend_from_slice(&[0xEE, 0xEE]);
        stream.extend_from_slice(&[7; 10]);
        let mut framer = Framer::new(Vec::new());
        framer.push(&stream, 0);
        assert_eq!(framer.into_parts().0, [7; 10]);
    }

    #[test]
    fn garbage_between_frames_costs_no_frame() {
        let (first, mut payloads) = frames(&[50, 60]);
        let (second, more) = frames(&[70]);
        payloads.extend(more);
        let stream = [&first[..], &[0xFF, 0x12, 0xFF, 0xFF, 0x00], &second].concat();
        let mut framer = Framer::new(Vec::new());
        framer.push(&stream, 0);
        framer.finish();
        assert_eq!(framer.damage(), Damage { stray_bytes: 5, broken_units: 0 });
        assert_eq!(framer.into_parts().0, payloads);
    }

    #[test]
    fn a_frame_behind_garbage_knows_where_it_begins() {
        let (stream, _) = frames(&[50]);
        // Most of a false header in one chunk; the frame begins in the next.
        let mut framer = Framer::new(Vec::new());
        framer.push(&[0x00, 0xFF, 0x12, 0x13], 5);
        framer.push(&[&[0x14, 0x15][..], &stream].concat(), 6);
        assert_eq!((framer.units()[0].tag, framer.units()[0].skip), (6, 2));
    }

    #[test]
    fn timestamps_go_to_the_first_frame_that_begins_in_the_packet() {
        let (stream, _) = frames(&[50, 60, 70]);
        let stamps = |at| Some(Timestamps { presentation: at, decode: at });
        let mut framer = Framer::new(Vec::new());
        framer.begin_packet(stamps(1));
        framer.push(&stream[..80], 5);
        framer.begin_packet(stamps(2));
        framer.push(&stream[80..], 6);
        let units = framer.units();
        assert_eq!(
            units.iter().map(|unit| unit.timestamps).collect::<Vec<_>>(),
            [stamps(1), None, stamps(2)]
        );
        assert_eq!((units[1].tag, units[1].skip), (5, 57));
        assert_eq!((units[2].tag, units[2].skip), (6, 44));
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_frames(
            sizes in proptest::collection::vec(1_u32..300, 1..20),
            cuts in proptest::collection::vec(1_usize..100, 1..20),
        ) {
            let (stream, payloads) = frames(&sizes);
            let mut framer = Framer::new(Vec::new());
            let mut rest = &stream[..];
            for cut in cuts.iter().cycle() {
                let (chunk, behind) = rest.split_at((*cut).min(rest.len()));
                framer.push(chunk, 0);
                rest = behind;
                if rest.is_empty() { break; }
            }
            framer.finish();
            prop_assert_eq!(framer.units().len(), sizes.len());
            prop_assert_eq!(framer.into_parts().0, payloads);
        }
    }
}
