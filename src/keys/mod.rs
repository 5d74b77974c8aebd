//! Content keys and what players are told about them.
//!
//! ```text
//! key_set(content ID, encryption) ─ question ─┬ fresh in memory ─────────────────────────► KeySet
//!   one flight per question ──────────────────┴ fixed keys        fixed ◄ vault ──────────►
//!                                               on disk, fresh    disk ◄ vault ─ cpix ────►
//!                                               else ask          client ─ cpix ──────────►
//!                                               asking fails      stale: memory, disk ────►
//!
//! cpix       request document → (key server) → response document → KeySet
//! signalling what a key server did not say, or nobody was asked for
//!   ├ pssh ─ widevine, playready   payloads of protection system boxes
//!   └ hls_line                     EXT-X-KEY lines that key servers send
//! client     HTTP, attempts, breaker
//! vault      secrets of configurations and stored answers
//! ```
//!
//! [`Keys`] answers from memory what it can, asks a key server once however many players wait, and
//! goes on with what it has while the server is away. It hands out keys and uses none: nothing here
//! encrypts media.

mod ask_error;
mod breaker;
mod client;
pub mod cpix;
mod credentials;
mod disk;
mod fixed;
pub mod hls_line;
pub mod playready;
pub mod pssh;
mod question;
mod shelf;
pub mod signalling;
mod vault;
pub mod widevine;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tracing::Instrument;
use zeroize::Zeroizing;

pub use self::vault::{Vault, VaultError};

use self::ask_error::AskError;
use self::client::{Backoff, Client};
use self::cpix::{KeyRequest, read_response, request_document};
use self::credentials::Credentials;
use self::disk::{Disk, Stored};
use self::question::{Question, QuestionId, requested_keys};
use self::shelf::{Found, Lifetimes, Shelf};
use self::signalling::own_signalling;
use crate::config;
use crate::egress::EgressPolicy;
use crate::error::{Blame, Error, Kind, Result};
use crate::model::encryption::{Encryption, KeyProvider, KeyServer};
use crate::model::policy::{ContentId, PackageType};
use crate::model::protection::{DrmSystem, KeySet, RuleKey};
use crate::telemetry::{KeyLookup, Metrics, names};

/// After a failure a question is not asked again for so long: a crowd of players must not become a
/// crowd at the key server.
const FAILURE_PAUSE: Duration = Duration::from_secs(2);
/// The same where the server named a longer time; it cannot keep us away for longer than this.
const LONGEST_FAILURE_PAUSE: Duration = Duration::from_secs(30);
/// So long is a new set waited for while there is an old one; then the old one is taken.
const STALE_PATIENCE: Duration = Duration::from_millis(500);
/// How often old files are looked for.
const SWEEP_PAUSE: Duration = Duration::from_secs(3600);

/// Answers which keys protect a title. See the module documentation.
pub struct Keys {
    vault: Arc<Vault>,
    client: Client,
    disk: Option<Arc<Disk>>,
    lifetimes: Lifetimes,
    metrics: Arc<Metrics>,
    memory: Mutex<Memory>,
    now: Clock,
}

/// Where the time comes from; tests turn it by hand.
type Clock = Box<dyn Fn() -> Now + Send + Sync>;

/// The time, twice: for spans in memory, and for what outlives the process.
#[derive(Clone, Copy, Debug)]
struct Now {
    instant: Instant,
    unix_seconds: u64,
}

impl Now {
    fn of_the_machine() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            instant: Instant::now(),
            unix_seconds: since_epoch.map_or(0, |since| since.as_secs()),
        }
    }
}

struct Memory {
    shelf: Shelf,
    flights: HashMap<QuestionId, Landing>,
    swept: Instant,
}

