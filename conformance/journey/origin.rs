//! A `packorigin serve` process on free ports with a data directory that goes away.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// No step of any test takes longer than this, even on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Origin {
    process: Child,
    pub playback: String,
    pub control: String,
    pub client: reqwest::blocking::Client,
}

pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// The samples of the project.
pub fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

/// The program with an environment that is the test's own.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_packorigin"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PACKORIGIN_")) {
        command.env_remove(name);
    }
    command
}

impl Origin {
    /// Starts over a data directory, with one source.
    pub fn start(data_dir: &Path, source: &str) -> Self {
        Self::start_with(data_dir, source, &[])
    }

    pub fn start_with(data_dir: &Path, source: &str, environment: &[(&str, &str)]) -> Self {
        let mut process = program()
            .args(["serve", "--listen", "127.0.0.1:0", "--control-listen", "127.0.0.1:0"])
            .arg("--data-dir")
            .arg(data_dir)
            .args(["--source", &format!("default={source}")])
            .env("PACKORIGIN_TELEMETRY_LOG_FORMAT", "json")
            .envs(environment.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let addresses = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let event: Value = serde_json::from_str(&line).ok()?;
            let address = |name| Some(format!("http://{}", event.get(name)?.as_str()?));
            Some((address("playback")?, address("control")?))
        });
        let (playback, control) = addresses.expect("the program tells where it listens");
        // Somebody must read the log, or the program blocks when the pipe is full.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let client = reqwest::blocking::Client::builder().timeout(PATIENCE).build().unwrap();
        Self { process, playback, control, client }
    }

    pub fn over_testdata(data_dir: &Path) -> Self {
        Self::start(data_dir, &format!("file://{}", testdata().display()))
    }

    /// Calls the control API.
    pub fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let method = method.parse().unwrap();
        let mut request = self.client.request(method, format!("{}{path}", self.control));
        if let Some(body) = body {
            request = request.json(&body);
        }
        answer(request)
    }

    /// Asks the playback listener; `path` may be a whole URL.
    pub fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[])
    }

    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.client.get(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request)
    }

    pub fn head(&self, path: &str) -> Answer {
        answer(self.client.head(self.url(path)))
    }

    pub fn url(&self, path: &str) -> String {
        if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.playback) }
    }

    /// A group with one configuration of each package type: `hls`, `dash`, `cmaf`.
    pub fn set_up(&self, segment_seconds: u32) {
        let created = self.call("POST", "/v1/packaging-groups", Some(json!({ "name": "web" })));
        assert_eq!(created.status, 201, "{}", created.text());
        for (name, package_type) in [("hls", "HLS"), ("dash", "DASH"), ("cmaf", "HLS_CMAF")] {
            let body = json!({
                "name": name,
                "packageType": package_type,
                "segmentDurationSeconds": segment_seconds,
            });
            let path = "/v1/packaging-groups/web/packaging-configurations";
            let created = self.call("POST", path, Some(body));
            assert_eq!(created.status, 201, "{}", created.text());
        }
    }

    /// Registers an asset.
    pub fn register(&self, name: &str, path: &str) {
        let body = json!({ "name": name, "packagingGroup": "web", "path": path });
        let created = self.call("POST", "/v1/assets", Some(body));
        assert_eq!(created.status, 202, "{}", created.text());
    }

    /// Waits until an asset is as wanted.
    pub fn wait_for(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let asset = self.call("GET", &format!("/v1/assets/{name}"), None).json();
            if wanted(&asset) {
                return asset;
            }
            assert!(started.elapsed() < PATIENCE, "{name} stays {asset}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Registers an asset and waits until it plays or fails.
    pub fn ingest(&self, name: &str, path: &str) -> Value {
        self.register(name, path);
        self.wait_for(name, |asset| asset["status"] == "PLAYABLE" || asset["status"] == "FAILED")
    }

    /// Asks the program to stop, as an init system does; returns its exit code.
    pub fn terminate(mut self) -> Option<i32> {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.process.wait().unwrap().code()
    }

    /// Ends the program without warning.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn answer(request: reqwest::blocking::RequestBuilder) -> Answer {
    let response = request.send().unwrap();
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.bytes().unwrap().to_vec(),
    }
}
