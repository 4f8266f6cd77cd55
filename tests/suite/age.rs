//! Accuracy of the frame age: the reported capture time is the true one.
//!
//! Every source here writes the true time, or its frame's number, into its pictures. The viewer reads it and compares
//! it with captured_at. The difference must stay within one frame interval for any number of cores (many decoders delay
//! one picture per core) and any wall clock of the capture.

use std::process::Command;
use std::time::Duration;

use fanlight_protocol::Codec;
use fanlight_tests::clip::{self, Encoding};
use fanlight_tests::http_camera::HttpCamera;
use fanlight_tests::picture::{HEIGHT, WIDTH};
use fanlight_tests::rtsp_camera::RtspCamera;
use fanlight_tests::viewer::{Frame, now};
use fanlight_tests::{FakeMachine, Relay, Site, h264, note, tools};
use fanlight_timecode::Timecode;

/// One frame at 30 frames a second, in microseconds.
const INTERVAL: i64 = 33_333;
/// The number of frames examined per stream.
const FRAMES: usize = 60;
/// The number of these frames that may be off because the machine itself paused.
const STUMBLES: usize = 3;
/// The number of attempts: a machine under load pauses more often, whereas a wrong capture time is wrong in each
/// attempt.
const TRIES: usize = 5;
/// The upper limit for the median frame age: every source here is faster from capture to viewer.
const OLD: Duration = Duration::from_millis(500);
const HOUR: i64 = 3600;

/// The origin of the time in a stream's pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Truth {
    /// The capture's clock: it draws the pictures.
    OfCapture,
    /// A camera's clock, which is right.
    OfCamera,
    /// No clock: the pictures are numbered, at 30 per second.
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
fn the_reported_age_is_the_age_of_the_picture() {
    ages_are_true(
        Codec::Jpeg,
        &[
            FakeMachine { cores: Some(1), ..FakeMachine::default() },
            FakeMachine { cores: Some(4), ..FakeMachine::default() },
            FakeMachine { cores: Some(16), ..FakeMachine::default() },
            FakeMachine { seconds_ahead: HOUR, ..FakeMachine::default() },
            FakeMachine { seconds_ahead: -HOUR, ..FakeMachine::default() },
        ],
    );
}

#[test]
fn the_reported_age_is_the_age_of_the_picture_in_h264() {
    ages_are_true(
        Codec::H264,
        &[
            FakeMachine { cores: Some(1), ..FakeMachine::default() },
            FakeMachine { cores: Some(16), seconds_ahead: -HOUR },
        ],
    );
}

fn ages_are_true(codec: Codec, machines: &[FakeMachine]) {
    let site = Site::alone();
    let (avi, mp4) = (site.path("clip.avi"), site.path("clip.mp4"));
    clip::make(&avi, Encoding::Mjpeg, 300);
    clip::make(&mp4, Encoding::H264WithBFrames, 300);
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
    for &machine in machines {
        let capture = site.capture_in(&machine, &arguments);
        let relay = site.relay(&[]);
        let mut suspects = STREAMS.to_vec();
        for _ in 0..TRIES {
            let seen = watch_all(&relay, &suspects, codec);
            let seen = suspects.into_iter().zip(seen);
            let inaccurate =
                seen.filter(|((name, truth), frames)| !is_accurate(name, *truth, machine, frames));
            suspects = inaccurate.map(|(stream, _)| stream).collect();
            if suspects.is_empty() {
                break;
            }
        }
        assert!(
            suspects.is_empty(),
            "with {machine:?} captured_at is off by more than a frame interval: {suspects:?}"
        );
        relay.stop();
        capture.kill();
    }
}

#[test]
#[ignore = "it measures: cargo test -p fanlight-tests --test suite measured -- --ignored --nocapture"]
fn measured_age_of_h264_over_rtsp() {
    let site = Site::alone();
    let cameras = [(); 2].map(|()| RtspCamera::switch_on(&site, 0, None));
    // Retina reads the first one, and FFmpeg the second one.
    let [tcp, udp] =
        [format!("tcp={}", cameras[0].url()), format!("udp={}#transport=udp", cameras[1].url())];
    site.capture(&["--stream", &tcp, "--stream", &udp]);
    let relay = site.relay(&[]);
    let mut ages: [Vec<i64>; 2] = Default::default();
    for _ in 0..10 {
        let streams = [("tcp", Truth::OfCamera), ("udp", Truth::OfCamera)];
        for (stream, ages) in streams.iter().zip(&mut ages) {
            let seen = watch_all(&relay, std::slice::from_ref(stream), Codec::H264).remove(0);
            // The first frames were encoded before the session was open.
            let seen = seen.iter().skip(FRAMES / 2);
            ages.extend(seen.map(|seen| seen.frame.seen_at.micros_from(seen.stamp.time)));
        }
    }
    for (name, ages) in ["retina over TCP", "FFmpeg over UDP"].iter().zip(&mut ages) {
        ages.sort_unstable();
        let at = |share: usize| ages[ages.len() * share / 100] as f64 / 1000.0;
        note(format!(
            "{name}: {} frames, median {:.1} ms, p95 {:.1} ms",
            ages.len(),
            at(50),
            at(95)
        ));
    }
}

