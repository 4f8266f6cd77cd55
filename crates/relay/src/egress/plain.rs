//! `/streams/NAME/ws`: each binary message is one encoded frame and nothing else: a whole JPEG, which any client can
//! read, or an access unit of H.264.

use std::io;
use std::sync::Arc;

use super::abr::{AdaptiveViewer, SingleViewer};
use super::frame_protocol::{FrameProtocol, Resume, send_next_frame};
use super::websocket::{MessageWriter as _, WebSocketHandler, run_websocket};
use crate::access::{Action, Credentials};
use crate::connection::{PacedWriter, RawConnection};
use crate::context::Context;
use crate::error::Error;
use crate::stats::labels::{CloseReason, DropReason};
use crate::wake::Waker;

/// Sends one stream over a socket until either side ends it; returns the reason, for metrics and for people.
pub async fn serve(
    raw: RawConnection,
    viewer: AdaptiveViewer,
    waker: Waker,
    context: Arc<Context>,
    credentials: Credentials,
) -> (CloseReason, String) {
    let watch = context.access.watch(&credentials);
    let viewer = SingleViewer::new(viewer);
    let sender = PlainSender { viewer, waker, context: context.clone(), credentials };
    run_websocket(raw, &context, watch, sender).await
}

struct PlainSender {
    viewer: SingleViewer,
    waker: Waker,
    context: Arc<Context>,
    credentials: Credentials,
}

impl WebSocketHandler for PlainSender {
    fn on_open(&mut self, _: &mut PacedWriter) -> io::Result<()> {
        Ok(())
    }

    /// Ignores the text: this socket only sends frames.
    fn on_text(&mut self, _: &mut PacedWriter, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn on_access_change(&mut self, _: &mut PacedWriter) -> io::Result<Option<Error>> {
        let stream = self.viewer.get_mut().stream().name().clone();
        let access = &self.context.access;
        Ok(access.authorize(Action::View, Some(&stream), &self.credentials).err())
    }
}

impl FrameProtocol for PlainSender {
    fn send_next(&mut self, writer: &mut PacedWriter) -> io::Result<Resume> {
        let viewer = self.viewer.adapt(writer);
        send_next_frame(viewer, writer, |writer, frame| writer.send_binary(&[], &frame.payload))
    }

    fn on_backpressure(&mut self) {
        self.viewer.get_mut().set_drop_reason(DropReason::Link);
    }

    fn on_close(&mut self, reason: CloseReason) {
        self.viewer.get_mut().close(reason);
    }

    fn waker(&self) -> &Waker {
        &self.waker
    }
}
