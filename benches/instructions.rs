//! The main paths for valgrind to count their instructions: `instructions.py` runs this.
//!
//! ```text
//! instructions                     names of all paths
//! instructions --make FOLDER       writes the padded reel there
//! instructions PATH FOLDER         prepares a path, warms it up, and runs it to be counted
//! ```
//!
//! What is counted lies below [`count_instructions_of`], which callgrind knows by its name; so
//! nothing here talks to valgrind, and the program does the same without it. `ingest…` are counted
//! as whole processes, because they may work on several threads.
//!
//! Media is the padded reel, where bytes weigh more than pictures, and `testdata/ladder`, where it is
//! the other way round (`…-of-small-pictures`). There is one thread, no clock and no socket; what
//! the kernel does is not counted. A count says nothing of memory: a path may become slower with the
//! same instructions.
#![allow(clippy::expect_used, missing_docs, reason = "a bench that cannot start must say so")]

mod reel;

use std::borrow::Cow;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use packorigin::cache::Cache;
use packorigin::cenc::aes128;
use packorigin::cenc::cipher::{CbcsCipher, CencCipher};
use packorigin::cenc::sample_aes::SampleAesCipher;
use packorigin::cenc::subsample::SliceSyntax;
use packorigin::codec::h264::{self, SliceHeaders};
use packorigin::codec::sound;
use packorigin::codec::timing::uniform_duration;
use packorigin::index::format;
use packorigin::model::codec::StreamSyntax;
use packorigin::model::manifest::RenditionKind;
use packorigin::model::policy::PackageType;
use packorigin::model::presentation::{Medium, Presentation};
use packorigin::model::protection::ProtectionScheme;
use packorigin::model::sample::{FragmentLayout, SampleProtections};
use packorigin::mp4::fragment::FragmentHeader;
use packorigin::package::{self, BufferPool, Rendered};
use packorigin::plan::{Packaging, Target};
use packorigin::ts::mux::{AudioInput, VideoInput, write_segment};
use packorigin::{dash, hls};
use tokio::runtime::Runtime;

use self::PackageType::{Dash, Hls};
use self::ProtectionScheme::{Cbcs, Cenc, HlsAes128, HlsSampleAes};
use self::reel::Reel;

/// Manifests and indexes are those of a title of this length.
const TWO_HOURS: i64 = 7_200;
/// One look-up is a few hundred instructions, in which the seed of a hash would show.
const LOOK_UPS: usize = 20_000;
const MUXED: usize = 10;
const SEGMENTS_CACHED: usize = 64;
const KEY: [u8; 16] = [2; 16];
const IV: [u8; 16] = [3; 16];

/// Name, and what it runs.
type Path = (&'static str, fn(&Stage));

const PATHS: &[Path] = &[
    ("demux-pictures", demux_pictures),
    ("demux-sound", demux_sound),
    ("fragment", fragment),
    ("protect-cenc", protect_cenc),
    ("protect-cbcs", protect_cbcs),
    ("protect-aes-128", protect_aes_128),
    ("protect-sample-aes", protect_sample_aes),
    ("mux-ts", mux),
    ("segment-dash", |stage| segment(stage, &stage.padded(), Dash, None)),
    ("segment-dash-cenc", |stage| segment(stage, &stage.padded(), Dash, Some(Cenc))),
    ("segment-dash-cbcs", |stage| segment(stage, &stage.padded(), Dash, Some(Cbcs))),
    ("segment-ts", |stage| segment(stage, &stage.padded(), Hls, None)),
    ("segment-ts-aes-128", |stage| segment(stage, &stage.padded(), Hls, Some(HlsAes128))),
    ("segment-ts-sample-aes", |stage| segment(stage, &stage.padded(), Hls, Some(HlsSampleAes))),
    ("segment-dash-of-small-pictures", |stage| segment(stage, &stage.ladder(), Dash, None)),
    ("segment-ts-of-small-pictures", |stage| segment(stage, &stage.ladder(), Hls, None)),
    ("index-load", index_load),
    ("index-unpack", index_unpack),
    ("first-segment-dash", |stage| first_segment(stage, Dash)),
    ("first-segment-hls", |stage| first_segment(stage, Hls)),
    ("plan-dash", |stage| plan(stage, Dash)),
    ("plan-hls", |stage| plan(stage, Hls)),
    ("plan-segment", plan_segment),
    ("print-mpd", print_mpd),
    ("print-media-playlist", print_media_playlist),
    ("cache-hit", cache_hit),
    ("ingest", |stage| drop(stage.padded())),
    ("ingest-of-small-pictures", |stage| drop(stage.ladder())),
];

fn main() {
    // `cargo bench` adds a word of its own.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => PATHS.iter().for_each(|(name, _)| println!("{name}")),
        ["--make", folder] => {
            let stage = Stage::new(folder);
            reel::padded::write(&stage.ladder(), &stage.folder);
        }
        [wanted, folder] => {
            let path = PATHS.iter().find(|(name, _)| *name == wanted);
            let (_, run) = path.expect("one of the paths; without arguments, their names");
            run(&Stage::new(folder));
        }
        _ => panic!("a path and a folder"),
    }
}

