//! What an elementary stream holds, by its stream type and descriptors (ISO/IEC 13818-1:2023 table
//! 2-34, ETSI EN 300 468 V1.17.1 table 12 and annex D, ATSC A/53 part 3, and the registrations at
//! smpte-ra.org).
//!
//! Private data (type 0x06) says by a descriptor what it is; so do types that several bodies gave
//! away. Nothing here looks into the stream itself.

use super::psi::{MapEntry, stream_type};
use crate::model::codec::StreamSyntax;
use crate::model::presentation::Medium;

/// What an elementary stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// A track that a framer reads.
    Track(StreamSyntax),
    /// Pictures or sound in a codec that is not read.
    Unread {
        /// Which of both.
        medium: Medium,
        /// The codec's name.
        name: &'static str,
    },
    /// Neither pictures nor sound, or nobody says what.
    Data {
        /// What it is.
        name: &'static str,
    },
}

/// `descriptor_tag` values.
const REGISTRATION: u8 = 0x05;
const TELETEXT: u8 = 0x56;
const SUBTITLING: u8 = 0x59;
const AC3: u8 = 0x6A;
const ENHANCED_AC3: u8 = 0x7A;
const DTS: u8 = 0x7B;
const AAC: u8 = 0x7C;
const EXTENSION: u8 = 0x7F;

impl MapEntry {
    /// Whether it may hold ID3 tags: timed metadata that no descriptor calls something else.
    pub fn may_hold_tags(&self) -> bool {
        let registration = self.registration();
        match self.stream.stream_type {
            stream_type::METADATA => registration.is_none_or(|format| format == *b"ID3 "),
            0x06 => registration == Some(*b"ID3 "),
            _ => false,
        }
    }

    /// Whether it may hold SCTE-35 sections: Blu-ray discs gave the type to sound.
    pub fn may_hold_splices(&self) -> bool {
        self.stream.stream_type == stream_type::SCTE_35 && self.registration() != Some(*b"HDMV")
    }

    /// What the stream holds.
    pub fn contents(&self) -> Contents {
        use StreamSyntax as Syntax;
        let unread = |medium, name| Contents::Unread { medium, name };
        let video = |name| unread(Medium::Video, name);
        let audio = |name| unread(Medium::Audio, name);
        let registration = self.registration();
        match self.stream.stream_type {
            0x01 => video("MPEG-1 video"),
            0x02 => video("MPEG-2 video"),
            0x03 | 0x04 => Contents::Track(Syntax::MpegAudio),
            0x05 | 0x06 => self.private_contents(registration),
            stream_type::AAC_ADTS => Contents::Track(Syntax::Adts),
            0x10 => video("MPEG-4 part 2 video"),
            0x11 => Contents::Track(Syntax::Latm),
            stream_type::H264 => Contents::Track(Syntax::H264),
            0x1C => audio("MPEG-4 audio without sync layer"),
            0x1F | 0x20 => video("scalable or multi-view H.264"),
            0x21 => video("JPEG 2000"),
            0x24 => Contents::Track(Syntax::H265),
            0x25 | 0x28..=0x2B => video("an enhancement layer of HEVC"),
            0x2D | 0x2E => audio("MPEG-H audio"),
            0x33 => video("VVC"),
            0x42 => video("AVS video"),
            0x80 if registration == Some(*b"HDMV") => audio("LPCM audio"),
            0x80 => video("video of a private type (0x80)"),
            0x81 => Contents::Track(Syntax::Dolby),
            // SCTE-27 gave the same type to subtitles in sections.
            0x82 => audio("DTS"),
            0x83 => audio("Dolby TrueHD"),
            0x84 | 0x87 => Contents::Track(Syntax::Dolby),
            0x85 | 0x8A => audio("DTS"),
            0x86 if registration == Some(*b"HDMV") => audio("DTS-HD"),
            0x88 => audio("DTS-HD"),
            0x90..=0x92 if registration == Some(*b"HDMV") => Contents::Data { name: "graphics" },
            0xD1 => video("Dirac"),
            0xD2 => video("AVS2 video"),
            0xD4 => video("AVS3 video"),
            0xEA => video("VC-1"),
            stream_type::ENCRYPTED_AC3
            | stream_type::ENCRYPTED_EAC3
            | stream_type::ENCRYPTED_AAC => audio("sound encrypted by SAMPLE-AES"),
            stream_type::ENCRYPTED_H264 => video("H.264 encrypted by SAMPLE-AES"),
            stream_type::METADATA => Contents::Data { name: "timed metadata" },
            stream_type::SCTE_35 => Contents::Data { name: "SCTE-35" },
            _ => Contents::Data { name: "data" },
        }
    }

