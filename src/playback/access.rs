//! Who may ask: anyone, or a CDN that knows a secret.
//!
//! Secrets are compared through an HMAC under a fixed key, so the time that a refusal takes says
//! nothing about how much of a guess was right. Several may be valid at a time, for rotation.

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName};
use sha2::Sha256;

use crate::config;
use crate::error::{Error, Kind, Result};

/// The rule of the playback listener.
pub struct Access {
    header: HeaderName,
    /// Tags of the accepted secrets; empty means that anyone may ask.
    accepted: Vec<[u8; 32]>,
}

/// Both sides are tagged with it; it keeps nothing secret.
const TAG_KEY: &[u8] = b"packorigin cdn secret";

impl Access {
    /// The rule that the settings ask for.
    pub fn new(settings: &config::Playback) -> Self {
        let accepted = settings
            .cdn_secrets
            .iter()
            .filter_map(|secret| {
                Some(tagger(secret.expose().as_bytes())?.finalize().into_bytes().into())
            })
            .collect();
        Self { header: settings.cdn_header.clone(), accepted }
    }

    /// Whether a request with these headers may go on.
    pub fn check(&self, headers: &HeaderMap) -> Result<()> {
        if self.accepted.is_empty() {
            return Ok(());
        }
        let sent = headers.get(&self.header).map_or(&[][..], |value| value.as_bytes());
        // All are compared, so that the time does not tell which one was meant.
        let matches = self.accepted.iter().fold(false, |matches, tag| {
            let equal = tagger(sent).is_some_and(|tagger| tagger.verify_slice(tag).is_ok());
            matches | equal
        });
        if matches {
            Ok(())
        } else {
            let message = format!("the header {} has no valid secret", self.header);
            Err(Error::new(Kind::PermissionDenied, message))
        }
    }
}

fn tagger(secret: &[u8]) -> Option<Hmac<Sha256>> {
    let mut tagger = Hmac::<Sha256>::new_from_slice(TAG_KEY).ok()?;
    tagger.update(secret);
    Some(tagger)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(secrets: &[&str]) -> Access {
        let accepted = secrets
            .iter()
            .map(|secret| tagger(secret.as_bytes()).unwrap().finalize().into_bytes().into());
        Access { header: HeaderName::from_static("x-secret"), accepted: accepted.collect() }
    }

    fn headers(secret: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("x-secret", secret.parse().unwrap());
        headers
    }

    #[test]
    fn either_secret_opens_and_nothing_else_does() {
        let access = access(&["old-secret", "new-secret"]);
        assert!(access.check(&headers("old-secret")).is_ok());
        assert!(access.check(&headers("new-secret")).is_ok());
        assert!(access.check(&headers("new-secre")).is_err());
        let refused = access.check(&HeaderMap::new()).unwrap_err();
        assert_eq!(refused.kind(), Kind::PermissionDenied);
    }

    #[test]
    fn without_secrets_anyone_may_ask() {
        assert!(access(&[]).check(&HeaderMap::new()).is_ok());
    }
}
