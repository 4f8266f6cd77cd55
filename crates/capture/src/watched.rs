//! Whether anybody watches a stream, for its source's thread to wait for.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many of a stream's tracks are watched.
#[derive(Debug, Default)]
pub struct Viewers {
    tracks: Mutex<Watched>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Watched {
    count: usize,
    /// Nobody is to wait any more.
    closed: bool,
}

impl Viewers {
    /// A track begins or ceases to be watched.
    pub fn change(&self, watched: bool) {
        let mut tracks = self.lock();
        tracks.count = if watched { tracks.count + 1 } else { tracks.count.saturating_sub(1) };
        drop(tracks);
        self.changed.notify_all();
    }

    /// Whether any track is watched.
    pub fn any(&self) -> bool {
        self.lock().count > 0
    }

    /// Waits until a track is watched, at most so long. Returns at once where one is, or when closed.
    pub fn wait(&self, at_most: Duration) {
        let waits = |tracks: &mut Watched| tracks.count == 0 && !tracks.closed;
        drop(self.changed.wait_timeout_while(self.lock(), at_most, waits));
    }

    /// Lets go of whoever waits.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOR_EVER: Duration = Duration::from_secs(3600);

    #[test]
    fn whoever_waits_is_woken_by_the_first_viewer_and_by_the_end() {
        for wake in [|viewers: &Viewers| viewers.change(true), Viewers::close] {
            let viewers = Viewers::default();
            std::thread::scope(|scope| {
                let waiting = scope.spawn(|| viewers.wait(FOR_EVER));
                wake(&viewers);
                waiting.join().unwrap();
            });
        }
    }

    #[test]
    fn a_stream_is_watched_while_any_of_its_tracks_is() {
        let viewers = Viewers::default();
        viewers.change(true);
        viewers.change(true);
        viewers.change(false);
        assert!(viewers.any());
        viewers.wait(FOR_EVER);
        viewers.change(false);
        assert!(!viewers.any());
    }
}
