//! Slant, weight and lines of styles, the little that WebVTT says in its text.

use std::collections::HashMap;

use super::xml::Element;

/// How text looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    pub italic: Option<bool>,
    pub bold: Option<bool>,
    pub underline: Option<bool>,
    pub hidden: Option<bool>,
}

impl Look {
    fn of_attributes(element: &Element) -> Self {
        let is = |name: &str, words: &[&str]| {
            element.attribute(name).map(|value| value.split(' ').any(|word| words.contains(&word)))
        };
        let display = is("tts:display", &["none"]);
        let visibility = is("tts:visibility", &["hidden"]);
        Self {
            italic: is("tts:fontStyle", &["italic", "oblique"]),
            bold: is("tts:fontWeight", &["bold"]),
            underline: is("tts:textDecoration", &["underline"]),
            hidden: display.filter(|hidden| *hidden).or(visibility).or(display),
        }
    }

    /// What this says, and for the rest what another says.
    pub fn over(self, other: Self) -> Self {
        Self {
            italic: self.italic.or(other.italic),
            bold: self.bold.or(other.bold),
            underline: self.underline.or(other.underline),
            hidden: self.hidden.or(other.hidden),
        }
    }
}

/// The styles of a document by their names.
#[derive(Debug, Default)]
pub(super) struct Styles(HashMap<String, Look>);

/// Styles that one style is looked up through at most; more are a loop or a trap.
const MOST_LOOKUPS: usize = 32;

impl Styles {
    /// Those that `head` defines.
    pub fn of(head: Option<&Element>) -> Self {
        let styling = head.and_then(|head| head.child("styling"));
        let styles = styling.into_iter().flat_map(Element::elements);
        let styles = styles.filter(|element| element.name == "style");
        let named: HashMap<&str, &Element> =
            styles.filter_map(|style| Some((style.attribute("xml:id")?, style))).collect();
        let looks = named.iter().map(|(name, style)| {
            let mut left = MOST_LOOKUPS;
            ((*name).to_owned(), chained(style, &named, &mut left))
        });
        Self(looks.collect())
    }

    /// How an element looks by itself and by the styles that it names, the last of which wins
    /// (TTML2 10.4.4.2).
    pub fn look(&self, element: &Element) -> Look {
        let names = element.attribute("style").unwrap_or_default().split_ascii_whitespace();
        let named = names.take(MOST_LOOKUPS).filter_map(|name| self.0.get(name));
        let named = named.fold(Look::default(), |all, look| look.over(all));
        Look::of_attributes(element).over(named)
    }
}

fn chained(style: &Element, named: &HashMap<&str, &Element>, left: &mut usize) -> Look {
    let mut all = Look::default();
    for name in style.attribute("style").unwrap_or_default().split_ascii_whitespace() {
        let Some(rest) = left.checked_sub(1) else { break };
        *left = rest;
        if let Some(style) = named.get(name) {
            all = chained(style, named, left).over(all);
        }
    }
    Look::of_attributes(style).over(all)
}
