//! A segment that can be read while it is made.
//!
//! ```text
//! Maker ── give ──► pieces ──► Reader   of one answer: from its start, as far as they are there
//!                         └──► Reader
//!                   Growing   in the cache, or on the way to it: gives readers
//! ```
//!
//! Readers never hold up who makes the segment, nor each other. Its room in memory is held as long
//! as it is, or any piece that a reader was given.
//!
//! Where making it fails behind the first piece, readers end with the error: an answer whose length
//! was announced breaks off. Of a failure who makes the segment tells if somebody has begun to
//! answer with it, and else whoever waits for it ([`Growing::claim`]).

use std::future::poll_fn;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::room::Place;
use crate::error::{Error, Kind, Result};

/// A segment whose pieces come one after another; cheap to clone.
#[derive(Clone, Debug)]
pub struct Growing {
    shared: Arc<Shared>,
}

/// Who makes the segment. Dropped without [`Maker::end`], the segment has failed.
#[derive(Debug)]
pub struct Maker {
    shared: Arc<Shared>,
}

/// Reads some bytes of a segment.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    /// Pieces that it has had.
    had: usize,
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
    pieces: Vec<Bytes>,
    end: Option<Result<()>>,
    /// What the pieces lie in.
    room: Option<Place>,
    /// Who waits for a piece or for the end.
    waiting: Vec<Waker>,
    /// Somebody answers with it.
    is_used: bool,
    /// Readers that have not had all.
    readers: usize,
    /// A reader has had all.
    is_read: bool,
}

/// A piece on its way to a client, which takes room until it is sent.
struct Handed {
    piece: Bytes,
    _shared: Arc<Shared>,
}

impl AsRef<[u8]> for Handed {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

impl Growing {
    /// A segment that will have so many bytes.
    pub fn new(bytes: u64) -> (Maker, Self) {
        let shared = Arc::new(Shared { bytes, state: Mutex::default() });
        (Maker { shared: shared.clone() }, Self { shared })
    }

    /// How many bytes it will have.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes
    }

    /// Whether both are the same, and not two of one key.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Waits for the first piece.
    pub async fn begun(&self) -> Result<()> {
        self.wait(|state| !state.pieces.is_empty()).await
    }

    /// Waits until it is made.
    pub async fn ended(&self) -> Result<()> {
        self.wait(|_| false).await
    }

    /// Takes it to answer with, unless it will never be whole. From now on who makes it tells of
    /// failures.
    pub fn claim(&self) -> Result<()> {
        let mut state = self.shared.state();
        if let Some(Err(error)) = &state.end {
            return Err(error.clone());
        }
        state.is_used = true;
        Ok(())
    }

    /// Whether making it has failed.
    pub fn has_failed(&self) -> bool {
        matches!(self.shared.state().end, Some(Err(_)))
    }

    /// Whether somebody reads it, or has read what was wanted of it.
    pub fn is_wanted(&self) -> bool {
        let state = self.shared.state();
        state.readers > 0 || state.is_read
    }

    /// Reads these bytes, which it has.
    pub fn read(self, bytes: Range<u64>) -> Reader {
        let Self { shared } = self;
        shared.state().readers += 1;
        let left = bytes.end.saturating_sub(bytes.start);
        Reader { shared, had: 0, skip: bytes.start, left }
    }

    /// Waits until something holds, or until the end.
    async fn wait(&self, holds: fn(&State) -> bool) -> Result<()> {
        poll_fn(|context| {
            let mut state = self.shared.state();
            match &state.end {
                Some(end) => Poll::Ready(end.clone()),
                None if holds(&state) => Poll::Ready(Ok(())),
                None => state.wait(context),
            }
        })
        .await
    }
}

