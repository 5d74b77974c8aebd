//! `packorigin demo --drm`: what it prints answers, and its keys fit its media.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use aws_lc_rs::cipher::{AES_128, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use serde_json::{Value, json};

use crate::media::{playlist_segments, playlist_uris, resolve};
use crate::origin::program;

struct Demo {
    process: Child,
    printed: String,
    client: reqwest::blocking::Client,
}

impl Demo {
    fn start() -> Self {
        let mut process = program()
            .args(["demo", "--drm", "--listen", "127.0.0.1:0", "--control-listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut printed = String::new();
        for line in lines.map_while(Result::ok) {
            printed += &format!("{line}\n");
            if line.starts_with("Ctrl-C") {
                break;
            }
        }
        Self { process, printed, client: reqwest::blocking::Client::new() }
    }

    /// The first printed word that ends so.
    fn url(&self, end: &str) -> &str {
        let mut words = self.printed.split_whitespace();
        words.find(|word| word.ends_with(end)).unwrap_or_else(|| panic!("{end}: {}", self.printed))
    }

    fn get(&self, url: &str) -> Vec<u8> {
        let answer = self.client.get(url).send().unwrap();
        assert_eq!(answer.status(), 200, "{url}");
        answer.bytes().unwrap().to_vec()
    }

    fn text(&self, url: &str) -> String {
        String::from_utf8(self.get(url)).unwrap()
    }

    /// The first media playlist of a master, and its text.
    fn media_playlist(&self, end: &str) -> (String, String) {
        let master = self.url(end);
        let uris = playlist_uris(&self.text(master));
        let uri = uris.iter().find(|uri| uri.ends_with(".m3u8")).unwrap();
        let url = resolve(master, uri);
        let text = self.text(&url);
        (url, text)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Killed, it could not remove its data.
        let id = self.process.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let _ = self.process.wait();
    }
}

#[test]
fn the_demo_with_drm_plays_what_it_prints() {
    let demo = Demo::start();
    let page = demo.url("/player");
    let streams: Value =
        serde_json::from_slice(&demo.get(&format!("{page}/streams.json"))).unwrap();
    let streams = streams.as_array().unwrap();
    assert_eq!(streams.len(), 9);
    for stream in streams {
        let url = stream["url"].as_str().unwrap();
        assert!(demo.printed.contains(url), "{url} is not printed");
        let manifest = demo.text(url);
        let tag = if url.ends_with(".mpd") { "<ContentProtection" } else { "#EXT-X-SESSION-KEY" };
        assert_eq!(manifest.contains(tag), stream["keys"] != "clear", "{url}");
    }

    let (clear_url, clear) = demo.media_playlist("/hls/index.m3u8");
    let (url, encrypted) = demo.media_playlist("/hls-aes-128/index.m3u8");
    let line = encrypted.lines().find(|line| line.starts_with("#EXT-X-KEY:")).unwrap();
    let key = demo.get(line.split("URI=\"").nth(1).unwrap().split('"').next().unwrap());
    let iv: [u8; 16] = {
        let digits = line.split("IV=0x").nth(1).unwrap().get(..32).unwrap();
        u128::from_str_radix(digits, 16).unwrap().to_be_bytes()
    };
    let first = |url: &str, text: &str| demo.get(&playlist_segments(url, text)[0].url);
    let mut segment = first(&url, &encrypted);
    let cipher = UnboundCipherKey::new(&AES_128, &key).unwrap();
    let cipher = PaddedBlockDecryptingKey::cbc_pkcs7(cipher).unwrap();
    let context = DecryptionContext::Iv128(FixedLength::from(iv));
    let plain = cipher.decrypt(&mut segment, context).unwrap();
    assert!(plain == first(&clear_url, &clear), "decrypted, it is not the clear segment");

    // The licence has the very key that is printed for Shaka Player.
    let licences = page.replace("/player", "/clearkey");
    let settings = demo.printed.split("clearKeys: { '").nth(1).unwrap();
    let key_id = settings.get(..32).unwrap();
    let key = settings.get(36..68).unwrap();
    let base64url = |digits: &str| {
        use base64::Engine;
        let bytes = u128::from_str_radix(digits, 16).unwrap().to_be_bytes();
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
    };
    let request = demo.client.post(licences).json(&json!({ "kids": [base64url(key_id)] }));
    let licence: Value = request.send().unwrap().json().unwrap();
    assert_eq!(licence["keys"][0]["k"], base64url(key));
}
