//! The path of a frame from the bus into its track. It takes no look-up and no lock but the track's own.

use std::sync::Arc;

use fanlight_bus::{Gap, IncomingFrame, PublisherId};

use super::ownership::{Ownership, Tenure};
use crate::hub::lateness::Arrival;
use crate::hub::{Frame, Hub, Stream, Track};

/// Feeds a track with the frames of one publisher while that publisher owns the stream's name.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) hub: Arc<Hub>,
    pub(super) stream: Arc<Stream>,
    pub(super) track: Arc<Track>,
    pub(super) publisher: PublisherId,
    pub(super) ownership: Ownership,
    /// The generation of the last frame, and the period of ownership in which it came.
    last: Option<(Tenure, u64)>,
}

impl Feed {
    pub(super) fn new(
        hub: Arc<Hub>,
        stream: Arc<Stream>,
        track: Arc<Track>,
        publisher: PublisherId,
        ownership: Ownership,
    ) -> Self {
        Self { hub, stream, track, publisher, ownership, last: None }
    }

    /// Adds a frame to the track. Called on the bus thread; never waits.
    pub(super) fn push(&mut self, frame: IncomingFrame) {
        let Some(tenure) = self.ownership.tenure(self.publisher) else { return };
        let IncomingFrame { meta, received_at, payload, gap } = frame;
        let track = &self.track;
        let was_late = track.late_since().is_some();
        let mut changed = false;
        let generation = match (gap, self.last) {
            (Gap::Lost(count), Some((before, generation))) if before == tenure => {
                track.count_lost(count);
                generation
            }
            // Another publisher may have fed the track between two periods: frames of the second do not follow the first.
            _ => {
                changed |= track.reset_lateness();
                track.start_generation()
            }
        };
        self.last = Some((tenure, generation));
        changed |= track.note_arrival(Arrival { times: meta.times, received_at });
        if changed {
            self.stream.notify_change();
            self.hub.notify_change();
            log_lateness(track, was_late);
        }
        track.push(Frame { generation, meta, received_at, payload });
    }
}

/// Logs that a track became late, or is no longer late. A change of its age is not logged.
fn log_lateness(track: &Track, was_late: bool) {
    let topic = track.topic();
    match track.late() {
        Some(late) if !was_late => {
            tracing::warn!(%topic, reason = late.reason(), "stream late");
        }
        None if was_late => tracing::info!(%topic, "stream no longer late"),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use fanlight_protocol::{FrameFlags, FrameMeta, FrameTimes, Timestamp, TrackName};

    use super::*;

    const FIRST: PublisherId = PublisherId(1);
    const SECOND: PublisherId = PublisherId(2);

    /// A feed of a track for each publisher, of which the first one owns the name.
    fn feeds() -> (Ownership, Feed, Feed) {
        let hub = Arc::new(Hub::new(Arc::default()));
        let name = TrackName { codec: fanlight_protocol::Codec::H264, ..TrackName::full_jpeg() };
        let stream = hub.open(&"cam".parse().unwrap(), crate::hub::fixture::live(Vec::new()));
        let track = stream.track(&name);
        let ownership = Ownership::of(FIRST);
        let feed = |publisher| {
            let (hub, stream, track) = (hub.clone(), stream.clone(), track.clone());
            Feed::new(hub, stream, track, publisher, ownership.clone())
        };
        let (first, second) = (feed(FIRST), feed(SECOND));
        (ownership, first, second)
    }

    fn frame(sequence: u64, is_keyframe: bool, gap: Gap) -> IncomingFrame {
        let now = Timestamp::from_micros(1_000_000 + sequence);
        let (times, flags) = (FrameTimes::all_at(now), FrameFlags::keyframe(is_keyframe));
        let meta = FrameMeta { sequence, times, flags, width: 4, height: 2 };
        IncomingFrame { meta, received_at: now, payload: Bytes::new(), gap }
    }

    fn newest(feed: &Feed) -> Option<u64> {
        feed.track.newest().map(|frame| frame.sequence())
    }

    #[test]
    fn only_the_owner_of_a_name_feeds_its_track() {
        let (ownership, mut first, mut second) = feeds();
        second.push(frame(100, true, Gap::Begins));
        assert_eq!(newest(&first), None);
        first.push(frame(1, true, Gap::Begins));
        first.push(frame(2, false, Gap::Lost(0)));
        assert_eq!(newest(&first), Some(2));
        ownership.set(Some(SECOND));
        first.push(frame(3, true, Gap::Lost(0)));
        assert_eq!(newest(&first), Some(2));
        second.push(frame(101, true, Gap::Lost(0)));
        assert_eq!(newest(&first), Some(101));
        ownership.set(None);
        second.push(frame(102, true, Gap::Lost(0)));
        assert_eq!(newest(&first), Some(101));
    }

    #[test]
    fn frames_do_not_follow_those_of_another_publisher() {
        let (ownership, mut first, mut second) = feeds();
        first.push(frame(1, true, Gap::Begins));
        first.push(frame(2, false, Gap::Lost(0)));
        ownership.set(Some(SECOND));
        second.push(frame(2, true, Gap::Begins));
        ownership.set(Some(FIRST));
        // The sequence number is the next one, but the frame before it is another publisher's.
        first.push(frame(3, false, Gap::Lost(0)));
        assert_eq!((newest(&first), first.track.orphaned()), (Some(2), 1));
        first.push(frame(4, true, Gap::Lost(0)));
        assert_eq!(newest(&first), Some(4));
    }

    #[test]
    fn lost_frames_are_counted_on_the_track() {
        let (_, mut first, _) = feeds();
        first.push(frame(1, true, Gap::Begins));
        first.push(frame(5, true, Gap::Lost(3)));
        assert_eq!(first.track.lost(), 3);
    }
}
