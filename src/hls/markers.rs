//! Markers in media playlists: `EXT-X-DATERANGE` (draft-pantos-hls-rfc8216bis 4.4.5.1).
//!
//! Date ranges stand in front of the segments, the same in all playlists.

use std::fmt::Write as _;

use super::date::iso8601;
use super::write::quoted;
use crate::model::manifest::Manifest;
use crate::model::marker::Marker;
use crate::model::wall_clock::Dates;
use crate::time::Timescale;

/// The lines of all markers; none where there are no dates.
pub(super) fn write_ranges(out: &mut String, manifest: &Manifest) {
    let Some(dates) = manifest.dates.as_deref() else { return };
    for marker in manifest.markers.iter() {
        write_range(out, marker, dates);
    }
}

fn write_range(out: &mut String, marker: &Marker, dates: &Dates) {
    let _ = write!(out, "#EXT-X-DATERANGE:ID={}", quoted(&marker.id));
    if let Some(class) = &marker.class {
        let _ = write!(out, ",CLASS={}", quoted(class));
    }
    let _ = write!(out, ",START-DATE=\"{}\"", iso8601(dates.date_at(marker.time)));
    // What ends with the next has no duration of its own.
    let duration = marker.duration.filter(|_| !marker.ends_on_next);
    for (name, duration) in [("DURATION", duration), ("PLANNED-DURATION", marker.planned_duration)]
    {
        if let Some(duration) = duration {
            let _ = write!(out, ",{name}={}", duration.seconds(Timescale::MPEG, 3));
        }
    }
    let sections =
        [("CMD", &marker.command), ("OUT", &marker.out), ("IN", &marker.back)].into_iter();
    for (name, section) in sections.filter_map(|(name, section)| Some((name, section.as_ref()?))) {
        let _ = write!(out, ",SCTE35-{name}=0x{}", hex::encode_upper(section));
    }
    if marker.ends_on_next {
        out.push_str(",END-ON-NEXT=YES");
    }
    for (name, value) in &marker.attributes {
        let _ = write!(out, ",{name}={value}");
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::wall_clock::{Anchor, WallClock};
    use crate::time::Ticks;

    const SECOND: i64 = 90_000;

    #[test]
    fn a_break_is_one_range() {
        let anchor = Anchor { time: Ticks::ZERO, unix_milliseconds: 1_600_000_000_000 };
        let dates = Dates { clock: WallClock::new(vec![anchor]), start: Ticks::ZERO };
        let line = |marker: &Marker| {
            let mut out = String::new();
            write_range(&mut out, marker, &dates);
            out
        };
        let marker = Marker {
            id: "splice-\"7\"".to_owned(),
            time: Ticks(10 * SECOND + 3_000),
            duration: Some(Ticks(29 * SECOND)),
            planned_duration: Some(Ticks(30 * SECOND)),
            out: Some(vec![0xFC, 0x30]),
            back: Some(vec![0xFC, 0x31]),
            ..Marker::default()
        };
        assert_eq!(
            line(&marker),
            "#EXT-X-DATERANGE:ID=\"splice-'7'\",START-DATE=\"2020-09-13T12:26:50.033Z\",\
             DURATION=29.000,PLANNED-DURATION=30.000,SCTE35-OUT=0xFC30,SCTE35-IN=0xFC31\n"
        );
        let other = Marker {
            id: "a".to_owned(),
            class: Some("com.example".to_owned()),
            duration: Some(Ticks(1)),
            ends_on_next: true,
            attributes: vec![("X-A".to_owned(), "\"b\"".to_owned())],
            ..Marker::default()
        };
        assert_eq!(
            line(&other),
            "#EXT-X-DATERANGE:ID=\"a\",CLASS=\"com.example\",\
             START-DATE=\"2020-09-13T12:26:40.000Z\",END-ON-NEXT=YES,X-A=\"b\"\n"
        );
    }
}
