//! A web server with the samples or a folder, which notes what it is asked for, and holds back some
//! files until it is told to let go.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use crate::origin::testdata;

pub struct SlowSource {
    pub address: SocketAddr,
    gate: Arc<Gate>,
}

/// Nothing that is waited for takes longer, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Gate {
    folder: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Requests with paths that contain this wait.
    held: Option<String>,
    waiting: usize,
    /// Methods and paths of all requests, in order.
    asked: Vec<String>,
}

impl SlowSource {
    /// Serves the samples; requests for paths that contain `held` wait.
    pub fn holding(held: &str) -> Self {
        Self::over(testdata(), held)
    }

    /// Serves what is in a folder; requests for paths that contain `held` wait.
    pub fn over(folder: PathBuf, held: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let gate = Arc::new(Gate { folder, state: Mutex::default(), changed: Condvar::new() });
        let of_server = gate.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let gate = of_server.clone();
                std::thread::spawn(move || serve(socket, &gate));
            }
        });
        let source = Self { address, gate };
        source.hold(held);
        source
    }

    /// Serves the samples at once.
    pub fn open() -> Self {
        let source = Self::holding("");
        source.let_go();
        source
    }

    /// From now on requests for paths that contain `held` wait.
    pub fn hold(&self, held: &str) {
        self.gate.state.lock().unwrap().held = Some(held.to_owned());
    }

    /// Waits until somebody asks for a file that is held back.
    pub fn wait_until_asked(&self) {
        self.wait_until_waiting(1);
    }

    /// Waits until so many requests wait at the same time.
    pub fn wait_until_waiting(&self, requests: usize) {
        drop(self.gate.wait_until(|state| state.waiting >= requests));
    }

    /// Waits until a file was asked for, by a part of its path.
    pub fn wait_until_asked_for(&self, file: &str) {
        drop(self.gate.wait_until(|state| state.asked.iter().any(|asked| asked.contains(file))));
    }

    /// What was asked for since the last call: methods and paths.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.gate.state.lock().unwrap().asked)
    }

    pub fn let_go(&self) {
        self.gate.state.lock().unwrap().held = None;
        self.gate.changed.notify_all();
    }
}

impl Gate {
    fn pass(&self, method: &str, path: &str) {
        let mut state = self.state.lock().unwrap();
        state.asked.push(format!("{method} {path}"));
        self.changed.notify_all();
        let is_held = |state: &State| state.held.as_ref().is_some_and(|held| path.contains(held));
        if !is_held(&state) {
            return;
        }
        state.waiting += 1;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |state| is_held(state)).unwrap());
        self.state.lock().unwrap().waiting -= 1;
    }

    fn wait_until(&self, wanted: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let state = self.state.lock().unwrap();
        let waited = self.changed.wait_timeout_while(state, PATIENCE, |state| !wanted(state));
        let (state, outcome) = waited.unwrap();
        assert!(!outcome.timed_out(), "{:?}", state.asked);
        state
    }
}

/// Answers requests on one connection: GET and HEAD, with single ranges.
fn serve(socket: TcpStream, gate: &Arc<Gate>) {
    let mut reader = BufReader::new(socket.try_clone().unwrap());
    let mut socket = socket;
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line.trim().is_empty() {
                break;
            }
            head.push(line.trim().to_owned());
        }
        let mut words = head[0].split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        gate.pass(method, path);
        let range = head.iter().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
            let is_range = name.eq_ignore_ascii_case("range");
            is_range.then(|| (first.parse::<usize>().unwrap(), last.parse::<usize>().unwrap()))
        });
        let file = std::fs::read(gate.folder.join(path.trim_start_matches('/')));
        let (status, body, extra) = match (file, range) {
            (Err(_), _) => ("404 Not Found", Vec::new(), String::new()),
            (Ok(file), Some((first, last))) => {
                let range = format!("content-range: bytes {first}-{last}/{}\r\n", file.len());
                ("206 Partial Content", file[first..=last].to_vec(), range)
            }
            (Ok(file), None) => ("200 OK", file, String::new()),
        };
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{extra}\r\n");
        let body = if method == "HEAD" { &[][..] } else { &body };
        if socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(body)).is_err() {
            return;
        }
    }
}
