//! The numbers of a manifest of which something was left out: bandwidths, codecs, durations.

use super::bandwidth::Rates;
use crate::model::codec::CodecConfig;
use crate::model::manifest::{Manifest, ManifestPeriod, ManifestRendition, Offer};
use crate::model::policy::Container;
use crate::time::{Ticks, Timescale};

/// The longest segment of all renditions, [`Timescale::MPEG`] ticks.
pub(super) fn longest_segment(periods: &[ManifestPeriod]) -> Ticks {
    let renditions = periods.iter().flat_map(|period| &period.sets).flat_map(|set| &set.renditions);
    let durations = renditions.flat_map(|rendition| {
        let segments = rendition.segments.iter();
        segments.map(|segment| segment.duration.rescale(rendition.timescale, Timescale::MPEG))
    });
    durations.max().unwrap_or_default()
}

/// Measures the bandwidths of a rendition in its period.
pub(super) fn measure_rendition(rendition: &mut ManifestRendition) {
    let mut rates = Rates::default();
    rates.add(&rendition.segments, rendition.timescale);
    rendition.peak_bandwidth = rates.peak();
    rendition.average_bandwidth = rates.average();
}

/// Measures all offers, and forgets those of which nothing is left.
pub(super) fn measure_offers(manifest: &mut Manifest, container: Container) {
    let mut offers = std::mem::take(&mut manifest.offers);
    offers.retain_mut(|offer| measure_offer(offer, manifest, container));
    manifest.offers = offers;
}

/// Whether the main rendition is there at all.
fn measure_offer(offer: &mut Offer, manifest: &Manifest, container: Container) -> bool {
    offer.audio = offer.audio.filter(|audio| manifest.first_rendition(*audio).is_some());
    (offer.peak_bandwidth, offer.average_bandwidth) = (0, 0);
    offer.codecs.clear();
    // What plays together needs the sum of the peaks (RFC 8216 4.3.4.2).
    for id in [Some(offer.main), offer.audio].into_iter().flatten() {
        let mut rates = Rates::default();
        for period in 0..manifest.periods.len() {
            let Some(rendition) = manifest.rendition(id, period) else { continue };
            rates.add(&rendition.segments, rendition.timescale);
            let words = |codec: &CodecConfig| codec.rfc6381_in(container);
            for codec in rendition.codecs.iter().map(words) {
                if !offer.codecs.contains(&codec) {
                    offer.codecs.push(codec);
                }
            }
        }
        offer.peak_bandwidth += rates.peak();
        offer.average_bandwidth += rates.average();
    }
    manifest.first_rendition(offer.main).is_some()
}
