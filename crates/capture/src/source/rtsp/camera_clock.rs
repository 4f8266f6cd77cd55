//! Capture times of frames by the camera's own clock. No clock: times are passed in.
//!
//! A camera stamps each frame by the clock of its RTP stream, which starts at a random number. The smallest difference of
//! arrival and RTP time gives the offset between both clocks, except for the constant part of the delay, which is unknown
//! and counts as zero. A frame that arrives later than the fastest of the last one or two minutes is that much older.

use std::time::Duration;

use fanlight_protocol::Timestamp;

use crate::frame::clock_offset::ClockOffset;

/// The greatest age of a frame at its arrival. No camera keeps more video than this for a slow connection.
const MAX_AGE: Duration = Duration::from_secs(10);
/// The most that the camera's two clocks may diverge between reports, in microseconds. If it is more, the date was set, or
/// the RTP timestamps do not follow the time.
const MAX_DIVERGENCE: i64 = 500_000;
/// The reports that are compared are at most this far apart, in microseconds: the clocks may differ by a quartz.
const COMPARED_WITHIN: i64 = 60_000_000;
/// The Unix epoch by NTP, in seconds since 1900.
const UNIX_EPOCH: i64 = 2_208_988_800;

/// Dates frames by the camera's clock, within one session.
#[derive(Debug)]
pub(super) struct CameraClock {
    offset: ClockOffset,
    /// The latest report, and the one that it is compared with.
    latest: Option<Report>,
    compared: Option<Report>,
    /// False while the RTP timestamps do not follow the time.
    is_steady: bool,
}

/// One moment by both clocks of the camera (RTCP sender report), in microseconds.
#[derive(Debug, Clone, Copy)]
struct Report {
    rtp: i64,
    /// Since the Unix epoch, by the camera's date.
    date: i64,
}

impl CameraClock {
    pub(super) fn new() -> Self {
        Self { offset: ClockOffset::default(), latest: None, compared: None, is_steady: true }
    }

    /// Notes a sender report: an RTP timestamp in microseconds, and the date at that moment as an NTP timestamp.
    pub(super) fn note_report(&mut self, rtp: i64, ntp: u64) {
        // Some cameras do not know the date.
        if ntp == 0 {
            return;
        }
        let (seconds, fraction) = ((ntp >> 32) as i64, (ntp & 0xffff_ffff) as i64);
        let date = (seconds - UNIX_EPOCH) * 1_000_000 + ((fraction * 1_000_000) >> 32);
        let report = Report { rtp, date };
        self.latest = Some(report);
        let before = *self.compared.get_or_insert(report);
        let passed = date - before.date;
        let is_steady = passed.abs_diff(rtp.saturating_sub(before.rtp)) <= MAX_DIVERGENCE as u64;
        if !is_steady || !self.is_steady || passed >= COMPARED_WITHIN {
            self.compared = Some(report);
        }
        if std::mem::replace(&mut self.is_steady, is_steady) != is_steady {
            self.offset = ClockOffset::default();
        }
    }

    /// Returns when a frame with this RTP timestamp, in microseconds, was captured: at most [`MAX_AGE`] before its arrival.
    pub(super) fn captured_at(&mut self, rtp: i64, arrived_at: Timestamp) -> Timestamp {
        if !self.is_steady {
            return arrived_at;
        }
        self.offset.note(rtp, arrived_at);
        let captured_at = self.offset.smallest().map_or(0, |offset| rtp.saturating_add(offset));
        let captured_at = Timestamp::from_micros(captured_at.max(0) as u64);
        let age = arrived_at.since(captured_at).min(MAX_AGE);
        arrived_at.offset(-(age.as_micros() as i64))
    }

