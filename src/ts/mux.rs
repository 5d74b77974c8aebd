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
//! [`picture_packets`], [`clock_packets`] and [`audio_packets`], and `plan` adds them up. Continuity
//! counters go on from segment to segment because they, too, are sums.
//!
//! Pictures that were encrypted before (SAMPLE-AES) may need more packets than were counted when
//! they were clear. Then so many packets more are filled less, those of the largest picture, that
//! the whole excess is a multiple of 16: the next segment, which knows nothing of it, begins with
//! the counter that follows. Encrypted sound keeps its size.
//!
//! The rate is whatever the pictures need: no null packets, no decoder buffer model.

use std::collections::VecDeque;
use std::ops::Range;

use super::packet_writer::{ClockField, PacketWriter, clock, write_table};
use super::psi::{
    ElementaryStream, MapEntry, association_section, map_section, stream_type, tag_entry,
};
use super::sample_aes::SampleAesStream;
use super::{PAT_PID, pes};
use crate::codec::aac::adts_header;
use crate::codec::h264::nal_type;
use crate::model::codec::{AvcConfig, CodecConfig};
use crate::model::sample::{Sample, transport};
use crate::model::timed_metadata::TimedMetadata;
use crate::time::{Ticks, Timescale};

/// The PID of the program map table.
pub const PROGRAM_MAP_PID: u16 = 0x1000;
/// The PID of the video track.
pub const VIDEO_PID: u16 = 0x100;
/// The PID of the audio track.
pub const AUDIO_PID: u16 = 0x101;
/// The PID of ID3 tags.
pub const METADATA_PID: u16 = 0x102;

/// How long the clock reference runs ahead of decoding: 0.7 s, which players buffer anyway.
const CLOCK_LEAD: i64 = 63_000;
const VIDEO_STREAM_ID: u8 = 0xE0;
/// Audio stream 0 (ISO/IEC 13818-1:2023 table 2-22).
const AUDIO_STREAM_ID: u8 = 0xC0;
/// Private stream 1: AC-3 and E-AC-3 (ETSI TS 101 154 annex G, ATSC A/52 annex A).
const PRIVATE_STREAM_ID: u8 = 0xBD;
/// `registration_descriptor` with its length.
const REGISTRATION: [u8; 2] = [0x05, 4];
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
    /// Packets with payload in all segments before, by the plan.
    pub packets_before: u64,
    /// Whether the samples are encrypted.
    pub encrypted: Option<EncryptedPictures>,
}

/// Says that the samples of a segment are encrypted (SAMPLE-AES).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncryptedPictures {
    /// Packets with payload that the plan has for the segment: [`video_packets`] of the clear
    /// samples.
    pub planned_packets: u64,
}

/// The audio frames of a segment.
pub struct AudioInput<'a> {
    /// The codec, which says how frames are wrapped.
    pub config: &'a CodecConfig,
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
    /// Whether the samples are encrypted (SAMPLE-AES).
    pub encrypted: bool,
}

/// The ID3 tags of a segment.
pub struct TagInput<'a> {
    /// In order of time; the map announces them though a segment may have none.
    pub tags: &'a [TimedMetadata],
    /// Packets with payload in all segments before.
    pub packets_before: u64,
}

/// Packets with payload that a picture takes: with parameter sets if it is a random access point,
/// whose `config` is given; with two timestamps or one.
pub fn picture_packets(config: Option<&AvcConfig>, size: u32, has_decode_time: bool) -> u32 {
    let sets = config.map_or(0, AvcConfig::byte_stream_bytes);
    transport::picture_packets(sets, size, has_decode_time) as u32
}

/// Packets with payload that pictures take, not counting those that [`write_segment`] adds for the
/// counters' sake.
pub fn video_packets(config: &AvcConfig, samples: &[Sample]) -> u64 {
    samples.iter().map(|sample| sample_packets(config, sample)).sum()
}

/// Packets without payload that carry the clock between pictures that last long.
pub fn clock_packets(samples: &[Sample]) -> u32 {
    let durations = samples.iter().map(|sample| i64::from(sample.duration));
    durations.map(|duration| transport::clock_packets(duration) as u32).sum()
}

