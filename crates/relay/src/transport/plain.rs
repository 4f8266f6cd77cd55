//! `/streams/NAME/ws`: each binary message is one whole JPEG, nothing else. Any client can read it.

use std::io;

use fanlight_bus::clock;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
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
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
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
                () = self.bell.notified() => {
                    // One at a time: a viewer for whom there is always another frame is still heard, and asked whether
                    // it is there.
                    if self.send_next(writer).await? {
                        self.bell.notify_one();
                    }
                }
            }
        }
    }

    /// Sends the next frame; false where there is none.
    async fn send_next(&mut self, writer: &mut Writer) -> io::Result<bool> {
        let Some(next) = self.viewer.try_next(Transport::PlainWebSocket, clock::now()) else {
            return Ok(false);
        };
        writer.binary(&[], &next.frame.payload).await?;
        Ok(true)
    }
}
