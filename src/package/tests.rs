//! What ingest calls playable can be packaged, however damaged the source is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::FutureExt;
use zeroize::Zeroizing;

use super::{BlockRequest, BufferPool, SourceFile, SourceFiles, SourceReader};
use crate::codec::ttml::{self, Ids};
use crate::codec::webvtt;
use crate::config::{Config, MissingVariants, Overrides};
use crate::error::Error;
use crate::index::{IngestLimits, Ingested, ingest};
use crate::model::encryption::{Encryption, KeyProvider};
use crate::model::ingest::{FailureCode, FindingCode, IngestFailure};
use crate::model::manifest::{RenditionId, RenditionKind};
use crate::model::policy::{
    AudioLayout, Configuration, DashSubtitles, Name, PackageType, SegmentDuration, StreamSelection,
};
use crate::model::presentation::{Medium, Presentation, SourceObject};
use crate::model::protection::{
    ContentKey, DrmSystem, KeyId, KeyRule, KeySet, ProtectionScheme, RuleKey, TrackType,
};
use crate::model::text::TextFormat;
use crate::plan::{Packaging, SegmentPlan, SegmentProtection, Target};
use crate::source::{Root, SourcePath, Sources};
use crate::telemetry::Metrics;
use crate::time::{Ticks, Timescale};
use crate::ts::packet::PACKET_BYTES;

const LIMITS: IngestLimits = IngestLimits {
    max_segments: 10,
    max_playlist_bytes: 1 << 20,
    max_segment_bytes: 1 << 24,
    missing_variants: MissingVariants::Warn,
};

/// A source over a folder.
fn root_of(folder: &Path) -> Arc<Root> {
    let metrics = Arc::new(Metrics::new().unwrap());
    let url = url::Url::from_directory_path(folder).unwrap();
    let overrides = Overrides { sources: vec![format!("title={url}")], ..Overrides::default() };
    let config = Config::load(None, std::iter::empty(), &overrides).unwrap();
    let sources = Sources::open(&config.sources, &config.source, &config.egress, &metrics).unwrap();
    sources.get("title").unwrap()
}

/// A folder with one stream of the given segments.
struct Title {
    root: Arc<Root>,
    _folder: tempfile::TempDir,
}

impl Title {
    fn new(segments: &[Vec<u8>]) -> Self {
        Self::joined(segments, "")
    }

    /// The same with a line between the segments.
    fn joined(segments: &[Vec<u8>], between: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        };
        write("master.m3u8", b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nmedia.m3u8\n");
        let mut playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n".to_owned();
        for (index, segment) in segments.iter().enumerate() {
            write(&format!("{index}.ts"), segment);
            playlist += if index > 0 { between } else { "" };
            playlist += &format!("#EXTINF:6,\n{index}.ts\n");
        }
        write("media.m3u8", (playlist + "#EXT-X-ENDLIST\n").as_bytes());
        Self { root: root_of(folder.path()), _folder: folder }
    }

    async fn ingest(&self) -> Result<Ingested, IngestFailure> {
        ingest(self.root.clone(), "master.m3u8", LIMITS, |_| {}).await
    }

    /// Packages everything if it is playable; returns how many segments that are.
    async fn package(&self, what: &str) -> usize {
        self.package_in(1, what).await.iter().map(BTreeMap::len).sum()
    }

