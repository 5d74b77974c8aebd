//! The ingest report as text for people: tables of at most [`WIDTH`] columns.
//!
//! Nothing is left out that the JSON form has but the places beyond the first few and the code
//! points of colours.

use std::fmt::Write as _;

use crate::model::ingest::{
    Finding, FindingCode, IngestFailure, PackageReport, Report, Severity, StreamReport,
};

/// Columns of a line.
const WIDTH: usize = 100;
/// Places of a finding that are shown.
const PLACES: usize = 3;

/// Whether the text may hold escape sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Letters alone.
    Plain,
    /// Headings and severities stand out (ECMA-48 8.3.117).
    Coloured,
}

impl Style {
    fn paint(self, text: &str, parameter: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => format!("\u{1b}[{parameter}m{text}\u{1b}[0m"),
        }
    }

    fn heading(self, text: &str) -> String {
        self.paint(text, "1")
    }

    fn severity(self, severity: Severity) -> String {
        let parameter = match severity {
            Severity::Error => "1;31",
            Severity::Warning => "1;33",
            Severity::Info => "36",
        };
        self.paint(severity.as_str(), parameter)
    }
}

/// A title that can be played.
pub(super) fn of_report(place: &str, report: &Report, style: Style) -> String {
    let mut text = style.heading(&shortened(&format!("playable: {place}"), WIDTH));
    text.push('\n');
    let counts = format!(
        "{}, {}, {}, index of {}",
        clock(report.duration_milliseconds),
        counted(report.periods.len() as u64, "period"),
        counted(report.audio_renditions.into(), "audio rendition"),
        counted(report.index_bytes, "byte"),
    );
    text.push_str(&indented(&counts, 2));
    section(&mut text, "streams", style, &streams(&report.streams));
    section(&mut text, "tracks", style, &tracks(&report.streams));
    section(&mut text, "random access", style, &random_access(&report.streams));
    section(&mut text, "sound behind pictures", style, &offsets(&report.streams));
    section(&mut text, "alignment", style, &alignment(report));
    section(&mut text, "periods", style, &periods(report));
    section(&mut text, "packages", style, &packages(&report.packages));
    let found = findings(&report.findings, style);
    section(&mut text, "findings", style, if found.is_empty() { "  none\n" } else { &found });
    text
}

/// A title that cannot.
pub(super) fn of_failure(place: &str, failure: &IngestFailure, style: Style) -> String {
    let mut text = style.heading(&shortened(&format!("not playable: {place}"), WIDTH));
    text.push('\n');
    let _ = writeln!(text, "  {}", style.paint(failure.code.as_str(), "1;31"));
    text.push_str(&indented(&failure.detail, 4));
    text.push_str(&indented(&format!("→ {}", failure.code.remedy()), 4));
    text
}

fn section(text: &mut String, name: &str, style: Style, body: &str) {
    if !body.is_empty() {
        let _ = write!(text, "\n{}\n{body}", style.heading(name));
    }
}

fn streams(streams: &[StreamReport]) -> String {
    let mut table = Table::new(&[
        ("#", Side::Right),
        ("playlist", Side::Left),
        ("files", Side::Right),
        ("bytes", Side::Right),
        ("duration", Side::Right),
        ("declared", Side::Right),
        ("peak", Side::Right),
        ("average bit/s", Side::Right),
    ]);
    for (index, stream) in streams.iter().enumerate() {
        table.row([
            (index + 1).to_string(),
            stream.uri.clone(),
            stream.segments.to_string(),
            stream.bytes.to_string(),
            clock(stream.duration_milliseconds),
            stream.declared_bandwidth.to_string(),
            stream.measured_peak_bandwidth.to_string(),
            stream.measured_average_bandwidth.to_string(),
        ]);
    }
    table.text(1)
}

fn tracks(streams: &[StreamReport]) -> String {
    let mut table = Table::new(&[
        ("#", Side::Right),
        ("", Side::Left),
        ("codec", Side::Left),
        ("format", Side::Left),
        ("samples", Side::Right),
    ]);
    for (index, stream) in streams.iter().enumerate() {
        if let Some(video) = &stream.video {
            let is_hdr10 = video.has_mastering_display || video.has_light_level;
            let hdr = if is_hdr10 { " with HDR10 metadata" } else { "" };
            table.row([
                (index + 1).to_string(),
                "video".to_owned(),
                video.codec.clone(),
                format!(
                    "{} {} fps {} {}{hdr}",
                    video.resolution,
                    video.frame_rate,
                    video.scan.as_str(),
                    video.range
                ),
                video.pictures.to_string(),
            ]);
        }
        if let Some(audio) = &stream.audio {
            table.row([
                (index + 1).to_string(),
                "audio".to_owned(),
                audio.codec.clone(),
                format!("{} {} Hz", audio.layout, audio.sampling_frequency),
                audio.frames.to_string(),
            ]);
        }
        for caption in &stream.captions {
            let language = caption.language.as_deref().unwrap_or("und");
            table.row([
                (index + 1).to_string(),
                "captions".to_owned(),
                caption.channel.clone(),
                format!("{language} {}", caption.name.as_deref().unwrap_or_default()),
                String::new(),
            ]);
        }
    }
    table.text(3)
}

