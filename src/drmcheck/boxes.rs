//! ISO BMFF boxes as a judge reads them: what initialization segments and fragments say of
//! encryption (ISO/IEC 14496-12:2022 8.5.2, 8.7.8, 8.7.9, 8.8, 8.12; ISO/IEC 23001-7:2023 7, 8).
//!
//! ```text
//! init      moov ┬ trak … stsd ─ encv | enca ─ sinf ┬ frma, schm
//!                ├ pssh                             └ schi ─ tenc
//!                └ mvex ─ trex
//! fragment  moof ─ traf ┬ tfhd, trun
//!                       └ saiz, saio, senc
//! ```
//!
//! Shares no code with what writes these boxes, so a mistake there is not repeated here. Reads the
//! first track only, which is all that CMAF has. Sample groups (`seig`) are noticed, not applied.

use crate::model::protection::KeyId;

/// Why bytes cannot be read. Offsets count from the start of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoxError {
    /// A box or field ends behind its surroundings.
    #[error("{what} at byte {offset} is cut off")]
    Truncated {
        /// The box or field.
        what: &'static str,
        /// Where it starts, or the box that it should be in.
        offset: usize,
    },
    /// A box that must be there is not.
    #[error("there is no {what}")]
    Missing {
        /// Its path.
        what: &'static str,
    },
}

/// An initialization segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Init {
    /// The sample entries of the first track, in order.
    pub entries: Vec<SampleEntry>,
    /// Whole `pssh` boxes of `moov`, in order.
    pub pssh: Vec<Vec<u8>>,
    /// The entry, from 1, of fragments that name none (`trex`).
    pub default_entry: u32,
}

/// A sample entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleEntry {
    /// Its type, `encv` and `enca` included.
    pub kind: [u8; 4],
    /// Pictures or sound.
    pub form: Form,
    /// What `sinf` says.
    pub protection: Option<EntryProtection>,
}

/// What a sample entry describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Pictures.
    Video {
        /// In luma samples.
        width: u16,
        /// In luma samples.
        height: u16,
        /// Bytes of NAL unit lengths, from `avcC` or `hvcC`; 4 where there is neither.
        length_bytes: usize,
    },
    /// Sound.
    Audio {
        /// `channelcount`.
        channels: u16,
    },
}

/// `sinf`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryProtection {
    /// `frma`: the type without encryption.
    pub original: [u8; 4],
    /// `schm`: `cenc`, `cbcs`.
    pub scheme: [u8; 4],
    /// `tenc`.
    pub defaults: TrackEncryption,
}

/// `tenc` (ISO/IEC 23001-7 8.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackEncryption {
    /// 0, or 1 with a pattern.
    pub version: u8,
    /// Blocks that are encrypted, and blocks behind them that are not.
    pub pattern: (u8, u8),
    /// `default_isProtected`.
    pub is_protected: bool,
    /// `default_Per_Sample_IV_Size`, in bytes.
    pub iv_bytes: u8,
    /// `default_KID`.
    pub key_id: KeyId,
    /// `default_constant_IV`.
    pub constant_iv: Option<Vec<u8>>,
}

/// One `moof` and its payload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fragment {
    /// Where `moof` starts.
    pub start: usize,
    /// `sample_description_index` of `tfhd`.
    pub entry: Option<u32>,
    /// Where samples lie in the file: offset and size.
    pub samples: Vec<(usize, usize)>,
    /// `senc`.
    pub auxiliary: Option<Auxiliary>,
    /// `saiz`: the size of each sample's auxiliary information.
    pub sizes: Option<Vec<u8>>,
    /// `saio`: offsets from the start of `moof`.
    pub offsets: Option<Vec<u64>>,
    /// Whether there are `seig` sample groups.
    pub has_groups: bool,
}

/// `senc`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Auxiliary {
    /// Where its first IV or subsample count lies in the file.
    pub start: usize,
    /// One for each sample.
    pub samples: Vec<SampleAuxiliary>,
}

/// What `senc` says of a sample.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SampleAuxiliary {
    /// Empty where the IV is constant.
    pub iv: Vec<u8>,
    /// Clear and protected bytes in turn; `None` where `senc` has no subsamples.
    pub subsamples: Option<Vec<(u16, u32)>>,
}

