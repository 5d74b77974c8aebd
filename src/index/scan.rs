//! One stream of the source: transport packets → groups on the source's own clock.
//!
//! A [`StreamScanner`] is fed the segments of one media playlist. At each discontinuity it starts a
//! new [`Stretch`]. The pictures of a group are measured as soon as the next group begins, so that
//! only numbers are kept; audio frames are kept as numbers too, and cut into runs by `build` once
//! all streams are known.
//!
//! Pictures before the first random access point of a stretch cannot be decoded and are left out.

use std::borrow::Cow;

use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::Xxh3Default;

use crate::cenc::subsample::{self, SliceSyntax};
use crate::codec::timing::{ContinuousTimestamps, TrackClock, place_pictures, uniform_duration};
use crate::codec::{AccessUnit, aac, h264};
use crate::model::codec::{AacConfig, AvcConfig};
use crate::model::ingest::{FailureCode, IngestFailure};
use crate::model::presentation::{SourcePosition, SubsampleCounts};
use crate::model::protection::ProtectionScheme;
use crate::time::{Ticks, Timescale, Unwrapper};
use crate::ts::mux;
use crate::ts::packet::{Continuity, PACKET_BYTES, Packet, PacketReader};
use crate::ts::pes::PesReader;
use crate::ts::psi::{ProgramMap, Tables, stream_type};

/// Everything that one media playlist holds.
#[derive(Debug)]
pub(super) struct StreamScan {
    /// Stretches between discontinuities.
    pub stretches: Vec<Stretch>,
    /// XXH3-128 over all bytes.
    pub identity: [u8; 16],
    /// What was not in order.
    pub damage: StreamDamage,
}

/// One stream between two discontinuities.
#[derive(Debug)]
pub(super) struct Stretch {
    pub video: Option<VideoScan>,
    pub audio: Option<AudioScan>,
}

/// The pictures of a stretch, on the source's clock: 90 kHz without wrap.
#[derive(Debug)]
pub(super) struct VideoScan {
    pub pid: u16,
    pub config: AvcConfig,
    pub groups: Vec<RawGroup>,
    /// The pictures of all groups in a row.
    pub pictures: Vec<RawPicture>,
    /// When the last picture ends.
    pub end: Ticks,
    /// Pictures before the first random access point.
    pub undecodable: u64,
}

/// A measured group of pictures.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawGroup {
    pub start: SourcePosition,
    pub end: SourcePosition,
    pub skip: u8,
    pub pes_left: Option<u32>,
    pub first: ContinuousTimestamps,
    pub samples: u32,
    pub payload_bytes: u32,
    pub uniform_duration: Option<u32>,
    /// Clock references that it takes in a transport stream.
    pub ts_clock_packets: u32,
    pub subsamples: SubsampleCounts,
}

/// What the size of a picture in a transport stream depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawPicture {
    pub size: u32,
    pub composition_offset: i32,
}

/// The audio frames of a stretch.
#[derive(Debug)]
pub(super) struct AudioScan {
    pub pid: u16,
    pub config: AacConfig,
    pub frames: Vec<RawFrame>,
    /// Where the grid of frames was set by a timestamp: first frame, and its time at 90 kHz.
    pub anchors: Vec<(usize, Ticks)>,
    /// Behind the last packet.
    pub end: SourcePosition,
    /// SHA-256 over all frames.
    pub identity: [u8; 32],
    /// Timestamps that lie more than half a frame before the grid.
    pub overlaps: u64,
}

/// One audio frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawFrame {
    pub place: u64,
    pub pes_left: Option<u32>,
    pub skip: u8,
    pub size: u16,
}

/// What was not in order in a stream, counted.
#[derive(Clone, Debug, Default)]
pub(super) struct StreamDamage {
    pub lost_sync_bytes: u64,
    pub continuity_errors: u64,
    pub unreadable_packets: u64,
    pub broken_units: u64,
    /// Names of elementary streams that are left out.
    pub left_out: Vec<String>,
}

/// A clock that goes on later than this has jumped: an hour. What is in between would have to be
/// filled with segments and clock references.
const LONGEST_GAP: Ticks = Ticks(3_600 * 90_000);

/// A packet's place as one number.
fn place(object: u32, offset: u64) -> u64 {
    u64::from(object) << 40 | offset & ((1 << 40) - 1)
}

