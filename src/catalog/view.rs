//! What playback sees of an asset, kept in memory.
//!
//! A view is one immutable snapshot. [`ViewCache`] holds the recently used ones, each tagged with
//! the value that the catalog's change counter had **before** the view was read; a write bumps the
//! counter after it is committed. A view read while a write was under way therefore carries an old
//! tag and is not used again, whichever of the two came first. One counter for the whole catalog
//! is coarse but cannot forget a dependency; views are small and read in a fraction of a
//! millisecond.
//!
//! The cache knows nothing of SQL, and unknown names are not kept: asking for made-up names must
//! not push real views out.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use time::{Duration, OffsetDateTime};

use super::asset::{AssetStatus, AssetVersion};
use crate::model::ingest::IngestFailure;
use crate::model::policy::{Configuration, ContentId, Name};

/// An asset with its versions and the configurations of its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetView {
    /// The asset.
    pub name: Name,
    /// How it stands.
    pub status: AssetStatus,
    /// Its group.
    pub group: Name,
    /// The configured source that `path` is in.
    pub source: String,
    /// The master playlist.
    pub path: String,
    /// What key servers know the title by.
    pub content_id: Option<ContentId>,
    /// What they knew it by before, in its grace time; the last retired first.
    pub retired_content_ids: Vec<RetiredContentId>,
    /// Why the last ingest failed.
    pub failure: Option<IngestFailure>,
    /// The current version first, then those in their grace time, the last retired first. Without
    /// a current version the asset is not playable.
    pub versions: Vec<AssetVersion>,
    /// By name; of each name the settings in force first, then those in their grace time, the last
    /// retired first.
    pub configurations: Vec<ConfigurationView>,
}

impl AssetView {
    /// The version that plays.
    pub fn current_version(&self) -> Option<&AssetVersion> {
        self.versions.first().filter(|version| version.retired_at.is_none())
    }

    /// The configurations in force, by name.
    pub fn current_configurations(&self) -> impl Iterator<Item = &Arc<Configuration>> {
        self.configurations
            .iter()
            .filter(|view| view.retired_at.is_none())
            .map(|view| &view.configuration)
    }

    /// When the first of its retired parts went out of force.
    fn oldest_retirement(&self) -> Option<OffsetDateTime> {
        let versions = self.versions.iter().filter_map(|version| version.retired_at);
        let configurations = self.configurations.iter().filter_map(|view| view.retired_at);
        let content_ids = self.retired_content_ids.iter().map(|retired| retired.retired_at);
        versions.chain(configurations).chain(content_ids).min()
    }

    /// All content IDs that URLs may be made with, and whether each is in force.
    pub fn content_ids(&self) -> impl Iterator<Item = (&ContentId, bool)> {
        let retired = self.retired_content_ids.iter().map(|retired| (&retired.content_id, false));
        self.content_id.iter().map(|id| (id, true)).chain(retired)
    }
}

/// A content ID in its grace time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetiredContentId {
    /// The ID.
    pub content_id: ContentId,
    /// When another one took its place.
    pub retired_at: OffsetDateTime,
}

/// Settings of a configuration, in force or in their grace time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigurationView {
    /// The settings.
    pub configuration: Arc<Configuration>,
    /// When other settings took their place; `None` for those in force.
    pub retired_at: Option<OffsetDateTime>,
}

/// The recently used views. The locks of a stripe are held for a look-up (`views`) and for a read
/// of the store (`loading`), so that requests for one asset cause one read, not one each.
#[derive(Debug)]
pub(super) struct ViewCache {
    stripes: Vec<Stripe>,
    hasher: RandomState,
    grace: Duration,
}

#[derive(Debug)]
struct Stripe {
    views: Mutex<LruCache<Name, Cached>>,
    loading: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Cached {
    view: Arc<AssetView>,
    change: u64,
    /// When a part of the view leaves its grace time.
    valid_until: Option<OffsetDateTime>,
}

impl ViewCache {
    /// A cache of about `capacity` views, whose retired parts count for `grace`.
    pub(super) fn new(capacity: NonZeroUsize, grace: Duration) -> Self {
        let per_stripe =
            NonZeroUsize::new(capacity.get().div_ceil(STRIPES)).unwrap_or(NonZeroUsize::MIN);
        let stripe = || Stripe {
            views: Mutex::new(LruCache::new(per_stripe)),
            loading: tokio::sync::Mutex::new(()),
        };
        Self {
            stripes: std::iter::repeat_with(stripe).take(STRIPES).collect(),
            hasher: RandomState::new(),
            grace,
        }
    }

    /// The view of `name` if it was read at this change and nothing in it went out of its grace
    /// time.
    pub(super) fn view(
        &self,
        name: &Name,
        change: u64,
        now: impl FnOnce() -> OffsetDateTime,
    ) -> Option<Arc<AssetView>> {
        let mut views = self.stripe(name).views.lock().unwrap_or_else(PoisonError::into_inner);
        let cached = views.get(name)?;
        let fresh = cached.change == change && cached.valid_until.is_none_or(|end| now() < end);
        fresh.then(|| Arc::clone(&cached.view))
    }

    /// Keeps a view that was read after the counter stood at `change`.
    pub(super) fn keep(&self, change: u64, view: Arc<AssetView>) {
        let valid_until = view.oldest_retirement().map(|retired| retired + self.grace);
        let name = view.name.clone();
        let mut views = self.stripe(&name).views.lock().unwrap_or_else(PoisonError::into_inner);
        views.put(name, Cached { view, change, valid_until });
    }

    /// Waits until no other request reads the view of `name` from the store.
    pub(super) async fn loading(&self, name: &Name) -> tokio::sync::MutexGuard<'_, ()> {
        self.stripe(name).loading.lock().await
    }

    fn stripe(&self, name: &Name) -> &Stripe {
        &self.stripes[(self.hasher.hash_one(name) % STRIPES as u64) as usize]
    }
}

/// Enough that look-ups of different assets seldom meet.
const STRIPES: usize = 16;
