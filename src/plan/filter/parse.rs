//! Text → [`ManifestFilter`]: `name:value[,value…][;name:…]`.
//!
//! The grammar is the one of AWS Elemental MediaPackage's `aws.manifestfilter`, whose players exist:
//! names and values in any case, numbers alone or as inclusive ranges `a-b`, in lists as wished.
//! Spaces around values are allowed, as in that service's examples. The text has been
//! percent-decoded; nothing here knows of titles.

use std::fmt;

use crate::model::filter::{Condition, Domain, ManifestFilter, Property, Range, Values};

/// The longest text, in characters.
pub const MAX_FILTER: usize = 1024;

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// Too long.
    #[error("must be at most {MAX_FILTER} characters, not {0}")]
    TooLong(usize),
    /// A condition without a colon, or with two, or with nothing on one side.
    #[error("{} is no condition; write name:value,value and put ; between conditions", Quoted(.0))]
    NoCondition(String),
    /// A property that does not exist.
    #[error("{} cannot be filtered by; names are {}", Quoted(.0), names())]
    UnknownName(String),
    /// Two conditions on one property.
    #[error("{} is there twice; put all its values into one list", .0.as_str())]
    Repeated(Property),
    /// A value that the property does not have.
    #[error("{}: {} is no value; {}", .property.as_str(), Quoted(.value), Expected(.property.domain()))]
    BadValue {
        /// Of which property.
        property: Property,
        /// The value.
        value: String,
    },
    /// A range whose end lies before its start.
    #[error("{}: the range {} ends before it begins", .property.as_str(), Quoted(.value))]
    Backwards {
        /// Of which property.
        property: Property,
        /// The range.
        value: String,
    },
}

/// Foreign text in an error: cut short, and nothing that a terminal could take for a command.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 60;
        let short: String = self.0.chars().take(LONGEST).collect();
        let rest = if self.0.chars().nth(LONGEST).is_some() { "…" } else { "" };
        write!(f, "{:?}{rest}", short)
    }
}

/// What values of a property look like.
struct Expected(Domain);

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Domain::Numbers { lowest, highest } => {
                write!(f, "write whole numbers or ranges a-b from {lowest} to {highest}")
            }
            Domain::Thousandths { highest } => write!(
                f,
                "write numbers of at most three decimals or ranges a-b from 0 to {}",
                highest / 1_000
            ),
            Domain::Languages => f.write_str("write language tags such as en or pt-BR"),
            Domain::Words(words) => write!(f, "values are {}", words.join(", ")),
        }
    }
}

fn names() -> String {
    Property::ALL.map(Property::as_str).join(", ")
}

/// Reads a filter.
pub fn parse(text: &str) -> Result<ManifestFilter, FilterError> {
    let length = text.chars().count();
    if length > MAX_FILTER {
        return Err(FilterError::TooLong(length));
    }
    let mut conditions: Vec<Condition> = Vec::new();
    for part in text.split(';') {
        let condition = parse_condition(part)?;
        if conditions.iter().any(|other| other.property == condition.property) {
            return Err(FilterError::Repeated(condition.property));
        }
        conditions.push(condition);
    }
    Ok(ManifestFilter::new(text.to_owned(), conditions))
}

fn parse_condition(text: &str) -> Result<Condition, FilterError> {
    let no_condition = || FilterError::NoCondition(text.to_owned());
    let (name, values) = text.split_once(':').ok_or_else(no_condition)?;
    let name = name.trim_matches(' ');
    if name.is_empty() || values.contains(':') {
        return Err(no_condition());
    }
    let property = Property::ALL
        .into_iter()
        .find(|property| property.as_str().eq_ignore_ascii_case(name))
        .ok_or_else(|| FilterError::UnknownName(name.to_owned()))?;
    let values = values.split(',').map(|value| value.trim_matches(' '));
    let values = match property.domain() {
        Domain::Numbers { .. } | Domain::Thousandths { .. } => Values::Ranges(
            values.map(|value| parse_range(property, value)).collect::<Result<_, _>>()?,
        ),
        Domain::Languages | Domain::Words(_) => Values::Words(
            values.map(|value| parse_word(property, value)).collect::<Result<_, _>>()?,
        ),
    };
    Ok(Condition { property, values })
}

