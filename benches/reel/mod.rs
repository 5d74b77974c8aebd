//! Reels: the media that benches run on.
//!
//! | reel | made of | where from |
//! |---|---|---|
//! | `ladder` | `testdata/ladder`: 34 s in three renditions of 110 to 210 kbit/s | the repository |
//! | `1080p` | 18 s of 1080p25 with noise at about 8 Mbit/s, AAC at 128 kbit/s | ffmpeg, once, kept below `target/` |
//! | `padded` | 18 s of the ladder with slices made longer, about 5 Mbit/s | [`padded`], anew in each run |
//!
//! The small reel has tiny pictures, so costs per picture and per packet of sound weigh more than
//! they do in the field; the large one is what a throughput should be quoted from. Where ffmpeg is
//! missing the large one is left out with a note.
//!
//! Reels are read from files that are in the page cache: a stand-in for a fast source, not for S3.
#![allow(dead_code, reason = "each bench uses a part")]

pub mod divided;
pub mod memory;
pub mod padded;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use packorigin::codec::timing::{TrackClock, place_pictures};
use packorigin::codec::{AccessUnit, h264, sound};
use packorigin::config;
use packorigin::index::{self, IngestLimits};
use packorigin::model::codec::{AvcConfig, CodecConfig, StreamSyntax};
use packorigin::model::encryption::{Encryption, KeyProvider};
use packorigin::model::manifest::{RenditionId, RenditionKind};
use packorigin::model::policy::{
    Configuration, Name, OnSourceError, PackageType, SegmentDuration, StreamSelection, TrickPlay,
};
use packorigin::model::presentation::{
    Group, Medium, Presentation, SourceObject, SourcePosition, Track,
};
use packorigin::model::protection::{
    ContentKey, DrmSystem, KeyId, KeyRule, KeySet, ProtectionScheme, RuleKey, TrackType,
};
use packorigin::model::sample::Sample;
use packorigin::plan::{Packaging, Target};
use packorigin::source::{Root, Sources};
use packorigin::telemetry::Metrics;
use packorigin::time::{Ticks, Timescale};
use packorigin::ts::packet::{Continuity, Packet, PacketReader};
use packorigin::ts::pes::PesReader;
use tokio::runtime::Runtime;

/// A source and what ingest made of it.
pub struct Reel {
    /// For the names of benches.
    pub name: &'static str,
    /// The folder that `master.m3u8` is in.
    pub folder: PathBuf,
    /// The same folder as an opened source.
    pub root: Arc<Root>,
    /// Its index.
    pub presentation: Arc<Presentation>,
}

/// The ladder, and the large reel where it can be made.
pub fn reels(runtime: &Runtime) -> Vec<Reel> {
    let large = made_1080p().map(|folder| Reel::open("1080p", folder, runtime));
    std::iter::once(Reel::ladder(runtime)).chain(large).collect()
}

/// Runs what the upper floors do; two workers, as many as the smallest machines have cores.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Counters that nobody reads.
pub fn metrics() -> Arc<Metrics> {
    Arc::new(Metrics::new().expect("instruments"))
}

/// The default limits of ingest.
pub const LIMITS: IngestLimits = IngestLimits {
    max_segments: 100_000,
    max_playlist_bytes: 16 << 20,
    max_segment_bytes: 512 << 20,
    missing_variants: config::MissingVariants::Warn,
};

/// A configuration with segments of the default duration.
pub fn configuration(package_type: PackageType) -> Configuration {
    Configuration {
        name: Name::new("bench").expect("a name"),
        package_type,
        segment_duration: SegmentDuration::DEFAULT,
        manifest_name: Name::default_manifest(),
        stream_selection: StreamSelection::default(),
        encryption: None,
        on_source_error: OnSourceError::default(),
        trick_play: TrickPlay::default(),
        filter: None,
        audio_layout: Default::default(),
        dash_subtitles: Default::default(),
        program_date_time: Default::default(),
        mpd: Default::default(),
    }
}

