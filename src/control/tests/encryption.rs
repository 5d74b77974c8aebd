//! Encryption settings: what goes together, what is refused and why, and that no secret shows.

use super::*;
use crate::catalog::ConfigurationRecord;
use crate::model::encryption::{KeyProvider, KeyServer};
use crate::model::policy::Name;

const WIDEVINE: &str = "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed";
const PLAYREADY: &str = "9a04f079-9840-4286-ab92-e65be0885f95";
const FAIRPLAY: &str = "94ce86fb-07ff-4f43-adb8-93d2fa968ca2";
const CLEARKEY: &str = "e2719d58-a985-b3c9-781a-b030af78d30e";
const PLAIN_V1: &str = "81376844-f976-481e-a84e-cc25d39b0b33";
const PLAIN_V2: &str = "3ea8778f-7742-4bf9-b18b-e834b2acbd47";
const KEY: &str = "00112233445566778899aabbccddeeff";
const IV: &str = "101112131415161718191a1b1c1d1e1f";
const KEY_ID: &str = "01234567-89ab-cdef-0123-456789abcdef";
const OTHER_KEY: &str = "ffeeddccbbaa99887766554433221100";
const OTHER_KEY_ID: &str = "01234567-89ab-cdef-0123-456789abcde0";
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAECAwQF\n-----END CERTIFICATE-----\n";
const PRIVATE_KEY: &str = "-----BEGIN PRIVATE KEY-----\nBgcICQoL\n-----END PRIVATE KEY-----\n";

fn body(name: &str, package_type: &str, encryption: &Value) -> Value {
    json!({"name": name, "packageType": package_type, "encryption": encryption})
}

fn server() -> Value {
    json!({"url": "https://keys.example.com/speke"})
}

fn key() -> Value {
    json!({"trackType": "ALL", "keyId": KEY_ID, "key": KEY})
}

/// Good settings of a package type with a key server.
fn good(package_type: &str) -> Value {
    let system = if package_type == "HLS" { FAIRPLAY } else { WIDEVINE };
    json!({"systemIds": [system], "keyServer": server()})
}

/// Sets the field that a path of names and indices leads to.
fn set(value: &mut Value, path: &str, to: Value) {
    *value.pointer_mut(path).unwrap_or_else(|| panic!("there is no {path}")) = to;
}

/// Creates and deletes it again, and gives the answer.
async fn tried(api: &Api, package_type: &str, encryption: &Value) -> Answer {
    let answer = api.post(CONFIGURATIONS, body("tried", package_type, encryption)).await;
    if answer.status == 201 {
        api.delete(&format!("{CONFIGURATIONS}/tried")).await.expect_status(204);
    }
    answer
}

/// Checks that it is refused with the field named and the reason given.
async fn refused(api: &Api, package_type: &str, encryption: &Value, field: &str, reason: &str) {
    let answer = tried(api, package_type, encryption).await;
    let answer =
        answer.expect_problem(400, "invalid_argument", Some(&format!("encryption{field}")));
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains(reason), "{detail}");
    assert!(detail.starts_with("encryption"), "{detail}");
}

#[tokio::test]
async fn clear_key_alone_has_no_key_server_to_ask() {
    let api = furnished().await;
    let key = json!({"trackType": "ALL", "keyId": "0123456789abcdef0123456789abcdef",
                     "key": "00112233445566778899aabbccddeeff"});
    for package_type in ["DASH", "HLS_CMAF"] {
        let encryption = json!({"systemIds": [CLEARKEY], "keyServer": server()});
        refused(&api, package_type, &encryption, ".systemIds", "staticKeys").await;
        let encryption = json!({"systemIds": [CLEARKEY], "staticKeys": [key]});
        assert_eq!(tried(&api, package_type, &encryption).await.status, 201);
    }
}

#[tokio::test]
async fn systems_go_with_package_types_and_schemes() {
    // Who is let in where, and which schemes; `None` is the default and what it means. Clear Key
    // alone is nothing that a key server can be asked for.
    let names =
        [("W", WIDEVINE), ("P", PLAYREADY), ("F", FAIRPLAY), ("C", CLEARKEY), ("K", PLAIN_V2)];
    let allowed: &[(&str, &str, &[&str], &str)] = &[
        ("DASH", "cenc", &["W", "P", "WP", "WC", "PC", "WPC"], "scheme"),
        ("DASH", "cbcs", &["W", "P", "WP", "WC", "PC", "WPC"], "scheme"),
        (
            "HLS_CMAF",
            "cbcs",
            &[
                "W", "P", "F", "WP", "WF", "WC", "PF", "PC", "FC", "WPF", "WPC", "WFC", "PFC",
                "WPFC",
            ],
            "scheme",
        ),
        ("HLS_CMAF", "cenc", &["W", "P", "WP", "WC", "PC", "WPC"], "scheme"),
        ("HLS", "SAMPLE_AES", &["F", "K", "FC", "CK"], "method"),
        ("HLS", "AES_128", &["K", "CK"], "method"),
    ];
    let api = furnished().await;
    let mut accepted = 0;
    for package_type in ["DASH", "HLS_CMAF", "HLS"] {
        for scheme in [None, Some("cenc"), Some("cbcs"), Some("AES_128"), Some("SAMPLE_AES")] {
            for set in 0_usize..1 << names.len() {
                let members = names.iter().enumerate().filter(|(bit, _)| set >> bit & 1 == 1);
                let (letters, ids): (String, Vec<&str>) =
                    members.map(|(_, (letter, id))| (*letter, *id)).unzip();
                let field = match scheme {
                    Some("cenc" | "cbcs") => "scheme",
                    _ => "method",
                };
                let mut encryption = json!({"systemIds": ids, "keyServer": server()});
                if let Some(scheme) = scheme {
                    encryption[field] = json!(scheme);
                }
                let wanted = scheme.unwrap_or(match package_type {
                    "DASH" => "cenc",
                    "HLS_CMAF" => "cbcs",
                    _ if letters.contains('F') => "SAMPLE_AES",
                    _ => "AES_128",
                });
                let row = allowed.iter().find(|row| (row.0, row.1) == (package_type, wanted));
                let good = row.filter(|row| row.2.contains(&&*letters));
                let answer = tried(&api, package_type, &encryption).await;
                let case = format!("{package_type} {letters} {scheme:?} {answer:#?}");
                match good {
                    Some(row) => {
                        assert_eq!(answer.status, 201, "{case}");
                        assert_eq!(answer.body["encryption"][row.3], wanted, "{case}");
                        assert_eq!(answer.body["encryption"]["systemIds"], json!(ids), "{case}");
                        accepted += 1;
                    }
                    None => {
                        let named = answer.body["field"].as_str().unwrap();
                        assert_eq!(answer.status, 400, "{case}");
                        let systems = named.starts_with("encryption.systemIds");
                        assert!(systems || named == format!("encryption.{field}"), "{case}");
                    }
                }
            }
        }
    }
    // DASH default, cenc, cbcs; HLS_CMAF default, cbcs, cenc; HLS default, and by name.
    assert_eq!(accepted, 6 * 3 + 14 * 2 + 6 + 4 + 4 + 2);
}

