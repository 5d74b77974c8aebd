//! How the OpenAPI document describes what ingest tells.
//!
//! The values are written by the serde forms of `model::ingest`; these types only describe them,
//! and a test compares the two.

#![expect(dead_code, reason = "these types are described, never built")]

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::configurations::PackageTypeSchema;
use crate::model::ingest::FindingCode;

/// Why the last ingest failed.
#[derive(Serialize, ToSchema)]
#[schema(as = IngestFailure)]
pub(super) struct FailureSchema {
    /// What kind of failure.
    code: FailureCodeSchema,
    /// Plain words that name the file and, for playlists, the line.
    detail: String,
    /// What to do, one sentence.
    remedy: String,
}

/// Stable words for what can go wrong in ingest.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = IngestFailureCode)]
pub(super) enum FailureCodeSchema {
    SourceNotFound,
    SourceForbidden,
    SourceUnavailable,
    NotAPlaylist,
    NotAMasterPlaylist,
    NoVariants,
    NotVod,
    OutsideSource,
    UnsupportedContainer,
    UnsupportedCodec,
    NoKeyframes,
    CorruptSegment,
    LimitExceeded,
}

/// How far an ingest is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = IngestProgress)]
pub(super) struct ProgressSchema {
    /// Source segments read.
    segments_done: u64,
    /// Source segments in all media playlists; 0 until they are read.
    segments_total: u64,
    /// Bytes read from the source.
    bytes_read: u64,
}

/// What the last successful ingest measured and found.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = IngestReport)]
pub(super) struct ReportSchema {
    /// Duration of the presentation.
    duration_milliseconds: i64,
    /// Bytes that the stored index takes.
    index_bytes: u64,
    /// Stretches of one clock and one configuration, in order.
    periods: Vec<PeriodSchema>,
    /// One entry for each stream of the master playlist, in its order.
    streams: Vec<StreamReportSchema>,
    /// Audio renditions that players are offered, after identical ones were joined.
    audio_renditions: u32,
    /// How the streams go together.
    alignment: AlignmentSchema,
    /// What each package type offers and leaves out.
    packages: Vec<PackageSchema>,
    /// What is not as it should be, the worst first; the asset plays all the same.
    findings: Vec<FindingSchema>,
}

/// A stretch of one clock and one configuration.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PeriodReport)]
pub(super) struct PeriodSchema {
    /// When its first picture is shown.
    start_milliseconds: i64,
    /// Until the next begins.
    duration_milliseconds: i64,
    /// Why it begins.
    cause: PeriodCauseSchema,
}

/// Why a period begins.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PeriodCause)]
pub(super) enum PeriodCauseSchema {
    Start,
    Discontinuity,
    ClockJump,
    ConfigurationChange,
    TrackMove,
    Gap,
}

/// What was measured of one stream of the master playlist.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StreamReport)]
pub(super) struct StreamReportSchema {
    /// URI of the media playlist as the master playlist writes it.
    uri: String,
    /// Source segments.
    segments: u64,
    /// Bytes of all source segments.
    bytes: u64,
    /// From the first picture or frame of sound to the end of the last.
    duration_milliseconds: i64,
    /// `BANDWIDTH` that the master playlist declares, bits per second.
    declared_bandwidth: u64,
    /// `AVERAGE-BANDWIDTH` that the master playlist declares, bits per second.
    #[schema(required = true)]
    declared_average_bandwidth: Option<u64>,
    /// Highest bit rate of any source segment, bits per second.
    measured_peak_bandwidth: u64,
    /// Bit rate over the whole stream, bits per second.
    measured_average_bandwidth: u64,
    /// RFC 6381 codec strings found in the media, video first.
    codecs: Vec<String>,
    /// The pictures.
    #[schema(required = true)]
    video: Option<VideoReportSchema>,
    /// The sound.
    #[schema(required = true)]
    audio: Option<AudioReportSchema>,
    /// The captions that the pictures carry.
    captions: Vec<CaptionSchema>,
    /// How sound and pictures go together, where there are both.
    #[schema(required = true)]
    offsets: Option<OffsetsSchema>,
    /// Damage by code, with the first places.
    damage: Vec<TallySchema>,
    /// Jumps, gaps and other flaws of the clock by code, with the first places.
    clocks: Vec<TallySchema>,
}

/// The pictures of a stream.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = VideoReport)]
pub(super) struct VideoReportSchema {
    /// The codec's name for people.
    #[schema(example = "H.264")]
    codec: String,
    /// Picture size for display, `WIDTHxHEIGHT`.
    #[schema(example = "1920x1080")]
    resolution: String,
    /// Frames per second as decimal text.
    #[schema(example = "29.970")]
    frame_rate: String,
    /// Whole pictures or fields.
    scan: ScanTypeSchema,
    /// Pictures in all periods.
    pictures: u64,
    /// `SDR`, `HLG` or `PQ`.
    range: String,
    /// The colour description, if the stream has one.
    #[schema(required = true)]
    colours: Option<ColoursSchema>,
    /// The stream tells the colour volume of the mastering display (HDR10).
    has_mastering_display: bool,
    /// The stream tells its content light level (HDR10).
    has_light_level: bool,
    /// Where decoding can begin.
    random_access: RandomAccessSchema,
}

/// Whole pictures or fields.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ScanType)]
pub(super) enum ScanTypeSchema {
    Progressive,
    Interlaced,
}

/// Code points of ISO/IEC 23091-2.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Colours)]
pub(super) struct ColoursSchema {
    /// `ColourPrimaries`.
    primaries: u8,
    /// `TransferCharacteristics`.
    transfer: u8,
    /// `MatrixCoefficients`.
    matrix: u8,
    /// `VideoFullRangeFlag`.
    full_range: bool,
}

