//! What master playlists say of closed captions (RFC 8216 4.3.4.1, 4.3.4.2).

use super::master::StreamEntry;
use super::rendition::{RenditionEntry, RenditionType};
use crate::model::caption::{Caption, CaptionService};

/// What the master playlist says of the captions in a stream's pictures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeclaredCaptions {
    /// `NONE` is `Some(false)`, a group that is there `Some(true)`; `None` where nothing is said.
    pub are_there: Option<bool>,
    /// The services of the group, or of all groups where none is named, each once.
    pub services: Vec<Caption>,
}

impl DeclaredCaptions {
    /// What a stream declares beside these renditions. An `INSTREAM-ID` that there is no service for
    /// is passed over.
    pub(super) fn of(stream: &StreamEntry, renditions: &[RenditionEntry]) -> Self {
        let wanted = stream.closed_captions.as_deref();
        if wanted == Some("NONE") {
            return Self { are_there: Some(false), services: Vec::new() };
        }
        let mut services: Vec<Caption> = Vec::new();
        let of_stream = renditions.iter().filter(|rendition| {
            let is_wanted = wanted.is_none_or(|wanted| wanted == rendition.group);
            rendition.kind == RenditionType::ClosedCaptions && is_wanted
        });
        for rendition in of_stream {
            let stated = rendition.instream_id.as_deref().and_then(CaptionService::parse);
            let is_new = |service| services.iter().all(|known| known.service != service);
            if let Some(service) = stated.filter(|service| is_new(*service)) {
                let description = Some(rendition.description.clone());
                services.push(Caption { service, description });
            }
        }
        let are_there = wanted.filter(|_| !services.is_empty()).map(|_| true);
        Self { are_there, services }
    }
}
