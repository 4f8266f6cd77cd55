//! The complete sender of one viewer against arbitrary links, receivers and cameras: queue estimate, ack window, ABR
//! and GOP catch-up together. No reachable state may be a dead end.
//!
//! While nothing is in flight, a frame that the viewer is due is sent within 250 ms plus three round trips. Exempt are
//! waits for a keyframe, for the requested frame rate (`fps`), for the requested delay (`buffer`), for announced
//! acknowledgements, and for a receiver that provably reads nothing.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};

use fanlight_protocol::{Codec, TrackEntry, TrackName};
use proptest::prelude::*;

use super::subscription::Subscription;
use crate::connection::queue_estimate::{QueueEstimator, SendDecision};
use crate::connection::simulated::SimulatedConnection;
use crate::egress::abr::viewer_ladder::DisplaySize;
use crate::egress::abr::{AbrController, AdaptiveViewer, AutoRendition, LinkState};
use crate::hub::{NextSend, Stream, ViewOptions, Viewer, fixture};
use crate::limits::Limits;
use crate::stats::labels::Transport;
use crate::wake::Waker;
use fanlight_protocol::Timestamp;
use std::sync::Arc;

/// Milliseconds between two frames, and frames between two keyframes.
const INTERVAL: u64 = 33;
const GOP: u64 = 60;
/// Milliseconds for which a frame may be held with nothing in flight: the send deadline, and the interval of checks.
const DEADLINE: u64 = 250 + INTERVAL;
/// Milliseconds within which the sender recovers after the last event: a failed probe, two keyframes, a probe of the
/// window.
const RECOVERY: u64 = 8_000;
/// Renditions and their widths. The bytes of a frame of the largest one are arbitrary.
const RENDITIONS: [(&str, u32); 3] = [("full", 1280), ("half", 640), ("quarter", 320)];

/// An event that lasts for some time.
#[derive(Debug, Clone)]
enum Event {
    /// The bytes a millisecond that the link sustains and the receiving program reads.
    Link { rate: u64, read_rate: u64 },
    /// The window of a receiver that has read everything.
    Window(u64),
    /// The milliseconds between reading a frame and its acknowledgement; none if there is no acknowledgement.
    Acks(Option<u64>),
    /// The camera sends no frames.
    NoFrames,
    /// The relay process is stopped while its kernel continues.
    Stopped,
    /// The decoder fails.
    DecoderFails,
    /// Nothing changes.
    Calm,
}

fn event() -> impl Strategy<Value = (Event, u64)> {
    let rate = prop_oneof![2 => Just(12_500_u64), 2 => 100..1_000_u64, 1 => Just(0_u64)];
    let read_rate = prop_oneof![3 => Just(u64::MAX / 2), 2 => 50..1_000_u64, 1 => Just(0_u64)];
    let event = prop_oneof![
        3 => (rate, read_rate).prop_map(|(rate, read_rate)| Event::Link { rate, read_rate }),
        2 => (20_000..1_000_000_u64).prop_map(Event::Window),
        2 => prop_oneof![Just(None), (0..500_u64).prop_map(Some)].prop_map(Event::Acks),
        1 => Just(Event::NoFrames),
        1 => Just(Event::Stopped),
        1 => Just(Event::DecoderFails),
        2 => Just(Event::Calm),
    ];
    (event, 1..3_000_u64)
}

struct Model {
    stream: Arc<Stream>,
    codec: Codec,
    bytes: u64,
    subscription: Subscription,
    abr: AbrController,
    queue_estimate: QueueEstimator,
    connection: SimulatedConnection,
    acks: Option<u64>,
    /// Frames in flight: the last byte of each, and its sequence number.
    in_flight: VecDeque<(u64, u64)>,
    acks_in_flight: VecDeque<(u64, u64)>,
    written: u64,
    until: u64,
    /// The moment since which the viewer is due a frame with nothing in flight.
    due_since: Option<u64>,
    sent: Vec<u64>,
    stalled: bool,
}

