//! What is told about a presentation once it is put together: what each stream is, how the streams
//! go together, and where the source is not what it should be or what it says.
//!
//! Everything here is read off the index; what only the scan of the bytes can know comes in as
//! [`Findings`].

use super::build::group_times;
use super::scan::Begin;
use super::{captions, findings};
use crate::hls::read::StreamEntry;
use crate::model::codec::CodecConfig;
use crate::model::ingest::{
    Alignment, AudioReport, Colours, FindingCode, Findings, Offsets, PeriodReport, Place,
    RandomAccessReport, Report, ScanType, StreamReport, VideoReport,
};
use crate::model::policy::Container;
use crate::model::presentation::{
    Group, Medium, Period, Presentation, SoundRole, Stream, StreamPeriod, Track,
};
use crate::model::sample::RandomAccess;
use crate::time::{Ticks, Timescale, bits_per_second};

/// Random access points further apart than this are told of: players start and switch there, and
/// most configurations wish for segments shorter than this.
const FAR_APART_MILLISECONDS: i64 = 10_000;
/// Streams whose lengths differ by more than this do not end together.
const LENGTHS_DIFFER_MILLISECONDS: i64 = 1_000;
/// Sound that starts further from the pictures than this is told of; encoders' delays and the grid
/// of frames stay below it.
const OFFSET_MILLISECONDS: i64 = 100;
/// Sound that ends further from the pictures than this is told of.
const ENDS_APART_MILLISECONDS: i64 = 500;

/// The report of a presentation: the streams' reports, and what concerns all of them.
pub(super) fn of(
    presentation: &Presentation,
    streams: Vec<StreamReport>,
    begins: &[Begin],
    mut findings: Findings,
) -> Report {
    let lengths = || streams.iter().map(|stream| stream.duration_milliseconds);
    let alignment = Alignment {
        shortest_milliseconds: lengths().min().unwrap_or(0),
        longest_milliseconds: lengths().max().unwrap_or(0),
        ..find_alignment(presentation, &mut findings)
    };
    find_lengths(&alignment, &streams, &mut findings);
    let mut report = Report {
        duration_milliseconds: milliseconds(presentation.duration()),
        // Whoever stores the index knows.
        index_bytes: 0,
        periods: presentation.periods.iter().zip(begins).enumerate().map(of_period).collect(),
        streams,
        audio_renditions: (0..presentation.streams.len())
            .filter(|&stream| presentation.audio_origin(stream) == Some(stream))
            .count() as u32,
        alignment,
        // Whoever may ask the plan fills them.
        packages: Vec::new(),
        findings: findings.into_sorted(),
    };
    report.tally();
    report
}

fn of_period((index, (period, begin)): (usize, (&Period, &Begin))) -> PeriodReport {
    PeriodReport {
        start_milliseconds: milliseconds(period.start),
        duration_milliseconds: milliseconds(period.duration),
        cause: findings::cause(index, *begin),
    }
}

/// What is told about each stream.
pub(super) fn of_streams(
    streams: &[Stream],
    declared: &[StreamEntry],
    periods: &[Period],
    findings: &mut Findings,
) -> Vec<StreamReport> {
    let with_pictures = streams.iter().find(|stream| stream.has(Medium::Video));
    let reports: Vec<StreamReport> = streams
        .iter()
        .zip(declared)
        .map(|(stream, declared)| of_stream(stream, with_pictures, declared, periods))
        .collect();
    for ((stream, report), declared) in streams.iter().zip(&reports).zip(declared) {
        if stream.role.is_variant {
            let sounds = streams.iter().zip(&reports).filter(|(other, _)| {
                let in_group = |sound: &SoundRole| {
                    declared.audio.as_ref().is_some_and(|group| sound.groups.contains(group))
                };
                other.role.sound.as_ref().is_some_and(|sound| !sound.is_inside && in_group(sound))
            });
            let truth = Truth::of(report, sounds.map(|(_, sound)| sound));
            find_claims(report, &truth, declared, findings);
        }
        captions::find(stream, &declared.captions, findings);
        find_distances(report, findings);
        find_wraps(stream, findings);
    }
    reports
}

/// What a variant has together with the sound that is heard with it.
struct Truth {
    peak: u64,
    average: u64,
    codecs: Vec<String>,
}

