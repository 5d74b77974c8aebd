//! WebVTT files with clocks of their own → one text on the timeline of the presentation.
//!
//! `X-TIMESTAMP-MAP` names a time of the 33-bit clock, which is a different time of the timeline in
//! each period, and wraps. Of all that it may mean, the one is taken that lies where the playlist
//! puts the file. A file without a map is counted from the start of the presentation, as most
//! players do; or from 0 of the clock, as RFC 8216 3.5 has it, where that alone fits the playlist.
//!
//! A cue that neighbouring files repeat, because it is shown across their border, becomes one.
//!
//! TTML documents count from the start of the presentation, or each from where the playlist puts it
//! where that alone fits.

use std::collections::HashSet;
use std::time::Duration;

use super::{PlacedFile, ReadText};
use crate::codec::ttml;
use crate::codec::webvtt::{TimestampMap, shifted};
use crate::model::ingest::{FindingCode, Findings, Place};
use crate::model::presentation::{Medium, Presentation};
use crate::model::text::{Cue, TextHeader, TextStream};
use crate::model::ttml::{TtmlPart, TtmlText};
use crate::time::Ticks;

/// 33-bit clocks repeat after this.
const CLOCK_PERIOD: i64 = 1 << 33;
/// Two cues whose times differ by no more than this, a millisecond, may be one.
const SAME_TIME: i64 = 90;

/// A rendition on the timeline.
pub(super) fn on_timeline(
    presentation: &Presentation,
    text: &ReadText,
    findings: &mut Findings,
) -> TextStream {
    let timeline = Timeline::of(presentation);
    let without_map = timeline.reading_without_map(text, findings);
    let mut joined = Joined::default();
    let mut documents = Documents::default();
    for placed in &text.files {
        let shift = match placed.file.map {
            Some(map) => timeline.shift(placed, map),
            None => match without_map {
                WithoutMap::TitleStart => timeline.start,
                WithoutMap::ClockZero => timeline.shift(placed, CLOCK_ZERO),
                WithoutMap::PlaylistTime => timeline.window(placed).0,
            },
        };
        if let Some(document) = &placed.document {
            documents.add(document, shift, timeline.end);
        }
        joined.header(&placed.file.header);
        joined.cues(&placed.file.cues, shift);
    }
    let mut cues = joined.cues;
    let count = cues.len();
    cues.retain(|cue| cue.end > Ticks::ZERO && cue.start < timeline.end);
    let outside = (count - cues.len()) as u64;
    let detail = format!("cues of {} are shown before the title begins or after it ends", text.uri);
    findings.add_many(FindingCode::CuesOutside, Place::stream(&text.uri), outside, detail);
    for cue in &mut cues {
        cue.start = cue.start.max(Ticks::ZERO);
    }
    cues.sort_by_key(|cue| cue.start);
    let ttml = documents.finish();
    if ttml.is_some() {
        // What has no end of its own ends with the title.
        cues.iter_mut().for_each(|cue| cue.end = cue.end.min(timeline.end));
    }
    TextStream {
        ttml,
        uri: text.uri.clone(),
        description: text.description.clone(),
        stable_id: text.stable_id.clone(),
        header: joined.header,
        cues,
    }
}

/// Puts all renditions on the timeline and tells what is wrong with them.
pub(in crate::index) fn place(
    presentation: &Presentation,
    texts: &[ReadText],
    findings: &mut Findings,
) -> Vec<TextStream> {
    texts
        .iter()
        .map(|text| {
            find_damage(text, findings);
            on_timeline(presentation, text, findings)
        })
        .collect()
}

fn find_damage(text: &ReadText, findings: &mut Findings) {
    for PlacedFile { path, file, document, .. } in &text.files {
        let at = || Place::stream(&text.uri).file(path);
        if let Some(document) = document {
            let times = document.first_broken.as_deref().unwrap_or_default();
            let detail = format!("{path}: the times {times:?} of an element cannot be read");
            findings.add_many(FindingCode::CuesBroken, at(), document.broken, detail);
        }
        let (line, times) = file.first_broken.as_ref().map_or((1, ""), |(l, t)| (*l, t.as_str()));
        let detail = format!("{path}, line {line}: the times {times:?} of a cue cannot be read");
        findings.add_many(FindingCode::CuesBroken, at().line(line), file.broken_cues, detail);
        let detail = format!("{path} has bytes that are no UTF-8");
        findings.add_many(FindingCode::TextUndecodable, at(), file.broken_bytes, detail);
        if file.map_is_broken {
            let detail = format!("the X-TIMESTAMP-MAP of {path} cannot be read");
            findings.add(FindingCode::TextClockAssumed, at(), detail);
        }
    }
}

