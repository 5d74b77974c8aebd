//! Answers to requests that are right.

use super::examples::{PLAYREADY_OBJECT, PLAYREADY_PSSH, SHARED, V1, V1_PERIODS, WIDEVINE_PSSH};
use super::*;
use crate::keyserver::document::SPEKE;

fn texts(system: &Element) -> Vec<(String, String)> {
    system.children().map(|child| (child.local().to_owned(), child.text())).collect()
}

fn pair(name: &str, text: impl Into<String>) -> (String, String) {
    (name.to_owned(), text.into())
}

#[tokio::test]
async fn speke_1_is_answered_as_the_example() {
    let answer = server().ask(None, V1).await;
    assert_eq!(answer.headers["speke-user-agent"], "packorigin-key-server/0.1.0");
    assert!(answer.headers.get("x-speke-version").is_none());
    let document = answer.document();
    assert_eq!(document.attribute("id"), Some("asset-1"));
    let content_key = member(&document, "ContentKeyList", 0);
    assert_eq!(content_key.attribute("kid"), Some(KID));
    assert_eq!(content_key.attribute("explicitIV"), Some("EBESExQVFhcYGRobHB0eHw=="));
    assert_eq!(plain_value(content_key), key().expose());
    let system = |index| member(&document, "DRMSystemList", index);
    assert_eq!(texts(system(0)), [pair("PSSH", WIDEVINE_PSSH)]);
    let expected = [pair("PSSH", PLAYREADY_PSSH), pair("ProtectionHeader", PLAYREADY_OBJECT)];
    assert_eq!(texts(system(1)), expected);
    let uri = system(2).child(CPIX, "URIExtXKey").unwrap();
    assert_eq!(decoded(uri), format!("skd://asset-1/{KID}"));
    let format = system(2).child(SPEKE, "KeyFormat").unwrap().text();
    assert_eq!(format, "Y29tLmFwcGxlLnN0cmVhbWluZ2tleWRlbGl2ZXJ5");
    assert_eq!(system(2).child(SPEKE, "KeyFormatVersions").unwrap().text(), "MQ==");
}

#[tokio::test]
async fn speke_1_guesses_the_scheme_that_it_is_not_told() {
    let widevine = |document: &Element| {
        let texts = texts(member(document, "DRMSystemList", 0));
        texts.into_iter().next().unwrap().1
    };
    let without_iv = V1.replace(" explicitIV=\"EBESExQVFhcYGRobHB0eHw==\"", "");
    let with_fairplay = server().document(Some("1.0"), &without_iv).await;
    assert_eq!(widevine(&with_fairplay), WIDEVINE_PSSH);
    // FairPlay's licence carries the IV, so there must be one.
    let iv = STANDARD.encode(key().iv.unwrap());
    let content_key = member(&with_fairplay, "ContentKeyList", 0);
    assert_eq!(content_key.attribute("explicitIV"), Some(iv.as_str()));

    let plain = "81376844-f976-481e-a84e-cc25d39b0b33";
    let only_plain = V1.replace("edef8ba9-79d6-4ace-a3c8-27dcd51d21ed", plain);
    let only_plain = without_systems(&only_plain, 1).replace("<cpix:PSSH/>", "<cpix:URIExtXKey/>");
    let document = server().document(None, &only_plain).await;
    let system = member(&document, "DRMSystemList", 0);
    let uri = format!("http://keys.test:81/keys/{KID}");
    assert_eq!(decoded(system.child(CPIX, "URIExtXKey").unwrap()), uri);

    let only_widevine = without_systems(&without_iv, 1);
    let document = server().document(None, &only_widevine).await;
    assert_eq!(
        widevine(&document),
        "AAAAOHBzc2gAAAAA7e+LqXnWSs6jyCfc1R0h7QAAABgSEAEjRWeJq83vASNFZ4mrze9I49yVmwY="
    );
    assert_eq!(member(&document, "ContentKeyList", 0).attribute("explicitIV"), None);
}

/// Leaves the first `count` systems.
fn without_systems(document: &str, count: usize) -> String {
    let end = document.find("</cpix:DRMSystemList>").unwrap();
    let last = document.match_indices("</cpix:DRMSystem>").nth(count - 1).unwrap().0;
    format!("{}</cpix:DRMSystem>{}", &document[..last], &document[end..])
}

