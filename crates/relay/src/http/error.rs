//! HTTP's translation of domain errors: the status, the headers and the text of an answer that refuses a request.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::error::Error;
use crate::stats::labels::DenialReason;

/// Seconds after which to retry when a limit is reached.
const RETRY_WHEN_FULL: &str = "10";
/// Seconds after which to retry when the relay is briefly unavailable.
const RETRY_SOON: &str = "1";

/// The challenge to a page, which asks for the token itself.
const BEARER: &str = "Bearer realm=\"fanlight\"";
/// The challenge to all other clients. A browser would cover the page with a dialog of its own for it.
pub const BASIC: &str = "Basic realm=\"fanlight\", charset=\"UTF-8\"";

/// An answer that refuses a request, with the reason in one line of text.
#[derive(Debug, Clone)]
pub struct HttpError {
    status: StatusCode,
    message: String,
    headers: Vec<(HeaderName, &'static str)>,
    denied: Option<DenialReason>,
}

impl HttpError {
    /// Creates an answer for an error that only HTTP knows.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), headers: Vec::new(), denied: None }
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Returns the status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the reason.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// Returns the error for a request whose headers violate HTTP.
pub fn malformed(message: impl Into<String>) -> Error {
    Error::denied(DenialReason::Malformed, message)
}

impl From<Error> for HttpError {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(message) => Self::new(StatusCode::BAD_REQUEST, message),
            Error::NotFound(message) => Self::new(StatusCode::NOT_FOUND, message),
            Error::Conflict(message) => Self::new(StatusCode::CONFLICT, message),
            // The connection's slot becomes free for another client.
            Error::TooMany(message) => Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
                .with_header(header::RETRY_AFTER, RETRY_WHEN_FULL)
                .with_header(header::CONNECTION, "close"),
            Error::Unavailable(message) => Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
                .with_header(header::RETRY_AFTER, RETRY_SOON),
            Error::Denied { reason, message } => denied(reason, message),
        }
    }
}

fn denied(reason: DenialReason, message: String) -> HttpError {
    let refuse = |status| HttpError { denied: Some(reason), ..HttpError::new(status, message) };
    match reason {
        DenialReason::Malformed => refuse(StatusCode::BAD_REQUEST),
        DenialReason::Host => refuse(StatusCode::MISDIRECTED_REQUEST),
        DenialReason::Origin
        | DenialReason::Action
        | DenialReason::Stream
        | DenialReason::Expired
        | DenialReason::Plain => refuse(StatusCode::FORBIDDEN),
        DenialReason::NoToken | DenialReason::WrongToken => {
            refuse(StatusCode::UNAUTHORIZED).with_header(header::WWW_AUTHENTICATE, BEARER)
        }
        DenialReason::TooMany => refuse(StatusCode::TOO_MANY_REQUESTS)
            .with_header(header::RETRY_AFTER, RETRY_WHEN_FULL)
            .with_header(header::CONNECTION, "close"),
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(format!("{}\n", self.message)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, plain);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in self.headers {
            headers.insert(name, HeaderValue::from_static(value));
        }
        // `checks::limit_guesses` counts denials by this extension.
        if let Some(denied) = self.denied {
            response.extensions_mut().insert(denied);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_its_status() {
        let denied = |reason| Error::denied(reason, "no");
        for (error, status) in [
            (Error::invalid("no"), 400),
            (Error::NotFound("no".into()), 404),
            (Error::Conflict("no".into()), 409),
            (Error::TooMany("no".into()), 503),
            (Error::Unavailable("no".into()), 503),
            (denied(DenialReason::Malformed), 400),
            (denied(DenialReason::NoToken), 401),
            (denied(DenialReason::WrongToken), 401),
            (denied(DenialReason::Origin), 403),
            (denied(DenialReason::Action), 403),
            (denied(DenialReason::Host), 421),
            (denied(DenialReason::Plain), 403),
            (denied(DenialReason::TooMany), 429),
        ] {
            let answer = HttpError::from(error.clone());
            assert_eq!((answer.status().as_u16(), answer.message()), (status, "no"), "{error:?}");
        }
    }
}
