use std::sync::atomic::{AtomicUsize, Ordering};

use zeroize::Zeroizing;

use super::super::tests::{avc, configuration, encrypting, track};
use super::*;
use crate::model::codec::{AacConfig, AacExtension, CodecConfig, StreamSyntax};
use crate::model::groups::{Groups, Outline, PackedGroups};
use crate::model::policy::{AudioLayout, Configuration, PackageType};
use crate::model::presentation::{Group, Period, Stream, StreamPeriod, StreamRole};
use crate::model::protection::{
    ContentKey, KeyId, KeyRule, KeySet, ProtectionScheme, RuleKey, TrackType,
};
use crate::model::sample::RandomAccess;
use crate::plan::Target;

/// Groups of two seconds from `from` on, 90 kHz; some cannot be begun with.
fn groups(from: i64, count: i64, closed_every: i64) -> Vec<Group> {
    let group = |index: i64| Group {
        time: Ticks(from + index * 180_000),
        samples: 50 + (index % 3) as u32,
        payload_bytes: 1_000 + index as u32 * 7,
        ts_payload_packets: 10 + (index % 5) as u32,
        ts_clock_packets: (index % 2) as u32,
        access: match index % closed_every {
            1 => RandomAccess::None,
            _ => RandomAccess::Instant,
        },
        ..Group::default()
    };
    (0..count).map(group).collect()
}

/// What of an index is unpacked.
#[derive(Clone, Default)]
struct Unpacked {
    outlines: Arc<AtomicUsize>,
    blocks: Arc<AtomicUsize>,
}

impl Unpacked {
    fn pack(&self, groups: Vec<Group>) -> Groups {
        Groups::packed(groups.len(), Counted { groups, counts: self.clone() })
    }

    fn counts(&self) -> (usize, usize) {
        (self.outlines.load(Ordering::Relaxed), self.blocks.load(Ordering::Relaxed))
    }
}

struct Counted {
    groups: Vec<Group>,
    counts: Unpacked,
}

impl PackedGroups for Counted {
    fn outline(&self) -> Outline {
        self.counts.outlines.fetch_add(1, Ordering::Relaxed);
        Outline::of(&self.groups)
    }

    fn block(&self, block: usize, _: &Outline, groups: &mut Vec<Group>) {
        self.counts.blocks.fetch_add(1, Ordering::Relaxed);
        let own = self.groups.chunks(Groups::BLOCK).nth(block);
        groups.extend_from_slice(own.unwrap_or_default());
    }
}

fn sound() -> Track {
    let codec = AacConfig {
        object_type: 2,
        sampling_frequency: 48_000,
        frequency_index: 3,
        channel_configuration: 2,
        extension: AacExtension::None,
    };
    track(CodecConfig::Aac(codec), StreamSyntax::Adts)
}

/// Two periods of so many groups. The second stream is not in the first of them, and the third has
/// no pictures.
fn title(count: i64) -> (Arc<Presentation>, [Unpacked; 3]) {
    let unpacked: [Unpacked; 3] = Default::default();
    let length = count * 180_000;
    let period = |stream: usize, period: i64| {
        let from = period * length;
        let placed = |track: Track, delay| Track {
            groups: unpacked[stream].pack(groups(from + delay, count, 4 + stream as i64)),
            end: Ticks(from + length),
            ..track
        };
        let is_there = stream != 1 || period == 1;
        StreamPeriod {
            video: (is_there && stream != 2).then(|| placed(avc(640), 0)),
            audio: is_there.then(|| placed(sound(), 700)),
        }
    };
    let stream = |index: usize| Stream {
        uri: format!("{index}.m3u8"),
        role: StreamRole::variant(),
        declared_bandwidth: 1,
        audio_identity: Some([index as u8; 32]),
        periods: vec![period(index, 0), period(index, 1)],
        ..Stream::default()
    };
    let duration = Ticks(length);
    let presentation = Presentation {
        periods: vec![
            Period { start: Ticks::ZERO, duration },
            Period { start: duration, duration },
        ],
        streams: (0..3).map(stream).collect(),
        ..Presentation::default()
    };
    (Arc::new(presentation), unpacked)
}

fn keys(scheme: ProtectionScheme) -> Arc<KeySet> {
    let iv = (scheme == ProtectionScheme::Cbcs).then_some([3; 16]);
    let key = ContentKey::new(KeyId([1; 16]), Zeroizing::new([2; 16]), iv);
    let rule = KeyRule { track_type: TrackType::All, maximum: None };
    let signalling = Arc::default();
    Arc::new(KeySet { scheme, keys: vec![RuleKey { rule, key: Arc::new(key), signalling }] })
}

