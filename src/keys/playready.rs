//! PlayReady objects and the headers in them (Microsoft, PlayReady Header Specification and
//! PlayReady Object).
//!
//! ```text
//! object  length u32 LE, itself included │ record count u16 LE │ records
//! record  type u16 LE │ length u16 LE │ value        type 1: WRMHEADER, UTF-16LE XML without BOM
//! ```
//!
//! Written are version 4.0.0.0 for `cenc`, which every client reads, and 4.3.0.0 for `cbcs`, the
//! first that knows AES-CBC. Clients compare parts of the header literally, so attributes stand in
//! alphabetical order and no element is closed in short. Key IDs are GUIDs here: their first three
//! fields are little-endian, unlike everywhere else.
//!
//! Read is what any version says of key IDs and algorithms; nothing else of the header matters to
//! packaging.

use std::fmt::Write as _;

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::escape::escape;
use quick_xml::events::{BytesStart, Event};

use crate::model::protection::{ContentKey, KeyId, ProtectionScheme};

/// What a header says about keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlayReadyHeader {
    /// `version`, such as `4.0.0.0`.
    pub version: String,
    /// The keys, byte order put right.
    pub key_ids: Vec<KeyId>,
    /// All `ALGID`s: `AESCTR`, `AESCBC`.
    pub algorithms: Vec<String>,
}

/// Why there is no PlayReady object, or bytes are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlayReadyError {
    /// PlayReady has no name for the scheme.
    #[error("PlayReady protects cenc and cbcs only")]
    Scheme,
    /// The header would not fit into an object.
    #[error(
        "the PlayReady object would have {bytes} bytes; players take 15360, shorten the license URL"
    )]
    TooLong {
        /// Its size.
        bytes: usize,
    },
    /// The bytes end inside the object or one of its records.
    #[error("the PlayReady object is cut off")]
    Truncated,
    /// None of the records is a header.
    #[error("the PlayReady object has no WRMHEADER")]
    NoHeader,
    /// The header is not UTF-16LE or not XML.
    #[error("the WRMHEADER of the PlayReady object is not well-formed XML in UTF-16LE")]
    MalformedHeader,
    /// A `KID` is not base64 of 16 bytes.
    #[error("a KID of the WRMHEADER is not the base64 form of 16 bytes")]
    MalformedKeyId,
}

/// Larger objects are refused by clients.
const MAX_OBJECT_BYTES: usize = 15 * 1024;
const HEADER_RECORD: u16 = 1;
const NAMESPACE: &str = "http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader";
/// `ALGID` of `cenc`.
const AES_CTR: &str = "AESCTR";
/// `ALGID` of `cbcs`.
const AES_CBC: &str = "AESCBC";

/// The object for one key. Without `license_url` players ask where their application says.
pub fn playready_object(
    key: &ContentKey,
    scheme: ProtectionScheme,
    license_url: Option<&str>,
) -> Result<Vec<u8>, PlayReadyError> {
    let header: Vec<u8> =
        header_text(key, scheme, license_url)?.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let length = 4 + 2 + 2 + 2 + header.len();
    let too_long = PlayReadyError::TooLong { bytes: length };
    if length > MAX_OBJECT_BYTES {
        return Err(too_long);
    }
    let mut object = Vec::with_capacity(length);
    object.extend(u32::try_from(length).map_err(|_| too_long)?.to_le_bytes());
    object.extend(1u16.to_le_bytes());
    object.extend(HEADER_RECORD.to_le_bytes());
    object.extend(u16::try_from(header.len()).map_err(|_| too_long)?.to_le_bytes());
    object.extend(header);
    Ok(object)
}

/// The `ALGID` of a scheme, if PlayReady has one.
pub const fn algorithm(scheme: ProtectionScheme) -> Option<&'static str> {
    match scheme {
        ProtectionScheme::Cenc => Some(AES_CTR),
        ProtectionScheme::Cbcs => Some(AES_CBC),
        ProtectionScheme::HlsAes128 | ProtectionScheme::HlsSampleAes => None,
    }
}

impl PlayReadyHeader {
    /// Reads the first header of an object. Records of other types are passed over, and so are
    /// bytes behind the object.
    pub fn parse(object: &[u8]) -> Result<Self, PlayReadyError> {
        let header = header_record(object)?;
        let (units, odd) = header.as_chunks::<2>();
        if !odd.is_empty() {
            return Err(PlayReadyError::MalformedHeader);
        }
        let text: String = char::decode_utf16(units.iter().copied().map(u16::from_le_bytes))
            .collect::<Result<_, _>>()
            .map_err(|_| PlayReadyError::MalformedHeader)?;
        // Some writers put the byte order mark or the end of a C string with it.
        Self::read_xml(text.trim_start_matches('\u{FEFF}').trim_end_matches('\0'))
    }

