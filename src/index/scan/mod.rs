//! One stream of the source: transport packets → sections of pictures and sound on the source's own
//! clock.
//!
//! A [`StreamScanner`] is fed the segments of one media playlist. At each discontinuity that the
//! playlist announces it starts a new [`StretchScan`]; where a clock jumps or a codec configuration
//! changes without a word, a section ends and another begins, for each track by itself. `periods`
//! puts the sections of all streams beside each other.
//!
//! ```text
//! packets ─ input ─┬ pictures: groups, measured
//!                  └ sound: frames on a grid
//! ```
//!
//! Only numbers are kept. Pictures before the first random access point of a section cannot be
//! decoded and are left out.

mod damage;
mod input;
mod pictures;
mod sound;
mod splices;
mod tags;

use std::collections::{BTreeMap, BTreeSet};

use twox_hash::XxHash3_128;

pub(super) use self::damage::Damage;
#[cfg(test)]
pub(super) use self::input::Origin;
pub(super) use self::input::position;
use self::input::{TrackInput, place};
use self::pictures::PictureTrack;
pub(super) use self::pictures::{Begin, PictureCounts, RawGroup, RawPicture, VideoSection};
use self::sound::SoundTrack;
pub(super) use self::sound::{AudioSection, RawFrame, SoundCounts};
pub(super) use self::splices::RawSplice;
use self::splices::SpliceTracks;
pub(super) use self::tags::RawTag;
use self::tags::{Tag, TagTrack};
use crate::codec::Timestamps;
use crate::codec::packed::{self, PackedStart};
use crate::model::caption::CaptionService;
use crate::model::codec::StreamSyntax;
use crate::model::ingest::{FailureCode, FindingCode, IngestFailure};
use crate::model::presentation::{Medium, SourcePosition};
use crate::model::timed_metadata::MAX_STREAM_BYTES;
use crate::time::Unwrapper;
use crate::ts::contents::Contents;
use crate::ts::packet::{
    Continuity, PACKET_BYTES, Packet, PacketReader, SYNC_BYTE, TakePackets, packet_distance,
};
use crate::ts::psi::{MapEntry, Tables};

/// Everything that one media playlist holds.
#[derive(Debug)]
pub(super) struct StreamScan {
    /// Stretches between announced discontinuities.
    pub stretches: Vec<StretchScan>,
    /// XXH3-128 over all bytes.
    pub identity: [u8; 16],
    /// What was not in order.
    pub damage: Damage,
    /// What was noticed about pictures.
    pub pictures: PictureCounts,
    /// What was noticed about sound.
    pub sound: SoundCounts,
    /// Captions that the pictures carry.
    pub captions: BTreeSet<CaptionService>,
    /// ID3 tags as they were read.
    pub tags: Vec<RawTag>,
    /// SCTE-35 sections as they were read.
    pub splices: Vec<RawSplice>,
}

/// One stream between two announced discontinuities.
#[derive(Debug, Default)]
pub(super) struct StretchScan {
    pub video: Vec<VideoSection>,
    pub audio: Vec<AudioSection>,
}

/// What stands for a PID where there are no packets.
const PACKED_PID: u16 = 0;
/// Bytes are hashed and read in pieces of this size, so that they are in the processor's cache the
/// second time.
pub(super) const PIECE_BYTES: usize = 1024 * PACKET_BYTES;
/// Packets that came before a program map told what they are.
const MAX_HELD_PACKETS: usize = 32 * 1024;
/// A clock reference this far from decoding is wrong: five seconds, where the standard allows one.
const CLOCK_REFERENCE_RANGE: i64 = 5 * 90_000;

/// Reads the segments of one media playlist. See the module documentation.
pub(super) struct StreamScanner {
    reader: PacketReader,
    tables: Tables,
    object: SourceSegment,
    /// Packets that wait for a program map, with their places.
    held: Vec<(u64, [u8; PACKET_BYTES])>,
    video: Option<PictureTrack>,
    audio: Option<SoundTrack>,
    stretch: StretchScan,
    stretches: Vec<StretchScan>,
    clock: ClockReference,
    /// PIDs with PES packets that no program map lists.
    unannounced: BTreeSet<u16>,
    /// PIDs that program maps list.
    announced: BTreeSet<u16>,
    /// Tracks that are left out, and whether there was anything of them.
    others: BTreeMap<u16, (String, bool)>,
    damage: Damage,
    pictures: PictureCounts,
    sound: SoundCounts,
    captions: BTreeSet<CaptionService>,
    /// By PID.
    tag_tracks: BTreeMap<u16, TagTrack>,
    tags: Vec<RawTag>,
    tag_bytes: usize,
    splices: SpliceTracks,
    failure: Option<IngestFailure>,
    identity: XxHash3_128,
}