impl SampleAuxiliary {
    /// How many bytes it takes in the file.
    pub fn bytes(&self) -> usize {
        self.iv.len() + self.subsamples.as_ref().map_or(0, |list| 2 + 6 * list.len())
    }
}

/// Reads an initialization segment.
pub fn read_init(bytes: &[u8]) -> Result<Init, BoxError> {
    let moov = find(Reader::new(bytes), b"moov", "moov")?;
    let mut init = Init { default_entry: 1, ..Init::default() };
    for child in moov.boxes()? {
        match &child.kind {
            b"pssh" => init.pssh.push(child.whole(bytes)),
            b"trak" if init.entries.is_empty() => {
                let mut at = child.body;
                for (kind, what) in
                    [(b"mdia", "mdia"), (b"minf", "minf"), (b"stbl", "stbl"), (b"stsd", "stsd")]
                {
                    at = find(at, kind, what)?;
                }
                init.entries = read_entries(at)?;
            }
            b"mvex" => {
                for trex in child.body.boxes()?.iter().filter(|b| b.kind == *b"trex") {
                    let mut trex = trex.body;
                    trex.skip(8)?;
                    init.default_entry = trex.u32()?;
                }
            }
            _ => {}
        }
    }
    if init.entries.is_empty() { Err(BoxError::Missing { what: "sample entry" }) } else { Ok(init) }
}

/// Reads all fragments of a media segment. `iv_bytes` is the size of IVs in `senc`, as the
/// fragment's sample entry says it: the bytes alone do not tell.
pub fn read_fragments(
    bytes: &[u8],
    iv_bytes: impl Fn(Option<u32>) -> u8,
) -> Result<Vec<Fragment>, BoxError> {
    let mut fragments = Vec::new();
    for moof in Reader::new(bytes).boxes()?.iter().filter(|b| b.kind == *b"moof") {
        let mut fragment = Fragment { start: moof.start, ..Fragment::default() };
        let traf = find(moof.body, b"traf", "traf")?.boxes()?;
        let mut default_size = 0;
        for child in &traf {
            let body = child.body;
            match &child.kind {
                b"tfhd" => default_size = read_tfhd(body, &mut fragment)?,
                b"trun" => read_trun(body, default_size, &mut fragment)?,
                b"saiz" => fragment.sizes = Some(read_saiz(body)?),
                b"saio" => fragment.offsets = Some(read_saio(body)?),
                b"sbgp" | b"sgpd" => {
                    fragment.has_groups |= body.bytes.get(4..8) == Some(&b"seig"[..]);
                }
                _ => {}
            }
        }
        // `tfhd` is known only now, whatever the order of boxes.
        for child in traf.iter().filter(|child| child.kind == *b"senc") {
            let size = iv_bytes(fragment.entry);
            fragment.auxiliary = Some(read_senc(child.body, size)?);
        }
        fragments.push(fragment);
    }
    if fragments.is_empty() { Err(BoxError::Missing { what: "moof" }) } else { Ok(fragments) }
}

fn read_entries(mut stsd: Reader<'_>) -> Result<Vec<SampleEntry>, BoxError> {
    stsd.skip(8)?;
    stsd.boxes()?.iter().map(read_entry).collect()
}

/// Bytes of VisualSampleEntry and AudioSampleEntry before their boxes.
const VISUAL_ENTRY_BYTES: usize = 78;
const AUDIO_ENTRY_BYTES: usize = 28;

fn read_entry(entry: &FoundBox<'_>) -> Result<SampleEntry, BoxError> {
    let mut fields = entry.body;
    let mut children = entry.body;
    let is_audio = matches!(&entry.kind, b"enca" | b"mp4a" | b"ac-3" | b"ec-3");
    let mut form = if is_audio {
        children.skip(AUDIO_ENTRY_BYTES)?;
        fields.skip(16)?;
        Form::Audio { channels: fields.u16()? }
    } else {
        children.skip(VISUAL_ENTRY_BYTES)?;
        fields.skip(24)?;
        Form::Video { width: fields.u16()?, height: fields.u16()?, length_bytes: 4 }
    };
    let mut protection = None;
    for child in children.boxes()? {
        // lengthSizeMinusOne (ISO/IEC 14496-15:2022 5.3.3.1.2 and 8.3.2.1.2)
        let length_at = match &child.kind {
            b"avcC" => 4,
            b"hvcC" => 21,
            b"sinf" => {
                protection = Some(read_sinf(child.body)?);
                continue;
            }
            _ => continue,
        };
        if let (Form::Video { length_bytes, .. }, Some(byte)) =
            (&mut form, child.body.bytes.get(length_at))
        {
            *length_bytes = usize::from(byte & 3) + 1;
        }
    }
    Ok(SampleEntry { kind: entry.kind, form, protection })
}

