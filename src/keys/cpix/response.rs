//! From the document of a key server to keys and signalling.
//!
//! Which answer belongs to which requested key: the one with its ID; else the one that the usage
//! rule of its track type names, for servers may choose IDs themselves; else the only one, if one
//! was asked for.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::answer::{self, Answer, base64};
use super::check::{Checked, read_system};
use super::error::{DocumentFault, KeyFault, ResponseError, SystemFault};
use super::key_wrap::{DeliveryKeys, PrivateKey, SealedDeliveryKeys, WrappedKey};
use super::namespace::{CPIX, PSKC, XMLENC};
use super::xml::Element;
use super::{KeyRequest, RequestedKey, derived_iv};
use crate::keys::signalling::completed;
use crate::model::encryption::SpekeVersion;
use crate::model::protection::{
    ContentKey, KeyId, KeySet, ProtectionScheme, RuleKey, SystemSignalling,
};

/// Reads and checks the answer to `request`. `private_key` opens keys that came encrypted for the
/// certificate of the request.
///
/// The caller bounds the size of `document`. What the server left out about a system is made as
/// [`own_signalling`](crate::keys::signalling::own_signalling) makes it.
pub fn read_response(
    document: &[u8],
    request: &KeyRequest,
    private_key: Option<&PrivateKey>,
) -> Result<KeySet, ResponseError> {
    let root = answer::parse(document).map_err(ResponseError::Document)?;
    check_root(&root, request).map_err(ResponseError::Document)?;
    let answer = Answer::of(&root)?;
    check_ids(&answer)?;
    let matched = match_keys(&answer, request)?;
    let mut delivery = Delivery { answer: &answer, private_key, opened: None };
    let keys = matched
        .into_iter()
        .map(|(requested, id)| {
            let key = answer.key(id).ok_or(ResponseError::Document(DocumentFault::NoKeys))?;
            let secret = check_scheme(key, request)
                .and_then(|()| delivery.secret(key, request))
                .map_err(|fault| ResponseError::Key { key_id: id, fault })?;
            rule_key(&answer, request, requested, id, key, secret)
        })
        .collect::<Result<_, _>>()?;
    let set = KeySet { scheme: request.scheme, keys };
    // Also where the IV is ours and not the server's, and between keys.
    match set.exposed() {
        Some((key_id, by)) => Err(ResponseError::Key { key_id, fault: KeyFault::Exposed { by } }),
        None => Ok(set),
    }
}

fn check_root(root: &Element, request: &KeyRequest) -> Result<(), DocumentFault> {
    if !root.is(CPIX, "CPIX") {
        return Err(DocumentFault::NotCpix);
    }
    let name = if request.version == SpekeVersion::V1 { "id" } else { "contentId" };
    match root.attribute(name) {
        Some(id) if id != request.content_id.as_str() => Err(DocumentFault::OtherContentId),
        _ => Ok(()),
    }
}

/// Every element must speak of keys that are there, once each.
fn check_ids(answer: &Answer<'_>) -> Result<(), ResponseError> {
    if answer.keys.is_empty() {
        return Err(ResponseError::Document(DocumentFault::NoKeys));
    }
    for (index, (key_id, _)) in answer.keys.iter().enumerate() {
        if answer.keys.iter().skip(index + 1).any(|(other, _)| other == key_id) {
            return Err(ResponseError::Key { key_id: *key_id, fault: KeyFault::Repeated });
        }
    }
    let systems = answer.systems.iter().map(|(id, ..)| (*id, "DRMSystem"));
    let rules = answer.rules.iter().map(|(id, _)| (*id, "ContentKeyUsageRule"));
    let stray = systems.chain(rules).find(|(id, _)| answer.key(*id).is_none());
    stray.map_or(Ok(()), |(key_id, element)| {
        Err(ResponseError::Key { key_id, fault: KeyFault::Stray { element } })
    })
}

