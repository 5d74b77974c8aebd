//! Segments that are given away while they are made, until they are whole.
//!
//! The cache of segments may have no room for such a segment, or lose it before it is whole.
//! Whoever asks for it meanwhile joins those who have it already, so that nothing is made twice at
//! a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::content::Stored;
use super::growing::Growing;

/// See the module documentation.
#[derive(Debug, Default)]
pub struct Underway {
    segments: Mutex<HashMap<String, Stored>>,
}

/// Keeps a segment among those that are being made.
pub struct Entry {
    underway: Arc<Underway>,
    key: String,
    growing: Growing,
}

impl Underway {
    /// The segment of a key.
    pub fn get(&self, key: &str) -> Option<Stored> {
        self.segments().get(key).cloned()
    }

    /// Adds a segment that is begun, until its entry is dropped.
    pub fn begin(self: &Arc<Self>, key: String, segment: &Stored, growing: Growing) -> Entry {
        self.segments().insert(key.clone(), segment.clone());
        Entry { underway: self.clone(), key, growing }
    }

    fn segments(&self) -> MutexGuard<'_, HashMap<String, Stored>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut segments = self.underway.segments();
        // Another may have been begun at the same moment.
        if segments.get(&self.key).is_some_and(|segment| segment.is(&self.growing)) {
            segments.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playback::content::Content;

    #[test]
    fn segments_are_there_until_their_own_entry_is_dropped() {
        let underway = Arc::new(Underway::default());
        let begin = |bytes| {
            let (_, growing) = Growing::new(bytes);
            let content = Content::Growing(growing.clone());
            let segment = Stored { content, content_type: "video/mp2t", etag: "etag".into() };
            underway.begin("key".to_owned(), &segment, growing)
        };
        let bytes = || underway.get("key").map(|segment| segment.content.len());
        assert_eq!(bytes(), None);
        let first = begin(1);
        assert_eq!(bytes(), Some(1));
        let second = begin(2);
        drop(first);
        assert_eq!(bytes(), Some(2));
        drop(second);
        assert_eq!(bytes(), None);
    }
}
