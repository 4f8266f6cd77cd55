//! Options of a viewer: acknowledgements, a buffer, and the latency breakdown of a frame.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use fanlight_protocol::Timestamp;
use fanlight_protocol::viewer::{FromRelay, ViewerState};
use fanlight_tests::viewer::{Frame, Received, median, missing, now, sequences};
use fanlight_tests::{Bystander, Site, note, picture};

const ACK: &str = r#""ack":true"#;
/// The buffer that viewers request here.
const BEHIND: Duration = Duration::from_secs(1);
const BUFFER: &str = r#""buffer":1"#;
/// The number of frames in two seconds.
const SOME: usize = 60;

#[test]
fn a_viewer_that_acknowledges_nothing_gets_a_few_frames_and_then_one_per_second() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    let mut silent = relay.viewer_with("cam", ACK);
    let sent: Vec<_> = silent.frames(9).iter().map(|frame| frame.sent_at).collect();
    let pauses: Vec<Duration> = sent.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    let first_few = 1 + pauses.iter().take_while(|pause| **pause < BEHIND / 2).count();
    note(format!("{first_few} frames at first, then after {:.2?}", &pauses[first_few - 1..]));
    assert!((1..=6).contains(&first_few), "{pauses:?}");
    let tolerated = Duration::from_millis(900)..Duration::from_secs(4);
    assert!(pauses[first_few - 1..].iter().all(|pause| tolerated.contains(pause)), "{pauses:?}");
    assert!(relay.dropped("cam", "v1", &["viewer"]) > 20);
    let freezes = relay.metric(r#"fanlight_freezes_total{stream="cam",transport="v1"}"#);
    assert!(freezes >= pauses[first_few..].len() as u64, "{freezes} freezes");
}

#[test]
fn a_viewer_that_acknowledges_late_gets_fewer_and_newer_frames() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    let steady = Bystander::from(relay.viewer("cam"));
    let mut late = relay.viewer_with("cam", ACK);
    // The viewer shows one frame in the time in which ten are captured.
    let mut last_state = None;
    let mut shown = Vec::new();
    while shown.len() < 12 {
        match late.receive() {
            Received::Message(FromRelay::State { state, .. }) => last_state = Some(state),
            Received::Message(_) => {}
            Received::Frame(frame) => {
                let behind = steady.newest().sequence.saturating_sub(frame.sequence);
                steady.wait_for_more(10);
                late.acknowledge(&frame);
                if last_state == Some(ViewerState::Slow) {
                    shown.push((frame, behind));
                }
            }
        }
    }
    let (frames, behind): (Vec<Frame>, Vec<u64>) = shown.into_iter().unzip();
    let missed = missing(&sequences(&frames));
    note(format!(
        "{} shown and {missed} missed; frames behind when shown: {behind:?}",
        frames.len()
    ));
    assert!(missed > 5 * frames.len() as u64, "{missed} missed");
    // Queued frames are shown first: without acknowledgements, all missed frames would be in queues.
    let mut sorted = behind.clone();
    sorted.sort_unstable();
    assert!(sorted[sorted.len() / 2] <= 40, "{behind:?}");
    let of = |reason| relay.dropped("cam", "v1", &[reason]);
    assert!(of("viewer") >= missed, "{missed} missed, {} counted", of("viewer"));
}

