//! A viewer, and what the relay may show it.

use std::time::Duration;

use fanlight_protocol::{Codec, StreamState, Timestamp, TrackName};
use smallvec::smallvec;

use super::allocation::AllocationRequest;
use super::ladder::{Ladder, Room};
use crate::hub::{Stream, Viewer};

/// A track that is listed but of which no frame has come for this long, though another of its stream has some, is not
/// waited for any longer, and not asked for again before that.
const PATIENCE: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_secs(30);
/// A track whose stream is live but of which no frame has come for this long, and for this many frame intervals, is given
/// up for another one. By then capture has called a source that is silent itself offline.
const DEAD: Duration = Duration::from_secs(4);
const DEAD_INTERVALS: u32 = 5;
/// A stream of which a frame was sent this lately runs.
const RUNS: Duration = Duration::from_secs(1);
/// So long a viewer that can be helped by a smaller rendition may be slow without being told: as long as it takes to find
/// the one that fits, and to be well again.
const HELPED: Duration = Duration::from_secs(5);

/// A viewer, and what the relay may show it.
#[derive(Debug)]
pub struct AdaptiveViewer {
    /// The viewer.
    pub viewer: Viewer,
    /// Where the relay chooses.
    auto: Option<Box<Auto>>,
}

/// What the relay may choose for a viewer, and what it has chosen.
#[derive(Debug)]
pub struct Auto {
    codec: Codec,
    /// Whether JPEG will do where there is nothing of that codec.
    or_jpeg: bool,
    room: Room,
    ladder: Ladder,
    /// How often the stream had changed when the ladder was made.
    changes: u64,
    /// The rung chosen.
    at: usize,
    /// The one before what is only tried; the same where nothing is.
    before: usize,
    /// A track that did not come, and when that was found.
    absent: Option<(TrackName, Timestamp)>,
}

impl Auto {
    /// The choice for a viewer that shows this stream in so much room; as large as that needs.
    pub fn new(stream: &Stream, codec: Codec, room: Room) -> Self {
        let (changes, ladder) = (stream.change_count(), ladder(stream, codec, room, None));
        let at = ladder.top();
        Self { codec, or_jpeg: false, room, ladder, changes, at, before: at, absent: None }
    }

    /// Should there be nothing of this codec any more, JPEG will do.
    #[must_use]
    pub fn or_jpeg(self) -> Self {
        Self { or_jpeg: true, ..self }
    }

    /// The track chosen.
    pub fn track(&self) -> &TrackName {
        self.ladder.track(self.at)
    }

    /// Whether what is chosen is only tried.
    fn is_tried(&self) -> bool {
        self.before < self.at
    }

    /// Whether the track that is shown has died while its stream lives, and there is another one.
    fn is_dead(&self, viewer: &Viewer, now: Timestamp) -> bool {
        let shown = &viewer.track().topic().track;
        if !viewer.is_starved(now, DEAD) || self.is_absent(shown) {
            return false;
        }
        let status = viewer.stream().status();
        let entry = status.tracks.iter().find(|entry| entry.name == *shown);
        let millifps = entry.map_or(0, |entry| entry.millifps).max(1);
        let intervals = Duration::from_secs(1000) * DEAD_INTERVALS / millifps;
        status.state == StreamState::Live
            && (self.ladder.len() > 1 || self.or_jpeg && shown.codec != Codec::Jpeg)
            && (entry.is_none_or(|entry| entry.millifps == 0) || viewer.is_starved(now, intervals))
    }

    fn is_absent(&self, track: &TrackName) -> bool {
        self.absent.as_ref().is_some_and(|(absent, _)| absent == track)
    }

    /// Begins with the smallest: others have to share what there is.
    pub fn begin_small(&mut self) {
        (self.at, self.before) = (0, 0);
    }

    /// Makes the ladder anew; what is chosen stays where it can. Returns whether it is another one.
    fn renew(&mut self, stream: &Stream) -> bool {
        self.changes = stream.change_count();
        let (at, before) = (self.track().clone(), self.ladder.track(self.before).clone());
        let absent = self.absent.as_ref().map(|(track, _)| track);
        let tracks = &stream.status().tracks;
        let has = |codec| tracks.iter().any(|t| t.name.codec == codec && Some(&t.name) != absent);
        let in_jpeg = self.or_jpeg && !has(self.codec) && has(Codec::Jpeg);
        let codec = if in_jpeg { Codec::Jpeg } else { self.codec };
        let renewed = ladder(stream, codec, self.room, absent);
        let changed = renewed != self.ladder;
        self.ladder = renewed;
        self.at = self.ladder.place(&at).unwrap_or(self.ladder.top());
        self.before = self.ladder.place(&before).unwrap_or(self.at);
        changed
    }
}

impl AdaptiveViewer {
    /// A viewer, and what the relay may choose for it, if anything.
    pub fn new(viewer: Viewer, auto: Option<Auto>) -> Self {
        Self { viewer, auto: auto.map(Box::new) }
    }

    /// Whether the relay chooses.
    pub fn is_auto(&self) -> bool {
        self.auto.is_some()
    }

