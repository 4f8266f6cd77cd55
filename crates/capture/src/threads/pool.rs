//! A few threads for all the pixel work of this process: as many as there are cores, however many streams there are.
//!
//! Work is asked for by [`Task`]. A job waits at most once, and is done by one thread at a time, so what waits is bounded by
//! the number of jobs; each takes the newest picture when its turn comes.
//!
//! An encoder or decoder may block in a driver for ever. The thread that is stuck in it is abandoned, and another one takes
//! its place ([`WorkerPool::relieve`]). A job in which [`MOST_OF_ONE`] threads are stuck is not done until one of them returns.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, mem, thread};

use crate::threads::Threads;
use crate::threads::watchdog::{MOST_OF_ONE, StuckThreads, Watchdog};

/// More threads than these hardly ever find something to do at the same time.
const MOST_THREADS: usize = 16;
/// A job that makes no progress for this long is stuck: one frame takes milliseconds, and a second at most for the largest
/// frames on the slowest machines. Opening a hardware encoder takes up to a few seconds.
pub const STUCK_AFTER: Duration = Duration::from_secs(10);

/// The threads and what waits for them. Clones share it.
#[derive(Debug, Clone)]
pub struct WorkerPool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    desk: Mutex<Desk>,
    asked: Condvar,
    /// Threads that are stuck, of the whole process.
    strays: StuckThreads,
    patience: Duration,
}

#[derive(Debug, Default)]
struct Desk {
    waiting: VecDeque<Arc<Task>>,
    /// The threads that are not abandoned.
    workers: Vec<Worker>,
    /// Counts the threads that were ever started.
    started: usize,
    closed: bool,
}

#[derive(Debug)]
struct Worker {
    number: usize,
    shift: Watchdog,
    /// The job that it does now.
    job: Option<Arc<Task>>,
}

/// Work that is done again and again. Its state is touched under the workshop's lock only.
pub struct Task {
    name: String,
    doing: &'static str,
    work: Box<dyn Fn(&Watchdog) + Send + Sync>,
    recover: Box<dyn Fn() + Send + Sync>,
    state: Mutex<State>,
    /// Threads that are stuck in it.
    strays: StuckThreads,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Resting,
    Waiting,
    Working,
    /// Being done, and asked for once more meanwhile.
    Again,
}

impl Task {
    /// A job that does this `work` whenever it is asked for, named as `doing` something, such as "encoding" "door/full.h264".
    /// The work may take longer than [`STUCK_AFTER`] if it calls [`Watchdog::progress`] now and then.
    ///
    /// When a thread is stuck in it, `recover` is called before the job is done again by another thread: it replaces what
    /// the stuck thread still holds. The stuck thread finds its shift over, should it ever return.
    pub fn new(
        doing: &'static str,
        name: String,
        work: impl Fn(&Watchdog) + Send + Sync + 'static,
        recover: impl Fn() + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            name,
            doing,
            work: Box::new(work),
            recover: Box::new(recover),
            state: Mutex::new(State::Resting),
            strays: StuckThreads::default(),
        })
    }

    /// Whether it is still done: fewer than [`MOST_OF_ONE`] threads are stuck in it.
    pub fn is_usable(&self) -> bool {
        self.strays.count() < MOST_OF_ONE
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("name", &self.name)
            .field("state", &*self.state())
            .finish_non_exhaustive()
    }
}

impl Default for WorkerPool {
    fn default() -> Self {
        Self::new(StuckThreads::default(), STUCK_AFTER)
    }
}

impl WorkerPool {
    /// A workshop whose stuck threads are counted in `strays`, and in which a thread is stuck after `patience` without
    /// progress.
    pub fn new(strays: StuckThreads, patience: Duration) -> Self {
        let (desk, asked) = (Mutex::default(), Condvar::new());
        Self(Arc::new(Shared { desk, asked, strays, patience }))
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn open(&self, crew: &Threads) -> io::Result<()> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        (0..cores.min(MOST_THREADS)).try_for_each(|_| self.start(crew))
    }

    fn start(&self, crew: &Threads) -> io::Result<()> {
        let mut desk = self.desk();
        desk.started += 1;
        let (number, shift) = (desk.started, Watchdog::default());
        desk.workers.push(Worker { number, shift: shift.clone(), job: None });
        drop(desk);
        let workshop = self.clone();
        crew.start(format!("work:{number}"), move || workshop.work(number, &shift))
    }