    /// What comes of it in segments of so many seconds, one way after another.
    async fn package_in(&self, seconds: u32, what: &str) -> Vec<Made> {
        let Ok(ingested) = self.ingest().await else { return Vec::new() };
        let presentation = Arc::new(ingested.presentation);
        let root = self.root.clone();
        let reader =
            SourceReader::new(BufferPool::default(), move |BlockRequest { object, bytes }| {
                let root = root.clone();
                async move {
                    let path = SourcePath::from_stored(&object.path)?;
                    let range = object.start + bytes.start..object.start + bytes.end;
                    Ok(root.read_range(&path, range).await?)
                }
                .boxed()
            });
        let mut all = Vec::new();
        let (as_source, separate) = (AudioLayout::AsSource, AudioLayout::Separate);
        let cases = [
            (PackageType::Hls, as_source, None),
            (PackageType::Hls, as_source, Some(ProtectionScheme::HlsAes128)),
            (PackageType::Hls, as_source, Some(ProtectionScheme::HlsSampleAes)),
            (PackageType::Hls, separate, None),
            (PackageType::Hls, separate, Some(ProtectionScheme::HlsSampleAes)),
            (PackageType::HlsCmaf, separate, None),
            (PackageType::HlsCmaf, separate, Some(ProtectionScheme::Cenc)),
            (PackageType::HlsCmaf, separate, Some(ProtectionScheme::Cbcs)),
        ];
        for (package_type, audio_layout, scheme) in cases {
            let configuration = Configuration {
                name: Name::new("test").unwrap(),
                package_type,
                segment_duration: SegmentDuration::new(seconds).unwrap(),
                manifest_name: Name::default_manifest(),
                stream_selection: StreamSelection::default(),
                encryption: scheme.map(encryption),
                on_source_error: Default::default(),
                trick_play: Default::default(),
                filter: None,
                audio_layout,
                dash_subtitles: Default::default(),
                program_date_time: Default::default(),
                mpd: Default::default(),
            };
            let keys = scheme.map(|scheme| Arc::new(keys(scheme)));
            let packaging = Packaging::new(presentation.clone(), "1", &configuration, keys);
            let packaging = match packaging {
                Err(error) if error.kind() == crate::error::Kind::UnsupportedCodec => continue,
                packaging => packaging.unwrap(),
            };
            let mut made = BTreeMap::new();
            for target in packaging.targets() {
                let Target::Segment { rendition, period, time } = target else { continue };
                let plan = packaging.segment(rendition, period, time).unwrap();
                let rendered = match super::segment(&reader, plan.clone()).await {
                    Ok(rendered) => rendered,
                    Err(error) => panic!("{what}: {rendition} at {}: {}", time.0, error.chain()),
                };
                if package_type == PackageType::Hls {
                    let pieces = in_pieces(&reader, &plan).await;
                    assert_eq!(pieces.concat(), rendered.bytes, "{what}: {rendition} in pieces");
                }
                made.insert((rendition, period, time), (plan, rendered.bytes));
            }
            if package_type != PackageType::Hls {
                compare_stills(&presentation, &made, what);
            }
            all.push(made);
        }
        all
    }
}

/// A segment as it is given away.
async fn in_pieces(reader: &SourceReader, plan: &SegmentPlan) -> Vec<Bytes> {
    let (give, given) = std::sync::mpsc::channel();
    let give = move |piece| give.send(piece).unwrap();
    super::segment_in_pieces(reader, plan.clone(), give).await.unwrap();
    given.into_iter().collect()
}

/// The segments of a packaging, by rendition, period and time.
type Made = BTreeMap<(RenditionId, usize, Ticks), (SegmentPlan, Bytes)>;

/// Each still is the first sample of its group, with the same bytes where both are encrypted.
fn compare_stills(presentation: &Presentation, made: &Made, what: &str) {
    // Events may stand in front of the fragment.
    let payload = |plan: &SegmentPlan, bytes: &Bytes| {
        let groups = plan.groups(&plan.parts[0]);
        let size: usize = groups.iter().map(|group| group.payload_bytes as usize).sum();
        bytes.slice(bytes.len() - size..)
    };
    let stills = |id: &RenditionId| id.kind == RenditionKind::Trick;
    for ((id, period, _), (plan, bytes)) in made.iter().filter(|((id, ..), _)| stills(id)) {
        let still = payload(plan, bytes);
        let start = plan.groups(&plan.parts[0])[0].start;
        let video = RenditionId { kind: RenditionKind::Video, ..*id };
        let track = presentation.track(id.stream, *period, Medium::Video).unwrap();
        let group = track.groups.iter().find(|group| group.start == start).unwrap();
        assert_eq!(still.len(), group.still.unwrap().bytes as usize, "{what}: {id}");
        // Where its group begins a segment, that can be seen.
        let Some((ordinary, bytes)) = made.get(&(video, *period, group.time)) else { continue };
        if ordinary.protection.is_some() == plan.protection.is_some() {
            let first = payload(ordinary, bytes).slice(..still.len());
            assert_eq!(first, still, "{what}: {id} at {}", plan.time.0);
        } else {
            assert!(ordinary.protection.is_none(), "{what}: a clear still of an encrypted picture");
        }
    }
}

