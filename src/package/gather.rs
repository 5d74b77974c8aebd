//! Source packets → the samples of one part of a segment, each byte copied once.

use super::source_changed;
use crate::codec::timing::{ContinuousTimestamps, date_pictures, place_frames, place_pictures};
use crate::codec::{AccessUnit, picture, sound};
use crate::error::{Error, Result};
use crate::model::presentation::{Group, Medium, SourceObject, SourcePosition, SourceSpan, Track};
use crate::model::sample::{RandomAccess, Sample};
use crate::plan::{SegmentPlan, TrackPart};
use crate::time::Ticks;
use crate::ts::packet::{
    Continuity, PACKET_BYTES, Packet, PacketReader, TakePackets, other_packets, plain_payload,
};
use crate::ts::pes::{PesPart, PesReader};

/// Room behind the last sample for what a framer holds before it drops it.
pub(super) const SLACK_BYTES: usize = 64 * 1024;

/// Takes the samples of one part out of the source bytes of a segment.
pub(super) struct Gatherer<'a> {
    plan: &'a SegmentPlan,
    part: &'a TrackPart,
    track: &'a Track,
    groups: &'a [Group],
    spans: Vec<SourceSpan>,
    packets: Packets<'a>,
    framer: Framer,
    /// Groups that were handed out.
    taken: usize,
    /// Access units of these that the framer still has.
    passed: usize,
    /// A group is not what ingest measured.
    is_changed: bool,
}

enum Framer {
    Pictures(Box<picture::Framer>),
    Sound(Box<sound::Framer>),
}

impl Framer {
    fn push(&mut self, part: PesPart<'_>) {
        macro_rules! push {
            ($framer:expr) => {{
                if let Some(timestamps) = part.begins {
                    $framer.begin_packet(timestamps);
                }
                $framer.push(part.payload, 0);
            }};
        }
        match self {
            Self::Pictures(framer) => push!(framer),
            Self::Sound(framer) => push!(framer),
        }
    }

    /// Packets that hold nothing but payload.
    fn push_plain(&mut self, packets: &[[u8; PACKET_BYTES]]) {
        let payloads = packets.iter().map(plain_payload);
        match self {
            Self::Pictures(framer) => framer.push_pieces(payloads, 0, 0),
            Self::Sound(framer) => payloads.for_each(|payload| framer.push(payload, 0)),
        }
    }

    fn finish(&mut self) {
        match self {
            Self::Pictures(framer) => framer.finish(),
            Self::Sound(framer) => framer.finish(),
        }
    }

    fn complete(&mut self) -> (&mut [u8], &[AccessUnit]) {
        match self {
            Self::Pictures(framer) => framer.complete(),
            Self::Sound(framer) => framer.complete(),
        }
    }

    fn into_parts(self) -> (Vec<u8>, Vec<AccessUnit>) {
        match self {
            Self::Pictures(framer) => framer.into_parts(),
            Self::Sound(framer) => framer.into_parts(),
        }
    }
}

impl<'a> Gatherer<'a> {
    /// Begins a part, whose payload is appended to `buffer`.
    pub(super) fn new(plan: &'a SegmentPlan, part: &'a TrackPart, buffer: Vec<u8>) -> Result<Self> {
        let track = plan.track(part).ok_or_else(|| Error::internal("the plan names no track"))?;
        let groups = plan.groups(part);
        let framer = match track.codec.medium() {
            Medium::Video => picture::Framer::for_config(buffer, &track.codec)
                .map(|framer| Framer::Pictures(framer.into())),
            Medium::Audio => sound::Framer::for_config(track.syntax, buffer, &track.codec)
                .map(|framer| Framer::Sound(framer.into())),
        };
        let framer = framer.ok_or_else(|| Error::internal("no framer reads the codec"))?;
        let packets = Packets::new(plan, track.pid, groups);
        let spans = plan.spans(part);
        Ok(Self {
            plan,
            part,
            track,
            groups,
            spans,
            packets,
            framer,
            taken: 0,
            passed: 0,
            is_changed: false,
        })
    }

