//! From the address of a master playlist to a presentation: has streams read in parallel, and lets
//! `scan` and `build` do the work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{StreamExt, stream};

use super::build::{self, ReadStream};
use super::choice;
use super::listing::{self, Claim, StreamSource, playlist_failure};
use super::notes::add_notes;
use super::report;
use super::segments::{AbortOnDrop, SegmentReader, Watch};
use super::session;
use super::text;
use crate::config::MissingVariants;
use crate::hls::read::{self, StreamEntry, Variables};
use crate::model::ingest::{
    FailureCode, FindingCode, Findings, IngestFailure, Place, Progress, Report,
};
use crate::model::presentation::{Presentation, StreamRole};
use crate::source::{Root, SourcePath};

/// What a source may be, at most.
#[derive(Clone, Copy, Debug)]
pub struct IngestLimits {
    /// Segments in all media playlists together.
    pub max_segments: u64,
    /// Bytes of a playlist.
    pub max_playlist_bytes: u64,
    /// Bytes of a segment.
    pub max_segment_bytes: u64,
    /// What happens where some streams cannot be read.
    pub missing_variants: MissingVariants,
}

/// A finished ingest.
#[derive(Clone, Debug)]
pub struct Ingested {
    /// What to keep.
    pub presentation: Presentation,
    /// What to tell.
    pub report: Report,
}

/// Reads the master playlist at `path` and everything it leads to. `progress` is called often and
/// must be cheap.
pub async fn ingest(
    root: Arc<Root>,
    path: &str,
    limits: IngestLimits,
    progress: impl Fn(Progress) + Send + Sync + 'static,
) -> Result<Ingested, IngestFailure> {
    // Whoever mended a key and tries again means the new one.
    root.forget_keys();
    let path = SourcePath::parse(path).map_err(|error| error.to_ingest_failure())?;
    let bytes = listing::read_playlist(&root, &path, limits).await?;
    let master = read::master_playlist(&bytes, None)
        .map_err(|error| playlist_failure(path.as_str(), &error))?;
    let mut findings = Findings::new();
    add_notes(&master.notes, path.as_str(), None, &mut findings);
    let choices = choice::choices(&root, &path, &master, &mut findings);
    let mut missing = Missing::new(&path, limits.missing_variants);
    let (mut attempts, mut sources) = (Vec::new(), Vec::new());
    for choice in choices {
        let mut attempt = Attempt {
            line: choice.line,
            role: choice.role,
            uri: choice.copies.first().map(|entry| entry.uri.clone()).unwrap_or_default(),
            copies: choice.copies.into_iter(),
            failure: None,
        };
        match attempt.list(&root, &path, &master.variables, limits).await {
            Ok(source) => {
                sources.push(source);
                attempts.push(attempt);
            }
            Err(failure) => missing.add(attempt.line, attempt.uri, &attempt.role, failure)?,
        }
    }
    let shown = sources.iter().zip(&attempts).filter(|(_, attempt)| attempt.role.is_variant);
    let start = session::start(&master, shown.map(|(source, _)| source));
    listing::break_at_gaps(&mut sources);
    let counter = Arc::new(Counter {
        segments_done: AtomicU64::new(0),
        segments_total: AtomicU64::new(0),
        bytes_read: AtomicU64::new(0),
        report: Box::new(progress),
    });
    for source in &sources {
        counter.expect(source, &path, limits)?;
    }
    counter.tell();
    let variables = master.variables.clone();
    let segments = SegmentReader::default();
    let parallel = segments.parallel_streams(&root);
    let job = Arc::new(Job { root, path, variables, limits, counter, segments });
    let tasks = sources.into_iter().zip(attempts).map(|(source, attempt)| {
        let job = job.clone();
        async move {
            let (line, uri, role) = (attempt.line, attempt.uri.clone(), attempt.role.clone());
            // A task of its own, so that streams are scanned on several cores.
            let task = AbortOnDrop(tokio::spawn(read_copies(job, source, attempt)));
            (line, uri, role, task.join().await)
        }
    });
    let mut tasks = stream::iter(tasks).buffered(parallel);
    let (mut streams, mut claims) = (Vec::new(), Vec::new());
    while let Some((line, uri, role, result)) = tasks.next().await {
        match result {
            Ok((stream, of_stream, claim)) => {
                claims.push((stream.declared.uri.clone(), claim));
                streams.push(ReadStream { role, ..stream });
                findings.extend(of_stream);
            }
            Err(failure) => missing.add(line, uri, &role, failure)?,
        }
    }
    drop(tasks);
    if !streams.iter().any(|stream: &ReadStream| stream.role.is_variant) {
        return Err(missing.first());
    }
    missing.tell(&mut findings);
    let texts = text::read(&job.root, &job.path, &master, limits, &mut findings).await?;
    let session = session::read(&job.root, &job.path, &master, start, &mut findings).await?;
    let (mut presentation, mut report) = build::presentation(streams, findings)?;
    let mut of_texts = Findings::from(std::mem::take(&mut report.findings));
    presentation.session = session;
    presentation.texts = text::place(&presentation, &texts, &mut of_texts);
    report.findings = of_texts.into_sorted();
    let mut differing = Findings::new();
    for ((stream, (uri, claim)), media) in
        report.streams.iter().zip(claims).zip(&presentation.streams)
    {
        let measured = report::segment_milliseconds(media);
        if let Some((count, detail)) = claim.segments_differ(&measured) {
            let place = Place::stream(uri);
            differing.add_many(FindingCode::ExtinfDiffers, place, count, detail);
            continue;
        }
        if let Some(detail) = claim.differs(stream.duration_milliseconds) {
            differing.add(FindingCode::ExtinfDiffers, Place::stream(uri), detail);
        }
    }
    // Behind the others: nothing is less grave.
    report.findings.extend(differing.into_sorted());
    Ok(Ingested { presentation, report })
}

