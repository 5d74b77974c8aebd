use super::*;
use crate::model::codec::{
    AacConfig, AacExtension, Ac3Config, AvcConfig, Colour, DisplayMetadata, Eac3Config,
    Eac3Substream, HevcConfig, MpegAudioConfig, PictureFormat,
};
use mp4_atom::{Any, Codec, DecodeMaybe};

/// The body of the first box of this kind, found by its name.
fn body<'a>(entry: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    let at = entry.windows(4).position(|window| window == kind)?;
    let size = u32::from_be_bytes(entry[at - 4..at].try_into().unwrap()) as usize;
    Some(&entry[at + 4..at - 4 + size])
}

fn hevc() -> HevcConfig {
    let sets = [
        "40010c01ffff02200000030090000003000003003c959809",
        "42010102200000030090000003000003003ca00a080b9f6d96566924caf016a122012080000003008000000c84",
        "4401c172b46240",
    ];
    let [video, sequence, picture] = sets.map(|set| vec![hex::decode(set).unwrap()]);
    HevcConfig {
        profile_space: 0,
        high_tier: false,
        profile_idc: 2,
        compatibility: 0x2000_0000,
        constraints: [0x90, 0, 0, 0, 0, 0],
        level_idc: 60,
        min_spatial_segmentation: 0,
        temporal_layers: 1,
        temporal_id_nested: true,
        picture: PictureFormat {
            width: 320,
            height: 180,
            bit_depth_luma: 10,
            bit_depth_chroma: 10,
            colour: Some(Colour { primaries: 9, transfer: 16, matrix: 9, full_range: false }),
            ..PictureFormat::default()
        },
        video_parameter_sets: video,
        sequence_parameter_sets: sequence,
        picture_parameter_sets: picture,
    }
}

/// The whole record that ffmpeg 5.1 writes for the same stream of x265, and its `colr`.
#[test]
fn hvcc_and_colr_are_those_of_another_muxer() {
    let entry = sample_entry(&CodecConfig::Hevc(hevc())).unwrap();
    assert_eq!(&entry[4..8], b"hvc1");
    assert_eq!(
        hex::encode(body(&entry, b"hvcC").unwrap()),
        "0102200000009000000000003cf000fcfdfafa00000f03\
         a00001001840010c01ffff02200000030090000003000003003c959809\
         a10001002d42010102200000030090000003000003003ca00a080b9f6d96566924caf016a12201208000000300\
         8000000c84\
         a2000100074401c172b46240"
    );
    assert_eq!(hex::encode(body(&entry, b"colr").unwrap()), "6e636c7800090010000900");
    let mut rest = &entry[..];
    let Some(Any::Hvc1(read)) = Any::decode_maybe(&mut rest).unwrap() else { panic!() };
    assert_eq!((read.visual.width, read.visual.height), (320, 180));
    assert_eq!(read.pasp.unwrap().h_spacing, 1);
}

/// The payloads of the SEI messages go over unchanged. The values are made by hand.
#[test]
fn what_displays_adapt_to_stands_beside_the_colour() {
    let mut mastering = [0; 24];
    hex::decode_to_slice("33c286c41d4c0bb884d03e803d1340420098968000000001", &mut mastering)
        .unwrap();
    let mut config = hevc();
    config.picture.display =
        DisplayMetadata { mastering: Some(mastering), light_level: Some([3, 0xE8, 1, 0x90]) };
    let entry = sample_entry(&CodecConfig::Hevc(config)).unwrap();
    assert_eq!(body(&entry, b"mdcv").unwrap(), mastering);
    assert_eq!(body(&entry, b"clli").unwrap(), [3, 0xE8, 1, 0x90]);
}

#[test]
fn an_avc_entry_without_colour_has_two_boxes() {
    let avc = AvcConfig {
        profile_idc: 66,
        constraints: 0xC0,
        level_idc: 30,
        picture: PictureFormat { width: 16, height: 16, ..PictureFormat::default() },
        sequence_parameter_sets: vec![vec![0x67, 66, 0xC0, 30]],
        picture_parameter_sets: vec![vec![0x68, 0x80]],
    };
    let entry = sample_entry(&CodecConfig::Avc(avc.clone())).unwrap();
    let expected = "0142c01effe100046742c01e010002 6880".replace(' ', "");
    assert_eq!(hex::encode(body(&entry, b"avcC").unwrap()), expected);
    assert_eq!(entry.len(), 8 + 78 + 8 + expected.len() / 2 + 16);
    let colour = Some(Colour { primaries: 1, transfer: 1, matrix: 1, full_range: true });
    let picture = PictureFormat { colour, ..avc.picture.clone() };
    let entry = sample_entry(&CodecConfig::Avc(AvcConfig { picture, ..avc })).unwrap();
    assert_eq!(hex::encode(body(&entry, b"colr").unwrap()), "6e636c7800010001000180");
}

