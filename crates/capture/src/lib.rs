//! Capture: pictures from cameras, files and URLs onto the bus.
//!
//! In the order a picture travels:
//!
//! - [`source`]: where it comes from, and when it was captured;
//! - [`supervisor`]: opens a source while it is watched, and opens it again when it fails;
//! - [`hand_over`]: one place between each two who work on a picture, in which the newest wins;
//! - [`pixels`] and [`rendition`]: turned, and scaled to the sizes that are watched;
//! - [`encode`]: pixels to JPEG and H.264;
//! - [`publish`]: onto the bus;
//! - [`pipeline`]: one stream, and the only place that sees source, encode and publish together;
//! - [`status`] and [`board`]: how each stream is, for the catalog.
//!
//! Every source lives on a thread of its own, which may block; one that is stuck in a driver for good is left there, and
//! another takes its place ([`shift`]). Pixel work is shared by a few threads ([`workshop`]). So nothing can hold up another
//! stream or the end ([`crew`]).
//!
//! What does not belong here: viewers. Whether anybody watches comes from the bus; who, how many and how fast is the
//! relay's.

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
pub mod publish;
pub mod rendition;
pub mod source;
pub mod stall;
pub mod status;
pub mod threads;
pub mod wall_clock;
pub mod watched;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use fanlight_bus::{Publisher, PublisherOptions};
use fanlight_cli::stop::Shutdown;
use fanlight_protocol::Topic;

use encode::Encoders;
pub use options::{Command, Options, Settings, StreamSettings};
use pipeline::{Demand, Means, Openers, Pipeline};
use source::{ConfiguredSource, SourceFactory};
use threads::Threads;
use threads::pool::{self, WorkerPool};
use threads::signal::Signal;
use threads::watchdog::StuckThreads;

/// Threads may take so long to end; a stopped program is to be gone within two seconds.
const END_WITHIN: Duration = Duration::from_secs(1);

/// Captures until `stop` is requested.
///
/// # Errors
/// When nothing can be published, or a part of the program itself failed. A source that fails is no error: it is
/// reported in the catalog and tried again. But too many threads stuck in drivers are one.
pub fn run(settings: Settings, stop: &Shutdown) -> anyhow::Result<()> {
    run_on(settings, &Parts::default(), stop)
}

/// The same with other sources than those that were named.
///
/// # Errors
/// As [`run`].
pub fn run_with(settings: Settings, openers: &Openers, stop: &Shutdown) -> anyhow::Result<()> {
    run_on(settings, &Parts { openers, ..Parts::default() }, stop)
}

/// What a capture is made of. Tests put others in the place of the usual ones.
pub struct Parts<'a> {
    /// Opens sources.
    pub openers: &'a Openers,
    /// Encodes tracks.
    pub encoders: Arc<Encoders>,
    /// The time that an encoder or decoder may take for one frame: [`pool::STUCK_AFTER`].
    pub frame_within: Duration,
    /// The time for which the capture waits for a source that no thread tries any more: [`pipeline::LOST_AFTER`].
    pub lost_after: Duration,
}

impl Default for Parts<'_> {
    fn default() -> Self {
        Self {
            openers: &named,
            encoders: Arc::new(|_, settings| encode::encoder(settings)),
            frame_within: pool::STUCK_AFTER,
            lost_after: pipeline::LOST_AFTER,
        }
    }
}

impl fmt::Debug for Parts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("frame_within", &self.frame_within)
            .field("lost_after", &self.lost_after)
            .finish_non_exhaustive()
    }
}

/// Opens the sources that were named.
fn named(stream: &StreamSettings) -> Box<dyn SourceFactory + Send> {
    Box::new(ConfiguredSource::new(stream.source.clone(), stream.name.clone()))
}

