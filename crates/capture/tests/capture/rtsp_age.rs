//! The age of frames over RTSP: the camera's clock shows how long they were on their way.

use std::collections::HashMap;
use std::time::Duration;

use fanlight_bus::IncomingFrame;
use fanlight_protocol::StreamState;
use fanlight_protocol::catalog::CLOCK_JUMPS;

use crate::harness::{SOON, capture, viewer};
use crate::rtsp_camera::{Film, RtspCamera, Running, Sent, encode, number};

/// Deviation of the clocks of publisher and subscriber, and rounding.
const INEXACT: i64 = 20_000;
/// The frame before which the camera sends nothing for a second, or its clock jumps.
const EVENT: u32 = 60;
const STALL: Duration = Duration::from_secs(1);
/// The first frames, until the subscriber knows the publisher's clock.
const FIRST: u32 = 20;

fn camera(film: Film) -> RtspCamera {
    RtspCamera { film, ..RtspCamera::new(encode(25, &["-g", "25"])) }
}

/// A received frame.
struct Seen {
    sent: Sent,
    /// The time from its last byte being sent to its publication, in microseconds.
    published_after: i64,
    /// By how much its capture time is later than the true one, in microseconds.
    late: i64,
    /// The time from its first byte being sent to its stated capture, negative if that is before, in microseconds.
    after_sending: i64,
}

/// Watches a stream for some seconds around the event.
fn watch(camera: &Running, options: &str) -> Vec<Seen> {
    watch_until(EVENT + 60, camera, options)
}

