//! Late tracks: detects frames that are old when they arrive, and the stage of the path that delayed them. No clock:
//! times are passed in.
//!
//! Only the arrival at the relay counts. A viewer that is delayed by choice (`buffer`) or by its link is not late.

use std::time::Duration;

use fanlight_protocol::{FrameTimes, Timestamp};

/// A frame of at least this age is late. A keyframe on a busy link or a stumbling encoder costs some hundred
/// milliseconds; a picture this old shown as live would mislead its viewer.
pub const LATE: Duration = Duration::from_secs(2);
/// Only frames younger than this end the lateness. Between the two thresholds nothing changes, so that a link at its
/// limit does not flap.
pub const IN_TIME: Duration = Duration::from_secs(1);
/// A track is late once all frames have been old for this long. Capture replays a GOP of up to 3 s to a late joiner,
/// and a machine that paused has old frames; both are through within this time.
const LATE_AFTER: Duration = Duration::from_secs(1);
/// A track is in time again once all frames have been young for this long: the same as for a slow viewer.
const IN_TIME_AFTER: Duration = Duration::from_secs(3);
/// Shortest interval between updates of the age in the reason, and the smallest change that is worth one.
const UPDATE_EVERY: Duration = Duration::from_secs(2);
const UPDATE_BY: Duration = Duration::from_millis(500);

/// The timestamps of a frame on its way to this relay, by the relay's clock.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// The times at which it was captured, read and published.
    pub times: FrameTimes,
    /// The arrival time.
    pub received_at: Timestamp,
}

/// A stage of the path from the camera to this relay, as the page's latency breakdown names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The way from the camera into capture: from `captured_at` to `read_at`.
    Capture,
    /// Decoding, scaling and encoding in capture: from `read_at` to `published_at`.
    Encode,
    /// The way from capture to this relay: from `published_at` to `received_at`.
    Bus,
}

/// The lateness of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Late {
    /// The time at which the track became late.
    pub since: Timestamp,
    /// The age of its frames on arrival.
    pub age: Duration,
    /// The slowest stage.
    pub stage: Stage,
}

impl Late {
    /// Returns the reason for people.
    pub fn reason(&self) -> String {
        let why = match self.stage {
            Stage::Capture => "capture is slow (the camera or its connection)",
            Stage::Encode => "encoding is slow (capture's machine cannot keep up)",
            Stage::Bus => "the bus is slow (the connection to capture cannot sustain this stream)",
        };
        format!("frames reach this relay {:.1} s old: {why}", self.age.as_secs_f64())
    }
}

/// Detects the lateness of one track from its arrivals.
#[derive(Debug, Default)]
pub struct Lateness {
    late: Option<Late>,
    /// The time from which on all frames indicate a change; `None` if the last one does not.
    changing_since: Option<Timestamp>,
    updated_at: Timestamp,
}

impl Lateness {
    /// Returns the lateness; `None` while frames are in time.
    pub fn late(&self) -> Option<Late> {
        self.late
    }

    /// Records an arrival. Returns whether the displayed lateness changed.
    pub fn note(&mut self, arrival: Arrival) -> bool {
        let now = arrival.received_at;
        let age = now.since(arrival.times.captured_at);
        let (indicates_change, hold) = match self.late {
            None => (age >= LATE, LATE_AFTER),
            Some(_) => (age < IN_TIME, IN_TIME_AFTER),
        };
        if !indicates_change {
            self.changing_since = None;
            return self.update(arrival, age);
        }
        let since = *self.changing_since.get_or_insert(now);
        if now.since(since) < hold {
            return false;
        }
        self.changing_since = None;
        self.updated_at = now;
        self.late = match self.late {
            None => Some(Late { since, age, stage: longest_stage(arrival) }),
            Some(_) => None,
        };
        true
    }

    fn update(&mut self, arrival: Arrival, age: Duration) -> bool {
        let Some(late) = &mut self.late else { return false };
        let stage = longest_stage(arrival);
        let changed = stage != late.stage || age.abs_diff(late.age) >= UPDATE_BY;
        if !changed || arrival.received_at.since(self.updated_at) < UPDATE_EVERY {
            return false;
        }
        (late.age, late.stage, self.updated_at) = (age, stage, arrival.received_at);
        true
    }
}

