//! Time expressions (TTML2 12.3.1) in whole ticks of 90 kHz, each rounded once.

use super::TtmlError;
use super::xml::Element;
use crate::time::{Ticks, Timescale};

/// What frames and ticks mean in a document (TTML2 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimeRules {
    /// Frames in so many seconds: numerator and denominator of the effective frame rate.
    frames: (u64, u64),
    sub_frames: u32,
    ticks: (u64, u64),
}

/// More hours than this are no time of a film, and would overflow in the end.
const MOST_HOURS: i128 = 999_999;
/// Digits of a fraction that count: nanoseconds are well below a tick.
const MOST_FRACTION: usize = 9;

impl TimeRules {
    /// What the attributes of `tt` say. Numbers that cannot be read count as if they were not
    /// there.
    pub fn of(root: &Element) -> Result<Self, TtmlError> {
        match root.attribute("ttp:timeBase") {
            None | Some("media") => {}
            Some(other) => return Err(TtmlError::TimeBase(other.chars().take(20).collect())),
        }
        let number = |name| root.attribute(name).and_then(positive);
        let rate = number("ttp:frameRate");
        let multiplier = root.attribute("ttp:frameRateMultiplier").and_then(|text| {
            // Older documents have a colon between them.
            let mut parts = text.split([' ', ':']).filter(|part| !part.is_empty());
            let pair = (positive(parts.next()?)?, parts.next().map_or(Some(1), positive)?);
            parts.next().is_none().then_some(pair)
        });
        let (more, less) = multiplier.unwrap_or((1, 1));
        let frames = (u64::from(rate.unwrap_or(30)) * u64::from(more), u64::from(less));
        let sub_frames = number("ttp:subFrameRate").unwrap_or(1);
        let ticks = match (number("ttp:tickRate"), rate) {
            (Some(rate), _) => (u64::from(rate), 1),
            (None, Some(_)) => (frames.0.saturating_mul(u64::from(sub_frames)), frames.1),
            (None, None) => (1, 1),
        };
        Ok(Self { frames, sub_frames, ticks })
    }

    /// Reads a time expression.
    pub fn parse(&self, text: &str) -> Option<Ticks> {
        let text = text.trim();
        if text.contains(':') { self.clock(text) } else { self.offset(text) }
    }

    /// `hh:mm:ss`, a fraction or frames behind it.
    fn clock(&self, text: &str) -> Option<Ticks> {
        let mut parts = text.split(':');
        let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
        let frames = parts.next();
        if parts.next().is_some() || hours.len() < 2 || minutes.len() != 2 {
            return None;
        }
        let (hours, minutes) = (whole(hours)?, whole(minutes)?);
        let two_digits = seconds.split('.').next().is_some_and(|whole| whole.len() == 2);
        let (seconds, unit) = decimal(seconds)?;
        if hours > MOST_HOURS || minutes > 59 || !two_digits || seconds > 60 * unit {
            return None;
        }
        let time = ticks((hours * 60 + minutes) * 60 * unit + seconds, unit)?;
        let Some(frames) = frames else { return Some(time) };
        if unit != 1 {
            return None;
        }
        let (frames, sub) = frames.split_once('.').unwrap_or((frames, "0"));
        let sub_frames = i128::from(self.sub_frames);
        let parts = whole(frames)?.checked_mul(sub_frames)?.checked_add(whole(sub)?)?;
        let (rate, per) = (i128::from(self.frames.0), i128::from(self.frames.1));
        Some(time.plus(ticks(parts.checked_mul(per)?, rate.checked_mul(sub_frames)?)?))
    }

    /// A number and its metric.
    fn offset(&self, text: &str) -> Option<Ticks> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (count, metric) = text.split_at(end);
        let (count, unit) = decimal(count)?;
        let rate = |(rate, per): (u64, u64)| (i128::from(per), i128::from(rate));
        let (more, less) = match metric {
            "h" => (3_600, 1),
            "m" => (60, 1),
            "s" => (1, 1),
            "ms" => (1, 1_000),
            "f" => rate(self.frames),
            "t" => rate(self.ticks),
            _ => return None,
        };
        ticks(count.checked_mul(more)?, unit.checked_mul(less)?)
    }
}

fn positive(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number| *number > 0)
}

/// Digits alone, not too many of them.
fn whole(text: &str) -> Option<i128> {
    let fits = !text.is_empty() && text.len() <= 15 && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| fits)
}

/// A number with or without a fraction: as a count of parts, and the parts in one.
fn decimal(text: &str) -> Option<(i128, i128)> {
    let Some((number, fraction)) = text.split_once('.') else { return Some((whole(text)?, 1)) };
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let kept = fraction.get(..fraction.len().min(MOST_FRACTION))?;
    let unit = 10_i128.checked_pow(u32::try_from(kept.len()).ok()?)?;
    Some((whole(number)? * unit + whole(kept)?, unit))
}

