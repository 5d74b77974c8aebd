//! All rules, from the manifests down to decrypted samples.

use super::decrypt::Decryptor;
use super::evidence::{Announced, Entry, Evidence, Track};
use super::finding::{Findings, What};
use super::fragments::{UsedIvs, judge_fragments};
use super::playlist::{KeyLine, Master, Media};
use super::signal::{Signals, key_of_lines};
use super::stream::judge_stream;
use crate::model::presentation::Medium;
use crate::model::protection::{KeySet, RuleKey};

const MASTER: &str = "master playlist";

/// Compares everything with everything, by way of the key set.
pub fn judge(evidence: &Evidence, keys: &KeySet) -> Findings {
    let mut findings = Findings::default();
    for entry in &keys.keys {
        let check = Decryptor::new(entry.key.expose()).check_value();
        let value = format!("{} check value {check}", entry.key.id);
        // A server that hands out the key as IV gives the key away: the IV is public.
        let leaks = entry.key.iv.as_ref() == Some(entry.key.expose());
        let reason = leaks.then(|| "its IV is the key itself, which everybody can read".to_owned());
        findings.judge("key set", What::Key, value, reason);
    }
    if evidence.tracks.is_empty() {
        findings.missing("manifest", What::Syntax, "it names no media");
    }
    let mut ivs = UsedIvs::default();
    for track in &evidence.tracks {
        judge_announcement(evidence, track, keys, &mut findings);
        if track.inits.is_empty() {
            judge_stream(track, keys, &mut findings);
        } else {
            judge_fragments(track, keys, &mut ivs, &mut findings);
        }
    }
    if let Entry::Master(master) = &evidence.entry {
        judge_master(master, evidence, keys, &mut findings);
    }
    findings
}

/// The key that a track should have: by its size, or, where that is not known, by its lines.
pub(super) fn key_of<'a>(track: &Track, keys: &'a KeySet) -> Option<&'a RuleKey> {
    let by_entry = track.inits.iter().find_map(|(_, bytes)| {
        let init = super::boxes::read_init(bytes).ok()?;
        let form = init.entries.first()?.form;
        Some(super::fragments::key_for(keys, form))
    });
    if let Some(by_entry) = by_entry {
        return by_entry;
    }
    let Announced::Playlist(media, listed) = &track.announced else { return None };
    match (listed.pixels, listed.channels) {
        (Some(pixels), _) => keys.key_for(Medium::Video, pixels),
        (None, Some(channels)) => keys.key_for(Medium::Audio, channels),
        (None, None) => key_of_lines(keys, &media.keys),
    }
}

fn judge_announcement(evidence: &Evidence, track: &Track, keys: &KeySet, findings: &mut Findings) {
    let key = key_of(track, keys);
    match (&track.announced, &evidence.entry) {
        (Announced::Set(index), Entry::Mpd(mpd)) => {
            let Some(set) = mpd.sets.get(*index) else { return };
            let place = format!("MPD period {} set {}", set.period, set.id);
            match key {
                Some(key) => Signals { keys, key }.adaptation_set(&place, set, findings),
                None if set.protection.is_empty() => {}
                None => {
                    let reason = "no key covers the track, and the MPD says encrypted".to_owned();
                    findings.judge(&place, What::Scheme, "encrypted", Some(reason));
                }
            }
        }
        (Announced::Playlist(media, _), _) => judge_playlist(track, media, keys, key, findings),
        _ => {}
    }
}

