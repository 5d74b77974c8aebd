//! Media playlists (RFC 8216 4.3.2 and 4.3.3): what is played.

use std::sync::Arc;
use std::time::Duration;

use super::attribute::Attributes;
use super::date_time::ProgramDateTime;
use super::error::ReadError;
use super::key::{KeyTag, KeysInForce};
use super::line::{Content, Text, checked_uri};
use super::marker::{self, MarkerTag};
use super::note::{Note, NoteKind, Notes};
use super::number;
use super::variable::{Scope, Variables};
use super::{MASTER_TAGS, StartOffset, URI_LINE};
use crate::model::marker::MAX_MARKERS;

/// A media playlist that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaPlaylist {
    /// The segments in order, one at least.
    pub segments: Vec<MediaSegment>,
    /// `EXT-X-TARGETDURATION`, where it can be understood.
    pub target_duration: Option<Duration>,
    /// `EXT-X-MEDIA-SEQUENCE`: the number of the first segment.
    pub media_sequence: u64,
    /// `EXT-X-DISCONTINUITY-SEQUENCE`: discontinuities before the first segment.
    pub discontinuity_sequence: u64,
    /// `EXT-X-START`.
    pub start: Option<StartOffset>,
    /// Tags about markers, in order.
    pub markers: Vec<MarkerTag>,
    /// What was not in order.
    pub notes: Vec<Note>,
}

/// One media segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaSegment {
    /// Where its bytes are.
    pub uri: String,
    /// The line of the URI, from 1.
    pub line: usize,
    /// What `EXTINF` claims, exact to the nanosecond; `None` where nothing can be understood.
    pub duration: Option<Duration>,
    /// `EXT-X-DISCONTINUITY` stands before it.
    pub discontinuity: bool,
    /// `EXT-X-GAP` says that it is not there, and nobody shall ask for it.
    pub gap: bool,
    /// First byte and length where it is a part of the file; their sum fits 64 bits.
    pub byte_range: Option<(u64, u64)>,
    /// When its first sample was recorded, where a tag before it says so.
    pub program_date_time: Option<ProgramDateTime>,
    /// The key that it is encrypted with.
    pub key: Option<Arc<KeyTag>>,
    /// Its media sequence number, which is the IV where the key has none.
    pub media_sequence: u64,
}

/// What a media playlist depends on beside its own text.
#[derive(Clone, Copy, Debug)]
pub struct MediaContext<'a> {
    /// What the master playlist defines.
    pub variables: &'a Variables,
    /// The query of the URI that the playlist was loaded from.
    pub query: Option<&'a str>,
    /// The most segments that are taken.
    pub max_segments: u64,
}

/// Reads a media playlist that has ended.
pub fn media_playlist(
    bytes: &[u8],
    context: &MediaContext<'_>,
) -> Result<MediaPlaylist, ReadError> {
    let mut notes = Notes::default();
    let text = Text::new(bytes, &mut notes)?;
    if let Some((line, tag)) = text.first_tag(MASTER_TAGS) {
        return Err(ReadError::NotAMediaPlaylist { line, tag });
    }
    let has_segments = text.lines().any(|line| matches!(line.content, Content::Uri(_)));
    if has_segments && text.first_tag(&["EXT-X-ENDLIST"]).is_none() {
        return Err(ReadError::NotEnded { lines: text.count() });
    }
    let mut reader = MediaReader {
        scope: Scope::new(Some(context.variables), context.query),
        notes,
        max_segments: context.max_segments,
        segments: Vec::new(),
        keys: KeysInForce::default(),
        next: Pending::default(),
        range_end: None,
        target_line: 0,
        target_duration: None,
        media_sequence: None,
        discontinuity_sequence: None,
        start: None,
        markers: Vec::new(),
    };
    for line in text.lines() {
        match line.content {
            Content::Tag { name, value } => reader.tag(line.number, name, value)?,
            Content::Uri(uri) => reader.uri(line.number, uri)?,
        }
    }
    reader.finish(text.count())
}

/// What was said of the segment whose URI is still to come.
#[derive(Default)]
struct Pending {
    /// The line of `EXTINF`, and its duration.
    duration: Option<(usize, Option<Duration>)>,
    discontinuity: bool,
    gap: bool,
    byte_range: Option<RangeTag>,
    program_date_time: Option<ProgramDateTime>,
}

/// An `EXT-X-BYTERANGE`.
struct RangeTag {
    line: usize,
    length: u64,
    offset: Option<u64>,
}

