//! What `demo --drm` adds: a key server, encrypted configurations, and how to play them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::demo::{configuration, stream_url};
use crate::error::{Error, Result};
use crate::keys::Vault;
use crate::keys::cpix::key_id;
use crate::keyserver::{self, PlayerKind, PlayerStream, Seed, Settings};
use crate::model::encryption::{Encryption, KeyProvider, KeyServer, SpekeVersion};
use crate::model::policy::{Configuration, ContentId, PackageType};
use crate::model::protection::{DrmSystem, ProtectionScheme, TrackType};

use DrmSystem::{ClearKey, FairPlay, PlainKey, PlayReady, Widevine};

/// An encrypted configuration of the demo.
struct Protected {
    name: &'static str,
    package_type: PackageType,
    scheme: ProtectionScheme,
    systems: &'static [DrmSystem],
    /// Players of the page that can play it, the best first.
    players: &'static [&'static str],
}

const PROTECTED: [Protected; 6] = [
    Protected {
        name: "dash-cenc",
        package_type: PackageType::Dash,
        scheme: ProtectionScheme::Cenc,
        systems: &[Widevine, PlayReady, ClearKey],
        players: &["shaka", "dashjs"],
    },
    Protected {
        name: "dash-cbcs",
        package_type: PackageType::Dash,
        scheme: ProtectionScheme::Cbcs,
        systems: &[Widevine, PlayReady, ClearKey],
        players: &["shaka", "dashjs"],
    },
    Protected {
        name: "cmaf-cbcs",
        package_type: PackageType::HlsCmaf,
        scheme: ProtectionScheme::Cbcs,
        systems: &[Widevine, PlayReady, FairPlay, ClearKey],
        players: &["hlsjs", "shaka"],
    },
    Protected {
        name: "cmaf-cenc",
        package_type: PackageType::HlsCmaf,
        scheme: ProtectionScheme::Cenc,
        systems: &[Widevine, PlayReady, ClearKey],
        players: &["hlsjs", "shaka"],
    },
    Protected {
        name: "hls-sample-aes",
        package_type: PackageType::Hls,
        scheme: ProtectionScheme::HlsSampleAes,
        systems: &[PlainKey],
        // Shaka Player does not decrypt parts of samples in transport streams (its error 4040).
        players: &["hlsjs"],
    },
    Protected {
        name: "hls-aes-128",
        package_type: PackageType::Hls,
        scheme: ProtectionScheme::HlsAes128,
        systems: &[PlainKey],
        players: &["hlsjs", "shaka"],
    },
];

/// The key server of a demo, before it serves.
pub(super) struct DemoKeyServer {
    listener: TcpListener,
    address: SocketAddr,
    seed: Seed,
}

impl DemoKeyServer {
    /// Listens on a free port of this machine.
    pub(super) async fn bind() -> Result<Self> {
        let listener = keyserver::bind(SocketAddr::from(([127, 0, 0, 1], 0)), false).await?;
        let address = listener
            .local_addr()
            .map_err(|error| Error::internal("a listener has no address").caused_by(error))?;
        Ok(Self { listener, address, seed: Seed::new(Seed::DEFAULT) })
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The encrypted configurations, which ask this server for keys.
    pub(super) fn configurations(&self, vault: &Vault) -> Result<Vec<Configuration>> {
        let url = format!("{}/speke", self.url());
        let licences = format!("{}/clearkey", self.url());
        let mut configurations = Vec::new();
        for protected in &PROTECTED {
            let server = KeyServer {
                url: vault.seal(&url)?,
                shown_url: url.clone(),
                headers: Vec::new(),
                version: SpekeVersion::default(),
                track_types: Vec::new(),
                basic: None,
                bearer_token: None,
                client_identity: None,
                trusted_certificates: None,
                key_encryption: None,
            };
            let license_urls = protected
                .systems
                .contains(&ClearKey)
                .then(|| BTreeMap::from([(ClearKey, licences.clone())]));
            let encryption = Encryption {
                scheme: protected.scheme,
                systems: protected.systems.to_vec(),
                keys: KeyProvider::Server(Box::new(server)),
                constant_iv: None,
                clear_lead_segments: 0,
                license_urls: license_urls.unwrap_or_default(),
            };
            let mut made = configuration(protected.name, protected.package_type)?;
            made.encryption = Some(encryption);
            configurations.push(made);
        }
        Ok(configurations)
    }

    /// Settings for players, ready to be copied.
    pub(super) fn guide(&self, content_id: &ContentId) -> String {
        let url = self.url();
        let mut text = format!(
            "The key server answers at {url}: keys for everybody, so for trying only.\n\n  \
             page      {url}/player\n\n  \
             Shaka     DASH      {{ drm: {{ servers: {{ 'org.w3.clearkey': '{url}/clearkey' }} }} }}\n"
        );
        for (scheme, name) in
            [(ProtectionScheme::Cbcs, "cmaf-cbcs"), (ProtectionScheme::Cenc, "cmaf-cenc")]
        {
            // One key for all tracks, which is what these configurations ask for.
            let id = key_id(content_id, TrackType::All, scheme);
            let key = hex::encode(self.seed.key(id).expose());
            let id = id.to_hex();
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "            {name} {{ drm: {{ clearKeys: {{ '{id}': '{key}' }} }} }}"
            );
        }
        text += &format!(
            "  dash.js   player.setProtectionData({{ 'org.w3.clearkey': {{ serverURL: '{url}/clearkey' }} }})\n  \
             hls.js    {{ emeEnabled: true, drmSystems: {{ 'org.w3.clearkey': {{ licenseUrl: '{url}/clearkey' }} }} }}\n\n\
             hls-sample-aes and hls-aes-128 need no settings."
        );
        text
    }

