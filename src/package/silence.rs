//! One segment of silence: the samples of the sound that it stands in for, at the same times, each
//! with the same silent frame. Reads no source.

use super::{Rendered, no_parts};
use crate::codec::AccessUnit;
use crate::codec::timing::place_frames;
use crate::error::{Error, Result};
use crate::model::sample::{Dependency, RandomAccess, Sample, SampleProtections};
use crate::mp4::fragment::FragmentHeader;
use crate::plan::SilencePlan;

/// The segment of silence that `plan` describes.
pub fn silence(plan: &SilencePlan) -> Result<Rendered> {
    let segment = &plan.segment;
    let part = segment.parts.first().ok_or_else(|| no_parts(segment))?;
    let track = segment.track(part).ok_or_else(|| no_parts(segment))?;
    let header_bytes = part.layout.header_bytes() as usize;
    let mut samples: Vec<Sample> = Vec::new();
    let mut offset = header_bytes;
    for (index, group) in segment.groups(part).iter().enumerate() {
        let units: Vec<AccessUnit> = (0..group.samples as usize)
            .map(|unit| silent_unit(offset + unit * plan.frame.len(), plan.frame.len()))
            .collect();
        offset += units.len() * plan.frame.len();
        let end = track.group_end(part.groups.start + index);
        samples.extend(place_frames(&units, group, track.sample_duration, end));
    }
    let header = FragmentHeader {
        layout: part.layout,
        sequence_number: u32::try_from(segment.number).unwrap_or(u32::MAX),
        base_decode_time: samples.first().map_or(segment.time, |sample| sample.decode_time),
        payload_bytes: (offset - header_bytes) as u32,
    };
    let mut bytes = header.to_bytes(&samples, &SampleProtections::default());
    bytes.extend(samples.iter().flat_map(|_| plan.frame.iter().copied()));
    if bytes.len() as u64 != segment.bytes {
        return Err(Error::internal("a segment of silence has not the planned size"));
    }
    Ok(Rendered {
        bytes: bytes.into(),
        content_type: segment.content_type(),
        etag: plan.key().into(),
    })
}

fn silent_unit(offset: usize, size: usize) -> AccessUnit {
    AccessUnit {
        offset,
        size,
        timestamps: None,
        tag: 0,
        skip: 0,
        dependency: Dependency::AUDIO,
        access: RandomAccess::Instant,
        config: 0,
        order: None,
        skipped_at_access: false,
    }
}
