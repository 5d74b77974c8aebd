//! How a program map tells that samples are encrypted (Apple, "MPEG-2 Stream Encryption Format for
//! HTTP Live Streaming", 2.3 and 2.4): stream types and descriptors of their own.
//!
//! ```text
//! private_data_indicator_descriptor  'zavc' 'aacd' 'ac3d' 'ec3d'
//! registration_descriptor            'apad' │ setup type │ priming │ version │ length │ setup data
//! └─ sound only                             └─────────── audio setup information ────────────────┘
//! ```
//!
//! Encrypts nothing, and says nothing of keys: those stand in playlists.

use super::psi::stream_type;
use crate::model::codec::{AacConfig, AacExtension};

/// `descriptor_tag` values (ISO/IEC 13818-1:2023 table 2-45).
const REGISTRATION: u8 = 0x05;
const PRIVATE_DATA_INDICATOR: u8 = 0x0F;
/// `format_identifier` of the registration of audio setup information.
const SETUP_FORMAT: [u8; 4] = *b"apad";
/// Bytes of a syncframe of AC-3 that are its setup data.
const AC3_SETUP_BYTES: usize = 10;
/// The body of a `dec3` box (ETSI TS 102 366 F.6): two bytes, then three or four for each of at
/// most eight independent substreams, then two if objects are in it. The bounds keep a program map
/// in one packet.
const EAC3_SETUP_BYTES: std::ops::RangeInclusive<usize> = 2 + 3..=2 + 8 * 4 + 2;

/// What a program map says of one encrypted elementary stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleAesStream {
    stream_type: u8,
    indicator: [u8; 4],
    setup: Option<AudioSetup>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct AudioSetup {
    codec: [u8; 4],
    data: Vec<u8>,
}

impl SampleAesStream {
    /// H.264.
    pub const fn avc() -> Self {
        Self { stream_type: stream_type::ENCRYPTED_H264, indicator: *b"zavc", setup: None }
    }

    /// AAC in ADTS.
    pub fn aac(config: &AacConfig) -> Self {
        let codec = match config.extension {
            AacExtension::None => *b"zaac",
            AacExtension::Sbr => *b"zach",
            AacExtension::SbrPs => *b"zacp",
        };
        let data = config.audio_specific_config().to_vec();
        Self::sound(stream_type::ENCRYPTED_AAC, *b"aacd", codec, data)
    }

    /// AC-3, by the start of a syncframe that is not encrypted; `None` where it has not ten bytes.
    pub fn ac3(syncframe: &[u8]) -> Option<Self> {
        let data = syncframe.get(..AC3_SETUP_BYTES)?.to_vec();
        Some(Self::sound(stream_type::ENCRYPTED_AC3, *b"ac3d", *b"zac3", data))
    }

    /// E-AC-3, by the body of its `dec3` box; `None` where that is shorter or longer than any
    /// stream's.
    pub fn eac3(dec3: &[u8]) -> Option<Self> {
        EAC3_SETUP_BYTES
            .contains(&dec3.len())
            .then(|| Self::sound(stream_type::ENCRYPTED_EAC3, *b"ec3d", *b"zec3", dec3.to_vec()))
    }

    fn sound(stream_type: u8, indicator: [u8; 4], codec: [u8; 4], data: Vec<u8>) -> Self {
        Self { stream_type, indicator, setup: Some(AudioSetup { codec, data }) }
    }

    /// `stream_type`.
    pub const fn stream_type(&self) -> u8 {
        self.stream_type
    }

    /// The descriptors of its entry in a program map.
    pub fn descriptors(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_descriptor(&mut bytes, PRIVATE_DATA_INDICATOR, &self.indicator);
        if let Some(setup) = self.audio_setup() {
            write_descriptor(&mut bytes, REGISTRATION, &[&SETUP_FORMAT[..], &setup].concat());
        }
        bytes
    }

