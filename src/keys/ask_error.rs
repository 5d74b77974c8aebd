//! Why a key server gave no keys.
//!
//! The sentences name neither URL nor header values nor anything of the answer: a URL may hold a
//! token, and answers hold keys. The caller adds the host and the content ID.

use std::time::Duration;

use http::StatusCode;

use super::cpix::ResponseError;
use super::signalling::SignallingError;
use super::vault::VaultError;
use crate::egress::EgressRefused;
use crate::error::{Blame, Error, Kind};

/// Why a key server gave no keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AskError {
    /// A secret of the configuration cannot be had.
    #[error("{0}")]
    Vault(VaultError),
    /// A setting of the key server cannot be used.
    #[error("{0}")]
    Setting(&'static str),
    /// The address may not be reached.
    #[error("{0}")]
    Refused(EgressRefused),
    /// It failed too often, and is left alone for a while.
    #[error(
        "it did not answer several times in a row and is left alone for another {} s; bring it \
         back, or correct keyServer.url", .0.as_secs().max(1)
    )]
    Paused(Duration),
    /// No connection, or one that broke before the answer began.
    #[error("{0}; check that it runs and can be reached from here")]
    Connection(String),
    /// TLS does not trust it.
    #[error(
        "its certificate is not trusted; correct it there, or give the certificate of its issuer \
         as trustedCertificates"
    )]
    Certificate,
    /// No whole answer in time.
    #[error("it gave no whole answer within {0:?}; make it faster, or raise keys.timeout_seconds")]
    Timeout(Duration),
    /// The answer broke off.
    #[error("its answer broke off in the middle; look into its log")]
    Broken,
    /// An answer that is no success.
    #[error("it answered {status}; {}", advice(*.status))]
    Status {
        /// The status.
        status: StatusCode,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// A redirect. Following it would carry credentials to whatever it names.
    #[error("it answered {0} and redirects elsewhere; set keyServer.url to where it leads")]
    Redirected(StatusCode),
    /// Not XML, or not in UTF-8.
    #[error("its answer is not declared as application/xml in UTF-8; correct its Content-Type")]
    ContentType,
    /// `X-Speke-Version` is missing in the answer.
    #[error(
        "its answer has no X-Speke-Version header, which SPEKE {0} wants back; correct it there, \
         or set keyServer.spekeVersion to what it speaks"
    )]
    NoVersion(&'static str),
    /// `X-Speke-Version` says something else.
    #[error(
        "its answer has another X-Speke-Version than {0}; set keyServer.spekeVersion to what it \
         speaks"
    )]
    OtherVersion(&'static str),
    /// The answer is beyond the limit.
    #[error("its answer has more than {0} bytes; correct it, or raise keys.max_response_bytes")]
    TooLarge(u64),
    /// The answer came and is not one.
    #[error("{0}")]
    Answer(ResponseError),
    /// A system of the configuration cannot be signalled.
    #[error("{0}")]
    System(SignallingError),
}

const fn advice(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 403 => "check the credentials in keyServer",
        404 | 405 => "check the path in keyServer.url",
        429 => "it is asked too often; ask its operator for more",
        400..=499 => "it does not accept the request; look into its log",
        _ => "look into its log",
    }
}

impl AskError {
    /// Whether the same request may well succeed in a moment.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Connection(_) | Self::Timeout(_) | Self::Broken => true,
            Self::Status { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            _ => false,
        }
    }

    /// Whether it tells that the server is down, and not that it dislikes this request. 500 tells
    /// neither: servers answer it to requests that they do not understand, and one configuration
    /// that is wrong should not keep others from their keys.
    pub(super) fn is_outage(&self) -> bool {
        match self {
            Self::Connection(_) | Self::Timeout(_) | Self::Broken => true,
            Self::Status { status, .. } => matches!(status.as_u16(), 502..=504),
            _ => false,
        }
    }

    /// How long the server wants to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Paused(left) => Some(*left),
            _ => None,
        }
    }

    /// The word in metrics.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Vault(_) | Self::Setting(_) | Self::System(_) => "settings",
            Self::Refused(_) => "refused",
            Self::Paused(_) => "paused",
            Self::Connection(_) => "connection",
            Self::Certificate => "certificate",
            Self::Timeout(_) => "timeout",
            Self::Broken => "broken",
            Self::Status { status, .. } if status.is_client_error() => "status_4xx",
            Self::Status { .. } => "status_5xx",
            Self::Redirected(_) => "redirected",
            Self::ContentType | Self::NoVersion(_) | Self::OtherVersion(_) => "headers",
            Self::TooLarge(_) => "too_large",
            Self::Answer(_) => "answer",
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Vault(_) | Self::Setting(_) | Self::System(_) | Self::Refused(_) => Blame::Us,
            _ => Blame::KeyServer,
        }
    }
}

impl From<VaultError> for AskError {
    fn from(error: VaultError) -> Self {
        Self::Vault(error)
    }
}

impl From<AskError> for Error {
    fn from(error: AskError) -> Self {
        Self::new(Kind::KeysUnavailable, error.to_string()).blamed_on(error.blame())
    }
}
