//! Keys of encrypted source segments: found, fetched, kept for a while in memory alone.
//!
//! ```text
//! EXT-X-KEY's URI ─┬ below the root ──────────► read like a segment
//!                  └ http(s), in ingest.key_hosts ─ egress rule ─ GET, no redirect ─► 16 bytes
//! ```
//!
//! A key is exactly 16 bytes. It is neither logged nor stored, and overwritten when it is dropped.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use lru::LruCache;
use tokio::sync::OnceCell;
use url::Url;
use zeroize::{Zeroize, Zeroizing};

use super::error::SourceError;
use super::path::{RootUrl, SourcePath, shown};
use crate::config::{Egress, SourceLimits};
use crate::egress::{self, EgressPolicy};
use crate::model::source_key::KeyPlace;

const KEY_BYTES: usize = 16;
/// A file that is longer is no key, and is not read.
pub(super) const MAX_KEY_FILE_BYTES: u64 = 64;
/// Keys that are remembered: titles that change them often have some hundred.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(512).unwrap();
/// How long a key is remembered.
const KEEP: Duration = Duration::from_secs(600);
/// Signed URLs have some hundred bytes of query.
const MAX_URL_BYTES: usize = 4096;
/// The wait before the first repetition; it doubles from there.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// A key of METHOD=AES-128.
pub(super) type SourceKey = Zeroizing<[u8; KEY_BYTES]>;

/// The keys of one root.
pub(super) struct KeyRing {
    hosts: Vec<String>,
    policy: EgressPolicy,
    /// `None` where no host is allowed.
    client: Option<reqwest::Client>,
    limits: SourceLimits,
    known: Mutex<LruCache<KeyPlace, Slot>>,
}

/// A key, or those who wait for it.
struct Slot {
    asked: Instant,
    key: Arc<OnceCell<SourceKey>>,
}

impl KeyRing {
    pub(super) fn new(
        egress: &Egress,
        policy: &EgressPolicy,
        limits: &SourceLimits,
    ) -> Result<Self, reqwest::Error> {
        let client = match egress.key_hosts.is_empty() {
            true => None,
            false => Some(
                // A redirect could lead to hosts that are not named.
                egress::client_builder(policy, limits.timeout)
                    .redirect(reqwest::redirect::Policy::none())
                    .timeout(limits.timeout)
                    .build()?,
            ),
        };
        Ok(Self {
            hosts: egress.key_hosts.clone(),
            policy: policy.clone(),
            client,
            limits: *limits,
            known: Mutex::new(LruCache::new(REMEMBERED)),
        })
    }

    /// Where the key at `uri`, found in the playlist at `playlist`, is.
    pub(super) fn place(
        &self,
        playlist: &SourcePath,
        root: &RootUrl,
        uri: &str,
    ) -> Result<KeyPlace, SourceError> {
        let outside = match playlist.resolve(uri, root) {
            Ok(path) => return Ok(KeyPlace::Stored(path.to_stored())),
            Err(outside) => outside,
        };
        let Ok(mut url) = Url::parse(uri) else { return Err(outside) };
        url.set_fragment(None);
        let refuse = |detail: String| SourceError::OutsideSource { path: shown(uri), detail };
        if !matches!(url.scheme(), "http" | "https") {
            let detail = format!("keys are not read from {}: URIs", url.scheme());
            // The URI itself may be the key.
            return Err(SourceError::OutsideSource {
                path: format!("{}:…", url.scheme()), detail
            });
        }
        if !url.username().is_empty()
            || url.password().is_some()
            || url.as_str().len() > MAX_URL_BYTES
        {
            return Err(refuse("the key's URL has a user in it, or is too long".to_owned()));
        }
        if !self.allows(&url) {
            let host = url.host_str().unwrap_or_default();
            return Err(refuse(format!(
                "the key is on another host; name {host} in ingest.key_hosts, or store the key \
                 below the source's root"
            )));
        }
        Ok(KeyPlace::Url(url.into()))
    }

    fn allows(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        self.hosts.iter().any(|known| known == host.trim_end_matches('.'))
    }

