//! From the names in a URL to a plan, through the caches of indexes, keys and plans.
//!
//! A fingerprint holds no settings; it is found again by planning what the catalog says of the
//! asset: its versions and its group's configurations, those in force and those in their grace
//! time. Plans are pure, so every node finds the same.

use std::sync::Arc;
use std::time::Instant;

use futures_util::{FutureExt, StreamExt, stream};

use super::printed::Plan;
use super::recent::Recent;
use crate::cache::{Cache, Weight};
use crate::catalog::{AssetVersion, AssetView, ConfigurationView};
use crate::error::{Error, Kind, Result};
use crate::index::{IndexId, Store};
use crate::keys::Keys;
use crate::model::encryption::Encryption;
use crate::model::filter::ManifestFilter;
use crate::model::ingest::LeftOut;
use crate::model::mpd::MpdOptions;
use crate::model::policy::{
    AudioLayout, Configuration, Container, DashSubtitles, Name, OnSourceError, PackageType,
    ProgramDateTime, SegmentDuration, StreamOrder, TrickPlay,
};
use crate::model::presentation::{Group, Presentation};
use crate::model::protection::KeySet;
use crate::plan::{self, Fingerprint, Packaging};
use crate::telemetry::Metrics;

/// Configurations whose keys are asked for at the same time. Each may ask a server of its own.
const ASKED_AT_ONCE: usize = 8;

/// A loaded index in the cache. What is not unpacked yet is counted as if it were.
#[derive(Clone)]
struct LoadedIndex(Arc<Presentation>);

/// What is kept of a group beside it: its time, and what it is unpacked from.
const PACKED_GROUP_BYTES: usize = 40;

impl Weight for LoadedIndex {
    fn bytes(&self) -> u64 {
        let streams = self.0.streams.iter();
        streams
            .map(|stream| {
                let objects = stream.objects.len() * 128;
                let tracks = stream.periods.iter().flat_map(|p| [&p.video, &p.audio]);
                let groups: usize = tracks.flatten().map(|track| track.groups.len()).sum();
                (objects + groups * (size_of::<Group>() + PACKED_GROUP_BYTES)) as u64
            })
            .sum::<u64>()
            + 1024
    }
}

/// A plan in the cache.
#[derive(Clone)]
struct Planned(Arc<Plan>);

impl Weight for Planned {
    fn bytes(&self) -> u64 {
        // The manifest is counted before it is made, and its printed forms before they are.
        let packaging = self.0.packaging();
        let presentation = packaging.presentation();
        let renditions = 3 * presentation.streams.len() * presentation.periods.len();
        1024 + 1024 * renditions as u64 + 144 * packaging.segments_about()
    }
}

/// Everything that makes two plans of one index differ.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct PlanKey {
    version: String,
    package_type: PackageType,
    segment_duration: SegmentDuration,
    order: StreamOrder,
    bits_per_second: (u32, u32),
    filter: Option<ManifestFilter>,
    audio_layout: AudioLayout,
    clear_lead_segments: u32,
    on_source_error: OnSourceError,
    dash_subtitles: DashSubtitles,
    program_date_time: ProgramDateTime,
    mpd: MpdOptions,
    trick_play: TrickPlay,
    /// The address of the key set: a plan keeps its set, so as long as the plan is in the cache no
    /// other set can have it.
    keys: Option<usize>,
}

impl PlanKey {
    fn new(
        version: &AssetVersion,
        configuration: &Configuration,
        keys: Option<&Arc<KeySet>>,
    ) -> Self {
        let selection = configuration.stream_selection;
        Self {
            version: version.version.clone(),
            package_type: configuration.package_type,
            segment_duration: configuration.segment_duration,
            order: selection.order,
            bits_per_second: (
                selection.min_video_bits_per_second,
                selection.max_video_bits_per_second,
            ),
            filter: configuration.filter.clone(),
            audio_layout: configuration.audio_layout,
            clear_lead_segments: configuration
                .encryption
                .as_ref()
                .map_or(0, |encryption| encryption.clear_lead_segments),
            on_source_error: configuration.on_source_error,
            dash_subtitles: configuration.dash_subtitles,
            program_date_time: configuration.program_date_time,
            mpd: configuration.mpd,
            trick_play: configuration.trick_play.clone(),
            keys: keys.map(|keys| Arc::as_ptr(keys) as usize),
        }
    }
}

