//! A manifest with every decision made: what to show, under which names, with which numbers.
//!
//! `plan` resolves it once; `hls` and `dash` print it and decide nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::caption::OfferedCaptions;
use super::codec::CodecConfig;
use super::description::Description;
use super::marker::Marker;
use super::mpd::MpdOptions;
use super::protection::{KeyId, ProtectionScheme, SystemSignalling};
use super::session::OfferedSession;
use super::text::TextFormat;
use super::wall_clock::Dates;
use crate::time::{Ticks, Timescale};

/// What one configuration offers of one presentation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// How long it plays, [`Timescale::MPEG`] ticks.
    pub duration: Ticks,
    /// The longest segment of all renditions, [`Timescale::MPEG`] ticks.
    pub longest_segment: Ticks,
    /// Stretches between discontinuities.
    pub periods: Vec<ManifestPeriod>,
    /// What can be played together, in the order of the configuration.
    pub offers: Vec<Offer>,
    /// What can be fast-forwarded through, in the order of the configuration.
    pub trick_offers: Vec<Offer>,
    /// Sound that offers name by its place here.
    pub audio_groups: Vec<AudioGroup>,
    /// Subtitles, which go with all offers.
    pub texts: Vec<RenditionId>,
    /// Breaks and other stretches, on the segments' timeline, in order.
    pub markers: Arc<[Marker]>,
    /// Its dates, where playlists are to say them.
    pub dates: Option<Arc<Dates>>,
    /// The time on the segments' timeline at which it starts, [`Timescale::MPEG`] ticks.
    pub origin: Ticks,
    /// Captions that travel inside the pictures.
    pub captions: OfferedCaptions,
    /// What the source says of the title as a whole and of its streams.
    pub session: OfferedSession,
    /// The form of its MPD.
    pub mpd: MpdOptions,
    /// Where media playlists are found, relative to the entry manifest.
    pub playlist_directory: String,
    /// What is to be said of a manifest that shows a part of the title; `None` of a whole one.
    pub clip: Option<Arc<Clip>>,
}

impl Manifest {
    /// The rendition in one period.
    pub fn rendition(&self, id: RenditionId, period: usize) -> Option<&ManifestRendition> {
        let sets = &self.periods.get(period)?.sets;
        sets.iter().flat_map(|set| &set.renditions).find(|rendition| rendition.id == id)
    }

    /// Everything that is shown, heard, read or wound through, each once: what is shown first.
    pub fn renditions(&self) -> Vec<RenditionId> {
        let mains = self.offers.iter().map(|offer| offer.main);
        let members = self.audio_groups.iter().flat_map(|group| &group.members);
        let sounds = members.filter_map(|member| member.rendition);
        let mut all: Vec<RenditionId> = Vec::new();
        let tricks = self.trick_offers.iter().map(|offer| offer.main);
        for id in mains.chain(sounds).chain(self.texts.iter().copied()).chain(tricks) {
            if !all.contains(&id) {
                all.push(id);
            }
        }
        all
    }

    /// The rendition in the first period that has it.
    pub fn first_rendition(&self, id: RenditionId) -> Option<&ManifestRendition> {
        (0..self.periods.len()).find_map(|period| self.rendition(id, period))
    }
}

/// What a part of a title owes to the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clip {
    /// The media sequence number of each rendition's first entry: that which it has in the whole.
    pub first_numbers: BTreeMap<RenditionId, u64>,
}

/// One period of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestPeriod {
    /// From the start of the presentation, [`Timescale::MPEG`] ticks; the first is 0.
    pub start: Ticks,
    /// [`Timescale::MPEG`] ticks.
    pub duration: Ticks,
    /// Renditions that players may switch between: video, then audio, then trick play.
    pub sets: Vec<AdaptationSet>,
}

impl ManifestPeriod {
    /// How many segments a rendition has in it; `None` where it is not there.
    pub fn segments_of(&self, id: RenditionId) -> Option<usize> {
        let mut renditions = self.sets.iter().flat_map(|set| &set.renditions);
        renditions.find(|rendition| rendition.id == id).map(|rendition| rendition.segments.len())
    }
}

