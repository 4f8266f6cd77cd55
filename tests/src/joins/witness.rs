//! A small rendition of the same stream that shows when the machine itself paused.
//!
//! Camera, relay and viewers share the machine with other programs. The witness's frames never wait for a link or a
//! buffer. If the witness receives no bytes, the measurements of the other viewers are invalid for that time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::byte_viewer::ByteViewer;
use super::gaps::Gap;

/// The shortest gap that counts as a pause of the machine: half of the tolerance, so that no shorter pause alone breaks
/// the rule.
const PAUSE: Duration = Duration::from_millis(250);
/// The interval at which the witness checks whether it should end.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The maximum number of recorded pauses; a machine with more is too busy for any trial.
const MOST: usize = 10_000;

/// A viewer that records when the machine paused. It ends when dropped.
#[derive(Debug)]
pub struct Witness {
    seen: Arc<Mutex<Seen>>,
    _watching: Watching,
}

/// A viewer that reads in the background until dropped.
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
    /// Starts reading with this viewer, until dropped.
    pub fn start(viewer: ByteViewer) -> Self {
        let seen = Seen { last: Instant::now(), pauses: Vec::new(), ended: None };
        let seen = Arc::new(Mutex::new(seen));
        let noted = seen.clone();
        let watching = Watching::start(viewer, move |read| lock(&noted).note(read));
        Self { seen, _watching: watching }
    }

    /// Returns true if the machine paused during this gap.
    ///
    /// # Panics
    /// Panics if the relay ended the witness's own connection.
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
    /// Keeps a stream watched, so that its source does not restart for each join.
    pub fn keep(viewer: ByteViewer) -> Self {
        Self::start(viewer, |_| {})
    }

    /// Reads on a thread until dropped or ended; `note` receives the time of each read, or the reason if the relay
    /// ended the connection.
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
            // A panic of the thread is ignored, because this may run during another panic.
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
