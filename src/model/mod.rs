//! The nouns of packorigin as plain data (HOUSE words: Presentation, Period, Rendition, Track …).
//!
//! Nothing here parses, reads or writes: rooms above fill these types and read them.

pub mod caption;
pub mod codec;
pub mod description;
pub mod encryption;
pub mod filter;
pub mod groups;
pub mod ingest;
pub mod language;
pub mod list;
pub mod manifest;
pub mod marker;
pub mod mpd;
pub mod policy;
pub mod presentation;
pub mod protection;
pub mod sample;
pub mod session;
pub mod source_key;
pub mod text;
pub mod timed_metadata;
pub mod ttml;
pub mod wall_clock;
