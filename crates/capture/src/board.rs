//! Keeps the catalog: how each stream is, told at every change and every second.

use std::time::{Duration, Instant};

use fanlight_bus::Publisher;
use fanlight_program::stop::Shutdown;

use crate::bell::Bell;
use crate::pipeline::Pipeline;

/// Rates are worth telling so often.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// How often to look for a request to stop and for sources that are stuck.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Changes that come in a bundle, as at the start, are told together.
const BUNDLE: Duration = Duration::from_millis(10);

/// Announces all streams until `stop` is requested, or until the bus has failed.
pub fn keep(pipelines: &mut [Pipeline], publisher: &Publisher, bell: &Bell, stop: &Shutdown) {
    let mut next = Instant::now();
    while !stop.is_requested() && publisher.is_alive() {
        let now = Instant::now();
        pipelines.iter().for_each(|pipeline| pipeline.check_stall(now));
        if now >= next {
            next = now + TELL_EVERY;
            publisher.announce(pipelines.iter_mut().map(|pipeline| pipeline.entry(now)).collect());
        }
        if bell.wait(LOOK_EVERY) {
            next = Instant::now();
            stop.wait_timeout(BUNDLE);
        }
    }
}
