//! What holds for a title as a whole: `EXT-X-SESSION-DATA` and `EXT-X-START`.
//!
//! | `URI` of session data | becomes |
//! |---|---|
//! | below the source | the file, read now and kept in the index |
//! | `http` or `https` elsewhere | the same address, which players reach by themselves |
//! | anything else | left out |
//!
//! What cannot be read is left out and told, unless the source is out of reach for now: then all of
//! the ingest is tried again. Addresses inside of files are not looked at.

use serde::de::IgnoredAny;

use super::listing::StreamSource;
use crate::hls::read::{MasterPlaylist, SessionEntry, SessionEntryContent, StartOffset};
use crate::model::ingest::{FindingCode, Findings, IngestFailure, Place};
use crate::model::session::{Session, SessionContent, SessionData, SessionFormat, StartPoint};
use crate::source::{Root, SourcePath};
use crate::time::Ticks;

/// Files are kept in the index: chapters and titles have some kilobytes.
const MAX_FILE_BYTES: u64 = 64 << 10;
/// Files of one title.
const MAX_FILES: usize = 64;

/// Reads all that a master playlist leads to; `start` is what [`start`] found.
pub(super) async fn read(
    root: &Root,
    master_path: &SourcePath,
    master: &MasterPlaylist,
    start: Option<StartOffset>,
    findings: &mut Findings,
) -> Result<Session, IngestFailure> {
    let mut session = Session { start: start.and_then(start_point), data: Vec::new() };
    let mut files = 0;
    for entry in &master.session_data {
        let content = match &entry.content {
            SessionEntryContent::Value(value) => Ok(SessionContent::Value(value.clone())),
            SessionEntryContent::Uri(uri, format) => {
                let is_full = files >= MAX_FILES;
                file(root, master_path, uri, *format, is_full).await?
            }
        };
        match content {
            Ok(content) => {
                files += usize::from(matches!(content, SessionContent::File(..)));
                let (id, language) = (entry.id.clone(), entry.language.clone());
                session.data.push(SessionData { id, language, content });
            }
            Err(problem) => {
                findings.add(
                    FindingCode::SessionDataLeftOut,
                    Place::source().file(master_path.as_str()).line(entry.line as u64),
                    left_out(master_path, entry, &problem),
                );
            }
        }
    }
    Ok(session)
}

/// Where players are to begin: as the master playlist says, or as the playlists of all that is shown
/// agree (draft-pantos-hls-rfc8216bis 4.4.2).
pub(super) fn start<'a>(
    master: &MasterPlaylist,
    mut variants: impl Iterator<Item = &'a StreamSource>,
) -> Option<StartOffset> {
    master.start.or_else(|| {
        let first = variants.next()?.start;
        variants.all(|other| other.start == first).then_some(first)?
    })
}

fn start_point(start: StartOffset) -> Option<StartPoint> {
    let offset = Ticks(start.milliseconds.checked_mul(90)?);
    Some(StartPoint { offset, precise: start.precise })
}

fn left_out(master_path: &SourcePath, entry: &SessionEntry, problem: &str) -> String {
    let SessionEntry { line, id, .. } = entry;
    format!("{master_path}, line {line}: the EXT-X-SESSION-DATA {id} is left out ({problem})")
}

/// A file, or its address, or why it is left out.
async fn file(
    root: &Root,
    master_path: &SourcePath,
    uri: &str,
    format: SessionFormat,
    is_full: bool,
) -> Result<Result<SessionContent, String>, IngestFailure> {
    let path = match master_path.resolve(uri, root.url()) {
        Ok(path) => path,
        Err(_) if is_public(uri) => return Ok(Ok(SessionContent::Url(uri.to_owned(), format))),
        Err(error) => return Ok(Err(error.to_ingest_failure().to_string())),
    };
    if is_full {
        return Ok(Err(format!("the title has more than {MAX_FILES} files of session data")));
    }
    let bytes = match root.read_all(&path, MAX_FILE_BYTES).await {
        Ok(bytes) => bytes,
        Err(error) => {
            let failure = error.to_ingest_failure();
            return if failure.code.is_transient() {
                Err(failure)
            } else {
                Ok(Err(error.to_string()))
            };
        }
    };
    if format == SessionFormat::Json
        && let Err(error) = serde_json::from_slice::<IgnoredAny>(&bytes)
    {
        return Ok(Err(format!("{path} is no JSON: {error}; write FORMAT=RAW for other files")));
    }
    Ok(Ok(SessionContent::File(bytes.to_vec(), format)))
}

/// An address that players reach from wherever they are.
fn is_public(uri: &str) -> bool {
    let scheme = uri.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    matches!(scheme.as_deref(), Some("http" | "https")) && !uri.contains(['"', ' ', '\\'])
}