impl Truth {
    /// Players fetch one of the `sounds` at a time; the variant's codecs are those of all
    /// (RFC 8216 4.3.4.2).
    fn of<'a>(variant: &StreamReport, sounds: impl Iterator<Item = &'a StreamReport>) -> Self {
        let mut truth = Self { peak: 0, average: 0, codecs: variant.codecs.clone() };
        for sound in sounds {
            truth.peak = truth.peak.max(sound.measured_peak_bandwidth);
            truth.average = truth.average.max(sound.measured_average_bandwidth);
            let new = sound.codecs.iter().filter(|codec| !variant.codecs.contains(codec));
            truth.codecs.extend(new.cloned());
        }
        truth.codecs.sort();
        truth.codecs.dedup();
        truth.peak += variant.measured_peak_bandwidth;
        truth.average += variant.measured_average_bandwidth;
        truth
    }
}

fn of_stream(
    stream: &Stream,
    with_pictures: Option<&Stream>,
    declared: &StreamEntry,
    periods: &[Period],
) -> StreamReport {
    let duration: i64 = periods.iter().map(|period| period.duration.0).sum();
    let bytes: u64 = stream.objects.iter().map(|object| object.size).sum();
    let mut codecs: Vec<String> = Vec::new();
    for track in tracks(stream, Medium::Video).chain(tracks(stream, Medium::Audio)) {
        let codec = track.codec.rfc6381_in(Container::MpegTs);
        if !codecs.contains(&codec) {
            codecs.push(codec);
        }
    }
    let average = bits_per_second(bytes, Ticks(duration), Timescale::MPEG);
    StreamReport {
        uri: stream.uri.clone(),
        segments: stream.objects.len() as u64,
        bytes,
        duration_milliseconds: milliseconds(Ticks(
            stream.periods.iter().map(|period| length(period).0).sum(),
        )),
        declared_bandwidth: stream.declared_bandwidth,
        declared_average_bandwidth: declared.average_bandwidth,
        // Runs of sound may all begin in the middle of segments.
        measured_peak_bandwidth: Some(peak_bandwidth(stream))
            .filter(|peak| *peak > 0)
            .unwrap_or(average),
        measured_average_bandwidth: average,
        codecs,
        video: of_video(stream),
        audio: of_audio(stream),
        captions: captions::report(stream, &declared.captions),
        offsets: offsets(stream, with_pictures.unwrap_or(stream)),
        damage: Vec::new(),
        clocks: Vec::new(),
    }
}

fn tracks(stream: &Stream, medium: Medium) -> impl Iterator<Item = &Track> {
    stream.periods.iter().filter_map(move |period| match medium {
        Medium::Video => period.video.as_ref(),
        Medium::Audio => period.audio.as_ref(),
    })
}

fn samples(stream: &Stream, medium: Medium) -> u64 {
    let groups = tracks(stream, medium).flat_map(|track| &track.groups);
    groups.map(|group| u64::from(group.samples)).sum()
}

/// A time of a track on the common timescale.
fn mpeg(track: &Track, time: Ticks) -> Ticks {
    time.rescale(track.timescale, Timescale::MPEG)
}

/// From the first that is shown or heard to the end of the last, 90 kHz.
fn length(period: &StreamPeriod) -> Ticks {
    let tracks = || period.video.iter().chain(&period.audio);
    let start = tracks().map(|track| mpeg(track, track.start())).min().unwrap_or_default();
    let end = tracks().map(|track| mpeg(track, track.end)).max().unwrap_or_default();
    end.minus(start)
}

fn of_video(stream: &Stream) -> Option<VideoReport> {
    let first = tracks(stream, Medium::Video).next()?;
    let picture = first.codec.picture()?;
    let second = i64::from(first.timescale.hertz());
    let step = Timescale::new(first.sample_duration.max(1)).unwrap_or(first.timescale);
    Some(VideoReport {
        codec: first.codec.name().to_owned(),
        resolution: format!("{}x{}", picture.width, picture.height),
        frame_rate: Ticks(second).seconds(step, 3).to_string(),
        scan: if picture.interlaced { ScanType::Interlaced } else { ScanType::Progressive },
        pictures: samples(stream, Medium::Video),
        range: picture.video_range().as_str().to_owned(),
        colours: picture.colour.map(|colour| Colours {
            primaries: colour.primaries,
            transfer: colour.transfer,
            matrix: colour.matrix,
            full_range: colour.full_range,
        }),
        has_mastering_display: picture.display.mastering.is_some(),
        has_light_level: picture.display.light_level.is_some(),
        random_access: random_access(stream),
    })
}

