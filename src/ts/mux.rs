//! Samples → one whole transport stream segment (ISO/IEC 13818-1:2023 2.4, RFC 8216 3.2).
//!
//! ```text
//! PAT PMT │ video PES (PCR, AUD, SPS, PPS, IDR) │ audio PES … │ video PES (PCR, AUD, slice) │ …
//! ```
//!
//! Every picture has a PES packet of its own that begins with a clock reference, an access unit
//! delimiter and, at random access points, the parameter sets. Audio frames are gathered up to
//! [`transport::AUDIO_PES_PAYLOAD_BYTES`] and never over the border of two groups, so the number of
//! packets of each group is the same in whichever segment it lands; `index` counts them with
//! [`picture_packets`], [`clock_packets`] and [`audio_packets`], and `plan` adds them up. Continuity counters go on
//! from segment to segment because they, too, are sums.
//!
//! The rate is whatever the pictures need: no null packets, no decoder buffer model.

use super::packet_writer::{ClockField, PacketWriter, clock, write_table};
use super::psi::{ElementaryStream, association_section, map_section, stream_type};
use super::{PAT_PID, pes};
use crate::codec::aac::adts_header;
use crate::codec::h264::nal_type;
use crate::model::codec::{AacConfig, AvcConfig};
use crate::model::sample::{Sample, transport};
use crate::time::{Ticks, Timescale};

/// The PID of the program map table.
pub const PROGRAM_MAP_PID: u16 = 0x1000;
/// The PID of the video track.
pub const VIDEO_PID: u16 = 0x100;
/// The PID of the audio track.
pub const AUDIO_PID: u16 = 0x101;

/// How long the clock reference runs ahead of decoding: 0.7 s, which players buffer anyway.
const CLOCK_LEAD: i64 = 63_000;
const VIDEO_STREAM_ID: u8 = 0xE0;
const AUDIO_STREAM_ID: u8 = 0xC0;
/// `primary_pic_type` 7: any slice types (ISO/IEC 14496-10:2022 7.4.2.4).
const DELIMITER: [u8; transport::DELIMITER_BYTES as usize] =
    [0, 0, 0, 1, nal_type::DELIMITER, 0xF0];
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// The pictures of a segment.
pub struct VideoInput<'a> {
    /// Parameter sets to repeat at random access points.
    pub config: &'a AvcConfig,
    /// The samples, 90 kHz.
    pub samples: &'a [Sample],
    /// Their payload; lengths of NAL units are overwritten by start codes.
    pub payload: &'a mut [u8],
    /// Packets with payload in all segments before.
    pub packets_before: u64,
}

/// The audio frames of a segment.
pub struct AudioInput<'a> {
    /// For the ADTS headers.
    pub config: &'a AacConfig,
    /// Unit of the samples' times.
    pub timescale: Timescale,
    /// How many samples each group has.
    pub groups: &'a [u32],
    /// The samples.
    pub samples: &'a [Sample],
    /// Their payload.
    pub payload: &'a [u8],
    /// Packets with payload in all segments before.
    pub packets_before: u64,
}

/// Packets with payload that a picture takes: with parameter sets if it is a random access point,
/// whose `config` is given; with two timestamps or one.
pub fn picture_packets(config: Option<&AvcConfig>, size: u32, has_decode_time: bool) -> u32 {
    let header = transport::PES_HEADER_BYTES[usize::from(has_decode_time)];
    let sets = config.map_or(0, parameter_set_bytes);
    let pes_bytes = header + transport::DELIMITER_BYTES + sets + u64::from(size);
    transport::packets(pes_bytes, transport::CLOCK_FIELD_BYTES) as u32
}

/// Packets without payload that carry the clock between pictures that last long.
pub fn clock_packets(samples: &[Sample]) -> u32 {
    let durations = samples.iter().map(|sample| i64::from(sample.duration));
    durations.map(|duration| transport::clock_packets(duration) as u32).sum()
}