/// Settings that encrypt.
fn encryption(scheme: ProtectionScheme) -> Encryption {
    Encryption {
        scheme,
        systems: vec![DrmSystem::ClearKey],
        keys: KeyProvider::Static(Vec::new()),
        constant_iv: None,
        clear_lead_segments: 1,
        license_urls: BTreeMap::new(),
    }
}

/// One key for everything.
fn keys(scheme: ProtectionScheme) -> KeySet {
    let key = ContentKey::new(KeyId([1; 16]), Zeroizing::new([2; 16]), Some([3; 16]));
    let rule = KeyRule { track_type: TrackType::All, maximum: None };
    KeySet { scheme, keys: vec![RuleKey { rule, key: Arc::new(key), signalling: Arc::default() }] }
}

fn sample(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)).unwrap()
}

/// Sizes, subsamples and clocks are planned for every codec as they come out, encrypted or not.
#[tokio::test]
async fn every_codec_is_packaged_in_every_scheme() {
    let titles = [
        ("hevc-main", 12),
        ("hevc-main10-hdr10", 12),
        ("hevc-open-gop", 12),
        ("ac3-surround", 30),
        ("eac3-surround", 30),
        ("mp3", 30),
        ("mp2", 30),
        ("latm", 30),
        ("he-aac", 30),
        ("field-pairs", 30),
        ("open-gop", 6),
        ("intra-refresh", 6),
        ("packets-of-192-bytes", 30),
        ("packets-of-204-bytes", 30),
        ("several-pictures-per-pes", 30),
        ("raw-adts", 8),
    ];
    for (name, at_least) in titles {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/quirks").join(name);
        let mut files: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "ts"))
            .collect();
        files.sort();
        let segments: Vec<Vec<u8>> =
            files.iter().map(|file| std::fs::read(file).unwrap()).collect();
        let count = Title::new(&segments).package(name).await;
        assert!(count >= at_least, "{name}: {count} segments");
    }
}

/// The segments of a title in memory, which cannot be read more than so often.
struct Held {
    segments: Arc<Vec<Vec<u8>>>,
    reads_left: AtomicUsize,
}

impl SourceFiles for Held {
    fn open<'a>(&'a self, object: &SourceObject) -> Result<Box<dyn SourceFile + 'a>, Error> {
        let (number, _) = object.path.split_once('.').unwrap();
        let segment = &self.segments[number.parse::<usize>().unwrap()];
        Ok(Box::new(HeldFile { segment, files: self }))
    }
}

struct HeldFile<'a> {
    segment: &'a [u8],
    files: &'a Held,
}

impl SourceFile for HeldFile<'_> {
    fn read(&mut self, bytes: std::ops::Range<u64>) -> Result<&[u8], Error> {
        let left = &self.files.reads_left;
        let read =
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        read.map_err(|_| Error::internal("it is not in memory"))?;
        Ok(&self.segment[bytes.start as usize..bytes.end as usize])
    }
}

