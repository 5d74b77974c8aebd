//! The sound of one track: frames on a grid of whole frames.
//!
//! The grid starts at the first timestamp. Where timestamps run ahead of it by more than half a
//! frame, something is missing and the grid is set anew; where they fall behind, something is
//! repeated and as many frames are left out. So sound stays within half a frame of its timestamps.
//! A single timestamp out of line is not believed; where the next one agrees with it, the clock has
//! jumped and another section begins.

use sha2::{Digest, Sha256};
use twox_hash::XxHash3_64;

use super::input::{Origin, TrackInput};
use super::pictures::{Begin, LONGEST_GAP, LONGEST_OVERLAP};
use crate::codec::Timestamps;
use crate::codec::aac::replication::Presence;
use crate::codec::sound::Framer;
use crate::codec::timing::TRUSTED_DISTANCE;
use crate::model::codec::{CodecConfig, SoundFormat, StreamSyntax};
use crate::model::presentation::SourcePosition;
use crate::time::{Ticks, Timescale, Unwrapper};
use crate::ts::packet::Packet;

/// The frames between two breaks.
#[derive(Debug)]
pub(in crate::index) struct AudioSection {
    pub pid: u16,
    pub syntax: StreamSyntax,
    pub config: CodecConfig,
    pub format: SoundFormat,
    pub timescale: Timescale,
    pub frames: Vec<RawFrame>,
    /// Where the grid of frames was set by a timestamp: first frame, and its time at 90 kHz.
    pub anchors: Vec<(usize, Ticks)>,
    /// Behind the last packet.
    pub end: SourcePosition,
    /// Why it begins.
    pub begin: Begin,
    /// Whether its frames carry spectral band replication.
    pub replication: Presence,
    /// Whether they carry parametric stereo.
    pub stereo: Presence,
}

impl AudioSection {
    /// SHA-256 over sizes and XXH3 of all frames: equal for equal sound.
    pub fn identity(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for frame in &self.frames {
            hash.update(frame.size.to_be_bytes());
            hash.update(frame.hash.to_be_bytes());
        }
        hash.finalize().into()
    }

    /// When the last frame ends, on the source's clock.
    pub fn end_time(&self) -> Ticks {
        let (first, at) = self.anchors.last().copied().unwrap_or_default();
        let frames = (self.frames.len() - first.min(self.frames.len())) as i64;
        let samples = Ticks(frames * i64::from(self.format.frame_samples));
        at.plus(samples.rescale(self.timescale, Timescale::MPEG))
    }
}

/// One audio frame.
#[derive(Clone, Copy, Debug)]
pub(in crate::index) struct RawFrame {
    pub origin: Origin,
    pub hash: u64,
    pub size: u32,
    pub skip: u8,
    /// Frames behind it that are left out.
    pub left_out: u16,
}

/// What was noticed about sound, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::index) struct SoundCounts {
    /// Times that the grid was set anew because something is missing.
    pub gaps: u64,
    /// Steps of about a frame by which the grid followed its timestamps: later, or earlier.
    pub steps: [u64; 2],
    /// Frames that were left out because they repeat what was heard.
    pub repeated: u64,
    /// Timestamps that were not believed.
    pub doubted: u64,
    /// Frames before the first timestamp.
    pub undated: u64,
}

impl SoundCounts {
    pub fn add(&mut self, other: Self) {
        self.gaps += other.gaps;
        for (own, step) in self.steps.iter_mut().zip(other.steps) {
            *own += step;
        }
        self.repeated += other.repeated;
        self.doubted += other.doubted;
        self.undated += other.undated;
    }
}

/// A timestamp that is out of line, and waits for another that agrees.
#[derive(Clone, Copy)]
struct Doubt {
    /// The frame that has it.
    frame: usize,
    at: Ticks,
}

/// Follows one track of sound between two announced discontinuities.
pub(super) struct SoundTrack {
    pub input: TrackInput,
    pub syntax: StreamSyntax,
    pub counts: SoundCounts,
    framer: Framer,
    clock: Unwrapper,
    open: OpenSection,
    sections: Vec<AudioSection>,
    doubt: Option<Doubt>,
    /// Frames that are still to be left out.
    dropping: u32,
    now: Option<Ticks>,
}

/// The section that is being read.
struct OpenSection {
    begin: Begin,
    config: u32,
    frames: Vec<RawFrame>,
    anchors: Vec<(usize, Ticks)>,
}

impl OpenSection {
    const fn new(begin: Begin, config: u32) -> Self {
        Self { begin, config, frames: Vec::new(), anchors: Vec::new() }
    }

