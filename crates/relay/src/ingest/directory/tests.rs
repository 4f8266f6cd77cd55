//! Ownership of names, in given time.

use super::*;
use crate::hub::{ViewOptions, Viewer};
use crate::stats::labels::Transport;
use crate::wake::Waker;
use fanlight_protocol::Epoch;

const FIRST: PublisherId = PublisherId(1);
const SECOND: PublisherId = PublisherId(2);

fn seconds(seconds: u64) -> Timestamp {
    Timestamp::from_micros(1_000_000 * seconds)
}

fn catalog(streams: &[&str]) -> Catalog {
    let entry = |name: &&str| StreamEntry {
        name: name.parse().unwrap(),
        state: StreamState::Live,
        reason: String::new(),
        since: seconds(0),
        source: "test".into(),
        tracks: Vec::new(),
    };
    Catalog {
        epoch: Epoch(1),
        publisher: "capture".into(),
        streams: streams.iter().map(entry).collect(),
    }
}

fn directory() -> (Directory, Arc<Hub>) {
    let hub = Arc::new(Hub::new(Default::default()));
    (Directory::new(hub.clone()), hub)
}

fn state(hub: &Hub, name: &str) -> StreamState {
    hub.stream(name).unwrap().status().state
}

#[test]
fn the_first_publisher_keeps_a_name_and_the_second_takes_over() {
    let (mut directory, hub) = directory();
    let cam = "cam".parse().unwrap();
    directory.announce(FIRST, catalog(&["cam"]), seconds(0));
    directory.announce(SECOND, catalog(&["cam"]), seconds(1));
    assert_eq!(directory.owner_id(&cam), Some(FIRST));
    assert!(directory.gone(FIRST, "stopped", seconds(2)));
    assert_eq!(directory.owner_id(&cam), Some(SECOND));
    assert_eq!(state(&hub, "cam"), StreamState::Live);
}

#[test]
fn a_name_stays_known_for_a_day_as_gone_since_then() {
    let (mut directory, hub) = directory();
    directory.announce(FIRST, catalog(&["cam"]), seconds(0));
    assert!(!hub.stream("cam").unwrap().status().gone);
    directory.gone(FIRST, "stopped", seconds(100));
    let day = 24 * 60 * 60;
    directory.tick(seconds(99 + day));
    let status = hub.stream("cam").unwrap().status();
    assert_eq!((status.gone, status.since, &*status.reason), (true, seconds(100), "stopped"));
    directory.tick(seconds(100 + day));
    assert!(hub.stream("cam").is_none());
}

#[test]
fn a_name_that_returns_is_not_gone() {
    let (mut directory, hub) = directory();
    directory.announce(FIRST, catalog(&["cam"]), seconds(0));
    directory.gone(FIRST, "stopped", seconds(100));
    directory.announce(SECOND, catalog(&["cam"]), seconds(5000));
    let status = hub.stream("cam").unwrap().status();
    assert_eq!((status.gone, status.state), (false, StreamState::Live));
}

#[test]
fn an_ended_stream_of_a_gone_publisher_stays_ended_and_is_gone() {
    let (mut directory, hub) = directory();
    let mut ended = catalog(&["cam"]);
    ended.streams[0].state = StreamState::Ended;
    directory.announce(FIRST, ended, seconds(0));
    directory.gone(FIRST, "stopped", seconds(100));
    let status = hub.stream("cam").unwrap().status();
    assert_eq!((status.gone, status.state, status.since), (true, StreamState::Ended, seconds(0)));
}

#[test]
fn the_frames_of_a_gone_name_are_forgotten_after_a_minute() {
    let (mut directory, hub) = directory();
    directory.announce(FIRST, catalog(&["cam"]), seconds(0));
    let track = hub.stream("cam").unwrap().track(&fanlight_protocol::TrackName::full_jpeg());
    track.push(crate::hub::fixture::keyframe(1, seconds(1)));
    directory.gone(FIRST, "stopped", seconds(100));
    directory.tick(seconds(159));
    assert!(track.newest().is_some());
    directory.tick(seconds(160));
    assert!(track.newest().is_none());
    assert!(hub.stream("cam").is_some());
}

#[test]
fn a_watched_name_stays_known_longer() {
    let (mut directory, hub) = directory();
    directory.announce(FIRST, catalog(&["cam"]), seconds(0));
    let track = fanlight_protocol::TrackName::full_jpeg();
    let viewer = Viewer::watch(
        &hub.stream("cam").unwrap(),
        &track,
        Transport::V1,
        ViewOptions::default(),
        Waker::new(Default::default()),
        seconds(0),
    );
    directory.gone(FIRST, "stopped", seconds(0));
    directory.tick(seconds(1_000_000));
    assert!(hub.stream("cam").is_some());
    drop(viewer);
    directory.tick(seconds(1_000_000));
    assert!(hub.stream("cam").is_none());
}

#[test]
fn a_stream_that_its_publisher_no_longer_lists_is_offline() {
    let (mut directory, hub) = directory();
    directory.announce(FIRST, catalog(&["cam", "door"]), seconds(0));
    assert!(directory.announce(FIRST, catalog(&["door"]), seconds(1)));
    assert_eq!(state(&hub, "cam"), StreamState::Offline);
    assert_eq!(state(&hub, "door"), StreamState::Live);
}

#[test]
fn the_number_of_names_is_bounded() {
    let (mut directory, hub) = directory();
    for publisher in 0..20 {
        directory.announce(
            PublisherId(publisher),
            many(&format!("cam{publisher}"), 100),
            seconds(0),
        );
    }
    assert_eq!(hub.streams().len(), MAX_STREAMS);
}

