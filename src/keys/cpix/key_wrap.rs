//! Content keys that travel encrypted (CPIX 2.3 4.4; SPEKE, content key encryption).
//!
//! ```text
//! RSA-OAEP(certificate's key) ┬ document key, 32 bytes ─ AES-256-CBC ─ IV ‖ padded content key
//!                             └ MAC key ─ HMAC-SHA512 ─ over those bytes, IV included
//! ```
//!
//! OAEP is `xmlenc#rsa-oaep-mgf1p`: SHA-1 for both its uses. The MAC is checked, in constant time,
//! before anything is decrypted. Padding is that of XML Encryption (5.2): the last byte counts,
//! the others may be anything.
//!
//! The wrapping direction is what key servers do; ours for development is one.

use aws_lc_rs::cipher::{
    AES_256, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey,
    PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
    PublicEncryptingKey,
};
use zeroize::Zeroizing;

use super::certificate::{pem_block, subject_public_key_info};

/// Why a key cannot be wrapped or unwrapped. Says nothing of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyWrapError {
    /// The private key is not what it must be.
    #[error(
        "the private key is not an unencrypted RSA key in PKCS#8 PEM (BEGIN PRIVATE KEY); convert \
         it with openssl pkcs8 -topk8 -nocrypt"
    )]
    PrivateKey,
    /// The certificate is not X.509 or its key is not RSA.
    #[error("the certificate is not an X.509 certificate of an RSA key of 2048 bits or more")]
    Certificate,
    /// The document key or the MAC key was not encrypted for this private key.
    #[error(
        "document key and MAC key cannot be decrypted with the configured private key; the key \
         server must use the certificate of the request and RSA-OAEP with SHA-1"
    )]
    Delivery,
    /// The MAC is wrong: other keys, or bytes changed on the way.
    #[error(
        "the MAC of an encrypted content key is wrong; it must be HMAC-SHA512 over all bytes of \
         CipherValue"
    )]
    Mac,
    /// What is inside is not a content key.
    #[error("an encrypted content key does not decrypt to 16 bytes with AES-256-CBC")]
    ContentKey,
    /// The cryptographic library failed.
    #[error("the cryptographic library failed")]
    Library,
}

/// Shorter MAC keys are no MAC keys; SPEKE has 64 bytes.
const MIN_MAC_KEY_BYTES: usize = 32;
const MAC_KEY_BYTES: usize = 64;

/// The key that only we have. Without `Debug`.
pub struct PrivateKey(OaepPrivateDecryptingKey);

impl PrivateKey {
    /// Reads PKCS#8 in PEM.
    pub fn from_pem(pem: &str) -> Result<Self, KeyWrapError> {
        Self::from_pkcs8(&pem_block(pem, "PRIVATE KEY").ok_or(KeyWrapError::PrivateKey)?)
    }

    /// Reads PKCS#8 in DER.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyWrapError> {
        let key = PrivateDecryptingKey::from_pkcs8(der).map_err(|_| KeyWrapError::PrivateKey)?;
        OaepPrivateDecryptingKey::new(key).map(Self).map_err(|_| KeyWrapError::PrivateKey)
    }

    fn open(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyWrapError> {
        let mut buffer = Zeroizing::new(vec![0; self.0.min_output_size()]);
        let length = self
            .0
            .decrypt(&OAEP_SHA1_MGF1SHA1, sealed, &mut buffer, None)
            .map_err(|_| KeyWrapError::Delivery)?
            .len();
        buffer.truncate(length);
        Ok(buffer)
    }
}

/// The public key of a certificate.
pub struct RecipientKey(OaepPublicEncryptingKey);

impl RecipientKey {
    /// Takes it from an X.509 certificate in DER.
    pub fn from_certificate(der: &[u8]) -> Result<Self, KeyWrapError> {
        let info = subject_public_key_info(der).ok_or(KeyWrapError::Certificate)?;
        let key = PublicEncryptingKey::from_der(info).map_err(|_| KeyWrapError::Certificate)?;
        OaepPublicEncryptingKey::new(key).map(Self).map_err(|_| KeyWrapError::Certificate)
    }

    fn seal(&self, secret: &[u8]) -> Result<Vec<u8>, KeyWrapError> {
        let mut sealed = vec![0; self.0.ciphertext_size()];
        let length = self
            .0
            .encrypt(&OAEP_SHA1_MGF1SHA1, secret, &mut sealed, None)
            .map_err(|_| KeyWrapError::Library)?
            .len();
        sealed.truncate(length);
        Ok(sealed)
    }
}

/// The two keys of one document. Without `Debug`.
pub struct DeliveryKeys {
    document_key: Zeroizing<[u8; 32]>,
    mac_key: Zeroizing<Vec<u8>>,
}

