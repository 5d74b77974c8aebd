//! The pictures of one track: access units → measured groups.
//!
//! ```text
//! access units ─ collected ─(next random access point)─ waiting ─(its first picture is known)─ measured
//! ```
//!
//! A group lasts until the first picture of the next one is shown, which is one of its leading
//! pictures where it has some; so a group is measured one group later. Where the clock jumps, the
//! codec configuration changes or the track moves to another PID, a section ends and another begins
//! with the next random access point.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::input::{Origin, TrackInput};
use crate::cenc::subsample::{self, SliceSyntax};
use crate::codec::caption::{self, CaptionScan};
use crate::codec::picture::{Framer, SliceHeaders};
use crate::codec::timing::{
    ContinuousTimestamps, Placed, TRUSTED_DISTANCE, TrackClock, date_pictures, place_pictures,
    uniform_duration,
};
use crate::codec::{AccessUnit, Damage, Timestamps};
use crate::model::caption::CaptionService;
use crate::model::codec::{CodecConfig, StreamSyntax};
use crate::model::presentation::{SourcePosition, StillPicture, SubsampleCounts};
use crate::model::sample::RandomAccess;
use crate::time::{Ticks, Timescale};
use crate::ts::mux;
use crate::ts::packet::{PACKET_BYTES, Packet, plain_payload};

/// The pictures between two breaks, on the source's clock: 90 kHz without wrap.
#[derive(Debug)]
pub(in crate::index) struct VideoSection {
    pub pid: u16,
    pub syntax: StreamSyntax,
    pub config: CodecConfig,
    pub groups: Vec<RawGroup>,
    /// The pictures of all groups in a row.
    pub pictures: Vec<RawPicture>,
    /// When the last picture ends.
    pub end: Ticks,
    /// Why it begins.
    pub begin: Begin,
}

/// Why a section begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::index) enum Begin {
    /// The playlist says so, or it is the first.
    Announced,
    /// The clock went from one time to another.
    ClockJump { from: Ticks, to: Ticks },
    /// Decoders have to be set up anew.
    Configuration,
    /// The track has another PID.
    Moved,
}

/// A measured group of pictures.
#[derive(Clone, Copy, Debug)]
pub(in crate::index) struct RawGroup {
    pub start: SourcePosition,
    pub end: SourcePosition,
    pub skip: u8,
    pub pes_left: Option<u32>,
    /// The timestamps of its first picture.
    pub first: ContinuousTimestamps,
    /// When the first of its pictures is shown.
    pub time: Ticks,
    pub samples: u32,
    pub left_out: u32,
    /// Pictures behind them that are left out.
    pub undecodable: u32,
    pub access: RandomAccess,
    pub payload_bytes: u32,
    pub uniform_duration: Option<u32>,
    /// Clock references that it takes in a transport stream.
    pub ts_clock_packets: u32,
    pub subsamples: SubsampleCounts,
    /// The first picture, whether or not it can be decoded alone.
    pub still: StillPicture,
}

/// What the size of a picture in a transport stream depends on.
#[derive(Clone, Copy, Debug)]
pub(in crate::index) struct RawPicture {
    pub size: u32,
    pub composition_offset: i32,
}

/// What was noticed about pictures, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::index) struct PictureCounts {
    /// Pictures that no random access point precedes.
    pub undecodable: u64,
    /// Leading pictures of the first group of a section, whose references are missing.
    pub leading: u64,
    /// Pictures without timestamps of their own.
    pub undated: u64,
    /// Timestamps that were not believed.
    pub doubted: u64,
    /// Groups whose decoding times do not grow.
    pub spread: u64,
}

impl PictureCounts {
    pub fn add(&mut self, other: Self) {
        self.undecodable += other.undecodable;
        self.leading += other.leading;
        self.undated += other.undated;
        self.doubted += other.doubted;
        self.spread += other.spread;
    }
}

/// A clock that goes on later than this has jumped: an hour. What is in between would have to be
/// filled with segments and clock references.
pub(super) const LONGEST_GAP: Ticks = Ticks(3_600 * 90_000);
/// A join that repeats more than this is a jump back: half a second.
pub(super) const LONGEST_OVERLAP: i64 = 45_000;
/// So many pictures in a row with timestamps out of line are a jump and no mistake.
const DOUBTED_IN_A_ROW: usize = 4;
/// A gradual refresh opens a group only where no better way to begin was found for so long.
const GRADUAL_AFTER: i64 = 90_000;
/// Without neighbours: 25 pictures a second is as good as any.
const USUAL_STEP: i64 = 3_600;

