//! A key server: hyper over a socket for what is HTTP, and raw bytes for what is not.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

/// The content key that a good answer gives.
pub(super) const KEY: [u8; 16] = [
    0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
];

/// What the server does with one request.
#[derive(Clone)]
pub(super) enum Reply {
    /// A right answer with this key.
    Good([u8; 16]),
    /// These bytes, head and all; then the connection is closed.
    Raw(Vec<u8>),
    /// Nothing, until the client goes away.
    Silence,
    /// Half of an answer, then a reset of the connection.
    Reset,
}

impl Reply {
    /// An answer with this status line and these headers.
    pub(super) fn answer(status: &str, headers: &[(&str, &str)], body: &str) -> Self {
        let mut text = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        Self::Raw((text + "Connection: close\r\n\r\n" + body).into_bytes())
    }

    /// An answer that says no more than its status; its body holds what must not be quoted.
    pub(super) fn status(status: &str) -> Self {
        Self::answer(status, &[("Content-Type", "text/plain")], &STANDARD.encode(KEY))
    }
}

/// Counts requests and answers them from a list; the last reply repeats.
pub(super) struct TestServer {
    address: std::net::SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
}

struct Shared {
    replies: Mutex<VecDeque<Reply>>,
    requests: Mutex<Vec<String>>,
    arrived: Notify,
    gate: watch::Sender<bool>,
}

impl TestServer {
    pub(super) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            replies: Mutex::new(replies.into_iter().collect()),
            requests: Mutex::default(),
            arrived: Notify::new(),
            gate: watch::channel(true).0,
        });
        let (stop, mut stopped) = watch::channel(false);
        let accepted = shared.clone();
        tokio::spawn(async move {
            loop {
                let stream = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap().0,
                    _ = stopped.wait_for(|stopped| *stopped) => return,
                };
                tokio::spawn(serve(stream, accepted.clone()));
            }
        });
        Self { address, shared, stop }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it does from now on.
    pub(super) fn reply_with(&self, replies: impl IntoIterator<Item = Reply>) {
        *self.shared.replies.lock().unwrap() = replies.into_iter().collect();
    }

    /// Head and body of each request so far.
    pub(super) fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().clone()
    }

    pub(super) fn count(&self) -> usize {
        self.requests().len()
    }

    /// Holds answers back, or lets them go.
    pub(super) fn hold(&self, hold: bool) {
        self.shared.gate.send_replace(!hold);
    }

    /// Waits for the next request to arrive.
    pub(super) async fn arrival(&self) {
        self.shared.arrived.notified().await;
    }

    /// Takes no more connections.
    pub(super) async fn stop(self) {
        self.stop.send_replace(true);
        self.stop.closed().await;
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let Some(request) = read_request(&mut stream).await else { return };
    shared.requests.lock().unwrap().push(request.clone());
    shared.arrived.notify_one();
    let reply = {
        let mut replies = shared.replies.lock().unwrap();
        if replies.len() > 1 { replies.pop_front() } else { replies.front().cloned() }.unwrap()
    };
    let mut gate = shared.gate.subscribe();
    gate.wait_for(|is_open| *is_open).await.unwrap();
    match reply {
        Reply::Good(key) => {
            let _ = stream.write_all(&good_answer(&request, key)).await;
        }
        Reply::Raw(bytes) => {
            let _ = stream.write_all(&bytes).await;
        }
        Reply::Silence => {
            let _ = stream.read(&mut [0]).await;
        }
        Reply::Reset => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nX-Speke-Version: 2.0\r\n\
                        Content-Length: 1000\r\n\r\n<half";
            let _ = stream.write_all(head.as_bytes()).await;
            // Closing without lingering makes it a reset instead of an end.
            let _ = stream.set_zero_linger();
        }
    }
}

/// Head and body of one request; `None` if the client goes away before.
pub(super) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(length) if length > 0 => bytes.extend_from_slice(&chunk[..length]),
            _ => return None,
        }
    }
}

/// An answer that holds for `request`, head and all.
pub(super) fn good_answer(request: &str, key: [u8; 16]) -> Vec<u8> {
    let headers = [("Content-Type", "application/xml; charset=utf-8"), ("X-Speke-Version", "2.0")];
    match Reply::answer("200 OK", &headers, &speke_answer(request, key)) {
        Reply::Raw(bytes) => bytes,
        _ => Vec::new(),
    }
}

/// The least that answers a SPEKE 2 request: the keys asked for.
fn speke_answer(request: &str, key: [u8; 16]) -> String {
    let kids: Vec<&str> = request
        .split("<cpix:ContentKey ")
        .skip(1)
        .map(|element| element.split("kid=\"").nth(1).unwrap().split('"').next().unwrap())
        .collect();
    assert!(!kids.is_empty(), "no keys in {request}");
    let keys: String = kids
        .iter()
        .map(|kid| {
            format!(
                "<cpix:ContentKey kid=\"{kid}\" commonEncryptionScheme=\"cbcs\"><cpix:Data>\
                 <pskc:Secret><pskc:PlainValue>{}</pskc:PlainValue></pskc:Secret></cpix:Data>\
                 </cpix:ContentKey>",
                STANDARD.encode(key)
            )
        })
        .collect();
    format!(
        "<cpix:CPIX xmlns:cpix=\"urn:dashif:org:cpix\" \
         xmlns:pskc=\"urn:ietf:params:xml:ns:keyprov:pskc\" contentId=\"asset-1\" \
         version=\"2.3\"><cpix:ContentKeyList>{keys}</cpix:ContentKeyList></cpix:CPIX>"
    )
}