/// What framers hand back with what begins in a packet: its place, and what [`PesReader::left`]
/// says before it.
fn tag(place: u64, pes_left: Option<usize>) -> u128 {
    let left = pes_left.and_then(|left| u64::try_from(left).ok()).map_or(0, |left| left + 1);
    u128::from(left) << 64 | u128::from(place)
}

/// The two sides of [`tag`].
fn from_tag(tag: u128) -> (u64, Option<u32>) {
    let left = ((tag >> 64) as u64).checked_sub(1);
    (tag as u64, left.and_then(|left| u32::try_from(left).ok()))
}

/// The position behind [`place`].
pub(super) fn position(place: u64) -> SourcePosition {
    SourcePosition { object: (place >> 40) as u32, offset: place & ((1 << 40) - 1) }
}

/// Behind the last packet before something that begins `skip` bytes into the packet at `place`.
pub(super) fn end_before(place: u64, skip: u8) -> SourcePosition {
    let position = position(place);
    let inside = if skip > 0 { PACKET_BYTES as u64 } else { 0 };
    SourcePosition { offset: position.offset + inside, ..position }
}

/// Reads the segments of one media playlist. See the module documentation.
pub(super) struct StreamScanner {
    reader: PacketReader,
    tables: Tables,
    object: u32,
    object_path: String,
    object_bytes: u64,
    object_packets: u64,
    video: Option<VideoTrack>,
    audio: Option<AudioTrack>,
    stretches: Vec<Stretch>,
    damage: StreamDamage,
    failure: Option<IngestFailure>,
    identity: Xxh3Default,
}

impl StreamScanner {
    pub fn new() -> Self {
        Self {
            reader: PacketReader::at(0),
            tables: Tables::default(),
            object: 0,
            object_path: String::new(),
            object_bytes: 0,
            object_packets: 0,
            video: None,
            audio: None,
            stretches: Vec::new(),
            damage: StreamDamage::default(),
            failure: None,
            identity: Xxh3Default::new(),
        }
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
        self.object = object;
        self.object_path = path.to_owned();
        self.object_bytes = 0;
        self.object_packets = 0;
        self.reader.begin_object(0);
        for continuity in [
            self.video.as_mut().map(|track| &mut track.input.continuity),
            self.audio.as_mut().map(|track| &mut track.input.continuity),
        ]
        .into_iter()
        .flatten()
        {
            continuity.reset();
        }
        Ok(())
    }

