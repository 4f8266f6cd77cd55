//! The threads on which viewers are served.
//!
//! Each is a small runtime of its own: a viewer stays with the thread it came to, and a thread never waits for a viewer
//! nor for another thread.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

use crate::wake::ThreadDispatcher;

/// Most threads: beyond it the kernel's own locks are the limit.
pub const MAX_THREADS: usize = 64;

/// All threads that serve viewers. Dropping it ends them, and cuts off who is still there.
#[derive(Debug)]
pub struct ServingThreads {
    loops: Vec<Loop>,
    next: AtomicUsize,
    stop: CancellationToken,
    /// Says that a thread has ended.
    ended: CancellationToken,
}

/// One thread.
#[derive(Debug)]
pub struct Loop {
    handle: Handle,
    dispatcher: Arc<ThreadDispatcher>,
    thread: Option<JoinHandle<()>>,
}

impl ServingThreads {
    /// Starts so many threads.
    ///
    /// # Errors
    /// When the system gives no more.
    pub fn start(threads: usize) -> io::Result<Self> {
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        let mut loops = Vec::new();
        for number in 0..threads {
            loops.push(Loop::start(number, stop.clone(), ended.clone())?);
        }
        Ok(Self { loops, next: AtomicUsize::new(0), stop, ended })
    }

    /// Waits until a thread has ended, which none does by itself unless something in it has panicked.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// The thread for the next viewer: each in turn.
    pub fn next(&self) -> &Loop {
        &self.loops[self.next.fetch_add(1, Ordering::Relaxed) % self.loops.len()]
    }
}

impl Loop {
    fn start(number: usize, stop: CancellationToken, ended: CancellationToken) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let dispatcher = Arc::<ThreadDispatcher>::default();
        let rings = dispatcher.clone();
        let work = move || {
            let _ended = ended.drop_guard();
            runtime.block_on(stop.run_until_cancelled(rings.run()));
            // Drawing a picture may still be under way; nobody waits for it.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name(format!("viewers-{number}")).spawn(work)?;
        Ok(Self { handle, dispatcher, thread: Some(thread) })
    }

    /// Runs a task on this thread.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(task);
    }

    /// What rings the waiters of this thread.
    pub fn dispatcher(&self) -> &Arc<ThreadDispatcher> {
        &self.dispatcher
    }
}

impl Drop for ServingThreads {
    fn drop(&mut self) {
        self.stop.cancel();
        for thread in self.loops.iter_mut().filter_map(|one| one.thread.take()) {
            // It panics only where tokio itself does.
            let _ = thread.join();
        }
    }
}
