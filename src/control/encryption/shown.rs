//! Encryption settings as answers show them: without secrets.

use super::body::{
    BasicAuthBody, ContentKeyEncryptionBody, EncryptionBody, KeyServerBody, Pairs, StaticKeyBody,
};
use super::secret::SecretText;
use super::server::preset_names;
use crate::model::encryption::{
    Encryption, KeyProvider, KeyServer, ProtectedText, SpekeVersion, StaticKey,
};
use crate::model::protection::{DrmSystem, ProtectionScheme};

impl From<&Encryption> for EncryptionBody {
    fn from(encryption: &Encryption) -> Self {
        let (key_server, static_keys) = match &encryption.keys {
            KeyProvider::Server(server) => (Some(KeyServerBody::from(&**server)), None),
            KeyProvider::Static(keys) => (None, Some(keys.iter().map(Into::into).collect())),
        };
        let system_id = |system: &DrmSystem| match (system, &encryption.keys) {
            (DrmSystem::PlainKey, KeyProvider::Server(server))
                if server.version == SpekeVersion::V1 =>
            {
                let [of_speke_1, _] = DrmSystem::PLAIN_KEY_SYSTEM_IDS;
                of_speke_1.to_owned()
            }
            _ => system.system_id().to_owned(),
        };
        let (scheme, method) = match encryption.scheme {
            ProtectionScheme::Cenc => (Some("cenc"), None),
            ProtectionScheme::Cbcs => (Some("cbcs"), None),
            ProtectionScheme::HlsAes128 => (None, Some("AES_128")),
            ProtectionScheme::HlsSampleAes => (None, Some("SAMPLE_AES")),
        };
        let license_urls: Vec<_> =
            encryption.license_urls.iter().map(|(of, url)| (system_id(of), url.clone())).collect();
        Self {
            system_ids: encryption.systems.iter().map(system_id).collect(),
            key_server,
            static_keys,
            scheme: scheme.map(str::to_owned),
            method: method.map(str::to_owned),
            constant_initialization_vector: encryption.constant_iv.map(hex::encode),
            clear_lead_segments: Some(encryption.clear_lead_segments.into()),
            license_urls: (!license_urls.is_empty()).then_some(Pairs(license_urls)),
        }
    }
}

impl From<&KeyServer> for KeyServerBody {
    fn from(server: &KeyServer) -> Self {
        let [video_preset, audio_preset] = preset_names(&server.track_types);
        let shown = |secret: &ProtectedText| SecretText::shown(secret);
        let (client_certificate, client_key) =
            server.client_identity.as_ref().map(|(chain, key)| (shown(chain), shown(key))).unzip();
        let headers: Vec<_> =
            server.headers.iter().map(|(name, value)| (name.clone(), shown(value))).collect();
        Self {
            url: SecretText::new(server.shown_url.as_str()),
            headers: (!headers.is_empty()).then_some(Pairs(headers)),
            speke_version: Some(server.version.as_str().to_owned()),
            video_preset: Some(video_preset),
            audio_preset: Some(audio_preset),
            basic_auth: server.basic.as_ref().map(|(username, password)| BasicAuthBody {
                username: username.clone(),
                password: shown(password),
            }),
            bearer_token: server.bearer_token.as_ref().map(shown),
            client_certificate,
            client_key,
            trusted_certificates: server.trusted_certificates.as_ref().map(shown),
            content_key_encryption: server.key_encryption.as_ref().map(|(certificate, key)| {
                ContentKeyEncryptionBody {
                    certificate: shown(certificate),
                    private_key: shown(key),
                }
            }),
        }
    }
}

impl From<&StaticKey> for StaticKeyBody {
    fn from(key: &StaticKey) -> Self {
        Self {
            track_type: key.track_type.as_str().to_owned(),
            key_id: key.key_id.to_string(),
            key: SecretText::shown(&key.key),
            iv: key.iv.map(hex::encode),
            uri: key.uri.clone(),
        }
    }
}
