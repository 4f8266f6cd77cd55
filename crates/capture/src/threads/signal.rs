//! Wake-ups between threads: [`Monitor`], the primitive that every blocking wait is built on, and [`Signal`], a flag.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

/// A value under a lock on which threads can wait until it meets a condition.
///
/// The threads of a capture wait for each other with a monitor alone. A request to stop has its own wait:
/// [`Shutdown`](fanlight_cli::stop::Shutdown).
#[derive(Debug, Default)]
pub struct Monitor<T> {
    value: Mutex<T>,
    changed: Condvar,
}

impl<T> Monitor<T> {
    /// Locks the value. If a waiting thread may depend on the change, [`notify_one`](Self::notify_one) must follow.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.value.lock()
    }

    /// Wakes one waiting thread: for a change that only one of them can use.
    pub fn notify_one(&self) {
        self.changed.notify_one();
    }

    /// Changes the value and wakes all waiting threads. Returns what `change` returns.
    pub fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.value.lock());
        self.changed.notify_all();
        result
    }

    /// Waits while `blocked` returns true.
    pub fn wait_while(&self, blocked: impl FnMut(&mut T) -> bool) -> MutexGuard<'_, T> {
        let mut value = self.value.lock();
        self.changed.wait_while(&mut value, blocked);
        value
    }

    /// Waits while `blocked` returns true, until `timeout` at the latest.
    pub fn wait_while_for(
        &self,
        timeout: Duration,
        blocked: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'_, T> {
        let mut value = self.value.lock();
        self.changed.wait_while_for(&mut value, blocked, timeout);
        value
    }
}

/// A flag that wakes the thread waiting for it. Clones share it. Several notifications before a wait count as one.
#[derive(Debug, Clone, Default)]
pub struct Signal(Arc<Monitor<bool>>);

impl Signal {
    /// Sets the flag.
    pub fn notify(&self) {
        self.0.update(|notified| *notified = true);
    }

    /// Waits for the flag, until `timeout` at the latest, and clears it. Returns whether it was set.
    pub fn wait(&self, timeout: Duration) -> bool {
        std::mem::take(&mut *self.0.wait_while_for(timeout, |notified| !*notified))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_before_the_wait_is_not_lost_and_counts_once() {
        let signal = Signal::default();
        signal.notify();
        signal.notify();
        assert!(signal.wait(Duration::from_secs(10)));
        assert!(!signal.wait(Duration::from_millis(1)));
    }

    #[test]
    fn an_update_wakes_every_waiting_thread() {
        let monitor = Monitor::<u32>::default();
        std::thread::scope(|scope| {
            let waiting = [(); 3].map(|()| scope.spawn(|| *monitor.wait_while(|value| *value < 2)));
            monitor.update(|value| *value += 1);
            monitor.update(|value| *value += 1);
            assert!(waiting.into_iter().all(|thread| thread.join().unwrap() == 2));
        });
    }
}