/// Packets of a run of audio frames; `with_clock` where there is no video to carry the clock.
pub fn audio_packets(
    samples: &[Sample],
    config: &CodecConfig,
    timescale: Timescale,
    with_clock: bool,
) -> u32 {
    let field = if with_clock { transport::CLOCK_FIELD_BYTES } else { 0 };
    let header = transport::PES_HEADER_BYTES[0];
    audio_packages(samples, config, timescale, with_clock)
        .map(|frames| transport::packets(header + wrapped_bytes(config, frames), field) as u32)
        .sum()
}

/// Appends a segment to `out`.
pub fn write_segment(
    out: &mut Vec<u8>,
    segment_number: u64,
    video: Option<VideoInput<'_>>,
    audio: Option<AudioInput<'_>>,
    tags: Option<TagInput<'_>>,
) {
    let (frames, sound) = audio.as_ref().map_or_else(Default::default, |audio| {
        (SoundPayload { samples: audio.samples, payload: audio.payload }, audio.groups)
    });
    let encrypted = video.as_ref().and_then(|video| video.encrypted);
    let mut writer = SegmentWriter::begin(
        out,
        segment_number,
        SegmentTracks {
            video: video.as_ref().map(|video| VideoTrack {
                config: video.config,
                packets_before: video.packets_before,
                is_encrypted: encrypted.is_some(),
            }),
            audio: audio.as_ref().map(|audio| AudioTrack {
                config: audio.config,
                timescale: audio.timescale,
                packets_before: audio.packets_before,
                encrypted: audio.encrypted.then_some(audio.payload),
            }),
            tags,
        },
    );
    for &group in sound {
        writer.add_sound(frames.samples, group as usize);
    }
    if let Some(video) = video {
        let spread = encrypted.and_then(|encrypted| Spread::of(&video, encrypted));
        writer.write_spread(out, video.samples, video.payload, frames, spread);
    }
    writer.finish(out, frames);
}

/// What a segment holds.
pub struct SegmentTracks<'a> {
    /// The pictures.
    pub video: Option<VideoTrack<'a>>,
    /// The sound.
    pub audio: Option<AudioTrack<'a>>,
    /// The ID3 tags.
    pub tags: Option<TagInput<'a>>,
}

/// What is known of pictures before they come.
pub struct VideoTrack<'a> {
    /// Parameter sets to repeat at random access points.
    pub config: &'a AvcConfig,
    /// Packets with payload in all segments before, by the plan.
    pub packets_before: u64,
    /// Whether they are encrypted (SAMPLE-AES).
    pub is_encrypted: bool,
}

/// What is known of sound before it comes.
pub struct AudioTrack<'a> {
    /// The codec, which says how frames are wrapped.
    pub config: &'a CodecConfig,
    /// Unit of the samples' times.
    pub timescale: Timescale,
    /// Packets with payload in all segments before.
    pub packets_before: u64,
    /// The payload, where it is encrypted (SAMPLE-AES): its start is clear.
    pub encrypted: Option<&'a [u8]>,
}

/// The audio frames of a segment as far as they are there.
#[derive(Clone, Copy, Default)]
pub struct SoundPayload<'a> {
    /// The samples.
    pub samples: &'a [Sample],
    /// Their payload.
    pub payload: &'a [u8],
}

/// Writes a segment whose samples come one after another: `begin`, then sound and the pictures that
/// it is heard with, then `finish`.
///
/// Sound goes in front of the first picture that is decoded no sooner, so it has to be added before
/// that picture is written.
pub struct SegmentWriter<'a> {
    audio: Option<AudioTrack<'a>>,
    /// Sound alone carries the clock.
    with_clock: bool,
    video_packets: PacketWriter,
    audio_packets: PacketWriter,
    tag_packets: PacketWriter,
    parameter_sets: Vec<u8>,
    tags: &'a [TimedMetadata],
    /// PES packets of sound that wait, as samples.
    packages: VecDeque<Range<usize>>,
    /// Samples of sound that were added.
    added: usize,
    /// PES packets of pictures, or of sound where there are none, that were written.
    written: usize,
}

