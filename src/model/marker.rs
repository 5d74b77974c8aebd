//! Markers of a title: where breaks for something else begin and end, and what its maker says of
//! other stretches of it.
//!
//! One marker is one date range (`EXT-X-DATERANGE`, draft-pantos-hls-rfc8216bis 4.4.5.1): the way out
//! of a program and the way back into it together, as far as the source tells both.

use serde::{Deserialize, Serialize};

use crate::time::Ticks;

/// The scheme under which MPDs carry SCTE-35 sections (ANSI/SCTE 214-1 2022 6.7.3).
pub const SPLICE_SCHEME: &str = "urn:scte:scte35:2014:xml+bin";
/// The most markers that a stream or a playlist may have: one for each ten seconds of a day.
pub const MAX_MARKERS: usize = 8_640;
/// The sections and attributes of a title's markers may have so many bytes together.
pub const MAX_MARKER_BYTES: usize = 4 << 20;

/// A marker. Times are [`crate::time::Timescale::MPEG`] ticks on the timeline of the presentation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// Its place among all markers of the title, which parts of the title keep.
    pub number: u32,
    /// Its name: another than that of every other marker of the title.
    pub id: String,
    /// When it begins.
    pub time: Ticks,
    /// How long it lasts, where the source tells the end.
    pub duration: Option<Ticks>,
    /// How long it is meant to last.
    pub planned_duration: Option<Ticks>,
    /// What its ranges have in common with others.
    pub class: Option<String>,
    /// It ends where the next of its class begins.
    pub ends_on_next: bool,
    /// The SCTE-35 section by which the program is left.
    pub out: Option<Vec<u8>>,
    /// The SCTE-35 section by which it goes on.
    pub back: Option<Vec<u8>>,
    /// The SCTE-35 section of a command that does neither.
    pub command: Option<Vec<u8>>,
    /// Further attributes of date ranges, as they stand in the source: values with their quotes.
    pub attributes: Vec<(String, String)>,
}

impl Marker {
    /// When it ends, or is meant to; its start where nobody knows.
    pub fn end(&self) -> Ticks {
        let duration = self.duration.or(self.planned_duration).unwrap_or_default();
        self.time.plus(duration)
    }

    /// Whether the program is left at its start or goes on at its end, so that segments should begin
    /// there.
    pub fn is_break(&self) -> bool {
        self.out.is_some() || self.back.is_some()
    }

    /// When the program is left or goes on, or a command takes place.
    pub fn splices(&self) -> impl Iterator<Item = Ticks> {
        let has_start = self.out.is_some() || self.back.is_some() || self.command.is_some();
        let start = has_start.then_some(self.time);
        let end = Some(self.end()).filter(|end| self.is_break() && *end > self.time);
        start.into_iter().chain(end)
    }

    /// Whether any of it lies between two times, the second left out.
    pub fn overlaps(&self, from: Ticks, to: Ticks) -> bool {
        self.time < to && (self.time >= from || self.end() > from)
    }

    /// Its SCTE-35 sections.
    pub fn sections(&self) -> impl Iterator<Item = &[u8]> {
        [&self.out, &self.back, &self.command].into_iter().flatten().map(Vec::as_slice)
    }

    /// Bytes that it takes, about.
    pub fn bytes(&self) -> usize {
        let attributes = self.attributes.iter().map(|(name, value)| name.len() + value.len());
        self.id.len() + self.sections().map(<[u8]>::len).sum::<usize>() + attributes.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaks_have_two_ends_and_commands_one() {
        let marker = Marker {
            time: Ticks(10),
            planned_duration: Some(Ticks(30)),
            out: Some(Vec::new()),
            ..Marker::default()
        };
        assert_eq!(marker.splices().collect::<Vec<_>>(), [Ticks(10), Ticks(40)]);
        let told = Marker { duration: Some(Ticks(25)), ..marker.clone() };
        assert_eq!(told.splices().collect::<Vec<_>>(), [Ticks(10), Ticks(35)]);
        let command = Marker { out: None, command: Some(Vec::new()), ..marker.clone() };
        assert_eq!(command.splices().collect::<Vec<_>>(), [Ticks(10)]);
        let other = Marker { out: None, ..marker.clone() };
        assert_eq!(other.splices().count(), 0);
        let inside = |from, to| marker.overlaps(Ticks(from), Ticks(to));
        assert!(inside(0, 11) && inside(10, 11) && inside(39, 99));
        assert!(!inside(0, 10) && !inside(40, 99));
    }
}
