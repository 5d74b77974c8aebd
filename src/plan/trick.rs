//! Trick play: what players show while somebody winds or scrubs. Of a rendition's pictures those
//! that can be decoded alone (I-frames), each as a segment of its own.
//!
//! ```text
//! pictures    I B P B P B P │ I B P …          │ gradual refresh … │ I B P …
//! segments    I ─────────── │ I ────────────────────────────────── │ I ─────
//! ```
//!
//! A segment is named by the time at which its picture is shown and lasts until the next one is
//! (RFC 8216 4.3.3.6), the last until the end of the track. Where a track begins with leading
//! pictures, the first segment begins with the track, so that all renditions do; where it begins
//! with pictures that cannot be decoded alone, it begins with a gap.
//!
//! These are pictures of the ordinary segments, so they have their numbers for the IVs of `cenc`
//! and the same key. All of them are encrypted: of what a clear lead leaves clear, they give away
//! nothing that is not shown, and a picture that is encrypted there must not be clear here.
//!
//! Which of them manifests name is a setting. Their URLs answer all the same, because they are
//! shared with configurations that have another one.

use std::sync::Arc;

use super::bandwidth::Rates;
use super::manifest::{Resolver, fraction, fragment_layout, payload_bytes, transport_bytes};
use super::protection::Protection;
use super::segment::TrackPart;
use super::{INIT_NAME, Packaging, SegmentPlan, set_number};
use crate::cenc::aes128;
use crate::model::codec::CodecConfig;
use crate::model::manifest::{
    AdaptationSet, Healing, Manifest, ManifestPeriod, ManifestRendition, ManifestSegment, Offer,
    RenditionId, RenditionKind, RenditionProtection,
};
use crate::model::policy::{Container, TrickPlay};
use crate::model::presentation::{Group, Medium, SourcePosition, StillPicture, Track};
use crate::model::protection::ProtectionScheme;
use crate::model::sample::transport;
use crate::time::{Ticks, Timescale};

/// A picture that is a segment of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Still {
    /// The place in the track of the group that it begins.
    pub group: usize,
    /// What ingest knows of it.
    pub picture: StillPicture,
    /// When its segment begins.
    time: Ticks,
    /// How much later it is shown.
    lead: i64,
    /// When its segment ends.
    end: Ticks,
}

impl Still {
    fn duration(&self) -> Ticks {
        self.end.minus(self.time)
    }

    /// A track that has this picture and nothing else.
    fn alone(&self, track: &Track) -> Option<Track> {
        Some(Track {
            // Nothing is decoded before it.
            transport_delay: 0,
            codec: track.codec.clone(),
            groups: vec![self.group_alone(track)?].into(),
            end: self.end,
            ..*track
        })
    }

    /// The one group of that track.
    fn group_alone(&self, track: &Track) -> Option<Group> {
        let group = track.groups.get(self.group)?;
        let packets = match &track.codec {
            CodecConfig::Avc(config) => {
                let sets = config.byte_stream_bytes();
                transport::picture_packets(sets, self.picture.bytes, self.lead > 0)
            }
            // Nothing else is put into our transport streams.
            _ => 0,
        };
        Some(Group {
            end: self.picture.end,
            time: self.time,
            samples: 1,
            payload_bytes: self.picture.bytes,
            uniform_duration: u32::try_from(self.duration().0).ok(),
            ts_payload_packets: u32::try_from(packets).ok()?,
            // Nobody plays it beside something that would need the clock.
            ts_clock_packets: 0,
            subsamples: self.picture.subsamples,
            lead: self.lead,
            left_out: 0,
            undecodable: 0,
            ..*group
        })
    }
}

