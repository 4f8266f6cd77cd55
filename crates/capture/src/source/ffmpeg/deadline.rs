//! Until when FFmpeg may block, and how much it may read until then. It asks again and again while it waits and reads.

use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fanlight_cli::stop::Shutdown;
use ffmpeg_next::ffi::AVIOContext;

use super::budget::{Budget, Over};
use super::input::Place;
use crate::source::SourceError;

/// Shared with FFmpeg, which asks it on the thread that called FFmpeg.
#[derive(Clone)]
pub(super) struct Deadline(Arc<Shared>);

struct Shared {
    stop: Shutdown,
    start: Instant,
    /// The moment when the deadline was set.
    asked: AtomicU64,
    micros: AtomicU64,
    budget: Mutex<Budget>,
    /// Counts the bytes while it is open.
    bytes: AtomicPtr<AVIOContext>,
}

impl Deadline {
    /// `counted`: the bytes behind the headers will be known, by [`Deadline::count`].
    pub(super) fn new(stop: Shutdown, within: Duration, counted: bool) -> Self {
        let deadline = Self(Arc::new(Shared {
            stop,
            start: Instant::now(),
            asked: AtomicU64::default(),
            micros: AtomicU64::default(),
            budget: Mutex::new(Budget::new(counted)),
            bytes: AtomicPtr::default(),
        }));
        deadline.set(within);
        deadline
    }

    /// From now on this long, and a whole budget of bytes.
    pub(super) fn set(&self, within: Duration) {
        let now = self.0.start.elapsed();
        self.0.asked.store(now.as_micros() as u64, Ordering::Relaxed);
        let until = now + within;
        self.0.micros.store(until.as_micros() as u64, Ordering::Relaxed);
        self.budget().begin();
    }

    /// Whether FFmpeg is to give up.
    pub(super) fn passed(&self) -> bool {
        let until = u128::from(self.0.micros.load(Ordering::Relaxed));
        let late = self.is_stopped() || self.0.start.elapsed().as_micros() >= until;
        let bytes = self.bytes_read();
        late || self.budget().look(bytes)
    }

    /// Whether the program is about to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.0.stop.is_requested()
    }

    /// Fails where more came than may come.
    pub(super) fn check_budget(&self, place: &Place) -> Result<(), SourceError> {
        match self.over() {
            Some(over) if !self.is_stopped() => Err(place.too_much(over)),
            _ => Ok(()),
        }
    }

    /// Why FFmpeg gave up.
    pub(super) fn reason(&self, error: ffmpeg_next::Error, place: &Place) -> SourceError {
        match self.over() {
            _ if self.is_stopped() => SourceError::Stopped,
            Some(over) => place.too_much(over),
            None => {
                let asked = Duration::from_micros(self.0.asked.load(Ordering::Relaxed));
                place.reason(error, self.0.start + asked)
            }
        }
    }

    /// The limit that was exceeded, if any.
    pub(super) fn over(&self) -> Option<Over> {
        self.budget().over()
    }

    /// Counts the bytes of this from now on; of none where it is null. It must not be closed while it is counted, and only
    /// be used by the thread that asks.
    pub(super) fn count(&self, bytes: *mut AVIOContext) {
        self.0.bytes.store(bytes, Ordering::Release);
    }

    #[expect(unsafe_code, reason = "ffmpeg-next does not give the number of bytes read")]
    fn bytes_read(&self) -> Option<u64> {
        let bytes = self.0.bytes.load(Ordering::Acquire);
        if bytes.is_null() {
            return None;
        }
        // SAFETY: `count` demands that it is open and that no other thread uses it. FFmpeg, which has called here, changes the
        // field only before and after it calls. It is a plain integer.
        let read = unsafe { (*bytes).bytes_read };
        Some(u64::try_from(read).unwrap_or(0))
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.0.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
