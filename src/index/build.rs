//! All streams of a source → one presentation on one timeline, and the report.
//!
//! ```text
//! source clock of period k     … zero ──────────────── end │
//! timeline                     T(k) ─────────────── T(k+1) │      T(0) = how much audio leads
//! ```
//!
//! `zero` is the first picture of any stream in the period. Streams share it as RFC 8216 6.2.4
//! asks; one whose clock is far off gets its own, and a warning. Audio frames lie on a grid of whole
//! frames that starts at their first timestamp; the grid is set anew where the source leaves a gap.
//! Runs of frames are cut where groups of pictures begin, at the nearest frame border.

use sha2::{Digest, Sha256};

use super::markers::{self, StreamMarkers};
use super::periods::{self, Stretch};
use super::scan::{AudioSection, Begin, RawFrame, RawGroup, RawPicture, StreamScan, VideoSection};
use super::{captions, dates, findings, report, tags};
use crate::codec::AccessUnit;
use crate::codec::aac::replication::Presence;
use crate::codec::timing::place_frames;
use crate::hls::read::{MarkerTag, StreamEntry};
use crate::model::codec::{AacConfig, AacExtension, CodecConfig};
use crate::model::ingest::{FailureCode, FindingCode, Findings, IngestFailure, Place, Report};
use crate::model::presentation::{
    Group, Period, Presentation, SourceObject, SourcePosition, Stream, StreamPeriod, StreamRole,
    Track,
};
use crate::model::sample::{Dependency, RandomAccess};
use crate::time::{Ticks, Timescale};
use crate::ts::mux;

/// One stream as it was read.
pub(super) struct ReadStream {
    /// What the master playlist says of it.
    pub declared: StreamEntry,
    /// What it is there for.
    pub role: StreamRole,
    /// The segments.
    pub objects: Vec<SourceObject>,
    /// Dates of the segments, milliseconds since the start of 1970, UTC.
    pub dates: Vec<Option<i64>>,
    /// Tags of its playlist about markers.
    pub marks: Vec<MarkerTag>,
    /// What they hold.
    pub scan: StreamScan,
}

/// Clocks of two streams that are further apart than this have nothing to do with each other.
const UNRELATED_CLOCKS: i64 = 10 * 90_000;
/// Sound may lead the pictures of a period by this much and run over the end of the one before: a
/// quarter of a second.
const USUAL_LEAD: Ticks = Ticks(90_000 / 4);
/// 33-bit clocks repeat after this.
const CLOCK_PERIOD: i64 = 1 << 33;
/// Where IDR pictures are never further apart than this, recovery points between them do not count:
/// five seconds, a little less than segments usually last.
const OFTEN_ENOUGH: Ticks = Ticks(5 * 90_000);
/// Runs of audio without pictures are cut at this distance, 90 kHz.
const AUDIO_ONLY_RUN: i64 = 90_000;

