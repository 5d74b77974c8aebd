//! AAC in ADTS (ISO/IEC 13818-7:2006 6.2, ISO/IEC 14496-3:2019 1.A.3) → raw frames.
//!
//! Headers are dropped on the way, and CRCs are not checked. Several raw data blocks in one ADTS
//! frame are refused: no encoder for transport streams writes them, and taking them apart takes
//! either a CRC's block positions or decoding.

use super::{FREQUENCIES, program_config};
use crate::codec::ConfigError;
use crate::codec::bits::BitReader;
use crate::codec::sound::{
    Configs, Following, Frame, HeaderSyntax, Standing, Step, View, judge, no_header,
};
use crate::model::codec::{AacConfig, AacExtension, CodecConfig};

/// Bytes of an ADTS header without CRC.
const HEADER_BYTES: usize = 7;

const HEADER: HeaderSyntax = HeaderSyntax { first: 0xFF, bytes: HEADER_BYTES };

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
    fn parse(bytes: [u8; HEADER_BYTES]) -> Option<Self> {
        let [b0, b1, b2, b3, b4, b5, b6] = bytes;
        // syncword, and layer which is always 0
        if b0 != 0xFF || b1 & 0xF6 != 0xF0 {
            return None;
        }
        let header = Self {
            has_crc: b1 & 1 == 0,
            object_type: (b2 >> 6) + 1,
            frequency_index: b2 >> 2 & 0xF,
            channel_configuration: (b2 & 1) << 2 | b3 >> 6,
            frame_bytes: usize::from(b3 & 3) << 11 | usize::from(b4) << 3 | usize::from(b5) >> 5,
            raw_data_blocks: b6 & 3,
        };
        let is_possible = usize::from(header.frequency_index) < FREQUENCIES.len()
            && header.frame_bytes > header.bytes();
        is_possible.then_some(header)
    }

    fn bytes(self) -> usize {
        if self.has_crc { HEADER_BYTES + 2 } else { HEADER_BYTES }
    }

    /// The configuration, with the channels that are known from elsewhere.
    fn config(self, channel_configuration: u8) -> AacConfig {
        let index = usize::from(self.frequency_index);
        AacConfig {
            object_type: self.object_type,
            sampling_frequency: FREQUENCIES.get(index).copied().unwrap_or(48_000),
            frequency_index: self.frequency_index,
            channel_configuration,
            extension: AacExtension::None,
        }
    }

    /// Whether it can belong to the configuration. A header without channels goes with any.
    fn agrees_with(self, config: &AacConfig) -> bool {
        self.object_type == config.object_type
            && self.frequency_index == config.frequency_index
            && (self.channel_configuration == config.channel_configuration
                || self.channel_configuration == 0)
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

/// Finds ADTS frames.
pub(in crate::codec) struct Reader;

impl Reader {
    /// What begins in view.
    pub fn step(&self, view: &View<'_>, configs: &mut Configs) -> Step {
        let Some(bytes) = view.bytes.first_chunk() else { return Step::More(HEADER_BYTES) };
        let Some(header) = Header::parse(*bytes) else { return no_header(view, HEADER) };
        if view.bytes.len() < header.frame_bytes {
            return Step::More(header.frame_bytes + HEADER_BYTES);
        }
        let payload = view.bytes.get(header.bytes()..header.frame_bytes).unwrap_or_default();
        let known = match configs.current() {
            Some(CodecConfig::Aac(known)) => Some(known.clone()),
            _ => None,
        };
        let channels = channels(header, payload, known.as_ref());
        let config = header.config(*channels.as_ref().unwrap_or(&0));
        // Frames of ADTS never state extensions; a track may have been given one since.
        let standing = match &known {
            None => Standing::First,
            Some(known)
                if AacConfig { extension: AacExtension::None, ..known.clone() } == config =>
            {
                Standing::Known
            }
            Some(_) => Standing::Other,
        };
        let judgement = judge(view, header.frame_bytes, standing, HEADER, |behind| {
            Ok(behind.first_chunk().and_then(|bytes| Header::parse(*bytes)).map(|next| Following {
                with_frame: next.agrees_with(&config),
                with_known: known.as_ref().is_some_and(|known| next.agrees_with(known)),
            }))
        });
        if let Err(step) = judgement {
            return step;
        }
        let several_blocks =
            ConfigError::Unsupported { feature: "several raw data blocks in one ADTS frame" };
        let refusal =
            if header.raw_data_blocks != 0 { Some(several_blocks) } else { channels.err() };
        if let Some(refusal) = refusal {
            configs.refuse(refusal);
            return Step::Drop(header.frame_bytes);
        }
        Step::Frame(Frame {
            first_bit: header.bytes() * 8,
            size: payload.len(),
            bytes: header.frame_bytes,
            config: match standing {
                Standing::Known => configs.current_number(),
                Standing::First | Standing::Other => configs.adopt(CodecConfig::Aac(config)),
            },
        })
    }
}

/// The `channelConfiguration` of a frame: the header's, or what its `program_config_element` says,
/// or what is known.
fn channels(header: Header, payload: &[u8], known: Option<&AacConfig>) -> Result<u8, ConfigError> {
    if header.channel_configuration != 0 {
        return Ok(header.channel_configuration);
    }
    let mut bits = BitReader::new(payload);
    if bits.bits(3, "id_syn_ele")? == program_config::ELEMENT_ID {
        return program_config::read(&mut bits, 0);
    }
    known.map(|known| known.channel_configuration).ok_or(ConfigError::Unsupported {
        feature: "AAC whose channels neither its header nor a program_config_element tells",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::aac::program_config::tests::write as write_program_config;
    use crate::codec::bits::BitWriter;
    use crate::codec::sound::Framer;
    use crate::codec::{Damage, Timestamps};
    use crate::model::codec::StreamSyntax;

    fn config(frequency_index: u8, channel_configuration: u8) -> AacConfig {
        AacConfig {
            object_type: 2,
            sampling_frequency: FREQUENCIES[usize::from(frequency_index)],
            frequency_index,
            channel_configuration,
            extension: AacExtension::None,
        }
    }

    /// A frame filled with one byte.
    fn frame(config: &AacConfig, fill: u8, size: u32) -> Vec<u8> {
        [&adts_header(config, size)[..], &vec![fill; size as usize]].concat()
    }

    fn scan(stream: &[u8]) -> Framer {
        let mut framer = Framer::new(StreamSyntax::Adts, Vec::new()).unwrap();
        framer.push(stream, 0);
        framer.finish();
        framer
    }

    /// The first byte of each frame's payload, and the number of its configuration.
    fn found(framer: Framer) -> Vec<(u8, u32)> {
        let (buffer, units) = framer.into_parts();
        units.iter().map(|unit| (buffer[unit.offset], unit.config)).collect()
    }

    fn damage(stray_bytes: u64, broken_units: u64) -> Damage {
        Damage { stray_bytes, broken_units, ..Damage::default() }
    }

    #[test]
    fn headers_are_read_back_as_written() {
        let config = config(4, 2);
        let header = Header::parse(adts_header(&config, 371)).unwrap();
        assert_eq!(header.config(2), config);
        assert_eq!(header.frame_bytes, 378);
        assert!(!header.has_crc);
    }

    #[test]
    fn audio_specific_config_of_lc_44100_stereo_is_12_10() {
        assert_eq!(config(4, 2).audio_specific_config(), [0x12, 0x10]);
    }

    #[test]
    fn a_crc_is_dropped() {
        let mut stream = adts_header(&config(4, 2), 12).to_vec();
        stream[1] &= 0xFE;
        stream.extend_from_slice(&[0xC0, 0xC1]);
        stream.extend_from_slice(&[7; 10]);
        let framer = scan(&stream);
        assert_eq!(framer.damage(), damage(0, 0));
        assert_eq!(framer.into_parts().0, [7; 10]);
    }

    #[test]
    fn a_false_sync_word_in_garbage_is_not_believed() {
        let config = config(4, 2);
        let false_header = adts_header(&config, 20);
        let stream =
            [&false_header[..], &[1, 2, 3], &frame(&config, 7, 50), &frame(&config, 8, 50)]
                .concat();
        let framer = scan(&stream);
        assert_eq!(framer.damage(), damage(9, 1));
        assert_eq!(found(framer), [(7, 0), (8, 0)]);
    }

    #[test]
    fn a_single_header_that_says_something_else_is_damage() {
        let (usual, other) = (config(4, 2), config(3, 2));
        let stream = [
            frame(&usual, 1, 50),
            frame(&usual, 2, 60),
            frame(&other, 3, 70),
            frame(&usual, 4, 80),
        ];
        let framer = scan(&stream.concat());
        assert_eq!((framer.damage(), framer.configs().len()), (damage(0, 1), 1));
        assert_eq!(found(framer), [(1, 0), (2, 0), (4, 0)]);
    }

    #[test]
    fn two_headers_that_agree_are_a_new_configuration() {
        let (usual, other) = (config(4, 2), config(3, 6));
        let stream = [
            frame(&usual, 1, 50),
            frame(&usual, 2, 60),
            frame(&other, 3, 70),
            frame(&other, 4, 80),
            frame(&usual, 5, 80),
            frame(&usual, 6, 80),
        ];
        let framer = scan(&stream.concat());
        assert_eq!(framer.damage(), damage(0, 0));
        assert_eq!(framer.configs(), [usual, other].map(CodecConfig::Aac));
        assert_eq!(found(framer), [(1, 0), (2, 0), (3, 1), (4, 1), (5, 0), (6, 0)]);
    }

    #[test]
    fn a_frame_that_lost_its_end_is_dropped_alone() {
        let config = config(4, 2);
        let cut = frame(&config, 2, 60);
        let stream =
            [&frame(&config, 1, 50)[..], &cut[..40], &frame(&config, 3, 70), &frame(&config, 4, 9)];
        let framer = scan(&stream.concat());
        assert_eq!(framer.damage(), damage(39, 1));
        assert_eq!(found(framer), [(1, 0), (3, 0), (4, 0)]);
    }

    #[test]
    fn a_packet_with_timestamps_vouches_for_the_frame_before_it() {
        let config = config(4, 2);
        let stamps = |at| Some(Timestamps { presentation: at, decode: at });
        let mut framer = Framer::new(StreamSyntax::Adts, Vec::new()).unwrap();
        framer.begin_packet(stamps(1));
        framer.push(&[frame(&config, 1, 50), frame(&config, 2, 50)].concat(), 0);
        framer.begin_packet(stamps(2));
        framer.push(&[0; 20], 0);
        framer.push(&[frame(&config, 3, 50), frame(&config, 4, 50)].concat(), 0);
        framer.finish();
        assert_eq!(framer.damage(), damage(20, 0));
        let times: Vec<_> = framer.units().iter().map(|unit| unit.timestamps).collect();
        assert_eq!(times, [stamps(1), None, stamps(2), None]);
        assert_eq!(found(framer), [(1, 0), (2, 0), (3, 0), (4, 0)]);
    }

    #[test]
    fn timestamps_of_a_broken_frame_go_with_it() {
        let config = config(4, 2);
        let cut = frame(&config, 2, 60);
        let stamps = |at| Some(Timestamps { presentation: at, decode: at });
        let mut framer = Framer::new(StreamSyntax::Adts, Vec::new()).unwrap();
        framer.begin_packet(stamps(1));
        framer.push(&frame(&config, 1, 50), 0);
        framer.begin_packet(stamps(2));
        framer.push(&[&cut[..40], &frame(&config, 3, 50), &frame(&config, 4, 50)].concat(), 0);
        framer.finish();
        let times: Vec<_> = framer.units().iter().map(|unit| unit.timestamps).collect();
        assert_eq!(times, [stamps(1), None, None]);
    }

    #[test]
    fn tags_between_frames_are_no_damage() {
        let config = config(4, 2);
        let tag = [b"ID3\x04\0\0\0\0\0\x30".as_slice(), &[0xFF; 0x30]].concat();
        let stream =
            [&tag[..], &frame(&config, 1, 50), &frame(&config, 2, 50), &tag].concat().repeat(2);
        let framer = scan(&stream);
        assert_eq!(framer.damage(), damage(0, 0));
        assert_eq!(found(framer), [(1, 0), (2, 0), (1, 0), (2, 0)]);
    }

    #[test]
    fn several_raw_data_blocks_are_refused_by_name() {
        let mut first = frame(&config(4, 2), 1, 50);
        first[6] |= 1;
        let framer = scan(&[first, frame(&config(4, 2), 2, 50)].concat());
        assert_eq!((framer.damage(), framer.units().len()), (damage(0, 1), 1));
        assert!(framer.refusal().unwrap().to_string().contains("several raw data blocks"));
    }

    #[test]
    fn channels_may_come_from_a_program_config_element() {
        let silent = config(3, 0);
        let mut element = BitWriter::default();
        element.put(program_config::ELEMENT_ID, 3);
        write_program_config(&mut element, [&[0, 1], &[], &[1]]);
        let payload = element.into_bytes();
        let first = [&adts_header(&silent, payload.len() as u32)[..], &payload].concat();
        let stream = [&first[..], &frame(&silent, 1, 50), &frame(&silent, 2, 50)].concat();
        let framer = scan(&stream);
        assert_eq!(framer.configs(), [CodecConfig::Aac(config(3, 6))]);
        assert_eq!((framer.damage(), framer.units().len()), (damage(0, 0), 3));

        let framer = scan(&frame(&silent, 1, 50).repeat(3));
        assert_eq!((framer.damage(), framer.units().len()), (damage(0, 3), 0));
        assert!(framer.refusal().unwrap().to_string().contains("channels"));
    }
}