    /// Where the grid expects a frame.
    fn grid(&self, frame: usize, format: SoundFormat, timescale: Timescale) -> Option<Ticks> {
        let (first, start) = self.anchors.last()?;
        let frames = frame.saturating_sub(*first) as i64;
        let samples = Ticks(frames * i64::from(format.frame_samples));
        Some(start.plus(samples.rescale(timescale, Timescale::MPEG)))
    }
}

impl SoundTrack {
    /// `None` for a syntax of pictures.
    pub fn new(pid: u16, syntax: StreamSyntax, begin: Begin) -> Option<Self> {
        Some(Self {
            input: TrackInput::new(pid),
            syntax,
            counts: SoundCounts::default(),
            framer: Framer::new(syntax, Vec::new())?,
            clock: Unwrapper::default(),
            open: OpenSection::new(begin, 0),
            sections: Vec::new(),
            doubt: None,
            dropping: 0,
            now: None,
        })
    }

    /// Where its clock stands, and how many sections have ended.
    pub fn clock(&self) -> Option<(usize, Ticks)> {
        Some((self.sections.len(), self.now?))
    }

    /// Frames with broken syntax so far, and headers of PES packets.
    pub fn broken(&self) -> (u64, u64) {
        (self.framer.damage().broken_units, self.input.pes.broken_headers)
    }

    /// Takes a packet. `other` is the clock of the stream's pictures.
    pub fn push(&mut self, packet: &Packet<'_>, place: u64, other: Option<(usize, Ticks)>) {
        let Some((part, tag)) = self.input.part(packet, place) else { return };
        if let Some(timestamps) = part.begins {
            self.framer.begin_packet(timestamps);
        }
        self.push_payload(part.payload, tag, other);
    }

    /// Takes more payload of the current PES packet, which [`SoundTrack::input`] has read.
    pub fn push_payload(&mut self, payload: &[u8], tag: u128, other: Option<(usize, Ticks)>) {
        self.framer.push(payload, tag);
        if !self.framer.units().is_empty() {
            self.take_frames(other);
        }
    }

    /// Takes bytes of packed audio, no more than a packet has. `begins` with the time of a segment's
    /// first frame.
    pub fn push_packed(&mut self, bytes: &[u8], place: u64, begins: Option<Timestamps>) {
        self.framer.begin_packet(begins);
        self.framer.push(bytes, Origin::inside(place, None).to_tag());
        self.take_frames(None);
    }

    fn take_frames(&mut self, other: Option<(usize, Ticks)>) {
        let mut units = Vec::new();
        self.framer.drain(|unit, bytes| units.push((*unit, XxHash3_64::oneshot(bytes))));
        for (unit, hash) in units {
            let Some((format, timescale)) = self.format(unit.config) else { continue };
            let origin = Origin::from_tag(unit.tag);
            let size = u32::try_from(unit.size).unwrap_or(u32::MAX);
            let frame = RawFrame { origin, hash, size, skip: unit.skip, left_out: 0 };
            if unit.config != self.open.config {
                self.end_section(origin.end_before(unit.skip), Begin::Configuration);
                self.open.config = unit.config;
            }
            if let Some(timestamps) = unit.timestamps {
                let at = self.clock.unwrap_timestamp(timestamps.presentation);
                self.date(at, &frame, format, timescale, other);
            }
            self.take_frame(frame);
        }
    }

    fn format(&self, config: u32) -> Option<(SoundFormat, Timescale)> {
        let format = self.config(config)?.sound()?;
        Some((format, Timescale::new(format.timescale)?))
    }

    fn config(&self, number: u32) -> Option<CodecConfig> {
        self.framer.configs().get(number as usize).cloned()
    }

    /// Keeps the frame, or leaves it out.
    fn take_frame(&mut self, frame: RawFrame) {
        if self.open.anchors.is_empty() {
            self.counts.undated += 1;
            return;
        }
        if self.dropping > 0
            && let Some(last) = self.open.frames.last_mut()
            && let Some(left_out) = last.left_out.checked_add(1)
        {
            // What is not counted here cannot be left out when it is packaged.
            last.left_out = left_out;
            self.dropping -= 1;
            self.counts.repeated += 1;
            return;
        }
        self.open.frames.push(frame);
    }

