//! What was fetched, as it lies before the judge.

use super::mpd::Mpd;
use super::playlist::{KeyLine, Listed, Master, Media};

/// Everything that players of one configuration would fetch, as far as it matters.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The manifest that players begin with.
    pub entry: Entry,
    /// Each rendition, or each representation of each period.
    pub tracks: Vec<Track>,
}

/// The manifest that players begin with.
#[derive(Clone, Debug)]
pub enum Entry {
    /// DASH.
    Mpd(Mpd),
    /// HLS.
    Master(Master),
}

/// Segments that belong together, and what is announced of them.
#[derive(Clone, Debug)]
pub struct Track {
    /// For people: `v0`, `v0/1`.
    pub name: String,
    /// What the manifests say.
    pub announced: Announced,
    /// Initialization segments: name and bytes. None in transport streams.
    pub inits: Vec<(String, Vec<u8>)>,
    /// Media segments, in order.
    pub segments: Vec<Segment>,
}

/// What the manifests say of a track.
#[derive(Clone, Debug)]
pub enum Announced {
    /// An adaptation set, by its index in the MPD.
    Set(usize),
    /// A playlist, and its line in the master playlist.
    Playlist(Media, Listed),
}

/// A media segment.
#[derive(Clone, Debug)]
pub struct Segment {
    /// For people.
    pub name: String,
    /// Its initialization segment, by its index in the track.
    pub init: Option<usize>,
    /// Its media sequence number; 0 in DASH.
    pub number: u64,
    /// The keys in force; none in DASH.
    pub keys: Vec<KeyLine>,
    /// Whether the keys in force say if it is encrypted: in HLS they do.
    pub is_listed: bool,
    /// As players get it.
    pub bytes: Vec<u8>,
    /// Whether the configuration leaves it clear.
    pub in_clear_lead: bool,
    /// The same segment packaged without encryption, where the caller has it.
    pub clear: Option<Vec<u8>>,
}

impl Segment {
    /// Whether a playlist says that it is encrypted; MPDs say nothing of single segments.
    pub fn expects_encryption(&self) -> Option<bool> {
        self.is_listed.then_some(!self.keys.is_empty())
    }
}