    /// The key at `place`; `read` reads one below the root. Those who ask at the same time wait for
    /// one answer, and errors are not kept.
    pub(super) async fn get<R>(
        &self,
        place: &KeyPlace,
        read: impl FnOnce(SourcePath) -> R,
    ) -> Result<SourceKey, SourceError>
    where
        R: Future<Output = Result<Bytes, SourceError>>,
    {
        let cell = self.slot(place);
        let key = cell.get_or_try_init(|| async {
            let bytes = match place {
                KeyPlace::Stored(path) => {
                    let path = SourcePath::from_stored(path)?;
                    read(path).await.map_err(|error| match error {
                        SourceError::TooLarge { path, limit } => {
                            not_a_key(path, &format!("more than {limit}"))
                        }
                        error => error,
                    })?
                }
                KeyPlace::Url(url) => self.fetch(url, place.shown()).await?,
            };
            into_key(bytes, place.shown())
        });
        key.await.cloned()
    }

    /// Forgets all keys, so that those that were replaced are read anew.
    pub(super) fn forget(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn slot(&self, place: &KeyPlace) -> Arc<OnceCell<SourceKey>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(place).filter(|slot| slot.asked.elapsed() < KEEP) {
            Some(slot) => slot.key.clone(),
            None => {
                let key = Arc::<OnceCell<SourceKey>>::default();
                known.put(place.clone(), Slot { asked: Instant::now(), key: key.clone() });
                key
            }
        }
    }

    async fn fetch(&self, url: &str, path: &str) -> Result<Bytes, SourceError> {
        let path = || path.to_owned();
        let forbidden = |detail: String| SourceError::Forbidden { path: path(), detail };
        let url = Url::parse(url).map_err(|_| forbidden("this is no URL".to_owned()))?;
        // The settings may have changed since the asset was read in.
        let (Some(client), true) = (&self.client, self.allows(&url)) else {
            return Err(forbidden("its host is not in ingest.key_hosts".to_owned()));
        };
        self.policy.check_url(&url).map_err(|refused| forbidden(refused.to_string()))?;
        let mut wait = FIRST_WAIT;
        for attempt in 0.. {
            let error = match self.attempt(client, url.clone(), path()).await {
                Err(error) if attempt < self.limits.retries => error,
                result => return result,
            };
            if !matches!(error, SourceError::Unavailable { .. } | SourceError::Timeout { .. }) {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2).min(LONGEST_WAIT);
        }
        Err(SourceError::Unavailable { path: path(), detail: String::new() })
    }

    async fn attempt(
        &self,
        client: &reqwest::Client,
        url: Url,
        path: String,
    ) -> Result<Bytes, SourceError> {
        let mut answer = match client.get(url).send().await {
            Ok(answer) => answer,
            Err(error) => return Err(self.explain(path, &error)),
        };
        let status = answer.status();
        let detail = format!("the key's server answered {status}");
        match status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Err(SourceError::NotFound { path, detail });
            }
            StatusCode::TOO_MANY_REQUESTS => return Err(SourceError::Unavailable { path, detail }),
            status if status.is_server_error() => {
                return Err(SourceError::Unavailable { path, detail });
            }
            _ => return Err(SourceError::Forbidden { path, detail }),
        }
        let mut key = Zeroizing::new(Vec::with_capacity(2 * KEY_BYTES));
        while let Some(chunk) =
            answer.chunk().await.map_err(|error| self.explain(path.clone(), &error))?
        {
            if key.len().saturating_add(chunk.len()) > KEY_BYTES {
                return Err(not_a_key(path, &format!("more than {KEY_BYTES}")));
            }
            key.extend_from_slice(&chunk);
        }
        Ok(Bytes::copy_from_slice(&key))
    }

    /// Without the error's own text, which quotes the URL.
    fn explain(&self, path: String, error: &reqwest::Error) -> SourceError {
        if let Some(refused) = egress::refusal(error) {
            return SourceError::Forbidden { path, detail: refused.to_string() };
        }
        if error.is_timeout() {
            return SourceError::Timeout { path, after: self.limits.timeout };
        }
        SourceError::Unavailable { path, detail: "the connection to its server failed".to_owned() }
    }
}

fn into_key(bytes: Bytes, path: &str) -> Result<SourceKey, SourceError> {
    let key = <[u8; KEY_BYTES]>::try_from(&bytes[..]).map(Zeroizing::new);
    let count = bytes.len();
    if let Ok(mut bytes) = bytes.try_into_mut() {
        bytes.zeroize();
    }
    key.map_err(|_| not_a_key(path.to_owned(), &count.to_string()))
}

fn not_a_key(path: String, count: &str) -> SourceError {
    let detail = format!("a key has {KEY_BYTES} bytes and this has {count}");
    SourceError::Undecryptable { path, detail }
}
