//! What the reader of playlists noted, as findings.

use crate::hls::read::{Note, NoteKind};
use crate::model::ingest::{FindingCode, Findings, Place};

/// Adds the notes of the playlist at `file`; `stream` is its URI where it is a media playlist.
pub(super) fn add_notes(notes: &[Note], file: &str, stream: Option<&str>, findings: &mut Findings) {
    for note in notes {
        let place = stream.map_or_else(Place::source, Place::stream);
        let place = place.file(file).line(note.line as u64);
        let code = match note.kind {
            NoteKind::DurationAboveTarget => FindingCode::ExtinfAboveTarget,
            NoteKind::SessionDataBroken | NoteKind::SessionDataTwice => {
                FindingCode::SessionDataLeftOut
            }
            NoteKind::MarkerUnreadable => FindingCode::MarkersBroken,
            _ => FindingCode::PlaylistUntidy,
        };
        let detail = format!("{file}, line {}: {}", note.line, words(note.kind, &note.text));
        findings.add_many(code, place, note.count, detail);
    }
}

fn words(kind: NoteKind, text: &str) -> String {
    match kind {
        NoteKind::DurationMissing => {
            format!("{text} has no EXTINF; its duration is taken from the media")
        }
        NoteKind::DurationUnreadable => format!(
            "the EXTINF {text:?} is no decimal number of seconds; the duration is taken from the \
             media"
        ),
        NoteKind::DurationAboveTarget => {
            format!("the EXTINF of {text} s is above EXT-X-TARGETDURATION")
        }
        NoteKind::TargetMissing => {
            "there is no EXT-X-TARGETDURATION that is a number of seconds".to_owned()
        }
        NoteKind::RangeWithoutOffset => format!(
            "the EXT-X-BYTERANGE of {text} has no offset and no range of the same file before it; \
             it is taken from the start of the file"
        ),
        NoteKind::UriMissing => format!("no URI follows this {text}; the tag is left out"),
        NoteKind::UriUnannounced => {
            format!("no EXT-X-STREAM-INF announces {text}; the line is left out")
        }
        NoteKind::ValueUnreadable => format!("{text} cannot be understood and is left out"),
        NoteKind::DateUnreadable => format!(
            "the EXT-X-PROGRAM-DATE-TIME {text:?} is no date and time of ISO 8601 and is left out"
        ),
        NoteKind::MarkerUnreadable => format!("{text} cannot be understood and is left out"),
        NoteKind::TagLate => format!(
            "this {text} stands behind the first segment or is a second one; it is left out"
        ),
        NoteKind::SessionDataBroken => {
            format!("this EXT-X-SESSION-DATA cannot be understood and is left out ({text})")
        }
        NoteKind::SessionDataTwice => format!(
            "there is an EXT-X-SESSION-DATA of this name and language already; it is left out \
             ({text})"
        ),
        NoteKind::ScoreIncomplete => {
            format!("{text} has no SCORE and other streams have; SCORE is left out of all")
        }
        NoteKind::HeaderLate => format!("{text} should be the first line"),
    }
}
