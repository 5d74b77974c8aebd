//! Runs a plan: source bytes in, one finished init or media segment out.
//!
//! ```text
//! SegmentPlan ─ fetch: blocks of the source
//!             └ gather: packets → samples, straight into the output buffer
//!               └ protect: encrypted in place
//!                 └ mp4::fragment header in front of them, or transport: ts::mux around them
//! ```
//!
//! What comes out has exactly the size that the plan announced; where the source does not give
//! that, because it was changed after ingest, the answer is an error and never a broken segment.

mod fetch;
mod gather;
mod pool;
mod protect;
mod silence;
#[cfg(test)]
mod tests;
mod text;
mod transport;

use std::sync::Arc;

use bytes::Bytes;
pub use fetch::{
    BlockRequest, FileJob, SourceFile, SourceFiles, SourceReader, is_clear, source_blocks,
};
pub use pool::{BufferPool, PooledBuffer};
pub use silence::silence;
pub use text::{text, text_init};

use self::fetch::Need;
use self::gather::Gatherer;
use crate::error::{Error, Kind, Result};
use crate::model::manifest::RenditionProtection;
use crate::model::policy::Container;
use crate::model::presentation::{Medium, Track};
use crate::model::sample::SampleProtections;
use crate::mp4::event::{with_events, write_events};
use crate::mp4::fragment::FragmentHeader;
use crate::mp4::init::init_segment;
use crate::mp4::protection::InitProtection;
use crate::plan::SegmentPlan;

/// A finished answer: what the segment cache holds.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The body.
    pub bytes: Bytes,
    /// Its media type.
    pub content_type: &'static str,
    /// Its strong validator, without quotes.
    pub etag: Arc<str>,
}

/// The initialization segment of a track; `key` names it in its URL's stead.
pub fn init(
    track: &Track,
    protection: Option<&RenditionProtection>,
    key: &str,
) -> Result<Rendered> {
    let is_video = track.codec.medium() == Medium::Video;
    let protection = protection.map(|protection| InitProtection {
        scheme: protection.scheme,
        key_id: protection.key_id,
        constant_iv: protection.constant_iv,
        is_video,
        pssh: protection.signalling.iter().filter_map(|entry| entry.pssh.as_deref()).collect(),
        clear_lead: protection.has_clear_entry,
    });
    let bytes = init_segment(track, protection.as_ref()).map_err(|error| {
        Error::internal("the initialization segment cannot be written").caused_by(error)
    })?;
    let content_type = if is_video { "video/mp4" } else { "audio/mp4" };
    Ok(Rendered { bytes: bytes.into(), content_type, etag: key.into() })
}

/// A media segment.
pub async fn segment(source: &SourceReader, plan: SegmentPlan) -> Result<Rendered> {
    let needs = Need::of(&plan)?;
    if let Some(run) = source.files_for(&needs) {
        let bytes = needs.iter().map(|need| need.bytes.end - need.bytes.start).sum();
        let pool = source.pool.clone();
        let job = move |files: &dyn SourceFiles| {
            build(&plan, &pool, |take| {
                needs.iter().try_for_each(|need| need.read(files, &mut *take))
            })
        };
        return run(bytes, Box::new(job)).await;
    }
    let blocks = source.fetch(&needs).await?;
    build(&plan, &source.pool, |take| {
        blocks.iter().for_each(|block| block.feed(&mut *take));
        Ok(())
    })
}

/// Takes bytes of a source segment: which, from where on.
type TakeBytes<'a> = &'a mut dyn FnMut(u32, u64, &[u8]);

/// Makes a segment of what `feed` reads of the source.
fn build(
    plan: &SegmentPlan,
    pool: &BufferPool,
    feed: impl FnOnce(TakeBytes<'_>) -> Result<()>,
) -> Result<Rendered> {
    let bytes = match plan.container {
        Container::Cmaf => fragment(plan, pool, feed)?,
        Container::MpegTs => transport::segment(plan, pool, feed)?,
    };
    if plan.known_bytes().is_some_and(|known| bytes.as_ref().len() as u64 != known) {
        return Err(source_changed(plan, "its size is not what ingest measured"));
    }
    let etag = plan.key().into();
    Ok(Rendered { bytes: bytes.into_bytes(), content_type: plan.content_type(), etag })
}

fn fragment(
    plan: &SegmentPlan,
    pool: &BufferPool,
    feed: impl FnOnce(TakeBytes<'_>) -> Result<()>,
) -> Result<PooledBuffer> {
    let part = plan.parts.first().ok_or_else(|| no_parts(plan))?;
    let track = plan.track(part).ok_or_else(|| no_parts(plan))?;
    let mut events = Vec::new();
    let first_event = u32::try_from(plan.tags.start).unwrap_or(u32::MAX);
    write_events(&mut events, plan.tags(), first_event);
    let header_bytes = part.layout.header_bytes() as usize + events.len();
    let mut pooled = pool.take(plan.bytes as usize + gather::SLACK_BYTES);
    let mut buffer = pooled.take();
    buffer.resize(header_bytes, 0);
    let mut gatherer = Gatherer::new(plan, part, buffer)?;
    feed(&mut |object, offset, bytes| gatherer.push(object, offset, bytes))?;
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
    Ok(pooled)
}

fn no_parts(plan: &SegmentPlan) -> Error {
    Error::internal(format!("the plan of {} has no tracks", plan.key()))
}

fn source_changed(plan: &SegmentPlan, what: &str) -> Error {
    Error::new(
        Kind::SourceFailed,
        format!(
            "segment {} cannot be made: {what}; the source was changed after ingest, so ingest it \
             again",
            plan.key()
        ),
    )
}
