//! The URL of a key server, and headers that are written behind it as for curl.
//!
//! ```text
//! https://example.com/encryption -H "{key:value}" -H 'key: value'
//! env:NAME
//! ```
//!
//! The URL may hold a token, in its path or query: no refusal quotes it.

use url::{Position, Url};

use super::secret::{HIDDEN, SecretText};
use crate::egress::EgressPolicy;
use crate::error::{Error, Result};

/// Where a key server is, as checked.
pub(super) struct Address {
    /// The URL; hidden if the stored one is meant.
    pub(super) url: SecretText,
    /// What stood behind it.
    pub(super) headers: Vec<(String, SecretText)>,
    /// What people may see: scheme, host and port, or the reference.
    pub(super) shown: String,
}

/// Reads `given`. `kept` is what is shown of the URL that is stored.
pub(super) fn read(
    field: &str,
    given: &SecretText,
    kept: Option<&str>,
    egress: &EgressPolicy,
) -> Result<Address> {
    let refused = |wrong: String| Error::invalid(field, format!("{field} {wrong}"));
    let text = given.expose().trim();
    if given.is_reference() {
        if text.contains(char::is_whitespace) {
            return Err(refused(
                "is a reference and must be nothing else; put headers into headers".to_owned(),
            ));
        }
        let shown = text.to_owned();
        return Ok(Address { url: SecretText::new(text), headers: Vec::new(), shown });
    }
    let (address, behind) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let headers = read_headers(behind).map_err(refused)?;
    if let Some(kept) = kept
        && (address == kept || address == HIDDEN)
    {
        return Ok(Address { url: SecretText::hidden(), headers, shown: kept.to_owned() });
    }
    let url = read_url(address, egress).map_err(refused)?;
    Ok(Address { url: SecretText::new(url.as_str()), headers, shown: shown(&url) })
}

/// Whether two shown URLs lead to one server, so that secrets of the one may go to the other.
pub(super) fn same_server(one: &str, other: &str) -> bool {
    server(one) == server(other)
}

/// Scheme, host and port of a shown URL; references have none and stand for themselves.
fn server(shown: &str) -> &str {
    let after_scheme = shown.find("://").map_or(shown.len(), |at| at + 3);
    let rest = shown.get(after_scheme..).unwrap_or_default();
    let end = rest.find('/').map_or(shown.len(), |at| after_scheme + at);
    shown.get(..end).unwrap_or(shown)
}

fn read_url(text: &str, egress: &EgressPolicy) -> Result<Url, String> {
    if text.contains(CUT) || text == HIDDEN {
        return Err("is what answers show of a URL, and no such URL is stored here; write the \
                    whole URL"
            .to_owned());
    }
    if text.len() > MAX_URL {
        return Err(format!("must be at most {MAX_URL} bytes"));
    }
    let url = Url::parse(text).map_err(|error| {
        format!("is no URL ({error}); write one such as https://keys.example.com/speke")
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must begin with https:// or http://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or password; put them into basicAuth".to_owned());
    }
    if url.fragment().is_some() {
        return Err("must not have a fragment: servers do not see what follows #; write %23 for \
                    the character"
            .to_owned());
    }
    egress.check_url(&url).map_err(|refused| format!("is refused: {refused}"))?;
    Ok(url)
}

/// A URL without its path and query, which may be secret.
fn shown(url: &Url) -> String {
    let server = &url[..Position::BeforePath];
    let nothing_cut = url.path() == "/" && url.query().is_none();
    if nothing_cut { format!("{server}/") } else { format!("{server}/{CUT}") }
}

/// Reads `-H "{key:value}" -H 'key: value' …`.
fn read_headers(mut text: &str) -> Result<Vec<(String, SecretText)>, String> {
    let mut headers = Vec::new();
    loop {
        text = text.trim_start();
        if text.is_empty() {
            return Ok(headers);
        }
        let number = headers.len() + 1;
        let wrong = || format!("has text behind the URL of which {HEADER_FORM} (header {number})");
        let quoted = text.strip_prefix("-H").map(str::trim_start).ok_or_else(wrong)?;
        let quote = quoted.chars().next().filter(|c| ['"', '\''].contains(c)).ok_or_else(wrong)?;
        let (inside, rest) =
            quoted.get(1..).and_then(|text| text.split_once(quote)).ok_or_else(wrong)?;
        let inside = inside.trim();
        let pair = match (inside.strip_prefix('{'), inside.strip_suffix('}')) {
            (Some(opened), Some(_)) => opened.strip_suffix('}').ok_or_else(wrong)?,
            (None, None) => inside,
            // A value may end in a brace, but then it was not opened here.
            (None, Some(_)) => inside,
            (Some(_), None) => return Err(wrong()),
        };
        let (name, value) = pair.split_once(':').ok_or_else(wrong)?;
        if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
            return Err(wrong());
        }
        headers.push((name.trim().to_owned(), SecretText::new(value.trim())));
        text = rest;
    }
}

