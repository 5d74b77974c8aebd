//! The header of a media segment: everything before the payload.
//!
//! The header has the size that [`FragmentLayout`] announces, so a caller leaves that much room at
//! the front of its buffer, lets the payload grow behind it, and writes the header last.

use super::{TRACK_ID, write_box, write_full_box, write_u32};
use crate::model::sample::{FragmentLayout, FragmentProtection, Sample, SampleProtections};
use crate::time::Ticks;

/// `tfhd` flags (ISO/IEC 14496-12:2022 8.8.7.1).
mod tfhd_flags {
    pub const SAMPLE_DESCRIPTION_INDEX: u32 = 0x00_0002;
    pub const DEFAULT_SAMPLE_DURATION: u32 = 0x00_0008;
    pub const DEFAULT_SAMPLE_FLAGS: u32 = 0x00_0020;
    pub const DEFAULT_BASE_IS_MOOF: u32 = 0x02_0000;
}

/// `trun` flags (ISO/IEC 14496-12:2022 8.8.8.1).
mod trun_flags {
    pub const DATA_OFFSET: u32 = 0x00_0001;
    pub const SAMPLE_DURATION: u32 = 0x00_0100;
    pub const SAMPLE_SIZE: u32 = 0x00_0200;
    pub const SAMPLE_FLAGS: u32 = 0x00_0400;
    pub const SAMPLE_COMPOSITION_OFFSET: u32 = 0x00_0800;
}

/// `senc` flag: subsamples follow (ISO/IEC 23001-7 7.2).
const SENC_HAS_SUBSAMPLES: u32 = 2;
/// The sample entry of clear samples in a track that is encrypted otherwise.
pub(super) const CLEAR_DESCRIPTION_INDEX: u32 = 2;

/// Flags of samples that a fragment gives no flags of their own: audio frames.
const AUDIO_SAMPLE_FLAGS: u32 = crate::model::sample::Dependency::AUDIO.sample_flags();

/// What the header says beside the samples.
#[derive(Clone, Copy, Debug)]
pub struct FragmentHeader {
    /// Which fields it has.
    pub layout: FragmentLayout,
    /// `mfhd` sequence number, from 1.
    pub sequence_number: u32,
    /// `tfdt`: decoding time of the first sample.
    pub base_decode_time: Ticks,
    /// Bytes of payload.
    pub payload_bytes: u32,
}

impl FragmentHeader {
    /// `styp`, `moof` and the start of `mdat`: exactly `layout.header_bytes()` bytes, if
    /// `protections` is what the layout announces.
    pub fn to_bytes(&self, samples: &[Sample], protections: &SampleProtections) -> Vec<u8> {
        let layout = self.layout;
        let mut out = Vec::with_capacity(layout.header_bytes() as usize);
        write_box(&mut out, b"styp", |out| {
            out.extend_from_slice(b"msdh\0\0\0\0msdhcmfscmff");
        });
        write_box(&mut out, b"moof", |out| {
            write_full_box(out, b"mfhd", 0, 0, |out| write_u32(out, self.sequence_number));
            let moof_start = FragmentLayout::STYP_BYTES as usize;
            write_box(out, b"traf", |out| {
                self.write_track(out, samples);
                if let Some(protection) = layout.protection.filter(|p| p.has_senc()) {
                    write_protection(out, moof_start, protection, samples.len(), protections);
                }
            });
        });
        write_u32(&mut out, self.payload_bytes + 8);
        out.extend_from_slice(b"mdat");
        out
    }

    fn write_track(&self, out: &mut Vec<u8>, samples: &[Sample]) {
        let layout = self.layout;
        let mut flags = tfhd_flags::DEFAULT_BASE_IS_MOOF | tfhd_flags::DEFAULT_SAMPLE_FLAGS;
        if layout.uniform_duration.is_some() {
            flags |= tfhd_flags::DEFAULT_SAMPLE_DURATION;
        }
        if layout.clear_lead {
            flags |= tfhd_flags::SAMPLE_DESCRIPTION_INDEX;
        }
        write_full_box(out, b"tfhd", 0, flags, |out| {
            write_u32(out, TRACK_ID);
            if layout.clear_lead {
                write_u32(out, CLEAR_DESCRIPTION_INDEX);
            }
            if let Some(duration) = layout.uniform_duration {
                write_u32(out, duration);
            }
            write_u32(out, AUDIO_SAMPLE_FLAGS);
        });
        write_full_box(out, b"tfdt", 1, 0, |out| {
            out.extend_from_slice(&(self.base_decode_time.0.max(0) as u64).to_be_bytes());
        });
        let mut flags = trun_flags::DATA_OFFSET | trun_flags::SAMPLE_SIZE;
        if layout.uniform_duration.is_none() {
            flags |= trun_flags::SAMPLE_DURATION;
        }
        if layout.video {
            flags |= trun_flags::SAMPLE_FLAGS | trun_flags::SAMPLE_COMPOSITION_OFFSET;
        }
        // Version 1: composition offsets are signed.
        write_full_box(out, b"trun", 1, flags, |out| {
            write_u32(out, samples.len() as u32);
            write_u32(out, (layout.moof_bytes() + 8) as u32); // data_offset from moof to payload
            for sample in samples {
                if layout.uniform_duration.is_none() {
                    write_u32(out, sample.duration);
                }
                write_u32(out, sample.size);
                if layout.video {
                    write_u32(out, sample.dependency.sample_flags());
                    out.extend_from_slice(&sample.composition_offset.to_be_bytes());
                }
            }
        });
    }
}

