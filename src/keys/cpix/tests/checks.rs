//! Each check of an answer, by a document that is wrong in that one thing; and what is forgiven.

use super::super::error::{DocumentFault, KeyFault, SystemFault};
use super::*;
use crate::keys::hls_line::KeyLineError;
use crate::keys::playready::{PlayReadyError, playready_object};
use crate::keys::pssh::{PsshError, system};
use crate::keys::signalling::{SignallingError, own_signalling};
use crate::keys::widevine::{WidevineData, WidevineError};
use crate::model::protection::ContentKey;
use zeroize::Zeroizing;

const OTHER: &str = "99999999-89ab-cdef-0123-456789abcdef";
const PLAIN: &str = "<pskc:PlainValue>ABEiM0RVZneImaq7zN3u/w==</pskc:PlainValue>";
const EXPLICIT_IV: &str = " explicitIV=\"EBESExQVFhcYGRobHB0eHw==\"";

/// The 2.0 answer with something else in place of `from`, which it must have.
fn with(from: &str, to: &str) -> String {
    assert!(RESPONSE_2.contains(from), "{from}");
    RESPONSE_2.replace(from, to)
}

/// `document` with other text in an element of a system; `tag` is all between the angle brackets.
fn with_text(document: &str, drm: DrmSystem, tag: &str, text: &str) -> String {
    let system = document.find(&format!("systemId=\"{}\"", drm.system_id())).unwrap();
    let start = document[system..].find(&format!("<{tag}>")).unwrap() + system + tag.len() + 2;
    let end = document[start..].find("</").unwrap() + start;
    format!("{}{text}{}", &document[..start], &document[end..])
}

/// The 2.0 answer with other bytes (base64) in an element of a system.
fn with_bytes(drm: DrmSystem, tag: &str, bytes: impl AsRef<[u8]>) -> String {
    with_text(RESPONSE_2, drm, tag, &STANDARD.encode(bytes))
}

fn without_protection_data(document: &str, drm: DrmSystem) -> String {
    with_text(document, drm, CPD, " ")
}

const PSSH: &str = "cpix:PSSH";
const CPD: &str = "cpix:ContentProtectionData";
const MEDIA: &str = "cpix:HLSSignalingData playlist=\"media\"";
const MASTER: &str = "cpix:HLSSignalingData playlist=\"master\"";
const SMOOTH: &str = "cpix:SmoothStreamingProtectionHeaderData";

fn error(document: &str) -> ResponseError {
    read(document, &request(SpekeVersion::V2)).unwrap_err()
}