#[tokio::test]
async fn segments_come_in_pieces_and_none_comes_twice() {
    let segments: Vec<Vec<u8>> =
        (0..3).map(|number| sample(&format!("ladder/360p/00{number}.ts"))).collect();
    let title = Title::new(&segments);
    let all = title.package_in(10, "ladder").await;
    let segments = Arc::new(segments);
    let mut most = 0;
    // Clear, AES-128 and SAMPLE-AES, with the sound in the same segment.
    for (plan, whole) in all.iter().take(3).flat_map(BTreeMap::values) {
        let is_sample_aes = matches!(plan.protection, Some(SegmentProtection::SampleAes { .. }));
        let comes_in_pieces = !is_sample_aes && plan.still.is_none();
        assert_eq!(super::comes_in_pieces(plan), comes_in_pieces, "{}", plan.key());
        for reads in (0..).step_by(29) {
            let segments = segments.clone();
            let (tell, told) = std::sync::mpsc::channel();
            let never = |_| async { Err(Error::internal("files are not fetched")) }.boxed();
            let reader = SourceReader::new(BufferPool::default(), never);
            let reader = reader.with_files(move |_, job| {
                let held = |reads| Held {
                    segments: segments.clone(),
                    reads_left: AtomicUsize::new(reads),
                };
                let (first, again, tell) = (held(reads), held(usize::MAX), tell.clone());
                async move {
                    let done = job(&first).await;
                    tell.send(done.is_ok()).unwrap();
                    if done.is_ok() { done } else { job(&again).await }
                }
                .boxed()
            });
            let pieces = in_pieces(&reader, plan).await;
            assert_eq!(pieces.concat(), *whole, "begun anew behind {reads} reads");
            assert_eq!(pieces.len() > 1, comes_in_pieces);
            most = most.max(pieces.len());
            if told.recv().unwrap() {
                assert!(reads > 100 || plan.still.is_some(), "{reads}");
                break;
            }
        }
    }
    assert!(most >= 4, "{most} pieces");
}

/// Where the packets that begin a PES packet or table are.
fn starts(segment: &[u8]) -> Vec<usize> {
    let packets = segment.chunks(PACKET_BYTES).enumerate();
    packets.filter(|(_, packet)| packet[1] & 0x40 != 0).map(|(index, _)| index).collect()
}

fn packet(index: usize) -> std::ops::Range<usize> {
    index * PACKET_BYTES..(index + 1) * PACKET_BYTES
}

#[tokio::test]
async fn lost_and_unmarked_starts_of_pes_packets() {
    let whole = sample("unaligned/a/000.ts");
    let mut segments = 0;
    for start in starts(&whole) {
        let mut lost = whole.clone();
        lost.drain(packet(start));
        segments += Title::new(&[lost]).package(&format!("without packet {start}")).await;
        let mut unmarked = whole.clone();
        unmarked[packet(start)][1] &= !0x40;
        segments += Title::new(&[unmarked]).package(&format!("unmarked packet {start}")).await;
    }
    assert!(segments > 100, "{segments}");
}

#[tokio::test]
async fn bytes_that_are_none_of_the_stream() {
    let whole = sample("unaligned/a/000.ts");
    let mut segments = 0;
    for at in (5..whole.len() / PACKET_BYTES).step_by(11) {
        // Sync bytes among them, and half a packet behind them.
        let garbage: Vec<u8> = (0..at * 3).map(|byte| (byte * byte + at) as u8).collect();
        let mut stream = whole.clone();
        let place = packet(at).start;
        stream.splice(place..place + at % PACKET_BYTES, garbage);
        segments += Title::new(&[stream]).package(&format!("garbage at packet {at}")).await;
    }
    assert!(segments > 50, "{segments}");
}

/// Transport streams are written while their source is read: late sound holds pictures up, and
/// changes nothing.
#[tokio::test]
async fn sound_may_lie_anywhere_in_its_segment() {
    let names = ["000.ts", "001.ts", "002.ts"];
    let segments = names.map(|name| sample(&format!("ladder/360p/{name}")));
    // Each packet of sound so many of its kind later, or behind all others.
    let later = |segment: &Vec<u8>, packets: usize| {
        let (mut out, mut held) = (Vec::new(), VecDeque::new());
        for packet in segment.chunks(PACKET_BYTES) {
            match u16::from(packet[1] & 0x1F) << 8 | u16::from(packet[2]) {
                AUDIO_PID => held.push_back(packet),
                _ => out.extend_from_slice(packet),
            }
            while held.len() > packets {
                out.extend(held.pop_front().into_iter().flatten());
            }
        }
        out.extend(held.into_iter().flatten());
        out
    };
    let bytes = |all: Vec<Made>| -> Vec<Vec<Bytes>> {
        all.into_iter().map(|made| made.into_values().map(|(_, bytes)| bytes).collect()).collect()
    };
    for seconds in [1, 6, 20] {
        let expected = bytes(Title::new(&segments).package_in(seconds, "as it is").await);
        assert!(expected.len() > 5 && expected.iter().all(|made| !made.is_empty()));
        for packets in [3, 20, 100, usize::MAX] {
            let moved = segments.each_ref().map(|segment| later(segment, packets));
            assert_ne!(moved, segments);
            let found = bytes(Title::new(&moved).package_in(seconds, "late sound").await);
            assert!(found == expected, "{packets} packets later, {seconds} s");
        }
    }
}

