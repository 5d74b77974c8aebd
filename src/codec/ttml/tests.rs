use proptest::prelude::*;

use super::*;
use crate::model::text::Cue;
use crate::model::ttml::TtmlText;

const SECOND: i64 = 90_000;

fn tt(attributes: &str, inner: &str) -> String {
    format!(
        "<tt xmlns='{}' xmlns:ttp='http://www.w3.org/ns/ttml#parameter' \
         xmlns:tts='http://www.w3.org/ns/ttml#styling' xml:lang='en' {attributes}>{inner}</tt>",
        xml::TTML
    )
}

fn whole(text: &str) -> Document {
    read(text.as_bytes(), Ids::Kept).unwrap()
}

fn text_of(document: &Document) -> TtmlText {
    TtmlText {
        root: document.root.clone(),
        heads: vec![document.head.clone()],
        bodies: vec![document.body.clone()],
    }
}

/// Start and end in milliseconds, and the text.
fn told(cues: &[Cue]) -> Vec<(i64, i64, &str)> {
    cues.iter().map(|cue| (cue.start.0 / 90, cue.end.0 / 90, cue.payload.as_str())).collect()
}

/// What is shown from `from` to `to`, as stretches without regard to how it is cut into cues.
fn shown(cues: &[Cue], from: Ticks, to: Ticks) -> Vec<(Ticks, Vec<&str>)> {
    let times = cues.iter().flat_map(|cue| [cue.start, cue.end]);
    let mut bounds: Vec<Ticks> = times.filter(|time| *time > from && *time < to).collect();
    bounds.push(from);
    bounds.sort_unstable();
    bounds.dedup();
    let at = |time: Ticks| {
        let cues = cues.iter().filter(|cue| cue.start <= time && time < cue.end);
        let mut all: Vec<&str> = cues.map(|cue| cue.payload.as_str()).collect();
        all.sort_unstable();
        all
    };
    let mut stretches: Vec<_> = bounds.into_iter().map(|bound| (bound, at(bound))).collect();
    stretches.dedup_by(|later, earlier| later.1 == earlier.1);
    stretches
}

#[test]
fn times_add_up_through_par_and_seq() {
    let document = whole(&tt(
        "",
        "<body begin='1s'>\
         <div begin='1s' end='20s'><p begin='1s' dur='2s'>a</p><p begin='1s' end='9s' dur='1s'>b</p></div>\
         <div timeContainer='seq'><p dur='1s'>c</p><p begin='1s' dur='1s'>d</p><p end='2s'>e</p>\
         <p>f</p><p dur='1s'>never</p></div>\
         <div dur='4s'><p>g<span begin='1s'>h</span></p><p begin='2s' end='1m'>i</p></div>\
         </body>",
    ));
    let expected = [
        (1_000, 2_000, "c"),
        (1_000, 2_000, "g"),
        (2_000, 5_000, "gh"),
        (3_000, 4_000, "d"),
        (3_000, 5_000, "i"),
        (3_000, 5_000, "a"),
        (3_000, 4_000, "b"),
        (4_000, 6_000, "e"),
    ];
    let mut found = told(&document.cues);
    found.retain(|cue| cue.2 != "f");
    found.sort_unstable();
    let mut wanted = expected.to_vec();
    wanted.sort_unstable();
    assert_eq!(found, wanted);
    let last = document.cues.last().unwrap();
    assert_eq!((last.start.0, last.payload.as_str()), (6 * SECOND, "f"));
    assert!(last.end.0 > 1 << 50, "a paragraph without end in a sequence has none");
}

