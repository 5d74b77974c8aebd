//! What is asked once, kept, and used while a server is away.

use super::*;

const OTHER_KEY: [u8; 16] = [0x5a; 16];

#[tokio::test]
async fn many_players_make_one_request() {
    let fixture = Fixture::new(usual());
    let server = TestServer::start([Reply::Good(KEY)]).await;
    let encryption = fixture.encryption(&server);
    server.hold(true);
    let players: Vec<_> = (0..20)
        .map(|_| {
            let (keys, encryption) = (fixture.keys.clone(), encryption.clone());
            tokio::spawn(async move {
                keys.key_set(&content_id(), PackageType::HlsCmaf, &encryption).await
            })
        })
        .collect();
    server.arrival().await;
    // The one who happened to ask first hangs up.
    players[0].abort();
    server.hold(false);
    for player in players.into_iter().skip(1) {
        assert_eq!(player.await.unwrap().unwrap().keys[0].key.expose(), &KEY);
    }
    assert_eq!(server.count(), 1);
    assert!(fixture.keys.memory().flights.is_empty());
}

#[tokio::test]
async fn a_fresh_set_is_not_asked_for_again_and_other_questions_are() {
    let fixture = Fixture::new(usual());
    let server = TestServer::start([Reply::Good(KEY)]).await;
    let encryption = fixture.encryption(&server);
    let first = fixture.get(&encryption).await.unwrap();
    fixture.clock.advance(59);
    assert!(Arc::ptr_eq(&first, &fixture.get(&encryption).await.unwrap()));
    let clear_lead = Encryption { clear_lead_segments: 3, ..encryption.clone() };
    fixture.get(&clear_lead).await.unwrap();
    assert_eq!(server.count(), 1);

    let others = [
        Encryption { constant_iv: Some([1; 16]), ..encryption.clone() },
        Encryption { systems: vec![DrmSystem::Widevine], ..encryption.clone() },
        fixture.encryption(&server),
        Encryption {
            license_urls: BTreeMap::from([(DrmSystem::Widevine, "https://l.example".to_owned())]),
            ..encryption.clone()
        },
    ];
    for other in &others {
        fixture.get(other).await.unwrap();
    }
    let title = ContentId::new("asset-1").unwrap();
    fixture.keys.key_set(&title, PackageType::Dash, &encryption).await.unwrap();
    assert_eq!(server.count(), 6);
}

