//! The bytes of ZMTP 3.0 (RFC 23), for bus peers that violate the protocol, and a fake publisher.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::patience::{PATIENCE, eventually};

/// Returns a greeting with this security mechanism.
pub fn greeting(mechanism: &str) -> Vec<u8> {
    let mut greeting = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0];
    greeting.extend(mechanism.as_bytes());
    greeting.resize(64, 0);
    greeting
}

/// Returns the command that ends the handshake of mechanism NULL, from a socket of this type.
pub fn ready(socket_type: &str) -> Vec<u8> {
    let name: &[u8] = b"\x05READY\x0bSocket-Type\0\0\0";
    let body = [name, &[socket_type.len() as u8], socket_type.as_bytes()].concat();
    [&[4, body.len() as u8], &body[..]].concat()
}

/// Returns a whole message of one short part.
pub fn message(body: &[u8]) -> Vec<u8> {
    [&[0, body.len() as u8], body].concat()
}

/// Opens a connection and completes the client's side of a handshake without keys, as a peer of this socket type.
pub fn peer(port: u16, socket_type: &str) -> TcpStream {
    let mut peer = TcpStream::connect(("127.0.0.1", port)).expect("the capture listens");
    peer.set_read_timeout(Some(PATIENCE)).expect("a time-out that is not zero");
    peer.write_all(&[greeting("NULL"), ready(socket_type)].concat()).expect("it reads");
    // The capture's greeting shows that it has accepted the connection.
    peer.read_exact(&mut [0; 64]).expect("a greeting");
    peer
}

/// A fake publisher: sends the same bytes once on every new connection, until it is stopped.
#[derive(Debug)]
pub struct Impostor {
    port: u16,
    connections: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    thread: Option<JoinHandle<()>>,
}

impl Impostor {
    /// Listens on a free port and sends `bytes` on every connection.
    pub fn saying(bytes: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let (connections, over) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let open = Arc::<Mutex<Vec<TcpStream>>>::default();
        let thread = {
            let (connections, over, open) = (connections.clone(), over.clone(), open.clone());
            thread::spawn(move || {
                for connection in listener.incoming().map_while(Result::ok) {
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                    connections.fetch_add(1, Ordering::SeqCst);
                    let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
                    // The peer may close the connection at any byte.
                    let _ = (&connection).write_all(&bytes);
                    open.push(connection);
                }
            })
        };
        Self { port, connections, over, open, thread: Some(thread) }
    }

    /// Returns its address as an endpoint of the bus.
    pub fn endpoint(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    /// Waits until `count` connections have been opened.
    ///
    /// # Panics
    /// Panics if they are not opened within [`PATIENCE`].
    pub fn wait_for_connections(&self, count: usize) {
        eventually(&format!("{count} connections to {}", self.endpoint()), || {
            (self.connections.load(Ordering::SeqCst) >= count).then_some(())
        });
    }

    /// Stops it and frees its port.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.over.store(true, Ordering::SeqCst);
        // Wakes the thread, so that it sees the flag.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let _ = thread.join();
        for connection in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.end();
    }
}
