//! Messages of `fanlight.v1`, as docs/reference/protocol.md defines them.

use std::io::Write as _;

pub use fanlight_protocol::viewer::{FRAME_HEADER_LEN, SUBPROTOCOL, ViewerState};
use fanlight_protocol::viewer::{FrameMessage, FromRelay, FromViewer, Watch};
use fanlight_websocket::Opcode;

use super::request;

/// Id of the subscription; there is one per socket.
pub const ID: u32 = 1;
/// Room for the JSON of an acknowledgement: the longest one has 52 bytes.
pub const ACK_ROOM: usize = 96;

/// A relay's message, as far as it is counted.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// A new track: the count of frames restarts.
    Track,
    /// State of the subscription.
    State(ViewerState),
    /// The relay denied a request.
    Error(String),
    /// Anything else.
    Other,
}

/// Returns the message that subscribes to a stream.
pub fn watch(watch: Watch) -> String {
    serde_json::to_string(&FromViewer::Watch(watch)).expect("plain data")
}

/// Writes an acknowledgement as a WebSocket message.
pub fn ack(sequence: u64, into: &mut Vec<u8>) {
    let text = FromViewer::Ack { id: ID, sequence };
    let mut json = [0; ACK_ROOM];
    let mut rest = &mut json[..];
    serde_json::to_writer(&mut rest, &text).expect("room for the longest number");
    let length = ACK_ROOM - rest.len();
    into.clear();
    request::message_head(Opcode::Text, length, into);
    into.write_all(&json[..length]).expect("writing to memory does not fail");
}

/// Parses a text message of a relay.
pub fn said(text: &[u8]) -> Said {
    match serde_json::from_slice(text) {
        Ok(FromRelay::Track { .. }) => Said::Track,
        Ok(FromRelay::State { state, .. }) => Said::State(state),
        Ok(FromRelay::Error { code, message, .. }) => Said::Error(format!("{code}: {message}")),
        _ => Said::Other,
    }
}

/// Parses the header of a frame from its inspected bytes.
pub fn frame(header: &[u8]) -> Option<FrameMessage> {
    FrameMessage::decode(header).map(|(frame, _)| frame)
}

/// Tracks a viewer's sequence numbers, and which of its frames are decodable.
#[derive(Debug, Clone, Copy, Default)]
pub struct Count {
    last: Option<u64>,
    /// The previous frame was decodable.
    intact: bool,
}

/// A frame's relation to the frames before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// Number of frames missing before it.
    pub missing: u64,
    /// It refers to a frame that is missing or undecodable.
    pub is_broken: bool,
}

impl Count {
    /// Restarts for a new track: nothing is missing before its first frame.
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    /// Records the next frame, decodable alone or not.
    pub fn next(&mut self, sequence: u64, is_keyframe: bool) -> Place {
        let last = self.last.replace(sequence);
        let follows = last.and_then(|last| last.checked_add(1)) == Some(sequence);
        self.intact = is_keyframe || self.intact && follows;
        let missing = last.map_or(0, |last| sequence.saturating_sub(last).saturating_sub(1));
        Place { missing, is_broken: !self.intact }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_count_within_one_track_only() {
        let mut count = Count::default();
        let mut missing = |sequence| count.next(sequence, true).missing;
        assert_eq!([5, 6, 9, 9, 3].map(&mut missing), [0, 0, 2, 0, 0]);
        count.restart();
        assert_eq!([100, 102].map(|sequence| count.next(sequence, true).missing), [0, 1]);
    }

    #[test]
    fn a_delta_without_its_predecessor_is_broken_and_so_are_the_deltas_after_it() {
        let mut count = Count::default();
        let mut broken =
            |(sequence, keyframe): (u64, bool)| count.next(sequence, keyframe).is_broken;
        let frames =
            [(1, false), (2, true), (3, false), (5, false), (6, false), (9, true), (10, false)];
        assert_eq!(frames.map(&mut broken), [true, false, false, true, true, false, false]);
        count.restart();
        assert!(count.next(11, false).is_broken);
    }

    #[test]
    fn messages_of_a_relay_are_parsed() {
        let state = br#"{"type":"state","id":1,"state":"slow","reason":"","since":5}"#;
        assert_eq!(said(state), Said::State(ViewerState::Slow));
        let error = br#"{"type":"error","code":"unknown-stream","message":"there is none"}"#;
        assert_eq!(said(error), Said::Error("unknown-stream: there is none".into()));
        assert_eq!(said(br#"{"type":"later"}"#), Said::Other);
    }

    #[test]
    fn the_longest_acknowledgement_fits() {
        let mut message = Vec::new();
        ack(u64::MAX, &mut message);
        let text = &message[6..];
        assert_eq!(message[1] & 0x7f, text.len() as u8);
        assert_eq!(text, format!(r#"{{"type":"ack","id":1,"sequence":{}}}"#, u64::MAX).as_bytes());
    }
}