    /// The next bytes of the segment.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), IngestFailure> {
        self.object_bytes += bytes.len() as u64;
        self.identity.update(bytes);
        let mut reader = std::mem::take(&mut self.reader);
        reader.push(bytes, |offset, packet| self.push_packet(offset, packet));
        self.reader = reader;
        self.failure.take().map_or(Ok(()), Err)
    }

    /// The segment ends.
    pub fn end_object(&mut self) -> Result<(), IngestFailure> {
        let mut reader = std::mem::take(&mut self.reader);
        reader.finish_object(|offset, packet| self.push_packet(offset, packet));
        self.reader = reader;
        self.failure.take().map_or(Ok(()), Err)?;
        let path = &self.object_path;
        let left = self.reader.begin_object(0);
        if self.object_bytes == 0 {
            return Err(IngestFailure::new(
                FailureCode::CorruptSegment,
                format!("{path} is empty; upload the segment again, then ingest again"),
            ));
        }
        if self.object_packets == 0 {
            return Err(IngestFailure::new(
                FailureCode::UnsupportedContainer,
                format!(
                    "{path} is no MPEG transport stream of 188-byte packets; only that is read"
                ),
            ));
        }
        if left > 0 {
            return Err(IngestFailure::new(
                FailureCode::CorruptSegment,
                format!(
                    "{path} ends inside a transport packet ({left} bytes behind the last whole \
                     one), so its end is missing; upload the segment again, then ingest again"
                ),
            ));
        }
        // Sound alone is no substitute for a picture that is there and cannot be read.
        let map = self.tables.program_map();
        let has_video =
            map.is_some_and(|map| map.streams.iter().any(|s| stream_type::is_video(s.stream_type)));
        if self.video.is_none() && (self.audio.is_none() || has_video) {
            return Err(self.not_readable());
        }
        self.damage.lost_sync_bytes = self.reader.skipped_bytes();
        Ok(())
    }

    /// All segments have been read.
    pub fn finish(mut self) -> Result<StreamScan, IngestFailure> {
        self.end_stretch()?;
        Ok(StreamScan {
            stretches: self.stretches,
            identity: self.identity.digest128().to_be_bytes(),
            damage: self.damage,
        })
    }

    fn push_packet(&mut self, offset: u64, bytes: &[u8; PACKET_BYTES]) {
        let Ok(packet) = Packet::parse(bytes) else {
            self.damage.unreadable_packets += 1;
            return;
        };
        self.object_packets += 1;
        if packet.transport_error || packet.scrambled {
            self.damage.unreadable_packets += 1;
            return;
        }
        let place = place(self.object, offset);
        if let Some(video) = &mut self.video
            && video.input.pid == packet.pid
        {
            if let Err(detail) = video.push(&packet, place) {
                self.fail(FailureCode::CorruptSegment, &detail);
            }
            return;
        }
        if let Some(audio) = &mut self.audio
            && audio.input.pid == packet.pid
        {
            audio.push(&packet, place);
            return;
        }
        if self.tables.push(&packet) {
            self.open_tracks();
        }
        if self.tables.program_count() > 1 {
            let detail = format!(
                "the transport stream has {} programs; store one program in each segment",
                self.tables.program_count()
            );
            self.fail(FailureCode::UnsupportedContainer, &detail);
        }
    }

    fn fail(&mut self, code: FailureCode, detail: &str) {
        let detail = format!("{}: {detail}", self.object_path);
        self.failure.get_or_insert(IngestFailure::new(code, detail));
    }

    /// Chooses the tracks that a program map lists, if there are none yet.
    fn open_tracks(&mut self) {
        let Some(map) = self.tables.program_map() else { return };
        let mut left_out = Vec::new();
        let (mut video_pid, mut audio_pid) = (None, None);
        for stream in &map.streams {
            match stream.stream_type {
                stream_type::H264 if video_pid.is_none() => video_pid = Some(stream.pid),
                stream_type::AAC_ADTS if audio_pid.is_none() => audio_pid = Some(stream.pid),
                other if stream_type::is_media(other) => {
                    left_out.push(describe(other, stream.pid));
                }
                _ => {}
            }
        }
        let moved = [
            (self.video.as_ref().map(|track| track.input.pid), video_pid),
            (self.audio.as_ref().map(|track| track.input.pid), audio_pid),
        ]
        .into_iter()
        .find_map(|(old, new)| old.zip(new).filter(|(old, new)| old != new));
        if let Some((old, new)) = moved {
            let detail = format!(
                "the track moves from PID {old:#x} to {new:#x} without EXT-X-DISCONTINUITY; add \
                 the tag to the media playlist"
            );
            self.fail(FailureCode::UnsupportedContainer, &detail);
            return;
        }
        for name in left_out {
            if !self.damage.left_out.contains(&name) {
                self.damage.left_out.push(name);
            }
        }
        if let (None, Some(pid)) = (&self.video, video_pid) {
            self.video = Some(VideoTrack::new(pid));
        }
        if let (None, Some(pid)) = (&self.audio, audio_pid) {
            self.audio = Some(AudioTrack::new(pid));
        }
    }

    fn not_readable(&self) -> IngestFailure {
        let path = &self.object_path;
        match self.tables.program_map() {
            None => IngestFailure::new(
                FailureCode::CorruptSegment,
                format!("{path} has no program map table, so its tracks cannot be found"),
            ),
            Some(ProgramMap { streams }) => {
                let names: Vec<String> =
                    streams.iter().map(|s| describe(s.stream_type, s.pid)).collect();
                IngestFailure::new(
                    FailureCode::UnsupportedCodec,
                    format!(
                        "{path} holds {}; H.264 and AAC are read",
                        if names.is_empty() { "no tracks".to_owned() } else { names.join(", ") }
                    ),
                )
            }
        }
    }

    fn end_stretch(&mut self) -> Result<(), IngestFailure> {
        let end = SourcePosition { object: self.object, offset: self.object_bytes };
        let video = match self.video.take() {
            Some(track) => Some(track.finish(end, &mut self.damage, &self.object_path)?),
            None => None,
        };
        let audio = match self.audio.take() {
            Some(track) => track.finish(end, &mut self.damage, &self.object_path)?,
            None => None,
        };
        self.tables = Tables::default();
        self.stretches.push(Stretch { video: video.flatten(), audio });
        Ok(())
    }
}

fn describe(stream_type: u8, pid: u16) -> String {
    format!("{} (stream type {stream_type:#04x}, PID {pid:#x})", stream_type::name(stream_type))
}

/// The transport side of a track.
struct TrackInput {
    pid: u16,
    pes: PesReader,
    continuity: Continuity,
    /// The packet in which the current PES packet begins.
    packet_start: u64,
}

