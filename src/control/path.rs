//! Names in request paths.
//!
//! A path that cannot name anything is answered like one that names nothing: 404.

use axum::extract::{FromRequestParts, Path};
use http::request;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::model::policy::Name;

/// The variable segments of a path, percent-decoded.
pub(super) struct Segments<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut request::Parts, state: &S) -> Result<Self> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(segments)) => Ok(Self(segments)),
            Err(_) => Err(Error::not_found("there is nothing at this path")),
        }
    }
}

/// A segment as the name of a `noun`.
pub(super) fn name(noun: &str, segment: &str) -> Result<Name> {
    Name::new(segment).map_err(|_| Error::not_found(format!("there is no {noun} {segment:?}")))
}
