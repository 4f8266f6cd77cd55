//! A network camera that sends MJPEG over HTTP, each picture with the true time in it.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fanlight_stamp::Stamp;

use crate::picture;
use crate::viewer::now;

/// From one picture to the next: 30 a second.
pub const INTERVAL: Duration = Duration::from_nanos(1_000_000_000 / 30);

const HEAD: &[u8] =
    b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=picture\r\n\r\n";

/// A camera at `http://127.0.0.1:PORT/`; switched off when dropped.
#[derive(Debug)]
pub struct HttpCamera {
    address: SocketAddr,
    off: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

impl HttpCamera {
    /// Switches a camera on.
    ///
    /// # Panics
    /// When no port can be opened.
    pub fn switch_on() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let off = Arc::new(AtomicBool::new(false));
        let is_off = off.clone();
        let serving = thread::spawn(move || serve(&listener, &is_off));
        Self { address, off, serving: Some(serving) }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}/video.mjpg", self.address)
    }
}

impl Drop for HttpCamera {
    fn drop(&mut self) {
        self.off.store(true, Ordering::Relaxed);
        // Wakes it.
        let _ = TcpStream::connect(self.address);
        if let Some(serving) = self.serving.take() {
            let _ = serving.join();
        }
    }
}

fn serve(listener: &TcpListener, off: &Arc<AtomicBool>) {
    for client in listener.incoming().flatten() {
        if off.load(Ordering::Relaxed) {
            return;
        }
        let off = off.clone();
        // It ends when the client leaves, which is no fault.
        thread::spawn(move || drop(film(client, &off)));
    }
}

fn film(mut client: TcpStream, off: &AtomicBool) -> io::Result<()> {
    for line in BufReader::new(client.try_clone()?).lines() {
        if line?.is_empty() {
            break;
        }
    }
    client.set_nodelay(true)?;
    client.write_all(HEAD)?;
    let begun = Instant::now();
    for number in 0.. {
        let due = begun + INTERVAL * number;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if off.load(Ordering::Relaxed) {
            break;
        }
        let jpeg = picture::jpeg(Stamp { number, time: now() });
        let mut part = format!(
            "--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n",
            jpeg.len()
        );
        part.reserve(jpeg.len());
        client.write_all(&[part.as_bytes(), &jpeg, b"\r\n"].concat())?;
    }
    Ok(())
}
