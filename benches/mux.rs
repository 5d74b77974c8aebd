//! Writing a transport stream segment of 6 s: tables, PES headers, packets, stuffing, clock.
//!
//! Measures `ts::mux::write_segment` for pictures with sound, from samples that are in memory.
//! Throughput is in bytes of output.
//!
//! Does not measure demuxing. The muxer overwrites the lengths in the payload, so each run gets a
//! copy of it; making the copy is not in the numbers.
#![allow(clippy::expect_used, missing_docs, reason = "a bench that cannot start must say so")]

mod reel;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use packorigin::ts::mux::{AudioInput, VideoInput, write_segment};

fn mux(criterion: &mut Criterion) {
    let runtime = reel::runtime();
    for reel in reel::reels(&runtime) {
        let pictures = reel::pictures(&reel, 6);
        let sound = reel::sound(&reel, 6);
        let runs = [sound.samples.len() as u32];
        let write = |mut payload: Vec<u8>, capacity: usize| {
            let mut out = Vec::with_capacity(capacity);
            let video = VideoInput {
                config: &pictures.config,
                samples: &pictures.samples,
                payload: &mut payload,
                packets_before: 0,
                encrypted: None,
            };
            let audio = AudioInput {
                config: &sound.config,
                timescale: sound.timescale,
                groups: &runs,
                samples: &sound.samples,
                payload: &sound.payload,
                packets_before: 0,
                encrypted: false,
            };
            write_segment(&mut out, 1, Some(video), Some(audio), None);
            // Both are handed back, so that freeing them is not in the numbers either.
            (out, payload)
        };
        // Packaging knows the size from the plan.
        let bytes = write(pictures.payload.clone(), 0).0.len();
        let mut group = criterion.benchmark_group("mux");
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(reel.name, |bencher| {
            let copy = || pictures.payload.clone();
            bencher.iter_batched(copy, |payload| write(payload, bytes), BatchSize::PerIteration);
        });
        group.finish();
    }
}

criterion_group!(benches, mux);
criterion_main!(benches);
