//! Which source objects are missing, as far as this node knows.
//!
//! Two ways lead here: a read that failed while a segment was made, and a survey. A survey asks the
//! source for the size of every object of a stream; it is started by a request for a manifest of a
//! configuration that heals, once in a while, never by a request for a segment. The request waits
//! for it a moment; where it takes longer, it goes on in the background and the next manifest knows
//! more.
//!
//! An object is short where it has fewer bytes than at ingest, which a missing one has, too, and one
//! that may not be read. A source that does not answer tells nothing about its objects: what was
//! known stays, and a survey that meets this again and again gives up.
//!
//! All of it is in memory, and each node finds out by itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::model::policy::Name;
use crate::model::presentation::{Presentation, SourceObject};
use crate::plan::MissingObjects;
use crate::source::{Root, SourceError, SourcePath};
use crate::telemetry::Metrics;

/// Objects that are looked at side by side; the source has its own bound beside this.
const AT_ONCE: usize = 32;
/// How long a manifest waits for a survey.
const PATIENCE: Duration = Duration::from_secs(2);
/// A survey ends after so many objects of which the source said nothing.
const MOST_UNKNOWN: usize = 8;
/// What is known of an object is forgotten after so long without a survey that says it again.
const LEAST_MEMORY: Duration = Duration::from_secs(600);
/// Bounds the memory that broken storage can take.
const MOST_SHORT: usize = 100_000;
/// How many names a line in the log has.
const MOST_NAMES: usize = 5;

/// What this node knows of missing objects.
pub struct Survey {
    interval: Duration,
    known: Mutex<Known>,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct Known {
    /// By root and path as stored.
    short: HashMap<FileKey, Short>,
    /// By root and identity of a stream.
    surveys: HashMap<(Name, [u8; 16]), Run>,
}

type FileKey = (Name, String);

/// An object that has not all its bytes.
#[derive(Clone, Copy, Debug)]
struct Short {
    /// Bytes of the file that can be read.
    available: u64,
    /// A read failed, so that the size alone does not prove it whole again.
    was_read: bool,
    known_at: Instant,
}

/// The last survey of a stream.
struct Run {
    started: Instant,
    /// Closed when it has ended.
    end: watch::Receiver<()>,
}

/// What looking at an object showed.
enum Finding {
    Whole,
    Short(u64),
    Unknown,
}

impl Survey {
    /// Knows nothing yet. Streams are surveyed again after `interval`; never if it is zero.
    pub fn new(interval: Duration, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { interval, known: Mutex::default(), metrics })
    }

    /// Notes what a failed read of an object tells about it.
    pub fn notice(&self, root: &Name, object: &SourceObject, error: &SourceError) {
        let Some(available) = available_after(error) else { return };
        let short = Short { available, was_read: true, known_at: Instant::now() };
        let mut known = self.known();
        if known.short.len() < MOST_SHORT {
            known.short.insert((root.clone(), object.path.clone()), short);
        }
        self.metrics.missing_objects(known.short.len() as u64);
    }

    /// The missing objects of some streams of an asset, after a survey if one is due.
    pub async fn missing(
        self: &Arc<Self>,
        asset: &Name,
        root: &Arc<Root>,
        presentation: &Arc<Presentation>,
        streams: &[usize],
    ) -> MissingObjects {
        if !self.interval.is_zero() {
            for (mut end, started) in self.start_due(asset, root, presentation, streams) {
                // An error is the end of the survey, too.
                let _ = tokio::time::timeout_at(started + PATIENCE, end.changed()).await;
            }
        }
        let known = self.known();
        let mut missing = MissingObjects::default();
        if known.short.is_empty() {
            return missing;
        }
        for &index in streams {
            let objects = presentation.streams.get(index).map_or(&[][..], |stream| &stream.objects);
            for (object, number) in objects.iter().zip(0..) {
                let key = (root.name().clone(), object.path.clone());
                let Some(short) = known.short.get(&key) else { continue };
                if short.available < object.start.saturating_add(object.size)
                    && short.known_at.elapsed() < self.memory()
                {
                    let available = short.available.saturating_sub(object.start);
                    missing.insert(index, number, available);
                }
            }
        }
        missing
    }

    /// Starts what is due; returns when each stream's last survey began, and its end.
    fn start_due(
        self: &Arc<Self>,
        asset: &Name,
        root: &Arc<Root>,
        presentation: &Arc<Presentation>,
        streams: &[usize],
    ) -> Vec<(watch::Receiver<()>, Instant)> {
        let now = Instant::now();
        let mut known = self.known();
        let interval = self.interval;
        let is_recent =
            |run: &Run| now.duration_since(run.started) < interval || run.end.has_changed().is_ok();
        let mut runs = Vec::new();
        let mut due = Vec::new();
        let (sender, end) = watch::channel(());
        for index in streams {
            let Some(stream) = presentation.streams.get(*index) else { continue };
            let key = (root.name().clone(), stream.source_identity);
            match known.surveys.get(&key).filter(|run| is_recent(run)) {
                Some(run) => runs.push((run.end.clone(), run.started)),
                None => {
                    due.push(*index);
                    known.surveys.insert(key, Run { started: now, end: end.clone() });
                    runs.push((end.clone(), now));
                }
            }
        }
        if !due.is_empty() {
            known.surveys.retain(|_, run| is_recent(run));
            let (survey, asset) = (self.clone(), asset.clone());
            let (root, presentation) = (root.clone(), presentation.clone());
            tokio::spawn(async move {
                survey.run(&asset, &root, &presentation, &due).await;
                drop(sender);
            });
        }
        runs
    }

