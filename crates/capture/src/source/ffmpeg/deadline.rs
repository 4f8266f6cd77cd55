//! The deadline until which FFmpeg may block, and the budget that it may read. FFmpeg checks both in its interrupt
//! callback while it waits and reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fanlight_cli::stop::Shutdown;
use ffmpeg_next::ffi::AVIOContext;
use parking_lot::{Mutex, MutexGuard};

use super::budget::{Budget, Limit};
use super::input::MediaInput;
use crate::source::error::SourceError;

/// Shared with FFmpeg, which calls it on the thread that called FFmpeg.
#[derive(Clone)]
pub(super) struct Deadline(Arc<Shared>);

struct Shared {
    stop: Shutdown,
    start: Instant,
    /// The time when the deadline was set, in microseconds since `start`.
    set_at: AtomicU64,
    /// The deadline, in microseconds since `start`.
    until: AtomicU64,
    budget: Mutex<Budget>,
    /// Counts the bytes of an open connection.
    bytes: AtomicPtr<AVIOContext>,
}

impl Deadline {
    /// Returns a deadline. `counted`: the bytes of the body will be counted, by [`Deadline::count`].
    pub(super) fn new(stop: Shutdown, within: Duration, counted: bool) -> Self {
        let deadline = Self(Arc::new(Shared {
            stop,
            start: Instant::now(),
            set_at: AtomicU64::default(),
            until: AtomicU64::default(),
            budget: Mutex::new(Budget::new(counted)),
            bytes: AtomicPtr::default(),
        }));
        deadline.set(within);
        deadline
    }

    /// Restarts the deadline and the budget.
    pub(super) fn set(&self, within: Duration) {
        let now = self.0.start.elapsed();
        self.0.set_at.store(now.as_micros() as u64, Ordering::Relaxed);
        let until = now + within;
        self.0.until.store(until.as_micros() as u64, Ordering::Relaxed);
        self.budget().begin();
    }

    /// Returns whether FFmpeg must stop: the deadline has passed, or the budget is exceeded.
    pub(super) fn is_over(&self) -> bool {
        let until = u128::from(self.0.until.load(Ordering::Relaxed));
        let late = self.is_stopped() || self.0.start.elapsed().as_micros() >= until;
        let bytes = self.bytes_read();
        late || self.budget().check(bytes)
    }

    /// Returns whether a shutdown was requested.
    pub(super) fn is_stopped(&self) -> bool {
        self.0.stop.is_requested()
    }

    /// Fails if the budget is exceeded.
    pub(super) fn check_budget(&self, input: &MediaInput) -> Result<(), SourceError> {
        match self.exceeded() {
            Some(limit) if !self.is_stopped() => Err(input.too_much(limit)),
            _ => Ok(()),
        }
    }

    /// Returns the reason of an error by FFmpeg.
    pub(super) fn reason(&self, error: ffmpeg_next::Error, input: &MediaInput) -> SourceError {
        match self.exceeded() {
            _ if self.is_stopped() => SourceError::Stopped,
            Some(limit) => input.too_much(limit),
            None => {
                let set_at = Duration::from_micros(self.0.set_at.load(Ordering::Relaxed));
                input.reason(error, self.0.start + set_at)
            }
        }
    }

    /// Returns the limit that was exceeded, if any.
    pub(super) fn exceeded(&self) -> Option<Limit> {
        self.budget().exceeded()
    }

    /// Counts the bytes of this connection, or of none if it is null. It must stay open while it is counted, and only
    /// the thread that calls FFmpeg may use it.
    pub(super) fn count(&self, bytes: *mut AVIOContext) {
        self.0.bytes.store(bytes, Ordering::Release);
    }

    #[expect(unsafe_code, reason = "ffmpeg-next does not expose the number of bytes read")]
    fn bytes_read(&self) -> Option<u64> {
        let bytes = self.0.bytes.load(Ordering::Acquire);
        if bytes.is_null() {
            return None;
        }
        // SAFETY: `count` requires that it is open and that no other thread uses it. FFmpeg, which called this
        // function, changes the field only before and after the call. It is a plain integer.
        let read = unsafe { (*bytes).bytes_read };
        Some(u64::try_from(read).unwrap_or(0))
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.0.budget.lock()
    }
}
