//! The settings as the file writes them, with their defaults. Nothing is checked here but shape.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The whole file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Raw {
    pub playback: RawPlayback,
    pub control: RawControl,
    /// Where the catalog and the indexes live. Default `./packorigin-data`.
    pub data_dir: String,
    /// `[sources.NAME]` tables. Default: none.
    pub sources: BTreeMap<String, RawSource>,
    pub cache: RawCache,
    pub ingest: RawIngest,
    pub source: RawSourceLimits,
    pub egress: RawEgress,
    pub secrets: RawSecrets,
    pub keys: RawKeys,
    pub telemetry: RawTelemetry,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            playback: RawPlayback::default(),
            control: RawControl::default(),
            data_dir: "./packorigin-data".to_owned(),
            sources: BTreeMap::new(),
            cache: RawCache::default(),
            ingest: RawIngest::default(),
            source: RawSourceLimits::default(),
            egress: RawEgress::default(),
            secrets: RawSecrets::default(),
            keys: RawKeys::default(),
            telemetry: RawTelemetry::default(),
        }
    }
}

/// `[playback]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawPlayback {
    /// Default `127.0.0.1:8080`.
    pub listen: String,
    /// Default: `http://` and the listen address.
    pub public_base_url: Option<String>,
    /// Default `["*"]`.
    pub cors_allow_origins: List,
    /// Default: none, anyone may ask. 8 to 128 characters each; may be references.
    pub cdn_secrets: List,
    /// Default `X-Packorigin-Cdn-Secret`.
    pub cdn_header: String,
    /// Default 2.
    pub manifest_max_age_seconds: u64,
    /// Default 5.
    pub not_found_max_age_seconds: u64,
    /// Default 6.
    pub grace_hours: u64,
    /// Default 300.
    pub heal_survey_seconds: u64,
    /// Default 10.
    pub drain_seconds: u64,
    /// Default 128 MiB: some thirty segments of 1080p.
    pub build_bytes: Size,
}

impl Default for RawPlayback {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            public_base_url: None,
            cors_allow_origins: List::Many(vec!["*".to_owned()]),
            cdn_secrets: List::default(),
            cdn_header: "X-Packorigin-Cdn-Secret".to_owned(),
            manifest_max_age_seconds: 2,
            not_found_max_age_seconds: 5,
            grace_hours: 6,
            heal_survey_seconds: 300,
            drain_seconds: 10,
            build_bytes: Size::mib(128),
        }
    }
}

/// `[control]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawControl {
    /// Default `127.0.0.1:8081`.
    pub listen: String,
    /// Default: none, which only a loopback address allows. May be a reference.
    pub access_token: Option<String>,
}

impl Default for RawControl {
    fn default() -> Self {
        Self { listen: "127.0.0.1:8081".to_owned(), access_token: None }
    }
}

/// `[sources.NAME]`; which options go with which scheme is checked in `source`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawSource {
    /// `file:///path`, `http(s)://host/path/`, `s3://bucket/prefix`, `oss://bucket/prefix`.
    pub url: String,
    /// s3. Default: `AWS_REGION`, then `AWS_DEFAULT_REGION`, then `us-east-1` with an endpoint.
    pub region: Option<String>,
    /// s3, oss. Default for s3: the service of Amazon; oss has none.
    pub endpoint: Option<String>,
    /// s3, oss: `path` or `virtual`. Default `path` for s3, `virtual` for oss.
    pub addressing: Option<String>,
    /// s3, oss. Default: the usual environment of the service.
    pub access_key_id: Option<String>,
    /// s3, oss. Belongs to `access_key_id`.
    pub secret_access_key: Option<String>,
    /// s3, oss. For temporary credentials.
    pub session_token: Option<String>,
    /// s3, oss: requests are not signed. Default false.
    pub anonymous: Option<bool>,
    /// http. Default: none.
    pub bearer_token: Option<String>,
    /// http. Default: none.
    pub username: Option<String>,
    /// http. Belongs to `username`.
    pub password: Option<String>,
}

/// `[cache]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawCache {
    /// Default 512 MiB.
    pub segment_bytes: Size,
    /// Default 128 MiB.
    pub source_bytes: Size,
    /// Default 256 MiB.
    pub index_bytes: Size,
}