/// Puts the streams together.
pub(super) fn presentation(
    mut streams: Vec<ReadStream>,
    mut found: Findings,
) -> Result<(Presentation, Report), IngestFailure> {
    let differ = stretch_counts_differ(&streams);
    require_media(&streams)?;
    let scans = streams.iter_mut().map(|stream| std::mem::take(&mut stream.scan.stretches));
    let aligned = periods::align(scans.collect(), differ);
    let period_count = aligned.begins.len();
    if differ {
        let detail = "media playlists announce different numbers of discontinuities";
        found.add(FindingCode::DiscontinuitiesDiffer, Place::default(), detail);
    }
    let mut periods = Vec::with_capacity(period_count);
    let mut built: Vec<Vec<StreamPeriod>> = streams.iter().map(|_| Vec::new()).collect();
    let mut start = None;
    let mut heard = Ticks::ZERO;
    let mut sound_shifts = vec![Ticks::ZERO; streams.len()];
    for index in 0..period_count {
        let stretches: Vec<&Stretch> =
            aligned.streams.iter().filter_map(|stream| stream.get(index)).collect();
        let begin = aligned.begins.get(index).copied().unwrap_or(Begin::Announced);
        for ((stretch, stream), shift) in stretches.iter().zip(&streams).zip(&mut sound_shifts) {
            *shift = sound_shift(stretch, begin, *shift, index, stream, &mut found);
        }
        let clock = PeriodClock::of(&stretches, index, &streams, &sound_shifts, &mut found);
        let start_of_period = match start {
            None => clock.audio_lead,
            // Sound that leads by more than usual is not heard together with what was before.
            Some(end) if clock.audio_lead > USUAL_LEAD => clock.audio_lead.plus(heard).max(end),
            Some(end) => clock.audio_lead.max(end),
        };
        let placed: Vec<StreamPeriod> = stretches
            .iter()
            .zip(clock.zeros.iter().zip(&sound_shifts))
            .zip(&streams)
            .map(|((stretch, (zero, shift)), stream)| {
                let extension = claimed_extension(stream.declared.codecs.as_deref());
                place(stretch, &stretches, *zero, *shift, start_of_period, extension)
            })
            .collect();
        heard = placed.iter().filter_map(sound_end).fold(heard, Ticks::max);
        let end = period_end(&placed).unwrap_or(start_of_period);
        periods.push(Period { start: start_of_period, duration: end.minus(start_of_period) });
        start = Some(end);
        for (stream, period) in built.iter_mut().zip(placed) {
            stream.push(period);
        }
    }
    let mut declared = Vec::with_capacity(streams.len());
    let mut finished = Vec::with_capacity(streams.len());
    let mut dates = Vec::with_capacity(streams.len());
    let mut marks = Vec::with_capacity(streams.len());
    for ((read, stretches), periods_of_stream) in
        streams.into_iter().zip(&aligned.streams).zip(built)
    {
        findings::find_damage(&read, &mut found);
        let (metadata, unplaced) = tags::place(&read.scan.tags, &periods_of_stream);
        let place = Place::stream(&read.declared.uri);
        let words = "their times are not those of pictures or sound around them";
        found.add_many(FindingCode::MetadataLeftOut, place, unplaced, words);
        let stream = Stream {
            source_identity: read.scan.identity,
            audio_identity: audio_identity(stretches, &periods_of_stream),
            uri: read.declared.uri.clone(),
            role: read.role,
            declared_bandwidth: read.declared.bandwidth,
            captions: captions::of_stream(&read.scan.captions, &read.declared.captions),
            metadata,
            objects: read.objects.into(),
            periods: periods_of_stream,
        };
        finished.push(stream);
        dates.push(read.dates);
        marks.push(StreamMarkers { splices: read.scan.splices, tags: read.marks });
        declared.push(read.declared);
    }
    let stream_reports = report::of_streams(&finished, &declared, &periods, &mut found);
    let mut presentation = Presentation {
        periods,
        wall_clock: dates::wall_clock(&finished, &dates),
        streams: finished,
        texts: Vec::new(),
        session: Default::default(),
        markers: Vec::new(),
    };
    presentation.markers = markers::place(&presentation, &marks, &mut found);
    findings::find_breaks(&presentation, &aligned, &mut found);
    let report = report::of(&presentation, stream_reports, &aligned.begins, found);
    Ok((presentation, report))
}

/// Tables that announce tracks are not enough.
fn require_media(streams: &[ReadStream]) -> Result<(), IngestFailure> {
    let mut stretches = streams.iter().flat_map(|stream| &stream.scan.stretches);
    if stretches.any(|stretch| !stretch.video.is_empty() || !stretch.audio.is_empty()) {
        return Ok(());
    }
    Err(IngestFailure::new(
        FailureCode::CorruptSegment,
        format!(
            "{}: the segments announce tracks and hold no picture and no sound of them; upload \
             them again, then ingest again",
            streams.first().map_or("", |stream| &stream.declared.uri)
        ),
    ))
}

/// Whether the media playlists announce different numbers of discontinuities, which RFC 8216 6.2.4
/// forbids. Their periods are then found by what was played.
fn stretch_counts_differ(streams: &[ReadStream]) -> bool {
    let mut counts = streams.iter().map(|stream| stream.scan.stretches.len());
    let first = counts.next();
    counts.any(|count| Some(count) != first)
}

