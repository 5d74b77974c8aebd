//! Folders: is a path still inside, once links are followed, and is it a regular file?
//!
//! A link inside the folder may point anywhere inside the folder. One that leads out is refused,
//! and so is everything that is no regular file: opening a FIFO would wait for a writer for ever.
//!
//! The check and the opening are two steps. OpenDAL opens the path that the check found, with all
//! links followed, so swapping a link in between changes nothing; but whoever may replace a
//! directory of that path by a link in just that moment can have us read what it points to. It
//! takes write access to the folder, and the program's own rights bound what is read: run it as a
//! user of its own.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::SourcePath;
use super::error::SourceError;
use super::resident::{self, FileSystem};
use super::root::ObjectStat;

/// A folder that objects live under, with all links followed.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    root: PathBuf,
    file_system: Option<FileSystem>,
}

/// A regular file inside the folder.
pub(super) struct Confined {
    /// Relative to the folder, links followed.
    pub(super) path: String,
    pub(super) stat: ObjectStat,
}

impl Folder {
    /// The folder must exist: a misspelt one is better found now than by the first viewer.
    pub(super) fn open(root: &Path) -> std::io::Result<Self> {
        let root = root.canonicalize()?;
        if !root.is_dir() {
            return Err(ErrorKind::NotADirectory.into());
        }
        let file_system = resident::file_system(&root);
        Ok(Self { root, file_system })
    }

    /// What its files are on, if [`resident`] may look for them.
    pub(super) fn file_system(&self) -> Option<FileSystem> {
        self.file_system
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Follows every link of `path` and looks at what is there, on a thread that may block.
    pub(super) async fn confine(&self, path: &SourcePath) -> Result<Confined, SourceError> {
        let (folder, wanted) = (self.clone(), path.clone());
        let confined = tokio::task::spawn_blocking(move || folder.confine_now(&wanted)).await;
        confined.unwrap_or_else(|_| {
            let detail = "packorigin is shutting down".to_owned();
            Err(SourceError::Unavailable { path: path.as_str().to_owned(), detail })
        })
    }

    /// The same, on the spot.
    pub(super) fn confine_now(&self, path: &SourcePath) -> Result<Confined, SourceError> {
        let shown = || path.as_str().to_owned();
        let found = std::fs::canonicalize(self.root.join(path.as_str()))
            .map_err(|error| io_error(path, &error))?;
        let Ok(relative) = found.strip_prefix(&self.root) else {
            let detail = "a link on the way leads out of the source's folder".to_owned();
            return Err(SourceError::OutsideSource { path: shown(), detail });
        };
        let metadata = std::fs::metadata(&found).map_err(|error| io_error(path, &error))?;
        if metadata.is_dir() {
            let detail = "it is a folder; name a file in it".to_owned();
            return Err(SourceError::NotFound { path: shown(), detail });
        }
        if !metadata.is_file() {
            let detail = "it is no regular file".to_owned();
            return Err(SourceError::OutsideSource { path: shown(), detail });
        }
        // OpenDAL takes text, and trims it.
        let relative = match relative.to_str() {
            Some(relative) if relative.trim() == relative => relative.to_owned(),
            _ => {
                let detail = "a link leads to a name that cannot be addressed".to_owned();
                return Err(SourceError::Unavailable { path: shown(), detail });
            }
        };
        let modified = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let size = metadata.len();
        let identity =
            modified.map(|at| format!("{}.{:09}-{size}", at.as_secs(), at.subsec_nanos()));
        Ok(Confined { path: relative, stat: ObjectStat { size, identity } })
    }
}

/// An error of the file system; its text names no path of ours.
pub(super) fn io_error(path: &SourcePath, error: &std::io::Error) -> SourceError {
    let path = path.as_str().to_owned();
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            SourceError::NotFound { path, detail: String::new() }
        }
        ErrorKind::PermissionDenied => SourceError::Forbidden {
            path,
            detail: "the user that packorigin runs as may not read it".to_owned(),
        },
        kind => SourceError::Unavailable { path, detail: kind.to_string() },
    }
}
