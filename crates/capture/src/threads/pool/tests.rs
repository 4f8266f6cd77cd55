//! The worker pool with scripted tasks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use fanlight_cli::stop::Shutdown;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(10);

/// A task that has nothing to replace when a thread is stuck in it.
fn simple(work: impl Fn(&Watchdog) + Send + Sync + 'static) -> Arc<Task> {
    Task::new("encoding", "cam/full.h264".into(), work, || {})
}

fn started() -> (WorkerPool, Threads) {
    let (pool, threads) = (WorkerPool::default(), Threads::new(Shutdown::new()));
    pool.start(&threads).unwrap();
    (pool, threads)
}

#[test]
fn a_task_scheduled_while_it_runs_runs_once_more_and_never_on_two_threads() {
    let (pool, threads) = started();
    let (began, begins) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let (inside, may_go) = (AtomicUsize::new(0), Mutex::new(may_go));
    let task = simple(move |_| {
        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
        began.send(()).unwrap();
        may_go.lock().recv().unwrap();
        inside.fetch_sub(1, Ordering::SeqCst);
    });
    pool.schedule(&task);
    begins.recv_timeout(TIMEOUT).unwrap();
    (0..10).for_each(|_| pool.schedule(&task));
    go.send(()).unwrap();
    begins.recv_timeout(TIMEOUT).unwrap();
    go.send(()).unwrap();
    pool.close();
    assert!(threads.wait(TIMEOUT).is_empty());
    assert!(begins.try_recv().is_err(), "scheduled ten times while it ran, it runs once more");
    assert_eq!(threads.panicked(), None);
}

#[test]
fn every_task_runs_while_another_is_scheduled_without_a_break() {
    let (pool, threads) = started();
    let greedy: Arc<Mutex<Option<Arc<Task>>>> = Arc::default();
    let (itself, its_pool) = (greedy.clone(), pool.clone());
    let task = simple(move |_| {
        if let Some(task) = &*itself.lock() {
            its_pool.schedule(task);
        }
    });
    *greedy.lock() = Some(task.clone());
    pool.schedule(&task);
    let (done, others) = mpsc::channel();
    let modest: Vec<_> = (0..50)
        .map(|number| {
            let done = done.clone();
            simple(move |_| done.send(number).unwrap())
        })
        .collect();
    modest.iter().for_each(|task| pool.schedule(task));
    let mut had: Vec<i32> = (0..50).map(|_| others.recv_timeout(TIMEOUT).unwrap()).collect();
    had.sort_unstable();
    assert!(had.into_iter().eq(0..50));
    greedy.lock().take();
    pool.close();
    assert!(threads.wait(TIMEOUT).is_empty());
}

/// A task that blocks each thread until the test releases it, and channels to follow that.
struct Blocking {
    task: Arc<Task>,
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
        may_go.lock().recv().unwrap_or_default();
    };
    let recover = move || {
        count.fetch_add(1, Ordering::SeqCst);
    };
    let task = Task::new("encoding", "cam/full.h264".into(), work, recover);
    Blocking { task, began: begins, go, recovered }
}

/// A moment after the deadline of every running task.
fn later() -> Instant {
    Instant::now() + STUCK_AFTER + Duration::from_secs(1)
}

#[test]
fn a_thread_that_is_stuck_is_replaced_and_other_tasks_run() {
    let (pool, threads) = started();
    let workers = pool.queue().workers.len();
    // One for each thread, so that no thread is free.
    let stuck: Vec<Blocking> = (0..workers).map(|_| blocking()).collect();
    for one in &stuck {
        pool.schedule(&one.task);
        one.began.recv_timeout(TIMEOUT).unwrap();
    }
    assert_eq!(pool.replace_stuck(Instant::now(), &threads).unwrap(), None, "they have time left");
    assert_eq!(pool.replace_stuck(later(), &threads).unwrap(), Some(workers));
    assert_eq!(pool.replace_stuck(Instant::now(), &threads).unwrap(), None, "reported once");
    assert!(stuck.iter().all(|one| one.recovered.load(Ordering::SeqCst) == 1));
    let (done, other) = mpsc::channel();
    pool.schedule(&simple(move |_| done.send(()).unwrap()));
    other.recv_timeout(TIMEOUT).unwrap();
    drop(stuck);
    pool.close();
    assert!(threads.wait(TIMEOUT).is_empty());
    assert_eq!(pool.0.stuck.count(), 0, "they have returned");
}

#[test]
fn a_task_in_which_two_threads_are_stuck_does_not_run_until_one_of_them_returns() {
    let (pool, threads) = started();
    let Blocking { task, began, go, .. } = blocking();
    for _ in 0..MAX_STUCK_EACH {
        assert!(task.is_usable());
        pool.schedule(&task);
        began.recv_timeout(TIMEOUT).unwrap();
        // A task scheduled while it runs is taken over by the thread that replaces the stuck one.
        pool.replace_stuck(later(), &threads).unwrap();
    }
    assert!(!task.is_usable());
    pool.schedule(&task);
    assert_eq!(*task.state.lock(), TaskState::Idle, "not even queued");
    go.send(()).unwrap();
    // The thread that has returned ends, and is no longer counted.
    while !task.is_usable() {
        thread::yield_now();
    }
    pool.schedule(&task);
    began.recv_timeout(TIMEOUT).unwrap();
    drop(go);
    pool.close();
    assert!(threads.wait(TIMEOUT).is_empty());
}

#[test]
fn a_suspended_process_makes_no_task_stuck() {
    let (pool, threads) = started();
    let Blocking { task, began, go, .. } = blocking();
    pool.schedule(&task);
    began.recv_timeout(TIMEOUT).unwrap();
    pool.extend(Duration::from_secs(60));
    assert_eq!(pool.replace_stuck(later(), &threads).unwrap(), None);
    drop(go);
    pool.close();
    assert!(threads.wait(TIMEOUT).is_empty());
}
