//! The key server through its router, without sockets where none are needed.

mod examples;
mod faults;
mod players;
mod refusals;
mod round_trip;
mod speke;

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method, Request, StatusCode};
use tower::ServiceExt;

use super::document::{CPIX, Element, PSKC};
use super::*;
use crate::model::protection::{ContentKey, KeyId};

const KID: &str = "01234567-89ab-cdef-0123-456789abcdef";

struct Server(Settings);

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

fn server() -> Server {
    Server(Settings::new(Seed::new("test")))
}

fn failing(fault: Fault) -> Server {
    Server(Settings { faults: vec![fault], ..server().0 })
}

impl Server {
    async fn send(&self, request: Request<Body>) -> Answer {
        let response = router(Arc::new(self.0.clone())).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn call(&self, method: Method, path: &str, body: &str) -> Answer {
        let request = Request::builder().method(method).uri(path).header("host", "keys.test:81");
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    async fn ask(&self, version: Option<&str>, document: &str) -> Answer {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri("/speke/v1.0/copyProtection")
            .header("host", "keys.test:81")
            .header("content-type", "application/xml");
        if let Some(version) = version {
            request = request.header("x-speke-version", version);
        }
        self.send(request.body(Body::from(document.to_owned())).unwrap()).await
    }

    async fn document(&self, version: Option<&str>, document: &str) -> Element {
        self.ask(version, document).await.document()
    }
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn document(&self) -> Element {
        assert_eq!(self.status, 200, "{}", self.text());
        assert_eq!(self.headers["content-type"], "application/xml");
        Element::parse(self.text()).ok().unwrap()
    }
}

fn key_id() -> KeyId {
    KeyId::parse(KID).unwrap()
}

fn key() -> ContentKey {
    Seed::new("test").key(key_id())
}

/// The `index`th member of a list.
fn member<'a>(document: &'a Element, list: &'a str, index: usize) -> &'a Element {
    document.child(CPIX, list).unwrap().children().nth(index).unwrap()
}

fn plain_value(content_key: &Element) -> Vec<u8> {
    let secret = content_key.child(CPIX, "Data").unwrap().child(PSKC, "Secret").unwrap();
    STANDARD.decode(secret.child(PSKC, "PlainValue").unwrap().text()).unwrap()
}

/// Base64 of text.
fn decoded(element: &Element) -> String {
    String::from_utf8(STANDARD.decode(element.text()).unwrap()).unwrap()
}
