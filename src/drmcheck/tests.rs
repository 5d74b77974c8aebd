//! Hand-made presentations, one that agrees and many with one thing spoiled.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;
use zeroize::Zeroizing;

use super::boxes::tests::{AUXILIARY_OFFSET, SINF, boxed, fragment, init};
use super::decrypt::Decryptor;
use super::playlist::{Listed, read_master, read_media};
use super::transport::tests::{pes, tables};
use super::*;
use crate::keys::signalling::own_signalling;
use crate::model::protection::{
    ContentKey, DrmSystem, HlsKey, KeyId, KeyRule, KeySet, ProtectionScheme, RuleKey, TrackType,
};

const KEY_ID: KeyId = KeyId(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128.to_be_bytes());
const SECRET: [u8; 16] = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128.to_be_bytes();
const IV: [u8; 16] = 0x1011_1213_1415_1617_1819_1a1b_1c1d_1e1f_u128.to_be_bytes();

fn key_set(scheme: ProtectionScheme, systems: &[DrmSystem], secret: [u8; 16]) -> KeySet {
    let iv = (scheme != ProtectionScheme::Cenc).then_some(IV);
    // Signalling is made of the right key: PlayReady has a check value of it.
    let right = ContentKey::new(KEY_ID, Zeroizing::new(SECRET), iv);
    let signalling: Vec<_> = systems
        .iter()
        .map(|&system| {
            let uri = (system == DrmSystem::PlainKey).then_some("https://keys.example/1");
            own_signalling(system, &right, scheme, "asset-1", uri, None).unwrap()
        })
        .collect();
    let key = Arc::new(ContentKey::new(KEY_ID, Zeroizing::new(secret), iv));
    let rule = KeyRule::of(&[TrackType::All])[0];
    KeySet { scheme, keys: vec![RuleKey { rule, key, signalling: signalling.into() }] }
}

fn systems() -> [DrmSystem; 2] {
    [DrmSystem::Widevine, DrmSystem::PlayReady]
}

/// Two NAL units in 56 bytes: an IDR slice and another one.
fn clear_sample() -> Vec<u8> {
    let idr = [&[0, 0, 0, 33, 0x65, 0x88, 0x84][..], &[0x5A; 30]].concat();
    let other = [&[0, 0, 0, 15, 0x41, 0x9A, 0x84][..], &[0xA5; 12]].concat();
    [idr, other].concat()
}

fn cenc_segment(saio: u32) -> Vec<u8> {
    let mut sample = clear_sample();
    let iv = [0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8];
    let subsamples = [(5, 32), (3, 16)];
    Decryptor::new(&SECRET).cenc(&iv, Some(&subsamples), &mut sample).unwrap();
    fragment(saio, &sample)
}

/// Clear fragments have none.
fn without_senc(mut fragment: Vec<u8>) -> Vec<u8> {
    let at = memchr::memmem::find(&fragment, b"senc").unwrap();
    fragment[at..at + 4].copy_from_slice(b"free");
    fragment
}

fn cenc_init(pssh: &[u8]) -> Vec<u8> {
    let tenc = "0000002074656e6300000000000001080123456789abcdef0123456789abcdef";
    let schi = boxed(b"schi", &[&hex::decode(tenc).unwrap()]);
    let schm = boxed(b"schm", &[&[0; 4], b"cenc", &[0, 1, 0, 0]]);
    init(&boxed(b"sinf", &[&boxed(b"frma", &[b"avc1"]), &schm, &schi]), pssh)
}

const WIDEVINE_CENC: &str =
    "AAAAOHBzc2gAAAAA7e+LqXnWSs6jyCfc1R0h7QAAABgSEAEjRWeJq83vASNFZ4mrze9I49yVmwY=";
const WIDEVINE_CBCS: &str =
    "AAAAOHBzc2gAAAAA7e+LqXnWSs6jyCfc1R0h7QAAABgSEAEjRWeJq83vASNFZ4mrze9I88aJmwY=";

fn mpd_text(keys: &KeySet) -> String {
    let playready = &keys.keys[0].signalling[1];
    let pssh = STANDARD.encode(playready.pssh.as_ref().unwrap());
    let pro = STANDARD.encode(playready.playready_object.as_ref().unwrap());
    format!(
        r#"<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" xmlns:cenc="urn:mpeg:cenc:2013" xmlns:mspr="urn:microsoft:playready">
<Period><AdaptationSet id="1">
<ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011" value="cenc" cenc:default_KID="{KEY_ID}"/>
<ContentProtection schemeIdUri="urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"><cenc:pssh>{WIDEVINE_CENC}</cenc:pssh></ContentProtection>
<ContentProtection schemeIdUri="urn:uuid:9a04f079-9840-4286-ab92-e65be0885f95"><cenc:pssh>{pssh}</cenc:pssh><mspr:pro>{pro}</mspr:pro></ContentProtection>
<Representation id="v0"/></AdaptationSet></Period></MPD>"#
    )
}

