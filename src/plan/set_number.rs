//! What AdaptationSets are called: a number that depends on the title alone, so that players and
//! reports find a set again whatever a configuration orders, leaves out or encrypts.
//!
//! | kind | number |
//! |---|---|
//! | pictures | place in the source of the first stream that belongs to the set, from 1 |
//! | sound | 10000 more |
//! | subtitles | 20000 more |
//! | trick play | 30000 more than its set of pictures |
//!
//! The first stream counts though it be not offered. Keys of their own for some of the pictures
//! make sets of their own, of which the one with the first stream keeps its number.

use super::manifest::{Resolver, is_one_switching_set};
use crate::model::description::Description;
use crate::model::manifest::{ManifestRendition, RenditionKind};
use crate::model::presentation::Medium;

/// Master playlists have up to 1000 variants and as many renditions.
const OF_SOUND: u32 = 10_000;
const OF_TEXT: u32 = 2 * OF_SOUND;
const OF_TRICK_PLAY: u32 = 3 * OF_SOUND;

/// The number of the set that has this rendition.
pub(super) fn of_set(resolver: &Resolver<'_>, rendition: &ManifestRendition, period: usize) -> u32 {
    let own = rendition.id.stream;
    let (medium, base) = match rendition.id.kind {
        RenditionKind::Video | RenditionKind::Muxed => (Medium::Video, 0),
        RenditionKind::Audio => (Medium::Audio, OF_SOUND),
        RenditionKind::Text => return OF_TEXT + from_one(own),
        RenditionKind::Trick => return OF_TRICK_PLAY + from_one(own),
    };
    let presentation = resolver.presentation;
    let key = rendition.protection.as_ref().map(|protection| protection.key_id);
    let belongs = |stream: &usize| {
        let track = presentation.track(*stream, period, medium)?;
        let lead = rendition.codecs.first()?;
        let description: Option<&Description> = match medium {
            Medium::Video => None,
            Medium::Audio => presentation.streams.get(*stream)?.role.description(),
        };
        let own_key = resolver.protection.and_then(|protection| protection.key_for(track));
        let is_one = is_one_switching_set(
            (lead, rendition.description.as_deref()),
            (&track.codec, description),
        );
        Some(is_one && own_key.map(|entry| entry.key.id) == key)
    };
    let first = (0..own).find(|stream| belongs(stream) == Some(true));
    base + from_one(first.unwrap_or(own))
}

/// The number of the set for trick play beside a set of pictures.
pub(super) fn of_trick_play(pictures: u32) -> u32 {
    OF_TRICK_PLAY + pictures
}

fn from_one(stream: usize) -> u32 {
    u32::try_from(stream).unwrap_or(u32::MAX / 2).saturating_add(1)
}
