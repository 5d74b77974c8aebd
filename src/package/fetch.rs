//! Source bytes of a plan, through a cache of blocks.
//!
//! Source segments are read in blocks of whole transport packets, so that the audio and the video
//! of one time span, and renditions of several configurations, read the same bytes once. The blocks
//! of a segment are fetched in parallel.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::try_join_all;

use crate::cache::{Cache, Weight};
use crate::error::{Error, Result};
use crate::model::presentation::{SourceObject, SourceSpan};
use crate::plan::{SegmentPlan, TrackPart};
use crate::source::{Root, SourcePath};

/// Bytes of a block: whole packets, about one and a half megabytes.
const BLOCK_BYTES: u64 = 188 * 8192;

/// Names a block of a source segment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BlockKey {
    root: String,
    object: SourceObject,
    index: u64,
}

/// A block in the cache.
#[derive(Clone, Debug)]
pub struct CachedBlock(Bytes);

impl Weight for CachedBlock {
    fn bytes(&self) -> u64 {
        self.0.len() as u64
    }
}

/// The cache of blocks, shared by all assets.
pub type BlockCache = Cache<BlockKey, CachedBlock>;

/// Bytes of one source segment.
#[derive(Clone, Debug)]
pub struct Block {
    /// Which segment, as an index into the stream's objects.
    pub object: u32,
    /// Where they begin in it.
    pub offset: u64,
    /// The bytes.
    pub bytes: Bytes,
}

/// Reads one asset's source.
#[derive(Clone)]
pub struct SourceReader {
    root: Arc<Root>,
    blocks: Arc<BlockCache>,
}

impl SourceReader {
    /// A reader below a root.
    pub fn new(root: Arc<Root>, blocks: Arc<BlockCache>) -> Self {
        Self { root, blocks }
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
            reads.extend((first..=last).map(|index| self.read_block(object, span.clone(), index)));
        }
        try_join_all(reads).await
    }

    /// What a span takes of one block.
    async fn read_block(
        &self,
        object: &SourceObject,
        span: SourceSpan,
        index: u64,
    ) -> Result<Block> {
        let key = BlockKey { root: self.root.name().to_string(), object: object.clone(), index };
        let start = index * BLOCK_BYTES;
        let end = (start + BLOCK_BYTES).min(object.size);
        let root = self.root.clone();
        let (path, base) = (object.path.clone(), object.start);
        let build = move || async move {
            let path = SourcePath::from_stored(&path)?;
            Ok(CachedBlock(root.read_range(&path, base + start..base + end).await?))
        };
        let CachedBlock(bytes) = self.blocks.get_or_build(key, build).await?;
        let from = span.bytes.start.max(start);
        let to = span.bytes.end.min(end);
        let (skip, length) = ((from - start) as usize, (to.saturating_sub(from)) as usize);
        if bytes.len() < skip + length {
            return Err(Error::internal("a cached block is shorter than it should be"));
        }
        Ok(Block { object: span.object, offset: from, bytes: bytes.slice(skip..skip + length) })
    }
}