/// A DASH presentation with one track and one segment.
struct Dash {
    keys: KeySet,
    mpd: String,
    init: Vec<u8>,
    segment: Vec<u8>,
    clear: Vec<u8>,
}

impl Dash {
    fn agreeing() -> Self {
        let keys = key_set(ProtectionScheme::Cenc, &systems(), SECRET);
        Self {
            mpd: mpd_text(&keys),
            init: cenc_init(&STANDARD.decode(WIDEVINE_CENC).unwrap()),
            segment: cenc_segment(AUXILIARY_OFFSET),
            clear: without_senc(fragment(AUXILIARY_OFFSET, &clear_sample())),
            keys,
        }
    }

    fn findings(&self) -> Findings {
        let segment = Segment {
            name: "v0 #0".to_owned(),
            init: Some(0),
            number: 0,
            keys: Vec::new(),
            is_listed: false,
            in_clear_lead: false,
            bytes: self.segment.clone(),
            clear: Some(self.clear.clone()),
        };
        let track = Track {
            name: "v0".to_owned(),
            announced: Announced::Set(0),
            inits: vec![("v0".to_owned(), self.init.clone())],
            segments: vec![segment],
        };
        let entry = Entry::Mpd(mpd::read(&self.mpd).unwrap());
        judge(&Evidence { entry, tracks: vec![track] }, &self.keys)
    }
}

/// All that does not agree: place, what and reason.
fn wrong(findings: &Findings) -> Vec<(String, What, String)> {
    let all = findings.all().iter();
    let wrong = all.filter_map(|finding| match &finding.verdict {
        Verdict::Agrees => None,
        Verdict::Disagrees(reason) | Verdict::Missing(reason) => {
            Some((finding.place.clone(), finding.what, reason.clone()))
        }
    });
    wrong.collect()
}

/// Exactly one thing is wrong, and it is this.
fn assert_only(findings: &Findings, place: &str, what: What, reason: &str) {
    let wrong = wrong(findings);
    let [(found_place, found_what, found_reason)] = &wrong[..] else {
        panic!("{}", table(findings));
    };
    assert_eq!((found_place.as_str(), *found_what), (place, what), "{found_reason}");
    assert!(found_reason.contains(reason), "{found_reason}");
}

const SET: &str = "MPD period 0 set 1";

#[test]
fn an_mpd_that_fits_agrees() {
    let findings = Dash::agreeing().findings();
    assert_eq!(wrong(&findings), []);
    let whats = [What::KeyId, What::Scheme, What::Pssh, What::PlayReadyObject, What::Decryption];
    for what in whats {
        assert!(findings.all().iter().any(|finding| finding.what == what), "{what:?}");
    }
    let text = format!("{}{}", table(&findings), document(&findings));
    assert!(!text.contains(&hex::encode(SECRET)) && !text.contains(&STANDARD.encode(SECRET)));
}

#[test]
fn an_encrypted_presentation_whose_segments_are_clear_is_found() {
    let mut dash = Dash::agreeing();
    let clear_entry = {
        let avcc = boxed(b"avcC", &[&[1, 0x64, 0, 0x1F, 0xFF]]);
        let mut fixed = [0; 78];
        fixed[24..28].copy_from_slice(&[5, 0, 2, 0xD0]);
        boxed(b"avc1", &[&fixed, &avcc])
    };
    let stsd = boxed(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1], &clear_entry]);
    let minf = boxed(b"minf", &[&boxed(b"stbl", &[&stsd])]);
    dash.init = boxed(b"moov", &[&boxed(b"trak", &[&boxed(b"mdia", &[&minf])])]);
    dash.segment = dash.clear.clone();
    let wrong = wrong(&dash.findings());
    let kinds: Vec<_> = wrong.iter().map(|(place, what, _)| (place.as_str(), *what)).collect();
    assert_eq!(kinds, [("init v0", What::Scheme), ("segments of v0", What::Decryption)]);
}

#[test]
fn nothing_to_judge_is_not_good() {
    let dash = Dash::agreeing();
    let entry = Entry::Mpd(mpd::read(&dash.mpd).unwrap());
    let findings = judge(&Evidence { entry, tracks: Vec::new() }, &dash.keys);
    assert_only(&findings, "manifest", What::Syntax, "no media");
}