#[tokio::test]
async fn tables_without_tracks_behind_them_are_no_title() {
    let mut tables = sample("midgop/000.ts");
    let keep: Vec<u8> = tables
        .chunks(PACKET_BYTES)
        .filter(|packet| {
            !matches!(u16::from(packet[1] & 0x1F) << 8 | u16::from(packet[2]), 0x100 | 0x101)
        })
        .flatten()
        .copied()
        .collect();
    tables = keep;
    let failure = Title::new(&[tables]).ingest().await.unwrap_err();
    assert_eq!(failure.code, FailureCode::CorruptSegment);
}

#[tokio::test]
async fn a_clock_that_jumps_by_hours_begins_a_period() {
    let whole = sample("midgop/000.ts");
    let mut later = whole.clone();
    // PTS and DTS of all pictures and frames: eleven hours on.
    for start in starts(&whole) {
        let bytes = &mut later[packet(start)];
        let field = if bytes[3] & 0x20 != 0 { 1 + usize::from(bytes[4]) } else { 0 };
        let pes = 4 + field;
        if bytes.get(pes..pes + 3) != Some(&[0, 0, 1][..]) {
            continue;
        }
        for at in [pes + 9, pes + 14] {
            let has_it = at == pes + 9 || bytes[pes + 7] & 0x40 != 0;
            // Bits 32 to 30 stand at bits 3 to 1 of the first byte.
            let high = bytes[at] >> 1 & 7;
            if has_it {
                bytes[at] = bytes[at] & 0xF1 | (high + 3) << 1 & 0x0E;
            }
        }
    }
    let alone = Title::new(std::slice::from_ref(&whole)).ingest().await.unwrap().presentation;
    let title = Title::new(&[whole, later]);
    let presentation = title.ingest().await.unwrap().presentation;
    let periods: Vec<i64> = presentation.periods.iter().map(|period| period.duration.0).collect();
    assert_eq!(periods, [alone.duration().0; 2]);
    assert!(title.package("a clock that jumps").await > 0);
}

const VIDEO_PID: u16 = 0x100;
const AUDIO_PID: u16 = 0x101;

/// Writes the timestamps of one PID's PES packets: `at` gives PTS and DTS by number of the packet,
/// counted from 0.
fn stamp(segment: &mut [u8], pid: u16, mut at: impl FnMut(usize) -> i64) {
    let mut number = 0;
    for start in starts(segment) {
        let bytes = &mut segment[packet(start)];
        let field = if bytes[3] & 0x20 != 0 { 1 + usize::from(bytes[4]) } else { 0 };
        let pes = 4 + field;
        if u16::from(bytes[1] & 0x1F) << 8 | u16::from(bytes[2]) != pid {
            continue;
        }
        let time = at(number) as u64 & ((1 << 33) - 1);
        for (place, prefix) in [(pes + 9, bytes[pes + 7] >> 6), (pes + 14, 1)] {
            if place == pes + 9 || bytes[pes + 7] & 0x40 != 0 {
                let mut field = Vec::new();
                crate::ts::pes::write_timestamp(&mut field, prefix, time);
                bytes[place..place + 5].copy_from_slice(&field);
            }
        }
        number += 1;
    }
}

