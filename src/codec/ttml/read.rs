//! A TTML document → head, body with resolved times, cues (TTML2 8, 12.2 to 12.4).
//!
//! An element begins at what it says behind the beginning of its parent, or in a `seq` behind the
//! end of its sibling; it ends at the earliest of what `end` and `dur` say and of its parent's end;
//! one that says nothing ends with the last of its content, which, where that is text, is never.

use std::borrow::Cow;

use twox_hash::XxHash3_64;

use super::cues::{Paragraph, Run};
use super::styles::{Look, Styles};
use super::time::TimeRules;
use super::xml::{self, Element, Node};
use super::{TtmlError, cues};
use crate::model::text::Cue;
use crate::model::ttml::{TtmlBody, TtmlHead, TtmlPart, TtmlStart};
use crate::time::Ticks;

/// A document as it was read; its times count from where it counts them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Attributes of `tt` that say nothing of time.
    pub root: String,
    /// Styles and regions.
    pub head: TtmlHead,
    /// Content.
    pub body: TtmlBody,
    /// The same as WebVTT, in order of their start.
    pub cues: Vec<Cue>,
    /// Elements that were left out, because their times cannot be read.
    pub broken: u64,
    /// Times of the first of them.
    pub first_broken: Option<String>,
}

/// What becomes of names that elements have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// They are kept.
    Kept,
    /// Those of styles and regions are made to differ from those of other heads; those of content
    /// are left out: other documents are going to stand in one with this.
    Joined,
}

/// Styles and regions are in every segment, so they may not be large.
const MOST_HEAD_BYTES: usize = 256 << 10;

/// Says whether any text is made of images, in elements or in profiles (IMSC 1.1 5).
fn is_of_images(tree: &xml::Tree) -> bool {
    let named = ["ttp:profile", "ttp:contentProfiles", "ttp:processorProfiles"];
    let named = named.iter().filter_map(|name| tree.root.attribute(name));
    let head = tree.root.child("head");
    let used = head.and_then(|head| head.child("ttp:profile")?.attribute("use"));
    tree.has_smpte_images
        || named.chain(used).any(|profiles| profiles.contains("/image"))
        || has_image(&tree.root)
}

fn has_image(element: &Element) -> bool {
    let is_image = matches!(element.name.as_str(), "image")
        || element.attribute("tts:backgroundImage").is_some_and(|image| image != "none");
    is_image || element.elements().any(has_image)
}

/// Reads a file. Elements whose times cannot be read are passed over and counted.
pub fn read(bytes: &[u8], ids: Ids) -> Result<Document, TtmlError> {
    let text = std::str::from_utf8(bytes).map_err(|_| TtmlError::NotUtf8)?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let tree = xml::parse(text)?;
    if tree.root.name != "tt" {
        return Err(TtmlError::NotTtml(tree.root.name.trim_start_matches("?:").to_owned()));
    }
    if is_of_images(&tree) {
        return Err(TtmlError::Images);
    }
    let rules = TimeRules::of(&tree.root)?;
    let head = tree.root.child("head");
    let mut reader = Reader {
        rules,
        names: Names { ids, suffix: String::new() },
        styles: Styles::of(head),
        broken: 0,
        first_broken: None,
        paragraph: None,
        paragraphs: Vec::new(),
        rubies: 0,
    };
    if ids == Ids::Joined {
        // The same head has the same names in every document.
        let plain = reader.head(head)?;
        let hash = XxHash3_64::oneshot(format!("{plain:?}").as_bytes());
        reader.names.suffix = format!(".{:08x}", hash & 0xFFFF_FFFF);
        reader.broken = 0;
    }
    let head = reader.head(head)?;
    let keeps_space = tree.root.attribute("xml:space") == Some("preserve");
    let body = tree.root.child("body").map(|body| reader.body(body, keeps_space));
    let body = body.unwrap_or_default();
    Ok(Document {
        root: root_attributes(&tree.root),
        head,
        body,
        cues: cues::cues(reader.paragraphs, bytes.len()),
        broken: reader.broken,
        first_broken: reader.first_broken,
    })
}

