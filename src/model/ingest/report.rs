//! What ingest measured. Durations and distances are milliseconds, rounded to the nearest; bit
//! rates are bits per second.

use serde::{Deserialize, Serialize};

use super::{Finding, FindingCode, Findings, Place, Topic};
use crate::model::policy::PackageType;

/// What ingest measured and what it found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Report {
    /// Duration of the presentation.
    pub duration_milliseconds: i64,
    /// Bytes that the stored index takes.
    pub index_bytes: u64,
    /// Stretches of one clock and one configuration, in order.
    pub periods: Vec<PeriodReport>,
    /// One entry for each stream of the master playlist, in its order.
    pub streams: Vec<StreamReport>,
    /// Audio renditions that players are offered, after identical ones were joined.
    pub audio_renditions: u32,
    /// How the streams go together.
    pub alignment: Alignment,
    /// What each package type offers and leaves out.
    pub packages: Vec<PackageReport>,
    /// What is not as it should be, the worst first; the asset plays all the same.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Tells what package types make of the title. What one leaves out because it cannot carry it
    /// is a finding, too.
    pub fn set_packages(&mut self, packages: Vec<PackageReport>) {
        let mut findings = Findings::from(std::mem::take(&mut self.findings));
        for package in &packages {
            for left_out in &package.left_out {
                let package_type = package.package_type.as_str();
                let detail =
                    format!("{package_type} leaves out {}: {}", left_out.what, left_out.reason);
                let place = Place::stream(&left_out.stream);
                findings.add(FindingCode::CodecLeftOut, place, detail);
            }
        }
        self.findings = findings.into_sorted();
        self.packages = packages;
    }

    /// Fills [`StreamReport::damage`] and [`StreamReport::clocks`] from the findings.
    pub fn tally(&mut self) {
        for stream in &mut self.streams {
            let of = |topic| {
                let about = |finding: &&Finding| {
                    finding.code.topic() == topic && finding.stream() == Some(&stream.uri)
                };
                self.findings.iter().filter(about).map(Tally::of).collect()
            };
            (stream.damage, stream.clocks) = (of(Topic::Damage), of(Topic::Clocks));
        }
    }
}

/// A stretch of one clock and one configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeriodReport {
    /// When its first picture is shown.
    pub start_milliseconds: i64,
    /// Until the next begins.
    pub duration_milliseconds: i64,
    /// Why it begins.
    pub cause: PeriodCause,
}

/// Why a period begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeriodCause {
    /// The title begins.
    Start,
    /// The playlist says `EXT-X-DISCONTINUITY`.
    Discontinuity,
    /// The clock jumps and the playlist does not say so.
    ClockJump,
    /// Picture size, parameter sets or the format of the sound change.
    ConfigurationChange,
    /// The track goes on under another PID, and the playlist does not say so.
    TrackMove,
    /// Segments are missing before it.
    Gap,
}

impl PeriodCause {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Start,
        Self::Discontinuity,
        Self::ClockJump,
        Self::ConfigurationChange,
        Self::TrackMove,
        Self::Gap,
    ];

    /// The word as the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Discontinuity => "discontinuity",
            Self::ClockJump => "clock_jump",
            Self::ConfigurationChange => "configuration_change",
            Self::TrackMove => "track_move",
            Self::Gap => "gap",
        }
    }
}