#[tokio::test]
async fn system_ids_are_read_in_any_case_and_once() {
    let api = furnished().await;
    let with = |ids: Value| json!({"systemIds": ids, "keyServer": server()});
    let upper = WIDEVINE.to_uppercase();
    let answer = tried(&api, "DASH", &with(json!([upper]))).await.expect_status(201);
    assert_eq!(answer.body["encryption"]["systemIds"], json!([WIDEVINE]));
    let short = "edef8ba9-79d6-4ace-a3c8-27dcd51d21e";
    assert_eq!(short.len(), 35);
    for id in [short, "edef8ba9-79d6-4ace-a3c8-27dcd51d1ed", "edef8ba9-79d6-4ac-a3c8-27dcd51d21ed"]
    {
        let ids = json!([PLAYREADY, id]);
        refused(&api, "DASH", &with(ids.clone()), ".systemIds[1]", "one digit short").await;
        refused(&api, "DASH", &with(ids), ".systemIds[1]", WIDEVINE).await;
    }
    for (ids, field, reason) in [
        (json!([]), ".systemIds", "at least one"),
        (json!([WIDEVINE, "x"]), ".systemIds[1]", "no system ID"),
        (json!(["1077efec-c0b2-4d02-ace3-3c1e52e2fb4b"]), ".systemIds[0]", "no system ID"),
        (json!([WIDEVINE, upper]), ".systemIds[1]", "second time"),
        (json!(WIDEVINE), ".systemIds", "sequence"),
        (json!([1]), ".systemIds[0]", "string"),
    ] {
        refused(&api, "DASH", &with(ids), field, reason).await;
    }
    refused(&api, "HLS", &with(json!([PLAIN_V1, PLAIN_V2])), ".systemIds[1]", "second time").await;
    // Each version of SPEKE has an ID of its own for plain keys.
    for (version, shown) in [("1.0", PLAIN_V1), ("2.0", PLAIN_V2), ("2.1", PLAIN_V2)] {
        for given in [PLAIN_V1, PLAIN_V2] {
            let mut encryption = with(json!([given]));
            encryption["keyServer"]["spekeVersion"] = json!(version);
            let answer = tried(&api, "HLS", &encryption).await.expect_status(201);
            assert_eq!(answer.body["encryption"]["systemIds"], json!([shown]));
        }
    }
}

#[tokio::test]
async fn presets_go_together_or_are_refused() {
    let api = furnished().await;
    let videos: Vec<String> = (1..=8).map(|n| format!("PRESET-VIDEO-{n}")).collect();
    let audios: Vec<String> = (1..=3).map(|n| format!("PRESET-AUDIO-{n}")).collect();
    let both = ["SHARED", "UNENCRYPTED"];
    let videos: Vec<&str> = both.into_iter().chain(videos.iter().map(|v| &**v)).collect();
    let audios: Vec<&str> = both.into_iter().chain(audios.iter().map(|a| &**a)).collect();
    for package_type in ["DASH", "HLS_CMAF", "HLS"] {
        for version in ["1.0", "2.0", "2.1"] {
            for (video, audio) in videos.iter().flat_map(|v| audios.iter().map(move |a| (*v, *a))) {
                let mut encryption = good(package_type);
                encryption["keyServer"]["spekeVersion"] = json!(version);
                encryption["keyServer"]["videoPreset"] = json!(video);
                encryption["keyServer"]["audioPreset"] = json!(audio);
                let (field, reason) = match (video, audio) {
                    ("SHARED", "SHARED") => ("", ""),
                    ("SHARED", _) if package_type == "HLS" => ("audioPreset", "share"),
                    _ if package_type == "HLS" => ("videoPreset", "share"),
                    ("SHARED", _) if version == "1.0" => ("audioPreset", "SPEKE 1.0"),
                    _ if version == "1.0" => ("videoPreset", "SPEKE 1.0"),
                    ("UNENCRYPTED", "UNENCRYPTED") => ("videoPreset", "both UNENCRYPTED"),
                    ("SHARED", _) => ("videoPreset", "neither"),
                    (_, "SHARED") => ("audioPreset", "neither"),
                    _ => ("", ""),
                };
                if field.is_empty() {
                    let answer = tried(&api, package_type, &encryption).await.expect_status(201);
                    let shown = &answer.body["encryption"]["keyServer"];
                    assert_eq!(
                        (&shown["videoPreset"], &shown["audioPreset"]),
                        (&json!(video), &json!(audio))
                    );
                    assert_eq!(shown["spekeVersion"], version);
                } else {
                    let field = format!(".keyServer.{field}");
                    refused(&api, package_type, &encryption, &field, reason).await;
                }
            }
        }
    }
    let answer = tried(&api, "DASH", &good("DASH")).await.expect_status(201);
    let expected = json!({
        "url": "https://keys.example.com/…", "spekeVersion": "2.0", "videoPreset": "SHARED",
        "audioPreset": "SHARED",
    });
    assert_eq!(answer.body["encryption"]["keyServer"], expected);
    assert_eq!(answer.body["encryption"]["clearLeadSegments"], 0);
}

