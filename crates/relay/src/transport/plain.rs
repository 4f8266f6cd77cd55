//! `/streams/NAME/ws`: each binary message is one whole JPEG, nothing else. Any client can read it.

use std::io;

use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, interval_at};
use tokio_util::sync::CancellationToken;

use super::websocket::conversation::PING_EVERY;
use super::websocket::{CloseCode, Ending, Heard, Upgraded, Writer, converse};
use crate::hub::{Bell, Viewer};
use crate::traffic::Transport;

/// Shows one stream over a socket until either side ends it; returns the reason.
pub async fn show(
    upgraded: Upgraded,
    viewer: Viewer,
    bell: Bell,
    stop: CancellationToken,
) -> String {
    let mut session = Session { viewer, bell, stop: stop.clone() };
    converse(upgraded, &stop, async |writer, heard| session.speak(writer, heard).await).await
}

struct Session {
    viewer: Viewer,
    bell: Bell,
    stop: CancellationToken,
}

impl Session {
    async fn speak(
        &mut self,
        writer: &mut Writer,
        heard: &mut Receiver<Heard>,
    ) -> io::Result<Ending> {
        let mut ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(Ending::Close(CloseCode::GoingAway, "the relay ends")),
                Some(heard) = heard.recv() => {
                    if let Some(ending) = Ending::after(&heard) {
                        return Ok(ending);
                    }
                    // There is nothing else to say on this socket, and nobody to answer.
                    if let Heard::Ping(payload) = heard {
                        writer.pong(&payload).await?;
                    }
                },
                _ = ping.tick() => writer.ping().await?,
                () = self.bell.notified() => self.send_waiting(writer).await?,
            }
        }
    }

    async fn send_waiting(&mut self, writer: &mut Writer) -> io::Result<()> {
        while let Some(next) =
            self.viewer.try_next(Transport::PlainWebSocket, fanlight_bus::clock::now())
        {
            writer.binary(&[], &next.frame.payload).await?;
            if self.stop.is_cancelled() {
                break;
            }
        }
        Ok(())
    }
}
