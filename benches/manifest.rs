//! Manifests of an asset of two hours in three renditions: index → plan → text.
//!
//! | bench | measures | bytes in the throughput |
//! |---|---|---|
//! | `load` | a stored index is checked and its directory is read | the stored index |
//! | `unpack` | the same, and all groups are unpacked | the stored index |
//! | `plan` | everything is decided for one configuration; once for each asset, version and configuration | the index in memory is not counted; the text that is printed from it is |
//! | `print` | entry manifest, and for HLS one media playlist | the text |
//! | `segment plan` | one segment is looked up and sized, as each segment request does | none: a look-up |
//!
//! The two hours are the groups of `testdata/ladder`, repeated: 3600 GOPs a rendition. Does not
//! measure HTTP, compression of answers, or any cache.
#![allow(clippy::expect_used, missing_docs, reason = "a bench that cannot start must say so")]

mod reel;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use packorigin::index::format;
use packorigin::model::manifest::Manifest;
use packorigin::model::policy::PackageType;
use packorigin::plan::{Packaging, Target};
use packorigin::{dash, hls};

const TWO_HOURS: i64 = 7_200;

fn manifest(criterion: &mut Criterion) {
    let runtime = reel::runtime();
    let reels = reel::reels(&runtime);
    let Some(reel) = reels.first() else { return };
    let presentation = Arc::new(reel.repeated_to(TWO_HOURS));

    let mut group = criterion.benchmark_group("manifest");
    let (stored, _) = format::encode(&presentation).expect("an index");
    group.throughput(Throughput::Bytes(stored.len() as u64));
    group.bench_function("load", |bencher| {
        bencher.iter(|| format::decode(black_box(&stored)).expect("an index"));
    });
    group.bench_function("unpack", |bencher| {
        bencher.iter(|| {
            let presentation = format::decode(black_box(&stored)).expect("an index");
            let periods = presentation.streams.iter().flat_map(|stream| &stream.periods);
            let tracks = periods.flat_map(|period| [&period.video, &period.audio]).flatten();
            tracks.map(|track| track.groups.iter().count()).sum::<usize>()
        });
    });
    for package_type in [PackageType::Hls, PackageType::HlsCmaf, PackageType::Dash] {
        let configuration = reel::configuration(package_type);
        let plan = || {
            let packaging = Packaging::new(presentation.clone(), "1", &configuration, None);
            packaging.expect("a plan")
        };
        let packaging = plan();
        let name = package_type.as_str();
        let text = print(packaging.manifest(), package_type);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(format!("plan/{name}"), |bencher| bencher.iter(plan));
        group.bench_function(format!("print/{name}"), |bencher| {
            bencher.iter(|| print(black_box(packaging.manifest()), package_type));
        });
    }
    group.finish();

    let packaging =
        Packaging::new(presentation.clone(), "1", &reel::configuration(PackageType::Hls), None);
    let packaging = packaging.expect("a plan");
    let Some(Target::Segment { rendition, period, time }) = packaging.targets().pop() else {
        return;
    };
    let mut group = criterion.benchmark_group("manifest");
    group.throughput(Throughput::Elements(1));
    group.bench_function("segment plan/last of HLS", |bencher| {
        bencher.iter(|| packaging.segment(rendition, period, black_box(time)).expect("a plan"));
    });
    group.finish();
}

/// What one player asks for before its first segment.
fn print(manifest: &Manifest, package_type: PackageType) -> String {
    if package_type == PackageType::Dash {
        return dash::mpd(manifest).expect("an MPD");
    }
    let mut text = hls::write::master_playlist(manifest);
    let first = manifest.offers.first().expect("an offer");
    text.push_str(&hls::write::media_playlist(manifest, first.main).expect("a playlist"));
    text
}

criterion_group!(benches, manifest);
criterion_main!(benches);