/// The source segment that is being read.
#[derive(Default)]
struct SourceSegment {
    number: u32,
    path: String,
    bytes: u64,
    packets: u64,
    /// Bytes from one packet to the next; `None` before the first bytes.
    distance: Option<u8>,
    /// Whether it holds packets of the tracks.
    has_video: bool,
    has_audio: bool,
    has_tables: bool,
    /// It has no packets: its bytes are frames of sound.
    is_packed: bool,
    /// Media came before the tables.
    is_headless: bool,
    /// `PacketReader::skipped_bytes` when it began.
    skipped_before: u64,
}

/// What the program map says of the clock, and what was seen of it.
#[derive(Default)]
struct ClockReference {
    pid: Option<u16>,
    seen: u64,
    elsewhere: u64,
}

impl StreamScanner {
    pub fn new() -> Self {
        Self {
            reader: PacketReader::default(),
            tables: Tables::default(),
            object: SourceSegment::default(),
            held: Vec::new(),
            video: None,
            audio: None,
            stretch: StretchScan::default(),
            stretches: Vec::new(),
            clock: ClockReference::default(),
            unannounced: BTreeSet::new(),
            announced: BTreeSet::new(),
            others: BTreeMap::new(),
            damage: Damage::default(),
            pictures: PictureCounts::default(),
            sound: SoundCounts::default(),
            captions: BTreeSet::new(),
            tag_tracks: BTreeMap::new(),
            tags: Vec::new(),
            tag_bytes: 0,
            splices: SpliceTracks::default(),
            failure: None,
            identity: XxHash3_128::new(),
        }
    }

    /// Whether a segment that begins with these bytes is read as a transport stream. A piece
    /// tells; what is none is told by more.
    pub fn is_transport_stream(start: &[u8]) -> bool {
        packet_distance(start).is_some()
    }

    /// A source segment begins.
    pub fn begin_object(
        &mut self,
        object: u32,
        path: &str,
        discontinuity: bool,
    ) -> Result<(), IngestFailure> {
        if discontinuity && object > 0 {
            self.end_stretch()?;
        }
        for input in self.inputs() {
            input.continuity.reset();
        }
        self.splices.begin_object();
        self.object = SourceSegment {
            number: object,
            path: path.to_owned(),
            skipped_before: self.reader.skipped_bytes(),
            ..SourceSegment::default()
        };
        Ok(())
    }

