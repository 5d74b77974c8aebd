//! A WebVTT file → its cues, by the parser of WebVTT 6.1 to 6.3.

use super::{number, parse_timestamp};
use crate::model::text::{Cue, TextHeader};
use crate::time::Ticks;

/// What a WebVTT file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextFile {
    /// Styles, regions and other lines of the header.
    pub header: TextHeader,
    /// `X-TIMESTAMP-MAP`.
    pub map: Option<TimestampMap>,
    /// In the order of the file, their times as written.
    pub cues: Vec<Cue>,
    /// Cues that were passed over, because their times cannot be read or end before they start.
    pub broken_cues: u64,
    /// The line, from 1, and the text of the first of them.
    pub first_broken: Option<(u64, String)>,
    /// Sequences of bytes that are no UTF-8; U+FFFD stands for each.
    pub broken_bytes: u64,
    /// Whether there is an `X-TIMESTAMP-MAP` that cannot be read.
    pub map_is_broken: bool,
}

/// Which time of the cues is which time of the transport stream's clock (RFC 8216 3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampMap {
    /// A time of the cues, [`Timescale::MPEG`](crate::time::Timescale::MPEG) ticks.
    pub local: Ticks,
    /// The same time on the 90 kHz clock, modulo 2^33.
    pub clock: u64,
}

/// A file that does not begin as WebVTT files do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it does not begin with WEBVTT")]
pub struct NotWebVtt;

/// Reads a file. Broken cues are passed over and counted.
pub fn read(bytes: &[u8]) -> Result<TextFile, NotWebVtt> {
    let mut file = TextFile::default();
    let text = decoded(bytes, &mut file.broken_bytes);
    let lines: Vec<&str> = text.split('\n').collect();
    let signature = lines.first().and_then(|line| line.strip_prefix("WEBVTT"));
    if !signature.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t'])) {
        return Err(NotWebVtt);
    }
    let mut reader = Reader { file, seen_cue: false };
    let mut at = reader.header(&lines);
    while at < lines.len() {
        at = match lines.get(at) {
            Some(line) if !line.is_empty() => reader.block(&lines, at),
            _ => at + 1,
        };
    }
    Ok(reader.file)
}

/// UTF-8 without byte order mark, with line feeds for all ends of lines (WebVTT 6.1).
fn decoded(bytes: &[u8], broken: &mut u64) -> String {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
            *broken += 1;
        }
    }
    if text.contains(['\r', '\0']) {
        text = text.replace('\0', "\u{FFFD}").replace("\r\n", "\n").replace('\r', "\n");
    }
    text
}

struct Reader {
    file: TextFile,
    /// Styles and regions come before the first cue.
    seen_cue: bool,
}

impl Reader {
    /// Reads the lines below the signature; returns where the first block may begin.
    fn header(&mut self, lines: &[&str]) -> usize {
        for (at, line) in lines.iter().enumerate().skip(1) {
            if line.is_empty() || line.contains("-->") {
                return at;
            }
            if !self.map(line) {
                self.file.header.lines.push((*line).to_owned());
            }
        }
        lines.len()
    }

    /// Whether a line tells the time.
    fn map(&mut self, line: &str) -> bool {
        let Some(value) = line.strip_prefix("X-TIMESTAMP-MAP") else { return false };
        let map = value.trim_start().strip_prefix('=').and_then(parse_map);
        self.file.map_is_broken |= map.is_none();
        self.file.map = self.file.map.or(map);
        true
    }

    /// Reads the block that begins at line `first`, which is not empty; returns the line behind it
    /// (WebVTT 6.1, "collect a WebVTT block").
    fn block(&mut self, lines: &[&str], first: usize) -> usize {
        let mut cue: Option<Cue> = None;
        let (mut buffer, mut at): (Vec<&str>, usize) = (Vec::new(), first);
        let mut seen_arrow = false;
        while let Some(&line) = lines.get(at) {
            if line.is_empty() {
                at += 1;
                break;
            }
            if line.contains("-->") {
                if seen_arrow || at > first + 1 {
                    // Another cue begins without a blank line before it.
                    break;
                }
                seen_arrow = true;
                match timings(line) {
                    Some((start, end, settings)) => {
                        let id = buffer.join("\n");
                        cue = Some(Cue { start, end, id, settings, payload: String::new() });
                        buffer.clear();
                        self.seen_cue = true;
                    }
                    None => {
                        self.file.broken_cues += 1;
                        self.file
                            .first_broken
                            .get_or_insert_with(|| (at as u64 + 1, line.to_owned()));
                    }
                }
            } else {
                buffer.push(line);
            }
            at += 1;
        }
        match cue {
            Some(cue) => self.file.cues.push(Cue { payload: buffer.join("\n"), ..cue }),
            None if !seen_arrow => self.other(&buffer),
            None => {}
        }
        at
    }

    /// A block that is no cue.
    fn other(&mut self, lines: &[&str]) {
        let Some((first, rest)) = lines.split_first() else { return };
        // Some segmenters leave a blank line before it.
        if self.map(first) || self.seen_cue || rest.is_empty() {
            return;
        }
        for kind in ["STYLE", "REGION"] {
            let is_of_kind =
                first.strip_prefix(kind).is_some_and(|rest| rest.trim_ascii().is_empty());
            if is_of_kind {
                self.file.header.blocks.push(format!("{kind}\n{}", rest.join("\n")));
            }
        }
    }
}

/// `X-TIMESTAMP-MAP` behind the equals sign: `MPEGTS:n,LOCAL:t` in either order.
fn parse_map(value: &str) -> Option<TimestampMap> {
    let (mut local, mut clock) = (None, None);
    for part in value.split(',') {
        let (name, value) = part.trim().split_once(':')?;
        match name.trim() {
            "LOCAL" => local = parse_timestamp(value.trim()).map(|(time, _)| time),
            "MPEGTS" => clock = Some(number(value.trim()).filter(|clock| *clock >= 0)?),
            _ => {}
        }
    }
    Some(TimestampMap { local: local?, clock: clock? as u64 & ((1 << 33) - 1) })
}

/// The times and settings of a cue (WebVTT 6.3).
fn timings(line: &str) -> Option<(Ticks, Ticks, String)> {
    let space = |c: char| matches!(c, ' ' | '\t' | '\x0C');
    let (start, rest) = parse_timestamp(line.trim_start_matches(space))?;
    let rest = rest.trim_start_matches(space).strip_prefix("-->")?;
    let (end, rest) = parse_timestamp(rest.trim_start_matches(space))?;
    (start < end).then(|| (start, end, rest.trim_matches(space).to_owned()))
}
