//! Demuxing: transport packets of one rendition → samples in a buffer.
//!
//! Measures finding packets, following PES packets and framing, for pictures (start codes become
//! lengths), for sound (ADTS headers go) and for both in two passes, which is what a TS segment
//! costs: packaging takes one PID at a time. `packets` is the floor below all of them: headers are
//! parsed and nothing else. Throughput is in bytes of the source, all PIDs.
//!
//! Does not measure reading the source, placing samples in time, or parsing parameter sets. The
//! output buffer is new each time, so growing it is in the numbers.
#![allow(clippy::expect_used, missing_docs, reason = "a bench that cannot start must say so")]

mod reel;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use packorigin::codec::{h264, sound};
use packorigin::model::codec::StreamSyntax;
use packorigin::model::presentation::Medium;
use packorigin::ts::packet::{Packet, PacketReader};

fn demux(criterion: &mut Criterion) {
    let runtime = reel::runtime();
    for reel in reel::reels(&runtime) {
        let stream = reel.transport_stream();
        let (video, audio) = (reel.track(Medium::Video).pid, reel.track(Medium::Audio).pid);
        let mut group = criterion.benchmark_group(format!("demux/{}", reel.name));
        group.throughput(Throughput::Bytes(stream.len() as u64));
        group.bench_function("packets", |bencher| {
            bencher.iter(|| {
                let mut payload_bytes = 0;
                PacketReader::default().push(&stream, |_, bytes| {
                    let packet = Packet::parse(bytes).ok();
                    payload_bytes += packet.and_then(|p| p.payload).map_or(0, <[u8]>::len);
                });
                black_box(payload_bytes)
            });
        });
        let pictures = || {
            let mut framer = h264::Framer::new(Vec::new());
            reel::demux(black_box(&stream), video, &mut framer);
            framer.into_parts()
        };
        let sound = || {
            let mut framer =
                sound::Framer::new(StreamSyntax::Adts, Vec::new()).expect("ADTS is sound");
            reel::demux(black_box(&stream), audio, &mut framer);
            framer.into_parts()
        };
        group.bench_function("pictures", |bencher| bencher.iter(pictures));
        group.bench_function("sound", |bencher| bencher.iter(sound));
        group.bench_function("both", |bencher| bencher.iter(|| (pictures(), sound())));
        group.finish();
    }
}

criterion_group!(benches, demux);
criterion_main!(benches);