/// Where the outcome of a flight appears.
type Landing = watch::Receiver<Option<Result<Arc<KeySet>>>>;

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// A service that knows no keys yet. With `settings.disk_cache` it opens the folder of stored
    /// answers below `data_dir`.
    pub fn new(
        settings: config::Keys,
        data_dir: &Path,
        vault: Arc<Vault>,
        policy: EgressPolicy,
        metrics: Arc<Metrics>,
    ) -> Result<Arc<Self>> {
        let parts = Parts { settings, data_dir, vault, policy, metrics };
        parts.assemble(Backoff::default(), Box::new(Now::of_the_machine))
    }

    /// The keys of a title under these settings. Everything that prevents them is
    /// [`Kind::KeysUnavailable`].
    pub async fn key_set(
        self: &Arc<Self>,
        content_id: &ContentId,
        package_type: PackageType,
        encryption: &Encryption,
    ) -> Result<Arc<KeySet>> {
        let text = question::text(content_id, package_type, encryption)?;
        let id = question::id(&text);
        let (stale, mut landing) = {
            let mut memory = self.memory();
            let stale = match memory.shelf.find(&id, (self.now)().instant) {
                Found::Fresh(set) => return Ok(self.looked_up(KeyLookup::Fresh, set)),
                Found::Stale(set, Some(_)) => return Ok(self.looked_up(KeyLookup::Stale, set)),
                Found::Failed(error) => {
                    self.metrics.key_lookup(KeyLookup::Failed);
                    return Err(error);
                }
                Found::Stale(set, None) => Some(set),
                Found::Nothing => None,
            };
            let landing = match memory.flights.get(&id) {
                Some(landing) => {
                    self.metrics.key_lookup(KeyLookup::Joined);
                    landing.clone()
                }
                None => {
                    self.metrics.key_lookup(KeyLookup::Asked);
                    let question = Question::new(content_id, package_type, encryption, text);
                    self.take_off(&mut memory, question)
                }
            };
            (stale, landing)
        };
        let landed = landing.wait_for(Option::is_some);
        let landed = match stale {
            None => landed.await,
            Some(set) => match tokio::time::timeout(STALE_PATIENCE, landed).await {
                Ok(landed) => landed,
                Err(_) => return Ok(self.looked_up(KeyLookup::Stale, set)),
            },
        };
        match landed.as_deref() {
            Ok(Some(result)) => result.clone(),
            Ok(None) | Err(_) => {
                Err(Error::internal("the task that asked for keys ended without an answer"))
            }
        }
    }

    /// Every key set in memory that URLs may have been made of: the current one first, fresh or
    /// stale, then those that it replaced within the keeping time. Asks nobody.
    pub fn known_key_sets(
        &self,
        content_id: &ContentId,
        package_type: PackageType,
        encryption: &Encryption,
    ) -> Vec<Arc<KeySet>> {
        let Ok(text) = question::text(content_id, package_type, encryption) else {
            return Vec::new();
        };
        let (id, now) = (question::id(&text), (self.now)().instant);
        let mut memory = self.memory();
        let current = match memory.shelf.find(&id, now) {
            Found::Fresh(set) | Found::Stale(set, _) => Some(set),
            Found::Failed(_) | Found::Nothing => None,
        };
        current.into_iter().chain(memory.shelf.earlier(&id, now)).collect()
    }

    fn looked_up(&self, how: KeyLookup, set: Arc<KeySet>) -> Arc<KeySet> {
        self.metrics.key_lookup(how);
        set
    }

    /// Starts the one task that answers a question. It runs on when those who wait hang up.
    fn take_off(self: &Arc<Self>, memory: &mut Memory, question: Question) -> Landing {
        let (sender, landing) = watch::channel(None);
        memory.flights.insert(question.id, landing.clone());
        let permit = FlightPermit { keys: self.clone(), id: question.id };
        let span = tracing::info_span!(
            names::SPAN_KEYS,
            content_id = question.content_id.as_str(),
            host = tracing::field::Empty,
        );
        let flight = async move {
            let result = permit.keys.answer(&Arc::new(question)).await;
            // Freed before it lands: whoever comes now finds the result in memory.
            drop(permit);
            sender.send_replace(Some(result));
        };
        tokio::spawn(flight.instrument(span));
        landing
    }

    /// A new set, or the best old one. What it finds is in memory when it returns.
    async fn answer(&self, question: &Arc<Question>) -> Result<Arc<KeySet>> {
        let stored = self.recall(question).await;
        if let Some((set, age)) = &stored {
            let now = (self.now)().instant;
            let set = self.memory().shelf.put(question.id, set.clone(), *age, now);
            if *age < self.lifetimes.fresh {
                return Ok(set);
            }
        }
        let asked = self.ask(question).await;
        let now = (self.now)().instant;
        let (error, pause) = match asked {
            Ok(set) => {
                let set = self.memory().shelf.put(question.id, Arc::new(set), Duration::ZERO, now);
                return Ok(set);
            }
            Err(failed) => failed,
        };
        let found = {
            let mut memory = self.memory();
            memory.shelf.fail(question.id, error.clone(), now + pause);
            memory.shelf.find(&question.id, now)
        };
        match found {
            Found::Fresh(set) | Found::Stale(set, _) => {
                tracing::warn!(error = %error.chain(), "no new keys; going on with those known");
                Ok(self.looked_up(KeyLookup::Stale, set))
            }
            Found::Failed(_) | Found::Nothing => Err(error),
        }
    }

    /// A new set; on failure the error and how long not to ask again.
    async fn ask(&self, question: &Arc<Question>) -> Result<KeySet, (Error, Duration)> {
        let content_id = &question.content_id;
        match &question.encryption.keys {
            KeyProvider::Static(_) => {
                let (vault, question) = (self.vault.clone(), question.clone());
                let result = in_background(move || match &question.encryption.keys {
                    KeyProvider::Static(keys) => {
                        fixed::key_set(&vault, &question.content_id, &question.encryption, keys)
                    }
                    KeyProvider::Server(_) => Err(Error::internal("a server holds no fixed keys")),
                });
                let context = |error: Error| error.context(format!("content ID {content_id}"));
                result.await.map_err(|error| (context(error), FAILURE_PAUSE))
            }
            KeyProvider::Server(server) => {
                let started = Instant::now();
                let result = self.ask_server(question, server).await;
                let outcome = result.as_ref().map_or_else(|(error, _)| error.label(), |_| "ok");
                self.metrics.key_request(outcome, started.elapsed());
                result.map_err(|(error, host)| {
                    let wanted = error.retry_after().unwrap_or_default();
                    let pause = wanted.clamp(FAILURE_PAUSE, LONGEST_FAILURE_PAUSE);
                    let place = match host {
                        Some(host) => format!("key server {host}, content ID {content_id}"),
                        None => format!("key server of content ID {content_id}"),
                    };
                    (Error::from(error).context(place), pause)
                })
            }
        }
    }

    /// Asks over HTTP and stores the answer. The host goes with an error as soon as it is known.
    async fn ask_server(
        &self,
        question: &Arc<Question>,
        server: &KeyServer,
    ) -> Result<KeySet, (AskError, Option<String>)> {
        let credentials = self.credentials(server).await.map_err(|error| (error, None))?;
        let host = credentials.url.host_str().map(str::to_owned);
        tracing::Span::current().record("host", host.as_deref());
        let request = key_request(question, server, credentials.recipient_certificate.clone());
        let document = request_document(&request);
        let asked = self.client.post(&credentials, server.version, &document).await;
        let answer = asked.map_err(|error| (error, host.clone()))?;
        let set = read(question, &request, &answer, &credentials).map_err(|error| (error, host))?;
        self.record(question, answer).await;
        Ok(set)
    }

    async fn credentials(&self, server: &KeyServer) -> Result<Credentials, AskError> {
        let (vault, server) = (self.vault.clone(), server.clone());
        let opened = spawn_blocking(move || Credentials::open(&vault, &server)).await;
        opened.unwrap_or(Err(AskError::Setting("the secrets of keyServer could not be opened")))
    }

    /// The stored answer and its age, where memory has nothing and it may still be used.
    async fn recall(&self, question: &Arc<Question>) -> Option<(Arc<KeySet>, Duration)> {
        let KeyProvider::Server(server) = &question.encryption.keys else { return None };
        let disk = self.disk.clone()?;
        let now = (self.now)();
        match self.memory().shelf.find(&question.id, now.instant) {
            Found::Nothing | Found::Failed(_) => {}
            Found::Fresh(_) | Found::Stale(..) => return None,
        }
        let (vault, asked) = (self.vault.clone(), question.clone());
        let stored = spawn_blocking(move || disk.get(&vault, &asked)).await.ok()?;
        let stored = match stored {
            Ok(stored) => stored?,
            Err(error) => {
                tracing::warn!(%error, "a stored answer of a key server cannot be used");
                return None;
            }
        };
        let age = Duration::from_secs(now.unix_seconds.saturating_sub(stored.at));
        if age >= self.lifetimes.kept {
            return None;
        }
        // Its secrets may be gone while the server is away; then the answer is of no use either.
        let credentials = self.credentials(server).await.ok()?;
        let request = key_request(question, server, credentials.recipient_certificate.clone());
        let set = read(question, &request, &stored.document, &credentials).ok()?;
        self.metrics.key_lookup(KeyLookup::Disk);
        Some((Arc::new(set), age))
    }

    async fn record(&self, question: &Arc<Question>, document: Zeroizing<Vec<u8>>) {
        let Some(disk) = self.disk.clone() else { return };
        let now = (self.now)();
        let kept = self.lifetimes.kept;
        let is_time_to_sweep = {
            let mut memory = self.memory();
            let is_time = now.instant.duration_since(memory.swept) >= SWEEP_PAUSE;
            if is_time {
                memory.swept = now.instant;
            }
            is_time
        };
        let (vault, question) = (self.vault.clone(), question.clone());
        let written = spawn_blocking(move || {
            if is_time_to_sweep {
                disk.sweep(kept);
            }
            disk.put(&vault, &question, &Stored { at: now.unix_seconds, document })
        });
        if let Ok(Err(error)) = written.await {
            tracing::warn!(%error, "an answer of a key server cannot be stored; check data_dir");
        }
    }

    /// A panic while the lock was held leaves maps that are still whole.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What [`Keys`] is made of, beside what tests replace.
