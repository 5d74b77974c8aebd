//! Whether decrypted samples look like pictures and sound (ISO/IEC 14496-10:2022 7.3, 7.4.1,
//! ISO/IEC 14496-3:2019 4.4.2.1).
//!
//! A wrong key turns most of these checks into coin tosses, many of them, so noise does not pass
//! for a segment. But bytes that are in the clear anyway prove nothing about decryption, and with
//! `cbcs` a slice's header is: for pictures the comparison with clear packaging is what decides.

use crate::codec::bits::BitReader;

/// What was counted on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Slices.
    pub slices: u64,
    /// Frames of sound.
    pub frames: u64,
}

/// What does not look like media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Implausible {
    /// Lengths of NAL units lead out of the sample.
    #[error("lengths of NAL units do not add up to the sample")]
    Lengths,
    /// `forbidden_zero_bit` is set, or the type is reserved.
    #[error("a NAL unit begins with {header:#04x}")]
    NalHeader {
        /// Its first byte.
        header: u8,
    },
    /// `first_mb_in_slice` or `slice_type` out of range.
    #[error("a slice header has values that the standard does not allow")]
    SliceHeader,
    /// A start code inside a NAL unit, or a NAL unit that ends in zeros.
    #[error("a NAL unit has bytes that emulation prevention rules out")]
    StartCode,
    /// A frame of AAC begins with an element that none begins with.
    #[error("an AAC frame begins with syntactic element {element}")]
    Element {
        /// `id_syn_ele`.
        element: u8,
    },
}

/// The syntax of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// H.264.
    Avc,
    /// H.265.
    Hevc,
}

impl Seen {
    /// The counts for people; `how` they came to be seen, and whether clear packaging was at hand.
    pub fn counted(self, how: &str, compared: bool) -> String {
        let suffix = if compared { ", compared with clear" } else { "" };
        format!("{} slices, {} frames, {how}{suffix}", self.slices, self.frames)
    }

    /// A sample of NAL units, each behind a length of `length_bytes`.
    pub fn picture(
        &mut self,
        syntax: Syntax,
        length_bytes: usize,
        sample: &[u8],
    ) -> Result<(), Implausible> {
        let mut rest = sample;
        while !rest.is_empty() {
            let (length, behind) =
                rest.split_at_checked(length_bytes).ok_or(Implausible::Lengths)?;
            let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            let (nal, behind) = behind.split_at_checked(length).ok_or(Implausible::Lengths)?;
            self.nal(syntax, nal)?;
            rest = behind;
        }
        Ok(())
    }

    /// A NAL unit.
    pub fn nal(&mut self, syntax: Syntax, nal: &[u8]) -> Result<(), Implausible> {
        let Some(&header) = nal.first() else { return Err(Implausible::Lengths) };
        let wrong = Implausible::NalHeader { header };
        if header & 0x80 != 0 {
            return Err(wrong);
        }
        // Table 7-1: 0 and from 24 on are unspecified, 17, 18, 22 and 23 reserved. H.265 reserves 41 to 47
        // and has no use for 48 on.
        let (body_at, is_slice) = match syntax {
            Syntax::Avc => {
                let kind = header & 0x1F;
                if !matches!(kind, 1..=16 | 19..=21) {
                    return Err(wrong);
                }
                (1, matches!(kind, 1 | 2 | 5))
            }
            Syntax::Hevc => {
                let kind = header >> 1;
                if kind > 40 {
                    return Err(wrong);
                }
                (2, kind < 32)
            }
        };
        let ends_in_zero = nal.len() > 1 && nal.last() == Some(&0);
        if ends_in_zero || nal.windows(3).any(|bytes| matches!(bytes, [0, 0, 0..=2])) {
            return Err(Implausible::StartCode);
        }
        if is_slice {
            self.slices += 1;
            if syntax == Syntax::Avc {
                slice_header(nal.get(body_at..).unwrap_or_default())?;
            }
        }
        Ok(())
    }

    /// A `raw_data_block` of AAC: `id_syn_ele` is that of one or two channels, of low frequencies,
    /// or of what may stand before them. A coupling channel comes first nowhere, and an empty
    /// frame is none.
    pub fn aac(&mut self, frame: &[u8]) -> Result<(), Implausible> {
        let element = frame.first().map_or(7, |byte| byte >> 5);
        if matches!(element, 2 | 7) {
            return Err(Implausible::Element { element });
        }
        self.frames += 1;
        Ok(())
    }
}

/// 7.4.3; 139 264 macroblocks are those of level 6.2.
fn slice_header(bytes: &[u8]) -> Result<(), Implausible> {
    let mut bits = BitReader::escaped(bytes);
    let mut read = |limit| {
        let value = bits.unsigned("slice_header").ok();
        value.filter(|value| *value <= limit).ok_or(Implausible::SliceHeader)
    };
    read(139_263)?;
    read(9)?;
    read(255)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_counted_and_noise_is_not_taken_for_one() {
        let mut seen = Seen::default();
        // first_mb 0 (1), slice_type 7 (0001000), pps 0 (1)
        let slice = [0x65, 0b1000_1000, 0b1111_1111];
        let sample = [&[0, 0, 0, 3][..], &slice].concat();
        assert_eq!(seen.picture(Syntax::Avc, 4, &sample), Ok(()));
        assert_eq!(seen.slices, 1);
        let verdict = |nal: &[u8]| Seen::default().nal(Syntax::Avc, nal);
        assert_eq!(verdict(&[0xE5, 0x88]), Err(Implausible::NalHeader { header: 0xE5 }));
        assert_eq!(verdict(&[0x18, 0x88]), Err(Implausible::NalHeader { header: 0x18 }));
        // slice_type 10 (0001011)
        assert_eq!(verdict(&[0x65, 0b1000_1011, 0xFF]), Err(Implausible::SliceHeader));
        assert_eq!(verdict(&[0x06, 5, 0, 0, 1, 9]), Err(Implausible::StartCode));
        assert_eq!(verdict(&[0x06, 5, 0, 0, 3, 1]), Ok(()));
        assert_eq!(
            Seen::default().picture(Syntax::Avc, 4, &sample[..6]),
            Err(Implausible::Lengths)
        );
    }

    #[test]
    fn frames_of_sound_begin_with_channels() {
        let mut seen = Seen::default();
        assert_eq!(seen.aac(&[0x21, 0x10]), Ok(())); // channel pair
        assert_eq!(seen.aac(&[0x01]), Ok(())); // single channel
        assert_eq!(seen.aac(&[0xE0]), Err(Implausible::Element { element: 7 }));
        assert_eq!(seen.aac(&[]), Err(Implausible::Element { element: 7 }));
        assert_eq!(seen.frames, 2);
    }
}
