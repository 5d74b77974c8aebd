//! HTTP end to end: one request on an open connection to the playback listener, from the first byte
//! sent to the last byte read.
//!
//! | bench | |
//! |---|---|
//! | `cold/…` | both caches of media are off, so each answer is made: source in the page cache, packaging, socket |
//! | `cached/…` | the same URLs where the cache of finished segments has them |
//! | `…/cmaf`, `… cenc`, `… cbcs`, `ts`, `… aes-128`, `… sample-aes` | the second segment of the best rendition |
//! | `…/init`, `mpd`, `master`, `media playlist` | what a player asks for before |
//!
//! The origin is the one that `packorigin serve` starts, with its catalog, its access check and its
//! metrics, on two threads of this process; the client is a blocking socket that copies the body out
//! and looks at nothing but its length. So the time holds both ends of a loopback connection, and on
//! a machine with one core they add up.
//!
//! Throughput is in bytes of body. Does not measure many connections at once, TLS, or what the server
//! alone costs a core: `benches/peers` does.
#![allow(clippy::expect_used, missing_docs, reason = "a bench that cannot start must say so")]

mod reel;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use packorigin::app::App;
use packorigin::config::{Config, Overrides};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use url::Url;

/// A field of `encryption` that says what is done, and its value.
type Encryption = Option<(&'static str, &'static str)>;

/// Name, package type, and how its `encryption` says what is done.
const CONFIGURATIONS: [(&str, &str, Encryption); 7] = [
    ("dash", "DASH", None),
    ("cmaf", "HLS_CMAF", None),
    ("cmaf-cenc", "HLS_CMAF", Some(("scheme", "cenc"))),
    ("cmaf-cbcs", "HLS_CMAF", Some(("scheme", "cbcs"))),
    ("ts", "HLS", None),
    ("ts-aes-128", "HLS", Some(("method", "AES_128"))),
    ("ts-sample-aes", "HLS", Some(("method", "SAMPLE_AES"))),
];
/// Ingest of a reel takes a fraction of this.
const PATIENCE: Duration = Duration::from_secs(60);

fn http(criterion: &mut Criterion) {
    let runtime = reel::runtime();
    for reel in reel::reels(&runtime) {
        for (name, media_cache) in [("cold", "0"), ("cached", "1GiB")] {
            let data = tempfile::tempdir().expect("a folder");
            let origin = Origin::start(&runtime, &reel.folder, data.path(), media_cache);
            let mut client = Client::new(origin.app.playback_address);
            let mut group = criterion.benchmark_group(format!("http/{}/{name}", reel.name));
            for (name, path) in origin.paths(&mut client) {
                // The first answer fills the caches, where there are any.
                let bytes = client.get(&path);
                group.throughput(Throughput::Bytes(bytes as u64));
                group.bench_function(name, |bencher| bencher.iter(|| client.get(&path)));
            }
            group.finish();
            runtime.block_on(origin.app.stop());
        }
    }
}

/// An origin with one asset in all configurations.
struct Origin {
    app: App,
    /// The entry manifest of each configuration.
    entries: BTreeMap<String, Url>,
}

impl Origin {
    fn start(runtime: &Runtime, media: &Path, data: &Path, media_cache: &str) -> Self {
        let source = Url::from_directory_path(media).expect("an absolute path");
        let overrides = Overrides {
            listen: Some("127.0.0.1:0".to_owned()),
            control_listen: Some("127.0.0.1:0".to_owned()),
            data_dir: Some(data.to_owned()),
            sources: vec![format!("default={source}")],
        };
        let environment = ["PACKORIGIN_CACHE_SEGMENT_BYTES", "PACKORIGIN_CACHE_SOURCE_BYTES"]
            .map(|name| (name.to_owned(), media_cache.to_owned()));
        let config = Config::load(None, environment, &overrides).expect("settings");
        let app = runtime.block_on(App::start(&config, &reel::metrics())).expect("an origin");
        let control = Control(app.control_address);
        control.post("packaging-groups", &json!({"name": "bench"}));
        for (name, package_type, protection) in CONFIGURATIONS {
            let encryption = protection.map(|(word, value)| encryption(word, value));
            let mut configuration = json!({"name": name, "packageType": package_type});
            if let Some(encryption) = encryption {
                configuration["encryption"] = encryption;
            }
            control.post("packaging-groups/bench/packaging-configurations", &configuration);
        }
        let asset = json!({
            "name": "reel", "packagingGroup": "bench", "path": "master.m3u8", "contentId": "reel",
        });
        control.post("assets", &asset);
        let entries = control.endpoints("assets/reel");
        Self { app, entries }
    }

