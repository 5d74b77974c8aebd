//! The little of X.509 and PEM that encrypted content keys need (RFC 5280 4.1, RFC 7468).
//!
//! ```text
//! Certificate ─ tbsCertificate ─ version?, serialNumber, signature, issuer, validity, subject,
//!                                subjectPublicKeyInfo, …
//! ```
//!
//! Nothing is verified: a certificate is here only the wrapping of a public key that the operator
//! gave to the key server beforehand.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
/// `[0] EXPLICIT`: the version.
const CONTEXT_0: u8 = 0xA0;

/// The DER form of a certificate's public key with its algorithm; `None` if the bytes are not a
/// certificate.
pub fn subject_public_key_info(certificate: &[u8]) -> Option<&[u8]> {
    let mut outer = certificate;
    let mut certificate = expect(&mut outer, SEQUENCE)?.content;
    let mut fields = expect(&mut certificate, SEQUENCE)?.content;
    if fields.first() == Some(&CONTEXT_0) {
        read(&mut fields)?;
    }
    expect(&mut fields, INTEGER)?;
    for _ in ["signature", "issuer", "validity", "subject"] {
        expect(&mut fields, SEQUENCE)?;
    }
    Some(expect(&mut fields, SEQUENCE)?.whole)
}

/// The DER form of the first certificate in a PEM text.
pub fn certificate_from_pem(pem: &str) -> Option<Vec<u8>> {
    pem_block(pem, "CERTIFICATE").map(|der| der.to_vec())
}

/// The bytes of the first block with this label.
pub(super) fn pem_block(pem: &str, label: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (_, after) = pem.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = after.split_once(&format!("-----END {label}-----"))?;
    let digits: Zeroizing<String> =
        Zeroizing::new(body.chars().filter(|c| !c.is_ascii_whitespace()).collect());
    STANDARD.decode(digits.as_bytes()).ok().map(Zeroizing::new)
}

/// One DER value: with its tag and length, and without.
struct Value<'a> {
    tag: u8,
    whole: &'a [u8],
    content: &'a [u8],
}

fn expect<'a>(rest: &mut &'a [u8], tag: u8) -> Option<Value<'a>> {
    read(rest).filter(|value| value.tag == tag)
}

/// Lengths take one byte, or up to four behind a byte that counts them (X.690 8.1.3).
fn read<'a>(rest: &mut &'a [u8]) -> Option<Value<'a>> {
    let whole = *rest;
    let (&[tag, first], mut after) = whole.split_first_chunk::<2>()?;
    let mut length = usize::from(first);
    if first > 0x80 {
        let count = usize::from(first & 0x7F);
        let (digits, behind) = after.split_at_checked(count).filter(|_| count <= 4)?;
        length = digits.iter().try_fold(0usize, |length, &digit| {
            length.checked_mul(256)?.checked_add(usize::from(digit))
        })?;
        after = behind;
    } else if first == 0x80 {
        return None;
    }
    let (content, behind) = after.split_at_checked(length)?;
    let whole = whole.get(..whole.len() - behind.len())?;
    *rest = behind;
    Some(Value { tag, whole, content })
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Tag, length, content.
    fn value(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag, 0x82];
        bytes.extend((content.len() as u16).to_be_bytes());
        bytes.extend(content);
        bytes
    }

    /// A certificate as far as we read one; nobody signed it.
    pub fn certificate_around(public_key_info: &[u8]) -> Vec<u8> {
        let mut fields = value(CONTEXT_0, &[INTEGER, 1, 2]);
        fields.extend([INTEGER, 1, 7]);
        fields.extend((0..4).flat_map(|_| value(SEQUENCE, b"")));
        fields.extend(public_key_info);
        value(SEQUENCE, &value(SEQUENCE, &fields))
    }

    #[test]
    fn the_public_key_is_the_seventh_field() {
        let info = value(SEQUENCE, b"algorithm and key");
        let certificate = certificate_around(&info);
        assert_eq!(subject_public_key_info(&certificate), Some(&info[..]));
        for length in 0..certificate.len() {
            assert_eq!(subject_public_key_info(&certificate[..length]), None);
        }
    }

    #[test]
    fn pem_blocks_are_found_by_label() {
        let pem = "-----BEGIN X-----\nAAAA\n-----END X-----\n\
                   -----BEGIN CERTIFICATE-----\r\nAQ\r\nID\r\n-----END CERTIFICATE-----\r\n";
        assert_eq!(certificate_from_pem(pem), Some(vec![1, 2, 3]));
        assert_eq!(certificate_from_pem("-----BEGIN CERTIFICATE-----\nAQID"), None);
        assert!(pem_block(pem, "PRIVATE KEY").is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut nested = vec![SEQUENCE, 0x82, 0, 40, SEQUENCE, 30];
            nested.extend(&bytes);
            let _ = (subject_public_key_info(&bytes), subject_public_key_info(&nested));
        }
    }
}
