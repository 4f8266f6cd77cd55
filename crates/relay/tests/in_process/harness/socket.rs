//! A viewer's WebSocket, which reads what the relay sends.

use std::net::SocketAddr;

use fanlight_protocol::viewer::{FrameMessage, FromRelay, FromViewer, ViewerState, Watch};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::within_timeout;

/// A viewer's WebSocket.
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// A message from the relay.
#[derive(Debug)]
pub(crate) enum Received {
    Frame(FrameMessage, Vec<u8>),
    Message(FromRelay),
    Closed(u16),
}

impl Socket {
    pub(super) async fn connect(
        address: SocketAddr,
        path: &str,
        subprotocol: Option<&str>,
    ) -> Self {
        let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
        if let Some(subprotocol) = subprotocol {
            let value = subprotocol.parse().unwrap();
            request.headers_mut().insert("sec-websocket-protocol", value);
        }
        let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        Self(socket)
    }

    pub(crate) async fn send(&mut self, message: &FromViewer) {
        self.send_text(&serde_json::to_string(message).unwrap()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn watch(&mut self, id: u32, stream: &str) {
        self.send(&FromViewer::Watch(watch(id, stream))).await;
    }

    /// Returns the next message, undecoded.
    pub(crate) async fn raw_message(&mut self) -> Message {
        within_timeout("a message", self.0.next()).await.expect("not closed").unwrap()
    }

    /// Returns the next message, decoded.
    pub(crate) async fn next(&mut self) -> Received {
        loop {
            match self.raw_message().await {
                Message::Binary(bytes) => {
                    let (header, payload) = FrameMessage::decode(&bytes).expect("a frame");
                    return Received::Frame(header, payload.to_vec());
                }
                Message::Text(text) => {
                    return Received::Message(serde_json::from_str(&text).unwrap());
                }
                Message::Close(close) => {
                    return Received::Closed(close.map_or(0, |close| close.code.into()));
                }
                _ => {}
            }
        }
    }

    /// Returns the next frame, and skips control messages before it.
    pub(crate) async fn frame(&mut self) -> (FrameMessage, Vec<u8>) {
        loop {
            match self.next().await {
                Received::Frame(header, payload) => return (header, payload),
                Received::Message(_) => {}
                Received::Closed(code) => panic!("closed with {code} instead of a frame"),
            }
        }
    }

    /// Returns the next control message, and skips frames before it.
    pub(crate) async fn message(&mut self) -> FromRelay {
        loop {
            match self.next().await {
                Received::Message(said) => return said,
                Received::Frame(..) => {}
                Received::Closed(code) => panic!("closed with {code} instead of a control message"),
            }
        }
    }

    /// Returns the next `state` message.
    pub(crate) async fn state(&mut self) -> (ViewerState, String) {
        loop {
            if let FromRelay::State { state, reason, .. } = self.message().await {
                return (state, reason);
            }
        }
    }

    /// Returns the id, the code and the text of the next `error` message.
    pub(crate) async fn error(&mut self) -> (Option<u32>, String, String) {
        loop {
            if let FromRelay::Error { id, code, message } = self.message().await {
                return (id, code, message);
            }
        }
    }

    /// Closes the socket from the client.
    pub(crate) async fn close(&mut self) {
        self.0.send(Message::Close(None)).await.unwrap();
    }

    /// Reads until the relay closes the socket, and returns its code.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            if let Received::Closed(code) = self.next().await {
                return code;
            }
        }
    }
}

/// Returns a `watch` without options.
pub(crate) fn watch(id: u32, stream: &str) -> Watch {
    serde_json::from_value(serde_json::json!({ "id": id, "stream": stream })).unwrap()
}
