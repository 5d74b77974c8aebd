//! Applies a filter to a resolved manifest.
//!
//! A rendition goes as a whole or stays as a whole, over all periods: a property has to fit in every
//! period, because a player that cannot use one of them stops there. A property that a rendition
//! does not have (the codec of sound, where there are pictures alone) is no reason to leave it out.
//! A transport stream that holds pictures and sound has the properties of both: it cannot be taken
//! apart, so what excludes its sound excludes the stream.

use std::collections::BTreeSet;

use super::super::Packaging;
use super::super::bandwidth::Rates;
use super::super::manifest::payload_bytes;
use super::super::remeasure::{longest_segment, measure_offers};
use crate::model::codec::{AacExtension, CodecConfig, VideoRange};
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
    let mut kept: BTreeSet<RenditionId> = BTreeSet::new();
    let mut dropped: BTreeSet<RenditionId> = BTreeSet::new();
    for (period, entry) in manifest.periods.iter().enumerate() {
        for rendition in entry.sets.iter().flat_map(|set| &set.renditions) {
            let facts = Facts { rate, manifest, rendition, period };
            if filter.conditions().iter().all(|condition| facts.fulfil(condition)) {
                kept.insert(rendition.id);
            } else {
                dropped.insert(rendition.id);
            }
        }
    }
    kept.retain(|id| !dropped.contains(id));
    if kept.is_empty() {
        return None;
    }
    let mut left = manifest.clone();
    for period in &mut left.periods {
        for set in &mut period.sets {
            set.renditions.retain(|rendition| kept.contains(&rendition.id));
        }
        forget_empty(&mut period.sets);
    }
    left.longest_segment = longest_segment(&left.periods);
    left.offers = offers(&manifest.offers, &kept);
    measure_offers(&mut left, container);
    Some(left)
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

/// What can still be played together. Sound whose pictures are all gone is offered by itself.
fn offers(offers: &[Offer], kept: &BTreeSet<RenditionId>) -> Vec<Offer> {
    let is_kept = |id: &RenditionId| kept.contains(id);
    let mut left: Vec<Offer> = Vec::new();
    let mut add = |main: RenditionId, audio: Option<RenditionId>, like: &Offer| {
        if !left.iter().any(|other| (other.main, other.audio) == (main, audio)) {
            left.push(Offer { main, audio, ..like.clone() });
        }
    };
    for offer in offers.iter().filter(|offer| is_kept(&offer.main)) {
        add(offer.main, offer.audio.filter(is_kept), offer);
    }
    if !offers.iter().any(|offer| is_kept(&offer.main)) {
        for offer in offers {
            if let Some(audio) = offer.audio.filter(is_kept) {
                add(audio, None, offer);
            }
        }
    }
    left
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
            // Neither subtitles nor pictures for scrubbing are offered.
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
            Property::VideoHeight => Some(u64::from(self.codec(Medium::Video)?.picture()?.height)),
            _ => None,
        }
    }

    fn codec(&self, medium: Medium) -> Option<&CodecConfig> {
        self.rendition.codecs.iter().find(|codec| codec.medium() == medium)
    }

    /// The language in lower case.
    fn language(&self) -> String {
        UNDETERMINED.to_owned()
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
