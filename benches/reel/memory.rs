//! Source segments that lie in memory: what packaging costs where reading costs nothing.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use futures_util::FutureExt;
use packorigin::error::{Error, Result};
use packorigin::model::presentation::SourceObject;
use packorigin::package::{BufferPool, SourceFile, SourceFiles, SourceReader};

use super::Reel;

/// All source segments of a reel, by path.
struct Held(BTreeMap<String, Vec<u8>>);

impl SourceFiles for Held {
    fn open<'a>(&'a self, object: &SourceObject) -> Result<Box<dyn SourceFile + 'a>> {
        let bytes = self.0.get(&object.path).ok_or_else(|| Error::internal("no such segment"))?;
        Ok(Box::new(HeldFile(bytes)))
    }
}

struct HeldFile<'a>(&'a [u8]);

impl SourceFile for HeldFile<'_> {
    fn read(&mut self, bytes: Range<u64>) -> Result<&[u8]> {
        let range = bytes.start as usize..bytes.end as usize;
        self.0.get(range).ok_or_else(|| Error::internal("a segment ends early"))
    }
}

/// A reader of a reel's source that has all of it in memory and works on the caller's thread. It
/// makes segments in buffers of `pool`: share one, and they are used again as in a running origin.
pub fn reader(reel: &Reel, pool: BufferPool) -> SourceReader {
    let objects = reel.presentation.streams.iter().flat_map(|stream| &stream.objects);
    let read = |object: &SourceObject| {
        let bytes = std::fs::read(reel.folder.join(&object.path)).expect("a segment");
        (object.path.clone(), bytes)
    };
    let held = Arc::new(Held(objects.map(read).collect()));
    let never = |_| async { Err(Error::internal("clear files are not fetched")) }.boxed();
    SourceReader::new(pool, never).with_files(move |_, job| {
        let held = held.clone();
        async move { job(&*held).await }.boxed()
    })
}