/// Attributes of `tt` in one order. Times are written in a notation that needs no rates, and
/// documents that are cut promise nothing of their order.
fn root_attributes(root: &Element) -> String {
    const OF_TIME: [&str; 11] = [
        "xml:id",
        "ttp:timeBase",
        "ttp:frameRate",
        "ttp:frameRateMultiplier",
        "ttp:subFrameRate",
        "ttp:tickRate",
        "ttp:dropMode",
        "ttp:markerMode",
        "ttp:clockMode",
        "ttp:pixelAspectRatioMode",
        "ittp:progressivelyDecodable",
    ];
    let mut kept: Vec<(&str, &str)> = root
        .attributes
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| !OF_TIME.contains(name))
        .collect();
    if root.attribute("xml:lang").is_none() {
        // TTML wants it, empty for what is not known.
        kept.push(("xml:lang", ""));
    }
    kept.sort_unstable();
    xml::write_attributes(kept.into_iter().map(|(name, value)| (name, Cow::Borrowed(value))))
}

/// Which names are written.
struct Names {
    ids: Ids,
    /// Behind each name that a head defines, and behind what refers to it.
    suffix: String,
}

impl Names {
    /// The tag of an element without its times.
    fn tag(&self, element: &Element, in_head: bool) -> String {
        let attributes = element.attributes.iter().filter_map(|(name, value)| {
            let own = (name.as_str(), Cow::Borrowed(value.as_str()));
            match (name.as_str(), self.ids) {
                ("begin" | "end" | "dur" | "timeContainer", _) => None,
                ("xml:id", Ids::Joined) if !in_head => None,
                (
                    "xml:id" | "style" | "region" | "agent" | "ttm:agent" | "animate",
                    Ids::Joined,
                ) => {
                    let words = value.split_ascii_whitespace();
                    let renamed = words.map(|word| format!("{word}{}", self.suffix));
                    let all: Vec<String> = renamed.collect();
                    Some((name.as_str(), Cow::Owned(all.join(" "))))
                }
                _ => Some(own),
            }
        });
        format!("{}{}", element.name, xml::write_attributes(attributes))
    }

    /// An element whole, without spaces between elements.
    fn markup(&self, element: &Element, out: &mut String) {
        let tag = self.tag(element, true);
        if element.children.is_empty() {
            out.push_str(&format!("<{tag}/>"));
            return;
        }
        out.push_str(&format!("<{tag}>"));
        for child in &element.children {
            match child {
                Node::Element(child) => self.markup(child, out),
                Node::Text(text) if text.trim().is_empty() => {}
                Node::Text(text) => out.push_str(&xml::escaped(text)),
            }
        }
        out.push_str(&format!("</{}>", element.name));
    }
}

/// What an element takes from those around it.
#[derive(Clone, Copy)]
struct Around {
    /// What it counts from.
    reference: Ticks,
    /// When the parent begins and, as far as that is said, ends.
    begin: Ticks,
    end: Option<Ticks>,
    in_sequence: bool,
    /// Times of the nearest element around it that is going to have them written.
    written: (Ticks, Option<Ticks>),
    look: Look,
    keeps_space: bool,
    ruby: Option<(u32, bool)>,
}

/// When an element is active, if ever.
type Interval = (Ticks, Option<Ticks>);

struct Reader {
    rules: TimeRules,
    names: Names,
    styles: Styles,
    broken: u64,
    first_broken: Option<String>,
    paragraph: Option<Paragraph>,
    paragraphs: Vec<Paragraph>,
    /// Ruby containers so far.
    rubies: u32,
}

/// What times mean to an element.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `div`: active while what is in it is.
    Group,
    /// `p`.
    Paragraph,
    /// Regions, and what is in paragraphs.
    Timed,
    /// Changes of looks, in any element.
    Animation,
    /// Metadata and the like, for as long as its parent.
    Other,
}

fn kind(element: &Element) -> Kind {
    match element.name.as_str() {
        "body" | "div" => Kind::Group,
        "p" => Kind::Paragraph,
        "span" | "br" | "region" => Kind::Timed,
        "set" | "animate" => Kind::Animation,
        _ => Kind::Other,
    }
}

