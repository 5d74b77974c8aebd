//! Which captions pictures carry: channels of CTA-608 and services of CTA-708 in messages of
//! ATSC A/53 part 4 6.2.3 (`GA94`), which H.264 and HEVC frame alike.
//!
//! ```text
//! picture ─ carried: cc_data of its messages ─(in the order of showing)─ CaptionScan ─┬ 608: fields → channels
//!                                                                                     └ 708: packets → services
//! ```
//!
//! A channel or a service counts once it writes a character that can be seen: encoders send padding
//! and erase commands for years without a word. What is written, where and in which colour is not
//! looked at, nor are text channels (T1 to T4) and extended data services. Parity is not checked,
//! because players do not agree on what to do about it.

use std::collections::BTreeSet;

use super::bits::unescape;
use super::message::messages;
use crate::codec::{h264, h265};
use crate::model::caption::CaptionService;
use crate::model::codec::StreamSyntax;

/// `cc_valid` and `cc_type`, and two bytes of data.
type Construct = [u8; 3];

/// `user_data_registered_itu_t_t35`.
const REGISTERED: u32 = 4;
/// United States, ATSC, `GA94`, `cc_data`.
const CAPTION_DATA: [u8; 8] = [0xB5, 0x00, 0x31, b'G', b'A', b'9', b'4', 0x03];
/// `process_cc_data_flag`, and the bits of `cc_count`.
const PROCESS: u8 = 0x40;
const COUNT: u8 = 0x1F;
/// `cc_valid`, and the bits of `cc_type`.
const VALID: u8 = 0x04;
const TYPE: u8 = 0x03;

/// The valid caption constructs in the messages of a picture, whose NAL units have lengths of four
/// bytes in front.
pub fn carried(picture: &[u8], syntax: StreamSyntax) -> Vec<Construct> {
    let mut constructs = Vec::new();
    let mut rest = picture;
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let Some((unit, behind)) = behind.split_at_checked(length) else { break };
        rest = behind;
        if let Some(body) = message_body(unit, syntax) {
            let rbsp = unescape(body);
            for (kind, payload) in messages(&rbsp) {
                if kind == REGISTERED {
                    read_message(payload, &mut constructs);
                }
            }
        }
    }
    constructs
}

/// What is behind the header of a NAL unit with messages.
fn message_body(unit: &[u8], syntax: StreamSyntax) -> Option<&[u8]> {
    let first = *unit.first()?;
    match syntax {
        StreamSyntax::H264 if first & 0x1F == h264::nal_type::SEI => unit.get(1..),
        StreamSyntax::H265
            if matches!(
                first >> 1 & 0x3F,
                h265::nal_type::PREFIX_SEI | h265::nal_type::SUFFIX_SEI
            ) =>
        {
            unit.get(2..)
        }
        _ => None,
    }
}

fn read_message(payload: &[u8], constructs: &mut Vec<Construct>) {
    let Some(body) = payload.strip_prefix(&CAPTION_DATA) else { return };
    // `em_data` stands between the flags and the constructs.
    let Some((&[flags, _], rest)) = body.split_first_chunk::<2>() else { return };
    if flags & PROCESS == 0 {
        return;
    }
    let all = rest.as_chunks::<3>().0.iter().take(usize::from(flags & COUNT));
    constructs.extend(all.filter(|[marker, ..]| marker & VALID != 0));
}

/// Follows the captions of a track.
#[derive(Debug, Default)]
pub struct CaptionScan {
    fields: [Field; 2],
    packet: Vec<u8>,
    services: BTreeSet<CaptionService>,
}

impl CaptionScan {
    /// Takes what [`carried`] found in the picture that is shown next.
    pub fn push(&mut self, constructs: &[Construct]) {
        for &[marker, a, b] in constructs {
            match marker & TYPE {
                field @ (0 | 1) => {
                    if let Some(state) = self.fields.get_mut(usize::from(field))
                        && let Some(channel) = state.push(a & 0x7F, b & 0x7F, field == 1)
                    {
                        self.services.insert(CaptionService::Cea608(field * 2 + channel + 1));
                    }
                }
                2 if self.packet.is_empty() => {}
                kind => {
                    if kind == 3 {
                        self.packet.clear();
                    }
                    self.packet.extend_from_slice(&[a, b]);
                    self.read_packet();
                }
            }
        }
    }

    /// The services that wrote something.
    pub fn into_services(self) -> BTreeSet<CaptionService> {
        self.services
    }

    /// Reads a caption channel packet once it is complete (CTA-708-E 5).
    fn read_packet(&mut self) {
        let bytes = match self.packet.first().map_or(0, |first| usize::from(first & 0x3F)) {
            0 => 128,
            code => code * 2,
        };
        if self.packet.len() < bytes {
            return;
        }
        let packet = std::mem::take(&mut self.packet);
        let mut rest = packet.get(1..bytes).unwrap_or_default();
        while let Some((&header, behind)) = rest.split_first() {
            let (number, size) = (header >> 5, usize::from(header & 0x1F));
            // The null service: nothing but padding follows.
            if number == 0 {
                break;
            }
            let (number, behind) = match behind.split_first() {
                Some((extended, behind)) if number == 7 && size > 0 => (extended & 0x3F, behind),
                _ => (number, behind),
            };
            let (block, behind) = behind.split_at(size.min(behind.len()));
            rest = behind;
            let service = CaptionService::Cea708(number);
            if service.is_valid() && has_text(block) {
                self.services.insert(service);
            }
        }
    }
}

