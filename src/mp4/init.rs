//! The initialization segment of one track (ISO/IEC 23000-19:2024 7.2).

use mp4_atom::{
    Dinf, Dref, DrefEntry, Encode, FixedPoint, FourCC, Hdlr, Mdhd, Mvhd, Smhd, Stco, Stsc, Stsz,
    Stts, Tkhd, Trex, Url, Vmhd,
};

use super::entry::sample_entry;
use super::protection::InitProtection;
use super::{TRACK_ID, write_box, write_full_box, write_u32};
use crate::model::codec::PictureFormat;
use crate::model::presentation::{Medium, Track};

/// Why an init segment could not be written.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// mp4-atom refused a value.
    #[error("a box cannot be written: {0}")]
    Box(#[from] mp4_atom::Error),
    /// The sample entry has no room for so many or so long parameter sets.
    #[error("the parameter sets do not fit the sample entry")]
    ParameterSets,
}

/// The initialization segment of a track, encrypted or clear.
pub fn init_segment(
    track: &Track,
    protection: Option<&InitProtection<'_>>,
) -> Result<Vec<u8>, InitError> {
    let mut out = Vec::with_capacity(1024);
    write_box(&mut out, b"ftyp", |out| out.extend_from_slice(b"iso6\0\0\0\0iso6cmfccmf2dash"));
    let mut failure = Ok(());
    write_box(&mut out, b"moov", |out| failure = write_movie(out, track, protection));
    failure?;
    Ok(out)
}

fn write_movie(
    out: &mut Vec<u8>,
    track: &Track,
    protection: Option<&InitProtection<'_>>,
) -> Result<(), InitError> {
    let timescale = track.timescale.hertz();
    // Creation times stay 0: the same URL gives the same bytes on any day.
    Mvhd {
        creation_time: 0,
        modification_time: 0,
        timescale,
        duration: 0,
        rate: 1.into(),
        volume: 1.into(),
        matrix: Default::default(),
        next_track_id: TRACK_ID + 1,
    }
    .encode(out)?;
    nested(out, b"trak", |out| write_track(out, track, protection))?;
    nested(out, b"mvex", |out| {
        Trex { track_id: TRACK_ID, default_sample_description_index: 1, ..Trex::default() }
            .encode(out)
            .map_err(InitError::from)
    })?;
    for pssh in protection.iter().flat_map(|protection| &protection.pssh) {
        out.extend_from_slice(pssh);
    }
    Ok(())
}

fn write_track(
    out: &mut Vec<u8>,
    track: &Track,
    protection: Option<&InitProtection<'_>>,
) -> Result<(), InitError> {
    let (handler, name, volume, size) = match track.codec.picture() {
        Some(picture) => (*b"vide", "Video", 0, display_size(picture)),
        None => (*b"soun", "Audio", 1, (0, 0)),
    };
    Tkhd {
        track_id: TRACK_ID,
        enabled: true,
        in_movie: true,
        volume: volume.into(),
        width: FixedPoint::from(size.0),
        height: FixedPoint::from(size.1),
        ..Tkhd::default()
    }
    .encode(out)?;
    nested(out, b"mdia", |out| {
        Mdhd { timescale: track.timescale.hertz(), language: "und".to_owned(), ..Mdhd::default() }
            .encode(out)?;
        Hdlr { handler: FourCC::from(handler), name: name.to_owned() }.encode(out)?;
        nested(out, b"minf", |out| {
            match track.codec.medium() {
                Medium::Video => Vmhd::default().encode(out)?,
                Medium::Audio => Smhd::default().encode(out)?,
            }
            Dinf { dref: Dref { entries: vec![DrefEntry::Url(Url::default())] } }.encode(out)?;
            nested(out, b"stbl", |out| write_sample_table(out, track, protection))
        })
    })
}

/// The sample table: descriptions and nothing else, as fragments hold the samples.
fn write_sample_table(
    out: &mut Vec<u8>,
    track: &Track,
    protection: Option<&InitProtection<'_>>,
) -> Result<(), InitError> {
    let clear = sample_entry(&track.codec)?;
    write_full_box(out, b"stsd", 0, 0, |out| {
        let Some(protection) = protection else {
            write_u32(out, 1);
            out.extend_from_slice(&clear);
            return;
        };
        // The encrypted entry is the default; clear fragments name the second.
        write_u32(out, 1 + u32::from(protection.clear_lead));
        protection.write_sample_entry(out, &clear);
        if protection.clear_lead {
            out.extend_from_slice(&clear);
        }
    });
    Stts::default().encode(out)?;
    Stsc::default().encode(out)?;
    Stsz::default().encode(out)?;
    Stco::default().encode(out)?;
    Ok(())
}

