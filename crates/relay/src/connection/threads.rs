//! The threads that serve viewers.
//!
//! Each thread runs its own single-threaded runtime. A viewer stays on its thread, and a thread never waits for a
//! viewer or another thread.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

use crate::wake::ThreadDispatcher;

/// Most threads. With more, the kernel's locks limit the throughput.
pub const MAX_THREADS: usize = 64;

/// All threads that serve viewers. Dropping it ends them and cuts off the remaining viewers.
#[derive(Debug)]
pub struct ServingThreads {
    threads: Vec<ServingThread>,
    next: AtomicUsize,
    stop: CancellationToken,
    /// Cancelled when a thread has ended.
    ended: CancellationToken,
}

/// One thread.
#[derive(Debug)]
pub struct ServingThread {
    handle: Handle,
    dispatcher: Arc<ThreadDispatcher>,
    thread: Option<JoinHandle<()>>,
}

impl ServingThreads {
    /// Starts this many threads.
    ///
    /// # Errors
    /// Fails if the system cannot start another thread.
    pub fn start(count: usize) -> io::Result<Self> {
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        let mut threads = Vec::new();
        for number in 0..count {
            threads.push(ServingThread::start(number, stop.clone(), ended.clone())?);
        }
        Ok(Self { threads, next: AtomicUsize::new(0), stop, ended })
    }

    /// Waits until a thread has ended. None ends by itself unless it panicked.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Returns the thread for the next connection, in rotation.
    pub fn next(&self) -> &ServingThread {
        &self.threads[self.next.fetch_add(1, Ordering::Relaxed) % self.threads.len()]
    }
}

impl ServingThread {
    fn start(number: usize, stop: CancellationToken, ended: CancellationToken) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let dispatcher = Arc::<ThreadDispatcher>::default();
        let dispatch = dispatcher.clone();
        let work = move || {
            let _ended = ended.drop_guard();
            runtime.block_on(stop.run_until_cancelled(dispatch.run()));
            // A blocking task may still be drawing a no-signal picture. No viewer waits for it any more.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name(format!("viewers-{number}")).spawn(work)?;
        Ok(Self { handle, dispatcher, thread: Some(thread) })
    }

    /// Runs a task on this thread.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(task);
    }

    /// Returns the dispatcher that wakes the waiters of this thread.
    pub fn dispatcher(&self) -> &Arc<ThreadDispatcher> {
        &self.dispatcher
    }
}

impl Drop for ServingThreads {
    fn drop(&mut self) {
        self.stop.cancel();
        for thread in self.threads.iter_mut().filter_map(|serving| serving.thread.take()) {
            // An error means that tokio itself panicked.
            let _ = thread.join();
        }
    }
}
