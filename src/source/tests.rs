//! Roots against real folders and real servers on port 0.
//!
//! The object stores are fakes that check what they are sent (path, range, the kind of signature),
//! not whether a signature is right: that is OpenDAL's, and takes the services themselves.

mod encrypted;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;

use super::*;
use crate::config::{AllowedHost, Egress, SourceLimits};

const OBJECT: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

fn limits() -> SourceLimits {
    SourceLimits {
        timeout: Duration::from_secs(20),
        retries: 2,
        concurrency: 8,
        max_read_bytes: 1 << 20,
        read_ahead_bytes: 0,
    }
}

/// A root as the settings would make it: `table` is what stands below `[sources.s]`.
fn try_open(
    table: &str,
    limits: SourceLimits,
    allow: &[AllowedHost],
) -> Result<(Arc<Root>, Arc<Metrics>)> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    std::fs::write(&file, format!("[sources.s]\n{table}")).unwrap();
    let config =
        config::Config::load(Some(&file), BTreeMap::new(), &config::Overrides::default()).unwrap();
    let metrics = Arc::new(Metrics::new().unwrap());
    let egress = Egress { allow_hosts: allow.to_vec(), ..Egress::default() };
    let sources = Sources::open(&config.sources, &limits, &egress, &metrics)?;
    Ok((sources.get("s").unwrap(), metrics))
}

fn open(url: &str) -> Arc<Root> {
    try_open(&format!("url = {url:?}"), limits(), &[loopback()]).unwrap().0
}

fn loopback() -> AllowedHost {
    AllowedHost::Network("127.0.0.1/32".parse().unwrap())
}

fn path(text: &str) -> SourcePath {
    SourcePath::parse(text).unwrap()
}

/// A server whose every request is answered by `answer`; it keeps what it was asked.
struct Server {
    address: String,
    requests: Arc<Mutex<Vec<Asked>>>,
}

#[derive(Clone, Debug)]
struct Asked {
    target: String,
    headers: HeaderMap,
}

impl Server {
    async fn start<A, R>(answer: A) -> Self
    where
        A: Fn(usize, Asked) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Response> + Send,
    {
        Self::start_on("127.0.0.1:0", answer).await
    }

    async fn start_on<A, R>(listen: &str, answer: A) -> Self
    where
        A: Fn(usize, Asked) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Response> + Send,
    {
        let requests: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let kept = requests.clone();
        let handler = any(move |request: Request| {
            let target = request.uri().to_string();
            let asked = Asked { target, headers: request.headers().clone() };
            let before = {
                let mut kept = kept.lock().unwrap();
                kept.push(asked.clone());
                kept.len() - 1
            };
            let answer = answer.clone();
            async move { answer(before, asked).await }
        });
        let app = Router::new().fallback(handler);
        let listener = tokio::net::TcpListener::bind(listen).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, requests }
    }

    /// Serves [`OBJECT`] under every name, with ranges.
    async fn with_ranges() -> Self {
        Self::start(|_, asked| async move { ranged(&asked) }).await
    }

    async fn with_status(status: StatusCode) -> Self {
        Self::start(move |_, _| async move { status.into_response() }).await
    }

    fn url(&self) -> String {
        format!("http://{}/vod/", self.address)
    }

    fn port(&self) -> &str {
        self.address.rsplit_once(':').unwrap().1
    }

    fn asked(&self) -> Vec<Asked> {
        self.requests.lock().unwrap().clone()
    }
}

fn ranged(asked: &Asked) -> Response {
    let Some(range) = asked.headers.get(header::RANGE) else {
        return ([(header::ETAG, "\"v1\"")], OBJECT).into_response();
    };
    let (start, end) =
        range.to_str().unwrap().strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let start: usize = start.parse().unwrap();
    if start >= OBJECT.len() {
        return StatusCode::RANGE_NOT_SATISFIABLE.into_response();
    }
    let end = end.parse().map_or(OBJECT.len(), |end: usize| (end + 1).min(OBJECT.len()));
    let content_range = format!("bytes {start}-{}/{}", end - 1, OBJECT.len());
    let headers = [(header::CONTENT_RANGE, content_range), (header::ETAG, "\"v1\"".to_owned())];
    (StatusCode::PARTIAL_CONTENT, headers, &OBJECT[start..end]).into_response()
}