fn random_access(stream: &Stream) -> RandomAccessReport {
    let groups = || {
        let all = tracks(stream, Medium::Video).flat_map(|track| &track.groups);
        all.filter(|group| group.access != RandomAccess::None)
    };
    let of_kind = |kind| groups().filter(|group| group.access == kind).count() as u64;
    let (mut shortest, mut longest) = (None::<Ticks>, Ticks::ZERO);
    let (mut span, mut distances) = (Ticks::ZERO, 0);
    for track in tracks(stream, Medium::Video) {
        let begins: Vec<&Group> =
            track.groups.iter().filter(|group| group.access != RandomAccess::None).collect();
        for (index, group) in begins.iter().enumerate() {
            let end = begins.get(index + 1).map_or(track.end, |next| next.time);
            let distance = mpeg(track, end).minus(mpeg(track, group.time));
            longest = longest.max(distance);
            // The last group ends with the track, where no random access point is.
            if index + 1 < begins.len() {
                shortest = Some(shortest.map_or(distance, |before| before.min(distance)));
                (span, distances) = (span.plus(distance), distances + 1);
            }
        }
    }
    let average = if distances > 0 { Ticks(span.0 / distances) } else { longest };
    RandomAccessReport {
        points: groups().count() as u64,
        instant: of_kind(RandomAccess::Instant),
        recovery: of_kind(RandomAccess::Recovery),
        gradual: of_kind(RandomAccess::Gradual),
        shortest_milliseconds: milliseconds(shortest.unwrap_or(longest)),
        longest_milliseconds: milliseconds(longest),
        average_milliseconds: milliseconds(average),
    }
}

fn of_audio(stream: &Stream) -> Option<AudioReport> {
    let first = tracks(stream, Medium::Audio).next()?;
    let sound = first.codec.sound()?;
    Some(AudioReport {
        codec: first.codec.name().to_owned(),
        sampling_frequency: sound.sampling_frequency,
        channels: sound.channels,
        layout: layout(&first.codec, sound.channels),
        frames: samples(stream, Medium::Audio),
    })
}

/// The loudspeaker channels in words.
fn layout(codec: &CodecConfig, channels: u8) -> String {
    let low = match codec {
        CodecConfig::Eac3(eac3) => match (eac3.joc_complexity, eac3.substreams.first()) {
            (Some(complexity), _) => return format!("{complexity}/JOC"),
            // Bit 8 of the locations is the second channel for low frequencies.
            (None, Some(first)) => u8::from(first.lfe) + u8::from(first.locations >> 8 & 1 == 1),
            (None, None) => 0,
        },
        CodecConfig::Ac3(ac3) => u8::from(ac3.lfe),
        // ISO/IEC 14496-3 table 1.19: six and more channels have one for low frequencies.
        CodecConfig::Aac(_) => u8::from(channels >= 6),
        _ => 0,
    };
    match (channels.saturating_sub(low), low) {
        (1, 0) => "mono".to_owned(),
        (2, 0) => "stereo".to_owned(),
        (main, low) => format!("{main}.{low}"),
    }
}

/// How far the sound of a stream is from its own pictures, or if it has none from those of another
/// stream.
fn offsets(stream: &Stream, with_pictures: &Stream) -> Option<Offsets> {
    let pictures = if stream.has(Medium::Video) { stream } else { with_pictures };
    let pairs = || {
        let periods = stream.periods.iter().zip(&pictures.periods);
        periods.filter_map(|(own, other)| Some((other.video.as_ref()?, own.audio.as_ref()?)))
    };
    let apart = |(video, audio): (&Track, &Track), at: fn(&Track) -> Ticks| {
        Some(milliseconds(mpeg(audio, at(audio)).minus(mpeg(video, at(video)))))
    };
    Some(Offsets {
        start_milliseconds: apart(pairs().next()?, Track::start)?,
        end_milliseconds: apart(pairs().next_back()?, |track| track.end)?,
        drift_milliseconds: None,
    })
}

