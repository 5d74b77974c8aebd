//! What is sent, and what is made of what comes back.

use super::*;

/// One attempt only, and the error.
async fn refused(reply: Reply) -> (Error, usize) {
    let fixture = Fixture::new(usual());
    let server = TestServer::start([reply]).await;
    let error = fixture.get(&fixture.encryption(&server)).await.unwrap_err();
    assert_discreet(&error);
    assert!(error.message().contains("key server 127.0.0.1"), "{error}");
    (error, server.count())
}

const HEADERS: [(&str, &str); 2] =
    [("Content-Type", "application/xml"), ("X-Speke-Version", "2.0")];

#[tokio::test]
async fn a_good_answer_becomes_a_key_set() {
    let fixture = Fixture::new(usual());
    let server = TestServer::start([Reply::Good(KEY)]).await;
    let mut encryption = fixture.encryption(&server);
    encryption.license_urls.insert(DrmSystem::ClearKey, "https://licences.example/".to_owned());
    server_of(&mut encryption).basic =
        Some(("user".to_owned(), fixture.vault.seal("pass").unwrap()));
    let set = fixture.get(&encryption).await.unwrap();

    let [entry] = set.keys.as_slice() else { panic!("{set:?}") };
    assert_eq!((entry.rule.track_type, entry.key.expose()), (TrackType::All, &KEY));
    let id = cpix::key_id(&content_id(), TrackType::All, ProtectionScheme::Cbcs);
    assert_eq!((entry.key.id, entry.key.iv), (id, Some(cpix::derived_iv(id))));
    let [widevine, clear_key] = &*entry.signalling else { panic!("{entry:?}") };
    assert_eq!(widevine.system, DrmSystem::Widevine);
    assert!(widevine.pssh.is_some());
    assert_eq!(clear_key.system, DrmSystem::ClearKey);
    assert_eq!(clear_key.license_url.as_deref(), Some("https://licences.example/"));

    let request = server.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    for line in [
        &format!("post /speke/{TOKEN}?t=1 http/1.1"),
        "content-type: application/xml",
        "x-speke-version: 2.0",
        &format!("x-api-key: {TOKEN}"),
        // user:pass
        "authorization: basic dxnlcjpwyxnz",
    ] {
        assert!(head.lines().any(|found| found == line), "no {line} in {head}");
    }
    assert!(body.contains(&id.to_string()) && body.contains("asset-1"), "{body}");
    assert!(!body.contains(DrmSystem::ClearKey.system_id()), "{body}");
    assert!(fixture.counted(r#"packorigin_keys_requests_total{outcome="ok"} 1"#));
}

#[tokio::test]
async fn each_way_of_identification_is_sent() {
    let fixture = Fixture::new(usual());
    let server = TestServer::start([Reply::Good(KEY)]).await;
    let mut encryption = fixture.encryption(&server);
    server_of(&mut encryption).bearer_token = Some(fixture.vault.seal("Tok").unwrap());
    server_of(&mut encryption).version = SpekeVersion::V1;
    // The answer is one of SPEKE 2, but for the head of the request that does not matter.
    let _ = fixture.get(&encryption).await;
    let request = server.requests().remove(0).to_ascii_lowercase();
    assert!(request.contains("\r\nauthorization: bearer tok\r\n"), "{request}");
    assert!(!request.contains("x-speke-version"), "{request}");
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let half = "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nX-Speke-Version: 2.0\r\n\
                Content-Length: 1000\r\n\r\n<half";
    for failure in [
        Reply::status("500 Internal Server Error"),
        Reply::status("503 Service Unavailable"),
        Reply::answer("429 Too Many Requests", &[("Retry-After", "0")], ""),
        Reply::Raw(half.as_bytes().to_vec()),
        Reply::Reset,
        Reply::Raw(Vec::new()),
    ] {
        let fixture = Fixture::new(usual());
        let server = TestServer::start([failure, Reply::Good(KEY)]).await;
        let set = fixture.get(&fixture.encryption(&server)).await.unwrap();
        assert_eq!(set.keys[0].key.expose(), &KEY);
        assert_eq!(server.count(), 2);
        assert!(fixture.counted("packorigin_keys_retries_total 1"));
    }
}

#[tokio::test]
async fn attempts_are_bounded_and_the_last_failure_is_told() {
    let (error, count) = refused(Reply::status("502 Bad Gateway")).await;
    assert_eq!((error.blame(), count), (Blame::KeyServer, 3));
    assert!(error.message().contains("502"), "{error}");
    let (error, count) = refused(Reply::Reset).await;
    assert!(error.message().contains("broke off"), "{error}");
    assert_eq!(count, 3);
}

#[tokio::test]
async fn what_will_not_pass_is_not_tried_again() {
    let cases = [
        (Reply::status("403 Forbidden"), "check the credentials"),
        (Reply::status("404 Not Found"), "check the path"),
        (Reply::status("422 Unprocessable Entity"), "does not accept"),
        (Reply::answer("302 Found", &[("Location", "http://127.0.0.1:1/")], ""), "redirects"),
        (Reply::answer("200 OK", &[("X-Speke-Version", "2.0")], "x"), "Content-Type"),
        (
            Reply::answer("200 OK", &[("Content-Type", "text/html"), HEADERS[1]], "x"),
            "Content-Type",
        ),
        (Reply::answer("200 OK", &HEADERS[..1], "x"), "no X-Speke-Version"),
        (
            Reply::answer("200 OK", &[HEADERS[0], ("X-Speke-Version", "2.1")], "x"),
            "another X-Speke-Version than 2.0",
        ),
        (Reply::answer("200 OK", &HEADERS, &STANDARD.encode(KEY)), "not well-formed XML"),
        (Reply::answer("503 Busy", &[("Retry-After", "86400")], ""), "503"),
    ];
    for (reply, expected) in cases {
        let (error, count) = refused(reply).await;
        assert!(error.message().contains(expected), "{expected} in {error}");
        assert_eq!((error.blame(), count), (Blame::KeyServer, 1), "{expected}");
    }
}

#[tokio::test]
async fn long_answers_are_cut_with_and_without_a_declared_length() {
    let long = "x".repeat(2000);
    let mut chunked = b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\n\
                        X-Speke-Version: 2.0\r\nConnection: close\r\n\r\n"
        .to_vec();
    chunked.extend_from_slice(long.as_bytes());
    for reply in [Reply::answer("200 OK", &HEADERS, &long), Reply::Raw(chunked)] {
        let fixture = Fixture::new(config::Keys { max_response_bytes: 1999, ..usual() });
        let server = TestServer::start([reply]).await;
        let error = fixture.get(&fixture.encryption(&server)).await.unwrap_err();
        assert!(error.message().contains("more than 1999 bytes"), "{error}");
        assert_eq!(server.count(), 1);
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let settings = config::Keys { timeout: Duration::from_millis(50), attempts: 2, ..usual() };
    let fixture = Fixture::new(settings);
    let server = TestServer::start([Reply::Silence]).await;
    let error = fixture.get(&fixture.encryption(&server)).await.unwrap_err();
    assert_discreet(&error);
    assert!(error.message().contains("keys.timeout_seconds"), "{error}");
    assert_eq!(server.count(), 2);
    assert!(fixture.counted(r#"packorigin_keys_requests_total{outcome="timeout"} 1"#));
}

#[tokio::test]
async fn private_addresses_are_refused_unless_allowed() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let vault = Arc::new(Vault::new(&Secrets::default(), folder.path()).unwrap());
    let policy = EgressPolicy::default();
    let fixture = Fixture::assemble(folder, HandClock::new(), usual(), vault, policy);
    let server = TestServer::start([Reply::Good(KEY)]).await;
    for url in [server.url(), server.url().replace("127.0.0.1", "localhost")] {
        let encryption = fixture.encryption_at(&format!("{url}/speke/{TOKEN}?t=1"));
        let error = fixture.get(&encryption).await.unwrap_err();
        assert_discreet(&error);
        assert!(error.message().contains("egress.allow_hosts"), "{error}");
        assert_eq!(error.blame(), Blame::Us);
    }
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn a_server_that_is_down_is_left_alone_and_others_are_not() {
    let fixture = Fixture::new(usual());
    let down = TestServer::start([Reply::status("503 Service Unavailable")]).await;
    for title in ["a", "b", "c", "d"] {
        let title = ContentId::new(title).unwrap();
        let encryption = fixture.encryption(&down);
        let error = fixture.keys.key_set(&title, PackageType::Dash, &encryption).await;
        assert_eq!(error.unwrap_err().kind(), Kind::KeysUnavailable);
    }
    // Three attempts for the first title, two for the second, and none for the others.
    assert_eq!(down.count(), 5);
    assert!(fixture.counted("packorigin_keys_servers_paused 1"));
    let up = TestServer::start([Reply::Good(KEY)]).await;
    assert!(fixture.get(&fixture.encryption(&up)).await.is_ok());

    // A server that dislikes each request is up all the same.
    let fixture = Fixture::new(usual());
    let angry = TestServer::start([Reply::status("500 Internal Server Error")]).await;
    for title in ["a", "b", "c"] {
        let title = ContentId::new(title).unwrap();
        let encryption = fixture.encryption(&angry);
        let _ = fixture.keys.key_set(&title, PackageType::Dash, &encryption).await;
    }
    assert_eq!(angry.count(), 9);
}
