//! `Site`, `camera()`, `relay()`, `viewer()`.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use fanlight_bus::{
    Endpoint, Folder, OutgoingFrame, Publisher, PublisherOptions, SubscriberOptions, TrackPublisher,
};
use fanlight_clock as clock;
use fanlight_protocol::viewer::{FrameMessage, FromRelay, FromViewer, StreamInfo, Watch};
use fanlight_protocol::{
    FrameFlags, StreamEntry, StreamName, StreamState, Timestamp, Topic, TrackEntry, TrackName,
};
use fanlight_relay::access::{Access, HostRule, OriginRule};
use fanlight_relay::connection::congestion::Congestion;
use fanlight_relay::limits::Limits;
use fanlight_relay::{Relay, Settings};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Longer than anything here takes on a loaded machine: reaching it is a failure, not a delay.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for something that must come.
pub(crate) async fn patiently<T>(what: &str, event: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, event).await.unwrap_or_else(|_| panic!("never came: {what}"))
}

/// A place where cameras and relays find each other.
pub(crate) struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn bus(&self) -> Folder {
        Folder::at(self.folder.path().join("bus")).unwrap()
    }

    /// A capture with one stream, of which nothing is published until the test says so.
    pub(crate) fn camera(&self, stream: &str) -> Camera {
        self.camera_at(stream, stream)
    }

    /// One whose endpoint has another name than its stream.
    pub(crate) fn camera_at(&self, stream: &str, endpoint: &str) -> Camera {
        let endpoint = Endpoint::Ipc(self.bus().path().join(format!("{endpoint}.ipc")));
        Camera::start(stream, endpoint, &[("full.jpeg", 4, 2)])
    }

    /// A capture whose stream comes in three sizes.
    pub(crate) fn camera_of_sizes(&self, stream: &str) -> Camera {
        let endpoint = Endpoint::Ipc(self.bus().path().join(format!("{stream}.ipc")));
        Camera::start(stream, endpoint, &SIZES)
    }

    /// A capture whose stream comes in two sizes, each in both codecs.
    pub(crate) fn camera_of_codecs(&self, stream: &str) -> Camera {
        let endpoint = Endpoint::Ipc(self.bus().path().join(format!("{stream}.ipc")));
        Camera::start(stream, endpoint, &CODECS)
    }

    /// A relay with no limits worth mentioning.
    pub(crate) async fn relay(&self) -> TestRelay {
        self.relay_with(Limits::new(1000, 1000)).await
    }

    pub(crate) async fn relay_with(&self, limits: Limits) -> TestRelay {
        self.relay_of(limits, None)
    }

    /// A relay that asks for this token.
    pub(crate) fn relay_of(&self, limits: Limits, token: Option<&str>) -> TestRelay {
        let settings = Settings {
            listen: "127.0.0.1:0".parse().unwrap(),
            reuse_port: false,
            threads: 2,
            congestion: Congestion::System,
            bus: SubscriberOptions { folder: Some(self.bus()), ..SubscriberOptions::default() },
            access: Access {
                token: token.map(|token| token.parse().unwrap()),
                hosts: HostRule::new(&[]),
                origins: OriginRule::new(&[], true),
            },
            limits,
            web: None,
        };
        let listener = fanlight_relay::connection::listen(settings.listen, false).unwrap();
        let relay = Relay::start(settings, listener).unwrap();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let address = relay.address();
        let running = tokio::spawn(relay.run_until(async move { drop(ended.await) }));
        TestRelay { address, end, running }
    }
}

/// Tracks of a stream that comes in several sizes, with their widths and heights.
pub(crate) const SIZES: [(&str, u32, u32); 3] =
    [("full.jpeg", 1280, 720), ("half.jpeg", 640, 360), ("quarter.jpeg", 320, 180)];

/// Tracks of a stream that comes in both codecs.
pub(crate) const CODECS: [(&str, u32, u32); 4] = [
    ("full.jpeg", 1280, 720),
    ("full.h264", 1280, 720),
    ("half.jpeg", 640, 360),
    ("half.h264", 640, 360),
];

