//! The segments of a stream, in order, from the source into its scanner.
//!
//! ```text
//! local   sizes ─► files, so many bytes at a time ─► piece ─► scanner    all on one thread
//! remote  sizes ─► reads, many at a time ─► pieces in order ─► scanner
//! ```
//!
//! Files are read where they are scanned, in pieces that stay in the processor's cache, on threads
//! that may block: one for each stream that is read at the same time. Object storage has to be
//! waited for, so reads are under way ahead of the scanner, of several segments and in parts of
//! large ones; the slower of network and processor decides. All streams of an ingest together have
//! at most [`PARTS_AHEAD`] parts of [`PART_BYTES`] in memory, whatever the size of segments.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ingest::IngestLimits;
use super::listing::SegmentSource;
use super::scan::{PIECE_BYTES, StreamScanner};
use crate::model::ingest::{FailureCode, IngestFailure};
use crate::model::presentation::SourceObject;
use crate::source::{LocalFiles, Root, SourceError, SourcePath};

/// Object storage is asked for at most this much at a time, not quite 4 MiB: whole pieces, so that
/// those do not depend on it.
const PART_BYTES: u64 = 21 * PIECE_BYTES as u64;
/// Parts that are fetched, or wait to be scanned, in all streams of an ingest together.
const PARTS_AHEAD: usize = 16;
/// Segments of one stream whose size is asked ahead.
const SIZES_AHEAD: usize = 8;
/// So many bytes of files are read without a pause: an ingest that is given up ends behind them.
const TURN_BYTES: u64 = 32 << 20;

/// Who wants to know how far reading is.
pub(super) trait Watch: Send + Sync + 'static {
    /// So many bytes more were scanned.
    fn bytes(&self, count: u64);
    /// A segment more was scanned.
    fn segment(&self);
}

/// Reads the streams of one ingest.
pub(super) struct SegmentReader {
    /// One permit for each part that may be in memory.
    parts: Arc<Semaphore>,
}

impl Default for SegmentReader {
    fn default() -> Self {
        Self { parts: Arc::new(Semaphore::new(PARTS_AHEAD)) }
    }
}

impl SegmentReader {
    /// How many streams are read at the same time: as many as there are cores, and more where they
    /// wait for each other's answers. Beyond a few, one ingest has enough.
    pub fn parallel_streams(&self, root: &Root) -> usize {
        let fewest = if root.is_local() { 2 } else { 4 };
        std::thread::available_parallelism().map_or(fewest, |cores| cores.get().clamp(fewest, 8))
    }

    /// Reads all segments of a stream.
    pub async fn read(
        &self,
        root: &Arc<Root>,
        segments: Vec<SegmentSource>,
        limits: IngestLimits,
        watch: Arc<impl Watch>,
    ) -> Result<(StreamScanner, Vec<SourceObject>), IngestFailure> {
        let reading = Reading { scanner: StreamScanner::new(), objects: Vec::new(), watch };
        let is_local = root.is_local() && segments.iter().all(|one| one.encryption.is_none());
        let measured = measure_all(root.clone(), segments, limits);
        let reading = match is_local {
            true => read_files(root, measured, reading).await?,
            false => self.read_parts(root, measured, reading).await?,
        };
        Ok((reading.scanner, reading.objects))
    }

    async fn read_parts<W: Watch>(
        &self,
        root: &Arc<Root>,
        measured: impl Stream<Item = Result<Measured, IngestFailure>>,
        mut reading: Reading<W>,
    ) -> Result<Reading<W>, IngestFailure> {
        let parts = measured.map_ok(|segment| stream::iter(segment.parts()).map(Ok)).try_flatten();
        // In order: who comes first has its permit before those behind it, so that there is always
        // a stream that can go on.
        let (root, ahead) = (root.clone(), self.parts.clone());
        let fetches = parts.and_then(move |part| {
            let (root, ahead) = (root.clone(), ahead.clone());
            async move {
                let permit = ahead.acquire_owned().await.map_err(interrupted)?;
                Ok(fetch(root, part, permit))
            }
        });
        let mut fetched = std::pin::pin!(fetches.try_buffered(PARTS_AHEAD));
        while let Some((part, bytes, permit)) = fetched.try_next().await? {
            if part.is_first() {
                reading.begin(&part.segment)?;
            }
            reading.push(&part.segment, &bytes)?;
            if part.is_last() {
                reading.end(&part.segment)?;
            }
            drop((bytes, permit));
            // Scanning is work for the processor; let others have their turn.
            tokio::task::yield_now().await;
        }
        Ok(reading)
    }
}

/// A stream on its way into its scanner.
struct Reading<W> {
    scanner: StreamScanner,
    objects: Vec<SourceObject>,
    watch: Arc<W>,
}

