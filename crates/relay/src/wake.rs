//! Waking those who wait: without holding a lock meanwhile, and each from within its own thread.
//!
//! A frame wakes all viewers of its track. To wake a task of another thread costs a system call; to wake one's own costs
//! little. So whoever has news wakes one [`ThreadDispatcher`] a thread, and that rings the waiters of its thread. Who is [`InlineHandler`]
//! is not even woken: it does at once what there is to do, which for most viewers and most frames is one system call.

use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use tokio::sync::Notify;

use crate::hub::prefetch::Region;

/// Rings the waiters of one thread, from within that thread.
#[derive(Debug, Default)]
pub struct ThreadDispatcher {
    /// What is to be rung; one entry a track at most, so its bound is the number of tracks.
    due: Mutex<Vec<Arc<Vec<Waker>>>>,
    awake: Notify,
}

impl ThreadDispatcher {
    /// Rings for as long as it is polled. To be run by the thread whose waiters these are.
    pub async fn run(&self) {
        loop {
            self.awake.notified().await;
            let due = std::mem::take(&mut *self.lock());
            due.iter().for_each(|waiters| answer_all(waiters));
            // A thread that takes longer for a round than until the next frame would else do nothing else: nothing that was
            // left unsent would be sent, no client heard, and the end of the relay not noticed.
            tokio::task::yield_now().await;
        }
    }

    fn ask(&self, waiters: &Arc<Vec<Waker>>) {
        let mut due = self.lock();
        if !due.iter().any(|known| Arc::ptr_eq(known, waiters)) {
            due.push(waiters.clone());
        }
        drop(due);
        self.awake.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Vec<Waker>>>> {
        self.due.lock().expect("no panic while the list is changed")
    }
}

/// Answers one waker after the other. Prefetches the waker after the next one and the memory of the next one's viewer, whose
/// place is known only when its waker is there.
fn answer_all(waiters: &[Waker]) {
    for (at, waker) in waiters.iter().enumerate() {
        if let Some(after_next) = waiters.get(at + 2) {
            Region::of(&after_next.0).prefetch();
        }
        if let Some(next) = waiters.get(at + 1) {
            next.prefetch();
        }
        waker.answer();
    }
}

/// Somebody who can do at once, without being woken, what a waker calls for.
pub trait InlineHandler: Send + Sync {
    /// Does it; false where that was not all, and its task must be woken. Called on the thread of that task.
    fn answer(&self) -> bool;
}

/// What one waiter is woken with. One waker serves all subscriptions of a socket.
#[derive(Clone)]
pub struct Waker(Arc<Inner>);

struct Inner {
    quick: OnceLock<Answering>,
    strike: Notify,
    dispatcher: Arc<ThreadDispatcher>,
}

/// The viewer that is asked before its task is woken.
struct Answering {
    quick: Weak<dyn InlineHandler>,
    /// The memory that its answer touches.
    state: Region,
}

impl Waker {
    /// A waker of the thread that this dispatcher rings for.
    pub fn new(dispatcher: Arc<ThreadDispatcher>) -> Self {
        Self(Arc::new(Inner { strike: Notify::new(), dispatcher, quick: OnceLock::new() }))
    }

    /// Asks this viewer first from now on, before its task is woken. Only the first call counts.
    pub fn be_quick<Q: InlineHandler + 'static>(&self, viewer: &Arc<Q>) {
        let quick: Weak<Q> = Arc::downgrade(viewer);
        let _ = self.0.quick.set(Answering { quick, state: Region::of(viewer) });
    }

    /// Prefetches the memory that its answer touches.
    fn prefetch(&self) {
        if let Some(answering) = self.0.quick.get() {
            answering.state.prefetch();
        }
    }

    /// Wakes whoever waits, from whatever thread. One ring that nobody waits for is kept.
    pub fn ring(&self) {
        self.0.strike.notify_one();
    }