    fn read_xml(text: &str) -> Result<Self, PlayReadyError> {
        let mut reader = Reader::from_str(text);
        let mut header = Self::default();
        let mut open: Vec<String> = Vec::new();
        let mut seen_root = false;
        loop {
            match reader.read_event().map_err(|_| PlayReadyError::MalformedHeader)? {
                Event::Start(element) => {
                    header.read_element(&element, open.is_empty())?;
                    seen_root = true;
                    open.push(element.local_name().as_ref().to_owned());
                }
                Event::Empty(element) => header.read_element(&element, open.is_empty())?,
                Event::End(_) => {
                    open.pop();
                }
                Event::Text(text) => header.read_text(open.last(), text.xml10_content().trim())?,
                Event::DocType(_) => return Err(PlayReadyError::MalformedHeader),
                Event::Eof if open.is_empty() && seen_root => return Ok(header),
                Event::Eof => return Err(PlayReadyError::MalformedHeader),
                _ => {}
            }
        }
    }

    /// Versions from 4.1 have key ID and algorithm in attributes of `KID`.
    fn read_element(&mut self, element: &BytesStart<'_>, root: bool) -> Result<(), PlayReadyError> {
        let name = element.local_name();
        if root && name.as_ref() != "WRMHEADER" {
            return Err(PlayReadyError::MalformedHeader);
        }
        for attribute in element.attributes() {
            let attribute = attribute.map_err(|_| PlayReadyError::MalformedHeader)?;
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|_| PlayReadyError::MalformedHeader)?;
            match (name.as_ref(), attribute.key.as_ref()) {
                ("WRMHEADER", "version") => self.version = value.into_owned(),
                ("KID", "VALUE") => self.key_ids.push(key_id(value.trim())?),
                ("KID", "ALGID") => self.algorithms.push(value.trim().to_owned()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Version 4.0 has them as text.
    fn read_text(&mut self, element: Option<&String>, text: &str) -> Result<(), PlayReadyError> {
        match element.map(String::as_str) {
            Some("KID") if !text.is_empty() => self.key_ids.push(key_id(text)?),
            Some("ALGID") if !text.is_empty() => self.algorithms.push(text.to_owned()),
            _ => {}
        }
        Ok(())
    }
}

fn header_text(
    key: &ContentKey,
    scheme: ProtectionScheme,
    license_url: Option<&str>,
) -> Result<String, PlayReadyError> {
    let algorithm = algorithm(scheme).ok_or(PlayReadyError::Scheme)?;
    let id = STANDARD.encode(guid(key.id.0));
    let (version, data) = if scheme == ProtectionScheme::Cenc {
        let info = format!("<KEYLEN>16</KEYLEN><ALGID>{algorithm}</ALGID>");
        let checksum = STANDARD.encode(checksum(key));
        let key = format!("<KID>{id}</KID><CHECKSUM>{checksum}</CHECKSUM>");
        ("4.0.0.0", format!("<PROTECTINFO>{info}</PROTECTINFO>{key}"))
    } else {
        let key = format!("<KID ALGID=\"{algorithm}\" VALUE=\"{id}\"></KID>");
        ("4.3.0.0", format!("<PROTECTINFO><KIDS>{key}</KIDS></PROTECTINFO>"))
    };
    let mut text = format!("<WRMHEADER xmlns=\"{NAMESPACE}\" version=\"{version}\"><DATA>{data}");
    if let Some(url) = license_url {
        // Writing into a string does not fail.
        let _ = write!(text, "<LA_URL>{}</LA_URL>", escape(url));
    }
    text.push_str("</DATA></WRMHEADER>");
    Ok(text)
}

/// The first 8 bytes of the key ID, as a GUID, encrypted with the key: clients notice a wrong key.
fn checksum(key: &ContentKey) -> [u8; 8] {
    let mut block = Array::from(guid(key.id.0));
    Aes128::new(&Array::from(*key.expose())).encrypt_block(&mut block);
    std::array::from_fn(|index| block[index])
}

/// Turns a UUID's bytes into a GUID's and back: two byte orders of the first three fields.
fn guid(id: [u8; 16]) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h, rest @ ..] = id;
    let [i, j, k, l, m, n, o, p] = rest;
    [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]
}

fn key_id(text: &str) -> Result<KeyId, PlayReadyError> {
    let bytes = STANDARD.decode(text).map_err(|_| PlayReadyError::MalformedKeyId)?;
    let bytes = bytes.try_into().map_err(|_| PlayReadyError::MalformedKeyId)?;
    Ok(KeyId(guid(bytes)))
}

fn header_record(object: &[u8]) -> Result<&[u8], PlayReadyError> {
    let truncated = PlayReadyError::Truncated;
    let length = object.first_chunk().copied().map(u32::from_le_bytes).ok_or(truncated)?;
    let length = usize::try_from(length).map_err(|_| truncated)?;
    let mut rest = object.get(4..length).ok_or(truncated)?;
    for _ in 0..take_u16(&mut rest)? {
        let record_type = take_u16(&mut rest)?;
        let length = usize::from(take_u16(&mut rest)?);
        let (value, after) = rest.split_at_checked(length).ok_or(truncated)?;
        if record_type == HEADER_RECORD {
            return Ok(value);
        }
        rest = after;
    }
    Err(PlayReadyError::NoHeader)
}

fn take_u16(rest: &mut &[u8]) -> Result<u16, PlayReadyError> {
    let (head, tail) = rest.split_first_chunk().ok_or(PlayReadyError::Truncated)?;
    *rest = tail;
    Ok(u16::from_le_bytes(*head))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};
    use zeroize::Zeroizing;

