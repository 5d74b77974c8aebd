//! A least-recently-used cache bounded in bytes, in which every value is built once.
//!
//! ```text
//! get_or_build(key) ─┬ stored ───────────────────────────────► value
//!                    ├ being built: wait ────────────────────► the builder's value or error
//!                    └ neither: spawn one builder, then wait ►
//! ```
//!
//! A builder is a task of its own: a client that hangs up neither stops it for the others nor
//! leaves its key locked, and a builder that panics frees its key and fails its waiters. Errors are
//! handed to those who wait and are not stored.
//!
//! Keys are spread over shards, each with its own lock and its share of the bytes. Nothing here
//! knows what is cached.

mod shard;

use std::borrow::Borrow;
use std::future::Future;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use self::shard::{Found, Shard};
use crate::error::{Error, Kind, Result};
use crate::telemetry::{CacheLookups, CacheOutcome, Metrics};

/// How much of a cache's room a value takes.
pub trait Weight {
    /// Bytes, without the key.
    fn bytes(&self) -> u64;
}

/// See the module documentation. Values are cloned out and should be cheap to clone.
pub struct Cache<K, V> {
    name: &'static str,
    shards: Box<[Mutex<Shard<K, V>>]>,
    hasher: RandomState,
    lookups: CacheLookups,
    metrics: Arc<Metrics>,
}

/// No more shards than this; two cores need few.
const MAX_SHARDS: u64 = 16;
/// A shard has room for several of the largest values, so small caches have few shards.
const MIN_SHARD_BYTES: u64 = 64 << 20;

impl<K, V> Cache<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Weight + Clone + Send + Sync + 'static,
{
    /// An empty cache for `capacity` bytes; `name` labels its metrics.
    pub fn new(name: &'static str, capacity: u64, metrics: Arc<Metrics>) -> Arc<Self> {
        let count = (capacity / MIN_SHARD_BYTES).clamp(1, MAX_SHARDS);
        let shards = (0..count).map(|_| Mutex::new(Shard::new(capacity / count))).collect();
        let lookups = metrics.cache_lookups(name);
        Arc::new(Self { name, shards, hasher: RandomState::new(), lookups, metrics })
    }

    /// The stored value.
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let found = self.shard(key).get(key);
        if found.is_some() {
            self.lookups.count(CacheOutcome::Hit);
        }
        found
    }

    /// Whether a value is stored or being built. Counts as no use of it.
    pub fn has(&self, key: &K) -> bool {
        self.shard(key).has(key)
    }

    /// The stored value, or the one that `build` makes; of concurrent callers one builds.
    pub async fn get_or_build<F>(self: &Arc<Self>, key: K, build: impl FnOnce() -> F) -> Result<V>
    where
        F: Future<Output = Result<V>> + Send + 'static,
    {
        let found = self.shard(&key).find_or_begin(&key);
        let mut result = match found {
            Found::Stored(value) => {
                self.lookups.count(CacheOutcome::Hit);
                return Ok(value);
            }
            Found::Building(result) => {
                self.lookups.count(CacheOutcome::Joined);
                result
            }
            Found::Begun(sender, result) => {
                self.lookups.count(CacheOutcome::Miss);
                let permit = BuildPermit { cache: self.clone(), key, sender, is_done: false };
                let future = build();
                tokio::spawn(async move {
                    let built = future.await;
                    permit.finish(built);
                });
                result
            }
        };
        let built = result.wait_for(Option::is_some).await;
        match built.as_deref() {
            Ok(Some(built)) => built.clone(),
            Ok(None) | Err(_) => {
                Err(Error::new(Kind::Internal, "what was being built was dropped half-way"))
            }
        }
    }

    /// Forgets a stored value of which something holds.
    pub fn remove_if(&self, key: &K, holds: impl FnOnce(&V) -> bool) {
        if self.shard(key).remove_if(key, holds) {
            self.metrics.cache_holds(self.name, self.usage().0);
        }
    }

    /// Bytes and values stored.
    pub fn usage(&self) -> (u64, usize) {
        self.shards.iter().fold((0, 0), |(bytes, values), shard| {
            let shard = lock(shard);
            (bytes + shard.bytes(), values + shard.len())
        })
    }

    fn shard<Q>(&self, key: &Q) -> MutexGuard<'_, Shard<K, V>>
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let index = (hash % self.shards.len() as u64) as usize;
        lock(&self.shards[index])
    }

    fn store(&self, key: &K, built: &Result<V>) {
        let evicted = self.shard(key).finish(key, built.as_ref().ok());
        if evicted > 0 {
            self.metrics.cache_evicted(self.name, evicted);
        }
        self.metrics.cache_holds(self.name, self.usage().0);
    }
}

