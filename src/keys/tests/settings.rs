//! Fixed keys, IVs, and settings that cannot be used.

use super::*;

const KEY_TEXT: &str = "00112233445566778899aabbccddeeff";
const ID: KeyId = KeyId([0xc1; 16]);

fn fixed(fixture: &Fixture, scheme: ProtectionScheme, system: DrmSystem) -> Encryption {
    Encryption {
        scheme,
        systems: vec![system],
        keys: KeyProvider::Static(vec![StaticKey {
            track_type: TrackType::All,
            key_id: ID,
            key: fixture.vault.seal(KEY_TEXT).unwrap(),
            iv: None,
            uri: None,
        }]),
        constant_iv: None,
        clear_lead_segments: 0,
        license_urls: BTreeMap::new(),
    }
}

fn keys_of(encryption: &mut Encryption) -> &mut Vec<StaticKey> {
    match &mut encryption.keys {
        KeyProvider::Static(keys) => keys,
        KeyProvider::Server(_) => panic!("no fixed keys"),
    }
}

#[tokio::test]
async fn fixed_keys_are_opened_and_signalled() {
    let fixture = Fixture::new(usual());
    let mut encryption = fixed(&fixture, ProtectionScheme::Cenc, DrmSystem::Widevine);
    encryption.systems.push(DrmSystem::ClearKey);
    let licence = "https://licences.example/";
    encryption.license_urls.insert(DrmSystem::ClearKey, licence.to_owned());
    keys_of(&mut encryption)[0].track_type = TrackType::Sd;
    let mut second = keys_of(&mut encryption)[0].clone();
    (second.track_type, second.key_id) = (TrackType::Hd, KeyId([0xc2; 16]));
    keys_of(&mut encryption).push(second);

    let set = fixture.get(&encryption).await.unwrap();
    let [sd, hd] = set.keys.as_slice() else { panic!("{set:?}") };
    assert_eq!((sd.rule.track_type, sd.rule.maximum), (TrackType::Sd, Some(1024 * 576)));
    assert_eq!((hd.rule.track_type, hd.key.id), (TrackType::Hd, KeyId([0xc2; 16])));
    assert_eq!((sd.key.expose(), sd.key.iv), (&KEY, None));
    assert!(sd.signalling[0].pssh.is_some());
    assert_eq!(sd.signalling[1].license_url.as_deref(), Some(licence));
    assert!(!format!("{set:?} {encryption:?}").contains(KEY_TEXT));
}

#[tokio::test]
async fn the_iv_is_the_keys_own_then_the_constant_one_then_derived() {
    use ProtectionScheme::{Cbcs, Cenc, HlsAes128, HlsSampleAes};

    let fixture = Fixture::new(usual());
    let derived = Some(cpix::derived_iv(ID));
    let (own, constant) = (Some([1; 16]), Some([2; 16]));
    let cases = [
        (Cbcs, None, None, derived),
        (Cbcs, None, constant, constant),
        (Cbcs, own, constant, own),
        // One IV for each segment, unless FairPlay hands it out.
        (HlsSampleAes, None, None, None),
        (HlsSampleAes, None, constant, constant),
        (HlsAes128, None, None, None),
        (HlsAes128, None, constant, constant),
        (HlsAes128, own, None, own),
        (Cenc, own, constant, None),
    ];
    for (scheme, own, constant, expected) in cases {
        let system = match scheme {
            HlsAes128 | HlsSampleAes => DrmSystem::PlainKey,
            _ => DrmSystem::Widevine,
        };
        let mut encryption = fixed(&fixture, scheme, system);
        keys_of(&mut encryption)[0].iv = own;
        keys_of(&mut encryption)[0].uri = Some("https://keys.example/1".to_owned());
        encryption.constant_iv = constant;
        let title = content_id();
        let set = fixture.keys.key_set(&title, PackageType::Hls, &encryption).await.unwrap();
        assert_eq!(set.keys[0].key.iv, expected, "{scheme:?}");

        // And what a server is asked for, which has no key's own IV.
        if own.is_none() {
            let asked = requested_keys(&title, SpekeVersion::V2, &[], &encryption);
            let id = cpix::key_id(&title, TrackType::All, scheme);
            let derived =
                expected.map(|iv| if constant.is_some() { iv } else { cpix::derived_iv(id) });
            assert_eq!((asked[0].id, asked[0].iv), (id, derived), "{scheme:?}");
        }
    }
}