struct Parts<'a> {
    settings: config::Keys,
    data_dir: &'a Path,
    vault: Arc<Vault>,
    policy: EgressPolicy,
    metrics: Arc<Metrics>,
}

impl Parts<'_> {
    fn assemble(self, backoff: Backoff, now: Clock) -> Result<Arc<Keys>> {
        let Self { settings, data_dir, vault, policy, metrics } = self;
        let lifetimes = Lifetimes { fresh: settings.cache_time, kept: settings.keep_time };
        let disk = match settings.disk_cache {
            true => Some(Arc::new(Disk::open(data_dir, lifetimes.kept)?)),
            false => None,
        };
        let swept = now().instant;
        let shelf = Shelf::new(lifetimes);
        Ok(Arc::new(Keys {
            vault,
            client: Client::new(policy, settings, backoff, metrics.clone()),
            disk,
            lifetimes,
            metrics,
            memory: Mutex::new(Memory { shelf, flights: HashMap::new(), swept }),
            now,
        }))
    }
}

/// The right to answer a question. Dropping it frees the question, whatever happened.
struct FlightPermit {
    keys: Arc<Keys>,
    id: QuestionId,
}

impl Drop for FlightPermit {
    fn drop(&mut self) {
        self.keys.memory().flights.remove(&self.id);
    }
}

