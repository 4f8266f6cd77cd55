//! Settings of the load generator, made from the options: every default and every rule.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use fanlight_cli::secret::expand_env;
use fanlight_protocol::StreamName;
use fanlight_protocol::viewer::{CodecChoice, Watch};

use super::message::Look;
use super::options::Options;
use super::request::{self, Header, MAX_SENT};
use super::tls::Tls;
use super::url::{Scheme, Target};
use super::v1;

const MAX_VIEWERS: usize = 100_000;
const MAX_SECONDS: f64 = 86_400.0;
const MAX_THREADS: usize = 64;
const MAX_PIDS: usize = 64;
const MAX_LINES: usize = 64;
const MAX_HEAD: usize = 16 * 1024;
const MAX_SENDS: usize = 16;
const MAX_TIMESTAMP_AT: u64 = 1024 * 1024;
/// Default connection rate. Many servers let 128 connections wait to be accepted; at this rate even a busy one keeps
/// up.
const CONNECT_RATE: f64 = 500.0;
/// Largest `buffer` and `fps` that are sent to the relay.
const MAX_REQUEST: f64 = 1000.0;

/// Protocol of the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The protocol of a relay.
    FanlightV1,
    /// Binary messages of any WebSocket.
    WebSocket,
    /// Parts of a multipart answer.
    Mjpeg,
    /// Messages with a length prefix.
    LengthPrefixed,
}

impl Protocol {
    /// Returns its name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FanlightV1 => "fanlight.v1",
            Self::WebSocket => "websocket",
            Self::Mjpeg => "mjpeg",
            Self::LengthPrefixed => "length-prefixed",
        }
    }
}

/// Settings of the load generator.
#[derive(Debug)]
pub struct Settings {
    /// Address of the server.
    pub target: Target,
    /// TLS of the viewers, if the address asks for it.
    pub tls: Option<Tls>,
    /// Protocol of the server.
    pub protocol: Protocol,
    /// The stream, over fanlight.v1.
    pub stream: Option<StreamName>,
    /// Head of a viewer's request; empty if there is none.
    pub request: Vec<u8>,
    /// Bytes that a viewer sends after a successful handshake.
    pub greeting: Vec<u8>,
    /// Bytes that are inspected in each message.
    pub look: Look,
    /// Acknowledge frames.
    pub ack: bool,
    /// Number of viewers, of all kinds.
    pub viewers: usize,
    /// Number of viewers that read nothing.
    pub stalled: usize,
    /// Number of viewers that read slowly.
    pub trickling: usize,
    /// Rate of slow viewers, in bytes per second.
    pub trickle_rate: u64,
    /// Reconnect closed viewers.
    pub reconnect: bool,
    /// Duration of the measurement.
    pub seconds: Duration,
    /// Duration of the warm-up.
    pub warm_up: Duration,
    /// Size of the viewers' receive buffer.
    pub receive_buffer: Option<usize>,
    /// Connections per second.
    pub connect_rate: f64,
    /// Number of threads.
    pub threads: usize,
    /// Processes of the server.
    pub pids: Vec<i32>,
    /// Print JSON.
    pub json: bool,
}

impl TryFrom<Options> for Settings {
    type Error = anyhow::Error;

