//! Sending a document to a key server and getting one back: HTTP as SPEKE 1.0 and 2.x want it.
//!
//! ```text
//! post ─┬ breaker says no ──────────────────────────────────────────────► Paused
//!       └ attempt ─ check_url ─ POST ─ status ─ version ─ type ─ body ──► document
//!            ▲          │
//!            └─ wait ───┴ no connection, too late, 5xx, 429, broken off
//! ```
//!
//! Only what may pass is tried again, after a random part of a wait that doubles, so that many
//! nodes do not come back at the same moment. Redirects are not followed: a request carries
//! credentials, and its answer keys. Nothing here reads documents, and none is logged.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use lru::LruCache;
use zeroize::Zeroizing;

use super::ask_error::AskError;
use super::breaker::Breaker;
use super::credentials::{Credentials, Tls};
use crate::config;
use crate::egress::{self, EgressPolicy};
use crate::model::encryption::SpekeVersion;
use crate::telemetry::Metrics;

/// `X-Speke-Version` (SPEKE 2, both ways).
const VERSION_HEADER: &str = "x-speke-version";
/// A server that wants to be left alone for longer than this is not waited for by a player.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(5);
/// HTTP clients and breakers that are kept: as many as there are key servers in common life.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// Waits between attempts: a random part of `first`, of twice `first` … up to `longest`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    pub(super) first: Duration,
    pub(super) longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(200), longest: Duration::from_secs(2) }
    }
}

impl Backoff {
    /// The wait after the failure number `failures`, from 1; `random` is spread evenly.
    fn wait(self, failures: u32, random: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        let bound = self.first.saturating_mul(1 << doublings).min(self.longest);
        let part = bound.as_nanos() * u128::from(random) / u128::from(u32::MAX);
        Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX))
    }
}

/// Sends documents to key servers.
pub(super) struct Client {
    policy: EgressPolicy,
    settings: config::Keys,
    backoff: Backoff,
    metrics: Arc<Metrics>,
    /// By the certificates that they show and trust.
    clients: Mutex<LruCache<[u8; 32], reqwest::Client>>,
    /// By host and port.
    breakers: Mutex<LruCache<String, Breaker>>,
}

