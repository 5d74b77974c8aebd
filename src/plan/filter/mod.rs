//! Which renditions of a title a manifest shows: filters, read from text and applied.
//!
//! A filter only leaves out. Names, bytes and times of what stays are the same with and without it,
//! so that caches hold segments and media playlists once.

mod apply;
mod parse;
#[cfg(test)]
mod tests;

pub use parse::{FilterError, MAX_FILTER, parse};
