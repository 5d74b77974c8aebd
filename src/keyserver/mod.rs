//! A key server for development: SPEKE 1.0, 2.0 and 2.1, plain HLS keys, Clear Key licences.
//!
//! ```text
//! packager  POST /speke…       ─ request ─ contract ─ answer ─ delivery ─▶ CPIX document
//! player    GET  /keys/{kid}   ──────────── seed ────────────────────────▶ 16 bytes
//! player    POST /clearkey     ─ clearkey ─ seed ────────────────────────▶ licence
//! person    GET  /player       ──────────────────────────────────────────▶ a page that plays
//! ```
//!
//! It refuses what a strict provider refuses, in the same words, and answers what a provider
//! answers; Widevine, PlayReady and FairPlay are signalled, but nobody here hands out their
//! licences. It gives every key to everybody: [`bind`] takes no address that others can reach
//! unless that is asked for. Keys are functions of a text and the key ID (see [`Seed`]); nothing is
//! stored.
//!
//! It shares with the packager's side what is said about keys (`keys::signalling`) and how they are
//! wrapped (`keys::cpix::key_wrap`), and reads and writes documents with code of its own, so that
//! either side shows the other's mistakes. [`Fault`] makes mistakes on purpose.
//!
//! Not done: key rotation (periods are echoed and change nothing), HDCP and robustness levels, XML
//! signatures, authentication of packagers.

mod answer;
mod clearkey;
mod contract;
mod delivery;
mod document;
mod fault;
mod listener;
mod player;
mod refusal;
mod request;
mod routes;
mod seed;

pub use self::fault::{Fault, UnknownFault};
pub use self::listener::{bind, serve};
pub use self::player::{PlayerKind, PlayerStream};
pub use self::routes::router;
pub use self::seed::Seed;

/// Whether content keys leave encrypted for the packager's certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyEncryption {
    /// Where the request has a certificate.
    #[default]
    WhenAsked,
    /// Requests without a certificate are refused.
    Always,
    /// Not even where the request has a certificate.
    Never,
}

/// How the key server behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where keys come from.
    pub seed: Seed,
    /// What URLs of keys and licences begin with; the `Host` of each request if `None`.
    pub base_url: Option<String>,
    /// Whether keys leave encrypted.
    pub encryption: KeyEncryption,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// What the page plays.
    pub streams: Vec<PlayerStream>,
}

impl Settings {
    /// Everything as usual, with the keys of a seed.
    pub fn new(seed: Seed) -> Self {
        Self {
            seed,
            base_url: None,
            encryption: KeyEncryption::default(),
            faults: Vec::new(),
            streams: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
