//! A running relay and the requests it answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::mjpeg::MjpegViewer;
use crate::patience::{PATIENCE, eventually};
use crate::plain::PlainViewer;
use crate::program::Program;
use crate::socket::{self, Refused, Socket};
use crate::viewer::Viewer;

/// A running relay.
#[derive(Debug, Clone)]
pub struct Relay {
    program: Arc<Program>,
    address: SocketAddr,
}

/// The response to a request.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: ureq::http::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// Returns a header; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.head.get(name).map_or("", |value| value.to_str().expect("headers of ours are ASCII"))
    }

    /// Returns all lines of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.head.get_all(name).iter();
        lines.map(|value| value.to_str().expect("headers of ours are ASCII")).collect()
    }

    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

impl Relay {
    /// Waits until a relay that was just started with `--log json` logs its address.
    pub fn new(program: Arc<Program>) -> Self {
        let line = program.says("serving live video at");
        let line: Value = serde_json::from_str(&line).expect("one JSON object a line");
        let message = line["message"].as_str().expect("every line has a message");
        let address = message.rsplit("://").next().and_then(|address| address.parse().ok());
        let mut address: SocketAddr =
            address.unwrap_or_else(|| panic!("no address in {message:?}"));
        if address.ip().is_unspecified() {
            address.set_ip([127, 0, 0, 1].into());
        }
        Self { program, address }
    }

    /// Returns the process.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Returns the address at which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the same relay, reached at another address, such as that of a [`TlsTunnel`](crate::TlsTunnel).
    #[must_use]
    pub fn through(&self, address: SocketAddr) -> Self {
        Self { program: self.program.clone(), address }
    }

