//! Source bytes of a plan, in blocks.
//!
//! Source segments are read in blocks of whole transport packets, so that the audio and the video
//! of one time span, and renditions of several configurations, read the same bytes. The blocks of a
//! segment are fetched in parallel. Of pictures that are segments of their own nothing but their
//! bytes is read: they are a small part of what lies around them. Who builds the reader decides where blocks come from and
//! whether they are kept.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{BoxFuture, try_join_all};

use crate::error::{Error, Result};
use crate::model::presentation::{SourceObject, SourceSpan};
use crate::plan::{SegmentPlan, TrackPart};

/// Bytes of a block: whole packets, about one and a half megabytes.
const BLOCK_BYTES: u64 = 188 * 8192;

/// A block of a source segment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BlockRequest {
    /// The segment.
    pub object: SourceObject,
    /// Which of its bytes, counted from its start.
    pub bytes: Range<u64>,
}

/// Bytes of one source segment.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// Which segment, as an index into the stream's objects.
    pub object: u32,
    /// Where they begin in it.
    pub offset: u64,
    /// The bytes.
    pub bytes: Bytes,
}

type Fetch = dyn Fn(BlockRequest) -> BoxFuture<'static, Result<Bytes>> + Send + Sync;

/// Reads one asset's source.
#[derive(Clone)]
pub struct SourceReader {
    fetch: Arc<Fetch>,
}

impl SourceReader {
    /// A reader that gets its blocks from `fetch`.
    pub fn new(
        fetch: impl Fn(BlockRequest) -> BoxFuture<'static, Result<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        Self { fetch: Arc::new(fetch) }
    }

    /// The source bytes that a part of a segment lies in, in order.
    pub(super) async fn read(&self, plan: &SegmentPlan, part: &TrackPart) -> Result<Vec<Block>> {
        let stream = plan.presentation.streams.get(plan.rendition.stream);
        let objects = stream.map_or(&[][..], |stream| &stream.objects);
        let mut reads = Vec::new();
        for span in plan.spans(part) {
            let object = objects
                .get(span.object as usize)
                .ok_or_else(|| Error::internal("the index names a segment that is not there"))?;
            let first = span.bytes.start / BLOCK_BYTES;
            let last = span.bytes.end.saturating_sub(1) / BLOCK_BYTES;
            let blocks = (first..=last).map(|index| {
                let start = index * BLOCK_BYTES;
                let block = start..(start + BLOCK_BYTES).min(object.size);
                match plan.still {
                    None => block,
                    Some(_) => span.bytes.start.max(block.start)..span.bytes.end.min(block.end),
                }
            });
            reads.extend(blocks.map(|block| self.read_block(object, span.clone(), block)));
        }
        try_join_all(reads).await
    }

    /// What a span takes of one block.
    async fn read_block(
        &self,
        object: &SourceObject,
        span: SourceSpan,
        block: Range<u64>,
    ) -> Result<Block> {
        let Range { start, end } = block;
        let request = BlockRequest { object: object.clone(), bytes: start..end };
        let bytes = (self.fetch)(request).await?;
        let from = span.bytes.start.max(start);
        let to = span.bytes.end.min(end);
        let (skip, length) = ((from - start) as usize, (to.saturating_sub(from)) as usize);
        if bytes.len() < skip + length {
            return Err(Error::internal("a block of the source is shorter than it should be"));
        }
        Ok(Block { object: span.object, offset: from, bytes: bytes.slice(skip..skip + length) })
    }
}
