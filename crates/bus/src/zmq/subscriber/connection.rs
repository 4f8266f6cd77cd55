//! The socket to one publisher, and the events that ZeroMQ reports about its connection.

use crate::address::endpoint::Endpoint;
use crate::core::{ConnectionEvent, PublisherId};
use crate::zmq::curve::{self, ConnectionKeys};
use crate::zmq::socket;

/// The events that are requested.
const WATCHED: i32 = (zmq::SocketEvent::CONNECTED as i32)
    | (zmq::SocketEvent::CONNECT_DELAYED as i32)
    | (zmq::SocketEvent::CONNECT_RETRIED as i32)
    | (zmq::SocketEvent::DISCONNECTED as i32)
    | (zmq::SocketEvent::HANDSHAKE_SUCCEEDED as i32)
    | (zmq::SocketEvent::HANDSHAKE_FAILED_NO_DETAIL as i32)
    | (zmq::SocketEvent::HANDSHAKE_FAILED_PROTOCOL as i32)
    | (zmq::SocketEvent::HANDSHAKE_FAILED_AUTH as i32);

/// Opens sockets that are connected to one publisher, and replaces them when ZeroMQ has given one up.
pub(super) struct Connector {
    context: zmq::Context,
    id: PublisherId,
    endpoint: Endpoint,
    keys: Option<ConnectionKeys>,
    opened: u64,
}

impl Connector {
    pub(super) fn new(
        context: zmq::Context,
        id: PublisherId,
        endpoint: Endpoint,
        keys: Option<ConnectionKeys>,
    ) -> Self {
        Self { context, id, endpoint, keys, opened: 0 }
    }

    /// Returns a socket that connects to the publisher, and one that reports the events of its connection.
    pub(super) fn open(&mut self) -> zmq::Result<(zmq::Socket, zmq::Socket)> {
        let socket = self.context.socket(zmq::XSUB)?;
        let bounds = socket::Bounds {
            send: socket::UPSTREAM_HIGH_WATER_MARK,
            receive: socket::SUBSCRIBER_HIGH_WATER_MARK,
            part: socket::MAX_DOWNSTREAM,
        };
        socket::configure(&socket, &bounds)?;
        if let Some(keys) = &self.keys {
            curve::connect(&socket, keys)?;
        }
        let monitor = self.monitor(&socket)?;
        socket.connect(&self.endpoint.to_string())?;
        Ok((socket, monitor))
    }

    fn monitor(&mut self, socket: &zmq::Socket) -> zmq::Result<zmq::Socket> {
        // Each socket has an address of its own: the address of its predecessor is free only some time after its end.
        self.opened += 1;
        let address = format!("inproc://monitor-{}-{}", self.id.0, self.opened);
        socket.monitor(&address, WATCHED)?;
        let monitor = self.context.socket(zmq::PAIR)?;
        monitor.set_linger(0)?;
        monitor.connect(&address)?;
        Ok(monitor)
    }

    /// Receives the next event of a monitor, if there is one.
    pub(super) fn next_event(&self, monitor: &zmq::Socket) -> Option<ConnectionEvent> {
        loop {
            // zmq_socket_monitor(3): u16 event and u32 value in host order, then the address as a part of its own.
            let parts = socket::receive(monitor).ok()?;
            let [a, b, c, d, e, f] = *parts.first()?.first_chunk::<6>()?;
            let event = u16::from_ne_bytes([a, b]);
            let value = u32::from_ne_bytes([c, d, e, f]);
            if let Some(event) = read(event, value, self.keys.is_some()) {
                return Some(event);
            }
        }
    }
}

fn read(event: u16, value: u32, encrypted: bool) -> Option<ConnectionEvent> {
    use zmq::SocketEvent as Zmq;
    const CONNECTED: u16 = Zmq::CONNECTED as u16;
    const CONNECT_DELAYED: u16 = Zmq::CONNECT_DELAYED as u16;
    const CONNECT_RETRIED: u16 = Zmq::CONNECT_RETRIED as u16;
    const DISCONNECTED: u16 = Zmq::DISCONNECTED as u16;
    const SUCCEEDED: u16 = Zmq::HANDSHAKE_SUCCEEDED as u16;
    const NO_DETAIL: u16 = Zmq::HANDSHAKE_FAILED_NO_DETAIL as u16;
    const PROTOCOL: u16 = Zmq::HANDSHAKE_FAILED_PROTOCOL as u16;
    const AUTH: u16 = Zmq::HANDSHAKE_FAILED_AUTH as u16;
    match event {
        CONNECTED | CONNECT_DELAYED | CONNECT_RETRIED => Some(ConnectionEvent::Trying),
        DISCONNECTED => Some(ConnectionEvent::Disconnected),
        SUCCEEDED => Some(ConnectionEvent::Ready),
        NO_DETAIL => Some(ConnectionEvent::HandshakeFailed(cut_short(encrypted))),
        PROTOCOL => Some(ConnectionEvent::HandshakeFailed(violated(value, encrypted))),
        AUTH => Some(ConnectionEvent::HandshakeFailed(
            "the capture does not allow this relay's key".into(),
        )),
        _ => None,
    }
}

/// Describes a connection that ended, or timed out, before the handshake was done. The error number of the event is useless:
/// it may be that of an earlier failure.
fn cut_short(encrypted: bool) -> String {
    let cause =
        "the other side closed the connection during the handshake, or did not answer for 5 s";
    match encrypted {
        true => format!("{cause}; its key may differ from the one configured for it"),
        false => cause.into(),
    }
}

/// Describes a protocol error; zmq_socket_monitor(3) lists them.
fn violated(error: u32, encrypted: bool) -> String {
    const MECHANISM_MISMATCH: u32 = 0x1100_0002;
    const CRYPTOGRAPHIC: u32 = 0x1100_0001;
    const INVALID_METADATA: u32 = 0x1000_0018;
    match error {
        MECHANISM_MISMATCH if encrypted => {
            "the other side does not use keys, and this relay does".into()
        }
        MECHANISM_MISMATCH => {
            "the other side requires a key, or another security mechanism than this relay uses"
                .into()
        }
        CRYPTOGRAPHIC => "the keys do not match".into(),
        INVALID_METADATA => "the other side is not a capture: its socket has another type".into(),
        other => format!("the other side violates the ZeroMQ protocol (error {other:#x})"),
    }
}
