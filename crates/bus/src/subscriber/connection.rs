//! The socket that follows one publisher, and what ZeroMQ reports about its connection.

use crate::endpoint::Endpoint;
use crate::keys::{KeyPair, PublicKey};
use crate::{socket, subscriber::PublisherId};

/// The events that are looked at.
const WATCHED: i32 = (zmq::SocketEvent::CONNECTED as i32)
    | (zmq::SocketEvent::CONNECT_DELAYED as i32)
    | (zmq::SocketEvent::CONNECT_RETRIED as i32)
    | (zmq::SocketEvent::DISCONNECTED as i32)
    | (zmq::SocketEvent::HANDSHAKE_SUCCEEDED as i32)
    | (zmq::SocketEvent::HANDSHAKE_FAILED_NO_DETAIL as i32)
    | (zmq::SocketEvent::HANDSHAKE_FAILED_PROTOCOL as i32)
    | (zmq::SocketEvent::HANDSHAKE_FAILED_AUTH as i32);

/// An event that a connection reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ConnectionEvent {
    /// ZeroMQ tries to connect, or has connected: it looks after the connection itself.
    Trying,
    /// The handshake is done; messages can pass.
    Ready,
    /// The handshake failed, and why.
    HandshakeFailed(String),
    /// The connection has ended.
    Disconnected,
}

/// The keys of an encrypted connection: ours, and the one the publisher must have.
#[derive(Debug, Clone)]
pub(super) struct ConnectionKeys {
    pub(super) own: KeyPair,
    pub(super) publisher: PublicKey,
}

/// Makes sockets that are connected to one publisher: again whenever ZeroMQ has given one up.
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

    /// Returns a socket that connects to the publisher, and one that reports about its connection.
    pub(super) fn open(&mut self) -> zmq::Result<(zmq::Socket, zmq::Socket)> {
        let socket = self.context.socket(zmq::XSUB)?;
        let bounds = socket::Bounds {
            send: socket::UPSTREAM_HIGH_WATER_MARK,
            receive: socket::SUBSCRIBER_HIGH_WATER_MARK,
            part: socket::MAX_DOWNSTREAM,
        };
        socket::configure(&socket, &bounds)?;
        if let Some(keys) = &self.keys {
            socket.set_curve_serverkey(keys.publisher.as_bytes())?;
            socket.set_curve_publickey(keys.own.public.as_bytes())?;
            socket.set_curve_secretkey(keys.own.secret.as_bytes())?;
        }
        let monitor = self.monitor(&socket)?;
        socket.connect(&self.endpoint.to_string())?;
        Ok((socket, monitor))
    }

    fn monitor(&mut self, socket: &zmq::Socket) -> zmq::Result<zmq::Socket> {
        // Each socket has an address of its own: that of the one before is free only some time after its end.
        self.opened += 1;
        let address = format!("inproc://monitor-{}-{}", self.id.0, self.opened);
        socket.monitor(&address, WATCHED)?;
        let monitor = self.context.socket(zmq::PAIR)?;
        monitor.set_linger(0)?;
        monitor.connect(&address)?;
        Ok(monitor)
    }

    /// Takes the next event off a monitor, if there is one.
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

/// The connection ended, or took too long, before the handshake was done. The error number that comes with it is of no
/// use: it may be that of an earlier failure.
fn cut_short(encrypted: bool) -> String {
    let cause = "the other side ended the connection during the handshake, or said nothing for 5 s";
    match encrypted {
        true => format!("{cause}; it may have another key than the one given for it"),
        false => cause.into(),
    }
}

/// zmq_socket_monitor(3) has the list of protocol errors.
fn violated(error: u32, encrypted: bool) -> String {
    const MECHANISM_MISMATCH: u32 = 0x1100_0002;
    const CRYPTOGRAPHIC: u32 = 0x1100_0001;
    const INVALID_METADATA: u32 = 0x1000_0018;
    match error {
        MECHANISM_MISMATCH if encrypted => {
            "the other side does not use keys, and this relay does".into()
        }
        MECHANISM_MISMATCH => {
            "the other side requires a key, or other security than this relay has".into()
        }
        CRYPTOGRAPHIC => "the keys do not match".into(),
        INVALID_METADATA => "the other side is not a capture: its socket has another type".into(),
        other => format!("the other side violates the protocol of ZeroMQ (error {other:#x})"),
    }
}
