//! From the address of a master playlist to a presentation: fetches, in order, and lets `scan` and
//! `build` do the work.
//!
//! Streams are read in parallel up to a bound, and within a stream the next segments are fetched
//! while one is scanned, so the slower of network and processor decides. Memory is bounded by
//! [`CHUNK_BYTES`] times the reads under way, whatever the size of segments.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::build::{self, ReadStream};
use super::scan::StreamScanner;
use crate::hls::read::{self, MediaContext, MediaSegment, ReadError, StreamEntry, Variables};
use crate::model::ingest::{
    FailureCode, FindingCode, Findings, IngestFailure, Place, Progress, Report,
};
use crate::model::presentation::{Presentation, SourceObject};
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
}

/// A finished ingest.
#[derive(Clone, Debug)]
pub struct Ingested {
    /// What to keep.
    pub presentation: Presentation,
    /// What to tell.
    pub report: Report,
}

/// Segments are read in pieces of this size.
const CHUNK_BYTES: u64 = 4 << 20;
/// Segments of one stream that are fetched ahead.
const SEGMENTS_AHEAD: usize = 3;
/// Streams that are read at the same time.
const PARALLEL_STREAMS: usize = 2;

/// Reads the master playlist at `path` and everything it leads to. `progress` is called often and
/// must be cheap.
pub async fn ingest(
    root: Arc<Root>,
    path: &str,
    limits: IngestLimits,
    progress: impl Fn(Progress) + Send + Sync + 'static,
) -> Result<Ingested, IngestFailure> {
    let path = SourcePath::parse(path).map_err(|error| error.to_ingest_failure())?;
    let bytes = read_playlist(&root, &path, limits).await?;
    let master = read::master_playlist(&bytes, None)
        .map_err(|error| playlist_failure(path.as_str(), &error))?;
    let mut sources = Vec::new();
    for entry in master.streams {
        sources.push(list_segments(&root, &path, entry.entry, &master.variables, limits).await?);
    }
    let segments_total = sources.iter().map(|source| source.segments.len() as u64).sum();
    if segments_total > limits.max_segments {
        return Err(IngestFailure::new(
            FailureCode::LimitExceeded,
            format!(
                "{path} leads to {segments_total} segments; ingest.max_segments allows {}",
                limits.max_segments
            ),
        ));
    }
    let counter = Arc::new(Counter {
        segments_done: AtomicU64::new(0),
        segments_total,
        bytes_read: AtomicU64::new(0),
        report: Box::new(progress),
    });
    counter.tell();
    let tasks = sources.into_iter().map(|source| {
        let (root, counter) = (root.clone(), counter.clone());
        async move {
            // A task of its own, so that streams are scanned on several cores.
            let task = tokio::spawn(read_stream(root, source, limits, counter));
            let task = AbortOnDrop(task);
            task.join().await
        }
    });
    let streams: Vec<ReadStream> =
        stream::iter(tasks).buffered(PARALLEL_STREAMS).try_collect().await?;
    let mut findings = Findings::new();
    for rendition in master.renditions {
        let detail = format!(
            "the {} rendition {:?} has a playlist of its own and is left out",
            rendition.kind, rendition.name
        );
        findings.add(FindingCode::RenditionLeftOut, Place::source(), detail);
    }
    let (presentation, report) = build::presentation(streams, findings)?;
    Ok(Ingested { presentation, report })
}

/// A stream whose media playlist has been read.
struct StreamSource {
    entry: StreamEntry,
    segments: Vec<(MediaSegment, SourcePath)>,
}

struct Counter {
    segments_done: AtomicU64,
    segments_total: u64,
    bytes_read: AtomicU64,
    report: Box<dyn Fn(Progress) + Send + Sync>,
}

impl Counter {
    fn tell(&self) {
        (self.report)(Progress {
            segments_done: self.segments_done.load(Ordering::Relaxed),
            segments_total: self.segments_total,
            bytes_read: self.bytes_read.load(Ordering::Relaxed),
        });
    }
}

