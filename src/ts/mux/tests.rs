use super::*;
use crate::cenc::sample_aes::SampleAesCipher;
use crate::codec::h264::Framer;
use crate::model::codec::{AacConfig, AacExtension, PictureFormat, StreamSyntax};
use crate::model::sample::Dependency;
use crate::ts::packet::{Continuity, Packet, PacketReader};
use crate::ts::pes::PesReader;
use crate::ts::psi::Tables;
use proptest::prelude::*;

/// Segments without ID3 tags.
fn write_segment(
    out: &mut Vec<u8>,
    number: u64,
    video: Option<VideoInput<'_>>,
    audio: Option<AudioInput<'_>>,
) {
    super::write_segment(out, number, video, audio, None);
}

fn avc() -> AvcConfig {
    AvcConfig {
        profile_idc: 66,
        constraints: 0,
        level_idc: 30,
        picture: PictureFormat { width: 16, height: 16, ..PictureFormat::default() },
        sequence_parameter_sets: vec![vec![0x67, 66, 0, 30, 0x80]],
        picture_parameter_sets: vec![vec![0x68, 0x80]],
    }
}

fn aac() -> CodecConfig {
    CodecConfig::Aac(AacConfig {
        object_type: 2,
        sampling_frequency: 48_000,
        frequency_index: 3,
        channel_configuration: 2,
        extension: AacExtension::None,
    })
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
    let mut audio = crate::codec::sound::Framer::new(StreamSyntax::Adts, Vec::new()).unwrap();
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
            encrypted: None,
        }),
        Some(AudioInput {
            config: &aac(),
            timescale: Timescale::new(48_000).unwrap(),
            groups: &[50, 40],
            samples: &audio_samples,
            payload: &audio_payload,
            packets_before: 11,
            encrypted: false,
        }),
    );
    assert_eq!(
        (out.len(), twox_hash::XxHash3_64::oneshot(&out)),
        (76_704, 11_577_221_821_220_771_334)
    );
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
        let audio_count = audio_packets(&audio_samples[..half], &aac(), timescale, false)
            + audio_packets(&audio_samples[half..], &aac(), timescale, false);
        let mut out = Vec::new();
        write_segment(
            &mut out,
            3,
            Some(VideoInput {
                config: &avc(),
                samples: &samples,
                payload: &mut payload,
                packets_before: 5,
                encrypted: None,
            }),
            Some(AudioInput {
                config: &aac(),
                timescale,
                groups: &[half as u32, (audio_samples.len() - half) as u32],
                samples: &audio_samples,
                payload: &audio_payload,
                packets_before: 9,
                encrypted: false,
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
            encrypted: false,
        }));
        let count = audio_packets(&samples, &aac(), timescale, true);
        let read = read(&out);
        prop_assert_eq!(read.packets, 2 + u64::from(count));
        prop_assert_eq!(read.audio, payload);
    }
}

/// The payload and the samples, encrypted.
fn encrypt(samples: &[Sample], payload: &[u8]) -> (Vec<Sample>, Vec<u8>) {
    let cipher = SampleAesCipher::new(&[0x11; 16], &[0x22; 16]);
    let (mut samples, mut payload) = (samples.to_vec(), payload.to_vec());
    cipher.encrypt_pictures(&mut payload, &mut samples);
    (samples, payload)
}

/// Puts other bytes behind the first three of each NAL unit of [`pictures`].
fn fill(samples: &[Sample], payload: &mut [u8], pattern: &[u8]) {
    for sample in samples {
        let nal = &mut payload[sample.offset + 4..sample.offset + sample.size as usize];
        for (byte, filling) in nal.iter_mut().skip(3).zip(pattern.iter().cycle()) {
            *byte = *filling;
        }
        *nal.last_mut().unwrap() = 0x80;
    }
}