mod files {
    use super::*;

    fn folder() -> (tempfile::TempDir, Arc<Root>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("root/dir")).unwrap();
        std::fs::write(folder.path().join("root/dir/a b%20.ts"), OBJECT).unwrap();
        std::fs::write(folder.path().join("secret"), "secret").unwrap();
        let root = open(&format!("file://{}/root", folder.path().display()));
        (folder, root)
    }

    const FILE: &str = "dir/a b%20.ts";

    #[tokio::test]
    async fn bytes_come_exactly_or_not_at_all() {
        let (_folder, root) = folder();
        assert_eq!(root.read_range(&path(FILE), 3..7).await.unwrap(), "3456");
        assert_eq!(root.read_range(&path(FILE), 0..36).await.unwrap(), OBJECT);
        assert_eq!(root.read_range(&path(FILE), 5..5).await.unwrap(), "");
        assert_eq!(root.read_all(&path(FILE), 36).await.unwrap(), OBJECT);
        let truncated =
            SourceError::Truncated { path: FILE.to_owned(), wanted: 37, size: Some(36) };
        assert_eq!(root.read_range(&path(FILE), 30..37).await, Err(truncated));
        let too_large = SourceError::TooLarge { path: FILE.to_owned(), limit: 35 };
        assert_eq!(root.read_all(&path(FILE), 35).await, Err(too_large));
        let error = root.read_range(&path(FILE), 0..(1 << 20) + 1).await.unwrap_err();
        assert_eq!(error.label(), "too_large");
    }

    #[tokio::test]
    async fn identity_changes_with_the_file() {
        let (folder, root) = folder();
        let before = root.stat(&path(FILE)).await.unwrap();
        assert_eq!(before.size, 36);
        std::fs::write(folder.path().join("root").join(FILE), "longer than it was before, by far")
            .unwrap();
        let after = root.stat(&path(FILE)).await.unwrap();
        assert_ne!(before.identity.unwrap(), after.identity.unwrap());
    }

    #[tokio::test]
    async fn what_is_not_there_is_not_found() {
        let (_folder, root) = folder();
        for missing in ["none.ts", "dir/none.ts", "dir/a b%20.ts/x", "dir"] {
            let error = root.read_all(&path(missing), 100).await.unwrap_err();
            assert_eq!(error.label(), "not_found", "{missing}");
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn links_may_lead_about_inside_and_not_out() {
        let (folder, root) = folder();
        let base = folder.path();
        let link = |target: &Path, name: &str| {
            std::os::unix::fs::symlink(target, base.join("root").join(name)).unwrap();
        };
        link(Path::new("dir/a b%20.ts"), "inside.ts");
        link(Path::new("dir"), "inside");
        link(&base.join("secret"), "out-absolute");
        link(Path::new("../secret"), "out-relative");
        link(base, "out-folder");
        link(Path::new("out-relative"), "out-in-two-steps");
        link(Path::new("nowhere"), "dangling");

        for good in ["inside.ts", "inside/a b%20.ts"] {
            assert_eq!(root.read_range(&path(good), 0..2).await.unwrap(), "01", "{good}");
        }
        for bad in ["out-absolute", "out-relative", "out-folder/secret", "out-in-two-steps"] {
            let results = [
                root.read_range(&path(bad), 0..2).await.unwrap_err().label(),
                root.read_all(&path(bad), 100).await.unwrap_err().label(),
                root.stat(&path(bad)).await.unwrap_err().label(),
            ];
            assert_eq!(results, ["outside_source"; 3], "{bad}");
        }
        let dangling = root.read_all(&path("dangling"), 100).await.unwrap_err();
        assert_eq!(dangling.label(), "not_found");
    }

    /// The prefix of a name is not a folder: `/root-private` does not lie in `/root`.
    #[cfg(unix)]
    #[tokio::test]
    async fn a_sibling_with_the_same_beginning_is_outside() {
        let (folder, root) = folder();
        std::fs::create_dir(folder.path().join("root-private")).unwrap();
        std::fs::write(folder.path().join("root-private/x"), "x").unwrap();
        std::os::unix::fs::symlink("../root-private", folder.path().join("root/link")).unwrap();
        let error = root.read_all(&path("link/x"), 100).await.unwrap_err();
        assert_eq!(error.label(), "outside_source");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_fifo_is_refused_without_waiting_for_its_writer() {
        let (folder, root) = folder();
        let fifo = folder.path().join("root/fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let error = root.read_all(&path("fifo"), 100).await.unwrap_err();
        assert_eq!(error.label(), "outside_source");
        assert!(error.to_string().contains("no regular file"), "{error}");
    }

    #[test]
    fn a_missing_folder_is_named_with_its_setting() {
        let error = try_open("url = \"file:///does/not/exist\"", limits(), &[]).err().unwrap();
        assert_eq!(error.field(), Some("sources.s"));
        assert!(error.message().contains("/does/not/exist"), "{error}");
    }
}

mod http {
    use super::*;

    #[tokio::test]
    async fn ranges_are_asked_for_and_checked() {
        let server = Server::with_ranges().await;
        let root = open(&server.url());
        assert_eq!(root.read_range(&path("a/1.ts"), 3..7).await.unwrap(), "3456");
        assert_eq!(server.asked()[0].target, "/vod/a/1.ts");
        assert_eq!(server.asked()[0].headers[header::RANGE], "bytes=3-6");
        assert_eq!(root.read_all(&path("a/1.ts"), 36).await.unwrap(), OBJECT);
        assert!(!server.asked()[1].headers.contains_key(header::RANGE));
        let stat = root.stat(&path("a/1.ts")).await.unwrap();
        assert_eq!(stat, ObjectStat { size: 36, identity: Some("\"v1\"".to_owned()) });
        assert_eq!(root.read_all(&path("a/1.ts"), 35).await.unwrap_err().label(), "too_large");
    }

    #[tokio::test]
    async fn an_object_that_is_too_short_is_truncated() {
        let server = Server::with_ranges().await;
        let root = open(&server.url());
        for range in [30..40, 36..40, 100..101] {
            let expected = SourceError::Truncated {
                path: "1.ts".to_owned(),
                wanted: range.end,
                size: Some(36),
            };
            assert_eq!(root.read_range(&path("1.ts"), range).await, Err(expected));
        }
    }

    #[tokio::test]
    async fn names_are_encoded_and_queries_kept() {
        let server = Server::with_ranges().await;
        let root = open(&server.url());
        let playlist = path("a/m.m3u8");
        let segment = playlist.resolve("my%20seg%3f.ts?sig=a%2Fb&x=1", root.url()).unwrap();
        root.read_range(&segment, 0..2).await.unwrap();
        root.stat(&segment).await.unwrap();
        for asked in server.asked() {
            assert_eq!(asked.target, "/vod/a/my%20seg%3F.ts?sig=a%2Fb&x=1");
        }
    }

    #[tokio::test]
    async fn a_server_that_ignores_ranges_is_cut_to_the_range() {
        let server = Server::start(|_, _| async { OBJECT.into_response() }).await;
        let root = open(&server.url());
        for range in [0..1, 3..7, 0..36, 35..36] {
            let expected = &OBJECT[range.start as usize..range.end as usize];
            assert_eq!(root.read_range(&path("1.ts"), range.clone()).await.unwrap(), expected);
        }
        for range in [30..37, 36..37] {
            let error = root.read_range(&path("1.ts"), range).await.unwrap_err();
            assert_eq!(error.label(), "truncated");
        }
    }

    /// The same without a length, in chunks that are not those of the range.
    #[tokio::test]
    async fn an_answer_without_a_length_is_read() {
        let server = Server::start(|_, _| async {
            let chunks = OBJECT.chunks(5).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()));
            Body::from_stream(futures_util::stream::iter(chunks)).into_response()
        })
        .await;
        let root = open(&server.url());
        assert_eq!(root.read_all(&path("1.ts"), 36).await.unwrap(), OBJECT);
        assert_eq!(root.read_range(&path("1.ts"), 3..12).await.unwrap(), "3456789ab");
        assert_eq!(root.read_all(&path("1.ts"), 35).await.unwrap_err().label(), "too_large");
    }

    #[tokio::test]
    async fn a_range_that_was_not_asked_for_is_an_error() {
        let server = Server::start(|_, _| async {
            let range = [(header::CONTENT_RANGE, "bytes 0-3/36")];
            (StatusCode::PARTIAL_CONTENT, range, "0123").into_response()
        })
        .await;
        let error = open(&server.url()).read_range(&path("1.ts"), 4..8).await.unwrap_err();
        assert!(error.to_string().contains("another range"), "{error}");
    }

    #[tokio::test]
    async fn a_compressed_answer_is_an_error() {
        let server = Server::start(|_, _| async {
            ([(header::CONTENT_ENCODING, "gzip")], OBJECT).into_response()
        })
        .await;
        let error = open(&server.url()).read_range(&path("1.ts"), 0..8).await.unwrap_err();
        assert!(error.to_string().contains("Content-Encoding"), "{error}");
    }

    #[tokio::test]
    async fn refusals_are_told_apart_and_not_repeated() {
        for (status, label) in [
            (StatusCode::NOT_FOUND, "not_found"),
            (StatusCode::GONE, "not_found"),
            (StatusCode::UNAUTHORIZED, "forbidden"),
            (StatusCode::FORBIDDEN, "forbidden"),
        ] {
            let server = Server::with_status(status).await;
            let error = open(&server.url()).read_all(&path("1.ts"), 99).await.unwrap_err();
            assert_eq!(error.label(), label, "{status}");
            assert!(error.to_string().contains(status.as_str()), "{error}");
            assert_eq!(server.asked().len(), 1, "{status}");
        }
    }

    #[tokio::test]
    async fn a_failing_server_is_asked_again() {
        let server = Server::start(|before, asked| async move {
            if before == 0 {
                return StatusCode::SERVICE_UNAVAILABLE.into_response();
            }
            ranged(&asked)
        })
        .await;
        let table = format!("url = {:?}", server.url());
        let (root, metrics) = try_open(&table, limits(), &[loopback()]).unwrap();
        assert_eq!(root.read_range(&path("1.ts"), 3..7).await.unwrap(), "3456");
        assert_eq!(server.asked().len(), 2);
        let page = metrics.render().unwrap();
        for line in [
            "packorigin_source_retries_total{source=\"s\"} 1",
            "packorigin_source_read_bytes_total{source=\"s\"} 4",
            "packorigin_source_requests_total{operation=\"read\",outcome=\"ok\",source=\"s\"} 1",
        ] {
            assert!(page.contains(line), "missing {line} in\n{page}");
        }
    }

    #[tokio::test]
    async fn a_server_that_keeps_failing_is_given_up() {
        let server = Server::with_status(StatusCode::INTERNAL_SERVER_ERROR).await;
        let error = open(&server.url()).read_all(&path("1.ts"), 99).await.unwrap_err();
        assert_eq!(error.label(), "unavailable");
        assert!(error.to_string().contains("500"), "{error}");
        assert_eq!(server.asked().len(), 3, "one attempt and two retries");
    }

    /// The wording of OpenDAL's timeouts is what tells them apart; this fails when it changes.
    #[tokio::test]
    async fn a_silent_server_is_a_timeout() {
        let server = Server::start(|_, _| std::future::pending()).await;
        let limits = SourceLimits { timeout: Duration::from_millis(50), retries: 0, ..limits() };
        let table = format!("url = {:?}", server.url());
        let (root, _) = try_open(&table, limits, &[loopback()]).unwrap();
        let after = Duration::from_millis(50);
        let timeout = SourceError::Timeout { path: "1.ts".to_owned(), after };
        assert_eq!(root.read_range(&path("1.ts"), 0..1).await, Err(timeout.clone()));
        assert_eq!(root.stat(&path("1.ts")).await, Err(timeout));
    }

    #[tokio::test]
    async fn a_body_that_stops_is_a_timeout() {
        let server = Server::start(|_, _| async {
            use futures_util::StreamExt;
            let first = futures_util::stream::iter([Ok::<_, std::io::Error>("0123")]);
            let body = Body::from_stream(first.chain(futures_util::stream::pending()));
            ([(header::CONTENT_LENGTH, "36")], body).into_response()
        })
        .await;
        let limits = SourceLimits { timeout: Duration::from_millis(50), retries: 0, ..limits() };
        let table = format!("url = {:?}", server.url());
        let (root, _) = try_open(&table, limits, &[loopback()]).unwrap();
        let error = root.read_all(&path("1.ts"), 99).await.unwrap_err();
        assert_eq!(error.label(), "timeout");
    }

    /// Four bytes, and then the connection breaks.
    fn broken(etag: &'static str) -> Response {
        use futures_util::StreamExt;
        let first = futures_util::stream::iter([Ok("0123")]);
        let cut = futures_util::stream::iter([Err(std::io::Error::other("cut"))]);
        // Gives the server the chance to send the bytes before it drops the connection.
        let pause = futures_util::stream::once(async {
            tokio::task::yield_now().await;
            Ok("")
        });
        let body = Body::from_stream(first.chain(pause).chain(cut));
        ([(header::CONTENT_LENGTH, "36"), (header::ETAG, etag)], body).into_response()
    }

    #[tokio::test]
    async fn a_broken_transfer_goes_on_where_it_stopped() {
        let server = Server::start(|before, asked| async move {
            if before == 0 { broken("\"v1\"") } else { ranged(&asked) }
        })
        .await;
        assert_eq!(open(&server.url()).read_all(&path("1.ts"), 99).await.unwrap(), OBJECT);
        assert_eq!(server.asked().len(), 2);
        assert_eq!(server.asked()[1].headers[header::RANGE], "bytes=4-");
    }

    #[tokio::test]
    async fn a_broken_transfer_does_not_go_on_in_another_version() {
        let server = Server::start(|before, asked| async move {
            if before == 0 { broken("\"v0\"") } else { ranged(&asked) }
        })
        .await;
        let error = open(&server.url()).read_all(&path("1.ts"), 99).await.unwrap_err();
        assert!(error.to_string().contains("replaced while it was read"), "{error}");
    }

    #[tokio::test]
    async fn a_closed_port_is_unavailable() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        let error = open(&url).read_all(&path("1.ts"), 99).await.unwrap_err();
        assert_eq!(error.label(), "unavailable");
        assert!(error.to_string().contains("connection refused"), "{error}");
    }

    #[tokio::test]
    async fn credentials_are_sent_and_never_shown() {
        let server = Server::with_status(StatusCode::BAD_REQUEST).await;
        let table = format!("url = {:?}\nbearer_token = \"hush-token\"", server.url());
        let (root, _) = try_open(&table, limits(), &[loopback()]).unwrap();
        let signed = path("m").resolve("1.ts?sig=hush-sig", root.url()).unwrap();
        let error = root.read_all(&signed, 99).await.unwrap_err();
        assert_eq!(server.asked()[0].headers[header::AUTHORIZATION], "Bearer hush-token");
        let failure = error.to_ingest_failure();
        let upper = crate::error::Error::from(error.clone()).chain();
        for text in [error.to_string(), format!("{error:?}"), failure.to_string(), upper] {
            assert!(!text.contains("hush"), "{text}");
        }
    }

    #[tokio::test]
    async fn no_more_requests_run_than_are_allowed() {
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counter, peak) = (running.clone(), most.clone());
        let server = Server::start(move |_, asked| {
            let (running, most) = (counter.clone(), peak.clone());
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                // Gives every other request the chance to arrive.
                for _ in 0..200 {
                    tokio::task::yield_now().await;
                }
                running.fetch_sub(1, Ordering::SeqCst);
                ranged(&asked)
            }
        })
        .await;
        let table = format!("url = {:?}", server.url());
        let limits = SourceLimits { concurrency: 2, ..limits() };
        let (root, _) = try_open(&table, limits, &[loopback()]).unwrap();
        let name = path("1.ts");
        let reads = (0..8).map(|_| root.read_range(&name, 0..4));
        for result in futures_util::future::join_all(reads).await {
            assert_eq!(result.unwrap(), "0123");
        }
        assert_eq!(most.load(Ordering::SeqCst), 2);
    }
}

