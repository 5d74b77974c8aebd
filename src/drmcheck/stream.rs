//! Transport stream segments of a track, decrypted with the keys that their playlist names.

use super::decrypt::Decryptor;
use super::evidence::{Segment, Track};
use super::finding::{Findings, What};
use super::judge::{key_of, read_iv};
use super::plausible::{Seen, Syntax};
use super::signal::key_of_lines;
use super::transport::{ElementaryStream, adts_frames, nal_units, read};
use crate::model::protection::{KeySet, RuleKey};

/// `stream_type`s, clear and with SAMPLE-AES.
const AVC: [u8; 2] = [0x1B, 0xDB];
const ADTS: [u8; 2] = [0x0F, 0xCF];

/// Judges a track in transport streams.
pub(super) fn judge_stream(track: &Track, keys: &KeySet, findings: &mut Findings) {
    for segment in &track.segments {
        let place = format!("segment {}", segment.name);
        match segment.keys.first() {
            None => judge_clear(&place, segment, findings),
            Some(line) => {
                let named = key_of_lines(keys, &segment.keys);
                let expected = key_of(track, keys);
                let Some(key) = named.or(expected) else {
                    let reason = "no known key has the URIs of its playlist".to_owned();
                    findings.judge(&place, What::Decryption, "-", Some(reason));
                    continue;
                };
                let other = expected.filter(|expected| expected.key.id != key.key.id);
                let reason = other.map(|other| format!("the track's key is {}", other.key.id));
                findings.judge(&place, What::KeyId, key.key.id.to_string(), reason);
                let method = line.method.as_str();
                judge_encrypted(&place, segment, method, key, findings);
            }
        }
    }
}

fn judge_clear(place: &str, segment: &Segment, findings: &mut Findings) {
    let mut seen = Seen::default();
    let reason = elementary(&segment.bytes, None, &mut seen).err();
    findings.judge(place, What::Decryption, seen.counted("clear", false), reason);
}

fn judge_encrypted(
    place: &str,
    segment: &Segment,
    method: &str,
    key: &RuleKey,
    findings: &mut Findings,
) {
    // What the playlist says, else what comes with the key, else the sequence number; AES-128
    // does not know the second (RFC 8216 5.2).
    let told = segment.keys.iter().find_map(|line| line.iv.as_deref()).and_then(read_iv);
    let sequence = u128::from(segment.number).to_be_bytes();
    let iv = match method {
        "AES-128" => told.unwrap_or(sequence),
        _ => told.or(key.key.iv).unwrap_or(sequence),
    };
    let from = if told.is_some() { "told" } else { "not told" };
    findings.judge(place, What::Iv, format!("{} ({from})", hex::encode(iv)), None);
    let cipher = Decryptor::new(key.key.expose());
    let mut seen = Seen::default();
    let reason = match method {
        "AES-128" => whole(segment, &cipher, &iv, &mut seen).err(),
        "SAMPLE-AES" => samples(segment, &cipher, &iv, &mut seen).err(),
        other => Some(format!("METHOD {other} does not go with transport streams")),
    };
    let how = format!("decrypted with {}", key.key.id);
    let value = seen.counted(&how, segment.clear.is_some());
    findings.judge(place, What::Decryption, value, reason);
}

fn whole(
    segment: &Segment,
    cipher: &Decryptor,
    iv: &[u8; 16],
    seen: &mut Seen,
) -> Result<(), String> {
    let clear = cipher.aes_128(iv, &segment.bytes).map_err(|error| error.to_string())?;
    elementary(&clear, None, seen)?;
    match &segment.clear {
        Some(expected) if *expected != clear => {
            let at = expected.iter().zip(&clear).position(|(a, b)| a != b);
            let at = at.unwrap_or_else(|| expected.len().min(clear.len()));
            Err(format!("from byte {at} on it is not clear packaging"))
        }
        _ => Ok(()),
    }
}

fn samples(
    segment: &Segment,
    cipher: &Decryptor,
    iv: &[u8; 16],
    seen: &mut Seen,
) -> Result<(), String> {
    let found = elementary(&segment.bytes, Some((cipher, iv)), seen)?;
    let Some(clear) = &segment.clear else { return Ok(()) };
    let expected = elementary(clear, None, &mut Seen::default())?;
    let pairs = found.iter().zip(&expected).enumerate();
    let different = pairs.filter(|(_, (a, b))| a != b).map(|(index, _)| index).next();
    match different {
        Some(unit) => Err(format!("unit {unit} is not that of clear packaging")),
        None if found.len() != expected.len() => {
            Err(format!("{} units, and {} in clear packaging", found.len(), expected.len()))
        }
        None => Ok(()),
    }
}

/// NAL units and frames of all elementary streams, in order, decrypted where there is a key.
fn elementary(
    bytes: &[u8],
    cipher: Option<(&Decryptor, &[u8; 16])>,
    seen: &mut Seen,
) -> Result<Vec<Vec<u8>>, String> {
    let mut units = Vec::new();
    let streams = read(bytes).map_err(|error| error.to_string())?;
    for (pid, stream) in &streams {
        judge_type(*pid, stream, cipher.is_some())?;
        if AVC.contains(&stream.stream_type) {
            for nal in stream.packets.iter().flat_map(|packet| nal_units(packet)) {
                let nal = match cipher {
                    Some((cipher, iv)) => cipher.sample_aes_nal(iv, nal),
                    None => nal.to_vec(),
                };
                seen.nal(Syntax::Avc, &nal).map_err(|error| format!("PID {pid}: {error}"))?;
                units.push(nal);
            }
        } else if ADTS.contains(&stream.stream_type) {
            // Frames may go on in the next packet.
            for (header, frame) in adts_frames(&stream.packets.concat()) {
                let mut frame = frame.to_vec();
                if let Some((cipher, iv)) = cipher {
                    cipher.sample_aes_audio(iv, &mut frame);
                }
                seen.aac(&frame).map_err(|error| format!("PID {pid}: {error}"))?;
                units.push([header, &frame].concat());
            }
        }
    }
    Ok(units)
}

/// The program map must say the same as the playlist of whether samples are encrypted.
fn judge_type(pid: u16, stream: &ElementaryStream, encrypted: bool) -> Result<(), String> {
    let kind = stream.stream_type;
    let (says, indicator) = match kind {
        0xDB => (true, Some(b"zavc")),
        0xCF => (true, Some(b"aacd")),
        0xC1 => (true, Some(b"ac3d")),
        0xC2 => (true, Some(b"ec3d")),
        _ => (false, None),
    };
    if says != encrypted {
        let not = if encrypted { "SAMPLE-AES" } else { "no SAMPLE-AES" };
        return Err(format!("PID {pid} has stream_type {kind:#04x}, the playlist says {not}"));
    }
    match indicator {
        Some(indicator) if stream.indicator.as_ref() != Some(indicator) => {
            let name = String::from_utf8_lossy(indicator);
            Err(format!("PID {pid} has no private_data_indicator {name}"))
        }
        _ => Ok(()),
    }
}
