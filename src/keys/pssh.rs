//! `pssh` boxes, written and read (ISO/IEC 23001-7 8.1, protection system specific header).
//!
//! ```text
//! size u32 │ "pssh" │ version u8 │ flags u24 │ SystemID 16 │ KID_count u32, KIDs (version 1) │ DataSize u32 │ Data
//! ```
//!
//! What `Data` means is each system's affair: see [`widevine`](super::widevine) and
//! [`playready`](super::playready). The Common box (W3C, "cenc" initialization data) has none.

use crate::model::protection::KeyId;

/// System IDs as they stand in boxes.
pub mod system {
    /// Google Widevine.
    pub const WIDEVINE: [u8; 16] = 0xedef_8ba9_79d6_4ace_a3c8_27dc_d51d_21ed_u128.to_be_bytes();
    /// Microsoft PlayReady.
    pub const PLAYREADY: [u8; 16] = 0x9a04_f079_9840_4286_ab92_e65b_e088_5f95_u128.to_be_bytes();
    /// W3C Common PSSH, which Clear Key takes.
    pub const COMMON: [u8; 16] = 0x1077_efec_c0b2_4d02_ace3_3c1e_52e2_fb4b_u128.to_be_bytes();
}

/// A `pssh` box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PsshBox {
    /// 0, or 1 with a list of key IDs.
    pub version: u8,
    /// Whose box it is.
    pub system_id: [u8; 16],
    /// The list of version 1; not written in version 0.
    pub key_ids: Vec<KeyId>,
    /// The system's own bytes.
    pub data: Vec<u8>,
}

/// Why bytes are not `pssh` boxes. Offsets count from the first byte given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PsshError {
    /// The bytes end inside a box, or a count points beyond it.
    #[error("the pssh box at byte {offset} is cut off")]
    Truncated {
        /// Where the box starts.
        offset: usize,
    },
    /// A box of another type.
    #[error("the box at byte {offset} is not a pssh box")]
    OtherType {
        /// Where the box starts.
        offset: usize,
    },
    /// A version that the standard does not have.
    #[error("the pssh box at byte {offset} has version {version}; 0 and 1 are known")]
    UnknownVersion {
        /// Where the box starts.
        offset: usize,
        /// What it says.
        version: u8,
    },
    /// The box goes on after its data.
    #[error("the pssh box at byte {offset} is longer than what is in it")]
    TooLong {
        /// Where the box starts.
        offset: usize,
    },
}

impl PsshBox {
    /// The Common box of one key: version 1, no data (W3C "cenc" Initialization Data Format).
    pub fn common(key_id: KeyId) -> Self {
        Self { version: 1, system_id: system::COMMON, key_ids: vec![key_id], data: Vec::new() }
    }

    /// A version 0 box around a system's data.
    pub fn around(system_id: [u8; 16], data: Vec<u8>) -> Self {
        Self { version: 0, system_id, key_ids: Vec::new(), data }
    }

    /// The box. Its parts are a few kilobytes at most, far from what 32 bits count.
    pub fn to_bytes(&self) -> Vec<u8> {
        let list = if self.version == 0 { 0 } else { 4 + 16 * self.key_ids.len() };
        let size = FIXED_BYTES + list + self.data.len();
        let mut bytes = Vec::with_capacity(size);
        bytes.extend(count(size));
        bytes.extend(b"pssh");
        bytes.extend([self.version, 0, 0, 0]);
        bytes.extend(self.system_id);
        if self.version > 0 {
            bytes.extend(count(self.key_ids.len()));
            bytes.extend(self.key_ids.iter().flat_map(|id| id.0));
        }
        bytes.extend(count(self.data.len()));
        bytes.extend(&self.data);
        bytes
    }

    /// Reads one box after the other until the bytes end.
    pub fn parse(bytes: &[u8]) -> Result<Vec<Self>, PsshError> {
        let mut boxes = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let offset = bytes.len() - rest.len();
            let (one, after) = split_box(rest).ok_or(PsshError::Truncated { offset })?;
            boxes.push(Self::parse_content(one, offset)?);
            rest = after;
        }
        Ok(boxes)
    }

    fn parse_content(one: RawBox<'_>, offset: usize) -> Result<Self, PsshError> {
        let truncated = PsshError::Truncated { offset };
        if one.four_cc != *b"pssh" {
            return Err(PsshError::OtherType { offset });
        }
        let mut rest = one.content;
        let [version, ..] = take::<4>(&mut rest).ok_or(truncated)?;
        if version > 1 {
            return Err(PsshError::UnknownVersion { offset, version });
        }
        let system_id = take(&mut rest).ok_or(truncated)?;
        let mut key_ids = Vec::new();
        if version == 1 {
            // Nothing is set aside for the count: the bytes themselves bound the list.
            for _ in 0..u32::from_be_bytes(take(&mut rest).ok_or(truncated)?) {
                key_ids.push(KeyId(take(&mut rest).ok_or(truncated)?));
            }
        }
        let data_size = u32::from_be_bytes(take(&mut rest).ok_or(truncated)?);
        let data_size = usize::try_from(data_size).map_err(|_| truncated)?;
        let (data, after) = rest.split_at_checked(data_size).ok_or(truncated)?;
        if !after.is_empty() {
            return Err(PsshError::TooLong { offset });
        }
        Ok(Self { version, system_id, key_ids, data: data.to_vec() })
    }
}

