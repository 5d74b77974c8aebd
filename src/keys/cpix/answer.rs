//! What an answer says, before anything is judged: its keys, DRM systems and usage rules by key ID.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::error::{DocumentFault, ResponseError};
use super::namespace::CPIX;
use super::xml::{Element, XmlError};
use crate::model::protection::{DrmSystem, KeyId, TrackType};

/// The parts of a document that matter.
pub struct Answer<'a> {
    /// `ContentKey` elements.
    pub keys: Vec<(KeyId, &'a Element)>,
    /// `DRMSystem` elements of systems that we know.
    pub systems: Vec<(KeyId, DrmSystem, &'a Element)>,
    /// `ContentKeyUsageRule`: the track type if it is one that we know.
    pub rules: Vec<(KeyId, Option<TrackType>)>,
    /// `DeliveryData` elements: keys under which content keys are encrypted.
    pub deliveries: Vec<&'a Element>,
}

/// Reads the XML.
pub fn parse(document: &[u8]) -> Result<Element, DocumentFault> {
    let text = std::str::from_utf8(document).map_err(|_| DocumentFault::NotXml)?;
    Element::parse(text).map_err(|error| match error {
        XmlError::Malformed | XmlError::UnknownPrefix => DocumentFault::NotXml,
        XmlError::TooLarge => DocumentFault::TooLarge,
    })
}

impl<'a> Answer<'a> {
    /// Finds the parts.
    pub fn of(root: &'a Element) -> Result<Self, ResponseError> {
        let mut answer = Self {
            keys: Vec::new(),
            systems: Vec::new(),
            rules: Vec::new(),
            deliveries: Vec::new(),
        };
        for key in entries(root, "ContentKeyList", "ContentKey") {
            answer.keys.push((key_id(key, "ContentKey")?, key));
        }
        for system in entries(root, "DRMSystemList", "DRMSystem") {
            let id = key_id(system, "DRMSystem")?;
            if let Some(known) = system.attribute("systemId").and_then(DrmSystem::from_system_id) {
                answer.systems.push((id, known, system));
            }
        }
        for rule in entries(root, "ContentKeyUsageRuleList", "ContentKeyUsageRule") {
            let track_type = rule.attribute("intendedTrackType").and_then(TrackType::parse);
            answer.rules.push((key_id(rule, "ContentKeyUsageRule")?, track_type));
        }
        answer.deliveries.extend(entries(root, "DeliveryDataList", "DeliveryData"));
        Ok(answer)
    }

    /// The element of a key.
    pub fn key(&self, id: KeyId) -> Option<&'a Element> {
        self.keys.iter().find(|(found, _)| *found == id).map(|(_, key)| *key)
    }

    /// What a system says of a key.
    pub fn system(&self, id: KeyId, system: DrmSystem) -> Option<&'a Element> {
        let entry = self.systems.iter().find(|(key, found, _)| *key == id && *found == system);
        entry.map(|(_, _, element)| *element)
    }
}

fn entries<'a>(
    root: &'a Element,
    list: &'static str,
    name: &'static str,
) -> impl Iterator<Item = &'a Element> {
    root.all(CPIX, list).flat_map(move |list| list.all(CPIX, name))
}

fn key_id(element: &Element, name: &'static str) -> Result<KeyId, ResponseError> {
    let fault = DocumentFault::MalformedKeyId { element: name };
    element.attribute("kid").and_then(KeyId::parse).ok_or(ResponseError::Document(fault))
}

/// Base64 with any white space in it, padded or not.
pub fn base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digits: Zeroizing<String> =
        Zeroizing::new(text.chars().filter(|c| !c.is_ascii_whitespace()).collect());
    LENIENT.decode(digits.as_bytes()).ok().map(Zeroizing::new)
}

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
