//! The page that plays protected streams in a browser, and what it knows of them.
//!
//! The page is one file; players come from their packages at a public CDN, pinned by hash. It has
//! to come from here: browsers give keys only to pages of a secure context, and `localhost` is one.

use serde::Serialize;

/// The page.
pub(super) const PAGE: &str = include_str!("player.html");

/// A stream that the page offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlayerStream {
    /// For people.
    pub name: String,
    /// The entry manifest.
    pub url: String,
    /// How its keys reach players.
    pub keys: PlayerKind,
    /// Players that can play it, the best first: `shaka`, `dashjs`, `hlsjs`.
    pub players: Vec<&'static str>,
}

/// How keys reach players.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PlayerKind {
    /// There are none.
    Clear,
    /// By Clear Key licences.
    ClearKey,
    /// By the URL in the playlist.
    PlainKey,
}
