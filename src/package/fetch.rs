//! Source bytes of a plan, in pieces.
//!
//! The parts of a segment lie between each other in the source, so what is read is the hull of all
//! of them, once, and each part is given every piece.
//!
//! ```text
//! files here      one after another, in pieces that stay in the processor's cache between reading
//!                 and framing; the system's page cache is the only other copy
//! objects there   blocks of whole transport packets, fetched in parallel and kept by whoever builds
//!                 the reader, so that audio and video of one time span, and renditions of several
//!                 configurations, are fetched once
//! ```
//!
//! Of pictures that are segments of their own nothing but their bytes is read: they are a small
//! part of what lies around them.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::pool::BufferPool;
use crate::error::{Error, Result};
use crate::model::presentation::{SourceObject, SourceSpan};
use crate::plan::SegmentPlan;

/// Bytes of a block: whole packets, about one and a half megabytes.
const BLOCK_BYTES: u64 = 188 * 8192;
/// Bytes of a piece: whole packets, a fraction of a second-level cache. Tests have little, and shall
/// have several of them.
const PIECE_BYTES: u64 = if cfg!(test) { 188 * 8 } else { 188 * 1024 };

/// A block of a source segment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BlockRequest {
    /// The segment.
    pub object: SourceObject,
    /// Which of its bytes, counted from its start.
    pub bytes: Range<u64>,
}

/// Source segments that can be read on the spot.
pub trait SourceFiles: Sync {
    /// Opens one.
    fn open<'a>(&'a self, object: &SourceObject) -> Result<Box<dyn SourceFile + 'a>>;
}

/// An open source segment.
pub trait SourceFile: Send {
    /// Exactly these bytes, counted from the start of the segment; at most a megabyte.
    fn read(&mut self, bytes: Range<u64>) -> Result<&[u8]>;
}

/// What is done with files; it may be begun anew.
pub type FileJob = Arc<dyn for<'f> Fn(&'f dyn SourceFiles) -> FileWork<'f> + Send + Sync>;

/// Work on files. It waits for nothing, but lets others have the thread now and then.
pub type FileWork<'f> = BoxFuture<'f, Result<()>>;

type Fetch = dyn Fn(BlockRequest) -> BoxFuture<'static, Result<Bytes>> + Send + Sync;
type RunOnFiles = dyn Fn(u64, FileJob) -> BoxFuture<'static, Result<()>> + Send + Sync;

/// Reads one asset's source.
#[derive(Clone)]
pub struct SourceReader {
    fetch: Arc<Fetch>,
    files: Option<Arc<RunOnFiles>>,
    pub(super) pool: BufferPool,
}

impl SourceReader {
    /// A reader that gets its blocks from `fetch`, and makes segments in buffers of `pool`.
    pub fn new(
        pool: BufferPool,
        fetch: impl Fn(BlockRequest) -> BoxFuture<'static, Result<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        Self { fetch: Arc::new(fetch), files: None, pool }
    }

    /// The same, which lets `run` run work that reads so many bytes of files, where nothing is in the
    /// way of reading them.
    pub fn with_files(
        self,
        run: impl Fn(u64, FileJob) -> BoxFuture<'static, Result<()>> + Send + Sync + 'static,
    ) -> Self {
        Self { files: Some(Arc::new(run)), ..self }
    }

    /// What runs work on the files of `needs`, unless they have to be decrypted.
    pub(super) fn files_for(&self, needs: &[Need]) -> Option<&RunOnFiles> {
        self.files.as_deref().filter(|_| are_clear(needs))
    }

    /// Fetches the blocks that hold what is needed, in order.
    pub(super) fn fetch<'n>(
        &'n self,
        needs: &'n [Need],
    ) -> impl Iterator<Item = impl Future<Output = Result<Block>> + Send + use<'n>> {
        let blocks = needs.iter().flat_map(Need::blocks);
        blocks.map(|(need, block)| self.fetch_block(need, block))
    }

    /// What is needed of one block.
    async fn fetch_block(&self, need: &Need, block: Range<u64>) -> Result<Block> {
        let request = BlockRequest { object: need.source.clone(), bytes: block.clone() };
        let bytes = (self.fetch)(request).await?;
        let from = need.bytes.start.max(block.start);
        let to = need.bytes.end.min(block.end);
        let skip = (from - block.start) as usize;
        let length = to.saturating_sub(from) as usize;
        if bytes.len() < skip + length {
            return Err(Error::internal("a block of the source is shorter than it should be"));
        }
        Ok(Block { object: need.object, offset: from, bytes: bytes.slice(skip..skip + length) })
    }
}

