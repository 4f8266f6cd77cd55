//! The state of one stream and its source. Each change of it is reported once.

use std::fmt;
use std::time::{Duration, Instant};

use fanlight_cli::secret::mask_url;
use fanlight_clock as clock;
use fanlight_protocol::catalog::{CLOCK_DRIFTS, CLOCK_JUMPS, FROZEN};
use fanlight_protocol::{StreamName, StreamState, Timestamp};
use parking_lot::{Mutex, MutexGuard};

use crate::frame::source_clock::ClockFault;
use crate::pixels::Size;
use crate::stall;
use crate::threads::signal::Signal;

/// A source detects its own silence and reports a better reason. It is reported from outside only if the source is
/// stuck for this much longer.
const STUCK: Duration = Duration::from_secs(1);

/// A source that resumes within this time is not reported as "opening".
const RESUME_GRACE: Duration = Duration::from_secs(1);

/// The state of one stream and its source.
#[derive(Debug)]
pub struct SourceStatus {
    name: StreamName,
    /// The source, without user and password.
    source: String,
    changed: Signal,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    since: Timestamp,
    /// Time of the last frame.
    last_frame: Instant,
    /// Silence after which the source is stalled.
    max_silence: Duration,
    /// Size of the source's frames; 0 while unknown.
    size: Size,
    /// Set while the source is not read because no viewer watches.
    idle: bool,
    /// Time since which a viewer waits for the source to resume.
    resuming_since: Option<Instant>,
    /// The state reported last, and its beginning.
    reported: Option<(StreamState, Timestamp)>,
    /// Set while a connection that worked has ended and the next one has no frame yet: the reason.
    interruption: Option<String>,
    /// Set after the first such interruption.
    was_interrupted: bool,
    /// Set while frames are read and none of them can be published.
    unpublished: Option<Unpublished>,
    /// Set while the source repeats the same picture: the time of its first copy.
    frozen_since: Option<Timestamp>,
    /// The fault of the source's own clock, if it has one.
    clock_fault: Option<ClockFault>,
}

/// The reason why frames cannot be published.
#[derive(Debug, Clone)]
struct Unpublished {
    reason: String,
    since: Timestamp,
}

/// The phase of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Opening,
    Running,
    Failed(String),
    Ended,
}

/// A stream's state for the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusReport {
    /// The state.
    pub state: StreamState,
    /// The reason for the state; empty if there is none to report.
    pub reason: String,
    /// The beginning of the state.
    pub since: Timestamp,
    /// Width and height of full frames; 0 while unknown.
    pub size: Size,
    /// The fault of the source's own clock, if it has one. It does not affect the state.
    pub clock_fault: Option<ClockFault>,
}

impl SourceStatus {
    /// Creates the state of a stream that is about to be opened. `changed` is notified of every change.
    pub fn new(name: StreamName, source: &impl fmt::Display, changed: Signal) -> Self {
        let state = State {
            phase: Phase::Opening,
            since: clock::now(),
            last_frame: Instant::now(),
            max_silence: stall::limit(None),
            size: (0, 0),
            idle: false,
            resuming_since: None,
            reported: None,
            interruption: None,
            was_interrupted: false,
            unpublished: None,
            frozen_since: None,
            clock_fault: None,
        };
        Self { name, source: source.to_string(), changed, state: Mutex::new(state) }
    }

    /// Returns the stream's name.
    pub fn name(&self) -> &StreamName {
        &self.name
    }

    /// Returns the source, without user and password.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Notes that the source is open, and after which silence it is stalled. Its `description` is logged.
    pub fn opened(&self, description: &str, max_silence: Duration) {
        self.lock().max_silence = max_silence;
        tracing::debug!(stream = %self.name, source = self.source, "opened: {description}");
    }

    /// Notes that the frame interval of the source differs from what was known.
    pub fn interval_changed(&self, interval: Option<Duration>) {
        self.lock().max_silence = stall::limit(interval);
    }

    /// Notes that the source is no longer read, because no viewer watches.
    pub fn idle(&self) {
        let mut state = self.lock();
        (state.idle, state.resuming_since) = (true, None);
        drop(state);
        self.changed.notify();
    }

    /// Notes that a viewer watches again, so that the source is opened or read.
    pub fn resuming(&self) {
        let mut state = self.lock();
        (state.idle, state.resuming_since) = (false, Some(Instant::now()));
        drop(state);
        self.changed.notify();
    }

