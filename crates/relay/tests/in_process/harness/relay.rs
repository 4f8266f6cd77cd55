//! A running relay, and the requests that tests send to it.

use std::net::SocketAddr;
use std::time::Duration;

use fanlight_protocol::viewer::{FromRelay, StreamInfo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::socket::Socket;
use super::within_timeout;

/// A running relay.
pub(crate) struct TestRelay {
    pub(crate) address: SocketAddr,
    pub(super) end: tokio::sync::oneshot::Sender<()>,
    pub(super) running: tokio::task::JoinHandle<anyhow::Result<()>>,
}

/// The answer to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl TestRelay {
    /// Shuts the relay down and waits for its end.
    pub(crate) async fn end(self) {
        self.end.send(()).unwrap();
        within_timeout("the shutdown of the relay", self.running).await.unwrap().unwrap();
    }

    /// Requests a path, with further header lines.
    pub(crate) async fn get(&self, path: &str, headers: &[&str]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let host = if headers.iter().any(|line| line.starts_with("Host:")) {
            ""
        } else {
            "Host: localhost\r\n"
        };
        let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let request = format!("GET {path} HTTP/1.1\r\n{host}{lines}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        within_timeout("an answer", stream.read_to_end(&mut answer)).await.unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase(), body: answer[end + 4..].to_vec() }
    }

    /// Requests a path whose answer does not end.
    pub(crate) async fn open(&self, path: &str) -> StreamingAnswer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        StreamingAnswer(stream)
    }

    /// Sends bytes as they are, and returns the answer up to the end of the connection.
    pub(crate) async fn exchange(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        within_timeout("an answer", stream.read_to_end(&mut answer)).await.unwrap();
        answer
    }

    /// Sends a whole request, and returns the status of the answer.
    pub(crate) async fn status_of(&self, request: &str) -> u16 {
        let answer = self.exchange(request.as_bytes()).await;
        let text = String::from_utf8_lossy(&answer).into_owned();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("no answer to {request:?}: {text:?}"))
    }

    /// Returns the list of streams.
    pub(crate) async fn streams(&self) -> Vec<StreamInfo> {
        let answer = self.get("/api/streams", &[]).await;
        let value: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        serde_json::from_value(value["streams"].clone()).unwrap()
    }

    /// Waits until the list has a stream that satisfies a condition.
    pub(crate) async fn until_listed(&self, stream: &str, is_so: impl Fn(&StreamInfo) -> bool) {
        within_timeout("a listed stream", async {
            while !self
                .streams()
                .await
                .iter()
                .any(|info| info.name.as_str() == stream && is_so(info))
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// Opens a `fanlight.v1` socket and reads its `hello`.
    pub(crate) async fn socket(&self) -> Socket {
        let mut socket = Socket::connect(self.address, "/ws", Some("fanlight.v1")).await;
        assert!(matches!(socket.message().await, FromRelay::Hello { .. }));
        socket
    }

    /// Opens a `fanlight.v1` socket that watches one stream with the id 1.
    pub(crate) async fn viewer(&self, stream: &str) -> Socket {
        self.until_listed(stream, |_| true).await;
        let mut socket = self.socket().await;
        socket.watch(1, stream).await;
        socket
    }

    /// Opens a plain WebSocket, once the stream is listed.
    pub(crate) async fn plain_viewer(&self, stream: &str) -> Socket {
        self.plain_viewer_with(stream, "").await
    }

    /// Opens a plain WebSocket immediately.
    pub(crate) async fn plain_viewer_unlisted(&self, stream: &str) -> Socket {
        Socket::connect(self.address, &format!("/streams/{stream}/ws"), None).await
    }

    /// Opens a plain WebSocket with a query, once the stream is listed.
    pub(crate) async fn plain_viewer_with(&self, stream: &str, query: &str) -> Socket {
        self.until_listed(stream, |_| true).await;
        Socket::connect(self.address, &format!("/streams/{stream}/ws?{query}"), None).await
    }
}

/// An answer that does not end.
pub(crate) struct StreamingAnswer(TcpStream);

impl StreamingAnswer {
    /// Reads until these bytes arrive.
    pub(crate) async fn read_until(&mut self, end: &[u8]) {
        let mut read = Vec::new();
        within_timeout("bytes in a streaming answer", async {
            while !read.windows(end.len()).any(|some| some == end) {
                let count = self.0.read_buf(&mut read).await.unwrap();
                assert!(count > 0, "{}", String::from_utf8_lossy(&read));
            }
        })
        .await;
    }
}