    /// The audio setup information; `None` for pictures. Packed audio has it in an ID3 tag instead
    /// (`com.apple.streaming.audioDescription`).
    pub fn audio_setup(&self) -> Option<Vec<u8>> {
        let AudioSetup { codec, data } = self.setup.as_ref()?;
        let mut bytes = codec.to_vec();
        bytes.extend_from_slice(&[0, 0]); // priming: none is said
        bytes.push(1); // version
        bytes.push(data.len() as u8); // setup_data_length
        bytes.extend_from_slice(data);
        Some(bytes)
    }
}

fn write_descriptor(out: &mut Vec<u8>, tag: u8, body: &[u8]) {
    out.extend_from_slice(&[tag, body.len() as u8]);
    out.extend_from_slice(body);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ts::psi::{ElementaryStream, MapEntry, map_section, tag_entry};

    fn aac(extension: AacExtension) -> AacConfig {
        AacConfig {
            object_type: 2,
            sampling_frequency: 48_000,
            frequency_index: 3,
            channel_configuration: 2,
            extension,
        }
    }

    fn entry(stream: &SampleAesStream, pid: u16) -> MapEntry {
        let stream_type = stream.stream_type();
        MapEntry {
            stream: ElementaryStream { stream_type, pid },
            descriptors: stream.descriptors(),
        }
    }

    /// What another packager writes for the same two streams. It gives the AAC configuration with
    /// explicit signalling, so the setup data is spelled here.
    #[test]
    fn a_program_map_is_that_of_another_packager() {
        let setup = hex::decode("118856e500").unwrap();
        let sound = SampleAesStream::sound(0xCF, *b"aacd", *b"zaac", setup);
        let entries = [entry(&sound, 0x101), entry(&SampleAesStream::avc(), 0x102)];
        assert_eq!(
            hex::encode(map_section(0x102, 0, &entries)),
            "02b0360001c10000e102f000\
             cfe101f0190f0461616364051161706164\
             7a61616300000105118856e500\
             dbe102f0060f047a617663\
             e4b202f5"
        );
    }

    #[test]
    fn sound_of_each_codec_says_how_it_is_set_up() {
        let of = |extension| SampleAesStream::aac(&aac(extension));
        let syncframe = [0x0B, 0x77, 1, 2, 0x50, 0x40, 0x43, 0xE1, 0, 0, 9, 9];
        let dec3 = [0x0C, 0x00, 0x20, 0x0F, 0x00];
        let shown =
            |stream: SampleAesStream| (stream.stream_type(), hex::encode(stream.descriptors()));
        // zaac, zach, zacp, each with the two bytes of its AudioSpecificConfig
        let aac = |code| (0xCF, format!("0f0461616364050e617061647a61{code}000001021190"));
        assert_eq!(shown(of(AacExtension::None)), aac("6163"));
        assert_eq!(shown(of(AacExtension::Sbr)), aac("6368"));
        assert_eq!(shown(of(AacExtension::SbrPs)), aac("6370"));
        assert_eq!(
            shown(SampleAesStream::ac3(&syncframe).unwrap()),
            (0xC1, "0f04616333640516617061647a6163330000010a0b770102504043e10000".to_owned())
        );
        assert_eq!(
            shown(SampleAesStream::eac3(&dec3).unwrap()),
            (0xC2, "0f04656333640511617061647a656333000001050c00200f00".to_owned())
        );
    }

    #[test]
    fn setup_data_that_no_stream_has_is_refused() {
        assert_eq!(SampleAesStream::ac3(&[0x0B, 0x77, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(SampleAesStream::eac3(&[0; 4]), None);
        assert_eq!(SampleAesStream::eac3(&[0; 37]), None);
    }

    #[test]
    fn the_longest_program_map_fits_a_packet() {
        let sound = SampleAesStream::eac3(&[0; 36]).unwrap();
        let (pictures, sound) = (entry(&SampleAesStream::avc(), 1), entry(&sound, 2));
        let section = map_section(0x100, 1, &[pictures, sound, tag_entry(3)]);
        // behind the packet's header and pointer_field
        assert!(section.len() <= 188 - 5, "{} bytes", section.len());
    }
}
