//! What is shown with which sound: the offers of a manifest and its groups of sound.
//!
//! ```text
//! source   AUDIO="aac" ─ members of any codec         (none: the stream's own sound)
//! here     one group for each codec and number of channels among them; languages are its members
//!          a stream is offered once with each of its groups
//! ```
//!
//! Identical sound under the same words is one rendition ([`Presentation::audio_origin`]). Where
//! pictures and sound stay in one transport stream, members without a playlist of their own are
//! what the streams hold.

use std::sync::Arc;

use crate::model::description::Description;
use crate::model::manifest::{AudioGroup, AudioMember, RenditionId, RenditionKind};
use crate::model::presentation::{Medium, Presentation, Stream};

/// What can be played together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Offering {
    /// What groups of all of the title are called, so that a name does not depend on what of it is
    /// selected, carried or in which order.
    names: Vec<AudioGroup>,
    /// What is shown, and the place in `groups` of what is heard with it.
    pub offers: Vec<(RenditionId, Option<usize>)>,
    /// What people choose from.
    pub groups: Vec<AudioGroup>,
}

impl Offering {
    /// What the selected streams lead to. `separate`: pictures and sound are never in one segment.
    /// `whole` is the presentation before anything was left out.
    pub fn new(
        whole: &Presentation,
        presentation: &Presentation,
        streams: &[usize],
        separate: bool,
    ) -> Self {
        let all: Vec<usize> = (0..whole.streams.len()).collect();
        let shown: Vec<usize> =
            all.into_iter().filter(|stream| is_variant(whole, *stream)).collect();
        let names = Self::named(Vec::new(), whole, &shown, separate).groups;
        Self::named(names, presentation, streams, separate)
    }

    fn named(
        names: Vec<AudioGroup>,
        presentation: &Presentation,
        streams: &[usize],
        separate: bool,
    ) -> Self {
        let mut offering = Self { names, ..Self::default() };
        // By how many groups of its stream come before it: players that look at the first few
        // variants see every stream before any of them again.
        let mut offers: Vec<(usize, RenditionId, Option<usize>)> = Vec::new();
        for &index in streams {
            let Some(stream) = presentation.streams.get(index) else { continue };
            let Some(main) = main(presentation, index, stream, separate) else { continue };
            let groups = offering.groups_of(presentation, index, stream, main);
            if groups.is_empty() {
                offers.push((0, main, None));
            }
            let groups = groups.into_iter().enumerate();
            offers.extend(groups.map(|(place, group)| (place, main, Some(group))));
        }
        offers.sort_by_key(|(place, ..)| *place);
        for (_, main, group) in offers {
            if !offering.offers.contains(&(main, group)) {
                offering.offers.push((main, group));
            }
        }
        offering
    }

    /// Whether a rendition is among [`Offering::renditions`].
    pub fn has(&self, id: RenditionId) -> bool {
        let mut members = self.groups.iter().flat_map(|group| &group.members);
        self.offers.iter().any(|(main, _)| *main == id)
            || members.any(|member| member.rendition == Some(id))
    }

    /// All renditions: what is shown in the order of the offers, then what is heard.
    pub fn renditions(&self) -> Vec<RenditionId> {
        let mains = self.offers.iter().map(|(main, _)| *main);
        let members = self.groups.iter().flat_map(|group| &group.members);
        let mut all: Vec<RenditionId> = Vec::new();
        for id in mains.chain(members.filter_map(|member| member.rendition)) {
            if !all.contains(&id) {
                all.push(id);
            }
        }
        all
    }

    /// The places of the groups that go with a stream.
    fn groups_of(
        &mut self,
        presentation: &Presentation,
        index: usize,
        stream: &Stream,
        main: RenditionId,
    ) -> Vec<usize> {
        let mut places = Vec::new();
        for name in &stream.role.audio_groups {
            for members in members_of(presentation, index, name, main.kind) {
                places.push(self.place(name, members));
            }
        }
        if places.is_empty() && main.kind == RenditionKind::Video {
            let member = presentation.audio_origin(index).and_then(|origin| {
                let id = RenditionId { kind: RenditionKind::Audio, stream: origin };
                member(presentation, origin, Some(id))
            });
            if let Some(member) = member {
                let name = member.rendition.map(|id| id.to_string()).unwrap_or_default();
                places.push(self.place(&name, vec![member]));
            }
        }
        places
    }

    /// The place of a group with these members, which is new or an earlier one.
    fn place(&mut self, name: &str, members: Vec<AudioMember>) -> usize {
        let same = |group: &AudioGroup| group.source == name && group.members == members;
        if let Some(place) = self.groups.iter().position(same) {
            return place;
        }
        let id = match self.names.iter().find(|group| same(group)) {
            Some(known) => known.id.clone(),
            None => {
                let others = || self.groups.iter().chain(&self.names);
                let is_free = |id: &String| others().all(|group| group.id != *id);
                let numbered = (2..).map(|number| format!("{name}-{number}"));
                let id = std::iter::once(name.to_owned()).chain(numbered).find(is_free);
                id.unwrap_or_default()
            }
        };
        self.groups.push(AudioGroup { id, source: name.to_owned(), members });
        self.groups.len() - 1
    }
}

