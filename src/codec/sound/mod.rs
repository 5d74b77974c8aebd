//! One face for the framers of sound: ADTS, LATM, AC-3 and E-AC-3, and MPEG audio.
//!
//! ```text
//! PES payload ─► window ─► reader of the syntax ─► step: frame, damage, tag, or more bytes
//!                  │                                 │
//!                  └─────────── payload ─────────────┴─► buffer, access units
//! ```
//!
//! The readers decide on the bytes and on the configuration that is known, never on what they have
//! at hand by chance: they ask for more bytes until the decision is fixed. So neither chunking nor
//! the frame that reading begins at changes anything. Payload is copied twice, from the packet into
//! the window and from there into the buffer, because a frame is believed only once what follows it
//! is seen; sound is a small part of the bytes.
//!
//! A frame goes with the configuration whose number it bears. Configurations that come back get
//! their number again.

mod belief;
pub(super) mod tag;
mod window;

pub(super) use belief::{Following, HeaderSyntax, Standing, judge, no_header};
pub(super) use window::View;

use self::window::Window;
use super::aac::adts;
use super::aac::replication::{Evidence, Presence};
use super::{AccessUnit, ConfigError, Damage, Timestamps, dolby, latm, mpeg_audio};
use crate::model::codec::{AacConfig, CodecConfig, StreamSyntax};
use crate::model::sample::{Dependency, RandomAccess};

/// What a reader of syntax says of the bytes in view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// At least so many bytes must be in view.
    More(usize),
    /// So many bytes belong to nothing.
    Skip(usize),
    /// So many bytes are a tag.
    Pass(usize),
    /// A frame begins here that cannot be used, and its length is not to be trusted.
    Lose,
    /// A frame of so many bytes that cannot be used.
    Drop(usize),
    /// A frame.
    Frame(Frame),
}

/// Where a frame is in view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Bit at which the payload begins.
    pub first_bit: usize,
    /// Bytes of payload.
    pub size: usize,
    /// Bytes of the frame.
    pub bytes: usize,
    /// Number of its configuration.
    pub config: u32,
}

/// The configurations that a reader found.
#[derive(Debug, Default)]
pub(super) struct Configs {
    list: Vec<CodecConfig>,
    /// Of the list; behind its end where none is known.
    current: u32,
    refusal: Option<ConfigError>,
}

impl Configs {
    /// The number of the configuration that is known.
    pub const fn current_number(&self) -> u32 {
        self.current
    }

    /// The configuration that is known.
    pub fn current(&self) -> Option<&CodecConfig> {
        self.list.get(self.current as usize)
    }

    /// Makes a configuration the known one, and returns its number.
    pub fn adopt(&mut self, config: CodecConfig) -> u32 {
        let number = self.list.iter().position(|known| *known == config);
        self.current = number.unwrap_or(self.list.len()) as u32;
        if number.is_none() {
            self.list.push(config);
        }
        self.current
    }

    /// The known configuration holds no longer, and none is known.
    pub const fn forget(&mut self) {
        self.current = u32::MAX;
    }

    /// Notes why frames are left out; the first reason stays.
    pub fn refuse(&mut self, reason: ConfigError) {
        self.refusal.get_or_insert(reason);
    }
}

/// Syntaxes of sound.
enum Reader {
    Adts(adts::Reader),
    Dolby(dolby::Reader),
    Latm(latm::Reader),
    MpegAudio(mpeg_audio::Reader),
}

impl Reader {
    fn step(&mut self, view: &View<'_>, configs: &mut Configs) -> Step {
        match self {
            Self::Adts(reader) => reader.step(view, configs),
            Self::Dolby(reader) => reader.step(view, configs),
            Self::Latm(reader) => reader.step(view, configs),
            Self::MpegAudio(reader) => reader.step(view, configs),
        }
    }
}