#[tokio::test]
async fn periods_come_back_as_they_went() {
    let live = V1.replace("</cpix:CPIX>", &format!("{V1_PERIODS}</cpix:CPIX>"));
    let answer = server().ask(None, &live).await;
    let document = answer.document();
    assert_eq!(member(&document, "ContentKeyPeriodList", 0).attribute("index"), Some("7"));
    let rule = member(&document, "ContentKeyUsageRuleList", 0);
    let filter = rule.child(CPIX, "KeyPeriodFilter").unwrap();
    assert_eq!(filter.attribute("periodId"), Some("keyPeriod_7"));
}

#[tokio::test]
async fn speke_2_is_answered_as_the_example() {
    for (version, document) in
        [("2.0", SHARED.to_owned()), ("2.1", SHARED.replace("\"2.3\"", "\"2.4\""))]
    {
        let answer = server().ask(Some(version), &document).await;
        assert_eq!(answer.headers["x-speke-version"], version);
        assert_eq!(answer.headers["x-speke-user-agent"], "packorigin-key-server/0.1.0");
        let document = answer.document();
        assert_eq!(document.attribute("contentId"), Some("asset-1"));
        let content_key = member(&document, "ContentKeyList", 0);
        assert_eq!(content_key.attribute("commonEncryptionScheme"), Some("cbcs"));
        assert_eq!(content_key.attribute("explicitIV"), Some("EBESExQVFhcYGRobHB0eHw=="));
        assert_eq!(plain_value(content_key), key().expose());

        let pssh =
            |text: &str| format!("<cenc:pssh xmlns:cenc=\"urn:mpeg:cenc:2013\">{text}</cenc:pssh>");
        let widevine = member(&document, "DRMSystemList", 0);
        let attributes = format!(
            "METHOD=SAMPLE-AES,URI=\"data:text/plain;base64,{WIDEVINE_PSSH}\",\
             KEYFORMAT=\"urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed\",\
             KEYFORMATVERSIONS=\"1\",KEYID=0x0123456789abcdef0123456789abcdef"
        );
        let expected = [
            pair("PSSH", WIDEVINE_PSSH),
            pair("ContentProtectionData", STANDARD.encode(pssh(WIDEVINE_PSSH))),
            pair("HLSSignalingData", STANDARD.encode(format!("#EXT-X-KEY:{attributes}"))),
            pair("HLSSignalingData", STANDARD.encode(format!("#EXT-X-SESSION-KEY:{attributes}"))),
        ];
        assert_eq!(texts(widevine), expected);

        let playready = member(&document, "DRMSystemList", 1);
        let attributes = format!(
            "METHOD=SAMPLE-AES,URI=\"data:text/plain;charset=UTF-16;base64,{PLAYREADY_OBJECT}\",\
             KEYFORMAT=\"com.microsoft.playready\",KEYFORMATVERSIONS=\"1\""
        );
        let object = format!(
            "{}<mspr:pro xmlns:mspr=\"urn:microsoft:playready\">{PLAYREADY_OBJECT}</mspr:pro>",
            pssh(PLAYREADY_PSSH)
        );
        let expected = [
            pair("PSSH", PLAYREADY_PSSH),
            pair("ContentProtectionData", STANDARD.encode(object)),
            pair("HLSSignalingData", STANDARD.encode(format!("#EXT-X-KEY:{attributes}"))),
            pair("HLSSignalingData", STANDARD.encode(format!("#EXT-X-SESSION-KEY:{attributes}"))),
            pair("SmoothStreamingProtectionHeaderData", PLAYREADY_OBJECT),
        ];
        assert_eq!(texts(playready), expected);

        let fairplay = member(&document, "DRMSystemList", 2);
        assert_eq!(
            decoded(fairplay.children().next().unwrap()),
            format!(
                "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://asset-1/{KID}\",\
                 KEYFORMAT=\"com.apple.streamingkeydelivery\",KEYFORMATVERSIONS=\"1\""
            )
        );
        let rule = member(&document, "ContentKeyUsageRuleList", 0);
        assert_eq!(rule.attribute("intendedTrackType"), Some("ALL"));
        assert_eq!(rule.children().count(), 2);
    }
}

