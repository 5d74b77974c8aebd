//! What is told about a presentation once it is put together: numbers of each stream, and where
//! the source is not what it should be or what it says.

use super::build::{ReadStream, group_times};
use crate::hls::read::StreamEntry;
use crate::model::ingest::{StreamReport, Warning};
use crate::model::presentation::{Group, Medium, Period, Presentation, Stream};
use crate::time::{Ticks, Timescale, bits_per_second};

pub(super) fn milliseconds(time: Ticks) -> i64 {
    Timescale::new(1000).map_or(0, |scale| time.rescale(Timescale::MPEG, scale).0)
}

pub(super) fn stream_report(stream: &Stream, periods: &[Period]) -> StreamReport {
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
    let first_video = tracks(Medium::Video).next();
    let longest = tracks(Medium::Video)
        .flat_map(|track| {
            (0..track.groups.len()).filter_map(|index| {
                Some(track.group_end(index).minus(track.groups.get(index)?.time))
            })
        })
        .max()
        .unwrap_or_default();
    StreamReport {
        uri: stream.uri.clone(),
        segments: stream.objects.len() as u64,
        bytes,
        declared_bandwidth: stream.declared_bandwidth,
        measured_peak_bandwidth: peak_bandwidth(stream),
        measured_average_bandwidth: bits_per_second(bytes, Ticks(duration), Timescale::MPEG),
        codecs,
        resolution: first_video
            .and_then(|track| track.codec.picture())
            .map(|picture| format!("{}x{}", picture.width, picture.height)),
        frame_rate: first_video.map(|track| {
            let second = i64::from(track.timescale.hertz());
            let step = Timescale::new(track.sample_duration.max(1)).unwrap_or(track.timescale);
            Ticks(second).seconds(step, 3).to_string()
        }),
        keyframes: tracks(Medium::Video).map(|track| track.groups.len() as u64).sum(),
        longest_keyframe_distance_milliseconds: milliseconds(longest),
    }
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

/// Warns where the master playlist says something else than the media: numbers by more than a
/// tenth, everything else at all.
pub(super) fn warn_of_claims(
    entry: &StreamReport,
    declared: &StreamEntry,
    warnings: &mut Vec<Warning>,
) {
    let uri = &entry.uri;
    let differs = |claim: u64, truth: u64| claim.abs_diff(truth) * 10 > truth;
    let mut warn = |code: &str, claim: String, truth: String| {
        warnings.push(Warning::new(
            code,
            format!("{uri}: the master playlist declares {claim}, the media have {truth}; manifests show \
                 what the media have"),
        ));
    };
    let (claim, truth) = (declared.bandwidth, entry.measured_peak_bandwidth);
    if differs(claim, truth) {
        let truth = format!("segments of up to {truth} bit/s");
        warn("bandwidth_differs", format!("BANDWIDTH={claim}"), truth);
    }
    let truth = entry.measured_average_bandwidth;
    if let Some(claim) = declared.average_bandwidth.filter(|claim| differs(*claim, truth)) {
        let truth = format!("{truth} bit/s on average");
        warn("average_bandwidth_differs", format!("AVERAGE-BANDWIDTH={claim}"), truth);
    }
    if let (Some((width, height)), Some(truth)) = (declared.resolution, &entry.resolution) {
        let claim = format!("{width}x{height}");
        if claim != *truth {
            warn("resolution_differs", format!("RESOLUTION={claim}"), truth.clone());
        }
    }
    if let (Some(claim), Some(truth)) = (declared.frame_rate_thousandths, &entry.frame_rate) {
        let measured = truth.replace('.', "").parse::<u64>().unwrap_or(claim);
        if differs(claim, measured) {
            let claim = format!("FRAME-RATE={}.{:03}", claim / 1000, claim % 1000);
            warn("frame_rate_differs", claim, format!("{truth} pictures per second"));
        }
    }
    if let Some(codecs) = &declared.codecs {
        let claimed: Vec<String> =
            codecs.split(',').map(|codec| codec.trim().to_ascii_lowercase()).collect();
        let same = claimed.len() == entry.codecs.len()
            && entry.codecs.iter().all(|codec| claimed.contains(&codec.to_ascii_lowercase()));
        if !same {
            let truth = entry.codecs.join(",");
            warn("codecs_differ", format!("CODECS=\"{codecs}\""), truth);
        }
    }
}

pub(super) fn warn_of_damage(stream: &ReadStream, warnings: &mut Vec<Warning>) {
    let uri = &stream.declared.uri;
    let damage = &stream.scan.damage;
    let mut warn = |count: u64, code: &str, text: &str| {
        if count > 0 {
            warnings.push(Warning::new(code, format!("{uri}: {count} {text}")));
        }
    };
    warn(damage.continuity_errors, "packets_lost", "times transport packets are missing");
    warn(damage.lost_sync_bytes, "sync_lost", "bytes between transport packets are skipped");
    warn(damage.unreadable_packets, "packets_unreadable", "scrambled or broken transport packets");
    warn(damage.broken_units, "units_broken", "access units or headers with broken syntax");
    let stretches = &stream.scan.stretches;
    let videos = || stretches.iter().filter_map(|stretch| stretch.video.as_ref());
    let audios = || stretches.iter().filter_map(|stretch| stretch.audio.as_ref());
    let undecodable = videos().map(|video| video.undecodable).sum();
    let text = "pictures before the first keyframe of a stretch cannot be decoded and are left out";
    warn(undecodable, "pictures_before_keyframe", text);
    let gaps = audios().map(|audio| audio.anchors.len().saturating_sub(1) as u64).sum();
    warn(gaps, "audio_gaps", "gaps of more than half a frame in the audio");
    let overlaps = audios().map(|audio| audio.overlaps).sum();
    let text = "audio timestamps more than half a frame early; frames are played without overlap";
    warn(overlaps, "audio_overlaps", text);
    for name in &damage.left_out {
        let detail = format!("{uri}: {name} is left out; only H.264 and AAC are read, one of each");
        warnings.push(Warning::new("track_left_out", detail));
    }
}

/// Whether one of the ordered times is within a millisecond, as clocks are rounded.
fn has_near(times: &[Ticks], wanted: Ticks) -> bool {
    let from = times.partition_point(|time| time.0 < wanted.0 - 90);
    times.get(from).is_some_and(|time| time.0 <= wanted.0 + 90)
}

/// Warns where less than half of the keyframes are shared, so that players cannot switch cleanly.
pub(super) fn warn_of_alignment(presentation: &Presentation, warnings: &mut Vec<Warning>) {
    for period in 0..presentation.periods.len() {
        let times: Vec<Vec<Ticks>> = (0..presentation.streams.len())
            .filter_map(|stream| presentation.track(stream, period, Medium::Video))
            .map(|track| group_times(&track.groups))
            .collect();
        let Some((first, others)) = times.split_first() else { continue };
        let fewest = times.iter().map(Vec::len).min().unwrap_or(0);
        let shared =
            first.iter().filter(|time| others.iter().all(|other| has_near(other, **time))).count();
        if shared * 2 < fewest {
            warnings.push(Warning::new(
                "keyframes_not_shared",
                format!(
                    "period {period}: only {shared} of at least {fewest} keyframes are at the same \
                     time in all streams; encode all with the same fixed keyframe distance"
                ),
            ));
        }
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

    fn warned(declared: &StreamEntry) -> Vec<String> {
        let mut warnings = Vec::new();
        warn_of_claims(&measured(), declared, &mut warnings);
        warnings.into_iter().map(|warning| warning.code).collect()
    }

    #[test]
    fn claims_within_a_tenth_are_believed_and_others_are_told() {
        assert_eq!(warned(&declared()), Vec::<String>::new());
        let wrong = StreamEntry {
            bandwidth: 1_100_001,
            average_bandwidth: Some(719_999),
            codecs: Some("avc1.64001e".to_owned()),
            resolution: Some((640, 352)),
            frame_rate_thousandths: Some(25_000),
            ..declared()
        };
        assert_eq!(
            warned(&wrong),
            [
                "bandwidth_differs",
                "average_bandwidth_differs",
                "resolution_differs",
                "frame_rate_differs",
                "codecs_differ",
            ]
        );
    }
}
