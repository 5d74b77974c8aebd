//! Source playlists → what ingest follows (RFC 8216 4, draft-pantos-hls-rfc8216bis 4).
//!
//! ```text
//! bytes ─ line: numbered lines ─┬ attribute: NAME=VALUE lists ─┬ master ─ rendition, session
//!                               ├ variable: {$name}            └ media ─ key, date_time
//!                               └ number: exact decimals
//! ```
//!
//! What playing depends on and cannot be understood is an error with its line and tag. What can be
//! understood in spite of the standard is taken, and what is only a claim about the media is left
//! out; both leave a [`Note`]. `EXT-X-KEY` and variables are carried to the segments they hold for,
//! and byte ranges without offset are resolved. Unknown tags and attributes are passed over
//! (RFC 8216 6.3.1).
//!
//! URIs are left as written but for white space around them and variables in them; `source`
//! resolves them. Durations, sequence numbers and dates are what the playlist says; whether the
//! media agree is not looked at here.

mod attribute;
mod caption;
mod date_time;
mod error;
mod key;
mod line;
mod marker;
mod master;
mod media;
mod note;
mod number;
mod rendition;
mod session;
#[cfg(test)]
mod tests;
mod variable;

pub use self::caption::DeclaredCaptions;
pub use self::date_time::ProgramDateTime;
pub use self::error::ReadError;
pub use self::key::KeyTag;
pub use self::marker::{DateRange, Mark, MarkerTag};
pub use self::master::{ListedStream, MasterPlaylist, StreamEntry, master_playlist};
pub use self::media::{MediaContext, MediaPlaylist, MediaSegment, media_playlist};
pub use self::note::{Note, NoteKind};
pub use self::rendition::{RenditionEntry, RenditionType};
pub use self::session::{SessionEntry, SessionEntryContent};
pub use self::variable::Variables;

use self::attribute::Attributes;
use self::note::Notes;

/// `EXT-X-START`: where players should begin (RFC 8216 4.3.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartOffset {
    /// `TIME-OFFSET`, from the start, or from the end where negative.
    pub milliseconds: i64,
    /// `PRECISE`: samples before it are not shown.
    pub precise: bool,
}

impl StartOffset {
    fn read(attributes: &Attributes<'_>, notes: &mut Notes) -> Option<Self> {
        let text = attributes.get("TIME-OFFSET").unwrap_or_default();
        let Some(milliseconds) = number::signed_thousandths(text) else {
            let shown = format!("TIME-OFFSET={text}");
            notes.add(NoteKind::ValueUnreadable, attributes.line, &shown);
            return None;
        };
        Some(Self { milliseconds, precise: attributes.get("PRECISE") == Some("YES") })
    }
}

/// What errors name for a line that is no tag.
const URI_LINE: &str = "URI";
/// Tags that only media playlists have (RFC 8216 4.3.2 and 4.3.3).
const MEDIA_TAGS: &[&str] =
    &["EXTINF", "EXT-X-TARGETDURATION", "EXT-X-MEDIA-SEQUENCE", "EXT-X-ENDLIST", "EXT-X-BYTERANGE"];
/// Tags that only master playlists have (RFC 8216 4.3.4).
const MASTER_TAGS: &[&str] = &["EXT-X-STREAM-INF", "EXT-X-I-FRAME-STREAM-INF", "EXT-X-MEDIA"];
