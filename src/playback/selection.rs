//! The query of an entry manifest → which part of the title it is to show.
//!
//! | parameter | |
//! |---|---|
//! | `filter`, or `aws.manifestfilter` | which renditions; see [`filter::parse`] |
//! | `start`, `end` | from when to when: seconds, or a date and time of ISO 8601 with its zone |
//! | `precise` | `true` signals these points exactly; else the clip is cut inwards to segments |
//!
//! Everything else is ignored: tokens of CDNs and the like. What is meant for an entry manifest is
//! refused with media playlists and segments: there it could only be overlooked.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::error::{Error, Result};
use crate::hls::date::iso8601;
use crate::hls::read::ProgramDateTime;
use crate::model::filter::ManifestFilter;
use crate::model::manifest::Manifest;
use crate::model::presentation::Presentation;
use crate::plan::{ClipRequest, Packaging, cut, filter};
use crate::time::{Ticks, Timescale};

const FILTER: &str = "filter";
const FILTER_ALIAS: &str = "aws.manifestfilter";
const START: &str = "start";
const END: &str = "end";
const PRECISE: &str = "precise";
/// Dates are whole milliseconds.
const TOLERANCE: i64 = 90;
/// `2026-01-31`, and the character behind it.
const DATE_CHARS: usize = 10;

/// What a player asks for beside the name of a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    filter: Option<ManifestFilter>,
    start: Option<Moment>,
    end: Option<Moment>,
    precise: bool,
}

/// A point in a title.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// From the start of the title, [`Timescale::MPEG`] ticks.
    Offset(Ticks),
    /// By the clock, milliseconds since the start of 1970, UTC.
    Clock(i64),
}

impl Selection {
    /// Reads a query.
    pub fn parse(query: Option<&str>) -> Result<Self> {
        let mut selection = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        for (name, value) in parameters(query) {
            // Two names of one parameter are the same parameter.
            let field = if name == FILTER_ALIAS { FILTER } else { name };
            if seen.contains(&field) {
                let both = format!("{field} is there twice; give it once");
                let message = if field == FILTER {
                    format!("{both}, as {FILTER} or as {FILTER_ALIAS}")
                } else {
                    both
                };
                return Err(Error::invalid(field, message));
            }
            seen.push(field);
            let value = percent_decode_str(value).decode_utf8().map_err(|error| {
                let message = format!("{name} is not UTF-8 when percent-decoded");
                Error::invalid(field, message).caused_by(error)
            })?;
            match field {
                FILTER => {
                    let read = filter::parse(&value);
                    let read = read.map_err(|e| Error::invalid(FILTER, format!("{name}: {e}")))?;
                    selection.filter = Some(read);
                }
                START => selection.start = Some(Moment::parse(START, &value)?),
                END => selection.end = Some(Moment::parse(END, &value)?),
                _ => {
                    selection.precise = match &*value {
                        "true" => true,
                        "false" => false,
                        _ => {
                            let message = format!("{PRECISE} must be true or false");
                            return Err(Error::invalid(PRECISE, message));
                        }
                    };
                }
            }
        }
        if selection.precise && selection.start.is_none() && selection.end.is_none() {
            let message = format!("{PRECISE} needs {START} or {END}");
            return Err(Error::invalid(PRECISE, message));
        }
        Ok(selection)
    }

    /// Refuses a query that selects something, for what is not an entry manifest.
    pub fn refuse(query: Option<&str>) -> Result<()> {
        match parameters(query).next() {
            None => Ok(()),
            Some((name, _)) => {
                let message = format!(
                    "{name} belongs to the query of the entry manifest; what that names needs none"
                );
                Err(Error::invalid(name, message))
            }
        }
    }

    /// Names it in caches: the same for all spellings of a filter, empty where everything is shown.
    pub fn key(&self) -> String {
        let mut key = String::new();
        if let Some(filter) = &self.filter {
            key += &format!("/filter={filter}");
        }
        let is_clip = self.start.is_some() || self.end.is_some();
        if is_clip {
            key += &format!("/clip={:?}-{:?}-{}", self.start, self.end, self.precise);
        }
        key
    }

    /// The part of a manifest that is selected; `None` where that is all of it.
    pub fn applied(&self, packaging: &Packaging, manifest: &Manifest) -> Result<Option<Manifest>> {
        let filtered = match &self.filter {
            None => None,
            Some(filter) => Some(packaging.filtered(manifest, filter).ok_or_else(|| {
                let message = "filter leaves nothing of this title; ask for less";
                Error::invalid(FILTER, message)
            })?),
        };
        let Some(request) = self.clip_request(packaging.presentation())? else {
            return Ok(filtered);
        };
        let manifest = filtered.as_ref().unwrap_or(manifest);
        let cut = cut(manifest, &request).map_err(|error| {
            let field = error.field(&request);
            Error::invalid(field, format!("{field} {error}"))
        })?;
        Ok(Some(packaging.clipped(manifest, &cut)))
    }