/// `saiz`, `saio` and `senc` (ISO/IEC 14496-12:2022 8.7.8 and 8.7.9, ISO/IEC 23001-7 7.2).
fn write_protection(
    out: &mut Vec<u8>,
    moof_start: usize,
    protection: FragmentProtection,
    samples: usize,
    protections: &SampleProtections,
) {
    let count = samples as u32;
    let iv_bytes = protection.iv_bytes;
    if protection.fits_sizes {
        write_full_box(out, b"saiz", 0, 0, |out| {
            if protection.subsamples.is_none() {
                out.push(iv_bytes);
                write_u32(out, count);
                return;
            }
            out.push(0);
            write_u32(out, count);
            let size = |count: &u16| u64::from(iv_bytes) + 2 + 6 * u64::from(*count);
            out.extend(protections.counts.iter().map(|count| size(count) as u8));
        });
        let senc_start = out.len() + FragmentProtection::SAIO_BYTES as usize;
        write_full_box(out, b"saio", 0, 0, |out| {
            write_u32(out, 1);
            // To the first byte behind the sample count of `senc`.
            write_u32(out, (senc_start - moof_start + 16) as u32);
        });
    }
    let flags = if protection.subsamples.is_some() { SENC_HAS_SUBSAMPLES } else { 0 };
    write_full_box(out, b"senc", 0, flags, |out| {
        write_u32(out, count);
        let mut ivs = protections.ivs.iter();
        let mut counts = protections.counts.iter();
        let mut rest = &protections.subsamples[..];
        for _ in 0..samples {
            if iv_bytes > 0
                && let Some(iv) = ivs.next()
            {
                out.extend_from_slice(iv);
            }
            if protection.subsamples.is_none() {
                continue;
            }
            let count = counts.next().copied().unwrap_or_default();
            out.extend_from_slice(&count.to_be_bytes());
            let (own, behind) = rest.split_at(usize::from(count).min(rest.len()));
            rest = behind;
            for subsample in own {
                out.extend_from_slice(&subsample.clear.to_be_bytes());
                write_u32(out, subsample.protected);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::{Dependency, Subsample};
    use mp4_atom::{Atom, Decode, Moof, Styp};

    fn sample(index: i64, sync: bool) -> Sample {
        Sample {
            offset: 0,
            size: 100 + index as u32,
            decode_time: Ticks(3_600 * index),
            duration: 3_600,
            composition_offset: if sync { 0 } else { -3_600 },
            transport_decode_time: Ticks(0),
            dependency: Dependency { sync, independent: sync, disposable: !sync },
        }
    }

    #[test]
    fn another_library_reads_the_header_and_its_size_is_as_announced() {
        let samples = [sample(0, true), sample(1, false), sample(2, false)];
        for (video, uniform_duration) in
            [(true, Some(3_600)), (true, None), (false, Some(3_600)), (false, None)]
        {
            let layout = FragmentLayout {
                samples: 3,
                uniform_duration,
                video,
                protection: None,
                clear_lead: false,
            };
            let header = FragmentHeader {
                layout,
                sequence_number: 7,
                base_decode_time: Ticks(1 << 40),
                payload_bytes: 303,
            };
            let bytes = header.to_bytes(&samples, &SampleProtections::default());
            assert_eq!(bytes.len() as u64, layout.header_bytes());
            let mut rest = &bytes[..];
            let styp = Styp::decode(&mut rest).unwrap();
            assert_eq!(styp.compatible_brands.len(), 3);
            let before = rest.len();
            let moof = Moof::decode(&mut rest).unwrap();
            assert_eq!((before - rest.len()) as u64, layout.moof_bytes());
            assert_eq!(rest, [&(303_u32 + 8).to_be_bytes()[..], b"mdat"].concat());
            assert_eq!(moof.mfhd.sequence_number, 7);
            let traf = &moof.traf[0];
            assert_eq!(traf.tfdt.as_ref().unwrap().base_media_decode_time, 1 << 40);
            assert!(traf.tfhd.default_base_is_moof);
            let trun = &traf.trun[0];
            assert_eq!(trun.data_offset, Some(layout.moof_bytes() as i32 + 8));
            let sizes: Vec<_> = trun.samples.iter().map(|entry| entry.size).collect();
            assert_eq!(sizes, [Some(100), Some(101), Some(102)]);
            let offsets: Vec<_> = trun.samples.iter().map(|entry| entry.cts).collect();
            let expected = if video { [Some(0), Some(-3_600), Some(-3_600)] } else { [None; 3] };
            assert_eq!(offsets, expected);
            assert_eq!(Moof::KIND.as_ref(), b"moof");
        }
    }

    /// The value of the first box of this kind, found by its name; fine for headers without media.
    fn body<'a>(bytes: &'a [u8], kind: &[u8; 4]) -> Option<(usize, &'a [u8])> {
        let at = bytes.windows(4).position(|window| window == kind)? - 4;
        let size = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        Some((at, &bytes[at..at + size]))
    }

    #[test]
    fn auxiliary_information_is_that_of_the_vector() {
        // One sample, IV a1…a8, subsamples (5, 32) and (3, 16).
        let protection = FragmentProtection { iv_bytes: 8, subsamples: Some(2), fits_sizes: true };
        let layout = FragmentLayout {
            samples: 1,
            uniform_duration: Some(3_600),
            video: true,
            protection: Some(protection),
            clear_lead: false,
        };
        let header = FragmentHeader {
            layout,
            sequence_number: 1,
            base_decode_time: Ticks::ZERO,
            payload_bytes: 56,
        };
        let protections = SampleProtections {
            ivs: vec![[0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8]],
            counts: vec![2],
            subsamples: vec![
                Subsample { clear: 5, protected: 32 },
                Subsample { clear: 3, protected: 16 },
            ],
        };
        let bytes = header.to_bytes(&[sample(0, true)], &protections);
        assert_eq!(bytes.len() as u64, layout.header_bytes());
        let (moof, _) = body(&bytes, b"moof").unwrap();
        let (senc_at, senc) = body(&bytes, b"senc").unwrap();
        let expected =
            "0000002673656e630000000200000001a1a2a3a4a5a6a7a80002000500000020000300000010";
        assert_eq!(hex::encode(senc), expected);
        // The vector has one size for all; a table says the same and has a size that is known.
        let (_, saiz) = body(&bytes, b"saiz").unwrap();
        assert_eq!(hex::encode(saiz), "000000127361697a00000000000000000116");
        let (_, saio) = body(&bytes, b"saio").unwrap();
        assert_eq!(saio[16..], (senc_at as u32 - moof as u32 + 16).to_be_bytes());
        assert_eq!(bytes[senc_at + 16], 0xA1);
        // Another library finds the payload behind all of it.
        let mut rest = &bytes[..];
        Styp::decode(&mut rest).unwrap();
        let moof = Moof::decode(&mut rest).unwrap();
        assert_eq!(moof.traf[0].trun[0].data_offset, Some(layout.moof_bytes() as i32 + 8));
    }

    #[test]
    fn what_is_announced_is_written_in_all_forms() {
        let samples = [sample(0, true), sample(1, false), sample(2, false)];
        let all = [0, 8].into_iter().flat_map(|iv_bytes| {
            [None, Some(4)].into_iter().flat_map(move |subsamples| {
                [false, true].map(|fits_sizes| FragmentProtection {
                    iv_bytes,
                    subsamples,
                    fits_sizes,
                })
            })
        });
        for protection in all {
            let layout = FragmentLayout {
                samples: 3,
                uniform_duration: None,
                video: false,
                protection: Some(protection),
                clear_lead: true,
            };
            let header = FragmentHeader {
                layout,
                sequence_number: 1,
                base_decode_time: Ticks::ZERO,
                payload_bytes: 303,
            };
            let protections = SampleProtections {
                ivs: vec![[1; 8]; 3],
                counts: vec![1, 2, 1],
                subsamples: vec![Subsample { clear: 1, protected: 2 }; 4],
            };
            let bytes = header.to_bytes(&samples, &protections);
            assert_eq!(bytes.len() as u64, layout.header_bytes(), "{protection:?}");
            assert_eq!(body(&bytes, b"senc").is_some(), protection.has_senc());
            let (_, tfhd) = body(&bytes, b"tfhd").unwrap();
            assert_eq!(tfhd[16..20], CLEAR_DESCRIPTION_INDEX.to_be_bytes());
        }
    }

    #[test]
    fn sample_flags_are_those_of_the_standard() {
        let key = Dependency { sync: true, independent: true, disposable: false };
        let reference = Dependency { sync: false, independent: false, disposable: false };
        let disposable = Dependency { sync: false, independent: false, disposable: true };
        assert_eq!(key.sample_flags(), 0x0240_0000);
        assert_eq!(reference.sample_flags(), 0x0141_0000);
        assert_eq!(disposable.sample_flags(), 0x0181_0000);
    }
}
