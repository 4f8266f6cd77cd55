//! The header `Forwarded` (RFC 7239).

use axum::http::{HeaderMap, header};

use super::{Hop, Node, is_encrypted, node};
use crate::error::Error;
use crate::http::error::malformed;

/// Returns all elements of the header, in the order in which proxies added them.
///
/// # Errors
/// [`Error::Denied`] if any part of it is malformed: text that only nearly is a list can hide the element that the proxy
/// added (section 8.1).
pub(super) fn hops(headers: &HeaderMap) -> Result<Vec<Hop>, Error> {
    let mut hops = Vec::new();
    for line in headers.get_all(header::FORWARDED) {
        let line = line.to_str().ok();
        let elements = line.and_then(|line| Scanner(line).elements());
        hops.extend(
            elements.ok_or_else(|| malformed("the header forwarded is malformed (RFC 7239)"))?,
        );
    }
    Ok(hops)
}

/// The rest of a line.
struct Scanner<'a>(&'a str);

impl Scanner<'_> {
    /// Parses the whole line: `element *( "," element )`.
    fn elements(mut self) -> Option<Vec<Hop>> {
        let mut hops = Vec::new();
        loop {
            hops.push(self.element()?);
            match self.separator() {
                None if self.0.is_empty() => return Some(hops),
                Some(',') => {}
                _ => return None,
            }
        }
    }

    /// Parses `pair *( ";" pair )`, in which no parameter may occur twice (section 4).
    fn element(&mut self) -> Option<Hop> {
        let mut hop = Hop { client: Node::Unknown, is_encrypted: None, host: None };
        let mut seen: Vec<String> = Vec::new();
        loop {
            let (name, value) = self.pair()?;
            if seen.contains(&name) {
                return None;
            }
            match name.as_str() {
                "for" => hop.client = node(&value)?,
                "by" => drop(node(&value)?),
                "proto" => hop.is_encrypted = Some(is_encrypted(&value)?),
                "host" => hop.host = Some((header::FORWARDED, value)),
                // Extensions are allowed (section 5.5).
                _ => {}
            }
            seen.push(name);
            if !self.0.starts_with(';') {
                return Some(hop);
            }
            self.0 = &self.0[1..];
        }
    }

    /// Parses `token "=" value`; returns the name in lower case.
    fn pair(&mut self) -> Option<(String, String)> {
        self.skip_spaces();
        let name = self.token()?.to_ascii_lowercase();
        self.0 = self.0.strip_prefix('=')?;
        let value = match self.0.strip_prefix('"') {
            Some(rest) => {
                self.0 = rest;
                self.rest_of_quoted()?
            }
            None => self.token()?.to_owned(),
        };
        self.skip_spaces();
        Some((name, value))
    }

    /// Parses a `token` (RFC 9110, section 5.6.2).
    fn token(&mut self) -> Option<&str> {
        let is_letter = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
        let length = self.0.bytes().take_while(is_letter).count();
        let (token, rest) = self.0.split_at(length);
        self.0 = rest;
        (length > 0).then_some(token)
    }

    /// Parses a `quoted-string` after its first quote (RFC 9110, section 5.6.4).
    fn rest_of_quoted(&mut self) -> Option<String> {
        let (mut text, mut letters) = (String::new(), self.0.chars());
        loop {
            match letters.next()? {
                '"' => break,
                '\\' => text.push(letters.next()?),
                letter => text.push(letter),
            }
        }
        self.0 = letters.as_str();
        Some(text)
    }

    /// Takes the next letter, if there is one.
    fn separator(&mut self) -> Option<char> {
        let mut letters = self.0.chars();
        let separator = letters.next();
        self.0 = letters.as_str();
        separator
    }

    fn skip_spaces(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(lines: &[&str]) -> Result<Vec<Hop>, Error> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::FORWARDED, HeaderValue::from_str(line).unwrap());
        }
        hops(&headers)
    }

    fn hop(client: &str, is_encrypted: Option<bool>, host: Option<&str>) -> Hop {
        let host = host.map(|host| (header::FORWARDED, host.to_owned()));
        Hop { client: node(client).unwrap(), is_encrypted, host }
    }

    #[test]
    fn the_examples_of_the_standard_are_read() {
        for (lines, expected) in [
            (&["for=\"_gazonk\""][..], vec![hop("unknown", None, None)]),
            (&["For=\"[2001:db8:cafe::17]:4711\""], vec![hop("2001:db8:cafe::17", None, None)]),
            (
                &["for=192.0.2.60;proto=http;by=203.0.113.43"],
                vec![hop("192.0.2.60", Some(false), None)],
            ),
            (
                &["for=192.0.2.43, for=198.51.100.17"],
                vec![hop("192.0.2.43", None, None), hop("198.51.100.17", None, None)],
            ),
            (
                &[
                    "for=192.0.2.43",
                    "for=\"198.51.100.17:80\" ; Proto=HTTPS;host=\"a:8443\";x=\"\\\"\"",
                ],
                vec![
                    hop("192.0.2.43", None, None),
                    hop("198.51.100.17", Some(true), Some("a:8443")),
                ],
            ),
            (&["proto=https"], vec![hop("unknown", Some(true), None)]),
        ] {
            assert_eq!(of(lines).unwrap(), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_malformed_header_is_refused_as_a_whole() {
        for bad in [
            "",
            ",",
            "for",
            "for=",
            "for=192.0.2.1,",
            "for=192.0.2.1;",
            "for=192.0.2.1;;proto=http",
            "for=[2001:db8::1]",
            "for=192.0.2.1;for=192.0.2.2",
            "for=192.0.2.1 proto=http",
            "for=localhost",
            "for=192.0.2.1;proto=gopher",
            "for=\"192.0.2.1",
            "for=\"192.0.2.1\\",
            "for=\"192.0.2.1\"x",
            "for =192.0.2.1",
            "for= 192.0.2.1",
        ] {
            let error = of(&["for=192.0.2.9", bad]).unwrap_err().to_string();
            assert!(error.contains("forwarded"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_clients_open_quote_cannot_hide_what_the_proxy_adds() {
        for added in ["for=9.9.9.9", "for=\"[2001:db8::9]\"", "for=9.9.9.9;host=\"cams:8443\""] {
            for claimed in ["for=\"1.1.1.1", "for=1.1.1.1;x=\"", "for=1.1.1.1;x=\"\\"] {
                assert!(of(&[&format!("{claimed}, {added}")]).is_err(), "{claimed}, {added}");
            }
        }
    }
}
