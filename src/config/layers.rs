//! Which value wins, and where it came from.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

use super::Overrides;
use super::error::{ConfigError, Origin};
use super::raw::Raw;

/// All variables of this program begin so.
const PREFIX: &str = "PACKORIGIN_";
/// Names the settings file; no setting itself.
pub(super) const CONFIG_VARIABLE: &str = "PACKORIGIN_CONFIG";
/// Variables that packaging configurations may refer to begin so; no settings themselves.
pub(super) const SECRET_PREFIX: &str = "PACKORIGIN_SECRET_";
/// `NAME=URL,NAME=URL`
const SOURCES_VARIABLE: &str = "PACKORIGIN_SOURCES";

/// What the text of an environment variable becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Text, and whatever also has a text form (lists, sizes).
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Switch,
}

/// Every setting outside `sources`, by its key; the environment variable follows from the key
/// ([`variable`]). A test compares this table with the fields of [`Raw`].
pub(super) const SETTINGS: &[(&str, Shape)] = &[
    ("playback.listen", Shape::Text),
    ("playback.public_base_url", Shape::Text),
    ("playback.cors_allow_origins", Shape::Text),
    ("playback.cdn_secrets", Shape::Text),
    ("playback.cdn_header", Shape::Text),
    ("playback.manifest_max_age_seconds", Shape::Integer),
    ("playback.not_found_max_age_seconds", Shape::Integer),
    ("playback.grace_hours", Shape::Integer),
    ("playback.heal_survey_seconds", Shape::Integer),
    ("playback.drain_seconds", Shape::Integer),
    ("playback.build_bytes", Shape::Text),
    ("control.listen", Shape::Text),
    ("control.access_token", Shape::Text),
    ("data_dir", Shape::Text),
    ("cache.segment_bytes", Shape::Text),
    ("cache.source_bytes", Shape::Text),
    ("cache.index_bytes", Shape::Text),
    ("ingest.concurrency", Shape::Integer),
    ("ingest.max_segments", Shape::Integer),
    ("ingest.max_playlist_bytes", Shape::Text),
    ("ingest.max_segment_bytes", Shape::Text),
    ("ingest.dry_runs", Shape::Integer),
    ("ingest.dry_run_timeout_seconds", Shape::Integer),
    ("ingest.missing_variants", Shape::Text),
    ("ingest.key_hosts", Shape::Text),
    ("source.timeout_seconds", Shape::Integer),
    ("source.retries", Shape::Integer),
    ("source.concurrency", Shape::Integer),
    ("source.max_read_bytes", Shape::Text),
    ("source.read_ahead_bytes", Shape::Text),
    ("egress.allow_hosts", Shape::Text),
    ("secrets.key", Shape::Text),
    ("secrets.directory", Shape::Text),
    ("keys.timeout_seconds", Shape::Integer),
    ("keys.attempts", Shape::Integer),
    ("keys.cache_time_seconds", Shape::Integer),
    ("keys.keep_time_hours", Shape::Integer),
    ("keys.disk_cache", Shape::Switch),
    ("keys.max_response_bytes", Shape::Text),
    ("telemetry.log", Shape::Text),
    ("telemetry.log_format", Shape::Text),
    ("telemetry.otlp_endpoint", Shape::Text),
];

/// The environment variable of a setting.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_ascii_uppercase())
}

/// The stacked settings and the origin of each value that somebody set.
pub(super) struct Layers {
    pub(super) raw: Raw,
    pub(super) unknown_environment: Vec<String>,
    file: Option<std::path::PathBuf>,
    origins: BTreeMap<String, Origin>,
}

