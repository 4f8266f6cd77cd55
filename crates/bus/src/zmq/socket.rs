//! Options of all sockets of the bus, set before they bind or connect.

use std::time::Duration;

use fanlight_protocol::MAX_PAYLOAD;
use fanlight_protocol::catalog::{MAX_STREAMS, MAX_TRACKS};

/// Messages that a publisher queues for one subscriber: two per stream, because all streams may publish at the same moment,
/// and 32 more. ZeroMQ learns of free space only in steps of half the mark, and late on a busy machine: with 8 instead of
/// 32, one message in some thousands was lost although the queue was empty. No more, because a queue adds latency.
pub(super) fn publisher_high_water_mark(streams: usize) -> i32 {
    32 + 2 * streams.min(MAX_STREAMS) as i32
}
/// Messages that a subscriber queues per publisher. Its thread never blocks, so the queue drains quickly.
pub(super) const SUBSCRIBER_HIGH_WATER_MARK: i32 = 64;
/// The interval of heartbeats to a silent peer, and the time it has to answer: a pulled cable is detected after this.
const HEARTBEAT: Duration = Duration::from_secs(1);
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(3);
/// The first and the longest delay before a lost connection is retried.
const RECONNECT: Duration = Duration::from_millis(100);
const RECONNECT_MAX: Duration = Duration::from_secs(1);
/// The timeout of a TCP connection attempt. The kernel alone would retry for two minutes, at growing intervals, and would
/// notice a machine that was switched on up to a minute late.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The timeout of the ZMTP handshake. Until then an unknown peer holds a connection.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);
/// Connections that the kernel queues until they are accepted. A relay reconnects after one second at most.
const BACKLOG: i32 = 64;
/// Bytes that encryption adds to a part (RFC 26: command name, nonce, flags and box overhead are 33), rounded up.
const ENCRYPTION_OVERHEAD: i64 = 64;
/// Largest part that a subscriber accepts, in bytes; header, topic and catalog are far smaller.
pub(super) const MAX_DOWNSTREAM: i64 = MAX_PAYLOAD as i64 + ENCRYPTION_OVERHEAD;
/// Largest part that a publisher accepts, in bytes: a request has at most 256, a subscription fewer, and the longest command
/// of an encrypted handshake about 300.
pub(super) const MAX_UPSTREAM: i64 = 512;

/// Messages that a subscriber queues for a publisher: a subscription to every track that a publisher may have, twice. A
/// message beyond it would be lost, and its track never shown.
pub(super) const UPSTREAM_HIGH_WATER_MARK: i32 = 2 * (MAX_STREAMS * MAX_TRACKS) as i32;

/// The bounds of one socket: messages queued to be sent and received, per peer, and bytes of a received part.
pub(super) struct Bounds {
    pub(super) send: i32,
    pub(super) receive: i32,
    pub(super) part: i64,
}

pub(super) fn configure(socket: &zmq::Socket, bounds: &Bounds) -> zmq::Result<()> {
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
    // Queued frames are discarded at the end: they are stale.
    socket.set_linger(0)?;
    socket.set_maxmsgsize(bounds.part)
}

fn millis(duration: Duration) -> i32 {
    duration.as_millis() as i32
}

/// More parts than any message of the bus has. Further parts are discarded.
const MAX_PARTS: usize = 4;

/// Receives one whole message without waiting.
pub(super) fn receive(socket: &zmq::Socket) -> zmq::Result<Vec<zmq::Message>> {
    receive_parts(socket, MAX_PARTS)
}

/// Receives one whole message without waiting, and keeps at most `most` of its parts.
pub(super) fn receive_parts(socket: &zmq::Socket, most: usize) -> zmq::Result<Vec<zmq::Message>> {
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
