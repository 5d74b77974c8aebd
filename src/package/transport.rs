//! One segment as a transport stream, clear or encrypted.

use bytes::Bytes;

use super::gather::{Gatherer, SLACK_BYTES};
use super::{BufferPool, PooledBuffer, no_parts, source_changed};
use crate::cenc::aes128::{BLOCK_BYTES, encrypt_further, encrypt_segment};
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

/// A segment that is written group by group while its source is read, so that the samples that wait
/// are few and stay in the processor's cache.
pub(super) struct Grouped<'a> {
    plan: &'a SegmentPlan,
    out: Outlet<'a>,
    writer: SegmentWriter<'a>,
    pictures: Option<Gatherer<'a>>,
    sound: Option<Gatherer<'a>>,
    /// Empty: where the buffers of pictures and sound go back to.
    scratch: Vec<PooledBuffer>,
    /// Of sound.
    timescale: Timescale,
    /// All samples of sound so far.
    frames: Vec<Sample>,
    /// The group of pictures that is being written, and how many of them are.
    group: Vec<Sample>,
    written: usize,
}

impl<'a> Grouped<'a> {
    /// A segment that comes in pieces of at least so many bytes.
    pub(super) fn begin(
        plan: &'a SegmentPlan,
        pool: &BufferPool,
        piece_bytes: usize,
    ) -> Result<Self> {
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
        let mut out = Outlet::new(plan, pool, piece_bytes);
        let writer = SegmentWriter::begin(&mut out.bytes, plan.number, tracks);
        let (frames, group) = (Vec::new(), Vec::new());
        Ok(Self {
            plan,
            out,
            writer,
            pictures,
            sound,
            scratch,
            timescale,
            frames,
            group,
            written: 0,
        })
    }

    fn gatherers(&mut self) -> impl Iterator<Item = &mut Gatherer<'a>> {
        self.pictures.iter_mut().chain(&mut self.sound)
    }

    /// Takes bytes of a source segment.
    pub(super) fn take(&mut self, object: u32, offset: u64, bytes: &[u8]) {
        self.gatherers().for_each(|gatherer| gatherer.push(object, offset, bytes));
    }

    /// Writes until a piece is full or something has to be waited for.
    pub(super) fn next_piece(&mut self) -> Option<Bytes> {
        while !self.out.is_full() && self.write_picture() {}
        self.out.is_full().then(|| self.out.cut())
    }

    /// Writes the next picture with the sound in front of it, if both are there.
    fn write_picture(&mut self) -> bool {
        let Self { out, writer, pictures, sound, timescale, frames, group, written, .. } = self;
        while let Some(group) = sound.as_mut().and_then(Gatherer::next_group) {
            frames.extend_from_slice(&group);
            writer.add_sound(frames, group.len());
        }
        let Some(pictures) = pictures else { return false };
        if *written == group.len() {
            pictures.forget();
            let Some(next) = pictures.next_group() else { return false };
            (*group, *written) = (next, 0);
        }
        let Some(picture) = group.get(*written) else { return false };
        let missing = sound.as_ref().and_then(Gatherer::next_time);
        let missing = missing.map(|time| time.rescale(*timescale, Timescale::MPEG));
        if missing.is_some_and(|missing| missing <= picture.transport_decode_time) {
            return false;
        }
        let heard = heard(sound, frames);
        writer.write_pictures(&mut out.bytes, &[*picture], pictures.payload(), heard);
        *written += 1;
        true
    }

    /// The source ends.
    pub(super) fn end(&mut self) {
        self.gatherers().for_each(Gatherer::end);
    }

    /// The last piece.
    pub(super) fn finish(self) -> Result<Bytes> {
        let Self { plan, mut out, writer, pictures, mut sound, mut scratch, frames, .. } = self;
        writer.finish(&mut out.bytes, heard(&mut sound, &frames));
        let is_written = self.written == self.group.len();
        let buffers = pictures.into_iter().chain(sound).map(Gatherer::into_buffer);
        let buffers = buffers.collect::<Result<Vec<_>>>()?;
        if !is_written {
            return Err(source_changed(plan, "pictures have no sound"));
        }
        scratch.iter_mut().zip(buffers).for_each(|(pooled, buffer)| pooled.put(buffer));
        Ok(out.finish())
    }
}

fn heard<'s>(sound: &'s mut Option<Gatherer<'_>>, samples: &'s [Sample]) -> SoundPayload<'s> {
    let payload = sound.as_mut().map_or(&mut [][..], Gatherer::payload);
    SoundPayload { samples, payload }
}

