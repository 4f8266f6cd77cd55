//! Plausibility of values from the bus: the only place where they are checked before they are used in a computation.
//!
//! A publisher may be broken or hostile. An implausible value is replaced by a harmless one and counted by its kind. A
//! malformed message is rejected earlier, in `fanlight_protocol`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fanlight_protocol::catalog::Catalog;
use fanlight_protocol::frame::MAX_DIMENSION;
use fanlight_protocol::{FrameTimes, Timestamp, TrackEntry};

/// The highest plausible age of a received frame. A link of 64 kbit/s takes this long to drain the queues of ZeroMQ and the
/// kernel.
const MAX_AGE: Duration = Duration::from_secs(600);
/// The furthest plausible time in the future: more than the error of a clock measured over a congested link.
const MAX_AHEAD: Duration = Duration::from_secs(10);
/// The highest plausible age of a state: longer than any publisher runs.
const MAX_SINCE: Duration = Duration::from_secs(10 * 365 * 86_400);
/// Frames per thousand seconds: 1000 per second, more than any camera has.
const MAX_MILLIFPS: u32 = 1_000_000;
/// Bits per second of one track: more than any network in front of a relay has.
const MAX_BITRATE: u64 = 100_000_000_000;
/// The largest count that JavaScript and most JSON readers represent exactly.
const MAX_COUNT: u64 = (1 << 53) - 1;

/// A kind of implausible value in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Implausible {
    /// `captured_at` of a frame. Replaced by `read_at`.
    CapturedAt,
    /// `read_at` of a frame. Replaced by `published_at`.
    ReadAt,
    /// `published_at` of a frame. Replaced by the time of its arrival.
    PublishedAt,
    /// `sequence` of a frame: it jumped. Counting restarts, and no frame counts as lost.
    Sequence,
    /// The times of an answer to a request for the clock. Ignored.
    Clock,
    /// A value in a catalog. A size, rate or count is replaced by 0, which means unknown; a time by the present.
    Catalog,
}

impl Implausible {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::CapturedAt,
        Self::ReadAt,
        Self::PublishedAt,
        Self::Sequence,
        Self::Clock,
        Self::Catalog,
    ];

    /// Returns the name of the kind in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CapturedAt => "captured_at",
            Self::ReadAt => "read_at",
            Self::PublishedAt => "published_at",
            Self::Sequence => "sequence",
            Self::Clock => "clock",
            Self::Catalog => "catalog",
        }
    }

    /// Returns the text for the log.
    pub(super) fn complaint(self) -> &'static str {
        match self {
            Self::CapturedAt => {
                "captured_at is more than 600 s ago or in the future: replaced by read_at"
            }
            Self::ReadAt => {
                "read_at is more than 600 s ago or in the future: replaced by published_at"
            }
            Self::PublishedAt => {
                "published_at is more than 600 s ago or in the future: replaced by now"
            }
            Self::Sequence => {
                "sequence went back, or jumped further than frames can be lost: counting restarts"
            }
            Self::Clock => "the times of a clock answer contradict each other: answer ignored",
            Self::Catalog => {
                "a size, rate, count or time in the catalog is impossible: replaced by 0 or the present time"
            }
        }
    }
}

/// The number of implausible values of each kind.
#[derive(Debug, Default)]
pub(crate) struct ImplausibleCounts([AtomicU64; Implausible::ALL.len()]);

