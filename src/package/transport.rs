//! One segment as a transport stream, clear or encrypted.

use super::gather::{Gatherer, SLACK_BYTES};
use super::{BufferPool, PooledBuffer, TakeBytes, no_parts, source_changed};
use crate::cenc::aes128::{BLOCK_BYTES, encrypt_segment};
use crate::cenc::sample_aes::SampleAesCipher;
use crate::codec::dolby::syncframe_bytes;
use crate::error::Result;
use crate::model::codec::CodecConfig;
use crate::model::presentation::{Group, Medium};
use crate::model::sample::Sample;
use crate::plan::{SegmentPlan, SegmentProtection, TrackPart};
use crate::time::Timescale;
use crate::ts::mux::{
    self, AudioInput, AudioTrack, EncryptedPictures, SegmentTracks, SegmentWriter, SoundPayload,
    TagInput, VideoInput, VideoTrack,
};

/// The bytes of the segment that `plan` describes.
pub(super) fn segment(
    plan: &SegmentPlan,
    pool: &BufferPool,
    feed: impl FnOnce(TakeBytes<'_>) -> Result<()>,
) -> Result<PooledBuffer> {
    let mut pooled = pool.take(plan.bytes as usize + BLOCK_BYTES);
    let mut out = pooled.take();
    match &plan.protection {
        Some(SegmentProtection::SampleAes { key, iv }) => {
            let cipher = SampleAesCipher::new(key.expose(), iv);
            write_whole(plan, pool, Some(&cipher), feed, &mut out)?;
        }
        _ if Gatherer::gives_groups(plan) => write(plan, pool, feed, &mut out)?,
        _ => write_whole(plan, pool, None, feed, &mut out)?,
    }
    pooled.put(match &plan.protection {
        Some(SegmentProtection::Aes128 { key, iv }) => encrypt_segment(key.expose(), iv, out),
        _ => out,
    });
    Ok(pooled)
}

/// Writes clear samples group by group, so that those that wait are few and stay in the processor's
/// cache.
fn write(
    plan: &SegmentPlan,
    pool: &BufferPool,
    feed: impl FnOnce(TakeBytes<'_>) -> Result<()>,
    out: &mut Vec<u8>,
) -> Result<()> {
    let mut scratch = Vec::new();
    let (mut pictures, mut sound) = (None, None);
    let mut tracks = SegmentTracks { video: None, audio: None, tags: tags(plan) };
    for part in &plan.parts {
        let track = plan.track(part).ok_or_else(|| no_parts(plan))?;
        if matches!(track.codec, CodecConfig::Hevc(_)) {
            continue;
        }
        // All of it may have to wait for sound that lies behind the pictures.
        let mut pooled = pool.take(payload_bytes(plan.groups(part)) + SLACK_BYTES);
        let gatherer = Gatherer::new(plan, part, pooled.take())?;
        let packets_before = part.packets_before;
        match &track.codec {
            CodecConfig::Avc(config) => {
                tracks.video = Some(VideoTrack { config, packets_before, is_encrypted: false });
                pictures = Some(gatherer);
            }
            config => {
                let timescale = track.timescale;
                tracks.audio =
                    Some(AudioTrack { config, timescale, packets_before, encrypted: None });
                sound = Some(gatherer);
            }
        }
        scratch.push(pooled);
    }
    let timescale = tracks.audio.as_ref().map_or(Timescale::MPEG, |audio| audio.timescale);
    let writer = SegmentWriter::begin(out, plan.number, tracks);
    let mut muxing =
        Muxing { out, writer, pictures, sound, timescale, frames: Vec::new(), waiting: None };
    feed(&mut |object, offset, bytes| {
        muxing.gatherers().for_each(|gatherer| gatherer.push(object, offset, bytes));
        muxing.advance();
    })?;
    muxing.gatherers().for_each(Gatherer::end);
    muxing.advance();
    let buffers = muxing.finish()?;
    scratch.iter_mut().zip(buffers).for_each(|(pooled, buffer)| pooled.put(buffer));
    Ok(())
}

/// A segment that is being written while its samples come.
struct Muxing<'a, 'o> {
    out: &'o mut Vec<u8>,
    writer: SegmentWriter<'a>,
    pictures: Option<Gatherer<'a>>,
    sound: Option<Gatherer<'a>>,
    /// Of sound.
    timescale: Timescale,
    /// All samples of sound so far.
    frames: Vec<Sample>,
    /// A group of pictures whose sound is not there yet.
    waiting: Option<Vec<Sample>>,
}

impl<'a> Muxing<'a, '_> {
    fn gatherers(&mut self) -> impl Iterator<Item = &mut Gatherer<'a>> {
        self.pictures.iter_mut().chain(&mut self.sound)
    }

    /// Writes the groups of pictures that are there with their sound.
    fn advance(&mut self) {
        let Self { out, writer, pictures, sound, timescale, frames, waiting } = self;
        while let Some(group) = sound.as_mut().and_then(Gatherer::next_group) {
            frames.extend_from_slice(&group);
            writer.add_sound(frames, group.len());
        }
        let Some(pictures) = pictures else { return };
        while let Some(group) = waiting.take().or_else(|| pictures.next_group()) {
            let latest = group.iter().map(|sample| sample.transport_decode_time).max();
            let missing = sound.as_ref().and_then(Gatherer::next_time);
            let missing = missing.map(|time| time.rescale(*timescale, Timescale::MPEG));
            if missing.is_some_and(|missing| latest.is_some_and(|latest| missing <= latest)) {
                *waiting = Some(group);
                break;
            }
            writer.write_pictures(out, &group, pictures.payload(), heard(sound, frames));
        }
        let waits = waiting.as_deref_mut().unwrap_or_default();
        let nearer = pictures.forget_all_but(waits.len());
        waits.iter_mut().for_each(|sample| sample.offset -= nearer);
    }

    /// Writes what is left; returns the buffers.
    fn finish(self) -> Result<Vec<Vec<u8>>> {
        let Self { out, writer, pictures, mut sound, frames, .. } = self;
        writer.finish(out, heard(&mut sound, &frames));
        pictures.into_iter().chain(sound).map(Gatherer::into_buffer).collect()
    }
}

