//! WebVTT (W3C Candidate Recommendation, "WebVTT: The Web Video Text Tracks Format"), its time map
//! in HLS (RFC 8216 3.5), and its samples in ISO BMFF (ISO/IEC 14496-30).
//!
//! ```text
//! read      file    → header, cues, map, what was wrong
//! write     cues    → file, or how large it would be
//! sample    cues    → samples that cover a stretch without gaps, or how large they would be
//! inner     payload → the same with its timestamps moved
//! ```
//!
//! Reading follows the parser that the standard gives browsers: what it passes over is passed over
//! here, and counted. Settings, tags and styles are kept as they are written; nothing here knows
//! what they look like. What is written and what it measures come from one function each, so they
//! cannot disagree.

mod inner;
mod read;
pub mod sample;
#[cfg(test)]
mod tests;
mod write;

pub use inner::{has_timestamps, shifted};
pub use read::{NotWebVtt, TextFile, TimestampMap, read};
pub use write::{file, file_bytes, write_configuration};

use crate::time::{Ticks, Timescale};

/// [`Timescale::MPEG`] ticks in a millisecond.
const TICKS_PER_MILLISECOND: i64 = 90;

/// WebVTT counts milliseconds.
const MILLISECONDS: Timescale = match Timescale::new(1_000) {
    Some(timescale) => timescale,
    None => Timescale::MPEG,
};

/// A time as WebVTT writes it, to the nearest millisecond: `HH:MM:SS.mmm`, more digits for more
/// hours. Nothing lies before 0.
fn timestamp(time: Ticks) -> String {
    let milliseconds = time.rescale(Timescale::MPEG, MILLISECONDS).0.max(0);
    let seconds = milliseconds / 1_000;
    format!(
        "{:02}:{:02}:{:02}.{:03}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60,
        milliseconds % 1_000
    )
}

/// Reads a timestamp at the start of a text (WebVTT 6.2, "collect a WebVTT timestamp"): the time in
/// [`Timescale::MPEG`] ticks, and what follows.
fn parse_timestamp(text: &str) -> Option<(Ticks, &str)> {
    let (first, rest) = digits(text)?;
    let (second, rest) = two_digits(rest.strip_prefix(':')?)?;
    let is_minutes = text.len() - rest.len() == "00:00".len() && number(first)? <= 59;
    let (hours, minutes, seconds, rest) = match rest.strip_prefix(':') {
        Some(rest) => {
            let (third, rest) = two_digits(rest)?;
            (number(first)?, second, third, rest)
        }
        None if is_minutes => (0, number(first)?, second, rest),
        None => return None,
    };
    let (fraction, rest) = digits(rest.strip_prefix('.')?)?;
    if fraction.len() != 3 || minutes > 59 || seconds > 59 || hours > MOST_HOURS {
        return None;
    }
    let milliseconds = ((hours * 60 + minutes) * 60 + seconds) * 1_000 + number(fraction)?;
    Some((Ticks(milliseconds * TICKS_PER_MILLISECOND), rest))
}

/// More hours than this are no time of a film, and would overflow in the end.
const MOST_HOURS: i64 = 999_999;

fn digits(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn two_digits(text: &str) -> Option<(i64, &str)> {
    let (number, rest) = digits(text)?;
    (number.len() == 2).then_some(())?;
    Some((self::number(number)?, rest))
}

fn number(digits: &str) -> Option<i64> {
    digits.parse().ok()
}