/// Turns the payload of PES packets into samples. See the module documentation.
pub struct Framer {
    window: Window,
    reader: Reader,
    configs: Configs,
    /// How often each configuration's frames look as if they carried extensions;
    /// `None` where a configuration was given.
    evidence: Option<Vec<Evidence>>,
    in_sync: bool,
    /// The least that must be in view before the reader is asked again.
    needed: usize,
    /// Bytes of a tag that are still to come.
    to_pass: usize,
    buffer: Vec<u8>,
    base: usize,
    units: Vec<AccessUnit>,
    damage: Damage,
}

impl Framer {
    /// A framer that appends to `buffer` and finds out the configurations; `None` for syntaxes of
    /// pictures.
    pub fn new(syntax: StreamSyntax, buffer: Vec<u8>) -> Option<Self> {
        let reader = match syntax {
            StreamSyntax::H264 | StreamSyntax::H265 => return None,
            StreamSyntax::Adts => Reader::Adts(adts::Reader),
            StreamSyntax::Dolby => Reader::Dolby(dolby::Reader),
            StreamSyntax::Latm => Reader::Latm(latm::Reader),
            StreamSyntax::MpegAudio => Reader::MpegAudio(mpeg_audio::Reader),
        };
        Some(Self::with_reader(reader, buffer))
    }

    fn with_reader(reader: Reader, buffer: Vec<u8>) -> Self {
        Self {
            window: Window::default(),
            reader,
            configs: Configs::default(),
            evidence: Some(Vec::new()),
            in_sync: false,
            needed: 1,
            to_pass: 0,
            base: buffer.len(),
            buffer,
            units: Vec::new(),
            damage: Damage::default(),
        }
    }

    /// A framer whose first byte begins a frame of `config`, as one that was given the stream from
    /// its start had found it: from there on both find the same. Configuration 0 is `config`.
    pub fn for_config(syntax: StreamSyntax, buffer: Vec<u8>, config: &CodecConfig) -> Option<Self> {
        let mut framer = Self::new(syntax, buffer)?;
        framer.configs.adopt(config.clone());
        framer.evidence = None;
        framer.in_sync = true;
        Some(framer)
    }

    /// A PES packet begins; its timestamps belong to the first frame that begins in it.
    pub fn begin_packet(&mut self, timestamps: Option<Timestamps>) {
        if let Some(timestamps) = timestamps {
            self.window.begin_packet(timestamps);
        }
    }

    /// Payload of the current PES packet. The tag comes back with the frames that begin in the
    /// chunk.
    pub fn push(&mut self, chunk: &[u8], tag: u128) {
        self.window.push(chunk, tag);
        self.to_pass -= self.window.pass(self.to_pass);
        self.read(false);
    }

    /// The stream ends here; a frame that is not complete is dropped.
    pub fn finish(&mut self) {
        self.needed = 1;
        self.read(true);
        self.to_pass = 0;
        self.in_sync = false;
    }

    /// The complete frames so far, up to the last that is decided on.
    pub fn units(&self) -> &[AccessUnit] {
        &self.units
    }

    /// The complete frames so far, in the bytes they lie in.
    pub fn complete(&mut self) -> (&mut [u8], &[AccessUnit]) {
        (&mut self.buffer, &self.units)
    }

    /// The buffer with all frames, and where they are in it.
    pub fn into_parts(self) -> (Vec<u8>, Vec<AccessUnit>) {
        (self.buffer, self.units)
    }

    /// Calls `take` for each complete frame with its bytes, then forgets them.
    pub fn drain(&mut self, mut take: impl FnMut(&AccessUnit, &[u8])) {
        for unit in self.units.drain(..) {
            take(&unit, self.buffer.get(unit.offset..unit.offset + unit.size).unwrap_or_default());
        }
        self.buffer.truncate(self.base);
    }

    /// The configurations found so far, by number. A configuration of AAC names the extensions that
    /// the stream states; those that it does not state are asked of [`Self::replication`].
    pub fn configs(&self) -> &[CodecConfig] {
        &self.configs.list
    }

    /// Whether the frames of a configuration carry spectral band replication, stated or not: judged
    /// by the frames so far. Meaningful for AAC that was scanned with [`Self::new`].
    pub fn replication(&self, config: u32) -> Presence {
        self.evidence(config, Evidence::replication)
    }