/// Settings that encrypt, without a key server: benches bring their keys along.
pub fn encryption(scheme: ProtectionScheme) -> Encryption {
    Encryption {
        scheme,
        systems: vec![DrmSystem::ClearKey],
        keys: KeyProvider::Static(Vec::new()),
        constant_iv: None,
        clear_lead_segments: 0,
        license_urls: BTreeMap::new(),
    }
}

/// One key for everything.
pub fn keys(scheme: ProtectionScheme) -> KeySet {
    let key = ContentKey::new(KeyId([1; 16]), zeroize::Zeroizing::new([2; 16]), Some([3; 16]));
    let rules = KeyRule::of(&[TrackType::All]);
    let keys = rules.into_iter().map(|rule| RuleKey {
        rule,
        key: Arc::new(key.clone()),
        signalling: Arc::default(),
    });
    KeySet { scheme, keys: keys.collect() }
}

/// The second segment of the first rendition of a kind: one that has neighbours on both sides.
pub fn second_segment(
    packaging: &Packaging,
    wanted: RenditionKind,
) -> Option<(RenditionId, usize, Ticks)> {
    let of_kind = |target| match target {
        Target::Segment { rendition, period, time } if rendition.kind == wanted => {
            Some((rendition, period, time))
        }
        _ => None,
    };
    packaging.targets().into_iter().filter_map(of_kind).nth(1)
}

impl Reel {
    /// The smallest one, which is always there.
    pub fn ladder(runtime: &Runtime) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/ladder");
        Self::open("ladder", folder, runtime)
    }

    /// Reads a source in.
    pub fn open(name: &'static str, folder: PathBuf, runtime: &Runtime) -> Self {
        let url = url::Url::from_file_path(&folder).expect("an absolute path").to_string();
        let place = config::Place::File { root: folder.clone() };
        let source = config::Source { url, place };
        let limits = config::SourceLimits {
            timeout: Duration::from_secs(10),
            retries: 0,
            concurrency: 32,
            max_read_bytes: 128 << 20,
            read_ahead_bytes: 0,
        };
        let sources = BTreeMap::from([(Name::new("reel").expect("a name"), source)]);
        let sources = Sources::open(&sources, &limits, &config::Egress::default(), &metrics());
        let root = sources.expect("the folder of the reel").get("reel").expect("the only source");
        let ingested = index::ingest(root.clone(), "master.m3u8", LIMITS, |_| ());
        let presentation = runtime.block_on(ingested).expect("a good source").presentation;
        Self { name, folder, root, presentation: Arc::new(presentation) }
    }

    /// Bytes of all source segments of all renditions.
    pub fn source_bytes(&self) -> u64 {
        let objects = self.presentation.streams.iter().flat_map(|stream| &stream.objects);
        objects.map(|object| object.size).sum()
    }

    /// All source segments of the first rendition, one behind the other.
    pub fn transport_stream(&self) -> Vec<u8> {
        let objects = &self.presentation.streams[0].objects;
        let read = |path: &str| std::fs::read(self.folder.join(path)).expect("a segment");
        objects.iter().flat_map(|object| read(&object.path)).collect()
    }

    /// The video or audio track of the first rendition.
    pub fn track(&self, medium: Medium) -> &Track {
        self.presentation.track(0, 0, medium).expect("a track")
    }

    /// The presentation with its source played again and again until it lasts for `seconds`. Each
    /// time has source segments of its own, which lie at the same path, so its segments can be made.
    pub fn looped_to(&self, seconds: i64) -> Presentation {
        let mut long = (*self.presentation).clone();
        let hertz = i64::from(Timescale::MPEG.hertz());
        let length = long.periods[0].duration;
        let times = (seconds * hertz + length.0 - 1) / length.0;
        long.periods.truncate(1);
        long.periods[0].duration = Ticks(length.0 * times);
        for stream in &mut long.streams {
            stream.periods.truncate(1);
            let objects = stream.objects.len() as u32;
            stream.objects = (0..times).flat_map(|_| stream.objects.to_vec()).collect();
            let period = &mut stream.periods[0];
            for track in period.video.iter_mut().chain(&mut period.audio) {
                let once = track.groups.clone();
                let shift = length.rescale(Timescale::MPEG, track.timescale).0;
                track.groups = (0..times)
                    .flat_map(|time| {
                        once.iter().map(move |group| {
                            let mut group = *group;
                            group.time = group.time.plus(Ticks(shift * time));
                            group.start.object += objects * time as u32;
                            group.end.object += objects * time as u32;
                            group
                        })
                    })
                    .collect();
                track.end = track.end.plus(Ticks(shift * (times - 1)));
            }
        }
        long
    }

    /// The same with groups of varied sizes, or the index would be compressed to nothing. Positions
    /// in the source are made up, so manifests and plans can be made of it and segments cannot.
    pub fn repeated_to(&self, seconds: i64) -> Presentation {
        let mut long = self.looped_to(seconds);
        for stream in &mut long.streams {
            let period = &mut stream.periods[0];
            for track in period.video.iter_mut().chain(&mut period.audio) {
                let mut offset = 0;
                let mut groups = track.groups.to_vec();
                for (index, group) in groups.iter_mut().enumerate() {
                    vary(index, group);
                    let bytes = 188 * u64::from(group.ts_payload_packets + group.ts_clock_packets);
                    group.start = SourcePosition { object: 0, offset };
                    offset += bytes;
                    group.end = SourcePosition { object: 0, offset };
                }
                track.groups = groups.into();
            }
            let size = u64::from(u32::MAX);
            let first = stream.objects.first().cloned();
            stream.objects =
                first.map(|object| SourceObject { size, ..object }).into_iter().collect();
        }
        long
    }
}

