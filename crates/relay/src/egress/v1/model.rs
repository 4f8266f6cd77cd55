//! The whole sender of one viewer against arbitrary links, receivers and cameras: link estimate, window of acknowledgements,
//! choice of rendition and catching up in GOPs, together. No state may be reached that nothing leads out of.
//!
//! While nothing is in flight, a frame that the viewer is to have now is sent within 250 ms and three round trips. Excused
//! are waits for a keyframe, for the rate that the viewer asked for (`fps`), for the time it stays behind (`buffer`), for
//! acknowledgements that it promised to give, and for a receiver that provably reads nothing.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};

use fanlight_protocol::{Codec, TrackEntry, TrackName};
use proptest::prelude::*;

use super::subscription::Subscription;
use crate::connection::queue_estimate::{QueueEstimator, Room as Turn};
use crate::connection::simulated::Connection;
use crate::egress::abr::ladder::Room;
use crate::egress::abr::{AdaptiveViewer, Auto, Fit, Link};
use crate::hub::{NextSend, Stream, ViewOptions, Viewer, fixture};
use crate::limits::Limits;
use crate::stats::labels::Transport;
use crate::wake::Waker;
use fanlight_protocol::Timestamp;
use std::sync::Arc;

/// Milliseconds between two pictures, and pictures between two keyframes.
const INTERVAL: u64 = 33;
const GOP: u64 = 60;
/// Milliseconds for which a frame may be held back with nothing in flight: the promise, and a look at each picture.
const PROMISED: u64 = 250 + INTERVAL;
/// Milliseconds within which all is well after the last trouble: a trial that fails, two keyframes, a second's probe.
const RECOVERY: u64 = 8_000;
/// Rendition and width; bytes of a picture of the largest are arbitrary.
const RENDITIONS: [(&str, u32); 3] = [("full", 1280), ("half", 640), ("quarter", 320)];

/// An event that lasts for some time.
#[derive(Debug, Clone)]
enum Event {
    /// The link carries this many bytes a millisecond, and the program at its end reads as many.
    Link { carries: u64, reads: u64 },
    /// The window of a receiver that has read everything.
    Window(u64),
    /// Acknowledgements come this many milliseconds after a frame was read, or not at all.
    Acks(Option<u64>),
    /// The camera brings no pictures.
    Dark,
    /// The relay stands still, and its kernel goes on.
    Stopped,
    /// The decoder fails.
    Fails,
    /// Nothing new.
    Calm,
}

fn event() -> impl Strategy<Value = (Event, u64)> {
    let carries = prop_oneof![2 => Just(12_500_u64), 2 => 100..1_000_u64, 1 => Just(0_u64)];
    let reads = prop_oneof![3 => Just(u64::MAX / 2), 2 => 50..1_000_u64, 1 => Just(0_u64)];
    let event = prop_oneof![
        3 => (carries, reads).prop_map(|(carries, reads)| Event::Link { carries, reads }),
        2 => (20_000..1_000_000_u64).prop_map(Event::Window),
        2 => prop_oneof![Just(None), (0..500_u64).prop_map(Some)].prop_map(Event::Acks),
        1 => Just(Event::Dark),
        1 => Just(Event::Stopped),
        1 => Just(Event::Fails),
        2 => Just(Event::Calm),
    ];
    (event, 1..3_000_u64)
}

struct Model {
    stream: Arc<Stream>,
    codec: Codec,
    bytes: u64,
    subscription: Subscription,
    fit: Fit,
    queue_estimate: QueueEstimator,
    connection: Connection,
    acks: Option<u64>,
    /// Frames on their way: the last byte of each, its sequence, and whether it is to be acknowledged.
    under_way: VecDeque<(u64, u64)>,
    acknowledged: VecDeque<(u64, u64)>,
    written: u64,
    until: u64,
    /// Since when a frame is owed with nothing in flight.
    owed_since: Option<u64>,
    sent: Vec<u64>,
    stalled: bool,
}

