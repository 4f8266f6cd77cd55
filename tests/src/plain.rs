//! A viewer of `/streams/NAME/ws`, where each message is a JPEG.

use fanlight_timecode::Timecode;

use crate::picture;
use crate::socket::{Incoming, Socket};

/// A viewer of `/streams/NAME/ws`.
#[derive(Debug)]
pub struct PlainViewer {
    socket: Socket,
}

impl PlainViewer {
    pub(crate) fn new(socket: Socket) -> Self {
        Self { socket }
    }

    /// Waits for the next picture and returns its JPEG.
    ///
    /// # Panics
    /// Panics if another message arrives, or none within [`PATIENCE`](crate::PATIENCE).
    pub fn picture(&mut self) -> Vec<u8> {
        match self.socket.receive() {
            Incoming::Binary(jpeg) => jpeg.to_vec(),
            other => panic!("expected a picture, received {other:?}"),
        }
    }

    /// Waits for the next picture and returns its timecode.
    pub fn timecode(&mut self) -> Timecode {
        picture::timecode_of(&self.picture())
    }

    /// Returns the WebSocket.
    pub fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }
}
