//! `EXT-X-MEDIA` (RFC 8216 4.3.4.1, draft-pantos-hls-rfc8216bis 4.4.6.1): alternatives to what the
//! streams hold.

use super::attribute::Attributes;
use super::error::ReadError;
use super::line::checked_uri;
use super::master::stable_id;
use super::note::{NoteKind, Notes};
use super::variable::Scope;
use crate::model::description::Description;

/// One `EXT-X-MEDIA`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenditionEntry {
    /// The line of the tag, from 1.
    pub line: usize,
    /// `TYPE`.
    pub kind: RenditionType,
    /// `GROUP-ID`, by which streams name it.
    pub group: String,
    /// Its media playlist; without one it lies in the streams that name the group.
    pub uri: Option<String>,
    /// `NAME`, `LANGUAGE` and the like.
    pub description: Description,
    /// `CHANNELS`, as written.
    pub channels: Option<String>,
    /// `STABLE-RENDITION-ID`.
    pub stable_id: Option<String>,
    /// `INSTREAM-ID`: which captions.
    pub instream_id: Option<String>,
}

/// `TYPE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RenditionType {
    /// Sound.
    Audio,
    /// Pictures, another camera for instance.
    Video,
    /// Text in files of its own.
    Subtitles,
    /// Text within the pictures.
    ClosedCaptions,
}

impl RenditionType {
    /// As the tag spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "AUDIO",
            Self::Video => "VIDEO",
            Self::Subtitles => "SUBTITLES",
            Self::ClosedCaptions => "CLOSED-CAPTIONS",
        }
    }
}

impl RenditionEntry {
    /// Reads the attributes; `None`, and a note, where it cannot be told what it is.
    pub(super) fn read(
        attributes: &Attributes<'_>,
        scope: &mut Scope<'_>,
        notes: &mut Notes,
    ) -> Result<Option<Self>, ReadError> {
        let mut text = |name: &str| -> Result<Option<String>, ReadError> {
            let value = scope.attribute(attributes, name)?;
            // What is shown to people, and printed into other formats.
            let value = value.map(|value| value.replace(char::is_control, " ").trim().to_owned());
            Ok(value.filter(|value| !value.is_empty()))
        };
        let stated = text("TYPE")?.unwrap_or_default();
        let kinds = [
            RenditionType::Audio,
            RenditionType::Video,
            RenditionType::Subtitles,
            RenditionType::ClosedCaptions,
        ];
        let Some(kind) = kinds.into_iter().find(|kind| kind.as_str() == stated) else {
            notes.add(NoteKind::ValueUnreadable, attributes.line, &format!("TYPE={stated}"));
            return Ok(None);
        };
        let Some(group) = text("GROUP-ID")? else {
            notes.add(NoteKind::ValueUnreadable, attributes.line, "GROUP-ID is missing");
            return Ok(None);
        };
        let uri = match text("URI")? {
            Some(uri) => Some(checked_uri(&uri, attributes.line, attributes.tag)?.to_owned()),
            None => None,
        };
        let language = text("LANGUAGE")?;
        let name = text("NAME")?.or_else(|| language.clone()).unwrap_or_else(|| group.clone());
        let is_default = text("DEFAULT")?.as_deref() == Some("YES");
        let characteristics = text("CHARACTERISTICS")?.unwrap_or_default();
        let characteristics = characteristics.split(',').map(str::trim);
        let description = Description {
            name,
            language,
            associated_language: text("ASSOC-LANGUAGE")?,
            is_default,
            // What is played by default is chosen without asking (RFC 8216 4.3.4.1).
            is_autoselected: is_default || text("AUTOSELECT")?.as_deref() == Some("YES"),
            is_forced: text("FORCED")?.as_deref() == Some("YES"),
            characteristics: characteristics.filter(|c| !c.is_empty()).map(str::to_owned).collect(),
        };
        Ok(Some(Self {
            line: attributes.line,
            kind,
            group,
            uri,
            description,
            channels: text("CHANNELS")?,
            instream_id: text("INSTREAM-ID")?,
            stable_id: stable_id(attributes, "STABLE-RENDITION-ID", notes),
        }))
    }
}
