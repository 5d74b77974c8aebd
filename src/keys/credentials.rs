//! The settings of a key server with their secrets opened, for one request.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use url::Url;
use zeroize::Zeroizing;

use super::ask_error::AskError;
use super::cpix::certificate_from_pem;
use super::cpix::key_wrap::PrivateKey;
use super::vault::Vault;
use crate::model::encryption::KeyServer;

/// Headers that belong to HTTP or to SPEKE and not to the operator.
const OWN_HEADERS: [&str; 6] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    "x-speke-version",
];

/// What a request needs to know that is secret.
pub(super) struct Credentials {
    /// Where it goes.
    pub(super) url: Url,
    /// What it carries beside the headers of SPEKE; marked sensitive.
    pub(super) headers: HeaderMap,
    /// What we show and whom we trust.
    pub(super) tls: Tls,
    /// For which keys come encrypted (DER).
    pub(super) recipient_certificate: Option<Vec<u8>>,
    /// What opens them.
    pub(super) private_key: Option<PrivateKey>,
}

/// Certificates of a connection; PEM.
#[derive(Default)]
pub(super) struct Tls {
    /// Chain and private key, one after the other.
    pub(super) identity: Option<Zeroizing<String>>,
    /// Trusted beside the usual ones.
    pub(super) trusted: Option<Zeroizing<String>>,
}

impl Tls {
    /// Connections may be shared where this is the same.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in [&self.identity, &self.trusted] {
            let text = part.as_ref().map_or("", |text| text.as_str());
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        hash.finalize().into()
    }
}

impl Credentials {
    /// Opens the secrets. Reads files where they are references to such.
    pub(super) fn open(vault: &Vault, server: &KeyServer) -> Result<Self, AskError> {
        let url = vault.open(&server.url)?;
        let url = Url::parse(&url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some())
            .ok_or(AskError::Setting("keyServer.url is no http or https URL; correct it"))?;
        let (recipient_certificate, private_key) = match &server.key_encryption {
            Some((certificate, key)) => {
                let certificate =
                    certificate_from_pem(&vault.open(certificate)?).ok_or(AskError::Setting(
                        "the certificate of keyEncryption is none in PEM; correct it",
                    ))?;
                let key = PrivateKey::from_pem(&vault.open(key)?).map_err(|_| {
                    AskError::Setting(
                        "the private key of keyEncryption is no RSA key in PEM (PKCS#8); correct it",
                    )
                })?;
                (Some(certificate), Some(key))
            }
            None => (None, None),
        };
        let identity = match &server.client_identity {
            Some((chain, key)) => {
                let (chain, key) = (vault.open(chain)?, vault.open(key)?);
                Some(Zeroizing::new(format!("{}\n{}", chain.as_str(), key.as_str())))
            }
            None => None,
        };
        let trusted = match &server.trusted_certificates {
            Some(certificates) => Some(vault.open(certificates)?),
            None => None,
        };
        Ok(Self {
            url,
            headers: headers(vault, server)?,
            tls: Tls { identity, trusted },
            recipient_certificate,
            private_key,
        })
    }
}

fn headers(vault: &Vault, server: &KeyServer) -> Result<HeaderMap, AskError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &server.headers {
        let name = HeaderName::from_bytes(name.as_bytes())
            .ok()
            .filter(|name| !OWN_HEADERS.contains(&name.as_str()))
            .ok_or(AskError::Setting(
                "keyServer.headers has a name that is none or that belongs to the protocol; remove \
                 it",
            ))?;
        headers.append(name, sensitive(vault.open(value)?.as_str())?);
    }
    if let Some((user, password)) = &server.basic {
        let password = vault.open(password)?;
        let pair = Zeroizing::new(format!("{user}:{}", password.as_str()));
        let value = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
        headers.insert(AUTHORIZATION, sensitive(&value)?);
    }
    if let Some(token) = &server.bearer_token {
        let value = Zeroizing::new(format!("Bearer {}", vault.open(token)?.as_str()));
        headers.insert(AUTHORIZATION, sensitive(&value)?);
    }
    Ok(headers)
}

fn sensitive(text: &str) -> Result<HeaderValue, AskError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        AskError::Setting("a secret of keyServer holds what no header can carry; correct it")
    })?;
    value.set_sensitive(true);
    Ok(value)
}