/// Where the timeline of a period begins on the clock of each stream.
struct PeriodClock {
    zeros: Vec<Ticks>,
    /// How much earlier than the first picture the first sound is, or 0.
    audio_lead: Ticks,
}

impl PeriodClock {
    fn of(
        stretches: &[&Stretch],
        index: usize,
        streams: &[ReadStream],
        sound_shifts: &[Ticks],
        findings: &mut Findings,
    ) -> Self {
        // Sound of its own may begin before the pictures that it goes with.
        let with_pictures = stretches.iter().any(|stretch| first_picture(stretch).is_some());
        let firsts: Vec<Option<Ticks>> = stretches
            .iter()
            .map(|stretch| first_picture(stretch).or_else(|| first_sound(stretch)))
            .collect();
        let leads = |stretch: &Stretch| !with_pictures || first_picture(stretch).is_some();
        let leading = || {
            let all = stretches.iter().zip(&firsts);
            all.filter(|(stretch, _)| leads(stretch)).map(|(_, first)| *first)
        };
        let reference = leading().flatten().next().unwrap_or_default();
        // Each stream's clock is moved by whole wraps to lie near the reference.
        let near: Vec<Option<Ticks>> =
            firsts.iter().map(|first| first.map(|first| moved_near(first, reference))).collect();
        let related = |first: Ticks| first.minus(reference).0.abs() <= UNRELATED_CLOCKS;
        let near_leading = leading().flatten().map(|first| moved_near(first, reference));
        let zero = near_leading.filter(|&first| related(first)).min();
        let zero = zero.unwrap_or_default();
        let zeros: Vec<Ticks> = firsts
            .iter()
            .zip(&near)
            .zip(streams)
            .map(|((first, near), stream)| match (first, near) {
                (Some(first), Some(near)) if related(*near) => zero.plus(first.minus(*near)),
                (Some(first), _) => {
                    let detail = format!(
                        "timestamps are {} s away from those of {}; the first pictures are taken \
                         as simultaneous",
                        first.minus(reference).seconds(Timescale::MPEG, 1),
                        streams.first().map_or("", |stream| &stream.declared.uri),
                    );
                    let place =
                        Place { period: Some(index as u32), ..Place::stream(&stream.declared.uri) };
                    findings.add(FindingCode::ClocksDiffer, place, detail);
                    *first
                }
                (None, _) => zero,
            })
            .collect();
        let audio_lead = stretches
            .iter()
            .zip(zeros.iter().zip(sound_shifts))
            .filter_map(|(stretch, (zero, shift))| {
                let (_, at) = stretch.audio.as_ref()?.anchors.first()?;
                Some(zero.minus(moved_near(at.plus(*shift), *zero)))
            })
            .max()
            .unwrap_or_default()
            .max(Ticks::ZERO);
        Self { zeros, audio_lead }
    }
}

/// What brings the sound of a stretch to the clock of its pictures: nothing, except where the clock
/// of one of them jumped without the other's. Then they are taken to begin together, and what that
/// needs holds until both are in step again. `before` is that of the period before.
fn sound_shift(
    stretch: &Stretch,
    begin: Begin,
    before: Ticks,
    index: usize,
    stream: &ReadStream,
    findings: &mut Findings,
) -> Ticks {
    if begin == Begin::Announced {
        return Ticks::ZERO;
    }
    let picture = stretch.video.as_ref().and_then(|video| video.groups.first());
    let sound = stretch.audio.as_ref().and_then(|audio| audio.anchors.first());
    let (Some(picture), Some((_, sound))) = (picture, sound) else { return before };
    let distance = |shift| moved_near(sound.plus(shift), picture.time).minus(picture.time);
    let related = |shift| distance(shift).0.abs() <= UNRELATED_CLOCKS;
    let is_jump = matches!(begin, Begin::ClockJump { .. });
    let Some(shift) = [Ticks::ZERO, before].into_iter().find(|shift| related(*shift)) else {
        if !is_jump {
            return before;
        }
        let apart = distance(Ticks::ZERO);
        let detail = format!(
            "the clock of sound or pictures jumped alone, and sound is {} s away from the \
             pictures; both are taken to begin together",
            apart.seconds(Timescale::MPEG, 1)
        );
        let place = Place { period: Some(index as u32), ..Place::stream(&stream.declared.uri) };
        findings.add(FindingCode::ClocksDiffer, place, detail);
        return Ticks::ZERO.minus(apart);
    };
    shift
}

