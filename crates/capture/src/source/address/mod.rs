//! The URL of a camera, parsed once, so that no part of its user or password is ever read as something else.
//!
//! - [`Address`]: scheme, host, port, and the URL that FFmpeg opens;
//! - `template`: the text as written, with placeholders for `${NAME}`;
//! - `authority`: separates user and password from the host;
//! - `escape`: percent-encoding by position;
//! - `redirect`: the URL that a host names in place of its own.
//!
//! The structure of a URL comes from the text alone. The value of a variable is plain text: it is percent-encoded for
//! its position, and cannot start another part of the URL.
//!
//! This module neither connects nor diagnoses failed connections.

mod authority;
mod escape;
mod redirect;
mod template;

use std::fmt;

use fanlight_cli::secret::{ExpandError, mask_values};

use authority::Authority;
use percent_encoding::percent_decode_str;
pub(super) use redirect::MAX_REDIRECTIONS;
use template::Template;

/// The longest URL for FFmpeg, in bytes. Its buffer for a URL has 4096.
const MAX_URL: usize = 4000;
/// The longest user and password for FFmpeg's RTSP reader, in bytes, percent-encoded. It cuts off the rest.
const MAX_RTSP_USER: usize = 127;
/// The same for its HTTP reader.
const MAX_HTTP_USER: usize = 1023;
/// Printed instead of text that may be secret.
const MASK: &str = "***";

/// The URL of a source. Prints without user, password and values of variables.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    scheme: Scheme,
    host: String,
    port: u16,
    /// The URL that FFmpeg opens.
    url: String,
    /// The same without secrets, for messages.
    shown: String,
}

/// The scheme of a source's URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `rtsp://`
    Rtsp,
    /// `rtsps://`
    Rtsps,
    /// `http://`
    Http,
    /// `https://`
    Https,
}

/// A text that is not a URL of a source, with the rule it breaks. Contains no part of the text except the scheme.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// An unsupported scheme, or none.
    #[error(
        "unsupported scheme {0}: write rtsp://, rtsps://, http:// or https://, or the path of a file"
    )]
    Scheme(String),
    /// No host, or several possible ones.
    #[error(transparent)]
    Host(#[from] authority::HostError),
    /// A variable in the position of a host or port has another value.
    #[error(
        "the environment variable {0} is used as a host or port, but its value is not a valid one"
    )]
    HostVariable(String),
    /// A `#` after the host that does not start an option.
    #[error(
        "a '#' after the host starts an option of the stream, #KEY=VALUE, but no option follows; in a path write '#' as %23"
    )]
    Fragment,
    /// A control character in the text.
    #[error("a URL cannot contain control characters, such as line breaks")]
    Control,
    /// A control character in the value of a variable.
    #[error(
        "the value of the environment variable {0} contains a control character, such as a line break"
    )]
    ControlVariable(String),
    /// A variable that cannot be expanded.
    #[error(transparent)]
    Variable(#[from] ExpandError),
    /// User and password exceed FFmpeg's buffer.
    #[error("user and password have {0} bytes when percent-encoded, above the limit of {1}")]
    LongUser(usize, usize),
    /// The URL exceeds [`MAX_URL`].
    #[error("the URL has {0} bytes when percent-encoded, above the limit of {MAX_URL}")]
    TooLong(usize),
}

impl Scheme {
    /// Returns the scheme in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rtsp => "rtsp",
            Self::Rtsps => "rtsps",
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Returns whether FFmpeg uses its RTSP reader.
    pub fn is_rtsp(self) -> bool {
        matches!(self, Self::Rtsp | Self::Rtsps)
    }

    /// Returns the port of a URL without one.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Rtsp => 554,
            Self::Rtsps => 322,
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// Returns whether the connection is encrypted.
    pub fn is_encrypted(self) -> bool {
        matches!(self, Self::Rtsps | Self::Https)
    }

    fn max_user(self) -> usize {
        if self.is_rtsp() { MAX_RTSP_USER } else { MAX_HTTP_USER }
    }