/// Writes encrypted pictures and checks each packet; returns the segment and what was planned.
fn write_encrypted(
    samples: &[Sample],
    payload: &[u8],
    packets_before: u64,
    audio: Option<AudioInput<'_>>,
) -> (Vec<u8>, u64) {
    let planned_packets = video_packets(&avc(), samples);
    let (samples, mut payload) = encrypt(samples, payload);
    let mut out = Vec::new();
    let video = VideoInput {
        config: &avc(),
        samples: &samples,
        payload: &mut payload,
        packets_before,
        encrypted: Some(EncryptedPictures { planned_packets }),
    };
    write_segment(&mut out, 1, Some(video), audio);
    let mut counter = packets_before;
    let mut begun = 0;
    for bytes in out.as_chunks().0 {
        let packet = Packet::parse(bytes).unwrap();
        let Some(payload) = packet.payload.filter(|_| packet.pid == VIDEO_PID) else { continue };
        assert_eq!(u64::from(packet.continuity_counter), counter % 16);
        counter += 1;
        assert!(!payload.is_empty());
        if packet.payload_unit_start {
            // PES header and delimiter are not torn.
            let header_bytes = 9 + usize::from(payload[8]);
            assert_eq!(payload[header_bytes..header_bytes + DELIMITER.len()], DELIMITER);
            begun += 1;
        }
    }
    let written = counter - packets_before;
    assert_eq!(begun, samples.len());
    assert!(written >= planned_packets);
    assert_eq!(written % 16, planned_packets % 16);
    // No more than the counters ask for.
    assert!(written < video_packets(&avc(), &samples) + 16);
    (out, planned_packets)
}

#[test]
fn a_picture_that_grows_by_a_byte_may_take_fifteen_packets_more() {
    let packets: Vec<(u64, usize)> = (49..400)
        .map(|size| {
            let (samples, mut payload) = pictures(&[size], 3_600);
            fill(&samples, &mut payload, &[0, 0, 3, 1]);
            let (out, planned) = write_encrypted(&samples, &payload, 3, None);
            assert_eq!(read(&out).video, encrypt(&samples, &payload).1, "{size} bytes");
            (planned, out.len() / 188 - 2)
        })
        .collect();
    assert!(packets.contains(&(1, 1)) && packets.contains(&(1, 17)) && packets.contains(&(2, 18)));
}

#[test]
fn each_track_says_for_itself_whether_it_is_encrypted() {
    let (samples, payload) = pictures(&[100], 3_600);
    let (audio_samples, audio_payload) = frames(&[100]);
    let table = |pictures_are: bool, sound_is: bool| {
        let mut payload = payload.clone();
        let mut out = Vec::new();
        let encrypted = EncryptedPictures { planned_packets: video_packets(&avc(), &samples) };
        let video = VideoInput {
            config: &avc(),
            samples: &samples,
            payload: &mut payload,
            packets_before: 0,
            encrypted: pictures_are.then_some(encrypted),
        };
        let audio = AudioInput {
            config: &aac(),
            timescale: Timescale::new(48_000).unwrap(),
            groups: &[1],
            samples: &audio_samples,
            payload: &audio_payload,
            packets_before: 0,
            encrypted: sound_is,
        };
        write_segment(&mut out, 1, Some(video), Some(audio));
        let section = &out[188 + 5..];
        let length = usize::from(section[2]);
        hex::encode(&section[5..3 + length - 4])
    };
    // version, section numbers, PCR_PID; H.264 on PID 0x100; AAC on PID 0x101
    let (clear, changed) = ("c10000e100f000", "c30000e100f000");
    let (h264, aac) = ("1be100f000", "0fe101f000");
    let encrypted_h264 = "dbe100f0060f047a617663";
    let encrypted_aac = "cfe101f0160f0461616364050e617061647a616163000001021190";
    assert_eq!(table(false, false), [clear, h264, aac].concat());
    assert_eq!(table(true, false), [changed, encrypted_h264, aac].concat());
    assert_eq!(table(false, true), [changed, h264, encrypted_aac].concat());
    assert_eq!(table(true, true), [changed, encrypted_h264, encrypted_aac].concat());
}

