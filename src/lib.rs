//! packorigin: a just-in-time VOD packaging origin.
//!
//! A title is stored once, as an HLS master playlist with MPEG-TS segments. Ingest reads it and
//! keeps an index; when a player asks for a segment of HLS, HLS over CMAF or DASH, that one
//! segment is packaged out of the stored bytes. The modules are rooms on floors: each uses lower
//! floors only, and `conformance/house.rs` keeps it so.

pub mod app;
pub mod cache;
pub mod catalog;
pub mod cenc;
pub mod cli;
pub mod codec;
pub mod config;
pub mod control;
pub mod dash;
pub mod drmcheck;
pub mod egress;
pub mod error;
pub mod hls;
pub mod index;
pub mod keys;
pub mod keyserver;
pub mod model;
pub mod mp4;
pub mod package;
pub mod plan;
pub mod playback;
pub mod source;
pub mod telemetry;
pub mod time;
pub mod ts;
