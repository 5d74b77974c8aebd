//! Markers as events of periods (ISO/IEC 23009-1:2022 5.10.2): SCTE-35 sections under
//! `urn:scte:scte35:2014:xml+bin` (ANSI/SCTE 214-1 2022 6.7.3).
//!
//! ```text
//! <EventStream schemeIdUri timescale presentationTimeOffset>
//!  <Event presentationTime duration id><scte35:Signal><scte35:Binary>base64
//! ```
//!
//! Times are those of the segments' timeline, and the offset is that of the period, as in templates.
//! An event is in the period in which it begins; one that began before the first and lasts into it is
//! in the first. Date ranges without a section have no standard scheme and are not written.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_xml::Writer;
use quick_xml::events::BytesText;

use crate::model::manifest::Manifest;
use crate::model::marker::{Marker, SPLICE_SCHEME};
use crate::time::{Ticks, Timescale};

const NAMESPACE: &str = "http://www.scte.org/schemas/35/2016";

/// A section and when it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Event<'a> {
    time: Ticks,
    duration: Option<Ticks>,
    id: u32,
    section: &'a [u8],
}

/// The events of a period; nothing where there are none.
pub(super) fn write_events(
    writer: &mut Writer<Vec<u8>>,
    manifest: &Manifest,
    period: usize,
) -> io::Result<()> {
    let events = of_period(manifest, period);
    let Some(entry) = manifest.periods.get(period).filter(|_| !events.is_empty()) else {
        return Ok(());
    };
    let offset = manifest.origin.plus(entry.start);
    writer
        .create_element("EventStream")
        .with_attribute(("xmlns:scte35", NAMESPACE))
        .with_attribute(("schemeIdUri", SPLICE_SCHEME))
        .with_attribute(("timescale", Timescale::MPEG.hertz().to_string().as_str()))
        .with_attribute(("presentationTimeOffset", offset.0.max(0).to_string().as_str()))
        .write_inner_content(|writer| {
            events.iter().try_for_each(|event| write_event(writer, event))
        })?;
    Ok(())
}

fn write_event(writer: &mut Writer<Vec<u8>>, event: &Event<'_>) -> io::Result<()> {
    // What began before the title has no time in an MPD; it is there from the start.
    let time = event.time.max(Ticks::ZERO);
    let duration = event.duration.map(|duration| event.time.plus(duration).minus(time));
    let mut element = writer
        .create_element("Event")
        .with_attribute(("presentationTime", time.0.to_string().as_str()));
    if let Some(duration) = duration {
        element = element.with_attribute(("duration", duration.0.to_string().as_str()));
    }
    element.with_attribute(("id", event.id.to_string().as_str())).write_inner_content(
        |writer| {
            writer.create_element("scte35:Signal").write_inner_content(|writer| {
                let text = STANDARD.encode(event.section);
                writer.create_element("scte35:Binary").write_text_content(BytesText::new(&text))?;
                Ok(())
            })?;
            Ok(())
        },
    )?;
    Ok(())
}

/// The events that a period lists, in order of time.
fn of_period(manifest: &Manifest, period: usize) -> Vec<Event<'_>> {
    let start = |period: usize| {
        let entry = manifest.periods.get(period)?;
        Some(manifest.origin.plus(entry.start))
    };
    let Some(from) = start(period) else { return Vec::new() };
    let to = start(period + 1).unwrap_or(manifest.origin.plus(manifest.duration));
    let mut events: Vec<Event<'_>> = Vec::new();
    for event in manifest.markers.iter().flat_map(of_marker) {
        let lasts_into = period == 0
            && event.time < from
            && event.duration.is_some_and(|duration| event.time.plus(duration) > from);
        let is_inside = event.time >= from && event.time < to;
        // Descriptors that came in one section are markers each.
        let is_new = || events.iter().all(|e| (e.time, e.section) != (event.time, event.section));
        if (is_inside || lasts_into) && is_new() {
            events.push(event);
        }
    }
    events.sort_by_key(|event| (event.time, event.id));
    events
}

/// Ids are the same in all parts of a title: two for each marker.
fn of_marker(marker: &Marker) -> impl Iterator<Item = Event<'_>> {
    let number = marker.number.saturating_mul(2);
    let length = marker.duration.or(marker.planned_duration);
    let start = |section| Event { time: marker.time, duration: length, id: number, section };
    let first = marker.out.as_deref().or(marker.command.as_deref()).map(start);
    let back = marker.back.as_deref().map(|section| Event {
        time: if first.is_some() { marker.end() } else { marker.time },
        duration: None,
        id: number.saturating_add(1),
        section,
    });
    first.into_iter().chain(back)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::manifest::ManifestPeriod;

    const SECOND: i64 = 90_000;

    /// Periods of ten seconds on a timeline that starts at two.
    fn manifest(markers: Vec<Marker>) -> Manifest {
        let period = |index: i64| ManifestPeriod {
            start: Ticks(index * 10 * SECOND),
            duration: Ticks(10 * SECOND),
            sets: Vec::new(),
        };
        Manifest {
            duration: Ticks(20 * SECOND),
            origin: Ticks(2 * SECOND),
            periods: vec![period(0), period(1)],
            markers: markers.into(),
            ..Manifest::default()
        }
    }

    fn marker(number: u32, at: i64, length: i64) -> Marker {
        Marker {
            number,
            time: Ticks(at * SECOND),
            duration: Some(Ticks(length * SECOND)),
            out: Some(vec![1]),
            back: Some(vec![2]),
            ..Marker::default()
        }
    }

    #[test]
    fn events_are_where_they_begin() {
        let command = Marker {
            number: 9,
            time: Ticks(3 * SECOND),
            command: Some(vec![3]),
            ..Marker::default()
        };
        let again = Marker { number: 10, ..command.clone() };
        let manifest = manifest(vec![
            marker(0, 1, 3),
            marker(1, 0, 1),
            command,
            again,
            marker(2, 11, 4),
            marker(3, 21, 9),
            Marker { number: 11, ..Marker::default() },
        ]);
        let of = |period| -> Vec<(i64, u32)> {
            let events = of_period(&manifest, period);
            events.iter().map(|event| (event.time.0 / SECOND, event.id)).collect()
        };
        assert_eq!(of(0), [(1, 0), (3, 18), (4, 1), (11, 4)]);
        assert_eq!(of(1), [(15, 5), (21, 6)]);
    }

    #[test]
    fn times_are_those_of_the_period() {
        let mut writer = Writer::new(Vec::new());
        write_events(&mut writer, &manifest(vec![marker(2, 13, 4)]), 1).unwrap();
        let expected = "<EventStream xmlns:scte35=\"http://www.scte.org/schemas/35/2016\" \
            schemeIdUri=\"urn:scte:scte35:2014:xml+bin\" timescale=\"90000\" \
            presentationTimeOffset=\"1080000\">\
            <Event presentationTime=\"1170000\" duration=\"360000\" id=\"4\"><scte35:Signal>\
            <scte35:Binary>AQ==</scte35:Binary></scte35:Signal></Event>\
            <Event presentationTime=\"1530000\" id=\"5\"><scte35:Signal>\
            <scte35:Binary>Ag==</scte35:Binary></scte35:Signal></Event></EventStream>";
        assert_eq!(String::from_utf8(writer.into_inner()).unwrap(), expected);
        let mut writer = Writer::new(Vec::new());
        write_events(&mut writer, &manifest(Vec::new()), 0).unwrap();
        assert!(writer.into_inner().is_empty());
    }
}
