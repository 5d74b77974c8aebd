//! Master playlists (RFC 8216 4.3.4): what can be chosen.

use super::attribute::Attributes;
use super::caption::DeclaredCaptions;
use super::error::ReadError;
use super::line::{Content, Text, checked_uri};
use super::note::{Note, NoteKind, Notes};
use super::number;
use super::rendition::RenditionEntry;
use super::session::SessionEntry;
use super::variable::{Scope, Variables};
use super::{MASTER_TAGS, MEDIA_TAGS, StartOffset, URI_LINE};

/// A master playlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterPlaylist {
    /// The streams in order, those that are listed twice too; I-frame playlists are left out.
    pub streams: Vec<ListedStream>,
    /// Every `EXT-X-MEDIA`, in order.
    pub renditions: Vec<RenditionEntry>,
    /// What its media playlists may import.
    pub variables: Variables,
    /// Every `EXT-X-SESSION-DATA` that can be understood, in order.
    pub session_data: Vec<SessionEntry>,
    /// `EXT-X-START`.
    pub start: Option<StartOffset>,
    /// What was not in order.
    pub notes: Vec<Note>,
}

/// One `EXT-X-STREAM-INF` and its URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedStream {
    /// The line of the tag, from 1.
    pub line: usize,
    /// What it says.
    pub entry: StreamEntry,
    /// All attributes as they are written, in order of their names, but those that tell one copy of
    /// a stream from another: streams that agree in them are redundant.
    pub attributes: Vec<(String, String)>,
}

/// What an `EXT-X-STREAM-INF` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamEntry {
    /// The media playlist.
    pub uri: String,
    /// `BANDWIDTH`, bits per second; 0 where it is missing or cannot be understood.
    pub bandwidth: u64,
    /// `AVERAGE-BANDWIDTH`, bits per second.
    pub average_bandwidth: Option<u64>,
    /// `CODECS`.
    pub codecs: Option<String>,
    /// `RESOLUTION`: width and height.
    pub resolution: Option<(u64, u64)>,
    /// `FRAME-RATE` in thousandths.
    pub frame_rate_thousandths: Option<u64>,
    /// `SCORE` as written: a positive decimal number, on every stream or on none.
    pub score: Option<String>,
    /// `SUPPLEMENTAL-CODECS`.
    pub supplemental_codecs: Option<String>,
    /// `STABLE-VARIANT-ID`.
    pub stable_id: Option<String>,
    /// `AUDIO`: the group of renditions that its sound is chosen from.
    pub audio: Option<String>,
    /// `SUBTITLES`: the group of texts that go with it.
    pub subtitles: Option<String>,
    /// `CLOSED-CAPTIONS`: a group, or `NONE`.
    pub closed_captions: Option<String>,
    /// The captions that it names by that.
    pub captions: DeclaredCaptions,
}

/// Attributes in which copies of one stream may differ.
const COPY_ATTRIBUTES: [&str; 2] = ["PATHWAY-ID", "STABLE-VARIANT-ID"];

/// Streams that a master playlist may list: each is asked for, copies too.
const MAX_STREAMS: usize = 1000;

/// Reads a master playlist. `query` is the query of the URI that it was loaded from.
pub fn master_playlist(bytes: &[u8], query: Option<&str>) -> Result<MasterPlaylist, ReadError> {
    let mut notes = Notes::default();
    let text = Text::new(bytes, &mut notes)?;
    if let (None, Some((line, tag))) = (text.first_tag(MASTER_TAGS), text.first_tag(MEDIA_TAGS)) {
        return Err(ReadError::NotAMasterPlaylist { line, tag });
    }
    let mut reader = MasterReader {
        scope: Scope::new(None, query),
        notes,
        streams: Vec::new(),
        renditions: Vec::new(),
        session_data: Vec::new(),
        start: None,
        announced: None,
    };
    for line in text.lines() {
        match line.content {
            Content::Tag { name, value } => reader.tag(line.number, name, value)?,
            Content::Uri(uri) => reader.uri(line.number, uri)?,
        }
    }
    reader.finish()
}

struct MasterReader<'a> {
    scope: Scope<'a>,
    notes: Notes,
    streams: Vec<ListedStream>,
    renditions: Vec<RenditionEntry>,
    session_data: Vec<SessionEntry>,
    start: Option<StartOffset>,
    /// An `EXT-X-STREAM-INF` whose URI is still to come.
    announced: Option<ListedStream>,
}

