//! Waits for retina, whose calls are asynchronous, on the source's own thread. Every wait has an end.
//!
//! Retina does not limit the size of a response, and returns no part of it before its end. Therefore the bytes until then are
//! counted: by the system, which counts those that a thread reads. It is asked after some reads, and these are counted by the
//! budget that tokio gives to a task, of which each read takes one unit.

use std::fs;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use fanlight_cli::stop::Shutdown;
use tokio::runtime::{Builder, Runtime};
use tokio::task::coop;
use tokio::time::sleep;

/// The interval at which waits check for a shutdown.
const CHECK_EVERY: Duration = Duration::from_millis(100);
/// The most bytes of a response or packet. A packet has at most 64 KiB, and a response some thousand.
const MAX_BYTES: u64 = 1024 * 1024;
/// The most reads of a response or packet, if the system does not count bytes.
const MAX_READS: u32 = 512;
/// The reads before they are counted, and before the system is asked. A packet of usual size takes one or two.
const READS_AT_A_TIME: u32 = 4;

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
    /// Retina failed on a response.
    Panicked,
}

impl Waiting {
    pub(super) fn new(stop: Shutdown) -> io::Result<Self> {
        let mut builder = Builder::new_current_thread();
        // The system's resolver blocks, so tokio calls it on another thread.
        builder.enable_io().enable_time().max_blocking_threads(1).thread_name("resolver");
        Ok(Self { runtime: Some(builder.build()?), stop })
    }

    /// Waits for a result, until this time at the latest. A shutdown ends the wait.
    pub(super) fn wait<F: Future>(
        &self,
        until: Instant,
        future: F,
    ) -> Result<F::Output, Unfinished> {
        let end = || match () {
            () if self.stop.is_requested() => Some(Unfinished::Stopped),
            () if Instant::now() >= until => Some(Unfinished::Late),
            () => None,
        };
        // A result that is always ready would never let the wait end.
        if let Some(unfinished) = end() {
            return Err(unfinished);
        }
        // Retina and its parser of descriptions panic on some responses (0.4.21, sdp-types 0.1.8). The future is not used
        // again.
        let result = catch_unwind(AssertUnwindSafe(|| self.run(future, end)));
        result.unwrap_or(Err(Unfinished::Panicked))
    }

    /// Polls a future until it is ready, `end` returns a reason, or too much is read.
    fn run<F: Future>(
        &self,
        future: F,
        end: impl Fn() -> Option<Unfinished>,
    ) -> Result<F::Output, Unfinished> {
        let Some(runtime) = &self.runtime else { return Err(Unfinished::Stopped) };
        runtime.block_on(async {
            let (mut future, mut check) =
                (pin!(future), pin!(coop::unconstrained(sleep(CHECK_EVERY))));
            let mut counted = Counted::default();
            std::future::poll_fn(|context| {
                take_budget(context, |units| units > READS_AT_A_TIME);
                if let Poll::Ready(result) = future.as_mut().poll(context) {
                    return Poll::Ready(Ok(result));
                }
                let left = take_budget(context, |_| true);
                if counted.exceeds(READS_AT_A_TIME.saturating_sub(left)) {
                    return Poll::Ready(Err(Unfinished::TooMuch));
                }
                while check.as_mut().poll(context).is_ready() {
                    check.set(coop::unconstrained(sleep(CHECK_EVERY)));
                }
                end().map_or(Poll::Pending, |reason| Poll::Ready(Err(reason)))
            })
            .await
        })
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

/// The reads of one wait.
#[derive(Debug, Default)]
struct Counted {
    reads: u32,
    /// The bytes that this thread had read after the first reads.
    bytes_before: Option<u64>,
}

impl Counted {
    /// Counts further reads. Returns whether a limit is exceeded.
    fn exceeds(&mut self, reads: u32) -> bool {
        self.reads += reads;
        if reads == 0 || self.reads < READS_AT_A_TIME {
            return false;
        }
        let Some(bytes) = bytes_read() else { return self.reads > MAX_READS };
        bytes - *self.bytes_before.get_or_insert(bytes) > MAX_BYTES
    }
}

/// Returns the bytes that this thread has read, if the system counts them.
fn bytes_read() -> Option<u64> {
    let counters = fs::read_to_string("/proc/thread-self/io").ok()?;
    counters.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse().ok())
}

/// The budget of a task, in units.
const BUDGET: u32 = 128;

/// Takes units of this task's budget while there are any and `wanted` returns true for the number that is left, if the
/// budget was full before. Returns the number that was taken.
fn take_budget(context: &mut Context<'_>, wanted: impl Fn(u32) -> bool) -> u32 {
    let mut taken = 0;
    while coop::has_budget_remaining() && wanted(BUDGET - taken.min(BUDGET)) {
        let is_taken = pin!(coop::consume_budget()).poll(context).is_ready();
        taken += u32::from(is_taken);
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_counted_by_the_budget() {
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(std::future::poll_fn(|context| {
            let before = take_budget(context, |left| left > READS_AT_A_TIME);
            assert_eq!(before, BUDGET - READS_AT_A_TIME);
            assert!(pin!(coop::consume_budget()).poll(context).is_ready());
            assert_eq!(take_budget(context, |_| true), READS_AT_A_TIME - 1);
            Poll::Ready(())
        }));
    }

    #[test]
    fn the_system_counts_the_bytes_that_this_thread_reads() {
        let before = bytes_read().unwrap();
        assert!(fs::read("/proc/self/cmdline").is_ok());
        assert!(bytes_read().unwrap() > before);
    }

    #[test]
    fn a_wait_ends_in_time_at_a_shutdown_and_if_retina_fails() {
        let stop = Shutdown::new();
        let waiting = Waiting::new(stop.clone()).unwrap();
        let soon = Instant::now() + Duration::from_millis(1);
        let later = Instant::now() + Duration::from_secs(600);
        let never = std::future::pending::<()>;
        assert_eq!(waiting.wait(soon, never()), Err(Unfinished::Late));
        assert_eq!(waiting.wait(soon, async { 7 }), Err(Unfinished::Late), "results add no time");
        assert_eq!(waiting.wait(later, async { 7 }), Ok(7));
        let fails = async { panic!("on purpose, in a test") };
        assert_eq!(waiting.wait::<_>(later, fails), Err::<(), _>(Unfinished::Panicked));
        assert_eq!(waiting.wait(later, async { 7 }), Ok(7));
        stop.request();
        assert_eq!(waiting.wait(later, never()), Err(Unfinished::Stopped));
    }
}
