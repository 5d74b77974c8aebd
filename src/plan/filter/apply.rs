//! Applies a filter to a resolved manifest.
//!
//! A rendition goes as a whole or stays as a whole, over all periods: a property has to fit in every
//! period, because a player that cannot use one of them stops there. A property that a rendition
//! does not have (the codec of sound, where there are pictures alone) is no reason to leave it out.
//! A transport stream that holds pictures and sound has the properties of both: it cannot be taken
//! apart, so what excludes its sound excludes the stream. Only sound in a language that is not wanted
//! is left unheard where the stream's group has other sound, in renditions of its own.

use std::collections::BTreeSet;

use super::super::Packaging;
use super::super::bandwidth::Rates;
use super::super::manifest::payload_bytes;
use super::super::remeasure::{longest_segment, offer_what_is_left};
use super::super::trick;
use crate::model::codec::{AacExtension, CodecConfig, VideoRange};
use crate::model::description::Description;
use crate::model::filter::{Condition, ManifestFilter, Property, Values};
use crate::model::manifest::{
    AdaptationSet, Healing, Manifest, ManifestRendition, ManifestSegment, Offer, RenditionId,
    RenditionKind,
};
use crate::model::policy::Container;
use crate::model::presentation::{Medium, Track};

/// The language of what has none.
const UNDETERMINED: &str = "und";

impl Packaging {
    /// What a filter leaves of a manifest; `None` where that is nothing.
    ///
    /// Sets keep their places, and so their numbers; those of which nothing is left are empty.
    pub fn filtered(&self, manifest: &Manifest, filter: &ManifestFilter) -> Option<Manifest> {
        let rate = |id: RenditionId, period, medium| {
            let track = self.presentation.track(id.stream, period, medium)?;
            Some(self.payload_rate(track, id, period))
        };
        filtered(manifest, filter, self.package_type.container(), &rate)
    }

    /// Peak bit rate of the payload of one track of a muxed stream, bits per second.
    fn payload_rate(&self, track: &Track, id: RenditionId, period: usize) -> u64 {
        let ranges = self.segmentation.group_ranges(track, period, id.stream);
        let segments: Vec<ManifestSegment> = ranges
            .into_iter()
            .filter_map(|range| {
                let groups = track.groups.get(range.clone())?;
                let time = groups.first()?.time;
                let duration = track.group_end(range.end.checked_sub(1)?).minus(time);
                let bytes = payload_bytes(groups);
                Some(ManifestSegment { time, duration, bytes, healing: Healing::None })
            })
            .collect();
        let mut rates = Rates::default();
        rates.add(&segments, track.timescale);
        rates.peak()
    }
}

/// What a filter leaves of a manifest. `rate` tells the bit rate of one medium in a muxed stream.
pub(super) fn filtered(
    manifest: &Manifest,
    filter: &ManifestFilter,
    container: Container,
    rate: &MuxedRate<'_>,
) -> Option<Manifest> {
    let (kept, unheard) = verdicts(manifest, filter, rate);
    if kept.iter().all(|id| matches!(id.kind, RenditionKind::Trick | RenditionKind::Text)) {
        return None;
    }
    let mut left = manifest.clone();
    for period in &mut left.periods {
        for set in &mut period.sets {
            set.renditions.retain(|rendition| kept.contains(&rendition.id));
        }
        trick::keep_beside_pictures(&mut period.sets);
        forget_empty(&mut period.sets);
    }
    left.longest_segment = longest_segment(&left.periods);
    if !manifest.offers.iter().any(|offer| kept.contains(&offer.main)) {
        offer_sound(&mut left, &kept);
    }
    let is_heard = |id: &RenditionId| kept.contains(id) && !unheard.contains(id);
    offer_what_is_left(&mut left, container, |place| {
        let with = manifest.offers.iter().filter(|offer| offer.audio == Some(place));
        with.map(|offer| offer.main).any(|main| is_heard(&main))
    });
    Some(left)
}

