//! Creating, showing, changing and deleting.

use super::*;
use crate::model::policy::ContentId;

#[tokio::test]
async fn names_are_unique_in_the_whole_origin() {
    let fixture = fixture().await;
    fixture.group("tv").await;
    fixture.asset("bbb").await;
    let catalog = &fixture.catalog;
    let again = NewGroup { name: name("web"), description: String::new() };
    let errors = [
        catalog.create_group(again).await.unwrap_err(),
        catalog.create_configuration(new_configuration("tv", "dash", 2)).await.unwrap_err(),
        catalog.create_asset(new_asset("tv", "bbb")).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), Kind::AlreadyExists, "{error}");
    }
    assert_eq!(fixture.show("bbb").await.group, name("web"));
    // Letter case counts, and a group, a configuration and an asset may share a name.
    fixture.group("WEB").await;
    fixture.asset("dash").await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let fixture = fixture().await;
    fixture.group("tv").await;
    let catalog = &fixture.catalog;
    let errors = [
        catalog.group(&name("no")).await.unwrap_err(),
        catalog.update_group(&name("no"), GroupPatch::default()).await.unwrap_err(),
        catalog.delete_group(&name("no")).await.unwrap_err(),
        catalog.create_configuration(new_configuration("no", "hls", 6)).await.unwrap_err(),
        catalog.configuration(&name("web"), &name("no")).await.unwrap_err(),
        // It is another group's.
        catalog.configuration(&name("tv"), &name("dash")).await.unwrap_err(),
        catalog.replace_configuration(new_configuration("tv", "dash", 2)).await.unwrap_err(),
        catalog.delete_configuration(&name("tv"), &name("dash")).await.unwrap_err(),
        catalog.configurations(&name("no"), &PageRequest::default()).await.unwrap_err(),
        catalog.create_asset(new_asset("no", "bbb")).await.unwrap_err(),
        catalog.asset(&name("no")).await.unwrap_err(),
        catalog.update_asset(&name("no"), AssetPatch::default()).await.unwrap_err(),
        catalog.delete_asset(&name("no")).await.unwrap_err(),
        catalog.reingest(&name("no")).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), Kind::NotFound, "{error}");
    }
    assert_eq!(fixture.view("no").await, None);
}

#[tokio::test]
async fn a_group_is_deleted_only_when_empty() {
    let fixture = fixture().await;
    fixture.asset("bbb").await;
    let delete = async || fixture.catalog.delete_group(&name("web")).await;
    assert_eq!(delete().await.unwrap_err().kind(), Kind::FailedPrecondition);
    fixture.catalog.delete_asset(&name("bbb")).await.unwrap();
    assert_eq!(delete().await.unwrap_err().kind(), Kind::FailedPrecondition);
    fixture.catalog.delete_configuration(&name("web"), &name("dash")).await.unwrap();
    delete().await.unwrap();
    assert_eq!(delete().await.unwrap_err().kind(), Kind::NotFound);
}

#[tokio::test]
async fn what_a_call_answers_is_what_is_stored() {
    let fixture = fixture().await;
    let group = fixture.group("tv").await;
    assert_eq!(fixture.catalog.group(&name("tv")).await.unwrap(), group);
    let new = NewAsset {
        content_id: Some(ContentId::new("id-1").unwrap()),
        description: "Größe".to_owned(),
        ..new_asset("tv", "bbb")
    };
    let asset = fixture.catalog.create_asset(new).await.unwrap();
    assert_eq!(fixture.show("bbb").await, asset);
    let new = new_configuration("tv", "hls", 2);
    let record = fixture.catalog.create_configuration(new).await.unwrap();
    let shown = async || fixture.catalog.configuration(&name("tv"), &name("hls")).await.unwrap();
    assert_eq!(shown().await, record);
    fixture.clock.advance(Duration::seconds(1));
    let replaced =
        fixture.catalog.replace_configuration(new_configuration("tv", "hls", 3)).await.unwrap();
    assert_eq!(shown().await, replaced);
    assert_eq!((replaced.revision, replaced.created_at), (2, record.created_at));
    assert_eq!(replaced.updated_at, record.updated_at + Duration::seconds(1));
}

#[tokio::test]
async fn patches_change_what_they_name() {
    let fixture = fixture().await;
    let asset = fixture.asset("bbb").await;
    fixture.clock.advance(Duration::seconds(1));
    let id = ContentId::new("id-1").unwrap();
    let patch = async |description: Option<&str>, content_id| {
        let patch = AssetPatch { description: description.map(str::to_owned), content_id };
        fixture.catalog.update_asset(&name("bbb"), patch).await.unwrap()
    };
    let patched = patch(Some("film"), Some(Some(id.clone()))).await;
    assert_eq!((&*patched.description, &patched.content_id), ("film", &Some(id.clone())));
    assert_eq!(patched.updated_at, asset.updated_at + Duration::seconds(1));
    let patched = patch(None, None).await;
    assert_eq!((&*patched.description, &patched.content_id), ("film", &Some(id)));
    let patched = patch(Some(""), Some(None)).await;
    assert_eq!((&*patched.description, &patched.content_id), ("", &None));
    let patch = GroupPatch { description: Some("all of it".to_owned()) };
    let group = fixture.catalog.update_group(&name("web"), patch).await.unwrap();
    assert_eq!(group.description, "all of it");
    assert!(group.updated_at > group.created_at);
}

#[tokio::test]
async fn one_bad_asset_of_many_spoils_no_other() {
    let fixture = fixture().await;
    fixture.asset("b").await;
    let new = ["a", "b", "c", "a"].map(|asset| new_asset("web", asset));
    let results = fixture.catalog.create_assets(new.into()).await.unwrap();
    let kinds: Vec<_> = results.iter().map(|r| r.as_ref().err().map(Error::kind)).collect();
    assert_eq!(kinds, [None, Some(Kind::AlreadyExists), None, Some(Kind::AlreadyExists)]);
    assert_eq!(fixture.show("c").await.status, AssetStatus::Queuing);
    // Each that was created has a job, and only those.
    let mut queued = Vec::new();
    while let Some(job) = fixture.catalog.claim_job("w").await.unwrap() {
        queued.push(job.asset.to_string());
    }
    assert_eq!(queued, ["b", "a", "c"]);
}

#[tokio::test]
async fn a_closed_database_is_unavailable_and_says_so() {
    let fixture = fixture().await;
    fixture.catalog.ping().await.unwrap();
    fixture.store.close().await;
    assert_eq!(fixture.catalog.ping().await.unwrap_err().kind(), Kind::Unavailable);
    let error = fixture.catalog.group(&name("web")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
}
