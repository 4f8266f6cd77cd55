//! One viewer of a socket, and the messages about it.

use std::sync::Arc;
use std::time::Duration;

use fanlight_protocol::viewer::message::FrameMessage;
use fanlight_protocol::viewer::{FromRelay, ViewerState};
use fanlight_protocol::{RenditionName, StreamName, StreamState, Timestamp};

use super::ack_window::AckWindow;
use crate::egress::abr::AdaptiveViewer;
use crate::egress::selection::TrackSelection;
use crate::hub::{Frame, NextSend, Stream, ViewOptions};
use crate::limits::Permit;
use crate::stats::labels::{CloseReason, DropReason};

/// A stream with a frame within this time is live, even if its publisher's report of that is still in flight.
const RECENT: Duration = Duration::from_secs(2);

/// One viewer of a socket.
pub(super) struct Subscription {
    id: u32,
    adaptive: AdaptiveViewer,
    sent_track: Option<SentTrack>,
    sent_state: Option<(ViewerState, String)>,
    /// The inputs of the last `state` message. While they are the same, the state is unchanged.
    state_inputs: Option<StateInputs>,
    /// True if the stream is idle, as its publisher reports.
    idle: bool,
    last_frame: Timestamp,
    /// The ack window, if the viewer acknowledges frames.
    window: Option<AckWindow>,
    /// True if the window held a frame since the last frame that was shown.
    held_by_window: bool,
    /// The numbering of the window's sequence numbers: the generation, and the count of switches.
    numbering: (u64, u32),
    journey_requested: bool,
    permit: Permit,
}

/// The content of the last `track` message.
struct SentTrack {
    generation: u64,
    /// The viewer's count of switches.
    switches: u32,
    width: u32,
    height: u32,
    reduced: bool,
    renditions: Vec<RenditionName>,
    /// The index of the rendition that is sent.
    rendition: u8,
    /// The stream's count of changes.
    changes: u64,
}

/// Everything that a `state` message depends on.
#[derive(Clone, Copy, PartialEq)]
struct StateInputs {
    changes: u64,
    slow_since: Option<Timestamp>,
    overdue_since: Option<Timestamp>,
    late_since: Option<Timestamp>,
    has_frames: bool,
}

impl SentTrack {
    /// Returns whether both make the same message.
    fn same_message(&self, other: &Self) -> bool {
        let numbering = |track: &Self| (track.generation, track.switches);
        let size = |track: &Self| (track.width, track.height, track.reduced);
        (numbering(self), size(self), &self.renditions)
            == (numbering(other), size(other), &other.renditions)
    }
}

impl Subscription {
    pub(super) fn new(
        id: u32,
        adaptive: AdaptiveViewer,
        acknowledges: bool,
        permit: Permit,
    ) -> Self {
        Self {
            id,
            adaptive,
            sent_track: None,
            sent_state: None,
            state_inputs: None,
            idle: false,
            last_frame: Timestamp::default(),
            window: acknowledges.then(AckWindow::default),
            held_by_window: false,
            numbering: (0, 0),
            journey_requested: false,
            permit,
        }
    }

    /// Returns the id that the viewer chose.
    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// Returns the name of its stream.
    pub(super) fn stream(&self) -> &StreamName {
        self.adaptive.viewer.stream().name()
    }

    /// Returns whether it watches this stream.
    pub(super) fn is_of(&self, stream: &Arc<Stream>) -> bool {
        Arc::ptr_eq(self.adaptive.viewer.stream(), stream)
    }

    /// Changes the request for the same stream. Frames continue without a gap, and the messages of a first `watch`
    /// follow.
    pub(super) fn change(
        &mut self,
        selection: TrackSelection,
        options: ViewOptions,
        acknowledges: bool,
        now: Timestamp,
    ) {
        self.adaptive.viewer.set_options(options);
        self.adaptive.change(&selection.track, selection.auto, now);
        self.window = match self.window.take() {
            _ if !acknowledges => None,
            window => window.or_else(|| Some(AckWindow::default())),
        };
        (self.sent_track, self.sent_state, self.state_inputs) = (None, None, None);
    }

    /// Counts the close of its socket.
    pub(super) fn close(&self, reason: CloseReason) {
        self.adaptive.viewer.close(reason);
    }

    /// Returns its permit, for the subscription that replaces it.
    pub(super) fn into_permit(self) -> Permit {
        self.permit
    }

