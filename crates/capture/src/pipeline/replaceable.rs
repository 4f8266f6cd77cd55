//! The state of a task, such as an encoder, that is replaced when a thread is stuck in it.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

/// A value that only the thread running a certain task locks. Other threads replace it and never wait for its lock.
pub(super) struct Replaceable<T> {
    make: Box<dyn Fn() -> T + Send + Sync>,
    current: Mutex<Arc<Mutex<T>>>,
}

impl<T> Replaceable<T> {
    /// Creates a value with `make`, which also creates each replacement.
    pub(super) fn new(make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        let current = Mutex::new(Arc::new(Mutex::new(make())));
        Self { make: Box::new(make), current }
    }

    /// Returns the current value.
    pub(super) fn current(&self) -> Arc<Mutex<T>> {
        self.current.lock().clone()
    }

    /// Returns whether `value` has not been replaced.
    pub(super) fn is_current(&self, value: &Arc<Mutex<T>>) -> bool {
        Arc::ptr_eq(&self.current.lock(), value)
    }

    /// Leaves the current value to the thread that is stuck in it, and creates another one.
    pub(super) fn replace(&self) {
        let another = Arc::new(Mutex::new((self.make)()));
        *self.current.lock() = another;
    }
}

impl<T> fmt::Debug for Replaceable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replaceable").finish_non_exhaustive()
    }
}
