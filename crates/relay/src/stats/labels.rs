//! The values by which the relay counts: transports, reasons to drop, to close, to deny and to refuse, and floods. Their names
//! appear in metrics.

/// The transport of frames to a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// `/ws`: `fanlight.v1`.
    V1,
    /// `/streams/NAME/ws`: one frame a message.
    PlainWebSocket,
    /// `/streams/NAME/mjpeg`.
    Mjpeg,
    /// `/streams/NAME/snapshot`.
    Snapshot,
}

impl Transport {
    /// All transports.
    pub const ALL: [Self; 4] = [Self::V1, Self::PlainWebSocket, Self::Mjpeg, Self::Snapshot];

    /// Returns the name in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::PlainWebSocket => "ws",
            Self::Mjpeg => "mjpeg",
            Self::Snapshot => "snapshot",
        }
    }
}

/// The reason for which a frame was not sent to a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// The relay was busy.
    Relay,
    /// The link still had earlier frames in flight, or the viewer waited for a keyframe because of them.
    Link,
    /// The viewer had not acknowledged earlier frames yet, or waited for a keyframe because of them.
    Viewer,
    /// The viewer asked for a lower frame rate (`fps`).
    MaxFps,
    /// The viewer reported that its decoder had failed, and waited for the next keyframe.
    Keyframe,
}

impl DropReason {
    /// All reasons.
    pub const ALL: [Self; 5] =
        [Self::Relay, Self::Link, Self::Viewer, Self::MaxFps, Self::Keyframe];

    /// Returns whether the viewer's link or machine is too slow, so that a smaller rendition would help.
    pub fn is_viewer_side(self) -> bool {
        matches!(self, Self::Link | Self::Viewer)
    }

    /// Returns the name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Link => "link",
            Self::Viewer => "viewer",
            Self::MaxFps => "fps",
            Self::Keyframe => "keyframe",
        }
    }
}

/// The direction of a switch to another rendition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwitchDirection {
    /// Smaller.
    Down,
    /// Larger.
    Up,
}

impl SwitchDirection {
    /// Both directions.
    pub const ALL: [Self; 2] = [Self::Down, Self::Up];

    /// Returns the name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Up => "up",
        }
    }
}

/// The reason for which a connection was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The viewer left.
    Left,
    /// The viewer received nothing for too long, though data was queued for it.
    Stalled,
    /// The viewer sent nothing for too long, not even an answer to a ping.
    Silent,
    /// The viewer violated the protocol.
    Broke,
    /// The viewer's right to view was withdrawn.
    Withdrawn,
    /// The relay shuts down.
    Ending,
}

impl CloseReason {
    /// All reasons.
    pub const ALL: [Self; 6] =
        [Self::Left, Self::Stalled, Self::Silent, Self::Broke, Self::Withdrawn, Self::Ending];

    /// Returns the name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Stalled => "stalled",
            Self::Silent => "silent",
            Self::Broke => "protocol",
            Self::Withdrawn => "withdrawn",
            Self::Ending => "shutdown",
        }
    }
}

/// The reason for which a request was denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DenialReason {
    /// A header on which access depends is unreadable or occurs twice.
    Malformed,
    /// The request names a host that is not this relay.
    Host,
    /// The request comes from a page of another origin.
    Origin,
    /// The request has no token.
    NoToken,
    /// The request has a wrong token.
    WrongToken,
    /// Too many wrong tokens came from the client's address: the one in this request was not compared.
    TooMany,
    /// The client's token does not allow the action.
    Action,
    /// The client's token does not cover the stream.
    Stream,
    /// The client's link has expired.
    Expired,
    /// The request came without TLS, which this relay requires.
    Plain,
}

impl DenialReason {
    /// All reasons.
    pub const ALL: [Self; 10] = [
        Self::Malformed,
        Self::Host,
        Self::Origin,
        Self::NoToken,
        Self::WrongToken,
        Self::TooMany,
        Self::Action,
        Self::Stream,
        Self::Expired,
        Self::Plain,
    ];

    /// Returns the name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Host => "host",
            Self::Origin => "origin",
            Self::NoToken => "no_token",
            Self::WrongToken => "wrong_token",
            Self::TooMany => "too_many",
            Self::Action => "action",
            Self::Stream => "stream",
            Self::Expired => "expired",
            Self::Plain => "plain",
        }
    }
}

/// The kind of a flood, which is slowed down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flood {
    /// A WebSocket whose client sends many messages.
    Messages,
    /// A TLS handshake of a client that begins many.
    Handshakes,
}

impl Flood {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::Messages, Self::Handshakes];

    /// Returns the name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Handshakes => "handshakes",
        }
    }
}

/// The transport of frames from a client that publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushTransport {
    /// A WebSocket, one frame a message.
    WebSocket,
    /// A body of HTTP without an end: multipart, MJPEG or H.264.
    Body,
    /// Requests of HTTP with a frame each.
    Post,
}

impl PushTransport {
    /// All transports.
    pub const ALL: [Self; 3] = [Self::WebSocket, Self::Body, Self::Post];

    /// Returns the name in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WebSocket => "ws",
            Self::Body => "body",
            Self::Post => "post",
        }
    }
}

/// The reason for which a message of a client that publishes was not taken for a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedFrame {
    /// It is no JPEG and no access unit of H.264, or a damaged one.
    Invalid,
    /// It is larger than a frame may be.
    Size,
    /// There are more frames than `--max-ingest-fps` allows.
    Fps,
    /// There are more bits than `--max-ingest` allows.
    Bitrate,
    /// H.264 before the first parameter sets and keyframe, or between a refused frame and the next keyframe.
    NoKeyframe,
    /// Another publisher took the name before the first frame.
    Name,
    /// A text message, which is ignored.
    Text,
}

impl RefusedFrame {
    /// All reasons.
    pub const ALL: [Self; 7] = [
        Self::Invalid,
        Self::Size,
        Self::Fps,
        Self::Bitrate,
        Self::NoKeyframe,
        Self::Name,
        Self::Text,
    ];

    /// Returns the name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Size => "size",
            Self::Fps => "fps",
            Self::Bitrate => "bitrate",
            Self::NoKeyframe => "no_keyframe",
            Self::Name => "name",
            Self::Text => "text",
        }
    }
}

/// The reason for which a client publishes no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushEnd {
    /// The client left, or its stream ended.
    Left,
    /// The client sent nothing for too long.
    Silent,
    /// The client sent something else than frames, or too much, or violated the protocol.
    Refused,
    /// The client's right to publish was withdrawn.
    Withdrawn,
    /// Another client took the name over.
    Replaced,
    /// The relay shuts down.
    Ending,
}

impl PushEnd {
    /// All reasons.
    pub const ALL: [Self; 6] =
        [Self::Left, Self::Silent, Self::Refused, Self::Withdrawn, Self::Replaced, Self::Ending];

    /// Returns the name in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Silent => "silent",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
            Self::Replaced => "replaced",
            Self::Ending => "shutdown",
        }
    }

    /// Returns the reason for viewers, who see the stream offline.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Left => "publisher has left",
            Self::Silent => "publisher is silent",
            Self::Refused => "publisher sent something else than frames, or too much",
            Self::Withdrawn => "publisher may no longer publish this stream",
            Self::Replaced => "another publisher took over",
            Self::Ending => "relay is shutting down",
        }
    }
}
