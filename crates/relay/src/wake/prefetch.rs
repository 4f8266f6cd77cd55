//! Prefetches the state of the next viewer while the kernel sends the frame of the current one.
//!
//! A frame touches the state of each viewer once. Between two viewers the kernel fills the processor's first caches
//! with its own memory, so without prefetching, each cache line of the next viewer's state would be a miss. The
//! dispatcher knows the order in which it serves viewers, and a send takes much longer than a fetch from memory.

use std::sync::Arc;

/// Size of a cache line in bytes.
const LINE: usize = 64;
/// Size of the two counts of an [`Arc`], which lie directly before its value and change with each clone.
const COUNTS: usize = 2 * size_of::<usize>();
/// Longest part of a region that is prefetched, in bytes: more would evict what is needed first.
const MAX_BYTES: usize = 2048;

/// The address range of a value. It is an address only: the value may have been dropped since, which does no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Region {
    address: usize,
    bytes: usize,
}

impl Region {
    /// Returns the region of a shared value and its counts.
    pub(super) fn of<T>(shared: &Arc<T>) -> Self {
        let address = Arc::as_ptr(shared).addr() - COUNTS;
        Self { address, bytes: (size_of::<T>() + COUNTS).min(MAX_BYTES) }
    }

    /// Starts to fetch the region into the processor's caches, without waiting. Does nothing on processors other than
    /// x86-64.
    pub(super) fn prefetch(self) {
        let first = self.address & !(LINE - 1);
        (first..self.address + self.bytes).step_by(LINE).for_each(prefetch_line);
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the standard library has no safe prefetch")]
fn prefetch_line(address: usize) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch is a hint: it changes nothing that the program can see and faults at no address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::without_provenance(address)) }
}

#[cfg(not(target_arch = "x86_64"))]
fn prefetch_line(_: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_covers_the_counts_and_the_value_of_an_arc() {
        let shared = Arc::new([0_u8; 100]);
        let region = Region::of(&shared);
        assert_eq!(region.address + COUNTS, Arc::as_ptr(&shared).addr());
        assert_eq!(region.bytes, COUNTS + 100);
    }

    #[test]
    fn freed_and_unmapped_memory_may_be_prefetched() {
        let freed = Region::of(&Arc::new([0_u8; 100]));
        let unmapped = Region { address: 1 << 46, bytes: MAX_BYTES };
        [freed, unmapped].into_iter().for_each(Region::prefetch);
    }
}
