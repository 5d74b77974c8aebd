//! Secrets at rest: sealed under the origin's own key, or named by reference.
//!
//! ```text
//! text "env:NAME"  ─ seal ─ Reference ─ open ─ the variable, PACKORIGIN_SECRET_… alone
//! text "file:NAME" ─ seal ─ Reference ─ open ─ the file, below secrets.directory alone
//! other text       ─ seal ─ Sealed    ─ open ─ the text
//!
//! sealed = version (1 byte) ‖ nonce (12 bytes, random) ‖ ciphertext ‖ tag (16 bytes)
//! ```
//!
//! AES-256-GCM (NIST SP 800-38D). What is sealed for one use cannot be opened for another: the use
//! is part of the authenticated data. Random nonces of 96 bits are good for 2³² seals under one
//! key; an origin makes one for each secret of a configuration and for each stored answer.
//!
//! Nothing here caches an opened secret or knows what it is for.

use std::fmt;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::config::{SealingKey, Secrets};
use crate::error::{Blame, Error, Kind, Result};
use crate::model::encryption::ProtectedText;

/// The name of the key's file in the data directory.
const KEY_FILE: &str = "secrets.key";
/// The first byte of everything sealed.
const VERSION: u8 = 1;
/// The authenticated data of [`Vault::seal`].
const TEXT_CONTEXT: &[u8] = b"packorigin protected text";
/// A secret is a token, a key or a chain of certificates; nobody's chain is longer.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// Seals and opens secrets. See the module documentation.
pub struct Vault {
    key: RandomizedNonceKey,
    secrets: Secrets,
}

/// Why a secret cannot be sealed or opened. Never says what was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// `env:` with a name that configurations may not use.
    #[error(
        "env:{name} is refused: packaging configurations may only name environment variables that \
         begin with {}; rename the variable",
        Secrets::VARIABLE_PREFIX
    )]
    VariableRefused {
        /// The name.
        name: String,
    },
    /// The variable is not there.
    #[error("the environment variable {name} is not set; set it and start packorigin again")]
    VariableMissing {
        /// The name.
        name: String,
    },
    /// `file:` while the operator allows none.
    #[error(
        "file:{name} is refused: no directory of secrets is configured; set secrets.directory and \
         put the file below it"
    )]
    NoDirectory {
        /// The name.
        name: String,
    },
    /// `file:` with a name that leads elsewhere.
    #[error(
        "file:{name} is refused: write the file's path relative to secrets.directory, without .. \
         and without links that lead out of it"
    )]
    FileRefused {
        /// The name.
        name: String,
    },
    /// The file cannot be read as a secret.
    #[error("file:{name} cannot be used ({problem}); check the file below secrets.directory")]
    File {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Nothing to protect.
    #[error("the secret is empty; set it or leave it out")]
    Empty,
    /// Sealed under another key, or changed since.
    #[error(
        "a stored secret cannot be opened with this origin's key; bring back the secrets.key that \
         it was stored under, or write the configuration again"
    )]
    Unopenable,
    /// The cipher or its source of random numbers failed.
    #[error("a secret could not be sealed")]
    Sealing,
}

