//! Encrypted segments: any bytes of them, keys from everywhere, and what is wrong with either.

use proptest::prelude::{ProptestConfig, proptest};

use super::*;
use crate::cenc::aes128::encrypt_segment;
use crate::model::presentation::SourceObject;
use crate::model::source_key::{KeyPlace, SourceEncryption};

const KEY: [u8; 16] = *b"0123456789abcdef";
const IV: [u8; 16] = [0xA5; 16];

fn open_folder(folder: &std::path::Path, key_hosts: &[&str]) -> Arc<Root> {
    let url = url::Url::from_directory_path(folder).unwrap();
    let overrides =
        config::Overrides { sources: vec![format!("s={url}")], ..config::Overrides::default() };
    let config = config::Config::load(None, BTreeMap::new(), &overrides).unwrap();
    let egress = Egress {
        allow_hosts: vec![loopback()],
        key_hosts: key_hosts.iter().map(|host| (*host).to_owned()).collect(),
    };
    let metrics = Arc::new(Metrics::new().unwrap());
    let sources = Sources::open(&config.sources, &limits(), &egress, &metrics).unwrap();
    sources.get("s").unwrap()
}

/// A segment behind `start` other bytes, and its key, in a folder.
fn folder(clear: &[u8], start: usize) -> (tempfile::TempDir, Arc<Root>, SourceObject) {
    let folder = tempfile::tempdir().unwrap();
    let encrypted = encrypt_segment(&KEY, &IV, clear.to_vec());
    let file = [&vec![7; start][..], &encrypted, b"behind"].concat();
    std::fs::write(folder.path().join("a.ts"), file).unwrap();
    std::fs::write(folder.path().join("a.key"), KEY).unwrap();
    let root = open_folder(folder.path(), &[]);
    let object = SourceObject {
        path: "a.ts".to_owned(),
        start: start as u64,
        size: clear.len() as u64,
        packet_bytes: 188,
        encryption: Some(SourceEncryption { key: KeyPlace::Stored("a.key".to_owned()), iv: IV }),
    };
    (folder, root, object)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_are_those_of_the_whole_decrypted(
        clear in proptest::collection::vec(proptest::num::u8::ANY, 0..2000),
        start in 0_usize..40,
        (from, to) in (0_usize..2000, 0_usize..2000),
    ) {
        let (_folder, root, object) = folder(&clear, start);
        let (from, to) = (from.min(clear.len()), to.min(clear.len()));
        let (from, to) = (from.min(to), from.max(to));
        runtime().block_on(async {
            let read = root.read_object(&object, from as u64..to as u64).await.unwrap();
            assert_eq!(read, clear[from..to]);
            let encryption = object.encryption.as_ref().unwrap();
            let stored = (clear.len() / 16 * 16 + 16) as u64;
            let size = root.clear_size(&path("a.ts"), start as u64, stored, encryption).await;
            assert_eq!(size, Ok(clear.len() as u64));
            let behind = root.read_object(&object, 0..clear.len() as u64 + 1).await.unwrap_err();
            assert_eq!(behind.label(), "truncated");
        });
    }
}

#[tokio::test]
async fn a_wrong_key_size_or_padding_is_named() {
    let (folder, root, object) = folder(&[0x47; 188], 0);
    let encryption = object.encryption.as_ref().unwrap();
    let at = path("a.ts");
    let size = |stored| root.clear_size(&at, 0, stored, encryption);
    for stored in [0, 15, 191] {
        let error = size(stored).await.unwrap_err();
        assert_eq!(error.label(), "undecryptable");
        assert!(error.to_string().contains(&format!("{stored} bytes")), "{error}");
    }
    assert_eq!(size(192).await, Ok(188));
    // Another key is taken once the old one is forgotten, and not before.
    std::fs::write(folder.path().join("a.key"), [9; 16]).unwrap();
    assert_eq!(size(192).await, Ok(188));
    root.forget_keys();
    let error = size(192).await.unwrap_err().to_ingest_failure();
    assert_eq!(error.code, crate::model::ingest::FailureCode::CorruptSegment);
    assert!(error.detail.starts_with("a.ts: cannot be decrypted"), "{}", error.detail);
    assert!(error.detail.contains("a.key") && error.detail.contains("IV"), "{}", error.detail);
    for (bytes, count) in [(15, "15"), (17, "17"), (32, "32"), (65, "more than 64"), (0, "0")] {
        root.forget_keys();
        std::fs::write(folder.path().join("a.key"), vec![1; bytes]).unwrap();
        let error = size(192).await.unwrap_err().to_string();
        assert!(error.starts_with("a.key: cannot be decrypted (a key has 16 bytes"), "{error}");
        assert!(error.contains(&format!("this has {count})")), "{error}");
    }
    std::fs::remove_file(folder.path().join("a.key")).unwrap();
    assert_eq!(size(192).await.unwrap_err().label(), "not_found");
}