fn many(prefix: &str, count: usize) -> Catalog {
    let names: Vec<String> = (0..count).map(|n| format!("{prefix}-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    catalog(&names)
}

#[test]
fn one_publisher_that_keeps_changing_its_names_locks_out_no_other() {
    let (mut directory, hub) = directory();
    directory.announce(SECOND, catalog(&["door", "yard"]), seconds(0));
    directory.announce(SECOND, catalog(&["door"]), seconds(1));
    for round in 0..100 {
        directory.announce(FIRST, many(&format!("new{round}"), 128), seconds(2));
    }
    directory.announce(PublisherId(3), catalog(&["hall"]), seconds(3));
    assert_eq!(state(&hub, "hall"), StreamState::Live);
    assert_eq!(state(&hub, "door"), StreamState::Live);
    assert_eq!(state(&hub, "yard"), StreamState::Offline, "the names of others stay known");
    assert_eq!(hub.streams().len(), 3 + 128 + MAX_REMEMBERED);
}

#[test]
fn restarting_publishers_that_keep_changing_their_names_lock_out_no_other() {
    let (mut directory, hub) = directory();
    for round in 0..100 {
        let publisher = PublisherId(100 + round);
        directory.announce(publisher, many(&format!("new{round}"), 128), seconds(round.into()));
        directory.gone(publisher, "stopped", seconds(round.into()));
    }
    directory.announce(FIRST, catalog(&["hall"]), seconds(101));
    assert_eq!(state(&hub, "hall"), StreamState::Live);
    assert_eq!(state(&hub, "new99-0"), StreamState::Offline, "the newest names stay known");
    assert_eq!(hub.streams().len(), MAX_STREAMS);
}

#[test]
fn a_publisher_that_stands_by_takes_over_without_a_moment_offline() {
    let (mut directory, hub) = directory();
    directory.announce(FIRST, catalog(&["cam"]), seconds(0));
    directory.announce(SECOND, catalog(&["cam"]), seconds(0));
    let stream = hub.stream("cam").unwrap();
    let changes = stream.change_count();
    assert!(directory.gone(FIRST, "stopped", seconds(1)), "without waiting for an announcement");
    assert_eq!(directory.owner_id(&"cam".parse().unwrap()), Some(SECOND));
    assert_eq!((stream.status().state, stream.change_count()), (StreamState::Live, changes));
}

#[test]
fn a_publisher_that_does_not_answer_keeps_its_name_unless_another_one_stands_by() {
    let (mut directory, hub) = directory();
    let cam = "cam".parse().unwrap();
    directory.announce(FIRST, catalog(&["cam"]), seconds(0));
    assert!(!directory.silent(FIRST));
    assert_eq!(directory.owner_id(&cam), Some(FIRST));
    assert_eq!(state(&hub, "cam"), StreamState::Live);
    assert!(
        directory.announce(SECOND, catalog(&["cam"]), seconds(1)),
        "a standby publisher appears"
    );
    assert_eq!(directory.owner_id(&cam), Some(SECOND));
}

#[test]
fn a_publisher_that_answers_again_stands_by_and_can_take_over() {
    let (mut directory, _hub) = directory();
    let cam = "cam".parse().unwrap();
    directory.announce(FIRST, catalog(&["cam"]), seconds(0));
    directory.announce(SECOND, catalog(&["cam"]), seconds(0));
    assert!(directory.silent(FIRST));
    assert_eq!(directory.owner_id(&cam), Some(SECOND));
    assert!(!directory.resumed(FIRST), "it does not reclaim the name");
    assert_eq!(directory.owner_id(&cam), Some(SECOND));
    assert!(directory.silent(SECOND));
    assert_eq!(directory.owner_id(&cam), Some(FIRST));
    assert!(!directory.silent(FIRST), "neither of the two answers");
    assert!(directory.resumed(SECOND));
    assert_eq!(directory.owner_id(&cam), Some(SECOND));
}

#[test]
fn a_publisher_without_frames_does_not_take_over_from_one_that_may_resume() {
    let (mut directory, _hub) = directory();
    let mut broken = catalog(&["cam"]);
    broken.streams[0].state = StreamState::Offline;
    directory.announce(FIRST, catalog(&["cam"]), seconds(0));
    directory.announce(SECOND, broken, seconds(0));
    assert!(!directory.silent(FIRST));
    assert_eq!(directory.owner_id(&"cam".parse().unwrap()), Some(FIRST));
}

#[test]
fn a_name_that_returns_is_not_forgotten_to_make_room_for_others() {
    let (mut directory, hub) = directory();
    directory.announce(FIRST, catalog(&["cam"]), seconds(0));
    let stream = hub.stream("cam").unwrap();
    directory.gone(FIRST, "stopped", seconds(1));
    for publisher in 10..18 {
        let id = PublisherId(publisher);
        directory.announce(id, many(&format!("n{publisher}"), 128), seconds(2));
    }
    assert_eq!(hub.streams().len(), MAX_STREAMS, "the remembered name made room");
    directory.gone(PublisherId(17), "stopped", seconds(3));
    let mut returns = many("other", 100);
    returns.streams.extend(catalog(&["n17-5"]).streams);
    let before = hub.stream("n17-5").unwrap();
    directory.announce(FIRST, returns, seconds(4));
    assert!(Arc::ptr_eq(&before, &hub.stream("n17-5").unwrap()), "its viewers stay with it");
    assert!(hub.stream("cam").is_none() && stream.status().state == StreamState::Offline);
}
