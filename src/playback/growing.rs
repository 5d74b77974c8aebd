//! A segment that can be read while it is made.
//!
//! ```text
//! Source ── give ──► pieces ──► Reader   of one answer: from its start, as far as they are there
//!                          └──► Reader
//!                    Growing   in the cache, or on the way to it: may be asked for a reader
//! ```
//!
//! Readers never hold up who makes the segment, nor each other. As long as somebody may ask for a
//! reader all pieces are kept; behind that, those that every reader has had are let go of, so that a
//! segment that no cache holds is never in memory as a whole if its readers keep up.
//!
//! Where making it fails behind the first piece, readers end with the error: an answer whose length
//! was announced breaks off. Who asks afterwards gets the same error, until the cache forgets it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::room::Place;
use crate::error::{Error, Kind, Result};

/// A segment whose pieces come one after another; the right to read it from its start.
#[derive(Debug)]
pub struct Growing {
    shared: Arc<Shared>,
}

/// Who makes the segment. Dropped without [`Source::end`], the segment has failed.
#[derive(Debug)]
pub struct Source {
    shared: Arc<Shared>,
}

/// Reads some bytes of a segment.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    /// Its place among the readers.
    place: usize,
    /// Bytes before those that are wanted.
    skip: u64,
    /// Bytes that are still wanted.
    left: u64,
}

#[derive(Debug)]
struct Shared {
    bytes: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    pieces: VecDeque<Bytes>,
    /// Pieces that were let go of.
    dropped: usize,
    /// How many may still ask for a reader.
    askers: usize,
    readers: Vec<Option<Progress>>,
    /// Who waits for the first piece or for the end.
    waiting: Vec<Waker>,
    end: Option<Result<()>>,
    /// What the pieces lie in.
    room: Option<Place>,
}

/// Of one reader.
#[derive(Debug, Default)]
struct Progress {
    /// Pieces that it has had.
    had: usize,
    waker: Option<Waker>,
}

impl Growing {
    /// A segment that will have so many bytes.
    pub fn new(bytes: u64) -> (Source, Self) {
        let state = State { askers: 1, ..State::default() };
        let shared = Arc::new(Shared { bytes, state: Mutex::new(state) });
        (Source { shared: shared.clone() }, Self { shared })
    }

    /// How many bytes it will have.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes
    }

    /// Waits for the first piece.
    pub fn begun(&self) -> impl Future<Output = Result<()>> + use<> {
        wait(self.shared.clone(), has_begun)
    }

    /// Waits until it is made.
    pub fn ended(&self) -> impl Future<Output = Result<()>> + use<> {
        wait(self.shared.clone(), |_| false)
    }

    /// Why it will never be whole.
    pub fn failure(&self) -> Option<Error> {
        self.shared.state().end.as_ref().and_then(|end| end.as_ref().err().cloned())
    }

    /// Reads these bytes, which it has.
    pub fn read(self, bytes: Range<u64>) -> Reader {
        let mut state = self.shared.state();
        let place = state.readers.len();
        state.readers.push(Some(Progress::default()));
        drop(state);
        let left = bytes.end.saturating_sub(bytes.start);
        Reader { shared: self.shared.clone(), place, skip: bytes.start, left }
    }
}

impl Clone for Growing {
    fn clone(&self) -> Self {
        self.shared.state().askers += 1;
        Self { shared: self.shared.clone() }
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.askers -= 1;
        state.let_go();
    }
}

impl Source {
    /// Adds a piece behind those that are there.
    pub fn give(&self, piece: Bytes) {
        let mut state = self.shared.state();
        state.pieces.push_back(piece);
        state.let_go();
        state.wake();
    }

    /// Whether a piece was given.
    pub fn has_begun(&self) -> bool {
        has_begun(&self.shared.state())
    }

    /// All pieces were given, or no more will come; they lie in `room`.
    pub fn end(&self, made: Result<()>, room: Option<Place>) {
        let mut state = self.shared.state();
        state.room = room;
        state.end.get_or_insert(made);
        state.wake();
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let stopped = Error::new(Kind::Internal, "the segment was dropped half-way");
        let mut state = self.shared.state();
        state.end.get_or_insert(Err(stopped));
        state.wake();
    }
}

