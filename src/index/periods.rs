//! Where periods begin, in all streams at once.
//!
//! A playlist announces discontinuities, and all playlists must agree on them. Inside such a stretch
//! each track may break by itself: its clock jumps, its decoder configuration changes, it moves to
//! another PID. Here the breaks of all tracks are put beside each other by how much has been played
//! when they come:
//!
//! ```text
//! stream 0 video  ├── section ──┼──── section ────┤
//!          audio  ├── section ───┼─── section ────┤     breaks that come together are one
//! stream 1 video  ├────────── section ────────────┤     is split at the nearest random access point
//!                 └── period 0 ─┴──── period 1 ───┘
//! ```
//!
//! Where sound alone breaks, the period begins at the nearest random access point of the pictures,
//! and the frames in between are left out. Nothing is decided about the timeline; `build` does that.

use super::scan::{AudioSection, Begin, StretchScan, VideoSection};
use crate::model::presentation::Medium;
use crate::time::{Ticks, Timescale};

/// One stream during one period.
#[derive(Debug, Default)]
pub(super) struct Stretch {
    pub video: Option<VideoSection>,
    pub audio: Option<AudioSection>,
}

/// All streams, period by period.
#[derive(Debug, Default)]
pub(super) struct Periods {
    /// By stream, then by period.
    pub streams: Vec<Vec<Stretch>>,
    /// Why each period begins.
    pub begins: Vec<Begin>,
}

/// Breaks that come this close together are one: tracks are cut where their own frames are, and
/// sound runs ahead of pictures or behind. 90 kHz.
const TOGETHER: i64 = 3 * 90_000 / 2;

/// Sound may lead its pictures by this much, or go on so long behind them. 90 kHz.
const LEAD: i64 = 90_000 / 4;

/// A break of one track.
#[derive(Clone, Copy, Debug)]
struct Break {
    /// How much of the stretch was played by then.
    elapsed: Ticks,
    stream: usize,
    medium: Medium,
    begin: Begin,
}

/// Breaks that come together.
#[derive(Debug)]
struct Boundary {
    elapsed: Ticks,
    breaks: Vec<Break>,
}

impl Boundary {
    fn has(&self, stream: usize, medium: Medium) -> bool {
        self.breaks.iter().any(|other| (other.stream, other.medium) == (stream, medium))
    }

    /// Whether pictures break here, and not sound alone.
    fn has_pictures(&self) -> bool {
        self.breaks.iter().any(|other| other.medium == Medium::Video)
    }
}

/// Puts the sections of all streams beside each other. Where the streams announce `different`
/// discontinuities, these are breaks like others.
pub(super) fn align(scans: Vec<Vec<StretchScan>>, different: bool) -> Periods {
    let scans: Vec<Vec<StretchScan>> =
        if different { scans.into_iter().map(joined).collect() } else { scans };
    let mut periods =
        Periods { streams: scans.iter().map(|_| Vec::new()).collect(), begins: Vec::new() };
    let count = scans.iter().map(Vec::len).max().unwrap_or(0);
    let mut scans: Vec<_> = scans.into_iter().map(Vec::into_iter).collect();
    for _ in 0..count {
        let stretch = scans.iter_mut().map(|scan| scan.next().unwrap_or_default()).collect();
        align_stretch(stretch, &mut periods);
    }
    periods
}

/// All stretches of a stream as one.
fn joined(stretches: Vec<StretchScan>) -> Vec<StretchScan> {
    let mut one = StretchScan::default();
    for stretch in stretches {
        one.video.extend(stretch.video);
        one.audio.extend(stretch.audio);
    }
    vec![one]
}

fn align_stretch(scans: Vec<StretchScan>, periods: &mut Periods) {
    let starts: Vec<Ticks> = scans.iter().map(start_of).collect();
    let boundaries = boundaries(&scans, &starts);
    periods.begins.push(Begin::Announced);
    periods.begins.extend(boundaries.iter().filter_map(|b| Some(b.breaks.first()?.begin)));
    for (stream, (scan, into)) in scans.into_iter().zip(&mut periods.streams).enumerate() {
        let video = cut(scan.video, stream, &boundaries);
        let audio = cut(scan.audio, stream, &boundaries);
        let pairs = video.into_iter().zip(audio);
        into.extend(pairs.map(|(video, audio)| Stretch { video, audio }));
    }
}

