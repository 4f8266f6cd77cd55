//! A network camera that sends MJPEG over HTTP, each frame with its true time in it.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fanlight_timecode::Timecode;

use crate::picture;
use crate::viewer::now;

/// The interval between frames: 30 a second.
pub const INTERVAL: Duration = Duration::from_nanos(1_000_000_000 / 30);

const HEAD: &[u8] =
    b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=picture\r\n\r\n";

/// A camera at `http://127.0.0.1:PORT/`; switched off when dropped.
#[derive(Debug)]
pub struct HttpCamera {
    address: SocketAddr,
    camera: Arc<Camera>,
    serving: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Camera {
    off: AtomicBool,
    frozen: AtomicBool,
    /// The answer that it sends instead of frames.
    refusal: Option<&'static str>,
}

impl HttpCamera {
    /// Starts a camera.
    pub fn switch_on() -> Self {
        Self::start(Camera::default())
    }

    /// Starts a camera that only sends this answer, for example `401 Unauthorized`.
    pub fn refusing(status: &'static str) -> Self {
        Self::start(Camera { refusal: Some(status), ..Camera::default() })
    }

    /// Makes it silent although it stays connected, or lets it send again.
    pub fn freeze(&self, frozen: bool) {
        self.camera.frozen.store(frozen, Ordering::Relaxed);
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}/video.mjpg", self.address)
    }

    fn start(camera: Camera) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let camera = Arc::new(camera);
        let serving = thread::spawn({
            let camera = camera.clone();
            move || camera.serve(&listener)
        });
        Self { address, camera, serving: Some(serving) }
    }
}

impl Drop for HttpCamera {
    fn drop(&mut self) {
        self.camera.off.store(true, Ordering::Relaxed);
        // Wakes its thread.
        let _ = TcpStream::connect(self.address);
        if let Some(serving) = self.serving.take() {
            let _ = serving.join();
        }
    }
}

impl Camera {
    fn serve(self: Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming().flatten() {
            if self.off.load(Ordering::Relaxed) {
                return;
            }
            let camera = self.clone();
            // It ends when the client leaves, which is no failure.
            thread::spawn(move || drop(camera.answer(client)));
        }
    }

    fn answer(&self, mut client: TcpStream) -> io::Result<()> {
        for line in BufReader::new(client.try_clone()?).lines() {
            if line?.is_empty() {
                break;
            }
        }
        match self.refusal {
            Some(status) => write!(client, "HTTP/1.0 {status}\r\nContent-Length: 0\r\n\r\n"),
            None => self.film(client),
        }
    }

    fn film(&self, mut client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        client.write_all(HEAD)?;
        let (begun, began_at) = (Instant::now(), now());
        let mut drawing = Duration::ZERO;
        for number in 1.. {
            // The stamp is the time of sending: drawing takes time, on a busy machine much, and the receiver cannot
            // know of it. A frame that is not ready by then is never sent, and none is started that would be late by
            // the duration of the one before.
            let (due, begins) = (INTERVAL * number, begun.elapsed());
            if begins + drawing > due {
                continue;
            }
            let jpeg = picture::jpeg(Timecode { number, time: began_at + due });
            drawing = begun.elapsed() - begins;
            let Some(early) = due.checked_sub(begun.elapsed()) else { continue };
            thread::sleep(early);
            if self.off.load(Ordering::Relaxed) {
                break;
            }
            if self.frozen.load(Ordering::Relaxed) {
                continue;
            }
            let length = jpeg.len();
            let head = format!(
                "--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {length}\r\n\r\n"
            );
            client.write_all(&[head.as_bytes(), &jpeg, b"\r\n"].concat())?;
        }
        Ok(())
    }
}
