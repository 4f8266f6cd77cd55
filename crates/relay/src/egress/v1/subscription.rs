//! One viewer of a socket, and what it was told.

use std::sync::Arc;
use std::time::Duration;

use fanlight_protocol::viewer::message::FrameMessage;
use fanlight_protocol::viewer::{FromRelay, ViewerState};
use fanlight_protocol::{Rendition, StreamState, Timestamp};

use super::window::Window;
use crate::egress::abr::AdaptiveViewer;
use crate::egress::selection::Choice;
use crate::hub::{Frame, NextSend, Stream, ViewOptions};
use crate::limits::Permit;
use crate::stats::labels::CloseReason;
use crate::stats::labels::DropReason;

/// A stream whose frames come is live, even where its publisher's word of that is still on its way.
const RECENT: Duration = Duration::from_secs(2);

/// One viewer of a socket.
pub(super) struct Subscription {
    id: u32,
    tile: AdaptiveViewer,
    told_track: Option<Told>,
    told_state: Option<(ViewerState, String)>,
    /// What the last `state` message went by: while it is the same, there is no news.
    known: Option<Known>,
    /// Whether the stream rests, by its publisher's word.
    resting: bool,
    last_frame: Timestamp,
    /// Where the viewer acknowledges what it shows.
    window: Option<Window>,
    /// Whether the window held something back since the last frame that was to be seen.
    held_back: bool,
    /// The count that the window's sequences are of: the run, and how often the rendition had changed.
    count: (u64, u32),
    journey_asked: bool,
    permit: Permit,
}

/// What the last `track` message said.
struct Told {
    run: u64,
    /// How often the rendition had changed then.
    switches: u32,
    width: u32,
    height: u32,
    reduced: bool,
    renditions: Vec<Rendition>,
    /// Which of them is sent.
    rendition: u8,
    /// How often the stream had changed then.
    changes: u64,
}

#[derive(Clone, Copy, PartialEq)]
struct Known {
    changes: u64,
    slow_since: Option<Timestamp>,
    stuck_since: Option<Timestamp>,
    late_since: Option<Timestamp>,
    flowing: bool,
}

impl Told {
    fn says_what(&self, other: &Self) -> bool {
        let count = |told: &Self| (told.run, told.switches);
        let size = |told: &Self| (told.width, told.height, told.reduced);
        (count(self), size(self), &self.renditions)
            == (count(other), size(other), &other.renditions)
    }
}

impl Subscription {
    pub(super) fn new(id: u32, tile: AdaptiveViewer, acknowledges: bool, permit: Permit) -> Self {
        Self {
            id,
            tile,
            told_track: None,
            told_state: None,
            known: None,
            resting: false,
            last_frame: Timestamp::default(),
            window: acknowledges.then(Window::default),
            held_back: false,
            count: (0, 0),
            journey_asked: false,
            permit,
        }
    }

    /// The viewer's own number for it.
    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// Whether it is of this stream.
    pub(super) fn is_of(&self, stream: &Arc<Stream>) -> bool {
        Arc::ptr_eq(self.tile.viewer.stream(), stream)
    }

    /// The viewer wants the same stream in another way. What is shown goes on; the answer is as to the first `watch`.
    pub(super) fn change(
        &mut self,
        choice: Choice,
        manner: ViewOptions,
        acknowledges: bool,
        now: Timestamp,
    ) {
        self.tile.viewer.set_options(manner);
        self.tile.change(&choice.track, choice.auto, now);
        self.window = match self.window.take() {
            _ if !acknowledges => None,
            window => window.or_else(|| Some(Window::default())),
        };
        (self.told_track, self.told_state, self.known) = (None, None, None);
    }

    /// Its socket is closed: counted.
    pub(super) fn close(&self, why: CloseReason) {
        self.tile.viewer.close(why);
    }

    /// Its place, for the subscription that replaces it.
    pub(super) fn into_permit(self) -> Permit {
        self.permit
    }

