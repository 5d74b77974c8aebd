//! What players are told about a key where no key server said it.
//!
//! | system | `pssh` | `EXT-X-KEY` |
//! |---|---|---|
//! | Widevine | key ID and scheme | the whole box in a `data:` URI, `KEYID` |
//! | PlayReady | the object | the object in a `data:` URI |
//! | FairPlay | – | `skd://` URI |
//! | Clear Key | W3C Common box | key ID in a `data:` URI, `org.w3.clearkey` (hls.js reads it) |
//! | plain key | – | the key's URL, `identity` |
//!
//! [`own_signalling`] makes all of it; [`completed`] fills the gaps that a key server left, with
//! what the server's own boxes say where there are any. `METHOD` and `IV` are not here: they follow
//! from scheme and key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::playready::{PlayReadyError, playready_object};
use super::pssh::{PsshBox, system};
use super::widevine::WidevineData;
use crate::model::protection::{
    ContentKey, DrmSystem, HlsKey, KeyId, ProtectionScheme, SystemSignalling,
};

/// `KEYFORMAT` of FairPlay Streaming.
pub const FAIRPLAY_KEY_FORMAT: &str = "com.apple.streamingkeydelivery";
/// `KEYFORMAT` of a URL that gives 16 raw bytes (RFC 8216 4.3.2.4).
pub const IDENTITY_KEY_FORMAT: &str = "identity";
const WIDEVINE_KEY_FORMAT: &str = "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed";
const PLAYREADY_KEY_FORMAT: &str = "com.microsoft.playready";
const CLEAR_KEY_FORMAT: &str = "org.w3.clearkey";
/// The one version that each key format has.
const KEY_FORMAT_VERSIONS: &str = "1";

/// Why a system cannot be signalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignallingError {
    /// The system has no way to deliver keys for the scheme.
    #[error("{} does not go with this encryption scheme; choose another system or scheme", .system.name())]
    SystemDoesNotFit {
        /// The system.
        system: DrmSystem,
    },
    /// Nobody said where players find the key.
    #[error(
        "there is no URI for key {key_id} of {}; players cannot find the key without one", .system.name()
    )]
    NoUri {
        /// The system.
        system: DrmSystem,
        /// The key.
        key_id: KeyId,
    },
    /// A URI that cannot stand in a playlist's quoted string (RFC 8216 4.2).
    #[error(
        "the URI for key {key_id} of {} has quotation marks or control characters", .system.name()
    )]
    UnquotableUri {
        /// The system.
        system: DrmSystem,
        /// The key.
        key_id: KeyId,
    },
    /// The PlayReady object cannot be made.
    #[error(transparent)]
    PlayReady(#[from] PlayReadyError),
}

/// Everything about `key` that `system` wants said.
///
/// `uri` is where HLS players find the key: needed for plain keys; FairPlay has
/// `skd://{content_id}/{key ID}` without it; others do not use it. `license_url` goes into the
/// PlayReady object and beside the rest for manifests.
pub fn own_signalling(
    system: DrmSystem,
    key: &ContentKey,
    scheme: ProtectionScheme,
    content_id: &str,
    uri: Option<&str>,
    license_url: Option<&str>,
) -> Result<SystemSignalling, SignallingError> {
    if !fits(system, scheme) {
        return Err(SignallingError::SystemDoesNotFit { system });
    }
    completed(SystemSignalling::of(system), key, scheme, content_id, uri, license_url)
}

