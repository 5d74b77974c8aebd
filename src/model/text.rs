//! Subtitles of a title: text, times and looks. All of it, because it is small: two hours of
//! dialogue are some 100 kB.
//!
//! ```text
//! TextStream
//! ├ description    name, language, purpose
//! ├ header         lines and blocks that hold for all cues: styles, regions
//! ├ cues [Cue]     in order of their start
//! └ ttml           the documents, where the source has TTML; cues are what WebVTT can say of it
//! ```

use serde::{Deserialize, Serialize};

use super::description::Description;
use super::ttml::TtmlText;
use crate::time::Ticks;

/// One subtitle rendition of the source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextStream {
    /// The URI of its media playlist as the master playlist writes it.
    pub uri: String,
    /// What people are told of it.
    pub description: Description,
    /// `STABLE-RENDITION-ID`.
    pub stable_id: Option<String>,
    /// What holds for all cues.
    pub header: TextHeader,
    /// In order of their start; those that start together as the source has them.
    pub cues: Vec<Cue>,
    /// The documents, where the source has TTML.
    pub ttml: Option<TtmlText>,
}

impl TextStream {
    /// What the source has.
    pub const fn format(&self) -> TextFormat {
        match self.ttml {
            None => TextFormat::WebVtt,
            Some(_) => TextFormat::Imsc,
        }
    }
}

/// How text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TextFormat {
    /// WebVTT.
    WebVtt,
    /// TTML of the text profile of IMSC 1.
    Imsc,
}

impl TextFormat {
    /// The RFC 6381 string of its fragments (ISO/IEC 14496-30; W3C TTML Media Type Definition and
    /// Profile Registry).
    pub const fn codecs(self) -> &'static str {
        match self {
            Self::WebVtt => "wvtt",
            Self::Imsc => "stpp.ttml.im1t",
        }
    }

    /// The type of its files.
    pub const fn file_type(self) -> &'static str {
        match self {
            Self::WebVtt => "text/vtt",
            Self::Imsc => "application/ttml+xml",
        }
    }

    /// The extension of its files.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::WebVtt => "vtt",
            Self::Imsc => "ttml",
        }
    }
}

/// What stands before the cues of a WebVTT file (W3C WebVTT 4.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextHeader {
    /// Lines below the signature such as `Kind: captions`, but for those that tell the time.
    pub lines: Vec<String>,
    /// `STYLE` and `REGION` blocks, each with its first line and without the blank line behind.
    pub blocks: Vec<String>,
}

/// A stretch of text and when it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cue {
    /// When it appears, [`Timescale::MPEG`](crate::time::Timescale::MPEG) ticks on the timeline of
    /// the presentation.
    pub start: Ticks,
    /// When it is gone; behind its start.
    pub end: Ticks,
    /// What styles call it by; may be empty.
    pub id: String,
    /// Position, line, alignment, region and the like, as written behind the times; may be empty.
    pub settings: String,
    /// The text with its tags; no line of it is blank.
    pub payload: String,
}
