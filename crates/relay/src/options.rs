//! Options as the user wrote them, and the settings made from them.

mod access;
mod bus;
mod embedding;
mod lan;
mod limits;
mod proxy;
mod publishing;
mod tls;
mod warnings;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::Parser;
use fanlight_cli::secret::Secret;
use serde::Deserialize;

use crate::access::{Access, AccessTable, FramingRule, HostRule, OriginRule};
use crate::addresses::{PublicAddress, TrustedProxies};
use crate::connection::congestion::Congestion;
use crate::connection::threads::MAX_THREADS;
use crate::ingest::IngestSettings;
use crate::lan::LanSettings;
use crate::limits::{Limits, MAX_VIEWERS, MAX_VIEWERS_PER_ADDRESS};
use crate::state::secrets::KeptToken;
use crate::state::{KeptSecrets, KeptSettings};
use access::AccessInFile;
use bus::BusOptions;
use lan::LanOptions;
use limits::LIMITS;
use proxy::ProxyOptions;
use publishing::PublishingOptions;
use tls::TlsOptions;
pub use tls::{TlsMode, TlsSettings};

/// Most publishers that the relay follows in the watched folder, the same number as in `fanlight_bus`.
const MAX_IN_FOLDER: usize = 64;
/// Default address to listen on.
const LISTEN: &str = "127.0.0.1:7474";

/// Serves live video from cameras to many browsers at the same time.
///
/// Subscribes to the streams that fanlight-capture publishes and fans every frame out to its viewers: the page at /,
/// WebSockets (/ws, /streams/NAME/ws), MJPEG (/streams/NAME/mjpeg) and snapshots (/streams/NAME/snapshot).
#[derive(Debug, Default, Parser, Deserialize)]
#[command(name = "fanlight-relay", version, after_help = LIMITS)]
#[serde(rename_all = "kebab-case", default)]
pub struct Options {
    /// Address and port to listen on; beyond loopback only with --token, --lan or --insecure [default: 127.0.0.1:7474]
    #[arg(long, env = "FANLIGHT_LISTEN", value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,

    #[command(flatten)]
    #[serde(flatten)]
    pub lan: LanOptions,

    /// A publisher to follow, ipc:///PATH or tcp://HOST:PORT; repeatable, at most 64. In the environment: separated by
    /// commas. tcp://HOST:PORT#key=FILE names the file with the publisher's public key [default: all publishers of this
    /// user on this machine]
    #[arg(long, env = "FANLIGHT_SUBSCRIBE", value_name = "ENDPOINT", value_delimiter = ',')]
    pub subscribe: Vec<String>,

    /// This relay's secret key, made by `fanlight keys new`, for publishers named with #key=FILE
    #[arg(long, env = "FANLIGHT_BUS_KEY", value_name = "FILE")]
    pub bus_key: Option<PathBuf>,

    /// Follow publishers on other machines without keys: everyone on the network path can watch, and can send other
    /// frames. With --publish: everyone on the network path can watch, and can stop this program
    #[arg(long, env = "FANLIGHT_INSECURE_BUS", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub insecure_bus: Option<bool>,

