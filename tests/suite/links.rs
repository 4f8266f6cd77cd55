//! Over a link that is too slow, a viewer gets fewer frames, never older ones, and other viewers are not affected.
//!
//! The stream's bitrate is about 14 Mbit/s. The link sustains a third of it, and its queue takes a second to drain: a
//! relay that fills this queue adds a second of latency.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use fanlight_protocol::Timestamp;
use fanlight_protocol::viewer::{FromRelay, ViewerState};
use fanlight_tests::mjpeg::MjpegViewer;
use fanlight_tests::viewer::{Frame, median, missing, now, sequences};
use fanlight_tests::{Bystander, Link, Relay, Site, eventually, note};

const STREAM: &str = "cam=test:1280x720@30";
/// The rates of a link, in kbit/s.
const NARROW: u32 = 5_000;
const WIDE: u32 = 200_000;
const QUEUE: Duration = Duration::from_secs(1);
/// The limit of the frame age: the time that the link takes for three frames of 60 kB. A relay that fills the link's
/// queue exceeds it within seconds.
const OLD: Duration = Duration::from_millis(300);
/// The number of attempts, for a machine under load. A relay that fills the link's queue fails every time.
const TRIES: usize = 3;
/// The number of frames examined while the link is slow.
const FEW: usize = 40;
/// The number of frames examined without a gap while the link is fast.
const ALL: usize = 60;

#[test]
fn a_slow_link_reduces_the_frame_rate_and_adds_no_latency_under_bbr() {
    narrow_links("bbr");
}

#[test]
fn a_slow_link_reduces_the_frame_rate_and_adds_no_latency_under_cubic() {
    narrow_links("cubic");
}

/// Tests both kinds of viewers at the same time, each over its own link.
fn narrow_links(congestion: &str) {
    let site = Site::new();
    site.capture(&["--stream", STREAM]);
    thread::scope(|scope| {
        scope.spawn(|| v1_over_a_narrow_link(&site, congestion));
        scope.spawn(|| mjpeg_over_a_narrow_link(&site, congestion));
    });
}

fn v1_over_a_narrow_link(site: &Site, congestion: &str) {
    let Some((link, relay)) = narrow_link(site, congestion) else { return };
    let beside = link.beside(|| Bystander::from(relay.mjpeg("cam")));
    beside.newest();
    let mut viewer = link.across(|| relay.viewer("cam"));
    viewer.wait_for_state(ViewerState::Slow);
    let mut frames = Vec::new();
    assert_fresh(congestion, || {
        frames.extend(viewer.frames(FEW));
        frames[frames.len() - FEW..].iter().map(Frame::age).collect()
    });
    let missed = missing(&sequences(&frames));
    assert!(frames.is_sorted_by(|one, next| one.captured_at < next.captured_at));
    assert!(missed > FEW as u64 / 2, "{missed} missed, and the link sustains a third");
    assert!(dropped(&link, &relay, "v1", "link") >= missed, "{missed} missed");

    link.set_rate(WIDE);
    viewer.wait_for_state(ViewerState::Live);
    eventually("the viewer gets every frame", || {
        (missing(&sequences(&viewer.frames(ALL))) == 0).then_some(())
    });
    assert_only_the_link_is_to_blame(&link, &relay, "v1", "mjpeg");
}

fn mjpeg_over_a_narrow_link(site: &Site, congestion: &str) {
    let Some((link, relay)) = narrow_link(site, congestion) else { return };
    let beside = link.beside(|| Bystander::from(relay.viewer("cam")));
    beside.newest();
    let mut viewer = link.across(|| relay.mjpeg("cam"));
    eventually("frames are dropped because of the link", || {
        viewer.part();
        (dropped(&link, &relay, "mjpeg", "link") > ALL as u64).then_some(())
    });
    let mut few = Vec::new();
    assert_fresh(congestion, || {
        few.extend(parts(&mut viewer, FEW));
        let newest = &few[few.len() - FEW..];
        newest.iter().map(|(captured_at, seen_at)| seen_at.since(*captured_at)).collect()
    });
    let missed = missing(&numbered(&few, &beside));
    assert!(missed > FEW as u64 / 2, "{missed} missed, and the link sustains a third");

    link.set_rate(WIDE);
    eventually("the viewer gets every frame", || {
        let parts = parts(&mut viewer, ALL);
        (missing(&numbered(&parts, &beside)) == 0).then_some(())
    });
    assert_only_the_link_is_to_blame(&link, &relay, "mjpeg", "v1");
}

#[test]
fn no_tile_of_a_wall_starves_on_a_slow_link() {
    let site = Site::new();
    let names = ["a", "b", "c", "d"];
    let streams = names.map(|name| format!("--stream={name}=test:640x360@30"));
    site.capture(&streams.each_ref().map(String::as_str));
    let Some((link, relay)) = narrow_link(&site, "bbr") else { return };
    let mut wall = link.across(|| {
        names.iter().for_each(|name| relay.wait_for(name));
        relay.wall()
    });
    for (id, name) in names.iter().enumerate() {
        wall.watch(id as u32, name);
    }
    wall.wait_for_state(ViewerState::Slow);
    let mut tiles = names.map(|_| Vec::new());
    for frame in wall.frames(ALL) {
        tiles[frame.id as usize].push(frame.sequence);
    }
    let counts = tiles.each_ref().map(Vec::len);
    note(format!("{ALL} frames for four tiles: {counts:?}"));
    assert!(counts.iter().all(|count| (ALL / 8..=ALL / 2).contains(count)), "{counts:?}");
    assert!(
        tiles.iter().map(|tile| missing(tile)).sum::<u64>() > 0,
        "the link is too slow for all frames"
    );
}

