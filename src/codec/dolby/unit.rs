//! What makes one sample of AC-3 or E-AC-3 (ETSI TS 102 366 V1.4.1 E.1.3.1 and F.6.1), and the
//! configuration that it alone tells.

use super::syncframe::{Eac3Frame, HEADER_BYTES, SYNC_WORD, Syncframe};
use crate::codec::sound::{View, tag};
use crate::model::codec::{Ac3Config, CodecConfig, Eac3Config, Eac3Substream};

/// Blocks in a unit.
const UNIT_BLOCKS: u32 = 6;
/// Eight independent substreams with eight dependent ones each.
const MOST_SUBSTREAMS: usize = 8 * 9;

/// A whole unit.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    /// Bytes of the sample.
    pub size: usize,
    /// Bytes up to where the next begins: more than the sample where substreams extend AC-3.
    pub bytes: usize,
    pub config: CodecConfig,
}

/// Why no unit begins where one was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnitError {
    /// So many bytes of the view are needed.
    More(usize),
    /// Frames of fewer than six blocks, of which the one there is marked as the first.
    BeginsLater(usize),
    /// It is not followed by what has to follow.
    Broken,
}

/// What stands behind a frame.
enum Behind {
    Frame(Syncframe),
    /// The end, a tag, or a PES packet with timestamps.
    Border,
}

impl Unit {
    /// Reads the unit that begins at `start`. `is_lost` asks whether it can be its first frame.
    pub fn read(view: &View<'_>, start: usize, is_lost: bool) -> Result<Self, UnitError> {
        match frame_at(view, start)? {
            Behind::Frame(Syncframe::Ac3(frame)) => {
                let extensions = collect(view, start + frame.bytes, Vec::new(), UNIT_BLOCKS)?;
                let end = end(&extensions).unwrap_or(start + frame.bytes);
                let config = CodecConfig::Ac3(frame.config());
                Ok(Self { size: frame.bytes, bytes: end - start, config })
            }
            Behind::Frame(Syncframe::Eac3(first)) if first.is_first_substream() => {
                let frames =
                    collect(view, start + first.bytes, vec![(start, first)], first.blocks())?;
                let core = || frames.iter().filter(|(_, frame)| frame.is_first_substream());
                if is_lost && first.blocks() < UNIT_BLOCKS {
                    let marked = core().find(|(at, frame)| begins_unit(view, *at, frame));
                    if let Some((at, _)) = marked.filter(|(at, _)| *at > start) {
                        return Err(UnitError::BeginsLater(at - start));
                    }
                }
                let bytes = end(&frames).unwrap_or(start) - start;
                let of_first = core().nth(1).map_or(frames.len(), |(second, _)| {
                    frames.iter().take_while(|(at, _)| at < second).count()
                });
                let config = config(view, frames.get(..of_first).unwrap_or_default(), bytes);
                Ok(Self { size: bytes, bytes, config: CodecConfig::Eac3(config) })
            }
            _ => Err(UnitError::Broken),
        }
    }
}

/// Whether the frame there is a core like that of a configuration, whatever follows it.
pub(super) fn has_core_at(view: &View<'_>, at: usize, config: &CodecConfig) -> bool {
    let frame = view.bytes.get(at..).and_then(Syncframe::parse);
    match (frame, config) {
        (Some(Syncframe::Ac3(frame)), CodecConfig::Ac3(_)) => {
            is_same(&CodecConfig::Ac3(frame.config()), config)
        }
        (Some(Syncframe::Eac3(frame)), CodecConfig::Eac3(config)) => {
            frame.is_first_substream()
                && frame.frequency == config.sampling_frequency
                && config.substreams.first().is_some_and(|first| {
                    (first.acmod, first.lfe, first.bsid) == (frame.acmod, frame.lfe, frame.bsid)
                })
        }
        _ => false,
    }
}

/// Whether two units go with one configuration: rates and kind of service aside.
pub(super) fn is_same(one: &CodecConfig, other: &CodecConfig) -> bool {
    match (one, other) {
        (CodecConfig::Ac3(one), CodecConfig::Ac3(other)) => {
            let part = |config: &Ac3Config| (config.fscod, config.bsid, config.acmod, config.lfe);
            part(one) == part(other)
        }
        (CodecConfig::Eac3(one), CodecConfig::Eac3(other)) => {
            let part = |substream: &Eac3Substream| Eac3Substream { bsmod: 0, ..substream.clone() };
            one.sampling_frequency == other.sampling_frequency
                && one.joc_complexity == other.joc_complexity
                && one.substreams.iter().map(part).eq(other.substreams.iter().map(part))
        }
        _ => false,
    }
}

