//! Hand-over of frames between threads: a mailbox of one slot in which the newest frame wins, and reusable pixel
//! buffers.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::pixels::Image;

/// Number of used pixel buffers kept for the next frame: one is being filled while another is processed.
const MAX_SPARE: usize = 2;

/// A mailbox of one slot. A value that is not taken in time is replaced by the next one.
#[derive(Debug)]
pub struct Latest<T>(Mutex<Option<T>>);

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Latest<T> {
    /// Stores a value. Returns the one that it replaces, which was not taken in time.
    pub fn put(&self, newest: T) -> Option<T> {
        self.0.lock().replace(newest)
    }

    /// Takes the value.
    pub fn take(&self) -> Option<T> {
        self.0.lock().take()
    }
}

/// Used pixel buffers: fresh memory would cost page faults for every frame.
#[derive(Debug, Default)]
pub struct Buffers(Mutex<Vec<Image>>);

impl Buffers {
    /// Takes a buffer to fill: a used one, or else an empty one.
    pub fn take(&self) -> Image {
        self.0.lock().pop().unwrap_or_default()
    }

    /// Releases all buffers.
    pub fn clear(&self) {
        self.0.lock().clear();
    }

    /// Returns a used buffer. It is released if enough are kept already.
    pub fn recycle(&self, image: Image) {
        let mut spare = self.0.lock();
        if spare.len() < MAX_SPARE {
            spare.push(image);
        }
    }

    /// Returns a buffer that others may still use: the last user returns it.
    pub fn recycle_shared(&self, image: Arc<Image>) {
        if let Some(image) = Arc::into_inner(image) {
            self.recycle(image);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_value_wins_and_the_replaced_one_is_returned() {
        let mailbox = Latest::default();
        assert_eq!(mailbox.put(1), None);
        assert_eq!(mailbox.put(2), Some(1));
        assert_eq!(mailbox.take(), Some(2));
        assert_eq!(mailbox.put(3), None);
    }

    #[test]
    fn only_as_many_buffers_are_kept_as_are_used_at_a_time() {
        let buffers = Buffers::default();
        (0..10).for_each(|_| buffers.recycle(Image::default()));
        assert_eq!(buffers.0.lock().len(), MAX_SPARE);
    }
}
