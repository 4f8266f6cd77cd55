//! Who may do what. Every route and every `watch` passes [`Access::authorize`].

pub mod denied;
pub mod guesses;
pub mod headers;
mod host;
pub mod origin;

use axum::http::{HeaderMap, StatusCode, header};
use fanlight_cli::secret::Secret;
use fanlight_protocol::StreamName;
use subtle::ConstantTimeEq;

use crate::http::refusal::Refusal;

pub use denied::Denied;
pub use host::HostRule;
pub use origin::OriginRule;

/// Something a client wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Load the page itself: it holds no secret, and asks for the token where one is needed.
    LoadPage,
    /// Ask whether the relay lives and is ready.
    CheckHealth,
    /// List streams, also over a WebSocket.
    List,
    /// Read counters.
    ReadMetrics,
    /// See a stream.
    Watch,
}

/// What a client showed.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    token: Option<String>,
}

impl Credentials {
    /// What stands in the header `Authorization: Bearer …`, or else in the query's `token`.
    ///
    /// Other schemes are passed over: a reverse proxy that asks for a password of its own may forward it.
    pub fn of(headers: &HeaderMap, query_token: Option<&str>) -> Self {
        let shown = headers::text(headers, &header::AUTHORIZATION).and_then(bearer);
        Self { token: shown.or(query_token).map(str::to_owned) }
    }

    /// Returns whether a token was shown at all.
    pub fn is_some(&self) -> bool {
        self.token.is_some()
    }
}

/// The rules of this relay.
#[derive(Debug)]
pub struct Access {
    /// What every client must show, where anything.
    pub token: Option<Secret>,
    /// Names under which this relay may be addressed.
    pub hosts: HostRule,
    /// Pages of other origins, and what they may do.
    pub origins: OriginRule,
}

impl Access {
    /// Whether a client may do this, to this stream where it is about one.
    ///
    /// # Errors
    /// 401 when a token is needed and none or a wrong one was shown.
    pub fn authorize(
        &self,
        action: Action,
        _stream: Option<&StreamName>,
        credentials: &Credentials,
    ) -> Result<(), Refusal> {
        let open = matches!(action, Action::LoadPage | Action::CheckHealth);
        let Some(token) = self.token.as_ref().filter(|_| !open) else { return Ok(()) };
        match &credentials.token {
            None => {
                let message = "this relay needs a token: add ?token=… to the address";
                Err(unauthorized(message, Denied::NoToken))
            }
            Some(shown) if matches(shown, token.expose()) => Ok(()),
            Some(_) => Err(unauthorized("this is not the relay's token", Denied::WrongToken)),
        }
    }
}

/// Returns the token of a header `Authorization: Bearer …`. The scheme's case does not count (RFC 9110, section 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// In a time that does not tell how much of the token was right.
fn matches(shown: &str, token: &str) -> bool {
    shown.as_bytes().ct_eq(token.as_bytes()).into()
}

fn unauthorized(message: &str, denied: Denied) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, message)
        .because(denied)
        .with_header(header::WWW_AUTHENTICATE, "Bearer realm=\"fanlight\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(token: Option<&str>) -> Access {
        let token = token.map(|token| token.parse().unwrap());
        Access { token, hosts: HostRule::new(&[]), origins: OriginRule::new(&[], true) }
    }

    fn shown(token: &str) -> Credentials {
        Credentials::of(&HeaderMap::new(), Some(token))
    }

    #[test]
    fn without_a_token_everything_is_open() {
        let access = access(None);
        for action in [Action::List, Action::Watch, Action::ReadMetrics, Action::LoadPage] {
            assert!(access.authorize(action, None, &Credentials::default()).is_ok());
        }
    }

    #[test]
    fn with_a_token_only_page_and_health_are_open() {
        let access = access(Some("s3cret"));
        for action in [Action::List, Action::Watch, Action::ReadMetrics] {
            assert!(access.authorize(action, None, &Credentials::default()).is_err());
            assert!(access.authorize(action, None, &shown("s3cre")).is_err());
            assert!(access.authorize(action, None, &shown("s3cret")).is_ok());
        }
        for action in [Action::LoadPage, Action::CheckHealth] {
            assert!(access.authorize(action, None, &Credentials::default()).is_ok());
        }
    }

    #[test]
    fn the_scheme_of_a_header_is_known_in_any_case() {
        for (header, is_right) in [
            ("Bearer right", true),
            ("bearer right", true),
            ("BEARER  right ", true),
            ("Bearer wrong", false),
            ("Bearer", false),
            ("Bearerright", false),
            ("Basic right", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, header.parse().unwrap());
            let credentials = Credentials::of(&headers, None);
            let allowed = access(Some("right")).authorize(Action::List, None, &credentials);
            assert_eq!(allowed.is_ok(), is_right, "{header}");
        }
    }

    #[test]
    fn a_bearer_header_beats_the_query() {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, "Bearer right".parse().unwrap());
        let credentials = Credentials::of(&headers, Some("wrong"));
        assert!(access(Some("right")).authorize(Action::List, None, &credentials).is_ok());
    }
}