impl From<VaultError> for Error {
    fn from(error: VaultError) -> Self {
        Self::new(Kind::KeysUnavailable, error.to_string()).blamed_on(Blame::Us)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// Takes the key of the settings or else that of the data directory, which it makes if there
    /// is none.
    pub fn new(secrets: &Secrets, data_dir: &Path) -> Result<Self> {
        let key = match &secrets.key {
            Some(key) => key.clone(),
            None => read_or_make_key(&data_dir.join(KEY_FILE))?,
        };
        let key = RandomizedNonceKey::new(&AES_256_GCM, key.expose())
            .map_err(|_| Error::internal("the cipher refuses the key of secrets"))?;
        Ok(Self { key, secrets: secrets.clone() })
    }

    /// What the catalog may store of `text`. A reference is checked for its form and for what it
    /// may name, not for what is there.
    pub fn seal(&self, text: &str) -> Result<ProtectedText, VaultError> {
        if let Some(name) = text.strip_prefix("env:") {
            self.check_variable(name)?;
            return Ok(ProtectedText::Reference(text.to_owned()));
        }
        if let Some(name) = text.strip_prefix("file:") {
            self.check_file_name(name)?;
            return Ok(ProtectedText::Reference(text.to_owned()));
        }
        if text.is_empty() {
            return Err(VaultError::Empty);
        }
        let sealed = self.seal_bytes(TEXT_CONTEXT, text.as_bytes())?;
        Ok(ProtectedText::Sealed(STANDARD.encode(sealed)))
    }

    /// The secret. Reads a file where the text is such a reference.
    pub fn open(&self, text: &ProtectedText) -> Result<Zeroizing<String>, VaultError> {
        let reference = match text {
            ProtectedText::Sealed(sealed) => {
                let sealed = STANDARD.decode(sealed).map_err(|_| VaultError::Unopenable)?;
                let bytes = self.open_bytes(TEXT_CONTEXT, &sealed)?;
                return into_text(&bytes).ok_or(VaultError::Unopenable);
            }
            ProtectedText::Reference(reference) => reference,
        };
        let secret = match reference.split_once(':') {
            Some(("env", name)) => {
                self.check_variable(name)?;
                let found = self.secrets.variables.get(name);
                let found =
                    found.ok_or_else(|| VaultError::VariableMissing { name: name.to_owned() })?;
                Zeroizing::new(found.expose().to_owned())
            }
            Some(("file", name)) => self.read_file(name)?,
            _ => return Err(VaultError::Unopenable),
        };
        if secret.is_empty() { Err(VaultError::Empty) } else { Ok(secret) }
    }

    /// Seals `plain` for one use: [`Vault::open_bytes`] wants the same `context`.
    pub(super) fn seal_bytes(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        // Room for the tag, so that growing leaves no copy of the secret behind.
        let mut body = Zeroizing::new(Vec::with_capacity(plain.len() + AES_256_GCM.tag_len()));
        body.extend_from_slice(plain);
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(context), &mut *body)
            .map_err(|_| VaultError::Sealing)?;
        let mut sealed = vec![VERSION];
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    /// Opens what [`Vault::seal_bytes`] gave.
    pub(super) fn open_bytes(
        &self,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let unopenable = VaultError::Unopenable;
        let Some((&VERSION, sealed)) = sealed.split_first() else { return Err(unopenable) };
        let Some((nonce, body)) = sealed.split_at_checked(NONCE_LEN) else {
            return Err(unopenable);
        };
        let Ok(nonce) = Nonce::try_assume_unique_for_key(nonce) else { return Err(unopenable) };
        let mut body = Zeroizing::new(body.to_vec());
        let length = match self.key.open_in_place(nonce, Aad::from(context), &mut body) {
            Ok(plain) => plain.len(),
            Err(_) => return Err(unopenable),
        };
        body.truncate(length);
        Ok(body)
    }

    fn check_variable(&self, name: &str) -> Result<(), VaultError> {
        let rest = name.strip_prefix(Secrets::VARIABLE_PREFIX).unwrap_or_default();
        let well_formed = !rest.is_empty()
            && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if well_formed {
            Ok(())
        } else {
            Err(VaultError::VariableRefused { name: name.to_owned() })
        }
    }

    /// The directory, if `name` stays below it as far as its text goes.
    fn check_file_name(&self, name: &str) -> Result<&Path, VaultError> {
        let Some(directory) = &self.secrets.directory else {
            return Err(VaultError::NoDirectory { name: name.to_owned() });
        };
        let is_plain = |component| matches!(component, Component::Normal(_));
        let stays_below =
            !name.is_empty() && !name.contains('\0') && Path::new(name).components().all(is_plain);
        if stays_below {
            Ok(directory)
        } else {
            Err(VaultError::FileRefused { name: name.to_owned() })
        }
    }

    fn read_file(&self, name: &str) -> Result<Zeroizing<String>, VaultError> {
        let directory = self.check_file_name(name)?;
        let problem =
            |problem: &str| VaultError::File { name: name.to_owned(), problem: problem.to_owned() };
        let unreadable = |error: std::io::Error| problem(&error.kind().to_string());
        let directory = directory.canonicalize().map_err(unreadable)?;
        // Kubernetes mounts secrets as links within their directory, so links as such are fine.
        let path: PathBuf = directory.join(name).canonicalize().map_err(unreadable)?;
        if !path.starts_with(&directory) {
            return Err(VaultError::FileRefused { name: name.to_owned() });
        }
        let metadata = std::fs::metadata(&path).map_err(unreadable)?;
        // Opening a pipe would wait for somebody who writes.
        if !metadata.is_file() {
            return Err(problem("it is no file"));
        }
        if metadata.len() > MAX_FILE_BYTES {
            return Err(problem("it is too large for a secret"));
        }
        let bytes = Zeroizing::new(std::fs::read(&path).map_err(unreadable)?);
        let mut text = into_text(&bytes).ok_or_else(|| problem("it is not UTF-8"))?;
        // Editors and `echo` end a file with a newline that is no part of the secret.
        let length = text.trim_end_matches(['\r', '\n']).len();
        text.truncate(length);
        Ok(text)
    }
}

fn into_text(bytes: &[u8]) -> Option<Zeroizing<String>> {
    std::str::from_utf8(bytes).ok().map(|text| Zeroizing::new(text.to_owned()))
}

fn read_or_make_key(path: &Path) -> Result<SealingKey> {
    match read_key(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            make_key(path).map_err(|error| key_failed(path, "written", error))?;
            // Read back: another process may have been first, and then its key counts.
            read_key(path).map_err(|error| key_failed(path, "read", error))
        }
        read => read.map_err(|error| key_failed(path, "read", error)),
    }?
    .ok_or_else(|| {
        let path = path.display();
        unusable(format!(
            "{path} holds no key: 32 bytes in base64 are wanted. Bring the file back from a \
             backup, or remove it and write all configurations with secrets again"
        ))
    })
}

