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
    /// The headers of the relay's answer.
    pub head: HeaderMap,
}

/// The relay's answer if it is not a WebSocket.
#[derive(Debug)]
pub struct Refused {
    /// The status.
    pub status: u16,
    /// The body.
    pub text: String,
}

/// A message or the end of a socket.
#[derive(Debug)]
pub enum Heard {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Bytes),
    /// The end, with the code and reason of the close.
    Closed(u16, String),
    /// The end without a close: the connection broke.
    Broken(String),
}

impl Socket {
    /// Opens a WebSocket; `window` limits the receive buffer.
    ///
    /// # Errors
    /// Fails if the relay sends another answer.
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

    /// Returns the next message. Answers pings.
    ///
    /// # Panics
    /// Panics if nothing arrives for a long time.
    pub fn hear(&mut self) -> Heard {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => return Heard::Text(text.to_string()),
                Ok(Message::Binary(bytes)) => return Heard::Binary(bytes),
                Ok(Message::Close(Some(close))) => {
                    return Heard::Closed(close.code.into(), close.reason.to_string());
                }
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    panic!("nothing was heard for {PATIENCE:?}")
                }
                Err(error) => return Heard::Broken(error.to_string()),
            }
        }
    }

    /// Reads to the end; returns the code and reason of the close.
    ///
    /// # Panics
    /// Panics if the connection breaks without a close, or messages never end.
    pub fn closing(&mut self) -> (u16, String) {
        loop {
            match self.hear() {
                Heard::Closed(code, reason) => return (code, reason),
                Heard::Broken(error) => panic!("closed without a word: {error}"),
                Heard::Text(_) | Heard::Binary(_) => {}
            }
        }
    }

    /// Sends a text message. Ignores a failure, which is not the sender's fault.
    pub fn say(&mut self, text: &str) {
        let _ = self.socket.send(Message::text(text));
    }

    /// Returns the underlying connection, for bytes that no well-behaved client sends.
    pub fn raw(&mut self) -> &mut TcpStream {
        self.socket.get_mut()
    }
}

/// Connects; `window` limits the receive buffer. It must be set before connecting, because the first packet contains
/// the window's size.
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
