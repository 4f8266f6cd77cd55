//! Capture: pictures from cameras, files and URLs onto the bus.
//!
//! In the order a picture travels:
//!
//! - [`source`]: where it comes from, and when it was captured;
//! - [`supervisor`]: opens a source, and opens it again when it fails;
//! - [`hand_over`]: one place between a source and its encoder, in which the newest picture wins;
//! - [`encode`]: pixels to JPEG;
//! - [`publish`]: onto the bus;
//! - [`pipeline`]: one stream, and the only place that sees source, encode and publish together;
//! - [`status`] and [`board`]: how each stream is, for the catalog.
//!
//! Everything that may block lives on a thread of its own ([`crew`]); none of them can hold up another stream or the end.
//!
//! What does not belong here: viewers. Whether anybody watches comes from the bus; who, how many and how fast is the
//! relay's.

#![warn(missing_docs)]

pub mod backoff;
pub mod bell;
pub mod board;
pub mod crew;
pub mod encode;
pub mod hand_over;
pub mod meter;
pub mod native;
pub mod options;
pub mod picture;
pub mod pipeline;
pub mod publish;
pub mod source;
pub mod stall;
pub mod status;
pub mod supervisor;

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use fanlight_bus::{Publisher, PublisherOptions};
use fanlight_program::stop::Shutdown;
use fanlight_protocol::Topic;

use bell::Bell;
use crew::Crew;
pub use options::{Options, Settings, StreamSettings, Task};
use pipeline::{Demand, Pipeline};

/// Threads may take so long to end; a stopped program is to be gone within two seconds.
const END_WITHIN: Duration = Duration::from_secs(1);

/// Captures until `stop` is requested.
///
/// # Errors
/// When nothing can be published, or a part of the program itself failed. A source that fails is no error: it is
/// reported in the catalog and tried again.
pub fn run(settings: Settings, stop: &Shutdown) -> anyhow::Result<()> {
    native::prepare();
    let bell = Bell::default();
    let crew = Crew::new(stop.clone());
    let mut pipelines: Vec<Pipeline> =
        settings.streams.into_iter().map(|stream| Pipeline::new(stream, &bell)).collect();
    let publisher = Publisher::start(PublisherOptions {
        endpoints: settings.publish,
        name: "capture".into(),
        streams: pipelines.len(),
        on_demand: Box::new(on_demand(&pipelines, &bell)),
    })?;
    for endpoint in publisher.endpoints() {
        tracing::info!(streams = pipelines.len(), "publishing at {endpoint}");
    }
    let started = start(&pipelines, &publisher, &crew, stop);
    if started.is_ok() {
        board::keep(&mut pipelines, &publisher, &bell, stop);
    }
    let bus_failed = !publisher.is_alive();
    stop.request();
    pipelines.iter().for_each(Pipeline::close);
    publisher.stop();
    end(&crew)?;
    ensure!(!bus_failed, "the bus thread failed, and half a program is worse than none");
    started
}

fn start(
    pipelines: &[Pipeline],
    publisher: &Publisher,
    crew: &Crew,
    stop: &Shutdown,
) -> anyhow::Result<()> {
    let started = pipelines.iter().try_for_each(|pipeline| pipeline.start(publisher, crew, stop));
    started.context("cannot start a thread")
}

/// Passes on who is watched. Called on the bus's own thread, so it only sets a flag and rings.
fn on_demand(pipelines: &[Pipeline], bell: &Bell) -> impl FnMut(&Topic, bool) + Send + use<> {
    let demands: HashMap<Topic, Demand> =
        pipelines.iter().map(|pipeline| (pipeline.topic(), pipeline.demand(bell))).collect();
    move |topic, watched| {
        if let Some(demand) = demands.get(topic) {
            demand.set(watched);
        }
    }
}

/// Waits for the threads. One that is stuck in a driver is left to its fate, which is the end of the process.
fn end(crew: &Crew) -> anyhow::Result<()> {
    let stuck = crew.wait(END_WITHIN);
    if !stuck.is_empty() {
        tracing::warn!("ending without waiting for {}", stuck.join(", "));
    }
    match crew.panicked() {
        Some(thread) => bail!("thread {thread} failed, and half a program is worse than none"),
        None => Ok(()),
    }
}
