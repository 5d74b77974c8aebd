//! Content keys that come encrypted, from a key server as [`key_wrap`](super::key_wrap) makes one.

use super::super::error::KeyFault;
use super::super::key_wrap::tests::key_pair;
use super::super::key_wrap::{DeliveryKeys, KeyWrapError, PrivateKey, RecipientKey};
use super::*;

/// The 2.0 answer with its key encrypted for `certificate`.
fn encrypted_answer(certificate: &[u8]) -> String {
    let keys = DeliveryKeys::random().unwrap();
    let sealed = keys.seal_for(&RecipientKey::from_certificate(certificate).unwrap()).unwrap();
    let wrapped = keys.wrap(&SECRET, [9; 16]).unwrap();
    let value = |algorithm: &str, bytes: &[u8]| {
        format!(
            "<pskc:EncryptedValue><enc:EncryptionMethod \
             Algorithm=\"http://www.w3.org/2001/04/xmlenc#{algorithm}\"/><enc:CipherData>\
             <enc:CipherValue>{}</enc:CipherValue></enc:CipherData></pskc:EncryptedValue>",
            STANDARD.encode(bytes)
        )
    };
    let delivery = format!(
        "<cpix:DeliveryDataList><cpix:DeliveryData>\
         <cpix:DocumentKey Algorithm=\"http://www.w3.org/2001/04/xmlenc#aes256-cbc\"><cpix:Data>\
         <pskc:Secret>{}</pskc:Secret></cpix:Data></cpix:DocumentKey>\
         <cpix:MACMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#hmac-sha512\">\
         <cpix:Key>{}</cpix:Key></cpix:MACMethod></cpix:DeliveryData></cpix:DeliveryDataList>",
        value("rsa-oaep-mgf1p", &sealed.document_key),
        value("rsa-oaep-mgf1p", &sealed.mac_key)
    );
    let secret = format!(
        "{}<pskc:ValueMAC>{}</pskc:ValueMAC>",
        value("aes256-cbc", &wrapped.cipher_value),
        STANDARD.encode(&wrapped.mac)
    );
    RESPONSE_2
        .replace("<pskc:PlainValue>ABEiM0RVZneImaq7zN3u/w==</pskc:PlainValue>", &secret)
        .replace("<cpix:ContentKeyList>", &format!("{delivery}<cpix:ContentKeyList>"))
        .replace("xmlns:pskc=", "xmlns:enc=\"http://www.w3.org/2001/04/xmlenc#\" xmlns:pskc=")
}

#[test]
fn encrypted_keys_are_opened_and_their_parts_checked() {
    let (private, certificate) = key_pair();
    let private = PrivateKey::from_pkcs8(&private).unwrap();
    let document = encrypted_answer(&certificate);
    let asked =
        KeyRequest { recipient_certificate: Some(certificate), ..request(SpekeVersion::V2) };
    let open = |document: &str| read_response(document.as_bytes(), &asked, Some(&private));
    assert_is_the_key(&open(&document).unwrap());

    let fault = |result: Result<KeySet, ResponseError>| match result.unwrap_err() {
        ResponseError::Key { fault, .. } => fault,
        other => panic!("{other}"),
    };
    let spoiled = |from: &str, to: &str| {
        assert!(document.contains(from), "{from}");
        fault(open(&document.replace(from, to)))
    };
    assert_eq!(fault(read_response(document.as_bytes(), &asked, None)), KeyFault::NoPrivateKey);
    let part = |element| KeyFault::EncryptionPart { element };
    assert_eq!(spoiled("cpix:DeliveryData>", "cpix:Other>"), part("DeliveryData"));
    assert_eq!(spoiled("cpix:DocumentKey", "cpix:Other"), part("DocumentKey"));
    assert_eq!(spoiled("cpix:MACMethod", "cpix:Other"), part("MACMethod"));
    assert_eq!(spoiled("pskc:ValueMAC", "pskc:Other"), part("ValueMAC"));
    let algorithm = |element| KeyFault::Algorithm { element };
    assert_eq!(spoiled("rsa-oaep-mgf1p", "rsa-1_5"), algorithm("EncryptionMethod"));
    assert_eq!(spoiled("hmac-sha512", "hmac-sha1"), algorithm("MACMethod"));
    assert_eq!(
        spoiled("aes256-cbc\"><cpix:Data>", "kw-aes256\"><cpix:Data>"),
        algorithm("DocumentKey")
    );
    let wrong_mac = "<pskc:ValueMAC>AAAA";
    assert_eq!(spoiled("<pskc:ValueMAC>", wrong_mac), KeyFault::Unwrap(KeyWrapError::Mac));

    let (stranger, _) = key_pair();
    let stranger = PrivateKey::from_pkcs8(&stranger).unwrap();
    let result = read_response(document.as_bytes(), &asked, Some(&stranger));
    assert_eq!(fault(result), KeyFault::Unwrap(KeyWrapError::Delivery));
}