impl Client {
    pub(super) fn new(
        policy: EgressPolicy,
        settings: config::Keys,
        backoff: Backoff,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            policy,
            settings,
            backoff,
            metrics,
            clients: Mutex::new(LruCache::new(REMEMBERED)),
            breakers: Mutex::new(LruCache::new(REMEMBERED)),
        }
    }

    /// Sends `document` until there is an answer, or no hope for one.
    pub(super) async fn post(
        &self,
        credentials: &Credentials,
        version: SpekeVersion,
        document: &str,
    ) -> Result<Zeroizing<Vec<u8>>, AskError> {
        self.policy.check_url(&credentials.url).map_err(AskError::Refused)?;
        let client = self.http_client(&credentials.tls)?;
        let server = server_name(credentials);
        let mut failures = 0;
        loop {
            self.breaker(&server, |breaker| breaker.admit(Instant::now()))
                .map_err(AskError::Paused)?;
            let result = self.attempt(&client, credentials, version, document).await;
            let is_outage = result.as_ref().is_err_and(AskError::is_outage);
            self.breaker(&server, |breaker| match is_outage {
                true => breaker.failed(Instant::now()),
                false => breaker.succeeded(),
            });
            let error = match result {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            failures += 1;
            let retry_after = error.retry_after().unwrap_or_default();
            if !error.may_pass()
                || failures >= self.settings.attempts
                || retry_after > LONGEST_RETRY_AFTER
            {
                return Err(error);
            }
            self.metrics.key_retry();
            let wait = self.backoff.wait(failures, random());
            tokio::time::sleep(wait.max(retry_after)).await;
        }
    }

    async fn attempt(
        &self,
        client: &reqwest::Client,
        credentials: &Credentials,
        version: SpekeVersion,
        document: &str,
    ) -> Result<Zeroizing<Vec<u8>>, AskError> {
        let mut request = client
            .post(credentials.url.clone())
            .timeout(self.settings.timeout)
            .headers(credentials.headers.clone())
            .header(CONTENT_TYPE, "application/xml")
            .body(document.to_owned());
        if version != SpekeVersion::V1 {
            request = request.header(VERSION_HEADER, version.as_str());
        }
        let mut response = request.send().await.map_err(|error| self.explain(&error, false))?;
        check_head(response.status(), response.headers(), version)?;
        let limit = self.settings.max_response_bytes;
        let declared = response.content_length().unwrap_or_default();
        if declared > limit {
            return Err(AskError::TooLarge(limit));
        }
        // Keys may stand in it in the clear. Room for all of it, so that growing leaves no copy.
        let room = usize::try_from(declared).unwrap_or_default();
        let mut body = Zeroizing::new(Vec::with_capacity(room));
        while let Some(chunk) =
            response.chunk().await.map_err(|error| self.explain(&error, true))?
        {
            if (body.len() + chunk.len()) as u64 > limit {
                return Err(AskError::TooLarge(limit));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// What an error of the HTTP client means. Its own text is not used: it quotes the URL.
    fn explain(&self, error: &reqwest::Error, has_begun: bool) -> AskError {
        if let Some(refused) = egress::refusal(error) {
            return AskError::Refused(refused.clone());
        }
        if error.is_timeout() {
            return AskError::Timeout(self.settings.timeout);
        }
        if has_begun {
            return AskError::Broken;
        }
        if error.is_builder() {
            return AskError::Setting("keyServer cannot be made into a request; check its url");
        }
        let causes =
            std::iter::successors(std::error::Error::source(error), |cause| cause.source());
        // The TLS library hands its errors on inside those of the system.
        let io = causes.filter_map(|cause| cause.downcast_ref::<std::io::Error>()).last();
        match io {
            Some(error) if error.to_string().starts_with("invalid peer certificate") => {
                AskError::Certificate
            }
            Some(error) => AskError::Connection(format!("the connection failed: {}", error.kind())),
            None => AskError::Connection("the connection failed".to_owned()),
        }
    }

    fn http_client(&self, tls: &Tls) -> Result<reqwest::Client, AskError> {
        let digest = tls.digest();
        if let Some(client) = lock(&self.clients).get(&digest) {
            return Ok(client.clone());
        }
        let mut builder = egress::client_builder(&self.policy, self.settings.timeout)
            .redirect(reqwest::redirect::Policy::none());
        if let Some(pem) = &tls.identity {
            let identity = reqwest::Identity::from_pem(pem.as_bytes()).map_err(|_| {
                AskError::Setting(
                    "clientIdentity is not a certificate chain and a private key in PEM; correct it",
                )
            })?;
            builder = builder.identity(identity);
        }
        if let Some(pem) = &tls.trusted {
            let certificates = reqwest::Certificate::from_pem_bundle(pem.as_bytes())
                .ok()
                .filter(|certificates| !certificates.is_empty())
                .ok_or(AskError::Setting(
                    "trustedCertificates holds no certificate in PEM; correct it",
                ))?;
            builder = builder.tls_certs_merge(certificates);
        }
        let client = builder.build().map_err(|_| {
            AskError::Setting(
                "the certificates of keyServer cannot be used: the private key must fit the \
                 chain, and each certificate be whole; correct them",
            )
        })?;
        lock(&self.clients).put(digest, client.clone());
        Ok(client)
    }

    /// Asks or tells the breaker of a server.
    fn breaker<T>(&self, server: &str, act: impl FnOnce(&mut Breaker) -> T) -> T {
        let mut breakers = lock(&self.breakers);
        let breaker = breakers.get_or_insert_mut_ref(server, Breaker::default);
        let was_open = breaker.is_open();
        let result = act(breaker);
        let is_open = breaker.is_open();
        if was_open != is_open {
            let open = breakers.iter().filter(|(_, breaker)| breaker.is_open()).count();
            self.metrics.key_servers_paused(open as u64);
            drop(breakers);
            if is_open {
                tracing::warn!(server, "the key server does not answer and is left alone");
            } else {
                tracing::info!(server, "the key server answers again");
            }
        }
        result
    }
}

/// Host and port.
fn server_name(credentials: &Credentials) -> String {
    let host = credentials.url.host_str().unwrap_or_default();
    let port = credentials.url.port_or_known_default().unwrap_or_default();
    format!("{host}:{port}")
}

fn check_head(
    status: StatusCode,
    headers: &HeaderMap,
    version: SpekeVersion,
) -> Result<(), AskError> {
    if status.is_redirection() {
        return Err(AskError::Redirected(status));
    }
    if !status.is_success() {
        return Err(AskError::Status { status, retry_after: retry_after(headers) });
    }
    if version != SpekeVersion::V1 {
        match headers.get(VERSION_HEADER) {
            None => return Err(AskError::NoVersion(version.as_str())),
            Some(said) if said.as_bytes().trim_ascii() != version.as_str().as_bytes() => {
                return Err(AskError::OtherVersion(version.as_str()));
            }
            Some(_) => {}
        }
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if content_type.is_some_and(is_xml) { Ok(()) } else { Err(AskError::ContentType) }
}

/// `application/xml` (or `text/xml`, which servers send too), in UTF-8 if a charset is given.
fn is_xml(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let is_xml =
        ["application/xml", "text/xml"].iter().any(|xml| essence.eq_ignore_ascii_case(xml));
    is_xml
        && parts.filter_map(|part| part.split_once('=')).all(|(name, value)| {
            !name.trim().eq_ignore_ascii_case("charset")
                || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
}

/// Seconds or a date (RFC 9110 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc2822;

    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = OffsetDateTime::parse(text, &Rfc2822).ok()?;
    Some((date - OffsetDateTime::now_utc()).try_into().unwrap_or(Duration::ZERO))
}

fn random() -> u32 {
    let mut bytes = [0; 4];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => u32::from_ne_bytes(bytes),
        // The whole wait is as good as any part of it.
        Err(_) => u32::MAX,
    }
}

/// A panic while the lock was held leaves a map that is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_is_recognised_with_its_charset() {
        for (text, expected) in [
            ("application/xml", true),
            ("Application/XML; charset=\"UTF-8\"", true),
            ("text/xml;charset=utf-8", true),
            ("application/xml; charset=utf-16", false),
            ("text/html", false),
            ("application/xmlish", false),
            ("", false),
        ] {
            assert_eq!(is_xml(text), expected, "{text}");
        }
    }

    #[test]
    fn waits_double_up_to_a_bound_and_are_a_random_part() {
        let backoff = Backoff::default();
        let most: Vec<u128> =
            (1..=6).map(|failures| backoff.wait(failures, u32::MAX).as_millis()).collect();
        assert_eq!(most, [200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(backoff.wait(1, 0), Duration::ZERO);
        assert_eq!(backoff.wait(u32::MAX, u32::MAX), Duration::from_secs(2));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(read("120"), Some(Duration::from_secs(120)));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let far = read("Fri, 31 Dec 9999 23:59:59 GMT").unwrap();
        assert!(far > Duration::from_secs(365 * 86_400), "{far:?}");
        assert_eq!(read("soon"), None);
        assert_eq!(read("-1"), None);
    }
}
