//! The stored form of a presentation: compact, versioned, checksummed.
//!
//! ```text
//! "PKORIDX" version │ SHA-256 of the body │ zstd( body )
//! ```
//!
//! The body is a row of variable-length integers (LEB128; signed ones in zigzag) and of byte
//! strings with their length. Groups are written field by field, each as the difference to what the
//! group before lets one expect, so that regular streams become rows of zeros. The same
//! presentation always gives the same bytes; its version in URLs is their hash.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::codec::StreamSyntax;
use crate::model::presentation::{
    Group, Period, Presentation, SourceObject, SourcePosition, StillPicture, Stream, StreamPeriod,
    SubsampleCounts, Track,
};
use crate::model::sample::RandomAccess;
use crate::model::source_key::{KeyPlace, SourceEncryption};
use crate::model::timed_metadata::TimedMetadata;
use crate::time::{Ticks, Timescale};

const MAGIC: &[u8; 7] = b"PKORIDX";
/// Changes whenever the body's layout does. An index of another version is refused, and its asset
/// has to be ingested again.
const VERSION: u8 = 7;
const HASH_BYTES: usize = 32;
/// A presentation of ten streams over ten hours has about 200,000 groups of 40 bytes.
const MAX_BODY_BYTES: usize = 256 << 20;
const COMPRESSION_LEVEL: i32 = 9;

