//! Small XML documents as trees of elements, names resolved by namespace (XML 1.0, Namespaces in
//! XML 1.0).
//!
//! Made for answers of key servers: what is in them may be secret, so texts are overwritten when
//! they are dropped and nothing has `Debug`. Documents with a DTD are refused and so are entities
//! beyond the five of XML itself; depth and number of elements have limits. How long a document
//! may be is the caller's affair.

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;
use zeroize::Zeroizing;

/// An element, its attributes without a prefix, its own text and its children.
pub struct Element {
    namespace: Option<String>,
    name: String,
    attributes: Vec<(String, Zeroizing<String>)>,
    text: Zeroizing<String>,
    children: Vec<Element>,
}

/// The document is not well-formed, names an unknown prefix or goes beyond a limit. Says no more:
/// what a parser would quote may be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XmlError {
    /// Not well-formed, or with parts that key exchange has no use for.
    Malformed,
    /// A prefix without a namespace.
    UnknownPrefix,
    /// Nested too deeply or with too many elements.
    TooLarge,
}

/// CPIX documents nest to about ten.
const MAX_DEPTH: usize = 32;
/// Fifteen keys for five systems have some four hundred elements.
const MAX_ELEMENTS: usize = 10_000;

impl Element {
    /// Reads a document and returns its root.
    pub fn parse(text: &str) -> Result<Self, XmlError> {
        let mut reader = NsReader::from_str(text.trim_start_matches('\u{FEFF}'));
        reader.config_mut().check_comments = true;
        let mut open: Vec<Self> = Vec::new();
        let mut root = None;
        let mut elements = 0;
        let mut first = true;
        loop {
            let (namespace, event) =
                reader.read_resolved_event().map_err(|_| XmlError::Malformed)?;
            let (start, empty) = match event {
                Event::Start(start) => (start, false),
                Event::Empty(start) => (start, true),
                Event::End(_) => {
                    let element = open.pop().ok_or(XmlError::Malformed)?;
                    close(element, &mut open, &mut root)?;
                    continue;
                }
                Event::Eof if open.is_empty() => return root.ok_or(XmlError::Malformed),
                Event::Decl(_) if first => {
                    first = false;
                    continue;
                }
                Event::Comment(_) | Event::PI(_) => continue,
                other => {
                    first = false;
                    add_text(open.last_mut(), &other)?;
                    continue;
                }
            };
            first = false;
            elements += 1;
            if open.len() >= MAX_DEPTH || elements > MAX_ELEMENTS {
                return Err(XmlError::TooLarge);
            }
            let element = Self::of(&start, namespace)?;
            if empty {
                close(element, &mut open, &mut root)?;
            } else {
                open.push(element);
            }
        }
    }

    fn of(start: &BytesStart<'_>, namespace: ResolveResult<'_>) -> Result<Self, XmlError> {
        let namespace = match namespace {
            ResolveResult::Bound(namespace) => Some(namespace.into_inner().to_owned()),
            ResolveResult::Unbound => None,
            ResolveResult::Unknown(_) => return Err(XmlError::UnknownPrefix),
        };
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|_| XmlError::Malformed)?;
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|_| XmlError::Malformed)?;
            if attribute.key.prefix().is_none() {
                let name = attribute.key.as_ref().to_owned();
                attributes.push((name, Zeroizing::new(value.into_owned())));
            }
        }
        Ok(Self {
            namespace,
            name: start.local_name().as_ref().to_owned(),
            attributes,
            text: Zeroizing::new(String::new()),
            children: Vec::new(),
        })
    }

    /// Whether it has this name in this namespace.
    pub fn is(&self, namespace: &str, name: &str) -> bool {
        self.name == name && self.namespace.as_deref() == Some(namespace)
    }

    /// An attribute without white space around it; one that is empty counts as absent.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let (_, value) = self.attributes.iter().find(|(found, _)| found == name)?;
        Some(value.trim()).filter(|value| !value.is_empty())
    }

    /// Its own text without white space around it, if there is any.
    pub fn text(&self) -> Option<&str> {
        Some(self.text.trim()).filter(|text| !text.is_empty())
    }

    /// All its children.
    pub fn elements(&self) -> &[Self] {
        &self.children
    }

    /// Its children of this name.
    pub fn all<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> impl Iterator<Item = &'a Self> + 'a {
        self.children.iter().filter(move |child| child.is(namespace, name))
    }

    /// Its first child of this name.
    pub fn child(&self, namespace: &str, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.is(namespace, name))
    }

    /// Adds all elements of this name below it, at any depth.
    pub fn find_all<'a>(&'a self, namespace: &str, name: &str, found: &mut Vec<&'a Self>) {
        for child in &self.children {
            if child.is(namespace, name) {
                found.push(child);
            }
            child.find_all(namespace, name, found);
        }
    }

    /// The first element of this name below it, at any depth.
    pub fn descendant(&self, namespace: &str, name: &str) -> Option<&Self> {
        self.children.iter().find_map(|child| {
            if child.is(namespace, name) { Some(child) } else { child.descendant(namespace, name) }
        })
    }
}