    fn clip_request(&self, presentation: &Presentation) -> Result<Option<ClipRequest>> {
        if self.start.is_none() && self.end.is_none() {
            return Ok(None);
        }
        let offset = |field, moment: Option<Moment>| match moment {
            None => Ok(None),
            Some(Moment::Offset(offset)) => Ok(Some(offset)),
            Some(Moment::Clock(date)) => offset_of(field, date, presentation).map(Some),
        };
        let (start, end) = (offset(START, self.start)?, offset(END, self.end)?);
        Ok(Some(ClipRequest { start, end, precise: self.precise }))
    }
}

impl Moment {
    fn parse(field: &str, text: &str) -> Result<Self> {
        if let Some(offset) = ticks(text) {
            return Ok(Self::Offset(offset));
        }
        // What decodes queries as forms on the way makes a space of the plus of a zone.
        let zone_at = text.rfind(' ').filter(|at| *at > DATE_CHARS);
        let text = zone_at.map_or(Cow::Borrowed(text), |at| {
            let (clock, zone) = text.split_at(at);
            Cow::Owned(format!("{clock}+{}", zone.trim_start()))
        });
        match ProgramDateTime::parse(&text) {
            Some(date) if date.offset_minutes.is_some() => {
                return Ok(Self::Clock(date.unix_milliseconds));
            }
            Some(_) => {
                let message = format!(
                    "{field} is a date and time without its zone; put Z or +01:00 behind it"
                );
                return Err(Error::invalid(field, message));
            }
            None => {}
        }
        let message = format!(
            "{field} must be seconds from the start of the title, such as 12.5 and not negative, or \
             a date and time of ISO 8601 with its zone, such as 2026-01-31T20:15:00Z"
        );
        Err(Error::invalid(field, message))
    }
}

/// The offset from the start of a title of one of its dates, milliseconds since the start of 1970.
fn offset_of(field: &str, date: i64, presentation: &Presentation) -> Result<Ticks> {
    let clock = &presentation.wall_clock;
    let start = presentation.periods.first().map_or(Ticks::ZERO, |first| first.start);
    let Some(time) = clock.time_at(date) else {
        let message = format!(
            "{field} is a date, and the playlists of this title's source name none \
             (EXT-X-PROGRAM-DATE-TIME); give seconds from its start"
        );
        return Err(Error::invalid(field, message));
    };
    let offset = time.minus(start);
    if offset.0 < -TOLERANCE {
        let first = iso8601(clock.date_at(start, start));
        let message = format!("{field} is before the title, which begins at {first}");
        return Err(Error::invalid(field, message));
    }
    Ok(offset.max(Ticks::ZERO))
}

/// Decimal seconds of up to nine places as [`Timescale::MPEG`] ticks, to the nearest.
fn ticks(text: &str) -> Option<Ticks> {
    const NANOSECONDS: Option<Timescale> = Timescale::new(1_000_000_000);
    let digits = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<i64>().ok()).flatten()
    };
    let (whole, fraction) = match text.split_once('.') {
        None => (text, 0),
        Some((whole, fraction)) if (1..=9).contains(&fraction.len()) => {
            (whole, digits(&format!("{fraction:0<9}"))?)
        }
        Some(_) => return None,
    };
    let nanoseconds = digits(whole)?.checked_mul(1_000_000_000)?.checked_add(fraction)?;
    Some(Ticks(nanoseconds).rescale(NANOSECONDS?, Timescale::MPEG))
}