/// What RFC 8216 3.5 has clients assume without a map.
const CLOCK_ZERO: TimestampMap = TimestampMap { local: Ticks::ZERO, clock: 0 };

#[derive(Clone, Copy, PartialEq, Eq)]
enum WithoutMap {
    TitleStart,
    ClockZero,
    PlaylistTime,
}

/// What text is placed by; all times at 90 kHz.
struct Timeline {
    start: Ticks,
    end: Ticks,
    /// Start and end of each period, and its clock minus the timeline.
    periods: Vec<(Ticks, Ticks, Ticks)>,
}

impl Timeline {
    fn of(presentation: &Presentation) -> Self {
        let mut periods = Vec::new();
        for (index, period) in presentation.periods.iter().enumerate() {
            let track = |medium| {
                let streams = 0..presentation.streams.len();
                streams.filter_map(move |stream| presentation.track(stream, index, medium)).next()
            };
            if let Some(track) = track(Medium::Video).or_else(|| track(Medium::Audio)) {
                periods.push((
                    period.start,
                    period.start.plus(period.duration),
                    track.clock_offset,
                ));
            }
        }
        let start = presentation.periods.first().map_or(Ticks::ZERO, |period| period.start);
        Self { start, end: start.plus(presentation.duration()), periods }
    }

    /// When the playlist has a file shown.
    fn window(&self, placed: &PlacedFile) -> (Ticks, Ticks) {
        let from = self.start.plus(ticks(placed.at));
        (from, placed.duration.map_or(self.end.max(from), |length| from.plus(ticks(length))))
    }

    /// What to add to the times of a file.
    fn shift(&self, placed: &PlacedFile, map: TimestampMap) -> Ticks {
        self.best_shift(placed, map).map_or(self.start.minus(map.local), |(_, shift)| shift)
    }

    /// How far off the cues of a file are at best, and what to add to their times for that.
    fn best_shift(&self, placed: &PlacedFile, map: TimestampMap) -> Option<(i64, Ticks)> {
        let window = self.window(placed);
        let first = placed.file.cues.first().map_or(map.local, |cue| cue.start);
        let candidates = self.periods.iter().map(|(start, end, offset)| {
            let shift = Ticks(map.clock as i64).minus(map.local).minus(*offset);
            // By whole wraps to where the playlist has it.
            let half = CLOCK_PERIOD / 2;
            let off = first.plus(shift).minus(window.0).0;
            let wraps = off.saturating_add(half).div_euclid(CLOCK_PERIOD);
            let shift = shift.minus(Ticks(wraps.saturating_mul(CLOCK_PERIOD)));
            // Of two that are equally good, that of the period in which the file begins.
            let distance = (start.minus(window.0).0).max(window.0.minus(*end).0 + 1).max(0);
            (misfit(&placed.file.cues, shift, window), distance, shift)
        });
        let best = candidates.min_by_key(|(misfit, distance, _)| (*misfit, *distance))?;
        Some((best.0, best.2))
    }

    /// How the files without a map are meant.
    fn reading_without_map(&self, text: &ReadText, findings: &mut Findings) -> WithoutMap {
        let silent =
            |placed: &&PlacedFile| placed.file.map.is_none() && !placed.file.cues.is_empty();
        let is_ttml = text.files.iter().any(|placed| placed.document.is_some());
        let (mut count, mut from_start, mut from_clock, mut from_file) = (0, 0_i64, 0_i64, 0_i64);
        for placed in text.files.iter().filter(silent) {
            // One that cannot be read is counted already.
            count += u64::from(!placed.file.map_is_broken);
            let window = self.window(placed);
            from_start = from_start.saturating_add(misfit(&placed.file.cues, self.start, window));
            from_file = from_file.saturating_add(misfit(&placed.file.cues, window.0, window));
            let off = self.best_shift(placed, CLOCK_ZERO).map_or(i64::MAX, |(misfit, _)| misfit);
            from_clock = from_clock.saturating_add(off);
        }
        let (reading, words) = match is_ttml {
            // TTML has no map, and this is what it means without one.
            true if from_start <= from_file => return WithoutMap::TitleStart,
            true => (WithoutMap::PlaylistTime, "each from where the playlist puts it"),
            false if from_start <= from_clock => {
                (WithoutMap::TitleStart, "from the start of the title")
            }
            false => {
                let words = "on the clock of the media, where alone they fit the playlist";
                (WithoutMap::ClockZero, words)
            }
        };
        let what = if is_ttml { "documents" } else { "files" };
        let lack = if is_ttml { "are TTML" } else { "have no X-TIMESTAMP-MAP" };
        let detail = format!("{what} of {} {lack}; their times count {words}", text.uri);
        let at = Place::stream(&text.uri);
        findings.add_many(FindingCode::TextClockAssumed, at, count, detail);
        reading
    }
}