/// What was measured of one stream of the master playlist.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct StreamReport {
    /// URI of the media playlist as the master playlist writes it.
    pub uri: String,
    /// Source segments.
    pub segments: u64,
    /// Bytes of all source segments.
    pub bytes: u64,
    /// From the first picture or frame of sound to the end of the last, over all periods.
    pub duration_milliseconds: i64,
    /// `BANDWIDTH` that the master playlist declares.
    pub declared_bandwidth: u64,
    /// `AVERAGE-BANDWIDTH`, where the master playlist declares it.
    pub declared_average_bandwidth: Option<u64>,
    /// Highest bit rate of any source segment.
    pub measured_peak_bandwidth: u64,
    /// Bit rate over the whole stream.
    pub measured_average_bandwidth: u64,
    /// RFC 6381 codec strings found in the media, video first.
    pub codecs: Vec<String>,
    /// The pictures, in the first period that has some unless it says otherwise.
    pub video: Option<VideoReport>,
    /// The sound, in the first period that has some unless it says otherwise.
    pub audio: Option<AudioReport>,
    /// The captions that the pictures carry.
    pub captions: Vec<CaptionReport>,
    /// How sound and pictures go together, where there are both.
    pub offsets: Option<Offsets>,
    /// Damage by code, with the first places.
    pub damage: Vec<Tally>,
    /// Jumps, gaps and other flaws of the clock by code, with the first places.
    pub clocks: Vec<Tally>,
}

/// The pictures of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VideoReport {
    /// The codec's name for people.
    pub codec: String,
    /// Picture size for display, `WIDTHxHEIGHT`.
    pub resolution: String,
    /// Frames per second as decimal text.
    pub frame_rate: String,
    /// Whole pictures or fields.
    pub scan: ScanType,
    /// Pictures in all periods.
    pub pictures: u64,
    /// `SDR`, `HLG` or `PQ`.
    pub range: String,
    /// The colour description, if the stream has one.
    pub colours: Option<Colours>,
    /// The stream tells the colour volume of the mastering display (HDR10).
    pub has_mastering_display: bool,
    /// The stream tells its content light level (HDR10).
    pub has_light_level: bool,
    /// Where decoding can begin, in all periods.
    pub random_access: RandomAccessReport,
}

/// Whole pictures or fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScanType {
    /// Whole pictures.
    Progressive,
    /// Pictures may consist of two fields.
    Interlaced,
}

impl ScanType {
    /// The word as the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Progressive => "progressive",
            Self::Interlaced => "interlaced",
        }
    }
}

/// Code points of ISO/IEC 23091-2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Colours {
    /// `ColourPrimaries`.
    pub primaries: u8,
    /// `TransferCharacteristics`.
    pub transfer: u8,
    /// `MatrixCoefficients`.
    pub matrix: u8,
    /// `VideoFullRangeFlag`.
    pub full_range: bool,
}

/// Where decoding can begin. The counts by kind sum to `points`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RandomAccessReport {
    /// Random access points.
    pub points: u64,
    /// Those at which all is right at once, whatever came before: IDR pictures and the like.
    pub instant: u64,
    /// Intra pictures that a recovery point announces.
    pub recovery: u64,
    /// Recovery points after which it takes some pictures until they are right.
    pub gradual: u64,
    /// Shortest distance between two.
    pub shortest_milliseconds: i64,
    /// Longest distance between two, or from the last to the end.
    pub longest_milliseconds: i64,
    /// Average distance between two.
    pub average_milliseconds: i64,
}

/// The sound of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AudioReport {
    /// The codec's name for people.
    pub codec: String,
    /// Hertz of what is heard.
    pub sampling_frequency: u32,
    /// Loudspeaker channels.
    pub channels: u8,
    /// The channels in words: `mono`, `stereo`, `5.1`, `7.1`, or `16/JOC` as `CHANNELS` writes it.
    pub layout: String,
    /// Audio frames in all periods.
    pub frames: u64,
}

/// Captions that the pictures of a stream carry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptionReport {
    /// `CC1` to `CC4` (CTA-608), `SERVICE1` to `SERVICE63` (CTA-708).
    pub channel: String,
    /// The name that the master playlist gives it.
    pub name: Option<String>,
    /// The language that the master playlist says it is in.
    pub language: Option<String>,
    /// Whether the master playlist declares it for the stream.
    pub declared: bool,
}

/// How far sound and pictures are apart. Positive where sound is later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Offsets {
    /// First frame of sound minus first picture, in the first period that has both.
    pub start_milliseconds: i64,
    /// End of the sound minus end of the pictures, in the last period that has both.
    pub end_milliseconds: i64,
    /// How much further sound lags behind its own timestamps at the end than at the start, where
    /// that was measured.
    pub drift_milliseconds: Option<i64>,
}

