//! Tags of audio files that end up between frames: ID3v2 (id3.org, "ID3 tag version 2.4.0" 3.1 and
//! 3.4), ID3v1, and APE tags with a header.
//!
//! Only their length is read.

/// The most that must be there to know the length of a tag.
pub(in crate::codec) const HEADER_BYTES: usize = 32;
/// An ID3v1 tag.
const ID3V1_BYTES: usize = 128;

/// Whether the bytes begin like a tag. Four of them are enough.
pub(in crate::codec) fn begins(bytes: &[u8]) -> bool {
    [&b"ID3"[..], b"TAG", b"APET"].iter().any(|magic| bytes.starts_with(magic))
}

/// Bytes of the tag that begins here; `None` where none does, or none that can be passed over.
pub(in crate::codec) fn length(bytes: &[u8]) -> Option<usize> {
    if bytes.starts_with(b"ID3") {
        let header: &[u8; 10] = bytes.first_chunk()?;
        let [.., flags, b0, b1, b2, b3] = *header;
        let size = [b0, b1, b2, b3];
        if header[3] == 0xFF || header[4] == 0xFF || size.iter().any(|&byte| byte >= 0x80) {
            return None;
        }
        let size = size.iter().fold(0_usize, |size, &byte| size << 7 | usize::from(byte));
        let footer = if flags & 0x10 != 0 { 10 } else { 0 };
        return Some(10 + size + footer);
    }
    if bytes.starts_with(b"TAG") {
        return Some(ID3V1_BYTES);
    }
    if bytes.starts_with(b"APETAGEX") {
        let header: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
        let field = |at: usize| -> Option<u32> {
            Some(u32::from_le_bytes(*header.get(at..)?.first_chunk()?))
        };
        let is_header = field(20)? >> 29 & 1 == 1;
        // The size counts items and footer.
        return is_header.then_some(HEADER_BYTES + field(12)? as usize);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_formats() {
        let id3 = [b"ID3\x04\0\x10".as_slice(), &[0, 0, 1, 2]].concat();
        assert_eq!(length(&id3), Some(10 + 130 + 10));
        assert_eq!(length(b"TAG and so on"), Some(128));
        let mut ape = b"APETAGEX".to_vec();
        ape.extend_from_slice(&2_000_u32.to_le_bytes());
        ape.extend_from_slice(&100_u32.to_le_bytes());
        ape.extend_from_slice(&1_u32.to_le_bytes());
        ape.extend_from_slice(&0xA000_0000_u32.to_le_bytes());
        ape.extend_from_slice(&[0; 8]);
        assert_eq!(length(&ape), Some(132));
    }

    #[test]
    fn what_is_no_tag_has_no_length() {
        assert_eq!(length(&[b"ID3\x04\0\0".as_slice(), &[0x80, 0, 0, 1]].concat()), None);
        assert_eq!(length(b"ID"), None);
        assert_eq!(length(&[0xFF, 0xF1, 0, 0]), None);
    }
}