    fn of(text: &str) -> Result<Self, InvalidAddress> {
        let known = [Self::Rtsp, Self::Rtsps, Self::Http, Self::Https];
        let found = known.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| InvalidAddress::Scheme(printable_scheme(text)))
    }
}

/// Returns an unknown scheme for an error message. Any text that does not look like a scheme may be part of a password.
fn printable_scheme(text: &str) -> String {
    let in_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    match (1..=16).contains(&text.len()) && text.chars().all(in_scheme) {
        true => format!("{}://", text.to_ascii_lowercase()),
        false => "before \"://\"".to_owned(),
    }
}

impl Address {
    /// Parses a URL in which `${NAME}` stands for an environment variable.
    ///
    /// # Errors
    /// Fails if it is not a URL of a source, or a variable is missing.
    pub fn with_variables(
        text: &str,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, InvalidAddress> {
        Self::parse(&Template::read(text, lookup)?)
    }

    /// Parses a URL without variables.
    ///
    /// # Errors
    /// Fails if it is not a URL of a source.
    pub fn literal(text: &str) -> Result<Self, InvalidAddress> {
        Self::parse(&Template::literal(text)?)
    }

    fn parse(template: &Template) -> Result<Self, InvalidAddress> {
        let (scheme, rest) = template.text().split_once("://").unwrap_or_default();
        let scheme = Scheme::of(scheme)?;
        let authority = Authority::find(rest)?;
        if authority.rest.contains('#') {
            return Err(InvalidAddress::Fragment);
        }
        let (host, port) = host_and_port(template, authority.host)?;
        let user = authority.user.map(|user| escape::user(template, user));
        let user_bytes = user.as_ref().map_or(0, String::len);
        if user_bytes > scheme.max_user() {
            return Err(InvalidAddress::LongUser(user_bytes, scheme.max_user()));
        }
        let user = user.map_or_else(String::new, |user| user + "@");
        let masked = match authority.user {
            Some(user) if user.contains(':') => format!("{MASK}:{MASK}@"),
            Some(_) => format!("{MASK}@"),
            None => String::new(),
        };
        let colon_port = port.map_or_else(String::new, |port| format!(":{port}"));
        let start = scheme.as_str();
        let path = escape::path(template, authority.rest);
        let url = format!("{start}://{user}{host}{colon_port}{path}");
        if url.len() > MAX_URL {
            return Err(InvalidAddress::TooLong(url.len()));
        }
        let path = mask_values(&escape::path(&template.masked(), authority.rest));
        let shown = format!("{start}://{masked}{host}{colon_port}{path}");
        let port = port.unwrap_or(scheme.default_port());
        Ok(Self { scheme, host, port, url, shown })
    }

    /// Returns the URL with its secrets, as FFmpeg opens it; not for logs, errors, the catalog or the API.
    pub fn expose(&self) -> &str {
        &self.url
    }

    /// Returns the scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the host's name or address. An IPv6 address is in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port, which may be the default one.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns path and query, percent-encoded. They may contain secrets.
    pub fn target(&self) -> &str {
        let (_, rest) = self.url.split_once("://").unwrap_or_default();
        match Authority::by_standard(rest).rest {
            "" => "/",
            target => target,
        }
    }

    /// Returns the URL without user and password, percent-encoded. It may contain other secrets.
    pub fn without_login(&self) -> String {
        self.url.replacen(redirect::user_of(&self.url), "", 1)
    }

    /// Returns user and password, if the URL contains them. They are secrets.
    pub fn login(&self) -> Option<(String, String)> {
        let user = redirect::user_of(&self.url).strip_suffix('@')?;
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
        Some((decoded(user), decoded(password)))
    }
}

/// Returns the host and the port, if one is written, with the values of variables.
fn host_and_port(
    template: &Template,
    written: &str,
) -> Result<(String, Option<u16>), InvalidAddress> {
    let filled = template.fill(written, str::to_owned);
    match authority::split_port(&filled) {
        Some((host, port)) => Ok((host.to_owned(), port)),
        // `Authority` accepted the text with placeholders, so a value is the reason.
        None => Err(InvalidAddress::HostVariable(template.names_in(written))),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests;
