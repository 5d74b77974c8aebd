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

/// Reads bits, and tells how many bytes it took for them.
#[derive(Clone, Debug)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    /// The byte that is read after the current one.
    next: usize,
    /// The byte that is being read.
    current: u8,
    /// Bits of it that are still unread.
    left: u32,
    /// Zero bytes right before `next`; kept only where emulation prevention is looked for.
    zeros: u32,
    is_escaped: bool,
}

impl<'a> BitReader<'a> {
    /// Starts at the first bit of bytes whose emulation prevention is already gone.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, next: 0, current: 0, left: 0, zeros: 0, is_escaped: false }
    }

    /// Starts at the first bit of bytes as they stand in a NAL unit: emulation prevention is
    /// stepped over on the way, and nothing is copied.
    pub const fn escaped(bytes: &'a [u8]) -> Self {
        Self { bytes, next: 0, current: 0, left: 0, zeros: 0, is_escaped: true }
    }

    /// Bytes up to the last bit that was read. A partly read byte counts, and so does emulation
    /// prevention before it; emulation prevention behind it does not.
    pub const fn bytes_begun(&self) -> usize {
        self.next
    }

    /// How many bits were read, emulation prevention included.
    pub const fn bits_read(&self) -> usize {
        self.next * 8 - self.left as usize
    }

    /// Whether the next bit is the first of a byte.
    pub const fn is_aligned(&self) -> bool {
        self.left == 0
    }

    /// One bit.
    pub fn flag(&mut self, field: &'static str) -> Result<bool, ConfigError> {
        if self.left == 0 {
            self.begin_byte(field)?;
        }
        self.left -= 1;
        Ok(self.current >> self.left & 1 == 1)
    }

    /// `count` bits, at most 32.
    pub fn bits(&mut self, count: u32, field: &'static str) -> Result<u32, ConfigError> {
        let mut missing = count.min(32);
        let mut value = 0_u64;
        while missing > 0 {
            if self.left == 0 {
                self.begin_byte(field)?;
            }
            let taken = missing.min(self.left);
            self.left -= taken;
            missing -= taken;
            value = value << taken | u64::from(self.current >> self.left) & ((1 << taken) - 1);
        }
        Ok(value as u32)
    }

    fn begin_byte(&mut self, field: &'static str) -> Result<(), ConfigError> {
        let mut byte = *self.bytes.get(self.next).ok_or(ConfigError::Truncated { field })?;
        if self.is_escaped {
            if self.zeros >= 2 && byte == 3 {
                self.next += 1;
                self.zeros = 0;
                byte = *self.bytes.get(self.next).ok_or(ConfigError::Truncated { field })?;
            }
            self.zeros = if byte == 0 { self.zeros + 1 } else { 0 };
        }
        self.next += 1;
        self.current = byte;
        self.left = 8;
        Ok(())
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

/// Writes bits, most significant first, for the streams of tests.
#[cfg(test)]
#[derive(Clone, Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    bits: usize,
}

#[cfg(test)]
impl BitWriter {
    /// The lowest `count` bits of a value.
    pub fn put(&mut self, value: u32, count: u32) -> &mut Self {
        for bit in (0..count).rev() {
            if self.bits.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= ((value >> bit & 1) as u8) << (7 - self.bits % 8);
            self.bits += 1;
        }
        self
    }

    /// Zeros up to the next byte.
    pub fn align(&mut self) -> &mut Self {
        self.bits = self.bytes.len() * 8;
        self
    }

    /// Bits so far.
    pub fn len(&self) -> usize {
        self.bits
    }

    /// The bytes, the last filled up with zeros.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
    fn bytes_are_counted_with_the_emulation_prevention_before_them() {
        let bytes = [0, 0, 3, 1, 0, 0, 3, 0x80];
        let mut bits = BitReader::escaped(&bytes);
        assert_eq!((bits.bits(16, "x"), bits.bytes_begun()), (Ok(0), 2));
        assert_eq!((bits.bits(1, "x"), bits.bytes_begun()), (Ok(0), 4));
        assert_eq!((bits.bits(23, "x"), bits.bytes_begun()), (Ok(1 << 16), 6));
        assert!(bits.is_aligned());
        assert_eq!((bits.flag("x"), bits.bytes_begun()), (Ok(true), 8));
        assert!(!bits.is_aligned());
    }

    proptest! {
        #[test]
        fn stepping_over_is_the_same_as_removing(
            bytes in proptest::collection::vec(prop_oneof![Just(0_u8), Just(3), any::<u8>()], 0..40),
            counts in proptest::collection::vec(0_u32..33, 1..40),
        ) {
            let rbsp = unescape(&bytes);
            let (mut plain, mut escaped) = (BitReader::new(&rbsp), BitReader::escaped(&bytes));
            for count in counts {
                let expected = plain.bits(count, "x");
                prop_assert_eq!(escaped.bits(count, "x"), expected);
                if expected.is_err() { break; }
                // What was read is what is left of the bytes begun, without their emulation prevention.
                let begun = unescape(&bytes[..escaped.bytes_begun()]);
                prop_assert_eq!(begun.len(), plain.bytes_begun());
            }
        }
    }

    #[test]
    fn emulation_prevention_goes() {
        assert_eq!(unescape(&[0, 0, 3, 1, 0, 0, 3]), [0, 0, 1, 0, 0]);
        assert_eq!(unescape(&[0, 0, 0, 3]), [0, 0, 0]);
    }
}