/// Fills what `from_server` lacks. Boxes and objects that it has are the ones that its playlist
/// lines are made of; a line for one kind of playlist serves for the other.
pub fn completed(
    from_server: SystemSignalling,
    key: &ContentKey,
    scheme: ProtectionScheme,
    content_id: &str,
    uri: Option<&str>,
    license_url: Option<&str>,
) -> Result<SystemSignalling, SignallingError> {
    let mut all = from_server;
    match all.system {
        DrmSystem::PlayReady => complete_playready(&mut all, key, scheme, license_url)?,
        DrmSystem::Widevine if all.pssh.is_none() => {
            let data = WidevineData::of(key.id, scheme).to_bytes();
            all.pssh = Some(PsshBox::around(system::WIDEVINE, data).to_bytes());
        }
        DrmSystem::ClearKey if all.pssh.is_none() => {
            all.pssh = Some(PsshBox::common(key.id).to_bytes());
        }
        _ => {}
    }
    if all.hls_media.is_empty() {
        all.hls_media = if all.hls_session.is_empty() {
            vec![hls_key(&all, key.id, content_id, uri)?]
        } else {
            all.hls_session.clone()
        };
    }
    if all.hls_session.is_empty() {
        all.hls_session = all.hls_media.clone();
    }
    // Without the attribute it is identity, which sends players for the bare key.
    let format = key_format(all.system);
    for line in all.hls_media.iter_mut().chain(&mut all.hls_session) {
        line.key_format.get_or_insert_with(|| format.to_owned());
    }
    all.license_url = all.license_url.or_else(|| license_url.map(str::to_owned));
    Ok(all)
}

/// `KEYFORMAT` of a system.
const fn key_format(system: DrmSystem) -> &'static str {
    match system {
        DrmSystem::Widevine => WIDEVINE_KEY_FORMAT,
        DrmSystem::PlayReady => PLAYREADY_KEY_FORMAT,
        DrmSystem::FairPlay => FAIRPLAY_KEY_FORMAT,
        DrmSystem::ClearKey => CLEAR_KEY_FORMAT,
        DrmSystem::PlainKey => IDENTITY_KEY_FORMAT,
    }
}

/// Whether `system` can deliver keys for `scheme`.
pub const fn fits(system: DrmSystem, scheme: ProtectionScheme) -> bool {
    use ProtectionScheme::{Cbcs, Cenc, HlsSampleAes};
    match system {
        DrmSystem::Widevine | DrmSystem::PlayReady | DrmSystem::ClearKey => {
            matches!(scheme, Cenc | Cbcs)
        }
        DrmSystem::FairPlay => matches!(scheme, Cbcs | HlsSampleAes),
        DrmSystem::PlainKey => true,
    }
}

/// The box carries the object, so each can be made of the other.
fn complete_playready(
    all: &mut SystemSignalling,
    key: &ContentKey,
    scheme: ProtectionScheme,
    license_url: Option<&str>,
) -> Result<(), SignallingError> {
    let object = match all.playready_object.take() {
        Some(object) => object,
        None => match all.pssh.as_deref().and_then(boxed_object) {
            Some(object) => object,
            None => playready_object(key, scheme, license_url)?,
        },
    };
    if all.pssh.is_none() {
        all.pssh = Some(PsshBox::around(system::PLAYREADY, object.clone()).to_bytes());
    }
    all.playready_object = Some(object);
    Ok(())
}

fn boxed_object(pssh: &[u8]) -> Option<Vec<u8>> {
    let boxes = PsshBox::parse(pssh).ok()?;
    boxes.into_iter().find(|one| one.system_id == system::PLAYREADY).map(|one| one.data)
}

fn hls_key(
    all: &SystemSignalling,
    key_id: KeyId,
    content_id: &str,
    uri: Option<&str>,
) -> Result<HlsKey, SignallingError> {
    let system = all.system;
    let mut others = Vec::new();
    let uri = match system {
        DrmSystem::Widevine => {
            others.push(("KEYID".to_owned(), format!("0x{}", key_id.to_hex())));
            let pssh = all.pssh.as_deref().unwrap_or_default();
            format!("data:text/plain;base64,{}", STANDARD.encode(pssh))
        }
        DrmSystem::PlayReady => {
            let object = STANDARD.encode(all.playready_object.as_deref().unwrap_or_default());
            format!("data:text/plain;charset=UTF-16;base64,{object}")
        }
        DrmSystem::FairPlay => {
            let own = || format!("skd://{content_id}/{key_id}");
            uri.map_or_else(own, str::to_owned)
        }
        DrmSystem::ClearKey => {
            // hls.js takes the first 16 bytes of what the URI holds for the key ID.
            format!("data:application/octet-stream;base64,{}", STANDARD.encode(key_id.0))
        }
        DrmSystem::PlainKey => uri.ok_or(SignallingError::NoUri { system, key_id })?.to_owned(),
    };
    if !quotable(&uri) {
        return Err(SignallingError::UnquotableUri { system, key_id });
    }
    Ok(HlsKey {
        uri,
        key_format: Some(key_format(system).to_owned()),
        key_format_versions: Some(KEY_FORMAT_VERSIONS.to_owned()),
        others,
    })
}