/// The header at a place where something must begin.
fn frame_at(view: &View<'_>, at: usize) -> Result<Behind, UnitError> {
    let behind = view.bytes.get(at..).unwrap_or_default();
    if behind.len() < HEADER_BYTES {
        // What there is must not speak against a frame: a player has no more than begins in the
        // packet.
        let is_possible =
            behind.first().is_none_or(|&byte| byte == SYNC_WORD[0]) || view.packet_begins_at(at);
        let is_there = view.ends && view.bytes.len() >= at && is_possible;
        return if is_there { Ok(Behind::Border) } else { Err(UnitError::More(at + HEADER_BYTES)) };
    }
    match Syncframe::parse(behind) {
        Some(frame) => Ok(Behind::Frame(frame)),
        None if tag::begins(behind) || view.packet_begins_at(at) => Ok(Behind::Border),
        None => Err(UnitError::Broken),
    }
}

/// Where the last frame ends.
fn end(frames: &[(usize, Eac3Frame)]) -> Option<usize> {
    frames.last().map(|(at, frame)| at + frame.bytes)
}

/// The frames of a unit, with where they begin: those before `at`, which have so many blocks, and
/// what follows.
fn collect(
    view: &View<'_>,
    mut at: usize,
    mut frames: Vec<(usize, Eac3Frame)>,
    mut blocks: u32,
) -> Result<Vec<(usize, Eac3Frame)>, UnitError> {
    let mut substreams = frames.len();
    loop {
        match frame_at(view, at)? {
            Behind::Frame(Syncframe::Eac3(frame))
                if !frame.is_first_substream() || blocks < UNIT_BLOCKS =>
            {
                if frame.is_first_substream() {
                    blocks += frame.blocks();
                    substreams = 0;
                }
                substreams += 1;
                frames.push((at, frame));
                at += frame.bytes;
            }
            _ if blocks == UNIT_BLOCKS => return Ok(frames),
            _ => return Err(UnitError::Broken),
        }
        if substreams > MOST_SUBSTREAMS || blocks > UNIT_BLOCKS {
            return Err(UnitError::Broken);
        }
    }
}

fn begins_unit(view: &View<'_>, at: usize, frame: &Eac3Frame) -> bool {
    let bytes = view.bytes.get(at..at + frame.bytes).unwrap_or_default();
    frame.information(bytes).is_ok_and(|information| information.begins_unit)
}

/// The configuration by the frames up to the second of substream 0, for a unit of `unit_bytes`.
fn config(view: &View<'_>, frames: &[(usize, Eac3Frame)], unit_bytes: usize) -> Eac3Config {
    let frequency = frames.first().map_or(48_000, |(_, frame)| frame.frequency);
    // Rounded: units of 44.1 kHz are a word shorter or longer than their rate.
    let bits = unit_bytes as u64 * 8;
    let samples = u64::from(Eac3Config::FRAME_SAMPLES) * 1_000;
    let rate = (bits * u64::from(frequency) + samples / 2) / samples;
    let mut config = Eac3Config {
        sampling_frequency: frequency,
        data_rate: u16::try_from(rate).unwrap_or(u16::MAX),
        substreams: Vec::new(),
        joc_complexity: None,
    };
    for (at, frame) in frames {
        let bytes = view.bytes.get(*at..at + frame.bytes).unwrap_or_default();
        // What cannot be read says nothing; the channels are known all the same.
        let information = frame.information(bytes).unwrap_or_default();
        config.joc_complexity = config.joc_complexity.or(information.joc_complexity);
        if !frame.is_dependent {
            config.substreams.push(Eac3Substream {
                fscod: frame.fscod,
                bsid: frame.bsid,
                bsmod: information.bsmod,
                acmod: frame.acmod,
                lfe: frame.lfe,
                dependents: 0,
                locations: 0,
            });
        } else if let Some(substream) = config.substreams.last_mut() {
            substream.dependents += 1;
            substream.locations |= locations(information.channel_map);
        }
    }
    config
}

/// `chan_loc` (F.6.2.14) of a `chanmap` (E.1.3.1.8). The map has the left channel in its highest bit
/// and Lc/Rc in the sixth; `chan_loc` begins with Lc/Rc in its lowest and has the places up to Cvh,
/// then the second channel for low frequencies.
fn locations(channel_map: u16) -> u16 {
    let places = (channel_map << 5).reverse_bits() & 0xFF;
    let second_low = channel_map >> 1 & 1;
    places | second_low << 8
}