/// When the first picture is shown.
fn first_picture(stretch: &Stretch) -> Option<Ticks> {
    Some(stretch.video.as_ref()?.groups.first()?.time)
}

/// When the first sound is heard.
fn first_sound(stretch: &Stretch) -> Option<Ticks> {
    Some(stretch.audio.as_ref()?.anchors.first()?.1)
}

/// `time` moved by whole wraps of the clock to within half a wrap of `reference`.
fn moved_near(time: Ticks, reference: Ticks) -> Ticks {
    let half = CLOCK_PERIOD / 2;
    let distance = (time.minus(reference).0 + half).rem_euclid(CLOCK_PERIOD) - half;
    reference.plus(Ticks(distance))
}

fn place(
    stretch: &Stretch,
    all: &[&Stretch],
    zero: Ticks,
    sound_shift: Ticks,
    start: Ticks,
    claimed: AacExtension,
) -> StreamPeriod {
    let clock_offset = zero.minus(start);
    let video = stretch.video.as_ref().map(|video| place_video(video, clock_offset));
    // Audio without pictures of its own is cut like the first stream that has some.
    let cuts = video.as_ref().map(|track| group_times(&track.groups)).or_else(|| {
        all.iter().find_map(|other| {
            let video = other.video.as_ref()?;
            let first = video.groups.first()?.time;
            let offset = moved_near(first, zero).minus(first);
            let shift = offset.minus(clock_offset);
            Some(video.groups.iter().map(|group| group.time.plus(shift)).collect())
        })
    });
    let audio = stretch.audio.as_ref().and_then(|audio| {
        place_audio(audio, clock_offset.minus(sound_shift), cuts.as_deref(), claimed)
    });
    StreamPeriod { video, audio }
}

pub(super) fn group_times(groups: &[Group]) -> Vec<Ticks> {
    groups.iter().map(|group| group.time).collect()
}

fn place_video(video: &VideoSection, clock_offset: Ticks) -> Track {
    let transport_delay =
        video.pictures.iter().map(|picture| picture.composition_offset.min(0).unsigned_abs()).max();
    let transport_delay = transport_delay.unwrap_or(0);
    let end = video.end.minus(clock_offset);
    let mut groups: Vec<Group> =
        video.groups.iter().map(|raw| place_group(raw, clock_offset)).collect();
    prefer_better_access(&mut groups, end);
    for (group, raw) in groups.iter_mut().zip(&video.groups) {
        let is_alone = matches!(group.access, RandomAccess::Instant | RandomAccess::Recovery);
        group.still = is_alone.then_some(raw.still);
    }
    let mut pictures = &video.pictures[..];
    for group in &mut groups {
        let count = (group.samples as usize).min(pictures.len());
        let (of_group, behind) = pictures.split_at(count);
        pictures = behind;
        let with_sets = group.access != RandomAccess::None;
        group.ts_payload_packets =
            payload_packets(&video.config, of_group, with_sets, transport_delay);
    }
    let mut track = Track {
        pid: video.pid,
        syntax: video.syntax,
        codec: video.config.clone(),
        timescale: Timescale::MPEG,
        sample_duration: 0,
        clock_offset: Ticks(clock_offset.0.rem_euclid(CLOCK_PERIOD)),
        transport_delay,
        groups: groups.into(),
        end,
    };
    let (samples, span) = track.typical_group().unwrap_or((1, Ticks::ZERO));
    let samples = i64::from(samples);
    track.sample_duration = u32::try_from((span.0 + samples / 2) / samples).unwrap_or(0);
    track
}

