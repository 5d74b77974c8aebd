//! Whether markup of a key server can stand in an MPD as it was written (XML 1.0 2.1 to 3.1,
//! Namespaces in XML 1.0).
//!
//! What our parser lets pass for reading is not what browsers let pass: to them one bad character
//! anywhere makes the whole MPD no MPD. And some of what they let pass means something there: an
//! element of the MPD's own namespace, a processing instruction, a link that players follow. So
//! what is copied is held to the letter of the standard and to the purpose. Names beyond ASCII are
//! taken for malformed; nobody has any.

use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{PrefixDeclaration, QName, ResolveResult};
use quick_xml::reader::NsReader;
use quick_xml::{XmlVersion, escape::resolve_predefined_entity};

use super::namespace::{MPD, XLINK};

/// What can be done with markup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Markup {
    /// It may be copied.
    StandsAlone,
    /// It is sound and would mean more than it should, or nothing without what is around it.
    NotForManifests,
    /// An XML processor refuses it.
    Malformed,
}

impl Markup {
    /// Judges a row of elements that [`Element`](super::xml::Element) has read.
    pub fn of(row: &str) -> Self {
        let mut reader = NsReader::from_str(row);
        reader.config_mut().check_comments = true;
        // Nothing is open at the end: the row has been read with an element around it.
        let mut judged = Self::StandsAlone;
        loop {
            let Ok((namespace, event)) = reader.read_resolved_event() else {
                return Self::Malformed;
            };
            let own = match &event {
                Event::Eof => return judged,
                Event::Start(start) | Event::Empty(start) => {
                    let own = element_namespace(start, &namespace);
                    own.worse(attributes(start, &reader))
                }
                Event::End(_) => continue,
                Event::Text(text) => {
                    let text: &str = text;
                    well_formed(all_characters(text) && !text.contains("]]>"))
                }
                Event::CData(text) => well_formed(all_characters(text)),
                Event::Comment(text) => well_formed(all_characters(text)),
                Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                    Ok(Some(character)) => well_formed(is_character(character)),
                    Ok(None) => {
                        let known = resolve_predefined_entity(&reference.xml10_content());
                        well_formed(known.is_some())
                    }
                    Err(_) => Self::Malformed,
                },
                Event::PI(text) => {
                    let target = text.split(|c: char| c.is_ascii_whitespace()).next();
                    let reserved = target.is_none_or(|name| name.eq_ignore_ascii_case("xml"));
                    match !reserved && target.is_some_and(is_name) && all_characters(text) {
                        true => Self::NotForManifests,
                        false => Self::Malformed,
                    }
                }
                Event::Decl(_) | Event::DocType(_) => Self::Malformed,
            };
            judged = judged.worse(own);
        }
    }

    fn worse(self, other: Self) -> Self {
        match (self, other) {
            (Self::Malformed, _) | (_, Self::Malformed) => Self::Malformed,
            (Self::NotForManifests, _) | (_, Self::NotForManifests) => Self::NotForManifests,
            (Self::StandsAlone, Self::StandsAlone) => Self::StandsAlone,
        }
    }
}

const fn well_formed(is: bool) -> Markup {
    if is { Markup::StandsAlone } else { Markup::Malformed }
}

fn element_namespace(start: &BytesStart<'_>, namespace: &ResolveResult<'_>) -> Markup {
    if !is_qualified_name(start.name()) {
        return Markup::Malformed;
    }
    match namespace {
        ResolveResult::Bound(namespace) if namespace.as_ref() == MPD => Markup::NotForManifests,
        ResolveResult::Bound(_) => Markup::StandsAlone,
        ResolveResult::Unbound => Markup::NotForManifests,
        ResolveResult::Unknown(_) => Markup::Malformed,
    }
}

fn attributes(start: &BytesStart<'_>, reader: &NsReader<&[u8]>) -> Markup {
    let mut judged = Markup::StandsAlone;
    for attribute in start.attributes() {
        let Ok(attribute) = attribute else { return Markup::Malformed };
        let Ok(value) = attribute.normalized_value(XmlVersion::Implicit1_0) else {
            return Markup::Malformed;
        };
        let sound = is_qualified_name(attribute.key)
            && !attribute.value.contains('<')
            && value.chars().all(is_character)
            && attribute.value.chars().all(is_character);
        judged = judged.worse(well_formed(sound));
        judged = judged.worse(match attribute.key.as_namespace_binding() {
            Some(PrefixDeclaration::Default) => Markup::StandsAlone,
            // A prefix can be bound anew and not set free (Namespaces in XML 1.0, 2.2).
            Some(PrefixDeclaration::Named(_)) => well_formed(!value.is_empty()),
            None => match reader.resolver().resolve_attribute(attribute.key).0 {
                ResolveResult::Bound(namespace) if namespace.as_ref() == XLINK => {
                    Markup::NotForManifests
                }
                ResolveResult::Bound(_) | ResolveResult::Unbound => Markup::StandsAlone,
                ResolveResult::Unknown(_) => Markup::Malformed,
            },
        });
    }
    judged
}

fn is_qualified_name(name: QName<'_>) -> bool {
    name.prefix().is_none_or(|prefix| is_name(prefix.as_ref()))
        && is_name(name.local_name().as_ref())
}

/// `NCName`, as far as ASCII goes.
fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn all_characters(text: &str) -> bool {
    text.chars().all(is_character)
}

/// `Char` of XML 1.0 2.2.
fn is_character(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_markup_is_copied() {
        for row in [
            "<c:pssh xmlns:c='urn:mpeg:cenc:2013'>AAAA</c:pssh><!-- made by -->\n<p xmlns='urn:p'/>",
            "<a xmlns='b' c='&lt;&#65;' xml:lang='de'>&amp;<![CDATA[<]]></a>",
            "<p:a xmlns:p='b' p:c='d'><p:e/></p:a>",
        ] {
            assert_eq!(Markup::of(row), Markup::StandsAlone, "{row}");
        }
    }

    #[test]
    fn what_means_something_to_players_is_not() {
        for row in [
            "<?xml-stylesheet href='a'?><a xmlns='b'/>",
            "<a xmlns='b'><BaseURL xmlns='urn:mpeg:dash:schema:mpd:2011'>https://x/</BaseURL></a>",
            "<a xmlns='b' xmlns:l='http://www.w3.org/1999/xlink' l:href='https://x/'/>",
            "<a xmlns='b'><c xmlns=''/></a>",
        ] {
            assert_eq!(Markup::of(row), Markup::NotForManifests, "{row}");
        }
    }

    #[test]
    fn what_browsers_would_refuse_is_malformed() {
        for row in [
            "<?XML version='1.0'?><a xmlns='b'/>",
            "<?1?><a xmlns='b'/>",
            "<a xmlns='b' c='\u{1}'/>",
            "<a xmlns='b' c='&#1;'/>",
            "<a xmlns='b'>\u{FFFE}</a>",
            "<a xmlns='b'>&#1;</a>",
            "<a xmlns='b'><![CDATA[\u{8}]]></a>",
            "<a xmlns='b'/><!--\u{8}-->",
            "<a xmlns='b' c='<'/>",
            "<a xmlns='b'>]]></a>",
            "<a xmlns='b' p:c='1'/>",
            "<a,c xmlns='b'/>",
            "<a xmlns='b' c,='1'/>",
            "<1 xmlns='b'/>",
            "<p:a:c xmlns:p='b'/>",
            "<p:a xmlns:p='b'><c xmlns='b' xmlns:p=''/></p:a>",
        ] {
            assert_eq!(Markup::of(row), Markup::Malformed, "{row}");
        }
    }
}
