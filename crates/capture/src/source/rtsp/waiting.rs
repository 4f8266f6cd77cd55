//! Waits for retina, whose calls are asynchronous, on the source's own thread. Every wait has an end.
//!
//! Retina does not limit the size of a response. No part of it is returned before its end, so the waits and reads until
//! then are counted: a response has some hundred bytes, a packet at most 64 KiB.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use fanlight_cli::stop::Shutdown;
use tokio::runtime::{Builder, EnterGuard, Runtime};
use tokio::task::coop;
use tokio::time::sleep;

/// The interval at which waits check for a shutdown.
const CHECK_EVERY: Duration = Duration::from_millis(100);
/// The most waits for data until a response or packet is complete. A camera that sends each line separately needs some
/// dozens.
const MAX_WAITS: u32 = 256;

/// Runs retina on this thread.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Set until it is dropped.
    runtime: Option<Runtime>,
    stop: Shutdown,
}

/// The reason why a wait ended without a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfinished {
    /// A shutdown was requested.
    Stopped,
    /// The time is over.
    Late,
    /// A response or packet has no end.
    TooMuch,
}

impl Waiting {
    pub(super) fn new(stop: Shutdown) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        Ok(Self { runtime: Some(runtime), stop })
    }

    /// Waits for a result, until this time at the latest. A shutdown ends the wait.
    pub(super) fn wait<F: Future>(
        &self,
        until: Instant,
        future: F,
    ) -> Result<F::Output, Unfinished> {
        self.run(future, |waits| match () {
            () if self.stop.is_requested() => Some(Unfinished::Stopped),
            () if Instant::now() >= until => Some(Unfinished::Late),
            () if waits > MAX_WAITS => Some(Unfinished::TooMuch),
            () => None,
        })
    }

    /// Waits for the end of a connection, for at most this time, also after a shutdown was requested.
    pub(super) fn finish(&self, within: Duration, future: impl Future) {
        let until = Instant::now() + within;
        let is_late =
            |waits| (waits > MAX_WAITS || Instant::now() >= until).then_some(Unfinished::Late);
        // The connection is closed in any case.
        let _ = self.run(future, is_late);
    }

    /// Polls a future until it is ready, or `end` returns a reason. `end` is given the number of waits for data.
    fn run<F: Future>(
        &self,
        future: F,
        end: impl Fn(u32) -> Option<Unfinished>,
    ) -> Result<F::Output, Unfinished> {
        let Some(runtime) = &self.runtime else { return Err(Unfinished::Stopped) };
        runtime.block_on(async {
            let (mut future, mut check) = (pin!(future), pin!(sleep(CHECK_EVERY)));
            let mut waits = 0;
            std::future::poll_fn(|context| {
                if let Poll::Ready(result) = future.as_mut().poll(context) {
                    return Poll::Ready(Ok(result));
                }
                // Tokio allows 128 reads at a time: more data arrive than are read.
                if !coop::has_budget_remaining() {
                    return Poll::Ready(Err(Unfinished::TooMuch));
                }
                waits += 1;
                while check.as_mut().poll(context).is_ready() {
                    waits -= 1;
                    check.set(sleep(CHECK_EVERY));
                }
                end(waits).map_or(Poll::Pending, |reason| Poll::Ready(Err(reason)))
            })
            .await
        })
    }

    /// Lets retina start its work in the background, which [`Waiting::finish`] waits for.
    pub(super) fn enter(&self) -> Option<EnterGuard<'_>> {
        self.runtime.as_ref().map(Runtime::enter)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Without waiting for the system's resolver, which has its own thread.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
