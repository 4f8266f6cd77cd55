//! Waking those who wait, without holding a lock meanwhile.

use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

/// What one waiter is woken with. One bell serves all subscriptions of a socket.
pub type Bell = Arc<Notify>;

/// The bells of all who wait for one thing.
///
/// Ringing is frequent and adding is rare, so the list is copied when it changes: to ring is to take one handle.
#[derive(Debug, Default)]
pub(super) struct Bells(Mutex<Arc<Vec<Bell>>>);

impl Bells {
    pub(super) fn ring(&self) {
        let bells = self.lock().clone();
        bells.iter().for_each(|bell| bell.notify_one());
    }

    pub(super) fn add(&self, bell: Bell) {
        let mut bells = self.lock();
        Arc::make_mut(&mut bells).push(bell);
    }

    /// Takes one occurrence of the bell out.
    pub(super) fn remove(&self, bell: &Bell) {
        let mut bells = self.lock();
        if let Some(at) = bells.iter().position(|known| Arc::ptr_eq(known, bell)) {
            Arc::make_mut(&mut bells).swap_remove(at);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Arc<Vec<Bell>>> {
        self.0.lock().expect("no panic while the list is changed")
    }
}
