//! Honest age: what is claimed of a picture is what stands in it.
//!
//! Every source here writes the true time, or its frame's number, into its pictures. It is read off at the viewer and
//! compared with captured_at: the difference is to stay within one frame interval, whatever the number of cores (decoders
//! like to hold one picture back for each) and whatever clock the capture goes by.

use std::time::Duration;

use fanlight_tests::clip::{self, Coding};
use fanlight_tests::http_camera::HttpCamera;
use fanlight_tests::rtsp_camera::RtspCamera;
use fanlight_tests::viewer::Frame;
use fanlight_tests::{Disguise, Relay, Site, note};

/// One frame at 30 frames a second, in microseconds.
const INTERVAL: i64 = 33_333;
/// Frames looked at of each stream.
const FRAMES: usize = 60;
/// Of these, so many may be off because the machine itself stumbled. One that lies does so in every frame.
const STUMBLES: usize = 3;
const HOUR: i64 = 3600;

/// Whose time stands in a stream's pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Truth {
    /// The capture's own: it makes the pictures.
    OfCapture,
    /// A camera's, whose clock is right.
    OfCamera,
    /// Nobody's: the pictures are numbered, 30 a second.
    Number,
}

const STREAMS: [(&str, Truth); 6] = [
    ("test", Truth::OfCapture),
    ("avi", Truth::Number),
    ("mp4", Truth::Number),
    ("http", Truth::OfCamera),
    ("rtsp", Truth::OfCamera),
    ("b-frames", Truth::OfCamera),
];

#[test]
fn the_age_claimed_is_the_age_of_the_picture() {
    let site = Site::alone();
    let (avi, mp4) = (site.path("clip.avi"), site.path("clip.mp4"));
    clip::make(&avi, Coding::Mjpeg, 300);
    clip::make(&mp4, Coding::H264WithBFrames, 300);
    let http = HttpCamera::switch_on();
    let (rtsp, b_frames) =
        (RtspCamera::switch_on(&site, 0, None), RtspCamera::switch_on(&site, 2, None));
    let streams = [
        "test=test:640x360@30".to_owned(),
        format!("avi={}", avi.display()),
        format!("mp4={}", mp4.display()),
        format!("http={}", http.url()),
        format!("rtsp={}", rtsp.url()),
        format!("b-frames={}", b_frames.url()),
    ];
    let arguments: Vec<&str> = streams.iter().flat_map(|stream| ["--stream", stream]).collect();
    for disguise in [
        Disguise { cores: Some(1), ..Disguise::default() },
        Disguise { cores: Some(4), ..Disguise::default() },
        Disguise { cores: Some(16), ..Disguise::default() },
        Disguise { seconds_ahead: HOUR, ..Disguise::default() },
        Disguise { seconds_ahead: -HOUR, ..Disguise::default() },
    ] {
        let capture = site.capture_in(&disguise, &arguments);
        let relay = site.relay(&[]);
        for (name, truth) in STREAMS {
            check(&relay, name, truth, disguise);
        }
        relay.stop();
        capture.kill();
    }
}

fn check(relay: &Relay, name: &str, truth: Truth, disguise: Disguise) {
    let frames = relay.viewer(name).frames(FRAMES);
    let mut errors = errors(&frames, truth, disguise.seconds_ahead);
    errors.sort_unstable_by_key(|error| error.abs());
    let worst = errors.last().copied().unwrap_or_default();
    let tolerated = errors[errors.len() - 1 - STUMBLES];
    let median = errors[errors.len() / 2];
    let milliseconds = |micros: i64| micros as f64 / 1000.0;
    note(format!(
        "{name:>8}, {} cores, {:+} s: claims are off by {:.1} ms at the median, {:.1} ms at the worst; pictures arrive {:.1?} old",
        disguise.cores.map_or("own".into(), |cores| cores.to_string()),
        disguise.seconds_ahead,
        milliseconds(median),
        milliseconds(worst),
        median_age(&frames),
    ));
    assert!(
        tolerated.abs() <= INTERVAL,
        "{name} with {disguise:?}: captured_at is off by more than a frame interval: {errors:?} microseconds"
    );
    assert!(
        median_age(&frames) < Duration::from_millis(500),
        "{name} with {disguise:?}: {:?}",
        median_age(&frames)
    );
}

/// What is claimed less what is true, in microseconds.
fn errors(frames: &[Frame], truth: Truth, seconds_ahead: i64) -> Vec<i64> {
    if truth == Truth::Number {
        return errors_of_numbered(frames);
    }
    let ahead = if truth == Truth::OfCapture { seconds_ahead * 1_000_000 } else { 0 };
    frames
        .iter()
        .map(|frame| frame.captured_at.micros_from(frame.stamp().time.offset(-ahead)))
        .collect()
}

/// Between two frames, captured_at moves on as the numbers do.
fn errors_of_numbered(frames: &[Frame]) -> Vec<i64> {
    let first = (frames[0].captured_at, unrolled(frames)[0]);
    let numbers = unrolled(frames);
    let due = numbers.iter().map(|number| (number - first.1) * 1_000_000 / i64::from(clip::FPS));
    frames
        .iter()
        .zip(due)
        .map(|(frame, due)| frame.captured_at.micros_from(first.0) - due)
        .collect()
}

/// The numbers in pictures of a looped clip, as if it went on instead.
fn unrolled(frames: &[Frame]) -> Vec<i64> {
    let (mut loops, mut last) = (0, 0);
    let number = |frame: &Frame| {
        let number = frame.stamp().number;
        if number < last {
            loops += 300;
        }
        last = number;
        i64::from(number) + loops
    };
    frames.iter().map(number).collect()
}

fn median_age(frames: &[Frame]) -> Duration {
    let mut ages: Vec<Duration> =
        frames.iter().map(|frame| frame.seen_at.since(frame.captured_at)).collect();
    ages.sort_unstable();
    ages[ages.len() / 2]
}