/// The pictures of a track that can be decoded alone, in order.
pub(super) fn stills(track: &Track) -> Vec<Still> {
    let mut stills: Vec<Still> = Vec::with_capacity(track.groups.len());
    let mut last = None;
    for (index, group) in track.groups.iter().enumerate() {
        let Some(picture) = group.still else { continue };
        // Where timestamps overlap with the group before, it is shown before its group begins; but
        // nothing is before the track.
        let lead = if index == 0 { group.lead.max(0) } else { group.lead };
        let shown = group.time.plus(Ticks(lead));
        // Whatever timestamps say, each is shown behind the one before.
        if last.is_some_and(|last| shown <= last) || shown >= track.end {
            continue;
        }
        last = Some(shown);
        if let Some(before) = stills.last_mut() {
            before.end = shown;
        }
        let (time, lead) = if index == 0 { (group.time, lead) } else { (shown, 0) };
        stills.push(Still { group: index, picture, time, lead, end: track.end });
    }
    stills
}

/// The times that name a track's segments, in order, and where in the source each one's picture
/// begins and ends.
pub(super) fn sources(track: &Track) -> Vec<(Ticks, SourcePosition, SourcePosition)> {
    let source = |still: &Still| {
        let group = track.groups.get(still.group)?;
        Some((still.time, group.start, still.picture.end))
    };
    stills(track).iter().filter_map(source).collect()
}

/// The sets of a period that belong to its sets of pictures: those that are named, then the others.
pub(super) fn sets(
    resolver: &Resolver<'_>,
    sets: &[AdaptationSet],
    period: usize,
    earlier: &[ManifestPeriod],
) -> Vec<AdaptationSet> {
    let sets_of = |is_hidden: bool| {
        let is_picture = |kind| matches!(kind, RenditionKind::Video | RenditionKind::Muxed);
        let pictures = sets.iter().enumerate().filter(move |(_, set)| is_picture(set.kind));
        pictures.filter_map(move |(place, set)| {
            let number = set_number::of_trick_play(set.number);
            let streams = set.renditions.iter().map(|rendition| rendition.id.stream);
            let streams = streams.filter(|stream| resolver.trick_play.offers(*stream) != is_hidden);
            let renditions: Vec<ManifestRendition> = streams
                .filter_map(|stream| {
                    let id = RenditionId { kind: RenditionKind::Trick, stream };
                    rendition(resolver, id, period, earlier)
                })
                .collect();
            let first = renditions.first()?;
            Some(AdaptationSet {
                number,
                kind: RenditionKind::Trick,
                aligned: renditions.iter().all(|other| same_times(first, other)),
                continues: false,
                renditions,
                switchable_with: Vec::new(),
                trick_of: Some(place),
                is_hidden,
            })
        })
    };
    sets_of(false).chain(sets_of(true)).collect()
}

/// Leaves out what is taken from pictures that are not there.
pub(super) fn keep_beside_pictures(sets: &mut [AdaptationSet]) {
    let streams: Vec<Vec<usize>> =
        sets.iter().map(|set| set.renditions.iter().map(|r| r.id.stream).collect()).collect();
    for set in sets {
        let Some(of) = set.trick_of.and_then(|place| streams.get(place)) else { continue };
        set.renditions.retain(|rendition| of.contains(&rendition.id.stream));
    }
}

fn same_times(a: &ManifestRendition, b: &ManifestRendition) -> bool {
    let times = |segment: &ManifestSegment| (segment.time, segment.duration);
    a.segments.iter().map(times).eq(b.segments.iter().map(times))
}

