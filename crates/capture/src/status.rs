//! How one stream is, and saying so once per change.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fanlight_cli::secret::mask_url;
use fanlight_clock as clock;
use fanlight_protocol::{StreamName, StreamState, Timestamp};

use crate::pixels::Size;
use crate::source::About;
use crate::stall;
use crate::threads::signal::Signal;

/// A source notices its own silence and knows more about it. Only where it is stuck for this much longer, others say so.
const STUCK: Duration = Duration::from_secs(1);

/// A source that is opened so quickly need not be called so.
const AT_ONCE: Duration = Duration::from_secs(1);

/// How one stream is.
#[derive(Debug)]
pub struct Status {
    name: StreamName,
    /// The source, without user and password.
    source: String,
    bell: Signal,
    inside: Mutex<Inside>,
}

#[derive(Debug)]
struct Inside {
    phase: Phase,
    since: Timestamp,
    /// When the last picture came.
    picture_at: Instant,
    /// It may be silent for so long.
    silence: Duration,
    /// What its pictures measure; 0 while unknown.
    size: Size,
    /// Nobody watches, and so no pictures are read.
    resting: bool,
    /// Since when somebody waits for it to be opened.
    waking_since: Option<Instant>,
    /// What was told last, and since when it is so.
    told: Option<(StreamState, Timestamp)>,
    /// Why its pictures are not published, though they come.
    refused: Option<Refused>,
}

#[derive(Debug, Clone)]
struct Refused {
    reason: String,
    since: Timestamp,
}

/// What a source does.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Opening,
    Well,
    Failing(String),
    Ended,
}

/// What the catalog says of a stream's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How it is.
    pub state: StreamState,
    /// Why, where there is something to say.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Width and height of its full pictures; 0 while unknown.
    pub size: Size,
}

impl Status {
    /// A stream that is about to be opened. `bell` is rung at every change.
    pub fn new(name: StreamName, source: &impl fmt::Display, bell: Signal) -> Self {
        let inside = Inside {
            phase: Phase::Opening,
            since: clock::now(),
            picture_at: Instant::now(),
            silence: stall::limit(None),
            size: (0, 0),
            resting: false,
            waking_since: None,
            told: None,
            refused: None,
        };
        Self { name, source: source.to_string(), bell, inside: Mutex::new(inside) }
    }

    /// The stream's name.
    pub fn name(&self) -> &StreamName {
        &self.name
    }

    /// The source, without user and password.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The source is open.
    pub fn opened(&self, about: &About) {
        self.lock().silence = about.silence();
        tracing::debug!(stream = %self.name, source = self.source, "opened: {}", about.description);
    }

    /// The source turns out to be faster or slower than was known.
    pub fn comes_every(&self, interval: Option<Duration>) {
        self.lock().silence = stall::limit(interval);
    }

    /// Nobody watches, and so no pictures are read until somebody does.
    pub fn rests(&self) {
        let mut inside = self.lock();
        (inside.resting, inside.waking_since) = (true, None);
        drop(inside);
        self.bell.ring();
    }

    /// Somebody watches again: it is opened.
    pub fn wakes(&self) {
        let mut inside = self.lock();
        (inside.resting, inside.waking_since) = (false, Some(Instant::now()));
        drop(inside);
        self.bell.ring();
    }

    /// A picture came; `description` is what to log of the source if it is the first.
    pub fn picture(&self, description: &str) {
        let mut inside = self.lock();
        inside.picture_at = Instant::now();
        let rested = inside.waking_since.take().is_some() | std::mem::take(&mut inside.resting);
        if inside.phase == Phase::Well {
            drop(inside);
            if rested {
                self.bell.ring();
            }
            return;
        }
        let (before, was_since) = (inside.enter(Phase::Well), inside.since);
        inside.since = clock::now();
        drop(inside);
        match before {
            Phase::Failing(_) => {
                let after = clock::now().since(was_since);
                tracing::info!(stream = %self.name, source = self.source, "pictures again after {after:.1?}: {description}");
            }
            _ => {
                tracing::info!(stream = %self.name, source = self.source, "pictures: {description}");
            }
        }
        self.bell.ring();
    }

    /// Full pictures have this size.
    pub fn measures(&self, size: Size) {
        let resized = std::mem::replace(&mut self.lock().size, size) != size;
        if resized {
            self.bell.ring();
        }
    }

    /// Pictures are published.
    pub fn published(&self) {
        let refused = self.lock().refused.take().is_some();
        if refused {
            self.bell.ring();
        }
    }

    /// Pictures come, but cannot be published, and why.
    pub fn refused(&self, reason: &str) {
        let reason = &mask_url(reason);
        let mut inside = self.lock();
        let known = inside.refused.as_ref().map(|refused| refused.since);
        let refused = Refused { reason: reason.clone(), since: known.unwrap_or_else(clock::now) };
        inside.refused = Some(refused);
        drop(inside);
        if known.is_none() {
            tracing::error!(stream = %self.name, source = self.source, "{reason}");
            self.bell.ring();
        }
    }

    /// The source fails, and why.
    pub fn failing(&self, reason: &str) {
        // File names, and what a command writes to stderr, may hold anything.
        let reason = &mask_url(reason);
        let mut inside = self.lock();
        let now = Phase::Failing(reason.clone());
        if inside.phase == now {
            return;
        }
        let before = inside.enter(now);
        if !matches!(before, Phase::Failing(_)) {
            inside.since = clock::now();
        }
        drop(inside);
        tracing::warn!(stream = %self.name, source = self.source, "offline: {reason}");
        self.bell.ring();
    }

    /// The source came to its end.
    pub fn ended(&self) {
        let mut inside = self.lock();
        inside.enter(Phase::Ended);
        inside.since = clock::now();
        drop(inside);
        tracing::info!(stream = %self.name, source = self.source, "ended");
        self.bell.ring();
    }