/// The frame that callgrind counts below. Closures are not named after who calls them.
#[inline(never)]
fn count_instructions_of<T>(path: impl FnOnce() -> T) -> T {
    black_box(path())
}

/// Runs a path once to warm up (tables are filled, buffers are there, functions are linked), then so
/// many `times` to be counted. The allocator and hash tables have moods, which are in a single run of
/// a short path for more than all that is looked for here.
fn count<T>(times: usize, mut path: impl FnMut() -> T) {
    black_box(path());
    count_instructions_of(|| (0..times).for_each(|_| drop(black_box(path()))));
}

/// What paths run on.
struct Stage {
    runtime: Runtime,
    /// Of the padded reel.
    folder: PathBuf,
}

impl Stage {
    /// One thread, so that what is counted runs on it.
    fn new(folder: &str) -> Self {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().max_blocking_threads(1).build().expect("a runtime");
        Self { runtime, folder: folder.into() }
    }

    fn padded(&self) -> Reel {
        Reel::open("padded", self.folder.clone(), &self.runtime)
    }

    fn ladder(&self) -> Reel {
        Reel::ladder(&self.runtime)
    }

    fn long(&self) -> Presentation {
        self.ladder().repeated_to(TWO_HOURS)
    }
}

fn demux_pictures(stage: &Stage) {
    let reel = stage.padded();
    let (stream, pid) = (reel.transport_stream(), reel.track(Medium::Video).pid);
    let mut buffer = Vec::new();
    count(2, || {
        let mut framer = h264::Framer::new(std::mem::take(&mut buffer));
        reel::demux(&stream, pid, &mut framer);
        let (mut payload, units) = framer.into_parts();
        payload.clear();
        buffer = payload;
        units
    });
}

fn demux_sound(stage: &Stage) {
    let reel = stage.padded();
    let (stream, pid) = (reel.transport_stream(), reel.track(Medium::Audio).pid);
    count(2, || {
        let mut framer = sound::Framer::new(StreamSyntax::Adts, Vec::new()).expect("sound");
        reel::demux(&stream, pid, &mut framer);
        framer.into_parts()
    });
}

fn fragment(stage: &Stage) {
    let samples = reel::pictures(&stage.padded(), 6).samples;
    let layout = FragmentLayout {
        samples: samples.len() as u32,
        uniform_duration: uniform_duration(&samples),
        video: true,
        protection: None,
        clear_lead: false,
    };
    let header = FragmentHeader {
        layout,
        sequence_number: 1,
        base_decode_time: samples[0].decode_time,
        payload_bytes: samples.iter().map(|sample| sample.size).sum(),
    };
    count(1000, || header.to_bytes(&samples, &SampleProtections::default()));
}

fn protect_cenc(stage: &Stage) {
    let cipher = CencCipher::new(&KEY);
    protect(stage, Cenc, |payload, divided| {
        cipher.encrypt(payload, divided.samples().map(|sample| ([3; 8], sample)));
    });
}

fn protect_cbcs(stage: &Stage) {
    let cipher = CbcsCipher::new(&KEY, IV);
    protect(stage, Cbcs, |payload, divided| cipher.encrypt(payload, divided.samples()));
}

fn protect(
    stage: &Stage,
    scheme: ProtectionScheme,
    encrypt: impl Fn(&mut [u8], &reel::divided::Divided),
) {
    let reel::Pictures { config, mut payload, samples } = reel::pictures(&stage.padded(), 6);
    let slices = SliceSyntax::Avc(Cow::Owned(SliceHeaders::new(config.parameter_sets())));
    let mut divided = reel::divided::Divided::default();
    count(5, || {
        divided.divide(scheme, &payload, &samples, &slices);
        encrypt(&mut payload, &divided);
    });
}

fn protect_aes_128(stage: &Stage) {
    let mut segment = stage.padded().transport_stream();
    let clear = segment.len();
    count(2, || {
        segment.truncate(clear);
        segment = aes128::encrypt_segment(&KEY, &IV, std::mem::take(&mut segment));
    });
}

fn protect_sample_aes(stage: &Stage) {
    let reel::Pictures { payload, samples, .. } = reel::pictures(&stage.padded(), 6);
    let cipher = SampleAesCipher::new(&KEY, &IV);
    let (mut out, mut placed) = (Vec::new(), Vec::new());
    count(5, || {
        out.clear();
        out.extend_from_slice(&payload);
        placed.clone_from(&samples);
        cipher.encrypt_pictures(&mut out, &mut placed);
    });
}

fn mux(stage: &Stage) {
    let reel = stage.padded();
    let (pictures, sound) = (reel::pictures(&reel, 6), reel::sound(&reel, 6));
    let runs = [sound.samples.len() as u32];
    // The muxer overwrites the lengths in a payload, so each run has its own.
    let mut payloads = vec![pictures.payload; MUXED + 1];
    let mut out = Vec::new();
    count(MUXED, || {
        out.clear();
        let mut payload = payloads.pop().expect("a payload for each run");
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
        payload
    });
}