/// The renditions that stay, and those of which the sound is not wanted, though they may stay.
fn verdicts(
    manifest: &Manifest,
    filter: &ManifestFilter,
    rate: &MuxedRate<'_>,
) -> (BTreeSet<RenditionId>, BTreeSet<RenditionId>) {
    let (mut all, mut unfit, mut unheard) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (period, entry) in manifest.periods.iter().enumerate() {
        for rendition in entry.sets.iter().flat_map(|set| &set.renditions) {
            let facts = Facts { rate, manifest, rendition, period };
            all.insert(rendition.id);
            for condition in filter.conditions().iter().filter(|one| !facts.fulfil(one)) {
                // Sound in a language that nobody wants can be left unheard.
                let is_beside = rendition.id.kind == RenditionKind::Muxed
                    && facts.codec(Medium::Video).is_some()
                    && condition.property == Property::AudioLanguage;
                if is_beside { &mut unheard } else { &mut unfit }.insert(rendition.id);
            }
        }
    }
    let fits = |id: &RenditionId| !unfit.contains(id);
    let has_other_sound = |id: &RenditionId| {
        let offers = manifest.offers.iter().filter(|offer| offer.main == *id);
        let groups = offers.filter_map(|offer| manifest.audio_groups.get(offer.audio?));
        let mut members = groups.flat_map(|group| &group.members);
        members.any(|member| member.rendition.is_some_and(|other| fits(&other)))
    };
    let stays = |id: &RenditionId| fits(id) && (!unheard.contains(id) || has_other_sound(id));
    (all.into_iter().filter(stays).collect(), unheard)
}

/// Offers sound whose pictures are all gone by itself: the first of each group, with the others to
/// choose from.
fn offer_sound(left: &mut Manifest, kept: &BTreeSet<RenditionId>) {
    let template = std::mem::take(&mut left.offers).into_iter().next();
    for (place, group) in left.audio_groups.iter().enumerate() {
        let members = group.members.iter().filter_map(|member| member.rendition);
        let members: Vec<RenditionId> = members.filter(|id| kept.contains(id)).collect();
        if let (Some(&main), Some(like)) = (members.first(), &template) {
            let audio = (members.len() > 1).then_some(place);
            left.offers.push(Offer { main, audio, ..like.clone() });
        }
    }
    // A group of one is the offer itself.
    let offers = &left.offers;
    for (place, group) in left.audio_groups.iter_mut().enumerate() {
        if !offers.iter().any(|offer| offer.audio == Some(place)) {
            group.members.clear();
        }
    }
}

/// Bits per second of one medium of a muxed stream in a period.
type MuxedRate<'a> = dyn Fn(RenditionId, usize, Medium) -> Option<u64> + 'a;

/// Links to sets and from sets of which nothing is left.
fn forget_empty(sets: &mut [AdaptationSet]) {
    let is_there: Vec<bool> = sets.iter().map(|set| !set.renditions.is_empty()).collect();
    for set in sets {
        set.switchable_with.retain(|place| is_there.get(*place) == Some(&true));
        set.continues &= !set.renditions.is_empty();
    }
}

/// What is known of a rendition in a period.
struct Facts<'a> {
    rate: &'a MuxedRate<'a>,
    manifest: &'a Manifest,
    rendition: &'a ManifestRendition,
    period: usize,
}

