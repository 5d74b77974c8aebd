//! DRM systems, and what they go together with: package types, schemes, licence URLs.

use std::collections::BTreeMap;

use url::Url;

use super::body::Pairs;
use crate::error::{Error, Result};
use crate::model::policy::PackageType;
use crate::model::protection::{DrmSystem, ProtectionScheme};

/// Reads system IDs: at least one, none twice.
pub(super) fn read(ids: &[String]) -> Result<Vec<DrmSystem>> {
    let mut systems = Vec::with_capacity(ids.len());
    for (index, id) in ids.iter().enumerate() {
        let field = format!("{SYSTEM_IDS}[{index}]");
        let system = read_id(&field, id)?;
        if systems.contains(&system) {
            let message = format!("{field} names {} a second time; leave it out", system.name());
            return Err(Error::invalid(&field, message));
        }
        systems.push(system);
    }
    if systems.is_empty() {
        let message = format!("{SYSTEM_IDS} must name at least one DRM system");
        return Err(Error::invalid(SYSTEM_IDS, message));
    }
    Ok(systems)
}

fn read_id(field: &str, id: &str) -> Result<DrmSystem> {
    if let Some(system) = DrmSystem::from_system_id(id) {
        return Ok(system);
    }
    let message = match one_digit_short(id) {
        Some((system, whole)) => format!(
            "{field} {id:?} is one digit short; the system ID of {} is {whole}",
            system.name()
        ),
        None => {
            let known = DrmSystem::ALL.map(|system| {
                let (name, id) = (system.name(), system.system_id());
                format!("{name} {id}")
            });
            format!(
                "{field} {id:?} is no system ID that is known here; there are {}",
                known.join(", ")
            )
        }
    };
    Err(Error::invalid(field, message))
}

/// The system whose ID this is but for one character that was lost. A Widevine ID of 35
/// characters goes round in documents.
fn one_digit_short(id: &str) -> Option<(DrmSystem, &'static str)> {
    let id = id.to_ascii_lowercase();
    let lost_one = |whole: &str| {
        whole.len() == id.len() + 1
            && (0..whole.len()).any(|at| {
                whole
                    .get(..at)
                    .zip(whole.get(at + 1..))
                    .is_some_and(|(before, after)| id.strip_prefix(before) == Some(after))
            })
    };
    let all = DrmSystem::ALL.map(|system| (system, system.system_id()));
    let plain = DrmSystem::PLAIN_KEY_SYSTEM_IDS.map(|id| (DrmSystem::PlainKey, id));
    all.into_iter().chain(plain).find(|(_, whole)| lost_one(whole))
}

/// Refuses systems that players of a package type do not have.
pub(super) fn check_package(package_type: PackageType, systems: &[DrmSystem]) -> Result<()> {
    for (index, &system) in systems.iter().enumerate() {
        let reason = match (package_type, system) {
            (_, DrmSystem::ClearKey)
            | (PackageType::Hls, DrmSystem::FairPlay | DrmSystem::PlainKey)
            | (PackageType::Dash, DrmSystem::Widevine | DrmSystem::PlayReady)
            | (
                PackageType::HlsCmaf,
                DrmSystem::Widevine | DrmSystem::PlayReady | DrmSystem::FairPlay,
            ) => continue,
            (PackageType::Dash, DrmSystem::FairPlay) => {
                "no player of DASH has it; a configuration with packageType HLS_CMAF offers it"
            }
            (PackageType::Dash | PackageType::HlsCmaf, DrmSystem::PlainKey) => {
                "plain keys are for transport streams; use packageType HLS, or a DRM system"
            }
            (PackageType::Hls, DrmSystem::Widevine | DrmSystem::PlayReady) => {
                "it does not decrypt transport streams; use packageType HLS_CMAF or DASH for it"
            }
        };
        let field = format!("{SYSTEM_IDS}[{index}]");
        let (name, package_type) = (system.name(), package_type.as_str());
        let message = format!("{field}: {name} does not go with {package_type}: {reason}");
        return Err(Error::invalid(&field, message));
    }
    if package_type == PackageType::Hls {
        let of_streams = |system: &&DrmSystem| **system != DrmSystem::ClearKey;
        if systems.iter().filter(of_streams).count() != 1 {
            let message = format!(
                "{SYSTEM_IDS} must name exactly one of FairPlay and a plain key for HLS: a \
                 transport stream is encrypted in one way, and ClearKey alone has no player there"
            );
            return Err(Error::invalid(SYSTEM_IDS, message));
        }
    }
    Ok(())
}

