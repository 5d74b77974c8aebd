//! What goes wrong on purpose does go wrong.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;

use super::examples::{SHARED, V1};
use super::*;

#[tokio::test]
async fn documents_are_spoiled() {
    let fault = |fault| async move { failing(fault).document(Some("2.0"), SHARED).await };
    let document = fault(Fault::IvEqualsKey).await;
    let content_key = member(&document, "ContentKeyList", 0);
    let iv = STANDARD.decode(content_key.attribute("explicitIV").unwrap()).unwrap();
    assert_eq!(iv, plain_value(content_key));

    let document = fault(Fault::WrongKid).await;
    let kid = member(&document, "ContentKeyList", 0).attribute("kid").map(str::to_owned);
    assert_eq!(kid.as_deref(), Some("01234567-89ab-cdef-0123-456789abcdee"));
    assert_eq!(member(&document, "DRMSystemList", 0).attribute("kid"), Some(KID));

    let document = fault(Fault::NoKey).await;
    assert_eq!(member(&document, "ContentKeyList", 0).children().count(), 0);
    let document = fault(Fault::ShortKey).await;
    assert_eq!(plain_value(member(&document, "ContentKeyList", 0)).len(), 15);
    let document = fault(Fault::WrongScheme).await;
    let scheme = member(&document, "ContentKeyList", 0).attribute("commonEncryptionScheme");
    assert_eq!(scheme, Some("cenc"));
    let document = fault(Fault::EmptySystems).await;
    assert_eq!(member(&document, "DRMSystemList", 0).child(CPIX, "PSSH").unwrap().text(), "");
    let document = fault(Fault::NoRules).await;
    assert!(document.child(CPIX, "ContentKeyUsageRuleList").is_none());
    let document = fault(Fault::OtherPssh).await;
    let system = member(&document, "DRMSystemList", 0);
    let pssh = system.child(CPIX, "PSSH").unwrap().text();
    assert!(!decoded(system.child(CPIX, "ContentProtectionData").unwrap()).contains(&pssh));
}

#[tokio::test]
async fn answers_are_spoiled() {
    let answer = failing(Fault::WrongVersion).ask(Some("2.0"), SHARED).await;
    assert_eq!(answer.headers["x-speke-version"], "9.9");
    let answer = failing(Fault::NotXml).ask(Some("2.0"), SHARED).await;
    assert!(Element::parse(answer.text()).is_err());
    let server = failing(Fault::Status(StatusCode::BAD_GATEWAY));
    assert_eq!(server.ask(None, V1).await.status, 502);
    assert_eq!(server.call(Method::GET, &format!("/keys/{KID}"), "").await.status, 502);
    assert_eq!(server.call(Method::GET, "/healthz", "").await.status, 200);
}

#[tokio::test]
async fn answers_are_slow() {
    let at_once = server();
    assert!(at_once.ask(None, V1).now_or_never().is_some());
    let server = failing(Fault::Slow(Duration::from_secs(3600)));
    assert!(server.ask(None, V1).now_or_never().is_none());
}

#[tokio::test]
async fn connections_break() {
    let (_stop, stopped) = watch::channel(false);
    for (fault, is_answered) in [(Fault::Reset, false), (Fault::Truncate, true)] {
        let listener = bind("127.0.0.1:0".parse().unwrap(), false).await.unwrap();
        let url = format!("http://{}/keys/{KID}", listener.local_addr().unwrap());
        tokio::spawn(serve(listener, failing(fault).0, stopped.clone()));
        let answer = reqwest::get(url).await;
        assert_eq!(answer.is_ok(), is_answered, "{fault:?}");
        if let Ok(answer) = answer {
            assert_eq!(answer.content_length(), Some(16));
            assert!(answer.bytes().await.is_err());
        }
    }
}

#[tokio::test]
async fn others_are_let_in_only_where_that_is_asked_for() {
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let error = bind(everywhere, false).await.unwrap_err();
    assert!(error.message().contains("--allow-remote"), "{error}");
    assert!(bind(everywhere, true).await.is_ok());
}
