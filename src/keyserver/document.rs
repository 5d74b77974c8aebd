//! CPIX documents as trees: read whole, filled in place, written again.
//!
//! A provider answers the very document that it was asked with, so everything that it does not
//! know stays as it came: names with their prefixes, attributes, order. Comments and processing
//! instructions go. Names are compared by namespace (Namespaces in XML 1.0), never by prefix.
//!
//! No document types and no entities but the five of XML 1.0 4.6, and bounds on everything that a
//! small document can blow up to.

use std::collections::BTreeMap;

use quick_xml::XmlVersion;
use quick_xml::escape::{escape, partial_escape};
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, NamespaceResolver, ResolveResult};
use quick_xml::reader::NsReader;

/// CPIX.
pub(super) const CPIX: &str = "urn:dashif:org:cpix";
/// Portable Symmetric Key Container (RFC 6030).
pub(super) const PSKC: &str = "urn:ietf:params:xml:ns:keyprov:pskc";
/// XML Signature, of which CPIX borrows the certificate.
pub(super) const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
/// XML Encryption.
pub(super) const ENC: &str = "http://www.w3.org/2001/04/xmlenc#";
/// What SPEKE 1.0 added to CPIX.
pub(super) const SPEKE: &str = "urn:aws:amazon:com:speke";

/// A CPIX document is seven elements deep.
const MAX_DEPTH: usize = 16;
/// Eight keys with six systems need some four hundred.
const MAX_ELEMENTS: usize = 8192;

/// Why a text is no document for us.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DocumentError {
    /// Not well-formed.
    #[error("the body is no well-formed XML: {0}")]
    Malformed(String),
    /// A document type or an entity.
    #[error("document types and entities are refused")]
    DocumentType,
    /// Deeper or larger than any request.
    #[error("the document is deeper than {MAX_DEPTH} or has more than {MAX_ELEMENTS} elements")]
    TooLarge,
    /// A prefix without a namespace.
    #[error("the prefix {0:?} is bound to no namespace")]
    UnboundPrefix(String),
    /// Nothing there.
    #[error("the body is empty")]
    Empty,
}

/// An element. No `Debug`: a filled one holds keys.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Element {
    /// As written, with its prefix.
    name: String,
    namespace: String,
    /// Names as written, declarations of namespaces among them.
    attributes: Vec<(String, String)>,
    children: Vec<Node>,
}

/// What stands in an element.
#[derive(Clone, PartialEq, Eq)]
enum Node {
    Element(Element),
    Text(String),
}