impl TrackInput {
    fn new(pid: u16) -> Self {
        Self { pid, pes: PesReader::waiting(), continuity: Continuity::default(), packet_start: 0 }
    }

    /// The elementary stream bytes of a packet, and the tag under which they are found again.
    fn part<'a>(
        &mut self,
        packet: &Packet<'a>,
        place: u64,
    ) -> Option<(crate::ts::pes::PesPart<'a>, u128)> {
        if !self.continuity.admits(packet) {
            return None;
        }
        if packet.payload_unit_start {
            self.packet_start = place;
        }
        let left = self.pes.left();
        let part = self.pes.push(packet)?;
        // Where a header runs over two packets, reading must begin with the first of them.
        let tag = match part.begins {
            Some(_) => tag(self.packet_start, None),
            None => tag(place, left),
        };
        Some((part, tag))
    }
}

/// A picture of the group that is being collected.
struct ScannedPicture {
    unit: AccessUnit,
    at: ContinuousTimestamps,
    /// How many subsamples it has with cenc and with cbcs.
    subsamples: (u32, u32),
}

/// Counts the stretches that encryption makes of a picture.
fn count_subsamples(picture: &[u8], sets: Option<&h264::ParameterSets>) -> (u32, u32) {
    let Some(sets) = sets else { return (0, 0) };
    let slices = SliceSyntax::Avc(Cow::Borrowed(sets.slice_headers()));
    let count = |scheme| subsample::count(scheme, picture, &slices);
    (count(ProtectionScheme::Cenc), count(ProtectionScheme::Cbcs))
}

struct VideoTrack {
    input: TrackInput,
    framer: h264::Framer,
    clock: TrackClock,
    group: Vec<ScannedPicture>,
    groups: Vec<RawGroup>,
    pictures: Vec<RawPicture>,
    /// The usual distance of pictures, for the end of the last group.
    step: i64,
    undecodable: u64,
}

impl VideoTrack {
    fn new(pid: u16) -> Self {
        Self {
            input: TrackInput::new(pid),
            framer: h264::Framer::new(Vec::new()).with_parameter_sets(),
            clock: TrackClock::unset(),
            group: Vec::new(),
            groups: Vec::new(),
            pictures: Vec::new(),
            step: 0,
            undecodable: 0,
        }
    }

    fn push(&mut self, packet: &Packet<'_>, place: u64) -> Result<(), String> {
        let Some((part, tag)) = self.input.part(packet, place) else { return Ok(()) };
        if let Some(timestamps) = part.begins {
            self.framer.begin_packet(timestamps);
            self.take_units()?;
        }
        self.framer.push(part.payload, tag);
        Ok(())
    }

    fn take_units(&mut self) -> Result<(), String> {
        let mut units = Vec::new();
        self.framer.drain(|unit, bytes, sets| units.push((unit, count_subsamples(bytes, sets))));
        for (unit, subsamples) in units {
            let at = self.clock.place(unit.timestamps);
            if unit.dependency.sync {
                self.clock.begin_group();
                self.close_group(at.presentation, end_before(from_tag(unit.tag).0, unit.skip))?;
            } else if self.group.is_empty() {
                self.undecodable += 1;
                continue;
            }
            self.group.push(ScannedPicture { unit, at, subsamples });
        }
        Ok(())
    }