    /// The part of the segment that is gathered.
    pub(super) fn part(&self) -> &'a TrackPart {
        self.part
    }

    /// Takes the part's share of the next bytes of the source, which lie at `offset` of `object`.
    pub(super) fn push(&mut self, object: u32, offset: u64, bytes: &[u8]) {
        let Self { spans, packets, framer, .. } = self;
        let Some(span) = spans.iter().find(|span| span.object == object) else { return };
        let end = offset + bytes.len() as u64;
        let from = span.bytes.start.max(offset);
        let to = span.bytes.end.min(end);
        if from >= to {
            return;
        }
        let own = bytes.get((from - offset) as usize..(to - offset) as usize);
        packets.push(object, from, own.unwrap_or_default(), framer);
    }

    /// Whether the groups of a plan may be had one after another, with [`Gatherer::next_group`]: their
    /// samples are all that the source has.
    pub(super) fn gives_groups(plan: &SegmentPlan) -> bool {
        let is_whole = |group: &Group| group.left_out == 0 && group.undecodable == 0;
        plan.still.is_none() && plan.parts.iter().all(|part| plan.groups(part).iter().all(is_whole))
    }

    /// When the next group begins, in the track's timescale; `None` behind the last.
    pub(super) fn next_time(&self) -> Option<Ticks> {
        self.groups.get(self.taken).map(|group| group.time)
    }

    /// The samples of the next group, as soon as all of them are there, with as many bytes as ingest
    /// measured. They lie in [`Gatherer::payload`].
    pub(super) fn next_group(&mut self) -> Option<Vec<Sample>> {
        let group = self.groups.get(self.taken)?;
        let (_, units) = self.framer.complete();
        let units = units.get(self.passed..)?.get(..group.samples as usize)?;
        let bytes: usize = units.iter().map(|unit| unit.size).sum();
        self.is_changed |= bytes != group.payload_bytes as usize;
        if self.is_changed {
            return None;
        }
        let mut samples = Vec::with_capacity(units.len());
        place_group(self.track, self.part, self.taken, group, units, &mut samples);
        self.taken += 1;
        self.passed += units.len();
        Some(samples)
    }

    /// What the samples that were handed out and not forgotten lie in; may be overwritten.
    pub(super) fn payload(&mut self) -> &mut [u8] {
        self.framer.complete().0
    }

    /// The samples of pictures that were handed out are not needed any more. Sound is little and
    /// stays.
    pub(super) fn forget(&mut self) {
        if let Framer::Pictures(framer) = &mut self.framer {
            framer.release(std::mem::take(&mut self.passed));
        }
    }

    /// The source ends: what is there of the last groups may be had.
    pub(super) fn end(&mut self) {
        self.packets.finish(&mut self.framer);
        self.framer.finish();
    }

    /// The buffer, once all groups were handed out.
    pub(super) fn into_buffer(self) -> Result<Vec<u8>> {
        if self.is_changed {
            return Err(source_changed(self.plan, "its samples are not what ingest measured"));
        }
        if self.taken < self.groups.len() {
            return Err(samples_are_missing(self.plan));
        }
        Ok(self.framer.into_parts().0)
    }

    /// The payload behind what the buffer held, with its samples; for who asks for no groups.
    pub(super) fn finish(mut self) -> Result<(Vec<u8>, Vec<Sample>)> {
        self.end();
        let Self { plan, part, track, groups, framer, .. } = self;
        let (mut buffer, mut units) = framer.into_parts();
        // What lies behind the samples of the last group is not needed.
        let behind = groups.last().map_or(0, |last| last.undecodable as usize);
        let wanted = groups.iter().map(units_of).sum::<usize>().saturating_sub(behind);
        if units.len() < wanted {
            return Err(samples_are_missing(plan));
        }
        // The last packet may hold the start of what comes behind the segment.
        units.truncate(wanted);
        if groups.iter().any(|group| group.left_out > 0 || group.undecodable > 0) {
            units = leave_out(track, part, groups, &units, &mut buffer);
        }
        if let Some(last) = units.last() {
            buffer.truncate(last.offset + last.size);
        }
        let mut samples = place(track, part, groups, &units);
        // Nothing is shown before a still, but its segment may begin earlier.
        if let (Some(_), Some(still), Some(group)) =
            (&plan.still, samples.first_mut(), groups.first())
        {
            still.composition_offset = i32::try_from(group.lead).unwrap_or(0);
        }
        Ok((buffer, samples))
    }
}

