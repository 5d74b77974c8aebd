//! What was not in order in a stream: how often, and where first.

use std::collections::BTreeMap;

use super::input::position;
use crate::model::ingest::FindingCode;
use crate::model::presentation::SourcePosition;

/// Places that are remembered of each kind.
const PLACES: usize = 5;

/// What was noticed, by kind.
#[derive(Clone, Debug, Default)]
pub(in crate::index) struct Damage {
    pub entries: BTreeMap<FindingCode, DamageEntry>,
    /// Names of elementary streams that are left out.
    pub left_out: Vec<String>,
}

/// One kind of damage.
#[derive(Clone, Debug, Default)]
pub(in crate::index) struct DamageEntry {
    pub count: u64,
    /// Where it was noticed first.
    pub places: Vec<SourcePosition>,
    /// What was found, in words that differ from one kind to another; often empty.
    pub detail: String,
}

impl Damage {
    /// Notes one at the packet at `place`.
    pub fn note(&mut self, code: FindingCode, place: u64) {
        self.add(code, 1, Some(position(place)));
    }

    /// Notes `count` of a kind.
    pub fn add(&mut self, code: FindingCode, count: u64, at: Option<SourcePosition>) {
        if count == 0 {
            return;
        }
        let entry = self.entries.entry(code).or_default();
        entry.count += count;
        if entry.places.len() < PLACES {
            entry.places.extend(at.filter(|at| !entry.places.contains(at)));
        }
    }

    /// Notes one with words.
    pub fn tell(&mut self, code: FindingCode, at: SourcePosition, detail: impl FnOnce() -> String) {
        self.add(code, 1, Some(at));
        if let Some(entry) = self.entries.get_mut(&code)
            && entry.detail.is_empty()
        {
            entry.detail = detail();
        }
    }
}
