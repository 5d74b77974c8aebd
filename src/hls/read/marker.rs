//! Tags of media playlists that mark stretches of the title: breaks by `EXT-X-CUE-OUT` and its kin,
//! SCTE-35 sections by `EXT-OATCLS-SCTE35` and `EXT-X-SCTE35`, anything by `EXT-X-DATERANGE`.
//!
//! ```text
//! #EXT-OATCLS-SCTE35:/DAlAAAA…                  a section, base64
//! #EXT-X-CUE-OUT:DURATION=30      or :30        the program is left at the next segment
//! #EXT-X-CUE-OUT-CONT:ElapsedTime=6,Duration=30 or :6/30
//! #EXT-X-CUE-IN                                 it goes on at the next segment
//! #EXT-X-SCTE35:ID="7",CUE="/DAl…",DURATION=30,CUE-OUT=YES
//! #EXT-X-DATERANGE:ID="7",START-DATE="…",…      placed by dates (rfc8216bis 4.4.5.1)
//! ```
//!
//! All but the last are conventions of encoders and packagers, without a standard. Sections are
//! handed out as bytes; what they say is not looked at. A tag that cannot be understood is noted and
//! left out.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::attribute::Attributes;
use super::date_time::ProgramDateTime;
use super::number;

/// A tag about a stretch of the title.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkerTag {
    /// The line of the tag, from 1.
    pub line: usize,
    /// Place of the segment that it stands before; as many as there are where it is behind the last.
    pub segment: usize,
    /// What it says.
    pub mark: Mark,
}

/// What a tag says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The program is left, for so many milliseconds if that is known.
    Out {
        /// Milliseconds.
        duration: Option<i64>,
        /// The section that says so.
        section: Option<Vec<u8>>,
        /// The name of the break.
        id: Option<String>,
    },
    /// The program was left so many milliseconds before.
    Continues {
        /// Milliseconds since the program was left.
        elapsed: Option<i64>,
        /// Milliseconds of the whole break.
        duration: Option<i64>,
        /// The section that said so.
        section: Option<Vec<u8>>,
    },
    /// The program goes on.
    In {
        /// The section that says so.
        section: Option<Vec<u8>>,
        /// The name of the break.
        id: Option<String>,
    },
    /// A section; it says itself what happens.
    Section(Vec<u8>),
    /// A date range.
    DateRange(DateRange),
}

/// `EXT-X-DATERANGE`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DateRange {
    /// `ID`.
    pub id: String,
    /// `START-DATE`, milliseconds since the start of 1970, UTC.
    pub start: Option<i64>,
    /// `END-DATE`, likewise.
    pub end: Option<i64>,
    /// `DURATION`, milliseconds.
    pub duration: Option<i64>,
    /// `PLANNED-DURATION`, milliseconds.
    pub planned_duration: Option<i64>,
    /// `CLASS`.
    pub class: Option<String>,
    /// `END-ON-NEXT=YES`.
    pub ends_on_next: bool,
    /// `SCTE35-OUT`.
    pub out: Option<Vec<u8>>,
    /// `SCTE35-IN`.
    pub back: Option<Vec<u8>>,
    /// `SCTE35-CMD`.
    pub command: Option<Vec<u8>>,
    /// All others with their values as they stand there, quotes included.
    pub others: Vec<(String, String)>,
}

/// Whether a tag is one of these.
pub(super) fn is_marker(name: &str) -> bool {
    matches!(
        name,
        "EXT-X-CUE-OUT"
            | "EXT-X-CUE-OUT-CONT"
            | "EXT-X-CUE-IN"
            | "EXT-OATCLS-SCTE35"
            | "EXT-X-SCTE35"
            | "EXT-X-DATERANGE"
    )
}

