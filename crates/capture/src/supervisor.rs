//! Keeps one source going: opens it, hands its pictures over, and tries again when it fails.

use std::time::{Duration, Instant};

use fanlight_bus::clock;
use fanlight_program::stop::Shutdown;

use crate::backoff::Backoff;
use crate::hand_over::HandOver;
use crate::picture::RawFrame;
use crate::source::{Grabbed, Source, SourceError};
use crate::stall;
use crate::status::Status;

/// What a source's pictures are for.
pub trait Audience {
    /// Whether anybody wants them now.
    fn is_watching(&self) -> bool;
    /// Pictures were dropped.
    fn dropped(&self, count: u64);
}

/// Opens a source and hands its pictures over until it ends or `stop` is requested.
pub fn run(
    mut open: impl FnMut() -> Result<Box<dyn Source>, SourceError>,
    place: &HandOver,
    audience: &impl Audience,
    status: &Status,
    stop: &Shutdown,
) {
    let mut backoff = Backoff::default();
    while !stop.is_requested() {
        let mut run = Run { place, audience, status, stop, began: None };
        let reason = match open().and_then(|mut source| run.pump(source.as_mut())) {
            Ok(()) => return status.ended(),
            Err(SourceError::Stopped) => return,
            Err(reason) => reason,
        };
        status.failing(&reason.to_string());
        let well_for = run.began.map_or(Duration::ZERO, |began| began.elapsed());
        stop.wait_timeout(backoff.wait(well_for, fastrand::f64()));
    }
}

/// From one opening to the next.
struct Run<'a, A> {
    place: &'a HandOver,
    audience: &'a A,
    status: &'a Status,
    stop: &'a Shutdown,
    /// When the first picture came.
    began: Option<Instant>,
}

impl<A: Audience> Run<'_, A> {
    /// Hands pictures over until the source ends.
    fn pump(&mut self, source: &mut dyn Source) -> Result<(), SourceError> {
        let about = source.about().clone();
        self.status.opened(&about.description, about.interval);
        let mut whole_at = Instant::now();
        while let Some(grabbed) = source.grab()? {
            if self.stop.is_requested() {
                return Err(SourceError::Stopped);
            }
            match self.hand_over(source, grabbed) {
                Ok(()) => whole_at = Instant::now(),
                Err(damage) if whole_at.elapsed() > stall::limit(about.interval) => {
                    return Err(damage);
                }
                Err(damage) => {
                    self.audience.dropped(1);
                    tracing::debug!(stream = %self.status.name(), %damage, "a picture was passed over");
                    continue;
                }
            }
            self.began.get_or_insert_with(Instant::now);
            self.status.picture(&about.description);
        }
        Ok(())
    }

    /// Nobody watching, the picture is not even made.
    fn hand_over(&self, source: &mut dyn Source, grabbed: Grabbed) -> Result<(), SourceError> {
        if !self.audience.is_watching() {
            return Ok(());
        }
        let mut pixels = self.place.buffer();
        source.retrieve(&mut pixels)?;
        let (captured_at, read_at) = (grabbed.captured_at, clock::now());
        let replaced = self.place.put(RawFrame { pixels, captured_at, read_at });
        let dropped = grabbed.skipped + u64::from(replaced);
        if dropped > 0 {
            self.audience.dropped(dropped);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bell::Bell;
    use crate::source::About;
    use fanlight_protocol::{StreamState, Timestamp};
    use opencv::core::Mat;
    use std::cell::Cell;

    /// What a scripted source does next.
    #[derive(Clone, Copy)]
    enum Act {
        Picture,
        Damaged,
        Fail,
        End,
    }

    struct Scripted {
        acts: std::vec::IntoIter<Act>,
        about: About,
        damaged: bool,
    }

    impl Source for Scripted {
        fn about(&self) -> &About {
            &self.about
        }
        fn grab(&mut self) -> Result<Option<Grabbed>, SourceError> {
            match self.acts.next() {
                Some(act @ (Act::Picture | Act::Damaged)) => {
                    self.damaged = matches!(act, Act::Damaged);
                    Ok(Some(Grabbed { captured_at: Timestamp::default(), skipped: 0 }))
                }
                Some(Act::Fail) => Err(SourceError::Unplugged("/dev/video0".into())),
                Some(Act::End) | None => Ok(None),
            }
        }
        fn retrieve(&mut self, _: &mut Mat) -> Result<(), SourceError> {
            if self.damaged { Err(SourceError::NotAVideo("damaged".into())) } else { Ok(()) }
        }
    }

    #[derive(Default)]
    struct Viewers {
        dropped: Cell<u64>,
    }

    impl Audience for Viewers {
        fn is_watching(&self) -> bool {
            true
        }
        fn dropped(&self, count: u64) {
            self.dropped.set(self.dropped.get() + count);
        }
    }

    /// Plays the acts of one opening after another; returns the status and what was dropped.
    fn played(openings: Vec<Vec<Act>>) -> (Status, u64) {
        let mut openings = openings.into_iter();
        let open = || match openings.next() {
            Some(acts) => {
                let acts = acts.into_iter();
                Ok(Box::new(Scripted { acts, about: About::default(), damaged: false })
                    as Box<dyn Source>)
            }
            None => Err(SourceError::Stopped),
        };
        let status = Status::new("cam".parse().unwrap(), &"script", Bell::default());
        let viewers = Viewers::default();
        run(open, &HandOver::default(), &viewers, &status, &Shutdown::new());
        (status, viewers.dropped.get())
    }

    #[test]
    fn what_ends_has_ended() {
        let (status, dropped) = played(vec![vec![Act::Picture, Act::End]]);
        assert_eq!(status.report(true).state, StreamState::Ended);
        assert_eq!(dropped, 0);
    }

    #[test]
    fn what_fails_is_offline_and_tried_again() {
        let (status, _) = played(vec![vec![Act::Picture, Act::Fail]]);
        assert_eq!(status.report(true).state, StreamState::Offline);
        assert_eq!(status.report(true).reason, "unplugged: /dev/video0");
        let (status, _) = played(vec![vec![Act::Fail], vec![Act::Picture, Act::End]]);
        assert_eq!(status.report(true).state, StreamState::Ended);
    }

    #[test]
    fn replaced_and_damaged_pictures_are_counted() {
        let (_, dropped) =
            played(vec![vec![Act::Picture, Act::Damaged, Act::Picture, Act::Picture]]);
        assert_eq!(dropped, 3);
    }
}