#[test]
fn keys_lie_below_the_root_or_on_a_named_host() {
    let folder = tempfile::tempdir().unwrap();
    let root = open_folder(folder.path(), &["keys.example"]);
    let place = |uri: &str| root.key_place(&path("dir/media.m3u8"), uri);
    assert_eq!(place("k%20y.bin?x=1").unwrap(), KeyPlace::Stored("dir/k y.bin".to_owned()));
    for url in ["https://KEYS.example/a?t=1#f", "http://keys.example:8080/a"] {
        assert!(matches!(place(url), Ok(KeyPlace::Url(_))), "{url}");
    }
    let kept = place("https://KEYS.example/a?t=1#f").unwrap();
    assert_eq!(kept, KeyPlace::Url("https://keys.example/a?t=1".to_owned()));
    for (uri, says) in [
        ("../../k", "not below the root"),
        ("https://keys.example.evil/a", "ingest.key_hosts"),
        ("https://keys.example@evil/a", "user"),
        ("//keys.example/a", "names a host"),
        ("data:text/plain;base64,MDEyMzQ1Njc4OWFiY2RlZg==", "data: URIs"),
        ("skd://x", "skd: URIs"),
    ] {
        let error = place(uri).unwrap_err();
        assert_eq!(error.label(), "outside_source", "{uri}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(!error.to_string().contains("MDEy"), "{error}");
    }
}

#[tokio::test]
async fn keys_of_web_servers_are_asked_for_once_and_may_fail() {
    let (folder, _, mut object) = folder(b"clear", 0);
    let answer = |before: usize, asked: Asked| async move {
        match asked.target.split('?').next().unwrap() {
            "/good" if before == 0 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            "/good" => KEY.into_response(),
            "/long" => [1; 17].into_response(),
            "/moved" => (StatusCode::FOUND, [(header::LOCATION, "/good")]).into_response(),
            "/denied" => StatusCode::FORBIDDEN.into_response(),
            _ => StatusCode::NOT_FOUND.into_response(),
        }
    };
    let server = Server::start(answer).await;
    let root = open_folder(folder.path(), &["127.0.0.1"]);
    let url = |name: &str| format!("http://{}/{name}?token=secret", server.address);
    let mut read = |root: Arc<Root>, url: String| {
        let key = root.key_place(&path("m.m3u8"), &url).unwrap_or(KeyPlace::Url(url));
        object.encryption = Some(SourceEncryption { key, iv: IV });
        let object = object.clone();
        async move { root.read_object(&object, 1..5).await }
    };
    // The first answer is an outage, which passes.
    let both =
        futures_util::join!(read(root.clone(), url("good")), read(root.clone(), url("good")));
    assert_eq!(both, (Ok("lear".into()), Ok("lear".into())));
    assert_eq!(server.asked().len(), 2);
    for (name, label) in [
        ("long", "undecryptable"),
        ("moved", "forbidden"),
        ("denied", "forbidden"),
        ("none", "not_found"),
    ] {
        let error = read(root.clone(), url(name)).await.unwrap_err();
        assert_eq!(error.label(), label, "{name}");
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    // The settings decide when the key is fetched, not only when the asset is read in.
    let strict = open_folder(folder.path(), &["keys.example"]);
    let error = read(strict, url("good")).await.unwrap_err();
    assert!(error.to_string().contains("ingest.key_hosts"), "{error}");
}

#[tokio::test]
async fn named_hosts_on_private_addresses_need_the_egress_rule_too() {
    let (folder, _, mut object) = folder(b"clear", 0);
    let root = open_folder(folder.path(), &["127.0.0.2", "localhost"]);
    for host in ["127.0.0.2", "localhost"] {
        let key = KeyPlace::Url(format!("http://{host}:9/key"));
        object.encryption = Some(SourceEncryption { key, iv: IV });
        let error = root.read_object(&object, 0..1).await.unwrap_err();
        let refused = error.to_string().contains("egress.allow_hosts");
        // `localhost` is the allowed address or ::1, which is not; nothing listens there.
        assert!(refused || host == "localhost", "{error}");
    }
}
