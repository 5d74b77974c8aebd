//! Memory for segments that are being made, and for those that are being sent.
//!
//! A build takes room for what it reads and what it writes. When it is done it gives back the room
//! for what it read, and the rest goes with the segment: until the last answer with it is sent and
//! the cache has let go of it. In all there is as much room as the cache of segments may take, and
//! [`playback.build_bytes`](crate::config::Playback::build_bytes) beside it. So whatever the cache
//! does not hold, made or sent, stays within the latter; builds for which there is no room wait,
//! in the order in which they came.
//!
//! Clients that read slowly hold room for as long as they like, and must not stop everybody else. So
//! nobody waits longer than [`PATIENCE`] for them: behind that a build waits for other builds
//! alone, of which none lasts, and what it makes is not counted. Where all clients are slow, as much
//! memory is taken as their connections have segments to be sent.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a build waits for clients to read what was made for them.
const PATIENCE: Duration = Duration::from_secs(3);
/// Room is counted in steps of so many bytes: so few that a cache full of the smallest segments does
/// not take room that belongs to builds, and so many that permits suffice for a terabyte.
const STEP_BYTES: u64 = 256;

/// See the module documentation.
#[derive(Debug)]
pub struct Room {
    all: Arc<Semaphore>,
    steps: u32,
    /// For those that lost patience: builds alone.
    builds: Arc<Semaphore>,
    build_steps: u32,
    patience: Duration,
}

/// Room for one build.
#[derive(Debug)]
pub struct Place {
    permit: OwnedSemaphorePermit,
    /// Whether the room is held as long as the segment is.
    is_counted: bool,
}

impl Room {
    /// Room for `build_bytes` beside a cache that holds `cache_bytes`.
    pub fn new(cache_bytes: u64, build_bytes: u64) -> Self {
        let most = Semaphore::MAX_PERMITS.min(u32::MAX as usize) as u64;
        let steps = |bytes: u64| (bytes / STEP_BYTES).clamp(1, most) as u32;
        let build_steps = steps(build_bytes);
        let steps = steps(cache_bytes.saturating_add(build_bytes));
        let semaphore = |steps: u32| Arc::new(Semaphore::new(steps as usize));
        let (all, builds) = (semaphore(steps), semaphore(build_steps));
        Self { all, steps, builds, build_steps, patience: PATIENCE }
    }

    /// Waits for room to make so many bytes. What takes more than there is takes all.
    pub async fn take(&self, bytes: u64) -> Option<Place> {
        let wanted = steps_of(bytes);
        let all = self.all.clone().acquire_many_owned(wanted.min(self.steps));
        let (permit, is_counted) = match tokio::time::timeout(self.patience, all).await {
            Ok(permit) => (permit.ok()?, true),
            Err(_) => {
                let wanted = wanted.min(self.build_steps);
                (self.builds.clone().acquire_many_owned(wanted).await.ok()?, false)
            }
        };
        Some(Place { permit, is_counted })
    }
}

impl Place {
    /// Ends the build: what it made holds its room until nobody holds it any more.
    pub fn hold(self, made: Bytes) -> Bytes {
        match self.keep(made.len() as u64) {
            Some(place) => Bytes::from_owner(Held { made, _place: place }),
            None => made,
        }
    }

    /// Ends the build: room for so many bytes that it made; `None` where they are not counted.
    pub fn keep(mut self, bytes: u64) -> Option<Self> {
        let surplus = self.permit.num_permits().saturating_sub(steps_of(bytes) as usize);
        drop(self.permit.split(surplus));
        self.is_counted.then_some(self)
    }
}

struct Held {
    made: Bytes,
    _place: Place,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.made
    }
}

fn steps_of(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(STEP_BYTES)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, poll};
    use std::task::Poll;

    const MIB: u64 = 1 << 20;

    fn made(mebibytes: u64) -> Bytes {
        vec![0; (mebibytes * MIB) as usize].into()
    }

    #[tokio::test]
    async fn what_is_made_holds_its_room_until_it_is_sent() {
        let room = Room::new(0, 8 * MIB);
        // Four are read for four that are written.
        let first = room.take(8 * MIB).await.unwrap();
        let mut second = Box::pin(room.take(4 * MIB));
        assert!(matches!(poll!(&mut second), Poll::Pending));
        let sent = first.hold(made(4));
        let second = second.now_or_never().unwrap().unwrap().hold(made(4));
        let mut third = Box::pin(room.take(MIB));
        assert!(matches!(poll!(&mut third), Poll::Pending));
        let part = sent.slice(7..9);
        drop(sent);
        assert!(matches!(poll!(&mut third), Poll::Pending), "a part of it is still being sent");
        drop(part);
        assert!(third.now_or_never().unwrap().unwrap().is_counted);
        drop(second);
    }

    #[tokio::test]
    async fn a_cache_full_of_small_segments_leaves_room_for_builds() {
        let room = Room::new(64 * MIB, 8 * MIB);
        let small = 20_100;
        let mut cached = Vec::new();
        for _ in 0..64 * MIB / small {
            let place = room.take(2 * small).await.unwrap();
            cached.push(place.hold(vec![0; small as usize].into()));
        }
        assert!(room.all.available_permits() as u64 * STEP_BYTES >= 7 * MIB);
    }

    #[tokio::test]
    async fn slow_readers_delay_builds_and_do_not_stop_them() {
        let room = Room { patience: Duration::ZERO, ..Room::new(0, 4 * MIB) };
        let _slow = room.take(4 * MIB).await.unwrap().hold(made(4));
        let second = room.take(3 * MIB).await.unwrap();
        assert!(!second.is_counted);
        // Builds in progress are bounded all the same.
        assert_eq!(room.builds.available_permits() as u64, MIB / STEP_BYTES);
        let _unsent = second.hold(made(3));
        assert!(!room.take(3 * MIB).await.unwrap().is_counted);
    }

    #[tokio::test]
    async fn what_is_larger_than_all_room_takes_all() {
        let room = Room::new(MIB, MIB);
        let place = room.take(100 * MIB).await.unwrap();
        assert!(matches!(poll!(Box::pin(room.take(1))), Poll::Pending));
        let made = place.hold(made(3));
        assert!(matches!(poll!(Box::pin(room.take(1))), Poll::Pending));
        drop(made);
        assert!(room.take(2 * MIB).await.is_some());
    }
}
