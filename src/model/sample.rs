//! Samples between demuxer and muxer, and how large what the muxers write will be.
//!
//! The sizes are here, below both `plan` and the muxers, because a plan announces a segment's exact
//! length before any byte of media is read. `mp4::fragment` and `ts::mux` write what these say.

use crate::time::Ticks;

/// One access unit or audio frame, ready for a container. Times are ticks of the track's timescale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Where its payload begins in the buffer that goes with the list of samples.
    pub offset: usize,
    /// Bytes of payload: length-prefixed NAL units, or a raw audio frame.
    pub size: u32,
    /// Decoding time on the timeline of the presentation; equals the presentation time at the
    /// first sample of every group.
    pub decode_time: Ticks,
    /// Until the next sample is decoded.
    pub duration: u32,
    /// Presentation time minus decoding time.
    pub composition_offset: i32,
    /// Decoding time in a transport stream, where it may not lie behind the presentation time.
    pub transport_decode_time: Ticks,
    /// How it depends on others.
    pub dependency: Dependency,
}

/// Whether decoding can begin with a picture, and how soon all is right then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RandomAccess {
    /// With an IDR picture or another that resets the decoder; with any frame of sound.
    #[default]
    Instant,
    /// With an intra picture that a recovery point announces: what is shown from it on is right,
    /// but later pictures may refer to what came before it.
    Recovery,
    /// With a recovery point after which it takes some pictures until they are right.
    Gradual,
    /// Not at all.
    None,
}

/// What a player may skip or start with (ISO/IEC 14496-12:2022 8.8.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// A random access point.
    pub sync: bool,
    /// Decodable without other samples.
    pub independent: bool,
    /// Not needed by any other sample.
    pub disposable: bool,
}

impl Dependency {
    /// An audio frame: a random access point of its own.
    pub const AUDIO: Self = Self { sync: true, independent: true, disposable: false };

    /// `sample_flags` of `trun` and `trex`.
    pub const fn sample_flags(self) -> u32 {
        let depends_on = match (self.independent, self.sync) {
            (true, _) => 2,
            // Decoding begins with it all the same; Chromium begins with no sample that is said to
            // depend on others.
            (false, true) => 0,
            (false, false) => 1,
        };
        let is_depended_on = if self.disposable { 2 } else { 1 };
        let is_non_sync = if self.sync { 0 } else { 1 };
        depends_on << 24 | is_depended_on << 22 | is_non_sync << 16
    }
}

/// A stretch of a sample: bytes that stay clear, then bytes that are encrypted
/// (ISO/IEC 23001-7 9.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subsample {
    /// Bytes that stay as they are.
    pub clear: u16,
    /// Bytes that are encrypted, in the pattern of the scheme.
    pub protected: u32,
}

/// Which fields a fragment's `trun` repeats for each sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentLayout {
    /// Samples in the fragment.
    pub samples: u32,
    /// The duration of all samples, or `None` where each carries its own.
    pub uniform_duration: Option<u32>,
    /// Video: every sample has flags and a composition offset. Audio: neither.
    pub video: bool,
    /// How its samples are encrypted; `None` where they are clear.
    pub protection: Option<FragmentProtection>,
    /// Clear samples in a track whose other fragments are encrypted: described by the second
    /// sample entry.
    pub clear_lead: bool,
}

/// What a fragment says about its encrypted samples (ISO/IEC 23001-7 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentProtection {
    /// Bytes of each sample's own IV: 8, or 0 where the IV is constant.
    pub iv_bytes: u8,
    /// Subsamples of all samples together; `None` where whole samples are encrypted.
    pub subsamples: Option<u32>,
    /// Whether what `senc` says of each sample fits the one byte that `saiz` has for its size.
    pub fits_sizes: bool,
}

impl FragmentProtection {
    /// The most subsamples of one sample, with an IV of 8 bytes, that `saiz` can speak of.
    pub const MAX_SUBSAMPLES: u16 = 40;
    /// A `saio` with one offset.
    pub const SAIO_BYTES: u64 = 20;

    /// Whether there is anything to say: constant IV and whole samples need no words.
    pub const fn has_senc(self) -> bool {
        self.iv_bytes > 0 || self.subsamples.is_some()
    }

    /// `senc`.
    pub const fn senc_bytes(self, samples: u32) -> u64 {
        let subsamples = match self.subsamples {
            Some(subsamples) => 2 * samples as u64 + 6 * subsamples as u64,
            None => 0,
        };
        16 + self.iv_bytes as u64 * samples as u64 + subsamples
    }

    /// `saiz`: one size for all, or a table.
    pub const fn saiz_bytes(self, samples: u32) -> u64 {
        17 + if self.subsamples.is_some() { samples as u64 } else { 0 }
    }

