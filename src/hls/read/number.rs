//! Decimal text → exact numbers, without floating point.

use std::time::Duration;

/// A decimal number of seconds (RFC 8216 4.2, decimal-floating-point), to the nearest nanosecond.
/// `None` for anything but digits with at most one point, and for more seconds than `u32` holds:
/// 136 years.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = split(text)?;
    let whole: u32 = parse_digits(whole)?;
    let nanoseconds = scaled(fraction, 9)?;
    Some(Duration::from_secs(u64::from(whole)).saturating_add(Duration::from_nanos(nanoseconds)))
}

/// A decimal number with or without sign in thousandths, to the nearest.
pub(super) fn signed_thousandths(text: &str) -> Option<i64> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let thousandths = i64::try_from(thousandths(text)?).ok()?;
    Some(if negative { -thousandths } else { thousandths })
}

/// A decimal number in thousandths, to the nearest.
pub(super) fn thousandths(text: &str) -> Option<u64> {
    let (whole, fraction) = split(text)?;
    parse_digits::<u64>(whole)?.checked_mul(1000)?.checked_add(scaled(fraction, 3)?)
}

/// A whole number; digits only.
pub(super) fn integer(text: &str) -> Option<u64> {
    if text.is_empty() { None } else { parse_digits(text) }
}

/// 128 bits as a hexadecimal number (RFC 8216 4.2): `0x`, digits of either case; missing leading
/// ones are zeros.
pub(super) fn hexadecimal_128(text: &str) -> Option<[u8; 16]> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let value = u128::from_str_radix(digits, 16).ok().filter(|_| is_number)?;
    Some(value.to_be_bytes())
}

/// The digits before and behind the point; at least one digit.
fn split(text: &str) -> Option<(&str, &str)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let some = !whole.is_empty() || !fraction.is_empty();
    (some && digits(whole) && digits(fraction)).then_some((whole, fraction))
}

/// No digits are zero; a sign is none.
fn parse_digits<T: std::str::FromStr + Default>(digits: &str) -> Option<T> {
    match digits {
        "" => Some(T::default()),
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok(),
        _ => None,
    }
}

/// Digits behind a point as an integer of `places` of them; the digit behind decides the rounding.
fn scaled(fraction: &str, places: usize) -> Option<u64> {
    let kept = fraction.get(..places).unwrap_or(fraction);
    let missing = u32::try_from(places.checked_sub(kept.len())?).ok()?;
    let value = parse_digits::<u64>(kept)?.checked_mul(10_u64.checked_pow(missing)?)?;
    let rounds_up = fraction.as_bytes().get(places).is_some_and(|digit| *digit >= b'5');
    value.checked_add(u64::from(rounds_up))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_exact() {
        let nanoseconds = |text| seconds(text).map(|duration| duration.as_nanos());
        for (text, expected) in [
            ("10", 10_000_000_000),
            ("0", 0),
            ("6.006", 6_006_000_000),
            ("6.", 6_000_000_000),
            (".5", 500_000_000),
            ("007.50", 7_500_000_000),
            // Floats of 32 bits have no such number.
            ("16777217.000000001", 16_777_217_000_000_001),
            ("1.0000000005", 1_000_000_001),
            ("1.9999999999999", 2_000_000_000),
            ("4294967295", 4_294_967_295_000_000_000),
        ] {
            assert_eq!(nanoseconds(text), Some(expected), "{text}");
        }
        for bad in [
            "",
            ".",
            "-1",
            "+1",
            "NaN",
            "inf",
            "1e3",
            "1.2.3",
            "0x10",
            "4294967296",
            "1,5",
            " 1",
            "99999999999999999999999",
            "١",
        ] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn signs_are_for_those_that_may_have_them() {
        assert_eq!(signed_thousandths("-12.3456"), Some(-12_346));
        assert_eq!(signed_thousandths("+8.0"), Some(8_000));
        assert_eq!(signed_thousandths("--1"), None);
        assert_eq!(thousandths("29.97"), Some(29_970));
        assert_eq!(thousandths("18446744073709551615"), None);
        assert_eq!(integer("+5"), None);
        assert_eq!(integer(""), None);
    }

    #[test]
    fn hexadecimal_numbers_are_padded_in_front() {
        let last = |byte| {
            let mut iv = [0; 16];
            iv[15] = byte;
            Some(iv)
        };
        assert_eq!(hexadecimal_128("0xab"), last(0xAB));
        assert_eq!(hexadecimal_128("0XAB"), last(0xAB));
        assert_eq!(hexadecimal_128("0x000102030405060708090a0b0c0d0e0F").unwrap()[15], 0x0F);
        for bad in ["ab", "0x", "0x+1", "0xg", &format!("0x1{}", "0".repeat(32))] {
            assert_eq!(hexadecimal_128(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(nanoseconds in 0..(1_u64 << 61)) {
            let duration = Duration::from_nanos(nanoseconds);
            let text = format!("{}.{:09}", duration.as_secs(), duration.subsec_nanos());
            prop_assert_eq!(seconds(&text), Some(duration));
        }
    }
}
