//! A camera that repeats its picture is reported as frozen, and no other source is.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use fanlight_protocol::Timestamp;
use fanlight_protocol::viewer::{FromRelay, ViewerState};
use fanlight_tests::clip::{self, Encoding};
use fanlight_tests::viewer::{Received, now};
use fanlight_tests::{Site, Viewer, eventually, note, picture};
use fanlight_timecode::Timecode;

/// The time for which a picture must repeat.
const FROZEN_AFTER: Duration = Duration::from_secs(10);
/// A camera that sends the JPEG in a file, again and again.
const REPEATS: &str = "exec:while cat picture.jpg; do sleep 0.05; done";

/// Replaces the picture of [`REPEATS`] in one step.
fn take_picture(site: &Site, number: u32) {
    let next = site.path("next.jpg");
    let jpeg = picture::jpeg(Timecode { number, time: now() });
    fs::write(&next, jpeg).expect("the site's folder is ours");
    fs::rename(next, site.path("picture.jpg")).expect("the same folder");
}

/// Reads until the relay reports the stream as frozen; returns since when and why.
fn until_frozen(viewer: &mut Viewer) -> (Timestamp, String) {
    viewer.until("the state `frozen`", |message| match message {
        FromRelay::State { state: ViewerState::Frozen, since, reason, .. } => {
            Some((*since, reason.clone()))
        }
        _ => None,
    })
}

#[test]
fn a_camera_that_repeats_its_picture_is_frozen_until_the_picture_changes() {
    let site = Site::new();
    take_picture(&site, 1);
    let capture = site.capture(&["--stream", &format!("cam={REPEATS}")]);
    let relay = site.relay(&[]);
    let mut viewer = relay.viewer("cam");
    let first = viewer.frame().captured_at;
    let (since, reason) = until_frozen(&mut viewer);
    note(format!("frozen {:?} after the first frame: {reason}", now().since(first)));
    assert_eq!(reason, "camera repeats the same picture");
    assert!(now().since(since) >= FROZEN_AFTER, "{since:?}");
    assert!(since.micros().abs_diff(first.micros()) < 2_000_000, "{since:?}, {first:?}");
    let listed = relay.stream("cam");
    assert_eq!(listed["state"], "frozen", "{listed}");
    assert_eq!(listed["since"], since.micros(), "{listed}");
    assert_eq!(relay.metric("fanlight_stream_frozen{stream=\"cam\"}"), 1);
    assert_eq!(relay.metric("fanlight_stream_live{stream=\"cam\"}"), 0);

    let snapshot = relay.get("/streams/cam/snapshot");
    assert_eq!((snapshot.status, snapshot.header("content-type")), (200, "image/jpeg"));
    let frozen_since: f64 = snapshot.header("x-frozen-since").parse().expect("seconds");
    assert!((frozen_since - since.micros() as f64 / 1e6).abs() < 0.001, "{frozen_since}");
    let refused = relay.get("/streams/cam/snapshot?max_age=9s");
    assert_eq!(refused.status, 503);
    let words = refused.text();
    assert!(words.contains("max_age is 9000 ms: camera repeats the same picture"), "{words}");
    let age = words.split(' ').find_map(|word| word.parse::<u64>().ok()).expect("the age");
    assert!(age > 10_000, "{words}");

    take_picture(&site, 2);
    viewer.wait_for_state(ViewerState::Live);
    eventually("the list reports `live`", || {
        (relay.stream("cam")["state"] == "live").then_some(())
    });
    assert_eq!(relay.metric("fanlight_stream_frozen{stream=\"cam\"}"), 0);
    assert_eq!(relay.get("/streams/cam/snapshot?max_age=9s").status, 200);
    assert_eq!(capture.log().matches("the same picture for 10 s").count(), 1, "{}", capture.log());

    // Without viewers the command ends. The camera is reported again with its first pictures.
    until_frozen(&mut viewer);
    drop(viewer);
    relay.wait_until("cam", &["idle"]);
    let mut viewer = relay.viewer("cam");
    let returned = now();
    let (since, _) = until_frozen(&mut viewer);
    assert!(since < returned && now().since(since) >= FROZEN_AFTER);
}