/// The size at which the picture is shown: width stretched by the sample aspect ratio.
fn display_size(picture: &PictureFormat) -> (u16, u16) {
    let (h, v) = picture.sample_aspect_ratio;
    let width = u64::from(picture.width) * u64::from(h) / u64::from(v).max(1);
    (clamp(width), clamp(u64::from(picture.height)))
}

fn clamp(side: u64) -> u16 {
    u16::try_from(side).unwrap_or(u16::MAX)
}

/// [`write_box`] for bodies that can fail.
pub(super) fn nested(
    out: &mut Vec<u8>,
    kind: &[u8; 4],
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), InitError>,
) -> Result<(), InitError> {
    let mut result = Ok(());
    write_box(out, kind, |out| result = body(out));
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::codec::{AacConfig, AacExtension, AvcConfig, CodecConfig, StreamSyntax};
    use crate::model::groups::Groups;
    use crate::time::{Ticks, Timescale};
    use mp4_atom::{Codec, Decode, Ftyp, Moov};

    fn track(codec: CodecConfig, hertz: u32) -> Track {
        Track {
            syntax: StreamSyntax::H264,
            pid: 256,
            codec,
            timescale: Timescale::new(hertz).unwrap(),
            sample_duration: 0,
            clock_offset: Ticks::ZERO,
            transport_delay: 0,
            groups: Groups::default(),
            end: Ticks::ZERO,
        }
    }

    #[test]
    fn a_video_track_is_read_back() {
        let avc = AvcConfig {
            profile_idc: 100,
            constraints: 0,
            level_idc: 30,
            picture: PictureFormat {
                width: 720,
                height: 576,
                sample_aspect_ratio: (16, 11),
                ..PictureFormat::default()
            },
            sequence_parameter_sets: vec![vec![0x67, 100, 0, 30, 0xAC]],
            picture_parameter_sets: vec![vec![0x68, 0xEB]],
        };
        let bytes = init_segment(&track(CodecConfig::Avc(avc.clone()), 90_000), None).unwrap();
        let mut rest = &bytes[..];
        let ftyp = Ftyp::decode(&mut rest).unwrap();
        assert!(ftyp.compatible_brands.contains(&FourCC::from(*b"cmfc")));
        let moov = Moov::decode(&mut rest).unwrap();
        assert!(rest.is_empty());
        let trak = &moov.trak[0];
        assert_eq!(trak.tkhd.width.integer(), 1047);
        assert_eq!(trak.mdia.mdhd.timescale, 90_000);
        let Codec::Avc1(entry) = &trak.mdia.minf.stbl.stsd.codecs[0] else { panic!() };
        assert_eq!(entry.avcc.sequence_parameter_sets, avc.sequence_parameter_sets);
        assert_eq!(entry.avcc.ext.as_ref().unwrap().bit_depth_luma, 8);
        assert_eq!(moov.mvex.unwrap().trex[0].track_id, 1);
    }

    #[test]
    fn an_audio_track_is_read_back() {
        let aac = AacConfig {
            object_type: 2,
            sampling_frequency: 48_000,
            frequency_index: 3,
            channel_configuration: 6,
            extension: AacExtension::None,
        };
        let bytes = init_segment(&track(CodecConfig::Aac(aac), 48_000), None).unwrap();
        let mut rest = &bytes[..];
        Ftyp::decode(&mut rest).unwrap();
        let moov = Moov::decode(&mut rest).unwrap();
        let Codec::Mp4a(entry) = &moov.trak[0].mdia.minf.stbl.stsd.codecs[0] else { panic!() };
        assert_eq!(entry.audio.channel_count, 6);
        let specific = entry.esds.es_desc.dec_config.dec_specific.as_ref().unwrap();
        assert_eq!(specific.raw, [0x11, 0xB0]);
    }
}
