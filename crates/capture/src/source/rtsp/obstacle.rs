//! Why retina does not read a camera. Retina's own texts may contain URLs, so none of them is shown.

use super::waiting::Unfinished;

/// The step of a session that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The connection, the login, and the description of the streams.
    Describe,
    /// The transport of the video.
    SetUp,
    /// The start of the video.
    Play,
}

/// The reason why retina does not read a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// The camera names another URL.
    Redirected,
    /// The camera rejects user and password.
    LoginRejected,
    /// The camera requires a login that it was not sent.
    LoginRequired,
    /// The camera refuses TCP, and may accept UDP.
    TcpRefused(u16),
    /// The camera refuses another request, with this status.
    Refused(Step, u16),
    /// The connection failed, or the camera's response is not as retina expects it.
    Failed(Step),
    /// The camera's description names no video, so that FFmpeg would find none.
    NoVideo,
    /// The video cannot be read by retina, for this reason.
    Unreadable(&'static str),
    /// A wait ended.
    Unfinished(Unfinished),
}

impl Obstacle {
    /// Returns the reason of an error by retina.
    pub(super) fn of(step: Step, error: &retina::Error) -> Self {
        tracing::trace!(?step, status = error.status_code(), "retina failed");
        match (step, error.status_code()) {
            (Step::Describe, Some(301 | 302 | 303 | 305 | 307 | 308)) => Self::Redirected,
            (Step::Describe, Some(401)) if has_sent_login(error) => Self::LoginRejected,
            (Step::Describe, Some(401)) => Self::LoginRequired,
            // Some cameras refuse TCP by another status than the one for it.
            (Step::SetUp, Some(status @ (402 | 405..=499))) => Self::TcpRefused(status),
            (step, Some(status)) if status >= 300 => Self::Refused(step, status),
            (step, _) => Self::Failed(step),
        }
    }

    /// Describes it, for the log.
    pub(super) fn describe(self) -> String {
        match self {
            Self::Redirected => "the camera redirects".into(),
            Self::LoginRejected | Self::LoginRequired => {
                "retina cannot answer the camera's login".into()
            }
            Self::TcpRefused(status) => format!("the camera refuses TCP ({status})"),
            Self::Refused(step, status) => {
                format!("the camera refuses {} ({status})", step.method())
            }
            Self::Failed(Step::Describe) => "the connection or its DESCRIBE failed".into(),
            Self::Failed(step) => format!("retina cannot read the response to {}", step.method()),
            Self::NoVideo => "the camera offers no video".into(),
            Self::Unreadable(reason) => reason.into(),
            Self::Unfinished(Unfinished::TooMuch) => "a response is too long".into(),
            Self::Unfinished(Unfinished::Panicked) => "retina failed on a response".into(),
            Self::Unfinished(_) => "the camera did not respond in time".into(),
        }
    }
}

impl Step {
    fn method(self) -> &'static str {
        match self {
            Self::Describe => "DESCRIBE",
            Self::SetUp => "SETUP",
            Self::Play => "PLAY",
        }
    }
}

/// Returns whether the camera has rejected a login that was sent. Retina has no other sign of it (0.4.21); without it, the
/// camera is asked again.
fn has_sent_login(error: &retina::Error) -> bool {
    error.to_string().contains("Received Unauthorized after trying")
}

/// Returns whether an error while reading is one of the connection, after which retina may read the camera again. An
/// unanswered request to keep the session is not.
pub(super) fn is_of_connection(error: &retina::Error) -> bool {
    let text = error.to_string();
    let is_io =
        ["Error reading from", "Error writing to"].iter().any(|start| text.starts_with(start));
    is_io && !text.contains("keepalive")
}