/// Renditions of the same content that players may switch between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdaptationSet {
    /// What it is called in MPDs: no two sets of a period have one number, and it depends on the
    /// title alone.
    pub number: u32,
    /// What is in them.
    pub kind: RenditionKind,
    /// Whether segments begin at the same times in all of them.
    pub aligned: bool,
    /// Whether decoders can go on from the set of the same kind in the period before.
    pub continues: bool,
    /// In the order of the configuration. None where the set keeps its place in the period, and so
    /// its number, though nothing of it is left.
    pub renditions: Vec<ManifestRendition>,
    /// Places, in the period, of the other sets that players may switch to: those that differ in
    /// the key alone.
    pub switchable_with: Vec<usize>,
    /// For trick play: the place of the set of pictures that it is taken from.
    pub trick_of: Option<usize>,
    /// Whether manifests do not name it, though it answers: other configurations that share its
    /// URLs may.
    pub is_hidden: bool,
}

/// One rendition during one period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestRendition {
    /// Its name in URLs.
    pub id: RenditionId,
    /// What people are told of it, if the source says something.
    pub description: Option<Arc<Description>>,
    /// Codecs, video before audio.
    pub codecs: Vec<CodecConfig>,
    /// What text is written in.
    pub text: Option<TextFormat>,
    /// Pictures per second as a fraction in lowest terms.
    pub frame_rate: Option<(u32, u32)>,
    /// For trick play: how many times as fast as usual it may be played until it has as many
    /// pictures a second as the rendition that it is taken from.
    pub max_playout_rate: Option<u32>,
    /// Highest bit rate of any segment, container included, bits per second.
    pub peak_bandwidth: u64,
    /// Bit rate over the period, container included, bits per second.
    pub average_bandwidth: u64,
    /// Unit of the segment times.
    pub timescale: Timescale,
    /// The time on the segments' timeline at which the period starts.
    pub presentation_time_offset: Ticks,
    /// Where its segments are found, relative to the entry manifest; no slash at the end.
    pub directory: String,
    /// The name of its initialization segment in that directory; transport streams have none.
    pub init: Option<&'static str>,
    /// The extension of its segments.
    pub extension: &'static str,
    /// How many segments of the period come before the first of these.
    pub segments_before: usize,
    /// What one duration can stand for those of all segments: each begins nearer to its multiple
    /// than to another.
    pub constant_duration: Option<Ticks>,
    /// Its segments in order.
    pub segments: Arc<[ManifestSegment]>,
    /// How it is encrypted; `None` where it is clear.
    pub protection: Option<Arc<RenditionProtection>>,
    /// Whether its segments carry ID3 tags, in any period.
    pub has_tags: bool,
    /// The worst type of stream access point (ISO/IEC 14496-12:2022 annex I) that a segment begins
    /// with: 1 and 2 need nothing of what comes before.
    pub access_type: u8,
}

/// How one rendition is encrypted during one period, and what players are told about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenditionProtection {
    /// What is done to the media.
    pub scheme: ProtectionScheme,
    /// The key.
    pub key_id: KeyId,
    /// The IV of everything, if there is one for all.
    pub constant_iv: Option<[u8; 16]>,
    /// Whether playlists name the IV.
    pub shows_iv: bool,
    /// What each DRM system says.
    pub signalling: Arc<[SystemSignalling]>,
    /// So many of the period's first segments are clear all the same.
    pub clear_segments: usize,
    /// Whether the track has a second sample entry, for clear segments.
    pub has_clear_entry: bool,
    /// The media sequence number of the period's first segment.
    pub first_number: u64,
    /// The upper half of IVs that are taken from sequence numbers: 0 where players may do that by
    /// themselves, and otherwise what no other playlist under the key has.
    pub iv_space: u64,
}

impl RenditionProtection {
    /// The IV of a segment of the period, where its key has none: its media sequence number,
    /// big-endian (RFC 8216 5.2), below [`RenditionProtection::iv_space`].
    pub fn numbered_iv(&self, segment: usize) -> [u8; 16] {
        let number = self.first_number + segment as u64;
        (u128::from(self.iv_space) << 64 | u128::from(number)).to_be_bytes()
    }

    /// The IV that a playlist names for a segment of the period.
    pub fn iv_of(&self, segment: usize) -> Option<[u8; 16]> {
        let iv = self.constant_iv.unwrap_or_else(|| self.numbered_iv(segment));
        // RFC 8216 4.3.2.4: without the attribute the sequence number is the IV of AES-128. For
        // SAMPLE-AES players want it said.
        let is_said = self.constant_iv.is_some()
            || self.scheme == ProtectionScheme::HlsSampleAes
            || self.iv_space > 0;
        (self.shows_iv && is_said).then_some(iv)
    }
}

