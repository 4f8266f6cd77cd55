//! Selection of the source's own H.264 frames for the full H.264 track, so that no viewer is sent a frame whose
//! predecessor is missing.

use crate::pipeline::gop::{Gop, Unit, Units};

/// The position of the track in the source's H.264.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// No frame was sent since the track was first watched.
    #[default]
    Start,
    /// All frames before this index were sent, since a keyframe.
    Next(u64),
    /// A frame was missed.
    Broken,
}

/// A track that catches up is sent this many frames per frame of the source: the queue of a subscriber is bounded, and
/// frames of other streams must pass too (the bus's high-water mark is 32 at least).
const MAX_CATCH_UP: usize = 8;

/// The progress of one watched track: the frames that it was sent, and those that it still has to get.
#[derive(Debug, Default)]
pub(super) struct Progress {
    position: Position,
    /// Index of the first frame that was read while the track was watched.
    began: Option<u64>,
    /// Number of frames read since then that are neither sent nor counted yet.
    owed: u64,
}

impl Progress {
    /// Sends the track the frames that it needs after `newest` was read. `send` returns false if the bus did not take a
    /// frame, which the bus then has counted. Returns the number of frames that the track will never get because an
    /// earlier one is missing.
    pub(super) fn advance(
        &mut self,
        gop: &Gop,
        newest: &Unit,
        mut send: impl FnMut(&Unit) -> bool,
    ) -> u64 {
        let began = *self.began.get_or_insert(newest.index);
        self.owed += 1;
        let (mut last, mut all) = (None, true);
        for unit in self.position.step(gop, newest) {
            let sent = send(&unit);
            if unit.index >= began {
                self.owed = self.owed.saturating_sub(1);
            }
            if !sent {
                all = false;
                break;
            }
            last = Some(unit.index);
        }
        self.position = self.position.after(last, all);
        let pending = match self.position {
            Position::Next(next) => (newest.index + 1).saturating_sub(next.max(began)),
            Position::Start | Position::Broken => 0,
        };
        let withheld = self.owed.saturating_sub(pending);
        self.owed -= withheld;
        withheld
    }

    /// Returns whether the track gets no frame before the next keyframe.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.position, Position::Start | Position::Broken)
    }
}

impl Position {
    /// Returns the frames to send after the newest one was read: none, the newest one, or for a new viewer all since
    /// the keyframe, a few at a time.
    fn step(self, gop: &Gop, newest: &Unit) -> Vec<Unit> {
        if newest.data.keyframe {
            return vec![newest.clone()];
        }
        match self {
            Self::Start => gop
                .for_new_viewer()
                .map(|units| units.take(MAX_CATCH_UP).cloned().collect())
                .unwrap_or_default(),
            Self::Next(next) => match gop.since(Some(next)) {
                Units::Following(units) => units.into_iter().take(MAX_CATCH_UP).collect(),
                _ => Vec::new(),
            },
            Self::Broken => Vec::new(),
        }
    }