fn parse_word(property: Property, value: &str) -> Result<String, FilterError> {
    let word = value.to_ascii_lowercase();
    let is_known = match property.domain() {
        Domain::Words(words) => words.contains(&word.as_str()),
        // Sources have more than BCP 47 allows; what none has matches nothing.
        _ => !word.is_empty() && !word.chars().any(|c| c.is_control() || c.is_whitespace()),
    };
    if is_known { Ok(word) } else { Err(bad_value(property, value)) }
}

fn parse_range(property: Property, value: &str) -> Result<Range, FilterError> {
    let number = |text| parse_number(property.domain(), text);
    let range = match value.split_once('-') {
        None => number(value).map(|number| Range { first: number, last: number }),
        Some((first, last)) => {
            number(first).and_then(|first| number(last).map(|last| Range { first, last }))
        }
    };
    let range = range.ok_or_else(|| bad_value(property, value))?;
    if range.first > range.last {
        return Err(FilterError::Backwards { property, value: value.to_owned() });
    }
    Ok(range)
}

fn bad_value(property: Property, value: &str) -> FilterError {
    FilterError::BadValue { property, value: value.to_owned() }
}

/// Digits, with a fraction of up to three where the domain has thousandths.
fn parse_number(domain: Domain, text: &str) -> Option<u64> {
    let whole = |digits: &str| {
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse::<u64>().ok()).flatten()
    };
    match domain {
        Domain::Numbers { lowest, highest } => {
            whole(text).filter(|number| (lowest..=highest).contains(number))
        }
        Domain::Thousandths { highest } => {
            let (digits, fraction) = match text.split_once('.') {
                None => (text, 0),
                Some((digits, fraction)) if fraction.len() <= 3 => {
                    (digits, whole(&format!("{fraction:0<3}")).filter(|_| !fraction.is_empty())?)
                }
                Some(_) => return None,
            };
            let number = whole(digits)?.checked_mul(1_000)?.checked_add(fraction)?;
            (number <= highest).then_some(number)
        }
        Domain::Languages | Domain::Words(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(text: &str) -> String {
        parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_string()
    }

    #[test]
    fn every_property_is_read_in_any_case() {
        for (text, wanted) in [
            ("AUDIO_CODEC:AACL,aach,AC-3,Ec-3", "audio_codec:aacl,aach,ac-3,ec-3"),
            ("audio_channels:1-32767", "audio_channels:1-32767"),
            ("audio_language:fr,en-US, dahlia", "audio_language:fr,en-us,dahlia"),
            ("audio_bitrate:0-2147483647", "audio_bitrate:0-2147483647"),
            ("audio_sample_rate:44100,48000", "audio_sample_rate:44100,48000"),
            ("subtitle_language:en-US, hi", "subtitle_language:en-us,hi"),
            ("trickplay_height:0360", "trickplay_height:360"),
            ("trickplay_type:IFrame", "trickplay_type:iframe"),
            ("video_bitrate:7-7", "video_bitrate:7"),
            ("video_codec:H264,h265", "video_codec:h264,h265"),
            ("video_dynamic_range:HDR10,hlg,SDR", "video_dynamic_range:hdr10,hlg,sdr"),
            ("video_framerate:23.976-29.97,30.,60", "video_framerate:?"),
            ("video_framerate:23.976-29.97,30.0,60", "video_framerate:23.976-29.97,30,60"),
            ("Video_Height:240-360,720-1080,1440", "video_height:240-360,720-1080,1440"),
            ("video_height:1;audio_channels:2", "audio_channels:2;video_height:1"),
        ] {
            if wanted.ends_with('?') {
                assert!(parse(text).is_err(), "{text}");
            } else {
                assert_eq!(canonical(text), wanted);
            }
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, wanted) in [
            ("", "\"\" is no condition"),
            ("video_height", "\"video_height\" is no condition"),
            ("video_height:1;", "\"\" is no condition"),
            (";video_height:1", "\"\" is no condition"),
            (":1", "\":1\" is no condition"),
            ("audio_sample_rate:is:0-44100", "is no condition"),
            ("donut_type:rhododendron", "\"donut_type\" cannot be filtered by; names are audio_"),
            ("audio_sample_rate:0-1;aws.manifestfilter=video_bitrate:0-1", "cannot be filtered by"),
            ("video_height:1;VIDEO_height:2", "video_height is there twice"),
            ("audio_sample_rate:300-0", "the range \"300-0\" ends before it begins"),
            ("audio_sample_rate:0-2147483648", "from 0 to 2147483647"),
            ("audio_channels:0", "audio_channels: \"0\" is no value"),
            ("audio_channels:32768", "from 1 to 32767"),
            ("video_height:", "video_height: \"\" is no value"),
            ("video_height:1,", "video_height: \"\" is no value"),
            ("video_height:-1", "\"-1\" is no value"),
            ("video_height:1-", "\"1-\" is no value"),
            ("video_height:1-2-3", "\"1-2-3\" is no value"),
            ("video_height:+1", "\"+1\" is no value"),
            ("video_height:1.5", "\"1.5\" is no value"),
            ("video_height:720p", "\"720p\" is no value"),
            ("video_height:99999999999999999999999", "is no value"),
            ("video_framerate:23.9761", "at most three decimals"),
            ("video_framerate:.5", "is no value"),
            ("video_framerate:2147483647.001", "is no value"),
            ("video_codec:vp8", "values are h264, h265"),
            ("audio_codec:AC3", "values are aacl, aach, ac-3, ec-3"),
            ("audio_language:en,,de", "\"\" is no value"),
            ("audio_language:en\u{7}", "\\u{7}"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }

    #[test]
    fn length_counts_characters() {
        let filter = |count: usize| format!("audio_language:{}", "ü".repeat(count - 15));
        assert!(parse(&filter(MAX_FILTER)).is_ok());
        assert_eq!(parse(&filter(MAX_FILTER + 1)), Err(FilterError::TooLong(MAX_FILTER + 1)));
    }

    fn condition() -> impl Strategy<Value = Condition> {
        let ranges = |lowest: u64, highest: u64| {
            proptest::collection::vec((lowest..=highest, lowest..=highest), 1..4).prop_map(
                |pairs| {
                    let range = |(a, b): (u64, u64)| Range { first: a.min(b), last: a.max(b) };
                    Values::Ranges(pairs.into_iter().map(range).collect())
                },
            )
        };
        proptest::sample::select(Property::ALL.to_vec()).prop_flat_map(move |property| {
            let values = match property.domain() {
                Domain::Numbers { lowest, highest } => ranges(lowest, highest).boxed(),
                Domain::Thousandths { highest } => ranges(0, highest).boxed(),
                Domain::Languages => proptest::collection::vec("[a-z]{2,3}(-[a-z0-9]{2,8})?", 1..4)
                    .prop_map(Values::Words)
                    .boxed(),
                Domain::Words(words) => {
                    proptest::collection::vec(proptest::sample::select(words.to_vec()), 1..4)
                        .prop_map(|words| {
                            Values::Words(words.into_iter().map(str::to_owned).collect())
                        })
                        .boxed()
                }
            };
            values.prop_map(move |values| Condition { property, values })
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            mut conditions in proptest::collection::vec(condition(), 1..6),
            in_capitals in any::<bool>(),
        ) {
            conditions.sort_by_key(|condition| condition.property);
            conditions.dedup_by_key(|condition| condition.property);
            let written = ManifestFilter::new(String::new(), conditions.clone()).to_string();
            let text = if in_capitals { written.to_uppercase() } else { written.clone() };
            prop_assume!(text.chars().count() <= MAX_FILTER);
            let read = parse(&text).unwrap();
            prop_assert_eq!(read.conditions(), conditions.as_slice());
            prop_assert_eq!(read.as_str(), text.as_str());
            prop_assert_eq!(read.to_string(), written);
        }

        #[test]
        fn no_text_is_too_odd(text in ".{0,200}", odd in "[a-z_:;,.0-9-]{0,60}") {
            // Whatever is accepted has one spelling, which is accepted, too.
            for text in [text, odd] {
                if let Ok(filter) = parse(&text) {
                    let again = parse(&filter.to_string()).unwrap();
                    prop_assert_eq!(again.conditions(), filter.conditions());
                }
            }
        }
    }
}
