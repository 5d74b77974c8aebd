//! Pages, orders and filters.

use super::*;

/// Creates `count` assets at half as many times, with names whose order is not that of creation.
async fn populate(fixture: &Fixture, count: u32) -> Vec<String> {
    let mut names = Vec::new();
    for number in 0..count {
        if number % 2 == 0 {
            fixture.clock.advance(Duration::microseconds(1));
        }
        let asset = format!("a{:03}", (number * 7) % count);
        fixture.asset(&asset).await;
        names.push(asset);
    }
    names
}

/// Reads all pages of a list; between two pages an asset is created.
async fn walk(fixture: &Fixture, order_by: OrderBy, order: Order, size: u32) -> Vec<String> {
    let mut request = PageRequest { size, order_by, order, after: None };
    let mut seen = Vec::new();
    let mut pages = 0;
    loop {
        let page = fixture.catalog.assets(&AssetFilter::default(), &request).await.unwrap();
        assert!(page.items.len() <= size as usize);
        seen.extend(page.items.iter().map(|asset| asset.name.to_string()));
        let Some(next) = page.next else { return seen };
        request.after = Some(next);
        fixture.clock.advance(Duration::microseconds(1));
        let (by, to) = (order_by.as_str(), order.as_str());
        fixture.asset(&format!("new-{by}-{to}-{size}-{pages}")).await;
        pages += 1;
        assert!(pages < 500, "the list does not end");
    }
}

#[tokio::test]
async fn pages_neither_lose_nor_repeat_while_assets_come() {
    for order_by in [OrderBy::CreatedAt, OrderBy::Name] {
        for order in [Order::Ascending, Order::Descending] {
            for size in [7, 40, 119, 120] {
                let fixture = fixture().await;
                let mut expected = populate(&fixture, 120).await;
                let seen = walk(&fixture, order_by, order, size).await;
                let old: Vec<_> = seen.iter().filter(|n| n.starts_with('a')).cloned().collect();
                match order_by {
                    OrderBy::Name => expected.sort(),
                    // Pairs were created at one time each; within a pair the name decides.
                    OrderBy::CreatedAt => expected.chunks_mut(2).for_each(<[_]>::sort),
                }
                if order == Order::Descending {
                    expected.reverse();
                }
                assert_eq!(old, expected, "{order_by:?} {order:?} {size}");
                let mut unique = seen.clone();
                unique.sort();
                unique.dedup();
                assert_eq!(unique.len(), seen.len(), "{order_by:?} {order:?} {size}");
            }
        }
    }
}

#[tokio::test]
async fn a_page_goes_on_though_its_last_item_is_deleted() {
    let fixture = fixture().await;
    for asset in ["a", "b", "c", "d"] {
        fixture.asset(asset).await;
    }
    let mut request = PageRequest { size: 2, ..PageRequest::default() };
    let first = fixture.catalog.assets(&AssetFilter::default(), &request).await.unwrap();
    fixture.catalog.delete_asset(&name("b")).await.unwrap();
    request.after = first.next;
    let second = fixture.catalog.assets(&AssetFilter::default(), &request).await.unwrap();
    let names: Vec<_> = second.items.iter().map(|asset| asset.name.as_str()).collect();
    assert_eq!(names, ["c", "d"]);
    assert_eq!(second.next, None);
}

#[tokio::test]
async fn groups_and_configurations_have_pages_too() {
    let fixture = fixture().await;
    for group in ["b", "a"] {
        fixture.clock.advance(Duration::seconds(1));
        fixture.group(group).await;
        fixture.configuration("web", &format!("in-web-{group}"), 6).await;
        fixture.configuration(group, &format!("in-{group}"), 6).await;
    }
    for (order_by, expected) in
        [(OrderBy::CreatedAt, ["web", "b", "a"]), (OrderBy::Name, ["a", "b", "web"])]
    {
        let mut request = PageRequest { size: 2, order_by, ..PageRequest::default() };
        let first = fixture.catalog.groups(&request).await.unwrap();
        request.after = first.next;
        let second = fixture.catalog.groups(&request).await.unwrap();
        let all = first.items.iter().chain(&second.items);
        assert_eq!(all.map(|group| group.name.as_str()).collect::<Vec<_>>(), expected);
        assert_eq!(second.next, None);
    }
    let mut request = PageRequest { size: 2, order: Order::Descending, ..PageRequest::default() };
    let first = fixture.catalog.configurations(&name("web"), &request).await.unwrap();
    request.after = first.next;
    let second = fixture.catalog.configurations(&name("web"), &request).await.unwrap();
    let all = first.items.iter().chain(&second.items);
    assert_eq!(
        all.map(|record| record.configuration.name.as_str()).collect::<Vec<_>>(),
        ["in-web-a", "in-web-b", "dash"]
    );
}

#[tokio::test]
async fn filters_narrow_and_combine() {
    let fixture = fixture().await;
    fixture.group("tv").await;
    fixture.configuration("tv", "hls", 6).await;
    for (group, asset) in
        [("web", "a_1"), ("web", "ab1"), ("web", "A_2"), ("tv", "a_3"), ("tv", "a_zz")]
    {
        fixture.catalog.create_asset(new_asset(group, asset)).await.unwrap();
    }
    fixture.ingest("v1").await;
    let list = async |filter: AssetFilter| {
        let request = PageRequest { order_by: OrderBy::Name, ..PageRequest::default() };
        let page = fixture.catalog.assets(&filter, &request).await.unwrap();
        page.items.iter().map(|asset| asset.name.to_string()).collect::<Vec<_>>().join(" ")
    };
    let prefix = |text: &str| AssetFilter { prefix: Some(text.to_owned()), ..Default::default() };
    assert_eq!(list(AssetFilter::default()).await, "A_2 a_1 a_3 a_zz ab1");
    // No wildcards, and letter case counts.
    assert_eq!(list(prefix("a_")).await, "a_1 a_3 a_zz");
    assert_eq!(list(prefix("a")).await, "a_1 a_3 a_zz ab1");
    assert_eq!(list(prefix("A")).await, "A_2");
    assert_eq!(list(prefix("ab1")).await, "ab1");
    assert_eq!(list(prefix("")).await, "A_2 a_1 a_3 a_zz ab1");
    for none in ["%", "a%", "_", "a\\", "a*", "ü", "a\0", "ab1x", "\u{7f}"] {
        assert_eq!(list(prefix(none)).await, "", "{none:?}");
    }
    let group = Some(name("web"));
    assert_eq!(list(AssetFilter { group: group.clone(), ..prefix("a_") }).await, "a_1");
    let configuration = Some(name("hls"));
    assert_eq!(list(AssetFilter { configuration, ..Default::default() }).await, "a_3 a_zz");
    let configuration = Some(name("hls"));
    assert_eq!(list(AssetFilter { configuration, group, ..Default::default() }).await, "");
    let unknown = Some(name("no"));
    assert_eq!(list(AssetFilter { configuration: unknown, ..Default::default() }).await, "");
    let status = Some(AssetStatus::Playable);
    assert_eq!(list(AssetFilter { status, ..Default::default() }).await, "a_1");
    let status = Some(AssetStatus::Queuing);
    assert_eq!(list(AssetFilter { status, ..prefix("a") }).await, "a_3 a_zz ab1");
}