/// A picture of a group that is being collected.
struct ScannedPicture {
    unit: AccessUnit,
    at: ContinuousTimestamps,
    /// How many subsamples it has with cenc and with cbcs.
    subsamples: (u32, u32),
    /// Its caption constructs.
    captions: Vec<[u8; 3]>,
}

impl ScannedPicture {
    fn subsample_counts(&self) -> SubsampleCounts {
        let (cenc, cbcs) = self.subsamples;
        SubsampleCounts { cenc, cbcs, most: u16::try_from(cenc.max(cbcs)).unwrap_or(u16::MAX) }
    }
}

/// A group that ended, and waits for the time of the next.
struct Waiting {
    pictures: Vec<ScannedPicture>,
    /// Pictures that were dropped behind them.
    undecodable: u32,
    end: SourcePosition,
    time: Ticks,
    is_first: bool,
    /// Where its first picture ends.
    first_end: PictureEnd,
}

/// Where a picture ends: behind a source packet, and how many of that packet's elementary stream
/// bytes belong to it; 0 where all do.
type PictureEnd = (SourcePosition, u8);

/// Counts the stretches that encryption makes of a picture.
fn count_subsamples(picture: &[u8], headers: SliceHeaders<'_>) -> (u32, u32) {
    let slices = match headers {
        SliceHeaders::H264(headers) => SliceSyntax::Avc(Cow::Borrowed(headers)),
        SliceHeaders::H265(headers) => SliceSyntax::Hevc(Cow::Borrowed(headers)),
    };
    subsample::counts(picture, &slices)
}

/// Follows one track of pictures between two announced discontinuities.
pub(super) struct PictureTrack {
    pub input: TrackInput,
    pub syntax: StreamSyntax,
    pub counts: PictureCounts,
    framer: Framer,
    clock: TrackClock,
    /// The latest decoding time; `None` before the first timestamp.
    now: Option<Ticks>,
    collected: Vec<ScannedPicture>,
    /// Pictures that were dropped behind the last that was kept.
    dropped: u32,
    /// Where the first of these ends, once the next picture has begun.
    first_end: Option<PictureEnd>,
    waiting: Option<Waiting>,
    /// Pictures at the end of what is collected whose timestamps are out of line.
    doubted_in_a_row: usize,
    /// Waits for a random access point after a break.
    is_broken: bool,
    begin: Begin,
    config: u32,
    groups: Vec<RawGroup>,
    pictures: Vec<RawPicture>,
    /// The usual distance of pictures, for the end of the last group.
    step: i64,
    sections: Vec<VideoSection>,
    captions: CaptionScan,
}

impl PictureTrack {
    /// `None` for a syntax of sound.
    pub fn new(pid: u16, syntax: StreamSyntax, begin: Begin) -> Option<Self> {
        Some(Self {
            input: TrackInput::new(pid),
            syntax,
            counts: PictureCounts::default(),
            framer: Framer::new(syntax, Vec::new())?,
            clock: TrackClock::unset(),
            now: None,
            collected: Vec::new(),
            dropped: 0,
            first_end: None,
            waiting: None,
            doubted_in_a_row: 0,
            is_broken: false,
            begin,
            config: 0,
            groups: Vec::new(),
            pictures: Vec::new(),
            step: 0,
            sections: Vec::new(),
            captions: CaptionScan::default(),
        })
    }

    /// Where its clock stands, and how many sections have ended.
    pub fn clock(&self) -> Option<(usize, Ticks)> {
        Some((self.sections.len(), self.now?))
    }

    /// What the framer could not use so far, and broken headers of PES packets.
    pub fn broken(&self) -> (Damage, u64) {
        (self.framer.damage(), self.input.pes.broken_headers)
    }

    /// Takes a packet. `other` is [`PictureTrack::clock`] of the stream's other track.
    pub fn push(
        &mut self,
        packet: &Packet<'_>,
        place: u64,
        other: Option<(usize, Ticks)>,
    ) -> Result<(), String> {
        let Some((part, tag)) = self.input.part(packet, place) else { return Ok(()) };
        if let Some(timestamps) = part.begins {
            self.framer.begin_packet(timestamps);
            self.take_units(other)?;
        }
        self.framer.push(part.payload, tag);
        Ok(())
    }

