//! The address by which users reach the relay: a URL if the owner states it, and the path below which everything is.

use std::str::FromStr;

use thiserror::Error;
use url::Url;

/// Longest base path, in bytes.
pub const MAX_BASE_PATH: usize = 128;

/// The address by which users reach the relay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublicAddress {
    /// The URL, if it is known.
    pub url: Option<PublicUrl>,
    /// The path below which everything is.
    pub base_path: BasePath,
}

/// A URL by which users reach the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(Url);

/// A path below which everything is: empty, or `/cams`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BasePath(String);

/// The position of a path relative to a base path.
#[derive(Debug, PartialEq, Eq)]
pub enum Position<'a> {
    /// Below it; the rest begins with a slash.
    Below(&'a str),
    /// The base path itself, without a slash at its end.
    Itself,
    /// Elsewhere.
    Outside,
}

/// The reason why a URL or a base path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidAddress {
    /// It is no URL of a relay.
    #[error(
        "write the address that users open, for example https://example.org/cams, without user, query and fragment"
    )]
    Url,
    /// It is no base path.
    #[error(
        "write a path of at most {MAX_BASE_PATH} letters, digits and -._~ between slashes, for example /cams"
    )]
    BasePath,
}

impl PublicAddress {
    /// Returns the URL of a path relative to the page's; `None` if the relay does not know its own.
    pub fn link(&self, relative: &str) -> Option<String> {
        self.url.as_ref().map(|url| format!("{}{}/{relative}", url.origin(), self.base_path.0))
    }
}

impl PublicUrl {
    /// Returns the origin as browsers write it: `https://example.org`.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// Returns its host, without a port.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Returns its host if that is a name, and not an address.
    pub fn name(&self) -> Option<&str> {
        self.0.domain()
    }

    /// Returns its path as a base path.
    ///
    /// # Errors
    /// Fails if it is none.
    pub fn base_path(&self) -> Result<BasePath, InvalidAddress> {
        self.0.path().parse()
    }
}

impl FromStr for PublicUrl {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let url = Url::parse(text).map_err(|_| InvalidAddress::Url)?;
        let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
        let has_user = !url.username().is_empty() || url.password().is_some();
        let has_more = url.query().is_some() || url.fragment().is_some();
        if is_web && !has_user && !has_more { Ok(Self(url)) } else { Err(InvalidAddress::Url) }
    }
}

impl BasePath {
    /// Returns whether everything is at the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the path without a slash at its end: empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns where a path is.
    pub fn position<'a>(&self, path: &'a str) -> Position<'a> {
        match path.strip_prefix(&self.0) {
            Some("") => Position::Itself,
            Some(rest) if rest.starts_with('/') => Position::Below(rest),
            _ => Position::Outside,
        }
    }
}

impl FromStr for BasePath {
    type Err = InvalidAddress;

    /// Accepts a slash at the end, which makes no difference.
    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let path = text.strip_suffix('/').unwrap_or(text);
        let is_segment = |segment: &str| {
            let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
            !matches!(segment, "" | "." | "..") && segment.bytes().all(is_plain)
        };
        match path.strip_prefix('/') {
            None if text == "/" => Ok(Self::default()),
            Some(rest) if path.len() <= MAX_BASE_PATH && rest.split('/').all(is_segment) => {
                Ok(Self(path.to_owned()))
            }
            _ => Err(InvalidAddress::BasePath),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> PublicAddress {
        let url: PublicUrl = url.parse().unwrap();
        PublicAddress { base_path: url.base_path().unwrap(), url: Some(url) }
    }

    #[test]
    fn a_url_has_an_origin_a_host_and_a_base_path() {
        let one = address("https://Cams.Example.org:443/wall/");
        let url = one.url.as_ref().unwrap();
        assert_eq!((&*url.origin(), url.host()), ("https://cams.example.org", "cams.example.org"));
        assert_eq!(one.link("?stream=door").unwrap(), "https://cams.example.org/wall/?stream=door");
        let other = address("http://192.168.1.5:8080");
        assert_eq!(other.link("?x").unwrap(), "http://192.168.1.5:8080/?x");
        assert_eq!(other.url.unwrap().name(), None);
        assert_eq!(PublicAddress::default().link("?x"), None);
    }

    #[test]
    fn what_is_no_address_of_a_relay_is_refused() {
        for bad in [
            "cams.example.org",
            "ftp://cams.example.org",
            "https://",
            "https://user@cams.example.org",
            "https://cams.example.org/?x=1",
            "https://cams.example.org/#x",
        ] {
            assert_eq!(bad.parse::<PublicUrl>(), Err(InvalidAddress::Url), "{bad}");
        }
        let long = format!("/{}", "a".repeat(MAX_BASE_PATH));
        for bad in ["", "cams", "//", "/a//b", "/../a", "/a/.", "/a b", "/ä", "/a?b", "/%61", &long]
        {
            assert_eq!(bad.parse::<BasePath>(), Err(InvalidAddress::BasePath), "{bad}");
        }
    }

    #[test]
    fn a_path_is_below_a_base_path_as_whole_segments() {
        let base: BasePath = "/house/cams/".parse().unwrap();
        assert_eq!(base.as_str(), "/house/cams");
        assert_eq!(base.position("/house/cams/"), Position::Below("/"));
        assert_eq!(base.position("/house/cams/api/streams"), Position::Below("/api/streams"));
        assert_eq!(base.position("/house/cams"), Position::Itself);
        for outside in ["/", "/house", "/house/camshaft", "/api/streams"] {
            assert_eq!(base.position(outside), Position::Outside, "{outside}");
        }
        assert!("/".parse::<BasePath>().unwrap().is_root());
    }
}
