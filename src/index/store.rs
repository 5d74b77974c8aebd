//! Indexes as files in the data directory, each under its own hash.
//!
//! An index is never changed, only added; writing the same one twice is harmless. A file appears
//! whole or not at all: it is written beside its place and renamed.

use std::fmt;
use std::path::{Path, PathBuf};

use tokio::task::spawn_blocking;

use super::format;
use crate::error::{Error, Kind, Result};
use crate::model::presentation::Presentation;

/// The identity of an index: the first 128 bits of its body's SHA-256, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexId(String);

impl IndexId {
    const DIGITS: usize = 32;

    /// Reads what [`IndexId::as_str`] gives.
    pub fn parse(text: &str) -> Option<Self> {
        let well_formed = text.len() == Self::DIGITS
            && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        well_formed.then(|| Self(text.to_owned()))
    }

    /// 32 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of(hash: [u8; 32]) -> Self {
        let mut digits = hex::encode(hash);
        digits.truncate(Self::DIGITS);
        Self(digits)
    }
}

impl fmt::Display for IndexId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The folder of indexes.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// Opens the store below a data directory; creates its folder.
    pub fn open(data_dir: &Path) -> Result<Self> {
        let folder = data_dir.join("index");
        std::fs::create_dir_all(&folder).map_err(|error| failed(&folder, "created", error))?;
        Ok(Self { folder })
    }

    /// Stores an index; returns its identity and how many bytes it takes.
    pub async fn put(&self, presentation: &Presentation) -> Result<(IndexId, u64)> {
        let (bytes, hash) = format::encode(presentation)
            .map_err(|error| Error::internal("the index cannot be encoded").caused_by(error))?;
        let id = IndexId::of(hash);
        let size = bytes.len() as u64;
        let (folder, path) = (self.folder.clone(), self.path(&id));
        in_background(move || {
            // One that is damaged or of another version is written anew.
            if std::fs::read(&path).is_ok_and(|stored| stored == bytes) {
                return Ok(());
            }
            let write = || -> std::io::Result<()> {
                let mut file = tempfile::NamedTempFile::new_in(&folder)?;
                std::io::Write::write_all(&mut file, &bytes)?;
                file.as_file().sync_all()?;
                file.persist(&path).map_err(|error| error.error)?;
                Ok(())
            };
            write().map_err(|error| failed(&path, "written", error))
        })
        .await?;
        Ok((id, size))
    }

    /// Loads an index.
    pub async fn get(&self, id: &IndexId) -> Result<Presentation> {
        let path = self.path(id);
        in_background(move || {
            let bytes = std::fs::read(&path).map_err(|error| failed(&path, "read", error))?;
            format::decode(&bytes).map_err(|error| {
                let message =
                    format!("the index {} cannot be used; ingest its asset again", path.display());
                Error::new(Kind::Internal, message).caused_by(error)
            })
        })
        .await
    }

    fn path(&self, id: &IndexId) -> PathBuf {
        self.folder.join(format!("{id}.index"))
    }
}

async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("work on an index was stopped").caused_by(error))?
}

fn failed(path: &Path, verb: &str, error: std::io::Error) -> Error {
    let message = format!("{} cannot be {verb}; check the data directory", path.display());
    Error::internal(message).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_index_is_found_under_its_hash_and_damage_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let presentation = Presentation::default();
        let (id, _) = store.put(&presentation).await.unwrap();
        assert_eq!(store.put(&presentation).await.unwrap().0, id);
        assert_eq!(store.get(&id).await.unwrap(), presentation);
        assert_eq!(IndexId::parse(id.as_str()), Some(id.clone()));
        std::fs::write(store.path(&id), b"PKORIDX\x01nonsense").unwrap();
        let error = store.get(&id).await.unwrap_err();
        assert!(error.message().contains("ingest its asset again"));
    }

    #[test]
    fn identities_cannot_be_paths() {
        assert_eq!(IndexId::parse("../../../../etc/passwd0123456789ab"), None);
        assert_eq!(IndexId::parse(&"A".repeat(32)), None);
    }

    #[tokio::test]
    async fn a_damaged_index_is_mended_by_storing_it_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let presentation = Presentation::default();
        let (id, _) = store.put(&presentation).await.unwrap();
        std::fs::write(store.path(&id), b"PKORIDX").unwrap();
        assert!(store.get(&id).await.is_err());
        store.put(&presentation).await.unwrap();
        assert_eq!(store.get(&id).await.unwrap(), presentation);
    }
}
