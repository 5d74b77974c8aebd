//! The packager's side asks and reads, written by other hands than the server's.

use std::collections::BTreeMap;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};

use super::*;
use crate::keys::cpix::key_wrap::PrivateKey;
use crate::keys::cpix::{
    KeyRequest, RequestedKey, ResponseError, derived_iv, key_id, read_response, request_document,
};
use crate::model::encryption::{AUDIO_PRESETS, SpekeVersion, VIDEO_PRESETS};
use crate::model::policy::ContentId;
use crate::model::protection::{
    DrmSystem, KeyRule, KeySet, ProtectionScheme, SystemSignalling, TrackType,
};

const VERSIONS: [SpekeVersion; 3] = [SpekeVersion::V1, SpekeVersion::V2, SpekeVersion::V2_1];

fn request(
    version: SpekeVersion,
    scheme: ProtectionScheme,
    systems: &[DrmSystem],
    types: &[TrackType],
) -> KeyRequest {
    let content_id = ContentId::new("asset-1").unwrap();
    let keys = KeyRule::of(types).into_iter().map(|rule| {
        let id = key_id(&content_id, rule.track_type, scheme);
        let iv = (scheme != ProtectionScheme::Cenc).then(|| derived_iv(id));
        RequestedKey { rule, id, iv }
    });
    KeyRequest {
        keys: keys.collect(),
        content_id,
        scheme,
        version,
        systems: systems.to_vec(),
        recipient_certificate: None,
        wants_hls: true,
        license_urls: BTreeMap::new(),
    }
}

async fn ask(server: &Server, request: &KeyRequest) -> Answer {
    let version = request.version.as_str();
    // A packager of SPEKE 1.0 says nothing about its version.
    let version = (request.version != SpekeVersion::V1).then_some(version);
    let answer = server.ask(version, &request_document(request)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

async fn key_set(server: &Server, request: &KeyRequest) -> Result<KeySet, ResponseError> {
    read_response(&ask(server, request).await.body, request, None)
}

/// What goes with what (the packaging configurations' table).
fn combinations() -> Vec<(ProtectionScheme, Vec<DrmSystem>)> {
    use DrmSystem::{FairPlay, PlainKey, PlayReady, Widevine};
    vec![
        (ProtectionScheme::Cenc, vec![Widevine, PlayReady]),
        (ProtectionScheme::Cbcs, vec![Widevine, PlayReady]),
        (ProtectionScheme::Cbcs, vec![Widevine, PlayReady, FairPlay]),
        (ProtectionScheme::HlsSampleAes, vec![FairPlay]),
        (ProtectionScheme::HlsSampleAes, vec![PlainKey]),
        (ProtectionScheme::HlsAes128, vec![PlainKey]),
    ]
}

#[tokio::test]
async fn the_packager_reads_what_it_asked_for() {
    for version in VERSIONS {
        for (scheme, systems) in combinations() {
            let request = request(version, scheme, &systems, &[TrackType::All]);
            let set = key_set(&server(), &request).await.unwrap();
            let [entry] = &set.keys[..] else { panic!("one key") };
            let own = server().0.seed.key(request.keys[0].id);
            assert_eq!(entry.key.id, own.id);
            assert_eq!(entry.key.expose(), own.expose());
            if scheme != ProtectionScheme::Cenc {
                assert_eq!(entry.key.iv, request.keys[0].iv, "{version:?} {scheme:?}");
            }
            let told: Vec<_> = entry.signalling.iter().map(|told| told.system).collect();
            assert_eq!(told, systems);
            for told in entry.signalling.iter() {
                check_told(told, &own, version);
            }
        }
    }
}

fn check_told(told: &SystemSignalling, key: &ContentKey, version: SpekeVersion) {
    let has_box = matches!(told.system, DrmSystem::Widevine | DrmSystem::PlayReady);
    assert_eq!(told.pssh.is_some(), has_box);
    // SPEKE 1.0 has no elements for MPDs; what is missing is made by the packager.
    if version != SpekeVersion::V1 {
        assert_eq!(told.content_protection.is_some(), has_box, "{:?}", told.system);
    }
    let uri = &told.hls_media[0].uri;
    match told.system {
        DrmSystem::FairPlay => assert_eq!(*uri, format!("skd://asset-1/{}", key.id)),
        DrmSystem::PlainKey => assert_eq!(*uri, format!("http://keys.test:81/keys/{}", key.id)),
        _ => assert!(uri.starts_with("data:text/plain;"), "{uri}"),
    }
    assert_eq!(told.hls_session[0].uri, *uri);
}

#[tokio::test]
async fn every_contract_of_the_packager_is_one_of_the_server() {
    let systems = [DrmSystem::Widevine, DrmSystem::PlayReady];
    let nothing: &[TrackType] = &[];
    let videos = || VIDEO_PRESETS.into_iter().chain([nothing]);
    let audios = || AUDIO_PRESETS.into_iter().chain([nothing]);
    for types in videos().flat_map(|video| audios().map(move |audio| [video, audio].concat())) {
        if types.is_empty() {
            continue;
        }
        let asked = request(SpekeVersion::V2_1, ProtectionScheme::Cbcs, &systems, &types);
        let set = key_set(&server(), &asked).await.unwrap();
        let rules: Vec<_> = set.keys.iter().map(|entry| entry.rule).collect();
        assert_eq!(rules, KeyRule::of(&types));
        let mut secrets: Vec<_> = set.keys.iter().map(|entry| *entry.key.expose()).collect();
        secrets.sort_unstable();
        secrets.dedup();
        assert_eq!(secrets.len(), types.len());
    }
}

/// A private key (PKCS#8), and a certificate as far as its public key.
fn key_pair() -> (PrivateKey, Vec<u8>) {
    let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
    let private: Pkcs8V1Der<'_> = key.as_der().unwrap();
    let public: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
    let value = |tag: u8, content: &[u8]| {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82], &length[..], content].concat()
    };
    // serialNumber; signature, issuer, validity, subject; subjectPublicKeyInfo (RFC 5280 4.1).
    let empty = value(0x30, &[]).repeat(4);
    let fields = [&[0x02, 1, 7][..], &empty, public.as_ref()].concat();
    let certificate = value(0x30, &value(0x30, &fields));
    (PrivateKey::from_pkcs8(private.as_ref()).unwrap(), certificate)
}

