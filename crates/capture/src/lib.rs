//! Capture: frames from cameras, files and URLs onto the bus.
//!
//! In the order a frame travels:
//!
//! - [`source`]: the origin of frames and of their times of capture; [`source::lifecycle`] opens a source while it is
//!   watched, and opens it again when it fails;
//! - [`frame`]: the forms of a frame, and its hand-over between threads, in which the newest frame wins;
//! - [`pixels`] and [`rendition_settings`]: oriented, and scaled to the sizes that are watched;
//! - [`encode`]: pixels to JPEG and H.264;
//! - [`publish`]: onto the bus;
//! - [`pipeline`]: one stream, and the only place that sees source, encode and publish together;
//! - [`status`] and [`catalog`]: the state of each stream, announced on the bus.
//!
//! Beside them: [`probe`], which describes a source instead of publishing it.
//!
//! Shared by them:
//!
//! - [`options`]: the settings;
//! - [`watched`]: the demand for a stream, as its parts see it;
//! - [`stall`] and [`backoff`]: when a source is stalled, and the growing wait before the next attempt;
//! - [`meter`]: frame rates, bitrates and the share of dropped frames;
//! - [`wall_clock`]: the local time, as painted into frames;
//! - [`native`]: calls of the C libraries.
//!
//! Every source has a thread of its own, which may block. A thread that is stuck in a driver is abandoned, and another
//! one takes its place ([`threads::watchdog`]). A few threads share all pixel work ([`threads::pool`]). Therefore
//! nothing can delay another stream, or the exit ([`threads`]).
//!
//! Not part of this crate: viewers. The bus reports whether a track is watched; by whom, by how many and how fast is
//! the relay's business.

#![warn(missing_docs)]

pub mod backoff;
pub mod catalog;
pub mod encode;
pub mod frame;
pub mod meter;
pub mod native;
pub mod options;
pub mod pipeline;
pub mod pixels;
pub mod probe;
pub mod publish;
pub mod rendition_settings;
pub mod source;
pub mod stall;
pub mod status;
pub mod threads;
pub mod wall_clock;
pub mod watched;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use fanlight_bus::{Publisher, PublisherOptions};
use fanlight_cli::stop::Shutdown;

use encode::EncoderFactory;
pub use options::{Command, Options, Settings, StreamSettings};
use pipeline::{Pipeline, Resources, Sources};
use source::{ConfiguredSource, SourceFactory};
use threads::Threads;
use threads::pool::{self, WorkerPool};
use threads::signal::Signal;
use threads::watchdog::StuckThreads;

/// Timeout for the end of all threads: a stopped program must exit within two seconds.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// Captures until `stop` is requested.
///
/// # Errors
/// Fails if nothing can be published, if a part of the program itself failed, or if too many threads are stuck in
/// drivers. A source that fails is no error: it is reported in the catalog and retried.
pub fn run(settings: Settings, stop: &Shutdown) -> anyhow::Result<()> {
    run_on(settings, &Parts::default(), stop)
}

/// Captures with other sources than the settings name.
///
/// # Errors
/// Fails as [`run`] does.
pub fn run_with(settings: Settings, sources: &Sources, stop: &Shutdown) -> anyhow::Result<()> {
    run_on(settings, &Parts { sources, ..Parts::default() }, stop)
}

/// The parts of a capture that tests replace.
pub struct Parts<'a> {
    /// Opens sources.
    pub sources: &'a Sources,
    /// Creates the encoders of tracks.
    pub encoders: Arc<EncoderFactory>,
    /// The time that an encoder or decoder may take for one frame: [`pool::STUCK_AFTER`].
    pub frame_timeout: Duration,
    /// The time after which a source that no thread reads is given up: [`pipeline::LOST_AFTER`].
    pub lost_after: Duration,
}

impl Default for Parts<'_> {
    fn default() -> Self {
        Self {
            sources: &configured,
            encoders: Arc::new(|_, settings| encode::encoder(settings)),
            frame_timeout: pool::STUCK_AFTER,
            lost_after: pipeline::LOST_AFTER,
        }
    }
}

impl fmt::Debug for Parts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("frame_timeout", &self.frame_timeout)
            .field("lost_after", &self.lost_after)
            .finish_non_exhaustive()
    }
}

/// Opens the source that the settings name.
fn configured(stream: &StreamSettings) -> Box<dyn SourceFactory + Send> {
    Box::new(ConfiguredSource::new(stream.source.clone(), stream.name.clone()))
}

/// Captures with these parts.
///
/// # Errors
/// Fails as [`run`] does.
pub fn run_on(settings: Settings, parts: &Parts<'_>, stop: &Shutdown) -> anyhow::Result<()> {
    native::prepare();
    let changed = Signal::default();
    let threads = Threads::new(stop.clone());
    let stuck = StuckThreads::default();
    let pool = WorkerPool::new(stuck.clone(), parts.frame_timeout);
    let publisher = Publisher::start(PublisherOptions {
        endpoints: settings.publish,
        name: "capture".into(),
        streams: settings.streams.len(),
        keys: settings.bus_keys,
    })?;
    let resources = Resources {
        sources: parts.sources,
        encoders: parts.encoders.clone(),
        publisher: &publisher,
        pool: &pool,
        changed: &changed,
        stuck: &stuck,
        lost_after: parts.lost_after,
    };
    let pipeline = |stream| Pipeline::new(stream, &resources);
    let mut pipelines: Vec<Pipeline> = settings.streams.into_iter().map(pipeline).collect();
    for endpoint in publisher.endpoints() {
        tracing::info!(streams = pipelines.len(), "publishing at {endpoint}");
    }
    let result = start(&pipelines, &pool, &threads)
        .and_then(|()| catalog::run(&mut pipelines, &pool, &publisher, &threads, &changed, stop));
    let bus_failed = !publisher.is_alive();
    stop.request();
    pipelines.iter().for_each(Pipeline::close);
    pool.close();
    publisher.stop();
    end(&threads)?;
    ensure!(
        !bus_failed,
        "the bus thread failed; exiting, because nothing can be published without it"
    );
    result
}

fn start(pipelines: &[Pipeline], pool: &WorkerPool, threads: &Threads) -> anyhow::Result<()> {
    let started = pool.start(threads);
    let started = started.and_then(|()| pipelines.iter().try_for_each(|one| one.start(threads)));
    started.context("cannot start a thread")
}

/// Waits for the threads. A thread that is stuck in a driver ends with the process.
fn end(threads: &Threads) -> anyhow::Result<()> {
    let stuck = threads.wait(END_TIMEOUT);
    if !stuck.is_empty() {
        tracing::warn!("exiting without waiting for {}: stuck in a driver", stuck.join(", "));
    }
    match threads.panicked() {
        Some(thread) => {
            bail!("thread {thread} panicked; exiting, because the program must not run in part")
        }
        None => Ok(()),
    }
}