impl Reader {
    fn head(&mut self, head: Option<&Element>) -> Result<TtmlHead, TtmlError> {
        let mut out = TtmlHead::default();
        for element in head.into_iter().flat_map(Element::elements) {
            match element.name.as_str() {
                "styling" => {
                    for child in element.elements() {
                        self.names.markup(child, &mut out.styling);
                    }
                }
                "layout" => {
                    for child in element.elements() {
                        self.element(child, outermost(false), &mut out.layout);
                    }
                }
                "resources" | "animation" => {}
                _ => self.names.markup(element, &mut out.metadata),
            }
        }
        let layout: usize = out.layout.iter().map(part_bytes).sum();
        if out.metadata.len() + out.styling.len() + layout > MOST_HEAD_BYTES {
            return Err(TtmlError::TooLarge("styles and regions"));
        }
        Ok(out)
    }

    fn body(&mut self, body: &Element, keeps_space: bool) -> TtmlBody {
        let mut parts = Vec::new();
        self.element(body, outermost(keeps_space), &mut parts);
        let Some((TtmlPart::Start(start), _)) = parts.split_first() else {
            return TtmlBody::default();
        };
        let attributes = start.tag.strip_prefix("body").unwrap_or_default().to_owned();
        parts.remove(0);
        parts.pop();
        TtmlBody { head: 0, attributes, parts }
    }

    /// Writes an element; returns when it is active.
    fn element(
        &mut self,
        element: &Element,
        around: Around,
        out: &mut Vec<TtmlPart>,
    ) -> Option<Interval> {
        let kind = kind(element);
        let Some(said) = self.said(element, around, kind) else {
            self.broken += 1;
            let times = ["begin", "end", "dur"].map(|n| element.attribute(n).unwrap_or_default());
            self.first_broken.get_or_insert_with(|| times.join(" ").trim().to_owned());
            return None;
        };
        let (begin, limit) = said;
        let at = out.len();
        let in_head = matches!(element.name.as_str(), "region" | "style");
        out.push(TtmlPart::Start(TtmlStart {
            tag: self.names.tag(element, in_head),
            length: 0,
            begin,
            end: limit,
            is_timed: false,
        }));
        let look = self.styles.look(element).over(around.look);
        let keeps_space = match element.attribute("xml:space") {
            Some(space) => space == "preserve",
            None => around.keeps_space,
        };
        let is_open = kind == Kind::Paragraph && self.paragraph.is_none();
        if is_open {
            self.paragraph = Some(Paragraph::default());
        }
        let in_sequence = element.attribute("timeContainer") == Some("seq");
        // Paragraphs and what is in them have times; a paragraph that says none may get some from
        // those around it.
        let own = (begin, limit);
        let is_timed = matches!(kind, Kind::Paragraph | Kind::Timed | Kind::Animation)
            && own != around.written;
        let mut inner = Around {
            reference: begin,
            begin,
            end: limit,
            in_sequence,
            written: if is_timed { own } else { around.written },
            look,
            keeps_space,
            ruby: self.ruby(element, around.ruby),
        };
        if element.name == "br" {
            self.run("", true, inner);
        }
        let (mut first, mut last) = (None, Some(begin));
        let mut has_content = false;
        for child in &element.children {
            let interval = match child {
                Node::Element(child) => {
                    let interval = self.element(child, inner, out);
                    let counts = !matches!(self::kind(child), Kind::Animation | Kind::Other);
                    interval.filter(|_| counts)
                }
                Node::Text(text) => self.text(text, element, inner, out),
            };
            let Some((from, to)) = interval else { continue };
            has_content = true;
            first = Some(first.map_or(from, |first: Ticks| first.min(from)));
            last = match (last, to) {
                (Some(last), Some(to)) => Some(if in_sequence { to } else { last.max(to) }),
                _ => None,
            };
            if in_sequence {
                // What follows something without end is never shown.
                inner.reference = to.unwrap_or(NEVER);
            }
        }
        let implicit = match has_content {
            true => last,
            false if around.in_sequence => Some(begin),
            false => None,
        };
        let end = match (limit, implicit) {
            _ if element.attribute("end").is_some() || element.attribute("dur").is_some() => limit,
            (Some(limit), Some(implicit)) => Some(limit.min(implicit)),
            (limit, implicit) => limit.or(implicit),
        };
        let shown = match kind {
            // Nothing of it is seen while none of its content is.
            Kind::Group => (first.unwrap_or(begin), if has_content { end } else { Some(begin) }),
            _ => (begin, end),
        };
        out.push(TtmlPart::End(element.name.clone()));
        let length = u32::try_from(out.len() - at - 2).unwrap_or(u32::MAX);
        if let Some(TtmlPart::Start(start)) = out.get_mut(at) {
            let ends_early = end != limit && kind == Kind::Paragraph;
            *start = TtmlStart {
                tag: std::mem::take(&mut start.tag),
                length,
                begin: shown.0,
                end: shown.1,
                is_timed: is_timed || ends_early,
            };
        }
        if is_open && let Some(paragraph) = self.paragraph.take() {
            self.paragraphs.push(Paragraph { begin, end, ..paragraph });
        }
        Some((begin, end))
    }

