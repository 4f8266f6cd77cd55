//! The number of a stream's watched tracks. The thread that reads the source waits here for the first viewer.

use std::time::Duration;

use crate::threads::signal::Monitor;

/// The number of a stream's tracks that are watched.
#[derive(Debug, Default)]
pub struct WatchedTracks(Monitor<State>);

#[derive(Debug, Default)]
struct State {
    count: usize,
    /// Waits return immediately.
    closed: bool,
}

impl WatchedTracks {
    /// Counts a track that became watched, or is no longer watched.
    pub fn change(&self, watched: bool) {
        self.0.update(|state| {
            state.count = if watched { state.count + 1 } else { state.count.saturating_sub(1) };
        });
    }

    /// Returns whether any track is watched.
    pub fn any(&self) -> bool {
        self.0.lock().count > 0
    }

    /// Waits until a track is watched or this is closed, until `timeout` at the latest.
    pub fn wait(&self, timeout: Duration) {
        drop(self.0.wait_while_for(timeout, |state| state.count == 0 && !state.closed));
    }

    /// Ends all waits.
    pub fn close(&self) {
        self.0.update(|state| state.closed = true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AN_HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn the_first_viewer_and_the_end_wake_a_waiting_thread() {
        for wake in [|tracks: &WatchedTracks| tracks.change(true), WatchedTracks::close] {
            let tracks = WatchedTracks::default();
            std::thread::scope(|scope| {
                let waiting = scope.spawn(|| tracks.wait(AN_HOUR));
                wake(&tracks);
                waiting.join().unwrap();
            });
        }
    }

    #[test]
    fn a_stream_is_watched_while_any_of_its_tracks_is() {
        let tracks = WatchedTracks::default();
        tracks.change(true);
        tracks.change(true);
        tracks.change(false);
        assert!(tracks.any());
        tracks.wait(AN_HOUR);
        tracks.change(false);
        assert!(!tracks.any());
    }
}