fn key_request(
    question: &Question,
    server: &KeyServer,
    recipient_certificate: Option<Vec<u8>>,
) -> KeyRequest {
    let Question { content_id, encryption, .. } = question;
    let asked = encryption.systems.iter().copied().filter(|system| is_asked_for(*system));
    KeyRequest {
        content_id: content_id.clone(),
        scheme: encryption.scheme,
        version: server.version,
        systems: asked.collect(),
        keys: requested_keys(content_id, server.version, &server.track_types, encryption),
        recipient_certificate,
        wants_hls: question.wants_hls,
        license_urls: encryption.license_urls.clone(),
    }
}

/// Clear Key needs nothing that a server would have to say, and most do not know it.
fn is_asked_for(system: DrmSystem) -> bool {
    system != DrmSystem::ClearKey
}

/// Reads an answer and puts in what servers are not asked for.
fn read(
    question: &Question,
    request: &KeyRequest,
    document: &[u8],
    credentials: &Credentials,
) -> Result<KeySet, AskError> {
    let answered = read_response(document, request, credentials.private_key.as_ref())
        .map_err(AskError::Answer)?;
    let keys = answered.keys.into_iter().map(|entry| {
        let signalling = question.encryption.systems.iter().map(|&system| {
            match entry.signalling.iter().find(|said| said.system == system) {
                Some(said) => Ok(said.clone()),
                None => {
                    let license_url = question.encryption.license_urls.get(&system);
                    own_signalling(
                        system,
                        &entry.key,
                        request.scheme,
                        request.content_id.as_str(),
                        None,
                        license_url.map(String::as_str),
                    )
                }
            }
        });
        let signalling: Vec<_> = signalling.collect::<Result<_, _>>().map_err(AskError::System)?;
        Ok(RuleKey { signalling: signalling.into(), ..entry })
    });
    Ok(KeySet { scheme: answered.scheme, keys: keys.collect::<Result<_, AskError>>()? })
}

async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let stopped = |error| {
        let error =
            Error::new(Kind::KeysUnavailable, "opening secrets was stopped").caused_by(error);
        error.blamed_on(Blame::Us)
    };
    spawn_blocking(work).await.map_err(stopped)?
}

#[cfg(test)]
mod tests;
