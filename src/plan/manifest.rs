//! Resolves what a manifest shows: sets, renditions, names, segments with exact sizes, bandwidths.

use std::ops::Range;
use std::sync::Arc;

use super::bandwidth::Rates;
use super::protection::{Protection, SegmentProtection};
use super::remeasure::longest_segment;
use super::segmentation::Segmentation;
use super::sound::Offering;
use super::text::{self, TextForm};
use super::{Fingerprint, INIT_NAME, captions, metadata, session, set_number, trick};
use crate::cenc::aes128;
use crate::model::codec::CodecConfig;
use crate::model::description::Description;
use crate::model::groups::Sums;
use crate::model::manifest::{
    AdaptationSet, Healing, Manifest, ManifestPeriod, ManifestRendition, ManifestSegment, Offer,
    RenditionId, RenditionKind, RenditionProtection,
};
use crate::model::mpd::MpdOptions;
use crate::model::policy::{Container, ProgramDateTime, SegmentDuration, TrickPlay};
use crate::model::presentation::{Group, Medium, Presentation, Track};
use crate::model::protection::ProtectionScheme;
use crate::model::sample::{FragmentLayout, transport};
use crate::model::session::OfferedSession;
use crate::model::wall_clock::Dates;
use crate::time::{Ticks, Timescale};

/// Frame rates in use; a measured one this close to one of them is taken to be it.
const FRAME_RATES: [(u32, u32); 12] = [
    (10, 1),
    (12, 1),
    (15, 1),
    (24_000, 1_001),
    (24, 1),
    (25, 1),
    (30_000, 1_001),
    (30, 1),
    (50, 1),
    (60_000, 1_001),
    (60, 1),
    (120, 1),
];
/// 23.976 and 24 are a thousandth apart.
const FRAME_RATE_TOLERANCE_PARTS: u64 = 2_500;

/// What a manifest is made from.
pub(super) struct Resolver<'a> {
    pub presentation: &'a Presentation,
    pub segmentation: &'a Segmentation,
    pub offering: &'a Offering,
    pub container: Container,
    pub text_form: TextForm,
    pub protection: Option<&'a Protection>,
    pub segments: &'a Fingerprint,
    pub playlists: &'a Fingerprint,
    pub trick_play: &'a TrickPlay,
    pub mpd: MpdOptions,
    pub segment_duration: SegmentDuration,
    pub program_date_time: ProgramDateTime,
}