/// Changes to good settings of DASH with a key server: path in them, value, field, reason.
#[tokio::test]
async fn settings_of_a_key_server_are_refused_with_reasons() {
    let api = furnished().await;
    let long = "x".repeat(8193);
    let many: serde_json::Map<_, _> = (0..33).map(|n| (format!("h{n}"), json!("v"))).collect();
    let other_key = PRIVATE_KEY.replace("PRIVATE", "EC PRIVATE");
    let other_key = other_key.as_str();
    for (name, value, field, reason) in [
        ("url", json!("ftp://example.com/"), ".url", "https://"),
        ("url", json!("https://u:p@example.com/"), ".url", "basicAuth"),
        ("url", json!("https://example.com/#x"), ".url", "fragment"),
        ("url", json!("https://10.0.0.1/"), ".url", "egress.allow_hosts"),
        ("url", json!("https://keys.example.com/…"), ".url", "whole URL"),
        ("url", json!("***"), ".url", "whole URL"),
        ("url", json!(""), ".url", "no URL"),
        ("url", json!(null), ".url", "string"),
        ("url", json!("env:HOME"), ".url", "PACKORIGIN_SECRET_"),
        ("url", json!("file:../x"), ".url", "secrets.directory"),
        ("url", json!("https://e.com/ -H 'Host: a'"), ".url", "leave it out"),
        ("url", json!("https://e.com/ -H 'a: ü'"), ".url", "ASCII"),
        ("url", json!("https://e.com/ -H 'a: 1' -H 'A: 2'"), ".url", "twice"),
        ("url", json!("https://e.com/ -H 'a: ***'"), ".url", "none is stored"),
        ("spekeVersion", json!("2"), ".spekeVersion", "1.0, 2.0, 2.1"),
        ("spekeVersion", json!(2.0), ".spekeVersion", "string"),
        ("videoPreset", json!("PRESET-VIDEO-9"), ".videoPreset", "PRESET-VIDEO-8"),
        ("videoPreset", json!("PRESET-VIDEO-01"), ".videoPreset", "PRESET-VIDEO-8"),
        ("audioPreset", json!("PRESET-VIDEO-1"), ".audioPreset", "PRESET-AUDIO-3"),
        ("headers", json!({"Content-Type": "x"}), ".headers.Content-Type", "leave it out"),
        ("headers", json!({"content-length": "1"}), ".headers.content-length", "leave it out"),
        ("headers", json!({"X-Speke-Version": "1"}), ".headers.X-Speke-Version", "leave it out"),
        ("headers", json!({"Connection": "x"}), ".headers.Connection", "leave it out"),
        ("headers", json!({"TE": "x"}), ".headers.TE", "leave it out"),
        ("headers", json!({"a b": "x"}), ".headers.a b", "letters"),
        ("headers", json!({"": "x"}), ".headers.", "letters"),
        ("headers", json!({"a": "x\ny"}), ".headers.a", "control"),
        ("headers", json!({"a": "***"}), ".headers.a", "none is stored"),
        ("headers", json!({"a": ""}), ".headers.a", "empty"),
        ("headers", json!({"a": long}), ".headers.a", "8192"),
        ("headers", json!({"a": "1", "A": "2"}), ".headers.a", "twice"),
        ("headers", json!({"a": 1}), ".headers.a", "string"),
        ("headers", json!(["a"]), ".headers", "object"),
        ("headers", json!(many), ".headers", "at most 32"),
        ("basicAuth", json!({"username": "a:b", "password": "p"}), ".basicAuth.username", "colons"),
        ("basicAuth", json!({"username": "", "password": "p"}), ".basicAuth.username", "empty"),
        ("basicAuth", json!({"username": "u", "password": ""}), ".basicAuth.password", "empty"),
        ("basicAuth", json!({"username": "u", "password": "***"}), ".basicAuth.password", "stored"),
        ("basicAuth", json!({"username": "u"}), ".basicAuth.password", "missing"),
        ("bearerToken", json!("a b"), ".bearerToken", "spaces"),
        ("bearerToken", json!("Bearer abc"), ".bearerToken", "alone"),
        ("bearerToken", json!("***"), ".bearerToken", "none is stored"),
        ("bearerToken", json!("env:TOKEN"), ".bearerToken", "PACKORIGIN_SECRET_"),
        ("clientCertificate", json!(CERTIFICATE), ".clientKey", "required"),
        ("clientKey", json!(PRIVATE_KEY), ".clientCertificate", "required"),
        ("trustedCertificates", json!(PRIVATE_KEY), ".trustedCertificates", "PEM"),
        (
            "contentKeyEncryption",
            json!({"certificate": CERTIFICATE, "privateKey": other_key}),
            ".contentKeyEncryption.privateKey",
            "PKCS #8",
        ),
        (
            "contentKeyEncryption",
            json!({"certificate": "x", "privateKey": PRIVATE_KEY}),
            ".contentKeyEncryption.certificate",
            "PEM",
        ),
        (
            "contentKeyEncryption",
            json!({"certificate": CERTIFICATE}),
            ".contentKeyEncryption.privateKey",
            "missing",
        ),
        ("token", json!("x"), ".token", "unknown field"),
        ("basicAuth", json!({"user": "u"}), ".basicAuth.user", "unknown field"),
    ] {
        let mut encryption = good("DASH");
        encryption["keyServer"][name] = value;
        refused(&api, "DASH", &encryption, &format!(".keyServer{field}"), reason).await;
    }
    let mut encryption = good("DASH");
    encryption["keyServer"]["clientCertificate"] = json!(CERTIFICATE);
    encryption["keyServer"]["clientKey"] = json!(CERTIFICATE);
    refused(&api, "DASH", &encryption, ".keyServer.clientKey", "private key").await;
    let basic = json!({"username": "u", "password": "p"});
    for (both, field) in [
        (json!({"basicAuth": basic, "bearerToken": "t"}), "bearerToken"),
        (json!({"basicAuth": basic, "headers": {"authorization": "x"}}), "headers"),
        (json!({"bearerToken": "t", "url": "https://e.com/ -H 'Authorization: x'"}), "headers"),
    ] {
        let mut encryption = good("DASH");
        for (name, value) in both.as_object().unwrap() {
            encryption["keyServer"][name] = value.clone();
        }
        let field = format!(".keyServer.{field}");
        refused(&api, "DASH", &encryption, &field, "leave one out").await;
    }
}

