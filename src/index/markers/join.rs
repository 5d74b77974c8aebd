//! Points → markers: the way out of a program and the way back into it are one.

use std::collections::{BTreeMap, BTreeSet};

use super::point::{Action, Event, Point};
use crate::model::marker::Marker;
use crate::ts::splice::write_splice;

/// The markers of a title but for those by date, without numbers.
pub(super) fn joined(mut points: Vec<Point>) -> Vec<Marker> {
    // Where the program goes on and is left again at once, it goes on first.
    points.sort_by_key(|point| (point.time, point.action != Action::In));
    let used: BTreeSet<u32> = points
        .iter()
        .filter_map(|point| match point.event {
            Event::Insert(event) => Some(event),
            _ => None,
        })
        .collect();
    let mut next_event = 1..=u32::MAX;
    let mut ids = BTreeMap::new();
    let mut entries: Vec<Entry> = Vec::new();
    for point in points {
        if point.action == Action::In
            && let Some(index) = out_of(&entries, &point)
            && let Some(entry) = entries.get_mut(index)
        {
            entry.marker.duration = Some(point.time.minus(entry.marker.time));
            entry.marker.back = Some(entry.section(point.section, false));
            entry.is_open = false;
            continue;
        }
        let event = match point.event {
            Event::Insert(event) => event,
            _ if point.section.is_some() => 0,
            _ => next_event.find(|event| !used.contains(event)).unwrap_or(u32::MAX),
        };
        let mut entry = Entry {
            marker: Marker {
                id: unique(name(&point.event), &mut ids),
                time: point.time,
                planned_duration: point.duration,
                ..Marker::default()
            },
            kind: point.event,
            event,
            is_open: point.action == Action::Out,
        };
        let planned = entry.marker.planned_duration.and_then(|d| u64::try_from(d.0).ok());
        let section = |is_out| {
            let planned = planned.filter(|ticks| *ticks < 1 << 33);
            point.section.clone().unwrap_or_else(|| write_splice(event, is_out, planned))
        };
        match point.action {
            Action::Out => entry.marker.out = Some(section(true)),
            Action::In => entry.marker.back = Some(section(false)),
            Action::Command => entry.marker.command = point.section,
            Action::Cancel => continue,
        }
        entries.push(entry);
    }
    entries.into_iter().map(|entry| entry.marker).collect()
}

/// A marker and what it came from.
struct Entry {
    marker: Marker,
    kind: Event,
    /// The event ID of its sections.
    event: u32,
    /// The program was left and did not go on yet.
    is_open: bool,
}

impl Entry {
    fn section(&self, section: Option<Vec<u8>>, is_out: bool) -> Vec<u8> {
        section.unwrap_or_else(|| write_splice(self.event, is_out, None))
    }
}

/// The way out that a way back belongs to: that of the same event, or else the last by
/// `splice_insert` or a tag, whose writers need not agree on event IDs.
fn out_of(entries: &[Entry], back: &Point) -> Option<usize> {
    let find = |is_meant: &dyn Fn(&Event) -> bool| {
        entries.iter().rposition(|entry| {
            entry.is_open && entry.marker.time < back.time && is_meant(&entry.kind)
        })
    };
    let is_segment = |event: &Event| matches!(event, Event::Segment { .. });
    find(&|event| *event == back.event).or_else(|| match &back.event {
        Event::Segment { .. } => None,
        // A tag alone ends whatever was begun.
        Event::Tag(_) => find(&|_| true),
        Event::Insert(_) | Event::Unnamed => find(&|event| !is_segment(event)),
    })
}

/// What a marker is called.
fn name(event: &Event) -> String {
    match event {
        Event::Insert(event) => format!("splice-{event}"),
        Event::Segment { event, starts } => {
            format!("segment-{:02x}-{event}", starts.unwrap_or_default())
        }
        Event::Tag(Some(id)) => id.clone(),
        Event::Tag(None) => "break".to_owned(),
        Event::Unnamed => "command".to_owned(),
    }
}

/// A name that no other marker has: with a number behind it, where one has it already. `used` has how
/// often each name was wanted.
fn unique(name: String, used: &mut BTreeMap<String, u32>) -> String {
    let mut candidate = name;
    while let Some(count) = used.get_mut(&candidate) {
        *count = count.saturating_add(1);
        candidate = format!("{candidate}.{count}");
    }
    used.insert(candidate.clone(), 1);
    candidate
}
