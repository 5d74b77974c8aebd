//! The stored form of a presentation: compact, versioned, checksummed.
//!
//! ```text
//! "PKORIDX" version │ XXH3-128 of all behind │ length, zstd( directory ) │ zstd( part ) …
//!
//! directory   everything but objects and groups; of these how many there are, and how long their
//!             parts are; of each track's groups an outline: times, access, sums of blocks
//! part        the objects of a stream, or the groups of a track in blocks (see [`groups`])
//! ```
//!
//! All are rows of variable-length integers (LEB128; signed ones in zigzag) and of byte strings with
//! their length. Parts are unpacked when somebody first looks into them, so that a segment costs the
//! same whatever the length of its title. That all is as it was written is known before: the
//! checksum is that of the whole file.
//!
//! The version of a presentation in URLs is the SHA-256 of its canonical form, in which all parts
//! stand in their places in the directory: it hangs on what is stored, and not on how.

mod groups;

use std::cell::RefCell;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use twox_hash::XxHash3_128;
use zstd::bulk::Decompressor;

use crate::model::codec::StreamSyntax;
use crate::model::list::List;
use crate::model::presentation::{Period, Presentation, SourceObject, Stream, StreamPeriod, Track};
use crate::model::source_key::{KeyPlace, SourceEncryption};
use crate::model::timed_metadata::TimedMetadata;
use crate::time::{Ticks, Timescale};

const MAGIC: &[u8; 7] = b"PKORIDX";
/// Changes whenever the body's layout does. An index of another version is refused, and its asset
/// has to be ingested again.
const VERSION: u8 = 8;
const HASH_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 16;
/// A presentation of ten streams over ten hours has about 200,000 groups of 40 bytes.
const MAX_PART_BYTES: usize = 256 << 20;
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
    let canonical = Body::of(presentation, None)?;
    let hash: [u8; HASH_BYTES] = Sha256::digest(&canonical.bytes).into();
    drop(canonical);
    let directory = Body::of(presentation, Some(Vec::new()))?;
    let mut behind = Body::default();
    behind.string(&compressed(&directory.bytes)?);
    behind.bytes.extend(directory.parts.unwrap_or_default());
    let checksum = XxHash3_128::oneshot(&behind.bytes).to_be_bytes();
    let stored = [MAGIC, &[VERSION][..], &checksum, &behind.bytes].concat();
    Ok((stored, hash))
}

/// What [`encode`] stored. All of it is checked; objects and groups are unpacked when they are first
/// wanted.
pub fn decode(stored: &[u8]) -> Result<Presentation, FormatError> {
    let rest = stored.strip_prefix(MAGIC).ok_or(FormatError::Version)?;
    let rest = rest.strip_prefix(&[VERSION]).ok_or(FormatError::Version)?;
    let (checksum, behind) =
        rest.split_first_chunk::<CHECKSUM_BYTES>().ok_or(FormatError::Checksum)?;
    if XxHash3_128::oneshot(behind).to_be_bytes() != *checksum {
        return Err(FormatError::Checksum);
    }
    let mut file = Reader { rest: behind, parts: Parts::default() };
    let directory = Bytes::from(decompressed(file.string("directory")?)?);
    let parts = Parts { directory: directory.clone(), rest: Bytes::copy_from_slice(file.rest) };
    let mut reader = Reader { rest: &directory, parts };
    let presentation = reader.presentation()?;
    if !reader.rest.is_empty() || !reader.parts.rest.is_empty() {
        return Err(FormatError::Field { field: "end" });
    }
    Ok(presentation)
}

thread_local! {
    /// To make one costs as much as to unpack a part.
    static DECOMPRESSOR: RefCell<std::io::Result<Decompressor<'static>>> =
        RefCell::new(Decompressor::new());
}

fn compressed(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    zstd::bulk::compress(bytes, COMPRESSION_LEVEL)
}