/// A rendition in one period; `None` where no picture can be decoded alone.
pub(super) fn rendition(
    resolver: &Resolver<'_>,
    id: RenditionId,
    period: usize,
    earlier: &[ManifestPeriod],
) -> Option<ManifestRendition> {
    let track = resolver.presentation.track(id.stream, period, Medium::Video)?;
    let stills = stills(track);
    let first = stills.first()?;
    let counts = earlier.iter().map(|period| period.segments_of(id).unwrap_or(1) as u64);
    let protection = resolver.protection.and_then(|protection| {
        of_rendition(protection, track, id.stream, counts.sum()).map(Arc::new)
    });
    let gap = ManifestSegment {
        time: track.start(),
        duration: first.time.minus(track.start()),
        bytes: 0,
        healing: Healing::Gap,
    };
    let mut segments = Vec::with_capacity(stills.len() + 1);
    segments.extend(Some(gap).filter(|gap| gap.duration > Ticks::ZERO));
    segments.extend(stills.iter().filter_map(|still| {
        let alone = still.group_alone(track)?;
        Some(ManifestSegment {
            time: still.time,
            duration: still.duration(),
            bytes: segment_bytes(track, &[alone], resolver.container, protection.as_deref()),
            healing: Healing::None,
        })
    }));
    let mut rates = Rates::default();
    add_rates(&mut rates, &segments, track.timescale);
    let start = resolver.presentation.periods.get(period)?.start;
    let is_cmaf = resolver.container == Container::Cmaf;
    let pictures: u64 = track.groups.iter().map(|group| u64::from(group.samples)).sum();
    let max_playout_rate = u32::try_from(pictures / stills.len() as u64).ok()?.max(1);
    Some(ManifestRendition {
        segments_before: 0,
        constant_duration: None,
        has_tags: false,
        id,
        description: None,
        codecs: vec![track.codec.clone()],
        frame_rate: usual_distance(&stills)
            .map(|distance| fraction(track.timescale.hertz(), distance)),
        max_playout_rate: Some(max_playout_rate),
        peak_bandwidth: rates.peak(),
        average_bandwidth: rates.average(),
        timescale: track.timescale,
        presentation_time_offset: start.rescale(Timescale::MPEG, track.timescale),
        directory: format!("../{}/{id}/{period}", resolver.segments),
        init: is_cmaf.then_some(INIT_NAME),
        extension: if is_cmaf { "m4s" } else { "ts" },
        segments: segments.into(),
        protection,
        text: None,
        access_type: 1,
    })
}

/// What is offered over all periods, in the order of what it belongs to.
pub(super) fn offers(manifest: &Manifest, trick_play: &TrickPlay) -> Vec<Offer> {
    let streams = manifest.offers.iter().map(|offer| offer.main.stream);
    offers_of(manifest, streams.filter(|stream| trick_play.offers(*stream)))
}

/// What is left of the offers of a manifest of which something was left out.
pub(super) fn offers_left(manifest: &Manifest) -> Vec<Offer> {
    offers_of(manifest, manifest.trick_offers.iter().map(|offer| offer.main.stream))
}

fn offers_of(manifest: &Manifest, streams: impl Iterator<Item = usize>) -> Vec<Offer> {
    let mut offers: Vec<Offer> = Vec::new();
    for stream in streams {
        let main = RenditionId { kind: RenditionKind::Trick, stream };
        if offers.iter().any(|offer| offer.main == main) {
            continue;
        }
        let mut codecs: Vec<String> = Vec::new();
        let mut rates = Rates::default();
        for period in 0..manifest.periods.len() {
            let Some(rendition) = manifest.rendition(main, period) else { continue };
            add_rates(&mut rates, &rendition.segments, rendition.timescale);
            for codec in rendition.codecs.iter().map(CodecConfig::rfc6381) {
                if !codecs.contains(&codec) {
                    codecs.push(codec);
                }
            }
        }
        if !codecs.is_empty() {
            let (peak_bandwidth, average_bandwidth) = (rates.peak(), rates.average());
            offers.push(Offer { main, audio: None, codecs, peak_bandwidth, average_bandwidth });
        }
    }
    offers
}

