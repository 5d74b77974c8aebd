//! ISO base media files as CMAF wants them (ISO/IEC 14496-12:2022, ISO/IEC 23000-19:2024).
//!
//! ```text
//! init       ftyp moov ─ mvhd, trak ─ tkhd, mdia …, mvex ─ trex
//!            stsd ─ encv/enca ─ sinf ─ frma, schm, schi ─ tenc; moov ─ pssh      if encrypted
//! segment    styp moof ─ mfhd, traf ─ tfhd, tfdt, trun, (saiz, saio, senc) │ mdat
//! ```
//!
//! Leaf boxes of the init segment come from mp4-atom; containers, and all of the segment header,
//! are written here, because their order and exact size matter. One track a file, one fragment a
//! segment, no edit lists, no index boxes.

mod entry;
pub mod event;
pub mod fragment;
pub mod init;
pub mod protection;
pub mod text;

/// The only track's ID.
pub const TRACK_ID: u32 = 1;

/// Writes a box: its size and type, then what `body` adds.
fn write_box(out: &mut Vec<u8>, kind: &[u8; 4], body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(kind);
    body(out);
    let size = (out.len() - start) as u32;
    if let Some(field) = out.get_mut(start..start + 4) {
        field.copy_from_slice(&size.to_be_bytes());
    }
}

/// Writes a full box: version and flags precede the body.
fn write_full_box(
    out: &mut Vec<u8>,
    kind: &[u8; 4],
    version: u8,
    flags: u32,
    body: impl FnOnce(&mut Vec<u8>),
) {
    write_box(out, kind, |out| {
        write_u32(out, u32::from(version) << 24 | flags);
        body(out);
    });
}

fn write_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}
