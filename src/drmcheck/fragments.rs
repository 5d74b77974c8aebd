//! Initialization segments and fragments of a track: boxes against each other and against the key
//! set, and samples decrypted.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::boxes::{Form, Fragment, Init, SampleEntry, TrackEncryption, read_fragments, read_init};
use super::decrypt::Decryptor;
use super::evidence::{Segment, Track};
use super::finding::{Findings, What};
use super::plausible::{Seen, Syntax};
use super::signal::Signals;
use crate::model::presentation::Medium;
use crate::model::protection::{KeyId, KeySet, ProtectionScheme, RuleKey};

/// Under which key which IV was seen, and where.
pub(super) type UsedIvs = HashMap<(KeyId, Vec<u8>), (String, [u8; 32])>;

/// The key of a track of this form.
pub(super) fn key_for(keys: &KeySet, form: Form) -> Option<&RuleKey> {
    match form {
        Form::Video { width, height, .. } => {
            keys.key_for(Medium::Video, u64::from(width) * u64::from(height))
        }
        Form::Audio { channels } => keys.key_for(Medium::Audio, u64::from(channels)),
    }
}

/// Whether a media segment is encrypted, by its sample entry; `None` where that cannot be told.
pub fn is_encrypted(init: &[u8], segment: &[u8]) -> Option<bool> {
    let init = read_init(init).ok()?;
    // The size of IVs matters to what comes after the index of the entry.
    let fragments = read_fragments(segment, |entry| iv_bytes(&init, entry)).ok()?;
    let entry = entry_of(&init, fragments.first()?)?;
    Some(entry.protection.is_some())
}

/// Judges a track in fragments.
pub(super) fn judge_fragments(
    track: &Track,
    keys: &KeySet,
    ivs: &mut UsedIvs,
    findings: &mut Findings,
) {
    let mut inits = Vec::new();
    for (name, bytes) in &track.inits {
        let place = format!("init {name}");
        let init = read_init(bytes);
        match &init {
            Ok(init) => judge_init(&place, init, keys, findings),
            Err(error) => findings.judge(&place, What::Syntax, "-", Some(error.to_string())),
        }
        inits.push(init.ok());
    }
    for segment in &track.segments {
        let Some(Some(init)) = segment.init.and_then(|index| inits.get(index)) else { continue };
        judge_segment(segment, init, keys, ivs, findings);
    }
    // Playlists say it themselves; of an MPD's track only the segments can.
    let init = inits.iter().flatten().next();
    let form = init.and_then(|init| init.entries.first()).map(|entry| entry.form);
    let is_covered = form.is_some_and(|form| key_for(keys, form).is_some());
    let bytes = |segment: &Segment| {
        let (_, init) = track.inits.get(segment.init?)?;
        is_encrypted(init, &segment.bytes)
    };
    let mut behind_lead = track.segments.iter().filter(|segment| !segment.in_clear_lead).peekable();
    let has_some = behind_lead.peek().is_some();
    if is_covered && has_some && behind_lead.all(|segment| bytes(segment) == Some(false)) {
        let reason = "a key covers the track, and none of its segments is encrypted";
        findings.missing(&format!("segments of {}", track.name), What::Decryption, reason);
    }
}

fn judge_init(place: &str, init: &Init, keys: &KeySet, findings: &mut Findings) {
    let Some(form) = init.entries.first().map(|entry| entry.form) else { return };
    let key = key_for(keys, form);
    let encrypted: Vec<_> = init.entries.iter().filter_map(|e| e.protection.as_ref()).collect();
    match key {
        Some(_) if encrypted.is_empty() => {
            findings.missing(place, What::Scheme, "a key covers the track, and it has no sinf");
        }
        None if !encrypted.is_empty() => {
            let reason = "no key covers the track, and it is encrypted".to_owned();
            findings.judge(place, What::Scheme, "encrypted", Some(reason));
        }
        _ => {}
    }
    let Some(key) = key else { return };
    let signals = Signals { keys, key };
    for entry in encrypted {
        let scheme = String::from_utf8_lossy(&entry.scheme);
        let expected = keys.scheme.four_cc().unwrap_or("none in fragments");
        findings.compare(place, What::Scheme, &scheme, expected, "the scheme of the keys");
        let defaults = &entry.defaults;
        let id = defaults.key_id;
        signals.key_id(place, &id.to_string(), Some(id), findings);
        judge_defaults(place, defaults, form, key, keys.scheme, findings);
    }
    for pssh in &init.pssh {
        signals.pssh(place, pssh, None, findings);
    }
}

