//! Whether all that players are told about encryption fits together, and whether media decrypts.
//!
//! ```text
//! manifests ─ mpd, playlist ─┐
//! init, fragments ─ boxes ───┼─ Evidence ─ judge ┬ signal      KID, scheme, PSSH, PRO, URI
//! segments ─ transport ──────┘        KeySet ────┤ fragments   boxes, decrypt, plausible
//!                                                └ stream      decrypt, plausible
//!                                                  └► Findings ─ table
//! ```
//!
//! Takes bytes and fetches nothing. It asks none of the rooms that wrote those bytes: readers and
//! ciphers are its own, so a mistake in a writer shows. The measure is the key set, what the key
//! server said. Keys are never printed, only their IDs and check values.
//!
//! A server may sign licences for other keys, and devices have rules of their own: that everything
//! agrees does not prove that a licence is granted.

pub mod boxes;
pub mod decrypt;
pub mod evidence;
pub mod finding;
mod fragments;
mod judge;
pub mod mpd;
pub mod plausible;
pub mod playlist;
mod signal;
mod stream;
mod table;
#[cfg(test)]
mod tests;
pub mod transport;

pub use evidence::{Announced, Entry, Evidence, Segment, Track};
pub use finding::{Finding, Findings, Verdict, What};
pub use fragments::is_encrypted;
pub use judge::judge;
pub use table::{document, table};