/// Random access that is worse than others of the track are is no place to cut, as long as the
/// better ones come often enough.
fn prefer_better_access(groups: &mut [Group], end: Ticks) {
    for accepted in [RandomAccess::Instant, RandomAccess::Recovery] {
        let is_better = |group: &Group| match accepted {
            RandomAccess::Instant => group.access == RandomAccess::Instant,
            _ => matches!(group.access, RandomAccess::Instant | RandomAccess::Recovery),
        };
        let mut last = groups.first().map_or(end, |group| group.time);
        let times = groups.iter().filter(|group| is_better(group)).map(|group| group.time);
        let longest = times.chain([end]).map(|time| {
            let distance = time.minus(last);
            last = time;
            distance
        });
        if longest.max().is_some_and(|longest| longest <= OFTEN_ENOUGH) {
            for group in groups.iter_mut().skip(1).filter(|group| !is_better(group)) {
                group.access = RandomAccess::None;
            }
            return;
        }
    }
}

/// Packets with payload of a group, whose first picture has the parameter sets if it is a random
/// access point.
fn payload_packets(
    config: &CodecConfig,
    pictures: &[RawPicture],
    with_sets: bool,
    transport_delay: u32,
) -> u32 {
    // Nothing else is put into our transport streams.
    let CodecConfig::Avc(config) = config else { return 0 };
    let delay = i64::from(transport_delay);
    let packets = pictures.iter().enumerate().map(|(index, picture)| {
        // Shown when decoded: one timestamp is enough.
        let has_decode_time = i64::from(picture.composition_offset) != -delay;
        mux::picture_packets(
            (index == 0 && with_sets).then_some(config),
            picture.size,
            has_decode_time,
        )
    });
    packets.sum()
}

fn place_group(raw: &RawGroup, clock_offset: Ticks) -> Group {
    let delay = raw.first.presentation.minus(raw.first.decode).0;
    Group {
        start: raw.start,
        end: raw.end,
        skip: raw.skip,
        pes_left: raw.pes_left,
        time: raw.time.minus(clock_offset),
        lead: raw.first.presentation.minus(raw.time).0,
        left_out: raw.left_out,
        undecodable: raw.undecodable,
        access: raw.access,
        decode_delay: u32::try_from(delay).unwrap_or(0),
        samples: raw.samples,
        payload_bytes: raw.payload_bytes,
        uniform_duration: raw.uniform_duration,
        ts_clock_packets: raw.ts_clock_packets,
        subsamples: raw.subsamples,
        ..Group::default()
    }
}

/// The frames of a stretch on the timeline, cut into runs.
fn place_audio(
    audio: &AudioSection,
    clock_offset: Ticks,
    cuts: Option<&[Ticks]>,
    claimed: AacExtension,
) -> Option<Track> {
    let timescale = audio.timescale;
    let frame = i64::from(audio.format.frame_samples);
    let times = frame_times(audio, clock_offset);
    let cuts: Vec<Ticks> = match cuts {
        Some(cuts) => cuts.to_vec(),
        None => regular_cuts(&times, timescale),
    };
    let mut cuts = cuts.iter().map(|cut| cut.rescale(Timescale::MPEG, timescale)).peekable();
    let mut starts = Vec::new();
    for (index, &time) in times.iter().enumerate() {
        // A cut belongs to the frame whose start is nearest.
        let mut is_cut = index == 0;
        while cuts.next_if(|cut| begins_at(time, *cut, frame)).is_some() {
            is_cut = true;
        }
        let before = index.checked_sub(1);
        let follows = before
            .and_then(|before| times.get(before))
            .is_none_or(|before| before.plus(Ticks(frame)) == time);
        let repeats = before
            .and_then(|before| audio.frames.get(before))
            .is_some_and(|before| before.left_out > 0);
        if is_cut || !follows || repeats {
            starts.push(index);
        }
    }
    let end = times.last().map_or(Ticks::ZERO, |last| last.plus(Ticks(frame)));
    let groups: Vec<Group> = starts
        .iter()
        .enumerate()
        .filter_map(|(run, &first)| {
            let behind = starts.get(run + 1).copied().unwrap_or(times.len());
            let next_time = times.get(behind).copied().unwrap_or(end);
            let run_end = audio
                .frames
                .get(behind)
                .map_or(audio.end, |next| next.origin.end_before(next.skip));
            let frames = audio.frames.get(first..behind)?;
            let time = *times.get(first)?;
            Some(run_of(audio, frames, time, next_time, run_end))
        })
        .collect();
    let mut codec = audio.config.clone();
    if let CodecConfig::Aac(aac) = &mut codec
        && aac.extension == AacExtension::None
    {
        aac.extension = extension_of(aac, audio, claimed);
    }
    Some(Track {
        pid: audio.pid,
        syntax: audio.syntax,
        codec,
        timescale,
        sample_duration: audio.format.frame_samples,
        clock_offset: Ticks(clock_offset.0.rem_euclid(CLOCK_PERIOD)),
        transport_delay: 0,
        groups: groups.into(),
        end,
    })
}

