//! The threads of this process, each with an owner who waits for it.

pub mod pool;
pub mod signal;
pub mod watchdog;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use fanlight_cli::stop::Shutdown;

/// Starts threads and waits for them. A panic in any of them stops all: better none than half alive.
#[derive(Debug, Clone)]
pub struct Threads {
    stop: Shutdown,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    roll: Mutex<Roll>,
    left: Condvar,
}

#[derive(Debug, Default)]
struct Roll {
    working: Vec<String>,
    panicked: Option<String>,
}

impl Threads {
    /// A crew that is stopped by this signal, and gives it when one of its threads panics.
    pub fn new(stop: Shutdown) -> Self {
        Self { stop, shared: Arc::default() }
    }

    /// Starts a thread.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn start(&self, name: String, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        self.roll().working.push(name.clone());
        let crew = self.clone();
        let called = name.clone();
        let started = thread::Builder::new().name(name.clone()).spawn(move || {
            // Nothing that the work borrowed is used again after a panic: the process ends.
            let panicked = catch_unwind(AssertUnwindSafe(work)).is_err();
            crew.leave(&called, panicked);
        });
        if started.is_err() {
            self.leave(&name, false);
        }
        started.map(drop)
    }

    /// Waits until every thread has ended, at most so long; names those that have not.
    pub fn wait(&self, at_most: Duration) -> Vec<String> {
        let (roll, _) = self
            .shared
            .left
            .wait_timeout_while(self.roll(), at_most, |roll| !roll.working.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        roll.working.clone()
    }

    /// The thread that panicked first, if any did.
    pub fn panicked(&self) -> Option<String> {
        self.roll().panicked.clone()
    }

    fn leave(&self, name: &str, panicked: bool) {
        let mut roll = self.roll();
        if let Some(at) = roll.working.iter().position(|working| working == name) {
            roll.working.swap_remove(at);
        }
        if panicked {
            roll.panicked.get_or_insert_with(|| name.into());
        }
        drop(roll);
        self.shared.left.notify_all();
        if panicked {
            self.stop.request();
        }
    }

    fn roll(&self) -> MutexGuard<'_, Roll> {
        self.shared.roll.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[test]
    fn a_panic_stops_everybody_and_is_remembered_by_name() {
        let stop = Shutdown::new();
        let crew = Threads::new(stop.clone());
        crew.start("cam encode".into(), || panic!("on purpose, in a test")).unwrap();
        assert!(stop.wait_timeout(SOON));
        assert!(crew.wait(SOON).is_empty());
        assert_eq!(crew.panicked().as_deref(), Some("cam encode"));
    }

    #[test]
    fn a_thread_that_is_stuck_is_named_and_not_waited_for() {
        let crew = Threads::new(Shutdown::new());
        let (free, stuck) = std::sync::mpsc::channel::<()>();
        crew.start("cam source".into(), move || assert!(stuck.recv().is_err())).unwrap();
        assert_eq!(crew.wait(Duration::from_millis(1)), ["cam source"]);
        drop(free);
        assert!(crew.wait(SOON).is_empty());
    }
}
