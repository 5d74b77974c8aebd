//! `EXT-X-KEY` and `EXT-X-SESSION-KEY` lines as key servers send them (RFC 8216 4.2, 4.3.2.4,
//! 4.3.4.5).
//!
//! Tolerant where no meaning is lost: white space around names and values, several lines in one
//! text, blank lines and lines of other tags, which are passed over. Not tolerant of what would
//! spoil the playlist that the attributes go into.

use super::signalling::quotable;
use crate::model::protection::HlsKey;

/// One key line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLine {
    /// Whether it is for master playlists (`EXT-X-SESSION-KEY`).
    pub session: bool,
    /// `METHOD`.
    pub method: String,
    /// `IV`, big-endian.
    pub iv: Option<[u8; 16]>,
    /// Everything else.
    pub key: HlsKey,
}

/// Why a line cannot be used. Nothing of the line is quoted: its URI may hold a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyLineError {
    /// The text has no key line.
    #[error("has no EXT-X-KEY or EXT-X-SESSION-KEY line")]
    NoLine,
    /// Not a list of NAME=value with commas between.
    #[error("has a key line whose attribute list is malformed")]
    Malformed,
    /// An attribute stands twice.
    #[error("has a key line with the same attribute twice")]
    Repeated,
    /// An attribute that every key line has.
    #[error("has a key line without {name}")]
    Missing {
        /// Its name.
        name: &'static str,
    },
    /// `IV` is not `0x` and up to 32 hexadecimal digits.
    #[error("has a key line whose IV is not a hexadecimal number of 128 bits")]
    MalformedIv,
}

/// Reads all key lines of a text, at least one.
pub fn parse_lines(text: &str) -> Result<Vec<KeyLine>, KeyLineError> {
    let lines = text.lines().flat_map(|line| line.split('\r')).map(str::trim);
    let found: Vec<_> = lines
        .filter_map(|line| {
            let media = line.strip_prefix("#EXT-X-KEY:").map(|list| (false, list));
            media.or_else(|| line.strip_prefix("#EXT-X-SESSION-KEY:").map(|list| (true, list)))
        })
        .map(|(session, list)| parse_line(session, list))
        .collect::<Result<_, _>>()?;
    if found.is_empty() { Err(KeyLineError::NoLine) } else { Ok(found) }
}

fn parse_line(session: bool, list: &str) -> Result<KeyLine, KeyLineError> {
    let mut attributes = attributes(list)?;
    let mut take = |name: &str| {
        let at = attributes.iter().position(|(found, _)| found == name)?;
        Some(attributes.remove(at).1)
    };
    let method = take("METHOD").ok_or(KeyLineError::Missing { name: "METHOD" })?;
    let iv = take("IV").map(|iv| parse_iv(unquoted(&iv))).transpose()?;
    let uri = take("URI").ok_or(KeyLineError::Missing { name: "URI" })?;
    let key_format = take("KEYFORMAT").map(|value| unquoted(&value).to_owned());
    let versions = take("KEYFORMATVERSIONS").map(|value| unquoted(&value).to_owned());
    let key = HlsKey {
        uri: unquoted(&uri).to_owned(),
        key_format,
        key_format_versions: versions,
        others: attributes,
    };
    Ok(KeyLine { session, method: unquoted(&method).to_owned(), iv, key })
}