#[test]
fn a_cut_document_can_be_read_alone() {
    let document = whole(
        "<?xml version='1.0'?><x:tt xmlns:x='http://www.w3.org/ns/ttml' \
         xmlns:y='http://www.w3.org/ns/ttml#styling' xmlns:p='http://www.w3.org/ns/ttml#parameter' \
         xmlns:z='urn:z' p:frameRate='25' p:cellResolution='40 24' xml:lang='en' z:a='b'>\
         <x:head><x:styling><x:style xml:id='s' y:color='red'/></x:styling><x:layout>\
         <x:region xml:id='r'><x:set begin='2s' y:color='&quot;'/></x:region></x:layout></x:head>\
         <x:body style='s'><!-- c --><x:div begin='1s' xml:id='d'><z:drop><x:p>n</x:p></z:drop>\
         <x:p begin='25f' end='5s' xml:id='one'>a&lt;<x:br/><x:span begin='1s'>b &amp; c</x:span></x:p>\
         <x:p begin='00:00:09:12'>late</x:p></x:div></x:body></x:tt>",
    );
    assert_eq!((document.broken, &document.first_broken), (0, &None));
    let text = text_of(&document);
    let cut = document_of(&text, 0, 6);
    let expected = "<head><styling><style xml:id=\"s\" tts:color=\"red\"/></styling><layout>\
        <region xml:id=\"r\"><set tts:color=\"&quot;\" begin=\"00:00:02.000\"/></region></layout></head>\
        <body style=\"s\"><div xml:id=\"d\">\
        <p xml:id=\"one\" begin=\"00:00:02.000\" end=\"00:00:06.000\">a&lt;<br/>\
        <span begin=\"00:00:01.000\" end=\"00:00:04.000\">b &amp; c</span></p></div></body></tt>\n";
    assert!(cut.ends_with(expected), "{cut}");
    assert!(cut.contains(" ttp:cellResolution=\"40 24\" xml:lang=\"en\">"), "{cut}");
    assert!(!cut.contains("frameRate") && !cut.contains("urn:z"), "{cut}");
    let late = document_of(&text, 6, 12);
    assert!(late.contains("<p begin=\"00:00:10.480\">late</p>") && !late.contains("one"), "{late}");
    let none = document_of(&text, 7, 9);
    assert!(none.contains("xml:id=\"r\"") && !none.contains("<p"), "{none}");
    let before = document_of(&text, 0, 2);
    assert!(before.ends_with("</head><body/></tt>\n"), "{before}");
}

fn document_of(text: &TtmlText, from: i64, to: i64) -> String {
    let (from, to) = (Ticks(from * SECOND), Ticks(to * SECOND));
    let bytes = document(text, from, to, Ticks::ZERO);
    assert_eq!(bytes.len() as u64, document_bytes(text, from, to, Ticks::ZERO));
    String::from_utf8(bytes).unwrap()
}

#[test]
fn cues_keep_what_webvtt_can_say() {
    let document = whole(&tt(
        "",
        "<head><styling><style xml:id='i' tts:fontStyle='italic'/>\
         <style xml:id='ib' style='i loop' tts:fontWeight='bold'/><style xml:id='loop' style='ib'/>\
         </styling></head><body><div>\
         <p begin='1s' end='2s'>\n  a  b <br/> <br/>\n c<span style='ib'> d</span> &lt;e&gt; </p>\
         <p begin='2s' end='3s' xml:space='preserve'> a  b </p>\
         <p begin='3s' end='4s' style='i'>x<span tts:fontStyle='normal'>y</span>\
         <span tts:visibility='hidden'>no</span><span tts:textDecoration='underline'>z</span></p>\
         <p begin='4s' end='5s'><span tts:ruby='container'><span tts:ruby='base'>B</span>\
         <span tts:ruby='text'>T</span></span>!</p>\
         <p begin='5s' end='6s'> <span> </span> </p>\
         </div></body>",
    ));
    let expected = [
        (1_000, 2_000, "a b\nc <i><b>d</b></i> &lt;e&gt;"),
        (2_000, 3_000, " a  b "),
        (3_000, 4_000, "<i>x</i>y<i><u>z</u></i>"),
        (4_000, 5_000, "<ruby>B<rt>T</rt></ruby>!"),
    ];
    assert_eq!(told(&document.cues), expected);
}