    /// Has a job done, as soon as a thread is free. A job that is not usable is not done.
    pub fn ask(&self, job: &Arc<Task>) {
        let mut desk = self.desk();
        let mut state = job.state();
        match *state {
            State::Resting if job.is_usable() => {
                *state = State::Waiting;
                drop(state);
                desk.waiting.push_back(job.clone());
                drop(desk);
                self.0.asked.notify_one();
            }
            State::Working => *state = State::Again,
            State::Resting | State::Waiting | State::Again => {}
        }
    }

    /// Abandons the threads that are stuck in a job, and starts others in their place. Returns how many threads are stuck
    /// in the whole process if there are more than before.
    ///
    /// # Errors
    /// Fails if the system gives no more threads.
    pub fn relieve(&self, now: Instant, crew: &Threads) -> io::Result<Option<usize>> {
        let mut most = None;
        for job in self.abandon_stuck(now) {
            let stuck = self.0.strays.add();
            most = most.max(Some(stuck));
            let Task { name, doing, .. } = &*job;
            tracing::error!(
                stuck,
                "a thread made no progress for {:?} while {doing} {name} and was abandoned",
                self.0.patience
            );
            (job.recover)();
            self.release(job);
            self.start(crew)?;
        }
        Ok(most)
    }

    /// The whole process was held up for this long, which is not the fault of any job.
    pub fn excuse(&self, held_up: Duration) {
        self.desk().workers.iter().for_each(|worker| worker.shift.excuse(held_up));
    }

    /// Lets the threads end. What waits is not done any more.
    pub fn close(&self) {
        let mut desk = self.desk();
        desk.closed = true;
        // Jobs may hold whoever holds this workshop.
        desk.waiting.clear();
        drop(desk);
        self.0.asked.notify_all();
    }

    fn work(&self, number: usize, shift: &Watchdog) {
        while let Some(job) = self.next(number) {
            (job.work)(shift);
            if !self.done(number, shift, job) {
                return;
            }
        }
    }

    fn next(&self, number: usize) -> Option<Arc<Task>> {
        let mut desk = self
            .0
            .asked
            .wait_while(self.desk(), |desk| desk.waiting.is_empty() && !desk.closed)
            .unwrap_or_else(PoisonError::into_inner);
        let job = desk.waiting.pop_front()?;
        *job.state() = State::Working;
        if let Some(worker) = desk.workers.iter_mut().find(|worker| worker.number == number) {
            worker.job = Some(job.clone());
            worker.shift.begin(job.doing, self.0.patience);
        }
        Some(job)
    }

    /// A thread has returned from a job. Returns whether it does others: one that was abandoned has been replaced.
    fn done(&self, number: usize, shift: &Watchdog, job: Arc<Task>) -> bool {
        let mut desk = self.desk();
        if shift.is_abandoned() {
            job.strays.remove();
            self.0.strays.remove();
            return false;
        }
        shift.rest();
        if let Some(worker) = desk.workers.iter_mut().find(|worker| worker.number == number) {
            worker.job = None;
        }
        drop(desk);
        self.release(job);
        true
    }

    /// A job is not being done any more: it rests, or waits if it was asked for in the meantime.
    fn release(&self, job: Arc<Task>) {
        let mut desk = self.desk();
        let again = *job.state() == State::Again && !desk.closed && job.is_usable();
        *job.state() = if again { State::Waiting } else { State::Resting };
        if again {
            // Behind all others: a stream that is asked for without a break must not keep them waiting.
            desk.waiting.push_back(job);
            drop(desk);
            self.0.asked.notify_one();
        }
    }

    /// Ends the shifts of the threads that are stuck; returns their jobs.
    fn abandon_stuck(&self, now: Instant) -> Vec<Arc<Task>> {
        let mut desk = self.desk();
        if desk.closed {
            return Vec::new();
        }
        let workers = mem::take(&mut desk.workers);
        let (stuck, well): (Vec<_>, Vec<_>) =
            workers.into_iter().partition(|worker| worker.shift.stuck(now).is_some());
        desk.workers = well;
        let jobs = stuck.into_iter().filter_map(|worker| {
            worker.shift.abandon();
            worker.job
        });
        jobs.inspect(|job| job.strays.note()).collect()
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
