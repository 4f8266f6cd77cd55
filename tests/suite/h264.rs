//! H.264 from a camera's encoder, or ours, to a decoder: nothing broken, nothing old, whatever happens on the way.

use std::time::Duration;

use fanlight_protocol::Codec;
use fanlight_protocol::viewer::{FromRelay, ViewerState};
use fanlight_tests::rtsp_camera::RtspCamera;
use fanlight_tests::viewer::{Frame, Viewer, median};
use fanlight_tests::{Link, Relay, Site, eventually, h264, note};

const WISH: &str = r#""codec":"h264""#;
const SIZE: (usize, usize) = (640, 360);

/// Frames without a gap, from a keyframe on: a machine that stumbles makes a gap.
fn in_a_row(viewer: &mut Viewer, count: usize) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    while frames.len() < count {
        let frame = viewer.frame();
        if frames.is_empty() && !frame.is_keyframe {
            continue;
        }
        if frames.last().is_some_and(|last| frame.sequence != last.sequence + 1) {
            assert!(frame.is_keyframe, "after a gap comes a keyframe");
            frames.clear();
        }
        frames.push(frame);
    }
    frames
}

/// Somebody who comes now, and the first frame.
fn newcomer(relay: &Relay) -> (Viewer, Frame) {
    let mut viewer = relay.viewer_with("cam", WISH);
    let first = viewer.frame();
    assert!(first.is_keyframe, "whoever comes begins with a keyframe");
    (viewer, first)
}

#[test]
fn whoever_comes_at_whatever_moment_can_decode_from_the_first_frame_on() {
    let site = Site::new();
    site.capture(&["--stream", "cam=test:640x360@30"]);
    let relay = site.relay(&[]);
    let mut first = relay.viewer_with("cam", WISH);
    for _ in 0..6 {
        first.frames(11);
        let (mut late, key) = newcomer(&relay);
        let mut frames = vec![key];
        frames.extend(late.frames(40));
        let whole = frames.windows(2).take_while(|pair| pair[1].sequence == pair[0].sequence + 1);
        frames.truncate(whole.count() + 1);
        let stamps = h264::stamps(&frames, SIZE);
        assert!(stamps.windows(2).all(|pair| pair[0].time < pair[1].time));
    }
}

#[test]
fn two_relays_each_come_when_they_like() {
    let site = Site::new();
    site.capture(&["--stream", "cam=test:640x360@30"]);
    let (one, other) = (site.relay(&[]), site.relay(&[]));
    let mut early = one.viewer_with("cam", WISH);
    early.frames(45);
    // In the middle of a group: nothing would make a keyframe but that it is asked for.
    let (mut late, _) = newcomer(&other);
    h264::check(&in_a_row(&mut late, 20));
    h264::check(&in_a_row(&mut early, 40));
}