/// One segment in a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManifestSegment {
    /// Time of its first sample, which also names it.
    pub time: Ticks,
    /// Until the next segment begins.
    pub duration: Ticks,
    /// Exact size; with SAMPLE-AES, which grows where encrypted bytes look like start codes, a
    /// little more than the usual one.
    pub bytes: u64,
    /// What stands in for it.
    pub healing: Healing,
}

/// What players are given where a segment cannot be made from its source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Healing {
    /// The segment: its source is there.
    #[default]
    None,
    /// Nothing for so long.
    Gap,
    /// Silence that lasts as long, in the directory [`SILENCE_DIRECTORY`] below the rendition's.
    Silence,
}

/// Where segments are found by their number in the period, from 1: this stands before it in names.
pub const NUMBER_PREFIX: &str = "number-";

/// The directory of silent segments below that of their rendition and period.
pub const SILENCE_DIRECTORY: &str = "silence";

/// The name without extension, in the directory of a text and period, of the file that has all of
/// it; text without an initialization segment and with one segment is that file in MPDs.
pub const PERIOD_TEXT_STEM: &str = "period";

/// Renditions that are played together, and what they need together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The rendition that segments of the main playlist come from.
    pub main: RenditionId,
    /// The sound that goes with it: a place in [`Manifest::audio_groups`].
    pub audio: Option<usize>,
    /// RFC 6381 strings of everything in it over all periods, without repeats.
    pub codecs: Vec<String>,
    /// Highest bit rate over any segment, bits per second.
    pub peak_bandwidth: u64,
    /// Bit rate over the presentation, bits per second.
    pub average_bandwidth: u64,
}

/// Sound of one codec and number of channels that people choose from, by language as a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioGroup {
    /// Its name in master playlists.
    pub id: String,
    /// The name of the source's group that it comes from.
    pub source: String,
    /// One at least, in the order of the source.
    pub members: Vec<AudioMember>,
}

/// Sound that people can choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioMember {
    /// `None` where it is in the segments of what is shown.
    pub rendition: Option<RenditionId>,
    /// What people are told of it.
    pub description: Arc<Description>,
    /// The loudspeaker channels, as HLS counts them.
    pub channels: Option<String>,
}

/// What a rendition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RenditionKind {
    /// Pictures alone.
    Video,
    /// Sound alone.
    Audio,
    /// Everything that the source stream holds, in one transport stream.
    Muxed,
    /// Subtitles.
    Text,
    /// For trick play: of the pictures those that can be decoded alone, each a segment of its own.
    Trick,
}

/// A rendition's name in URLs: `video-1`, `audio-1`, `av-1`, `trick-1`; the number counts the streams
/// of the source's master playlist. In `text-1` it counts its subtitles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RenditionId {
    /// What it holds.
    pub kind: RenditionKind,
    /// Index into the presentation's streams; of text, into its texts.
    pub stream: usize,
}

impl RenditionId {
    /// Reads what [`fmt::Display`] writes, and nothing else: no sign, no leading zero.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, number) = text.split_once('-')?;
        let kind = match kind {
            "video" => RenditionKind::Video,
            "audio" => RenditionKind::Audio,
            "av" => RenditionKind::Muxed,
            "text" => RenditionKind::Text,
            "trick" => RenditionKind::Trick,
            _ => return None,
        };
        let id = Self { kind, stream: number.parse::<usize>().ok()?.checked_sub(1)? };
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for RenditionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            RenditionKind::Video => "video",
            RenditionKind::Audio => "audio",
            RenditionKind::Muxed => "av",
            RenditionKind::Text => "text",
            RenditionKind::Trick => "trick",
        };
        write!(f, "{kind}-{}", self.stream + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rendition_ids_have_one_spelling() {
        let id = RenditionId { kind: RenditionKind::Muxed, stream: 11 };
        assert_eq!(id.to_string(), "av-12");
        assert_eq!(RenditionId::parse("av-12"), Some(id));
        for bad in ["av-0", "av-012", "av-+1", "av-", "av", "texts-1", "av-1-2"] {
            assert_eq!(RenditionId::parse(bad), None, "{bad}");
        }
    }
}
