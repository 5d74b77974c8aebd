//! Dates as playlists write them: ISO 8601 with milliseconds, UTC (RFC 8216 4.3.2.6).

use ::time::{Date, OffsetDateTime};

/// `2010-02-19T14:54:23.031Z` from milliseconds since the start of 1970, UTC. What lies outside the
/// years 0 to 9999, for which ISO 8601 has four digits, is the nearest date inside.
pub fn iso8601(unix_milliseconds: i64) -> String {
    let nanoseconds = i128::from(unix_milliseconds) * 1_000_000;
    let date = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).unwrap_or_else(|_| {
        let is_early = unix_milliseconds < 0;
        if is_early { first() } else { Date::MAX.midnight().assume_utc() }
    });
    let date = date.max(first());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        date.hour(),
        date.minute(),
        date.second(),
        date.millisecond()
    )
}

/// The first day of the year 0.
fn first() -> OffsetDateTime {
    let date = Date::from_ordinal_date(0, 1).unwrap_or(Date::MIN);
    date.midnight().assume_utc()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::time::format_description::well_known::Rfc3339;
    use proptest::prelude::*;

    #[test]
    fn dates_have_milliseconds_and_a_zone() {
        assert_eq!(iso8601(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso8601(1_266_562_463_031), "2010-02-19T06:54:23.031Z");
        assert_eq!(iso8601(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(iso8601(i64::MIN), "0000-01-01T00:00:00.000Z");
        assert_eq!(&iso8601(i64::MAX)[..5], "9999-");
    }

    proptest! {
        #[test]
        fn another_reader_agrees(unix in -62_000_000_000_000_i64..250_000_000_000_000) {
            let read = OffsetDateTime::parse(&iso8601(unix), &Rfc3339).unwrap();
            prop_assert_eq!(read.unix_timestamp_nanos(), i128::from(unix) * 1_000_000);
        }
    }
}
