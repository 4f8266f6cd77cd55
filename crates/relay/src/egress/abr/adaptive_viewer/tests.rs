//! Tracks that are absent, stall or return.

use std::sync::Arc;

use fanlight_protocol::TrackEntry;

use super::*;
use crate::hub::{Hub, NextSend, StreamStatus, ViewOptions, fixture};
use crate::stats::labels::Transport;
use crate::wake::Waker;

fn status(tracks: &[&str]) -> StreamStatus {
    let entry = |name: &&str| TrackEntry { millifps: 30_000, ..fixture::entry(name, 16, 9) };
    fixture::live(tracks.iter().map(entry).collect())
}

#[test]
fn h264_without_frames_is_replaced_by_jpeg_and_retried_half_a_minute_later() {
    let status = status(&["full.jpeg", "full.h264"]);
    let stream = Hub::new(Arc::default()).open(&"cam".parse().unwrap(), status);
    let auto = AutoRendition::new(&stream, Codec::H264, DisplaySize::default()).or_jpeg();
    let waker = Waker::new(Arc::default());
    let begin = Timestamp::from_micros(1_000_000);
    let options = ViewOptions::default();
    let mut viewer = Viewer::watch(&stream, auto.track(), Transport::V1, options, waker, begin);
    let jpeg = TrackName::full_jpeg();
    viewer.start_with_fallback(&jpeg, begin);
    let mut adaptive = AdaptiveViewer::new(viewer, Some(auto));
    let h264 = stream.known_track(&"full.h264".parse().unwrap()).unwrap();
    for tenths in 0..400 {
        let now = begin + Duration::from_millis(100 * tenths);
        stream.track(&jpeg).push(fixture::keyframe(now.micros(), now));
        if adaptive.refresh(now) {
            let top = adaptive.auto.as_ref().unwrap().ladder.top();
            adaptive.switch_to(top, false, now);
        }
        assert!(matches!(adaptive.viewer.next(now), NextSend::Frame { .. }), "{tenths}");
        let tried = matches!(tenths, 0..=20 | 322..=342);
        assert_eq!(h264.has_demand(), tried, "{tenths}");
    }
}

#[test]
fn a_stalled_track_is_replaced_by_another_one_while_its_stream_is_live() {
    for (state, replaced) in [(StreamState::Live, true), (StreamState::Offline, false)] {
        let status = StreamStatus { state, ..status(&["full.jpeg", "full.h264"]) };
        let stream = Hub::new(Arc::default()).open(&"cam".parse().unwrap(), status);
        let auto = AutoRendition::new(&stream, Codec::H264, DisplaySize::default()).or_jpeg();
        let (waker, begin) = (Waker::new(Arc::default()), Timestamp::from_micros(1_000_000));
        let options = ViewOptions::default();
        let viewer = Viewer::watch(&stream, auto.track(), Transport::V1, options, waker, begin);
        let mut adaptive = AdaptiveViewer::new(viewer, Some(auto));
        let h264 = stream.known_track(&"full.h264".parse().unwrap()).unwrap();
        let mut last_sent = begin;
        for tenths in 0..300 {
            let now = begin + Duration::from_millis(100 * tenths);
            if tenths < 50 {
                h264.push(fixture::keyframe(tenths, now));
            }
            // Capture encodes only tracks that have a viewer.
            let jpeg = stream.track(&TrackName::full_jpeg());
            if jpeg.has_demand() {
                jpeg.push(fixture::keyframe(tenths, now));
            }
            if adaptive.refresh(now) {
                let top = adaptive.auto.as_ref().unwrap().ladder.top();
                adaptive.switch_to(top, false, now);
            }
            if matches!(adaptive.viewer.next(now), NextSend::Frame { .. }) {
                assert!(now.since(last_sent) <= STALLED_AFTER + Duration::from_millis(200));
                last_sent = now;
            }
        }
        let end = begin + Duration::from_millis(29_900);
        assert_eq!(last_sent == end, replaced, "{state:?}");
    }
}

#[test]
fn jpeg_replaces_h264_that_ended_only_if_the_relay_chose_the_codec() {
    for (or_jpeg, expected) in [(true, "full.jpeg"), (false, "full.h264")] {
        let hub = Hub::new(Arc::default());
        let both = status(&["full.jpeg", "full.h264"]);
        let stream = hub.open(&"cam".parse().unwrap(), both.clone());
        let auto = AutoRendition::new(&stream, Codec::H264, DisplaySize::default());
        let auto = if or_jpeg { auto.or_jpeg() } else { auto };
        let waker = Waker::new(Arc::default());
        let (options, now) = (ViewOptions::default(), Timestamp::default());
        let viewer = Viewer::watch(&stream, auto.track(), Transport::V1, options, waker, now);
        let mut adaptive = AdaptiveViewer::new(viewer, Some(auto));
        let chosen = |adaptive: &mut AdaptiveViewer| {
            adaptive.refresh(Timestamp::default());
            adaptive.auto.as_ref().unwrap().track().to_string()
        };
        stream.set_status(status(&["full.jpeg"]));
        assert_eq!(chosen(&mut adaptive), expected);
        stream.set_status(both);
        assert_eq!(chosen(&mut adaptive), "full.h264", "the first choice");
    }
}
