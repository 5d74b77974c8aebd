//! Content keys that leave encrypted for the certificate of the request (SPEKE, content key
//! encryption; CPIX 2.3 4.4).
//!
//! ```text
//! DeliveryData ┬ DeliveryKey    the certificate, as it came
//!              ├ DocumentKey    ─ Data ─ pskc:Secret ┬ pskc:EncryptedValue  RSA-OAEP
//!              └ MACMethod      ─ Key ───────────────┴ pskc:EncryptedValue  RSA-OAEP
//! ContentKey   ─ Data ─ pskc:Secret ┬ pskc:EncryptedValue  AES-256-CBC under the document key
//!                                   └ pskc:ValueMAC        HMAC-SHA512 under the MAC key
//! ```
//!
//! The cryptography is that of `keys::cpix::key_wrap`; here are the elements around it. Document
//! key and MAC key are random for each answer.

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::document::{CPIX, ENC, Element, PSKC, Prefixes};
use super::refusal::Refusal;
use crate::keys::cpix::key_wrap::{DeliveryKeys, KeyWrapError, RecipientKey, SealedDeliveryKeys};

const AES_256_CBC: &str = "http://www.w3.org/2001/04/xmlenc#aes256-cbc";
const RSA_OAEP: &str = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p";
const HMAC_SHA512: &str = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha512";

/// The keys of one answer.
pub(super) struct Delivery {
    keys: DeliveryKeys,
    sealed: SealedDeliveryKeys,
}

impl Delivery {
    /// Makes keys for the holder of a certificate (DER).
    pub(super) fn to(certificate: &[u8]) -> Result<Self, Refusal> {
        let recipient = RecipientKey::from_certificate(certificate).map_err(refused)?;
        let keys = DeliveryKeys::random().map_err(refused)?;
        let sealed = keys.seal_for(&recipient).map_err(refused)?;
        Ok(Self { keys, sealed })
    }

    /// Adds document key and MAC key to `DeliveryData`.
    pub(super) fn describe(&self, data: &mut Element, prefixes: &Prefixes) {
        data.retain(|child| !child.is(CPIX, "DocumentKey") && !child.is(CPIX, "MACMethod"));
        let secret = Element::new(PSKC, "Secret", prefixes).containing(encrypted(
            RSA_OAEP,
            &self.sealed.document_key,
            prefixes,
        ));
        let mut document_key = Element::new(CPIX, "DocumentKey", prefixes)
            .containing(Element::new(CPIX, "Data", prefixes).containing(secret));
        document_key.set_attribute("Algorithm", AES_256_CBC.to_owned());
        data.push(document_key);
        let key = Element::new(CPIX, "Key", prefixes).containing(encrypted(
            RSA_OAEP,
            &self.sealed.mac_key,
            prefixes,
        ));
        let mut mac = Element::new(CPIX, "MACMethod", prefixes).containing(key);
        mac.set_attribute("Algorithm", HMAC_SHA512.to_owned());
        data.push(mac);
    }

    /// What goes into the `pskc:Secret` of a content key. `bad_mac` spoils the MAC.
    pub(super) fn wrap(
        &self,
        content_key: &[u8; 16],
        bad_mac: bool,
        prefixes: &Prefixes,
    ) -> Result<[Element; 2], Refusal> {
        let mut iv = [0; 16];
        rand::fill(&mut iv).map_err(|_| refused(KeyWrapError::Library))?;
        let mut wrapped = self.keys.wrap(content_key, iv).map_err(refused)?;
        if let Some(last) = wrapped.mac.last_mut().filter(|_| bad_mac) {
            *last ^= 1;
        }
        let value = encrypted(AES_256_CBC, &wrapped.cipher_value, prefixes);
        let mac = STANDARD.encode(&wrapped.mac);
        Ok([value, Element::with_text(PSKC, "ValueMAC", mac, prefixes)])
    }
}

fn encrypted(algorithm: &str, bytes: &[u8], prefixes: &Prefixes) -> Element {
    let mut method = Element::new(ENC, "EncryptionMethod", prefixes);
    method.set_attribute("Algorithm", algorithm.to_owned());
    let value = Element::with_text(ENC, "CipherValue", STANDARD.encode(bytes), prefixes);
    let data = Element::new(ENC, "CipherData", prefixes).containing(value);
    Element::new(PSKC, "EncryptedValue", prefixes).containing(method).containing(data)
}

fn refused(error: KeyWrapError) -> Refusal {
    Refusal::Recipient(error.to_string())
}