impl Resolver<'_> {
    pub fn manifest(&self) -> Manifest {
        let first_start = self.presentation.periods.first().map_or(Ticks::ZERO, |p| p.start);
        let mut periods: Vec<ManifestPeriod> = Vec::with_capacity(self.presentation.periods.len());
        for (index, period) in self.presentation.periods.iter().enumerate() {
            let sets = self.sets(index, &periods);
            periods.push(ManifestPeriod {
                start: period.start.minus(first_start),
                duration: period.duration,
                sets,
            });
        }
        let mut manifest = Manifest {
            duration: self.presentation.duration(),
            longest_segment: longest_segment(&periods),
            periods,
            offers: Vec::new(),
            trick_offers: Vec::new(),
            audio_groups: self.offering.groups.clone(),
            texts: self.texts().collect(),
            captions: captions::offered(self.presentation, &self.shown()),
            markers: self.presentation.markers.clone().into(),
            dates: self.dates(first_start),
            origin: first_start,
            mpd: self.mpd,
            playlist_directory: format!("../{}", self.playlists),
            session: OfferedSession::default(),
            clip: None,
        };
        manifest.offers = self.offers(&manifest);
        manifest.trick_offers = trick::offers(&manifest, self.trick_play);
        manifest.session = session::offered(self.presentation, &manifest, self.playlists);
        manifest
    }

    /// The dates, where they are wanted and the source names some, and where playlists need them to
    /// place markers. `start` is when the title starts.
    fn dates(&self, start: Ticks) -> Option<Arc<Dates>> {
        let clock = &self.presentation.wall_clock;
        let is_wanted = self.program_date_time == ProgramDateTime::FromSource;
        let has_markers = !self.presentation.markers.is_empty();
        (has_markers || is_wanted && clock.is_known())
            .then(|| Arc::new(Dates { clock: clock.clone(), start }))
    }

    /// The streams that offers show.
    fn shown(&self) -> Vec<usize> {
        self.offering.offers.iter().map(|(main, _)| main.stream).collect()
    }

    fn sets(&self, period: usize, earlier: &[ManifestPeriod]) -> Vec<AdaptationSet> {
        let mut ids = self.offering.renditions();
        ids.sort_by_key(|id| id.kind == RenditionKind::Audio);
        let aligned =
            self.segmentation.periods().get(period).is_none_or(|segmentation| segmentation.aligned);
        let mut sets: Vec<AdaptationSet> = Vec::new();
        for id in ids.into_iter().chain(self.texts()) {
            let Some(rendition) = self.rendition(id, period, earlier) else { continue };
            let fitting = sets.iter_mut().find(|set| {
                set.kind == id.kind
                    && set.renditions.first().is_some_and(|first| {
                        switchable(first, &rendition) && same_key(first, &rendition)
                    })
            });
            match fitting {
                Some(set) => set.renditions.push(rendition),
                None => sets.push(AdaptationSet {
                    number: set_number::of_set(self, &rendition, period),
                    kind: id.kind,
                    aligned,
                    continues: false,
                    renditions: vec![rendition],
                    switchable_with: Vec::new(),
                    trick_of: None,
                    is_hidden: false,
                }),
            }
        }
        let links: Vec<Vec<usize>> = sets.iter().map(|set| linked(set, &sets)).collect();
        for (set, switchable_with) in sets.iter_mut().zip(links) {
            set.switchable_with = switchable_with;
        }
        sets.extend(trick::sets(self, &sets, period, earlier));
        for (index, set) in sets.iter_mut().enumerate() {
            let other = earlier.last().and_then(|before| before.sets.get(index));
            set.continues = other.is_some_and(|other| continues(other, set));
        }
        sets
    }

    fn rendition(
        &self,
        id: RenditionId,
        period: usize,
        earlier: &[ManifestPeriod],
    ) -> Option<ManifestRendition> {
        let track = |medium| self.presentation.track(id.stream, period, medium);
        if id.kind == RenditionKind::Text {
            return self.text(id, period);
        }
        let (video, audio) = match id.kind {
            RenditionKind::Video => (track(Medium::Video), None),
            RenditionKind::Audio => (None, track(Medium::Audio)),
            RenditionKind::Muxed => (track(Medium::Video), track(Medium::Audio)),
            RenditionKind::Text => (None, None),
            RenditionKind::Trick => return trick::rendition(self, id, period, earlier),
        };
        let lead = video.or(audio)?;
        let counts = || earlier.iter().map(|period| period.segments_of(id));
        // A playlist has one entry for a period that the rendition is not in.
        let first_number = counts().map(|count| count.unwrap_or(1) as u64).sum();
        let protection = self.protection.and_then(|protection| {
            protection.of_rendition(lead, counts().sum::<Option<usize>>(), first_number)
        });
        let ranges = self.segmentation.group_ranges(lead, period, id.stream);
        let access_type = access_type(lead, &ranges);
        let segments = match self.container {
            Container::Cmaf => self.fragments(lead, ranges, id, period, protection.as_deref()),
            Container::MpegTs => {
                self.transport_segments(lead, ranges, audio, id, period, protection.as_deref())
            }
        };
        let mut rates = Rates::default();
        rates.add(&segments, lead.timescale);
        let start = self.presentation.periods.get(period)?.start;
        let is_cmaf = self.container == Container::Cmaf;
        Some(ManifestRendition {
            id,
            description: self.description(id),
            codecs: [video, audio].into_iter().flatten().map(|track| track.codec.clone()).collect(),
            text: None,
            frame_rate: video.map(frame_rate),
            max_playout_rate: None,
            peak_bandwidth: rates.peak(),
            average_bandwidth: rates.average(),
            timescale: lead.timescale,
            presentation_time_offset: start.rescale(Timescale::MPEG, lead.timescale),
            directory: format!("../{}/{id}/{period}", self.segments),
            init: is_cmaf.then_some(INIT_NAME),
            extension: if is_cmaf { "m4s" } else { "ts" },
            segments_before: 0,
            constant_duration: self.constant_duration(&segments, lead.timescale),
            segments: segments.into(),
            protection,
            has_tags: !metadata::carried(self.presentation, id).is_empty(),
            access_type,
        })
    }

    /// The subtitles, in the order of the source.
    fn texts(&self) -> impl Iterator<Item = RenditionId> + use<> {
        let kind = RenditionKind::Text;
        (0..self.presentation.texts.len()).map(move |stream| RenditionId { kind, stream })
    }

    fn text(&self, id: RenditionId, period: usize) -> Option<ManifestRendition> {
        let stream = self.presentation.texts.get(id.stream)?;
        let format = stream.format();
        let (form, container) = (self.text_form, self.container);
        let segments =
            text::segments(self.presentation, self.segmentation, stream, period, container, form);
        if segments.is_empty() {
            return None;
        }
        let mut rates = Rates::default();
        rates.add(&segments, text::TIMESCALE);
        Some(ManifestRendition {
            id,
            description: text::descriptions(self.presentation).get(id.stream).cloned(),
            codecs: Vec::new(),
            text: Some(format),
            frame_rate: None,
            peak_bandwidth: rates.peak(),
            average_bandwidth: rates.average(),
            timescale: text::TIMESCALE,
            presentation_time_offset: self.presentation.periods.get(period)?.start,
            directory: format!("../{}/{id}/{period}", self.segments),
            init: (form == TextForm::Fragments).then_some(INIT_NAME),
            extension: form.extension(format),
            segments_before: 0,
            constant_duration: None,
            segments: segments.into(),
            protection: None,
            access_type: 1,
            has_tags: false,
            max_playout_rate: None,
        })
    }

    /// The wished-for duration, where one duration can stand for all: each segment begins less than
    /// half of it from its multiple (DASH-IF IOP 4.3 3.2.7.1), and there are as many as the period
    /// has multiples.
    fn constant_duration(
        &self,
        segments: &[ManifestSegment],
        timescale: Timescale,
    ) -> Option<Ticks> {
        let [period] = &self.presentation.periods[..] else { return None };
        let wished = i64::from(self.segment_duration.seconds()) * i64::from(timescale.hertz());
        let first = segments.first()?;
        let is_near = |(index, segment): (usize, &ManifestSegment)| {
            let ideal = first.time.0 + wished * index as i64;
            (segment.time.0 - ideal).abs() * 2 < wished
        };
        let length = period.duration.rescale(Timescale::MPEG, timescale).0;
        let count = (length + wished - 1) / wished;
        let fits = usize::try_from(count) == Ok(segments.len())
            && segments.iter().enumerate().all(is_near);
        fits.then_some(Ticks(wished))
    }

    fn fragments(
        &self,
        track: &Track,
        ranges: Vec<Range<usize>>,
        id: RenditionId,
        period: usize,
        protection: Option<&RenditionProtection>,
    ) -> Vec<ManifestSegment> {
        let mut segments = Vec::with_capacity(ranges.len());
        let ranges = ranges.into_iter().filter(|range| !range.is_empty());
        segments.extend(ranges.enumerate().filter_map(|(index, range)| {
            let groups = track.groups.get(range.clone())?;
            let layout = fragment_layout(track, groups, protection, index);
            let tags = self.tag_bytes(id, period, track, &range);
            let bytes = layout.header_bytes() + tags + payload_bytes(groups);
            manifest_segment(track, range, bytes)
        }));
        segments
    }

    fn transport_segments(
        &self,
        lead: &Track,
        leads: Vec<Range<usize>>,
        audio: Option<&Track>,
        id: RenditionId,
        period: usize,
        protection: Option<&RenditionProtection>,
    ) -> Vec<ManifestSegment> {
        let others = audio.filter(|audio| !std::ptr::eq(*audio, lead));
        let mut sounds = others
            .map(|audio| self.segmentation.group_ranges(audio, period, id.stream))
            .unwrap_or_default()
            .into_iter();
        leads
            .into_iter()
            .map(|range| (range, sounds.next()))
            .filter(|(range, _)| !range.is_empty())
            .enumerate()
            .filter_map(|(index, (range, sound))| {
                let groups = lead.groups.get(range.clone())?;
                let sound_groups = others.zip(sound).and_then(|(audio, r)| audio.groups.get(r));
                let clear = transport_bytes(groups, sound_groups.unwrap_or_default())
                    + self.tag_bytes(id, period, lead, &range);
                let bytes = match protection.filter(|p| index >= p.clear_segments) {
                    Some(protection) => encrypted_transport_bytes(protection.scheme, clear),
                    None => clear,
                };
                manifest_segment(lead, range, bytes)
            })
            .collect()
    }

    /// What the ID3 tags of a segment add to it.
    fn tag_bytes(
        &self,
        id: RenditionId,
        period: usize,
        lead: &Track,
        groups: &Range<usize>,
    ) -> u64 {
        let tags = metadata::carried(self.presentation, id);
        let range = metadata::of_segment(tags, period, lead, groups);
        metadata::bytes(tags.get(range).unwrap_or_default(), self.container)
    }

    /// What people are told of sound with segments of its own.
    fn description(&self, id: RenditionId) -> Option<Arc<Description>> {
        let stream = self.presentation.streams.get(id.stream)?;
        let is_sound = id.kind == RenditionKind::Audio;
        stream.role.description().filter(|_| is_sound).map(|words| Arc::new(words.clone()))
    }

    fn offers(&self, manifest: &Manifest) -> Vec<Offer> {
        let offers = self.offering.offers.iter();
        offers.map(|&(main, audio)| offer(manifest, main, audio, self.container)).collect()
    }
}