impl Maker {
    /// Adds a piece behind those that are there.
    pub fn give(&self, piece: Bytes) {
        let mut state = self.shared.state();
        state.pieces.push(piece);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// All pieces were given, or no more will come; they lie in `room`. Whether somebody answers
    /// with the segment.
    pub fn end(&self, made: Result<()>, room: Option<Place>) -> bool {
        let mut state = self.shared.state();
        state.room = room;
        state.end.get_or_insert(made);
        let is_used = state.is_used;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
        is_used
    }
}

impl Drop for Maker {
    fn drop(&mut self) {
        let room = self.shared.state().room.take();
        self.end(Err(Error::new(Kind::Internal, "the segment was dropped half-way")), room);
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
            let Some(piece) = state.pieces.get(self.had).cloned() else {
                return match &state.end {
                    Some(Err(error)) => Poll::Ready(Some(Err(error.clone()))),
                    Some(Ok(())) => {
                        Poll::Ready(Some(Err(Error::internal("a segment is shorter than planned"))))
                    }
                    None => state.wait(context),
                };
            };
            self.had += 1;
            let length = piece.len() as u64;
            let from = self.skip.min(length);
            let to = length.min(from.saturating_add(self.left));
            self.skip -= from;
            self.left -= to - from;
            state.is_read |= self.left == 0;
            drop(state);
            if from < to {
                let handed = Bytes::from_owner(Handed { piece, _shared: self.shared.clone() });
                return Poll::Ready(Some(Ok(handed.slice(from as usize..to as usize))));
            }
        }
        Poll::Ready(None)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.state().readers -= 1;
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wait<T>(&mut self, context: &Context<'_>) -> Poll<T> {
        let waker = context.waker();
        if !self.waiting.iter().any(|waiting| waiting.will_wake(waker)) {
            self.waiting.push(waker.clone());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playback::room::Room;
    use futures_util::FutureExt;

    /// All bytes that a reader has at the moment; and how it ended, if it did.
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

    #[test]
    fn readers_get_what_they_asked_for_whenever_they_begin() {
        let (maker, growing) = Growing::new(9);
        let mut early = growing.clone().read(0..9);
        assert_eq!(read_all(&mut early).0, b"");
        maker.give(Bytes::from_static(b"abc"));
        assert_eq!(read_all(&mut early).0, b"abc");
        let mut part = growing.clone().read(2..7);
        maker.give(Bytes::from_static(b"defg"));
        maker.give(Bytes::from_static(b"hi"));
        // Those who want nothing behind it need not wait for the end.
        assert!(matches!(read_all(&mut part), (bytes, Some(Ok(()))) if bytes == b"cdefg"));
        assert!(matches!(read_all(&mut early), (bytes, Some(Ok(()))) if bytes == b"defghi"));
        maker.end(Ok(()), None);
        drop(maker);
        let mut late = growing.read(4..9);
        assert!(matches!(read_all(&mut late), (bytes, Some(Ok(()))) if bytes == b"efghi"));
    }

    #[tokio::test]
    async fn room_is_held_until_the_last_piece_is_sent() {
        let room = Room::new(0, 4096);
        let place = room.take(4096).await.unwrap();
        let (maker, growing) = Growing::new(6);
        maker.give(Bytes::from_static(b"abc"));
        maker.give(Bytes::from_static(b"def"));
        maker.end(Ok(()), place.keep(4096));
        drop(maker);
        let mut reader = growing.read(0..6);
        let mut next = async || poll_fn(|context| reader.poll_next(context)).await;
        let (first, second) = (next().await.unwrap().unwrap(), next().await.unwrap().unwrap());
        drop(reader);
        drop(first);
        let mut another = Box::pin(room.take(1));
        assert!((&mut another).now_or_never().is_none(), "a piece is still being sent");
        drop(second);
        assert!(another.now_or_never().is_some());
    }

    #[test]
    fn a_failure_is_told_by_who_answers_with_it_or_by_who_makes_it() {
        let failed = || Err(Error::new(Kind::SourceFailed, "gone"));
        let (maker, growing) = Growing::new(6);
        maker.give(Bytes::from_static(b"abc"));
        growing.claim().unwrap();
        let mut reader = growing.clone().read(0..6);
        assert!(maker.end(failed(), None), "somebody answers with it");
        drop(maker);
        let (bytes, outcome) = read_all(&mut reader);
        assert_eq!(bytes, b"abc");
        assert_eq!(outcome.unwrap().unwrap_err().kind(), Kind::SourceFailed);

        let (maker, growing) = Growing::new(6);
        maker.give(Bytes::from_static(b"abc"));
        assert!(!maker.end(failed(), None), "whoever asks for it is told");
        assert_eq!(growing.claim().unwrap_err().kind(), Kind::SourceFailed);
        assert!(growing.has_failed());
    }

    #[tokio::test]
    async fn who_waits_is_woken_when_the_maker_is_gone() {
        let (maker, growing) = Growing::new(6);
        let ended = tokio::spawn({
            let growing = growing.clone();
            async move { growing.ended().await }
        });
        let mut reader = growing.read(0..6);
        let reading =
            tokio::spawn(async move { poll_fn(|context| reader.poll_next(context)).await });
        tokio::task::yield_now().await;
        drop(maker);
        assert_eq!(ended.await.unwrap().unwrap_err().kind(), Kind::Internal);
        assert_eq!(reading.await.unwrap().unwrap().unwrap_err().kind(), Kind::Internal);
    }

    #[tokio::test]
    async fn the_first_piece_and_the_end_are_waited_for() {
        let (maker, growing) = Growing::new(3);
        let waiting = |first: bool| {
            let growing = growing.clone();
            tokio::spawn(async move {
                if first { growing.begun().await } else { growing.ended().await }
            })
        };
        let (begun, ended) = (waiting(true), waiting(false));
        tokio::task::yield_now().await;
        assert!(!begun.is_finished());
        maker.give(Bytes::from_static(b"abc"));
        begun.await.unwrap().unwrap();
        assert!(!ended.is_finished());
        maker.end(Ok(()), None);
        ended.await.unwrap().unwrap();
    }

    #[test]
    fn it_is_wanted_by_those_who_stay_to_their_end() {
        let (maker, growing) = Growing::new(6);
        maker.give(Bytes::from_static(b"abc"));
        let mut reader = growing.clone().read(0..6);
        assert_eq!(read_all(&mut reader).0, b"abc");
        assert!(growing.is_wanted());
        drop(reader);
        assert!(!growing.is_wanted(), "it hung up");
        let mut reader = growing.clone().read(0..3);
        read_all(&mut reader);
        drop(reader);
        assert!(growing.is_wanted());
    }

    #[test]
    fn a_segment_that_ends_early_is_an_error() {
        let (maker, growing) = Growing::new(6);
        maker.give(Bytes::from_static(b"abc"));
        maker.end(Ok(()), None);
        assert!(read_all(&mut growing.read(0..6)).1.unwrap().is_err());
    }
}