/// When the stretch of a stream begins on its own clock.
fn start_of(scan: &StretchScan) -> Ticks {
    let video = scan.video.first().map(Section::start);
    video.or_else(|| scan.audio.first().map(Section::start)).unwrap_or_default()
}

fn boundaries(scans: &[StretchScan], starts: &[Ticks]) -> Vec<Boundary> {
    let mut breaks: Vec<Break> = Vec::new();
    for (stream, (scan, start)) in scans.iter().zip(starts).enumerate() {
        breaks.extend(breaks_of(&scan.video, stream, *start));
        breaks.extend(breaks_of(&scan.audio, stream, *start));
    }
    breaks.sort_by_key(|entry| (entry.elapsed, entry.medium, entry.stream));
    let mut boundaries: Vec<Boundary> = Vec::new();
    for entry in breaks {
        let fitting = boundaries.last_mut().filter(|last| {
            entry.elapsed.minus(last.elapsed).0 <= TOGETHER && !last.has(entry.stream, entry.medium)
        });
        match fitting {
            Some(last) => last.breaks.push(entry),
            None => boundaries.push(Boundary { elapsed: entry.elapsed, breaks: vec![entry] }),
        }
    }
    for boundary in &mut boundaries {
        let pictures = boundary.breaks.iter().find(|entry| entry.medium == Medium::Video);
        boundary.elapsed = match pictures {
            Some(entry) => entry.elapsed,
            None => nearest_random_access(scans, starts, boundary.elapsed),
        };
    }
    boundaries
}

/// The random access point of the first stream with pictures that is nearest to a time.
fn nearest_random_access(scans: &[StretchScan], starts: &[Ticks], elapsed: Ticks) -> Ticks {
    let with_pictures = scans.iter().zip(starts).find(|(scan, _)| !scan.video.is_empty());
    let Some((scan, start)) = with_pictures else { return elapsed };
    let mut begin = Ticks::ZERO;
    let mut times = Vec::new();
    for section in &scan.video {
        // Sections follow each other in what is played, whatever their clocks say.
        let offset = if times.is_empty() { section.start().minus(*start) } else { begin };
        times.extend(
            section.groups.iter().map(|group| offset.plus(group.time.minus(section.start()))),
        );
        begin = offset.plus(section.duration());
    }
    let distance = |time: &Ticks| time.minus(elapsed).0.abs();
    times.into_iter().min_by_key(distance).unwrap_or(elapsed)
}

fn breaks_of<S: Section>(
    sections: &[S],
    stream: usize,
    start: Ticks,
) -> impl Iterator<Item = Break> {
    let mut elapsed = sections.first().map_or(Ticks::ZERO, |first| first.start().minus(start));
    sections.windows(2).filter_map(move |pair| {
        let [before, section] = pair else { return None };
        elapsed = elapsed.plus(before.duration());
        Some(Break { elapsed, stream, medium: S::MEDIUM, begin: section.begin() })
    })
}

