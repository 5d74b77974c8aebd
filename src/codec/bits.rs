//! Bits of a raw byte sequence payload, most significant first, with Exp-Golomb codes
//! (ISO/IEC 14496-10:2022 7.2, 7.3.1 and 9.1).

use super::ConfigError;

/// Removes emulation prevention: `00 00 03` becomes `00 00` (ISO/IEC 14496-10:2022 7.3.1).
pub fn unescape(nal: &[u8]) -> Vec<u8> {
    let mut rbsp = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for &byte in nal {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        rbsp.push(byte);
    }
    rbsp
}

/// Reads bits out of bytes whose emulation prevention is already gone.
pub struct BitReader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> BitReader<'a> {
    /// Starts at the first bit.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// One bit.
    pub fn flag(&mut self, field: &'static str) -> Result<bool, ConfigError> {
        Ok(self.bits(1, field)? == 1)
    }

    /// `count` bits, at most 32.
    pub fn bits(&mut self, count: u32, field: &'static str) -> Result<u32, ConfigError> {
        let mut value = 0_u32;
        for _ in 0..count.min(32) {
            let byte = self.bytes.get(self.position / 8).ok_or(ConfigError::Truncated { field })?;
            value = value << 1 | u32::from(byte >> (7 - self.position % 8) & 1);
            self.position += 1;
        }
        Ok(value)
    }

    /// `ue(v)`.
    pub fn unsigned(&mut self, field: &'static str) -> Result<u32, ConfigError> {
        let mut zeros = 0;
        while !self.flag(field)? {
            zeros += 1;
            if zeros > 31 {
                return Err(ConfigError::Forbidden { field, value: zeros });
            }
        }
        let suffix = self.bits(zeros, field)?;
        Ok(((1_u64 << zeros) - 1 + u64::from(suffix)) as u32)
    }

    /// `se(v)`.
    pub fn signed(&mut self, field: &'static str) -> Result<i32, ConfigError> {
        let code = i64::from(self.unsigned(field)?);
        let magnitude = (code + 1) / 2;
        Ok(if code % 2 == 1 { magnitude } else { -magnitude } as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_follows_table_9_2() {
        // 1, 010, 011, 00100, 00101 are code numbers 0 to 4.
        let bytes = [0b1010_0110, 0b0100_0010, 0b1000_0000];
        let mut bits = BitReader::new(&bytes);
        for expected in 0..5 {
            assert_eq!(bits.unsigned("x"), Ok(expected));
        }
        let mut bits = BitReader::new(&bytes);
        for expected in [0, 1, -1, 2, -2] {
            assert_eq!(bits.signed("x"), Ok(expected));
        }
    }

    #[test]
    fn the_end_is_an_error() {
        let mut bits = BitReader::new(&[0x00]);
        assert_eq!(bits.unsigned("width"), Err(ConfigError::Truncated { field: "width" }));
    }

    #[test]
    fn emulation_prevention_goes() {
        assert_eq!(unescape(&[0, 0, 3, 1, 0, 0, 3]), [0, 0, 1, 0, 0]);
        assert_eq!(unescape(&[0, 0, 0, 3]), [0, 0, 0]);
    }
}