impl Reader {
    /// Bytes that it has still to give.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next bytes; `None` behind the last.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        while self.left > 0 {
            let mut state = self.shared.state();
            let mut piece = match state.next_for(self.place, context) {
                Poll::Ready(Ok(piece)) => piece,
                Poll::Ready(Err(error)) => {
                    self.left = 0;
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Pending => return Poll::Pending,
            };
            drop(state);
            let skipped = self.skip.min(piece.len() as u64);
            self.skip -= skipped;
            let mut wanted = piece.split_off(skipped as usize);
            wanted.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
            if !wanted.is_empty() {
                self.left -= wanted.len() as u64;
                return Poll::Ready(Some(Ok(wanted)));
            }
        }
        Poll::Ready(None)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if let Some(reader) = state.readers.get_mut(self.place) {
            *reader = None;
        }
        state.let_go();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_begun(state: &State) -> bool {
    state.dropped > 0 || !state.pieces.is_empty()
}

/// Waits until something holds, or until the end.
async fn wait(shared: Arc<Shared>, holds: fn(&State) -> bool) -> Result<()> {
    poll_fn(|context| {
        let mut state = shared.state();
        match &state.end {
            Some(Err(error)) => Poll::Ready(Err(error.clone())),
            Some(Ok(())) => Poll::Ready(Ok(())),
            None if holds(&state) => Poll::Ready(Ok(())),
            None => {
                state.waiting.push(context.waker().clone());
                Poll::Pending
            }
        }
    })
    .await
}

impl State {
    /// The piece that a reader has not had.
    fn next_for(&mut self, place: usize, context: &Context<'_>) -> Poll<Result<Bytes>> {
        let Some(Some(reader)) = self.readers.get_mut(place) else {
            return Poll::Ready(Err(Error::internal("an answer is read that was given up")));
        };
        let at = reader.had.checked_sub(self.dropped);
        if let Some(piece) = at.and_then(|at| self.pieces.get(at)) {
            reader.had += 1;
            let piece = piece.clone();
            self.let_go();
            return Poll::Ready(Ok(piece));
        }
        match &self.end {
            Some(Err(error)) => Poll::Ready(Err(error.clone())),
            Some(Ok(())) => Poll::Ready(Err(Error::internal("a segment is shorter than planned"))),
            None => {
                reader.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Lets go of what nobody will ask for.
    fn let_go(&mut self) {
        if self.askers > 0 {
            return;
        }
        let had = self.readers.iter().flatten().map(|reader| reader.had).min();
        let had = had.unwrap_or(usize::MAX);
        while self.dropped < had && self.pieces.pop_front().is_some() {
            self.dropped += 1;
        }
    }

    fn wake(&mut self) {
        let readers = self.readers.iter_mut().flatten();
        let readers = readers.filter_map(|reader| reader.waker.take());
        readers.chain(self.waiting.drain(..)).for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    /// All bytes that a reader has at the moment; whether it is at its end, and how it ended.
    fn read_all(reader: &mut Reader) -> (Vec<u8>, Option<Result<()>>) {
        let mut context = Context::from_waker(Waker::noop());
        let mut all = Vec::new();
        loop {
            match reader.poll_next(&mut context) {
                Poll::Ready(Some(Ok(bytes))) => all.extend_from_slice(&bytes),
                Poll::Ready(Some(Err(error))) => return (all, Some(Err(error))),
                Poll::Ready(None) => return (all, Some(Ok(()))),
                Poll::Pending => return (all, None),
            }
        }
    }

    /// A piece, and what is alive as long as it is.
    fn piece(bytes: &'static [u8]) -> (Bytes, std::sync::Weak<&'static [u8]>) {
        struct Owner(Arc<&'static [u8]>);
        impl AsRef<[u8]> for Owner {
            fn as_ref(&self) -> &[u8] {
                *self.0
            }
        }
        let owner = Arc::new(bytes);
        let alive = Arc::downgrade(&owner);
        (Bytes::from_owner(Owner(owner)), alive)
    }

    #[test]
    fn readers_get_what_they_asked_for_whenever_they_begin() {
        let (source, growing) = Growing::new(9);
        let mut early = growing.clone().read(0..9);
        assert_eq!(read_all(&mut early).0, b"");
        source.give(Bytes::from_static(b"abc"));
        assert_eq!(read_all(&mut early).0, b"abc");
        let mut part = growing.clone().read(2..7);
        source.give(Bytes::from_static(b"defg"));
        source.give(Bytes::from_static(b"hi"));
        // Those who want nothing behind it need not wait for the end.
        assert!(matches!(read_all(&mut part), (bytes, Some(Ok(()))) if bytes == b"cdefg"));
        assert!(matches!(read_all(&mut early), (bytes, Some(Ok(()))) if bytes == b"defghi"));
        source.end(Ok(()), None);
        let mut late = growing.read(4..9);
        assert!(matches!(read_all(&mut late), (bytes, Some(Ok(()))) if bytes == b"efghi"));
    }

    #[test]
    fn pieces_that_nobody_will_ask_for_are_let_go_of() {
        let (source, growing) = Growing::new(6);
        let stored = growing.clone();
        let (mut fast, slow) = (growing.clone().read(0..6), growing.read(0..6));
        let (first, first_is_alive) = piece(b"abc");
        source.give(first);
        read_all(&mut fast);
        drop(slow);
        assert!(first_is_alive.upgrade().is_some(), "the cache may hand it out");
        let mut slow = stored.clone().read(0..6);
        drop(stored);
        assert!(first_is_alive.upgrade().is_some(), "a reader has not had it");
        assert_eq!(read_all(&mut slow).0, b"abc");
        assert!(first_is_alive.upgrade().is_none());
        let (second, second_is_alive) = piece(b"def");
        source.give(second);
        assert_eq!((read_all(&mut fast).0, read_all(&mut slow).0), (b"def".into(), b"def".into()));
        assert!(second_is_alive.upgrade().is_none());
        // Nobody reads any more, and nobody will.
        drop((fast, slow));
        let (third, third_is_alive) = piece(b"ghi");
        source.give(third);
        assert!(third_is_alive.upgrade().is_none());
    }

    #[test]
    fn failures_reach_those_who_read_and_those_who_come_later() {
        for is_told in [true, false] {
            let (source, growing) = Growing::new(6);
            let mut reader = growing.clone().read(0..6);
            source.give(Bytes::from_static(b"abc"));
            assert!(growing.failure().is_none());
            if is_told {
                source.end(Err(Error::new(Kind::SourceFailed, "gone")), None);
            }
            drop(source);
            let kind = if is_told { Kind::SourceFailed } else { Kind::Internal };
            let is_failed =
                |outcome: Option<Result<()>>| outcome.unwrap().unwrap_err().kind() == kind;
            let (bytes, outcome) = read_all(&mut reader);
            assert_eq!(bytes, b"abc");
            assert!(is_failed(outcome));
            assert_eq!(growing.failure().unwrap().kind(), kind);
            assert!(is_failed(read_all(&mut growing.clone().read(3..6)).1));
            assert!(is_failed(growing.ended().now_or_never()));
        }
    }

    #[tokio::test]
    async fn the_first_piece_and_the_end_are_waited_for() {
        let (source, growing) = Growing::new(3);
        let (begun, ended) = (tokio::spawn(growing.begun()), tokio::spawn(growing.ended()));
        let mut reader = growing.read(0..3);
        let reading = tokio::spawn(async move {
            poll_fn(|context| reader.poll_next(context)).await.unwrap().unwrap()
        });
        tokio::task::yield_now().await;
        assert!(!source.has_begun() && !begun.is_finished() && !reading.is_finished());
        source.give(Bytes::from_static(b"abc"));
        begun.await.unwrap().unwrap();
        assert_eq!(reading.await.unwrap(), "abc");
        assert!(source.has_begun() && !ended.is_finished());
        source.end(Ok(()), None);
        ended.await.unwrap().unwrap();
    }

    #[test]
    fn a_segment_that_ends_early_is_an_error() {
        let (source, growing) = Growing::new(6);
        source.give(Bytes::from_static(b"abc"));
        source.end(Ok(()), None);
        assert!(read_all(&mut growing.read(0..6)).1.unwrap().is_err());
    }
}
