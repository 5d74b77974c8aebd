//! Buffers that segments are made in, used again.
//!
//! A fresh page of memory costs the kernel more than packaging what lies in it. So a buffer goes
//! back to the pool with the last reference to the segment in it: when the response is sent, or
//! when the cache lets go of it. What a buffer held before cannot be read: it is emptied first, and
//! only what was written since counts.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Memory that is kept for the next segments, at most.
const KEPT_BYTES: usize = 64 << 20;
/// Capacities are multiples of this, so that segments of about one size can have each other's.
const STEP_BYTES: usize = 64 * 1024;
/// A buffer may be larger than is asked for by one part in this many.
const WASTE_PARTS: usize = 4;

/// Six seconds at 4.5 to 5.5 Mbit/s.
const FIRST_BYTES: usize = 4 << 20;

/// Smaller segments are copied out of their buffers.
const LEAST_SHARED_BYTES: usize = 256 * 1024;

/// Buffers that nobody uses at the moment; cheap to share.
#[derive(Clone, Debug, Default)]
pub struct BufferPool {
    idle: Arc<Mutex<Idle>>,
}

#[derive(Debug, Default)]
struct Idle {
    /// The one that came back last is warmest.
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl BufferPool {
    /// A pool that has a buffer for the first segment, of a size that is usual for the largest
    /// renditions; its pages would be most of what that segment's viewer waits for.
    pub fn with_first_buffer() -> Self {
        let pool = Self::default();
        let mut buffer = vec![0; FIRST_BYTES];
        // Zeros alone are pages that the kernel gives when they are written to.
        buffer.fill(1);
        pool.idle().give(buffer);
        pool
    }

    /// An empty buffer with room for so many bytes.
    pub fn take(&self, bytes: usize) -> PooledBuffer {
        let buffer = self.idle().take(bytes);
        let buffer =
            buffer.unwrap_or_else(|| Vec::with_capacity(bytes.next_multiple_of(STEP_BYTES)));
        PooledBuffer { buffer, pool: self.clone() }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    fn take(&mut self, bytes: usize) -> Option<Vec<u8>> {
        let most = bytes + bytes / WASTE_PARTS + STEP_BYTES;
        let fits = |buffer: &Vec<u8>| (bytes..=most).contains(&buffer.capacity());
        let at = self.buffers.iter().rposition(fits)?;
        let buffer = self.buffers.remove(at);
        self.bytes -= buffer.capacity();
        Some(buffer)
    }

    fn give(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        if buffer.capacity() > KEPT_BYTES {
            return;
        }
        self.bytes += buffer.capacity();
        self.buffers.push(buffer);
        // The oldest are of sizes that nobody asks for.
        let mut surplus = 0;
        while self.bytes > KEPT_BYTES {
            let Some(oldest) = self.buffers.get(surplus) else { break };
            self.bytes -= oldest.capacity();
            surplus += 1;
        }
        self.buffers.drain(..surplus);
    }
}

/// A buffer that goes back to its pool.
#[derive(Debug)]
pub struct PooledBuffer {
    buffer: Vec<u8>,
    pool: BufferPool,
}

impl PooledBuffer {
    /// The buffer itself, to be worked on by value; another one is put back with
    /// [`PooledBuffer::put`].
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// Puts a buffer in.
    pub fn put(&mut self, buffer: Vec<u8>) {
        self.buffer = buffer;
    }

    /// What is in it, shared; the buffer goes back when nobody holds it any more, or at once where
    /// so little is in it that a copy costs less than the memory that nobody would count.
    pub fn into_bytes(self) -> Bytes {
        let length = self.buffer.len();
        let most = length + length / WASTE_PARTS + 3 * STEP_BYTES;
        if length < LEAST_SHARED_BYTES || self.buffer.capacity() > most {
            return Bytes::copy_from_slice(&self.buffer);
        }
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for PooledBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl AsMut<[u8]> for PooledBuffer {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.buffer
    }
}

impl Drop for PooledBuffer {
    fn drop(&mut self) {
        if self.buffer.capacity() > 0 {
            self.pool.idle().give(std::mem::take(&mut self.buffer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(pool: &BufferPool, bytes: usize) -> Bytes {
        let mut pooled = pool.take(bytes);
        let mut buffer = pooled.take();
        assert!(buffer.is_empty() && buffer.capacity() >= bytes);
        buffer.resize(bytes, 7);
        pooled.put(buffer);
        pooled.into_bytes()
    }

    #[test]
    fn the_first_buffer_is_there_before_anybody_asks() {
        let pool = BufferPool::with_first_buffer();
        let first = pool.idle().buffers.first().map(|buffer| buffer.as_ptr());
        let bytes = filled(&pool, 3_770_000);
        assert_eq!(Some(bytes.as_ptr()), first);
        assert_eq!(pool.idle().bytes, 0);
    }

    #[test]
    fn a_buffer_comes_back_when_its_last_holder_lets_go() {
        let pool = BufferPool::default();
        let bytes = filled(&pool, 1_000_000);
        let at = bytes.as_ptr();
        let part = bytes.slice(10..20);
        drop(bytes);
        assert_ne!(filled(&pool, 1_000_000).as_ptr(), at, "a part of it is still held");
        drop(part);
        assert_eq!(filled(&pool, 990_000).as_ptr(), at);
    }

    #[test]
    fn small_segments_do_not_sit_in_large_buffers() {
        let pool = BufferPool::default();
        drop(filled(&pool, 4_000_000));
        let small = filled(&pool, 500_000);
        assert_eq!(pool.idle().buffers.len(), 1);
        drop(small);
        assert_eq!(pool.idle().buffers.len(), 2);
    }

    #[test]
    fn little_in_a_large_buffer_is_copied_out_of_it() {
        let pool = BufferPool::default();
        for (room, length) in [(100_000, 30_000), (4_000_000, 1_000_000)] {
            let mut pooled = pool.take(room);
            let mut buffer = pooled.take();
            buffer.resize(length, 7);
            pooled.put(buffer);
            let held = pooled.into_bytes();
            assert_eq!(held, vec![7; length]);
            assert!(pool.idle().take(room).is_some(), "the buffer is back");
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let pool = BufferPool::default();
        let held: Vec<Bytes> = (0..40).map(|_| filled(&pool, 4_000_000)).collect();
        drop(held);
        let idle = pool.idle();
        assert!(idle.bytes <= KEPT_BYTES && idle.bytes > KEPT_BYTES - 5_000_000);
        assert_eq!(idle.bytes, idle.buffers.iter().map(Vec::capacity).sum::<usize>());
    }
}
