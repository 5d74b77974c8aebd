//! Segments that are given away while they are made, until they are whole.
//!
//! The cache of segments may have no room for such a segment, or lose it before it is whole. Whoever
//! asks for it meanwhile joins those who have it already, so that nothing is made twice at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::content::Stored;

/// See the module documentation.
#[derive(Debug, Default)]
pub struct Underway {
    segments: Mutex<HashMap<String, Stored>>,
}

/// Keeps a segment among those that are being made.
pub struct Entry {
    underway: Arc<Underway>,
    key: String,
}

impl Underway {
    /// The segment of a key.
    pub fn get(&self, key: &str) -> Option<Stored> {
        self.segments().get(key).cloned()
    }

    /// Adds a segment that is begun, until its entry is dropped.
    pub fn begin(self: &Arc<Self>, key: String, segment: Stored) -> Entry {
        self.segments().insert(key.clone(), segment);
        Entry { underway: self.clone(), key }
    }

    fn segments(&self) -> MutexGuard<'_, HashMap<String, Stored>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.underway.segments().remove(&self.key);
    }
}