#[test]
fn a_viewer_with_a_buffer_gets_every_frame_a_second_late_on_each_transport() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    relay.viewer("cam").frame();
    let mut v1 = relay.viewer_with("cam", BUFFER);
    let mut plain = relay.plain_viewer_with("cam", "?buffer=1");
    let mut mjpeg = relay.mjpeg_with("cam", "?buffer=1");
    let looked = |mut look: Box<dyn FnMut() -> Vec<u8> + Send>| {
        move || (0..=SOME).map(|_| (look(), now())).collect::<Vec<_>>()
    };
    let (frames, others) = thread::scope(|scope| {
        let others = [
            scope.spawn(looked(Box::new(move || plain.picture()))),
            scope.spawn(looked(Box::new(move || mjpeg.part().payload))),
        ];
        (v1.frames(SOME + 1), others.map(|other| other.join().expect("the viewer gets all frames")))
    });
    assert_eq!(missing(&sequences(&frames)), 0);
    assert_a_second_late("v1", frames.iter().map(|frame| (frame.captured_at, frame.seen_at)));
    let number = |jpeg: &[u8]| picture::timecode_of(jpeg).number;
    let made: BTreeSet<u32> = frames.iter().map(|frame| number(&frame.payload)).collect();
    for (transport, seen) in ["ws", "mjpeg"].into_iter().zip(others) {
        let ages = seen.iter().map(|(jpeg, seen_at)| (picture::timecode_of(jpeg).time, *seen_at));
        assert_a_second_late(transport, ages);
        let numbers: BTreeSet<u32> = seen.iter().map(|(jpeg, _)| number(jpeg)).collect();
        assert_eq!(numbers.len(), SOME + 1, "{transport}: no frame twice");
        let (first, last) = numbers.first().zip(numbers.last()).expect("there are some");
        let missed: Vec<_> = made.range(first..=last).filter(|n| !numbers.contains(n)).collect();
        assert!(missed.is_empty(), "{transport} missed {missed:?}");
    }
}

/// Asserts that the first frame arrives immediately and all others with the delay of the buffer.
fn assert_a_second_late(transport: &str, seen: impl Iterator<Item = (Timestamp, Timestamp)>) {
    let ages: Vec<Duration> =
        seen.map(|(captured_at, seen_at)| seen_at.since(captured_at)).collect();
    note(format!("{transport}: {:.0?}, then {:.0?}", ages[0], median(ages[1..].iter().copied())));
    assert!(ages[0] < BEHIND, "{transport}: {ages:?}");
    assert!(ages[1..].iter().all(|age| *age >= BEHIND), "{transport}: {ages:?}");
}

#[test]
fn one_tile_of_a_wall_may_have_a_buffer() {
    let site = Site::new();
    let names = ["a", "b", "c", "d"];
    let streams = names.map(|name| format!("--stream={name}=test:320x180@15"));
    site.capture(&streams.each_ref().map(String::as_str));
    let relay = site.relay(&[]);
    names.iter().for_each(|name| relay.wait_for(name));
    let mut wall = relay.wall();
    wall.watch_with(0, "a", BUFFER);
    (1..).zip(&names[1..]).for_each(|(id, name)| wall.watch(id, name));
    let mut tiles = names.map(|_| Vec::new());
    while tiles.iter().any(|frames| frames.len() < SOME / 2) {
        let frame = wall.frame();
        tiles[frame.id as usize].push(frame);
    }
    let [behind, others @ ..] = tiles;
    assert_eq!(missing(&sequences(&behind)), 0);
    assert_a_second_late("a", behind.iter().map(|frame| (frame.captured_at, frame.seen_at)));
    for (name, frames) in names[1..].iter().zip(others) {
        let age = median(frames.iter().map(Frame::age));
        assert!(age < BEHIND / 2, "{name} is not behind: {age:?}");
    }
}

#[test]
fn the_journey_of_a_frame_is_sent_directly_before_it() {
    let site = Site::new();
    site.camera("cam");
    let relay = site.relay(&[]);
    let mut viewer = relay.viewer("cam");
    viewer.frame();
    for _ in 0..5 {
        viewer.send_text(r#"{"type":"journey","id":1}"#);
        let journey = viewer.until("the journey", |word| {
            matches!(word, FromRelay::Journey { .. }).then(|| word.clone())
        });
        let FromRelay::Journey {
            id,
            sequence,
            captured_at,
            read_at,
            published_at,
            received_at,
            sent_at,
        } = journey
        else {
            unreachable!("`until` returns only a journey")
        };
        let Received::Frame(frame) = viewer.receive() else { panic!("its frame follows") };
        assert_eq!((frame.id, frame.sequence), (id, sequence));
        assert_eq!((frame.captured_at, frame.sent_at), (captured_at, sent_at));
        let way = [captured_at, read_at, published_at, received_at, sent_at, frame.seen_at];
        assert!(way.is_sorted(), "{way:?}");
        // The viewer requested one journey.
        assert!(matches!(viewer.receive(), Received::Frame(_)));
    }
}
