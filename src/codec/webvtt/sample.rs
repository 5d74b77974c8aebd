//! Cues → samples of a `wvtt` track (ISO/IEC 14496-30 7).
//!
//! ```text
//! vttc ─ vsid iden ctim sttg payl      a cue that is shown during the sample
//! vtte                                 nothing is shown
//! ```
//!
//! A sample lasts for as long as the same cues are shown, so samples neither overlap nor leave
//! gaps. A cue that is shown during several samples is in each of them, with a number (`vsid`) by
//! which players may know it again.

use super::{has_timestamps, timestamp};
use crate::codec::sink::{ByteCount, Sink};
use crate::model::text::Cue;
use crate::time::Ticks;

/// One sample, [`Timescale::MPEG`](crate::time::Timescale::MPEG) ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextSample {
    /// When it begins.
    pub start: Ticks,
    /// When it ends: where the next begins.
    pub end: Ticks,
    /// Bytes that it takes.
    pub size: u32,
}

/// The samples from `from` to `to`. `cues` are those that are shown then, each with its place among
/// all cues.
pub fn samples(cues: &[(usize, &Cue)], from: Ticks, to: Ticks) -> Vec<TextSample> {
    let mut bounds: Vec<Ticks> = cues.iter().flat_map(|(_, cue)| [cue.start, cue.end]).collect();
    bounds.retain(|bound| (from..to).contains(bound));
    bounds.extend([from, to]);
    bounds.sort_unstable();
    bounds.dedup();
    let measured = bounds.windows(2).filter_map(|pair| {
        let &[start, end] = pair else { return None };
        let mut count = ByteCount::default();
        write_sample(&mut count, cues, start);
        let size = u32::try_from(count.0).unwrap_or(u32::MAX);
        Some(TextSample { start, end, size })
    });
    measured.collect()
}

/// Appends the bytes of all samples.
pub fn write(out: &mut Vec<u8>, cues: &[(usize, &Cue)], samples: &[TextSample]) {
    for sample in samples {
        write_sample(out, cues, sample.start);
    }
}

/// The sample that begins at `at`.
fn write_sample(out: &mut impl Sink, cues: &[(usize, &Cue)], at: Ticks) {
    let mut is_empty = true;
    for (place, cue) in cues.iter().filter(|(_, cue)| cue.start <= at && at < cue.end) {
        write_cue(out, *place, cue, at);
        is_empty = false;
    }
    if is_empty {
        write_box(out, b"vtte", &[]);
    }
}

fn write_cue(out: &mut impl Sink, place: usize, cue: &Cue, at: Ticks) {
    let source = u32::try_from(place).unwrap_or(u32::MAX).to_be_bytes();
    // What is sung later counts from when the sample is shown.
    let now = if has_timestamps(&cue.payload) { timestamp(at) } else { String::new() };
    let parts: [(&[u8; 4], &[u8]); 5] = [
        (b"vsid", &source),
        (b"iden", cue.id.as_bytes()),
        (b"ctim", now.as_bytes()),
        (b"sttg", cue.settings.as_bytes()),
        (b"payl", cue.payload.as_bytes()),
    ];
    let is_there = |(kind, body): &&(&[u8; 4], &[u8])| !body.is_empty() || *kind == b"payl";
    let size: usize = parts.iter().filter(is_there).map(|(_, body)| 8 + body.len()).sum();
    put_box_header(out, b"vttc", size);
    for (kind, body) in parts.iter().filter(is_there) {
        write_box(out, kind, body);
    }
}

fn write_box(out: &mut impl Sink, kind: &[u8; 4], body: &[u8]) {
    put_box_header(out, kind, body.len());
    out.put(body);
}

fn put_box_header(out: &mut impl Sink, kind: &[u8; 4], body: usize) {
    let size = u32::try_from(body + 8).unwrap_or(u32::MAX);
    out.put(&size.to_be_bytes());
    out.put(kind);
}
