//! One thing that ingest found, and how findings are collected.

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use super::{FindingCode, Place, Severity};

/// Something in the source that an operator should know about; the asset plays all the same.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Finding {
    /// What kind of thing.
    pub code: FindingCode,
    /// The first places, at most [`Finding::MAX_PLACES`]; all in the same stream.
    pub places: Vec<Place>,
    /// How many in all, in the unit of the code: bytes for `sync_lost`, otherwise occurrences.
    pub count: u64,
    /// Plain words about the first place: what is there.
    pub detail: String,
}

impl Finding {
    /// Places that are kept of one finding.
    pub const MAX_PLACES: usize = 5;

    /// How bad it is.
    pub const fn severity(&self) -> Severity {
        self.code.severity()
    }

    /// What to do about it, one sentence.
    pub const fn remedy(&self) -> &'static str {
        self.code.remedy()
    }

    /// The stream that it is about, `None` where it is about several or none.
    pub fn stream(&self) -> Option<&str> {
        self.places.first()?.stream.as_deref()
    }
}

impl Serialize for Finding {
    /// With severity and remedy of the code. They are not read back, so that they are those of the
    /// program that tells them.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_struct("Finding", 6)?;
        body.serialize_field("severity", &self.severity())?;
        body.serialize_field("code", &self.code)?;
        body.serialize_field("places", &self.places)?;
        body.serialize_field("count", &self.count)?;
        body.serialize_field("detail", &self.detail)?;
        body.serialize_field("remedy", self.remedy())?;
        body.end()
    }
}

/// Collects findings. Those of the same code and stream become one, so that a source that has the
/// same flaw a million times costs no more than one that has it once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what was found once. The detail of the first is kept.
    pub fn add(&mut self, code: FindingCode, place: Place, detail: impl Into<String>) {
        self.add_many(code, place, 1, detail);
    }

    /// Adds what was found `count` times, the first time at `place`; nothing where that is 0.
    pub fn add_many(
        &mut self,
        code: FindingCode,
        place: Place,
        count: u64,
        detail: impl Into<String>,
    ) {
        if count > 0 {
            self.join(Finding { code, places: vec![place], count, detail: detail.into() });
        }
    }

    /// Another place of what was added before; it is no more of it.
    pub fn also_at(&mut self, code: FindingCode, place: Place) {
        self.join(Finding { code, places: vec![place], count: 0, detail: String::new() });
    }

    /// Adds all that another collected.
    pub fn extend(&mut self, other: Self) {
        for finding in other.0 {
            self.join(finding);
        }
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was found, in the order in which each was first added.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter()
    }

    /// What was found, the worst first, and otherwise in the order in which each was first added.
    pub fn into_sorted(mut self) -> Vec<Finding> {
        self.0.sort_by_key(|finding| std::cmp::Reverse(finding.severity()));
        self.0
    }

    fn join(&mut self, new: Finding) {
        let same = |old: &&mut Finding| old.code == new.code && old.stream() == new.stream();
        let Some(old) = self.0.iter_mut().find(same) else {
            self.0.push(new);
            return;
        };
        old.count = old.count.saturating_add(new.count);
        let room = Finding::MAX_PLACES.saturating_sub(old.places.len());
        let others = new.places.into_iter().filter(|place| !old.places.contains(place));
        let others: Vec<Place> = others.take(room).collect();
        old.places.extend(others);
    }
}

impl From<Vec<Finding>> for Findings {
    /// Goes on from findings that were sorted before.
    fn from(findings: Vec<Finding>) -> Self {
        Self(findings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_in_one_stream_is_joined_and_the_first_places_are_kept() {
        let mut findings = Findings::new();
        for byte in 0..9 {
            let place = Place::stream("a").file("1.ts").byte(byte);
            findings.add(FindingCode::PacketsLost, place, format!("at {byte}"));
        }
        findings.add_many(FindingCode::PacketsLost, Place::stream("b"), 3, "there");
        findings.add_many(FindingCode::PacketsLost, Place::stream("b"), 2, "again");
        findings.add_many(FindingCode::SyncLost, Place::stream("b"), 0, "never");
        let found: Vec<&Finding> = findings.iter().collect();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].count, found[0].detail.as_str()), (9, "at 0"));
        let bytes: Vec<u64> = found[0].places.iter().map(|place| place.byte.unwrap()).collect();
        assert_eq!(bytes, [0, 1, 2, 3, 4]);
        assert_eq!((found[1].count, found[1].places.len()), (5, 1));
    }

    #[test]
    fn the_worst_comes_first() {
        let mut findings = Findings::new();
        for code in [FindingCode::ClockWraps, FindingCode::PacketsLost, FindingCode::VariantMissing]
        {
            findings.add(code, Place::source(), "");
        }
        let codes: Vec<FindingCode> =
            findings.into_sorted().into_iter().map(|finding| finding.code).collect();
        assert_eq!(
            codes,
            [FindingCode::VariantMissing, FindingCode::PacketsLost, FindingCode::ClockWraps]
        );
    }

    #[test]
    fn a_finding_says_what_to_do_and_reads_back() {
        let mut findings = Findings::new();
        findings.add(FindingCode::AudioGaps, Place::stream("a"), "…");
        let finding = findings.into_sorted().remove(0);
        let value = serde_json::to_value(&finding).unwrap();
        assert_eq!(value["severity"], "warning");
        assert_eq!(value["remedy"], FindingCode::AudioGaps.remedy());
        assert_eq!(serde_json::from_value::<Finding>(value).unwrap(), finding);
    }
}
