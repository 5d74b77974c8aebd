//! `EXT-X-DEFINE` and the variables that it makes (draft-pantos-hls-rfc8216bis 4.3 and 4.4.2.3).
//!
//! ```text
//! NAME="x",VALUE="…"   its own value
//! IMPORT="x"           of the master playlist, in a media playlist
//! QUERYPARAM="x"       of the query in the playlist's own URI, percent-decoded
//! {$x}                 in URIs and attribute values behind the definition
//! ```
//!
//! Values are put in as they are: what looks like a variable in a value is none.

use std::borrow::Cow;
use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use super::attribute::Attributes;
use super::error::ReadError;

/// What a master playlist defines, for `IMPORT` in its media playlists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    values: BTreeMap<String, String>,
}

/// A few bytes of playlist can stand for many: values are put in at most this far, all together.
const MAX_EXPANDED_BYTES: usize = 64 << 20;

/// The variables of the playlist that is being read, and where they may come from.
pub(super) struct Scope<'a> {
    variables: Variables,
    /// Those of the master playlist; `None` in the master playlist itself.
    imported: Option<&'a Variables>,
    /// The query of the playlist's URI.
    query: Option<&'a str>,
    expanded: usize,
}

impl<'a> Scope<'a> {
    pub(super) fn new(imported: Option<&'a Variables>, query: Option<&'a str>) -> Self {
        Self { variables: Variables::default(), imported, query, expanded: 0 }
    }

    pub(super) fn into_variables(self) -> Variables {
        self.variables
    }

    /// Takes a definition in.
    pub(super) fn define(&mut self, attributes: &Attributes<'_>) -> Result<(), ReadError> {
        let kinds = ["NAME", "IMPORT", "QUERYPARAM"];
        let mut given = kinds.iter().filter_map(|kind| Some((*kind, attributes.get(kind)?)));
        let (Some((kind, name)), None) = (given.next(), given.next()) else {
            let problem = "write one of NAME, IMPORT and QUERYPARAM";
            return Err(attributes.error(problem));
        };
        let name = self.replace(attributes.line, attributes.tag, name)?.into_owned();
        if name.is_empty() || !name.bytes().all(is_name_byte) {
            let problem = format!(
                "{name:?} is no name of a variable; letters, digits, hyphens and underscores are"
            );
            return Err(attributes.error(problem));
        }
        if self.variables.values.contains_key(&name) {
            return Err(attributes.error(format!("the variable {name:?} is defined twice")));
        }
        let value = match kind {
            "NAME" => match attributes.get("VALUE") {
                Some(value) => self.replace(attributes.line, attributes.tag, value)?.into_owned(),
                None => return Err(attributes.error(format!("the variable {name:?} has no VALUE"))),
            },
            "IMPORT" => match self.imported.and_then(|imported| imported.values.get(&name)) {
                Some(value) => value.clone(),
                None if self.imported.is_none() => {
                    let problem = "IMPORT belongs to media playlists; write NAME and VALUE here";
                    return Err(attributes.error(problem));
                }
                None => {
                    let problem = format!("the master playlist does not define {name:?}");
                    return Err(attributes.error(problem));
                }
            },
            _ => self.query_parameter(&name).ok_or_else(|| {
                attributes.error(format!(
                    "the playlist's URI has no query parameter {name:?}; add it to the URI, or \
                     define the variable with NAME and VALUE"
                ))
            })?,
        };
        self.variables.values.insert(name, value);
        Ok(())
    }

