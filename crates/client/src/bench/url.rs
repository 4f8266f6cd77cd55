//! The server's address and protocol.

use std::fmt;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use fanlight_cli::secret::mask_url;
use url::Url;

/// Longest attempt to connect to one of several addresses of a name.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Protocol family of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `ws://`, `wss://`: a WebSocket.
    WebSocket,
    /// `http://`, `https://`: MJPEG.
    Http,
    /// `tcp://`, `tls://`: messages with a length prefix.
    Tcp,
}

/// A server's address. Shown without passwords and tokens.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its protocol family.
    pub scheme: Scheme,
    /// It is reached with TLS.
    pub encrypted: bool,
    url: Url,
}

impl Target {
    /// Parses a URL.
    ///
    /// # Errors
    /// Fails if it is invalid, or its scheme is not supported.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let shown = mask_url(text);
        let url = Url::parse(text).map_err(|error| {
            anyhow!("{shown:?}: {error}: write ws://HOST:PORT/PATH, http://HOST:PORT/PATH or tcp://HOST:PORT")
        })?;
        let (scheme, encrypted) = match url.scheme() {
            "ws" => (Scheme::WebSocket, false),
            "wss" => (Scheme::WebSocket, true),
            "http" => (Scheme::Http, false),
            "https" => (Scheme::Http, true),
            "tcp" => (Scheme::Tcp, false),
            "tls" => (Scheme::Tcp, true),
            other => bail!(
                "{shown}: {other}:// is not supported: write ws://, http:// or tcp://, or with TLS wss://, https:// or tls://"
            ),
        };
        ensure!(url.has_host() && url.host_str() != Some(""), "{shown}: it has no host");
        ensure!(
            url.username().is_empty() && url.password().is_none(),
            "{shown}: user and password in a URL are not supported: use --header 'Authorization: …'"
        );
        ensure!(
            scheme != Scheme::Tcp || url.port().is_some(),
            "{shown}: tcp:// and tls:// need a port"
        );
        Ok(Self { scheme, encrypted, url })
    }

    /// Adds a pair to the query.
    pub fn add_query(&mut self, name: &str, value: &str) {
        self.url.query_pairs_mut().append_pair(name, value);
    }

    /// Returns its path, without the query.
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// Returns path and query, as in the first line of a request.
    pub fn path_and_query(&self) -> &str {
        &self.url[url::Position::BeforePath..url::Position::AfterQuery]
    }

    /// Returns host and port, as in a `Host:` line.
    pub fn host(&self) -> &str {
        &self.url[url::Position::BeforeHost..url::Position::AfterPort]
    }

    /// Returns the name or address of the host.
    pub fn host_name(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Resolves its name. If a name has several addresses, returns the first one that accepts a connection, or else the
    /// first one.
    ///
    /// # Errors
    /// Fails if the name is unknown.
    pub fn resolve(&self) -> anyhow::Result<SocketAddr> {
        let host = self.host_name().trim_matches(['[', ']']);
        let port = self.url.port_or_known_default().unwrap_or(80);
        let found: Vec<_> = (host, port)
            .to_socket_addrs()
            .with_context(|| format!("the host {host:?} cannot be found"))?
            .collect();
        let connects =
            |address: &&SocketAddr| TcpStream::connect_timeout(address, CONNECT_TIMEOUT).is_ok();
        let several = (found.len() > 1).then(|| found.iter().find(connects)).flatten();
        several
            .or(found.first())
            .copied()
            .with_context(|| format!("the host {host:?} has no address"))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask_url(self.url.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Target::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_url_becomes_scheme_host_and_path() {
        let mut target = Target::parse("ws://localhost:7474/ws?a=1").unwrap();
        target.add_query("token", "s p=y");
        assert_eq!(target.scheme, Scheme::WebSocket);
        assert_eq!(target.host(), "localhost:7474");
        assert_eq!((target.path(), target.path_and_query()), ("/ws", "/ws?a=1&token=s+p%3Dy"));
        assert_eq!(target.to_string(), "ws://localhost:7474/ws?a=1&token=***");
        let target = Target::parse("tcp://[::1]:9").unwrap();
        assert_eq!(target.resolve().unwrap(), "[::1]:9".parse().unwrap());
        assert_eq!(Target::parse("http://h/").unwrap().host(), "h");
    }

    #[test]
    fn an_invalid_url_is_reported() {
        assert!(refused("nonsense").contains("ws://HOST"));
        assert!(Target::parse("wss://h/ws").unwrap().encrypted);
        assert!(refused("ftp://h/ws").contains("ftp://"));
        assert!(refused("tcp://h").contains("port"));
        let password = refused("ws://u:hunter2@h/");
        assert!(password.contains("Authorization") && !password.contains("hunter2"), "{password}");
    }
}
