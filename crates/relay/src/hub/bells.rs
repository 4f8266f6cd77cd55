//! Waking those who wait: without holding a lock meanwhile, and each from within its own thread.
//!
//! A frame wakes all viewers of its track. To wake a task of another thread costs a system call; to wake one's own costs
//! next to nothing. So whoever has news wakes one [`Ringer`] a thread, and that rings the bells of its thread.

use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

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
            due.iter().flat_map(|bells| bells.iter()).for_each(Bell::ring);
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

/// What one waiter is woken with. One bell serves all subscriptions of a socket.
#[derive(Debug, Clone)]
pub struct Bell {
    strike: Arc<Notify>,
    ringer: Arc<Ringer>,
}

impl Bell {
    /// A bell of the thread that this ringer rings for.
    pub fn new(ringer: Arc<Ringer>) -> Self {
        Self { strike: Arc::default(), ringer }
    }

    /// Rings at once, from whatever thread. One ring that nobody waits for is kept.
    pub fn ring(&self) {
        self.strike.notify_one();
    }

    /// Waits until it rings.
    pub async fn rung(&self) {
        self.strike.notified().await;
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.strike, &other.strike)
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
        match threads.iter_mut().find(|thread| Arc::ptr_eq(&thread.ringer, &bell.ringer)) {
            Some(thread) => Arc::make_mut(&mut thread.bells).push(bell),
            None => {
                threads.push(Thread { ringer: bell.ringer.clone(), bells: Arc::new(vec![bell]) });
            }
        }
    }

    /// Takes one occurrence of the bell out.
    pub(super) fn remove(&self, bell: &Bell) {
        let mut threads = self.lock();
        let threads = Arc::make_mut(&mut threads);
        let of_its = |thread: &Thread| Arc::ptr_eq(&thread.ringer, &bell.ringer);
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
