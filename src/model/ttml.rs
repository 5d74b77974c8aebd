//! Subtitles as TTML (W3C TTML2, IMSC 1.1), ready to be cut: names have the usual prefixes, times are
//! resolved, and elements are a flat list that can be walked without recursion.
//!
//! ```text
//! TtmlText
//! ├ root      attributes of `tt` that hold for all documents
//! ├ heads     [TtmlHead]   styles and regions, one for each way in which the source has them
//! └ bodies    [TtmlBody]   one for each document of the source
//!   └ parts   [TtmlPart]   Start … End, each Start knows its length and when it is active
//! ```

use serde::{Deserialize, Serialize};

use crate::time::Ticks;

/// The documents of one rendition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TtmlText {
    /// Attributes of `tt`, with a space before each.
    pub root: String,
    /// No two are the same.
    pub heads: Vec<TtmlHead>,
    /// In the order of the source.
    pub bodies: Vec<TtmlBody>,
}

/// What stands in `head`. What it defines has names that no other head of the text has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TtmlHead {
    /// Metadata: markup.
    pub metadata: String,
    /// What is in `styling`: markup.
    pub styling: String,
    /// What is in `layout`: regions, which may have times.
    pub layout: Vec<TtmlPart>,
}

/// The content of one document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TtmlBody {
    /// The place of its head.
    pub head: u32,
    /// Attributes of `body`, with a space before each.
    pub attributes: String,
    /// What is in it.
    pub parts: Vec<TtmlPart>,
}

/// A piece of markup.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TtmlPart {
    /// A start tag.
    Start(TtmlStart),
    /// Text, escaped.
    Text(String),
    /// An end tag: the name.
    End(String),
}

/// A start tag and when its element is active.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TtmlStart {
    /// The tag without brackets and times.
    pub tag: String,
    /// How many parts stand between it and its end tag.
    pub length: u32,
    /// When it becomes active, [`Timescale::MPEG`](crate::time::Timescale::MPEG) ticks on the
    /// timeline of the presentation.
    pub begin: Ticks,
    /// When it ceases to be; `None` where it lasts for as long as the document.
    pub end: Option<Ticks>,
    /// Whether the tag says so. Elements within count from the nearest one around them that does.
    pub is_timed: bool,
}

impl TtmlStart {
    /// Whether it is active at some time from `from` to before `to`.
    pub fn is_active(&self, from: Ticks, to: Ticks) -> bool {
        self.begin < to && self.end.is_none_or(|end| end > from && end > self.begin)
    }
}