    /// Whether they carry parametric stereo, likewise.
    pub fn parametric_stereo(&self, config: u32) -> Presence {
        self.evidence(config, Evidence::parametric_stereo)
    }

    fn evidence(&self, config: u32, judge: impl Fn(&Evidence, &AacConfig) -> Presence) -> Presence {
        let evidence = self.evidence.as_ref().and_then(|list| list.get(config as usize));
        match (evidence, self.configs.list.get(config as usize)) {
            (Some(evidence), Some(CodecConfig::Aac(aac))) => judge(evidence, aac),
            _ => Presence::Unsure,
        }
    }

    /// What could not be used.
    pub fn damage(&self) -> Damage {
        self.damage
    }

    /// The first reason, other than damage, why frames were left out: what they use is not
    /// supported. Frames that are left out for it count as broken where they could be told apart.
    pub fn refusal(&self) -> Option<ConfigError> {
        self.configs.refusal
    }

    fn read(&mut self, ends: bool) {
        while self.window.len() >= self.needed {
            let view = self.window.view(ends, self.in_sync);
            let is_border = view.is_border();
            let step = match self.reader.step(&view, &mut self.configs) {
                Step::More(needed) if !ends && needed > view.bytes.len() => {
                    self.needed = needed;
                    return;
                }
                // The end cuts it off.
                Step::More(_) if is_border => Step::Lose,
                Step::More(_) => Step::Skip(1),
                step => step,
            };
            self.needed = 1;
            self.take(step);
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::More(_) => {}
            Step::Skip(bytes) => {
                self.damage.stray_bytes += self.window.pass(bytes.max(1)) as u64;
                self.in_sync = false;
            }
            Step::Pass(bytes) => {
                self.to_pass = bytes.max(1);
                self.to_pass -= self.window.pass(self.to_pass);
                self.in_sync = true;
            }
            // Its timestamps go with it: they are not those of the frame behind it.
            Step::Lose => {
                self.window.take_timestamps();
                self.window.pass(1);
                self.damage.broken_units += 1;
                self.in_sync = false;
            }
            Step::Drop(bytes) => {
                self.window.take_timestamps();
                self.window.pass(bytes.max(1));
                self.damage.broken_units += 1;
                self.in_sync = true;
            }
            Step::Frame(frame) => self.take_frame(frame),
        }
    }

    fn take_frame(&mut self, frame: Frame) {
        let offset = self.buffer.len();
        copy_bits(self.window.view(false, true).bytes, frame, &mut self.buffer);
        let (tag, skip) = self.window.origin();
        self.units.push(AccessUnit {
            offset,
            size: frame.size,
            timestamps: self.window.take_timestamps(),
            tag,
            skip,
            dependency: Dependency::AUDIO,
            access: RandomAccess::Instant,
            config: frame.config,
            order: None,
            skipped_at_access: false,
        });
        if let (Some(list), Some(CodecConfig::Aac(_))) =
            (&mut self.evidence, self.configs.list.get(frame.config as usize))
        {
            let number = frame.config as usize;
            list.resize_with(list.len().max(number + 1), Default::default);
            if let Some(evidence) = list.get_mut(number) {
                evidence.observe(self.buffer.get(offset..).unwrap_or_default());
            }
        }
        self.window.pass(frame.bytes.max(1));
        self.in_sync = true;
    }
}

/// Appends a frame's payload, which may begin inside a byte. Missing bits at the end are zeros.
fn copy_bits(bytes: &[u8], frame: Frame, out: &mut Vec<u8>) {
    let (first, shift) = (frame.first_bit / 8, frame.first_bit % 8);
    let payload = bytes.get(first..).unwrap_or_default();
    if shift == 0 {
        out.extend_from_slice(payload.get(..frame.size).unwrap_or_default());
        return;
    }
    let next = payload.iter().skip(1).copied().chain(std::iter::once(0));
    let shifted = payload.iter().zip(next).map(|(&high, low)| high << shift | low >> (8 - shift));
    out.extend(shifted.take(frame.size));
}

#[cfg(test)]
mod tests;
