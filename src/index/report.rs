//! What ingest tells: what was measured, and what was found.
//!
//! Measures come from the finished presentation, findings from the scan's counts and from comparing
//! what the master playlist declares with what the media have. Numbers are compared by tenths,
//! everything else exactly.

use super::build::{ReadStream, group_times};
use super::periods::Periods;
use super::scan::Begin;
use crate::hls::read::StreamEntry;
use crate::model::codec::CodecConfig;
use crate::model::ingest::{
    AlignmentReport, AudioReport, FindingCode, Findings, KeyframeReport, PeriodReport, Place,
    Report, StreamReport,
};
use crate::model::presentation::{
    Group, Medium, Period, Presentation, SourceObject, SourcePosition, Stream, Track,
};
use crate::model::sample::RandomAccess;
use crate::time::{Ticks, Timescale, bits_per_second};

/// Sound and pictures that begin further apart than this are told of: a quarter of a second.
const FAR_APART: i64 = 90_000 / 4;
/// Renditions whose lengths differ by more than this are told of: half a second.
const LENGTHS_DIFFER: i64 = 90_000 / 2;
/// Keyframes further apart than this are told of: twelve seconds.
const KEYFRAMES_FAR_APART: i64 = 12 * 90_000;

/// What is measured of a presentation; findings are added to those that there are.
pub(super) fn report(
    presentation: &Presentation,
    declared: &[StreamEntry],
    periods: &Periods,
    mut findings: Findings,
) -> Report {
    let streams: Vec<StreamReport> = presentation
        .streams
        .iter()
        .map(|stream| stream_report(stream, &presentation.periods))
        .collect();
    for ((entry, declared), stream) in streams.iter().zip(declared).zip(&presentation.streams) {
        find_claims(entry, declared, &mut findings);
        find_offsets(entry, &mut findings);
        find_access(entry, stream, &mut findings);
    }
    find_breaks(presentation, periods, &mut findings);
    find_lengths(presentation, &mut findings);
    let alignment = find_alignment(presentation, &mut findings);
    Report {
        duration_milliseconds: milliseconds(presentation.duration()),
        periods: presentation.periods.len() as u32,
        index_bytes: 0,
        streams,
        audio_renditions: (0..presentation.streams.len())
            .filter(|&stream| presentation.audio_origin(stream) == Some(stream))
            .count() as u32,
        alignment,
        period_list: presentation
            .periods
            .iter()
            .zip(&periods.begins)
            .map(|(period, begin)| PeriodReport {
                start_milliseconds: milliseconds(period.start),
                duration_milliseconds: milliseconds(period.duration),
                begins_with: begin_words(*begin).to_owned(),
            })
            .collect(),
        packages: Vec::new(),
        findings: findings.into_list(),
    }
}

const fn begin_words(begin: Begin) -> &'static str {
    match begin {
        Begin::Announced => "start or EXT-X-DISCONTINUITY",
        Begin::ClockJump { .. } => "clock jump",
        Begin::Configuration => "change of decoder configuration",
        Begin::Moved => "track on another PID",
    }
}

fn milliseconds(time: Ticks) -> i64 {
    Timescale::new(1000).map_or(0, |scale| time.rescale(Timescale::MPEG, scale).0)
}