    /// The next bytes of the segment.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), IngestFailure> {
        if self.object.is_packed {
            self.push_packed(bytes, None);
            return self.failure.take().map_or(Ok(()), Err);
        }
        if self.object.distance.is_none() && !bytes.is_empty() {
            let Some(distance) = packet_distance(bytes) else {
                let start = packed::start(bytes).ok_or_else(|| self.no_transport_stream(bytes))?;
                self.begin_packed(start)?;
                self.push_packed(bytes, start.timestamp);
                return self.failure.take().map_or(Ok(()), Err);
            };
            self.object.distance = Some(distance);
            self.reader.begin_object(0, distance);
            let code = match distance {
                192 => Some(FindingCode::PacketsOf192Bytes),
                204 => Some(FindingCode::PacketsOf204Bytes),
                _ => None,
            };
            if let Some(code) = code {
                self.damage.add(code, 1, Some(self.here(0)));
            }
        }
        let mut reader = std::mem::take(&mut self.reader);
        for piece in bytes.chunks(PIECE_BYTES) {
            self.object.bytes += piece.len() as u64;
            self.identity.write(piece);
            reader.push_runs(piece, self);
        }
        self.reader = reader;
        self.failure.take().map_or(Ok(()), Err)
    }

    /// The segment is packed audio.
    fn begin_packed(&mut self, start: PackedStart) -> Result<(), IngestFailure> {
        if start.timestamp.is_none() && self.audio.is_none() {
            return Err(IngestFailure::new(
                FailureCode::UnsupportedContainer,
                format!(
                    "{} is packed audio without the ID3 timestamp that RFC 8216 3.4 asks for, so \
                     it is not known when it is heard; add the tag or put the sound into a \
                     transport stream",
                    self.object.path
                ),
            ));
        }
        self.object.is_packed = true;
        self.open_audio(PACKED_PID, start.syntax, self.here(0));
        Ok(())
    }

    fn push_packed(&mut self, bytes: &[u8], timestamp: Option<u64>) {
        self.identity.write(bytes);
        let mut begins = timestamp.map(|at| Timestamps { presentation: at, decode: at });
        let Some(audio) = &mut self.audio else { return };
        // In pieces no larger than packets, so that places within them are as small.
        for piece in bytes.chunks(PACKET_BYTES) {
            let place = place(self.object.number, self.object.bytes);
            audio.push_packed(piece, place, begins.take());
            self.object.bytes += piece.len() as u64;
        }
    }

    /// The segment ends. Returns the distance of its packets, 0 where it is packed audio.
    pub fn end_object(&mut self) -> Result<u8, IngestFailure> {
        if self.object.is_packed {
            return Ok(0);
        }
        let mut reader = std::mem::take(&mut self.reader);
        reader.finish_object(|offset, packet| self.push_packet(offset, packet));
        self.reader = reader;
        self.failure.take().map_or(Ok(()), Err)?;
        let path = &self.object.path;
        if self.object.bytes == 0 {
            return Err(IngestFailure::new(
                FailureCode::CorruptSegment,
                format!("{path} is empty; upload the segment again, then ingest again"),
            ));
        }
        if self.object.packets == 0 {
            return Err(IngestFailure::new(
                FailureCode::UnsupportedContainer,
                format!("{path} holds no packet of an MPEG transport stream; only that is read"),
            ));
        }
        self.note_rest();
        // Sound alone is no substitute for a picture that is there and cannot be read.
        let is_unread = |entry: &MapEntry| {
            matches!(entry.contents(), Contents::Unread { medium: Medium::Video, .. })
        };
        let unread_video = self.video.is_none() && self.map().iter().any(is_unread);
        if unread_video || self.video.is_none() && self.audio.is_none() {
            return Err(self.not_readable());
        }
        Ok(self.object.distance.unwrap_or(PACKET_BYTES as u8))
    }

    /// All segments have been read.
    pub fn finish(mut self) -> Result<StreamScan, IngestFailure> {
        self.end_stretch()?;
        let has_pictures = self.stretches.iter().any(|stretch| !stretch.video.is_empty());
        if self.pictures.undecodable > 0 && !has_pictures {
            return Err(IngestFailure::new(
                FailureCode::NoKeyframes,
                format!(
                    "the video up to {} has {} pictures and no IDR picture or recovery point among \
                     them; encode with a keyframe every 2 seconds",
                    self.object.path, self.pictures.undecodable
                ),
            ));
        }
        let at = |object| SourcePosition { object, offset: 0 };
        if self.clock.pid.is_some() && self.clock.seen == 0 {
            let code = match self.clock.elsewhere {
                0 => FindingCode::ClockReferenceMissing,
                _ => FindingCode::ClockReferenceElsewhere,
            };
            self.damage.add(code, 1, Some(at(0)));
        }
        let announced = &self.announced;
        if self.clock.seen > 0 && self.clock.pid.is_some_and(|pid| !announced.contains(&pid)) {
            self.damage.add(FindingCode::ClockReferenceElsewhere, 1, Some(at(0)));
        }
        for (name, has_data) in self.others.values() {
            match has_data {
                true => self.damage.left_out.push(name.clone()),
                false => self.damage.tell(FindingCode::TrackEmpty, at(0), || {
                    format!("there are no data of {name}")
                }),
            }
        }
        self.damage.add(FindingCode::DataUnannounced, self.unannounced.len() as u64, None);
        Ok(StreamScan {
            stretches: self.stretches,
            identity: self.identity.finish_128().to_be_bytes(),
            damage: self.damage,
            pictures: self.pictures,
            sound: self.sound,
            captions: self.captions,
            tags: self.tags,
            splices: self.splices.finish(),
        })
    }

    fn inputs(&mut self) -> impl Iterator<Item = &mut TrackInput> {
        let video = self.video.as_mut().map(|track| &mut track.input);
        let audio = self.audio.as_mut().map(|track| &mut track.input);
        let tags = self.tag_tracks.values_mut().map(|track| &mut track.input);
        [video, audio].into_iter().flatten().chain(tags)
    }

    fn map(&self) -> &[MapEntry] {
        self.tables.program_map().map_or(&[], |map| &map.streams)
    }

    fn here(&self, offset: u64) -> SourcePosition {
        SourcePosition { object: self.object.number, offset }
    }

    /// What the segment that ends leaves to be said.
    fn note_rest(&mut self) {
        let rest = self.reader.rest();
        let (left, is_packet) = (rest.len() as u64, rest.first() == Some(&SYNC_BYTE));
        let end = self.here(self.object.bytes.saturating_sub(left));
        let lost = self.reader.skipped_bytes() - self.object.skipped_before;
        self.damage.add(FindingCode::SyncLost, lost, Some(self.here(0)).filter(|_| lost > 0));
        if left > 0 {
            // A packet that was begun, or bytes that never were one.
            let code = match is_packet {
                true => FindingCode::PacketTruncated,
                false => FindingCode::BytesTrailing,
            };
            self.damage.add(code, 1, Some(end));
        }
        if !self.object.has_tables {
            self.damage.add(FindingCode::TablesMissing, 1, Some(self.here(0)));
        } else if self.object.is_headless {
            self.damage.add(FindingCode::TablesLate, 1, Some(self.here(0)));
        }
        let (has_video, has_audio) = (self.object.has_video, self.object.has_audio);
        let missing = self.video.is_some() && !has_video || self.audio.is_some() && !has_audio;
        if missing {
            let which = if has_video { "sound" } else { "pictures" };
            let path = self.object.path.clone();
            let start = self.here(0);
            self.damage.tell(FindingCode::TrackMissingInSegments, start, || {
                format!("{path} holds no {which}")
            });
        }
    }

    fn push_packet(&mut self, offset: u64, bytes: &[u8; PACKET_BYTES]) {
        let place = place(self.object.number, offset);
        let Ok(packet) = Packet::parse(bytes) else {
            self.damage.note(FindingCode::PacketsUnreadable, place);
            return;
        };
        self.object.packets += 1;
        if packet.transport_error {
            self.damage.note(FindingCode::PacketsMarkedDamaged, place);
            return;
        }
        if packet.scrambled {
            self.damage.note(FindingCode::PacketsScrambled, place);
            return;
        }
        self.check_clock(&packet, place);
        if self.push_media(&packet, place) {
            self.object.is_headless |= !self.object.has_tables;
            return;
        }
        if self.push_metadata(&packet, place) {
            return;
        }
        if let Some((_, has_data)) = self.others.get_mut(&packet.pid) {
            *has_data |= packet.payload.is_some();
        }
        if self.tables.push(&packet) {
            self.object.has_tables = true;
            self.open_tracks(place);
            for (place, bytes) in std::mem::take(&mut self.held) {
                let Ok(packet) = Packet::parse(&bytes) else { continue };
                if !self.push_metadata(&packet, place) {
                    self.object.is_headless |= self.push_media(&packet, place);
                }
            }
        } else if self.tables.program_map().is_none() && !self.tables.is_table(packet.pid) {
            if self.held.len() < MAX_HELD_PACKETS && packet.payload.is_some() {
                self.held.push((place, *bytes));
            }
        } else if packet.payload_unit_start
            && packet.payload.is_some_and(|payload| payload.starts_with(&[0, 0, 1]))
            && !self.map().iter().any(|entry| entry.stream.pid == packet.pid)
        {
            self.unannounced.insert(packet.pid);
        }
        if self.tables.program_count() > 1 {
            let detail = format!(
                "the transport stream has {} programs; store one program in each segment",
                self.tables.program_count()
            );
            self.fail(FailureCode::UnsupportedContainer, &detail);
        }
    }

    /// Gives a packet to the track that it belongs to, if there is one.
    fn push_media(&mut self, packet: &Packet<'_>, place: u64) -> bool {
        if let Some(video) = &mut self.video
            && video.input.pid == packet.pid
        {
            self.object.has_video |= packet.payload.is_some();
            let before = video.input.continuity;
            let other = self.audio.as_ref().and_then(SoundTrack::clock);
            let pushed = video.push(packet, place, other);
            let behind = video.input.continuity;
            self.note_continuity(before, behind, place);
            if let Err(detail) = pushed {
                self.fail(FailureCode::CorruptSegment, &detail);
            }
            return true;
        }
        if let Some(audio) = &mut self.audio
            && audio.input.pid == packet.pid
        {
            self.object.has_audio |= packet.payload.is_some();
            let before = audio.input.continuity;
            let other = self.video.as_ref().and_then(PictureTrack::clock);
            audio.push(packet, place, other);
            let behind = audio.input.continuity;
            self.note_continuity(before, behind, place);
            return true;
        }
        false
    }

    /// Gives a packet to the tags or markers that it belongs to, if it does.
    fn push_metadata(&mut self, packet: &Packet<'_>, place: u64) -> bool {
        if let Some(track) = self.tag_tracks.get_mut(&packet.pid) {
            let tags = track.push(packet, place);
            self.take_tags(tags);
            return true;
        }
        if !self.splices.follows(packet.pid) {
            return false;
        }
        let clock = self.video.as_ref().and_then(PictureTrack::clock);
        let clock = clock.or_else(|| self.audio.as_ref().and_then(SoundTrack::clock));
        let arrived = clock.map(|(_, now)| now.0.rem_euclid(1 << 33) as u64);
        self.splices.push(packet, place, arrived, &mut self.damage);
        true
    }

    fn take_tags(&mut self, tags: impl IntoIterator<Item = Tag>) {
        for tag in tags {
            match tag {
                Tag::Whole(tag) if self.tag_bytes + tag.payload.len() <= MAX_STREAM_BYTES => {
                    self.tag_bytes += tag.payload.len();
                    self.tags.push(tag);
                }
                Tag::Whole(RawTag { place, .. }) | Tag::Refused(place) => {
                    self.damage.note(FindingCode::MetadataLeftOut, place);
                }
            }
        }
    }

    fn note_continuity(&mut self, before: Continuity, behind: Continuity, place: u64) {
        if behind.errors > before.errors {
            self.damage.note(FindingCode::PacketsLost, place);
        }
        if behind.repeats > before.repeats {
            self.damage.note(FindingCode::PacketsRepeated, place);
        }
    }

    /// Looks at a packet's clock reference. Output has clocks of its own, so this is for the report
    /// only.
    fn check_clock(&mut self, packet: &Packet<'_>, place: u64) {
        let Some(reference) = packet.clock_reference else { return };
        if self.clock.pid.is_some_and(|pid| pid != packet.pid) {
            self.clock.elsewhere += 1;
            return;
        }
        self.clock.seen += 1;
        let video = self.video.as_ref().and_then(PictureTrack::clock);
        let Some((_, now)) = video.or_else(|| self.audio.as_ref().and_then(SoundTrack::clock))
        else {
            return;
        };
        let reference = Unwrapper::near(now).unwrap_timestamp(reference);
        if reference.minus(now).0.abs() > CLOCK_REFERENCE_RANGE {
            self.damage.note(FindingCode::ClockReferenceWrong, place);
        }
    }

    fn fail(&mut self, code: FailureCode, detail: &str) {
        let detail = format!("{}: {detail}", self.object.path);
        self.failure.get_or_insert(IngestFailure::new(code, detail));
    }

    /// Chooses the tracks that a program map lists.
    fn open_tracks(&mut self, place: u64) {
        let Some(map) = self.tables.program_map() else { return };
        self.clock.pid = Some(map.clock_pid);
        self.announced.extend(map.streams.iter().map(|entry| entry.stream.pid));
        let (mut video, mut audio) = (None, None);
        for entry in map.streams.iter().filter(|entry| entry.may_hold_tags()) {
            let pid = entry.stream.pid;
            self.tag_tracks.entry(pid).or_insert_with(|| TagTrack::new(pid));
        }
        for entry in map.streams.iter().filter(|entry| entry.may_hold_splices()) {
            self.splices.open(entry.stream.pid);
        }
        for entry in &map.streams {
            let wanted = (entry.stream.pid, entry.contents());
            match wanted {
                (pid, Contents::Track(syntax)) => {
                    let slot = match syntax.medium() {
                        Medium::Video => &mut video,
                        Medium::Audio => &mut audio,
                    };
                    match slot {
                        None => *slot = Some((pid, syntax)),
                        Some(_) => {
                            self.others.entry(pid).or_insert_with(|| (describe(entry), false));
                        }
                    }
                }
                (pid, Contents::Unread { .. }) => {
                    self.others.entry(pid).or_insert_with(|| (describe(entry), false));
                }
                (_, Contents::Data { .. }) => {}
            }
        }
        let end = position(place);
        if let Some((pid, syntax)) = video {
            self.open_video(pid, syntax, end);
        }
        if let Some((pid, syntax)) = audio {
            self.open_audio(pid, syntax, end);
        }
    }

    fn open_video(&mut self, pid: u16, syntax: StreamSyntax, end: SourcePosition) {
        let begin = match &self.video {
            Some(track) if (track.input.pid, track.syntax) == (pid, syntax) => return,
            Some(_) => {
                self.damage.add(FindingCode::TrackMoves, 1, Some(end));
                Begin::Moved
            }
            None => Begin::Announced,
        };
        if let Err(failure) = self.end_video(end) {
            self.failure.get_or_insert(failure);
        }
        self.video = PictureTrack::new(pid, syntax, begin);
    }

    fn open_audio(&mut self, pid: u16, syntax: StreamSyntax, end: SourcePosition) {
        let begin = match &self.audio {
            Some(track) if (track.input.pid, track.syntax) == (pid, syntax) => return,
            Some(_) => {
                self.damage.add(FindingCode::TrackMoves, 1, Some(end));
                Begin::Moved
            }
            None => Begin::Announced,
        };
        self.end_audio(end);
        self.audio = SoundTrack::new(pid, syntax, begin);
    }

    fn no_transport_stream(&self, start: &[u8]) -> IngestFailure {
        let what = match start {
            [b'I', b'D', b'3', ..] => {
                "packed audio of no known kind behind an ID3 tag; AAC, AC-3, E-AC-3 and MPEG audio \
                 are read"
            }
            [_, _, _, _, b'f', b't', b'y', b'p', ..]
            | [_, _, _, _, b's', b't', b'y', b'p', ..]
            | [_, _, _, _, b'm', b'o', b'o', b'f', ..] => {
                "fragmented MP4; give the segments as a transport stream"
            }
            [b'W', b'E', b'B', b'V', b'T', b'T', ..] => "WebVTT; list subtitles as EXT-X-MEDIA",
            _ => "no MPEG transport stream; only that is read",
        };
        let path = &self.object.path;
        IngestFailure::new(FailureCode::UnsupportedContainer, format!("{path} is {what}"))
    }

    fn not_readable(&self) -> IngestFailure {
        let path = &self.object.path;
        if self.tables.program_map().is_none() {
            return IngestFailure::new(
                FailureCode::CorruptSegment,
                format!("{path} has no program map table, so its tracks cannot be found"),
            );
        }
        let names: Vec<String> = self.map().iter().map(describe).collect();
        let names = if names.is_empty() { "no tracks".to_owned() } else { names.join(", ") };
        IngestFailure::new(
            FailureCode::UnsupportedCodec,
            format!(
                "{path} holds {names}; H.264 and HEVC are read, and AAC, AC-3, E-AC-3 and MPEG \
                 audio of layers II and III"
            ),
        )
    }

    fn end_video(&mut self, end: SourcePosition) -> Result<(), IngestFailure> {
        let Some(track) = self.video.take() else { return Ok(()) };
        let path = &self.object.path;
        let finished = track.finish(end).map_err(|detail| {
            let detail = format!("the video up to {path}: {detail}");
            IngestFailure::new(FailureCode::UnsupportedCodec, detail)
        })?;
        let (units, headers) = finished.broken;
        self.damage.add(FindingCode::UnitsBroken, units.broken_units, None);
        self.damage.add(FindingCode::LayersDropped, units.other_layers, None);
        self.damage.add(FindingCode::UnpairedFields, units.unpaired_fields, None);
        self.damage.add(FindingCode::HeadersBroken, headers, None);
        self.pictures.add(finished.counts);
        self.captions.extend(finished.captions);
        self.stretch.video.extend(finished.sections);
        Ok(())
    }

    fn end_audio(&mut self, end: SourcePosition) {
        let Some(track) = self.audio.take() else { return };
        let finished = track.finish(end);
        let (units, headers) = finished.broken;
        self.damage.add(FindingCode::UnitsBroken, units, None);
        self.damage.add(FindingCode::HeadersBroken, headers, None);
        self.sound.add(finished.counts);
        self.stretch.audio.extend(finished.sections);
    }

    fn end_stretch(&mut self) -> Result<(), IngestFailure> {
        let end = self.here(self.object.bytes);
        self.end_video(end)?;
        self.end_audio(end);
        for track in std::mem::take(&mut self.tag_tracks).into_values() {
            self.take_tags(track.finish());
        }
        self.splices.end_stretch();
        self.tables = Tables::default();
        self.held.clear();
        self.stretches.push(std::mem::take(&mut self.stretch));
        Ok(())
    }
}

