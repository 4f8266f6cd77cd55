//! The logins that a host accepts (RFC 7235, section 4.1).

use std::fmt;

use percent_encoding::percent_decode_str;

use super::digest::{self, Algorithm, Login, Parameters};
use super::head::Head;

/// One login that a host accepts.
#[derive(Debug, PartialEq, Eq)]
struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

/// The logins that a host accepts, in its order.
#[derive(Debug)]
pub(super) struct Challenges(Vec<Challenge>);

impl Challenge {
    /// Returns the parameter of this name.
    fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the parameters of a Digest. `None` if some are missing.
    fn digest(&self) -> Option<Parameters<'_>> {
        let (realm, nonce) = (self.parameter("realm")?, self.parameter("nonce")?);
        let (qop, opaque) = (self.parameter("qop"), self.parameter("opaque"));
        Some(Parameters { realm, nonce, qop, opaque })
    }

    fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// Returns its algorithm: that of the standard if none is stated.
    fn algorithm(&self) -> &str {
        self.parameter("algorithm").filter(|name| !name.is_empty()).unwrap_or("MD5")
    }
}

impl Challenges {
    /// Reads the challenges of a response.
    pub(super) fn of(head: &Head) -> Self {
        let mut challenges: Vec<Challenge> = Vec::new();
        for element in head.headers("www-authenticate").flat_map(elements) {
            let (scheme, parameter) = match element.split_once(char::is_whitespace) {
                Some((scheme, rest)) if !scheme.contains('=') && !rest.trim().starts_with('=') => {
                    (Some(scheme), rest.trim())
                }
                None if !element.contains('=') => (Some(element), ""),
                _ => (None, element),
            };
            if let Some(scheme) = scheme {
                challenges.push(Challenge { scheme: scheme.to_owned(), parameters: Vec::new() });
            }
            if let (Some(challenge), Some((name, value))) =
                (challenges.last_mut(), parameter.split_once('='))
            {
                challenge.parameters.push((name.trim().to_owned(), unquoted(value.trim())));
            }
        }
        Self(challenges)
    }

    /// Returns whether FFmpeg has answered them: it takes the last Digest, and otherwise Basic.
    pub(super) fn are_answered_by_ffmpeg(&self) -> bool {
        match self.0.iter().rfind(|challenge| challenge.is("digest")) {
            Some(digest) => matches!(digest.algorithm(), "MD5" | "MD5-sess"),
            None => self.0.iter().any(|challenge| challenge.is("basic")),
        }
    }

    /// Returns the header that answers the safest Digest, for a percent-encoded user and password. `None` if no Digest
    /// can be answered.
    pub(super) fn answer(&self, user: &str, method: &str, path: &str) -> Option<String> {
        let (user, password) = user.split_once(':')?;
        let decoded = |text| percent_decode_str(text).decode_utf8().ok();
        let (user, password) = (decoded(user)?, decoded(password)?);
        if user.contains(char::is_control) || password.contains(char::is_control) {
            return None;
        }
        let login = Login { user: &user, password: &password, method, path };
        let mut digests: Vec<(Algorithm, &Challenge)> = self
            .0
            .iter()
            .filter(|challenge| challenge.is("digest"))
            .filter_map(|challenge| Some((Algorithm::named(challenge.algorithm())?, challenge)))
            .collect();
        digests.sort_by_key(|(algorithm, _)| algorithm.rank());
        let mut safest_first = digests.into_iter().rev();
        safest_first.find_map(|(algorithm, challenge)| {
            let cnonce = format!("{:016x}", fastrand::u64(..));
            digest::answer(algorithm, &challenge.digest()?, &login, &cnonce)
        })
    }
}

/// Shows schemes and algorithms, for an error.
impl fmt::Display for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("it states none");
        }
        for (number, challenge) in self.0.iter().take(4).enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            let scheme = printable(&challenge.scheme);
            match challenge.is("digest") {
                true => write!(f, "{comma}{scheme} with {}", printable(challenge.algorithm()))?,
                false => write!(f, "{comma}{scheme}")?,
            }
        }
        Ok(())
    }
}