fn stream_report(stream: &Stream, periods: &[Period]) -> StreamReport {
    let duration: i64 = periods.iter().map(|period| period.duration.0).sum();
    let bytes: u64 = stream.objects.iter().map(|object| object.size).sum();
    let tracks = |medium| {
        stream.periods.iter().filter_map(move |period| match medium {
            Medium::Video => period.video.as_ref(),
            Medium::Audio => period.audio.as_ref(),
        })
    };
    let mut codecs: Vec<String> = Vec::new();
    for track in tracks(Medium::Video).chain(tracks(Medium::Audio)) {
        let codec = track.codec.rfc6381();
        if !codecs.contains(&codec) {
            codecs.push(codec);
        }
    }
    let samples = |medium| {
        let groups = tracks(medium).flat_map(|track| &track.groups);
        groups.map(|group| u64::from(group.samples)).sum()
    };
    let first_video = tracks(Medium::Video).next();
    let picture = first_video.and_then(|track| track.codec.picture());
    let keyframes = keyframe_report(tracks(Medium::Video));
    let offset = |period: Option<&crate::model::presentation::StreamPeriod>,
                  at: fn(&Track) -> Ticks| {
        let (video, audio) = (period?.video.as_ref()?, period?.audio.as_ref()?);
        let sound = at(audio).rescale(audio.timescale, Timescale::MPEG);
        Some(milliseconds(sound.minus(at(video))))
    };
    StreamReport {
        uri: stream.uri.clone(),
        segments: stream.objects.len() as u64,
        bytes,
        duration_milliseconds: milliseconds(stream_duration(stream)),
        declared_bandwidth: stream.declared_bandwidth,
        measured_peak_bandwidth: peak_bandwidth(stream),
        measured_average_bandwidth: bits_per_second(bytes, Ticks(duration), Timescale::MPEG),
        codecs,
        resolution: picture.map(|picture| format!("{}x{}", picture.width, picture.height)),
        frame_rate: first_video.map(|track| {
            let second = i64::from(track.timescale.hertz());
            let step = Timescale::new(track.sample_duration.max(1)).unwrap_or(track.timescale);
            Ticks(second).seconds(step, 3).to_string()
        }),
        interlaced: picture.is_some_and(|picture| picture.interlaced),
        video_range: picture.map(|picture| picture.video_range().as_str().to_owned()),
        hdr_metadata: picture.is_some_and(|picture| {
            picture.display.mastering.is_some() || picture.display.light_level.is_some()
        }),
        pictures: samples(Medium::Video),
        audio_frames: samples(Medium::Audio),
        keyframes: keyframes.count,
        longest_keyframe_distance_milliseconds: keyframes.longest_milliseconds,
        keyframe_distances: keyframes,
        audio: tracks(Medium::Audio).next().and_then(|track| audio_report(&track.codec)),
        audio_offset_start_milliseconds: offset(stream.periods.first(), Track::start),
        audio_offset_end_milliseconds: offset(stream.periods.last(), |track| track.end),
    }
}

fn keyframe_report<'a>(tracks: impl Iterator<Item = &'a Track>) -> KeyframeReport {
    let mut report = KeyframeReport::default();
    let (mut shortest, mut longest, mut sum) = (None::<Ticks>, Ticks::ZERO, 0_i64);
    for track in tracks {
        let begins: Vec<&Group> =
            track.groups.iter().filter(|group| group.access != RandomAccess::None).collect();
        for (index, group) in begins.iter().enumerate() {
            let end = begins.get(index + 1).map_or(track.end, |next| next.time);
            let distance = end.minus(group.time);
            shortest = Some(shortest.map_or(distance, |shortest| shortest.min(distance)));
            longest = longest.max(distance);
            sum += distance.0;
            report.count += 1;
            match group.access {
                RandomAccess::Instant => report.instant += 1,
                RandomAccess::Recovery => report.recovery += 1,
                RandomAccess::Gradual | RandomAccess::None => report.gradual += 1,
            }
        }
    }
    report.shortest_milliseconds = milliseconds(shortest.unwrap_or_default());
    report.longest_milliseconds = milliseconds(longest);
    let count = i64::try_from(report.count).unwrap_or(1).max(1);
    report.average_milliseconds = milliseconds(Ticks(sum / count));
    report
}

fn audio_report(codec: &CodecConfig) -> Option<AudioReport> {
    let sound = codec.sound()?;
    let is_joc = matches!(codec, CodecConfig::Eac3(eac3) if eac3.joc_complexity.is_some());
    let layout = match (sound.channels, is_joc) {
        (_, true) => "16/JOC".to_owned(),
        (1, _) => "mono".to_owned(),
        (2, _) => "stereo".to_owned(),
        (6, _) => "5.1".to_owned(),
        (8, _) => "7.1".to_owned(),
        (count, _) => format!("{count} channels"),
    };
    Some(AudioReport {
        codec: codec.name().to_owned(),
        sampling_frequency: sound.sampling_frequency,
        channels: sound.channels,
        layout,
    })
}

/// From the first picture or sound to the last, gaps between periods aside.
fn stream_duration(stream: &Stream) -> Ticks {
    let spans = stream.periods.iter().filter_map(|period| {
        let track = period.video.as_ref().or(period.audio.as_ref())?;
        Some(track.end.minus(track.start()).rescale(track.timescale, Timescale::MPEG).0)
    });
    Ticks(spans.sum())
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
            // Remainders of less than half a second say nothing about what a player must fetch.
            if length.0 >= 45_000 || starts.len() == 1 {
                peak = peak.max(bits_per_second(bytes, length, Timescale::MPEG));
            }
        }
    }
    peak
}