impl TakePackets for StreamScanner {
    /// Gives packets to their tracks as long as there is nothing else to see in them.
    fn take_run(&mut self, offset: u64, packets: &[[u8; PACKET_BYTES]]) -> usize {
        let mut rest = packets;
        while let Some(first) = rest.first() {
            let passed = (packets.len() - rest.len()) * PACKET_BYTES;
            let place = place(self.object.number, offset + passed as u64);
            let pictures = self.video.as_mut().map_or(0, |video| video.push_run(rest, place));
            if pictures > 0 {
                self.object.has_video = true;
                rest = rest.get(pictures..).unwrap_or_default();
                continue;
            }
            let Some(audio) = &mut self.audio else { break };
            let Some((payload, tag)) = audio.input.ordinary(first, place) else { break };
            self.object.has_audio = true;
            let other = self.video.as_ref().and_then(PictureTrack::clock);
            audio.push_payload(payload, tag, other);
            rest = rest.get(1..).unwrap_or_default();
        }
        let passed = packets.len() - rest.len();
        self.object.packets += passed as u64;
        self.object.is_headless |= passed > 0 && !self.object.has_tables;
        passed
    }

    fn take(&mut self, offset: u64, packet: &[u8; PACKET_BYTES]) {
        // Packets that lie apart come one by one.
        let is_apart = self.object.distance != Some(PACKET_BYTES as u8);
        if !is_apart || self.take_run(offset, std::slice::from_ref(packet)) == 0 {
            self.push_packet(offset, packet);
        }
    }
}