/// Watches a stream up to a frame.
fn watch_until(last: u32, camera: &Running, options: &str) -> Vec<Seen> {
    let capture = capture(&[&format!("cam=rtsp://{}/live{options}", camera.address)]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam/full.h264");
    let mut frames: Vec<IncomingFrame> = viewer.frames("cam/full.h264", 1);
    // The first session may have been opened before there was a viewer.
    while frames.last().is_none_or(|frame| number(&frame.payload) < last) {
        frames.extend(viewer.frames("cam/full.h264", 1));
    }
    let last_session = frames.iter().rposition(|frame| number(&frame.payload) < FIRST);
    let frames = frames.split_off(last_session.map_or(0, |at| at + 1));
    for pair in frames.windows(2) {
        let step = pair[1].meta.captured_at().micros_from(pair[0].meta.captured_at());
        assert!(step > -INEXACT, "{step} µs");
    }
    // If the camera sent this number in several sessions, the last frame with it belongs to this session.
    let newest = number(&frames[frames.len() - 1].payload);
    let mut sent: HashMap<u32, Sent> = HashMap::new();
    while !sent.contains_key(&newest) {
        let next = camera.sent.recv_timeout(SOON).expect("the camera has sent it");
        sent.insert(next.number, next);
    }
    let seen = |frame: &IncomingFrame| {
        let sent = sent[&number(&frame.payload)];
        let captured_at = frame.meta.captured_at();
        let (late, after_sending) =
            (captured_at.micros_from(sent.captured_at), captured_at.micros_from(sent.sent_at));
        assert!(captured_at <= frame.meta.times.read_at.offset(INEXACT), "after its arrival");
        let published_after = frame.meta.times.published_at.micros_from(sent.complete_at);
        Seen { sent, published_after, late, after_sending }
    };
    frames.iter().map(seen).collect()
}

fn before_and_after(seen: Vec<Seen>) -> (Vec<Seen>, Vec<Seen>) {
    let (before, after): (Vec<Seen>, Vec<Seen>) =
        seen.into_iter().partition(|seen| seen.sent.number < EVENT);
    assert!(before.len() > 10 && after.len() > 10, "{} and {}", before.len(), after.len());
    (before, after)
}

#[test]
fn a_frame_that_was_delayed_is_as_old_as_it_is() {
    let film = Film {
        date_ahead: Some(5 * 3600),
        stall: Some((EVENT, STALL)),
        jitter: Duration::from_millis(30),
        ..Film::default()
    };
    let (before, after) = before_and_after(watch(&camera(film).start(), ""));
    // The fastest frame of the session defines the unknown part of the delay, so this bound holds on any machine.
    let fastest = before.iter().map(|seen| seen.late).min().unwrap();
    for seen in before.iter().chain(&after) {
        assert!(seen.late > -INEXACT, "frame {}: {} µs", seen.sent.number, seen.late);
    }
    for seen in &after {
        assert!(seen.late < fastest + INEXACT, "frame {}: {} µs", seen.sent.number, seen.late);
    }
    let delayed = &after[0];
    let age = -delayed.after_sending;
    assert!(age > STALL.as_micros() as i64 - fastest - INEXACT, "{age} µs old when it was sent");
}

#[test]
fn ffmpeg_states_the_arrival_of_a_frame_that_was_delayed() {
    let film = Film { stall: Some((EVENT, STALL)), ..Film::default() };
    let camera = RtspCamera { udp: true, ..camera(film) };
    let (before, after) = before_and_after(watch(&camera.start(), "#transport=udp"));
    for seen in before.iter().chain(&after) {
        assert!(seen.after_sending > -INEXACT, "frame {}", seen.sent.number);
    }
    assert!(after[0].late > STALL.as_micros() as i64 - INEXACT);
}

#[test]
fn frames_are_dated_by_their_arrival_when_the_rtp_clock_jumps() {
    for seconds in [3600, -3600] {
        for date_ahead in [None, Some(-7200)] {
            let film = Film { jump: Some((EVENT, seconds)), date_ahead, ..Film::default() };
            let (before, after) = before_and_after(watch(&camera(film).start(), ""));
            for seen in before.iter().chain(&after) {
                assert!(seen.late > -INEXACT, "frame {}: {} µs", seen.sent.number, seen.late);
            }
            let first = &after[0];
            assert!(first.after_sending > -INEXACT, "{} µs", first.after_sending);
        }
    }
}

#[test]
fn a_camera_whose_date_is_wrong_and_jumps_is_reported() {
    let film = Film { date_ahead: Some(3600), jump: Some((EVENT, -30)), ..Film::default() };
    let camera = camera(film).start();
    let capture = capture(&[&format!("cam=rtsp://{}/live", camera.address)]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam/full.h264");
    let entry = viewer.until_so("cam", "the reason", |entry| entry.reason == CLOCK_JUMPS);
    assert_eq!(entry.state, StreamState::Live);
}

/// A camera whose responses have a parameter that retina refuses.
fn refused_by_retina() -> RtspCamera {
    RtspCamera { session: "1;more=x", ..camera(Film::default()) }
}

#[test]
fn a_camera_whose_responses_retina_refuses_is_read_by_ffmpeg_over_tcp() {
    let camera = refused_by_retina().start();
    let seen = watch(&camera, "#transport=tcp");
    assert!(seen.iter().all(|seen| seen.after_sending > -INEXACT));
}

#[test]
#[ignore = "it measures: cargo test -p fanlight-capture --test capture measured -- --ignored --nocapture"]
#[expect(clippy::print_stdout, reason = "the figures are its result")]
fn measured_time_from_the_last_packet_to_the_publication() {
    let mut all: [Vec<i64>; 2] = Default::default();
    for _ in 0..5 {
        let readers = [refused_by_retina().start(), camera(Film::default()).start()];
        for (camera, times) in readers.iter().zip(&mut all) {
            times.extend(
                watch_until(300, camera, "#transport=tcp").iter().map(|seen| seen.published_after),
            );
        }
    }
    for (reader, times) in ["FFmpeg", "retina"].iter().zip(&mut all) {
        times.sort_unstable();
        let at = |share: f64| times[(times.len() as f64 * share) as usize] as f64 / 1000.0;
        println!(
            "{reader}: {} frames, median {:.2} ms, p95 {:.2} ms",
            times.len(),
            at(0.5),
            at(0.95)
        );
    }
}
