//! Honest age: what is claimed of a picture is what stands in it.
//!
//! Every source here writes the true time, or its frame's number, into its pictures. It is read off at the viewer and
//! compared with captured_at: the difference is to stay within one frame interval, whatever the number of cores (decoders
//! like to hold one picture back for each) and whatever clock the capture goes by.

use std::process::Command;
use std::time::Duration;

use fanlight_protocol::Codec;
use fanlight_tests::clip::{self, Coding};
use fanlight_tests::http_camera::HttpCamera;
use fanlight_tests::picture::{HEIGHT, WIDTH};
use fanlight_tests::rtsp_camera::RtspCamera;
use fanlight_tests::viewer::{Frame, now};
use fanlight_tests::{Disguise, Relay, Site, h264, note, tools};
use fanlight_timecode::Timecode;

/// One frame at 30 frames a second, in microseconds.
const INTERVAL: i64 = 33_333;
/// Frames looked at of each stream.
const FRAMES: usize = 60;
/// Of these, so many may be off because the machine itself stumbled.
const STUMBLES: usize = 3;
/// A machine under load stumbles more, and then is looked at again. Who lies does so every time.
const TRIES: usize = 5;
/// No source here needs so long from capture to viewer.
const OLD: Duration = Duration::from_millis(500);
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
    ages_are_true(
        Codec::Jpeg,
        &[
            Disguise { cores: Some(1), ..Disguise::default() },
            Disguise { cores: Some(4), ..Disguise::default() },
            Disguise { cores: Some(16), ..Disguise::default() },
            Disguise { seconds_ahead: HOUR, ..Disguise::default() },
            Disguise { seconds_ahead: -HOUR, ..Disguise::default() },
        ],
    );
}

#[test]
fn so_it_is_in_h264() {
    ages_are_true(
        Codec::H264,
        &[
            Disguise { cores: Some(1), ..Disguise::default() },
            Disguise { cores: Some(16), seconds_ahead: -HOUR },
        ],
    );
}

fn ages_are_true(codec: Codec, disguises: &[Disguise]) {
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
    for &disguise in disguises {
        let capture = site.capture_in(&disguise, &arguments);
        let relay = site.relay(&[]);
        let mut suspects = STREAMS.to_vec();
        for _ in 0..TRIES {
            let seen = watch_all(&relay, &suspects, codec);
            let seen = suspects.into_iter().zip(seen);
            let liars =
                seen.filter(|((name, truth), frames)| !is_honest(name, *truth, disguise, frames));
            suspects = liars.map(|(stream, _)| stream).collect();
            if suspects.is_empty() {
                break;
            }
        }
        assert!(
            suspects.is_empty(),
            "with {disguise:?} captured_at is off by more than a frame interval: {suspects:?}"
        );
        relay.stop();
        capture.kill();
    }
}

#[test]
fn a_disguise_is_believed() {
    let site = Site::new();
    let dressed = |disguise: Disguise, mut command: Command| {
        disguise.put_on(&mut command, &site.path(""));
        tools::run("coreutils", command).trim().to_owned()
    };
    for cores in [1, 4, 16] {
        let disguise = Disguise { cores: Some(cores), ..Disguise::default() };
        assert_eq!(dressed(disguise, Command::new("nproc")), cores.to_string());
    }
    let disguise = Disguise { seconds_ahead: HOUR, cores: Some(2) };
    let told: i64 = dressed(disguise, tools::tool("date", &["+%s"])).parse().expect("seconds");
    let ahead = told - (now().micros() / 1_000_000) as i64;
    assert!((HOUR - 5..=HOUR + 5).contains(&ahead), "{ahead} seconds");
}

/// The frames of each stream, all watched at once.
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

/// A frame, and what stands in its picture.
#[derive(Debug, Clone)]
struct Seen {
    frame: Frame,
    stamp: Timecode,
}

fn read(mut frames: Vec<Frame>, codec: Codec, size: (usize, usize)) -> Vec<Seen> {
    if codec == Codec::Jpeg {
        let seen = |frame: Frame| Seen { stamp: frame.stamp(), frame };
        return frames.into_iter().map(seen).collect();
    }
    // A machine that stumbles drops some, and goes on with a keyframe; what is whole before it can be read.
    let whole = frames.windows(2).position(|pair| pair[1].sequence != pair[0].sequence + 1);
    frames.truncate(whole.map_or(frames.len(), |last| last + 1));
    let stamps = h264::stamps(&frames, size);
    frames.into_iter().zip(stamps).map(|(frame, stamp)| Seen { frame, stamp }).collect()
}

fn size_of(stream: &str) -> (usize, usize) {
    match stream {
        "test" | "rtsp" | "b-frames" => (640, 360),
        _ => (WIDTH as usize, HEIGHT as usize),
    }
}

/// Whether what is claimed of these frames is true. More than the first [`FRAMES`] are not looked at.
fn is_honest(name: &str, truth: Truth, disguise: Disguise, frames: &[Seen]) -> bool {
    let Some(frames) = frames.get(..FRAMES) else {
        note(format!("{name}: only {} frames came in a row", frames.len()));
        return false;
    };
    let errors = errors(frames, truth, disguise.seconds_ahead);
    let mut sorted = errors.clone();
    sorted.sort_unstable_by_key(|error| error.abs());
    let milliseconds = |micros: i64| micros as f64 / 1000.0;
    note(format!(
        "{name:>8}, {} cores, {:+} s: claims are off by {:.1} ms at the median, {:.1} ms at the worst; pictures arrive {:.1?} old",
        disguise.cores.map_or("own".into(), |cores| cores.to_string()),
        disguise.seconds_ahead,
        milliseconds(sorted[FRAMES / 2]),
        milliseconds(sorted[FRAMES - 1]),
        median_age(frames),
    ));
    // Pictures that lie in a queue would be honest, too, but old.
    let honest = sorted[FRAMES - 1 - STUMBLES].abs() <= INTERVAL && median_age(frames) < OLD;
    if !honest {
        note(format!("{name}: off by {errors:?} microseconds"));
    }
    honest
}

/// What is claimed less what is true, in microseconds.
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

/// Between two frames, captured_at moves on as the numbers do.
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

/// The numbers in pictures of a looped clip, as if it went on instead.
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