#[tokio::test]
async fn plain_keys_have_a_url_of_this_server_and_an_iv() {
    let plain = "3ea8778f-7742-4bf9-b18b-e834b2acbd47";
    let document = without_systems(SHARED, 1)
        .replace("edef8ba9-79d6-4ace-a3c8-27dcd51d21ed", plain)
        .replace("\"cbcs\" explicitIV=\"EBESExQVFhcYGRobHB0eHw==\"", "\"cbc1\"");
    let iv = hex::encode(key().iv.unwrap());
    for (base_url, shown) in
        [(None, "http://keys.test:81"), (Some("https://k.test/x/".to_owned()), "https://k.test/x")]
    {
        let server = Server(Settings { base_url, ..server().0 });
        let answer = server.document(Some("2.0"), &document).await;
        let system = member(&answer, "DRMSystemList", 0);
        // A plain key has neither box nor anything for an MPD.
        let lines: Vec<String> = system.children().map(decoded).collect();
        let attributes = format!(
            "METHOD=AES-128,URI=\"{shown}/keys/{KID}\",IV=0x{iv},KEYFORMAT=\"identity\",\
             KEYFORMATVERSIONS=\"1\""
        );
        let expected =
            [format!("#EXT-X-KEY:{attributes}"), format!("#EXT-X-SESSION-KEY:{attributes}")];
        assert_eq!(lines, expected);
    }
}

#[tokio::test]
async fn clear_key_tells_its_licence_url() {
    let document = without_systems(SHARED, 1)
        .replace("edef8ba9-79d6-4ace-a3c8-27dcd51d21ed", "E2719D58-A985-B3C9-781A-B030AF78D30E")
        .replace("cbcs", "cenc");
    let answer = server().document(Some("2.0"), &document).await;
    let system = member(&answer, "DRMSystemList", 0);
    let common = "AAAANHBzc2gBAAAAEHfv7MCyTQKs4zweUuL7SwAAAAEBI0VniavN7wEjRWeJq83vAAAAAA==";
    assert_eq!(system.child(CPIX, "PSSH").unwrap().text(), common);
    assert_eq!(
        decoded(system.child(CPIX, "ContentProtectionData").unwrap()),
        "<dashif:Laurl xmlns:dashif=\"https://dashif.org/CPS\">http://keys.test:81/clearkey\
         </dashif:Laurl>"
    );
}

#[tokio::test]
async fn the_same_question_has_the_same_answer_and_another_seed_another() {
    let first = server().ask(Some("2.0"), SHARED).await.body;
    assert_eq!(server().ask(Some("2.0"), SHARED).await.body, first);
    // Licence requests do not name the content, so it has no say.
    let renamed = SHARED.replace("asset-1", "asset-2");
    let renamed = server().document(Some("2.0"), &renamed).await;
    assert_eq!(plain_value(member(&renamed, "ContentKeyList", 0)), key().expose());
    let other = Server(Settings::new(Seed::new("other")));
    let other = other.document(Some("2.0"), SHARED).await;
    assert_ne!(plain_value(member(&other, "ContentKeyList", 0)), key().expose());
}

#[tokio::test]
async fn content_ids_cannot_break_out_of_their_place() {
    let document = SHARED.replace("\"asset-1\"", "\"a&quot;&#10;#EXTINF&lt;é\"");
    let answer = server().document(Some("2.0"), &document).await;
    assert_eq!(answer.attribute("contentId"), Some("a\"\n#EXTINF<é"));
    let line = decoded(member(&answer, "DRMSystemList", 2).children().next().unwrap());
    assert!(line.contains("URI=\"skd://a%22%0A%23EXTINF%3C%C3%A9/"), "{line}");
}

#[tokio::test]
async fn every_path_below_speke_takes_requests_and_heartbeats() {
    for path in ["/speke", "/speke/token", "/speke/v1.0/copyProtection"] {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header("host", "k")
            .header("content-type", "application/xml; charset=utf-8");
        let answer = server().send(request.body(Body::from(V1)).unwrap()).await;
        assert_eq!(answer.status, 200, "{path}");
    }
    for path in ["/speke/v1.0/heartbeat", "/heartbeat", "/healthz"] {
        assert_eq!(server().call(Method::GET, path, "").await.status, 200, "{path}");
    }
    assert_eq!(server().call(Method::GET, "/speke/x", "").await.status, 405);
    assert_eq!(server().call(Method::GET, "/x", "").await.status, 404);
}
