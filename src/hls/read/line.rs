//! Bytes of a playlist → numbered lines (RFC 8216 4.1).
//!
//! Taken though the standard does not allow them: a byte order mark, white space around lines,
//! comments and blank lines before `#EXTM3U`, and bytes that are no UTF-8 where nothing is read from
//! them, as in titles of segments.

use std::borrow::Cow;

use super::error::ReadError;
use super::note::{NoteKind, Notes};

/// A line that says something. Blank lines and comments are not handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// From 1.
    pub number: usize,
    pub content: Content<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// The name without `#`, and what stands behind the colon, without white space around it.
    Tag { name: &'a str, value: &'a str },
    /// A line that is neither tag nor comment.
    Uri(&'a str),
}

/// The text of a playlist.
pub(super) struct Text<'a> {
    text: Cow<'a, str>,
}

/// What stands for bytes that are no UTF-8.
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

impl<'a> Text<'a> {
    /// The text behind `#EXTM3U`, if it is a playlist.
    pub(super) fn new(bytes: &'a [u8], notes: &mut Notes) -> Result<Self, ReadError> {
        let unmarked = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let text = Self { text: String::from_utf8_lossy(unmarked) };
        let first = text.all_lines().next();
        let is_header = first.is_some_and(|line| {
            matches!(line.content, Content::Tag { name, .. }
                if name.split_whitespace().next() == Some("EXTM3U"))
        });
        let number = first.map_or(1, |line| line.number);
        if !is_header {
            let start = unmarked.get(..24).unwrap_or(unmarked);
            return Err(ReadError::NotAPlaylist {
                line: number,
                start: String::from_utf8_lossy(start).into_owned(),
            });
        }
        if number > 1 {
            notes.add(NoteKind::HeaderLate, number, "#EXTM3U");
        }
        Ok(text)
    }

    /// The lines behind `#EXTM3U`.
    pub(super) fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        self.all_lines().skip(1)
    }

    /// How many lines there are.
    pub(super) fn count(&self) -> usize {
        self.text.lines().count()
    }

    /// The first line with one of these tags.
    pub(super) fn first_tag(&self, tags: &[&'static str]) -> Option<(usize, &'static str)> {
        self.lines().find_map(|line| match line.content {
            Content::Tag { name, .. } => {
                let tag = tags.iter().find(|tag| **tag == name)?;
                Some((line.number, *tag))
            }
            Content::Uri(_) => None,
        })
    }

    fn all_lines(&self) -> impl Iterator<Item = Line<'_>> {
        // Where there is no line feed at all, carriage returns end the lines.
        let end = if self.text.contains('\n') { '\n' } else { '\r' };
        self.text.split(end).zip(1..).filter_map(|(line, number)| {
            let line = line.trim();
            let content = match line.strip_prefix('#') {
                None if line.is_empty() => return None,
                None => Content::Uri(line),
                Some(tag) if tag.starts_with("EXT") => {
                    let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
                    Content::Tag { name: name.trim_end(), value: value.trim() }
                }
                Some(_comment) => return None,
            };
            Some(Line { number, content })
        })
    }
}

/// A URI without white space around it, which is no part of one (RFC 3986 2).
pub(super) fn checked_uri<'u>(
    uri: &'u str,
    line: usize,
    tag: &'static str,
) -> Result<&'u str, ReadError> {
    let uri = uri.trim();
    if uri.is_empty() {
        return Err(ReadError::tag(line, tag, "the URI is empty"));
    }
    if uri.contains(REPLACEMENT) {
        let problem = "the URI is not UTF-8; write the playlist in UTF-8 (RFC 8216 4.1)";
        return Err(ReadError::tag(line, tag, problem));
    }
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<(usize, String)> {
        let mut notes = Notes::default();
        let text = Text::new(bytes, &mut notes).unwrap();
        text.lines()
            .map(|line| {
                let shown = match line.content {
                    Content::Tag { name, value } => format!("{name}|{value}"),
                    Content::Uri(uri) => uri.to_owned(),
                };
                (line.number, shown)
            })
            .collect()
    }

    #[test]
    fn line_ends_marks_and_white_space_make_no_difference() {
        let plain = "#EXTM3U\n#EXTINF:6,a\n\n# note\na b.ts\n#EXT-X-ENDLIST";
        let expected = [(2, "EXTINF|6,a"), (5, "a b.ts"), (6, "EXT-X-ENDLIST|")];
        let expected = expected.map(|(number, line)| (number, line.to_owned()));
        let variants = [
            plain.to_owned(),
            plain.replace('\n', "\r\n"),
            plain.replace('\n', "\r"),
            plain.replace('\n', " \t\n "),
            format!("\u{feff}{plain}\n"),
            plain.replace("EXTINF:6", "EXTINF : 6"),
        ];
        for text in variants {
            assert_eq!(lines(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_utf8_do_no_harm_in_titles() {
        assert_eq!(lines(b"#EXTM3U\n#EXTINF:6,\xE4\na.ts")[1], (3, "a.ts".to_owned()));
        let found = lines(b"#EXTM3U\n\xE4.ts");
        assert!(checked_uri(&found[0].1, 2, "URI").is_err());
    }

    #[test]
    fn the_header_may_follow_comments_and_nothing_else() {
        assert_eq!(lines(b"# made by hand\n\n#EXTM3U\nx")[0].0, 4);
        let mut notes = Notes::default();
        assert!(Text::new(b"# c\n#EXTM3U\n", &mut notes).is_ok());
        assert_eq!(notes.finish()[0].kind, NoteKind::HeaderLate);
        for bad in ["", "#EXTM3U8\n", "#EXTINF:1,\n#EXTM3U", "x\n#EXTM3U"] {
            let error = Text::new(bad.as_bytes(), &mut Notes::default()).err();
            assert!(matches!(error, Some(ReadError::NotAPlaylist { line: 1, .. })), "{bad:?}");
        }
    }
}
