//! Key servers: where they are, what they are shown, which keys they are asked for.

use http::{HeaderName, HeaderValue};

use super::address::{self, Address};
use super::body::{BasicAuthBody, KeyServerBody, Pairs};
use super::pem;
use super::secret::{SecretText, protect};
use crate::egress::EgressPolicy;
use crate::error::{Error, Result};
use crate::keys::Vault;
use crate::model::encryption::{
    AUDIO_PRESETS, KeyServer, ProtectedText, SpekeVersion, VIDEO_PRESETS,
};
use crate::model::policy::PackageType;
use crate::model::presentation::Medium;
use crate::model::protection::TrackType;

/// Checks and seals the settings of a key server. `stored` is the one that they replace.
pub(super) fn checked(
    body: KeyServerBody,
    package_type: PackageType,
    vault: &Vault,
    egress: &EgressPolicy,
    stored: Option<&KeyServer>,
) -> Result<KeyServer> {
    let url = field("url");
    let address =
        address::read(&url, &body.url, stored.map(|stored| stored.shown_url.as_str()), egress)?;
    // Whoever may write configurations shall not have a stored secret sent to a server of theirs.
    let kept = stored.filter(|stored| address::same_server(&stored.shown_url, &address.shown));
    let version = speke_version(body.speke_version.as_deref())?;
    let track_types = track_types(
        package_type,
        version,
        body.video_preset.as_deref().unwrap_or(SHARED),
        body.audio_preset.as_deref().unwrap_or(SHARED),
    )?;
    let secret = |name: &str, given: &SecretText, kept, check: fn(&str) -> Result<(), String>| {
        protect(vault, &field(name), given, kept, check)
    };
    let optional = |name, given: &Option<SecretText>, kept, check| {
        given.as_ref().map(|given| secret(name, given, kept, check)).transpose()
    };
    let client_identity = match pair(
        ("clientCertificate", &body.client_certificate),
        ("clientKey", &body.client_key),
    )? {
        None => None,
        Some((certificate, key)) => {
            let (kept_certificate, kept_key) =
                halves(kept.and_then(|k| k.client_identity.as_ref()));
            Some((
                secret(
                    "clientCertificate",
                    certificate,
                    kept_certificate,
                    pem::check_certificates,
                )?,
                secret("clientKey", key, kept_key, pem::check_private_key)?,
            ))
        }
    };
    let key_encryption = match &body.content_key_encryption {
        None => None,
        Some(given) => {
            let (kept_certificate, kept_key) = halves(kept.and_then(|k| k.key_encryption.as_ref()));
            let [certificate, key] =
                ["contentKeyEncryption.certificate", "contentKeyEncryption.privateKey"];
            Some((
                secret(certificate, &given.certificate, kept_certificate, pem::check_certificate)?,
                secret(key, &given.private_key, kept_key, pem::check_pkcs8)?,
            ))
        }
    };
    check_one_authorization(&body, &address)?;
    let bearer_token = optional(
        "bearerToken",
        &body.bearer_token,
        kept.and_then(|kept| kept.bearer_token.as_ref()),
        check_token,
    )?;
    let trusted_certificates = optional(
        "trustedCertificates",
        &body.trusted_certificates,
        kept.and_then(|kept| kept.trusted_certificates.as_ref()),
        pem::check_certificates,
    )?;
    Ok(KeyServer {
        url: protect(vault, &url, &address.url, kept.map(|kept| &kept.url), |_| Ok(()))?,
        headers: headers(address.headers, body.headers, vault, kept)?,
        shown_url: address.shown,
        version,
        track_types,
        basic: body.basic_auth.map(|basic| basic_auth(basic, vault, kept)).transpose()?,
        bearer_token,
        client_identity,
        trusted_certificates,
        key_encryption,
    })
}

fn speke_version(given: Option<&str>) -> Result<SpekeVersion> {
    let known = [SpekeVersion::V1, SpekeVersion::V2, SpekeVersion::V2_1];
    match given {
        None => Ok(SpekeVersion::default()),
        Some(text) => known.into_iter().find(|version| version.as_str() == text).ok_or_else(|| {
            refused(
                "spekeVersion",
                format!("must be one of {}", known.map(SpekeVersion::as_str).join(", ")),
            )
        }),
    }
}

/// How the keys of one medium are spread.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Preset {
    Shared,
    Unencrypted,
    Types(&'static [TrackType]),
}

impl Preset {
    fn read(name: &str, text: &str, start: &str, presets: &[&'static [TrackType]]) -> Result<Self> {
        match text {
            SHARED => return Ok(Self::Shared),
            UNENCRYPTED => return Ok(Self::Unencrypted),
            _ => {}
        }
        let numbered = (1..).zip(presets).find(|(number, _)| text == format!("{start}{number}"));
        numbered.map(|(_, types)| Self::Types(types)).ok_or_else(|| {
            let last = presets.len();
            refused(name, format!("must be {SHARED}, {UNENCRYPTED} or {start}1 to {start}{last}"))
        })
    }

    const fn types(self) -> &'static [TrackType] {
        match self {
            Self::Shared | Self::Unencrypted => &[],
            Self::Types(types) => types,
        }
    }
}

