//! Blocks of clear source bytes below one root, through the cache that all assets share.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;

use super::ahead::ReadAhead;
use super::survey::Survey;
use crate::cache::{Cache, Weight};
use crate::error::Result;
use crate::model::policy::Name;
use crate::model::presentation::SourceObject;
use crate::package::{BlockRequest, BufferPool, SourceFile, SourceFiles, SourceReader};
use crate::source::{LocalFile, LocalFiles, Root, SourceError};

/// Names a block in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BlockKey {
    root: String,
    request: BlockRequest,
}

impl BlockKey {
    pub(super) fn new(root: &Root, request: BlockRequest) -> Self {
        Self { root: root.name().to_string(), request }
    }

    pub(super) fn request(&self) -> &BlockRequest {
        &self.request
    }
}

/// A block in the cache.
#[derive(Clone, Debug)]
pub struct CachedBlock(Bytes);

impl Weight for CachedBlock {
    fn bytes(&self) -> u64 {
        self.0.len() as u64
    }
}

/// The cache of blocks.
pub type BlockCache = Cache<BlockKey, CachedBlock>;

/// A reader below a root that fetches every block once while the cache holds it, or reads files
/// where they are; it takes what was read ahead, and tells `survey` what it cannot read.
pub fn source_reader(
    root: Arc<Root>,
    ahead: Arc<ReadAhead>,
    survey: Arc<Survey>,
    pool: BufferPool,
) -> SourceReader {
    let reader = {
        let (root, survey) = (root.clone(), survey.clone());
        SourceReader::new(pool, move |request| {
            let (root, ahead, survey) = (root.clone(), ahead.clone(), survey.clone());
            async move {
                let key = BlockKey::new(&root, request);
                let blocks = ahead.blocks().clone();
                let wanted = key.clone();
                let build = move || async move {
                    if let Some(bytes) = ahead.take(&wanted).await {
                        return Ok(CachedBlock(bytes));
                    }
                    let BlockRequest { object, bytes } = wanted.request;
                    let read = root.read_object(&object, bytes).await;
                    let noticed = |error: &SourceError| survey.notice(root.name(), &object, error);
                    Ok(CachedBlock(read.inspect_err(noticed)?))
                };
                let CachedBlock(bytes) = blocks.get_or_build(key, build).await?;
                Ok(bytes)
            }
            .boxed()
        })
    };
    if !root.is_local() {
        return reader;
    }
    reader.with_files(move |bytes, job| {
        let (root, survey) = (root.clone(), survey.clone());
        async move {
            let name = root.name().clone();
            root.with_files_at_hand(bytes, move |files| {
                let (job, name, survey) = (job.clone(), name.clone(), survey.clone());
                async move { job(&SurveyedFiles { files, name, survey }).await }.boxed()
            })
            .await?
        }
        .boxed()
    })
}

/// Files of which those that cannot be read are told of.
struct SurveyedFiles<'a> {
    files: &'a LocalFiles,
    name: Name,
    survey: Arc<Survey>,
}

struct SurveyedFile<'a> {
    file: LocalFile<'a>,
    object: SourceObject,
    files: &'a SurveyedFiles<'a>,
}

impl SourceFiles for SurveyedFiles<'_> {
    fn open<'a>(&'a self, object: &SourceObject) -> Result<Box<dyn SourceFile + 'a>> {
        let noticed = |error: &SourceError| self.survey.notice(&self.name, object, error);
        let file = self.files.open(object).inspect_err(noticed)?;
        Ok(Box::new(SurveyedFile { file, object: object.clone(), files: self }))
    }
}

impl SourceFile for SurveyedFile<'_> {
    fn read(&mut self, bytes: Range<u64>) -> Result<&[u8]> {
        let Self { file, object, files } = self;
        let noticed = |error: &SourceError| files.survey.notice(&files.name, object, error);
        Ok(file.read(bytes).inspect_err(noticed)?)
    }
}