struct MediaReader<'a> {
    scope: Scope<'a>,
    notes: Notes,
    max_segments: u64,
    segments: Vec<MediaSegment>,
    keys: KeysInForce,
    next: Pending,
    /// Where the range of the last segment ended.
    range_end: Option<u64>,
    target_line: usize,
    target_duration: Option<Duration>,
    media_sequence: Option<u64>,
    discontinuity_sequence: Option<u64>,
    start: Option<StartOffset>,
    markers: Vec<MarkerTag>,
}

impl MediaReader<'_> {
    fn tag(&mut self, line: usize, name: &str, value: &str) -> Result<(), ReadError> {
        match name {
            "EXTINF" => self.duration(line, value),
            "EXT-X-BYTERANGE" => self.next.byte_range = Some(byte_range(line, value)?),
            "EXT-X-DISCONTINUITY" => self.next.discontinuity = true,
            "EXT-X-GAP" => self.next.gap = true,
            "EXT-X-PROGRAM-DATE-TIME" => {
                self.next.program_date_time = ProgramDateTime::parse(value);
                if self.next.program_date_time.is_none() {
                    self.notes.add(NoteKind::DateUnreadable, line, value);
                }
            }
            "EXT-X-KEY" => {
                let attributes = Attributes::parse(line, "EXT-X-KEY", value)?;
                self.keys.push(&attributes, &mut self.scope)?;
            }
            "EXT-X-MAP" => return Err(ReadError::FragmentedMp4 { line }),
            "EXT-X-I-FRAMES-ONLY" => return Err(ReadError::IFramesOnly { line }),
            "EXT-X-SKIP" => return Err(ReadError::DeltaUpdate { line }),
            "EXT-X-DEFINE" => {
                self.scope.define(&Attributes::parse(line, "EXT-X-DEFINE", value)?)?;
            }
            "EXT-X-TARGETDURATION" => {
                self.target_line = line;
                self.target_duration = number::seconds(value);
                if self.target_duration.is_none() {
                    self.notes.add(NoteKind::TargetMissing, line, value);
                }
            }
            "EXT-X-MEDIA-SEQUENCE" => {
                let number = sequence(line, "EXT-X-MEDIA-SEQUENCE", value)?;
                self.media_sequence = self.early(line, "EXT-X-MEDIA-SEQUENCE", number);
            }
            "EXT-X-DISCONTINUITY-SEQUENCE" => {
                let number = sequence(line, "EXT-X-DISCONTINUITY-SEQUENCE", value)?;
                let early = self.early(line, "EXT-X-DISCONTINUITY-SEQUENCE", number);
                self.discontinuity_sequence = early;
            }
            "EXT-X-START" => {
                let attributes = Attributes::parse(line, "EXT-X-START", value)?;
                self.start = StartOffset::read(&attributes, &mut self.notes);
            }
            name if marker::is_marker(name) => self.marker(line, name, value),
            _ => {}
        }
        Ok(())
    }

    /// What cannot be understood of markers is no reason to refuse a title.
    fn marker(&mut self, line: usize, name: &str, value: &str) {
        let replaced = self.scope.replace(line, "EXT-X-DATERANGE", value);
        let value = replaced.as_deref().unwrap_or(value);
        match marker::parse(line, name, value) {
            Some(mark) if self.markers.len() < MAX_MARKERS => {
                self.markers.push(MarkerTag { line, segment: self.segments.len(), mark });
            }
            _ => self.notes.add(NoteKind::MarkerUnreadable, line, &format!("{name}:{value}")),
        }
    }

    /// `EXTINF: 6.006 , title`; the comma may be missing.
    fn duration(&mut self, line: usize, value: &str) {
        let text = value.split(',').next().unwrap_or_default().trim();
        let duration = number::seconds(text);
        if duration.is_none() {
            self.notes.add(NoteKind::DurationUnreadable, line, text);
        }
        if let Some((lost, _)) = self.next.duration.replace((line, duration)) {
            self.notes.add(NoteKind::UriMissing, lost, "EXTINF");
        }
    }

    /// `number` if the tag stands where it counts: before the first segment, and alone.
    fn early(&mut self, line: usize, tag: &'static str, number: u64) -> Option<u64> {
        let known = match tag {
            "EXT-X-MEDIA-SEQUENCE" => self.media_sequence,
            _ => self.discontinuity_sequence,
        };
        if self.segments.is_empty() && known.is_none() {
            return Some(number);
        }
        self.notes.add(NoteKind::TagLate, line, tag);
        known
    }

    fn uri(&mut self, line: usize, uri: &str) -> Result<(), ReadError> {
        if self.segments.len() as u64 >= self.max_segments {
            return Err(ReadError::TooManySegments { line, limit: self.max_segments });
        }
        let uri = self.scope.replace(line, URI_LINE, uri)?;
        let uri = checked_uri(&uri, line, URI_LINE)?.to_owned();
        let said = std::mem::take(&mut self.next);
        let duration = match said.duration {
            Some((_, duration)) => duration,
            None => {
                self.notes.add(NoteKind::DurationMissing, line, &uri);
                None
            }
        };
        if let (Some(duration), Some(target)) = (duration, self.target_duration)
            && rounded_seconds(duration) > rounded_seconds(target)
        {
            self.notes.add(NoteKind::DurationAboveTarget, line, &seconds_text(duration));
        }
        let byte_range = match said.byte_range {
            Some(tag) => Some(self.resolve_range(&tag, &uri)?),
            None => None,
        };
        self.range_end = byte_range.map(|(start, length)| start.saturating_add(length));
        let first = self.media_sequence.unwrap_or(0);
        let segment = MediaSegment {
            line,
            duration,
            discontinuity: said.discontinuity,
            gap: said.gap,
            byte_range,
            program_date_time: said.program_date_time,
            // Nobody fetches a gap, so it does not matter what it would be encrypted with.
            key: if said.gap { None } else { self.keys.current()? },
            media_sequence: first.saturating_add(self.segments.len() as u64),
            uri,
        };
        self.segments.push(segment);
        Ok(())
    }

    fn resolve_range(&mut self, tag: &RangeTag, uri: &str) -> Result<(u64, u64), ReadError> {
        let follows = self.segments.last().is_some_and(|last| last.uri == uri);
        let start = match (tag.offset, self.range_end.filter(|_| follows)) {
            (Some(offset), _) => offset,
            (None, Some(end)) => end,
            (None, None) => {
                self.notes.add(NoteKind::RangeWithoutOffset, tag.line, uri);
                0
            }
        };
        if tag.length == 0 || start.checked_add(tag.length).is_none() {
            let problem = format!("{} bytes from {start} on are no range of a file", tag.length);
            return Err(ReadError::tag(tag.line, "EXT-X-BYTERANGE", problem));
        }
        Ok((start, tag.length))
    }

    fn finish(mut self, lines: usize) -> Result<MediaPlaylist, ReadError> {
        if let Some((line, _)) = self.next.duration {
            self.notes.add(NoteKind::UriMissing, line, "EXTINF");
        }
        if self.target_line == 0 {
            self.notes.add(NoteKind::TargetMissing, lines, "");
        }
        if self.segments.is_empty() {
            return Err(ReadError::NoSegments { lines });
        }
        Ok(MediaPlaylist {
            segments: self.segments,
            target_duration: self.target_duration,
            media_sequence: self.media_sequence.unwrap_or(0),
            discontinuity_sequence: self.discontinuity_sequence.unwrap_or(0),
            start: self.start,
            markers: self.markers,
            notes: self.notes.finish(),
        })
    }
}