/// One piece for each period: between the breaks of the track itself, and split where others break.
fn cut<S: Section>(sections: Vec<S>, stream: usize, boundaries: &[Boundary]) -> Vec<Option<S>> {
    let first_start = sections.first().map(S::start);
    let mut pieces: Vec<Option<S>> = Vec::with_capacity(boundaries.len() + 1);
    let mut sections = sections.into_iter();
    let mut open = sections.next();
    // How much was played when the open piece began.
    let mut elapsed = Ticks::ZERO;
    for boundary in boundaries {
        let own = boundary.has(stream, S::MEDIUM);
        let at = open.as_ref().map(|piece| piece.start().plus(boundary.elapsed.minus(elapsed)));
        if own {
            let played = open.as_ref().map_or(Ticks::ZERO, S::duration);
            let begins = elapsed.plus(played);
            let trims = S::MEDIUM == Medium::Audio
                && !boundary.has_pictures()
                && begins.minus(boundary.elapsed).0.abs() > LEAD;
            let (head, next) = match (open.take(), at, trims) {
                (Some(piece), Some(at), true) => (piece.split(at).0, sections.next()),
                (piece, ..) => (piece, sections.next()),
            };
            pieces.push(head);
            open = match next {
                Some(piece) if trims => {
                    let at = piece.start().plus(boundary.elapsed.minus(begins));
                    piece.split(at).1
                }
                next => next,
            };
            elapsed = if trims { begins.max(boundary.elapsed) } else { begins };
            continue;
        }
        match (open.take(), at) {
            (Some(piece), Some(at)) => {
                let start = piece.start();
                let (head, tail) = piece.split(at);
                if let Some(tail) = &tail {
                    elapsed = elapsed.plus(tail.start().minus(start));
                }
                pieces.push(head);
                open = tail;
            }
            _ => pieces.push(None),
        }
    }
    pieces.push(open);
    debug_assert!(first_start.is_some() || pieces.iter().all(Option::is_none));
    pieces
}

/// What both kinds of section have.
trait Section: Sized {
    const MEDIUM: Medium;
    fn start(&self) -> Ticks;
    fn end(&self) -> Ticks;
    fn begin(&self) -> Begin;
    /// Cuts it at the sample nearest to `at` where a piece can begin.
    fn split(self, at: Ticks) -> (Option<Self>, Option<Self>);

    fn duration(&self) -> Ticks {
        self.end().minus(self.start())
    }
}

impl Section for VideoSection {
    const MEDIUM: Medium = Medium::Video;

    fn start(&self) -> Ticks {
        self.groups.first().map_or(self.end, |group| group.time)
    }

    fn end(&self) -> Ticks {
        self.end
    }

    fn begin(&self) -> Begin {
        self.begin
    }

    fn split(mut self, at: Ticks) -> (Option<Self>, Option<Self>) {
        let times = self.groups.iter().map(|group| group.time).chain([self.end]);
        let nearest = times.enumerate().min_by_key(|(_, time)| time.minus(at).0.abs());
        let index = nearest.map_or(0, |(index, _)| index);
        if index == 0 {
            return (None, Some(self));
        }
        if index >= self.groups.len() {
            return (Some(self), None);
        }
        let groups = self.groups.split_off(index);
        let kept: usize = self.groups.iter().map(|group| group.samples as usize).sum();
        let pictures = self.pictures.split_off(kept.min(self.pictures.len()));
        let end = self.end;
        self.end = groups.first().map_or(end, |group| group.time);
        let tail = Self {
            pid: self.pid,
            syntax: self.syntax,
            config: self.config.clone(),
            groups,
            pictures,
            end,
            begin: self.begin,
        };
        (Some(self), Some(tail))
    }
}

impl Section for AudioSection {
    const MEDIUM: Medium = Medium::Audio;

    fn start(&self) -> Ticks {
        self.anchors.first().map_or(Ticks::ZERO, |(_, at)| *at)
    }

    fn end(&self) -> Ticks {
        self.end_time()
    }

    fn begin(&self) -> Begin {
        self.begin
    }