fn random_access(streams: &[StreamReport]) -> String {
    let mut table = Table::new(&[
        ("#", Side::Right),
        ("points", Side::Right),
        ("every", Side::Right),
        ("shortest", Side::Right),
        ("longest", Side::Right),
        ("kind", Side::Left),
    ]);
    for (index, stream) in streams.iter().enumerate() {
        let Some(access) = stream.video.as_ref().map(|video| video.random_access) else { continue };
        let kinds = [
            (access.instant, "instant"),
            (access.recovery, "recovery"),
            (access.gradual, "gradual"),
        ];
        let kinds = kinds.iter().filter(|(count, _)| *count > 0);
        let kinds: Vec<String> = kinds.map(|(count, kind)| format!("{count} {kind}")).collect();
        table.row([
            (index + 1).to_string(),
            access.points.to_string(),
            format!("{} s", seconds(access.average_milliseconds)),
            format!("{} s", seconds(access.shortest_milliseconds)),
            format!("{} s", seconds(access.longest_milliseconds)),
            kinds.join(", "),
        ]);
    }
    table.text(5)
}

fn offsets(streams: &[StreamReport]) -> String {
    let mut table = Table::new(&[
        ("#", Side::Right),
        ("at start", Side::Right),
        ("at end", Side::Right),
        ("drift", Side::Right),
    ]);
    for (index, stream) in streams.iter().enumerate() {
        let Some(offsets) = stream.offsets else { continue };
        let drift = offsets.drift_milliseconds;
        table.row([
            (index + 1).to_string(),
            format!("{:+} ms", offsets.start_milliseconds),
            format!("{:+} ms", offsets.end_milliseconds),
            drift.map_or("-".to_owned(), |drift| format!("{drift:+} ms")),
        ]);
    }
    table.text(3)
}

fn alignment(report: &Report) -> String {
    if report.streams.len() < 2 {
        return String::new();
    }
    let alignment = report.alignment;
    let word = if alignment.aligned { "aligned" } else { "not aligned" };
    let keyframes = format!(
        "{word}: {} of {} keyframes are in all streams",
        alignment.shared_keyframes, alignment.keyframes
    );
    let lengths = format!(
        "; streams last {} to {}",
        clock(alignment.shortest_milliseconds),
        clock(alignment.longest_milliseconds)
    );
    indented(&(keyframes + &lengths), 2)
}

fn periods(report: &Report) -> String {
    if report.periods.len() < 2 {
        return String::new();
    }
    let mut table = Table::new(&[
        ("#", Side::Right),
        ("start", Side::Right),
        ("duration", Side::Right),
        ("begins with", Side::Left),
    ]);
    for (index, period) in report.periods.iter().enumerate() {
        table.row([
            index.to_string(),
            clock(period.start_milliseconds),
            clock(period.duration_milliseconds),
            period.cause.as_str().replace('_', " "),
        ]);
    }
    table.text(3)
}

fn packages(packages: &[PackageReport]) -> String {
    let mut text = String::new();
    for package in packages {
        let name = package.package_type.as_str();
        if package.offered.is_empty() {
            let _ = writeln!(text, "  {name:<10}nothing");
        }
        for (index, line) in package.offered.iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            let _ = writeln!(text, "  {name:<10}{}", shortened(line, WIDTH - 12));
        }
        for left_out in &package.left_out {
            let line =
                format!("left out: {} of {}: {}", left_out.what, left_out.stream, left_out.reason);
            text.push_str(&indented(&line, 12));
        }
    }
    text
}