fn judge_playlist(
    track: &Track,
    media: &Media,
    keys: &KeySet,
    key: Option<&RuleKey>,
    findings: &mut Findings,
) {
    let place = format!("playlist {}", track.name);
    version(&place, media.version, &media.keys, !track.inits.is_empty(), findings);
    let Some(key) = key else {
        for line in &media.keys {
            let reason = "no key covers the track, and the playlist says encrypted".to_owned();
            findings.judge(&place, What::Scheme, &line.method, Some(reason));
        }
        return;
    };
    let signals = Signals { keys, key };
    for line in &media.keys {
        signals.key_line(&place, line, findings);
        if let Some(text) = &line.iv {
            let reason = match (read_iv(text), key.key.iv) {
                (None, _) => Some("is not 0x and 32 hexadecimal digits".to_owned()),
                (Some(iv), Some(known)) if iv != known => {
                    Some(format!("the key's is 0x{}", hex::encode(known)))
                }
                _ => None,
            };
            findings.judge(&place, What::Iv, text, reason);
        }
    }
    // Every encrypted segment needs the same set of formats.
    let mut formats = media.segments.iter().filter(|segment| !segment.keys.is_empty());
    if let Some(first) = formats.next() {
        signals.absent_lines(&place, &first.keys, findings);
        let names = |keys: &[KeyLine]| -> Vec<String> {
            let mut names: Vec<_> = keys.iter().map(|key| key.key_format.clone()).collect();
            names.sort();
            names
        };
        if let Some(other) = formats.find(|other| names(&other.keys) != names(&first.keys)) {
            let reason = format!("{} has {:?} in force", first.uri, names(&first.keys));
            let value = format!("{:?} at {}", names(&other.keys), other.uri);
            findings.judge(&place, What::Uri, value, Some(reason));
        }
    } else {
        findings.missing(&place, What::Scheme, "a key covers the track, and no segment has one");
    }
}

/// RFC 8216 7.
fn version(place: &str, version: u32, keys: &[KeyLine], maps: bool, findings: &mut Findings) {
    let ivs = keys.iter().any(|key| key.iv.is_some());
    let formats = keys.iter().any(|key| key.names_format || key.method != "AES-128");
    let needed = [(maps, 6), (formats, 5), (ivs, 2)].into_iter().find(|(applies, _)| *applies);
    let needed = needed.map_or(1, |(_, version)| version);
    let reason = (version < needed).then(|| format!("what the playlist has needs {needed}"));
    findings.judge(place, What::Version, version.to_string(), reason);
}

fn judge_master(master: &Master, evidence: &Evidence, keys: &KeySet, findings: &mut Findings) {
    version(MASTER, master.version, &master.session_keys, false, findings);
    let media: Vec<&Media> = evidence
        .tracks
        .iter()
        .filter_map(|track| match &track.announced {
            Announced::Playlist(media, _) => Some(media),
            Announced::Set(_) => None,
        })
        .collect();
    let media_lines = || media.iter().flat_map(|media| &media.keys);
    for line in &master.session_keys {
        let uri = line.uri.as_deref().unwrap_or("-");
        let same = |other: &&KeyLine| {
            (&other.method, &other.key_format, &other.key_format_versions)
                == (&line.method, &line.key_format, &line.key_format_versions)
        };
        let found = media_lines().filter(|other| other.uri == line.uri).collect::<Vec<_>>();
        let reason = match &found[..] {
            [] => Some("no media playlist has an EXT-X-KEY with this URI".to_owned()),
            found if !found.iter().any(same) => Some(
                "METHOD, KEYFORMAT or KEYFORMATVERSIONS is not that of the EXT-X-KEY".to_owned(),
            ),
            _ => None,
        };
        findings.judge(MASTER, What::SessionKey, format!("{} {uri}", line.key_format), reason);
        if let Some(key) = key_of_lines(keys, std::slice::from_ref(line)) {
            Signals { keys, key }.key_line(MASTER, line, findings);
        }
    }
    // Whoever's key is in use and has something for master playlists must stand in this one.
    for entry in &keys.keys {
        let used = entry.signalling.iter().flat_map(|signalling| &signalling.hls_media);
        let is_used =
            used.clone().any(|key| media_lines().any(|line| line.uri.as_deref() == Some(&key.uri)));
        let wanted = entry.signalling.iter().flat_map(|signalling| &signalling.hls_session);
        for key in wanted.filter(|_| is_used) {
            if !master.session_keys.iter().any(|line| line.uri.as_deref() == Some(&key.uri)) {
                let format = key.key_format.as_deref().unwrap_or("identity");
                let reason = format!("key {} has none with KEYFORMAT {format:?}", entry.key.id);
                findings.missing(MASTER, What::SessionKey, reason);
            }
        }
    }
}

/// An `IV` attribute: 128 bits in hexadecimal.
pub(super) fn read_iv(text: &str) -> Option<[u8; 16]> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    let mut iv = [0; 16];
    hex::decode_to_slice(digits, &mut iv).ok()?;
    Some(iv)
}