/// Size, type, version, flags, SystemID and DataSize.
const FIXED_BYTES: usize = 4 + 4 + 4 + 16 + 4;

struct RawBox<'a> {
    four_cc: [u8; 4],
    content: &'a [u8],
}

/// Takes a box off the front: 32-bit size, 64-bit size (1) or up to the end (0), ISO/IEC 14496-12
/// 4.2.
fn split_box(bytes: &[u8]) -> Option<(RawBox<'_>, &[u8])> {
    let mut rest = bytes;
    let short = u32::from_be_bytes(take(&mut rest)?);
    let four_cc = take(&mut rest)?;
    let size = match short {
        0 => bytes.len(),
        1 => usize::try_from(u64::from_be_bytes(take(&mut rest)?)).ok()?,
        size => usize::try_from(size).ok()?,
    };
    let header = bytes.len() - rest.len();
    let (content, after) = rest.split_at_checked(size.checked_sub(header)?)?;
    Some((RawBox { four_cc, content }, after))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn count(value: usize) -> [u8; 4] {
    u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;
    use crate::model::protection::DrmSystem;

    const KEY_ID: KeyId = KeyId(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128.to_be_bytes());

    #[test]
    fn the_common_box_is_version_1_without_data() {
        let expected = STANDARD
            .decode("AAAANHBzc2gBAAAAEHfv7MCyTQKs4zweUuL7SwAAAAEBI0VniavN7wEjRWeJq83vAAAAAA==")
            .unwrap();
        let common = PsshBox::common(KEY_ID);
        assert_eq!(common.to_bytes(), expected);
        assert_eq!(PsshBox::parse(&expected), Ok(vec![common]));
    }

    #[test]
    fn boxes_of_other_systems_read_too() {
        let fairplay = STANDARD
            .decode("AAAANHBzc2gBAAAAlM6G+wf/T0OtuJPS+paMogAAAAEBI0VniavN7wEjRWeJq83vAAAAAA==")
            .unwrap();
        let read = PsshBox::parse(&fairplay).unwrap();
        assert_eq!(hex::encode(read[0].system_id), "94ce86fb07ff4f43adb893d2fa968ca2");
        assert_eq!(read[0].key_ids, [KEY_ID]);
    }

    #[test]
    fn system_ids_are_those_of_the_systems() {
        let of = |system: DrmSystem| KeyId::parse(system.system_id()).unwrap().0;
        assert_eq!(system::WIDEVINE, of(DrmSystem::Widevine));
        assert_eq!(system::PLAYREADY, of(DrmSystem::PlayReady));
        assert_eq!(KeyId(system::COMMON).to_string(), "1077efec-c0b2-4d02-ace3-3c1e52e2fb4b");
    }

    #[test]
    fn sizes_may_be_64_bits_or_open() {
        let mut open = PsshBox::common(KEY_ID).to_bytes();
        open[..4].copy_from_slice(&[0; 4]);
        let short = PsshBox::common(KEY_ID).to_bytes();
        let mut long = vec![0, 0, 0, 1];
        long.extend(b"pssh");
        long.extend((short.len() as u64 + 8).to_be_bytes());
        long.extend(&short[8..]);
        for bytes in [open, long] {
            assert_eq!(PsshBox::parse(&bytes), Ok(vec![PsshBox::common(KEY_ID)]));
        }
    }

    #[test]
    fn spoiled_boxes_say_what_is_wrong() {
        let good = PsshBox::common(KEY_ID).to_bytes();
        let spoil = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            PsshBox::parse(&bytes)
        };
        assert_eq!(spoil(7, b'x'), Err(PsshError::OtherType { offset: 0 }));
        assert_eq!(spoil(8, 2), Err(PsshError::UnknownVersion { offset: 0, version: 2 }));
        assert_eq!(spoil(31, 2), Err(PsshError::Truncated { offset: 0 }));
        assert_eq!(spoil(28, 0xFF), Err(PsshError::Truncated { offset: 0 }));
        let mut two = good.clone();
        two.extend(&good[..40]);
        assert_eq!(PsshBox::parse(&two), Err(PsshError::Truncated { offset: 52 }));
        let mut longer = good.clone();
        longer.push(0);
        longer[3] += 1;
        assert_eq!(PsshBox::parse(&longer), Err(PsshError::TooLong { offset: 0 }));
    }

    fn any_box() -> impl Strategy<Value = PsshBox> {
        let list = proptest::collection::vec(any::<[u8; 16]>().prop_map(KeyId), 0..4);
        let data = proptest::collection::vec(any::<u8>(), 0..64);
        (any::<bool>(), any::<[u8; 16]>(), list, data).prop_map(
            |(listed, system_id, list, data)| {
                let key_ids = if listed { list } else { Vec::new() };
                PsshBox { version: u8::from(listed), system_id, key_ids, data }
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(boxes in proptest::collection::vec(any_box(), 0..3)) {
            let bytes: Vec<u8> = boxes.iter().flat_map(PsshBox::to_bytes).collect();
            prop_assert_eq!(PsshBox::parse(&bytes), Ok(boxes));
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let mut boxed = 100u32.to_be_bytes().to_vec();
            boxed.extend(b"pssh\x01\0\0\0");
            boxed.extend(&bytes);
            let _ = (PsshBox::parse(&bytes), PsshBox::parse(&boxed));
        }
    }
}
