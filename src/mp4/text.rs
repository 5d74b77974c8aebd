//! The initialization segment of a `wvtt` track (ISO/IEC 14496-30 7, ISO/IEC 23000-19:2024 11.2) or
//! of an `stpp` track (ISO/IEC 14496-30 5, ISO/IEC 14496-12:2022 12.6, ISO/IEC 23000-19:2024 11.3).
//!
//! ```text
//! ftyp moov ─ mvhd, trak ─ tkhd, mdia ─ mdhd, elng, hdlr "text", minf ─ nmhd, dinf, stbl, mvex
//!             stsd ─ wvtt ─ vttC, vlab
//!                                                   hdlr "subt", minf ─ sthd, dinf, stbl
//!             stsd ─ stpp
//! ```
//!
//! Fragments are written by [`super::fragment`], samples by `codec::webvtt` and `codec::ttml`.

use mp4_atom::{
    Dinf, Dref, DrefEntry, Encode, FourCC, Hdlr, Mdhd, Mvhd, Stco, Stsc, Stsz, Stts, Tkhd, Trex,
    Url,
};

use super::init::{InitError, nested};
use super::{TRACK_ID, write_box, write_full_box, write_u32};
use crate::time::Timescale;

/// What describes the samples of a track.
#[derive(Clone, Copy, Debug)]
pub enum TextEntry<'a> {
    /// WebVTT.
    Wvtt {
        /// What stands before the cues.
        configuration: &'a [u8],
        /// What the text is called.
        label: &'a str,
    },
    /// XML documents.
    Stpp {
        /// The namespace of their root.
        namespace: &'a str,
    },
}

impl TextEntry<'_> {
    /// Type of the handler, and its name.
    const fn handler(self) -> (&'static [u8; 4], &'static str) {
        match self {
            Self::Wvtt { .. } => (b"text", "Text"),
            Self::Stpp { .. } => (b"subt", "Subtitles"),
        }
    }

    /// The brand of ISO/IEC 23000-19:2024 table A.2.
    const fn brand(self) -> &'static [u8; 4] {
        match self {
            Self::Wvtt { .. } => b"cwvt",
            Self::Stpp { .. } => b"im1t",
        }
    }

    fn write(self, out: &mut Vec<u8>) {
        const DATA_REFERENCE: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 1];
        match self {
            Self::Wvtt { configuration, label } => write_box(out, b"wvtt", |out| {
                out.extend_from_slice(&DATA_REFERENCE);
                write_box(out, b"vttC", |out| out.extend_from_slice(configuration));
                // Shaka Packager reads no track without it.
                write_box(out, b"vlab", |out| out.extend_from_slice(label.as_bytes()));
            }),
            Self::Stpp { namespace } => write_box(out, b"stpp", |out| {
                out.extend_from_slice(&DATA_REFERENCE);
                out.extend_from_slice(namespace.as_bytes());
                // Behind it schema_location and auxiliary_mime_types, which are empty: nothing is
                // beside the documents.
                out.extend_from_slice(&[0, 0, 0]);
            }),
        }
    }
}

/// The initialization segment of a text track; `language` is a tag of BCP 47.
pub fn init_segment(
    entry: TextEntry<'_>,
    language: Option<&str>,
    timescale: Timescale,
) -> Result<Vec<u8>, InitError> {
    let mut out = Vec::with_capacity(1024);
    write_box(&mut out, b"ftyp", |out| {
        out.extend_from_slice(b"iso6\0\0\0\0iso6cmfc");
        out.extend_from_slice(entry.brand());
        out.extend_from_slice(b"dash");
    });
    nested(&mut out, b"moov", |out| {
        // Creation times stay 0: the same URL gives the same bytes on any day.
        Mvhd {
            creation_time: 0,
            modification_time: 0,
            timescale: timescale.hertz(),
            duration: 0,
            rate: 1.into(),
            volume: 1.into(),
            matrix: Default::default(),
            next_track_id: TRACK_ID + 1,
        }
        .encode(out)?;
        nested(out, b"trak", |out| write_track(out, entry, language, timescale))?;
        nested(out, b"mvex", |out| {
            Trex { track_id: TRACK_ID, default_sample_description_index: 1, ..Trex::default() }
                .encode(out)
                .map_err(InitError::from)
        })
    })?;
    Ok(out)
}

