//! What a change or a re-ingest replaced, and its grace time.

use super::*;
use crate::model::policy::ContentId;

/// Segment durations of the settings in a view, those in force with `!`.
fn durations(view: &AssetView) -> Vec<String> {
    let show = |view: &ConfigurationView| {
        let current = if view.retired_at.is_none() { "!" } else { "" };
        format!("{}{current}", view.configuration.segment_duration.seconds())
    };
    view.configurations.iter().map(show).collect()
}

/// The versions of a view, the current one with `!`.
fn versions(view: &AssetView) -> Vec<String> {
    let show = |version: &AssetVersion| {
        let current = if version.retired_at.is_none() { "!" } else { "" };
        format!("{}{current}", version.version)
    };
    view.versions.iter().map(show).collect()
}

#[tokio::test]
async fn replaced_settings_answer_for_the_grace_time() {
    let fixture = fixture().await;
    fixture.asset("bbb").await;
    let replace = async |seconds| {
        fixture.catalog.replace_configuration(new_configuration("web", "dash", seconds)).await
    };
    replace(4).await.unwrap();
    fixture.clock.advance(Duration::hours(1));
    replace(2).await.unwrap();
    assert_eq!(durations(&fixture.view("bbb").await.unwrap()), ["2!", "4", "6"]);
    // One tick before the first of them leaves, and then it leaves without any write.
    fixture.clock.advance(GRACE - Duration::hours(1) - Duration::microseconds(1));
    assert_eq!(durations(&fixture.view("bbb").await.unwrap()), ["2!", "4", "6"]);
    fixture.clock.advance(Duration::microseconds(1));
    assert_eq!(durations(&fixture.view("bbb").await.unwrap()), ["2!", "4"]);
    fixture.clock.advance(Duration::hours(1));
    assert_eq!(durations(&fixture.view("bbb").await.unwrap()), ["2!"]);
}

#[tokio::test]
async fn a_change_of_words_retires_nothing() {
    let fixture = fixture().await;
    fixture.asset("bbb").await;
    let mut same = new_configuration("web", "dash", 6);
    same.description = "for browsers".to_owned();
    let record = fixture.catalog.replace_configuration(same).await.unwrap();
    assert_eq!((record.revision, &*record.description), (1, "for browsers"));
    assert_eq!(durations(&fixture.view("bbb").await.unwrap()), ["6!"]);
}

#[tokio::test]
async fn deleting_a_configuration_ends_its_history() {
    let fixture = fixture().await;
    fixture.asset("bbb").await;
    fixture.catalog.replace_configuration(new_configuration("web", "dash", 4)).await.unwrap();
    fixture.catalog.delete_configuration(&name("web"), &name("dash")).await.unwrap();
    assert_eq!(fixture.view("bbb").await.unwrap().configurations, []);
    // A new one of the same name starts afresh.
    fixture.configuration("web", "dash", 3).await;
    assert_eq!(durations(&fixture.view("bbb").await.unwrap()), ["3!"]);
}

#[tokio::test]
async fn a_replaced_version_answers_for_the_grace_time() {
    let fixture = fixture().await;
    fixture.asset("bbb").await;
    assert_eq!(fixture.view("bbb").await.unwrap().current_version(), None);
    fixture.ingest("v1").await;
    fixture.catalog.reingest(&name("bbb")).await.unwrap();
    fixture.ingest("v2").await;
    fixture.clock.advance(Duration::hours(1));
    fixture.catalog.reingest(&name("bbb")).await.unwrap();
    fixture.ingest("v3").await;
    let view = fixture.view("bbb").await.unwrap();
    assert_eq!(versions(&view), ["v3!", "v2", "v1"]);
    assert_eq!(view.current_version().unwrap().index_key, "index/v3");
    fixture.clock.advance(GRACE - Duration::hours(1));
    assert_eq!(versions(&fixture.view("bbb").await.unwrap()), ["v3!", "v2"]);
}

#[tokio::test]
async fn an_unchanged_or_restored_source_revives_its_version() {
    let fixture = fixture().await;
    fixture.asset("bbb").await;
    fixture.ingest("v1").await;
    for (version, expected) in
        [("v1", &["v1!"][..]), ("v2", &["v2!", "v1"]), ("v1", &["v1!", "v2"])]
    {
        fixture.clock.advance(Duration::minutes(1));
        fixture.catalog.reingest(&name("bbb")).await.unwrap();
        fixture.ingest(version).await;
        assert_eq!(versions(&fixture.view("bbb").await.unwrap()), expected);
    }
}

#[tokio::test]
async fn deleting_an_asset_ends_its_history() {
    let fixture = fixture().await;
    fixture.asset("bbb").await;
    fixture.ingest("v1").await;
    fixture.catalog.reingest(&name("bbb")).await.unwrap();
    fixture.ingest("v2").await;
    fixture.catalog.delete_asset(&name("bbb")).await.unwrap();
    assert_eq!(fixture.view("bbb").await, None);
    fixture.asset("bbb").await;
    assert_eq!(fixture.view("bbb").await.unwrap().versions, []);
}

#[tokio::test]
async fn what_outlived_its_grace_is_purged_at_the_next_change() {
    let fixture = fixture().await;
    fixture.asset("bbb").await;
    fixture.ingest("v1").await;
    fixture.catalog.reingest(&name("bbb")).await.unwrap();
    fixture.ingest("v2").await;
    let replace = async |seconds| {
        let new = new_configuration("web", "dash", seconds);
        fixture.catalog.replace_configuration(new).await.unwrap();
    };
    replace(4).await;
    // The store itself, told that nothing is too old, shows what is still kept.
    let kept = async || {
        let view = fixture.store.asset_view(&name("bbb"), OffsetDateTime::UNIX_EPOCH).await;
        let view = view.unwrap().unwrap();
        (versions(&view).join(" "), durations(&view).join(" "))
    };
    assert_eq!(kept().await, ("v2! v1".to_owned(), "4! 6".to_owned()));
    fixture.clock.advance(GRACE);
    assert_eq!(kept().await, ("v2! v1".to_owned(), "4! 6".to_owned()));
    replace(2).await;
    assert_eq!(kept().await, ("v2!".to_owned(), "2! 4".to_owned()));
}

#[tokio::test]
async fn a_replaced_content_id_answers_for_the_grace_time() {
    let fixture = fixture().await;
    fixture.asset("bbb").await;
    let set = async |id: &str| {
        let content_id = Some(Some(ContentId::new(id).unwrap()));
        let patch = AssetPatch { content_id, ..AssetPatch::default() };
        fixture.catalog.update_asset(&name("bbb"), patch).await.unwrap();
        fixture.clock.advance(Duration::hours(1));
    };
    let retired = async || -> Vec<String> {
        let view = fixture.view("bbb").await.unwrap();
        let ids = view.retired_content_ids.iter();
        ids.map(|retired| retired.content_id.to_string()).collect()
    };
    set("one").await;
    assert!(retired().await.is_empty());
    set("one").await;
    assert!(retired().await.is_empty(), "nothing changed");
    set("two").await;
    set("three").await;
    assert_eq!(retired().await, ["two", "one"]);
    set("two").await;
    assert_eq!(retired().await, ["three", "one"], "in force again");
    fixture.clock.advance(GRACE);
    assert!(retired().await.is_empty());
}
