//! The rights of pages of other origins: they may embed pictures unless that is forbidden, and do nothing else unless
//! allowed.

/// The page that initiated a request, as the browser names it in the request's headers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Initiator<'a> {
    /// `Origin`; `null` if unreadable.
    pub origin: Option<&'a str>,
    /// `Host`.
    pub host: Option<&'a str>,
    /// `Sec-Fetch-Site`.
    pub site: Option<&'a str>,
    /// `Sec-Fetch-Mode`.
    pub mode: Option<&'a str>,
    /// `Sec-Fetch-Dest`.
    pub destination: Option<&'a str>,
}

impl Initiator<'_> {
    /// Returns whether the request follows a link, which is not embedding.
    fn is_navigation(&self) -> bool {
        self.mode == Some("navigate") && self.destination == Some("document")
    }
}

/// The kind of page that a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The relay's own page, or no page at all (curl, VLC, an address typed in).
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
    /// Allows these origins everything (`*`: all origins), and if `embed` is set, others to embed pictures.
    pub fn new(allowed: &[String], embed: bool) -> Self {
        let allowed = allowed.iter().map(|origin| origin.trim_end_matches('/').to_lowercase());
        Self { allowed: allowed.collect(), embed }
    }

    /// Returns whether pages of other origins may embed MJPEG streams and snapshots.
    pub fn embedding_allowed(&self) -> bool {
        self.embed
    }

    /// Returns the kind of page that a request comes from.
    pub fn classify(&self, initiator: Initiator<'_>) -> Origin {
        if let Some(origin) = initiator.origin {
            return self.named(origin, initiator.host);
        }
        // A plain GET, as of <img>, has no Origin. Browsers name the site in Fetch Metadata (W3C) instead.
        match initiator.site {
            Some("cross-site" | "same-site") if !initiator.is_navigation() => Origin::Foreign,
            _ => Origin::Own,
        }
    }

    fn named(&self, origin: &str, host: Option<&str>) -> Origin {
        let origin = origin.to_lowercase();
        // The scheme is https behind a TLS proxy.
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

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Initiator<'static> = Initiator {
        origin: None,
        host: Some("cam:7474"),
        site: None,
        mode: None,
        destination: None,
    };

    #[test]
    fn a_page_is_recognised_by_its_origin() {
        let rule = OriginRule::new(&["https://wall.example/".into()], true);
        let classify = |origin| rule.classify(Initiator { origin: Some(origin), ..OWN });
        assert_eq!(rule.classify(OWN), Origin::Own);
        assert_eq!(classify("http://cam:7474"), Origin::Own);
        assert_eq!(classify("https://cam:7474"), Origin::Own);
        assert_eq!(classify("ftp://cam:7474"), Origin::Foreign);
        assert_eq!(classify("https://wall.example"), Origin::Allowed);
        assert_eq!(classify("https://evil.example"), Origin::Foreign);
        assert_eq!(classify("http://cam:7475"), Origin::Foreign);
        assert_eq!(classify("null"), Origin::Foreign);
        let without_host = Initiator { origin: Some("null"), ..Initiator::default() };
        assert_eq!(rule.classify(without_host), Origin::Foreign);
    }

    #[test]
    fn an_embedded_picture_is_recognised_by_fetch_metadata() {
        let rule = OriginRule::new(&[], true);
        let from = |site| Initiator { site: Some(site), ..Initiator::default() };
        assert_eq!(rule.classify(from("cross-site")), Origin::Foreign);
        assert_eq!(rule.classify(from("same-origin")), Origin::Own);
        assert_eq!(rule.classify(from("none")), Origin::Own);
        let link = Initiator {
            mode: Some("navigate"),
            destination: Some("document"),
            ..from("cross-site")
        };
        assert_eq!(rule.classify(link), Origin::Own);
    }
}
