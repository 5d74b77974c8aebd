//! What ffmpeg decodes from frames of silence.
//!
//! ffmpeg shows that another decoder hears nothing and finds no fault, with the check words on. It
//! does not show what all players do.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;
use crate::model::codec::{AacExtension, Ac3Config, Eac3Config, Eac3Substream};

const FRAMES: usize = 8;

/// Decodes `frames` of a raw stream to 16 bits; `None` where there is no ffmpeg.
fn decoded(format: &str, frames: &[u8]) -> Option<Vec<u8>> {
    let ffmpeg = Command::new("ffmpeg")
        .args(["-v", "warning", "-err_detect", "crccheck+bitstream+buffer+explode"])
        .args(["-f", format, "-i", "-", "-f", "s16le", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut ffmpeg) = ffmpeg else {
        println!("skipped: there is no ffmpeg");
        return None;
    };
    ffmpeg.stdin.take().unwrap().write_all(frames).unwrap();
    let output = ffmpeg.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // About the file, not the frames.
    let faults: Vec<&str> =
        said.lines().filter(|line| !line.contains("Estimating duration")).collect();
    assert!(output.status.success() && faults.is_empty(), "{format}: {said}");
    Some(output.stdout)
}

/// Decodes a few frames and expects zeros, so many as the configuration says.
fn expect_silence(what: &str, format: &str, config: &CodecConfig, frames: Vec<u8>) {
    let Some(samples) = decoded(format, &frames) else { return };
    let sound = config.sound().unwrap();
    let frame_bytes = 2 * usize::from(sound.channels) * sound.frame_samples as usize;
    assert!(samples.iter().all(|byte| *byte == 0), "{what} is heard");
    // Decoders of layer III and others hold the first frame back.
    let (least, most) = ((FRAMES - 1) * frame_bytes, FRAMES * frame_bytes);
    assert!((least..=most).contains(&samples.len()), "{what}: {} bytes", samples.len());
}

fn aac(channel_configuration: u8) -> AacConfig {
    AacConfig {
        object_type: 2,
        sampling_frequency: 48_000,
        frequency_index: 3,
        channel_configuration,
        extension: AacExtension::None,
    }
}

/// ADTS (ISO/IEC 14496-3:2019 1.A.2) around raw data blocks.
fn adts(config: &AacConfig, block: &[u8]) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put(0xFFF1, 16);
    bits.put(u32::from(config.object_type) - 1, 2);
    bits.put(u32::from(config.frequency_index), 4);
    bits.put(0, 1);
    bits.put(u32::from(config.channel_configuration), 3);
    bits.put(0, 4);
    bits.put(block.len() as u32 + 7, 13);
    bits.put(0x7FF, 11);
    bits.put(0, 2);
    [bits.bytes, block.to_vec()].concat()
}

#[test]
fn aac_of_every_channel_configuration_is_silent() {
    for channels in 1..=7 {
        let config = aac(channels);
        let block = aac_block(&config).unwrap();
        let what = format!("channel configuration {channels}");
        let frames = adts(&config, &block).repeat(FRAMES);
        expect_silence(&what, "aac", &CodecConfig::Aac(config), frames);
    }
    assert_eq!(silent_frame(&CodecConfig::Aac(aac(0))), None);
}

#[test]
fn mpeg_audio_of_every_frequency_is_silent() {
    for layer in [2, 3] {
        for frequency in [48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000_u32]
        {
            // Layer II has no extension to the lowest frequencies.
            if layer == 2 && frequency < 16_000 {
                continue;
            }
            for channels in [1, 2] {
                let config = CodecConfig::MpegAudio(MpegAudioConfig {
                    layer,
                    is_mpeg1: frequency >= 32_000,
                    sampling_frequency: frequency,
                    channels,
                });
                let what = format!("layer {layer}, {frequency} Hz, {channels} channels");
                let frames = silent_frame(&config).unwrap().repeat(FRAMES);
                expect_silence(&what, "mp3", &config, frames);
            }
        }
    }
}

#[test]
fn ac3_of_every_mode_rate_and_frequency_is_silent() {
    let mut cases = Vec::new();
    for acmod in 0..8 {
        for lfe in [false, true] {
            cases.push((acmod, lfe, 0, 14));
        }
    }
    for fscod in 0..3 {
        for bit_rate_code in [0, 3, 18] {
            cases.push((7, true, fscod, bit_rate_code));
        }
    }
    for (acmod, lfe, fscod, bit_rate_code) in cases {
        let config = Ac3Config { fscod, bsid: 8, bsmod: 0, acmod, lfe, bit_rate_code };
        let config = CodecConfig::Ac3(config);
        let what = format!("{config:?}");
        let frames = silent_frame(&config).unwrap().repeat(FRAMES);
        expect_silence(&what, "ac3", &config, frames);
    }
}

#[test]
fn eac3_of_every_mode_is_silent() {
    for acmod in 0..8 {
        for lfe in [false, true] {
            for frequency in [48_000, 44_100, 32_000] {
                let substream = Eac3Substream { bsid: 16, acmod, lfe, ..Eac3Substream::default() };
                let config = CodecConfig::Eac3(Eac3Config {
                    sampling_frequency: frequency,
                    data_rate: 192,
                    substreams: vec![substream],
                    joc_complexity: None,
                });
                let what = format!("{config:?}");
                let frames = silent_frame(&config).unwrap().repeat(FRAMES);
                expect_silence(&what, "eac3", &config, frames);
            }
        }
    }
}
