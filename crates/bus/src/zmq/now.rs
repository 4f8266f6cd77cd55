//! The present moment, read once from both clocks.

use std::time::Instant;

use fanlight_clock as clock;

use crate::core::Now;

pub(super) fn now() -> Now {
    let instant = Instant::now();
    Now { instant, wall: clock::at(instant) }
}