/// The same with these parts.
///
/// # Errors
/// As [`run`].
pub fn run_on(settings: Settings, parts: &Parts<'_>, stop: &Shutdown) -> anyhow::Result<()> {
    native::prepare();
    let bell = Signal::default();
    let crew = Threads::new(stop.clone());
    let strays = StuckThreads::default();
    let workshop = WorkerPool::new(strays.clone(), parts.frame_within);
    let demands: Demands = Arc::default();
    let publisher = Publisher::start(PublisherOptions {
        endpoints: settings.publish,
        name: "capture".into(),
        streams: settings.streams.len(),
        keys: settings.bus_keys,
        on_demand: Box::new(on_demand(demands.clone())),
        on_keyframe: Box::new(on_keyframe(demands.clone())),
    })?;
    let means = Means {
        openers: parts.openers,
        encoders: parts.encoders.clone(),
        publisher: &publisher,
        workshop: &workshop,
        bell: &bell,
        strays: &strays,
        lost_after: parts.lost_after,
    };
    let make = |stream| Pipeline::new(stream, &means);
    let mut pipelines: Vec<Pipeline> = settings.streams.into_iter().map(make).collect();
    connect(&demands, &pipelines, &bell);
    for endpoint in publisher.endpoints() {
        tracing::info!(streams = pipelines.len(), "publishing at {endpoint}");
    }
    let started = start(&pipelines, &workshop, &crew);
    let keep = |all: &mut [Pipeline]| catalog::keep(all, &workshop, &publisher, &crew, &bell, stop);
    let kept = started.and_then(|()| keep(&mut pipelines));
    let bus_failed = !publisher.is_alive();
    stop.request();
    pipelines.iter().for_each(Pipeline::close);
    workshop.close();
    publisher.stop();
    end(&crew)?;
    ensure!(!bus_failed, "the bus thread failed, and half a program is worse than none");
    kept
}

fn start(pipelines: &[Pipeline], workshop: &WorkerPool, crew: &Threads) -> anyhow::Result<()> {
    let started = workshop.open(crew);
    let started = started.and_then(|()| pipelines.iter().try_for_each(|one| one.start(crew)));
    started.context("cannot start a thread")
}

/// Who is to be told which topic is watched. What is asked for before the streams are there waits in it.
type Demands = Arc<Mutex<Demanded>>;

#[derive(Debug, Default)]
struct Demanded {
    known: HashMap<Topic, Demand>,
    early: Vec<(Topic, bool)>,
}

/// Passes on who is watched. Called on the bus's own thread, so it only sets a flag and rings.
fn on_demand(demands: Demands) -> impl FnMut(&Topic, bool) + Send {
    move |topic, watched| {
        let mut demands = demands.lock().unwrap_or_else(PoisonError::into_inner);
        match demands.known.get(topic) {
            Some(demand) => demand.set(watched),
            None => demands.early.push((topic.clone(), watched)),
        }
    }
}

/// Passes on that somebody needs a keyframe. Called on the bus's own thread, so it only sets a flag.
fn on_keyframe(demands: Demands) -> impl FnMut(&Topic) + Send {
    move |topic| {
        let demands = demands.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(demand) = demands.known.get(topic) {
            demand.ask_for_keyframe();
        }
    }
}

fn connect(demands: &Demands, pipelines: &[Pipeline], bell: &Signal) {
    let mut demands = demands.lock().unwrap_or_else(PoisonError::into_inner);
    demands.known = pipelines.iter().flat_map(|pipeline| pipeline.demands(bell)).collect();
    for (topic, watched) in std::mem::take(&mut demands.early) {
        if let Some(demand) = demands.known.get(&topic) {
            demand.set(watched);
        }
    }
}

/// Waits for the threads. One that is stuck in a driver is left to its fate, which is the end of the process.
fn end(crew: &Threads) -> anyhow::Result<()> {
    let stuck = crew.wait(END_WITHIN);
    if !stuck.is_empty() {
        tracing::warn!("ending without waiting for {}", stuck.join(", "));
    }
    match crew.panicked() {
        Some(thread) => bail!("thread {thread} failed, and half a program is worse than none"),
        None => Ok(()),
    }
}