/// What is shown with a group of the manifest's, and what both need together.
pub(super) fn offer(
    manifest: &Manifest,
    main: RenditionId,
    audio: Option<usize>,
    container: Container,
) -> Offer {
    let group = audio.and_then(|place| manifest.audio_groups.get(place));
    let members = group.map_or(&[][..], |group| &group.members);
    let mut codecs: Vec<String> = Vec::new();
    let (mut peak_bandwidth, mut average_bandwidth) =
        rates_of(manifest, main, container, &mut codecs);
    // What plays together needs the sum of the peaks; of the sound and of the text one is
    // played at a time (RFC 8216 4.3.4.2).
    let sounds = members.iter().filter_map(|member| member.rendition).filter(|id| *id != main);
    let sounds: Vec<(u64, u64)> =
        sounds.map(|id| rates_of(manifest, id, container, &mut codecs)).collect();
    peak_bandwidth += sounds.iter().map(|(peak, _)| *peak).max().unwrap_or(0);
    average_bandwidth += sounds.iter().map(|(_, average)| *average).max().unwrap_or(0);
    let texts = manifest.texts.iter();
    let texts: Vec<(u64, u64)> =
        texts.map(|id| rates_of(manifest, *id, container, &mut codecs)).collect();
    peak_bandwidth += texts.iter().map(|(peak, _)| *peak).max().unwrap_or(0);
    average_bandwidth += texts.iter().map(|(_, average)| *average).max().unwrap_or(0);
    Offer { main, audio, codecs, peak_bandwidth, average_bandwidth }
}