#[tokio::test]
async fn other_settings_are_refused_with_reasons() {
    let api = furnished().await;
    let cases = [
        ("DASH", "constantInitializationVector", json!(IV), "", "counter mode"),
        ("HLS", "constantInitializationVector", json!("0x10"), "", "32 hexadecimal"),
        ("HLS", "constantInitializationVector", json!(&IV[1..]), "", "32 hexadecimal"),
        ("HLS", "clearLeadSegments", json!(-1), "", "0 to 1000"),
        ("HLS", "clearLeadSegments", json!(1001), "", "0 to 1000"),
        ("HLS", "clearLeadSegments", json!(1.5), "", "floating"),
        ("HLS", "scheme", json!("cbcs"), "", "method"),
        ("HLS", "method", json!("AES-128"), "", "AES_128, SAMPLE_AES"),
        ("HLS", "method", json!("AES_128"), "", "FairPlay"),
        ("DASH", "method", json!("SAMPLE_AES"), "", "HLS alone"),
        ("HLS_CMAF", "method", json!("SAMPLE_AES"), "", "HLS alone"),
        ("DASH", "scheme", json!("hls_aes128"), "", "cenc, cbcs"),
        ("DASH", "scheme", json!("CENC"), "", "cenc, cbcs"),
        ("DASH", "keyServer", json!(null), "", "required"),
        ("DASH", "keyServer", json!("https://e.com/"), "", "an object"),
        ("DASH", "staticKeys", json!([key()]), "", "leave one out"),
        ("DASH", "licenseUrls", json!({PLAYREADY: "https://l"}), PLAYREADY, "systemIds"),
        ("DASH", "licenseUrls", json!({"x": "https://l"}), "x", "no system ID"),
        ("DASH", "licenseUrls", json!({WIDEVINE: "/l"}), WIDEVINE, "https://"),
        ("DASH", "licenseUrls", json!({WIDEVINE: "https://u@l/"}), WIDEVINE, "user name"),
        ("DASH", "licenseUrls", json!({WIDEVINE: "https://l/\"x"}), WIDEVINE, "https://"),
        ("DASH", "licenseUrls", json!({WIDEVINE: "env:X"}), WIDEVINE, "https://"),
        ("DASH", "licenseUrls", json!({WIDEVINE: null}), WIDEVINE, "string"),
        ("DASH", "licenceUrls", json!({}), "", "unknown field"),
    ];
    for (package_type, name, value, member, reason) in cases {
        let mut encryption = good(package_type);
        encryption[name] = value;
        let dot = if member.is_empty() { "" } else { "." };
        refused(&api, package_type, &encryption, &format!(".{name}{dot}{member}"), reason).await;
    }
    let plain = json!({
        "systemIds": [PLAIN_V2], "keyServer": server(), "licenseUrls": {PLAIN_V1: "https://l/"},
    });
    refused(&api, "HLS", &plain, &format!(".licenseUrls.{PLAIN_V1}"), "without licence").await;
    let twice = json!({WIDEVINE: "https://l/", WIDEVINE.to_uppercase(): "https://l/"});
    let mut encryption = good("DASH");
    encryption["licenseUrls"] = twice;
    let answer = tried(&api, "DASH", &encryption).await.expect_status(400);
    assert!(answer.body["detail"].as_str().unwrap().contains("there twice"));
    for (package_type, lead) in [("DASH", 0), ("DASH", 1000), ("HLS", 7)] {
        let mut encryption = good(package_type);
        encryption["clearLeadSegments"] = json!(lead);
        let answer = tried(&api, package_type, &encryption).await.expect_status(201);
        assert_eq!(answer.body["encryption"]["clearLeadSegments"], lead);
    }
    for package_type in ["HLS", "HLS_CMAF"] {
        let mut encryption = good(package_type);
        encryption["constantInitializationVector"] = json!(IV.to_uppercase());
        let answer = tried(&api, package_type, &encryption).await.expect_status(201);
        assert_eq!(answer.body["encryption"]["constantInitializationVector"], IV);
    }
}

