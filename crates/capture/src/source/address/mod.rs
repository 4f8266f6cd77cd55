//! The URL of a camera, taken apart once, so that no part of its user or password is ever taken for something else.
//!
//! - [`Address`]: scheme, host, port, and the URL that FFmpeg opens;
//! - `template`: the text as written, with its `${NAME}` replaced by placeholders;
//! - `authority`: where user and password end and the host begins;
//! - `escape`: percent-encoding by position.
//!
//! The structure of a URL comes from the text alone. The value of a variable is plain text that fills its place: it is
//! percent-encoded for this place, and cannot begin another part of the URL.
//!
//! What does not belong here: connecting, and the reasons why that fails.

mod authority;
mod escape;
mod template;

use std::fmt;

use fanlight_cli::secret::{ExpandError, mask_values};

use authority::Authority;
use template::Template;

/// The longest URL as FFmpeg reads it: its buffer for a whole URL has 4096 bytes.
const LONGEST: usize = 4000;
/// User and password, percent-encoded, for FFmpeg's RTSP reader: it has room for 127 bytes and cuts off the rest.
const LONGEST_RTSP_USER: usize = 127;
/// The same for its HTTP reader.
const LONGEST_HTTP_USER: usize = 1023;
/// In the place of what may be secret.
const MASK: &str = "***";

/// The URL of a source. Prints without user, password and the values of variables.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    scheme: Scheme,
    host: String,
    port: u16,
    /// The URL that FFmpeg opens.
    url: String,
    /// The same without secrets.
    shown: String,
}

/// The scheme by which a source is reached.
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

/// A text that is not a URL of a source, with the rule that it breaks. Holds nothing of the text but its scheme.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// A scheme that cannot be read, or none.
    #[error(
        "{0} cannot be read: rtsp://, rtsps://, http:// and https:// can, and a file by its path"
    )]
    Scheme(String),
    /// No host, or several texts that could be one.
    #[error(transparent)]
    Host(#[from] authority::NoHost),
    /// The value of a variable that stands in the place of a host or port is none.
    #[error(
        "the environment variable {0} stands in the place of a host or port, but its value is none"
    )]
    HostVariable(String),
    /// A `#` behind the host that begins no option.
    #[error(
        "a '#' behind the host begins an option of the stream, #KEY=VALUE, and what follows is none; in a path write '#' \
         as %23"
    )]
    Fragment,
    /// A control character in the text.
    #[error("a URL cannot hold control characters, such as the end of a line")]
    Control,
    /// A control character in the value of a variable.
    #[error(
        "the value of the environment variable {0} holds a control character, such as the end of a line"
    )]
    ControlVariable(String),
    /// A variable that cannot be replaced.
    #[error(transparent)]
    Variable(#[from] ExpandError),
    /// User and password do not fit into FFmpeg's buffer.
    #[error("user and password have {0} bytes, percent-encoded; at most {1} are possible here")]
    LongUser(usize, usize),
    /// The whole does not fit.
    #[error("a URL of {0} bytes, percent-encoded; at most {LONGEST} are possible")]
    TooLong(usize),
}

impl Scheme {
    /// As it is written, in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rtsp => "rtsp",
            Self::Rtsps => "rtsps",
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Whether FFmpeg reads it with its RTSP reader.
    pub fn is_rtsp(self) -> bool {
        matches!(self, Self::Rtsp | Self::Rtsps)
    }

    fn usual_port(self) -> u16 {
        match self {
            Self::Rtsp => 554,
            Self::Rtsps => 322,
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    fn longest_user(self) -> usize {
        if self.is_rtsp() { LONGEST_RTSP_USER } else { LONGEST_HTTP_USER }
    }

    fn of(text: &str) -> Result<Self, InvalidAddress> {
        let known = [Self::Rtsp, Self::Rtsps, Self::Http, Self::Https];
        let found = known.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| InvalidAddress::Scheme(shown_scheme(text)))
    }
}

/// A scheme that is not known, where it is written like one. Anything else may be a part of a password.
fn shown_scheme(text: &str) -> String {
    let like_one = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    match (1..=16).contains(&text.len()) && text.chars().all(like_one) {
        true => format!("{}://", text.to_ascii_lowercase()),
        false => "what stands before \"://\"".to_owned(),
    }
}

impl Address {
    /// Reads a URL in which `${NAME}` stands for a variable.
    ///
    /// # Errors
    /// Fails if it is no URL of a source, or a variable is missing.
    pub fn with_variables(
        text: &str,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, InvalidAddress> {
        Self::of(&Template::read(text, lookup)?)
    }

    /// Reads a URL in which `$` is a `$`.
    ///
    /// # Errors
    /// Fails if it is no URL of a source.
    pub fn literal(text: &str) -> Result<Self, InvalidAddress> {
        Self::of(&Template::literal(text)?)
    }

    fn of(template: &Template) -> Result<Self, InvalidAddress> {
        let (scheme, rest) = template.text().split_once("://").unwrap_or_default();
        let scheme = Scheme::of(scheme)?;
        let authority = Authority::find(rest)?;
        if authority.rest.contains('#') {
            return Err(InvalidAddress::Fragment);
        }
        let (host, port) = host_and_port(template, authority.host)?;
        let user = authority.user.map(|user| escape::user(template, user));
        let user_bytes = user.as_ref().map_or(0, String::len);
        if user_bytes > scheme.longest_user() {
            return Err(InvalidAddress::LongUser(user_bytes, scheme.longest_user()));
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
        if url.len() > LONGEST {
            return Err(InvalidAddress::TooLong(url.len()));
        }
        let path = mask_values(&escape::path(&template.masked(), authority.rest));
        let shown = format!("{start}://{masked}{host}{colon_port}{path}");
        let port = port.unwrap_or(scheme.usual_port());
        Ok(Self { scheme, host, port, url, shown })
    }

    /// The URL with all that it holds, as FFmpeg opens it; not for logs, errors, the catalog or the API.
    pub fn expose(&self) -> &str {
        &self.url
    }

    /// The scheme by which it is reached.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host's name, or its address: of IPv6 in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, also where it is the usual one.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// The host and, where one is written, the port, with the values of variables filled in.
fn host_and_port(
    template: &Template,
    written: &str,
) -> Result<(String, Option<u16>), InvalidAddress> {
    let filled = template.fill(written, str::to_owned);
    match authority::split_port(&filled) {
        Some((host, port)) => Ok((host.to_owned(), port)),
        // Without its variables it is one: `Authority` has looked.
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