impl ImplausibleCounts {
    pub(crate) fn count(&self, what: Implausible) {
        self.0[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self, what: Implausible) -> u64 {
        self.0[what as usize].load(Ordering::Relaxed)
    }
}

/// Translates the times of a frame received at `received_at` to this process's clock, so that none lies in the future;
/// returns `None` while the publisher's clock is unknown. An implausible time is replaced by the next later one, which is
/// the earliest time known for sure.
pub(super) fn times(
    theirs: FrameTimes,
    to_ours: impl Fn(Timestamp) -> Option<Timestamp>,
    received_at: Timestamp,
    met: &mut impl FnMut(Implausible),
) -> Option<FrameTimes> {
    let mut check = |theirs, otherwise, what| {
        let ours = to_ours(theirs)?;
        if is_recent(ours, received_at) {
            return Some(ours.min(received_at));
        }
        met(what);
        Some(otherwise)
    };
    let published_at = check(theirs.published_at, received_at, Implausible::PublishedAt)?;
    let read_at = check(theirs.read_at, published_at, Implausible::ReadAt)?;
    let captured_at = check(theirs.captured_at, read_at, Implausible::CapturedAt)?;
    Some(FrameTimes { captured_at, read_at, published_at })
}

fn is_recent(time: Timestamp, now: Timestamp) -> bool {
    now.since(time) <= MAX_AGE && time.since(now) <= MAX_AHEAD
}

/// Replaces the implausible values of a catalog, and translates its times to this process's clock.
pub(super) fn amend(
    catalog: &mut Catalog,
    to_ours: impl Fn(Timestamp) -> Option<Timestamp>,
    now: Timestamp,
    met: &mut impl FnMut(Implausible),
) {
    for stream in &mut catalog.streams {
        let since = to_ours(stream.since).unwrap_or(now);
        let possible = now.since(since) <= MAX_SINCE && since.since(now) <= MAX_AHEAD;
        stream.since = if possible { since.min(now) } else { now };
        if !possible {
            met(Implausible::Catalog);
        }
        stream.tracks.iter_mut().for_each(|track| amend_track(track, met));
    }
}

fn amend_track(track: &mut TrackEntry, met: &mut impl FnMut(Implausible)) {
    let mut possible = true;
    if track.width > MAX_DIMENSION || track.height > MAX_DIMENSION {
        (track.width, track.height, possible) = (0, 0, false);
    }
    if track.millifps > MAX_MILLIFPS {
        (track.millifps, possible) = (0, false);
    }
    for (number, most) in [
        (&mut track.bitrate, MAX_BITRATE),
        (&mut track.published, MAX_COUNT),
        (&mut track.dropped, MAX_COUNT),
    ] {
        if *number > most {
            (*number, possible) = (0, false);
        }
    }
    if !possible {
        met(Implausible::Catalog);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fanlight_protocol::{Epoch, StreamEntry, StreamState, TrackName};

    /// A day in 2026.
    const NOW: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

    /// Checks a frame whose publisher has the same clock.
    fn checked(
        captured_at: Timestamp,
        read_at: Timestamp,
        published_at: Timestamp,
    ) -> (FrameTimes, Vec<Implausible>) {
        let mut met = Vec::new();
        let theirs = FrameTimes { captured_at, read_at, published_at };
        let times = times(theirs, Some, NOW, &mut |what| met.push(what)).unwrap();
        (times, met)
    }

    fn ago(millis: i64) -> Timestamp {
        NOW.offset(-1000 * millis)
    }

    #[test]
    fn plausible_times_are_kept() {
        let (times, met) = checked(ago(9000), ago(8990), ago(8980));
        assert_eq!(
            (times.captured_at, times.read_at, times.published_at),
            (ago(9000), ago(8990), ago(8980))
        );
        assert_eq!(met, []);
    }

    #[test]
    fn a_frame_is_never_from_the_future() {
        let (times, met) = checked(ago(-5), ago(-5), ago(-9000));
        assert_eq!((times.captured_at, times.read_at, times.published_at), (NOW, NOW, NOW));
        assert_eq!(met, [], "the clock offset has an error");
    }

    #[test]
    fn an_implausible_time_is_replaced_by_the_next_one_and_counted() {
        let (zero, end) = (Timestamp::from_micros(0), Timestamp::from_micros(u64::MAX));
        let (times, met) = checked(zero, ago(30), ago(20));
        assert_eq!((times.captured_at, times.read_at), (ago(30), ago(30)));
        assert_eq!(met, [Implausible::CapturedAt]);
        for wrong in [zero, end, ago(601_000), ago(-11_000)] {
            let (times, met) = checked(wrong, wrong, wrong);
            assert_eq!((times.captured_at, times.read_at, times.published_at), (NOW, NOW, NOW));
            assert_eq!(met.len(), 3, "{wrong}");
        }
    }

    #[test]
    fn implausible_values_of_a_catalog_are_replaced() {
        let mut catalog = Catalog {
            epoch: Epoch(1),
            publisher: "test".into(),
            streams: vec![StreamEntry {
                name: "cam".parse().unwrap(),
                state: StreamState::Live,
                reason: String::new(),
                since: Timestamp::from_micros(0),
                source: "test".into(),
                tracks: vec![TrackEntry {
                    name: TrackName::full_jpeg(),
                    width: u32::MAX,
                    height: 2,
                    millifps: u32::MAX,
                    bitrate: u64::MAX,
                    published: u64::MAX,
                    dropped: u64::MAX,
                }],
            }],
        };
        let mut met = Vec::new();
        amend(&mut catalog, Some, NOW, &mut |what| met.push(what));
        let (stream, track) = (&catalog.streams[0], &catalog.streams[0].tracks[0]);
        assert_eq!(stream.since, NOW);
        assert_eq!((track.width, track.height, track.millifps, track.bitrate), (0, 0, 0, 0));
        assert_eq!((track.published, track.dropped), (0, 0));
        assert_eq!(met, [Implausible::Catalog; 2]);
        met.clear();
        amend(&mut catalog, Some, NOW, &mut |what| met.push(what));
        assert_eq!(met, [], "the replacements are plausible");
    }
}
