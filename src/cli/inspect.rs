//! `packorigin inspect`: what ingest would say, without registering anything.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use super::report_text::{self, Style};
use super::{print_line, progress};
use crate::app::{ingest_limits, read_only};
use crate::config::{Config, Overrides};
use crate::error::{Error, Result};
use crate::model::ingest::Progress;
use crate::source::Sources;
use crate::telemetry::Metrics;

/// The name of the root that the playlist is read from.
const SOURCE: &str = "inspect";

/// Reads the master playlist at `place` and prints the report. Exit code 1 where ingest would
/// fail.
pub(super) async fn inspect(place: &str, json: bool, config: Option<&Path>) -> Result<ExitCode> {
    let (root, path) = split(place)?;
    let overrides = Overrides { sources: vec![format!("{SOURCE}={root}")], ..Overrides::default() };
    let config = Config::load(config, std::env::vars(), &overrides)?;
    let metrics = Arc::new(Metrics::new()?);
    let sources = Sources::open(&config.sources, &config.source, &config.egress, &metrics)?;
    let root = sources.get(SOURCE).ok_or_else(|| Error::internal("the source is not there"))?;
    let bar = progress::bar(0, "reading");
    let shown = bar.clone();
    let tell = move |progress: Progress| {
        shown.set_length(progress.segments_total);
        shown.set_position(progress.segments_done);
    };
    let result = read_only(root, &path, ingest_limits(&config), tell).await;
    bar.finish_and_clear();
    let style = style();
    let (text, code) = match result {
        Ok(report) if json => (json_text(&report)?, ExitCode::SUCCESS),
        Ok(report) => (report_text::of_report(place, &report, style), ExitCode::SUCCESS),
        Err(failure) if json => {
            (json_text(&serde_json::json!({ "failure": failure }))?, ExitCode::FAILURE)
        }
        Err(failure) => (report_text::of_failure(place, &failure, style), ExitCode::FAILURE),
    };
    print_line(text.trim_end())?;
    Ok(code)
}

/// Colours are for terminals, and for those who did not say no (<https://no-color.org>).
fn style() -> Style {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if std::io::stdout().is_terminal() && !refused { Style::Coloured } else { Style::Plain }
}

fn json_text<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string_pretty(value)
        .map_err(|error| Error::internal("the report cannot be printed").caused_by(error))
}

/// The root that a playlist lies under, and its path below: the folder it is in. A file's root is
/// its parent folder, too, so that a master playlist may lead one folder up and down again.
fn split(place: &str) -> Result<(String, String)> {
    if place.contains("://") {
        let (path, query) = match place.split_once('?') {
            Some((path, query)) => (path, format!("?{query}")),
            None => (place, String::new()),
        };
        let (root, name) = path.rsplit_once('/').unwrap_or((path, ""));
        return Ok((format!("{root}/{query}"), name.to_owned()));
    }
    let missing = |error| {
        let message = format!("{place}: there is no such file");
        Error::invalid("URL_OR_PATH", message).caused_by(error)
    };
    let file: PathBuf = Path::new(place).canonicalize().map_err(missing)?;
    let folder = file.parent().unwrap_or(Path::new("/"));
    let root = folder.parent().unwrap_or(folder);
    let path = file.strip_prefix(root).unwrap_or(&file);
    let root_url = url::Url::from_directory_path(root)
        .map_err(|()| Error::invalid("URL_OR_PATH", format!("{place}: no absolute path")))?;
    Ok((root_url.to_string(), path.to_string_lossy().into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_into_root_and_name() {
        let (root, path) = split("s3://bucket/a/b/master.m3u8?region=eu").unwrap();
        assert_eq!((root.as_str(), path.as_str()), ("s3://bucket/a/b/?region=eu", "master.m3u8"));
    }

    #[test]
    fn a_file_may_lead_one_folder_up() {
        let folder = tempfile::tempdir().unwrap();
        let nested = folder.path().join("a/b");
        std::fs::create_dir_all(&nested).unwrap();
        std::fs::write(nested.join("m.m3u8"), "").unwrap();
        let (root, path) = split(nested.join("m.m3u8").to_str().unwrap()).unwrap();
        assert!(root.ends_with("/a/"), "{root}");
        assert_eq!(path, "b/m.m3u8");
    }

    #[test]
    fn a_missing_file_is_named() {
        assert!(split("/no/such/file.m3u8").unwrap_err().message().contains("/no/such/file.m3u8"));
    }
}
