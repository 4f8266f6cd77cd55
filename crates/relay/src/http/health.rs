//! Readiness of the relay, for service managers and for people whose wall is empty.

use std::fmt::Write as _;

use axum::http::StatusCode;
use fanlight_bus::Listening;
use fanlight_clock as clock;

/// Returns whether the relay is ready, with one line for each endpoint or folder that it listens to. It is ready if
/// every configured endpoint is connected, or, if none is configured, once it received data from any publisher.
pub fn readiness(listening: &[Listening]) -> (StatusCode, String) {
    let (status, mut text) = readiness_in_a_word(listening);
    for at in listening {
        let seconds = clock::now().since(at.since).as_secs();
        let state = match (at.connected, at.heard) {
            (true, _) => "connected".into(),
            (false, true) => "disconnected, data was received before".into(),
            (false, false) => format!("nothing received yet, after {seconds} s"),
        };
        let and = if at.reason.is_empty() { "" } else { "; " };
        writeln!(text, "{}: {state}{and}{}", at.address, at.reason)
            .expect("writing to memory does not fail");
    }
    if status != StatusCode::OK {
        text += "to start a capture on this machine: fanlight-capture --stream test=test\n";
    }
    (status, text)
}

/// Returns the same without endpoints, for clients that may not list streams.
pub fn readiness_in_a_word(listening: &[Listening]) -> (StatusCode, String) {
    let mut endpoints = listening.iter().filter(|at| at.address.is_one_publisher()).peekable();
    let ready = match endpoints.peek() {
        Some(_) => endpoints.all(|at| at.connected),
        None => listening.iter().any(|at| at.heard),
    };
    match ready {
        true => (StatusCode::OK, "ready\n".into()),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n".into()),
    }
}

#[cfg(test)]
mod tests {
    use fanlight_bus::{BusAddress, Endpoint, Folder};

    use super::*;

    fn at(address: BusAddress, heard: bool, connected: bool) -> Listening {
        Listening { address, heard, connected, since: clock::now(), reason: String::new() }
    }

    fn endpoint(endpoint: &str, heard: bool, connected: bool) -> Listening {
        at(endpoint.parse::<Endpoint>().unwrap().into(), heard, connected)
    }

    /// Returns a watched folder inside a temporary one.
    fn folder(heard: bool, connected: bool) -> (tempfile::TempDir, Listening) {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::at(temp.path().join("fanlight")).unwrap();
        (temp, at(folder.into(), heard, connected))
    }

    #[test]
    fn captures_beyond_the_limit_are_named() {
        let reason = "6 not followed: limit of 64 captures (a, b, c, d, e, …)".to_owned();
        let (_temp, folder) = folder(true, true);
        let (status, text) = readiness(&[Listening { reason, ..folder }]);
        assert_eq!(status, StatusCode::OK);
        assert!(text.contains("/fanlight: connected; 6 not followed: limit of 64"), "{text}");
    }

    #[test]
    fn a_watched_folder_is_ready_once_a_publisher_sent_data() {
        let ((_one, silent), (_two, heard)) = (folder(false, false), folder(true, false));
        assert_eq!(readiness(&[silent]).0, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(readiness(&[heard]).0, StatusCode::OK);
    }

    #[test]
    fn named_endpoints_are_ready_when_all_are_connected() {
        let (one, two) = (endpoint("tcp://a:1", true, true), endpoint("tcp://b:1", true, false));
        assert_eq!(readiness(&[one.clone(), two]).0, StatusCode::SERVICE_UNAVAILABLE);
        let (status, text) = readiness(&[one.clone(), endpoint("tcp://b:1", false, false)]);
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(text.contains("tcp://b:1: nothing received yet"), "{text}");
        assert_eq!(readiness(&[one]).0, StatusCode::OK);
        let mut refused = endpoint("tcp://c:1", false, false);
        refused.reason = "the keys do not match".into();
        assert!(readiness(&[refused]).1.contains(" s; the keys do not match"));
    }
}