/// What is written, until it is given away.
struct Outlet<'a> {
    bytes: Vec<u8>,
    /// Empty: where the buffer goes back to.
    pooled: PooledBuffer,
    pool: BufferPool,
    /// Pieces have at least so many bytes.
    piece_bytes: usize,
    /// Room for a piece.
    room: usize,
    /// The key of AES-128, and the block before the next.
    chain: Option<(&'a [u8; 16], [u8; BLOCK_BYTES])>,
}

impl<'a> Outlet<'a> {
    fn new(plan: &'a SegmentPlan, pool: &BufferPool, piece_bytes: usize) -> Self {
        // With the picture with which it is full; behind a larger one the buffer grows.
        let room = piece_bytes.saturating_add(piece_bytes / 4 + SLACK_BYTES);
        let room = room.min(plan.bytes as usize + BLOCK_BYTES);
        let mut pooled = pool.take(room);
        let chain = match &plan.protection {
            Some(SegmentProtection::Aes128 { key, iv }) => Some((key.expose(), *iv)),
            _ => None,
        };
        let bytes = pooled.take();
        Self { bytes, pooled, pool: pool.clone(), piece_bytes, room, chain }
    }

    fn is_full(&self) -> bool {
        self.bytes.len() >= self.piece_bytes
    }

    /// What is there; of what is encrypted whole blocks.
    fn cut(&mut self) -> Bytes {
        let next = self.pool.take(self.room);
        let mut pooled = std::mem::replace(&mut self.pooled, next);
        let mut bytes = std::mem::replace(&mut self.bytes, self.pooled.take());
        if let Some((key, previous)) = &mut self.chain {
            let whole = bytes.len() - bytes.len() % BLOCK_BYTES;
            self.bytes.extend(bytes.drain(whole..));
            encrypt_further(key, previous, &mut bytes);
        }
        pooled.put(bytes);
        pooled.into_bytes()
    }

    fn finish(self) -> Bytes {
        let Self { bytes, mut pooled, chain, .. } = self;
        pooled.put(match chain {
            Some((key, previous)) => encrypt_segment(key, &previous, bytes),
            None => bytes,
        });
        pooled.into_bytes()
    }
}

/// A segment that is written when all of its samples are there.
pub(super) struct Whole<'a> {
    plan: &'a SegmentPlan,
    gatherers: Vec<Gatherer<'a>>,
    /// Empty: where the buffers of the gatherers go back to.
    scratch: Vec<PooledBuffer>,
    pool: BufferPool,
}

impl<'a> Whole<'a> {
    pub(super) fn begin(plan: &'a SegmentPlan, pool: &BufferPool) -> Result<Self> {
        let mut gatherers = Vec::new();
        let mut scratch = Vec::new();
        for part in &plan.parts {
            let mut pooled = pool.take(payload_bytes(plan.groups(part)) + SLACK_BYTES);
            gatherers.push(Gatherer::new(plan, part, pooled.take())?);
            scratch.push(pooled);
        }
        Ok(Self { plan, gatherers, scratch, pool: pool.clone() })
    }

    /// Takes bytes of a source segment.
    pub(super) fn take(&mut self, object: u32, offset: u64, bytes: &[u8]) {
        self.gatherers.iter_mut().for_each(|gatherer| gatherer.push(object, offset, bytes));
    }

    /// Writes the segment.
    pub(super) fn finish(self) -> Result<Bytes> {
        let plan = self.plan;
        let mut pooled = self.pool.take(plan.bytes as usize + BLOCK_BYTES);
        let mut out = pooled.take();
        let cipher = match &plan.protection {
            Some(SegmentProtection::SampleAes { key, iv }) => {
                Some(SampleAesCipher::new(key.expose(), iv))
            }
            _ => None,
        };
        self.write(cipher.as_ref(), &mut out)?;
        pooled.put(match &plan.protection {
            Some(SegmentProtection::Aes128 { key, iv }) => encrypt_segment(key.expose(), iv, out),
            _ => out,
        });
        Ok(pooled.into_bytes())
    }

    fn write(self, cipher: Option<&SampleAesCipher>, out: &mut Vec<u8>) -> Result<()> {
        let Self { plan, gatherers, scratch, .. } = self;
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
                            return Err(source_changed(
                                plan,
                                "its size is not what ingest measured",
                            ));
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
