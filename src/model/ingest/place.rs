//! Where in a source something was found.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where something was found, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// URI of the media playlist as the master playlist writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// Path of the file below the source root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Bytes from the start of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub byte: Option<u64>,
    /// Line of the playlist, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Milliseconds on the timeline of the presentation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_milliseconds: Option<i64>,
    /// Index of the period, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<u32>,
}

impl Place {
    /// Somewhere in the source.
    pub fn source() -> Self {
        Self::default()
    }

    /// Somewhere in the stream whose media playlist has this URI.
    pub fn stream(uri: impl Into<String>) -> Self {
        Self { stream: Some(uri.into()), ..Self::default() }
    }

    /// In this file.
    #[must_use]
    pub fn file(self, path: impl Into<String>) -> Self {
        Self { file: Some(path.into()), ..self }
    }

    /// At this byte of the file.
    #[must_use]
    pub fn byte(self, byte: u64) -> Self {
        Self { byte: Some(byte), ..self }
    }

    /// In this line of the playlist, from 1.
    #[must_use]
    pub fn line(self, line: u64) -> Self {
        Self { line: Some(line), ..self }
    }

    /// At this time of the presentation.
    #[must_use]
    pub fn time(self, milliseconds: i64) -> Self {
        Self { time_milliseconds: Some(milliseconds), ..self }
    }

    /// In this period, from 0.
    #[must_use]
    pub fn period(self, period: u32) -> Self {
        Self { period: Some(period), ..self }
    }

    /// Whether nothing is known about it.
    pub fn is_nowhere(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Place {
    /// The file or else the stream, then what is known more: `a/3.ts byte 376 at 0:12.000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.file.clone().or_else(|| self.stream.clone()));
        parts.extend(self.line.map(|line| format!("line {line}")));
        parts.extend(self.byte.map(|byte| format!("byte {byte}")));
        parts.extend(self.time_milliseconds.map(|time| format!("at {}", clock_text(time))));
        parts.extend(self.period.map(|period| format!("in period {period}")));
        f.write_str(&parts.join(" "))
    }
}

/// `1:02:03.456`, without hours where there are none.
fn clock_text(milliseconds: i64) -> String {
    let sign = if milliseconds < 0 { "-" } else { "" };
    let total = milliseconds.unsigned_abs();
    let (seconds, thousandths) = (total / 1000, total % 1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{sign}{minutes}:{seconds:02}.{thousandths:03}"),
        _ => format!("{sign}{hours}:{minutes:02}:{seconds:02}.{thousandths:03}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_from_the_file_to_the_time() {
        let place = Place::stream("v/index.m3u8").file("v/3.ts").byte(376).time(3_723_004);
        assert_eq!(place.to_string(), "v/3.ts byte 376 at 1:02:03.004");
        assert_eq!(
            Place::stream("v.m3u8").line(7).period(1).to_string(),
            "v.m3u8 line 7 in period 1"
        );
        assert_eq!(Place::source().time(-1_500).to_string(), "at -0:01.500");
    }

    #[test]
    fn what_is_not_known_is_not_written() {
        let value = serde_json::to_value(Place::stream("a").time(5)).unwrap();
        assert_eq!(value, serde_json::json!({ "stream": "a", "timeMilliseconds": 5 }));
        assert_eq!(serde_json::from_value::<Place>(value).unwrap(), Place::stream("a").time(5));
    }
}
