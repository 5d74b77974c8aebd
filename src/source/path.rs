//! Where an object lies inside a root, and how a URI in a playlist becomes such a place.
//!
//! A [`SourcePath`] is a list of names below the root: no `.`, no `..`, no empty name, nothing
//! percent-encoded. It can be joined to any root without leaving it, links in a file system aside
//! (those are looked at when a file is opened).
//!
//! [`SourcePath::resolve`] follows RFC 3986 5.2 with these differences, all of them stricter:
//! `..` above the top of the hierarchy is an error instead of being dropped, dot segments that are
//! percent-encoded are an error instead of being dot segments, and so are encoded slashes,
//! backslashes and control characters. Names are decoded once: `%252e` is the name `%2e`. Doubled
//! slashes count as one.
//!
//! A query belongs to the address on a web server, where signed URLs live in it, and is kept for
//! those roots. Files and object stores know no query: players' cache busters such as `?v=2` are
//! dropped for them. A fragment is dropped always.

use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use url::Url;

use super::error::SourceError;

/// The longest key that S3 takes, and a bound on what a playlist can make us keep.
const MAX_PATH_BYTES: usize = 1024;
/// Signed URLs have some hundred bytes of query.
const MAX_QUERY_BYTES: usize = 4096;
/// How much of a refused URI an error shows.
const MAX_SHOWN_CHARS: usize = 200;

/// What may not stand in a query as it is (RFC 3986 3.4). `%` may: it is encoded already.
const QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A place below a root.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourcePath {
    path: String,
    query: Option<String>,
}

/// The address of a root, as playlists may spell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootUrl {
    /// Lower case; `file`, `http`, `https`, `s3` or `oss`.
    scheme: String,
    /// Scheme, host and port in normal form.
    authority: Option<Url>,
    /// The decoded names that lead to the root.
    prefix: Vec<String>,
}

impl SourcePath {
    /// The path of an asset: names below the root with slashes between, taken literally. Neither
    /// `%` nor `?` mean anything here.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        let refuse = |detail: &str| Err(outside(text, detail));
        if text.contains("://") {
            return refuse("write the path below the source's root, not a URL");
        }
        if text.starts_with('/') {
            return refuse("write the path below the source's root, without a slash before it");
        }
        let mut names = Vec::new();
        for name in text.split('/') {
            match name {
                "" => return refuse("the path has an empty name in it"),
                "." | ".." => return refuse("the path must not have . or .. in it"),
                name => names.push(name),
            }
            // A server that decodes twice would see a dot segment.
            if matches!(decode(name).as_deref(), Ok("." | "..")) {
                return refuse("the path must not have encoded dots in it");
            }
        }
        Self::from_names(&names, None).map_err(|detail| outside(text, detail))
    }

    /// The names with slashes between.
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// The form that indexes keep: the path and, behind a line break that neither can hold, the
    /// query.
    pub fn to_stored(&self) -> String {
        match &self.query {
            Some(query) => format!("{}\n{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// Reads what [`SourcePath::to_stored`] gives.
    pub fn from_stored(text: &str) -> Result<Self, SourceError> {
        let (path, query) = match text.split_once('\n') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (text, None),
        };
        Ok(Self { query, ..Self::parse(path)? })
    }

    /// The query, for web servers.
    pub(super) fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// Where `uri`, found in the object at this path, leads: inside `root`, or nowhere.
    pub fn resolve(&self, uri: &str, root: &RootUrl) -> Result<Self, SourceError> {
        self.resolve_in(uri, root).map_err(|detail| outside(uri, detail))
    }

    fn resolve_in(&self, uri: &str, root: &RootUrl) -> Result<Self, &'static str> {
        // Also in the query: a line break there could end a header.
        if uri.chars().any(|c| c.is_control() || c == '\\') {
            return Err("a URI has no backslashes and no control characters");
        }
        let uri = uri.split_once('#').map_or(uri, |(uri, _fragment)| uri);
        let (uri, query) = match uri.split_once('?') {
            Some((uri, query)) => (uri, Some(query)),
            None => (uri, None),
        };
        if uri.is_empty() {
            return Err("the URI names no object");
        }

        let mut names: Vec<String> = Vec::new();
        let path = if let Some((scheme, rest)) = split_scheme(uri) {
            root.strip_origin(scheme, rest)?
        } else if uri.starts_with("//") {
            return Err("the URI names a host; write a relative one");
        } else {
            if !uri.starts_with('/') {
                names.extend(root.prefix.iter().cloned());
                names.extend(self.folder().map(str::to_owned));
            }
            uri
        };
        for raw in path.split('/') {
            match raw {
                "" | "." => {}
                ".." => {
                    names.pop().ok_or("the URI climbs above the top")?;
                }
                raw => names.push(decode(raw).and_then(|name| match name.as_str() {
                    "." | ".." => Err("the URI has encoded dots in it"),
                    _ => Ok(name),
                })?),
            }
        }

        let below = names.strip_prefix(root.prefix.as_slice()).ok_or("it is not below the root")?;
        let below: Vec<&str> = below.iter().map(String::as_str).collect();
        Self::from_names(&below, query.filter(|_| root.keeps_queries()))
    }

    /// Checks what holds for every path, whoever wrote it.
    fn from_names(names: &[&str], query: Option<&str>) -> Result<Self, &'static str> {
        if names.is_empty() {
            return Err("it names the root, not an object below it");
        }
        let path = names.join("/");
        if path.chars().any(|c| c.is_control() || c == '\\') {
            return Err("the path has a backslash or a control character in it");
        }
        // OpenDAL trims paths, so another object than the one that was checked would be read.
        if path.trim() != path {
            return Err("the path begins or ends with white space");
        }
        if path.len() > MAX_PATH_BYTES {
            return Err("the path is longer than 1024 bytes");
        }
        let query = query.map(|query| utf8_percent_encode(query, QUERY).to_string());
        if query.as_ref().is_some_and(|query| query.len() > MAX_QUERY_BYTES) {
            return Err("the query is longer than 4096 bytes");
        }
        Ok(Self { path, query })
    }

    /// The names that lead to this object, without its own.
    fn folder(&self) -> impl Iterator<Item = &str> {
        let folder = self.path.rsplit_once('/').map(|(folder, _)| folder);
        folder.into_iter().flat_map(|folder| folder.split('/'))
    }
}

