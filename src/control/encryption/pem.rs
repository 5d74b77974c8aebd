//! The outside of PEM text (RFC 7468): which blocks there are. What is in them is for TLS and the
//! key exchange to judge.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// One certificate or a chain.
pub(super) fn check_certificates(text: &str) -> Result<(), String> {
    match labels(text) {
        Some(labels) if labels.iter().all(|label| *label == CERTIFICATE) => Ok(()),
        _ => Err(format!("must be certificates in PEM: -----BEGIN {CERTIFICATE}----- …")),
    }
}

/// One certificate.
pub(super) fn check_certificate(text: &str) -> Result<(), String> {
    match labels(text).as_deref() {
        Some([CERTIFICATE]) => Ok(()),
        _ => Err(format!("must be one certificate in PEM: -----BEGIN {CERTIFICATE}----- …")),
    }
}

/// One private key of any usual kind.
pub(super) fn check_private_key(text: &str) -> Result<(), String> {
    match labels(text).as_deref() {
        Some([PKCS8 | "RSA PRIVATE KEY" | "EC PRIVATE KEY"]) => Ok(()),
        _ => Err(format!(
            "must be one private key in PEM without password: -----BEGIN {PKCS8}----- …"
        )),
    }
}

/// One private key as PKCS #8 (RFC 5958).
pub(super) fn check_pkcs8(text: &str) -> Result<(), String> {
    match labels(text).as_deref() {
        Some([PKCS8]) => Ok(()),
        _ => Err(format!(
            "must be one private key as PKCS #8 in PEM without password, -----BEGIN {PKCS8}----- …; \
             openssl pkcs8 -topk8 -nocrypt makes that of others"
        )),
    }
}

/// The labels of all blocks, if there is one at least and each is whole. Text between blocks is
/// explanatory (RFC 7468 section 5.2).
fn labels(text: &str) -> Option<Vec<&str>> {
    let mut labels = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = between(line, "-----BEGIN ") else { continue };
        let mut base64 = String::new();
        loop {
            let line = lines.next()?;
            if let Some(end) = between(line, "-----END ") {
                let sound = end == label && !base64.is_empty() && STANDARD.decode(&base64).is_ok();
                break sound.then(|| labels.push(label))?;
            }
            base64.push_str(line);
        }
    }
    (!labels.is_empty()).then_some(labels)
}

fn between<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    line.strip_prefix(start)?.strip_suffix("-----")
}

const CERTIFICATE: &str = "CERTIFICATE";
const PKCS8: &str = "PRIVATE KEY";

#[cfg(test)]
mod tests {
    use super::*;

    fn block(label: &str) -> String {
        format!("-----BEGIN {label}-----\r\nAAEC\r\nAw==\r\n-----END {label}-----\r\n")
    }

    #[test]
    fn blocks_are_found_whole() {
        let (certificate, key) = (block(CERTIFICATE), block(PKCS8));
        let chain = format!("subject: me\n{certificate}issuer: you\n{certificate}");
        assert_eq!(labels(&chain), Some(vec![CERTIFICATE; 2]));
        assert!(check_certificates(&chain).is_ok() && check_certificate(&chain).is_err());
        assert!(check_certificate(&certificate).is_ok());
        assert!(check_certificates(&(certificate.clone() + &key)).is_err());
        assert!(check_pkcs8(&key).is_ok() && check_private_key(&key).is_ok());
        for label in ["RSA PRIVATE KEY", "EC PRIVATE KEY"] {
            assert!(check_private_key(&block(label)).is_ok(), "{label}");
            assert!(check_pkcs8(&block(label)).is_err(), "{label}");
        }
        assert!(check_private_key(&block("ENCRYPTED PRIVATE KEY")).is_err());
        for bad in [
            "",
            "AAECAw==",
            "-----BEGIN CERTIFICATE-----\nAAEC",
            "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
            "-----BEGIN CERTIFICATE-----\nAAEC\n-----END PRIVATE KEY-----",
            "-----BEGIN CERTIFICATE-----\nA*EC\n-----END CERTIFICATE-----",
        ] {
            assert_eq!(labels(bad), None, "{bad}");
        }
    }
}