/// What a tag says; `None` where that cannot be understood.
pub(super) fn parse(line: usize, name: &str, value: &str) -> Option<Mark> {
    let attributes = |tag| Attributes::parse(line, tag, value).ok();
    Some(match name {
        "EXT-OATCLS-SCTE35" => Mark::Section(section(value)?),
        "EXT-X-CUE-IN" => Mark::In { section: None, id: None },
        "EXT-X-CUE-OUT" => {
            let attributes = attributes("EXT-X-CUE-OUT")?;
            let said = |name| either(&attributes, name);
            let plain = plain_part(value);
            Mark::Out {
                duration: match said("DURATION").or(plain) {
                    Some(text) => Some(milliseconds(text)?),
                    None => None,
                },
                section: section_of(&attributes)?,
                id: said("ID").map(str::to_owned),
            }
        }
        "EXT-X-CUE-OUT-CONT" => {
            let attributes = attributes("EXT-X-CUE-OUT-CONT")?;
            let said = |name| either(&attributes, name).and_then(milliseconds);
            let plain = plain_part(value);
            let (elapsed, duration) = match plain.map(|text| text.split_once('/')) {
                Some(Some((elapsed, duration))) => (milliseconds(elapsed), milliseconds(duration)),
                Some(None) => (plain.and_then(milliseconds), None),
                None => (None, None),
            };
            Mark::Continues {
                elapsed: said("ElapsedTime").or(elapsed),
                duration: said("Duration").or(duration),
                section: section_of(&attributes)?,
            }
        }
        "EXT-X-SCTE35" => {
            let attributes = attributes("EXT-X-SCTE35")?;
            let cue = match attributes.get("CUE") {
                Some(cue) => Some(section(cue)?),
                None => None,
            };
            let id = attributes.get("ID").map(str::to_owned);
            let duration = attributes.get("DURATION").and_then(milliseconds);
            let is_on = |name: &str| {
                attributes.get(name).is_some_and(|value| value.eq_ignore_ascii_case("YES"))
            };
            match (attributes.get("CUE-OUT"), cue) {
                (Some(value), section) if value.eq_ignore_ascii_case("CONT") => {
                    let elapsed = attributes.get("ELAPSED").and_then(milliseconds);
                    Mark::Continues { elapsed, duration, section }
                }
                (_, section) if is_on("CUE-OUT") => Mark::Out { duration, section, id },
                (_, section) if is_on("CUE-IN") => Mark::In { section, id },
                (_, Some(section)) => Mark::Section(section),
                (_, None) => return None,
            }
        }
        _ => Mark::DateRange(date_range(line, value)?),
    })
}

fn date_range(line: usize, value: &str) -> Option<DateRange> {
    let attributes = Attributes::parse(line, "EXT-X-DATERANGE", value).ok()?;
    let mut range = DateRange::default();
    for (index, (name, value)) in attributes.entries().iter().enumerate() {
        let value = value.trim();
        let date = || ProgramDateTime::parse(value).map(|date| date.unix_milliseconds);
        match *name {
            "ID" => range.id = value.to_owned(),
            "CLASS" => range.class = Some(value.to_owned()),
            "START-DATE" => range.start = Some(date()?),
            "END-DATE" => range.end = Some(date()?),
            "DURATION" => range.duration = Some(milliseconds(value)?),
            "PLANNED-DURATION" => range.planned_duration = Some(milliseconds(value)?),
            "END-ON-NEXT" => range.ends_on_next = value == "YES",
            "SCTE35-OUT" => range.out = Some(section(value)?),
            "SCTE35-IN" => range.back = Some(section(value)?),
            "SCTE35-CMD" => range.command = Some(section(value)?),
            name => {
                // Some forget the quotes; a comma would end the value then.
                let is_text = attributes.is_quoted(index) || value.contains([',', ' ']);
                let quote = if is_text { "\"" } else { "" };
                range.others.push((name.to_owned(), format!("{quote}{value}{quote}")));
            }
        }
    }
    (!range.id.is_empty()).then_some(range)
}

/// What stands before the attributes.
fn plain_part(value: &str) -> Option<&str> {
    value.split(',').next().filter(|text| !text.is_empty() && !text.contains('='))
}

/// An attribute whose name some write in capitals and others do not.
fn either<'a>(attributes: &Attributes<'a>, name: &str) -> Option<&'a str> {
    let mut entries = attributes.entries().iter();
    let found = entries.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim())
}

/// The section that an attribute of breaks has; `None` where it cannot be read.
fn section_of(attributes: &Attributes<'_>) -> Option<Option<Vec<u8>>> {
    let text = either(attributes, "SCTE35").or_else(|| either(attributes, "CUE"));
    text.map_or(Some(None), |text| section(text).map(Some))
}

/// A section in hexadecimal behind `0x`, or in base64, of whose padding nothing may be left.
fn section(text: &str) -> Option<Vec<u8>> {
    let text = text.trim().trim_matches('"');
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return hex::decode(digits).ok().filter(|bytes| !bytes.is_empty());
    }
    let bytes = STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text));
    bytes.ok().filter(|bytes| !bytes.is_empty())
}