impl fmt::Display for SourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

/// Shows that there is a query, and not what it says.
impl fmt::Debug for SourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}{}", self.path, if self.query.is_some() { "?…" } else { "" })
    }
}

impl RootUrl {
    /// Takes a checked URL of the settings apart; `None` if its path is not UTF-8 once decoded.
    pub(super) fn new(url: &Url) -> Option<Self> {
        let names = url.path().split('/').filter(|name| !name.is_empty());
        let prefix = names.map(|name| decode(name).ok()).collect::<Option<_>>()?;
        let authority = url.host().is_some().then(|| {
            let mut authority = url.clone();
            authority.set_path("");
            authority.set_query(None);
            authority
        });
        Some(Self { scheme: url.scheme().to_owned(), authority, prefix })
    }

    /// The decoded path that leads to the root.
    pub(super) fn prefix_path(&self) -> String {
        format!("/{}", self.prefix.join("/"))
    }

    fn keeps_queries(&self) -> bool {
        matches!(self.scheme.as_str(), "http" | "https")
    }

    /// The path of an absolute URL on this root's host.
    fn strip_origin<'a>(&self, scheme: &str, rest: &'a str) -> Result<&'a str, &'static str> {
        let authority =
            self.authority.as_ref().ok_or("the URI is absolute; write a relative one")?;
        if !scheme.eq_ignore_ascii_case(&self.scheme) {
            return Err("it has another scheme than the source");
        }
        let rest = rest.strip_prefix("//").ok_or("the URI has a scheme and no host")?;
        let end = rest.find('/').unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        // The parser puts host and port into the same normal form as the root's.
        let same = Url::parse(&format!("{}://{host}", self.scheme)).is_ok_and(|url| {
            url.username().is_empty()
                && url.password().is_none()
                && url.host() == authority.host()
                && url.port_or_known_default() == authority.port_or_known_default()
        });
        if same { Ok(path) } else { Err("it is on another host than the source") }
    }
}

/// Takes off `scheme:` (RFC 3986 3.1). A relative URI with a colon in its first name is written
/// `./a:b.ts` (4.2).
fn split_scheme(uri: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = uri.split_once(':')?;
    let well_formed = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    well_formed.then_some((scheme, rest))
}

/// Percent-decodes one name. A `%` that begins no escape stays: such names exist.
fn decode(name: &str) -> Result<String, &'static str> {
    let decoded =
        percent_decode_str(name).decode_utf8().map_err(|_| "the URI is not UTF-8 once decoded")?;
    if decoded.contains(['/', '\\']) {
        return Err("the URI has an encoded slash or backslash in it");
    }
    if decoded.chars().any(char::is_control) {
        return Err("the URI has an encoded control character in it");
    }
    Ok(decoded.into_owned())
}

fn outside(uri: &str, detail: &str) -> SourceError {
    SourceError::OutsideSource { path: shown(uri), detail: detail.to_owned() }
}