/// Packets of a run of audio frames; `with_clock` where there is no video to carry the clock.
pub fn audio_packets(samples: &[Sample], timescale: Timescale, with_clock: bool) -> u32 {
    let field = if with_clock { transport::CLOCK_FIELD_BYTES } else { 0 };
    let header = transport::PES_HEADER_BYTES[0];
    audio_packages(samples, timescale, with_clock)
        .map(|frames| transport::packets(header + adts_bytes(frames), field) as u32)
        .sum()
}

/// Appends a segment to `out`.
pub fn write_segment(
    out: &mut Vec<u8>,
    segment_number: u64,
    mut video: Option<VideoInput<'_>>,
    audio: Option<AudioInput<'_>>,
) {
    let streams: Vec<ElementaryStream> = video
        .iter()
        .map(|_| ElementaryStream { stream_type: stream_type::H264, pid: VIDEO_PID })
        .chain(
            audio
                .iter()
                .map(|_| ElementaryStream { stream_type: stream_type::AAC_ADTS, pid: AUDIO_PID }),
        )
        .collect();
    let with_clock = video.is_none();
    let clock_pid = if with_clock { AUDIO_PID } else { VIDEO_PID };
    write_table(out, PAT_PID, segment_number, &association_section(PROGRAM_MAP_PID));
    write_table(out, PROGRAM_MAP_PID, segment_number, &map_section(clock_pid, &streams));

    let mut video_packets = PacketWriter {
        pid: VIDEO_PID,
        counter: video.as_ref().map_or(0, |video| video.packets_before),
    };
    let mut audio_packets = PacketWriter {
        pid: AUDIO_PID,
        counter: audio.as_ref().map_or(0, |audio| audio.packets_before),
    };
    let parameter_sets = video.as_ref().map(|video| parameter_sets(video.config));
    let packages = audio.as_ref().map(|audio| all_audio_packages(audio, with_clock));
    let mut packages = packages.unwrap_or_default().into_iter().peekable();
    let mut write_audio = |out: &mut Vec<u8>, frames: &[Sample]| {
        if let Some(audio) = &audio {
            write_audio_package(out, &mut audio_packets, audio, frames, with_clock);
        }
    };
    if let Some(video) = &mut video {
        for (index, sample) in video.samples.iter().enumerate() {
            // The first packet behind the tables is a clock reference.
            while let Some(frames) = packages.next_if(|frames| {
                let timescale = audio.as_ref().map_or(Timescale::MPEG, |audio| audio.timescale);
                index > 0 && start_of(frames, timescale) <= sample.transport_decode_time
            }) {
                write_audio(out, frames);
            }
            let sets = parameter_sets.as_deref().unwrap_or_default();
            write_picture(out, &mut video_packets, video.payload, sample, sets);
        }
    }
    for frames in packages {
        write_audio(out, frames);
    }
}

fn has_decode_time(sample: &Sample) -> bool {
    presentation_time(sample) != sample.transport_decode_time
}

fn presentation_time(sample: &Sample) -> Ticks {
    sample.decode_time.plus(Ticks(i64::from(sample.composition_offset)))
}

fn parameter_set_bytes(config: &AvcConfig) -> u64 {
    config.parameter_sets().map(|set| (START_CODE.len() + set.len()) as u64).sum()
}

fn parameter_sets(config: &AvcConfig) -> Vec<u8> {
    config.parameter_sets().flat_map(|set| START_CODE.iter().chain(set)).copied().collect()
}

fn adts_bytes(frames: &[Sample]) -> u64 {
    frames.iter().map(|frame| transport::ADTS_HEADER_BYTES + u64::from(frame.size)).sum()
}

fn start_of(frames: &[Sample], timescale: Timescale) -> Ticks {
    let first = frames.first().map_or(Ticks::ZERO, |frame| frame.decode_time);
    first.rescale(timescale, Timescale::MPEG)
}

