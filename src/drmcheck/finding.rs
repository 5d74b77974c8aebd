//! What was found, where, and whether it agrees.

use std::fmt;

use serde::Serialize;

/// A KID, PSSH, IV, scheme, URI or the like, as it stands somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where: `MPD set 1`, `master playlist`, `playlist v0`, `init …`, `segment …`.
    pub place: String,
    /// What.
    pub what: What,
    /// As it stands there; byte strings in hexadecimal or base64. Never a key.
    pub value: String,
    /// Whether it agrees with everything else.
    pub verdict: Verdict,
}

/// The kinds of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The bytes of a manifest, box or segment as such.
    Syntax,
    /// A key ID.
    KeyId,
    /// The encryption scheme, `METHOD` and `ALGID` included.
    Scheme,
    /// An initialization vector.
    Iv,
    /// A `pssh` box.
    Pssh,
    /// A PlayReady object.
    PlayReadyObject,
    /// Where players find a key or licence.
    Uri,
    /// `EXT-X-VERSION`.
    Version,
    /// `EXT-X-SESSION-KEY`.
    SessionKey,
    /// What `senc`, `saiz` and `saio` say.
    AuxiliaryInformation,
    /// A content key, by its ID and check value.
    Key,
    /// The outcome of decryption.
    Decryption,
}

impl What {
    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::KeyId => "KID",
            Self::Scheme => "scheme",
            Self::Iv => "IV",
            Self::Pssh => "PSSH",
            Self::PlayReadyObject => "PRO",
            Self::Uri => "URI",
            Self::Version => "version",
            Self::SessionKey => "session key",
            Self::AuxiliaryInformation => "senc/saiz/saio",
            Self::Key => "key",
            Self::Decryption => "decryption",
        }
    }
}

/// Whether a finding agrees with the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It does.
    Agrees,
    /// It does not, and why.
    Disagrees(String),
    /// It is not there and should be, and why.
    Missing(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agrees => f.write_str("agrees"),
            Self::Disagrees(reason) => write!(f, "DISAGREES: {reason}"),
            Self::Missing(reason) => write!(f, "MISSING: {reason}"),
        }
    }
}

/// All findings, in the order in which they were made; the same one is kept once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// Notes one.
    pub fn add(&mut self, place: &str, what: What, value: impl Into<String>, verdict: Verdict) {
        let finding = Finding { place: place.to_owned(), what, value: value.into(), verdict };
        if !self.0.contains(&finding) {
            self.0.push(finding);
        }
    }

    /// Notes something that agrees where `reason` has nothing against it.
    pub fn judge(
        &mut self,
        place: &str,
        what: What,
        value: impl Into<String>,
        reason: Option<String>,
    ) {
        self.add(place, what, value, reason.map_or(Verdict::Agrees, Verdict::Disagrees));
    }

    /// Notes a value that has to be another one.
    pub fn compare(&mut self, place: &str, what: What, value: &str, expected: &str, of: &str) {
        let reason = (value != expected).then(|| format!("{of} is {expected}"));
        self.judge(place, what, value, reason);
    }

    /// Notes what is not there.
    pub fn missing(&mut self, place: &str, what: What, reason: impl Into<String>) {
        self.add(place, what, "-", Verdict::Missing(reason.into()));
    }

    /// All of them.
    pub fn all(&self) -> &[Finding] {
        &self.0
    }

    /// How many do not agree.
    pub fn disagreements(&self) -> usize {
        self.0.iter().filter(|finding| finding.verdict != Verdict::Agrees).count()
    }
}