    /// Returns the camera's date at an RTP timestamp in microseconds, if the camera has reported it.
    pub(super) fn own_time(&self, rtp: i64) -> Option<Timestamp> {
        let report = self.latest?;
        let date = report.date.saturating_add(rtp.saturating_sub(report.rtp));
        u64::try_from(date).ok().map(Timestamp::from_micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_700_000_000_000_000;
    /// The RTP timestamp of the first frame, in microseconds.
    const RTP: i64 = 77_000_000;
    const INTERVAL: i64 = 40_000;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(START).offset(micros)
    }

    /// The age at arrival, in milliseconds, of a frame captured after `time` microseconds whose RTP timestamp deviates by
    /// `deviation`, and which is delayed.
    fn age(clock: &mut CameraClock, time: i64, deviation: i64, delay: i64) -> i64 {
        let arrived_at = at(time + delay);
        let captured_at = clock.captured_at(RTP + time + deviation, arrived_at);
        assert!(captured_at <= arrived_at);
        arrived_at.micros_from(captured_at) / 1000
    }

    fn report(clock: &mut CameraClock, time: i64, rtp: i64, date: i64) {
        let micros = (START as i64 + date) as u64 + UNIX_EPOCH as u64 * 1_000_000;
        let ntp = ((micros / 1_000_000) << 32) | (((micros % 1_000_000) << 32) / 1_000_000);
        clock.note_report(RTP + time + rtp, ntp);
    }

    #[test]
    fn a_delayed_frame_is_old_and_a_constant_delay_is_not_known() {
        let mut clock = CameraClock::new();
        for frame in 0..100 {
            assert_eq!(age(&mut clock, frame * INTERVAL, 0, 30_000), 0);
        }
        let stall = |frame: i64| (100 + frame) * INTERVAL;
        for frame in 0..25 {
            let delay = 1_030_000 - frame * INTERVAL;
            assert_eq!(age(&mut clock, stall(frame), 0, delay), 1000 - frame * 40);
        }
        assert_eq!(age(&mut clock, stall(25), 0, 30_000), 0);
    }

    #[test]
    fn the_age_is_bounded() {
        let mut clock = CameraClock::new();
        age(&mut clock, 0, 0, 0);
        assert_eq!(age(&mut clock, INTERVAL, 0, 90_000_000), 10_000);
    }

    #[test]
    fn a_slow_quartz_adds_a_hundredth_of_a_second_at_most() {
        let mut clock = CameraClock::new();
        let ages = (0..20_000).map(|frame| {
            let time = frame * INTERVAL;
            age(&mut clock, time, -time / 20_000, 5_000)
        });
        assert!(ages.max().unwrap() <= 6);
    }

    #[test]
    fn after_a_jump_of_the_rtp_clock_frames_are_dated_by_their_arrival() {
        for jump in [-3_600_000_000, -700_000, 700_000, 3_600_000_000] {
            let mut clock = CameraClock::new();
            for frame in 0..50 {
                age(&mut clock, frame * INTERVAL, 0, 5_000);
            }
            for frame in 50..100 {
                assert_eq!(age(&mut clock, frame * INTERVAL, jump, 5_000), 0, "{jump}");
            }
        }
    }

    #[test]
    fn rtp_timestamps_that_do_not_follow_the_time_are_not_used_once_reports_show_it() {
        let mut clock = CameraClock::new();
        // They count half the time.
        let mut ages = Vec::new();
        for frame in 0..1000 {
            let time = frame * INTERVAL;
            if frame % 125 == 0 {
                report(&mut clock, time, -time / 2, time);
            }
            ages.push(age(&mut clock, time, -time / 2, 5_000));
        }
        assert!(ages[..125].iter().all(|age| *age < 2_500));
        assert!(ages[125..].iter().all(|age| *age == 0));
    }

    #[test]
    fn a_change_of_the_date_suspends_the_clock_until_the_next_report() {
        let mut clock = CameraClock::new();
        for (second, date, expected) in [(0, 0, 100), (5, 0, 100), (10, 3600, 0), (15, 3600, 100)] {
            let time = second * 1_000_000;
            report(&mut clock, time, 0, time + date * 1_000_000);
            age(&mut clock, time, 0, 5_000);
            assert_eq!(age(&mut clock, time + INTERVAL, 0, 105_000), expected, "{second}");
            let own = clock.own_time(RTP + time + INTERVAL).unwrap();
            assert!(own.micros_from(at(time + INTERVAL + date * 1_000_000)).abs() <= 1);
        }
    }

    #[test]
    fn a_camera_without_a_date_has_no_time_of_its_own() {
        let mut clock = CameraClock::new();
        clock.note_report(RTP, 0);
        assert_eq!(clock.own_time(RTP), None);
        clock.note_report(RTP, 5 << 32);
        assert_eq!(clock.own_time(RTP), None, "long before 1970");
    }
}
