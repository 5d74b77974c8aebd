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

use super::scan::{AudioSection, Begin, StretchScan, VideoSection, end_before};
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

/// Puts the sections of all streams beside each other. All have the same number of stretches.
pub(super) fn align(scans: Vec<Vec<StretchScan>>) -> Periods {
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
            let trims = S::MEDIUM == Medium::Audio && !boundary.has_pictures();
            let played = open.as_ref().map_or(Ticks::ZERO, S::duration);
            let begins = elapsed.plus(played);
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
        let end = std::mem::replace(&mut self.end, end_before(cut.place, cut.skip));
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
        };
        (Some(self), Some(tail))
    }
}