/// How far, in all, cues are shown outside a window.
fn misfit(cues: &[Cue], shift: Ticks, (from, to): (Ticks, Ticks)) -> i64 {
    let off = cues.iter().map(|cue| {
        let (start, end) = (cue.start.plus(shift), cue.end.plus(shift));
        from.minus(end).0.max(start.minus(to).0).max(0)
    });
    off.fold(0, i64::saturating_add)
}

fn ticks(duration: Duration) -> Ticks {
    let ticks = duration.as_nanos().saturating_mul(9) / 100_000;
    Ticks(i64::try_from(ticks).unwrap_or(i64::MAX / 4).min(i64::MAX / 4))
}

/// The TTML documents of a rendition as one.
#[derive(Default)]
struct Documents {
    text: TtmlText,
    /// Paragraphs of the document before.
    before: HashSet<Vec<TtmlPart>>,
}

impl Documents {
    fn add(&mut self, document: &ttml::Document, shift: Ticks, end: Ticks) {
        let (mut head, mut body) = (document.head.clone(), document.body.clone());
        ttml::shift(&mut head, &mut body, shift);
        ttml::end_paragraphs(&mut body, end);
        // That they agree has been seen to.
        self.text.root.clone_from(&document.root);
        let known = self.text.heads.iter().position(|other| *other == head);
        let place = known.unwrap_or(self.text.heads.len());
        if known.is_none() {
            self.text.heads.push(head);
        }
        body.head = u32::try_from(place).unwrap_or(u32::MAX);
        let own = ttml::paragraphs(&body);
        ttml::leave_out(&mut body, &self.before);
        self.before = own;
        self.text.bodies.push(body);
    }

    fn finish(self) -> Option<TtmlText> {
        (!self.text.bodies.is_empty()).then_some(self.text)
    }
}

/// The files of a rendition as one.
#[derive(Default)]
struct Joined {
    header: TextHeader,
    cues: Vec<Cue>,
    /// Places in `cues` of those that the file before had.
    before: Vec<usize>,
}

impl Joined {
    /// Adds what no file before said.
    fn header(&mut self, header: &TextHeader) {
        let add = |known: &mut Vec<String>, more: &[String]| {
            for one in more {
                if !known.contains(one) {
                    known.push(one.clone());
                }
            }
        };
        add(&mut self.header.lines, &header.lines);
        add(&mut self.header.blocks, &header.blocks);
    }

    fn cues(&mut self, cues: &[Cue], shift: Ticks) {
        let mut own = Vec::with_capacity(cues.len());
        for cue in cues {
            let cue = Cue {
                start: cue.start.plus(shift),
                end: cue.end.plus(shift),
                payload: shifted(&cue.payload, shift).into_owned(),
                ..cue.clone()
            };
            let known = self
                .before
                .iter()
                .copied()
                .find(|place| self.cues.get(*place).is_some_and(|other| is_same(other, &cue)));
            own.push(known.unwrap_or(self.cues.len()));
            if known.is_none() {
                self.cues.push(cue);
            }
        }
        self.before = own;
    }
}

fn is_same(one: &Cue, other: &Cue) -> bool {
    let near = |a: Ticks, b: Ticks| a.minus(b).0.abs() <= SAME_TIME;
    near(one.start, other.start)
        && near(one.end, other.end)
        && (&one.id, &one.settings, &one.payload) == (&other.id, &other.settings, &other.payload)
}

#[cfg(test)]
#[path = "place_tests.rs"]
mod tests;