/// Their timestamps are not believed, and there is no clock that they could have jumped to.
#[tokio::test]
async fn pictures_that_are_dropped_between_groups() {
    let mut whole = sample("midgop/000.ts");
    stamp(&mut whole, VIDEO_PID, |number| {
        let wrong = if (90..100).contains(&number) { 1_980_000 } else { 0 };
        9_000_000 + 900 * number as i64 - wrong
    });
    let title = Title::new(&[whole]);
    let presentation = title.ingest().await.unwrap().presentation;
    let groups = &presentation.track(0, 0, Medium::Video).unwrap().groups;
    let counts: Vec<_> = groups.iter().map(|group| (group.samples, group.undecodable)).collect();
    assert_eq!(counts, [(50, 0), (40, 10), (50, 0), (15, 0)]);
    assert!(title.package("pictures that are dropped").await > 0);
}

/// The clock of the sound stands still for longer than a byte could count frames.
#[tokio::test]
async fn sound_whose_clock_stands_still() {
    let segments: Vec<Vec<u8>> = (0..4)
        .map(|copy| {
            let mut segment = sample("midgop/000.ts");
            let base = 9_000_000 + copy * 594_000;
            stamp(&mut segment, VIDEO_PID, |number| base + 3_600 * number as i64);
            stamp(&mut segment, AUDIO_PID, |_| match copy {
                0..3 => 9_000_000,
                // It goes on where it stood.
                _ => 9_045_000,
            });
            segment
        })
        .collect();
    assert!(Title::new(&segments).package("a clock that stands still").await > 0);
}

/// The pictures' clock goes on ten minutes later, that of the sound as before.
#[tokio::test]
async fn the_clock_of_pictures_alone_jumps() {
    let mut whole = sample("midgop/000.ts");
    stamp(&mut whole, VIDEO_PID, |number| {
        let jump = if number < 50 { 0 } else { 54_000_000 };
        126_000 + 3_600 * number as i64 + jump
    });
    let title = Title::new(&[whole]);
    let ingested = title.ingest().await.unwrap();
    let presentation = ingested.presentation;
    assert_eq!(presentation.periods.len(), 2);
    for (period, times) in presentation.periods.iter().enumerate() {
        let sound = presentation.track(0, period, Medium::Audio).unwrap();
        let start = sound.start().rescale(sound.timescale, Timescale::MPEG);
        let distance = start.minus(times.start).0;
        assert!(distance.abs() < 22_500, "period {period}: sound {distance} ticks late");
    }
    let codes: Vec<_> = ingested.report.findings.iter().map(|finding| finding.code).collect();
    assert!(codes.contains(&FindingCode::ClocksDiffer), "{codes:?}");
    assert!(title.package("pictures jump alone").await > 0);
}

/// The sound of a later period leads its pictures by more than all that was played before.
#[tokio::test]
async fn no_sound_begins_before_the_title() {
    let mut first = sample("midgop/000.ts");
    stamp(&mut first, VIDEO_PID, |number| 126_000 + 900 * number as i64);
    let mut second = sample("midgop/000.ts");
    stamp(&mut second, VIDEO_PID, |number| 800_000 + 3_600 * number as i64);
    let title = Title::joined(&[first, second], "#EXT-X-DISCONTINUITY\n");
    let presentation = title.ingest().await.unwrap().presentation;
    let [before, behind] = [0, 1].map(|period| {
        let track = presentation.track(0, period, Medium::Audio).unwrap();
        (track.start(), track.end)
    });
    assert!(before.0 >= Ticks::ZERO && behind.0 >= before.1, "{before:?}, {behind:?}");
    assert!(title.package("sound that leads").await > 0);
}

