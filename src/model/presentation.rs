//! A title as ingest indexed it: everything that manifests and plans are made from, and no media.
//!
//! ```text
//! Presentation
//! ├ periods   [Period]            stretches between discontinuities
//! ├ streams   [Stream]            one for each media playlist of the source
//! │ ├ objects [SourceObject]      the source segments
//! │ └ periods [StreamPeriod]      beside Presentation::periods
//! │   ├ video  Track ─ groups [Group]   one group of pictures each
//! │   └ audio  Track ─ groups [Group]   one run of frames each, cut at the video's groups
//! ├ texts     [TextStream]        subtitles, in full
//! ├ session                       what holds for all of it
//! ├ markers   [Marker]            breaks and other stretches
//! └ wall_clock                    dates
//! ```
//!
//! All times lie on one timeline over the whole presentation, in the track's timescale. It starts
//! at 0 with whichever track starts first; the first video picture is at [`Period::start`].

use serde::{Deserialize, Serialize};

use super::caption::Caption;
use super::codec::{CodecConfig, StreamSyntax};
use super::description::Description;
use super::groups::Groups;
use super::list::List;
use super::marker::Marker;
use super::sample::RandomAccess;
use super::session::{Session, VariantWords};
use super::source_key::SourceEncryption;
use super::text::TextStream;
use super::timed_metadata::TimedMetadata;
use super::wall_clock::WallClock;
use crate::time::{Ticks, Timescale};

/// An ingested title. Immutable; shared in an `Arc`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presentation {
    /// Stretches between discontinuities, in order.
    pub periods: Vec<Period>,
    /// The streams of the source's master playlist, in its order.
    pub streams: Vec<Stream>,
    /// Its subtitles, in its order.
    pub texts: Vec<TextStream>,
    /// What it says of the title as a whole.
    pub session: Session,
    /// Its markers, in order of time.
    pub markers: Vec<Marker>,
    /// Its dates.
    pub wall_clock: WallClock,
}

impl Presentation {
    /// How long it plays, in [`Timescale::MPEG`] ticks.
    pub fn duration(&self) -> Ticks {
        Ticks(self.periods.iter().map(|period| period.duration.0).sum())
    }

    /// The stream's index entries for one period.
    pub fn stream_period(&self, stream: usize, period: usize) -> Option<&StreamPeriod> {
        self.streams.get(stream)?.periods.get(period)
    }

    /// The track that a rendition shows in one period.
    pub fn track(&self, stream: usize, period: usize, medium: Medium) -> Option<&Track> {
        let stream_period = self.stream_period(stream, period)?;
        match medium {
            Medium::Video => stream_period.video.as_ref(),
            Medium::Audio => stream_period.audio.as_ref(),
        }
    }

    /// The first stream whose audio is the same, frame for frame, as this stream's, and is
    /// described by the same words.
    pub fn audio_origin(&self, stream: usize) -> Option<usize> {
        let stream = self.streams.get(stream)?;
        let identity = stream.audio_identity?;
        self.streams.iter().position(|other| {
            other.audio_identity == Some(identity)
                && other.role.description() == stream.role.description()
        })
    }
}

/// A stretch in which neither clock nor codec configuration is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// When its first picture is shown, [`Timescale::MPEG`] ticks.
    pub start: Ticks,
    /// Until the next period starts, [`Timescale::MPEG`] ticks.
    pub duration: Ticks,
}

/// One media playlist of the source and what its segments hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// The URI as the master playlist writes it.
    pub uri: String,
    /// What the master playlist offers it as.
    pub role: StreamRole,
    /// `BANDWIDTH` that the master playlist declares, bits per second; 0 where it is no variant.
    pub declared_bandwidth: u64,
    /// The source segments in playing order.
    pub objects: List<SourceObject>,
    /// XXH3-128 over all bytes of the source segments: other bytes, other version.
    pub source_identity: [u8; 16],
    /// SHA-256 over all audio frames and their times; equal means interchangeable.
    pub audio_identity: Option<[u8; 32]>,
    /// The captions that its pictures carry, in order of their services.
    pub captions: Vec<Caption>,
    /// Its ID3 tags, in order of period and time.
    pub metadata: Vec<TimedMetadata>,
    /// One entry for each period of the presentation.
    pub periods: Vec<StreamPeriod>,
}

impl Stream {
    /// Whether any period has the medium.
    pub fn has(&self, medium: Medium) -> bool {
        self.periods.iter().any(|period| match medium {
            Medium::Video => period.video.is_some(),
            Medium::Audio => period.audio.is_some(),
        })
    }
}

