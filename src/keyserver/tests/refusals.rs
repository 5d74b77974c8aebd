//! Requests that a strict provider refuses, with the words of the standard.

use super::examples::SHARED;
use super::*;

async fn refused(version: Option<&str>, document: &str) -> (u16, String) {
    let answer = server().ask(version, document).await;
    assert!(answer.headers.get("content-type").is_none_or(|t| t != "application/xml"));
    (answer.status.as_u16(), answer.text().trim().to_owned())
}

/// `SHARED` without something, and what is said of it.
async fn without(part: &str, instead: &str, said: &str) {
    let document = SHARED.replace(part, instead);
    assert_ne!(document, SHARED, "{part} is not there");
    let (status, text) = refused(Some("2.0"), &document).await;
    assert_eq!(status, 422, "{text}");
    assert!(text.starts_with(said), "{text}\nand not\n{said}");
}

#[tokio::test]
async fn versions_are_checked() {
    for version in ["3.0", "2", "v2.0", ""] {
        let expected = (422, "Unsupported SPEKE version".to_owned());
        assert_eq!(refused(Some(version), SHARED).await, expected, "{version}");
    }
    without(" version=\"2.3\"", "", "Missing CPIX@version").await;
    for version in ["2.4", "4.0", ""] {
        let instead = format!(" version=\"{version}\"");
        without(" version=\"2.3\"", &instead, "Unsupported CPIX@version").await;
    }
    assert_eq!(refused(Some("2.1"), SHARED).await.1, "Unsupported CPIX@version");
    // SPEKE 1.0 has another attribute for the content.
    assert_eq!(refused(None, SHARED).await, (422, "Missing CPIX@id".to_owned()));
}

#[tokio::test]
async fn mandatory_parts_are_missed() {
    without(" contentId=\"asset-1\"", "", "Missing CPIX@contentId").await;
    without(" contentId=\"asset-1\"", " contentId=\" \"", "Missing CPIX@contentId").await;
    let scheme = " commonEncryptionScheme=\"cbcs\"";
    let said = format!("Missing ContentKey@commonEncryptionScheme for KID {KID}");
    without(scheme, "", &said).await;
    let kid = format!(" kid=\"{KID}\"");
    for (element, said) in [
        ("ContentKey", "Missing ContentKey@kid"),
        ("DRMSystem", "Missing DRMSystem@kid"),
        ("ContentKeyUsageRule", "Malformed encryption contract: Missing ContentKeyUsageRule@kid"),
    ] {
        let start = format!("<cpix:{element}");
        without(&format!("{start}{kid}"), &start, said).await;
    }
    let system = " systemId=\"94ce86fb-07ff-4f43-adb8-93d2fa968ca2\"";
    without(system, "", "Missing DRMSystem@systemId").await;
    let said = "Malformed encryption contract: a rule has no intendedTrackType";
    without(" intendedTrackType=\"ALL\"", "", said).await;
    for (list, said) in [
        ("ContentKeyList", "Missing CPIX/ContentKeyList"),
        ("DRMSystemList", "Missing CPIX/DRMSystemList"),
        ("ContentKeyUsageRuleList", "Missing CPIX encryption contract"),
    ] {
        let (start, end) = (format!("<cpix:{list}>"), format!("</cpix:{list}>"));
        let (from, to) = (SHARED.find(&start).unwrap(), SHARED.find(&end).unwrap() + end.len());
        without(&SHARED[from..to], "", said).await;
        without(&SHARED[from..to], &format!("<cpix:{list}/>"), said).await;
    }
}

#[tokio::test]
async fn schemes_must_fit_the_systems_and_each_other() {
    let fairplay = "ContentKey@commonEncryptionScheme non compatible with DRMSystem \
                    94ce86fb-07ff-4f43-adb8-93d2fa968ca2";
    without("\"cbcs\"", "\"cenc\"", fairplay).await;
    let widevine = "ContentKey@commonEncryptionScheme non compatible with DRMSystem \
                    edef8ba9-79d6-4ace-a3c8-27dcd51d21ed";
    for scheme in ["\"cbc1\"", "\"cens\""] {
        without("\"cbcs\"", scheme, widevine).await;
    }
    let combination = "Non compliant ContentKey@commonEncryptionScheme combination";
    for scheme in ["\"CBCS\"", "\"SAMPLE-AES\""] {
        without("\"cbcs\"", scheme, combination).await;
    }
    let second = "<cpix:ContentKey kid=\"11111111-89ab-cdef-0123-456789abcdef\" \
                  commonEncryptionScheme=\"cenc\"/></cpix:ContentKeyList>";
    without("</cpix:ContentKeyList>", second, combination).await;
    // SPEKE 2.1 knows the names of HLS methods.
    let newer = SHARED.replace("\"2.3\"", "\"2.4\"").replace("\"cbcs\"", "\"AES-128\"");
    assert_eq!(refused(Some("2.1"), &newer).await.1, widevine);
}