impl<W: Watch> Reading<W> {
    fn begin(&mut self, segment: &Measured) -> Result<(), IngestFailure> {
        let number = self.objects.len() as u32;
        self.scanner.begin_object(number, segment.path.as_str(), segment.discontinuity)
    }

    fn push(&mut self, segment: &Measured, bytes: &[u8]) -> Result<(), IngestFailure> {
        self.scanner.push(bytes).map_err(|failure| undecrypted(failure, &segment.object))?;
        self.watch.bytes(bytes.len() as u64);
        Ok(())
    }

    fn end(&mut self, segment: &Measured) -> Result<(), IngestFailure> {
        let ended = self.scanner.end_object();
        let packet_bytes = ended.map_err(|failure| undecrypted(failure, &segment.object))?;
        self.objects.push(SourceObject { packet_bytes, ..segment.object.clone() });
        self.watch.segment();
        Ok(())
    }

    /// Reads parts of files, on a thread that may block.
    fn read_files(&mut self, files: &LocalFiles, parts: &[Part]) -> Result<(), IngestFailure> {
        let failed = |error: SourceError| error.to_ingest_failure();
        for part in parts {
            let segment = &part.segment;
            let mut file = files.open(&segment.object).map_err(failed)?;
            let mut done = part.bytes.start;
            if part.is_first() {
                self.begin(segment)?;
                done = part.bytes.end.min(PIECE_BYTES as u64);
                let start = file.read(0..done).map_err(failed)?;
                if StreamScanner::is_transport_stream(start) {
                    self.push(segment, start)?;
                } else {
                    // Tags in front of packed audio may be long.
                    done = part.bytes.end.min(PART_BYTES);
                    self.push(segment, file.read(0..done).map_err(failed)?)?;
                }
            }
            while done < part.bytes.end {
                let end = part.bytes.end.min(done + PIECE_BYTES as u64);
                self.push(segment, file.read(done..end).map_err(failed)?)?;
                done = end;
            }
            if part.is_last() {
                self.end(segment)?;
            }
        }
        Ok(())
    }
}

/// Reads segments that are files here.
async fn read_files<W: Watch>(
    root: &Root,
    measured: impl Stream<Item = Result<Measured, IngestFailure>>,
    mut reading: Reading<W>,
) -> Result<Reading<W>, IngestFailure> {
    let parts = measured.map_ok(|segment| stream::iter(segment.parts()).map(Ok)).try_flatten();
    let mut parts = std::pin::pin!(parts);
    loop {
        let (mut turn, mut bytes) = (Vec::new(), 0_u64);
        while bytes < TURN_BYTES
            && let Some(part) = parts.try_next().await?
        {
            bytes = bytes.saturating_add(part.bytes.end - part.bytes.start);
            turn.push(part);
        }
        if turn.is_empty() {
            return Ok(reading);
        }
        let work = move |files: &LocalFiles| {
            let read = reading.read_files(files, &turn);
            read.map(|()| reading)
        };
        let done = root.with_files(bytes, work).await;
        reading = done.map_err(|error| error.to_ingest_failure())??;
    }
}

/// A segment whose size is known.
struct Measured {
    object: SourceObject,
    discontinuity: bool,
    path: SourcePath,
}

impl Measured {
    /// Cuts it; an empty one is one empty part.
    fn parts(self) -> impl Iterator<Item = Part> {
        let segment = Arc::new(self);
        let size = segment.object.size;
        (0..size.div_ceil(PART_BYTES).max(1)).map(move |number| {
            let start = number * PART_BYTES;
            Part { segment: segment.clone(), bytes: start..size.min(start + PART_BYTES) }
        })
    }
}

/// A part of a segment.
struct Part {
    segment: Arc<Measured>,
    /// Counted from the segment's start.
    bytes: std::ops::Range<u64>,
}

impl Part {
    fn is_first(&self) -> bool {
        self.bytes.start == 0
    }

    fn is_last(&self) -> bool {
        self.bytes.end == self.segment.object.size
    }
}

/// Reads a part in a task of its own, so that it comes while others are scanned. The permit goes
/// with its bytes.
async fn fetch(
    root: Arc<Root>,
    part: Part,
    permit: OwnedSemaphorePermit,
) -> Result<(Part, Bytes, OwnedSemaphorePermit), IngestFailure> {
    let task = tokio::spawn(async move {
        let read = root.read_object(&part.segment.object, part.bytes.clone()).await;
        let bytes = read.map_err(|error| error.to_ingest_failure())?;
        Ok((part, bytes, permit))
    });
    AbortOnDrop(task).join().await
}

