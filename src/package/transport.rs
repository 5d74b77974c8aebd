//! One segment as a transport stream, clear or encrypted.

use super::gather::gather;
use super::{FetchedPart, no_parts};
use crate::error::Result;
use crate::model::codec::CodecConfig;
use crate::model::sample::Sample;
use crate::plan::{SegmentPlan, TrackPart};
use crate::time::Ticks;
use crate::ts::mux::{self, AudioInput, VideoInput};

/// The bytes of the segment that `plan` describes.
pub(super) fn segment(plan: &SegmentPlan, parts: &[FetchedPart<'_>]) -> Result<Vec<u8>> {
    let mut pictures: Option<(&TrackPart, Vec<u8>, Vec<Sample>)> = None;
    let mut sound: Option<(&TrackPart, Vec<u8>, Vec<Sample>)> = None;
    for (part, blocks) in parts {
        let track = plan.track(part).ok_or_else(|| no_parts(plan))?;
        let (payload, samples) = gather(plan, part, blocks, Vec::new())?;
        let gathered = Some((*part, payload, samples));
        match track.codec {
            CodecConfig::Avc(_) => pictures = gathered,
            CodecConfig::Aac(_) => sound = gathered,
        }
    }
    let groups: Vec<u32> = sound.as_ref().map_or_else(Vec::new, |(part, ..)| {
        plan.groups(part).iter().map(|group| group.samples).collect()
    });
    let video = pictures.as_mut().and_then(|(part, payload, samples)| {
        let CodecConfig::Avc(config) = &plan.track(part)?.codec else { return None };
        Some(VideoInput { config, samples, payload, packets_before: part.packets_before })
    });
    let audio = sound.as_ref().and_then(|(part, payload, samples)| {
        let track = plan.track(part)?;
        let CodecConfig::Aac(config) = &track.codec else { return None };
        Some(AudioInput {
            config,
            timescale: track.timescale,
            groups: &groups,
            samples,
            payload,
            packets_before: part.packets_before,
        })
    });
    let mut out = Vec::with_capacity(plan.bytes as usize);
    mux::write_segment(&mut out, plan.number, video, audio);
    Ok(out)
}