fn milliseconds(time: Ticks) -> i64 {
    Timescale::new(1000).map_or(0, |scale| time.rescale(Timescale::MPEG, scale).0)
}

/// How long each source segment lasts, milliseconds: from the first group that begins in it to the
/// first that begins in the next. `None` where no group begins, or none at the start.
pub(super) fn segment_milliseconds(stream: &Stream) -> Vec<Option<i64>> {
    let mut measured = vec![None; stream.objects.len()];
    for period in &stream.periods {
        let Some(track) = period.video.as_ref().or(period.audio.as_ref()) else { continue };
        let firsts: Vec<&Group> = track
            .groups
            .chunk_by(|a, b| a.start.object == b.start.object)
            .filter_map(<[Group]>::first)
            .collect();
        for (index, first) in firsts.iter().enumerate() {
            let next = firsts.get(index + 1);
            let follows = next.is_none_or(|next| next.start.object == first.start.object + 1);
            let ends_here = next.is_some()
                || track.groups.last().is_some_and(|last| last.end.object <= first.start.object);
            // Runs of sound begin where pictures do, anywhere in the segments of the sound.
            let ends_at_start =
                period.video.is_some() || next.is_none_or(|next| is_at_start(stream, next));
            if follows && ends_here && is_at_start(stream, first) && ends_at_start {
                let end = next.map_or(track.end, |next| next.time);
                let length = mpeg(track, end).minus(mpeg(track, first.time));
                if let Some(slot) = measured.get_mut(first.start.object as usize) {
                    *slot = Some(milliseconds(length));
                }
            }
        }
    }
    measured
}

/// Whether a group begins with its source segment, behind the tables and what belongs to the segment
/// before.
pub(super) fn is_at_start(stream: &Stream, group: &Group) -> bool {
    let object = stream.objects.get(group.start.object as usize);
    object.is_some_and(|object| group.start.offset.saturating_mul(20) <= object.size)
}

/// The highest rate of any source segment. A segment lasts from the first group that begins in it
/// to the first that begins in a later one.
fn peak_bandwidth(stream: &Stream) -> u64 {
    let mut peak = 0;
    for period in &stream.periods {
        let Some(track) = period.video.as_ref().or(period.audio.as_ref()) else { continue };
        let starts: Vec<&Group> = track
            .groups
            .chunk_by(|a, b| a.start.object == b.start.object)
            .filter_map(<[Group]>::first)
            .collect();
        for (index, group) in starts.iter().enumerate() {
            let next = starts.get(index + 1);
            let end = next.map_or(track.end, |next| next.time);
            let last_object = next.map_or(group.start.object + 1, |next| next.start.object);
            let objects = stream.objects.get(group.start.object as usize..last_object as usize);
            let bytes = objects.unwrap_or_default().iter().map(|object| object.size).sum();
            let length = end.minus(group.time).rescale(track.timescale, Timescale::MPEG);
            // Remainders of less than half a second say nothing about what a player must fetch, nor
            // do runs of sound that begin in the middle of segments.
            let whole = period.video.is_some()
                || is_at_start(stream, group) && next.is_none_or(|next| is_at_start(stream, next));
            if length.0 >= 45_000 && whole || starts.len() == 1 {
                peak = peak.max(bits_per_second(bytes, length, Timescale::MPEG));
            }
        }
    }
    peak
}