#[tokio::test]
async fn systems_and_keys_must_be_known_and_unique() {
    let fairplay = "94ce86fb-07ff-4f43-adb8-93d2fa968ca2";
    without(fairplay, "94ce86fb-07ff-4f43-adb8-93d2fa968ca3", "DRMSystem@systemId: ").await;
    // That of SPEKE 1.0.
    without(fairplay, "81376844-f976-481e-a84e-cc25d39b0b33", "DRMSystem@systemId: ").await;
    without(fairplay, "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed", "DRMSystem: Widevine").await;
    let system = format!("<cpix:DRMSystem kid=\"{KID}\" systemId=\"{fairplay}\"");
    let instead = system.replace(KID, "11111111-89ab-cdef-0123-456789abcdef");
    without(&system, &instead, "DRMSystem@kid: ").await;
    without(KID, "0123456789abcdef0123456789abcdef", "ContentKey@kid: ").await;
    let twice = format!(
        "<cpix:ContentKey kid=\"{KID}\" commonEncryptionScheme=\"cbcs\"/></cpix:ContentKeyList>"
    );
    without("</cpix:ContentKeyList>", &twice, "ContentKey@kid: ").await;
    for iv in ["EBES", "****************", ""] {
        without("EBESExQVFhcYGRobHB0eHw==", iv, "ContentKey@explicitIV: ").await;
    }
    without("playlist=\"media\"", "playlist=\"x\"", "HLSSignalingData@playlist: ").await;
}

#[tokio::test]
async fn shared_contracts_have_one_bare_filter_of_each_kind() {
    let malformed = "Malformed encryption contract: ";
    without("<cpix:VideoFilter/>", "", malformed).await;
    without("<cpix:AudioFilter/>", "", malformed).await;
    without("<cpix:VideoFilter/>", "<cpix:VideoFilter/><cpix:VideoFilter/>", malformed).await;
    without("<cpix:VideoFilter/>", "<cpix:VideoFilter maxPixels=\"5\"/>", malformed).await;
    without("<cpix:VideoFilter/>", "<cpix:VideoFilter hdr=\"true\"/>", malformed).await;
    without("<cpix:VideoFilter/>", "<cpix:BitrateFilter/>", malformed).await;
    let unknown_period = "<cpix:KeyPeriodFilter periodId=\"p\"/><cpix:VideoFilter/>";
    without("<cpix:VideoFilter/>", unknown_period, malformed).await;
    let rule = |kind: &str, filter: &str| {
        format!(
            "<cpix:ContentKeyUsageRule kid=\"{KID}\" intendedTrackType=\"{kind}\">{filter}\
             </cpix:ContentKeyUsageRule></cpix:ContentKeyUsageRuleList>"
        )
    };
    let end = "</cpix:ContentKeyUsageRuleList>";
    without(end, &rule("SD", "<cpix:VideoFilter maxPixels=\"589824\"/>"), malformed).await;
    without(end, &rule("ALL", "<cpix:VideoFilter/><cpix:AudioFilter/>"), malformed).await;
    let not_supported = "Requested CPIX encryption contract not supported: ";
    without("\"ALL\"", "\"EVERYTHING\"", not_supported).await;
    without("\"ALL\"", "\"VIDEO\"", malformed).await;
}

const SD: &str = "SD|maxPixels=\"589824\"";
const HD: &str = "HD|minPixels=\"589825\"";
const HD_TO_UHD: &str = "HD|minPixels=\"589825\" maxPixels=\"2073600\"";
const UHD: &str = "UHD|minPixels=\"2073601\"";
const STEREO: &str = "STEREO_AUDIO|maxChannels=\"2\"";
const MULTICHANNEL: &str = "MULTICHANNEL_AUDIO|minChannels=\"3\"";

/// A request with one key for each rule, `TYPE|attributes|attributes`: one filter for each.
fn contract(rules: &[&str]) -> String {
    let kid = |index: usize| format!("01234567-89ab-cdef-0123-45678900000{index}");
    let mut parts = [String::new(), String::new(), String::new()];
    for (index, rule) in rules.iter().enumerate() {
        let kid = kid(index);
        parts[0] += &format!("<ContentKey kid=\"{kid}\" commonEncryptionScheme=\"cenc\"/>");
        parts[1] += &format!(
            "<DRMSystem kid=\"{kid}\" systemId=\"edef8ba9-79d6-4ace-a3c8-27dcd51d21ed\">\
             <PSSH/></DRMSystem>"
        );
        let mut texts = rule.split('|');
        let kind = texts.next().unwrap();
        let filter = if kind.contains("AUDIO") { "AudioFilter" } else { "VideoFilter" };
        let filters: String = texts.map(|text| format!("<{filter} {text}/>")).collect();
        parts[2] += &format!(
            "<ContentKeyUsageRule kid=\"{kid}\" intendedTrackType=\"{kind}\">{filters}\
             </ContentKeyUsageRule>"
        );
    }
    let [keys, systems, rules] = parts;
    format!(
        "<CPIX contentId=\"asset-1\" version=\"2.3\" xmlns=\"urn:dashif:org:cpix\">\
         <ContentKeyList>{keys}</ContentKeyList><DRMSystemList>{systems}</DRMSystemList>\
         <ContentKeyUsageRuleList>{rules}</ContentKeyUsageRuleList></CPIX>"
    )
}

