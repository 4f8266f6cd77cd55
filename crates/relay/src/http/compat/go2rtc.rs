//! go2rtc: `/api/ws`, a WebSocket on which the client asks for a format in JSON. After `{"type":"mjpeg"}` each binary
//! message is one JPEG, as on `/streams/NAME/ws`.

use std::io;
use std::mem;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use fanlight_protocol::StreamName;
use serde::Deserialize;
use serde_json::json;

use super::{Parameters, Shared};
use crate::access::{Action, Credentials};
use crate::connection::{PacedWriter, RawConnection, upgrade_with};
use crate::context::Context;
use crate::egress::abr::SingleViewer;
use crate::egress::frame_protocol::{FrameProtocol, Resume, send_next_frame};
use crate::egress::websocket::{MessageWriter as _, WebSocketHandler, run_websocket};
use crate::error::Error;
use crate::http::client::{AdmittedViewer, Client, Codecs};
use crate::http::error::HttpError;
use crate::http::handshake::Handshake;
use crate::limits::Permit;
use crate::stats::labels::{CloseReason, DropReason, Transport};
use crate::wake::Waker;

/// Longest type of a message that an error repeats.
const MAX_TYPE: usize = 40;

/// A message of the client.
#[derive(Deserialize)]
struct Message {
    #[serde(rename = "type")]
    kind: String,
}

/// The answer to a message.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// The format is MJPEG: send pictures.
    Pictures,
    /// The format is not available.
    Error(String),
    /// None: the message belongs to a format that was refused before, or is none of go2rtc.
    Silence,
}

impl Answer {
    fn to(text: &str) -> Self {
        let Ok(Message { kind }) = serde_json::from_str(text) else { return Self::Silence };
        match kind.as_str() {
            "mjpeg" => Self::Pictures,
            // A client sends one for each of its addresses after an offer, whose refusal it has.
            "webrtc/candidate" => Self::Silence,
            // Clients compare the beginning with the formats that they asked for, and then ask for the next one.
            other => {
                let other: String = other.chars().take(MAX_TYPE).collect();
                Self::Error(format!("{other}: not available, this server sends mjpeg"))
            }
        }
    }
}

/// Opens the WebSocket.
pub async fn socket(
    State(context): Shared,
    client: Client,
    request: Request,
) -> Result<Response, HttpError> {
    let handshake = Handshake::check(&request)?;
    let target = Parameters::of(request.uri()).target(&["src"]);
    let admitted = client.admit(&context, &target, Transport::PlainWebSocket, Codecs::Jpeg).await?;
    let subprotocol = handshake.first_offered();
    Ok(upgrade_with(handshake.accept(subprotocol), move |raw| async move {
        let address = client.address();
        let stream = admitted.stream().name().clone();
        let (reason, details) =
            serve(raw, admitted, context.clone(), client.credentials.clone()).await;
        context.closes.count(Transport::PlainWebSocket, reason);
        tracing::debug!(client = %address, stream = %stream, reason = details, "WebSocket closed");
    }))
}

async fn serve(
    raw: RawConnection,
    admitted: AdmittedViewer,
    context: Arc<Context>,
    credentials: Credentials,
) -> (CloseReason, String) {
    let watch = context.access.watch(&credentials);
    let sender = PictureSender {
        stream: admitted.stream().name().clone(),
        waker: admitted.waker().clone(),
        phase: Phase::Asked(Box::new(admitted)),
        context: context.clone(),
        credentials,
    };
    run_websocket(raw, &context, watch, sender).await
}

/// Nothing is encoded for a client until it asks for pictures.
enum Phase {
    Asked(Box<AdmittedViewer>),
    Watching(
        Box<SingleViewer>,
        #[expect(dead_code, reason = "held, and released when dropped")] Permit,
    ),
    Closed,
}

struct PictureSender {
    stream: StreamName,
    waker: Waker,
    phase: Phase,
    context: Arc<Context>,
    credentials: Credentials,
}

impl WebSocketHandler for PictureSender {
    /// The description of a session for WebRTC takes several KiB.
    const MAX_MESSAGE: usize = 64 * 1024;

    fn on_open(&mut self, _: &mut PacedWriter) -> io::Result<()> {
        Ok(())
    }

    fn on_text(&mut self, writer: &mut PacedWriter, text: &str) -> io::Result<()> {
        match Answer::to(text) {
            Answer::Silence => Ok(()),
            Answer::Error(value) => {
                writer.send_text(json!({ "type": "error", "value": value }).to_string())
            }
            Answer::Pictures => match mem::replace(&mut self.phase, Phase::Closed) {
                Phase::Asked(admitted) => {
                    let (viewer, _, permit) = admitted.watch();
                    self.phase = Phase::Watching(Box::new(SingleViewer::new(viewer)), permit);
                    writer.send_text(json!({ "type": "mjpeg" }).to_string())
                }
                // It has the pictures already.
                other => {
                    self.phase = other;
                    Ok(())
                }
            },
        }
    }

    fn on_access_change(&mut self, _: &mut PacedWriter) -> io::Result<Option<Error>> {
        let access = &self.context.access;
        Ok(access.authorize(Action::View, Some(&self.stream), &self.credentials).err())
    }
}

impl FrameProtocol for PictureSender {
    fn send_next(&mut self, writer: &mut PacedWriter) -> io::Result<Resume> {
        let Phase::Watching(viewer, _) = &mut self.phase else { return Ok(Resume::OnWake) };
        let viewer = viewer.adapt(writer);
        send_next_frame(viewer, writer, |writer, frame| writer.send_binary(&[], &frame.payload))
    }

    fn on_backpressure(&mut self) {
        if let Phase::Watching(viewer, _) = &mut self.phase {
            viewer.get_mut().set_drop_reason(DropReason::Link);
        }
    }

    fn on_close(&mut self, reason: CloseReason) {
        if let Phase::Watching(viewer, _) = &mut self.phase {
            viewer.get_mut().close(reason);
        }
        // Another viewer may take the place.
        self.phase = Phase::Closed;
    }

    fn waker(&self) -> &Waker {
        &self.waker
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_other_than_mjpeg_is_refused_in_words_that_begin_with_it() {
        assert_eq!(Answer::to(r#"{"type":"mjpeg"}"#), Answer::Pictures);
        for kind in ["mse", "hls", "mp4", "webrtc/offer", "nonsense"] {
            let Answer::Error(value) = Answer::to(&format!(r#"{{"type":"{kind}","value":"x"}}"#))
            else {
                panic!("{kind}")
            };
            assert!(value.starts_with(&format!("{kind}: ")), "{value}");
        }
        let long = format!(r#"{{"type":"{}"}}"#, "x".repeat(1000));
        assert!(matches!(Answer::to(&long), Answer::Error(value) if value.len() < 100));
    }

    #[test]
    fn messages_that_need_no_answer_get_none() {
        for text in
            [r#"{"type":"webrtc/candidate","value":"candidate:1"}"#, "", "[]", "{}", "hello"]
        {
            assert_eq!(Answer::to(text), Answer::Silence, "{text}");
        }
    }
}
