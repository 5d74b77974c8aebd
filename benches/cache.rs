//! The cache of finished segments: what a hit and what a miss cost by themselves.
//!
//! | bench | |
//! |---|---|
//! | `hit/get` | the value is there; one lock, one move to the front, one counted metric |
//! | `hit/get_or_build` | the same through the call that requests make |
//! | `hit/two threads` | two threads hit different keys at once; time for one look-up |
//! | `miss` | a builder task that has its value ready, stored while another value is dropped |
//!
//! Throughput is in bytes of the values handed out. They are handed out by reference count and not
//! copied, so read it as a rate that the cache does not limit, not as bytes moved. HTTP is not
//! measured, and neither is building anything.
#![allow(clippy::expect_used, missing_docs, reason = "a bench that cannot start must say so")]

mod reel;

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use packorigin::cache::Cache;
use packorigin::package::Rendered;

/// Six seconds of 8 Mbit/s.
const SEGMENT_BYTES: usize = 6_000_000;
const SEGMENTS: u64 = 64;

fn cache(criterion: &mut Criterion) {
    let runtime = reel::runtime();
    let capacity = SEGMENTS * 2 * SEGMENT_BYTES as u64;
    let cache = Cache::<String, Rendered>::new("segment", capacity, reel::metrics());
    // One buffer behind all values: the cache counts it for each of them.
    let bytes = Bytes::from(vec![0; SEGMENT_BYTES]);
    let rendered =
        || Rendered { bytes: bytes.clone(), content_type: "video/mp4", etag: "etag".into() };
    let key = |number: u64| format!("s.0123456789abcdef0123456789abcdef/v0/0/{number}");
    let build = |key: String| {
        let value = rendered();
        runtime.block_on(cache.get_or_build(key, || async { Ok(value) })).expect("a value")
    };
    for number in 0..SEGMENTS {
        build(key(number));
    }
    let keys: Vec<String> = (0..SEGMENTS).map(key).collect();

    let mut group = criterion.benchmark_group("cache");
    group.throughput(Throughput::Bytes(SEGMENT_BYTES as u64));
    let mut number = 0;
    group.bench_function("hit/get", |bencher| {
        bencher.iter(|| {
            number = (number + 1) % keys.len();
            cache.get(black_box(&keys[number])).expect("a hit")
        });
    });
    group.bench_function("hit/get_or_build", |bencher| {
        // Inside the runtime, as requests are: entering it is not the cache's.
        bencher.iter_custom(|times| {
            runtime.block_on(async {
                let started = Instant::now();
                for time in 0..times {
                    let key = keys[time as usize % keys.len()].clone();
                    let value = cache.get_or_build(key, || async { unreachable!() }).await;
                    black_box(value.expect("a hit"));
                }
                started.elapsed()
            })
        });
    });
    group.bench_function("hit/two threads", |bencher| {
        bencher.iter_custom(|times| {
            let started = Instant::now();
            std::thread::scope(|scope| {
                for keys in keys.chunks(keys.len() / 2) {
                    let cache = &cache;
                    scope.spawn(move || {
                        for time in 0..times.div_ceil(2) {
                            let key = &keys[time as usize % keys.len()];
                            black_box(cache.get(key).expect("a hit"));
                        }
                    });
                }
            });
            started.elapsed()
        });
    });
    let mut number = SEGMENTS;
    group.bench_function("miss", |bencher| {
        bencher.iter(|| {
            number += 1;
            build(key(number))
        });
    });
    group.finish();
}

criterion_group!(benches, cache);
criterion_main!(benches);