/// Where the master playlist says something else than the media: numbers by more than a tenth,
/// everything else at all.
fn find_claims(
    entry: &StreamReport,
    truth: &Truth,
    declared: &StreamEntry,
    findings: &mut Findings,
) {
    let differs = |claim: u64, truth: u64| claim.abs_diff(truth) * 10 > truth;
    let mut find = |code, claim: String, truth: String| {
        let detail = format!("the master playlist declares {claim}, the media have {truth}");
        findings.add(code, Place::stream(&entry.uri), detail);
    };
    let claim = declared.bandwidth;
    if differs(claim, truth.peak) {
        let truth = format!("segments of up to {} bit/s", truth.peak);
        find(FindingCode::BandwidthDiffers, format!("BANDWIDTH={claim}"), truth);
    }
    let average = declared.average_bandwidth;
    if let Some(claim) = average.filter(|claim| differs(*claim, truth.average)) {
        let truth = format!("{} bit/s on average", truth.average);
        find(FindingCode::AverageBandwidthDiffers, format!("AVERAGE-BANDWIDTH={claim}"), truth);
    }
    if let (Some((width, height)), Some(video)) = (declared.resolution, &entry.video) {
        let claim = format!("{width}x{height}");
        if claim != video.resolution {
            let claim = format!("RESOLUTION={claim}");
            find(FindingCode::ResolutionDiffers, claim, video.resolution.clone());
        }
    }
    if let (Some(claim), Some(video)) = (declared.frame_rate_thousandths, &entry.video) {
        let measured = video.frame_rate.replace('.', "").parse::<u64>().unwrap_or(claim);
        if differs(claim, measured) {
            let claim = format!("FRAME-RATE={}.{:03}", claim / 1000, claim % 1000);
            let truth = format!("{} pictures per second", video.frame_rate);
            find(FindingCode::FrameRateDiffers, claim, truth);
        }
    }
    if let Some(codecs) = &declared.codecs {
        let claimed: Vec<String> =
            codecs.split(',').map(|codec| codec.trim().to_ascii_lowercase()).collect();
        let same = claimed.len() == truth.codecs.len()
            && truth.codecs.iter().all(|codec| claimed.contains(&codec.to_ascii_lowercase()));
        if !same {
            let is_high_efficiency = |codec: &String| codec == "mp4a.40.5" || codec == "mp4a.40.29";
            let code = if truth.codecs.iter().any(is_high_efficiency)
                == claimed.iter().any(is_high_efficiency)
            {
                FindingCode::CodecsDiffer
            } else {
                FindingCode::ExtensionUndeclared
            };
            find(code, format!("CODECS=\"{codecs}\""), truth.codecs.join(","));
        }
    }
}

/// Where sound and pictures, or random access points, are further apart than players like.
fn find_distances(entry: &StreamReport, findings: &mut Findings) {
    let mut find = |code, detail| findings.add(code, Place::stream(&entry.uri), detail);
    if let Some(access) = entry.video.as_ref().map(|video| video.random_access) {
        if access.longest_milliseconds > FAR_APART_MILLISECONDS {
            let longest = access.longest_milliseconds;
            let detail = format!("up to {longest} ms from one random access point to the next");
            find(FindingCode::KeyframesFarApart, detail);
        }
        // Where they count, IDR pictures are missing or too far apart.
        if access.recovery + access.gradual > 0 {
            let (code, count, kind) = match access.gradual {
                0 => (FindingCode::RecoveryPointsOnly, access.recovery, "are recovery points"),
                gradual => {
                    (FindingCode::GradualRefreshOnly, gradual, "refresh the picture step by step")
                }
            };
            let detail = format!("{count} of {} random access points {kind}", access.points);
            find(code, detail);
        }
    }
    let Some(offsets) = entry.offsets else { return };
    let words = |apart: i64| if apart < 0 { "before" } else { "behind" };
    let start = offsets.start_milliseconds;
    if start.abs() > OFFSET_MILLISECONDS {
        let detail = format!("sound starts {} ms {} the pictures", start.abs(), words(start));
        find(FindingCode::AudioOffset, detail);
    }
    let end = offsets.end_milliseconds;
    if end.abs() > ENDS_APART_MILLISECONDS {
        let detail = format!("sound ends {} ms {} the pictures", end.abs(), words(end));
        find(FindingCode::AudioEndsApart, detail);
    }
}

/// Tracks whose 33-bit clock wraps.
fn find_wraps(stream: &Stream, findings: &mut Findings) {
    let all = tracks(stream, Medium::Video).chain(tracks(stream, Medium::Audio));
    let wraps = all.filter(|track| {
        let (first, last) = (mpeg(track, track.start()), mpeg(track, track.end));
        let on_clock = first.plus(track.clock_offset).0.rem_euclid(1 << 33);
        on_clock + last.minus(first).0 >= 1 << 33
    });
    let place = Place::stream(&stream.uri);
    let detail = "the 33-bit clock starts anew";
    findings.add_many(FindingCode::ClockWraps, place, wraps.count() as u64, detail);
}