/// What the source's master playlist offers a stream as: to be shown (`EXT-X-STREAM-INF`), to be
/// heard with others (`EXT-X-MEDIA`), or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamRole {
    /// Whether it is to be shown.
    pub is_variant: bool,
    /// The groups of sound that go with it, each as good as the others. Empty where its own sound
    /// is meant, or none.
    pub audio_groups: Vec<String>,
    /// The groups that its own sound belongs to.
    pub sound: Option<SoundRole>,
    /// What else is said of what is shown.
    pub words: VariantWords,
}

impl StreamRole {
    /// A stream that is shown by itself.
    pub fn variant() -> Self {
        Self { is_variant: true, ..Self::default() }
    }

    /// What people are told of its sound.
    pub fn description(&self) -> Option<&Description> {
        self.sound.as_ref().map(|sound| &sound.description)
    }
}

/// Sound that people can choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoundRole {
    /// `GROUP-ID`s.
    pub groups: Vec<String>,
    /// What people are told of it.
    pub description: Description,
    /// `STABLE-RENDITION-ID`.
    pub stable_id: Option<String>,
    /// Whether it has no playlist of its own, and is heard with the pictures of its stream alone.
    pub is_inside: bool,
}

/// A stored source segment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SourceObject {
    /// Path of the file below the source root.
    pub path: String,
    /// Where the segment begins in the file: 0 unless the playlist gives byte ranges.
    pub start: u64,
    /// Bytes of the segment when it was ingested.
    pub size: u64,
    /// Bytes from one transport packet to the next: 188, or 192 with time codes in front, or 204
    /// with parity behind. 0 where there are no packets: packed audio, frames one after another.
    pub packet_bytes: u8,
    /// How it is encrypted in storage. The other numbers count clear bytes then, but for `start`.
    pub encryption: Option<SourceEncryption>,
}

/// One stream during one period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamPeriod {
    /// The video track.
    pub video: Option<Track>,
    /// The audio track.
    pub audio: Option<Track>,
}

/// Which kind of track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Medium {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
}

/// One elementary stream of the source during one period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// Packet identifier in the source.
    pub pid: u16,
    /// How the source writes it.
    pub syntax: StreamSyntax,
    /// What a decoder needs.
    pub codec: CodecConfig,
    /// Unit of all times in this track.
    pub timescale: Timescale,
    /// The usual duration of a sample, in ticks.
    pub sample_duration: u32,
    /// Source clock (90 kHz, modulo 2^33) minus timeline, so that timestamps can be placed.
    pub clock_offset: Ticks,
    /// How much earlier than in fragments samples are decoded in transport streams, where decoding
    /// may not follow presentation.
    pub transport_delay: u32,
    /// Independently decodable groups, without gaps in order of time.
    pub groups: Groups,
    /// When the last sample ends.
    pub end: Ticks,
}

impl Track {
    /// When the given group ends: where the next begins, or the end of the track.
    pub fn group_end(&self, group: usize) -> Ticks {
        self.groups.times().get(group + 1).copied().unwrap_or(self.end)
    }

    /// Samples and duration of the group whose samples last neither the longest nor the shortest:
    /// the median, which gaps and leftovers do not move.
    pub fn typical_group(&self) -> Option<(u32, Ticks)> {
        let mut groups: Vec<(u32, Ticks)> = (0..self.groups.len())
            .filter_map(|index| {
                let group = self.groups.get(index)?;
                Some((group.samples.max(1), self.group_end(index).minus(group.time)))
            })
            .collect();
        // a ÷ b < c ÷ d where a × d < c × b.
        let middle = groups.len().checked_sub(1)? / 2;
        let by_rate = |a: &(u32, Ticks), b: &(u32, Ticks)| {
            let (left, right) =
                (i128::from(a.1.0) * i128::from(b.0), i128::from(b.1.0) * i128::from(a.0));
            left.cmp(&right)
        };
        Some(*groups.select_nth_unstable_by(middle, by_rate).1)
    }

    /// When the first sample is shown.
    pub fn start(&self) -> Ticks {
        self.groups.times().first().copied().unwrap_or(self.end)
    }
}