impl MasterReader<'_> {
    fn tag(&mut self, line: usize, name: &str, value: &str) -> Result<(), ReadError> {
        match name {
            "EXT-X-STREAM-INF" => {
                let attributes = Attributes::parse(line, "EXT-X-STREAM-INF", value)?;
                let listed = self.stream(&attributes)?;
                if let Some(lost) = self.announced.replace(listed) {
                    self.notes.add(NoteKind::UriMissing, lost.line, "EXT-X-STREAM-INF");
                }
            }
            "EXT-X-MEDIA" => {
                let attributes = Attributes::parse(line, "EXT-X-MEDIA", value)?;
                if self.renditions.len() >= MAX_STREAMS {
                    let problem = format!("there are more than {MAX_STREAMS} renditions");
                    return Err(ReadError::tag(line, "EXT-X-MEDIA", problem));
                }
                let read = RenditionEntry::read(&attributes, &mut self.scope, &mut self.notes)?;
                self.renditions.extend(read);
            }
            "EXT-X-DEFINE" => {
                self.scope.define(&Attributes::parse(line, "EXT-X-DEFINE", value)?)?;
            }
            "EXT-X-SESSION-DATA" => {
                let (scope, notes) = (&mut self.scope, &mut self.notes);
                SessionEntry::add(&mut self.session_data, line, value, scope, notes);
            }
            "EXT-X-START" => {
                let attributes = Attributes::parse(line, "EXT-X-START", value)?;
                self.start = StartOffset::read(&attributes, &mut self.notes);
            }
            _ => {}
        }
        Ok(())
    }

    fn uri(&mut self, line: usize, uri: &str) -> Result<(), ReadError> {
        let Some(mut listed) = self.announced.take() else {
            self.notes.add(NoteKind::UriUnannounced, line, uri);
            return Ok(());
        };
        if self.streams.len() >= MAX_STREAMS {
            let problem = format!("the master playlist lists more than {MAX_STREAMS} streams");
            return Err(ReadError::tag(listed.line, "EXT-X-STREAM-INF", problem));
        }
        let uri = self.scope.replace(line, URI_LINE, uri)?;
        listed.entry.uri = checked_uri(&uri, line, URI_LINE)?.to_owned();
        self.streams.push(listed);
        Ok(())
    }

    fn stream(&mut self, attributes: &Attributes<'_>) -> Result<ListedStream, ReadError> {
        let notes = &mut self.notes;
        let bandwidth = parsed(attributes, "BANDWIDTH", notes, number::integer);
        if attributes.get("BANDWIDTH").is_none() {
            notes.add(NoteKind::ValueUnreadable, attributes.line, "BANDWIDTH is missing");
        }
        let entry = StreamEntry {
            uri: String::new(),
            bandwidth: bandwidth.unwrap_or(0),
            average_bandwidth: parsed(attributes, "AVERAGE-BANDWIDTH", notes, number::integer),
            resolution: parsed(attributes, "RESOLUTION", notes, |text| {
                let (width, height) = text.split_once(['x', 'X'])?;
                Some((number::integer(width.trim())?, number::integer(height.trim())?))
            }),
            frame_rate_thousandths: parsed(attributes, "FRAME-RATE", notes, number::thousandths),
            score: parsed(attributes, "SCORE", notes, |text| {
                number::thousandths(text)?;
                text.bytes().any(|digit| (b'1'..=b'9').contains(&digit)).then(|| text.to_owned())
            }),
            supplemental_codecs: {
                let text = self.scope.attribute(attributes, "SUPPLEMENTAL-CODECS")?;
                text.map(Into::into)
            },
            stable_id: stable_id(attributes, "STABLE-VARIANT-ID", notes),
            codecs: self.scope.attribute(attributes, "CODECS")?.map(Into::into),
            audio: self.scope.attribute(attributes, "AUDIO")?.map(Into::into),
            subtitles: self.scope.attribute(attributes, "SUBTITLES")?.map(Into::into),
            closed_captions: self.scope.attribute(attributes, "CLOSED-CAPTIONS")?.map(Into::into),
            captions: DeclaredCaptions::default(),
        };
        let mut listed: Vec<(String, String)> = attributes
            .entries()
            .iter()
            .filter(|(name, _)| !COPY_ATTRIBUTES.contains(name))
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        listed.sort();
        Ok(ListedStream { line: attributes.line, entry, attributes: listed })
    }

    /// A score ranks a stream among others that have one.
    fn drop_partial_scores(&mut self) {
        let has_score = |stream: &&ListedStream| stream.entry.score.is_some();
        let count = self.streams.iter().filter(has_score).count();
        if count == self.streams.len() {
            return;
        }
        let without = self.streams.iter().find(|stream| !has_score(stream)).filter(|_| count > 0);
        if let Some(stream) = without {
            self.notes.add(NoteKind::ScoreIncomplete, stream.line, &stream.entry.uri);
        }
        self.streams.iter_mut().for_each(|stream| stream.entry.score = None);
    }

    fn finish(mut self) -> Result<MasterPlaylist, ReadError> {
        if let Some(lost) = self.announced.take() {
            self.notes.add(NoteKind::UriMissing, lost.line, "EXT-X-STREAM-INF");
        }
        if self.streams.is_empty() {
            return Err(ReadError::NoStreams);
        }
        self.drop_partial_scores();
        for stream in &mut self.streams {
            stream.entry.captions = DeclaredCaptions::of(&stream.entry, &self.renditions);
        }
        Ok(MasterPlaylist {
            streams: self.streams,
            renditions: self.renditions,
            variables: self.scope.into_variables(),
            session_data: self.session_data,
            start: self.start,
            notes: self.notes.finish(),
        })
    }
}

/// `STABLE-VARIANT-ID` or `STABLE-RENDITION-ID` (draft-pantos-hls-rfc8216bis 4.4.6.1 and 4.4.6.2).
pub(super) fn stable_id(
    attributes: &Attributes<'_>,
    name: &str,
    notes: &mut Notes,
) -> Option<String> {
    let is_allowed =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'.' | b'-' | b'_');
    parsed(attributes, name, notes, |text| {
        (!text.is_empty() && text.bytes().all(is_allowed)).then(|| text.to_owned())
    })
}

/// An attribute that may be left out, and is if it cannot be understood.
fn parsed<T>(
    attributes: &Attributes<'_>,
    name: &str,
    notes: &mut Notes,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    let text = attributes.get(name)?;
    let value = parse(text);
    if value.is_none() {
        notes.add(NoteKind::ValueUnreadable, attributes.line, &format!("{name}={text}"));
    }
    value
}