/// Indexes, keys and plans. Shared by the listener, the endpoint check and export.
pub struct Library {
    store: Store,
    indexes: Arc<Cache<IndexId, LoadedIndex>>,
    plans: Arc<Cache<PlanKey, Planned>>,
    keys: Arc<Keys>,
    recent: Recent,
}

impl Library {
    /// A library over a store, which keeps up to `capacity` bytes in memory.
    pub fn new(store: Store, capacity: u64, keys: Arc<Keys>, metrics: &Arc<Metrics>) -> Arc<Self> {
        let half = capacity / 2;
        Arc::new(Self {
            store,
            indexes: Cache::new("index", half, metrics.clone()),
            plans: Cache::new("plan", half, metrics.clone()),
            keys,
            recent: Recent::default(),
        })
    }

    /// The plan of a configuration for the version of an asset that is in force.
    pub async fn current(
        self: &Arc<Self>,
        view: &AssetView,
        configuration: &Configuration,
    ) -> Result<Arc<Plan>> {
        let version = view.current_version().ok_or_else(|| not_playable(view))?;
        let keys = match &configuration.encryption {
            Some(encryption) => Some(self.key_set(view, configuration, encryption).await?),
            None => None,
        };
        self.plan(version, configuration, keys).await
    }

    /// What [`Library::current`] answered for a configuration a moment ago.
    pub(super) fn recently_current(
        &self,
        view: &Arc<AssetView>,
        configuration: &Name,
        now: Instant,
    ) -> Option<Arc<Plan>> {
        self.recent.current(view, configuration, now)
    }

    /// What [`Library::named`] answered a moment ago.
    pub(super) fn recently_named(
        &self,
        view: &Arc<AssetView>,
        fingerprint: &Fingerprint,
        now: Instant,
    ) -> Option<Vec<Arc<Plan>>> {
        self.recent.named(view, fingerprint, now)
    }

    /// Keeps an answer of [`Library::current`] at hand.
    pub(super) fn keep_current(
        &self,
        view: &Arc<AssetView>,
        configuration: &Name,
        plan: &Arc<Plan>,
    ) {
        self.recent.keep_current(view, configuration, plan);
    }

    /// Keeps an answer of [`Library::named`] at hand.
    pub(super) fn keep_named(
        &self,
        view: &Arc<AssetView>,
        fingerprint: &Fingerprint,
        plans: &[Arc<Plan>],
    ) {
        self.recent.keep_named(view, fingerprint, plans);
    }

    /// What a configuration leaves out of an asset, or why it leaves nothing to play. Asks no key
    /// server.
    pub async fn check_offer(
        self: &Arc<Self>,
        view: &AssetView,
        configuration: &Configuration,
    ) -> Result<Vec<LeftOut>> {
        let version = view.current_version().ok_or_else(|| not_playable(view))?;
        let clear = Configuration { encryption: None, ..configuration.clone() };
        self.plan(version, &clear, None).await?;
        plan::left_out(&self.presentation(version).await?, configuration)
    }

    /// The keys of an asset under a configuration.
    pub async fn key_set(
        &self,
        view: &AssetView,
        configuration: &Configuration,
        encryption: &Encryption,
    ) -> Result<Arc<KeySet>> {
        let content_id = view.content_id.as_ref().ok_or_else(|| no_content_id(view))?;
        self.keys.key_set(content_id, configuration.package_type, encryption).await
    }

