//! The `trickPlay` setting of packaging configurations: `{"renditions": "ALL"}`, `"NONE"`, or a list
//! of renditions as URLs name them, `["video-1", "video-3"]`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::model::manifest::{RenditionId, RenditionKind};
use crate::model::policy::TrickPlay;

/// Of which renditions I-frames are offered to wind and scrub through.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = TrickPlay)]
pub(super) struct TrickPlayBody {
    /// `ALL`, `NONE`, or names such as `video-1`, where the number counts the streams of the
    /// source's master playlist. Names that an asset does not have are passed over.
    renditions: RenditionsBody,
}

/// All, none, or some.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "must be ALL, NONE, or a list of names such as video-1")]
#[schema(as = TrickPlayRenditions)]
pub(super) enum RenditionsBody {
    /// All or none.
    Word(Word),
    /// Names of renditions: 1 to 100.
    Names(Vec<String>),
}

/// All or none.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schema(as = TrickPlayWord)]
pub(super) enum Word {
    All,
    None,
}

const FIELD: &str = "trickPlay.renditions";
const MAX_NAMES: usize = 100;

impl TrickPlayBody {
    /// The setting that it stands for.
    pub fn checked(self) -> Result<TrickPlay> {
        let names = match self.renditions {
            RenditionsBody::Word(Word::All) => return Ok(TrickPlay::All),
            RenditionsBody::Word(Word::None) => return Ok(TrickPlay::None),
            RenditionsBody::Names(names) => names,
        };
        if names.is_empty() || names.len() > MAX_NAMES {
            return Err(refused());
        }
        let stream = |name: &String| {
            let id = RenditionId::parse(name).filter(|id| id.kind == RenditionKind::Video);
            id.map(|id| id.stream).ok_or_else(refused)
        };
        let mut streams = names.iter().map(stream).collect::<Result<Vec<usize>>>()?;
        streams.sort_unstable();
        streams.dedup();
        Ok(TrickPlay::Streams(streams))
    }
}

fn refused() -> Error {
    Error::invalid(
        FIELD,
        format!("{FIELD} must be ALL, NONE, or a list of 1 to {MAX_NAMES} names such as video-1"),
    )
}

impl From<&TrickPlay> for TrickPlayBody {
    fn from(trick_play: &TrickPlay) -> Self {
        let name = |&stream: &usize| RenditionId { kind: RenditionKind::Video, stream }.to_string();
        let renditions = match trick_play {
            TrickPlay::All => RenditionsBody::Word(Word::All),
            TrickPlay::None => RenditionsBody::Word(Word::None),
            TrickPlay::Streams(streams) => {
                RenditionsBody::Names(streams.iter().map(name).collect())
            }
        };
        Self { renditions }
    }
}
