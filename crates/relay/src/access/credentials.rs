//! The credentials that a client presents.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Longest token that is compared, in bytes. A longer one is wrong.
const MAX_TOKEN: usize = 512;

/// The credentials that a client presents.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    token: Option<Presented>,
    /// True if the request comes from this machine itself, and not through a proxy.
    is_local: bool,
}

/// A token, and the way in which it was presented.
#[derive(Clone)]
struct Presented {
    token: String,
    /// True if a browser may have added it by itself. A page of another origin must not use it.
    is_ambient: bool,
}

impl std::fmt::Debug for Presented {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presented").field("is_ambient", &self.is_ambient).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Takes the token from an `Authorization` header, or else from the query. `is_local`: the request comes from this
    /// machine itself.
    ///
    /// Ignores other schemes than Bearer and Basic: a reverse proxy with a login of its own may forward it.
    pub fn new(authorization: Option<&str>, query_token: Option<&str>, is_local: bool) -> Self {
        let in_header = authorization.and_then(of_header);
        let explicit = |token: &str| Presented { token: token.into(), is_ambient: false };
        // Browsers repeat a Basic login with every request, so a token in the address is more specific.
        let token = match (in_header, query_token) {
            (Some(presented), _) if !presented.is_ambient => Some(presented),
            (_, Some(token)) => Some(explicit(token)),
            (presented, None) => presented,
        };
        Self { token: token.filter(|presented| presented.token.len() <= MAX_TOKEN), is_local }
    }

    /// Returns what a page of another origin may use of them: only the token that it presents itself.
    #[must_use]
    pub fn of_foreign_page(self) -> Self {
        Self { token: self.token.filter(|presented| !presented.is_ambient), is_local: false }
    }

    /// Returns the token.
    pub fn token(&self) -> Option<&str> {
        self.token.as_ref().map(|presented| presented.token.as_str())
    }

    /// Returns whether the client itself presents a token, and not a browser on behalf of any page.
    pub fn is_explicit(&self) -> bool {
        self.token.as_ref().is_some_and(|presented| !presented.is_ambient)
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
        return Some(Presented { token: rest.into(), is_ambient: false });
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    let (_, password) = decoded.split_once(':')?;
    Some(Presented { token: password.into(), is_ambient: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(authorization: Option<&str>, query: Option<&str>) -> Option<String> {
        Credentials::new(authorization, query, false).token().map(str::to_owned)
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
            assert_eq!(token(Some(header), None).as_deref(), expected, "{header}");
        }
        assert_eq!(token(None, Some("right")).as_deref(), Some("right"));
        assert_eq!(token(None, None), None);
    }

    #[test]
    fn a_bearer_takes_precedence_over_the_query_and_that_over_basic() {
        assert_eq!(token(Some("Bearer a"), Some("b")).as_deref(), Some("a"));
        assert_eq!(token(Some(&basic("u:a")), Some("b")).as_deref(), Some("b"));
        assert!(!Credentials::new(Some(&basic("u:a")), None, false).is_explicit());
        assert!(Credentials::new(Some(&basic("u:a")), Some("b"), false).is_explicit());
        assert!(Credentials::new(Some("Bearer a"), None, false).is_explicit());
    }

    #[test]
    fn a_page_of_another_origin_uses_only_a_token_of_its_own() {
        let basic = Credentials::new(Some(&basic("u:a")), None, true).of_foreign_page();
        assert!(basic.token().is_none() && !basic.is_local());
        let bearer = Credentials::new(Some("Bearer a"), None, true).of_foreign_page();
        assert_eq!(bearer.token(), Some("a"));
    }

    #[test]
    fn a_token_that_is_too_long_is_none_and_none_is_printed() {
        assert_eq!(token(None, Some(&"a".repeat(MAX_TOKEN + 1))), None);
        let printed = format!("{:?}", Credentials::new(Some("Bearer hunter2"), None, true));
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}