#[test]
fn a_picture_that_is_encoded_again_is_found_by_its_blocks() {
    let site = Site::new();
    take_picture(&site, 1);
    let encode = "exec:ffmpeg -v error -re -loop 1 -framerate 10 -i picture.jpg -c:v libx264 -preset ultrafast";
    let h264 = format!("{encode} -tune zerolatency -pix_fmt yuv420p -g 10 -f h264 -");
    let streams = [
        ("blocks", format!("{h264}#frozen=blocks")),
        ("bytes", h264),
        ("moving", "test:320x180@10#frozen=blocks".to_owned()),
        ("jpeg", format!("{REPEATS}#frozen=blocks")),
    ];
    let frozen = frozen_streams(&site, &streams, &["blocks", "jpeg"]);
    assert_eq!(frozen, ["blocks", "jpeg"]);
}

/// Writes a clip in which all pictures are equal.
fn make_still_clip(jpeg: &Path, clip: &Path) {
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-loop", "1", "-framerate", "10", "-i"])
        .arg(jpeg)
        .args(["-frames:v", "30", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p"])
        .arg(clip)
        .status();
    assert!(status.expect("ffmpeg").success());
}

#[test]
fn a_still_scene_that_is_expected_and_any_picture_that_changes_are_not_frozen() {
    let site = Site::new();
    take_picture(&site, 1);
    make_still_clip(&site.path("picture.jpg"), &site.path("still.avi"));
    clip::make(&site.path("moving.avi"), Encoding::Mjpeg, 30);
    let noise = "exec:ffmpeg -v error -re -f lavfi -i color=0x040404:s=320x180:r=10,noise=alls=3:allf=t -f mjpeg -";
    let streams = [
        ("control", REPEATS.to_owned()),
        ("test", "test:320x180@10".to_owned()),
        ("encoded", "test:320x180@10#drop-same=3".to_owned()),
        ("dark", noise.to_owned()),
        ("still", "still.avi".to_owned()),
        ("moving", "moving.avi".to_owned()),
        ("off", format!("{REPEATS}#frozen=off")),
        ("screen", format!("{REPEATS}#drop-same=3")),
    ];
    assert_eq!(frozen_streams(&site, &streams, &["control"]), ["control"]);
}

/// Watches streams for 2 s longer than a picture may repeat, and until those in `expected` are frozen. Returns the ones
/// that were.
fn frozen_streams<'a>(
    site: &Site,
    streams: &[(&'a str, String)],
    expected: &[&str],
) -> Vec<&'a str> {
    let arguments: Vec<String> = streams
        .iter()
        .flat_map(|(name, source)| ["--stream".into(), format!("{name}={source}")])
        .collect();
    site.capture(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let relay = site.relay(&[]);
    let mut wall = relay.wall();
    for ((name, _), id) in streams.iter().zip(0..) {
        relay.wait_for(name);
        wall.watch(id, name);
    }
    let mut watched: Vec<Watched> = streams.iter().map(|_| Watched::default()).collect();
    let is_done = |watched: &[Watched]| {
        let expected = |name: &str| expected.contains(&name);
        let mut each = streams.iter().zip(watched);
        each.all(|((name, _), watched)| watched.is_long && (watched.frozen || !expected(name)))
    };
    while !is_done(&watched) {
        match wall.receive() {
            Received::Frame(frame) => watched[frame.id as usize].note(frame.captured_at),
            Received::Message(FromRelay::State { id, state, .. }) => {
                watched[id as usize].frozen |= state == ViewerState::Frozen;
            }
            Received::Message(_) => {}
        }
    }
    let frozen = streams.iter().zip(watched).filter(|(_, watched)| watched.frozen);
    frozen.map(|((name, _), _)| *name).collect()
}

/// The observations of one stream.
#[derive(Default)]
struct Watched {
    first: Option<Timestamp>,
    is_long: bool,
    frozen: bool,
}

impl Watched {
    fn note(&mut self, captured_at: Timestamp) {
        let first = *self.first.get_or_insert(captured_at);
        self.is_long |= captured_at.since(first) > FROZEN_AFTER + Duration::from_secs(2);
    }
}