/// Makes a group up to a quarter larger or smaller, always the same way.
fn vary(index: usize, group: &mut Group) {
    // Knuth's multiplicative hash: spread well, and without a random number.
    let percent = 75 + ((index as u32).wrapping_mul(2_654_435_761) >> 16) % 51;
    group.payload_bytes = group.payload_bytes * percent / 100;
    group.ts_payload_packets = (group.ts_payload_packets * percent / 100).max(1);
}

/// Demuxed pictures.
pub struct Pictures {
    /// For decoders.
    pub config: AvcConfig,
    /// Length-prefixed NAL units.
    pub payload: Vec<u8>,
    /// 90 kHz.
    pub samples: Vec<Sample>,
}

/// Demuxed sound.
pub struct Sound {
    /// For decoders.
    pub config: CodecConfig,
    /// Samples per second.
    pub timescale: Timescale,
    /// Raw frames.
    pub payload: Vec<u8>,
    /// In ticks of a sample of sound.
    pub samples: Vec<Sample>,
}

/// The pictures of the first rendition up to `seconds`, as one segment would have them.
pub fn pictures(reel: &Reel, seconds: i64) -> Pictures {
    let track = reel.track(Medium::Video);
    let CodecConfig::Avc(config) = track.codec.clone() else { panic!("reels hold H.264") };
    let mut framer = h264::Framer::new(Vec::new());
    demux(&reel.transport_stream(), track.pid, &mut framer);
    let (mut payload, mut units) = framer.into_parts();
    let step = i64::from(track.sample_duration);
    units.truncate((seconds * i64::from(Timescale::MPEG.hertz()) / step) as usize);
    cut(&mut payload, &units);
    let mut clock = TrackClock::unset();
    let stamps: Vec<_> = units.iter().map(|unit| clock.place(unit.timestamps).at()).collect();
    let start = stamps[0].presentation;
    let end = start.plus(Ticks(step * units.len() as i64));
    let samples = place_pictures(&units, &stamps, start, end, track.transport_delay);
    Pictures { config, payload, samples }
}

