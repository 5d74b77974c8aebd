//! An MPD as players read it: adaptation sets with their `ContentProtection`, representations with
//! the URIs of their segments (ISO/IEC 23009-1:2022 5.3, 5.8.4.1; DASH-IF content protection
//! guidelines).
//!
//! Names are resolved by namespace, because players do that too: a `pssh` in no namespace is none.
//! Of the ways to name segments only `SegmentTemplate` with a timeline is read, and `BaseURL` not
//! at all.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

/// The parts of an MPD that encryption has to do with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mpd {
    /// Adaptation sets of all periods, in order.
    pub sets: Vec<AdaptationSet>,
}

/// An adaptation set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdaptationSet {
    /// The number of its period, from 0.
    pub period: usize,
    /// `id`.
    pub id: String,
    /// `contentType="text"`: never encrypted.
    pub is_text: bool,
    /// Its `ContentProtection` elements, and those of its representations.
    pub protection: Vec<ContentProtection>,
    /// Its representations.
    pub representations: Vec<Representation>,
}

/// A `ContentProtection` element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentProtection {
    /// `schemeIdUri`, lower case.
    pub scheme_id_uri: String,
    /// `value`.
    pub value: Option<String>,
    /// `cenc:default_KID`.
    pub default_key_id: Option<String>,
    /// `cenc:pssh`: base64.
    pub pssh: Option<String>,
    /// `mspr:pro`: base64.
    pub playready_object: Option<String>,
    /// `dashif:Laurl`.
    pub license_url: Option<String>,
}

/// A representation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Representation {
    /// `id`.
    pub id: String,
    /// Relative to the MPD.
    pub init: Option<String>,
    /// Relative to the MPD, in order.
    pub segments: Vec<String>,
}

/// Why a text is not an MPD that can be read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MpdError {
    /// Not well-formed, a prefix without namespace, or a DTD.
    #[error("the MPD is not well-formed XML with namespaces (byte {offset})")]
    Malformed {
        /// Where reading stopped.
        offset: u64,
    },
    /// Something else than an MPD.
    #[error("the document is no MPD")]
    OtherRoot,
    /// More segments than a title has.
    #[error("the MPD names more than {MAX_SEGMENTS} segments")]
    TooLong,
}

const DASH: &str = "urn:mpeg:dash:schema:mpd:2011";
const CENC: &str = "urn:mpeg:cenc:2013";
const PLAYREADY: &str = "urn:microsoft:playready";
const DASH_IF: &str = "https://dashif.org/CPS";
/// A day in seconds, ten times over.
const MAX_SEGMENTS: usize = 1_000_000;

/// Reads an MPD.
pub fn read(text: &str) -> Result<Mpd, MpdError> {
    let mut reader = NsReader::from_str(text);
    let mut state = State::default();
    loop {
        let offset = reader.buffer_position();
        let malformed = MpdError::Malformed { offset };
        let (namespace, event) = reader.read_resolved_event().map_err(|_| malformed)?;
        match event {
            Event::Start(ref start) | Event::Empty(ref start) => {
                let element = Element::of(&namespace, start).ok_or(malformed)?;
                let attributes = Attributes::of(&reader, start).ok_or(malformed)?;
                state.open(element, &attributes)?;
                if matches!(event, Event::Empty(_)) {
                    state.close()?;
                }
            }
            Event::End(_) => state.close()?,
            Event::Text(text) => state.text.push_str(&text.xml10_content()),
            Event::GeneralRef(entity) => {
                let known = quick_xml::escape::resolve_predefined_entity(&entity);
                state.text.push_str(known.ok_or(malformed)?);
            }
            Event::DocType(_) => return Err(malformed),
            Event::Eof if state.path.is_empty() && state.seen_root => return Ok(state.mpd),
            Event::Eof => return Err(malformed),
            _ => {}
        }
    }
}

/// The elements that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    Mpd,
    Period,
    AdaptationSet,
    Representation,
    ContentProtection,
    SegmentTemplate,
    SegmentTimeline,
    S,
    Pssh,
    PlayReadyObject,
    LicenseUrl,
    Other,
}

