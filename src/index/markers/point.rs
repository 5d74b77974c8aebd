//! What one section or tag says: that something happens at a point of time.

use crate::hls::read::Mark;
use crate::time::Ticks;
use crate::ts::splice::{SpliceCommand, SpliceError, SpliceInfo, parse_splice};

use super::from_milliseconds;

/// A tag stands at the start of a segment, and the section in it may mean a time within: 90 kHz, ten
/// seconds, as long as segments usually last at most.
pub(super) const SAME_EVENT: i64 = 10 * 90_000;

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub time: Ticks,
    /// When it was told.
    pub arrived: Ticks,
    pub event: Event,
    pub action: Action,
    /// How long it is meant to last.
    pub duration: Option<Ticks>,
    /// The section that tells of it; none where a tag does without.
    pub section: Option<Vec<u8>>,
}

/// What it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// `splice_insert` with this event ID.
    Insert(u32),
    /// A segment of the title by its event ID, and the type by which it starts. Whatever type where
    /// it is cancelled.
    Segment { event: u32, starts: Option<u8> },
    /// A tag without section; the name that it gives.
    Tag(Option<String>),
    /// A section that names no event.
    Unnamed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The program is left.
    Out,
    /// It goes on.
    In,
    /// Neither.
    Command,
    /// It does not happen.
    Cancel,
}

/// `segmentation_type_id`s (10.3.3.1, table 23) by which the program is left: breaks, advertisements,
/// placement opportunities, promotions, ad blocks. The type behind each is that of its end.
const WAYS_OUT: [u8; 9] = [0x22, 0x30, 0x32, 0x34, 0x36, 0x3C, 0x3E, 0x44, 0x46];

/// The 33-bit time that a section names.
pub(super) fn time_of(info: &SpliceInfo) -> Option<u64> {
    match info.command {
        SpliceCommand::Insert(insert) => insert.time,
        SpliceCommand::TimeSignal(time) => time,
        SpliceCommand::Null | SpliceCommand::Other(_) | SpliceCommand::Encrypted => None,
    }
}

/// What a section says that happens at `time` and was told when it `arrived`.
pub(super) fn of_section(
    info: &SpliceInfo,
    section: &[u8],
    time: Ticks,
    arrived: Ticks,
) -> Vec<Point> {
    let point = |event, action, duration: Option<u64>| Point {
        time,
        arrived,
        event,
        action,
        duration: duration.filter(|d| *d > 0).and_then(|d| i64::try_from(d).ok()).map(Ticks),
        section: Some(section.to_vec()),
    };
    match info.command {
        SpliceCommand::Null => Vec::new(),
        // Its descriptors are about the same splice.
        SpliceCommand::Insert(insert) => {
            let action = match (insert.is_cancelled, insert.is_out) {
                (true, _) => Action::Cancel,
                (false, true) => Action::Out,
                (false, false) => Action::In,
            };
            vec![point(Event::Insert(insert.event), action, insert.duration)]
        }
        SpliceCommand::TimeSignal(_) if !info.segmentations.is_empty() => {
            let segmentations = info.segmentations.iter();
            let points = segmentations.map(|one| {
                let before = one.type_id.wrapping_sub(1);
                let (starts, action) = match one.type_id {
                    _ if one.is_cancelled => (None, Action::Cancel),
                    id if WAYS_OUT.contains(&id) => (Some(id), Action::Out),
                    _ if WAYS_OUT.contains(&before) => (Some(before), Action::In),
                    id => (Some(id), Action::Command),
                };
                point(Event::Segment { event: one.event, starts }, action, one.duration)
            });
            points.collect()
        }
        SpliceCommand::TimeSignal(_) | SpliceCommand::Other(_) | SpliceCommand::Encrypted => {
            vec![point(Event::Unnamed, Action::Command, None)]
        }
    }
}

/// What a tag says that stands at `time`.
pub(super) fn of_tag(mark: &Mark, time: Ticks) -> Result<Vec<Point>, SpliceError> {
    let points = |section: &[u8]| {
        let info = parse_splice(section)?;
        Ok::<_, SpliceError>(of_section(&info, section, time, time))
    };
    let plain = |at, id: &Option<String>, action, duration: Option<i64>| Point {
        time: at,
        arrived: time,
        event: Event::Tag(id.clone()),
        action,
        duration: duration.filter(|d| *d > 0).map(from_milliseconds),
        section: None,
    };
    // The tag holds even where its section says something else.
    let both = |plain: Point, section: &Option<Vec<u8>>| {
        let mut all = match section {
            Some(section) => points(section)?,
            None => Vec::new(),
        };
        all.iter_mut().for_each(|point| point.time = plain.time);
        all.retain(|point| point.action != Action::Cancel);
        all.push(plain);
        Ok(all)
    };
    match mark {
        Mark::Section(section) => points(section),
        Mark::Out { duration, section, id } => {
            both(plain(time, id, Action::Out, *duration), section)
        }
        Mark::In { section, id } => both(plain(time, id, Action::In, None), section),
        Mark::Continues { elapsed: Some(elapsed), duration, section } => {
            let start = time.minus(from_milliseconds(*elapsed));
            both(plain(start, &None, Action::Out, *duration), section)
        }
        // When the program was left is not known.
        Mark::Continues { elapsed: None, .. } | Mark::DateRange(_) => Ok(Vec::new()),
    }
}

impl Point {
    /// Whether it says what another does, this close to it.
    fn repeats(&self, known: &Self, tolerance: i64) -> bool {
        let off = self.time.minus(known.time).0.abs();
        if self.action != known.action {
            return false;
        }
        match (&self.event, &known.event) {
            // A tag without section is about the section beside it, if that does the same.
            (Event::Tag(_), _) | (_, Event::Tag(_)) => off <= super::SAME_TIME,
            (Event::Unnamed, Event::Unnamed) => self.section == known.section && off <= tolerance,
            (event, other) => event == other && off <= tolerance,
        }
    }

    /// Takes over what another says that repeats it.
    fn add(&mut self, other: Self) {
        self.duration = self.duration.or(other.duration);
        match (&self.event, &other.event) {
            (Event::Tag(_), Event::Insert(_) | Event::Segment { .. }) => {
                self.event = other.event;
                self.section = other.section;
            }
            (Event::Tag(None), Event::Tag(Some(_))) => self.event = other.event,
            _ => {}
        }
    }
}

/// Adds what a stream says next: repeats and corrects what it said before.
pub(super) fn take(points: &mut Vec<Point>, next: Point) {
    if next.action == Action::Cancel {
        let is_meant = |known: &Point| match (&next.event, &known.event) {
            (Event::Segment { event, .. }, Event::Segment { event: other, .. }) => event == other,
            (event, other) => event == other,
        };
        points.retain(|known| !is_meant(known) || known.time <= next.arrived);
        return;
    }
    if let Some(known) = points.iter_mut().rev().find(|known| next.repeats(known, super::SAME_TIME))
    {
        known.add(next);
        return;
    }
    // What has not happened yet may be put off.
    let is_named = !matches!(next.event, Event::Unnamed | Event::Tag(_));
    points.retain(|known| {
        let is_same = (&known.event, known.action) == (&next.event, next.action);
        !(is_named && is_same && known.time > next.arrived)
    });
    points.push(next);
}

/// Adds what another stream or its playlist says.
pub(super) fn merge(points: &mut Vec<Point>, others: Vec<Point>, tolerance: i64) {
    for other in others {
        match points.iter_mut().find(|known| other.repeats(known, tolerance)) {
            Some(known) => known.add(other),
            None => points.push(other),
        }
    }
}
