//! A TCP proxy that limits the throughput towards the client, for a bus over a link of low bandwidth.
//!
//! Bytes that exceed the rate wait in the kernel's buffers, like those in a router with a large queue: latency grows,
//! and nothing is lost. The direction towards the server is not limited.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes forwarded at a time: few compared with the rate, so that the flow is even.
const CHUNK: usize = 4096;
/// The largest delay of the proxy itself that it makes up for by sending faster.
const BURST: Duration = Duration::from_millis(50);

/// A link of low bandwidth to a server. It lasts until the test process ends.
#[derive(Debug)]
pub struct Narrow {
    address: SocketAddr,
    rate: Arc<AtomicU64>,
}

impl Narrow {
    /// Opens a link to a port of this machine that forwards `bytes_per_second`.
    ///
    /// # Panics
    /// Panics if no port is free.
    pub fn to(port: u16, bytes_per_second: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let rate = Arc::new(AtomicU64::new(bytes_per_second));
        let shared = rate.clone();
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                // If the server does not listen yet, the client reconnects later.
                let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                join(near, far, &shared);
            }
        });
        Self { address, rate }
    }

    /// Returns the port to connect to.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Changes the rate of the link.
    pub fn set_rate(&self, bytes_per_second: u64) {
        self.rate.store(bytes_per_second, Ordering::Relaxed);
    }
}

fn join(near: TcpStream, far: TcpStream, rate: &Arc<AtomicU64>) {
    let (mut near_in, mut far_out) = (clone(&near), clone(&far));
    let rate = rate.clone();
    thread::spawn(move || std::io::copy(&mut near_in, &mut far_out));
    thread::spawn(move || squeeze(far, near, &rate));
}

fn clone(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("a descriptor is free")
}

/// Forwards bytes in order, at the current rate.
fn squeeze(mut from: TcpStream, mut to: TcpStream, rate: &AtomicU64) {
    let mut chunk = [0; CHUNK];
    let mut due = Instant::now();
    while let Ok(length @ 1..) = from.read(&mut chunk) {
        let now = Instant::now();
        due = due.max(now.checked_sub(BURST).unwrap_or(now));
        thread::sleep(due.saturating_duration_since(now));
        if to.write_all(&chunk[..length]).is_err() {
            break;
        }
        due += Duration::from_secs_f64(length as f64 / rate.load(Ordering::Relaxed) as f64);
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
    let _ = from.shutdown(std::net::Shutdown::Both);
}
