//! Times as RFC 3339 text in UTC with exactly six decimals.
//!
//! The fixed width makes the order of the text the order of time, which the stores' indexes and
//! page cursors lean on.

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// `time` cut to what [`to_text`] can write.
pub fn whole_microseconds(time: OffsetDateTime) -> OffsetDateTime {
    time - time::Duration::nanoseconds(i64::from(time.nanosecond() % 1000))
}

/// `2026-09-23T10:11:12.123456Z`.
pub fn to_text(time: OffsetDateTime) -> String {
    let time = time.to_offset(UtcOffset::UTC);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.microsecond(),
    )
}

/// Reads what [`to_text`] wrote; `None` for anything else.
pub fn from_text(text: &str) -> Option<OffsetDateTime> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    (to_text(time) == text).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_a_fixed_width_and_reads_back() {
        let time = OffsetDateTime::from_unix_timestamp_nanos(1_790_000_000_000_123_999).unwrap();
        let text = to_text(time);
        assert_eq!(text, "2026-09-21T14:13:20.000123Z");
        assert_eq!(from_text(&text), Some(whole_microseconds(time)));
    }

    #[test]
    fn other_spellings_are_not_ours() {
        for text in ["", "2026-09-21", "2026-09-21T14:13:20Z", "2026-09-21T16:13:20.000123+02:00"] {
            assert_eq!(from_text(text), None, "{text}");
        }
    }
}
