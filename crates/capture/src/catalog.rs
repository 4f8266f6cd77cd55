//! Keeps the catalog: how each stream is, told at every change and every second.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use fanlight_bus::Publisher;
use fanlight_cli::stop::Shutdown;

use crate::pipeline::Pipeline;
use crate::threads::Threads;
use crate::threads::pool::WorkerPool;
use crate::threads::signal::Signal;
use crate::threads::watchdog::{MOST_OF_ONE, MOST_STRAYS};

/// Rates are worth telling so often.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// How often to look for a request to stop and for sources that are stuck.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A look that comes later than this was held up.
const HELD_UP: Duration = Duration::from_secs(1);
/// Changes that come in a bundle, as at the start, are told together.
const BUNDLE: Duration = Duration::from_millis(10);

/// Announces all streams until `stop` is requested, or until the bus has failed.
///
/// # Errors
/// Fails if 8 threads are stuck in drivers, or when no stream is well and no more attempts are made with one of them.
pub fn keep(
    pipelines: &mut [Pipeline],
    workshop: &WorkerPool,
    publisher: &Publisher,
    crew: &Threads,
    bell: &Signal,
    stop: &Shutdown,
) -> anyhow::Result<()> {
    let mut next = Instant::now();
    let mut looked = next;
    while !stop.is_requested() && publisher.is_alive() {
        let now = Instant::now();
        // A machine that slept, or swapped, held up everybody.
        let held_up = now.saturating_duration_since(looked).saturating_sub(HELD_UP);
        looked = now;
        if !held_up.is_zero() {
            pipelines.iter_mut().for_each(|pipeline| pipeline.excuse(held_up));
            workshop.excuse(held_up);
        }
        pipelines.iter().for_each(|pipeline| pipeline.check_stall(now));
        relieve(pipelines, workshop, now, crew)?;
        give_up(pipelines, now)?;
        if now >= next {
            next = now + TELL_EVERY;
            publisher.announce(pipelines.iter_mut().map(|pipeline| pipeline.entry(now)).collect());
        }
        if bell.wait(LOOK_EVERY) {
            next = Instant::now();
            stop.wait_timeout(BUNDLE);
        }
    }
    Ok(())
}

/// Replaces the threads that are stuck, as long as there are not too many.
fn relieve(
    pipelines: &mut [Pipeline],
    workshop: &WorkerPool,
    now: Instant,
    crew: &Threads,
) -> anyhow::Result<()> {
    let mut most = workshop.relieve(now, crew).context("cannot start a thread")?;
    for pipeline in pipelines {
        most = most.max(pipeline.relieve(now, crew).context("cannot start a thread")?);
    }
    ensure!(
        most.is_none_or(|stuck| stuck < MOST_STRAYS),
        "{MOST_STRAYS} threads are stuck in drivers and do not return; exiting so that the service manager can restart this process"
    );
    Ok(())
}

/// A source that no thread tries any more ends the process if that costs no viewer a picture.
fn give_up(pipelines: &mut [Pipeline], now: Instant) -> anyhow::Result<()> {
    let lost =
        pipelines.iter_mut().filter_map(|one| one.check_lost(now).then(|| one.name().clone()));
    // Each of them has to say so.
    let lost: Vec<_> = lost.collect();
    if let Some(name) = lost.first()
        && !pipelines.iter().any(Pipeline::serves)
    {
        bail!(
            "{MOST_OF_ONE} threads are stuck in the driver of stream {name}, and no other stream is well; exiting so that the service manager can restart this process"
        );
    }
    Ok(())
}
