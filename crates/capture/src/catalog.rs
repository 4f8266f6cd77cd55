//! The catalog loop: announces the state of each stream at every change and every second, and replaces stuck threads.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use fanlight_bus::Publisher;
use fanlight_cli::stop::Shutdown;

use crate::pipeline::Pipeline;
use crate::threads::Threads;
use crate::threads::pool::WorkerPool;
use crate::threads::signal::Signal;
use crate::threads::watchdog::{MAX_STUCK, MAX_STUCK_EACH};

/// Interval of announcements without a change: frame rates and bitrates are worth an update this often.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(1);
/// Interval of checks for a request to stop and for stuck sources.
const CHECK_EVERY: Duration = Duration::from_millis(250);
/// A check that is later than this means that the whole process was suspended.
const SUSPENDED_AFTER: Duration = Duration::from_secs(1);
/// Changes within this time are announced together: many come in a burst, for example at the start.
const BURST: Duration = Duration::from_millis(10);

/// Announces all streams until `stop` is requested or the bus fails. `changed` triggers an announcement.
///
/// # Errors
/// Fails if [`MAX_STUCK`] threads are stuck in drivers, or if one source is given up and no other stream can be
/// watched.
pub fn run(
    pipelines: &mut [Pipeline],
    pool: &WorkerPool,
    publisher: &Publisher,
    threads: &Threads,
    changed: &Signal,
    stop: &Shutdown,
) -> anyhow::Result<()> {
    let mut next = Instant::now();
    let mut last_check = next;
    while !stop.is_requested() && publisher.is_alive() {
        let now = Instant::now();
        // A machine that slept or swapped has suspended every thread.
        let suspended = now.saturating_duration_since(last_check).saturating_sub(SUSPENDED_AFTER);
        last_check = now;
        if !suspended.is_zero() {
            pipelines.iter_mut().for_each(|pipeline| pipeline.extend(suspended));
            pool.extend(suspended);
        }
        pipelines.iter().for_each(|pipeline| pipeline.check_stall(now));
        replace_stuck(pipelines, pool, now, threads)?;
        check_lost(pipelines, now)?;
        if now >= next {
            next = now + ANNOUNCE_EVERY;
            publisher.announce(pipelines.iter_mut().map(|pipeline| pipeline.entry(now)).collect());
        }
        if changed.wait(CHECK_EVERY) {
            next = Instant::now();
            stop.wait_timeout(BURST);
        }
    }
    Ok(())
}

/// Replaces stuck threads while there are fewer than [`MAX_STUCK`].
fn replace_stuck(
    pipelines: &mut [Pipeline],
    pool: &WorkerPool,
    now: Instant,
    threads: &Threads,
) -> anyhow::Result<()> {
    let mut max = pool.replace_stuck(now, threads).context("cannot start a thread")?;
    for pipeline in pipelines {
        max = max.max(pipeline.replace_stuck(now, threads).context("cannot start a thread")?);
    }
    ensure!(
        max.is_none_or(|stuck| stuck < MAX_STUCK),
        "{MAX_STUCK} threads are stuck in drivers; exiting so that the service manager can restart this process"
    );
    Ok(())
}

/// Ends the process if a source was given up and no other stream can be watched, so that the exit costs no viewer a
/// frame.
fn check_lost(pipelines: &mut [Pipeline], now: Instant) -> anyhow::Result<()> {
    // Each pipeline must be checked, because each reports it itself.
    let lost: Vec<_> = (pipelines.iter_mut())
        .filter_map(|pipeline| pipeline.check_lost(now).then(|| pipeline.name().clone()))
        .collect();
    if let Some(name) = lost.first()
        && !pipelines.iter().any(Pipeline::is_available)
    {
        bail!(
            "{MAX_STUCK_EACH} threads are stuck in the driver of stream {name}, and no other stream is available; exiting so that the service manager can restart this process"
        );
    }
    Ok(())
}