#[tokio::test]
async fn contracts_of_presets_are_answered_with_a_key_each() {
    let joined = [
        "SD+HD1|maxPixels=\"921600\"",
        "SD+HD1|maxPixels=\"589824\"|minPixels=\"589825\" maxPixels=\"921600\"",
    ];
    for rules in [
        &[SD, HD_TO_UHD, UHD, STEREO, MULTICHANNEL][..],
        // AWS's suite leaves the end of HD open.
        &[SD, HD, UHD],
        &[SD, HD],
        &["VIDEO|", "AUDIO|"],
        &["AUDIO|"],
        &[joined[0], "HD2|minPixels=\"921601\" maxPixels=\"2073600\"", UHD],
        &[joined[1], "HD2|minPixels=\"921601\" maxPixels=\"2073600\"", UHD],
    ] {
        let document = server().document(Some("2.0"), &contract(rules)).await;
        let keys = document.child(CPIX, "ContentKeyList").unwrap();
        let values: std::collections::BTreeSet<_> = keys.children().map(plain_value).collect();
        assert_eq!(values.len(), rules.len());
        let rules_back = document.child(CPIX, "ContentKeyUsageRuleList").unwrap();
        assert_eq!(rules_back.children().count(), rules.len());
    }
}

#[tokio::test]
async fn contracts_that_fit_no_preset_are_refused() {
    let malformed = "Malformed encryption contract: ";
    for (rules, said) in [
        (&[SD, SD, HD][..], "Malformed encryption contract: intendedTrackType SD stands"),
        (&[SD, UHD], "Requested CPIX encryption contract not supported: SD, UHD"),
        (&[STEREO], "Requested CPIX encryption contract not supported: STEREO_AUDIO"),
        (&["SD+HD|maxPixels=\"5\""], "Requested CPIX encryption contract not supported: "),
        (&["VIDEO|maxPixels=\"9\""], malformed),
        (&["VIDEO"], malformed),
        (&["SD|maxPixels=\"589825\"", HD], malformed),
        (&[SD, "HD|minPixels=\"589824\""], malformed),
        (&[SD, "HD|minPixels=\"x\""], malformed),
        (&[SD, "HD|minPixels=\"589825\" maxPixels=\"589824\""], malformed),
        (&[SD, "HD|minPixels=\"589825\" maxPixels=\"600000\""], malformed),
        (&["SD|maxPixels=\"589824\"|maxPixels=\"589824\"", HD], malformed),
    ] {
        let (status, text) = refused(Some("2.0"), &contract(rules)).await;
        assert_eq!(status, 422, "{text}");
        assert!(text.starts_with(said), "{rules:?}: {text}");
    }
    let wrong_kind = contract(&["VIDEO|"]).replace("VideoFilter", "AudioFilter");
    assert!(refused(Some("2.0"), &wrong_kind).await.1.starts_with(malformed));
    let unruled = contract(&[SD, HD]).replace("000001\" intended", "000000\" intended");
    assert!(refused(Some("2.0"), &unruled).await.1.contains("no rule uses the key"));
}

#[tokio::test]
async fn bodies_are_checked_before_anything_else() {
    assert_eq!(refused(Some("2.0"), "").await, (400, "the body is empty".to_owned()));
    assert_eq!(refused(Some("2.0"), "<cpix:CPIX").await.0, 400);
    let other = SHARED.replace("urn:dashif:org:cpix", "urn:dashif:org:cpixx");
    assert_eq!(refused(Some("2.0"), &other).await.0, 422);
    let bomb = format!("<!DOCTYPE x [<!ENTITY a \"b\">]>{SHARED}");
    assert_eq!(
        refused(Some("2.0"), &bomb.replacen("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", "", 1))
            .await
            .0,
        400
    );
    assert_eq!(refused(Some("2.0"), &" ".repeat(1024 * 1024 + 1)).await.0, 413);
    let answer = server().call(Method::POST, "/speke", SHARED).await;
    assert_eq!(answer.status, 415);
}

#[tokio::test]
async fn without_a_host_there_are_no_urls() {
    let request = Request::builder()
        .method(Method::POST)
        .uri("/speke")
        .header("content-type", "application/xml")
        .header("x-speke-version", "2.0");
    let request = request.body(Body::from(SHARED)).unwrap();
    assert_eq!(server().send(request).await.status, 400);
}
