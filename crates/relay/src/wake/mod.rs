//! Wake-ups for viewers, delivered thread by thread and without holding a lock.
//!
//! A frame wakes all viewers of its track. Waking a task on another thread costs a system call; waking one on the same
//! thread costs little. So [`Waiters`] wake one [`ThreadDispatcher`] a thread, and the dispatcher wakes the waiters of
//! its thread. A viewer with an [`InlineHandler`] is not even woken: the dispatcher calls the handler, which for most
//! viewers and most frames makes one system call and is done.

mod prefetch;

use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

use prefetch::Region;

/// Wakes the waiters of one thread, from within that thread.
#[derive(Debug, Default)]
pub struct ThreadDispatcher {
    /// Lists of waiters to wake. It holds each list once, so the number of tracks bounds its length.
    due: Mutex<Vec<Arc<Vec<Waker>>>>,
    awake: Notify,
}

impl ThreadDispatcher {
    /// Wakes waiters for as long as it is polled. Must run on the thread that its waiters run on.
    pub async fn run(&self) {
        loop {
            self.awake.notified().await;
            let due = std::mem::take(&mut *self.due.lock());
            due.iter().for_each(|waiters| dispatch_all(waiters));
            // If one round takes longer than the interval between frames, the thread would do nothing else: it would
            // not send what is queued, not read from clients, and not notice the shutdown.
            tokio::task::yield_now().await;
        }
    }

    fn schedule(&self, waiters: &Arc<Vec<Waker>>) {
        let mut due = self.due.lock();
        if !due.iter().any(|known| Arc::ptr_eq(known, waiters)) {
            due.push(waiters.clone());
        }
        drop(due);
        self.awake.notify_one();
    }
}

/// Dispatches one waker after the other. Prefetches the waker after the next one, and the state of the next one's
/// handler, whose address is known only once its waker is in the cache.
fn dispatch_all(waiters: &[Waker]) {
    for (at, waker) in waiters.iter().enumerate() {
        if let Some(after_next) = waiters.get(at + 2) {
            Region::of(&after_next.0).prefetch();
        }
        if let Some(next) = waiters.get(at + 1) {
            next.prefetch();
        }
        waker.dispatch();
    }
}

/// Handles a wake-up on the dispatcher's thread, without waking the task.
pub trait InlineHandler: Send + Sync {
    /// Does what the wake-up calls for. Returns false if work remains, so that the task must be woken. Called on the
    /// thread of that task.
    fn handle(&self) -> bool;
}

/// Wakes one waiter. One waker serves all subscriptions of a socket.
#[derive(Clone)]
pub struct Waker(Arc<Inner>);

struct Inner {
    inline: OnceLock<InlineTarget>,
    notify: Notify,
    dispatcher: Arc<ThreadDispatcher>,
}

/// The handler that is called before the task is woken.
struct InlineTarget {
    handler: Weak<dyn InlineHandler>,
    /// The memory that the handler touches.
    state: Region,
}

impl Waker {
    /// Creates a waker for a waiter on the thread of this dispatcher.
    pub fn new(dispatcher: Arc<ThreadDispatcher>) -> Self {
        Self(Arc::new(Inner { notify: Notify::new(), dispatcher, inline: OnceLock::new() }))
    }

    /// Has this handler called from now on, before the task is woken. Only the first call has an effect.
    pub fn set_inline_handler<H: InlineHandler + 'static>(&self, handler: &Arc<H>) {
        let weak: Weak<H> = Arc::downgrade(handler);
        let _ = self.0.inline.set(InlineTarget { handler: weak, state: Region::of(handler) });
    }

    /// Prefetches the memory that the inline handler touches.
    fn prefetch(&self) {
        if let Some(target) = self.0.inline.get() {
            target.state.prefetch();
        }
    }

    /// Wakes the waiter, from any thread. If none waits, the next [`Self::woken`] returns immediately.
    pub fn wake(&self) {
        self.0.notify.notify_one();
    }

    /// Waits for a wake-up.
    pub async fn woken(&self) {
        self.0.notify.notified().await;
    }

    fn dispatch(&self) {
        let handler = self.0.inline.get().and_then(|target| target.handler.upgrade());
        // A panic in one viewer must not take down the other viewers of its thread. Its task is woken, finds the broken
        // state, and ends.
        let handle = |handler: Arc<dyn InlineHandler>| {
            panic::catch_unwind(AssertUnwindSafe(|| handler.handle())).unwrap_or(false)
        };
        if !handler.is_some_and(handle) {
            self.wake();
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

/// The wakers that wait for one event, by thread.
///
/// Notifying is frequent and adding is rare, so the lists are copied when they change: notifying clones one handle.
#[derive(Debug, Default)]
pub(super) struct Waiters(Mutex<Arc<Vec<Thread>>>);

#[derive(Debug, Clone)]
struct Thread {
    dispatcher: Arc<ThreadDispatcher>,
    waiters: Arc<Vec<Waker>>,
}

impl Waiters {
    pub(super) fn notify(&self) {
        let threads = self.0.lock().clone();
        threads.iter().for_each(|thread| thread.dispatcher.schedule(&thread.waiters));
    }

    pub(super) fn add(&self, waker: Waker) {
        let mut threads = self.0.lock();
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

    /// Removes one occurrence of the waker.
    pub(super) fn remove(&self, waker: &Waker) {
        let mut threads = self.0.lock();
        let threads = Arc::make_mut(&mut threads);
        let of_its = |thread: &Thread| Arc::ptr_eq(&thread.dispatcher, &waker.0.dispatcher);
        let Some(at) = threads.iter().position(of_its) else { return };
        let waiters = Arc::make_mut(&mut threads[at].waiters);
        if let Some(index) = waiters.iter().position(|known| known.is(waker)) {
            waiters.swap_remove(index);
        }
        if waiters.is_empty() {
            threads.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Poll;

    use super::*;

    /// Has more to do as soon as it has handled a wake-up, as on a thread that is too slow for its viewers.
    struct Overloaded {
        waiters: Arc<Waiters>,
        calls: AtomicUsize,
    }

    impl InlineHandler for Overloaded {
        fn handle(&self) -> bool {
            assert!(
                self.calls.fetch_add(1, Ordering::Relaxed) < 1000,
                "the other tasks of the thread starve"
            );
            self.waiters.notify();
            true
        }
    }

    #[test]
    fn a_thread_with_too_many_viewers_still_runs_its_other_tasks() {
        let (dispatcher, waiters) = (Arc::<ThreadDispatcher>::default(), Arc::<Waiters>::default());
        let waker = Waker::new(dispatcher.clone());
        waiters.add(waker.clone());
        let overloaded =
            Arc::new(Overloaded { waiters: waiters.clone(), calls: AtomicUsize::new(0) });
        waker.set_inline_handler(&overloaded);
        waiters.notify();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut polls = 0;
        let other = std::future::poll_fn(|cx| {
            polls += 1;
            cx.waker().wake_by_ref();
            if polls < 100 { Poll::Pending } else { Poll::Ready(()) }
        });
        runtime.block_on(async {
            tokio::select! {
                biased;
                () = dispatcher.run() => {}
                () = other => {}
            }
        });
        assert_eq!(polls, 100);
    }
}