    /// When an element begins, and when it ends at the latest; `None` where that cannot be read.
    fn said(&self, element: &Element, around: Around, kind: Kind) -> Option<Interval> {
        if kind == Kind::Other {
            return Some((around.begin, around.end));
        }
        let read = |name| match element.attribute(name) {
            None => Some(None),
            Some(text) => self.rules.parse(text).map(Some),
        };
        let (begin, end, duration) = (read("begin")?, read("end")?, read("dur")?);
        let from = around.reference.plus(begin.unwrap_or_default());
        let ends = [
            end.map(|end| around.reference.plus(end)),
            duration.map(|duration| from.plus(duration)),
            around.end,
        ];
        Some((from, ends.into_iter().flatten().min()))
    }

    fn ruby(&mut self, element: &Element, around: Option<(u32, bool)>) -> Option<(u32, bool)> {
        match element.attribute("tts:ruby") {
            Some("container") => {
                self.rubies += 1;
                Some((self.rubies, false))
            }
            Some("text" | "textContainer" | "delimiter") => around.map(|(place, _)| (place, true)),
            _ => around,
        }
    }

    /// Writes text; returns when it is shown.
    fn text(
        &mut self,
        text: &str,
        parent: &Element,
        around: Around,
        out: &mut Vec<TtmlPart>,
    ) -> Option<Interval> {
        let is_content = self.paragraph.is_some() && matches!(parent.name.as_str(), "p" | "span");
        let is_other = kind(parent) == Kind::Other && !text.trim().is_empty();
        // In a sequence text has no duration (TTML2 12.4).
        if !is_other && (!is_content || around.in_sequence) {
            return None;
        }
        out.push(TtmlPart::Text(xml::escaped(text)));
        if !is_content {
            return None;
        }
        self.run(text, false, around);
        Some((around.begin, around.end))
    }

    fn run(&mut self, text: &str, is_break: bool, around: Around) {
        let Some(paragraph) = &mut self.paragraph else { return };
        if around.look.hidden == Some(true) {
            return;
        }
        paragraph.runs.push(Run {
            text: text.to_owned(),
            is_break,
            begin: around.begin,
            end: around.end,
            italic: around.look.italic == Some(true),
            bold: around.look.bold == Some(true),
            underline: around.look.underline == Some(true),
            ruby: around.ruby,
            keeps_space: around.keeps_space,
        });
    }
}

/// Later than any time that documents can say.
pub(super) const NEVER: Ticks = Ticks(i64::MAX / 4);

fn outermost(keeps_space: bool) -> Around {
    Around {
        reference: Ticks::ZERO,
        begin: Ticks::ZERO,
        end: None,
        in_sequence: false,
        written: (Ticks::ZERO, None),
        look: Look::default(),
        keeps_space,
        ruby: None,
    }
}

fn part_bytes(part: &TtmlPart) -> usize {
    match part {
        TtmlPart::Start(start) => start.tag.len() + 2,
        TtmlPart::Text(text) => text.len(),
        TtmlPart::End(name) => name.len() + 3,
    }
}
