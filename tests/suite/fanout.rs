//! Fan-out: every viewer gets every frame, regardless of the other viewers.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use fanlight_protocol::viewer::ViewerState;
use fanlight_tests::viewer::{Frame, missing, now};
use fanlight_tests::{Bystander, Site, eventually, note, picture};

/// The number of frames in five seconds.
const MANY: usize = 150;
/// The number of frames that a viewer may miss because the machine paused. A starved viewer, or one that has to share
/// with others, misses far more.
const STUMBLE: u64 = 20;
/// The reasons for which a relay drops frames that a viewer requested.
const ANY: [&str; 3] = ["relay", "link", "viewer"];

#[test]
fn viewers_on_all_transports_get_every_frame_in_order() {
    let site = Site::alone();
    site.camera("cam");
    let relay = site.relay(&[]);
    let mut v1 = relay.viewer("cam");
    let mut plain = relay.plain_viewer("cam");
    let mut mjpeg = relay.mjpeg("cam");
    // From here on all three are connected; the last may have started with the same frame as the others.
    let mut frames = v1.frames(1);
    let mut pictures = vec![Vec::new(), vec![plain.picture()], vec![mjpeg.part().payload]];
    for _ in 1..MANY {
        frames.push(v1.frame());
        pictures[1].push(plain.picture());
        pictures[2].push(mjpeg.part().payload);
    }
    let sequences: Vec<u64> = frames.iter().map(|frame| frame.sequence).collect();
    let gaps = missing(&sequences);
    pictures[0] = frames.into_iter().map(|frame| frame.payload).collect();
    // The pictures are decoded only now, so that decoding delays no viewer.
    let numbers =
        |jpegs: Vec<Vec<u8>>| jpegs.iter().map(|jpeg| picture::timecode_of(jpeg).number).collect();
    let numbers: Vec<BTreeSet<u32>> = pictures.into_iter().map(numbers).collect();
    let from = numbers.iter().filter_map(BTreeSet::first).max().copied();
    let until = numbers.iter().filter_map(BTreeSet::last).min().copied();
    let (from, until) = from.zip(until).expect("all viewers received a frame");
    let all: BTreeSet<u32> = numbers
        .iter()
        .flatten()
        .copied()
        .filter(|number| (from..=until).contains(number))
        .collect();
    assert!(all.len() > MANY - 15, "the viewers watched at the same time: {numbers:?}");
    for (seen, transport) in numbers.iter().zip(["v1", "ws", "mjpeg"]) {
        assert_eq!(seen.len(), MANY, "{transport}: no frame twice");
        let missed = all.difference(seen).count() as u64;
        // If the machine pauses, a viewer becomes slow, and its dropped frames are counted.
        let dropped = relay.dropped("cam", transport, &ANY);
        assert!(
            missed <= dropped,
            "{transport} missed {missed} frames, and {dropped} were counted"
        );
        assert!(dropped < STUMBLE, "{transport}: {dropped} dropped for a viewer that keeps up");
        note(format!("{transport}: {} frames, {missed} missed", seen.len()));
    }
    assert!(gaps < STUMBLE, "{gaps} gaps in the sequence");
    assert!(relay.metric("fanlight_frames_lost_total{stream=\"cam\"}") < STUMBLE);
}

#[test]
fn a_late_joiner_gets_the_newest_frame_immediately() {
    let site = Site::new();
    // The frame interval is long enough to notice a viewer that waits for the next frame.
    site.capture(&["--stream", "cam=test:320x180@0.5"]);
    let relay = site.relay(&[]);
    let mut first = relay.viewer("cam");
    first.frame();
    let held = first.frame();
    let mut late = relay.wall();
    let asked = now();
    late.watch(1, "cam");
    let frame = late.frame();
    note(format!("a late joiner got its first frame after {:?}", frame.seen_at.since(asked)));
    assert_eq!(frame.sequence, held.sequence);
    assert!(frame.seen_at.since(asked) < Duration::from_secs(1));
}

#[test]
fn no_tile_of_a_wall_starves() {
    let site = Site::new();
    let names = ["a", "b", "c", "d", "e", "f"];
    let streams: Vec<String> = names
        .iter()
        .flat_map(|name| ["--stream".into(), format!("{name}=test:320x180@15")])
        .collect();
    let streams: Vec<&str> = streams.iter().map(String::as_str).collect();
    site.capture(&streams);
    let relay = site.relay(&[]);
    names.iter().for_each(|name| relay.wait_for(name));
    let mut wall = relay.wall();
    for (id, name) in names.iter().enumerate() {
        wall.watch(id as u32, name);
    }
    let mut seen = vec![Vec::new(); names.len()];
    while seen.iter().any(|sequences| sequences.len() < 45) {
        let frame = wall.frame();
        seen[frame.id as usize].push(frame.sequence);
        let most = seen.iter().map(Vec::len).max();
        assert!(
            most < Some(120),
            "one tile starves: {:?}",
            seen.iter().map(Vec::len).collect::<Vec<_>>()
        );
    }
    for (name, sequences) in names.iter().zip(seen) {
        assert!(missing(&sequences) < STUMBLE, "{name}: {sequences:?}");
    }
}

