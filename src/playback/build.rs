//! Segments out of the cache, or made for it: whole, or so far that they can be answered with.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;
use tracing::Instrument;

use super::content::{Content, Stored};
use super::growing::Growing;
use super::handler::{Playback, log};
use super::room::Place;
use crate::catalog::AssetView;
use crate::error::{Error, Result};
use crate::package::{self, SourceReader};
use crate::plan::SegmentPlan;

impl Playback {
    /// A media segment, from the cache or built once.
    pub(super) async fn segment(
        self: &Arc<Self>,
        view: &AssetView,
        plan: SegmentPlan,
    ) -> Result<Stored> {
        let key = plan.key();
        if let Some(stored) = self.underway.get(&key) {
            return stored.begun().await;
        }
        let reader = self.source_reader(view)?;
        let context = format!("asset {}", view.name);
        // Clear files are read in pieces.
        let is_in_pieces = self.root(view)?.is_local() && package::is_clear(&plan);
        let read = if is_in_pieces { 0 } else { source_bytes(&plan)? };
        let build = || {
            // Log lines of the build are told apart by the request that began it.
            let span = match self.traces {
                true => tracing::info_span!("build_segment", key = plan.key()),
                false => tracing::Span::current(),
            };
            let build = Build { playback: self.clone(), reader, plan, context };
            build.run(read).instrument(span)
        };
        // One that failed before it was stored.
        self.segments.remove_if(&key, Stored::has_failed);
        self.segments.get_or_build(key, build).await?.begun().await
    }
}

/// What is read of a source that is not here for a segment. Files are read in small pieces.
fn source_bytes(plan: &SegmentPlan) -> Result<u64> {
    let blocks = package::source_blocks(plan)?;
    Ok(blocks.iter().map(|block| block.bytes.end.saturating_sub(block.bytes.start)).sum())
}

/// A segment that is to be made.
struct Build {
    /// Where it goes.
    playback: Arc<Playback>,
    /// What it is made from.
    reader: SourceReader,
    /// The segment.
    plan: SegmentPlan,
    /// Whose it is, for errors.
    context: String,
}

impl Build {
    /// Makes it, or its first piece, as soon as there is room; `read` is what is held of its source
    /// meanwhile, in bytes.
    async fn run(self, read: u64) -> Result<Stored> {
        let place = self.playback.room.take(self.plan.bytes + read).await;
        match package::comes_in_pieces(&self.plan) {
            true => self.growing(place).await,
            false => self.whole(place).await,
        }
    }

    async fn whole(self, place: Option<Place>) -> Result<Stored> {
        let Self { playback, reader, plan, context } = self;
        let (started, container) = (Instant::now(), plan.container);
        let made = package::segment(&reader, plan).await;
        let mut rendered = made.map_err(|error| error.context(context))?;
        let bytes = rendered.bytes.len() as u64;
        playback.metrics.segment_built(container, started.elapsed(), bytes);
        if let Some(place) = place {
            rendered.bytes = place.hold(rendered.bytes);
        }
        Ok(rendered.into())
    }

    /// Comes back with the first piece. The others follow whoever waits for them, so a failure
    /// behind it is logged and counted here.
    async fn growing(self, place: Option<Place>) -> Result<Stored> {
        let Self { playback, reader, plan, context } = self;
        let (maker, growing) = Growing::new(plan.bytes);
        let (content_type, key) = (plan.content_type(), plan.key());
        let etag = key.as_str().into();
        let stored = Stored { content: Content::Growing(growing.clone()), content_type, etag };
        let underway = playback.underway.begin(key.clone(), &stored, growing.clone());
        let making = async move {
            let (started, container, bytes) = (Instant::now(), plan.container, plan.bytes);
            let maker = Arc::new(maker);
            let pieces = maker.clone();
            let made = package::segment_in_pieces(&reader, plan, move |piece| pieces.give(piece));
            // Nobody else would tell of a panic behind the first piece.
            let made = AssertUnwindSafe(made).catch_unwind().await;
            let made = made.unwrap_or_else(|_| Err(Error::internal("making a segment panicked")));
            let made = made.map_err(|error| error.context(context));
            let failure = made.as_ref().err().cloned();
            // Nobody shall join what has failed.
            drop(underway);
            let is_used = maker.end(made, place.and_then(|place| place.keep(bytes)));
            let Some(error) = failure else {
                return playback.metrics.segment_built(container, started.elapsed(), bytes);
            };
            playback.segments.remove_if(&key, Stored::has_failed);
            if is_used {
                log(&error);
                playback.metrics.error(error.kind(), error.blame());
            }
        };
        tokio::spawn(making.in_current_span());
        growing.begun().await?;
        Ok(stored)
    }
}
