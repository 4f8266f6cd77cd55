//! Each server delivers complete frames to several viewers. A viewer that does not read misses frames, but not the
//! newest.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use fanlight_cli::stop::Shutdown;
use fanlight_yardstick::payload::Made;
use fanlight_yardstick::{broadcast, writev};
use socket2::{Domain, Socket, Type};

/// Longer than any step takes on a loaded machine: reaching it is a failure, not a delay.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server. Dropping it ends it.
struct Server {
    address: SocketAddr,
    stop: Shutdown,
    running: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Server {
    fn start(
        serve: impl FnOnce(TcpListener, &Shutdown) -> anyhow::Result<()> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Shutdown::new();
        let running = std::thread::spawn({
            let stop = stop.clone();
            move || serve(listener, &stop)
        });
        Self { address, stop, running: Some(running) }
    }

    fn writev(made: Made, threads: usize) -> Self {
        let settings = writev::Settings {
            made,
            threads,
            not_sent_low_water: Some(16 * 1024),
            congestion: None,
            tls: false,
        };
        Self::start(move |listener, stop| writev::serve(listener, &settings, stop))
    }

    fn broadcast(made: Made, threads: usize) -> Self {
        Self::start(move |listener, stop| broadcast::serve(listener, made, threads, stop))
    }

    fn end(mut self) {
        self.stop.request();
        self.running.take().expect("ended once").join().unwrap().unwrap();
    }
}

/// A viewer of `writev`.
struct Viewer(TcpStream);

impl Viewer {
    /// Connects a viewer with a small receive buffer, so that unread bytes stay with the server.
    fn join(server: &Server) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(64 * 1024).unwrap();
        socket.connect(&server.address.into()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket.into())
    }

    /// Reads the length of a frame, but not the frame.
    fn length(&mut self) -> usize {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).unwrap();
        u32::from_be_bytes(length) as usize
    }

    fn payload(&mut self, length: usize) -> Vec<u8> {
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).unwrap();
        payload
    }

    fn frame(&mut self) -> Vec<u8> {
        let length = self.length();
        self.payload(length)
    }
}

fn made_at(payload: &[u8]) -> u64 {
    u64::from_le_bytes(payload[..8].try_into().unwrap())
}

/// Checks that all bytes after the time belong to one frame, and that the time is later than that of the frame before.
fn assert_whole(frames: &[Vec<u8>], bytes: usize) {
    for frame in frames {
        assert_eq!(frame.len(), bytes);
        assert!(frame[8..].iter().all(|byte| *byte == frame[8]), "parts of two frames in one");
    }
    assert!(frames.windows(2).all(|two| made_at(&two[0]) < made_at(&two[1])), "in order");
}

#[test]
fn writev_delivers_whole_frames_to_all() {
    let made = Made { bytes: 200_000, fps: 100.0 };
    for threads in [1, 2] {
        let server = Server::writev(made, threads);
        let mut viewers: Vec<Viewer> = (0..5).map(|_| Viewer::join(&server)).collect();
        for viewer in &mut viewers {
            let frames: Vec<Vec<u8>> = (0..10).map(|_| viewer.frame()).collect();
            assert_whole(&frames, made.bytes);
        }
        server.end();
    }
}

#[test]
fn broadcast_delivers_whole_frames_to_all() {
    let made = Made { bytes: 60_000, fps: 100.0 };
    for threads in [1, 2] {
        let server = Server::broadcast(made, threads);
        let mut viewers: Vec<_> = (0..5)
            .map(|_| {
                let stream = TcpStream::connect(server.address).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                tungstenite::client(format!("ws://{}/ws", server.address), stream).unwrap().0
            })
            .collect();
        for viewer in &mut viewers {
            let frames: Vec<Vec<u8>> =
                (0..10).map(|_| viewer.read().unwrap().into_data().to_vec()).collect();
            assert_whole(&frames, made.bytes);
        }
        server.end();
    }
}

#[test]
fn writev_skips_to_the_newest_for_a_viewer_that_does_not_read() {
    // Larger than the kernel's buffers of one connection, so that the first frame is still in flight after many more
    // were made.
    let made = Made { bytes: 16 * 1024 * 1024, fps: 50.0 };
    let server = Server::writev(made, 1);
    let mut idler = Viewer::join(&server);
    let length = idler.length();
    let mut reader = Viewer::join(&server);
    let seen: Vec<u64> = (0..5).map(|_| made_at(&reader.frame())).collect();
    let first = made_at(&idler.payload(length));
    let second = made_at(&idler.frame());
    assert!(first <= seen[0], "it was in flight before the other viewer connected");
    assert!(second >= seen[4], "frames in between are skipped");
    server.end();
}

#[test]
fn a_viewer_that_leaves_does_not_affect_the_others() {
    let server = Server::writev(Made { bytes: 60_000, fps: 100.0 }, 1);
    let mut stays = Viewer::join(&server);
    for _ in 0..3 {
        let mut leaves = Viewer::join(&server);
        leaves.frame();
    }
    assert_whole(&(0..10).map(|_| stays.frame()).collect::<Vec<_>>(), 60_000);
    server.end();
}
