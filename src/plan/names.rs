//! What segments of pictures and sound are called, and how they are encrypted, without a manifest:
//! who asks for one segment is answered without a look at any other track.
//!
//! What is found here is what manifests say, and is kept: a player asks for the next one soon.

use std::sync::{Arc, OnceLock};

use super::Packaging;
use super::segment::media_of;
use crate::model::manifest::{RenditionId, RenditionKind, RenditionProtection};
use crate::model::presentation::{Medium, Presentation, Track};
use crate::time::Ticks;

/// The names of the segments of all tracks, as far as somebody asked: by stream and period.
#[derive(Clone, Debug)]
pub(super) struct Names(Vec<Vec<NamesOfPeriod>>);

/// Of its pictures and of its sound.
type NamesOfPeriod = [OnceLock<Box<[Ticks]>>; 2];

impl Names {
    pub fn of(presentation: &Presentation) -> Self {
        let periods = presentation.periods.len();
        Self(presentation.streams.iter().map(|_| vec![Default::default(); periods]).collect())
    }
}

/// Whether renditions of a kind have names here: those of trick play and text have other segments
/// than their tracks.
pub(super) const fn is_of_tracks(kind: RenditionKind) -> bool {
    matches!(kind, RenditionKind::Video | RenditionKind::Audio | RenditionKind::Muxed)
}

impl Packaging {
    /// The times that name the segments of a rendition in a period, in order; `None` where it is
    /// not offered, or neither of pictures nor of sound.
    pub(super) fn names(&self, id: RenditionId, period: usize) -> Option<&[Ticks]> {
        let (medium, lead) = self.lead(id, period)?;
        let names = self.names.0.get(id.stream)?.get(period)?;
        let names = names.get(usize::from(medium == Medium::Audio))?;
        Some(names.get_or_init(|| {
            let times = lead.groups.times();
            let ranges = self.segmentation.group_ranges(lead, period, id.stream).into_iter();
            let ranges = ranges.filter(|range| !range.is_empty());
            ranges.filter_map(|range| times.get(range.start).copied()).collect()
        }))
    }

    /// How a rendition of pictures or sound is encrypted; `None` where it is clear or not offered.
    pub(super) fn rendition_protection(
        &self,
        id: RenditionId,
        period: usize,
    ) -> Option<Arc<RenditionProtection>> {
        let protection = self.protection.as_ref()?;
        let (_, lead) = self.lead(id, period)?;
        let counts = || (0..period).map(|earlier| Some(self.names(id, earlier)?.len()));
        let before = counts().sum::<Option<usize>>();
        // A playlist has one entry for a period that the rendition is not in.
        let first_number = counts().map(|count| count.unwrap_or(1) as u64).sum();
        protection.of_rendition(lead, before, first_number)
    }

    /// The track of a rendition that its segments are cut by, if it is offered.
    fn lead(&self, id: RenditionId, period: usize) -> Option<(Medium, &Track)> {
        let is_offered = is_of_tracks(id.kind)
            && match self.is_filtered {
                true => self.manifest().rendition(id, period).is_some(),
                false => self.how.offering.has(id),
            };
        let tracks = media_of(id.kind).iter();
        let mut tracks = tracks.filter_map(|&medium| {
            Some((medium, self.presentation.track(id.stream, period, medium)?))
        });
        tracks.next().filter(|_| is_offered)
    }
}

#[cfg(test)]
mod tests;
