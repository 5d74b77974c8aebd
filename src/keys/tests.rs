//! The service against a key server that speaks HTTP over a socket and does as each test wants.

mod outage;
mod server;
mod settings;
mod tls;
mod transport;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use self::server::{KEY, Reply, TestServer};
use super::*;
use crate::config::{AllowedHost, Egress, SealingKey, Secrets};
use crate::model::encryption::{ProtectedText, SpekeVersion, StaticKey};
use crate::model::protection::{KeyId, ProtectionScheme, TrackType};

const TOKEN: &str = "tok-hush-hush-3141";

/// A service, where it keeps things, and its hands.
struct Fixture {
    keys: Arc<Keys>,
    vault: Arc<Vault>,
    metrics: Arc<Metrics>,
    folder: Arc<tempfile::TempDir>,
    clock: HandClock,
}

/// A clock that a test moves.
#[derive(Clone)]
struct HandClock {
    start: Now,
    passed: Arc<AtomicU64>,
}

impl HandClock {
    fn new() -> Self {
        Self { start: Now::of_the_machine(), passed: Arc::default() }
    }

    fn advance(&self, seconds: u64) {
        self.passed.fetch_add(seconds, Ordering::SeqCst);
    }

    fn now(&self) -> Now {
        let passed = self.passed.load(Ordering::SeqCst);
        Now {
            instant: self.start.instant + Duration::from_secs(passed),
            unix_seconds: self.start.unix_seconds + passed,
        }
    }
}

fn usual() -> config::Keys {
    config::Keys {
        timeout: Duration::from_secs(20),
        attempts: 3,
        cache_time: Duration::from_secs(60),
        keep_time: Duration::from_secs(3600),
        disk_cache: false,
        max_response_bytes: 1 << 20,
    }
}

impl Fixture {
    fn new(settings: config::Keys) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Self::in_folder(folder, HandClock::new(), settings, [7; 32])
    }

    /// What a start of the program on an existing data directory gives.
    fn in_folder(
        folder: Arc<tempfile::TempDir>,
        clock: HandClock,
        settings: config::Keys,
        sealing_key: [u8; 32],
    ) -> Self {
        let secrets = Secrets {
            key: Some(SealingKey::new(Zeroizing::new(sealing_key))),
            ..Secrets::default()
        };
        let vault = Arc::new(Vault::new(&secrets, folder.path()).unwrap());
        let local = AllowedHost::Network("127.0.0.1/32".parse().unwrap());
        let policy = EgressPolicy::new(&Egress { allow_hosts: vec![local], ..Egress::default() });
        Self::assemble(folder, clock, settings, vault, policy)
    }

    fn assemble(
        folder: Arc<tempfile::TempDir>,
        clock: HandClock,
        settings: config::Keys,
        vault: Arc<Vault>,
        policy: EgressPolicy,
    ) -> Self {
        let metrics = Arc::new(Metrics::new().unwrap());
        let (vault_, metrics_) = (vault.clone(), metrics.clone());
        let parts =
            Parts { settings, data_dir: folder.path(), vault: vault_, policy, metrics: metrics_ };
        let millisecond = Duration::from_millis(1);
        let backoff = Backoff { first: millisecond, longest: millisecond };
        let hand = clock.clone();
        let keys = parts.assemble(backoff, Box::new(move || hand.now())).unwrap();
        Self { keys, vault, metrics, folder, clock }
    }

    /// Settings that point at `server`, with a token that must not show anywhere.
    fn encryption(&self, server: &TestServer) -> Encryption {
        self.encryption_at(&format!("{}/speke/{TOKEN}?t=1", server.url()))
    }

    fn encryption_at(&self, url: &str) -> Encryption {
        let seal = |text: &str| self.vault.seal(text).unwrap();
        Encryption {
            scheme: ProtectionScheme::Cbcs,
            systems: vec![DrmSystem::Widevine, DrmSystem::ClearKey],
            keys: KeyProvider::Server(Box::new(KeyServer {
                url: seal(url),
                shown_url: String::new(),
                headers: vec![("X-Api-Key".to_owned(), seal(TOKEN))],
                version: SpekeVersion::V2,
                track_types: Vec::new(),
                basic: None,
                bearer_token: None,
                client_identity: None,
                trusted_certificates: None,
                key_encryption: None,
            })),
            constant_iv: None,
            clear_lead_segments: 0,
            license_urls: BTreeMap::new(),
        }
    }

    async fn get(&self, encryption: &Encryption) -> Result<Arc<KeySet>> {
        self.keys.key_set(&content_id(), PackageType::HlsCmaf, encryption).await
    }

    fn known(&self, encryption: &Encryption) -> Vec<Arc<KeySet>> {
        self.keys.known_key_sets(&content_id(), PackageType::HlsCmaf, encryption)
    }

    fn counted(&self, line: &str) -> bool {
        self.metrics.render().unwrap().lines().any(|found| found == line)
    }
}

fn content_id() -> ContentId {
    ContentId::new("asset-1").unwrap()
}

/// The settings of the server in `encryption`.
fn server_of(encryption: &mut Encryption) -> &mut KeyServer {
    match &mut encryption.keys {
        KeyProvider::Server(server) => server,
        KeyProvider::Static(_) => panic!("no server"),
    }
}

/// An error of the right kind that names the place and shows no secret.
#[track_caller]
fn assert_discreet(error: &Error) {
    assert_eq!(error.kind(), Kind::KeysUnavailable, "{error:?}");
    let shown = format!("{error} {error:?} {}", error.chain());
    for secret in [TOKEN, &STANDARD.encode(KEY), &hex::encode(KEY), "speke/", "?t=1"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("asset-1"), "{shown}");
}
