//! MPEG audio of layers II and III: MPEG-1 (ISO/IEC 11172-3 2.4.1.3 and 2.4.2.3), MPEG-2
//! (ISO/IEC 13818-3 2.4.2.3) and, for layer III, the frequencies below that are called MPEG-2.5.
//!
//! A sample is a frame with its header. Frames that hold a Xing or Info table are frames like
//! others; tags between frames are passed over. Layer I and frames without a stated bit rate (free
//! format) are refused: the length of the latter cannot be known from one frame.
//!
//! Whether a frame of layer III needs bits of the frames before it (`main_data_begin`) is not looked
//! at: decoders that begin with one mute it.

use super::ConfigError;
use super::sound::{
    Configs, Following, Frame, HeaderSyntax, Standing, Step, View, judge, no_header,
};
use crate::model::codec::{CodecConfig, MpegAudioConfig};

/// Bytes of a header.
const HEADER_BYTES: usize = 4;

const HEADER: HeaderSyntax = HeaderSyntax { first: 0xFF, bytes: HEADER_BYTES };

/// kbit/s by `bitrate_index` from 1: MPEG-1 layers I, II and III, then MPEG-2 layer I and the others.
const BIT_RATES: [[u32; 14]; 5] = [
    [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
    [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
    [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

/// Hertz of MPEG-1 by `sampling_frequency`; the others have half and a quarter.
const FREQUENCIES: [u32; 3] = [44_100, 48_000, 32_000];

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Header {
    config: MpegAudioConfig,
    /// Bytes of the frame; `None` for free format.
    bytes: Option<usize>,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let [b0, b1, b2, b3]: [u8; HEADER_BYTES] = *bytes.first_chunk()?;
        if b0 != 0xFF || b1 & 0xE0 != 0xE0 {
            return None;
        }
        let (is_mpeg1, fraction) = match b1 >> 3 & 3 {
            0 => (false, 4),
            2 => (false, 2),
            3 => (true, 1),
            _ => return None,
        };
        let layer = 4 - (b1 >> 1 & 3);
        // Layer 4 is reserved, and so is one value of emphasis; MPEG-2.5 has layer III alone.
        if layer == 4 || b3 & 3 == 2 || (fraction == 4 && layer != 3) {
            return None;
        }
        let sampling_frequency = FREQUENCIES.get(usize::from(b2 >> 2 & 3))? / fraction;
        let rates = match (is_mpeg1, layer) {
            (true, layer) => BIT_RATES.get(usize::from(layer) - 1)?,
            (false, 1) => &BIT_RATES[3],
            (false, _) => &BIT_RATES[4],
        };
        let padding = u32::from(b2 >> 1 & 1);
        let bytes = match b2 >> 4 {
            0 => None,
            index => {
                let rate = rates.get(usize::from(index) - 1)? * 1_000;
                let bytes = match (layer, is_mpeg1) {
                    (1, _) => (12 * rate / sampling_frequency + padding) * 4,
                    (3, false) => 72 * rate / sampling_frequency + padding,
                    _ => 144 * rate / sampling_frequency + padding,
                };
                Some(bytes as usize)
            }
        };
        let channels = if b3 >> 6 == 3 { 1 } else { 2 };
        let config = MpegAudioConfig { layer, is_mpeg1, sampling_frequency, channels };
        Some(Self { config, bytes })
    }

    /// Why its frames are not read, if they are not.
    fn refusal(&self) -> Option<ConfigError> {
        let feature = match (self.config.layer, self.bytes) {
            (1, _) => "MPEG audio of layer I",
            (_, None) => "MPEG audio without a stated bit rate (free format)",
            _ => return None,
        };
        Some(ConfigError::Unsupported { feature })
    }
}

/// Finds frames of MPEG audio.
pub(super) struct Reader;

impl Reader {
    /// What begins in view.
    pub fn step(&self, view: &View<'_>, configs: &mut Configs) -> Step {
        if view.bytes.len() < HEADER_BYTES {
            return Step::More(HEADER_BYTES);
        }
        let Some(header) = Header::parse(view.bytes) else { return no_header(view, HEADER) };
        let refusal = header.refusal();
        let (Some(bytes), None) = (header.bytes, refusal) else {
            // Two bytes of anything look like that; where a packet begins it is meant.
            if let Some(reason) = refusal.filter(|_| view.packet_begins_at(0)) {
                configs.refuse(reason);
            }
            return no_header(view, HEADER);
        };
        let known = match configs.current() {
            Some(CodecConfig::MpegAudio(known)) => Some(known),
            _ => None,
        };
        let standing = match known {
            None => Standing::First,
            Some(known) if *known == header.config => Standing::Known,
            Some(_) => Standing::Other,
        };
        let judgement = judge(view, bytes, standing, HEADER, |behind| {
            Ok(Header::parse(behind).map(|next| Following {
                with_frame: next.config == header.config,
                with_known: known == Some(&next.config),
            }))
        });
        if let Err(step) = judgement {
            return step;
        }
        let config = match standing {
            Standing::Known => configs.current_number(),
            Standing::First | Standing::Other => {
                configs.adopt(CodecConfig::MpegAudio(header.config))
            }
        };
        Step::Frame(Frame { first_bit: 0, size: bytes, bytes, config })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::codec::sound::Framer;
    use crate::codec::{Damage, Timestamps};
    use crate::model::codec::StreamSyntax;

    /// A frame with these three bytes behind the first.
    pub(crate) fn frame(header: [u8; 3], bytes: usize) -> Vec<u8> {
        let mut frame = [&[0xFF][..], &header].concat();
        frame.resize(bytes, 0x22);
        frame
    }

    fn scan(stream: &[u8]) -> Framer {
        let mut framer = Framer::new(StreamSyntax::MpegAudio, Vec::new()).unwrap();
        framer.begin_packet(Some(Timestamps { presentation: 0, decode: 0 }));
        framer.push(stream, 0);
        framer.finish();
        framer
    }

    #[test]
    fn lengths_and_configurations_are_those_of_the_standards() {
        // Layer II 192 kbit/s 48 kHz stereo; layer III 128 kbit/s 44.1 kHz with and without padding;
        // layer III 64 kbit/s 22.05 kHz mono; layer III 8 kbit/s 8 kHz mono; layer II 64 kbit/s 24 kHz.
        for (header, bytes, layer, is_mpeg1, frequency, channels, samples) in [
            ([0xFD, 0xA4, 0x00], 576, 2, true, 48_000, 2, 1152),
            ([0xFB, 0x90, 0x40], 417, 3, true, 44_100, 2, 1152),
            ([0xFB, 0x92, 0x40], 418, 3, true, 44_100, 2, 1152),
            ([0xF3, 0x80, 0xC0], 208, 3, false, 22_050, 1, 576),
            ([0xE3, 0x18, 0xC0], 72, 3, false, 8_000, 1, 576),
            ([0xF5, 0x84, 0x00], 384, 2, false, 24_000, 2, 1152),
        ] {
            let framer = scan(&frame(header, bytes).repeat(3));
            let [CodecConfig::MpegAudio(config)] = framer.configs() else { panic!("{header:x?}") };
            let expected =
                MpegAudioConfig { layer, is_mpeg1, sampling_frequency: frequency, channels };
            assert_eq!((config, config.frame_samples()), (&expected, samples));
            assert_eq!(framer.units().iter().map(|unit| unit.size).collect::<Vec<_>>(), [bytes; 3]);
            assert_eq!(framer.damage(), Damage::default());
        }
    }

    #[test]
    fn layer_i_and_free_format_are_refused_by_name() {
        for (header, name) in [([0xFF, 0x44, 0x00], "layer I"), ([0xFB, 0x00, 0x40], "free format")]
        {
            let framer = scan(&frame(header, 400).repeat(3));
            assert!(framer.units().is_empty());
            assert!(framer.refusal().unwrap().to_string().contains(name));
        }
    }

    #[test]
    fn tags_around_frames_are_passed_over() {
        let mut id3v1 = b"TAG".to_vec();
        id3v1.resize(128, b' ');
        let id3v2 = [b"ID3\x03\0\0\0\0\x01\0".as_slice(), &[0xFF; 128]].concat();
        let frames = frame([0xFB, 0x90, 0x40], 417).repeat(2);
        let framer = scan(&[&id3v2[..], &frames, &id3v1, &id3v2, &frames, &id3v1].concat());
        assert_eq!((framer.units().len(), framer.damage()), (4, Damage::default()));
    }

    #[test]
    fn another_frequency_is_damage_once_and_a_change_twice() {
        let (usual, other) = (frame([0xFB, 0x90, 0x40], 417), frame([0xFB, 0x94, 0x40], 384));
        let framer = scan(&[&usual[..], &usual, &other, &usual, &other, &other].concat());
        let numbers: Vec<_> = framer.units().iter().map(|unit| unit.config).collect();
        assert_eq!((numbers, framer.damage().broken_units), (vec![0, 0, 0, 1, 1], 1));
    }
}