impl Element {
    fn of(namespace: &ResolveResult<'_>, start: &BytesStart<'_>) -> Option<Self> {
        let namespace = match namespace {
            ResolveResult::Bound(namespace) => namespace.as_ref().to_owned(),
            ResolveResult::Unbound => String::new(),
            ResolveResult::Unknown(_) => return None,
        };
        Some(match (namespace.as_str(), start.local_name().as_ref()) {
            (DASH, "MPD") => Self::Mpd,
            (DASH, "Period") => Self::Period,
            (DASH, "AdaptationSet") => Self::AdaptationSet,
            (DASH, "Representation") => Self::Representation,
            (DASH, "ContentProtection") => Self::ContentProtection,
            (DASH, "SegmentTemplate") => Self::SegmentTemplate,
            (DASH, "SegmentTimeline") => Self::SegmentTimeline,
            (DASH, "S") => Self::S,
            (CENC, "pssh") => Self::Pssh,
            (PLAYREADY, "pro") => Self::PlayReadyObject,
            (DASH_IF, "Laurl") => Self::LicenseUrl,
            _ => Self::Other,
        })
    }
}

/// Attributes by name; that of Common Encryption has its namespace before it.
struct Attributes(Vec<(String, String)>);

impl Attributes {
    fn of(reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> Option<Self> {
        let mut all = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.ok()?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?.into_owned();
            let (namespace, name) = reader.resolver().resolve_attribute(attribute.key);
            let name = match namespace {
                ResolveResult::Bound(namespace) => {
                    format!("{} {}", namespace.as_ref(), name.as_ref())
                }
                _ => attribute.key.as_ref().to_owned(),
            };
            all.push((name, value));
        }
        Some(Self(all))
    }

    fn named(&self, name: &str) -> Option<String> {
        let (_, value) = self.0.iter().find(|(found, _)| found == name)?;
        Some(value.clone())
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.named(name)?.parse().ok()
    }
}

/// What a set and each of its representations may have of its own.
#[derive(Clone, Debug, Default)]
struct Template {
    init: Option<String>,
    media: String,
    first_number: u64,
    times: Vec<u64>,
    next: u64,
}

#[derive(Default)]
struct State {
    mpd: Mpd,
    path: Vec<Element>,
    seen_root: bool,
    periods: usize,
    /// How long the period lasts, nanoseconds.
    length: Option<u64>,
    text: String,
    of_set: Template,
    of_representation: Option<Template>,
}

impl State {
    fn open(&mut self, element: Element, attributes: &Attributes) -> Result<(), MpdError> {
        if self.path.is_empty() && (element != Element::Mpd || self.seen_root) {
            return Err(MpdError::OtherRoot);
        }
        self.seen_root = true;
        self.text.clear();
        match element {
            Element::Period => {
                self.periods += 1;
                self.length = attributes.named("duration").and_then(|text| nanoseconds(&text));
            }
            Element::AdaptationSet => {
                self.of_set = Template::default();
                self.mpd.sets.push(AdaptationSet {
                    period: self.periods.saturating_sub(1),
                    id: attributes.named("id").unwrap_or_default(),
                    is_text: attributes.named("contentType").is_some_and(|kind| kind == "text"),
                    ..AdaptationSet::default()
                });
            }
            Element::Representation => {
                self.of_representation = None;
                if let Some(set) = self.mpd.sets.last_mut() {
                    let id = attributes.named("id").unwrap_or_default();
                    set.representations.push(Representation { id, ..Representation::default() });
                }
            }
            Element::ContentProtection => {
                if let Some(set) = self.mpd.sets.last_mut() {
                    let uri = attributes.named("schemeIdUri").unwrap_or_default();
                    set.protection.push(ContentProtection {
                        scheme_id_uri: uri.to_ascii_lowercase(),
                        value: attributes.named("value"),
                        default_key_id: attributes.named(&format!("{CENC} default_KID")),
                        ..ContentProtection::default()
                    });
                }
            }
            Element::SegmentTemplate => {
                let template = Template {
                    init: attributes.named("initialization"),
                    media: attributes.named("media").unwrap_or_default(),
                    first_number: attributes.number("startNumber").unwrap_or(1),
                    ..Template::default()
                };
                let template = self.with_equal_segments(template, attributes)?;
                if self.path.contains(&Element::Representation) {
                    self.of_representation = Some(template);
                } else {
                    self.of_set = template;
                }
            }
            Element::S => self.add_times(attributes)?,
            _ => {}
        }
        self.path.push(element);
        Ok(())
    }