    /// Measures the collected group, which lasts until `end` on the source's clock.
    fn close_group(&mut self, end: Ticks, position_end: SourcePosition) -> Result<(), String> {
        let Some(first_picture) = self.group.first() else { return Ok(()) };
        let (first_unit, first) = (first_picture.unit, first_picture.at);
        if end <= first.presentation {
            return Err(format!(
                "the clock jumps back from {} s to {} s without EXT-X-DISCONTINUITY; add the tag \
                 to the media playlist",
                first.presentation.seconds(Timescale::MPEG, 3),
                end.seconds(Timescale::MPEG, 3)
            ));
        }
        if end.minus(first.presentation) > LONGEST_GAP {
            return Err(format!(
                "there is no keyframe between {} s and {} s; where the clock jumps, add \
                 EXT-X-DISCONTINUITY to the media playlist",
                first.presentation.seconds(Timescale::MPEG, 3),
                end.seconds(Timescale::MPEG, 3)
            ));
        }
        let mut subsamples = SubsampleCounts::default();
        for &ScannedPicture { subsamples: (cenc, cbcs), .. } in &self.group {
            subsamples.cenc = subsamples.cenc.saturating_add(cenc);
            subsamples.cbcs = subsamples.cbcs.saturating_add(cbcs);
            let most = u16::try_from(cenc.max(cbcs)).unwrap_or(u16::MAX);
            subsamples.most = subsamples.most.max(most);
        }
        let (units, stamps): (Vec<_>, Vec<_>) =
            self.group.drain(..).map(|picture| (picture.unit, picture.at)).unzip();
        let samples = place_pictures(&units, &stamps, first.presentation, end, 0);
        if let Some(sample) = samples.last() {
            self.step = i64::from(sample.duration).min(Timescale::MPEG.hertz().into());
        }
        let payload_bytes: u64 = samples.iter().map(|sample| u64::from(sample.size)).sum();
        let payload_bytes = u32::try_from(payload_bytes)
            .map_err(|_| "a group of pictures is larger than 4 GiB".to_owned())?;
        let (place, pes_left) = from_tag(first_unit.tag);
        self.groups.push(RawGroup {
            start: position(place),
            pes_left,
            end: position_end,
            skip: first_unit.skip,
            first,
            samples: samples.len() as u32,
            payload_bytes,
            uniform_duration: uniform_duration(&samples),
            ts_clock_packets: mux::clock_packets(&samples),
            subsamples,
        });
        self.pictures.extend(samples.iter().map(|sample| RawPicture {
            size: sample.size,
            composition_offset: sample.composition_offset,
        }));
        Ok(())
    }

    fn finish(
        mut self,
        position_end: SourcePosition,
        damage: &mut StreamDamage,
        path: &str,
    ) -> Result<Option<VideoScan>, IngestFailure> {
        let clock_failure =
            |detail| IngestFailure::new(FailureCode::CorruptSegment, format!("{path}: {detail}"));
        self.framer.finish();
        self.take_units().map_err(clock_failure)?;
        damage.continuity_errors += self.input.continuity.errors;
        damage.broken_units += self.framer.damage().broken_units + self.input.pes.broken_headers;
        if self.group.is_empty() && self.groups.is_empty() && self.undecodable == 0 {
            return Ok(None);
        }
        let end = self.last_picture_end();
        self.close_group(end, position_end).map_err(clock_failure)?;
        if self.groups.is_empty() {
            return Err(IngestFailure::new(
                FailureCode::NoKeyframes,
                format!(
                    "the video up to {path} has {} pictures and no IDR picture among them; encode \
                     with a keyframe every 2 seconds",
                    self.undecodable
                ),
            ));
        }
        let unsupported = |detail: String| {
            let detail = format!("the video up to {path}: {detail}");
            IngestFailure::new(FailureCode::UnsupportedCodec, detail)
        };
        let sets = self.framer.parameter_sets().filter(|sets| sets.are_complete());
        let sets = sets.ok_or_else(|| unsupported("parameter sets are missing".to_owned()))?;
        if sets.were_replaced() {
            return Err(unsupported(
                "parameter sets change in mid-stream without EXT-X-DISCONTINUITY; add the tag \
                 where they change"
                    .to_owned(),
            ));
        }
        let config = sets.config().map_err(|error| unsupported(error.to_string()))?;
        Ok(Some(VideoScan {
            pid: self.input.pid,
            config,
            groups: self.groups,
            pictures: self.pictures,
            end,
            undecodable: self.undecodable,
        }))
    }

    /// When the last picture of the open group ends: the latest one shown lasts as long as the
    /// others do.
    fn last_picture_end(&self) -> Ticks {
        let mut shown: Vec<Ticks> =
            self.group.iter().map(|picture| picture.at.presentation).collect();
        shown.sort_unstable();
        let last = shown.last().copied().unwrap_or_default();
        let span = shown.first().map_or(0, |first| last.0 - first.0);
        let count = shown.len().saturating_sub(1) as i64;
        let step = match count {
            0 => self.step,
            count => (span + count / 2) / count,
        };
        // A lone picture without neighbours: 25 a second is as good as any.
        last.plus(Ticks(if step > 0 { step } else { 3_600 }))
    }
}

struct AudioTrack {
    input: TrackInput,
    framer: aac::Framer,
    clock: Unwrapper,
    frames: Vec<RawFrame>,
    anchors: Vec<(usize, Ticks)>,
    overlaps: u64,
    hash: Sha256,
    /// Where the clock jumped: from, to.
    jump: Option<(Ticks, Ticks)>,
}

