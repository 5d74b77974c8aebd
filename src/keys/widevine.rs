//! The data of Widevine's `pssh` box: a protocol buffer message (`WidevinePsshData`).
//!
//! | field | number | type |
//! |---|---|---|
//! | `key_ids` | 2 | 16 bytes, repeated, big-endian |
//! | `provider` | 3 | string |
//! | `content_id` | 4 | bytes |
//! | `protection_scheme` | 9 | four-character code as an integer; absent is `cenc` |
//!
//! All others are skipped when reading and not written: the algorithm (1) is history, and policies
//! belong to the licence server.

use crate::model::protection::{KeyId, ProtectionScheme};

/// The part of the message that packaging has to do with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WidevineData {
    /// Which keys a licence must hold.
    pub key_ids: Vec<KeyId>,
    /// Who made the content, by a name that Widevine gave.
    pub provider: Option<String>,
    /// What the licence server knows the content by.
    pub content_id: Option<Vec<u8>>,
    /// `cenc` or `cbcs` as a big-endian integer.
    pub protection_scheme: Option<u32>,
}

/// Why bytes are not such a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WidevineError {
    /// The bytes end inside a field, or a field's type is none of the four in use.
    #[error("the Widevine data is not a protocol buffer message (byte {offset})")]
    Malformed {
        /// Where the field starts.
        offset: usize,
    },
    /// A key ID of another size.
    #[error("the Widevine data has a key ID of {length} bytes; key IDs have 16")]
    KeyIdLength {
        /// Its size.
        length: usize,
    },
}

impl WidevineData {
    /// What is said of one key when nobody says more.
    pub fn of(key_id: KeyId, scheme: ProtectionScheme) -> Self {
        Self {
            key_ids: vec![key_id],
            protection_scheme: protection_scheme(scheme),
            ..Self::default()
        }
    }

    /// The message, fields in ascending order.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for id in &self.key_ids {
            write_bytes(&mut bytes, KEY_IDS, &id.0);
        }
        if let Some(provider) = &self.provider {
            write_bytes(&mut bytes, PROVIDER, provider.as_bytes());
        }
        if let Some(content_id) = &self.content_id {
            write_bytes(&mut bytes, CONTENT_ID, content_id);
        }
        if let Some(scheme) = self.protection_scheme {
            write_varint(&mut bytes, PROTECTION_SCHEME << 3 | VARINT);
            write_varint(&mut bytes, u64::from(scheme));
        }
        bytes
    }

    /// Reads a message. Of a field that is not repeated the last one counts, as protocol buffers
    /// want it.
    pub fn parse(bytes: &[u8]) -> Result<Self, WidevineError> {
        let mut data = Self::default();
        let mut rest = bytes;
        while !rest.is_empty() {
            let offset = bytes.len() - rest.len();
            let field = read_field(&mut rest).ok_or(WidevineError::Malformed { offset })?;
            match field {
                (KEY_IDS, Value::Bytes(id)) => {
                    let id = id
                        .try_into()
                        .map_err(|_| WidevineError::KeyIdLength { length: id.len() })?;
                    data.key_ids.push(KeyId(id));
                }
                (PROVIDER, Value::Bytes(name)) => {
                    data.provider = Some(String::from_utf8_lossy(name).into_owned());
                }
                (CONTENT_ID, Value::Bytes(id)) => data.content_id = Some(id.to_vec()),
                (PROTECTION_SCHEME, Value::Varint(scheme)) => {
                    // Longer varints lose their upper bits in every reader of a uint32.
                    data.protection_scheme = Some((scheme & u64::from(u32::MAX)) as u32);
                }
                _ => {}
            }
        }
        Ok(data)
    }
}

/// The value of `protection_scheme`; transport streams have none.
pub fn protection_scheme(scheme: ProtectionScheme) -> Option<u32> {
    let code = scheme.four_cc()?.as_bytes().first_chunk::<4>()?;
    Some(u32::from_be_bytes(*code))
}

const KEY_IDS: u64 = 2;
const PROVIDER: u64 = 3;
const CONTENT_ID: u64 = 4;
const PROTECTION_SCHEME: u64 = 9;

/// Wire types.
const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;
const FIXED_32: u64 = 5;

enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Fixed,
}

fn read_field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Value<'a>)> {
    let tag = read_varint(rest)?;
    let value = match tag & 7 {
        VARINT => Value::Varint(read_varint(rest)?),
        FIXED_64 => skip(rest, 8)?,
        LENGTH_DELIMITED => {
            let length = usize::try_from(read_varint(rest)?).ok()?;
            let (value, after) = rest.split_at_checked(length)?;
            *rest = after;
            Value::Bytes(value)
        }
        FIXED_32 => skip(rest, 4)?,
        _ => return None,
    };
    Some((tag >> 3, value))
}