    use super::*;
    use crate::keys::pssh::{PsshBox, system};

    const KEY_ID: KeyId = KeyId(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128.to_be_bytes());
    const SECRET: [u8; 16] = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128.to_be_bytes();

    fn key() -> ContentKey {
        ContentKey::new(KEY_ID, Zeroizing::new(SECRET), None)
    }

    fn sha256(bytes: &[u8]) -> String {
        hex::encode(Sha256::digest(bytes))
    }

    /// An object around any header text.
    fn object(text: &str) -> Vec<u8> {
        let header: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut object = (10 + header.len() as u32).to_le_bytes().to_vec();
        object.extend([1, 0, 1, 0]);
        object.extend((header.len() as u16).to_le_bytes());
        object.extend(header);
        object
    }

    #[test]
    fn key_ids_are_swapped_and_keys_have_check_values() {
        assert_eq!(hex::encode(guid(KEY_ID.0)), "67452301ab89efcd0123456789abcdef");
        assert_eq!(STANDARD.encode(guid(KEY_ID.0)), "Z0UjAauJ780BI0VniavN7w==");
        assert_eq!(hex::encode(checksum(&key())), "21bd149f28bd2c2c");
        assert_eq!(STANDARD.encode(checksum(&key())), "Ib0Unyi9LCw=");
    }

    #[test]
    fn cenc_has_a_4_0_header() {
        let object = playready_object(&key(), ProtectionScheme::Cenc, None).unwrap();
        assert_eq!(
            header_text(&key(), ProtectionScheme::Cenc, None).unwrap(),
            "<WRMHEADER xmlns=\"http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader\" \
             version=\"4.0.0.0\"><DATA><PROTECTINFO><KEYLEN>16</KEYLEN><ALGID>AESCTR</ALGID>\
             </PROTECTINFO><KID>Z0UjAauJ780BI0VniavN7w==</KID><CHECKSUM>Ib0Unyi9LCw=</CHECKSUM>\
             </DATA></WRMHEADER>"
        );
        assert_eq!(object.len(), 518);
        assert_eq!(
            sha256(&object),
            "d0f573d86501cdccc818ab16176702ef5af82a0774d3c04327ba2f570ee6aff4"
        );
        let boxed = PsshBox::around(system::PLAYREADY, object.clone()).to_bytes();
        assert_eq!(boxed.len(), 550);
        assert_eq!(
            sha256(&boxed),
            "2e272f8e59ef22df9665a0c3b83fc629aac2c138c104ef960e773a166107cfd3"
        );
        let read = PlayReadyHeader::parse(&object).unwrap();
        assert_eq!(read.version, "4.0.0.0");
        assert_eq!((read.key_ids, read.algorithms), (vec![KEY_ID], vec!["AESCTR".to_owned()]));
    }

    #[test]
    fn cbcs_has_a_4_3_header() {
        let object = playready_object(&key(), ProtectionScheme::Cbcs, None).unwrap();
        assert_eq!(object.len(), 446);
        assert_eq!(
            sha256(&object),
            "2dea1f8ace031ffd0cd19ce6977a04f6c95b16d84155c8b8ee1140d985be96c8"
        );
        let boxed = PsshBox::around(system::PLAYREADY, object.clone()).to_bytes();
        assert_eq!(boxed.len(), 478);
        assert_eq!(
            sha256(&boxed),
            "e22f6192e8c939c564105e7f630fa7fa3a9f897cfcd0d42cc5bc6c9ffaf637b5"
        );
        let read = PlayReadyHeader::parse(&object).unwrap();
        assert_eq!(read.version, "4.3.0.0");
        assert_eq!((read.key_ids, read.algorithms), (vec![KEY_ID], vec!["AESCBC".to_owned()]));
    }