    /// Returns the URL of one of its paths.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// GETs a path.
    pub fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[])
    }

    /// GETs a path with further headers, including ones that a browser does not let a page set.
    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let response = self.open(path, headers);
        let (head, mut body) = response.into_parts();
        let body = body.read_to_vec().expect("a whole body");
        Answer { status: head.status.as_u16(), head: head.headers, body }
    }

    /// Sends a request without a body, by any method.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let builder = ureq::http::Request::builder().method(method).uri(self.url(path));
        let mut request = builder.header("content-length", "0");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).expect("a valid request");
        let response = agent().run(request);
        let response = response.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let (head, mut body) = response.into_parts();
        let body = body.read_to_vec().expect("a whole body");
        Answer { status: head.status.as_u16(), head: head.headers, body }
    }

    /// GETs a path without reading the body.
    pub fn open(&self, path: &str, headers: &[(&str, &str)]) -> ureq::http::Response<ureq::Body> {
        let mut request = agent().get(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.call().unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// Opens a TCP connection, for clients that violate the protocol.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the relay listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out that is not zero");
        stream
    }

    /// Returns the entry of a stream in `/api/streams`; null if there is none.
    pub fn stream(&self, name: &str) -> Value {
        let list = self.get("/api/streams").json();
        let streams = list["streams"].as_array().expect("a list of streams");
        streams.iter().find(|stream| stream["name"] == name).cloned().unwrap_or_default()
    }

    /// Waits until a stream is in one of these states; returns the reason for it.
    pub fn wait_until(&self, stream: &str, states: &[&str]) -> String {
        eventually(&format!("stream {stream} is {}", states.join(" or ")), || {
            let known = self.stream(stream);
            let state = known["state"].as_str()?;
            states.contains(&state).then(|| known["reason"].as_str().unwrap_or_default().to_owned())
        })
    }

    /// Waits until viewers can watch a stream.
    pub fn wait_for(&self, stream: &str) {
        self.wait_until(stream, &["live", "idle"]);
    }

    /// Returns the value in `/metrics` of the first line that starts with `line`.
    ///
    /// # Panics
    /// Panics if there is no such line, or its value is not a whole number.
    pub fn metric(&self, line: &str) -> u64 {
        let text = self.get("/metrics").text();
        let found = text.lines().find_map(|found| found.strip_prefix(line));
        let number = found.unwrap_or_else(|| panic!("no {line} in\n{text}"));
        number.trim().parse().expect("a whole number")
    }

    /// Returns the number of frames of a stream that were dropped on one transport for any of these reasons.
    pub fn dropped(&self, stream: &str, transport: &str, reasons: &[&str]) -> u64 {
        let of = format!("stream=\"{stream}\",transport=\"{transport}\"");
        let count = |reason: &&str| {
            self.metric(&format!("fanlight_frames_dropped_total{{{of},reason=\"{reason}\"}}"))
        };
        reasons.iter().map(count).sum()
    }

    /// Returns the number of connections on one transport that were closed for this reason.
    pub fn closed(&self, transport: &str, reason: &str) -> u64 {
        let of = format!("transport=\"{transport}\",reason=\"{reason}\"");
        self.metric(&format!("fanlight_connections_closed_total{{{of}}}"))
    }

    /// Returns the number of viewers of a stream on one transport that were closed for this reason.
    pub fn viewers_closed(&self, stream: &str, transport: &str, reason: &str) -> u64 {
        let of = format!("stream=\"{stream}\",transport=\"{transport}\",reason=\"{reason}\"");
        self.metric(&format!("fanlight_viewers_closed_total{{{of}}}"))
    }

    /// Returns the congestion control of its connections to viewers, from `/metrics`.
    pub fn congestion(&self) -> String {
        let text = self.get("/metrics").text();
        let line = text.split("fanlight_congestion_control_info{name=\"").nth(1);
        line.and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned()
    }

    /// Waits for a stream and watches it over `/ws`.
    pub fn viewer(&self, stream: &str) -> Viewer {
        self.viewer_with(stream, "")
    }

    /// Does the same as [`viewer`](Self::viewer), with further fields in its `watch`, such as `"ack":true`.
    pub fn viewer_with(&self, stream: &str, fields: &str) -> Viewer {
        self.wait_for(stream);
        let mut viewer = self.wall();
        viewer.watch_with(1, stream, fields);
        viewer
    }

    /// Opens a `/ws` without watching a stream yet.
    pub fn wall(&self) -> Viewer {
        self.wall_with("")
    }

    /// Does the same as [`wall`](Self::wall), with a query, such as `?token=…`.
    pub fn wall_with(&self, query: &str) -> Viewer {
        let socket = self.open_websocket(&format!("/ws{query}"), &[V1]);
        Viewer::new(socket.expect("the relay opens a WebSocket"))
    }

    /// Does the same as [`viewer`](Self::viewer), with a small receive buffer: if the viewer stops reading, the relay
    /// soon notices.
    pub fn narrow_viewer(&self, stream: &str) -> Viewer {
        self.wait_for(stream);
        let socket = Socket::open(self.address, "/ws", &[V1], Some(NARROW));
        let mut viewer = Viewer::new(socket.expect("the relay opens a WebSocket"));
        viewer.watch(1, stream);
        viewer
    }

    /// Waits for a stream and watches it over `/streams/NAME/ws`.
    pub fn plain_viewer(&self, stream: &str) -> PlainViewer {
        self.plain_viewer_with(stream, "")
    }

    /// Does the same as [`plain_viewer`](Self::plain_viewer), with a query, such as `?buffer=1`.
    pub fn plain_viewer_with(&self, stream: &str, query: &str) -> PlainViewer {
        self.wait_for(stream);
        let socket = self.open_websocket(&format!("/streams/{stream}/ws{query}"), &[]);
        PlainViewer::new(socket.expect("the relay opens a WebSocket"))
    }

    /// Waits for a stream and watches it over `/streams/NAME/mjpeg`.
    pub fn mjpeg(&self, stream: &str) -> MjpegViewer {
        self.mjpeg_with(stream, "")
    }

    /// Does the same as [`mjpeg`](Self::mjpeg), with a query, such as `?buffer=1`.
    pub fn mjpeg_with(&self, stream: &str, query: &str) -> MjpegViewer {
        self.wait_for(stream);
        self.mjpeg_at(&format!("/streams/{stream}/mjpeg{query}"))
    }

    /// Reads MJPEG at a path.
    pub fn mjpeg_at(&self, path: &str) -> MjpegViewer {
        MjpegViewer::new(self.open(path, &[]))
    }

    /// Requests a stream over `/streams/NAME/mjpeg` with a small receive buffer, reads 1 KiB and then stops reading.
    pub fn stalled_mjpeg(&self, stream: &str) -> TcpStream {
        self.wait_for(stream);
        let mut connection =
            socket::connect(self.address, Some(NARROW)).expect("the relay listens");
        let request = format!("GET /streams/{stream}/mjpeg HTTP/1.1\r\nHost: localhost\r\n\r\n");
        connection.write_all(request.as_bytes()).expect("it is connected");
        connection.read_exact(&mut [0; 1024]).expect("an answer, and a picture");
        connection
    }

    /// Opens a WebSocket.
    ///
    /// # Errors
    /// Fails if the relay answers with another status.
    pub fn open_websocket(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Socket, Refused> {
        Socket::open(self.address, path, headers, None)
    }

    /// Ends it with SIGTERM; returns its exit code and the time that it took.
    pub fn stop(&self) -> (Option<i32>, Duration) {
        self.program.terminate();
        self.program.end()
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_recv_response(Some(PATIENCE))
        .timeout_recv_body(Some(4 * PATIENCE));
    ureq::Agent::new_with_config(config.build())
}

/// The header that asks for `fanlight.v1`.
pub const V1: (&str, &str) = ("sec-websocket-protocol", "fanlight.v1");

/// The receive buffer of a narrow viewer, in bytes; the kernel doubles it.
const NARROW: usize = 16 * 1024;
