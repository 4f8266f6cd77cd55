//! One thread's time with a source, or as a worker.
//!
//! A thread may be stuck in a driver for ever, and nothing can be done about it but to leave it there: its shift is ended,
//! and another thread begins one. What the first still brings, should it come back, nobody takes.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fanlight_cli::stop::Shutdown;

/// One thread's time with a source. Clones are the same shift.
#[derive(Debug, Clone, Default)]
pub struct Watchdog {
    over: Shutdown,
    pulse: Arc<Mutex<Option<Pulse>>>,
    abandoned: Arc<AtomicBool>,
}

/// What the thread does that may block, and until when it should be done with it.
#[derive(Debug, Clone, Copy)]
struct Pulse {
    doing: &'static str,
    within: Duration,
    until: Instant,
}

impl Watchdog {
    /// The thread begins something that may block, and should be done with it within so long.
    pub fn begin(&self, doing: &'static str, within: Duration) {
        *self.pulse() = Some(Pulse { doing, within, until: Instant::now() + within });
    }

    /// The thread makes progress with what it has begun, and has as much time again.
    pub fn progress(&self) {
        if let Some(pulse) = &mut *self.pulse() {
            pulse.until = Instant::now() + pulse.within;
        }
    }

    /// The thread waits for something that may never come, and does so where it can be woken.
    pub fn rest(&self) {
        *self.pulse() = None;
    }

    /// What the thread is stuck in, if it is.
    pub fn stuck(&self, now: Instant) -> Option<&'static str> {
        self.pulse().filter(|pulse| now > pulse.until).map(|pulse| pulse.doing)
    }

    /// The whole process was held up for so long, which is nobody's fault.
    pub fn excuse(&self, held_up: Duration) {
        if let Some(pulse) = &mut *self.pulse() {
            pulse.until += held_up;
        }
    }

    /// Ends it.
    pub fn end(&self) {
        self.over.request();
    }

    /// Ends it because the thread is stuck.
    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
        self.end();
    }

    /// Whether it ended because the thread was stuck.
    pub fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }

    /// Whether it has ended: what the thread brings is of no use any more.
    pub fn is_over(&self) -> bool {
        self.over.is_requested()
    }

    /// The request to end that the source listens to.
    pub fn over(&self) -> &Shutdown {
        &self.over
    }

    fn pulse(&self) -> MutexGuard<'_, Option<Pulse>> {
        self.pulse.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The threads that were left in a driver and did not come back, of one source or of the whole process. Clones count
/// together.
#[derive(Debug, Clone, Default)]
pub struct StuckThreads(Arc<AtomicUsize>);

/// So many of one source are left to themselves; then nobody tries until one of them comes back.
pub const MOST_OF_ONE: usize = 2;

/// So many stuck threads are a sick machine, on which a new process helps more than another thread.
pub const MOST_STRAYS: usize = 8;

impl StuckThreads {
    /// One more; returns how many there are.
    pub fn add(&self) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// One more.
    pub fn note(&self) {
        self.add();
    }

    /// One came back.
    pub fn remove(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_up_of_the_whole_process_makes_nobody_stuck() {
        let shift = Watchdog::default();
        let now = Instant::now();
        shift.begin("reading", Duration::from_secs(20));
        shift.excuse(Duration::from_secs(60));
        assert_eq!(shift.stuck(now + Duration::from_secs(79)), None);
        assert!(shift.stuck(now + Duration::from_secs(81)).is_some());
    }

    #[test]
    fn progress_gives_a_thread_as_much_time_again() {
        let shift = Watchdog::default();
        shift.progress();
        assert_eq!(shift.stuck(Instant::now() + Duration::from_secs(3600)), None, "nothing began");
        shift.begin("decoding", Duration::from_secs(10));
        // What has taken all of its time.
        shift.pulse().as_mut().unwrap().until = Instant::now();
        shift.progress();
        assert_eq!(shift.stuck(Instant::now() + Duration::from_secs(9)), None);
        assert!(shift.stuck(Instant::now() + Duration::from_secs(11)).is_some());
    }

    #[test]
    fn a_thread_is_stuck_once_it_takes_longer_than_it_should() {
        let shift = Watchdog::default();
        let now = Instant::now();
        assert_eq!(shift.stuck(now + Duration::from_secs(3600)), None, "it has begun nothing");
        shift.begin("reading", Duration::from_secs(20));
        assert_eq!(shift.stuck(now + Duration::from_secs(19)), None);
        assert_eq!(shift.stuck(now + Duration::from_secs(21)), Some("reading"));
        shift.rest();
        assert_eq!(shift.stuck(now + Duration::from_secs(3600)), None);
    }
}