impl AudioTrack {
    fn new(pid: u16) -> Self {
        Self {
            input: TrackInput::new(pid),
            framer: aac::Framer::new(Vec::new()),
            clock: Unwrapper::default(),
            frames: Vec::new(),
            anchors: Vec::new(),
            overlaps: 0,
            hash: Sha256::new(),
            jump: None,
        }
    }

    fn push(&mut self, packet: &Packet<'_>, place: u64) {
        let Some((part, tag)) = self.input.part(packet, place) else { return };
        if let Some(timestamps) = part.begins {
            self.framer.begin_packet(timestamps);
        }
        self.framer.push(part.payload, tag);
        self.take_frames();
    }

    fn take_frames(&mut self) {
        let Some(config) = self.framer.config().cloned() else { return };
        let Some(timescale) = Timescale::new(config.sampling_frequency) else { return };
        let half_frame =
            Ticks(i64::from(AacConfig::FRAME_SAMPLES) / 2).rescale(timescale, Timescale::MPEG);
        let Self { framer, clock, frames, anchors, overlaps, hash, jump, .. } = self;
        framer.drain(|unit, bytes| {
            if let Some(timestamps) = unit.timestamps {
                let at = clock.unwrap_timestamp(timestamps.presentation);
                match anchors.last() {
                    None => anchors.push((frames.len(), at)),
                    Some(&(first, start)) => {
                        let samples =
                            (frames.len() - first) as i64 * i64::from(AacConfig::FRAME_SAMPLES);
                        let grid = start.plus(Ticks(samples).rescale(timescale, Timescale::MPEG));
                        if at.minus(grid) > LONGEST_GAP {
                            jump.get_or_insert((grid, at));
                        }
                        if at > grid.plus(half_frame) {
                            anchors.push((frames.len(), at));
                        } else if at < grid.minus(half_frame) {
                            *overlaps += 1;
                        }
                    }
                }
            }
            // Frames before the first timestamp have no time.
            if !anchors.is_empty() {
                hash.update((bytes.len() as u64).to_be_bytes());
                hash.update(bytes);
                let size = u16::try_from(unit.size).unwrap_or(u16::MAX);
                let (place, pes_left) = from_tag(unit.tag);
                frames.push(RawFrame { place, pes_left, skip: unit.skip, size });
            }
        });
    }

    fn finish(
        mut self,
        end: SourcePosition,
        damage: &mut StreamDamage,
        path: &str,
    ) -> Result<Option<AudioScan>, IngestFailure> {
        self.framer.finish();
        damage.continuity_errors += self.input.continuity.errors;
        damage.broken_units += self.framer.damage().broken_units + self.input.pes.broken_headers;
        let Some(config) = self.framer.config().cloned().filter(|_| !self.frames.is_empty()) else {
            return Ok(None);
        };
        if let Some((from, to)) = self.jump {
            return Err(IngestFailure::new(
                FailureCode::CorruptSegment,
                format!(
                    "the audio up to {path}: the clock jumps from {} s to {} s without \
                     EXT-X-DISCONTINUITY; add the tag to the media playlist",
                    from.seconds(Timescale::MPEG, 3),
                    to.seconds(Timescale::MPEG, 3)
                ),
            ));
        }
        if self.framer.config_changes() > 0 {
            return Err(IngestFailure::new(
                FailureCode::UnsupportedCodec,
                format!(
                    "the audio up to {path} changes its configuration in mid-stream without \
                     EXT-X-DISCONTINUITY; add the tag where it changes"
                ),
            ));
        }
        Ok(Some(AudioScan {
            pid: self.input.pid,
            config,
            frames: self.frames,
            anchors: self.anchors,
            end,
            identity: self.hash.finalize().into(),
            overlaps: self.overlaps,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ts::psi::{ElementaryStream, MapEntry, association_section, map_section};

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
            ElementaryStream { stream_type: 0x24, pid: 0x100 },
            ElementaryStream { stream_type: stream_type::AAC_ADTS, pid: 0x101 },
        ];
        let mut scanner = StreamScanner::new();
        scanner.begin_object(0, "a.ts", false).unwrap();
        scanner.push(&table_packet(0, &association_section(0x1000))).unwrap();
        let map = map_section(0x100, 0, &streams.map(MapEntry::from));
        scanner.push(&table_packet(0x1000, &map)).unwrap();
        let failure = scanner.end_object().unwrap_err();
        assert_eq!(failure.code, FailureCode::UnsupportedCodec);
        assert!(failure.detail.contains("a.ts holds HEVC"), "{failure}");
    }
}
