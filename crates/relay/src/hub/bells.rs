//! Waking those who wait: without holding a lock meanwhile, and each from within its own thread.
//!
//! A frame wakes all viewers of its track. To wake a task of another thread costs a system call; to wake one's own costs
//! little. So whoever has news wakes one [`Ringer`] a thread, and that rings the bells of its thread. Who is [`Quick`]
//! is not even woken: it does at once what there is to do, which for most viewers and most frames is one system call.

use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use tokio::sync::Notify;

use super::ahead::Region;

/// Rings the bells of one thread, from within that thread.
#[derive(Debug, Default)]
pub struct Ringer {
    /// What is to be rung; one entry a track at most, so its bound is the number of tracks.
    due: Mutex<Vec<Arc<Vec<Bell>>>>,
    awake: Notify,
}

impl Ringer {
    /// Rings for as long as it is polled. To be run by the thread whose bells these are.
    pub async fn run(&self) {
        loop {
            self.awake.notified().await;
            let due = std::mem::take(&mut *self.lock());
            due.iter().for_each(|bells| answer_all(bells));
            // A thread that takes longer for a round than until the next frame would else do nothing else: nothing that was
            // left unsent would be sent, no client heard, and the end of the relay not noticed.
            tokio::task::yield_now().await;
        }
    }

    fn ask(&self, bells: &Arc<Vec<Bell>>) {
        let mut due = self.lock();
        if !due.iter().any(|known| Arc::ptr_eq(known, bells)) {
            due.push(bells.clone());
        }
        drop(due);
        self.awake.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Vec<Bell>>>> {
        self.due.lock().expect("no panic while the list is changed")
    }
}

/// Answers one bell after the other. Prefetches the bell after the next one and the memory of the next one's viewer, whose
/// place is known only when its bell is there.
fn answer_all(bells: &[Bell]) {
    for (at, bell) in bells.iter().enumerate() {
        if let Some(after_next) = bells.get(at + 2) {
            Region::of(&after_next.0).prefetch();
        }
        if let Some(next) = bells.get(at + 1) {
            next.prefetch();
        }
        bell.answer();
    }
}

/// Somebody who can do at once, without being woken, what a bell calls for.
pub trait Quick: Send + Sync {
    /// Does it; false where that was not all, and its task must be woken. Called on the thread of that task.
    fn answer(&self) -> bool;
}

/// What one waiter is woken with. One bell serves all subscriptions of a socket.
#[derive(Clone)]
pub struct Bell(Arc<Inner>);

struct Inner {
    quick: OnceLock<Answering>,
    strike: Notify,
    ringer: Arc<Ringer>,
}

/// The viewer that is asked before its task is woken.
struct Answering {
    quick: Weak<dyn Quick>,
    /// The memory that its answer touches.
    state: Region,
}

impl Bell {
    /// A bell of the thread that this ringer rings for.
    pub fn new(ringer: Arc<Ringer>) -> Self {
        Self(Arc::new(Inner { strike: Notify::new(), ringer, quick: OnceLock::new() }))
    }

    /// Asks this viewer first from now on, before its task is woken. Only the first call counts.
    pub fn be_quick<Q: Quick + 'static>(&self, viewer: &Arc<Q>) {
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
        let answer = |quick: Arc<dyn Quick>| {
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

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bell").finish()
    }
}

/// The bells of all who wait for one thing, by thread.
///
/// Ringing is frequent and adding is rare, so the lists are copied when they change: to ring is to take one handle.
#[derive(Debug, Default)]
pub(super) struct Bells(Mutex<Arc<Vec<Thread>>>);

#[derive(Debug, Clone)]
struct Thread {
    ringer: Arc<Ringer>,
    bells: Arc<Vec<Bell>>,
}

impl Bells {
    pub(super) fn ring(&self) {
        let threads = self.lock().clone();
        threads.iter().for_each(|thread| thread.ringer.ask(&thread.bells));
    }

    pub(super) fn add(&self, bell: Bell) {
        let mut threads = self.lock();
        let threads = Arc::make_mut(&mut threads);
        match threads.iter_mut().find(|thread| Arc::ptr_eq(&thread.ringer, &bell.0.ringer)) {
            Some(thread) => Arc::make_mut(&mut thread.bells).push(bell),
            None => {
                threads.push(Thread { ringer: bell.0.ringer.clone(), bells: Arc::new(vec![bell]) });
            }
        }
    }

    /// Takes one occurrence of the bell out.
    pub(super) fn remove(&self, bell: &Bell) {
        let mut threads = self.lock();
        let threads = Arc::make_mut(&mut threads);
        let of_its = |thread: &Thread| Arc::ptr_eq(&thread.ringer, &bell.0.ringer);
        let Some(at) = threads.iter().position(of_its) else { return };
        let bells = Arc::make_mut(&mut threads[at].bells);
        if let Some(place) = bells.iter().position(|known| known.is(bell)) {
            bells.swap_remove(place);
        }
        if bells.is_empty() {
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
        bells: Arc<Bells>,
        answers: AtomicUsize,
    }

    impl Quick for Overloaded {
        fn answer(&self) -> bool {
            assert!(
                self.answers.fetch_add(1, Ordering::Relaxed) < 1000,
                "others never have a turn"
            );
            self.bells.ring();
            true
        }
    }

    #[test]
    fn a_thread_with_too_many_viewers_still_does_everything_else() {
        let (ringer, bells) = (Arc::<Ringer>::default(), Arc::<Bells>::default());
        let bell = Bell::new(ringer.clone());
        bells.add(bell.clone());
        let overloaded =
            Arc::new(Overloaded { bells: bells.clone(), answers: AtomicUsize::new(0) });
        bell.be_quick(&overloaded);
        bells.ring();
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
                () = ringer.run() => {}
                () = other => {}
            }
        });
        assert_eq!(turns, 100);
    }
}