/// The key, `None` where the file holds something else.
fn read_key(path: &Path) -> std::io::Result<Option<SealingKey>> {
    let mut file = std::fs::File::open(path)?;
    refuse_if_others_can_read(&file)?;
    let mut text = Zeroizing::new(String::new());
    match std::io::Read::read_to_string(&mut file, &mut text) {
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Ok(None),
        read => read.map(|_| SealingKey::parse(&text)),
    }
}

#[cfg(unix)]
fn refuse_if_others_can_read(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let mode = file.metadata()?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let problem = format!(
        "others than its owner may read or change it, mode {mode:o}; run chmod 600 on it if nobody \
         else can have seen it, or else replace it and write all configurations with secrets again"
    );
    Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, problem))
}

#[cfg(not(unix))]
fn refuse_if_others_can_read(_: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}

/// Writes a new key beside its place and moves it there whole, unless one is there.
fn make_key(path: &Path) -> std::io::Result<()> {
    let mut key = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(key.as_mut_slice())
        .map_err(|_| std::io::Error::other("there are no random numbers"))?;
    let text = Zeroizing::new(STANDARD.encode(key.as_slice()) + "\n");
    let folder = path.parent().unwrap_or(Path::new("."));
    // Made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() != std::io::ErrorKind::AlreadyExists => Err(error.error),
        _ => Ok(()),
    }
}

fn key_failed(path: &Path, verb: &str, error: std::io::Error) -> Error {
    let path = path.display();
    unusable(format!("{path}, the key of stored secrets, cannot be {verb}: {error}"))
}

fn unusable(message: String) -> Error {
    Error::invalid("secrets.key", message).blamed_on(Blame::Us)
}

#[cfg(test)]
mod tests;
