//! Sizes in bytes, written as a number or as text with a unit.

/// Reads `1048576`, `512KiB`, `512 MiB`, `1GiB`, `100MB`: binary units with an `i`, decimal ones
/// without. Fractions are not read; `None` is anything else or too large.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let factor: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_units() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("1048576", Some(1 << 20)),
            ("512MiB", Some(512 << 20)),
            (" 1 GiB ", Some(1 << 30)),
            ("100mb", Some(100_000_000)),
            ("7b", Some(7)),
            ("", None),
            ("MiB", None),
            ("1.5GiB", None),
            ("-1", None),
            ("1PiB", None),
            ("99999999TiB", None),
        ] {
            assert_eq!(parse_size(text), bytes, "{text:?}");
        }
    }
}
