//! Options that all our sockets share, set before they bind or connect.

use std::time::Duration;

use fanlight_protocol::MAX_PAYLOAD;
use fanlight_protocol::catalog::{MAX_STREAMS, MAX_TRACKS};

/// Messages that may wait at a publisher for one subscriber: two for each stream, because all may tick at once, and some
/// more, because ZeroMQ learns of room again only in steps of half the mark, and late on a busy machine: with 8 instead
/// of 32, one message in some thousands was lost although nothing waited. Not more, because what waits ages.
pub(crate) fn publisher_high_water_mark(streams: usize) -> i32 {
    32 + 2 * streams.min(MAX_STREAMS) as i32
}
/// Messages that may wait at a subscriber, per publisher. Its thread does nothing that waits, so they do not stay.
pub(crate) const SUBSCRIBER_HIGH_WATER_MARK: i32 = 64;
/// How often a silent peer is asked whether it lives, and how long it may take: a pulled cable is known after this.
const HEARTBEAT: Duration = Duration::from_secs(1);
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(3);
/// How soon, and at the latest how late, a lost connection is tried again.
const RECONNECT: Duration = Duration::from_millis(100);
const RECONNECT_MAX: Duration = Duration::from_secs(1);
/// The time that a TCP connection may take. The kernel alone would try for two minutes, at ever longer intervals, and
/// would notice a machine that was switched on a minute late.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The time that the ZMTP handshake may take. Until then a stranger holds a connection.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);
/// Connections that may wait in the kernel to be accepted. A relay reconnects after a second at most.
const BACKLOG: i32 = 64;
/// Bytes that encryption adds to a part (RFC 26: command name, nonce, flags and box overhead are 33), rounded up.
const ENCRYPTION_OVERHEAD: i64 = 64;
/// Largest part a subscriber takes in, in bytes; header, topic and catalog are far smaller.
pub(crate) const MAX_DOWNSTREAM: i64 = MAX_PAYLOAD as i64 + ENCRYPTION_OVERHEAD;
/// Largest part a publisher takes in, in bytes: an ask has at most 256, a subscription fewer, and the longest command
/// of an encrypted handshake about 300.
pub(crate) const MAX_UPSTREAM: i64 = 512;

/// Messages that may wait at a subscriber on their way up: all subscriptions that a wall of everything can bring about
/// at once. What exceeded it would be lost, and its track never shown.
pub(crate) const UPSTREAM_HIGH_WATER_MARK: i32 = 2 * (MAX_STREAMS * MAX_TRACKS) as i32;

/// The bounds of one socket: messages waiting to be sent and received, per peer, and bytes of a part that comes in.
pub(crate) struct Bounds {
    pub(crate) send: i32,
    pub(crate) receive: i32,
    pub(crate) part: i64,
}

pub(crate) fn configure(socket: &zmq::Socket, bounds: &Bounds) -> zmq::Result<()> {
    socket.set_sndhwm(bounds.send)?;
    socket.set_rcvhwm(bounds.receive)?;
    socket.set_heartbeat_ivl(millis(HEARTBEAT))?;
    socket.set_heartbeat_timeout(millis(HEARTBEAT_TIMEOUT))?;
    socket.set_reconnect_ivl(millis(RECONNECT))?;
    socket.set_reconnect_ivl_max(millis(RECONNECT_MAX))?;
    socket.set_connect_timeout(millis(CONNECT_WITHIN))?;
    socket.set_handshake_ivl(millis(HANDSHAKE_WITHIN))?;
    socket.set_backlog(BACKLOG)?;
    socket.set_ipv6(true)?;
    // At the end nothing is worth waiting for: pictures go stale.
    socket.set_linger(0)?;
    socket.set_maxmsgsize(bounds.part)
}

fn millis(duration: Duration) -> i32 {
    duration.as_millis() as i32
}

/// More parts than any message of ours has; what exceeds it is thrown away.
const MAX_PARTS: usize = 4;

/// Takes one whole message off the socket without waiting.
pub(crate) fn receive(socket: &zmq::Socket) -> zmq::Result<Vec<zmq::Message>> {
    receive_parts(socket, MAX_PARTS)
}

/// Takes one whole message off the socket without waiting, and keeps at most so many of its parts.
pub(crate) fn receive_parts(socket: &zmq::Socket, most: usize) -> zmq::Result<Vec<zmq::Message>> {
    let mut parts = Vec::with_capacity(most);
    loop {
        let part = socket.recv_msg(zmq::DONTWAIT)?;
        let more = part.get_more();
        if parts.len() < most {
            parts.push(part);
        }
        if !more {
            return Ok(parts);
        }
    }
}
