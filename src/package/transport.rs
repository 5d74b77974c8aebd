//! One segment as a transport stream, clear or encrypted.

use super::gather::{Gatherer, SLACK_BYTES};
use super::{BufferPool, PooledBuffer, TakeBytes, no_parts, source_changed};
use crate::cenc::aes128::{BLOCK_BYTES, encrypt_segment};
use crate::cenc::sample_aes::SampleAesCipher;
use crate::codec::dolby::syncframe_bytes;
use crate::error::Result;
use crate::model::codec::CodecConfig;
use crate::model::presentation::Medium;
use crate::model::sample::Sample;
use crate::plan::{SegmentPlan, SegmentProtection, TrackPart};
use crate::ts::mux::{self, AudioInput, EncryptedPictures, TagInput, VideoInput};

/// The bytes of the segment that `plan` describes.
pub(super) fn segment(
    plan: &SegmentPlan,
    pool: &BufferPool,
    feed: impl FnOnce(TakeBytes<'_>) -> Result<()>,
) -> Result<PooledBuffer> {
    let cipher = match &plan.protection {
        Some(SegmentProtection::SampleAes { key, iv }) => {
            Some(SampleAesCipher::new(key.expose(), iv))
        }
        _ => None,
    };
    // What is gathered is gone when the segment is written.
    let mut scratch = Vec::new();
    let mut gatherers = Vec::new();
    for part in &plan.parts {
        let payload: u64 =
            plan.groups(part).iter().map(|group| u64::from(group.payload_bytes)).sum();
        let mut pooled = pool.take(payload as usize + SLACK_BYTES);
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
        if let Some(cipher) = &cipher {
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
    let mut pooled = pool.take(plan.bytes as usize + BLOCK_BYTES);
    let mut out = pooled.take();
    let tags = Some(plan.all_tags()).filter(|all| !all.is_empty());
    let tags =
        tags.map(|_| TagInput { tags: plan.tags(), packets_before: plan.tag_packets_before() });
    mux::write_segment(&mut out, plan.number, video, audio, tags);
    pooled.put(match &plan.protection {
        Some(SegmentProtection::Aes128 { key, iv }) => encrypt_segment(key.expose(), iv, out),
        _ => out,
    });
    Ok(pooled)
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