/// A group of pictures, or a run of audio frames: what can be decoded by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// The source packet in which it begins.
    pub start: SourcePosition,
    /// Behind the source packet in which it ends.
    pub end: SourcePosition,
    /// Elementary stream bytes in the first packet that belong to the sample before.
    pub skip: u8,
    /// Payload that is to come, from the first packet on, of the PES packet that it begins in the
    /// middle of, if the source says.
    pub pes_left: Option<u32>,
    /// When the first of its samples is shown, in the track's timescale.
    pub time: Ticks,
    /// How much earlier the source decodes its first sample, in the track's timescale.
    pub decode_delay: u32,
    /// Access units or audio frames.
    pub samples: u32,
    /// Bytes of all samples as CMAF stores them.
    pub payload_bytes: u32,
    /// The duration that all its samples have, if they agree.
    pub uniform_duration: Option<u32>,
    /// Packets with payload that it takes in our transport streams.
    pub ts_payload_packets: u32,
    /// What it takes more to keep the clock reference frequent: of pictures packets without payload;
    /// of sound packets with payload, where no pictures carry the clock.
    pub ts_clock_packets: u32,
    /// Stretches of clear and encrypted bytes in all its pictures.
    pub subsamples: SubsampleCounts,
    /// How decoding can begin with its first sample.
    pub access: RandomAccess,
    /// How much later than [`Group::time`] its first sample is shown, in the track's timescale:
    /// leading pictures are decoded after it and shown before. Negative where the source shows it
    /// before the group ahead of it ends.
    pub lead: i64,
    /// Access units of the source that are left out: leading pictures whose references are not
    /// there, or frames of sound, behind the samples, that repeat what was heard.
    pub left_out: u32,
    /// Pictures of the source behind all of these that are left out because nothing precedes them
    /// that they could be decoded with.
    pub undecodable: u32,
    /// Its first picture, where that can be decoded by itself.
    pub still: Option<StillPicture>,
}

/// The picture that a group begins with, as far as it differs from the group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StillPicture {
    /// Behind the source packet in which it ends.
    pub end: SourcePosition,
    /// Elementary stream bytes of that packet that belong to it, from the first on; 0 where all do.
    pub last: u8,
    /// Bytes as CMAF stores it.
    pub bytes: u32,
    /// Stretches of clear and encrypted bytes.
    pub subsamples: SubsampleCounts,
}

impl Group {
    /// The type of stream access point that it begins with (ISO/IEC 14496-12:2022 annex I).
    pub const fn access_type(&self) -> u8 {
        match (self.access, self.lead) {
            (RandomAccess::Instant | RandomAccess::Recovery, ..=0) => 1,
            // Leading pictures may refer to what comes before.
            (RandomAccess::Instant | RandomAccess::Recovery, _) => 3,
            (RandomAccess::Gradual | RandomAccess::None, _) => 4,
        }
    }
}

/// How many subsamples pictures have, which decides the size of encrypted fragments. All 0 for
/// audio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubsampleCounts {
    /// In all samples together where they are encrypted with cenc.
    pub cenc: u32,
    /// The same with cbcs.
    pub cbcs: u32,
    /// The most in one sample, whichever scheme.
    pub most: u16,
}

/// A place in the source segments of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourcePosition {
    /// Index into [`Stream::objects`].
    pub object: u32,
    /// Bytes from the start of that segment.
    pub offset: u64,
}

/// A stretch of one source segment that has to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSpan {
    /// Index into [`Stream::objects`].
    pub object: u32,
    /// Bytes from the start of that segment.
    pub bytes: std::ops::Range<u64>,
}

/// The bytes between two places of a stream, object by object.
pub fn spans_between(
    objects: &[SourceObject],
    start: SourcePosition,
    end: SourcePosition,
) -> Vec<SourceSpan> {
    (start.object..=end.object)
        .filter_map(|object| {
            let size = objects.get(object as usize)?.size;
            let from = if object == start.object { start.offset } else { 0 };
            // The end counts whole packets, which packed audio need not fill.
            let to = if object == end.object { end.offset.min(size) } else { size };
            (from < to).then_some(SourceSpan { object, bytes: from..to })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_run_over_objects() {
        let object = |size| SourceObject {
            path: String::new(),
            start: 0,
            size,
            packet_bytes: 188,
            encryption: None,
        };
        let objects = [object(1000), object(500), object(800)];
        let at = |object, offset| SourcePosition { object, offset };
        assert_eq!(
            spans_between(&objects, at(0, 188), at(2, 376)),
            [
                SourceSpan { object: 0, bytes: 188..1000 },
                SourceSpan { object: 1, bytes: 0..500 },
                SourceSpan { object: 2, bytes: 0..376 },
            ]
        );
        assert_eq!(
            spans_between(&objects, at(0, 0), at(1, 0)),
            [SourceSpan { object: 0, bytes: 0..1000 }]
        );
    }
}
