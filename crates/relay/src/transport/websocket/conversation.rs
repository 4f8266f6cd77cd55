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
/// A client from which nothing came for this long, not even an answer to a ping, has vanished.
pub const SILENCE: Duration = Duration::from_secs(50);

/// How what the relay has to say came to its end.
#[derive(Debug)]
pub enum Ending {
    /// Between messages, for this reason.
    Close(CloseCode, &'static str),
    /// The client is gone, or said goodbye itself.
    Gone,
}

/// Runs a conversation: `speak` writes, and is given what the client says. Returns the reason it ended for.
pub async fn converse<S>(
    upgraded: Upgraded,
    stop: &CancellationToken,
    speak: impl FnOnce(Writer, Receiver<Heard>) -> S,
) -> String
where
    S: Future<Output = (Writer, io::Result<Ending>)>,
{
    let (mut reader, writer) = socket::split(upgraded);
    let (tell, heard) = mpsc::channel(HEARD_WAITING);
    let ended = tokio::select! {
        ended = speak(writer, heard) => Some(ended),
        () = listen(&mut reader, tell) => None,
        () = overtime(stop) => None,
    };
    match ended {
        Some((mut writer, Ok(Ending::Close(code, reason)))) => {
            if writer.close(code, reason).await.is_ok() {
                // Reading on until the client closes: else our goodbye could be lost to a reset.
                let _ = tokio::time::timeout(GOODBYE, reader.drain()).await;
            }
            reason.into()
        }
        Some((_, Ok(Ending::Gone))) => "the viewer left".into(),
        Some((writer, Err(error))) => {
            socket::reset(reader, writer);
            error.to_string()
        }
        None => "the relay ended in the middle of a message".into(),
    }
}

/// Passes on what the client says, for as long as anybody listens.
async fn listen(reader: &mut Reader, tell: mpsc::Sender<Heard>) {
    loop {
        let heard = tokio::time::timeout(SILENCE, reader.next()).await.unwrap_or(Heard::End(None));
        let last = matches!(heard, Heard::End(_));
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