/// The types of track that keys are asked for; none is one key for all.
fn track_types(
    package_type: PackageType,
    version: SpekeVersion,
    video: &str,
    audio: &str,
) -> Result<Vec<TrackType>> {
    let video = Preset::read(VIDEO_FIELD, video, VIDEO_START, &VIDEO_PRESETS)?;
    let audio = Preset::read(AUDIO_FIELD, audio, AUDIO_START, &AUDIO_PRESETS)?;
    let split = [(VIDEO_FIELD, video), (AUDIO_FIELD, audio)]
        .into_iter()
        .find(|(_, preset)| *preset != Preset::Shared);
    let Some((split, _)) = split else { return Ok(Vec::new()) };
    if package_type == PackageType::Hls {
        return Err(refused(
            split,
            format!(
                "must be {SHARED} with HLS: pictures and sound share the transport stream, and it \
                 has one key; HLS_CMAF and DASH take other presets"
            ),
        ));
    }
    if version == SpekeVersion::V1 {
        return Err(refused(
            split,
            format!("must be {SHARED} with SPEKE 1.0, which knows one key; set spekeVersion 2.0"),
        ));
    }
    match (video, audio) {
        (Preset::Shared, _) => Err(one_sided(VIDEO_FIELD, AUDIO_FIELD)),
        (_, Preset::Shared) => Err(one_sided(AUDIO_FIELD, VIDEO_FIELD)),
        (Preset::Unencrypted, Preset::Unencrypted) => Err(refused(
            VIDEO_FIELD,
            "and audioPreset are both UNENCRYPTED, which leaves everything clear; leave encryption \
             out if that is meant"
                .to_owned(),
        )),
        _ => Ok([video.types(), audio.types()].concat()),
    }
}

fn one_sided(shared: &str, other: &str) -> Error {
    let wrong = format!(
        "is {SHARED}, which means one key for video and audio, but {other} is not; give both a \
         preset or neither"
    );
    refused(shared, wrong)
}

/// The presets of video and of audio that give these types, for people to read.
pub(super) fn preset_names(types: &[TrackType]) -> [String; 2] {
    let of = |medium| -> Vec<TrackType> {
        types.iter().copied().filter(|of| of.medium() == Some(medium)).collect()
    };
    let name = |own: &[TrackType], start: &str, presets: &[&[TrackType]]| match own {
        [] if types.is_empty() => SHARED.to_owned(),
        [] => UNENCRYPTED.to_owned(),
        own => {
            let numbered = (1..).zip(presets).find(|(_, types)| **types == own);
            numbered.map_or_else(String::new, |(number, _): (u32, _)| format!("{start}{number}"))
        }
    };
    [
        name(&of(Medium::Video), VIDEO_START, &VIDEO_PRESETS),
        name(&of(Medium::Audio), AUDIO_START, &AUDIO_PRESETS),
    ]
}

/// The headers behind the URL and those of `headers`.
fn headers(
    behind_url: Vec<(String, SecretText)>,
    given: Option<Pairs<SecretText>>,
    vault: &Vault,
    kept: Option<&KeyServer>,
) -> Result<Vec<(String, ProtectedText)>> {
    let behind_url = behind_url.into_iter().map(|(name, value)| (field("url"), name, value));
    let given = given.map(|pairs| pairs.0).unwrap_or_default().into_iter();
    let given = given.map(|(name, value)| (field(&format!("headers.{name}")), name, value));
    let mut headers: Vec<(String, ProtectedText)> = Vec::new();
    for (field, name, value) in behind_url.chain(given) {
        check_header_name(&field, &name)?;
        let same = |other: &&(String, ProtectedText)| other.0.eq_ignore_ascii_case(&name);
        if headers.iter().any(|other| same(&other)) {
            let message = format!("{field}: the header {name} is there twice; leave one out");
            return Err(Error::invalid(&field, message));
        }
        let kept = kept.and_then(|kept| kept.headers.iter().find(same)).map(|(_, value)| value);
        let value = protect(vault, &field, &value, kept, check_header_value)?;
        headers.push((name, value));
    }
    if headers.len() > MAX_HEADERS {
        return Err(refused("headers", format!("must be at most {MAX_HEADERS}")));
    }
    // Members of a JSON object have no order, so another one is no change.
    headers.sort_by_cached_key(|(name, _)| name.to_ascii_lowercase());
    Ok(headers)
}

