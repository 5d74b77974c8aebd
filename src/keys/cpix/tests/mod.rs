//! Documents of the fact sheet, whole and spoiled in one place each.

mod checks;
mod encrypted;

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;
use crate::keys::pssh::PsshBox;
use crate::model::encryption::SpekeVersion;
use crate::model::presentation::Medium;
use crate::model::protection::KeySet;

const KEY_ID: KeyId = KeyId(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128.to_be_bytes());
const SECRET: [u8; 16] = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128.to_be_bytes();
const IV: [u8; 16] = 0x1011_1213_1415_1617_1819_1a1b_1c1d_1e1f_u128.to_be_bytes();

const RESPONSE_1: &str = include_str!("response-1.0.xml");
const RESPONSE_2: &str = include_str!("response-2.0.xml");

fn content_id() -> ContentId {
    ContentId::new("asset-1").unwrap()
}

/// The request of one key for everything with cbcs that `response-*.xml` answer.
fn request(version: SpekeVersion) -> KeyRequest {
    let rule = KeyRule::of(&[TrackType::All])[0];
    KeyRequest {
        content_id: content_id(),
        scheme: ProtectionScheme::Cbcs,
        version,
        systems: vec![DrmSystem::Widevine, DrmSystem::PlayReady, DrmSystem::FairPlay],
        keys: vec![RequestedKey { rule, id: KEY_ID, iv: Some(IV) }],
        recipient_certificate: None,
        wants_hls: true,
        license_urls: BTreeMap::new(),
    }
}

fn read(document: &str, request: &KeyRequest) -> Result<KeySet, ResponseError> {
    read_response(document.as_bytes(), request, None)
}

#[test]
fn a_speke_1_request_is_this_document() {
    let expected = include_str!("request-1.0.xml");
    assert_eq!(request_document(&request(SpekeVersion::V1)), expected);
}

#[test]
fn a_speke_2_request_is_this_document() {
    let expected = include_str!("request-2.0.xml");
    assert_eq!(request_document(&request(SpekeVersion::V2)), expected);
    let newer = request_document(&request(SpekeVersion::V2_1));
    assert_eq!(newer, expected.replace("version=\"2.3\"", "version=\"2.4\""));
}

/// Without playlists nobody needs the bare PlayReady object or lines.
#[test]
fn many_keys_have_filters_that_meet() {
    use TrackType::{Hd, MultichannelAudio, Sd, StereoAudio, Uhd};
    let rules = KeyRule::of(&[Sd, Hd, Uhd, StereoAudio, MultichannelAudio]);
    let first = 0x0123_4567_89ab_cdef_0123_4567_8900_0001_u128;
    let key = |(rule, number): (KeyRule, u128)| RequestedKey {
        rule,
        id: KeyId((first + number).to_be_bytes()),
        iv: None,
    };
    let many = KeyRequest {
        scheme: ProtectionScheme::Cenc,
        systems: vec![DrmSystem::Widevine, DrmSystem::PlayReady],
        keys: rules.into_iter().zip(0..).map(key).collect(),
        wants_hls: false,
        ..request(SpekeVersion::V2)
    };
    assert_eq!(request_document(&many), include_str!("request-2.0-many.xml"));
}

#[test]
fn whatever_is_asked_is_well_formed() {
    for version in [SpekeVersion::V1, SpekeVersion::V2, SpekeVersion::V2_1] {
        for scheme in [
            ProtectionScheme::Cenc,
            ProtectionScheme::Cbcs,
            ProtectionScheme::HlsAes128,
            ProtectionScheme::HlsSampleAes,
        ] {
            for wants_hls in [false, true] {
                let systems = DrmSystem::ALL.to_vec();
                let recipient_certificate = wants_hls.then(|| vec![1, 2, 3]);
                let all = KeyRequest {
                    scheme,
                    systems,
                    wants_hls,
                    recipient_certificate,
                    ..request(version)
                };
                let document = request_document(&all);
                let root = super::xml::Element::parse(&document).ok().unwrap();
                assert!(root.is(namespace::CPIX, "CPIX"), "{document}");
                assert!(!document.contains("e2719d58"), "Clear Key is not asked for: {document}");
            }
        }
    }
}

