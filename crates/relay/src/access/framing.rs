//! The pages of other origins that may show the player in a frame.
//!
//! A frame gives the page around it no right: it can neither read the player nor use its credentials. The rule protects viewers
//! from pages that lay something over a frame, so that a click hits a control that the viewer does not see.

use std::net::Ipv4Addr;

use thiserror::Error;

/// Most origins.
pub const MAX_ORIGINS: usize = 64;
/// Longest host name, in bytes (RFC 1035).
const MAX_HOST: usize = 253;

/// The origins whose pages may frame the player at `/embed/NAME`, besides the relay's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FramingRule {
    origins: Vec<String>,
}

/// An origin that browsers would not understand in `frame-ancestors`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidOrigin {
    /// Not `*`, `https://NAME` or `http://NAME:PORT`.
    #[error(
        "{0:?}: write it as browsers do, https://NAME or http://NAME:PORT, without a path; *.NAME stands for all names below \
         it, and * alone for all origins"
    )]
    Form(String),
    /// More than [`MAX_ORIGINS`].
    #[error("{0} origins: at most {MAX_ORIGINS}")]
    TooMany(usize),
}

impl FramingRule {
    /// Allows these origins; `*` stands for all.
    ///
    /// # Errors
    /// [`InvalidOrigin`] if one is not an origin, or if there are too many.
    pub fn new(origins: &[String]) -> Result<Self, InvalidOrigin> {
        if origins.len() > MAX_ORIGINS {
            return Err(InvalidOrigin::TooMany(origins.len()));
        }
        let origins = origins.iter().map(|origin| source(origin)).collect::<Result<_, _>>()?;
        Ok(Self { origins })
    }

    /// Returns the value of `frame-ancestors` (Content Security Policy) for the player.
    pub fn ancestors(&self) -> String {
        let own = std::iter::once("'self'");
        own.chain(self.origins.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
    }
}

/// Returns an origin as a source of a content security policy.
fn source(origin: &str) -> Result<String, InvalidOrigin> {
    let source = origin.trim_end_matches('/').to_lowercase();
    let rest = source.strip_prefix("https://").or_else(|| source.strip_prefix("http://"));
    match source == "*" || rest.is_some_and(is_authority) {
        true => Ok(source),
        false => Err(InvalidOrigin::Form(origin.into())),
    }
}

/// Returns whether this is a host, perhaps with a port. Policies know no IPv6 addresses.
fn is_authority(text: &str) -> bool {
    match text.split_once(':') {
        Some((host, port)) => is_host(host) && port.parse::<u16>().is_ok_and(|port| port > 0),
        None => is_host(text),
    }
}

fn is_host(text: &str) -> bool {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    text.len() <= MAX_HOST
        && name.split('.').all(is_label)
        && (name == text || name.parse::<Ipv4Addr>().is_err())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ancestors(origins: &[&str]) -> Result<String, InvalidOrigin> {
        let origins: Vec<String> = origins.iter().map(|origin| (*origin).to_owned()).collect();
        FramingRule::new(&origins).map(|rule| rule.ancestors())
    }

    #[test]
    fn the_relay_itself_may_always_frame_the_player() {
        assert_eq!(ancestors(&[]).unwrap(), "'self'");
        let named = ["https://Dash.example/", "http://192.168.1.5:8123", "https://*.example.org"];
        assert_eq!(
            ancestors(&named).unwrap(),
            "'self' https://dash.example http://192.168.1.5:8123 https://*.example.org"
        );
        assert_eq!(ancestors(&["*"]).unwrap(), "'self' *");
    }

    #[test]
    fn what_is_no_origin_is_refused_so_that_no_option_can_change_the_policy() {
        for origin in [
            "",
            "dash.example",
            "https://",
            "https://dash.example/path",
            "https://dash.example; script-src *",
            "https://dash.example https://evil.example",
            "https://dash.example,https://evil.example",
            "https://user@dash.example",
            "https://dash.example:",
            "https://dash.example:0",
            "https://dash.example:65536",
            "https://dash..example",
            "https://*",
            "https://*.10.0.0.1",
            "https://[::1]:8123",
            "ftp://dash.example",
            "'self'",
            "'none'",
            "https://dash.example\r\nx: y",
        ] {
            let error = ancestors(&[origin]).unwrap_err();
            assert_eq!(error, InvalidOrigin::Form(origin.into()));
        }
        assert_eq!(ancestors(&["*"; 65]), Err(InvalidOrigin::TooMany(65)));
        assert!(ancestors(&["*"; 64]).is_ok());
    }
}