impl Model {
    fn new(codec: Codec, auto: bool, acknowledges: bool, bytes: u64, distance: u64) -> Self {
        let entries = RENDITIONS.map(|(rendition, width)| TrackEntry {
            millifps: 30_303,
            ..fixture::entry(&format!("{rendition}.{codec}"), width, width * 9 / 16)
        });
        let stream = fixture::stream(entries.into());
        let choice = Auto::new(&stream, codec, Room::default());
        let track = choice.track().clone();
        let waker = Waker::new(Arc::default());
        let viewer =
            Viewer::watch(&stream, &track, Transport::V1, ViewOptions::default(), waker, at(0));
        let tile = AdaptiveViewer::new(viewer, auto.then_some(choice));
        let permit = Limits::new(1, 1).admit(IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap();
        Self {
            stream,
            codec,
            bytes,
            subscription: Subscription::new(1, tile, acknowledges, permit),
            fit: Fit::default(),
            queue_estimate: QueueEstimator::default(),
            connection: Connection::new(100, distance, false),
            acks: Some(0),
            under_way: VecDeque::new(),
            acknowledged: VecDeque::new(),
            written: 0,
            until: 0,
            owed_since: None,
            sent: Vec::new(),
            stalled: false,
        }
    }

    fn happen(&mut self, event: &Event, now: u64) {
        match event {
            Event::Link { carries, reads } => {
                (self.connection.carries, self.connection.reads) = (*carries, *reads);
            }
            Event::Window(widest) => self.connection.widest = *widest,
            Event::Acks(acks) => self.acks = *acks,
            Event::Fails => self.subscription.fail(at(now)),
            Event::Dark | Event::Stopped | Event::Calm => {}
        }
    }

    /// One millisecond.
    fn pass(&mut self, now: u64, dark: bool, stopped: bool) {
        if !dark {
            self.shoot(now);
        }
        self.connection.pass(now);
        while self.under_way.front().is_some_and(|(end, _)| *end <= self.connection.read) {
            let (_, sequence) = self.under_way.pop_front().unwrap();
            if let Some(later) = self.acks {
                self.acknowledged.push_back((now + later, sequence));
            }
        }
        if stopped {
            self.owed_since = None;
            return;
        }
        while self.acknowledged.front().is_some_and(|(due, _)| *due <= now) {
            let (_, sequence) = self.acknowledged.pop_front().unwrap();
            self.subscription.acknowledge(sequence, at(now), false);
        }
        while self.speak(now) {}
        self.check(now);
    }

    fn shoot(&self, now: u64) {
        if !now.is_multiple_of(INTERVAL) {
            return;
        }
        let sequence = now / INTERVAL;
        for (place, (rendition, width)) in RENDITIONS.into_iter().enumerate() {
            let name: TrackName = format!("{rendition}.{}", self.codec).parse().unwrap();
            let Some(track) = self.stream.known_track(&name).filter(|track| track.has_demand())
            else {
                continue;
            };
            let is_keyframe = self.codec == Codec::Jpeg || sequence.is_multiple_of(GOP);
            let bytes = self.bytes / 3_u64.pow(place as u32);
            let bytes = if is_keyframe { bytes } else { bytes / 8 };
            let mut frame = fixture::frame(sequence, at(now), is_keyframe);
            frame.meta.width = width;
            frame.payload = vec![0; bytes as usize].into();
            track.push(frame);
        }
    }

    /// As a session speaks. Returns whether there may be more.
    fn speak(&mut self, now: u64) -> bool {
        if self.connection.unsent > 16 * 1024 {
            self.queue_estimate.suspect(at(now));
            self.subscription.hold_for_link();
            return false;
        }
        if self.fit_is_due(now) {
            let link = Link {
                acked: self.queue_estimate.acked(),
                distance: self.queue_estimate.distance(),
                waited_for_receiver: self.queue_estimate.waited_for_receiver(at(now)),
                lossy: self.queue_estimate.is_lossy(at(now)),
            };
            self.fit.choose(std::slice::from_mut(&mut self.subscription), link, at(now));
        }
        // A wait ends at its time, and each picture ends it sooner.
        if now < self.until && !now.is_multiple_of(INTERVAL) {
            return false;
        }
        if self.queue_estimate.wants_reading(at(now)) {
            match self.queue_estimate.take(at(now), self.connection.read_info(now)) {
                Turn::Now => {}
                Turn::At(then) => {
                    assert!(then > at(now));
                    self.until = millis(then);
                    self.subscription.hold_for_link();
                    return false;
                }
                Turn::Stalled => {
                    self.stalled = true;
                    return false;
                }
            }
        }
        match self.subscription.next(at(now), self.queue_estimate.distance()) {
            NextSend::Frame { frame, .. } => {
                let bytes = frame.payload.len() as u64;
                self.connection.unsent += bytes;
                self.written += bytes;
                self.queue_estimate.send(bytes as usize);
                self.under_way.push_back((self.written, frame.sequence()));
                self.sent.push(now);
                self.owed_since = None;
                true
            }
            NextSend::At(due) => {
                self.until = millis(due);
                false
            }
            NextSend::Nothing => false,
        }
    }

    fn fit_is_due(&self, now: u64) -> bool {
        now.is_multiple_of(50)
    }

    fn check(&mut self, now: u64) {
        let idle = self.connection.read_info(now).queued == 0 && self.queue_estimate.is_idle();
        if !idle || !self.subscription.has_due_frame(at(now)) {
            self.owed_since = None;
            return;
        }
        let since = *self.owed_since.get_or_insert(now);
        let held = now - since;
        assert!(
            held <= PROMISED + 3 * self.connection.distance,
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
    fn no_state_of_the_sender_is_one_that_nothing_leads_out_of(
        of_gops: bool,
        auto: bool,
        acknowledges: bool,
        bytes in 3_000..600_000_u64,
        distance in 1..150_u64,
        events in proptest::collection::vec(event(), 0..12),
    ) {
        let codec = if of_gops { Codec::H264 } else { Codec::Jpeg };
        let mut model = Model::new(codec, auto, acknowledges, bytes, distance);
        let mut now = 0;
        for (event, lasts) in &events {
            model.happen(event, now);
            let (dark, stopped) = (matches!(event, Event::Dark), matches!(event, Event::Stopped));
            for _ in 0..*lasts {
                model.pass(now, dark, stopped);
                now += 1;
            }
            if model.stalled {
                return Ok(());
            }
        }
        // A good link, a quick reader, and acknowledgements.
        model.happen(&Event::Link { carries: 125_000, reads: u64::MAX / 2 }, now);
        model.happen(&Event::Window(8_000_000), now);
        model.happen(&Event::Acks(Some(0)), now);
        let (begin, end) = (now, now + RECOVERY + 3_000);
        while now < end {
            model.pass(now, false, false);
            now += 1;
            if model.stalled {
                prop_assert!(now < begin + 500, "it took nothing for 10 s, most of them before");
                return Ok(());
            }
        }
        let frames = model.sent.iter().filter(|sent| **sent + 3_000 > end).count();
        prop_assert!(frames >= 80, "{frames} of 90 frames in the last three seconds");
    }
}