fn check_header_name(field: &str, name: &str) -> Result<()> {
    let wrong = match HeaderName::from_bytes(name.as_bytes()) {
        Err(_) => format!("{field}: the name of a header must be letters, digits and hyphens"),
        Ok(header) if REFUSED_HEADERS.contains(&header.as_str()) => {
            format!("{field}: the header {name} is set by the request itself; leave it out")
        }
        Ok(_) => return Ok(()),
    };
    Err(Error::invalid(field, wrong))
}

fn check_header_value(value: &str) -> Result<(), String> {
    if value.len() > MAX_HEADER_VALUE {
        return Err(format!("must be at most {MAX_HEADER_VALUE} bytes"));
    }
    // Sent as a header, text beyond ASCII is read differently by different servers.
    match HeaderValue::from_str(value) {
        Ok(_) if value.is_ascii() => Ok(()),
        _ => Err("must be ASCII without control characters: it is sent in a header".to_owned()),
    }
}

/// RFC 6750 section 2.1; servers issue tokens of other visible characters too.
fn check_token(value: &str) -> Result<(), String> {
    if value.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("bearer ")) {
        return Err("must be the token alone; the word Bearer is put before it".to_owned());
    }
    if value.bytes().all(|byte| byte.is_ascii_graphic()) {
        check_header_value(value)
    } else {
        Err("must be visible ASCII characters without spaces".to_owned())
    }
}

/// HTTP basic authentication (RFC 7617).
fn basic_auth(
    given: BasicAuthBody,
    vault: &Vault,
    kept: Option<&KeyServer>,
) -> Result<(String, ProtectedText)> {
    let username = given.username;
    if username.contains(':') || username.contains(char::is_control) || username.is_empty() {
        return Err(refused(
            "basicAuth.username",
            "must not be empty and must hold neither colons nor control characters".to_owned(),
        ));
    }
    let kept = kept.and_then(|kept| kept.basic.as_ref()).map(|(_, password)| password);
    let check = |text: &str| {
        if text.contains(char::is_control) {
            return Err("must not hold control characters".to_owned());
        }
        if text.len() > MAX_HEADER_VALUE {
            return Err(format!("must be at most {MAX_HEADER_VALUE} bytes"));
        }
        Ok(())
    };
    let password = protect(vault, &field("basicAuth.password"), &given.password, kept, check)?;
    Ok((username, password))
}

/// Basic authentication, a bearer token and a header of one's own are three ways to write one
/// header.
fn check_one_authorization(body: &KeyServerBody, address: &Address) -> Result<()> {
    if body.basic_auth.is_some() && body.bearer_token.is_some() {
        return Err(refused(
            "bearerToken",
            "and basicAuth both set the header Authorization; leave one out".to_owned(),
        ));
    }
    let given = body.headers.iter().flat_map(|pairs| &pairs.0);
    let mut names = given.chain(&address.headers).map(|(name, _)| name);
    let authorization = names.any(|name| name.eq_ignore_ascii_case("authorization"));
    if authorization && (body.basic_auth.is_some() || body.bearer_token.is_some()) {
        return Err(refused(
            "headers",
            "set Authorization, as basicAuth and bearerToken do; leave one out".to_owned(),
        ));
    }
    Ok(())
}

type Named<'a> = (&'static str, &'a Option<SecretText>);

/// Both or neither.
fn pair<'a>(
    (first_name, first): Named<'a>,
    (second_name, second): Named<'a>,
) -> Result<Option<(&'a SecretText, &'a SecretText)>> {
    match (first, second) {
        (Some(first), Some(second)) => Ok(Some((first, second))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(refused(second_name, format!("is required with {first_name}"))),
        (None, Some(_)) => Err(refused(first_name, format!("is required with {second_name}"))),
    }
}

fn halves<T>(pair: Option<&(T, T)>) -> (Option<&T>, Option<&T>) {
    pair.map(|(first, second)| (first, second)).unzip()
}

fn field(name: &str) -> String {
    format!("encryption.keyServer.{name}")
}

fn refused(name: &str, wrong: String) -> Error {
    let field = field(name);
    Error::invalid(&field, format!("{field} {wrong}"))
}

const SHARED: &str = "SHARED";
const UNENCRYPTED: &str = "UNENCRYPTED";
const VIDEO_FIELD: &str = "videoPreset";
const AUDIO_FIELD: &str = "audioPreset";
const VIDEO_START: &str = "PRESET-VIDEO-";
const AUDIO_START: &str = "PRESET-AUDIO-";
/// What says how a message travels or what it is (RFC 9110 sections 7.6.1, 8 and 10.1.1), and the
/// header that names the dialect.
const REFUSED_HEADERS: [&str; 15] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-speke-version",
];
const MAX_HEADERS: usize = 32;
/// Servers take no more than that of all headers together.
const MAX_HEADER_VALUE: usize = 8192;