/// By severity, the worst first, as the report has them.
fn findings(findings: &[Finding], style: Style) -> String {
    let mut text = String::new();
    for finding in findings {
        let times = match finding.count {
            count if finding.code == FindingCode::SyncLost => {
                format!(", {}", counted(count, "byte"))
            }
            0 | 1 => String::new(),
            count => format!(", {count} times"),
        };
        let severity = style.severity(finding.severity());
        let _ = writeln!(text, "  {severity} {}{times}", finding.code.as_str());
        let places = finding.places.iter().filter(|place| !place.is_nowhere());
        for place in places.take(PLACES) {
            let _ = writeln!(text, "    {}", shortened(&place.to_string(), WIDTH - 4));
        }
        if finding.places.len() > PLACES {
            text.push_str("    …\n");
        }
        text.push_str(&indented(&finding.detail, 4));
        text.push_str(&indented(&format!("→ {}", finding.remedy()), 4));
    }
    text
}

fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// `1:02:03.456`.
fn clock(milliseconds: i64) -> String {
    let sign = if milliseconds < 0 { "-" } else { "" };
    let total = milliseconds.unsigned_abs();
    let (minutes, rest) = (total / 60_000, total % 60_000);
    format!("{sign}{}:{:02}:{:02}.{:03}", minutes / 60, minutes % 60, rest / 1000, rest % 1000)
}

/// `2.040`.
fn seconds(milliseconds: i64) -> String {
    let sign = if milliseconds < 0 { "-" } else { "" };
    let total = milliseconds.unsigned_abs();
    format!("{sign}{}.{:03}", total / 1000, total % 1000)
}