/// `tenc` by the scheme (ISO/IEC 23001-7 10.1, 10.4).
fn judge_defaults(
    place: &str,
    tenc: &TrackEncryption,
    form: Form,
    key: &RuleKey,
    scheme: ProtectionScheme,
    findings: &mut Findings,
) {
    if !tenc.is_protected {
        let reason = "default_isProtected is 0 in an encrypted sample entry".to_owned();
        findings.judge(place, What::Scheme, "isProtected 0", Some(reason));
    }
    let iv = tenc.constant_iv.as_ref().map(hex::encode);
    let is_video = matches!(form, Form::Video { .. });
    let (crypt, skip) = tenc.pattern;
    let wrong_pattern = match scheme {
        ProtectionScheme::Cbcs if is_video => tenc.pattern != (1, 9),
        ProtectionScheme::Cbcs => skip != 0,
        _ => tenc.pattern != (0, 0),
    };
    let wanted = u8::from(scheme == ProtectionScheme::Cbcs);
    let value = format!("tenc version {}, pattern {crypt}:{skip}", tenc.version);
    let reason = if wrong_pattern {
        Some("this pattern is not that of the scheme".to_owned())
    } else {
        (tenc.version != wanted).then(|| format!("the scheme wants version {wanted}"))
    };
    findings.judge(place, What::Scheme, value, reason);
    if scheme == ProtectionScheme::Cbcs {
        let known = key.key.iv.map(hex::encode);
        match iv {
            Some(iv) => {
                let reason = match known {
                    Some(known) if known == iv => None,
                    Some(known) => Some(format!("the key's is {known}")),
                    None => Some("the key has none".to_owned()),
                };
                findings.judge(place, What::Iv, iv, reason);
            }
            None => findings.missing(place, What::Iv, "tenc has no constant IV"),
        }
    } else {
        let reason = (tenc.iv_bytes != 8).then(|| "players agree on 8 bytes only".to_owned());
        findings.judge(place, What::Iv, format!("{} bytes per sample", tenc.iv_bytes), reason);
    }
}

fn entry_of<'a>(init: &'a Init, fragment: &Fragment) -> Option<&'a SampleEntry> {
    entry_at(init, fragment.entry)
}

fn entry_at(init: &Init, index: Option<u32>) -> Option<&SampleEntry> {
    let index = index.unwrap_or(init.default_entry).checked_sub(1)?;
    init.entries.get(usize::try_from(index).ok()?)
}

fn iv_bytes(init: &Init, entry: Option<u32>) -> u8 {
    let protection = entry_at(init, entry).and_then(|entry| entry.protection.as_ref());
    protection.map_or(0, |protection| protection.defaults.iv_bytes)
}