/// The sound of the first rendition up to `seconds`.
pub fn sound(reel: &Reel, seconds: i64) -> Sound {
    let track = reel.track(Medium::Audio);
    let config = track.codec.clone();
    let mut framer = sound::Framer::new(StreamSyntax::Adts, Vec::new()).expect("ADTS is sound");
    demux(&reel.transport_stream(), track.pid, &mut framer);
    let (mut payload, mut units) = framer.into_parts();
    let step = packorigin::model::codec::AacConfig::FRAME_SAMPLES;
    units.truncate((seconds * i64::from(track.timescale.hertz()) / i64::from(step)) as usize);
    cut(&mut payload, &units);
    let start = track.clock_offset.rescale(Timescale::MPEG, track.timescale);
    let place = |(index, unit): (usize, &AccessUnit)| {
        let decode_time = start.plus(Ticks(i64::from(step) * index as i64));
        Sample {
            offset: unit.offset,
            size: unit.size as u32,
            decode_time,
            duration: step,
            composition_offset: 0,
            transport_decode_time: decode_time,
            dependency: unit.dependency,
        }
    };
    let samples = units.iter().enumerate().map(place).collect();
    Sound { config, timescale: track.timescale, payload, samples }
}

fn cut(payload: &mut Vec<u8>, units: &[AccessUnit]) {
    payload.truncate(units.last().map_or(0, |last| last.offset + last.size));
}

/// What takes an elementary stream apart.
pub trait Framer {
    /// A PES packet begins.
    fn begin(&mut self, timestamps: Option<packorigin::codec::Timestamps>);
    /// Some of its payload.
    fn take(&mut self, payload: &[u8]);
    /// The stream ends.
    fn end(&mut self);
}

impl Framer for h264::Framer {
    fn begin(&mut self, timestamps: Option<packorigin::codec::Timestamps>) {
        self.begin_packet(timestamps);
    }

    fn take(&mut self, payload: &[u8]) {
        self.push(payload, 0);
    }

    fn end(&mut self) {
        self.finish();
    }
}

impl Framer for sound::Framer {
    fn begin(&mut self, timestamps: Option<packorigin::codec::Timestamps>) {
        self.begin_packet(timestamps);
    }

    fn take(&mut self, payload: &[u8]) {
        self.push(payload, 0);
    }

    fn end(&mut self) {
        self.finish();
    }
}

/// Takes one PID out of a transport stream, as packaging does.
pub fn demux(stream: &[u8], pid: u16, framer: &mut impl Framer) {
    let mut pes = PesReader::waiting();
    let mut continuity = Continuity::default();
    PacketReader::default().push(stream, |_, bytes| {
        let Ok(packet) = Packet::parse(bytes) else { return };
        if packet.pid != pid || !continuity.admits(&packet) {
            return;
        }
        let Some(part) = pes.push(&packet) else { return };
        if let Some(timestamps) = part.begins {
            framer.begin(timestamps);
        }
        framer.take(part.payload);
    });
    framer.end();
}

/// The folder of the large reel; it is made where it is not there yet.
fn made_1080p() -> Option<PathBuf> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = home.join("reel-1080p");
    if folder.join("master.m3u8").exists() {
        return Some(folder);
    }
    // Made beside its place and renamed, so that half a reel is never taken for a whole one.
    let draft = tempfile::tempdir_in(home).expect("a folder below target");
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error"])
        .args(["-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=25"])
        .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"])
        .args(["-t", "18", "-vf", "noise=alls=10:allf=t", "-pix_fmt", "yuv420p"])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-b:v", "8M"])
        .args(["-maxrate", "10M", "-bufsize", "8M", "-g", "50", "-sc_threshold", "0"])
        .args(["-c:a", "aac", "-b:a", "128k", "-ac", "2"])
        .args(["-f", "hls", "-hls_time", "10", "-hls_playlist_type", "vod"])
        .args(["-hls_segment_filename", "%03d.ts", "media.m3u8"])
        .current_dir(draft.path())
        .status();
    if !status.is_ok_and(|status| status.success()) {
        eprintln!("the 1080p reel is left out: ffmpeg is not there or failed");
        return None;
    }
    let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=10000000\nmedia.m3u8\n";
    std::fs::write(draft.path().join("master.m3u8"), master).expect("the master playlist");
    std::fs::rename(draft.keep(), &folder).expect("the place of the reel");
    Some(folder)
}