    fn split(mut self, at: Ticks) -> (Option<Self>, Option<Self>) {
        // The grid that the cut lies on, and how many frames after its anchor.
        let behind = self.anchors.partition_point(|(_, anchor)| *anchor <= at);
        let Some(grid) = behind.checked_sub(1) else { return (None, Some(self)) };
        let Some(&(first, start)) = self.anchors.get(grid) else { return (None, Some(self)) };
        let samples = at.minus(start).rescale(Timescale::MPEG, self.timescale).0;
        let frame = i64::from(self.format.frame_samples).max(1);
        let frames = usize::try_from((samples + frame / 2) / frame).unwrap_or(0);
        let next_grid = self.anchors.get(behind).map_or(self.frames.len(), |(first, _)| *first);
        let index = (first + frames).min(next_grid);
        if index == 0 {
            return (None, Some(self));
        }
        let Some(cut) = self.frames.get(index).copied() else { return (Some(self), None) };
        let time = if index == next_grid && behind < self.anchors.len() {
            None
        } else {
            let samples = Ticks((index - first) as i64 * frame);
            Some(start.plus(samples.rescale(self.timescale, Timescale::MPEG)))
        };
        let frames = self.frames.split_off(index);
        let mut anchors: Vec<(usize, Ticks)> = time.map(|time| (0, time)).into_iter().collect();
        let later = self.anchors.iter().filter(|(first, _)| *first >= index);
        anchors.extend(
            later.map(|(first, at)| (first - index, *at)).filter(|(f, _)| time.is_none() || *f > 0),
        );
        self.anchors.retain(|(first, _)| *first < index);
        let end = std::mem::replace(&mut self.end, cut.origin.end_before(cut.skip));
        let tail = Self {
            pid: self.pid,
            syntax: self.syntax,
            config: self.config.clone(),
            format: self.format,
            timescale: self.timescale,
            frames,
            anchors,
            end,
            begin: self.begin,
            replication: self.replication,
            stereo: self.stereo,
        };
        (Some(self), Some(tail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::aac::replication::Presence;
    use crate::codec::timing::ContinuousTimestamps;
    use crate::index::scan::{Origin, RawFrame, RawGroup, RawPicture};
    use crate::model::codec::{AacConfig, AacExtension, AvcConfig, CodecConfig, PictureFormat};
    use crate::model::codec::{SoundFormat, StreamSyntax};
    use crate::model::presentation::{SourcePosition, StillPicture, SubsampleCounts};
    use crate::model::sample::RandomAccess;

    const SECOND: i64 = 90_000;
    const JUMP: Begin = Begin::ClockJump { from: Ticks(0), to: Ticks(1) };

    /// Groups of one second, a picture each.
    fn video(start: i64, seconds: i64, begin: Begin) -> VideoSection {
        let group = |second: i64| {
            let time = Ticks((start + second) * SECOND);
            RawGroup {
                start: SourcePosition::default(),
                end: SourcePosition::default(),
                skip: 0,
                pes_left: None,
                first: ContinuousTimestamps { presentation: time, decode: time },
                time,
                samples: 1,
                left_out: 0,
                undecodable: 0,
                access: RandomAccess::Instant,
                payload_bytes: 1,
                uniform_duration: None,
                ts_clock_packets: 0,
                subsamples: SubsampleCounts::default(),
                still: StillPicture::default(),
            }
        };
        VideoSection {
            pid: 0x100,
            syntax: StreamSyntax::H264,
            config: CodecConfig::Avc(AvcConfig {
                profile_idc: 100,
                constraints: 0,
                level_idc: 30,
                picture: PictureFormat::default(),
                sequence_parameter_sets: Vec::new(),
                picture_parameter_sets: Vec::new(),
            }),
            groups: (0..seconds).map(group).collect(),
            pictures: vec![RawPicture { size: 1, composition_offset: 0 }; seconds as usize],
            end: Ticks((start + seconds) * SECOND),
            begin,
        }
    }

    /// Ten frames a second.
    fn audio(start: i64, tenths: usize, begin: Begin) -> AudioSection {
        let config = AacConfig {
            object_type: 2,
            sampling_frequency: 10_240,
            frequency_index: 9,
            channel_configuration: 2,
            extension: AacExtension::None,
        };
        let frame = |index: usize| RawFrame {
            origin: Origin::from_tag(index as u128),
            hash: index as u64,
            size: 1,
            skip: 0,
            left_out: 0,
        };
        let format = SoundFormat {
            sampling_frequency: 10_240,
            channels: 2,
            timescale: 10_240,
            frame_samples: 1_024,
        };
        AudioSection {
            pid: 0x101,
            syntax: StreamSyntax::Adts,
            config: CodecConfig::Aac(config),
            format,
            timescale: Timescale::new(10_240).unwrap(),
            frames: (0..tenths).map(frame).collect(),
            anchors: vec![(0, Ticks(start * SECOND))],
            end: SourcePosition::default(),
            begin,
            replication: Presence::Absent,
            stereo: Presence::Absent,
        }
    }

    /// When a piece begins in seconds, and how many groups or frames it has.
    type Piece = Option<(i64, usize)>;

    /// The pictures and the sound of each period.
    fn shape(stream: &[Stretch]) -> Vec<(Piece, Piece)> {
        let piece = |stretch: &Stretch| {
            let video = stretch.video.as_ref();
            let audio = stretch.audio.as_ref();
            (
                video.map(|video| (video.start().0 / SECOND, video.groups.len())),
                audio.map(|audio| (audio.start().0 / SECOND, audio.frames.len())),
            )
        };
        stream.iter().map(piece).collect()
    }

    #[test]
    fn breaks_that_come_together_are_one() {
        // Sound jumps after 41 frames, pictures after four seconds.
        let scan = StretchScan {
            video: vec![video(1, 4, Begin::Announced), video(100, 3, JUMP)],
            audio: vec![audio(1, 41, Begin::Announced), audio(100, 29, JUMP)],
        };
        let periods = align(vec![vec![scan]], false);
        assert_eq!(
            shape(&periods.streams[0]),
            [(Some((1, 4)), Some((1, 41))), (Some((100, 3)), Some((100, 29)))]
        );
        assert_eq!(periods.begins, [Begin::Announced, JUMP]);
    }

    #[test]
    fn streams_that_do_not_break_are_split_where_others_do() {
        let breaks = StretchScan {
            video: vec![video(1, 4, Begin::Announced), video(5, 3, Begin::Configuration)],
            audio: vec![audio(1, 70, Begin::Announced)],
        };
        let goes_on =
            StretchScan { video: vec![video(50, 7, Begin::Announced)], audio: Vec::new() };
        let periods = align(vec![vec![breaks], vec![goes_on]], false);
        assert_eq!(
            shape(&periods.streams[0]),
            [(Some((1, 4)), Some((1, 40))), (Some((5, 3)), Some((5, 30)))]
        );
        assert_eq!(shape(&periods.streams[1]), [(Some((50, 4)), None), (Some((54, 3)), None)]);
    }

    #[test]
    fn sound_that_breaks_alone_is_trimmed_to_the_pictures() {
        // Another configuration after 3.4 seconds: the nearest random access point is at 3.
        let scan = StretchScan {
            video: vec![video(0, 7, Begin::Announced)],
            audio: vec![
                audio(0, 34, Begin::Announced),
                AudioSection {
                    anchors: vec![(0, Ticks(34 * SECOND / 10))],
                    ..audio(0, 36, Begin::Configuration)
                },
            ],
        };
        let periods = align(vec![vec![scan]], false);
        assert_eq!(
            shape(&periods.streams[0]),
            [(Some((0, 3)), Some((0, 30))), (Some((3, 4)), Some((3, 36)))]
        );
    }

    #[test]
    fn discontinuities_that_only_some_announce_are_breaks() {
        let stretch = |start, seconds| StretchScan {
            video: vec![video(start, seconds, Begin::Announced)],
            audio: Vec::new(),
        };
        let announces = vec![stretch(0, 4), stretch(70, 5)];
        let is_silent = vec![stretch(10, 9)];
        let periods = align(vec![announces, is_silent], true);
        assert_eq!(shape(&periods.streams[0]), [(Some((0, 4)), None), (Some((70, 5)), None)]);
        assert_eq!(shape(&periods.streams[1]), [(Some((10, 4)), None), (Some((14, 5)), None)]);
    }

    #[test]
    fn a_stream_that_ends_early_has_nothing_in_later_periods() {
        let long = StretchScan {
            video: vec![video(0, 4, Begin::Announced), video(90, 5, JUMP)],
            audio: Vec::new(),
        };
        let short = StretchScan { video: vec![video(0, 2, Begin::Announced)], audio: Vec::new() };
        let periods = align(vec![vec![long], vec![short]], false);
        assert_eq!(shape(&periods.streams[1]), [(Some((0, 2)), None), (None, None)]);
    }
}
