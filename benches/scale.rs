//! What must not grow: the cost of one segment or one look-up, in small and in large.
//!
//! | bench | from | to |
//! |---|---|---|
//! | `asset/…/segment plan` | 10 minutes | 10 hours: the last segment is looked up and sized |
//! | `asset/…/cold segment` | | the same segment is made, from memory |
//! | `asset/…/load`, `plan`, `mpd` | | the whole index; its throughput in segments is what must not fall |
//! | `catalog/…/view` | 10 assets | 1 million: what playback needs of one, read from the database |
//! | `catalog/…/kept view` | | the same from memory, as most requests have it |
//! | `cache/…/hit`, `miss` | 100 MB | 10 GB: full of segments of 500 KB, so that each miss drops one |
//!
//! Numbers of one bench are to be compared with each other: equal up to noise and to what the
//! processor's caches hold of a larger table is good. Long assets are `testdata/ladder`, played again
//! and again; cached segments share one buffer, so no memory of that size is needed; the catalog of
//! a million is a database of half a gigabyte below `target/`, made anew in half a minute and only
//! where the filter asks for it.
//!
//! Does not measure ingest, HTTP, or memory.
#![allow(clippy::expect_used, missing_docs, reason = "a bench that cannot start must say so")]

mod reel;

use std::cell::LazyCell;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use packorigin::cache::Cache;
use packorigin::catalog::{
    Catalog, CatalogSettings, CatalogStore, NewConfiguration, NewGroup, SqliteStore, SystemClock,
};
use packorigin::dash;
use packorigin::index::format;
use packorigin::model::manifest::RenditionKind;
use packorigin::model::policy::{Name, PackageType};
use packorigin::package::{self, BufferPool, Rendered};
use packorigin::plan::{Packaging, Target};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tempfile::TempDir;

const LENGTHS: [(&str, i64); 3] = [("10 min", 600), ("2 h", 7_200), ("10 h", 36_000)];
const CATALOGS: [(&str, i64); 3] = [("10", 10), ("10 thousand", 10_000), ("1 million", 1_000_000)];
const CACHES: [(&str, u64); 2] = [("100 MB", 100_000_000), ("10 GB", 10_000_000_000)];
const SEGMENT_BYTES: u64 = 500_000;

fn assets(criterion: &mut Criterion) {
    let runtime = reel::runtime();
    let reel = reel::Reel::ladder(&runtime);
    let source = reel::memory::reader(&reel, BufferPool::default());
    let configuration = reel::configuration(PackageType::Dash);
    for (name, seconds) in LENGTHS {
        let presentation = Arc::new(reel.looped_to(seconds));
        let plan = || {
            let packaging = Packaging::new(presentation.clone(), "1", &configuration, None);
            packaging.expect("a plan")
        };
        let packaging = plan();
        let targets = packaging.targets();
        let mut videos = targets.iter().rev().filter_map(|target| match *target {
            Target::Segment { rendition, period, time } => {
                (rendition.kind == RenditionKind::Video).then_some((rendition, period, time))
            }
            _ => None,
        });
        // The last may be short.
        let (rendition, period, time) = videos.nth(1).expect("segments");
        let segment = || packaging.segment(rendition, period, black_box(time)).expect("a plan");

        let mut group = criterion.benchmark_group(format!("scale/asset/{name}"));
        group.throughput(Throughput::Elements(1));
        group.bench_function("segment plan", |bencher| bencher.iter(segment));
        group.bench_function("cold segment", |bencher| {
            bencher.iter(|| {
                let built = runtime.block_on(package::segment(&source, segment()));
                built.expect("a segment")
            });
        });
        group.throughput(Throughput::Elements(targets.len() as u64));
        group.bench_function("plan", |bencher| bencher.iter(plan));
        group.bench_function("mpd", |bencher| {
            bencher.iter(|| dash::mpd(packaging.manifest()).expect("an MPD"));
        });
        let (stored, _) = format::encode(&reel.repeated_to(seconds)).expect("an index");
        group.bench_function("load", |bencher| {
            bencher.iter(|| format::decode(black_box(&stored)).expect("an index"));
        });
        group.finish();
    }
}

