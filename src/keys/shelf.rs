//! Key sets in memory: the current one of each question, and the ones that it replaced.
//!
//! ```text
//! put ─────────────── fresh_until ──────────────── usable_until
//!        Fresh                      Stale                        gone
//! ```
//!
//! Bounded in entries and in bytes; the least recently used go first. No clock, no locks: the time
//! is handed in, and the owner holds the lock.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;

use super::question::QuestionId;
use crate::error::Error;
use crate::model::protection::{KeySet, SystemSignalling};

/// Titles times configurations; far more than a node plays at the same time.
const MAX_ENTRIES: NonZeroUsize = NonZeroUsize::new(20_000).unwrap();
/// Servers may send long signalling; this bounds all of it together.
const MAX_BYTES: usize = 64 << 20;
/// Replaced sets that are remembered of one question. A server that changes its mind more often
/// within the keeping time gives different keys each time, and no URL of its titles works for long.
const MAX_EARLIER: usize = 4;
/// Failures that are remembered.
const MAX_FAILURES: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// How long key sets hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetimes {
    /// Used without asking again.
    pub(super) fresh: Duration,
    /// Used while there is no new one; at least `fresh`.
    pub(super) kept: Duration,
}

/// See the module documentation.
pub(super) struct Shelf {
    lifetimes: Lifetimes,
    entries: LruCache<QuestionId, Entry>,
    bytes: usize,
    failures: LruCache<QuestionId, Failure>,
}

struct Entry {
    current: Arc<KeySet>,
    fresh_until: Instant,
    usable_until: Instant,
    /// Newest first.
    earlier: VecDeque<(Arc<KeySet>, Instant)>,
}

struct Failure {
    error: Error,
    until: Instant,
}

/// What is known about a question.
#[derive(Debug)]
pub(super) enum Found {
    /// Good to use.
    Fresh(Arc<KeySet>),
    /// Good to use where no fresh one can be had in time. With the failure, if asking again just
    /// now failed and should not be repeated yet.
    Stale(Arc<KeySet>, Option<Error>),
    /// Asking just now failed and should not be repeated yet.
    Failed(Error),
    /// Nothing.
    Nothing,
}

impl Shelf {
    pub(super) fn new(lifetimes: Lifetimes) -> Self {
        Self {
            lifetimes,
            entries: LruCache::new(MAX_ENTRIES),
            bytes: 0,
            failures: LruCache::new(MAX_FAILURES),
        }
    }

    pub(super) fn find(&mut self, id: &QuestionId, now: Instant) -> Found {
        let failure = self.failures.get(id).filter(|failure| now < failure.until);
        let failure = failure.map(|failure| failure.error.clone());
        match (self.entries.get(id), failure) {
            (Some(entry), _) if now < entry.fresh_until => Found::Fresh(entry.current.clone()),
            (Some(entry), failure) if now < entry.usable_until => {
                Found::Stale(entry.current.clone(), failure)
            }
            (_, Some(error)) => Found::Failed(error),
            (_, None) => Found::Nothing,
        }
    }

    /// Stores a set that was got `age` ago and forgets failures. A set that says the same as the
    /// current one only renews it, and the current one is given back.
    pub(super) fn put(
        &mut self,
        id: QuestionId,
        set: Arc<KeySet>,
        age: Duration,
        now: Instant,
    ) -> Arc<KeySet> {
        self.failures.pop(&id);
        let Lifetimes { fresh, kept } = self.lifetimes;
        let mut entry = Entry {
            current: set,
            fresh_until: now + fresh.saturating_sub(age),
            usable_until: now + kept.saturating_sub(age),
            earlier: VecDeque::new(),
        };
        if let Some(before) = self.entries.pop(&id) {
            self.bytes -= before.bytes();
            entry.earlier = before.earlier;
            entry.earlier.retain(|(_, until)| now < *until);
            if is_same(&before.current, &entry.current) {
                entry.current = before.current;
            } else {
                // The server may go back to one that it gave before.
                entry.earlier.retain(|(earlier, _)| !is_same(earlier, &entry.current));
                entry.earlier.push_front((before.current, now + kept));
                entry.earlier.truncate(MAX_EARLIER);
            }
        }
        let current = entry.current.clone();
        self.bytes += entry.bytes();
        if let Some((_, dropped)) = self.entries.push(id, entry) {
            self.bytes -= dropped.bytes();
        }
        while self.bytes > MAX_BYTES {
            let Some((_, dropped)) = self.entries.pop_lru() else { break };
            self.bytes -= dropped.bytes();
        }
        current
    }

    /// Remembers that asking failed.
    pub(super) fn fail(&mut self, id: QuestionId, error: Error, until: Instant) {
        self.failures.put(id, Failure { error, until });
    }

    /// The sets that `id` had before the current one, newest first.
    pub(super) fn earlier(&mut self, id: &QuestionId, now: Instant) -> Vec<Arc<KeySet>> {
        let earlier = self.entries.get(id).map(|entry| &entry.earlier);
        let held = earlier.into_iter().flatten().filter(|(_, until)| now < *until);
        held.map(|(set, _)| set.clone()).collect()
    }
}

impl Entry {
    /// Roughly what it takes in memory.
    fn bytes(&self) -> usize {
        let earlier: usize = self.earlier.iter().map(|(set, _)| size_of_set(set)).sum();
        size_of::<Self>() + size_of_set(&self.current) + earlier
    }
}

