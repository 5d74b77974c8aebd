//! From a master playlist to the media playlists that ingest reads, and what each is there for.
//!
//! ```text
//! EXT-X-STREAM-INF ─┬─► Choice ─┬ the stream, and its role
//! EXT-X-MEDIA AUDIO ┘           └ its redundant copies, used when it cannot be read
//! ```
//!
//! A playlist that is listed several times is read once and plays all of its roles: a variant for
//! each group of sound that it is listed with, a rendition of each group that lists it, and what is
//! shown and what can be heard with others at the same time. A rendition without a playlist
//! describes the sound inside the streams that name its group (RFC 8216 4.3.4.2.1).
//!
//! Renditions other than sound are not read here; subtitles are by `text`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::hls::read::{ListedStream, MasterPlaylist, RenditionEntry, RenditionType, StreamEntry};
use crate::model::ingest::{FindingCode, Findings, Place};
use crate::model::presentation::{SoundRole, StreamRole};
use crate::model::session::VariantWords;
use crate::source::{Root, SourcePath};

/// A media playlist that the master playlist leads to, and the copies of it.
#[derive(Debug)]
pub(super) struct Choice {
    /// The line of the tag that lists it.
    pub line: usize,
    /// In the order in which they are tried; one at least.
    pub copies: Vec<StreamEntry>,
    /// What it is there for.
    pub role: StreamRole,
}

/// All that a master playlist leads to, variants before renditions.
pub(super) fn choices(
    root: &Root,
    master_path: &SourcePath,
    master: &MasterPlaylist,
    findings: &mut Findings,
) -> Vec<Choice> {
    let mut chooser = Chooser {
        root,
        master_path,
        findings,
        choices: Vec::new(),
        by_path: HashMap::new(),
        by_attributes: HashMap::new(),
    };
    for stream in &master.streams {
        chooser.stream(stream);
    }
    for rendition in &master.renditions {
        match (rendition.kind, &rendition.uri) {
            (RenditionType::Audio, Some(uri)) => chooser.sound(rendition, uri, &master.streams),
            (RenditionType::Audio, None) => chooser.sound_inside(rendition),
            // Text is read for itself.
            (RenditionType::Subtitles, _) => {}
            (_, Some(_)) => chooser.leave_out(rendition),
            (_, None) => {}
        }
    }
    chooser.choices
}

struct Chooser<'a> {
    root: &'a Root,
    master_path: &'a SourcePath,
    findings: &'a mut Findings,
    choices: Vec<Choice>,
    /// Places in `choices`, by the file.
    by_path: HashMap<String, usize>,
    /// Places in `choices` of variants, by what they must not have in common.
    by_attributes: HashMap<&'a [(String, String)], usize>,
}

impl<'a> Chooser<'a> {
    /// What tells playlists apart. What leads nowhere is reported when it is read.
    fn path(&self, uri: &str) -> String {
        match self.master_path.resolve(uri, self.root.url()) {
            Ok(path) => path.to_stored(),
            Err(_) => format!("\n{uri}"),
        }
    }

    fn stream(&mut self, listed: &'a ListedStream) {
        let ListedStream { line, entry, attributes } = listed;
        let master_path = self.master_path;
        let path = self.path(&entry.uri);
        let at = Place::stream(&entry.uri).file(master_path.as_str()).line(*line as u64);
        let index = self.choices.len();
        if let Some(choice) = self.by_path.get(&path).and_then(|&i| self.choices.get_mut(i)) {
            let words = &mut choice.role.words;
            words.scores.extend(scores(entry));
            let groups = &mut choice.role.audio_groups;
            match entry.audio.as_ref().filter(|group| !groups.contains(*group)) {
                // Listed once for each group of sound, as it should be.
                Some(group) if !groups.is_empty() => groups.push(group.clone()),
                _ => {
                    let detail = format!(
                        "{master_path}, line {line}: {} is listed in line {} already; it is read \
                         once",
                        entry.uri, choice.line
                    );
                    self.findings.add(FindingCode::DuplicateVariant, at, detail);
                }
            }
            return;
        }
        match self.by_attributes.entry(attributes) {
            Entry::Occupied(first) => {
                if let Some(choice) = self.choices.get_mut(*first.get()) {
                    let detail = format!(
                        "{master_path}, line {line}: {} has the attributes of the stream in line \
                         {}, so it is a copy and used only if that cannot be read; if it is \
                         another stream, give it attributes of its own",
                        entry.uri, choice.line
                    );
                    choice.copies.push(entry.clone());
                    self.findings.add(FindingCode::RedundantVariant, at, detail);
                }
            }
            Entry::Vacant(place) => {
                place.insert(index);
                self.by_path.insert(path, index);
                let role = StreamRole {
                    audio_groups: entry.audio.iter().cloned().collect(),
                    words: words(entry),
                    ..StreamRole::variant()
                };
                self.choices.push(Choice { line: *line, copies: vec![entry.clone()], role });
            }
        }
    }

    /// Sound with a playlist of its own.
    fn sound(&mut self, rendition: &RenditionEntry, uri: &str, streams: &[ListedStream]) {
        let role = |groups| SoundRole {
            groups,
            description: rendition.description.clone(),
            stable_id: rendition.stable_id.clone(),
            is_inside: false,
        };
        let path = self.path(uri);
        if let Some(choice) = self.by_path.get(&path).and_then(|&i| self.choices.get_mut(i)) {
            let sound = choice.role.sound.get_or_insert_with(|| role(Vec::new()));
            if !sound.groups.contains(&rendition.group) {
                sound.groups.push(rendition.group.clone());
            }
            return;
        }
        self.by_path.insert(path, self.choices.len());
        let named_by =
            |listed: &&ListedStream| listed.entry.audio.as_ref() == Some(&rendition.group);
        let entry = StreamEntry {
            uri: uri.to_owned(),
            // What the sound is of where its frames do not tell.
            codecs: streams.iter().find(named_by).and_then(|listed| listed.entry.codecs.clone()),
            ..StreamEntry::default()
        };
        self.choices.push(Choice {
            line: rendition.line,
            copies: vec![entry],
            role: StreamRole {
                sound: Some(role(vec![rendition.group.clone()])),
                ..StreamRole::default()
            },
        });
    }

    /// Sound within the streams that name its group.
    fn sound_inside(&mut self, rendition: &RenditionEntry) {
        for choice in &mut self.choices {
            let role = &mut choice.role;
            if role.audio_groups.contains(&rendition.group) && role.sound.is_none() {
                role.sound = Some(SoundRole {
                    groups: vec![rendition.group.clone()],
                    description: rendition.description.clone(),
                    stable_id: None,
                    is_inside: true,
                });
            }
        }
    }

    fn leave_out(&mut self, rendition: &RenditionEntry) {
        let at = Place::source().file(self.master_path.as_str()).line(rendition.line as u64);
        let detail = format!(
            "the {} rendition {:?} has a playlist of its own and is left out",
            rendition.kind.as_str(),
            rendition.description.name
        );
        self.findings.add(FindingCode::RenditionLeftOut, at, detail);
    }
}

/// What a variant says of itself that cannot be measured.
fn words(entry: &StreamEntry) -> VariantWords {
    VariantWords {
        stable_id: entry.stable_id.clone(),
        scores: scores(entry).collect(),
        supplemental_codecs: entry.supplemental_codecs.clone(),
    }
}

/// How it is ranked with its group of sound.
fn scores(entry: &StreamEntry) -> impl Iterator<Item = (Option<String>, String)> {
    entry.score.iter().map(|score| (entry.audio.clone(), score.clone()))
}
