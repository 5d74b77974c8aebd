//! From the stacked settings to the checked ones.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
use ipnet::IpNet;
use url::Url;

use super::error::ConfigError;
use super::layers::{Layers, SECRET_PREFIX};
use super::raw::Size;
use super::secret::{SealingKey, Secret};
use super::size::parse_size;
use super::source::{Source, parse_source};
use super::{
    AllowedHost, Cache, Config, Control, Egress, Ingest, Keys, LogFormat, MissingVariants,
    Playback, Secrets, SourceLimits, Telemetry,
};
use crate::model::policy::Name;

type Result<T> = std::result::Result<T, ConfigError>;

/// Checks every setting; the first that does not hold is the error.
pub(super) fn check(layers: Layers, environment: &BTreeMap<String, String>) -> Result<Config> {
    Checker { layers: &layers, environment }.config()
}

struct Checker<'a> {
    layers: &'a Layers,
    environment: &'a BTreeMap<String, String>,
}

impl Checker<'_> {
    fn config(&self) -> Result<Config> {
        Ok(Config {
            playback: self.playback()?,
            control: self.control()?,
            data_dir: self.data_dir()?,
            sources: self.sources()?,
            cache: self.cache()?,
            ingest: self.ingest()?,
            source: self.source_limits()?,
            egress: self.egress()?,
            secrets: self.secrets()?,
            keys: self.keys()?,
            telemetry: self.telemetry()?,
            unknown_environment: self.layers.unknown_environment.clone(),
        })
    }

    fn playback(&self) -> Result<Playback> {
        let raw = &self.layers.raw.playback;
        let cdn_secrets = raw
            .cdn_secrets
            .entries()
            .iter()
            .map(|text| self.cdn_secret(text))
            .collect::<Result<Vec<_>>>()?;
        Ok(Playback {
            listen: self.address("playback.listen", &raw.listen)?,
            public_base_url: match &raw.public_base_url {
                Some(text) => Some(self.base_url("playback.public_base_url", text)?),
                None => None,
            },
            cors_allow_origins: self.origins(raw.cors_allow_origins.entries())?,
            cdn_header: match HeaderName::from_bytes(raw.cdn_header.as_bytes()) {
                Ok(name) => name,
                Err(_) => {
                    return self.fail(
                        "playback.cdn_header",
                        &raw.cdn_header,
                        "this is no header name; write one such as X-Packorigin-Cdn-Secret",
                    );
                }
            },
            cdn_secrets,
            manifest_max_age: self.seconds(
                "playback.manifest_max_age_seconds",
                raw.manifest_max_age_seconds,
                0..=86_400,
            )?,
            not_found_max_age: self.seconds(
                "playback.not_found_max_age_seconds",
                raw.not_found_max_age_seconds,
                0..=86_400,
            )?,
            grace: Duration::from_secs(
                3600 * self.number("playback.grace_hours", raw.grace_hours, 0..=8760)?,
            ),
            heal_survey: self.seconds(
                "playback.heal_survey_seconds",
                raw.heal_survey_seconds,
                0..=86_400,
            )?,
            drain: self.seconds("playback.drain_seconds", raw.drain_seconds, 0..=3600)?,
            build_bytes: self.size("playback.build_bytes", &raw.build_bytes, 1)?,
        })
    }

    fn cdn_secret(&self, text: &str) -> Result<Secret> {
        const KEY: &str = "playback.cdn_secrets";
        let secret = Secret::from_reference(text, self.environment)
            .map_err(|problem| self.error(KEY, None, problem))?;
        // Compared with a header, so it must be something that a header can hold.
        let printable = secret.expose().bytes().all(|b| b.is_ascii_graphic());
        if !(8..=128).contains(&secret.expose().len()) || !printable {
            let problem = "each secret must be 8 to 128 visible ASCII characters; replace it";
            return Err(self.error(KEY, None, problem));
        }
        Ok(secret)
    }

    fn origins(&self, entries: Vec<String>) -> Result<Vec<String>> {
        const KEY: &str = "playback.cors_allow_origins";
        for entry in &entries {
            // A browser sends scheme, host and port and nothing else (RFC 6454 7), so anything
            // else would never match.
            let is_origin = entry == "*"
                || Url::parse(entry).is_ok_and(|url| url.origin().ascii_serialization() == *entry);
            if !is_origin {
                return self.fail(KEY, entry, "write * or an origin such as https://example.com");
            }
        }
        if entries.len() > 1 && entries.iter().any(|entry| entry == "*") {
            return self.fail(KEY, &entries.join(","), "* allows all; remove it or the others");
        }
        Ok(entries)
    }

    fn control(&self) -> Result<Control> {
        let raw = &self.layers.raw.control;
        let listen = self.address("control.listen", &raw.listen)?;
        let access_token = match &raw.access_token {
            Some(text) => {
                let token = Secret::from_reference(text, self.environment)
                    .map_err(|problem| self.error("control.access_token", None, problem))?;
                if token.expose().len() < 8 || !token.expose().bytes().all(|b| b.is_ascii_graphic())
                {
                    let problem = "the token must be at least 8 visible ASCII characters";
                    return Err(self.error("control.access_token", None, problem));
                }
                Some(token)
            }
            None => None,
        };
        if access_token.is_none() && !listen.ip().to_canonical().is_loopback() {
            return self.fail(
                "control.listen",
                &raw.listen,
                "this address can be reached from other machines, and without an access token \
                 anyone there could change or delete every asset; set control.access_token (or \
                 PACKORIGIN_CONTROL_ACCESS_TOKEN), or listen on 127.0.0.1",
            );
        }
        Ok(Control { listen, access_token })
    }

    fn data_dir(&self) -> Result<PathBuf> {
        let text = &self.layers.raw.data_dir;
        if text.is_empty() {
            return self.fail("data_dir", text, "name a directory that can be written to");
        }
        Ok(PathBuf::from(text))
    }

    fn sources(&self) -> Result<BTreeMap<Name, Source>> {
        let mut sources = BTreeMap::new();
        for (name, raw) in &self.layers.raw.sources {
            let key = format!("sources.{name}");
            let checked = Name::new(name.clone()).map_err(|invalid| {
                self.error(&key, Some(name), format!("the name of a source {invalid}"))
            })?;
            let source = parse_source(raw, self.environment).map_err(|problem| {
                // A URL is shown unless it holds a user and password, or a query that may do so.
                let shown = raw.url.split('?').next().unwrap_or_default();
                let shown = (problem.field == "url" && !shown.contains('@')).then_some(shown);
                let origin = self.layers.origin(&key);
                ConfigError {
                    setting: format!("{key}.{}", problem.field),
                    value: shown.map(str::to_owned),
                    origin,
                    problem: problem.problem,
                }
            })?;
            sources.insert(checked, source);
        }
        Ok(sources)
    }

    fn cache(&self) -> Result<Cache> {
        let raw = &self.layers.raw.cache;
        // 0 turns a cache off.
        Ok(Cache {
            segment_bytes: self.size("cache.segment_bytes", &raw.segment_bytes, 0)?,
            source_bytes: self.size("cache.source_bytes", &raw.source_bytes, 0)?,
            index_bytes: self.size("cache.index_bytes", &raw.index_bytes, 0)?,
        })
    }

    fn ingest(&self) -> Result<Ingest> {
        let raw = &self.layers.raw.ingest;
        Ok(Ingest {
            concurrency: self.count("ingest.concurrency", raw.concurrency, 1..=256)?,
            max_segments: self.number("ingest.max_segments", raw.max_segments, 1..=100_000_000)?,
            max_playlist_bytes: self.size(
                "ingest.max_playlist_bytes",
                &raw.max_playlist_bytes,
                1,
            )?,
            max_segment_bytes: self.size("ingest.max_segment_bytes", &raw.max_segment_bytes, 1)?,
            dry_runs: self.count("ingest.dry_runs", raw.dry_runs, 0..=256)?,
            dry_run_timeout: self.seconds(
                "ingest.dry_run_timeout_seconds",
                raw.dry_run_timeout_seconds,
                1..=86_400,
            )?,
            missing_variants: match raw.missing_variants.as_str() {
                "warn" => MissingVariants::Warn,
                "fail" => MissingVariants::Fail,
                other => {
                    return self.fail("ingest.missing_variants", other, "write warn or fail");
                }
            },
        })
    }

    fn source_limits(&self) -> Result<SourceLimits> {
        let raw = &self.layers.raw.source;
        Ok(SourceLimits {
            timeout: self.seconds("source.timeout_seconds", raw.timeout_seconds, 1..=3600)?,
            retries: self.count("source.retries", raw.retries, 0..=20)?,
            concurrency: self.count("source.concurrency", raw.concurrency, 1..=10_000)?,
            max_read_bytes: self.size("source.max_read_bytes", &raw.max_read_bytes, 1)?,
            // 0 turns it off.
            read_ahead_bytes: self.size("source.read_ahead_bytes", &raw.read_ahead_bytes, 0)?,
        })
    }

    fn egress(&self) -> Result<Egress> {
        let entries = self.layers.raw.egress.allow_hosts.entries();
        let allow_hosts = entries.iter().map(|entry| self.allowed_host(entry));
        let key_hosts = self.layers.raw.ingest.key_hosts.entries();
        let key_hosts = key_hosts.iter().map(|entry| self.key_host(entry));
        Ok(Egress {
            allow_hosts: allow_hosts.collect::<Result<_>>()?,
            key_hosts: key_hosts.collect::<Result<_>>()?,
        })
    }

    /// A host as URLs have it once they are parsed.
    fn key_host(&self, entry: &str) -> Result<String> {
        match url::Host::parse(entry.trim_end_matches('.')) {
            Ok(host) => Ok(host.to_string()),
            Err(_) => self.fail(
                "ingest.key_hosts",
                entry,
                "write a host (keys.example.com) or an address, without scheme, port or path",
            ),
        }
    }

    fn allowed_host(&self, entry: &str) -> Result<AllowedHost> {
        if let Ok(network) = entry.parse::<IpNet>() {
            return Ok(AllowedHost::Network(network.trunc()));
        }
        let bare = entry.strip_prefix('[').and_then(|e| e.strip_suffix(']')).unwrap_or(entry);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(AllowedHost::Network(address.into()));
        }
        let name = entry.trim_end_matches('.').to_ascii_lowercase();
        let well_formed = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
        if !well_formed {
            return self.fail(
                "egress.allow_hosts",
                entry,
                "write a host (keys.internal), an address (10.0.0.7) or a block (10.0.0.0/8), \
                 without scheme, port or path",
            );
        }
        Ok(AllowedHost::Name(name))
    }

    fn secrets(&self) -> Result<Secrets> {
        let raw = &self.layers.raw.secrets;
        let key = match &raw.key {
            Some(text) => Some(self.sealing_key(text)?),
            None => None,
        };
        let directory = match &raw.directory {
            Some(text) if !text.is_empty() => Some(PathBuf::from(text)),
            Some(text) => {
                let problem = "name a directory that holds the files, or remove the setting";
                return self.fail("secrets.directory", text, problem);
            }
            None => None,
        };
        let variables = self.environment.iter().filter(|(name, _)| name.starts_with(SECRET_PREFIX));
        let variables = variables.map(|(name, text)| (name.clone(), Secret::new(text.as_str())));
        Ok(Secrets { key, directory, variables: variables.collect() })
    }

    fn sealing_key(&self, text: &str) -> Result<SealingKey> {
        const KEY: &str = "secrets.key";
        let secret = Secret::from_reference(text, self.environment)
            .map_err(|problem| self.error(KEY, None, problem))?;
        SealingKey::parse(secret.expose()).ok_or_else(|| {
            let problem = "write 32 bytes in base64 or as 64 hexadecimal digits, such as `openssl \
                           rand -base64 32` gives";
            self.error(KEY, None, problem)
        })
    }

    fn keys(&self) -> Result<Keys> {
        let raw = &self.layers.raw.keys;
        let attempts = self.number("keys.attempts", raw.attempts, 1..=10)?;
        let cache_time =
            self.seconds("keys.cache_time_seconds", raw.cache_time_seconds, 0..=31_536_000)?;
        let keep_time = Duration::from_secs(
            3600 * self.number("keys.keep_time_hours", raw.keep_time_hours, 0..=8760)?,
        );
        Ok(Keys {
            timeout: self.seconds("keys.timeout_seconds", raw.timeout_seconds, 1..=300)?,
            attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
            cache_time,
            // An answer that need not be asked for again cannot be too old to be used.
            keep_time: keep_time.max(cache_time),
            disk_cache: raw.disk_cache,
            max_response_bytes: self.size("keys.max_response_bytes", &raw.max_response_bytes, 1)?,
        })
    }

    fn telemetry(&self) -> Result<Telemetry> {
        let raw = &self.layers.raw.telemetry;
        Ok(Telemetry {
            log: raw.log.clone(),
            log_format: match raw.log_format.as_str() {
                "text" => LogFormat::Text,
                "json" => LogFormat::Json,
                other => return self.fail("telemetry.log_format", other, "write text or json"),
            },
            otlp_endpoint: match &raw.otlp_endpoint {
                Some(text) => Some(self.base_url("telemetry.otlp_endpoint", text)?),
                None => None,
            },
        })
    }

    fn address(&self, key: &str, text: &str) -> Result<SocketAddr> {
        text.parse().or_else(|_| {
            self.fail(
                key,
                text,
                "this is no address to listen on; write IP:PORT, such as 127.0.0.1:8080 or \
                 [::]:8080",
            )
        })
    }

    fn base_url(&self, key: &str, text: &str) -> Result<Url> {
        match Url::parse(text) {
            Ok(url)
                if matches!(url.scheme(), "http" | "https")
                    && url.host().is_some()
                    && url.query().is_none()
                    && url.fragment().is_none()
                    && url.username().is_empty()
                    && url.password().is_none() =>
            {
                Ok(url)
            }
            // The value may hold a password.
            _ => Err(self.error(
                key,
                (!text.contains('@')).then_some(text),
                "write http:// or https://, a host and perhaps a path, and nothing else",
            )),
        }
    }

    fn size(&self, key: &str, size: &Size, least: u64) -> Result<u64> {
        let (bytes, shown) = match size {
            Size::Bytes(bytes) => (Some(*bytes), bytes.to_string()),
            Size::Text(text) => (parse_size(text), text.clone()),
        };
        match bytes {
            Some(bytes) if bytes >= least => Ok(bytes),
            _ => self.fail(key, &shown, "write a number of bytes or a size such as \"512MiB\""),
        }
    }

    fn seconds(
        &self,
        key: &str,
        value: u64,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<Duration> {
        self.number(key, value, range).map(Duration::from_secs)
    }

    fn count(&self, key: &str, value: u64, range: std::ops::RangeInclusive<u64>) -> Result<usize> {
        // All ranges end far below the smallest `usize::MAX` that this runs on.
        self.number(key, value, range).map(|number| number as usize)
    }

    fn number(&self, key: &str, value: u64, range: std::ops::RangeInclusive<u64>) -> Result<u64> {
        if range.contains(&value) {
            return Ok(value);
        }
        let problem = format!("write a whole number from {} to {}", range.start(), range.end());
        Err(self.error(key, Some(&value.to_string()), problem))
    }

    fn fail<T>(&self, key: &str, value: &str, problem: &str) -> Result<T> {
        Err(self.error(key, Some(value), problem))
    }

    fn error(&self, key: &str, value: Option<&str>, problem: impl Into<String>) -> ConfigError {
        ConfigError {
            setting: key.to_owned(),
            value: value.map(str::to_owned),
            origin: self.layers.origin(key),
            problem: problem.into(),
        }
    }
}
