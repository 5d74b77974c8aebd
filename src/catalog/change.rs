//! Tells whether what was read from the store may have changed since.
//!
//! A write shows in the store a moment before its end is known here. Whoever sees it there, by an
//! answer of the API for instance, must see it in playback too; so while a write is under way
//! nothing read earlier counts, and nothing read meanwhile is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts writes; shared by clones.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    under_way: AtomicU64,
    finished: AtomicU64,
}

/// A write under way. Dropping it ends it: also after a failure, which may have been committed all
/// the same, and after a panic.
#[derive(Debug)]
pub(super) struct Write(Changes);

impl Changes {
    /// A write begins.
    pub fn begin(&self) -> Write {
        self.0.under_way.fetch_add(1, Ordering::SeqCst);
        Write(self.clone())
    }

    /// How many writes have ended; `None` while one is under way.
    pub fn settled(&self) -> Option<u64> {
        // In this order: a write that ends in between is seen as under way, or counted.
        let under_way = self.0.under_way.load(Ordering::SeqCst);
        let finished = self.0.finished.load(Ordering::SeqCst);
        (under_way == 0).then_some(finished)
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        let Counters { under_way, finished } = &*self.0.0;
        finished.fetch_add(1, Ordering::SeqCst);
        under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_settled_while_a_write_is_under_way() {
        let changes = Changes::default();
        let before = changes.settled();
        assert!(before.is_some());
        let (first, second) = (changes.begin(), changes.begin());
        assert_eq!(changes.settled(), None);
        drop(first);
        assert_eq!(changes.settled(), None);
        drop(second);
        assert!(changes.settled().is_some_and(|after| Some(after) != before));
    }
}
