//! Common Encryption (ISO/IEC 23001-7:2023): the three questions of it, each answered alone.
//!
//! ```text
//!              which bytes                     how
//! sample ──► subsample ──► [clear, protected] ──► cipher ──► sample, encrypted in place
//!                                                  ▲
//! (title, track, sample number) ──► iv ────────────┘ which IV
//! ```
//!
//! Nothing here depends on what was encrypted before: a sample comes out the same whoever asks for
//! it, in whatever order. No boxes are written here, and keys come from the caller.

pub mod cipher;
pub mod iv;
pub mod subsample;