/// Where the master playlist says something else than the media.
fn find_claims(entry: &StreamReport, declared: &StreamEntry, findings: &mut Findings) {
    let differs = |claim: u64, truth: u64| claim.abs_diff(truth) * 10 > truth;
    let mut find = |code: FindingCode, claim: String, truth: String| {
        let detail = format!("the master playlist declares {claim}, the media have {truth}");
        findings.add(code, Place::in_stream(&entry.uri), detail);
    };
    let (claim, truth) = (declared.bandwidth, entry.measured_peak_bandwidth);
    if differs(claim, truth) {
        let truth = format!("segments of up to {truth} bit/s");
        find(FindingCode::BandwidthDiffers, format!("BANDWIDTH={claim}"), truth);
    }
    let truth = entry.measured_average_bandwidth;
    if let Some(claim) = declared.average_bandwidth.filter(|claim| differs(*claim, truth)) {
        let truth = format!("{truth} bit/s on average");
        let claim = format!("AVERAGE-BANDWIDTH={claim}");
        find(FindingCode::AverageBandwidthDiffers, claim, truth);
    }
    if let (Some((width, height)), Some(truth)) = (declared.resolution, &entry.resolution) {
        let claim = format!("{width}x{height}");
        if claim != *truth {
            find(FindingCode::ResolutionDiffers, format!("RESOLUTION={claim}"), truth.clone());
        }
    }
    if let (Some(claim), Some(truth)) = (declared.frame_rate_thousandths, &entry.frame_rate) {
        let measured = truth.replace('.', "").parse::<u64>().unwrap_or(claim);
        if differs(claim, measured) {
            let claim = format!("FRAME-RATE={}.{:03}", claim / 1000, claim % 1000);
            find(FindingCode::FrameRateDiffers, claim, format!("{truth} pictures per second"));
        }
    }
    if let Some(codecs) = &declared.codecs {
        let claimed: Vec<String> =
            codecs.split(',').map(|codec| codec.trim().to_ascii_lowercase()).collect();
        let same = claimed.len() == entry.codecs.len()
            && entry.codecs.iter().all(|codec| claimed.contains(&codec.to_ascii_lowercase()));
        if !same {
            let truth = entry.codecs.join(",");
            let is_he = |codec: &str| codec == "mp4a.40.5" || codec == "mp4a.40.29";
            let he_differs = entry.codecs.iter().any(|codec| is_he(codec))
                != claimed.iter().any(|codec| is_he(codec));
            let code = match he_differs {
                true => FindingCode::ExtensionUndeclared,
                false => FindingCode::CodecsDiffer,
            };
            find(code, format!("CODECS=\"{codecs}\""), truth);
        }
    }
}

/// Sound that begins or ends apart from the pictures.
fn find_offsets(entry: &StreamReport, findings: &mut Findings) {
    let limit = milliseconds(Ticks(FAR_APART));
    let mut find = |code, offset: Option<i64>, what: &str| {
        if let Some(offset) = offset.filter(|offset| offset.abs() > limit) {
            let (amount, side) = (offset.abs(), if offset > 0 { "later" } else { "earlier" });
            let detail = format!("sound {what} {amount} ms {side} than the pictures");
            findings.add(code, Place::in_stream(&entry.uri), detail);
        }
    };
    find(FindingCode::AudioOffset, entry.audio_offset_start_milliseconds, "begins");
    find(FindingCode::AudioEndsApart, entry.audio_offset_end_milliseconds, "ends");
}

/// Pictures that players can hardly begin with.
fn find_access(entry: &StreamReport, stream: &Stream, findings: &mut Findings) {
    let keyframes = entry.keyframe_distances;
    let place = || Place::in_stream(&entry.uri);
    if keyframes.gradual > 0 {
        let detail = format!(
            "{} of {} random access points refresh gradually",
            keyframes.gradual, keyframes.count
        );
        findings.add(FindingCode::GradualRefreshOnly, place(), detail);
    } else if keyframes.recovery > 0 {
        let detail = format!(
            "{} of {} random access points are recovery points; segments begin with them",
            keyframes.recovery, keyframes.count
        );
        findings.add(FindingCode::RecoveryPointsOnly, place(), detail);
    }
    if keyframes.longest_milliseconds > milliseconds(Ticks(KEYFRAMES_FAR_APART)) {
        let detail = format!("keyframes are up to {} ms apart", keyframes.longest_milliseconds);
        findings.add(FindingCode::KeyframesFarApart, place(), detail);
    }
    let tracks = stream.periods.iter().flat_map(|p| [p.video.as_ref(), p.audio.as_ref()]).flatten();
    let wraps = tracks.filter(|track| {
        let first = track.start().rescale(track.timescale, Timescale::MPEG);
        let last = track.end.rescale(track.timescale, Timescale::MPEG);
        let on_clock = first.plus(track.clock_offset).0.rem_euclid(1 << 33);
        on_clock + last.minus(first).0 >= 1 << 33
    });
    let wraps = wraps.count() as u64;
    if wraps > 0 {
        findings.add_many(FindingCode::ClockWraps, wraps, vec![place()], "the 33-bit clock wraps");
    }
}