#[test]
fn programs_see_the_faked_machine() {
    let site = Site::new();
    let run_on = |machine: FakeMachine, mut command: Command| {
        machine.apply_to(&mut command, &site.path(""));
        tools::run("coreutils", command).trim().to_owned()
    };
    for cores in [1, 4, 16] {
        let machine = FakeMachine { cores: Some(cores), ..FakeMachine::default() };
        assert_eq!(run_on(machine, Command::new("nproc")), cores.to_string());
    }
    let machine = FakeMachine { seconds_ahead: HOUR, cores: Some(2) };
    let reported: i64 = run_on(machine, tools::tool("date", &["+%s"])).parse().expect("seconds");
    let ahead = reported - (now().micros() / 1_000_000) as i64;
    assert!((HOUR - 5..=HOUR + 5).contains(&ahead), "{ahead} seconds");
}

/// Watches all streams on one socket and returns the frames of each.
fn watch_all(relay: &Relay, streams: &[(&str, Truth)], codec: Codec) -> Vec<Vec<Seen>> {
    streams.iter().for_each(|(name, _)| relay.wait_for(name));
    let mut wall = relay.wall();
    for (id, (name, _)) in streams.iter().enumerate() {
        wall.watch_with(id as u32, name, &format!(r#""codec":"{}""#, codec.as_str()));
    }
    let mut seen = vec![Vec::new(); streams.len()];
    while seen.iter().any(|frames| frames.len() < FRAMES) {
        let frame = wall.frame();
        seen[frame.id as usize].push(frame);
    }
    let named = streams.iter().zip(seen);
    named.map(|((name, _), frames)| read(frames, codec, size_of(name))).collect()
}

/// A frame and the timecode in its picture.
#[derive(Debug, Clone)]
struct Seen {
    frame: Frame,
    stamp: Timecode,
}

fn read(mut frames: Vec<Frame>, codec: Codec, size: (usize, usize)) -> Vec<Seen> {
    if codec == Codec::Jpeg {
        let seen = |frame: Frame| Seen { stamp: frame.timecode(), frame };
        return frames.into_iter().map(seen).collect();
    }
    // If the machine pauses, frames are dropped and a keyframe follows. The frames before the gap can be decoded.
    let whole = frames.windows(2).position(|pair| pair[1].sequence != pair[0].sequence + 1);
    frames.truncate(whole.map_or(frames.len(), |last| last + 1));
    let stamps = h264::timecodes(&frames, size);
    frames.into_iter().zip(stamps).map(|(frame, stamp)| Seen { frame, stamp }).collect()
}

fn size_of(stream: &str) -> (usize, usize) {
    match stream {
        "test" | "rtsp" | "b-frames" | "tcp" | "udp" => (640, 360),
        _ => (WIDTH as usize, HEIGHT as usize),
    }
}

/// Returns true if the capture times of the first [`FRAMES`] frames are accurate, and the frames are recent.
fn is_accurate(name: &str, truth: Truth, machine: FakeMachine, frames: &[Seen]) -> bool {
    let Some(frames) = frames.get(..FRAMES) else {
        note(format!("{name}: only {} frames came in a row", frames.len()));
        return false;
    };
    let errors = errors(frames, truth, machine.seconds_ahead);
    let mut sorted = errors.clone();
    sorted.sort_unstable_by_key(|error| error.abs());
    let milliseconds = |micros: i64| micros as f64 / 1000.0;
    note(format!(
        "{name:>8}, {} cores, {:+} s: captured_at is off by {:.1} ms at the median, {:.1} ms at most; frames arrive {:.1?} old",
        machine.cores.map_or("own".into(), |cores| cores.to_string()),
        machine.seconds_ahead,
        milliseconds(sorted[FRAMES / 2]),
        milliseconds(sorted[FRAMES - 1]),
        median_age(frames),
    ));
    // Frames that waited in a queue would have an accurate capture time, too, but be old.
    let accurate = sorted[FRAMES - 1 - STUMBLES].abs() <= INTERVAL && median_age(frames) < OLD;
    if !accurate {
        note(format!("{name}: off by {errors:?} microseconds"));
    }
    accurate
}

/// Returns the reported capture time minus the true one of each frame, in microseconds.
fn errors(frames: &[Seen], truth: Truth, seconds_ahead: i64) -> Vec<i64> {
    if truth == Truth::Number {
        return errors_of_numbered(frames);
    }
    let ahead = if truth == Truth::OfCapture { seconds_ahead * 1_000_000 } else { 0 };
    frames
        .iter()
        .map(|seen| seen.frame.captured_at.micros_from(seen.stamp.time.offset(-ahead)))
        .collect()
}

/// Returns the errors of a numbered clip, in microseconds: captured_at must advance like the frame numbers.
fn errors_of_numbered(frames: &[Seen]) -> Vec<i64> {
    let first = (frames[0].frame.captured_at, unrolled(frames)[0]);
    let numbers = unrolled(frames);
    let due = numbers.iter().map(|number| (number - first.1) * 1_000_000 / i64::from(clip::FPS));
    frames
        .iter()
        .zip(due)
        .map(|(seen, due)| seen.frame.captured_at.micros_from(first.0) - due)
        .collect()
}

/// Returns the frame numbers of a looped clip as if the clip continued instead.
fn unrolled(frames: &[Seen]) -> Vec<i64> {
    let (mut loops, mut last) = (0, 0);
    let number = |seen: &Seen| {
        let number = seen.stamp.number;
        if number < last {
            loops += 300;
        }
        last = number;
        i64::from(number) + loops
    };
    frames.iter().map(number).collect()
}

fn median_age(frames: &[Seen]) -> Duration {
    let mut ages: Vec<Duration> = frames.iter().map(|seen| seen.frame.age()).collect();
    ages.sort_unstable();
    ages[ages.len() / 2]
}