fn segment(
    stage: &Stage,
    reel: &Reel,
    package_type: PackageType,
    scheme: Option<ProtectionScheme>,
) {
    let mut configuration = reel::configuration(package_type);
    configuration.encryption = scheme.map(reel::encryption);
    let keys = scheme.map(|scheme| Arc::new(reel::keys(scheme)));
    let packaging = Packaging::new(reel.presentation.clone(), "1", &configuration, keys);
    let packaging = packaging.expect("a plan");
    let kind = if package_type == Hls { RenditionKind::Muxed } else { RenditionKind::Video };
    let second = reel::second_segment(&packaging, kind);
    let (rendition, period, time) = second.expect("two segments");
    let source = reel::memory::reader(reel, BufferPool::default());
    // Small pictures make small segments.
    let times = if reel.name == "padded" { 5 } else { 100 };
    count(times, || {
        let plan = packaging.segment(rendition, period, time).expect("a plan");
        stage.runtime.block_on(package::segment(&source, plan)).expect("a segment");
    });
}

fn index_load(stage: &Stage) {
    let (stored, _) = format::encode(&stage.long()).expect("an index");
    count(1, || format::decode(&stored).expect("an index"));
}

/// All groups of all tracks, which a manifest looks at.
fn index_unpack(stage: &Stage) {
    let (stored, _) = format::encode(&stage.long()).expect("an index");
    count(1, || {
        let presentation = format::decode(&stored).expect("an index");
        let periods = presentation.streams.iter().flat_map(|stream| &stream.periods);
        let tracks = periods.flat_map(|period| [&period.video, &period.audio]).flatten();
        tracks.map(|track| track.groups.iter().count()).sum::<usize>()
    });
}

/// What is planned for a segment in the middle of a title that nobody has touched yet.
fn first_segment(stage: &Stage, package_type: PackageType) {
    let (stored, _) = format::encode(&stage.long()).expect("an index");
    let configuration = reel::configuration(package_type);
    let plan = || {
        let presentation = Arc::new(format::decode(&stored).expect("an index"));
        Packaging::new(presentation, "1", &configuration, None).expect("a plan")
    };
    let mut targets = plan().targets();
    let middle = targets.len() / 2;
    targets.rotate_left(middle);
    let segment = targets.into_iter().find_map(|target| match target {
        // Of trick play a manifest is made.
        Target::Segment { rendition, .. } if rendition.kind == RenditionKind::Trick => None,
        Target::Segment { rendition, period, time } => Some((rendition, period, time)),
        _ => None,
    });
    let (rendition, period, time) = segment.expect("a segment");
    count(5, || plan().segment(rendition, period, time).expect("a plan"));
}

fn plan(stage: &Stage, package_type: PackageType) {
    let presentation = Arc::new(stage.long());
    let configuration = reel::configuration(package_type);
    count(5, || Packaging::new(presentation.clone(), "1", &configuration, None).expect("a plan"));
}

fn planned(stage: &Stage, package_type: PackageType) -> Packaging {
    let configuration = reel::configuration(package_type);
    let packaging = Packaging::new(Arc::new(stage.long()), "1", &configuration, None);
    packaging.expect("a plan")
}

fn plan_segment(stage: &Stage) {
    let packaging = planned(stage, Hls);
    let second = reel::second_segment(&packaging, RenditionKind::Muxed);
    let (rendition, period, time) = second.expect("two segments");
    count(2000, || packaging.segment(rendition, period, time).expect("a plan"));
}

fn print_mpd(stage: &Stage) {
    let packaging = planned(stage, Dash);
    count(20, || dash::mpd(packaging.manifest()).expect("an MPD"));
}

fn print_media_playlist(stage: &Stage) {
    let packaging = planned(stage, Hls);
    let manifest = packaging.manifest();
    let first = manifest.offers.first().expect("an offer").main;
    count(20, || hls::write::media_playlist(manifest, first).expect("a playlist"));
}

fn cache_hit(stage: &Stage) {
    let cache = Cache::<String, Rendered>::new("segment", 1 << 30, reel::metrics());
    let keys: Vec<String> = (0..SEGMENTS_CACHED)
        .map(|number| format!("s.0123456789abcdef0123456789abcdef/v0/0/{number}"))
        .collect();
    let bytes = Bytes::from_static(b"segment");
    let value = || Rendered { bytes: bytes.clone(), content_type: "video/mp4", etag: "e".into() };
    let look_up = |number: usize| {
        let value = value();
        let key = keys[number % keys.len()].clone();
        cache.get_or_build(key, || async { Ok(value) })
    };
    stage.runtime.block_on(async {
        for number in 0..keys.len() {
            look_up(number).await.expect("a value");
        }
    });
    count(1, || {
        stage.runtime.block_on(async {
            for number in 0..LOOK_UPS {
                look_up(number).await.expect("a hit");
            }
        });
    });
}