    /// Looks at every object of some streams, each file once.
    async fn run(&self, asset: &Name, root: &Root, presentation: &Presentation, streams: &[usize]) {
        let mut files: BTreeMap<String, u64> = BTreeMap::new();
        let streams = streams.iter().filter_map(|index| presentation.streams.get(*index));
        for object in streams.flat_map(|stream| &stream.objects) {
            let end = files.entry(object.path.clone()).or_default();
            *end = (*end).max(object.start.saturating_add(object.size));
        }
        let unknown = AtomicUsize::new(0);
        let findings: Vec<(String, Finding)> = stream::iter(files)
            .map(|(path, end)| {
                let key = (root.name().clone(), path.clone());
                let was_read = self.known().short.get(&key).is_some_and(|short| short.was_read);
                let unknown = &unknown;
                async move {
                    if unknown.load(Ordering::Relaxed) >= MOST_UNKNOWN {
                        return (path, Finding::Unknown);
                    }
                    let finding = look(root, &path, end, was_read).await;
                    if matches!(finding, Finding::Unknown) {
                        unknown.fetch_add(1, Ordering::Relaxed);
                    }
                    (path, finding)
                }
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        self.learn(asset, root.name(), findings, unknown.into_inner());
    }

    fn learn(&self, asset: &Name, root: &Name, findings: Vec<(String, Finding)>, unknown: usize) {
        let now = Instant::now();
        let memory = self.memory();
        let mut lost = Vec::new();
        let mut found = 0;
        let mut known = self.known();
        known.short.retain(|_, short| now.duration_since(short.known_at) < memory);
        for (path, finding) in findings {
            let key = (root.clone(), path.clone());
            match finding {
                Finding::Whole => found += usize::from(known.short.remove(&key).is_some()),
                Finding::Short(available) if known.short.len() < MOST_SHORT => {
                    let before = known.short.get(&key).copied();
                    let was_read = before.is_some_and(|short| short.was_read);
                    known.short.insert(key, Short { available, was_read, known_at: now });
                    if before.is_none() {
                        lost.push(path);
                    }
                }
                Finding::Short(_) | Finding::Unknown => {}
            }
        }
        self.metrics.missing_objects(known.short.len() as u64);
        drop(known);
        if let Some(names) =
            lost.get(..lost.len().min(MOST_NAMES)).filter(|names| !names.is_empty())
        {
            tracing::warn!(
                %asset, source = %root, objects = lost.len(), names = names.join(", "),
                "source objects are missing or too short; manifests that heal leave them out"
            );
        }
        if found > 0 {
            tracing::info!(%asset, source = %root, objects = found, "source objects are back");
        }
        if unknown > 0 {
            tracing::warn!(
                %asset, source = %root, objects = unknown,
                "the source says nothing of some objects; what was known of them stays"
            );
        }
    }

    /// How long something is known.
    fn memory(&self) -> Duration {
        LEAST_MEMORY.max(self.interval.saturating_mul(2))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Every change is one insertion or removal, so nothing is half done after a panic.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an object has its bytes up to `end`.
async fn look(root: &Root, stored: &str, end: u64, was_read: bool) -> Finding {
    let Ok(path) = SourcePath::from_stored(stored) else { return Finding::Unknown };
    if !was_read {
        match root.stat(&path).await {
            Ok(stat) if stat.size >= end => return Finding::Whole,
            Ok(stat) => return Finding::Short(stat.size),
            // Some storages refuse what they would give to a reader.
            Err(SourceError::Forbidden { .. }) => {}
            Err(error) => return available_after(&error).map_or(Finding::Unknown, Finding::Short),
        }
    }
    match root.read_range(&path, end.saturating_sub(1)..end).await {
        Ok(_) => Finding::Whole,
        Err(error) => available_after(&error).map_or(Finding::Unknown, Finding::Short),
    }
}

/// What can be read of an object after such an error; `None` where it is not the object's fault.
fn available_after(error: &SourceError) -> Option<u64> {
    match error {
        SourceError::NotFound { .. } | SourceError::Forbidden { .. } => Some(0),
        SourceError::OutsideSource { .. } | SourceError::Undecryptable { .. } => Some(0),
        SourceError::Truncated { size, .. } => Some(size.unwrap_or(0)),
        SourceError::Unavailable { .. }
        | SourceError::Timeout { .. }
        | SourceError::TooLarge { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Overrides};
    use crate::model::presentation::Stream;
    use crate::source::Sources;

    const SIZE: u64 = 1000;

    /// A folder of three objects, of which the index says that they have [`SIZE`] bytes each.
    struct Title {
        folder: tempfile::TempDir,
        root: Arc<Root>,
        presentation: Arc<Presentation>,
        survey: Arc<Survey>,
        asset: Name,
    }

    impl Title {
        fn new(interval: Duration) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let metrics = Arc::new(Metrics::new().unwrap());
            let url = url::Url::from_directory_path(folder.path()).unwrap();
            let sources = vec![format!("title={url}")];
            let overrides = Overrides { sources, ..Overrides::default() };
            let config = Config::load(None, std::iter::empty(), &overrides).unwrap();
            let sources =
                Sources::open(&config.sources, &config.source, &config.egress, &metrics).unwrap();
            let objects = (0..3).map(|index| SourceObject {
                path: format!("{index}.ts"),
                start: 0,
                size: SIZE,
                packet_bytes: 188,
                encryption: None,
            });
            let stream = Stream {
                role: crate::model::presentation::StreamRole::variant(),
                uri: "media.m3u8".to_owned(),
                declared_bandwidth: 1,
                objects: objects.collect(),
                source_identity: [7; 16],
                ..Stream::default()
            };
            let presentation =
                Arc::new(Presentation { streams: vec![stream], ..Presentation::default() });
            let title = Self {
                root: sources.get("title").unwrap(),
                presentation,
                survey: Survey::new(interval, metrics),
                asset: Name::new("a").unwrap(),
                folder,
            };
            (0..3).for_each(|index| title.write(index, SIZE));
            title
        }

        fn write(&self, index: usize, bytes: u64) {
            let path = self.folder.path().join(format!("{index}.ts"));
            std::fs::write(path, vec![0; bytes as usize]).unwrap();
        }

        fn remove(&self, index: usize) {
            std::fs::remove_file(self.folder.path().join(format!("{index}.ts"))).unwrap();
        }

        async fn missing(&self) -> Vec<(usize, u32, u64)> {
            let streams = [0];
            let missing =
                self.survey.missing(&self.asset, &self.root, &self.presentation, &streams).await;
            missing.iter().collect()
        }

        fn gauge(&self) -> String {
            let page = self.survey.metrics.render().unwrap();
            let line = page.lines().find(|line| line.starts_with("packorigin_source_missing"));
            line.unwrap_or_default().to_owned()
        }
    }

    /// Every request finds a survey due.
    const ALWAYS: Duration = Duration::from_nanos(1);
    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn missing_and_short_objects_are_found_and_found_again() {
        let title = Title::new(ALWAYS);
        assert_eq!(title.missing().await, []);
        title.remove(1);
        title.write(2, 376);
        assert_eq!(title.missing().await, [(0, 1, 0), (0, 2, 376)]);
        assert_eq!(title.gauge(), "packorigin_source_missing_objects 2");
        title.write(1, SIZE);
        assert_eq!(title.missing().await, [(0, 2, 376)]);
        title.write(2, SIZE + 5);
        assert_eq!(title.missing().await, []);
        assert_eq!(title.gauge(), "packorigin_source_missing_objects 0");
    }

    #[tokio::test]
    async fn a_stream_is_surveyed_once_in_a_while() {
        let title = Title::new(HOUR);
        assert_eq!(title.missing().await, []);
        title.remove(0);
        assert_eq!(title.missing().await, []);
        // What a read finds out is known at once.
        let object = &title.presentation.streams[0].objects[0];
        let path = || "0.ts".to_owned();
        let away = SourceError::Timeout { path: path(), after: HOUR };
        title.survey.notice(title.root.name(), object, &away);
        assert_eq!(title.missing().await, []);
        let gone = SourceError::NotFound { path: path(), detail: String::new() };
        title.survey.notice(title.root.name(), object, &gone);
        assert_eq!(title.missing().await, [(0, 0, 0)]);
    }

    #[tokio::test]
    async fn what_a_read_found_missing_is_read_to_prove_it_whole() {
        let title = Title::new(ALWAYS);
        let object = &title.presentation.streams[0].objects[0];
        let refused = SourceError::Forbidden { path: "0.ts".to_owned(), detail: String::new() };
        title.survey.notice(title.root.name(), object, &refused);
        assert_eq!(title.missing().await, []);
        title.remove(0);
        title.survey.notice(title.root.name(), object, &refused);
        assert_eq!(title.missing().await, [(0, 0, 0)]);
    }

    #[tokio::test]
    async fn without_surveys_reads_alone_tell() {
        let title = Title::new(Duration::ZERO);
        title.remove(1);
        assert_eq!(title.missing().await, []);
        let object = &title.presentation.streams[0].objects[1];
        let cut = SourceError::Truncated { path: "1.ts".to_owned(), wanted: SIZE, size: Some(188) };
        title.survey.notice(title.root.name(), object, &cut);
        assert_eq!(title.missing().await, [(0, 1, 188)]);
    }
}