/// Whether the frame at `time` is the first that belongs behind a cut: it begins at the cut or
/// later, or less than half a frame before.
fn begins_at(time: Ticks, cut: Ticks, frame: i64) -> bool {
    2 * time.0 + frame > 2 * cut.0
}

/// When each frame begins, in its own timescale.
fn frame_times(audio: &AudioSection, clock_offset: Ticks) -> Vec<Ticks> {
    let frame = i64::from(audio.format.frame_samples);
    let reference = audio.anchors.first().map_or(Ticks::ZERO, |(_, at)| *at);
    let wraps = moved_near(reference, clock_offset).minus(reference);
    let mut anchors = audio.anchors.iter().peekable();
    let mut anchor = (0, Ticks::ZERO);
    (0..audio.frames.len())
        .map(|index| {
            if let Some((first, at)) = anchors.next_if(|(first, _)| *first == index) {
                let at = at.plus(wraps).minus(clock_offset);
                anchor = (*first, at.rescale(Timescale::MPEG, audio.timescale));
            }
            anchor.1.plus(Ticks(frame * (index - anchor.0) as i64))
        })
        .collect()
}

/// A cut every second in which there are frames, for audio that goes with no pictures at all.
fn regular_cuts(times: &[Ticks], timescale: Timescale) -> Vec<Ticks> {
    let Some(first) = times.first() else { return Vec::new() };
    let first = first.rescale(timescale, Timescale::MPEG).0;
    let mut cuts: Vec<Ticks> = times
        .iter()
        .map(|time| {
            let since = time.rescale(timescale, Timescale::MPEG).0 - first;
            Ticks(first + since / AUDIO_ONLY_RUN * AUDIO_ONLY_RUN)
        })
        .collect();
    cuts.dedup();
    cuts
}

fn run_of(
    audio: &AudioSection,
    frames: &[RawFrame],
    time: Ticks,
    next_time: Ticks,
    end: SourcePosition,
) -> Group {
    let mut group = Group {
        end,
        time,
        samples: frames.len() as u32,
        left_out: frames.last().map_or(0, |frame| u32::from(frame.left_out)),
        payload_bytes: frames.iter().map(|frame| frame.size).sum(),
        ..Group::default()
    };
    if let Some(first) = frames.first() {
        group.start = first.origin.start();
        group.skip = first.skip;
        group.pes_left = first.origin.pes_left();
    }
    let units: Vec<AccessUnit> = frames
        .iter()
        .map(|frame| AccessUnit {
            offset: 0,
            size: frame.size as usize,
            timestamps: None,
            tag: 0,
            skip: frame.skip,
            dependency: Dependency::AUDIO,
            access: RandomAccess::Instant,
            config: 0,
            order: None,
            skipped_at_access: false,
        })
        .collect();
    let samples = place_frames(&units, &group, audio.format.frame_samples, next_time);
    group.uniform_duration = crate::codec::timing::uniform_duration(&samples);
    let packets = |alone| mux::audio_packets(&samples, &audio.config, audio.timescale, alone);
    group.ts_payload_packets = packets(false);
    group.ts_clock_packets = packets(true).saturating_sub(group.ts_payload_packets);
    group
}