#[test]
fn plain_keys_have_a_system_id_in_each_dialect() {
    let plain = |version| KeyRequest {
        scheme: ProtectionScheme::HlsAes128,
        systems: vec![DrmSystem::PlainKey, DrmSystem::ClearKey],
        ..request(version)
    };
    let first = request_document(&plain(SpekeVersion::V1));
    assert!(first.contains("systemId=\"81376844-f976-481e-a84e-cc25d39b0b33\">\n      <cpix:URIE"));
    let second = request_document(&plain(SpekeVersion::V2));
    let media = "systemId=\"3ea8778f-7742-4bf9-b18b-e834b2acbd47\">\n      <cpix:HLSSignalingData";
    assert!(second.contains(media), "{second}");
    assert!(second.contains("commonEncryptionScheme=\"cbc1\""));
    assert!(!second.contains("PSSH"));
}

#[test]
fn a_certificate_goes_first() {
    let sealed =
        KeyRequest { recipient_certificate: Some(vec![1, 2, 3]), ..request(SpekeVersion::V2) };
    let document = request_document(&sealed);
    let expected = "  <cpix:DeliveryDataList>
    <cpix:DeliveryData>
      <cpix:DeliveryKey>
        <ds:X509Data>
          <ds:X509Certificate>AQID</ds:X509Certificate>
        </ds:X509Data>
      </cpix:DeliveryKey>
    </cpix:DeliveryData>
  </cpix:DeliveryDataList>
  <cpix:ContentKeyList>";
    assert!(document.contains(expected), "{document}");
    assert!(document.contains("xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\""));
}

#[test]
fn key_ids_are_the_same_for_the_same_question_only() {
    use ProtectionScheme::{Cbcs, Cenc, HlsSampleAes};
    let id = key_id(&content_id(), TrackType::Sd, Cenc);
    assert_eq!(id, key_id(&content_id(), TrackType::Sd, Cenc));
    let other = ContentId::new("asset-2").unwrap();
    for different in [
        key_id(&other, TrackType::Sd, Cenc),
        key_id(&content_id(), TrackType::Hd, Cenc),
        key_id(&content_id(), TrackType::Sd, Cbcs),
    ] {
        assert_ne!(id, different);
    }
    // Transport streams with SAMPLE-AES are cbcs for key servers.
    let sample_aes = key_id(&content_id(), TrackType::Sd, HlsSampleAes);
    assert_eq!(sample_aes, key_id(&content_id(), TrackType::Sd, Cbcs));
    assert_eq!((id.0[6] >> 4, id.0[8] >> 6), (8, 0b10), "a UUID of version 8: {id}");
    assert_ne!(derived_iv(id), id.0);
    assert_ne!(derived_iv(id), derived_iv(sample_aes));
}

/// IDs of keys already given out must not change with the program.
#[test]
fn key_ids_and_ivs_stay_what_they_were() {
    let id = key_id(&content_id(), TrackType::All, ProtectionScheme::Cbcs);
    assert_eq!(id.to_string(), "0e5aa728-5f50-8009-ae9a-1a026d85f6ee");
    assert_eq!(hex::encode(derived_iv(id)), "e8fc3fe789f2947394e41e386c525b2b");
}

fn assert_is_the_key(set: &KeySet) {
    assert_eq!(set.scheme, ProtectionScheme::Cbcs);
    let entry = set.key_for(Medium::Audio, 2).unwrap();
    assert_eq!(entry.key.id, KEY_ID);
    assert_eq!(entry.key.expose(), &SECRET);
    assert_eq!(entry.key.iv, Some(IV));
    let systems: Vec<_> = entry.signalling.iter().map(|said| said.system).collect();
    assert_eq!(systems, request(SpekeVersion::V2).systems);
}

