//! The worker pool: a few threads for all pixel work of this process, one per CPU core for any number of streams.
//!
//! Work is scheduled as a [`Task`]. A task is in the queue at most once and runs on one thread at a time, so the queue
//! is bounded by the number of tasks. Each task takes the newest frame when it runs.
//!
//! An encoder or decoder may block in a driver for ever. Its thread is abandoned and another one takes its place
//! ([`WorkerPool::replace_stuck`]). A task in which [`MAX_STUCK_EACH`] threads are stuck does not run until one of them
//! returns.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use std::{io, mem, thread};

use parking_lot::{Mutex, MutexGuard};

use crate::threads::Threads;
use crate::threads::signal::Monitor;
use crate::threads::watchdog::{MAX_STUCK_EACH, StuckThreads, Watchdog};

/// Maximum number of worker threads: more of them rarely have work at the same time.
const MAX_THREADS: usize = 16;
/// A task without progress for this long is stuck. One frame takes milliseconds, and a second at most for the largest
/// frames on the slowest machines. Opening a hardware encoder takes up to a few seconds.
pub const STUCK_AFTER: Duration = Duration::from_secs(10);

/// The worker threads and their queue. Clones share them.
#[derive(Debug, Clone)]
pub struct WorkerPool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: Monitor<Queue>,
    /// Stuck threads of the whole process.
    stuck: StuckThreads,
    timeout: Duration,
}

#[derive(Debug, Default)]
struct Queue {
    tasks: VecDeque<Arc<Task>>,
    /// The threads that are not abandoned.
    workers: Vec<Worker>,
    /// Number of threads started so far, abandoned ones included.
    started: usize,
    closed: bool,
}

#[derive(Debug)]
struct Worker {
    number: usize,
    watchdog: Watchdog,
    /// The task that it runs now.
    task: Option<Arc<Task>>,
}

/// Work that runs again and again.
pub struct Task {
    name: String,
    action: &'static str,
    work: Box<dyn Fn(&Watchdog) + Send + Sync>,
    recover: Box<dyn Fn() + Send + Sync>,
    /// Locked only by a thread that holds the lock of the pool's queue.
    state: Mutex<TaskState>,
    /// Threads that are stuck in this task.
    stuck: StuckThreads,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TaskState {
    Idle,
    Queued,
    Running,
    /// Running, and scheduled once more since it began.
    RunningAndQueued,
}

impl Task {
    /// Creates a task that performs an `action` on `name`, such as "encoding" "door/full.h264".
    ///
    /// `work` may take longer than [`STUCK_AFTER`] if it calls [`Watchdog::progress`] from time to time.
    ///
    /// When a thread is stuck in `work`, `recover` is called before another thread runs the task: it replaces what the
    /// stuck thread still holds. If the stuck thread returns, it finds its watchdog stopped.
    pub fn new(
        action: &'static str,
        name: String,
        work: impl Fn(&Watchdog) + Send + Sync + 'static,
        recover: impl Fn() + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            name,
            action,
            work: Box::new(work),
            recover: Box::new(recover),
            state: Mutex::new(TaskState::Idle),
            stuck: StuckThreads::default(),
        })
    }

    /// Creates the task of an `owner`, which holds the task and is not kept alive by it.
    pub fn of<T: Send + Sync + 'static>(
        owner: &Weak<T>,
        action: &'static str,
        name: String,
        work: impl Fn(&T, &Watchdog) + Send + Sync + 'static,
        recover: impl Fn(&T) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let (worker, recoverer) = (owner.clone(), owner.clone());
        let work = move |watchdog: &Watchdog| {
            worker.upgrade().iter().for_each(|owner| work(owner, watchdog));
        };
        let recover = move || recoverer.upgrade().iter().for_each(|owner| recover(owner));
        Self::new(action, name, work, recover)
    }

    /// Returns whether the task still runs when scheduled: fewer than [`MAX_STUCK_EACH`] threads are stuck in it.
    pub fn is_usable(&self) -> bool {
        self.stuck.count() < MAX_STUCK_EACH
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("name", &self.name)
            .field("state", &*self.state.lock())
            .finish_non_exhaustive()
    }
}

impl Default for WorkerPool {
    fn default() -> Self {
        Self::new(StuckThreads::default(), STUCK_AFTER)
    }
}

impl WorkerPool {
    /// Creates a pool without threads. A thread without progress for `timeout` is stuck and counted in `stuck`.
    pub fn new(stuck: StuckThreads, timeout: Duration) -> Self {
        Self(Arc::new(Shared { queue: Monitor::default(), stuck, timeout }))
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// Fails if the system cannot create a thread.
    pub fn start(&self, threads: &Threads) -> io::Result<()> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        (0..cores.min(MAX_THREADS)).try_for_each(|_| self.start_worker(threads))
    }