    /// The `state` message to send, where there is news.
    pub(super) fn state_news(&mut self, now: Timestamp) -> Option<FromRelay> {
        let slow_since = self.tile.slow_since(now);
        let flowing = now.since(self.last_frame) < RECENT;
        let stuck_since = self.tile.viewer.stuck_since(now);
        let late_since = self.tile.viewer.track().late_since();
        let changes = self.tile.viewer.stream().change_count();
        let known = Known { changes, slow_since, stuck_since, late_since, flowing };
        if self.known.replace(known) == Some(known) {
            return None;
        }
        let status = self.tile.viewer.stream().status();
        self.resting = status.state == StreamState::Idle;
        let late = late_since.and_then(|_| self.tile.viewer.track().late());
        let late = late.map(|late| (late.reason(), late.since));
        let (state, reason, since) = match (status.state, &late) {
            (StreamState::Offline, _) => {
                (ViewerState::Offline, status.reason.as_str(), status.since)
            }
            (StreamState::Ended, _) => (ViewerState::Ended, status.reason.as_str(), status.since),
            (_, Some((reason, since))) => (ViewerState::Late, reason.as_str(), *since),
            _ if stuck_since.is_some() => {
                (ViewerState::Slow, STUCK, stuck_since.unwrap_or_default())
            }
            _ if slow_since.is_some() => (ViewerState::Slow, SLOW, slow_since.unwrap_or_default()),
            (StreamState::Idle, _) if !flowing => (ViewerState::Idle, "", status.since),
            _ => (ViewerState::Live, "", status.since),
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
            sequence: frame.sequence(),
            captured_at: frame.captured_at(),
            read_at: frame.meta.times.read_at,
            published_at: frame.meta.times.published_at,
            received_at: frame.received_at,
            sent_at,
        })
    }

    /// When there may be news of the state though nothing happens: a stream that rests is live until its frames are a while
    /// ago.
    pub(super) fn state_due(&self) -> Option<Timestamp> {
        let resting = self.resting && self.known.is_some_and(|known| known.flowing);
        resting.then(|| self.last_frame + RECENT)
    }

    /// What to send next; `distance` is the shortest round trip of the connection.
    pub(super) fn next(&mut self, now: Timestamp, distance: Duration) -> NextSend {
        let passes_by = self.passes_by_the_window(now);
        if let Some(window) = self.window.as_mut().filter(|_| !passes_by) {
            if let Some(later) = window.wait(now, distance) {
                self.tile.viewer.set_drop_reason(DropReason::Viewer);
                self.held_back = true;
                return NextSend::At(later);
            }
            if window.probes(now) {
                self.tile.viewer.abandon_backlog(now);
            }
        }
        let next = self.tile.viewer.next(now);
        if let NextSend::Frame { frame, .. } = &next {
            self.last_frame = now;
            if let Some(window) = &mut self.window {
                let count = (frame.run, self.tile.viewer.switch_count());
                if std::mem::replace(&mut self.count, count) != count {
                    window.restart();
                }
            }
            if !self.passes_by_the_window(now)
                && let Some(window) = &mut self.window
            {
                window.send(frame.sequence(), frame.is_keyframe(), now);
            }
            self.held_back &= self.tile.viewer.is_catching_up(now);
        }
        next
    }

    /// What is only decoded is not shown and not waited for: what it takes counts with the picture at its end. But where
    /// it is the window that made it necessary to catch up, there would be no window.
    fn passes_by_the_window(&self, now: Timestamp) -> bool {
        let viewer = &self.tile.viewer;
        viewer.is_catching_up(now) && !(self.held_back && viewer.was_held_up())
    }

    /// The viewer cannot decode what comes.
    pub(super) fn fail(&mut self, now: Timestamp) {
        self.tile.viewer.decode_failed(now);
    }

    /// Whether there is a frame that the viewer is to have now.
    pub(super) fn has_due_frame(&self, now: Timestamp) -> bool {
        !self.window.as_ref().is_some_and(Window::is_full) && self.tile.viewer.has_due_frame(now)
    }

    /// A frame was held back for longer than promised.
    pub(super) fn mark_stuck(&mut self, now: Timestamp) {
        self.tile.viewer.mark_stuck(now);
    }

    /// The link of its socket has to be waited for.
    pub(super) fn hold_for_link(&mut self) {
        self.tile.viewer.set_drop_reason(DropReason::Link);
    }

    /// The viewer has shown a frame. `lossy`: the link has recently lost segments.
    pub(super) fn acknowledge(&mut self, sequence: u64, now: Timestamp, lossy: bool) {
        if let Some(window) = &mut self.window {
            window.acknowledge(sequence, now, lossy);
        }
    }

    /// The `track` message to send before a frame, where it says something new.
    pub(super) fn track_news(&mut self, frame: &Frame) -> Option<FromRelay> {
        let stream = self.tile.viewer.stream();
        let topic = self.tile.viewer.track().topic();
        let changes = stream.change_count();
        let (switches, reduced) = (self.tile.viewer.switch_count(), self.tile.is_reduced());
        let what = |told: &Told| {
            ((told.run, told.switches), (told.width, told.height, told.reduced), told.changes)
        };
        let now = ((frame.run, switches), (frame.meta.width, frame.meta.height, reduced), changes);
        if self.told_track.as_ref().map(what) == Some(now) {
            return None;
        }
        let mut renditions = stream.renditions();
        if !renditions.contains(&topic.track.rendition) {
            renditions.push(topic.track.rendition.clone());
        }
        let place = renditions.iter().position(|known| *known == topic.track.rendition);
        let (run, width, height) = (frame.run, frame.meta.width, frame.meta.height);
        let rendition = place.unwrap_or(0) as u8;
        let told = Told { run, switches, width, height, reduced, renditions, rendition, changes };
        let before = self.told_track.replace(told);
        let told = self.told_track.as_ref()?;
        if before.is_some_and(|before| before.says_what(told)) {
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
            reduced,
        };
        Some(message)
    }

    /// The header of a frame for this viewer.
    pub(super) fn header(&self, frame: &Frame, now: Timestamp) -> FrameMessage {
        FrameMessage {
            codec: self.tile.viewer.track().topic().track.codec,
            flags: frame.meta.flags,
            rendition: self.told_track.as_ref().map_or(0, |told| told.rendition),
            id: self.id,
            sequence: frame.sequence(),
            captured_at: frame.captured_at(),
            sent_at: now,
        }
    }
}

impl AsMut<AdaptiveViewer> for Subscription {
    fn as_mut(&mut self) -> &mut AdaptiveViewer {
        &mut self.tile
    }
}

const SLOW: &str = "this connection or device is too slow for every picture: the frame rate is reduced to keep them new";

const STUCK: &str =
    "the relay held back a picture by mistake and has sent it since: please report it";

#[cfg(test)]
mod tests;