#[test]
fn a_spoiled_key_id_is_found_in_the_mpd() {
    let mut dash = Dash::agreeing();
    dash.mpd = dash.mpd.replace("default_KID=\"01", "default_KID=\"02");
    assert_only(&dash.findings(), SET, What::KeyId, "no such key is known");
}

#[test]
fn a_spoiled_key_id_is_found_in_tenc_and_nothing_decrypts() {
    let mut dash = Dash::agreeing();
    let at = memchr::memmem::find(&dash.init, &KEY_ID.0).unwrap();
    dash.init[at] ^= 1;
    let wrong = wrong(&dash.findings());
    let kinds: Vec<_> = wrong.iter().map(|(place, what, _)| (place.as_str(), *what)).collect();
    assert_eq!(kinds, [("init v0", What::KeyId), ("segment v0 #0", What::Decryption)]);
}

#[test]
fn a_spoiled_pssh_is_found() {
    let mut dash = Dash::agreeing();
    // The box of cbcs in the MPD: other bytes, and another scheme in them.
    dash.mpd = dash.mpd.replace(WIDEVINE_CENC, WIDEVINE_CBCS);
    let wrong = wrong(&dash.findings());
    let kinds: Vec<_> = wrong.iter().map(|(place, what, _)| (place.as_str(), *what)).collect();
    assert_eq!(kinds, [(SET, What::Pssh), (SET, What::Scheme)]);
    let mut dash = Dash::agreeing();
    dash.init = cenc_init(&STANDARD.decode(WIDEVINE_CBCS).unwrap());
    assert!(!super::tests::wrong(&dash.findings()).is_empty());
}

#[test]
fn a_system_without_an_element_is_missed() {
    let mut dash = Dash::agreeing();
    dash.mpd = dash.mpd.replace("urn:uuid:edef8ba9", "urn:uuid:adef8ba9");
    let wrong = wrong(&dash.findings());
    assert!(wrong.iter().any(|(_, _, reason)| reason == "Widevine has no ContentProtection"));
}

#[test]
fn another_scheme_is_found() {
    let mut dash = Dash::agreeing();
    dash.mpd = dash.mpd.replace("value=\"cenc\"", "value=\"cbcs\"");
    assert_only(&dash.findings(), SET, What::Scheme, "is cenc");
}

#[test]
fn a_wrong_saio_is_found() {
    let mut dash = Dash::agreeing();
    dash.segment = cenc_segment(AUXILIARY_OFFSET - 16);
    let what = What::AuxiliaryInformation;
    assert_only(&dash.findings(), "segment v0 #0", what, "should be [109]");
}

#[test]
fn a_wrong_key_does_not_decrypt() {
    let mut dash = Dash::agreeing();
    dash.keys = key_set(ProtectionScheme::Cenc, &systems(), [7; 16]);
    assert_only(&dash.findings(), "segment v0 #0", What::Decryption, "sample 0");
}

#[test]
fn plausible_pictures_that_are_others_are_found() {
    let mut dash = Dash::agreeing();
    let last = dash.clear.len() - 1;
    dash.clear[last] ^= 1;
    let reason = "sample 0 is not that of clear packaging";
    assert_only(&dash.findings(), "segment v0 #0", What::Decryption, reason);
}

#[test]
fn an_iv_that_two_samples_have_is_found() {
    let dash = Dash::agreeing();
    let mut other = dash.segment.clone();
    *other.last_mut().unwrap() ^= 1;
    let mut ivs = fragments::UsedIvs::default();
    let mut findings = Findings::default();
    // The same sample may come again, as for trick play.
    let segments = [("v0 #0", &dash.segment), ("v0 #2", &dash.segment), ("v0 #1", &other)];
    for (name, segment) in segments {
        let track = Track {
            name: "v0".to_owned(),
            announced: Announced::Set(0),
            inits: vec![("v0".to_owned(), dash.init.clone())],
            segments: vec![Segment {
                name: name.to_owned(),
                init: Some(0),
                number: 0,
                keys: Vec::new(),
                is_listed: false,
                in_clear_lead: false,
                bytes: segment.clone(),
                clear: None,
            }],
        };
        fragments::judge_fragments(&track, &dash.keys, &mut ivs, &mut findings);
    }
    assert_only(&findings, "segment v0 #1", What::Iv, "used twice");
}

