//! Time as integer ticks in a named timescale.
//!
//! [`Ticks`] alone have no unit; a [`Timescale`] gives them one. Rescaling goes through `i128` and
//! rounds half up towards positive infinity, here and nowhere else: a duration is always the
//! difference of two rescaled absolute times, so durations sum without drift
//! (DASH-IF IOP 4.3, 3.2.7).
//!
//! [`Unwrapper`] removes the 33-bit wrap of MPEG-TS clocks (ISO/IEC 13818-1:2023 2.4.3.7). Nothing
//! here reads a clock or uses floating point.

use std::fmt;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// Ticks per second of a track or clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timescale(NonZeroU32);

impl Timescale {
    /// The MPEG-TS system clock of PTS and DTS: 90 kHz.
    pub const MPEG: Self = Self(NonZeroU32::new(90_000).expect("not zero"));

    /// A timescale of `hertz` ticks per second; `None` for zero.
    pub const fn new(hertz: u32) -> Option<Self> {
        match NonZeroU32::new(hertz) {
            Some(hertz) => Some(Self(hertz)),
            None => None,
        }
    }

    /// Ticks per second.
    pub const fn hertz(self) -> u32 {
        self.0.get()
    }
}

/// A point in time or a duration, counted in the ticks of a timescale named beside it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Ticks(pub i64);

impl Ticks {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// The same time counted in another timescale, to the nearest tick, halves upwards.
    ///
    /// Saturates at the ends of `i64`, which is 3 million years at 90 kHz.
    pub fn rescale(self, from: Timescale, to: Timescale) -> Self {
        if from == to {
            return self;
        }
        // All times that occur; 64 bits are divided many times faster.
        let doubled = self.0.checked_mul(2 * i64::from(to.hertz()));
        if let Some(doubled) = doubled.and_then(|d| d.checked_add(i64::from(from.hertz()))) {
            return Self(doubled.div_euclid(2 * i64::from(from.hertz())));
        }
        let from = i128::from(from.hertz());
        let scaled = i128::from(self.0) * i128::from(to.hertz());
        let rounded = (2 * scaled + from).div_euclid(2 * from);
        Self(i64::try_from(rounded).unwrap_or(if rounded < 0 { i64::MIN } else { i64::MAX }))
    }

    /// The sum; saturates.
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference; saturates.
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The time as decimal seconds with `digits` (at most 9) places, rounded half up.
    /// Negative times are written with a sign.
    pub fn seconds(self, timescale: Timescale, digits: u32) -> Seconds {
        let digits = digits.min(9);
        let (unit, hertz) = (10_i64.pow(digits), i64::from(timescale.hertz()));
        let doubled = self.0.checked_mul(2 * unit).and_then(|doubled| doubled.checked_add(hertz));
        let scaled = match doubled {
            Some(doubled) => i128::from(doubled.div_euclid(2 * hertz)),
            None => {
                let (unit, hertz) = (i128::from(unit), i128::from(hertz));
                (2 * i128::from(self.0) * unit + hertz).div_euclid(2 * hertz)
            }
        };
        Seconds { scaled, digits }
    }
}

/// Decimal seconds for display; see [`Ticks::seconds`].
#[derive(Clone, Copy, Debug)]
pub struct Seconds {
    scaled: i128,
    digits: u32,
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10_u128.pow(self.digits);
        let magnitude = self.scaled.unsigned_abs();
        if self.scaled < 0 {
            f.write_str("-")?;
        }
        let (whole, mut fraction) = (magnitude / unit, (magnitude % unit) as u32);
        match u64::try_from(whole) {
            Ok(whole) => write!(f, "{whole}")?,
            Err(_) => write!(f, "{whole}")?,
        }
        // By hand: playlists have thousands, and padding by the formatter takes longer.
        let mut places = *b".000000000";
        let used = self.digits as usize + 1;
        for place in places[1..used].iter_mut().rev() {
            *place = b'0' + (fraction % 10) as u8;
            fraction /= 10;
        }
        let text = if self.digits > 0 { &places[..used] } else { &[] };
        f.write_str(str::from_utf8(text).unwrap_or_default())
    }
}

/// Bytes in a duration as bits per second, rounded up, so that who provides as much is never short;
/// 0 where the duration is not positive.
pub fn bits_per_second(bytes: u64, duration: Ticks, timescale: Timescale) -> u64 {
    let Ok(duration @ 1..) = u64::try_from(duration.0) else { return 0 };
    // All segments that occur; 64 bits are divided many times faster.
    if let Some(bits) = bytes.checked_mul(8 * u64::from(timescale.hertz())) {
        return bits.div_ceil(duration);
    }
    let bits = u128::from(bytes) * 8 * u128::from(timescale.hertz());
    u64::try_from(bits.div_ceil(u128::from(duration))).unwrap_or(u64::MAX)
}

/// Turns 33-bit timestamps into a continuous count.
///
/// Each value is placed within half the wrap period (13.25 hours) of the one before, whichever
/// direction that is, so PTS that runs ahead of DTS and small steps back are kept. A jump longer
/// than that cannot be told from a wrap.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwrapper {
    last: Option<i64>,
}

impl Unwrapper {
    const PERIOD: i64 = 1 << 33;

    /// An unwrapper that places its first value near `time`.
    pub const fn near(time: Ticks) -> Self {
        Self { last: Some(time.0) }
    }