/// Lines of at most [`WIDTH`] columns, each with a margin. Words that are longer are cut.
fn indented(words: &str, margin: usize) -> String {
    let room = WIDTH.saturating_sub(margin);
    let mut lines: Vec<String> = Vec::new();
    for word in words.split_whitespace() {
        let word = shortened(word, room);
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(&word) <= room => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines.iter().map(|line| format!("{:margin$}{line}\n", "")).collect()
}

/// Columns that a text takes, one for each character.
fn width(text: &str) -> usize {
    text.chars().count()
}

/// At most so many columns: the middle gives way, since names differ at their ends. What a terminal
/// would take as a command is shown as a replacement character.
fn shortened(text: &str, room: usize) -> String {
    let letters: Vec<char> =
        text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect();
    if letters.len() <= room {
        return letters.into_iter().collect();
    }
    let kept = room.saturating_sub(1);
    let behind = kept.div_ceil(2);
    let start = letters.iter().take(kept - behind);
    let end = letters.iter().skip(letters.len() - behind);
    start.chain(std::iter::once(&'…')).chain(end).collect()
}

/// On which side of its column a cell stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// A table whose columns are as wide as their widest cell.
struct Table {
    sides: Vec<Side>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(columns: &[(&str, Side)]) -> Self {
        Self {
            sides: columns.iter().map(|(_, side)| *side).collect(),
            rows: vec![columns.iter().map(|(name, _)| (*name).to_owned()).collect()],
        }
    }

    fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// The lines; nothing where there are no rows. Column `elastic` gives way where a line would be
    /// too long.
    fn text(&self, elastic: usize) -> String {
        if self.rows.len() < 2 {
            return String::new();
        }
        let mut widths: Vec<usize> = (0..self.sides.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| width(cell)).max().unwrap_or(0)
            })
            .collect();
        let total: usize = widths.iter().map(|width| width + 2).sum();
        if let Some(width) = widths.get_mut(elastic) {
            let least = (*width).min(8);
            *width = width.saturating_sub(total.saturating_sub(WIDTH)).max(least);
        }
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, width), side) in row.iter().zip(&widths).zip(&self.sides) {
                let cell = shortened(cell, *width);
                let _ = match side {
                    Side::Left => write!(line, "  {cell:<width$}"),
                    Side::Right => write!(line, "  {cell:>width$}"),
                };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ingest::{
        Alignment, AudioReport, FailureCode, Findings, LeftOut, Offsets, PeriodCause, PeriodReport,
        Place, RandomAccessReport, ScanType, VideoReport,
    };
    use crate::model::policy::PackageType;

    fn stream(uri: &str) -> StreamReport {
        StreamReport {
            uri: uri.to_owned(),
            segments: 123_456,
            bytes: 98_765_432_100,
            duration_milliseconds: 36_000_040,
            declared_bandwidth: 25_000_000,
            measured_peak_bandwidth: 24_999_999,
            measured_average_bandwidth: 21_947_873,
            video: Some(VideoReport {
                codec: "H.264".to_owned(),
                resolution: "3840x2160".to_owned(),
                frame_rate: "59.940".to_owned(),
                scan: ScanType::Progressive,
                pictures: 2_157_842,
                range: "PQ".to_owned(),
                colours: None,
                has_mastering_display: true,
                has_light_level: false,
                random_access: RandomAccessReport {
                    points: 18_000,
                    instant: 17_999,
                    recovery: 1,
                    gradual: 0,
                    shortest_milliseconds: 960,
                    longest_milliseconds: 10_040,
                    average_milliseconds: 2_000,
                },
            }),
            audio: Some(AudioReport {
                codec: "E-AC-3 with JOC".to_owned(),
                sampling_frequency: 48_000,
                channels: 6,
                layout: "16/JOC".to_owned(),
                frames: 1_125_000,
            }),
            offsets: Some(Offsets {
                start_milliseconds: -21,
                end_milliseconds: 13,
                drift_milliseconds: None,
            }),
            ..StreamReport::default()
        }
    }

    fn report() -> Report {
        let mut findings = Findings::new();
        let long = "a/very/long/folder/".repeat(8);
        for byte in 0..7 {
            let place = Place::stream("v.m3u8").file(format!("{long}{byte}.ts")).byte(byte);
            findings.add(FindingCode::PacketsLost, place, format!("lost in {long}\u{1b}[2J"));
        }
        findings.add_many(FindingCode::SyncLost, Place::stream("v.m3u8"), 40, "skipped");
        findings.add(FindingCode::VariantMissing, Place::stream("x.m3u8"), "it is not there");
        Report {
            duration_milliseconds: 36_000_040,
            periods: vec![
                PeriodReport {
                    start_milliseconds: 0,
                    duration_milliseconds: 1_000,
                    cause: PeriodCause::Start,
                },
                PeriodReport {
                    start_milliseconds: 1_000,
                    duration_milliseconds: 35_999_040,
                    cause: PeriodCause::ClockJump,
                },
            ],
            streams: vec![stream("4k/index.m3u8"), stream(&format!("{long}index.m3u8"))],
            alignment: Alignment { shared_keyframes: 3, keyframes: 9, ..Alignment::default() },
            packages: vec![PackageReport {
                package_type: PackageType::HlsCmaf,
                offered: vec!["video-1: H.264 3840x2160".to_owned()],
                left_out: vec![LeftOut {
                    stream: format!("{long}index.m3u8"),
                    what: "MP3".to_owned(),
                    reason: "no player plays it".to_owned(),
                }],
            }],
            findings: findings.into_sorted(),
            ..Report::default()
        }
    }

    #[test]
    fn no_line_is_longer_than_a_hundred_columns_nor_holds_an_escape() {
        let place = format!("/srv/{}", "x".repeat(300));
        let failure = IngestFailure::new(FailureCode::NotVod, "b".repeat(250));
        for text in
            [of_report(&place, &report(), Style::Plain), of_failure(&place, &failure, Style::Plain)]
        {
            for line in text.lines() {
                assert!(width(line) <= WIDTH, "{} columns: {line}", width(line));
                assert_eq!(line, line.trim_end());
            }
            assert!(!text.contains('\u{1b}'), "{text}");
        }
    }

    #[test]
    fn everything_that_matters_is_there() {
        let text = of_report("a", &report(), Style::Plain);
        for part in [
            "playable: a\n  10:00:00.040, 2 periods, 0 audio renditions, index of 0 bytes\n",
            "4k/index.m3u8",
            "3840x2160 59.940 fps progressive PQ with HDR10 metadata  2157842\n",
            "  1   18000  2.000 s   0.960 s  10.040 s  17999 instant, 1 recovery\n",
            "16/JOC 48000 Hz",
            "  1    -21 ms  +13 ms      -\n",
            "not aligned: 3 of 9 keyframes",
            "  1  0:00:01.000  9:59:59.040  clock jump\n",
            "  HLS_CMAF  video-1: H.264 3840x2160\n            left out: MP3 of",
            "  error variant_missing\n    x.m3u8\n    it is not there\n    → Upload the stream again",
            "  warning packets_lost, 7 times\n",
            "  warning sync_lost, 40 bytes\n",
            "0.ts byte 0\n",
            "2.ts byte 2\n    …\n",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
        assert!(text.find("variant_missing") < text.find("packets_lost"));
    }

    #[test]
    fn a_failure_is_code_sentence_and_remedy() {
        let failure = IngestFailure::new(FailureCode::NotVod, "v.m3u8: there is no end");
        let text = of_failure("m.m3u8", &failure, Style::Plain);
        let remedy = FailureCode::NotVod.remedy();
        let expected = format!(
            "not playable: m.m3u8\n  not_vod\n    v.m3u8: there is no end\n    → {remedy}\n"
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn colours_are_for_terminals() {
        let text = of_report("a", &report(), Style::Coloured);
        assert!(text.contains("\u{1b}[1;31merror\u{1b}[0m variant_missing"), "{text}");
    }
}
