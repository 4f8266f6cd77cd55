//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use fanlight_bus::Endpoint;
use fanlight_protocol::{Codec, MAX_PAYLOAD, StreamName, TrackName};

use crate::camera::MadeTrack;
use crate::payload::{MIN_BYTES, Made};
use crate::{camera, writev};

/// Reference servers and synthetic cameras for measuring the relay
#[derive(Debug, clap::Parser)]
#[command(name = "yardstick", version)]
pub struct Options {
    /// The subcommand.
    #[command(subcommand)]
    pub task: Task,
}

/// The subcommand.
#[derive(Debug, clap::Subcommand)]
pub enum Task {
    /// Publish synthetic frames on the bus, as a capture would. They are NOT images: nothing can decode them
    ///
    /// A payload begins with SOI and a comment with the time of capture (u64 little-endian Unix microseconds, at byte 6),
    /// ends with EOI, and has no image data between them. Frames are made only while there are viewers.
    Camera(CameraOptions),
    /// The lower bound: write every frame to every TCP connection as u32 big-endian length and payload
    ///
    /// A payload begins with the time when it was made, u64 little-endian Unix microseconds. A connection that cannot
    /// accept every frame gets the newest.
    Writev(WritevOptions),
    /// The simple server: axum's WebSockets at /ws and a tokio broadcast channel
    ///
    /// A payload begins with the time when it was made, u64 little-endian Unix microseconds.
    Broadcast(BroadcastOptions),
    /// Make the tables of recorded runs
    Report(ReportOptions),
    /// Draw frame age against link rate, as SVG
    Chart(ChartOptions),
}

/// Size and rate of the frames.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct MadeOptions {
    /// Length of each payload, 16 to 16777216
    #[arg(long, value_name = "N", default_value_t = 60_000, value_parser = bytes)]
    bytes: usize,

    /// Frames per second, 0.1 to 1000
    #[arg(long, value_name = "N", default_value_t = 30.0, value_parser = fps)]
    fps: f64,
}

impl From<MadeOptions> for Made {
    fn from(options: MadeOptions) -> Self {
        Self { bytes: options.bytes, fps: options.fps }
    }
}

/// Options of `yardstick camera`.
#[derive(Debug, clap::Args)]
pub struct CameraOptions {
    /// The stream's name
    #[arg(long, value_name = "NAME")]
    stream: StreamName,

    #[command(flatten)]
    made: MadeOptions,

    /// Publish as if it were H.264: every sixtieth frame is a keyframe, the others refer to the one before
    #[arg(long)]
    h264: bool,

    /// Publish this track instead, for example half.jpeg=9000, or full.h264=10000/40000: the length of a frame, and of a
    /// keyframe; repeatable, at most 16. A keyframe on request comes at the earliest 30 frames after the last one
    #[arg(long, value_name = "TRACK=BYTES[/BYTES]", value_parser = track, conflicts_with_all = ["bytes", "h264"])]
    track: Vec<MadeTrack>,

    /// An endpoint to publish at, ipc:///PATH or tcp://HOST:PORT; repeatable [default: one in $XDG_RUNTIME_DIR/fanlight,
    /// where relays look]
    #[arg(long, value_name = "ENDPOINT")]
    publish: Vec<Endpoint>,
}

impl From<CameraOptions> for camera::Settings {
    fn from(options: CameraOptions) -> Self {
        let codec = if options.h264 { Codec::H264 } else { Codec::Jpeg };
        let Made { bytes, fps } = options.made.into();
        let tracks = match options.track {
            none if none.is_empty() => vec![MadeTrack::full(codec, bytes)],
            tracks => tracks,
        };
        Self { stream: options.stream, fps, tracks, publish: options.publish }
    }
}

/// Options of `yardstick writev`.
#[derive(Debug, clap::Args)]
pub struct WritevOptions {
    /// Address to listen on; port 0 selects a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,

    #[command(flatten)]
    made: MadeOptions,

    /// Threads that share the connections, 1 to 64; one more thread makes the frames
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = threads)]
    threads: usize,

    /// Bytes of a connection that the kernel may hold unsent (TCP_NOTSENT_LOWAT) [default: the system's]
    #[arg(long, value_name = "BYTES")]
    not_sent_low_water: Option<u32>,

    /// Encrypt with TLS and a certificate of its own
    #[arg(long)]
    tls: bool,

    /// Congestion control of the connections, for example cubic [default: the system's]
    #[arg(long, value_name = "NAME")]
    congestion: Option<String>,
}