proptest! {
    #[test]
    fn counters_of_encrypted_pictures_meet_those_of_the_next_segment(
        sizes in proptest::collection::vec(3_usize..1500, 1..20),
        duration in prop_oneof![Just(3_600_u32), Just(45_000)],
        pattern in proptest::collection::vec(
            prop_oneof![Just([0, 0, 3, 1]), any::<[u8; 4]>().prop_map(|four| four.map(|b| b | 4))],
            1..50,
        ),
        packets_before in 0_u64..100,
    ) {
        let (samples, mut payload) = pictures(&sizes, duration);
        fill(&samples, &mut payload, &pattern.concat());
        let (audio_samples, audio_payload) = frames(&[300, 400, 20]);
        let config = aac();
        let audio = AudioInput {
            config: &config,
            timescale: Timescale::new(48_000).unwrap(),
            groups: &[3],
            samples: &audio_samples,
            payload: &audio_payload,
            packets_before: 0,
            encrypted: true,
        };
        let (first, planned) = write_encrypted(&samples, &payload, packets_before, Some(audio));
        let (second, _) = write_encrypted(&samples, &payload, packets_before + planned, None);
        let expected = encrypt(&samples, &payload).1;
        let both = read(&[first, second].concat());
        prop_assert_eq!(both.continuity_errors, 0);
        prop_assert_eq!(both.video, [&expected[..], &expected].concat());
        prop_assert_eq!(both.audio, audio_payload);
    }
}

#[test]
fn tags_are_announced_and_read_back_where_their_time_is() {
    let tag = |time, bytes: usize| TimedMetadata {
        period: 0,
        time: Ticks(time),
        payload: vec![0x49; bytes],
    };
    // Before the first picture, between pictures, behind the last; the largest one there can be.
    let tags =
        [tag(0, 20), tag(7_300, 400), tag(1 << 30, crate::model::timed_metadata::MAX_TAG_BYTES)];
    let (samples, mut payload) = pictures(&[700; 5], 3_600);
    let (sounds, sound_payload) = frames(&[300; 10]);
    let video = || None::<VideoInput<'_>>;
    for with_video in [true, false] {
        for tags in [&tags[..], &[]] {
            let config = avc();
            let video = if with_video {
                Some(VideoInput {
                    config: &config,
                    samples: &samples,
                    payload: &mut payload,
                    packets_before: 0,
                    encrypted: None,
                })
            } else {
                video()
            };
            let audio = AudioInput {
                config: &aac(),
                timescale: Timescale::new(48_000).unwrap(),
                groups: &[10],
                samples: &sounds,
                payload: &sound_payload,
                packets_before: 0,
                encrypted: false,
            };
            let mut out = Vec::new();
            let input = TagInput { tags, packets_before: 14 };
            super::write_segment(&mut out, 1, video, Some(audio), Some(input));

            let (mut tables, mut reader) = (Tables::default(), PacketReader::default());
            reader.begin_object(0, 188);
            let (mut pes, mut continuity) = (PesReader::waiting(), Continuity::default());
            let (mut count, mut order, mut read) = (0, Vec::new(), Vec::new());
            let mut take = |_: u64, bytes: &[u8; 188]| {
                let packet = Packet::parse(bytes).unwrap();
                tables.push(&packet);
                if packet.payload_unit_start {
                    order.push(packet.pid);
                }
                if packet.pid != METADATA_PID {
                    return;
                }
                assert!(continuity.admits(&packet));
                assert_eq!(u64::from(packet.continuity_counter), (14 + count) % 16);
                count += 1;
                let part = pes.push(&packet).unwrap();
                if let Some(timestamps) = part.begins {
                    read.push((timestamps.unwrap().presentation, 0));
                }
                read.last_mut().unwrap().1 += part.payload.len();
            };
            reader.push(&out, &mut take);
            reader.finish_object(&mut take);
            let expected: Vec<_> =
                tags.iter().map(|tag| (clock(tag.time), tag.payload.len())).collect();
            assert_eq!(read, expected);
            assert_eq!(count, tags.iter().map(TimedMetadata::transport_packets).sum::<u64>());
            let entry = tables.program_map().unwrap().streams.last().unwrap();
            assert_eq!((entry.stream.pid, entry.stream.stream_type), (METADATA_PID, 0x15));
            assert!(entry.may_hold_tags());
            // The clock stands in front; the last tag, far behind the segment, at its end.
            assert_ne!(order.get(2), Some(&METADATA_PID));
            assert_eq!(order.last() == Some(&METADATA_PID), !tags.is_empty());
        }
    }
}
