//! Findings for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::finding::{Finding, Findings, Verdict};

/// Longer values are cut in the middle: both ends tell boxes apart.
const VALUE_WIDTH: usize = 52;

/// A table of fixed width; what does not agree has a mark before it and its reason behind it.
pub fn table(findings: &Findings) -> String {
    let all = findings.all();
    let width = |of: fn(&Finding) -> usize| all.iter().map(of).max().unwrap_or(0);
    let place = width(|finding| finding.place.chars().count());
    let what = width(|finding| finding.what.name().chars().count());
    let mut out = String::new();
    for finding in all {
        let mark = if finding.verdict == Verdict::Agrees { ' ' } else { '!' };
        // Writing into a string does not fail.
        let _ = writeln!(
            out,
            "{mark} {:place$}  {:what$}  {:VALUE_WIDTH$}  {}",
            finding.place,
            finding.what.name(),
            shortened(&finding.value),
            finding.verdict
        );
    }
    let disagreements = findings.disagreements();
    let _ = write!(out, "{} findings, {disagreements} of them disagree", all.len());
    out
}

/// The same, whole, for programs.
pub fn document(findings: &Findings) -> Value {
    json!({ "findings": findings.all(), "disagreements": findings.disagreements() })
}

fn shortened(value: &str) -> String {
    let length = value.chars().count();
    if length <= VALUE_WIDTH {
        return value.to_owned();
    }
    let half = (VALUE_WIDTH - 1) / 2;
    let head: String = value.chars().take(VALUE_WIDTH - 1 - half).collect();
    let tail: String = value.chars().skip(length - half).collect();
    format!("{head}…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drmcheck::finding::What;

    #[test]
    fn disagreements_are_marked_and_columns_stand() {
        let mut findings = Findings::default();
        findings.add("MPD", What::KeyId, "aa", Verdict::Agrees);
        findings.compare("init v0", What::Pssh, &"ab".repeat(40), "cd", "the MPD's");
        findings.missing("master", What::SessionKey, "none");
        let text = table(&findings);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], format!("  MPD      KID          {:52}  agrees", "aa"));
        assert!(lines[1].starts_with("! init v0  PSSH         abab"), "{}", lines[1]);
        assert!(lines[1].ends_with("…babababababababababababab  DISAGREES: the MPD's is cd"));
        assert!(lines[2].ends_with("MISSING: none"));
        assert_eq!(lines[3], "3 findings, 2 of them disagree");
        let document = document(&findings);
        assert_eq!(document["disagreements"], 2);
        assert_eq!(document["findings"][1]["value"], "ab".repeat(40));
        assert_eq!(document["findings"][0]["verdict"], "agrees");
    }
}
