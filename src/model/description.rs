//! What people are told of sound or text before they choose it.

use serde::{Deserialize, Serialize};

/// The name, language and purpose of a rendition, as the source's master playlist gives them
/// (`EXT-X-MEDIA`, RFC 8216 4.3.4.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Description {
    /// For menus. Unlike those of the other renditions in its group.
    pub name: String,
    /// BCP 47.
    pub language: Option<String>,
    /// Another language that goes with it, such as the spoken one of a written dialect; BCP 47.
    pub associated_language: Option<String>,
    /// Played where the user says nothing else.
    pub is_default: bool,
    /// Players may choose it by themselves, for the system's language as a rule.
    pub is_autoselected: bool,
    /// Text that is always shown: what is said in a language other than the rest.
    pub is_forced: bool,
    /// Uniform type identifiers such as `public.accessibility.describes-video`.
    pub characteristics: Vec<String>,
}

impl Description {
    /// Whether it has a characteristic.
    pub fn has(&self, characteristic: &str) -> bool {
        self.characteristics.iter().any(|own| own == characteristic)
    }
}