    /// All three boxes, as far as they are written.
    pub const fn bytes(self, samples: u32) -> u64 {
        if !self.has_senc() {
            return 0;
        }
        let sizes = if self.fits_sizes { self.saiz_bytes(samples) + Self::SAIO_BYTES } else { 0 };
        sizes + self.senc_bytes(samples)
    }
}

/// How each sample of a fragment was encrypted, for `senc`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SampleProtections {
    /// The samples' own IVs; empty where the IV is constant.
    pub ivs: Vec<[u8; 8]>,
    /// How many subsamples each sample has; empty where whole samples are encrypted.
    pub counts: Vec<u16>,
    /// The subsamples of all samples in a row.
    pub subsamples: Vec<Subsample>,
}

impl FragmentLayout {
    /// `styp` with major brand, version and three compatible brands.
    pub const STYP_BYTES: u64 = 8 + 8 + 3 * 4;
    /// `mfhd`, a full box with one field.
    pub const MFHD_BYTES: u64 = 16;
    /// `tfdt` version 1.
    pub const TFDT_BYTES: u64 = 20;

    /// `tfhd`: full box, track ID, sample description if not the first, default duration where
    /// uniform, default flags.
    pub const fn tfhd_bytes(self) -> u64 {
        let description = if self.clear_lead { 4 } else { 0 };
        16 + description + if self.uniform_duration.is_some() { 4 } else { 0 } + 4
    }

    /// Fields of each sample in `trun`, in bytes.
    pub const fn sample_bytes(self) -> u64 {
        4 + if self.uniform_duration.is_none() { 4 } else { 0 } + if self.video { 8 } else { 0 }
    }

    /// `trun`: full box, sample count, data offset, samples.
    pub const fn trun_bytes(self) -> u64 {
        20 + self.samples as u64 * self.sample_bytes()
    }

    /// `moof` with everything in it.
    pub const fn moof_bytes(self) -> u64 {
        let protection = match self.protection {
            Some(protection) => protection.bytes(self.samples),
            None => 0,
        };
        let track = self.tfhd_bytes() + Self::TFDT_BYTES + self.trun_bytes() + protection;
        8 + Self::MFHD_BYTES + 8 + track
    }

    /// All that precedes the media: `styp`, `moof` and the header of `mdat`.
    pub const fn header_bytes(self) -> u64 {
        Self::STYP_BYTES + self.moof_bytes() + 8
    }
}

/// Sizes of the transport streams that `ts::mux` writes (ISO/IEC 13818-1:2023 2.4.3).
pub mod transport {
    /// A packet.
    pub const PACKET_BYTES: u64 = 188;
    /// The clock at time 0 of the timeline, 90 kHz: 10 s, so that clock references and early
    /// decoding times are not negative.
    pub const TIMELINE_START: i64 = 900_000;
    /// Payload of a packet without adaptation field.
    pub const PAYLOAD_BYTES: u64 = 184;
    /// PAT and PMT at the start of each segment, one packet each.
    pub const TABLE_PACKETS: u64 = 2;
    /// Adaptation field with a program clock reference.
    pub const CLOCK_FIELD_BYTES: u64 = 8;
    /// PES header with PTS, and with PTS and DTS.
    pub const PES_HEADER_BYTES: [u64; 2] = [14, 19];
    /// An access unit delimiter behind its start code.
    pub const DELIMITER_BYTES: u64 = 6;
    /// An ADTS header without CRC.
    pub const ADTS_HEADER_BYTES: u64 = 7;
    /// The longest time between two clock references, 90 kHz ticks. The standard allows 100 ms
    /// (ISO/IEC 13818-1:2023 2.7.2).
    pub const CLOCK_INTERVAL: i64 = 7_200;
    /// Audio frames are gathered into PES packets of at most this payload: 16 transport packets.
    pub const AUDIO_PES_PAYLOAD_BYTES: u64 = 16 * PAYLOAD_BYTES - PES_HEADER_BYTES[0];

    /// Packets that carry a PES packet of `pes_bytes`, header included, whose first packet has
    /// `field_bytes` of adaptation field.
    pub const fn packets(pes_bytes: u64, field_bytes: u64) -> u64 {
        (pes_bytes + field_bytes).div_ceil(PAYLOAD_BYTES)
    }

    /// Packets with payload that a picture of `size` bytes takes: with the bytes of parameter sets,
    /// start codes included, that stand in front of it; with two timestamps or one.
    pub const fn picture_packets(parameter_sets: u64, size: u32, has_decode_time: bool) -> u64 {
        let header = PES_HEADER_BYTES[has_decode_time as usize];
        packets(header + DELIMITER_BYTES + parameter_sets + size as u64, CLOCK_FIELD_BYTES)
    }

    /// Clock-only packets that follow a picture that is decoded for `duration` 90 kHz ticks.
    pub const fn clock_packets(duration: i64) -> u64 {
        if duration <= CLOCK_INTERVAL { 0 } else { ((duration - 1) / CLOCK_INTERVAL) as u64 }
    }
}
