//! Segments that are files here: opened and read on the spot, by work that may block.
//!
//! Object storage is asked for blocks and waited for. A file is read where its bytes are used, in
//! small pieces into one buffer that is used again: the next step finds them in the processor's
//! cache, and nothing is kept that the system's page cache has anyway.
//!
//! Work is tried where it is asked for, and comes to its end there if everything is in memory (see
//! [`super::resident`]). As soon as it would have to wait it is given up and done again from its
//! start on a thread that may wait; what a disk has to bring takes longer than what is done twice.
//! Such work may let others have the thread in between, but as much of it is begun for a root as
//! there are processors, and no more: what it has gathered shall stay in their caches.
//!
//! What holds for requests to any root holds there: at most so many at a time, a time limit. There
//! is a metric for each file.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use super::error::SourceError;
use super::file::{Folder, io_error};
use super::path::SourcePath;
use super::resident;
use super::root::Root;
use crate::model::presentation::SourceObject;
use crate::telemetry::{Metrics, SourceOperation, SourceRequest};

/// Buffers for pieces, one for each work that runs.
pub(super) type Pieces = Arc<Mutex<Vec<Vec<u8>>>>;

/// Work on more bytes is not tried where others wait for the thread: about a millisecond.
const MOST_BYTES_NOW: u64 = 8 << 20;

/// The files of a root, for as long as some work runs.
pub struct LocalFiles {
    folder: Folder,
    source: String,
    metrics: Arc<Metrics>,
    pieces: Pieces,
    may_wait: bool,
    /// Something was not in memory, so what the work said does not count.
    gave_up: AtomicBool,
    /// What was read by work that may yet give up; told when it has not.
    requests: Mutex<Vec<Request>>,
}

/// A file that has been read.
struct Request {
    outcome: &'static str,
    duration: Duration,
    bytes: u64,
}

impl Root {
    /// Whether objects are files here, and [`Root::with_files`] runs work on them.
    pub fn is_local(&self) -> bool {
        self.folder().is_some()
    }

    /// Runs work that reads about so many bytes of files: here if they are in memory, or else as
    /// [`Root::with_files`] does, which begins it anew. The work may let others have the thread.
    pub async fn with_files_at_hand<T: Send + 'static>(
        &self,
        most_bytes: u64,
        work: impl for<'f> Fn(&'f LocalFiles) -> BoxFuture<'f, T> + Send + 'static,
    ) -> Result<T, SourceError> {
        let is_here = self.folder().is_some_and(Folder::is_here);
        if is_here && most_bytes <= MOST_BYTES_NOW {
            let closed = |_| unavailable("the source is closed");
            let turn = self.turns().acquire().await.map_err(closed)?;
            let files = self.local_files(false)?;
            let done = work(&files).await;
            drop(turn);
            if !files.gave_up.load(Ordering::Relaxed) {
                return Ok(done);
            }
        }
        let runtime = Handle::current();
        self.with_files(most_bytes, move |files| runtime.block_on(work(files))).await
    }

    /// Runs work that reads about so many bytes of files, where it may block. Work that is not
    /// waited for any more, because its time was up or the caller is gone, still runs to its end.
    pub async fn with_files<T: Send + 'static>(
        &self,
        most_bytes: u64,
        work: impl FnOnce(&LocalFiles) -> T + Send + 'static,
    ) -> Result<T, SourceError> {
        let files = self.local_files(true)?;
        let closed = |_| unavailable("the source is closed");
        let permit = self.permits().acquire_owned().await.map_err(closed)?;
        let running = tokio::task::spawn_blocking(move || {
            let done = work(&files);
            drop(permit);
            done
        });
        let after = self.deadline(most_bytes);
        match tokio::time::timeout(after, running).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(stopped)) => match stopped.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(unavailable("packorigin is shutting down")),
            },
            Err(_) => Err(SourceError::Timeout { path: String::new(), after }),
        }
    }

    fn local_files(&self, may_wait: bool) -> Result<LocalFiles, SourceError> {
        let folder = self.folder().ok_or_else(|| unavailable("the source is no folder"))?;
        Ok(LocalFiles {
            folder: folder.clone(),
            source: self.name().to_string(),
            metrics: self.metrics().clone(),
            pieces: self.pieces().clone(),
            may_wait,
            gave_up: AtomicBool::new(false),
            requests: Mutex::default(),
        })
    }
}

fn unavailable(detail: &str) -> SourceError {
    SourceError::Unavailable { path: String::new(), detail: detail.to_owned() }
}

