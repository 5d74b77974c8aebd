//! `EXT-X-KEY` and `EXT-X-SESSION-KEY` (RFC 8216 4.3.2.4 and 4.3.4.5).
//!
//! A key line holds until the next one, so a playlist repeats it only where something changes.

use std::fmt::Write as _;

use crate::model::manifest::{Manifest, RenditionProtection};
use crate::model::protection::HlsKey;

const NO_KEY: &str = "#EXT-X-KEY:METHOD=NONE\n";

/// The keys in force while a media playlist is written.
#[derive(Default)]
pub(super) struct KeyLines {
    in_force: String,
}

impl KeyLines {
    /// Writes what has to stand before a segment of a period so that its keys are in force.
    pub fn before(
        &mut self,
        out: &mut String,
        protection: Option<&RenditionProtection>,
        segment: usize,
    ) {
        let encrypted = protection.filter(|protection| segment >= protection.clear_segments);
        let Some(protection) = encrypted else {
            if !self.in_force.is_empty() {
                out.push_str(NO_KEY);
                self.in_force.clear();
            }
            return;
        };
        let iv = protection.iv_of(segment);
        let mut lines = String::new();
        for key in protection.signalling.iter().flat_map(|system| &system.hls_media) {
            write_key(&mut lines, "#EXT-X-KEY", protection.scheme.hls_method(), key, iv);
        }
        if lines != self.in_force {
            out.push_str(&lines);
            self.in_force = lines;
        }
    }
}

/// The session keys of a master playlist: those of all renditions, each once.
pub(super) fn session_keys(manifest: &Manifest) -> String {
    let renditions = manifest.periods.iter().flat_map(|period| &period.sets);
    let renditions = renditions.flat_map(|set| &set.renditions);
    let mut lines: Vec<String> = Vec::new();
    for protection in renditions.filter_map(|rendition| rendition.protection.as_deref()) {
        for key in protection.signalling.iter().flat_map(|system| &system.hls_session) {
            let iv = protection.constant_iv.filter(|_| protection.shows_iv);
            let mut line = String::new();
            let method = protection.scheme.hls_method();
            write_key(&mut line, "#EXT-X-SESSION-KEY", method, key, iv);
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines.concat()
}

/// Whether anything in the manifest is encrypted.
pub(super) fn has_keys(manifest: &Manifest) -> bool {
    let mut sets = manifest.periods.iter().flat_map(|period| &period.sets);
    sets.any(|set| set.renditions.iter().any(|rendition| rendition.protection.is_some()))
}

fn write_key(out: &mut String, tag: &str, method: &str, key: &HlsKey, iv: Option<[u8; 16]>) {
    let _ = write!(out, "{tag}:METHOD={method},URI=\"{}\"", key.uri);
    if let Some(iv) = iv {
        let _ = write!(out, ",IV=0x{}", hex::encode(iv));
    }
    if let Some(format) = &key.key_format {
        let _ = write!(out, ",KEYFORMAT=\"{format}\"");
    }
    if let Some(versions) = &key.key_format_versions {
        let _ = write!(out, ",KEYFORMATVERSIONS=\"{versions}\"");
    }
    for (name, value) in &key.others {
        let _ = write!(out, ",{name}={value}");
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::protection::{DrmSystem, KeyId, ProtectionScheme, SystemSignalling};

    fn protection(scheme: ProtectionScheme, clear_segments: usize) -> RenditionProtection {
        let key = HlsKey {
            uri: "https://keys.example.com/1".to_owned(),
            key_format: Some("identity".to_owned()),
            key_format_versions: Some("1".to_owned()),
            others: vec![("KEYID".to_owned(), "0xab".to_owned())],
        };
        let signalling = SystemSignalling {
            system: DrmSystem::PlainKey,
            pssh: None,
            playready_object: None,
            content_protection: None,
            hls_media: vec![key.clone()],
            hls_session: vec![key],
            license_url: None,
        };
        RenditionProtection {
            scheme,
            key_id: KeyId([1; 16]),
            constant_iv: None,
            shows_iv: true,
            signalling: [signalling].into(),
            clear_segments,
            has_clear_entry: clear_segments > 0,
            first_number: 9,
            iv_space: 0,
        }
    }

    const REST: &str = ",KEYFORMAT=\"identity\",KEYFORMATVERSIONS=\"1\",KEYID=0xab\n";
    const URI: &str = "URI=\"https://keys.example.com/1\"";

    #[test]
    fn a_key_is_said_once_and_taken_back() {
        let aes = protection(ProtectionScheme::HlsAes128, 1);
        let mut lines = KeyLines::default();
        let mut out = String::new();
        for segment in 0..3 {
            lines.before(&mut out, Some(&aes), segment);
            let _ = writeln!(out, "{segment}");
        }
        lines.before(&mut out, None, 0);
        lines.before(&mut out, None, 1);
        let expected = format!("0\n#EXT-X-KEY:METHOD=AES-128,{URI}{REST}1\n2\n{NO_KEY}");
        assert_eq!(out, expected);
    }

    #[test]
    fn an_iv_that_changes_with_the_segment_is_said_each_time() {
        let sample_aes = protection(ProtectionScheme::HlsSampleAes, 0);
        let mut lines = KeyLines::default();
        let mut out = String::new();
        lines.before(&mut out, Some(&sample_aes), 0);
        lines.before(&mut out, Some(&sample_aes), 1);
        let line =
            |number: u8| format!("#EXT-X-KEY:METHOD=SAMPLE-AES,{URI},IV=0x{:032x}{REST}", number);
        assert_eq!(out, line(9) + &line(10));
    }

    /// Players would take the number of the I-frame for the IV.
    #[test]
    fn an_iv_in_a_space_of_its_own_is_said_each_time() {
        let aes = protection(ProtectionScheme::HlsAes128, 0);
        let aes = RenditionProtection { iv_space: 3, ..aes };
        let mut out = String::new();
        KeyLines::default().before(&mut out, Some(&aes), 1);
        let iv = "0x0000000000000003000000000000000a";
        assert_eq!(out, format!("#EXT-X-KEY:METHOD=AES-128,{URI},IV={iv}{REST}"));
    }
}
