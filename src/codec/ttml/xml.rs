//! TTML documents as trees of elements (XML 1.0, Namespaces in XML 1.0), held to what can be
//! written again: names have one prefix for each namespace that TTML, IMSC and EBU-TT define, and
//! what is of other namespaces is not kept, as presentation does not depend on it (TTML2 5.2).
//!
//! Documents with a DTD are refused and so are entities beyond the five of XML itself; depth,
//! elements and attributes have limits. How long a document may be is the caller's affair.

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

use super::TtmlError;

/// The namespace of TTML itself.
pub(super) const TTML: &str = "http://www.w3.org/ns/ttml";

/// Namespaces that are kept, with the prefix that each is written with.
pub(super) const PREFIXES: [(&str, &str); 10] = [
    ("", TTML),
    ("ttp", "http://www.w3.org/ns/ttml#parameter"),
    ("tts", "http://www.w3.org/ns/ttml#styling"),
    ("ttm", "http://www.w3.org/ns/ttml#metadata"),
    ("ittp", "http://www.w3.org/ns/ttml/profile/imsc1#parameter"),
    ("itts", "http://www.w3.org/ns/ttml/profile/imsc1#styling"),
    ("ittm", "http://www.w3.org/ns/ttml/profile/imsc1#metadata"),
    ("ebutts", "urn:ebu:tt:style"),
    ("ebuttm", "urn:ebu:tt:metadata"),
    ("ebuttdt", "urn:ebu:tt:datatypes"),
];

/// Attributes and elements of SMPTE-TT (SMPTE ST 2052-1) tell of images.
const SMPTE: &str = "http://www.smpte-ra.org/";

/// Deeper than people nest, and no danger to the stack.
const MOST_DEPTH: usize = 48;
/// Some hours of karaoke.
const MOST_ELEMENTS: usize = 200_000;
/// TTML2 has about a hundred attributes.
const MOST_ATTRIBUTES: usize = 128;

/// An element of a namespace that is kept. Names have their prefix.
#[derive(Debug)]
pub(super) struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub children: Vec<Node>,
}

/// What stands in an element.
#[derive(Debug)]
pub(super) enum Node {
    Element(Element),
    /// Not escaped.
    Text(String),
}

impl Element {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let (_, value) = self.attributes.iter().find(|(found, _)| found == name)?;
        Some(value.trim())
    }

    pub fn elements(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    pub fn child(&self, name: &str) -> Option<&Self> {
        self.elements().find(|child| child.name == name)
    }
}

/// A document, and whether images of SMPTE-TT are in it.
#[derive(Debug)]
pub(super) struct Tree {
    pub root: Element,
    pub has_smpte_images: bool,
}

/// Reads a document.
pub(super) fn parse(text: &str) -> Result<Tree, TtmlError> {
    let mut reader = NsReader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut builder = Builder::default();
    loop {
        let at = reader.buffer_position();
        let line = || 1 + text.bytes().take(at as usize).filter(|byte| *byte == b'\n').count();
        let malformed = || TtmlError::Malformed { line: line() as u64 };
        let (namespace, event) = reader.read_resolved_event().map_err(|_| malformed())?;
        let namespace = match namespace {
            ResolveResult::Bound(namespace) => Bound::of(namespace.as_ref()),
            ResolveResult::Unbound => Bound::Other,
            ResolveResult::Unknown(_) => return Err(malformed()),
        };
        match event {
            Event::Start(start) => builder.open(&start, namespace, &reader),
            Event::Empty(start) => {
                builder.open(&start, namespace, &reader).and_then(|()| builder.close())
            }
            Event::End(_) => builder.close(),
            Event::Text(text) => builder.text(&text.xml10_content()),
            Event::CData(text) => builder.text(&text.xml10_content()),
            Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                Ok(Some(character)) => builder.text(character.encode_utf8(&mut [0; 4])),
                Ok(None) => match resolve_predefined_entity(&reference.xml10_content()) {
                    Some(text) => builder.text(text),
                    None => Err(Fault::Malformed),
                },
                Err(_) => Err(Fault::Malformed),
            },
            Event::Decl(_) if builder.is_new() => Ok(()),
            Event::Decl(_) => Err(Fault::Malformed),
            Event::DocType(_) => return Err(TtmlError::HasDtd),
            Event::Comment(_) | Event::PI(_) => Ok(()),
            Event::Eof => return builder.finish().ok_or_else(malformed),
        }
        .map_err(|fault| match fault {
            Fault::Malformed => malformed(),
            Fault::TooLarge(what) => TtmlError::TooLarge(what),
        })?;
    }
}

enum Fault {
    Malformed,
    TooLarge(&'static str),
}

#[derive(Default)]
struct Builder {
    open: Vec<Element>,
    /// How deep it is inside an element that is not kept.
    skipped: usize,
    elements: usize,
    root: Option<Element>,
    has_smpte_images: bool,
}

impl Builder {
    fn is_new(&self) -> bool {
        self.root.is_none() && self.open.is_empty() && self.elements == 0
    }