fn samples_are_missing(plan: &SegmentPlan) -> Error {
    source_changed(plan, "samples are missing")
}

/// How many access units the source has for a group.
fn units_of(group: &Group) -> usize {
    group.samples as usize + group.left_out as usize + group.undecodable as usize
}

/// Source bytes from the first group on → elementary stream bytes of one PID, read as ingest read
/// them.
struct Packets<'a> {
    objects: &'a [SourceObject],
    object: Option<u32>,
    /// Bytes from one packet to the next; 0 where there are none.
    distance: u8,
    reader: PacketReader,
    parts: Parts,
}

impl<'a> Packets<'a> {
    fn new(plan: &'a SegmentPlan, pid: u16, groups: &[Group]) -> Self {
        let objects = plan.presentation.streams.get(plan.rendition.stream);
        let first = groups.first().copied().unwrap_or_default();
        // Other pictures of the group go on in the packet in which a still ends.
        let still = first.still.filter(|still| plan.still.is_some() && still.last > 0);
        let parts = Parts {
            pid,
            object: 0,
            skip: usize::from(first.skip),
            last: still.map(|still| (still.end, usize::from(still.last))),
            pes: PesReader::inside(first.pes_left.map(|left| left as usize)),
            continuity: Continuity::default(),
        };
        Self {
            objects: objects.map_or(&[][..], |stream| &stream.objects),
            object: None,
            distance: PACKET_BYTES as u8,
            reader: PacketReader::default(),
            parts,
        }
    }

    fn push(&mut self, object: u32, offset: u64, bytes: &[u8], framer: &mut Framer) {
        if self.object.replace(object) != Some(object) {
            self.finish(framer);
            self.parts.object = object;
            let source = self.objects.get(object as usize);
            self.distance = source.map_or(PACKET_BYTES as u8, |source| source.packet_bytes);
            self.reader.begin_object(offset, self.distance.max(PACKET_BYTES as u8));
            self.parts.continuity.reset();
        }
        if self.distance == 0 {
            let payload = bytes.get(std::mem::take(&mut self.parts.skip)..).unwrap_or_default();
            framer.push(PesPart { begins: None, payload });
            return;
        }
        self.reader.push_runs(bytes, &mut PartsOf { parts: &mut self.parts, framer });
    }

    /// The object ends.
    fn finish(&mut self, framer: &mut Framer) {
        let parts = &mut self.parts;
        self.reader.finish_object(|offset, packet| parts.push(offset, packet, framer));
    }
}

/// Packets of one PID → elementary stream bytes.
struct Parts {
    pid: u16,
    /// The source segment that is being read.
    object: u32,
    /// Bytes to come that belong to the sample before.
    skip: usize,
    /// Behind which packet reading ends inside a packet, and how many bytes of that are wanted.
    last: Option<(SourcePosition, usize)>,
    pes: PesReader,
    continuity: Continuity,
}

/// Parts, with the framer that takes them.
struct PartsOf<'a> {
    parts: &'a mut Parts,
    framer: &'a mut Framer,
}

impl TakePackets for PartsOf<'_> {
    fn take_run(&mut self, _: u64, packets: &[[u8; PACKET_BYTES]]) -> usize {
        let Self { parts, framer } = self;
        if parts.skip > 0 || parts.last.is_some() {
            return 0;
        }
        let mut rest = packets;
        loop {
            rest = rest.get(other_packets(rest, parts.pid)..).unwrap_or_default();
            let plain = parts.pes.go_on_plain(rest, parts.pid, &mut parts.continuity);
            if plain == 0 {
                break;
            }
            let (run, behind) = rest.split_at(plain);
            framer.push_plain(run);
            rest = behind;
        }
        packets.len() - rest.len()
    }

    fn take(&mut self, offset: u64, packet: &[u8; PACKET_BYTES]) {
        self.parts.push(offset, packet, self.framer);
    }
}

