//! What a player or a configuration wants to see of a title, as plain data.
//!
//! A filter is a list of conditions, each a property of renditions and the values that it may have.
//! A rendition stays if it fulfils all conditions on properties that renditions of its kind have.
//! `plan::filter` reads filters and applies them.

use std::fmt;

/// Conditions on what a manifest shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ManifestFilter {
    text: String,
    conditions: Vec<Condition>,
}

impl ManifestFilter {
    /// A filter written as `text`. Conditions are put in order of their properties.
    pub fn new(text: String, mut conditions: Vec<Condition>) -> Self {
        conditions.sort_by_key(|condition| condition.property);
        Self { text, conditions }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its conditions, at most one for each property.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }
}

/// The one spelling that filters with the same conditions share.
impl fmt::Display for ManifestFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, condition) in self.conditions.iter().enumerate() {
            let separator = if index == 0 { "" } else { ";" };
            write!(f, "{separator}{condition}")?;
        }
        Ok(())
    }
}

/// A property, and the values that are wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Condition {
    /// What is looked at.
    pub property: Property,
    /// What it may be.
    pub values: Values,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |value: u64| match self.property {
            Property::VideoFramerate => {
                let decimal = format!("{}.{:03}", value / 1_000, value % 1_000);
                decimal.trim_end_matches('0').trim_end_matches('.').to_owned()
            }
            _ => value.to_string(),
        };
        let values: Vec<String> = match &self.values {
            Values::Words(words) => words.clone(),
            Values::Ranges(ranges) => ranges
                .iter()
                .map(|range| match range.first == range.last {
                    true => number(range.first),
                    false => format!("{}-{}", number(range.first), number(range.last)),
                })
                .collect(),
        };
        write!(f, "{}:{}", self.property.as_str(), values.join(","))
    }
}

/// The values that a property may have: any of them will do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Values {
    /// Words in lower case.
    Words(Vec<String>),
    /// Numbers in the unit of the property.
    Ranges(Vec<Range>),
}

/// Numbers from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Range {
    /// The lowest.
    pub first: u64,
    /// The highest; not below the lowest.
    pub last: u64,
}

impl Range {
    /// Whether a number is one of them.
    pub const fn contains(self, number: u64) -> bool {
        self.first <= number && number <= self.last
    }
}

/// What renditions can be told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Property {
    /// Bits per second of sound.
    AudioBitrate,
    /// Channels of sound.
    AudioChannels,
    /// Codec of sound.
    AudioCodec,
    /// BCP 47 language of sound.
    AudioLanguage,
    /// Hertz of sound.
    AudioSampleRate,
    /// BCP 47 language of subtitles.
    SubtitleLanguage,
    /// Lines of pictures for scrubbing.
    TrickplayHeight,
    /// What pictures for scrubbing are.
    TrickplayType,
    /// Bits per second of pictures.
    VideoBitrate,
    /// Codec of pictures.
    VideoCodec,
    /// Dynamic range of pictures.
    VideoDynamicRange,
    /// Thousandths of pictures per second.
    VideoFramerate,
    /// Lines of pictures.
    VideoHeight,
}

impl Property {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::AudioBitrate,
        Self::AudioChannels,
        Self::AudioCodec,
        Self::AudioLanguage,
        Self::AudioSampleRate,
        Self::SubtitleLanguage,
        Self::TrickplayHeight,
        Self::TrickplayType,
        Self::VideoBitrate,
        Self::VideoCodec,
        Self::VideoDynamicRange,
        Self::VideoFramerate,
        Self::VideoHeight,
    ];

    /// Its name in filters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AudioBitrate => "audio_bitrate",
            Self::AudioChannels => "audio_channels",
            Self::AudioCodec => "audio_codec",
            Self::AudioLanguage => "audio_language",
            Self::AudioSampleRate => "audio_sample_rate",
            Self::SubtitleLanguage => "subtitle_language",
            Self::TrickplayHeight => "trickplay_height",
            Self::TrickplayType => "trickplay_type",
            Self::VideoBitrate => "video_bitrate",
            Self::VideoCodec => "video_codec",
            Self::VideoDynamicRange => "video_dynamic_range",
            Self::VideoFramerate => "video_framerate",
            Self::VideoHeight => "video_height",
        }
    }

    /// The values that it takes.
    pub const fn domain(self) -> Domain {
        const NUMBERS: Domain = Domain::Numbers { lowest: 0, highest: i32::MAX as u64 };
        match self {
            Self::AudioChannels => Domain::Numbers { lowest: 1, highest: i16::MAX as u64 },
            Self::AudioBitrate
            | Self::AudioSampleRate
            | Self::TrickplayHeight
            | Self::VideoBitrate
            | Self::VideoHeight => NUMBERS,
            Self::VideoFramerate => Domain::Thousandths { highest: i32::MAX as u64 * 1_000 },
            Self::AudioLanguage | Self::SubtitleLanguage => Domain::Languages,
            Self::AudioCodec => Domain::Words(&["aacl", "aach", "ac-3", "ec-3", "mp2", "mp3"]),
            Self::TrickplayType => Domain::Words(&["iframe", "image"]),
            Self::VideoCodec => Domain::Words(&["h264", "h265"]),
            Self::VideoDynamicRange => Domain::Words(&["sdr", "hdr10", "hlg"]),
        }
    }
}

/// The values that a property takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// Whole numbers.
    Numbers {
        /// The lowest.
        lowest: u64,
        /// The highest.
        highest: u64,
    },
    /// Decimal numbers of up to three places, counted in thousandths.
    Thousandths {
        /// The highest, in thousandths.
        highest: u64,
    },
    /// Any language, of which a title need not have a rendition.
    Languages,
    /// These words alone.
    Words(&'static [&'static str]),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_have_one_order_and_numbers_one_spelling() {
        let ranges = |property, ranges: &[(u64, u64)]| Condition {
            property,
            values: Values::Ranges(
                ranges.iter().map(|&(first, last)| Range { first, last }).collect(),
            ),
        };
        let filter = ManifestFilter::new(
            String::new(),
            vec![
                ranges(Property::VideoHeight, &[(240, 360), (720, 720)]),
                ranges(Property::VideoFramerate, &[(29_970, 30_000), (23_976, 23_976), (500, 500)]),
                Condition {
                    property: Property::AudioCodec,
                    values: Values::Words(vec!["ac-3".to_owned(), "aacl".to_owned()]),
                },
            ],
        );
        assert_eq!(
            filter.to_string(),
            "audio_codec:ac-3,aacl;video_framerate:29.97-30,23.976,0.5;video_height:240-360,720"
        );
    }
}
