//! One stop request that reaches every thread.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// Signals within this time count as one request: a terminal also sends SIGINT to a supervisor, which forwards it.
const ONE_REQUEST: Duration = Duration::from_secs(1);

/// A stop request. Clones share it. It cannot be withdrawn.
///
/// A loop checks [`is_requested`](Self::is_requested), and calls [`wait_timeout`](Self::wait_timeout) instead of
/// `thread::sleep`, so that it stops immediately. For programs of plain threads; tokio has its own means.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    requested: Mutex<bool>,
    changed: Condvar,
}

impl Shutdown {
    /// Returns a request that was not made yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a request that SIGINT (Ctrl-C) or SIGTERM makes. A second such signal, at least a second later,
    /// terminates the process as if there were no handler, so that a user can end a program that is stuck.
    ///
    /// # Errors
    /// Fails if the system refuses the handlers or the thread.
    pub fn on_signals() -> io::Result<Self> {
        let shutdown = Self::new();
        let requested = shutdown.clone();
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            let mut first: Option<Instant> = None;
            for signal in signals.forever() {
                match first {
                    None => tracing::info!("stopping"),
                    Some(first) if first.elapsed() < ONE_REQUEST => {}
                    Some(_) => {
                        crate::log::flush();
                        // Fails only for signals that cannot be caught.
                        drop(emulate_default_handler(signal));
                    }
                }
                first.get_or_insert_with(Instant::now);
                requested.request();
            }
        })?;
        Ok(shutdown)
    }

    /// Makes the request.
    pub fn request(&self) {
        *self.0.requested.lock() = true;
        self.0.changed.notify_all();
    }

    /// Returns whether the request was made.
    pub fn is_requested(&self) -> bool {
        *self.0.requested.lock()
    }

    /// Waits for the request, for at most this time. Returns whether it was made.
    pub fn wait_timeout(&self, at_most: Duration) -> bool {
        let mut requested = self.0.requested.lock();
        self.0.changed.wait_while_for(&mut requested, |requested| !*requested, at_most);
        *requested
    }

    /// Waits for the request.
    pub fn wait(&self) {
        let mut requested = self.0.requested.lock();
        self.0.changed.wait_while(&mut requested, |requested| !*requested);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_wakes_a_waiting_thread() {
        let shutdown = Shutdown::new();
        let waiter = std::thread::spawn({
            let shutdown = shutdown.clone();
            move || shutdown.wait_timeout(Duration::from_secs(600))
        });
        shutdown.request();
        assert!(waiter.join().unwrap());
        shutdown.wait();
        assert!(shutdown.is_requested());
    }

    #[test]
    fn without_a_request_the_wait_times_out() {
        assert!(!Shutdown::new().wait_timeout(Duration::from_millis(1)));
    }

    #[test]
    fn a_signal_makes_the_request() {
        let shutdown = Shutdown::on_signals().unwrap();
        assert!(!shutdown.is_requested());
        signal_hook::low_level::raise(SIGTERM).unwrap();
        assert!(shutdown.wait_timeout(Duration::from_secs(10)));
    }
}
