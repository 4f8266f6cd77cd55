//! Waits for a condition without a fixed sleep.

use std::time::{Duration, Instant};

/// Longest wait for anything that should be immediate: long enough for a machine under load.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Interval between checks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Returns the result of `look` as soon as there is one.
///
/// # Panics
/// Panics if there is none for [`PATIENCE`]; `what` names it.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}