fn write_track(
    out: &mut Vec<u8>,
    entry: TextEntry<'_>,
    language: Option<&str>,
    timescale: Timescale,
) -> Result<(), InitError> {
    Tkhd { track_id: TRACK_ID, enabled: true, in_movie: true, ..Tkhd::default() }.encode(out)?;
    nested(out, b"mdia", |out| {
        // ISO 639-2/T has three letters; `elng` has the whole tag (ISO/IEC 14496-12:2022 8.4.6).
        let is_code = |tag: &&str| tag.len() == 3 && tag.bytes().all(|b| b.is_ascii_lowercase());
        let code = language.filter(is_code).unwrap_or("und").to_owned();
        Mdhd { timescale: timescale.hertz(), language: code, ..Mdhd::default() }.encode(out)?;
        if let Some(language) = language {
            write_full_box(out, b"elng", 0, 0, |out| {
                out.extend(language.bytes().filter(|byte| *byte != 0));
                out.push(0);
            });
        }
        let (handler, name) = entry.handler();
        Hdlr { handler: FourCC::from(*handler), name: name.to_owned() }.encode(out)?;
        nested(out, b"minf", |out| {
            let media_header = match entry {
                TextEntry::Wvtt { .. } => b"nmhd",
                TextEntry::Stpp { .. } => b"sthd",
            };
            write_full_box(out, media_header, 0, 0, |_| {});
            Dinf { dref: Dref { entries: vec![DrefEntry::Url(Url::default())] } }.encode(out)?;
            nested(out, b"stbl", |out| {
                write_full_box(out, b"stsd", 0, 0, |out| {
                    write_u32(out, 1);
                    entry.write(out);
                });
                Stts::default().encode(out)?;
                Stsc::default().encode(out)?;
                Stsz::default().encode(out)?;
                Stco::default().encode(out)?;
                Ok(())
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_library_reads_the_track_and_its_configuration() {
        use mp4_atom::{Atom, Decode, Ftyp, Header, Mdhd, ReadFrom};

        let entry = TextEntry::Wvtt { configuration: b"WEBVTT", label: "Text" };
        let bytes = init_segment(entry, Some("de-CH"), Timescale::MPEG).unwrap();
        let mut rest = &bytes[..];
        assert!(Ftyp::decode(&mut rest).unwrap().compatible_brands.contains(&b"cwvt".into()));
        assert_eq!(Header::read_from(&mut rest).unwrap().kind, b"moov".into());
        let at = |name: &[u8]| bytes.windows(name.len()).position(|part| part == name).unwrap();
        let mut mdhd = &bytes[at(Mdhd::KIND.as_ref()) - 4..];
        assert_eq!(Mdhd::decode(&mut mdhd).unwrap().language, "und");
        assert_eq!(&bytes[at(b"elng") + 8..][..6], b"de-CH\0");
        assert_eq!(&bytes[at(b"vttC") - 4..][..14], b"\0\0\0\x0EvttCWEBVTT");
        assert!(
            at(b"mdhd") < at(b"elng") && at(b"elng") < at(b"hdlr") && at(b"hdlr") < at(b"nmhd")
        );
    }

    #[test]
    fn another_library_reads_the_entry_of_documents() {
        use mp4_atom::{Decode, Ftyp, Hdlr};

        let entry = TextEntry::Stpp { namespace: "http://www.w3.org/ns/ttml" };
        let bytes = init_segment(entry, Some("fra"), Timescale::MPEG).unwrap();
        let brands = Ftyp::decode(&mut &bytes[..]).unwrap().compatible_brands;
        assert_eq!(brands, [b"iso6", b"cmfc", b"im1t", b"dash"].map(|brand| FourCC::from(*brand)));
        let at = |name: &[u8]| bytes.windows(name.len()).position(|part| part == name).unwrap();
        let hdlr = Hdlr::decode(&mut &bytes[at(b"hdlr") - 4..]).unwrap();
        assert_eq!(hdlr.handler, b"subt".into());
        let sthd = at(b"sthd");
        assert_eq!(bytes[sthd - 4..sthd + 8], *b"\0\0\0\x0Csthd\0\0\0\0");
        let stpp = at(b"stpp");
        let expected = b"\0\0\0\x2Cstpp\0\0\0\0\0\0\0\x01http://www.w3.org/ns/ttml\0\0\0";
        assert_eq!(bytes[stpp - 4..stpp + 40], *expected);
    }
}