#[test]
fn track_types_become_rules_and_speke_1_has_one() {
    let folder = Fixture::new(usual());
    let encryption = fixed(&folder, ProtectionScheme::Cbcs, DrmSystem::Widevine);
    let types = [TrackType::Sd, TrackType::Hd, TrackType::Audio];
    let asked = |version, types| -> Vec<TrackType> {
        let keys = requested_keys(&content_id(), version, types, &encryption);
        keys.iter().map(|key| key.rule.track_type).collect()
    };
    assert_eq!(asked(SpekeVersion::V2, &types), types);
    assert_eq!(asked(SpekeVersion::V2_1, &[]), [TrackType::All]);
    assert_eq!(asked(SpekeVersion::V1, &types), [TrackType::All]);
}

#[tokio::test]
async fn faults_of_fixed_keys_are_ours_and_told_without_the_key() {
    let fixture = Fixture::new(usual());
    let good = fixed(&fixture, ProtectionScheme::Cbcs, DrmSystem::Widevine);
    let with = |change: &dyn Fn(&mut Encryption)| {
        let mut encryption = good.clone();
        change(&mut encryption);
        encryption
    };
    let seal = |text: &str| fixture.vault.seal(text).unwrap();
    let short = &KEY_TEXT[..30];
    let cases = [
        (with(&|e| keys_of(e)[0].key = seal(short)), "32 hexadecimal digits"),
        (with(&|e| keys_of(e)[0].key = seal(&format!("{short}xy"))), "32 hexadecimal digits"),
        (with(&|e| keys_of(e)[0].key = seal("env:PACKORIGIN_SECRET_K")), "is not set"),
        (with(&|e| keys_of(e)[0].iv = Some(KEY)), "would give it away"),
        (with(&|e| e.systems = vec![DrmSystem::PlainKey]), "plain HLS key"),
    ];
    for (encryption, expected) in cases {
        let error = fixture.get(&encryption).await.unwrap_err();
        assert_discreet(&error);
        assert!(error.message().contains(expected), "{expected} in {error}");
        assert!(error.message().contains(&ID.to_string()), "{error}");
        assert!(!format!("{error:?}").contains(short), "{error:?}");
        assert_eq!(error.blame(), Blame::Us, "{error}");
    }
}

#[tokio::test]
async fn settings_of_servers_that_cannot_be_used_are_ours() {
    let fixture = Fixture::new(usual());
    let server = TestServer::start([Reply::Good(KEY)]).await;
    let good = fixture.encryption(&server);
    let with = |change: &dyn Fn(&mut KeyServer)| {
        let mut encryption = good.clone();
        change(server_of(&mut encryption));
        encryption
    };
    let seal = |text: &str| fixture.vault.seal(text).unwrap();
    let header = |name: &str, value: &str| vec![(name.to_owned(), seal(value))];
    let cases = [
        (with(&|s| s.url = seal(TOKEN)), "keyServer.url"),
        (with(&|s| s.url = seal("ftp://keys.example/")), "keyServer.url"),
        (with(&|s| s.url = seal("env:PACKORIGIN_SECRET_URL")), "PACKORIGIN_SECRET_URL is not set"),
        (with(&|s| s.headers = header("Host", TOKEN)), "keyServer.headers"),
        (with(&|s| s.headers = header("a b", TOKEN)), "keyServer.headers"),
        (with(&|s| s.bearer_token = Some(seal("line\nbreak"))), "no header can carry"),
        (with(&|s| s.trusted_certificates = Some(seal(TOKEN))), "trustedCertificates"),
        (with(&|s| s.client_identity = Some((seal(TOKEN), seal(TOKEN)))), "clientIdentity"),
        (with(&|s| s.key_encryption = Some((seal(TOKEN), seal(TOKEN)))), "keyEncryption"),
        (with(&|s| s.url = ProtectedText::Sealed("AAAA".to_owned())), "bring back"),
    ];
    for (encryption, expected) in cases {
        let error = fixture.get(&encryption).await.unwrap_err();
        assert_discreet(&error);
        assert!(error.message().contains(expected), "{expected} in {error}");
        assert_eq!(error.blame(), Blame::Us, "{error}");
    }
    assert_eq!(server.count(), 0);
}
