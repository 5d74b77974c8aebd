//! The listener that faces CDNs and players (INTERFACE.md section 4).
//!
//! ```text
//! server   accepts connections, drains at the end
//! └ handler  one request, top to bottom:
//!     route    path → Route
//!     at_hand  out of memory where possible; else the long way:
//!     selection  query → which renditions, from when to when
//!     access   may this client ask
//!     library  names → Packaging, through the caches of indexes and plans
//!     recent   the same names a moment later
//!     printed  a Packaging with its manifests, each printed and compressed once
//!     survey   what of the source is missing, for configurations that heal
//!     ahead    the source of the next segment, where that is far away
//!     build    a segment out of the cache, or package::segment once
//!     coding   gzip for who accepts it
//!     growing  segments that are sent while they are made
//!     underway until they are whole
//!     room     for what is being made and sent
//!     content  what answers are made of
//!     respond  headers, ranges, conditions, CORS, problems
//! ```

mod access;
mod ahead;
mod at_hand;
mod blocks;
mod build;
mod coding;
mod content;
mod growing;
mod handler;
mod library;
mod printed;
mod recent;
mod respond;
mod room;
mod route;
mod selection;
mod server;
mod survey;
mod underway;

pub use access::Access;
pub use ahead::ReadAhead;
pub use blocks::{BlockCache, source_reader};
pub use handler::Playback;
pub use library::Library;
pub use printed::Plan;
pub(crate) use printed::{entry_manifest, media_playlist};
pub use respond::ResponsePolicy;
pub use room::Room;
pub(crate) use route::Route;
pub use server::serve;
pub use survey::Survey;
pub use underway::Underway;