impl<'a> SegmentWriter<'a> {
    /// Writes the tables.
    pub fn begin(out: &mut Vec<u8>, segment_number: u64, tracks: SegmentTracks<'a>) -> Self {
        let SegmentTracks { video, audio, tags } = tracks;
        let entries = video.iter().map(video_entry).chain(audio.iter().map(audio_entry));
        let entries: Vec<MapEntry> =
            entries.chain(tags.iter().map(|_| tag_entry(METADATA_PID))).collect();
        // Another version behind a clear lead, so that players do not pass over the new map.
        let version = u8::from(
            video.as_ref().is_some_and(|video| video.is_encrypted)
                || audio.as_ref().is_some_and(|audio| audio.encrypted.is_some()),
        );
        let with_clock = video.is_none();
        let clock_pid = if with_clock { AUDIO_PID } else { VIDEO_PID };
        write_table(out, PAT_PID, segment_number, &association_section(PROGRAM_MAP_PID));
        let map = map_section(clock_pid, version, &entries);
        write_table(out, PROGRAM_MAP_PID, segment_number, &map);
        let packets =
            |pid, counter: Option<u64>| PacketWriter { pid, counter: counter.unwrap_or(0) };
        Self {
            with_clock,
            video_packets: packets(VIDEO_PID, video.as_ref().map(|video| video.packets_before)),
            audio_packets: packets(AUDIO_PID, audio.as_ref().map(|audio| audio.packets_before)),
            tag_packets: packets(METADATA_PID, tags.as_ref().map(|tags| tags.packets_before)),
            parameter_sets: video.map_or_else(Vec::new, |video| parameter_sets(video.config)),
            audio,
            tags: tags.map_or(&[][..], |tags| tags.tags),
            packages: VecDeque::new(),
            added: 0,
            written: 0,
        }
    }

    /// Sound of one more group: so many of the samples behind those that were added before.
    pub fn add_sound(&mut self, samples: &[Sample], group: usize) {
        let Some(audio) = &self.audio else { return };
        let end = samples.len().min(self.added + group);
        let run = samples.get(self.added..end).unwrap_or_default();
        for frames in audio_packages(run, audio.config, audio.timescale, self.with_clock) {
            let start = self.added;
            self.added += frames.len();
            self.packages.push_back(start..self.added);
        }
    }

    /// Pictures behind those that were written before, and what is heard with them. Lengths of NAL
    /// units in `payload` are overwritten by start codes.
    pub fn write_pictures(
        &mut self,
        out: &mut Vec<u8>,
        samples: &[Sample],
        payload: &mut [u8],
        sound: SoundPayload<'_>,
    ) {
        self.write_spread(out, samples, payload, sound, None);
    }

    fn write_spread(
        &mut self,
        out: &mut Vec<u8>,
        samples: &[Sample],
        payload: &mut [u8],
        sound: SoundPayload<'_>,
        spread: Option<Spread>,
    ) {
        for (index, sample) in samples.iter().enumerate() {
            // The first packet behind the tables is a clock reference.
            if self.written > 0 {
                while self.starts_by(sound, sample.transport_decode_time) {
                    self.write_sound(out, sound);
                }
                self.write_tags(out, Some(sample.transport_decode_time));
            }
            let spread = spread.filter(|spread| spread.picture == index);
            let at_least = spread.map_or(0, |spread| spread.packets);
            let sets = &self.parameter_sets;
            write_picture(out, &mut self.video_packets, payload, sample, sets, at_least);
            self.written += 1;
        }
    }

    /// The sound that is left, and the tags.
    pub fn finish(mut self, out: &mut Vec<u8>, sound: SoundPayload<'_>) {
        while let Some(start) = self.next_sound(sound) {
            // Sound alone carries the clock, in the first packet behind the tables.
            if self.with_clock && self.written > 0 {
                self.write_tags(out, Some(start));
            }
            self.write_sound(out, sound);
            self.written += 1;
        }
        self.write_tags(out, None);
    }

    /// When the sound begins that waits.
    fn next_sound(&self, sound: SoundPayload<'_>) -> Option<Ticks> {
        let (audio, frames) = (self.audio.as_ref()?, self.packages.front()?);
        Some(start_of(sound.samples.get(frames.clone())?, audio.timescale))
    }