    /// Takes the packets at the start in which nothing but pictures goes on; returns how many.
    pub fn push_run(&mut self, packets: &[[u8; PACKET_BYTES]], place: u64) -> usize {
        let run = self.input.run(packets, place);
        let packets = packets.get(..run.packets).unwrap_or_default();
        if !packets.is_empty() {
            self.framer.push_pieces(packets.iter().map(plain_payload), run.tag, run.tag_step);
        }
        packets.len()
    }

    fn take_units(&mut self, other: Option<(usize, Ticks)>) -> Result<(), String> {
        let mut units = Vec::new();
        let syntax = self.syntax;
        self.framer.drain(|unit, bytes, headers| {
            let captions = caption::carried(bytes, syntax);
            units.push((unit, count_subsamples(bytes, headers), captions));
        });
        for (unit, subsamples, captions) in units {
            self.take_unit(unit, subsamples, captions, other)?;
        }
        Ok(())
    }

    fn take_unit(
        &mut self,
        unit: AccessUnit,
        subsamples: (u32, u32),
        captions: Vec<[u8; 3]>,
        other: Option<(usize, Ticks)>,
    ) -> Result<(), String> {
        if !self.collected.is_empty() && self.first_end.is_none() {
            let end = Origin::from_tag(unit.tag).end_before(unit.skip);
            self.first_end = Some((end, unit.skip));
        }
        let mut placed = self.place(unit.timestamps);
        self.counts.undated += u64::from(unit.timestamps.is_none());
        if self.begins_group(&unit, placed.at()) {
            let position = Origin::from_tag(unit.tag).end_before(unit.skip);
            if let Some(to) = self.jump(placed, other) {
                let latest = self.collected.iter().map(|picture| picture.at.presentation).max();
                let from = latest.unwrap_or(to.presentation).plus(Ticks(self.step));
                self.end_section(position)?;
                self.begin = Begin::ClockJump { from, to: to.presentation };
                self.clock = TrackClock::near(to);
                placed = self.clock.place(unit.timestamps);
            } else if unit.config != self.config && !self.is_empty() {
                self.end_section(position)?;
                self.begin = Begin::Configuration;
            } else {
                if let Placed::Doubted(_, at) = placed {
                    self.clock = TrackClock::near(at);
                    placed = self.clock.place(unit.timestamps);
                }
                self.end_group(position)?;
            }
            self.clock.begin_group();
            self.config = unit.config;
            self.is_broken = false;
            self.doubted_in_a_row = 0;
        } else if self.is_broken || self.collected.is_empty() {
            self.drop_pictures(1);
            return Ok(());
        } else if unit.config != self.config {
            // Its decoder configuration begins nowhere where decoding could.
            self.is_broken = true;
            self.drop_pictures(1);
            return Ok(());
        }
        let at = placed.at();
        if self.now.is_some() || unit.timestamps.is_some() {
            self.now = Some(at.decode);
        }
        self.collected.push(ScannedPicture { unit, at, subsamples, captions });
        match placed {
            Placed::Doubted(..) => {
                self.counts.doubted += 1;
                self.doubted_in_a_row += 1;
            }
            Placed::Dated(_) => self.doubted_in_a_row = 0,
            Placed::Guessed(_) => {}
        }
        if self.doubted_in_a_row >= DOUBTED_IN_A_ROW {
            let kept = self.collected.len() - DOUBTED_IN_A_ROW.min(self.collected.len());
            let dropped = self.collected.split_off(kept);
            self.drop_pictures(dropped.len() as u32);
            self.is_broken = true;
        }
        Ok(())
    }

    /// Pictures are left out behind those that are collected.
    fn drop_pictures(&mut self, count: u32) {
        self.counts.undecodable += u64::from(count);
        self.dropped = self.dropped.saturating_add(count);
    }

    /// Places a picture. The first that has timestamps says when those before it were shown.
    fn place(&mut self, timestamps: Option<Timestamps>) -> Placed {
        let placed = self.clock.place(timestamps);
        let (Placed::Dated(at) | Placed::Doubted(_, at)) = placed else { return placed };
        if self.now.is_some() {
            return placed;
        }
        let earlier = (1..).map(|count| Ticks(count * USUAL_STEP));
        for (picture, earlier) in self.collected.iter_mut().rev().zip(earlier) {
            picture.at = ContinuousTimestamps {
                presentation: at.presentation.minus(earlier),
                decode: at.decode.minus(earlier),
            };
        }
        self.clock = TrackClock::near(at);
        self.clock.place(timestamps)
    }

    fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.waiting.is_none() && self.collected.is_empty()
    }

    fn begins_group(&self, unit: &AccessUnit, at: ContinuousTimestamps) -> bool {
        match unit.access {
            RandomAccess::Instant | RandomAccess::Recovery => true,
            RandomAccess::Gradual => self.collected.first().is_none_or(|first| {
                self.is_broken || at.decode.minus(first.at.decode).0 >= GRADUAL_AFTER
            }),
            RandomAccess::None => false,
        }
    }

    /// Where the clock has jumped to with a random access point, if it has.
    fn jump(&self, placed: Placed, other: Option<(usize, Ticks)>) -> Option<ContinuousTimestamps> {
        if self.is_empty() {
            return None;
        }
        match placed {
            Placed::Doubted(guess, at) => {
                // Where the other track's clock is, too, something is missing in between.
                let ahead = at.decode.minus(guess.decode);
                let is_gap = ahead.0 > 0
                    && ahead <= LONGEST_GAP
                    && other.is_some_and(|(sections, now)| {
                        sections <= self.sections.len()
                            && at.decode.minus(now).0.abs() <= TRUSTED_DISTANCE
                    });
                (!is_gap).then_some(at)
            }
            Placed::Guessed(_) => None,
            Placed::Dated(at) => {
                let first = self.collected.first()?.at.presentation;
                let latest = self.collected.iter().map(|p| p.at.presentation).max()?;
                let repeats = latest.minus(at.presentation).0 > LONGEST_OVERLAP;
                (repeats || at.presentation <= first).then_some(at)
            }
        }
    }

    /// The collected pictures are a group, which ends before `end`.
    fn end_group(&mut self, end: SourcePosition) -> Result<(), String> {
        let pictures = std::mem::take(&mut self.collected);
        self.read_captions(&pictures);
        let undecodable = std::mem::take(&mut self.dropped);
        let first_end = self.first_end.take().unwrap_or((end, 0));
        let Some(first) = pictures.first() else {
            // Nothing is left of a group: it lies behind the one before.
            if let Some(waiting) = &mut self.waiting {
                waiting.undecodable = waiting.undecodable.saturating_add(undecodable);
                waiting.end = end;
            }
            return Ok(());
        };
        let is_first = self.groups.is_empty() && self.waiting.is_none();
        let kept = pictures
            .iter()
            .filter(|p| !(is_first && p.unit.is_left_out(p.at, first.at, first.unit.access)));
        let mut time = kept.map(|p| p.at.presentation).min().unwrap_or(first.at.presentation);
        if let Some(waiting) = self.waiting.take() {
            // Groups follow each other, whatever timestamps say.
            time = time.max(waiting.time.plus(Ticks(waiting.pictures.len() as i64)));
            self.measure(waiting, time)?;
        }
        self.waiting = Some(Waiting { pictures, undecodable, end, time, is_first, first_end });
        Ok(())
    }

    /// Captions go on from picture to picture as these are shown.
    fn read_captions(&mut self, pictures: &[ScannedPicture]) {
        let mut carriers: Vec<&ScannedPicture> =
            pictures.iter().filter(|picture| !picture.captions.is_empty()).collect();
        carriers.sort_by_key(|picture| picture.at.presentation);
        for picture in carriers {
            self.captions.push(&picture.captions);
        }
    }

    /// Ends the section before `end` in the source.
    fn end_section(&mut self, end: SourcePosition) -> Result<(), String> {
        self.end_group(end)?;
        if let Some(waiting) = self.waiting.take() {
            let last = self.last_picture_end(&waiting.pictures);
            let last = last.max(waiting.time.plus(Ticks(waiting.pictures.len() as i64)));
            self.measure(waiting, last)?;
            self.sections.push(VideoSection {
                pid: self.input.pid,
                syntax: self.syntax,
                config: self.configuration()?,
                groups: std::mem::take(&mut self.groups),
                pictures: std::mem::take(&mut self.pictures),
                end: last,
                begin: self.begin,
            });
        }
        Ok(())
    }

    /// The configuration of the section that ends.
    fn configuration(&self) -> Result<CodecConfig, String> {
        self.framer.config(self.config).map_err(|error| error.to_string())
    }

    /// Measures a group, which lasts until `end` on the source's clock.
    fn measure(&mut self, group: Waiting, end: Ticks) -> Result<(), String> {
        let Waiting { pictures, undecodable, end: position_end, time, is_first, first_end } = group;
        let Some(first) = pictures.first() else { return Ok(()) };
        let (first_unit, first) = (first.unit, first.at);
        let units: Vec<AccessUnit> = pictures.iter().map(|picture| picture.unit).collect();
        let dated = date_pictures(&units, first, end.minus(time));
        let is_kept = |(picture, at): &(&ScannedPicture, ContinuousTimestamps)| {
            !(is_first && picture.unit.is_left_out(*at, first, first_unit.access))
        };
        let all = pictures.iter().zip(dated);
        let kept: Vec<&ScannedPicture> = all.filter(is_kept).map(|(picture, _)| picture).collect();
        let units: Vec<AccessUnit> = kept.iter().map(|picture| picture.unit).collect();
        // Dated without the others, as they are when they are packaged.
        let stamps = date_pictures(&units, first, end.minus(time));
        let left_out = pictures.len() - kept.len();
        self.counts.leading += left_out as u64;
        let grows = |pair: &[ContinuousTimestamps]| matches!(pair, [a, b] if a.decode < b.decode);
        self.counts.spread += u64::from(!stamps.windows(2).all(grows));
        let mut subsamples = SubsampleCounts::default();
        for own in kept.iter().map(|picture| picture.subsample_counts()) {
            subsamples.cenc = subsamples.cenc.saturating_add(own.cenc);
            subsamples.cbcs = subsamples.cbcs.saturating_add(own.cbcs);
            subsamples.most = subsamples.most.max(own.most);
        }
        let samples = place_pictures(&units, &stamps, time, end, 0);
        let still = StillPicture {
            end: first_end.0,
            last: first_end.1,
            bytes: first_unit.size as u32,
            subsamples: kept.first().map(|picture| picture.subsample_counts()).unwrap_or_default(),
        };
        if let Some(sample) = samples.last() {
            self.step = i64::from(sample.duration).min(Timescale::MPEG.hertz().into());
        }
        let payload_bytes: u64 = samples.iter().map(|sample| u64::from(sample.size)).sum();
        let payload_bytes = u32::try_from(payload_bytes)
            .map_err(|_| "a group of pictures is larger than 4 GiB".to_owned())?;
        let origin = Origin::from_tag(first_unit.tag);
        self.groups.push(RawGroup {
            start: origin.start(),
            pes_left: origin.pes_left(),
            end: position_end,
            skip: first_unit.skip,
            first,
            time,
            samples: samples.len() as u32,
            left_out: left_out as u32,
            undecodable,
            access: first_unit.access,
            payload_bytes,
            uniform_duration: uniform_duration(&samples),
            ts_clock_packets: mux::clock_packets(&samples),
            subsamples,
            still,
        });
        self.pictures.extend(samples.iter().map(|sample| RawPicture {
            size: sample.size,
            composition_offset: sample.composition_offset,
        }));
        Ok(())
    }

    /// The stretch or the track ends before `end` in the source.
    pub fn finish(mut self, end: SourcePosition) -> Result<FinishedPictures, String> {
        self.framer.finish();
        self.take_units(None)?;
        self.end_section(end)?;
        let broken = self.broken();
        Ok(FinishedPictures {
            sections: self.sections,
            counts: self.counts,
            broken,
            captions: self.captions.into_services(),
        })
    }

    /// When the last picture of a group ends: the latest one shown lasts as long as the others do.
    fn last_picture_end(&self, pictures: &[ScannedPicture]) -> Ticks {
        let units: Vec<AccessUnit> = pictures.iter().map(|picture| picture.unit).collect();
        let is_dated = units.iter().skip(1).all(|unit| unit.timestamps.is_some());
        let mut shown: Vec<Ticks> = match pictures.first() {
            // Those without timestamps are as far apart as in the group before.
            Some(first) if !is_dated && self.step > 0 => {
                let span = Ticks(self.step.saturating_mul(units.len() as i64));
                date_pictures(&units, first.at, span).iter().map(|at| at.presentation).collect()
            }
            _ => pictures.iter().map(|picture| picture.at.presentation).collect(),
        };
        shown.sort_unstable();
        let last = shown.last().copied().unwrap_or_default();
        let span = shown.first().map_or(0, |first| last.0 - first.0);
        let count = shown.len().saturating_sub(1) as i64;
        let step = match count {
            0 => self.step,
            count => (span + count / 2) / count,
        };
        last.plus(Ticks(if step > 0 { step } else { USUAL_STEP }))
    }
}

/// What is left of a [`PictureTrack`].
pub(super) struct FinishedPictures {
    pub sections: Vec<VideoSection>,
    pub counts: PictureCounts,
    pub broken: (Damage, u64),
    pub captions: BTreeSet<CaptionService>,
}