    /// The example of Apple's "Using content protection systems with HLS".
    #[test]
    fn apples_example_has_this_shape() {
        let id = KeyId::parse("04142434-4454-6474-8494-a4b4c4d4e4f4").unwrap();
        let key = ContentKey::new(id, Zeroizing::new(SECRET), None);
        let text = header_text(&key, ProtectionScheme::Cbcs, None).unwrap();
        assert!(text.contains("VALUE=\"NCQUBFREdGSElKS0xNTk9A==\""), "{text}");
        let object = playready_object(&key, ProtectionScheme::Cbcs, None).unwrap();
        assert_eq!(object[..4], 0x1BEu32.to_le_bytes());
        assert_eq!(object[8..10], 0x1B4u16.to_le_bytes());
    }

    #[test]
    fn license_urls_are_escaped_and_stand_last() {
        let url = "https://lic.example/?a=1&b=<2>";
        for scheme in [ProtectionScheme::Cenc, ProtectionScheme::Cbcs] {
            let text = header_text(&key(), scheme, Some(url)).unwrap();
            assert!(
                text.ends_with(
                    "><LA_URL>https://lic.example/?a=1&amp;b=&lt;2&gt;</LA_URL></DATA></WRMHEADER>"
                ),
                "{text}"
            );
            let object = playready_object(&key(), scheme, Some(url)).unwrap();
            assert_eq!(PlayReadyHeader::parse(&object).unwrap().key_ids, [KEY_ID]);
        }
        let long = "x".repeat(8000);
        assert_eq!(
            playready_object(&key(), ProtectionScheme::Cenc, Some(&long)),
            Err(PlayReadyError::TooLong { bytes: 518 + 2 * ("<LA_URL></LA_URL>".len() + 8000) })
        );
        assert_eq!(
            playready_object(&key(), ProtectionScheme::HlsAes128, None),
            Err(PlayReadyError::Scheme)
        );
    }

    #[test]
    fn headers_of_versions_between_are_read() {
        let text = "\u{FEFF}<WRMHEADER version='4.2.0.0'><DATA><PROTECTINFO><KIDS>\
            <KID ALGID='AESCTR' CHECKSUM='x' VALUE='Z0UjAauJ780BI0VniavN7w=='/>\
            <KID VALUE=' NCQUBFREdGSElKS0xNTk9A== '></KID></KIDS></PROTECTINFO></DATA></WRMHEADER>\0";
        let read = PlayReadyHeader::parse(&object(text)).unwrap();
        assert_eq!(read.version, "4.2.0.0");
        let ids: Vec<_> = read.key_ids.iter().map(ToString::to_string).collect();
        assert_eq!(ids[0], KEY_ID.to_string());
        assert_eq!(ids[1], "04142434-4454-6474-8494-a4b4c4d4e4f4");
        assert_eq!(read.algorithms, ["AESCTR"]);
    }

    #[test]
    fn spoiled_objects_say_what_is_wrong() {
        let good = playready_object(&key(), ProtectionScheme::Cbcs, None).unwrap();
        let mut licences = good.clone();
        licences[6] = 3;
        let mut odd = object("<WRMHEADER/>");
        odd[0] -= 1;
        odd[8] -= 1;
        for (bytes, expected) in [
            (&good[..3], PlayReadyError::Truncated),
            (&good[..400], PlayReadyError::Truncated),
            (&licences, PlayReadyError::NoHeader),
            (&odd, PlayReadyError::MalformedHeader),
            (&object("<WRMHEADER><DATA>"), PlayReadyError::MalformedHeader),
            (&object("<DATA></DATA>"), PlayReadyError::MalformedHeader),
            (&object(""), PlayReadyError::MalformedHeader),
            (&object("<!DOCTYPE a><WRMHEADER></WRMHEADER>"), PlayReadyError::MalformedHeader),
            (&object("<WRMHEADER><KID>AAAA</KID></WRMHEADER>"), PlayReadyError::MalformedKeyId),
        ] {
            assert_eq!(PlayReadyHeader::parse(bytes), Err(expected), "{bytes:02x?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(
            bytes in proptest::collection::vec(any::<u8>(), 0..80),
            text in "[<>/=\"' KIDVALUE&;!\\[\\]-]{0,40}",
        ) {
            let _ = PlayReadyHeader::parse(&bytes);
            let _ = PlayReadyHeader::parse(&object(&format!("<WRMHEADER>{text}")));
        }
    }
}
