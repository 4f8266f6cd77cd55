//! A small rendition of the same stream that shows when the machine itself paused.
//!
//! Camera, relay and viewers share the machine with whatever else runs there. When the witness, whose frames never wait
//! for a link or a buffer, is without bytes, the other viewers prove nothing at that time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::byte_viewer::ByteViewer;
use super::gaps::Gap;

/// A pause of the machine. Half of what is tolerated, so that no pause alone makes a join break the rule.
const PAUSE: Duration = Duration::from_millis(250);
/// The time for which the witness waits before it looks whether it should end.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Most pauses that are kept; a machine with more is too busy for any trial.
const MOST: usize = 10_000;

/// A viewer that notes when the machine paused. It ends when dropped.
#[derive(Debug)]
pub struct Witness {
    seen: Arc<Mutex<Seen>>,
    _watching: Watching,
}

/// A viewer that reads by itself until dropped.
#[derive(Debug)]
pub struct Watching {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Seen {
    last: Instant,
    pauses: Vec<Gap>,
    ended: Option<String>,
}

impl Witness {
    /// Watches with this viewer until dropped.
    pub fn start(viewer: ByteViewer) -> Self {
        let seen = Seen { last: Instant::now(), pauses: Vec::new(), ended: None };
        let seen = Arc::new(Mutex::new(seen));
        let noted = seen.clone();
        let watching = Watching::start(viewer, move |read| lock(&noted).note(read));
        Self { seen, _watching: watching }
    }

    /// Returns whether the machine paused during this gap.
    ///
    /// # Panics
    /// When the relay ended the witness's own connection.
    pub fn paused_during(&self, gap: Gap) -> bool {
        let seen = lock(&self.seen);
        assert_eq!(seen.ended, None, "the witness was ended");
        let open = Gap { from: seen.last, to: Instant::now() };
        let pauses = seen.pauses.iter().chain(is_pause(open).then_some(&open));
        let overlaps = |pause: &Gap| pause.from < gap.to && gap.from < pause.to;
        pauses.into_iter().any(overlaps)
    }
}

impl Watching {
    /// Keeps a stream watched, so that it is not started for each join.
    pub fn keep(viewer: ByteViewer) -> Self {
        Self::start(viewer, |_| {})
    }

    /// Reads until dropped or ended; `note` gets the moment of each read, or why the relay ended the connection.
    fn start(
        mut viewer: ByteViewer,
        mut note: impl FnMut(Result<Instant, String>) + Send + 'static,
    ) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let asked = over.clone();
        let thread = thread::spawn(move || {
            while !asked.load(Ordering::Relaxed) {
                match viewer.read(usize::MAX, Instant::now() + LOOK_EVERY) {
                    Ok(None) => {}
                    Ok(Some(_)) => note(Ok(Instant::now())),
                    Err(why) => return note(Err(why)),
                }
            }
        });
        Self { over, thread: Some(thread) }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its panic would be a second one.
            let _ = thread.join();
        }
    }
}

impl Seen {
    fn note(&mut self, read: Result<Instant, String>) {
        match read {
            Ok(now) => self.received(now),
            Err(why) => self.ended = Some(why),
        }
    }

    fn received(&mut self, now: Instant) {
        let gap = Gap { from: self.last, to: now };
        if is_pause(gap) && self.pauses.len() < MOST {
            self.pauses.push(gap);
        }
        self.last = now;
    }
}

fn is_pause(gap: Gap) -> bool {
    gap.to.duration_since(gap.from) > PAUSE
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