/// A capture of one stream, played by the test.
pub(crate) struct Camera {
    publisher: Option<Publisher>,
    tracks: Vec<(TrackEntry, TrackPublisher)>,
    demands: mpsc::Receiver<(TrackName, bool)>,
    /// Keyframes that were asked for.
    pub(crate) keyframes: mpsc::Receiver<TrackName>,
    stream: StreamName,
}

impl Camera {
    fn start(stream: &str, endpoint: Endpoint, tracks: &[(&str, u32, u32)]) -> Self {
        let (demand, demands) = mpsc::channel();
        let (keyframe, keyframes) = mpsc::channel();
        let publisher = Publisher::start(PublisherOptions {
            endpoints: vec![endpoint],
            name: "test".into(),
            streams: 1,
            keys: None,
            on_demand: Box::new(move |topic, on| {
                // It fails only when the test has ended.
                let _ = demand.send((topic.track.clone(), on));
            }),
            on_keyframe: Box::new(move |topic| {
                let _ = keyframe.send(topic.track.clone());
            }),
        })
        .unwrap();
        let stream: StreamName = stream.parse().unwrap();
        let open = |(name, width, height): &(&str, u32, u32)| {
            let entry = TrackEntry {
                name: name.parse().unwrap(),
                width: *width,
                height: *height,
                millifps: 30_000,
                bitrate: 1,
                published: 0,
                dropped: 0,
            };
            let topic = Topic::new(stream.clone(), entry.name.clone());
            (entry, publisher.track(topic))
        };
        let tracks = tracks.iter().map(open).collect();
        let camera = Self { publisher: Some(publisher), tracks, demands, keyframes, stream };
        camera.say(StreamState::Live, "");
        camera
    }

    /// Announces its state.
    pub(crate) fn say(&self, state: StreamState, reason: &str) {
        let entry = StreamEntry {
            name: self.stream.clone(),
            state,
            reason: reason.into(),
            since: clock::now(),
            source: "test".into(),
            tracks: self.tracks.iter().map(|(entry, _)| entry.clone()).collect(),
        };
        self.publisher.as_ref().expect("not stopped").announce(vec![entry]);
    }