/// Splits a header at its commas, except within quotes.
fn elements(value: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = value.split(move |c: char| {
        let was_escaped = escaped;
        escaped = quoted && c == '\\' && !was_escaped;
        quoted ^= c == '"' && !was_escaped;
        c == ',' && !quoted
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else { return value.to_owned() };
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let mut escaped = false;
    inner
        .chars()
        .filter(|&c| {
            let is_escape = c == '\\' && !escaped;
            escaped = is_escape;
            !is_escape
        })
        .collect()
}

/// Returns a name that a host has sent, for an error.
fn printable(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenges(headers: &[&str]) -> Challenges {
        let lines: String =
            headers.iter().map(|value| format!("\r\nWWW-Authenticate: {value}")).collect();
        Challenges::of(&Head::of(&format!("HTTP/1.1 401 Unauthorized{lines}")))
    }

    #[test]
    fn challenges_of_one_header_or_several_are_read() {
        let digest =
            r#"Digest realm="a, \"b\"", nonce=abc, algorithm=SHA-256, qop="auth,auth-int""#;
        for headers in [
            &["Negotiate", digest, r#"Basic realm="x""#][..],
            &[&format!(r#"Negotiate, {digest}, Basic realm="x""#)],
        ] {
            let Challenges(found) = challenges(headers);
            assert_eq!(
                found.iter().map(|one| one.scheme.as_str()).collect::<Vec<_>>(),
                ["Negotiate", "Digest", "Basic"]
            );
            assert_eq!(found[1].parameter("REALM"), Some(r#"a, "b""#));
            assert_eq!(found[1].parameter("qop"), Some("auth,auth-int"));
            assert_eq!(
                (found[1].parameter("nonce"), found[1].parameter("opaque")),
                (Some("abc"), None)
            );
        }
    }

    #[test]
    fn ffmpeg_answers_the_last_digest_if_it_uses_md5() {
        let (md5, sha) =
            (r#"Digest realm="x", nonce="1""#, r#"Digest realm="x", nonce="1", algorithm=SHA-256"#);
        let basic = r#"Basic realm="x""#;
        for (headers, answered) in [
            (&[md5][..], true),
            (&[sha, md5], true),
            (&[md5, sha], false),
            (&[sha, basic], false),
            (&[basic], true),
            (&["Negotiate"], false),
            (&[], false),
        ] {
            assert_eq!(challenges(headers).are_answered_by_ffmpeg(), answered, "{headers:?}");
        }
        let shown = challenges(&[md5, sha, basic]).to_string();
        assert_eq!(shown, "Digest with MD5, Digest with SHA-256, Basic");
    }

    #[test]
    fn the_safest_digest_is_answered() {
        let (md5, sha) =
            (r#"Digest realm="x", nonce="1""#, r#"Digest realm="x", nonce="2", algorithm=SHA-256"#);
        let other = r#"Digest realm="x", nonce="3", algorithm=SHA-512"#;
        for headers in [&[md5, sha, other][..], &[other, sha, md5]] {
            let answer = challenges(headers).answer("u:p%40w", "GET", "/x").unwrap();
            assert!(
                answer.starts_with("Authorization: Digest ") && answer.contains("nonce=\"2\""),
                "{answer}"
            );
            assert!(answer.contains("algorithm=SHA-256"), "{answer}");
        }
        assert_eq!(challenges(&[other]).answer("u:p", "GET", "/x"), None);
        assert_eq!(challenges(&[sha]).answer("u:p%0d%0aX: y", "GET", "/x"), None);
    }

    #[test]
    fn arbitrary_headers_are_read_without_harm() {
        for value in [
            "",
            ",",
            "=",
            "Digest",
            "Digest =",
            "Digest realm",
            r#"Digest realm=""#,
            r#"Digest realm="\"#,
            "a=b, c",
        ] {
            let _ = challenges(&[value]).answer("u:p", "GET", "/x");
        }
    }
}