/// All ways of packaging that differ in what segments there are or how they are encrypted.
fn ways() -> Vec<(Configuration, Option<Arc<KeySet>>)> {
    use PackageType::{Dash, Hls, HlsCmaf};
    use ProtectionScheme::{Cbcs, Cenc, HlsAes128, HlsSampleAes};
    let mut ways: Vec<_> = [Dash, HlsCmaf, Hls].map(|to| (configuration(to), None)).into();
    let apart = Configuration { audio_layout: AudioLayout::Separate, ..configuration(Hls) };
    ways.push((apart, None));
    for (to, scheme) in [(Dash, Cenc), (HlsCmaf, Cbcs), (Hls, HlsAes128), (Hls, HlsSampleAes)] {
        for lead in [0, 200] {
            let mut way = encrypting(to, scheme);
            way.encryption.as_mut().unwrap().clear_lead_segments = lead;
            ways.push((way, Some(keys(scheme))));
        }
    }
    ways
}

#[test]
fn names_are_those_of_manifests() {
    let (presentation, _) = title(300);
    for (configuration, keys) in ways() {
        let plan =
            || Packaging::new(presentation.clone(), "1", &configuration, keys.clone()).unwrap();
        let (whole, alone) = (plan(), plan());
        let kinds = [RenditionKind::Video, RenditionKind::Audio, RenditionKind::Muxed];
        let ids = kinds
            .into_iter()
            .flat_map(|kind| (0..4).map(move |stream| RenditionId { kind, stream }));
        let mut found = 0;
        for (id, period) in ids.flat_map(|id| [(id, 0), (id, 1), (id, 2)]) {
            let listed = whole.manifest().rendition(id, period);
            let times = listed.map(|rendition| -> Vec<Ticks> {
                rendition.segments.iter().map(|segment| segment.time).collect()
            });
            assert_eq!(alone.names(id, period), times.as_deref(), "{id} in {period}");
            let protection = listed.and_then(|rendition| rendition.protection.clone());
            assert_eq!(alone.rendition_protection(id, period), protection, "{id} in {period}");
            let init = Target::Init { rendition: id, period };
            assert_eq!(alone.lists(&init), listed.is_some_and(|listed| listed.init.is_some()));
            for segment in listed.iter().flat_map(|listed| &*listed.segments) {
                let plan = alone.segment(id, period, segment.time).unwrap();
                // With SAMPLE-AES manifests say what is to be expected, too.
                assert_eq!(plan.bytes, segment.bytes, "{id} in {period}");
                let target = Target::Segment { rendition: id, period, time: segment.time };
                assert!(alone.lists(&target));
                found += 1;
            }
            assert!(!alone.lists(&Target::Segment { rendition: id, period, time: Ticks(1) }));
        }
        assert!(found > 100, "{found} segments");
        assert!(alone.manifest.get().is_none(), "a segment needs no manifest");
    }
}

/// However long the title is: the blocks that a segment lies in and begins in the middle of, and of
/// other streams no more than where they can be cut.
#[test]
fn a_segment_unpacks_what_it_needs() {
    for count in [300, 3_600] {
        for (configuration, keys) in ways() {
            let (presentation, unpacked) = title(count);
            let packaging = Packaging::new(presentation, "1", &configuration, keys).unwrap();
            let kind =
                match packaging.lead(RenditionId { kind: RenditionKind::Video, stream: 0 }, 0) {
                    Some(_) => RenditionKind::Video,
                    None => RenditionKind::Muxed,
                };
            let id = RenditionId { kind, stream: 0 };
            let planned: Vec<(usize, usize)> = unpacked.iter().map(Unpacked::counts).collect();
            assert!(planned.iter().all(|(_, blocks)| *blocks == 0), "{planned:?}");
            let names = packaging.names(id, 1).unwrap();
            let time = names[names.len() / 2];
            packaging.segment(id, 1, time).unwrap();
            let [own, others @ ..] = &unpacked;
            // Of each track: the one or two that it lies in, and that in which it begins, to count
            // what is before.
            let most = media_of(kind).len() * 4;
            let blocks = own.counts().1;
            assert!((1..=most).contains(&blocks), "{blocks} blocks of {count} groups");
            assert!(others.iter().all(|other| other.counts().1 == 0), "of other streams none");
        }
    }
}