#[test]
fn what_cannot_be_carried_is_refused() {
    let image = "xmlns:smpte='http://www.smpte-ra.org/schemas/2052-1/2013/smpte-tt'";
    let profile = "http://www.w3.org/ns/ttml/profile/imsc1";
    let deep = format!("{}{}", "<div>".repeat(60), "</div>".repeat(60));
    let many = format!("<body>{}</body>", "<div/>".repeat(200_001));
    let attributes: String = (0..129).map(|index| format!(" a{index}=''")).collect();
    let head = format!("<head><styling><style tts:a='{}'/></styling></head>", "x".repeat(300_000));
    let malformed = TtmlError::Malformed { line: 1 };
    let cases = [
        (String::new(), malformed.clone()),
        ("<a>\n<b>\n</a>".to_owned(), TtmlError::Malformed { line: 3 }),
        (tt("", "&x;"), malformed.clone()),
        (tt("", "<body>&#1;</body>"), malformed.clone()),
        (tt("", "<body a='&#x1F;'/>"), malformed.clone()),
        (tt("", "<bo,dy/>"), malformed.clone()),
        (tt("", "<q:body/>"), malformed.clone()),
        (format!("{0}{0}", tt("", "")), malformed),
        (format!("<!DOCTYPE tt [<!ENTITY a 'b'>]>{}", tt("", "")), TtmlError::HasDtd),
        ("<html/>".to_owned(), TtmlError::NotTtml("html".to_owned())),
        (
            "<tt xmlns='http://www.w3.org/2006/10/ttaf1'/>".to_owned(),
            TtmlError::NotTtml("tt".to_owned()),
        ),
        (tt("ttp:timeBase='clock'", ""), TtmlError::TimeBase("clock".to_owned())),
        (tt(image, "<body><div smpte:backgroundImage='a'/></body>"), TtmlError::Images),
        (tt("", "<body><div><image src='a'/></div></body>"), TtmlError::Images),
        (tt(&format!("ttp:profile='{profile}/image'"), ""), TtmlError::Images),
        (tt("", &format!("<head><ttp:profile use='{profile}/image'/></head>")), TtmlError::Images),
        (tt("", &deep), TtmlError::TooLarge("levels of elements")),
        (tt("", &many), TtmlError::TooLarge("elements")),
        (tt(&attributes, ""), TtmlError::TooLarge("attributes of one element")),
        (tt("", &head), TtmlError::TooLarge("styles and regions")),
    ];
    for (text, expected) in cases {
        let short: String = text.chars().take(300).collect();
        assert_eq!(read(text.as_bytes(), Ids::Kept).err(), Some(expected), "{short}");
    }
    assert_eq!(read(b"<tt>\xFF</tt>", Ids::Kept).err(), Some(TtmlError::NotUtf8));
    assert!(read(format!("\u{FEFF}{}", tt("", "")).as_bytes(), Ids::Kept).is_ok());
}

#[test]
fn elements_without_readable_times_are_left_out() {
    let body = "<body><div><p begin='x' end='2s'>a</p><p begin='1s' end='2s'>b<span dur='?'>c</span></p></div></body>";
    let document = whole(&tt("", body));
    assert_eq!((document.broken, document.first_broken.as_deref()), (2, Some("x 2s")));
    assert_eq!(told(&document.cues), [(1_000, 2_000, "b")]);
}