fn match_keys<'r>(
    answer: &Answer<'_>,
    request: &'r KeyRequest,
) -> Result<Vec<(&'r RequestedKey, KeyId)>, ResponseError> {
    let mut matched: Vec<(&RequestedKey, KeyId)> = Vec::new();
    for requested in &request.keys {
        let track_type = requested.rule.track_type;
        let mut rules = answer.rules.iter().filter(|(_, found)| *found == Some(track_type));
        let ruled = rules.next();
        // The last rule that fits wins (SPEKE 2, encryption contract), and players of the first
        // one would be lost: what such an answer means nobody can say.
        if let Some(&(other, _)) = rules.find(|rule| Some(*rule) != ruled) {
            let fault = KeyFault::ChangedRule { track_type, other };
            return Err(ResponseError::Key { key_id: requested.id, fault });
        }
        let by_id = answer.key(requested.id).is_some();
        let id = match (by_id, ruled) {
            (true, Some(&(other, _))) if other != requested.id => {
                let fault = KeyFault::ChangedRule { track_type, other };
                return Err(ResponseError::Key { key_id: requested.id, fault });
            }
            (true, _) => requested.id,
            (false, Some(&(id, _))) => id,
            (false, None) => match (request.keys.as_slice(), answer.keys.as_slice()) {
                ([_], [(only, _)]) => *only,
                _ => {
                    let fault = KeyFault::Missing { track_type };
                    return Err(ResponseError::Key { key_id: requested.id, fault });
                }
            },
        };
        if matched.iter().any(|(_, earlier)| *earlier == id) {
            return Err(ResponseError::Key { key_id: id, fault: KeyFault::Shared });
        }
        matched.push((requested, id));
    }
    Ok(matched)
}

fn check_scheme(key: &Element, request: &KeyRequest) -> Result<(), KeyFault> {
    let scheme = request.scheme;
    let known = |text: &str| {
        // SPEKE 2.1 has the names of HLS methods beside those of ISO/IEC 23001-7.
        text.eq_ignore_ascii_case(scheme.common_encryption_scheme())
            || text.eq_ignore_ascii_case(scheme.hls_method())
    };
    match key.attribute("commonEncryptionScheme") {
        Some(text) if !known(text) => Err(KeyFault::ChangedScheme),
        _ => Ok(()),
    }
}

/// Content keys out of their elements; the keys around them are opened once.
struct Delivery<'a> {
    answer: &'a Answer<'a>,
    private_key: Option<&'a PrivateKey>,
    opened: Option<DeliveryKeys>,
}

const AES_256_CBC: &str = "http://www.w3.org/2001/04/xmlenc#aes256-cbc";
const RSA_OAEP: &str = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p";
const HMAC_SHA512: &str = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha512";

impl Delivery<'_> {
    fn secret(
        &mut self,
        key: &Element,
        request: &KeyRequest,
    ) -> Result<Zeroizing<[u8; 16]>, KeyFault> {
        let secret = key.descendant(PSKC, "Secret").ok_or(KeyFault::NoValue)?;
        let encrypted = secret.child(PSKC, "EncryptedValue");
        if let Some(value) = encrypted.filter(|value| !value.elements().is_empty()) {
            check_algorithm(value.child(XMLENC, "EncryptionMethod"), AES_256_CBC)?;
            let cipher_value = cipher_value(value, "CipherValue")?;
            let mac = secret.child(PSKC, "ValueMAC").and_then(Element::text);
            let mac = mac.and_then(base64).ok_or(part("ValueMAC"))?.to_vec();
            let wrapped = WrappedKey { cipher_value, mac };
            return self.keys()?.unwrap_key(&wrapped).map_err(KeyFault::Unwrap);
        }
        let plain = secret.child(PSKC, "PlainValue").and_then(Element::text);
        let bytes = base64(plain.ok_or(KeyFault::NoValue)?).ok_or(KeyFault::NotBase64)?;
        if request.recipient_certificate.is_some() {
            return Err(KeyFault::NotEncrypted);
        }
        let fault = KeyFault::Length { bytes: bytes.len() };
        bytes.as_slice().try_into().map(Zeroizing::new).map_err(|_| fault)
    }

    fn keys(&mut self) -> Result<&DeliveryKeys, KeyFault> {
        let keys = match self.opened.take() {
            Some(keys) => keys,
            None => self.open()?,
        };
        Ok(self.opened.insert(keys))
    }

    /// One `DeliveryData` for each recipient: ours is the one that opens.
    fn open(&self) -> Result<DeliveryKeys, KeyFault> {
        let private_key = self.private_key.ok_or(KeyFault::NoPrivateKey)?;
        let mut result = Err(part("DeliveryData"));
        for delivery in &self.answer.deliveries {
            result = open_delivery(delivery, private_key);
            if result.is_ok() {
                break;
            }
        }
        result
    }
}

