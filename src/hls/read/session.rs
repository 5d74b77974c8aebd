//! `EXT-X-SESSION-DATA` (RFC 8216 4.3.4.4, draft-pantos-hls-rfc8216bis 4.4.6.4).
//!
//! Nothing that is played depends on it, so whatever is wrong with one leaves that one out.

use super::attribute::Attributes;
use super::error::ReadError;
use super::note::{NoteKind, Notes};
use super::variable::Scope;
use crate::model::session::SessionFormat;

/// One `EXT-X-SESSION-DATA`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionEntry {
    /// The line of the tag, from 1.
    pub line: usize,
    /// `DATA-ID`.
    pub id: String,
    /// `LANGUAGE`.
    pub language: Option<String>,
    /// What it says.
    pub content: SessionEntryContent,
}

/// `VALUE` or `URI`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEntryContent {
    /// `VALUE`.
    Value(String),
    /// `URI` and `FORMAT`.
    Uri(String, SessionFormat),
}

/// A title has some dozen: names, languages, chapters.
const MAX_ENTRIES: usize = 1000;

const TAG: &str = "EXT-X-SESSION-DATA";

impl SessionEntry {
    /// Reads a tag and puts it behind `entries`; notes why it is left out, if it is.
    pub(super) fn add(
        entries: &mut Vec<Self>,
        line: usize,
        value: &str,
        scope: &mut Scope<'_>,
        notes: &mut Notes,
    ) {
        let read = match Self::read(line, value, scope) {
            Ok(read) => read,
            Err(error) => Err(error.to_string()),
        };
        let entry = match read {
            Ok(entry) => entry,
            Err(problem) => return notes.add(NoteKind::SessionDataBroken, line, &problem),
        };
        let is_same = |other: &Self| {
            let lower = |text: &Option<String>| text.as_ref().map(|text| text.to_ascii_lowercase());
            other.id == entry.id && lower(&other.language) == lower(&entry.language)
        };
        if entries.iter().any(is_same) {
            let language = entry.language.as_deref().unwrap_or("no language");
            let shown = format!("DATA-ID={}, {language}", entry.id);
            return notes.add(NoteKind::SessionDataTwice, line, &shown);
        }
        if entries.len() >= MAX_ENTRIES {
            let problem = format!("there are more than {MAX_ENTRIES}");
            return notes.add(NoteKind::SessionDataBroken, line, &problem);
        }
        entries.push(entry);
    }

    fn read(
        line: usize,
        value: &str,
        scope: &mut Scope<'_>,
    ) -> Result<Result<Self, String>, ReadError> {
        let attributes = Attributes::parse(line, TAG, value)?;
        let mut text = |name: &str| -> Result<Option<String>, ReadError> {
            let value = scope.attribute(&attributes, name)?;
            Ok(value.map(|value| value.replace(char::is_control, " ").trim().to_owned()))
        };
        let Some(id) = text("DATA-ID")?.filter(|id| !id.is_empty()) else {
            return Ok(Err("DATA-ID is missing".to_owned()));
        };
        let format = match text("FORMAT")?.as_deref() {
            None | Some("JSON") => SessionFormat::Json,
            Some("RAW") => SessionFormat::Raw,
            Some(other) => return Ok(Err(format!("DATA-ID={id}: FORMAT={other}"))),
        };
        let content = match (text("VALUE")?, text("URI")?.filter(|uri| !uri.is_empty())) {
            (Some(value), None) => SessionEntryContent::Value(value),
            (None, Some(uri)) => SessionEntryContent::Uri(uri, format),
            (None, None) => return Ok(Err(format!("DATA-ID={id} has neither VALUE nor URI"))),
            (Some(_), Some(_)) => return Ok(Err(format!("DATA-ID={id} has both VALUE and URI"))),
        };
        let language = text("LANGUAGE")?.filter(|language| !language.is_empty());
        Ok(Ok(Self { line, id, language, content }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tags: &[&str]) -> (Vec<SessionEntry>, Vec<super::super::Note>) {
        let (mut entries, mut notes) = (Vec::new(), Notes::default());
        let mut scope = Scope::new(None, None);
        for (line, tag) in tags.iter().enumerate() {
            SessionEntry::add(&mut entries, line + 1, tag, &mut scope, &mut notes);
        }
        (entries, notes.finish())
    }

    #[test]
    fn values_and_files_are_told_apart() {
        let (entries, notes) = read(&[
            "DATA-ID=\"com.example.title\",LANGUAGE=\"en\",VALUE=\"A, b=\u{7}\"",
            "DATA-ID=\"com.example.title\",LANGUAGE=\"de\",VALUE=\"\"",
            "DATA-ID=\"com.example.more\",URI=\"more.json\"",
            "DATA-ID=\"com.example.raw\",URI=\"more.bin\",FORMAT=RAW",
        ]);
        assert_eq!(notes, []);
        let value = |text: &str| SessionEntryContent::Value(text.to_owned());
        let uri = |text: &str, format| SessionEntryContent::Uri(text.to_owned(), format);
        let contents: Vec<_> = entries.iter().map(|entry| entry.content.clone()).collect();
        assert_eq!(
            contents,
            [
                value("A, b="),
                value(""),
                uri("more.json", SessionFormat::Json),
                uri("more.bin", SessionFormat::Raw)
            ]
        );
        assert_eq!(entries[0].language.as_deref(), Some("en"));
        assert_eq!((entries[2].line, entries[2].language.as_ref()), (3, None));
    }

    #[test]
    fn what_is_broken_or_said_twice_is_left_out_and_told() {
        let (entries, notes) = read(&[
            "DATA-ID=\"a\",VALUE=\"1\"",
            "DATA-ID=\"a\",VALUE=\"2\"",
            "DATA-ID=\"a\",LANGUAGE=\"EN\",VALUE=\"3\"",
            "DATA-ID=\"a\",LANGUAGE=\"en\",VALUE=\"4\"",
            "VALUE=\"5\"",
            "DATA-ID=\"b\"",
            "DATA-ID=\"b\",VALUE=\"6\",URI=\"b\"",
            "DATA-ID=\"b\",URI=\"b\",FORMAT=XML",
            "DATA-ID=\"b\",VALUE=\"not closed",
            "DATA-ID=\"b\",VALUE=\"{$undefined}\"",
            "",
        ]);
        let values: Vec<_> = entries.iter().map(|entry| entry.content.clone()).collect();
        assert_eq!(values, ["1", "3"].map(|text| SessionEntryContent::Value(text.to_owned())));
        let counts: Vec<_> = notes.iter().map(|note| (note.kind, note.line, note.count)).collect();
        assert_eq!(
            counts,
            [(NoteKind::SessionDataTwice, 2, 2), (NoteKind::SessionDataBroken, 5, 7)]
        );
    }

    #[test]
    fn there_is_a_bound() {
        let tags: Vec<String> =
            (0..=MAX_ENTRIES).map(|id| format!("DATA-ID=\"{id}\",VALUE=\"\"")).collect();
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        let (entries, notes) = read(&tags);
        assert_eq!((entries.len(), notes.len()), (MAX_ENTRIES, 1));
    }
}