    /// Returns the position after that: `last` is the index of the last frame sent, `all` states whether each was sent.
    fn after(self, last: Option<u64>, all: bool) -> Self {
        match (self, last, all) {
            (_, Some(index), true) => Self::Next(index + 1),
            (Self::Start, None, true) => Self::Start,
            _ => Self::Broken,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fanlight_protocol::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::frame::{AccessUnit, CaptureTimes};

    fn push(gop: &mut Gop, number: u64, keyframe: bool) -> Unit {
        let captured_at = Timestamp::from_micros(number * 33_000);
        let times = CaptureTimes { captured_at, read_at: captured_at };
        let data = AccessUnit {
            bytes: vec![0; 10],
            number,
            keyframe,
            entry: keyframe,
            width: 2,
            height: 2,
        };
        gop.push(Arc::new(data), times).0
    }

    proptest! {
        /// Frames are read and some are missing; the track is watched or not, and the bus takes them or not.
        #[test]
        fn no_viewer_is_sent_a_frame_without_its_predecessor_and_each_missing_frame_is_counted(
            plays in proptest::collection::vec((0..30u8, 0..20u8, 0..20u8, any::<bool>()), 1..400),
        ) {
            let (mut gop, mut progress, mut watched, mut number) = (Gop::default(), Progress::default(), false, 0);
            let mut decoded: Option<u64> = None;
            // Counts of the frames that were read while the track was watched.
            let (mut read, mut accounted, mut first) = (0, 0, None);
            for (key, missing, toggled, accepts) in plays {
                number += 1 + u64::from(missing == 0);
                if toggled == 0 {
                    watched = !watched;
                    (progress, decoded) = (Progress::default(), None);
                    (read, accounted, first) = (0, 0, None);
                }
                if toggled == 1 {
                    // The source is opened again.
                    number = 0;
                }
                let newest = push(&mut gop, number, key == 0);
                if !watched {
                    continue;
                }
                read += 1;
                let first = *first.get_or_insert(newest.index);
                let mut wrong = None;
                let withheld = progress.advance(&gop, &newest, |Unit { data, index, .. }| {
                    accounted += u64::from(*index >= first);
                    if !accepts && index % 7 == 0 {
                        return false;
                    }
                    if !data.keyframe && decoded.map(|last| last + 1) != Some(*index) {
                        wrong = Some((*index, decoded));
                    }
                    decoded = Some(*index);
                    true
                });
                prop_assert_eq!(wrong, None);
                accounted += withheld;
                prop_assert_eq!(accounted + progress.owed, read);
                if !matches!(progress.position, Position::Next(_)) {
                    prop_assert_eq!(progress.owed, 0);
                }
            }
        }
    }

    #[test]
    fn a_new_viewer_is_sent_all_since_the_keyframe_a_few_at_a_time_and_then_each_frame() {
        let mut gop = Gop::default();
        (0..20).for_each(|n| drop(push(&mut gop, n, n == 0)));
        let (mut progress, mut sent) = (Progress::default(), Vec::new());
        for number in 20..30 {
            let newest = push(&mut gop, number, false);
            let before = sent.len();
            let withheld = progress.advance(&gop, &newest, |unit| {
                sent.push(unit.data.number);
                true
            });
            assert_eq!(withheld, 0);
            assert!((1..=MAX_CATCH_UP).contains(&(sent.len() - before)));
        }
        assert!(sent.into_iter().eq(0..30));
        assert_eq!((progress.position, progress.owed), (Position::Next(30), 0));
    }

    #[test]
    fn after_a_gap_frames_are_counted_and_not_sent_until_the_next_keyframe() {
        let mut gop = Gop::default();
        let mut progress = Progress::default();
        let mut step = |number, keyframe| {
            let newest = push(&mut gop, number, keyframe);
            let mut sent = 0;
            let withheld = progress.advance(&gop, &newest, |_| {
                sent += 1;
                true
            });
            (sent, withheld, progress.position)
        };
        assert_eq!(step(0, true), (1, 0, Position::Next(1)));
        assert_eq!(step(2, false), (0, 1, Position::Broken));
        assert_eq!(step(3, false), (0, 1, Position::Broken));
        assert!(matches!(step(4, true), (1, 0, Position::Next(_))));
    }

    #[test]
    fn frames_with_which_a_new_viewer_cannot_begin_are_counted() {
        let mut gop = Gop::default();
        // The keyframe is older than the units sent to a new viewer.
        (0..120).for_each(|n| drop(push(&mut gop, n, n == 0)));
        let mut progress = Progress::default();
        for number in 120..125 {
            let newest = push(&mut gop, number, false);
            assert_eq!(progress.advance(&gop, &newest, |_| panic!("nothing can be sent")), 1);
            assert!(progress.is_waiting());
        }
        let newest = push(&mut gop, 125, true);
        assert_eq!(progress.advance(&gop, &newest, |unit| unit.data.keyframe), 0);
        assert!(!progress.is_waiting());
    }
}