#[test]
fn a_viewer_that_stops_reading_misses_frames_and_no_other_viewer_does() {
    let site = Site::alone();
    site.capture(&["--stream", "cam=test:1280x720@30"]);
    let relay = site.relay(&[]);
    let mut stalled = relay.narrow_viewer("cam");
    let mut steady = relay.viewer("cam");
    stalled.frame();
    // The stalled viewer does not read for three seconds.
    let sequences: Vec<u64> = steady.frames(90).iter().map(|frame| frame.sequence).collect();
    assert!(missing(&sequences) < STUMBLE, "{sequences:?}");
    let resumed = now();
    // The frames in the kernels' buffers are old; after them, only new frames arrive.
    let frames = stalled.frames(20);
    let (old, new): (Vec<_>, Vec<_>) = frames.iter().partition(|frame| frame.sent_at < resumed);
    let bytes: usize = old.iter().map(|frame| frame.payload.len()).sum();
    note(format!("after a stall: {} old frames of {bytes} bytes, then new ones", old.len()));
    assert!(bytes < 512 * 1024, "{} old frames of {bytes} bytes", old.len());
    let late =
        |frame: &&&Frame| frame.sent_at.since(frame.captured_at) > Duration::from_millis(500);
    assert_eq!(new.iter().filter(late).count(), 0, "a frame was old when it was sent");
    let sequences: Vec<u64> = frames.iter().map(|frame| frame.sequence).collect();
    let missed = missing(&sequences);
    assert!(missed > 30, "{missed} frames were skipped");
    let dropped = relay.dropped("cam", "v1", &ANY);
    assert!(dropped >= missed, "{missed} were skipped and {dropped} counted");
    assert!(relay.metric("fanlight_frames_lost_total{stream=\"cam\"}") < STUMBLE);
    let reason = stalled.wait_for_state(ViewerState::Live);
    assert_eq!(reason, "");
}

#[test]
fn ten_stalled_viewers_are_closed_and_ten_others_get_every_frame() {
    let site = Site::new();
    site.capture(&["--stream", "cam=test:640x360@30"]);
    let relay = site.relay(&[]);
    let others: Vec<Bystander> = (0..10)
        .map(|n| if n < 5 { relay.viewer("cam").into() } else { relay.mjpeg("cam").into() })
        .collect();
    let stalled_v1: Vec<_> = (0..5).map(|_| relay.narrow_viewer("cam")).collect();
    let stalled_mjpeg: Vec<_> = (0..5).map(|_| relay.stalled_mjpeg("cam")).collect();
    let closed = || (relay.closed("v1", "stalled"), relay.closed("mjpeg", "stalled"));
    let begun = Instant::now();
    assert_eq!(closed(), (0, 0));
    eventually("the stalled viewers are closed", || (closed() == (5, 5)).then_some(()));
    let of_stream = |transport| relay.viewers_closed("cam", transport, "stalled");
    assert_eq!((of_stream("v1"), of_stream("mjpeg")), (5, 5));
    let took = begun.elapsed();
    assert!(took > Duration::from_secs(5), "{took:?}: the documented timeout is ten seconds");
    drop((stalled_v1, stalled_mjpeg));
    let seen: Vec<BTreeSet<u64>> = others
        .iter()
        .map(|other| other.seen().iter().map(|seen| seen.captured_at).collect())
        .collect();
    let all: BTreeSet<u64> = seen.iter().flatten().copied().collect();
    for (number, seen) in seen.iter().enumerate() {
        let (first, last) = seen.first().zip(seen.last()).expect("every viewer received a frame");
        let made = all.range(first..=last).count();
        assert!(made > MANY, "viewer {number} was connected all the time: {made}");
        let missed = (made - seen.len()) as u64;
        assert!(missed < STUMBLE, "viewer {number} missed {missed} of {made}");
    }
    note(format!("while ten viewers stalled, ten others each got about {} frames", all.len()));
    // The others still receive frames.
    others.iter().for_each(|other| drop(other.wait_for(other.seen().len() + 10)));
}
