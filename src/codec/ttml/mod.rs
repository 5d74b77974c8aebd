//! Subtitles in TTML (W3C TTML2, of which IMSC 1.1 text is a profile), cut for segments (ISO/IEC
//! 14496-30 5, ISO/IEC 23000-19:2024 11.3).
//!
//! ```text
//! read    file     → head, body with resolved times, what was wrong
//! cues    elements → what WebVTT can say of them
//! shift   body     → later or earlier
//! write   body     → a document of what is active for a while, or how large it would be
//! ```
//!
//! Times of media are read, in every notation; those of SMPTE counters and clocks on the wall are
//! refused, because nothing says what time of the title they are. Each time is resolved, through
//! `par` and `seq`, so that elements can be left out without moving others; documents that are
//! written have times from paragraphs down and `par` alone. Text of images (the image profile of
//! IMSC, `smpte:backgroundImage`) is refused. Looks are kept as they are written; nothing here knows
//! what they look like, but for slant, weight and lines, which WebVTT has too.

mod cues;
mod read;
mod styles;
#[cfg(test)]
mod tests;
mod time;
mod write;
mod xml;

pub use read::{Document, Ids, read};
pub use write::{document, document_bytes};

use std::collections::HashSet;

use crate::model::ttml::{TtmlBody, TtmlHead, TtmlPart};
use crate::time::Ticks;

/// The namespace of TTML, which `stpp` names.
pub const NAMESPACE: &str = xml::TTML;

/// Why a document is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TtmlError {
    /// Bytes that are no UTF-8.
    #[error("it is no UTF-8")]
    NotUtf8,
    /// Not well-formed.
    #[error("its XML is broken at line {line}")]
    Malformed {
        /// From 1.
        line: u64,
    },
    /// With a document type declaration.
    #[error("it has a document type declaration, which TTML does not allow")]
    HasDtd,
    /// Another kind of document.
    #[error("its root is {0:?} and not tt of http://www.w3.org/ns/ttml")]
    NotTtml(String),
    /// Times that nothing ties to the title.
    #[error("its ttp:timeBase is {0:?}; only media can be placed")]
    TimeBase(String),
    /// Text as images.
    #[error("its text is images (smpte:backgroundImage or the image profile of IMSC)")]
    Images,
    /// More of something than any subtitles have.
    #[error("it has too many {0}")]
    TooLarge(&'static str),
}

/// Whether a file may be TTML: markup and no playlist or WebVTT.
pub fn is_markup(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    bytes.trim_ascii_start().first() == Some(&b'<')
}

/// Moves all times.
pub fn shift(head: &mut TtmlHead, body: &mut TtmlBody, by: Ticks) {
    for part in head.layout.iter_mut().chain(&mut body.parts) {
        if let TtmlPart::Start(start) = part {
            start.begin = start.begin.plus(by);
            start.end = start.end.map(|end| end.plus(by));
        }
    }
}

/// The paragraphs of a body, each with all that is in it.
pub fn paragraphs(body: &TtmlBody) -> HashSet<Vec<TtmlPart>> {
    let parts = &body.parts;
    let whole = |at| parts.get(at..=at + paragraph_length(parts.get(at)?)?).map(<[_]>::to_vec);
    (0..parts.len()).filter_map(whole).collect()
}

/// Leaves out of a body the paragraphs that `known` has.
pub fn leave_out(body: &mut TtmlBody, known: &HashSet<Vec<TtmlPart>>) {
    if known.is_empty() {
        return;
    }
    let mut at = 0;
    while let Some(part) = body.parts.get(at) {
        let end = paragraph_length(part).map(|length| at + length);
        let whole = end.and_then(|end| body.parts.get(at..=end));
        let is_known = whole.is_some_and(|whole| known.contains(whole));
        if let (true, Some(TtmlPart::Start(start))) = (is_known, body.parts.get_mut(at)) {
            // Never shown, so that the lengths of those around it stay true.
            start.end = Some(start.begin);
        }
        at = end.map_or(at, |end| end) + 1;
    }
}

/// Says of paragraphs without end that they end at `end`: hls.js and dash.js show none that have no
/// end. One within which times count from the start of the document stays as it is.
pub fn end_paragraphs(body: &mut TtmlBody, end: Ticks) {
    let is_timed = |part: &TtmlPart| matches!(part, TtmlPart::Start(start) if start.is_timed);
    for at in 0..body.parts.len() {
        let Some(length) = body.parts.get(at).and_then(paragraph_length) else { continue };
        let Some((TtmlPart::Start(start), rest)) =
            body.parts.get_mut(at..=at + length).and_then(<[_]>::split_first_mut)
        else {
            continue;
        };
        if start.end.is_none()
            && start.begin < end
            && (start.is_timed || !rest.iter().any(is_timed))
        {
            (start.end, start.is_timed) = (Some(end), true);
        }
    }
}

/// How many parts follow the start tag of a paragraph through its end tag; `None` for other parts.
fn paragraph_length(part: &TtmlPart) -> Option<usize> {
    match part {
        TtmlPart::Start(start) if start.tag == "p" || start.tag.starts_with("p ") => {
            Some(start.length as usize + 1)
        }
        _ => None,
    }
}