fn catalogs(criterion: &mut Criterion) {
    let runtime = reel::runtime();
    for (name, count) in CATALOGS {
        let filled = LazyCell::new(|| runtime.block_on(Filled::new(count)));
        // Neighbours lie on the same page of the database; these do not.
        let names: Vec<Name> = (0..100).map(|number| asset(number * 7_919 % count)).collect();
        let mut group = criterion.benchmark_group(format!("scale/catalog/{name}"));
        group.throughput(Throughput::Elements(1));
        let mut names = names.iter().cycle();
        group.bench_function("view", |bencher| {
            let store = &filled.store;
            bencher.iter(|| {
                let name = names.next().expect("an asset");
                let view = store.asset_view(name, time::OffsetDateTime::UNIX_EPOCH);
                runtime.block_on(view).expect("a view").expect("an asset")
            });
        });
        group.bench_function("kept view", |bencher| {
            let catalog = &filled.catalog;
            bencher.iter(|| {
                let view = catalog.asset_view(names.next().expect("an asset"));
                runtime.block_on(view).expect("a view").expect("an asset")
            });
        });
        group.finish();
    }
}

fn caches(criterion: &mut Criterion) {
    let runtime = reel::runtime();
    let bytes = Bytes::from(vec![0; SEGMENT_BYTES as usize]);
    let key = |number: u64| format!("s.0123456789abcdef0123456789abcdef/v0/0/{number}");
    for (name, capacity) in CACHES {
        let cache = Cache::<String, Rendered>::new("segment", capacity, reel::metrics());
        let build = |number: u64| {
            let (bytes, content_type) = (bytes.clone(), "video/mp4");
            let value = Rendered { bytes, content_type, etag: "etag".into() };
            let built = cache.get_or_build(key(number), || async { Ok(value) });
            runtime.block_on(built).expect("a value")
        };
        let count = capacity / SEGMENT_BYTES;
        (0..count).for_each(|number| drop(build(number)));
        let held: Vec<String> =
            (0..count).map(key).filter(|key| cache.get(key).is_some()).collect();
        let mut group = criterion.benchmark_group(format!("scale/cache/{name}"));
        group.throughput(Throughput::Elements(1));
        let mut at = 0;
        group.bench_function("hit", |bencher| {
            bencher.iter(|| {
                at = (at + 7_919) % held.len();
                cache.get(black_box(&held[at])).expect("a hit")
            });
        });
        let mut number = count;
        group.bench_function("miss", |bencher| {
            bencher.iter(|| {
                number += 1;
                build(number)
            });
        });
        group.finish();
    }
}

fn asset(number: i64) -> Name {
    Name::new(format!("title-{number}")).expect("a name")
}

/// A catalog with so many assets, all of them playable.
struct Filled {
    catalog: Catalog,
    store: Arc<SqliteStore>,
    _folder: TempDir,
}

impl Filled {
    async fn new(assets: i64) -> Self {
        let folder = tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR")));
        let folder = folder.expect("a folder below target");
        let file = folder.path().join("catalog.sqlite");
        let store = SqliteStore::open(&file).await.expect("a database");
        let group = Name::new("bench").expect("a name");
        let now = time::OffsetDateTime::UNIX_EPOCH;
        let new = NewGroup { name: group.clone(), description: String::new() };
        store.create_group(new, now).await.expect("a group");
        for package_type in [PackageType::Hls, PackageType::HlsCmaf, PackageType::Dash] {
            let mut configuration = reel::configuration(package_type);
            let name = package_type.as_str().to_lowercase().replace('_', "-");
            configuration.name = Name::new(name).expect("a name");
            let description = String::new();
            let new = NewConfiguration { group: group.clone(), configuration, description };
            store.create_configuration(new, now).await.expect("a configuration");
        }
        store.close().await;
        insert(&file, assets).await;
        let store = Arc::new(SqliteStore::open(&file).await.expect("a database"));
        let settings = CatalogSettings::default();
        let catalog = Catalog::new(store.clone(), Arc::new(SystemClock), settings);
        Self { catalog, store, _folder: folder }
    }
}

/// Assets straight into the tables: the way through ingest would take hours.
async fn insert(file: &Path, assets: i64) {
    let database = SqlitePool::connect_with(SqliteConnectOptions::new().filename(file));
    let database = database.await.expect("a database");
    let numbers = "WITH RECURSIVE number (n) AS \
                   (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < ?)";
    let time = "'1970-01-01T00:00:00.000000Z'";
    let rows = [
        format!(
            "{numbers} INSERT INTO asset (name, group_name, source, path, content_id, \
             description, status, created_at, updated_at, playable_at) SELECT 'title-' || n, \
             'bench', 'default', 'titles/' || n || '/master.m3u8', 'title-' || n, '', 'PLAYABLE', \
             {time}, {time}, {time} FROM number"
        ),
        format!(
            "{numbers} INSERT INTO asset_version (asset, version, index_key) SELECT 'title-' || n, \
             printf('%032x', n), printf('%032x', n) FROM number"
        ),
    ];
    for sql in rows {
        let insert = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(assets);
        insert.execute(&database).await.expect("rows");
    }
    database.close().await;
}

criterion_group!(benches, assets, catalogs, caches);
criterion_main!(benches);
