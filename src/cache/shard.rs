//! One lock's worth of a cache: what is stored, and what is being built.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

use lru::LruCache;
use tokio::sync::watch;

use super::Weight;
use crate::error::Result;

/// What a builder tells those who wait.
type Outcome<V> = Option<Result<V>>;

pub(super) struct Shard<K, V> {
    stored: LruCache<K, V>,
    building: HashMap<K, watch::Receiver<Outcome<V>>>,
    bytes: u64,
    capacity: u64,
}

/// What a look-up found.
pub(super) enum Found<V> {
    /// The value.
    Stored(V),
    /// Somebody builds it.
    Building(watch::Receiver<Outcome<V>>),
    /// The caller must build it and tell.
    Begun(watch::Sender<Outcome<V>>, watch::Receiver<Outcome<V>>),
}

impl<K: Hash + Eq + Clone, V: Weight + Clone> Shard<K, V> {
    pub fn new(capacity: u64) -> Self {
        Self { stored: LruCache::unbounded(), building: HashMap::new(), bytes: 0, capacity }
    }

    pub fn get<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.stored.get(key).cloned()
    }

    pub fn has(&self, key: &K) -> bool {
        self.stored.contains(key) || self.building.contains_key(key)
    }

    pub fn find_or_begin(&mut self, key: &K) -> Found<V> {
        if let Some(value) = self.stored.get(key) {
            return Found::Stored(value.clone());
        }
        if let Some(result) = self.building.get(key) {
            return Found::Building(result.clone());
        }
        let (sender, receiver) = watch::channel(None);
        self.building.insert(key.clone(), receiver.clone());
        Found::Begun(sender, receiver)
    }

    /// Ends a build; stores its value if it fits. Returns how many values had to go.
    pub fn finish(&mut self, key: &K, value: Option<&V>) -> u64 {
        self.building.remove(key);
        let Some(value) = value.filter(|value| value.bytes() <= self.capacity) else { return 0 };
        self.bytes += value.bytes();
        if let Some(replaced) = self.stored.put(key.clone(), value.clone()) {
            self.bytes -= replaced.bytes();
        }
        let mut evicted = 0;
        while self.bytes > self.capacity {
            let Some((_, oldest)) = self.stored.pop_lru() else { break };
            self.bytes -= oldest.bytes();
            evicted += 1;
        }
        evicted
    }

    /// Forgets a stored value of which something holds; whether there was one.
    pub fn remove_if(&mut self, key: &K, holds: impl FnOnce(&V) -> bool) -> bool {
        let removed = match self.stored.peek(key).is_some_and(holds) {
            true => self.stored.pop(key),
            false => None,
        };
        self.bytes -= removed.as_ref().map_or(0, Weight::bytes);
        removed.is_some()
    }

    /// A build is over, with or without [`Shard::finish`].
    pub fn abandon(&mut self, key: &K) {
        self.building.remove(key);
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn len(&self) -> usize {
        self.stored.len()
    }
}
