//! Stalls of the whole process: stopped (SIGSTOP), suspended with its machine, or starved of processor time.
//!
//! Frames that waited during a stall waited for the relay, so they must not count against their viewers. A task records
//! the time ten times a second; a gap between two records shows that nothing in this process ran. No clock: `now` is
//! passed in.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fanlight_protocol::Timestamp;

/// The interval between two records.
pub const TICK: Duration = Duration::from_millis(100);
/// A longer gap is a stall: a frame that waited half a second makes its viewer slow.
const MIN_STALL: Duration = Duration::from_millis(500);
/// Frames may wait because of a stall for this long after it: the window over which a slow viewer is detected.
const AFTERMATH: Duration = Duration::from_secs(2);

/// The stalls of this process.
pub static STALLS: StallMonitor = StallMonitor::new();

/// Detects stalls from the times at which the process ran.
#[derive(Debug)]
pub struct StallMonitor {
    /// The last record, in microseconds; zero before the first one.
    last: AtomicU64,
    /// The end of the last stall's aftermath, in microseconds.
    recovered_at: AtomicU64,
}

impl StallMonitor {
    const fn new() -> Self {
        Self { last: AtomicU64::new(0), recovered_at: AtomicU64::new(0) }
    }

    /// Records that this process runs at `now`.
    pub fn tick(&self, now: Timestamp) {
        self.recently_stalled(now);
        self.last.store(now.micros(), Ordering::Relaxed);
    }

    /// Returns whether this process stalled shortly before `now`. The first thread to run after a stall detects it.
    pub fn recently_stalled(&self, now: Timestamp) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        if last > 0 && now.since(Timestamp::from_micros(last)) > MIN_STALL {
            self.recovered_at.fetch_max((now + AFTERMATH).micros(), Ordering::Relaxed);
        }
        now.micros() < self.recovered_at.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_micros(millis * 1000)
    }

    #[test]
    fn a_process_that_runs_steadily_never_stalled() {
        let monitor = StallMonitor::new();
        assert!(!monitor.recently_stalled(at(5_000)), "before the first record");
        for tenth in 100..200 {
            monitor.tick(at(tenth * 100));
            assert!(!monitor.recently_stalled(at(tenth * 100 + 99)));
        }
    }

    #[test]
    fn a_stall_counts_for_two_seconds_whichever_thread_detects_it() {
        let (by_viewer, by_tick) = (StallMonitor::new(), StallMonitor::new());
        for monitor in [&by_viewer, &by_tick] {
            monitor.tick(at(1_000));
        }
        assert!(by_viewer.recently_stalled(at(4_000)));
        by_tick.tick(at(4_000));
        for monitor in [&by_viewer, &by_tick] {
            monitor.tick(at(4_001));
            assert!(monitor.recently_stalled(at(4_100)));
            monitor.tick(at(4_500));
            monitor.tick(at(5_000));
            assert!(monitor.recently_stalled(at(5_400)));
            monitor.tick(at(5_500));
            monitor.tick(at(6_000));
            assert!(!monitor.recently_stalled(at(6_001)));
        }
    }
}
