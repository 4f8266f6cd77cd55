//! The threads of this process. Each one has an owner that waits for it.

pub mod pool;
pub mod signal;
pub mod watchdog;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use fanlight_cli::stop::Shutdown;

use signal::Monitor;

/// Starts threads and waits for them. A panic in one of them stops all: the process exits rather than run in part.
#[derive(Debug, Clone)]
pub struct Threads {
    stop: Shutdown,
    running: Arc<Monitor<RunningThreads>>,
}

#[derive(Debug, Default)]
struct RunningThreads {
    names: Vec<String>,
    panicked: Option<String>,
}

impl Threads {
    /// Creates an empty group of threads that `stop` ends. The group requests `stop` itself when one of its threads
    /// panics.
    pub fn new(stop: Shutdown) -> Self {
        Self { stop, running: Arc::default() }
    }

    /// Starts a thread.
    ///
    /// # Errors
    /// Fails if the system cannot create a thread.
    pub fn start(&self, name: String, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        self.running.lock().names.push(name.clone());
        let (threads, own_name) = (self.clone(), name.clone());
        let started = thread::Builder::new().name(name.clone()).spawn(move || {
            // Nothing that the work borrowed is used again after a panic: the process ends.
            let panicked = catch_unwind(AssertUnwindSafe(work)).is_err();
            threads.remove(&own_name, panicked);
        });
        if started.is_err() {
            self.remove(&name, false);
        }
        started.map(drop)
    }

    /// Waits until every thread has ended, until `timeout` at the latest. Returns the names of those still running.
    pub fn wait(&self, timeout: Duration) -> Vec<String> {
        self.running.wait_while_for(timeout, |running| !running.names.is_empty()).names.clone()
    }

    /// Returns the name of the first thread that panicked.
    pub fn panicked(&self) -> Option<String> {
        self.running.lock().panicked.clone()
    }

    fn remove(&self, name: &str, panicked: bool) {
        self.running.update(|running| {
            if let Some(index) = running.names.iter().position(|running| running == name) {
                running.names.swap_remove(index);
            }
            if panicked {
                running.panicked.get_or_insert_with(|| name.into());
            }
        });
        if panicked {
            self.stop.request();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    #[test]
    fn a_panic_stops_all_threads_and_the_thread_is_named() {
        let stop = Shutdown::new();
        let threads = Threads::new(stop.clone());
        threads.start("cam encode".into(), || panic!("on purpose, in a test")).unwrap();
        assert!(stop.wait_timeout(TIMEOUT));
        assert!(threads.wait(TIMEOUT).is_empty());
        assert_eq!(threads.panicked().as_deref(), Some("cam encode"));
    }

    #[test]
    fn a_thread_that_is_stuck_is_named_after_the_timeout() {
        let threads = Threads::new(Shutdown::new());
        let (release, blocked) = std::sync::mpsc::channel::<()>();
        threads.start("cam source".into(), move || assert!(blocked.recv().is_err())).unwrap();
        assert_eq!(threads.wait(Duration::from_millis(1)), ["cam source"]);
        drop(release);
        assert!(threads.wait(TIMEOUT).is_empty());
    }
}