#[test]
fn names_of_joined_documents_do_not_meet() {
    let with = |color: &str| {
        let inner = format!(
            "<head><styling><style xml:id='s' tts:color='{color}'/></styling><layout>\
             <region xml:id='r' style='s'/></layout></head>\
             <body><div><p xml:id='p' region='r' style='s s'>{color}</p></div></body>"
        );
        read(tt("", &inner).as_bytes(), Ids::Joined).unwrap()
    };
    let (red, blue) = (with("red"), with("blue"));
    assert_eq!(red.head, with("red").head);
    let heads = vec![red.head, blue.head];
    let bodies = vec![red.body, TtmlBody { head: 1, attributes: " a=\"b\"".into(), ..blue.body }];
    let text = TtmlText { root: red.root, heads, bodies };
    let joined = document_of(&text, 0, 1);
    let names = |name: &str| {
        let before = format!(" {name}=\"");
        let parts = joined.split(&before).skip(1);
        parts.map(|part| part.split('"').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let ids = names("xml:id");
    assert_eq!(ids.len(), 4, "styles and regions have names, paragraphs none: {joined}");
    let styles = names("style");
    assert_eq!(
        styles,
        [&ids[0], &ids[1], &format!("{0} {0}", ids[0]), &format!("{0} {0}", ids[1])]
            .map(String::from)
    );
    assert!(ids.iter().all(|id| ids.iter().filter(|other| *other == id).count() == 1), "{ids:?}");
    assert_eq!(names("region"), [ids[2].clone(), ids[3].clone()]);
    assert!(
        joined.contains("<body><div><div><p") && joined.contains("<div a=\"b\"><div><p"),
        "{joined}"
    );
    let read_again = whole(&joined);
    assert_eq!(read_again.cues.len(), 2);
}

#[test]
fn a_paragraph_with_many_changes_does_not_grow_without_bound() {
    let spans: String =
        (0..3_000).map(|index| format!("<span begin='{index}s'>{index}</span>")).collect();
    let text = tt("", &format!("<body><div><p>{spans}</p></div></body>"));
    let document = whole(&text);
    let bytes: usize = document.cues.iter().map(|cue| cue.payload.len()).sum();
    assert!(bytes < 20 * text.len(), "{bytes} bytes of {}", text.len());
}

/// A tree of elements with times of all kinds.
fn content() -> impl Strategy<Value = String> {
    let times = || {
        let one = |name: &'static str| {
            proptest::option::of(0_u32..12)
                .prop_map(move |t| t.map_or(String::new(), |t| format!(" {name}='{t}s'")))
        };
        let sequence =
            prop::bool::weighted(0.2).prop_map(|is| if is { " timeContainer='seq'" } else { "" });
        (one("begin"), one("end"), one("dur"), sequence).prop_map(|(a, b, c, d)| a + &b + &c + d)
    };
    let span =
        (times(), "[a-z]{1,3}").prop_map(|(times, text)| format!("<span{times}>{text}</span>"));
    let nested = (times(), prop::collection::vec(prop_oneof![span, "[A-Z]"], 0..4))
        .prop_map(|(times, parts)| format!("<span{times}>{}</span>", parts.concat()));
    let paragraph = (times(), prop::collection::vec(prop_oneof![nested, "[0-9]"], 0..4))
        .prop_map(|(times, parts)| format!("<p{times}>{}</p>", parts.concat()));
    let division = (times(), prop::collection::vec(paragraph, 0..4))
        .prop_map(|(times, parts)| format!("<div{times}>{}</div>", parts.concat()));
    (times(), prop::collection::vec(division, 0..4))
        .prop_map(|(times, parts)| tt("", &format!("<body{times}>{}</body>", parts.concat())))
}

proptest! {
    /// A document that is cut shows during its time what the whole shows, whatever it counts from.
    #[test]
    fn cutting_changes_nothing_that_is_shown(
        text in content(), from in 0_i64..14, length in 1_i64..6, by in 0_i64..200_000, back in any::<bool>(),
    ) {
        let mut document = whole(&text);
        let by = Ticks(by);
        shift(&mut document.head, &mut document.body, by);
        for cue in &mut document.cues {
            cue.start = cue.start.plus(by);
            cue.end = cue.end.plus(by);
        }
        let (from, to) = (Ticks(from * SECOND).plus(by), Ticks((from + length) * SECOND).plus(by));
        // Nothing may count from behind the start of what is cut.
        let origin = if back { from } else { Ticks::ZERO };
        let cut = super::document(&text_of(&document), from, to, origin);
        let mut again = read(&cut, Ids::Kept).unwrap();
        for cue in &mut again.cues {
            cue.start = cue.start.plus(origin);
            cue.end = cue.end.plus(origin);
        }
        prop_assert_eq!(shown(&again.cues, from, to), shown(&document.cues, from, to), "{}", String::from_utf8_lossy(&cut));
    }

    #[test]
    fn any_markup_is_survived(text in "[<>/a-p:='\"&;!?\\[\\]-]{0,60}") {
        let _ = read(text.as_bytes(), Ids::Kept);
        let _ = read(tt("", &text).as_bytes(), Ids::Joined);
        let _ = read(tt("", &format!("<body><div><p begin='{text}'>{text}</p></div></body>")).as_bytes(), Ids::Kept);
    }
}