    /// Without a timeline all segments of a period last as long as `duration` says.
    fn with_equal_segments(
        &self,
        mut template: Template,
        attributes: &Attributes,
    ) -> Result<Template, MpdError> {
        let duration = attributes.number("duration").filter(|duration| *duration > 0);
        let (Some(duration), Some(length)) = (duration, self.length) else { return Ok(template) };
        let timescale = attributes.number("timescale").unwrap_or(1);
        let ticks = u128::from(length) * u128::from(timescale);
        let count = ticks.div_ceil(u128::from(duration) * 1_000_000_000);
        if count > MAX_SEGMENTS as u128 {
            return Err(MpdError::TooLong);
        }
        template.times = (0..count as u64).map(|index| index.saturating_mul(duration)).collect();
        Ok(template)
    }

    fn add_times(&mut self, attributes: &Attributes) -> Result<(), MpdError> {
        let template = self.of_representation.as_mut().unwrap_or(&mut self.of_set);
        let duration = attributes.number("d").unwrap_or(0);
        let repeat = attributes.number("r").unwrap_or(0);
        if let Some(time) = attributes.number("t") {
            template.next = time;
        }
        if repeat >= MAX_SEGMENTS as u64 || template.times.len() >= MAX_SEGMENTS {
            return Err(MpdError::TooLong);
        }
        for _ in 0..=repeat {
            template.times.push(template.next);
            template.next = template.next.saturating_add(duration);
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), MpdError> {
        let Some(element) = self.path.pop() else { return Err(MpdError::OtherRoot) };
        let text = self.text.trim().to_owned();
        let Some(set) = self.mpd.sets.last_mut() else { return Ok(()) };
        if let Some(protection) = set.protection.last_mut() {
            match element {
                Element::Pssh => protection.pssh = Some(text),
                Element::PlayReadyObject => protection.playready_object = Some(text),
                Element::LicenseUrl => protection.license_url = Some(text),
                _ => {}
            }
        }
        match element {
            Element::Representation => {
                // The set's template may come later than its representations: those are done below.
                if let (Some(template), Some(representation)) =
                    (self.of_representation.take(), set.representations.last_mut())
                {
                    representation.name_segments(&template);
                }
            }
            Element::AdaptationSet => {
                let without = set.representations.iter_mut().filter(|one| one.segments.is_empty());
                without.for_each(|one| one.name_segments(&self.of_set));
            }
            _ => {}
        }
        Ok(())
    }
}

impl Representation {
    fn name_segments(&mut self, template: &Template) {
        let of = |text: &str| text.replace("$RepresentationID$", &self.id);
        let init = template.init.as_deref().map(of);
        let media = of(&template.media);
        let numbered = template.times.iter().zip(template.first_number..);
        let named = numbered.map(|(time, number)| {
            media.replace("$Time$", &time.to_string()).replace("$Number$", &number.to_string())
        });
        self.segments = named.collect();
        self.init = init;
    }
}

/// `PT12.5S`, with up to nine decimals, as nanoseconds.
fn nanoseconds(text: &str) -> Option<u64> {
    let seconds = text.strip_prefix("PT")?.strip_suffix('S')?;
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let fraction = format!("{fraction:0<9}");
    let fraction = fraction.get(..9).filter(|_| fraction.len() == 9)?;
    whole.parse::<u64>().ok()?.checked_mul(1_000_000_000)?.checked_add(fraction.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" xmlns:cenc="urn:mpeg:cenc:2013" xmlns:x="https://dashif.org/CPS">
 <Period><AdaptationSet id="7">
  <ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011" value="cbcs" cenc:default_KID="01234567-89ab-cdef-0123-456789abcdef"/>
  <ContentProtection schemeIdUri="urn:uuid:EDEF8BA9-79d6-4ace-a3c8-27dcd51d21ed">
   <cenc:pssh> AAEC </cenc:pssh><pssh>not this</pssh><x:Laurl>https://l.example/?a&amp;b</x:Laurl>
  </ContentProtection>
  <SegmentTemplate initialization="s/$RepresentationID$/init.mp4" media="s/$RepresentationID$/$Time$.m4s">
   <SegmentTimeline><S t="5" d="10" r="1"/><S d="7"/><S t="40" d="7"/></SegmentTimeline>
  </SegmentTemplate>
  <Representation id="v0"/>
  <Representation id="v1"><SegmentTemplate media="own/$Time$"><SegmentTimeline><S d="1"/></SegmentTimeline></SegmentTemplate></Representation>
 </AdaptationSet></Period>
 <Period><AdaptationSet id="8"/></Period>
</MPD>"#;

    #[test]
    fn protection_and_segments_are_read() {
        let mpd = read(TEXT).unwrap();
        let [set, other] = &mpd.sets[..] else { panic!("{mpd:?}") };
        assert_eq!((set.id.as_str(), set.period, other.period), ("7", 0, 1));
        let [common, widevine] = &set.protection[..] else { panic!("{set:?}") };
        assert_eq!(common.value.as_deref(), Some("cbcs"));
        let id = common.default_key_id.as_deref();
        assert_eq!(id, Some("01234567-89ab-cdef-0123-456789abcdef"));
        assert_eq!(widevine.scheme_id_uri, "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed");
        assert_eq!(widevine.pssh.as_deref(), Some("AAEC"));
        assert_eq!(widevine.license_url.as_deref(), Some("https://l.example/?a&b"));
        let [first, second] = &set.representations[..] else { panic!("{set:?}") };
        assert_eq!(first.init.as_deref(), Some("s/v0/init.mp4"));
        assert_eq!(first.segments, ["s/v0/5.m4s", "s/v0/15.m4s", "s/v0/25.m4s", "s/v0/40.m4s"]);
        assert_eq!(
            (second.init.as_deref(), &second.segments[..]),
            (None, &["own/0".to_owned()][..])
        );
    }

    #[test]
    fn segments_have_numbers_too() {
        let mpd = |template: &str| {
            read(&format!(
                "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"><Period duration=\"PT12.5S\">\
                 <AdaptationSet contentType=\"text\">{template}<Representation id=\"t\"/>\
                 </AdaptationSet></Period></MPD>"
            ))
        };
        let equal = "<SegmentTemplate media=\"$Number$\" startNumber=\"3\" timescale=\"1000\" \
            duration=\"6000\"/>";
        let set = mpd(equal).unwrap().sets.remove(0);
        assert!(set.is_text);
        assert_eq!(set.representations[0].segments, ["3", "4", "5"]);
        let listed = "<SegmentTemplate media=\"$Number$-$Time$\"><SegmentTimeline>\
            <S t=\"7\" d=\"2\" r=\"1\"/></SegmentTimeline></SegmentTemplate>";
        assert_eq!(mpd(listed).unwrap().sets[0].representations[0].segments, ["1-7", "2-9"]);
        assert_eq!(mpd(&equal.replace("6000", "1")).err(), None);
        assert_eq!(mpd(&equal.replace("1000", "999999999")).err(), Some(MpdError::TooLong));
    }

    #[test]
    fn other_documents_are_refused() {
        assert_eq!(read("<MPD/>"), Err(MpdError::OtherRoot));
        assert!(matches!(
            read(&TEXT.replace("xmlns:cenc=", "xmlns:y=")),
            Err(MpdError::Malformed { .. })
        ));
        assert!(matches!(read(&TEXT[..TEXT.len() - 7]), Err(MpdError::Malformed { .. })));
        assert_eq!(read(&TEXT.replace("r=\"1\"", "r=\"1000000\"")), Err(MpdError::TooLong));
    }
}