/// What all streams of an ingest have in common.
struct Job {
    root: Arc<Root>,
    /// The master playlist.
    path: SourcePath,
    variables: Variables,
    limits: IngestLimits,
    counter: Arc<Counter>,
    segments: SegmentReader,
}

/// The copies of a stream that are still to be tried.
struct Attempt {
    /// Its line in the master playlist.
    line: usize,
    /// Its URI there.
    uri: String,
    role: StreamRole,
    copies: std::vec::IntoIter<StreamEntry>,
    /// Why the last copy was given up.
    failure: Option<IngestFailure>,
}

impl Attempt {
    /// The next copy whose playlist can be read, or why the first could not.
    async fn list(
        &mut self,
        root: &Root,
        master: &SourcePath,
        variables: &Variables,
        limits: IngestLimits,
    ) -> Result<StreamSource, IngestFailure> {
        for entry in self.copies.by_ref() {
            match listing::list(root, master, entry, variables, limits).await {
                Ok(mut source) => {
                    if let Some(failure) = &self.failure {
                        let at = Place::stream(&self.uri).file(master.as_str());
                        let at = at.line(self.line as u64);
                        let detail = format!(
                            "the copy {} is used for the stream in line {} ({failure})",
                            source.entry.uri, self.line
                        );
                        source.findings.add(FindingCode::RedundantVariant, at, detail);
                    }
                    return Ok(source);
                }
                Err(failure) => {
                    self.failure.get_or_insert(failure);
                }
            }
        }
        Err(self.failure.take().unwrap_or_else(|| {
            IngestFailure::new(FailureCode::NoVariants, format!("{master}: a stream has no URI"))
        }))
    }
}

/// Streams that cannot be read.
struct Missing {
    master: String,
    policy: MissingVariants,
    streams: Vec<MissingStream>,
}

struct MissingStream {
    /// In the master playlist.
    line: usize,
    uri: String,
    is_variant: bool,
    failure: IngestFailure,
}

impl Missing {
    fn new(master: &SourcePath, policy: MissingVariants) -> Self {
        Self { master: master.to_string(), policy, streams: Vec::new() }
    }

    /// Leaves a stream out, or fails where that is wanted, where trying again may help, or where
    /// the title is not what it should be as a whole.
    fn add(
        &mut self,
        line: usize,
        uri: String,
        role: &StreamRole,
        failure: IngestFailure,
    ) -> Result<(), IngestFailure> {
        let is_of_the_title =
            matches!(failure.code, FailureCode::NotVod | FailureCode::LimitExceeded);
        if self.policy == MissingVariants::Fail || failure.code.is_transient() || is_of_the_title {
            return Err(failure);
        }
        let is_variant = role.is_variant;
        self.streams.push(MissingStream { line, uri, is_variant, failure });
        Ok(())
    }

