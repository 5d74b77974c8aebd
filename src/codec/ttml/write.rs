//! A document of what is active for a while. It has all styles and regions, so that it can be read
//! alone; elements within it have their whole times, counted from an origin of the caller's.

use super::time::clock_time;
use super::xml::PREFIXES;
use crate::codec::sink::{ByteCount, Sink};
use crate::model::ttml::{TtmlBody, TtmlPart, TtmlText};
use crate::time::Ticks;

/// A document with what is active at some time from `from` to before `to`. Its times count from
/// `origin`; all [`Timescale::MPEG`](crate::time::Timescale::MPEG) ticks.
pub fn document(text: &TtmlText, from: Ticks, to: Ticks, origin: Ticks) -> Vec<u8> {
    let mut out = Vec::with_capacity(2048);
    write_document(&mut out, text, from, to, origin);
    out
}

/// How large [`document()`] is.
pub fn document_bytes(text: &TtmlText, from: Ticks, to: Ticks, origin: Ticks) -> u64 {
    let mut count = ByteCount::default();
    write_document(&mut count, text, from, to, origin);
    count.0
}

fn write_document(out: &mut impl Sink, text: &TtmlText, from: Ticks, to: Ticks, origin: Ticks) {
    let bodies: Vec<&TtmlBody> =
        text.bodies.iter().filter(|body| is_active(body, from, to)).collect();
    out.text("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<tt");
    for (prefix, namespace) in PREFIXES {
        let colon = if prefix.is_empty() { "" } else { ":" };
        out.text(&format!(" xmlns{colon}{prefix}=\"{namespace}\""));
    }
    out.text(&text.root);
    out.text(">");
    write_head(out, text, &bodies, origin);
    write_bodies(out, &bodies, from, to, origin);
    out.text("</tt>\n");
}

fn is_active(body: &TtmlBody, from: Ticks, to: Ticks) -> bool {
    let mut at = 0;
    while let Some(part) = body.parts.get(at) {
        at += match part {
            TtmlPart::Start(start) if start.tag.starts_with("metadata") => skipped(start.length),
            TtmlPart::Start(start) if start.is_active(from, to) => return true,
            TtmlPart::Start(start) => skipped(start.length),
            TtmlPart::Text(_) | TtmlPart::End(_) => 1,
        };
    }
    false
}

/// The parts from a start tag through its end tag.
const fn skipped(length: u32) -> usize {
    length as usize + 2
}

fn write_head(out: &mut impl Sink, text: &TtmlText, bodies: &[&TtmlBody], origin: Ticks) {
    // Regions may be seen while nothing is in them, so there is a head where there is no text.
    let mut places: Vec<u32> = bodies.iter().map(|body| body.head).collect();
    if places.is_empty() {
        places.push(0);
    }
    places.sort_unstable();
    places.dedup();
    let heads = || places.iter().filter_map(|place| text.heads.get(*place as usize));
    out.text("<head>");
    heads().for_each(|head| out.text(&head.metadata));
    out.text("<styling>");
    heads().for_each(|head| out.text(&head.styling));
    out.text("</styling><layout>");
    heads().for_each(|head| write_parts(out, &head.layout, None, origin));
    out.text("</layout></head>");
}

fn write_bodies(out: &mut impl Sink, bodies: &[&TtmlBody], from: Ticks, to: Ticks, origin: Ticks) {
    let Some((first, rest)) = bodies.split_first() else {
        out.text("<body/>");
        return;
    };
    let agree = rest.iter().all(|body| body.attributes == first.attributes);
    let divs_alone = |body: &&&TtmlBody| {
        let mut at = 0;
        while let Some(part) = body.parts.get(at) {
            let TtmlPart::Start(start) = part else { return false };
            if !(start.tag == "div" || start.tag.starts_with("div ")) {
                return false;
            }
            at += skipped(start.length);
        }
        true
    };
    let is_shared = rest.is_empty() || (agree && bodies.iter().all(|body| divs_alone(&body)));
    if is_shared {
        out.text("<body");
        out.text(&first.attributes);
        out.text(">");
        bodies.iter().for_each(|body| write_parts(out, &body.parts, Some((from, to)), origin));
    } else {
        // What the bodies say of themselves is said by a division in their stead.
        out.text("<body>");
        for body in bodies {
            out.text("<div");
            out.text(&body.attributes);
            out.text(">");
            write_parts(out, &body.parts, Some((from, to)), origin);
            out.text("</div>");
        }
    }
    out.text("</body>");
}

/// Writes parts; with a `window` those that are active in it alone.
fn write_parts(
    out: &mut impl Sink,
    parts: &[TtmlPart],
    window: Option<(Ticks, Ticks)>,
    origin: Ticks,
) {
    // What each open element lets those within count from.
    let mut references: Vec<Ticks> = Vec::new();
    let mut at = 0;
    while let Some(part) = parts.get(at) {
        at += 1;
        match part {
            TtmlPart::Text(text) => out.text(text),
            TtmlPart::End(name) => {
                references.pop();
                out.text("</");
                out.text(name);
                out.text(">");
            }
            TtmlPart::Start(start) => {
                if window.is_some_and(|(from, to)| !start.is_active(from, to)) {
                    at += skipped(start.length) - 1;
                    continue;
                }
                let reference = references.last().copied().unwrap_or(origin);
                let begin = start.begin.max(reference);
                out.text("<");
                out.text(&start.tag);
                if start.is_timed {
                    out.text(&format!(" begin=\"{}\"", clock_time(begin.minus(reference))));
                    if let Some(end) = start.end {
                        let end = end.max(begin).minus(reference);
                        out.text(&format!(" end=\"{}\"", clock_time(end)));
                    }
                }
                if start.length == 0 {
                    out.text("/>");
                    at += 1;
                    continue;
                }
                references.push(if start.is_timed { begin } else { reference });
                out.text(">");
            }
        }
    }
}
