//! Checks of request fields that need no catalog; each refusal names the field and what it takes.

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, IntoDeserializer};

use crate::error::{Error, Result};
use crate::model::policy::{ContentId, Name};

/// A well-formed name.
pub(super) fn name(field: &str, text: &str) -> Result<Name> {
    Name::new(text).map_err(|error| Error::invalid(field, format!("{field} {error}")))
}

/// A well-formed content ID.
pub(super) fn content_id(field: &str, text: &str) -> Result<ContentId> {
    ContentId::new(text).map_err(|error| Error::invalid(field, format!("{field} {error}")))
}

/// A description, which lists repeat and which is therefore bounded.
pub(super) fn description(field: &str, text: String) -> Result<String> {
    if text.chars().count() > MAX_DESCRIPTION {
        let message = format!("{field} must be at most {MAX_DESCRIPTION} characters");
        return Err(Error::invalid(field, message));
    }
    Ok(text)
}

/// The place of a master playlist in its source. Whether it stays inside is for the source to say.
pub(super) fn source_path(field: &str, text: String) -> Result<String> {
    let wrong = if text.is_empty() {
        "must not be empty".to_owned()
    } else if text.chars().count() > MAX_PATH {
        format!("must be at most {MAX_PATH} characters")
    } else if text.contains('\0') {
        "must not contain NUL".to_owned()
    } else {
        return Ok(text);
    };
    Err(Error::invalid(field, format!("{field} {wrong}")))
}

/// A whole number of a range.
pub(super) fn number(field: &str, value: i64, lowest: u32, highest: u32) -> Result<u32> {
    u32::try_from(value).ok().filter(|value| (lowest..=highest).contains(value)).ok_or_else(|| {
        Error::invalid(field, format!("{field} must be from {lowest} to {highest}, not {value}"))
    })
}

/// A word of a closed set. Read as text first: of null or a number in place of a word, serde_json
/// says that the JSON is malformed, which it is not.
pub(super) fn word<T: DeserializeOwned>(field: &str, text: &str, known: &str) -> Result<T> {
    let deserializer: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
    T::deserialize(deserializer)
        .map_err(|_| Error::invalid(field, format!("{field} must be one of {known}")))
}

const MAX_DESCRIPTION: usize = 1024;
const MAX_PATH: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_inclusive_and_count_characters() {
        assert!(source_path("path", "ü".repeat(1024)).is_ok());
        for bad in [String::new(), "ü".repeat(1025), "a\0b".to_owned()] {
            assert_eq!(source_path("path", bad).unwrap_err().field(), Some("path"));
        }
        assert!(description("description", "ü".repeat(1024)).is_ok());
        assert!(description("description", "ü".repeat(1025)).is_err());
        assert_eq!(number("n", 30, 1, 30).unwrap(), 30);
        for bad in [0, 31, -1, i64::MIN, i64::MAX, 1 << 32] {
            assert_eq!(number("n", bad, 1, 30).unwrap_err().field(), Some("n"));
        }
    }
}