fn key_fault(document: &str) -> KeyFault {
    match error(document) {
        ResponseError::Key { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

fn system_fault(document: &str) -> (DrmSystem, SystemFault) {
    match error(document) {
        ResponseError::System { key_id, system, fault } => {
            assert_eq!(key_id, KEY_ID);
            (system, fault)
        }
        other => panic!("{other}"),
    }
}

#[test]
fn documents_of_another_kind_are_named() {
    let many = format!("{}{}", "<a>".repeat(40), "</a>".repeat(40));
    let list = with("cpix:ContentKeyList", "cpix:OtherList");
    for (document, expected) in [
        ("", DocumentFault::NotXml),
        ("<html><body>Sign in</html>", DocumentFault::NotXml),
        ("<html/>", DocumentFault::NotCpix),
        ("<CPIX/>", DocumentFault::NotCpix),
        (&many, DocumentFault::TooLarge),
        (&with("contentId=\"asset-1\"", "contentId=\"asset-2\""), DocumentFault::OtherContentId),
        (&format!("<!DOCTYPE a>{RESPONSE_2}"), DocumentFault::NotXml),
        (&RESPONSE_2[..RESPONSE_2.len() / 2], DocumentFault::NotXml),
        (
            &with("ContentKey kid=\"0123", "ContentKey kid=\"x123"),
            DocumentFault::MalformedKeyId { element: "ContentKey" },
        ),
        (&list, DocumentFault::NoKeys),
    ] {
        assert_eq!(error(document), ResponseError::Document(expected), "{document}");
    }
    let latin = [RESPONSE_2.as_bytes(), b"<!-- \xE9 -->"].concat();
    assert_eq!(
        read_response(&latin, &request(SpekeVersion::V2), None).unwrap_err(),
        ResponseError::Document(DocumentFault::NotXml)
    );
}

#[test]
fn keys_that_cannot_be_used_are_refused() {
    let value = |value: &str| with(PLAIN, &format!("<pskc:PlainValue>{value}</pskc:PlainValue>"));
    let iv = |iv: &str| with(EXPLICIT_IV, &format!(" explicitIV=\"{iv}\""));
    for (document, expected) in [
        (with(PLAIN, ""), KeyFault::NoValue),
        (value(" \n "), KeyFault::NoValue),
        (value("%%%"), KeyFault::NotBase64),
        (value("ABEiM0RVZneImaq7zN3u"), KeyFault::Length { bytes: 15 }),
        (iv("EBESExQVFhc="), KeyFault::MalformedIv),
        (iv("*"), KeyFault::MalformedIv),
        (iv("ABEiM0RVZneImaq7zN3u/w=="), KeyFault::IvIsKey),
        (with("Scheme=\"cbcs\"", "Scheme=\"cenc\""), KeyFault::ChangedScheme),
    ] {
        assert_eq!(key_fault(&document), expected);
    }
    let sealed = KeyRequest { recipient_certificate: Some(vec![1]), ..request(SpekeVersion::V2) };
    let error = read(RESPONSE_2, &sealed).unwrap_err();
    assert!(matches!(error, ResponseError::Key { fault: KeyFault::NotEncrypted, .. }));
}

#[test]
fn an_iv_in_a_line_must_be_the_keys_iv() {
    let line = |iv: &str| {
        let text = format!("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://a\",IV=0x{iv}");
        with_bytes(DrmSystem::FairPlay, MEDIA, text)
            .replace("playlist=\"master\"", "playlist=\"none\"")
            .replace(EXPLICIT_IV, "")
    };
    let set = read(&line("22"), &request(SpekeVersion::V2)).unwrap();
    assert_eq!(set.keys[0].key.iv, Some(0x22u128.to_be_bytes()), "more than what we asked for");
    let key = hex::encode(SECRET);
    assert_eq!(key_fault(&line(&key)), KeyFault::IvIsKey);
    let text = "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://a\",IV=0x22";
    let document = with_bytes(DrmSystem::FairPlay, MEDIA, text);
    let both = document.replace("playlist=\"master\"", "playlist=\"x\"");
    assert_eq!(system_fault(&both), (DrmSystem::FairPlay, SystemFault::IvDiffers));
}

#[test]
fn the_answers_iv_wins_and_ours_stands_in() {
    let other = with(EXPLICIT_IV, " explicitIV=\"AAAAAAAAAAAAAAAAAAAAAQ==\"");
    let asked = request(SpekeVersion::V2);
    let iv = |document: &str, asked: &KeyRequest| read(document, asked).unwrap().keys[0].key.iv;
    assert_eq!(iv(&other, &asked), Some(1u128.to_be_bytes()));
    let none = with(EXPLICIT_IV, "");
    assert_eq!(iv(&none, &asked), Some(IV));
    let mut unasked = asked.clone();
    unasked.keys[0].iv = None;
    assert_eq!(iv(&none, &unasked), Some(derived_iv(KEY_ID)));
}

#[test]
fn key_ids_change_everywhere_or_nowhere() {
    let everywhere = RESPONSE_1.replace(&KEY_ID.to_string(), OTHER);
    let set = |document: &str| {
        let mut asked = request(SpekeVersion::V1);
        asked.systems = vec![DrmSystem::FairPlay];
        read(document, &asked)
    };
    assert_eq!(set(&everywhere).unwrap().keys[0].key.id.to_string(), OTHER);

    let stray = |element| KeyFault::Stray { element };
    let id = KEY_ID.to_string();
    let key = with(&format!("ContentKey kid=\"{id}"), &format!("ContentKey kid=\"{OTHER}"));
    assert_eq!(key_fault(&key), stray("DRMSystem"));
    let system = with(&format!("DRMSystem kid=\"{id}"), &format!("DRMSystem kid=\"{OTHER}"));
    assert_eq!(key_fault(&system), stray("DRMSystem"));
    let rule = with(&format!("UsageRule kid=\"{id}"), &format!("UsageRule kid=\"{OTHER}"));
    assert_eq!(key_fault(&rule), stray("ContentKeyUsageRule"));
}

/// An answer with these keys, one usage rule each.
fn answer_of(keys: &[(&str, TrackType)]) -> String {
    let list = |write: &dyn Fn(&str, TrackType) -> String| -> String {
        keys.iter().map(|(id, track_type)| write(id, *track_type)).collect()
    };
    let entries = list(&|id, _| {
        format!(
            "<ContentKey kid='{id}'><Data><p:Secret><p:PlainValue>ABEiM0RVZneImaq7zN3u/w==\
             </p:PlainValue></p:Secret></Data></ContentKey>"
        )
    });
    let rules = list(&|id, track_type| {
        let name = track_type.as_str();
        format!("<ContentKeyUsageRule kid='{id}' intendedTrackType='{name}'/>")
    });
    format!(
        "<CPIX xmlns='urn:dashif:org:cpix' xmlns:p='urn:ietf:params:xml:ns:keyprov:pskc'>\
         <ContentKeyUsageRuleList>{rules}</ContentKeyUsageRuleList>\
         <ContentKeyList>{entries}</ContentKeyList></CPIX>"
    )
}

#[test]
fn rules_say_which_of_the_servers_keys_is_which() {
    use TrackType::{Audio, Video};
    let ids = [1u128, 2, 3, 4].map(|number| KeyId(number.to_be_bytes()).to_string());
    let [one, two, three, four] = [0, 1, 2, 3].map(|index| ids[index].as_str());
    let rules = KeyRule::of(&[Video, Audio]);
    let key = |rule, id: &str| RequestedKey { rule, id: KeyId::parse(id).unwrap(), iv: None };
    let asked = KeyRequest {
        keys: vec![key(rules[0], one), key(rules[1], two)],
        ..request(SpekeVersion::V2)
    };
    let ids = |document: &str| {
        let set = read(document, &asked)?;
        let ids = set.keys.iter().map(|entry| (entry.rule.track_type, entry.key.id.0[15]));
        Ok::<_, ResponseError>(ids.collect::<Vec<_>>())
    };
    let upper = answer_of(&[(one, Video), (two, Audio)]).to_uppercase();
    assert!(ids(&upper).is_err(), "names of elements have one case");
    assert_eq!(ids(&answer_of(&[(two, Audio), (one, Video)])), Ok(vec![(Video, 1), (Audio, 2)]));
    assert_eq!(ids(&answer_of(&[(four, Audio), (three, Video)])), Ok(vec![(Video, 3), (Audio, 4)]));
    let fault = |document: &str| match ids(document).unwrap_err() {
        ResponseError::Key { fault, .. } => fault,
        other => panic!("{other}"),
    };
    let swapped = fault(&answer_of(&[(two, Video), (one, Audio)]));
    let other = KeyId::parse(two).unwrap();
    assert_eq!(swapped, KeyFault::ChangedRule { track_type: Video, other });
    let also = answer_of(&[(one, Video), (two, Audio)]).replace(
        "</ContentKeyUsageRuleList>",
        &format!(
            "<ContentKeyUsageRule kid='{two}' intendedTrackType='VIDEO'/>\
             </ContentKeyUsageRuleList>"
        ),
    );
    assert_eq!(fault(&also), KeyFault::ChangedRule { track_type: Video, other });
    let missing = fault(&answer_of(&[(one, Video)]));
    assert_eq!(missing, KeyFault::Missing { track_type: Audio });
    let unruled = answer_of(&[(one, Video), (three, TrackType::Sd)]);
    assert_eq!(fault(&unruled), KeyFault::Missing { track_type: Audio });
    let twice = answer_of(&[(one, Video), (one, Audio)]);
    assert_eq!(fault(&twice), KeyFault::Repeated);
    let shared = answer_of(&[(one, Video)]).replace(
        "</ContentKeyUsageRuleList>",
        &format!(
            "<ContentKeyUsageRule kid='{one}' intendedTrackType='AUDIO'/>\
             </ContentKeyUsageRuleList>"
        ),
    );
    assert_eq!(fault(&shared), KeyFault::Shared);
}

#[test]
fn boxes_must_be_for_this_key_and_scheme() {
    use DrmSystem::{PlayReady, Widevine};
    let other = KeyId::parse(OTHER).unwrap();
    let widevine = |data: WidevineData| {
        let bytes = PsshBox::around(system::WIDEVINE, data.to_bytes()).to_bytes();
        without_protection_data(&with_bytes(Widevine, PSSH, bytes), Widevine)
    };
    let playready = |key_id, scheme| {
        let key = ContentKey::new(key_id, Zeroizing::new(SECRET), None);
        let object = playready_object(&key, scheme, None).unwrap();
        let bytes = PsshBox::around(system::PLAYREADY, object).to_bytes();
        without_protection_data(&with_bytes(PlayReady, PSSH, bytes), PlayReady)
    };
    let cut = without_protection_data(&with_bytes(Widevine, PSSH, [0, 0, 0, 9]), Widevine);
    let common = PsshBox::common(KEY_ID).to_bytes();
    let common = without_protection_data(&with_bytes(Widevine, PSSH, common), Widevine);
    let bad_data = PsshBox::around(system::WIDEVINE, vec![0x12, 1, 1]).to_bytes();
    let bad_data = without_protection_data(&with_bytes(Widevine, PSSH, bad_data), Widevine);
    let mut listed = PsshBox::around(system::WIDEVINE, Vec::new());
    (listed.version, listed.key_ids) = (1, vec![other]);
    let listed = without_protection_data(&with_bytes(Widevine, PSSH, listed.to_bytes()), Widevine);
    let text = without_protection_data(&with_text(RESPONSE_2, Widevine, PSSH, "?"), Widevine);
    let element = "PSSH";
    let (other_key, other_scheme) =
        (SystemFault::OtherKey { element }, SystemFault::OtherScheme { element });
    for (document, expected) in [
        (text, (Widevine, SystemFault::NotBase64 { element })),
        (cut, (Widevine, SystemFault::Pssh(PsshError::Truncated { offset: 0 }))),
        (common, (Widevine, SystemFault::OtherSystem)),
        (bad_data, (Widevine, SystemFault::Widevine(WidevineError::KeyIdLength { length: 1 }))),
        (listed, (Widevine, other_key)),
        (widevine(WidevineData::of(other, ProtectionScheme::Cbcs)), (Widevine, other_key)),
        (widevine(WidevineData::of(KEY_ID, ProtectionScheme::Cenc)), (Widevine, other_scheme)),
        (playready(other, ProtectionScheme::Cbcs), (PlayReady, other_key)),
        (playready(KEY_ID, ProtectionScheme::Cenc), (PlayReady, other_scheme)),
    ] {
        assert_eq!(system_fault(&document), expected);
    }
    // No key ID at all and no scheme leave the choice to the licence server.
    let open = widevine(WidevineData::default());
    let set = read(&open, &request(SpekeVersion::V2)).unwrap();
    assert_eq!(set.keys[0].signalling[0].pssh.as_ref().unwrap().len(), 32);
}

#[test]
fn playready_objects_are_checked_wherever_they_stand() {
    use DrmSystem::PlayReady;
    let key = ContentKey::new(KeyId::parse(OTHER).unwrap(), Zeroizing::new(SECRET), None);
    let object = playready_object(&key, ProtectionScheme::Cbcs, None).unwrap();
    let other = |element| (PlayReady, SystemFault::OtherKey { element });
    let document = with_bytes(PlayReady, SMOOTH, &object);
    assert_eq!(system_fault(&document), other("SmoothStreamingProtectionHeaderData"));
    let row =
        format!("<m:pro xmlns:m='urn:microsoft:playready'>{}</m:pro>", STANDARD.encode(&object));
    let document = with_text(&with_bytes(PlayReady, CPD, row), PlayReady, SMOOTH, "");
    assert_eq!(system_fault(&document), other("ContentProtectionData"));
    let document = with_bytes(PlayReady, SMOOTH, &object[..20]);
    let element = "SmoothStreamingProtectionHeaderData";
    let error = PlayReadyError::Truncated;
    assert_eq!(system_fault(&document), (PlayReady, SystemFault::PlayReady { element, error }));
    let header = STANDARD.encode(&object);
    let speke_1 = with_text(RESPONSE_1, PlayReady, "speke:ProtectionHeader", &header);
    let (system, fault) = other("ProtectionHeader");
    let expected = ResponseError::System { key_id: KEY_ID, system, fault };
    assert_eq!(read(&speke_1, &request(SpekeVersion::V1)).unwrap_err(), expected);
}

#[test]
fn protection_data_must_hold_the_same_box() {
    use DrmSystem::Widevine;
    let common = STANDARD.encode(PsshBox::common(KEY_ID).to_bytes());
    let row = |text: &str| format!("<c:pssh xmlns:c='urn:mpeg:cenc:2013'>{text}</c:pssh>");
    let differs = with_bytes(Widevine, CPD, row(&common));
    assert_eq!(system_fault(&differs), (Widevine, SystemFault::PsshDiffers));
    for broken in [
        "<a>",
        "<a xmlns='b'/></row><row>",
        "<!DOCTYPE a><a xmlns='b'/>",
        "<a xmlns='b' c='<'/>",
        "<a xmlns='b'>\u{1}</a>",
        "<a xmlns='b' c:d='1'/>",
    ] {
        let fault = system_fault(&with_bytes(Widevine, CPD, broken));
        assert_eq!(fault, (Widevine, SystemFault::MalformedContentProtection), "{broken}");
    }
    let element = "ContentProtectionData";
    let text = with_text(RESPONSE_2, Widevine, CPD, "?");
    assert_eq!(system_fault(&text), (Widevine, SystemFault::NotBase64 { element }));
}

/// Whoever chose the IV, and whichever key it belongs to.
#[test]
fn keys_that_everybody_can_read_are_refused() {
    let mut ours = request(SpekeVersion::V2);
    ours.keys[0].iv = Some(SECRET);
    let exposed = |by| KeyFault::Exposed { by };
    let fault = |result: Result<KeySet, ResponseError>| match result.unwrap_err() {
        ResponseError::Key { fault, .. } => fault,
        other => panic!("{other}"),
    };
    assert_eq!(fault(read(&with(EXPLICIT_IV, ""), &ours)), exposed(KEY_ID));
    let id = STANDARD.encode(KEY_ID.0);
    let document = with(PLAIN, &format!("<pskc:PlainValue>{id}</pskc:PlainValue>"));
    assert_eq!(key_fault(&document), exposed(KEY_ID));

    let [one, two] = [1u128, 2].map(|number| KeyId(number.to_be_bytes()));
    let rules = KeyRule::of(&[TrackType::Video, TrackType::Audio]);
    let key = |(rule, id): (&KeyRule, KeyId)| RequestedKey { rule: *rule, id, iv: None };
    let keys = rules.iter().zip([one, two]).map(key).collect();
    let asked = KeyRequest { keys, ..request(SpekeVersion::V2) };
    let both = [(&*one.to_string(), TrackType::Video), (&*two.to_string(), TrackType::Audio)];
    // The second key has another value, and the first has it as its IV.
    let document = answer_of(&both).replace(
        &format!("ContentKey kid='{one}'"),
        &format!("ContentKey kid='{one}' explicitIV='EBESExQVFhcYGRobHB0eHw=='"),
    );
    let at = document.rfind("ABEiM0RVZneImaq7zN3u/w==").unwrap();
    let document = format!("{}EBESExQVFhcYGRobHB0eHw=={}", &document[..at], &document[at + 24..]);
    assert_eq!(fault(read(&document, &asked)), exposed(one));
}

#[test]
fn a_box_without_an_end_gets_one() {
    use DrmSystem::Widevine;
    let data = WidevineData::of(KEY_ID, ProtectionScheme::Cbcs).to_bytes();
    let whole = PsshBox::around(system::WIDEVINE, data).to_bytes();
    let mut endless = whole.clone();
    endless[..4].fill(0);
    let document = without_protection_data(&with_bytes(Widevine, PSSH, endless), Widevine);
    let set = read(&document, &request(SpekeVersion::V2)).unwrap();
    assert_eq!(set.keys[0].signalling[0].pssh.as_ref(), Some(&whole));
}

/// The first box fits; players may take the second.
#[test]
fn every_box_and_object_must_name_the_key() {
    use DrmSystem::{PlayReady, Widevine};
    let other = KeyId::parse(OTHER).unwrap();
    let data = |id| WidevineData::of(id, ProtectionScheme::Cbcs).to_bytes();
    let encoded = |id| STANDARD.encode(PsshBox::around(system::WIDEVINE, data(id)).to_bytes());
    let tag = |text: &str| format!("<c:pssh xmlns:c='urn:mpeg:cenc:2013'>{text}</c:pssh>");
    let fault = |element| SystemFault::OtherKey { element };
    let two = tag(&encoded(KEY_ID)) + &tag(&encoded(other));
    let inside = tag(&encoded(KEY_ID)) + &format!("<a xmlns='b'>{}</a>", tag(&encoded(other)));
    for row in [two, inside] {
        let document = with_bytes(Widevine, CPD, row);
        assert_eq!(system_fault(&document), (Widevine, fault("ContentProtectionData")));
    }
    let key = ContentKey::new(other, Zeroizing::new(SECRET), None);
    let object = STANDARD.encode(playready_object(&key, ProtectionScheme::Cbcs, None).unwrap());
    // The bare object beside it is ours.
    let row = format!("<m:pro xmlns:m='urn:microsoft:playready'>{object}</m:pro>");
    let document = with_bytes(PlayReady, CPD, row);
    assert_eq!(system_fault(&document), (PlayReady, fault("ContentProtectionData")));

    let line = |head: &str, data: &str| {
        format!("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"data:{head};base64,{data}\"")
    };
    let widevine = with_bytes(Widevine, MEDIA, line("text/plain", &encoded(other)));
    assert_eq!(system_fault(&widevine), (Widevine, fault("HLSSignalingData")));
    let playready = with_bytes(PlayReady, MEDIA, line("text/plain;charset=UTF-16", &object));
    assert_eq!(system_fault(&playready), (PlayReady, fault("HLSSignalingData")));
}

/// What an MPD could not take over is written anew instead.
#[test]
fn protection_data_is_kept_only_if_it_can_stand_alone() {
    use DrmSystem::Widevine;
    let kept = |row: &str| {
        let set = read(&with_bytes(Widevine, CPD, row), &request(SpekeVersion::V2)).unwrap();
        set.keys[0].signalling[0].content_protection.clone()
    };
    assert_eq!(kept("<cenc:pssh>AAAA</cenc:pssh>"), None, "prefix without namespace");
    assert_eq!(kept("<a/>"), None, "no namespace at all");
    assert_eq!(kept("<a xmlns='b'><c xmlns=''/></a>"), None, "none inside");
    assert_eq!(kept("text"), None);
    assert_eq!(kept("<?p?><a xmlns='b'/>"), None, "an instruction");
    let of_mpd = "<a xmlns='b'/><BaseURL xmlns='urn:mpeg:dash:schema:mpd:2011'>//x</BaseURL>";
    assert_eq!(kept(of_mpd), None, "part of the MPD itself");
    let declared = "<?xml version='1.0'?>\n<a xmlns='b'/>";
    assert_eq!(kept(declared).as_deref(), Some("<a xmlns='b'/>"));
    let missing = without_protection_data(RESPONSE_2, Widevine);
    let set = read(&missing, &request(SpekeVersion::V2)).unwrap();
    assert_eq!(set.keys[0].signalling[0].content_protection, None);
}

#[test]
fn a_box_in_protection_data_alone_is_enough() {
    let document = with_text(RESPONSE_2, DrmSystem::Widevine, PSSH, "\n");
    let set = read(&document, &request(SpekeVersion::V2)).unwrap();
    let whole = read(RESPONSE_2, &request(SpekeVersion::V2)).unwrap();
    assert_eq!(set.keys[0].signalling[0], whole.keys[0].signalling[0]);
}

#[test]
fn playlist_lines_must_fit() {
    use DrmSystem::{FairPlay, Widevine};
    let fairplay = |line: &str| system_fault(&with_bytes(FairPlay, MEDIA, line)).1;
    let method = SystemFault::Method { expected: "SAMPLE-AES" };
    assert_eq!(fairplay("#EXT-X-KEY:METHOD=SAMPLE-AES-CTR,URI=\"skd://a\""), method);
    assert_eq!(fairplay("#EXT-X-KEY:METHOD=NONE,URI=\"skd://a\""), method);
    assert_eq!(
        fairplay("#EXT-X-KEY:METHOD=SAMPLE-AES"),
        SystemFault::Line(KeyLineError::Missing { name: "URI" })
    );
    let bare = "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"https://a\",KEYFORMAT=\"identity\"";
    assert_eq!(fairplay(bare), SystemFault::BareKey);
    assert_eq!(fairplay("nothing"), SystemFault::Line(KeyLineError::NoLine));
    let disagree = "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://a\",KEYFORMATVERSIONS=\"2\"";
    assert_eq!(fairplay(disagree), SystemFault::LinesDisagree);
    let element = "HLSSignalingData";
    let binary = with_bytes(FairPlay, MEDIA, [0xFF, 0xFE]);
    assert_eq!(system_fault(&binary), (FairPlay, SystemFault::NotBase64 { element }));
    let other = with_text(
        RESPONSE_2,
        Widevine,
        MEDIA,
        "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"data:,\",KEYID=0x99999999000000000000000000000000",
    );
    assert_eq!(system_fault(&other), (Widevine, SystemFault::OtherKey { element }));
}

#[test]
fn habits_of_real_servers_are_forgiven() {
    let whole = read(RESPONSE_2, &request(SpekeVersion::V2)).unwrap();
    let same = |document: &str| {
        let set = read(document, &request(SpekeVersion::V2)).unwrap();
        assert_eq!(set.keys[0].signalling, whole.keys[0].signalling, "{document}");
        assert_eq!(set.keys[0].key.expose(), &SECRET);
        assert_eq!(set.keys[0].key.id, KEY_ID);
    };
    same(&with("playlist=\"master\"", "playlist=\"multiVariant\""));
    same(&with(&KEY_ID.to_string(), &KEY_ID.to_string().to_uppercase()));
    same(&with(">AAAAOHBz", ">\n  AAAA\n  OHBz"));
    same(&with("cpix:", "x:").replace("xmlns:cpix", "xmlns:x"));
    same(&with("contentId=\"asset-1\" version=\"2.3\"", "id=\"whatever\""));
    same(&with("commonEncryptionScheme=\"cbcs\"", "commonEncryptionScheme=\"SAMPLE-AES\""));
    // One of the lines left empty: the other serves for both.
    let line = "#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,\
                URI=\"skd://keys.example/asset-1/01234567-89ab-cdef-0123-456789abcdef\",\
                KEYFORMAT=\"com.apple.streamingkeydelivery\",KEYFORMATVERSIONS=\"1\"";
    let plain = with_text(RESPONSE_2, DrmSystem::FairPlay, MASTER, line);
    same(&plain);
    same(&with_text(&plain, DrmSystem::FairPlay, MEDIA, "  "));
}

#[test]
fn systems_without_an_answer_are_made_here() {
    let start = RESPONSE_2.find("<cpix:DRMSystemList>").unwrap();
    let end = RESPONSE_2.find("<cpix:ContentKeyUsageRuleList>").unwrap();
    let document = format!("{}{}", &RESPONSE_2[..start], &RESPONSE_2[end..]);
    let mut asked = request(SpekeVersion::V2);
    asked.systems.push(DrmSystem::ClearKey);
    let set = read(&document, &asked).unwrap();
    let key = &set.keys[0].key;
    for (said, system) in set.keys[0].signalling.iter().zip(asked.systems.clone()) {
        let own = own_signalling(system, key, asked.scheme, "asset-1", None, None);
        assert_eq!(said, &own.unwrap());
    }
    asked.systems = vec![DrmSystem::PlainKey];
    let expected = SignallingError::NoUri { system: DrmSystem::PlainKey, key_id: KEY_ID };
    assert_eq!(
        read(&document, &asked).unwrap_err(),
        ResponseError::System {
            key_id: KEY_ID,
            system: DrmSystem::PlainKey,
            fault: SystemFault::Signalling(expected)
        }
    );
}

#[test]
fn cenc_keys_have_no_constant_iv() {
    let mut asked = request(SpekeVersion::V2);
    asked.scheme = ProtectionScheme::Cenc;
    asked.systems.clear();
    let document = with("Scheme=\"cbcs\"", "Scheme=\"cenc\"");
    assert_eq!(read(&document, &asked).unwrap().keys[0].key.iv, None);
}

#[test]
fn speke_1_uris_are_plain_or_base64_and_fit_into_playlists() {
    let uri = |uri: &str| {
        let start = RESPONSE_1.find("<cpix:URIExtXKey>").unwrap() + "<cpix:URIExtXKey>".len();
        let end = RESPONSE_1.find("</cpix:URIExtXKey>").unwrap();
        let document = format!("{}{uri}{}", &RESPONSE_1[..start], &RESPONSE_1[end..]);
        let set = read(&document, &request(SpekeVersion::V1))?;
        Ok::<_, ResponseError>(set.keys[0].signalling[2].hls_media[0].uri.clone())
    };
    assert_eq!(uri("skd://plain?a=1&amp;b").as_deref(), Ok("skd://plain?a=1&b"));
    assert_eq!(uri(&STANDARD.encode("skd://encoded")).as_deref(), Ok("skd://encoded"));
    let fault =
        |fault| Err(ResponseError::System { key_id: KEY_ID, system: DrmSystem::FairPlay, fault });
    let element = "URIExtXKey";
    assert_eq!(uri("no/base64!"), fault(SystemFault::NotBase64 { element }));
    assert_eq!(uri("skd://a&quot;b"), fault(SystemFault::Unquotable { element }));
    assert_eq!(uri("skd://a&#10;#EXTINF"), fault(SystemFault::Unquotable { element }));
}

/// What is shown to operators must not give away what the documents hold.
#[test]
fn errors_show_no_secrets() {
    let iv = with(EXPLICIT_IV, " explicitIV=\"ABEiM0RVZneImaq7zN3u/w==\"");
    let value = with(PLAIN, "<pskc:PlainValue>TOPSECRET</pskc:PlainValue>");
    for document in [iv, value, "<TOPSECRET/>".to_owned(), "TOPSECRET".to_owned()] {
        let error = error(&document);
        let shown = format!("{error} {error:?}");
        for secret in ["TOPSECRET", "ABEiM0RVZneImaq7zN3u", "00112233", "[0, 17, 34"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
