//! A whole segment of 6 s, as a request for it costs when nothing is cached: plan, read, demux, mux.
//!
//! | bench | |
//! |---|---|
//! | `cmaf/pictures` | a CMAF segment of video, block cache empty |
//! | `cmaf/sound` | the audio segment of the same time; reads the same source bytes for a few per cent of them |
//! | `cmaf/sound after pictures` | the same with the source blocks in the cache, which is the usual order |
//! | `cmaf/pictures cenc`, `… cbcs` | `cmaf/pictures`, encrypted |
//! | `ts` | pictures and sound in one transport stream, block cache empty |
//! | `ts aes-128`, `ts sample-aes` | `ts`, encrypted |
//!
//! Throughput is in bytes of the source that the segment lies in, counted once. The source is a
//! folder in the page cache: there is no network and hardly a disk in the numbers. HTTP, manifests
//! and the cache of finished segments are not in them either.
#![allow(clippy::expect_used, missing_docs, reason = "a bench that cannot start must say so")]

mod reel;

use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use packorigin::cache::Cache;
use packorigin::model::manifest::RenditionKind;
use packorigin::model::policy::PackageType;
use packorigin::model::protection::ProtectionScheme;
use packorigin::package::{self, BufferPool, SourceReader};
use packorigin::plan::{Packaging, Target};
use packorigin::playback::{BlockCache, ReadAhead, Survey, source_reader};

const BLOCK_CACHE_BYTES: u64 = 128 << 20;

fn segment(criterion: &mut Criterion) {
    let runtime = reel::runtime();
    let metrics = reel::metrics();
    let pool = BufferPool::default();
    let empty = || -> Arc<BlockCache> { Cache::new("source", BLOCK_CACHE_BYTES, metrics.clone()) };
    for reel in reel::reels(&runtime) {
        let mut group = criterion.benchmark_group(format!("segment/{}", reel.name));
        let mut bench = |name: &str, package_type, kind, is_warm: bool, scheme| {
            let mut configuration = reel::configuration(package_type);
            configuration.encryption = Option::map(scheme, reel::encryption);
            let keys = scheme.map(|scheme| Arc::new(reel::keys(scheme)));
            let presentation = reel.presentation.clone();
            let packaging = Packaging::new(presentation, "1", &configuration, keys);
            let packaging = packaging.expect("a plan");
            let Some((rendition, period, time)) = second_segment(&packaging, kind) else { return };
            let plan = || packaging.segment(rendition, period, time).expect("a plan");
            let planned = plan();
            let spans = planned.parts.first().map(|part| planned.spans(part));
            let source_bytes: u64 =
                spans.iter().flatten().map(|span| span.bytes.end - span.bytes.start).sum();
            let build = |source: SourceReader| {
                let built = runtime.block_on(package::segment(&source, plan()));
                built.expect("a segment")
            };
            let full = empty();
            let survey = Survey::new(Duration::ZERO, metrics.clone());
            let reader = |blocks: Arc<BlockCache>| {
                let ahead = ReadAhead::new(blocks, 0, 1, metrics.clone());
                source_reader(reel.root.clone(), ahead, survey.clone(), pool.clone())
            };
            build(reader(full.clone()));
            group.throughput(Throughput::Bytes(source_bytes));
            group.bench_function(name, |bencher| {
                let setup = || reader(if is_warm { full.clone() } else { empty() });
                bencher.iter_batched(setup, build, BatchSize::PerIteration);
            });
        };
        use PackageType::{Dash, Hls};
        use RenditionKind::{Audio, Muxed, Video};
        bench("cmaf/pictures", Dash, Video, false, None);
        bench("cmaf/pictures cenc", Dash, Video, false, Some(ProtectionScheme::Cenc));
        bench("cmaf/pictures cbcs", Dash, Video, false, Some(ProtectionScheme::Cbcs));
        bench("cmaf/sound", Dash, Audio, false, None);
        bench("cmaf/sound after pictures", Dash, Audio, true, None);
        bench("ts", Hls, Muxed, false, None);
        bench("ts aes-128", Hls, Muxed, false, Some(ProtectionScheme::HlsAes128));
        bench("ts sample-aes", Hls, Muxed, false, Some(ProtectionScheme::HlsSampleAes));
        group.finish();
    }
}

/// The second segment of the first rendition of a kind: one that has neighbours on both sides.
fn second_segment(
    packaging: &Packaging,
    wanted: RenditionKind,
) -> Option<(packorigin::model::manifest::RenditionId, usize, packorigin::time::Ticks)> {
    let of_kind = |target| match target {
        Target::Segment { rendition, period, time } if rendition.kind == wanted => {
            Some((rendition, period, time))
        }
        _ => None,
    };
    packaging.targets().into_iter().filter_map(of_kind).nth(1)
}

criterion_group!(benches, segment);
criterion_main!(benches);
