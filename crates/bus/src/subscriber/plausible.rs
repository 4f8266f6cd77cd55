//! The one place where numbers from the bus are checked before anything computes with them.
//!
//! A publisher may be broken or hostile. A number that cannot be true is replaced by a harmless one and counted under
//! what it is. What breaks the form of a message is refused earlier, in `fanlight_protocol`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fanlight_protocol::catalog::Catalog;
use fanlight_protocol::frame::MAX_DIMENSION;
use fanlight_protocol::{FrameHeader, Timestamp, TrackEntry};

/// The oldest a frame may be when it arrives. A link of 64 kbit/s needs this long for what ZeroMQ and the kernel hold.
const MAX_AGE: Duration = Duration::from_secs(600);
/// The largest distance of a moment in the future: more than a clock measured over a congested link is off.
const MAX_AHEAD: Duration = Duration::from_secs(10);
/// The largest age of a state: longer than any publisher runs.
const MAX_SINCE: Duration = Duration::from_secs(10 * 365 * 86_400);
/// Frames in a thousand seconds: 1000 a second, more than any camera has.
const MAX_MILLIFPS: u32 = 1_000_000;
/// Bits a second of one track: more than any network in front of a relay has.
const MAX_BITRATE: u64 = 100_000_000_000;
/// The largest count that JavaScript and most readers of JSON hold exactly.
const MAX_COUNT: u64 = (1 << 53) - 1;

/// A part of a message that cannot be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Implausible {
    /// `captured_at` of a frame. Replaced by `read_at`.
    CapturedAt,
    /// `read_at` of a frame. Replaced by `published_at`.
    ReadAt,
    /// `published_at` of a frame. Replaced by the moment it came.
    PublishedAt,
    /// `sequence` of a frame: it jumped. The count begins again, and nothing counts as lost.
    Sequence,
    /// The moments of an answer to a question for the clock. Ignored.
    Clock,
    /// A number in a catalog: a size, rate or count. Replaced by 0, which means unknown; a moment by now.
    Catalog,
}

impl Implausible {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::CapturedAt,
        Self::ReadAt,
        Self::PublishedAt,
        Self::Sequence,
        Self::Clock,
        Self::Catalog,
    ];

    /// The name in metrics.
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

    /// The text for the log.
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
            Self::Sequence => "the sequence went back, or jumped further than frames can be lost",
            Self::Clock => "an answer for the clock holds moments that cannot be: ignored",
            Self::Catalog => {
                "a catalog holds a size, rate, count or moment that cannot be: replaced by 0"
            }
        }
    }
}

/// The number of values of each kind.
#[derive(Debug, Default)]
pub(super) struct Counts([AtomicU64; Implausible::ALL.len()]);

impl Counts {
    pub(super) fn count(&self, what: Implausible) {
        self.0[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self, what: Implausible) -> u64 {
        self.0[what as usize].load(Ordering::Relaxed)
    }
}

/// The moments of a frame, by our clock, none of them in the future.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) captured_at: Timestamp,
    pub(super) read_at: Timestamp,
    pub(super) published_at: Timestamp,
}

/// Returns the moments of a frame that came at `received_at`; `None` while its publisher's clock is unknown. A moment
/// that cannot be true is replaced by the next later one, which is the earliest that is known for sure.
pub(super) fn times(
    header: &FrameHeader,
    to_ours: impl Fn(Timestamp) -> Option<Timestamp>,
    received_at: Timestamp,
    met: &mut impl FnMut(Implausible),
) -> Option<Times> {
    let mut check = |theirs, otherwise, what| {
        let ours = to_ours(theirs)?;
        if is_recent(ours, received_at) {
            return Some(ours.min(received_at));
        }
        met(what);
        Some(otherwise)
    };
    let published_at = check(header.published_at, received_at, Implausible::PublishedAt)?;
    let read_at = check(header.read_at, published_at, Implausible::ReadAt)?;
    let captured_at = check(header.captured_at, read_at, Implausible::CapturedAt)?;
    Some(Times { captured_at, read_at, published_at })
}

fn is_recent(moment: Timestamp, now: Timestamp) -> bool {
    now.since(moment) <= MAX_AGE && moment.since(now) <= MAX_AHEAD
}

/// Replaces the numbers of a catalog that cannot be true, and translates its moments to our clock.
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
    use fanlight_protocol::{Epoch, FrameFlags, StreamEntry, StreamState, TrackName};

    /// A day in 2026.
    const NOW: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

    fn header(captured_at: Timestamp, read_at: Timestamp, published_at: Timestamp) -> FrameHeader {
        FrameHeader {
            epoch: Epoch(1),
            sequence: 0,
            captured_at,
            read_at,
            published_at,
            flags: FrameFlags::KEYFRAME,
            width: 4,
            height: 2,
        }
    }

    fn checked(header: &FrameHeader) -> (Times, Vec<Implausible>) {
        let mut met = Vec::new();
        let times = times(header, Some, NOW, &mut |what| met.push(what)).unwrap();
        (times, met)
    }

    fn ago(millis: i64) -> Timestamp {
        NOW.offset(-1000 * millis)
    }

    #[test]
    fn moments_that_can_be_are_kept() {
        let (times, met) = checked(&header(ago(9000), ago(8990), ago(8980)));
        assert_eq!(
            (times.captured_at, times.read_at, times.published_at),
            (ago(9000), ago(8990), ago(8980))
        );
        assert_eq!(met, []);
    }

    #[test]
    fn a_frame_is_never_from_the_future() {
        let (times, met) = checked(&header(ago(-5), ago(-5), ago(-9000)));
        assert_eq!((times.captured_at, times.read_at, times.published_at), (NOW, NOW, NOW));
        assert_eq!(met, [], "a clock is measured with an error");
    }

    #[test]
    fn a_moment_that_cannot_be_is_replaced_by_the_next_one_and_counted() {
        let (zero, end) = (Timestamp::from_micros(0), Timestamp::from_micros(u64::MAX));
        let (times, met) = checked(&header(zero, ago(30), ago(20)));
        assert_eq!((times.captured_at, times.read_at), (ago(30), ago(30)));
        assert_eq!(met, [Implausible::CapturedAt]);
        for wrong in [zero, end, ago(601_000), ago(-11_000)] {
            let (times, met) = checked(&header(wrong, wrong, wrong));
            assert_eq!((times.captured_at, times.read_at, times.published_at), (NOW, NOW, NOW));
            assert_eq!(met.len(), 3, "{wrong}");
        }
    }

    #[test]
    fn a_catalog_with_impossible_numbers_is_amended() {
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
        assert_eq!(met, [], "what was amended can be");
    }
}