fn decompressed(compressed: &[u8]) -> std::io::Result<Vec<u8>> {
    let size = match zstd::zstd_safe::get_frame_content_size(compressed) {
        Ok(Some(size)) => usize::try_from(size).unwrap_or(MAX_PART_BYTES),
        _ => MAX_PART_BYTES,
    };
    DECOMPRESSOR.with_borrow_mut(|decompressor| match decompressor {
        Ok(decompressor) => decompressor.decompress(compressed, MAX_PART_BYTES.min(size)),
        Err(error) => Err(std::io::Error::from(error.kind())),
    })
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

#[derive(Default)]
struct Body {
    bytes: Vec<u8>,
    /// The parts, compressed, one behind the other; `None` in the canonical form, which has none.
    parts: Option<Vec<u8>>,
    /// Why something could not be written.
    failure: Option<FormatError>,
}

impl Body {
    fn of(presentation: &Presentation, parts: Option<Vec<u8>>) -> Result<Self, FormatError> {
        let mut body = Self { parts, ..Self::default() };
        body.presentation(presentation);
        body.failure.take().map_or(Ok(body), Err)
    }

    /// Writes a part, or what would be one where there are none.
    fn apart(&mut self, write: impl FnOnce(&mut Self)) {
        let Some(parts) = &mut self.parts else { return write(self) };
        let mut part = Self::default();
        write(&mut part);
        match compressed(&part.bytes) {
            Ok(part) => {
                parts.extend_from_slice(&part);
                self.unsigned(part.len() as u64);
            }
            Err(error) => self.failure = Some(error.into()),
        }
    }

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
        self.unsigned(stream.objects.len() as u64);
        self.apart(|body| stream.objects.iter().for_each(|object| body.object(object)));
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

    fn object(&mut self, object: &SourceObject) {
        self.string(object.path.as_bytes());
        self.unsigned(object.start);
        self.unsigned(object.size);
        self.unsigned(u64::from(object.packet_bytes));
        self.option(object.encryption.as_ref(), Self::encryption);
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
        if self.parts.is_some() {
            self.groups_apart(&track.groups);
        } else {
            self.groups(&track.groups);
        }
    }

    fn packed(&mut self, value: &impl Serialize) {
        match postcard::to_stdvec(value) {
            Ok(bytes) => self.string(&bytes),
            Err(error) => self.failure = Some(error.into()),
        }
    }
}

#[derive(Default)]
struct Reader<'a> {
    rest: &'a [u8],
    /// What the directory has apart.
    parts: Parts,
}

/// What is unpacked later.
#[derive(Default)]
struct Parts {
    /// All that the reader reads.
    directory: Bytes,
    /// The parts that it has not come to.
    rest: Bytes,
}

type Read<T> = Result<T, FormatError>;

/// What was in a part. Its bytes are what was written, or it would not have been loaded; so if this
/// cannot read it, this or what wrote it is wrong, and the list is empty, which has no segments.
fn unpacked<T: Default>(what: &str, read: Read<T>) -> T {
    read.unwrap_or_else(|error| {
        tracing::error!("an index has {what} that cannot be read; ingest its asset again: {error}");
        T::default()
    })
}

impl<'a> Reader<'a> {
    #[inline]
    fn unsigned(&mut self, field: &'static str) -> Read<u64> {
        // Most numbers of most columns.
        if let [byte @ ..0x80, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(u64::from(*byte));
        }
        self.long_unsigned(field)
    }

    fn long_unsigned(&mut self, field: &'static str) -> Read<u64> {
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

    #[inline]
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

    /// The next part, as it is stored.
    fn part(&mut self, field: &'static str) -> Read<Bytes> {
        let length = self.number::<usize>(field)?;
        let rest = &mut self.parts.rest;
        if length > rest.len() {
            Err(FormatError::Field { field })
        } else {
            Ok(rest.split_to(length))
        }
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
            objects: {
                let count = self.number("objects")?;
                let part = self.part("objects")?;
                List::later(count, move || {
                    let read = || {
                        let bytes = decompressed(&part)?;
                        let mut reader = Reader { rest: &bytes, ..Reader::default() };
                        (0..count).map(|_| reader.object()).collect()
                    };
                    unpacked("objects", read())
                })
            },
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

    fn object(&mut self) -> Read<SourceObject> {
        Ok(SourceObject {
            path: self.text("path")?,
            start: self.unsigned("start")?,
            size: self.unsigned("size")?,
            packet_bytes: self.number("packet_bytes")?,
            encryption: self.option("encryption", Self::encryption)?,
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

    fn packed<T: Deserialize<'a>>(&mut self, field: &'static str) -> Read<T> {
        postcard::from_bytes(self.string(field)?).map_err(|_| FormatError::Field { field })
    }
}

#[cfg(test)]
mod tests;
