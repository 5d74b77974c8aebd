//! The access token of the control listener.
//!
//! One token, shared by all operators; it is compared through HMAC, in a time that does not tell
//! how much of a guess is right. There are no users and no roles.

use std::fmt;
use std::net::SocketAddr;

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, header};
use sha2::Sha256;

use crate::error::{Error, Kind, Result};

/// The configured access token; only a digest of it is kept.
#[derive(Clone)]
pub struct AccessToken {
    /// Keyed; holds no token.
    mac: Hmac<Sha256>,
    digest: [u8; 32],
}

impl AccessToken {
    /// A token of visible ASCII characters, which is what fits a header.
    pub fn new(token: &str) -> Result<Self> {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::invalid(
                "access token",
                "the access token of the control listener must be visible ASCII characters",
            ));
        }
        let mac = Hmac::<Sha256>::new_from_slice(DIGEST_KEY)
            .map_err(|error| Error::internal("HMAC refused its key").caused_by(error))?;
        let digest = mac.clone().chain_update(token).finalize().into_bytes().into();
        Ok(Self { mac, digest })
    }

    /// Whether a request carries this token.
    pub(super) fn admit(&self, headers: &HeaderMap) -> Result<()> {
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(given), None) = (given.next(), given.next()) else {
            return Err(unauthenticated("this call needs `Authorization: Bearer <access token>`"));
        };
        let token = bearer(given.as_bytes()).ok_or_else(|| {
            unauthenticated("the Authorization header must read `Bearer <access token>`")
        })?;
        self.mac
            .clone()
            .chain_update(token)
            .verify_slice(&self.digest)
            .map_err(|_| unauthenticated("the access token is wrong"))
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(…)")
    }
}

/// Refuses to let operators' calls in from the network without a token.
pub fn require_token(listen: SocketAddr, token: Option<&AccessToken>) -> Result<()> {
    if token.is_some() || listen.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    Err(Error::invalid(
        "control listen address",
        format!(
            "the control listener will not open {listen}, which is reachable from other machines, \
             without an access token; configure one, or listen on 127.0.0.1"
        ),
    ))
}

fn unauthenticated(message: &str) -> Error {
    Error::new(Kind::Unauthenticated, message)
}

/// The credentials of the Bearer scheme, whose name has no letter case (RFC 9110 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token.trim_ascii())
}

/// Makes digests of one length out of tokens of any; it is no secret.
const DIGEST_KEY: &[u8] = b"packorigin control access token";

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn only_the_whole_token_is_admitted() {
        let token = AccessToken::new("s3cret").unwrap();
        for good in ["Bearer s3cret", "bearer s3cret", "BEARER  s3cret"] {
            assert!(token.admit(&headers(good)).is_ok(), "{good}");
        }
        for bad in ["", "s3cret", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3cret1", "Basic x"]
        {
            let error = token.admit(&headers(bad)).unwrap_err();
            assert_eq!(error.kind(), Kind::Unauthenticated, "{bad}");
        }
        let mut twice = headers("Bearer s3cret");
        twice.append(header::AUTHORIZATION, "Bearer s3cret".parse().unwrap());
        assert!(token.admit(&twice).is_err());
        assert!(token.admit(&HeaderMap::new()).is_err());
    }

    #[test]
    fn tokens_that_fit_no_header_are_refused_and_none_is_shown() {
        for bad in ["", "a b", "ü", "a\n"] {
            assert!(AccessToken::new(bad).is_err(), "{bad}");
        }
        assert!(!format!("{:?}", AccessToken::new("s3cret").unwrap()).contains("s3cret"));
    }

    #[test]
    fn only_loopback_goes_without_a_token() {
        let token = AccessToken::new("s3cret").unwrap();
        for (address, without) in [
            ("127.0.0.1:8081", true),
            ("127.8.8.8:8081", true),
            ("[::1]:8081", true),
            ("[::ffff:127.0.0.1]:8081", true),
            ("0.0.0.0:8081", false),
            ("[::]:8081", false),
            ("10.0.0.1:8081", false),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(require_token(address, None).is_ok(), without, "{address}");
            assert!(require_token(address, Some(&token)).is_ok());
        }
    }
}