fn describe(entry: &MapEntry) -> String {
    let stream = entry.stream;
    let name = match entry.contents() {
        Contents::Track(syntax) => match syntax {
            StreamSyntax::H264 => "H.264",
            StreamSyntax::H265 => "HEVC",
            StreamSyntax::Adts => "AAC",
            StreamSyntax::Latm => "AAC in LATM",
            StreamSyntax::Dolby => "AC-3 or E-AC-3",
            StreamSyntax::MpegAudio => "MPEG audio",
        },
        Contents::Unread { name, .. } | Contents::Data { name } => name,
    };
    format!("{name} (stream type {:#04x}, PID {:#x})", stream.stream_type, stream.pid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ts::psi::{
        ElementaryStream, MapEntry, association_section, map_section, stream_type,
    };

    /// A transport packet that holds one whole table section.
    fn table_packet(pid: u16, section: &[u8]) -> Vec<u8> {
        let [high, low] = pid.to_be_bytes();
        let mut packet = vec![0x47, 0x40 | high, low, 0x10, 0];
        packet.extend_from_slice(section);
        packet.resize(PACKET_BYTES, 0xFF);
        packet
    }

    #[test]
    fn sound_beside_pictures_that_cannot_be_read_is_not_enough() {
        let streams = [
            ElementaryStream { stream_type: 0x02, pid: 0x100 },
            ElementaryStream { stream_type: stream_type::AAC_ADTS, pid: 0x101 },
        ];
        let mut scanner = StreamScanner::new();
        scanner.begin_object(0, "a.ts", false).unwrap();
        scanner.push(&table_packet(0, &association_section(0x1000))).unwrap();
        let map = map_section(0x100, 0, &streams.map(MapEntry::from));
        scanner.push(&table_packet(0x1000, &map)).unwrap();
        let failure = scanner.end_object().unwrap_err();
        assert_eq!(failure.code, FailureCode::UnsupportedCodec);
        assert!(failure.detail.contains("a.ts holds MPEG-2 video"), "{failure}");
    }
}
