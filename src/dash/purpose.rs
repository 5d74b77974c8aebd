//! What an AdaptationSet is there for: `Label`, `Accessibility` and `Role` (ISO/IEC 23009-1:2022
//! 5.3.10, 5.8.4.3, 5.8.5.5), from the words that HLS has for it.
//!
//! Descriptive sound gets the accessibility scheme that DASH-IF IOP 4.3 3.9.4 and DVB use.

use std::io;

use quick_xml::Writer;
use quick_xml::events::BytesText;

use super::write_descriptor;
use crate::model::description::Description;

pub(super) const ROLE_SCHEME: &str = "urn:mpeg:dash:role:2011";
/// ETSI TS 103 285: 1 is sound for those who do not see the pictures, 8 clear dialogue.
const AUDIO_PURPOSE_SCHEME: &str = "urn:tva:metadata:cs:AudioPurposeCS:2007";

/// Sound that says what pictures show.
const DESCRIBES_VIDEO: &str = "public.accessibility.describes-video";
/// Sound in which speech is easier to understand.
const CLEAR_SPEECH: &str = "public.accessibility.enhances-speech-intelligibility";
/// Words that are easy to follow.
const EASY_TO_READ: &str = "public.easy-to-read";

/// Writes the elements, in the order of the schema. What nothing is said of is the main thing.
pub(super) fn write_purpose(
    writer: &mut Writer<Vec<u8>>,
    description: Option<&Description>,
) -> io::Result<()> {
    let Some(words) = description else {
        return write_descriptor(writer, "Role", ROLE_SCHEME, "main");
    };
    let text = BytesText::new(&words.name);
    writer.create_element("Label").write_text_content(text)?;
    if words.has(DESCRIBES_VIDEO) {
        write_descriptor(writer, "Accessibility", AUDIO_PURPOSE_SCHEME, "1")?;
    }
    if words.has(CLEAR_SPEECH) {
        write_descriptor(writer, "Accessibility", AUDIO_PURPOSE_SCHEME, "8")?;
    }
    let main = if words.is_default { "main" } else { "alternate" };
    let more = [
        (DESCRIBES_VIDEO, "description"),
        (CLEAR_SPEECH, "enhanced-audio-intelligibility"),
        (EASY_TO_READ, "easyreader"),
    ];
    let more = more.into_iter().filter(|(own, _)| words.has(own)).map(|(_, role)| role);
    for role in std::iter::once(main).chain(more) {
        write_descriptor(writer, "Role", ROLE_SCHEME, role)?;
    }
    Ok(())
}