    /// The continuous count for `raw`, which is taken modulo 2^33.
    pub fn unwrap_timestamp(&mut self, raw: u64) -> Ticks {
        let raw = (raw % (1 << 33)) as i64;
        let value = match self.last {
            None => raw,
            Some(last) => {
                let step = (raw - last).rem_euclid(Self::PERIOD);
                let step = if step >= Self::PERIOD / 2 { step - Self::PERIOD } else { step };
                last.saturating_add(step)
            }
        };
        self.last = Some(value);
        Ticks(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scale(hertz: u32) -> Timescale {
        Timescale::new(hertz).unwrap()
    }

    #[test]
    fn rescales_to_nearest_with_halves_upwards() {
        assert_eq!(Ticks(3).rescale(scale(2), scale(1)), Ticks(2));
        assert_eq!(Ticks(-3).rescale(scale(2), scale(1)), Ticks(-1));
        assert_eq!(Ticks(90_000).rescale(Timescale::MPEG, scale(44_100)), Ticks(44_100));
    }

    #[test]
    fn seconds_are_exact_decimals() {
        assert_eq!(Ticks(540_000).seconds(Timescale::MPEG, 3).to_string(), "6.000");
        assert_eq!(Ticks(1).seconds(Timescale::MPEG, 6).to_string(), "0.000011");
        assert_eq!(Ticks(-45_000).seconds(Timescale::MPEG, 1).to_string(), "-0.5");
        assert_eq!(Ticks(60_000).seconds(Timescale::MPEG, 0).to_string(), "1");
    }

    /// What does not fit into 64 bits on the way.
    #[test]
    fn the_far_future_is_exact_too() {
        let far = Ticks(i64::MAX);
        assert_eq!(far.seconds(scale(1), 9).to_string(), format!("{}.000000000", i64::MAX));
        assert_eq!(far.seconds(scale(3), 1).to_string(), "3074457345618258602.3");
        assert_eq!(far.rescale(scale(2), scale(1)), Ticks(1 << 62));
        assert_eq!(far.rescale(scale(1), scale(2)), far);
        assert_eq!(Ticks(i64::MIN).rescale(scale(1), scale(2)), Ticks(i64::MIN));
    }

    #[test]
    fn unwraps_forward_over_the_wrap_and_back() {
        let mut clock = Unwrapper::default();
        let near_end = (1_u64 << 33) - 100;
        assert_eq!(clock.unwrap_timestamp(near_end), Ticks(near_end as i64));
        assert_eq!(clock.unwrap_timestamp(50), Ticks((1 << 33) + 50));
        assert_eq!(clock.unwrap_timestamp(near_end), Ticks(near_end as i64));
    }

    proptest! {
        #[test]
        fn rates_are_rounded_up_however_large(
            bytes in prop_oneof![0_u64..1 << 33, any::<u64>()],
            duration in prop_oneof![1_i64..1 << 20, 1_i64..i64::MAX],
            hertz in 1_u32..=u32::MAX,
        ) {
            let bits = u128::from(bytes) * 8 * u128::from(hertz);
            let rate = u128::from(bits_per_second(bytes, Ticks(duration), Timescale::new(hertz).unwrap()));
            let exact = bits.div_ceil(duration as u128);
            prop_assert_eq!(rate, exact.min(u128::from(u64::MAX)));
        }

        /// Near the border of 64 bits both ways of counting are taken.
        #[test]
        fn wide_and_narrow_arithmetic_agree(
            ticks in proptest::num::i64::ANY,
            shift in 0_u32..63,
            from in 1_u32..200_000,
            to in 1_u32..200_000,
        ) {
            let ticks = Ticks(ticks >> shift);
            let (wide_from, wide_to) = (i128::from(from), i128::from(to));
            let wide = (2 * i128::from(ticks.0) * wide_to + wide_from).div_euclid(2 * wide_from);
            let wide = wide.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
            prop_assert_eq!(i128::from(ticks.rescale(scale(from), scale(to)).0), wide);
            let millionths = (2_000_000 * i128::from(ticks.0) + wide_from).div_euclid(2 * wide_from);
            let (whole, rest) = (millionths.abs() / 1_000_000, millionths.abs() % 1_000_000);
            let sign = if millionths < 0 { "-" } else { "" };
            let wanted = format!("{sign}{whole}.{rest:06}");
            prop_assert_eq!(ticks.seconds(scale(from), 6).to_string(), wanted);
        }

        #[test]
        fn durations_of_rescaled_times_sum(
            steps in proptest::collection::vec(1_i64..10_000, 1..200),
            from in 1_u32..200_000,
            to in 1_u32..200_000,
        ) {
            let mut at = 0;
            let mut sum = 0;
            for step in steps {
                let before = Ticks(at).rescale(scale(from), scale(to));
                at += step;
                sum += Ticks(at).rescale(scale(from), scale(to)).minus(before).0;
            }
            prop_assert_eq!(Ticks(sum), Ticks(at).rescale(scale(from), scale(to)));
        }

        #[test]
        fn unwrapping_is_the_inverse_of_wrapping(
            start in 0_i64..(1 << 40),
            steps in proptest::collection::vec(-100_000_i64..1_000_000_000, 1..50),
        ) {
            let mut clock = Unwrapper::near(Ticks(start));
            let mut at = start;
            for step in steps {
                at += step;
                let raw = at.rem_euclid(1 << 33) as u64;
                prop_assert_eq!(clock.unwrap_timestamp(raw), Ticks(at));
            }
        }
    }
}