fn is_variant(presentation: &Presentation, stream: usize) -> bool {
    presentation.streams.get(stream).is_some_and(|stream| stream.role.is_variant)
}

/// What is shown of a stream.
fn main(
    presentation: &Presentation,
    index: usize,
    stream: &Stream,
    separate: bool,
) -> Option<RenditionId> {
    let is_heard_with_others = stream.role.sound.as_ref().is_some_and(|sound| !sound.is_inside);
    let own = |kind| Some(RenditionId { kind, stream: index });
    match (stream.has(Medium::Video), stream.has(Medium::Audio)) {
        (true, _) if separate => own(RenditionKind::Video),
        (false, true) if separate || is_heard_with_others => {
            let origin = presentation.audio_origin(index)?;
            Some(RenditionId { kind: RenditionKind::Audio, stream: origin })
        }
        (false, false) => None,
        _ => own(RenditionKind::Muxed),
    }
}

/// The members of a source's group that can be heard with a stream, apart by codec and channels.
fn members_of(
    presentation: &Presentation,
    index: usize,
    name: &String,
    main: RenditionKind,
) -> Vec<Vec<AudioMember>> {
    let mut kinds: Vec<(String, Option<String>)> = Vec::new();
    let mut parts: Vec<Vec<AudioMember>> = Vec::new();
    for (other, stream) in presentation.streams.iter().enumerate() {
        let Some(sound) = &stream.role.sound else { continue };
        if !sound.groups.contains(name) || sound.is_inside && other != index {
            continue;
        }
        let is_inside = sound.is_inside && main == RenditionKind::Muxed;
        let Some(origin) = presentation.audio_origin(other) else { continue };
        let id = RenditionId { kind: RenditionKind::Audio, stream: origin };
        let place = if is_inside { other } else { origin };
        let Some(member) = member(presentation, place, (!is_inside).then_some(id)) else {
            continue;
        };
        let codec = first_codec(presentation, place).unwrap_or_default();
        let kind = (codec, member.channels.clone());
        let part = kinds.iter().position(|other| *other == kind);
        match part.and_then(|part| parts.get_mut(part)) {
            Some(members) if members.contains(&member) => {}
            Some(members) => members.push(member),
            None => {
                kinds.push(kind);
                parts.push(vec![member]);
            }
        }
    }
    parts.into_iter().map(in_order).collect()
}

/// At most one member is the default (RFC 8216 4.3.4.1.1), and no two have one name.
fn in_order(members: Vec<AudioMember>) -> Vec<AudioMember> {
    let mut ordered: Vec<AudioMember> = Vec::with_capacity(members.len());
    for mut member in members {
        let words = member.description.as_ref();
        let has_default = ordered.iter().any(|other| other.description.is_default);
        let name = free_name(&words.name, &ordered);
        let is_default = words.is_default && !has_default;
        if name != words.name || is_default != words.is_default {
            member.description = Arc::new(Description { name, is_default, ..words.clone() });
        }
        ordered.push(member);
    }
    ordered
}

/// The name, with a number behind it if others have it.
fn free_name(name: &str, others: &[AudioMember]) -> String {
    let is_free = |name: &String| others.iter().all(|other| other.description.name != *name);
    let numbered = (2..).map(|number| format!("{name} {number}"));
    std::iter::once(name.to_owned()).chain(numbered).find(is_free).unwrap_or_default()
}

fn member(
    presentation: &Presentation,
    stream: usize,
    rendition: Option<RenditionId>,
) -> Option<AudioMember> {
    let stream = presentation.streams.get(stream)?;
    let description = stream.role.description().cloned().unwrap_or_else(undescribed);
    let codec = sound_tracks(stream).next().map(|track| &track.codec)?;
    Some(AudioMember {
        rendition,
        description: Arc::new(description),
        channels: codec.channels_attribute(),
    })
}

/// The only sound there is, of which the source says nothing.
fn undescribed() -> Description {
    Description {
        name: "Audio".to_owned(),
        is_default: true,
        is_autoselected: true,
        ..Description::default()
    }
}

fn sound_tracks(stream: &Stream) -> impl Iterator<Item = &crate::model::presentation::Track> {
    stream.periods.iter().filter_map(|period| period.audio.as_ref())
}

/// The kind of sound: codecs of one kind can be switched between without a new decoder.
fn first_codec(presentation: &Presentation, stream: usize) -> Option<String> {
    let stream = presentation.streams.get(stream)?;
    sound_tracks(stream).next().map(|track| track.codec.rfc6381())
}
