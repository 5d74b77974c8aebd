//! One face for the framers of pictures: H.264 and HEVC.

use super::{AccessUnit, ConfigError, Damage, Timestamps, h264, h265};
use crate::model::codec::{CodecConfig, StreamSyntax};

/// Turns the payload of PES packets into samples: start codes become lengths on the way.
pub enum Framer {
    /// H.264.
    H264(h264::Framer),
    /// HEVC.
    H265(h265::Framer),
}

/// What measures the slice headers of a picture.
#[derive(Clone, Copy, Debug)]
pub enum SliceHeaders<'a> {
    /// H.264.
    H264(&'a h264::SliceHeaders),
    /// HEVC.
    H265(&'a h265::SliceHeaders),
}

macro_rules! each {
    ($framer:expr, $name:ident => $call:expr) => {
        match $framer {
            Framer::H264($name) => $call,
            Framer::H265($name) => $call,
        }
    };
}

impl Framer {
    /// A framer that appends to `buffer` and finds out the configurations; `None` for syntaxes of
    /// sound.
    pub fn new(syntax: StreamSyntax, buffer: Vec<u8>) -> Option<Self> {
        match syntax {
            StreamSyntax::H264 => Some(Self::H264(h264::Framer::new(buffer))),
            StreamSyntax::H265 => Some(Self::H265(h265::Framer::new(buffer))),
            _ => None,
        }
    }

    /// A framer whose first byte begins a picture of `config`: it finds the same pictures as one
    /// that was given the stream from its start; `None` for sound.
    pub fn for_config(buffer: Vec<u8>, config: &CodecConfig) -> Option<Self> {
        match config {
            CodecConfig::Avc(avc) => {
                Some(Self::H264(h264::Framer::with_sets(buffer, avc.parameter_sets())))
            }
            CodecConfig::Hevc(hevc) => {
                Some(Self::H265(h265::Framer::with_sets(buffer, hevc.parameter_sets())))
            }
            _ => None,
        }
    }

    /// A PES packet begins; its timestamps belong to the first picture that begins in it.
    pub fn begin_packet(&mut self, timestamps: Option<Timestamps>) {
        each!(self, framer => framer.begin_packet(timestamps));
    }

    /// Payload of the current PES packet. The tag comes back with the pictures that begin in the
    /// chunk.
    pub fn push(&mut self, chunk: &[u8], tag: u128) {
        each!(self, framer => framer.push(chunk, tag));
    }

    /// Payload of the current PES packet in pieces of one size, whose tags follow each other at
    /// `step`, modulo 2^128.
    pub fn push_pieces<'p, const N: usize>(
        &mut self,
        pieces: impl Iterator<Item = &'p [u8; N]>,
        tag: u128,
        step: u128,
    ) {
        each!(self, framer => framer.push_pieces(pieces, tag, step));
    }

    /// The stream ends here: completes the last picture.
    pub fn finish(&mut self) {
        each!(self, framer => framer.finish());
    }

    /// The pictures that are complete and were not forgotten, in the bytes they lie in. Those may be
    /// overwritten, because they are not looked at again.
    pub fn complete(&mut self) -> (&mut [u8], &[AccessUnit]) {
        each!(self, framer => framer.complete())
    }

    /// Forgets so many of the complete pictures; returns by how many bytes the others lie nearer to
    /// the buffer's start then.
    pub fn release(&mut self, units: usize) -> usize {
        each!(self, framer => framer.release(units))
    }

    /// The buffer with all samples, and the access units in it.
    pub fn into_parts(self) -> (Vec<u8>, Vec<AccessUnit>) {
        each!(self, framer => framer.into_parts())
    }

    /// Hands out the complete access units with their bytes and what measures their slice headers;
    /// then forgets them.
    pub fn drain(&mut self, mut take: impl FnMut(AccessUnit, &[u8], SliceHeaders<'_>)) {
        match self {
            Self::H264(framer) => framer.drain(|unit, bytes, syntax| {
                take(unit, bytes, SliceHeaders::H264(syntax.slice_headers()));
            }),
            Self::H265(framer) => framer.drain(|unit, bytes, syntax| {
                take(unit, bytes, SliceHeaders::H265(syntax.slice_headers()));
            }),
        }
    }

    /// The configuration with a number that a unit bears.
    pub fn config(&self, number: u32) -> Result<CodecConfig, ConfigError> {
        each!(self, framer => framer.config(number))
    }

    /// What could not be used.
    pub fn damage(&self) -> Damage {
        each!(self, framer => framer.damage())
    }
}