    /// What is asked for, with the name of its bench.
    fn paths(&self, client: &mut Client) -> Vec<(String, String)> {
        let mut paths = vec![("mpd".to_owned(), self.entries["dash"].path().to_owned())];
        for (name, _, _) in CONFIGURATIONS.iter().filter(|(name, ..)| *name != "dash") {
            let master = &self.entries[*name];
            let uris = client.uris(master);
            let media = uris.iter().find(|uri| uri.path().ends_with(".m3u8"));
            let media = media.expect("a media playlist");
            let text = client.text(media);
            let segment = client.uris(media).remove(1);
            paths.push(((*name).to_owned(), segment.path().to_owned()));
            if *name == "cmaf" {
                let (_, map) = text.split_once("#EXT-X-MAP:URI=\"").expect("an init segment");
                let (init, _) = map.split_once('"').expect("the end of its URI");
                let init = media.join(init).expect("a URI");
                paths.push(("init".to_owned(), init.path().to_owned()));
                paths.push(("master".to_owned(), master.path().to_owned()));
                paths.push(("media playlist".to_owned(), media.path().to_owned()));
            }
        }
        paths
    }
}

/// Settings with a key of their own, so that nobody has to be asked for one.
fn encryption(word: &str, value: &str) -> Value {
    const WIDEVINE: &str = "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed";
    const PLAIN_KEYS: &str = "3ea8778f-7742-4bf9-b18b-e834b2acbd47";
    let mut key = json!({
        "trackType": "ALL",
        "keyId": "43215678-1234-1234-1234-123456789012",
        "key": "00112233445566778899aabbccddeeff",
    });
    if value != "cenc" {
        key["iv"] = json!("0123456789abcdef0123456789abcdef");
    }
    let mut system = WIDEVINE;
    if word == "method" {
        system = PLAIN_KEYS;
        key["uri"] = json!("http://127.0.0.1:9/key");
    }
    json!({word: value, "systemIds": [system], "staticKeys": [key]})
}

/// The control API.
struct Control(SocketAddr);

impl Control {
    fn post(&self, path: &str, body: &Value) {
        let url = format!("http://{}/v1/{path}", self.0);
        let answer = reqwest::blocking::Client::new().post(url).json(body).send();
        let answer = answer.expect("an answer");
        let status = answer.status();
        assert!(status.is_success(), "{path}: {status} {}", answer.text().unwrap_or_default());
    }

    /// The URLs of an asset by configuration, once it can be played.
    fn endpoints(&self, path: &str) -> BTreeMap<String, Url> {
        let started = Instant::now();
        loop {
            let url = format!("http://{}/v1/{path}", self.0);
            let asset: Value = reqwest::blocking::get(url)
                .and_then(reqwest::blocking::Response::json)
                .expect("the asset");
            if asset["status"] == "PLAYABLE" {
                let endpoints = asset["egressEndpoints"].as_array().expect("endpoints");
                return endpoints.iter().map(endpoint).collect();
            }
            assert!(asset["status"] != "FAILED" && started.elapsed() < PATIENCE, "{asset}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn endpoint(entry: &Value) -> (String, Url) {
    let name = entry["packagingConfiguration"].as_str().expect("a configuration").to_owned();
    let url = entry["url"].as_str().and_then(|url| Url::parse(url).ok()).expect("a URL");
    (name, url)
}

/// A connection that asks for one thing after another.
struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, buffer: vec![0; 1 << 20] }
    }

    /// Bytes of the body.
    fn get(&mut self, path: &str) -> usize {
        self.read(path, |_| ())
    }

    fn text(&mut self, url: &Url) -> String {
        let mut body = Vec::new();
        self.read(url.path(), |bytes| body.extend_from_slice(bytes));
        String::from_utf8(body).expect("text")
    }

    /// The lines of a playlist that are URIs.
    fn uris(&mut self, playlist: &Url) -> Vec<Url> {
        let text = self.text(playlist);
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(|line| playlist.join(line).expect("a URI")).collect()
    }

    fn read(&mut self, path: &str, mut take: impl FnMut(&[u8])) -> usize {
        let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n");
        self.stream.write_all(request.as_bytes()).expect("a request");
        let mut held = 0;
        let head = loop {
            let read = self.stream.read(&mut self.buffer[held..]).expect("an answer");
            assert!(read > 0, "{path}: the connection was closed");
            held += read;
            let end = self.buffer[..held].windows(4).position(|bytes| bytes == b"\r\n\r\n");
            if let Some(end) = end {
                break end + 4;
            }
        };
        let text = std::str::from_utf8(&self.buffer[..head]).expect("a head");
        assert!(text.starts_with("HTTP/1.1 200"), "{path}: {text}");
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.and_then(|value| value.parse().ok()).expect("a length");
        take(&self.buffer[head..held]);
        let mut body = held - head;
        while body < length {
            let read = self.stream.read(&mut self.buffer).expect("a body");
            assert!(read > 0, "{path}: the body ends early");
            take(&self.buffer[..read]);
            body += read;
        }
        length
    }
}

criterion_group!(benches, http);
criterion_main!(benches);
