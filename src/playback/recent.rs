//! Plans by the names that URLs have for them, as they were found a moment ago.
//!
//! Finding a plan by its fingerprint means to look at every configuration and version of an asset
//! ([`super::Library::named`]), and most requests ask for what the one before asked for. Answers are
//! kept with the view of the asset that they were found in, and count for no other one: a change in
//! the catalog makes another view. Keys have a life of their own, so an answer is found anew after
//! [`KEPT`]; that also tells the caches of plans and keys that it is in use.
//!
//! Nothing here keeps a plan or a view alive. What was not found is not kept: made-up names take no
//! room.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use lru::LruCache;

use super::printed::Plan;
use crate::catalog::AssetView;
use crate::model::policy::Name;
use crate::plan::Fingerprint;

/// How long an answer counts.
const KEPT: Duration = Duration::from_secs(1);
/// Views in one stripe; some hundred bytes each.
const VIEWS: NonZeroUsize = NonZeroUsize::new(256).unwrap();
/// Enough that look-ups of different assets seldom meet.
const STRIPES: usize = 16;

/// See the module documentation.
pub(super) struct Recent {
    /// By the address of a view, which stays its own as long as the entry has a weak hold of it.
    stripes: [Mutex<LruCache<usize, OfView>>; STRIPES],
}

struct OfView {
    view: Weak<AssetView>,
    current: HashMap<Name, Kept>,
    named: HashMap<Fingerprint, Kept>,
}

struct Kept {
    plans: Vec<Weak<Plan>>,
    until: Instant,
}

impl Default for Recent {
    fn default() -> Self {
        Self { stripes: std::array::from_fn(|_| Mutex::new(LruCache::new(VIEWS))) }
    }
}

impl Recent {
    pub fn current(&self, view: &Arc<AssetView>, name: &Name, now: Instant) -> Option<Arc<Plan>> {
        let mut stripe = self.stripe(view);
        let kept = stripe.get(&address(view))?.current.get(name)?;
        kept.plans(now)?.next()?
    }

    pub fn named(
        &self,
        view: &Arc<AssetView>,
        fingerprint: &Fingerprint,
        now: Instant,
    ) -> Option<Vec<Arc<Plan>>> {
        let mut stripe = self.stripe(view);
        let kept = stripe.get(&address(view))?.named.get(fingerprint)?;
        kept.plans(now)?.collect()
    }

    pub fn keep_current(&self, view: &Arc<AssetView>, name: &Name, plan: &Arc<Plan>) {
        self.keep(view, |of_view| insert(&mut of_view.current, name, std::slice::from_ref(plan)));
    }

    pub fn keep_named(
        &self,
        view: &Arc<AssetView>,
        fingerprint: &Fingerprint,
        plans: &[Arc<Plan>],
    ) {
        if !plans.is_empty() {
            self.keep(view, |of_view| insert(&mut of_view.named, fingerprint, plans));
        }
    }

    fn keep(&self, view: &Arc<AssetView>, change: impl FnOnce(&mut OfView)) {
        let new = || OfView {
            view: Arc::downgrade(view),
            current: HashMap::new(),
            named: HashMap::new(),
        };
        let mut stripe = self.stripe(view);
        let of_view = stripe.get_or_insert_mut(address(view), new);
        debug_assert!(std::ptr::eq(of_view.view.as_ptr(), Arc::as_ptr(view)));
        change(of_view);
    }

    fn stripe(&self, view: &Arc<AssetView>) -> MutexGuard<'_, LruCache<usize, OfView>> {
        // The low bits of addresses are all alike.
        let stripe = (address(view) / 64) % STRIPES;
        self.stripes[stripe].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// The plans; `None` for one that is gone.
    fn plans(&self, now: Instant) -> Option<impl Iterator<Item = Option<Arc<Plan>>>> {
        (now < self.until).then(|| self.plans.iter().map(Weak::upgrade))
    }
}

fn insert<K, Q>(map: &mut HashMap<K, Kept>, key: &Q, plans: &[Arc<Plan>])
where
    K: Hash + Eq + Borrow<Q>,
    Q: Hash + Eq + ToOwned<Owned = K>,
{
    let plans = plans.iter().map(Arc::downgrade).collect();
    map.insert(key.to_owned(), Kept { plans, until: Instant::now() + KEPT });
}

fn address(view: &Arc<AssetView>) -> usize {
    Arc::as_ptr(view) as usize
}
