//! A setting that does not hold, told so that it can be put right without reading the code.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Blame, Error};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The settings file.
    File(PathBuf),
    /// An environment variable, by its name.
    Environment(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the default"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Environment(name) => write!(f, "the environment variable {name}"),
            Self::Flag(flag) => write!(f, "the flag {flag}"),
        }
    }
}

/// Which setting, which value, where it came from, what is wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct ConfigError {
    /// The key, such as `playback.listen`; empty where the file as a whole is unreadable.
    pub setting: String,
    /// The value, unless it is a secret.
    pub value: Option<String>,
    /// Where the value came from.
    pub origin: Origin,
    /// What is wrong and what to do.
    pub problem: String,
}

impl ConfigError {
    /// The settings file cannot be used as it stands.
    pub(super) fn file(path: &Path, problem: impl Into<String>) -> Self {
        Self {
            setting: String::new(),
            value: None,
            origin: Origin::File(path.to_owned()),
            problem: problem.into(),
        }
    }

    fn sentence(&self) -> String {
        let Self { setting, value, origin, problem } = self;
        match value {
            _ if setting.is_empty() => format!("{origin}: {problem}"),
            Some(value) => format!("{setting} = {value:?} (from {origin}): {problem}"),
            None => format!("{setting} (from {origin}): {problem}"),
        }
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        // Nobody's request is at fault: whoever runs this program wrote the setting.
        Self::invalid(&error.setting, error.to_string()).blamed_on(Blame::Us)
    }
}
