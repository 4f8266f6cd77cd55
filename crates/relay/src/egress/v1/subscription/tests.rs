//! Viewers of H.264 that acknowledge what they show, or that only say so.

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::hub::{Viewer, fixture};
use crate::limits::Limits;
use crate::stats::labels::Transport;
use crate::wake::Waker;

/// Milliseconds between two pictures, and how many of them lie between two keyframes.
const INTERVAL: u64 = 33;
const GOP: u64 = 60;

/// Who watches: which frames it was sent, and which of them it has not acknowledged, with when they were sent.
struct Watcher {
    stream: Arc<Stream>,
    subscription: Subscription,
    sent: Vec<u64>,
    under_way: Vec<(u64, u64)>,
}

impl Watcher {
    fn new() -> Self {
        let stream = fixture::stream(Vec::new());
        let track = "full.h264".parse().unwrap();
        let waker = Waker::new(Arc::default());
        let viewer =
            Viewer::watch(&stream, &track, Transport::V1, ViewOptions::default(), waker, at(0));
        let permit = Limits::new(1, 1).admit(IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap();
        let subscription = Subscription::new(1, AdaptiveViewer::new(viewer, None), true, permit);
        Self { stream, subscription, sent: Vec::new(), under_way: Vec::new() }
    }

    /// One millisecond: the camera's picture, where there is one, and all that may be sent.
    fn look(&mut self, now: u64) {
        self.shoot(now);
        while let NextSend::Frame { frame, .. } = self.subscription.next(at(now), Duration::ZERO) {
            self.sent.push(frame.sequence());
            self.under_way.push((frame.sequence(), now));
        }
    }

    fn shoot(&self, now: u64) {
        let (sequence, at) = (now / INTERVAL, at(now));
        if !now.is_multiple_of(INTERVAL) {
            return;
        }
        let is_keyframe = sequence.is_multiple_of(GOP);
        let frame = fixture::frame(sequence, at, is_keyframe);
        self.subscription.tile.viewer.track().push(frame);
    }

    /// Acknowledges all that was sent until then.
    fn acknowledge(&mut self, sent_until: u64, now: u64) {
        let shown = self.under_way.iter().take_while(|(_, sent_at)| *sent_at <= sent_until).count();
        if let Some((sequence, _)) = self.under_way.drain(..shown).next_back() {
            self.subscription.acknowledge(sequence, at(now), false);
        }
    }
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_micros(1_000_000 + millis * 1000)
}

#[test]
fn one_that_never_acknowledges_is_sent_the_window_and_then_keyframes_one_a_second_at_most() {
    let mut watcher = Watcher::new();
    (0..20_000).for_each(|now| watcher.look(now));
    let (first, later) = watcher.sent.split_at(4);
    assert_eq!(first, [0, 1, 2, 3]);
    assert!(later.iter().all(|sequence| sequence.is_multiple_of(GOP)), "{later:?}");
    assert!((9..=20).contains(&later.len()), "{later:?}");
}

#[test]
fn a_tab_that_paints_five_pictures_a_second_is_sent_no_more_than_it_acknowledges() {
    let mut watcher = Watcher::new();
    let mut acknowledged = 0;
    for now in 0..20_000 {
        if now % 200 == 0 && !watcher.under_way.is_empty() {
            let (sequence, _) = watcher.under_way.remove(0);
            watcher.subscription.acknowledge(sequence, at(now), false);
            acknowledged += 1;
        }
        watcher.look(now);
        assert!(watcher.under_way.len() <= 8, "{now}: {:?}", watcher.under_way);
    }
    assert!((30..=100).contains(&acknowledged), "{acknowledged}");
}

#[test]
fn after_a_hiccup_of_the_link_all_is_sent_at_once_and_of_the_tab_as_fast_as_it_shows_it() {
    for by_link in [true, false] {
        let mut watcher = Watcher::new();
        for now in 0..1_800 {
            let hiccup = (600..1_200).contains(&now);
            if hiccup && by_link {
                watcher.shoot(now);
                watcher.subscription.hold_for_link();
                continue;
            }
            if !hiccup {
                watcher.acknowledge(now.saturating_sub(10), now);
            }
            let before = watcher.sent.len();
            watcher.look(now);
            let burst = watcher.sent.len() - before;
            assert_eq!(burst > 10, by_link && now == 1_200, "{now}: {burst}");
        }
        let all = 0..=1_799 / INTERVAL;
        assert!(watcher.sent.iter().copied().eq(all), "{:?}", watcher.sent);
        assert_eq!(watcher.stream.counters.of(Transport::V1).read().dropped, [0; 5]);
    }
}

#[test]
fn a_viewer_that_was_stuck_is_reported_so_for_a_while_and_counted() {
    let mut watcher = Watcher::new();
    let mut state = |now: u64, stuck: bool| {
        watcher.look(now);
        watcher.acknowledge(now, now);
        if stuck {
            watcher.subscription.mark_stuck(at(now));
        }
        match watcher.subscription.state_news(at(now))? {
            FromRelay::State { state, reason, .. } => Some((state, reason)),
            _ => unreachable!("it reports states only"),
        }
    };
    assert_eq!(state(0, false), Some((ViewerState::Live, String::new())));
    assert_eq!(state(1000, true), Some((ViewerState::Slow, STUCK.to_owned())));
    assert_eq!(state(2000, false), None);
    assert_eq!(state(4000, false), Some((ViewerState::Live, String::new())));
    assert_eq!(watcher.stream.counters.of(Transport::V1).read().stuck, 1);
}
