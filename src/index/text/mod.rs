//! Subtitles: from `EXT-X-MEDIA` of type `SUBTITLES` to text on the timeline of the presentation.
//!
//! ```text
//! master ─ choices ─► playlist ─ fetch ─► WebVTT or TTML ─ place ─► TextStream
//!                  └► file itself ──────────────┘
//! ```
//!
//! The text itself goes into the index, so that no segment of it needs the source. Renditions that
//! agree in all words and lie in different groups are copies of each other: the next is read where
//! one cannot be. A rendition of which no copy can be read is left out, and the title plays without
//! it, unless the source is out of reach for now: then all of the ingest is tried again.
//!
//! What a file is, its first bytes say and not its name. Text inside MP4 is not read.

mod place;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};

pub(super) use self::place::place;
use super::ingest::IngestLimits;
use super::listing::{self, SegmentSource};
use super::segments::read_start;
use crate::codec::ttml::{self, Ids};
use crate::codec::webvtt::{self, TextFile};
use crate::hls::read::{MasterPlaylist, RenditionEntry, RenditionType, StreamEntry};
use crate::model::description::Description;
use crate::model::ingest::{FailureCode, FindingCode, Findings, IngestFailure, Place};
use crate::source::{Root, SourcePath};

/// Files of one rendition that are fetched side by side.
const AT_ONCE: usize = 8;
/// Bytes of one file.
const MOST_FILE_BYTES: u64 = 4 << 20;
/// Bytes of text of one title: some hundred languages of a long film.
const MOST_BYTES: u64 = 64 << 20;

/// A rendition as it was read.
#[derive(Debug)]
pub(super) struct ReadText {
    /// As the master playlist writes it.
    pub uri: String,
    pub description: Description,
    pub stable_id: Option<String>,
    /// In the order of the playlist.
    pub files: Vec<PlacedFile>,
}

/// A file of text and where its playlist puts it.
#[derive(Debug)]
pub(super) struct PlacedFile {
    pub path: String,
    /// From the start of the playlist, as `EXTINF` counts.
    pub at: Duration,
    /// `EXTINF`.
    pub duration: Option<Duration>,
    /// As WebVTT.
    pub file: TextFile,
    /// As it is, where it is TTML.
    pub document: Option<ttml::Document>,
}

/// A rendition and its copies.
struct Choice<'a> {
    words: &'a Description,
    copies: Vec<&'a RenditionEntry>,
}

/// Reads all subtitles that a master playlist leads to. Fails where trying again may help.
pub(super) async fn read(
    root: &Arc<Root>,
    master_path: &SourcePath,
    master: &MasterPlaylist,
    limits: IngestLimits,
    findings: &mut Findings,
) -> Result<Vec<ReadText>, IngestFailure> {
    let mut texts = Vec::new();
    let mut left = MOST_BYTES;
    for choice in choices(root, master_path, master) {
        let mut failure = None;
        for entry in choice.copies {
            let Some(uri) = &entry.uri else { continue };
            match read_copy(root, master_path, master, uri, limits, &mut left, findings).await {
                Ok(files) => {
                    let description = choice.words.clone();
                    let stable_id = entry.stable_id.clone();
                    texts.push(ReadText { uri: uri.clone(), description, stable_id, files });
                    failure = None;
                    break;
                }
                Err(error) if error.code.is_transient() => return Err(error),
                Err(error) => {
                    failure.get_or_insert((entry, error));
                }
            }
        }
        if let Some((entry, failure)) = failure {
            let uri = entry.uri.as_deref().unwrap_or_default();
            let line = entry.line as u64;
            let at = Place::stream(uri).file(master_path.as_str()).line(line);
            let detail = format!(
                "the subtitles {:?}, in line {line} of {master_path}, are left out ({failure})",
                choice.words.name
            );
            findings.add(FindingCode::TextLeftOut, at, detail);
        }
    }
    Ok(texts)
}

/// Each playlist once, copies behind the first of them.
fn choices<'a>(
    root: &Root,
    master_path: &SourcePath,
    master: &'a MasterPlaylist,
) -> Vec<Choice<'a>> {
    let mut choices: Vec<Choice<'a>> = Vec::new();
    let mut seen = HashSet::new();
    let subtitles = master.renditions.iter().filter(|entry| entry.kind == RenditionType::Subtitles);
    for entry in subtitles {
        let Some(uri) = &entry.uri else { continue };
        // What leads nowhere is reported when it is read.
        let path = master_path.resolve(uri, root.url()).map(|path| path.to_stored());
        if !seen.insert(path.unwrap_or_else(|_| format!("\n{uri}"))) {
            continue;
        }
        let is_copy = |choice: &&mut Choice<'_>| {
            *choice.words == entry.description
                && choice.copies.iter().all(|copy| copy.group != entry.group)
        };
        match choices.iter_mut().find(is_copy) {
            Some(choice) => choice.copies.push(entry),
            None => choices.push(Choice { words: &entry.description, copies: vec![entry] }),
        }
    }
    choices
}

