//! Real reverse proxies before a relay, with the very files of `docs/proxies/`.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::{env, fs};

use crate::mjpeg::MjpegViewer;
use crate::patience::eventually;
use crate::plain::PlainViewer;
use crate::program::Program;
use crate::relay::{Relay, V1};
use crate::site::{Site, free_port};
use crate::socket::{Refused, Socket};
use crate::tls::{CertificateFiles, TestAuthority, TlsTunnel};
use crate::tools::{run, tool};
use crate::viewer::Viewer;

/// The name in the files.
pub const NAME: &str = "cams.example.org";
/// The prefix in the files.
pub const PREFIX: &str = "/cams";

/// The kind of a reverse proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It passes the prefix on.
    Nginx,
    /// It removes the prefix.
    Caddy,
}

/// A relay behind a reverse proxy.
#[derive(Debug)]
pub struct Proxied {
    pub relay: Relay,
    /// The host with the port of the proxy, as browsers name it.
    pub host: String,
    /// The certificate of the authority that issued that of the proxy.
    pub authority: PathBuf,
    address: SocketAddr,
    tunnel: TlsTunnel,
    _proxy: Arc<Program>,
}

/// The text of a file of `docs/proxies/`, in which a test replaces ports and paths.
struct Documented(String);

impl Documented {
    fn read(name: &str) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/proxies").join(name);
        Self(fs::read_to_string(file).expect("a file of the repository"))
    }

    /// Replaces a text that must occur.
    fn replace(self, from: &str, to: &str) -> Self {
        assert!(self.0.contains(from), "{from} is not in the file:\n{}", self.0);
        Self(self.0.replace(from, to))
    }

    /// Replaces the paths of the certificate.
    fn with(self, files: &CertificateFiles) -> Self {
        let text = |path: &Path| path.to_str().expect("ASCII").to_owned();
        self.replace(&format!("/etc/ssl/{NAME}.crt"), &text(&files.certificate))
            .replace(&format!("/etc/ssl/{NAME}.key"), &text(&files.key))
    }

    /// Returns the options of the relay that the comment at its top names.
    fn relay_options(&self) -> Vec<String> {
        let line = self.0.lines().find_map(|line| line.strip_prefix("#   fanlight-relay "));
        line.expect("the command of the relay").split(' ').map(str::to_owned).collect()
    }
}

impl Kind {
    fn documented(self, port: u16) -> Documented {
        match self {
            Self::Nginx => Documented::read("nginx.conf")
                .replace("listen 443 ssl", &format!("listen 127.0.0.1:{port} ssl")),
            Self::Caddy => Documented::read("Caddyfile")
                .replace(&format!("{NAME} {{"), &format!("{NAME}:{port} {{")),
        }
        .replace(&format!("https://{NAME}/"), &format!("https://{NAME}:{port}/"))
    }

    fn command(self, site: &Site, file: &str) -> Command {
        match self {
            Self::Nginx => nginx(site, file),
            Self::Caddy => caddy(site, file),
        }
    }
}

/// Returns the command that runs nginx with a file of `conf.d`.
fn nginx(site: &Site, file: &str) -> Command {
    let folder = site.path("nginx");
    fs::create_dir_all(&folder).expect("the site's folder is ours");
    fs::write(folder.join("fanlight.conf"), file).expect("the site's folder is ours");
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = kinds.map(|kind| format!("{kind}_temp_path {kind};")).join(" ");
    let main = format!(
        "daemon off; master_process off; pid nginx.pid; events {{}}\n\
         http {{ access_log off; {temporary} include fanlight.conf; }}\n"
    );
    let main_file = folder.join("nginx.conf");
    fs::write(&main_file, main).expect("the site's folder is ours");
    let (folder, main_file) = (format!("{}/", folder.display()), main_file.display().to_string());
    let mut command = tool("nginx", &["-e", "stderr", "-p", &folder, "-c", &main_file]);
    // Debian installs it in a folder that only root has in its path.
    let path = env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin"));
    command
}