    /// The token that viewers must send, as ?token=…, Authorization: Bearer … or password of a Basic login; 8 to 512 letters.
    /// Better in the environment or a file than on the command line, where other users see it. [[access]] in the file has
    /// more tokens, each with its own rights
    #[arg(
        long,
        env = "FANLIGHT_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true,
        allow_hyphen_values = true
    )]
    pub token: Option<Secret>,

    /// A file with a secret of at least 32 bytes, the same for all relays that accept each other's links and sessions of the
    /// page [default: one that is made once and kept in --state-folder with --lan or --tls auto; else a random one, so that both
    /// end with the relay]
    #[arg(long, env = "FANLIGHT_SECRET_FILE", value_name = "FILE")]
    pub secret_file: Option<PathBuf>,

    /// Tokens with fewer or more rights; only in the file.
    #[arg(skip)]
    pub access: Vec<AccessInFile>,

    /// Listen beyond loopback without a token: anyone on the network can watch
    #[arg(long, env = "FANLIGHT_INSECURE", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub insecure: Option<bool>,

    /// auto: serve TLS with a certificate for all names and addresses of this machine, from a certificate authority of the
    /// relay's own; clients install its certificate from /ca.crt once
    #[arg(long, env = "FANLIGHT_TLS", value_name = "auto")]
    pub tls: Option<TlsMode>,

    /// Folder for what must outlive the relay: the keys of --tls auto, the token of --lan, the secret for sessions and links
    /// [default: $STATE_DIRECTORY, else
    /// $XDG_STATE_HOME/fanlight, else ~/.local/state/fanlight]
    #[arg(long, env = "FANLIGHT_STATE_FOLDER", value_name = "FOLDER")]
    pub state_folder: Option<PathBuf>,

    /// With TLS, answer plain requests of other machines too, for clients that do not know the certificate
    #[arg(long, env = "FANLIGHT_ALLOW_PLAIN", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub allow_plain: Option<bool>,

    /// Serve TLS with the certificate in this file, followed by those of its issuers; PEM. Plain requests from this machine
    /// are answered too
    #[arg(long, env = "FANLIGHT_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// The key of the certificate in --tls-cert; PEM, without a password
    #[arg(long, env = "FANLIGHT_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// A name under which browsers may address this relay, beside localhost, this machine's name and addresses;
    /// repeatable
    #[arg(long, env = "FANLIGHT_ALLOW_HOST", value_name = "NAME", value_delimiter = ',')]
    pub allow_host: Vec<String>,

    /// An origin whose pages may use the API and WebSockets, for example https://wall.example, or * for all; repeatable
    #[arg(long, env = "FANLIGHT_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub allow_origin: Vec<String>,

    /// Forbid pages of other origins to embed MJPEG and snapshots
    #[arg(long, env = "FANLIGHT_NO_EMBED", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub no_embed: Option<bool>,

    /// An origin whose pages may show the player at /embed/NAME in a frame, for example https://dash.example, or * for all;
    /// repeatable, at most 64
    #[arg(long, env = "FANLIGHT_ALLOW_EMBED", value_name = "ORIGIN", value_delimiter = ',')]
    pub allow_embed: Vec<String>,

    /// Reverse proxies.
    #[command(flatten)]
    #[serde(flatten)]
    pub proxy: ProxyOptions,

    #[command(flatten)]
    #[serde(flatten)]
    pub publishing: PublishingOptions,

    /// Most viewers in total [default: 4096]
    #[arg(long, env = "FANLIGHT_MAX_VIEWERS", value_name = "N")]
    pub max_viewers: Option<usize>,

    /// Most viewers from one address; loopback is exempt [default: 64]
    #[arg(long, env = "FANLIGHT_MAX_VIEWERS_PER_ADDRESS", value_name = "N")]
    pub max_viewers_per_address: Option<usize>,

    /// Threads that serve viewers, 1 to 64 [default: half the number of cores]
    #[arg(long, env = "FANLIGHT_THREADS", value_name = "N")]
    pub threads: Option<usize>,

    /// TCP congestion control for viewers, if the kernel allows it: bbr, cubic, … or system for its own choice
    /// [default: bbr]
    #[arg(long, env = "FANLIGHT_CONGESTION", value_name = "NAME")]
    pub congestion: Option<String>,

    /// Share the port with other relays that set this option
    #[arg(long, env = "FANLIGHT_REUSE_PORT", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub reuse_port: Option<bool>,

    /// Serve the page from this folder instead of the built-in one, for development
    #[arg(long, env = "FANLIGHT_WEB", value_name = "FOLDER")]
    pub web: Option<PathBuf>,
}

impl fanlight_cli::Options for Options {
    const FILE_ONLY: &'static [&'static str] = &["access"];
}

impl Options {
    fn listen(&self) -> SocketAddr {
        let listen = self.listen.unwrap_or_else(|| LISTEN.parse().expect("an address and port"));
        if self.lan.is_on() { lan::everywhere(listen.port()) } else { listen }
    }

    /// Returns whether other machines can reach the relay.
    pub fn is_exposed(&self) -> bool {
        !self.listen().ip().to_canonical().is_loopback()
    }

    /// Returns the access table that the user wrote.
    ///
    /// # Errors
    /// Fails if an entry is invalid.
    pub fn access_table(&self) -> anyhow::Result<AccessTable> {
        access::table(self.token.as_ref(), self.publishing.publish_token.as_ref(), &self.access)
    }

    /// Returns the access table that applies: with the token that `--lan` keeps.
    ///
    /// # Errors
    /// Fails if an entry is invalid, or the token cannot be kept.
    pub fn present_access_table(&self) -> anyhow::Result<AccessTable> {
        match lan::kept(self)?.filter(|kept| kept.token) {
            Some(kept) => {
                let kept = KeptSettings { secret: false, ..kept }.open()?;
                kept_table(&kept, self.publishing.publish_token.as_ref())
            }
            None => self.access_table(),
        }
    }
}

