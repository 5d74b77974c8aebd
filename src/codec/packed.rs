//! Packed audio: sound without a container, behind an ID3 tag that says when it begins
//! (RFC 8216 3.4).
//!
//! Which frames they are is told from the first sync word. The frames themselves, and tags among
//! them, are for [`super::sound`].

use super::sound::tag;
use crate::model::codec::StreamSyntax;

/// What stands at the start of a segment of packed audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedStart {
    /// How the frames are written.
    pub syntax: StreamSyntax,
    /// When the first sample is heard, 90 kHz, 33 bits; `None` where no tag says.
    pub timestamp: Option<u64>,
}

/// The owner of the private frame with the timestamp.
const OWNER: &[u8] = b"com.apple.streaming.transportStreamTimestamp\0";
/// Tags in a row that are looked through.
const MOST_TAGS: usize = 16;

/// Reads the start of a segment; `None` where it is something else. The bytes must reach behind the
/// tags.
pub fn start(bytes: &[u8]) -> Option<PackedStart> {
    let mut rest = bytes;
    let mut timestamp = None;
    for _ in 0..MOST_TAGS {
        let Some(length) = tag::length(rest) else { break };
        let (whole, behind) = rest.split_at_checked(length)?;
        timestamp = timestamp.or_else(|| timestamp_of(whole));
        rest = behind;
    }
    Some(PackedStart { syntax: syntax(rest)?, timestamp })
}

/// By the first sync word: ADTS (ISO/IEC 13818-7 6.2.1), AC-3 and E-AC-3 (ETSI TS 102 366 4.3), MPEG
/// audio (ISO/IEC 11172-3 2.4.1.3).
const fn syntax(bytes: &[u8]) -> Option<StreamSyntax> {
    match bytes {
        [0xFF, second, ..] if *second & 0xF6 == 0xF0 => Some(StreamSyntax::Adts),
        [0xFF, second, ..] if *second & 0xE0 == 0xE0 => Some(StreamSyntax::MpegAudio),
        [0x0B, 0x77, ..] => Some(StreamSyntax::Dolby),
        _ => None,
    }
}

/// The timestamp in an ID3v2 tag (id3.org, "ID3 tag version 2.4.0" 4.27).
fn timestamp_of(tag: &[u8]) -> Option<u64> {
    let (&[b'I', b'D', b'3', version, _, flags, ..], mut rest) = tag.split_first_chunk::<10>()?
    else {
        return None;
    };
    if flags & 0x40 != 0 {
        let size = size(version, *rest.first_chunk()?)?;
        // An extended header counts itself from version 4 on.
        let bytes = if version >= 4 { size } else { size.checked_add(4)? };
        rest = rest.get(bytes..)?;
    }
    while let Some((header, behind)) = rest.split_first_chunk::<10>() {
        let [id @ .., b0, b1, b2, b3, _, _] = header;
        let (content, next) = behind.split_at_checked(size(version, [*b0, *b1, *b2, *b3])?)?;
        if id == b"PRIV"
            && let Some(value) = content.strip_prefix(OWNER)
        {
            let value = u64::from_be_bytes(*value.first_chunk()?);
            return Some(value & ((1 << 33) - 1));
        }
        rest = next;
    }
    None
}

/// A size field: seven bits a byte from version 4 on.
fn size(version: u8, bytes: [u8; 4]) -> Option<usize> {
    if version < 4 {
        return usize::try_from(u32::from_be_bytes(bytes)).ok();
    }
    bytes
        .iter()
        .try_fold(0_usize, |size, &byte| (byte < 0x80).then_some(size << 7 | usize::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(version: u8, frames: &[u8]) -> Vec<u8> {
        let mut tag = vec![
            b'I',
            b'D',
            b'3',
            version,
            0,
            0,
            0,
            0,
            (frames.len() >> 7) as u8,
            frames.len() as u8 & 0x7F,
        ];
        tag.extend_from_slice(frames);
        tag
    }

    fn private(timestamp: u64) -> Vec<u8> {
        let mut frame = b"PRIV\0\0\0\x35\0\0".to_vec();
        frame.extend_from_slice(OWNER);
        frame.extend_from_slice(&timestamp.to_be_bytes());
        frame
    }

    #[test]
    fn the_timestamp_is_found_behind_other_frames_and_tags() {
        let text = b"TIT2\0\0\0\x04\0\0\x03abc".to_vec();
        let mut bytes = tag(4, &text);
        bytes.extend(tag(4, &[text, private(0x1_0002_D0FF)].concat()));
        bytes.extend([0xFF, 0xF1, 0x4C]);
        let found = PackedStart { syntax: StreamSyntax::Adts, timestamp: Some(0x1_0002_D0FF) };
        assert_eq!(start(&bytes), Some(found));
        // The clock has 33 bits.
        let bytes = [tag(3, &private(0x7_0000_0001)), vec![0x0B, 0x77]].concat();
        let found = PackedStart { syntax: StreamSyntax::Dolby, timestamp: Some(0x1_0000_0001) };
        assert_eq!(start(&bytes), Some(found));
    }

    #[test]
    fn sync_words_tell_what_it_is() {
        let of = |bytes: &[u8]| start(bytes).map(|found| found.syntax);
        assert_eq!(of(&[0xFF, 0xF9, 0]), Some(StreamSyntax::Adts));
        assert_eq!(of(&[0xFF, 0xFB, 0]), Some(StreamSyntax::MpegAudio));
        assert_eq!(of(&[0x47, 0x40, 0]), None);
        assert_eq!(of(b"WEBVTT"), None);
        // A tag that is cut off.
        assert_eq!(of(&tag(4, &private(1))[..30]), None);
    }
}