    /// What private data holds: descriptors and registrations tell.
    fn private_contents(&self, registration: Option<[u8; 4]>) -> Contents {
        use StreamSyntax as Syntax;
        let unread = |medium, name| Contents::Unread { medium, name };
        let audio = |name| unread(Medium::Audio, name);
        let described = self.descriptors().find_map(|(tag, body)| {
            Some(match (tag, body.first().copied()) {
                (AC3 | ENHANCED_AC3, _) => Contents::Track(Syntax::Dolby),
                (AAC, _) => Contents::Track(Syntax::Latm),
                (DTS, _) => audio("DTS"),
                (EXTENSION, Some(0x0E | 0x0F)) => audio("DTS-HD"),
                (EXTENSION, Some(0x15)) => audio("AC-4"),
                (EXTENSION, Some(0x80)) => audio("Opus"),
                (TELETEXT, _) => Contents::Data { name: "teletext" },
                (SUBTITLING, _) => Contents::Data { name: "DVB subtitles" },
                _ => return None,
            })
        });
        let registered = || {
            Some(match &registration? {
                b"AC-3" | b"EAC3" => Contents::Track(Syntax::Dolby),
                b"HEVC" => Contents::Track(Syntax::H265),
                b"AC-4" => audio("AC-4"),
                b"Opus" => audio("Opus"),
                b"DTS1" | b"DTS2" | b"DTS3" | b"DTSH" => audio("DTS"),
                b"BSSD" => audio("SMPTE 302M audio"),
                b"AV01" => unread(Medium::Video, "AV1"),
                b"VC-1" => unread(Medium::Video, "VC-1"),
                b"drac" => unread(Medium::Video, "Dirac"),
                b"KLVA" => Contents::Data { name: "KLV metadata" },
                b"ID3 " => Contents::Data { name: "timed metadata" },
                _ => return None,
            })
        };
        described.or_else(registered).unwrap_or(Contents::Data { name: "private data" })
    }

    /// `format_identifier` of the first registration descriptor.
    fn registration(&self) -> Option<[u8; 4]> {
        self.descriptors()
            .find(|(tag, _)| *tag == REGISTRATION)
            .and_then(|(_, body)| body.first_chunk::<4>().copied())
    }

    /// Tags and bodies of the descriptors; ends where one is cut.
    fn descriptors(&self) -> impl Iterator<Item = (u8, &[u8])> {
        let mut rest = &self.descriptors[..];
        std::iter::from_fn(move || {
            let (&[tag, length], behind) = rest.split_first_chunk::<2>()?;
            let (body, behind) = behind.split_at_checked(usize::from(length))?;
            rest = behind;
            Some((tag, body))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ts::psi::ElementaryStream;

    fn contents(stream_type: u8, descriptors: &[u8]) -> Contents {
        let stream = ElementaryStream { stream_type, pid: 0x100 };
        MapEntry { stream, descriptors: descriptors.to_vec() }.contents()
    }

    #[test]
    fn private_data_is_what_its_descriptors_say() {
        let dolby = Contents::Track(StreamSyntax::Dolby);
        assert_eq!(contents(0x06, &[0x6A, 1, 0]), dolby);
        assert_eq!(contents(0x06, &[0x0A, 4, b'e', b'n', b'g', 0, 0x7A, 1, 0]), dolby);
        assert_eq!(contents(0x06, b"\x05\x04EAC3"), dolby);
        let opus = Contents::Unread { medium: Medium::Audio, name: "Opus" };
        assert_eq!(contents(0x06, b"\x05\x04Opus\x7F\x02\x80\x02"), opus);
        assert_eq!(contents(0x06, &[0x7F, 200, 1]), Contents::Data { name: "private data" });
        assert_eq!(contents(0x06, &[]), Contents::Data { name: "private data" });
    }

    #[test]
    fn tags_are_looked_for_where_nothing_else_is_said() {
        let may = |stream_type, descriptors: &[u8]| {
            let stream = ElementaryStream { stream_type, pid: 0x100 };
            MapEntry { stream, descriptors: descriptors.to_vec() }.may_hold_tags()
        };
        assert!(may(0x15, b"") && may(0x15, b"\x05\x04ID3 ") && may(0x06, b"\x05\x04ID3 "));
        let splices = |descriptors: &[u8]| {
            let stream = ElementaryStream { stream_type: 0x86, pid: 0x100 };
            MapEntry { stream, descriptors: descriptors.to_vec() }.may_hold_splices()
        };
        assert!(splices(b"") && splices(b"\x05\x04CUEI") && !splices(b"\x05\x04HDMV"));
        assert!(!may(0x15, b"\x05\x04KLVA") && !may(0x06, b"") && !may(0x86, b""));
    }

    #[test]
    fn types_that_two_bodies_gave_away_are_told_apart() {
        let dts = Contents::Unread { medium: Medium::Audio, name: "DTS" };
        assert_eq!(contents(0x82, b"\x05\x04HDMV"), dts);
        assert_eq!(contents(0x82, b""), dts);
        assert_eq!(contents(0x86, b"\x05\x04CUEI"), Contents::Data { name: "SCTE-35" });
        let lpcm = Contents::Unread { medium: Medium::Audio, name: "LPCM audio" };
        assert_eq!(contents(0x80, b"\x05\x04HDMV"), lpcm);
    }
}