    /// The whole process was held up for so long, which is no silence of the source's.
    pub fn excuse(&self, held_up: Duration) {
        self.lock().picture_at += held_up;
    }

    /// Says so where the source is silent and does not even come back to say so itself.
    pub fn check_stall(&self, now: Instant) {
        let inside = self.lock();
        let silent = now.saturating_duration_since(inside.picture_at);
        let reads = inside.phase == Phase::Well && !inside.resting && inside.waking_since.is_none();
        let stuck = reads && silent > inside.silence + STUCK;
        drop(inside);
        if stuck {
            self.failing("no picture, and the source does not answer");
        }
    }

    /// Whether viewers have, or could have, pictures of it.
    pub fn serves(&self) -> bool {
        let inside = self.lock();
        match inside.phase {
            Phase::Well => inside.refused.is_none(),
            Phase::Opening => inside.resting,
            Phase::Failing(_) | Phase::Ended => false,
        }
    }

    /// What to tell others, given whether anybody watches.
    pub fn report(&self, watched: bool) -> Report {
        let mut inside = self.lock();
        if let (Phase::Well, Some(refused)) = (&inside.phase, &inside.refused) {
            let Refused { reason, since } = refused.clone();
            return Report { state: StreamState::Offline, reason, since, size: inside.size };
        }
        let (state, reason) = match &inside.phase {
            // It is opened when somebody watches, and not before.
            Phase::Opening if inside.resting => (StreamState::Idle, ""),
            Phase::Opening => (StreamState::Offline, "opening"),
            // It is live again once there is a picture, which is there at once or takes a while.
            Phase::Well if inside.waking_since.is_some_and(|since| since.elapsed() > AT_ONCE) => {
                (StreamState::Offline, "opening")
            }
            Phase::Well if inside.waking_since.is_some() => (StreamState::Idle, ""),
            Phase::Well if watched && !inside.resting => (StreamState::Live, ""),
            Phase::Well => (StreamState::Idle, ""),
            Phase::Failing(reason) => (StreamState::Offline, reason.as_str()),
            Phase::Ended => (StreamState::Ended, ""),
        };
        let reason = reason.to_owned();
        let since = inside.since_when(state);
        Report { state, reason, since, size: inside.size }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    /// Since when it is so. An outage began when it began, whatever was told of it.
    fn since_when(&mut self, state: StreamState) -> Timestamp {
        let since = match self.told {
            Some((told, since)) if told == state => since.max(self.since),
            Some(_) if !matches!(state, StreamState::Offline) => clock::now(),
            _ => self.since,
        };
        self.told = Some((state, since));
        since
    }

    fn enter(&mut self, phase: Phase) -> Phase {
        std::mem::replace(&mut self.phase, phase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        Status::new("door".parse().unwrap(), &"/dev/video0", Signal::default())
    }

    fn state(status: &Status, watched: bool) -> (StreamState, String) {
        let report = status.report(watched);
        (report.state, report.reason)
    }

    #[test]
    fn a_stream_is_idle_or_live_as_it_is_watched() {
        let status = status();
        assert_eq!(state(&status, true), (StreamState::Offline, "opening".into()));
        status.picture("test");
        assert_eq!(state(&status, false), (StreamState::Idle, String::new()));
        assert_eq!(state(&status, true), (StreamState::Live, String::new()));
        status.ended();
        assert_eq!(state(&status, true), (StreamState::Ended, String::new()));
    }

    #[test]
    fn an_outage_keeps_its_beginning_while_its_reason_changes() {
        let status = status();
        status.picture("test");
        status.failing("unplugged");
        let since = status.report(true).since;
        status.failing("not found");
        assert_eq!(state(&status, true), (StreamState::Offline, "not found".into()));
        assert_eq!(status.report(true).since, since);
    }

    #[test]
    fn a_stream_whose_pictures_cannot_be_published_is_offline_until_one_can() {
        let status = status();
        status.picture("test");
        status.refused("too large");
        status.picture("test");
        assert_eq!(state(&status, true), (StreamState::Offline, "too large".into()));
        status.published();
        assert_eq!(state(&status, true), (StreamState::Live, String::new()));
    }

    #[test]
    fn a_source_that_rests_is_idle_until_a_picture_comes_and_never_stuck() {
        let status = status();
        status.picture("test");
        status.rests();
        status.check_stall(Instant::now() + Duration::from_secs(3600));
        status.wakes();
        status.check_stall(Instant::now() + Duration::from_secs(3600));
        assert_eq!(state(&status, true).0, StreamState::Idle);
        status.picture("test");
        assert_eq!(state(&status, true).0, StreamState::Live);
    }

    #[test]
    fn a_source_that_rests_before_it_was_ever_opened_is_idle_and_a_failure_shows() {
        let status = status();
        status.rests();
        assert_eq!(state(&status, false).0, StreamState::Idle);
        status.failing("not found");
        status.rests();
        assert_eq!(state(&status, false), (StreamState::Offline, "not found".into()));
    }

    #[test]
    fn a_source_that_is_stuck_is_offline_and_the_next_picture_ends_that() {
        let status = status();
        let interval = Some(Duration::from_millis(33));
        status.opened(&About { interval, ..About::default() });
        status.picture("test");
        let now = Instant::now();
        status.check_stall(now + Duration::from_secs(2));
        assert_eq!(state(&status, true).0, StreamState::Live);
        status.check_stall(now + Duration::from_secs(4));
        assert_eq!(state(&status, true).0, StreamState::Offline);
        status.picture("test");
        assert_eq!(state(&status, true).0, StreamState::Live);
    }
}