/// A panic while the lock was held leaves a shard that is still whole: each change is one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right to build a key. Dropping it frees the key, whatever happened.
struct BuildPermit<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Weight + Clone + Send + Sync + 'static,
{
    cache: Arc<Cache<K, V>>,
    key: K,
    sender: watch::Sender<Option<Result<V>>>,
    /// The key is free already, and perhaps somebody else's.
    is_done: bool,
}

impl<K, V> BuildPermit<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Weight + Clone + Send + Sync + 'static,
{
    fn finish(mut self, built: Result<V>) {
        self.is_done = true;
        self.cache.store(&self.key, &built);
        self.sender.send_replace(Some(built));
    }
}

impl<K, V> Drop for BuildPermit<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Weight + Clone + Send + Sync + 'static,
{
    fn drop(&mut self) {
        if !self.is_done {
            self.cache.shard(&self.key).abandon(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::oneshot;

    #[derive(Clone, Debug, PartialEq)]
    struct Blob(u64);

    impl Weight for Blob {
        fn bytes(&self) -> u64 {
            self.0
        }
    }

    fn cache(capacity: u64) -> Arc<Cache<&'static str, Blob>> {
        Cache::new("test", capacity, Arc::new(Metrics::new().unwrap()))
    }

    #[tokio::test]
    async fn concurrent_requests_build_once() {
        let cache = cache(100);
        let builds = Arc::new(AtomicUsize::new(0));
        let (go, wait) = oneshot::channel::<()>();
        let mut wait = Some(wait);
        let mut tasks = Vec::new();
        for _ in 0..10 {
            let (cache, builds, wait) = (cache.clone(), builds.clone(), wait.take());
            tasks.push(tokio::spawn(async move {
                cache
                    .get_or_build("k", || async move {
                        builds.fetch_add(1, Ordering::SeqCst);
                        if let Some(wait) = wait {
                            let _ = wait.await;
                        }
                        Ok(Blob(1))
                    })
                    .await
            }));
            tokio::task::yield_now().await;
        }
        go.send(()).unwrap();
        for task in tasks {
            assert_eq!(task.await.unwrap().unwrap(), Blob(1));
        }
        assert_eq!(builds.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_client_that_hangs_up_leaves_the_build_running_and_the_key_usable() {
        let cache = cache(100);
        let (go, wait) = oneshot::channel::<()>();
        let request = tokio::spawn({
            let cache = cache.clone();
            async move {
                let build = || async move {
                    let _ = wait.await;
                    Ok(Blob(5))
                };
                cache.get_or_build("k", build).await
            }
        });
        tokio::task::yield_now().await;
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled());
        go.send(()).unwrap();
        let joined = cache.get_or_build("k", || async { Ok(Blob(6)) }).await.unwrap();
        assert_eq!(joined, Blob(5));
    }

    #[tokio::test]
    async fn a_builder_that_panics_fails_its_waiters_and_frees_the_key() {
        let cache = cache(100);
        let panics = cache.get_or_build("k", || async { panic!("on purpose") }).await;
        assert_eq!(panics.unwrap_err().kind(), Kind::Internal);
        assert_eq!(cache.get_or_build("k", || async { Ok(Blob(2)) }).await.unwrap(), Blob(2));
    }

    #[tokio::test]
    async fn errors_are_not_stored() {
        let cache = cache(100);
        let fails = cache.get_or_build("k", || async { Err(Error::not_found("gone")) }).await;
        assert_eq!(fails.unwrap_err().kind(), Kind::NotFound);
        assert_eq!(cache.get_or_build("k", || async { Ok(Blob(2)) }).await.unwrap(), Blob(2));
    }

    #[tokio::test]
    async fn the_least_recently_used_goes_first_and_bytes_are_bounded() {
        let cache = cache(10);
        for key in ["a", "b"] {
            cache.get_or_build(key, || async { Ok(Blob(5)) }).await.unwrap();
        }
        assert!(cache.get(&"a").is_some());
        cache.get_or_build("c", || async { Ok(Blob(5)) }).await.unwrap();
        assert!(cache.get(&"a").is_some() && cache.get(&"b").is_none());
        assert_eq!(cache.usage(), (10, 2));
        cache.get_or_build("too large", || async { Ok(Blob(11)) }).await.unwrap();
        assert_eq!(cache.usage(), (10, 2));
        cache.remove_if(&"a", |value| value.0 > 5);
        assert_eq!(cache.usage(), (10, 2));
        cache.remove_if(&"a", |value| value.0 == 5);
        assert_eq!(cache.usage(), (5, 1));
        assert!(cache.get(&"a").is_none() && cache.get(&"c").is_some());
    }
}
