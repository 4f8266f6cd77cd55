//! The source's own H.264 since its last entry point: the units that a new viewer or decoder needs before the next one.
//! No clock: frames bring their times.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use fanlight_protocol::Timestamp;

use crate::frame::{AccessUnit, CaptureTimes};

/// Limits of the units kept for decoding: a burst of 600 frames is decoded in half a second.
const MAX_BYTES: usize = 16 * 1024 * 1024;
const MAX_UNITS: usize = 600;
/// Limits of the units sent to a new viewer: relays keep no more than this either.
const MAX_SENT_BYTES: usize = 4 * 1024 * 1024;
const MAX_SENT_SPAN: Duration = Duration::from_secs(3);
/// Longest keyframe interval for passthrough. A viewer that lost a frame waits for the next keyframe, which cannot be
/// requested from a camera. Four seconds are acceptable, and no camera is exact.
pub(crate) const MAX_KEYFRAME_INTERVAL: Duration = Duration::from_millis(4_500);
/// A longer step between two frames is a pause or an outage, and says nothing about keyframes.
const MAX_STEP: Duration = Duration::from_millis(500);

/// One access unit.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) data: Arc<AccessUnit>,
    pub(super) times: CaptureTimes,
    /// Number of the unit over all openings of the source. A gap means that a unit is missing.
    pub(super) index: u64,
}

/// The units that a decoder needs next.
#[derive(Debug)]
pub(super) enum Units {
    /// The units that follow the last one it decoded.
    Following(Vec<Unit>),
    /// All units since the entry point, for a decoder that begins.
    FromEntry(Vec<Unit>),
    /// The decoder must wait for the next entry point.
    NoEntry,
    /// No unit is stored.
    Empty,
}

/// The units since the last entry point.
#[derive(Debug, Default)]
pub(super) struct Gop {
    units: VecDeque<Unit>,
    bytes: usize,
    /// The last unit: its index, and its number as counted by the source.
    last: Option<(u64, u64)>,
    /// Set while the entry point and all units after it are stored.
    complete: bool,
    /// Time of capture of the last unit.
    last_at: Timestamp,
    /// Durations since the last keyframe and since the entry point, without pauses.
    since_keyframe: Duration,
    since_entry: Duration,
    sparse: bool,
}

impl Gop {
    /// Stores a unit. Also returns whether keyframes have just turned out to be too far apart for passthrough.
    pub(super) fn push(&mut self, data: Arc<AccessUnit>, times: CaptureTimes) -> (Unit, bool) {
        let (index, follows) = match self.last {
            Some((index, number)) if data.number == number + 1 => (index + 1, true),
            Some((index, _)) => (index + 2, false),
            None => (0, false),
        };
        self.last = Some((index, data.number));
        let step = times.captured_at.since(self.last_at).min(MAX_STEP);
        self.last_at = times.captured_at;
        self.since_entry += step;
        if !follows {
            // The source was opened again, or units were lost: the keyframe interval is unknown.
            (self.since_keyframe, self.sparse) = (Duration::ZERO, false);
        }
        if data.entry || !follows {
            self.clear();
            (self.complete, self.since_entry) = (data.entry, Duration::ZERO);
        }
        let turned_sparse = self.measure_interval(&data, step);
        self.bytes += data.bytes.len();
        let unit = Unit { data, times, index };
        self.units.push_back(unit.clone());
        while self.bytes > MAX_BYTES || self.units.len() > MAX_UNITS {
            let Some(oldest) = self.units.pop_front() else { break };
            self.bytes -= oldest.data.bytes.len();
            self.complete = false;
        }
        (unit, turned_sparse)
    }

    fn measure_interval(&mut self, data: &AccessUnit, step: Duration) -> bool {
        self.since_keyframe += step;
        let too_long = self.since_keyframe > MAX_KEYFRAME_INTERVAL;
        if data.keyframe {
            self.since_keyframe = Duration::ZERO;
        }
        too_long && !std::mem::replace(&mut self.sparse, true)
    }

    /// Releases all units, because the source is closed.
    pub(super) fn clear(&mut self) {
        self.units.clear();
        self.bytes = 0;
        self.complete = false;
    }

    /// Returns whether keyframes are too far apart for passthrough.
    pub(super) fn is_sparse(&self) -> bool {
        self.sparse
    }

    /// Returns whether a decoder can begin with the stored units.
    pub(super) fn has_entry(&self) -> bool {
        self.complete
    }

    /// Returns whether the units since the entry point are about to exceed the limits, or do so, so that only a decoder
    /// that follows all units can decode the next ones.
    pub(super) fn is_outgrown(&self) -> bool {
        !self.complete || self.units.len() > MAX_UNITS / 2 || self.bytes > MAX_BYTES / 2
    }

    /// Returns the units for a decoder that has decoded all before this index, or none yet.
    pub(super) fn since(&self, index: Option<u64>) -> Units {
        let Some(first) = self.units.front().map(|unit| unit.index) else { return Units::Empty };
        match index.and_then(|index| index.checked_sub(first)) {
            Some(known) if known <= self.units.len() as u64 => {
                Units::Following(self.units.iter().skip(known as usize).cloned().collect())
            }
            _ if self.complete => Units::FromEntry(self.units.iter().cloned().collect()),
            _ => Units::NoEntry,
        }
    }