/// Refuses systems of which a key server is told nothing: no provider has Clear Key, and a request
/// that names no system is refused there.
pub(super) fn check_asked(systems: &[DrmSystem]) -> Result<()> {
    if systems.iter().any(|system| *system != DrmSystem::ClearKey) {
        return Ok(());
    }
    let message = format!(
        "{SYSTEM_IDS} must name a system beside ClearKey with keyServer: key servers are not asked \
         for ClearKey, and refuse a request without any system; name one, or use staticKeys"
    );
    Err(Error::invalid(SYSTEM_IDS, message))
}

/// What is done to the media, as `scheme` or `method` says or as goes with the systems.
pub(super) fn choose_scheme(
    package_type: PackageType,
    systems: &[DrmSystem],
    scheme: Option<&str>,
    method: Option<&str>,
) -> Result<ProtectionScheme> {
    if package_type == PackageType::Hls {
        if scheme.is_some() {
            let message = format!(
                "{SCHEME} does not go with HLS: transport streams know no common encryption; give \
                 method, AES_128 or SAMPLE_AES"
            );
            return Err(Error::invalid(SCHEME, message));
        }
        return choose_method(systems, method);
    }
    if method.is_some() {
        let message = format!(
            "{METHOD} is for HLS alone; give scheme, cenc or cbcs, for {}",
            package_type.as_str()
        );
        return Err(Error::invalid(METHOD, message));
    }
    match (scheme, package_type) {
        (None, PackageType::HlsCmaf) | (Some("cbcs"), _) => Ok(ProtectionScheme::Cbcs),
        (Some("cenc"), _) if systems.contains(&DrmSystem::FairPlay) => {
            let message = format!(
                "{SCHEME} must be cbcs with FairPlay, which knows no other; leave FairPlay out or \
                 give it a configuration of its own"
            );
            Err(Error::invalid(SCHEME, message))
        }
        (None | Some("cenc"), _) => Ok(ProtectionScheme::Cenc),
        (Some(_), _) => Err(Error::invalid(SCHEME, format!("{SCHEME} must be one of cenc, cbcs"))),
    }
}

fn choose_method(systems: &[DrmSystem], method: Option<&str>) -> Result<ProtectionScheme> {
    let fairplay = systems.contains(&DrmSystem::FairPlay);
    match method {
        None if fairplay => Ok(ProtectionScheme::HlsSampleAes),
        None => Ok(ProtectionScheme::HlsAes128),
        Some("SAMPLE_AES") => Ok(ProtectionScheme::HlsSampleAes),
        Some("AES_128") if fairplay => {
            let message = format!(
                "{METHOD} must be SAMPLE_AES with FairPlay, which does not decrypt whole segments"
            );
            Err(Error::invalid(METHOD, message))
        }
        Some("AES_128") => Ok(ProtectionScheme::HlsAes128),
        Some(_) => {
            let message = format!("{METHOD} must be one of AES_128, SAMPLE_AES");
            Err(Error::invalid(METHOD, message))
        }
    }
}

/// Licence URLs by system. They stand in manifests, so they are no secrets.
pub(super) fn license_urls(
    pairs: Pairs<String>,
    systems: &[DrmSystem],
) -> Result<BTreeMap<DrmSystem, String>> {
    let mut urls = BTreeMap::new();
    for (id, url) in pairs.0 {
        let field = format!("encryption.licenseUrls.{id}");
        let refused = |wrong: &str| Err(Error::invalid(&field, format!("{field} {wrong}")));
        let system = read_id(&field, &id)?;
        if !systems.contains(&system) {
            return refused("is of a system that systemIds does not name; add it there");
        }
        if system == DrmSystem::PlainKey {
            return refused("has no use: plain keys come without licence");
        }
        if !is_web_url(&url) {
            return refused(
                "must be a URL that begins with https:// or http://, without user name: players \
                 read it in manifests",
            );
        }
        if urls.insert(system, url).is_some() {
            return refused("is there twice; leave one out");
        }
    }
    Ok(urls)
}

/// A URL as it may stand in a manifest: whole, of the web, with nothing that ends an attribute.
pub(super) fn is_web_url(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>".contains(&byte));
    let sound = |url: Url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
    };
    plain && text.len() <= MAX_URL && Url::parse(text).is_ok_and(sound)
}

const SYSTEM_IDS: &str = "encryption.systemIds";
const SCHEME: &str = "encryption.scheme";
const METHOD: &str = "encryption.method";
/// Manifests repeat it.
pub(super) const MAX_URL: usize = 2048;