fn skip<'a>(rest: &mut &'a [u8], length: usize) -> Option<Value<'a>> {
    *rest = rest.get(length..)?;
    Some(Value::Fixed)
}

/// At most ten bytes, seven bits each, least significant first.
fn read_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn write_bytes(bytes: &mut Vec<u8>, field: u64, value: &[u8]) {
    write_varint(bytes, field << 3 | LENGTH_DELIMITED);
    write_varint(bytes, value.len() as u64);
    bytes.extend(value);
}

fn write_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 & 0x7F | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;
    use crate::keys::pssh::{PsshBox, system};

    const KEY_ID: KeyId = KeyId(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128.to_be_bytes());
    const OTHER: KeyId = KeyId(0xfedc_ba98_7654_3210_fedc_ba98_7654_3210_u128.to_be_bytes());

    fn boxed(data: &WidevineData) -> String {
        STANDARD.encode(PsshBox::around(system::WIDEVINE, data.to_bytes()).to_bytes())
    }

    #[test]
    fn boxes_are_those_that_licence_clients_read() {
        assert_eq!(
            boxed(&WidevineData::of(KEY_ID, ProtectionScheme::Cenc)),
            "AAAAOHBzc2gAAAAA7e+LqXnWSs6jyCfc1R0h7QAAABgSEAEjRWeJq83vASNFZ4mrze9I49yVmwY="
        );
        assert_eq!(
            boxed(&WidevineData::of(KEY_ID, ProtectionScheme::Cbcs)),
            "AAAAOHBzc2gAAAAA7e+LqXnWSs6jyCfc1R0h7QAAABgSEAEjRWeJq83vASNFZ4mrze9I88aJmwY="
        );
        let full = WidevineData {
            key_ids: vec![KEY_ID, OTHER],
            provider: Some("intertest".into()),
            content_id: Some(b"asset-1".to_vec()),
            protection_scheme: Some(1_667_392_371),
        };
        assert_eq!(
            boxed(&full),
            "AAAAXnBzc2gAAAAA7e+LqXnWSs6jyCfc1R0h7QAAAD4SEAEjRWeJq83vASNFZ4mrze8SEP7cuph2VDIQ/ty6m\
             HZUMhAaCWludGVydGVzdCIHYXNzZXQtMUjzxombBg=="
        );
        assert_eq!(WidevineData::parse(&full.to_bytes()), Ok(full));
    }

    /// The example of Apple's "Using content protection systems with HLS".
    #[test]
    fn apples_example_has_this_shape() {
        let id = KeyId::parse("04142434-4454-6474-8494-a4b4c4d4e4f4").unwrap();
        let data = WidevineData::of(id, ProtectionScheme::Cbcs).to_bytes();
        let bytes = PsshBox::around(system::WIDEVINE, data).to_bytes();
        assert_eq!(bytes.len(), 0x38);
        assert!(hex::encode(bytes).ends_with("121004142434445464748494a4b4c4d4e4f448f3c6899b06"));
    }

    #[test]
    fn unknown_fields_are_skipped() {
        // algorithm, a fixed64 (10), a fixed32 (11), track_type, then the key ID.
        let mut bytes = hex::decode("0801510102030405060708").unwrap();
        bytes.extend(hex::decode("5d010203042a025344").unwrap());
        bytes.extend(WidevineData::of(KEY_ID, ProtectionScheme::Cbcs).to_bytes());
        let read = WidevineData::parse(&bytes);
        assert_eq!(read, Ok(WidevineData::of(KEY_ID, ProtectionScheme::Cbcs)));
    }

    #[test]
    fn what_is_not_a_message_is_said_to_be() {
        for (bytes, expected) in [
            (&[0x12, 0x10, 1][..], WidevineError::Malformed { offset: 0 }),
            (&[0x12, 2, 1, 2], WidevineError::KeyIdLength { length: 2 }),
            (&[0x08, 1, 0x0B], WidevineError::Malformed { offset: 2 }),
            (&[0xFF; 12], WidevineError::Malformed { offset: 0 }),
        ] {
            assert_eq!(WidevineData::parse(bytes), Err(expected), "{bytes:02x?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            ids in proptest::collection::vec(any::<[u8; 16]>(), 0..4),
            provider in proptest::option::of("[a-z]{0,200}"),
            content_id in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20)),
            protection_scheme in any::<Option<u32>>(),
        ) {
            let key_ids = ids.into_iter().map(KeyId).collect();
            let data = WidevineData { key_ids, provider, content_id, protection_scheme };
            prop_assert_eq!(WidevineData::parse(&data.to_bytes()), Ok(data));
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = WidevineData::parse(&bytes);
        }
    }
}
