//! A whole segment of 6 s, as a request for it costs when nothing is cached: plan, read, demux, mux.
//!
//! | bench | |
//! |---|---|
//! | `cmaf/pictures` | a CMAF segment of video |
//! | `cmaf/sound` | the audio segment of the same time; reads the same source bytes for a few per cent of them |
//! | `cmaf/pictures cenc`, `… cbcs` | `cmaf/pictures`, encrypted |
//! | `ts` | pictures and sound in one transport stream |
//! | `ts aes-128`, `ts sample-aes` | `ts`, encrypted |
//!
//! Each twice: with the source in files of the page cache, as it is read in the field, and `… from
//! memory`, which is packaging alone. Buffers are used again in both, as they are where segments
//! have been sent before.
//!
//! Throughput is in bytes of the source that the segment lies in, counted once. There is no network
//! and hardly a disk in the numbers. HTTP, manifests and the cache of finished segments are not in
//! them either.
#![allow(clippy::expect_used, missing_docs, reason = "a bench that cannot start must say so")]

mod reel;

use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use packorigin::cache::Cache;
use packorigin::model::manifest::RenditionKind;
use packorigin::model::policy::PackageType;
use packorigin::model::protection::ProtectionScheme;
use packorigin::package::{self, BufferPool, SourceReader};
use packorigin::plan::Packaging;
use packorigin::playback::{BlockCache, ReadAhead, Survey, source_reader};

const BLOCK_CACHE_BYTES: u64 = 128 << 20;

fn segment(criterion: &mut Criterion) {
    let runtime = reel::runtime();
    let metrics = reel::metrics();
    let pool = BufferPool::default();
    for reel in reel::reels(&runtime) {
        // Blocks are for sources that are no files: none of them is kept here.
        let blocks: Arc<BlockCache> = Cache::new("source", BLOCK_CACHE_BYTES, metrics.clone());
        let survey = Survey::new(Duration::ZERO, metrics.clone());
        let ahead = ReadAhead::new(blocks, 0, 1, metrics.clone());
        let files = source_reader(reel.root.clone(), ahead, survey, pool.clone());
        let memory = reel::memory::reader(&reel, pool.clone());
        let mut group = criterion.benchmark_group(format!("segment/{}", reel.name));
        let mut bench = |name: &str, package_type, kind, scheme| {
            let mut configuration = reel::configuration(package_type);
            configuration.encryption = Option::map(scheme, reel::encryption);
            let keys = scheme.map(|scheme| Arc::new(reel::keys(scheme)));
            let presentation = reel.presentation.clone();
            let packaging = Packaging::new(presentation, "1", &configuration, keys);
            let packaging = packaging.expect("a plan");
            let second = reel::second_segment(&packaging, kind);
            let Some((rendition, period, time)) = second else { return };
            let plan = || packaging.segment(rendition, period, time).expect("a plan");
            let planned = plan();
            let spans = planned.parts.first().map(|part| planned.spans(part));
            let source_bytes: u64 =
                spans.iter().flatten().map(|span| span.bytes.end - span.bytes.start).sum();
            let build = |source: &SourceReader| {
                runtime.block_on(package::segment(source, plan())).expect("a segment")
            };
            assert_eq!(build(&files).bytes, build(&memory).bytes, "one source, one segment");
            group.throughput(Throughput::Bytes(source_bytes));
            group.bench_function(name, |bencher| bencher.iter(|| build(&files)));
            let name = format!("{name} from memory");
            group.bench_function(name, |bencher| bencher.iter(|| build(&memory)));
        };
        use PackageType::{Dash, Hls};
        use ProtectionScheme::{Cbcs, Cenc, HlsAes128, HlsSampleAes};
        use RenditionKind::{Audio, Muxed, Video};
        bench("cmaf/pictures", Dash, Video, None);
        bench("cmaf/pictures cenc", Dash, Video, Some(Cenc));
        bench("cmaf/pictures cbcs", Dash, Video, Some(Cbcs));
        bench("cmaf/sound", Dash, Audio, None);
        bench("ts", Hls, Muxed, None);
        bench("ts aes-128", Hls, Muxed, Some(HlsAes128));
        bench("ts sample-aes", Hls, Muxed, Some(HlsSampleAes));
        group.finish();
    }
}

criterion_group!(benches, segment);
criterion_main!(benches);