#[test]
fn a_server_that_gives_the_key_away_as_iv_is_found() {
    let mut dash = Dash::agreeing();
    let leaking = ContentKey::new(KEY_ID, Zeroizing::new(SECRET), Some(SECRET));
    dash.keys.keys[0].key = Arc::new(leaking);
    assert_only(&dash.findings(), "key set", What::Key, "the key itself");
}

fn lines(tag: &str, method: &str, keys: &[HlsKey]) -> String {
    let line = |key: &HlsKey| {
        let format = key.key_format.as_deref().unwrap();
        let others: Vec<String> =
            key.others.iter().map(|(name, value)| format!(",{name}={value}")).collect();
        let others = others.concat();
        format!(
            "{tag}:METHOD={method},URI=\"{}\",KEYFORMAT=\"{format}\",KEYFORMATVERSIONS=\"1\"{others}\n",
            key.uri
        )
    };
    keys.iter().map(line).collect()
}

/// An HLS presentation with one track.
struct Hls {
    keys: KeySet,
    master: String,
    media: String,
    init: Option<Vec<u8>>,
    segments: Vec<Vec<u8>>,
}

impl Hls {
    fn of(scheme: ProtectionScheme, systems: &[DrmSystem]) -> Self {
        let keys = key_set(scheme, systems, SECRET);
        let all: Vec<HlsKey> =
            keys.keys[0].signalling.iter().flat_map(|s| s.hls_media.clone()).collect();
        let method = scheme.hls_method();
        let session = lines("#EXT-X-SESSION-KEY", method, &all);
        let own = lines("#EXT-X-KEY", method, &all);
        Self {
            master: format!(
                "#EXTM3U\n#EXT-X-VERSION:7\n{session}\
                 #EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=1280x720\nv0.m3u8\n"
            ),
            media: format!(
                "#EXTM3U\n#EXT-X-VERSION:7\n{own}#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:6,\n0.m4s\n"
            ),
            keys,
            init: None,
            segments: Vec::new(),
        }
    }

    fn cbcs() -> Self {
        let pssh = STANDARD.decode(WIDEVINE_CBCS).unwrap();
        let init = init(&hex::decode(SINF).unwrap(), &pssh);
        Self { init: Some(init), ..Self::of(ProtectionScheme::Cbcs, &systems()) }
    }

    fn findings(&self) -> Findings {
        let media = read_media(&self.media).unwrap();
        let segments = self.segments.iter().map(|bytes| Segment {
            name: "v0 #0".to_owned(),
            init: self.init.as_ref().map(|_| 0),
            number: 0,
            keys: media.segments[0].keys.clone(),
            is_listed: true,
            in_clear_lead: false,
            bytes: bytes.clone(),
            clear: None,
        });
        let track = Track {
            name: "v0".to_owned(),
            segments: segments.collect(),
            inits: self.init.iter().map(|init| ("v0".to_owned(), init.clone())).collect(),
            announced: Announced::Playlist(
                media,
                Listed { pixels: Some(1280 * 720), ..Listed::default() },
            ),
        };
        let entry = Entry::Master(read_master(&self.master).unwrap());
        judge(&Evidence { entry, tracks: vec![track] }, &self.keys)
    }
}

#[test]
fn playlists_that_fit_agree() {
    assert_eq!(wrong(&Hls::cbcs().findings()), []);
}

#[test]
fn another_constant_iv_is_found() {
    let mut hls = Hls::cbcs();
    let bytes = hls.init.as_mut().unwrap();
    let at = memchr::memmem::find(bytes, &IV).unwrap();
    bytes[at] ^= 1;
    let reason = "the key's is 101112131415161718191a1b1c1d1e1f";
    assert_only(&hls.findings(), "init v0", What::Iv, reason);
}

#[test]
fn a_missing_session_key_is_found() {
    let mut hls = Hls::cbcs();
    let at = hls.master.find("#EXT-X-SESSION-KEY").unwrap();
    let end = at + hls.master[at..].find('\n').unwrap() + 1;
    hls.master.replace_range(at..end, "");
    let reason = "KEYFORMAT \"urn:uuid:edef8ba9";
    assert_only(&hls.findings(), "master playlist", What::SessionKey, reason);
}

#[test]
fn a_session_key_that_no_playlist_has_is_found() {
    let mut hls = Hls::cbcs();
    let line = "#EXT-X-VERSION:7\n#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI=\"skd://x\"\n";
    hls.master = hls.master.replace("#EXT-X-VERSION:7\n", line);
    let reason = "no media playlist has an EXT-X-KEY with this URI";
    assert_only(&hls.findings(), "master playlist", What::SessionKey, reason);
}

