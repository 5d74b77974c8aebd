//! Reads the source of the next segment while a player walks forward.
//!
//! Storage that answers after 30 ms makes every cold segment wait for that long. Most segments are
//! asked for in order, so behind each the blocks of the next one are read:
//!
//! ```text
//! GET segment 7 ─ blocks of 7 ─ cache or source ─ build ─┬ answer
//!                                                        └ blocks of 8 ─ source ─ held
//! GET segment 8: taken                        nobody came in time: dropped ───────┘
//! ```
//!
//! - Not before the segment itself is there: what a player waits for does not share the line with
//!   what it may want.
//! - What is read ahead is held here and not in the cache of blocks, so it pushes out nothing that
//!   is in use. Whoever needs a block takes it from here, read or still being read.
//! - It is bounded in bytes and in blocks. Where there is no room, nothing is read ahead: what is
//!   held already is more likely to be used than to have been given up.
//! - Of the requests to a root that may run at a time it has half at most, so that what players
//!   wait for has its way. Who needs a block that has not been begun with reads it himself.
//! - A client that hangs up before its segment is there walks no further. One that leaves silently
//!   cannot be told from one whose buffer is full; what it left is dropped after half a minute.
//! - The first step of a walk cannot be told from a jump. Jumps are read ahead of as long as that
//!   is mostly of use; behind that, walks are from their second step on.
//!
//! Files here are read where they are, and never ahead: the system does so itself. Nor does a
//! segment that is cached lead anywhere: it is answered at once, and the first that is not begins
//! the walk.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use lru::LruCache;
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::blocks::{BlockCache, BlockKey};
use crate::model::policy::Name;
use crate::package::BlockRequest;
use crate::source::{Root, SourceError};
use crate::telemetry::{Metrics, ReadAheadOutcome};

/// How long a block is held for somebody to come: a few segments of the usual length.
const HELD_FOR: Duration = Duration::from_secs(30);
/// Blocks that are held at most, however small they are.
const MOST_BLOCKS: usize = 1024;
/// Walks that are remembered: names of the segments that would be their next steps.
const MOST_WALKS: NonZeroUsize = NonZeroUsize::new(4096).unwrap();
/// Trust in jumps, to begin with and at most. A block that was of use adds one, each other one takes
/// one.
const MOST_TRUST: u32 = 64;

/// See the module documentation.
pub struct ReadAhead {
    blocks: Arc<BlockCache>,
    most_bytes: u64,
    /// Requests to one root at a time.
    concurrency: usize,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
}

struct State {
    held: HashMap<BlockKey, Held>,
    bytes: u64,
    /// Numbers what is held, so that a task that was late does not drop its successor.
    last_number: u64,
    trust: u32,
    next_steps: LruCache<String, ()>,
    permits: HashMap<Name, Arc<Semaphore>>,
}

struct Held {
    number: u64,
    bytes: u64,
    task: AbortHandle,
    /// What comes of it; `None` while it waits for its turn.
    reading: Option<Reading>,
}

type Outcome = Option<Result<Bytes, SourceError>>;
type Reading = watch::Receiver<Outcome>;

/// Where a player that has a segment goes next.
pub struct Step {
    pub root: Arc<Root>,
    /// The segment's name.
    pub own: String,
    /// The blocks that it needs itself.
    pub reads: Vec<BlockRequest>,
    /// The name of the segment behind it.
    pub next: String,
    /// The blocks that this one needs.
    pub wanted: Vec<BlockRequest>,
}

impl ReadAhead {
    /// Reads ahead up to so many bytes, 0 for none; `concurrency` is how many requests to one root
    /// may run at a time, whatever for.
    pub fn new(
        blocks: Arc<BlockCache>,
        most_bytes: u64,
        concurrency: usize,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        let state = State {
            held: HashMap::new(),
            bytes: 0,
            last_number: 0,
            trust: MOST_TRUST,
            next_steps: LruCache::new(MOST_WALKS),
            permits: HashMap::new(),
        };
        let concurrency = (concurrency / 2).max(1);
        Arc::new(Self { blocks, most_bytes, concurrency, metrics, state: Mutex::new(state) })
    }

    /// The cache of blocks that players wait for.
    pub fn blocks(&self) -> &Arc<BlockCache> {
        &self.blocks
    }

    /// Whether anything is read ahead below a root.
    pub fn is_for(&self, root: &Root) -> bool {
        self.most_bytes > 0 && !root.is_local()
    }