    fn open(
        &mut self,
        start: &BytesStart<'_>,
        namespace: Bound,
        reader: &NsReader<&[u8]>,
    ) -> Result<(), Fault> {
        if self.root.is_some() {
            return Err(Fault::Malformed);
        }
        self.elements += 1;
        if self.elements > MOST_ELEMENTS {
            return Err(Fault::TooLarge("elements"));
        }
        if self.open.len() + self.skipped >= MOST_DEPTH {
            return Err(Fault::TooLarge("levels of elements"));
        }
        let attributes = self.attributes(start, reader)?;
        self.notice_smpte(namespace, start.local_name().as_ref());
        match namespace {
            Bound::Prefix(prefix) if self.skipped == 0 => {
                let name = qualified(prefix, start.local_name().as_ref())?;
                self.open.push(Element { name, attributes, children: Vec::new() });
            }
            // The root has to be kept, so that it can be told that it is none.
            _ if self.open.is_empty() && self.skipped == 0 => {
                let name = format!("?:{}", start.local_name().as_ref());
                self.open.push(Element { name, attributes, children: Vec::new() });
            }
            _ => self.skipped += 1,
        }
        Ok(())
    }

    fn attributes(
        &mut self,
        start: &BytesStart<'_>,
        reader: &NsReader<&[u8]>,
    ) -> Result<Vec<(String, String)>, Fault> {
        let mut attributes = Vec::new();
        // Each is compared with those before it.
        for (index, attribute) in start.attributes().enumerate() {
            if index >= MOST_ATTRIBUTES {
                return Err(Fault::TooLarge("attributes of one element"));
            }
            let attribute = attribute.map_err(|_| Fault::Malformed)?;
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            let value = value.map_err(|_| Fault::Malformed)?;
            let sound = !attribute.value.contains('<') && value.chars().all(is_character);
            if !sound {
                return Err(Fault::Malformed);
            }
            let local = attribute.key.local_name();
            let local: &str = local.as_ref();
            let namespace = match reader.resolver().resolve_attribute(attribute.key).0 {
                ResolveResult::Bound(namespace) => Bound::of(namespace.as_ref()),
                ResolveResult::Unbound => Bound::Prefix(""),
                ResolveResult::Unknown(_) => return Err(Fault::Malformed),
            };
            self.notice_smpte(namespace, local);
            if let Bound::Prefix(prefix) = namespace {
                attributes.push((qualified(prefix, local)?, value.into_owned()));
            }
        }
        Ok(attributes)
    }

    fn notice_smpte(&mut self, namespace: Bound, name: &str) {
        let is_image = matches!(name, "backgroundImage" | "image");
        self.has_smpte_images |= namespace == Bound::Smpte && is_image;
    }

    fn close(&mut self) -> Result<(), Fault> {
        if self.skipped > 0 {
            self.skipped -= 1;
            return Ok(());
        }
        let element = self.open.pop().ok_or(Fault::Malformed)?;
        match self.open.last_mut() {
            Some(parent) => parent.children.push(Node::Element(element)),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Fault> {
        if !text.chars().all(is_character) {
            return Err(Fault::Malformed);
        }
        let Some(parent) = self.open.last_mut() else {
            // White space may stand around the root.
            return if text.trim().is_empty() { Ok(()) } else { Err(Fault::Malformed) };
        };
        if self.skipped == 0 {
            match parent.children.last_mut() {
                Some(Node::Text(before)) => before.push_str(text),
                _ => parent.children.push(Node::Text(text.to_owned())),
            }
        }
        Ok(())
    }

    fn finish(self) -> Option<Tree> {
        let Self { open, root, has_smpte_images, .. } = self;
        root.filter(|_| open.is_empty()).map(|root| Tree { root, has_smpte_images })
    }
}

const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// What a name belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bound {
    /// A namespace that is kept: its prefix.
    Prefix(&'static str),
    Smpte,
    Other,
}

impl Bound {
    fn of(namespace: &str) -> Self {
        let known = PREFIXES.iter().find(|(_, known)| *known == namespace);
        match known {
            Some((prefix, _)) => Self::Prefix(prefix),
            None if namespace == XML => Self::Prefix("xml"),
            None if namespace.starts_with(SMPTE) => Self::Smpte,
            None => Self::Other,
        }
    }
}

fn qualified(prefix: &str, local: &str) -> Result<String, Fault> {
    let mut characters = local.chars();
    let sound = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    match (sound, prefix) {
        (false, _) => Err(Fault::Malformed),
        (true, "") => Ok(local.to_owned()),
        (true, prefix) => Ok(format!("{prefix}:{local}")),
    }
}

/// `Char` of XML 1.0 2.2.
fn is_character(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Text as it stands in a document, or between double quotes.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            character => out.push(character),
        }
    }
    out
}

/// Attributes with a space before each. In their values line ends and tabs became spaces already,
/// but for those that were written as references.
pub(super) fn write_attributes<'a>(
    attributes: impl Iterator<Item = (&'a str, std::borrow::Cow<'a, str>)>,
) -> String {
    let mut out = String::new();
    for (name, value) in attributes {
        let value = escaped(&value).replace('\n', "&#10;").replace('\t', "&#9;");
        out.push_str(&format!(" {name}=\"{value}\""));
    }
    out
}