    /// Returns the `state` message to send, if the state has changed.
    pub(super) fn state_message(&mut self, now: Timestamp) -> Option<FromRelay> {
        let slow_since = self.adaptive.slow_since(now);
        let has_frames = now.since(self.last_frame) < RECENT;
        let overdue_since = self.adaptive.viewer.overdue_since(now);
        let late_since = self.adaptive.viewer.track().late_since();
        let changes = self.adaptive.viewer.stream().change_count();
        let inputs = StateInputs { changes, slow_since, overdue_since, late_since, has_frames };
        if self.state_inputs.replace(inputs) == Some(inputs) {
            return None;
        }
        let status = self.adaptive.viewer.stream().status();
        self.idle = status.state == StreamState::Idle;
        let late = late_since.and_then(|_| self.adaptive.viewer.track().late());
        let late = late.map(|late| (late.reason(), late.since));
        let (state, reason, since) = match (status.state, &late) {
            (StreamState::Offline, _) => {
                (ViewerState::Offline, status.reason.as_str(), status.since)
            }
            (StreamState::Ended, _) => (ViewerState::Ended, status.reason.as_str(), status.since),
            // Worse than late: the time on the frames is not that of the picture.
            _ if status.frozen_since().is_some() => {
                (ViewerState::Frozen, status.reason.as_str(), status.since)
            }
            (_, Some((reason, since))) => (ViewerState::Late, reason.as_str(), *since),
            _ if overdue_since.is_some() => {
                (ViewerState::Slow, OVERDUE, overdue_since.unwrap_or_default())
            }
            _ if slow_since.is_some() => (ViewerState::Slow, SLOW, slow_since.unwrap_or_default()),
            (StreamState::Idle, _) if !has_frames => (ViewerState::Idle, "", status.since),
            _ => (ViewerState::Live, "", status.since),
        };
        let sent = self.sent_state.as_ref();
        if sent.is_some_and(|(sent, why)| (*sent, why.as_str()) == (state, reason)) {
            return None;
        }
        self.sent_state = Some((state, reason.into()));
        Some(FromRelay::State { id: self.id, state, reason: reason.into(), since })
    }

    /// Requests a `journey` message with the next frame.
    pub(super) fn request_journey(&mut self) {
        self.journey_requested = true;
    }

    /// Returns the `journey` message to send before a frame, if one was requested.
    pub(super) fn journey_message(
        &mut self,
        frame: &Frame,
        sent_at: Timestamp,
    ) -> Option<FromRelay> {
        std::mem::take(&mut self.journey_requested).then_some(FromRelay::Journey {
            id: self.id,
            sequence: frame.sequence(),
            captured_at: frame.captured_at(),
            read_at: frame.meta.times.read_at,
            published_at: frame.meta.times.published_at,
            received_at: frame.received_at,
            sent_at,
        })
    }

    /// Returns when the state may change without an event: an idle stream counts as live until [`RECENT`] after its
    /// last frame.
    pub(super) fn state_due(&self) -> Option<Timestamp> {
        let live = self.idle && self.state_inputs.is_some_and(|inputs| inputs.has_frames);
        live.then(|| self.last_frame + RECENT)
    }

    /// Returns what to send next; `min_rtt` is the shortest round trip of the connection.
    pub(super) fn next(&mut self, now: Timestamp, min_rtt: Duration) -> NextSend {
        let bypasses = self.bypasses_window(now);
        if let Some(window) = self.window.as_mut().filter(|_| !bypasses) {
            if let Some(later) = window.hold_until(now, min_rtt) {
                self.adaptive.viewer.set_drop_reason(DropReason::Viewer);
                self.held_by_window = true;
                return NextSend::At(later);
            }
            if window.is_without_acks(now) {
                self.adaptive.viewer.abandon_backlog(now);
            }
        }
        let next = self.adaptive.viewer.next(now);
        if let NextSend::Frame { frame, .. } = &next {
            self.last_frame = now;
            if let Some(window) = &mut self.window {
                let numbering = (frame.generation, self.adaptive.viewer.switch_count());
                if std::mem::replace(&mut self.numbering, numbering) != numbering {
                    window.restart();
                }
            }
            if !self.bypasses_window(now)
                && let Some(window) = &mut self.window
            {
                window.note_sent(frame.sequence(), frame.is_keyframe(), now);
            }
            self.held_by_window &= self.adaptive.viewer.is_catching_up(now);
        }
        next
    }

