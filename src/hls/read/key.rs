//! `EXT-X-KEY`: which key holds for the segments behind it (RFC 8216 4.3.2.4).

use std::sync::Arc;

use super::attribute::Attributes;
use super::error::ReadError;
use super::line::checked_uri;
use super::number::hexadecimal_128;
use super::variable::Scope;

/// A key of METHOD=AES-128, whole segments in CBC mode, that lies at its URI as 16 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyTag {
    /// The tag's line, from 1.
    pub line: usize,
    /// Where the key is.
    pub uri: String,
    /// `IV`. Without one it is the segment's media sequence number (RFC 8216 5.2).
    pub iv: Option<[u8; 16]>,
}

/// Key formats that hold at the same time in one playlist; there are four in common life.
const MAX_FORMATS: usize = 16;

/// The keys that hold, one for each format. Each decrypts the same bytes.
#[derive(Debug, Default)]
pub(super) struct KeysInForce {
    keys: Vec<(String, Key)>,
}

#[derive(Clone, Debug)]
enum Key {
    Aes128(Arc<KeyTag>),
    /// What is not read, as the tag names it.
    Unread {
        line: usize,
        what: String,
    },
}

impl KeysInForce {
    /// A further tag.
    pub(super) fn push(
        &mut self,
        attributes: &Attributes<'_>,
        scope: &mut Scope<'_>,
    ) -> Result<(), ReadError> {
        let Some(method) = attributes.get("METHOD") else {
            return Err(attributes.error("METHOD is missing; write NONE or AES-128"));
        };
        if method.eq_ignore_ascii_case("NONE") {
            self.keys.clear();
            return Ok(());
        }
        let format = scope.attribute(attributes, "KEYFORMAT")?.unwrap_or("identity".into());
        let is_identity = format.eq_ignore_ascii_case("identity");
        let line = attributes.line;
        let key = match (method.eq_ignore_ascii_case("AES-128"), is_identity) {
            (true, true) => {
                let Some(uri) = scope.attribute(attributes, "URI")? else {
                    return Err(attributes.error("URI is missing; write where the key is"));
                };
                let uri = checked_uri(&uri, line, attributes.tag)?.to_owned();
                let iv = match scope.attribute(attributes, "IV")? {
                    Some(text) => Some(hexadecimal_128(&text).ok_or_else(|| {
                        attributes.error("IV is not 0x and at most 32 hexadecimal digits")
                    })?),
                    None => None,
                };
                Key::Aes128(Arc::new(KeyTag { line, uri, iv }))
            }
            (true, false) => Key::Unread { line, what: format!("KEYFORMAT={format:?}") },
            (false, _) => Key::Unread { line, what: format!("METHOD={method}") },
        };
        let count = self.keys.len();
        match self.keys.iter_mut().find(|(known, _)| *known == *format) {
            Some((_, old)) => *old = key,
            None if count >= MAX_FORMATS => {
                let problem = format!("more than {MAX_FORMATS} key formats hold at the same time");
                return Err(attributes.error(problem));
            }
            None => self.keys.push((format.into_owned(), key)),
        }
        Ok(())
    }

    /// The key of the next segment: `None` where it is clear, an error where it is encrypted and
    /// no key that is read decrypts it.
    pub(super) fn current(&self) -> Result<Option<Arc<KeyTag>>, ReadError> {
        let readable = self.keys.iter().find_map(|(_, key)| match key {
            Key::Aes128(tag) => Some(tag.clone()),
            Key::Unread { .. } => None,
        });
        match (readable, self.keys.first()) {
            (None, Some((_, Key::Unread { line, what }))) => {
                Err(ReadError::Encrypted { line: *line, what: what.clone() })
            }
            (readable, _) => Ok(readable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(tags: &[&str]) -> Result<Option<Arc<KeyTag>>, ReadError> {
        let (mut keys, mut scope) = (KeysInForce::default(), Scope::new(None, None));
        for (line, text) in (1..).zip(tags) {
            keys.push(&Attributes::parse(line, "EXT-X-KEY", text)?, &mut scope)?;
        }
        keys.current()
    }

    #[test]
    fn the_last_key_of_a_format_holds_until_there_is_none() {
        let identity = "METHOD=AES-128,URI=\"k\",IV=0x0F";
        let key = after(&[identity]).unwrap().unwrap();
        assert_eq!((key.line, key.uri.as_str(), key.iv.unwrap()[15]), (1, "k", 15));
        assert_eq!(after(&[identity, "METHOD=AES-128,URI=\"l\""]).unwrap().unwrap().uri, "l");
        assert_eq!(after(&[identity, "METHOD=NONE"]).unwrap(), None);
        let plain = "METHOD=\"aes-128\", URI = k , KEYFORMAT=\"identity\",KEYFORMATVERSIONS=\"1\"";
        assert_eq!(after(&[plain]).unwrap().unwrap().iv, None);
    }

    #[test]
    fn of_several_formats_one_that_is_read_is_enough() {
        let other = "METHOD=AES-128,URI=\"skd://x\",KEYFORMAT=\"com.example\"";
        let identity = "METHOD=AES-128,URI=\"k\"";
        assert_eq!(after(&[other, identity]).unwrap().unwrap().uri, "k");
        let error = after(&[other]).unwrap_err().to_string();
        assert!(error.starts_with("line 1 (EXT-X-KEY): "), "{error}");
        assert!(error.contains("KEYFORMAT=\"com.example\""), "{error}");
        for method in ["SAMPLE-AES", "SAMPLE-AES-CTR", "AES-256"] {
            let error = after(&[&format!("METHOD={method},URI=\"k\"")]).unwrap_err().to_string();
            assert!(error.contains(&format!("METHOD={method}")), "{error}");
        }
        let many: Vec<String> =
            (0..17).map(|n| format!("METHOD=AES-128,URI=\"k\",KEYFORMAT=\"f{n}\"")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(after(&many).unwrap_err().to_string().starts_with("line 17 "));
    }

    #[test]
    fn what_is_missing_is_named() {
        for bad in ["URI=\"k\"", "METHOD=AES-128", "METHOD=AES-128,URI=\"\""] {
            assert!(matches!(after(&[bad]), Err(ReadError::Tag { line: 1, .. })), "{bad}");
        }
        let error = after(&["METHOD=AES-128,URI=\"k\",IV=15"]).unwrap_err();
        assert!(error.to_string().contains("IV"), "{error}");
    }
}
