//! A viewer with the renditions that the relay may choose for it.

use std::time::Duration;

use fanlight_protocol::{Codec, StreamState, Timestamp, TrackName};
use smallvec::smallvec;

use super::allocation::AllocationRequest;
use super::viewer_ladder::{DisplaySize, ViewerLadder};
use crate::hub::{Stream, Viewer};

/// Time without a frame of a listed track after which it counts as absent, although another track of its stream has
/// frames.
const ABSENT_AFTER: Duration = Duration::from_secs(2);
/// Time after which an absent track is requested again.
const RETRY_AFTER: Duration = Duration::from_secs(30);
/// Time and number of frame intervals without a frame after which the track of a live stream counts as stalled, and
/// another one is sent. If the source itself is silent, capture has reported it as offline by then.
const STALLED_AFTER: Duration = Duration::from_secs(4);
const STALLED_INTERVALS: u32 = 5;
/// A stream is running if a frame of it was sent within this time.
const RUNNING: Duration = Duration::from_secs(1);
/// Time for which a viewer with smaller renditions may be slow without being reported so: as long as it takes to find
/// one that fits, and to recover.
const ADAPTS_WITHIN: Duration = Duration::from_secs(5);

/// A viewer with the renditions that the relay may choose for it.
#[derive(Debug)]
pub struct AdaptiveViewer {
    /// The viewer.
    pub viewer: Viewer,
    /// The choice, if the relay makes it.
    auto: Option<Box<AutoRendition>>,
}

/// The renditions that the relay may choose for a viewer, and its choice.
#[derive(Debug)]
pub struct AutoRendition {
    codec: Codec,
    /// True if JPEG is sent if there is no track of that codec.
    or_jpeg: bool,
    display: DisplaySize,
    ladder: ViewerLadder,
    /// The stream's count of changes when the ladder was built.
    changes: u64,
    /// The index of the chosen rung.
    rung: usize,
    /// The index of the rung from before a probe; the same as `rung` if there is no probe.
    committed: usize,
    /// A track that had no frames, and the moment when that was found.
    absent: Option<(TrackName, Timestamp)>,
}

impl AutoRendition {
    /// Returns the choice for a viewer with this display size, which begins with the largest rung.
    pub fn new(stream: &Stream, codec: Codec, display: DisplaySize) -> Self {
        let (changes, ladder) = (stream.change_count(), ladder(stream, codec, display, None));
        let rung = ladder.top();
        Self {
            codec,
            or_jpeg: false,
            display,
            ladder,
            changes,
            rung,
            committed: rung,
            absent: None,
        }
    }

    /// Allows JPEG if the stream no longer has a track of this codec.
    #[must_use]
    pub fn or_jpeg(self) -> Self {
        Self { or_jpeg: true, ..self }
    }

    /// Returns the chosen track.
    pub fn track(&self) -> &TrackName {
        self.ladder.track(self.rung)
    }

    /// Returns whether the choice is a probe.
    fn is_probing(&self) -> bool {
        self.committed < self.rung
    }

    /// Returns whether the track that is sent is stalled although its stream is live, and another track can replace it.
    fn is_stalled(&self, viewer: &Viewer, now: Timestamp) -> bool {
        let sent = &viewer.track().topic().track;
        if !viewer.is_starved(now, STALLED_AFTER) || self.is_absent(sent) {
            return false;
        }
        let status = viewer.stream().status();
        let entry = status.tracks.iter().find(|entry| entry.name == *sent);
        let millifps = entry.map_or(0, |entry| entry.millifps).max(1);
        let intervals = Duration::from_secs(1000) * STALLED_INTERVALS / millifps;
        // The listed rate is that of three seconds, so it says nothing about a slow camera.
        let usual = viewer.track().usual_gap().unwrap_or_default() * STALLED_INTERVALS;
        status.state == StreamState::Live
            && (self.ladder.len() > 1 || self.or_jpeg && sent.codec != Codec::Jpeg)
            && viewer.is_starved(now, usual)
            && (entry.is_none_or(|entry| entry.millifps == 0) || viewer.is_starved(now, intervals))
    }

    fn is_absent(&self, track: &TrackName) -> bool {
        self.absent.as_ref().is_some_and(|(absent, _)| absent == track)
    }

    /// Starts at the smallest rung, because the bandwidth is limited and shared.
    pub fn start_smallest(&mut self) {
        (self.rung, self.committed) = (0, 0);
    }

    /// Rebuilds the ladder and keeps the choice if possible. Returns whether the ladder has changed.
    fn rebuild_ladder(&mut self, stream: &Stream) -> bool {
        self.changes = stream.change_count();
        let (chosen, committed) = (self.track().clone(), self.ladder.track(self.committed).clone());
        let absent = self.absent.as_ref().map(|(track, _)| track);
        let tracks = &stream.status().tracks;
        let has = |codec| tracks.iter().any(|t| t.name.codec == codec && Some(&t.name) != absent);
        let in_jpeg = self.or_jpeg && !has(self.codec) && has(Codec::Jpeg);
        let codec = if in_jpeg { Codec::Jpeg } else { self.codec };
        let rebuilt = ladder(stream, codec, self.display, absent);
        let changed = rebuilt != self.ladder;
        self.ladder = rebuilt;
        self.rung = self.ladder.position(&chosen).unwrap_or(self.ladder.top());
        self.committed = self.ladder.position(&committed).unwrap_or(self.rung);
        changed
    }
}

impl AdaptiveViewer {
    /// Returns a viewer with the choice of the relay, if the relay chooses.
    pub fn new(viewer: Viewer, auto: Option<AutoRendition>) -> Self {
        Self { viewer, auto: auto.map(Box::new) }
    }