    /// The next frame has a timestamp: compares it with the grid.
    fn date(
        &mut self,
        at: Ticks,
        frame: &RawFrame,
        format: SoundFormat,
        timescale: Timescale,
        other: Option<(usize, Ticks)>,
    ) {
        let next = self.open.frames.len();
        let Some(grid) = self.open.grid(next, format, timescale) else {
            self.open.anchors.push((next, at));
            self.now = Some(at);
            return;
        };
        let ahead = at.minus(grid).0;
        if self.is_out_of_line(at, ahead, other) {
            let agrees = self.doubt.and_then(|doubt| {
                let passed = Ticks((next - doubt.frame.min(next)) as i64)
                    .rescale(timescale, Timescale::MPEG)
                    .0
                    .saturating_mul(i64::from(format.frame_samples));
                let expected = doubt.at.plus(Ticks(passed));
                (at.minus(expected).0.abs() <= LONGEST_OVERLAP).then_some(doubt)
            });
            match agrees {
                Some(doubt) => self.jump(doubt, grid, frame),
                None => {
                    self.counts.doubted += 1;
                    self.doubt = Some(Doubt { frame: next, at });
                    // The next is compared with what came before this one.
                    self.clock = Unwrapper::near(grid);
                }
            }
            return;
        }
        self.doubt = None;
        self.now = Some(at);
        let half = Ticks(i64::from(format.frame_samples) / 2).rescale(timescale, Timescale::MPEG);
        let whole = Ticks(i64::from(format.frame_samples)).rescale(timescale, Timescale::MPEG);
        if ahead > half.0 {
            match ahead < 2 * whole.0 {
                true => self.counts.steps[0] += 1,
                false => self.counts.gaps += 1,
            }
            self.dropping = 0;
            self.open.anchors.push((next, at));
        } else if ahead < -half.0 && next > 0 {
            let repeated = (-ahead + half.0) / whole.0.max(1);
            self.counts.steps[1] += u64::from(repeated == 1);
            self.dropping = u32::try_from(repeated).unwrap_or(0);
            self.open.anchors.push((next, at.plus(Ticks(repeated * whole.0))));
        }
    }

    /// Whether a timestamp is too far from the grid for a gap or an overlap.
    fn is_out_of_line(&self, at: Ticks, ahead: i64, other: Option<(usize, Ticks)>) -> bool {
        if ahead < -LONGEST_OVERLAP {
            return true;
        }
        if ahead <= TRUSTED_DISTANCE {
            return false;
        }
        // Where the pictures' clock is, too, sound is missing in between.
        let is_gap = ahead <= LONGEST_GAP.0
            && other.is_some_and(|(sections, now)| {
                sections <= self.sections.len() && at.minus(now).0.abs() <= TRUSTED_DISTANCE
            });
        !is_gap
    }

    /// The clock has jumped with the frame of the doubt.
    fn jump(&mut self, doubt: Doubt, grid: Ticks, next: &RawFrame) {
        let moved = self.open.frames.split_off(doubt.frame.min(self.open.frames.len()));
        let first = moved.first().unwrap_or(next);
        let end = first.origin.end_before(first.skip);
        self.end_section(end, Begin::ClockJump { from: grid, to: doubt.at });
        self.open.frames = moved;
        self.open.anchors.push((0, doubt.at));
        self.clock = Unwrapper::near(doubt.at);
        self.now = Some(doubt.at);
    }

    /// Ends the section before `end` in the source; another begins.
    fn end_section(&mut self, end: SourcePosition, begin: Begin) {
        let config = self.open.config;
        let replication = self.framer.replication(config);
        let stereo = self.framer.parametric_stereo(config);
        let open = std::mem::replace(&mut self.open, OpenSection::new(begin, config));
        self.doubt = None;
        self.dropping = 0;
        let Some((format, timescale)) = self.format(config) else { return };
        let Some(config) = self.config(config).filter(|_| !open.frames.is_empty()) else {
            // Why it began still holds for what follows.
            self.open.begin = if self.sections.is_empty() { open.begin } else { begin };
            return;
        };
        self.sections.push(AudioSection {
            pid: self.input.pid,
            syntax: self.syntax,
            config,
            format,
            timescale,
            frames: open.frames,
            anchors: open.anchors,
            end,
            begin: open.begin,
            replication,
            stereo,
        });
    }

    /// The stretch or the track ends before `end` in the source.
    pub fn finish(mut self, end: SourcePosition) -> FinishedSound {
        self.framer.finish();
        self.take_frames(None);
        self.end_section(end, Begin::Announced);
        let broken = self.broken();
        FinishedSound { sections: self.sections, counts: self.counts, broken }
    }
}

/// What is left of a [`SoundTrack`].
pub(super) struct FinishedSound {
    pub sections: Vec<AudioSection>,
    pub counts: SoundCounts,
    pub broken: (u64, u64),
}
