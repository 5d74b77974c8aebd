//! The playing journey with encryption, checked from outside.

use std::collections::HashSet;
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::decryption::TrackProtection;
use crate::media::{media_playlists, mpd_segments, playlist_segments};
use crate::origin::{Origin, program, testdata};

const WIDEVINE: &str = "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed";
const PLAYREADY: &str = "9a04f079-9840-4286-ab92-e65be0885f95";
const FAIRPLAY: &str = "94ce86fb-07ff-4f43-adb8-93d2fa968ca2";
const PLAIN_KEY: &str = "3ea8778f-7742-4bf9-b18b-e834b2acbd47";
const PATIENCE: Duration = Duration::from_secs(60);

const VIDEO_KEY_ID: &str = "01234567-89ab-cdef-0123-456789abcdef";
const VIDEO_KEY: &str = "00112233445566778899aabbccddeeff";
const AUDIO_KEY_ID: &str = "fedcba98-7654-3210-fedc-ba9876543210";
const AUDIO_KEY: &str = "ffeeddccbbaa99887766554433221100";

/// `packorigin key-server` on a port of its own.
struct KeyServer {
    process: Child,
    url: String,
}

impl KeyServer {
    fn start(port: u16, seed: &str) -> Self {
        let address = format!("127.0.0.1:{port}");
        let process = program()
            .args(["key-server", "--listen", &address, "--seed", seed])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { process, url: format!("http://{address}") };
        let client = reqwest::blocking::Client::new();
        let started = Instant::now();
        while client.get(format!("{}/healthz", server.url)).send().is_err() {
            assert!(started.elapsed() < PATIENCE, "the key server does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn static_keys() -> Value {
    json!([
        { "trackType": "VIDEO", "keyId": VIDEO_KEY_ID, "key": VIDEO_KEY },
        { "trackType": "AUDIO", "keyId": AUDIO_KEY_ID, "key": AUDIO_KEY },
    ])
}

fn configure(origin: &Origin, name: &str, package_type: &str, encryption: Value) {
    let body = json!({ "name": name, "packageType": package_type, "encryption": encryption });
    let path = "/v1/packaging-groups/web/packaging-configurations";
    let created = origin.call("POST", path, Some(body));
    assert_eq!(created.status, 201, "{}", created.text());
}

fn register(origin: &Origin, name: &str, path: &str) {
    let body = json!({
        "name": name, "packagingGroup": "web", "path": path, "contentId": format!("{name}-1")
    });
    let created = origin.call("POST", "/v1/assets", Some(body));
    assert_eq!(created.status, 202, "{}", created.text());
    origin.wait_for(name, |asset| asset["status"] == "PLAYABLE");
}

fn start(data_dir: &tempfile::TempDir, environment: &[(&str, &str)]) -> Origin {
    let source = format!("file://{}", testdata().display());
    let mut all = vec![("PACKORIGIN_EGRESS_ALLOW_HOSTS", "127.0.0.1")];
    all.extend_from_slice(environment);
    Origin::start_with(data_dir.path(), &source, &all)
}

fn bytes(hex: &str) -> [u8; 16] {
    std::array::from_fn(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap())
}

#[test]
fn fragments_decrypt_to_what_the_clear_ones_hold() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = start(&data_dir, &[]);
    origin.set_up(6);
    for scheme in ["cenc", "cbcs"] {
        let encryption = json!({
            "systemIds": [WIDEVINE, PLAYREADY], "staticKeys": static_keys(), "scheme": scheme,
            "clearLeadSegments": 1,
        });
        configure(&origin, scheme, "DASH", encryption);
    }
    let assets = [
        ("ladder", "ladder/master.m3u8"),
        ("camera", "camera/master.m3u8"),
        ("change", "codecs-change/master.m3u8"),
        ("midgop", "midgop/master.m3u8"),
    ];
    for (name, path) in assets {
        register(&origin, name, path);
        let clear_mpd = format!("/vod/v1/{name}/dash/index.mpd");
        let clear = mpd_segments(&clear_mpd, origin.get(&clear_mpd).text());
        for scheme in ["cenc", "cbcs"] {
            let mpd_path = format!("/vod/v1/{name}/{scheme}/index.mpd");
            let mpd = origin.get(&mpd_path);
            assert_eq!(mpd.status, 200, "{}", mpd.text());
            let found = mpd_segments(&mpd_path, mpd.text());
            assert_eq!(found.media.len(), clear.media.len());
            let mut ivs = HashSet::new();
            let mut encrypted = 0;
            for ((url, ..), (clear_url, ..)) in found.media.iter().zip(&clear.media) {
                let (directory, _) = url.rsplit_once('/').unwrap();
                let init = origin.get(&format!("{directory}/init.mp4"));
                let track = TrackProtection::of_init(&init.body);
                assert_eq!(track.scheme, scheme);
                let is_video = url.contains("/video-");
                let (id, key) =
                    if is_video { (VIDEO_KEY_ID, VIDEO_KEY) } else { (AUDIO_KEY_ID, AUDIO_KEY) };
                assert_eq!(track.key_id, id.replace('-', ""));
                let segment = origin.get(url);
                let length = segment.body.len().to_string();
                assert_eq!(origin.head(url).header("content-length"), length, "{url}");
                let wanted = origin.get(clear_url).body;
                let payload = |segment: &[u8]| crate::media::boxes(segment)["mdat"].to_vec();
                if payload(&segment.body) == payload(&wanted) {
                    continue;
                }
                encrypted += 1;
                let decrypted = track.decrypt(&segment.body, bytes(key));
                assert!(decrypted == payload(&wanted), "{url} decrypts to something else");
                for iv in track.sample_ivs(&segment.body) {
                    assert!(ivs.insert((id, iv)), "{url} repeats an IV");
                }
            }
            // One segment of each rendition is in the clear lead.
            let renditions: HashSet<_> =
                found.media.iter().map(|(url, ..)| url.split('/').nth(5).unwrap()).collect();
            assert_eq!(encrypted + renditions.len(), found.media.len(), "{name} {scheme}");
            assert_eq!(ivs.is_empty(), scheme == "cbcs");
        }
    }
}

#[test]
fn configurations_that_agree_share_encrypted_segments() {
    let data_dir = tempfile::tempdir().unwrap();
    let origin = start(&data_dir, &[]);
    origin.set_up(6);
    let encryption = |systems: &[&str]| json!({ "systemIds": systems, "staticKeys": static_keys(), "scheme": "cbcs" });
    configure(&origin, "protected-dash", "DASH", encryption(&[WIDEVINE, PLAYREADY]));
    let systems = [WIDEVINE, PLAYREADY, FAIRPLAY];
    configure(&origin, "protected-cmaf", "HLS_CMAF", encryption(&systems));
    register(&origin, "ladder", "ladder/master.m3u8");
    let mpd_path = "/vod/v1/ladder/protected-dash/index.mpd";
    let found = mpd_segments(mpd_path, origin.get(mpd_path).text());
    let dash: HashSet<String> = found.media.into_iter().map(|(url, ..)| url).collect();
    let hls: HashSet<String> = media_playlists(&origin, "/vod/v1/ladder/protected-cmaf/index.m3u8")
        .iter()
        .flat_map(|(path, text)| playlist_segments(path, text))
        .map(|segment| segment.url)
        .collect();
    assert_eq!(dash, hls);
    let clear = media_playlists(&origin, "/vod/v1/ladder/cmaf/index.m3u8");
    let (path, text) = &clear[0];
    assert!(!hls.contains(&playlist_segments(path, text)[0].url));
}

/// The first segment of a transport stream configuration, through its playlists.
fn first_segment(origin: &Origin, asset: &str, configuration: &str) -> String {
    let master = format!("/vod/v1/{asset}/{configuration}/index.m3u8");
    let playlists = media_playlists(origin, &master);
    let (path, text) = &playlists[0];
    playlist_segments(path, text)[0].url.clone()
}

fn with_key_server(url: &str) -> Value {
    json!({ "systemIds": [PLAIN_KEY], "keyServer": { "url": format!("{url}/speke") },
            "method": "AES_128" })
}

#[test]
fn any_node_asks_for_the_same_keys_and_an_outage_stops_nothing_that_plays() {
    let port = free_port();
    let server = KeyServer::start(port, "one");
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let nodes = dirs.each_ref().map(|data_dir| {
        let origin = start(data_dir, &[]);
        origin.set_up(6);
        configure(&origin, "aes", "HLS", with_key_server(&server.url));
        register(&origin, "ladder", "ladder/master.m3u8");
        register(&origin, "camera", "camera/master.m3u8");
        origin
    });
    let url = first_segment(&nodes[0], "ladder", "aes");
    assert_eq!(url, first_segment(&nodes[1], "ladder", "aes"));
    assert!(nodes[0].get(&url).body == nodes[1].get(&url).body);
    drop(server);
    // Another rendition of what was playing, and a manifest.
    for (path, text) in media_playlists(&nodes[0], "/vod/v1/ladder/aes/index.m3u8") {
        let segments = playlist_segments(&path, &text);
        assert_eq!(nodes[0].get(&segments[1].url).status, 200);
    }
    // A title that nobody has asked for yet.
    let refused = nodes[0].get("/vod/v1/camera/aes/index.m3u8");
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert_eq!(refused.json()["code"], "keys_unavailable");
    assert!(!refused.header("retry-after").is_empty());
}

#[test]
fn a_key_server_that_changes_its_mind_changes_urls_and_never_bytes() {
    let port = free_port();
    let server = KeyServer::start(port, "one");
    let data_dir = tempfile::tempdir().unwrap();
    let origin = start(&data_dir, &[("PACKORIGIN_KEYS_CACHE_TIME_SECONDS", "1")]);
    origin.set_up(6);
    configure(&origin, "aes", "HLS", with_key_server(&server.url));
    register(&origin, "ladder", "ladder/master.m3u8");
    let url = first_segment(&origin, "ladder", "aes");
    let before = origin.get(&url).body;
    drop(server);
    let _server = KeyServer::start(port, "two");
    let started = Instant::now();
    let other = loop {
        let other = first_segment(&origin, "ladder", "aes");
        if other != url {
            break other;
        }
        assert!(started.elapsed() < PATIENCE, "the URL stays {url}");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(origin.get(&other).body != before);
    assert!(origin.get(&url).body == before, "bytes under a URL change");
}

#[test]
fn the_check_finds_nothing_wrong_with_any_kind_of_configuration() {
    let port = free_port();
    let server = KeyServer::start(port, "one");
    let data_dir = tempfile::tempdir().unwrap();
    let origin = start(&data_dir, &[]);
    origin.set_up(6);
    let keys = |more: Value| {
        let mut encryption = json!({ "keyServer": { "url": format!("{}/speke", server.url) } });
        let fields = more.as_object().unwrap().clone();
        for (name, value) in fields {
            match encryption[&name].as_object_mut() {
                Some(known) => known.extend(value.as_object().unwrap().clone()),
                None => encryption[&name] = value,
            }
        }
        encryption
    };
    let presets = json!({ "videoPreset": "PRESET-VIDEO-3", "audioPreset": "PRESET-AUDIO-2" });
    let kinds = [
        ("dash-cenc", "DASH", keys(json!({ "systemIds": [WIDEVINE, PLAYREADY] }))),
        (
            "dash-lead",
            "DASH",
            keys(json!({ "systemIds": [WIDEVINE], "scheme": "cbcs", "clearLeadSegments": 2 })),
        ),
        (
            "cmaf-keys",
            "HLS_CMAF",
            keys(json!({ "systemIds": [WIDEVINE, PLAYREADY, FAIRPLAY], "keyServer": presets })),
        ),
        (
            "cmaf-lead",
            "HLS_CMAF",
            keys(json!({ "systemIds": [WIDEVINE], "scheme": "cenc", "clearLeadSegments": 1 })),
        ),
        ("aes", "HLS", with_key_server(&server.url)),
        ("fairplay", "HLS", keys(json!({ "systemIds": [FAIRPLAY], "clearLeadSegments": 1 }))),
        ("sample-aes", "HLS", keys(json!({ "systemIds": [PLAIN_KEY], "method": "SAMPLE_AES" }))),
    ];
    for (name, package_type, encryption) in &kinds {
        configure(&origin, name, package_type, encryption.clone());
    }
    register(&origin, "ladder", "ladder/master.m3u8");
    register(&origin, "change", "codecs-change/master.m3u8");
    assert_eq!(origin.terminate(), Some(0));
    for asset in ["ladder", "change"] {
        for (name, ..) in &kinds {
            let checked = program()
                .args(["drm", "check", "--json", "--asset", asset, "--configuration", name])
                .args(["--source", &format!("default=file://{}", testdata().display())])
                .arg("--data-dir")
                .arg(data_dir.path())
                .env("PACKORIGIN_EGRESS_ALLOW_HOSTS", "127.0.0.1")
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&checked.stdout);
            let told = String::from_utf8_lossy(&checked.stderr);
            assert!(checked.status.success(), "{asset} {name}: {text}{told}");
            assert!(text.contains("compared with clear"), "{asset} {name}: {text}");
        }
    }
}

#[test]
fn what_plays_goes_on_when_the_content_id_is_corrected() {
    let server = KeyServer::start(free_port(), "one");
    let data_dir = tempfile::tempdir().unwrap();
    let origin = start(&data_dir, &[]);
    origin.set_up(6);
    configure(&origin, "aes", "HLS", with_key_server(&server.url));
    register(&origin, "ladder", "ladder/master.m3u8");
    let url = first_segment(&origin, "ladder", "aes");
    let before = origin.get(&url).body;
    let patch = json!({ "contentId": "another" });
    assert_eq!(origin.call("PATCH", "/v1/assets/ladder", Some(patch)).status, 200);
    assert_ne!(first_segment(&origin, "ladder", "aes"), url);
    assert!(origin.get(&url).body == before);
    // Also where nothing is in memory.
    drop(origin);
    let origin = start(&data_dir, &[]);
    assert!(origin.get(&url).body == before);
}

/// After a restart a URL has to be found among all settings that it may come from.
#[test]
fn nobody_is_asked_for_keys_of_settings_that_are_no_longer_in_force_without_need() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    silent.set_nonblocking(true).unwrap();
    let server = KeyServer::start(free_port(), "one");
    let data_dir = tempfile::tempdir().unwrap();
    let origin = start(&data_dir, &[]);
    origin.set_up(6);
    let silent_url = format!("http://{}", silent.local_addr().unwrap());
    configure(&origin, "aes", "HLS", with_key_server(&silent_url));
    let path = "/v1/packaging-groups/web/packaging-configurations/aes";
    let encryption = with_key_server(&server.url);
    let body = json!({ "name": "aes", "packageType": "HLS", "encryption": encryption });
    assert_eq!(origin.call("PUT", path, Some(body)).status, 200);
    register(&origin, "ladder", "ladder/master.m3u8");
    let url = first_segment(&origin, "ladder", "aes");
    drop(origin);
    let origin = start(&data_dir, &[]);
    assert_eq!(origin.get(&url).status, 200);
    let asked = silent.accept().map(|_| ()).map_err(|error| error.kind());
    assert_eq!(asked, Err(std::io::ErrorKind::WouldBlock));
}