    fn try_from(options: Options) -> anyhow::Result<Self> {
        let mut target = Target::parse(&options.url)?;
        let protocol = protocol(&target, &options)?;
        let authorities = options.ca_cert.as_deref();
        ensure!(
            target.encrypted || (authorities.is_none() && !options.insecure),
            "--ca-cert and --insecure are for TLS: wss://, https:// or tls://"
        );
        let tls = target
            .encrypted
            .then(|| Tls::new(target.host_name(), authorities, options.insecure))
            .transpose()?;
        check_fitting(protocol, &options)?;
        let viewers = within("--viewers", options.viewers.unwrap_or(1), 1, MAX_VIEWERS)?;
        let stalled = options.stalled.unwrap_or(0);
        let (trickling, trickle_rate) = options.trickle.as_deref().map_or(Ok((0, 0)), trickle)?;
        ensure!(
            stalled.saturating_add(trickling) <= viewers,
            "--stalled {stalled} and --trickle {trickling}@… are more than --viewers {viewers}"
        );
        add_requests(&mut target, protocol, &options)?;
        let (stream, watch) = watch(protocol, &options)?.unzip();
        Ok(Self {
            request: request(&target, protocol, &options)?,
            greeting: greeting(watch.into_iter().chain(options.send))?,
            look: match (protocol, options.timestamp_at) {
                (Protocol::FanlightV1, _) => Look::FANLIGHT,
                (_, Some(at)) => {
                    Look::timestamp_at(within("--timestamp-at", at, 0, MAX_TIMESTAMP_AT)?)
                }
                (_, None) => Look::default(),
            },
            target,
            tls,
            protocol,
            stream,
            ack: options.ack,
            viewers,
            stalled,
            trickling,
            trickle_rate,
            reconnect: options.reconnect,
            seconds: seconds("--seconds", options.seconds.unwrap_or(10.0), 0.1)?,
            warm_up: seconds("--warm-up", options.warm_up.unwrap_or(2.0), 0.0)?,
            receive_buffer: options
                .receive_buffer
                .map(|bytes| within("--receive-buffer", bytes, 1024, 1 << 30))
                .transpose()?,
            connect_rate: within(
                "--connect-rate",
                options.connect_rate.unwrap_or(CONNECT_RATE),
                0.1,
                100_000.0,
            )?,
            threads: within("--threads", options.threads.unwrap_or(1), 1, MAX_THREADS)?
                .min(viewers),
            pids: pids(options.pid)?,
            json: options.json,
        })
    }
}

fn protocol(target: &Target, options: &Options) -> anyhow::Result<Protocol> {
    Ok(match (target.scheme, &options.stream) {
        (Scheme::WebSocket, Some(_)) => {
            ensure!(
                target.path().ends_with("/ws"),
                "--stream is for fanlight.v1, whose address ends in /ws: {target} does not"
            );
            Protocol::FanlightV1
        }
        (Scheme::Http | Scheme::Tcp, Some(stream)) => bail!(
            "--stream {stream} is for fanlight.v1, ws://HOST:PORT/ws; the address {target} names its stream itself"
        ),
        (Scheme::WebSocket, None) => Protocol::WebSocket,
        (Scheme::Http, None) => Protocol::Mjpeg,
        (Scheme::Tcp, None) => Protocol::LengthPrefixed,
    })
}

/// Refuses an option that would do nothing, because it is most likely a mistake.
fn check_fitting(protocol: Protocol, options: &Options) -> anyhow::Result<()> {
    use Protocol::{FanlightV1, LengthPrefixed, Mjpeg, WebSocket};
    let relays: &[Protocol] = &[FanlightV1, WebSocket, Mjpeg];
    for (flag, given, fitting) in [
        ("--ack", options.ack, &[FanlightV1][..]),
        ("--buffer", options.buffer.is_some(), &[FanlightV1]),
        ("--fps", options.fps.is_some(), relays),
        ("--rendition", options.rendition.is_some(), relays),
        ("--codec", options.codec.is_some(), relays),
        ("--token", options.token.is_some(), relays),
        ("--header", !options.header.is_empty(), relays),
        ("--subprotocol", options.subprotocol.is_some(), &[WebSocket]),
        ("--send", !options.send.is_empty(), &[FanlightV1, WebSocket]),
        ("--http10", options.http10, &[Mjpeg]),
        ("--timestamp-at", options.timestamp_at.is_some(), &[WebSocket, Mjpeg, LengthPrefixed]),
    ] {
        let names: Vec<_> = fitting.iter().map(|protocol| protocol.as_str()).collect();
        ensure!(
            !given || fitting.contains(&protocol),
            "{flag} is for {}; this is {}{}",
            names.join(", "),
            protocol.as_str(),
            if names == ["fanlight.v1"] { " (--stream NAME selects it)" } else { "" }
        );
    }
    Ok(())
}