#[test]
fn parameter_sets_that_do_not_fit_are_refused() {
    let mut config = hevc();
    config.picture_parameter_sets.push(vec![0; 65_536]);
    let result = sample_entry(&CodecConfig::Hevc(config));
    assert!(matches!(result, Err(InitError::ParameterSets)));
}

fn sound(config: CodecConfig) -> (Vec<u8>, Codec) {
    let entry = sample_entry(&config).unwrap();
    let mut rest = &entry[..];
    let codec = match Any::decode_maybe(&mut rest).unwrap().unwrap() {
        Any::Mp4a(entry) => Codec::Mp4a(entry),
        Any::Ac3(entry) => Codec::Ac3(entry),
        Any::Eac3(entry) => Codec::Eac3(entry),
        other => panic!("{other:?}"),
    };
    assert!(rest.is_empty());
    (entry, codec)
}

/// The bodies of dac3 and dec3 are compared with another muxer's in `model::codec::dolby`.
#[test]
fn dolby_entries_are_read_back() {
    let ac3 = Ac3Config { fscod: 0, bsid: 8, bsmod: 0, acmod: 7, lfe: true, bit_rate_code: 14 };
    let (_, Codec::Ac3(entry)) = sound(CodecConfig::Ac3(ac3)) else { panic!() };
    assert_eq!((entry.audio.channel_count, entry.audio.sample_rate.integer()), (6, 48_000));
    assert_eq!((entry.dac3.bsid, entry.dac3.acmod, entry.dac3.bit_rate_code), (8, 7, 14));
    let substream = Eac3Substream {
        bsid: 16,
        acmod: 7,
        lfe: true,
        dependents: 1,
        locations: 2,
        ..Eac3Substream::default()
    };
    let eac3 = Eac3Config {
        sampling_frequency: 48_000,
        data_rate: 768,
        substreams: vec![substream],
        joc_complexity: Some(16),
    };
    let (bytes, Codec::Eac3(entry)) = sound(CodecConfig::Eac3(eac3)) else { panic!() };
    assert_eq!(entry.audio.channel_count, 8);
    assert_eq!(entry.dec3.data_rate, 768);
    assert_eq!(entry.dec3.substreams[0].chan_loc, Some(2));
    assert!(bytes.ends_with(&[1, 16]));
}

/// ffmpeg 5.1 writes the same but for the bit rates, which we do not claim to know.
#[test]
fn mpeg_audio_has_no_specific_information() {
    for (layer, is_mpeg1, object_type) in [(3, true, "6b"), (2, true, "6b"), (3, false, "69")] {
        let sampling_frequency = if is_mpeg1 { 48_000 } else { 24_000 };
        let mpeg = MpegAudioConfig { layer, is_mpeg1, sampling_frequency, channels: 2 };
        let (bytes, Codec::Mp4a(entry)) = sound(CodecConfig::MpegAudio(mpeg)) else { panic!() };
        assert_eq!(entry.audio.channel_count, 2);
        assert_eq!(entry.esds.es_desc.dec_config.dec_specific, None);
        let esds = hex::encode(body(&bytes, b"esds").unwrap());
        assert!(esds.contains(&format!("0d{object_type}15000000")), "{esds}");
    }
}

#[test]
fn parametric_stereo_is_announced_as_two_channels() {
    let aac = AacConfig {
        object_type: 2,
        sampling_frequency: 24_000,
        frequency_index: 6,
        channel_configuration: 1,
        extension: AacExtension::SbrPs,
    };
    let (_, Codec::Mp4a(entry)) = sound(CodecConfig::Aac(aac)) else { panic!() };
    assert_eq!((entry.audio.channel_count, entry.audio.sample_rate.integer()), (2, 24_000));
}