impl Model {
    fn new(codec: Codec, auto: bool, acknowledges: bool, bytes: u64, base_rtt: u64) -> Self {
        let entries = RENDITIONS.map(|(rendition, width)| TrackEntry {
            millifps: 30_303,
            ..fixture::entry(&format!("{rendition}.{codec}"), width, width * 9 / 16)
        });
        let stream = fixture::stream(entries.into());
        let choice = AutoRendition::new(&stream, codec, DisplaySize::default());
        let track = choice.track().clone();
        let waker = Waker::new(Arc::default());
        let viewer =
            Viewer::watch(&stream, &track, Transport::V1, ViewOptions::default(), waker, at(0));
        let adaptive = AdaptiveViewer::new(viewer, auto.then_some(choice));
        let permit = Limits::new(1, 1).admit(IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap();
        Self {
            stream,
            codec,
            bytes,
            subscription: Subscription::new(1, adaptive, acknowledges, permit),
            abr: AbrController::default(),
            queue_estimate: QueueEstimator::default(),
            connection: SimulatedConnection::new(100, base_rtt, false),
            acks: Some(0),
            in_flight: VecDeque::new(),
            acks_in_flight: VecDeque::new(),
            written: 0,
            until: 0,
            due_since: None,
            sent: Vec::new(),
            stalled: false,
        }
    }

    fn apply(&mut self, event: &Event, now: u64) {
        match event {
            Event::Link { rate, read_rate } => {
                (self.connection.rate, self.connection.read_rate) = (*rate, *read_rate);
            }
            Event::Window(window) => self.connection.max_window = *window,
            Event::Acks(acks) => self.acks = *acks,
            Event::DecoderFails => self.subscription.fail(at(now)),
            Event::NoFrames | Event::Stopped | Event::Calm => {}
        }
    }

    /// Simulates one millisecond.
    fn tick(&mut self, now: u64, no_frames: bool, stopped: bool) {
        if !no_frames {
            self.capture(now);
        }
        self.connection.tick(now);
        while self.in_flight.front().is_some_and(|(end, _)| *end <= self.connection.read) {
            let (_, sequence) = self.in_flight.pop_front().unwrap();
            if let Some(later) = self.acks {
                self.acks_in_flight.push_back((now + later, sequence));
            }
        }
        if stopped {
            self.due_since = None;
            return;
        }
        while self.acks_in_flight.front().is_some_and(|(due, _)| *due <= now) {
            let (_, sequence) = self.acks_in_flight.pop_front().unwrap();
            self.subscription.acknowledge(sequence, at(now), false);
        }
        while self.send_next(now) {}
        self.check(now);
    }

    fn capture(&self, now: u64) {
        if !now.is_multiple_of(INTERVAL) {
            return;
        }
        let sequence = now / INTERVAL;
        for (index, (rendition, width)) in RENDITIONS.into_iter().enumerate() {
            let name: TrackName = format!("{rendition}.{}", self.codec).parse().unwrap();
            let Some(track) = self.stream.known_track(&name).filter(|track| track.has_demand())
            else {
                continue;
            };
            let is_keyframe = self.codec == Codec::Jpeg || sequence.is_multiple_of(GOP);
            let bytes = self.bytes / 3_u64.pow(index as u32);
            let bytes = if is_keyframe { bytes } else { bytes / 8 };
            let mut frame = fixture::frame(sequence, at(now), is_keyframe);
            frame.meta.width = width;
            frame.payload = vec![0; bytes as usize].into();
            track.push(frame);
        }
    }

    /// Sends as a session does. Returns whether there may be more.
    fn send_next(&mut self, now: u64) -> bool {
        if self.connection.unsent > 16 * 1024 {
            self.queue_estimate.note_backpressure(at(now));
            self.subscription.hold_for_link();
            return false;
        }
        if self.abr_is_due(now) {
            let link = LinkState {
                acked: self.queue_estimate.acked(),
                min_rtt: self.queue_estimate.min_rtt(),
                receiver_limited: self.queue_estimate.is_receiver_limited(at(now)),
                lossy: self.queue_estimate.is_lossy(at(now)),
            };
            self.abr.adapt_to(std::slice::from_mut(&mut self.subscription), link, at(now));
        }
        // A hold ends at its time, and each frame ends it earlier.
        if now < self.until && !now.is_multiple_of(INTERVAL) {
            return false;
        }
        if self.queue_estimate.needs_reading(at(now)) {
            match self.queue_estimate.update(at(now), self.connection.reading(now)) {
                SendDecision::Send => {}
                SendDecision::RetryAt(then) => {
                    assert!(then > at(now));
                    self.until = millis(then);
                    self.subscription.hold_for_link();
                    return false;
                }
                SendDecision::Stalled => {
                    self.stalled = true;
                    return false;
                }
            }
        }
        match self.subscription.next(at(now), self.queue_estimate.min_rtt()) {
            NextSend::Frame { frame, .. } => {
                let bytes = frame.payload.len() as u64;
                self.connection.unsent += bytes;
                self.written += bytes;
                self.queue_estimate.note_sent(bytes as usize);
                self.in_flight.push_back((self.written, frame.sequence()));
                self.sent.push(now);
                self.due_since = None;
                true
            }
            NextSend::At(due) => {
                self.until = millis(due);
                false
            }
            NextSend::Nothing => false,
        }
    }

    fn abr_is_due(&self, now: u64) -> bool {
        now.is_multiple_of(50)
    }

    fn check(&mut self, now: u64) {
        let idle = self.connection.reading(now).queued == 0 && self.queue_estimate.is_idle();
        if !idle || !self.subscription.has_due_frame(at(now)) {
            self.due_since = None;
            return;
        }
        let since = *self.due_since.get_or_insert(now);
        let held = now - since;
        assert!(
            held <= DEADLINE + 3 * self.connection.base_rtt,
            "{held} ms: {:?}",
            self.queue_estimate
        );
    }
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_micros(1_000_000 + millis * 1000)
}

fn millis(at: Timestamp) -> u64 {
    (at.micros() - 1_000_000).div_ceil(1000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn no_state_of_the_sender_is_a_dead_end(
        h264: bool,
        auto: bool,
        acknowledges: bool,
        bytes in 3_000..600_000_u64,
        base_rtt in 1..150_u64,
        events in proptest::collection::vec(event(), 0..12),
    ) {
        let codec = if h264 { Codec::H264 } else { Codec::Jpeg };
        let mut model = Model::new(codec, auto, acknowledges, bytes, base_rtt);
        let mut now = 0;
        for (event, lasts) in &events {
            model.apply(event, now);
            let no_frames = matches!(event, Event::NoFrames);
            let stopped = matches!(event, Event::Stopped);
            for _ in 0..*lasts {
                model.tick(now, no_frames, stopped);
                now += 1;
            }
            if model.stalled {
                return Ok(());
            }
        }
        // From here on: a fast link, a fast reader, and acknowledgements.
        model.apply(&Event::Link { rate: 125_000, read_rate: u64::MAX / 2 }, now);
        model.apply(&Event::Window(8_000_000), now);
        model.apply(&Event::Acks(Some(0)), now);
        let (begin, end) = (now, now + RECOVERY + 3_000);
        while now < end {
            model.tick(now, false, false);
            now += 1;
            if model.stalled {
                prop_assert!(now < begin + 500, "nothing was read for 10 s, most of which lies before");
                return Ok(());
            }
        }
        let frames = model.sent.iter().filter(|sent| **sent + 3_000 > end).count();
        prop_assert!(frames >= 80, "{frames} of 90 frames in the last three seconds");
    }
}
