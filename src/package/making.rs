//! A segment that is being made: source bytes go in as they come, finished pieces come out.
//!
//! ```text
//! take(bytes of the source) … ┬ next_piece(): what will not change any more
//!                             └ finish(): the rest
//! ```
//!
//! Clear and AES-128 transport streams come in pieces, because nothing in them depends on what
//! comes later. The others come whole: the header of a fragment lists the sizes of all samples, which
//! the index does not have, and what SAMPLE-AES adds to a segment is spread over all of it.
//!
//! Work that was begun anew (see [`FileJob`]) makes the same bytes again; they are given once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::stream::{FuturesOrdered, TryStreamExt};

use super::fetch::{FileJob, Need, SourceFiles, SourceReader};
use super::fragment::Fragment;
use super::pool::BufferPool;
use super::transport::{Grouped, Whole};
use super::{LEAST_BYTES_IN_PIECES, source_changed};
use crate::error::Result;
use crate::model::policy::Container;
use crate::plan::{SegmentPlan, SegmentProtection};

/// What makes a segment.
enum Making<'a> {
    Fragment(Box<Fragment<'a>>),
    Grouped(Box<Grouped<'a>>),
    Whole(Box<Whole<'a>>),
}

impl<'a> Making<'a> {
    fn begin(job: &'a Job) -> Result<Self> {
        let Job { plan, pool, piece_bytes, .. } = job;
        Ok(match plan.container {
            Container::Cmaf => Self::Fragment(Fragment::begin(plan, pool)?.into()),
            Container::MpegTs if comes_in_groups(plan) => {
                Self::Grouped(Grouped::begin(plan, pool, *piece_bytes)?.into())
            }
            Container::MpegTs => Self::Whole(Whole::begin(plan, pool)?.into()),
        })
    }

    /// Takes bytes of a source segment, which lie at `offset` of it.
    fn take(&mut self, object: u32, offset: u64, bytes: &[u8]) {
        match self {
            Self::Fragment(fragment) => fragment.take(object, offset, bytes),
            Self::Grouped(segment) => segment.take(object, offset, bytes),
            Self::Whole(segment) => segment.take(object, offset, bytes),
        }
    }

    /// A piece that is finished.
    fn next_piece(&mut self) -> Option<Bytes> {
        match self {
            Self::Grouped(segment) => segment.next_piece(),
            Self::Fragment(_) | Self::Whole(_) => None,
        }
    }

    /// The source ends: there may be pieces yet.
    fn end(&mut self) {
        if let Self::Grouped(segment) = self {
            segment.end();
        }
    }

    /// The last piece.
    fn finish(self) -> Result<Bytes> {
        match self {
            Self::Fragment(fragment) => fragment.finish(),
            Self::Grouped(segment) => segment.finish(),
            Self::Whole(segment) => segment.finish(),
        }
    }
}

/// Whether a segment comes in more than one piece.
pub(super) fn comes_in_pieces(plan: &SegmentPlan) -> bool {
    let is_large = plan.known_bytes().is_some_and(|bytes| bytes >= LEAST_BYTES_IN_PIECES);
    plan.container == Container::MpegTs && is_large && comes_in_groups(plan)
}

/// Whether a transport stream can be written group by group.
fn comes_in_groups(plan: &SegmentPlan) -> bool {
    let is_spread = matches!(plan.protection, Some(SegmentProtection::SampleAes { .. }));
    !is_spread && super::gather::Gatherer::gives_groups(plan)
}

/// One segment to be made, and who wants it.
pub(super) struct Job {
    plan: SegmentPlan,
    needs: Vec<Need>,
    pool: BufferPool,
    /// No piece but the last is smaller.
    piece_bytes: usize,
    give: Box<dyn Fn(Bytes) + Send + Sync>,
    /// Bytes that were given.
    given: AtomicU64,
}

impl Job {
    /// Makes a segment of what `source` has, and gives it away in pieces.
    pub(super) async fn run(
        source: &SourceReader,
        plan: SegmentPlan,
        piece_bytes: usize,
        give: impl Fn(Bytes) + Send + Sync + 'static,
    ) -> Result<()> {
        let (needs, pool) = (Need::of(&plan)?, source.pool.clone());
        let give = Box::new(give);
        let job = Arc::new(Self { plan, needs, pool, piece_bytes, give, given: AtomicU64::new(0) });
        let Some(run) = source.files_for(&job.needs) else {
            return job.run_on_blocks(source).await;
        };
        let bytes = job.needs.iter().map(|need| need.bytes.end - need.bytes.start).sum();
        run(bytes, job.clone().on_files()).await
    }

    fn on_files(self: Arc<Self>) -> FileJob {
        Arc::new(move |files| {
            let job = self.clone();
            Box::pin(async move { job.run_on_files(files).await })
        })
    }

    async fn run_on_files(&self, files: &dyn SourceFiles) -> Result<()> {
        let mut run = Run::begin(self)?;
        for need in &self.needs {
            let mut file = files.open(&need.source)?;
            for bytes in need.pieces() {
                let offset = bytes.start;
                run.making.take(need.object, offset, file.read(bytes)?);
                run.give_pieces().await;
            }
        }
        run.finish().await
    }

    /// All blocks are fetched at the same time; the first are worked on while others are under way.
    async fn run_on_blocks(&self, source: &SourceReader) -> Result<()> {
        let mut run = Run::begin(self)?;
        let mut blocks: FuturesOrdered<_> = source.fetch(&self.needs).collect();
        while let Some(block) = blocks.try_next().await? {
            for (offset, bytes) in block.pieces() {
                run.making.take(block.object, offset, bytes);
                run.give_pieces().await;
            }
        }
        run.finish().await
    }
}

/// One attempt.
struct Run<'a> {
    job: &'a Job,
    making: Making<'a>,
    /// Bytes that it made.
    made: u64,
}

impl<'a> Run<'a> {
    fn begin(job: &'a Job) -> Result<Self> {
        Ok(Self { job, making: Making::begin(job)?, made: 0 })
    }

    async fn give_pieces(&mut self) {
        while let Some(piece) = self.making.next_piece() {
            self.give(piece);
            // It is sent while it lies in the processor's cache.
            tokio::task::yield_now().await;
        }
    }

    async fn finish(mut self) -> Result<()> {
        self.making.end();
        self.give_pieces().await;
        let Self { job, making, made } = self;
        let last = making.finish()?;
        let bytes = made + last.len() as u64;
        if job.plan.known_bytes().is_some_and(|known| known != bytes) {
            return Err(source_changed(&job.plan, "its size is not what ingest measured"));
        }
        give(job, made, last);
        Ok(())
    }

    fn give(&mut self, piece: Bytes) {
        let begins = self.made;
        self.made += piece.len() as u64;
        give(self.job, begins, piece);
    }
}

/// Gives what of a piece was not given before.
fn give(job: &Job, begins: u64, mut piece: Bytes) {
    let end = begins + piece.len() as u64;
    let given = job.given.fetch_max(end, Ordering::Relaxed);
    let known = given.saturating_sub(begins).min(piece.len() as u64);
    let new = piece.split_off(known as usize);
    if !new.is_empty() {
        (job.give)(new);
    }
}
