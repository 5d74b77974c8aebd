//! Writing the header of a CMAF segment: `styp`, `moof` and the start of `mdat`.
//!
//! Measures the writer alone, for 6 s of pictures (flags and offsets for each sample) and 6 s of
//! sound (sizes only). Throughput is in bytes of header written.
//!
//! Does not measure the payload: that is in place before the header is written and is not touched.
#![allow(clippy::expect_used, missing_docs, reason = "a bench that cannot start must say so")]

mod reel;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use packorigin::codec::timing::uniform_duration;
use packorigin::model::sample::{FragmentLayout, Sample, SampleProtections};
use packorigin::mp4::fragment::FragmentHeader;

fn fragment(criterion: &mut Criterion) {
    let runtime = reel::runtime();
    let reels = reel::reels(&runtime);
    let Some(reel) = reels.last() else { return };
    let mut group = criterion.benchmark_group("fragment");
    let mut bench = |name: &str, samples: &[Sample], video: bool| {
        let layout = FragmentLayout {
            samples: samples.len() as u32,
            uniform_duration: uniform_duration(samples),
            video,
            protection: None,
            clear_lead: false,
        };
        let header = FragmentHeader {
            layout,
            sequence_number: 1,
            base_decode_time: samples[0].decode_time,
            payload_bytes: samples.iter().map(|sample| sample.size).sum(),
        };
        let protections = SampleProtections::default();
        group.throughput(Throughput::Bytes(layout.header_bytes()));
        group.bench_function(name, |bencher| {
            bencher.iter(|| header.to_bytes(black_box(samples), &protections));
        });
    };
    bench("6 s of pictures", &reel::pictures(reel, 6).samples, true);
    bench("6 s of sound", &reel::sound(reel, 6).samples, false);
    group.finish();
}

criterion_group!(benches, fragment);
criterion_main!(benches);
