//! Source segments as clear bytes, wherever they are encrypted in storage.
//!
//! ```text
//! clear      │      ╔═ wanted ═╗           │ padding
//! encrypted  │ … │ before │ b │ b │ b │ …  │
//!                  └── read ────────┘
//! ```
//!
//! AES-128 in CBC mode (RFC 8216 4.3.2.4) chains each block to the encrypted one before it, so any
//! bytes can be read with one block more in front.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::error::SourceError;
use super::key::{MAX_KEY_FILE_BYTES, SourceKey};
use super::path::SourcePath;
use super::root::Root;
use crate::cenc::aes128::{BLOCK_BYTES, decrypt_blocks, padding_len};
use crate::model::presentation::SourceObject;
use crate::model::source_key::{KeyPlace, SourceEncryption};

/// The cipher's block, as sizes are counted.
const BLOCK: u64 = BLOCK_BYTES as u64;

impl Root {
    /// Exactly these bytes of a source segment, counted from its start and decrypted.
    pub async fn read_object(
        &self,
        object: &SourceObject,
        bytes: Range<u64>,
    ) -> Result<Bytes, SourceError> {
        let path = SourcePath::from_stored(&object.path)?;
        let Some(encryption) = &object.encryption else {
            return self.read_range(&path, within(object.start, &bytes)).await;
        };
        if bytes.end > object.size {
            let (path, wanted) = (path.as_str().to_owned(), bytes.end);
            return Err(SourceError::Truncated { path, wanted, size: Some(object.size) });
        }
        if bytes.is_empty() {
            return Ok(Bytes::new());
        }
        let key = self.key(&encryption.key).await?;
        let blocks = bytes.start / BLOCK * BLOCK..bytes.end.div_ceil(BLOCK).saturating_mul(BLOCK);
        let clear = self.read_blocks(&path, object.start, encryption, &key, blocks.clone()).await?;
        let skip = (bytes.start - blocks.start) as usize;
        let length = (bytes.end - bytes.start) as usize;
        Ok(clear.slice(skip..skip + length))
    }

    /// How many bytes the segment has that is stored in `stored` bytes from `start` on, once it is
    /// decrypted. That its end is well-formed shows that the key is likely to be right.
    pub async fn clear_size(
        &self,
        path: &SourcePath,
        start: u64,
        stored: u64,
        encryption: &SourceEncryption,
    ) -> Result<u64, SourceError> {
        let refuse =
            |detail: String| SourceError::Undecryptable { path: path.as_str().to_owned(), detail };
        let Some(last) = stored.checked_sub(BLOCK).filter(|_| stored.is_multiple_of(BLOCK)) else {
            return Err(refuse(format!(
                "it has {stored} bytes, and a segment encrypted with AES-128 has a multiple of \
                 {BLOCK}"
            )));
        };
        let key = self.key(&encryption.key).await?;
        let clear = self.read_blocks(path, start, encryption, &key, last..stored).await?;
        let padding = clear.last_chunk().and_then(padding_len);
        match padding {
            Some(padding) => Ok(stored - padding as u64),
            None => Err(refuse(format!("its end makes no sense with the key {}", encryption.key))),
        }
    }

    /// Where the key at `uri`, found in the playlist at `playlist`, is: below this root, or on a
    /// host that the settings name.
    pub fn key_place(&self, playlist: &SourcePath, uri: &str) -> Result<KeyPlace, SourceError> {
        self.keys().place(playlist, self.url(), uri)
    }

    /// Forgets the keys of encrypted segments, so that those that were replaced are read anew.
    pub fn forget_keys(&self) {
        self.keys().forget();
    }

    async fn key(&self, place: &KeyPlace) -> Result<SourceKey, SourceError> {
        let read = |path| async move { self.read_all(&path, MAX_KEY_FILE_BYTES).await };
        self.keys().get(place, read).await
    }

    /// Whole blocks, decrypted; `blocks` counts bytes from the segment's start.
    async fn read_blocks(
        &self,
        path: &SourcePath,
        start: u64,
        encryption: &SourceEncryption,
        key: &SourceKey,
        blocks: Range<u64>,
    ) -> Result<Bytes, SourceError> {
        let from = blocks.start.saturating_sub(BLOCK);
        let read = self.read_range(path, within(start, &(from..blocks.end))).await?;
        // Bytes of a file are our own, and decrypted where they lie.
        let mut read = read.try_into_mut().unwrap_or_else(|read| BytesMut::from(&read[..]));
        let mut wanted = read.split_off((blocks.start - from) as usize);
        let previous = read.last_chunk().unwrap_or(&encryption.iv);
        decrypt_blocks(key, previous, &mut wanted);
        Ok(wanted.freeze())
    }
}

/// A part of a segment as a part of the file.
fn within(start: u64, bytes: &Range<u64>) -> Range<u64> {
    start.saturating_add(bytes.start)..start.saturating_add(bytes.end)
}