impl Layers {
    /// Puts the environment and then the flags over the text of the file.
    pub(super) fn stack(
        file: Option<(&Path, &str)>,
        environment: &BTreeMap<String, String>,
        overrides: &Overrides,
    ) -> Result<Self, ConfigError> {
        let mut table = match file {
            Some((path, text)) => parse_file(path, text)?,
            None => Table::new(),
        };
        let mut origins = BTreeMap::new();
        let mut set = |key: &str, value: Value, origin: Origin| {
            insert(&mut table, key, value);
            origins.insert(key.to_owned(), origin);
        };

        for &(key, shape) in SETTINGS {
            let name = variable(key);
            let Some(text) = environment.get(&name) else { continue };
            let origin = Origin::Environment(name);
            let value = match shape {
                Shape::Text => Value::String(text.clone()),
                // TOML's integers are signed, ours are not.
                Shape::Integer => match text.trim().parse::<u64>().ok().map(i64::try_from) {
                    Some(Ok(number)) => Value::Integer(number),
                    _ => {
                        return Err(ConfigError {
                            setting: key.to_owned(),
                            value: Some(text.clone()),
                            origin,
                            problem: "this is no whole number; write digits only".to_owned(),
                        });
                    }
                },
                Shape::Switch => match text.trim().parse() {
                    Ok(switch) => Value::Boolean(switch),
                    Err(_) => {
                        return Err(ConfigError {
                            setting: key.to_owned(),
                            value: Some(text.clone()),
                            origin,
                            problem: "write true or false".to_owned(),
                        });
                    }
                },
            };
            set(key, value, origin);
        }
        if let Some(text) = environment.get(SOURCES_VARIABLE) {
            for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
                let origin = Origin::Environment(SOURCES_VARIABLE.to_owned());
                let (name, url) = split_source(entry, &origin)?;
                set(&format!("sources.{name}"), url_table(url), origin);
            }
        }

        for (key, flag, value) in [
            ("playback.listen", "--listen", overrides.listen.clone()),
            ("control.listen", "--control-listen", overrides.control_listen.clone()),
            (
                "data_dir",
                "--data-dir",
                overrides.data_dir.as_ref().map(|dir| dir.to_string_lossy().into_owned()),
            ),
        ] {
            if let Some(value) = value {
                set(key, Value::String(value), Origin::Flag(flag));
            }
        }
        for entry in &overrides.sources {
            let origin = Origin::Flag("--source");
            let (name, url) = split_source(entry, &origin)?;
            set(&format!("sources.{name}"), url_table(url), origin);
        }

        // The file was checked alone, and what was put over it has the right shape: this fails
        // only where the table of settings says `Text` of what has no text form.
        let raw: Raw = table.try_into().map_err(|error: toml::de::Error| ConfigError {
            setting: "the environment".to_owned(),
            value: None,
            origin: Origin::Environment(format!("{PREFIX}*")),
            problem: error.message().to_owned(),
        })?;
        Ok(Self {
            raw,
            unknown_environment: unknown(environment),
            file: file.map(|(path, _)| path.to_owned()),
            origins,
        })
    }

    /// Where a value that does not hold came from. Every default holds (a test says so), so it
    /// is the file where it is nothing above it.
    pub(super) fn origin(&self, key: &str) -> Origin {
        match (self.origins.get(key), &self.file) {
            (Some(origin), _) => origin.clone(),
            (None, Some(file)) => Origin::File(file.clone()),
            (None, None) => Origin::Default,
        }
    }
}

/// Parses and checks the shape, with the line in the error. The line's text is not shown: it may
/// hold a secret.
fn parse_file(path: &Path, text: &str) -> Result<Table, ConfigError> {
    let explain = |error: toml::de::Error| {
        let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
        let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        ConfigError::file(path, format!("{line}{}", error.message()))
    };
    toml::from_str::<Raw>(text).map_err(explain)?;
    toml::from_str::<Table>(text).map_err(explain)
}

fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((head, rest)) => {
            let inner = table.entry(head).or_insert_with(|| Value::Table(Table::new()));
            // Anything but a table was refused when the file was parsed.
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

fn url_table(url: &str) -> Value {
    let mut table = Table::new();
    table.insert("url".to_owned(), Value::String(url.to_owned()));
    Value::Table(table)
}

fn split_source<'a>(entry: &'a str, origin: &Origin) -> Result<(&'a str, &'a str), ConfigError> {
    // A dot would be read as a step in the table; names have none.
    match entry.split_once('=') {
        Some((name, url)) if !name.contains('.') && !name.is_empty() => Ok((name, url)),
        _ => Err(ConfigError {
            setting: "sources".to_owned(),
            value: Some(entry.to_owned()),
            origin: origin.clone(),
            problem: "write NAME=URL, such as default=file:///srv/media".to_owned(),
        }),
    }
}

fn unknown(environment: &BTreeMap<String, String>) -> Vec<String> {
    let known: Vec<String> = SETTINGS.iter().map(|(key, _)| variable(key)).collect();
    environment
        .keys()
        .filter(|name| name.starts_with(PREFIX))
        .filter(|name| *name != CONFIG_VARIABLE && *name != SOURCES_VARIABLE)
        .filter(|name| !name.starts_with(SECRET_PREFIX))
        .filter(|name| !known.contains(name))
        .cloned()
        .collect()
}