mod guarded {
    use super::*;

    #[tokio::test]
    async fn a_name_that_resolves_to_loopback_is_refused() {
        let server = Server::with_ranges().await;
        let table = format!("url = \"http://localhost:{}/\"", server.port());
        let (root, _) = try_open(&table, limits(), &[]).unwrap();
        let error = root.read_all(&path("1.ts"), 99).await.unwrap_err();
        assert_eq!(error.label(), "forbidden");
        assert!(error.to_string().contains("egress.allow_hosts"), "{error}");
        assert_eq!(server.asked().len(), 0);

        let named = [AllowedHost::Name("localhost".to_owned())];
        let (root, _) = try_open(&table, limits(), &named).unwrap();
        assert_eq!(root.read_all(&path("1.ts"), 99).await.unwrap(), OBJECT);
    }

    #[test]
    fn a_literal_address_is_refused_at_start() {
        for url in ["http://127.0.0.1:1/", "http://169.254.169.254/", "http://[::1]/"] {
            let error = try_open(&format!("url = {url:?}"), limits(), &[]).err().unwrap();
            assert!(error.message().contains("egress.allow_hosts"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_redirect_to_a_private_address_is_refused() {
        let target = Server::with_ranges().await;
        let location = format!("http://{}/stolen?sig=hush", target.address);
        let server = Server::start(move |_, _| {
            let location = location.clone();
            async move { (StatusCode::FOUND, [(header::LOCATION, location)]).into_response() }
        })
        .await;
        let table = format!("url = \"http://localhost:{}/\"", server.port());
        // The first host is allowed by its name, the second is the same machine by its address.
        let named = [AllowedHost::Name("localhost".to_owned())];
        let (root, _) = try_open(&table, limits(), &named).unwrap();
        let error = root.read_range(&path("1.ts"), 0..4).await.unwrap_err();
        assert_eq!(error.label(), "forbidden");
        assert!(!error.to_string().contains("hush"), "{error}");
        assert_eq!((server.asked().len(), target.asked().len()), (1, 0));

        let both = [AllowedHost::Name("localhost".to_owned()), loopback()];
        let (root, _) = try_open(&table, limits(), &both).unwrap();
        assert_eq!(root.read_range(&path("1.ts"), 0..4).await.unwrap(), "0123");
        assert_eq!(target.asked()[0].target, "/stolen?sig=hush");
    }

    /// Linux has all of 127.0.0.0/8; elsewhere there is no second address to be allowed.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_redirect_to_a_name_on_loopback_is_refused() {
        let target = Server::with_ranges().await;
        let location = format!("http://localhost:{}/", target.port());
        let server = Server::start_on("127.0.0.2:0", move |_, _| {
            let location = location.clone();
            async move { (StatusCode::FOUND, [(header::LOCATION, location)]).into_response() }
        })
        .await;
        let first = AllowedHost::Network("127.0.0.2/32".parse().unwrap());
        let table = format!("url = {:?}", server.url());
        let (root, _) = try_open(&table, limits(), &[first]).unwrap();
        let error = root.read_range(&path("1.ts"), 0..4).await.unwrap_err();
        assert_eq!(error.label(), "forbidden");
        assert_eq!((server.asked().len(), target.asked().len()), (1, 0));
    }
}

mod object_stores {
    use super::*;

    /// Loopback is not in `egress.allow_hosts` here: an endpoint of the settings is trusted.
    fn open_store(table: &str) -> Arc<Root> {
        let keys = "access_key_id = \"id\"\nsecret_access_key = \"hush-key\"";
        try_open(&format!("{table}\n{keys}"), limits(), &[]).unwrap().0
    }

    #[tokio::test]
    async fn s3_requests_are_signed_and_ranged() {
        let server = Server::with_ranges().await;
        let root = open_store(&format!(
            "url = \"s3://bucket/titles?region=eu-test-1&endpoint=http://{}\"",
            server.address
        ));
        let segment = path("a/m.m3u8").resolve("../b/1 %C3%A9.ts?v=2", root.url()).unwrap();
        assert_eq!(root.read_range(&segment, 3..7).await.unwrap(), "3456");
        assert_eq!(root.read_all(&segment, 36).await.unwrap(), OBJECT);
        assert_eq!(root.stat(&segment).await.unwrap().identity.as_deref(), Some("\"v1\""));
        for asked in server.asked() {
            assert_eq!(asked.target, "/bucket/titles/b/1%20%C3%A9.ts");
            let signature = asked.headers[header::AUTHORIZATION].to_str().unwrap();
            assert!(signature.starts_with("AWS4-HMAC-SHA256 Credential=id/"), "{signature}");
            assert!(signature.contains("/eu-test-1/s3/aws4_request"), "{signature}");
        }
        assert_eq!(server.asked()[0].headers[header::RANGE], "bytes=3-6");
        let error = root.read_range(&segment, 30..40).await.unwrap_err();
        assert_eq!(error.label(), "truncated");
    }

    #[tokio::test]
    async fn s3_refusals_do_not_quote_the_answer() {
        let server = Server::start(|_, _| async {
            let body = "<Error><Code>AccessDenied</Code><AWSAccessKeyId>id-hush</AWSAccessKeyId>\
                        </Error>";
            (StatusCode::FORBIDDEN, body).into_response()
        })
        .await;
        let root = open_store(&format!("url = \"s3://bucket?endpoint=http://{}\"", server.address));
        let error = root.read_all(&path("1.ts"), 99).await.unwrap_err();
        assert_eq!(error.label(), "forbidden");
        assert!(error.to_string().contains("403"), "{error}");
        assert!(!error.to_string().contains("hush"), "{error}");
        assert_eq!(server.asked().len(), 1);
    }

    #[tokio::test]
    async fn anonymous_s3_requests_are_not_signed() {
        let server = Server::with_ranges().await;
        let table =
            format!("url = \"s3://bucket?endpoint=http://{}\"\nanonymous = true", server.address);
        let (root, _) = try_open(&table, limits(), &[]).unwrap();
        root.read_range(&path("1.ts"), 0..1).await.unwrap();
        assert!(!server.asked()[0].headers.contains_key(header::AUTHORIZATION));
    }

    #[tokio::test]
    async fn oss_requests_are_signed_and_ranged() {
        let server = Server::with_ranges().await;
        let root = open_store(&format!(
            "url = \"oss://bucket/titles?addressing=path&endpoint=http://{}\"",
            server.address
        ));
        assert_eq!(root.read_range(&path("a/1.ts"), 3..7).await.unwrap(), "3456");
        let asked = &server.asked()[0];
        assert_eq!(asked.target, "/bucket/titles/a/1.ts");
        let signature = asked.headers[header::AUTHORIZATION].to_str().unwrap();
        assert!(signature.starts_with("OSS id:"), "{signature}");
    }
}