/// The blocks that a segment is made from where its source is not here, in order.
pub fn source_blocks(plan: &SegmentPlan) -> Result<Vec<BlockRequest>> {
    let needs = Need::of(plan)?;
    let blocks = needs.iter().flat_map(Need::blocks);
    let request = |(need, bytes): (&Need, _)| BlockRequest { object: need.source.clone(), bytes };
    Ok(blocks.map(request).collect())
}

/// Whether the source of a segment is not encrypted.
pub fn is_clear(plan: &SegmentPlan) -> bool {
    let stream = plan.presentation.streams.get(plan.rendition.stream);
    let objects = stream.map_or(&[][..], |stream| &stream.objects);
    let of_part = |part| {
        let groups = plan.groups(part);
        let (first, last) = (groups.first()?, groups.last()?);
        objects.get(first.start.object as usize..=last.end.object as usize)
    };
    let mut objects = plan.parts.iter().filter_map(of_part).flatten();
    objects.all(|object| object.encryption.is_none())
}

fn are_clear(needs: &[Need]) -> bool {
    needs.iter().all(|need| need.source.encryption.is_none())
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

impl Block {
    /// In pieces, as files come, and where they begin.
    pub fn pieces(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let offsets = (self.offset..).step_by(PIECE_BYTES as usize);
        offsets.zip(self.bytes.chunks(PIECE_BYTES as usize))
    }
}

/// What a segment needs of one source segment.
#[derive(Clone, Debug)]
pub(super) struct Need {
    /// Which, as an index into the stream's objects.
    pub object: u32,
    /// The same.
    pub source: SourceObject,
    /// Which bytes of it.
    pub bytes: Range<u64>,
    /// Whether blocks are cut to them.
    is_exact: bool,
}

impl Need {
    /// What all parts of a plan need, in the order of the source.
    pub(super) fn of(plan: &SegmentPlan) -> Result<Vec<Self>> {
        let stream = plan.presentation.streams.get(plan.rendition.stream);
        let objects = stream.map_or(&[][..], |stream| &stream.objects);
        let mut spans: Vec<SourceSpan> =
            plan.parts.iter().flat_map(|part| plan.spans(part)).collect();
        spans.sort_by_key(|span| span.object);
        let mut needs: Vec<Self> = Vec::new();
        for SourceSpan { object, bytes } in spans {
            if let Some(last) = needs.last_mut().filter(|last| last.object == object) {
                last.bytes = last.bytes.start.min(bytes.start)..last.bytes.end.max(bytes.end);
                continue;
            }
            let source = objects
                .get(object as usize)
                .ok_or_else(|| Error::internal("the index names a segment that is not there"))?;
            let is_exact = plan.still.is_some();
            needs.push(Self { object, source: source.clone(), bytes, is_exact });
        }
        Ok(needs)
    }

    fn blocks(&self) -> impl Iterator<Item = (&Self, Range<u64>)> {
        let first = self.bytes.start / BLOCK_BYTES;
        let last = self.bytes.end.saturating_sub(1) / BLOCK_BYTES;
        (first..=last).map(move |index| {
            let start = index * BLOCK_BYTES;
            let block = start..(start + BLOCK_BYTES).min(self.source.size);
            match self.is_exact {
                false => (self, block),
                true => (self, self.bytes.start.max(block.start)..self.bytes.end.min(block.end)),
            }
        })
    }

    /// What to read of a file at once, in order.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Range<u64>> + use<> {
        let Range { start, end } = self.bytes;
        let starts = (start..end).step_by(PIECE_BYTES as usize);
        starts.map(move |from| from..end.min(from + PIECE_BYTES))
    }
}