/// Why stored bytes are no index.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// Something else, or written by another version.
    #[error("this is no index of version {VERSION}")]
    Version,
    /// The compressed body is damaged.
    #[error("the index is damaged: {0}")]
    Compression(#[from] std::io::Error),
    /// A codec configuration, the role of a stream or text cannot be written.
    #[error("a codec, a role or text cannot be stored: {0}")]
    Packed(#[from] postcard::Error),
    /// The body is not what was written.
    #[error("the checksum of the index is wrong")]
    Checksum,
    /// The body ends early or has a value that makes no sense.
    #[error("the index is damaged inside {field}")]
    Field {
        /// What was being read.
        field: &'static str,
    },
}

/// The stored form, and its hash.
pub fn encode(presentation: &Presentation) -> Result<(Vec<u8>, [u8; HASH_BYTES]), FormatError> {
    let mut body = Body::default();
    body.presentation(presentation);
    if let Some(error) = body.failure {
        return Err(error.into());
    }
    let hash: [u8; HASH_BYTES] = Sha256::digest(&body.bytes).into();
    let mut stored = Vec::with_capacity(body.bytes.len() / 2);
    stored.extend_from_slice(MAGIC);
    stored.push(VERSION);
    stored.extend_from_slice(&hash);
    stored.extend_from_slice(&zstd::bulk::compress(&body.bytes, COMPRESSION_LEVEL)?);
    Ok((stored, hash))
}

/// What [`encode`] stored.
pub fn decode(stored: &[u8]) -> Result<Presentation, FormatError> {
    let rest = stored.strip_prefix(MAGIC).ok_or(FormatError::Version)?;
    let rest = rest.strip_prefix(&[VERSION]).ok_or(FormatError::Version)?;
    let (hash, compressed) = rest.split_first_chunk::<HASH_BYTES>().ok_or(FormatError::Checksum)?;
    let bytes = zstd::bulk::decompress(compressed, MAX_BODY_BYTES.min(body_bound(compressed)))?;
    if Sha256::digest(&bytes)[..] != hash[..] {
        return Err(FormatError::Checksum);
    }
    let mut reader = Reader { rest: &bytes };
    let presentation = reader.presentation()?;
    if !reader.rest.is_empty() {
        return Err(FormatError::Field { field: "end" });
    }
    Ok(presentation)
}

/// How large the body is, as the zstd frame says.
fn body_bound(compressed: &[u8]) -> usize {
    match zstd::zstd_safe::get_frame_content_size(compressed) {
        Ok(Some(size)) => usize::try_from(size).unwrap_or(MAX_BODY_BYTES),
        _ => MAX_BODY_BYTES,
    }
}

/// The fields of a group as the format orders them; each is a column of its own.
const GROUP_COLUMNS: usize = 26;

/// A group as numbers, each as the difference to what `before` lets one expect.
fn group_columns(group: &Group, before: &Group, step: i64) -> [i64; GROUP_COLUMNS] {
    let distance = |a: u64, b: u64| a.wrapping_sub(b) as i64;
    let still = group.still.unwrap_or(StillPicture { end: group.start, ..StillPicture::default() });
    [
        i64::from(group.start.object) - i64::from(before.end.object),
        distance(group.start.offset, before.end.offset),
        i64::from(group.end.object) - i64::from(group.start.object),
        distance(group.end.offset, group.start.offset),
        i64::from(group.skip),
        group.pes_left.map_or(0, |left| i64::from(left) + 1),
        group.time.minus(before.time).0 - step,
        i64::from(group.decode_delay) - i64::from(before.decode_delay),
        i64::from(group.samples) - i64::from(before.samples),
        i64::from(group.payload_bytes),
        group.uniform_duration.map_or(0, |duration| i64::from(duration) + 1),
        i64::from(group.ts_payload_packets),
        i64::from(group.ts_clock_packets),
        i64::from(group.subsamples.cenc) - i64::from(group.samples),
        i64::from(group.subsamples.cbcs) - i64::from(group.subsamples.cenc),
        i64::from(group.subsamples.most),
        group.lead,
        access_code(group.access),
        // One column: hardly any group has either.
        i64::from(group.left_out) | i64::from(group.undecodable) << 32,
        group.still.map_or(0, |still| i64::from(still.bytes) + 1),
        i64::from(still.end.object) - i64::from(group.start.object),
        // Little but other tracks' packets lies between.
        distance(still.end.offset, group.start.offset).wrapping_sub(i64::from(still.bytes)),
        i64::from(still.last),
        i64::from(still.subsamples.cenc),
        i64::from(still.subsamples.cbcs) - i64::from(still.subsamples.cenc),
        i64::from(still.subsamples.most),
    ]
}

const SYNTAXES: [StreamSyntax; 6] = [
    StreamSyntax::H264,
    StreamSyntax::H265,
    StreamSyntax::Adts,
    StreamSyntax::Latm,
    StreamSyntax::Dolby,
    StreamSyntax::MpegAudio,
];

fn syntax_code(syntax: StreamSyntax) -> u64 {
    SYNTAXES.iter().position(|&other| other == syntax).unwrap_or_default() as u64
}

fn syntax_from(code: u64) -> Read<StreamSyntax> {
    let known = usize::try_from(code).ok().and_then(|code| SYNTAXES.get(code));
    known.copied().ok_or(FormatError::Field { field: "syntax" })
}

const fn access_code(access: RandomAccess) -> i64 {
    match access {
        RandomAccess::Instant => 0,
        RandomAccess::Recovery => 1,
        RandomAccess::Gradual => 2,
        RandomAccess::None => 3,
    }
}

const fn access_from(code: i64) -> Read<RandomAccess> {
    Ok(match code {
        0 => RandomAccess::Instant,
        1 => RandomAccess::Recovery,
        2 => RandomAccess::Gradual,
        3 => RandomAccess::None,
        _ => return Err(FormatError::Field { field: "access" }),
    })
}

#[derive(Default)]
struct Body {
    bytes: Vec<u8>,
    /// Why something could not be written.
    failure: Option<postcard::Error>,
}

impl Body {
    fn unsigned(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    fn signed(&mut self, value: i64) {
        self.unsigned((value << 1 ^ value >> 63) as u64);
    }

    fn string(&mut self, bytes: &[u8]) {
        self.unsigned(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.unsigned(u64::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn list<'a, T: 'a>(&mut self, items: &'a [T], mut write: impl FnMut(&mut Self, &'a T)) {
        self.unsigned(items.len() as u64);
        for item in items {
            write(self, item);
        }
    }

    fn presentation(&mut self, presentation: &Presentation) {
        self.list(&presentation.periods, |body, period| {
            body.signed(period.start.0);
            body.signed(period.duration.0);
        });
        self.list(&presentation.streams, Self::stream);
        self.packed(&presentation.texts);
        self.packed(&presentation.session);
        self.packed(&presentation.wall_clock);
        self.packed(&presentation.markers);
    }

    fn stream(&mut self, stream: &Stream) {
        self.string(stream.uri.as_bytes());
        self.packed(&stream.role);
        self.unsigned(stream.declared_bandwidth);
        self.list(&stream.objects, |body, object| {
            body.string(object.path.as_bytes());
            body.unsigned(object.start);
            body.unsigned(object.size);
            body.unsigned(u64::from(object.packet_bytes));
            body.option(object.encryption.as_ref(), Self::encryption);
        });
        self.string(&stream.source_identity);
        self.option(stream.audio_identity, |body, identity| body.string(&identity));
        self.packed(&stream.captions);
        self.list(&stream.metadata, |body, tag| {
            body.unsigned(u64::from(tag.period));
            body.signed(tag.time.0);
            body.string(&tag.payload);
        });
        self.list(&stream.periods, |body, period| {
            body.option(period.video.as_ref(), Self::track);
            body.option(period.audio.as_ref(), Self::track);
        });
    }

    fn encryption(&mut self, encryption: &SourceEncryption) {
        let (kind, place) = match &encryption.key {
            KeyPlace::Stored(path) => (0, path),
            KeyPlace::Url(url) => (1, url),
        };
        self.unsigned(kind);
        self.string(place.as_bytes());
        self.bytes.extend_from_slice(&encryption.iv);
    }

    fn track(&mut self, track: &Track) {
        self.unsigned(u64::from(track.pid));
        self.unsigned(syntax_code(track.syntax));
        self.packed(&track.codec);
        self.unsigned(u64::from(track.timescale.hertz()));
        self.unsigned(u64::from(track.sample_duration));
        self.signed(track.clock_offset.0);
        self.unsigned(u64::from(track.transport_delay));
        self.signed(track.end.0);
        self.unsigned(track.groups.len() as u64);
        let mut columns: [Vec<i64>; GROUP_COLUMNS] = Default::default();
        let mut before = Group::default();
        let mut step = 0;
        for group in &track.groups {
            let row = group_columns(group, &before, step);
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(value);
            }
            step = group.time.minus(before.time).0;
            before = *group;
        }
        for value in columns.iter().flatten() {
            self.signed(*value);
        }
    }

    fn packed(&mut self, value: &impl Serialize) {
        match postcard::to_stdvec(value) {
            Ok(bytes) => self.string(&bytes),
            Err(error) => self.failure = Some(error),
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

type Read<T> = Result<T, FormatError>;

impl<'a> Reader<'a> {
    fn unsigned(&mut self, field: &'static str) -> Read<u64> {
        // Most numbers of most columns.
        if let [byte @ ..0x80, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(u64::from(*byte));
        }
        let mut value = 0_u64;
        for shift in [0, 7, 14, 21, 28, 35, 42, 49, 56, 63] {
            let (&byte, rest) = self.rest.split_first().ok_or(FormatError::Field { field })?;
            self.rest = rest;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(FormatError::Field { field })
    }

    fn signed(&mut self, field: &'static str) -> Read<i64> {
        let value = self.unsigned(field)?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn number<T: TryFrom<u64>>(&mut self, field: &'static str) -> Read<T> {
        T::try_from(self.unsigned(field)?).map_err(|_| FormatError::Field { field })
    }

    fn string(&mut self, field: &'static str) -> Read<&'a [u8]> {
        let length = self.number::<usize>(field)?;
        let (bytes, rest) =
            self.rest.split_at_checked(length).ok_or(FormatError::Field { field })?;
        self.rest = rest;
        Ok(bytes)
    }

    fn text(&mut self, field: &'static str) -> Read<String> {
        let bytes = self.string(field)?.to_vec();
        String::from_utf8(bytes).map_err(|_| FormatError::Field { field })
    }

    fn option<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Self) -> Read<T>,
    ) -> Read<Option<T>> {
        match self.unsigned(field)? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(FormatError::Field { field }),
        }
    }

    /// How many items follow. Each takes a byte at least, which bounds what is allocated.
    fn count(&mut self, field: &'static str) -> Read<usize> {
        let count = self.number::<usize>(field)?;
        if count > self.rest.len() { Err(FormatError::Field { field }) } else { Ok(count) }
    }

    fn list<T>(
        &mut self,
        field: &'static str,
        mut read: impl FnMut(&mut Self) -> Read<T>,
    ) -> Read<Vec<T>> {
        let count = self.count(field)?;
        (0..count).map(|_| read(self)).collect()
    }

    fn presentation(&mut self) -> Read<Presentation> {
        let periods = self.list("periods", |reader| {
            Ok(Period {
                start: Ticks(reader.signed("start")?),
                duration: Ticks(reader.signed("duration")?),
            })
        })?;
        let streams = self.list("streams", Self::stream)?;
        Ok(Presentation {
            periods,
            streams,
            texts: self.packed("texts")?,
            session: self.packed("session")?,
            wall_clock: self.packed("dates")?,
            markers: self.packed("markers")?,
        })
    }

    fn stream(&mut self) -> Read<Stream> {
        Ok(Stream {
            uri: self.text("uri")?,
            role: self.packed("role")?,
            declared_bandwidth: self.unsigned("declared_bandwidth")?,
            objects: self.list("objects", |reader| {
                Ok(SourceObject {
                    path: reader.text("path")?,
                    start: reader.unsigned("start")?,
                    size: reader.unsigned("size")?,
                    packet_bytes: reader.number("packet_bytes")?,
                    encryption: reader.option("encryption", Self::encryption)?,
                })
            })?,
            source_identity: {
                let field = "source_identity";
                let bytes = self.string(field)?;
                bytes.try_into().map_err(|_| FormatError::Field { field })?
            },
            audio_identity: self.option("audio_identity", |reader| {
                let field = "audio_identity";
                let bytes = reader.string(field)?;
                <[u8; 32]>::try_from(bytes).map_err(|_| FormatError::Field { field })
            })?,
            captions: self.packed("captions")?,
            metadata: self.list("metadata", |reader| {
                Ok(TimedMetadata {
                    period: reader.number("metadata")?,
                    time: Ticks(reader.signed("metadata")?),
                    payload: reader.string("metadata")?.to_vec(),
                })
            })?,
            periods: self.list("stream periods", |reader| {
                Ok(StreamPeriod {
                    video: reader.option("video", Self::track)?,
                    audio: reader.option("audio", Self::track)?,
                })
            })?,
        })
    }

    fn encryption(&mut self) -> Read<SourceEncryption> {
        let field = "encryption";
        let key = match self.unsigned(field)? {
            0 => KeyPlace::Stored(self.text(field)?),
            1 => KeyPlace::Url(self.text(field)?),
            _ => return Err(FormatError::Field { field }),
        };
        let (iv, rest) = self.rest.split_first_chunk().ok_or(FormatError::Field { field })?;
        self.rest = rest;
        Ok(SourceEncryption { key, iv: *iv })
    }

    fn track(&mut self) -> Read<Track> {
        let pid = self.number("pid")?;
        let syntax = syntax_from(self.unsigned("syntax")?)?;
        let codec = self.packed("codec")?;
        let field = "timescale";
        let timescale = Timescale::new(self.number(field)?).ok_or(FormatError::Field { field })?;
        let sample_duration = self.number("sample_duration")?;
        let clock_offset = Ticks(self.signed("clock_offset")?);
        let transport_delay = self.number("transport_delay")?;
        let end = Ticks(self.signed("end")?);
        let groups = self.groups()?;
        Ok(Track {
            pid,
            syntax,
            codec,
            timescale,
            sample_duration,
            clock_offset,
            transport_delay,
            groups,
            end,
        })
    }

    fn groups(&mut self) -> Read<Vec<Group>> {
        let count = self.count("groups")?;
        // Read side by side: to keep them would take more memory than the groups themselves. What
        // regular streams have no use for is zeros, and not read again in every row.
        let mut columns: Vec<(usize, Self)> = Vec::with_capacity(GROUP_COLUMNS);
        for index in 0..GROUP_COLUMNS {
            let rest = self.column(count)?;
            if rest.iter().any(|&byte| byte != 0) {
                columns.push((index, Reader { rest }));
            }
        }
        let mut groups = Vec::with_capacity(count);
        let mut before = Group::default();
        let mut step = 0;
        let mut row = [0; GROUP_COLUMNS];
        for _ in 0..count {
            for (index, column) in &mut columns {
                let value = column.signed("group")?;
                row.get_mut(*index).into_iter().for_each(|cell| *cell = value);
            }
            let group = group_from(&row, &before, step)?;
            step = group.time.minus(before.time).0;
            before = group;
            groups.push(group);
        }
        Ok(groups)
    }

    /// The bytes of so many numbers.
    fn column(&mut self, count: usize) -> Read<&'a [u8]> {
        let mut length = 0;
        let mut missing = count;
        // So many numbers take as many bytes at least, so no step goes past the last of them.
        while missing > 0 {
            let step = self.rest.get(length..).and_then(|rest| rest.get(..missing));
            let step = step.ok_or(FormatError::Field { field: "group" })?;
            length += step.len();
            missing -= step.iter().filter(|byte| **byte < 0x80).count();
        }
        let (column, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(column)
    }

    fn packed<T: Deserialize<'a>>(&mut self, field: &'static str) -> Read<T> {
        postcard::from_bytes(self.string(field)?).map_err(|_| FormatError::Field { field })
    }
}

/// The group behind [`group_columns`].
fn group_from(row: &[i64; GROUP_COLUMNS], before: &Group, step: i64) -> Read<Group> {
    let [
        start_object,
        start_offset,
        end_object,
        end_offset,
        skip,
        pes_left,
        time,
        decode_delay,
        samples,
        payload_bytes,
        uniform_duration,
        ts_payload_packets,
        ts_clock_packets,
        cenc_subsamples,
        cbcs_subsamples,
        most_subsamples,
        lead,
        access,
        left_out,
        still_bytes,
        still_object,
        still_offset,
        still_last,
        still_cenc,
        still_cbcs,
        still_most,
    ] = *row;
    let number = |base: u32, value: i64| {
        u32::try_from(i64::from(base).wrapping_add(value))
            .map_err(|_| FormatError::Field { field: "group" })
    };
    let optional = |value: i64| match value {
        0 => Ok(None),
        value => number(0, value.wrapping_sub(1)).map(Some),
    };
    let start = SourcePosition {
        object: number(before.end.object, start_object)?,
        offset: before.end.offset.wrapping_add(start_offset as u64),
    };
    let samples = number(before.samples, samples)?;
    let cenc = number(samples, cenc_subsamples)?;
    let byte = |value: i64, field| u8::try_from(value).map_err(|_| FormatError::Field { field });
    let most =
        |value: i64| u16::try_from(value).map_err(|_| FormatError::Field { field: "subsamples" });
    let still = match optional(still_bytes)? {
        None => None,
        Some(bytes) => {
            let cenc = number(0, still_cenc)?;
            let length = still_offset.wrapping_add(i64::from(bytes));
            Some(StillPicture {
                end: SourcePosition {
                    object: number(start.object, still_object)?,
                    offset: start.offset.wrapping_add(length as u64),
                },
                last: byte(still_last, "still")?,
                bytes,
                subsamples: SubsampleCounts {
                    cenc,
                    cbcs: number(cenc, still_cbcs)?,
                    most: most(still_most)?,
                },
            })
        }
    };
    Ok(Group {
        start,
        end: SourcePosition {
            object: number(start.object, end_object)?,
            offset: start.offset.wrapping_add(end_offset as u64),
        },
        skip: byte(skip, "skip")?,
        pes_left: optional(pes_left)?,
        time: before.time.plus(Ticks(time.wrapping_add(step))),
        decode_delay: number(before.decode_delay, decode_delay)?,
        samples,
        payload_bytes: number(0, payload_bytes)?,
        uniform_duration: optional(uniform_duration)?,
        ts_payload_packets: number(0, ts_payload_packets)?,
        ts_clock_packets: number(0, ts_clock_packets)?,
        subsamples: SubsampleCounts {
            cenc,
            cbcs: number(cenc, cbcs_subsamples)?,
            most: most(most_subsamples)?,
        },
        lead,
        access: access_from(access)?,
        left_out: left_out as u32,
        undecodable: number(0, left_out >> 32)?,
        still,
    })
}

#[cfg(test)]
mod tests;
