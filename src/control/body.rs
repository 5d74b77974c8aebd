//! Request bodies: JSON, bounded, strict, and refused by name.
//!
//! A refusal names the field where serde tells it, and the line and column. Duplicate keys are
//! refused in typed bodies, but not inside the items of a batch, which are read twice.

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use http::{Method, header};
use http_body_util::LengthLimitError;
use serde::de::{Deserialize, DeserializeOwned, Deserializer};

use crate::error::{Error, Kind, Result};

/// A JSON body that is required.
pub(super) struct JsonBody<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        check_content_type(&request)?;
        parse(&bytes(request).await?).map(Self)
    }
}

/// No body, or an empty JSON object: for calls that have nothing to say, so that a field that was
/// meant to say something is refused and not ignored.
pub(super) struct NoBody;

impl<S: Send + Sync> FromRequest<S> for NoBody {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let content_type = check_content_type(&request);
        let bytes = bytes(request).await?;
        if !bytes.is_empty() {
            content_type?;
            let Nothing {} = parse(&bytes)?;
        }
        Ok(Self)
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Reads a value that was JSON already.
pub(super) fn from_value<T: DeserializeOwned>(value: serde_json::Value) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|error| refused(&error))
}

/// For fields where leaving out and null differ (RFC 7396): present is `Some`, null `Some(None)`.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

fn check_content_type(request: &Request) -> Result<()> {
    let given = request.headers().get(header::CONTENT_TYPE);
    let essence = given
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim();
    let accepted = essence.eq_ignore_ascii_case("application/json")
        || (request.method() == Method::PATCH
            && essence.eq_ignore_ascii_case("application/merge-patch+json"));
    if accepted {
        Ok(())
    } else {
        Err(Error::invalid("Content-Type", "Content-Type must be application/json"))
    }
}

async fn bytes(request: Request) -> Result<Bytes> {
    let too_large = || {
        let limit = MAX_BODY_BYTES >> 20;
        Error::new(Kind::TooLarge, format!("the body is larger than {limit} MiB"))
    };
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > MAX_BODY_BYTES as u64) {
        return Err(too_large());
    }
    to_bytes(request.into_body(), MAX_BODY_BYTES).await.map_err(|error| {
        let error = error.into_inner();
        if error.is::<LengthLimitError>() {
            too_large()
        } else {
            Error::new(Kind::InvalidArgument, "the body did not arrive whole")
        }
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| refused(&error))?;
    json.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

fn refused(error: &serde_path_to_error::Error<serde_json::Error>) -> Error {
    if !error.inner().is_data() {
        return malformed(error.inner());
    }
    let message = without_value(&error.inner().to_string());
    match field(&error.path().to_string(), &message) {
        Some(field) => Error::invalid(&field, format!("{field}: {message}")),
        None => Error::new(Kind::InvalidArgument, format!("the body cannot be read: {message}")),
    }
}

fn malformed(error: &serde_json::Error) -> Error {
    Error::new(Kind::InvalidArgument, format!("the body is not well-formed JSON: {error}"))
}

/// Of a value that has the wrong type serde quotes the value, and it may be a secret.
fn without_value(message: &str) -> String {
    for start in ["invalid type: ", "invalid value: "] {
        let Some(rest) = message.strip_prefix(start) else { continue };
        // The value may hold anything, these words too: the last ones are serde's.
        let Some((found, expected)) = rest.rsplit_once(", expected ") else { continue };
        let noun = found.split(['`', '"', '\'']).next().unwrap_or_default().trim_end();
        return format!("{start}{noun}, expected {expected}");
    }
    message.to_owned()
}

/// The field that a refusal is about. Of one that is missing, unknown or there twice, serde has
/// the name in the sentence alone, and the path may lead to the object around it.
fn field(path: &str, message: &str) -> Option<String> {
    let path = if path == "." { "" } else { path };
    let named = ["missing field `", "unknown field `", "duplicate field `"]
        .into_iter()
        .find_map(|start| message.strip_prefix(start)?.split('`').next());
    let field = match named {
        Some(name) if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        Some(name) if path.is_empty() => name.to_owned(),
        Some(name) => format!("{path}.{name}"),
        None => path.to_owned(),
    };
    (!field.is_empty()).then_some(field)
}

/// A batch of a thousand assets has about a tenth of it.
const MAX_BODY_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Outer {
        name: String,
        #[serde(default)]
        inner: Vec<Inner>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Inner {
        count: u32,
    }

    #[test]
    fn refusals_quote_no_value() {
        for body in [
            r#"{"name": "a", "inner": "hush"}"#,
            r#"{"name": "a", "inner": "a\", expected hush, expected hush"}"#,
            r#"{"name": "a", "inner": [{"count": "hush"}]}"#,
        ] {
            let error = parse::<Outer>(body.as_bytes()).unwrap_err();
            assert!(error.message().contains("invalid type: string, expected "), "{error}");
            assert!(!error.message().contains("hush"), "{error}");
        }
        let error = parse::<Outer>(br#"{"name": 1234}"#).unwrap_err();
        assert!(error.message().contains("invalid type: integer, expected a string"), "{error}");
        assert!(!error.message().contains("1234"), "{error}");
        let error = parse::<Outer>(br#"{"name": 12.5}"#).unwrap_err();
        assert!(error.message().contains("type: floating point, expected"), "{error}");
    }

    #[test]
    fn refusals_name_the_field() {
        for (body, field) in [
            (r#"{}"#, Some("name")),
            (r#"{"name": 1}"#, Some("name")),
            (r#"{"name": "a", "name": "b"}"#, Some("name")),
            (r#"{"name": "a", "nome": 1}"#, Some("nome")),
            (r#"{"name": "a", "inner": [{"count": 1}, {"count": -1}]}"#, Some("inner[1].count")),
            (r#"{"name": "a", "inner": [{"count": 1, "cont": 1}]}"#, Some("inner[0].cont")),
            (r#"{"name": "a", "inner": [{}]}"#, Some("inner[0].count")),
            (r#"{"name": "a","#, None),
            (r#"{"name": "a"} x"#, None),
            (r#"[]"#, None),
            ("", None),
        ] {
            let error = parse::<Outer>(body.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidArgument);
            assert_eq!(error.field(), field, "{body}: {error}");
            assert!(error.message().contains("line 1"), "{error}");
        }
    }
}
