//! A few threads for all the pixel work of this process: as many as there are cores, however many streams there are.
//!
//! Work is asked for by [`Job`]. A job waits at most once, and is done by one thread at a time, so what waits is bounded by
//! the number of jobs; each takes the newest picture when its turn comes.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::{io, thread};

use crate::crew::Crew;

/// More threads than these hardly ever find something to do at the same time.
const MOST_THREADS: usize = 16;

/// The threads and what waits for them. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Workshop(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    desk: Mutex<Desk>,
    asked: Condvar,
}

#[derive(Debug, Default)]
struct Desk {
    waiting: VecDeque<Arc<Job>>,
    closed: bool,
}

/// Work that is done again and again. Its state is touched under the workshop's lock only.
pub struct Job {
    work: Box<dyn Fn() + Send + Sync>,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Resting,
    Waiting,
    Working,
    /// Being done, and asked for once more meanwhile.
    Again,
}

impl Job {
    /// A job that does this whenever it is asked for.
    pub fn new(work: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { work: Box::new(work), state: Mutex::new(State::Resting) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("state", &*self.state()).finish_non_exhaustive()
    }
}

impl Workshop {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn open(&self, crew: &Crew) -> io::Result<()> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        for number in 1..=cores.min(MOST_THREADS) {
            let workshop = self.clone();
            crew.start(format!("work:{number}"), move || workshop.work())?;
        }
        Ok(())
    }

    /// Has a job done, as soon as a thread is free.
    pub fn ask(&self, job: &Arc<Job>) {
        let mut desk = self.desk();
        let mut state = job.state();
        match *state {
            State::Resting => {
                *state = State::Waiting;
                drop(state);
                desk.waiting.push_back(job.clone());
                drop(desk);
                self.0.asked.notify_one();
            }
            State::Working => *state = State::Again,
            State::Waiting | State::Again => {}
        }
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

    fn work(&self) {
        while let Some(job) = self.next() {
            (job.work)();
            self.done(job);
        }
    }

    fn next(&self) -> Option<Arc<Job>> {
        let mut desk = self
            .0
            .asked
            .wait_while(self.desk(), |desk| desk.waiting.is_empty() && !desk.closed)
            .unwrap_or_else(PoisonError::into_inner);
        let job = desk.waiting.pop_front()?;
        *job.state() = State::Working;
        Some(job)
    }

    fn done(&self, job: Arc<Job>) {
        let mut desk = self.desk();
        let again = *job.state() == State::Again && !desk.closed;
        *job.state() = if again { State::Waiting } else { State::Resting };
        if again {
            // Behind all others: a stream that is asked for without a break must not keep them waiting.
            desk.waiting.push_back(job);
            drop(desk);
            self.0.asked.notify_one();
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    use fanlight_program::stop::Shutdown;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn workshop() -> (Workshop, Crew) {
        let (workshop, crew) = (Workshop::default(), Crew::new(Shutdown::new()));
        workshop.open(&crew).unwrap();
        (workshop, crew)
    }

    #[test]
    fn what_is_asked_for_while_it_is_done_is_done_once_more_and_never_twice_at_a_time() {
        let (workshop, crew) = workshop();
        let (began, begins) = mpsc::channel();
        let (go, may_go) = mpsc::channel::<()>();
        let (inside, may_go) = (AtomicUsize::new(0), Mutex::new(may_go));
        let job = Job::new(move || {
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
            began.send(()).unwrap();
            may_go.lock().unwrap().recv().unwrap();
            inside.fetch_sub(1, Ordering::SeqCst);
        });
        workshop.ask(&job);
        begins.recv_timeout(SOON).unwrap();
        (0..10).for_each(|_| workshop.ask(&job));
        go.send(()).unwrap();
        begins.recv_timeout(SOON).unwrap();
        go.send(()).unwrap();
        workshop.close();
        assert!(crew.wait(SOON).is_empty());
        assert!(begins.try_recv().is_err(), "ten wishes while it was done are one");
        assert_eq!(crew.panicked(), None);
    }

    #[test]
    fn every_job_has_its_turn_while_another_is_asked_for_without_a_break() {
        let (workshop, crew) = workshop();
        let greedy: Arc<Mutex<Option<Arc<Job>>>> = Arc::default();
        let itself = (greedy.clone(), workshop.clone());
        let job = Job::new(move || {
            if let Some(job) = &*itself.0.lock().unwrap() {
                itself.1.ask(job);
            }
        });
        *greedy.lock().unwrap() = Some(job.clone());
        workshop.ask(&job);
        let (done, others) = mpsc::channel();
        let modest: Vec<_> = (0..50)
            .map(|number| {
                let done = done.clone();
                Job::new(move || done.send(number).unwrap())
            })
            .collect();
        modest.iter().for_each(|job| workshop.ask(job));
        let mut had: Vec<i32> = (0..50).map(|_| others.recv_timeout(SOON).unwrap()).collect();
        had.sort_unstable();
        assert!(had.into_iter().eq(0..50));
        greedy.lock().unwrap().take();
        workshop.close();
        assert!(crew.wait(SOON).is_empty());
    }
}
