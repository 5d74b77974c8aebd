//! Answers of key servers in the data directory, sealed, for starts while a server is away.
//!
//! ```text
//! keys/<SHA-256 of the question>.sealed
//!   = sealed( seconds since 1970 when it came (8 bytes, big-endian) ‖ document )
//! ```
//!
//! The question is part of the authenticated data: an answer that is moved to another question's
//! place cannot be opened. Files appear whole or not at all, readable by the owner alone, and go
//! when they are too old to be used. Documents are kept as they came and are read and checked again
//! like new ones.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use super::question::{Question, QuestionId};
use super::vault::Vault;
use crate::error::{Blame, Error, Kind, Result};

/// Precedes the question in the authenticated data.
const CONTEXT: &[u8] = b"packorigin key answer\0";
const EXTENSION: &str = "sealed";

/// The folder of answers.
pub(super) struct Disk {
    folder: PathBuf,
}

/// An answer that was stored.
pub(super) struct Stored {
    /// When it came, in seconds since 1970.
    pub(super) at: u64,
    /// What it said.
    pub(super) document: Zeroizing<Vec<u8>>,
}

impl Disk {
    /// Opens the folder below a data directory, creates it if need be, and removes files that
    /// nobody has written for `kept`.
    pub(super) fn open(data_dir: &Path, kept: Duration) -> Result<Self> {
        let folder = data_dir.join("keys");
        create(&folder).map_err(|error| {
            let message = format!(
                "the folder {} of keys.disk_cache cannot be created; check data_dir",
                folder.display()
            );
            Error::new(Kind::Internal, message).blamed_on(Blame::Us).caused_by(error)
        })?;
        let disk = Self { folder };
        disk.sweep(kept);
        Ok(disk)
    }

    /// Stores an answer.
    pub(super) fn put(
        &self,
        vault: &Vault,
        question: &Question,
        stored: &Stored,
    ) -> std::io::Result<()> {
        let mut plain = Zeroizing::new(Vec::with_capacity(8 + stored.document.len()));
        plain.extend_from_slice(&stored.at.to_be_bytes());
        plain.extend_from_slice(&stored.document);
        let sealed = vault.seal_bytes(&context(question), &plain).map_err(std::io::Error::other)?;
        // Made with mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(&sealed)?;
        file.as_file().sync_all()?;
        file.persist(self.path(&question.id)).map_err(|error| error.error)?;
        Ok(())
    }

    /// The stored answer; `None` if there is none. An error is told to the operator and is no
    /// reason to give up.
    pub(super) fn get(
        &self,
        vault: &Vault,
        question: &Question,
    ) -> std::io::Result<Option<Stored>> {
        let sealed = match std::fs::read(self.path(&question.id)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        let plain = vault.open_bytes(&context(question), &sealed).map_err(std::io::Error::other)?;
        let (at, document) = plain
            .split_first_chunk()
            .ok_or_else(|| std::io::Error::other("a stored answer is too short"))?;
        Ok(Some(Stored {
            at: u64::from_be_bytes(*at),
            document: Zeroizing::new(document.to_vec()),
        }))
    }

    /// Removes files that nobody has written for `kept`. What cannot be removed is left.
    pub(super) fn sweep(&self, kept: Duration) {
        let Ok(files) = std::fs::read_dir(&self.folder) else { return };
        let is_old = |path: &Path| {
            let written = std::fs::metadata(path).and_then(|metadata| metadata.modified());
            written.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > kept))
        };
        for path in files.flatten().map(|file| file.path()) {
            if path.extension().is_some_and(|extension| extension == EXTENSION) && is_old(&path) {
                let _ = std::fs::remove_file(&path);
            }
        }
    }

    fn path(&self, id: &QuestionId) -> PathBuf {
        self.folder.join(format!("{}.{EXTENSION}", hex::encode(id)))
    }
}

fn context(question: &Question) -> Vec<u8> {
    [CONTEXT, &question.text].concat()
}

fn create(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