    /// Serves keys, and the page with all configurations of the demo.
    pub(super) async fn serve(
        self,
        base_url: &str,
        configurations: &[Configuration],
        stop: tokio::sync::watch::Receiver<bool>,
    ) {
        let streams = configurations.iter().map(|made| player_stream(base_url, made)).collect();
        let settings = Settings { streams, ..Settings::new(self.seed) };
        keyserver::serve(self.listener, settings, stop).await;
    }
}

fn player_stream(base_url: &str, made: &Configuration) -> PlayerStream {
    let known = PROTECTED.iter().find(|protected| protected.name == made.name.as_str());
    let players = match (known, made.package_type) {
        (Some(protected), _) => protected.players,
        (None, PackageType::Dash) => &["dashjs", "shaka"][..],
        (None, PackageType::Hls | PackageType::HlsCmaf) => &["hlsjs", "shaka"],
    };
    let keys = match &made.encryption {
        None => PlayerKind::Clear,
        Some(encryption) if encryption.systems.contains(&PlainKey) => PlayerKind::PlainKey,
        Some(_) => PlayerKind::ClearKey,
    };
    PlayerStream {
        name: made.name.to_string(),
        url: stream_url(base_url, made),
        keys,
        players: players.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::{Body, to_bytes};
    use tower::ServiceExt;

    use super::*;
    use crate::keys::cpix::{KeyRequest, RequestedKey, derived_iv, request_document};
    use crate::keys::signalling::fits;
    use crate::model::protection::KeyRule;

    #[test]
    fn every_system_goes_with_its_scheme() {
        for protected in &PROTECTED {
            assert!(!protected.players.is_empty());
            for &system in protected.systems {
                assert!(fits(system, protected.scheme), "{}", protected.name);
            }
        }
    }

    #[tokio::test]
    async fn printed_keys_are_the_ones_that_media_is_encrypted_with() {
        let server = DemoKeyServer::bind().await.unwrap();
        let content_id = ContentId::new("sample").unwrap();
        let guide = server.guide(&content_id);
        let id = key_id(&content_id, TrackType::All, ProtectionScheme::Cbcs);
        let asked = KeyRequest {
            content_id,
            scheme: ProtectionScheme::Cbcs,
            version: SpekeVersion::V2,
            systems: vec![Widevine],
            keys: vec![RequestedKey {
                rule: KeyRule { track_type: TrackType::All, maximum: None },
                id,
                iv: Some(derived_iv(id)),
            }],
            recipient_certificate: None,
            wants_hls: true,
            license_urls: BTreeMap::new(),
        };
        let request = http::Request::post("/speke")
            .header("host", "x")
            .header("content-type", "application/xml")
            .header("x-speke-version", "2.0")
            .body(Body::from(request_document(&asked)));
        let router = keyserver::router(Arc::new(Settings::new(server.seed.clone())));
        let answer = router.oneshot(request.unwrap()).await.unwrap();
        let answer = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let set = crate::keys::cpix::read_response(&answer, &asked, None).unwrap();
        let key = hex::encode(set.keys[0].key.expose());
        assert!(guide.contains(&format!("'{}': '{key}'", id.to_hex())), "{guide}");
    }

    #[tokio::test]
    async fn configurations_ask_this_server_and_hide_where() {
        let folder = tempfile::tempdir().unwrap();
        let config = crate::config::Config::load(None, [], &Default::default()).unwrap();
        let vault = Vault::new(&config.secrets, folder.path()).unwrap();
        let server = DemoKeyServer::bind().await.unwrap();
        let made = server.configurations(&vault).unwrap();
        assert_eq!(made.len(), 6);
        for made in &made {
            let encryption = made.encryption.as_ref().unwrap();
            let KeyProvider::Server(asked) = &encryption.keys else { panic!("no key server") };
            let url = vault.open(&asked.url).unwrap();
            assert_eq!(url.as_str(), format!("{}/speke", server.url()));
            let stream = player_stream("http://o", made);
            let is_plain = encryption.systems.contains(&PlainKey);
            assert_eq!(stream.keys == PlayerKind::PlainKey, is_plain);
            assert_eq!(encryption.license_urls.contains_key(&ClearKey), !is_plain);
        }
    }
}
