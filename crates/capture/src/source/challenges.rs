//! The logins that a host accepts (RFC 7235, section 4.1), over HTTP and RTSP.

use std::fmt;

/// A challenge as the host writes it.
#[derive(Debug)]
pub(super) struct Challenge {
    scheme: String,
    /// Their names in lower case.
    parameters: Vec<(String, String)>,
}

/// The logins that a host accepts, in its order.
#[derive(Debug)]
pub(super) struct Challenges(pub(super) Vec<Challenge>);

impl Challenge {
    /// Returns the parameter of this name, which is in lower case.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns whether it has this scheme.
    pub(super) fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// Returns its algorithm: that of the standard if none is stated.
    pub(super) fn algorithm(&self) -> &str {
        self.parameter("algorithm").filter(|name| !name.is_empty()).unwrap_or("MD5")
    }
}

impl Challenges {
    /// Reads the values of the headers `WWW-Authenticate`.
    pub(super) fn of<'a>(headers: impl Iterator<Item = &'a str>) -> Self {
        Self(headers.flat_map(challenges).collect())
    }

    /// Returns whether FFmpeg answers them: it takes the last Digest, and otherwise Basic.
    pub(super) fn are_answered_by_ffmpeg(&self) -> bool {
        match self.0.iter().rfind(|challenge| challenge.is("digest")) {
            Some(digest) => matches!(digest.algorithm(), "MD5" | "MD5-sess"),
            None => self.0.iter().any(|challenge| challenge.is("basic")),
        }
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

/// Splits a header into its challenges: `Digest realm="a, b", nonce=c, Basic realm="d"`.
fn challenges(header: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    for item in items(header) {
        let (first, value) = match item.split_once('=') {
            Some((first, value)) => (first.trim(), Some(value.trim())),
            None => (item.trim(), None),
        };
        // A scheme is followed by a space, and then by its first parameter.
        let (scheme, name) = match (first.split_once(char::is_whitespace), value) {
            (Some((scheme, name)), Some(_)) => (Some(scheme), name.trim()),
            (Some((scheme, _)), None) => (Some(scheme), ""),
            (None, Some(_)) => (None, first),
            (None, None) => (Some(first), ""),
        };
        if let Some(scheme) = scheme.filter(|scheme| !scheme.is_empty()) {
            challenges.push(Challenge { scheme: scheme.to_owned(), parameters: Vec::new() });
        }
        if let (Some(challenge), Some(value)) = (challenges.last_mut(), value) {
            challenge.parameters.push((name.to_ascii_lowercase(), unquoted(value)));
        }
    }
    challenges
}

/// Splits a header at the commas outside of quotes.
fn items(header: &str) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let outside = |c: char| {
        let separates = c == ',' && !is_quoted;
        is_quoted ^= c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped && is_quoted;
        separates
    };
    header.split(outside).map(str::trim).filter(|item| !item.is_empty()).collect()
}

fn unquoted(value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let Some(inner) = inner else { return value.to_owned() };
    let (mut text, mut is_escaped) = (String::new(), false);
    for c in inner.chars() {
        if c == '\\' && !is_escaped {
            is_escaped = true;
        } else {
            text.push(c);
            is_escaped = false;
        }
    }
    text
}

/// Returns a name that a host has sent, for an error.
fn printable(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenges(headers: &[&str]) -> Challenges {
        Challenges::of(headers.iter().copied())
    }

    #[test]
    fn challenges_of_one_header_or_several_are_read() {
        let digest =
            r#"Digest REALM="a, \"b\"", nonce=abc, algorithm=SHA-256, qop="auth,auth-int""#;
        for headers in [
            &["Negotiate", digest, r#"Basic realm="x""#][..],
            &[&format!(r#"Negotiate, {digest}, Basic realm="x""#)],
        ] {
            let Challenges(found) = challenges(headers);
            assert_eq!(
                found.iter().map(|one| one.scheme.as_str()).collect::<Vec<_>>(),
                ["Negotiate", "Digest", "Basic"]
            );
            assert_eq!(found[1].parameter("realm"), Some(r#"a, "b""#));
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
            let _ = challenges(&[value]).to_string();
        }
    }
}
