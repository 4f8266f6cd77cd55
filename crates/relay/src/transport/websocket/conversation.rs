//! Both halves of a socket at work, from the first word to goodbye.

use std::io;
use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver};
use tokio_util::sync::CancellationToken;

use super::frame::CloseCode;
use super::handshake::Upgraded;
use super::socket::{self, Heard, Reader, Writer};

/// Things heard that may wait to be dealt with. When they are this many, the client is read no further.
const HEARD_WAITING: usize = 16;
/// How long a message under way may take when the relay ends, before the connection is reset.
const GRACE: Duration = Duration::from_millis(500);
/// How long the client may take to close after we did.
const GOODBYE: Duration = Duration::from_secs(1);

/// How often a ping goes out, also when nothing else does.
pub const PING_EVERY: Duration = Duration::from_secs(20);

/// How what the relay has to say came to its end.
#[derive(Debug)]
pub enum Ending {
    /// Between messages, for this reason.
    Close(CloseCode, &'static str),
    /// The client is gone.
    Gone,
}

impl Ending {
    /// How to end for something that was heard; `None` where there is no reason to.
    pub fn after(heard: &Heard) -> Option<Self> {
        match heard {
            Heard::Text(_) | Heard::Ping(_) => None,
            Heard::Close => Some(Self::Close(CloseCode::Normal, "")),
            Heard::Gone => Some(Self::Gone),
            Heard::Broke(violation) => Some(Self::Close(violation.0, violation.1)),
        }
    }
}

/// Runs a conversation: `speak` writes, and is given what the client says. Returns the reason it ended for.
pub async fn converse(
    upgraded: Upgraded,
    stop: &CancellationToken,
    speak: impl AsyncFnOnce(&mut Writer, &mut Receiver<Heard>) -> io::Result<Ending>,
) -> String {
    let (mut reader, mut writer) = socket::split(upgraded);
    let (tell, mut heard) = mpsc::channel(HEARD_WAITING);
    let ended = tokio::select! {
        ended = speak(&mut writer, &mut heard) => ended,
        () = listen(&mut reader, tell) => Ok(Ending::Gone),
        () = overtime(stop) => Err(io::Error::other("the relay ended in the middle of a message")),
    };
    match ended {
        Ok(Ending::Close(code, reason)) => {
            if writer.close(code, reason).await.is_ok() {
                // Reading on until the client closes: else our goodbye could be lost to a reset.
                let _ = tokio::time::timeout(GOODBYE, reader.drain()).await;
            }
            if reason.is_empty() { "the viewer said goodbye".into() } else { reason.into() }
        }
        Ok(Ending::Gone) => "the viewer left".into(),
        Err(error) => {
            socket::reset(reader, writer);
            error.to_string()
        }
    }
}

/// Passes on what the client says, for as long as anybody listens.
async fn listen(reader: &mut Reader, tell: mpsc::Sender<Heard>) {
    loop {
        let heard = reader.next().await;
        let last = matches!(heard, Heard::Close | Heard::Gone | Heard::Broke(_));
        if tell.send(heard).await.is_err() || last {
            // What the relay still has to say decides when this ends.
            return std::future::pending().await;
        }
    }
}

async fn overtime(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(GRACE).await;
}