#[test]
fn a_viewer_with_automatic_rendition_gets_every_frame_of_a_smaller_one() {
    let site = Site::new();
    site.capture(&["--stream", STREAM]);
    thread::scope(|scope| {
        for congestion in ["bbr", "cubic"] {
            let site = &site;
            scope.spawn(move || a_size_that_fits(site, congestion));
        }
    });
}

fn a_size_that_fits(site: &Site, congestion: &str) {
    let Some((link, relay)) = narrow_link(site, congestion) else { return };
    let beside = link.beside(|| Bystander::from(relay.viewer("cam")));
    beside.newest();
    let mut viewer = link.across(|| relay.viewer_with("cam", r#""rendition":"auto""#));
    viewer.until("a track of a smaller size", |word| {
        is_sent(word, |rendition| rendition != "full", true)
    });
    // The relay probes for more bandwidth now and then, which may cause gaps.
    let frames = eventually("every frame arrives, in one size", || {
        let frames = viewer.frames(ALL);
        let one_size = frames.iter().all(|frame| frame.rendition == frames[0].rendition);
        (one_size && missing(&sequences(&frames)) == 0).then_some(frames)
    });
    let age = median(frames.iter().map(Frame::age));
    note(format!("{congestion}: frames of the smaller rendition are {age:.0?} old at the median"));
    assert!(
        age < OLD,
        "{congestion}: frames of the smaller rendition are {age:.0?} old at the median"
    );

    link.set_rate(WIDE);
    viewer.until("a track of the full size", |word| {
        is_sent(word, |rendition| rendition == "full", false)
    });
    let switched = link.beside(|| relay.metric(&format!("{SWITCHES},direction=\"down\"}}")));
    assert!(switched >= 1);
    assert_eq!(dropped(&link, &relay, "v1", "fps"), 0);
}

const SWITCHES: &str = "fanlight_rendition_switches_total{stream=\"cam\"";

/// Returns `Some` if a message announces such a rendition, and its `reduced` equals `less`.
fn is_sent(word: &FromRelay, which: impl Fn(&str) -> bool, less: bool) -> Option<()> {
    match word {
        FromRelay::Track { rendition, reduced, .. } => {
            (which(rendition.as_str()) && *reduced == less).then_some(())
        }
        _ => None,
    }
}

/// Creates a slow link and starts a relay at its near end.
fn narrow_link(site: &Site, congestion: &str) -> Option<(Link, Relay)> {
    let link = Link::with_rate(NARROW, QUEUE)?;
    let relay = link.relay(site, congestion)?;
    Some((link, relay))
}

/// Returns the capture time and the arrival time of the next `count` frames.
fn parts(viewer: &mut MjpegViewer, count: usize) -> Vec<(Timestamp, Timestamp)> {
    (0..count).map(|_| (viewer.part().captured_at(), now())).collect()
}

/// Returns the sequence numbers of frames, from another viewer that received the same capture times.
fn numbered(parts: &[(Timestamp, Timestamp)], beside: &Bystander) -> Vec<u64> {
    let last = parts.last().expect("there are some").0.micros();
    eventually("the other viewer has received the same frames", || {
        (beside.newest().captured_at >= last).then_some(())
    });
    let known: BTreeMap<u64, u64> =
        beside.seen().iter().map(|seen| (seen.captured_at, seen.sequence)).collect();
    // A frame that only the other viewer missed, because the machine paused, is left out.
    parts.iter().filter_map(|(at, _)| known.get(&at.micros()).copied()).collect()
}

/// Asserts that the median of the ages that `ages` returns falls below [`OLD`] within [`TRIES`] attempts.
fn assert_fresh(congestion: &str, mut ages: impl FnMut() -> Vec<Duration>) {
    let mut seen = Vec::new();
    while seen.last().is_none_or(|age| *age >= OLD) {
        assert!(seen.len() < TRIES, "{congestion}: frames are {seen:.0?} old at the median");
        seen.push(median(ages()));
    }
    note(format!("{congestion}: over a slow link frames are {seen:.0?} old at the median"));
}

fn dropped(link: &Link, relay: &Relay, transport: &str, reason: &str) -> u64 {
    link.beside(|| relay.dropped("cam", transport, &[reason]))
}

/// Asserts that the link caused most drops, and that viewers beside it have few. On a machine under load, every viewer
/// misses some frames.
fn assert_only_the_link_is_to_blame(link: &Link, relay: &Relay, across: &str, beside: &str) {
    let by_link = dropped(link, relay, across, "link");
    for (transport, reason) in
        [(across, "relay"), (across, "viewer"), (beside, "relay"), (beside, "link")]
    {
        let others = dropped(link, relay, transport, reason);
        assert!(
            others * 4 < by_link,
            "{transport}, {reason}: {others} dropped, {by_link} by the link"
        );
    }
}
