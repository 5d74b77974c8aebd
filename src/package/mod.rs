//! Runs a plan: source bytes in, one finished init or media segment out.
//!
//! ```text
//! SegmentPlan ─ fetch: blocks of the source
//!             └ gather: packets → samples, straight into the output buffer
//!               └ mp4::fragment header in front of them, or ts::mux around them
//! ```
//!
//! What comes out has exactly the size that the plan announced; where the source does not give
//! that, because it was changed after ingest, the answer is an error and never a broken segment.

mod fetch;
mod gather;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::try_join_all;

use fetch::Block;
pub use fetch::{BlockRequest, SourceReader};

use self::gather::gather;
use crate::error::{Error, Kind, Result};
use crate::model::codec::CodecConfig;
use crate::model::policy::Container;
use crate::model::presentation::Track;
use crate::model::sample::Sample;
use crate::mp4::fragment::FragmentHeader;
use crate::mp4::init::init_segment;
use crate::plan::{SegmentPlan, TrackPart};
use crate::ts::mux::{self, AudioInput, VideoInput};

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
pub fn init(track: &Track, key: &str) -> Result<Rendered> {
    let bytes = init_segment(track).map_err(|error| {
        Error::internal("the initialization segment cannot be written").caused_by(error)
    })?;
    let content_type = match track.codec {
        CodecConfig::Avc(_) => "video/mp4",
        CodecConfig::Aac(_) => "audio/mp4",
    };
    Ok(Rendered { bytes: bytes.into(), content_type, etag: key.into() })
}

/// A media segment.
pub async fn segment(source: &SourceReader, plan: &SegmentPlan) -> Result<Rendered> {
    let reads = plan.parts.iter().map(|part| source.read(plan, part));
    let parts: Vec<FetchedPart<'_>> = plan.parts.iter().zip(try_join_all(reads).await?).collect();
    let bytes = match plan.container {
        Container::Cmaf => fragment(plan, &parts)?,
        Container::MpegTs => transport_stream(plan, &parts)?,
    };
    if bytes.len() as u64 != plan.bytes {
        return Err(source_changed(plan, "its size is not what ingest measured"));
    }
    Ok(Rendered { bytes: bytes.into(), content_type: plan.content_type(), etag: plan.key().into() })
}

type FetchedPart<'a> = (&'a TrackPart, Vec<Block>);

fn fragment(plan: &SegmentPlan, parts: &[FetchedPart<'_>]) -> Result<Vec<u8>> {
    let (part, blocks) = parts.first().ok_or_else(|| no_parts(plan))?;
    let header_bytes = part.layout.header_bytes() as usize;
    let mut buffer = Vec::with_capacity(plan.bytes as usize + gather::SLACK_BYTES);
    buffer.resize(header_bytes, 0);
    let (mut buffer, samples) = gather(plan, part, blocks, buffer)?;
    let header = FragmentHeader {
        layout: part.layout,
        sequence_number: u32::try_from(plan.number).unwrap_or(u32::MAX),
        base_decode_time: samples.first().map_or(plan.time, |sample| sample.decode_time),
        payload_bytes: (buffer.len() - header_bytes) as u32,
    };
    let header = header.to_bytes(&samples);
    match buffer.get_mut(..header_bytes) {
        Some(room) if room.len() == header.len() => room.copy_from_slice(&header),
        _ => return Err(Error::internal("the segment header has not the planned size")),
    }
    Ok(buffer)
}

fn transport_stream(plan: &SegmentPlan, parts: &[FetchedPart<'_>]) -> Result<Vec<u8>> {
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
        Some(VideoInput {
            config,
            samples,
            payload,
            packets_before: part.packets_before,
            encrypted: None,
        })
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
            encrypted: false,
        })
    });
    let mut out = Vec::with_capacity(plan.bytes as usize);
    mux::write_segment(&mut out, plan.number, video, audio);
    Ok(out)
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