fn longest_stage(arrival: Arrival) -> Stage {
    let Arrival { times: FrameTimes { captured_at, read_at, published_at }, received_at } = arrival;
    let stages = [
        (received_at.since(published_at), Stage::Bus),
        (read_at.since(captured_at), Stage::Capture),
        (published_at.since(read_at), Stage::Encode),
    ];
    stages.into_iter().max_by_key(|(duration, _)| *duration).map_or(Stage::Bus, |(_, stage)| stage)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame that arrived `at` milliseconds after the start, with these milliseconds on each stage.
    fn arrival(at: u64, [capture, encode, bus]: [u64; 3]) -> Arrival {
        let time = |millis: u64| Timestamp::from_micros(1_000_000_000_000 + 1000 * millis);
        let at = at + 100_000;
        let times = FrameTimes {
            captured_at: time(at - bus - encode - capture),
            read_at: time(at - bus - encode),
            published_at: time(at - bus),
        };
        Arrival { times, received_at: time(at) }
    }

    /// Records 25 frames a second from `begin` to `end`, all of this age, and returns how often something changed.
    fn flow(lateness: &mut Lateness, begin: u64, end: u64, age: u64) -> usize {
        let frames = (begin..end).step_by(40).map(|at| arrival(at, [1, 5, age]));
        frames.filter(|frame| lateness.note(*frame)).count()
    }

    #[test]
    fn a_link_that_fills_up_makes_the_track_late_and_names_itself() {
        let mut lateness = Lateness::default();
        for frame in 0..250 {
            // The age grows by half of the time that passes.
            lateness.note(arrival(frame * 40, [10, 20, frame * 20]));
        }
        let late = lateness.late().unwrap();
        assert_eq!(late.stage, Stage::Bus);
        let shown = late.age.as_secs_f64();
        assert!((3.9..=5.1).contains(&shown), "the current age: {shown}");
        let words = late.reason();
        assert!(
            words.starts_with("frames reach this relay ")
                && words.ends_with(
                    "the bus is slow (the connection to capture cannot sustain this stream)"
                ),
            "{words}"
        );
    }

    #[test]
    fn the_slow_stage_is_named() {
        for (stages, expected) in [
            ([3000, 10, 10], Stage::Capture),
            ([10, 3000, 10], Stage::Encode),
            ([1000, 1000, 1001], Stage::Bus),
        ] {
            let mut lateness = Lateness::default();
            let changes = (0..50).filter(|frame| lateness.note(arrival(frame * 40, stages)));
            assert_eq!(changes.count(), 1);
            assert_eq!(lateness.late().map(|late| late.stage), Some(expected));
        }
    }

    #[test]
    fn a_burst_of_old_frames_is_not_late() {
        let mut lateness = Lateness::default();
        for frame in 0..90 {
            // Capture replays three seconds of frames within 900 ms.
            lateness.note(arrival(frame * 10, [3000 - 33 * frame, 1, 1]));
        }
        assert_eq!(flow(&mut lateness, 900, 60_000, 20), 0);
        assert_eq!(lateness.late(), None);
    }

    #[test]
    fn a_link_at_its_limit_does_not_flap() {
        let mut lateness = Lateness::default();
        assert_eq!(flow(&mut lateness, 0, 2000, 2100), 1);
        let mut changes = 0;
        for second in 2..120 {
            // The age varies around the threshold, and one second in four is young.
            let age = [1900, 2100, 1500, 900][second as usize % 4];
            let was = lateness.late().is_some();
            flow(&mut lateness, second * 1000, second * 1000 + 1000, age);
            changes += usize::from(was != lateness.late().is_some());
        }
        assert_eq!(changes, 0);
    }

    #[test]
    fn a_track_is_in_time_again_after_three_seconds_of_young_frames() {
        let mut lateness = Lateness::default();
        flow(&mut lateness, 0, 2000, 8000);
        flow(&mut lateness, 2000, 4900, 50);
        assert!(lateness.late().is_some());
        flow(&mut lateness, 4900, 5200, 50);
        assert_eq!(lateness.late(), None);
    }

    #[test]
    fn the_age_in_the_reason_changes_at_most_every_two_seconds() {
        let mut lateness = Lateness::default();
        let mut changes = 0;
        for frame in 0..1500 {
            changes += usize::from(lateness.note(arrival(frame * 40, [1, 1, 2000 + frame * 40])));
        }
        assert!((25..=31).contains(&changes), "{changes} in 60 s");
    }

    #[test]
    fn a_camera_of_one_frame_in_five_seconds_is_late_with_its_second_old_frame() {
        let mut lateness = Lateness::default();
        assert!(!lateness.note(arrival(0, [1, 1, 3000])));
        assert!(lateness.note(arrival(5000, [1, 1, 3000])));
    }
}