impl LocalFiles {
    /// Opens a segment that is not encrypted.
    pub fn open(&self, object: &SourceObject) -> Result<LocalFile<'_>, SourceError> {
        let path = SourcePath::from_stored(&object.path)?;
        let started = Instant::now();
        let is_here = self.folder.is_here();
        let at_hand = is_here.then(|| resident::open(self.folder.root(), path.as_str())).flatten();
        let opened = match at_hand {
            Some(opened) => Ok(opened),
            None if !self.may_wait => return Err(self.give_up(&path)),
            None => self.folder.confine_now(&path).and_then(|confined| {
                let file = File::open(self.folder.root().join(&confined.path))
                    .map_err(|error| io_error(&path, &error))?;
                Ok((file, confined.stat.size))
            }),
        };
        let mut request = LocalFile {
            files: self,
            object_start: object.start,
            file: None,
            in_memory: false,
            path,
            size: 0,
            piece: Vec::new(),
            spent: started.elapsed(),
            bytes: 0,
            outcome: "ok",
        };
        match opened {
            Ok((file, size)) => {
                request.file = Some(file);
                request.size = size;
                request.piece = self.pieces().pop().unwrap_or_default();
                Ok(request)
            }
            Err(error) => {
                request.outcome = error.label();
                Err(error)
            }
        }
    }

    /// Not an error: nobody gets to see it, because the work is done again.
    fn give_up(&self, path: &SourcePath) -> SourceError {
        self.gave_up.store(true, Ordering::Relaxed);
        let detail = "it is not in memory".to_owned();
        SourceError::Unavailable { path: path.as_str().to_owned(), detail }
    }

    fn pieces(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LocalFiles {
    fn tell(&self, request: &Request) {
        self.metrics.source_request(SourceRequest {
            source: &self.source,
            operation: SourceOperation::Read,
            outcome: request.outcome,
            duration: request.duration,
            bytes: request.bytes,
        });
    }
}

impl Drop for LocalFiles {
    fn drop(&mut self) {
        if self.gave_up.load(Ordering::Relaxed) {
            return;
        }
        let requests = self.requests.get_mut().unwrap_or_else(PoisonError::into_inner);
        for request in std::mem::take(requests) {
            self.tell(&request);
        }
    }
}

/// A segment that is being read; counts as one request to its source.
pub struct LocalFile<'a> {
    files: &'a LocalFiles,
    file: Option<File>,
    /// Its file system is known to live in memory.
    in_memory: bool,
    path: SourcePath,
    /// Where the segment begins in the file.
    object_start: u64,
    /// Of the whole file.
    size: u64,
    piece: Vec<u8>,
    spent: Duration,
    bytes: u64,
    outcome: &'static str,
}

impl LocalFile<'_> {
    /// Exactly these bytes, counted from the start of the segment.
    pub fn read(&mut self, bytes: Range<u64>) -> Result<&[u8], SourceError> {
        let started = Instant::now();
        let read = self.read_piece(&bytes);
        self.spent += started.elapsed();
        match read {
            Ok(length) => {
                self.bytes += length as u64;
                Ok(self.piece.get(..length).unwrap_or_default())
            }
            Err(error) => {
                self.outcome = error.label();
                Err(error)
            }
        }
    }

    fn read_piece(&mut self, bytes: &Range<u64>) -> Result<usize, SourceError> {
        let start = self.object_start.saturating_add(bytes.start);
        let wanted = self.object_start.saturating_add(bytes.end);
        let path = || self.path.as_str().to_owned();
        let truncated = |size| SourceError::Truncated { path: path(), wanted, size: Some(size) };
        if wanted > self.size {
            let error = truncated(self.size);
            return Err(if self.files.may_wait { error } else { self.files.give_up(&self.path) });
        }
        let length = bytes.end.saturating_sub(bytes.start) as usize;
        if self.piece.len() < length {
            self.piece.resize(length, 0);
        }
        let Some(file) = &self.file else { return Ok(0) };
        let piece = self.piece.get_mut(..length).unwrap_or_default();
        if !self.files.may_wait {
            let is_read = resident::read(file, piece, start, &mut self.in_memory);
            return if is_read { Ok(length) } else { Err(self.files.give_up(&self.path)) };
        }
        match file.read_exact_at(piece, start) {
            Ok(()) => Ok(length),
            // Cut short since it was opened.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(truncated(file.metadata().map_or(0, |metadata| metadata.len())))
            }
            Err(error) => Err(io_error(&self.path, &error)),
        }
    }
}

impl Drop for LocalFile<'_> {
    fn drop(&mut self) {
        if self.piece.capacity() > 0 {
            self.files.pieces().push(std::mem::take(&mut self.piece));
        }
        let request = Request { outcome: self.outcome, duration: self.spent, bytes: self.bytes };
        if self.files.may_wait {
            return self.files.tell(&request);
        }
        let requests = self.files.requests.lock();
        requests.unwrap_or_else(PoisonError::into_inner).push(request);
    }
}