/// Prefixes that the root declares and nothing below it redefines.
#[derive(Clone, Default)]
pub(super) struct Prefixes(BTreeMap<&'static str, String>);

impl Element {
    /// Reads a document and gives its root.
    pub(super) fn parse(text: &str) -> Result<Self, DocumentError> {
        let mut reader = NsReader::from_str(text);
        let mut open: Vec<Self> = Vec::new();
        let mut root = None;
        let mut elements = 0;
        loop {
            let event = reader.read_event().map_err(malformed)?;
            match event {
                Event::Start(start) | Event::Empty(start) if root.is_some() => {
                    let name = start.name().0.to_owned();
                    return Err(DocumentError::Malformed(format!("{name} follows the root")));
                }
                Event::Start(start) => {
                    elements += 1;
                    if elements > MAX_ELEMENTS || open.len() >= MAX_DEPTH {
                        return Err(DocumentError::TooLarge);
                    }
                    open.push(Self::of(&start, reader.resolver())?);
                }
                Event::Empty(start) => {
                    elements += 1;
                    if elements > MAX_ELEMENTS || open.len() >= MAX_DEPTH {
                        return Err(DocumentError::TooLarge);
                    }
                    let element = Self::of(&start, reader.resolver())?;
                    close(element, &mut open, &mut root);
                }
                Event::End(_) => {
                    if let Some(element) = open.pop() {
                        close(element, &mut open, &mut root);
                    }
                }
                Event::Text(text) => add_text(&text.xml10_content(), &mut open)?,
                Event::CData(data) => add_text(&data.xml10_content(), &mut open)?,
                Event::GeneralRef(reference) => {
                    let written = format!("&{};", &*reference);
                    let text = quick_xml::escape::unescape(&written)
                        .map_err(|_| DocumentError::DocumentType)?;
                    add_text(&text, &mut open)?;
                }
                Event::DocType(_) => return Err(DocumentError::DocumentType),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        if let Some(unclosed) = open.last() {
            return Err(DocumentError::Malformed(format!("{} is not closed", unclosed.name)));
        }
        root.ok_or(DocumentError::Empty)
    }

    fn of(start: &BytesStart<'_>, resolver: &NamespaceResolver) -> Result<Self, DocumentError> {
        let namespace = match resolver.resolve_element(start.name()).0 {
            ResolveResult::Bound(Namespace(namespace)) => namespace.to_owned(),
            ResolveResult::Unbound => String::new(),
            ResolveResult::Unknown(prefix) => return Err(DocumentError::UnboundPrefix(prefix)),
        };
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(malformed)?;
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|_| DocumentError::DocumentType)?;
            attributes.push((attribute.key.0.to_owned(), value.into_owned()));
        }
        let name = start.name().0.to_owned();
        Ok(Self { name, namespace, attributes, children: Vec::new() })
    }

    /// A new element, with a text in it.
    pub(super) fn with_text(
        namespace: &'static str,
        local: &str,
        text: String,
        prefixes: &Prefixes,
    ) -> Self {
        let mut element = Self::new(namespace, local, prefixes);
        element.children.push(Node::Text(text));
        element
    }

    /// A new element.
    pub(super) fn new(namespace: &'static str, local: &str, prefixes: &Prefixes) -> Self {
        let name = match prefixes.0.get(namespace).map(String::as_str) {
            Some("") => local.to_owned(),
            Some(prefix) => format!("{prefix}:{local}"),
            None => local.to_owned(),
        };
        let attributes = match prefixes.0.contains_key(namespace) {
            true => Vec::new(),
            false => vec![("xmlns".to_owned(), namespace.to_owned())],
        };
        Self { name, namespace: namespace.to_owned(), attributes, children: Vec::new() }
    }

    /// Whether it has this name.
    pub(super) fn is(&self, namespace: &str, local: &str) -> bool {
        self.namespace == namespace && self.local() == local
    }

    /// The name without prefix.
    pub(super) fn local(&self) -> &str {
        self.name.rsplit(':').next().unwrap_or(&self.name)
    }

    /// The namespace.
    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// An attribute without prefix, as all of CPIX are.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Sets an attribute without prefix.
    pub(super) fn set_attribute(&mut self, name: &str, value: String) {
        match self.attributes.iter_mut().find(|(own, _)| own == name) {
            Some((_, old)) => *old = value,
            None => self.attributes.push((name.to_owned(), value)),
        }
    }

    /// All child elements.
    pub(super) fn children(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// All child elements, to fill.
    pub(super) fn children_mut(&mut self) -> impl Iterator<Item = &mut Self> {
        self.children.iter_mut().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The first child with this name.
    pub(super) fn child(&self, namespace: &str, local: &str) -> Option<&Self> {
        self.children().find(|child| child.is(namespace, local))
    }

    /// The first child with this name, to fill.
    pub(super) fn child_mut(&mut self, namespace: &str, local: &str) -> Option<&mut Self> {
        self.children_mut().find(|child| child.is(namespace, local))
    }

    /// All children with this name.
    pub(super) fn all<'a>(
        &'a self,
        namespace: &'a str,
        local: &'a str,
    ) -> impl Iterator<Item = &'a Self> {
        self.children().filter(move |child| child.is(namespace, local))
    }

    /// Its text without white space around it.
    pub(super) fn text(&self) -> String {
        let texts = self.children.iter().filter_map(|node| match node {
            Node::Text(text) => Some(text.as_str()),
            Node::Element(_) => None,
        });
        texts.collect::<String>().trim().to_owned()
    }

    /// Replaces everything in it.
    pub(super) fn set_text(&mut self, text: String) {
        self.children = vec![Node::Text(text)];
    }

    /// Adds a child behind the others.
    pub(super) fn push(&mut self, child: Self) {
        self.children.push(Node::Element(child));
    }

    /// The same, as a value.
    pub(super) fn containing(mut self, child: Self) -> Self {
        self.push(child);
        self
    }

    /// Adds a child before the others.
    pub(super) fn push_front(&mut self, child: Self) {
        self.children.insert(0, Node::Element(child));
    }

    /// Drops the child elements that `keep` does not want.
    pub(super) fn retain(&mut self, keep: impl Fn(&Self) -> bool) {
        self.children.retain(|node| match node {
            Node::Element(element) => keep(element),
            Node::Text(_) => true,
        });
    }

    /// Prefixes for elements that are to be added, declared at this root where they are not yet.
    pub(super) fn declare(&mut self, wanted: &[(&'static str, &str)]) -> Prefixes {
        let mut below = Vec::new();
        for child in self.children() {
            child.collect_declared(&mut below);
        }
        let below: Vec<String> = below.into_iter().map(str::to_owned).collect();
        let is_below = |prefix: &str| below.iter().any(|other| other == prefix);
        let mut prefixes = Prefixes::default();
        for &(namespace, proposal) in wanted {
            let here = self.attributes.iter().filter_map(|(name, value)| {
                let prefix = declared_prefix(name)?;
                (value == namespace && !is_below(prefix)).then(|| prefix.to_owned())
            });
            if let Some(prefix) = here.min() {
                prefixes.0.insert(namespace, prefix);
                continue;
            }
            let taken = |prefix: &str| {
                let mut here = self.attributes.iter().filter_map(|(name, _)| declared_prefix(name));
                is_below(prefix) || here.any(|own| own == prefix)
            };
            // Where the proposal means something else, the new element declares its own.
            if !taken(proposal) {
                self.attributes.push((format!("xmlns:{proposal}"), namespace.to_owned()));
                prefixes.0.insert(namespace, proposal.to_owned());
            }
        }
        prefixes
    }

    fn collect_declared<'a>(&'a self, found: &mut Vec<&'a str>) {
        found.extend(self.attributes.iter().filter_map(|(name, _)| declared_prefix(name)));
        for child in self.children() {
            child.collect_declared(found);
        }
    }

    /// The document, with its declaration.
    pub(super) fn to_document(&self) -> String {
        let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
        self.write(&mut text);
        text.push('\n');
        text
    }

    fn write(&self, out: &mut String) {
        out.push('<');
        out.push_str(&self.name);
        for (name, value) in &self.attributes {
            out.push(' ');
            out.push_str(name);
            out.push_str("=\"");
            // Unescaped, they would be read as spaces (XML 1.0 3.3.3).
            out.push_str(&escape(value.as_str()).replace('\n', "&#10;").replace('\t', "&#9;"));
            out.push('"');
        }
        if self.children.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        for child in &self.children {
            match child {
                Node::Element(element) => element.write(out),
                Node::Text(text) => out.push_str(&partial_escape(text.as_str())),
            }
        }
        out.push_str("</");
        out.push_str(&self.name);
        out.push('>');
    }
}

fn malformed(error: impl std::fmt::Display) -> DocumentError {
    DocumentError::Malformed(error.to_string())
}

/// The prefix that an attribute declares; the default namespace has the empty one.
fn declared_prefix(attribute: &str) -> Option<&str> {
    if attribute == "xmlns" { Some("") } else { attribute.strip_prefix("xmlns:") }
}

fn close(element: Element, open: &mut [Element], root: &mut Option<Element>) {
    match open.last_mut() {
        Some(parent) => parent.push(element),
        None => *root = Some(element),
    }
}

fn add_text(text: &str, open: &mut [Element]) -> Result<(), DocumentError> {
    let Some(parent) = open.last_mut() else {
        let is_space = text.trim_start_matches('\u{feff}').trim().is_empty();
        let outside = || DocumentError::Malformed("text outside of the root".to_owned());
        return if is_space { Ok(()) } else { Err(outside()) };
    };
    match parent.children.last_mut() {
        Some(Node::Text(before)) => before.push_str(text),
        _ => parent.children.push(Node::Text(text.to_owned())),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(text: &str) -> DocumentError {
        Element::parse(text).err().unwrap()
    }

    #[test]
    fn names_are_told_by_namespace() {
        let text = r#"<a xmlns="urn:1" xmlns:p="urn:2"><p:b k="1 &lt; 2"> x&amp;<![CDATA[<y>]]> </p:b><b/></a>"#;
        let root = Element::parse(text).ok().unwrap();
        assert!(root.is("urn:1", "a"));
        let b = root.child("urn:2", "b").unwrap();
        assert_eq!((b.attribute("k"), b.text()), (Some("1 < 2"), "x&<y>".to_owned()));
        assert!(root.child("urn:1", "b").unwrap().children().next().is_none());
    }

    #[test]
    fn what_could_blow_up_is_refused() {
        let entity = r#"<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>"#;
        assert_eq!(error(entity), DocumentError::DocumentType);
        assert_eq!(error("<a>&x;</a>"), DocumentError::DocumentType);
        assert_eq!(error("<a b='&x;'/>"), DocumentError::DocumentType);
        let deep = format!("{}{}", "<a>".repeat(17), "</a>".repeat(17));
        assert_eq!(error(&deep), DocumentError::TooLarge);
        let wide = format!("<a>{}</a>", "<b/>".repeat(MAX_ELEMENTS));
        assert_eq!(error(&wide), DocumentError::TooLarge);
    }

    #[test]
    fn broken_documents_are_refused() {
        for text in ["<a>", "<a></b>", "<a/><b/>", "x<a/>", "<a b=1/>", "<a b='' b=''/>", "<a/>x"] {
            assert!(matches!(error(text), DocumentError::Malformed(_)), "{text}");
        }
        assert_eq!(error("<p:a/>"), DocumentError::UnboundPrefix("p".to_owned()));
        assert_eq!(error(" "), DocumentError::Empty);
    }

    #[test]
    fn new_elements_get_prefixes_that_nothing_else_uses() {
        let mut root = Element::parse(
            r#"<c:CPIX xmlns:c="urn:dashif:org:cpix" xmlns:pskc="urn:other"><x/></c:CPIX>"#,
        )
        .ok()
        .unwrap();
        let prefixes = root.declare(&[(CPIX, "cpix"), (PSKC, "pskc"), (ENC, "enc")]);
        for namespace in [CPIX, PSKC, ENC] {
            root.push(Element::new(namespace, "y", &prefixes));
        }
        let again = Element::parse(&root.to_document()).ok().unwrap();
        let written: Vec<_> = again.children().map(|c| (c.name.as_str(), c.namespace())).collect();
        assert_eq!(written, [("x", ""), ("c:y", CPIX), ("y", PSKC), ("enc:y", ENC)]);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(texts in prop::collection::vec("[ -~é\n\t\r\"<&']{0,9}", 4)) {
            let mut root = Element::new("urn:x", "a", &Prefixes::default());
            root.set_attribute("k", texts[0].clone());
            root.push(Element::with_text("urn:y", "b", texts[1].clone() + "!", &Prefixes::default()));
            let again = Element::parse(&root.to_document()).ok().unwrap();
            prop_assert!(again == root);
        }
    }
}