fn add_requests(target: &mut Target, protocol: Protocol, options: &Options) -> anyhow::Result<()> {
    if let Some(token) = &options.token {
        let token = expand_env(token.expose()).context("--token")?;
        ensure!((1..=512).contains(&token.len()), "--token: 1 to 512 letters");
        target.add_query("token", &token);
    }
    let fps = options.fps.map(|fps| within("--fps", fps, 0.001, MAX_REQUEST)).transpose()?;
    if protocol != Protocol::FanlightV1 {
        fps.inspect(|fps| target.add_query("fps", &fps.to_string()));
        options.rendition.iter().for_each(|name| target.add_query("rendition", name));
        codec(options)?;
        options.codec.iter().for_each(|name| target.add_query("codec", name));
    }
    Ok(())
}

fn codec(options: &Options) -> anyhow::Result<Option<CodecChoice>> {
    let codec = options.codec.as_deref();
    codec.map(|name| name.parse().with_context(|| format!("--codec {name:?}"))).transpose()
}

fn watch(protocol: Protocol, options: &Options) -> anyhow::Result<Option<(StreamName, String)>> {
    let Some(stream) = options.stream.as_ref().filter(|_| protocol == Protocol::FanlightV1) else {
        return Ok(None);
    };
    let stream: StreamName = stream.parse().with_context(|| format!("--stream {stream:?}"))?;
    let rendition = options.rendition.as_deref();
    let watch = Watch {
        id: v1::ID,
        stream: stream.clone(),
        rendition: rendition
            .map(|name| name.parse().with_context(|| format!("--rendition {name:?}")))
            .transpose()?,
        codec: codec(options)?,
        fps: options.fps,
        ack: options.ack.then_some(true),
        buffer: options
            .buffer
            .map(|seconds| within("--buffer", seconds, 0.0, MAX_REQUEST))
            .transpose()?,
        max_width: None,
        max_height: None,
    };
    Ok(Some((stream, v1::watch(watch))))
}

fn request(target: &Target, protocol: Protocol, options: &Options) -> anyhow::Result<Vec<u8>> {
    ensure!(options.header.len() <= MAX_LINES, "--header: at most {MAX_LINES} of them");
    let headers: Vec<_> =
        options.header.iter().map(|line| header(line)).collect::<anyhow::Result<_>>()?;
    let subprotocol = options.subprotocol.as_deref();
    if let Some(name) = subprotocol {
        header(&format!("Sec-WebSocket-Protocol: {name}")).context("--subprotocol")?;
    }
    let head = match protocol {
        Protocol::FanlightV1 => request::upgrade(target, Some(v1::SUBPROTOCOL), &headers),
        Protocol::WebSocket => request::upgrade(target, subprotocol, &headers),
        Protocol::Mjpeg => request::get(target, options.http10, &headers),
        Protocol::LengthPrefixed => Vec::new(),
    };
    ensure!(head.len() <= MAX_HEAD, "--header: the request becomes longer than {MAX_HEAD} bytes");
    Ok(head)
}

fn header(line: &str) -> anyhow::Result<Header> {
    let name_ok = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    // The value may be a secret, and is not repeated.
    let (name, value) = line
        .split_once(':')
        .filter(|(name, value)| name_ok(name) && !value.contains(char::is_control))
        .context("--header: write 'NAME: VALUE', on one line")?;
    Ok(Header { name: name.into(), value: value.trim().into() })
}

fn greeting(texts: impl Iterator<Item = String>) -> anyhow::Result<Vec<u8>> {
    let mut greeting = Vec::new();
    for (at, text) in texts.enumerate() {
        ensure!(at < MAX_SENDS, "--send: at most {MAX_SENDS} texts");
        ensure!(text.len() <= MAX_SENT, "--send: a text of more than {MAX_SENT} bytes");
        greeting.extend(request::text(&text));
    }
    Ok(greeting)
}

fn trickle(text: &str) -> anyhow::Result<(usize, u64)> {
    let parsed = text.split_once('@').and_then(|(count, rate)| {
        Some((count.parse().ok()?, rate.parse().ok().filter(|rate| *rate > 0)?))
    });
    parsed.with_context(|| {
        format!("--trickle {text}: write K@BYTES_PER_S, for example 5@20000: the number of viewers and their rate")
    })
}

