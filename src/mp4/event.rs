//! Event messages in front of a fragment (ISO/IEC 23009-1:2022 5.10.3.3): ID3 tags, as AOM, "Carriage
//! of ID3 Timed Metadata in CMAF", wants them.

use super::{write_full_box, write_u32};
use crate::model::sample::FragmentLayout;
use crate::model::timed_metadata::{ID3_SCHEME, ID3_VALUE, TimedMetadata};
use crate::time::Timescale;

/// How long a tag holds is not known.
const UNKNOWN_DURATION: u32 = u32::MAX;

/// Appends the `emsg` of each tag, version 1: times are those of the fragments' timeline. `first`
/// is the number of the first; a player that meets a number again knows the message.
pub fn write_events(out: &mut Vec<u8>, tags: &[TimedMetadata], first: u32) {
    for (tag, number) in tags.iter().zip(first..) {
        write_full_box(out, b"emsg", 1, 0, |out| {
            write_u32(out, Timescale::MPEG.hertz());
            out.extend_from_slice(&(tag.time.0.max(0) as u64).to_be_bytes());
            write_u32(out, UNKNOWN_DURATION);
            write_u32(out, number);
            for text in [ID3_SCHEME, ID3_VALUE] {
                out.extend_from_slice(text.as_bytes());
                out.push(0);
            }
            out.extend_from_slice(&tag.payload);
        });
    }
}

/// The header of a fragment with events behind its `styp` (ISO/IEC 23000-19:2024 7.3.2.4.2).
pub fn with_events(mut header: Vec<u8>, events: &[u8]) -> Vec<u8> {
    let at = (FragmentLayout::STYP_BYTES as usize).min(header.len());
    header.splice(at..at, events.iter().copied());
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Ticks;

    #[test]
    fn a_message_is_written_as_the_standard_has_it_and_has_the_announced_size() {
        let tag = |time, payload: &[u8]| TimedMetadata {
            period: 0,
            time: Ticks(time),
            payload: payload.to_vec(),
        };
        let tags = [tag(1 << 33, b"ID3abc"), tag(5, b"")];
        let mut bytes = Vec::new();
        write_events(&mut bytes, &tags, 7);
        let announced: u64 = tags.iter().map(TimedMetadata::event_bytes).sum();
        assert_eq!(bytes.len() as u64, announced);
        let expected = [
            &[0, 0, 0, 69][..],
            b"emsg\x01\0\0\0",
            &90_000_u32.to_be_bytes(),
            &[0, 0, 0, 2, 0, 0, 0, 0],
            &[0xFF; 4],
            &[0, 0, 0, 7],
            b"https://aomedia.org/emsg/ID3\0",
            b"0\0",
            b"ID3abc",
        ];
        let expected = expected.concat();
        assert_eq!(
            bytes[..expected.len()].escape_ascii().to_string(),
            expected.escape_ascii().to_string()
        );
        // The number of the second.
        assert_eq!(bytes[expected.len() + 31], 8);
    }
}