/// A URI as an error may show it: no query, no user, no control characters, not too long.
pub(super) fn shown(uri: &str) -> String {
    let uri = uri.split(['?', '#']).next().unwrap_or_default();
    let host_at = uri.find("//").map(|at| at + 2);
    let uri = match host_at {
        Some(start) => {
            let (before, rest) = uri.split_at(start);
            let end = rest.find(['/', '\\']).unwrap_or(rest.len());
            let (host, path) = rest.split_at(end);
            let host = host.rsplit_once('@').map_or(host, |(_user, host)| host);
            format!("{before}{host}{path}")
        }
        None => uri.to_owned(),
    };
    let mut text: String = uri.chars().take(MAX_SHOWN_CHARS).flat_map(char::escape_debug).collect();
    if uri.chars().count() > MAX_SHOWN_CHARS {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn root(url: &str) -> RootUrl {
        RootUrl::new(&Url::parse(url).unwrap()).unwrap()
    }

    fn resolve(root_url: &str, from: &str, uri: &str) -> Result<String, SourceError> {
        let path = SourcePath::parse(from).unwrap().resolve(uri, &root(root_url))?;
        Ok(match &path.query {
            Some(query) => format!("{}?{query}", path.path),
            None => path.path,
        })
    }

    #[test]
    fn asset_paths_are_taken_literally() {
        for good in ["master.m3u8", "bbb/master.m3u8", "100%/a b.m3u8", "ü/%20.m3u8", "a?b", "..a"]
        {
            assert_eq!(SourcePath::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "/",
            "/etc/passwd",
            "a//b",
            "a/",
            "..",
            "../a",
            "a/../b",
            "./a",
            "a\\..\\b",
            "a\0b",
            "a\nb",
            " a",
            "a ",
            "%2e%2e/a",
            "a/.%2E/b",
            "https://host/a",
            "file:///a",
        ] {
            let error = SourcePath::parse(bad).unwrap_err();
            assert_eq!(error.label(), "outside_source", "{bad:?}");
        }
        assert!(SourcePath::parse(&"a".repeat(1024)).is_ok());
        assert!(SourcePath::parse(&"a".repeat(1025)).is_err());
    }

    #[test]
    fn uris_resolve_inside_the_root() {
        const HTTP: &str = "https://media.example/vod/titles/";
        for (root_url, from, uri, expected) in [
            (HTTP, "a/m.m3u8", "1.ts", "a/1.ts"),
            (HTTP, "m.m3u8", "1.ts", "1.ts"),
            (HTTP, "a/m.m3u8", "./v/./1.ts", "a/v/1.ts"),
            (HTTP, "a/b/m.m3u8", "../c/1.ts", "a/c/1.ts"),
            (HTTP, "a/m.m3u8", "v//1.ts", "a/v/1.ts"),
            (HTTP, "a/m.m3u8", "my%20seg%2B.ts", "a/my seg+.ts"),
            (HTTP, "a/m.m3u8", "caf%C3%A9.ts", "a/café.ts"),
            (HTTP, "a/m.m3u8", "café.ts", "a/café.ts"),
            (HTTP, "a/m.m3u8", "100%.ts", "a/100%.ts"),
            (HTTP, "a/m.m3u8", "%252e%252e.ts", "a/%2e%2e.ts"),
            (HTTP, "a/m.m3u8", "...ts", "a/...ts"),
            (HTTP, "a/m.m3u8", "./12:30.ts", "a/12:30.ts"),
            (HTTP, "a/m.m3u8", "1.ts#t=3", "a/1.ts"),
            (HTTP, "a/m.m3u8", "1.ts?sig=a/../b&c=d", "a/1.ts?sig=a/../b&c=d"),
            (HTTP, "a/m.m3u8", "1.ts?x=a b", "a/1.ts?x=a%20b"),
            (HTTP, "a/m.m3u8", "/vod/titles/b/1.ts", "b/1.ts"),
            (HTTP, "a/m.m3u8", "/vod/x/../titles/1.ts", "1.ts"),
            (HTTP, "a/m.m3u8", "../../titles/1.ts", "1.ts"),
            (HTTP, "a/m.m3u8", "https://media.example/vod/titles/1.ts", "1.ts"),
            (HTTP, "a/m.m3u8", "HTTPS://MEDIA.example:443/vod/titles/1.ts", "1.ts"),
            ("http://h:8000/", "m.m3u8", "http://h:8000/1.ts", "1.ts"),
            ("http://[::1]/", "m.m3u8", "http://[0:0::1]/1.ts", "1.ts"),
            ("s3://vod/titles", "a/m.m3u8", "s3://vod/titles/1.ts", "1.ts"),
            ("s3://vod/titles", "a/m.m3u8", "1.ts?v=2", "a/1.ts"),
            ("file:///srv/vod", "a/m.m3u8", "1.ts?v=2", "a/1.ts"),
            ("file:///srv/vod", "a/m.m3u8", "/srv/vod/b/1.ts", "b/1.ts"),
            ("file:///", "m.m3u8", "/a/1.ts", "a/1.ts"),
        ] {
            assert_eq!(
                resolve(root_url, from, uri).as_deref(),
                Ok(expected),
                "{uri} in {root_url}"
            );
        }
    }

    #[test]
    fn uris_do_not_leave_the_root() {
        for root_url in
            ["https://media.example/vod/titles/", "file:///vod/titles", "s3://media/vod/titles"]
        {
            for uri in [
                "",
                "#t",
                "?x",
                "..",
                "../..",
                "../../1.ts",
                "../../../1.ts",
                "../../../../../../etc/passwd",
                "../titles-private/1.ts/../../../x",
                "x/../../../1.ts",
                "%2e%2e/1.ts",
                "%2E./1.ts",
                ".%2e/1.ts",
                "x/%2e/1.ts",
                "..%2f..%2f1.ts",
                "x%2f1.ts",
                "x%5c1.ts",
                "..\\1.ts",
                "\\\\host\\1.ts",
                "a\0.ts",
                "a%00.ts",
                "a\r\nX: y.ts",
                "a%0d%0a.ts",
                "1.ts?x=\r\nX: y",
                "%ff.ts",
                "/",
                "/1.ts",
                "/vod/1.ts",
                "/vod/titles",
                "/vod/titles-private/1.ts",
                "/vod/titles/../1.ts",
                "/etc/passwd",
                "//media.example/vod/titles/1.ts",
                "//evil.example/vod/titles/1.ts",
                "///vod/titles/1.ts",
                "http://media.example/vod/titles/1.ts",
                "https://media.example:444/vod/titles/1.ts",
                "https://evil.example/vod/titles/1.ts",
                "https://media.example@evil.example/vod/titles/1.ts",
                "https://user@media.example/vod/titles/1.ts",
                "https://media.example:x@evil.example/vod/titles/1.ts",
                "https://media.example.evil.example/vod/titles/1.ts",
                "https:/vod/titles/1.ts",
                "https:1.ts",
                "https:///vod/titles/1.ts",
                "https://media.example/vod/1.ts",
                "https://media.example",
                "s3://other/vod/titles/1.ts",
                "file:///vod/titles/1.ts",
                "file:/vod/titles/1.ts",
                "file://localhost/vod/titles/1.ts",
                "data:video/mp2t;base64,AAAA",
                "javascript:alert(1)",
                "concat:a|b",
                " 1.ts/ ",
            ] {
                let result = resolve(root_url, "a/m.m3u8", uri);
                assert!(
                    matches!(result, Err(SourceError::OutsideSource { .. })),
                    "{uri:?} in {root_url} gave {result:?}"
                );
            }
        }
        // At the top of a host there is nothing to be below of, and still nothing to climb to.
        assert!(resolve("http://h/", "m.m3u8", "../1.ts").is_err());
    }

    #[test]
    fn errors_and_debug_show_no_secrets() {
        let error = resolve("http://h/", "m", "http://u:hush@x/a?sig=hush#hush").unwrap_err();
        assert_eq!(
            error.to_string(),
            "http://x/a: outside the source (it is on another host than the source)"
        );
        let path = SourcePath::parse("m").unwrap().resolve("1.ts?sig=hush", &root("http://h/"));
        let path = path.unwrap();
        assert_eq!(format!("{path} {path:?}"), "1.ts \"1.ts\"?…");
        let long = resolve("http://h/", "m", &format!("../{}\u{7}", "x".repeat(5000))).unwrap_err();
        assert!(long.to_string().len() < 400);
    }

    proptest! {
        /// Whatever stands in a playlist: what comes out has no name that could lead elsewhere.
        #[test]
        fn a_resolved_path_is_plain_names(uri in "[./a%2efF5cC\\\\:@?# \u{0}é-]{0,40}") {
            for root_url in ["http://h/r/", "file:///r"] {
                let from = SourcePath::parse("d/m.m3u8").unwrap();
                if let Ok(path) = from.resolve(&uri, &root(root_url)) {
                    for name in path.as_str().split('/') {
                        prop_assert!(!matches!(name, "" | "." | ".."), "{uri:?} gave {path:?}");
                        prop_assert!(!name.contains(['\\', '\0']));
                    }
                }
            }
        }
    }
}
