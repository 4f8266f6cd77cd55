//! The workshop, with jobs that do as a test says.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use fanlight_cli::stop::Shutdown;

use super::*;

const SOON: Duration = Duration::from_secs(10);

/// A job that needs nothing to be replaced.
fn simple(work: impl Fn(&Watchdog) + Send + Sync + 'static) -> Arc<Task> {
    Task::new("encoding", "cam/full.h264".into(), work, || {})
}

fn opened() -> (WorkerPool, Threads) {
    let (workshop, crew) = (WorkerPool::default(), Threads::new(Shutdown::new()));
    workshop.open(&crew).unwrap();
    (workshop, crew)
}

#[test]
fn what_is_asked_for_while_it_is_done_is_done_once_more_and_never_twice_at_a_time() {
    let (workshop, crew) = opened();
    let (began, begins) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let (inside, may_go) = (AtomicUsize::new(0), Mutex::new(may_go));
    let job = simple(move |_| {
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
    let (workshop, crew) = opened();
    let greedy: Arc<Mutex<Option<Arc<Task>>>> = Arc::default();
    let itself = (greedy.clone(), workshop.clone());
    let job = simple(move |_| {
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
            simple(move |_| done.send(number).unwrap())
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

/// A job that blocks each thread until the test releases it, and channels to follow that.
struct Blocking {
    job: Arc<Task>,
    began: mpsc::Receiver<()>,
    go: mpsc::Sender<()>,
    recovered: Arc<AtomicUsize>,
}

fn blocking() -> Blocking {
    let (began, begins) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let (may_go, recovered) = (Mutex::new(may_go), Arc::<AtomicUsize>::default());
    let count = recovered.clone();
    let work = move |_: &Watchdog| {
        began.send(()).unwrap();
        may_go.lock().unwrap().recv().unwrap_or_default();
    };
    let recover = move || {
        count.fetch_add(1, Ordering::SeqCst);
    };
    let job = Task::new("encoding", "cam/full.h264".into(), work, recover);
    Blocking { job, began: begins, go, recovered }
}

/// Later than a thread may make no progress.
fn later() -> Instant {
    Instant::now() + STUCK_AFTER + Duration::from_secs(1)
}

#[test]
fn a_thread_that_is_stuck_in_a_job_is_replaced_and_other_jobs_are_done() {
    let (workshop, crew) = opened();
    let threads = workshop.desk().workers.len();
    // As many as there are threads, so that none is left.
    let stuck: Vec<Blocking> = (0..threads).map(|_| blocking()).collect();
    for one in &stuck {
        workshop.ask(&one.job);
        one.began.recv_timeout(SOON).unwrap();
    }
    assert_eq!(workshop.relieve(Instant::now(), &crew).unwrap(), None, "they have time left");
    assert_eq!(workshop.relieve(later(), &crew).unwrap(), Some(threads));
    assert_eq!(workshop.relieve(Instant::now(), &crew).unwrap(), None, "told once");
    assert!(stuck.iter().all(|one| one.recovered.load(Ordering::SeqCst) == 1));
    let (done, other) = mpsc::channel();
    workshop.ask(&simple(move |_| done.send(()).unwrap()));
    other.recv_timeout(SOON).unwrap();
    drop(stuck);
    workshop.close();
    assert!(crew.wait(SOON).is_empty());
    assert_eq!(workshop.0.strays.count(), 0, "they came back");
}

#[test]
fn a_job_that_two_threads_are_stuck_in_is_not_done_until_one_of_them_returns() {
    let (workshop, crew) = opened();
    let Blocking { job, began, go, .. } = blocking();
    for _ in 0..MOST_OF_ONE {
        assert!(job.is_usable());
        workshop.ask(&job);
        began.recv_timeout(SOON).unwrap();
        // Asked for while it is done, it is done by the thread that takes the place of the stuck one.
        workshop.relieve(later(), &crew).unwrap();
    }
    assert!(!job.is_usable());
    workshop.ask(&job);
    assert_eq!(*job.state(), State::Resting, "not even in the queue");
    go.send(()).unwrap();
    // The one that has returned ends, and is not counted any more.
    while !job.is_usable() {
        thread::yield_now();
    }
    workshop.ask(&job);
    began.recv_timeout(SOON).unwrap();
    drop(go);
    workshop.close();
    assert!(crew.wait(SOON).is_empty());
}

#[test]
fn a_job_that_was_held_up_with_the_whole_process_is_not_stuck() {
    let (workshop, crew) = opened();
    let Blocking { job, began, go, .. } = blocking();
    workshop.ask(&job);
    began.recv_timeout(SOON).unwrap();
    workshop.excuse(Duration::from_secs(60));
    assert_eq!(workshop.relieve(later(), &crew).unwrap(), None);
    drop(go);
    workshop.close();
    assert!(crew.wait(SOON).is_empty());
}
