//! The source's own H.264 since its last entry: what whoever comes needs before what comes next. No clock: pictures bring
//! their moments.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use fanlight_protocol::Timestamp;

use crate::frame::{AccessUnit, CaptureTimes};

/// Bounds of what is kept for decoding: a burst of so many pictures is decoded in half a second.
const MOST_BYTES: usize = 16 * 1024 * 1024;
const MOST_PICTURES: usize = 600;
/// Bounds of what is sent on to whoever comes: relays hold no more than this either.
const SENT_BYTES: usize = 4 * 1024 * 1024;
const SENT_SPAN: Duration = Duration::from_secs(3);
/// Whoever lost a frame waits for the next keyframe, which of a camera cannot be asked for. Four seconds are bearable, and
/// no camera is exact.
const BEARABLE: Duration = Duration::from_millis(4_500);
/// A longer step from picture to picture is a pause or a hold-up, which says nothing of keyframes.
const LONGEST_STEP: Duration = Duration::from_millis(500);

/// One picture of it.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) coded: Arc<AccessUnit>,
    pub(super) taken: CaptureTimes,
    /// Counts pictures over all openings of the source. Where it jumps, one is missing.
    pub(super) index: u64,
}

/// Pictures since the last entry.
#[derive(Debug, Default)]
pub(super) struct Gop {
    units: VecDeque<Unit>,
    bytes: usize,
    /// The last one that came: its index, and its number by the source's count.
    last: Option<(u64, u64)>,
    /// The entry itself is still there, and all after it.
    whole: bool,
    /// When the last one was captured.
    last_at: Timestamp,
    /// How long pictures have come since the last keyframe, and since the entry, without pauses.
    since_keyframe: Duration,
    since_entry: Duration,
    sparse: bool,
}

impl Gop {
    /// Takes in the newest picture. Also says whether keyframes have just turned out to be too far apart.
    pub(super) fn push(&mut self, coded: Arc<AccessUnit>, taken: CaptureTimes) -> (Unit, bool) {
        let (index, follows) = match self.last {
            Some((index, number)) if coded.number == number + 1 => (index + 1, true),
            Some((index, _)) => (index + 2, false),
            None => (0, false),
        };
        self.last = Some((index, coded.number));
        let step = taken.captured_at.since(self.last_at).min(LONGEST_STEP);
        self.last_at = taken.captured_at;
        self.since_entry += step;
        if !follows {
            // Another opening of the source, or what came between was lost: nothing is known of keyframes.
            (self.since_keyframe, self.sparse) = (Duration::ZERO, false);
        }
        if coded.entry || !follows {
            self.clear();
            (self.whole, self.since_entry) = (coded.entry, Duration::ZERO);
        }
        let turned = self.look_at_distance(&coded, step);
        self.bytes += coded.bytes.len();
        let unit = Unit { coded, taken, index };
        self.units.push_back(unit.clone());
        while self.bytes > MOST_BYTES || self.units.len() > MOST_PICTURES {
            let Some(oldest) = self.units.pop_front() else { break };
            self.bytes -= oldest.coded.bytes.len();
            self.whole = false;
        }
        (unit, turned)
    }

    fn look_at_distance(&mut self, coded: &AccessUnit, step: Duration) -> bool {
        self.since_keyframe += step;
        let too_far = self.since_keyframe > BEARABLE;
        if coded.keyframe {
            self.since_keyframe = Duration::ZERO;
        }
        too_far && !std::mem::replace(&mut self.sparse, true)
    }

    /// Lets go of all pictures; the source is closed.
    pub(super) fn clear(&mut self) {
        self.units.clear();
        self.bytes = 0;
        self.whole = false;
    }

    /// Whether no picture is stored.
    pub(super) fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// Whether keyframes are further apart than whoever lost a frame can wait.
    pub(super) fn is_sparse(&self) -> bool {
        self.sparse
    }

    /// What a decoder needs that has decoded all before this index: what came since, or all from the entry on, which is
    /// then said. `None` where it must wait for the next entry.
    pub(super) fn since(&self, index: Option<u64>) -> Option<(Vec<Unit>, bool)> {
        let first = self.units.front()?.index;
        match index.and_then(|index| index.checked_sub(first)) {
            Some(known) if known <= self.units.len() as u64 => {
                Some((self.units.iter().skip(known as usize).cloned().collect(), false))
            }
            _ if self.whole => Some((self.units.iter().cloned().collect(), true)),
            _ => None,
        }
    }