/// Periods that the playlist does not announce.
fn find_breaks(presentation: &Presentation, periods: &Periods, findings: &mut Findings) {
    for (index, (period, begin)) in presentation.periods.iter().zip(&periods.begins).enumerate() {
        let (code, detail) = match begin {
            Begin::Announced | Begin::Moved => continue,
            Begin::ClockJump { from, to } => (
                FindingCode::ClockJump,
                format!(
                    "the clock jumps from {} s to {} s; a period begins there",
                    from.seconds(Timescale::MPEG, 3),
                    to.seconds(Timescale::MPEG, 3)
                ),
            ),
            Begin::Configuration => (
                FindingCode::ConfigurationChanges,
                "the decoder configuration changes; a period begins there".to_owned(),
            ),
        };
        let place = Place {
            period: Some(index as u32),
            time_milliseconds: Some(milliseconds(period.start)),
            ..Place::default()
        };
        findings.add(code, place, detail);
    }
}

/// Renditions that end at other times than others.
fn find_lengths(presentation: &Presentation, findings: &mut Findings) {
    let lengths = || presentation.streams.iter().map(stream_duration);
    let longest = lengths().max().unwrap_or_default();
    for (stream, length) in presentation.streams.iter().zip(lengths()) {
        let missing = longest.minus(length);
        if missing.0 > LENGTHS_DIFFER {
            let detail = format!("it is {} ms shorter than the longest", milliseconds(missing));
            findings.add(FindingCode::LengthsDiffer, Place::in_stream(&stream.uri), detail);
        }
    }
}

/// Whether one of the ordered times is within a millisecond, as clocks are rounded.
fn has_near(times: &[Ticks], wanted: Ticks) -> bool {
    let from = times.partition_point(|time| time.0 < wanted.0 - 90);
    times.get(from).is_some_and(|time| time.0 <= wanted.0 + 90)
}

/// How many keyframes the renditions share; less than half of them is a finding, because players
/// cannot switch cleanly.
fn find_alignment(presentation: &Presentation, findings: &mut Findings) -> AlignmentReport {
    let mut alignment = AlignmentReport::default();
    for period in 0..presentation.periods.len() {
        let times: Vec<Vec<Ticks>> = (0..presentation.streams.len())
            .filter_map(|stream| presentation.track(stream, period, Medium::Video))
            .map(|track| group_times(&track.groups))
            .collect();
        let Some((first, others)) = times.split_first() else { continue };
        let fewest = times.iter().map(Vec::len).min().unwrap_or(0);
        let shared =
            first.iter().filter(|time| others.iter().all(|other| has_near(other, **time))).count();
        alignment.shared_keyframes += shared as u64;
        alignment.fewest_keyframes += fewest as u64;
        if shared * 2 < fewest {
            let detail = format!(
                "only {shared} of at least {fewest} keyframes are at the same time in all streams"
            );
            let place = Place { period: Some(period as u32), ..Place::default() };
            findings.add(FindingCode::KeyframesNotShared, place, detail);
        }
    }
    alignment.aligned = alignment.shared_keyframes == alignment.fewest_keyframes;
    alignment
}

/// What the scan of a stream noticed.
pub(super) fn find_damage(stream: &ReadStream, findings: &mut Findings) {
    let uri = &stream.declared.uri;
    for (&code, entry) in &stream.scan.damage.entries {
        let mut places: Vec<Place> =
            entry.places.iter().map(|at| place_in(uri, &stream.objects, *at)).collect();
        if places.is_empty() {
            places.push(Place::in_stream(uri));
        }
        let detail = if entry.detail.is_empty() { damage_words(code) } else { &entry.detail };
        findings.add_many(code, entry.count, places, detail);
    }
    for name in &stream.scan.damage.left_out {
        let detail = format!("{name} is left out");
        findings.add(FindingCode::TrackLeftOut, Place::in_stream(uri), detail);
    }
    let (pictures, sound) = (stream.scan.pictures, stream.scan.sound);
    let counts = [
        (FindingCode::PicturesBeforeKeyframe, pictures.undecodable),
        (FindingCode::LeadingPicturesDropped, pictures.leading),
        (FindingCode::TimestampsMissing, pictures.undated + sound.undated),
        (FindingCode::TimestampsDoubted, pictures.doubted),
        (FindingCode::DecodeTimesRepaired, pictures.spread),
        (FindingCode::AudioGaps, sound.gaps),
        (FindingCode::AudioOverlaps, sound.repeated),
    ];
    for (code, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        findings.add_many(code, count, vec![Place::in_stream(uri)], damage_words(code));
    }
}