/// Both keys as they travel, each encrypted for the recipient.
#[derive(Clone, Debug)]
pub struct SealedDeliveryKeys {
    /// The document key.
    pub document_key: Vec<u8>,
    /// The MAC key.
    pub mac_key: Vec<u8>,
}

/// A content key as it travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    /// `CipherValue`: IV and encrypted key.
    pub cipher_value: Vec<u8>,
    /// `ValueMAC`.
    pub mac: Vec<u8>,
}

impl DeliveryKeys {
    /// Takes two keys.
    pub fn new(document_key: Zeroizing<[u8; 32]>, mac_key: Zeroizing<Vec<u8>>) -> Self {
        Self { document_key, mac_key }
    }

    /// Makes two keys.
    pub fn random() -> Result<Self, KeyWrapError> {
        let mut document_key = Zeroizing::new([0; 32]);
        let mut mac_key = Zeroizing::new(vec![0; MAC_KEY_BYTES]);
        rand::fill(document_key.as_mut_slice()).map_err(|_| KeyWrapError::Library)?;
        rand::fill(&mut mac_key).map_err(|_| KeyWrapError::Library)?;
        Ok(Self { document_key, mac_key })
    }

    /// Opens what a key server sent.
    pub fn open(sealed: &SealedDeliveryKeys, key: &PrivateKey) -> Result<Self, KeyWrapError> {
        let document_key = key.open(&sealed.document_key)?;
        let document_key =
            document_key.as_slice().try_into().map_err(|_| KeyWrapError::Delivery)?;
        let mac_key = key.open(&sealed.mac_key)?;
        if mac_key.len() < MIN_MAC_KEY_BYTES {
            return Err(KeyWrapError::Delivery);
        }
        Ok(Self { document_key: Zeroizing::new(document_key), mac_key })
    }

    /// Encrypts both for a recipient.
    pub fn seal_for(&self, recipient: &RecipientKey) -> Result<SealedDeliveryKeys, KeyWrapError> {
        Ok(SealedDeliveryKeys {
            document_key: recipient.seal(self.document_key.as_slice())?,
            mac_key: recipient.seal(&self.mac_key)?,
        })
    }

    /// Encrypts a content key. `iv` must never be used twice with the same document key.
    pub fn wrap(&self, content_key: &[u8; 16], iv: [u8; 16]) -> Result<WrappedKey, KeyWrapError> {
        let key = PaddedBlockEncryptingKey::cbc_pkcs7(self.cipher_key()?)
            .map_err(|_| KeyWrapError::Library)?;
        let mut encrypted = content_key.to_vec();
        key.less_safe_encrypt(&mut encrypted, EncryptionContext::Iv128(FixedLength::from(iv)))
            .map_err(|_| KeyWrapError::Library)?;
        let mut cipher_value = iv.to_vec();
        cipher_value.append(&mut encrypted);
        let mac = hmac::sign(&self.hmac_key(), &cipher_value).as_ref().to_vec();
        Ok(WrappedKey { cipher_value, mac })
    }

    /// Decrypts a content key.
    pub fn unwrap_key(&self, wrapped: &WrappedKey) -> Result<Zeroizing<[u8; 16]>, KeyWrapError> {
        hmac::verify(&self.hmac_key(), &wrapped.cipher_value, &wrapped.mac)
            .map_err(|_| KeyWrapError::Mac)?;
        let (iv, encrypted) =
            wrapped.cipher_value.split_first_chunk::<16>().ok_or(KeyWrapError::ContentKey)?;
        let key = PaddedBlockDecryptingKey::cbc_iso10126(self.cipher_key()?)
            .map_err(|_| KeyWrapError::Library)?;
        let mut buffer = Zeroizing::new(encrypted.to_vec());
        let context = DecryptionContext::Iv128(FixedLength::from(iv));
        let content_key =
            key.decrypt(&mut buffer, context).map_err(|_| KeyWrapError::ContentKey)?;
        let content_key = (&*content_key).try_into().map_err(|_| KeyWrapError::ContentKey)?;
        Ok(Zeroizing::new(content_key))
    }

    fn cipher_key(&self) -> Result<UnboundCipherKey, KeyWrapError> {
        UnboundCipherKey::new(&AES_256, self.document_key.as_slice())
            .map_err(|_| KeyWrapError::Library)
    }

