//! The numbers of a manifest of which something was left out: bandwidths, codecs, durations.

use super::bandwidth::Rates;
use super::manifest::offer;
use super::trick;
use crate::model::manifest::{Manifest, ManifestPeriod, ManifestRendition, Offer};
use crate::model::policy::Container;
use crate::time::{Ticks, Timescale};

/// The longest segment of all renditions, [`Timescale::MPEG`] ticks.
pub(super) fn longest_segment(periods: &[ManifestPeriod]) -> Ticks {
    let sets = periods.iter().flat_map(|period| &period.sets).filter(|set| !set.is_hidden);
    let renditions = sets.flat_map(|set| &set.renditions);
    let durations = renditions.flat_map(|rendition| {
        let segments = rendition.segments.iter();
        segments.map(|segment| segment.duration.rescale(rendition.timescale, Timescale::MPEG))
    });
    durations.max().unwrap_or_default()
}

/// Measures the bandwidths of a rendition in its period.
pub(super) fn measure_rendition(rendition: &mut ManifestRendition) {
    let mut rates = Rates::default();
    rates.add(&*rendition.segments, rendition.timescale);
    rendition.peak_bandwidth = rates.peak();
    rendition.average_bandwidth = rates.average();
}

/// Forgets what people can no longer choose, and measures what is offered.
///
/// `is_heard` tells of members without a rendition of their own whether they still are.
pub(super) fn offer_what_is_left(
    manifest: &mut Manifest,
    container: Container,
    is_heard: impl Fn(usize) -> bool,
) {
    let mut texts = std::mem::take(&mut manifest.texts);
    texts.retain(|id| manifest.first_rendition(*id).is_some());
    manifest.texts = texts;
    let mut places: Vec<Option<usize>> = Vec::with_capacity(manifest.audio_groups.len());
    let mut groups = Vec::new();
    for (place, mut group) in std::mem::take(&mut manifest.audio_groups).into_iter().enumerate() {
        group.members.retain(|member| match member.rendition {
            Some(id) => manifest.first_rendition(id).is_some(),
            None => is_heard(place),
        });
        places.push((!group.members.is_empty()).then_some(groups.len()));
        groups.extend((!group.members.is_empty()).then_some(group));
    }
    manifest.audio_groups = groups;
    let place_of =
        |offer: &Offer| offer.audio.and_then(|place| places.get(place).copied().flatten());
    let old = std::mem::take(&mut manifest.offers);
    let mut offers: Vec<Offer> = Vec::new();
    for before in &old {
        let (main, audio) = (before.main, place_of(before));
        // Without sound only where all of it is gone, and everything once.
        let has_sound = || old.iter().any(|o| o.main == main && place_of(o).is_some());
        let is_meant = before.audio.is_none() || audio.is_some() || !has_sound();
        let is_new = offers.iter().all(|other| (other.main, other.audio) != (main, audio));
        if is_meant && is_new && manifest.first_rendition(main).is_some() {
            offers.push(offer(manifest, main, audio, container));
        }
    }
    manifest.offers = offers;
    manifest.trick_offers = trick::offers_left(manifest);
}
