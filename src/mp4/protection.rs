//! What an initialization segment says of encryption (ISO/IEC 14496-12:2022 8.12, ISO/IEC 23001-7
//! 8.2): the encrypted sample entry with `sinf`, and which `pssh` boxes go along.
//!
//! One key serves a track for a whole period, so `seig` sample groups (ISO/IEC 23001-7 6) are never
//! needed: another period has an initialization segment of its own, and segments that stay clear
//! name a second sample entry.

use super::{write_box, write_full_box, write_u32};
use crate::model::protection::{KeyId, ProtectionScheme};

/// `scheme_version` 1.0.
const SCHEME_VERSION: u32 = 0x0001_0000;
/// `default_crypt_byte_block` 1 and `default_skip_byte_block` 9.
const VIDEO_PATTERN: u8 = 0x19;
/// Bytes of the IV of each sample in cenc.
const SAMPLE_IV_BYTES: u8 = 8;

/// How a track is encrypted.
#[derive(Clone, Debug)]
pub struct InitProtection<'a> {
    /// cenc or cbcs.
    pub scheme: ProtectionScheme,
    /// The key of all samples.
    pub key_id: KeyId,
    /// cbcs: the IV of all samples.
    pub constant_iv: Option<[u8; 16]>,
    /// Whether it is video, which cbcs encrypts in a pattern.
    pub is_video: bool,
    /// Whole `pssh` boxes.
    pub pssh: Vec<&'a [u8]>,
    /// Whether some segments stay clear, which takes a second sample entry.
    pub clear_lead: bool,
}

impl InitProtection<'_> {
    /// Appends `clear`, a whole sample entry, as the entry of encrypted samples: renamed, with
    /// `sinf` as its last child.
    pub(super) fn write_sample_entry(&self, out: &mut Vec<u8>, clear: &[u8]) {
        let kind = if self.is_video { b"encv" } else { b"enca" };
        let original = clear.get(4..8).unwrap_or_default();
        write_box(out, kind, |out| {
            out.extend_from_slice(clear.get(8..).unwrap_or_default());
            self.write_sinf(out, original);
        });
    }

    fn write_sinf(&self, out: &mut Vec<u8>, original: &[u8]) {
        write_box(out, b"sinf", |out| {
            write_box(out, b"frma", |out| out.extend_from_slice(original));
            write_full_box(out, b"schm", 0, 0, |out| {
                out.extend_from_slice(self.scheme.four_cc().unwrap_or_default().as_bytes());
                write_u32(out, SCHEME_VERSION);
            });
            write_box(out, b"schi", |out| self.write_tenc(out));
        });
    }

    /// Version 1 wherever the IV is constant, for audio too, although only video has a pattern:
    /// Safari takes nothing else.
    fn write_tenc(&self, out: &mut Vec<u8>) {
        let version = u8::from(self.constant_iv.is_some());
        write_full_box(out, b"tenc", version, 0, |out| {
            let has_pattern = self.constant_iv.is_some() && self.is_video;
            out.extend_from_slice(&[0, if has_pattern { VIDEO_PATTERN } else { 0 }, 1]);
            out.push(if self.constant_iv.is_some() { 0 } else { SAMPLE_IV_BYTES });
            out.extend_from_slice(&self.key_id.0);
            if let Some(iv) = &self.constant_iv {
                out.push(iv.len() as u8);
                out.extend_from_slice(iv);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protection(scheme: ProtectionScheme, is_video: bool) -> InitProtection<'static> {
        InitProtection {
            scheme,
            key_id: KeyId::parse("0123456789abcdef0123456789abcdef").unwrap(),
            constant_iv: (scheme == ProtectionScheme::Cbcs)
                .then(|| std::array::from_fn(|index| 0x10 + index as u8)),
            is_video,
            pssh: Vec::new(),
            clear_lead: false,
        }
    }

    fn tenc(scheme: ProtectionScheme, is_video: bool) -> String {
        let mut out = Vec::new();
        protection(scheme, is_video).write_tenc(&mut out);
        hex::encode(out)
    }

    const KEY_ID: &str = "0123456789abcdef0123456789abcdef";
    const IV: &str = "10101112131415161718191a1b1c1d1e1f";

    #[test]
    fn defaults_of_the_track() {
        assert_eq!(
            tenc(ProtectionScheme::Cenc, true),
            format!("0000002074656e630000000000000108{KEY_ID}")
        );
        assert_eq!(
            tenc(ProtectionScheme::Cbcs, true),
            format!("0000003174656e630100000000190100{KEY_ID}{IV}")
        );
        assert_eq!(
            tenc(ProtectionScheme::Cbcs, false),
            format!("0000003174656e630100000000000100{KEY_ID}{IV}")
        );
    }

    #[test]
    fn an_entry_keeps_its_children_and_gets_one_more() {
        let clear = b"\0\0\0\x0Cavc1body";
        let mut out = Vec::new();
        protection(ProtectionScheme::Cbcs, true).write_sample_entry(&mut out, clear);
        let sinf = format!(
            "0000006173696e660000000c66726d6161766331000000147363686d0000000063626373000100000000\
             0039736368690000003174656e630100000000190100{KEY_ID}{IV}"
        );
        let expected = [&b"\0\0\0\x6Dencvbody"[..], &hex::decode(sinf).unwrap()].concat();
        assert_eq!(out, expected);
    }
}
