//! Memory that is used again: what the system hands out anew costs a page fault for every four kilobytes, each time.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ThreadId};

use bytemuck::{Pod, Zeroable};

/// A cache line, at whose first byte values begin, so that no vector lies in two.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

// SAFETY: bytes, as many as the type is aligned to, so that there are none between them.
unsafe impl Zeroable for Line {}
// SAFETY: as above; any bytes are a line.
unsafe impl Pod for Line {}

/// Lines that are kept for whoever asks next, of all threads together: 128 MiB.
const KEPT: usize = 2 << 20;

/// How much larger than what is asked for kept memory may be, as a factor: whoever needs the large ones would else find them taken.
const ROOM: usize = 4;

/// Lines from which memory is kept: less is had from the allocator as fast.
const LARGE: usize = 64;

/// With the thread that used it last, in whose cache it may still be.
static POOL: Mutex<Vec<(ThreadId, Vec<Line>)>> = Mutex::new(Vec::new());

/// Values that begin with whatever was there before; in builds with debug assertions, with NaN in any dtype, so that what nobody wrote shows.
pub(crate) struct Scratch<T> {
    lines: Vec<Line>,
    count: usize,
    values: PhantomData<T>,
}

impl<T: Pod> Scratch<T> {
    /// So many values.
    pub(crate) fn new(count: usize) -> Self {
        let needed = (count * size_of::<T>()).div_ceil(size_of::<Line>());
        let values = |mut lines: Vec<Line>| {
            if cfg!(debug_assertions) {
                lines.fill(Line([0xff; 64]));
            }
            Self {
                lines,
                count,
                values: PhantomData,
            }
        };
        if needed < LARGE {
            return values(vec![Line([0; 64]); needed]);
        }
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = (0..pool.len()).filter(|&at| (needed..=needed * ROOM).contains(&pool[at].1.len()));
        let own = thread::current().id();
        let best = fits.min_by_key(|&at| (pool[at].0 != own, pool[at].1.len()));
        let lines = best.map(|at| pool.swap_remove(at).1);
        drop(pool);
        // Powers of two are asked for again, and next time there may be a few more tokens.
        values(lines.unwrap_or_else(|| vec![Line([0; 64]); needed.next_power_of_two()]))
    }
}

impl<T> Drop for Scratch<T> {
    fn drop(&mut self) {
        if self.lines.len() < LARGE {
            return;
        }
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: usize = pool.iter().map(|(_, lines)| lines.len()).sum();
        if kept + self.lines.len() <= KEPT {
            pool.push((thread::current().id(), std::mem::take(&mut self.lines)));
        }
    }
}

impl<T: Pod> Deref for Scratch<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &bytemuck::cast_slice(&self.lines)[..self.count]
    }
}

impl<T: Pod> DerefMut for Scratch<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.count]
    }
}

/// Values for whoever calls the kernels, of memory that is used again when they are dropped. They begin with whatever was there before, or with NaN
/// in builds with debug assertions.
pub struct Buffer(Scratch<f32>);

impl Buffer {
    /// So many values.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self(Scratch::new(count))
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Buffer, Scratch};

    #[test]
    #[cfg(debug_assertions)]
    fn what_nobody_wrote_is_not_a_number() {
        for count in [3, 5000] {
            assert!(Scratch::<f32>::new(count).iter().all(|value| value.is_nan()));
            let mut halves = Scratch::<u16>::new(count);
            assert!(halves.iter().all(|&bits| half::bf16::from_bits(bits).is_nan()));
            halves.fill(0);
        }
    }

    #[test]
    fn bytes_of_a_buffer_are_its_values() {
        let mut buffer = Buffer::new(3);
        buffer.copy_from_slice(&[1.0, -2.0, 0.5]);
        let bytes: Vec<u8> = buffer.iter().flat_map(|value| value.to_ne_bytes()).collect();
        assert_eq!(buffer.as_ref(), bytes);
    }

    #[test]
    fn values_are_as_many_as_asked_for_and_aligned() {
        for count in [0, 1, 7, 1000, 5000] {
            let mut first = Scratch::<u16>::new(count);
            let mut second = Scratch::<f32>::new(count);
            assert_eq!((first.len(), second.len()), (count, count));
            first.fill(3);
            second.fill(5.0);
            assert!(first.iter().all(|&value| value == 3));
            assert!(second.as_ptr().addr().is_multiple_of(64));
        }
    }

    /// Whoever asks for it finds the pool by looking at all that is there.
    #[test]
    fn small_memory_is_not_kept() {
        for count in [0, 1, 1000] {
            drop(Scratch::<f32>::new(count));
        }
        let pool = super::POOL.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        assert!(pool.iter().all(|(_, lines)| lines.len() >= super::LARGE));
    }

    #[test]
    fn large_memory_is_given_back() {
        drop(Scratch::<u8>::new(200 << 20));
        let pool = super::POOL.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        assert!(pool.iter().map(|(_, lines)| lines.len()).sum::<usize>() <= super::KEPT);
    }
}