fn read_sinf(sinf: Reader<'_>) -> Result<EntryProtection, BoxError> {
    let original = find(sinf, b"frma", "frma")?.array()?;
    let mut schm = find(sinf, b"schm", "schm")?;
    schm.skip(4)?;
    let scheme = schm.array()?;
    let mut tenc = find(find(sinf, b"schi", "schi")?, b"tenc", "tenc")?;
    let [version, ..] = tenc.array::<4>()?;
    let [_, pattern, is_protected, iv_bytes] = tenc.array()?;
    let key_id = KeyId(tenc.array()?);
    let constant_iv = if is_protected == 1 && iv_bytes == 0 {
        let [size] = tenc.array()?;
        Some(tenc.take(usize::from(size))?.to_vec())
    } else {
        None
    };
    let defaults = TrackEncryption {
        version,
        pattern: (pattern >> 4, pattern & 0xF),
        is_protected: is_protected == 1,
        iv_bytes,
        key_id,
        constant_iv,
    };
    Ok(EntryProtection { original, scheme, defaults })
}

/// Reads the entry's index and returns the size of samples that have none.
fn read_tfhd(mut tfhd: Reader<'_>, fragment: &mut Fragment) -> Result<u32, BoxError> {
    let flags = tfhd.u32()?;
    tfhd.skip(4)?;
    if flags & 0x01 != 0 {
        tfhd.skip(8)?;
    }
    if flags & 0x02 != 0 {
        fragment.entry = Some(tfhd.u32()?);
    }
    if flags & 0x08 != 0 {
        tfhd.skip(4)?;
    }
    if flags & 0x10 != 0 { tfhd.u32() } else { Ok(0) }
}

fn read_trun(
    mut trun: Reader<'_>,
    default_size: u32,
    fragment: &mut Fragment,
) -> Result<(), BoxError> {
    let flags = trun.u32()?;
    let count = trun.u32()?;
    let end = fragment.samples.last().map(|(offset, size)| offset + size);
    let mut at = match flags & 0x01 {
        0 => end.unwrap_or(fragment.start),
        _ => {
            let offset = i64::from(trun.u32()? as i32);
            let truncated = BoxError::Truncated { what: "data_offset", offset: trun.offset };
            let start = i64::try_from(fragment.start).ok();
            let at = start.and_then(|start| usize::try_from(start + offset).ok());
            at.ok_or(truncated)?
        }
    };
    if flags & 0x04 != 0 {
        trun.skip(4)?;
    }
    for _ in 0..count {
        if flags & 0x100 != 0 {
            trun.skip(4)?;
        }
        let size = if flags & 0x200 != 0 { trun.u32()? } else { default_size };
        for flag in [0x400, 0x800] {
            if flags & flag != 0 {
                trun.skip(4)?;
            }
        }
        // Without fields of its own nothing but this bounds the count.
        if fragment.samples.len() >= MAX_SAMPLES {
            return Err(BoxError::Truncated { what: "trun", offset: trun.offset });
        }
        fragment.samples.push((at, size as usize));
        at = at.saturating_add(size as usize);
    }
    Ok(())
}

/// Far more than a segment has: an hour of video.
const MAX_SAMPLES: usize = 1 << 18;

fn read_saiz(mut saiz: Reader<'_>) -> Result<Vec<u8>, BoxError> {
    if saiz.u32()? & 1 != 0 {
        saiz.skip(8)?;
    }
    let [default] = saiz.array()?;
    let count = saiz.u32()? as usize;
    if default == 0 {
        return Ok(saiz.take(count)?.to_vec());
    }
    if count > MAX_SAMPLES {
        return Err(BoxError::Truncated { what: "saiz", offset: saiz.offset });
    }
    Ok(vec![default; count])
}