fn milliseconds(text: &str) -> Option<i64> {
    i64::try_from(number::thousandths(text.trim().trim_matches('"'))?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECTION: &str = "/DAbAAAAAAAAAP/wCgUAAAABf18AAQAAAADsYTZe";

    fn bytes() -> Option<Vec<u8>> {
        section(SECTION)
    }

    #[test]
    fn ways_out_have_many_spellings() {
        let out = |duration, section, id: Option<&str>| {
            Some(Mark::Out { duration, section, id: id.map(str::to_owned) })
        };
        let of = |value: &str| parse(1, "EXT-X-CUE-OUT", value);
        assert_eq!(of(""), out(None, None, None));
        assert_eq!(of("30"), out(Some(30_000), None, None));
        assert_eq!(of("30.0125"), out(Some(30_013), None, None));
        assert_eq!(of("DURATION=30"), out(Some(30_000), None, None));
        assert_eq!(of("Duration=\"15.5\",ID=x"), out(Some(15_500), None, Some("x")));
        assert_eq!(of(&format!("12,SCTE35={SECTION}")), out(Some(12_000), bytes(), None));
        for bad in ["soon", "DURATION=soon", "-5", "9,SCTE35=*"] {
            assert_eq!(of(bad), None, "{bad}");
        }
        let scte = |rest: &str| parse(1, "EXT-X-SCTE35", &format!("CUE=\"{SECTION}\"{rest}"));
        assert_eq!(scte(",ID=\"a\",DURATION=9,CUE-OUT=YES"), out(Some(9_000), bytes(), Some("a")));
        assert_eq!(scte(",CUE-IN=YES"), Some(Mark::In { section: bytes(), id: None }));
        assert_eq!(scte(",CUE-OUT=NO"), bytes().map(Mark::Section));
        assert_eq!(parse(1, "EXT-X-SCTE35", "ID=\"a\""), None);
    }

    #[test]
    fn breaks_go_on_in_two_spellings() {
        let cont =
            |elapsed, duration, section| Some(Mark::Continues { elapsed, duration, section });
        let of = |value: &str| parse(1, "EXT-X-CUE-OUT-CONT", value);
        assert_eq!(of("6/30"), cont(Some(6_000), Some(30_000), None));
        assert_eq!(of("6.5"), cont(Some(6_500), None, None));
        let long = format!("ElapsedTime=6.0,Duration=30.0,SCTE35={SECTION}");
        assert_eq!(of(&long), cont(Some(6_000), Some(30_000), bytes()));
        assert_eq!(of(""), cont(None, None, None));
    }

    #[test]
    fn sections_are_base64_or_hexadecimal() {
        let whole = bytes().unwrap();
        assert_eq!((whole[0], whole.len()), (0xFC, 30));
        assert_eq!(section(&format!("0x{}", hex::encode_upper(&whole))), Some(whole.clone()));
        assert_eq!(section(&format!("\"{SECTION}\"")), Some(whole));
        assert_eq!(section("/DAg"), section(" /DAg "));
        for bad in ["", "0x", "0xABC", "****"] {
            assert_eq!(section(bad), None, "{bad}");
        }
    }

    #[test]
    fn date_ranges_keep_what_is_not_known() {
        let text = "ID=\"a,b\",CLASS=\"com.example\",START-DATE=\"2020-01-02T21:55:44.000Z\",\
            PLANNED-DURATION=59.993,X-COM=\"q\",X-HEX=0xAB,X-N=1.5,END-ON-NEXT=YES,SCTE35-OUT=0xFC30";
        let expected = DateRange {
            id: "a,b".to_owned(),
            class: Some("com.example".to_owned()),
            start: Some(1_578_002_144_000),
            planned_duration: Some(59_993),
            ends_on_next: true,
            out: Some(vec![0xFC, 0x30]),
            others: [("X-COM", "\"q\""), ("X-HEX", "0xAB"), ("X-N", "1.5")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
            ..DateRange::default()
        };
        assert_eq!(parse(1, "EXT-X-DATERANGE", text), Some(Mark::DateRange(expected)));
        for bad in ["CLASS=\"x\"", "ID=\"a\",START-DATE=\"soon\"", "ID=\"a", "ID=\"a\",DURATION=x"]
        {
            assert_eq!(parse(1, "EXT-X-DATERANGE", bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}", which in 0_usize..6) {
            let names = ["EXT-X-CUE-OUT", "EXT-X-CUE-OUT-CONT", "EXT-X-CUE-IN",
                "EXT-OATCLS-SCTE35", "EXT-X-SCTE35", "EXT-X-DATERANGE"];
            prop_assert!(is_marker(names[which]));
            let _ = parse(1, names[which], &text);
        }
    }
}
