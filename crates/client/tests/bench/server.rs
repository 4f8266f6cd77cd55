//! A server with a thread for each viewer.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Interval between frames of a server that sends endlessly: short enough for many frames in half a second.
pub(crate) const PACE: Duration = Duration::from_millis(5);

/// A viewer, seen from the server.
pub(crate) struct Guest {
    pub(crate) stream: BufReader<TcpStream>,
    /// The head of its request; empty over plain TCP.
    pub(crate) request: String,
    told: Sender<String>,
}

impl Guest {
    /// Sends a note to the test.
    pub(crate) fn tell(&self, what: impl Into<String>) {
        // The test may have ended.
        let _ = self.told.send(what.into());
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    /// Performs a WebSocket handshake.
    pub(crate) fn upgrade(&mut self, subprotocol: Option<&str>) -> io::Result<()> {
        assert!(self.request.contains("\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"));
        let chosen = subprotocol.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
        self.send(format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n{}\r\n",
            chosen.unwrap_or_default()
        ))
    }

    /// Reads a message of the viewer: its opcode and payload.
    pub(crate) fn message(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head)?;
        assert_eq!(head[1] & 0x80, 0x80, "viewers mask");
        let length = match head[1] & 0x7f {
            126 => {
                let mut length = [0; 2];
                self.stream.read_exact(&mut length)?;
                usize::from(u16::from_be_bytes(length))
            }
            length => usize::from(length),
        };
        let mut mask = [0; 4];
        self.stream.read_exact(&mut mask)?;
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload)?;
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        Ok((head[0] & 0x0f, payload))
    }

    /// Sends the viewer's next message to the test.
    pub(crate) fn repeat(&mut self) -> io::Result<()> {
        let (opcode, text) = self.message()?;
        assert_eq!(opcode, 1);
        self.tell(String::from_utf8_lossy(&text));
        Ok(())
    }

    /// Sends frames until the viewer is gone.
    pub(crate) fn send_for_ever(
        &mut self,
        mut frame: impl FnMut(u64) -> Vec<u8>,
    ) -> io::Result<()> {
        for number in 0.. {
            self.send(frame(number))?;
            thread::sleep(PACE);
        }
        Ok(())
    }

    /// Waits until the viewer is gone.
    pub(crate) fn wait_for_its_end(&mut self) {
        let _ = self.stream.read_to_end(&mut Vec::new());
    }
}

/// The test's handle to a server.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) told: Receiver<String>,
}

impl Server {
    pub(crate) fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://127.0.0.1:{}{path}", self.port)
    }

    /// Returns all notes. Only for a server whose viewers are all gone.
    pub(crate) fn all_told(self) -> Vec<String> {
        self.told.try_iter().collect()
    }
}

/// Serves each viewer in a thread of its own. The number counts viewers in the order of their arrival.
pub(crate) fn serve(
    http: bool,
    serve: impl Fn(usize, &mut Guest) -> io::Result<()> + Send + Sync + 'static,
) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let (told, telling) = channel();
    let serve = std::sync::Arc::new(serve);
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let Ok(stream) = stream else { continue };
            let (serve, told) = (serve.clone(), told.clone());
            thread::spawn(move || {
                let mut guest =
                    Guest { stream: BufReader::new(stream), request: String::new(), told };
                if http {
                    while !guest.request.ends_with("\r\n\r\n") {
                        if guest.stream.read_line(&mut guest.request).unwrap_or(0) == 0 {
                            return;
                        }
                    }
                }
                // A viewer that leaves is no failure of the server.
                let _ = serve(number, &mut guest);
            });
        }
    });
    Server { port, told: telling }
}

/// Returns the current time in Unix microseconds.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_micros() as u64
}

/// Returns a message with a server's framing.
pub(crate) fn message(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80 | opcode];
    match payload.len() {
        length @ 0..126 => bytes.push(length as u8),
        length @ 126..65536 => {
            bytes.push(126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(payload);
    bytes
}

/// Returns a frame of fanlight.v1 that was captured `age` microseconds ago.
pub(crate) fn frame(sequence: u64, age: u64, payload: usize) -> Vec<u8> {
    let (captured_at, sent_at) = (now() - age, now());
    let mut bytes = vec![1, 1, 1, 0, 1, 0, 0, 0];
    for number in [sequence, captured_at, sent_at] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.resize(bytes.len() + payload, 0xab);
    message(2, &bytes)
}

/// Returns a frame of fanlight.v1 in H.264 that was captured now: a keyframe or a delta.
pub(crate) fn h264_frame(sequence: u64, is_keyframe: bool) -> Vec<u8> {
    let mut bytes = vec![1, 2, is_keyframe.into(), 0, 1, 0, 0, 0];
    for number in [sequence, now(), now()] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.resize(bytes.len() + 1000, 0xab);
    message(2, &bytes)
}

/// Returns a relay's `track` message.
pub(crate) fn track() -> Vec<u8> {
    let text = r#"{"type":"track","id":1,"stream":"cam","codec":"jpeg","rendition":"full",
        "width":64,"height":48,"fps":30.0,"renditions":["full"]}"#;
    message(1, text.as_bytes())
}

/// Returns a relay's `state` message.
pub(crate) fn state(state: &str) -> Vec<u8> {
    let text = format!(r#"{{"type":"state","id":1,"state":"{state}","reason":"","since":5}}"#);
    message(1, text.as_bytes())
}