fn read_saio(mut saio: Reader<'_>) -> Result<Vec<u64>, BoxError> {
    let head = saio.u32()?;
    if head & 1 != 0 {
        saio.skip(8)?;
    }
    let mut offsets = Vec::new();
    for _ in 0..saio.u32()? {
        offsets.push(match head >> 24 {
            0 => u64::from(saio.u32()?),
            _ => u64::from_be_bytes(saio.array()?),
        });
    }
    Ok(offsets)
}

fn read_senc(mut senc: Reader<'_>, iv_bytes: u8) -> Result<Auxiliary, BoxError> {
    let has_subsamples = senc.u32()? & 2 != 0;
    let count = senc.u32()?;
    let mut auxiliary = Auxiliary { start: senc.offset, samples: Vec::new() };
    for _ in 0..count.min(MAX_SAMPLES as u32) {
        let mut sample = SampleAuxiliary {
            iv: senc.take(usize::from(iv_bytes))?.to_vec(),
            subsamples: has_subsamples.then(Vec::new),
        };
        if let Some(list) = &mut sample.subsamples {
            for _ in 0..senc.u16()? {
                list.push((senc.u16()?, senc.u32()?));
            }
        }
        auxiliary.samples.push(sample);
    }
    Ok(auxiliary)
}

/// Fields, front to back, that know where in the file they lie.
#[derive(Clone, Copy)]
struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

struct FoundBox<'a> {
    kind: [u8; 4],
    start: usize,
    body: Reader<'a>,
}

impl FoundBox<'_> {
    fn whole(&self, file: &[u8]) -> Vec<u8> {
        let end = self.body.offset + self.body.bytes.len();
        file.get(self.start..end).unwrap_or_default().to_vec()
    }
}

impl<'a> Reader<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], BoxError> {
        let truncated = BoxError::Truncated { what: "a field", offset: self.offset };
        let (head, rest) = self.bytes.split_at_checked(count).ok_or(truncated)?;
        self.bytes = rest;
        self.offset += count;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BoxError> {
        let offset = self.offset;
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| BoxError::Truncated { what: "a field", offset })
    }

    fn skip(&mut self, count: usize) -> Result<(), BoxError> {
        self.take(count).map(|_| ())
    }

    fn u16(&mut self) -> Result<u16, BoxError> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, BoxError> {
        self.array().map(u32::from_be_bytes)
    }

    /// All boxes up to the end. Sizes 1 (64 bits) and 0 (up to the end) count.
    fn boxes(mut self) -> Result<Vec<FoundBox<'a>>, BoxError> {
        let mut found = Vec::new();
        while !self.bytes.is_empty() {
            let start = self.offset;
            let truncated = BoxError::Truncated { what: "a box", offset: start };
            let left = self.bytes.len();
            let short = self.u32()?;
            let kind = self.array()?;
            let size = match short {
                0 => left,
                1 => usize::try_from(u64::from_be_bytes(self.array()?)).map_err(|_| truncated)?,
                size => size as usize,
            };
            let header = self.offset - start;
            let offset = self.offset;
            let body = self.take(size.checked_sub(header).ok_or(truncated)?)?;
            found.push(FoundBox { kind, start, body: Reader { bytes: body, offset } });
        }
        Ok(found)
    }
}

