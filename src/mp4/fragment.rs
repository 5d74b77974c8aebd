//! The header of a media segment: everything before the payload.
//!
//! The header has the size that [`FragmentLayout`] announces, so a caller leaves that much room at
//! the front of its buffer, lets the payload grow behind it, and writes the header last.

use super::{TRACK_ID, write_box, write_full_box, write_u32};
use crate::model::sample::{FragmentLayout, Sample};
use crate::time::Ticks;

/// `tfhd` flags (ISO/IEC 14496-12:2022 8.8.7.1).
mod tfhd_flags {
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
    /// `styp`, `moof` and the start of `mdat`: exactly `layout.header_bytes()` bytes.
    pub fn to_bytes(&self, samples: &[Sample]) -> Vec<u8> {
        let layout = self.layout;
        let mut out = Vec::with_capacity(layout.header_bytes() as usize);
        write_box(&mut out, b"styp", |out| {
            out.extend_from_slice(b"msdh\0\0\0\0msdhcmfscmff");
        });
        write_box(&mut out, b"moof", |out| {
            write_full_box(out, b"mfhd", 0, 0, |out| write_u32(out, self.sequence_number));
            write_box(out, b"traf", |out| self.write_track(out, samples));
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
        write_full_box(out, b"tfhd", 0, flags, |out| {
            write_u32(out, TRACK_ID);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::Dependency;
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
            let layout = FragmentLayout { samples: 3, uniform_duration, video };
            let header = FragmentHeader {
                layout,
                sequence_number: 7,
                base_decode_time: Ticks(1 << 40),
                payload_bytes: 303,
            };
            let bytes = header.to_bytes(&samples);
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
