//! The states of a stream, as the catalog has them.

use super::*;

fn status() -> SourceStatus {
    SourceStatus::new("door".parse().unwrap(), &"/dev/video0", Signal::default())
}

fn state(status: &SourceStatus, watched: bool) -> (StreamState, String) {
    let report = status.report(watched);
    (report.state, report.reason)
}

#[test]
fn a_watched_stream_is_live_and_an_unwatched_one_idle() {
    let status = status();
    assert_eq!(state(&status, true), (StreamState::Offline, "opening".into()));
    status.frame_read("test");
    assert_eq!(state(&status, false), (StreamState::Idle, String::new()));
    assert_eq!(state(&status, true), (StreamState::Live, String::new()));
    status.ended();
    assert_eq!(state(&status, true), (StreamState::Ended, String::new()));
}

#[test]
fn an_outage_keeps_its_beginning_while_its_reason_changes() {
    let status = status();
    status.frame_read("test");
    status.failed("unplugged");
    let since = status.report(true).since;
    status.failed("not found");
    assert_eq!(state(&status, true), (StreamState::Offline, "not found".into()));
    assert_eq!(status.report(true).since, since);
}

#[test]
fn an_interruption_is_an_outage_only_if_no_frame_follows_in_time() {
    let status = status();
    status.frame_read("test");
    status.interrupted("closed");
    status.check_stall(Instant::now() + Duration::from_secs(1));
    assert_eq!(state(&status, true), (StreamState::Live, String::new()));
    status.frame_read("test");
    status.check_stall(Instant::now() + Duration::from_millis(2_500));
    assert_eq!(state(&status, true), (StreamState::Live, String::new()));
    status.interrupted("closed");
    status.check_stall(Instant::now() + Duration::from_millis(2_500));
    assert_eq!(state(&status, true), (StreamState::Offline, "closed".into()));
    status.interrupted("closed again");
    assert_eq!(state(&status, true), (StreamState::Offline, "closed again".into()));
}

#[test]
fn a_failure_after_an_interruption_is_an_outage() {
    let status = status();
    status.frame_read("test");
    status.interrupted("closed");
    status.failed("refused");
    assert_eq!(state(&status, true), (StreamState::Offline, "refused".into()));
}

#[test]
fn a_stream_whose_frames_cannot_be_published_is_offline_until_one_can() {
    let status = status();
    status.frame_read("test");
    status.not_published("too large");
    status.frame_read("test");
    assert_eq!(state(&status, true), (StreamState::Offline, "too large".into()));
    status.published();
    assert_eq!(state(&status, true), (StreamState::Live, String::new()));
}

#[test]
fn a_frozen_source_is_live_with_a_reason_since_its_first_copy() {
    let status = status();
    status.frame_read("test");
    let (first, live) = (Timestamp::from_micros(7), status.report(true).since);
    status.set_frozen(Some(first));
    assert_eq!(state(&status, true), (StreamState::Live, FROZEN.into()));
    assert_eq!(status.report(true).since, first);
    assert_eq!(state(&status, false), (StreamState::Idle, String::new()), "nothing is known then");
    status.failed("unplugged");
    assert_eq!(state(&status, true), (StreamState::Offline, "unplugged".into()));
    status.frame_read("test");
    assert_eq!(state(&status, true), (StreamState::Live, FROZEN.into()));
    status.set_frozen(None);
    assert_eq!(state(&status, true), (StreamState::Live, String::new()));
    assert!(status.report(true).since > live, "it is live again since now");
}

#[test]
fn an_idle_source_is_never_stuck_and_is_live_with_its_next_frame() {
    let status = status();
    status.frame_read("test");
    status.idle();
    status.check_stall(Instant::now() + Duration::from_secs(3600));
    status.resuming();
    status.check_stall(Instant::now() + Duration::from_secs(3600));
    assert_eq!(state(&status, true).0, StreamState::Idle);
    status.frame_read("test");
    assert_eq!(state(&status, true).0, StreamState::Live);
}

#[test]
fn a_source_not_opened_yet_is_idle_and_a_failure_is_reported() {
    let status = status();
    status.idle();
    assert_eq!(state(&status, false).0, StreamState::Idle);
    status.failed("not found");
    status.idle();
    assert_eq!(state(&status, false), (StreamState::Offline, "not found".into()));
}

#[test]
fn a_stuck_source_is_offline_until_its_next_frame() {
    let status = status();
    let interval = Some(Duration::from_millis(33));
    status.opened("test", stall::limit(interval));
    status.frame_read("test");
    let now = Instant::now();
    status.check_stall(now + Duration::from_secs(2));
    assert_eq!(state(&status, true).0, StreamState::Live);
    status.check_stall(now + Duration::from_secs(4));
    assert_eq!(state(&status, true).0, StreamState::Offline);
    status.frame_read("test");
    assert_eq!(state(&status, true).0, StreamState::Live);
}
