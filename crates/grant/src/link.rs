//! Links: the right of a token on one stream, for a time.

use std::time::Duration;

use fanlight_protocol::{StreamName, Timestamp};

use crate::seconds;
use crate::signer::Signer;
use crate::token_hash::TokenHash;

/// Longest validity of a link.
pub const MAX_LINK: Duration = Duration::from_secs(7 * 24 * 3600);
/// Shortest validity of a link.
pub const MIN_LINK: Duration = Duration::from_secs(10);
/// Validity of a link that states none.
pub const USUAL_LINK: Duration = Duration::from_secs(24 * 3600);

/// The purpose of the signature.
const PURPOSE: &str = "link";

/// The right of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkRight {
    /// View the stream.
    View,
    /// Publish the stream.
    Publish,
}

/// A link: the right of an entry on one stream, for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The right.
    pub right: LinkRight,
    /// The stream.
    pub stream: StreamName,
    /// The end of its validity.
    pub expires: Timestamp,
}

/// A link that was read and not verified: its entry is needed for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unverified {
    link: Option<Link>,
    /// The name of the access entry that it was made for.
    pub entry: String,
    signed: String,
}

impl LinkRight {
    /// Returns the name in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Publish => "publish",
        }
    }

    /// Returns the right with this name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::View, Self::Publish].into_iter().find(|right| right.as_str() == text)
    }
}

impl Link {
    /// Returns the signed text of a link by the entry with this name and token.
    pub fn sign(&self, signer: &Signer, entry: &str, token: &TokenHash) -> String {
        let Self { right, stream, expires } = self;
        let text = format!("{} {stream} {} {entry}", right.as_str(), seconds::of(*expires));
        signer.sign(PURPOSE, token, &text)
    }

    /// Returns the address to open with this link, relative to the relay's.
    pub fn address(&self, signed: &str) -> String {
        let stream = &self.stream;
        match self.right {
            LinkRight::View => format!("?stream={stream}&link={signed}"),
            LinkRight::Publish => format!("streams/{stream}/publish?link={signed}"),
        }
    }

    /// Reads a signed text; `None` if it is no link.
    pub fn read(signed: &str) -> Option<Unverified> {
        let text = Signer::text(signed)?;
        let mut words = text.splitn(4, ' ');
        let mut word = || words.next();
        let (right, stream, expires, entry) = (word()?, word()?, word()?, word()?);
        let link = || {
            let (right, stream) = (LinkRight::parse(right)?, stream.parse().ok()?);
            Some(Self { right, stream, expires: seconds::parse(expires)? })
        };
        Some(Unverified { link: link(), entry: entry.to_owned(), signed: signed.to_owned() })
    }
}

impl Unverified {
    /// Returns the link, expired or not, if the entry with this token made it.
    pub fn verify(self, signer: &Signer, token: &TokenHash) -> Option<Link> {
        self.link.filter(|_| signer.is_genuine(PURPOSE, token, &self.signed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signer::SECRET;

    #[test]
    fn a_link_is_signed_and_read_again_by_its_token_and_secret_only() {
        let (signer, token) = (Signer::new([3; SECRET]), TokenHash::of("a-token"));
        let expires = Timestamp::from_micros(1_700_000_000_000_000);
        let link = Link { right: LinkRight::View, stream: "door".parse().unwrap(), expires };
        let signed = link.sign(&signer, "my wall", &token);
        let read = Link::read(&signed).unwrap();
        assert_eq!(read.entry, "my wall");
        assert_eq!(read.clone().verify(&signer, &token), Some(link.clone()));
        assert_eq!(read.clone().verify(&signer, &TokenHash::of("another")), None);
        assert_eq!(read.verify(&Signer::new([4; SECRET]), &token), None);
        assert_eq!(link.address("x"), "?stream=door&link=x");
        let publish = Link { right: LinkRight::Publish, ..link };
        assert_eq!(publish.address("x"), "streams/door/publish?link=x");
    }

    #[test]
    fn other_signed_texts_are_no_links() {
        let (signer, token) = (Signer::new([3; SECRET]), TokenHash::of("a-token"));
        for text in
            ["", "view door 1700000000", "see door 1 wall", "view Door 1 wall", "view door x wall"]
        {
            let signed = signer.sign(PURPOSE, &token, text);
            let link = Link::read(&signed).and_then(|read| read.verify(&signer, &token));
            assert_eq!(link, None, "{text}");
        }
        assert_eq!(Link::read("not signed"), None);
    }
}
