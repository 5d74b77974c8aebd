//! How a source segment is encrypted in storage: where its key is, never the key.

use std::fmt;

/// Whole segments with AES-128 in CBC mode and padding (RFC 8216 4.3.2.4, METHOD=AES-128).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SourceEncryption {
    /// Where the 16 bytes of the key are.
    pub key: KeyPlace,
    /// What the first block is chained to.
    pub iv: [u8; 16],
}

/// Where a source's key is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum KeyPlace {
    /// Below the source's root: a path as `source` stores it.
    Stored(String),
    /// On a web server: an absolute URL.
    Url(String),
}

impl KeyPlace {
    /// The place without the query, where tokens are.
    pub fn shown(&self) -> &str {
        let (text, end) = match self {
            Self::Stored(path) => (path, '\n'),
            Self::Url(url) => (url, '?'),
        };
        text.split(end).next().unwrap_or_default()
    }
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

/// Shows the place without its query.
impl fmt::Debug for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_not_shown() {
        let url = KeyPlace::Url("https://keys.example/a.key?token=secret".to_owned());
        assert_eq!(
            format!("{url} {url:?}"),
            "https://keys.example/a.key \"https://keys.example/a.key\""
        );
        assert_eq!(KeyPlace::Stored("a.key\nsecret".to_owned()).to_string(), "a.key");
    }
}
