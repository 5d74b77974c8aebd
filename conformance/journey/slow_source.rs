//! A web server with the samples, which holds back one file until it is told to let go.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use crate::origin::testdata;

pub struct SlowSource {
    pub address: SocketAddr,
    gate: Arc<Gate>,
}

struct Gate {
    /// Paths that end so wait.
    held: String,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    open: bool,
    waiting: usize,
}

impl SlowSource {
    /// Serves the samples; requests for paths that end with `held` wait.
    pub fn holding(held: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let gate = Arc::new(Gate {
            held: held.to_owned(),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let of_server = gate.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let gate = of_server.clone();
                std::thread::spawn(move || serve(socket, &gate));
            }
        });
        Self { address, gate }
    }

    /// Waits until somebody asks for the file that is held back.
    pub fn wait_until_asked(&self) {
        let state = self.gate.state.lock().unwrap();
        drop(self.gate.changed.wait_while(state, |state| state.waiting == 0).unwrap());
    }

    pub fn let_go(&self) {
        self.gate.state.lock().unwrap().open = true;
        self.gate.changed.notify_all();
    }
}

impl Gate {
    fn pass(&self, path: &str) {
        if !path.ends_with(&self.held) {
            return;
        }
        let mut state = self.state.lock().unwrap();
        state.waiting += 1;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |state| !state.open).unwrap());
    }
}

/// Answers requests on one connection: GET and HEAD, with single ranges.
fn serve(socket: TcpStream, gate: &Gate) {
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
        gate.pass(path);
        let range = head.iter().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
            let is_range = name.eq_ignore_ascii_case("range");
            is_range.then(|| (first.parse::<usize>().unwrap(), last.parse::<usize>().unwrap()))
        });
        let file = std::fs::read(testdata().join(path.trim_start_matches('/')));
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
