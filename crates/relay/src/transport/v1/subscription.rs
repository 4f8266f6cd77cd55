//! One viewer of a socket, and what it was told.

use std::time::Duration;

use fanlight_protocol::viewer::message::FrameMessage;
use fanlight_protocol::viewer::{FromRelay, ViewerState};
use fanlight_protocol::{Rendition, StreamState, Timestamp};

use crate::hub::{Frame, Next, Viewer};
use crate::limits::Permit;
use crate::traffic::Transport;

/// A stream whose frames come is live, even where its publisher's word of that is still on its way.
const RECENT: Duration = Duration::from_secs(2);

/// One viewer of a socket.
pub(super) struct Subscription {
    id: u32,
    viewer: Viewer,
    told_track: Option<Told>,
    told_state: Option<(ViewerState, String)>,
    last_frame: Timestamp,
    slow_since: Timestamp,
    journey_asked: bool,
    permit: Permit,
}

/// What the last `track` message said.
#[derive(PartialEq)]
struct Told {
    run: u64,
    width: u32,
    height: u32,
    renditions: Vec<Rendition>,
}

impl Subscription {
    pub(super) fn new(id: u32, viewer: Viewer, permit: Permit) -> Self {
        let (last_frame, slow_since) = Default::default();
        let (told_track, told_state, journey_asked) = Default::default();
        Self { id, viewer, told_track, told_state, last_frame, slow_since, journey_asked, permit }
    }

    /// Its place, for the subscription that replaces it.
    pub(super) fn into_permit(self) -> Permit {
        self.permit
    }

    /// The `state` message to send, where there is news.
    pub(super) fn state_news(&mut self, now: Timestamp) -> Option<FromRelay> {
        let status = self.viewer.stream().status();
        let flowing = now.since(self.last_frame) < RECENT;
        let (state, reason, since) = match status.state {
            StreamState::Offline => (ViewerState::Offline, status.reason.as_str(), status.since),
            StreamState::Ended => (ViewerState::Ended, status.reason.as_str(), status.since),
            _ if self.viewer.is_slow() => (ViewerState::Slow, SLOW, self.slow_since),
            StreamState::Idle if !flowing => (ViewerState::Idle, "", status.since),
            StreamState::Idle | StreamState::Live => (ViewerState::Live, "", status.since),
        };
        if self
            .told_state
            .as_ref()
            .is_some_and(|(told, why)| (*told, why.as_str()) == (state, reason))
        {
            return None;
        }
        self.told_state = Some((state, reason.into()));
        Some(FromRelay::State { id: self.id, state, reason: reason.into(), since })
    }

    /// The way of the next frame is to be told.
    pub(super) fn tell_journey(&mut self) {
        self.journey_asked = true;
    }

    /// The `journey` message to send before a frame, where it was asked for.
    pub(super) fn journey(&mut self, frame: &Frame, sent_at: Timestamp) -> Option<FromRelay> {
        std::mem::take(&mut self.journey_asked).then_some(FromRelay::Journey {
            id: self.id,
            sequence: frame.sequence,
            captured_at: frame.captured_at,
            read_at: frame.read_at,
            published_at: frame.published_at,
            received_at: frame.received_at,
            sent_at,
        })
    }

    /// The next frame to send, where it is there.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<Next> {
        let next = self.viewer.try_next(Transport::V1, now)?;
        self.last_frame = now;
        if next.slow_changed == Some(true) {
            self.slow_since = now;
        }
        Some(next)
    }

    /// The `track` message to send before a frame, where it says something new.
    pub(super) fn track_news(&mut self, frame: &Frame) -> Option<FromRelay> {
        let stream = self.viewer.stream();
        let topic = self.viewer.track().topic();
        // Compared without the list of renditions first: it is put together anew each time.
        let same = |told: &Told| {
            (told.run, told.width, told.height) == (frame.run, frame.width, frame.height)
        };
        let known = self.told_track.as_ref();
        if known.is_some_and(same)
            && stream.status().tracks.len() == known.map_or(0, |t| t.renditions.len())
        {
            return None;
        }
        let mut renditions = stream.renditions();
        if !renditions.contains(&topic.track.rendition) {
            renditions.push(topic.track.rendition.clone());
        }
        let told = Told { run: frame.run, width: frame.width, height: frame.height, renditions };
        if self.told_track.as_ref() == Some(&told) {
            return None;
        }
        let announced =
            stream.status().tracks.iter().find(|t| t.name == topic.track).map(|t| t.millifps);
        let message = FromRelay::Track {
            id: self.id,
            stream: stream.name().clone(),
            codec: topic.track.codec,
            rendition: topic.track.rendition.clone(),
            width: told.width,
            height: told.height,
            fps: f64::from(announced.unwrap_or(0)) / 1000.0,
            renditions: told.renditions.clone(),
        };
        self.told_track = Some(told);
        Some(message)
    }

    /// The header of a frame for this viewer.
    pub(super) fn header(&self, frame: &Frame, now: Timestamp) -> FrameMessage {
        let track = &self.viewer.track().topic().track;
        let renditions = self.told_track.as_ref().map_or(&[][..], |told| &told.renditions);
        let place = renditions.iter().position(|rendition| *rendition == track.rendition);
        FrameMessage {
            codec: track.codec,
            flags: frame.flags,
            rendition: place.unwrap_or(0) as u8,
            id: self.id,
            sequence: frame.sequence,
            captured_at: frame.captured_at,
            sent_at: now,
        }
    }
}

const SLOW: &str =
    "your connection or device is too slow for every picture: you see fewer, and always the newest";