    /// What whoever comes is sent at once, to go on with what comes next. `None` where that is too much, or not whole.
    pub(super) fn for_newcomers(&self) -> Option<impl Iterator<Item = &Unit>> {
        let first = self.units.front()?;
        let fits = self.whole
            && first.coded.keyframe
            && self.bytes <= SENT_BYTES
            && self.since_entry <= SENT_SPAN;
        fits.then(|| self.units.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(gop: &mut Gop, number: u64, keyframe: bool, length: usize) -> bool {
        push_at(gop, number, number, keyframe, length)
    }

    /// The same at this tenth of a second.
    fn push_at(gop: &mut Gop, number: u64, tenth: u64, keyframe: bool, length: usize) -> bool {
        let captured_at = Timestamp::from_micros(1_000_000 + tenth * 100_000);
        let taken = CaptureTimes { captured_at, read_at: captured_at };
        let bytes = vec![0; length];
        let coded = AccessUnit { bytes, number, keyframe, entry: keyframe, width: 64, height: 48 };
        gop.push(Arc::new(coded), taken).1
    }

    /// Ten pictures a second, a keyframe every so many.
    fn gop(pictures: u64, every: u64, length: usize) -> Gop {
        let mut gop = Gop::default();
        for n in 0..pictures {
            push(&mut gop, n, n % every == 0, length);
        }
        gop
    }

    fn since(gop: &Gop, number: Option<u64>) -> Option<(Vec<u64>, bool)> {
        let (units, anew) = gop.since(number)?;
        Some((units.iter().map(|unit| unit.coded.number).collect(), anew))
    }

    #[test]
    fn a_decoder_that_follows_is_given_what_came_since_and_another_one_all_from_the_keyframe_on() {
        let gop = gop(14, 10, 1);
        assert_eq!(since(&gop, Some(12)), Some((vec![12, 13], false)));
        assert_eq!(since(&gop, Some(14)), Some((vec![], false)));
        assert_eq!(since(&gop, None), Some((vec![10, 11, 12, 13], true)));
        assert_eq!(since(&gop, Some(7)), Some((vec![10, 11, 12, 13], true)), "it fell behind");
        assert_eq!(since(&gop, Some(99)), Some((vec![10, 11, 12, 13], true)), "another source");
    }

    #[test]
    fn where_one_is_missing_nobody_goes_on_before_the_next_keyframe() {
        let mut gop = gop(3, 10, 1);
        push(&mut gop, 4, false, 1);
        assert_eq!(since(&gop, Some(3)), None);
        assert!(gop.for_newcomers().is_none());
        push(&mut gop, 5, true, 1);
        assert_eq!(since(&gop, None), Some((vec![5], true)));
    }

    #[test]
    fn a_source_opened_anew_is_not_what_was_followed_before() {
        let mut gop = gop(7, 10, 1);
        for n in 0..9 {
            push(&mut gop, n, n == 2, 1);
        }
        // Numbers begin again, and the seventh is not the one that a decoder waits for which knows the first seven.
        assert_eq!(since(&gop, Some(7)), Some(((2..9).collect(), true)));
    }

    #[test]
    fn what_is_kept_is_bounded_and_whoever_follows_goes_on() {
        let long = gop(2_000, 10_000, 1);
        assert_eq!(long.units.len(), MOST_PICTURES);
        assert_eq!(since(&long, Some(1_999)), Some((vec![1_999], false)));
        assert_eq!(since(&long, None), None);
        let heavy = gop(10, 100, MOST_BYTES / 4);
        assert_eq!((heavy.units.len(), heavy.whole), (4, false));
    }

    #[test]
    fn newcomers_are_sent_three_seconds_at_most() {
        assert_eq!(gop(21, 100, 10).for_newcomers().map(Iterator::count), Some(21));
        assert!(gop(40, 100, 10).for_newcomers().is_none());
        assert!(gop(5, 100, SENT_BYTES / 4).for_newcomers().is_none());
    }

    #[test]
    fn keyframes_too_far_apart_are_told_once() {
        assert!(!gop(200, 45, 1).is_sparse());
        let mut gop = Gop::default();
        let told: Vec<u64> = (0..200).filter(|&n| push(&mut gop, n, n % 60 == 0, 1)).collect();
        assert_eq!(told, [46]);
        assert!(gop.is_sparse());
    }

    #[test]
    fn a_pause_and_an_outage_say_nothing_of_keyframes() {
        let mut paused = gop(20, 100, 1);
        // Numbers go on, an hour later.
        assert!(!push_at(&mut paused, 20, 36_000, false, 1) && !paused.is_sparse());
        assert!(paused.for_newcomers().is_some());
        let mut anew = gop(100, 1_000, 1);
        assert!(anew.is_sparse());
        push(&mut anew, 0, true, 1);
        assert!(!anew.is_sparse(), "it may be another camera");
    }
}
