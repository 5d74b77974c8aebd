//! Byte ranges of stored objects: files, web servers, S3 and OSS, through Apache OpenDAL.
//!
//! ```text
//! text of an asset or a playlist ─ path: SourcePath ─┐
//! [sources.NAME] ─ open: Root ───────────────────────┴─ root: read_range, read_all, stat
//!                    ├ file       is it inside the folder, is it a regular file
//!                    ├ object     clear bytes of encrypted segments ─ key: 16 bytes, in memory
//!                    └ transport  HTTP below OpenDAL: egress rule, query, honest ranges
//! ```
//!
//! What it promises: nothing outside the configured root is read; a range comes whole or not at
//! all; every request ends, because silence, slowness and size are all bounded; an error says what
//! to do and holds neither credentials nor query strings.
//!
//! What it does not do: it knows no playlist, no TS and no cache, and it writes nothing.

mod error;
mod file;
mod key;
mod local;
mod object;
mod open;
mod path;
mod resident;
mod root;
mod transport;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use self::error::SourceError;
pub use self::local::{LocalFile, LocalFiles};
pub use self::path::{RootUrl, SourcePath};
pub use self::root::{ObjectStat, Root};
use crate::config;
use crate::egress::EgressPolicy;
use crate::error::Result;
use crate::model::policy::Name;
use crate::telemetry::Metrics;

/// All configured roots, by name.
pub struct Sources {
    roots: BTreeMap<Name, Arc<Root>>,
}

impl Sources {
    /// Opens every root. Nothing is fetched yet, except that a folder must exist.
    pub fn open(
        sources: &BTreeMap<Name, config::Source>,
        limits: &config::SourceLimits,
        egress: &config::Egress,
        metrics: &Arc<Metrics>,
    ) -> Result<Self> {
        let policy = EgressPolicy::new(egress);
        let mut roots = BTreeMap::new();
        for (name, source) in sources {
            let root = open::open(name, source, limits, egress, &policy, metrics)?;
            roots.insert(name.clone(), Arc::new(root));
        }
        Ok(Self { roots })
    }

    /// The root of this name.
    pub fn get(&self, name: &str) -> Option<Arc<Root>> {
        self.roots.iter().find(|(known, _)| known.as_str() == name).map(|(_, root)| root.clone())
    }

    /// The configured names, in order.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.roots.keys()
    }
}