#[test]
fn a_decoder_that_failed_is_given_a_keyframe() {
    let site = Site::new();
    site.capture(&["--stream", "cam=test:640x360@30"]);
    let mut viewer = site.relay(&[]).viewer_with("cam", WISH);
    // Just after one nothing is due by itself for two seconds.
    while !viewer.frame().is_keyframe {}
    viewer.frames(40);
    viewer.say(r#"{"type":"keyframe","id":1}"#);
    let next = eventually("what comes then begins with a keyframe", || {
        let frame = viewer.frame();
        frame.is_keyframe.then_some(frame)
    });
    let rest = viewer.frames(10);
    h264::check(&[vec![next], rest].concat());
}

#[test]
fn a_cameras_own_h264_comes_back_after_its_cable_was_pulled() {
    let site = Site::new();
    let camera = RtspCamera::switch_on(&site, 0, None);
    let url = camera.url().to_owned();
    site.capture(&["--stream", &format!("cam={url}")]);
    let mut viewer = site.relay(&[]).viewer_with("cam", WISH);
    h264::stamps(&in_a_row(&mut viewer, 40), SIZE);
    camera.switch_off();
    viewer.is_told(ViewerState::Offline);
    let _again = RtspCamera::switch_on(&site, 0, Some(camera.port()));
    viewer.is_told(ViewerState::Live);
    h264::stamps(&in_a_row(&mut viewer, 40), SIZE);
}

#[test]
fn a_camera_with_hardly_any_keyframes_is_given_others() {
    let site = Site::new();
    let camera = RtspCamera::with_a_keyframe_every(300, &site);
    site.capture(&["--stream", &format!("cam={}", camera.url())]);
    let relay = site.relay(&[]);
    let mut viewer = relay.viewer_with("cam", WISH);
    // Four seconds tell; from then on there is one every two.
    let frames = eventually("there are keyframes often enough", || {
        let frames = in_a_row(&mut viewer, 150);
        (frames.iter().filter(|frame| frame.is_keyframe).count() >= 2).then_some(frames)
    });
    h264::stamps(&frames, SIZE);
    let (mut late, _) = newcomer(&relay);
    eventually("whoever comes late sees what is new", || {
        let ages = late.frames(30).iter().map(Frame::age).collect::<Vec<_>>();
        (median(ages) < Duration::from_millis(500)).then_some(())
    });
}

#[test]
fn whoever_lets_the_relay_choose_is_sent_h264_and_others_jpeg() {
    let site = Site::new();
    site.capture(&[
        "--stream",
        "cam=test:640x360@30",
        "--stream",
        "old=test:640x360@30#encoder=none",
    ]);
    let relay = site.relay(&[]);
    for (stream, fields, codec) in [
        ("cam", r#""codec":"auto""#, "h264"),
        ("cam", r#""codec":"auto","rendition":"auto","max_width":320"#, "h264"),
        ("cam", r#""codec":"auto","fps":5"#, "jpeg"),
        ("cam", r#""codec":"jpeg""#, "jpeg"),
        ("cam", "", "jpeg"),
        ("old", r#""codec":"auto""#, "jpeg"),
    ] {
        let mut viewer = relay.viewer_with(stream, fields);
        // H.264 that is not there yet is JPEG meanwhile.
        viewer.until(&format!("of {codec} for {fields}"), |word| match word {
            FromRelay::Track { codec: told, .. } => (told.as_str() == codec).then_some(()),
            _ => None,
        });
        let frames = viewer.frames(3);
        assert!(frames.iter().all(|frame| frame.codec.as_str() == codec), "{stream} {fields}");
    }
    let mut refused = relay.viewer_with("old", WISH);
    let (code, message) = refused.is_told_of_error();
    assert!(message.contains("full.jpeg"), "{code}: {message}");
    assert_eq!(relay.get("/streams/cam/snapshot?codec=h264").status, 400);
}

/// Of 1280x720 pictures, 30 a second; smaller sizes of them fit.
const NARROW: u32 = 1_000;
const QUEUE: Duration = Duration::from_millis(200);
/// A machine under load is looked at again.
const TRIES: usize = 6;

#[test]
fn over_a_megabit_a_second_pictures_are_fresh_and_many_under_bbr() {
    over_a_megabit("bbr");
}

#[test]
fn over_a_megabit_a_second_pictures_are_fresh_and_many_under_cubic() {
    over_a_megabit("cubic");
}

fn over_a_megabit(congestion: &str) {
    let site = Site::new();
    site.capture(&["--stream", "cam=test:1280x720@30"]);
    let Some(link) = Link::lay(NARROW, QUEUE) else { return };
    let Some(relay) = link.relay(&site, congestion) else { return };
    let mut viewer =
        link.across(|| relay.viewer_with("cam", r#""rendition":"auto","codec":"auto""#));
    let mut all = Vec::new();
    // At first it is found out what the link carries.
    all.extend(viewer.frames(60));
    for attempt in 1.. {
        let frames = viewer.frames(120);
        let lasted = frames[119].seen_at.since(frames[0].seen_at).as_secs_f64();
        let mut ages: Vec<Duration> = frames.iter().map(Frame::age).collect();
        ages.sort_unstable();
        let (fps, p95) = (119.0 / lasted, ages[114]);
        note(format!(
            "{congestion}: {fps:.1} fps over 1 Mbit/s, p95 {p95:.0?}, p50 {:.0?}",
            ages[60]
        ));
        all.extend(frames);
        if fps >= 15.0 && p95 <= Duration::from_millis(500) {
            break;
        }
        assert!(attempt < TRIES, "{congestion}: {fps:.1} fps, {p95:.0?} old");
    }
    all.retain(|frame| frame.codec == Codec::H264);
    h264::check(&all);
}

#[test]
fn the_relay_counts_what_it_sends_by_codec() {
    let site = Site::new();
    site.capture(&["--stream", "cam=test:640x360@30"]);
    let relay: Relay = site.relay(&[]);
    let mut viewer = relay.viewer_with("cam", WISH);
    viewer.frames(5);
    let line = r#"fanlight_rendition_viewers{stream="cam",rendition="full",codec="h264"}"#;
    assert_eq!(relay.metric(line), 1);
}
