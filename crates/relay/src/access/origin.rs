//! The rights of pages of other origins: they may embed pictures unless that is forbidden, and do nothing else unless
//! allowed.

use crate::addresses::public::{PublicAddress, PublicUrl};

/// The page that initiated a request, as the browser names it in the request's headers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Initiator<'a> {
    /// `Origin`; `null` if unreadable.
    pub origin: Option<&'a str>,
    /// The host that the request addresses.
    pub host: Option<&'a str>,
    /// True if the client's connection is encrypted.
    pub is_encrypted: bool,
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
    /// The origin of `--public-url`.
    public: Option<String>,
}

impl OriginRule {
    /// Allows these origins everything (`*`: all origins), and if `embed` is set, others to embed pictures.
    pub fn new(allowed: &[String], embed: bool) -> Self {
        let allowed = allowed.iter().map(|origin| origin.trim_end_matches('/').to_lowercase());
        Self { allowed: allowed.collect(), embed, public: None }
    }

    /// Takes pages of the address by which users reach the relay for its own, whatever host a proxy names.
    #[must_use]
    pub fn reached_at(mut self, public: &PublicAddress) -> Self {
        self.public = public.url.as_ref().map(PublicUrl::origin);
        self
    }

    /// Returns whether pages of other origins may embed MJPEG streams and snapshots.
    pub fn embedding_allowed(&self) -> bool {
        self.embed
    }

    /// Returns the kind of page that a request comes from.
    pub fn classify(&self, initiator: Initiator<'_>) -> Origin {
        if let Some(origin) = initiator.origin {
            return self.named(&origin.to_lowercase(), initiator);
        }
        // A plain GET, as of <img>, has no Origin. Browsers name the site in Fetch Metadata (W3C) instead.
        match initiator.site {
            Some("cross-site" | "same-site") if !initiator.is_navigation() => Origin::Foreign,
            _ => Origin::Own,
        }
    }

    fn named(&self, origin: &str, initiator: Initiator<'_>) -> Origin {
        if is_own(origin, initiator) || self.public.as_deref() == Some(origin) {
            Origin::Own
        } else if self.allowed.iter().any(|allowed| allowed == origin || allowed == "*") {
            Origin::Allowed
        } else {
            Origin::Foreign
        }
    }
}

/// Returns whether a page of this origin is one of the host that the request addresses.
///
/// A page without TLS could be anyone's on the way to the client, so it is not that of an encrypted request. The reverse is
/// possible: a proxy that is not trusted may have decrypted the request.
fn is_own(origin: &str, initiator: Initiator<'_>) -> bool {
    let plain = origin.strip_prefix("http://").filter(|_| !initiator.is_encrypted);
    let authority = plain.or_else(|| origin.strip_prefix("https://"));
    authority.zip(initiator.host).is_some_and(|(page, host)| page.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Initiator<'static> = Initiator {
        origin: None,
        host: Some("cam:7474"),
        is_encrypted: false,
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
    fn on_an_encrypted_request_only_a_page_with_tls_is_the_relays_own() {
        let rule = OriginRule::new(&[], true);
        let classify =
            |origin| rule.classify(Initiator { origin: Some(origin), is_encrypted: true, ..OWN });
        assert_eq!(classify("https://cam:7474"), Origin::Own);
        assert_eq!(classify("http://cam:7474"), Origin::Foreign);
    }

    #[test]
    fn the_public_address_is_the_relays_own_and_only_with_its_scheme() {
        let url: PublicUrl = "https://Wall.example/cams".parse().unwrap();
        let public = PublicAddress { url: Some(url), ..PublicAddress::default() };
        let rule = OriginRule::new(&[], true).reached_at(&public);
        let classify = |origin| rule.classify(Initiator { origin: Some(origin), ..OWN });
        assert_eq!(classify("https://wall.example"), Origin::Own);
        assert_eq!(classify("http://wall.example"), Origin::Foreign);
        assert_eq!(classify("https://wall.example:8443"), Origin::Foreign);
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
