//! Ingest: playlists and every source segment → index.
//!
//! Measures reading, demuxing, hashing and measuring all renditions, and building the index, on two
//! threads. Throughput is in bytes of all source segments.
//!
//! Does not measure the network, the catalog or the store: the source is a folder in the page
//! cache, and the index is not written.
#![allow(clippy::expect_used, missing_docs, reason = "a bench that cannot start must say so")]

mod reel;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn ingest(criterion: &mut Criterion) {
    let runtime = reel::runtime();
    for reel in reel::reels(&runtime) {
        let mut group = criterion.benchmark_group("ingest");
        group.throughput(Throughput::Bytes(reel.source_bytes()));
        group.bench_function(reel.name, |bencher| {
            bencher.iter(|| {
                let ingest = packorigin::index::ingest(
                    reel.root.clone(),
                    "master.m3u8",
                    reel::LIMITS,
                    |_| (),
                );
                runtime.block_on(ingest).expect("a good source")
            });
        });
        group.finish();
    }
}

criterion_group!(benches, ingest);
criterion_main!(benches);