/// Cuts one run of frames into what one PES packet carries. With a clock of its own, a PES packet
/// may not be longer than the interval of clock references either.
fn audio_packages(
    samples: &[Sample],
    timescale: Timescale,
    with_clock: bool,
) -> impl Iterator<Item = &[Sample]> {
    let mut rest = samples;
    std::iter::from_fn(move || {
        let first = rest.first()?;
        let mut bytes = 0;
        let fits = rest.iter().take_while(|frame| {
            bytes += transport::ADTS_HEADER_BYTES + u64::from(frame.size);
            let end = frame.decode_time.plus(Ticks(i64::from(frame.duration)));
            let length = end.minus(first.decode_time).rescale(timescale, Timescale::MPEG);
            bytes <= transport::AUDIO_PES_PAYLOAD_BYTES
                && (!with_clock || length.0 <= transport::CLOCK_INTERVAL)
        });
        let (package, behind) = rest.split_at(fits.count().max(1));
        rest = behind;
        Some(package)
    })
}

fn all_audio_packages<'a>(audio: &AudioInput<'a>, with_clock: bool) -> Vec<&'a [Sample]> {
    let mut rest = audio.samples;
    let mut packages = Vec::new();
    for &group in audio.groups {
        let (run, behind) = rest.split_at((group as usize).min(rest.len()));
        packages.extend(audio_packages(run, audio.timescale, with_clock));
        rest = behind;
    }
    packages
}

fn write_picture(
    out: &mut Vec<u8>,
    packets: &mut PacketWriter,
    payload: &mut [u8],
    sample: &Sample,
    parameter_sets: &[u8],
) {
    let end = sample.offset + sample.size as usize;
    let bytes = payload.get_mut(sample.offset..end).unwrap_or_default();
    lengths_to_start_codes(bytes);
    let mut header = vec![0, 0, 1, VIDEO_STREAM_ID];
    // PES_packet_length 0: not said; data_alignment_indicator set.
    header.extend_from_slice(&[0, 0, 0x84]);
    let presentation = clock(presentation_time(sample));
    if has_decode_time(sample) {
        header.extend_from_slice(&[0xC0, 10]);
        pes::write_timestamp(&mut header, 0b0011, presentation);
        pes::write_timestamp(&mut header, 0b0001, clock(sample.transport_decode_time));
    } else {
        header.extend_from_slice(&[0x80, 5]);
        pes::write_timestamp(&mut header, 0b0010, presentation);
    }
    header.extend_from_slice(&DELIMITER);
    let sync = sample.dependency.sync;
    let sets = if sync { parameter_sets } else { &[] };
    let reference = sample.transport_decode_time.minus(Ticks(CLOCK_LEAD));
    let field = ClockField { reference, random_access: sync };
    packets.write(out, Some(field), &[&header, sets, bytes]);
    for tick in 1..=transport::clock_packets(i64::from(sample.duration)) {
        let later = Ticks(transport::CLOCK_INTERVAL * tick as i64);
        packets.write_clock(out, reference.plus(later));
    }
}

/// Overwrites the four-byte length of each NAL unit by a start code.
fn lengths_to_start_codes(sample: &mut [u8]) {
    let mut rest = sample;
    while let Some((length, behind)) = rest.split_first_chunk_mut::<4>() {
        let bytes = u32::from_be_bytes(*length) as usize;
        *length = START_CODE;
        rest = behind.get_mut(bytes..).unwrap_or_default();
    }
}