/// Finds out how large segments are, some ahead of who wants to know. Each in a task of its own: a
/// request that has its permit from the root gives it back, though nobody asks for the size for as
/// long as the segment before is read, with permits of the same root.
fn measure_all(
    root: Arc<Root>,
    segments: Vec<SegmentSource>,
    limits: IngestLimits,
) -> impl Stream<Item = Result<Measured, IngestFailure>> {
    let measured = segments.into_iter().map(move |one| {
        let root = root.clone();
        async move { AbortOnDrop(tokio::spawn(measure(root, one, limits))).join().await }
    });
    stream::iter(measured).buffered(SIZES_AHEAD)
}

/// Finds out how large a segment is.
async fn measure(
    root: Arc<Root>,
    segment: SegmentSource,
    limits: IngestLimits,
) -> Result<Measured, IngestFailure> {
    let path = segment.path;
    let failed = |error: SourceError| error.to_ingest_failure();
    let (start, stored) = match segment.byte_range {
        Some(range) => range,
        None => (0, root.stat(&path).await.map_err(failed)?.size),
    };
    if stored > limits.max_segment_bytes {
        return Err(IngestFailure::new(
            FailureCode::LimitExceeded,
            format!(
                "{path} has {stored} bytes; ingest.max_segment_bytes allows {}",
                limits.max_segment_bytes
            ),
        ));
    }
    let size = match &segment.encryption {
        Some(encryption) => {
            root.clear_size(&path, start, stored, encryption).await.map_err(failed)?
        }
        None => stored,
    };
    let object = SourceObject {
        path: path.to_stored(),
        start,
        size,
        packet_bytes: 188,
        encryption: segment.encryption,
    };
    Ok(Measured { object, discontinuity: segment.discontinuity, path })
}

/// A segment's start.
pub(super) struct SegmentStart {
    pub path: SourcePath,
    /// Bytes of the whole segment.
    pub size: u64,
    pub bytes: Bytes,
}

/// Reads a segment of text, or as much of it as `most` allows.
pub(super) async fn read_start(
    root: Arc<Root>,
    segment: SegmentSource,
    limits: IngestLimits,
    most: u64,
) -> Result<SegmentStart, IngestFailure> {
    let Measured { object, path, .. } = measure(root.clone(), segment, limits).await?;
    let read = root.read_object(&object, 0..object.size.min(most)).await;
    let bytes = read.map_err(|error| error.to_ingest_failure())?;
    Ok(SegmentStart { path, size: object.size, bytes })
}
fn interrupted(error: impl std::fmt::Display) -> IngestFailure {
    IngestFailure::new(
        FailureCode::SourceUnavailable,
        format!("reading was interrupted ({error}); it is tried again"),
    )
}

/// A task that ends when nobody waits for it any more.
pub(super) struct AbortOnDrop<T>(pub tokio::task::JoinHandle<T>);