/// How often something was found in a stream, and where first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// What.
    pub code: FindingCode,
    /// How often, in the unit of [`Finding::count`].
    pub count: u64,
    /// The first places.
    pub places: Vec<Place>,
}

impl Tally {
    fn of(finding: &Finding) -> Self {
        Self { code: finding.code, count: finding.count, places: finding.places.clone() }
    }
}

/// How the streams of a title go together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alignment {
    /// All streams with pictures have their random access points at the same times.
    pub aligned: bool,
    /// Random access points that are in all of them, over all periods.
    pub shared_keyframes: u64,
    /// Random access points of the stream that has fewest, over all periods.
    pub keyframes: u64,
    /// Duration of the shortest stream.
    pub shortest_milliseconds: i64,
    /// Duration of the longest stream.
    pub longest_milliseconds: i64,
}

/// What a package type makes of a title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageReport {
    /// The package type.
    pub package_type: PackageType,
    /// What players are offered, a line for each rendition.
    pub offered: Vec<String>,
    /// What they are not.
    pub left_out: Vec<LeftOut>,
}

/// Something that a package type leaves out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// URI of the media playlist as the master playlist writes it.
    pub stream: String,
    /// What of it: the codec's name for people.
    pub what: String,
    /// Why, in plain words.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_package_type_leaves_out_is_a_finding_of_its_stream() {
        let mut findings = Findings::new();
        findings.add(FindingCode::ClockWraps, Place::stream("a"), "…");
        findings.add(FindingCode::PacketsLost, Place::stream("a"), "…");
        let mut report = Report { findings: findings.into_sorted(), ..Report::default() };
        let left_out = |stream: &str| LeftOut {
            stream: stream.to_owned(),
            what: "MP3".to_owned(),
            reason: "no player plays it".to_owned(),
        };
        let package =
            |package_type, left_out| PackageReport { package_type, offered: Vec::new(), left_out };
        report.set_packages(vec![
            package(PackageType::Dash, vec![left_out("a"), left_out("b")]),
            package(PackageType::HlsCmaf, vec![left_out("a")]),
            package(PackageType::Hls, Vec::new()),
        ]);
        assert_eq!(report.packages.len(), 3);
        let found: Vec<_> = report
            .findings
            .iter()
            .map(|finding| (finding.code.as_str(), finding.stream().unwrap(), finding.count))
            .collect();
        assert_eq!(
            found,
            [
                ("packets_lost", "a", 1),
                ("codec_left_out", "a", 2),
                ("codec_left_out", "b", 1),
                ("clock_wraps", "a", 1),
            ]
        );
        assert_eq!(report.findings[1].detail, "DASH leaves out MP3: no player plays it");
    }

    #[test]
    fn damage_and_clocks_are_tallied_for_their_stream() {
        let mut findings = Findings::new();
        findings.add_many(FindingCode::PacketsLost, Place::stream("a").byte(7), 3, "…");
        findings.add(FindingCode::AudioGaps, Place::stream("a"), "…");
        findings.add(FindingCode::CodecsDiffer, Place::stream("a"), "…");
        findings.add(FindingCode::SyncLost, Place::stream("b"), "…");
        let stream = StreamReport { uri: "a".to_owned(), ..StreamReport::default() };
        let mut report =
            Report { streams: vec![stream], findings: findings.into_sorted(), ..Report::default() };
        report.tally();
        let tally = |code, count, place| Tally { code, count, places: vec![place] };
        let lost = tally(FindingCode::PacketsLost, 3, Place::stream("a").byte(7));
        assert_eq!(report.streams[0].damage, [lost]);
        let gaps = tally(FindingCode::AudioGaps, 1, Place::stream("a"));
        assert_eq!(report.streams[0].clocks, [gaps]);
    }
}