#[tokio::test]
async fn a_crowd_does_not_repeat_a_failure() {
    let fixture = Fixture::new(usual());
    let server = TestServer::start([Reply::status("403 Forbidden")]).await;
    let encryption = fixture.encryption(&server);
    for _ in 0..10 {
        assert!(fixture.get(&encryption).await.is_err());
    }
    assert_eq!(server.count(), 1);
    assert!(fixture.counted(r#"packorigin_keys_lookups_total{outcome="failed"} 9"#));
    server.reply_with([Reply::Good(KEY)]);
    fixture.clock.advance(2);
    assert!(fixture.get(&encryption).await.is_ok());
}

#[tokio::test]
async fn an_outage_is_bridged_for_the_keeping_time() {
    let fixture = Fixture::new(usual());
    let server = TestServer::start([Reply::Good(KEY)]).await;
    let encryption = fixture.encryption(&server);
    let first = fixture.get(&encryption).await.unwrap();
    server.reply_with([Reply::status("403 Forbidden")]);
    for _ in 0..3 {
        fixture.clock.advance(1000);
        for _ in 0..5 {
            assert!(Arc::ptr_eq(&first, &fixture.get(&encryption).await.unwrap()));
        }
    }
    // Once in each pause, however many ask.
    assert_eq!(server.count(), 4);
    assert!(fixture.counted(r#"packorigin_keys_lookups_total{outcome="stale"} 15"#));
    fixture.clock.advance(1000);
    assert_discreet(&fixture.get(&encryption).await.unwrap_err());

    server.reply_with([Reply::Good(KEY)]);
    fixture.clock.advance(2);
    assert!(fixture.get(&encryption).await.is_ok());
}

#[tokio::test]
async fn a_slow_server_is_not_waited_for_while_there_are_known_keys() {
    let fixture = Fixture::new(usual());
    let server = TestServer::start([Reply::Good(KEY)]).await;
    let encryption = fixture.encryption(&server);
    let first = fixture.get(&encryption).await.unwrap();
    server.arrival().await;
    fixture.clock.advance(60);
    server.hold(true);
    assert!(Arc::ptr_eq(&first, &fixture.get(&encryption).await.unwrap()));
    server.arrival().await;
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn replaced_sets_stay_known() {
    let fixture = Fixture::new(usual());
    let server = TestServer::start([Reply::Good(KEY)]).await;
    let encryption = fixture.encryption(&server);
    // What is not known is not asked for.
    assert!(fixture.known(&encryption).is_empty());
    fixture.get(&encryption).await.unwrap();
    assert_eq!(fixture.known(&encryption).len(), 1);
    server.reply_with([Reply::Good(OTHER_KEY)]);
    fixture.clock.advance(60);
    // Stale, and still not asked for.
    assert_eq!(fixture.known(&encryption).len(), 1);
    fixture.get(&encryption).await.unwrap();
    let known = fixture.known(&encryption);
    let secrets: Vec<_> = known.iter().map(|set| *set.keys[0].key.expose()).collect();
    assert_eq!(secrets, [OTHER_KEY, KEY]);

    let nothing = fixture.encryption_at("http://127.0.0.1:1/");
    assert!(fixture.known(&nothing).is_empty());
}

fn on_disk() -> config::Keys {
    config::Keys { disk_cache: true, ..usual() }
}

#[tokio::test]
async fn a_start_while_the_server_is_away_goes_on_with_stored_answers() {
    let before = Fixture::new(on_disk());
    let server = TestServer::start([Reply::Good(KEY)]).await;
    let encryption = before.encryption(&server);
    before.get(&encryption).await.unwrap();
    server.reply_with([Reply::status("403 Forbidden")]);
    let start =
        || Fixture::in_folder(before.folder.clone(), before.clock.clone(), on_disk(), [7; 32]);

    // Fresh by its time: nobody is asked.
    let set = start().get(&encryption).await.unwrap();
    assert_eq!((set.keys[0].key.expose(), server.count()), (&KEY, 1));
    // Stale: asked for, and used when that fails.
    before.clock.advance(1000);
    let after = start();
    let set = after.get(&encryption).await.unwrap();
    assert_eq!((set.keys[0].key.expose(), server.count()), (&KEY, 2));
    after.get(&encryption).await.unwrap();
    assert_eq!(server.count(), 2);
    // A new answer counts for more than a stale stored one.
    server.reply_with([Reply::Good(OTHER_KEY)]);
    let set = start().get(&encryption).await.unwrap();
    assert_eq!(set.keys[0].key.expose(), &OTHER_KEY);
    // Too old.
    server.reply_with([Reply::status("403 Forbidden")]);
    before.clock.advance(3600);
    assert_discreet(&start().get(&encryption).await.unwrap_err());
}

#[tokio::test]
#[cfg(unix)]
async fn stored_answers_are_sealed_bound_to_their_question_and_private() {
    use std::os::unix::fs::PermissionsExt;

    let before = Fixture::new(on_disk());
    let server = TestServer::start([Reply::Good(KEY)]).await;
    let encryption = before.encryption(&server);
    let other = Encryption { constant_iv: Some([1; 16]), ..encryption.clone() };
    before.get(&encryption).await.unwrap();
    let folder = before.folder.path().join("keys");
    let files = || -> Vec<_> {
        let mut paths: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let [first] = files().try_into().unwrap();
    let bytes = std::fs::read(&first).unwrap();
    for secret in [&STANDARD.encode(KEY), TOKEN, "ContentKey", "asset-1"] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
    assert_eq!(std::fs::metadata(&first).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);

    before.get(&other).await.unwrap();
    let second = files().into_iter().find(|path| *path != first).unwrap();
    server.reply_with([Reply::status("403 Forbidden")]);
    let (folder, clock) = (&before.folder, &before.clock);
    let start = |key| Fixture::in_folder(folder.clone(), clock.clone(), on_disk(), key);
    // Moved to another question's place.
    std::fs::copy(&first, &second).unwrap();
    assert_discreet(&start([7; 32]).get(&other).await.unwrap_err());
    assert!(start([7; 32]).get(&encryption).await.is_ok());
    // Under another key not even the URL of the key server can be opened.
    let error = start([8; 32]).get(&encryption).await.unwrap_err();
    assert_discreet(&error);
    assert!(error.message().contains("bring back the secrets.key"), "{error}");
    assert_eq!(error.blame(), Blame::Us);
    // Damaged.
    std::fs::write(&first, &bytes[..20]).unwrap();
    assert_discreet(&start([7; 32]).get(&encryption).await.unwrap_err());
}

#[tokio::test]
async fn stored_answers_go_when_they_are_too_old() {
    let before = Fixture::new(on_disk());
    let server = TestServer::start([Reply::Good(KEY)]).await;
    before.get(&before.encryption(&server)).await.unwrap();
    let folder = before.folder.path().join("keys");
    let files = || std::fs::read_dir(&folder).unwrap().count();
    std::fs::write(folder.join("not-ours"), "x").unwrap();
    assert_eq!(files(), 2);
    let file = std::fs::read_dir(&folder).unwrap().flatten().map(|file| file.path());
    for path in file {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3601)).unwrap();
    }
    Fixture::in_folder(before.folder.clone(), HandClock::new(), on_disk(), [7; 32]);
    assert_eq!(files(), 1);
    assert!(folder.join("not-ours").exists());
}

#[tokio::test]
async fn a_server_that_is_gone_is_told_with_its_host() {
    let fixture = Fixture::new(usual());
    let server = TestServer::start([Reply::Good(KEY)]).await;
    let encryption = fixture.encryption(&server);
    server.stop().await;
    let error = fixture.get(&encryption).await.unwrap_err();
    assert_discreet(&error);
    assert!(error.message().contains("key server 127.0.0.1"), "{error}");
    assert!(error.message().contains("can be reached"), "{error}");
}