    fn hmac_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA512, &self.mac_key)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
    use aws_lc_rs::rsa::KeySize;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::super::certificate::tests::certificate_around;
    use super::*;

    const CONTENT_KEY: [u8; 16] = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128.to_be_bytes();

    /// A private key in PKCS#8 and a certificate of its public key.
    pub fn key_pair() -> (Vec<u8>, Vec<u8>) {
        let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let private: Pkcs8V1Der<'_> = key.as_der().unwrap();
        let public: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
        (private.as_ref().to_vec(), certificate_around(public.as_ref()))
    }

    fn counting<const N: usize>(from: u8) -> [u8; N] {
        std::array::from_fn(|index| from + index as u8)
    }

    fn known() -> DeliveryKeys {
        let mac_key = Zeroizing::new(counting::<64>(0).to_vec());
        DeliveryKeys::new(Zeroizing::new(counting(0)), mac_key)
    }

    fn known_wrapped() -> WrappedKey {
        let decode = |text: &str| STANDARD.decode(text).unwrap();
        WrappedKey {
            cipher_value: decode(
                "8PHy8/T19vf4+fr7/P3+//GAHmLmGguJN9JmIsKlFB+R7Sg7YIpwuPK7UG/5ixVj",
            ),
            mac: decode(
                "sEklh6lm2YIcggfBt1b5gShcsyBLH+0H1g0w6DlHRFc26L63YXJa82m3f0Svz8O1Euk8l9y3YtN1tO4b\
                 0XvEUQ==",
            ),
        }
    }

    #[test]
    fn keys_wrap_and_unwrap_as_in_the_known_answer() {
        assert_eq!(known().wrap(&CONTENT_KEY, counting(0xF0)).unwrap(), known_wrapped());
        assert_eq!(*known().unwrap_key(&known_wrapped()).unwrap(), CONTENT_KEY);
    }

    #[test]
    fn a_changed_bit_anywhere_is_noticed_by_the_mac() {
        for at in [0, 15, 16, 47] {
            let mut changed = known_wrapped();
            changed.cipher_value[at] ^= 1;
            assert_eq!(known().unwrap_key(&changed).unwrap_err(), KeyWrapError::Mac);
        }
        let mut changed = known_wrapped();
        changed.mac.pop();
        assert_eq!(known().unwrap_key(&changed).unwrap_err(), KeyWrapError::Mac);
    }

    /// Only the last byte of XML Encryption's padding has a meaning.
    #[test]
    fn padding_may_hold_anything() {
        let key = PaddedBlockEncryptingKey::cbc_pkcs7(known().cipher_key().unwrap()).unwrap();
        let wrapped = |plain: &[u8]| {
            let mut encrypted = plain.to_vec();
            let context = EncryptionContext::Iv128(FixedLength::from([7; 16]));
            key.less_safe_encrypt(&mut encrypted, context).unwrap();
            // PKCS#7 added a block of its own behind what we padded ourselves.
            encrypted.truncate(plain.len());
            let cipher_value = [[7; 16].to_vec(), encrypted].concat();
            let mac = hmac::sign(&known().hmac_key(), &cipher_value).as_ref().to_vec();
            WrappedKey { cipher_value, mac }
        };
        let mut padded = [CONTENT_KEY.to_vec(), b"any bytes at all".to_vec()].concat();
        padded[31] = 16;
        assert_eq!(*known().unwrap_key(&wrapped(&padded)).unwrap(), CONTENT_KEY);
        for pad in [0, 1, 17, 255] {
            padded[31] = pad;
            let error = known().unwrap_key(&wrapped(&padded)).unwrap_err();
            assert_eq!(error, KeyWrapError::ContentKey, "{pad}");
        }
        assert_eq!(known().unwrap_key(&wrapped(b"")).unwrap_err(), KeyWrapError::ContentKey);
    }

    #[test]
    fn delivery_keys_travel_under_the_certificate() {
        let (private, certificate) = key_pair();
        let recipient = RecipientKey::from_certificate(&certificate).unwrap();
        let keys = DeliveryKeys::random().unwrap();
        let sealed = keys.seal_for(&recipient).unwrap();
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(&private)
        );
        let private = PrivateKey::from_pem(&pem).unwrap();
        let opened = DeliveryKeys::open(&sealed, &private).unwrap();
        let wrapped = keys.wrap(&CONTENT_KEY, [1; 16]).unwrap();
        assert_eq!(*opened.unwrap_key(&wrapped).unwrap(), CONTENT_KEY);

        let mut spoiled = sealed.clone();
        spoiled.document_key[9] ^= 1;
        assert_eq!(DeliveryKeys::open(&spoiled, &private).err(), Some(KeyWrapError::Delivery));
        let swapped = SealedDeliveryKeys {
            document_key: sealed.mac_key.clone(),
            mac_key: sealed.document_key,
        };
        assert_eq!(DeliveryKeys::open(&swapped, &private).err(), Some(KeyWrapError::Delivery));
    }

    #[test]
    fn what_is_no_key_is_said_to_be() {
        for pem in ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"] {
            assert_eq!(PrivateKey::from_pem(pem).err(), Some(KeyWrapError::PrivateKey));
        }
        assert_eq!(
            RecipientKey::from_certificate(&certificate_around(&[0x30, 0])).err(),
            Some(KeyWrapError::Certificate)
        );
    }
}
