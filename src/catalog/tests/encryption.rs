//! Configurations that encrypt: how they are stored, and the content IDs that they need.

use std::collections::BTreeMap;

use super::*;
use crate::model::encryption::{Encryption, KeyProvider, KeyServer, ProtectedText, SpekeVersion};
use crate::model::policy::ContentId;
use crate::model::protection::{DrmSystem, ProtectionScheme, TrackType};

#[tokio::test]
async fn an_encryption_survives_storing() {
    let fixture = fixture().await;
    let record = fixture.catalog.create_configuration(encrypted("e", 6)).await.unwrap();
    assert_eq!(record.configuration.encryption, Some(encryption()));
    let shown = fixture.catalog.configuration(&name("web"), &name("e")).await.unwrap();
    assert_eq!(shown, record);
    // Nothing changed, so nothing is retired.
    let replaced = fixture.catalog.replace_configuration(encrypted("e", 6)).await.unwrap();
    assert_eq!(replaced.revision, 1);
    let mut other = encrypted("e", 6);
    other.configuration.encryption.as_mut().unwrap().clear_lead_segments = 4;
    assert_eq!(fixture.catalog.replace_configuration(other).await.unwrap().revision, 2);
}

#[tokio::test]
async fn of_two_replacements_from_one_state_the_second_is_refused() {
    let fixture = fixture().await;
    let catalog = &fixture.catalog;
    let from = catalog.configuration(&name("web"), &name("dash")).await.unwrap().configuration;
    let replace = async |new| catalog.replace_configuration_from(from.clone(), new).await;
    // One that changes nothing is in nobody's way.
    replace(new_configuration("web", "dash", 6)).await.unwrap();
    assert_eq!(replace(encrypted("dash", 6)).await.unwrap().revision, 2);
    let error = replace(new_configuration("web", "dash", 6)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::FailedPrecondition);
    let shown = catalog.configuration(&name("web"), &name("dash")).await.unwrap();
    assert_eq!((shown.configuration.encryption, shown.revision), (Some(encryption()), 2));
}

#[tokio::test]
async fn assets_beside_encryption_need_a_content_id() {
    let fixture = fixture().await;
    let catalog = &fixture.catalog;
    fixture.group("tv").await;
    catalog.create_configuration(encrypted("e", 6)).await.unwrap();
    let results = catalog.create_assets(vec![with_id("a"), new_asset("web", "b"), with_id("c")]);
    let results = results.await.unwrap();
    let kinds: Vec<_> = results.iter().map(|r| r.as_ref().err().map(Error::kind)).collect();
    assert_eq!(kinds, [None, Some(Kind::FailedPrecondition), None]);
    let error = results[1].as_ref().unwrap_err();
    for word in ["asset b ", "contentId", "configuration e "] {
        assert!(error.message().contains(word), "{error}");
    }
    let take_away = async || {
        let patch = AssetPatch { content_id: Some(None), ..AssetPatch::default() };
        catalog.update_asset(&name("a"), patch).await
    };
    assert_eq!(take_away().await.unwrap_err().kind(), Kind::FailedPrecondition);
    assert!(fixture.show("a").await.content_id.is_some());
    let other = AssetPatch {
        content_id: Some(Some(ContentId::new("other").unwrap())),
        description: Some("d".to_owned()),
    };
    catalog.update_asset(&name("a"), other).await.unwrap();
    // Another group is free, and so is this one once nothing in it encrypts.
    catalog.create_asset(new_asset("tv", "free")).await.unwrap();
    catalog.replace_configuration(new_configuration("web", "e", 6)).await.unwrap();
    take_away().await.unwrap();
    fixture.asset("b").await;
}

#[tokio::test]
async fn encryption_beside_assets_without_content_id_is_refused() {
    let fixture = fixture().await;
    let catalog = &fixture.catalog;
    fixture.asset("b").await;
    fixture.asset("a").await;
    catalog.create_asset(with_id("good")).await.unwrap();
    let error = catalog.create_configuration(encrypted("e", 6)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::FailedPrecondition);
    assert!(error.message().contains("asset a and 1 more without contentId"), "{error}");
    let error = catalog.replace_configuration(encrypted("dash", 6)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::FailedPrecondition);
    let shown = catalog.configuration(&name("web"), &name("dash")).await.unwrap();
    assert_eq!((shown.configuration.encryption, shown.revision), (None, 1));
    catalog.delete_asset(&name("a")).await.unwrap();
    let error = catalog.create_configuration(encrypted("e", 6)).await.unwrap_err();
    assert!(error.message().contains("asset b without contentId"), "{error}");
    catalog.delete_asset(&name("b")).await.unwrap();
    catalog.create_configuration(encrypted("e", 6)).await.unwrap();
    catalog.replace_configuration(encrypted("dash", 6)).await.unwrap();
    // Deleted, they ask for nothing any more.
    for configuration in ["e", "dash"] {
        catalog.delete_configuration(&name("web"), &name(configuration)).await.unwrap();
    }
    fixture.asset("b").await;
}

#[tokio::test]
async fn of_an_asset_and_an_encryption_at_once_one_is_refused() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let fixture = over(SqliteStore::open(&folder.path().join("catalog.sqlite")).await.unwrap());
        fixture.group("web").await;
        let catalog = &fixture.catalog;
        let (asset, configuration) = tokio::join!(
            catalog.create_asset(new_asset("web", "a")),
            catalog.create_configuration(encrypted("e", 6)),
        );
        assert_ne!(asset.is_ok(), configuration.is_ok());
        fixture.store.close().await;
    }
}

fn with_id(asset: &str) -> NewAsset {
    NewAsset { content_id: Some(ContentId::new(asset).unwrap()), ..new_asset("web", asset) }
}

fn encrypted(configuration: &str, seconds: u32) -> NewConfiguration {
    let mut new = new_configuration("web", configuration, seconds);
    new.configuration.encryption = Some(encryption());
    new
}

/// With a value in every field.
fn encryption() -> Encryption {
    let sealed = |text: &str| ProtectedText::Sealed(text.to_owned());
    let reference = |text: &str| ProtectedText::Reference(text.to_owned());
    let server = KeyServer {
        url: sealed("dXJs"),
        shown_url: "https://keys.example.com/…".to_owned(),
        headers: vec![("X-Api-Key".to_owned(), reference("env:PACKORIGIN_SECRET_KEY"))],
        version: SpekeVersion::V2_1,
        track_types: vec![TrackType::Sd, TrackType::Hd, TrackType::Audio],
        basic: Some(("user".to_owned(), sealed("cGFzcw=="))),
        bearer_token: Some(sealed("dG9rZW4=")),
        client_identity: Some((sealed("Y2VydA=="), reference("file:key.pem"))),
        trusted_certificates: Some(sealed("cm9vdA==")),
        key_encryption: Some((sealed("Y2VydA=="), sealed("a2V5"))),
    };
    Encryption {
        scheme: ProtectionScheme::Cbcs,
        systems: vec![DrmSystem::PlayReady, DrmSystem::Widevine],
        keys: KeyProvider::Server(Box::new(server)),
        constant_iv: Some([7; 16]),
        clear_lead_segments: 3,
        license_urls: BTreeMap::from([(DrmSystem::Widevine, "https://l.example/".to_owned())]),
    }
}
