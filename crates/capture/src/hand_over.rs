//! Hands pictures from the source's thread to the encoder's: one place, and the newest wins.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use opencv::core::Mat;

use crate::picture::RawFrame;

/// Used pixel buffers kept for the next picture: one being filled, one being encoded.
const SPARE: usize = 2;

/// A place for one picture. What is not taken in time is replaced by its successor.
#[derive(Debug, Default)]
pub struct HandOver {
    inside: Mutex<Inside>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Inside {
    frame: Option<RawFrame>,
    spare: Vec<Mat>,
    closed: bool,
}

impl HandOver {
    /// Puts a picture in; says whether it replaced one that nobody had taken.
    pub fn put(&self, frame: RawFrame) -> bool {
        let mut inside = self.lock();
        let replaced = inside.frame.replace(frame);
        let dropped = replaced.is_some();
        if let Some(old) = replaced {
            inside.keep(old.pixels);
        }
        drop(inside);
        self.arrived.notify_one();
        dropped
    }

    /// Waits for a picture; `None` once closed.
    pub fn take(&self) -> Option<RawFrame> {
        let mut inside = self
            .arrived
            .wait_while(self.lock(), |inside| inside.frame.is_none() && !inside.closed)
            .unwrap_or_else(PoisonError::into_inner);
        if inside.closed { None } else { inside.frame.take() }
    }

    /// A pixel buffer to fill: a used one where there is one, since fresh memory costs page faults on every picture.
    pub fn buffer(&self) -> Mat {
        self.lock().spare.pop().unwrap_or_default()
    }

    /// Gives a used pixel buffer back.
    pub fn recycle(&self, pixels: Mat) {
        self.lock().keep(pixels);
    }

    /// Lets the taker end.
    pub fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn keep(&mut self, pixels: Mat) {
        if self.spare.len() < SPARE {
            self.spare.push(pixels);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fanlight_protocol::Timestamp;

    fn frame(at: u64) -> RawFrame {
        RawFrame {
            pixels: Mat::default(),
            captured_at: Timestamp::from_micros(at),
            read_at: Timestamp::from_micros(at),
        }
    }

    #[test]
    fn the_newest_picture_wins_and_the_loss_is_told() {
        let place = HandOver::default();
        assert!(!place.put(frame(1)));
        assert!(place.put(frame(2)));
        assert_eq!(place.take().map(|f| f.captured_at.micros()), Some(2));
        assert!(!place.put(frame(3)));
    }

    #[test]
    fn closing_ends_a_taker_that_waits() {
        let place = HandOver::default();
        std::thread::scope(|scope| {
            let taker = scope.spawn(|| place.take().is_none());
            place.close();
            assert!(taker.join().unwrap());
        });
    }
}
