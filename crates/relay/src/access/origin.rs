//! What pages of other origins may do: embed pictures, unless forbidden; nothing else, unless allowed.

use axum::http::{HeaderMap, header};

use super::headers::{SEC_FETCH_DEST, SEC_FETCH_MODE, SEC_FETCH_SITE, text};

/// Whose page a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Our own page, or no page at all (curl, VLC, an address typed in).
    Own,
    /// A page that `--allow-origin` names.
    Allowed,
    /// Any other page.
    Foreign,
}

/// The origins allowed.
#[derive(Debug)]
pub struct OriginRule {
    allowed: Vec<String>,
    embed: bool,
}

impl OriginRule {
    /// Allows these origins everything (`*`: all), and others to embed pictures where `embed` says so.
    pub fn new(allowed: &[String], embed: bool) -> Self {
        let allowed = allowed.iter().map(|origin| origin.trim_end_matches('/').to_lowercase());
        Self { allowed: allowed.collect(), embed }
    }

    /// Whether pages of other origins may show MJPEG streams and snapshots.
    pub fn embedding_allowed(&self) -> bool {
        self.embed
    }

    /// Returns whose page a request comes from. Its headers have passed [`check`](super::headers::check); if not, one
    /// that cannot be read belongs to a foreign page.
    pub fn classify(&self, headers: &HeaderMap) -> Origin {
        if headers.contains_key(header::ORIGIN) {
            let origin = text(headers, &header::ORIGIN).unwrap_or("null");
            return self.named(origin, text(headers, &header::HOST));
        }
        // A plain GET, as of <img>, has no Origin; browsers tell by Fetch Metadata (W3C) whose page it is.
        match text(headers, &SEC_FETCH_SITE) {
            Some("cross-site" | "same-site") if !is_navigation(headers) => Origin::Foreign,
            _ => Origin::Own,
        }
    }

    fn named(&self, origin: &str, host: Option<&str>) -> Origin {
        let origin = origin.to_lowercase();
        // A proxy with TLS before this relay makes it https.
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        if authority.is_some() && authority == host.map(str::to_lowercase).as_deref() {
            Origin::Own
        } else if self.allowed.iter().any(|allowed| *allowed == origin || allowed == "*") {
            Origin::Allowed
        } else {
            Origin::Foreign
        }
    }
}

/// Following a link from elsewhere is not embedding.
fn is_navigation(headers: &HeaderMap) -> bool {
    headers.get(SEC_FETCH_MODE).is_some_and(|mode| mode == "navigate")
        && headers.get(SEC_FETCH_DEST).is_some_and(|dest| dest == "document")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classify(rule: &OriginRule, headers: &[(&'static str, &'static str)]) -> Origin {
        let headers = headers.iter().map(|(name, value)| {
            let value = header::HeaderValue::from_bytes(value.as_bytes()).unwrap();
            (header::HeaderName::from_static(name), value)
        });
        rule.classify(&headers.collect())
    }

    #[test]
    fn a_page_is_known_by_its_origin() {
        let rule = OriginRule::new(&["https://wall.example/".into()], true);
        let host = ("host", "cam:7474");
        assert_eq!(classify(&rule, &[host]), Origin::Own);
        assert_eq!(classify(&rule, &[host, ("origin", "http://cam:7474")]), Origin::Own);
        assert_eq!(classify(&rule, &[host, ("origin", "https://cam:7474")]), Origin::Own);
        assert_eq!(classify(&rule, &[host, ("origin", "ftp://cam:7474")]), Origin::Foreign);
        assert_eq!(classify(&rule, &[host, ("origin", "https://wall.example")]), Origin::Allowed);
        assert_eq!(classify(&rule, &[host, ("origin", "https://evil.example")]), Origin::Foreign);
        assert_eq!(classify(&rule, &[host, ("origin", "http://cam:7475")]), Origin::Foreign);
        assert_eq!(classify(&rule, &[host, ("origin", "null")]), Origin::Foreign);
        assert_eq!(classify(&rule, &[("origin", "null")]), Origin::Foreign);
        assert_eq!(classify(&rule, &[host, ("origin", "http://c\u{e4}m:7474")]), Origin::Foreign);
    }

    #[test]
    fn an_embedded_picture_is_known_by_fetch_metadata() {
        let rule = OriginRule::new(&[], true);
        assert_eq!(classify(&rule, &[("sec-fetch-site", "cross-site")]), Origin::Foreign);
        assert_eq!(classify(&rule, &[("sec-fetch-site", "same-origin")]), Origin::Own);
        assert_eq!(classify(&rule, &[("sec-fetch-site", "none")]), Origin::Own);
        let link = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        assert_eq!(classify(&rule, &link), Origin::Own);
    }
}