    /// Notes that a frame was read. If it is the first, `description` of the source is logged.
    pub fn frame_read(&self, description: &str) {
        let mut state = self.lock();
        state.last_frame = Instant::now();
        state.interruption = None;
        let resumed = state.resuming_since.take().is_some() | std::mem::take(&mut state.idle);
        if state.phase == Phase::Running {
            drop(state);
            if resumed {
                self.changed.notify();
            }
            return;
        }
        let (before, was_since) = (state.enter(Phase::Running), state.since);
        state.since = clock::now();
        drop(state);
        match before {
            Phase::Failed(_) => {
                let outage = clock::now().since(was_since);
                tracing::info!(stream = %self.name, source = self.source, "online again after {outage:.1?}: {description}");
            }
            _ => {
                tracing::info!(stream = %self.name, source = self.source, "online: {description}");
            }
        }
        self.changed.notify();
    }

    /// Sets the size of full frames.
    pub fn set_size(&self, size: Size) {
        let resized = std::mem::replace(&mut self.lock().size, size) != size;
        if resized {
            self.changed.notify();
        }
    }

    /// Notes whether the source repeats the same picture, and since when.
    pub fn set_frozen(&self, since: Option<Timestamp>) {
        let mut state = self.lock();
        let was_frozen = std::mem::replace(&mut state.frozen_since, since).is_some();
        if was_frozen == since.is_some() {
            return;
        }
        if was_frozen && state.phase == Phase::Running {
            // It is live since now, and not since it was live before.
            state.since = clock::now();
        }
        drop(state);
        if was_frozen {
            tracing::info!(stream = %self.name, source = self.source, "the pictures change again");
        } else {
            let why = "the same picture for 10 s: the camera is frozen, or its scene is still (#frozen=off)";
            tracing::warn!(stream = %self.name, source = self.source, "{why}");
        }
        self.changed.notify();
    }

    /// Notes whether the source's own clock has a fault.
    pub fn set_clock_fault(&self, fault: Option<ClockFault>) {
        let before = std::mem::replace(&mut self.lock().clock_fault, fault);
        if before.map(ClockFault::reason) == fault.map(ClockFault::reason) {
            return;
        }
        let (stream, source) = (&self.name, &self.source);
        match fault {
            Some(ClockFault::Jump(by)) => {
                tracing::warn!(%stream, source, "{CLOCK_JUMPS}: by {:.1} s", by as f64 / 1e6);
            }
            Some(ClockFault::Drift(by)) => {
                tracing::warn!(%stream, source, "{CLOCK_DRIFTS}: by {:.1} s a minute", by as f64 / 1e6);
            }
            None => tracing::info!(%stream, source, "the camera's clock is right again"),
        }
        self.changed.notify();
    }

    /// Notes that frames are published.
    pub fn published(&self) {
        let recovered = self.lock().unpublished.take().is_some();
        if recovered {
            self.changed.notify();
        }
    }

    /// Notes that frames are read and none of them can be published, with the reason.
    pub fn not_published(&self, reason: &str) {
        if self.begins_unpublished(reason) {
            tracing::error!(stream = %self.name, source = self.source, "{}", mask_url(reason));
            self.changed.notify();
        }
    }

    /// Notes that frames are read and none of them can be published before the next keyframe, with the reason.
    pub fn waits(&self, reason: &str) {
        if self.begins_unpublished(reason) {
            tracing::info!(stream = %self.name, source = self.source, "{}", mask_url(reason));
            self.changed.notify();
        }
    }

    /// Keeps the reason why frames cannot be published. Returns whether there was none before.
    fn begins_unpublished(&self, reason: &str) -> bool {
        let reason = mask_url(reason);
        let mut state = self.lock();
        let known = state.unpublished.as_ref().map(|unpublished| unpublished.since);
        let since = known.unwrap_or_else(clock::now);
        state.unpublished = Some(Unpublished { reason, since });
        known.is_none()
    }

    /// Notes that the source has failed, with the reason.
    pub fn failed(&self, reason: &str) {
        // File names, and the stderr of a command, may contain any text.
        let reason = &mask_url(reason);
        let mut state = self.lock();
        let failed = Phase::Failed(reason.clone());
        if state.phase == failed {
            return;
        }
        state.interruption = None;
        let before = state.enter(failed);
        if !matches!(before, Phase::Failed(_)) {
            state.since = clock::now();
        }
        drop(state);
        tracing::warn!(stream = %self.name, source = self.source, "offline: {reason}");
        self.changed.notify();
    }

