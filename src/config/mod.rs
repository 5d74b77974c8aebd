//! Settings: a TOML file, then `PACKORIGIN_*` environment variables, then flags; a later one wins.
//!
//! ```text
//! file ─┐
//! env  ─┼─ layers (which value, and where it came from) ─ raw (serde, defaults) ─ check ─ Config
//! flags ┘
//! ```
//!
//! Every setting has a default that works on a laptop; the defaults stand beside their fields in
//! `config/raw.rs`. Every setting has an environment variable, made by one rule: `PACKORIGIN_`, then the
//! key in capitals with `_` for `.`, so `playback.listen` is `PACKORIGIN_PLAYBACK_LISTEN`. Lists
//! are comma-separated there. Sources are `PACKORIGIN_SOURCES=NAME=URL,NAME=URL`. The file itself
//! may be named by `PACKORIGIN_CONFIG`.
//!
//! A secret may be written out or, better, be a reference: `env:NAME` or `file:/path`.
//!
//! This room reads the settings file and the secret files that it names, and nothing else: the
//! environment is handed in, and whether an address can be bound or a source be reached is found
//! out by those who do so.

mod check;
mod error;
mod layers;
mod raw;
mod secret;
mod size;
mod source;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderName;
use ipnet::IpNet;
use url::Url;

pub use self::error::{ConfigError, Origin};
pub use self::secret::{SealingKey, Secret};
pub use self::source::{Addressing, Bucket, Credentials, HttpAuth, Place, Source};
use crate::model::policy::Name;

/// Every setting, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The listener that faces CDNs and players.
    pub playback: Playback,
    /// The listener that faces operators.
    pub control: Control,
    /// Where the catalog and the indexes live.
    pub data_dir: PathBuf,
    /// The roots that assets live under, by name.
    pub sources: BTreeMap<Name, Source>,
    /// How much is kept in memory.
    pub cache: Cache,
    /// Limits of reading an asset in.
    pub ingest: Ingest,
    /// Limits of each single request to a source.
    pub source: SourceLimits,
    /// Which addresses outgoing requests may reach.
    pub egress: Egress,
    /// Where secrets of packaging configurations come from, and what seals them.
    pub secrets: Secrets,
    /// How key servers are asked, and how long their answers hold.
    pub keys: Keys,
    /// Logs and traces.
    pub telemetry: Telemetry,
    /// Variables that begin with `PACKORIGIN_` and name no setting. They are no error, because
    /// Kubernetes injects such (`PACKORIGIN_SERVICE_HOST`) for a service of this name; whoever
    /// starts the program logs them, so that a misspelt one is seen.
    pub unknown_environment: Vec<String>,
}

/// The playback listener.
#[derive(Clone, Debug)]
pub struct Playback {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The base of playback URLs in answers of the control API, where one is configured.
    pub public_base_url: Option<Url>,
    /// Origins that browsers may play from; a single `*` means all.
    pub cors_allow_origins: Vec<String>,
    /// The header in which a CDN proves itself.
    pub cdn_header: HeaderName,
    /// What the CDN may send; empty means that anyone may ask.
    pub cdn_secrets: Vec<Secret>,
    /// `max-age` of entry manifests.
    pub manifest_max_age: Duration,
    /// `max-age` of answers for unknown names.
    pub not_found_max_age: Duration,
    /// How long URLs of a replaced version keep answering.
    pub grace: Duration,
    /// How often the source of an asset is surveyed for objects that are missing, where a
    /// configuration heals; zero for never.
    pub heal_survey: Duration,
    /// How long open requests may take after a stop was asked for.
    pub drain: Duration,
    /// Bytes of segments that are being made or sent and are not in the cache.
    pub build_bytes: u64,
}

impl Playback {
    /// The base of playback URLs, without a slash at its end. `bound` is the address that the
    /// listener really has: it differs from the configured one where that says port 0.
    pub fn base_url(&self, bound: SocketAddr) -> String {
        match &self.public_base_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => {
                // "http://0.0.0.0" is no address to send anyone to.
                let host = match bound.ip() {
                    ip if !ip.is_unspecified() => ip,
                    std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                    std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
                };
                format!("http://{}", SocketAddr::new(host, bound.port()))
            }
        }
    }
}

/// The control listener.
#[derive(Clone, Debug)]
pub struct Control {
    /// Where it listens.
    pub listen: SocketAddr,
    /// What callers must present; always there on an address that is not loopback.
    pub access_token: Option<Secret>,
}

/// Bounds of the caches, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Cache {
    /// Finished segments.
    pub segment_bytes: u64,
    /// Byte ranges of the source.
    pub source_bytes: u64,
    /// Loaded indexes.
    pub index_bytes: u64,
}

