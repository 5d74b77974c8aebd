//! The groups of a track, of which no more is unpacked than somebody looks at.
//!
//! ```text
//! Groups ┬ outline   when each begins, what all before it sum up to: enough to cut a track
//!        ├ part      some of them: a segment's
//!        └ [Group]   all: a manifest's
//! ```
//!
//! Ingest makes them from a list; out of an index they come packed, in blocks that can be unpacked
//! each by itself. Nobody who uses them sees which.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::{Arc, OnceLock};

use super::presentation::Group;
use super::sample::RandomAccess;
use crate::time::Ticks;

/// The groups of a track in order of time. To its users a slice, and cheap to clone.
#[derive(Clone)]
pub struct Groups(Arc<Inner>);

struct Inner {
    len: usize,
    outline: OnceLock<Outline>,
    all: OnceLock<Vec<Group>>,
    packed: Option<Box<dyn PackedGroups>>,
}

/// Groups that are not unpacked yet.
pub trait PackedGroups: Send + Sync {
    /// What is known of all of them.
    fn outline(&self) -> Outline;

    /// Appends the groups of one block: [`Groups::BLOCK`] of them, or in the last what is left.
    fn block(&self, block: usize, outline: &Outline, groups: &mut Vec<Group>);
}

/// What is known of groups before they are unpacked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// [`Group::time`] of each.
    pub times: Vec<Ticks>,
    /// [`Group::access`] of each.
    pub access: Vec<RandomAccess>,
    /// What the groups of each block sum up to.
    pub blocks: Vec<Sums>,
}

/// What groups sum up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// [`Group::samples`].
    pub samples: u64,
    /// [`Group::ts_payload_packets`].
    pub payload_packets: u64,
    /// [`Group::ts_clock_packets`].
    pub clock_packets: u64,
}

impl Sums {
    /// The sums of some groups.
    pub fn of(groups: &[Group]) -> Self {
        groups.iter().fold(Self::default(), |sums, group| {
            sums.plus(Self {
                samples: group.samples.into(),
                payload_packets: group.ts_payload_packets.into(),
                clock_packets: group.ts_clock_packets.into(),
            })
        })
    }

    /// Both together.
    pub const fn plus(self, other: Self) -> Self {
        Self {
            samples: self.samples.saturating_add(other.samples),
            payload_packets: self.payload_packets.saturating_add(other.payload_packets),
            clock_packets: self.clock_packets.saturating_add(other.clock_packets),
        }
    }
}

impl Outline {
    /// The outline of groups that are there.
    pub fn of(groups: &[Group]) -> Self {
        Self {
            times: groups.iter().map(|group| group.time).collect(),
            access: groups.iter().map(|group| group.access).collect(),
            blocks: groups.chunks(Groups::BLOCK).map(Sums::of).collect(),
        }
    }
}

impl Groups {
    /// How many groups are unpacked together: a segment takes less, and to find one among blocks
    /// costs less than to unpack it.
    pub const BLOCK: usize = 64;

    /// So many groups that are not unpacked yet.
    pub fn packed(len: usize, packed: impl PackedGroups + 'static) -> Self {
        let packed: Option<Box<dyn PackedGroups>> = Some(Box::new(packed));
        Self(Arc::new(Inner { len, packed, outline: OnceLock::new(), all: OnceLock::new() }))
    }

    /// How many there are; unpacks nothing.
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When each begins, in the track's timescale.
    pub fn times(&self) -> &[Ticks] {
        &self.outline().times
    }

    /// When those begin that decoding can begin with.
    pub fn random_access_times(&self) -> impl Iterator<Item = Ticks> {
        let Outline { times, access, .. } = self.outline();
        let begins = times.iter().zip(access).filter(|(_, access)| **access != RandomAccess::None);
        begins.map(|(time, _)| *time)
    }

    /// What all groups before one sum up to; behind the last, what all do.
    pub fn before(&self, group: usize) -> Sums {
        let (blocks, rest) = match group {
            _ if group >= self.len() => (usize::MAX, 0..0),
            _ => (group / Self::BLOCK, group / Self::BLOCK * Self::BLOCK..group),
        };
        let whole = self.outline().blocks.iter().take(blocks);
        let whole = whole.fold(Sums::default(), |sums, block| sums.plus(*block));
        whole.plus(self.part(rest).as_deref().map_or_else(Sums::default, Sums::of))
    }

    /// What all groups sum up to.
    pub fn sums(&self) -> Sums {
        self.before(self.len())
    }

    /// Some of them; `None` where there are not as many.
    pub fn part(&self, range: Range<usize>) -> Option<Cow<'_, [Group]>> {
        let Inner { packed, all, .. } = &*self.0;
        let packed = match packed {
            Some(packed) if all.get().is_none() => packed,
            _ => return self.get(range).map(Cow::Borrowed),
        };
        if range.start > range.end || range.end > self.len() {
            return None;
        }
        let first = range.start / Self::BLOCK;
        let blocks = first..range.end.div_ceil(Self::BLOCK);
        let mut groups = Vec::with_capacity(blocks.len() * Self::BLOCK);
        blocks.for_each(|block| packed.block(block, self.outline(), &mut groups));
        let start = range.start - first * Self::BLOCK;
        groups.truncate(start + range.len());
        (groups.len() == start + range.len()).then(|| Cow::Owned(groups.split_off(start)))
    }

    fn outline(&self) -> &Outline {
        let Inner { packed, outline, all, .. } = &*self.0;
        outline.get_or_init(|| match (packed, all.get()) {
            (Some(packed), _) => packed.outline(),
            (None, all) => Outline::of(all.map_or(&[], Vec::as_slice)),
        })
    }
}

impl Deref for Groups {
    type Target = [Group];

    fn deref(&self) -> &[Group] {
        let Inner { len, packed, all, .. } = &*self.0;
        all.get_or_init(|| {
            let mut groups = Vec::with_capacity(*len);
            if let Some(packed) = packed {
                let blocks = 0..len.div_ceil(Self::BLOCK);
                blocks.for_each(|block| packed.block(block, self.outline(), &mut groups));
            }
            groups
        })
    }
}

impl From<Vec<Group>> for Groups {
    fn from(groups: Vec<Group>) -> Self {
        let (len, all) = (groups.len(), groups.into());
        Self(Arc::new(Inner { len, all, packed: None, outline: OnceLock::new() }))
    }
}

impl FromIterator<Group> for Groups {
    fn from_iter<I: IntoIterator<Item = Group>>(groups: I) -> Self {
        Vec::from_iter(groups).into()
    }
}

impl Default for Groups {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<'a> IntoIterator for &'a Groups {
    type Item = &'a Group;
    type IntoIter = std::slice::Iter<'a, Group>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for Groups {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Groups {}

impl fmt::Debug for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
