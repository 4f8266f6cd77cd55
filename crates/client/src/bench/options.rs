//! What the user wrote.

use clap::Args;
use fanlight_cli::secret::Secret;

/// What the user wrote.
#[derive(Debug, Args)]
#[command(after_help = LIMITS)]
pub struct Options {
    /// The server: ws://HOST:PORT/PATH (with --stream and a PATH that ends in /ws: fanlight.v1; else any WebSocket),
    /// http://HOST:PORT/PATH (MJPEG), or tcp://HOST:PORT (each message led by its length: u32, big-endian)
    #[arg(value_name = "URL")]
    pub url: String,

    /// The stream to watch, over fanlight.v1
    #[arg(long, value_name = "NAME")]
    pub stream: Option<String>,

    /// How many viewers [default: 1]
    #[arg(long, value_name = "N")]
    pub viewers: Option<usize>,

    /// How long to measure [default: 10]
    #[arg(long, value_name = "SECONDS")]
    pub seconds: Option<f64>,

    /// How long to wait after all viewers are connected [default: 2]
    #[arg(long, value_name = "SECONDS")]
    pub warm_up: Option<f64>,

    /// So many of the viewers connect, and then read nothing more
    #[arg(long, value_name = "K")]
    pub stalled: Option<usize>,

    /// So many of the viewers read no faster than this
    #[arg(long, value_name = "K@BYTES_PER_S")]
    pub trickle: Option<String>,

    /// Connect anew, a second after the server has closed
    #[arg(long)]
    pub reconnect: bool,

    /// Acknowledge each frame (fanlight.v1)
    #[arg(long)]
    pub ack: bool,

    /// Stay so far behind and see every frame (fanlight.v1)
    #[arg(long, value_name = "SECONDS")]
    pub buffer: Option<f64>,

    /// Ask the relay for so many frames a second
    #[arg(long, value_name = "N")]
    pub fps: Option<f64>,

    /// Ask the relay for this rendition
    #[arg(long, value_name = "NAME")]
    pub rendition: Option<String>,

    /// Ask the relay for this codec: jpeg, h264, or auto
    #[arg(long, value_name = "CODEC")]
    pub codec: Option<String>,

    /// Show the relay this token. '${NAME}' takes it from the environment, where other users do not see it
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<Secret>,

    /// Ask for this subprotocol (ws://)
    #[arg(long, value_name = "NAME")]
    pub subprotocol: Option<String>,

    /// Send this text once connected (ws://); repeatable
    #[arg(long, value_name = "TEXT")]
    pub send: Vec<String>,

    /// Add this line to the request, in the place of ours of that name; repeatable
    #[arg(long, value_name = "NAME: VALUE")]
    pub header: Vec<String>,

    /// Where in each message the time stands when its picture was taken: u64, little-endian, Unix microseconds. Without
    /// it: fanlight.v1's captured_at, or a part's X-Timestamp
    #[arg(long, value_name = "OFFSET")]
    pub timestamp_at: Option<u64>,

    /// Ask in HTTP/1.0, which has no chunks (http://)
    #[arg(long)]
    pub http10: bool,

    /// Each viewer's receive buffer in the kernel (SO_RCVBUF) [default: the system's]
    #[arg(long, value_name = "BYTES")]
    pub receive_buffer: Option<usize>,

    /// How many viewers connect in a second [default: 500]
    #[arg(long, value_name = "N")]
    pub connect_rate: Option<f64>,

    /// How many threads serve the viewers [default: 1]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,

    /// A process of the server, whose CPU time and memory are measured; repeatable
    #[arg(long, value_name = "PID")]
    pub pid: Vec<i32>,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

const LIMITS: &str = "\
Ages compare two clocks: they are true where both machines' clocks agree.

Limits:
  viewers    100000, of which some 28000 have a local port toward one address; 100 handshakes at once
  handshake  10 s; heads of 16 KiB; a refusal is shown with the first 300 bytes of its reason
  messages   256 MiB; texts of fanlight.v1 64 KiB
  time       86400 s to measure, as much to warm up
  threads    64; processes 64; --header 64 lines, 16 KiB in all; --send 16 texts of 65535 bytes
  reasons    32 different ones are told apart

Exit codes: 0 well, 1 when no viewer ever got a frame or the server refused one, 2 wrong options.";
