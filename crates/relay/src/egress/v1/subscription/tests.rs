//! Viewers of H.264 that acknowledge the frames that they show, or only announce that they do.

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::hub::{Viewer, fixture};
use crate::limits::Limits;
use crate::stats::labels::Transport;
use crate::wake::Waker;

/// Milliseconds between two frames, and frames between two keyframes.
const INTERVAL: u64 = 33;
const GOP: u64 = 60;

/// A client: the frames that it was sent, and those in flight with the time of sending.
struct Client {
    stream: Arc<Stream>,
    subscription: Subscription,
    sent: Vec<u64>,
    in_flight: Vec<(u64, u64)>,
}

impl Client {
    fn new() -> Self {
        let stream = fixture::stream(Vec::new());
        let track = "full.h264".parse().unwrap();
        let waker = Waker::new(Arc::default());
        let viewer =
            Viewer::watch(&stream, &track, Transport::V1, ViewOptions::default(), waker, at(0));
        let permit = Limits::new(1, 1).admit(IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap();
        let subscription = Subscription::new(1, AdaptiveViewer::new(viewer, None), true, permit);
        Self { stream, subscription, sent: Vec::new(), in_flight: Vec::new() }
    }

    /// Simulates one millisecond: the camera's frame, if there is one, and everything that may be sent.
    fn tick(&mut self, now: u64) {
        self.capture(now);
        while let NextSend::Frame { frame, .. } = self.subscription.next(at(now), Duration::ZERO) {
            self.sent.push(frame.sequence());
            self.in_flight.push((frame.sequence(), now));
        }
    }

    fn capture(&self, now: u64) {
        let (sequence, at) = (now / INTERVAL, at(now));
        if !now.is_multiple_of(INTERVAL) {
            return;
        }
        let is_keyframe = sequence.is_multiple_of(GOP);
        let frame = fixture::frame(sequence, at, is_keyframe);
        self.subscription.adaptive.viewer.track().push(frame);
    }

    /// Acknowledges everything that was sent up to a moment.
    fn acknowledge(&mut self, sent_until: u64, now: u64) {
        let shown = self.in_flight.iter().take_while(|(_, sent_at)| *sent_at <= sent_until).count();
        if let Some((sequence, _)) = self.in_flight.drain(..shown).next_back() {
            self.subscription.acknowledge(sequence, at(now), false);
        }
    }
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_micros(1_000_000 + millis * 1000)
}

#[test]
fn a_viewer_that_never_acknowledges_is_sent_the_window_and_then_at_most_a_keyframe_a_second() {
    let mut client = Client::new();
    (0..20_000).for_each(|now| client.tick(now));
    let (first, later) = client.sent.split_at(4);
    assert_eq!(first, [0, 1, 2, 3]);
    assert!(later.iter().all(|sequence| sequence.is_multiple_of(GOP)), "{later:?}");
    assert!((9..=20).contains(&later.len()), "{later:?}");
}

#[test]
fn a_tab_that_paints_five_frames_a_second_is_sent_no_more_than_it_acknowledges() {
    let mut client = Client::new();
    let mut acknowledged = 0;
    for now in 0..20_000 {
        if now % 200 == 0 && !client.in_flight.is_empty() {
            let (sequence, _) = client.in_flight.remove(0);
            client.subscription.acknowledge(sequence, at(now), false);
            acknowledged += 1;
        }
        client.tick(now);
        assert!(client.in_flight.len() <= 8, "{now}: {:?}", client.in_flight);
    }
    assert!((30..=100).contains(&acknowledged), "{acknowledged}");
}

#[test]
fn after_a_hiccup_of_the_link_all_frames_are_sent_immediately_and_of_the_tab_as_fast_as_it_shows_them()
 {
    for by_link in [true, false] {
        let mut client = Client::new();
        for now in 0..1_800 {
            let hiccup = (600..1_200).contains(&now);
            if hiccup && by_link {
                client.capture(now);
                client.subscription.hold_for_link();
                continue;
            }
            if !hiccup {
                client.acknowledge(now.saturating_sub(10), now);
            }
            let before = client.sent.len();
            client.tick(now);
            let burst = client.sent.len() - before;
            assert_eq!(burst > 10, by_link && now == 1_200, "{now}: {burst}");
        }
        let all = 0..=1_799 / INTERVAL;
        assert!(client.sent.iter().copied().eq(all), "{:?}", client.sent);
        assert_eq!(client.stream.counters.of(Transport::V1).read().dropped, [0; 5]);
    }
}

#[test]
fn a_missed_send_deadline_is_reported_for_a_while_and_counted() {
    let mut client = Client::new();
    let mut state = |now: u64, overdue: bool| {
        client.tick(now);
        client.acknowledge(now, now);
        if overdue {
            client.subscription.mark_overdue(at(now));
        }
        match client.subscription.state_message(at(now))? {
            FromRelay::State { state, reason, .. } => Some((state, reason)),
            _ => unreachable!("only states are reported"),
        }
    };
    assert_eq!(state(0, false), Some((ViewerState::Live, String::new())));
    assert_eq!(state(1000, true), Some((ViewerState::Slow, OVERDUE.to_owned())));
    assert_eq!(state(2000, false), None);
    assert_eq!(state(4000, false), Some((ViewerState::Live, String::new())));
    assert_eq!(client.stream.counters.of(Transport::V1).read().overdue, 1);
}