#[test]
fn a_speke_1_answer_is_read() {
    let set = read(RESPONSE_1, &request(SpekeVersion::V1)).unwrap();
    assert_is_the_key(&set);
    let [widevine, playready, fairplay] = &set.keys[0].signalling[..] else { panic!() };
    assert_eq!(widevine.pssh.as_ref().unwrap().len(), 56);
    let encoded = STANDARD.encode(widevine.pssh.as_ref().unwrap());
    assert!(widevine.hls_media[0].uri.ends_with(&encoded), "made from the server's box");
    let object = playready.playready_object.as_ref().unwrap();
    assert_eq!(&PsshBox::parse(playready.pssh.as_ref().unwrap()).unwrap()[0].data, object);
    let line = &fairplay.hls_media[0];
    assert_eq!(line.key_format.as_deref(), Some("com.apple.streamingkeydelivery"));
    assert_eq!(line.key_format_versions.as_deref(), Some("1"));
    assert!(line.uri.starts_with("skd://"), "{line:?}");
    assert_eq!(fairplay.hls_session, fairplay.hls_media);
}

#[test]
fn a_speke_2_answer_is_read() {
    let mut asked = request(SpekeVersion::V2);
    let url = "https://lic.example/wv".to_owned();
    asked.license_urls.insert(DrmSystem::Widevine, url.clone());
    let set = read(RESPONSE_2, &asked).unwrap();
    assert_is_the_key(&set);
    let [widevine, playready, fairplay] = &set.keys[0].signalling[..] else { panic!() };
    assert_eq!(widevine.license_url, Some(url));
    assert_eq!(
        widevine.content_protection.as_deref(),
        Some(
            "<cenc:pssh xmlns:cenc=\"urn:mpeg:cenc:2013\">AAAAOHBzc2gAAAAA7e+LqXnWSs6jyCfc1R0h7QAA\
             ABgSEAEjRWeJq83vASNFZ4mrze9I88aJmwY=</cenc:pssh>"
        )
    );
    let key_id = ("KEYID".to_owned(), "0x0123456789abcdef0123456789abcdef".to_owned());
    assert_eq!(widevine.hls_session[0].others, [key_id]);
    let children = playready.content_protection.as_ref().unwrap();
    assert!(children.contains("</cenc:pssh><mspr:pro xmlns:mspr="));
    assert_eq!(playready.playready_object.as_ref().unwrap().len(), 446);
    assert_eq!(
        fairplay.hls_media[0].uri,
        "skd://keys.example/asset-1/01234567-89ab-cdef-0123-456789abcdef"
    );
    assert_eq!((&fairplay.pssh, &fairplay.content_protection), (&None, &None));
}

#[test]
fn speke_1_literals_are_base64_of_text() {
    for (text, encoded) in [
        ("identity", "aWRlbnRpdHk="),
        ("com.apple.streamingkeydelivery", "Y29tLmFwcGxlLnN0cmVhbWluZ2tleWRlbGl2ZXJ5"),
        ("1", "MQ=="),
    ] {
        assert_eq!(STANDARD.encode(text), encoded);
    }
    let plain = |format: &str| {
        let document = RESPONSE_1
            .replace("94ce86fb-07ff-4f43-adb8-93d2fa968ca2", DrmSystem::PLAIN_KEY_SYSTEM_IDS[0])
            .replace("Y29tLmFwcGxlLnN0cmVhbWluZ2tleWRlbGl2ZXJ5", format);
        let mut asked = request(SpekeVersion::V1);
        asked.systems = vec![DrmSystem::PlainKey];
        read(&document, &asked).unwrap().keys[0].signalling[0].hls_media[0].key_format.clone()
    };
    for format in ["aWRlbnRpdHk=", "identity", " ", "aWRlbnRpdHk"] {
        assert_eq!(plain(format).as_deref(), Some("identity"), "{format:?}");
    }
}

proptest! {
    #[test]
    fn any_answer_is_survived(at in 0usize..9000, bytes in proptest::collection::vec(any::<u8>(), 0..6)) {
        for (document, version) in [(RESPONSE_1, SpekeVersion::V1), (RESPONSE_2, SpekeVersion::V2)] {
            let mut spoiled = document.as_bytes().to_vec();
            let at = at % spoiled.len();
            let end = (at + bytes.len()).min(spoiled.len());
            spoiled.splice(at..end, bytes.iter().copied());
            let _ = read_response(&spoiled, &request(version), None);
            let _ = read_response(&spoiled[..at], &request(version), None);
        }
    }
}