#[tokio::test]
async fn keys_travel_encrypted() {
    let (private, certificate) = key_pair();
    for version in VERSIONS {
        let types = match version {
            SpekeVersion::V1 => vec![TrackType::All],
            _ => vec![TrackType::Sd, TrackType::Hd, TrackType::Audio],
        };
        let systems = [DrmSystem::Widevine];
        let mut asked = request(version, ProtectionScheme::Cbcs, &systems, &types);
        asked.recipient_certificate = Some(certificate.clone());
        let answer = ask(&server(), &asked).await;
        for requested in &asked.keys {
            let plain = STANDARD.encode(server().0.seed.key(requested.id).expose());
            assert!(!answer.text().contains(&plain));
        }
        let set = read_response(&answer.body, &asked, Some(&private)).unwrap();
        for (entry, requested) in set.keys.iter().zip(&asked.keys) {
            assert_eq!(entry.key.expose(), server().0.seed.key(requested.id).expose());
        }
        let spoiled = ask(&failing(Fault::BadMac), &asked).await;
        assert!(read_response(&spoiled.body, &asked, Some(&private)).is_err());
    }
}

#[tokio::test]
async fn encryption_is_a_matter_of_settings_too() {
    let (_, certificate) = key_pair();
    let with = |encryption| Server(Settings { encryption, ..server().0 });
    let plain = request(
        SpekeVersion::V2,
        ProtectionScheme::Cbcs,
        &[DrmSystem::Widevine],
        &[TrackType::All],
    );
    let document = request_document(&plain);
    let answer = with(KeyEncryption::Always).ask(Some("2.0"), &document).await;
    assert_eq!(answer.status, 422);
    let asked = KeyRequest { recipient_certificate: Some(certificate), ..plain };
    let answer = ask(&with(KeyEncryption::Never), &asked).await;
    assert!(answer.text().contains("PlainValue"));
    let useless = KeyRequest { recipient_certificate: Some(vec![0x30, 0]), ..asked };
    let answer = server().ask(Some("2.0"), &request_document(&useless)).await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(answer.text().starts_with("DeliveryKey: "), "{}", answer.text());
}

/// The packager must notice each of these; `WrongVersion` is in a header, and is for its HTTP part.
#[tokio::test]
async fn the_packager_notices_what_goes_wrong() {
    for fault in [
        Fault::NotXml,
        Fault::IvEqualsKey,
        Fault::WrongKid,
        Fault::NoKey,
        Fault::ShortKey,
        Fault::WrongScheme,
        Fault::OtherPssh,
    ] {
        let systems = [DrmSystem::Widevine, DrmSystem::PlayReady];
        let asked = request(SpekeVersion::V2, ProtectionScheme::Cbcs, &systems, &[TrackType::All]);
        assert!(key_set(&server(), &asked).await.is_ok());
        assert!(key_set(&failing(fault), &asked).await.is_err(), "{fault:?}");
    }
}