/// What the frames of a section carry beside the core. The frames themselves tell; where they are
/// too few, the master playlist is believed.
fn extension_of(aac: &AacConfig, audio: &AudioSection, claimed: AacExtension) -> AacExtension {
    let is_mono = aac.channel_configuration == 1;
    match (audio.replication, audio.stereo, claimed) {
        (Presence::Absent, ..) => AacExtension::None,
        (Presence::Present, Presence::Present, _) if is_mono => AacExtension::SbrPs,
        (Presence::Present, Presence::Unsure, AacExtension::SbrPs) if is_mono => {
            AacExtension::SbrPs
        }
        (Presence::Present, ..) => AacExtension::Sbr,
        // Only cores up to 24 kHz carry the extension in practice.
        (Presence::Unsure, _, claimed) if aac.sampling_frequency <= 24_000 => claimed,
        (Presence::Unsure, ..) => AacExtension::None,
    }
}

/// What the master playlist says of it.
fn claimed_extension(codecs: Option<&str>) -> AacExtension {
    let codecs = codecs.unwrap_or_default();
    match () {
        () if codecs.contains("mp4a.40.29") => AacExtension::SbrPs,
        () if codecs.contains("mp4a.40.5") => AacExtension::Sbr,
        () => AacExtension::None,
    }
}

/// When the last picture of any stream ends, or where there is none the last sound.
fn period_end(streams: &[StreamPeriod]) -> Option<Ticks> {
    let pictures = streams.iter().filter_map(|stream| stream.video.as_ref());
    let pictures = pictures.map(|track| track.end).max();
    pictures.or_else(|| streams.iter().filter_map(sound_end).max())
}

/// When a stream's sound ends.
fn sound_end(period: &StreamPeriod) -> Option<Ticks> {
    let track = period.audio.as_ref()?;
    Some(track.end.rescale(track.timescale, Timescale::MPEG))
}

/// The same for all streams whose audio can stand for each other: same frames at same times.
fn audio_identity(stretches: &[Stretch], periods: &[StreamPeriod]) -> Option<[u8; 32]> {
    periods.iter().find_map(|period| period.audio.as_ref())?;
    let mut hash = Sha256::new();
    for (stretch, period) in stretches.iter().zip(periods) {
        let identity = stretch.audio.as_ref().map_or([0; 32], AudioSection::identity);
        hash.update(identity);
        if let Some(track) = &period.audio {
            hash.update(track.codec.rfc6381());
            // Where runs are cut depends on the pictures; where frames are missing does not.
            let runs = track.groups.chunk_by(|a, b| follows(a, b, track.sample_duration));
            for run in runs {
                let start = run.first().map_or(Ticks::ZERO, |group| group.time);
                hash.update(start.0.to_be_bytes());
            }
        }
    }
    Some(hash.finalize().into())
}

/// Whether a run of frames begins where another ends.
fn follows(before: &Group, run: &Group, frame: u32) -> bool {
    before.time.plus(Ticks(i64::from(before.samples) * i64::from(frame))) == run.time
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::timing::ContinuousTimestamps;
    use crate::model::presentation::SubsampleCounts;

    #[test]
    fn clocks_are_compared_across_the_wrap() {
        assert_eq!(moved_near(Ticks(5), Ticks(CLOCK_PERIOD - 5)), Ticks(CLOCK_PERIOD + 5));
        assert_eq!(moved_near(Ticks(CLOCK_PERIOD - 5), Ticks(5)), Ticks(-5));
        assert_eq!(moved_near(Ticks(7), Ticks(5)), Ticks(7));
    }

    /// Groups follow each other even where the second begins before the first has ended; from its
    /// own timestamps it is placed again when it is packaged.
    #[test]
    fn groups_remember_how_much_too_early_they_are_shown() {
        let first = ContinuousTimestamps { presentation: Ticks(1_000), decode: Ticks(900) };
        let raw = RawGroup {
            start: SourcePosition::default(),
            end: SourcePosition::default(),
            skip: 0,
            pes_left: None,
            first,
            time: Ticks(1_049),
            samples: 2,
            left_out: 0,
            undecodable: 0,
            access: RandomAccess::Instant,
            payload_bytes: 2,
            uniform_duration: None,
            ts_clock_packets: 0,
            subsamples: SubsampleCounts::default(),
            still: crate::model::presentation::StillPicture::default(),
        };
        let group = place_group(&raw, Ticks(400));
        assert_eq!((group.time, group.lead, group.access_type()), (Ticks(649), -49, 1));
    }
}