/// One field of CTA-608: two channels that take turns.
#[derive(Debug, Default)]
struct Field {
    /// The channel that the last control code named.
    channel: usize,
    /// Whether a channel's characters are captions, and not text.
    has_captions: [bool; 2],
    /// Extended data services take the characters.
    is_extended: bool,
}

impl Field {
    /// Takes a pair without its parity; returns the channel that it writes to, 0 or 1.
    fn push(&mut self, a: u8, b: u8, is_second: bool) -> Option<u8> {
        let is_text = match a {
            0x01..=0x0F if is_second => {
                self.is_extended = a != 0x0F;
                false
            }
            0x10..=0x1F => {
                self.is_extended = false;
                self.channel = usize::from(a >> 3 & 1);
                self.control(a & !0x08, b)
            }
            0x20..=0x7F => !self.is_extended && [a, b].iter().any(|&c| c > 0x20),
            _ => false,
        };
        let has_captions = self.has_captions.get(self.channel).copied().unwrap_or(false);
        (is_text && has_captions).then_some(self.channel as u8)
    }

    /// A control code of the current channel; returns whether it is a character.
    fn control(&mut self, a: u8, b: u8) -> bool {
        let mode = match (a, b) {
            // Resume caption loading, roll-up captions, resume direct captioning.
            (0x14 | 0x15, 0x20 | 0x25..=0x27 | 0x29) => Some(true),
            // Text restart, resume text display.
            (0x14 | 0x15, 0x2A | 0x2B) => Some(false),
            _ => None,
        };
        if let (Some(mode), Some(has_captions)) = (mode, self.has_captions.get_mut(self.channel)) {
            *has_captions = mode;
        }
        // Special and extended characters.
        matches!((a, b), (0x11, 0x30..=0x3F) | (0x12 | 0x13, 0x20..=0x3F))
    }
}

/// Whether a service block writes something that can be seen (CTA-708-E 7.1).
fn has_text(block: &[u8]) -> bool {
    let mut rest = block;
    while let Some((&code, behind)) = rest.split_first() {
        let parameters = match code {
            // G0 without the space, G1 without the space that does not break.
            0x21..=0x7F | 0xA1..=0xFF => return true,
            0x20 | 0xA0 | 0x00..=0x0F => 0,
            0x10 => match extended(behind) {
                Some(parameters) => parameters,
                None => return true,
            },
            0x11..=0x17 => 1,
            // A character of sixteen bits, and what else has two parameters.
            0x18 => return true,
            0x19..=0x1F => 2,
            0x80..=0x87 | 0x8E | 0x8F | 0x93..=0x96 => 0,
            0x88..=0x8D => 1,
            0x90 | 0x92 => 2,
            0x91 => 3,
            0x97 => 4,
            0x98..=0x9F => 6,
        };
        rest = behind.get(parameters..).unwrap_or_default();
    }
    false
}