    /// The plans that a fingerprint names, those in force first. Several where configurations
    /// agree in everything that changes the bytes but offer different renditions. Where the
    /// container is known, the others' are not planned: no fingerprint names plans of two.
    pub async fn named(
        self: &Arc<Self>,
        view: &AssetView,
        fingerprint: &Fingerprint,
        container: Option<Container>,
    ) -> Result<Vec<Arc<Plan>>> {
        let mut found = Vec::new();
        let mut failure = None;
        let configurations: Vec<&ConfigurationView> = view
            .configurations
            .iter()
            .filter(|e| container.is_none_or(|c| c == e.configuration.package_type.container()))
            .collect();
        // Keys at hand first: what was handed out before goes on though a key server be away, and
        // one that is slow holds up nothing but its own configurations.
        for entry in &configurations {
            let configuration = &entry.configuration;
            let key_sets = match &configuration.encryption {
                None => vec![None],
                Some(encryption) => view
                    .content_ids()
                    .flat_map(|(content_id, _)| {
                        let package_type = configuration.package_type;
                        self.keys.known_key_sets(content_id, package_type, encryption)
                    })
                    .map(Some)
                    .collect(),
            };
            for keys in key_sets {
                self.find(view, configuration, keys, fingerprint, &mut found, &mut failure).await;
            }
        }
        if !found.is_empty() {
            return Ok(found);
        }
        // Then those that have to be asked for, side by side: a server that is slow is waited for
        // once. For settings that are no longer in force nobody is asked without need.
        for in_force in [true, false] {
            let mut questions = Vec::new();
            for entry in &configurations {
                let configuration = &entry.configuration;
                let Some(encryption) = &configuration.encryption else { continue };
                for (content_id, is_current) in view.content_ids() {
                    if in_force == (is_current && entry.retired_at.is_none()) {
                        let package_type = configuration.package_type;
                        let keys = self.keys.key_set(content_id, package_type, encryption);
                        questions.push(async move { (configuration, keys.await) }.boxed());
                    }
                }
            }
            let asked: Vec<_> = stream::iter(questions).buffered(ASKED_AT_ONCE).collect().await;
            for (configuration, keys) in asked {
                match keys {
                    Ok(keys) => {
                        let keys = Some(keys);
                        self.find(view, configuration, keys, fingerprint, &mut found, &mut failure)
                            .await;
                    }
                    Err(error) => failure = Some(error),
                }
            }
            if !found.is_empty() {
                return Ok(found);
            }
        }
        failure.map_or(Ok(found), Err)
    }

    /// Adds to `found` the plans of a configuration for all versions that have this name.
    async fn find(
        self: &Arc<Self>,
        view: &AssetView,
        configuration: &Configuration,
        keys: Option<Arc<KeySet>>,
        fingerprint: &Fingerprint,
        found: &mut Vec<Arc<Plan>>,
        failure: &mut Option<Error>,
    ) {
        for version in &view.versions {
            match self.plan(version, configuration, keys.clone()).await {
                Ok(plan) if plan.packaging().is_named(fingerprint) => found.push(plan),
                Ok(_) => {}
                // A configuration that offers nothing has no URLs.
                Err(error) if matches!(error.kind(), Kind::NotFound | Kind::UnsupportedCodec) => {}
                Err(error) => *failure = Some(error),
            }
        }
    }

    async fn plan(
        self: &Arc<Self>,
        version: &AssetVersion,
        configuration: &Configuration,
        keys: Option<Arc<KeySet>>,
    ) -> Result<Arc<Plan>> {
        let key = PlanKey::new(version, configuration, keys.as_ref());
        if let Some(Planned(plan)) = self.plans.get(&key) {
            return Ok(plan);
        }
        let library = self.clone();
        let (version, configuration) = (version.clone(), configuration.clone());
        let build = || async move {
            let presentation = library.presentation(&version).await?;
            let packaging = Packaging::new(presentation, &version.version, &configuration, keys)?;
            Ok(Planned(Arc::new(Plan::new(packaging))))
        };
        let Planned(plan) = self.plans.get_or_build(key, build).await?;
        Ok(plan)
    }

    async fn presentation(self: &Arc<Self>, version: &AssetVersion) -> Result<Arc<Presentation>> {
        let id = IndexId::parse(&version.index_key).ok_or_else(|| {
            Error::internal(format!("the catalog names no index: {:?}", version.index_key))
        })?;
        let store = self.store.clone();
        let wanted = id.clone();
        let build = || async move { Ok(LoadedIndex(Arc::new(store.get(&wanted).await?))) };
        let LoadedIndex(presentation) = self.indexes.get_or_build(id, build).await?;
        Ok(presentation)
    }
}

/// Why an asset cannot be encrypted.
fn no_content_id(view: &AssetView) -> Error {
    let message = format!(
        "asset {} has no contentId, and its configuration encrypts; give it one with PATCH",
        view.name
    );
    Error::new(Kind::FailedPrecondition, message)
}

/// Why an asset without a version in force cannot be played.
fn not_playable(view: &AssetView) -> Error {
    let message = match &view.failure {
        Some(failure) => format!(
            "asset {} could not be ingested ({}); see the control API",
            view.name,
            failure.code.as_str()
        ),
        None => format!("asset {} is not ingested yet; try again in a moment", view.name),
    };
    Error::new(Kind::FailedPrecondition, message)
}
