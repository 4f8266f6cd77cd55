//! Hands pictures from one thread to the next: one place, and the newest wins.

use std::sync::{Mutex, MutexGuard, PoisonError};

use opencv::core::Mat;

/// Used pixel buffers kept for the next picture: one being filled, one being worked on.
const SPARE: usize = 2;

/// A place for one thing. What is not taken in time is replaced by its successor.
#[derive(Debug)]
pub struct Latest<T>(Mutex<Option<T>>);

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Latest<T> {
    /// Puts it in; returns what lay there because nobody had taken it.
    pub fn put(&self, newest: T) -> Option<T> {
        lock(&self.0).replace(newest)
    }

    /// Takes what there is.
    pub fn take(&self) -> Option<T> {
        lock(&self.0).take()
    }
}

/// Used pixel buffers: fresh memory would cost page faults on every picture.
#[derive(Debug, Default)]
pub struct Buffers(Mutex<Vec<Mat>>);

impl Buffers {
    /// A buffer to fill: a used one where there is one.
    pub fn take(&self) -> Mat {
        lock(&self.0).pop().unwrap_or_default()
    }

    /// Lets go of all.
    pub fn clear(&self) {
        lock(&self.0).clear();
    }

    /// Gives a used one back.
    pub fn recycle(&self, pixels: Mat) {
        let mut spare = lock(&self.0);
        if spare.len() < SPARE {
            spare.push(pixels);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_wins_and_what_it_replaces_is_told() {
        let place = Latest::default();
        assert_eq!(place.put(1), None);
        assert_eq!(place.put(2), Some(1));
        assert_eq!(place.take(), Some(2));
        assert_eq!(place.put(3), None);
    }

    #[test]
    fn no_more_buffers_are_kept_than_are_used_at_a_time() {
        let buffers = Buffers::default();
        (0..10).for_each(|_| buffers.recycle(Mat::default()));
        assert_eq!(lock(&buffers.0).len(), SPARE);
    }
}