/// The relay's settings.
#[derive(Debug)]
pub struct Settings {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Share the port with other relays.
    pub reuse_port: bool,
    /// Number of threads that serve viewers.
    pub threads: usize,
    /// Congestion control of viewers' connections.
    pub congestion: Congestion,
    /// Publishers to follow, and streams that clients push.
    pub ingest: IngestSettings,
    /// Access rules.
    pub access: Access,
    /// The pages that may frame the player.
    pub framing: FramingRule,
    /// TLS; absent: the relay is plain.
    pub tls: Option<TlsSettings>,
    /// Limits on viewers.
    pub limits: Limits,
    /// Reverse proxies that are believed when they name a client.
    pub proxies: TrustedProxies,
    /// The address by which users reach the relay.
    pub public: PublicAddress,
    /// The token of `--publish-token`, which counts beside a token that is kept.
    pub publish_token: Option<Secret>,
    /// Secrets that the relay makes itself and keeps.
    pub kept: Option<KeptSettings>,
    /// The local network; absent: the relay has no name there.
    pub lan: Option<LanSettings>,
    /// Folder with the page; absent: the page in the binary.
    pub web: Option<PathBuf>,
    /// Settings that are valid and may not be intended, to be logged.
    pub warnings: Vec<String>,
}

/// Returns the table with the token that is kept, and with `--publish-token`.
fn kept_table(kept: &KeptSecrets, publish_token: Option<&Secret>) -> anyhow::Result<AccessTable> {
    let Some(kept) = &kept.token else { return Ok(AccessTable::default()) };
    let file = kept.file.display();
    let reason = || format!("{file}: remove this file, so that a new token is made");
    access::table(Some(&kept.token), publish_token, &[]).with_context(reason)
}

impl Settings {
    /// Reads the secrets that the relay keeps, or makes them, and applies them. Returns the token, if it is kept.
    ///
    /// # Errors
    /// Fails with the file or folder that is unusable.
    pub fn open_kept(mut self) -> anyhow::Result<(Self, Option<KeptToken>)> {
        let Some(kept) = &self.kept else { return Ok((self, None)) };
        let kept = kept.open()?;
        if kept.token.is_some() {
            self.access.replace(kept_table(&kept, self.publish_token.as_ref())?);
        }
        if let Some(signer) = kept.signer {
            self.access = self.access.with_signer(signer);
        }
        Ok((self, kept.token))
    }

    /// Returns the largest number of publishers to follow, with the relay's own.
    pub fn most_publishers(&self) -> usize {
        let subscribe = &self.ingest.subscribe;
        1 + if subscribe.folder.is_some() { MAX_IN_FOLDER } else { subscribe.endpoints.len() }
    }
}

impl TryFrom<Options> for Settings {
    type Error = anyhow::Error;

    fn try_from(options: Options) -> anyhow::Result<Self> {
        lan::check(&options)?;
        let listen = options.listen();
        let (kept, lan) = (lan::kept(&options)?, lan::settings(&options)?);
        let lan_name = lan.as_ref().map(|lan| lan.name.clone());
        let table = options.access_table()?;
        ensure!(
            !options.is_exposed()
                || table.guards_viewing()
                || options.insecure == Some(true)
                || options.lan.is_on(),
            "--listen {listen} can be reached from other machines: add --token TOKEN or --lan, or --insecure if everyone there \
             may watch"
        );
        if let Some(name) =
            options.allow_host.iter().find(|name| name.is_empty() || name.contains(['/', ':', ' ']))
        {
            anyhow::bail!(
                "--allow-host {name:?}: write a name alone, for example cams.example.org, without port or path"
            );
        }
        if let Some(web) = &options.web {
            ensure!(
                web.join("index.html").is_file(),
                "--web {}: it has no index.html",
                web.display()
            );
        }
        let (proxies, public) = (options.proxy.trusted()?, options.proxy.public_address()?);
        let warnings = warnings::of(&options, table.is_empty());
        let names = names(&options.allow_host, &public);
        Ok(Self {
            listen,
            reuse_port: options.reuse_port.unwrap_or(false),
            threads: threads(options.threads)?,
            congestion: match options.congestion.as_deref() {
                Some(name) => name.parse()?,
                None => Congestion::default(),
            },
            ingest: IngestSettings {
                push_limits: options.publishing.limits()?,
                ..BusOptions {
                    subscribe: &options.subscribe,
                    publish: &options.publishing.publish,
                    key: options.bus_key.as_deref(),
                    allow: options.publishing.bus_allow.as_deref(),
                    insecure: options.insecure_bus == Some(true),
                }
                .settings()?
            },
            access: Access::new(
                table,
                access::signer(options.secret_file.as_deref())?,
                HostRule::new(&names).with_lan_name(lan_name.clone()),
                origins(&options.allow_origin, options.no_embed != Some(true))?.reached_at(&public),
            ),
            framing: embedding::framing(&options.allow_embed)?,
            tls: TlsOptions {
                mode: lan::tls_mode(&options),
                certificate: options.tls_cert,
                key: options.tls_key,
                state_folder: options.state_folder,
                allow_plain: options.allow_plain == Some(true),
                names,
                lan_name,
            }
            .settings()?,
            limits: Limits::new(
                positive("--max-viewers", options.max_viewers.unwrap_or(MAX_VIEWERS))?,
                positive(
                    "--max-viewers-per-address",
                    options.max_viewers_per_address.unwrap_or(MAX_VIEWERS_PER_ADDRESS),
                )?,
            )
            .with_publishers(options.publishing.most_publishers()?)
            .behind(&proxies),
            proxies,
            public,
            publish_token: options.publishing.publish_token,
            kept,
            lan,
            web: options.web,
            warnings,
        })
    }
}

