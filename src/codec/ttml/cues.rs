//! Paragraphs of TTML → cues of WebVTT: text, ends of lines, slant, weight, lines below and ruby.
//! Places, colours and sizes are lost; so is what is animated.

use super::read::NEVER;
use crate::model::text::Cue;
use crate::time::Ticks;

/// A paragraph and when it is shown.
#[derive(Debug, Default)]
pub(super) struct Paragraph {
    pub begin: Ticks,
    pub end: Option<Ticks>,
    pub runs: Vec<Run>,
}

/// Text of one look.
#[derive(Debug)]
pub(super) struct Run {
    pub text: String,
    pub is_break: bool,
    pub begin: Ticks,
    pub end: Option<Ticks>,
    pub italic: bool,
    pub bold: bool,
    pub underline: bool,
    /// Which ruby container it is in, and whether it is the text beside the base.
    pub ruby: Option<(u32, bool)>,
    pub keeps_space: bool,
}

/// A paragraph whose parts come and go becomes a cue for each stretch in which they do not; in all
/// no more than this many times the bytes of the document, so that no document grows without bound.
/// What goes beyond it is shown for its whole time.
const MOST_GROWTH: usize = 16;

/// The cues of all paragraphs, in order of their start.
pub(super) fn cues(paragraphs: Vec<Paragraph>, document_bytes: usize) -> Vec<Cue> {
    let mut left = document_bytes.saturating_mul(MOST_GROWTH);
    let mut cues = Vec::with_capacity(paragraphs.len());
    for paragraph in &paragraphs {
        let (from, to) = (paragraph.begin, paragraph.end.unwrap_or(NEVER));
        if from >= NEVER {
            continue;
        }
        let times = paragraph.runs.iter().flat_map(|run| [run.begin, run.end.unwrap_or(NEVER)]);
        let mut bounds: Vec<Ticks> = times.filter(|time| *time > from && *time < to).collect();
        bounds.extend([from, to]);
        bounds.sort_unstable();
        bounds.dedup();
        let text: usize = paragraph.runs.iter().map(|run| run.text.len() + 1).sum();
        match left.checked_sub(text.saturating_mul(bounds.len())) {
            Some(rest) => left = rest,
            None => bounds = vec![from, to],
        }
        for pair in bounds.windows(2) {
            let &[start, end] = pair else { continue };
            let is_shown =
                |run: &&Run| run.begin < end && run.end.is_none_or(|run_end| run_end > start);
            let payload = payload(paragraph.runs.iter().filter(is_shown));
            if !payload.is_empty() && start < end {
                push(&mut cues, Cue { start, end, payload, ..Cue::default() });
            }
        }
    }
    cues.sort_by_key(|cue| cue.start);
    cues
}

/// Adds a cue, or lets the one before last longer where it says the same.
fn push(cues: &mut Vec<Cue>, cue: Cue) {
    match cues.last_mut() {
        Some(last) if last.end == cue.start && last.payload == cue.payload => last.end = cue.end,
        _ => cues.push(cue),
    }
}

/// The text of a cue (W3C WebVTT 4.2.2), without blank lines, and without spaces around lines
/// where they do not count.
fn payload<'a>(runs: impl Iterator<Item = &'a Run>) -> String {
    let mut out = Writer::default();
    for run in runs {
        out.look(run);
        if run.is_break {
            out.line_end();
            continue;
        }
        for character in run.text.chars() {
            match character {
                '\n' | '\r' if run.keeps_space => out.line_end(),
                ' ' | '\t' | '\n' | '\r' if !run.keeps_space => out.space(),
                // What WebVTT does not have at all.
                '\0' => {}
                character => out.character(character),
            }
        }
    }
    out.finish()
}

/// Tags around a stretch of text, outermost first.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Tags {
    ruby: Option<u32>,
    beside: bool,
    italic: bool,
    bold: bool,
    underline: bool,
}

impl Tags {
    fn names(self) -> impl DoubleEndedIterator<Item = &'static str> {
        let all = [
            (self.ruby.is_some(), "ruby"),
            (self.beside, "rt"),
            (self.italic, "i"),
            (self.bold, "b"),
            (self.underline, "u"),
        ];
        all.into_iter().filter(|(is, _)| *is).map(|(_, name)| name)
    }

    /// The same without what lies within ruby.
    const fn ruby_alone(self) -> Self {
        let none = Self { ruby: None, beside: false, italic: false, bold: false, underline: false };
        Self { ruby: self.ruby, ..none }
    }
}

#[derive(Default)]
struct Writer {
    out: String,
    open: Tags,
    wished: Tags,
    /// A space or an end of line that is written if something follows it.
    owes_space: bool,
    owes_line: bool,
}

impl Writer {
    fn look(&mut self, run: &Run) {
        self.wished = Tags {
            ruby: run.ruby.map(|(container, _)| container),
            beside: run.ruby.is_some_and(|(_, beside)| beside),
            italic: run.italic,
            bold: run.bold,
            underline: run.underline,
        };
    }

    const fn space(&mut self) {
        self.owes_space = true;
    }

    const fn line_end(&mut self) {
        self.owes_line = true;
        self.owes_space = false;
    }

    fn character(&mut self, character: char) {
        let is_first = self.out.is_empty();
        if self.open != self.wished {
            // Tags of one ruby stay open from the base to what is beside it.
            let stay = match self.open.ruby == self.wished.ruby {
                true => self.open.ruby_alone(),
                false => Tags::default(),
            };
            self.close(stay);
            self.owed(is_first);
            let open: Vec<&str> = self.wished.names().skip(stay.names().count()).collect();
            open.iter().for_each(|name| self.out.push_str(&format!("<{name}>")));
            self.open = self.wished;
        } else {
            self.owed(is_first);
        }
        match character {
            '&' => self.out.push_str("&amp;"),
            '<' => self.out.push_str("&lt;"),
            '>' => self.out.push_str("&gt;"),
            character => self.out.push(character),
        }
    }

    fn owed(&mut self, is_first: bool) {
        if !is_first {
            match (self.owes_line, self.owes_space) {
                (true, _) => self.out.push('\n'),
                (false, true) => self.out.push(' '),
                (false, false) => {}
            }
        }
        (self.owes_line, self.owes_space) = (false, false);
    }

    fn close(&mut self, stay: Tags) {
        let names: Vec<&str> = self.open.names().skip(stay.names().count()).collect();
        names.iter().rev().for_each(|name| self.out.push_str(&format!("</{name}>")));
    }

    fn finish(mut self) -> String {
        self.close(Tags::default());
        self.out
    }
}
