//! A segment that is being made: source bytes go in as they come, finished pieces come out.
//!
//! ```text
//! take(bytes of the source) … ┬ next_piece(): what will not change any more
//!                             └ finish(): the rest
//! ```
//!
//! Clear and AES-128 transport streams with pictures come in pieces, as nothing in them depends on
//! what comes later. The others come whole: the header of a fragment lists the sizes of all
//! samples, which the index does not have, and what SAMPLE-AES adds to a segment is spread over all
//! of it.
//!
//! Work that was begun anew (see [`FileJob`]) makes the same pieces again; they are compared with
//! what was given, and given once. What completes a segment is not given before all of it is
//! checked, so that nobody takes for whole what is not.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream::{FuturesOrdered, TryStreamExt};

use super::fetch::{FileJob, Need, SourceFiles, SourceReader};
use super::fragment::Fragment;
use super::gather::Gatherer;
use super::pool::BufferPool;
use super::transport::{Grouped, Whole};
use super::{LEAST_BYTES_IN_PIECES, source_changed};
use crate::error::Result;
use crate::model::policy::Container;
use crate::model::presentation::Medium;
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

/// Whether a segment comes in more than one piece, so that the first can be sent while the others
/// are made.
pub fn comes_in_pieces(plan: &SegmentPlan) -> bool {
    let is_large = plan.known_bytes().is_some_and(|bytes| bytes >= LEAST_BYTES_IN_PIECES);
    let is_video = |part| plan.track(part).is_some_and(|t| t.codec.medium() == Medium::Video);
    let has_pictures = plan.parts.iter().any(is_video);
    plan.container == Container::MpegTs && is_large && has_pictures && comes_in_groups(plan)
}

/// Whether a transport stream can be written group by group.
fn comes_in_groups(plan: &SegmentPlan) -> bool {
    let is_spread = matches!(plan.protection, Some(SegmentProtection::SampleAes { .. }));
    !is_spread && Gatherer::gives_groups(plan)
}

/// One segment to be made, and who wants it.
pub(super) struct Job {
    plan: SegmentPlan,
    needs: Vec<Need>,
    pool: BufferPool,
    /// No piece but the last is smaller.
    piece_bytes: usize,
    give: Box<dyn Fn(Bytes) + Send + Sync>,
    /// Pieces that were given.
    given: Mutex<Vec<Bytes>>,
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
        let job = Arc::new(Self { plan, needs, pool, piece_bytes, give, given: Mutex::default() });
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
                run.give_pieces().await?;
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
                run.give_pieces().await?;
            }
        }
        run.finish().await
    }

    /// Gives the piece of a number, unless it was given before.
    fn give(&self, number: &mut usize, piece: Bytes) -> Result<()> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let before = given.get(*number);
        *number += 1;
        match before {
            Some(before) if *before == piece => Ok(()),
            Some(_) => Err(source_changed(&self.plan, "it was changed while it was read")),
            None => {
                given.push(piece.clone());
                drop(given);
                if !piece.is_empty() {
                    (self.give)(piece);
                }
                Ok(())
            }
        }
    }
}

/// One attempt.
struct Run<'a> {
    job: &'a Job,
    making: Making<'a>,
    /// Pieces and bytes that it made.
    pieces: usize,
    bytes: u64,
    /// Those with which the segment is complete, or more than that.
    last: Vec<Bytes>,
}

impl<'a> Run<'a> {
    fn begin(job: &'a Job) -> Result<Self> {
        Ok(Self { job, making: Making::begin(job)?, pieces: 0, bytes: 0, last: Vec::new() })
    }

    async fn give_pieces(&mut self) -> Result<()> {
        while let Some(piece) = self.making.next_piece() {
            self.bytes += piece.len() as u64;
            if self.job.plan.known_bytes().is_some_and(|known| self.bytes >= known) {
                self.last.push(piece);
                continue;
            }
            self.job.give(&mut self.pieces, piece)?;
            // Who waits for it can send it.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<()> {
        self.making.end();
        self.give_pieces().await?;
        let Self { job, making, mut pieces, bytes, mut last } = self;
        let end = making.finish()?;
        let bytes = bytes + end.len() as u64;
        if job.plan.known_bytes().is_some_and(|known| known != bytes) {
            return Err(source_changed(&job.plan, "its size is not what ingest measured"));
        }
        last.push(end);
        last.into_iter().try_for_each(|piece| job.give(&mut pieces, piece))
    }
}