    /// Why the first stream that could be shown cannot be read.
    fn first(self) -> IngestFailure {
        let first = self.streams.into_iter().min_by_key(|one| (!one.is_variant, one.line));
        first.map_or_else(
            || IngestFailure::new(FailureCode::NoVariants, "there is nothing to play"),
            |first| first.failure,
        )
    }

    fn tell(&self, findings: &mut Findings) {
        for MissingStream { line, uri, is_variant, failure } in &self.streams {
            let place = Place::stream(uri).file(&self.master).line(*line as u64);
            let detail =
                format!("{uri}, in line {line} of {}, is left out ({failure})", self.master);
            let code = match is_variant {
                true => FindingCode::VariantMissing,
                false => FindingCode::RenditionLeftOut,
            };
            findings.add(code, place, detail);
        }
    }
}

struct Counter {
    segments_done: AtomicU64,
    segments_total: AtomicU64,
    bytes_read: AtomicU64,
    report: Box<dyn Fn(Progress) + Send + Sync>,
}

impl Counter {
    fn tell(&self) {
        (self.report)(Progress {
            segments_done: self.segments_done.load(Ordering::Relaxed),
            segments_total: self.segments_total.load(Ordering::Relaxed),
            bytes_read: self.bytes_read.load(Ordering::Relaxed),
        });
    }

    /// Counts the segments of a stream that is going to be read.
    fn expect(
        &self,
        source: &StreamSource,
        master: &SourcePath,
        limits: IngestLimits,
    ) -> Result<(), IngestFailure> {
        let more = source.segments.len() as u64;
        let total = self.segments_total.fetch_add(more, Ordering::Relaxed).saturating_add(more);
        if total <= limits.max_segments {
            return Ok(());
        }
        Err(IngestFailure::new(
            FailureCode::LimitExceeded,
            format!(
                "{master} leads to {total} segments at least; ingest.max_segments allows {}",
                limits.max_segments
            ),
        ))
    }

    /// Forgets a stream that was given up after `done` of its segments.
    fn give_up(&self, segments: u64, done: u64) {
        self.segments_done.fetch_sub(done, Ordering::Relaxed);
        self.segments_total.fetch_sub(segments, Ordering::Relaxed);
        self.tell();
    }
}

/// Reads a stream, or the first copy of it that can be read.
async fn read_copies(
    job: Arc<Job>,
    source: StreamSource,
    mut attempt: Attempt,
) -> Result<(ReadStream, Findings, Claim), IngestFailure> {
    let mut source = source;
    loop {
        let segments = source.segments.len() as u64;
        let mut done = 0;
        match read_stream(&job, source, &mut done).await {
            Ok(read) => return Ok(read),
            Err(failure) => attempt.failure.get_or_insert(failure),
        };
        job.counter.give_up(segments, done);
        source = attempt.list(&job.root, &job.path, &job.variables, job.limits).await?;
        job.counter.expect(&source, &job.path, job.limits)?;
    }
}

/// Reads a stream; `segments_done` counts its segments.
async fn read_stream(
    job: &Arc<Job>,
    source: StreamSource,
    segments_done: &mut u64,
) -> Result<(ReadStream, Findings, Claim), IngestFailure> {
    let dates = source.segments.iter().map(|segment| segment.date).collect();
    let progress = StreamProgress { counter: job.counter.clone(), done: AtomicU64::new(0) };
    let progress = Arc::new(progress);
    let read = job.segments.read(&job.root, source.segments, job.limits, progress.clone()).await;
    *segments_done = progress.done.load(Ordering::Relaxed);
    let (scanner, objects) = read?;
    let read = ReadStream {
        declared: source.entry,
        role: StreamRole::default(),
        objects,
        dates,
        marks: source.markers,
        scan: scanner.finish()?,
    };
    Ok((read, source.findings, source.claim))
}

/// What is told of one stream while it is read.
struct StreamProgress {
    counter: Arc<Counter>,
    /// Segments that were read.
    done: AtomicU64,
}

impl Watch for StreamProgress {
    fn bytes(&self, count: u64) {
        self.counter.bytes_read.fetch_add(count, Ordering::Relaxed);
        self.counter.tell();
    }

    fn segment(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.counter.segments_done.fetch_add(1, Ordering::Relaxed);
        self.counter.tell();
    }
}