fn close(
    element: Element,
    open: &mut [Element],
    root: &mut Option<Element>,
) -> Result<(), XmlError> {
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None if root.is_none() => *root = Some(element),
        None => return Err(XmlError::Malformed),
    }
    Ok(())
}

fn add_text(element: Option<&mut Element>, event: &Event<'_>) -> Result<(), XmlError> {
    let Some(element) = element else {
        // White space may stand around the root.
        let blank = matches!(event, Event::Text(text) if text.xml10_content().trim().is_empty());
        return if blank { Ok(()) } else { Err(XmlError::Malformed) };
    };
    match event {
        Event::Text(text) => element.text.push_str(&text.xml10_content()),
        Event::CData(text) => element.text.push_str(&text.xml10_content()),
        Event::GeneralRef(reference) => {
            let character = reference.resolve_char_ref().map_err(|_| XmlError::Malformed)?;
            match character {
                Some(character) => element.text.push(character),
                None => {
                    let name = reference.xml10_content();
                    let text = resolve_predefined_entity(&name).ok_or(XmlError::Malformed)?;
                    element.text.push_str(text);
                }
            }
        }
        _ => return Err(XmlError::Malformed),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(text: &str) -> Option<XmlError> {
        Element::parse(text).err()
    }

    #[test]
    fn names_resolve_whatever_the_prefix() {
        let root = Element::parse(
            "\u{FEFF}<?xml version='1.0'?>\n<a xmlns='urn:1' xmlns:p='urn:2'><!-- c --><p:b k='&lt;'>\
             x<![CDATA[<y>]]>&amp;&#65;</p:b><b/></a>\n",
        )
        .ok();
        let root = root.unwrap();
        assert!(root.is("urn:1", "a") && !root.is("urn:2", "a"));
        let inner = root.child("urn:2", "b").unwrap();
        assert_eq!((inner.text(), inner.attribute("k")), (Some("x<y>&A"), Some("<")));
        assert_eq!(root.all("urn:1", "b").count(), 1);
    }

    #[test]
    fn what_is_not_plain_xml_is_refused() {
        for text in [
            "",
            "text",
            "<a>",
            "</a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>x",
            "<a>&x;</a>",
            "<a>&#0;</a>",
            "<a k='&x;'/>",
            "<a k='1' k='2'/>",
            "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
            "<a><?xml version='1.0'?></a>",
        ] {
            assert_eq!(error(text), Some(XmlError::Malformed), "{text}");
        }
        assert_eq!(error("<p:a/>"), Some(XmlError::UnknownPrefix));
        let deep = |depth| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert_eq!(error(&deep(MAX_DEPTH)), None);
        assert_eq!(error(&deep(MAX_DEPTH + 1)), Some(XmlError::TooLarge));
        let wide = format!("<a>{}</a>", "<b/>".repeat(MAX_ELEMENTS));
        assert_eq!(error(&wide), Some(XmlError::TooLarge));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[<>/a:='\"&;!?\\[\\]x-]{0,60}") {
            let _ = Element::parse(&text);
            let _ = Element::parse(&format!("<a xmlns:a='b'>{text}</a>"));
        }
    }
}