/// Reads one copy; `left` is how many bytes of text the title may still have.
async fn read_copy(
    root: &Arc<Root>,
    master_path: &SourcePath,
    master: &MasterPlaylist,
    uri: &str,
    limits: IngestLimits,
    left: &mut u64,
    findings: &mut Findings,
) -> Result<Vec<PlacedFile>, IngestFailure> {
    let mut found = Findings::new();
    let files = if is_text_file(uri) {
        read_files(root, vec![lone_file(root, master_path, uri)?], limits).await?
    } else {
        let entry = StreamEntry { uri: uri.to_owned(), ..StreamEntry::default() };
        match listing::list(root, master_path, entry, &master.variables, limits).await {
            Ok(source) => {
                found = source.findings;
                read_files(root, source.segments, limits).await?
            }
            // It may be the text itself, whatever it is called.
            Err(failure) if failure.code == FailureCode::NotAPlaylist => {
                let lone = vec![lone_file(root, master_path, uri)?];
                read_files(root, lone, limits).await.map_err(|other| match other.code {
                    FailureCode::UnsupportedContainer => failure,
                    _ => other,
                })?
            }
            Err(failure) => return Err(failure),
        }
    };
    agree(uri, &files)?;
    let bytes: u64 = files.iter().map(|(bytes, _)| bytes).sum();
    let Some(rest) = left.checked_sub(bytes) else {
        let detail = format!("{uri}: the title has more than {MOST_BYTES} bytes of subtitles");
        return Err(IngestFailure::new(FailureCode::LimitExceeded, detail));
    };
    *left = rest;
    findings.extend(found);
    Ok(files.into_iter().map(|(_, file)| file).collect())
}

/// Reads all files, some side by side.
async fn read_files(
    root: &Arc<Root>,
    segments: Vec<SegmentSource>,
    limits: IngestLimits,
) -> Result<Vec<(u64, PlacedFile)>, IngestFailure> {
    let ids = if segments.len() > 1 { Ids::Joined } else { Ids::Kept };
    let reads = segments.into_iter().map(|segment| read_file(root.clone(), segment, ids, limits));
    stream::iter(reads).buffered(AT_ONCE).try_collect().await
}

/// Sees to it that the files of a rendition can stand in one.
fn agree(uri: &str, files: &[(u64, PlacedFile)]) -> Result<(), IngestFailure> {
    let files = || files.iter().map(|(_, placed)| placed);
    let Some((path, first)) =
        files().find_map(|placed| Some((&placed.path, placed.document.as_ref()?)))
    else {
        return Ok(());
    };
    for placed in files() {
        let detail = match &placed.document {
            Some(document) if document.root == first.root => continue,
            // Empty segments are of any kind.
            None if placed.file == TextFile::default() => continue,
            Some(_) => format!(
                "{uri}: {} and {path} differ in attributes of tt (language, extent, cells), so no \
                 document can be made of both",
                placed.path
            ),
            None => format!("{uri}: {} is WebVTT and {path} is TTML", placed.path),
        };
        return Err(IngestFailure::new(FailureCode::UnsupportedContainer, detail));
    }
    Ok(())
}

/// Whether a rendition leads to text without a playlist, which is against the rules.
fn is_text_file(uri: &str) -> bool {
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    [".vtt", ".webvtt", ".ttml", ".dfxp"].iter().any(|end| path.to_ascii_lowercase().ends_with(end))
}

fn lone_file(
    root: &Root,
    master_path: &SourcePath,
    uri: &str,
) -> Result<SegmentSource, IngestFailure> {
    let path = master_path.resolve(uri, root.url()).map_err(|error| error.to_ingest_failure())?;
    Ok(SegmentSource {
        path,
        byte_range: None,
        discontinuity: false,
        encryption: None,
        date: None,
        at: Duration::ZERO,
        duration: None,
    })
}

async fn read_file(
    root: Arc<Root>,
    segment: SegmentSource,
    ids: Ids,
    limits: IngestLimits,
) -> Result<(u64, PlacedFile), IngestFailure> {
    let (at, duration) = (segment.at, segment.duration);
    let open = read_start(root, segment, limits, MOST_FILE_BYTES).await?;
    let path = open.path.to_string();
    if (open.bytes.len() as u64) < open.size {
        let detail = format!(
            "{path} has {} bytes, which is too much text; split it into segments",
            open.size
        );
        return Err(IngestFailure::new(FailureCode::LimitExceeded, detail));
    }
    let is_blank = open.bytes.iter().all(u8::is_ascii_whitespace);
    let unread = |error: &dyn std::fmt::Display| {
        IngestFailure::new(FailureCode::UnsupportedContainer, format!("{path}: {error}"))
    };
    let (mut file, mut document) = (TextFile::default(), None);
    if ttml::is_markup(&open.bytes) {
        let read = ttml::read(&open.bytes, ids).map_err(|error| unread(&error))?;
        file.cues.clone_from(&read.cues);
        document = Some(read);
    } else if !is_blank {
        // Some segmenters leave segments without cues empty.
        file = webvtt::read(&open.bytes).map_err(|error| {
            unread(&format!("{error}, so it is no WebVTT, nor is it TTML; other text is not read"))
        })?;
    }
    Ok((open.size, PlacedFile { path, at, duration, file, document }))
}