fn open_delivery(delivery: &Element, private_key: &PrivateKey) -> Result<DeliveryKeys, KeyFault> {
    let document_key = delivery.child(CPIX, "DocumentKey").ok_or(part("DocumentKey"))?;
    let mac_method = delivery.child(CPIX, "MACMethod").ok_or(part("MACMethod"))?;
    for (element, name, algorithm) in
        [(document_key, "DocumentKey", AES_256_CBC), (mac_method, "MACMethod", HMAC_SHA512)]
    {
        if element.attribute("Algorithm").is_some_and(|found| found != algorithm) {
            return Err(KeyFault::Algorithm { element: name });
        }
        check_algorithm(element.descendant(XMLENC, "EncryptionMethod"), RSA_OAEP)?;
    }
    let sealed = SealedDeliveryKeys {
        document_key: cipher_value(document_key, "DocumentKey")?,
        mac_key: cipher_value(mac_method, "MACMethod")?,
    };
    DeliveryKeys::open(&sealed, private_key).map_err(KeyFault::Unwrap)
}

fn check_algorithm(method: Option<&Element>, expected: &str) -> Result<(), KeyFault> {
    let found = method.and_then(|method| method.attribute("Algorithm"));
    match found {
        Some(found) if found != expected => {
            Err(KeyFault::Algorithm { element: "EncryptionMethod" })
        }
        _ => Ok(()),
    }
}

fn cipher_value(around: &Element, name: &'static str) -> Result<Vec<u8>, KeyFault> {
    let text = around.descendant(XMLENC, "CipherValue").and_then(Element::text);
    text.and_then(base64).map(|bytes| bytes.to_vec()).ok_or(part(name))
}

const fn part(element: &'static str) -> KeyFault {
    KeyFault::EncryptionPart { element }
}

fn rule_key(
    answer: &Answer<'_>,
    request: &KeyRequest,
    requested: &RequestedKey,
    key_id: KeyId,
    element: &Element,
    secret: Zeroizing<[u8; 16]>,
) -> Result<RuleKey, ResponseError> {
    let key_fault = |fault| ResponseError::Key { key_id, fault };
    let system_fault = |system, fault| ResponseError::System { key_id, system, fault };
    let mut iv = explicit_iv(element).map_err(key_fault)?;
    let mut said = Vec::new();
    for &system in &request.systems {
        let checked = match answer.system(key_id, system) {
            Some(entry) => read_system(entry, system, key_id, request.scheme)
                .map_err(|fault| system_fault(system, fault))?,
            None => Checked { signalling: SystemSignalling::of(system), ivs: Vec::new() },
        };
        for found in checked.ivs {
            if found == *secret {
                return Err(key_fault(KeyFault::IvIsKey));
            }
            if *iv.get_or_insert(found) != found {
                return Err(system_fault(system, SystemFault::IvDiffers));
            }
        }
        said.push(checked.signalling);
    }
    if iv == Some(*secret) {
        return Err(key_fault(KeyFault::IvIsKey));
    }
    let iv = match request.scheme {
        ProtectionScheme::Cenc => None,
        _ => iv.or(requested.iv).or_else(|| Some(derived_iv(key_id))),
    };
    let key = ContentKey::new(key_id, secret, iv);
    let signalling = said
        .into_iter()
        .map(|said| {
            let system = said.system;
            let url = request.license_urls.get(&system).map(String::as_str);
            completed(said, &key, request.scheme, request.content_id.as_str(), None, url)
                .map_err(|error| system_fault(system, SystemFault::Signalling(error)))
        })
        .collect::<Result<Arc<[_]>, _>>()?;
    Ok(RuleKey { rule: requested.rule, key: Arc::new(key), signalling })
}

fn explicit_iv(key: &Element) -> Result<Option<[u8; 16]>, KeyFault> {
    let Some(text) = key.attribute("explicitIV") else { return Ok(None) };
    let iv = base64(text).and_then(|bytes| bytes.as_slice().try_into().ok());
    iv.map(Some).ok_or(KeyFault::MalformedIv)
}