#[tokio::test]
async fn static_keys_are_taken_or_refused_with_reasons() {
    let api = furnished().await;
    let with = |system: &str, keys: Value| json!({"systemIds": [system], "staticKeys": keys});
    let typed = |types: &[&str]| -> Value {
        let key = |(n, of): (usize, &&str)| {
            let (id, key) = (format!("{n:032x}"), format!("{:032x}", n + 100));
            json!({"trackType": of, "keyId": id, "key": key})
        };
        types.iter().enumerate().map(key).collect()
    };
    for (types, field, reason) in [
        (&["ALL"][..], "", ""),
        (&["VIDEO"], "", ""),
        (&["AUDIO"], "", ""),
        (&["SD", "HD", "UHD", "STEREO_AUDIO", "MULTICHANNEL_AUDIO"], "", ""),
        (&["UHD2", "UHD1", "HD2", "SD+HD1", "AUDIO"], "", ""),
        (&["STEREO_AUDIO", "MULTICHANNEL_AUDIO_3_6", "MULTICHANNEL_AUDIO_7"], "", ""),
        (&[], "", "must hold a key"),
        (&["HD"], "", "clear"),
        (&["HD", "UHD", "AUDIO"], "", "clear"),
        (&["SD", "MULTICHANNEL_AUDIO"], "", "clear"),
        (&["HD", "AUDIO", "MULTICHANNEL_AUDIO"], "", "SD or VIDEO"),
        (&["ALL", "AUDIO"], "[0].trackType", "ALL"),
        (&["VIDEO", "ALL"], "[1].trackType", "ALL"),
        (&["ALL", "ALL"], "[0].trackType", "ALL"),
        (&["SD", "AUDIO", "SD"], "[2].trackType", "twice"),
        (&["VIDEO", "SD"], "[1].trackType", "same tracks as VIDEO"),
        (&["SD", "HD", "HD1"], "[2].trackType", "same tracks as HD"),
        (&["sd"], "[0].trackType", "must be one of ALL, VIDEO"),
    ] {
        let encryption = with(WIDEVINE, typed(types));
        if reason.is_empty() {
            let answer = tried(&api, "DASH", &encryption).await.expect_status(201);
            let shown = answer.body["encryption"]["staticKeys"].as_array().unwrap();
            let shown: Vec<_> =
                shown.iter().map(|key| key["trackType"].as_str().unwrap()).collect();
            assert_eq!(shown, types);
        } else {
            let field = format!(".staticKeys{field}");
            refused(&api, "DASH", &encryption, &field, reason).await;
        }
    }
    let plain_uri = json!("https://k.example/key");
    for (package_type, system, name, value, field, reason) in [
        ("DASH", WIDEVINE, "keyId", json!(KEY_ID.replace('-', "")), "", ""),
        ("DASH", WIDEVINE, "key", json!("env:PACKORIGIN_SECRET_KEY"), "", ""),
        ("DASH", WIDEVINE, "key", json!("file:keys/one"), "", ""),
        ("DASH", WIDEVINE, "key", json!(KEY.to_uppercase()), "", ""),
        ("HLS_CMAF", WIDEVINE, "iv", json!(IV), "", ""),
        ("HLS", FAIRPLAY, "iv", json!(IV), "", ""),
        ("HLS", FAIRPLAY, "uri", json!("skd://bbb-1"), "", ""),
        ("HLS_CMAF", FAIRPLAY, "uri", json!("skd://bbb-1"), "", ""),
        ("HLS", PLAIN_V1, "uri", plain_uri.clone(), "", ""),
        ("DASH", CLEARKEY, "iv", json!(null), "", ""),
        ("DASH", WIDEVINE, "key", json!(&KEY[1..]), "key", "32 hexadecimal"),
        ("DASH", WIDEVINE, "key", json!("ABEiM0RVZneImaq7zN3u/w=="), "key", "32 hexadecimal"),
        ("DASH", WIDEVINE, "key", json!("***"), "key", "none is stored"),
        ("DASH", WIDEVINE, "key", json!("env:KEY"), "key", "PACKORIGIN_SECRET_"),
        ("DASH", WIDEVINE, "key", json!(7), "key", "string"),
        ("DASH", WIDEVINE, "keyId", json!("1"), "keyId", "UUID"),
        ("DASH", WIDEVINE, "iv", json!(IV), "iv", "cenc"),
        ("HLS_CMAF", WIDEVINE, "iv", json!("10"), "iv", "32 hexadecimal"),
        ("HLS_CMAF", WIDEVINE, "iv", json!(KEY.to_uppercase()), "iv", "everybody can read"),
        ("DASH", WIDEVINE, "uri", plain_uri.clone(), "uri", "no use"),
        ("HLS", FAIRPLAY, "uri", plain_uri.clone(), "uri", "skd://"),
        ("HLS", FAIRPLAY, "uri", json!("skd://"), "uri", "skd://"),
        ("HLS", FAIRPLAY, "uri", json!("skd://a\",B=\""), "uri", "quotes"),
        ("HLS", FAIRPLAY, "trackType", json!("VIDEO"), "trackType", "share"),
        ("HLS", PLAIN_V2, "uri", json!(null), "uri", "must be told"),
        ("HLS", PLAIN_V2, "uri", json!("skd://a"), "uri", "https://"),
        ("HLS", PLAIN_V2, "uri", json!("https://a/\nb"), "uri", "https://"),
        ("HLS", PLAIN_V2, "kid", json!("x"), "kid", "unknown field"),
    ] {
        let mut encryption = with(system, json!([key()]));
        encryption["staticKeys"][0][name] = value;
        if reason.is_empty() {
            let answer = tried(&api, package_type, &encryption).await.expect_status(201);
            assert_eq!(answer.body["encryption"]["staticKeys"][0]["keyId"], KEY_ID);
        } else {
            let field = format!(".staticKeys[0].{field}");
            refused(&api, package_type, &encryption, &field, reason).await;
        }
    }
    let two = |id: &str, secret: &str| {
        let second = json!({"trackType": "AUDIO", "keyId": id, "key": secret});
        let mut keys = json!([key(), second]);
        keys[0]["trackType"] = json!("VIDEO");
        with(WIDEVINE, keys)
    };
    tried(&api, "DASH", &two(OTHER_KEY_ID, OTHER_KEY)).await.expect_status(201);
    refused(&api, "DASH", &two(KEY_ID, OTHER_KEY), ".staticKeys[1].keyId", "twice").await;
    refused(&api, "DASH", &two(OTHER_KEY_ID, KEY), ".staticKeys[1].key", "another keyId").await;
    let public = ".staticKeys[1].key";
    let id = KEY_ID.replace('-', "");
    refused(&api, "DASH", &two(OTHER_KEY_ID, &id), public, "everybody can read").await;
    let mut crossed = two(OTHER_KEY_ID, OTHER_KEY);
    crossed["staticKeys"][0]["iv"] = json!(OTHER_KEY);
    refused(&api, "HLS_CMAF", &crossed, public, "everybody can read").await;
    let mut both = with(FAIRPLAY, json!([key()]));
    both["constantInitializationVector"] = json!(KEY);
    refused(&api, "HLS", &both, ".staticKeys[0].key", "everybody can read").await;
    both["constantInitializationVector"] = json!(IV);
    tried(&api, "HLS", &both).await.expect_status(201);
    both["staticKeys"][0]["iv"] = json!(IV);
    refused(&api, "HLS", &both, ".staticKeys[0].iv", "leave one out").await;
}