/// Peak and average bit rate of a rendition over all periods; adds its codecs.
fn rates_of(
    manifest: &Manifest,
    id: RenditionId,
    container: Container,
    codecs: &mut Vec<String>,
) -> (u64, u64) {
    let mut rates = Rates::default();
    for period in 0..manifest.periods.len() {
        let Some(rendition) = manifest.rendition(id, period) else { continue };
        rates.add(&*rendition.segments, rendition.timescale);
        let words = |codec: &CodecConfig| codec.rfc6381_in(container);
        // Fragments of text are named, files are not (RFC 8216bis 4.4.6.2, Apple's HLS authoring
        // specification on IMSC1).
        let text = rendition.text.filter(|_| rendition.init.is_some());
        let text = text.map(|format| format.codecs().to_owned());
        for codec in rendition.codecs.iter().map(words).chain(text) {
            if !codecs.contains(&codec) {
                codecs.push(codec);
            }
        }
    }
    (rates.peak(), rates.average())
}

/// The worst access point that a segment over one of these groups begins with.
fn access_type(lead: &Track, ranges: &[Range<usize>]) -> u8 {
    let firsts = ranges.iter().filter(|range| !range.is_empty());
    let firsts = firsts.filter_map(|range| lead.groups.get(range.start));
    firsts.map(Group::access_type).max().unwrap_or(1)
}