/// Limits of ingest.
#[derive(Clone, Copy, Debug)]
pub struct Ingest {
    /// Assets that are read in at the same time.
    pub concurrency: usize,
    /// Source segments of one asset, all its streams together.
    pub max_segments: u64,
    /// Bytes of one playlist.
    pub max_playlist_bytes: u64,
    /// Bytes of one source segment.
    pub max_segment_bytes: u64,
    /// Dry runs that are read at the same time, beside ingest.
    pub dry_runs: usize,
    /// How long a dry run may take.
    pub dry_run_timeout: Duration,
    /// What happens to an asset of whose streams some cannot be read.
    pub missing_variants: MissingVariants,
}

/// What happens to an asset of whose streams some cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingVariants {
    /// The others play, with a warning.
    #[default]
    Warn,
    /// The asset fails.
    Fail,
}

/// Limits of requests to a source.
#[derive(Clone, Copy, Debug)]
pub struct SourceLimits {
    /// How long a source may be silent.
    pub timeout: Duration,
    /// How often a failed request is tried again.
    pub retries: usize,
    /// Requests that run against one root at the same time.
    pub concurrency: usize,
    /// The longest byte range that is asked for at once.
    pub max_read_bytes: u64,
    /// What may be read ahead of players and be held for them, in bytes; 0 for nothing.
    pub read_ahead_bytes: u64,
}

/// Exceptions from the rule that outgoing requests reach public addresses only.
#[derive(Clone, Debug, Default)]
pub struct Egress {
    /// Hosts and networks that may be reached although they are private.
    pub allow_hosts: Vec<AllowedHost>,
    /// Hosts that keys of encrypted sources may be fetched from, in lower case:
    /// `ingest.key_hosts`.
    pub key_hosts: Vec<String>,
}

/// One entry of `egress.allow_hosts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedHost {
    /// A host by its name, in lower case, whatever it resolves to.
    Name(String),
    /// Addresses, whatever name led to them.
    Network(IpNet),
}

/// Where secrets of packaging configurations come from, and what seals them.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// Seals what is stored; without one, the data directory holds it.
    pub key: Option<SealingKey>,
    /// The folder that `file:` references reach into; without one, they are refused.
    pub directory: Option<PathBuf>,
    /// The variables that `env:` references may name, all of which begin with
    /// [`Secrets::VARIABLE_PREFIX`], by their whole names.
    pub variables: BTreeMap<String, Secret>,
}

impl Secrets {
    /// What the names of variables begin with that packaging configurations may refer to. Whoever
    /// may write configurations may not necessarily see everything that this process can.
    pub const VARIABLE_PREFIX: &str = layers::SECRET_PREFIX;
}

/// How key servers are asked, and how long their answers hold.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    /// How long one attempt may take, from connecting to the last byte.
    pub timeout: Duration,
    /// How often a request is sent at most; at least 1.
    pub attempts: u32,
    /// How long an answer is used without asking again.
    pub cache_time: Duration,
    /// How long an answer may be used while the key server gives no new one, and how long one that
    /// a new one replaced is remembered; at least `cache_time`.
    pub keep_time: Duration,
    /// Whether answers are kept in the data directory, sealed.
    pub disk_cache: bool,
    /// Bytes of one answer.
    pub max_response_bytes: u64,
}

/// Logs and traces.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// Filter in the syntax of tracing's `EnvFilter`.
    pub log: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Where spans are sent to (OTLP over HTTP), if anywhere.
    pub otlp_endpoint: Option<Url>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object in each line.
    Json,
}

/// What the command line says; `None` where a flag is absent.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--listen ADDR`
    pub listen: Option<String>,
    /// `--control-listen ADDR`
    pub control_listen: Option<String>,
    /// `--data-dir DIR`
    pub data_dir: Option<PathBuf>,
    /// `--source NAME=URL`, any number of them.
    pub sources: Vec<String>,
}

impl Config {
    /// Reads `file` (or the one that `PACKORIGIN_CONFIG` names; neither is fine too), puts the
    /// environment and the flags over it, and checks the whole.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        overrides: &Overrides,
    ) -> Result<Self, ConfigError> {
        let environment: BTreeMap<String, String> = environment.into_iter().collect();
        let named = environment.get(layers::CONFIG_VARIABLE).map(PathBuf::from);
        let file = match file.map(Path::to_owned).or(named) {
            Some(path) => {
                let text = std::fs::read_to_string(&path)
                    .map_err(|error| ConfigError::file(&path, error.to_string()))?;
                Some((path, text))
            }
            None => None,
        };
        let file = file.as_ref().map(|(path, text)| (path.as_path(), text.as_str()));
        check::check(layers::Layers::stack(file, &environment, overrides)?, &environment)
    }
}