    /// Notes that the source has ended a connection that worked. It is opened again, and fails with this reason only if no
    /// frame follows before it counts as stalled.
    pub fn interrupted(&self, reason: &str) {
        let reason = mask_url(reason);
        let mut state = self.lock();
        if state.phase != Phase::Running {
            drop(state);
            return self.failed(&reason);
        }
        let is_first = !std::mem::replace(&mut state.was_interrupted, true);
        state.interruption = Some(reason.clone());
        drop(state);
        let (stream, source) = (&self.name, &self.source);
        if is_first {
            tracing::info!(%stream, source, "{reason}; opening it again, now and whenever this happens");
        } else {
            tracing::debug!(%stream, source, "{reason}");
        }
    }

    /// Notes that the source has ended.
    pub fn ended(&self) {
        let mut state = self.lock();
        state.enter(Phase::Ended);
        state.since = clock::now();
        drop(state);
        tracing::info!(stream = %self.name, source = self.source, "ended");
        self.changed.notify();
    }

    /// Excludes the time for which the whole process was suspended from the source's silence.
    pub fn extend(&self, suspended: Duration) {
        self.lock().last_frame += suspended;
    }

    /// Reports a source that is silent and does not return to report it itself.
    pub fn check_stall(&self, now: Instant) {
        let state = self.lock();
        let silence = now.saturating_duration_since(state.last_frame);
        if let Some(reason) = state.interruption.clone().filter(|_| silence > state.max_silence) {
            drop(state);
            return self.failed(&reason);
        }
        let reads = state.phase == Phase::Running && !state.idle && state.resuming_since.is_none();
        let stuck = reads && silence > state.max_silence + STUCK;
        drop(state);
        if stuck {
            self.failed("no frame: the source does not answer");
        }
    }

    /// Returns whether viewers get frames of the stream, or would get them.
    pub fn is_available(&self) -> bool {
        let state = self.lock();
        match state.phase {
            Phase::Running => state.unpublished.is_none(),
            Phase::Opening => state.idle,
            Phase::Failed(_) | Phase::Ended => false,
        }
    }

    /// Returns the state for the catalog. `watched` states whether any track is watched.
    pub fn report(&self, watched: bool) -> StatusReport {
        let mut state = self.lock();
        let (size, clock_fault) = (state.size, state.clock_fault);
        if let (Phase::Running, Some(unpublished)) = (&state.phase, &state.unpublished) {
            let Unpublished { reason, since } = unpublished.clone();
            let offline = StreamState::Offline;
            return StatusReport { state: offline, reason, since, size, clock_fault };
        }
        let (reported, reason) = match &state.phase {
            // The source is opened for the first viewer.
            Phase::Opening if state.idle => (StreamState::Idle, ""),
            Phase::Opening => (StreamState::Offline, "opening"),
            // The stream is live again with its next frame, which a source sends immediately or after a while.
            Phase::Running
                if state.resuming_since.is_some_and(|since| since.elapsed() > RESUME_GRACE) =>
            {
                (StreamState::Offline, "opening")
            }
            Phase::Running if state.resuming_since.is_some() => (StreamState::Idle, ""),
            Phase::Running if watched && !state.idle => (StreamState::Live, ""),
            Phase::Running => (StreamState::Idle, ""),
            Phase::Failed(reason) => (StreamState::Offline, reason.as_str()),
            Phase::Ended => (StreamState::Ended, ""),
        };
        let reason = reason.to_owned();
        let (reason, since) = match state.frozen_since.filter(|_| reported == StreamState::Live) {
            Some(since) => (FROZEN.to_owned(), since),
            None => (reason, state.since(reported)),
        };
        StatusReport { state: reported, reason, since, size, clock_fault }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    /// Returns the beginning of the state that is about to be reported. An outage keeps its beginning, whatever was
    /// reported since.
    fn since(&mut self, state: StreamState) -> Timestamp {
        let since = match self.reported {
            Some((reported, since)) if reported == state => since.max(self.since),
            Some(_) if !matches!(state, StreamState::Offline) => clock::now(),
            _ => self.since,
        };
        self.reported = Some((state, since));
        since
    }

    fn enter(&mut self, phase: Phase) -> Phase {
        std::mem::replace(&mut self.phase, phase)
    }
}

#[cfg(test)]
mod tests;
