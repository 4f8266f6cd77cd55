//! Access rules: which client may do what. Every route and every `watch` passes [`Access::authorize`].
//!
//! - [`HostRule`]: the names under which the relay may be addressed;
//! - [`OriginRule`]: the rights of pages of other origins;
//! - [`token_throttle`]: the limit on guessing the token.
//!
//! The rules know nothing of HTTP: `http::headers` extracts what they need from a request.

pub mod host;
pub mod origin;
pub mod token_throttle;

use fanlight_cli::secret::Secret;
use fanlight_protocol::StreamName;
use subtle::ConstantTimeEq;

use crate::error::Error;
use crate::stats::labels::DenialReason;

pub use host::HostRule;
pub use origin::OriginRule;

/// An action of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Load the page itself: it holds no secret, and asks for the token if one is needed.
    LoadPage,
    /// Ask whether the relay is alive and ready.
    CheckHealth,
    /// List streams, also over a WebSocket.
    List,
    /// Read metrics.
    ReadMetrics,
    /// View a stream.
    View,
    /// Publish a stream into this relay. Not offered yet: always denied.
    Publish,
    /// Change the relay's state. Not offered yet: always denied.
    Admin,
}

impl Action {
    /// Returns whether the action needs no token.
    fn is_public(self) -> bool {
        matches!(self, Self::LoadPage | Self::CheckHealth)
    }

    /// Returns whether the relay's token allows the action: it allows viewing everything, and nothing else.
    fn is_viewing(self) -> bool {
        matches!(self, Self::List | Self::ReadMetrics | Self::View)
    }
}

/// The credentials that a client presents.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    token: Option<String>,
}

impl Credentials {
    /// Takes the token from the value of an `Authorization: Bearer …` header, or else from the query.
    ///
    /// Ignores other schemes: a reverse proxy with a password of its own may forward it.
    pub fn new(authorization: Option<&str>, query_token: Option<&str>) -> Self {
        let token = authorization.and_then(bearer).or(query_token);
        Self { token: token.map(str::to_owned) }
    }

    /// Returns whether the client presents a token.
    pub fn is_some(&self) -> bool {
        self.token.is_some()
    }
}

/// The access rules of this relay.
#[derive(Debug)]
pub struct Access {
    /// The token that viewers must present, if any.
    pub token: Option<Secret>,
    /// The names under which the relay may be addressed.
    pub hosts: HostRule,
    /// The rights of pages of other origins.
    pub origins: OriginRule,
}

impl Access {
    /// Checks whether a client may perform an action, on this stream if it concerns one.
    ///
    /// # Errors
    /// [`Error::Denied`] if a token is needed and it is missing or wrong, or if no token allows the action.
    pub fn authorize(
        &self,
        action: Action,
        stream: Option<&StreamName>,
        credentials: &Credentials,
    ) -> Result<(), Error> {
        let result = self.check(action, credentials);
        if let Err(Error::Denied { reason, .. }) = &result {
            let stream = stream.map(StreamName::as_str);
            tracing::debug!(?action, stream, reason = reason.as_str(), "access denied");
        }
        result
    }

    fn check(&self, action: Action, credentials: &Credentials) -> Result<(), Error> {
        if action.is_public() {
            return Ok(());
        }
        if !action.is_viewing() {
            let message = "this relay allows viewing only";
            return Err(Error::denied(DenialReason::Action, message));
        }
        let Some(token) = &self.token else { return Ok(()) };
        match &credentials.token {
            None => {
                let message = "access token required: add ?token=… to the address";
                Err(Error::denied(DenialReason::NoToken, message))
            }
            Some(presented) if matches(presented, token.expose()) => Ok(()),
            Some(_) => Err(Error::denied(DenialReason::WrongToken, "wrong access token")),
        }
    }
}

/// Returns the token of an `Authorization: Bearer …` header. The scheme is case-insensitive (RFC 9110, section 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Compares in a time that does not reveal how much of the token was right.
fn matches(presented: &str, token: &str) -> bool {
    presented.as_bytes().ct_eq(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(token: Option<&str>) -> Access {
        let token = token.map(|token| token.parse().unwrap());
        Access { token, hosts: HostRule::new(&[]), origins: OriginRule::new(&[], true) }
    }

    fn with_token(token: &str) -> Credentials {
        Credentials::new(None, Some(token))
    }

    #[test]
    fn without_a_token_all_viewing_is_open() {
        let access = access(None);
        for action in [Action::List, Action::View, Action::ReadMetrics, Action::LoadPage] {
            assert!(access.authorize(action, None, &Credentials::default()).is_ok());
        }
    }

    #[test]
    fn with_a_token_only_page_and_health_are_open() {
        let access = access(Some("s3cret"));
        for action in [Action::List, Action::View, Action::ReadMetrics] {
            assert!(access.authorize(action, None, &Credentials::default()).is_err());
            assert!(access.authorize(action, None, &with_token("s3cre")).is_err());
            assert!(access.authorize(action, None, &with_token("s3cret")).is_ok());
        }
        for action in [Action::LoadPage, Action::CheckHealth] {
            assert!(access.authorize(action, None, &Credentials::default()).is_ok());
        }
    }

    #[test]
    fn no_token_allows_publishing_or_administration() {
        let stream = "cam".parse().unwrap();
        for access in [access(None), access(Some("s3cret"))] {
            for action in [Action::Publish, Action::Admin] {
                let denied = access.authorize(action, Some(&stream), &with_token("s3cret"));
                let Err(Error::Denied { reason, .. }) = denied else { panic!("{action:?}") };
                assert_eq!(reason, DenialReason::Action);
            }
        }
    }

    #[test]
    fn the_scheme_of_a_header_is_case_insensitive() {
        for (header, is_right) in [
            ("Bearer right", true),
            ("bearer right", true),
            ("BEARER  right ", true),
            ("Bearer wrong", false),
            ("Bearer", false),
            ("Bearerright", false),
            ("Basic right", false),
        ] {
            let credentials = Credentials::new(Some(header), None);
            let allowed = access(Some("right")).authorize(Action::List, None, &credentials);
            assert_eq!(allowed.is_ok(), is_right, "{header}");
        }
    }

    #[test]
    fn a_bearer_header_takes_precedence_over_the_query() {
        let credentials = Credentials::new(Some("Bearer right"), Some("wrong"));
        assert!(access(Some("right")).authorize(Action::List, None, &credentials).is_ok());
    }
}
