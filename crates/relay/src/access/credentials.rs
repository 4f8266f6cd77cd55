//! The credentials that a client presents.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Longest token, session or link that is looked at, in bytes. A longer one is wrong.
const MAX_LENGTH: usize = 512;

/// The credentials that a client presents.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    presented: Option<Presented>,
    /// True if the request comes from this machine itself, and not through a proxy.
    is_local: bool,
}

/// A token, or something in place of it.
#[derive(Clone)]
pub enum Presented {
    /// A token that the client itself sends.
    Token(String),
    /// A token that a browser may have added by itself: the password of a Basic login.
    AmbientToken(String),
    /// The session of the page. A browser adds it by itself.
    Session(String),
    /// A link.
    Link(String),
}

/// The parts of a request in which credentials can be.
#[derive(Debug, Clone, Copy, Default)]
pub struct Parts<'a> {
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// The token in the query.
    pub token: Option<&'a str>,
    /// The link in the query.
    pub link: Option<&'a str>,
    /// The cookie of the session.
    pub session: Option<&'a str>,
}

impl Presented {
    /// Returns whether a browser may have added it by itself. A page of another origin must not use it.
    fn is_ambient(&self) -> bool {
        matches!(self, Self::AmbientToken(_) | Self::Session(_))
    }

    fn text(&self) -> &str {
        match self {
            Self::Token(text)
            | Self::AmbientToken(text)
            | Self::Session(text)
            | Self::Link(text) => text,
        }
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token(***)",
            Self::AmbientToken(_) => "AmbientToken(***)",
            Self::Session(_) => "Session(***)",
            Self::Link(_) => "Link(***)",
        })
    }
}

impl Credentials {
    /// Takes what is most specific: a `Bearer` header, a link or a token in the address, a Basic login, or the session of the
    /// page. Browsers repeat the last two with every request. `is_local`: the request comes from this machine itself.
    ///
    /// Ignores other schemes than Bearer and Basic: a reverse proxy with a login of its own may forward it.
    pub fn new(parts: Parts<'_>, is_local: bool) -> Self {
        let in_header = parts.authorization.and_then(of_header);
        let presented = match in_header {
            Some(token @ Presented::Token(_)) => Some(token),
            in_header => {
                let link = parts.link.map(|link| Presented::Link(link.into()));
                let token = || parts.token.map(|token| Presented::Token(token.into()));
                let session = || parts.session.map(|session| Presented::Session(session.into()));
                link.or_else(token).or(in_header).or_else(session)
            }
        };
        Self { presented: presented.filter(|it| it.text().len() <= MAX_LENGTH), is_local }
    }

    /// Returns what a page of another origin may use of them: only what it presents itself.
    #[must_use]
    pub fn of_foreign_page(self) -> Self {
        Self { presented: self.presented.filter(|it| !it.is_ambient()), is_local: false }
    }

    /// Returns what is presented.
    pub fn presented(&self) -> Option<&Presented> {
        self.presented.as_ref()
    }

    /// Returns whether the client itself presents something, and not a browser on behalf of any page.
    pub fn is_explicit(&self) -> bool {
        self.presented.as_ref().is_some_and(|presented| !presented.is_ambient())
    }

    /// Returns whether the request comes from this machine itself, and not through a proxy.
    pub fn is_local(&self) -> bool {
        self.is_local
    }
}

/// Returns the token of a `Bearer` header, or the password of a `Basic` header; the user name of the latter is ignored. The
/// scheme is case-insensitive (RFC 9110, section 11.1).
fn of_header(value: &str) -> Option<Presented> {
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Presented::Token(rest.into()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    let (_, password) = decoded.split_once(':')?;
    Some(Presented::AmbientToken(password.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parts: Parts<'_>) -> Credentials {
        Credentials::new(parts, false)
    }

    fn text(parts: Parts<'_>) -> Option<String> {
        of(parts).presented().map(|presented| presented.text().to_owned())
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn a_token_is_a_bearer_a_basic_password_or_in_the_query() {
        for (header, expected) in [
            ("Bearer right", Some("right")),
            ("bearer right", Some("right")),
            ("BEARER  right ", Some("right")),
            ("Bearer", Some("")),
            ("Bearerright", None),
            (&basic("any:right"), Some("right")),
            (&basic(":right"), Some("right")),
            (&basic("any:ri:ght"), Some("ri:ght")),
            (&basic("right"), None),
            ("Basic !!!", None),
            ("Digest username=\"right\"", None),
        ] {
            let parts = Parts { authorization: Some(header), ..Parts::default() };
            assert_eq!(text(parts).as_deref(), expected, "{header}");
        }
        assert_eq!(text(Parts { token: Some("right"), ..Parts::default() }).unwrap(), "right");
        assert_eq!(text(Parts::default()), None);
    }

    #[test]
    fn the_most_specific_credential_counts() {
        let basic = basic("u:basic");
        let all = Parts {
            authorization: Some("Bearer bearer"),
            token: Some("token"),
            link: Some("link"),
            session: Some("session"),
        };
        let without_bearer = Parts { authorization: Some(&basic), ..all };
        let without_link = Parts { link: None, ..without_bearer };
        let without_token = Parts { token: None, ..without_link };
        let session_only = Parts { authorization: None, ..without_token };
        for (parts, expected, is_explicit) in [
            (all, "bearer", true),
            (without_bearer, "link", true),
            (without_link, "token", true),
            (without_token, "basic", false),
            (session_only, "session", false),
        ] {
            assert_eq!(text(parts).as_deref(), Some(expected));
            assert_eq!(of(parts).is_explicit(), is_explicit, "{expected}");
            let foreign = Credentials::new(parts, true).of_foreign_page();
            assert_eq!(foreign.presented().is_some(), is_explicit, "{expected}");
            assert!(!foreign.is_local());
        }
    }

    #[test]
    fn what_is_too_long_is_nothing_and_nothing_is_printed() {
        let long = "a".repeat(MAX_LENGTH + 1);
        assert_eq!(text(Parts { token: Some(&long), ..Parts::default() }), None);
        let printed = of(Parts { authorization: Some("Bearer hunter2"), ..Parts::default() });
        assert!(!format!("{printed:?}").contains("hunter2"), "{printed:?}");
    }
}