fn find<'a>(
    within: Reader<'a>,
    kind: &[u8; 4],
    what: &'static str,
) -> Result<Reader<'a>, BoxError> {
    let found = within.boxes()?.into_iter().find(|found| found.kind == *kind);
    found.map(|found| found.body).ok_or(BoxError::Missing { what })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A box around its parts.
    pub fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        [&(body.len() as u32 + 8).to_be_bytes()[..], kind, &body].concat()
    }

    /// The `sinf` of the vectors: avc1, cbcs, 1:9, constant IV.
    pub const SINF: &str = "0000006173696e660000000c66726d6161766331000000147363686d00000000636263\
        730001000000000039736368690000003174656e6301000000001901000123456789abcdef0123456789abcdef\
        10101112131415161718191a1b1c1d1e1f";

    /// An initialization segment with one visual sample entry and what else `moov` shall hold.
    pub fn init(sinf: &[u8], more: &[u8]) -> Vec<u8> {
        let mut fixed = [0; VISUAL_ENTRY_BYTES];
        fixed[24..28].copy_from_slice(&[5, 0, 2, 0xD0]); // 1280×720
        let avcc = boxed(b"avcC", &[&[1, 0x64, 0, 0x1F, 0xFF]]);
        let entry = boxed(b"encv", &[&fixed, &avcc, sinf]);
        let stsd = boxed(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1], &entry]);
        let stbl = boxed(b"stbl", &[&stsd]);
        let trak = boxed(b"trak", &[&boxed(b"mdia", &[&boxed(b"minf", &[&stbl])])]);
        [boxed(b"ftyp", &[b"cmfc"]), boxed(b"moov", &[&trak, more])].concat()
    }

    #[test]
    fn sinf_of_the_vectors_is_read() {
        let pssh = boxed(b"pssh", &[&[1, 2, 3]]);
        let read = read_init(&init(&hex::decode(SINF).unwrap(), &pssh)).unwrap();
        assert_eq!(read.pssh, [pssh]);
        let entry = &read.entries[0];
        assert_eq!(entry.form, Form::Video { width: 1280, height: 720, length_bytes: 4 });
        let protection = entry.protection.as_ref().unwrap();
        assert_eq!((&protection.original, &protection.scheme), (b"avc1", b"cbcs"));
        let defaults = &protection.defaults;
        assert_eq!((defaults.version, defaults.pattern, defaults.iv_bytes), (1, (1, 9), 0));
        assert_eq!(defaults.key_id.to_hex(), "0123456789abcdef0123456789abcdef");
        let iv = hex::encode(defaults.constant_iv.as_ref().unwrap());
        assert_eq!(iv, "101112131415161718191a1b1c1d1e1f");
    }

    /// A fragment around the auxiliary information of the vectors; `offset` goes into `saio`.
    pub fn fragment(offset: u32, payload: &[u8]) -> Vec<u8> {
        let senc = hex::decode(
            "0000002673656e630000000200000001a1a2a3a4a5a6a7a80002000500000020000300000010",
        )
        .unwrap();
        let saiz = hex::decode("000000117361697a000000001600000001").unwrap();
        let saio = boxed(b"saio", &[&[0, 0, 0, 0, 0, 0, 0, 1], &offset.to_be_bytes()[..]]);
        let tfhd = boxed(b"tfhd", &[&[0, 2, 0, 0, 0, 0, 0, 1]]);
        let around = |data_offset: u32| {
            let size = payload.len() as u32;
            let trun = boxed(
                b"trun",
                &[&[0, 0, 2, 1, 0, 0, 0, 1], &data_offset.to_be_bytes(), &size.to_be_bytes()],
            );
            let traf = boxed(b"traf", &[&tfhd, &trun, &saiz, &saio, &senc]);
            boxed(b"moof", &[&traf])
        };
        let moof = around(around(0).len() as u32 + 8);
        [moof, boxed(b"mdat", &[payload])].concat()
    }

    /// Where the first IV lies in [`fragment`], from `moof`: headers of moof and traf, tfhd, trun,
    /// saiz, saio, and 16 bytes of senc.
    pub const AUXILIARY_OFFSET: u32 = 8 + 8 + 16 + 24 + 17 + 20 + 16;

    #[test]
    fn auxiliary_information_of_the_vectors_is_read() {
        let bytes = fragment(AUXILIARY_OFFSET, &[7; 56]);
        let read = read_fragments(&bytes, |_| 8).unwrap();
        assert_eq!(read.len(), 1);
        let auxiliary = read[0].auxiliary.as_ref().unwrap();
        assert_eq!(auxiliary.start as u32, AUXILIARY_OFFSET);
        assert_eq!(auxiliary.samples[0].subsamples.as_deref(), Some(&[(5, 32), (3, 16)][..]));
        assert_eq!(hex::encode(&auxiliary.samples[0].iv), "a1a2a3a4a5a6a7a8");
        assert_eq!(read[0].sizes.as_deref(), Some(&[0x16][..]));
        assert_eq!(read[0].samples, [(bytes.len() - 56, 56)]);
    }

    #[test]
    fn cut_off_files_are_errors() {
        let bytes = fragment(AUXILIARY_OFFSET, &[7; 56]);
        for length in 1..bytes.len() - 64 {
            assert!(read_fragments(&bytes[..length], |_| 8).is_err(), "{length}");
        }
        let bytes = init(&hex::decode(SINF).unwrap(), &[]);
        for length in 0..bytes.len() {
            assert!(read_init(&bytes[..length]).is_err(), "{length}");
        }
    }
}