#[tokio::test]
async fn key_servers_on_private_addresses_need_the_operators_word() {
    let store = SqliteStore::in_memory().await.unwrap();
    let egress = crate::config::Egress {
        allow_hosts: vec![crate::config::AllowedHost::Network("10.0.0.0/8".parse().unwrap())],
        ..crate::config::Egress::default()
    };
    let api = built(store, None, EgressPolicy::new(&egress));
    api.post("/v1/packaging-groups", json!({"name": "web"})).await.expect_status(201);
    for (url, status) in
        [("http://10.1.2.3:8080/speke", 201), ("http://192.168.1.1/", 400), ("http://a.b/", 201)]
    {
        let mut encryption = good("DASH");
        set(&mut encryption, "/keyServer/url", json!(url));
        tried(&api, "DASH", &encryption).await.expect_status(status);
    }
}

/// Settings with a secret in every place that takes one, each of which holds `hush`, and how they
/// are shown.
fn secretive() -> (Value, Value) {
    let pem = |label| format!("-----BEGIN {label}-----\nhush\n-----END {label}-----\n");
    let (certificate, key) = (pem("CERTIFICATE"), pem("PRIVATE KEY"));
    let given = json!({
        "systemIds": [WIDEVINE, PLAYREADY], "scheme": "cbcs",
        "keyServer": {
            "url": "https://keys.example.com:8443/hush-1/{token}?hush=2 -H \"{X-Token:hush-3}\"",
            "headers": {"X-Api-Key": "hush-4", "X-Env": "env:PACKORIGIN_SECRET_H"},
            "spekeVersion": "2.1", "videoPreset": "PRESET-VIDEO-3", "audioPreset": "UNENCRYPTED",
            "basicAuth": {"username": "user", "password": "hush-5"},
            "clientCertificate": certificate, "clientKey": key,
            "trustedCertificates": "file:roots.pem",
            "contentKeyEncryption": {"certificate": certificate, "privateKey": key},
        },
        "constantInitializationVector": IV, "clearLeadSegments": 2,
        "licenseUrls": {WIDEVINE: "https://license.example.com/wv"},
    });
    let shown = json!({
        "systemIds": [WIDEVINE, PLAYREADY], "scheme": "cbcs",
        "keyServer": {
            "url": "https://keys.example.com:8443/…",
            "headers": {
                "X-Token": "***", "X-Api-Key": "***", "X-Env": "env:PACKORIGIN_SECRET_H",
            },
            "spekeVersion": "2.1", "videoPreset": "PRESET-VIDEO-3", "audioPreset": "UNENCRYPTED",
            "basicAuth": {"username": "user", "password": "***"},
            "clientCertificate": "***", "clientKey": "***",
            "trustedCertificates": "file:roots.pem",
            "contentKeyEncryption": {"certificate": "***", "privateKey": "***"},
        },
        "constantInitializationVector": IV, "clearLeadSegments": 2,
        "licenseUrls": {WIDEVINE: "https://license.example.com/wv"},
    });
    (given, shown)
}

