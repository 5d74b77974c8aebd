//! What master playlists say of closed captions (RFC 8216 4.3.4.1, 4.3.4.2).

use super::attribute::Attributes;
use super::error::ReadError;
use super::note::{NoteKind, Notes};
use super::variable::Scope;
use crate::model::caption::{Caption, CaptionService};

/// What the master playlist says of the captions in a stream's pictures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeclaredCaptions {
    /// `NONE` is `Some(false)`, a group that is there `Some(true)`; `None` where nothing is said.
    pub are_there: Option<bool>,
    /// The services of the group, or of all groups where none is named, each once.
    pub services: Vec<Caption>,
}

/// The `EXT-X-MEDIA` of captions, with their `GROUP-ID`.
#[derive(Debug, Default)]
pub(super) struct CaptionTags(Vec<(String, Caption)>);

impl CaptionTags {
    /// Takes a tag. One whose `INSTREAM-ID` cannot be understood is left out with a note.
    pub(super) fn read(
        &mut self,
        attributes: &Attributes<'_>,
        scope: &mut Scope<'_>,
        notes: &mut Notes,
    ) -> Result<(), ReadError> {
        let mut text = |name| {
            let value = scope.attribute(attributes, name)?.filter(|value| !value.is_empty());
            Ok::<_, ReadError>(value.map(std::borrow::Cow::into_owned))
        };
        let group = text("GROUP-ID")?.unwrap_or_default();
        let channel = text("INSTREAM-ID")?.unwrap_or_default();
        let Some(service) = CaptionService::parse(&channel) else {
            let shown = format!("INSTREAM-ID={channel}");
            notes.add(NoteKind::ValueUnreadable, attributes.line, &shown);
            return Ok(());
        };
        let is_default = attributes.get("DEFAULT") == Some("YES");
        let caption = Caption {
            service,
            language: text("LANGUAGE")?,
            name: text("NAME")?,
            is_default,
            is_auto_select: is_default || attributes.get("AUTOSELECT") == Some("YES"),
            characteristics: text("CHARACTERISTICS")?,
        };
        self.0.push((group, caption));
        Ok(())
    }

    /// What a stream declares whose `CLOSED-CAPTIONS` is `wanted`.
    pub(super) fn declared(&self, wanted: Option<&str>) -> DeclaredCaptions {
        let mut declared = DeclaredCaptions::default();
        let is_wanted = |group: &str| wanted.is_none_or(|wanted| wanted == group);
        if wanted == Some("NONE") {
            declared.are_there = Some(false);
            return declared;
        }
        for (_, caption) in self.0.iter().filter(|(group, _)| is_wanted(group)) {
            if declared.services.iter().all(|known| known.service != caption.service) {
                declared.services.push(caption.clone());
            }
        }
        declared.are_there = wanted.filter(|_| !declared.services.is_empty()).map(|_| true);
        declared
    }
}
