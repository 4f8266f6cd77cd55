//! A probe: opens one source, reads it for some seconds, and describes what it sends.
//!
//! - `measure`: reads frames, and counts and times them;
//! - `content`: what one frame is: codec, size, colours;
//! - `report`: the description for people.
//!
//! Its answer to "is it passed through?" is the pipeline's own: [`passthrough`](crate::pipeline::passthrough).

mod content;
mod measure;
mod report;

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use fanlight_cli::stop::Shutdown;

use crate::native;
use crate::options::StreamSettings;
use crate::source::{ConfiguredSource, SourceFactory};
use crate::threads::Threads;
use measure::Measurement;
use report::Report;

/// The interval at which the wait for the result checks for a shutdown.
const CHECK_EVERY: Duration = Duration::from_millis(100);
/// The longest probe: a source has 60 s to open ([`crate::source::lifecycle`]), and then 50 s for its first frame.
const LONGEST: Duration = Duration::from_secs(120);
/// The time that a source has to close after a stop.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Opens the source of a stream, and returns a description of it: lines of a name and a value.
///
/// # Errors
/// Fails with the reason if it cannot be opened or delivers no frame.
pub fn probe(stream: StreamSettings, stop: &Shutdown) -> anyhow::Result<String> {
    native::prepare();
    let threads = Threads::new(stop.clone());
    let (sender, result) = mpsc::channel();
    let source = stream.source.to_string();
    let own_stop = stop.clone();
    // A thread of its own, because a driver may block it for ever.
    threads.start("probe".into(), move || {
        // The receiver is gone after a stop.
        let _ = sender.send(describe(&stream, &own_stop));
    })?;
    let until = Instant::now() + LONGEST;
    let result = loop {
        match result.recv_timeout(CHECK_EVERY) {
            Ok(result) => break result,
            Err(RecvTimeoutError::Disconnected) => bail!("the probe panicked"),
            Err(RecvTimeoutError::Timeout) if stop.is_requested() => bail!("stopped"),
            Err(RecvTimeoutError::Timeout) if Instant::now() > until => {
                bail!("{source} does not answer: its driver is stuck")
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    };
    threads.wait(CLOSE_TIMEOUT);
    result.with_context(|| source)
}

fn describe(stream: &StreamSettings, stop: &Shutdown) -> anyhow::Result<String> {
    let mut factory = ConfiguredSource::new(stream.source.clone(), stream.name.clone());
    let opening = Instant::now();
    let mut source = factory.open(stop)?;
    let opened_in = opening.elapsed();
    let measurement = Measurement::of(source.as_mut(), stop)?;
    let report = Report {
        stream,
        about: source.about(),
        decoded_from: source.decoded_from(),
        opened_in,
        measurement: &measurement,
    };
    Ok(report.to_string())
}
