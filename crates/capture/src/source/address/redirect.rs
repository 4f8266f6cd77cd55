//! The URL to which a host redirects. It keeps user and password on the same host only.

use super::{Address, InvalidAddress, Scheme};

impl Address {
    /// Returns the URL for the `Location` of a response to this one. User and password of this URL are kept if the host
    /// is the same and the connection remains as secure; otherwise only those in the location count.
    ///
    /// # Errors
    /// Fails if it is not a URL of a source.
    pub fn redirected(&self, location: &str) -> Result<Self, InvalidAddress> {
        let location = location.trim().split('#').next().unwrap_or_default();
        let mut target = Self::literal(&self.absolute(location))?;
        let is_secure = self.scheme == target.scheme || target.scheme == Scheme::Https;
        if target.user.is_none() && is_secure && self.host.eq_ignore_ascii_case(&target.host) {
            target.user.clone_from(&self.user);
            let (start, rest) = (target.scheme.as_str(), target.url.split_once("://"));
            let (rest, user) = (rest.map_or("", |(_, rest)| rest), self.user.as_deref());
            target.url = match user {
                Some(user) => format!("{start}://{user}@{rest}"),
                None => format!("{start}://{rest}"),
            };
        }
        Ok(target)
    }

    /// Returns the location as a URL with a scheme (RFC 3986, section 5.2).
    fn absolute(&self, location: &str) -> String {
        let start = self.scheme.as_str();
        let (host, port) = (&self.host, self.port);
        let path = self.target.split('?').next().unwrap_or_default();
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        match location {
            _ if location.contains("://") && !location.starts_with(['/', '?']) => {
                location.to_owned()
            }
            _ if location.starts_with("//") => format!("{start}:{location}"),
            _ if location.starts_with('/') => format!("{start}://{host}:{port}{location}"),
            "" => format!("{start}://{host}:{port}{}", self.target),
            _ if location.starts_with('?') => format!("{start}://{host}:{port}{path}{location}"),
            _ => format!("{start}://{host}:{port}{folder}/{location}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirected(from: &str, location: &str) -> String {
        Address::literal(from).unwrap().redirected(location).unwrap().expose().to_owned()
    }

    #[test]
    fn user_and_password_are_kept_on_the_same_host_only() {
        let from = "http://u:p%40w@cam:81/a/b?c";
        for (location, url) in [
            ("/video", "http://u:p%40w@cam:81/video"),
            ("d", "http://u:p%40w@cam:81/a/d"),
            ("?d", "http://u:p%40w@cam:81/a/b?d"),
            ("//cam/x", "http://u:p%40w@cam/x"),
            ("http://CAM:82/video?x=1#top", "http://u:p%40w@CAM:82/video?x=1"),
            ("https://cam/video", "https://u:p%40w@cam/video"),
            ("http://v:q@cam/video", "http://v:q@cam/video"),
            ("http://other/video", "http://other/video"),
            ("http://cam.other/video", "http://cam.other/video"),
        ] {
            assert_eq!(redirected(from, location), url, "{location}");
        }
        assert_eq!(redirected("https://u:p@cam/", "http://cam/x"), "http://cam/x", "unencrypted");
        assert_eq!(redirected("http://cam/", "/x"), "http://cam:80/x");
        let shown = Address::literal(from).unwrap().redirected("/video").unwrap().to_string();
        assert!(!shown.contains("p%40w"), "{shown}");
    }

    #[test]
    fn a_location_that_is_no_source_is_refused() {
        let from = Address::literal("http://u:p@cam/").unwrap();
        for location in ["ftp://cam/x", "http://", "http://cam:99999/"] {
            assert!(from.redirected(location).is_err(), "{location}");
        }
    }
}