fn place_in(uri: &str, objects: &[SourceObject], at: SourcePosition) -> Place {
    let object = objects.get(at.object as usize);
    Place {
        stream: Some(uri.to_owned()),
        file: object.map(|object| object.path.clone()),
        byte: object.map(|object| object.start + at.offset),
        ..Place::default()
    }
}

/// What exactly a count counts.
const fn damage_words(code: FindingCode) -> &'static str {
    match code {
        FindingCode::PacketsLost => "transport packets are missing",
        FindingCode::PacketsRepeated => "transport packets are repeated",
        FindingCode::SyncLost => "bytes between transport packets are skipped",
        FindingCode::PacketsUnreadable => "transport packets have broken headers",
        FindingCode::PacketsScrambled => "transport packets are scrambled and left out",
        FindingCode::PacketsMarkedDamaged => "transport packets are marked as damaged and left out",
        FindingCode::PacketTruncated => "the file ends inside a transport packet",
        FindingCode::BytesTrailing => "the file ends with bytes that are no packet",
        FindingCode::TablesLate => "packets come before the tables that say what they are",
        FindingCode::TablesBroken => "sections have wrong checksums",
        FindingCode::TrackMoves => "a track moves to another PID",
        FindingCode::DataUnannounced => "PIDs carry data that no program map lists",
        FindingCode::UnitsBroken => "pictures or frames have broken syntax",
        FindingCode::HeadersBroken => "PES packets have broken headers",
        FindingCode::PacketsOf192Bytes => "packets have time codes in front",
        FindingCode::PacketsOf204Bytes => "packets have parity behind",
        FindingCode::ClockReferenceMissing => "there is no program clock reference",
        FindingCode::ClockReferenceElsewhere => {
            "clock references are on another PID than the program map says"
        }
        FindingCode::ClockReferenceWrong => {
            "clock references are more than five seconds from decoding times"
        }
        FindingCode::PicturesBeforeKeyframe => "pictures cannot be decoded and are left out",
        FindingCode::LeadingPicturesDropped => {
            "leading pictures refer to what is not there and are left out"
        }
        FindingCode::TimestampsMissing => "pictures or frames have no timestamps of their own",
        FindingCode::TimestampsDoubted => "timestamps are out of line and not believed",
        FindingCode::DecodeTimesRepaired => {
            "groups of pictures have decoding times that do not grow; they are spread evenly"
        }
        FindingCode::AudioGaps => "times sound is missing for more than half a frame",
        FindingCode::AudioOverlaps => "frames that repeat what was heard are left out",
        _ => "found",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> StreamReport {
        StreamReport {
            uri: "a.m3u8".to_owned(),
            measured_peak_bandwidth: 1_000_000,
            measured_average_bandwidth: 800_000,
            codecs: vec!["avc1.64001e".to_owned(), "mp4a.40.2".to_owned()],
            resolution: Some("640x360".to_owned()),
            frame_rate: Some("29.970".to_owned()),
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
        }
    }

    fn found(declared: &StreamEntry) -> Vec<FindingCode> {
        let mut findings = Findings::default();
        find_claims(&measured(), declared, &mut findings);
        findings.into_list().into_iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn claims_within_a_tenth_are_believed_and_others_are_told() {
        assert_eq!(found(&declared()), []);
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
                FindingCode::BandwidthDiffers,
                FindingCode::AverageBandwidthDiffers,
                FindingCode::ResolutionDiffers,
                FindingCode::FrameRateDiffers,
                FindingCode::CodecsDiffer,
            ]
        );
    }

    #[test]
    fn he_aac_that_nobody_declares_has_a_word_of_its_own() {
        let mut entry = measured();
        entry.codecs = vec!["avc1.64001e".to_owned(), "mp4a.40.5".to_owned()];
        let mut findings = Findings::default();
        find_claims(&entry, &declared(), &mut findings);
        let codes: Vec<_> = findings.into_list().iter().map(|finding| finding.code).collect();
        assert_eq!(codes, [FindingCode::ExtensionUndeclared]);
    }
}
