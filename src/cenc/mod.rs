//! Common Encryption (ISO/IEC 23001-7:2023): the three questions of it, each answered alone.
//!
//! ```text
//!              which bytes                     how
//! sample ──► subsample ──► [clear, protected] ──► cipher ──► sample, encrypted in place
//!                                                  ▲
//! (title, track, sample number) ──► iv ────────────┘ which IV
//! ```
//!
//! Transport streams are encrypted by two other schemes, which belong to HLS alone: whole segments
//! ([`aes128`]) and parts of samples ([`sample_aes`]).
//!
//! Nothing here depends on what was encrypted before: a sample comes out the same whoever asks for
//! it, in whatever order. No boxes are written here, and keys come from the caller.

pub mod aes128;
mod chains;
pub mod cipher;
pub mod iv;
mod key_stream;
pub mod sample_aes;
pub mod subsample;
