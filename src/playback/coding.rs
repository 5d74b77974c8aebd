//! Manifests in the content codings that clients accept: gzip, or as they are.
//!
//! RFC 9110: codings 8.4.1, negotiation 12.5.3, a validator of its own for each coding 8.8.3.3; gzip
//! itself is RFC 1952. Text is compressed once, when it is printed, and kept so. Nothing else is
//! compressed here: media is already.
//!
//! gzip alone: every player and CDN has it, and with others beside it a CDN keeps as many copies of
//! each manifest.

use std::io::Write as _;

use flate2::{Compression, GzBuilder};
use http::HeaderMap;
use http::header::ACCEPT_ENCODING;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::package::Rendered;

/// Smaller text fits into the first packet of an answer as it is.
const MIN_BYTES: usize = 1_024;
/// `OS` of RFC 1952 2.3.1 where it is unknown: answers do not depend on the machine.
const UNKNOWN_SYSTEM: u8 = 255;

/// What the text of a manifest can be sent as.
#[derive(Clone, Debug)]
pub(super) struct Text {
    /// As it is.
    pub plain: Rendered,
    /// Compressed; `None` where it is too short for that, or nobody asked.
    pub gzip: Option<Rendered>,
}

impl Text {
    pub fn new(plain: Rendered) -> Result<Self> {
        let gzip = is_worth_it(&plain).then(|| compressed(&plain)).transpose()?;
        Ok(Self { plain, gzip })
    }
}

/// Whether a text has a compressed form beside its own.
pub(super) fn is_worth_it(text: &Rendered) -> bool {
    text.bytes.len() >= MIN_BYTES
}

/// The compressed form of a text. Its validator is made from its bytes: another compressor may make
/// others of the same text.
pub(super) fn compressed(text: &Rendered) -> Result<Rendered> {
    let cannot = |error| Error::internal("a manifest cannot be compressed").caused_by(error);
    // Without a time and a name, so that the same text gives the same bytes.
    let mut encoder = GzBuilder::new()
        .operating_system(UNKNOWN_SYSTEM)
        .write(Vec::with_capacity(text.bytes.len() / 4), Compression::default());
    encoder.write_all(&text.bytes).map_err(cannot)?;
    let bytes = encoder.finish().map_err(cannot)?;
    let etag = validator(&bytes);
    Ok(Rendered { bytes: bytes.into(), content_type: text.content_type, etag })
}

/// 128 bits of SHA-256 over a body.
pub(super) fn validator(body: &[u8]) -> std::sync::Arc<str> {
    let mut etag = hex::encode(Sha256::digest(body));
    etag.truncate(32);
    etag.into()
}

/// Whether a client is better served with gzip (RFC 9110 12.5.3). One that says nothing gets what
/// everyone understands, as does one that likes that better.
pub(super) fn accepts_gzip(request: &HeaderMap) -> bool {
    let mut gzip = None;
    let mut any = None;
    let mut identity = None;
    for value in request.get_all(ACCEPT_ENCODING) {
        let Ok(list) = value.to_str() else { continue };
        for item in list.split(',') {
            let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
            let coding = coding.trim();
            let weight = Some(weight(parameters));
            // The older name means the same (8.4.1.3).
            if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
                gzip = gzip.max(weight);
            } else if coding.eq_ignore_ascii_case("identity") {
                identity = weight;
            } else if coding == "*" {
                any = weight;
            }
        }
    }
    let gzip = gzip.or(any).unwrap_or(0);
    gzip > 0 && identity.is_none_or(|identity| gzip >= identity)
}

/// A quality value (RFC 9110 12.4.2) in thousandths; 0 where it is none, because sending a coding
/// that is not wanted is the worse mistake.
fn weight(parameters: &str) -> u16 {
    let parameters = parameters.trim();
    if parameters.is_empty() {
        return 1_000;
    }
    let value = parameters.strip_prefix("q=").or_else(|| parameters.strip_prefix("Q="));
    let (whole, fraction) = value.map_or(("", ""), |v| v.split_once('.').unwrap_or((v, "")));
    let is_number = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    match (whole, is_number) {
        ("1", true) => 1_000,
        ("0", true) => format!("{fraction:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;
    use std::io::Read as _;

    fn accepts(values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_str(value).unwrap());
        }
        accepts_gzip(&headers)
    }

    #[test]
    fn codings_are_negotiated_as_rfc_9110_says() {
        for wanted in ["gzip", "GZIP", "x-gzip", "br, gzip;q=0.1", "*", "deflate, *;q=0.5"] {
            assert!(accepts(&[wanted]), "{wanted}");
        }
        for wanted in ["gzip, identity", "gzip;q=1.000 , identity; q=0", "gzip ; q=0.001"] {
            assert!(accepts(&[wanted]), "{wanted}");
        }
        assert!(accepts(&["br", "gzip"]));
        assert!(!accepts(&[]));
        for refused in ["", "br", "gzip;q=0", "gzip;q=0.000, *", "gzip;q=0.5, identity", "*;q=0"] {
            assert!(!accepts(&[refused]), "{refused}");
        }
        for odd in ["gzip;q=2", "gzip;q=0.0001", "gzip;q=a", "gzip;level=9", "gzipped", "identity"]
        {
            assert!(!accepts(&[odd]), "{odd}");
        }
    }

    fn text(bytes: &[u8]) -> Rendered {
        let bytes = bytes.to_vec().into();
        Rendered { bytes, content_type: "text/plain", etag: "of the text".into() }
    }

    #[test]
    fn short_text_stays_as_it_is() {
        assert!(Text::new(text(&[b'a'; MIN_BYTES - 1])).unwrap().gzip.is_none());
        let long = Text::new(text(&[b'a'; MIN_BYTES])).unwrap();
        let gzip = long.gzip.unwrap();
        assert!(gzip.bytes.len() < 50);
        assert_ne!(gzip.etag, long.plain.etag);
        // No time, no name, no system (RFC 1952 2.3.1).
        assert_eq!(&gzip.bytes[..10], [31, 139, 8, 0, 0, 0, 0, 0, 0, 255]);
    }

    proptest! {
        #[test]
        fn what_is_unpacked_is_the_text(bytes in proptest::collection::vec(any::<u8>(), 0..5_000)) {
            let gzip = compressed(&text(&bytes)).unwrap();
            let mut back = Vec::new();
            flate2::read::GzDecoder::new(&gzip.bytes[..]).read_to_end(&mut back).unwrap();
            prop_assert_eq!(back, bytes);
        }
    }
}
