//! Waiting for a condition instead of sleeping for a guessed time.

use std::time::{Duration, Instant};

/// The timeout for a condition that should hold immediately: long enough for a machine under load.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The interval between two checks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Calls `look` until it returns a value, and returns that value.
///
/// # Panics
/// Panics if it returns none for [`PATIENCE`]; `what` describes the condition.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "timed out after {PATIENCE:?}: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}
