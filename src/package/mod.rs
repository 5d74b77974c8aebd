//! Runs a plan: source bytes in, one finished init or media segment out.
//!
//! ```text
//! SegmentPlan ─ fetch: pieces of the source
//!             └ making: from piece to piece
//!               └ gather: packets → samples, straight into the output buffer
//!                 └ protect: encrypted in place
//!                   └ fragment: a header in front of them, or transport: ts::mux around them
//! ```
//!
//! What comes out has exactly the size that the plan announced; where the source does not give
//! that, because it was changed after ingest, the answer is an error and never a broken segment.

mod fetch;
mod fragment;
mod gather;
mod making;
mod pool;
mod protect;
mod silence;
#[cfg(test)]
mod tests;
mod text;
mod transport;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
pub use fetch::{
    BlockRequest, FileJob, FileWork, SourceFile, SourceFiles, SourceReader, is_clear, source_blocks,
};
pub use making::comes_in_pieces;
pub use pool::{BufferPool, PooledBuffer};
pub use silence::silence;
pub use text::{text, text_init};

use self::making::Job;
use crate::error::{Error, Kind, Result};
use crate::model::manifest::RenditionProtection;
use crate::model::presentation::{Medium, Track};
use crate::mp4::init::init_segment;
use crate::mp4::protection::InitProtection;
use crate::plan::SegmentPlan;

/// A smaller segment is made before its first piece were on its way. Tests have little, and shall
/// have pieces.
const LEAST_BYTES_IN_PIECES: u64 = if cfg!(test) { 8192 } else { 1 << 20 };
/// A segment comes in about so many pieces: few enough that sending each is worth a turn, and none
/// much larger than what has to be gathered before the first.
const PIECES: u64 = 4;

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

/// A media segment, in one piece.
pub async fn segment(source: &SourceReader, plan: SegmentPlan) -> Result<Rendered> {
    let (content_type, etag) = (plan.content_type(), plan.key().into());
    let made = Arc::new(OnceLock::new());
    let whole = made.clone();
    let keep = move |bytes| drop(whole.set(bytes));
    Job::run(source, plan, usize::MAX, keep).await?;
    let bytes = made.get().cloned().unwrap_or_default();
    Ok(Rendered { bytes, content_type, etag })
}

/// The same in pieces, each given away as soon as it is finished: those of which
/// [`comes_in_pieces`] speaks. What was given before an error is the segment's all the same.
pub async fn segment_in_pieces(
    source: &SourceReader,
    plan: SegmentPlan,
    give: impl Fn(Bytes) + Send + Sync + 'static,
) -> Result<()> {
    let piece_bytes = plan.bytes / PIECES;
    Job::run(source, plan, piece_bytes as usize, give).await
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