fn find_lengths(alignment: &Alignment, streams: &[StreamReport], findings: &mut Findings) {
    let (shortest, longest) = (alignment.shortest_milliseconds, alignment.longest_milliseconds);
    if longest - shortest <= LENGTHS_DIFFER_MILLISECONDS {
        return;
    }
    for stream in streams {
        let missing = longest - stream.duration_milliseconds;
        if missing > LENGTHS_DIFFER_MILLISECONDS {
            let detail =
                format!("ends {missing} ms before the longest stream, which lasts {longest} ms");
            findings.add(FindingCode::LengthsDiffer, Place::stream(&stream.uri), detail);
        }
    }
}

/// Whether one of the ordered times is within a millisecond, as clocks are rounded.
fn has_near(times: &[Ticks], wanted: Ticks) -> bool {
    let from = times.partition_point(|time| time.0 < wanted.0 - 90);
    times.get(from).is_some_and(|time| time.0 <= wanted.0 + 90)
}

/// Counts the random access points that all streams share, and tells where it is less than half of
/// them, so that players cannot switch cleanly.
fn find_alignment(presentation: &Presentation, findings: &mut Findings) -> Alignment {
    let mut alignment = Alignment { aligned: true, ..Alignment::default() };
    for period in 0..presentation.periods.len() {
        let times: Vec<Vec<Ticks>> = (0..presentation.streams.len())
            .filter_map(|stream| presentation.track(stream, period, Medium::Video))
            .map(|track| group_times(&track.groups))
            .collect();
        let Some((first, others)) = times.split_first() else { continue };
        let fewest = times.iter().map(Vec::len).min().unwrap_or(0);
        let shared =
            first.iter().filter(|time| others.iter().all(|other| has_near(other, **time))).count();
        alignment.aligned &= times.iter().all(|times| times.len() == shared);
        alignment.shared_keyframes += shared as u64;
        alignment.keyframes += fewest as u64;
        if shared * 2 < fewest {
            let start = presentation.periods.get(period).map_or(Ticks::ZERO, |period| period.start);
            findings.add(
                FindingCode::KeyframesNotShared,
                Place::source().period(period as u32).time(milliseconds(start)),
                format!("only {shared} of at least {fewest} keyframes are in all streams"),
            );
        }
    }
    alignment
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::codec::{
        AacConfig, AacExtension, AvcConfig, Eac3Config, Eac3Substream, PictureFormat, StreamSyntax,
    };
    use crate::model::presentation::StreamRole;

    fn measured() -> StreamReport {
        StreamReport {
            uri: "a.m3u8".to_owned(),
            measured_peak_bandwidth: 1_000_000,
            measured_average_bandwidth: 800_000,
            codecs: vec!["avc1.64001e".to_owned(), "mp4a.40.2".to_owned()],
            video: Some(VideoReport {
                codec: "H.264".to_owned(),
                resolution: "640x360".to_owned(),
                frame_rate: "29.970".to_owned(),
                scan: ScanType::Progressive,
                pictures: 100,
                range: "SDR".to_owned(),
                colours: None,
                has_mastering_display: false,
                has_light_level: false,
                random_access: RandomAccessReport::default(),
            }),
            ..StreamReport::default()
        }
    }

    fn declared() -> StreamEntry {
        StreamEntry {
            uri: "a.m3u8".to_owned(),
            bandwidth: 1_100_000,
            average_bandwidth: Some(720_000),
            codecs: Some("mp4a.40.2, AVC1.64001E".to_owned()),
            resolution: Some((640, 360)),
            frame_rate_thousandths: Some(30_000),
            ..StreamEntry::default()
        }
    }

    fn found(declared: &StreamEntry) -> Vec<&'static str> {
        let mut findings = Findings::new();
        let truth = Truth::of(&measured(), [].into_iter());
        find_claims(&measured(), &truth, declared, &mut findings);
        findings.iter().map(|finding| finding.code.as_str()).collect()
    }

    #[test]
    fn claims_within_a_tenth_are_believed_and_others_are_told() {
        assert_eq!(found(&declared()), Vec::<&str>::new());
        let wrong = StreamEntry {
            bandwidth: 1_100_001,
            average_bandwidth: Some(719_999),
            codecs: Some("avc1.64001e".to_owned()),
            resolution: Some((640, 352)),
            frame_rate_thousandths: Some(25_000),
            ..declared()
        };
        assert_eq!(
            found(&wrong),
            [
                "bandwidth_differs",
                "average_bandwidth_differs",
                "resolution_differs",
                "frame_rate_differs",
                "codecs_differ",
            ]
        );
    }

    /// A track whose groups begin at these times, one sample for every 3600 ticks.
    fn track(codec: CodecConfig, times: &[i64], access: &[RandomAccess], end: i64) -> Track {
        let ends = times.iter().skip(1).chain(std::iter::once(&end));
        let groups = times.iter().zip(access).zip(ends).map(|((&time, &access), &end)| Group {
            time: Ticks(time),
            samples: ((end - time) / 3600) as u32,
            access,
            ..Group::default()
        });
        Track {
            pid: 256,
            syntax: StreamSyntax::H264,
            codec,
            timescale: Timescale::MPEG,
            sample_duration: 3600,
            clock_offset: Ticks::ZERO,
            transport_delay: 0,
            groups: groups.collect(),
            end: Ticks(end),
        }
    }

    fn video(times: &[i64], access: &[RandomAccess], end: i64) -> Track {
        let config = AvcConfig {
            profile_idc: 100,
            constraints: 0,
            level_idc: 30,
            picture: PictureFormat { width: 640, height: 360, ..PictureFormat::default() },
            sequence_parameter_sets: Vec::new(),
            picture_parameter_sets: Vec::new(),
        };
        track(CodecConfig::Avc(config), times, access, end)
    }

    fn audio(start: i64, end: i64) -> Track {
        let config = AacConfig {
            object_type: 2,
            sampling_frequency: 48_000,
            frequency_index: 3,
            channel_configuration: 6,
            extension: AacExtension::None,
        };
        track(CodecConfig::Aac(config), &[start], &[RandomAccess::Instant], end)
    }

    fn stream(uri: &str, video: Track, audio: Option<Track>) -> Stream {
        Stream {
            role: StreamRole::variant(),
            uri: uri.to_owned(),
            periods: vec![StreamPeriod { video: Some(video), audio }],
            ..Stream::default()
        }
    }

    const SECOND: i64 = 90_000;

    #[test]
    fn random_access_is_told_by_kind_and_distance() {
        use RandomAccess::{Gradual, Instant, None, Recovery};
        let times = [0, SECOND, 4 * SECOND, 5 * SECOND, 15 * SECOND];
        let access = [Instant, Recovery, None, Gradual, Recovery];
        let stream = stream("a", video(&times, &access, 18 * SECOND), Option::None);
        let expected = RandomAccessReport {
            points: 4,
            instant: 1,
            recovery: 2,
            gradual: 1,
            shortest_milliseconds: 1_000,
            longest_milliseconds: 10_000,
            average_milliseconds: 5_000,
        };
        assert_eq!(random_access(&stream), expected);
        let video = of_video(&stream).unwrap();
        assert_eq!((video.pictures, video.frame_rate.as_str()), (450, "25.000"));
    }

    #[test]
    fn points_without_a_clean_one_and_far_apart_are_told() {
        let found = |access: &[RandomAccess]| {
            let stream = stream("a", video(&[0, 11 * SECOND], access, 12 * SECOND), None);
            let report = StreamReport { video: of_video(&stream), ..StreamReport::default() };
            let mut findings = Findings::new();
            find_distances(&report, &mut findings);
            findings.iter().map(|finding| finding.code).collect::<Vec<_>>()
        };
        use FindingCode::{GradualRefreshOnly, KeyframesFarApart, RecoveryPointsOnly};
        use RandomAccess::{Gradual, Instant, Recovery};
        assert_eq!(found(&[Instant, Instant]), [KeyframesFarApart]);
        assert_eq!(found(&[Recovery, Instant]), [KeyframesFarApart, RecoveryPointsOnly]);
        assert_eq!(found(&[Recovery, Gradual]), [KeyframesFarApart, GradualRefreshOnly]);
        assert_eq!(found(&[Gradual, Gradual]), [KeyframesFarApart, GradualRefreshOnly]);
    }

    #[test]
    fn offsets_are_sound_minus_pictures_at_both_ends() {
        let of = |start: i64, end: i64| {
            let pictures = video(&[9_000], &[RandomAccess::Instant], 10 * SECOND);
            let stream = stream("a", pictures, Some(audio(9_000 + start, 10 * SECOND + end)));
            let report =
                StreamReport { offsets: offsets(&stream, &stream), ..StreamReport::default() };
            let mut findings = Findings::new();
            find_distances(&report, &mut findings);
            let offsets = report.offsets.unwrap();
            let codes: Vec<_> = findings.iter().map(|finding| finding.code.as_str()).collect();
            (offsets.start_milliseconds, offsets.end_milliseconds, codes)
        };
        assert_eq!(of(-9_000, 45_000), (-100, 500, vec![]));
        assert_eq!(of(-9_090, 1_800), (-101, 20, vec!["audio_offset"]));
        assert_eq!(of(1_800, -45_090), (20, -501, vec!["audio_ends_apart"]));
    }

    #[test]
    fn streams_are_held_against_each_other() {
        let instant = [RandomAccess::Instant; 5];
        let one = |uri, times: &[i64], end| {
            stream(uri, video(times, &instant[..times.len()], end * SECOND), None)
        };
        let report = |others: &[i64], end| {
            let streams =
                vec![one("a", &[0, SECOND, 2 * SECOND, 3 * SECOND], 10), one("b", others, end)];
            let duration = Ticks(10 * SECOND);
            let periods = vec![Period { start: Ticks::ZERO, duration }];
            let reports = streams
                .iter()
                .map(|stream| StreamReport {
                    uri: stream.uri.clone(),
                    duration_milliseconds: milliseconds(length(&stream.periods[0])),
                    ..StreamReport::default()
                })
                .collect();
            let presentation = Presentation { periods, streams, ..Presentation::default() };
            let report = of(&presentation, reports, &[Begin::Announced], Findings::new());
            let codes: Vec<_> = report
                .findings
                .iter()
                .map(|finding| (finding.code.as_str(), finding.stream().map(str::to_owned)))
                .collect();
            let Alignment { aligned, shared_keyframes, keyframes, .. } = report.alignment;
            (aligned, shared_keyframes, keyframes, codes)
        };
        // Clocks are rounded: a millisecond is the same time.
        let same = [0, SECOND + 90, 2 * SECOND, 3 * SECOND - 90];
        assert_eq!(report(&same, 10), (true, 4, 4, vec![]));
        assert_eq!(report(&[0, SECOND, 2 * SECOND + 91], 9), (false, 2, 3, vec![]));
        let apart = [0, SECOND + 200, 2 * SECOND + 200];
        let not_shared = ("keyframes_not_shared", None);
        assert_eq!(report(&apart, 10), (false, 1, 3, vec![not_shared]));
        let short = ("lengths_differ", Some("b".to_owned()));
        assert_eq!(report(&same, 8), (true, 4, 4, vec![short]));
    }

    #[test]
    fn channels_are_told_in_words() {
        let aac = |channel_configuration| {
            let codec = audio(0, SECOND).codec;
            let CodecConfig::Aac(aac) = codec else { unreachable!() };
            let codec = CodecConfig::Aac(AacConfig { channel_configuration, ..aac });
            let channels = codec.sound().unwrap().channels;
            layout(&codec, channels)
        };
        assert_eq!([1, 2, 3, 6, 7].map(aac), ["mono", "stereo", "3.0", "5.1", "7.1"]);
        let main = Eac3Substream { acmod: 7, lfe: true, ..Eac3Substream::default() };
        let eac3 = |joc_complexity, locations| {
            let substreams = vec![Eac3Substream { locations, ..main.clone() }];
            let config = Eac3Config {
                sampling_frequency: 48_000,
                data_rate: 640,
                substreams,
                joc_complexity,
            };
            let channels = config.channels();
            layout(&CodecConfig::Eac3(config), channels)
        };
        assert_eq!(eac3(None, 0), "5.1");
        assert_eq!(eac3(None, 0b10), "7.1");
        assert_eq!(eac3(None, 1 << 8), "5.2");
        assert_eq!(eac3(Some(16), 0), "16/JOC");
    }
}
