//! `EXT-X-PROGRAM-DATE-TIME`: a date and time of ISO 8601 (RFC 8216 4.3.2.6), in whole milliseconds.

use ::time::{Date, Month};

use super::number;

/// 1 January 1970.
const UNIX_JULIAN_DAY: i64 = 2_440_588;

/// A point in time, and how far the clock of the place was ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramDateTime {
    /// Since the start of 1970, UTC. Without a zone the time is taken as UTC.
    pub unix_milliseconds: i64,
    /// The zone as written, minutes ahead of UTC; `None` where it is not written.
    pub offset_minutes: Option<i16>,
}

impl ProgramDateTime {
    /// Reads `2010-02-19T14:54:23.031+08:00`. `T` may be a space, seconds may be missing, and the
    /// zone may be `Z`, `+08:00`, `+0800` or `+08`.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_at_checked(10)?;
        let time = rest.strip_prefix(['T', 't', ' '])?;
        let [year, month, day] = split_fields::<3>(date, '-')?;
        let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
        let year = i32::try_from(year).ok()?;
        let date = Date::from_calendar_date(year, month, u8::try_from(day).ok()?).ok()?;

        let zone_at = time.find(['Z', 'z', '+', '-', '\u{2212}']).unwrap_or(time.len());
        let (clock, zone) = time.split_at_checked(zone_at)?;
        let offset_minutes = if zone.is_empty() { None } else { Some(parse_zone(zone)?) };
        let milliseconds = clock_milliseconds(clock.trim_end())?;
        let days = i64::from(date.to_julian_day()) - UNIX_JULIAN_DAY;
        let offset = i64::from(offset_minutes.unwrap_or(0)) * 60_000;
        Some(Self { unix_milliseconds: days * 86_400_000 + milliseconds - offset, offset_minutes })
    }
}

/// `14:54:23.031` or `14:54`; a leap second is the one after.
fn clock_milliseconds(text: &str) -> Option<i64> {
    let mut fields = text.splitn(3, ':');
    let hours = two_digits(fields.next()?).filter(|hours| *hours < 24)?;
    let minutes = two_digits(fields.next()?).filter(|minutes| *minutes < 60)?;
    let seconds = match fields.next() {
        Some(seconds) => {
            let whole = seconds.split(['.', ',']).next()?;
            two_digits(whole)?;
            number::thousandths(&seconds.replace(',', "."))?
        }
        None => 0,
    };
    let seconds = i64::try_from(seconds).ok().filter(|seconds| *seconds < 61_000)?;
    Some((hours * 60 + minutes) * 60_000 + seconds)
}

fn parse_zone(zone: &str) -> Option<i16> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (negative, digits) = match zone.strip_prefix('+') {
        Some(digits) => (false, digits),
        None => (true, zone.strip_prefix(['-', '\u{2212}'])?),
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) => (hours, minutes),
        None if digits.len() == 2 => (digits, "00"),
        None => digits.split_at_checked(2)?,
    };
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let total = i16::try_from(hours * 60 + minutes).ok()?;
    Some(if negative { -total } else { total })
}

fn two_digits(text: &str) -> Option<i64> {
    let value = number::integer(text).filter(|_| text.len() == 2)?;
    i64::try_from(value).ok()
}

fn split_fields<const N: usize>(text: &str, separator: char) -> Option<[u64; N]> {
    let fields: Option<Vec<u64>> = text.split(separator).map(number::integer).collect();
    fields?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::time::OffsetDateTime;
    use ::time::format_description::well_known::Rfc3339;
    use proptest::prelude::*;

    #[test]
    fn zones_and_fractions_are_kept() {
        for (text, unix_milliseconds, offset_minutes) in [
            ("2010-02-19T14:54:23.031+08:00", 1_266_562_463_031, Some(480)),
            ("2010-02-19T14:54:23.031+0800", 1_266_562_463_031, Some(480)),
            ("2010-02-19 14:54:23.031+08", 1_266_562_463_031, Some(480)),
            ("2010-02-19T06:54:23.0314Z", 1_266_562_463_031, Some(0)),
            ("2010-02-19T06:54:23,0315", 1_266_562_463_032, None),
            ("2016-06-22T09:20:16.166-04:00", 1_466_601_616_166, Some(-240)),
            ("1969-12-31T23:59:59.999Z", -1, Some(0)),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000, Some(0)),
            ("2024-02-29T00:00Z", 1_709_164_800_000, Some(0)),
        ] {
            let read = ProgramDateTime::parse(text);
            assert_eq!(read, Some(ProgramDateTime { unix_milliseconds, offset_minutes }), "{text}");
        }
        for bad in [
            "",
            "yesterday",
            "2023-02-29T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-01-01",
            "2023-01-01T24:00:00Z",
            "2023-01-01T00:60:00Z",
            "2023-01-01T00:00:61Z",
            "2023-01-01T00:00:00+24:00",
            "2023-01-01T00:00:00+1",
            "2023-01-01T1:00:00Z",
            "２０２３-01-01T00:00:00Z",
        ] {
            assert_eq!(ProgramDateTime::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn another_reader_agrees(unix in -60_000_000_000_i64..200_000_000_000, milliseconds in 0..1000_i64) {
            let at = OffsetDateTime::from_unix_timestamp(unix).unwrap()
                + ::time::Duration::milliseconds(milliseconds);
            let read = ProgramDateTime::parse(&at.format(&Rfc3339).unwrap()).unwrap();
            prop_assert_eq!(read.unix_milliseconds, unix * 1000 + milliseconds);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            let _ = ProgramDateTime::parse(&text);
        }
    }
}