    /// Returns whether the next frame bypasses the ack window. Catch-up frames do, because they are decoded but not
    /// shown: the client acknowledges only the last of them. If the window itself caused the catch-up, bypassing would
    /// disable it.
    fn bypasses_window(&self, now: Timestamp) -> bool {
        let viewer = &self.adaptive.viewer;
        viewer.is_catching_up(now) && !(self.held_by_window && viewer.was_held_up())
    }

    /// Notes that the viewer cannot decode what it is sent.
    pub(super) fn fail(&mut self, now: Timestamp) {
        self.adaptive.viewer.decode_failed(now);
    }

    /// Returns whether the viewer is due a frame now.
    pub(super) fn has_due_frame(&self, now: Timestamp) -> bool {
        !self.window.as_ref().is_some_and(AckWindow::is_full)
            && self.adaptive.viewer.has_due_frame(now)
    }

    /// Notes that a frame was held past its send deadline.
    pub(super) fn mark_overdue(&mut self, now: Timestamp) {
        self.adaptive.viewer.mark_overdue(now);
    }

    /// Notes that the next frame waits for the socket's link.
    pub(super) fn hold_for_link(&mut self) {
        self.adaptive.viewer.set_drop_reason(DropReason::Link);
    }

    /// Notes that the viewer has shown a frame. `lossy` says whether the link has recently lost segments.
    pub(super) fn acknowledge(&mut self, sequence: u64, now: Timestamp, lossy: bool) {
        if let Some(window) = &mut self.window {
            window.acknowledge(sequence, now, lossy);
        }
    }

    /// Returns the `track` message to send before a frame, if its content has changed.
    pub(super) fn track_message(&mut self, frame: &Frame) -> Option<FromRelay> {
        let stream = self.adaptive.viewer.stream();
        let topic = self.adaptive.viewer.track().topic();
        let changes = stream.change_count();
        let (switches, reduced) = (self.adaptive.viewer.switch_count(), self.adaptive.is_reduced());
        let inputs = |sent: &SentTrack| {
            (
                (sent.generation, sent.switches),
                (sent.width, sent.height, sent.reduced),
                sent.changes,
            )
        };
        let now =
            ((frame.generation, switches), (frame.meta.width, frame.meta.height, reduced), changes);
        if self.sent_track.as_ref().map(inputs) == Some(now) {
            return None;
        }
        let mut renditions = stream.renditions();
        if !renditions.contains(&topic.track.rendition) {
            renditions.push(topic.track.rendition.clone());
        }
        let index = renditions.iter().position(|known| *known == topic.track.rendition);
        let (generation, width, height) = (frame.generation, frame.meta.width, frame.meta.height);
        let rendition = index.unwrap_or(0) as u8;
        let sent = SentTrack {
            generation,
            switches,
            width,
            height,
            reduced,
            renditions,
            rendition,
            changes,
        };
        let before = self.sent_track.replace(sent);
        let sent = self.sent_track.as_ref()?;
        if before.is_some_and(|before| before.same_message(sent)) {
            return None;
        }
        let announced =
            stream.status().tracks.iter().find(|t| t.name == topic.track).map(|t| t.millifps);
        let message = FromRelay::Track {
            id: self.id,
            stream: stream.name().clone(),
            codec: topic.track.codec,
            rendition: topic.track.rendition.clone(),
            width: sent.width,
            height: sent.height,
            fps: f64::from(announced.unwrap_or(0)) / 1000.0,
            renditions: sent.renditions.clone(),
            reduced,
        };
        Some(message)
    }

    /// Returns the header of a frame for this viewer.
    pub(super) fn header(&self, frame: &Frame, now: Timestamp) -> FrameMessage {
        FrameMessage {
            codec: self.adaptive.viewer.track().topic().track.codec,
            flags: frame.meta.flags,
            rendition: self.sent_track.as_ref().map_or(0, |sent| sent.rendition),
            id: self.id,
            sequence: frame.sequence(),
            captured_at: frame.captured_at(),
            sent_at: now,
        }
    }
}

impl AsMut<AdaptiveViewer> for Subscription {
    fn as_mut(&mut self) -> &mut AdaptiveViewer {
        &mut self.adaptive
    }
}

/// The reason of the state `slow` for a viewer that does not keep up.
const SLOW: &str = "this connection or device is too slow for all frames: the frame rate is reduced to keep them recent";

/// The reason of the state `slow` after a missed send deadline.
const OVERDUE: &str = "the relay sent a frame too late by its own fault: please report this";

#[cfg(test)]
mod tests;
