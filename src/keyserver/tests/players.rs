//! What players ask for.

use serde_json::{Value, json};

use super::*;

const REQUEST: &str = r#"{"kids":["ASNFZ4mrze8BI0VniavN7w"],"type":"temporary"}"#;

#[tokio::test]
async fn a_licence_holds_the_keys_that_the_media_has() {
    let answer = server().call(Method::POST, "/clearkey", REQUEST).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    let k = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(key().expose());
    let expected = json!({
        "keys": [{"kty": "oct", "kid": "ASNFZ4mrze8BI0VniavN7w", "k": k}],
        "type": "temporary"
    });
    assert_eq!(serde_json::from_slice::<Value>(&answer.body).unwrap(), expected);
}

#[tokio::test]
async fn licence_requests_may_say_more_or_less() {
    for (body, session) in [
        (r#"{"kids":["ASNFZ4mrze8BI0VniavN7w"]}"#, "temporary"),
        (
            r#"{"kids":["ASNFZ4mrze8BI0VniavN7w"],"type":"persistent-license","x":1}"#,
            "persistent-license",
        ),
    ] {
        let answer = server().call(Method::POST, "/clearkey", body).await;
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(answer["type"], session);
    }
    let many: Vec<_> = (0..65).map(|_| "ASNFZ4mrze8BI0VniavN7w").collect();
    for bad in [
        "",
        "[]",
        "{}",
        r#"{"kids":[]}"#,
        r#"{"kids":["ASNFZ4mrze8BI0VniavN7w=="]}"#,
        r#"{"kids":["ASNFZ4mrze8BI0VniavN"]}"#,
        r#"{"kids":["+/NFZ4mrze8BI0VniavN7w"]}"#,
        r#"{"kids":["ASNFZ4mrze8BI0VniavN7w"],"type":"forever"}"#,
        &json!({ "kids": many }).to_string(),
    ] {
        let answer = server().call(Method::POST, "/clearkey", bad).await;
        assert_eq!(answer.status, 400, "{bad}");
        assert_eq!(answer.headers["access-control-allow-origin"], "*");
    }
}

#[tokio::test]
async fn plain_keys_are_16_bytes() {
    for path in [format!("/keys/{KID}"), format!("/keys/{}", key_id().to_hex())] {
        let answer = server().call(Method::GET, &path, "").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["content-type"], "application/octet-stream");
        assert_eq!(answer.headers["access-control-allow-origin"], "*");
        assert_eq!(answer.body, key().expose());
    }
    assert_eq!(server().call(Method::GET, "/keys/x", "").await.status, 404);
}

#[tokio::test]
async fn wrong_keys_are_had_by_asking() {
    let wrong = server().call(Method::GET, &format!("/keys/{KID}?key=wrong"), "").await;
    assert_eq!(wrong.body.len(), 16);
    assert_ne!(wrong.body, key().expose());
    let fault = failing(Fault::WrongKey);
    assert_eq!(fault.call(Method::GET, &format!("/keys/{KID}"), "").await.body, wrong.body);
    let licences = [
        server().call(Method::POST, "/clearkey?key=wrong", REQUEST).await.body,
        fault.call(Method::POST, "/clearkey", REQUEST).await.body,
    ];
    assert_eq!(licences[0], licences[1]);
    assert_ne!(licences[0], server().call(Method::POST, "/clearkey", REQUEST).await.body);
}

#[tokio::test]
async fn browsers_may_ask_from_anywhere() {
    for path in ["/clearkey".to_owned(), format!("/keys/{KID}")] {
        let request = Request::builder()
            .method(Method::OPTIONS)
            .uri(path)
            .header("origin", "http://other.test")
            .header("access-control-request-headers", "content-type,x-a");
        let answer = server().send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 204);
        assert_eq!(answer.headers["access-control-allow-origin"], "*");
        assert_eq!(answer.headers["access-control-allow-headers"], "content-type,x-a");
        let methods = answer.headers["access-control-allow-methods"].to_str().unwrap();
        assert!(methods.contains("POST") && methods.contains("GET"));
    }
    // Packagers are no browsers.
    let answer = server().ask(None, super::examples::V1).await;
    assert!(answer.headers.get("access-control-allow-origin").is_none());
}

#[tokio::test]
async fn the_page_is_told_what_there_is_to_play() {
    let page = server().call(Method::GET, "/player", "").await;
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert!(page.text().contains("streams.json"));
    let streams = vec![PlayerStream {
        name: "DASH cenc".to_owned(),
        url: "http://127.0.0.1:1/x.mpd".to_owned(),
        keys: PlayerKind::ClearKey,
        players: vec!["shaka"],
    }];
    let server = Server(Settings { streams, ..server().0 });
    let answer = server.call(Method::GET, "/player/streams.json", "").await;
    let expected = json!([{
        "name": "DASH cenc",
        "url": "http://127.0.0.1:1/x.mpd",
        "keys": "clearKey",
        "players": ["shaka"]
    }]);
    assert_eq!(serde_json::from_slice::<Value>(&answer.body).unwrap(), expected);
}
