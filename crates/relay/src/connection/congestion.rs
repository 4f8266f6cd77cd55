//! Congestion control: how fast TCP sends, which is the kernel's business, and the owner's choice.

use std::fmt;
use std::str::FromStr;

use socket2::SockRef;

/// Longest name (`TCP_CA_NAME_MAX` in Linux's `include/net/tcp.h`, without the zero at its end).
const MAX_NAME: usize = 15;

/// Which congestion control viewers' connections shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Congestion {
    /// Whatever the system has chosen.
    System,
    /// This one, where the kernel allows it.
    Named(String),
}

/// A text that cannot name a congestion control.
#[derive(Debug, thiserror::Error)]
#[error("--congestion {0:?}: a name such as bbr or cubic (1 to {MAX_NAME} letters), or system")]
pub struct InvalidCongestion(String);

impl Default for Congestion {
    /// bbr measures the link instead of filling its queues until something is lost: on a lossy link (2 %, 40 ms) it
    /// carried 29 frames a second of which cubic carried 14.
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

/// Asks for a congestion control on a listener, whose connections inherit it, and says in the log what was obtained.
/// Returns that; empty where the kernel does not say.
pub fn choose(listener: &std::net::TcpListener, wanted: &Congestion) -> String {
    let socket = SockRef::from(listener);
    let refused = match wanted {
        Congestion::System => None,
        Congestion::Named(name) => socket.set_tcp_congestion(name.as_bytes()).err(),
    };
    let obtained = socket.tcp_congestion().unwrap_or_default();
    // The kernel gives the name with zeros after it.
    let end = obtained.iter().position(|byte| *byte == 0).unwrap_or(obtained.len());
    let obtained = String::from_utf8_lossy(&obtained[..end]).into_owned();
    match refused {
        None => tracing::info!(congestion = obtained, "congestion control"),
        Some(error) => tracing::info!(
            congestion = obtained,
            %wanted,
            %error,
            "congestion control: the kernel does not allow the one that is wanted (see sysctl \
             net.ipv4.tcp_allowed_congestion_control, or load its module)"
        ),
    }
    obtained
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
    fn what_is_obtained_is_told_and_inherited() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let reno = choose(&listener, &Congestion::Named("reno".into()));
        assert_eq!(reno, "reno", "every Linux has it");
        let unknown = choose(&listener, &Congestion::Named("nosuch".into()));
        assert_eq!(unknown, "reno", "what was there stays");
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let inherited = SockRef::from(&accepted).tcp_congestion().unwrap();
        assert!(inherited.starts_with(b"reno"), "{inherited:?}");
    }
}