/// Returns the command that runs Caddy with a Caddyfile.
fn caddy(site: &Site, file: &str) -> Command {
    let path = site.path("Caddyfile");
    let global = "{\n\tadmin off\n\tauto_https disable_redirects\n\tdefault_bind 127.0.0.1\n}\n";
    fs::write(&path, format!("{global}{file}")).expect("the site's folder is ours");
    let path = path.to_str().expect("ASCII");
    let mut command = tool("caddy", &["run", "--adapter", "caddyfile", "--config", path]);
    for home in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
        command.env(home, site.path(""));
    }
    command
}

impl Proxied {
    /// Starts a relay with the options that the file of the proxy names and these, and the proxy.
    ///
    /// # Panics
    /// Panics if the proxy does not listen.
    pub fn start(site: &Site, kind: Kind, options: &[&str]) -> Self {
        let port = free_port();
        let authority = TestAuthority::new(&site.path(""));
        let documented = kind.documented(port).with(&authority.issue(&site.path(""), NAME));
        let stated = documented.relay_options();
        let all: Vec<&str> =
            stated.iter().map(String::as_str).chain(options.iter().copied()).collect();
        let relay = site.relay(&all);
        let file = documented.replace("127.0.0.1:7474", &relay.address().to_string());
        let proxy = site.start(kind.command(site, &file.0));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        eventually("the proxy listens", || {
            assert!(proxy.ended().is_none(), "{kind:?} ended:\n{}", proxy.log());
            TcpStream::connect(address).ok()
        });
        let tunnel = TlsTunnel::to(address, &authority.certificate);
        let (host, authority) = (format!("{NAME}:{port}"), authority.certificate);
        Self { relay, host, authority, address, tunnel, _proxy: proxy }
    }

    /// Returns the URL of a path below the prefix.
    pub fn url(&self, path: &str) -> String {
        format!("https://{}{PREFIX}{path}", self.host)
    }

    /// Returns the command by which a client with this address requests a path, with further arguments.
    pub fn curl(&self, client: &str, path: &str, arguments: &[&str]) -> Command {
        let resolve = format!("{}:{}", self.host, self.address.ip());
        let (authority, url) = (self.authority.to_str().expect("ASCII"), self.url(path));
        let usual = ["--silent", "--show-error", "--interface", client, "--resolve", &resolve];
        tool("curl", &[&usual[..], &["--cacert", authority, &url], arguments].concat())
    }

    /// Requests a path as a client with this address; returns the status.
    pub fn status(&self, client: &str, path: &str, arguments: &[&str]) -> u16 {
        let more = ["--output", "/dev/null", "--write-out", "%{http_code}"];
        let status = run("curl", self.curl(client, path, &[&more, arguments].concat()));
        status.parse().unwrap_or_else(|_| panic!("{status} is not a status"))
    }

    /// Opens a WebSocket through the proxy, as a page of this origin.
    ///
    /// # Errors
    /// Fails if the proxy or the relay answers with another status.
    pub fn websocket(&self, path: &str, origin: &str, v1: bool) -> Result<Socket, Refused> {
        let headers = [("host", &*self.host), ("origin", origin), V1];
        let headers = if v1 { &headers[..] } else { &headers[..2] };
        Socket::open(self.tunnel.address(), &format!("{PREFIX}{path}"), headers, None)
    }

    /// Opens a `/ws` as the relay's own page.
    pub fn wall(&self) -> Viewer {
        let socket = self.websocket("/ws", &format!("https://{}", self.host), true);
        Viewer::new(socket.expect("the relay opens a WebSocket"))
    }

    /// Watches a stream over `/streams/NAME/ws`.
    pub fn plain_viewer(&self, stream: &str) -> PlainViewer {
        let origin = format!("https://{}", self.host);
        let socket = self.websocket(&format!("/streams/{stream}/ws"), &origin, false);
        PlainViewer::new(socket.expect("the relay opens a WebSocket"))
    }

    /// Watches a stream over `/streams/NAME/mjpeg`.
    pub fn mjpeg(&self, stream: &str) -> MjpegViewer {
        let path = format!("{PREFIX}/streams/{stream}/mjpeg");
        MjpegViewer::new(
            self.relay.through(self.tunnel.address()).open(&path, &[("host", &self.host)]),
        )
    }
}
