//! `/streams/NAME/ws`: each binary message is one encoded picture, nothing else: a whole JPEG, which any
//! client can read, or an access unit of H.264.

use std::io;

use tokio_util::sync::CancellationToken;

use super::abr::{AdaptiveViewer, Single};
use super::frame_protocol::{FrameProtocol, Turn, take_turn};
use super::websocket::{Say as _, WebSocketHandler, run_websocket};
use crate::connection::{PacedWriter, Raw};
use crate::stats::labels::CloseReason;
use crate::stats::labels::DropReason;
use crate::wake::Waker;

/// Shows one stream over a socket until either side ends it; returns why, for metrics and for people.
pub async fn show(
    raw: Raw,
    tile: AdaptiveViewer,
    waker: Waker,
    stop: CancellationToken,
) -> (CloseReason, String) {
    run_websocket(raw, stop, Show { single: Single::new(tile), waker }).await
}

struct Show {
    single: Single,
    waker: Waker,
}

impl WebSocketHandler for Show {
    fn begin(&mut self, _: &mut PacedWriter) -> io::Result<()> {
        Ok(())
    }

    /// There is nothing but pictures to be had on this socket.
    fn answer(&mut self, _: &mut PacedWriter, _: &str) -> io::Result<()> {
        Ok(())
    }
}

impl FrameProtocol for Show {
    fn speak(&mut self, writer: &mut PacedWriter) -> io::Result<Turn> {
        let viewer = self.single.fitted(writer);
        take_turn(viewer, writer, |writer, frame| writer.binary(&[], &frame.payload))
    }

    fn waited(&mut self) {
        self.single.viewer().set_drop_reason(DropReason::Link);
    }

    fn closed(&mut self, why: CloseReason) {
        self.single.viewer().close(why);
    }

    fn waker(&self) -> &Waker {
        &self.waker
    }
}