/// The segment over a range of groups.
fn manifest_segment(track: &Track, range: Range<usize>, bytes: u64) -> Option<ManifestSegment> {
    let time = track.groups.get(range.start)?.time;
    let end = track.group_end(range.end - 1);
    Some(ManifestSegment { time, duration: end.minus(time), bytes, healing: Healing::None })
}

/// Which fields the fragment over some groups needs, as segment number `index` of its period.
pub(super) fn fragment_layout(
    track: &Track,
    groups: &[Group],
    protection: Option<&RenditionProtection>,
    index: usize,
) -> FragmentLayout {
    let encrypted = protection.filter(|protection| index >= protection.clear_segments);
    let first = groups.first().and_then(|group| group.uniform_duration);
    let agree = groups.iter().all(|group| group.uniform_duration == first);
    FragmentLayout {
        samples: groups.iter().map(|group| group.samples).sum(),
        uniform_duration: first.filter(|_| agree),
        video: track.codec.medium() == Medium::Video,
        protection: encrypted.and_then(|protection| {
            SegmentProtection::of_fragment(protection.scheme, track, groups)
        }),
        clear_lead: protection.is_some() && encrypted.is_none(),
    }
}

/// Bytes of the samples of some groups.
pub(super) fn payload_bytes(groups: &[Group]) -> u64 {
    groups.iter().map(|group| u64::from(group.payload_bytes)).sum()
}

/// Bytes of a transport stream segment over some groups of the track that carries the clock, and
/// some runs of sound beside it.
pub(super) fn transport_bytes(lead: &[Group], audio: &[Group]) -> u64 {
    let packets = |group: &Group| u64::from(group.ts_payload_packets);
    let clock = |group: &Group| u64::from(group.ts_clock_packets);
    let leading: u64 = lead.iter().map(|group| packets(group) + clock(group)).sum();
    let beside: u64 = audio.iter().map(packets).sum();
    (transport::TABLE_PACKETS + leading + beside) * transport::PACKET_BYTES
}

/// Packets with payload that groups take of the track of a medium, where `lead` carries the clock.
pub(super) fn payload_packets(groups: Sums, medium: Medium, lead: Medium) -> u64 {
    let has_clock = medium == Medium::Audio && lead == Medium::Audio;
    groups.payload_packets + if has_clock { groups.clock_packets } else { 0 }
}

/// What encryption makes of a transport stream segment of `clear` bytes: exact for AES-128, which
/// pads; for SAMPLE-AES with room for the packets that escaping may add, which come by sixteens.
pub(super) fn encrypted_transport_bytes(scheme: ProtectionScheme, clear: u64) -> u64 {
    match scheme {
        ProtectionScheme::HlsAes128 => aes128::encrypted_len(clear),
        ProtectionScheme::HlsSampleAes => clear + 16 * transport::PACKET_BYTES,
        ProtectionScheme::Cenc | ProtectionScheme::Cbcs => clear,
    }
}

