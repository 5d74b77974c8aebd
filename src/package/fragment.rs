//! One segment as a movie fragment (ISO/IEC 14496-12 8.8), clear or encrypted.

use bytes::Bytes;

use super::gather::{Gatherer, SLACK_BYTES};
use super::pool::{BufferPool, PooledBuffer};
use super::{no_parts, protect, source_changed};
use crate::error::{Error, Result};
use crate::model::presentation::Track;
use crate::model::sample::SampleProtections;
use crate::mp4::event::{with_events, write_events};
use crate::mp4::fragment::FragmentHeader;
use crate::plan::{SegmentPlan, TrackPart};

/// A fragment whose samples are being gathered behind the room for its header.
pub(super) struct Fragment<'a> {
    plan: &'a SegmentPlan,
    part: &'a TrackPart,
    track: &'a Track,
    events: Vec<u8>,
    header_bytes: usize,
    gatherer: Gatherer<'a>,
    /// Empty: where the buffer goes back to.
    pooled: PooledBuffer,
}

impl<'a> Fragment<'a> {
    pub(super) fn begin(plan: &'a SegmentPlan, pool: &BufferPool) -> Result<Self> {
        let part = plan.parts.first().ok_or_else(|| no_parts(plan))?;
        let track = plan.track(part).ok_or_else(|| no_parts(plan))?;
        let mut events = Vec::new();
        let first_event = u32::try_from(plan.tags.start).unwrap_or(u32::MAX);
        write_events(&mut events, plan.tags(), first_event);
        let header_bytes = part.layout.header_bytes() as usize + events.len();
        let mut pooled = pool.take(plan.bytes as usize + SLACK_BYTES);
        let mut buffer = pooled.take();
        buffer.resize(header_bytes, 0);
        let gatherer = Gatherer::new(plan, part, buffer)?;
        Ok(Self { plan, part, track, events, header_bytes, gatherer, pooled })
    }

    /// Takes bytes of a source segment.
    pub(super) fn take(&mut self, object: u32, offset: u64, bytes: &[u8]) {
        self.gatherer.push(object, offset, bytes);
    }

    /// Encrypts the samples and writes the header in front of them.
    pub(super) fn finish(self) -> Result<Bytes> {
        let Self { plan, part, track, events, header_bytes, gatherer, mut pooled } = self;
        let (mut buffer, samples) = gatherer.finish()?;
        let protections = match &plan.protection {
            Some(protection) => protect::samples(protection, &track.codec, &mut buffer, &samples)?,
            None => SampleProtections::default(),
        };
        let header = FragmentHeader {
            layout: part.layout,
            sequence_number: u32::try_from(plan.number).unwrap_or(u32::MAX),
            base_decode_time: samples.first().map_or(plan.time, |sample| sample.decode_time),
            payload_bytes: (buffer.len() - header_bytes) as u32,
        };
        let header = with_events(header.to_bytes(&samples, &protections), &events);
        match buffer.get_mut(..header_bytes) {
            Some(room) if room.len() == header.len() => room.copy_from_slice(&header),
            // Slices that are measured otherwise than at ingest come from other parameter sets.
            _ if plan.protection.is_some() => {
                return Err(source_changed(plan, "its slices are not what ingest measured"));
            }
            _ => return Err(Error::internal("the segment header has not the planned size")),
        }
        pooled.put(buffer);
        Ok(pooled.into_bytes())
    }
}