    /// A player has its segment. Reads those blocks of the next one ahead that nobody has or reads.
    pub fn step(self: &Arc<Self>, step: Step) {
        let Step { root, own, reads, next, wanted } = step;
        let mut state = self.state();
        let is_walk = state.next_steps.pop(&own).is_some();
        state.next_steps.put(next, ());
        if !is_walk && state.trust == 0 {
            return;
        }
        for request in wanted.into_iter().filter(|request| !reads.contains(request)) {
            let bytes = request.bytes.end.saturating_sub(request.bytes.start);
            let key = BlockKey::new(&root, request);
            if state.held.contains_key(&key) || self.blocks.has(&key) {
                continue;
            }
            if state.held.len() >= MOST_BLOCKS || state.bytes + bytes > self.most_bytes {
                self.metrics.read_ahead(ReadAheadOutcome::NoRoom);
                break;
            }
            state.last_number += 1;
            let number = state.last_number;
            let permits = state.permits.entry(root.name().clone());
            let permits = permits.or_insert_with(|| Arc::new(Semaphore::new(self.concurrency)));
            let read = self.clone().read(root.clone(), key.clone(), number, permits.clone());
            // It asks for the lock that is held here before it does anything.
            let task = tokio::spawn(read).abort_handle();
            state.bytes += bytes;
            state.held.insert(key, Held { number, bytes, task, reading: None });
        }
        self.metrics.read_ahead_holds(state.bytes);
    }

    /// A block that was read ahead, or is being so. `None` where it has to be read.
    pub async fn take(&self, key: &BlockKey) -> Option<Bytes> {
        let held = {
            let mut state = self.state();
            let held = state.remove(key)?;
            self.metrics.read_ahead_holds(state.bytes);
            if held.reading.is_some() {
                state.trust = (state.trust + 1).min(MOST_TRUST);
            }
            held
        };
        let Some(mut reading) = held.reading else {
            held.task.abort();
            self.metrics.read_ahead(ReadAheadOutcome::Late);
            return None;
        };
        let outcome = reading.wait_for(Option::is_some).await.ok()?.clone();
        // It would go on waiting for whom it has been given to.
        held.task.abort();
        match outcome {
            Some(Ok(bytes)) => {
                self.metrics.read_ahead(ReadAheadOutcome::Used);
                Some(bytes)
            }
            // Reading it again says what is wrong, to those who have to know.
            Some(Err(_)) | None => {
                self.metrics.read_ahead(ReadAheadOutcome::Failed);
                None
            }
        }
    }

    async fn read(
        self: Arc<Self>,
        root: Arc<Root>,
        key: BlockKey,
        number: u64,
        permits: Arc<Semaphore>,
    ) {
        let until = Instant::now() + HELD_FOR;
        let Ok(Ok(permit)) = tokio::time::timeout_at(until, permits.acquire()).await else {
            self.drop_held(&key, number);
            return;
        };
        let (sender, reading) = watch::channel(None);
        match self.state().held.get_mut(&key).filter(|held| held.number == number) {
            Some(held) => held.reading = Some(reading),
            None => return,
        }
        let request = key.request();
        let mut read = std::pin::pin!(root.read_object(&request.object, request.bytes.clone()));
        let outcome = tokio::select! {
            outcome = &mut read => outcome,
            () = tokio::time::sleep_until(until) => {
                if self.drop_held(&key, number) {
                    return;
                }
                // Somebody waits for it.
                read.await
            }
        };
        drop(permit);
        let failed = outcome.is_err();
        sender.send_replace(Some(outcome));
        if !failed {
            tokio::time::sleep_until(until).await;
        }
        self.drop_held(&key, number);
    }

    /// Drops a block unless somebody took it.
    fn drop_held(&self, key: &BlockKey, number: u64) -> bool {
        let mut state = self.state();
        if state.held.get(key).is_none_or(|held| held.number != number) {
            return false;
        }
        let dropped = state.remove(key);
        state.trust = state.trust.saturating_sub(1);
        self.metrics.read_ahead_holds(state.bytes);
        self.metrics.read_ahead(ReadAheadOutcome::Unused);
        // The caller may be this very task; it ends at its next wait, of which it has none.
        if let Some(held) = dropped {
            held.task.abort();
        }
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remove(&mut self, key: &BlockKey) -> Option<Held> {
        let held = self.held.remove(key)?;
        self.bytes -= held.bytes;
        Some(held)
    }
}
