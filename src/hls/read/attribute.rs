//! Attribute lists (RFC 8216 4.2).
//!
//! ```text
//! #EXT-X-STREAM-INF: BANDWIDTH = 1280000 , CODECS="avc1.64001e,mp4a.40.2"
//!                    └ name    └ value     └ name └ quoted value
//! ```
//!
//! Beside what the standard allows, white space around `=` and `,` is taken, quotes may be missing
//! where the standard wants them and stand where it does not, and a value without quotes goes on
//! over commas that no `NAME=` follows. Of an attribute that is given twice the first counts.

use super::error::ReadError;

/// Attributes that a tag may have: the standard knows some twenty for the richest.
const MAX_ATTRIBUTES: usize = 256;

/// The attributes of one tag.
#[derive(Debug)]
pub(super) struct Attributes<'a> {
    pub line: usize,
    pub tag: &'static str,
    entries: Vec<(&'a str, &'a str)>,
    /// Which of them stand in quotes.
    quoted: Vec<usize>,
}

impl<'a> Attributes<'a> {
    /// Takes the text behind a tag's colon apart. A quote that is not closed is an error: what comes
    /// behind it cannot be told from what is inside.
    pub(super) fn parse(line: usize, tag: &'static str, text: &'a str) -> Result<Self, ReadError> {
        let mut entries: Vec<(&str, &str)> = Vec::new();
        let mut quoted = Vec::new();
        // Where the value of the last entry begins if a further piece may belong to it.
        let mut open_from: Option<usize> = None;
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let piece_end = rest.find(',').unwrap_or(rest.len());
            let equals = rest.get(..piece_end).and_then(|piece| piece.find('='));
            let name = equals.and_then(|equals| rest.get(..equals)).map(str::trim);
            let (Some(name), Some(equals)) = (name.filter(|name| is_name(name)), equals) else {
                if let (Some(from), Some((_, value))) = (open_from, entries.last_mut()) {
                    *value = text.get(from..at + piece_end).unwrap_or_default().trim();
                }
                at += piece_end + 1;
                continue;
            };
            if entries.len() >= MAX_ATTRIBUTES {
                let problem = format!("it has more than {MAX_ATTRIBUTES} attributes");
                return Err(ReadError::tag(line, tag, problem));
            }
            let behind = rest.get(equals + 1..).unwrap_or_default();
            let value_text = behind.trim_start();
            let value_at = at + equals + 1 + (behind.len() - value_text.len());
            if let Some(inside) = value_text.strip_prefix('"') {
                let Some(length) = inside.find('"') else {
                    let problem = format!("the quote of {name} is not closed");
                    return Err(ReadError::tag(line, tag, problem));
                };
                quoted.push(entries.len());
                entries.push((name, inside.get(..length).unwrap_or_default()));
                open_from = None;
                let closed = value_at + 1 + length + 1;
                let next = text.get(closed..).and_then(|rest| rest.find(','));
                at = next.map_or(text.len(), |comma| closed + comma + 1);
            } else {
                let value = rest.get(equals + 1..piece_end).unwrap_or_default();
                entries.push((name, value.trim()));
                open_from = Some(value_at);
                at += piece_end + 1;
            }
        }
        Ok(Self { line, tag, entries, quoted })
    }

    /// The value without its quotes, as written but for white space around it.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.entries.iter().find(|(known, _)| *known == name).map(|(_, value)| value.trim())
    }

    /// All names and values, in order.
    pub(super) fn entries(&self) -> &[(&'a str, &'a str)] {
        &self.entries
    }

    /// Whether the value at a place of [`Attributes::entries`] stands in quotes.
    pub(super) fn is_quoted(&self, place: usize) -> bool {
        self.quoted.contains(&place)
    }

    /// An error about this tag.
    pub(super) fn error(&self, problem: impl Into<String>) -> ReadError {
        ReadError::tag(self.line, self.tag, problem)
    }
}

/// Upper-case letters, digits and hyphens (RFC 8216 4.2), and what is near to them.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<(&str, &str)> {
        Attributes::parse(3, "EXT-X-KEY", text).unwrap().entries
    }

    #[test]
    fn commas_in_quotes_and_white_space_around_signs_separate_nothing() {
        let expected = vec![("A", "1"), ("B", "x,y=z"), ("C", "YES")];
        for text in [
            "A=1,B=\"x,y=z\",C=YES",
            " A = 1 , B = \"x,y=z\" , C = YES ",
            "A=\"1\",B=\"x,y=z\",,C=\"YES\",",
            ",A=1,B=\"x,y=z\"junk,C=YES",
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
        assert_eq!(parsed(""), vec![]);
        assert_eq!(parsed("A="), vec![("A", "")]);
    }

    #[test]
    fn values_without_quotes_go_on_over_commas_that_begin_no_attribute() {
        assert_eq!(
            parsed("CODECS=avc1.64001e,mp4a.40.2,BANDWIDTH=7"),
            vec![("CODECS", "avc1.64001e,mp4a.40.2"), ("BANDWIDTH", "7")]
        );
        assert_eq!(
            parsed("URI=http://a/b,c?x=1,X=2"),
            vec![("URI", "http://a/b,c?x=1"), ("X", "2")]
        );
        assert_eq!(parsed("junk,A=1"), vec![("A", "1")]);
    }

    #[test]
    fn a_quote_that_stays_open_is_named() {
        let error = Attributes::parse(3, "EXT-X-KEY", "METHOD=NONE,URI=\"k").unwrap_err();
        assert_eq!(error.to_string(), "line 3 (EXT-X-KEY): the quote of URI is not closed");
    }

    #[test]
    fn a_line_of_nothing_but_attributes_is_refused() {
        let parse = |count: usize| Attributes::parse(1, "EXT-X-MEDIA", &"A=1,".repeat(count)).err();
        assert_eq!(parse(256), None);
        assert!(parse(257).unwrap().to_string().contains("256"));
    }

    #[test]
    fn of_two_the_first_counts() {
        let twice = Attributes::parse(1, "EXT-X-KEY", "A=1,A=2").unwrap();
        assert_eq!(twice.get("A"), Some("1"));
    }
}