    fn start_worker(&self, threads: &Threads) -> io::Result<()> {
        let mut queue = self.queue();
        queue.started += 1;
        let (number, watchdog) = (queue.started, Watchdog::default());
        queue.workers.push(Worker { number, watchdog: watchdog.clone(), task: None });
        drop(queue);
        let pool = self.clone();
        threads.start(format!("work:{number}"), move || pool.work(number, &watchdog))
    }

    /// Schedules a task: it runs once a thread is free. A task that is not usable is ignored.
    pub fn schedule(&self, task: &Arc<Task>) {
        let mut queue = self.queue();
        let mut state = task.state.lock();
        match *state {
            TaskState::Idle if task.is_usable() => {
                *state = TaskState::Queued;
                drop(state);
                queue.tasks.push_back(task.clone());
                drop(queue);
                self.0.queue.notify_one();
            }
            TaskState::Running => *state = TaskState::RunningAndQueued,
            TaskState::Idle | TaskState::Queued | TaskState::RunningAndQueued => {}
        }
    }

    /// Abandons the threads that are stuck in a task and starts others in their place. Returns the number of stuck
    /// threads of the whole process if it has grown.
    ///
    /// # Errors
    /// Fails if the system cannot create a thread.
    pub fn replace_stuck(&self, now: Instant, threads: &Threads) -> io::Result<Option<usize>> {
        let mut max = None;
        for task in self.abandon_stuck(now) {
            let stuck = self.0.stuck.add();
            max = max.max(Some(stuck));
            let Task { name, action, .. } = &*task;
            tracing::error!(
                stuck,
                "abandoned a thread: no progress for {:?} while {action} {name}",
                self.0.timeout
            );
            (task.recover)();
            self.release(task);
            self.start_worker(threads)?;
        }
        Ok(max)
    }

    /// Extends all deadlines by the time for which the whole process was suspended.
    pub fn extend(&self, suspended: Duration) {
        self.queue().workers.iter().for_each(|worker| worker.watchdog.extend(suspended));
    }

    /// Ends the threads. Queued tasks are discarded.
    pub fn close(&self) {
        self.0.queue.update(|queue| {
            queue.closed = true;
            // A task may hold the owner of this pool.
            queue.tasks.clear();
        });
    }

    fn work(&self, number: usize, watchdog: &Watchdog) {
        while let Some(task) = self.next(number) {
            (task.work)(watchdog);
            if !self.finish(number, watchdog, task) {
                return;
            }
        }
    }

    fn next(&self, number: usize) -> Option<Arc<Task>> {
        let mut queue = self.0.queue.wait_while(|queue| queue.tasks.is_empty() && !queue.closed);
        let task = queue.tasks.pop_front()?;
        *task.state.lock() = TaskState::Running;
        if let Some(worker) = queue.workers.iter_mut().find(|worker| worker.number == number) {
            worker.task = Some(task.clone());
            worker.watchdog.begin(task.action, self.0.timeout);
        }
        Some(task)
    }

    /// Notes that a thread has completed a task. Returns whether the thread continues: an abandoned one has been
    /// replaced.
    fn finish(&self, number: usize, watchdog: &Watchdog, task: Arc<Task>) -> bool {
        let mut queue = self.queue();
        if watchdog.is_abandoned() {
            task.stuck.remove();
            self.0.stuck.remove();
            return false;
        }
        watchdog.idle();
        if let Some(worker) = queue.workers.iter_mut().find(|worker| worker.number == number) {
            worker.task = None;
        }
        drop(queue);
        self.release(task);
        true
    }

    /// Ends a run of a task. The task is queued again if it was scheduled during the run.
    fn release(&self, task: Arc<Task>) {
        let mut queue = self.queue();
        let scheduled = *task.state.lock() == TaskState::RunningAndQueued;
        let again = scheduled && !queue.closed && task.is_usable();
        *task.state.lock() = if again { TaskState::Queued } else { TaskState::Idle };
        if again {
            // Behind all others: a stream that is scheduled without a break must not delay them.
            queue.tasks.push_back(task);
            drop(queue);
            self.0.queue.notify_one();
        }
    }

    /// Abandons the threads that are stuck. Returns their tasks.
    fn abandon_stuck(&self, now: Instant) -> Vec<Arc<Task>> {
        let mut queue = self.queue();
        if queue.closed {
            return Vec::new();
        }
        let workers = mem::take(&mut queue.workers);
        let (stuck, healthy): (Vec<_>, Vec<_>) =
            workers.into_iter().partition(|worker| worker.watchdog.stuck(now).is_some());
        queue.workers = healthy;
        let tasks = stuck.into_iter().filter_map(|worker| {
            worker.watchdog.abandon();
            worker.task
        });
        tasks.inspect(|task| _ = task.stuck.add()).collect()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock()
    }
}

#[cfg(test)]
mod tests;