    /// Returns whether the relay chooses the rendition.
    pub fn is_auto(&self) -> bool {
        self.auto.is_some()
    }

    /// Changes the request to this track, or to the relay's choice.
    pub fn change(&mut self, track: &TrackName, auto: Option<AutoRendition>, now: Timestamp) {
        self.auto = auto.map(Box::new);
        match &mut self.auto {
            // The choice starts at the track that is being sent, which avoids a needless switch.
            Some(auto) => {
                let sent = &self.viewer.track().topic().track;
                auto.rung = auto.ladder.position(sent).unwrap_or(auto.ladder.top());
                auto.committed = auto.rung;
            }
            None => self.viewer.switch_to(track, now),
        }
    }

    /// Returns whether link or viewer keep the rendition below the largest. A probe counts as reduced because it may
    /// fail.
    pub fn is_reduced(&self) -> bool {
        let sent = &self.viewer.track().topic().track;
        self.auto.as_ref().is_some_and(|auto| {
            let smaller = auto.ladder.position(sent).is_some_and(|rung| rung < auto.ladder.top());
            smaller || auto.is_probing()
        })
    }

    /// Returns the moment since which the viewer has dropped frames although smaller renditions had time to help.
    pub fn slow_since(&self, now: Timestamp) -> Option<Timestamp> {
        let since = self.viewer.slow_since()?;
        let adapts = self.auto.as_ref().is_some_and(|auto| auto.ladder.len() > 1);
        (!adapts || now.since(since) > ADAPTS_WITHIN).then_some(since)
    }

    /// Checks for changed, absent and stalled tracks. Returns whether the renditions must be allocated again.
    pub(super) fn refresh(&mut self, now: Timestamp) -> bool {
        let Some(auto) = &mut self.auto else { return false };
        let stream = self.viewer.stream();
        let retry = auto.absent.as_ref().is_some_and(|(_, since)| now.since(*since) > RETRY_AFTER);
        if retry {
            auto.absent = None;
        }
        let running = self.viewer.last_sent_at().is_some_and(|at| now.since(at) < RUNNING);
        let switch_failed = running && self.viewer.is_switch_stalled(now, ABSENT_AFTER);
        let absent = match self.viewer.pending_track() {
            Some(track) if switch_failed => Some(track),
            None if auto.is_stalled(&self.viewer, now) => Some(self.viewer.track()),
            _ => None,
        };
        let absent = absent.map(|track| track.topic().track.clone());
        let found_absent = absent.is_some();
        if let Some(track) = absent {
            auto.absent = Some((track, now));
        }
        if !retry && !found_absent && auto.changes == stream.change_count() {
            return false;
        }
        let changed = auto.rebuild_ladder(stream);
        if switch_failed {
            self.viewer.cancel_switch();
        }
        changed || found_absent
    }

    /// Returns the bitrates of the renditions that the viewer may be sent, and its present rung.
    pub(super) fn allocation_request(&self, now: Timestamp) -> AllocationRequest {
        let bits = |track: &TrackName| self.bits(track, now);
        let (mut bits, rung) = match &self.auto {
            Some(auto) => (auto.ladder.bits(bits), auto.rung),
            None => (smallvec![bits(&self.viewer.track().topic().track).unwrap_or(0)], 0),
        };
        // An offline stream sends nothing, so the other viewers get its share.
        if !matches!(self.viewer.stream().status().state, StreamState::Live | StreamState::Idle) {
            bits.fill(0);
        }
        AllocationRequest { bits, rung }
    }

    /// Returns a track's bitrate as received; before its first frames, as its publisher announces it.
    fn bits(&self, track: &TrackName, now: Timestamp) -> Option<u64> {
        let stream = self.viewer.stream();
        let received = stream.known_track(track).and_then(|track| track.bitrate(now));
        let status = stream.status();
        let entry = status.tracks.iter().find(|entry| entry.name == *track);
        let bits = received.or(entry.map(|entry| entry.bitrate))?;
        // A viewer that asked for fewer frames takes fewer bits.
        let fps = status.tracks.iter().map(|entry| entry.millifps).max()? as f64 / 1000.0;
        let share =
            self.viewer.max_fps().filter(|_| fps > 0.0).map_or(1.0, |requested| requested / fps);
        Some((bits as f64 * share.min(1.0)) as u64)
    }

    /// Switches to a rung; as a probe, it can be reverted.
    pub(super) fn switch_to(&mut self, rung: usize, probing: bool, now: Timestamp) {
        let Some(auto) = &mut self.auto else { return };
        auto.rung = rung.min(auto.ladder.top());
        auto.committed = if probing { auto.committed.min(auto.rung) } else { auto.rung };
        self.viewer.switch_to(auto.ladder.track(auto.rung), now);
    }

    /// Keeps the probed rung.
    pub(super) fn commit(&mut self) {
        if let Some(auto) = &mut self.auto {
            auto.committed = auto.rung;
        }
    }

    /// Switches back to the rung from before the probe.
    pub(super) fn revert(&mut self, now: Timestamp) {
        let committed = self.auto.as_ref().map_or(0, |auto| auto.committed);
        self.switch_to(committed, false, now);
    }
}

impl AsMut<Self> for AdaptiveViewer {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}

fn ladder(
    stream: &Stream,
    codec: Codec,
    display: DisplaySize,
    absent: Option<&TrackName>,
) -> ViewerLadder {
    ViewerLadder::new(&stream.status().tracks, codec, display, |track| Some(track) == absent)
}

#[cfg(test)]
mod tests;