    /// From now on the viewer wishes for this track, or for what the relay chooses.
    pub fn change(&mut self, track: &TrackName, auto: Option<Auto>, now: Timestamp) {
        self.auto = auto.map(Box::new);
        match &mut self.auto {
            // What is shown is where the choice begins, so that nothing changes that need not.
            Some(auto) => {
                let shown = &self.viewer.track().topic().track;
                auto.at = auto.ladder.place(shown).unwrap_or(auto.ladder.top());
                auto.before = auto.at;
            }
            None => self.viewer.switch_to(track, now),
        }
    }

    /// Whether a larger rendition would be sent if link and viewer could take it. One that is only tried may not stay.
    pub fn is_reduced(&self) -> bool {
        let shown = &self.viewer.track().topic().track;
        self.auto.as_ref().is_some_and(|auto| {
            let smaller = auto.ladder.place(shown).is_some_and(|place| place < auto.ladder.top());
            smaller || auto.is_tried()
        })
    }

    /// Since when the viewer gets fewer frames than there are, and no other rendition helps.
    pub fn slow_since(&self, now: Timestamp) -> Option<Timestamp> {
        let since = self.viewer.slow_since()?;
        let helped = self.auto.as_ref().is_some_and(|auto| auto.ladder.len() > 1);
        (!helped || now.since(since) > HELPED).then_some(since)
    }

    /// Notes what has changed by itself: the tracks there are, one that does not come. Returns whether to choose anew.
    pub(super) fn refresh(&mut self, now: Timestamp) -> bool {
        let Some(auto) = &mut self.auto else { return false };
        let stream = self.viewer.stream();
        let again = auto.absent.as_ref().is_some_and(|(_, since)| now.since(*since) > AGAIN);
        if again {
            auto.absent = None;
        }
        let runs = self.viewer.last_sent_at().is_some_and(|at| now.since(at) < RUNS);
        let waits_in_vain = runs && self.viewer.is_switch_stalled(now, PATIENCE);
        let absent = match self.viewer.pending_track() {
            Some(track) if waits_in_vain => Some(track),
            None if auto.is_dead(&self.viewer, now) => Some(self.viewer.track()),
            _ => None,
        };
        let absent = absent.map(|track| track.topic().track.clone());
        let gives_up = absent.is_some();
        if let Some(track) = absent {
            auto.absent = Some((track, now));
        }
        if !again && !gives_up && auto.changes == stream.change_count() {
            return false;
        }
        let changed = auto.renew(stream);
        if waits_in_vain {
            self.viewer.cancel_switch();
        }
        changed || gives_up
    }

    /// What it may be sent and what it is, in bits a second.
    pub(super) fn claim(&self, now: Timestamp) -> AllocationRequest {
        let bits = |track: &TrackName| self.bits(track, now);
        let (mut bits, at) = match &self.auto {
            Some(auto) => (auto.ladder.bits(bits), auto.at),
            None => (smallvec![bits(&self.viewer.track().topic().track).unwrap_or(0)], 0),
        };
        // Of a stream that is dark nothing comes: others have its share.
        if !matches!(self.viewer.stream().status().state, StreamState::Live | StreamState::Idle) {
            bits.fill(0);
        }
        AllocationRequest { bits, at }
    }

    /// As it came here; before that, as its publisher says.
    fn bits(&self, track: &TrackName, now: Timestamp) -> Option<u64> {
        let stream = self.viewer.stream();
        let came = stream.known_track(track).and_then(|track| track.bitrate(now));
        let status = stream.status();
        let entry = status.tracks.iter().find(|entry| entry.name == *track);
        let bits = came.or(entry.map(|entry| entry.bitrate))?;
        // Whoever asked for fewer frames takes fewer bits.
        let fps = status.tracks.iter().map(|entry| entry.millifps).max()? as f64 / 1000.0;
        let share = self.viewer.max_fps().filter(|_| fps > 0.0).map_or(1.0, |wish| wish / fps);
        Some((bits as f64 * share.min(1.0)) as u64)
    }

    /// Turns to what was chosen; not for good where it is only tried.
    pub(super) fn turn(&mut self, at: usize, tried: bool, now: Timestamp) {
        let Some(auto) = &mut self.auto else { return };
        auto.at = at.min(auto.ladder.top());
        auto.before = if tried { auto.before.min(auto.at) } else { auto.at };
        self.viewer.switch_to(auto.ladder.track(auto.at), now);
    }

    /// What was tried is for good.
    pub(super) fn accept(&mut self) {
        if let Some(auto) = &mut self.auto {
            auto.before = auto.at;
        }
    }

    /// Turns back to what was before it was tried.
    pub(super) fn turn_back(&mut self, now: Timestamp) {
        let before = self.auto.as_ref().map_or(0, |auto| auto.before);
        self.turn(before, false, now);
    }
}

impl AsMut<Self> for AdaptiveViewer {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}

