//! Cues → a WebVTT file, for a whole period or a segment of it.

use super::read::TimestampMap;
use super::{shifted, timestamp};
use crate::codec::sink::{ByteCount, Sink};
use crate::model::text::{Cue, TextHeader};
use crate::time::Ticks;

/// A file with these cues. Their times and those within them are written earlier by `origin`,
/// [`Timescale::MPEG`](crate::time::Timescale::MPEG) ticks; none before 0.
pub fn file<'a>(
    header: &TextHeader,
    map: Option<TimestampMap>,
    cues: impl Iterator<Item = &'a Cue>,
    origin: Ticks,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    write_file(&mut out, header, map, cues, origin);
    out
}

/// How large [`file()`] is.
pub fn file_bytes<'a>(
    header: &TextHeader,
    map: Option<TimestampMap>,
    cues: impl Iterator<Item = &'a Cue>,
    origin: Ticks,
) -> u64 {
    let mut count = ByteCount::default();
    write_file(&mut count, header, map, cues, origin);
    count.0
}

/// What `vttC` says: everything before the cues (ISO/IEC 14496-30 7.4).
pub fn write_configuration(header: &TextHeader) -> Vec<u8> {
    let mut out = Vec::new();
    write_header(&mut out, header, None);
    out
}

fn write_file<'a>(
    out: &mut impl Sink,
    header: &TextHeader,
    map: Option<TimestampMap>,
    cues: impl Iterator<Item = &'a Cue>,
    origin: Ticks,
) {
    write_header(out, header, map);
    out.text("\n\n");
    for cue in cues {
        write_cue(out, cue, origin);
    }
}

fn write_header(out: &mut impl Sink, header: &TextHeader, map: Option<TimestampMap>) {
    out.text("WEBVTT");
    if let Some(map) = map {
        // In this order, which is the standard's; some players know no other.
        let clock = map.clock;
        out.text(&format!("\nX-TIMESTAMP-MAP=MPEGTS:{clock},LOCAL:{}", timestamp(map.local)));
    }
    for line in &header.lines {
        out.text("\n");
        out.text(line);
    }
    for block in &header.blocks {
        out.text("\n\n");
        out.text(block);
    }
}

fn write_cue(out: &mut impl Sink, cue: &Cue, origin: Ticks) {
    if !cue.id.is_empty() {
        out.text(&cue.id);
        out.text("\n");
    }
    out.text(&timestamp(cue.start.minus(origin)));
    out.text(" --> ");
    out.text(&timestamp(cue.end.minus(origin)));
    if !cue.settings.is_empty() {
        out.text(" ");
        out.text(&cue.settings);
    }
    out.text("\n");
    if !cue.payload.is_empty() {
        out.text(&shifted(&cue.payload, Ticks::ZERO.minus(origin)));
        out.text("\n");
    }
    out.text("\n");
}