    fn starts_by(&self, sound: SoundPayload<'_>, time: Ticks) -> bool {
        self.next_sound(sound).is_some_and(|start| start <= time)
    }

    fn write_sound(&mut self, out: &mut Vec<u8>, sound: SoundPayload<'_>) {
        let (Some(audio), Some(frames)) = (&self.audio, self.packages.pop_front()) else { return };
        let frames = sound.samples.get(frames).unwrap_or_default();
        let packets = &mut self.audio_packets;
        write_audio_package(out, packets, audio, frames, sound.payload, self.with_clock);
    }

    fn write_tags(&mut self, out: &mut Vec<u8>, until: Option<Ticks>) {
        while let Some((tag, behind)) = self.tags.split_first()
            && until.is_none_or(|until| tag.time <= until)
        {
            write_tag(out, &mut self.tag_packets, tag);
            self.tags = behind;
        }
    }
}

fn video_entry(video: &VideoTrack<'_>) -> MapEntry {
    match video.is_encrypted {
        true => encrypted_entry(VIDEO_PID, &SampleAesStream::avc()),
        false => ElementaryStream { stream_type: stream_type::H264, pid: VIDEO_PID }.into(),
    }
}

fn audio_entry(audio: &AudioTrack<'_>) -> MapEntry {
    let encrypted = audio.encrypted.and_then(|payload| encrypted_sound(audio.config, payload));
    if let Some(encrypted) = encrypted {
        return encrypted_entry(AUDIO_PID, &encrypted);
    }
    let (stream_type, registration) = match audio.config {
        CodecConfig::Ac3(_) => (stream_type::AC3, Some(b"AC-3")),
        CodecConfig::Eac3(_) => (stream_type::EAC3, Some(b"EAC3")),
        CodecConfig::MpegAudio(mpeg) if mpeg.is_mpeg1 => (stream_type::MPEG1_AUDIO, None),
        CodecConfig::MpegAudio(_) => (stream_type::MPEG2_AUDIO, None),
        CodecConfig::Aac(_) | CodecConfig::Avc(_) | CodecConfig::Hevc(_) => {
            (stream_type::AAC_ADTS, None)
        }
    };
    MapEntry {
        stream: ElementaryStream { stream_type, pid: AUDIO_PID },
        descriptors: registration
            .map(|identifier| [&REGISTRATION[..], identifier].concat())
            .unwrap_or_default(),
    }
}

/// How SAMPLE-AES tells of the sound; `None` where it has no word for it.
fn encrypted_sound(config: &CodecConfig, payload: &[u8]) -> Option<SampleAesStream> {
    match config {
        CodecConfig::Aac(aac) => Some(SampleAesStream::aac(aac)),
        // The first bytes of a syncframe stay clear.
        CodecConfig::Ac3(_) => SampleAesStream::ac3(payload),
        CodecConfig::Eac3(eac3) => SampleAesStream::eac3(&eac3.specific()),
        CodecConfig::MpegAudio(_) | CodecConfig::Avc(_) | CodecConfig::Hevc(_) => None,
    }
}

fn encrypted_entry(pid: u16, encrypted: &SampleAesStream) -> MapEntry {
    MapEntry {
        stream: ElementaryStream { stream_type: encrypted.stream_type(), pid },
        descriptors: encrypted.descriptors(),
    }
}

/// Which picture is written to more packets than it needs.
#[derive(Clone, Copy)]
struct Spread {
    picture: usize,
    packets: usize,
}

impl Spread {
    /// What brings the packets of encrypted pictures to the planned count, modulo 16. The largest
    /// picture is the one whose packets get emptier by the smallest part; that it grew means that
    /// it has more than 48 bytes, so there is always something to put into 15 packets more.
    fn of(video: &VideoInput<'_>, encrypted: EncryptedPictures) -> Option<Self> {
        let planned = encrypted.planned_packets;
        let missing = planned.wrapping_sub(video_packets(video.config, video.samples)) % 16;
        let (picture, sample) =
            video.samples.iter().enumerate().max_by_key(|(_, sample)| sample.size)?;
        let packets = sample_packets(video.config, sample) + missing;
        (missing > 0).then_some(Self { picture, packets: packets as usize })
    }
}

