//! Options of `fanlight bench` as the user wrote them.

use std::path::PathBuf;

use clap::Args;
use fanlight_cli::secret::Secret;

/// Options of `fanlight bench` as the user wrote them.
#[derive(Debug, Args)]
#[command(after_help = LIMITS)]
pub struct Options {
    /// The server: ws://HOST:PORT/PATH (with --stream: fanlight.v1, and PATH must end in /ws; without: any WebSocket),
    /// http://HOST:PORT/PATH (MJPEG), or tcp://HOST:PORT (messages with a length prefix: u32, big-endian). With TLS: wss://,
    /// https://, tls://
    #[arg(value_name = "URL")]
    pub url: String,

    /// Trust the certificate authorities in this file, such as a relay's /ca.crt [default: those that the system trusts]
    #[arg(long, value_name = "FILE")]
    pub ca_cert: Option<PathBuf>,

    /// Accept any certificate of the server
    #[arg(long)]
    pub insecure: bool,

    /// The stream to watch, over fanlight.v1
    #[arg(long, value_name = "NAME")]
    pub stream: Option<String>,

    /// Number of viewers [default: 1]
    #[arg(long, value_name = "N")]
    pub viewers: Option<usize>,

    /// Duration of the measurement [default: 10]
    #[arg(long, value_name = "SECONDS")]
    pub seconds: Option<f64>,

    /// Wait between the last connection and the measurement [default: 2]
    #[arg(long, value_name = "SECONDS")]
    pub warm_up: Option<f64>,

    /// Number of viewers that connect and then read nothing
    #[arg(long, value_name = "K")]
    pub stalled: Option<usize>,

    /// Number of viewers that read slowly, and their rate
    #[arg(long, value_name = "K@BYTES_PER_S")]
    pub trickle: Option<String>,

    /// Reconnect one second after the server closed the connection
    #[arg(long)]
    pub reconnect: bool,

    /// Acknowledge each frame (fanlight.v1)
    #[arg(long)]
    pub ack: bool,

    /// Receive every frame, this far behind (fanlight.v1)
    #[arg(long, value_name = "SECONDS")]
    pub buffer: Option<f64>,

    /// Request at most this frame rate from the relay
    #[arg(long, value_name = "N")]
    pub fps: Option<f64>,

    /// Request this rendition from the relay
    #[arg(long, value_name = "NAME")]
    pub rendition: Option<String>,

    /// Request this codec from the relay: jpeg, h264, or auto
    #[arg(long, value_name = "CODEC")]
    pub codec: Option<String>,

    /// Send this token to the relay. '${NAME}' reads it from the environment, where other users do not see it
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<Secret>,

    /// Request this subprotocol (ws://)
    #[arg(long, value_name = "NAME")]
    pub subprotocol: Option<String>,

    /// Send this text after connecting (ws://); repeatable
    #[arg(long, value_name = "TEXT")]
    pub send: Vec<String>,

    /// Add this line to the request; it replaces the default line of that name; repeatable
    #[arg(long, value_name = "NAME: VALUE")]
    pub header: Vec<String>,

    /// Position of the capture time in each message: u64, little-endian, Unix microseconds. Without it: fanlight.v1's
    /// captured_at, or a part's X-Timestamp
    #[arg(long, value_name = "OFFSET")]
    pub timestamp_at: Option<u64>,

    /// Send an HTTP/1.0 request, so that the answer has no chunks (http://)
    #[arg(long)]
    pub http10: bool,

    /// Size of each viewer's receive buffer in the kernel (SO_RCVBUF) [default: the system's]
    #[arg(long, value_name = "BYTES")]
    pub receive_buffer: Option<usize>,

    /// Number of viewers that connect per second [default: 500]
    #[arg(long, value_name = "N")]
    pub connect_rate: Option<f64>,

    /// Number of threads that run the viewers [default: 1]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,

    /// A process of the server whose CPU time and memory to measure; repeatable
    #[arg(long, value_name = "PID")]
    pub pid: Vec<i32>,

    /// Print the report as one JSON object
    #[arg(long)]
    pub json: bool,
}

const LIMITS: &str = "\
Ages compare the clocks of two machines, so they are only as exact as the clocks agree.

Limits:
  viewers    100000, of which some 28000 have a local port toward one address; 100 handshakes at
             the same time
  handshake  10 s; heads of 16 KiB and 128 lines; a refusal is shown with the first 300 bytes of its
             reason
  messages   256 MiB; texts of fanlight.v1 64 KiB; --timestamp-at 1 MiB
  time       0.1 to 86400 s to measure, and up to 86400 s to warm up; --buffer 1000 s
  rates      --connect-rate 0.1 to 100000; --fps 0.001 to 1000
  memory     --receive-buffer 1 KiB to 1 GiB
  threads    64; processes 64
  request    16 KiB; --header 64 lines; --token 512 letters; --send 16 texts of 65535 bytes (with
             --stream 15)
  reasons    32 different ones are counted separately

Exit codes: 0 success; 1 the run failed, no viewer received a frame, or the server refused a viewer;
2 invalid options.";