fn ladder(stream: &Stream, codec: Codec, room: Room, absent: Option<&TrackName>) -> Ladder {
    Ladder::new(&stream.status().tracks, codec, room, |track| Some(track) == absent)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fanlight_protocol::TrackEntry;

    use super::*;
    use crate::hub::{Hub, NextSend, Status, ViewOptions, fixture};
    use crate::stats::labels::Transport;
    use crate::wake::Waker;

    fn status(tracks: &[&str]) -> Status {
        let entry = |name: &&str| TrackEntry { millifps: 30_000, ..fixture::entry(name, 16, 9) };
        fixture::live(tracks.iter().map(entry).collect())
    }

    #[test]
    fn h264_that_never_comes_is_given_up_for_jpeg_and_tried_again_half_a_minute_later() {
        let status = status(&["full.jpeg", "full.h264"]);
        let stream = Hub::new(Arc::default()).open(&"cam".parse().unwrap(), status);
        let auto = Auto::new(&stream, Codec::H264, Room::default()).or_jpeg();
        let waker = Waker::new(Arc::default());
        let begin = Timestamp::from_micros(1_000_000);
        let manner = ViewOptions::default();
        let mut viewer = Viewer::watch(&stream, auto.track(), Transport::V1, manner, waker, begin);
        let jpeg = TrackName::full_jpeg();
        viewer.start_with_fallback(&jpeg, begin);
        let mut tile = AdaptiveViewer::new(viewer, Some(auto));
        let h264 = stream.known_track(&"full.h264".parse().unwrap()).unwrap();
        for tenths in 0..400 {
            let now = begin + Duration::from_millis(100 * tenths);
            stream.track(&jpeg).push(fixture::keyframe(now.micros(), now));
            if tile.refresh(now) {
                let top = tile.auto.as_ref().unwrap().ladder.top();
                tile.turn(top, false, now);
            }
            assert!(matches!(tile.viewer.next(now), NextSend::Frame { .. }), "{tenths}");
            let tried = matches!(tenths, 0..=20 | 322..=342);
            assert_eq!(h264.has_demand(), tried, "{tenths}");
        }
    }

    #[test]
    fn a_track_that_dies_under_its_viewer_is_given_up_for_another_one_while_its_stream_lives() {
        for (state, dies) in [(StreamState::Live, true), (StreamState::Offline, false)] {
            let status = Status { state, ..status(&["full.jpeg", "full.h264"]) };
            let stream = Hub::new(Arc::default()).open(&"cam".parse().unwrap(), status);
            let auto = Auto::new(&stream, Codec::H264, Room::default()).or_jpeg();
            let (waker, begin) = (Waker::new(Arc::default()), Timestamp::from_micros(1_000_000));
            let manner = ViewOptions::default();
            let viewer = Viewer::watch(&stream, auto.track(), Transport::V1, manner, waker, begin);
            let mut tile = AdaptiveViewer::new(viewer, Some(auto));
            let h264 = stream.known_track(&"full.h264".parse().unwrap()).unwrap();
            let mut last_shown = begin;
            for tenths in 0..300 {
                let now = begin + Duration::from_millis(100 * tenths);
                if tenths < 50 {
                    h264.push(fixture::keyframe(tenths, now));
                }
                // Nothing is encoded that has no viewer.
                let jpeg = stream.track(&TrackName::full_jpeg());
                if jpeg.has_demand() {
                    jpeg.push(fixture::keyframe(tenths, now));
                }
                if tile.refresh(now) {
                    let top = tile.auto.as_ref().unwrap().ladder.top();
                    tile.turn(top, false, now);
                }
                if matches!(tile.viewer.next(now), NextSend::Frame { .. }) {
                    assert!(now.since(last_shown) <= DEAD + Duration::from_millis(200));
                    last_shown = now;
                }
            }
            let end = begin + Duration::from_millis(29_900);
            assert_eq!(last_shown == end, dies, "{state:?}");
        }
    }

    #[test]
    fn where_the_relay_chose_h264_and_there_is_none_any_more_jpeg_is_sent_and_else_it_is_waited_for()
     {
        for (or_jpeg, expected) in [(true, "full.jpeg"), (false, "full.h264")] {
            let hub = Hub::new(Arc::default());
            let both = status(&["full.jpeg", "full.h264"]);
            let stream = hub.open(&"cam".parse().unwrap(), both.clone());
            let auto = Auto::new(&stream, Codec::H264, Room::default());
            let auto = if or_jpeg { auto.or_jpeg() } else { auto };
            let waker = Waker::new(Arc::default());
            let (manner, now) = (ViewOptions::default(), Timestamp::default());
            let viewer = Viewer::watch(&stream, auto.track(), Transport::V1, manner, waker, now);
            let mut tile = AdaptiveViewer::new(viewer, Some(auto));
            let chosen = |tile: &mut AdaptiveViewer| {
                tile.refresh(Timestamp::default());
                tile.auto.as_ref().unwrap().track().to_string()
            };
            stream.set_status(status(&["full.jpeg"]));
            assert_eq!(chosen(&mut tile), expected);
            stream.set_status(both);
            assert_eq!(chosen(&mut tile), "full.h264", "what it chose once");
        }
    }
}
