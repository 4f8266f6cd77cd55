//! A viewer of `/streams/NAME/ws`, where each message is a JPEG.

use fanlight_timecode::Timecode;

use crate::picture;
use crate::socket::{Heard, Socket};

/// A viewer of `/streams/NAME/ws`.
#[derive(Debug)]
pub struct PlainViewer {
    socket: Socket,
}

impl PlainViewer {
    pub(crate) fn new(socket: Socket) -> Self {
        Self { socket }
    }

    /// Returns the next frame.
    ///
    /// # Panics
    /// Panics if another message arrives, or none for a long time.
    pub fn picture(&mut self) -> Vec<u8> {
        match self.socket.hear() {
            Heard::Binary(jpeg) => jpeg.to_vec(),
            other => panic!("a picture was to come, not {other:?}"),
        }
    }

    /// Returns the stamp in the next frame.
    pub fn stamp(&mut self) -> Timecode {
        picture::stamp_of(&self.picture())
    }

    /// Returns the underlying socket.
    pub fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }
}