impl From<WritevOptions> for writev::Settings {
    fn from(options: WritevOptions) -> Self {
        Self {
            made: options.made.into(),
            threads: options.threads,
            not_sent_low_water: options.not_sent_low_water,
            congestion: options.congestion,
            tls: options.tls,
        }
    }
}

/// Options of `yardstick broadcast`.
#[derive(Debug, clap::Args)]
pub struct BroadcastOptions {
    /// Address to listen on; port 0 selects a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,

    /// Size and rate of the frames.
    #[command(flatten)]
    pub made: MadeOptions,

    /// Threads of the runtime, 1 to 64; one more thread makes the frames
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = threads)]
    pub threads: usize,
}

/// Options of `yardstick report`.
#[derive(Debug, clap::Args)]
pub struct ReportOptions {
    /// Recorded runs, one JSON object a line, as scripts/bench writes them
    #[arg(value_name = "RUNS")]
    pub runs: PathBuf,

    /// Put the tables into this Markdown file, between its markers, instead of on stdout
    #[arg(long, value_name = "FILE")]
    pub into: Option<PathBuf>,

    /// A line below each table: place and time of the measurement
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub measured: String,
}

/// Options of `yardstick chart`.
#[derive(Debug, clap::Args)]
pub struct ChartOptions {
    /// Recorded runs, one JSON object a line, as scripts/bench writes them
    #[arg(value_name = "RUNS")]
    pub runs: PathBuf,

    /// The SVG file to write
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
}

fn track(text: &str) -> Result<MadeTrack, String> {
    let (name, lengths) = text.split_once('=').ok_or("a track is RENDITION.CODEC=BYTES")?;
    let name = name.parse::<TrackName>().map_err(|error| format!("{name:?}: {error}"))?;
    let (other, keyframe) = lengths.split_once('/').unwrap_or((lengths, lengths));
    Ok(MadeTrack { name, bytes: bytes(other)?, keyframe_bytes: bytes(keyframe)? })
}

fn bytes(text: &str) -> Result<usize, String> {
    within(text, MIN_BYTES, MAX_PAYLOAD)
}

fn fps(text: &str) -> Result<f64, String> {
    within(text, 0.1, 1000.0)
}

fn threads(text: &str) -> Result<usize, String> {
    within(text, 1, 64)
}

fn within<T>(text: &str, least: T, most: T) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    text.parse()
        .ok()
        .filter(|value| *value >= least && *value <= most)
        .ok_or_else(|| format!("must be {least} to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_options_are_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn invalid_values_are_refused() {
        for wrong in [
            ["writev", "--bytes=15"],
            ["writev", "--bytes=16777217"],
            ["writev", "--fps=nan"],
            ["broadcast", "--threads=0"],
            ["camera", "--stream=Door"],
        ] {
            assert!(Options::try_parse_from([&["yardstick"][..], &wrong].concat()).is_err());
        }
    }

    #[test]
    fn a_camera_has_one_track_or_those_that_are_named() {
        let settings = |arguments: &[&str]| {
            let all = [&["yardstick", "camera", "--stream=cam"][..], arguments].concat();
            match Options::try_parse_from(all).map(|options| options.task) {
                Ok(Task::Camera(options)) => Ok(camera::Settings::from(options).tracks),
                Ok(other) => panic!("{other:?}"),
                Err(error) => Err(error.to_string()),
            }
        };
        let one = vec![MadeTrack::full(Codec::H264, 500)];
        assert_eq!(settings(&["--h264", "--bytes=500"]), Ok(one));
        let two = settings(&["--track=half.jpeg=900", "--track=full.h264=100/400"]).unwrap();
        let lengths: Vec<_> = two.iter().map(|one| (one.bytes, one.keyframe_bytes)).collect();
        assert_eq!(lengths, [(900, 900), (100, 400)]);
        for wrong in ["--track=half", "--track=half.png=900", "--track=full.jpeg=1"] {
            assert!(settings(&[wrong]).is_err(), "{wrong}");
        }
        assert!(settings(&["--track=half.jpeg=900", "--h264"]).is_err());
    }

    #[test]
    fn the_help_of_the_camera_says_that_its_frames_are_no_images() {
        let help = Options::command()
            .find_subcommand_mut("camera")
            .map(|camera| camera.render_long_help().to_string());
        assert!(help.is_some_and(|help| help.contains("NOT images")));
    }
}
