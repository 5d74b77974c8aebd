//! What was not in order in a playlist that can be read all the same.

/// What is not in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoteKind {
    /// A segment has no `EXTINF` (RFC 8216 4.3.2.1 wants one for each).
    DurationMissing,
    /// The duration of an `EXTINF` is no decimal number, or larger than any time.
    DurationUnreadable,
    /// A duration, rounded to seconds, is above `EXT-X-TARGETDURATION` (RFC 8216 4.3.3.1).
    DurationAboveTarget,
    /// There is no `EXT-X-TARGETDURATION`, or it is no number of seconds.
    TargetMissing,
    /// A byte range has no offset and follows no other range of the same file (RFC 8216 4.3.2.2);
    /// it is taken from the start of the file.
    RangeWithoutOffset,
    /// A tag that a URI should follow has none behind it.
    UriMissing,
    /// A URI that no tag announces; it is left out.
    UriUnannounced,
    /// An attribute, or the value of a tag, that cannot be understood; it is left out.
    ValueUnreadable,
    /// `EXT-X-PROGRAM-DATE-TIME` is no date and time of ISO 8601; it is left out.
    DateUnreadable,
    /// A tag about markers cannot be understood; it is left out.
    MarkerUnreadable,
    /// A tag stands behind the first segment and must stand before it; it is left out.
    TagLate,
    /// `EXT-X-SESSION-DATA` that cannot be understood; it is left out.
    SessionDataBroken,
    /// A second `EXT-X-SESSION-DATA` of one name and language (RFC 8216 4.3.4.4); it is left out.
    SessionDataTwice,
    /// Some streams have a `SCORE` and others none, so that it ranks nothing; it is left out.
    ScoreIncomplete,
    /// Comments stand before `#EXTM3U`, which should be the first line.
    HeaderLate,
}

/// What is not in order, where first, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What.
    pub kind: NoteKind,
    /// The first line with it, from 1.
    pub line: usize,
    /// What stands there.
    pub text: String,
    /// In how many places.
    pub count: u64,
}

/// Collects notes, one for each kind, however long the playlist is.
#[derive(Debug, Default)]
pub(super) struct Notes {
    notes: Vec<Note>,
}

/// How much of a line a note repeats.
const MAX_SHOWN_CHARS: usize = 80;

impl Notes {
    pub(super) fn add(&mut self, kind: NoteKind, line: usize, text: &str) {
        match self.notes.iter_mut().find(|note| note.kind == kind) {
            Some(note) => note.count = note.count.saturating_add(1),
            None => {
                let text = text.chars().take(MAX_SHOWN_CHARS).collect();
                self.notes.push(Note { kind, line, text, count: 1 });
            }
        }
    }

    /// In the order of their first lines.
    pub(super) fn finish(mut self) -> Vec<Note> {
        self.notes.sort_by_key(|note| (note.line, note.kind));
        self.notes
    }
}
