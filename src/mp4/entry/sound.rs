//! `mp4a` (ISO/IEC 14496-14:2020 6.7), `ac-3` and `ec-3` (ETSI TS 102 366 V1.4.1 F.3, F.5).
//!
//! All entries name the channels that a decoder puts out and 16 bits; of Dolby's, readers take both
//! from the specific box.

use mp4_atom::{Audio, Encode, Esds, FixedPoint, esds};

use super::super::init::InitError;
use super::super::write_box;
use crate::model::codec::{AacConfig, Ac3Config, Eac3Config, MpegAudioConfig};

/// `objectTypeIndication` of MPEG-4 audio (ISO/IEC 14496-1:2010 table 5).
const MPEG4_AUDIO: u8 = 0x40;
/// `streamType` of audio (ISO/IEC 14496-1:2010 table 6).
const AUDIO_STREAM: u8 = 0x05;

pub(super) fn write_aac(out: &mut Vec<u8>, aac: &AacConfig) -> Result<(), InitError> {
    let specific = esds::DecoderSpecific {
        raw: aac.audio_specific_config().to_vec(),
        ..esds::DecoderSpecific::default()
    };
    // The rate of the core: decoders find what they make of it in the stream.
    write_mp4a(out, aac.channels(), aac.sampling_frequency, MPEG4_AUDIO, Some(specific))
}

/// Layers II and III say all that there is to know in every frame, so that there is nothing
/// specific to the decoder (ISO/IEC 14496-1:2010 7.2.6.7).
pub(super) fn write_mpeg_audio(out: &mut Vec<u8>, mpeg: &MpegAudioConfig) -> Result<(), InitError> {
    let object_type = mpeg.object_type_indication();
    write_mp4a(out, mpeg.channels, mpeg.sampling_frequency, object_type, None)
}

fn write_mp4a(
    out: &mut Vec<u8>,
    channels: u8,
    sampling_frequency: u32,
    object_type_indication: u8,
    dec_specific: Option<esds::DecoderSpecific>,
) -> Result<(), InitError> {
    let esds = Esds {
        es_desc: esds::EsDescriptor {
            dec_config: esds::DecoderConfig {
                object_type_indication,
                stream_type: AUDIO_STREAM,
                dec_specific,
                ..esds::DecoderConfig::default()
            },
            ..esds::EsDescriptor::default()
        },
    };
    write_entry(out, b"mp4a", channels, sampling_frequency, |out| esds.encode(out))
}

pub(super) fn write_ac3(out: &mut Vec<u8>, ac3: &Ac3Config) -> Result<(), InitError> {
    write_entry(out, b"ac-3", ac3.channels(), ac3.sampling_frequency(), |out| {
        write_box(out, b"dac3", |out| out.extend_from_slice(&ac3.specific()));
        Ok(())
    })
}

pub(super) fn write_eac3(out: &mut Vec<u8>, eac3: &Eac3Config) -> Result<(), InitError> {
    write_entry(out, b"ec-3", eac3.channels(), eac3.sampling_frequency, |out| {
        write_box(out, b"dec3", |out| out.extend_from_slice(&eac3.specific()));
        Ok(())
    })
}

fn write_entry(
    out: &mut Vec<u8>,
    kind: &[u8; 4],
    channels: u8,
    sampling_frequency: u32,
    configuration: impl FnOnce(&mut Vec<u8>) -> mp4_atom::Result<()>,
) -> Result<(), InitError> {
    let audio = Audio {
        data_reference_index: 1,
        channel_count: u16::from(channels),
        sample_size: 16,
        // 16.16 fixed point cannot hold 88.2 and 96 kHz; decoders read the real rate below.
        sample_rate: FixedPoint::from(u16::try_from(sampling_frequency).unwrap_or(0)),
    };
    let mut result = Ok(());
    write_box(out, kind, |out| result = audio.encode(out).and_then(|()| configuration(out)));
    Ok(result?)
}