/// A task that ends when nobody waits for it any more.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> AbortOnDrop<Result<T, IngestFailure>> {
    async fn join(mut self) -> Result<T, IngestFailure> {
        (&mut self.0).await.unwrap_or_else(|error| {
            Err(IngestFailure::new(
                FailureCode::SourceUnavailable,
                format!("reading was interrupted ({error}); it is tried again"),
            ))
        })
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn list_segments(
    root: &Root,
    master: &SourcePath,
    entry: StreamEntry,
    variables: &Variables,
    limits: IngestLimits,
) -> Result<StreamSource, IngestFailure> {
    let path = master
        .resolve(&entry.uri, root.url())
        .map_err(|error| found_in(master, error.to_ingest_failure()))?;
    let bytes = read_playlist(root, &path, limits).await?;
    let query = entry.uri.split('#').next().and_then(|uri| Some(uri.split_once('?')?.1));
    let context = MediaContext { variables, query, max_segments: limits.max_segments };
    let playlist = read::media_playlist(&bytes, &context)
        .map_err(|error| playlist_failure(path.as_str(), &error))?;
    if let Some(key) = playlist.segments.iter().find_map(|segment| segment.key.as_ref()) {
        let error = ReadError::Encrypted { line: key.line, what: "METHOD=AES-128".to_owned() };
        return Err(playlist_failure(path.as_str(), &error));
    }
    let segments = playlist
        .segments
        .into_iter()
        .map(|segment| {
            let place = path.resolve(&segment.uri, root.url()).map_err(|error| {
                let mut failure = error.to_ingest_failure();
                failure.detail = format!("{path}, line {}: {}", segment.line, failure.detail);
                failure
            })?;
            Ok((segment, place))
        })
        .collect::<Result<_, IngestFailure>>()?;
    Ok(StreamSource { entry, segments })
}

async fn read_playlist(
    root: &Root,
    path: &SourcePath,
    limits: IngestLimits,
) -> Result<Bytes, IngestFailure> {
    root.read_all(path, limits.max_playlist_bytes).await.map_err(|error| error.to_ingest_failure())
}

fn found_in(playlist: &SourcePath, mut failure: IngestFailure) -> IngestFailure {
    failure.detail = format!("{playlist}: {}", failure.detail);
    failure
}

fn playlist_failure(path: &str, error: &ReadError) -> IngestFailure {
    let code = match error {
        ReadError::NotAPlaylist { .. }
        | ReadError::Tag { .. }
        | ReadError::UndefinedVariable { .. }
        | ReadError::NotAMediaPlaylist { .. }
        | ReadError::NoSegments { .. }
        | ReadError::DeltaUpdate { .. }
        | ReadError::IFramesOnly { .. } => FailureCode::NotAPlaylist,
        ReadError::TooManySegments { .. } => FailureCode::LimitExceeded,
        ReadError::NotAMasterPlaylist { .. } => FailureCode::NotAMasterPlaylist,
        ReadError::NoStreams => FailureCode::NoVariants,
        ReadError::NotEnded { .. } => FailureCode::NotVod,
        ReadError::Encrypted { .. } | ReadError::FragmentedMp4 { .. } => {
            FailureCode::UnsupportedContainer
        }
    };
    IngestFailure::new(code, format!("{path}: {error}"))
}

/// A segment whose first bytes are fetched.
struct OpenSegment {
    object: SourceObject,
    first: Bytes,
    discontinuity: bool,
    path: SourcePath,
}

async fn read_stream(
    root: Arc<Root>,
    source: StreamSource,
    limits: IngestLimits,
    counter: Arc<Counter>,
) -> Result<ReadStream, IngestFailure> {
    let mut scanner = StreamScanner::new();
    let mut objects = Vec::with_capacity(source.segments.len());
    let opened = source
        .segments
        .into_iter()
        .map(|(segment, path)| open_segment(root.clone(), segment, path, limits));
    let mut opened = stream::iter(opened).buffered(SEGMENTS_AHEAD);
    while let Some(segment) = opened.next().await {
        let OpenSegment { object, first, discontinuity, path } = segment?;
        scanner.begin_object(objects.len() as u32, path.as_str(), discontinuity)?;
        scanner.push(&first)?;
        let mut done = first.len() as u64;
        counter.bytes_read.fetch_add(done, Ordering::Relaxed);
        while done < object.size {
            let length = CHUNK_BYTES.min(object.size - done);
            let from = object.start + done;
            let bytes = root
                .read_range(&path, from..from + length)
                .await
                .map_err(|error| error.to_ingest_failure())?;
            scanner.push(&bytes)?;
            done += length;
            counter.bytes_read.fetch_add(length, Ordering::Relaxed);
            counter.tell();
        }
        let packet_bytes = scanner.end_object()?;
        objects.push(SourceObject { packet_bytes, ..object });
        counter.segments_done.fetch_add(1, Ordering::Relaxed);
        counter.tell();
        // Scanning is work for the processor; let others have their turn.
        tokio::task::yield_now().await;
    }
    drop(opened);
    Ok(ReadStream { declared: source.entry, objects, scan: scanner.finish()? })
}

async fn open_segment(
    root: Arc<Root>,
    segment: MediaSegment,
    path: SourcePath,
    limits: IngestLimits,
) -> Result<OpenSegment, IngestFailure> {
    let (start, size) = match segment.byte_range {
        Some(range) => range,
        None => {
            let stat = root.stat(&path).await.map_err(|error| error.to_ingest_failure())?;
            (0, stat.size)
        }
    };
    if size > limits.max_segment_bytes {
        return Err(IngestFailure::new(
            FailureCode::LimitExceeded,
            format!(
                "{path} has {size} bytes; ingest.max_segment_bytes allows {}",
                limits.max_segment_bytes
            ),
        ));
    }
    let first = root
        .read_range(&path, start..start.saturating_add(size.min(CHUNK_BYTES)))
        .await
        .map_err(|error| error.to_ingest_failure())?;
    Ok(OpenSegment {
        object: SourceObject { path: path.to_stored(), start, size, packet_bytes: 188 },
        first,
        discontinuity: segment.discontinuity,
        path,
    })
}