fn write_audio_package(
    out: &mut Vec<u8>,
    packets: &mut PacketWriter,
    audio: &AudioInput<'_>,
    frames: &[Sample],
    with_clock: bool,
) {
    let start = start_of(frames, audio.timescale);
    let mut bytes = vec![0, 0, 1, AUDIO_STREAM_ID];
    // What follows PES_packet_length; 0 (not said) is for video only, so cap what cannot happen.
    let length = u16::try_from(8 + adts_bytes(frames)).unwrap_or(u16::MAX);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&[0x84, 0x80, 5]);
    pes::write_timestamp(&mut bytes, 0b0010, clock(start));
    for frame in frames {
        bytes.extend_from_slice(&adts_header(audio.config, frame.size));
        let end = frame.offset + frame.size as usize;
        bytes.extend_from_slice(audio.payload.get(frame.offset..end).unwrap_or_default());
    }
    let field = with_clock
        .then(|| ClockField { reference: start.minus(Ticks(CLOCK_LEAD)), random_access: true });
    packets.write(out, field, &[&bytes]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::h264::Framer;
    use crate::model::codec::AacExtension;
    use crate::model::sample::Dependency;
    use crate::ts::packet::{Continuity, Packet, PacketReader};
    use crate::ts::pes::PesReader;
    use crate::ts::psi::Tables;
    use proptest::prelude::*;

    fn avc() -> AvcConfig {
        AvcConfig {
            profile_idc: 66,
            constraints: 0,
            level_idc: 30,
            chroma_format_idc: 1,
            bit_depth_luma: 8,
            bit_depth_chroma: 8,
            width: 16,
            height: 16,
            sample_aspect_ratio: (1, 1),
            sequence_parameter_sets: vec![vec![0x67, 66, 0, 30, 0x80]],
            picture_parameter_sets: vec![vec![0x68, 0x80]],
        }
    }

    fn aac() -> AacConfig {
        AacConfig {
            object_type: 2,
            sampling_frequency: 48_000,
            frequency_index: 3,
            channel_configuration: 2,
            extension: AacExtension::None,
        }
    }

    /// Pictures of one NAL unit each, 25 per second.
    fn pictures(sizes: &[usize], duration: u32) -> (Vec<Sample>, Vec<u8>) {
        let mut payload = Vec::new();
        let samples = sizes
            .iter()
            .enumerate()
            .map(|(index, &size)| {
                let sync = index == 0;
                let mut nal = vec![if sync { 0x65 } else { 0x01 }, 0x88, 0x80];
                nal.resize(size.max(3), 0xAA);
                let offset = payload.len();
                payload.extend_from_slice(&(nal.len() as u32).to_be_bytes());
                payload.extend_from_slice(&nal);
                Sample {
                    offset,
                    size: 4 + nal.len() as u32,
                    decode_time: Ticks(i64::from(duration) * index as i64),
                    duration,
                    composition_offset: if index % 3 == 1 { duration as i32 } else { 0 },
                    transport_decode_time: Ticks(i64::from(duration) * (index as i64 - 1)),
                    dependency: Dependency { sync, independent: sync, disposable: false },
                }
            })
            .collect();
        (samples, payload)
    }

    fn frames(sizes: &[u32]) -> (Vec<Sample>, Vec<u8>) {
        let mut payload = Vec::new();
        let samples = sizes
            .iter()
            .enumerate()
            .map(|(index, &size)| {
                let offset = payload.len();
                payload.resize(offset + size as usize, index as u8);
                Sample {
                    offset,
                    size,
                    decode_time: Ticks(1024 * index as i64),
                    duration: 1024,
                    composition_offset: 0,
                    transport_decode_time: Ticks(1024 * index as i64),
                    dependency: Dependency::AUDIO,
                }
            })
            .collect();
        (samples, payload)
    }

    struct Read {
        video: Vec<u8>,
        audio: Vec<u8>,
        continuity_errors: u64,
        packets: u64,
    }

    fn read(segment: &[u8]) -> Read {
        let mut tables = Tables::default();
        let mut readers = [(VIDEO_PID, PesReader::waiting()), (AUDIO_PID, PesReader::waiting())];
        let mut continuity = [Continuity::default(); 2];
        let mut video = Framer::new(Vec::new());
        let mut audio = crate::codec::aac::Framer::new(Vec::new());
        let mut packets = 0;
        PacketReader::at(0).push(segment, |offset, bytes| {
            packets += 1;
            let packet = Packet::parse(bytes).unwrap();
            tables.push(&packet);
            for (index, (pid, reader)) in readers.iter_mut().enumerate() {
                if packet.pid != *pid {
                    continue;
                }
                assert!(continuity[index].admits(&packet));
                if let Some(part) = reader.push(&packet) {
                    if index == 0 {
                        if let Some(stamps) = part.begins {
                            video.begin_packet(stamps);
                        }
                        video.push(part.payload, u128::from(offset));
                    } else {
                        audio.push(part.payload, u128::from(offset));
                    }
                }
            }
        });
        assert!(tables.program_map().is_some());
        video.finish();
        audio.finish();
        Read {
            video: video.into_parts().0,
            audio: audio.into_parts().0,
            continuity_errors: continuity.iter().map(|c| c.errors).sum(),
            packets,
        }
    }

    /// Caches and CDNs hold these bytes under names that say nothing of this code.
    #[test]
    fn clear_segments_do_not_change() {
        let sizes: Vec<usize> = (0..40).map(|i| 3 + (i * 397) % 1500).collect();
        let (samples, mut payload) = pictures(&sizes, 9_000);
        let (audio_samples, audio_payload) =
            frames(&(0..90).map(|i| 1 + (i * 211) % 700).collect::<Vec<u32>>());
        let mut out = Vec::new();
        write_segment(
            &mut out,
            7,
            Some(VideoInput {
                config: &avc(),
                samples: &samples,
                payload: &mut payload,
                packets_before: 21,
            }),
            Some(AudioInput {
                config: &aac(),
                timescale: Timescale::new(48_000).unwrap(),
                groups: &[50, 40],
                samples: &audio_samples,
                payload: &audio_payload,
                packets_before: 11,
            }),
        );
        assert_eq!((out.len(), xxhash_rust::xxh3::xxh3_64(&out)), (76_704, 11_577_221_821_220_771_334));
    }

    proptest! {
        #[test]
        fn what_is_muxed_is_read_back_and_has_the_announced_size(
            pictures_of in proptest::collection::vec(3_usize..1200, 1..20),
            frames_of in proptest::collection::vec(1_u32..900, 0..60),
            duration in prop_oneof![Just(3_600_u32), Just(45_000)],
        ) {
            let (samples, mut payload) = pictures(&pictures_of, duration);
            let (audio_samples, audio_payload) = frames(&frames_of);
            let expected_video = payload.clone();
            let half = audio_samples.len() / 2;
            let config = avc();
            let pictures: u32 = samples
                .iter()
                .map(|sample| {
                    let config = sample.dependency.sync.then_some(&config);
                    picture_packets(config, sample.size, has_decode_time(sample))
                })
                .sum();
            let timescale = Timescale::new(48_000).unwrap();
            let audio_count = audio_packets(&audio_samples[..half], timescale, false)
                + audio_packets(&audio_samples[half..], timescale, false);
            let mut out = Vec::new();
            write_segment(
                &mut out,
                3,
                Some(VideoInput {
                    config: &avc(),
                    samples: &samples,
                    payload: &mut payload,
                    packets_before: 5,
                }),
                Some(AudioInput {
                    config: &aac(),
                    timescale,
                    groups: &[half as u32, (audio_samples.len() - half) as u32],
                    samples: &audio_samples,
                    payload: &audio_payload,
                    packets_before: 9,
                }),
            );
            let read = read(&out);
            prop_assert_eq!(read.continuity_errors, 0);
            prop_assert_eq!(read.packets, 2 + u64::from(pictures + clock_packets(&samples) + audio_count));
            prop_assert_eq!(out.len() as u64, read.packets * 188);
            prop_assert_eq!(read.video, expected_video);
            prop_assert_eq!(read.audio, audio_payload);
        }

        #[test]
        fn audio_alone_carries_the_clock(sizes in proptest::collection::vec(1_u32..900, 1..60)) {
            let (samples, payload) = frames(&sizes);
            let timescale = Timescale::new(48_000).unwrap();
            let mut out = Vec::new();
            write_segment(&mut out, 0, None, Some(AudioInput {
                config: &aac(),
                timescale,
                groups: &[samples.len() as u32],
                samples: &samples,
                payload: &payload,
                packets_before: 0,
            }));
            let count = audio_packets(&samples, timescale, true);
            let read = read(&out);
            prop_assert_eq!(read.packets, 2 + u64::from(count));
            prop_assert_eq!(read.audio, payload);
        }
    }
}