/// Where decoding can begin. The counts by kind sum to `points`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RandomAccessReport)]
pub(super) struct RandomAccessSchema {
    /// Random access points.
    points: u64,
    /// Those at which all is right at once: IDR pictures and the like.
    instant: u64,
    /// Intra pictures that a recovery point announces.
    recovery: u64,
    /// Recovery points after which it takes some pictures until they are right.
    gradual: u64,
    /// Shortest distance between two.
    shortest_milliseconds: i64,
    /// Longest distance between two, or from the last to the end.
    longest_milliseconds: i64,
    /// Average distance between two.
    average_milliseconds: i64,
}

/// The sound of a stream.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AudioReport)]
pub(super) struct AudioReportSchema {
    /// The codec's name for people.
    #[schema(example = "AAC")]
    codec: String,
    /// Hertz of what is heard.
    sampling_frequency: u32,
    /// Loudspeaker channels.
    channels: u8,
    /// The channels in words.
    #[schema(example = "5.1")]
    layout: String,
    /// Audio frames in all periods.
    frames: u64,
}

/// Captions that the pictures of a stream carry.
#[derive(Serialize, ToSchema)]
#[schema(as = CaptionReport)]
pub(super) struct CaptionSchema {
    /// `CC1` to `CC4` (CTA-608), `SERVICE1` to `SERVICE63` (CTA-708).
    #[schema(example = "CC1")]
    channel: String,
    /// The name that the master playlist gives it.
    #[schema(required = true)]
    name: Option<String>,
    /// The language that the master playlist says it is in.
    #[schema(required = true, example = "en")]
    language: Option<String>,
    /// Whether the master playlist declares it for the stream.
    declared: bool,
}

/// How far sound and pictures are apart. Positive where sound is later.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Offsets)]
pub(super) struct OffsetsSchema {
    /// First frame of sound minus first picture.
    start_milliseconds: i64,
    /// End of the sound minus end of the pictures.
    end_milliseconds: i64,
    /// How much further sound lags behind its own timestamps at the end than at the start, where
    /// that was measured.
    #[schema(required = true)]
    drift_milliseconds: Option<i64>,
}

/// How often something was found in a stream, and where first.
#[derive(Serialize, ToSchema)]
#[schema(as = Tally)]
pub(super) struct TallySchema {
    /// What.
    code: FindingCodeSchema,
    /// How many: bytes for `sync_lost`, otherwise occurrences.
    count: u64,
    /// The first places, at most five.
    places: Vec<PlaceSchema>,
}

/// How the streams of a title go together.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Alignment)]
pub(super) struct AlignmentSchema {
    /// All streams with pictures have their random access points at the same times.
    aligned: bool,
    /// Random access points that are in all of them.
    shared_keyframes: u64,
    /// Random access points of the stream that has fewest.
    keyframes: u64,
    /// Duration of the shortest stream.
    shortest_milliseconds: i64,
    /// Duration of the longest stream.
    longest_milliseconds: i64,
}

/// What a package type makes of a title.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PackageReport)]
pub(super) struct PackageSchema {
    /// The package type.
    package_type: PackageTypeSchema,
    /// What players are offered, a line for each rendition.
    offered: Vec<String>,
    /// What they are not.
    left_out: Vec<LeftOutSchema>,
}

/// Something that a package type leaves out.
#[derive(Serialize, ToSchema)]
#[schema(as = LeftOut)]
pub(super) struct LeftOutSchema {
    /// URI of the media playlist as the master playlist writes it.
    stream: String,
    /// What of it: the codec's name for people.
    what: String,
    /// Why, in plain words.
    reason: String,
}

/// Something in the source that an operator should know about.
#[derive(Serialize, ToSchema)]
#[schema(as = Finding)]
pub(super) struct FindingSchema {
    /// How bad it is.
    severity: SeveritySchema,
    /// What kind of thing; docs/findings.md has a section for each.
    code: FindingCodeSchema,
    /// The first places, at most five, all in the same stream.
    places: Vec<PlaceSchema>,
    /// How many in all: bytes for `sync_lost`, otherwise occurrences.
    count: u64,
    /// Plain words about the first place.
    detail: String,
    /// What to do, one sentence.
    remedy: String,
}

/// How bad a finding is: `info`, nothing is wrong with what is played; `warning`, players may
/// notice; `error`, something of the title is not offered, heard or seen.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Severity)]
pub(super) enum SeveritySchema {
    Info,
    Warning,
    Error,
}

/// The codes of `model`, so that the list is not kept twice.
pub(super) struct FindingCodeSchema;

impl Serialize for FindingCodeSchema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl PartialSchema for FindingCodeSchema {
    fn schema() -> RefOr<Schema> {
        let codes = FindingCode::ALL.iter().map(|code| code.as_str());
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Stable words for what can be found in a source."))
            .enum_values(Some(codes))
            .into()
    }
}

impl ToSchema for FindingCodeSchema {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("FindingCode")
    }
}

/// Where something was found, as far as it is known.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Place)]
pub(super) struct PlaceSchema {
    /// URI of the media playlist as the master playlist writes it.
    #[schema(nullable = false)]
    stream: Option<String>,
    /// Path of the file below the source root.
    #[schema(nullable = false)]
    file: Option<String>,
    /// Bytes from the start of the file.
    #[schema(nullable = false)]
    byte: Option<u64>,
    /// Line of the playlist, from 1.
    #[schema(nullable = false)]
    line: Option<u64>,
    /// Milliseconds on the timeline of the presentation.
    #[schema(nullable = false)]
    time_milliseconds: Option<i64>,
    /// Index of the period, from 0.
    #[schema(nullable = false)]
    period: Option<u32>,
}