impl Parts {
    fn push(&mut self, offset: u64, bytes: &[u8; PACKET_BYTES], framer: &mut Framer) {
        let Ok(packet) = Packet::parse(bytes) else { return };
        let is_readable = !packet.transport_error && !packet.scrambled;
        if packet.pid != self.pid || !is_readable || !self.continuity.admits(&packet) {
            return;
        }
        let Some(mut part) = self.pes.push(&packet) else { return };
        let behind = SourcePosition { object: self.object, offset: offset + PACKET_BYTES as u64 };
        if let Some((_, wanted)) = self.last.filter(|(end, _)| *end == behind) {
            part.payload = part.payload.get(..wanted).unwrap_or(part.payload);
        }
        part.payload = part.payload.get(std::mem::take(&mut self.skip)..).unwrap_or_default();
        framer.push(part);
    }
}

/// Takes the units out that ingest left out, and their bytes.
fn leave_out(
    track: &Track,
    part: &TrackPart,
    groups: &[Group],
    units: &[AccessUnit],
    buffer: &mut [u8],
) -> Vec<AccessUnit> {
    let mut kept = Vec::with_capacity(units.len());
    let mut end = units.first().map_or(0, |first| first.offset);
    let mut rest = units;
    for (index, group) in groups.iter().enumerate() {
        let (of_group, behind) = rest.split_at(units_of(group).min(rest.len()));
        rest = behind;
        let span = track.group_end(part.groups.start + index).minus(group.time);
        let decodable = group.samples as usize + group.left_out as usize;
        let of_group = of_group.get(..decodable).unwrap_or(of_group);
        let is_kept = kept_units(track, group, of_group, span);
        for (unit, _) in of_group.iter().zip(is_kept).filter(|(_, is_kept)| *is_kept) {
            let bytes = unit.offset..unit.offset + unit.size;
            if end != unit.offset && bytes.end <= buffer.len() {
                buffer.copy_within(bytes, end);
            }
            kept.push(AccessUnit { offset: end, ..*unit });
            end += unit.size;
        }
    }
    kept
}

/// Which units of a group ingest kept: leading pictures that cannot be decoded are left out, and
/// frames of sound behind the last.
fn kept_units(track: &Track, group: &Group, units: &[AccessUnit], span: Ticks) -> Vec<bool> {
    if track.codec.medium() == Medium::Audio || group.left_out == 0 {
        return (0..units.len()).map(|index| index < group.samples as usize).collect();
    }
    let first = first_timestamps(track, group);
    let dated = date_pictures(units, first, span);
    let is_kept = |(unit, at): (&AccessUnit, _)| !unit.is_left_out(at, first, group.access);
    units.iter().zip(dated).map(is_kept).collect()
}

/// Places the access units of all groups on the timeline.
fn place(track: &Track, part: &TrackPart, groups: &[Group], units: &[AccessUnit]) -> Vec<Sample> {
    let mut samples = Vec::with_capacity(units.len());
    let mut rest = units;
    for (index, group) in groups.iter().enumerate() {
        let (of_group, behind) = rest.split_at((group.samples as usize).min(rest.len()));
        rest = behind;
        place_group(track, part, index, group, of_group, &mut samples);
    }
    samples
}

/// Places the access units of the group that has this place in the part.
fn place_group(
    track: &Track,
    part: &TrackPart,
    index: usize,
    group: &Group,
    units: &[AccessUnit],
    samples: &mut Vec<Sample>,
) {
    let end = track.group_end(part.groups.start + index);
    let first = samples.len();
    match track.codec.medium() {
        Medium::Video => {
            let stamps =
                date_pictures(units, first_timestamps(track, group), end.minus(group.time));
            let delay = track.transport_delay;
            samples.extend(place_pictures(units, &stamps, group.time, end, delay));
        }
        Medium::Audio => samples.extend(place_frames(units, group, track.sample_duration, end)),
    }
    if let Some(sample) = samples.get_mut(first) {
        sample.dependency.sync |= group.access != RandomAccess::None;
    }
}

/// The timestamps of a group's first access unit, without the wrap of the source's clock.
fn first_timestamps(track: &Track, group: &Group) -> ContinuousTimestamps {
    let presentation = group.time.plus(track.clock_offset).plus(Ticks(group.lead));
    let decode = presentation.minus(Ticks(i64::from(group.decode_delay)));
    ContinuousTimestamps { presentation, decode }
}