    /// Waits until it is watched (true), or not any more.
    pub(crate) async fn demanded(&self, on: bool) {
        patiently("demand", async {
            while !self.demands.try_recv().is_ok_and(|(_, is)| is == on) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }

    /// Waits until a track is watched, and tells which.
    pub(crate) async fn demanded_track(&self) -> String {
        patiently("demand for a track", async {
            loop {
                match self.demands.try_recv() {
                    Ok((track, true)) => break track.rendition.to_string(),
                    _ => tokio::time::sleep(Duration::from_millis(2)).await,
                }
            }
        })
        .await
    }

    /// Waits until this track is watched.
    pub(crate) async fn demanded_of(&self, name: &str) {
        patiently("demand for a track", async {
            while !self.demands.try_recv().is_ok_and(|(track, on)| on && track.to_string() == name)
            {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }

    /// Publishes one picture on these tracks, each frame with the name of its rendition as payload.
    pub(crate) fn shoot_sizes(&mut self, renditions: &[&str]) {
        let captured_at = clock::now();
        for (entry, track) in &mut self.tracks {
            let rendition = entry.name.rendition.as_str();
            if renditions.contains(&rendition) {
                let payload = rendition.as_bytes();
                let keyframe = FrameFlags::KEYFRAME;
                publish(track, captured_at, (entry.width, entry.height), keyframe, payload);
            }
        }
    }

    /// Publishes a frame of this track, a keyframe or a delta, with the track's name as payload.
    pub(crate) fn shoot_of_gop(&mut self, name: &str, is_keyframe: bool) {
        self.shoot_on(name, is_keyframe, name.as_bytes());
    }

    /// One with so many bytes.
    pub(crate) fn shoot_heavy(&mut self, name: &str, is_keyframe: bool, bytes: usize) {
        self.shoot_on(name, is_keyframe, &vec![0; bytes]);
    }

    fn shoot_on(&mut self, name: &str, is_keyframe: bool, payload: &[u8]) {
        let flags = if is_keyframe { FrameFlags::KEYFRAME } else { FrameFlags::default() };
        let track = self.tracks.iter_mut().find(|(entry, _)| entry.name.to_string() == name);
        let (entry, track) = track.expect("a track of this camera");
        publish(track, clock::now(), (entry.width, entry.height), flags, payload);
    }

    /// Waits until a keyframe is asked for, and tells of which track.
    pub(crate) async fn asked_for_keyframe(&self) -> String {
        patiently("a wish for a keyframe", async {
            loop {
                match self.keyframes.try_recv() {
                    Ok(track) => break track.to_string(),
                    Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
                }
            }
        })
        .await
    }

    /// Publishes a frame with this payload.
    pub(crate) fn shoot(&mut self, payload: &[u8]) {
        let (entry, track) = &mut self.tracks[0];
        let size = (entry.width, entry.height);
        publish(track, clock::now(), size, FrameFlags::KEYFRAME, payload);
    }

    /// Ends, as a capture that is stopped.
    pub(crate) fn stop(&mut self) {
        self.publisher.take().expect("stopped once").stop();
    }
}

fn publish(
    track: &mut TrackPublisher,
    captured_at: Timestamp,
    (width, height): (u32, u32),
    flags: FrameFlags,
    payload: &[u8],
) {
    let taken = track.publish(OutgoingFrame {
        captured_at,
        read_at: captured_at,
        flags,
        width,
        height,
        payload: payload.to_vec(),
    });
    assert!(taken, "the bus thread is behind");
}

/// A running relay.
pub(crate) struct TestRelay {
    pub(crate) address: SocketAddr,
    end: tokio::sync::oneshot::Sender<()>,
    running: tokio::task::JoinHandle<anyhow::Result<()>>,
}

/// What was answered to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl TestRelay {
    /// Ends it and waits for that.
    pub(crate) async fn end(self) {
        self.end.send(()).unwrap();
        patiently("the end of the relay", self.running).await.unwrap().unwrap();
    }

    /// Asks for a path, with further header lines.
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
        patiently("an answer", stream.read_to_end(&mut answer)).await.unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase(), body: answer[end + 4..].to_vec() }
    }

    /// Asks for a path whose answer does not end.
    pub(crate) async fn open(&self, path: &str) -> Endless {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Endless(stream)
    }

    /// Sends bytes as they are, and returns what is answered until the relay closes.
    pub(crate) async fn exchange(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        patiently("an answer", stream.read_to_end(&mut answer)).await.unwrap();
        answer
    }

    /// The status of the answer to a request, head and all.
    pub(crate) async fn status_of(&self, request: &str) -> u16 {
        let answer = self.exchange(request.as_bytes()).await;
        let text = String::from_utf8_lossy(&answer).into_owned();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("no answer to {request:?}: {text:?}"))
    }

    /// The list of streams.
    pub(crate) async fn streams(&self) -> Vec<StreamInfo> {
        let answer = self.get("/api/streams", &[]).await;
        let value: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        serde_json::from_value(value["streams"].clone()).unwrap()
    }

    /// Waits until the list shows a stream that is so.
    pub(crate) async fn until_listed(&self, stream: &str, is_so: impl Fn(&StreamInfo) -> bool) {
        patiently("a listed stream", async {
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

    /// A `fanlight.v1` socket, after its `hello`.
    pub(crate) async fn socket(&self) -> Socket {
        let mut socket = Socket::connect(self.address, "/ws", Some("fanlight.v1")).await;
        assert!(matches!(socket.said().await, FromRelay::Hello { .. }));
        socket
    }

    /// A `fanlight.v1` socket that watches one stream as number 1.
    pub(crate) async fn viewer(&self, stream: &str) -> Socket {
        self.until_listed(stream, |_| true).await;
        let mut socket = self.socket().await;
        socket.watch(1, stream).await;
        socket
    }

    /// A socket of whole JPEGs.
    pub(crate) async fn plain_viewer(&self, stream: &str) -> Socket {
        self.plain_viewer_with(stream, "").await
    }

    /// One that does not wait until the stream is listed.
    pub(crate) async fn early_plain_viewer(&self, stream: &str) -> Socket {
        Socket::connect(self.address, &format!("/streams/{stream}/ws"), None).await
    }

    /// One with wishes, as a query says them.
    pub(crate) async fn plain_viewer_with(&self, stream: &str, query: &str) -> Socket {
        self.until_listed(stream, |_| true).await;
        Socket::connect(self.address, &format!("/streams/{stream}/ws?{query}"), None).await
    }
}

/// An answer that does not end.
pub(crate) struct Endless(TcpStream);

impl Endless {
    /// Reads until this comes.
    pub(crate) async fn read_until(&mut self, end: &[u8]) {
        let mut read = Vec::new();
        patiently("the end of what is read", async {
            while !read.windows(end.len()).any(|some| some == end) {
                let count = self.0.read_buf(&mut read).await.unwrap();
                assert!(count > 0, "{}", String::from_utf8_lossy(&read));
            }
        })
        .await;
    }
}

/// A viewer's WebSocket.
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// Something that came over it.
#[derive(Debug)]
pub(crate) enum Came {
    Frame(FrameMessage, Vec<u8>),
    Said(FromRelay),
    Closed(u16),
}

impl Socket {
    async fn connect(address: SocketAddr, path: &str, subprotocol: Option<&str>) -> Self {
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

    /// The next message, without interpretation.
    pub(crate) async fn message(&mut self) -> Message {
        patiently("a message", self.0.next()).await.expect("not closed").unwrap()
    }

    pub(crate) async fn next(&mut self) -> Came {
        loop {
            match self.message().await {
                Message::Binary(bytes) => {
                    let (header, payload) = FrameMessage::decode(&bytes).expect("a frame");
                    return Came::Frame(header, payload.to_vec());
                }
                Message::Text(text) => return Came::Said(serde_json::from_str(&text).unwrap()),
                Message::Close(close) => {
                    return Came::Closed(close.map_or(0, |close| close.code.into()));
                }
                _ => {}
            }
        }
    }

    /// The next frame, whatever is said before it.
    pub(crate) async fn frame(&mut self) -> (FrameMessage, Vec<u8>) {
        loop {
            match self.next().await {
                Came::Frame(header, payload) => return (header, payload),
                Came::Said(_) => {}
                Came::Closed(code) => panic!("closed with {code} instead of a frame"),
            }
        }
    }

    /// The next control message, whatever frames come before it.
    pub(crate) async fn said(&mut self) -> FromRelay {
        loop {
            match self.next().await {
                Came::Said(said) => return said,
                Came::Frame(..) => {}
                Came::Closed(code) => panic!("closed with {code} instead of a word"),
            }
        }
    }

    /// The next `state` message.
    pub(crate) async fn state(&mut self) -> (fanlight_protocol::viewer::ViewerState, String) {
        loop {
            if let FromRelay::State { state, reason, .. } = self.said().await {
                return (state, reason);
            }
        }
    }

    /// The next `error` message's code and text.
    pub(crate) async fn error(&mut self) -> (Option<u32>, String, String) {
        loop {
            if let FromRelay::Error { id, code, message } = self.said().await {
                return (id, code, message);
            }
        }
    }

    /// Closes from this side.
    pub(crate) async fn say_goodbye(&mut self) {
        self.0.send(Message::Close(None)).await.unwrap();
    }

    /// Reads until the relay closes; its code.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            if let Came::Closed(code) = self.next().await {
                return code;
            }
        }
    }
}

/// The plainest `watch`.
pub(crate) fn watch(id: u32, stream: &str) -> Watch {
    serde_json::from_value(serde_json::json!({ "id": id, "stream": stream })).unwrap()
}