fn judge_segment(
    segment: &Segment,
    init: &Init,
    keys: &KeySet,
    ivs: &mut UsedIvs,
    findings: &mut Findings,
) {
    let place = format!("segment {}", segment.name);
    let fragments = match read_fragments(&segment.bytes, |entry| iv_bytes(init, entry)) {
        Ok(fragments) => fragments,
        Err(error) => {
            findings.judge(&place, What::Syntax, "-", Some(error.to_string()));
            return;
        }
    };
    let mut clear = Vec::new();
    let mut seen = Seen::default();
    let mut value = "clear".to_owned();
    for fragment in &fragments {
        let Some(entry) = entry_of(init, fragment) else {
            let value = format!("sample_description_index {:?}", fragment.entry);
            let reason = "the initialization segment has no such entry".to_owned();
            findings.judge(&place, What::Syntax, value, Some(reason));
            return;
        };
        if fragment.has_groups {
            let reason = "seig sample groups are not expected and not read".to_owned();
            findings.judge(&place, What::AuxiliaryInformation, "seig", Some(reason));
            return;
        }
        judge_presence(&place, segment, entry, findings);
        if let Some(protection) = &entry.protection {
            judge_auxiliary(&place, fragment, &protection.defaults, findings);
            let key = protection.defaults.key_id;
            note_ivs(&place, &segment.bytes, fragment, key, ivs, findings);
            value = format!("decrypted with {}", protection.defaults.key_id);
        }
        match decrypt(&segment.bytes, fragment, entry, keys, &mut seen) {
            Ok(samples) => clear.extend(samples),
            Err(reason) => {
                findings.judge(&place, What::Decryption, value, Some(reason));
                return;
            }
        }
    }
    let value = seen.counted(&value, segment.clear.is_some());
    let reason = segment.clear.as_ref().and_then(|bytes| {
        let plain = match read_fragments(bytes, |_| 0) {
            Ok(plain) => plain,
            Err(error) => return Some(format!("the clear segment cannot be read: {error}")),
        };
        let samples = plain.iter().flat_map(|fragment| &fragment.samples);
        let samples = samples.map(|(at, size)| bytes.get(*at..at.saturating_add(*size)));
        let expected: Vec<&[u8]> = samples.map(Option::unwrap_or_default).collect();
        let same =
            expected.len() == clear.len() && expected.iter().zip(&clear).all(|(a, b)| a == b);
        (!same).then(|| difference(&expected, &clear))
    });
    findings.judge(&place, What::Decryption, value, reason);
}

/// The first sample that is not as it should be.
fn difference(expected: &[&[u8]], found: &[Vec<u8>]) -> String {
    let at = expected.iter().zip(found).position(|(a, b)| a != b);
    match at {
        Some(at) => format!("sample {at} is not that of clear packaging"),
        None => format!("{} samples, and {} in clear packaging", found.len(), expected.len()),
    }
}

/// A playlist and the boxes must say the same of whether a segment is encrypted.
fn judge_presence(place: &str, segment: &Segment, entry: &SampleEntry, findings: &mut Findings) {
    let kind = String::from_utf8_lossy(&entry.kind);
    let says = match (&entry.protection, segment.expects_encryption()) {
        (None, Some(true)) => Some("the playlist has a key in force"),
        (Some(_), Some(false)) => Some("the playlist has no key in force"),
        _ => None,
    };
    findings.judge(place, What::Scheme, format!("sample entry {kind}"), says.map(str::to_owned));
}

fn judge_auxiliary(
    place: &str,
    fragment: &Fragment,
    tenc: &TrackEncryption,
    findings: &mut Findings,
) {
    let what = What::AuxiliaryInformation;
    let Some(auxiliary) = &fragment.auxiliary else {
        if tenc.iv_bytes > 0 {
            findings.missing(place, what, "samples have IVs of their own, and there is no senc");
        }
        return;
    };
    let count = fragment.samples.len();
    let value = format!("{} samples at {}", auxiliary.samples.len(), auxiliary.start);
    let mut reasons = Vec::new();
    if auxiliary.samples.len() != count {
        reasons.push(format!("trun has {count} samples"));
    }
    match (&fragment.sizes, &fragment.offsets) {
        (Some(sizes), Some(offsets)) => {
            let own: Vec<usize> = auxiliary.samples.iter().map(|sample| sample.bytes()).collect();
            if sizes.iter().map(|size| usize::from(*size)).ne(own) {
                reasons.push("saiz has other sizes than senc".to_owned());
            }
            let expected = auxiliary.start.saturating_sub(fragment.start) as u64;
            if offsets[..] != [expected] {
                reasons.push(format!("saio is {offsets:?} and should be [{expected}]"));
            }
        }
        (None, None) => {}
        _ => reasons.push("one of saiz and saio is there and not the other".to_owned()),
    }
    for (index, (sample, (_, size))) in auxiliary.samples.iter().zip(&fragment.samples).enumerate()
    {
        let Some(list) = &sample.subsamples else { continue };
        let sum: u64 =
            list.iter().map(|(clear, hidden)| u64::from(*clear) + u64::from(*hidden)).sum();
        if sum != *size as u64 {
            reasons.push(format!("subsamples of sample {index} cover {sum} bytes of {size}"));
            break;
        }
    }
    let reason = (!reasons.is_empty()).then(|| reasons.join("; "));
    findings.judge(place, what, value, reason);
}