    /// Waits until it rings.
    pub async fn rung(&self) {
        self.0.strike.notified().await;
    }

    fn answer(&self) {
        let quick = self.0.quick.get().and_then(|answering| answering.quick.upgrade());
        // A fault in one viewer must not take all others of its thread along. Its task, woken, finds what is left of it,
        // and ends.
        let answer = |quick: Arc<dyn InlineHandler>| {
            panic::catch_unwind(AssertUnwindSafe(|| quick.answer())).unwrap_or(false)
        };
        if !quick.is_some_and(answer) {
            self.ring();
        }
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Waker").finish()
    }
}

/// The waiters of all who wait for one thing, by thread.
///
/// Ringing is frequent and adding is rare, so the lists are copied when they change: to ring is to take one handle.
#[derive(Debug, Default)]
pub(super) struct Waiters(Mutex<Arc<Vec<Thread>>>);

#[derive(Debug, Clone)]
struct Thread {
    dispatcher: Arc<ThreadDispatcher>,
    waiters: Arc<Vec<Waker>>,
}

impl Waiters {
    pub(super) fn ring(&self) {
        let threads = self.lock().clone();
        threads.iter().for_each(|thread| thread.dispatcher.ask(&thread.waiters));
    }

    pub(super) fn add(&self, waker: Waker) {
        let mut threads = self.lock();
        let threads = Arc::make_mut(&mut threads);
        match threads.iter_mut().find(|thread| Arc::ptr_eq(&thread.dispatcher, &waker.0.dispatcher))
        {
            Some(thread) => Arc::make_mut(&mut thread.waiters).push(waker),
            None => {
                threads.push(Thread {
                    dispatcher: waker.0.dispatcher.clone(),
                    waiters: Arc::new(vec![waker]),
                });
            }
        }
    }

    /// Takes one occurrence of the waker out.
    pub(super) fn remove(&self, waker: &Waker) {
        let mut threads = self.lock();
        let threads = Arc::make_mut(&mut threads);
        let of_its = |thread: &Thread| Arc::ptr_eq(&thread.dispatcher, &waker.0.dispatcher);
        let Some(at) = threads.iter().position(of_its) else { return };
        let waiters = Arc::make_mut(&mut threads[at].waiters);
        if let Some(place) = waiters.iter().position(|known| known.is(waker)) {
            waiters.swap_remove(place);
        }
        if waiters.is_empty() {
            threads.swap_remove(at);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Arc<Vec<Thread>>> {
        self.0.lock().expect("no panic while the list is changed")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Poll;

    use super::*;

    /// Has more to do as soon as it has answered, as on a thread that is too slow for its viewers.
    struct Overloaded {
        waiters: Arc<Waiters>,
        answers: AtomicUsize,
    }

    impl InlineHandler for Overloaded {
        fn answer(&self) -> bool {
            assert!(
                self.answers.fetch_add(1, Ordering::Relaxed) < 1000,
                "others never have a turn"
            );
            self.waiters.ring();
            true
        }
    }

    #[test]
    fn a_thread_with_too_many_viewers_still_does_everything_else() {
        let (dispatcher, waiters) = (Arc::<ThreadDispatcher>::default(), Arc::<Waiters>::default());
        let waker = Waker::new(dispatcher.clone());
        waiters.add(waker.clone());
        let overloaded =
            Arc::new(Overloaded { waiters: waiters.clone(), answers: AtomicUsize::new(0) });
        waker.be_quick(&overloaded);
        waiters.ring();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut turns = 0;
        let other = std::future::poll_fn(|cx| {
            turns += 1;
            cx.waker().wake_by_ref();
            if turns < 100 { Poll::Pending } else { Poll::Ready(()) }
        });
        runtime.block_on(async {
            tokio::select! {
                biased;
                () = dispatcher.run() => {}
                () = other => {}
            }
        });
        assert_eq!(turns, 100);
    }
}
