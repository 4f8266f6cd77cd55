//! Detection of threads that are stuck in a driver.
//!
//! A driver may block a thread for ever, and no call can interrupt it. Such a thread is abandoned and another one takes
//! its place. If the abandoned thread returns after all, its results are discarded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fanlight_cli::stop::Shutdown;
use parking_lot::Mutex;

/// The deadline of one thread's current operation, and the request to stop that the thread obeys. Clones share both.
#[derive(Debug, Clone, Default)]
pub struct Watchdog {
    stop: Shutdown,
    operation: Arc<Mutex<Option<Operation>>>,
    abandoned: Arc<AtomicBool>,
}

/// An operation that may block, and its deadline.
#[derive(Debug, Clone, Copy)]
struct Operation {
    name: &'static str,
    timeout: Duration,
    deadline: Instant,
}

impl Watchdog {
    /// Begins an operation that may block, such as "reading", and that should complete within `timeout`.
    pub fn begin(&self, name: &'static str, timeout: Duration) {
        *self.operation.lock() =
            Some(Operation { name, timeout, deadline: Instant::now() + timeout });
    }

    /// Restarts the timeout of the current operation, because the thread has made progress.
    pub fn progress(&self) {
        if let Some(operation) = &mut *self.operation.lock() {
            operation.deadline = Instant::now() + operation.timeout;
        }
    }

    /// Ends the current operation: the thread now waits for an event and can be woken.
    pub fn idle(&self) {
        *self.operation.lock() = None;
    }

    /// Returns the operation in which the thread is stuck: its deadline has passed.
    pub fn stuck(&self, now: Instant) -> Option<&'static str> {
        let operation = *self.operation.lock();
        operation.filter(|operation| now > operation.deadline).map(|operation| operation.name)
    }

    /// Extends the deadline by the time for which the whole process was suspended.
    pub fn extend(&self, suspended: Duration) {
        if let Some(operation) = &mut *self.operation.lock() {
            operation.deadline += suspended;
        }
    }

    /// Asks the thread to end.
    pub fn stop(&self) {
        self.stop.request();
    }

    /// Gives the thread up because it is stuck.
    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
        self.stop();
    }

    /// Returns whether the thread was given up.
    pub fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }

    /// Returns whether the thread should end. Its results are no longer used.
    pub fn is_stopped(&self) -> bool {
        self.stop.is_requested()
    }

    /// Returns the request to stop, for a source to listen to.
    pub fn shutdown(&self) -> &Shutdown {
        &self.stop
    }
}

/// The number of abandoned threads that have not returned, of one source or of the whole process. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct StuckThreads(Arc<AtomicUsize>);

/// Maximum number of threads abandoned in one source, encoder or decoder. No further attempt is made until one of them
/// returns.
pub const MAX_STUCK_EACH: usize = 2;

/// Number of stuck threads with which the process exits: drivers fail in several places, and a new process helps more
/// than another thread.
pub const MAX_STUCK: usize = 8;

impl StuckThreads {
    /// Counts a thread that was abandoned. Returns the new number.
    pub fn add(&self) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Counts a thread that has returned.
    pub fn remove(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Returns the number of stuck threads.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suspended_process_makes_no_thread_stuck() {
        let watchdog = Watchdog::default();
        let now = Instant::now();
        watchdog.begin("reading", Duration::from_secs(20));
        watchdog.extend(Duration::from_secs(60));
        assert_eq!(watchdog.stuck(now + Duration::from_secs(79)), None);
        assert!(watchdog.stuck(now + Duration::from_secs(81)).is_some());
    }

    #[test]
    fn progress_restarts_the_timeout() {
        let watchdog = Watchdog::default();
        watchdog.progress();
        assert_eq!(
            watchdog.stuck(Instant::now() + Duration::from_secs(3600)),
            None,
            "no operation"
        );
        watchdog.begin("decoding", Duration::from_secs(10));
        // The operation has used all of its time.
        watchdog.operation.lock().as_mut().unwrap().deadline = Instant::now();
        watchdog.progress();
        assert_eq!(watchdog.stuck(Instant::now() + Duration::from_secs(9)), None);
        assert!(watchdog.stuck(Instant::now() + Duration::from_secs(11)).is_some());
    }

    #[test]
    fn a_thread_is_stuck_when_its_operation_exceeds_the_timeout() {
        let watchdog = Watchdog::default();
        let now = Instant::now();
        assert_eq!(watchdog.stuck(now + Duration::from_secs(3600)), None, "no operation");
        watchdog.begin("reading", Duration::from_secs(20));
        assert_eq!(watchdog.stuck(now + Duration::from_secs(19)), None);
        assert_eq!(watchdog.stuck(now + Duration::from_secs(21)), Some("reading"));
        watchdog.idle();
        assert_eq!(watchdog.stuck(now + Duration::from_secs(3600)), None);
    }
}
