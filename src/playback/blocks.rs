//! Blocks of clear source bytes below one root, through the cache that all assets share.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;

use super::survey::Survey;
use crate::cache::{Cache, Weight};
use crate::package::{BlockRequest, Rendered, SourceReader};
use crate::source::{Root, SourceError};

/// Names a block in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BlockKey {
    root: String,
    request: BlockRequest,
}

/// A block in the cache.
#[derive(Clone, Debug)]
pub struct CachedBlock(Bytes);

impl Weight for CachedBlock {
    fn bytes(&self) -> u64 {
        self.0.len() as u64
    }
}

impl Weight for Rendered {
    fn bytes(&self) -> u64 {
        self.bytes.len() as u64
    }
}

/// The cache of blocks.
pub type BlockCache = Cache<BlockKey, CachedBlock>;

/// A reader below a root that reads every block once while the cache holds it, and tells `survey`
/// what it cannot read.
pub fn source_reader(
    root: Arc<Root>,
    blocks: Arc<BlockCache>,
    survey: Arc<Survey>,
) -> SourceReader {
    SourceReader::new(move |request| {
        let (root, blocks, survey) = (root.clone(), blocks.clone(), survey.clone());
        async move {
            let key = BlockKey { root: root.name().to_string(), request: request.clone() };
            let build = move || async move {
                let BlockRequest { object, bytes } = request;
                let read = root.read_object(&object, bytes).await;
                let noticed = |error: &SourceError| survey.notice(root.name(), &object, error);
                Ok(CachedBlock(read.inspect_err(noticed)?))
            };
            let CachedBlock(bytes) = blocks.get_or_build(key, build).await?;
            Ok(bytes)
        }
        .boxed()
    })
}