/// The plan of a segment; `None` where no segment has that name.
pub(super) fn segment(
    packaging: &Packaging,
    id: RenditionId,
    period: usize,
    time: Ticks,
) -> Option<SegmentPlan> {
    let presentation = packaging.presentation.clone();
    let container = packaging.package_type.container();
    let entry = packaging.manifest().rendition(id, period)?;
    let listed = entry.segments.binary_search_by_key(&time, |segment| segment.time).ok()?;
    let track = presentation.track(id.stream, period, Medium::Video)?;
    let stills_here = stills(track);
    let place = stills_here.binary_search_by_key(&time, |still| still.time).ok()?;
    let still = stills_here.get(place)?;
    let protection = match &entry.protection {
        Some(entry) => {
            let protection = packaging.protection.as_ref()?;
            let key = &protection.key_for(track)?.key;
            let whose = (id.stream, period, Medium::Video);
            let numbered = entry.numbered_iv(listed);
            Some(protection.of_segment(key, whose, track, still.group, numbered)?)
        }
        None => None,
    };
    let alone = still.alone(track)?;
    let packets = |track: &Track, stills: &[Still]| -> u64 {
        let groups = stills.iter().filter_map(|still| still.group_alone(track));
        groups.map(|group| u64::from(group.ts_payload_packets)).sum()
    };
    let packets_before = match container {
        // Fragments count no packets.
        Container::Cmaf => 0,
        Container::MpegTs => {
            let earlier = (0..period)
                .filter_map(|earlier| presentation.track(id.stream, earlier, Medium::Video));
            let earlier: u64 = earlier.map(|track| packets(track, &stills(track))).sum();
            earlier + packets(track, stills_here.get(..place)?)
        }
    };
    let layout = fragment_layout(&alone, &alone.groups, entry.protection.as_deref(), listed);
    let taken = alone.groups.to_vec();
    let part = TrackPart { medium: Medium::Video, groups: 0..1, taken, layout, packets_before };
    let segments_before: usize = (0..period)
        .filter_map(|period| packaging.manifest().rendition(id, period))
        .map(|rendition| rendition.segments.len())
        .sum();
    Some(SegmentPlan {
        tags: 0..0,
        fingerprint: packaging.segments.clone(),
        rendition: id,
        period,
        time,
        number: (segments_before + listed) as u64 + 1,
        container,
        parts: vec![part],
        still: Some(Arc::new(alone)),
        protection,
        bytes: entry.segments.get(listed)?.bytes,
        presentation,
    })
}

/// How a rendition is encrypted: like the pictures that it is taken from, without a clear lead. Its
/// segments have other numbers than theirs, so where numbers are IVs, they have others than those.
fn of_rendition(
    protection: &Protection,
    track: &Track,
    stream: usize,
    first_number: u64,
) -> Option<RenditionProtection> {
    let main = protection.of_rendition(track, None, first_number)?;
    Some(RenditionProtection { iv_space: stream as u64 + 1, ..RenditionProtection::clone(&main) })
}

/// Exact size of a segment; with SAMPLE-AES what is to be expected: that what is encrypted has to be
/// escaped is too rare, in so little of it, to be allowed for as in ordinary segments.
fn segment_bytes(
    track: &Track,
    alone: &[Group],
    container: Container,
    protection: Option<&RenditionProtection>,
) -> u64 {
    match container {
        Container::Cmaf => {
            let layout = fragment_layout(track, alone, protection, 0);
            layout.header_bytes() + payload_bytes(alone)
        }
        Container::MpegTs => {
            let clear = transport_bytes(alone, &[]);
            match protection.map(|protection| protection.scheme) {
                Some(ProtectionScheme::HlsAes128) => aes128::encrypted_len(clear),
                _ => clear,
            }
        }
    }
}

fn add_rates(rates: &mut Rates, segments: &[ManifestSegment], timescale: Timescale) {
    rates.add(segments.iter().filter(|segment| segment.healing == Healing::None), timescale);
}

/// The median of how long pictures last, in ticks.
fn usual_distance(stills: &[Still]) -> Option<u32> {
    let mut distances: Vec<i64> = stills.iter().map(|still| still.duration().0).collect();
    let middle = distances.len().checked_sub(1)? / 2;
    let (_, median, _) = distances.select_nth_unstable(middle);
    u32::try_from(*median).ok().filter(|&median| median > 0)
}

#[cfg(test)]
mod tests;