/// The parameters of a query that select something: their names, and their values as they stand.
fn parameters(query: Option<&str>) -> impl Iterator<Item = (&'static str, &str)> {
    const NAMES: [&str; 5] = [FILTER, FILTER_ALIAS, START, END, PRECISE];
    query.unwrap_or_default().split('&').filter_map(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let name = percent_decode_str(name).decode_utf8().ok()?;
        let known = NAMES.into_iter().find(|known| *known == name)?;
        Some((known, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(query: &str) -> Result<Selection> {
        Selection::parse(Some(query))
    }

    #[test]
    fn what_is_not_ours_is_ignored() {
        for query in ["", "token=a%zz&token=b&Filter=x", "filters=1&starts=2", "&&=", "x=filter=1"]
        {
            assert_eq!(parse(query).unwrap(), Selection::default(), "{query}");
            assert!(Selection::refuse(Some(query)).is_ok(), "{query}");
        }
        assert_eq!(Selection::parse(None).unwrap().key(), "");
    }

    #[test]
    fn spellings_of_one_selection_share_a_key() {
        let wanted = parse("filter=video_height:240-360;audio_codec:aacl").unwrap().key();
        for query in [
            "aws.manifestfilter=audio_codec:AACL;video_height:240-360",
            "%66ilter=video_height%3A240%2D360%3Baudio_codec%3Aaacl&x=1",
            "filter=video_height:%20240-360;audio_codec:AACL",
        ] {
            assert_eq!(parse(query).unwrap().key(), wanted, "{query}");
        }
        assert_eq!(
            parse("start=6&end=12.0").unwrap().key(),
            parse("end=12&start=6.00").unwrap().key()
        );
        let keys =
            ["start=6", "end=6", "start=6&precise=true", "start=6&end=7", "filter=video_height:6"];
        for (index, query) in keys.iter().enumerate() {
            for other in &keys[index + 1..] {
                assert_ne!(parse(query).unwrap().key(), parse(other).unwrap().key());
            }
        }
    }

    #[test]
    fn a_refusal_names_the_parameter() {
        for (query, field, wanted) in [
            ("filter=video_height:1&filter=video_height:1", "filter", "twice"),
            (
                "filter=video_height:1&aws.manifestfilter=video_height:1",
                "filter",
                "aws.manifestfilter",
            ),
            ("filter", "filter", "no condition"),
            ("filter=", "filter", "no condition"),
            ("filter=video_height:%ff", "filter", "UTF-8"),
            ("filter=video_height:%zz", "filter", "\"%zz\""),
            ("filter=video_height+:1", "filter", "\"video_height+\""),
            ("aws.manifestfilter=donut:1", "filter", "aws.manifestfilter: \"donut\""),
            ("start=1&start=1", "start", "twice"),
            ("start=-1", "start", "not negative"),
            ("start=", "start", "seconds"),
            ("start=1e3", "start", "seconds"),
            ("start=.5", "start", "seconds"),
            ("start=5.", "start", "seconds"),
            ("start=99999999999999", "start", "seconds"),
            ("start=1.0000000001", "start", "seconds"),
            ("end=%31%", "end", "seconds"),
            ("end=2026-02-30T00:00:00Z", "end", "ISO 8601"),
            ("end=2026-02-03T00:00:00", "end", "zone"),
            ("start=1769890500000", "start", "seconds"),
            ("start=1&precise=yes", "precise", "true or false"),
            ("precise=true", "precise", "needs start or end"),
        ] {
            let error = parse(query).expect_err(query);
            assert_eq!(error.field(), Some(field), "{query}");
            assert!(error.chain().contains(wanted), "{query}: {}", error.chain());
            assert!(Selection::refuse(Some(query)).is_err(), "{query}");
        }
    }

    #[test]
    fn times_are_read_exactly() {
        let start = |query| parse(query).unwrap().start.unwrap();
        assert_eq!(start("start=0"), Moment::Offset(Ticks::ZERO));
        assert_eq!(start("start=5.9985"), Moment::Offset(Ticks(539_865)));
        assert_eq!(start("start=0.000011111"), Moment::Offset(Ticks(1)));
        let clock = Moment::Clock(1_769_890_500_250);
        assert_eq!(start("start=2026-01-31T20:15:00.25Z"), clock);
        assert_eq!(start("start=2026-01-31T22:15:00.25+02:00"), clock);
        assert_eq!(start("start=2026-01-31T22:15:00.25+0200"), clock);
        assert_eq!(start("start=2026-01-31T22:15:00.25%2002:00"), clock);
        assert_eq!(start("start=2026-01-31%2022:15:00.25%2002:00"), clock);
        assert_eq!(start("start=2026-01-31T15:15:00.25-05:00"), clock);
        assert_eq!(start("start=2026-01-31T22%3A15%3A00.25%2B02%3A00"), clock);
    }

    proptest! {
        #[test]
        fn what_manifests_print_is_read_back(time in 0_i64..(1 << 40)) {
            let text = Ticks(time).seconds(Timescale::MPEG, 9).to_string();
            prop_assert_eq!(ticks(&text), Some(Ticks(time)));
        }

        #[test]
        fn no_query_is_too_odd(query in ".{0,100}", ours in "(start|end|filter|precise)=[%0-9a-z:;,.+-]{0,40}") {
            let _ = (parse(&query), parse(&ours));
        }
    }
}
