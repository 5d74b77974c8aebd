//! Timestamps within the text of a cue, `<00:19.000>`, which tell when a word is sung or said
//! (WebVTT 4.2.2). They count as the cue's own times do, so they move with them.

use std::borrow::Cow;

use super::{parse_timestamp, timestamp};
use crate::time::Ticks;

/// Whether a text has any.
pub fn has_timestamps(payload: &str) -> bool {
    next_timestamp(payload).is_some()
}

/// The text with its timestamps moved by `by`, [`Timescale::MPEG`](crate::time::Timescale::MPEG)
/// ticks; all else stays as it is.
pub fn shifted(payload: &str, by: Ticks) -> Cow<'_, str> {
    if by == Ticks::ZERO || next_timestamp(payload).is_none() {
        return Cow::Borrowed(payload);
    }
    let mut out = String::with_capacity(payload.len() + 8);
    let mut rest = payload;
    while let Some((before, time, behind)) = next_timestamp(rest) {
        out.push_str(before);
        out.push('<');
        out.push_str(&timestamp(time.plus(by)));
        out.push('>');
        rest = behind;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The first timestamp tag: what stands before it, its time, what stands behind it.
fn next_timestamp(text: &str) -> Option<(&str, Ticks, &str)> {
    text.match_indices('<').find_map(|(at, _)| {
        let (before, tag) = text.split_at_checked(at)?;
        let (time, behind) = parse_timestamp(tag.strip_prefix('<')?)?;
        Some((before, time, behind.strip_prefix('>')?))
    })
}