/// Whether a text can stand between quotation marks in a playlist.
pub(super) fn quotable(text: &str) -> bool {
    !text.chars().any(|c| c == '"' || c.is_control())
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::keys::playready::PlayReadyHeader;

    const KEY_ID: KeyId = KeyId(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128.to_be_bytes());
    const SECRET: [u8; 16] = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128.to_be_bytes();

    fn key() -> ContentKey {
        ContentKey::new(KEY_ID, Zeroizing::new(SECRET), None)
    }

    fn own(
        system: DrmSystem,
        scheme: ProtectionScheme,
    ) -> Result<SystemSignalling, SignallingError> {
        own_signalling(system, &key(), scheme, "asset-1", None, None)
    }

    #[test]
    fn widevine_lines_hold_the_box() {
        let all = own(DrmSystem::Widevine, ProtectionScheme::Cbcs).unwrap();
        let expected = HlsKey {
            uri: "data:text/plain;base64,AAAAOHBzc2gAAAAA7e+LqXnWSs6jyCfc1R0h7QAAABgSEAEjRWeJq83v\
                  ASNFZ4mrze9I88aJmwY="
                .into(),
            key_format: Some("urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed".into()),
            key_format_versions: Some("1".into()),
            others: vec![("KEYID".into(), "0x0123456789abcdef0123456789abcdef".into())],
        };
        assert_eq!(all.hls_media, [expected]);
        assert_eq!(all.hls_session, all.hls_media);
        assert_eq!(all.pssh.unwrap().len(), 56);
        assert_eq!(all.content_protection, None);
    }

    #[test]
    fn playready_lines_hold_the_object() {
        let url = Some("https://lic.example/");
        let cenc = ProtectionScheme::Cenc;
        let all = own_signalling(DrmSystem::PlayReady, &key(), cenc, "asset-1", None, url).unwrap();
        let object = all.playready_object.unwrap();
        assert_eq!(PlayReadyHeader::parse(&object).unwrap().algorithms, ["AESCTR"]);
        assert_eq!(PsshBox::parse(&all.pssh.unwrap()).unwrap()[0].data, object);
        let line = &all.hls_media[0];
        let encoded = line.uri.strip_prefix("data:text/plain;charset=UTF-16;base64,").unwrap();
        assert_eq!(STANDARD.decode(encoded).unwrap(), object);
        assert_eq!(line.key_format.as_deref(), Some("com.microsoft.playready"));
        assert_eq!(all.license_url.as_deref(), url);
    }

    #[test]
    fn fairplay_has_a_uri_of_its_own_or_the_given_one() {
        let all = own(DrmSystem::FairPlay, ProtectionScheme::HlsSampleAes).unwrap();
        let line = &all.hls_media[0];
        assert_eq!(line.uri, "skd://asset-1/01234567-89ab-cdef-0123-456789abcdef");
        assert_eq!(line.key_format.as_deref(), Some("com.apple.streamingkeydelivery"));
        assert_eq!((all.pssh, line.others.len()), (None, 0));
        let given = Some("skd://elsewhere");
        let cbcs = ProtectionScheme::Cbcs;
        let all =
            own_signalling(DrmSystem::FairPlay, &key(), cbcs, "asset-1", given, None).unwrap();
        assert_eq!(all.hls_media[0].uri, "skd://elsewhere");
    }

    #[test]
    fn clear_key_lines_hold_the_key_id() {
        let all = own(DrmSystem::ClearKey, ProtectionScheme::Cenc).unwrap();
        assert_eq!(all.pssh, Some(PsshBox::common(KEY_ID).to_bytes()));
        let line = &all.hls_media[0];
        assert_eq!(line.uri, "data:application/octet-stream;base64,ASNFZ4mrze8BI0VniavN7w==");
        assert_eq!(line.key_format.as_deref(), Some("org.w3.clearkey"));
    }

    #[test]
    fn plain_keys_need_a_uri_that_can_be_quoted() {
        let system = DrmSystem::PlainKey;
        let of =
            |uri| own_signalling(system, &key(), ProtectionScheme::HlsAes128, "asset-1", uri, None);
        let all = of(Some("https://keys.example/1")).unwrap();
        assert_eq!(all.hls_media[0].uri, "https://keys.example/1");
        assert_eq!(all.hls_media[0].key_format.as_deref(), Some("identity"));
        assert_eq!(of(None), Err(SignallingError::NoUri { system, key_id: KEY_ID }));
        for bad in ["https://x/\"", "https://x/\n#EXTINF"] {
            let expected = SignallingError::UnquotableUri { system, key_id: KEY_ID };
            assert_eq!(of(Some(bad)), Err(expected));
        }
    }

    #[test]
    fn systems_go_with_some_schemes_only() {
        use ProtectionScheme::{Cbcs, Cenc, HlsAes128, HlsSampleAes};
        let fitting = |system| -> Vec<_> {
            let all = [Cenc, Cbcs, HlsAes128, HlsSampleAes];
            all.into_iter().filter(|&scheme| fits(system, scheme)).collect()
        };
        for system in [DrmSystem::Widevine, DrmSystem::PlayReady, DrmSystem::ClearKey] {
            assert_eq!(fitting(system), [Cenc, Cbcs]);
        }
        assert_eq!(fitting(DrmSystem::FairPlay), [Cbcs, HlsSampleAes]);
        let error = own(DrmSystem::FairPlay, Cenc).unwrap_err();
        assert!(error.to_string().starts_with("FairPlay does not go with"), "{error}");
    }

    #[test]
    fn what_the_server_said_is_kept_and_built_upon() {
        let mut said = own(DrmSystem::Widevine, ProtectionScheme::Cbcs).unwrap();
        let data = WidevineData { provider: Some("them".into()), ..WidevineData::default() };
        let theirs = PsshBox::around(system::WIDEVINE, data.to_bytes()).to_bytes();
        said.pssh = Some(theirs.clone());
        said.hls_media.clear();
        said.hls_session.clear();
        let all = completed(said, &key(), ProtectionScheme::Cbcs, "asset-1", None, None).unwrap();
        assert!(all.hls_media[0].uri.ends_with(&STANDARD.encode(&theirs)));
        assert_eq!(all.pssh, Some(theirs));
    }

    #[test]
    fn playready_boxes_and_objects_are_made_of_each_other() {
        let ours = own(DrmSystem::PlayReady, ProtectionScheme::Cbcs).unwrap();
        let other_url = Some("https://lic.example/");
        for without in ["box", "object"] {
            let mut said = ours.clone();
            match without {
                "box" => said.pssh = None,
                _ => said.playready_object = None,
            }
            let all = completed(said, &key(), ProtectionScheme::Cbcs, "asset-1", None, other_url);
            let all = SystemSignalling { license_url: None, ..all.unwrap() };
            assert_eq!(all, ours, "{without}");
        }
    }

    #[test]
    fn a_line_serves_both_playlists() {
        let mut said = own(DrmSystem::FairPlay, ProtectionScheme::Cbcs).unwrap();
        said.hls_session[0].uri = "skd://session".into();
        said.hls_media.clear();
        let all = completed(said, &key(), ProtectionScheme::Cbcs, "asset-1", None, None).unwrap();
        assert_eq!(all.hls_media[0].uri, "skd://session");
    }

    #[test]
    fn a_line_without_key_format_gets_that_of_its_system() {
        let own = |system| {
            let key = key();
            own_signalling(system, &key, ProtectionScheme::Cbcs, "asset-1", None, None).unwrap()
        };
        for system in [DrmSystem::Widevine, DrmSystem::PlayReady, DrmSystem::FairPlay] {
            let whole = own(system);
            let mut said = whole.clone();
            said.hls_media[0].key_format = None;
            said.hls_session[0].key_format = None;
            let scheme = ProtectionScheme::Cbcs;
            assert_eq!(completed(said, &key(), scheme, "asset-1", None, None).unwrap(), whole);
        }
    }
}