    fn query_parameter(&self, name: &str) -> Option<String> {
        self.query?.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let decode = |text| percent_decode_str(text).decode_utf8().ok();
            if decode(key)? != name || value.is_empty() {
                None
            } else {
                Some(decode(value)?.into())
            }
        })
    }

    /// `text` with the values of the variables in it.
    pub(super) fn replace<'t>(
        &mut self,
        line: usize,
        tag: &'static str,
        text: &'t str,
    ) -> Result<Cow<'t, str>, ReadError> {
        let mut out = String::new();
        let mut rest = text;
        let mut tried_from = 0;
        while let Some(found) = rest.get(tried_from..).and_then(|behind| behind.find("{$")) {
            let start = tried_from + found;
            let behind = rest.get(start + 2..).unwrap_or_default();
            let end = behind.bytes().position(|byte| !is_name_byte(byte)).unwrap_or(0);
            let is_closed = behind.as_bytes().get(end) == Some(&b'}');
            let name = behind.get(..end).filter(|name| is_closed && !name.is_empty());
            let Some(name) = name else {
                // Braces that are no reference stay.
                tried_from = start + 2;
                continue;
            };
            let Some(value) = self.variables.values.get(name) else {
                return Err(ReadError::UndefinedVariable { line, tag, name: name.to_owned() });
            };
            self.expanded = self.expanded.saturating_add(value.len());
            if self.expanded > MAX_EXPANDED_BYTES {
                let problem = format!(
                    "variables make the playlist longer than {MAX_EXPANDED_BYTES} bytes; write \
                     shorter values"
                );
                return Err(ReadError::tag(line, tag, problem));
            }
            out.push_str(rest.get(..start).unwrap_or_default());
            out.push_str(value);
            rest = behind.get(name.len() + 1..).unwrap_or_default();
            tried_from = 0;
        }
        if rest.len() == text.len() {
            return Ok(Cow::Borrowed(text));
        }
        out.push_str(rest);
        Ok(Cow::Owned(out))
    }

    /// An attribute with the values of variables in it.
    pub(super) fn attribute<'t>(
        &mut self,
        attributes: &Attributes<'t>,
        name: &str,
    ) -> Result<Option<Cow<'t, str>>, ReadError> {
        match attributes.get(name) {
            Some(text) => self.replace(attributes.line, attributes.tag, text).map(Some),
            None => Ok(None),
        }
    }
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn define(scope: &mut Scope<'_>, text: &str) -> Result<(), ReadError> {
        scope.define(&Attributes::parse(4, "EXT-X-DEFINE", text).unwrap())
    }

    #[test]
    fn values_come_from_the_tag_the_master_and_the_query() {
        let mut master = Scope::new(None, None);
        define(&mut master, "NAME=\"host\",VALUE=\"a.example\"").unwrap();
        let imported = master.into_variables();
        let mut scope = Scope::new(Some(&imported), Some("x=1&to%6Ben=a%2Fb"));
        define(&mut scope, "IMPORT=\"host\"").unwrap();
        define(&mut scope, "QUERYPARAM=\"token\"").unwrap();
        define(&mut scope, "NAME=\"both\",VALUE=\"{$host}/{$token}\"").unwrap();
        let replaced = scope.replace(9, "URI", "https://{$both}?{$x{$token}{}").unwrap();
        assert_eq!(replaced, "https://a.example/a/b?{$xa/b{}");
    }

    #[test]
    fn braces_that_are_no_reference_stay() {
        let mut scope = Scope::new(None, None);
        define(&mut scope, "NAME=\"a\",VALUE=\"{$\"").unwrap();
        let replaced = scope.replace(1, "URI", "{$a}-{$-{$a}b}{$ }$").unwrap();
        assert_eq!(replaced, "{$-{$-{$b}{$ }$");
        assert!(matches!(scope.replace(1, "URI", "{a}").unwrap(), Cow::Borrowed("{a}")));
    }

    #[test]
    fn what_is_not_defined_is_named_with_its_line() {
        let mut scope = Scope::new(None, None);
        let error = scope.replace(7, "URI", "x/{$b}.ts").unwrap_err();
        assert!(error.to_string().starts_with("line 7 (URI): the variable \"b\" is not defined"));
        for bad in [
            "NAME=\"a\"",
            "VALUE=\"a\"",
            "NAME=\"a b\",VALUE=\"\"",
            "IMPORT=\"a\"",
            "QUERYPARAM=\"a\"",
            "NAME=\"a\",IMPORT=\"a\",VALUE=\"\"",
        ] {
            let error = define(&mut scope, bad).unwrap_err();
            assert!(error.to_string().starts_with("line 4 (EXT-X-DEFINE): "), "{error}");
        }
        define(&mut scope, "NAME=\"a\",VALUE=\"\"").unwrap();
        assert!(define(&mut scope, "NAME=\"a\",VALUE=\"\"").is_err());
    }

    #[test]
    fn a_playlist_cannot_be_made_to_explode() {
        let mut scope = Scope::new(None, None);
        let value = "x".repeat(1 << 20);
        define(&mut scope, &format!("NAME=\"a\",VALUE=\"{value}\"")).unwrap();
        let results: Vec<_> = (0..65).map(|_| scope.replace(1, "URI", "{$a}").is_ok()).collect();
        assert_eq!(results.iter().position(|ok| !ok), Some(64));
    }
}