/// Returns the names of the relay that its owner states.
fn names(allowed: &[String], public: &PublicAddress) -> Vec<String> {
    let mut names = allowed.to_vec();
    let name = public.url.as_ref().and_then(|url| url.name()).map(str::to_owned);
    names.extend(name.filter(|name| !names.contains(name)));
    names
}

fn origins(allowed: &[String], embed: bool) -> anyhow::Result<OriginRule> {
    for origin in allowed {
        let authority = origin.split_once("://").map(|(_, rest)| rest.trim_end_matches('/'));
        ensure!(
            origin == "*" || authority.is_some_and(|rest| !rest.is_empty() && !rest.contains('/')),
            "--allow-origin {origin}: write it as browsers do, https://NAME or http://NAME:PORT, without a path"
        );
    }
    Ok(OriginRule::new(allowed, embed))
}

/// Returns the number of threads that serve viewers, by default half the cores.
///
/// One thread serves some thousand frames a second at little more than the cost of the kernel's copy. Each further thread
/// makes every frame more expensive, because the threads contend in the kernel (see docs/performance.md). The other half
/// of the cores is for the kernel's own work and for captures on the same machine.
fn threads(requested: Option<usize>) -> anyhow::Result<usize> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = requested.unwrap_or((cores / 2).clamp(1, MAX_THREADS));
    ensure!((1..=MAX_THREADS).contains(&threads), "--threads {threads}: 1 to {MAX_THREADS}");
    Ok(threads)
}

fn positive(flag: &str, number: usize) -> anyhow::Result<usize> {
    ensure!((1..=1_000_000).contains(&number), "{flag} {number}: 1 to 1000000");
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(args: &[&str]) -> anyhow::Result<Settings> {
        let args = std::iter::once("fanlight-relay").chain(args.iter().copied());
        Settings::try_from(Options::try_parse_from(args)?)
    }

    fn error(args: &[&str]) -> String {
        format!("{:#}", settings(args).unwrap_err())
    }

    #[test]
    fn by_default_the_relay_listens_on_loopback() {
        let settings = settings(&["--subscribe", "tcp://127.0.0.1:1"]).unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:7474");
    }

    #[test]
    fn listening_beyond_loopback_needs_a_token_or_insecure() {
        let bus = ["--subscribe", "tcp://127.0.0.1:1"];
        let with = |more: &[&str]| settings(&[&bus, more].concat());
        for exposed in ["0.0.0.0:7474", "192.168.1.5:7474", "[::]:7474"] {
            let refused = with(&["--listen", exposed]).unwrap_err().to_string();
            assert!(refused.contains(exposed) && refused.contains("--token"), "{refused}");
            assert!(with(&["--listen", exposed, "--insecure"]).is_ok());
            assert!(with(&["--listen", exposed, "--token", "s3cr3t-s3cr3t"]).is_ok());
        }
        assert!(with(&["--listen", "[::1]:7474"]).is_ok());
    }

    #[test]
    fn an_invalid_option_is_reported_with_its_rule() {
        let bus = ["--subscribe", "tcp://127.0.0.1:1"];
        let error = |more: &[&str]| error(&[&bus, more].concat());
        assert!(error(&["--token", "short"]).contains("8 to 512"));
        assert!(!error(&["--token", "short"]).contains("short"));
        assert!(error(&["--subscribe", "nonsense"]).contains("write ipc:///PATH"));
        assert!(error(&["--subscribe", "tcp://127.0.0.1:1"]).contains("twice"));
        assert!(error(&["--max-viewers", "0"]).contains("--max-viewers 0"));
        assert!(error(&["--allow-origin", "wall.example"]).contains("https://NAME"));
        for (option, value) in [
            ("--trusted-proxy", "10.0.0.0/40"),
            ("--public-url", "cams.example.org"),
            ("--base-path", "cams"),
        ] {
            let error = error(&[option, value]);
            assert!(error.contains(option) && error.contains(value), "{error}");
        }
        assert!(error(&["--public-url", "https://x.example/a%20b"]).contains("--public-url"));
        assert!(error(&["--web", "/nowhere"]).contains("index.html"));
    }
}