#[tokio::test]
async fn pictures_before_the_first_timestamp_are_kept() {
    let whole = sample("midgop/000.ts");
    let mut undated = whole.clone();
    let is_video = |bytes: &[u8]| bytes[1] & 0x1F == 1 && bytes[2] == 0;
    let first = starts(&whole).into_iter().find(|start| is_video(&whole[packet(*start)])).unwrap();
    let bytes = &mut undated[packet(first)];
    let pes = 5 + usize::from(bytes[4]);
    assert_eq!(&bytes[pes..pes + 3], [0, 0, 1]);
    bytes[pes + 7] = 0; // PTS_DTS_flags; the fields become stuffing
    let described = async |segment: Vec<u8>| {
        let title = Title::new(&[segment]);
        assert!(title.package("undated").await > 0);
        let presentation = title.ingest().await.unwrap().presentation;
        let video = presentation.track(0, 0, Medium::Video).unwrap().clone();
        let samples: u32 = video.groups.iter().map(|group| group.samples).sum();
        (presentation.duration(), samples, video.groups.len())
    };
    let (expected, actual) = (described(whole).await, described(undated).await);
    assert_eq!((actual.1, actual.2), (expected.1, expected.2));
    // A picture's reordering is not known before there are timestamps.
    assert!(actual.0.minus(expected.0).0.abs() < 9_000, "{actual:?}, {expected:?}");
}

/// The lead is that of the title: sound that sets in later has none.
#[tokio::test]
async fn a_rendition_that_begins_later_has_no_clear_lead() {
    let silent = sample("video-only/000.ts");
    let title = Title::joined(&[silent, sample("midgop/000.ts")], "#EXT-X-DISCONTINUITY\n");
    let presentation = Arc::new(title.ingest().await.unwrap().presentation);
    assert_eq!(presentation.periods.len(), 2);
    let scheme = ProtectionScheme::Cbcs;
    let configuration = Configuration {
        name: Name::new("test").unwrap(),
        package_type: PackageType::HlsCmaf,
        segment_duration: SegmentDuration::new(1).unwrap(),
        manifest_name: Name::default_manifest(),
        stream_selection: StreamSelection::default(),
        encryption: Some(encryption(scheme)),
        on_source_error: Default::default(),
        trick_play: Default::default(),
        filter: None,
        audio_layout: Default::default(),
        dash_subtitles: Default::default(),
        program_date_time: Default::default(),
        mpd: Default::default(),
    };
    let keys = Some(Arc::new(keys(scheme)));
    let packaging = Packaging::new(presentation, "1", &configuration, keys).unwrap();
    let clear: Vec<String> = packaging
        .targets()
        .into_iter()
        .filter_map(|target| {
            let Target::Segment { rendition, period, time } = target else { return None };
            let plan = packaging.segment(rendition, period, time).unwrap();
            plan.protection.is_none().then(|| format!("{rendition} of period {period}"))
        })
        .collect();
    assert_eq!(clear, ["video-1 of period 0"]);
}

#[tokio::test]
async fn segments_with_tags_have_the_planned_size_in_every_scheme() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/quirks/id3");
    let segments: Vec<Vec<u8>> =
        (0..3).map(|n| std::fs::read(folder.join(format!("{n:03}.ts"))).unwrap()).collect();
    let title = Title::new(&segments);
    let metadata = title.ingest().await.unwrap().presentation.streams[0].metadata.len();
    assert_eq!(metadata, 13);
    assert!(title.package("tags").await > 40);
}

/// Each stretch of text has the planned size, files hold the cues of the index, and what cannot be
/// read is left out and told.
#[tokio::test]
async fn subtitles_are_packaged_in_every_form() {
    let root = root_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata"));
    let limits = IngestLimits { max_segments: 100, ..LIMITS };
    let ingested = ingest(root, "subtitles/master.m3u8", limits, |_| {}).await.unwrap();
    let codes: Vec<FindingCode> = ingested.report.findings.iter().map(|one| one.code).collect();
    for code in [FindingCode::TextLeftOut, FindingCode::CuesBroken, FindingCode::TextClockAssumed] {
        assert!(codes.contains(&code), "{code:?} is not in {codes:?}");
    }
    let presentation = Arc::new(ingested.presentation);
    let texts = presentation.texts.iter();
    assert!(texts.clone().all(|text| text.ttml.is_none()));
    let told: Vec<_> = texts.map(|text| (&*text.description.name, text.cues.len())).collect();
    assert_eq!(told, [("English", 4), ("Deutsch", 2), ("English (SDH)", 2), ("Signs", 1)]);
    package_text(&presentation, &[4, 2, 2, 1]);
}

