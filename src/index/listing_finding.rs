//! What playlists got wrong, or what was done about it, as typed values.

use std::time::Duration;

use crate::hls::read::{Note, NoteKind};
use crate::model::ingest::{IngestFailure, Warning};

/// One finding. `playlist` is a path below the root; lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ListingFinding {
    /// A media playlist is listed twice; it is read once.
    DuplicateVariant { playlist: String, line: usize, first_line: usize, uri: String },
    /// A stream has the same attributes as one before; it is used if that cannot be read.
    RedundantVariant { playlist: String, line: usize, first_line: usize, uri: String },
    /// A redundant stream is used.
    RedundantTaken { playlist: String, line: usize, uri: String, failure: IngestFailure },
    /// A stream cannot be read and is left out.
    VariantMissing { playlist: String, line: usize, uri: String, failure: IngestFailure },
    /// Segments are marked as missing.
    SegmentGap { playlist: String, line: usize, count: u64, claimed: Duration },
    /// Segments are listed that were listed before; `line` is the first of them.
    SameFileTwice { playlist: String, line: usize, first_line: usize, path: String, count: u64 },
    /// Segments have dates.
    ProgramDateTime { playlist: String, line: usize, count: u64 },
    /// What the reader of playlists noted.
    Note { playlist: String, note: Note },
}

impl ListingFinding {
    /// Counts a segment that is listed again.
    pub(super) fn add_same_file(
        findings: &mut Vec<Self>,
        playlist: &str,
        line: usize,
        first_line: usize,
        path: &str,
    ) {
        let known = findings.iter_mut().find_map(|finding| match finding {
            Self::SameFileTwice { count, .. } => Some(count),
            _ => None,
        });
        match known {
            Some(count) => *count = count.saturating_add(1),
            None => findings.push(Self::SameFileTwice {
                playlist: playlist.to_owned(),
                line,
                first_line,
                path: path.to_owned(),
                count: 1,
            }),
        }
    }

    /// The stable word.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::DuplicateVariant { .. } => "duplicate_variant",
            Self::RedundantVariant { .. } => "redundant_variant",
            Self::RedundantTaken { .. } => "redundant_variant_taken",
            Self::VariantMissing { .. } => "variant_missing",
            Self::SegmentGap { .. } => "segment_gap",
            Self::SameFileTwice { .. } => "same_file_twice",
            Self::ProgramDateTime { .. } => "program_date_time",
            Self::Note { note, .. } => note_code(note.kind),
        }
    }

    /// What, where, and what to do.
    pub(super) fn detail(&self) -> String {
        match self {
            Self::DuplicateVariant { playlist, line, first_line, uri } => format!(
                "{playlist}, line {line}: {uri} is listed in line {first_line} already; it is read \
                 once and offered once"
            ),
            Self::RedundantVariant { playlist, line, first_line, uri } => format!(
                "{playlist}, line {line}: {uri} has the attributes of the stream in line \
                 {first_line}, which makes it a copy; it is used only if that cannot be read. If it \
                 is another stream, give it attributes of its own"
            ),
            Self::RedundantTaken { playlist, line, uri, failure } => format!(
                "{playlist}, line {line}: the copy {uri} is used, because the stream itself cannot \
                 be read ({}: {})",
                failure.code.as_str(),
                failure.detail
            ),
            Self::VariantMissing { playlist, line, uri, failure } => format!(
                "{playlist}, line {line}: {uri} is left out, because it cannot be read ({}: {})",
                failure.code.as_str(),
                failure.detail
            ),
            Self::SegmentGap { playlist, line, count, claimed } => format!(
                "{playlist}, line {line}: {count} segments of {} s together are marked EXT-X-GAP; \
                 they are not played. Upload them and take the tags out to close the gap",
                decimal(*claimed)
            ),
            Self::SameFileTwice { playlist, line, first_line, path, count } => format!(
                "{playlist}, line {line}: {path} is listed in line {first_line} already, and so \
                 are {} further segments; each is played where it is listed",
                count.saturating_sub(1)
            ),
            Self::ProgramDateTime { playlist, line, count } => format!(
                "{playlist}, line {line}: {count} segments have an EXT-X-PROGRAM-DATE-TIME"
            ),
            Self::Note { playlist, note } => {
                let times = match note.count {
                    1 => String::new(),
                    count => format!(" (and in {} further places)", count - 1),
                };
                let Note { line, text, .. } = note;
                format!("{playlist}, line {line}: {}{times}", note_sentence(note.kind, text))
            }
        }
    }

    /// As the report lists it.
    pub(super) fn to_warning(&self) -> Warning {
        Warning::new(self.code(), self.detail())
    }
}

const fn note_code(kind: NoteKind) -> &'static str {
    match kind {
        NoteKind::DurationMissing | NoteKind::DurationUnreadable => "extinf_unreadable",
        NoteKind::DurationAboveTarget => "extinf_above_target",
        NoteKind::DateUnreadable => "program_date_time_unreadable",
        NoteKind::TargetMissing
        | NoteKind::RangeWithoutOffset
        | NoteKind::UriMissing
        | NoteKind::UriUnannounced
        | NoteKind::ValueUnreadable
        | NoteKind::TagLate
        | NoteKind::HeaderLate => "playlist_untidy",
    }
}

fn note_sentence(kind: NoteKind, text: &str) -> String {
    match kind {
        NoteKind::DurationMissing => {
            format!("{text} has no EXTINF; its duration is taken from the media")
        }
        NoteKind::DurationUnreadable => format!(
            "the EXTINF {text:?} is no decimal number of seconds; the duration is taken from the \
             media"
        ),
        NoteKind::DurationAboveTarget => format!(
            "the EXTINF of {text} s is above EXT-X-TARGETDURATION; raise that, or players of this \
             playlist may stall"
        ),
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
        NoteKind::TagLate => format!(
            "this {text} stands behind the first segment or is a second one; it is left out"
        ),
        NoteKind::HeaderLate => format!("{text} should be the first line"),
    }
}

/// Decimal seconds without zeros at the end.
fn decimal(duration: Duration) -> String {
    let text = format!("{}.{:03}", duration.as_secs(), duration.subsec_millis());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_name_their_place_and_count() {
        let mut findings = Vec::new();
        for line in [9, 11, 13] {
            ListingFinding::add_same_file(&mut findings, "m.m3u8", line, line - 6, "a.ts");
        }
        let [finding] = &findings[..] else { panic!("{findings:?}") };
        assert_eq!(finding.code(), "same_file_twice");
        let detail = finding.detail();
        assert!(detail.starts_with("m.m3u8, line 9: a.ts is listed in line 3"), "{detail}");
        assert!(detail.contains("2 further"), "{detail}");
        assert_eq!(decimal(Duration::from_millis(12_050)), "12.05");
        assert_eq!(decimal(Duration::from_secs(10)), "10");
    }
}
