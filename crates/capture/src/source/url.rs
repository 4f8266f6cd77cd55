//! A URL as a source: its address, and how to read it.

use std::fmt;
use std::str::FromStr;

use super::address::{Address, Scheme};

/// The request for the video at a URL. Prints without user and password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlRequest {
    /// The address.
    pub address: Address,
    /// The transport of RTSP; `None`: TCP, or UDP if the camera refuses TCP.
    pub transport: Option<Transport>,
}

/// The transport of RTSP video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Within the connection of the session. No packet is lost.
    Tcp,
    /// Beside it. Packets are lost as soon as a frame is larger than a few of them.
    Udp,
}

/// A transport that cannot be used, with the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTransport {
    /// Another word.
    #[error("the transport must be tcp or udp")]
    Unknown,
    /// A URL that is not read by RTSP.
    #[error("the transport is an option of rtsp:// URLs, not of {0}")]
    NotRtsp(String),
    /// Encrypted RTSP over UDP.
    #[error("rtsps:// is read over tcp only")]
    Encrypted,
}

impl UrlRequest {
    /// Sets the transport.
    ///
    /// # Errors
    /// Fails if a URL of this scheme is not read over it.
    pub fn set_transport(&mut self, transport: Transport) -> Result<(), InvalidTransport> {
        match (self.address.scheme(), transport) {
            (Scheme::Rtsp, _) | (Scheme::Rtsps, Transport::Tcp) => {}
            (Scheme::Rtsps, Transport::Udp) => return Err(InvalidTransport::Encrypted),
            _ => return Err(InvalidTransport::NotRtsp(self.address.to_string())),
        }
        self.transport = Some(transport);
        Ok(())
    }
}

impl From<Address> for UrlRequest {
    fn from(address: Address) -> Self {
        Self { address, transport: None }
    }
}

impl fmt::Display for UrlRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl Transport {
    /// Returns the word that selects it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl FromStr for Transport {
    type Err = InvalidTransport;

    fn from_str(text: &str) -> Result<Self, InvalidTransport> {
        let known = [Self::Tcp, Self::Udp];
        let found = known.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(text));
        found.ok_or(InvalidTransport::Unknown)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(url: &str, transport: &str) -> Result<Option<Transport>, InvalidTransport> {
        let mut request = UrlRequest::from(Address::literal(url).unwrap());
        request.set_transport(transport.parse()?)?;
        Ok(request.transport)
    }

    #[test]
    fn a_transport_is_an_option_of_rtsp() {
        assert_eq!(set("rtsp://cam/", "udp"), Ok(Some(Transport::Udp)));
        assert_eq!(set("rtsp://cam/", "TCP"), Ok(Some(Transport::Tcp)));
        assert_eq!(set("rtsps://cam/", "tcp"), Ok(Some(Transport::Tcp)));
        assert_eq!(set("rtsps://cam/", "udp"), Err(InvalidTransport::Encrypted));
        assert_eq!(set("rtsp://cam/", "http"), Err(InvalidTransport::Unknown));
        let error = set("http://u:hunter2@cam/", "udp").unwrap_err().to_string();
        assert!(error.contains("rtsp://") && !error.contains("hunter2"), "{error}");
    }
}