/// `n[@o]`; an `@` with nothing behind it is none.
fn byte_range(line: usize, value: &str) -> Result<RangeTag, ReadError> {
    let (length, offset) = value.split_once('@').unwrap_or((value, ""));
    let offset = match offset.trim() {
        "" => Some(None),
        text => number::integer(text).map(Some),
    };
    match (number::integer(length.trim()), offset) {
        (Some(length), Some(offset)) => Ok(RangeTag { line, length, offset }),
        _ => {
            let problem = format!("{value:?} is no byte range; write LENGTH or LENGTH@OFFSET");
            Err(ReadError::tag(line, "EXT-X-BYTERANGE", problem))
        }
    }
}

/// A sequence number. What cannot be read is an error, because IVs may be made of it.
fn sequence(line: usize, tag: &'static str, value: &str) -> Result<u64, ReadError> {
    number::integer(value)
        .ok_or_else(|| ReadError::tag(line, tag, format!("{value:?} is no whole number")))
}

/// To the nearest second, as the target duration is compared (RFC 8216 4.3.3.1).
fn rounded_seconds(duration: Duration) -> u64 {
    duration.saturating_add(Duration::from_millis(500)).as_secs()
}

/// Decimal seconds without zeros at the end.
fn seconds_text(duration: Duration) -> String {
    let text = format!("{}.{:09}", duration.as_secs(), duration.subsec_nanos());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