#[test]
fn a_spoiled_playlist_is_found() {
    let spoiled = |from: &str, to: &str| {
        let mut hls = Hls::cbcs();
        assert!(hls.media.contains(from), "{from}");
        hls.media = hls.media.replacen(from, to, 1);
        hls.findings()
    };
    let place = "playlist v0";
    let findings = spoiled("KEYID=0x01", "KEYID=0x02");
    assert_only(&findings, place, What::KeyId, "no such key is known");
    let findings = spoiled("#EXT-X-VERSION:7", "#EXT-X-VERSION:5");
    assert_only(&findings, place, What::Version, "needs 6");
    let iv = "KEYFORMATVERSIONS=\"1\",IV=0x000000000000000000000000000000ff";
    let findings = spoiled("KEYFORMATVERSIONS=\"1\"", iv);
    assert_only(&findings, place, What::Iv, "the key's is 0x1011");
    let wrong = wrong(&spoiled("com.microsoft.playready", "com.example"));
    let reasons: Vec<_> = wrong.iter().map(|(_, _, reason)| reason.as_str()).collect();
    assert!(reasons.contains(&"no system has KEYFORMAT \"com.example\""), "{reasons:?}");
    let absent = "there is no EXT-X-KEY with KEYFORMAT \"com.microsoft.playready\"";
    assert!(reasons.contains(&absent), "{reasons:?}");
}

#[test]
fn another_method_is_found() {
    let mut hls = Hls::cbcs();
    hls.media = hls.media.replace("METHOD=SAMPLE-AES,", "METHOD=SAMPLE-AES-CTR,");
    let wrong = wrong(&hls.findings());
    let of = |place: &str, what| wrong.iter().filter(|w| w.0 == place && w.1 == what).count();
    assert_eq!((of("playlist v0", What::Scheme), of("master playlist", What::SessionKey)), (1, 2));
}

fn sample_aes() -> Hls {
    let mut hls = Hls::of(ProtectionScheme::HlsSampleAes, &[DrmSystem::PlainKey]);
    hls.media = hls.media.replace("#EXT-X-MAP:URI=\"init.mp4\"\n", "");
    // Slices of 48 bytes and less are clear; so are the first 16 of a frame of sound.
    let pictures = [0, 0, 0, 1, 9, 0xF0, 0, 0, 1, 0x65, 0x88, 0x84, 0xFF];
    let sound = [0xFF, 0xF1, 0x4C, 0x80, 1, 0x3F, 0xFC, 0x21, 0x10];
    hls.segments = vec![[tables(), pes(0x102, &pictures), pes(0x101, &sound)].concat()];
    hls
}

#[test]
fn a_transport_stream_that_fits_agrees() {
    let findings = sample_aes().findings();
    assert_eq!(wrong(&findings), []);
    let expected = format!("1 slices, 1 frames, decrypted with {KEY_ID}");
    assert!(findings.all().iter().any(|finding| finding.value == expected));
}

#[test]
fn a_transport_stream_without_its_indicator_is_found() {
    let mut hls = sample_aes();
    let at = memchr::memmem::find(&hls.segments[0], b"zavc").unwrap();
    hls.segments[0][at] = b'x';
    let reason = "no private_data_indicator zavc";
    assert_only(&hls.findings(), "segment v0 #0", What::Decryption, reason);
}

#[test]
fn a_clear_stream_under_a_key_is_found() {
    let mut hls = sample_aes();
    let at = memchr::memmem::find(&hls.segments[0], &[0xDB, 0xE1, 0x02]).unwrap();
    hls.segments[0][at] = 0x1B;
    let reason = "stream_type 0x1b, the playlist says SAMPLE-AES";
    assert_only(&hls.findings(), "segment v0 #0", What::Decryption, reason);
}

#[test]
fn an_encrypted_entry_of_a_segment_that_a_playlist_calls_clear_is_found() {
    let mut hls = Hls::of(ProtectionScheme::Cenc, &systems());
    hls.init = Some(cenc_init(&STANDARD.decode(WIDEVINE_CENC).unwrap()));
    hls.segments = vec![cenc_segment(AUXILIARY_OFFSET)];
    assert_eq!(wrong(&hls.findings()), []);
    let key_at = hls.media.find("#EXT-X-KEY").unwrap();
    hls.media.insert_str(key_at, "#EXTINF:6,\nclear.m4s\n");
    let reason = "the playlist has no key in force";
    assert_only(&hls.findings(), "segment v0 #0", What::Scheme, reason);
}