/// Bytes of an extended code, itself included; `None` where it is a character.
fn extended(rest: &[u8]) -> Option<usize> {
    match rest.first().copied().unwrap_or(0) {
        0x00..=0x07 => Some(1),
        0x08..=0x0F => Some(2),
        0x10..=0x17 => Some(3),
        0x18..=0x1F => Some(4),
        // The transparent spaces.
        0x20 | 0x21 => Some(1),
        0x80..=0x87 => Some(5),
        0x88..=0x8F => Some(6),
        0x90..=0x9F => Some(2 + usize::from(rest.get(1).copied().unwrap_or(0) & 0x1F)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pair for a field with odd parity.
    fn pair(field: u8, a: u8, b: u8) -> Construct {
        let odd = |byte: u8| if byte.count_ones().is_multiple_of(2) { byte | 0x80 } else { byte };
        [0xFC | field, odd(a), odd(b)]
    }

    fn found(constructs: &[Construct]) -> Vec<String> {
        let mut scan = CaptionScan::default();
        scan.push(constructs);
        scan.into_services().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn channels_count_once_they_write_captions() {
        let [load, roll, erase] = [0x20, 0x25, 0x2C];
        let hi = |field| pair(field, b'H', b'i');
        assert_eq!(found(&[pair(0, 0x14, load), hi(0)]), ["CC1"]);
        assert_eq!(found(&[pair(0, 0x1C, load), hi(0)]), ["CC2"]);
        assert_eq!(found(&[pair(1, 0x14, roll), hi(1)]), ["CC3"]);
        assert_eq!(found(&[pair(1, 0x15, roll), hi(1)]), ["CC3"]);
        assert_eq!(found(&[pair(1, 0x1D, 0x29), hi(1)]), ["CC4"]);
        // A special character is one.
        assert_eq!(found(&[pair(0, 0x14, load), pair(0, 0x11, 0x37)]), ["CC1"]);
        // Padding, erasing, positions and spaces are nothing, and characters without a mode.
        assert_eq!(found(&[pair(0, 0, 0), pair(1, 0, 0)]), Vec::<String>::new());
        let silent = [pair(0, 0x14, load), pair(0, 0x14, erase), pair(0, 0x14, 0x70)];
        assert_eq!(found(&silent), Vec::<String>::new());
        assert_eq!(found(&[pair(0, 0x14, load), pair(0, b' ', b' ')]), Vec::<String>::new());
        assert_eq!(found(&[hi(0)]), Vec::<String>::new());
        // Text channels and extended data are no captions.
        assert_eq!(found(&[pair(0, 0x14, 0x2A), hi(0)]), Vec::<String>::new());
        let data = [pair(1, 0x14, load), pair(1, 0x01, 0x03), hi(1), pair(1, 0x0F, 0x20)];
        assert_eq!(found(&data), Vec::<String>::new());
        assert_eq!(found(&[&data[..], &[hi(1)]].concat()), ["CC3"]);
    }

    /// A packet of one service block, as constructs.
    fn packet(block: &[u8]) -> Vec<Construct> {
        let mut bytes = [&[0][..], block].concat();
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        bytes[0] = bytes.len() as u8 / 2;
        let pairs = bytes.as_chunks::<2>().0.iter().enumerate();
        pairs.map(|(index, &[a, b])| [if index == 0 { 0xFF } else { 0xFE }, a, b]).collect()
    }

    #[test]
    fn services_count_once_they_write() {
        assert_eq!(found(&packet(&[1 << 5 | 2, b'H', b'i'])), ["SERVICE1"]);
        assert_eq!(found(&packet(&[7 << 5 | 2, 63, b'H', b'i'])), ["SERVICE63"]);
        // A window with parameters that look like letters, and an end of text.
        let window = [1 << 5 | 8, 0x98, b'A', b'B', b'C', b'D', b'E', b'F', 0x03];
        assert_eq!(found(&packet(&window)), Vec::<String>::new());
        // Two services in one packet; then the null service, behind which all is padding.
        let both = [1 << 5 | 1, 0x0C, 2 << 5 | 3, 0x80, 0xE9, 0x03, 0, 3 << 5 | 1, b'A'];
        assert_eq!(found(&packet(&both)), ["SERVICE2"]);
        // Commands with parameters of all lengths, then an extended character.
        let codes = [0x91, 0x2A, 0x3F, 0x2A, 0x97, 1, 65, 65, 65, 0x10, 0x20, 0x8D, 65];
        let with = |tail: &[u8]| {
            let block = [&codes[..], tail].concat();
            packet(&[&[1 << 5 | block.len() as u8], &block[..]].concat())
        };
        assert_eq!(found(&with(&[])), Vec::<String>::new());
        assert_eq!(found(&with(&[0x10, 0xA0])), ["SERVICE1"]);
    }

    #[test]
    fn packets_that_are_cut_are_left_out() {
        let whole = packet(&[1 << 5 | 4, b'H', b'i', b'!', b'!']);
        assert_eq!(found(&whole[..2]), Vec::<String>::new());
        assert_eq!(found(&whole[1..]), Vec::<String>::new());
        assert_eq!(found(&whole), ["SERVICE1"]);
    }

    #[test]
    fn messages_are_found_in_both_syntaxes() {
        let mut message = CAPTION_DATA.to_vec();
        // Three constructs, of which the second is not valid.
        message.extend_from_slice(&[0xC3, 0xFF, 0xFC, 0, 0, 0xF8, b'n', b'o', 0xFD, 0x94, 0x20]);
        message.push(0xFF);
        let mut sei = vec![4, message.len() as u8];
        sei.extend_from_slice(&message);
        sei.push(0x80);
        let unit = |header: &[u8], body: &[u8]| {
            let length = (header.len() + body.len()) as u32;
            [&length.to_be_bytes()[..], header, body].concat()
        };
        let expected = vec![[0xFC, 0, 0], [0xFD, 0x94, 0x20]];
        let avc = [unit(&[0x09], &[0xF0]), unit(&[0x06], &sei), unit(&[0x65], &sei)].concat();
        assert_eq!(carried(&avc, StreamSyntax::H264), expected);
        let hevc = [unit(&[0x4E, 1], &sei), unit(&[0x26, 1], &sei)].concat();
        assert_eq!(carried(&hevc, StreamSyntax::H265), expected);
        assert_eq!(carried(&avc, StreamSyntax::Adts), Vec::<Construct>::new());
        // Another provider's data, and data that are not to be processed.
        let other = |at: usize, value| {
            let mut changed = sei.clone();
            changed[at] = value;
            carried(&unit(&[0x06], &changed), StreamSyntax::H264)
        };
        assert_eq!(other(4, 0x2F), Vec::<Construct>::new());
        assert_eq!(other(10, 0x83), Vec::<Construct>::new());
        // A message that is cut.
        assert_eq!(other(1, 0xFE), Vec::<Construct>::new());
    }
}
