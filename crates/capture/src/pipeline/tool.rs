//! What one job at a time works with, such as an encoder, and what is replaced when a thread is stuck in it.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::lock;

/// Something that only the thread doing a certain job locks. Other threads replace it, and never wait for it.
pub(super) struct Tool<T> {
    make: Box<dyn Fn() -> T + Send + Sync>,
    current: Mutex<Arc<Mutex<T>>>,
}

impl<T> Tool<T> {
    /// A tool that is made like this, also after each replacement.
    pub(super) fn new(make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        let current = Mutex::new(Arc::new(Mutex::new(make())));
        Self { make: Box::new(make), current }
    }

    /// The tool as it is now.
    pub(super) fn current(&self) -> Arc<Mutex<T>> {
        lock(&self.current).clone()
    }

    /// Whether this one has not been replaced.
    pub(super) fn is_current(&self, tool: &Arc<Mutex<T>>) -> bool {
        Arc::ptr_eq(&lock(&self.current), tool)
    }

    /// Leaves the tool to the thread that is stuck in it, and makes another one.
    pub(super) fn replace(&self) {
        let another = Arc::new(Mutex::new((self.make)()));
        *lock(&self.current) = another;
    }
}

impl<T> fmt::Debug for Tool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool").finish_non_exhaustive()
    }
}