/// Names and values in their order; quoted values keep their quotes.
fn attributes(list: &str) -> Result<Vec<(String, String)>, KeyLineError> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut rest = list.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or(KeyLineError::Malformed)?;
        let (name, after) = (name.trim(), after.trim_start());
        let named = name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-');
        let end = match after.strip_prefix('"') {
            Some(quoted) => quoted.find('"').ok_or(KeyLineError::Malformed)? + 2,
            None => after.find(',').unwrap_or(after.len()),
        };
        let (value, after) = after.split_at_checked(end).ok_or(KeyLineError::Malformed)?;
        let value = value.trim();
        if name.is_empty() || !named || value.is_empty() || !quotable(unquoted(value)) {
            return Err(KeyLineError::Malformed);
        }
        if found.iter().any(|(earlier, _)| earlier == name) {
            return Err(KeyLineError::Repeated);
        }
        found.push((name.to_owned(), value.to_owned()));
        rest = match after.trim_start() {
            "" => "",
            more => more.strip_prefix(',').ok_or(KeyLineError::Malformed)?.trim_start(),
        };
    }
    Ok(found)
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// A hexadecimal sequence; leading zeros may be missing (RFC 8216 4.2).
pub(super) fn parse_iv(text: &str) -> Result<[u8; 16], KeyLineError> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let digits = digits.ok_or(KeyLineError::MalformedIv)?;
    let well_formed =
        (1..=32).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let number = u128::from_str_radix(digits, 16).ok().filter(|_| well_formed);
    number.map(u128::to_be_bytes).ok_or(KeyLineError::MalformedIv)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_of_each_system_is_read() {
        let text = "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"data:text/plain;base64,AA==\",\
                    KEYFORMAT=\"urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed\",\
                    KEYFORMATVERSIONS=\"1\",KEYID=0x0123\r\n\
                    #EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI=\"skd://a,b=c\",\
                    KEYFORMAT=\"com.apple.streamingkeydelivery\",IV=0x10";
        let lines = parse_lines(text).unwrap();
        let first = KeyLine {
            session: false,
            method: "SAMPLE-AES".into(),
            iv: None,
            key: HlsKey {
                uri: "data:text/plain;base64,AA==".into(),
                key_format: Some("urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed".into()),
                key_format_versions: Some("1".into()),
                others: vec![("KEYID".into(), "0x0123".into())],
            },
        };
        assert_eq!(lines[0], first);
        assert!(lines[1].session);
        assert_eq!(lines[1].key.uri, "skd://a,b=c");
        assert_eq!(lines[1].iv, Some(0x10u128.to_be_bytes()));
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn white_space_and_other_tags_do_no_harm() {
        let text = "\n #EXT-X-KEY: METHOD=AES-128 , URI = \"https://k\" , X-NOTE = \"a b\" \n\n\
                    #EXT-X-VERSION:5\n";
        let lines = parse_lines(text).unwrap();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].method, "AES-128");
        assert_eq!(lines[0].key.uri, "https://k");
        assert_eq!(lines[0].key.others, [("X-NOTE".to_owned(), "\"a b\"".to_owned())]);
    }

    #[test]
    fn unusable_lines_say_why() {
        let missing = |name| KeyLineError::Missing { name };
        for (text, expected) in [
            ("", KeyLineError::NoLine),
            ("#EXTINF:4,", KeyLineError::NoLine),
            ("#EXT-X-KEY:METHOD=SAMPLE-AES", missing("URI")),
            ("#EXT-X-KEY:URI=\"x\"", missing("METHOD")),
            ("#EXT-X-KEY:METHOD=A,URI=\"x", KeyLineError::Malformed),
            ("#EXT-X-KEY:METHOD=A,URI=\"x\"y", KeyLineError::Malformed),
            ("#EXT-X-KEY:METHOD=A,URI=\"\tx\u{1}\"", KeyLineError::Malformed),
            ("#EXT-X-KEY:METHOD=A,URI=x\"y", KeyLineError::Malformed),
            ("#EXT-X-KEY:METHOD=A,,URI=\"x\"", KeyLineError::Malformed),
            ("#EXT-X-KEY:METHOD=A,URI=\"x\",METHOD=B", KeyLineError::Repeated),
            ("#EXT-X-KEY:METHOD=A,URI=\"x\",IV=12", KeyLineError::MalformedIv),
            ("#EXT-X-KEY:METHOD=A,URI=\"x\",IV=0x+1", KeyLineError::MalformedIv),
        ] {
            assert_eq!(parse_lines(text), Err(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[A-Z=\",#x0-9 \n:-]{0,60}") {
            let _ = parse_lines(&text);
            let _ = parse_lines(&format!("#EXT-X-KEY:METHOD=A,URI=\"b\",{text}"));
        }
    }
}
