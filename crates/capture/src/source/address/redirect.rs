//! Redirection: the URL that a host names in place of its own. User and password stay with the host.

use super::authority::Authority;
use super::{Address, InvalidAddress, Scheme};

/// The most redirections of one URL.
pub(in crate::source) const MAX_REDIRECTIONS: u32 = 8;

impl Address {
    /// Returns the URL of a redirection: absolute, or relative to this one. The same host gets the same user and
    /// password, unless they were encrypted before and would not be any longer; other hosts get none. From RTSP to RTSP,
    /// the port must be the same, too.
    ///
    /// # Errors
    /// Fails if it is not a URL of a source.
    pub fn redirected(&self, location: &str) -> Result<Self, InvalidAddress> {
        let location = location.trim();
        let location = location.split('#').next().unwrap_or_default();
        let (scheme, rest) = match location.split_once("://") {
            Some((scheme, rest)) if is_scheme(scheme) => (Scheme::of(scheme)?, rest.to_owned()),
            _ => match location.strip_prefix("//") {
                Some(rest) => (self.scheme, rest.to_owned()),
                None => (self.scheme, self.joined(location)),
            },
        };
        let host_end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(host_end);
        // The host ends before the path, so an '@' in the path does not start another one.
        let text = format!("{}://{host}{}", scheme.as_str(), path.replace('@', "%40"));
        let address = Self::literal(&text)?;
        let keeps_user = address.host.eq_ignore_ascii_case(&self.host)
            && user_of(&address.url).is_empty()
            && (!self.scheme.is_encrypted() || address.scheme.is_encrypted())
            && (!self.scheme.is_rtsp() || address.port == self.port);
        Ok(if keeps_user { address.with_user_of(self) } else { address })
    }

    /// Returns host, port and path of a location without a host.
    fn joined(&self, location: &str) -> String {
        let base = self.target();
        let path = match location {
            _ if location.starts_with('/') => without_dots(location),
            "" => base.to_owned(),
            _ if location.starts_with('?') => {
                base.split('?').next().unwrap_or_default().to_owned() + location
            }
            _ => {
                let base = base.split('?').next().unwrap_or_default();
                let folder = base.rfind('/').map_or("/", |end| &base[..=end]);
                without_dots(&format!("{folder}{location}"))
            }
        };
        format!("{}:{}{path}", self.host, self.port)
    }

    fn with_user_of(mut self, other: &Self) -> Self {
        let start = self.scheme.as_str().len() + "://".len();
        self.url.insert_str(start, user_of(&other.url));
        self.shown.insert_str(start, user_of(&other.shown));
        self
    }
}

/// Returns user and password of a URL, percent-encoded or masked, with the `@` that ends them.
pub(super) fn user_of(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap_or_default();
    let length = Authority::by_standard(rest).user.map_or(0, |user| user.len() + 1);
    &rest[..length]
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// Resolves the segments `.` and `..` of a path.
fn without_dots(path: &str) -> String {
    let (path, query) = path.split_at(path.find('?').unwrap_or(path.len()));
    let mut segments: Vec<&str> = Vec::new();
    let ends_in_folder = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    for segment in path.split('/').filter(|segment| *segment != ".") {
        match segment {
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    let mut resolved = segments.join("/");
    if !resolved.starts_with('/') {
        resolved.insert(0, '/');
    }
    if ends_in_folder && !resolved.ends_with('/') {
        resolved.push('/');
    }
    resolved + query
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirected(from: &str, location: &str) -> String {
        Address::literal(from).unwrap().redirected(location).unwrap().expose().to_owned()
    }

    #[test]
    fn relative_locations_are_resolved() {
        let base = "http://cam/a/b/index.cgi?x=1";
        for (location, path) in [
            ("/video", "/video"),
            ("video.mjpg", "/a/b/video.mjpg"),
            ("./video", "/a/b/video"),
            ("../video?y=2", "/a/video?y=2"),
            ("../../../../video", "/video"),
            ("?y=2", "/a/b/index.cgi?y=2"),
            ("/c/..", "/"),
            (" /video#top ", "/video"),
            ("", "/a/b/index.cgi?x=1"),
            ("/user@cam/1", "/user%40cam/1"),
            ("/next=http://other/", "/next=http://other/"),
        ] {
            assert_eq!(redirected(base, location), format!("http://cam:80{path}"), "{location}");
        }
        assert_eq!(redirected(base, "//other/x"), "http://other/x");
        assert_eq!(redirected("http://cam", "x"), "http://cam:80/x");
    }

    #[test]
    fn only_the_same_host_gets_user_and_password() {
        let base = "http://admin:secret%20pw@cam/";
        assert_eq!(redirected(base, "/x"), "http://admin:secret%20pw@cam:80/x");
        assert_eq!(redirected(base, "http://CAM:8080/x"), "http://admin:secret%20pw@CAM:8080/x");
        assert_eq!(redirected(base, "https://cam/x"), "https://admin:secret%20pw@cam/x");
        assert_eq!(redirected(base, "http://u:p@cam/x"), "http://u:p@cam/x");
        assert_eq!(redirected("http://u:p%40w@cam:81/a/b?c", "?d"), "http://u:p%40w@cam:81/a/b?d");
        assert_eq!(redirected("http://u:p%40w@cam:81/a", "//cam/x#top"), "http://u:p%40w@cam/x");
        for elsewhere in ["http://other/x", "//cam.other/x", "http://cam@other/x"] {
            let url = redirected(base, elsewhere);
            assert!(!url.contains("secret"), "{url}");
        }
        let rtsp = "rtsp://admin:secret@cam/x";
        assert_eq!(redirected(rtsp, "rtsp://cam:554/y"), "rtsp://admin:secret@cam:554/y");
        assert_eq!(redirected(rtsp, "rtsp://cam:8554/y"), "rtsp://cam:8554/y");
        assert_eq!(redirected("http://a:b@cam/x", "rtsp://cam/y"), "rtsp://a:b@cam/y");
        let encrypted = "https://admin:secret@cam/";
        assert_eq!(redirected(encrypted, "http://cam/x"), "http://cam/x");
    }

    #[test]
    fn a_redirected_url_prints_without_its_password() {
        let address = Address::literal("http://admin:hunter2@cam/").unwrap();
        let address = address.redirected("/x?token=abc").unwrap();
        let shown = format!("{address} {address:?}");
        assert!(shown.starts_with("http://***:***@cam:80/x"), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("abc"), "{shown}");
    }

    #[test]
    fn other_locations_are_refused() {
        let address = Address::literal("http://cam/").unwrap();
        for location in [
            "ftp://cam/",
            "http://",
            "http:///x",
            "file:///etc/passwd",
            "/a\r\nb",
            "http://cam:99999/",
        ] {
            assert!(address.redirected(location).is_err(), "{location}");
        }
    }
}
