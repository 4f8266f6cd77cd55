//! Readiness of the relay, for service managers and for people whose wall is empty.

use std::fmt::Write as _;

use axum::http::StatusCode;
use fanlight_bus::Listening;
use fanlight_clock as clock;

/// Returns whether the relay is ready, with one line for each endpoint or folder that it listens to. It is ready if every
/// configured endpoint is connected, or, if none is configured, once it received data from any publisher.
pub fn readiness(listening: &[Listening]) -> (StatusCode, String) {
    let (status, mut text) = readiness_in_a_word(listening);
    for place in listening {
        let seconds = clock::now().since(place.since).as_secs();
        let state = match (place.connected, place.heard) {
            (true, _) => "connected".into(),
            (false, true) => "disconnected, data was received before".into(),
            (false, false) => format!("nothing received yet, after {seconds} s"),
        };
        let and = if place.reason.is_empty() { "" } else { "; " };
        writeln!(text, "{}: {state}{and}{}", place.place, place.reason)
            .expect("writing to memory does not fail");
    }
    if status != StatusCode::OK {
        text += "to start a capture on this machine: fanlight-capture --stream test=test\n";
    }
    (status, text)
}

/// Returns the same without endpoints, for clients that may not list streams.
pub fn readiness_in_a_word(listening: &[Listening]) -> (StatusCode, String) {
    let is_folder = |place: &Listening| place.place.starts_with('/');
    let ready = match listening.iter().any(|place| !is_folder(place)) {
        true => listening.iter().filter(|place| !is_folder(place)).all(|place| place.connected),
        false => listening.iter().any(|place| place.heard),
    };
    match ready {
        true => (StatusCode::OK, "ready\n".into()),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(place: &str, heard: bool, connected: bool) -> Listening {
        Listening {
            place: place.into(),
            heard,
            connected,
            since: clock::now(),
            reason: String::new(),
        }
    }

    #[test]
    fn captures_beyond_the_limit_are_named() {
        let reason = "6 not followed: limit of 64 captures (a, b, c, d, e, …)".to_owned();
        let folder = Listening { reason, ..place("/run/fanlight", true, true) };
        let (status, text) = readiness(&[folder]);
        assert_eq!(status, StatusCode::OK);
        assert!(text.contains("/run/fanlight: connected; 6 not followed: limit of 64"), "{text}");
    }

    #[test]
    fn a_watched_folder_is_ready_once_a_publisher_sent_data() {
        assert_eq!(
            readiness(&[place("/run/fanlight", false, false)]).0,
            StatusCode::SERVICE_UNAVAILABLE
        );
        assert_eq!(readiness(&[place("/run/fanlight", true, false)]).0, StatusCode::OK);
    }

    #[test]
    fn named_endpoints_are_ready_when_all_are_connected() {
        let (one, two) = (place("tcp://a:1", true, true), place("tcp://b:1", true, false));
        assert_eq!(readiness(&[one.clone(), two]).0, StatusCode::SERVICE_UNAVAILABLE);
        let (status, text) = readiness(&[one.clone(), place("tcp://b:1", false, false)]);
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(text.contains("tcp://b:1: nothing received yet"), "{text}");
        assert_eq!(readiness(&[one]).0, StatusCode::OK);
        let mut refused = place("tcp://c:1", false, false);
        refused.reason = "the keys do not match".into();
        assert!(readiness(&[refused]).1.contains(" s; the keys do not match"));
    }
}
