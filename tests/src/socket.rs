//! A WebSocket to a relay.

use std::io;
use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Socket as Raw, Type};
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::HandshakeError;
use tungstenite::http::{HeaderMap, HeaderValue};
use tungstenite::{Bytes, Error, Message, WebSocket};

use crate::patience::PATIENCE;

/// A WebSocket to a relay.
#[derive(Debug)]
pub struct Socket {
    socket: WebSocket<TcpStream>,
    /// The headers of the relay's response.
    pub head: HeaderMap,
}

/// The relay's response if it refuses to open a WebSocket.
#[derive(Debug)]
pub struct Refused {
    pub status: u16,
    /// The body.
    pub text: String,
}

/// A message or the end of a WebSocket.
#[derive(Debug)]
pub enum Incoming {
    Text(String),
    Binary(Bytes),
    /// A close message, with its code and reason.
    Closed(u16, String),
    /// The connection broke without a close message.
    Broken(String),
}

impl Socket {
    /// Opens a WebSocket; `window` limits the kernel's receive buffer.
    ///
    /// # Errors
    /// Fails if the relay answers with another status.
    pub fn open(
        address: SocketAddr,
        path: &str,
        headers: &[(&'static str, &str)],
        window: Option<usize>,
    ) -> Result<Self, Refused> {
        let stream = connect(address, window).expect("the relay listens");
        let url = format!("ws://{address}{path}");
        let mut request = url.into_client_request().expect("a WebSocket's address");
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).expect("the value of a header");
            request.headers_mut().insert(*name, value);
        }
        match tungstenite::client(request, stream) {
            Ok((socket, response)) => Ok(Self { socket, head: response.headers().clone() }),
            Err(HandshakeError::Failure(Error::Http(response))) => Err(Refused {
                status: response.status().as_u16(),
                text: String::from_utf8_lossy(response.body().as_deref().unwrap_or_default())
                    .into(),
            }),
            Err(error) => panic!("{path}: {error}"),
        }
    }

    /// Waits for the next message and returns it. Answers pings.
    ///
    /// # Panics
    /// Panics if none arrives within [`PATIENCE`].
    pub fn receive(&mut self) -> Incoming {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => return Incoming::Text(text.to_string()),
                Ok(Message::Binary(bytes)) => return Incoming::Binary(bytes),
                Ok(Message::Close(Some(close))) => {
                    return Incoming::Closed(close.code.into(), close.reason.to_string());
                }
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    panic!("no message for {PATIENCE:?}")
                }
                Err(error) => return Incoming::Broken(error.to_string()),
            }
        }
    }

    /// Reads until the relay closes the socket; returns the close code and reason.
    ///
    /// # Panics
    /// Panics if the connection breaks without a close message.
    pub fn closing(&mut self) -> (u16, String) {
        loop {
            match self.receive() {
                Incoming::Closed(code, reason) => return (code, reason),
                Incoming::Broken(error) => panic!("closed without a close message: {error}"),
                Incoming::Text(_) | Incoming::Binary(_) => {}
            }
        }
    }

    /// Sends a text message. Ignores an error, because the relay may have closed the connection already.
    pub fn send_text(&mut self, text: &str) {
        let _ = self.socket.send(Message::text(text));
    }

    /// Sends a binary message. Returns whether it was sent: the relay may have closed the connection already.
    pub fn send_binary(&mut self, bytes: &[u8]) -> bool {
        self.socket.send(Message::binary(bytes.to_vec())).is_ok()
    }

    /// Returns the TCP connection, for bytes that no correct client sends.
    pub fn raw(&mut self) -> &mut TcpStream {
        self.socket.get_mut()
    }
}

/// Connects; `window` limits the kernel's receive buffer. It is set before the connection opens, because the first
/// packet announces its size.
pub(crate) fn connect(address: SocketAddr, window: Option<usize>) -> io::Result<TcpStream> {
    let socket = Raw::new(Domain::for_address(address), Type::STREAM, None)?;
    if let Some(window) = window {
        socket.set_recv_buffer_size(window)?;
    }
    socket.connect(&address.into())?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}