fn sample_packets(config: &AvcConfig, sample: &Sample) -> u64 {
    let config = sample.dependency.sync.then_some(config);
    u64::from(picture_packets(config, sample.size, has_decode_time(sample)))
}

fn has_decode_time(sample: &Sample) -> bool {
    presentation_time(sample) != sample.transport_decode_time
}

fn presentation_time(sample: &Sample) -> Ticks {
    sample.decode_time.plus(Ticks(i64::from(sample.composition_offset)))
}

fn parameter_sets(config: &AvcConfig) -> Vec<u8> {
    config.parameter_sets().flat_map(|set| START_CODE.iter().chain(set)).copied().collect()
}

/// Bytes in front of each frame.
const fn frame_header_bytes(config: &CodecConfig) -> u64 {
    match config {
        CodecConfig::Aac(_) => transport::ADTS_HEADER_BYTES,
        _ => 0,
    }
}

fn wrapped_bytes(config: &CodecConfig, frames: &[Sample]) -> u64 {
    frames.iter().map(|frame| frame_header_bytes(config) + u64::from(frame.size)).sum()
}

fn start_of(frames: &[Sample], timescale: Timescale) -> Ticks {
    let first = frames.first().map_or(Ticks::ZERO, |frame| frame.decode_time);
    first.rescale(timescale, Timescale::MPEG)
}

/// Cuts one run of frames into what one PES packet carries. With a clock of its own, a PES packet
/// may not be longer than the interval of clock references either.
fn audio_packages<'a>(
    samples: &'a [Sample],
    config: &CodecConfig,
    timescale: Timescale,
    with_clock: bool,
) -> impl Iterator<Item = &'a [Sample]> + use<'a> {
    let header_bytes = frame_header_bytes(config);
    let mut rest = samples;
    std::iter::from_fn(move || {
        let first = rest.first()?;
        let mut bytes = 0;
        let fits = rest.iter().take_while(|frame| {
            bytes += header_bytes + u64::from(frame.size);
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

fn write_picture(
    out: &mut Vec<u8>,
    packets: &mut PacketWriter,
    payload: &mut [u8],
    sample: &Sample,
    parameter_sets: &[u8],
    at_least: usize,
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
    packets.write(out, Some(field), &[&header, sets, bytes], at_least);
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
    audio: &AudioTrack<'_>,
    frames: &[Sample],
    payload: &[u8],
    with_clock: bool,
) {
    let start = start_of(frames, audio.timescale);
    let stream_id = match audio.config {
        CodecConfig::Ac3(_) | CodecConfig::Eac3(_) => PRIVATE_STREAM_ID,
        _ => AUDIO_STREAM_ID,
    };
    let mut bytes = vec![0, 0, 1, stream_id];
    // What follows PES_packet_length; 0 (not said) is for video only, so cap what cannot happen.
    let length = u16::try_from(8 + wrapped_bytes(audio.config, frames)).unwrap_or(u16::MAX);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&[0x84, 0x80, 5]);
    pes::write_timestamp(&mut bytes, 0b0010, clock(start));
    for frame in frames {
        if let CodecConfig::Aac(aac) = audio.config {
            bytes.extend_from_slice(&adts_header(aac, frame.size));
        }
        let end = frame.offset + frame.size as usize;
        bytes.extend_from_slice(payload.get(frame.offset..end).unwrap_or_default());
    }
    let field = with_clock
        .then(|| ClockField { reference: start.minus(Ticks(CLOCK_LEAD)), random_access: true });
    packets.write(out, field, &[&bytes], 0);
}

/// Writes the PES packet of ID3 tags: aligned, with their time.
fn write_tag(out: &mut Vec<u8>, packets: &mut PacketWriter, tag: &TimedMetadata) {
    let mut header = vec![0, 0, 1, PRIVATE_STREAM_ID];
    let length = u16::try_from(8 + tag.payload.len()).unwrap_or(u16::MAX);
    header.extend_from_slice(&length.to_be_bytes());
    header.extend_from_slice(&[0x84, 0x80, 5]);
    pes::write_timestamp(&mut header, 0b0010, clock(tag.time));
    packets.write(out, None, &[&header, &tag.payload], 0);
}

#[cfg(test)]
mod tests;