impl Default for RawCache {
    fn default() -> Self {
        Self {
            segment_bytes: Size::mib(512),
            source_bytes: Size::mib(128),
            index_bytes: Size::mib(256),
        }
    }
}

/// `[ingest]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawIngest {
    /// Default 2.
    pub concurrency: u64,
    /// Default 100000: ten renditions of 16 hours in segments of 6 s.
    pub max_segments: u64,
    /// Default 16 MiB.
    pub max_playlist_bytes: Size,
    /// Default 512 MiB.
    pub max_segment_bytes: Size,
    /// Default 1.
    pub dry_runs: u64,
    /// Default 300.
    pub dry_run_timeout_seconds: u64,
    /// `warn` or `fail`. Default `warn`.
    pub missing_variants: String,
    /// Default: none, keys lie below the source's root only.
    pub key_hosts: List,
}

impl Default for RawIngest {
    fn default() -> Self {
        Self {
            concurrency: 2,
            max_segments: 100_000,
            max_playlist_bytes: Size::mib(16),
            max_segment_bytes: Size::mib(512),
            dry_runs: 1,
            dry_run_timeout_seconds: 300,
            missing_variants: "warn".to_owned(),
            key_hosts: List::default(),
        }
    }
}

/// `[source]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawSourceLimits {
    /// Default 10.
    pub timeout_seconds: u64,
    /// Default 3.
    pub retries: u64,
    /// Default 32.
    pub concurrency: u64,
    /// Default 128 MiB: 30 s of 35 Mbit/s.
    pub max_read_bytes: Size,
    /// Default 64 MiB: a dozen segments of 1080p.
    pub read_ahead_bytes: Size,
}

impl Default for RawSourceLimits {
    fn default() -> Self {
        Self {
            timeout_seconds: 10,
            retries: 3,
            concurrency: 32,
            max_read_bytes: Size::mib(128),
            read_ahead_bytes: Size::mib(64),
        }
    }
}

/// `[egress]`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawEgress {
    /// Default: none, public addresses only.
    pub allow_hosts: List,
}

/// `[secrets]`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawSecrets {
    /// 32 bytes in base64 or hexadecimal; may be a reference. Default: the file `secrets.key` in
    /// the data directory, made at the first start.
    pub key: Option<String>,
    /// Default: none, `file:` references in packaging configurations are refused.
    pub directory: Option<String>,
}

/// `[keys]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawKeys {
    /// Default 5.
    pub timeout_seconds: u64,
    /// Default 3.
    pub attempts: u64,
    /// Default 3600.
    pub cache_time_seconds: u64,
    /// Default 24.
    pub keep_time_hours: u64,
    /// Default false.
    pub disk_cache: bool,
    /// Default 1 MiB.
    pub max_response_bytes: Size,
}

impl Default for RawKeys {
    fn default() -> Self {
        Self {
            timeout_seconds: 5,
            attempts: 3,
            cache_time_seconds: 3600,
            keep_time_hours: 24,
            disk_cache: false,
            max_response_bytes: Size::mib(1),
        }
    }
}

/// `[telemetry]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawTelemetry {
    /// Default `info`.
    pub log: String,
    /// `text` or `json`. Default `text`.
    pub log_format: String,
    /// Default: none, no traces are sent.
    pub otlp_endpoint: Option<String>,
}

impl Default for RawTelemetry {
    fn default() -> Self {
        Self { log: "info".to_owned(), log_format: "text".to_owned(), otlp_endpoint: None }
    }
}

/// An array, or text with commas as the environment writes it. Untagged, so that an error does
/// not repeat what stands there: it may be a secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum List {
    Text(String),
    Many(Vec<String>),
}

impl Default for List {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl List {
    /// The entries, without empty ones.
    pub(super) fn entries(&self) -> Vec<String> {
        let entries: Vec<&str> = match self {
            Self::Text(text) => text.split(',').collect(),
            Self::Many(entries) => entries.iter().map(String::as_str).collect(),
        };
        let entries = entries.into_iter().map(str::trim).filter(|entry| !entry.is_empty());
        entries.map(str::to_owned).collect()
    }
}

/// A number of bytes, or text such as `512MiB`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Size {
    Bytes(u64),
    Text(String),
}

impl Size {
    const fn mib(mebibytes: u64) -> Self {
        Self::Bytes(mebibytes << 20)
    }
}