/// Stands for what a shown URL leaves out.
const CUT: char = '…';
const MAX_URL: usize = 4096;
const HEADER_FORM: &str = "no header can be read; write -H \"{name:value}\" for each, in double or \
                           single quotes, or use headers";

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str, kept: Option<&str>) -> Result<Address> {
        read("url", &SecretText::new(text), kept, &EgressPolicy::default())
    }

    #[test]
    fn headers_are_read_in_all_their_forms() {
        for (behind, expected) in [
            ("", vec![]),
            (r#" -H "{key:value}""#, vec![("key", "value")]),
            (r#" -H "key: value""#, vec![("key", "value")]),
            (" -H 'key:value'", vec![("key", "value")]),
            (" -H '{ key : value }'  ", vec![("key", "value")]),
            (r#" -H"{a:1}" -H '{b:"2"}'"#, vec![("a", "1"), ("b", "\"2\"")]),
            ("\n-H \"a: https://x:1/y\"\t-H \"b:x}\"", vec![("a", "https://x:1/y"), ("b", "x}")]),
            (" -H 'a:'", vec![("a", "")]),
        ] {
            let address = read_text(&format!("https://example.com/e{behind}"), None).unwrap();
            assert_eq!(address.url.expose(), "https://example.com/e", "{behind}");
            let headers: Vec<_> =
                address.headers.iter().map(|(name, value)| (&**name, value.expose())).collect();
            assert_eq!(headers, expected, "{behind}");
        }
        for bad in [
            "hush",
            "-H hush:hush",
            "-H \"hush",
            "-H \"{hush:1\"",
            "-H \"{hush}\"",
            "-H 'hush:1\"",
            "-H 'a:hush'x",
            "-H 'a:hush'-H 'b:hush'",
            "-h 'hush:1'",
            "-H",
            "-H '{'",
        ] {
            let error = read_text(&format!("https://example.com/e {bad}"), None).err().unwrap();
            assert!(error.message().contains("-H \"{name:value}\""), "{bad}: {error}");
            assert!(!error.message().contains("hush"), "{error}");
        }
    }

    #[test]
    fn urls_show_where_they_lead_and_no_more() {
        for (url, shown) in [
            ("https://keys.example.com", "https://keys.example.com/"),
            ("HTTPS://Keys.Example.com:443/", "https://keys.example.com/"),
            ("https://keys.example.com/hush", "https://keys.example.com/…"),
            ("https://keys.example.com:8443/?hush=1", "https://keys.example.com:8443/…"),
            ("http://[2606:4700::1]:80/a/hush?b", "http://[2606:4700::1]/…"),
            ("env:PACKORIGIN_SECRET_URL", "env:PACKORIGIN_SECRET_URL"),
        ] {
            assert_eq!(read_text(url, None).unwrap().shown, shown);
        }
    }

    #[test]
    fn urls_are_refused_without_being_quoted() {
        for (url, word) in [
            ("keys.example.com/hush", "no URL"),
            ("/hush", "no URL"),
            ("ftp://example.com/hush", "https://"),
            ("https://hush@example.com/", "basicAuth"),
            ("https://a:hush@example.com/", "basicAuth"),
            ("https://example.com/hush#hush", "fragment"),
            ("https://example.com/…", "whole URL"),
            ("***", "whole URL"),
            ("https://127.0.0.1/hush", "egress.allow_hosts"),
            ("http://169.254.169.254/hush", "egress.allow_hosts"),
            ("https://[::1]/hush", "egress.allow_hosts"),
            ("https://0x7f.1/hush", "egress.allow_hosts"),
            ("env:NAME -H 'a:hush'", "headers"),
            ("file:name hush", "headers"),
        ] {
            let error = read_text(url, None).err().unwrap_or_else(|| panic!("{url}"));
            assert!(error.message().contains(word), "{url}: {error}");
            assert!(!error.message().contains("hush"), "{error}");
        }
    }

    #[test]
    fn what_was_shown_stands_for_what_is_stored() {
        let kept = Some("https://example.com/…");
        for given in ["https://example.com/…", "***", "https://example.com/… -H 'a:b'"] {
            let address = read_text(given, kept).unwrap();
            assert!(address.url.is_hidden());
            assert_eq!(address.shown, "https://example.com/…");
        }
        assert!(read_text("https://example.org/…", kept).is_err());
        let other = read_text("https://example.com/other", kept).unwrap();
        assert_eq!(other.url.expose(), "https://example.com/other");
        for (one, other, same) in [
            ("https://a/…", "https://a/", true),
            ("https://a/…", "http://a/…", false),
            ("https://a/…", "https://a:444/…", false),
            ("https://a/…", "https://a.b/…", false),
            ("https://a/…", "env:A", false),
            ("env:A", "env:A", true),
            ("env:A", "env:B", false),
            ("file:a/b", "file:a/c", false),
        ] {
            assert_eq!(same_server(one, other), same, "{one} {other}");
        }
    }
}