#[tokio::test]
async fn secrets_are_in_no_answer_and_not_in_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("catalog.sqlite")).await.unwrap();
    let api = over(store, None);
    api.post("/v1/packaging-groups", json!({"name": "web"})).await.expect_status(201);
    let (given, shown) = secretive();
    let mut bearer = good("DASH");
    bearer["keyServer"]["bearerToken"] = json!("hush-6");
    let keys = json!({"systemIds": [CLEARKEY], "staticKeys": [key()]});
    let mut answers = Vec::new();
    for (name, encryption) in [("server", &given), ("bearer", &bearer), ("static", &keys)] {
        let made = api.post(CONFIGURATIONS, body(name, "DASH", encryption)).await;
        answers.push(made.expect_status(201));
        let path = format!("{CONFIGURATIONS}/{name}");
        answers.push(api.get(&path).await.expect_status(200));
        let mut other = encryption.clone();
        other["clearLeadSegments"] = json!(5);
        answers.push(api.put(&path, body(name, "DASH", &other)).await.expect_status(200));
        answers.push(api.put(&path, body(name, "DASH", encryption)).await.expect_status(200));
    }
    assert_eq!(answers[0].body["encryption"], shown);
    assert_eq!(answers[1].body, answers[0].body);
    assert_eq!(answers[4].body["encryption"]["keyServer"]["bearerToken"], "***");
    assert_eq!(answers[8].body["encryption"]["staticKeys"][0]["key"], "***");
    answers.push(api.get(CONFIGURATIONS).await.expect_status(200));
    // Refusals after the secrets were read, or in the middle of them.
    for (path, value) in [
        ("/scheme", json!("hush")),
        ("/keyServer", json!("hush")),
        ("/keyServer/url", json!("https://keys.example.com/hush#")),
        ("/keyServer/url", json!("https://hush:hush@keys.example.com/")),
        ("/keyServer/url", json!(["hush"])),
        ("/keyServer/headers", json!("hush")),
        ("/keyServer/headers/X-Api-Key", json!("hush\n")),
        ("/keyServer/headers/X-Api-Key", json!(["hush"])),
        ("/keyServer/clientKey", json!("hush")),
        ("/keyServer/basicAuth", json!("hush")),
    ] {
        let mut encryption = given.clone();
        set(&mut encryption, path, value);
        answers.push(
            api.post(CONFIGURATIONS, body("x", "DASH", &encryption)).await.expect_status(400),
        );
    }
    let with_key = |key: Value| json!({"systemIds": [CLEARKEY], "staticKeys": key});
    for keys in [json!("hush"), json!([{"trackType": "ALL", "keyId": KEY_ID, "key": "hush"}])] {
        let answer = api.post(CONFIGURATIONS, body("x", "DASH", &with_key(keys))).await;
        answers.push(answer.expect_status(400));
    }
    for answer in &answers {
        let text = answer.body.to_string();
        assert!(!text.contains("hush") && !text.contains(KEY), "{answer:#?}");
    }
    api.store.close().await;
    let mut files = 0;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let contains = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        let key = hex::decode(KEY).unwrap();
        assert!(!contains(b"hush") && !contains(KEY.as_bytes()) && !contains(&key));
        // The settings are there to be found.
        assert!(contains(b"PACKORIGIN_SECRET_H") && contains(b"https://keys.example.com:8443/"));
        files += 1;
    }
    assert_eq!(files, 1);
}

async fn stored(api: &Api) -> ConfigurationRecord {
    let name = |text| Name::new(text).unwrap();
    api.catalog.configuration(&name("web"), &name("dash")).await.unwrap()
}

fn server_of(record: &ConfigurationRecord) -> KeyServer {
    match &record.configuration.encryption.as_ref().unwrap().keys {
        KeyProvider::Server(server) => (**server).clone(),
        KeyProvider::Static(_) => panic!("keys are static"),
    }
}

#[tokio::test]
async fn a_put_of_what_was_shown_keeps_every_secret() {
    let api = furnished().await;
    let (given, shown) = secretive();
    api.put(DASH, body("dash", "DASH", &given)).await.expect_status(200);
    let before = stored(&api).await;
    assert_eq!(before.revision, 2);
    let put = async |encryption: &Value| api.put(DASH, body("dash", "DASH", encryption)).await;
    // Nothing changes, neither with what was shown nor with the secrets themselves.
    for same in [&shown, &given] {
        assert_eq!(put(same).await.expect_status(200).body["encryption"], shown);
        assert_eq!(stored(&api).await.configuration, before.configuration);
        assert_eq!(stored(&api).await.revision, 2);
    }
    // One is changed and the others stay.
    let mut changed = shown.clone();
    set(&mut changed, "/keyServer/headers/X-Api-Key", json!("hush-7"));
    put(&changed).await.expect_status(200);
    let after = server_of(&stored(&api).await);
    let old = server_of(&before);
    assert_eq!(vault().open(&after.headers[0].1).unwrap().as_str(), "hush-7");
    assert_eq!(
        (&after.url, &after.headers[2], &after.basic),
        (&old.url, &old.headers[2], &old.basic)
    );
    // Another path on the same server keeps them too, and is stored.
    let mut moved = shown.clone();
    set(&mut moved, "/keyServer/url", json!("https://keys.example.com:8443/v2"));
    put(&moved).await.expect_status(200);
    let after = server_of(&stored(&api).await);
    let url = vault().open(&after.url).unwrap();
    assert_eq!(url.as_str(), "https://keys.example.com:8443/v2");
    assert_eq!(after.basic, old.basic);
    // To another server they do not go.
    for url in [
        "https://evil.example.com/",
        "http://keys.example.com:8443/",
        "https://keys.example.com/",
        "env:PACKORIGIN_SECRET_URL",
    ] {
        let mut moved = shown.clone();
        set(&mut moved, "/keyServer/url", json!(url));
        let answer = put(&moved).await.expect_status(400);
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains("write the secret itself"), "{detail}");
    }
    // What is left out is gone, and cannot be kept later.
    let mut fewer = shown.clone();
    fewer["keyServer"].as_object_mut().unwrap().remove("basicAuth");
    put(&fewer).await.expect_status(200);
    assert_eq!(server_of(&stored(&api).await).basic, None);
    let field = Some("encryption.keyServer.basicAuth.password");
    put(&shown).await.expect_problem(400, "invalid_argument", field);
    // A new configuration has nothing to keep.
    let answer = api.post(CONFIGURATIONS, body("new", "DASH", &shown)).await;
    answer.expect_problem(400, "invalid_argument", Some("encryption.keyServer.url"));
    put(&Value::Null).await.expect_status(200);
    put(&shown).await.expect_problem(400, "invalid_argument", Some("encryption.keyServer.url"));
    let answer = api.put(&format!("{CONFIGURATIONS}/no"), body("no", "DASH", &shown)).await;
    answer.expect_problem(404, "not_found", None);
}