/// A fraction of seconds to the nearest tick.
fn ticks(numerator: i128, denominator: i128) -> Option<Ticks> {
    let hertz = i128::from(Timescale::MPEG.hertz());
    let doubled = numerator.checked_mul(2 * hertz)?.checked_add(denominator)?;
    let rounded = doubled.checked_div(denominator.checked_mul(2)?)?;
    let fits = rounded <= MOST_HOURS * 3_600 * hertz;
    i64::try_from(rounded).ok().filter(|_| fits).map(Ticks)
}

/// A time as documents say it: `hh:mm:ss.mmm`, with six places where milliseconds do not do.
pub(super) fn clock_time(time: Ticks) -> String {
    const TICKS_PER_MILLISECOND: i64 = 90;
    let time = time.0.max(0);
    let second = i64::from(Timescale::MPEG.hertz());
    let (seconds, rest) = (time / second, time % second);
    let (hours, minutes, whole) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if rest % TICKS_PER_MILLISECOND == 0 {
        let fraction = rest / TICKS_PER_MILLISECOND;
        return format!("{hours:02}:{minutes:02}:{whole:02}.{fraction:03}");
    }
    // Less than a second stays less than a second: the last tick is 0.999989.
    let fraction = (rest * 2_000_000 + second) / (2 * second);
    format!("{hours:02}:{minutes:02}:{whole:02}.{fraction:06}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::xml;
    use super::*;

    fn rules(attributes: &str) -> Result<TimeRules, TtmlError> {
        let parameter = "http://www.w3.org/ns/ttml#parameter";
        let text = format!("<tt xmlns='{}' xmlns:ttp='{parameter}' {attributes}/>", xml::TTML);
        TimeRules::of(&xml::parse(&text).unwrap().root)
    }

    #[test]
    fn each_kind_of_time_is_exact() {
        let ntsc = "ttp:frameRate='24' ttp:frameRateMultiplier='1000 1001' ttp:subFrameRate='2'";
        let cases = [
            ("", "00:00:01.5", 135_000),
            ("", "100:00:00", 360_000 * 90_000),
            ("", "00:00:01:15", 90_000 + 45_000),
            ("ttp:frameRate='25'", "00:00:01:05", 108_000),
            ("ttp:frameRate='25'", "30f", 108_000),
            ("ttp:frameRate='25'", "30t", 108_000),
            ("ttp:frameRate='25'", "1.5f", 5_400),
            // 24 frames of 23.976 last 1.001 s, a half of one 1001 / 48000 s.
            (ntsc, "24f", 90_090),
            (ntsc, "00:00:00:24.1", 90_090 + 1_877),
            ("ttp:tickRate='10000000'", "12345678t", 111_111),
            ("", "3t", 270_000),
            ("", "1.25h", 4_500 * 90_000),
            ("", "2m", 120 * 90_000),
            ("", "0.5s", 45_000),
            ("", "40ms", 3_600),
            ("", " 1.0000000000000000000000000009s ", 90_000),
        ];
        for (attributes, text, expected) in cases {
            let time = rules(attributes).unwrap().parse(text);
            assert_eq!(time, Some(Ticks(expected)), "{attributes} {text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        let rules = rules("ttp:frameRateMultiplier='x'").unwrap();
        for text in [
            "",
            "1",
            "s",
            "1.s",
            ".5s",
            "-1s",
            "1 s",
            "1S",
            "1:2:3",
            "00:00",
            "00:60:00",
            "00:00:61",
            "00:00:1",
            "00:00:01.",
            "00:00:01.5:3",
            "00:00:01:02:03",
            "wallclock(2020)",
            "9999999999999999s",
            "9999999999h",
            "00:00:01:x",
            "+1:00:00",
        ] {
            assert_eq!(rules.parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn other_clocks_are_refused() {
        assert_eq!(rules("ttp:timeBase='smpte'"), Err(TtmlError::TimeBase("smpte".to_owned())));
        assert!(rules("ttp:timeBase='media'").is_ok());
    }

    proptest! {
        /// What is written is read as the same tick.
        #[test]
        fn written_times_read_back(time in 0_i64..1 << 40) {
            let rules = rules("").unwrap();
            prop_assert_eq!(rules.parse(&clock_time(Ticks(time))), Some(Ticks(time)));
        }

        #[test]
        fn any_text_is_survived(text in "[0-9:.hmsft ]{0,40}") {
            let _ = rules("ttp:frameRate='4294967295' ttp:frameRateMultiplier='4294967295 1'")
                .unwrap()
                .parse(&text);
        }
    }
}