fn size_of_set(set: &KeySet) -> usize {
    let size = |system: &SystemSignalling| {
        let optional = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let lines = system.hls_media.iter().chain(&system.hls_session).map(|line| {
            let others: usize = line.others.iter().map(|(a, b)| a.len() + b.len()).sum();
            size_of_val(line) + line.uri.len() + others
        });
        size_of_val(system)
            + optional(&system.pssh)
            + optional(&system.playready_object)
            + system.content_protection.as_ref().map_or(0, String::len)
            + lines.sum::<usize>()
    };
    set.keys.iter().map(|key| 128 + key.signalling.iter().map(size).sum::<usize>()).sum()
}

/// Whether two sets say the same of everything.
fn is_same(one: &KeySet, other: &KeySet) -> bool {
    one.scheme == other.scheme
        && one.keys.len() == other.keys.len()
        && one.keys.iter().zip(&other.keys).all(|(one, other)| {
            one.rule == other.rule
                && one.key.id == other.key.id
                && one.key.iv == other.key.iv
                && one.key.expose() == other.key.expose()
                && one.signalling == other.signalling
        })
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::error::Kind;
    use crate::model::protection::{ContentKey, KeyId, KeyRule, ProtectionScheme};
    use crate::model::protection::{RuleKey, TrackType};

    fn set(secret: u8) -> Arc<KeySet> {
        let key = ContentKey::new(KeyId([9; 16]), Zeroizing::new([secret; 16]), None);
        let rule = KeyRule::of(&[TrackType::All])[0];
        let keys = vec![RuleKey { rule, key: Arc::new(key), signalling: Arc::new([]) }];
        Arc::new(KeySet { scheme: ProtectionScheme::Cenc, keys })
    }

    fn secrets(sets: &[Arc<KeySet>]) -> Vec<u8> {
        sets.iter().map(|set| set.keys[0].key.expose()[0]).collect()
    }

    const SECOND: Duration = Duration::from_secs(1);
    const ID: QuestionId = [1; 32];

    fn shelf() -> Shelf {
        Shelf::new(Lifetimes { fresh: 10 * SECOND, kept: 100 * SECOND })
    }

    #[test]
    fn a_set_is_fresh_then_stale_then_gone() {
        let start = Instant::now();
        let mut shelf = shelf();
        shelf.put(ID, set(1), Duration::ZERO, start);
        assert!(matches!(shelf.find(&ID, start + 9 * SECOND), Found::Fresh(_)));
        assert!(matches!(shelf.find(&ID, start + 10 * SECOND), Found::Stale(_, None)));
        assert!(matches!(shelf.find(&ID, start + 99 * SECOND), Found::Stale(_, None)));
        assert!(matches!(shelf.find(&ID, start + 100 * SECOND), Found::Nothing));
        // The time that it lay elsewhere counts.
        shelf.put(ID, set(1), 95 * SECOND, start);
        assert!(matches!(shelf.find(&ID, start), Found::Stale(_, None)));
        assert!(matches!(shelf.find(&ID, start + 5 * SECOND), Found::Nothing));
    }

    #[test]
    fn failures_are_remembered_for_a_while_and_until_a_success() {
        let start = Instant::now();
        let mut shelf = shelf();
        let error = Error::new(Kind::KeysUnavailable, "away");
        shelf.fail(ID, error.clone(), start + SECOND);
        assert!(matches!(shelf.find(&ID, start), Found::Failed(_)));
        assert!(matches!(shelf.find(&ID, start + SECOND), Found::Nothing));
        shelf.fail(ID, error.clone(), start + SECOND);
        shelf.put(ID, set(1), 10 * SECOND, start);
        assert!(matches!(shelf.find(&ID, start), Found::Stale(_, None)));
        shelf.fail(ID, error, start + SECOND);
        assert!(matches!(shelf.find(&ID, start), Found::Stale(_, Some(_))));
    }

    #[test]
    fn replaced_sets_are_remembered_and_the_same_set_replaces_nothing() {
        let start = Instant::now();
        let mut shelf = shelf();
        let first = shelf.put(ID, set(1), Duration::ZERO, start);
        let again = shelf.put(ID, set(1), Duration::ZERO, start);
        assert!(Arc::ptr_eq(&first, &again) && shelf.earlier(&ID, start).is_empty());

        for (second, secret) in [(1, 2), (2, 3), (3, 1)] {
            shelf.put(ID, set(secret), Duration::ZERO, start + second * SECOND);
        }
        let now = start + 3 * SECOND;
        assert_eq!(secrets(&shelf.earlier(&ID, now)), [3, 2]);
        assert_eq!(secrets(&shelf.earlier(&ID, now + 99 * SECOND)), [3]);
        assert!(shelf.earlier(&ID, now + 100 * SECOND).is_empty());

        for secret in 10..20 {
            shelf.put(ID, set(secret), Duration::ZERO, now);
        }
        assert_eq!(secrets(&shelf.earlier(&ID, now)), [18, 17, 16, 15]);
    }

    #[test]
    fn bytes_are_bounded_and_reckoned_back() {
        let now = Instant::now();
        let mut shelf = shelf();
        let long = |secret| {
            let mut set = (*set(secret)).clone();
            let system = SystemSignalling {
                system: crate::model::protection::DrmSystem::Widevine,
                pssh: Some(vec![0; MAX_BYTES / 4]),
                playready_object: None,
                content_protection: None,
                hls_media: Vec::new(),
                hls_session: Vec::new(),
                license_url: None,
            };
            set.keys[0].signalling = Arc::new([system]);
            Arc::new(set)
        };
        for secret in 0..5 {
            shelf.put([secret; 32], long(secret), Duration::ZERO, now);
        }
        assert!(shelf.bytes <= MAX_BYTES && shelf.entries.len() == 3);
        assert!(matches!(shelf.find(&[0; 32], now), Found::Nothing));
        while shelf.entries.pop_lru().map(|(_, entry)| shelf.bytes -= entry.bytes()).is_some() {}
        assert_eq!(shelf.bytes, 0);
    }
}