/// The same of TTML: a file for itself, documents that are joined; pictures are
/// left out.
#[tokio::test]
async fn documents_are_packaged_in_every_form() {
    let root = root_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata"));
    let limits = IngestLimits { max_segments: 100, ..LIMITS };
    let ingested = ingest(root, "ttml/master.m3u8", limits, |_| {}).await.unwrap();
    let findings = ingested.report.findings.iter();
    let codes: Vec<FindingCode> = findings.clone().map(|one| one.code).collect();
    assert!(codes.contains(&FindingCode::CuesBroken), "{codes:?}");
    let left_out = findings.filter(|one| one.code == FindingCode::TextLeftOut);
    let left_out: Vec<&str> = left_out.map(|one| one.detail.as_str()).collect();
    assert!(left_out.len() == 1 && left_out[0].contains("images"), "{left_out:?}");
    let presentation = Arc::new(ingested.presentation);
    let told = presentation.texts.iter();
    let told: Vec<_> = told.map(|text| (&*text.description.name, text.ttml.is_some())).collect();
    assert_eq!(told, [("English", true), ("Deutsch", true), ("Signs", true)]);
    package_text(&presentation, &[6, 4, 1]);
}

fn package_text(presentation: &Arc<Presentation>, expected: &[usize]) {
    for (package_type, dash_subtitles) in [
        (PackageType::Hls, DashSubtitles::Wvtt),
        (PackageType::HlsCmaf, DashSubtitles::Wvtt),
        (PackageType::Dash, DashSubtitles::Wvtt),
        (PackageType::Dash, DashSubtitles::Sidecar),
    ] {
        let configuration = Configuration {
            name: Name::new("test").unwrap(),
            package_type,
            segment_duration: SegmentDuration::new(4).unwrap(),
            manifest_name: Name::default_manifest(),
            stream_selection: StreamSelection::default(),
            filter: None,
            encryption: None,
            on_source_error: Default::default(),
            audio_layout: Default::default(),
            dash_subtitles,
            program_date_time: Default::default(),
            mpd: Default::default(),
            trick_play: Default::default(),
        };
        let packaging = Packaging::new(presentation.clone(), "1", &configuration, None).unwrap();
        let mut cues = BTreeMap::<usize, BTreeSet<String>>::new();
        for target in packaging.targets() {
            let plan = match target {
                Target::Text { rendition, period, time, form } => {
                    packaging.text(rendition, period, time, form)
                }
                Target::PeriodText { rendition, period, format } => {
                    packaging.whole_text(rendition, period, format)
                }
                _ => continue,
            };
            let plan = plan.unwrap();
            let rendered = super::text(&plan).unwrap();
            assert_eq!(rendered.bytes.len() as u64, plan.bytes);
            let seen = cues.entry(plan.rendition.stream).or_default();
            match rendered.content_type {
                "text/vtt" => {
                    let file = webvtt::read(&rendered.bytes).unwrap();
                    seen.extend(file.cues.into_iter().map(|cue| cue.payload));
                }
                "application/ttml+xml" => {
                    let document = ttml::read(&rendered.bytes, Ids::Kept).unwrap();
                    seen.extend(document.cues.into_iter().map(|cue| cue.payload));
                }
                _ if plan.format == TextFormat::Imsc => {
                    let at = rendered.bytes.windows(5).position(|part| part == b"<?xml").unwrap();
                    let document = ttml::read(&rendered.bytes[at..], Ids::Kept).unwrap();
                    seen.extend(document.cues.into_iter().map(|cue| cue.payload));
                }
                _ => seen.extend(plan.cues().iter().map(|(_, cue)| cue.payload.clone())),
            }
        }
        let counts: Vec<usize> = cues.values().map(BTreeSet::len).collect();
        assert_eq!(counts, expected, "{package_type:?} {dash_subtitles:?}");
    }
}