/// Whether one key serves both, or both are clear.
fn same_key(a: &ManifestRendition, b: &ManifestRendition) -> bool {
    let key = |rendition: &ManifestRendition| {
        rendition.protection.as_ref().map(|protection| (protection.key_id, protection.scheme))
    };
    key(a) == key(b)
}

/// The places of the sets that differ from this one in the key alone.
fn linked(set: &AdaptationSet, sets: &[AdaptationSet]) -> Vec<usize> {
    let Some(first) = set.renditions.first() else { return Vec::new() };
    let others = sets.iter().enumerate().filter(|(_, other)| {
        other.kind == set.kind
            && other
                .renditions
                .first()
                .is_some_and(|other| switchable(first, other) && !same_key(first, other))
    });
    others.map(|(index, _)| index).collect()
}

/// Whether players can switch between two renditions of one kind: pictures of one codec and dynamic
/// range, sound where the decoder and its output stay the same.
fn switchable(a: &ManifestRendition, b: &ManifestRendition) -> bool {
    match (a.codecs.first(), b.codecs.first()) {
        (Some(one), Some(other)) => {
            is_one_switching_set((one, a.description.as_deref()), (other, b.description.as_deref()))
        }
        _ => false,
    }
}

/// The same by what decides it: the codecs and what people are told.
pub(super) fn is_one_switching_set(
    (a, a_words): (&CodecConfig, Option<&Description>),
    (b, b_words): (&CodecConfig, Option<&Description>),
) -> bool {
    match (a, b) {
        (CodecConfig::Avc(a), CodecConfig::Avc(b)) => {
            a.picture.video_range() == b.picture.video_range()
        }
        (CodecConfig::Hevc(a), CodecConfig::Hevc(b)) => {
            a.picture.video_range() == b.picture.video_range()
        }
        (a, b) => a.medium() == Medium::Audio && a == b && a_words == b_words,
    }
}

/// Whether a set goes on where one of the period before ended, without setting up decoders anew
/// (ISO/IEC 23009-1:2022 5.3.2.4: same initialization segments).
fn continues(before: &AdaptationSet, set: &AdaptationSet) -> bool {
    before.kind == set.kind
        && before.number == set.number
        && before.trick_of == set.trick_of
        && before.renditions.len() == set.renditions.len()
        && before.renditions.iter().zip(&set.renditions).all(|(before, after)| {
            before.id == after.id
                && same_key(before, after)
                && before.timescale == after.timescale
                && before.codecs.len() == after.codecs.len()
                && before.codecs.iter().zip(&after.codecs).all(|(a, b)| a == b)
        })
}

/// Pictures per second: the usual rate that is nearest to what was measured, or the measured one.
fn frame_rate(track: &Track) -> (u32, u32) {
    let (samples, span) = track.typical_group().unwrap_or((1, Ticks(1)));
    let span = u64::try_from(span.0).unwrap_or(0).max(1);
    let hertz = u64::from(track.timescale.hertz());
    // measured = samples × hertz ÷ span; compare as products.
    let usual = FRAME_RATES.into_iter().find(|&(frames, seconds)| {
        let measured = u128::from(samples) * u128::from(hertz) * u128::from(seconds);
        let candidate = u128::from(frames) * u128::from(span);
        measured.abs_diff(candidate) * u128::from(FRAME_RATE_TOLERANCE_PARTS) <= candidate
    });
    usual.unwrap_or_else(|| fraction(track.timescale.hertz(), track.sample_duration.max(1)))
}

/// A fraction in lowest terms.
pub(super) fn fraction(a: u32, b: u32) -> (u32, u32) {
    let divisor = greatest_common_divisor(a, b).max(1);
    (a / divisor, b / divisor)
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}