#[tokio::test]
async fn a_put_keeps_static_keys_by_their_id() {
    let api = furnished().await;
    let given = json!({"systemIds": [CLEARKEY], "scheme": "cbcs", "staticKeys": [key()]});
    let put = async |encryption: &Value| api.put(DASH, body("dash", "DASH", encryption)).await;
    let shown = put(&given).await.expect_status(200).body["encryption"].clone();
    let before = stored(&api).await;
    assert_eq!(put(&shown).await.expect_status(200).body["encryption"], shown);
    assert_eq!(put(&given).await.expect_status(200).body["encryption"], shown);
    assert_eq!(stored(&api).await.configuration, before.configuration);
    let mut other = shown.clone();
    set(&mut other, "/staticKeys/0/keyId", json!(OTHER_KEY_ID));
    let field = Some("encryption.staticKeys[0].key");
    put(&other).await.expect_problem(400, "invalid_argument", field);
    // Although the key is hidden, it must not become the IV.
    let mut leak = shown.clone();
    leak["staticKeys"][0]["iv"] = json!(KEY);
    let field = Some("encryption.staticKeys[0].iv");
    put(&leak).await.expect_problem(400, "invalid_argument", field);
    let mut second = shown.clone();
    let audio = json!({"trackType": "AUDIO", "keyId": OTHER_KEY_ID, "key": KEY});
    second["staticKeys"].as_array_mut().unwrap().push(audio);
    set(&mut second, "/staticKeys/0/trackType", json!("VIDEO"));
    let field = Some("encryption.staticKeys[1].key");
    put(&second).await.expect_problem(400, "invalid_argument", field);
}

#[tokio::test]
async fn unknown_fields_are_refused_in_every_place() {
    let api = furnished().await;
    let (given, _) = secretive();
    for place in ["", "/keyServer", "/keyServer/basicAuth", "/keyServer/contentKeyEncryption"] {
        for name in ["urls", "Url", "key_id", "shownUrl"] {
            let mut encryption = given.clone();
            let object = encryption.pointer_mut(place).unwrap().as_object_mut().unwrap();
            object.insert(name.to_owned(), json!(null));
            let field = format!("{}.{name}", place.replace('/', "."));
            refused(&api, "DASH", &encryption, &field, "unknown field").await;
        }
    }
    let mut twice = body("x", "DASH", &given).to_string();
    twice = twice.replacen("\"scheme\":", "\"scheme\":\"cenc\",\"scheme\":", 1);
    let request = Request::post(CONFIGURATIONS).header("content-type", "application/json");
    let answer = api.send(request.body(Body::from(twice)).unwrap()).await;
    answer.expect_problem(400, "invalid_argument", Some("encryption.scheme"));
}

#[tokio::test]
async fn content_ids_are_needed_where_a_configuration_encrypts() {
    let api = furnished().await;
    api.put(DASH, body("dash", "DASH", &good("DASH"))).await.expect_status(200);
    let answer = api.asset("bbb").await.expect_problem(409, "failed_precondition", None);
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains("contentId") && detail.contains("configuration dash "), "{detail}");
    let asset = |name: &str| json!({"name": name, "packagingGroup": "web", "path": "a", "contentId": format!("id-{name}")});
    api.post("/v1/assets", asset("a")).await.expect_status(202);
    let patch = async |body| api.patch("/v1/assets/a", body).await;
    patch(json!({"contentId": null})).await.expect_problem(409, "failed_precondition", None);
    patch(json!({"contentId": "other"})).await.expect_status(200);
    patch(json!({"description": "d"})).await.expect_status(200);
    let mut bare = asset("c");
    bare.as_object_mut().unwrap().remove("contentId");
    let mut with = asset("b");
    for item in [&mut bare, &mut with] {
        item.as_object_mut().unwrap().remove("packagingGroup");
    }
    let batch = json!({"packagingGroup": "web", "assets": [bare, with]});
    let answer = api.post("/v1/assets:batch", batch).await.expect_status(200);
    let results = &answer.body["results"];
    assert_eq!(results[0]["problem"]["code"], "failed_precondition");
    assert!(results[0]["problem"]["detail"].as_str().unwrap().contains("contentId"));
    assert_eq!(results[1]["asset"]["contentId"], "id-b");
    // From the other side.
    api.put(DASH, json!({"packageType": "DASH"})).await.expect_status(200);
    for name in ["x", "y", "z"] {
        api.asset(name).await.expect_status(202);
    }
    let answers = [
        api.put(DASH, body("dash", "DASH", &good("DASH"))).await,
        api.post(CONFIGURATIONS, body("other", "HLS", &good("HLS"))).await,
    ];
    for answer in answers {
        let answer = answer.expect_problem(409, "failed_precondition", None);
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains("asset x and 2 more without contentId"), "{detail}");
    }
    assert_eq!(api.get(DASH).await.body["encryption"], Value::Null);
    assert_eq!(api.get(CONFIGURATIONS).await.names(), ["dash"]);
}