fn heard<'s>(sound: &'s mut Option<Gatherer<'_>>, samples: &'s [Sample]) -> SoundPayload<'s> {
    let payload = sound.as_mut().map_or(&mut [][..], Gatherer::payload);
    SoundPayload { samples, payload }
}

/// Writes a segment from all of its samples, encrypted or not.
fn write_whole(
    plan: &SegmentPlan,
    pool: &BufferPool,
    cipher: Option<&SampleAesCipher>,
    feed: impl FnOnce(TakeBytes<'_>) -> Result<()>,
    out: &mut Vec<u8>,
) -> Result<()> {
    // What is gathered is gone when the segment is written.
    let mut scratch = Vec::new();
    let mut gatherers = Vec::new();
    for part in &plan.parts {
        let mut pooled = pool.take(payload_bytes(plan.groups(part)) + SLACK_BYTES);
        gatherers.push(Gatherer::new(plan, part, pooled.take())?);
        scratch.push(pooled);
    }
    feed(&mut |object, offset, bytes| {
        gatherers.iter_mut().for_each(|gatherer| gatherer.push(object, offset, bytes));
    })?;
    let mut pictures: Option<(&TrackPart, PooledBuffer, Vec<Sample>)> = None;
    let mut sound: Option<(&TrackPart, PooledBuffer, Vec<Sample>)> = None;
    for (gatherer, mut pooled) in gatherers.into_iter().zip(scratch) {
        let part = gatherer.part();
        let track = plan.track(part).ok_or_else(|| no_parts(plan))?;
        let (mut payload, mut samples) = gatherer.finish()?;
        if plan.still.is_some() {
            // It stays as long as players like, and nothing else is there that needs the clock.
            samples.iter_mut().for_each(|sample| sample.duration = 0);
        }
        if let Some(cipher) = cipher {
            match &track.codec {
                CodecConfig::Avc(config) => {
                    // The size of the segment says nothing once pictures have grown.
                    if mux::video_packets(config, &samples) != planned_packets(plan, part) {
                        return Err(source_changed(plan, "its size is not what ingest measured"));
                    }
                    cipher.encrypt_pictures(&mut payload, &mut samples);
                }
                codec => encrypt_frames(cipher, codec, &mut payload, &samples),
            }
        }
        pooled.put(payload);
        let gathered = Some((part, pooled, samples));
        match track.codec.medium() {
            Medium::Video => pictures = gathered,
            Medium::Audio => sound = gathered,
        }
    }
    let groups: Vec<u32> = sound.as_ref().map_or_else(Vec::new, |(part, ..)| {
        plan.groups(part).iter().map(|group| group.samples).collect()
    });
    let video = pictures.as_mut().and_then(|(part, payload, samples)| {
        let CodecConfig::Avc(config) = &plan.track(part)?.codec else { return None };
        let planned_packets = planned_packets(plan, part);
        Some(VideoInput {
            config,
            samples,
            payload: payload.as_mut(),
            packets_before: part.packets_before,
            encrypted: cipher.is_some().then_some(EncryptedPictures { planned_packets }),
        })
    });
    let audio = sound.as_ref().and_then(|(part, payload, samples)| {
        let track = plan.track(part)?;
        Some(AudioInput {
            config: &track.codec,
            timescale: track.timescale,
            groups: &groups,
            samples,
            payload: payload.as_ref(),
            packets_before: part.packets_before,
            encrypted: cipher.is_some(),
        })
    });
    mux::write_segment(out, plan.number, video, audio, tags(plan));
    Ok(())
}

/// The ID3 tags of a segment, where the title has some.
fn tags(plan: &SegmentPlan) -> Option<TagInput<'_>> {
    let has_tags = !plan.all_tags().is_empty();
    has_tags.then(|| TagInput { tags: plan.tags(), packets_before: plan.tag_packets_before() })
}

fn payload_bytes(groups: &[Group]) -> usize {
    groups.iter().map(|group| group.payload_bytes as usize).sum()
}

/// Packets with payload that the plan has for a part.
fn planned_packets(plan: &SegmentPlan, part: &TrackPart) -> u64 {
    plan.groups(part).iter().map(|group| u64::from(group.ts_payload_packets)).sum()
}

fn encrypt_frames(
    cipher: &SampleAesCipher,
    codec: &CodecConfig,
    payload: &mut [u8],
    samples: &[Sample],
) {
    let mut frames = Vec::with_capacity(samples.len());
    for sample in samples {
        let end = sample.offset + sample.size as usize;
        match codec {
            CodecConfig::Aac(_) => frames.push(sample.offset..end),
            CodecConfig::Ac3(_) | CodecConfig::Eac3(_) => {
                let mut rest = payload.get(sample.offset..end).unwrap_or_default();
                while let Some(bytes) = syncframe_bytes(rest) {
                    let Some(behind) = rest.get(bytes..) else { break };
                    let start = end - rest.len();
                    frames.push(start..start + bytes);
                    rest = behind;
                }
            }
            // SAMPLE-AES has no word for it; such sound is left out by the plan.
            CodecConfig::MpegAudio(_) | CodecConfig::Avc(_) | CodecConfig::Hevc(_) => {}
        }
    }
    cipher.encrypt_frames(payload, frames.into_iter());
}