fn pids(pids: Vec<i32>) -> anyhow::Result<Vec<i32>> {
    ensure!(
        pids.len() <= MAX_PIDS,
        "--pid: at most {MAX_PIDS} processes, but there are {}",
        pids.len()
    );
    for (at, pid) in pids.iter().enumerate() {
        ensure!(*pid > 0, "--pid {pid}: a process's number is greater than 0");
        ensure!(!pids[..at].contains(pid), "--pid {pid} is given twice");
    }
    Ok(pids)
}

fn seconds(flag: &str, seconds: f64, least: f64) -> anyhow::Result<Duration> {
    Ok(Duration::from_secs_f64(within(flag, seconds, least, MAX_SECONDS)?))
}

fn within<N>(flag: &str, number: N, least: N, most: N) -> anyhow::Result<N>
where
    N: PartialOrd + std::fmt::Display,
{
    ensure!(number >= least && number <= most, "{flag} {number}: {least} to {most}");
    Ok(number)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Bench {
        #[command(flatten)]
        options: Options,
    }

    fn settings(args: &[&str]) -> anyhow::Result<Settings> {
        let args = std::iter::once("bench").chain(args.iter().copied());
        Settings::try_from(Bench::try_parse_from(args)?.options)
    }

    fn refused(args: &[&str]) -> String {
        format!("{:#}", settings(args).unwrap_err())
    }

    const RELAY: &str = "ws://127.0.0.1:7474/ws";

    #[test]
    fn the_url_and_the_stream_select_the_protocol() {
        for (args, protocol) in [
            (&[RELAY, "--stream", "cam"][..], Protocol::FanlightV1),
            (&[RELAY], Protocol::WebSocket),
            (&["http://h/mjpeg"], Protocol::Mjpeg),
            (&["tcp://h:1"], Protocol::LengthPrefixed),
        ] {
            assert_eq!(settings(args).unwrap().protocol, protocol);
        }
    }

    #[test]
    fn requests_go_into_the_watch_or_the_query() {
        let requests = ["--fps", "5", "--rendition", "auto", "--codec", "h264", "--token", "a b"];
        let watched =
            settings(&[&[RELAY, "--stream", "cam", "--ack"], &requests[..]].concat()).unwrap();
        let greeting = String::from_utf8_lossy(&watched.greeting).into_owned();
        assert!(greeting.ends_with(
            r#"{"type":"watch","id":1,"stream":"cam","rendition":"auto","codec":"h264","fps":5.0,"ack":true}"#
        ));
        assert!(watched.request.starts_with(b"GET /ws?token=a+b HTTP/1.1\r\n"));
        let asked = settings(&[&["http://h/mjpeg"], &requests[..]].concat()).unwrap();
        let request = String::from_utf8(asked.request).unwrap();
        assert!(
            request.starts_with("GET /mjpeg?token=a+b&fps=5&rendition=auto&codec=h264 HTTP/1.1"),
            "{request}"
        );
        assert!(!asked.target.to_string().contains("a+b"));
    }

    #[test]
    fn an_invalid_option_is_reported_with_its_rule() {
        for (args, words) in [
            (&["--viewers", "0"][..], "--viewers 0: 1 to 100000"),
            (&["--seconds", "NaN"], "--seconds NaN"),
            (&["--stalled", "2"], "more than --viewers 1"),
            (&["--trickle", "5"], "5@20000"),
            (&["--trickle", "1@0"], "5@20000"),
            (&["--ack"], "--stream NAME selects it"),
            (&["--codec", "vp8"], "--codec \"vp8\""),
            (&["--stream", "Big Cam"], "--stream \"Big Cam\""),
            (&["--header", "secret"], "'NAME: VALUE'"),
            (&["--header", "A: b\r\nC: d"], "'NAME: VALUE'"),
            (&["--pid", "5", "--pid", "5"], "twice"),
            (&["--http10"], "--http10 is for mjpeg"),
            (&["--token", "${NO_SUCH_VARIABLE}"], "NO_SUCH_VARIABLE"),
        ] {
            let refused = refused(&[&[RELAY], args].concat());
            assert!(refused.contains(words), "{refused}");
        }
        assert!(refused(&["ws://h/other", "--stream", "cam"]).contains("ends in /ws"));
        assert!(refused(&["http://h/", "--stream", "cam"]).contains("names its stream itself"));
    }
}