    /// Returns the units that a new viewer is sent to continue with the next one. `None` if they are incomplete or
    /// exceed the limits.
    pub(super) fn for_new_viewer(&self) -> Option<impl Iterator<Item = &Unit>> {
        let first = self.units.front()?;
        let fits = self.complete
            && first.data.keyframe
            && self.bytes <= MAX_SENT_BYTES
            && self.since_entry <= MAX_SENT_SPAN;
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
        let times = CaptureTimes { captured_at, read_at: captured_at };
        let bytes = vec![0; length];
        let data = AccessUnit { bytes, number, keyframe, entry: keyframe, width: 64, height: 48 };
        gop.push(Arc::new(data), times).1
    }

    /// Ten units a second, of which each `every`th is a keyframe.
    fn gop(units: u64, every: u64, length: usize) -> Gop {
        let mut gop = Gop::default();
        for n in 0..units {
            push(&mut gop, n, n % every == 0, length);
        }
        gop
    }

    fn since(gop: &Gop, number: Option<u64>) -> Option<(Vec<u64>, bool)> {
        let (units, from_entry) = match gop.since(number) {
            Units::Following(units) => (units, false),
            Units::FromEntry(units) => (units, true),
            Units::NoEntry | Units::Empty => return None,
        };
        Some((units.iter().map(|unit| unit.data.number).collect(), from_entry))
    }

    #[test]
    fn a_decoder_gets_the_units_that_follow_its_last_one_or_else_all_since_the_keyframe() {
        let gop = gop(14, 10, 1);
        assert_eq!(since(&gop, Some(12)), Some((vec![12, 13], false)));
        assert_eq!(since(&gop, Some(14)), Some((vec![], false)));
        assert_eq!(since(&gop, None), Some((vec![10, 11, 12, 13], true)));
        assert_eq!(since(&gop, Some(7)), Some((vec![10, 11, 12, 13], true)), "it fell behind");
        assert_eq!(
            since(&gop, Some(99)),
            Some((vec![10, 11, 12, 13], true)),
            "it followed another source"
        );
    }

    #[test]
    fn after_a_gap_no_decoder_continues_before_the_next_keyframe() {
        let mut gop = gop(3, 10, 1);
        push(&mut gop, 4, false, 1);
        assert_eq!(since(&gop, Some(3)), None);
        assert!(gop.for_new_viewer().is_none());
        push(&mut gop, 5, true, 1);
        assert_eq!(since(&gop, None), Some((vec![5], true)));
    }

    #[test]
    fn a_source_that_is_opened_again_does_not_continue_the_numbers_of_before() {
        let mut gop = gop(7, 10, 1);
        for n in 0..9 {
            push(&mut gop, n, n == 2, 1);
        }
        // Its numbers restart: its seventh unit is not the one that a decoder of the first seven waits for.
        assert_eq!(since(&gop, Some(7)), Some(((2..9).collect(), true)));
    }

    #[test]
    fn stored_units_are_limited_and_a_decoder_that_follows_continues() {
        let long = gop(2_000, 10_000, 1);
        assert_eq!(long.units.len(), MAX_UNITS);
        assert_eq!(since(&long, Some(1_999)), Some((vec![1_999], false)));
        assert_eq!(since(&long, None), None);
        let heavy = gop(10, 100, MAX_BYTES / 4);
        assert_eq!((heavy.units.len(), heavy.complete), (4, false));
        assert!(!gop(300, 1_000, 1).is_outgrown() && gop(301, 1_000, 1).is_outgrown());
        assert!(long.is_outgrown() && gop(4, 100, MAX_BYTES / 6).is_outgrown());
    }

    #[test]
    fn a_new_viewer_is_sent_three_seconds_at_most() {
        assert_eq!(gop(21, 100, 10).for_new_viewer().map(Iterator::count), Some(21));
        assert!(gop(40, 100, 10).for_new_viewer().is_none());
        assert!(gop(5, 100, MAX_SENT_BYTES / 4).for_new_viewer().is_none());
    }

    #[test]
    fn keyframes_that_are_too_far_apart_are_reported_once() {
        assert!(!gop(200, 45, 1).is_sparse());
        let mut gop = Gop::default();
        let reported: Vec<u64> = (0..200).filter(|&n| push(&mut gop, n, n % 60 == 0, 1)).collect();
        assert_eq!(reported, [46]);
        assert!(gop.is_sparse());
    }

    #[test]
    fn a_pause_or_an_outage_says_nothing_about_keyframes() {
        let mut paused = gop(20, 100, 1);
        // The numbers continue an hour later.
        assert!(!push_at(&mut paused, 20, 36_000, false, 1) && !paused.is_sparse());
        assert!(paused.for_new_viewer().is_some());
        let mut reopened = gop(100, 1_000, 1);
        assert!(reopened.is_sparse());
        push(&mut reopened, 0, true, 1);
        assert!(!reopened.is_sparse(), "it may be another camera");
    }
}