/// Under one key no IV comes with two samples. The same sample may come twice, as for trick play.
fn note_ivs(
    place: &str,
    file: &[u8],
    fragment: &Fragment,
    key: KeyId,
    ivs: &mut UsedIvs,
    findings: &mut Findings,
) {
    let auxiliary = fragment.auxiliary.iter().flat_map(|auxiliary| &auxiliary.samples);
    let pairs = auxiliary.zip(&fragment.samples).filter(|(sample, _)| !sample.iv.is_empty());
    let own: Vec<_> = pairs
        .map(|(sample, &(at, size))| {
            let bytes = file.get(at..at.saturating_add(size)).unwrap_or_default();
            (&sample.iv, <[u8; 32]>::from(Sha256::digest(bytes)))
        })
        .collect();
    let (Some((first, _)), Some((last, _))) = (own.first(), own.last()) else { return };
    let value = format!("{}…{}", hex::encode(first), hex::encode(last));
    let mut reason = None;
    for (iv, sample) in &own {
        let used = ivs.insert((key, iv.to_vec()), (place.to_owned(), *sample));
        if let Some((other, _)) = used.filter(|(_, other)| other != sample) {
            reason =
                Some(format!("{} is used twice under {key}, also in {other}", hex::encode(iv)));
        }
    }
    findings.judge(place, What::Iv, value, reason);
}

/// The samples of a fragment, decrypted where its entry says so, and looked at.
fn decrypt(
    file: &[u8],
    fragment: &Fragment,
    entry: &SampleEntry,
    keys: &KeySet,
    seen: &mut Seen,
) -> Result<Vec<Vec<u8>>, String> {
    let cipher = match &entry.protection {
        None => None,
        Some(protection) => {
            let id = protection.defaults.key_id;
            let key = keys.keys.iter().find(|known| known.key.id == id);
            let key = key.ok_or_else(|| format!("key {id} is not known"))?;
            Some((Decryptor::new(key.key.expose()), protection))
        }
    };
    let kind = entry.protection.as_ref().map_or(entry.kind, |protection| protection.original);
    let mut samples = Vec::new();
    for (index, (at, size)) in fragment.samples.iter().enumerate() {
        let bytes = file.get(*at..at.saturating_add(*size));
        let mut sample =
            bytes.ok_or_else(|| format!("sample {index} lies outside the segment"))?.to_vec();
        if let Some((cipher, protection)) = &cipher {
            let own = fragment.auxiliary.as_ref().and_then(|aux| aux.samples.get(index));
            let subsamples = own.and_then(|own| own.subsamples.as_deref());
            let tenc = &protection.defaults;
            let done = match (&protection.scheme, &tenc.constant_iv) {
                (b"cenc", None) => {
                    let iv = own.map(|own| &own.iv[..]).unwrap_or_default();
                    cipher.cenc(iv, subsamples, &mut sample)
                }
                (b"cbcs", Some(iv)) => {
                    let mut padded = [0; 16];
                    padded.iter_mut().zip(iv).for_each(|(to, from)| *to = *from);
                    cipher.cbcs(&padded, tenc.pattern, subsamples, &mut sample)
                }
                _ => return Err("scheme and IVs of tenc do not go together".to_owned()),
            };
            done.map_err(|error| format!("sample {index}: {error}"))?;
        }
        let looks = match (&kind, entry.form) {
            (b"avc1" | b"avc3", Form::Video { length_bytes, .. }) => {
                seen.picture(Syntax::Avc, length_bytes, &sample)
            }
            (b"hvc1" | b"hev1", Form::Video { length_bytes, .. }) => {
                seen.picture(Syntax::Hevc, length_bytes, &sample)
            }
            (b"mp4a", _) => seen.aac(&sample),
            _ => Ok(()),
        };
        looks.map_err(|error| format!("sample {index}: {error}; key or IV may be another one"))?;
        samples.push(sample);
    }
    Ok(samples)
}
