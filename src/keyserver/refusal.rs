//! Why a key request is refused: the texts that AWS names for SPEKE 2 providers, with what exactly
//! was wrong behind them, and the status.
//!
//! The texts go to whoever asked; they hold names and IDs from the request and no keys.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use super::document::DocumentError;
use crate::keys::signalling::SignallingError;
use crate::model::protection::{DrmSystem, KeyId};

/// Why a key request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// The body cannot be read.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The root is something else.
    #[error("The root is no CPIX element of the namespace urn:dashif:org:cpix")]
    NotCpix,
    /// Requests are `application/xml`.
    #[error("Content-Type must be application/xml")]
    ContentType,
    /// `X-Speke-Version` names a dialect that we do not speak.
    #[error("Unsupported SPEKE version")]
    SpekeVersion,
    /// A mandatory attribute or element.
    #[error("Missing {0}")]
    Missing(&'static str),
    /// `CPIX@version` does not belong to the SPEKE version.
    #[error("Unsupported CPIX@version")]
    CpixVersion,
    /// A key without scheme.
    #[error("Missing ContentKey@commonEncryptionScheme for KID {0}")]
    MissingScheme(KeyId),
    /// Schemes are mixed, or one is unknown.
    #[error("Non compliant ContentKey@commonEncryptionScheme combination")]
    SchemeCombination,
    /// A scheme that a system cannot deliver keys for.
    #[error("ContentKey@commonEncryptionScheme non compatible with DRMSystem {}", .0.system_id())]
    SchemeForSystem(DrmSystem),
    /// The rules contradict each other or the contract.
    #[error("Malformed encryption contract: {0}")]
    Contract(String),
    /// The rules are no combination of presets.
    #[error("Requested CPIX encryption contract not supported: {0}")]
    ContractNotSupported(String),
    /// No rules at all.
    #[error("Missing CPIX encryption contract")]
    MissingContract,
    /// A value that cannot be read.
    #[error("{place}: {problem}")]
    Value {
        /// The attribute or element.
        place: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// What is to be told about a key cannot be told.
    #[error(transparent)]
    Signalling(#[from] SignallingError),
    /// The base of key URLs is unknown.
    #[error("The request names no host, and the key server was started without --base-url")]
    NoHost,
    /// Started so that keys leave it encrypted or not at all.
    #[error("This key server gives keys to a certificate in DeliveryDataList and not without one")]
    NoRecipient,
    /// The certificate cannot be used.
    #[error("DeliveryKey: {0}")]
    Recipient(String),
}

impl Refusal {
    /// A value that cannot be read.
    pub(super) fn value(place: &'static str, problem: impl Into<String>) -> Self {
        Self::Value { place, problem: problem.into() }
    }

    /// The status: the reader's words, or a request that was understood and is not fulfilled.
    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::Document(DocumentError::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Document(_) | Self::NoHost => StatusCode::BAD_REQUEST,
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
        (self.status(), headers, format!("{self}\n")).into_response()
    }
}