impl<T> AbortOnDrop<Result<T, IngestFailure>> {
    pub async fn join(mut self) -> Result<T, IngestFailure> {
        (&mut self.0).await.unwrap_or_else(|error| Err(interrupted(error)))
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a wrong key makes of a transport stream is no transport stream.
fn undecrypted(failure: IngestFailure, object: &SourceObject) -> IngestFailure {
    match &object.encryption {
        Some(encryption) if failure.code == FailureCode::UnsupportedContainer => {
            IngestFailure::new(
                FailureCode::CorruptSegment,
                format!(
                    "{}; it was decrypted with the key {}: check that EXT-X-KEY names the key and \
                     the IV that the segment was encrypted with, then ingest again",
                    failure.detail, encryption.key
                ),
            )
        }
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::config::{Config, MissingVariants, Overrides};
    use crate::source::Sources;
    use crate::telemetry::Metrics;

    const LIMITS: IngestLimits = IngestLimits {
        max_segments: 100,
        max_playlist_bytes: 1 << 20,
        max_segment_bytes: 1 << 24,
        missing_variants: MissingVariants::Warn,
    };

    #[derive(Default)]
    struct Count {
        bytes: AtomicU64,
        segments: AtomicU64,
    }

    impl Watch for Count {
        fn bytes(&self, count: u64) {
            self.bytes.fetch_add(count, Ordering::Relaxed);
        }

        fn segment(&self) {
            self.segments.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn root_of(folder: &Path, concurrency: &str) -> Arc<Root> {
        let metrics = Arc::new(Metrics::new().unwrap());
        let url = url::Url::from_directory_path(folder).unwrap();
        let overrides = Overrides { sources: vec![format!("title={url}")], ..Overrides::default() };
        let settings = [("PACKORIGIN_SOURCE_CONCURRENCY".to_owned(), concurrency.to_owned())];
        let config = Config::load(None, settings, &overrides).unwrap();
        let sources = Sources::open(&config.sources, &config.source, &config.egress, &metrics);
        sources.unwrap().get("title").unwrap()
    }

    fn segment(name: &str, discontinuity: bool) -> SegmentSource {
        SegmentSource {
            path: SourcePath::parse(name).unwrap(),
            byte_range: None,
            discontinuity,
            encryption: None,
            date: None,
            at: Duration::ZERO,
            duration: None,
        }
    }

    /// What both ways of reading make of the same segments; all that was noted, or why not.
    async fn read_both_ways(segments: &[Vec<u8>], discontinuity: bool) -> [String; 2] {
        let folder = tempfile::tempdir().unwrap();
        for (number, bytes) in segments.iter().enumerate() {
            std::fs::write(folder.path().join(format!("{number}.ts")), bytes).unwrap();
        }
        let root = root_of(folder.path(), "32");
        let reader = SegmentReader::default();
        let mut told = Vec::new();
        for is_local in [true, false] {
            let names = (0..segments.len()).map(|number| format!("{number}.ts"));
            let sources = names.map(|name| segment(&name, discontinuity));
            let measured = measure_all(root.clone(), sources.collect(), LIMITS);
            let watch = Arc::new(Count::default());
            let reading = Reading {
                scanner: StreamScanner::new(),
                objects: Vec::new(),
                watch: watch.clone(),
            };
            let read = match is_local {
                true => read_files(&root, measured, reading).await,
                false => reader.read_parts(&root, measured, reading).await,
            };
            let scanned = read.and_then(|read| Ok((read.objects, read.scanner.finish()?)));
            if scanned.is_ok() {
                let all: usize = segments.iter().map(Vec::len).sum();
                assert_eq!(watch.bytes.load(Ordering::Relaxed), all as u64);
                assert_eq!(watch.segments.load(Ordering::Relaxed), segments.len() as u64);
            }
            assert_eq!(reader.parts.available_permits(), PARTS_AHEAD, "all parts are given back");
            told.push(format!("{scanned:?}"));
        }
        told.try_into().unwrap()
    }

    /// Sizes are asked ahead of reads, and both take turns at the root.
    #[tokio::test]
    async fn one_request_at_a_time_is_enough() {
        let folder = tempfile::tempdir().unwrap();
        let stream = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/ladder/360p/000.ts");
        let names: Vec<String> = (0..14).map(|number| format!("{number}.ts")).collect();
        for name in &names {
            let path = folder.path().join(name);
            std::fs::copy(&stream, &path).unwrap();
            // Several turns of files, and holes behind the packets take no room.
            std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(8 << 20).unwrap();
        }
        let root = root_of(folder.path(), "1");
        let reader = SegmentReader::default();
        for is_local in [true, false] {
            let segments = names.iter().map(|name| segment(name, false)).collect();
            let measured = measure_all(root.clone(), segments, LIMITS);
            let watch = Arc::new(Count::default());
            let (scanner, objects) = (StreamScanner::new(), Vec::new());
            let reading = Reading { scanner, objects, watch: watch.clone() };
            let read = async {
                match is_local {
                    true => read_files(&root, measured, reading).await,
                    false => reader.read_parts(&root, measured, reading).await,
                }
            };
            let read = tokio::time::timeout(Duration::from_secs(60), read).await;
            assert!(read.expect("it does not wait for itself").is_ok(), "local: {is_local}");
            assert_eq!(watch.segments.load(Ordering::Relaxed), 14);
        }
    }

    #[tokio::test]
    async fn files_and_parts_that_are_fetched_are_read_alike() {
        let read = |name: &str| {
            std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name))
                .unwrap()
        };
        let ladder: Vec<_> =
            (0..4).map(|number| read(&format!("ladder/360p/00{number}.ts"))).collect();
        // Longer than a part, and no whole number of packets in its pieces.
        let large = ladder.concat();
        let large = large.repeat(2 * PART_BYTES as usize / large.len() + 1);
        let mut damaged = large.clone();
        damaged.drain(700_000..700_100);
        damaged.truncate(2 * PART_BYTES as usize);
        let packed = read("quirks/he-aac.aac");
        let cases = [
            (ladder.clone(), true),
            (vec![large.clone()], true),
            (vec![damaged, ladder[0].clone()], true),
            // Enough for several turns, and for more parts than may be fetched at once.
            (vec![large; 9], true),
            (vec![ladder[0].clone(), Vec::new()], false),
            (vec![packed], false),
            (vec![b"<html>".repeat(100_000)], false),
        ];
        for (number, (segments, is_good)) in cases.into_iter().enumerate() {
            for discontinuity in [false, true] {
                let [local, fetched] = read_both_ways(&segments, discontinuity).await;
                assert!(local == fetched, "case {number}: both ways differ");
                assert_eq!(local.starts_with("Ok"), is_good, "case {number}: {local:.200}");
            }
        }
    }
}
