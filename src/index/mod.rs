//! Reads a source once and keeps an index of it: where every independently decodable group lies,
//! when it is shown, and how large it will be in each output. No media is kept.
//!
//! ```text
//! ingest   playlists and segments, in order and in parallel
//! ├ choice   which playlists there are, and what each is there for
//! ├ listing  where their segments and keys lie
//! ├ segments their bytes, fetched ahead, into the scanners
//! └ scan     one stream: packets → access units → sections of raw groups, on the source's clock
//!   └ periods  all streams: sections beside each other
//!     └ build  one timeline, runs of audio cut at the pictures' groups
//!       ├ text   subtitles, on that timeline
//!       ├ session  what holds for the title as a whole
//!       └ report what was measured and found
//! format   Presentation ⇄ bytes, compact and checksummed
//! store    those bytes in the data directory, under their own hash
//! ```

pub mod format;
pub mod store;

mod build;
mod captions;
mod choice;
mod dates;
mod findings;
mod ingest;
mod listing;
mod markers;
mod notes;
mod periods;
mod report;
mod scan;
mod segments;
mod session;
mod tags;
mod text;

pub use ingest::{IngestLimits, Ingested, ingest};
pub use store::{IndexId, Store};
