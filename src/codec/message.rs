//! Supplemental enhancement information (ISO/IEC 14496-10:2022 7.3.2.3, annex D; ISO/IEC 23008-2:2020
//! 7.3.2.4, annex D), as much of it as framing and configurations take.
//!
//! Both standards frame messages alike and share their numbers. Nothing is decoded but recovery
//! points, the mastering display, the content light level and the preferred transfer function; captions
//! are `caption`'s.

use super::bits::{BitReader, unescape};
use crate::model::codec::{Colour, DisplayMetadata};

/// What the messages of a stream say about its pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Messages {
    display: DisplayMetadata,
    /// `preferred_transfer_characteristics`.
    transfer: Option<u8>,
}

/// `payloadType` values.
const RECOVERY_POINT: u32 = 6;
const MASTERING_DISPLAY: u32 = 137;
const LIGHT_LEVEL: u32 = 144;
const ALTERNATIVE_TRANSFER: u32 = 147;
/// Messages are cut off behind this much: what matters here is short, and stands in front.
const MOST_BYTES: usize = 4096;

impl Messages {
    /// Reads the messages of a NAL unit behind its header; returns the recovery count, if there is a
    /// recovery point: pictures in H.264, picture order in HEVC, where it may lie behind.
    pub fn read(&mut self, body: &[u8], is_signed: bool) -> Option<u32> {
        let rbsp = unescape(body.get(..MOST_BYTES).unwrap_or(body));
        let mut recovery = None;
        for (kind, payload) in messages(&rbsp) {
            match kind {
                RECOVERY_POINT => {
                    let mut bits = BitReader::new(payload);
                    let count = if is_signed {
                        bits.signed("recovery_poc_cnt").map(|count| count.max(0) as u32)
                    } else {
                        bits.unsigned("recovery_frame_cnt")
                    };
                    recovery = recovery.or(count.ok());
                }
                MASTERING_DISPLAY => {
                    self.display.mastering =
                        self.display.mastering.or(payload.first_chunk().copied());
                }
                LIGHT_LEVEL => {
                    self.display.light_level =
                        self.display.light_level.or(payload.first_chunk().copied());
                }
                ALTERNATIVE_TRANSFER => self.transfer = self.transfer.or(payload.first().copied()),
                _ => {}
            }
        }
        recovery
    }

    /// Metadata of the display.
    pub const fn display(&self) -> DisplayMetadata {
        self.display
    }

    /// The colour description with the transfer function that is preferred.
    pub fn colour(&self, described: Option<Colour>) -> Option<Colour> {
        /// Unspecified.
        const NONE: u8 = 2;
        let preferred = self.transfer.filter(|&transfer| transfer != NONE);
        described.map(|colour| Colour { transfer: preferred.unwrap_or(colour.transfer), ..colour })
    }
}

/// Types and payloads of the messages in a NAL unit without emulation prevention, behind its header;
/// ends where one is cut.
pub(super) fn messages(rbsp: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let mut rest = rbsp;
    std::iter::from_fn(move || {
        // The stop bit is all that is left behind the last message.
        if rest.len() <= 2 {
            return None;
        }
        let (kind, behind) = number(rest)?;
        let (size, behind) = number(behind)?;
        let (payload, behind) = behind.split_at_checked(size as usize)?;
        rest = behind;
        Some((kind, payload))
    })
}

/// `payloadType` or `payloadSize`: bytes of 255 go on.
fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let more = bytes.iter().take_while(|&&byte| byte == 0xFF).count();
    let last = bytes.get(more)?;
    let value = u32::try_from(more).ok()?.checked_mul(255)?.checked_add(u32::from(*last))?;
    Some((value, bytes.get(more + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_messages_are_read() {
        // A recovery point of 3 pictures (ue 00100), the light level, the stop bit.
        let body = [6, 1, 0b0010_0100, 144, 4, 0x03, 0xE8, 0x01, 0x90, 0x80];
        let mut messages = Messages::default();
        assert_eq!(messages.read(&body, false), Some(3));
        assert_eq!(messages.display().light_level, Some([0x03, 0xE8, 0x01, 0x90]));
        assert_eq!(messages.display().mastering, None);
    }

    #[test]
    fn a_message_that_is_cut_ends_reading() {
        assert_eq!(Messages::default().read(&[5, 200, 1, 2, 3], false), None);
        assert_eq!(Messages::default().read(&[0xFF; 30], false), None);
    }

    #[test]
    fn the_preferred_transfer_takes_the_place_of_a_compatible_one() {
        let mut messages = Messages::default();
        messages.read(&[147, 1, 18, 0x80], true);
        let described = Colour { primaries: 9, transfer: 14, matrix: 9, full_range: false };
        assert_eq!(messages.colour(Some(described)).unwrap().transfer, 18);
        assert_eq!(messages.colour(None), None);
    }
}