impl Facts<'_> {
    fn fulfil(&self, condition: &Condition) -> bool {
        let is_trick = self.rendition.id.kind == RenditionKind::Trick;
        let of_trick =
            matches!(condition.property, Property::TrickplayHeight | Property::TrickplayType);
        // What excludes pictures excludes their I-frames with them, and nothing else does.
        if is_trick != of_trick {
            return true;
        }
        match &condition.values {
            Values::Words(words) => match self.word(condition.property) {
                None => true,
                Some(own) => words.iter().any(|word| match condition.property {
                    Property::AudioLanguage | Property::SubtitleLanguage => {
                        is_language_in(&own, word)
                    }
                    _ => own == *word,
                }),
            },
            Values::Ranges(ranges) => self
                .number(condition.property)
                .is_none_or(|own| ranges.iter().any(|range| range.contains(own))),
        }
    }

    /// The value of a property with words, in lower case; `None` where the rendition has no such
    /// property, and stays.
    fn word(&self, property: Property) -> Option<String> {
        let word = match property {
            Property::VideoCodec => codec_word(self.codec(Medium::Video)?),
            Property::VideoDynamicRange => {
                match self.codec(Medium::Video)?.picture()?.video_range() {
                    VideoRange::Sdr => "sdr",
                    VideoRange::Pq => "hdr10",
                    VideoRange::Hlg => "hlg",
                }
            }
            Property::AudioCodec => codec_word(self.codec(Medium::Audio)?),
            Property::AudioLanguage => {
                self.codec(Medium::Audio)?;
                return Some(self.language());
            }
            Property::TrickplayType => "iframe",
            Property::SubtitleLanguage if self.rendition.id.kind == RenditionKind::Text => {
                return Some(self.language());
            }
            _ => return None,
        };
        Some(word.to_owned())
    }

    /// The value of a property with numbers, in its unit; `None` where the rendition has no such
    /// property, and stays.
    fn number(&self, property: Property) -> Option<u64> {
        let sound = || self.codec(Medium::Audio)?.sound();
        match property {
            Property::AudioBitrate => self.bit_rate(Medium::Audio),
            Property::AudioChannels => Some(u64::from(sound()?.channels)),
            Property::AudioSampleRate => Some(u64::from(sound()?.sampling_frequency)),
            Property::VideoBitrate => self.bit_rate(Medium::Video),
            Property::VideoFramerate => {
                let (frames, seconds) = self.rendition.frame_rate?;
                let (frames, seconds) = (u64::from(frames), u64::from(seconds.max(1)));
                Some((frames * 2_000 + seconds) / (2 * seconds))
            }
            Property::VideoHeight | Property::TrickplayHeight => {
                Some(u64::from(self.codec(Medium::Video)?.picture()?.height))
            }
            _ => None,
        }
    }

    fn codec(&self, medium: Medium) -> Option<&CodecConfig> {
        self.rendition.codecs.iter().find(|codec| codec.medium() == medium)
    }

    /// The language in lower case.
    fn language(&self) -> String {
        let own = || self.rendition.description.as_deref();
        let words = own().or_else(|| self.description_inside());
        let language = words.and_then(|words| words.language.as_deref());
        language.unwrap_or(UNDETERMINED).to_ascii_lowercase()
    }

    /// What people are told of the sound in a muxed stream.
    fn description_inside(&self) -> Option<&Description> {
        let mut offers = self.manifest.offers.iter().filter(|o| o.main == self.rendition.id);
        offers.find_map(|offer| {
            let group = self.manifest.audio_groups.get(offer.audio?)?;
            let inside = group.members.iter().find(|member| member.rendition.is_none());
            inside.map(|member| member.description.as_ref())
        })
    }

    /// Peak bit rate over all periods, as manifests tell it; of a stream that holds both, that of
    /// the medium's payload.
    fn bit_rate(&self, medium: Medium) -> Option<u64> {
        self.codec(medium)?;
        let id = self.rendition.id;
        if id.kind == RenditionKind::Muxed {
            return (self.rate)(id, self.period, medium);
        }
        let renditions = self.manifest.periods.iter().flat_map(|period| &period.sets);
        let renditions = renditions.flat_map(|set| &set.renditions);
        renditions.filter(|other| other.id == id).map(|other| other.peak_bandwidth).max()
    }
}

/// The codec's word in filters.
fn codec_word(codec: &CodecConfig) -> &'static str {
    match codec {
        CodecConfig::Avc(_) => "h264",
        CodecConfig::Hevc(_) => "h265",
        CodecConfig::Aac(aac) => match aac.extension {
            AacExtension::None => "aacl",
            AacExtension::Sbr | AacExtension::SbrPs => "aach",
        },
        CodecConfig::Ac3(_) => "ac-3",
        CodecConfig::Eac3(_) => "ec-3",
        CodecConfig::MpegAudio(mpeg) if mpeg.layer == 3 => "mp3",
        CodecConfig::MpegAudio(_) => "mp2",
    }
}

/// Whether a language lies in a range of languages: `en-GB` in `en`, not the other way round
/// (RFC 4647 3.3.1). Both in lower case.
pub(super) fn is_language_in(language: &str, range: &str) -> bool {
    language.strip_prefix(range).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}
